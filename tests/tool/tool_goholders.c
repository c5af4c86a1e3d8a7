/* tool_goholders.c - `holders` on a Go program: all ways to a map, what they have in common, what it alone holds.
 *
 * The program is tests/go; what holds its maps is known of each (register.go), and of some of them twice (shared.go).
 */
#include "toolkit.h"

#include <inttypes.h>

static struct tk_target t;
static json_t *known;

static int start(void **state) {
    (void)state;
    size_t len;
    TK_START(&t, tk_target_path("holders"));
    char *file = tk_path_in(tk_scratch(), "register.json");
    assert_non_null(strstr(tk_ask(&t, "dump %s", file), "dumped"));
    char *text = tk_slurp(file, &len);
    assert_non_null(text);
    known = json_loads(text, 0, NULL);
    assert_non_null(known);
    free(text);
    free(file);
    return 0;
}

static int end(void **state) {
    (void)state;
    json_decref(known);
    tk_kill(&t);
    return 0;
}

/* The first path that begins so; NULL: none. */
static const json_t *path(const json_t *doc, const char *begin) {
    size_t i;
    json_t *h;
    json_array_foreach(tk_at(doc, "held.shortest"), i,
                       h) if (strncmp(tk_text(h, "path"), begin, strlen(begin)) == 0) return h;
    return NULL;
}

static void test_a_map_of_two_globals_has_two_paths_and_no_dominator(void **state) {
    (void)state;
    json_t *doc = TK_JSON("holders", t.id, "main.GTwice");
    assert_false(json_is_true(tk_at(doc, "held.conservative")));
    assert_int_equal(tk_number(doc, "held.pointers"), 2);
    assert_int_equal(tk_number(doc, "held.paths"), 2);
    assert_int_equal(json_array_size(tk_at(doc, "held.shortest")), 2);
    assert_non_null(path(doc, "main.GTwiceToo"));
    assert_string_equal(tk_text(path(doc, "main.GTwiceToo"), "root"), "global");
    assert_true(json_is_null(tk_at(doc, "held.dominator")));
    json_decref(doc);
}

static void test_two_ways_through_one_object_have_it_as_dominator(void **state) {
    (void)state;
    json_t *doc = TK_JSON("holders", t.id, "main.GDiamond[0].attrs");
    assert_int_equal(tk_number(doc, "held.pointers"), 1);
    assert_int_equal(tk_number(doc, "held.paths"), 2);
    assert_non_null(path(doc, "main.GDiamond[0].attrs"));
    assert_non_null(path(doc, "main.GDiamond[1].attrs"));
    assert_string_equal(tk_text(doc, "held.dominator.type"), "main.session");
    json_decref(doc);
    doc = TK_JSON("holders", t.id, "main.GDiamond[0].attrs", "--limit", "1");
    assert_int_equal(tk_number(doc, "held.paths"), 2);
    assert_int_equal(json_array_size(tk_at(doc, "held.shortest")), 1);
    json_decref(doc);
}

static void test_a_frame_is_named_with_its_function_file_and_line(void **state) {
    (void)state;
    json_t *doc = TK_JSON("holders", t.id, "main.GFramed");
    assert_true(tk_number(doc, "held.pointers") >= 2);
    assert_non_null(path(doc, "main.GFramed"));
    const json_t *h = path(doc, "goroutine ");
    assert_non_null(h);
    assert_string_equal(tk_text(h, "root"), "stack");
    /* what it was called with lies in the frame of its caller */
    const char *function = tk_text(h, "function");
    assert_true(strcmp(function, "main.keeper") == 0 || strncmp(function, "main.init.0.", 12) == 0);
    assert_non_null(strstr(tk_text(h, "file"), "shared.go"));
    assert_in_range(tk_number(h, "line"), 20, 120);
    assert_true(tk_number(h, "goroutine") > 0);
    json_decref(doc);
}

/* Holders that are words of a frame of that function. */
static size_t of_frame(const json_t *doc, const char *function, const json_t **last) {
    json_t *h;
    size_t i, n = 0;
    json_array_foreach(tk_at(doc, "held.shortest"), i, h) {
        const char *name = json_string_value(tk_at(h, "function"));
        if (name && strcmp(name, function) == 0) n++, *last = h;
    }
    return n;
}

