/* tool_times.c - `show` of a process that counts durations: what its library counted, and the longest of the map. */
#include "toolkit.h"

#include <inttypes.h>

static json_t *show(const char *conf, uint64_t *grows, char **table) {
    struct tk_target t;
    struct tk_result r;
    setenv("GOMAP_CONF", conf, 1);
    TK_START(&t, tk_target_path("target_events"));
    *grows = strtoull(tk_ask(&t, "grow 200000"), NULL, 10);
    json_t *doc = TK_JSON("show", t.id, "busy");
    TK_RUN(&r, "show", t.id, "busy");
    TK_CODE(&r, 0);
    *table = strdup(r.out);
    tk_result_free(&r);
    tk_kill(&t);
    unsetenv("GOMAP_CONF");
    return doc;
}

static const json_t *durations(const json_t *doc) {
    return tk_at(json_array_get(tk_at(doc, "maps"), 0), "durations");
}

static void test_counted(void **state) {
    (void)state;
    uint64_t grows, i, seen[3] = {0};
    char *table;
    json_t *doc = show("times:1,stacks:1", &grows, &table), *e;
    const json_t *d = durations(doc), *grow = tk_at(d, "grow"), *move = tk_at(d, "move");
    assert_true(grows > 3);
    assert_int_equal(tk_number(grow, "count"), grows);
    assert_true(tk_number(move, "count") > 1000);
    assert_true(tk_number(tk_at(d, "alloc"), "count") > grows);
    assert_true(tk_number(move, "p50_ns") <= tk_number(move, "p99_ns"));
    assert_true(tk_number(move, "p99_ns") <= tk_number(move, "max_ns"));
    assert_true(tk_number(move, "max_ns") <= tk_number(move, "sum_ns"));
    uint64_t last = UINT64_MAX;
    json_array_foreach(tk_at(d, "longest"), i, e) {
        static const char *const kinds[] = {"grow", "move", "alloc"};
        for (int k = 0; k < 3; k++) seen[k] += strcmp(tk_text(e, "kind"), kinds[k]) == 0;
        assert_true(tk_number(e, "ns") <= last && tk_number(e, "entries") <= 200000);
        assert_true(json_array_size(tk_at(e, "stack")) > 2 && tk_number(e, "thread") > 0);
        last = tk_number(e, "ns");
    }
    assert_true(seen[0] == (grows < 8 ? grows : 8) && seen[1] == 8 && seen[2] == 8); /* it is the only map */
    assert_non_null(strstr(table, "\ndurations (all maps of the process)"));
    assert_non_null(strstr(table, "\n  move "));
    free(table);
    json_decref(doc);
}

/* Without the setting nothing is counted, and nothing said. */
static void test_not_counted(void **state) {
    (void)state;
    uint64_t grows;
    char *table;
    json_t *doc = show("times:0", &grows, &table);
    assert_int_equal(tk_number(tk_at(durations(doc), "grow"), "count"), 0);
    assert_int_equal(json_array_size(tk_at(durations(doc), "longest")), 0);
    assert_null(strstr(table, "durations"));
    free(table);
    json_decref(doc);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counted), cmocka_unit_test(test_not_counted)};
    return tk_main(argc, argv, "times", tests, sizeof tests / sizeof *tests);
}
