/* tool_classic.c - mapscope and classic maps: the tool's figures are the library's own, at rest, in the
 * middle of a growth, and while an iterator holds an old array. */
#include "toolkit.h"

#include <inttypes.h>

static struct tk_target t;
enum { MAPS = 8 };
static const char *const name[MAPS] = {"empty", "bucket", "words", "big", "cells", "chains", "holes", NULL};

static int start(void **state) {
    (void)state;
    const char *path = tk_target_path("target_classic");
    assert_non_null(path);
    TK_START(&t, path);
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

struct own {
    uint64_t entries, slots, bytes, header, metadata, overflow, pool, old, cells, held, evacuated,
        old_buckets, grow_at;
    unsigned b, noverflow;
    int growing;
    size_t longest;
};

static struct own own_figures(size_t i) {
    struct own o;
    int n = sscanf(
        tk_ask(&t, "stat %zu", i),
        "stat %" SCNu64 " %" SCNu64 " %u %u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
        " %" SCNu64 " %" SCNu64 " %" SCNu64 " %d %" SCNu64 " %" SCNu64 " %" SCNu64 " %zu",
        &o.entries, &o.slots, &o.b, &o.noverflow, &o.bytes, &o.header, &o.metadata, &o.overflow, &o.pool,
        &o.old, &o.cells, &o.held, &o.growing, &o.evacuated, &o.old_buckets, &o.grow_at, &o.longest);
    assert_int_equal(n, 17);
    return o;
}

/* Ids are given in order; the gomap comes behind the fourth. */
static void id_of(size_t i, char *id) { snprintf(id, 16, "%zu.1", i + 1 + (i > 3)); }

static const json_t *by_number(const json_t *doc, size_t i) {
    char id[16];
    size_t k;
    const json_t *m;
    id_of(i, id);
    json_array_foreach(tk_at(doc, "maps"), k, m) if (strcmp(tk_text(m, "id"), id) == 0) return m;
    print_error("no map with the id %s\n", id);
    fail();
    return NULL;
}

static void compare(const json_t *m, const struct own *o) {
    uint64_t overhead_of_overflow = tk_number(m, "parts.overflow") - o->overflow;
    const struct {
        const char *path;
        uint64_t want;
    } same[] = {{"entries", o->entries},
                {"slots", o->slots},
                {"bytes", o->bytes},
                {"parts.header", o->header},
                {"parts.moving", o->old},
                {"parts.metadata", o->metadata},
                {"parts.slack", o->pool + o->held},
                {"parts.cells", o->cells}};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (tk_number(m, same[i].path) != same[i].want) {
            print_error("map %s: %s is %" PRIu64 ", the library says %" PRIu64 "\n", tk_text(m, "id"),
                        same[i].path, tk_number(m, same[i].path), same[i].want);
            fail();
        }
    assert_int_equal(overhead_of_overflow % 16,
                     0); /* a link of 16 bytes per overflow bucket beside the pool */
    assert_string_equal(tk_text(m, "kind"), "classic");
    assert_string_equal(tk_text(m, "certainty"), "exact");
    assert_string_equal(tk_text(m, "growth.state"), o->growing ? "grow" : "none");
    if (o->growing) {
        double p = json_number_value(tk_at(m, "growth.progress")),
               want = (double)o->evacuated / (double)o->old_buckets;
        assert_true(p > want - 1e-3 && p < want + 1e-3);
    }
    if (o->slots) {
        assert_int_equal(tk_number(m, "groups"), UINT64_C(1) << o->b);
        assert_int_equal(tk_number(m, "growth.next_at_entries") + 1, o->grow_at);
        assert_int_equal(tk_number(m, "growth.next_groups"), UINT64_C(2) << o->b);
    }
}

static void test_list_is_exact(void **state) {
    (void)state;
    json_t *doc = TK_JSON("list", t.id);
    assert_int_equal(json_array_size(tk_at(doc, "maps")), MAPS + 1);
    assert_int_equal(json_array_size(tk_at(doc, "notes")), 0);
    tk_sums(doc);
    for (size_t i = 0; i < MAPS; i++) {
        const json_t *m = by_number(doc, i);
        struct own o = own_figures(i);
        compare(m, &o);
        if (name[i])
            assert_string_equal(tk_text(m, "name"), name[i]);
        else
            assert_true(json_is_null(tk_at(m, "name")));
        assert_non_null(strstr(tk_text(m, "site"), "target_classic.c:"));
    }
    assert_string_equal(tk_text(by_number(doc, 3), "type"), "uint64_t->double");
    assert_string_equal(tk_text(by_number(doc, 2), "key.type"), "string");
    assert_int_equal(tk_number(by_number(doc, 4), "key.size"), 200);
    size_t k, gomaps = 0;
    json_t *m;
    json_array_foreach(tk_at(doc, "maps"), k, m) gomaps += strcmp(tk_text(m, "kind"), "gomap") == 0;
    assert_int_equal(gomaps, 1);
    json_decref(doc);
}

static uint64_t sum_of(const json_t *array, bool weighted) {
    uint64_t sum = 0;
    size_t i;
    json_t *v;
    json_array_foreach(array, i, v) sum += (uint64_t)json_integer_value(v) * (weighted ? i : 1);
    return sum;
}

/* Every entry is in a slot of a main bucket or in a chain; heat and show agree. */
static void check_show_and_heat(size_t i) {
    char id[16];
    struct own o = own_figures(i);
    id_of(i, id);
    json_t *show = TK_JSON("show", t.id, id), *heat = TK_JSON("heat", t.id, id);
    const json_t *m = tk_at(show, "maps.0");
    compare(m, &o);
    tk_sums(show);
    assert_true(json_is_true(tk_at(m, "histograms.complete")));
    assert_int_equal(tk_number(m, "histograms.error_bound_entries"), 0);
    uint64_t in_slots = sum_of(tk_at(m, "histograms.group_occupancy"), true),
             chained = tk_number(m, "chained_entries");
    assert_int_equal(in_slots + chained, o.entries);
    assert_int_equal(sum_of(tk_at(m, "histograms.group_occupancy"), false),
                     (o.slots ? UINT64_C(1) << o.b : 0) + o.old_buckets - o.evacuated);
    if (chained < 34) assert_int_equal(sum_of(tk_at(m, "histograms.chain_entries"), true), chained);
    assert_int_equal(tk_number(m, "counters.noverflow"), o.noverflow);
    assert_int_equal(tk_number(m, "counters.held_bytes"), o.held);
    const json_t *other = json_object_get(tk_at(heat, "heat"), "other");
    uint64_t live = sum_of(tk_at(heat, "heat.table.live"), false);
    if (other) live += sum_of(tk_at(other, "live"), false);
    assert_int_equal(live, in_slots);
    assert_int_equal(other != NULL, o.growing);
    if (o.slots) assert_int_equal(tk_number(heat, "heat.table.slots_per_group"), 8);
    json_decref(show);
    json_decref(heat);
}

static void test_show_and_heat_account_for_everything(void **state) {
    (void)state;
    for (size_t i = 0; i < MAPS; i++) check_show_and_heat(i);
}

static void test_chains_and_deleted_slots_are_counted(void **state) {
    (void)state;
    struct own o = own_figures(5);
    assert_true(o.longest > 0); /* 60 keys in 4 buckets of 16 */
    json_t *doc = TK_JSON("show", t.id, "chains");
    assert_true(tk_number(doc, "maps.0.chained_entries") > 0);
    assert_int_equal(tk_number(doc, "maps.0.histograms.overflowed_groups"), 4);
    json_decref(doc);
    doc = TK_JSON("show", t.id, "holes");
    assert_true(tk_number(doc, "maps.0.tombstones") > 0);
    json_decref(doc);
    doc = TK_JSON("list", t.id);
    assert_true(json_is_null(tk_at(by_number(doc, 6), "tombstones"))); /* a list does not look at tables */
    json_decref(doc);
}

static void test_groups_byte_by_byte(void **state) {
    (void)state;
    json_t *doc = TK_JSON("heat", t.id, "chains", "--range", "0:15"), *g, *v;
    size_t i, k;
    uint64_t live = 0, chained = 0;
    assert_int_equal(json_array_size(tk_at(doc, "heat.groups")), 16);
    json_array_foreach(tk_at(doc, "heat.groups"), i, g) {
        assert_int_equal(json_array_size(tk_at(g, "tophash")), 8);
        json_array_foreach(tk_at(g, "tophash"), k, v) live += json_integer_value(v) >= 5;
        chained += tk_number(g, "chain_entries");
    }
    assert_int_equal(live + chained, 60);
    json_decref(doc);
    struct tk_result r;
    TK_RUN(&r, "heat", t.id, "chains", "--range", "0:3");
    TK_CODE(&r, 0);
    assert_non_null(strstr(r.out, "8/8"));
    tk_result_free(&r);
    TK_RUN(&r, "heat", t.id, "chains", "--range", "16:17");
    TK_REFUSED(&r, 2, "no group 16");
    tk_result_free(&r);
}

static void test_growth_under_way(void **state) {
    (void)state;
    static const size_t grown[] = {3, 4};
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(tk_ask(&t, "walk %zu", grown[i]), "ok");
        assert_true(own_figures(grown[i]).growing);
        check_show_and_heat(grown[i]);
    }
    struct tk_result r;
    TK_RUN(&r, "show", t.id, "big");
    TK_CODE(&r, 0);
    assert_non_null(strstr(r.out, "old groups evacuated"));
    assert_non_null(strstr(r.out, "grow_start"));
    assert_non_null(strstr(r.out, "allocated bytes exactly"));
    tk_result_free(&r);
    TK_RUN(&r, "list", t.id);
    TK_CODE(&r, 0);
    assert_non_null(strstr(r.out, "grow "));
    tk_result_free(&r);
    TK_RUN(&r, "heat", t.id, "big");
    TK_CODE(&r, 0);
    assert_non_null(strstr(r.out, "old groups evacuated"));
    assert_non_null(strstr(r.out, "the old array"));
    TK_CLEAN(r.out, r.out_len, 80);
    size_t lines = 0;
    for (const char *c = r.out; *c; c++) lines += *c == '\n';
    assert_true(lines < 60);
    tk_result_free(&r);
}

