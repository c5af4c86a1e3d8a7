/* tool_go_events.c - `events --probes`: maps of an unmodified Go program grow, and each growth is seen once, whatever becomes of
 * who watches.
 *
 * The program is tests/go/growing, built by tests/go/on_go.sh: it says how often its maps grew.
 */
#include "toolkit.h"

#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, LINES = 1 << 16, TEXT_MOST = 64 << 20 };

static struct tk_target t;

static int start(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("growing"));
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

/* ---- a tool that watches ------------------------------------------------------------------------------ */

struct watcher {
    pid_t pid;
    FILE *out;
    json_t *begin; /* its first line */
};

/* Lines of -o jsonl, until the probes are there.  false: there is no right to set them here, which is printed. */
static bool watch(struct watcher *w, const char *option, const char *more) {
    int out, err;
    char line[1024] = "";
    w->pid = tk_spawn(&(struct tk_how){0},
                      (const char *const[]){"events", t.id, "-o", "jsonl", option, more, NULL}, &out, &err);
    w->out = fdopen(out, "r");
    char *first = NULL;
    size_t room = 0;
    w->begin = getline(&first, &room, w->out) > 0 ? json_loads(first, 0, NULL) : NULL;
    free(first);
    if (!w->begin) {
        ssize_t n = read(err, line, sizeof line - 1);
        print_message("# %.*s", n > 0 ? (int)n : 0, line);
        fclose(w->out);
        assert_true(strstr(line, "CAP_BPF") || strstr(line, "built without"));
    }
    close(err);
    return w->begin != NULL;
}

static void unwatch(struct watcher *w) {
    fclose(w->out);
    json_decref(w->begin);
}

/* Stop it; all lines from the second on. */
static json_t *heard(struct watcher *w) {
    char *line = NULL;
    size_t room = 0;
    json_t *all = json_array();
    kill(w->pid, SIGINT);
    while (getline(&line, &room, w->out) > 0 && json_array_size(all) < LINES) {
        json_t *one = json_loads(line, 0, NULL);
        assert_non_null(one);
        assert_string_equal(tk_text(one, "schema"), "mapscope/1");
        json_array_append_new(all, one);
    }
    free(line);
    unwatch(w);
    const json_t *last = json_array_get(all, json_array_size(all) - 1);
    assert_string_equal(tk_text(last, "line"), "end");
    assert_int_equal(tk_number(last, "events"), json_array_size(all) - 1);
    return all;
}

static size_t count(const json_t *all, const char *kind) {
    size_t i, n = 0;
    json_t *e;
    json_array_foreach(all, i, e) {
        const char *of = json_string_value(json_object_get(e, "kind"));
        n += of && strcmp(of, kind) == 0;
    }
    return n;
}

/* ---- tests ---------------------------------------------------------------------------------------------- */

/* What is told of one map: groups double, entries are those at which it grows, and the stack leads to who filled it. */
static void one_map(const json_t *all, const char *id) {
    size_t i;
    json_t *e;
    uint64_t groups = 1;
    json_array_foreach(all, i, e) {
        const char *kind = json_string_value(json_object_get(e, "kind"));
        if (!kind || strcmp(tk_text(e, "id"), id) != 0) continue;
        assert_int_equal(tk_number(e, "a"), groups);
        assert_int_equal(tk_number(e, "b"), groups * 2);
        if (strcmp(kind, "grow_done") == 0) {
            assert_true(json_is_integer(json_object_get(e, "duration_ns")));
            groups *= 2;
            continue;
        }
        assert_in_range(tk_number(e, "entries"), groups * 6, groups * 8); /* full by 6.5 or 7 of 8 slots */
        assert_string_equal(tk_text(e, "type"), "map[int]int");
        assert_true(tk_number(e, "goroutine") > 0 && tk_number(e, "thread") > 0);
        bool filled = false;
        for (size_t k = 0; k < json_array_size(tk_at(e, "stack")); k++)
            filled = filled || strncmp(json_string_value(json_array_get(tk_at(e, "stack"), k)),
                                       "main.fill growing.go:", 21) == 0;
        assert_true(filled);
    }
    assert_int_equal(groups, 128);
}

