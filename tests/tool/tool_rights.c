/* tool_rights.c - who may look at whom: {root, same user, other user} x {dumpable, not}.  Where it
 * is refused: exit code 5, nothing on stdout, one line with the right that is missing.
 */
#include "toolkit.h"

#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { USER_A = 65534, USER_B = 65533 };
static const char *const verbs[][2] = {{"list", NULL}, {"top", NULL}, {"show", "1.1"}, {"heat", "1.1"}};

/* The build folder may be closed to other users: they get copies. */
static char *tool_copy, *target_copy;

static int prepare(void **state) {
    (void)state;
    chmod(tk_scratch(), 0755);
    tool_copy = tk_path_in(tk_scratch(), "mapscope");
    target_copy = tk_path_in(tk_scratch(), "target_maps");
    tk_copy_file(tk_tool, tool_copy);
    tk_copy_file(tk_target_path("target_maps"), target_copy);
    return 0;
}

static int finish(void **state) {
    (void)state;
    free(tool_copy);
    free(target_copy);
    return 0;
}

static uid_t target_user;
static void change_user(void) {
    if (target_user && (setgroups(0, NULL) || setgid(target_user) || setuid(target_user))) _exit(125);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* changing the user took it away */
}

static void start(struct tk_target *t, uid_t user, bool dumpable) {
    target_user = user;
    const char *argv[] = {target_copy, "many", "5", NULL};
    assert_true(tk_start_flags(t, 0, change_user, argv));
    if (!dumpable) assert_string_equal(tk_ask(t, "undumpable"), "ok");
}

static bool can_change_user(void) { return geteuid() == 0; }

static void expect(uid_t looker, uid_t user, bool dumpable, bool allowed, const char *word) {
    struct tk_target t;
    start(&t, user, dumpable);
    for (size_t i = 0; i < 4; i++) {
        struct tk_result r;
        TK_RUN_HOW(&r, (&(struct tk_how){.uid = looker, .program = tool_copy, .cwd = "/"}), verbs[i][0], t.id,
                   verbs[i][1]);
        if (allowed) {
            TK_CODE(&r, 0);
        } else {
            TK_REFUSED(&r, 5, t.id, "CAP_SYS_PTRACE", word);
            assert_int_equal(r.out_len, 0);
        }
        tk_result_free(&r);
    }
    tk_kill(&t);
}

static void test_same_user(void **state) {
    (void)state;
    if (can_change_user()) {
        expect(USER_A, USER_A, true, true, "");
        return;
    }
    struct tk_target t;
    start(&t, 0, true);
    json_t *doc = TK_JSON("list", t.id);
    assert_int_equal(tk_number(doc, "totals.maps"), 5);
    json_decref(doc);
    tk_kill(&t);
}

static void test_other_user(void **state) {
    (void)state;
    if (!can_change_user()) TK_SKIP("changing the user needs root");
    expect(USER_A, USER_B, true, false, "65533");
    expect(USER_A, 0, true, false, "uid 0");
}

static void test_not_dumpable(void **state) {
    (void)state;
    if (!can_change_user()) TK_SKIP("changing the user needs root");
    expect(USER_A, USER_A, false, false, "");
}

static void test_root_sees_all(void **state) {
    (void)state;
    if (!can_change_user()) TK_SKIP("this is not root");
    expect(0, USER_A, true, true, "");
    expect(0, USER_A, false, true, "");
    expect(0, 0, false, true, "");
}

static void test_process_1(void **state) {
    (void)state;
    struct tk_result r;
    if (!can_change_user()) TK_SKIP("changing the user needs root");
    TK_RUN_HOW(&r, (&(struct tk_how){.uid = USER_A, .program = tool_copy, .cwd = "/"}), "list", "1");
    TK_REFUSED(&r, 5, "process 1", "CAP_SYS_PTRACE");
    tk_result_free(&r);
}

/* ls counts what it may not read, and goes on. */
static void test_ls_goes_on(void **state) {
    (void)state;
    struct tk_target mine, other;
    struct tk_result r;
    if (!can_change_user()) TK_SKIP("changing the user needs root");
    start(&mine, USER_A, true);
    start(&other, USER_B, true);
    TK_RUN_HOW(&r, (&(struct tk_how){.uid = USER_A, .program = tool_copy, .cwd = "/"}), "ls", "-o", "json");
    assert_true(r.code == 0 ||
                r.code == 4); /* 4: another process of the machine is not readable with certainty */
    json_t *doc = tk_json_parse(&r), *p;
    size_t i;
    int seen = 0;
    json_array_foreach(tk_at(doc, "processes"), i, p) {
        assert_int_not_equal(tk_number(p, "target.pid"), other.pid);
        seen += tk_number(p, "target.pid") == (uint64_t)mine.pid;
    }
    assert_int_equal(seen, 1);
    assert_true(tk_number(doc, "not_readable") >= 1);
    json_decref(doc);
    tk_result_free(&r);
    tk_kill(&mine);
    tk_kill(&other);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_same_user, prepare),
    cmocka_unit_test(test_other_user),
    cmocka_unit_test(test_not_dumpable),
    cmocka_unit_test(test_root_sees_all),
    cmocka_unit_test(test_process_1),
    cmocka_unit_test_teardown(test_ls_goes_on, finish),
};
TK_MAIN("rights", tests)
