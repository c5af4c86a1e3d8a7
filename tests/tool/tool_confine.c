/* tool_confine.c - the process that parses hostile bytes (scope/confine.c), with parsers that do what a hostile file might
 * make one do: crash, loop, wait for ever, take all memory, say too much, and try to get out.
 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXT   "some bytes of a file"
#define WANTED "what is wanted of it"
enum { PAGE = 4096, FILE_BYTES = 4 * PAGE };

static const struct ms_confine_limits few = {
    .cpu_s = 1, .wall_s = 60, .memory_bytes = 64 << 20, .table_bytes = 1 << 20};
static const struct ms_confine_limits soon = {
    .cpu_s = 20, .wall_s = 1, .memory_bytes = 64 << 20, .table_bytes = 1 << 20};

static int file = -1;
static volatile int *shared; /* what a parser and the test tell each other */
enum { ALIVE, GO };

static int open_file(void **state) {
    (void)state;
    char bytes[FILE_BYTES] = TEXT;
    file = memfd_create("a file", MFD_CLOEXEC);
    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return file < 0 || shared == MAP_FAILED || write(file, bytes, sizeof bytes) != sizeof bytes;
}

static int close_file(void **state) {
    (void)state;
    munmap((void *)(uintptr_t)shared, PAGE);
    return close(file);
}

static int run(ms_parse_fn parse, const struct ms_confine_limits *most, struct ms_table *t,
               struct ms_error *err) {
    return ms_confine_run(parse, NULL, file, most, t, err);
}

/* It failed, as `word` says, and left nothing. */
static void failed(int status, const struct ms_table *t, const struct ms_error *err, const char *word) {
    print_message("# %s\n", err->line);
    assert_int_equal(status, MS_UNCERTAIN);
    assert_null(t->bytes);
    if (!strstr(err->line, word)) fail_msg("'%s' lacks '%s'", err->line, word);
}

static void fails(ms_parse_fn parse, const char *word) {
    struct ms_table t;
    struct ms_error err = {""};
    failed(run(parse, &few, &t, &err), &t, &err, word);
}

/* ---- tables ------------------------------------------------------------------------------------ */

static bool copy_and_change(const void *wanted, uint8_t *bytes, size_t len, struct ms_sink out) {
    bool ok = out.put(out.ctx, bytes, len) && (!wanted || out.put(out.ctx, wanted, sizeof WANTED));
    memset(bytes, 0x55, len);
    return ok;
}

static void test_a_table_comes_back_and_the_file_is_as_before(void **state) {
    (void)state;
    struct ms_table t;
    struct ms_error err = {""};
    char now[sizeof TEXT];
    assert_int_equal(ms_confine_run(copy_and_change, WANTED, file, &few, &t, &err), MS_OK);
    assert_int_equal(t.len, FILE_BYTES + sizeof WANTED);
    assert_string_equal(t.bytes, TEXT);
    assert_string_equal((char *)t.bytes + FILE_BYTES, WANTED);
    assert_int_equal(pread(file, now, sizeof now, 0), sizeof now);
    assert_string_equal(now, TEXT);
    assert_int_equal(mprotect(t.bytes, t.len, PROT_READ), 0);
    ms_table_free(&t);
    assert_null(t.bytes);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* it was collected */
}

static bool say_nothing(const void *wanted, uint8_t *bytes, size_t len, struct ms_sink out) {
    (void)wanted, (void)bytes, (void)len, (void)out;
    return true;
}

static void test_no_table_is_not_a_failure(void **state) {
    (void)state;
    struct ms_table t;
    struct ms_error err = {""};
    assert_int_equal(run(say_nothing, &few, &t, &err), MS_OK);
    assert_null(t.bytes);
}

static void test_what_is_no_file_has_no_table(void **state) {
    (void)state;
    int empty = memfd_create("empty", MFD_CLOEXEC), dir = open("/", O_RDONLY | O_DIRECTORY),
        fds[] = {empty, dir};
    for (size_t i = 0; i < 2; i++) {
        struct ms_table t;
        struct ms_error err = {""};
        assert_int_equal(ms_confine_run(copy_and_change, NULL, fds[i], &few, &t, &err), MS_OK);
        assert_null(t.bytes);
        close(fds[i]);
    }
}