/* As many as the maps' own headers say, one by one and many at once. */
static void test_each_growth_is_seen_once(void **state) {
    (void)state;
    static const char *const work[] = {"fill 1 700 1", "fill 1 8 1", "fill 1 101 1", "fill 23 896 1",
                                       "fill 23 5000 3"};
    struct watcher w;
    uint64_t grew = 0;
    if (!watch(&w, "--probes", NULL)) return skip();
    uint64_t probes = tk_number(w.begin, "probes");
    for (size_t i = 0; i < sizeof work / sizeof *work; i++)
        grew += strtoull(tk_ask(&t, "%s", work[i]), NULL, 10);
    json_t *all = heard(&w);
    const json_t *last = json_array_get(all, json_array_size(all) - 1);
    print_message("# grew %" PRIu64 " times; seen %zu and %zu, lost %" PRIu64 ", %" PRIu64 " probes, %" PRIu64
                  " ns a hit\n",
                  grew, count(all, "grow_start"), count(all, "grow_done"), tk_number(last, "lost"), probes,
                  tk_number(last, "hit_ns"));
    assert_true(grew > 300 && probes >= 2);
    assert_int_equal(tk_number(last, "lost"), 0);
    assert_int_equal(count(all, "grow_start"), grew);
    assert_int_equal(count(all, "grow_done"), grew);
    one_map(all, tk_text(json_array_get(all, 0), "id"));
    json_decref(all);
}

/* Pauses, large allocations and growths, in one order; and each write, when asked for. */
static void test_joined(void **state) {
    (void)state;
    struct watcher w;
    size_t i, large = 0, paused = 0;
    json_t *e;
    if (!watch(&w, "--join", "--assign")) return skip();
    tk_ask(&t, "large 12345678");
    tk_ask(&t, "collect");
    tk_ask(&t, "fill 1 2003 1");
    json_t *all = heard(&w);
    json_array_foreach(all, i, e) {
        const char *kind = json_string_value(json_object_get(e, "kind"));
        large += kind && strcmp(kind, "alloc") == 0 && tk_number(e, "a") == 12345678;
        paused +=
            kind && strcmp(kind, "pause_end") == 0 && json_is_integer(json_object_get(e, "duration_ns"));
    }
    print_message("# %zu pauses, %zu page fault events, %zu samples\n", paused, count(all, "faults"),
                  count(all, "cpu"));
    assert_int_equal(large, 1);
    assert_true(paused >= 2 && count(all, "grow_done") > 7 && count(all, "faults") > 10);
    assert_in_range(count(all, "assign"), 2003, 2200); /* some are of the program's own set of tables */
    json_decref(all);
}

/* ---- the text of the program ----------------------------------------------------------------------------- */

/* The first mapping that is code; the caller frees it. */
static uint8_t *text_of(size_t *len) {
    char line[512], path[64];
    uint64_t from = 0, to = 0;
    snprintf(path, sizeof path, "/proc/%s/maps", t.id);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char rights[8];
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &from, &to, rights) == 3 &&
            strcmp(rights, "r-xp") == 0)
            break;
    }
    fclose(f);
    *len = to - from;
    assert_true(*len > 0 && *len < TEXT_MOST);
    uint8_t *text = malloc(*len);
    snprintf(path, sizeof path, "/proc/%s/mem", t.id);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, text, *len, (off_t)from), *len);
    close(fd);
    return text;
}

static size_t differences(const uint8_t *before) {
    size_t len, n = 0;
    uint8_t *now = text_of(&len);
    for (size_t i = 0; i < len; i++) {
        if (now[i] == before[i]) continue;
        assert_int_equal(now[i], 0xcc);
        n++;
    }
    free(now);
    return n;
}

static void test_killed(void **state) {
    (void)state;
    struct watcher w;
    size_t len;
    uint8_t *before = text_of(&len);
    if (!watch(&w, "--join", NULL)) return free(before), skip();
    size_t set = differences(before), left = set;
    assert_int_equal(set, tk_number(w.begin, "probes"));
    kill(w.pid, SIGKILL);
    for (int i = 0; i < 2000 && left; i++) { /* the process that held them ends a moment later */
        left = differences(before);
        usleep(10000);
    }
    print_message("# %zu breakpoints, %zu left after SIGKILL\n", set, left);
    assert_int_equal(left, 0);
    assert_true(strtoull(tk_ask(&t, "fill 3 1000 3"), NULL, 10) > 50); /* and it lives */
    unwatch(&w);
    free(before);
}

