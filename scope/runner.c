/* runner.c - see runner.h.
 *
 * Both sides speak in packets.  The runner waits for packets and for its child at once; it ends when mapscope does, which
 * it learns from the socket.  Signals of the terminal reach the program by themselves, as it is in the same process
 * group; the runner ignores them.
 */
#include "runner.h"

#include "beside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum order { RUN, SIGNAL, GO_ON };
enum { ENV_BYTES = 8192 };

struct request {
    enum order order;
    int signal;
    bool hold;
    uint32_t env_bytes;
    char env[ENV_BYTES]; /* texts, one after the other, each with its NUL */
};
struct answer {
    enum { STARTED, EXITS, ENDED } what;
    int value; /* pid, or -errno; wait status */
    bool held;
};

/* ---- the runner -------------------------------------------------------------------------------- */

struct runner {
    int fd, child_fd; /* child_fd: says that the child changed */
    char **argv;
    pid_t child; /* 0: none */
    bool held, at_exit;
};

static void become(struct runner *r, const struct request *q, const sigset_t *mask, int gate, int failed) {
    char byte;
    for (uint32_t at = 0; at < q->env_bytes; at += (uint32_t)strlen(q->env + at) + 1)
        putenv((char *)(uintptr_t)(q->env + at));
    while (read(gate, &byte, 1) < 0 && errno == EINTR) {} /* until the runner holds us */
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(r->argv[0], r->argv);
    int why = errno;
    (void)!write(failed, &why, sizeof why);
    _exit(127);
}

static bool say(struct runner *r, struct answer a) {
    return send(r->fd, &a, sizeof a, MSG_NOSIGNAL) == sizeof a;
}

static bool run(struct runner *r, const struct request *q, const sigset_t *mask) {
    int gate[2], failed[2], why = 0;
    if (pipe2(gate, O_CLOEXEC) || pipe2(failed, O_CLOEXEC))
        return say(r, (struct answer){STARTED, -errno, false});
    r->child = fork();
    if (r->child == 0) {
        close(gate[1]);
        become(r, q, mask, gate[0], failed[1]);
    }
    close(gate[0]);
    close(failed[1]);
    if (r->child < 0) why = errno, r->child = 0;
    r->held = r->child && q->hold && ptrace(PTRACE_SEIZE, r->child, 0, PTRACE_O_TRACEEXIT) == 0;
    close(gate[1]);
    if (r->child && read(failed[0], &why, sizeof why) != sizeof why) why = 0;
    close(failed[0]);
    return say(r, (struct answer){STARTED, why ? -why : (int)r->child, r->held});
}

/* The child changed: false if nobody listens any more. */
static bool attend(struct runner *r) {
    for (int status; r->child > 0;) {
        pid_t pid = waitpid(r->child, &status, WNOHANG | __WALL);
        if (pid != r->child) return true;
        if (!WIFSTOPPED(status)) {
            r->child = 0;
            r->at_exit = false;
            return say(r, (struct answer){ENDED, status, false});
        }
        int event = status >> 16, signal = WSTOPSIG(status);
        if (event == PTRACE_EVENT_EXIT) {
            r->at_exit = true;
            if (!say(r, (struct answer){EXITS, 0, false})) return false;
        } else if (event == PTRACE_EVENT_STOP) {
            bool stays = signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
            ptrace(stays ? PTRACE_LISTEN : PTRACE_CONT, r->child, 0, 0);
        } else {
            ptrace(PTRACE_CONT, r->child, 0, (void *)(intptr_t)(event ? 0 : signal));
        }
    }
    return true;
}

static bool obey(struct runner *r, const struct request *q, const sigset_t *mask) {
    if (q->order == RUN) return run(r, q, mask);
    if (q->order == SIGNAL && r->child > 0) kill(r->child, q->signal);
    if (q->order == GO_ON && r->at_exit) {
        r->at_exit = false;
        ptrace(PTRACE_CONT, r->child, 0, 0);
    }
    return true;
}