/* ---- ends -------------------------------------------------------------------------------------- */

static bool crash(const void *wanted, uint8_t *bytes, size_t len, struct ms_sink out) {
    static uint8_t *volatile nowhere = (uint8_t *)64;
    (void)wanted, (void)len, (void)out;
    *nowhere = bytes[0];
    return true;
}
static bool stop(const void *wanted, uint8_t *bytes, size_t len, struct ms_sink out) {
    (void)wanted, (void)bytes, (void)len, (void)out;
    __builtin_trap();
}
static bool give_up_half_way(const void *wanted, uint8_t *bytes, size_t len, struct ms_sink out) {
    (void)wanted, (void)len;
    out.put(out.ctx, bytes, PAGE);
    return false;
}
static bool loop(const void *wanted, uint8_t *bytes, size_t len, struct ms_sink out) {
    (void)wanted, (void)len, (void)out;
    volatile uint8_t *p = bytes;
    for (;;) ++*p;
    return true;
}
/* Told when to go on, by *shared. */
static bool wait_for_ever(const void *wanted, uint8_t *bytes, size_t len, struct ms_sink out) {
    (void)wanted, (void)bytes, (void)len, (void)out;
    shared[ALIVE] = 1;
    while (!shared[GO]) syscall(SYS_futex, &shared[GO], FUTEX_WAIT, 0, NULL, NULL, 0);
    return true;
}
static bool take_memory(const void *wanted, uint8_t *bytes, size_t len, struct ms_sink out) {
    (void)wanted, (void)bytes, (void)len, (void)out;
    for (uint64_t taken = 0; taken < few.memory_bytes; taken += 1 << 20) {
        volatile char *p = malloc(1 << 20);
        if (!p) return false;
        *p = 1;
    }
    return true;
}
static bool say_too_much(const void *wanted, uint8_t *bytes, size_t len, struct ms_sink out) {
    (void)wanted;
    while (out.put(out.ctx, bytes, len)) {}
    return false;
}

static void test_a_crash_ends_the_parser_only(void **state) {
    (void)state;
    fails(crash, "signal 11");
    fails(stop, "signal");
}
static void test_half_a_table_counts_for_nothing(void **state) {
    (void)state;
    fails(give_up_half_way, "could not go on");
}
static void test_memory_is_bounded(void **state) {
    (void)state;
    fails(take_memory, "64 MiB");
}
static void test_the_table_is_bounded(void **state) {
    (void)state;
    fails(say_too_much, "more than 1048576 bytes");
}

static void start(struct ms_confined *c, ms_parse_fn parse, const struct ms_confine_limits *most) {
    struct ms_error err = {""};
    assert_int_equal(ms_confine_start(c, parse, NULL, file, most, &err), MS_OK);
}

/* All three take their time at once. */
static void test_a_parser_that_does_not_end_is_ended(void **state) {
    (void)state;
    struct ms_confined looping, waiting, stopped;
    struct ms_table t;
    struct ms_error err = {""};
    start(&looping, loop, &few);
    start(&waiting, wait_for_ever, &soon);
    start(&stopped, wait_for_ever, &soon);
    assert_int_equal(kill(stopped.pid, SIGSTOP), 0);
    failed(ms_confine_finish(&stopped, &soon, &t, &err), &t, &err, "did not end");
    failed(ms_confine_finish(&waiting, &soon, &t, &err), &t, &err, "more than 1 s");
    failed(ms_confine_finish(&looping, &few, &t, &err), &t, &err, "1 s of processor time");
    assert_int_equal(kill(stopped.pid, SIGKILL), 0);
    assert_int_equal(waitpid(stopped.pid, NULL, 0), stopped.pid);
}

static bool touch_the_end(const void *wanted, uint8_t *bytes, size_t len, struct ms_sink out) {
    (void)wanted, (void)out;
    shared[ALIVE] = 1;
    while (!shared[GO]) sched_yield();
    return ((volatile uint8_t *)bytes)[len - 1] == 0;
}

/* Until it runs, confined. */
static void await_alive(const struct ms_confined *c) {
    while (!shared[ALIVE]) {
        assert_int_equal(waitpid(c->pid, NULL, WNOHANG), 0);
        sched_yield();
    }
}

