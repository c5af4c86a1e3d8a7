/* injector.c - a copy of a held process: what fork would make, made from outside.
 *
 * Only a thread of the process can copy it, so one of its stopped threads is borrowed for two system calls, and
 * has its registers back before it runs.  No byte of its memory is written.
 *
 *     target's thread T        clone(CLONE_VM): a go-between I, with T's memory and no stack     some 30 us
 *     I                        close_range: it has no files.  clone: the copy C, of all memory   ms per GiB
 *     keeper                   kill I
 *     T                        wait4(I): nothing of it is left                                    some 20 us
 *
 * Why the go-between.  To copy the tables of a large heap takes milliseconds. T, with foreign registers, is not
 * what should spend them: killed by its tracer's death in the middle of it, it would run on with them, and the
 * copy, traced by nobody, would run beside it.  I may be killed at any time (PTRACE_O_EXITKILL), and what it makes
 * inherits that; the kernel does not finish a clone whose caller was killed.  C has no open file, so no connection
 * stays open through it, and no exit signal; when I is gone, C is a child of init, which collects it: the target
 * is not needed again.  Only where the target itself is that init, as in many containers, it is held once more to
 * collect C.
 *
 * C never executes an instruction.
 *
 * System calls are restarted as if nothing had been: T goes back to where the kernel decides about that (an
 * interrupt, taken on the way out of the borrowed call), with the registers it had there.  A signal that arrives
 * before the borrowed call is handed on first, and another try is made.
 *
 * What cannot be guaranteed.  Killed itself between giving T foreign registers and giving them back (twice, some
 * tens of microseconds), the keeper leaves T to return from a system call with a number that is not its result, or
 * in the middle of code if no thread was in a system call; and if that was before I was marked, I runs without a
 * tracer: its first use of its stack ends it.  Threads that wait for a futex are borrowed first: such a wait may
 * end early at any time.  Nothing but a SIGKILL to the keeper itself does that: it blocks all other signals, and
 * the kernel is asked not to choose it when memory runs out.
 */
#include "freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)

#define VM_CLONE    UINT64_C(0x00000100) /* CLONE_VM */
#define FILES_CLONE UINT64_C(0x00000400) /* CLONE_FILES: shared until close_range takes it apart */
enum {
    COPY_MS = 10000, /* for the page tables of 500 GiB */
    NO_STACK = 8,    /* never mapped: the first push, pop or return there is the end */
    UNSHARE = 2,     /* CLOSE_RANGE_UNSHARE: a table of its own, of which nothing is kept */
    CODE64 = 0x33,   /* the code segment of 64-bit programs */
    TRIES = 8,
    FILTERED = INT32_MIN, /* below all errors of system calls */
    FOLLOW = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE,
};

/* A stopped thread and where in its code a system call instruction is. */
struct borrowed {
    pid_t tid;
    struct user_regs_struct own;
    uint64_t site;
};

enum outcome {
    DONE,
    DISTURBED, /* a signal came first; the thread is stopped and as it was */
    LOST,      /* the thread ended or does not answer */
};

/* To the place in the kernel where system calls are restarted, with its own registers. */
static enum outcome give_back(struct borrowed *b, int signal) {
    int status;
    if (ptrace(PTRACE_INTERRUPT, b->tid, 0, 0) || ptrace(PTRACE_SETREGS, b->tid, 0, &b->own)) return LOST;
    do {
        if (ptrace(PTRACE_CONT, b->tid, 0, (void *)(intptr_t)signal) ||
            ms_held_await(b->tid, MS_FREEZE_SETTLE_MS, &status) != MS_STOPPED)
            return LOST;
        signal = WSTOPSIG(status);
    } while (status >> 16 != PTRACE_EVENT_STOP);
    return DONE;
}

/* Mark what was born before it or its parent goes on. */
static bool adopt(pid_t child) {
    int status;
    return ms_held_await(child, MS_FREEZE_SETTLE_MS, &status) == MS_STOPPED &&
           ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL | FOLLOW) == 0;
}

