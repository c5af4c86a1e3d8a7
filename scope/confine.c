/* confine.c - the process that parses hostile bytes, from its fork to its table. */
#include "confine.h"

#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, TABLE_FD = 3, FAILED = 1, UNCONFINED = 2 };

const struct ms_confine_limits ms_confine_usual = {
    .cpu_s = 20, .wall_s = 120, .memory_bytes = UINT64_C(2) << 30, .table_bytes = 256 << 20};

/* ---- inside the child --------------------------------------------------------------------------- */

/* Pages of address space it has now: sanitizers take terabytes before the first line runs. */
static uint64_t pages_now(void) {
    char text[64];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    text[n > 0 ? n : 0] = 0;
    return strtoull(text, NULL, 10);
}

static bool limit(int what, uint64_t most) {
    /* one second more until the signal that says nothing (SIGKILL) */
    struct rlimit r = {.rlim_cur = most, .rlim_max = most + (what == RLIMIT_CPU)};
    return setrlimit(what, &r) == 0;
}

static bool set_limits(const struct ms_confine_limits *most) {
    uint64_t have = pages_now() * (uint64_t)sysconf(_SC_PAGESIZE);
    return limit(RLIMIT_AS, have + most->memory_bytes) && limit(RLIMIT_CPU, most->cpu_s) &&
           limit(RLIMIT_FSIZE, most->table_bytes);
}

