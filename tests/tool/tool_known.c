/* tool_known.c - a workload of which everything is known: 23 maps of seven kinds with prime numbers
 * of entries.
 *
 * What the tool shows from outside must be what the library says of itself from inside, to the byte
 * and the entry: list, show and heat against the library's own figures, against each other, and
 * while a growth is under way.
 */
#include "toolkit.h"

#include <inttypes.h>

static struct tk_target t;

static const uint64_t entries[] = {0,  1,  2,  3,  5,  7,  11,  13,  17,   19,   23,    29,
                                   31, 37, 41, 43, 47, 53, 101, 101, 1009, 4999, 100003};
enum { KNOWN = sizeof entries / sizeof *entries };
static bool is_named(size_t i) { return i % 2 == 0 || i == 19 || i == 21; }

static int start(void **state) {
    (void)state;
    const char *path = tk_target_path("target_maps");
    assert_non_null(path);
    TK_START(&t, path, "known");
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

/* The library's own figures of a map. */
struct own {
    uint64_t entries, slots, groups, chained, stashed, bytes, header, metadata, overflow, moving, cells,
        strings, slack, stash, reserved, grow_at;
    unsigned walk;
    double progress;
};

static struct own own_figures(size_t i) {
    struct own o;
    int n = sscanf(tk_ask(&t, "stat %zu", i),
                   "stat %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                   " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                   " %" SCNu64 " %u %lf %" SCNu64,
                   &o.entries, &o.slots, &o.groups, &o.chained, &o.stashed, &o.bytes, &o.header, &o.metadata,
                   &o.overflow, &o.moving, &o.cells, &o.strings, &o.slack, &o.stash, &o.reserved, &o.walk,
                   &o.progress, &o.grow_at);
    assert_int_equal(n, 18);
    return o;
}

static void compare(const json_t *m, const struct own *o) {
    const struct {
        const char *path;
        uint64_t want;
    } same[] = {{"entries", o->entries},         {"slots", o->slots},
                {"groups", o->groups},           {"chained_entries", o->chained},
                {"stashed_entries", o->stashed}, {"bytes", o->bytes},
                {"reserved_bytes", o->reserved}, {"parts.header", o->header},
                {"parts.metadata", o->metadata}, {"parts.overflow", o->overflow},
                {"parts.moving", o->moving},     {"parts.cells", o->cells},
                {"parts.strings", o->strings},   {"parts.slack", o->slack},
                {"parts.stash", o->stash}};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (tk_number(m, same[i].path) != same[i].want) {
            print_error("map %s: %s is %" PRIu64 ", the library says %" PRIu64 "\n", tk_text(m, "id"),
                        same[i].path, tk_number(m, same[i].path), same[i].want);
            fail();
        }
    double load = json_number_value(tk_at(m, "load")),
           want = o->slots ? (double)o->entries / (double)o->slots : 0;
    assert_true(load > want - 1e-3 && load < want + 1e-3);
    static const char *const walk[] = {"none", "grow", "shrink"};
    assert_string_equal(tk_text(m, "growth.state"), walk[o->walk]);
    if (o->walk) {
        double p = json_number_value(tk_at(m, "growth.progress"));
        assert_true(p > o->progress - 1e-3 && p < o->progress + 1e-3);
    } else {
        assert_true(json_is_null(tk_at(m, "growth.progress")));
    }
    assert_string_equal(tk_text(m, "certainty"), "exact");
    assert_string_equal(tk_text(m, "kind"), "gomap");
}

/* By id: the maps were made in order, so map i has the id (i + 1).1 */
static json_t *by_number(const json_t *doc, size_t number) {
    char id[16];
    size_t i;
    json_t *m;
    snprintf(id, sizeof id, "%zu.1", number + 1);
    json_array_foreach(tk_at(doc, "maps"), i, m) if (strcmp(tk_text(m, "id"), id) == 0) return m;
    print_error("no map with the id %s\n", id);
    fail();
    return NULL;
}

static void test_list_is_exact(void **state) {
    (void)state;
    json_t *doc = TK_JSON("list", t.id);
    assert_int_equal(json_array_size(tk_at(doc, "maps")), KNOWN);
    assert_int_equal(json_array_size(tk_at(doc, "notes")), 0);
    assert_int_equal(tk_number(doc, "target.pid"), t.pid);
    assert_string_equal(tk_text(doc, "target.name"), "target_maps");
    assert_int_equal(json_array_size(tk_at(doc, "target.libraries")), 1);
    assert_int_equal(tk_number(doc, "target.libraries.0.maps_made"), KNOWN);
    assert_int_equal(tk_number(doc, "target.libraries.0.maps_freed"), 0);
    tk_sums(doc);
    for (size_t i = 0; i < KNOWN; i++) {
        json_t *m = by_number(doc, i);
        struct own o = own_figures(i);
        char name[16];
        snprintf(name, sizeof name, "map%02zu", i);
        assert_int_equal(o.entries, entries[i]);
        assert_int_equal(tk_number(m, "entries"), entries[i]);
        compare(m, &o);
        if (is_named(i))
            assert_string_equal(tk_text(m, "name"), name);
        else
            assert_true(json_is_null(tk_at(m, "name")));
    }
    json_decref(doc);
}

static void test_types_and_sites(void **state) {
    (void)state;
    static const struct {
        size_t map;
        const char *key, *value;
        uint64_t key_size, value_size;
    } want[] = {{0, "uint64_t", "uint64_t", 8, 8},
                {2, NULL, NULL, 4, 1},
                {3, NULL, NULL, 8, 0},
                {4, NULL, NULL, 16, 4},
                {5, NULL, "struct wide", 8, 200},
                {6, "struct triple", NULL, 24, 8},
                {8, NULL, NULL, 16, 8}};
    json_t *doc = TK_JSON("list", t.id);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        json_t *m = by_number(doc, want[i].map);
        assert_int_equal(tk_number(m, "key.size"), want[i].key_size);
        assert_int_equal(tk_number(m, "value.size"), want[i].value_size);
        if (want[i].key) assert_string_equal(tk_text(m, "key.type"), want[i].key);
        if (want[i].value) assert_string_equal(tk_text(m, "value.type"), want[i].value);
        char *type = NULL;
        assert_true(asprintf(&type, "%s->%s", tk_text(m, "key.type"), tk_text(m, "value.type")) > 0);
        assert_string_equal(tk_text(m, "type"), type);
        free(type);
        assert_non_null(strstr(tk_text(m, "site"), "target_maps.c:"));
        assert_true(tk_number(m, "slot_payload_size") <= tk_number(m, "slot_size"));
    }
    json_decref(doc);
}

