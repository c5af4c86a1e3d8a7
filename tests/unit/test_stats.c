/* tests/unit/test_stats.c - the numbers are true: each against an oracle of its own.
 *
 * Bytes are held against an allocator that counts, entry counts against what was put, rare events against
 * the flight recorder, and the control tree against gomap_stats.
 */
#include "../flavours.h"

#include <stdio.h>

extern struct gomap_root gomap_inspect_root_1;

static void check_numbers(const gomap *m, const struct t_flavour *f, uint64_t entries) {
    gomap_stats s = t_stats(m);
    assert_int_equal(s.entries, entries);
    assert_int_equal(s.bytes, t_stats_sum(&s));
    if (s.groups > 1) assert_int_equal(s.slots, s.groups * GOMAP_GROUP_SLOTS);
    assert_true(s.slots == 0 ? s.load == 0 : s.load > (double)entries / (double)s.slots - 1e-9);
    assert_true(s.slots == 0 || s.load < (double)entries / (double)s.slots + 1e-9);
    assert_true(s.walk <= 2);
    assert_true(s.walk_progress >= 0 && s.walk_progress <= 1);
    assert_true(s.stashed <= s.stashed_ever);
    assert_true(s.chained + s.stashed <= entries);
    assert_true(s.bytes_header >= 128);
    if (!t_flavour_clumps(f)) assert_int_equal(s.alarms, 0);
    assert_int_equal(s.inconsistent, 0);
}

/* With an allocator of its own, what a map says it holds is what it was given, at every moment. */
static void test_bytes_are_what_was_allocated(void **st) {
    (void)st;
    for (size_t i = 0; i < t_flavour_count; i++) {
        struct t_flavour f = t_flavours[i];
        struct t_alloc a;
        t_alloc_init(&a);
        f.own_alloc = true;
        gomap_config c = t_flavour_config(&t_flavours[i], NULL);
        c.alloc = &a.api, c.name = "counted";
        gomap *m = t_new(&c);
        uint64_t universe = t_flavour_clumps(&f) ? 250 : 2500, named = strlen("counted") + 1;
        for (uint64_t step = 0; step < universe * 6; step++) {
            uint64_t k = t_below(universe);
            bool growing = (step / universe) % 2 == 0;
            if (t_below(10) < (growing ? 9 : 2))
                T_OK(tf_put(m, &f, k, k));
            else
                tf_del(m, &f, k);
            if (step % 7) continue;
            gomap_stats s = t_stats(m);
            /* the copy of a name may or may not be counted as part of the map */
            assert_in_range(a.bytes, s.bytes, s.bytes + named);
            check_numbers(m, &f, gomap_len(m));
        }
        gomap_clear(m, GOMAP_RELEASE);
        gomap_stats s = t_stats(m);
        assert_in_range(a.bytes, s.bytes, s.bytes + named);
        gomap_free(m);
        t_alloc_check_empty(&a);
    }
}

static void test_string_bytes(void **st) {
    (void)st;
    const struct t_flavour *f = t_flavour_named("string");
    gomap *m = t_flavour_new(f, NULL);
    struct t_key room;
    uint64_t want = 0;
    for (uint64_t k = 0; k < 3000; k++) {
        T_OK(tf_put(m, f, k, k));
        want += ((const gomap_str *)t_key(f, k, &room))->len + 1;
        if (k % 3 == 0) {
            assert_true(tf_del(m, f, k));
            want -= ((const gomap_str *)t_key(f, k, &room))->len + 1;
        }
        assert_int_equal(t_stats(m).bytes_strings, want);
    }
    gomap_free(m);
}

static void test_cell_bytes(void **st) {
    (void)st;
    gomap_config c = GOMAP_CONFIG(200, 300);
    gomap *m = t_new(&c);
    uint8_t key[200] = {0}, value[300] = {0};
    for (uint64_t k = 0; k < 500; k++) {
        memcpy(key, &k, sizeof k);
        T_OK(gomap_put(m, key, value));
        assert_int_equal(t_stats(m).bytes_cells, (k + 1) * 500);
    }
    gomap_free(m);
}

static uint64_t events_of(const gomap *m, uint32_t kind) {
    const struct gomap_root *r = &gomap_inspect_root_1;
    uint64_t n = 0;
    for (uint64_t i = 0; i < r->ring_events; i++)
        n += r->ring[i].ticket && r->ring[i].map_id == t_raw(m)->id && r->ring[i].kind == kind;
    return n;
}

/* Counters of rare things equal what the flight recorder saw. */
static void test_counters_match_events(void **st) {
    (void)st;
    struct t_alloc a;
    t_alloc_init(&a);
    gomap_config c = t_config();
    c.name = "counted"; /* gives it a side record, and with it counters, from the start */
    for (int own = 0; own < 2; own++) {
        c.alloc = own ? &a.api : NULL;
        gomap *m = t_new(&c);
        uint64_t clears = 0;
        for (int round = 0; round < 3; round++) {
            t_fill(m, 0, 6000);
            for (uint64_t k = 0; k < 5950; k++) assert_true(gomap_delete(m, &k));
            while (gomap_work(m, 1000000)) continue;
            gomap_clear(m, round % 2 ? GOMAP_KEEP : GOMAP_RELEASE);
            clears++;
        }
        gomap_stats s = t_stats(m);
        assert_true(s.grows >= 3);
        assert_true(s.shrinks >= 3);
        assert_true(s.moved > 0);
        assert_int_equal(s.clears, clears);
        assert_int_equal(events_of(m, GOMAP_EV_NEW), 1);
        assert_int_equal(events_of(m, GOMAP_EV_CLEAR), clears);
        assert_int_equal(events_of(m, GOMAP_EV_GROW_START), s.grows);
        assert_int_equal(events_of(m, GOMAP_EV_SHRINK_START), s.shrinks);
        gomap_free(m);
    }
    t_alloc_check_empty(&a);
}

