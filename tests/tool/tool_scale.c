/* tool_scale.c - many maps, many threads: linear time, bounded memory. */
#include "toolkit.h"

#include <sys/resource.h>

static void test_many_maps(void **state) {
    (void)state;
    struct tk_target t;
    struct tk_result small, large;
    TK_START(&t, tk_target_path("target_maps"), "many", "2000");
    TK_RUN(&small, "list", t.id, "-o", "json");
    tk_kill(&t);
    TK_START(&t, tk_target_path("target_maps"), "many", "20000");
    TK_RUN(&large, "list", t.id, "-o", "json");
    TK_CODE(&large, 0);
    json_t *doc = tk_json_parse(&large);
    tk_sums(doc);
    assert_int_equal(tk_number(doc, "totals.maps"), 20000);
    assert_int_equal(tk_number(doc, "totals.entries"), 20000 / 3 * 3 + 1); /* 0, 1, 2, 0, 1, 2 ... */
    json_decref(doc);
    print_message("# 20000 maps: %.3f s, %ld KiB; 2000: %.3f s\n", (double)large.ns / 1e9, large.peak_kib,
                  (double)small.ns / 1e9);
    if (!tk_sanitized()) {
        assert_true(large.ns < UINT64_C(2000000000));
        assert_true(large.peak_kib < 64 * 1024);
        assert_true(large.ns < 40 * small.ns); /* ten times the maps: not a hundred times the time */
    }
    tk_result_free(&small);
    tk_result_free(&large);
    TK_RUN(&large, "list", t.id, "--limit", "5");
    TK_CODE(&large, 0);
    assert_non_null(strstr(large.out, "20000 maps (5 shown)"));
    tk_result_free(&large);
    tk_kill(&t);
}

static void test_many_threads(void **state) {
    (void)state;
    struct tk_target t;
    struct rlimit most;
    getrlimit(RLIMIT_NPROC, &most);
    if (most.rlim_cur != RLIM_INFINITY && most.rlim_cur < 4000)
        TK_SKIP("only %lu threads are allowed", (unsigned long)most.rlim_cur);
    TK_START(&t, tk_target_path("target_maps"), "known");
    if (strcmp(tk_ask(&t, "threads 2000"), "ok") != 0) {
        tk_kill(&t);
        TK_SKIP("2000 threads cannot be started here");
    }
    struct tk_result r;
    TK_RUN(&r, "list", t.id, "-o", "json");
    TK_CODE(&r, 0);
    json_t *doc = tk_json_parse(&r);
    tk_sums(doc);
    assert_int_equal(tk_number(doc, "totals.maps"), 23);
    json_decref(doc);
    print_message("# 2000 threads: %.3f s\n", (double)r.ns / 1e9);
    assert_true(r.ns < UINT64_C(1000000000) * (tk_sanitized() ? 10 : 1));
    tk_result_free(&r);
    tk_kill(&t);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_many_maps),
    cmocka_unit_test(test_many_threads),
};
TK_MAIN("scale", tests)