/* One system call by a borrowed thread, which is then stopped at its end. *born: the process it made. */
static enum outcome call(struct borrowed *b, uint64_t number, const uint64_t arg[4], int64_t *result,
                         pid_t *born) {
    struct user_regs_struct regs = b->own;
    int status, stops = 0;
    *born = 0;
    regs.rip = b->site;
    regs.rax = number;
    regs.orig_rax = (uint64_t)-1;
    regs.rdi = arg[0], regs.rsi = arg[1], regs.rdx = arg[2], regs.r10 = arg[3];
    regs.r8 = 0;
    if (ptrace(PTRACE_SETREGS, b->tid, 0, &regs)) return LOST;
    while (stops < 2) {
        if (ptrace(PTRACE_SYSCALL, b->tid, 0, 0) || ms_held_await(b->tid, COPY_MS, &status) != MS_STOPPED)
            return LOST;
        unsigned long message = 0;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            stops++;
        } else if (status >> 16 == PTRACE_EVENT_CLONE) {
            if (ptrace(PTRACE_GETEVENTMSG, b->tid, 0, &message) || !adopt(*born = (pid_t)message))
                return LOST;
        } else if (status >> 16 == 0) { /* a signal, before the call began */
            return give_back(b, WSTOPSIG(status)) == DONE ? DISTURBED : LOST;
        }
    }
    if (ptrace(PTRACE_GETREGS, b->tid, 0, &regs)) return LOST;
    *result = (int64_t)regs.rax;
    return DONE;
}

/* ---- whom to borrow ---------------------------------------------------------------------------- */

static bool is_syscall(pid_t tid, uint64_t at) {
    errno = 0;
    long word = ptrace(PTRACE_PEEKTEXT, tid, at, 0);
    return errno == 0 && (word & 0xffff) == 0x050f;
}

/* The system call instruction of the code that the kernel maps into every process; 0: none. */
static uint64_t kernel_code_site(const struct ms_held *h) {
    char line[512];
    unsigned long start = 0, end = 0;
    uint8_t code[16384];
    int fd = openat(h->dir_fd, "maps", O_RDONLY | O_CLOEXEC);
    FILE *maps = fd < 0 ? NULL : fdopen(fd, "r");
    while (maps && fgets(line, sizeof line, maps))
        if (strstr(line, "[vdso]") && sscanf(line, "%lx-%lx", &start, &end) == 2) break;
    if (maps) fclose(maps);
    size_t len = (size_t)ms_min(end - start, sizeof code);
    struct iovec to = {code, len}, from = {(void *)start, len}; // NOLINT(performance-no-int-to-ptr): target's
    if (len == 0 || process_vm_readv(h->pid, &to, 1, &from, 1, 0) != (ssize_t)len) return 0;
    const uint8_t *at = memmem(code, len, "\x0f\x05", 2);
    return at ? start + (uint64_t)(at - code) : 0;
}

/* How well a thread is suited: 0 a wait that may end early, 1 in a system call, 2 in its code; 3 not at all. */
static int suited(struct borrowed *b, const struct ms_thread *t, uint64_t kernel_code) {
    *b = (struct borrowed){.tid = t->tid, .site = kernel_code};
    if (!t->stopped || ptrace(PTRACE_GETREGS, t->tid, 0, &b->own) || b->own.cs != CODE64) return 3;
    if ((int64_t)b->own.orig_rax >= 0 && is_syscall(t->tid, b->own.rip - 2)) {
        b->site = b->own.rip - 2;
        return b->own.orig_rax == SYS_futex ? 0 : 1;
    }
    return kernel_code ? 2 : 3;
}

static int best_suited(const struct ms_held *h, uint64_t kernel_code, struct borrowed *out) {
    int best = 3;
    for (size_t i = 0; i < h->count && best > 0; i++) {
        struct borrowed b;
        int rank = suited(&b, &h->thread[i], kernel_code);
        if (rank < best) best = rank, *out = b;
    }
    return best;
}

/* Would a filter see the system calls of that thread, and perhaps end the process for them? */
static bool is_filtered(const struct ms_held *h, pid_t tid) {
    char path[64];
    snprintf(path, sizeof path, "task/%d/status", (int)tid);
    return ms_held_status(h, path, "\nSeccomp:\t") != 0;
}

/* 0 or a negative error; FILTERED: it is not to be asked for system calls. */
static int64_t borrow(const struct ms_held *h, struct borrowed *out) {
    if (best_suited(h, 0, out) == 3 && best_suited(h, kernel_code_site(h), out) == 3) return -ESRCH;
    if (is_filtered(h, out->tid)) return FILTERED;
    return ptrace(PTRACE_SETOPTIONS, out->tid, 0, FOLLOW) ? -ESRCH : 0;
}

