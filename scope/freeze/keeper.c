/* keeper.c - the keeper: stops every thread of a process, holds it, and always lets it go.
 *
 *   /proc/PID/task --> PTRACE_SEIZE + PTRACE_INTERRUPT each thread that is new --> wait for each to stop
 *        ^                                                                              |
 *        +------------------- again, until a pass over the list finds no new one -------+
 *
 * A thread that runs may start others until it is stopped; when all that are known stand still, only a pass that
 * finds nothing new proves that there are no more.
 *
 * A thread may have a signal to take before it stops: it is handed on.  Stops of job control stay what they are,
 * that is what SEIZE is for.  A thread in an uninterruptible wait does not stop: after a second the try is given
 * up and all are let go.
 *
 * The keeper is a session of its own with all signals blocked, so that what ends a terminal's job does not end it;
 * the kernel is asked not to choose it when memory runs out.  Its waits have an end: for a thread, and for the
 * word to let go.
 */
#include "freeze.h"

#include "../sandbox.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t ms_held_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- threads ----------------------------------------------------------------------------------- */

static bool read_text(int dir_fd, const char *path, char *buf, size_t room) {
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, room - 1);
    if (fd >= 0) close(fd);
    buf[n > 0 ? n : 0] = 0;
    return n > 0;
}

long ms_held_status(const struct ms_held *h, const char *path, const char *name) {
    char buf[4096];
    const char *at = read_text(h->dir_fd, path, buf, sizeof buf) ? strstr(buf, name) : NULL;
    return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

/* Is it the process that is meant? */
static bool started_at(int dir_fd, uint64_t ticks) {
    char buf[1024];
    unsigned long long start = 0;
    const char *p = read_text(dir_fd, "stat", buf, sizeof buf) ? strrchr(buf, ')') : NULL;
    return p &&
           sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                  &start) == 1 &&
           start == ticks;
}

enum ms_await ms_held_await(pid_t tid, unsigned most_ms, int *wait_status) {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    uint64_t end = ms_held_clock() + most_ms * UINT64_C(1000000);
    for (;;) {
        pid_t got = waitpid(tid, wait_status, __WALL | WNOHANG);
        if (got == tid) return WIFSTOPPED(*wait_status) ? MS_STOPPED : MS_ENDED;
        if (got < 0 && errno != EINTR) return MS_ENDED;
        if (ms_held_clock() > end) return MS_STUCK;
        sigtimedwait(&child, NULL, &(struct timespec){.tv_nsec = 1000000});
    }
}

/* Wait until a thread that was interrupted stands still. */
static enum ms_await settle(struct ms_thread *t) {
    int status;
    enum ms_await how;
    while ((how = ms_held_await(t->tid, MS_FREEZE_SETTLE_MS, &status)) == MS_STOPPED) {
        t->stopped = status >> 16 == PTRACE_EVENT_STOP;
        if (t->stopped) break;
        /* a signal came first: it is the thread's, hand it on; the stop is still to come */
        if (ptrace(PTRACE_CONT, t->tid, 0, (void *)(intptr_t)WSTOPSIG(status))) return MS_ENDED;
    }
    return how;
}

/* *next: where it is if the list of threads has the order it had. */
static bool is_held(const struct ms_held *h, pid_t tid, size_t *next) {
    size_t i = *next;
    if (i >= h->count || h->thread[i].tid != tid)
        for (i = 0; i < h->count && h->thread[i].tid != tid; i++) {}
    *next = i + 1;
    return i < h->count;
}

/* Has it exited?  Its number stays in the list until it is collected. */
static bool is_dead(const struct ms_held *h, pid_t tid) {
    char path[64], line[1024];
    snprintf(path, sizeof path, "task/%d/stat", (int)tid);
    if (!read_text(h->dir_fd, path, line, sizeof line)) return true;
    const char *p = strrchr(line, ')');
    return !p || p[1] != ' ' || strchr("ZX", p[2]);
}

