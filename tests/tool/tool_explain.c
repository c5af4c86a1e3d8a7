/* tool_explain.c - `explain`: addresses that a live process knows, and the ends of processes that crashed.
 *
 * The target says where entries lie by the structs of its own maps; the tool says the same from outside.  Crashes: through
 * NULL, into a map that was freed, into the array a map had before it grew, through what is no address.
 */
#include "toolkit.h"

#include <inttypes.h>
#include <sys/wait.h>
#include <unistd.h>

static struct tk_target t;

static int start(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("target_explain"));
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

/* The first address of the document of an explanation. */
static json_t *explain(const char *addr, json_t **doc) {
    *doc = TK_JSON("explain", t.id, addr);
    assert_true(json_is_null(tk_at(*doc, "crash")));
    assert_int_equal(json_array_size(tk_at(*doc, "addresses")), 1);
    return json_array_get(tk_at(*doc, "addresses"), 0);
}

/* What the tool says of the key or value of an entry, and of a byte in it, against the map's own structs. */
static void check_entry(const char *what, const char *map, unsigned key, const char *piece, unsigned bytes) {
    char addr[32], inner[32];
    long group, slot;
    json_t *doc;
    assert_int_equal(sscanf(tk_ask(&t, "%s %s %u", what, map, key), "%31s %ld %ld", addr, &group, &slot), 3);
    bool table = strcmp(piece, "slots") == 0 || strcmp(piece, "groups") == 0;
    if (table && group < 0) piece = "overflow"; /* the seed, which is drawn, sent it there */
    for (unsigned at = 0; at < bytes; at += bytes - 1 ? bytes - 1 : 1) {
        snprintf(inner, sizeof inner, "0x%" PRIx64, (uint64_t)strtoull(addr, NULL, 16) + at);
        json_t *e = explain(inner, &doc);
        assert_string_equal(tk_text(e, "address"), inner);
        assert_string_equal(tk_text(e, "place.label"), map);
        assert_string_equal(tk_text(e, "place.piece"), piece);
        assert_string_equal(tk_text(e, "place.part"), what);
        assert_int_equal(tk_number(e, "place.part_offset"), at);
        if (bytes > 1 && strcmp(piece, "string") != 0)
            assert_int_equal(tk_number(e, "place.part_bytes"), bytes);
        if (group >= 0) {
            assert_int_equal(tk_number(e, "place.group"), group);
            assert_int_equal(tk_number(e, "place.slot"), slot);
            assert_string_equal(tk_text(e, "place.slot_state"), "live");
        }
        assert_true(json_is_true(tk_at(e, "mapping.mapped")));
        json_decref(doc);
    }
}

static void test_slots_of_tables(void **state) {
    (void)state;
    for (unsigned key = 0; key < 150000; key += 49999) {
        check_entry("value", "numbers", key, "slots", 8);
        check_entry("key", "numbers", key, "slots", 8);
    }
    check_entry("value", "blocks", 17, "slots", 8);
    check_entry("value", "buckets", 2999, "groups", 8);
    check_entry("key", "buckets", 0, "groups", 8);
}

static void test_what_hangs_off_slots(void **state) {
    (void)state;
    check_entry("key", "names", 17, "string", 8);
    check_entry("value", "wide", 17, "value", 200);
    check_entry("key", "cells", 17, "key", 200);
    check_entry("value", "cells", 59, "value", 200);
}

/* Some of 150 entries with two homes lie in chains, and some of 60 in one bucket in overflow buckets. */
static void test_chains(void **state) {
    (void)state;
    static const char *const map[] = {"crowd", "chains"};
    static const unsigned entries[] = {150, 60};
    for (int i = 0; i < 2; i++) {
        unsigned found = 0;
        for (unsigned key = 0; key < entries[i] && found < 2; key++) {
            char addr[32];
            long group, slot;
            json_t *doc;
            sscanf(tk_ask(&t, "value %s %u", map[i], key), "%31s %ld %ld", addr, &group, &slot);
            if (group >= 0) continue;
            json_t *e = explain(addr, &doc);
            if (json_is_null(tk_at(e, "place"))) { /* in the stash, which has no chains */
                json_decref(doc);
                continue;
            }
            assert_string_equal(tk_text(e, "place.label"), map[i]);
            assert_string_equal(tk_text(e, "place.piece"), "overflow");
            assert_string_equal(tk_text(e, "place.part"), "value");
            assert_string_equal(tk_text(e, "place.slot_state"), "live");
            json_decref(doc);
            found++;
        }
        assert_int_equal(found, 2);
    }
}

