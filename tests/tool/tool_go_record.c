/* tool_go_record.c - recordings of a Go program: all its maps come back with the path that leads to each, and a map that the
 * program makes, and one that it copies into a new one, are the differences.
 *
 * The program is tests/go, built by tests/go/on_go.sh.
 */
#include "toolkit.h"

#include <inttypes.h>

static struct tk_target t;
static char *rec[3];

static int start(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("holders"));
    return 0;
}

static int end(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) free(rec[i]);
    tk_kill(&t);
    return 0;
}

static void record(size_t i) {
    struct tk_result r;
    char name[16];
    snprintf(name, sizeof name, "%zu.rec", i);
    char *file = tk_path_in(tk_scratch(), name);
    TK_RUN(&r, "record", t.id, "-o", file, "--count", "2", "-i", "0.1", "--details", "name=main.Measured");
    TK_CODE(&r, 0);
    tk_result_free(&r);
    rec[i] = calloc(strlen(file) + 8, 1);
    sprintf(rec[i], "rec:%s", file);
    free(file);
}

static json_t *by_id(const json_t *doc, const char *id) {
    size_t i;
    json_t *m;
    json_array_foreach(tk_at(doc, "maps"), i, m) if (strcmp(tk_text(m, "id"), id) == 0) return m;
    return NULL;
}

static void test_every_map_comes_back(void **state) {
    (void)state;
    size_t i, same = 0, n;
    json_t *m;
    record(0);
    json_t *live = TK_JSON("list", t.id), *kept = TK_JSON("list", rec[0]);
    assert_string_equal(tk_text(live, "target.runtime"), tk_text(kept, "target.runtime"));
    n = json_array_size(tk_at(live, "maps"));
    json_array_foreach(tk_at(live, "maps"), i, m) {
        const json_t *other = by_id(kept, tk_text(m, "id"));
        same += other && json_equal(m, other);
    }
    print_message("# %zu of %zu maps are as they were\n", same, n);
    assert_true(n > 4000 && same + 3 >= n); /* words of frames long gone may change what only they name */
    json_decref(live);
    json_decref(kept);
}

static const json_t *measured(const json_t *doc) {
    size_t i;
    json_t *d;
    json_array_foreach(tk_at(doc, "differences"), i,
                       d) if (strcmp(tk_text(d, "name"), "main.Measured") == 0 &&
                              !json_is_null(tk_at(d, "after"))) return d;
    fail_msg("main.Measured is no difference");
    return NULL;
}

static void test_a_map_that_is_made_and_copied(void **state) {
    (void)state;
    struct tk_result r;
    assert_non_null(strstr(tk_ask(&t, "fill 20000 18000"), "filled"));
    record(1);
    json_t *doc = TK_JSON("diff", rec[0], rec[1]);
    const json_t *d = measured(doc);
    assert_string_equal(tk_text(d, "change"), "came");
    assert_int_equal(tk_number(d, "after.entries"), 2000);
    assert_string_equal(tk_text(d, "type"), "map[uint64]uint64");
    assert_true(tk_number(doc, "changes.none") + 3 >= tk_number(doc, "before.maps"));
    uint64_t held = tk_number(d, "after.bytes"), gain = tk_number(d, "after.rebuild_gain_bytes");
    json_decref(doc);

    assert_non_null(strstr(tk_ask(&t, "rebuild"), "freed"));
    record(2);
    doc = TK_JSON("diff", rec[1], rec[2]);
    d = measured(doc);
    assert_int_equal(tk_number(d, "after.entries"), 2000);
    assert_in_range(tk_number(d, "after.bytes"), held - gain - held / 100,
                    held - gain + held / 100); /* as foretold */
    json_decref(doc);
    TK_RUN(&r, "diff", rec[0], rec[2], "--by", "holder", "--fail-on", "change=came,name~Measured");
    TK_REFUSED(&r, 1, "main.Measured");
    TK_CLEAN(r.out, r.out_len, 80);
    tk_result_free(&r);
}

static void test_verbs_on_a_recorded_go_map(void **state) {
    (void)state;
    json_t *held = TK_JSON("holders", rec[1], "main.Measured");
    assert_string_equal(tk_text(held, "held.shortest.0.path"), "main.Measured");
    json_decref(held);
    json_t *live = TK_JSON("show", t.id, "main.Measured"), *kept = TK_JSON("show", rec[2], "main.Measured");
    assert_true(json_equal(tk_at(live, "maps"), tk_at(kept, "maps")));
    json_decref(live);
    json_decref(kept);
    live = TK_JSON("heat", t.id, "main.Measured"), kept = TK_JSON("heat", rec[2], "main.Measured");
    assert_true(json_equal(tk_at(live, "heat"), tk_at(kept, "heat")));
    json_decref(live);
    json_decref(kept);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_every_map_comes_back),
    cmocka_unit_test(test_a_map_that_is_made_and_copied),
    cmocka_unit_test(test_verbs_on_a_recorded_go_map),
};

int main(int argc, char **argv) {
    struct CMUnitTest all[sizeof tests / sizeof *tests];
    memcpy(all, tests, sizeof all);
    all[0].setup_func = start;
    all[sizeof all / sizeof *all - 1].teardown_func = end;
    return tk_main(argc, argv, "go_record", all, sizeof all / sizeof *all);
}
