/* tool_held.c - --stop and --snapshot: all maps of one moment, and a target that is none the worse.
 *
 * Targets write as fast as they can.  What is asked of a look: every map exact, none of a different moment; of the
 * target afterwards: no tracer, no child, the same threads, masks, files and mappings, and work that checks out.
 * That must hold when the tool is killed at any moment, and when the process that holds the target is, before each
 * call of ptrace.
 *
 * With the Go program of tests/go/racing the second target is real Go, and totals are of pairs that carry entries
 * to and fro: their sum is right in one moment only.
 */
#include "toolkit.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const modes[] = {"--stop", "--snapshot"};
enum { MODES = 2, PAIRS = 2, ENTRIES = 20000 };

static const char *go_program(void) { return tk_target_path("racing"); }

static void start(struct tk_target *t) {
    if (go_program())
        TK_START(t, go_program(), "2", "20000", "10");
    else
        TK_START(t, tk_target_path("target_racing"));
}

/* ---- the target afterwards ---------------------------------------------------------------------- */

/* Processes that are children of pid; `living`: but for those that only wait to be collected. */
static int children(pid_t pid, bool living) {
    DIR *d = opendir("/proc");
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[300];
        int parent;
        char state;
        if (atol(e->d_name) <= 0) continue;
        snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
        char *stat = tk_slurp(path, NULL), *behind = stat ? strrchr(stat, ')') : NULL;
        if (behind && sscanf(behind + 1, " %c %d", &state, &parent) == 2 && parent == pid)
            n += !living || state != 'Z';
        free(stat);
    }
    closedir(d);
    return n;
}

static void wait_a_little(int i) {
    assert_in_range(i, 0, 5000);
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* What holds it may outlive the tool for a moment: it lets the target go. */
static void free_again(pid_t pid, bool but_for_the_dead) {
    for (int i = 0; tk_status_field(pid, "TracerPid") != 0; i++) wait_a_little(i);
    for (int i = 0; children(pid, but_for_the_dead) != 0; i++) wait_a_little(i);
}

static uint64_t ops(struct tk_target *t) { return strtoull(tk_ask(t, "ops"), NULL, 10); }

static void works_on(struct tk_target *t, uint64_t since) {
    for (int i = 0; ops(t) == since; i++) wait_a_little(i);
}

static void is_well(struct tk_target *t) {
    const char *verdict = tk_ask(t, "stop");
    if (strncmp(verdict, "ok", 2) != 0) print_error("the target: %s\n", verdict);
    assert_memory_equal(verdict, "ok", 2);
}

/* ---- exact ------------------------------------------------------------------------------------- */

/* Entries of all maps that lie in pairs, of a Go program; 0 elsewhere. */
static uint64_t of_pairs(const json_t *doc) {
    size_t i;
    json_t *m;
    uint64_t sum = 0;
    json_array_foreach(tk_at(doc, "maps"), i, m) {
        const char *type = json_string_value(json_object_get(m, "type"));
        if (strcmp(tk_text(m, "certainty"), "exact") != 0) {
            print_error("%s is %s: %s\n", tk_text(m, "id"), tk_text(m, "certainty"), tk_text(m, "doubt"));
            fail();
        }
        if (type && strcmp(type, "map[uint64]uint64") == 0) sum += tk_number(m, "entries");
    }
    return sum;
}

static void within_bounds(const json_t *doc) {
    size_t i;
    json_t *m;
    json_array_foreach(tk_at(doc, "maps"), i, m) {
        uint64_t low, high;
        const char *name = json_string_value(json_object_get(m, "name"));
        if (name && sscanf(name, "race %" SCNu64 " %" SCNu64, &low, &high) == 2)
            assert_in_range(tk_number(m, "entries"), low, high);
    }
}

static void test_all_maps_of_one_moment(void **state) {
    (void)state;
    struct tk_target t;
    start(&t);
    for (int i = 0; i < 30; i++) {
        const char *mode = modes[i % MODES];
        json_t *doc = TK_JSON("list", t.id, mode);
        assert_string_equal(tk_text(doc, "target.mode"), mode + 2);
        assert_in_range(tk_number(doc, "target.pause_ns"), 1000, UINT64_C(2000000000));
        uint64_t sum = of_pairs(doc);
        within_bounds(doc);
        /* an entry on its way is in both maps of its pair */
        if (go_program()) assert_in_range(sum, PAIRS * ENTRIES, PAIRS * ENTRIES + PAIRS);
        json_decref(doc);
        free_again(t.pid, false);
    }
    is_well(&t);
    tk_kill(&t);
}

static void test_one_map(void **state) {
    (void)state;
    struct tk_target t;
    start(&t);
    const char *map = go_program() ? "main.pairs[0].left" : "race 20000 400000";
    for (int i = 0; i < 8; i++) {
        struct tk_result r;
        const char *mode = modes[i % MODES];
        TK_RUN(&r, "show", t.id, map, mode);
        TK_CODE(&r, 0);
        assert_non_null(strstr(r.out, i % MODES ? "read from a copy" : "stopped for"));
        assert_non_null(strstr(r.out, "certainty exact"));
        tk_result_free(&r);
        TK_RUN(&r, "heat", t.id, map, mode);
        TK_CODE(&r, 0);
        assert_non_null(strstr(r.out, i % MODES ? "read from a copy" : "stopped for"));
        tk_result_free(&r);
    }
    free_again(t.pid, false);
    is_well(&t);
    tk_kill(&t);
}

/* ---- nothing left behind ------------------------------------------------------------------------ */

static char *state_of(pid_t pid) {
    char path[64], *out;
    static const char *const fields[] = {"Threads", "SigBlk", "SigIgn", "SigCgt", "ShdPnd", "FDSize"};
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);
    assert_non_null(f);
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    char *status = tk_slurp(path, NULL);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const char *at = strstr(status, fields[i]);
        assert_non_null(at);
        fprintf(f, "%.*s\n", (int)strcspn(at, "\n"), at);
    }
    free(status);
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    char *maps = tk_slurp(path, NULL);
    fputs(maps, f);
    free(maps);
    fclose(f);
    return out;
}