/* A call by some thread of the target, which is as it was afterwards.  -EINTR: signals came every time. */
static int64_t by_target(const struct ms_held *h, uint64_t number, const uint64_t arg[4], pid_t *born) {
    for (int i = 0; i < TRIES; i++) {
        struct borrowed b;
        int64_t result = borrow(h, &b);
        if (result) return result;
        enum outcome how = call(&b, number, arg, &result, born);
        if (how == DONE) return give_back(&b, 0) == DONE ? result : -ESRCH;
        if (how == LOST) return -ESRCH;
    }
    return -EINTR;
}

/* ---- the copy ---------------------------------------------------------------------------------- */

bool ms_held_reap(struct ms_held *h, pid_t inside) {
    pid_t born;
    const uint64_t arg[4] = {(uint64_t)inside, 0, WNOHANG | __WALL, 0};
    return by_target(h, SYS_wait4, arg, &born) == inside;
}

static void end(pid_t pid) {
    int status;
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, __WALL) < 0 ? errno == EINTR : WIFSTOPPED(status)) {}
}

static int say_errno(const struct ms_held *h, int64_t result, struct ms_error *err) {
    const char *hint = result == -EAGAIN   ? ": its limit of processes"
                       : result == -ENOMEM ? ": no memory for a copy, or overcommit forbids it"
                                           : "";
    return ms_fail(err, MS_UNCERTAIN, "process %d cannot be copied: %s%s; try --stop", (int)h->pid,
                   strerror((int)-result), hint);
}

/* Whose child is it? */
static pid_t parent_of(pid_t pid) {
    char path[32], buf[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC), parent = 0;
    ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof buf - 1);
    if (fd >= 0) close(fd);
    buf[n > 0 ? n : 0] = 0;
    const char *p = strrchr(buf, ')');
    return p && sscanf(p + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static void prefer_for_oom(pid_t copy) {
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)copy);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (write(fd, "1000", 4) < 0) errno = 0; /* then the copy counts as the target does */
    close(fd);
}

/* By the go-between: the copy, or a negative error. */
static int64_t copy_by(pid_t between, uint64_t site, pid_t *copy) {
    struct borrowed b = {.tid = between, .site = site};
    static const uint64_t all[4] = {0, ~0U, UNSHARE, 0}, fresh[4] = {0, NO_STACK, 0, 0};
    int64_t result = 0;
    pid_t none;
    if (ptrace(PTRACE_GETREGS, between, 0, &b.own)) return -ESRCH;
    if (call(&b, SYS_close_range, all, &result, &none) != DONE) return -ESRCH;
    if (result) return result; /* a copy with the target's files open is none we want */
    return call(&b, SYS_clone, fresh, &result, copy) == DONE ? result : -ESRCH;
}

int ms_held_copy(struct ms_held *h, struct ms_error *err) {
    static const uint64_t shared[4] = {VM_CLONE | FILES_CLONE, NO_STACK, 0, 0};
    pid_t between = 0;
    int64_t result = by_target(h, SYS_clone, shared, &between);
    if (result == FILTERED)
        return ms_fail(err, MS_PERMISSION,
                       "process %d runs under a seccomp filter, which may end it for the system calls that "
                       "--snapshot makes in it: use --stop",
                       (int)h->pid);
    if (between == 0) return say_errno(h, result < 0 ? result : -ESRCH, err);
    struct user_regs_struct regs;
    pid_t inside = (pid_t)result;
    if (result > 0 && ptrace(PTRACE_GETREGS, between, 0, &regs) == 0)
        result = copy_by(between, regs.rip - 2, &h->copy);
    end(between);
    if (inside > 0 && !ms_held_reap(h, inside) && result > 0) result = -ECHILD;
    h->inside = (pid_t)result;
    if (result > 0 && h->copy) {
        prefer_for_oom(h->copy);
        h->reap_copy = parent_of(h->copy) == h->pid;
        return MS_OK;
    }
    if (h->copy) end(h->copy);
    h->copy = 0;
    return say_errno(h, result < 0 ? result : -ESRCH, err);
}

#else

int ms_held_copy(struct ms_held *h, struct ms_error *err) {
    return ms_fail(err, MS_USAGE, "--snapshot of process %d: on x86-64 only; use --stop", (int)h->pid);
}

bool ms_held_reap(struct ms_held *h, pid_t inside) {
    (void)h;
    (void)inside;
    return false;
}

#endif