/* Seize and interrupt what is new in the list of threads; returns how many, or -1 with errno. */
static int seize_new(struct ms_held *h) {
    int found = 0, why = 0, task = openat(h->dir_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = task < 0 ? NULL : fdopendir(task);
    if (!d) return -1;
    size_t next = 0;
    for (struct dirent *e; !why && (e = readdir(d));) {
        pid_t tid = (pid_t)atoi(e->d_name);
        if (!isdigit((unsigned char)e->d_name[0]) || is_held(h, tid, &next)) continue;
        if (ptrace(PTRACE_SEIZE, tid, 0, 0) == 0) {
            ptrace(PTRACE_INTERRUPT, tid, 0, 0);
            MS_ROOM(h->thread, h->count, h->room);
            h->thread[h->count++] = (struct ms_thread){.tid = tid};
            found++;
        } else if (errno != ESRCH) {
            why = errno;
            if (is_dead(h, tid)) why = 0; /* refuses with EPERM too */
        }
    }
    closedir(d);
    errno = why;
    return why ? -1 : found;
}

static int say_refused(struct ms_held *h, int error, struct ms_error *err) {
    long tracer = ms_held_status(h, "status", "\nTracerPid:\t");
    if (tracer > 0 && tracer != getpid())
        return ms_fail(err, MS_PERMISSION,
                       "process %d is traced by process %ld (a debugger?): it cannot be stopped as well",
                       (int)h->pid, tracer);
    return ms_fail(err, MS_PERMISSION,
                   "process %d may not be stopped (%s): needs CAP_SYS_PTRACE (run as root)", (int)h->pid,
                   strerror(error));
}

int ms_held_stop(struct ms_held *h, const struct ms_freeze_request *q, struct ms_error *err) {
    char path[32];
    snprintf(path, sizeof path, "/proc/%d", q->pid);
    *h = (struct ms_held){.pid = q->pid, .dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (h->dir_fd < 0 || !started_at(h->dir_fd, q->start_ticks))
        return ms_fail(err, MS_GONE, "process %d ended before it was stopped", q->pid);
    h->since_ns = ms_held_clock();
    for (size_t done = 0;;) {
        int found = seize_new(h);
        if (found < 0) return say_refused(h, errno, err);
        if (found == 0 && done == h->count) break;
        for (; done < h->count; done++) {
            if (settle(&h->thread[done]) == MS_STUCK)
                return ms_fail(err, MS_UNCERTAIN,
                               "thread %d of process %d waits in the kernel and did not stop within %d ms",
                               (int)h->thread[done].tid, q->pid, MS_FREEZE_SETTLE_MS);
        }
    }
    /* Its first thread is held now, or has exited and cannot be collected while others are: the number is ours. */
    for (size_t i = 0; i < h->count; i++)
        if (h->thread[i].stopped && started_at(h->dir_fd, q->start_ticks)) return MS_OK;
    return ms_fail(err, MS_GONE, "process %d ended before it was stopped", q->pid);
}

void ms_held_release(struct ms_held *h) {
    for (size_t i = 0; i < h->count; i++)
        if (h->thread[i].stopped &&
            ptrace(PTRACE_DETACH, h->thread[i].tid, 0, 0)) /* it was killed: collect it */
            waitpid(h->thread[i].tid, NULL, __WALL | WNOHANG);
    h->count = 0;
}

/* ---- the service ------------------------------------------------------------------------------- */

static void drop_copy(struct ms_held *h, const struct ms_freeze_request *q) {
    struct ms_error ignored;
    if (h->copy == 0) return;
    pid_t copy = h->copy, inside = h->inside;
    bool reap = h->reap_copy;
    h->copy = 0;
    kill(copy, SIGKILL);
    while (waitpid(copy, NULL, __WALL) < 0 && errno == EINTR) {}
    if (!reap) return; /* init collects it */
    struct ms_held again;
    if (ms_held_stop(&again, q, &ignored) == MS_OK) ms_held_reap(&again, inside);
    ms_held_release(&again);
    close(again.dir_fd);
    free(again.thread);
}

/* Everything goes.  A thread that has not stopped is let go by the end of its tracer alone. */
static void let_go(struct ms_held *h, const struct ms_freeze_request *q) {
    ms_held_release(h);
    drop_copy(h, q);
    if (h->dir_fd >= 0) close(h->dir_fd);
    free(h->thread);
    *h = (struct ms_held){.dir_fd = -1};
}

/* Returns fd under its new number. */
static int become_quiet(int fd) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setsid();
    int low = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (low >= 0) { /* not allowed without CAP_SYS_RESOURCE: then it may be chosen, like any other */
        if (write(low, "-1000", 5) < 0) errno = 0;
        close(low);
    }
    setpriority(PRIO_PROCESS, 0,
                -20); /* while it waits for a processor, the target waits; needs CAP_SYS_NICE */
    /* Not the terminal, not the pipe somebody waits on for its end. */
    if (fd != 3) dup2(fd, 3);
    close(0);
    close(1);
    close(2);
    syscall(SYS_close_range, 4, ~0U, 0);
    return 3;
}

static void read_registers(struct ms_thread *t) {
    struct iovec set = {t->registers.word, sizeof t->registers.word};
    t->registers.words = 0;
    if (!t->stopped || ptrace(PTRACE_GETREGSET, t->tid, (void *)NT_PRSTATUS, &set)) return;
    t->registers.words = (uint32_t)(set.iov_len / sizeof *t->registers.word);
#if defined(__x86_64__)
    t->registers.sp = offsetof(struct user_regs_struct, rsp) / sizeof *t->registers.word;
#else
    t->registers.sp = offsetof(struct user_regs_struct, sp) / sizeof *t->registers.word;
#endif
}
static_assert(sizeof(struct user_regs_struct) <= sizeof((struct ms_registers *)NULL)->word,
              "all registers fit");

static void thaw(struct ms_held *h, uint64_t ended_ns, struct ms_freeze_reply *out) {
    out->late = h->count == 0 && ended_ns;
    ms_held_release(h);
    if (h->since_ns) out->pause_ns = (out->late ? ended_ns : ms_held_clock()) - h->since_ns;
}

static void hold(struct ms_held *h, const struct ms_freeze_request *q, struct ms_freeze_reply *out) {
    struct ms_error err = {""};
    out->status = ms_held_stop(h, q, &err);
    if (out->status == MS_OK) {
        out->thread_count = (int)h->count;
        for (size_t i = 0; i < h->count; i++) read_registers(&h->thread[i]);
    }
    if (out->status == MS_OK && q->order == MS_COPY) {
        out->status = ms_held_copy(h, &err);
        out->copy = h->copy;
        ms_held_release(h);
        out->pause_ns = ms_held_clock() - h->since_ns;
    }
    snprintf(out->line, sizeof out->line, "%.255s", err.line);
}

static bool send_registers(int fd, const struct ms_held *h, const struct ms_freeze_reply *reply) {
    struct iovec part[MS_FREEZE_TOGETHER];
    size_t n = reply->status == MS_OK ? (size_t)reply->thread_count : 0, parts = 0;
    for (size_t i = 0; i < n; i++) {
        part[parts++] = (struct iovec){&h->thread[i].registers, sizeof h->thread[i].registers};
        if (parts < MS_FREEZE_TOGETHER && i + 1 < n) continue;
        if (sendmsg(fd, &(struct msghdr){.msg_iov = part, .msg_iovlen = parts}, MSG_NOSIGNAL) < 0)
            return false;
        parts = 0;
    }
    return true;
}

void ms_keeper_serve(int fd) {
    struct ms_held h = {.dir_fd = -1};
    struct ms_freeze_request q, held = {.pid = 0};
    struct ms_freeze_reply reply = {.status = MS_OK};
    uint64_t ended_ns = 0; /* when a held target was let go before it was asked for */
    fd = become_quiet(fd);
    if (ms_sandbox_enter(MS_SANDBOX_KEEPER, NULL)) _exit(MS_INTERNAL);
    while (reply.status == MS_OK) {
        struct pollfd word = {.fd = fd, .events = POLLIN};
        int n = poll(&word, 1, h.count ? MS_FREEZE_MOST_MS : -1);
        if (n == 0) {
            ms_held_release(&h);
            ended_ns = ms_held_clock();
        }
        if (n <= 0) continue;
        if (recv(fd, &q, sizeof q, 0) != sizeof q) break;
        reply = (struct ms_freeze_reply){.status = MS_OK};
        if (q.order == MS_THAW) {
            thaw(&h, ended_ns, &reply);
        } else {
            let_go(&h, &held);
            held = q;
            ended_ns = 0;
            hold(&h, &q, &reply);
        }
        if (send(fd, &reply, sizeof reply, MSG_NOSIGNAL) < 0 || !send_registers(fd, &h, &reply)) break;
    }
    let_go(&h, &held);
    _exit(0);
}
