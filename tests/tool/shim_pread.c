/* shim_pread.c - a library to preload into mapscope, that stops it at one exact read of its target, or lets reads fail.
 *
 *   TK_STOP_AT=N    before read number N of a target's memory (1 is the first) the tool stops
 *                   itself (SIGSTOP), so that a test can do something to the target and let it go on
 *   TK_ATTACK=PID   at the first read, try what the tool's seccomp filter must refuse, with PID as
 *                   the victim, and say on stderr how each went
 *   TK_FAULT_EVERY=N  every Nth read of the target's memory fails, as of a page that is not there
 */
#undef _FILE_OFFSET_BITS /* pread and pread64 are two symbols: both are wanted under their own names */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static void report(const char *what, long rc) {
    dprintf(STDERR_FILENO, "%s: %s\n", what,
            rc >= 0          ? "ALLOWED"
            : errno == EPERM ? "refused"
                             : strerror(errno));
}

static void attack(pid_t victim) {
    char path[64], byte = 0;
    struct iovec local = {&byte, 1}, remote = {(void *)0x1000, 1};
    struct rlimit64 {
        unsigned long long cur, max;
    } limit = {1 << 20, 1 << 20};
    report("ptrace", ptrace(PTRACE_SEIZE, victim, NULL, NULL));
    report("process_vm_writev", process_vm_writev(victim, &local, 1, &remote, 1, 0));
    report("kill", kill(victim, 0));
    report("tgkill", syscall(SYS_tgkill, victim, victim, 0));
    report("tkill", syscall(SYS_tkill, victim, 0));
    report("sigqueue", sigqueue(victim, 0, (union sigval){0}));
    report("prlimit64", syscall(SYS_prlimit64, victim, RLIMIT_CORE, &limit, NULL));
    snprintf(path, sizeof path, "/proc/%d/mem", (int)victim);
    report("open mem read-write", open(path, O_RDWR));
    report("open mem write-only", open(path, O_WRONLY));
    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)victim);
    report("open oom_score_adj", open(path, O_WRONLY | O_APPEND));
    report("create a file", open("/tmp/mapscope-test-shim", O_WRONLY | O_CREAT, 0600));
    report("execve", execl("/bin/true", "true", (char *)NULL));
    report("pidfd_getfd", syscall(SYS_pidfd_getfd, -1, 0, 0));
    report("bpf", syscall(SYS_bpf, 0, NULL, 0));
    report("perf_event_open", syscall(SYS_perf_event_open, NULL, victim, -1, -1, 0));
}

/* Returns whether the read is to fail. */
static int before_read(void) {
    static long count;
    const char *at = getenv("TK_STOP_AT"), *victim = getenv("TK_ATTACK"), *every = getenv("TK_FAULT_EVERY");
    count++;
    if (victim && count == 1) attack((pid_t)atol(victim));
    if (at && count == atol(at)) raise(SIGSTOP);
    return every && count % atol(every) == 0;
}

/* Only reads of a target's memory count: those of a file named mem. */
static int is_mem(int fd) {
    static int known = -1;
    char link[64], path[256];
    if (fd == known) return 1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 4 || memcmp(path + n - 4, "/mem", 4) != 0) return 0;
    known = fd;
    return 1;
}

typedef ssize_t pread_fn(int, void *, size_t, off_t);
ssize_t pread(int fd, void *buf, size_t len, off_t at);
ssize_t pread64(int fd, void *buf, size_t len, off_t at);

ssize_t pread(int fd, void *buf, size_t len, off_t at) {
    static pread_fn *real;
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pread64");
    if (is_mem(fd) && before_read()) {
        errno = EIO;
        return -1;
    }
    return real(fd, buf, len, at);
}

ssize_t pread64(int fd, void *buf, size_t len, off_t at) { return pread(fd, buf, len, at); }
