/* tool_prof.c - `prof` on a program whose maps were filled by known functions: every format, sampled and not, alive and in a core
 * file, held against `list`, against the library's own profile, and against the rules of the formats.
 */
#include "profread.h"
#include "toolkit.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct tk_target t;

static void begin(const char *conf) {
    setenv("GOMAP_CONF", conf, 1);
    TK_START(&t, tk_target_path("target_profiled"));
    unsetenv("GOMAP_CONF");
}

static int start(void **state) {
    (void)state;
    begin("profile_bytes:1"); /* each piece is sampled: estimates are exact */
    return 0;
}

static int start_unsampled(void **state) {
    (void)state;
    begin("profile_bytes:0");
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

static const json_t *row(const json_t *doc, const char *what) {
    size_t i;
    const json_t *r;
    json_array_foreach(tk_at(doc, "rows"), i, r) {
        const char *text = json_string_value(json_object_get(r, "what"));
        if (text && strcmp(text, what) == 0) return r;
    }
    fail_msg("no row '%s'", what);
    return NULL;
}

/* The row of the stack in which a function is called by the next one; NULL: none. */
static const json_t *calls(const json_t *doc, const char *function, const char *by) {
    size_t i, k;
    const json_t *r, *frame;
    json_array_foreach(tk_at(doc, "rows"), i, r) {
        const json_t *stack = tk_at(r, "stack");
        json_array_foreach(stack, k, frame) {
            const json_t *next = json_array_get(stack, k + 1);
            if (strcmp(tk_text(frame, "function"), function) == 0 && next &&
                strcmp(tk_text(next, "function"), by) == 0)
                return r;
        }
    }
    return NULL;
}

static void check_sums(const json_t *doc, const json_t *list, bool sampled) {
    assert_int_equal(tk_number(doc, "totals.map_entries"), tk_number(list, "totals.entries"));
    assert_int_equal(tk_number(doc, "totals.map_waste"), tk_number(list, "totals.waste_bytes"));
    assert_int_equal(tk_number(doc, "totals.inuse_space"), sampled ? tk_number(list, "totals.bytes") : 0);
    assert_true(!sampled || tk_number(doc, "totals.alloc_space") > tk_number(doc, "totals.inuse_space"));
}

static void test_sums(void **state) {
    (void)state;
    tk_ask(&t, "fill 50000");
    json_t *list = TK_JSON("list", t.id), *doc = TK_JSON("prof", t.id, "--by", "map");
    check_sums(doc, list, true);
    const char *const map[] = {"sessions", "cache"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *r = row(doc, map[i]), *m = tk_map(list, map[i]);
        assert_int_equal(tk_number(r, "values.map_entries"), tk_number(m, "entries"));
        assert_int_equal(tk_number(r, "values.inuse_space"), tk_number(m, "bytes"));
        assert_int_equal(tk_number(r, "values.map_waste"), tk_number(m, "waste_bytes"));
    }
    json_decref(doc);
    doc = TK_JSON("prof", t.id, "--by", "tenant");
    assert_true(tk_number(row(doc, "blue"), "values.map_entries") > 40000);
    json_decref(doc);
    json_decref(list);
}

static void test_stacks(void **state) {
    (void)state;
    tk_ask(&t, "fill 50000");
    json_t *doc = TK_JSON("prof", t.id);
    const json_t *opened = calls(doc, "put", "open_sessions");
    assert_non_null(opened);
    assert_true(tk_number(opened, "values.inuse_space") > 500000);
    assert_non_null(calls(doc, "inlined", "fill_cache"));
    const json_t *stack = tk_at(opened, "stack"), *frame;
    size_t i, lines = 0;
    json_array_foreach(stack, i, frame) {
        const char *file = json_string_value(json_object_get(frame, "file"));
        assert_true(strncmp(tk_text(frame, "function"), "gomap__", 7) != 0);
        lines += strcmp(tk_text(frame, "function"), "open_sessions") == 0 && file &&
                 strstr(file, "target_profiled.c") && json_integer_value(json_object_get(frame, "line")) > 0;
    }
    assert_int_equal(lines, 1);
    json_decref(doc);
}

/* The library's own profile says the same of what is held and was ever taken. */
static void test_own(void **state) {
    (void)state;
    char *path = tk_path_in(tk_scratch(), "own.pb.gz");
    struct tk_result r;
    struct profread own, p;
    size_t n;
    tk_ask(&t, "fill 50000");
    tk_ask(&t, "own %s", path);
    char *gz = tk_slurp(path, &n);
    profread(gz, n, &own);
    TK_RUN(&r, "prof", t.id, "-o", "pprof");
    TK_CODE(&r, 0);
    profread(r.out, r.out_len, &p);
    for (int i = 0; i < 4; i++) assert_int_equal(p.total[i], own.total[i]);
    assert_int_equal(p.period, own.period);
    assert_true(profread_has(&p, "open_sessions") && profread_has(&p, "tenant") && profread_has(&p, "blue"));
    assert_string_equal(p.default_type, "inuse_space");
    profread_free(&p);
    tk_result_free(&r);
    TK_RUN(&r, "prof", t.id, "-o", "pprof", "--sample-index", "map_waste");
    profread(r.out, r.out_len, &p);
    assert_string_equal(p.default_type, "map_waste");
    profread_free(&p);
    tk_result_free(&r);
    profread_free(&own);
    free(gz);
    free(path);
}

/* The sum of a folded profile, and of a speedscope one, is that of the table. */
static void test_formats(void **state) {
    (void)state;
    struct tk_result r;
    uint64_t sum = 0;
    tk_ask(&t, "fill 50000");
    json_t *doc = TK_JSON("prof", t.id);
    TK_RUN(&r, "prof", t.id, "-o", "folded");
    for (char *line = strtok(r.out, "\n"); line; line = strtok(NULL, "\n")) {
        assert_non_null(strrchr(line, ' '));
        sum += strtoull(strrchr(line, ' '), NULL, 10);
    }
    assert_int_equal(sum, tk_number(doc, "totals.inuse_space"));
    tk_result_free(&r);
    TK_RUN(&r, "prof", t.id, "-o", "speedscope");
    json_error_t why;
    json_t *scope = json_loads(r.out, 0, &why); /* of a schema of its own */
    assert_non_null(scope);
    const json_t *first = json_array_get(tk_at(scope, "profiles"), 0);
    assert_string_equal(tk_text(first, "name"), "inuse_space");
    assert_int_equal(tk_number(first, "endValue"), sum);
    assert_int_equal(json_array_size(tk_at(first, "samples")), json_array_size(tk_at(first, "weights")));
    assert_true(json_array_size(tk_at(scope, "profiles")) >= 6);
    json_decref(scope);
    tk_result_free(&r);
    char *path = tk_path_in(tk_scratch(), "flame.svg");
    size_t n;
    TK_RUN(&r, "prof", t.id, "-o", "svg", "--file", path);
    TK_CODE(&r, 0);
    assert_int_equal(r.out_len, 0);
    char *svg = tk_slurp(path, &n);
    assert_non_null(svg);
    TK_CLEAN(svg, n, 0);
    assert_non_null(strstr(svg, "<title>open_sessions: "));
    assert_string_equal(svg + n - 7, "</svg>\n");
    free(svg);
    free(path);
    tk_result_free(&r);
    json_decref(doc);
}

static void test_hostile(void **state) {
    (void)state;
    static const char *const format[] = {"table", "json", "folded", "speedscope", "svg"};
    struct tk_result r;
    struct profread p;
    tk_ask(&t, "hostile");
    for (size_t i = 0; i < sizeof format / sizeof *format; i++) {
        TK_RUN(&r, "prof", t.id, "-o", format[i], "--by", "map");
        TK_CODE(&r, 0);
        TK_CLEAN(r.out, r.out_len, i == 0 ? 80 : 0);
        if (strcmp(format[i], "svg") == 0) assert_null(strstr(r.out, "<b>"));
        tk_result_free(&r);
    }
    TK_RUN(&r, "prof", t.id, "-o", "pprof");
    profread(r.out, r.out_len, &p); /* texts are looked at there */
    profread_free(&p);
    tk_result_free(&r);
}

/* Without samples maps have their figures all the same, and it is said what is missing. */
static void test_unsampled(void **state) {
    (void)state;
    struct tk_result r;
    tk_ask(&t, "fill 50000");
    json_t *list = TK_JSON("list", t.id), *doc = TK_JSON("prof", t.id, "--by", "map");
    check_sums(doc, list, false);
    assert_non_null(strstr(tk_text(doc, "unsampled"), "does not sample"));
    assert_string_equal(tk_text(doc, "sample_index"), "map_waste");
    assert_int_equal(tk_number(row(doc, "sessions"), "values.map_entries"), 50000);
    TK_RUN(&r, "prof", t.id);
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 80);
    assert_non_null(strstr(r.err, "profile_bytes"));
    assert_non_null(strstr(r.out, "[map sessions]"));
    tk_result_free(&r);
    json_decref(doc);
    json_decref(list);
}

