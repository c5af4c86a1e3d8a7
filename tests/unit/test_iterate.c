/* tests/unit/test_iterate.c - the rules of iteration under every kind of change.
 *
 * A schedule is an iteration during which random writes happen between the steps.  A record per key says
 * since when it has been present and whether it was returned; from it each of the promises of gomap.h is
 * checked at every step and at the end.  Directed tests then force the rare transitions: from no table to
 * a small one, to groups, to quads, to a reserved range, and back.
 */
#include "../flavours.h"

#include <stdio.h>

struct record {
    uint64_t value;
    bool present, from_start, seen;
    bool again; /* deleted and put again after it was seen */
};
struct schedule {
    const struct t_flavour *f;
    gomap *m;
    struct record *key;
    uint64_t universe, count, writes;
    uint64_t returned;
    bool order_lost; /* the map was empty meanwhile: a new seed, or a key went to the stash */
};

static void note_put(struct schedule *s, uint64_t k, uint64_t v) {
    struct record *r = &s->key[k];
    if (!r->present) {
        s->count++;
        if (r->seen) r->again = true;
    }
    r->present = true, r->value = v;
}

static void note_gone(struct schedule *s, uint64_t k) {
    struct record *r = &s->key[k];
    if (r->present) s->count--;
    r->present = r->from_start = false;
    if (!s->count) s->order_lost = true;
}

static void do_put(struct schedule *s, uint64_t k) {
    uint64_t v = ++s->writes;
    T_OK(tf_put(s->m, s->f, k, v));
    note_put(s, k, v);
}

static void do_delete(struct schedule *s, uint64_t k) {
    assert_int_equal(tf_del(s->m, s->f, k), s->key[k].present);
    note_gone(s, k);
}

static void do_clear(struct schedule *s, gomap_clear_how how) {
    gomap_clear(s->m, how);
    for (uint64_t k = 0; k < s->universe; k++) note_gone(s, k);
}

static void do_pop(struct schedule *s) {
    struct t_key room;
    gomap_str str;
    void *to = s->f->keys == GOMAP_KEYS_FIXED ? (void *)room.bytes : (void *)&str;
    uint64_t v;
    if (!s->count) return;
    T_OK(gomap_pop_any(s->m, to, &v));
    uint64_t k = t_key_number(s->f, to);
    assert_true(k < s->universe && s->key[k].present);
    assert_int_equal(v, s->key[k].value);
    note_gone(s, k);
}

/* One random write; burst: as many puts or deletes in a row. */
static void disturb(struct schedule *s, uint64_t burst) {
    uint64_t dice = t_below(100), k = t_below(s->universe);
    if (dice < 30) {
        do_put(s, k);
    } else if (dice < 55) {
        do_delete(s, k);
    } else if (dice < 58) {
        for (uint64_t i = 0; i < burst; i++) do_put(s, t_below(s->universe));
    } else if (dice < 61) {
        for (uint64_t i = 0; i < burst; i++) do_delete(s, t_below(s->universe));
    } else if (dice < 64) {
        do_pop(s);
    } else if (dice == 64) {
        do_clear(s, t_below(2) ? GOMAP_KEEP : GOMAP_RELEASE);
    } else if (dice == 65) {
        T_OK(gomap_shrink_to_fit(s->m));
    } else if (dice == 66) {
        T_OK(gomap_reserve(s->m, s->count + t_below(burst * 2 + 1)));
    } else if (dice < 70) {
        gomap_work(s->m, t_below(2) ? 1000 : 10000000);
    }
}

/* What an iterator returned must be there now, be the newest, and not have been returned before. */
static void check_step(struct schedule *s, const gomap_iter *it) {
    uint64_t k = t_key_number(s->f, it->key), v;
    assert_true(k < s->universe);
    struct record *r = &s->key[k];
    memcpy(&v, it->value, sizeof v);
    assert_true(r->present);
    assert_int_equal(v, r->value);
    if (r->seen) assert_true(r->again && s->order_lost);
    r->seen = true, r->again = false;
    s->returned++;
}

