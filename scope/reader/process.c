/* process.c - a live process: /proc/PID opened once, memory through its `mem` file.
 *
 * Why this way.  A pid can be used again the moment its process is reaped, so the number is looked up
 * once; from then on everything goes through the directory descriptor, which stays tied to the process
 * that was opened and fails for a successor.  `mem` is tied one step closer, to the program image: after
 * execve it reads 0 bytes, which is how a target that became another program is noticed.  Opening it
 * read-only makes writing impossible.  The target is never stopped, traced or signalled.
 *
 * On failure: every function returns an exit code and one line; a missing right is named exactly.
 */
#include "process.h"

#include "core.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The whole of a small proc file, NUL terminated; -1 and errno on failure. */
static ssize_t read_small(int dir_fd, const char *name, char *buf, size_t room) {
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    size_t have = 0;
    ssize_t n = 0;
    while (have < room - 1 && (n = read(fd, buf + have, room - 1 - have)) > 0) have += (size_t)n;
    int saved = errno;
    close(fd);
    buf[have] = 0;
    errno = saved;
    return n < 0 ? -1 : (ssize_t)have;
}

/* Flags of a task in its stat line. */
enum { PF_EXITING = 0x4 /* set before the memory goes */, PF_KTHREAD = 0x00200000 };

struct stat_line {
    char state;
    unsigned flags;
    uint64_t start_ticks;
};

/* comm may hold anything, also ')' and newlines: the fields start behind the last ')'. */
static bool parse_stat(int dir_fd, struct stat_line *out) {
    char buf[1024];
    if (read_small(dir_fd, "stat", buf, sizeof buf) <= 0) return false;
    char *p = strrchr(buf, ')');
    if (!p) return false;
    unsigned long long start = 0;
    /* state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime cutime cstime
     * priority nice threads itrealvalue starttime */
    int n = sscanf(p + 1, " %c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                   &out->state, &out->flags, &start);
    out->start_ticks = start;
    return n == 3;
}

static enum ms_read live_read(void *ctx, uint64_t addr, void *buf, size_t len) {
    struct ms_process *p = ctx;
    size_t have = 0;
    if (p->gone) return MS_READ_GONE;
    if (addr > INT64_MAX) return MS_READ_FAULT;
    while (have < len) {
        ssize_t n = pread(p->mem_fd, (char *)buf + have, len - have, (off_t)(addr + have));
        if (n == 0) { /* no address space any more: exit or execve */
            p->gone = true;
            return MS_READ_GONE;
        }
        if (n < 0) {
            if (errno == EINTR) continue;
            if (errno == ESRCH) p->gone = true;
            return errno == ESRCH ? MS_READ_GONE : MS_READ_FAULT;
        }
        have += (size_t)n;
    }
    return MS_READ_OK;
}

/* pagemap holds the target's mmap lock while it is read: 2 MiB of address space at a time. */
static enum ms_read live_resident(void *ctx, uint64_t addr, uint64_t len, uint64_t *res, uint64_t *swapped) {
    struct ms_process *p = ctx;
    enum { PIECE = 512 };
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), word[PIECE];
    *res = *swapped = 0;
    if (len == 0) return MS_READ_OK;
    if (addr + len < addr || addr + len > INT64_MAX) return MS_READ_FAULT;
    if (p->pagemap_fd < 0) p->pagemap_fd = openat(p->dir_fd, "pagemap", O_RDONLY | O_CLOEXEC);
    if (p->pagemap_fd < 0) return MS_READ_FAULT;
    uint64_t first = addr / page, last = (addr + len - 1) / page;
    while (first <= last) {
        uint64_t want = ms_min(last - first + 1, PIECE);
        ssize_t n = pread(p->pagemap_fd, word, want * 8, (off_t)(first * 8));
        if (n == 0) p->gone = ms_process_check(p, NULL) != MS_OK;
        if (n <= 0) return p->gone ? MS_READ_GONE : MS_READ_FAULT;
        for (uint64_t i = 0; i < (uint64_t)n / 8; i++, first++) {
            uint64_t from = first * page > addr ? first * page : addr;
            uint64_t to = ms_min((first + 1) * page, addr + len);
            if (word[i] >> 63)
                *res += to - from;
            else if (word[i] >> 62 & 1)
                *swapped += to - from;
        }
    }
    return MS_READ_OK;
}

/* The leader of a process may have exited while other threads run: then its /proc/PID shows no memory,
 * but those of its threads do.  Returns a descriptor of such a thread's directory or -1. */
static int living_thread(int dir_fd) {
    int task = openat(dir_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (task < 0) return -1;
    DIR *d = fdopendir(task);
    if (!d) return close(task), -1;
    int found = -1;
    for (struct dirent *e; found < 0 && (e = readdir(d));) {
        struct stat_line st;
        if (!isdigit((unsigned char)e->d_name[0])) continue;
        int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0 && parse_stat(fd, &st) && st.state != 'Z' && st.state != 'X')
            found = fd;
        else if (fd >= 0)
            close(fd);
    }
    closedir(d);
    return found;
}

