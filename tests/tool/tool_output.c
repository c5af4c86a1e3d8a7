/* tool_output.c - what goes out: full disks, closed pipes, 80 columns, no terminal, and names that
 * mean harm in every format.
 */
#include "toolkit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct tk_target t;

/* Names as bytes of a hostile target. */
static const char *const hostile[] = {
    "\033[2J\033[1;31mred\033]0;title\007",
    "line\nnext\r\tback\b\b\v\f",
    "\"quoted\" \\ 'single' `tick` $(x)",
    "<script>alert(1)</script><img src=x onerror=\"y\">&amp;]]>--><!--",
    "broken utf8 \xff\xfe\xc0\xaf\xe2\x82 \xed\xa0\x80 \xf8\x88\x80\x80\x80",
    "\xc2\x9b"
    "31m C1 \xc2\x85 controls",
    "\xe2\x80\xae"
    "right to left \xe2\x81\xa6 isolates \xef\xbb\xbf",
    "\xe2\x80\xa8 line separator \xe2\x80\xa9 paragraph \xf3\xa0\x80\x81 tag",
    "wide "
    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa"
    "\x9e",
    "combining e\xcc\x81\xcc\x81\xcc\x81\xcc\x81",
    "%s%n%d%99999999d",
    "</title></svg>\x7f\x01\x02",
    "very long "
    "................................................................................................"
    "....................................................................................................",
};
enum { HOSTILE = sizeof hostile / sizeof *hostile };

static void name_map(size_t i, const char *bytes) {
    char hex[1024] = "";
    for (size_t k = 0; bytes[k]; k++) sprintf(hex + 2 * k, "%02x", (unsigned char)bytes[k]);
    assert_string_equal(tk_ask(&t, "name %zu %s", i, hex), "ok");
}

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

static int start_hostile(void **state) {
    start(state);
    for (size_t i = 0; i < HOSTILE; i++) name_map(i, hostile[i]);
    return 0;
}

static const char *const views[][6] = {{"list"},
                                       {"top", "--once"},
                                       {"show", "map22"},
                                       {"heat", "map22"},
                                       {"heat", "map22", "--group", "3"},
                                       {"heat", "map22", "--range", "0:63"},
                                       {"show", "map20"},
                                       {"list", "--resident"},
                                       {"mem"},
                                       {"mem", "map22", "--resident"},
                                       {"explain", "0x10"}};
enum { VIEWS = sizeof views / sizeof *views };

static void run_view(struct tk_result *r, const struct tk_how *how, size_t i, const char *extra) {
    const char *args[10] = {views[i][0], t.id};
    size_t n = 2;
    for (size_t k = 1; views[i][k]; k++) args[n++] = views[i][k];
    args[n++] = extra;
    tk_run_how(r, how, args);
}

/* ---- disks and pipes --------------------------------------------------------------------------- */

static void test_full_disk(void **state) {
    (void)state;
    struct tk_result r;
    for (size_t i = 0; i < VIEWS; i++)
        for (int json = 0; json < 2; json++) {
            int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
            assert_true(full >= 0);
            run_view(&r, &(struct tk_how){.out_fd = full}, i, json ? "-ojson" : NULL);
            TK_REFUSED(&r, 6, "standard output");
            tk_result_free(&r);
            close(full);
        }
    static const char *const short_ones[] = {"ls", "version", "--help"};
    for (size_t i = 0; i < 3; i++) {
        int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
        TK_RUN_HOW(&r, (&(struct tk_how){.out_fd = full}), short_ones[i]);
        TK_CODE(&r, 6);
        tk_result_free(&r);
        close(full);
    }
}

static void test_full_disk_for_files(void **state) {
    (void)state;
    static const char *const files[][3] = {{"heat", "--svg"}, {"heat", "--png"}, {"show", "--html"}};
    struct tk_result r;
    for (size_t i = 0; i < 3; i++) {
        TK_RUN(&r, files[i][0], t.id, "map22", files[i][1], "/dev/full");
        TK_REFUSED(&r, 6, "/dev/full", "No space left");
        tk_result_free(&r);
    }
    TK_RUN(&r, "list", t.id, "--html", "/dev/full");
    TK_REFUSED(&r, 6, "/dev/full", "No space left");
    tk_result_free(&r);
}

/* A reader that goes away ends it by SIGPIPE, quietly; if SIGPIPE is ignored it is still no crash. */
static void test_closed_pipe(void **state) {
    (void)state;
    for (size_t i = 0; i < VIEWS; i++) {
        struct tk_result r;
        int p[2];
        assert_int_equal(pipe2(p, O_CLOEXEC), 0);
        close(p[0]);
        run_view(&r, &(struct tk_how){.out_fd = p[1], .unchecked = true}, i, NULL);
        close(p[1]);
        assert_int_equal(r.code, 128 + SIGPIPE);
        assert_int_equal(r.err_len, 0);
        tk_result_free(&r);
    }
}