static void test_words_of_one_frame_are_one_holder(void **state) {
    (void)state;
    const json_t *h = NULL;
    struct tk_result r;
    json_t *doc = TK_JSON("holders", t.id, "main.GFramedTwice");
    assert_int_equal(of_frame(doc, "main.keeperOfTwo", &h), 1);
    assert_int_equal(json_array_size(tk_at(h, "words")), 1);
    assert_int_equal(json_array_size(tk_at(h, "same_frame")), 1);
    assert_false(json_is_true(tk_at(h, "perhaps_dead"))); /* the compiler says that it is needed */
    assert_int_equal(tk_number(doc, "held.pointers"), 3);
    assert_int_equal(tk_number(doc, "held.paths"), 2);
    assert_int_equal(json_array_size(tk_at(doc, "held.shortest")), 2);
    json_decref(doc);
    TK_RUN(&r, "holders", t.id, "main.GFramedTwice");
    TK_CODE(&r, 0);
    assert_non_null(strstr(r.out, "and from the same frame 0x"));
    tk_result_free(&r);
}

/* The runtime's list of timers leads to its map as well. */
static void test_a_variable_of_the_program_comes_before_the_runtimes(void **state) {
    (void)state;
    size_t i, asked = 0;
    json_t *want;
    json_array_foreach(known, i, want) {
        if (strncmp(tk_text(want, "kind"), "timer", 5) != 0) continue;
        json_t *doc = TK_JSON("holders", t.id, tk_text(want, "address"));
        const char *first = tk_text(doc, "held.shortest.0.path"), *holder = tk_text(want, "holder");
        if (strncmp(first, holder, strlen(holder)) != 0) {
            print_error("held by %s first, not by %s\n", first, holder);
            fail();
        }
        json_decref(doc);
        asked++;
    }
    assert_int_equal(asked, 2);
}

/* However it is read, the same words lead there. */
static void test_held_still_it_has_the_same_holders(void **state) {
    (void)state;
    static const char *const name[] = {"main.GTwice", "main.GDiamond[0].attrs", "main.GFramed",
                                       "main.GFramedTwice"},
                             *const how[] = {"--stop", "--snapshot"};
    struct tk_result r;
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        json_t *live = TK_JSON("holders", t.id, name[i], "--retained");
        for (size_t k = 0; k < sizeof how / sizeof *how; k++) {
            TK_RUN(&r, "holders", t.id, name[i], "--retained", how[k], "-o", "json");
            if (r.code == 5) TK_SKIP("%s: %s", how[k], r.err);
            TK_CODE(&r, 0);
            json_t *doc = tk_json_parse(&r);
            assert_string_equal(tk_text(doc, "target.mode"), how[k] + 2);
            assert_true(tk_number(doc, "target.pause_ns") > 0);
            if (!json_equal(tk_at(doc, "held"), tk_at(live, "held"))) {
                char *one = json_dumps(tk_at(live, "held"), 0), *two = json_dumps(tk_at(doc, "held"), 0);
                print_error("%s %s: %s\nnot %s\n", name[i], how[k], two, one);
                fail();
            }
            json_decref(doc);
            tk_result_free(&r);
        }
        json_decref(live);
    }
}

static void test_the_one_global_of_a_map_is_its_dominator(void **state) {
    (void)state;
    json_t *doc = TK_JSON("holders", t.id, "main.GInts");
    assert_string_equal(tk_text(doc, "held.dominator.path"), "main.GInts");
    assert_true(json_is_null(tk_at(doc, "held.retained_bytes"))); /* not asked for */
    json_decref(doc);
}

/* A dead word of a frame may lead to one of its values too, or two. */
static void assert_retained(uint64_t bytes) { assert_in_range(bytes, 88 * 4096, 90 * 4096); }

static void test_retained_is_what_only_the_map_leads_to(void **state) {
    (void)state;
    json_t *doc = TK_JSON("holders", t.id, "main.GRetains", "--retained");
    uint64_t own = tk_number(json_array_get(tk_at(doc, "maps"), 0), "bytes");
    assert_retained(tk_number(doc, "held.retained_bytes") - own);
    assert_in_range(tk_number(doc, "held.retained_objects"), 89, 91 + 40);
    json_decref(doc);
    doc = TK_JSON("show", t.id, "main.GRetains", "--retained");
    const json_t *map = json_array_get(tk_at(doc, "maps"), 0);
    assert_retained(tk_number(map, "retained_bytes") - own);
    json_decref(doc);
}

