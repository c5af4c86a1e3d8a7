/* tool_flavours.c - programs of every make: however the library came into the process, its maps are
 * found; where there is nothing to find, one line says so.
 */
#include "toolkit.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The known workload in a running process: every map, exactly. */
static void expect_known(const struct tk_target *t) {
    static const struct {
        const char *name;
        uint64_t entries;
    } want[] = {{"map00", 0}, {"map04", 5}, {"map18", 101}, {"map20", 1009}, {"map22", 100003}};
    json_t *doc = TK_JSON("list", t->id);
    tk_sums(doc);
    assert_int_equal(tk_number(doc, "totals.maps"), 23);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        json_t *m = tk_map(doc, want[i].name);
        assert_non_null(m);
        assert_int_equal(tk_number(m, "entries"), want[i].entries);
    }
    json_decref(doc);
}

static void run_known(const char *program) {
    struct tk_target t;
    const char *path = tk_target_path(program);
    if (!path) TK_SKIP("%s is not built here", program);
    TK_START(&t, path, "known");
    expect_known(&t);
    assert_string_equal(tk_ask(&t, "check"), "ok");
    tk_kill(&t);
}

static void test_static_library(void **state) { (void)state, run_known("target_maps"); }
static void test_shared_library(void **state) { (void)state, run_known("target_shared"); }
static void test_position_dependent(void **state) { (void)state, run_known("target_nopie"); }
static void test_stripped(void **state) { (void)state, run_known("target_stripped"); }
static void test_static_program(void **state) { (void)state, run_known("target_static"); }
static void test_static_pie(void **state) { (void)state, run_known("target_staticpie"); }

/* Copy i of target_copies holds i + 1 maps. */
static void expect_copies(const struct tk_target *t, int copies) {
    json_t *doc = TK_JSON("list", t->id);
    tk_sums(doc);
    assert_int_equal(json_array_size(tk_at(doc, "target.libraries")), copies);
    assert_int_equal(tk_number(doc, "totals.maps"), copies * (copies + 1) / 2);
    for (int c = 0; c < copies; c++)
        for (int k = 0; k <= c; k++) {
            char name[32];
            snprintf(name, sizeof name, "copy %d map %d", c, k);
            json_t *m = tk_map(doc, name);
            assert_non_null(m);
            assert_int_equal(tk_number(m, "entries"), 10 * c + k);
        }
    /* ids are unique in the process, and each leads back to its map */
    size_t i;
    json_t *m;
    json_array_foreach(tk_at(doc, "maps"), i, m) {
        json_t *one = TK_JSON("show", t->id, tk_text(m, "id"));
        assert_string_equal(tk_text(one, "maps.0.name"), tk_text(m, "name"));
        json_decref(one);
    }
    json_decref(doc);
}

static char *another_copy(const char *name) {
    char *path = tk_path_in(tk_scratch(), name);
    tk_copy_file(tk_target_path("libgomap.so.0.1.0"), path);
    return path;
}

static void test_dlopened(void **state) {
    (void)state;
    struct tk_target t;
    TK_START(&t, tk_target_path("target_dlopen"), tk_target_path("libgomap.so.0.1.0"));
    expect_copies(&t, 1);
    tk_kill(&t);
}

static void test_several_copies(void **state) {
    (void)state;
    struct tk_target t;
    char *two = another_copy("two.so"), *three = another_copy("three.so");
    TK_START(&t, tk_target_path("target_copies"), two);
    expect_copies(&t, 2);
    char line[300];
    snprintf(line, sizeof line, "load %s", three);
    assert_string_equal(tk_ask(&t, "%s", line), "ok"); /* while it runs */
    expect_copies(&t, 3);
    tk_kill(&t);
    free(two);
    free(three);
}

/* ---- files that are no longer what they were --------------------------------------------------- */

static void test_deleted_program(void **state) {
    (void)state;
    static const char *const flavour[] = {"target_maps", "target_stripped"};
    for (int i = 0; i < 2; i++) {
        struct tk_target t;
        char *path = tk_path_in(tk_scratch(), "deleted");
        tk_copy_file(tk_target_path(flavour[i]), path);
        TK_START(&t, path, "known");
        assert_int_equal(unlink(path), 0);
        expect_known(&t);
        tk_kill(&t);
        free(path);
    }
}