static void test_leaves_nothing_behind(void **state) {
    (void)state;
    struct tk_target t;
    TK_START(&t, tk_target_path("target_maps"), "known");
    char *before = state_of(t.pid);
    for (int i = 0; i < 10; i++) {
        json_t *doc = TK_JSON("list", t.id, modes[i % MODES]);
        json_decref(doc);
        free_again(t.pid, false);
    }
    char *after = state_of(t.pid);
    assert_string_equal(before, after);
    assert_string_equal(tk_ask(&t, "check"), "ok");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), 0);
    free(before);
    free(after);
    tk_kill(&t);
}

/* ---- killed ------------------------------------------------------------------------------------ */

static uint64_t seed;
static uint64_t random_below(uint64_t n) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (seed >> 33) % n;
}

static bool kill_one(const struct tk_target *t, const char *mode, uint64_t after) {
    const char *args[] = {"list", t->id, mode, NULL};
    pid_t pid = tk_spawn(&(struct tk_how){0}, args, NULL, NULL);
    struct timespec moment = {.tv_sec = (time_t)(after / 1000000000), .tv_nsec = (long)(after % 1000000000)};
    int status;
    nanosleep(&moment, NULL); /* the moment is what is tested: it is drawn, not waited for */
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status);
}

static void test_tool_killed_at_random_moments(void **state) {
    (void)state;
    struct tk_target t;
    const char *replay = getenv("GOMAP_TEST_SEED"), *longer = getenv("GOMAP_TEST_LONG");
    int kills = longer && *longer && strcmp(longer, "0") ? 4000 : 100, hit = 0, tried = 0;
#ifdef __SANITIZE_ADDRESS__
    kills /= 5; /* a sanitized tool takes ten times as long */
#endif
    uint64_t usual[MODES];
    seed = replay ? strtoull(replay, NULL, 0) : tk_now_ns();
    print_message("# seed %llu: GOMAP_TEST_SEED replays\n", (unsigned long long)seed);
    start(&t);
    for (int m = 0; m < MODES; m++) {
        struct tk_result r;
        TK_RUN(&r, "list", t.id, modes[m]);
        TK_CODE(&r, 0);
        usual[m] = r.ns;
        tk_result_free(&r);
    }
    for (; hit < kills && tried < 20 * kills; tried++) {
        int m = tried % MODES;
        bool was_hit = kill_one(&t, modes[m], random_below(usual[m]));
        hit += was_hit;
        usual[m] += was_hit ? usual[m] / 16 : 0;
        usual[m] -= was_hit ? 0 : usual[m] / 16;
        free_again(t.pid, false);
    }
    print_message("# %d of %d runs were hit before their end\n", hit, tried);
    assert_int_equal(hit, kills);
    works_on(&t, ops(&t));
    is_well(&t);
    tk_kill(&t);
}