static void test_headers(void **state) {
    (void)state;
    static const char *const map[] = {"numbers", "names", "buckets"};
    static const char *const first[] = {"split", "split", "count"};
    json_t *doc;
    for (int i = 0; i < 3; i++) {
        json_t *e = explain(tk_ask(&t, "header %s", map[i]), &doc);
        assert_string_equal(tk_text(e, "place.label"), map[i]);
        assert_string_equal(tk_text(e, "place.piece"), "header");
        assert_string_equal(tk_text(e, "place.field"), first[i]);
        assert_int_equal(tk_number(e, "place.offset"), 0);
        json_decref(doc);
    }
}

/* Metadata, links and the reserved range of a table lie around its slots. */
static void test_parts_of_a_table(void **state) {
    (void)state;
    char addr[32];
    json_t *doc;
    sscanf(tk_ask(&t, "value numbers 1"), "%31s", addr);
    json_t *e = explain(addr, &doc);
    uint64_t start = tk_number(e, "place.start"), bytes = tk_number(e, "place.bytes");
    json_decref(doc);
    snprintf(addr, sizeof addr, "0x%" PRIx64, start + bytes + 65536);
    e = explain(addr, &doc);
    assert_string_equal(tk_text(e, "place.piece"), "reserved");
    assert_string_equal(tk_text(e, "place.label"), "numbers");
    json_decref(doc);
}

/* In the middle of a growth, in one array and between two: what was vacated is told from what is live. */
static void check_walk(const char *map, bool two) {
    char moved[32], live[32];
    json_t *doc;
    assert_string_equal(tk_ask(&t, "grow %s", map), "ok");
    assert_int_equal(sscanf(tk_ask(&t, "moved %s", map), "%31s %31s", moved, live), 2);
    json_t *e = explain(moved, &doc);
    assert_string_equal(tk_text(e, "place.label"), map);
    assert_string_equal(tk_text(e, "place.area"), "gap");
    assert_int_equal(json_is_true(tk_at(e, "place.other_array")), two);
    json_decref(doc);
    e = explain(live, &doc);
    assert_string_equal(tk_text(e, "place.area"), "low");
    assert_int_equal(tk_number(e, "place.group"), 0);
    assert_string_equal(tk_text(e, "place.part"), "value");
    json_decref(doc);
}

static void test_growing(void **state) {
    (void)state;
    struct tk_result r;
    char moved[32];
    check_walk("numbers", false);
    check_walk("blocks", true);
    sscanf(tk_ask(&t, "moved blocks"), "%31s", moved);
    TK_RUN(&r, "explain", t.id, moved);
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 80);
    assert_non_null(strstr(r.out, "moved-from"));
    tk_result_free(&r);
}

static void test_what_is_no_map(void **state) {
    (void)state;
    char global[32], stack[32], code[32];
    json_t *doc;
    assert_int_equal(sscanf(tk_ask(&t, "variable"), "%31s %31s %31s", global, stack, code), 3);
    json_t *e = explain(global, &doc);
    assert_true(json_is_null(tk_at(e, "place")));
    assert_string_equal(tk_text(e, "object"), "variable a_global");
    assert_non_null(strstr(tk_text(e, "mapping.name"), "target_explain"));
    json_decref(doc);
    e = explain(stack, &doc);
    assert_non_null(strstr(tk_text(e, "object"), "stack"));
    assert_string_equal(tk_text(e, "mapping.name"), "[stack]");
    json_decref(doc);
    e = explain(code, &doc);
    assert_string_equal(tk_text(e, "mapping.permissions"), "r-xp");
    json_decref(doc);
    e = explain("0x10", &doc);
    assert_false(json_is_true(tk_at(e, "mapping.mapped")));
    assert_int_equal(tk_number(e, "mapping.start"), 0);
    json_decref(doc);
    e = explain("0xffffffffffffffff", &doc);
    assert_string_equal(tk_text(e, "address"), "0xffffffffffffffff");
    json_decref(doc);
}

static void test_wrong_lines(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "explain", t.id);
    TK_REFUSED(&r, 2, "give an address");
    tk_result_free(&r);
    static const char *const bad[] = {"0x", "12g", "", " 1", "0x10000000000000000", "map"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        TK_RUN(&r, "explain", t.id, bad[i]);
        TK_REFUSED(&r, 2, "is not an address");
        tk_result_free(&r);
    }
}

/* ---- crashes ----------------------------------------------------------------------------------- */