/* One map of each kind of holder at least, of the thousands. */
static void test_every_kind_of_holder_is_among_the_paths(void **state) {
    (void)state;
    const char *kind = "";
    size_t i, asked = 0;
    json_t *want;
    json_array_foreach(known, i, want) {
        if (strcmp(kind, tk_text(want, "kind")) == 0 || strchr(tk_text(want, "holder"), '~')) continue;
        kind = tk_text(want, "kind");
        json_t *doc = TK_JSON("holders", t.id, tk_text(want, "address"));
        if (!path(doc, tk_text(want, "holder"))) {
            print_error("map %s (%s): no path begins with %s\n", tk_text(want, "address"), kind,
                        tk_text(want, "holder"));
            fail();
        }
        json_decref(doc);
        if (++asked == 40) break;
    }
    assert_true(asked >= 20);
}

static void test_the_table_says_the_same(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "holders", t.id, "main.GDiamond[0].attrs");
    TK_CODE(&r, 0);
    assert_non_null(strstr(r.out, "1 pointer to it, 2 shortest paths"));
    assert_non_null(strstr(r.out, "main.GDiamond[1].attrs"));
    assert_non_null(strstr(r.out, "dominator  main.GDiamond["));
    TK_CLEAN(r.out, r.out_len, 0);
    tk_result_free(&r);
}

/* main.index is a map[string]int by another name. */
static void test_a_named_type_is_shown_with_what_it_is_made_from(void **state) {
    (void)state;
    struct tk_result r;
    json_t *doc = TK_JSON("show", t.id, "main.GNamed");
    const json_t *m = json_array_get(tk_at(doc, "maps"), 0);
    assert_string_equal(tk_text(m, "type"), "main.index");
    assert_string_equal(tk_text(m, "underlying"), "map[string]int");
    json_decref(doc);
    doc = TK_JSON("show", t.id, "main.GInts");
    assert_true(json_is_null(tk_at(json_array_get(tk_at(doc, "maps"), 0), "underlying")));
    json_decref(doc);
    TK_RUN(&r, "show", t.id, "main.GNamed");
    TK_CODE(&r, 0);
    assert_non_null(strstr(r.out, "main.index (map[string]int)"));
    tk_result_free(&r);
}

/* ---- the bytes of a group ----------------------------------------------------------------------- */

static uint64_t number_in(const json_t *bytes) {
    uint64_t v = 0;
    assert_int_equal(json_array_size(bytes), 8);
    for (size_t i = 8; i-- > 0;) v = v << 8 | (uint64_t)json_integer_value(json_array_get(bytes, i));
    return v;
}

/* main.GInts has values k under keys 7 k + 5. */
static void test_hex_shows_keys_and_values_only_on_request(void **state) {
    (void)state;
    json_t *doc = TK_JSON("show", t.id, "main.GInts", "--hex", "1"), *p;
    size_t i, data = 0, live = 0;
    json_array_foreach(tk_at(json_array_get(tk_at(doc, "maps"), 0), "hex.parts"), i, p) {
        bool slot = !json_is_null(tk_at(p, "slot"));
        assert_int_equal(json_is_null(tk_at(p, "bytes")), slot);
        assert_int_equal(tk_number(p, "mod64"), tk_number(p, "address") % 64);
        data += slot;
    }
    assert_int_equal(data, 16);
    json_decref(doc);
    doc = TK_JSON("show", t.id, "main.GInts", "--hex", "1", "--show-data");
    const json_t *parts = tk_at(json_array_get(tk_at(doc, "maps"), 0), "hex.parts");
    uint64_t key[8] = {0}, value[8] = {0};
    bool alive[8] = {false};
    json_array_foreach(parts, i, p) {
        if (json_is_null(tk_at(p, "slot"))) continue;
        uint64_t slot = tk_number(p, "slot");
        assert_in_range(slot, 0, 7);
        alive[slot] = strcmp(tk_text(p, "state"), "live") == 0;
        *(strcmp(tk_text(p, "what"), "key") == 0 ? &key[slot] : &value[slot]) = number_in(tk_at(p, "bytes"));
    }
    for (i = 0; i < 8; i++)
        if (alive[i]) live++, assert_int_equal(key[i], 7 * value[i] + 5);
    assert_int_equal(live, tk_number(json_array_get(tk_at(doc, "maps"), 0), "hex.live"));
    assert_true(live > 0);
    json_decref(doc);
    struct tk_result r;
    TK_RUN(&r, "show", t.id, "main.GInts", "--hex", "100000");
    TK_REFUSED(&r, 2, "no group 100000");
    tk_result_free(&r);
}

/* ---- sync.Map ---------------------------------------------------------------------------------- */

/* From 1.24 on it is a map of its own kind; before, the maps it is made of are named by it. */
static bool has_trie(void) {
    unsigned minor = 0;
    const char *version = getenv("GOMAP_TEST_GO");
    assert_non_null(version);
    assert_int_equal(sscanf(version, "go1.%u", &minor), 1);
    return minor >= 24;
}

