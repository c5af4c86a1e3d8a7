/* tool_damage.c - a live process whose self-description is wrong, field by field, seen by the whole tool.
 *
 * tool_hostile.c tries every field with every value inside one process; here the tool itself is
 * run, for what only shows at its rim: exit code 4 (never a crash, never a wait), one clear line,
 * JSON that says it too, and maps beside the damaged one that are shown as ever.
 */
#include "toolkit.h"

#include "gomap/inspect.h"

#include <inttypes.h>

static struct tk_target t;

static int start(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("fixture_handmade"));
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

static uint64_t address(const char *part) {
    unsigned long long at = 0;
    size_t size = 0;
    assert_int_equal(sscanf(tk_ask(&t, "size %s", part), "ok %zu %llu", &size, &at), 2);
    return at;
}

static void poke(const char *part, size_t offset, unsigned width, uint64_t value) {
    assert_string_equal(tk_ask(&t, "poke %s %zu %u %" PRIu64, part, offset, width, value), "ok");
}

static void reset(void) { assert_string_equal(tk_ask(&t, "reset"), "ok"); }

static void test_undamaged(void **state) {
    (void)state;
    json_t *doc = TK_JSON("list", t.id);
    tk_sums(doc);
    assert_int_equal(tk_number(doc, "totals.maps"), 3);
    assert_int_equal(tk_number(tk_map(doc, "handmade"), "entries"), 98);
    assert_int_equal(tk_number(tk_map(doc, "handmade with a stash"), "entries"), 75);
    assert_int_equal(tk_number(tk_map(doc, "handmade with a stash"), "stashed_entries"), 3);
    json_decref(doc);
}

/* Whose layout is not ours is refused, by name, and nothing of it is shown. */
static void test_foreign_layouts(void **state) {
    (void)state;
    static const struct {
        const char *field;
        size_t offset;
        uint64_t value;
    } foreign[] = {{"version 2", offsetof(struct gomap_root, version), 2},
                   {"version 0", offsetof(struct gomap_root, version), 0},
                   {"version 4294967295", offsetof(struct gomap_root, version), UINT32_MAX},
                   {"field size", offsetof(struct gomap_root, size), 8},
                   {"pointer_bytes", offsetof(struct gomap_root, pointer_bytes), 4},
                   {"map_size", offsetof(struct gomap_root, map_size), 136},
                   {"side_size", offsetof(struct gomap_root, side_size), 0},
                   {"desc_size", offsetof(struct gomap_root, desc_size), UINT32_MAX},
                   {"node_size", offsetof(struct gomap_root, node_size), 1},
                   {"chunk_size", offsetof(struct gomap_root, chunk_size), 1},
                   {"event_size", offsetof(struct gomap_root, event_size), 57},
                   {"chunk_entries", offsetof(struct gomap_root, chunk_entries), 255}};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        struct tk_result r;
        poke("root", foreign[i].offset, 4, foreign[i].value);
        TK_RUN(&r, "list", t.id);
        TK_REFUSED(&r, 4, foreign[i].field, "not shown");
        tk_result_free(&r);
        TK_RUN(&r, "list", t.id, "-o", "json");
        TK_CODE(&r, 4);
        json_t *doc = tk_json_parse(&r);
        assert_int_equal(json_array_size(tk_at(doc, "maps")), 0);
        assert_non_null(strstr(tk_text(doc, "notes.0"), foreign[i].field));
        json_decref(doc);
        tk_result_free(&r);
        reset();
    }
}

/* A root that is no root: bytes that only look like one are passed over. */
static void test_no_root(void **state) {
    (void)state;
    static const size_t offset[] = {0, offsetof(struct gomap_root, self)};
    for (size_t i = 0; i < 2; i++) {
        struct tk_result r;
        poke("root", offset[i], 8, 1);
        TK_RUN(&r, "list", t.id);
        TK_REFUSED(&r, 2, "does not use gomap");
        tk_result_free(&r);
        reset();
    }
}