/* Stops the tool while it holds the target, if it is quick enough; -1: it was not. */
static pid_t stop_the_holder(const struct tk_target *t) {
    const char *args[] = {"list", t->id, "--stop", NULL};
    pid_t pid = tk_spawn(&(struct tk_how){0}, args, NULL, NULL);
    int status = 0;
    bool ended = false;
    while (!ended && tk_status_field(t->pid, "TracerPid") == 0) ended = waitpid(pid, &status, WNOHANG) == pid;
    if (ended) return -1;
    kill(pid, SIGSTOP);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL); /* if it was let go already, that is done now */
    if (WIFSTOPPED(status) && tk_status_field(t->pid, "TracerPid") != 0) return pid;
    kill(pid, SIGKILL);
    if (WIFSTOPPED(status)) waitpid(pid, &status, 0);
    return -1;
}

static void test_patience_has_an_end(void **state) {
    (void)state;
    struct tk_target t;
    pid_t pid = -1;
    int status;
    start(&t);
    uint64_t done = ops(&t);
    for (int i = 0; i < 200 && pid < 0; i++) pid = stop_the_holder(&t);
    assert_int_not_equal(pid, -1);
    uint64_t since = tk_now_ns();
    free_again(t.pid, false); /* it runs, though nobody asked for it */
    assert_in_range(tk_now_ns() - since, UINT64_C(1000000000), UINT64_C(5000000000));
    works_on(&t, done);
    kill(pid, SIGCONT);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 4); /* and the tool knows that it read on too long */
    is_well(&t);
    tk_kill(&t);
}

/* In a Go program every moment is harmless, as threads that wait for a futex are borrowed.  In C programs such a wait may
 * not take a result that no kernel gives: there the calls between are spared. */
static void test_holder_killed_before_each_call(void **state) {
    (void)state;
    struct tk_target t;
    int killed[MODES] = {0};
    start(&t);
    for (int m = 0; m < MODES; m++)
        for (int n = 1;; n++) {
            char at[32];
            struct tk_result r;
            snprintf(at, sizeof at, "TK_KILL_PTRACE=%d", n);
            struct tk_how how = {
                .preload = tk_target_path("libshim_ptrace.so"),
                .env = (const char *const[]){at, go_program() ? NULL : "TK_KILL_SPARE=1", NULL}};
            uint64_t done = ops(&t);
            TK_RUN_HOW(&r, &how, "list", t.id, modes[m]);
            int code = r.code;
            if (code != 0) TK_REFUSED(&r, 6, "the process that holds the target ended");
            tk_result_free(&r);
            free_again(t.pid, true); /* a go-between may not have been collected */
            works_on(&t, done);
            if (code == 0) break;
            killed[m]++;
        }
    print_message("# killed before %d calls of --stop and %d of --snapshot\n", killed[0], killed[1]);
    assert_in_range(killed[0], 10, 10000);
    assert_in_range(killed[1], killed[0] + 3, 10000);
    is_well(&t);
    tk_kill(&t);
}

/* ---- refused ----------------------------------------------------------------------------------- */

static void filter_itself(void) {
    struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {1, all};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
        _exit(99);
}

