/* tool_check.c - `check` runs programs of which is known what their maps come to, and `watch` waits for what a test makes true. */
#include "toolkit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *sick, *maps, *plain;

static int start(void **state) {
    (void)state;
    sick = tk_target_path("target_sick"), maps = tk_target_path("target_maps"),
    plain = tk_target_path("target_plain");
    return 0;
}

/* ---- check ------------------------------------------------------------------------------------------ */

static const json_t *budget(const json_t *doc, size_t i) { return json_array_get(tk_at(doc, "budgets"), i); }

static json_t *run_check(int code, const char *one, const char *two, const char *const *command) {
    const char *args[20] = {"check", "-o", "json", "--budget", one, "--budget", two, "--"};
    struct tk_result r;
    for (size_t i = 0; command[i]; i++) args[8 + i] = command[i];
    tk_run_how(&r, &(struct tk_how){0}, args);
    TK_CODE(&r, code);
    char *brace = strstr(r.out, "{\n"); /* behind what the program says itself */
    assert_non_null(brace);
    json_t *doc = json_loads(brace, 0, NULL);
    assert_non_null(doc);
    assert_string_equal(tk_text(doc, "verb"), "check");
    tk_result_free(&r);
    return doc;
}
#define RUN_CHECK(code, one, two, ...)                                                                       \
    run_check((code), (one), (two), (const char *const[]){__VA_ARGS__, NULL})

static void test_the_last_look_is_when_it_is_about_to_end(void **state) {
    (void)state;
    json_t *doc = RUN_CHECK(0, "name=map22,entries=100003", "entries<=106595", maps, "known");
    assert_true(json_is_true(tk_at(doc, "last_look_at_exit")));
    assert_int_equal(tk_number(doc, "peak.maps"), 23);
    assert_int_equal(tk_number(doc, "peak.entries"), 106595);
    assert_int_equal(tk_number(doc, "maps_made"), 23);
    assert_int_equal(tk_number(doc, "program.exit_code"), 0);
    assert_int_equal(tk_number(budget(doc, 1), "worst"), 106595);
    json_decref(doc);
}

static void test_a_broken_budget_is_a_finding(void **state) {
    (void)state;
    json_t *doc = RUN_CHECK(1, "name=map22,entries<100000", "bytes<1G", maps, "known");
    assert_string_equal(tk_text(budget(doc, 0), "result"), "broken");
    assert_string_equal(tk_text(budget(doc, 0), "name"), "map22");
    assert_string_equal(tk_text(budget(doc, 0), "field"), "entries");
    assert_true(tk_number(budget(doc, 0), "worst") >= 100000);
    assert_string_equal(tk_text(budget(doc, 1), "result"), "kept");
    json_decref(doc);
    doc = RUN_CHECK(1, "name=map22,growths<3", "name~map,waste<1K", maps, "known");
    assert_string_equal(tk_text(budget(doc, 0), "result"), "broken");
    assert_string_equal(tk_text(budget(doc, 1), "result"), "broken");
    json_decref(doc);
}

static void test_a_budget_about_nothing_is_not_kept(void **state) {
    (void)state;
    json_t *doc = RUN_CHECK(4, "name=no-such,bytes<1G", "bytes<1G", maps, "known");
    assert_string_equal(tk_text(budget(doc, 0), "result"), "unseen");
    json_decref(doc);
}

static void test_the_exit_code_of_the_program_is_passed_on(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "check", "--", "sh", "-c", "exit 42");
    assert_int_equal(r.code, 42);
    tk_result_free(&r);
    TK_RUN_HOW(&r, &(struct tk_how){.unchecked = true}, "check", "--", "sh", "-c", "kill -TERM $$");
    assert_int_equal(r.code, 128 + SIGTERM);
    tk_result_free(&r);
    TK_RUN(&r, "check", "--", "sh", "-c", "echo out; echo err >&2");
    assert_non_null(strstr(r.out, "out\n"));
    assert_non_null(strstr(r.err, "err\n"));
    assert_non_null(strstr(r.err, "no look saw maps"));
    assert_int_equal(r.code, 4);
    tk_result_free(&r);
    TK_RUN(&r, "check", "--", "/no/such/program");
    TK_REFUSED(&r, 2, "cannot be run", "No such file");
    tk_result_free(&r);
    TK_RUN(&r, "check", "--budget", "bytes<1M");
    TK_REFUSED(&r, 2, "usage");
    tk_result_free(&r);
    TK_RUN(&r, "check", "--budget", "name=x", "--", plain);
    TK_REFUSED(&r, 2, "no limit");
    tk_result_free(&r);
}

static void test_signals_are_passed_on(void **state) {
    (void)state;
    int out, ended;
    char line[8] = "";
    const char *const args[] = {
        "check", "--", "sh", "-c", "trap 'echo got; exit 7' TERM; echo up; while :; do sleep 0.05; done",
        NULL};
    pid_t pid = tk_spawn(&(struct tk_how){0}, args, &out, NULL);
    assert_int_equal(read(out, line, 3), 3);
    assert_memory_equal(line, "up\n", 3);
    kill(pid, SIGTERM);
    assert_int_equal(read(out, line, 4), 4);
    assert_memory_equal(line, "got\n", 4);
    assert_int_equal(waitpid(pid, &ended, 0), pid);
    assert_true(WIFEXITED(ended));
    assert_int_equal(WEXITSTATUS(ended), 7);
    close(out);
}

