/* tests/tool/toolcore.c - see toolkit.h: targets that leave core files.
 *
 * The kernel writes a core into the folder of the process if core_pattern is a plain file name; else it goes to a
 * program, and what that does with it is the machine's affair.  gcore, of the gdb package, writes one of a process
 * that goes on.
 */
#include "toolkit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CORE_MAX = 1 << 30 };

static const char *next_dir, *next_filter;

/* In the new process. */
static void prepare(void) {
    struct rlimit all;
    getrlimit(RLIMIT_CORE, &all);
    all.rlim_cur = all.rlim_max < CORE_MAX ? all.rlim_max : CORE_MAX;
    setrlimit(RLIMIT_CORE, &all);
    int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
    int said = open(next_dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600); /* a Go program says much as it dies */
    if (said >= 0) dup2(said, STDERR_FILENO);
    if (chdir(next_dir) != 0 || fd < 0 || write(fd, next_filter, strlen(next_filter)) < 0) _exit(126);
    close(fd);
    /* A sanitizer switches cores off, and takes SIGABRT for a finding; its shadow is never dumped. */
    putenv((char *)(uintptr_t) "ASAN_OPTIONS=disable_coredump=0:detect_leaks=0");
}

void tk_core_start(struct tk_core *c, struct tk_target *t, const char *filter, const char *const *argv) {
    static unsigned number;
    *c = (struct tk_core){.file = NULL};
    snprintf(c->dir, sizeof c->dir, "%s/core%u", tk_scratch(), number++);
    assert_int_equal(mkdir(c->dir, 0755), 0);
    next_dir = c->dir;
    next_filter = filter;
    assert_true(tk_start_flags(t, 0, prepare, argv));
}

static bool find_core(struct tk_core *c) {
    DIR *d = opendir(c->dir);
    assert_non_null(d);
    for (struct dirent *e; !c->file && (e = readdir(d));)
        if (strncmp(e->d_name, "core", 4) == 0) c->file = tk_path_in(c->dir, e->d_name);
    closedir(d);
    return c->file != NULL;
}

bool tk_core_written(void) {
    size_t len;
    struct rlimit limit = {0};
    char *pattern = tk_slurp("/proc/sys/kernel/core_pattern", &len);
    getrlimit(RLIMIT_CORE, &limit);
    bool yes = pattern && strncmp(pattern, "core", 4) == 0 && !strchr(pattern, '/') && limit.rlim_max > 0;
    if (!yes)
        print_message("# the kernel writes no core file here: core_pattern is %s", pattern ? pattern : "?\n");
    free(pattern);
    return yes;
}

void tk_core_found(struct tk_core *c, struct tk_target *t) {
    t->pid = -1;
    tk_kill(t);
    assert_true(find_core(c));
}

bool tk_core_kernel(struct tk_core *c, struct tk_target *t) {
    int status;
    if (!tk_core_written()) return false;
    assert_int_equal(kill(t->pid, SIGABRT), 0);
    assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
    assert_true(WIFSIGNALED(status) && WCOREDUMP(status));
    tk_core_found(c, t);
    return true;
}

bool tk_core_gcore(struct tk_core *c, struct tk_target *t) {
    struct tk_result r;
    if (tk_sanitized()) {
        print_message("# gcore would write the terabytes of shadow memory of a sanitizer\n");
        return false;
    }
    struct tk_how how = {.program = "gcore", .unchecked = true, .cwd = c->dir};
    tk_run_how(&r, &how, (const char *const[]){"-o", "core", t->id, NULL});
    bool found = r.code == 0 && find_core(c);
    if (!found)
        print_message("# gcore writes no core file here (%s)\n",
                      r.code == 126 ? "it is not installed" : r.err);
    tk_result_free(&r);
    return found;
}

char *tk_core_target(const struct tk_core *c, const char *exe) {
    size_t room = strlen(c->file) + (exe ? strlen(exe) : 0) + 8;
    char *target = malloc(room);
    assert_non_null(target);
    snprintf(target, room, "core:%s%s%s", c->file, exe ? "," : "", exe ? exe : "");
    return target;
}

/* The file too: a core is large. */
void tk_core_free(struct tk_core *c) {
    if (c->file) unlink(c->file);
    free(c->file);
    c->file = NULL;
}