/* The document of the core of a target that crashed so; false: no cores here. */
static bool crash(const char *how, struct tk_core *c, json_t **doc) {
    int status;
    struct tk_result r;
    if (tk_sanitized()) return print_message("# a sanitizer comes before the fault\n"), false;
    if (!tk_core_written()) return false;
    tk_kill(&t);
    tk_core_start(c, &t, "0x33", (const char *const[]){tk_target_path("target_explain"), NULL});
    dprintf(t.in, "crash %s\n", how);
    assert_int_equal(waitpid(t.pid, &status, 0), t.pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    tk_core_found(c, &t);
    char *target = tk_core_target(c, NULL);
    *doc = TK_JSON("explain", target);
    TK_RUN(&r, "explain", target);
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 80);
    assert_non_null(strstr(r.out, "ended by SIGSEGV (11)"));
    tk_result_free(&r);
    free(target);
    assert_string_equal(tk_text(*doc, "crash.name"), "SIGSEGV");
    return true;
}

/* The one that is called so. */
static json_t *labelled(const json_t *doc, const char *label) {
    size_t i;
    json_t *e;
    json_array_foreach(tk_at(doc, "addresses"), i, e) if (strcmp(tk_text(e, "label"), label) == 0) return e;
    print_error("no %s\n", label);
    fail();
    return NULL;
}

/* A register held the address of the value of 77. */
static void check_witness(const json_t *doc) {
#if defined(__x86_64__)
    json_t *e = labelled(doc, "r12");
    assert_string_equal(tk_text(e, "place.label"), "numbers");
    assert_string_equal(tk_text(e, "place.part"), "value");
    assert_string_equal(tk_text(e, "place.slot_state"), "live");
    e = labelled(doc, "rsp");
    assert_non_null(strstr(tk_text(e, "object"), "stack"));
#else
    (void)doc;
#endif
}

static void test_crash_null(void **state) {
    (void)state;
    struct tk_core c;
    json_t *doc;
    if (!crash("null", &c, &doc)) TK_SKIP("no crash can be had here");
    assert_string_equal(tk_text(doc, "crash.code"), "SEGV_MAPERR");
    assert_int_equal(tk_number(doc, "crash.address"), 0);
    json_t *e = labelled(doc, "fault");
    assert_true(json_is_null(tk_at(e, "place")));
    assert_false(json_is_true(tk_at(e, "mapping.mapped")));
    check_witness(doc);
    json_decref(doc);
    tk_core_free(&c);
}

static void check_retired(const char *how, const char *id, const char *label, bool freed) {
    struct tk_core c;
    json_t *doc;
    if (!crash(how, &c, &doc)) TK_SKIP("no crash can be had here");
    json_t *e = labelled(doc, "fault");
    assert_true(json_is_null(tk_at(e, "place")));
    assert_string_equal(tk_text(e, "retired.map"), id);
    assert_string_equal(tk_text(e, "retired.piece"), "table");
    assert_int_equal(json_is_true(tk_at(e, "retired.freed")), freed);
    if (label)
        assert_string_equal(tk_text(e, "retired.label"), label);
    else
        assert_true(json_is_null(tk_at(e, "retired.label")));
    uint64_t addr = tk_number(doc, "crash.address"), from = tk_number(e, "retired.start");
    assert_true(addr >= from && addr < from + tk_number(e, "retired.bytes"));
    check_witness(doc);
    json_decref(doc);
    tk_core_free(&c);
}

static void test_crash_in_a_freed_map(void **state) {
    (void)state;
    check_retired("freed", "3.1", NULL, true);
}

static void test_crash_in_an_old_array(void **state) {
    (void)state;
    check_retired("old", "2.1", "blocks", false);
}

/* The processor refuses it before there is an address to tell. */
static void test_crash_wild(void **state) {
    (void)state;
    struct tk_core c;
    json_t *doc;
    if (!crash("wild", &c, &doc)) TK_SKIP("no crash can be had here");
#if defined(__x86_64__)
    assert_string_equal(tk_text(doc, "crash.code"), "SI_KERNEL");
    assert_true(json_is_null(tk_at(doc, "crash.address")));
#endif
    check_witness(doc);
    json_decref(doc);
    tk_core_free(&c);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_slots_of_tables, start, end),
        cmocka_unit_test_setup_teardown(test_what_hangs_off_slots, start, end),
        cmocka_unit_test_setup_teardown(test_chains, start, end),
        cmocka_unit_test_setup_teardown(test_headers, start, end),
        cmocka_unit_test_setup_teardown(test_parts_of_a_table, start, end),
        cmocka_unit_test_setup_teardown(test_growing, start, end),
        cmocka_unit_test_setup_teardown(test_what_is_no_map, start, end),
        cmocka_unit_test_setup_teardown(test_wrong_lines, start, end),
        cmocka_unit_test_teardown(test_crash_null, end),
        cmocka_unit_test_teardown(test_crash_in_a_freed_map, end),
        cmocka_unit_test_teardown(test_crash_in_an_old_array, end),
        cmocka_unit_test_teardown(test_crash_wild, end),
    };
    return tk_main(argc, argv, "tool_explain", tests, sizeof tests / sizeof *tests);
}
