/* tests/tool/toolkit.h - what the tests of mapscope share: start targets, run the tool, read what it says.
 *
 * A driver gets the path of mapscope as its first argument and the paths of its targets behind it;
 * it asks for a target by its file name.  A target prints "ready" and then answers each line on its
 * stdin with one line on its stdout, so nothing here ever sleeps to wait for something.  Everything
 * started dies with the driver.
 */
#ifndef TESTS_TOOLKIT_H
#define TESTS_TOOLKIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>
#include <jansson.h>

/* ---- the tool ---------------------------------------------------------------------------------- */

struct tk_result {
    int code; /* exit code, or 128 + signal */
    char *out, *err;
    size_t out_len, err_len;
    uint64_t ns;
    long peak_kib; /* resident */
};

/* How to run it; zeros mean "as usual". */
struct tk_how {
    uid_t uid;              /* 0: as we are */
    const char *const *env; /* "NAME=value" ... NULL: added */
    const char *cwd;
    int out_fd;          /* above 0: stdout goes there instead of being caught */
    bool no_stdout;      /* closed */
    const char *preload; /* a library to put before all others */
    const char *program; /* instead of mapscope */
    bool unchecked;      /* a signal, or a complaint of a sanitizer, is not a failure */
};

/* Waits for the end; a run of more than 30 s is killed and fails the test. */
void tk_run_how(struct tk_result *r, const struct tk_how *how, const char *const *args);
void tk_result_free(struct tk_result *r);
#define TK_RUN(r, ...)          tk_run_how((r), &(struct tk_how){0}, (const char *const[]){__VA_ARGS__, NULL})
#define TK_RUN_HOW(r, how, ...) tk_run_how((r), (how), (const char *const[]){__VA_ARGS__, NULL})

/* Start it and go on; *out gets its stdout, *err its stderr (either may be NULL: /dev/null). */
pid_t tk_spawn(const struct tk_how *how, const char *const *args, int *out, int *err);

/* Exit code, and nothing on stderr but one line "mapscope: ..." that holds all the words (NULL ends). */
void tk_refused_at(const char *file, int line, const struct tk_result *r, int code, ...);
#define TK_REFUSED(r, code, ...) tk_refused_at(__FILE__, __LINE__, (r), (code), __VA_ARGS__, NULL)
void tk_code_at(const char *file, int line, const struct tk_result *r, int code);
#define TK_CODE(r, want) tk_code_at(__FILE__, __LINE__, (r), (want))

/* ---- targets ----------------------------------------------------------------------------------- */

struct tk_target {
    pid_t pid;
    int in, out;
    char id[16];     /* pid as text */
    char line[4096]; /* the last answer */
};
/* Flags of clone(2) beside SIGCHLD; 0 if the system does not allow them (nothing runs then). */
bool tk_start_flags(struct tk_target *t, uint64_t flags, void (*before)(void), const char *const *argv);
#define TK_START(t, ...) assert_true(tk_start_flags((t), 0, NULL, (const char *const[]){__VA_ARGS__, NULL}))
const char *tk_ask(struct tk_target *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *tk_hear(struct tk_target *t); /* the next line it says; "" at its end */
void tk_kill(struct tk_target *t);        /* and reap */

/* Path of a target by file name, or NULL. */
const char *tk_target_path(const char *name);
extern const char *tk_tool;

/* ---- core files (toolcore.c) ------------------------------------------------------------------- */

/* A folder for one core file, in which the target is then started.  filter: for coredump_filter. */
struct tk_core {
    char dir[96];
    char *file; /* NULL: none was made yet */
};
void tk_core_start(struct tk_core *c, struct tk_target *t, const char *filter, const char *const *argv);
/* Does the kernel write cores into the folder of a process, under a name without folders?  If not it is printed. */
bool tk_core_written(void);
/* The target has ended by itself, and was waited for: find its core. */
void tk_core_found(struct tk_core *c, struct tk_target *t);
/* End the target by SIGABRT and find the core the kernel wrote.  false: it does not write plain files here, which is
 * printed; the target is as it was. */
bool tk_core_kernel(struct tk_core *c, struct tk_target *t);
/* Let gcore write it; the target goes on.  false: there is no gcore, or it may not trace, which is printed. */
bool tk_core_gcore(struct tk_core *c, struct tk_target *t);
/* "core:FILE[,EXE]"; allocated.  exe: NULL none */
char *tk_core_target(const struct tk_core *c, const char *exe);
void tk_core_free(struct tk_core *c);

/* ---- JSON -------------------------------------------------------------------------------------- */

/* Run with "-o json", assert exit code 0 and that the document is of the schema; the caller drops it. */
json_t *tk_json_run(const char *const *args);
#define TK_JSON(...) tk_json_run((const char *const[]){__VA_ARGS__, "-o", "json", NULL})
json_t *tk_json_parse(const struct tk_result *r);
/* Member by path "a.b"; fails the test if it is not there. */
json_t *tk_at(const json_t *doc, const char *path);
uint64_t tk_number(const json_t *doc, const char *path);
const char *tk_text(const json_t *doc, const char *path);
/* The map with that name (or, with '@', the first of that site) of a list; NULL: none. */
json_t *tk_map(const json_t *doc, const char *name);
/* Every map: bytes = sum of its parts; totals = sums over the maps. */
void tk_sums(const json_t *doc);

/* ---- the rest ---------------------------------------------------------------------------------- */

uint64_t tk_now_ns(void);
bool tk_sanitized(void);
/* A new empty directory for the run of the driver; removed at its end. */
const char *tk_scratch(void);
char *tk_path_in(const char *dir, const char *name); /* allocated */
void tk_copy_file(const char *from, const char *to);
char *tk_slurp(const char *path, size_t *len); /* allocated, NUL terminated; NULL: not there */
/* Value of a line "Name:\tvalue" of /proc/PID/status; -1 if it is not there. */
long tk_status_field(pid_t pid, const char *name);
/* No control byte but newline, valid UTF-8 throughout, no line wider than `columns` (0: any). */
void tk_clean_at(const char *file, int line, const char *text, size_t len, int columns);
#define TK_CLEAN(text, len, columns) tk_clean_at(__FILE__, __LINE__, (text), (len), (columns))
#define TK_SKIP(...)                                                                                         \
    do {                                                                                                     \
        print_message("SKIP: " __VA_ARGS__);                                                                 \
        print_message("\n");                                                                                 \
        skip();                                                                                              \
    } while (0)

/* main() of a driver: takes the arguments, runs the tests, cleans up. */
int tk_main(int argc, char **argv, const char *name, const struct CMUnitTest *tests, size_t n);
#define TK_MAIN(name, tests)                                                                                 \
    int main(int argc, char **argv) {                                                                        \
        return tk_main(argc, argv, (name), (tests), sizeof(tests) / sizeof(tests)[0]);                       \
    }

#endif
