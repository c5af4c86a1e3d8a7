/* tests/tool/toolkit.c - see toolkit.h: processes.
 *
 * A failure anywhere is a cmocka assertion with the tool's own output beside it.  A run of the tool
 * that ends by a signal, or that a sanitizer complained about, fails at once, whatever the test
 * looked for.
 */
#include "toolkit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RUN_SECONDS = 30 };

const char *tk_tool;
static char **targets;
static char scratch[64];
extern char **environ;

uint64_t tk_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool tk_sanitized(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return false;
#endif
}

/* ---- starting ---------------------------------------------------------------------------------- */

static void cannot(const char *what) {
    dprintf(STDERR_FILENO, "cannot %s: %s\n", what, strerror(errno));
    _exit(126);
}

/* In the new process: descriptors, environment, user; then the program. */
static void become(const struct tk_how *how, const char *const *args, const int fd[3]) {
    char *argv[64];
    size_t n = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    for (int i = 0; i < 3; i++)
        if (fd[i] >= 0 && dup2(fd[i], i) < 0) cannot("dup2");
    if (how->no_stdout) close(STDOUT_FILENO);
    for (const char *const *e = how->env; e && *e; e++) putenv((char *)(uintptr_t)*e);
    if (how->cwd && chdir(how->cwd) != 0) cannot("chdir");
    if (how->preload) setenv("LD_PRELOAD", how->preload, 1);
    if (how->uid && (setgroups(0, NULL) != 0 || setgid(how->uid) != 0 || setuid(how->uid) != 0))
        cannot("become another user");
    argv[n++] = (char *)(uintptr_t)(how->program ? how->program : tk_tool);
    while (*args && n < 63) argv[n++] = (char *)(uintptr_t)*args++;
    argv[n] = NULL;
    execvp(argv[0], argv);
    cannot("execute");
}

pid_t tk_spawn(const struct tk_how *how, const char *const *args, int *out, int *err) {
    int po[2] = {-1, -1}, pe[2] = {-1, -1};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (out) assert_int_equal(pipe2(po, O_CLOEXEC), 0);
    if (err) assert_int_equal(pipe2(pe, O_CLOEXEC), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int fd[3] = {null, how->out_fd > 0 ? how->out_fd : out ? po[1] : null, err ? pe[1] : null};
        become(how, args, fd);
    }
    close(null);
    if (out) close(po[1]), *out = po[0];
    if (err) close(pe[1]), *err = pe[0];
    return pid;
}

static void take(int *fd, char **text, size_t *len) {
    char buf[65536];
    ssize_t n = read(*fd, buf, sizeof buf);
    if (n <= 0) {
        close(*fd);
        *fd = -1;
        return;
    }
    *text = realloc(*text, *len + (size_t)n + 1);
    assert_non_null(*text);
    memcpy(*text + *len, buf, (size_t)n);
    *len += (size_t)n;
    (*text)[*len] = 0;
}

void tk_run_how(struct tk_result *r, const struct tk_how *how, const char *const *args) {
    int fd[2] = {-1, -1}, status;
    struct rusage used;
    *r = (struct tk_result){.out = calloc(1, 1), .err = calloc(1, 1)};
    uint64_t start = tk_now_ns(), limit = start + (uint64_t)RUN_SECONDS * 1000000000u;
    pid_t pid = tk_spawn(how, args, how->out_fd > 0 ? NULL : &fd[0], &fd[1]);
    bool late = false;
    while (fd[0] >= 0 || fd[1] >= 0) {
        struct pollfd p[2] = {{.fd = fd[0], .events = POLLIN}, {.fd = fd[1], .events = POLLIN}};
        int n = poll(p, 2, 200);
        if (tk_now_ns() > limit && !late) kill(pid, SIGKILL), late = true;
        if (n <= 0) continue;
        if (p[0].revents) take(&fd[0], &r->out, &r->out_len);
        if (p[1].revents) take(&fd[1], &r->err, &r->err_len);
    }
    assert_int_equal(wait4(pid, &status, 0, &used), pid);
    r->ns = tk_now_ns() - start;
    r->peak_kib = used.ru_maxrss;
    r->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    bool bad = late || r->code >= 126 || strstr(r->err, "Sanitizer") || strstr(r->err, "runtime error:");
    if (bad && !how->unchecked) {
        print_error("%s ended with %d after %.3f s%s, stderr:\n%s\n", args[0], r->code, (double)r->ns / 1e9,
                    late ? " (killed: it hung)" : "", r->err);
        fail();
    }
}