/* An iteration left open holds the old array after the growth: the bytes are still the map's. */
static void test_what_an_iterator_holds_is_counted(void **state) {
    (void)state;
    assert_int_equal(own_figures(6).held, 0);
    assert_string_equal(tk_ask(&t, "hold 6"), "ok");
    for (int i = 0; i < 2; i++) assert_string_equal(tk_ask(&t, "walk 6"), "ok");
    assert_true(own_figures(6).held > 0);
    check_show_and_heat(6);
    assert_string_equal(tk_ask(&t, "clear 3"), "ok");
    check_show_and_heat(3);
}

static void test_freed_maps_are_gone(void **state) {
    (void)state;
    assert_string_equal(tk_ask(&t, "free 2"), "ok");
    json_t *doc = TK_JSON("list", t.id);
    assert_int_equal(json_array_size(tk_at(doc, "maps")), MAPS);
    assert_null(tk_map(doc, "words"));
    json_decref(doc);
    doc = TK_JSON("list", t.id, "--resident");
    assert_true(tk_number(tk_map(doc, "big"), "resident_bytes") >=
                tk_number(tk_map(doc, "big"), "parts.header"));
    json_decref(doc);
}

static void test_maps_are_whole(void **state) {
    (void)state;
    assert_string_equal(tk_ask(&t, "check"), "ok");
}