static void test_refusals(void **state) {
    (void)state;
    struct tk_target t;
    struct tk_result r;
    TK_START(&t, tk_target_path("target_maps"), "known");
    TK_RUN(&r, "list", t.id, "--stop", "--snapshot");
    TK_REFUSED(&r, 2, "give one");
    TK_RUN(&r, "top", t.id, "--stop");
    TK_REFUSED(&r, 2, "--stop");
    tk_result_free(&r);
    /* somebody else traces it */
    assert_int_equal(ptrace(PTRACE_SEIZE, t.pid, NULL, NULL), 0);
    for (int m = 0; m < MODES; m++) {
        TK_RUN(&r, "list", t.id, modes[m]);
        TK_REFUSED(&r, 5, "is traced by process");
        tk_result_free(&r);
    }
    tk_kill(&t);
    /* a system call that its filter may punish is not made in it; stopping it is no system call */
    static const char *filtered[3];
    filtered[0] = tk_target_path("target_maps");
    filtered[1] = "known";
    assert_true(tk_start_flags(&t, 0, filter_itself, filtered));
    TK_RUN(&r, "list", t.id, "--snapshot");
    TK_REFUSED(&r, 5, "seccomp filter", "--stop");
    tk_result_free(&r);
    json_decref(TK_JSON("list", t.id, "--stop"));
    free_again(t.pid, false);
    assert_string_equal(tk_ask(&t, "check"), "ok");
    tk_kill(&t);
}

/* In a pid namespace of its own it knows its children by other numbers, and is the one that has to collect the copy. */
static void test_first_of_a_pid_namespace(void **state) {
    (void)state;
    struct tk_target t;
    const char *args[3] = {tk_target_path("target_maps"), "known", NULL};
    if (!tk_start_flags(&t, CLONE_NEWPID, NULL, args)) TK_SKIP("pid namespaces are not allowed here");
    for (int i = 0; i < 6; i++) {
        json_t *doc = TK_JSON("list", t.id, modes[i % MODES]);
        assert_string_equal(tk_text(doc, "target.mode"), modes[i % MODES] + 2);
        json_decref(doc);
        free_again(t.pid, false);
    }
    assert_string_equal(tk_ask(&t, "check"), "ok");
    tk_kill(&t);
}

/* A process that job control has stopped is read, and is stopped afterwards. */
static void test_a_stopped_process_stays_so(void **state) {
    (void)state;
    struct tk_target t;
    int status;
    TK_START(&t, tk_target_path("target_maps"), "known");
    assert_int_equal(kill(t.pid, SIGSTOP), 0);
    assert_int_equal(waitpid(t.pid, &status, WUNTRACED), t.pid);
    for (int m = 0; m < MODES; m++) {
        json_decref(TK_JSON("list", t.id, modes[m]));
        free_again(t.pid, false);
        char path[64], *text;
        snprintf(path, sizeof path, "/proc/%d/status", (int)t.pid);
        text = tk_slurp(path, NULL);
        assert_non_null(strstr(text, "State:\tT (stopped)"));
        free(text);
    }
    assert_int_equal(kill(t.pid, SIGCONT), 0);
    assert_string_equal(tk_ask(&t, "check"), "ok");
    tk_kill(&t);
}

enum { FOR_ALL = 5 };
static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_all_maps_of_one_moment),
    cmocka_unit_test(test_one_map),
    cmocka_unit_test(test_patience_has_an_end),
    cmocka_unit_test(test_tool_killed_at_random_moments),
    cmocka_unit_test(test_holder_killed_before_each_call),
    cmocka_unit_test(test_leaves_nothing_behind),
    cmocka_unit_test(test_refusals),
    cmocka_unit_test(test_first_of_a_pid_namespace),
    cmocka_unit_test(test_a_stopped_process_stays_so),
};

/* With a Go program: those that are about what only it does. */
int main(int argc, char **argv) {
    bool go = false;
    for (int i = 1; i < argc; i++)
        go = go || strcmp(strrchr(argv[i], '/') ? strrchr(argv[i], '/') : "", "/racing") == 0;
    return tk_main(argc, argv, "held", tests, go ? FOR_ALL : sizeof tests / sizeof *tests);
}
