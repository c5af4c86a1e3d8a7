/* tool_usage.c - wrong command lines: every verb, every option.  Exit code 2 and one line that
 * names the fault; and help that is help.
 */
#include "toolkit.h"

static struct tk_target t;
static const char *const verbs[] = {"ls", "list", "top", "show", "heat", "holders", "version", "record", "replay", "diff"};
static const int arguments[] = {0, 1, 1, 2, 2, 2, 0, 1, 1, 3 /* one or two */};
enum { VERBS = sizeof verbs / sizeof *verbs };

static int start(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("target_maps"), "known");
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

/* args with @ for the target's pid. */
static void refused(const char *word, const char *const *args) {
    const char *real[16] = {NULL};
    struct tk_result r;
    for (size_t i = 0; args[i] && i < 15; i++) real[i] = strcmp(args[i], "@") == 0 ? t.id : args[i];
    tk_run_how(&r, &(struct tk_how){0}, real);
    if (r.code != 2)
        print_error("mapscope %s %s %s: ", real[0], real[1] ? real[1] : "", real[2] ? real[2] : "");
    TK_REFUSED(&r, 2, word);
    assert_int_equal(r.out_len, 0);
    tk_result_free(&r);
}
#define REFUSED(word, ...) refused((word), (const char *const[]){__VA_ARGS__, NULL})

static void test_no_verb(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, NULL);
    TK_REFUSED(&r, 2, "no verb", "--help");
    tk_result_free(&r);
    REFUSED("no verb 'nonsense'", "nonsense");
    REFUSED("no verb ''", "");
    REFUSED("no verb 'lis'", "lis", "@");
    REFUSED("--nonsense", "--nonsense");
    REFUSED("no verb", "--wide");
    REFUSED("no verb 'nonsense'", "help", "nonsense");
}

/* Too few and too many arguments for each verb: the line is its usage. */
static void test_number_of_arguments(void **state) {
    (void)state;
    for (int v = 0; v < VERBS; v++) {
        char usage[64];
        snprintf(usage, sizeof usage, "usage: mapscope %s", verbs[v]);
        if (arguments[v] >= 1) REFUSED(usage, verbs[v]);
        if (arguments[v] == 2) REFUSED(usage, verbs[v], "@");
        if (arguments[v] == 0) REFUSED(usage, verbs[v], "@");
        if (arguments[v] == 1) REFUSED(usage, verbs[v], "@", "map22");
        REFUSED(usage, verbs[v], "@", "map22", "surplus");
    }
}

static void test_options_of_other_verbs(void **state) {
    (void)state;
    static const struct {
        const char *verb, *option, *value;
    } wrong[] = {
        {"ls", "--sort", "bytes"},   {"ls", "--svg", "/nonexistent/x"},   {"list", "--group", "1"},
        {"list", "--once", NULL},    {"list", "--png", "/nonexistent/x"}, {"top", "--html", "/nonexistent/x"},
        {"top", "--range", "0:1"},   {"show", "--sort", "bytes"},         {"show", "--group", "1"},
        {"heat", "--limit", "3"},    {"heat", "--filter", "bytes>1"},     {"heat", "--resident", NULL},
        {"version", "--wide", NULL}, {"version", "--sort", "bytes"},      {"show", "--interval", "1"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *args[8] = {wrong[i].verb};
        size_t n = 1;
        if (strcmp(wrong[i].verb, "ls") && strcmp(wrong[i].verb, "version")) args[n++] = "@";
        if (n == 2 && (wrong[i].verb[0] == 's' || wrong[i].verb[0] == 'h')) args[n++] = "map22";
        args[n++] = wrong[i].option;
        args[n++] = wrong[i].value;
        refused(wrong[i].option, args);
    }
    for (int v = 0; v < VERBS; v++) {
        REFUSED("--nonsense", verbs[v], "@", "map22", "--nonsense");
        REFUSED("-Z", verbs[v], "-Z");
    }
}

static void test_values_of_options(void **state) {
    (void)state;
    static const char *const limits[] = {"0", "-1", "x", "", "1x", "4294967296", "99999999999999999999"};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        REFUSED("--limit", "list", "@", "--limit", limits[i]);
    static const char *const intervals[] = {"0", "-1", "x", "", "nan", "inf", "0.01", "1e9", "1s"};
    for (size_t i = 0; i < sizeof intervals / sizeof *intervals; i++)
        REFUSED("--interval", "top", "@", "--once", "--interval", intervals[i]);
    static const char *const ranges[] = {"",    "1",    ":",   "1:",    ":1",
                                         "2:1", "-1:2", "a:b", "1:2:3", "0:99999999999999999999"};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        REFUSED("--range", "heat", "@", "map22", "--range", ranges[i]);
    static const char *const groups[] = {"-1", "x", "", "1.5", "18446744073709551616"};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        REFUSED("--group", "heat", "@", "map22", "--group", groups[i]);
    REFUSED("no group", "heat", "@", "map22", "--group", "4294967295");
    REFUSED("no group", "heat", "@", "map22", "--range", "4000000000:4294967295");
    static const char *const formats[] = {"", "xml", "JSON", "json "};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        REFUSED("--output", "list", "@", "-o", formats[i]);
    static const char *const needs[] = {"-o", "-s", "-f", "-n", "--sort", "--limit", "--html"};
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        REFUSED("needs an argument", "list", "@", needs[i]);
}

static void test_sorts_and_filters(void **state) {
    (void)state;
    static const char *const sorts[] = {"", "-", "nonsense", "bytes,entries", "--bytes"};
    for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++)
        REFUSED("sort", "list", "@", "--sort", sorts[i]);
    static const char *const filters[] = {"",           "bytes",   "bytes>",    ">1M",        "bytes>x",
                                          "nonsense>1", "bytes~1", "name>user", "bytes>1Q",   "bytes=>1",
                                          "load<<1",    ",",       "bytes>-",   "bytes>1 && "};
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        struct tk_result r;
        TK_RUN(&r, "list", t.id, "--filter", filters[i]);
        if (r.code != 2) print_error("filter '%s': ", filters[i]);
        TK_REFUSED(&r, 2, "");
        tk_result_free(&r);
    }
    char many[400] = "bytes>1";
    for (int i = 0; i < 20; i++) strcat(many, ",entries<9000");
    REFUSED("filter", "list", "@", "--filter", many);
}