/* A damaged map is named with its field; its neighbours are shown exactly. */
static void test_one_damaged_map(void **state) {
    (void)state;
    static const struct {
        const char *part, *field;
        size_t offset;
        unsigned width;
        uint64_t value;
    } damage[] = {{"map1", "mode", offsetof(struct gomap, mode), 1, 77},
                  {"map1", "ngroups", offsetof(struct gomap, ngroups), 8, 0},
                  {"map1", "ngroups", offsetof(struct gomap, ngroups), 8, UINT64_MAX},
                  {"map1", "slots", offsetof(struct gomap, slots), 8, 0},
                  {"map1", "count", offsetof(struct gomap, count), 8, UINT64_MAX},
                  {"map1", "desc", offsetof(struct gomap, desc), 8, 8},
                  {"map1", "side", offsetof(struct gomap, side), 8, UINT64_C(1) << 63},
                  {"map1", "cookie", offsetof(struct gomap, cookie), 4, 0x12345678},
                  {"map1", "id", offsetof(struct gomap, id), 8, 5},
                  {"side1", "side.size", offsetof(struct gomap_side, size), 4, 0},
                  {"side1", "side.walk", offsetof(struct gomap_side, walk), 4, 3},
                  {"side1", "side.chained", offsetof(struct gomap_side, chained), 8, 100000},
                  {"side1", "side.arena_bytes", offsetof(struct gomap_side, arena_bytes), 8, UINT64_MAX},
                  {"side1", "bytes", offsetof(struct gomap_side, string_bytes), 8, UINT64_MAX},
                  {"stash", "side.stash", offsetof(struct gomap, cookie), 4, 1}};
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        struct tk_result r;
        bool stash = strcmp(damage[i].part, "stash") == 0;
        poke(damage[i].part, damage[i].offset, damage[i].width, damage[i].value);
        TK_RUN(&r, "list", t.id);
        TK_REFUSED(&r, 4, damage[i].field, "cannot be right");
        assert_non_null(strstr(r.out, "damaged"));
        tk_result_free(&r);
        TK_RUN(&r, "list", t.id, "-o", "json");
        TK_CODE(&r, 4);
        json_t *doc = tk_json_parse(&r), *m = NULL;
        assert_int_equal(json_array_size(tk_at(doc, "maps")), 3);
        m = tk_map(doc, stash ? "handmade" : "handmade with a stash");
        assert_string_equal(tk_text(m, "certainty"), "exact");
        assert_int_equal(tk_number(m, "entries"), stash ? 98 : 75);
        json_decref(doc);
        tk_result_free(&r);
        TK_RUN(&r, "show", t.id, stash ? "260.1" : "2.1");
        TK_REFUSED(&r, 4, damage[i].field);
        tk_result_free(&r);
        TK_RUN(&r, "heat", t.id, stash ? "260.1" : "2.1");
        TK_REFUSED(&r, 4, damage[i].field);
        tk_result_free(&r);
        reset();
    }
}

/* Circles: chunks, chains, a stash that is its own stash. */
static void test_circles(void **state) {
    (void)state;
    static const struct {
        const char *part;
        size_t offset;
        const char *to, *verb, *map;
    } circle[] = {{"chunk", offsetof(struct gomap_chunk, next), "chunk", "list", NULL},
                  {"chunk1", offsetof(struct gomap_chunk, next), "chunk", "list", NULL},
                  {"chunk1", offsetof(struct gomap_chunk, next), "chunk1", "list", NULL},
                  {"node", offsetof(struct gomap_node, next), "node", "show", "2.1"},
                  {"stashside", offsetof(struct gomap_side, stash), "stash", "list", NULL},
                  {"side2", offsetof(struct gomap_side, stash), "map2", "list", NULL}};
    for (size_t i = 0; i < sizeof circle / sizeof *circle; i++) {
        struct tk_result r;
        poke(circle[i].part, circle[i].offset, 8, address(circle[i].to));
        TK_RUN(&r, circle[i].verb, t.id, circle[i].map);
        TK_REFUSED(&r, 4, "");
        assert_true(r.ns < UINT64_C(5000000000));
        assert_true(r.peak_kib < 64 * 1024 || tk_sanitized());
        tk_result_free(&r);
        reset();
    }
}