static void test_the_report_is_clean(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "check", "--budget", "name=map22,entries<10", "--budget", "bytes<1G", "--", maps, "known");
    TK_CODE(&r, 1);
    assert_string_equal(r.out, "ready\n");
    TK_CLEAN(r.err, r.err_len, 80);
    assert_non_null(strstr(r.err, "BROKEN  name=map22,entries<10"));
    assert_non_null(strstr(r.err, "kept    bytes<1G"));
    assert_non_null(strstr(r.err, "about to end"));
    tk_result_free(&r);
}

/* ---- watch ------------------------------------------------------------------------------------------- */

static void read_line(int fd, char *line, size_t len) {
    size_t n = 0;
    while (n + 1 < len && read(fd, line + n, 1) == 1 && line[n] != '\n') n++;
    line[n] = 0;
}

/* Map 17 turns true three times.  That a look saw it false in between is told by a line about another map: that one is
 * filled after map 17 was emptied, and read before it, as it comes first in the registry. */
static void test_a_line_when_it_turns_true(void **state) {
    (void)state;
    static const int marker[] = {0, 1, 7};
    struct tk_target t;
    int out, ended;
    char line[256], want[64];
    TK_START(&t, maps, "known");
    const char *const args[] = {"watch",  t.id,
                                "--when", "entries>=150,entries<1000",
                                "-i",     "0.1",
                                "--",     "sh",
                                "-c",     "echo ran $MAPSCOPE_ENTRIES $MAPSCOPE_MAP $MAPSCOPE_PID",
                                NULL};
    pid_t pid = tk_spawn(&(struct tk_how){0}, args, &out, NULL);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(tk_ask(&t, "fill 17 %d", 150 + i), "ok");
        read_line(out, line, sizeof line);
        assert_non_null(strstr(line, "18.1"));
        read_line(out, line, sizeof line);
        snprintf(want, sizeof want, "ran %d 18.1 %s", 150 + i, t.id);
        assert_string_equal(line, want);
        assert_string_equal(tk_ask(&t, "drop 17 5"), "ok");
        assert_string_equal(tk_ask(&t, "fill %d 200", marker[i]), "ok");
        read_line(out, line, sizeof line);
        read_line(out, line, sizeof line);
        snprintf(want, sizeof want, "ran 200 %d.1 %s", marker[i] + 1, t.id);
        assert_string_equal(line, want); /* and none about map 17 since it was emptied */
    }
    tk_kill(&t); /* the target's end ends it */
    assert_int_equal(waitpid(pid, &ended, 0), pid);
    assert_int_equal(WEXITSTATUS(ended), 3);
    close(out);
}

static void test_once_ends_after_the_first(void **state) {
    (void)state;
    struct tk_target t;
    struct tk_result r;
    TK_START(&t, maps, "known");
    TK_RUN(&r, "watch", t.id, "--when", "entries>100000", "--once", "-o", "json");
    TK_CODE(&r, 0);
    json_t *doc = tk_json_parse(&r);
    assert_string_equal(tk_text(doc, "when"), "entries>100000");
    assert_string_equal(tk_text(json_array_get(tk_at(doc, "maps"), 0), "name"), "map22");
    json_decref(doc);
    tk_result_free(&r);
    TK_RUN(&r, "watch", t.id, "--when", "entries>100000", "--once", "--", "/no/such/program");
    assert_int_equal(r.code, 2);
    assert_non_null(strstr(r.err, "cannot be run"));
    tk_result_free(&r);
    TK_RUN(&r, "watch", t.id);
    TK_REFUSED(&r, 2, "--when");
    tk_result_free(&r);
    TK_RUN(&r, "watch", t.id, "--when", "bytes>");
    TK_REFUSED(&r, 2, "bytes");
    tk_result_free(&r);
    tk_kill(&t);
}

/* A hostile name reaches the command as text in its environment, escaped, and never a shell's command line. */
static void test_a_hostile_name_is_only_text(void **state) {
    (void)state;
    struct tk_target t;
    struct tk_result r;
    TK_START(&t, maps, "known");
    assert_string_equal(tk_ask(&t, "name 22 1b5b324a24286563686f206f776e656429"),
                        "ok"); /* ESC [2J $(echo owned) */
    TK_RUN(&r, "watch", t.id, "--when", "entries>100000", "--once", "--", "sh", "-c",
           "echo \"name: $MAPSCOPE_NAME\"");
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 0);
    assert_non_null(strstr(r.out, "name: \\x1b[2J$(echo owned)\n"));
    tk_result_free(&r);
    tk_kill(&t);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_the_last_look_is_when_it_is_about_to_end, start),
    cmocka_unit_test(test_a_broken_budget_is_a_finding),
    cmocka_unit_test(test_a_budget_about_nothing_is_not_kept),
    cmocka_unit_test(test_the_exit_code_of_the_program_is_passed_on),
    cmocka_unit_test(test_signals_are_passed_on),
    cmocka_unit_test(test_the_report_is_clean),
    cmocka_unit_test(test_a_line_when_it_turns_true),
    cmocka_unit_test(test_once_ends_after_the_first),
    cmocka_unit_test(test_a_hostile_name_is_only_text),
};
TK_MAIN("tool_check", tests)
