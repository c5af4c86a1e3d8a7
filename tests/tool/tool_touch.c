/* tool_touch.c - the tool reads and never touches.
 *
 * Killed at random moments it leaves a target that does its work and is in every respect as before;
 * its system calls are watched from outside; and what its own seccomp filter must refuse is tried
 * from inside it.
 */
#include "toolkit.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- what can be seen of a process from outside ------------------------------------------------ */

struct state {
    long tracer, threads;
    char masks[512], *maps;
    int fds;
};

static int count_fds(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    assert_non_null(d);
    int n = 0;
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

/* Signal masks and what is blocked, pending, caught.  Not SigQ, which counts the signals of all processes of the user. */
static void signal_lines(const char *status, char *out, size_t len) {
    *out = 0;
    for (const char *l = status; l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : NULL)
        if ((strncmp(l, "Sig", 3) == 0 && strncmp(l, "SigQ", 4) != 0) || strncmp(l, "Shd", 3) == 0) {
            size_t n = strlen(out);
            snprintf(out + n, len - n, "%.*s;", (int)strcspn(l, "\n"), l);
        }
}

static struct state look(pid_t pid) {
    struct state s = {.tracer = tk_status_field(pid, "TracerPid"),
                      .threads = tk_status_field(pid, "Threads")};
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    char *status = tk_slurp(path, NULL);
    signal_lines(status, s.masks, sizeof s.masks);
    free(status);
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    s.maps = tk_slurp(path, NULL);
    s.fds = count_fds(pid);
    return s;
}

static void same(const struct state *a, const struct state *b) {
    assert_int_equal(b->tracer, 0);
    assert_int_equal(a->threads, b->threads);
    assert_int_equal(a->fds, b->fds);
    assert_string_equal(a->masks, b->masks);
    assert_string_equal(a->maps, b->maps);
}

static void test_leaves_nothing_behind(void **state) {
    (void)state;
    struct tk_target t;
    struct tk_result r;
    static const char *const runs[][4] = {
        {"list"}, {"list", "--resident"}, {"top", "--once"}, {"show", "map22"}, {"heat", "map22"}};
    char *dir = tk_path_in(tk_scratch(), "empty");
    assert_int_equal(mkdir(dir, 0755), 0);
    TK_START(&t, tk_target_path("target_maps"), "known");
    struct state before = look(t.pid);
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        TK_RUN_HOW(&r, (&(struct tk_how){.cwd = dir}), runs[i][0], t.id, runs[i][1]);
        TK_CODE(&r, 0);
        tk_result_free(&r);
    }
    struct state after = look(t.pid);
    same(&before, &after);
    assert_int_equal(rmdir(dir), 0); /* empty still */
    assert_string_equal(tk_ask(&t, "check"), "ok");
    assert_int_equal(waitpid(-1, NULL, WNOHANG),
                     0); /* the target is the only child: the tool left none to us */
    free(before.maps);
    free(after.maps);
    free(dir);
    tk_kill(&t);
}

/* ---- killed at random moments ------------------------------------------------------------------ */

static uint64_t seed;
static uint64_t random_below(uint64_t n) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (seed >> 33) % n;
}

static const char *const killed_runs[][4] = {{"list"},
                                             {"list", "--resident"},
                                             {"show", "race 20000 400000"},
                                             {"heat", "race 1000 60000"},
                                             {"top", "--once"}};
enum { KILLED_RUNS = sizeof killed_runs / sizeof *killed_runs };

static uint64_t usual_ns(const struct tk_target *t, size_t run) {
    uint64_t most = 0;
    for (int i = 0; i < 3; i++) {
        struct tk_result r;
        TK_RUN(&r, killed_runs[run][0], t->id, killed_runs[run][1]);
        assert_true(r.code == 0 || r.code == 4);
        if (r.ns > most) most = r.ns;
        tk_result_free(&r);
    }
    return most;
}

/* Starts a run and kills it after a while; false: it had ended before. */
static bool kill_one(const struct tk_target *t, size_t run, uint64_t after) {
    const char *args[] = {killed_runs[run][0], t->id, killed_runs[run][1], NULL};
    pid_t pid = tk_spawn(&(struct tk_how){0}, args, NULL, NULL);
    struct timespec moment = {.tv_sec = (time_t)(after / 1000000000), .tv_nsec = (long)(after % 1000000000)};
    int status;
    nanosleep(&moment, NULL); /* the moment is what is tested: it is drawn, not waited for */
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status);
}

static void test_killed_at_random_moments(void **state) {
    (void)state;
    struct tk_target t;
    uint64_t usual[KILLED_RUNS];
    const char *replay = getenv("GOMAP_TEST_SEED"), *longer = getenv("GOMAP_TEST_LONG");
    int kills = longer && *longer && strcmp(longer, "0") ? 10000 : 200, hit = 0, tried = 0;
    seed = replay ? strtoull(replay, NULL, 0) : tk_now_ns();
    print_message("# seed %llu: GOMAP_TEST_SEED replays\n", (unsigned long long)seed);
    TK_START(&t, tk_target_path("target_racing"));
    for (size_t i = 0; i < KILLED_RUNS; i++) usual[i] = usual_ns(&t, i);
    unsigned long long ops = strtoull(tk_ask(&t, "ops"), NULL, 10);
    for (; hit < kills && tried < 20 * kills; tried++) {
        size_t run = (size_t)tried % KILLED_RUNS;
        bool was_hit = kill_one(&t, run, random_below(usual[run]));
        hit += was_hit;
        /* As busy as the machine is now: half of the runs should be hit, anywhere between start and end. */
        usual[run] += was_hit ? usual[run] / 16 : 0;
        usual[run] -= was_hit ? 0 : usual[run] / 16;
    }
    print_message("# %d of %d runs were hit before their end\n", hit, tried);
    assert_int_equal(hit, kills);
    assert_int_equal(tk_status_field(t.pid, "TracerPid"), 0);
    assert_int_equal(tk_status_field(t.pid, "Threads"), 6);
    assert_true(strtoull(tk_ask(&t, "ops"), NULL, 10) > ops); /* it worked on meanwhile */
    const char *verdict = tk_ask(&t, "stop");
    if (strncmp(verdict, "ok ", 3) != 0) print_error("the target: %s\n", verdict);
    assert_memory_equal(verdict, "ok ", 3);
    tk_kill(&t);
}