static void test_a_sync_map_is_found_with_what_it_holds(void **state) {
    (void)state;
    json_t *doc = TK_JSON("list", t.id, "--filter", "name~main.GSyncMap"), *m;
    size_t i, tries = 0, held = 0;
    json_array_foreach(tk_at(doc, "maps"), i, m) {
        const char *holder = json_string_value(json_array_get(tk_at(m, "holders"), 0));
        if (strcmp(tk_text(m, "kind"), "go_sync_map") == 0) {
            tries++;
            assert_string_equal(holder, "main.GSyncMap");
            assert_int_equal(tk_number(m, "entries"), 120);
            assert_int_equal(tk_number(m, "bytes"), 48 + 120 * 48 + tk_number(m, "groups") * 160);
            assert_string_equal(tk_text(m, "certainty"), "exact");
        } else if (has_trie()) {
            held += strncmp(holder, "main.GSyncMap[*].(", 18) == 0;
        } else {
            held += strncmp(holder, "main.GSyncMap.", 14) == 0;
        }
    }
    assert_int_equal(tries, has_trie());
    assert_int_equal(held, 180 + !has_trie()); /* up to 1.23 the map of what is stored beside them */
    json_decref(doc);
}

static void test_a_sync_map_in_a_struct_holds_its_own_values_only(void **state) {
    (void)state;
    if (!has_trie()) return;
    json_t *doc = TK_JSON("holders", t.id, "main.GServer.cache", "--retained");
    uint64_t own =
        tk_number(json_array_get(tk_at(doc, "maps"), 0), "bytes") - 48; /* the header is the struct's */
    uint64_t rest = tk_number(doc, "held.retained_bytes") - own;
    assert_in_range(rest, 5 * 4096, 5 * 4096 + 5 * 16); /* pages and boxed keys; not the page beside */
    assert_string_equal(tk_text(doc, "held.dominator.path"), "main.GServer");
    json_decref(doc);
}

static void test_bytes_of_a_sync_map_are_those_of_the_heap(void **state) {
    (void)state;
    int64_t grown = 0;
    if (!has_trie()) return; /* it is two maps, counted as such */
    assert_int_equal(sscanf(tk_ask(&t, "syncfill 400000"), "filled %" SCNd64, &grown), 1);
    json_t *doc = TK_JSON("show", t.id, "main.MeasuredSync");
    const json_t *m = json_array_get(tk_at(doc, "maps"), 0);
    int64_t bytes = (int64_t)tk_number(m, "bytes") - 48; /* of the variable itself */
    print_message("%" PRId64 " bytes, the program's heap says %" PRId64 "\n", bytes, grown);
    assert_int_equal(tk_number(m, "entries"), 400000);
    assert_in_range(bytes, grown - grown / 1000, grown + grown / 1000);
    uint64_t nodes = 0, children = 0;
    size_t i;
    json_t *n;
    json_array_foreach(tk_at(m, "histograms.group_occupancy"), i, n) {
        nodes += (uint64_t)json_integer_value(n);
        children += i * (uint64_t)json_integer_value(n);
    }
    assert_int_equal(nodes, tk_number(m, "groups"));
    assert_int_equal(children,
                     400000 - tk_number(m, "chained_entries") + nodes - 1); /* all but the root are one */
    json_decref(doc);
    struct tk_result r;
    TK_RUN(&r, "heat", t.id, "main.MeasuredSync");
    TK_REFUSED(&r, 2, "sync.Map", "no table");
    tk_result_free(&r);
}

/* ---- maps that are alike ------------------------------------------------------------------------ */

/* Sums over the rows of that depth. */
static void sum_rows(const json_t *doc, uint64_t depth, uint64_t sum[3]) {
    size_t i;
    json_t *row;
    sum[0] = sum[1] = sum[2] = 0;
    json_array_foreach(tk_at(doc, "clusters"), i, row) {
        if (tk_number(row, "depth") != depth) continue;
        sum[0] += tk_number(row, "maps");
        sum[1] += tk_number(row, "entries");
        sum[2] += tk_number(row, "bytes");
    }
}