/* What stands still in an odd state: changing, said so, soon. */
static void test_never_at_rest(void **state) {
    (void)state;
    struct tk_result r;
    poke("map1", offsetof(struct gomap, seq), 4, 7);
    TK_RUN(&r, "list", t.id);
    TK_REFUSED(&r, 4, "chang");
    assert_true(r.ns < UINT64_C(5000000000));
    tk_result_free(&r);
    reset();
}

/* A registry entry that is claimed but not filled yet is no map and no error. */
static void test_claimed_entry(void **state) {
    (void)state;
    poke("chunk", offsetof(struct gomap_chunk, entry), 8, 1);
    json_t *doc = TK_JSON("list", t.id);
    assert_int_equal(tk_number(doc, "totals.maps"), 2);
    json_decref(doc);
    reset();
}

/* Durations are only told of a struct that is there; whatever it says, a map is shown. */
static void test_durations_that_lie(void **state) {
    (void)state;
    static const uint32_t more[] = {1, 64, INT32_MAX, 0x80000000u, UINT32_MAX};
    struct tk_result r;
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        poke("root", offsetof(struct gomap_root, more), 4, more[i]);
        TK_RUN(&r, "show", t.id, "handmade");
        TK_CODE(&r, 0);
        tk_result_free(&r);
        reset();
    }
    const size_t times = offsetof(struct gomap_more, times), slow = offsetof(struct gomap_more, slow);
    for (size_t at = 0; at < sizeof(struct gomap_times); at += 8) poke("more", times + at, 8, UINT64_MAX);
    poke("more", offsetof(struct gomap_more, callers), 8, UINT64_MAX - 100);
    poke("more", offsetof(struct gomap_more, callers_room), 4, UINT32_MAX);
    for (size_t i = 0; i < GOMAP_TIMES * GOMAP_SLOWEST; i++) {
        size_t at = slow + i * sizeof(struct gomap_slow);
        poke("more", at + offsetof(struct gomap_slow, ns), 8, UINT64_MAX - i);
        poke("more", at + offsetof(struct gomap_slow, map_id), 8, UINT64_C(1) << 32 | 2);
        poke("more", at + offsetof(struct gomap_slow, time_ns), 8, UINT64_MAX);
        poke("more", at + offsetof(struct gomap_slow, stack), 4, i % 2 ? 5 : UINT32_MAX);
    }
    json_t *doc = TK_JSON("show", t.id, "handmade");
    assert_int_equal(json_array_size(tk_at(doc, "maps.0.durations.longest")), GOMAP_TIMES * GOMAP_SLOWEST);
    assert_int_equal(json_array_size(tk_at(doc, "maps.0.durations.longest.0.stack")), 0);
    json_decref(doc);
    TK_RUN(&r, "show", t.id, "handmade");
    TK_CODE(&r, 0);
    assert_non_null(strstr(r.out, "durations"));
    tk_result_free(&r);
    poke("more", offsetof(struct gomap_more, size), 4, 16); /* an older library: as if it were not there */
    TK_RUN(&r, "show", t.id, "handmade");
    TK_CODE(&r, 0);
    assert_null(strstr(r.out, "durations"));
    tk_result_free(&r);
    reset();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_undamaged, start),
    cmocka_unit_test(test_foreign_layouts),
    cmocka_unit_test(test_no_root),
    cmocka_unit_test(test_one_damaged_map),
    cmocka_unit_test(test_circles),
    cmocka_unit_test(test_never_at_rest),
    cmocka_unit_test(test_claimed_entry),
    cmocka_unit_test(test_durations_that_lie),
    cmocka_unit_test_teardown(test_undamaged, end),
};
TK_MAIN("damage", tests)