/* A map that is written all the time: a figure is exact or called uncertain, never a contradiction. */
static void test_a_map_that_never_rests(void **state) {
    (void)state;
    static const char *const verb[] = {"list", "show", "heat"};
    unsigned code[5] = {0}, seen = 0;
    assert_string_equal(tk_ask(&t, "busy"), "ok");
    for (unsigned i = 0; i < 90; i++) {
        struct tk_result r;
        if (i % 3 == 0)
            TK_RUN(&r, verb[0], t.id, "-o", "json");
        else
            TK_RUN(&r, verb[i % 3], t.id, "big", "-o", "json");
        if (r.code != 0 && r.code != 4 && r.code != 2 && r.code != 3) /* 2, 3: the map was being replaced */
            fail_msg("%s: exit code %d: %s", verb[i % 3], r.code, r.err);
        code[r.code]++;
        if (r.code == 0 && i % 3 != 2) {
            json_t *doc = tk_json_parse(&r);
            tk_sums(doc);
            const json_t *m = tk_map(doc, "big");
            if (m && strcmp(tk_text(m, "certainty"), "exact") == 0) {
                seen++;
                assert_true(tk_number(m, "entries") <= 60000);
                assert_true(tk_number(m, "bytes") >= tk_number(m, "slots") * 16);
            }
            json_decref(doc);
        }
        tk_result_free(&r);
    }
    print_message("# exact %u, uncertain %u, gone %u\n", code[0], code[4], code[2] + code[3]);
    assert_true(seen >= 20);
}

static void test_target_is_well(void **state) {
    (void)state;
    assert_string_equal(tk_ask(&t, "stat 1"), t.line); /* it answers still */
    assert_non_null(strstr(t.line, "stat 7 8 "));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_list_is_exact, start),
    cmocka_unit_test(test_show_and_heat_account_for_everything),
    cmocka_unit_test(test_chains_and_deleted_slots_are_counted),
    cmocka_unit_test(test_groups_byte_by_byte),
    cmocka_unit_test(test_growth_under_way),
    cmocka_unit_test(test_what_an_iterator_holds_is_counted),
    cmocka_unit_test(test_freed_maps_are_gone),
    cmocka_unit_test(test_maps_are_whole),
    cmocka_unit_test(test_a_map_that_never_rests),
    cmocka_unit_test_teardown(test_target_is_well, end),
};
TK_MAIN("classic", tests)
