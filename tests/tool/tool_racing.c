/* tool_racing.c - the target grows, deletes, makes and frees while the tool looks.
 *
 * A look may say that it is not certain (exit code 4); it may never be wrong: every count it calls
 * exact lies within the bounds the target keeps, parts sum to bytes, and what a bulk read missed is
 * inside its stated error bound.
 */
#include "toolkit.h"

#include <inttypes.h>

static struct tk_target t;
static unsigned looks, uncertain;

static int start(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("target_racing"));
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

static json_t *look(const char *const *args) {
    struct tk_result r;
    tk_run_how(&r, &(struct tk_how){0}, args);
    looks++;
    uncertain += r.code == 4;
    if (r.code != 4) TK_CODE(&r, 0);
    json_t *doc = tk_json_parse(&r);
    tk_result_free(&r);
    return doc;
}
#define LOOK(...) look((const char *const[]){__VA_ARGS__, "-o", "json", NULL})

static void within_bounds(const json_t *m) {
    uint64_t low, high;
    const char *name = json_string_value(json_object_get(m, "name"));
    if (strcmp(tk_text(m, "certainty"), "exact") != 0) return;
    uint64_t n = tk_number(m, "entries");
    if (name && sscanf(name, "race %" SCNu64 " %" SCNu64, &low, &high) == 2) {
        if (n < low || n > high) print_error("'%s' has %" PRIu64 " entries\n", name, n);
        assert_in_range(n, low, high);
    } else {
        assert_in_range(n, 0, 40);
    }
    assert_true(
        tk_number(m, "slots") + tk_number(m, "chained_entries") + tk_number(m, "stashed_entries") + 1 >= n ||
        strcmp(tk_text(m, "growth.state"), "none") != 0);
}

static void check_maps(const json_t *doc) {
    size_t i, k;
    json_t *m, *part;
    const char *key;
    json_array_foreach(tk_at(doc, "maps"), i, m) {
        if (strcmp(tk_text(m, "certainty"), "damaged") == 0) {
            print_error("map %s is called damaged: %s\n", tk_text(m, "id"), tk_text(m, "doubt"));
            fail(); /* nothing is damaged here: a torn read must be called changing at worst */
        }
        uint64_t sum = 0;
        json_object_foreach(tk_at(m, "parts"), key, part) sum += (uint64_t)json_integer_value(part);
        assert_int_equal(sum, tk_number(m, "bytes"));
        within_bounds(m);
    }
    k = i;
    assert_in_range(k, 4, 4 + 17);
}

static void test_list(void **state) {
    (void)state;
    for (int i = 0; i < 60; i++) {
        json_t *doc = LOOK("list", t.id);
        check_maps(doc);
        for (int w = 0; w < 4; w++) {
            static const char *const names[] = {"race 0 12", "race 100 3000", "race 1000 60000",
                                                "race 20000 400000"};
            assert_non_null(tk_map(doc, names[w])); /* those that are never freed are always there */
        }
        json_decref(doc);
    }
}

static const char *const big[] = {"race 100 3000", "race 1000 60000", "race 20000 400000"};

static void test_show(void **state) {
    (void)state;
    for (int i = 0; i < 45; i++) {
        json_t *doc = LOOK("show", t.id, big[i % 3]), *v;
        size_t k;
        if (json_object_get(doc, "error")) { /* the table was replaced each time: said, not guessed */
            assert_int_equal(tk_number(doc, "error.code"), 4);
            json_decref(doc);
            continue;
        }
        const json_t *m = tk_at(doc, "maps.0");
        within_bounds(m);
        uint64_t seen = 0;
        json_array_foreach(tk_at(m, "histograms.group_occupancy"), k, v) seen +=
            k * (uint64_t)json_integer_value(v);
        json_array_foreach(tk_at(m, "histograms.chain_entries"), k, v) seen +=
            k * (uint64_t)json_integer_value(v);
        uint64_t n = tk_number(m, "entries"), bound = tk_number(m, "histograms.error_bound_entries");
        bool whole = json_is_true(tk_at(m, "histograms.complete"));
        uint64_t off = seen > n ? seen - n : n - seen;
        /* between two looks the target may insert and delete unseen: a small allowance */
        if (whole && off > bound + n / 10 + 64) {
            print_error("%s: %" PRIu64 " entries, %" PRIu64 " seen, bound %" PRIu64 "\n", big[i % 3], n, seen,
                        bound);
            fail();
        }
        json_decref(doc);
    }
}

static void test_heat(void **state) {
    (void)state;
    for (int i = 0; i < 45; i++) {
        json_t *doc = LOOK("heat", t.id, big[i % 3]), *v;
        size_t k;
        if (json_object_get(doc, "error")) {
            assert_int_equal(tk_number(doc, "error.code"), 4);
            json_decref(doc);
            continue;
        }
        uint64_t cell =
            tk_number(doc, "heat.table.groups_per_cell") * tk_number(doc, "heat.table.slots_per_group");
        json_array_foreach(tk_at(doc, "heat.table.live"), k, v)
            assert_true((uint64_t)json_integer_value(v) <= cell);
        json_decref(doc);
    }
}

/* Maps that come and go: shown, or gone, never wrong. */
static void test_maps_that_go(void **state) {
    (void)state;
    for (int i = 0; i < 30; i++) {
        struct tk_result r;
        json_t *doc = LOOK("list", t.id), *m = tk_map(doc, "here and gone");
        if (m) {
            TK_RUN(&r, "show", t.id, tk_text(m, "id"), "-o", "json");
            assert_true(r.code == 0 || r.code == 2 || r.code == 3 || r.code == 4);
            json_t *one = tk_json_parse(&r);
            if (r.code == 0) within_bounds(tk_at(one, "maps.0"));
            json_decref(one);
            tk_result_free(&r);
        }
        json_decref(doc);
    }
}

static void test_target_is_well(void **state) {
    (void)state;
    const char *verdict = tk_ask(&t, "stop");
    print_message("# %u looks, %u not certain; the target: %s\n", looks, uncertain, verdict);
    assert_memory_equal(verdict, "ok ", 3);
    /* Stating it cannot tell is no way out: most looks must succeed even against four writers. */
    assert_true(uncertain * 2 < looks);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_list, start),
    cmocka_unit_test(test_show),
    cmocka_unit_test(test_heat),
    cmocka_unit_test(test_maps_that_go),
    cmocka_unit_test_teardown(test_target_is_well, end),
};
TK_MAIN("racing", tests)