static void test_targets_and_maps(void **state) {
    (void)state;
    REFUSED("/nonexistent/x", "list", "core:/nonexistent/x");
    REFUSED("/nonexistent/x", "list", "core:/nonexistent/x,/nonexistent/y");
    REFUSED("core file", "list", "core:");
    REFUSED("no such recording", "list", "rec:/nowhere/x");
    static const char *const maps[] = {"no such map", "999.1", "1.999", "18446744073709551615", "map"};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        REFUSED(maps[i], "show", "@", maps[i]);
        REFUSED(maps[i], "heat", "@", maps[i]);
    }
    REFUSED("empty", "show", "@", "");
    REFUSED("empty", "heat", "@", "");
}

/* Files that cannot be written are refused before anything is looked at. */
static void test_output_files(void **state) {
    (void)state;
    REFUSED("/nonexistent/x.svg", "heat", "@", "map22", "--svg", "/nonexistent/x.svg");
    REFUSED("/nonexistent/x.png", "heat", "@", "map22", "--png", "/nonexistent/x.png");
    REFUSED("/nonexistent/x.html", "list", "@", "--html", "/nonexistent/x.html");
    REFUSED("/proc", "show", "@", "map22", "--html", "/proc");
}

static void test_help(void **state) {
    (void)state;
    struct tk_result r, h;
    TK_RUN(&r, "--help");
    TK_CODE(&r, 0);
    assert_int_equal(r.err_len, 0);
    TK_CLEAN(r.out, r.out_len, 80);
    for (int v = 0; v < VERBS; v++) assert_non_null(strstr(r.out, verbs[v]));
    tk_result_free(&r);
    for (int v = 0; v < VERBS; v++) {
        char usage[64];
        snprintf(usage, sizeof usage, "usage: mapscope %s", verbs[v]);
        TK_RUN(&r, verbs[v], "--help");
        TK_CODE(&r, 0);
        assert_int_equal(r.err_len, 0);
        assert_memory_equal(r.out, usage, strlen(usage));
        TK_CLEAN(r.out, r.out_len, 80);
        TK_RUN(&h, "help", verbs[v]);
        assert_string_equal(r.out, h.out);
        tk_result_free(&h);
        TK_RUN(&h, verbs[v], "99999999", "surplus", "surplus", "-h"); /* help wins */
        assert_string_equal(r.out, h.out);
        tk_result_free(&h);
        tk_result_free(&r);
    }
}

static void test_version(void **state) {
    (void)state;
    struct tk_result r, v;
    TK_RUN(&r, "version");
    TK_RUN(&v, "--version");
    TK_CODE(&r, 0);
    TK_CODE(&v, 0);
    assert_memory_equal(r.out, "mapscope ", 9);
    assert_string_equal(r.out, v.out);
    tk_result_free(&r);
    tk_result_free(&v);
    json_t *doc = TK_JSON("version");
    assert_int_equal(tk_number(doc, "gomap_inspect_version"), 1);
    json_decref(doc);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_no_verb, start),   cmocka_unit_test(test_number_of_arguments),
    cmocka_unit_test(test_options_of_other_verbs), cmocka_unit_test(test_values_of_options),
    cmocka_unit_test(test_sorts_and_filters),      cmocka_unit_test(test_targets_and_maps),
    cmocka_unit_test(test_output_files),           cmocka_unit_test(test_help),
    cmocka_unit_test_teardown(test_version, end),
};
TK_MAIN("usage", tests)
