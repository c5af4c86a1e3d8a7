/* tool_gone.c - the target goes away, at every possible moment.
 *
 * A preloaded library stops the tool before read number k of the target's memory; the test ends the
 * target, or makes it another program, or puts another process under its number, and lets the tool
 * go on.  For every k: exit code 3 and one line; never the figures of another program, never a
 * wait.
 */
#include "toolkit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READS_MAX = 2000 };

/* A run of the tool that can be stopped at a read. */
struct paused {
    pid_t pid;
    int out, err;
};

/* Returns false if it ended before read number k. */
static bool pause_at(struct paused *p, long k, const char *const *args) {
    char at[32];
    int status;
    snprintf(at, sizeof at, "TK_STOP_AT=%ld", k);
    struct tk_how how = {.preload = tk_target_path("libshim_pread.so"),
                         .env = (const char *const[]){at, NULL}};
    assert_non_null(how.preload);
    p->pid = tk_spawn(&how, args, &p->out, &p->err);
    assert_int_equal(waitpid(p->pid, &status, WUNTRACED), p->pid);
    if (WIFSTOPPED(status)) return true;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0); /* undisturbed it succeeds */
    close(p->out);
    close(p->err);
    return false;
}

static void go_on(struct paused *p, struct tk_result *r) {
    char err[4096], out[4096];
    int status;
    uint64_t start = tk_now_ns();
    kill(p->pid, SIGCONT);
    ssize_t n = read(p->err, err, sizeof err - 1), m;
    size_t len = n > 0 ? (size_t)n : 0;
    while (len < sizeof err - 1 && (n = read(p->err, err + len, sizeof err - 1 - len)) > 0) len += (size_t)n;
    *r = (struct tk_result){.err = strndup(err, len), .out = calloc(1, 1)};
    while ((m = read(p->out, out, sizeof out)) > 0) r->out_len += (size_t)m;
    assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
    r->ns = tk_now_ns() - start;
    r->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    close(p->out);
    close(p->err);
}

static void start(struct tk_target *t) { TK_START(t, tk_target_path("target_maps"), "many", "40"); }

/* What happens to the target at read k; returns a pid to clean up, or 0. */
typedef pid_t event_fn(struct tk_target *t, long k);

/* Runs the verb against a fresh target for every k, or for every `step`th; returns how many. */
static long at_every_read(const char *verb, const char *map, event_fn *event, long step, int code,
                          const char *word) {
    long done = 0;
    if (tk_sanitized()) step *= 3; /* every one is for the plain tool, which is as exact and ten times as fast */
    for (long k = 1; k < READS_MAX; k += step) {
        struct tk_target t;
        struct paused p;
        struct tk_result r;
        start(&t);
        const char *args[] = {verb, t.id, map, NULL};
        if (!pause_at(&p, k, args)) {
            tk_kill(&t);
            break;
        }
        pid_t other = event(&t, k);
        go_on(&p, &r);
        if (r.code != code) print_error("%s, read %ld:\n", verb, k);
        TK_REFUSED(&r, code, word);
        assert_int_equal(r.out_len, 0); /* no partial garbage */
        assert_true(r.ns < UINT64_C(1000000000) * (tk_sanitized() ? 5 : 1));
        tk_result_free(&r);
        if (other > 0) {
            kill(other, SIGKILL);
            waitpid(other, NULL, 0);
        }
        tk_kill(&t);
        done++;
    }
    assert_true(done > 8); /* the shim works */
    return done;
}

static pid_t die_unreaped(struct tk_target *t, long k) {
    (void)k;
    siginfo_t info;
    kill(t->pid, SIGKILL);
    waitid(P_PID, (id_t)t->pid, &info, WEXITED | WNOWAIT); /* a zombie from now on */
    return 0;
}

static pid_t die_reaped(struct tk_target *t, long k) {
    (void)k;
    kill(t->pid, SIGKILL);
    waitpid(t->pid, NULL, 0);
    t->pid = -1;
    return 0;
}

static pid_t become_other(struct tk_target *t, long k) {
    if (k % 2)
        assert_string_equal(tk_ask(t, "exec"), "ready"); /* the same program, anew */
    else
        assert_string_equal(tk_ask(t, "exec-plain %s", tk_target_path("target_plain")), "ready");
    return 0;
}

/* Starts a process under a number that was just freed; it says "ready" on `out`. */
static pid_t start_as(pid_t wanted, int *in, int *out) {
    int from[2], to[2];
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    struct clone_args a = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&wanted, .set_tid_size = 1};
    fflush(NULL);
    pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof a);
    if (pid == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        execl(tk_target_path("target_maps"), "target_maps", "known", (char *)NULL);
        _exit(126);
    }
    close(from[1]);
    close(to[0]);
    *in = to[1];
    *out = from[0];
    return pid;
}