static void test_no_standard_output(void **state) {
    (void)state;
    struct tk_result r;
    run_view(&r, &(struct tk_how){.no_stdout = true}, 0, NULL);
    assert_int_not_equal(r.code, 0);
    tk_result_free(&r);
}

static void test_head_of_a_pipe(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN_HOW(&r, (&(struct tk_how){.program = "sh"}), "-c", "\"$0\" list \"$1\" -w | head -n 1", tk_tool,
               t.id);
    TK_CODE(&r, 0);
    assert_int_equal(r.err_len, 0);
    assert_memory_equal(r.out, "process ", 8);
    tk_result_free(&r);
}

/* ---- text -------------------------------------------------------------------------------------- */

static void test_80_columns(void **state) {
    (void)state;
    for (size_t i = 0; i < VIEWS; i++) {
        struct tk_result r;
        run_view(&r, &(struct tk_how){0}, i, NULL);
        TK_CODE(&r, 0);
        assert_int_equal(r.err_len, 0);
        assert_true(r.out_len > 100);
        TK_CLEAN(r.out, r.out_len, 80);
        tk_result_free(&r);
        /* in a locale without UTF-8: ASCII only */
        run_view(&r, &(struct tk_how){.env = (const char *const[]){"LC_ALL=C", NULL}}, i, NULL);
        TK_CODE(&r, 0);
        for (size_t k = 0; k < r.out_len; k++) assert_true((unsigned char)r.out[k] < 0x7f);
        TK_CLEAN(r.out, r.out_len, 80);
        tk_result_free(&r);
    }
    struct tk_result r;
    TK_RUN(&r, "ls");
    TK_CLEAN(r.out, r.out_len, 80);
    tk_result_free(&r);
}

/* The row of the list with that id; ended in place. */
static char *row_of(char *out, const char *id) {
    size_t len = strlen(id);
    for (char *line = out; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, id, len) == 0 && line[len] == ' ') return line[strcspn(line, "\n")] = 0, line;
    print_error("no row for map %s\n", id);
    fail();
    return NULL;
}

/* Nothing of the list at 80 columns hides what tells one map from the next: the end of a long name, the file and
 * line of a map without one. */
static void test_cut_texts_keep_their_ends(void **state) {
    (void)state;
    name_map(20, "a name that many maps begin with and only the shard ends: shard 17");
    name_map(22, "a name that many maps begin with and only the shard ends: shard 23");
    json_t *doc = TK_JSON("list", t.id), *m;
    struct tk_result r;
    size_t i, unnamed = 0;
    TK_RUN(&r, "list", t.id);
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 80);
    json_array_foreach(tk_at(doc, "maps"), i, m) {
        char *copy = strdup(r.out), *row = row_of(copy, tk_text(m, "id"));
        const char *id = tk_text(m, "id");
        if (strcmp(id, "21.1") == 0) assert_true(strstr(row, "a nam") && strstr(row, "shard 17 "));
        if (strcmp(id, "23.1") == 0) assert_true(strstr(row, "a nam") && strstr(row, "shard 23 "));
        if (json_is_null(tk_at(m, "name")) && json_is_string(tk_at(m, "site"))) {
            const char *site = tk_text(m, "site"), *slash = strrchr(site, '/');
            unnamed++;
            if (!strstr(row, slash ? slash + 1 : site)) {
                print_error("'%s' does not show %s\n", row, site);
                fail();
            }
        }
        free(copy);
    }
    assert_true(unnamed > 0);
    json_decref(doc);
    tk_result_free(&r);
    name_map(20, "map20");
    name_map(22, "map22");
}

static void test_hostile_names_in_text(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "list", t.id);
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 80);
    tk_result_free(&r);
    TK_RUN(&r, "list", t.id, "--wide");
    TK_CLEAN(r.out, r.out_len, 0);
    assert_null(strstr(r.out, "\xe2\x80\xae")); /* right-to-left override */
    assert_null(strstr(r.out, "\xe2\x80\xa8"));
    assert_non_null(strstr(r.out, "\\x1b[2J"));
    int lines = 0;
    for (const char *l = r.out; (l = strchr(l, '\n')); l++) lines++;
    assert_int_equal(lines, 1 + 1 + 23 + 1); /* no name starts a line of its own */
    tk_result_free(&r);
    for (size_t i = 0; i < HOSTILE; i++) {
        char id[16];
        static const char *const verb[] = {"show", "heat"};
        snprintf(id, sizeof id, "%zu.1", i + 1);
        for (int v = 0; v < 2; v++) {
            TK_RUN(&r, verb[v], t.id, id);
            TK_CODE(&r, 0);
            TK_CLEAN(r.out, r.out_len, 80);
            tk_result_free(&r);
        }
    }
}