static void test_sort_filter_limit(void **state) {
    (void)state;
    json_t *doc =
        TK_JSON("list", t.id, "--sort", "entries", "--limit", "3", "--filter", "entries<1000,name~map");
    static const uint64_t want[] = {101, 101, 47};
    assert_int_equal(json_array_size(tk_at(doc, "maps")), 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(tk_number(json_array_get(tk_at(doc, "maps"), i), "entries"), want[i]);
    assert_int_equal(tk_number(doc, "totals.maps"), KNOWN); /* totals are of all */
    json_decref(doc);
    doc = TK_JSON("list", t.id, "-s", "-bytes");
    uint64_t last = 0;
    size_t i;
    json_t *m;
    json_array_foreach(tk_at(doc, "maps"), i, m) {
        assert_true(tk_number(m, "bytes") >= last);
        last = tk_number(m, "bytes");
    }
    assert_int_equal(i, KNOWN);
    json_decref(doc);
    doc = TK_JSON("list", t.id, "-f", "bytes>1G");
    assert_int_equal(json_array_size(tk_at(doc, "maps")), 0);
    json_decref(doc);
}

static uint64_t sum_of(const json_t *array, bool weighted) {
    uint64_t sum = 0;
    size_t i;
    json_t *v;
    json_array_foreach(array, i, v) sum += (uint64_t)json_integer_value(v) * (weighted ? i : 1);
    return sum;
}

/* show: the parts, and histograms that account for every group, quad and entry. */
static void check_show(const json_t *doc, const struct own *o) {
    const json_t *m = tk_at(doc, "maps.0");
    tk_sums(doc);
    compare(m, o);
    assert_true(json_is_true(tk_at(m, "parts_sum_to_bytes")));
    assert_true(json_is_true(tk_at(m, "histograms.complete")));
    assert_int_equal(tk_number(m, "histograms.error_bound_entries"), 0);
    const json_t *occupancy = tk_at(m, "histograms.group_occupancy"),
                 *chain = tk_at(m, "histograms.chain_entries");
    uint64_t in_slots = sum_of(occupancy, true), in_chains = sum_of(chain, true);
    if (!o->walk) assert_int_equal(sum_of(occupancy, false), o->groups);
    assert_int_equal(sum_of(chain, false), tk_number(m, "histograms.quads"));
    assert_int_equal(in_chains, o->chained);
    assert_int_equal(in_slots + in_chains + o->stashed, o->entries);
}

static void test_show_accounts_for_everything(void **state) {
    (void)state;
    for (size_t i = 0; i < KNOWN; i++) {
        char id[16];
        snprintf(id, sizeof id, "%zu.1", i + 1);
        struct own o = own_figures(i);
        json_t *doc = TK_JSON("show", t.id, id);
        check_show(doc, &o);
        json_decref(doc);
    }
}

/* heat: the live slots of all cells, chains and the stash are the entries, at every zoom. */
static void test_heat_accounts_for_everything(void **state) {
    (void)state;
    for (size_t i = 0; i < KNOWN; i++) {
        char id[16];
        snprintf(id, sizeof id, "%zu.1", i + 1);
        struct own o = own_figures(i);
        json_t *doc = TK_JSON("heat", t.id, id);
        assert_int_equal(sum_of(tk_at(doc, "heat.table.live"), false) + o.chained + o.stashed, o.entries);
        assert_int_equal(tk_number(doc, "heat.error_bound_entries"), 0);
        if (o.groups) assert_int_equal(tk_number(doc, "heat.table.groups"), o.groups);
        json_decref(doc);
    }
}

static void test_heat_zooms_to_groups(void **state) {
    (void)state;
    struct own o = own_figures(21);
    char range[64];
    uint64_t live = 0, chained = 0;
    for (uint64_t first = 0; first < o.groups; first += 64) {
        uint64_t last = first + 63 < o.groups ? first + 63 : o.groups - 1;
        snprintf(range, sizeof range, "%" PRIu64 ":%" PRIu64, first, last);
        json_t *doc = TK_JSON("heat", t.id, "map21", "--range", range), *g, *v;
        size_t i, k;
        assert_int_equal(json_array_size(tk_at(doc, "heat.groups")), last - first + 1);
        json_array_foreach(tk_at(doc, "heat.groups"), i, g) {
            assert_int_equal(tk_number(g, "group"), first + i);
            json_array_foreach(tk_at(g, "tophash"), k, v) live += json_integer_value(v) != 0;
            if ((first + i) % 4 == 0) chained += tk_number(g, "chain_entries");
        }
        json_decref(doc);
    }
    assert_int_equal(chained, o.chained);
    assert_int_equal(live + chained + o.stashed, o.entries);
}

/* A growth that stands still in its middle is shown as what it is, entries and bytes exact. */
static void test_growth_under_way(void **state) {
    (void)state;
    static const size_t grown[] = {19, 22}; /* a block and a range */
    for (size_t i = 0; i < 2; i++) {
        char id[16];
        snprintf(id, sizeof id, "%zu.1", grown[i] + 1);
        assert_string_equal(tk_ask(&t, "walk %zu", grown[i]), "ok");
        struct own o = own_figures(grown[i]);
        assert_int_equal(o.walk, 1);
        json_t *doc = TK_JSON("show", t.id, id);
        check_show(doc, &o);
        json_decref(doc);
        doc = TK_JSON("heat", t.id, id);
        json_t *other = json_object_get(tk_at(doc, "heat"), "other");
        uint64_t live = sum_of(tk_at(doc, "heat.table.live"), false);
        if (other) live += sum_of(tk_at(other, "live"), false);
        assert_int_equal(live + o.chained + o.stashed, o.entries);
        assert_string_equal(tk_text(doc, "heat.state"), "grow");
        assert_true(tk_number(doc, "heat.low_groups") < o.groups);
        json_decref(doc);
    }
}

static void test_drop_shows_at_once(void **state) {
    (void)state;
    json_t *before = TK_JSON("list", t.id);
    assert_string_equal(tk_ask(&t, "drop 22 1000"), "ok");
    json_t *after = TK_JSON("list", t.id);
    struct own o = own_figures(22);
    compare(by_number(after, 22), &o);
    assert_int_equal(tk_number(by_number(after, 22), "entries"), 1000);
    /* a table below 1 MiB may stay up to eight times as large as it need be */
    assert_true(o.bytes * 8 < tk_number(by_number(before, 22), "bytes"));
    json_decref(before);
    json_decref(after);
}

static void test_freed_maps_are_gone(void **state) {
    (void)state;
    assert_string_equal(tk_ask(&t, "free 4"), "ok");
    assert_string_equal(tk_ask(&t, "free 20"), "ok");
    json_t *doc = TK_JSON("list", t.id);
    assert_int_equal(json_array_size(tk_at(doc, "maps")), KNOWN - 2);
    assert_null(tk_map(doc, "map04"));
    assert_null(tk_map(doc, "map20"));
    assert_int_equal(tk_number(doc, "target.libraries.0.maps_freed"), 2);
    json_decref(doc);
    struct tk_result r;
    TK_RUN(&r, "show", t.id, "map04");
    TK_REFUSED(&r, 2, "map04");
    tk_result_free(&r);
}

static void test_names_of_maps(void **state) {
    (void)state;
    static const char *const ways[] = {"19.1", "19", "map18", "map1"}; /* the last: ambiguous */
    for (size_t i = 0; i < 3; i++) {
        json_t *doc = TK_JSON("show", t.id, ways[i]);
        assert_string_equal(tk_text(doc, "maps.0.id"), "19.1");
        json_decref(doc);
    }
    struct tk_result r;
    TK_RUN(&r, "show", t.id, ways[3]);
    TK_REFUSED(&r, 2, "map1", "id");
    tk_result_free(&r);
}

/* ls finds it and adds up the same; top --once shows the same as list. */
static void test_ls_and_top_agree(void **state) {
    (void)state;
    json_t *list = TK_JSON("list", t.id), *top = TK_JSON("top", t.id, "--once"), *ls = TK_JSON("ls"), *p;
    assert_true(json_equal(tk_at(list, "maps"), tk_at(top, "maps")));
    assert_true(json_equal(tk_at(list, "totals"), tk_at(top, "totals")));
    size_t i;
    bool found = false;
    json_array_foreach(tk_at(ls, "processes"), i, p) {
        if (tk_number(p, "target.pid") != (uint64_t)t.pid) continue;
        found = true;
        assert_int_equal(tk_number(p, "totals.maps"), tk_number(list, "totals.maps"));
        assert_int_equal(tk_number(p, "totals.bytes"), tk_number(list, "totals.bytes"));
    }
    assert_true(found);
    json_decref(list);
    json_decref(top);
    json_decref(ls);
}

static void test_resident_pages(void **state) {
    (void)state;
    json_t *doc = TK_JSON("list", t.id, "--resident"), *m;
    size_t i;
    json_array_foreach(tk_at(doc, "maps"), i, m) {
        /* what was written is there; nothing is there that was not allocated */
        assert_true(tk_number(m, "resident_bytes") + tk_number(m, "swapped_bytes") >=
                    tk_number(m, "parts.header"));
        assert_true(tk_number(m, "resident_bytes") <= tk_number(m, "bytes") + tk_number(m, "reserved_bytes"));
    }
    json_decref(doc);
    doc = TK_JSON("list", t.id);
    assert_true(json_is_null(tk_at(doc, "maps.0.resident_bytes"))); /* not asked for: not known, not 0 */
    json_decref(doc);
}

static void test_target_is_well(void **state) {
    (void)state;
    assert_string_equal(tk_ask(&t, "check"), "ok");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_list_is_exact, start),
    cmocka_unit_test(test_types_and_sites),
    cmocka_unit_test(test_sort_filter_limit),
    cmocka_unit_test(test_show_accounts_for_everything),
    cmocka_unit_test(test_heat_accounts_for_everything),
    cmocka_unit_test(test_heat_zooms_to_groups),
    cmocka_unit_test(test_names_of_maps),
    cmocka_unit_test(test_growth_under_way),
    cmocka_unit_test(test_drop_shows_at_once),
    cmocka_unit_test(test_freed_maps_are_gone),
    cmocka_unit_test(test_ls_and_top_agree),
    cmocka_unit_test(test_resident_pages),
    cmocka_unit_test_teardown(test_target_is_well, end),
};
TK_MAIN("known", tests)