static void test_nothing(void **state) {
    (void)state;
    static const char *const format[] = {"table", "json", "folded", "speedscope", "svg"};
    struct tk_result r;
    struct profread p;
    for (size_t i = 0; i < sizeof format / sizeof *format; i++) {
        TK_RUN(&r, "prof", t.id, "-o", format[i]);
        TK_CODE(&r, 0);
        tk_result_free(&r);
    }
    TK_RUN(&r, "prof", t.id, "-o", "pprof");
    profread(r.out, r.out_len, &p);
    assert_int_equal(p.samples, 0);
    profread_free(&p);
    tk_result_free(&r);
}

/* While samples come and go: a whole profile, or one that says that it is not. */
static void test_while_it_changes(void **state) {
    (void)state;
    struct tk_result r;
    struct profread p;
    tk_ask(&t, "fill 5000");
    tk_ask(&t, "churn");
    for (int i = 0; i < 3; i++) {
        TK_RUN(&r, "prof", t.id, "-o", "pprof");
        assert_true(r.code == 0 || r.code == 4);
        profread(r.out, r.out_len, &p);
        assert_true(profread_has(&p, "sessions"));
        profread_free(&p);
        tk_result_free(&r);
    }
}

static void test_core(void **state) {
    (void)state;
    struct tk_core core;
    struct tk_target own;
    setenv("GOMAP_CONF", "profile_bytes:1", 1);
    tk_core_start(&core, &own, "0x33", (const char *const[]){tk_target_path("target_profiled"), NULL});
    unsetenv("GOMAP_CONF");
    tk_ask(&own, "fill 20000");
    json_t *doc = TK_JSON("prof", own.id);
    uint64_t want = tk_number(doc, "totals.inuse_space"), samples = tk_number(doc, "samples");
    json_decref(doc);
    if (!tk_core_kernel(&core, &own) && !tk_core_gcore(&core, &own)) {
        tk_kill(&own);
        tk_core_free(&core);
        skip();
    }
    char *target = tk_core_target(&core, NULL);
    doc = TK_JSON("prof", target);
    assert_int_equal(tk_number(doc, "totals.inuse_space"), want);
    assert_int_equal(tk_number(doc, "samples"), samples);
    assert_non_null(calls(doc, "put", "open_sessions"));
    json_decref(doc);
    free(target);
    tk_core_free(&core);
}