static void start(struct schedule *s, const struct t_flavour *f, struct t_alloc *a, uint64_t universe,
                  uint64_t fill) {
    memset(s, 0, sizeof *s);
    s->f = f, s->universe = universe;
    s->m = t_flavour_new(f, a);
    s->key = calloc(universe, sizeof *s->key);
    assert_non_null(s->key);
    for (uint64_t i = 0; i < fill; i++) do_put(s, t_below(universe));
    for (uint64_t k = 0; k < universe; k++) s->key[k].from_start = s->key[k].present;
    s->order_lost = false;
}

static void finish(struct schedule *s) {
    for (uint64_t k = 0; k < s->universe; k++)
        if (s->key[k].from_start) assert_true(s->key[k].seen);
    assert_int_equal(gomap_len(s->m), s->count);
    T_VERIFY(s->m);
    gomap_free(s->m);
    free(s->key);
}

static void run_schedule(const struct t_flavour *f, uint64_t universe, uint64_t fill, unsigned calm) {
    struct t_alloc a;
    struct schedule s;
    gomap_iter it;
    t_alloc_init(&a);
    start(&s, f, &a, universe, fill);
    gomap_iter_init(&it, s.m);
    while (gomap_iter_next(&it)) {
        /* chains over the cap go to the stash, which is visited after the rest */
        if (t_stats(s.m).stashed_ever) s.order_lost = true;
        check_step(&s, &it);
        if (t_below(calm)) continue;
        uint64_t current = t_key_number(f, it.key);
        switch (t_below(4)) {
        case 0:
            assert_true(gomap_iter_delete(&it, s.m));
            note_gone(&s, current);
            assert_false(gomap_iter_delete(&it, s.m));
            break;
        case 1:
            assert_true(gomap_delete(s.m, it.key)); /* the key lies inside the map */
            note_gone(&s, current);
            break;
        default: disturb(&s, universe / 2 + 1);
        }
        if (s.returned > 20 * universe) fail_msg("the iteration does not end");
    }
    assert_false(gomap_iter_next(&it));
    finish(&s);
    t_alloc_check_empty(&a);
}

static void test_small_schedules(void **st) {
    (void)st;
    for (size_t f = 0; f < t_flavour_count; f++)
        for (uint64_t i = 0; i < t_scale(60, 20000); i++) {
            uint64_t universe = 1 + t_below(i % 3 ? 40 : 8);
            run_schedule(&t_flavours[f], universe, t_below(universe * 2 + 1), 1 + (unsigned)t_below(3));
        }
}

static void test_large_schedules(void **st) {
    (void)st;
    for (size_t f = 0; f < t_flavour_count; f++) {
        bool slow = t_flavour_clumps(&t_flavours[f]);
        for (uint64_t i = 0; i < t_scale(slow ? 3 : 6, 200); i++) {
            uint64_t universe = slow ? 50 + t_below(400) : i % 2 ? 4000 + t_below(5000) : 100 + t_below(1500);
            run_schedule(&t_flavours[f], universe, t_below(universe * 2), 1 + (unsigned)t_below(40));
        }
    }
}

/* A map that only grows, or only shrinks, through all its forms while one iterator is alive. */
static void grow_under_iterator(const struct t_flavour *f, uint64_t fill, uint64_t extra, uint64_t per_step) {
    struct t_alloc a;
    struct schedule s;
    gomap_iter it;
    t_alloc_init(&a);
    start(&s, f, &a, fill + extra + 1, 0);
    for (uint64_t k = 0; k < fill; k++) {
        do_put(&s, k);
        s.key[k].from_start = true;
    }
    uint64_t next = fill;
    for (gomap_iter_init(&it, s.m); gomap_iter_next(&it);) {
        if (t_stats(s.m).stashed_ever) s.order_lost = true;
        check_step(&s, &it);
        for (uint64_t i = 0; i < per_step && next < fill + extra; i++) do_put(&s, next++);
    }
    while (next < fill + extra) do_put(&s, next++);
    finish(&s);
    t_alloc_check_empty(&a);
}