/* Error lines carry names too: of maps, of files, of verbs. */
static void test_hostile_arguments(void **state) {
    (void)state;
    for (size_t i = 0; i < HOSTILE; i++) {
        struct tk_result r;
        char path[512];
        snprintf(path, sizeof path, "/nonexistent/%s", hostile[i]);
        const char *const runs[][5] = {{hostile[i]},
                                       {"list", hostile[i]},
                                       {"show", t.id, hostile[i], "-onot json"},
                                       {"list", t.id, "--sort", hostile[i]},
                                       {"list", t.id, "--filter", hostile[i]},
                                       {"list", t.id, "--html", path}};
        for (size_t k = 0; k < sizeof runs / sizeof *runs; k++) {
            TK_RUN(&r, runs[k][0], runs[k][1], runs[k][2], runs[k][3]);
            assert_true(r.code == 2 || r.code == 3);
            TK_REFUSED(&r, r.code, "");
            TK_CLEAN(r.err, r.err_len, 0);
            tk_result_free(&r);
        }
        TK_RUN(&r, "list", hostile[i], "-o", "json");
        json_decref(tk_json_parse(&r));
        tk_result_free(&r);
    }
}

static void test_hostile_names_in_json(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "list", t.id, "-o", "json");
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 0);
    json_t *doc = tk_json_parse(&r);
    tk_sums(doc);
    for (size_t i = 0; i < HOSTILE; i++)
        if (i != 4)
            assert_non_null(tk_map(doc, hostile[i])); /* what is valid UTF-8 comes through unchanged */
    json_decref(doc);
    tk_result_free(&r);
}

/* No element or attribute of markup that a name brought along, no control byte. */
static void check_markup(const char *path, bool svg) {
    size_t len;
    char *text = tk_slurp(path, &len);
    assert_non_null(text);
    assert_int_equal(strlen(text), len);
    TK_CLEAN(text, len, 0);
    assert_null(strstr(text, "<script>alert"));
    assert_null(strstr(text, "<img"));
    assert_null(strstr(text, "\xe2\x80\xae"));
    /* exactly one end, and it is the end */
    const char *close = svg ? "</svg>" : "</html>", *last = strstr(text, close);
    assert_non_null(last);
    assert_null(strstr(last + 1, close));
    assert_true(strlen(last) <= strlen(close) + 1);
    free(text);
}

static void test_hostile_names_in_files(void **state) {
    (void)state;
    char *svg = tk_path_in(tk_scratch(), "x.svg"), *png = tk_path_in(tk_scratch(), "x.png"),
         *html = tk_path_in(tk_scratch(), "x.html"), *all = tk_path_in(tk_scratch(), "all.html");
    struct tk_result r;
    for (size_t i = 0; i < HOSTILE; i++) {
        char id[16];
        size_t len;
        snprintf(id, sizeof id, "%zu.1", i + 1);
        TK_RUN(&r, "heat", t.id, id, "--svg", svg, "--png", png);
        TK_CODE(&r, 0);
        tk_result_free(&r);
        TK_RUN(&r, "show", t.id, id, "--html", html);
        TK_CODE(&r, 0);
        tk_result_free(&r);
        check_markup(svg, true);
        check_markup(html, false);
        char *bytes = tk_slurp(png, &len);
        assert_memory_equal(bytes, "\x89PNG\r\n\x1a\n", 8);
        assert_memory_equal(bytes + len - 8,
                            "IEND\xae"
                            "B`\x82",
                            8);
        free(bytes);
    }
    TK_RUN(&r, "list", t.id, "--html", all);
    TK_CODE(&r, 0);
    tk_result_free(&r);
    check_markup(all, false);
    TK_RUN_HOW(&r, (&(struct tk_how){.program = "sh", .unchecked = true}), "-c",
               "command -v xmllint >/dev/null || exit 9; xmllint --noout \"$0\"", svg);
    assert_true(r.code == 0 || r.code == 9);
    tk_result_free(&r);
    free(svg);
    free(png);
    free(html);
    free(all);
}

/* ---- terminals --------------------------------------------------------------------------------- */