static void serve(int fd, char **argv) {
    struct runner r = {.fd = fd, .argv = argv};
    struct request *q = ms_alloc(sizeof *q);
    sigset_t quiet, mask, child;
    sigfillset(&quiet);
    sigprocmask(SIG_SETMASK, &quiet, &mask);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    r.child_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    for (bool on = r.child_fd >= 0; on;) {
        struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = r.child_fd, .events = POLLIN}};
        struct signalfd_siginfo info;
        if (poll(p, 2, -1) < 0) continue;
        while (read(r.child_fd, &info, sizeof info) == sizeof info) {}
        on = attend(&r);
        if (on && p[0].revents) on = recv(fd, q, sizeof *q, 0) == sizeof *q && obey(&r, q, &mask);
    }
    if (r.child > 0) kill(r.child, SIGTERM); /* and goes on to its end without us */
    _exit(0);
}

/* ---- mapscope ---------------------------------------------------------------------------------- */

int ms_runner_start(struct ms_runner *r, char **argv, struct ms_error *err) {
    r->pid = ms_fork_beside(SOCK_SEQPACKET, "runs commands", &r->fd, err);
    if (r->pid == 0) serve(r->fd, argv);
    return r->pid < 0 ? MS_INTERNAL : MS_OK;
}

static int ask(struct ms_runner *r, const struct request *q, struct ms_error *err) {
    if (send(r->fd, q, sizeof *q, MSG_NOSIGNAL) == (ssize_t)sizeof *q) return MS_OK;
    return ms_fail(err, MS_INTERNAL, "the process that runs commands ended");
}

static int hear(struct ms_runner *r, struct answer *a, struct ms_error *err) {
    ssize_t n;
    do {
        n = recv(r->fd, a, sizeof *a, 0);
    } while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof *a) return MS_OK;
    return ms_fail(err, MS_INTERNAL, "the process that runs commands ended");
}

int ms_runner_run(struct ms_runner *r, const char *const *env, bool hold, int *pid, bool *held,
                  struct ms_error *err) {
    struct request *q = ms_alloc(sizeof *q);
    struct answer a = {STARTED, 0, false};
    *q = (struct request){.order = RUN, .hold = hold};
    for (; env && *env; env++) {
        size_t len = strlen(*env) + 1;
        if (q->env_bytes + len > ENV_BYTES)
            continue; /* names of the target are that long only if they are hostile */
        memcpy(q->env + q->env_bytes, *env, len);
        q->env_bytes += (uint32_t)len;
    }
    int status = ask(r, q, err);
    free(q);
    if (status == MS_OK) status = hear(r, &a, err);
    if (status) return status;
    if (a.value < 0) return ms_fail(err, MS_USAGE, "the command cannot be run: %s", strerror(-a.value));
    *pid = a.value;
    *held = a.held;
    return MS_OK;
}

int ms_runner_wait(struct ms_runner *r, int other, uint64_t timeout_ns, enum ms_ran *ran, int *status,
                   struct ms_error *err) {
    struct pollfd p[2] = {{.fd = r->fd, .events = POLLIN}, {.fd = other, .events = POLLIN}};
    struct answer a;
    uint64_t ms = timeout_ns / 1000000;
    *ran = MS_RAN_ON;
    if (poll(p, 2, ms < INT32_MAX ? (int)ms : INT32_MAX) <= 0 || !p[0].revents) return MS_OK;
    int rc = hear(r, &a, err);
    if (rc) return rc;
    *ran = a.what == EXITS ? MS_RAN_EXITS : MS_RAN_ENDED;
    *status = a.value;
    return MS_OK;
}

int ms_runner_signal(struct ms_runner *r, int signal, struct ms_error *err) {
    struct request *q = ms_alloc(sizeof *q);
    *q = (struct request){.order = SIGNAL, .signal = signal};
    int status = ask(r, q, err);
    free(q);
    return status;
}

int ms_runner_go_on(struct ms_runner *r, struct ms_error *err) {
    struct request *q = ms_alloc(sizeof *q);
    *q = (struct request){.order = GO_ON};
    int status = ask(r, q, err);
    free(q);
    return status;
}

void ms_runner_end(struct ms_runner *r) {
    if (r->fd < 0) return;
    close(r->fd);
    r->fd = -1;
    while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR) {}
}