static pid_t replaced_under_its_number(struct tk_target *t, long k) {
    pid_t old = t->pid;
    char line[8] = "";
    die_reaped(t, k);
    close(t->in);
    close(t->out);
    pid_t pid = start_as(old, &t->in, &t->out);
    assert_int_equal(pid, old);
    assert_int_equal(read(t->out, line, 5), 5);
    assert_memory_equal(line, "ready", 5);
    return pid;
}

static void test_dies_at_every_read(void **state) {
    (void)state;
    long n = at_every_read("list", NULL, die_unreaped, 1, 3, "");
    at_every_read("show", "3.1", die_unreaped, 1 + n / 40, 3, "");
    at_every_read("heat", "3.1", die_unreaped, 1 + n / 40, 3, "");
}

static void test_is_reaped_at_every_read(void **state) {
    (void)state;
    at_every_read("list", NULL, die_reaped, 3, 3, "");
    at_every_read("top", NULL, die_reaped, 7, 3, "");
}

static void test_execs_at_every_read(void **state) {
    (void)state;
    at_every_read("list", NULL, become_other, 3, 3, "another program");
    at_every_read("show", "3.1", become_other, 5, 3, "another program");
}

static void test_pid_is_reused_at_every_read(void **state) {
    (void)state;
    int in, out;
    struct tk_target t;
    start(&t);
    pid_t old = t.pid;
    tk_kill(&t);
    pid_t pid = start_as(old, &in, &out);
    if (pid < 0) TK_SKIP("a pid cannot be chosen here: %s", strerror(errno));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(in);
    close(out);
    at_every_read("list", NULL, replaced_under_its_number, 4, 3, "");
    at_every_read("show", "3.1", replaced_under_its_number, 9, 3, "");
}

/* ---- not there from the start ------------------------------------------------------------------ */

static void refused_everywhere(const char *target, int code, const char *word) {
    static const char *const verbs[][2] = {{"list", NULL}, {"top", NULL}, {"show", "1.1"}, {"heat", "1.1"}};
    for (size_t i = 0; i < 4; i++) {
        struct tk_result r;
        TK_RUN(&r, verbs[i][0], target, verbs[i][1]);
        TK_REFUSED(&r, code, word);
        tk_result_free(&r);
    }
}

static void test_no_such_process(void **state) {
    (void)state;
    struct tk_target t;
    char gone[16];
    start(&t);
    snprintf(gone, sizeof gone, "%s", t.id);
    tk_kill(&t);
    refused_everywhere(gone, 3, gone);
    refused_everywhere("2147483647", 3, "2147483647");
    refused_everywhere("4294967297", 3, "4294967297"); /* must not wrap to process 1 */
    refused_everywhere("99999999999999999999999999", 3, "99999999999999999999999999");
    refused_everywhere("0", 3, "0");
    refused_everywhere("no process has this name", 3, "no process has this name");
}

static void test_zombie(void **state) {
    (void)state;
    struct tk_target t;
    start(&t);
    die_unreaped(&t, 0);
    refused_everywhere(t.id, 3, "exited");
    tk_kill(&t);
}

/* JSON: the same, and a document that says it too. */
static void test_gone_in_json(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "list", "2147483647", "-o", "json");
    TK_REFUSED(&r, 3, "2147483647");
    json_t *doc = tk_json_parse(&r);
    assert_int_equal(tk_number(doc, "error.code"), 3);
    assert_non_null(strstr(r.err, tk_text(doc, "error.message")));
    json_decref(doc);
    tk_result_free(&r);
}

/* ---- alive, but odd ---------------------------------------------------------------------------- */

static void test_stopped_target_is_readable(void **state) {
    (void)state;
    struct tk_target t;
    start(&t);
    kill(t.pid, SIGSTOP);
    int status;
    assert_int_equal(waitpid(t.pid, &status, WUNTRACED), t.pid);
    json_t *doc = TK_JSON("list", t.id);
    assert_int_equal(tk_number(doc, "totals.maps"), 40);
    json_decref(doc);
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/stat", t.id);
    char *stat = tk_slurp(path, NULL);
    assert_non_null(strstr(stat, ") T ")); /* still stopped: we did not wake it */
    free(stat);
    kill(t.pid, SIGCONT);
    assert_string_equal(tk_ask(&t, "check"), "ok");
    tk_kill(&t);
}

static void test_leader_has_left(void **state) {
    (void)state;
    struct tk_target t;
    start(&t);
    assert_string_equal(tk_ask(&t, "leave"), "left");
    json_t *doc = TK_JSON("list", t.id);
    assert_int_equal(tk_number(doc, "totals.maps"), 40);
    json_decref(doc);
    tk_kill(&t);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_dies_at_every_read),  cmocka_unit_test(test_is_reaped_at_every_read),
    cmocka_unit_test(test_execs_at_every_read), cmocka_unit_test(test_pid_is_reused_at_every_read),
    cmocka_unit_test(test_no_such_process),     cmocka_unit_test(test_zombie),
    cmocka_unit_test(test_gone_in_json),        cmocka_unit_test(test_stopped_target_is_readable),
    cmocka_unit_test(test_leader_has_left),
};
TK_MAIN("gone", tests)