/* A pidfd for the process behind dir_fd, or -1.  The number is looked up in our own pid namespace, the
 * directory in that of the /proc mount: use it only if the kernel says they mean the same process. */
static int open_pid_fd(int pid, const char *proc) {
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0) return -1;
    char path[64], buf[1024], *at;
    snprintf(path, sizeof path, "%s/self/fdinfo/%d", proc, fd);
    if (read_small(AT_FDCWD, path, buf, sizeof buf) > 0 && (at = strstr(buf, "Pid:")) && atoi(at + 4) == pid)
        return fd;
    close(fd);
    return -1;
}

/* Why may we not read it?  Names the right that is missing. */
static int say_permission(struct ms_process *p, struct ms_error *err, int error) {
    char buf[32];
    uid_t me = geteuid();
    long yama = 0;
    if (read_small(AT_FDCWD, "/proc/sys/kernel/yama/ptrace_scope", buf, sizeof buf) > 0) yama = atol(buf);
    if (p->uid != me)
        return ms_fail(
            err, MS_PERMISSION,
            "process %d (%s) belongs to uid %u, this is uid %u: needs CAP_SYS_PTRACE (run as root, or "
            "setcap cap_sys_ptrace+ep on mapscope)",
            p->pid, p->comm, (unsigned)p->uid, (unsigned)me);
    if (yama >= 1)
        return ms_fail(
            err, MS_PERMISSION,
            "process %d (%s): kernel.yama.ptrace_scope is %ld: needs CAP_SYS_PTRACE (run as root), or "
            "sysctl kernel.yama.ptrace_scope=0",
            p->pid, p->comm, yama);
    return ms_fail(
        err, MS_PERMISSION,
        "process %d (%s) may not be read (%s): it is not dumpable (it changed its user, or asked for "
        "it) or has rights we lack: needs CAP_SYS_PTRACE (run as root)",
        p->pid, p->comm, strerror(error));
}

static void read_names(struct ms_process *p) {
    char buf[4096];
    ssize_t n = read_small(p->dir_fd, "comm", p->comm, sizeof p->comm);
    if (n > 0 && p->comm[n - 1] == '\n') p->comm[n - 1] = 0;
    if (n <= 0) snprintf(p->comm, sizeof p->comm, "?");
    n = readlinkat(p->dir_fd, "exe", buf, sizeof buf - 1);
    buf[n > 0 ? n : 0] = 0;
    p->exe = ms_strdup(buf);
}

int ms_process_open(struct ms_process *p, int pid, struct ms_error *err) {
    char path[64];
    struct stat st;
    struct stat_line line;
    *p = (struct ms_process){.pid = pid, .dir_fd = -1, .mem_fd = -1, .pagemap_fd = -1, .pid_fd = -1};
    snprintf(path, sizeof path, "/proc/%d", pid);
    p->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->dir_fd < 0) {
        if (errno == ENOENT || errno == ESRCH) return ms_fail(err, MS_GONE, "no process %d", pid);
        return ms_fail(err, MS_PERMISSION, "%s: %s", path, strerror(errno));
    }
    if (fstat(p->dir_fd, &st) == 0) p->uid = st.st_uid;
    read_names(p);
    p->pid_fd = open_pid_fd(pid, "/proc");
    /* The process in dir_fd lives still, so the number could not have gone to another one before pid_fd. */
    if (!parse_stat(p->dir_fd, &line)) return ms_fail(err, MS_GONE, "process %d ended", pid);
    p->start_ticks = line.start_ticks;
    if (line.state == 'Z' || line.state == 'X') {
        int thread = living_thread(p->dir_fd);
        if (thread < 0) return ms_fail(err, MS_GONE, "process %d (%s) has exited", pid, p->comm);
        close(p->dir_fd);
        p->dir_fd = thread;
        if (parse_stat(thread, &line)) p->start_ticks = line.start_ticks;
    }
    p->mem_fd = openat(p->dir_fd, "mem", O_RDONLY | O_CLOEXEC);
    if (p->mem_fd < 0) {
        if (line.flags & PF_KTHREAD)
            return ms_fail(err, MS_USAGE, "process %d (%s) is a kernel thread: it has no maps", pid, p->comm);
        if (errno == EACCES || errno == EPERM) return say_permission(p, err, errno);
        return ms_fail(err, MS_GONE, "process %d (%s): memory cannot be opened: %s", pid, p->comm,
                       strerror(errno));
    }
    p->reader = (struct ms_reader){.read = live_read, .resident = live_resident, .ctx = p};
    return MS_OK;
}