/* Nothing that mapscope catches, blocks or was told to ignore may hold up what ends the child. */
static void reset_signals(void) {
    sigset_t none;
    for (int s = 1; s < NSIG; s++) signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static uint8_t *map_file(int fd, size_t *bytes) {
    struct stat st;
    *bytes = 0;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0) return NULL;
    *bytes = (size_t)st.st_size;
    void *at = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void keep_only(int table) {
    if (table != TABLE_FD) dup2(table, TABLE_FD);
    close(0);
    close(1);
    close(2);
    syscall(SYS_close_range, TABLE_FD + 1, ~0U, 0);
}

/* No user, no capabilities, no hand on it from outside.  In a user namespace that has no nobody it stays who it is: without
 * capabilities, and soon without a system call to use that with. */
static bool drop_rights(void) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (geteuid() == 0) {
        if (setgroups(0, NULL) != 0 && errno != EPERM) return false;
        if (setresgid(NOBODY, NOBODY, NOBODY) != 0 && errno != EINVAL && errno != EPERM) return false;
        if (setresuid(NOBODY, NOBODY, NOBODY) != 0 && errno != EINVAL && errno != EPERM) return false;
    }
    return syscall(SYS_capset, &head, none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

/* After the change of user, which forgets it. */
static bool end_with(pid_t parent) {
    return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == parent;
}

static bool put(void *ctx, const void *data, size_t len) {
    (void)ctx;
    for (const char *p = data; len;) {
        ssize_t n = write(TABLE_FD, p, len);
        if (n <= 0) return false;
        p += n, len -= (size_t)n;
    }
    return true;
}

_Noreturn static void serve(ms_parse_fn parse, const void *wanted, int fd, int table, pid_t parent,
                            const struct ms_confine_limits *most) {
    size_t bytes;
    reset_signals();
    alarm(most->wall_s);
    uint8_t *file = map_file(fd, &bytes);
    if (!file) _exit(bytes ? FAILED : 0);
    if (!set_limits(most)) _exit(UNCONFINED);
    keep_only(table);
    if (!drop_rights() || !end_with(parent) || ms_sandbox_enter(MS_SANDBOX_PARSER, NULL)) _exit(UNCONFINED);
    _exit(parse(wanted, file, bytes, (struct ms_sink){put, NULL}) ? 0 : FAILED);
}

/* ---- outside ------------------------------------------------------------------------------------ */

int ms_confine_start(struct ms_confined *c, ms_parse_fn parse, const void *wanted, int fd,
                     const struct ms_confine_limits *most, struct ms_error *err) {
    pid_t parent = getpid();
    *c = (struct ms_confined){.pid = -1,
                              .table = memfd_create("mapscope table", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    if (c->table >= 0) c->pid = fork();
    if (c->pid == 0) serve(parse, wanted, fd, c->table, parent, most);
    if (c->pid > 0) return MS_OK;
    int why = errno;
    if (c->table >= 0) close(c->table);
    return ms_fail(err, MS_INTERNAL, "cannot be started: %s", strerror(why));
}

/* Its status; false: it has not ended. */
static bool await(const struct ms_confined *c, const struct ms_confine_limits *most, int *status) {
    struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, c->pid, 0), .events = POLLIN};
    int n, late_ms = (int)(most->wall_s + most->wall_s / 16 + 1) * 1000; /* its alarm comes first */
    do {
        n = end.fd < 0 ? 1 : poll(&end, 1, late_ms); /* no pidfd: its alarm has to do */
    } while (n < 0 && errno == EINTR);
    if (end.fd >= 0) close(end.fd);
    if (n == 0) return false;
    while (waitpid(c->pid, status, 0) < 0)
        if (errno != EINTR) return false;
    return true;
}

static int say_how(int status, const struct ms_confine_limits *most, struct ms_error *err) {
    int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (sig == SIGXCPU)
        return ms_fail(err, MS_UNCERTAIN, "took more than %u s of processor time", most->cpu_s);
    if (sig == SIGALRM) return ms_fail(err, MS_UNCERTAIN, "took more than %u s", most->wall_s);
    if (sig == SIGXFSZ)
        return ms_fail(err, MS_UNCERTAIN, "found more than %llu bytes to tell",
                       (unsigned long long)most->table_bytes);
    if (sig) return ms_fail(err, MS_UNCERTAIN, "was ended by signal %d (%s)", sig, strsignal(sig));
    if (WEXITSTATUS(status) == UNCONFINED)
        return ms_fail(err, MS_UNCERTAIN, "was not run: its process could not be confined");
    return ms_fail(err, MS_UNCERTAIN, "could not go on: more than %llu MiB of memory would be needed",
                   (unsigned long long)(most->memory_bytes >> 20));
}

static int take_table(int fd, const struct ms_confine_limits *most, struct ms_table *out,
                      struct ms_error *err) {
    struct stat st;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0 ||
        fstat(fd, &st) != 0)
        return ms_fail(err, MS_UNCERTAIN, "left a table that cannot be sealed: %s", strerror(errno));
    if (st.st_size == 0) return MS_OK;
    if ((uint64_t)st.st_size > most->table_bytes)
        return ms_fail(err, MS_UNCERTAIN, "left a table that is too large");
    void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return ms_fail(err, MS_UNCERTAIN, "left a table that cannot be mapped: %s", strerror(errno));
    *out = (struct ms_table){at, (size_t)st.st_size};
    return MS_OK;
}

int ms_confine_finish(struct ms_confined *c, const struct ms_confine_limits *most, struct ms_table *out,
                      struct ms_error *err) {
    int status = 0, result;
    *out = (struct ms_table){NULL, 0};
    if (!await(c, most, &status))
        result = ms_fail(err, MS_UNCERTAIN, "did not end in time");
    else if (status)
        result = say_how(status, most, err);
    else
        result = take_table(c->table, most, out, err);
    close(c->table);
    return result;
}

int ms_confine_run(ms_parse_fn parse, const void *wanted, int fd, const struct ms_confine_limits *most,
                   struct ms_table *out, struct ms_error *err) {
    struct ms_confined c;
    *out = (struct ms_table){NULL, 0};
    int status = ms_confine_start(&c, parse, wanted, fd, most, err);
    return status ? status : ms_confine_finish(&c, most, out, err);
}

void ms_table_free(struct ms_table *t) {
    if (t->bytes) munmap(t->bytes, t->len);
    *t = (struct ms_table){NULL, 0};
}