static uint64_t event_about(uint64_t id, uint32_t kind, uint64_t a, uint64_t b) {
    const struct gomap_root *r = &gomap_inspect_root_1;
    uint64_t n = 0;
    for (uint64_t i = 0; i < r->ring_events; i++) {
        const struct gomap_event *e = &r->ring[i];
        n += e->ticket && e->map_id == id && e->kind == kind && (!a || e->a == a) && (!b || e->b == b);
    }
    return n;
}

/* Every table of more than one group that a map ever had is in the flight recorder when it is given up, and the map itself. */
static void test_memory_given_up_is_recorded(void **st) {
    (void)st;
    enum { MOST = 256, ENTRIES = 6000 };
    uint8_t value[200] = {0};
    gomap_config c = GOMAP_CONFIG(8, sizeof value);
    c.values = GOMAP_VALUES_INLINE; /* few entries, and a table large enough for a range of its own */
    gomap *m = t_new(&c);
    uint64_t had[MOST], id = t_raw(m)->id, handle = (uintptr_t)m;
    size_t tables = 0;
    for (uint64_t k = 0; k < ENTRIES; k++) {
        T_OK(gomap_put(m, &k, value));
        const struct gomap *raw = t_raw(m);
        uint64_t now = raw->mode == GOMAP_MODE_BLOCK   ? (uintptr_t)raw->meta
                       : raw->mode == GOMAP_MODE_RANGE ? (uintptr_t)raw->side->range_base
                                                       : 0;
        if (now && (!tables || had[tables - 1] != now)) {
            assert_true(tables < MOST);
            had[tables++] = now;
        }
    }
    assert_true(tables >= 3);
    for (size_t i = 0; i + 1 < tables; i++) assert_true(event_about(id, GOMAP_EV_RETIRE, had[i], 0) >= 1);
    assert_int_equal(event_about(id, GOMAP_EV_FREE, 0, 0), 0);
    gomap_free(m);
    assert_true(event_about(id, GOMAP_EV_RETIRE, had[tables - 1], 0) >= 1);
    assert_int_equal(event_about(id, GOMAP_EV_FREE, ENTRIES, handle), 1);
}

/* `moved` against an oracle: entries whose slot address changed while a walk ran. */
static void test_moved_counts_moves(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    uint64_t next = 0;
    assert_true(t_until_walk(m, &next, 0, 100000));
    while (t_stats(m).walk) { /* one whole walk, from its first step on, moves each entry at most once */
        t_put(m, next, t_mix(next));
        next++;
    }
    uint64_t before = t_stats(m).moved, len;
    while (!t_stats(m).walk) t_put(m, next, t_mix(next)), next++;
    len = gomap_len(m);
    while (t_stats(m).walk) t_put(m, next, t_mix(next)), next++;
    uint64_t moved = t_stats(m).moved - before;
    assert_true(moved <= gomap_len(m));
    assert_true(moved >= len - len / 50); /* all but what new entries took of them */
    gomap_free(m);
}

static void test_registry_counters(void **st) {
    (void)st;
    struct gomap_root *r = &gomap_inspect_root_1;
    uint64_t made = r->maps_made, freed = r->maps_freed;
    gomap *maps[600];
    for (int i = 0; i < 600; i++) maps[i] = t_new(NULL);
    assert_int_equal(r->maps_made, made + 600);
    for (int i = 0; i < 600; i++) {
        const struct gomap *m = t_raw(maps[i]);
        uint32_t index = (uint32_t)m->id - 1;
        const struct gomap_chunk *c = r->chunks;
        while (c && index - c->base >= GOMAP_CHUNK_ENTRIES) c = c->next;
        assert_non_null(c);
        assert_ptr_equal(c->entry[index - c->base].map, m);
        assert_int_equal(c->entry[index - c->base].gen, m->id >> 32);
        for (int j = 0; j < i; j++) assert_true(t_raw(maps[j])->id != m->id);
    }
    for (int i = 0; i < 600; i++) gomap_free(maps[i]);
    assert_int_equal(r->maps_freed, freed + 600);
    uint64_t id;
    for (int i = 0; i < 3; i++) { /* a slot that is used again has another generation */
        gomap *m = t_new(NULL);
        id = t_raw(m)->id;
        gomap_free(m);
        m = t_new(NULL);
        assert_true(t_raw(m)->id != id);
        gomap_free(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_what_was_allocated),
        cmocka_unit_test(test_string_bytes),
        cmocka_unit_test(test_cell_bytes),
        cmocka_unit_test(test_counters_match_events),
        cmocka_unit_test(test_memory_given_up_is_recorded),
        cmocka_unit_test(test_moved_counts_moves),
        cmocka_unit_test(test_registry_counters),
    };
    return t_run("stats", tests, sizeof tests / sizeof *tests);
}