void ms_process_close(struct ms_process *p) {
    if (p->core) ms_core_close(p->core);
    if (p->dir_fd >= 0) close(p->dir_fd);
    if (p->mem_fd >= 0) close(p->mem_fd);
    if (p->pagemap_fd >= 0) close(p->pagemap_fd);
    if (p->pid_fd >= 0) close(p->pid_fd);
    free(p->exe);
    *p = (struct ms_process){.dir_fd = -1, .mem_fd = -1, .pagemap_fd = -1, .pid_fd = -1};
}

int ms_process_use_copy(struct ms_process *p, int copy, struct ms_error *err) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", copy);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ms_fail(err, MS_INTERNAL, "the copy of process %d (%s) cannot be read: %s", p->pid, p->comm,
                       strerror(errno));
    close(p->mem_fd);
    p->mem_fd = fd;
    p->copied = true;
    return MS_OK;
}

int ms_process_check(struct ms_process *p, struct ms_error *err) {
    struct stat_line line;
    char probe;
    if (p->core) return MS_OK;
    /* Address 0 is never mapped in an ordinary process: EIO says the image lives, 0 bytes that it is gone. */
    ssize_t n = pread(p->mem_fd, &probe, 1, 0);
    if (n == 0 || (n < 0 && errno == ESRCH)) p->gone = true;
    if (p->copied) /* whatever became of the process itself */
        return p->gone ? ms_fail(err, MS_GONE, "the copy of process %d (%s) ended while it was read", p->pid, p->comm)
                       : MS_OK;
    struct pollfd ended = {.fd = p->pid_fd, .events = POLLIN};
    if (p->pid_fd >= 0 && poll(&ended, 1, 0) == 1 && (ended.revents & POLLIN)) p->gone = true;
    bool alive = parse_stat(p->dir_fd, &line) && line.start_ticks == p->start_ticks;
    if (!alive || line.state == 'X') p->gone = true;
    if (!p->gone) return MS_OK;
    if (alive && line.state != 'Z' && line.state != 'X' && !(line.flags & PF_EXITING))
        return ms_fail(err, MS_GONE, "process %d (%s) became another program (execve)", p->pid, p->comm);
    return ms_fail(err, MS_GONE, "process %d (%s) ended while it was read", p->pid, p->comm);
}

uint64_t ms_process_age_ns(struct ms_process *p) {
    struct timespec now;
    long hz = sysconf(_SC_CLK_TCK);
    if (p->core || hz <= 0 || clock_gettime(CLOCK_BOOTTIME, &now)) return 0;
    uint64_t up = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    uint64_t start = ms_mul(p->start_ticks, 1000000000u / (uint64_t)hz);
    return up > start ? up - start : 0;
}

uint64_t ms_process_rss(struct ms_process *p) {
    char buf[256];
    unsigned long long pages = 0;
    if (read_small(p->dir_fd, "statm", buf, sizeof buf) <= 0 || sscanf(buf, "%*u %llu", &pages) != 1)
        return 0;
    return ms_mul(pages, (uint64_t)sysconf(_SC_PAGESIZE));
}

size_t ms_process_all(int **out) {
    size_t n = 0, room = 0;
    *out = NULL;
    DIR *d = opendir("/proc");
    if (!d) return 0;
    for (struct dirent *e; (e = readdir(d));) {
        struct stat_line st;
        char *end;
        long pid = strtol(e->d_name, &end, 10);
        if (*end || pid <= 0) continue;
        int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) continue;
        bool keep = parse_stat(fd, &st) && !(st.flags & PF_KTHREAD);
        if (keep && (st.state == 'Z' || st.state == 'X')) {
            int thread = living_thread(fd);
            keep = thread >= 0;
            if (keep) close(thread);
        }
        close(fd);
        if (!keep) continue;
        MS_ROOM(*out, n, room);
        (*out)[n++] = (int)pid;
    }
    closedir(d);
    return n;
}

static bool base_name_is(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, name) == 0;
}

static bool is_named(int pid, const char *name) {
    char path[64], buf[4096];
    snprintf(path, sizeof path, "/proc/%d", pid);
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return false;
    bool yes = false;
    ssize_t n = read_small(dir, "comm", buf, sizeof buf);
    if (n > 0) {
        if (buf[n - 1] == '\n') buf[n - 1] = 0;
        yes = strcmp(buf, name) == 0;
    }
    if (!yes && (n = readlinkat(dir, "exe", buf, sizeof buf - 1)) > 0) {
        buf[n] = 0;
        char *deleted = strstr(buf, " (deleted)");
        if (deleted && deleted[10] == 0) *deleted = 0;
        yes = base_name_is(buf, name);
    }
    if (!yes && read_small(dir, "cmdline", buf, sizeof buf) > 0) yes = base_name_is(buf, name);
    close(dir);
    return yes;
}

size_t ms_process_named(const char *name, int **out) {
    int *all;
    size_t n = ms_process_all(&all), kept = 0;
    for (size_t i = 0; i < n; i++)
        if (all[i] != getpid() && is_named(all[i], name)) all[kept++] = all[i];
    *out = all;
    return kept;
}