static void shrink_under_iterator(const struct t_flavour *f, uint64_t fill, uint64_t keep) {
    struct t_alloc a;
    struct schedule s;
    gomap_iter it;
    t_alloc_init(&a);
    start(&s, f, &a, fill, 0);
    for (uint64_t k = 0; k < fill; k++) {
        do_put(&s, k);
        s.key[k].from_start = true;
    }
    uint64_t victim = fill, steps = 0;
    for (gomap_iter_init(&it, s.m); gomap_iter_next(&it); steps++) {
        check_step(&s, &it);
        if (steps == 3) gomap_shrink_to_fit(s.m) == GOMAP_OK ? (void)0 : fail();
        for (int i = 0; i < 3 && victim > keep; i++) do_delete(&s, --victim);
        if (victim == keep && steps % 16 == 0) gomap_work(s.m, 100000);
    }
    finish(&s);
    t_alloc_check_empty(&a);
}

static void test_all_transitions(void **st) {
    (void)st;
    /* around 0, 1, one group, two groups, one quad, the block's and the range's beginning */
    const uint64_t fills[] = {1,  2,  7,  8,  14,  15,  16,  25,  26,   27,   47,  48,
                              49, 95, 96, 97, 239, 240, 241, 800, 3119, 3120, 3121};
    for (size_t f = 0; f < t_flavour_count; f++)
        for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
            if (fills[i] > 300 && (t_flavour_clumps(&t_flavours[f]) || f % 2)) continue;
            for (uint64_t per = 1; per <= 100; per = per * 6 + 2)
                grow_under_iterator(&t_flavours[f], fills[i], fills[i] * 5 + 40, per);
            shrink_under_iterator(&t_flavours[f], fills[i], fills[i] / 10);
        }
}

/* Two iterations of one map, nested, while it changes. */
static void test_nested_iterators(void **st) {
    (void)st;
    const struct t_flavour *f = t_flavour_named("u64");
    struct schedule s;
    gomap_iter outer, inner;
    start(&s, f, NULL, 300, 260);
    uint64_t before = s.count, pairs = 0, outers = 0;
    for (gomap_iter_init(&outer, s.m); gomap_iter_next(&outer); outers++)
        for (gomap_iter_init(&inner, s.m); gomap_iter_next(&inner);) pairs++;
    assert_int_equal(pairs, before * before);
    for (gomap_iter_init(&outer, s.m); gomap_iter_next(&outer);) {
        check_step(&s, &outer);
        uint64_t n = 0;
        for (gomap_iter_init(&inner, s.m); gomap_iter_next(&inner);) n++;
        assert_int_equal(n, s.count);
        disturb(&s, 20);
    }
    finish(&s);
}

static void test_iter_delete(void **st) {
    (void)st;
    for (size_t f = 0; f < t_flavour_count; f++) {
        struct t_alloc a;
        t_alloc_init(&a);
        gomap *m = t_flavour_new(&t_flavours[f], &a);
        uint64_t n = t_flavour_clumps(&t_flavours[f]) ? 300 : 3000, left = n;
        for (uint64_t k = 0; k < n; k++) T_OK(tf_put(m, &t_flavours[f], k, k));
        gomap_iter it;
        for (gomap_iter_init(&it, m); gomap_iter_next(&it);) {
            uint64_t k = t_key_number(&t_flavours[f], it.key), v;
            assert_true(gomap_iter_delete(&it, m));
            assert_int_equal(gomap_len(m), --left);
            assert_false(tf_get(m, &t_flavours[f], k, &v));
        }
        assert_int_equal(left, 0);
        T_VERIFY(m);
        gomap_free(m);
        t_alloc_check_empty(&a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_schedules), cmocka_unit_test(test_large_schedules),
        cmocka_unit_test(test_all_transitions), cmocka_unit_test(test_nested_iterators),
        cmocka_unit_test(test_iter_delete),
    };
    return t_run("iterate", tests, sizeof tests / sizeof *tests);
}
