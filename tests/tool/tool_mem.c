/* tool_mem.c - `mem`: levels that add up, against what the kernel says of a process that waits; pages of a map; what was handed
 * back, by MADV_FREE and by gomap; limits of control groups.
 */
#include "toolkit.h"

#include <inttypes.h>
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

static json_t *named(const json_t *list, const char *name) {
    size_t i;
    json_t *e;
    json_array_foreach(list, i, e) if (strcmp(tk_text(e, "name"), name) == 0) return e;
    return NULL;
}

/* Bytes of a step; UINT64_MAX: there is none. */
static uint64_t step(const json_t *doc, const char *level, const char *name) {
    json_t *l = named(tk_at(doc, "levels"), level), *s = l ? named(tk_at(l, "steps"), name) : NULL;
    return s ? tk_number(s, "bytes") : UINT64_MAX;
}

/* Every level is the sum of its steps, and nothing had to be cut. */
static void check_sums(const json_t *doc) {
    size_t i, k;
    json_t *l, *s;
    assert_true(json_array_size(tk_at(doc, "levels")) >= 4);
    json_array_foreach(tk_at(doc, "levels"), i, l) {
        uint64_t sum = 0;
        json_array_foreach(tk_at(l, "steps"), k, s) sum += tk_number(s, "bytes");
        assert_int_equal(sum, tk_number(l, "total_bytes"));
        if (strncmp(tk_text(l, "name"), "cgroup", 6) != 0) assert_int_equal(tk_number(l, "cut_bytes"), 0);
    }
    static const char *const column[] = {"size_bytes", "rss_bytes",      "pss_bytes",
                                         "swap_bytes", "lazyfree_bytes", "huge_bytes"};
    for (size_t c = 0; c < sizeof column / sizeof *column; c++) {
        uint64_t sum = 0, all = 0;
        json_array_foreach(tk_at(doc, "memory"), i, l) {
            bool is_sum = strcmp(tk_text(l, "name"), "all") == 0;
            *(is_sum ? &all : &sum) += tk_number(l, column[c]);
        }
        assert_int_equal(sum, all);
    }
}

/* A figure of smaps_rollup, which the kernel adds up itself. */
static uint64_t rollup(const char *name) {
    char path[64];
    size_t len;
    snprintf(path, sizeof path, "/proc/%s/smaps_rollup", t.id);
    char *text = tk_slurp(path, &len);
    if (!text) return UINT64_MAX;
    char *p = strstr(text, name);
    assert_non_null(p);
    uint64_t n = strtoull(p + strlen(name), NULL, 10) * 1024;
    free(text);
    return n;
}

static void test_levels_add_up(void **state) {
    (void)state;
    static const char *const same[][2] = {{"\nRss:", "rss_bytes"},
                                          {"\nSwap:", "swap_bytes"},
                                          {"\nLazyFree:", "lazyfree_bytes"},
                                          {"\nAnonHugePages:", "huge_bytes"}};
    json_t *doc = TK_JSON("mem", t.id), *list = TK_JSON("list", t.id),
           *all = named(tk_at(doc, "memory"), "all");
    check_sums(doc);
    tk_sums(list);
    assert_int_equal(tk_number(named(tk_at(doc, "levels"), "maps"), "total_bytes"),
                     tk_number(list, "totals.bytes"));
    assert_int_equal(step(doc, "heap", "maps"), tk_number(list, "totals.bytes"));
    assert_int_equal(step(doc, "maps", "slots_live"), tk_number(list, "totals.parts.slots_live"));
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (rollup("\nRss:") != UINT64_MAX) assert_int_equal(tk_number(all, same[i][1]), rollup(same[i][0]));
    assert_int_equal(tk_number(named(tk_at(doc, "levels"), "process"), "total_bytes"),
                     tk_number(all, "rss_bytes"));
    assert_true(json_is_null(tk_at(doc, "go_heap")));
    json_decref(list);
    json_decref(doc);
}