static void test_rows_of_clusters_add_up_to_all_maps(void **state) {
    (void)state;
    static const char *const by[] = {"place", "type", "holder"};
    for (size_t k = 0; k < 3; k++) {
        json_t *doc = TK_JSON("list", t.id, "--by", by[k]);
        uint64_t sum[3], rows = json_array_size(tk_at(doc, "clusters"));
        sum_rows(doc, 0, sum);
        assert_int_equal(sum[0], tk_number(doc, "totals.maps"));
        assert_int_equal(sum[1], tk_number(doc, "totals.entries"));
        assert_int_equal(sum[2], tk_number(doc, "totals.bytes"));
        assert_in_range(rows, 10, sum[0] / 10);
        json_decref(doc);
    }
}

static void test_one_cluster_is_what_its_maps_are(void **state) {
    (void)state;
    json_t *doc = TK_JSON("list", t.id, "--by", "place", "--sort", "waste"), *row, *m, *cluster = NULL;
    uint64_t maps = 0, bytes = 0, worst = 0, last = UINT64_MAX;
    size_t i;
    json_array_foreach(tk_at(doc, "clusters"), i, row) {
        assert_true(tk_number(row, "waste_bytes") <= last);
        last = tk_number(row, "waste_bytes");
        if (strcmp(tk_text(row, "name"), "main.session.attrs") == 0) cluster = row;
    }
    assert_non_null(cluster);
    json_array_foreach(tk_at(doc, "maps"), i, m) {
        const char *place = json_string_value(json_object_get(m, "place"));
        if (!place || strcmp(place, "main.session.attrs") != 0) continue;
        maps++;
        bytes += tk_number(m, "bytes");
        if (tk_number(m, "waste_bytes") > worst) worst = tk_number(m, "waste_bytes");
        if (strcmp(tk_text(m, "id"), tk_text(cluster, "worst")) == 0) last = tk_number(m, "waste_bytes");
    }
    assert_true(maps > 1000);
    assert_int_equal(tk_number(cluster, "maps"), maps);
    assert_int_equal(tk_number(cluster, "bytes"), bytes);
    assert_int_equal(last, worst);
    json_decref(doc);
    doc = TK_JSON("list", t.id, "--filter", "place=main.session.attrs");
    assert_int_equal(json_array_size(tk_at(doc, "maps")), maps);
    json_decref(doc);
}

static void test_expand_shows_every_map(void **state) {
    (void)state;
    struct tk_result few, all;
    json_t *doc = TK_JSON("list", t.id, "--by", "holder", "--expand"), *row;
    uint64_t maps = 0;
    size_t i;
    json_array_foreach(tk_at(doc, "clusters"), i, row) maps += tk_number(row, "maps") == 1;
    assert_int_equal(maps, tk_number(doc, "totals.maps"));
    json_decref(doc);
    TK_RUN(&few, "list", t.id, "--wide");
    TK_RUN(&all, "list", t.id, "--expand", "--wide");
    assert_non_null(strstr(few.out, "main.session.attrs x1,"));
    assert_null(strstr(few.out, "main.GPtrs[7].attrs"));
    assert_non_null(strstr(few.out, "--expand shows each"));
    assert_non_null(strstr(all.out, "  main.GPtrs[7].attrs"));
    tk_result_free(&few);
    tk_result_free(&all);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_a_map_of_two_globals_has_two_paths_and_no_dominator, start),
    cmocka_unit_test(test_two_ways_through_one_object_have_it_as_dominator),
    cmocka_unit_test(test_a_frame_is_named_with_its_function_file_and_line),
    cmocka_unit_test(test_words_of_one_frame_are_one_holder),
    cmocka_unit_test(test_a_variable_of_the_program_comes_before_the_runtimes),
    cmocka_unit_test(test_held_still_it_has_the_same_holders),
    cmocka_unit_test(test_the_one_global_of_a_map_is_its_dominator),
    cmocka_unit_test(test_retained_is_what_only_the_map_leads_to),
    cmocka_unit_test(test_every_kind_of_holder_is_among_the_paths),
    cmocka_unit_test(test_the_table_says_the_same),
    cmocka_unit_test(test_a_named_type_is_shown_with_what_it_is_made_from),
    cmocka_unit_test(test_hex_shows_keys_and_values_only_on_request),
    cmocka_unit_test(test_a_sync_map_is_found_with_what_it_holds),
    cmocka_unit_test(test_a_sync_map_in_a_struct_holds_its_own_values_only),
    cmocka_unit_test(test_rows_of_clusters_add_up_to_all_maps),
    cmocka_unit_test(test_one_cluster_is_what_its_maps_are),
    cmocka_unit_test(test_expand_shows_every_map),
    cmocka_unit_test_teardown(test_bytes_of_a_sync_map_are_those_of_the_heap, end),
};
TK_MAIN("tool_goholders", tests)