/* Whenever Ctrl-C comes, there is a whole profile or none. */
static void test_interrupted(void **state) {
    (void)state;
    char *path = tk_path_in(tk_scratch(), "cut.pb.gz");
    unsigned whole = 0;
    tk_ask(&t, "fill 5000");
    for (unsigned i = 0; i < 12; i++) {
        int status;
        pid_t pid =
            tk_spawn(&(struct tk_how){0},
                     (const char *const[]){"prof", t.id, "-o", "pprof", "--file", path, NULL}, NULL, NULL);
        assert_true(pid > 0);
        usleep(i < 11 ? i * 3000 : 0); /* any moment will do */
        if (i < 11) kill(pid, SIGINT);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        size_t n = 0;
        char *gz = tk_slurp(path, &n);
        struct profread p;
        if (WIFEXITED(status)) assert_non_null(gz);
        if (gz) {
            profread(gz, n, &p);
            assert_true(p.samples > 0);
            profread_free(&p);
            whole++;
        }
        free(gz);
        unlink(path);
    }
    assert_true(whole > 0);
    free(path);
}

static void test_usage(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "prof", t.id, "-o", "flame");
    TK_REFUSED(&r, 2, "no format 'flame'", "folded");
    tk_result_free(&r);
    TK_RUN(&r, "prof", t.id, "--sample-index", "bytes");
    TK_REFUSED(&r, 2, "no 'bytes'", "inuse_space");
    tk_result_free(&r);
    TK_RUN(&r, "prof", t.id, "-o", "pprof", "--file", "/nowhere/x");
    TK_REFUSED(&r, 2, "/nowhere/x");
    tk_result_free(&r);
    char *path = tk_path_in(tk_scratch(), "none.pb.gz");
    TK_RUN(&r, "prof", "99999999", "-o", "pprof", "--file", path);
    TK_REFUSED(&r, 3, "no process");
    assert_int_equal(access(path, F_OK), -1); /* a profile that could not be made leaves no file */
    tk_result_free(&r);
    free(path);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_sums, start, end),
    cmocka_unit_test_setup_teardown(test_stacks, start, end),
    cmocka_unit_test_setup_teardown(test_own, start, end),
    cmocka_unit_test_setup_teardown(test_formats, start, end),
    cmocka_unit_test_setup_teardown(test_hostile, start, end),
    cmocka_unit_test_setup_teardown(test_unsampled, start_unsampled, end),
    cmocka_unit_test_setup_teardown(test_nothing, start, end),
    cmocka_unit_test_setup_teardown(test_while_it_changes, start, end),
    cmocka_unit_test_setup_teardown(test_interrupted, start, end),
    cmocka_unit_test(test_core),
    cmocka_unit_test_setup_teardown(test_usage, start, end),
};

TK_MAIN("prof", tests)