/* Of maps that were written everything lies in memory. */
static void test_resident(void **state) {
    (void)state;
    json_t *doc = TK_JSON("mem", t.id, "--resident"), *list = TK_JSON("list", t.id, "--resident");
    check_sums(doc);
    assert_int_equal(step(doc, "pages", "maps_resident"), tk_number(list, "totals.resident_bytes"));
    json_decref(list);
    json_decref(doc);
    doc = TK_JSON("mem", t.id, "numbers", "--resident");
    json_t *slots = named(tk_at(doc, "runs"), "slots");
    assert_true(tk_number(slots, "bytes") >= 150000 * 16);
    assert_true(tk_number(slots, "resident_bytes") > tk_number(slots, "bytes") / 2);
    assert_true(tk_number(slots, "resident_bytes") <= tk_number(slots, "bytes"));
    assert_string_equal(tk_text(doc, "maps.0.name"), "numbers");
    json_decref(doc);
    doc = TK_JSON("mem", t.id, "numbers");
    assert_true(json_is_null(tk_at(named(tk_at(doc, "runs"), "slots"), "resident_bytes")));
    json_decref(doc);
}

static void test_lazily_freed(void **state) {
    (void)state;
    struct tk_result r;
    enum { BYTES = 8 << 20 };
    json_t *doc = TK_JSON("mem", t.id);
    uint64_t before = step(doc, "pages", "lazyfree");
    json_decref(doc);
    assert_string_equal(tk_ask(&t, "lazy %d", BYTES), "ok");
    if (rollup("\nLazyFree:") == before) TK_SKIP("this kernel frees it at once");
    doc = TK_JSON("mem", t.id);
    check_sums(doc);
    uint64_t lazy = step(doc, "pages", "lazyfree") - before;
    assert_true(lazy <= BYTES && lazy > BYTES / 2); /* what of it is in use again the kernel tells late */
    json_decref(doc);
    TK_RUN(&r, "mem", t.id);
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 80);
    assert_non_null(strstr(r.out, "MADV_FREE hides"));
    tk_result_free(&r);
}

/* A map that lost most of what it had gives pages back: its counters say how many, its events which, and the pages that it is
 * so.  Filled again it uses them again. */
static void test_handed_back(void **state) {
    (void)state;
    struct tk_result r;
    assert_string_equal(tk_ask(&t, "fill victim 600000"), "ok");
    assert_string_equal(tk_ask(&t, "shrink victim 100000"), "ok");
    json_t *doc = TK_JSON("mem", t.id, "victim", "--resident"), *show = TK_JSON("show", t.id, "victim");
    assert_true(tk_number(doc, "madvise.calls") > 0);
    assert_int_equal(tk_number(doc, "madvise.calls"), tk_number(show, "maps.0.counters.madvise_calls"));
    assert_int_equal(tk_number(doc, "madvise.bytes"), tk_number(show, "maps.0.counters.madvise_bytes"));
    assert_int_equal(tk_number(doc, "madvise.maps"), 1);
    uint64_t covered = tk_number(doc, "madvise.covered_bytes"),
             there = tk_number(doc, "madvise.resident_bytes");
    assert_true(covered > 1 << 20);
    assert_true(there < covered / 4);
    json_decref(show);
    json_decref(doc);
    assert_string_equal(tk_ask(&t, "fill victim 600000"), "ok");
    doc = TK_JSON("mem", t.id, "victim", "--resident");
    if (tk_number(doc, "madvise.covered_bytes") == covered)
        assert_true(tk_number(doc, "madvise.resident_bytes") > covered / 2);
    json_decref(doc);
    TK_RUN(&r, "mem", t.id, "victim", "--resident");
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 80);
    assert_non_null(strstr(r.out, "handed back by gomap"));
    tk_result_free(&r);
}

static void test_wrong_lines(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "mem");
    TK_REFUSED(&r, 2, "usage: mapscope mem");
    tk_result_free(&r);
    TK_RUN(&r, "mem", t.id, "no-such-map");
    TK_REFUSED(&r, 2, "no-such-map");
    tk_result_free(&r);
    TK_RUN(&r, "mem", "core:/bin/true");
    TK_REFUSED(&r, 2, "core");
    tk_result_free(&r);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_levels_add_up, start, end),
        cmocka_unit_test_setup_teardown(test_resident, start, end),
        cmocka_unit_test_setup_teardown(test_lazily_freed, start, end),
        cmocka_unit_test_setup_teardown(test_handed_back, start, end),
        cmocka_unit_test_setup_teardown(test_wrong_lines, start, end),
    };
    return tk_main(argc, argv, "tool_mem", tests, sizeof tests / sizeof *tests);
}