/* ---- its system calls -------------------------------------------------------------------------- */

static const char *const never[] = {"ptrace(",
                                    "process_vm_writev(",
                                    "pidfd_send_signal(",
                                    "rt_sigqueueinfo(",
                                    "rt_tgsigqueueinfo(",
                                    "bpf(",
                                    "perf_event_open(",
                                    "socket(",
                                    "tkill(",
                                    "process_madvise(",
                                    "prlimit64(-",
                                    "kcmp("};

/* One line of strace: is it harmless?  Counts opens of mem. */
static bool harmless(const char *line, int *mem, bool *closed) {
    const char *call = line;
    while (*call == ' ' || (*call >= '0' && *call <= '9')) call++;
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (strncmp(call, never[i], strlen(never[i])) == 0) return false;
    if (strncmp(call, "kill(", 5) == 0 || strncmp(call, "tgkill(", 7) == 0) return false;
    if (strncmp(call, "seccomp(SECCOMP_SET_MODE_FILTER", 31) == 0 && strstr(call, "= 0")) *closed = true;
    if (strncmp(call, "open", 4) != 0) return true;
    if (strstr(call, "\"mem\"") || strstr(call, "/mem\"")) {
        ++*mem;
        return strstr(call, "O_RDONLY") != NULL && *closed;
    }
    return !*closed || (!strstr(call, "O_WRONLY") && !strstr(call, "O_RDWR") && !strstr(call, "O_CREAT"));
}

static void test_system_calls(void **state) {
    (void)state;
    struct tk_target t;
    struct tk_result r;
    static const char *const runs[][4] = {
        {"list", "--resident"}, {"show", "map22"}, {"heat", "map22"}, {"top", "--once"}};
    TK_RUN_HOW(&r, (&(struct tk_how){.program = "sh", .unchecked = true}), "-c",
               "strace -f -o /dev/null true");
    bool works = r.code == 0;
    tk_result_free(&r);
    if (!works) TK_SKIP("strace is not installed, or may not trace here");
    TK_START(&t, tk_target_path("target_maps"), "known");
    char *log = tk_path_in(tk_scratch(), "strace.log");
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        TK_RUN_HOW(&r, (&(struct tk_how){.program = "strace"}), "-f", "-o", log, tk_tool, runs[i][0], t.id,
                   runs[i][1]);
        TK_CODE(&r, 0);
        tk_result_free(&r);
        char *text = tk_slurp(log, NULL), *save = NULL;
        int mem = 0, lines = 0;
        bool closed = false;
        for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save), lines++)
            if (!harmless(l, &mem, &closed)) {
                print_error("mapscope %s did: %s\n", runs[i][0], l);
                fail();
            }
        assert_true(closed && mem >= 1 && lines > 50); /* the filter stands before the first look */
        free(text);
    }
    free(log);
    tk_kill(&t);
}

/* The shim tries, inside the tool, what the filter must refuse. */
static void test_filter_refuses(void **state) {
    (void)state;
    struct tk_target t;
    struct tk_result r;
    char victim[32];
    TK_START(&t, tk_target_path("target_maps"), "many", "3");
    snprintf(victim, sizeof victim, "TK_ATTACK=%s", t.id);
    struct tk_how how = {.preload = tk_target_path("libshim_pread.so"),
                         .env = (const char *const[]){victim, NULL}};
    TK_RUN_HOW(&r, &how, "list", t.id);
    TK_CODE(&r, 0);
    int refused = 0;
    char *save = NULL;
    for (char *l = strtok_r(r.err, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
        size_t n = strlen(l);
        if (n < 9 || strcmp(l + n - 9, ": refused") != 0) {
            print_error("the filter: %s\n", l);
            fail();
        }
        refused++;
    }
    assert_int_equal(refused, 15);
    assert_int_equal(access("/tmp/mapscope-test-shim", F_OK), -1);
    assert_string_equal(tk_ask(&t, "check"), "ok");
    tk_result_free(&r);
    tk_kill(&t);
}

/* The filter is on while it reads (mode 2), and no new rights can be gained. */
static void test_filter_is_on(void **state) {
    (void)state;
    struct tk_target t;
    int status;
    TK_START(&t, tk_target_path("target_maps"), "many", "3");
    const char *args[] = {"list", t.id, NULL};
    struct tk_how how = {.preload = tk_target_path("libshim_pread.so"),
                         .env = (const char *const[]){"TK_STOP_AT=1", NULL}};
    pid_t pid = tk_spawn(&how, args, NULL, NULL);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(tk_status_field(pid, "Seccomp"), 2);
    assert_int_equal(tk_status_field(pid, "NoNewPrivs"), 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    tk_kill(&t);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_leaves_nothing_behind), cmocka_unit_test(test_killed_at_random_moments),
    cmocka_unit_test(test_system_calls),          cmocka_unit_test(test_filter_refuses),
    cmocka_unit_test(test_filter_is_on),
};
TK_MAIN("touch", tests)
