/* tool_progress.c - the line on stderr while the tool reads for long: on a terminal, not before a second, gone at the end.
 *
 * The tool is stopped at one exact read by a library put before it.  While it is stopped its timer runs on; when it goes on the
 * line appears.
 */
#include "toolkit.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READ = 300 }; /* of so many maps it has found the library by then, and is far from the end */

static struct tk_target t;

static int start(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("target_maps"), "many", "60000");
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

/* The tool, stopped at a read, with stderr on a terminal or a pipe; its descriptor. */
static pid_t run_held(bool terminal, int *err) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), status, ends[2],
        null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    char at[32];
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    snprintf(at, sizeof at, "%d", READ);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(null, 1);
        dup2(terminal ? slave : ends[1], 2);
        setenv("TERM", "xterm", 1);
        setenv("TK_STOP_AT", at, 1);
        setenv("LD_PRELOAD", tk_target_path("libshim_pread.so"), 1);
        execl(tk_tool, "mapscope", "list", t.id, (char *)NULL);
        _exit(126);
    }
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    *err = fcntl(terminal ? master : ends[0], F_DUPFD_CLOEXEC, 0);
    /* its terminal stays open by `slave` in nobody but the tool */
    close(slave), close(ends[0]), close(ends[1]), close(master), close(null);
    return pid;
}

/* Let it go on to its end; what it said on stderr. */
static void finish(pid_t pid, int err, char *text, size_t room) {
    int status;
    size_t have = 0;
    kill(pid, SIGCONT);
    for (ssize_t n; have + 1 < room && (n = read(err, text + have, room - 1 - have)) > 0;) have += (size_t)n;
    text[have] = 0;
    close(err);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* The timer counts real time; a tool that is stopped meanwhile has its signal waiting. */
static void pass_a_second(void) {
    struct timespec left = {.tv_sec = 1, .tv_nsec = 100000000};
    while (nanosleep(&left, &left) != 0) {}
}

static void test_on_a_terminal(void **state) {
    (void)state;
    char text[4096];
    int err;
    if (tk_sanitized()) TK_SKIP("a library cannot be put before a sanitizer's");
    pid_t pid = run_held(true, &err);
    pass_a_second();
    finish(pid, err, text, sizeof text);
    assert_non_null(strstr(text, "mapscope: reading target_maps: "));
    assert_string_equal(text + strlen(text) - 4, "\r\033[K"); /* and nothing is left of it */
}

static void test_not_before_a_second(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "list", t.id); /* no terminal, and short */
    TK_CODE(&r, 0);
    assert_int_equal(r.err_len, 0);
    tk_result_free(&r);
}

static void test_not_on_a_pipe(void **state) {
    (void)state;
    char text[4096];
    int err;
    if (tk_sanitized()) TK_SKIP("a library cannot be put before a sanitizer's");
    pid_t pid = run_held(false, &err);
    pass_a_second();
    finish(pid, err, text, sizeof text);
    assert_string_equal(text, "");
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_on_a_terminal, start, end),
        cmocka_unit_test_setup_teardown(test_not_before_a_second, start, end),
        cmocka_unit_test_setup_teardown(test_not_on_a_pipe, start, end),
    };
    return tk_main(argc, argv, "tool_progress", tests, sizeof tests / sizeof *tests);
}