static void test_a_file_that_shrinks_ends_the_parser_only(void **state) {
    (void)state;
    struct ms_confined c;
    struct ms_table t;
    struct ms_error err = {""};
    start(&c, touch_the_end, &few);
    await_alive(&c);
    assert_int_equal(ftruncate(file, PAGE), 0);
    shared[GO] = 1;
    failed(ms_confine_finish(&c, &few, &t, &err), &t, &err, "signal 7");
}

/* A tool that ends takes its parser with it, whatever state that is in. */
static void test_it_ends_with_the_tool(void **state) {
    (void)state;
    int status;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    pid_t tool = fork();
    if (tool == 0) {
        struct ms_confined c;
        if (ms_confine_start(&c, wait_for_ever, NULL, file, &few, NULL)) _exit(1);
        while (!shared[ALIVE]) sched_yield();
        shared[2] = c.pid;
        _exit(0);
    }
    assert_int_equal(waitpid(tool, &status, 0), tool);
    assert_int_equal(status, 0);
    pid_t parser = shared[2];
    assert_int_equal(waitpid(parser, &status, 0), parser);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- rights ------------------------------------------------------------------------------------ */

struct attempt {
    const char *what;
    int error;
};

/* Each of these would be a way out, or a way to live on; *shared says what came of it. */
static bool try_all(const void *wanted, uint8_t *bytes, size_t len, struct ms_sink out) {
    (void)wanted;
    static char path[] = "/etc/passwd", name[] = "/tmp/it was here";
    struct iovec v = {bytes, 8};
    struct itimerval off = {{0, 0}, {0, 0}};
    struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct attempt a[40];
    size_t n = 0;
#define TRY(what, call) (errno = 0, (void)(call), a[n++] = (struct attempt){what, errno})
    TRY("openat", syscall(SYS_openat, AT_FDCWD, path, O_RDONLY));
    TRY("creat", syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT, 0600));
    TRY("stat", syscall(SYS_newfstatat, AT_FDCWD, path, bytes, 0));
    TRY("unlink", syscall(SYS_unlinkat, AT_FDCWD, name, 0));
    TRY("read", syscall(SYS_read, 3, bytes, 8));
    TRY("socket", syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
    TRY("clone", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    TRY("execve", syscall(SYS_execve, path, NULL, NULL));
    TRY("kill", syscall(SYS_kill, getppid(), 0));
    TRY("tgkill", syscall(SYS_tgkill, 1, 1, 0));
    TRY("ptrace", syscall(SYS_ptrace, PTRACE_ATTACH, 1, 0, 0));
    TRY("process_vm_readv", syscall(SYS_process_vm_readv, 1, &v, 1, &v, 1, 0));
    TRY("process_vm_writev", syscall(SYS_process_vm_writev, 1, &v, 1, &v, 1, 0));
    TRY("pidfd_open", syscall(SYS_pidfd_open, 1, 0));
    TRY("map code", syscall(SYS_mmap, 0, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    TRY("map file", syscall(SYS_mmap, 0, PAGE, PROT_READ, MAP_SHARED, 3, 0));
    TRY("make code", syscall(SYS_mprotect, bytes, PAGE, PROT_READ | PROT_EXEC));
    TRY("setitimer", syscall(SYS_setitimer, ITIMER_REAL, &off, NULL));
    TRY("sigaction", syscall(SYS_rt_sigaction, SIGALRM, &ignore, NULL, 8));
    TRY("sigprocmask", syscall(SYS_rt_sigprocmask, SIG_BLOCK, bytes, NULL, 8));
    TRY("prlimit", syscall(SYS_prlimit64, 0, RLIMIT_CPU, &more, NULL));
    TRY("prctl", syscall(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0));
    TRY("setuid", syscall(SYS_setuid, 0));
    TRY("seccomp", syscall(SYS_seccomp, 1, 0, NULL));
    TRY("memfd", syscall(SYS_memfd_create, "more", 0));
    TRY("fcntl", syscall(SYS_fcntl, 3, F_ADD_SEALS, F_SEAL_WRITE));
    TRY("dup", syscall(SYS_dup, 3));
    TRY("io_uring", syscall(SYS_io_uring_setup, 1, bytes));
    TRY("bpf", syscall(SYS_bpf, 0, bytes, 8));
    TRY("unshare", syscall(SYS_unshare, 0x10000000));
    return len && out.put(out.ctx, a, n * sizeof *a);
}

static void test_no_way_out_is_open(void **state) {
    (void)state;
    struct ms_table t;
    struct ms_error err = {""};
    assert_int_equal(run(try_all, &few, &t, &err), MS_OK);
    const struct attempt *a = t.bytes;
    size_t n = t.len / sizeof *a;
    assert_true(n >= 28);
    for (size_t i = 0; i < n; i++)
        if (a[i].error != EPERM)
            fail_msg("%s: %s", a[i].what, strerror(a[i].error)); /* the address is ours too */
    ms_table_free(&t);
}

static void slurp(pid_t pid, const char *name, char *out, size_t room) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, room - 1);
    assert_true(n > 0);
    out[n] = 0;
    close(fd);
}

static void has(const char *text, const char *line) {
    if (!strstr(text, line)) fail_msg("no '%s' in\n%s", line, text);
}

static void test_it_has_no_rights(void **state) {
    (void)state;
    static const char *const status_lines[] = {"\nCapInh:\t0000000000000000\n",
                                               "\nCapPrm:\t0000000000000000\n",
                                               "\nCapEff:\t0000000000000000\n",
                                               "\nCapAmb:\t0000000000000000\n",
                                               "\nNoNewPrivs:\t1\n",
                                               "\nSeccomp:\t2\n",
                                               "\nSigBlk:\t0000000000000000\n",
                                               "\nSigIgn:\t0000000000000000\n",
                                               "\nSigCgt:\t0000000000000000\n"};
    struct ms_confined c;
    struct ms_table t;
    struct ms_error err = {""};
    char text[8192], path[64];
    struct stat st;
    signal(SIGALRM, SIG_IGN); /* as under nohup and the like */
    start(&c, wait_for_ever, &few);
    signal(SIGALRM, SIG_DFL);
    await_alive(&c);
    slurp(c.pid, "status", text, sizeof text);
    for (size_t i = 0; i < sizeof status_lines / sizeof *status_lines; i++) has(text, status_lines[i]);
    if (geteuid() == 0) {
        has(text, "\nUid:\t65534\t65534\t65534\t65534\n");
        has(text, "\nGid:\t65534\t65534\t65534\t65534\n");
        has(text, "\nGroups:\t \n");
        for (int fd = 0; fd < 100; fd++) { /* one descriptor: the table's */
            snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)c.pid, fd);
            assert_int_equal(lstat(path, &st) == 0, fd == 3);
        }
        snprintf(path, sizeof path, "/proc/%d/mem", (int)c.pid);
        assert_int_equal(lstat(path, &st), 0);
        assert_int_equal(st.st_uid, 0); /* root's: others of its user cannot look into it */
    }
    slurp(c.pid, "limits", text, sizeof text);
    has(text, "\nMax cpu time              1                    2                    seconds");
    has(text, "\nMax file size             1048576              1048576              bytes");
    assert_null(strstr(text, "\nMax address space         unlimited"));
    kill(c.pid, SIGKILL);
    failed(ms_confine_finish(&c, &few, &t, &err), &t, &err, "signal 9");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_file, close_file)

int main(void) {
    static const struct CMUnitTest tests[] = {
        TEST(test_a_table_comes_back_and_the_file_is_as_before),
        TEST(test_no_table_is_not_a_failure),
        TEST(test_what_is_no_file_has_no_table),
        TEST(test_a_crash_ends_the_parser_only),
        TEST(test_half_a_table_counts_for_nothing),
        TEST(test_memory_is_bounded),
        TEST(test_the_table_is_bounded),
        TEST(test_a_parser_that_does_not_end_is_ended),
        TEST(test_a_file_that_shrinks_ends_the_parser_only),
        TEST(test_it_ends_with_the_tool),
        TEST(test_no_way_out_is_open),
        TEST(test_it_has_no_rights),
    };
    return cmocka_run_group_tests_name("confine", tests, NULL, NULL);
}