static void test_replaced_program(void **state) {
    (void)state;
    struct tk_target t;
    char *path = tk_path_in(tk_scratch(), "replaced program (deleted)"); /* and a name that means harm */
    tk_copy_file(tk_target_path("target_maps"), path);
    TK_START(&t, path, "known");
    assert_int_equal(unlink(path), 0);
    tk_copy_file(tk_target_path("target_plain"), path); /* another program under its name */
    expect_known(&t);
    tk_kill(&t);
    unlink(path);
    free(path);
}

static void test_program_by_name(void **state) {
    (void)state;
    struct tk_target t, other;
    struct tk_result r;
    char name[64];
    snprintf(name, sizeof name, "maps-%d", (int)getpid()); /* no other process has it */
    char *path = tk_path_in(tk_scratch(), name);
    tk_copy_file(tk_target_path("target_maps"), path);
    TK_START(&t, path, "many", "3");
    json_t *doc = TK_JSON("list", name);
    assert_int_equal(tk_number(doc, "target.pid"), t.pid);
    json_decref(doc);
    TK_START(&other, path, "many", "3");
    TK_RUN(&r, "list", name);
    TK_REFUSED(&r, 2, name, t.id, other.id);
    tk_result_free(&r);
    tk_kill(&t);
    tk_kill(&other);
    TK_RUN(&r, "list", name);
    TK_REFUSED(&r, 3, name);
    tk_result_free(&r);
    free(path);
}

/* ---- namespaces -------------------------------------------------------------------------------- */

static void hide_tmp(void) {
    /* what the program was started from is not reachable by its path from outside */
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) _exit(125);
}

static void test_mount_namespace(void **state) {
    (void)state;
    struct tk_target t;
    const char *argv[] = {tk_target_path("target_stripped"), "known", NULL};
    if (!tk_start_flags(&t, CLONE_NEWNS, hide_tmp, argv)) TK_SKIP("mount namespaces: %s", strerror(errno));
    expect_known(&t);
    tk_kill(&t);
}

static void test_pid_namespace(void **state) {
    (void)state;
    struct tk_target t;
    const char *argv[] = {tk_target_path("target_maps"), "known", NULL};
    if (!tk_start_flags(&t, CLONE_NEWPID, NULL, argv)) TK_SKIP("pid namespaces: %s", strerror(errno));
    expect_known(&t);
    tk_kill(&t);
}

static void test_user_namespace(void **state) {
    (void)state;
    struct tk_target t;
    const char *argv[] = {tk_target_path("target_maps"), "known", NULL};
    if (!tk_start_flags(&t, CLONE_NEWUSER, NULL, argv)) TK_SKIP("user namespaces: %s", strerror(errno));
    expect_known(&t);
    tk_kill(&t);
}

/* A root directory of its own: paths of its mappings mean nothing to us. */
static char jail[128];
static void enter_jail(void) {
    if (chroot(jail) != 0 || chdir("/") != 0) _exit(125);
}

static void test_chroot(void **state) {
    (void)state;
    struct tk_target t;
    const char *from = tk_target_path("target_static");
    if (!from) TK_SKIP("there is no static program to put into a chroot");
    if (geteuid() != 0) TK_SKIP("chroot needs root");
    snprintf(jail, sizeof jail, "%s/jail", tk_scratch());
    assert_int_equal(mkdir(jail, 0755), 0);
    char *to = tk_path_in(jail, "prog");
    tk_copy_file(from, to);
    const char *argv[] = {"/prog", "known", NULL};
    assert_true(tk_start_flags(&t, 0, enter_jail, argv));
    expect_known(&t);
    tk_kill(&t);
    free(to);
}

/* ---- fork and exec ----------------------------------------------------------------------------- */

static void test_forked_child(void **state) {
    (void)state;
    struct tk_target t;
    TK_START(&t, tk_target_path("target_maps"), "known");
    char child[16];
    snprintf(child, sizeof child, "%s", tk_ask(&t, "fork"));
    json_t *parent = TK_JSON("list", t.id), *copy = TK_JSON("list", child);
    tk_sums(copy);
    assert_int_equal(tk_number(tk_map(parent, "map00"), "entries"), 0);
    assert_int_equal(tk_number(tk_map(copy, "map00"), "entries"), 1); /* its own since */
    assert_int_equal(tk_number(tk_map(copy, "map22"), "entries"), 100003);
    json_decref(parent);
    json_decref(copy);
    kill((pid_t)atoi(child), SIGKILL);
    tk_kill(&t);
}