void tk_result_free(struct tk_result *r) {
    free(r->out);
    free(r->err);
    *r = (struct tk_result){0};
}

/* ---- targets ----------------------------------------------------------------------------------- */

const char *tk_target_path(const char *name) {
    for (char **t = targets; t && *t; t++) {
        const char *slash = strrchr(*t, '/');
        if (strcmp(slash ? slash + 1 : *t, name) == 0) return *t;
    }
    return NULL;
}

const char *tk_hear(struct tk_target *t) {
    size_t n = 0;
    while (n < sizeof t->line - 1) {
        struct pollfd p = {.fd = t->out, .events = POLLIN};
        char c;
        if (poll(&p, 1, RUN_SECONDS * 1000) != 1) {
            print_error("the target says nothing for %d s\n", RUN_SECONDS);
            fail();
        }
        if (read(t->out, &c, 1) != 1 || c == '\n') break;
        t->line[n++] = c;
    }
    t->line[n] = 0;
    return t->line;
}

const char *tk_ask(struct tk_target *t, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vdprintf(t->in, fmt, ap);
    va_end(ap);
    assert_int_equal(write(t->in, "\n", 1), 1);
    return tk_hear(t);
}

bool tk_start_flags(struct tk_target *t, uint64_t flags, void (*before)(void), const char *const *argv) {
    int in[2], out[2];
    *t = (struct tk_target){.pid = -1, .in = -1, .out = -1};
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    fflush(NULL);
    /* The namespace flags need clone; without them fork, which knows the sanitizers. */
    t->pid = flags ? (pid_t)syscall(SYS_clone, SIGCHLD | flags, NULL, NULL, NULL, NULL) : fork();
    if (t->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_DFL);
        dup2(in[0], 0);
        dup2(out[1], 1);
        if (before) before();
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        cannot(argv[0]);
    }
    close(in[0]);
    close(out[1]);
    t->in = in[1];
    t->out = out[0];
    if (t->pid < 0) {
        tk_kill(t);
        return false;
    }
    snprintf(t->id, sizeof t->id, "%d", (int)t->pid);
    if (strcmp(tk_hear(t), "ready") != 0) {
        print_error("%s said '%s', not ready\n", argv[0], t->line);
        fail();
    }
    return true;
}

void tk_kill(struct tk_target *t) {
    if (t->pid > 0) {
        kill(t->pid, SIGKILL);
        waitpid(t->pid, NULL, 0);
    }
    if (t->in >= 0) close(t->in);
    if (t->out >= 0) close(t->out);
    *t = (struct tk_target){.pid = -1, .in = -1, .out = -1};
}

/* ---- the driver -------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

const char *tk_scratch(void) {
    if (!scratch[0]) {
        snprintf(scratch, sizeof scratch, "/tmp/mapscope-test-XXXXXX");
        assert_non_null(mkdtemp(scratch));
    }
    return scratch;
}

int tk_main(int argc, char **argv, const char *name, const struct CMUnitTest *tests, size_t n) {
    if (argc < 2) {
        fprintf(stderr, "usage: %s MAPSCOPE TARGET...\n", argv[0]);
        return 2;
    }
    if (argc > 2 && strcmp(argv[argc - 2], "--only") == 0) {
        cmocka_set_test_filter(argv[argc - 1]);
        argv[argc - 2] = NULL;
    }
    /* absolute: the tool is run in other folders too */
    for (int i = 1; i < argc && argv[i]; i++)
        if (!(argv[i] = realpath(argv[i], NULL))) {
            fprintf(stderr, "no such file: argument %d\n", i);
            return 2;
        }
    tk_tool = argv[1];
    targets = argv + 2;
    signal(SIGPIPE, SIG_IGN);
    setenv("LC_ALL", "C.UTF-8", 1);
    unsetenv("NO_COLOR");
    unsetenv("GOMAP_CONF");
    int failed = _cmocka_run_group_tests(name, tests, n, NULL, NULL);
    if (scratch[0]) nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return failed == 0 && n > 0 ? 0 : 1;
}