/* Runs it with a terminal of `columns` columns for stdout; returns what it wrote, allocated. */
static char *on_terminal(int columns, const char *const *env, const char *const *args, int keys, int *code) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), status;
    char *text = calloc(1, 1), buf[4096];
    size_t len = 0;
    if (master < 0 || grantpt(master) || unlockpt(master)) return NULL;
    struct winsize ws = {.ws_row = 24, .ws_col = (unsigned short)columns};
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) return NULL;
    ioctl(slave, TIOCSWINSZ, &ws);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        for (int i = 0; i < 3; i++) dup2(slave, i);
        for (; *env; env++) putenv((char *)(uintptr_t)*env);
        char *argv[16] = {(char *)(uintptr_t)tk_tool};
        for (size_t n = 1; *args; args++) argv[n++] = (char *)(uintptr_t)*args;
        execv(tk_tool, argv);
        _exit(126);
    }
    close(slave);
    for (ssize_t n; (n = read(master, buf, sizeof buf)) > 0;) {
        text = realloc(text, len + (size_t)n + 1);
        memcpy(text + len, buf, (size_t)n);
        len += (size_t)n;
        text[len] = 0;
        if (keys && strstr(text, "q quit")) { /* the screen stands: leave it */
            assert_int_equal(write(master, "q", 1), 1);
            keys = 0;
        }
    }
    close(master);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return text;
}

static void test_colour(void **state) {
    (void)state;
    int code;
    const char *args[] = {"heat", t.id, "map22", NULL};
    char *plain =
        on_terminal(100, (const char *const[]){"TERM=xterm-256color", "NO_COLOR=1", NULL}, args, 0, &code);
    if (!plain) TK_SKIP("there are no pseudo terminals");
    assert_int_equal(code, 0);
    assert_null(strchr(plain, 27));
    char *dumb = on_terminal(100, (const char *const[]){"TERM=dumb", NULL}, args, 0, &code);
    assert_null(strchr(dumb, 27));
    char *colour = on_terminal(100, (const char *const[]){"TERM=xterm-256color", NULL}, args, 0, &code);
    assert_int_equal(code, 0);
    assert_non_null(strstr(colour, "\033["));
    free(plain);
    free(dumb);
    free(colour);
}

static void test_top_on_a_terminal(void **state) {
    (void)state;
    int code;
    const char *args[] = {"top", t.id, "-i", "0.1", NULL};
    char *screen = on_terminal(80, (const char *const[]){"TERM=xterm", NULL}, args, 1, &code);
    if (!screen) TK_SKIP("there are no pseudo terminals");
    assert_int_equal(code, 0);
    assert_non_null(strstr(screen, "map22"));
    assert_non_null(strstr(screen, "\033[?1049l")); /* the screen was given back */
    free(screen);
    const char *unknown[] = {"top", t.id, NULL};
    screen = on_terminal(80, (const char *const[]){"TERM=no-such-terminal", NULL}, unknown, 0, &code);
    assert_int_equal(code, 2);
    assert_non_null(strstr(screen, "--once"));
    free(screen);
}

/* ---- interrupted ------------------------------------------------------------------------------- */

/* SIGINT at any moment: an output file is complete or not there. */
static void test_interrupted_files(void **state) {
    (void)state;
    struct tk_result r;
    char *svg = tk_path_in(tk_scratch(), "interrupted.svg");
    TK_RUN(&r, "heat", t.id, "map22", "--svg", svg);
    TK_CODE(&r, 0);
    uint64_t usual = r.ns;
    tk_result_free(&r);
    unlink(svg);
    int complete = 0, n = 100;
    for (uint64_t i = 0; i < (uint64_t)n; i++) {
        const char *args[] = {"heat", t.id, "map22", "--svg", svg, NULL};
        uint64_t after = usual * i / 25; /* up to four times as long as it takes */
        pid_t pid = tk_spawn(&(struct tk_how){0}, args, NULL, NULL);
        nanosleep(&(struct timespec){.tv_nsec = (long)(after % 1000000000)},
                  NULL); /* the moment is the test */
        kill(pid, SIGINT);
        waitpid(pid, NULL, 0);
        size_t len = 0;
        char *text = tk_slurp(svg, &len);
        if (text) check_markup(svg, true), complete++;
        free(text);
        unlink(svg);
    }
    print_message("# %d of %d interrupted runs had written their file\n", complete, n);
    assert_true(complete > 0 && complete < n);
    free(svg);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_full_disk, start),
    cmocka_unit_test(test_full_disk_for_files),
    cmocka_unit_test(test_closed_pipe),
    cmocka_unit_test(test_no_standard_output),
    cmocka_unit_test(test_head_of_a_pipe),
    cmocka_unit_test(test_80_columns),
    cmocka_unit_test(test_cut_texts_keep_their_ends),
    cmocka_unit_test(test_colour),
    cmocka_unit_test(test_top_on_a_terminal),
    cmocka_unit_test_teardown(test_interrupted_files, end),
    cmocka_unit_test_setup(test_hostile_names_in_text, start_hostile),
    cmocka_unit_test(test_hostile_arguments),
    cmocka_unit_test(test_hostile_names_in_json),
    cmocka_unit_test_teardown(test_hostile_names_in_files, end),
};
TK_MAIN("output", tests)