static void test_exec(void **state) {
    (void)state;
    struct tk_target t;
    struct tk_result r;
    TK_START(&t, tk_target_path("target_maps"), "known");
    tk_ask(&t, "drop 22 1");
    assert_string_equal(tk_ask(&t, "exec"), "ready");
    expect_known(&t); /* the maps of the new image */
    assert_string_equal(tk_ask(&t, "exec-plain %s", tk_target_path("target_plain")), "ready");
    TK_RUN(&r, "list", t.id);
    TK_REFUSED(&r, 2, t.id, "does not use gomap");
    tk_result_free(&r);
    tk_kill(&t);
}

/* ---- nothing to find --------------------------------------------------------------------------- */

static void test_program_without_maps(void **state) {
    (void)state;
    struct tk_target t;
    struct tk_result r;
    TK_START(&t, tk_target_path("target_plain"));
    TK_RUN(&r, "list", t.id);
    TK_REFUSED(&r, 2, t.id, "does not use gomap");
    tk_result_free(&r);
    TK_RUN(&r, "show", t.id, "x");
    TK_REFUSED(&r, 2, t.id, "does not use gomap");
    tk_result_free(&r);
    tk_kill(&t);
}

/* The library is there, and no map yet: an empty list, not an error. */
static void test_library_without_maps(void **state) {
    (void)state;
    struct tk_target t;
    TK_START(&t, tk_target_path("target_maps"), "empty");
    json_t *doc = TK_JSON("list", t.id);
    assert_int_equal(json_array_size(tk_at(doc, "maps")), 0);
    assert_int_equal(tk_number(doc, "totals.bytes"), 0);
    json_decref(doc);
    tk_kill(&t);
}

static void test_32bit_program(void **state) {
    (void)state;
    struct tk_target t;
    struct tk_result r;
    const char *path = tk_target_path("target_32bit");
    if (!path) TK_SKIP("the compiler cannot make 32-bit programs");
    TK_START(&t, path);
    TK_RUN(&r, "list", t.id);
    TK_REFUSED(&r, 4, t.id, "32-bit");
    tk_result_free(&r);
    tk_kill(&t);
}

static void test_own_process(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN_HOW(&r, (&(struct tk_how){.program = "sh"}), "-c", "exec \"$0\" list $$", tk_tool);
    TK_REFUSED(&r, 2, "does not use gomap");
    tk_result_free(&r);
}

static void test_kernel_thread(void **state) {
    (void)state;
    struct tk_result r;
    char *comm = tk_slurp("/proc/2/comm", NULL);
    bool kernel = comm && strncmp(comm, "kthreadd", 8) == 0;
    free(comm);
    if (!kernel) TK_SKIP("no kernel thread is visible here");
    TK_RUN(&r, "list", "2");
    TK_REFUSED(&r, 2, "process 2", "kernel thread");
    tk_result_free(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_static_library),
    cmocka_unit_test(test_shared_library),
    cmocka_unit_test(test_position_dependent),
    cmocka_unit_test(test_stripped),
    cmocka_unit_test(test_static_program),
    cmocka_unit_test(test_static_pie),
    cmocka_unit_test(test_dlopened),
    cmocka_unit_test(test_several_copies),
    cmocka_unit_test(test_deleted_program),
    cmocka_unit_test(test_replaced_program),
    cmocka_unit_test(test_program_by_name),
    cmocka_unit_test(test_mount_namespace),
    cmocka_unit_test(test_pid_namespace),
    cmocka_unit_test(test_user_namespace),
    cmocka_unit_test(test_chroot),
    cmocka_unit_test(test_forked_child),
    cmocka_unit_test(test_exec),
    cmocka_unit_test(test_program_without_maps),
    cmocka_unit_test(test_library_without_maps),
    cmocka_unit_test(test_32bit_program),
    cmocka_unit_test(test_own_process),
    cmocka_unit_test(test_kernel_thread),
};
TK_MAIN("flavours", tests)