/* ---- refusals --------------------------------------------------------------------------------------------- */

static void test_refusals(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "events", t.id);
    TK_REFUSED(&r, 2, "--probes");
    tk_result_free(&r);
    TK_RUN(&r, "events", t.id, "--probes", "--stop");
    TK_REFUSED(&r, 2, "--stop");
    tk_result_free(&r);
    TK_RUN(&r, "events", t.id, "--probes", "-o", "folded");
    TK_REFUSED(&r, 2, "--join");
    tk_result_free(&r);
    TK_RUN(&r, "events", "--help");
    TK_CODE(&r, 0);
    assert_non_null(strstr(r.out, "breakpoint"));
    tk_result_free(&r);
}

static void become_nobody(void) {
    if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)) _exit(125);
}

/* Who may read the process, and load nothing into the kernel. */
static void test_without_the_right(void **state) {
    (void)state;
    struct tk_target own;
    struct tk_result r;
    if (geteuid() != 0) TK_SKIP("only root can become somebody else");
    if (access("/proc/sys/kernel/unprivileged_bpf_disabled", F_OK) != 0) TK_SKIP("a kernel without bpf()");
    char *program = tk_path_in(tk_scratch(), "growing"), *tool = tk_path_in(tk_scratch(), "tool");
    tk_copy_file(tk_target_path("growing"), program);
    tk_copy_file(tk_tool, tool);
    assert_int_equal(chmod(tk_scratch(), 0755) | chmod(program, 0755) | chmod(tool, 0755), 0);
    assert_true(tk_start_flags(&own, 0, become_nobody, (const char *const[]){program, NULL}));
    TK_RUN_HOW(&r, (&(struct tk_how){.uid = NOBODY, .program = tool, .cwd = "/"}), "events", own.id,
               "--probes");
    if (r.code == 2) {
        TK_REFUSED(&r, 2, "built without");
    } else {
        TK_REFUSED(&r, 5, "CAP_BPF", "CAP_PERFMON");
    }
    tk_result_free(&r);
    tk_kill(&own);
    free(program);
    free(tool);
}

/* A name that would do something to a terminal; and the table, and the trace. */
static void test_hostile_name(void **state) {
    (void)state;
    char *program = tk_path_in(tk_scratch(), "\x1b[31mgo\n\"r"),
         *trace = tk_path_in(tk_scratch(), "trace.json");
    size_t i, slices = 0;
    json_t *e;
    tk_kill(&t);
    tk_copy_file(tk_target_path("growing"), program);
    assert_int_equal(chmod(program, 0755), 0);
    TK_START(&t, program);
    int out, err;
    pid_t pid =
        tk_spawn(&(struct tk_how){0},
                 (const char *const[]){"events", t.id, "--probes", "--perfetto", trace, NULL}, &out, &err);
    char line[1024] = "", table[1 << 16];
    size_t len = 0;
    ssize_t n = read(err, line, sizeof line - 1);
    bool may = n > 0 && strstr(line, "breakpoints are in the text");
    assert_true(may || strstr(line, "CAP_BPF") || strstr(line, "built without"));
    if (may) tk_ask(&t, "fill 1 700 1");
    kill(pid, SIGINT);
    while (len < sizeof table && (n = read(out, table + len, sizeof table - len)) > 0) len += (size_t)n;
    waitpid(pid, NULL, 0);
    TK_CLEAN(line, strlen(line), 0);
    TK_CLEAN(table, len, 80);
    json_t *doc = may ? json_load_file(trace, 0, NULL) : NULL;
    assert_true(!may || (len > 0 && doc));
    if (may) json_array_foreach(tk_at(doc, "traceEvents"), i, e) slices += strcmp(tk_text(e, "ph"), "X") == 0;
    assert_true(!may || slices == 7);
    json_decref(doc);
    close(out);
    close(err);
    free(program);
    free(trace);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_growth_is_seen_once, start, end),
        cmocka_unit_test_setup_teardown(test_joined, start, end),
        cmocka_unit_test_setup_teardown(test_killed, start, end),
        cmocka_unit_test_setup_teardown(test_refusals, start, end),
        cmocka_unit_test(test_without_the_right),
        cmocka_unit_test_setup_teardown(test_hostile_name, start, end),
    };
    return tk_main(argc, argv, "go_events", tests, sizeof tests / sizeof *tests);
}
