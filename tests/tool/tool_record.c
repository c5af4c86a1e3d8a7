/* tool_record.c - `record`, `rec:FILE`, `replay` and `diff` on processes of which everything is known.
 *
 * What a recording shows is what the process showed, field by field; differences are those that the target was told to make;
 * and however a recorder ends, by Ctrl-C, by the end of its target, by SIGKILL of itself or of the process that writes,
 * the file opens and ends with a whole moment.
 */
#include "toolkit.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct tk_target t;
static char *file, *rec;

/* A file name that no recording has yet, and its target. */
static void fresh(void) {
    static int number;
    char name[16];
    free(file);
    free(rec);
    snprintf(name, sizeof name, "%d.rec", ++number);
    file = tk_path_in(tk_scratch(), name);
    rec = calloc(strlen(file) + 16, 1);
    sprintf(rec, "rec:%s", file);
}

static const char *at(const char *when) {
    static char target[256];
    snprintf(target, sizeof target, "%s@%s", rec, when);
    return target;
}

static int start(void **state) {
    (void)state;
    fresh();
    TK_START(&t, tk_target_path("target_maps"), "known");
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

static bool is_there(const char *suffix) {
    char path[256];
    snprintf(path, sizeof path, "%s%s", file, suffix);
    return access(path, F_OK) == 0;
}

static void expect_one_whole_file(void) {
    assert_true(is_there(""));
    assert_false(is_there("-wal"));
    assert_false(is_there("-shm"));
    assert_false(is_there("-journal"));
}

static void record_moments(const char *count, const char *more) {
    struct tk_result r;
    TK_RUN(&r, "record", t.id, "-o", file, "--count", count, "-i", "0.1", more ? more : "--resident");
    TK_CODE(&r, 0);
    assert_non_null(strstr(r.out, "moment"));
    TK_CLEAN(r.out, r.out_len, 0);
    tk_result_free(&r);
    expect_one_whole_file();
}

/* A recorder at work, and the moments it has so far. */
static pid_t recorder_of(const char *id) {
    fresh();
    return tk_spawn(&(struct tk_how){0}, (const char *const[]){"record", id, "-o", file, "-i", "0.1", NULL},
                    NULL, NULL);
}

static char *last_line; /* why there are none */

static uint64_t moments(void) {
    struct tk_result r;
    uint64_t n = 0;
    TK_RUN(&r, "replay", rec, "-n", "1", "-o", "json");
    if (r.code == 0) {
        json_t *doc = tk_json_parse(&r);
        n = tk_number(doc, "target.recording.moments");
        json_decref(doc);
    } else {
        free(last_line);
        last_line = strdup(r.err);
    }
    tk_result_free(&r);
    return n;
}

static void until_moments(uint64_t n) {
    uint64_t limit = tk_now_ns() + UINT64_C(20000000000);
    while (moments() < n) {
        if (tk_now_ns() > limit) fail_msg("the recording does not come to %" PRIu64 " moments", n);
        usleep(20000);
    }
}

static int stop(pid_t pid, int signal) {
    int status;
    if (signal) assert_int_equal(kill(pid, signal), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- what is recorded --------------------------------------------------------------------------- */

static void expect_same(const json_t *a, const json_t *b, const char *path) {
    if (json_equal(tk_at(a, path), tk_at(b, path))) return;
    char *x = json_dumps(tk_at(a, path), JSON_ENCODE_ANY), *y = json_dumps(tk_at(b, path), JSON_ENCODE_ANY);
    size_t i = 0;
    while (x[i] && x[i] == y[i]) i++;
    fail_msg("%s is not what it was, from ...%.80s\nto ...%.80s", path, x + (i > 40 ? i - 40 : 0),
             y + (i > 40 ? i - 40 : 0));
}

static void test_a_recording_shows_what_the_process_showed(void **state) {
    (void)state;
    static const char *const named[] = {"map22", "map20", "map18", "map00", "map21"};
    record_moments("2", "--details=5");
    json_t *live = TK_JSON("list", t.id), *kept = TK_JSON("list", rec), *first = TK_JSON("list", at("#1"));
    expect_same(live, kept, "maps");
    expect_same(live, kept, "totals");
    expect_same(live, first, "maps");
    expect_same(live, kept, "target.libraries");
    expect_same(live, kept, "target.exe");
    assert_int_equal(tk_number(kept, "target.pid"), t.pid);
    assert_int_equal(tk_number(kept, "target.recording.moment"), 2);
    assert_int_equal(tk_number(first, "target.recording.moment"), 1);
    assert_string_equal(tk_text(kept, "target.recording.file"), file);
    tk_sums(kept);
    json_decref(live);
    json_decref(kept);
    json_decref(first);
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        struct tk_result r;
        bool largest = i < 3 || i == 4; /* of five: map21, 20, 22, 18 and one more */
        if (!largest) {
            TK_RUN(&r, "show", rec, named[i], "-o", "json");
            TK_REFUSED(&r, 4, "was not recorded", "--details");
            json_t *doc = json_loads(r.out, 0, NULL);
            assert_true(json_is_null(json_object_get(json_array_get(tk_at(doc, "maps"), 0), "histograms")));
            json_decref(doc);
            tk_result_free(&r);
            continue;
        }
        json_t *a = TK_JSON("show", t.id, named[i]), *b = TK_JSON("show", rec, named[i]);
        expect_same(a, b, "maps");
        json_decref(a);
        json_decref(b);
        a = TK_JSON("heat", t.id, named[i]), b = TK_JSON("heat", rec, named[i]);
        expect_same(a, b, "heat");
        json_decref(a);
        json_decref(b);
    }
}

static void test_what_was_not_recorded_is_said(void **state) {
    (void)state;
    struct tk_result r;
    record_moments("1", "--count=1");
    TK_RUN(&r, "heat", rec, "map22");
    TK_REFUSED(&r, 4, "was not recorded", "--details");
    tk_result_free(&r);
    TK_RUN(&r, "list", rec, "--resident");
    TK_REFUSED(&r, 4, "was not recorded", "--resident");
    tk_result_free(&r);
    TK_RUN(&r, "holders", rec, "map22");
    TK_REFUSED(&r, 4, "was not recorded", "holds");
    tk_result_free(&r);
    TK_RUN(&r, "show", rec, "map22", "--hex", "0");
    TK_REFUSED(&r, 4, "was not recorded", "groups");
    tk_result_free(&r);
    TK_RUN(&r, "explain", rec, "0x1000");
    TK_REFUSED(&r, 4, "was not recorded");
    tk_result_free(&r);
    TK_RUN(&r, "show", rec, "map22");
    TK_CODE(&r, 4);
    assert_non_null(strstr(r.out, "allocated bytes exactly"));
    assert_null(strstr(r.out, "groups by live slots"));
    tk_result_free(&r);
}

static void test_what_is_wrong_is_refused(void **state) {
    (void)state;
    struct tk_result r;
    record_moments("2", NULL);
    const struct {
        const char *args[7];
        int code;
        const char *word;
    } wrong[] = {{{"record", t.id, "-o", file}, 2, "there already"},
                 {{"record", t.id}, 2, "-o FILE"},
                 {{"record", t.id, "-o", "json"}, 2, "./json"},
                 {{"record", rec, "-o", "/tmp/none.rec"}, 2, "does not run"},
                 {{"record", t.id, "-o", "/nowhere/x.rec"}, 2, "No such file"},
                 {{"record", t.id, "-o", "x", "--max-bytes", "5"}, 2, "1M"},
                 {{"record", t.id, "-o", "x", "--keep", "soon"}, 2, "--keep"},
                 {{"replay", t.id}, 2, "recordings"},
                 {{"list", at("#3")}, 2, "#3"},
                 {{"list", "rec:/nowhere"}, 2, "no such recording"},
                 {{"list", "rec:/proc/self/exe"}, 2, "no recording"},
                 {{"list", rec, "--stop"}, 2, "does not run"},
                 {{"doctor", rec, "--seconds", "1"}, 2, "does not run"},
                 {{"diff", t.id}, 2, "--seconds"},
                 {{"diff", rec, "--fail-on", "colour>3"}, 2, "no such field"},
                 {{"diff", rec, "--sort", "name"}, 2, "sorted"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tk_run_how(&r, &(struct tk_how){.cwd = tk_scratch()}, wrong[i].args);
        TK_REFUSED(&r, wrong[i].code, wrong[i].word);
        tk_result_free(&r);
    }
    char *left = tk_path_in(tk_scratch(), "x"); /* of a run that came to nothing */
    assert_int_equal(access(left, F_OK), -1);
    free(left);
}

static void test_names_are_harmless(void **state) {
    (void)state;
    struct tk_result r;
    tk_ask(&t, "name 22 1b5b316d0a3c2f7363726970743ec328e280ae25735c");
    record_moments("1", "--details=1");
    static const char *const verbs[][2] = {{"list", NULL}, {"replay", NULL}, {"diff", NULL}};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        TK_RUN(&r, verbs[i][0], rec);
        TK_CODE(&r, 0);
        TK_CLEAN(r.out, r.out_len, 80);
        tk_result_free(&r);
        TK_RUN(&r, verbs[i][0], rec, "-o", "json");
        TK_CODE(&r, 0);
        json_decref(tk_json_parse(&r));
        tk_result_free(&r);
    }
}

/* ---- differences --------------------------------------------------------------------------------- */

static json_t *difference_of(const json_t *doc, const char *name) {
    size_t i;
    json_t *d;
    json_array_foreach(tk_at(doc, "differences"), i, d) if (strcmp(tk_text(d, "name"), name) == 0) return d;
    fail_msg("no difference of %s", name);
    return NULL;
}

static void expect_difference(const json_t *doc, const char *name, const char *change, uint64_t before,
                              uint64_t after) {
    const json_t *d = difference_of(doc, name);
    assert_string_equal(tk_text(d, "change"), change);
    assert_int_equal(tk_number(d, "before.entries"), before);
    assert_int_equal(tk_number(d, "after.entries"), after);
}

static void expect_changes(const json_t *doc) {
    assert_true(json_is_true(tk_at(doc, "same_process")));
    assert_int_equal(tk_number(doc, "changes.went"), 1);
    assert_int_equal(tk_number(doc, "changes.came"), 0);
    assert_int_equal(tk_number(doc, "changes.grew"), 2);
    assert_int_equal(tk_number(doc, "changes.none"), 19);
    assert_int_equal(tk_number(doc, "before.maps"), 23);
    assert_int_equal(tk_number(doc, "after.maps"), 22);
    expect_difference(doc, "map00", "grew", 0, 1000);
    expect_difference(doc, "map19", "grew", 101, 300);
    const json_t *large = difference_of(doc, "map22");
    assert_int_equal(tk_number(large, "before.entries"), 100003);
    assert_int_equal(tk_number(large, "after.entries"), 99000);
    assert_string_equal(tk_text(large, "change"),
                        tk_number(large, "after.slots") >= tk_number(large, "before.slots") ? "emptier"
                                                                                            : "shrank");
}

/* A recorder sees a target change; the first moment against the last has what was changed, and nothing else. */
static void test_known_changes_are_the_differences(void **state) {
    (void)state;
    struct tk_result r;
    json_t *before = TK_JSON("list", t.id);
    pid_t pid = recorder_of(t.id);
    until_moments(1);
    assert_string_equal(tk_ask(&t, "fill 0 1000"), "ok");
    assert_string_equal(tk_ask(&t, "fill 19 300"), "ok");
    assert_string_equal(tk_ask(&t, "drop 22 99000"), "ok");
    assert_string_equal(tk_ask(&t, "free 5"), "ok");
    until_moments(moments() + 2);
    assert_int_equal(stop(pid, SIGINT), 0);
    expect_one_whole_file();
    json_t *doc = TK_JSON("diff", rec), *live = TK_JSON("list", t.id), *kept = TK_JSON("list", rec),
           *first = TK_JSON("list", at("+0"));
    expect_changes(doc);
    expect_same(live, kept, "maps");
    expect_same(before, first, "maps");
    json_decref(doc);
    doc = TK_JSON("diff", at("#1"), t.id); /* a recording and its process */
    expect_changes(doc);
    json_decref(doc);
    json_decref(live);
    json_decref(kept);
    json_decref(first);
    json_decref(before);
    TK_RUN(&r, "diff", rec);
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 80);
    assert_non_null(strstr(r.out, "23 maps before, 22 after: 1 went, 2 grew,"));
    tk_result_free(&r);
    TK_RUN(&r, "diff", rec, "--by", "type");
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 80);
    assert_non_null(strstr(r.out, "3->2"));
    tk_result_free(&r);
}

static void test_fail_on_finds_what_it_says(void **state) {
    (void)state;
    struct tk_result r;
    record_moments("1", NULL);
    assert_string_equal(tk_ask(&t, "fill 0 1000"), "ok");
    static const struct {
        const char *expr;
        int code;
    } tries[] = {{"entries>999", 1}, {"entries>1000", 0}, {"bytes>1K,change=grew", 1},    {"change=came", 0},
                 {"total>1K", 1},    {"total<0", 0},      {"name~map00,entries=1000", 1}, {"name~map01", 0},
                 {"waste>1G", 0}};
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        TK_RUN(&r, "diff", rec, t.id, "--fail-on", tries[i].expr);
        if (tries[i].code)
            TK_REFUSED(&r, 1, tries[i].expr, "map00");
        else
            TK_CODE(&r, 0);
        tk_result_free(&r);
    }
}

/* Two runs of a program share no ids: maps are told by name and type. */
static void test_two_processes(void **state) {
    (void)state;
    struct tk_target other;
    struct tk_result r;
    TK_START(&other, tk_target_path("target_maps"), "known");
    json_t *doc = TK_JSON("diff", t.id, other.id);
    assert_true(json_is_false(tk_at(doc, "same_process")));
    assert_int_equal(tk_number(doc, "changes.came") + tk_number(doc, "changes.went"), 0);
    assert_int_equal(tk_number(doc, "before.entries"), tk_number(doc, "after.entries"));
    json_decref(doc);
    tk_kill(&other);
    TK_START(&other, tk_target_path("target_maps"), "many", "5");
    doc = TK_JSON("diff", t.id, other.id);
    assert_int_equal(tk_number(doc, "before.maps"), 23);
    assert_int_equal(tk_number(doc, "after.maps"), 5);
    json_decref(doc);
    TK_RUN(&r, "diff", t.id, "--seconds", "0.1");
    TK_CODE(&r, 0);
    assert_non_null(strstr(r.out, "23 as before"));
    tk_result_free(&r);
    tk_kill(&other);
}

/* ---- replay ------------------------------------------------------------------------------------ */

static void test_replay_prints_a_moment(void **state) {
    (void)state;
    struct tk_result r;
    record_moments("4", NULL);
    static const struct {
        const char *when, *says;
    } tries[] = {
        {"#1", "moment 1 of 4"}, {"+0", "moment 1 of 4"}, {"-0", "moment 4 of 4"}, {"#3", "moment 3 of 4"}};
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        TK_RUN(&r, "replay", rec, "--at", tries[i].when);
        TK_CODE(&r, 0);
        TK_CLEAN(r.out, r.out_len, 80);
        assert_non_null(strstr(r.out, tries[i].says));
        assert_non_null(strstr(r.out, "map22"));
        tk_result_free(&r);
    }
    TK_RUN(&r, "top", rec, "--once");
    TK_CODE(&r, 0);
    assert_non_null(strstr(r.out, "moment 4 of 4"));
    tk_result_free(&r);
}

/* ---- ends -------------------------------------------------------------------------------------- */

static void test_the_target_ends(void **state) {
    (void)state;
    pid_t pid = recorder_of(t.id);
    until_moments(1);
    kill(t.pid, SIGKILL);
    assert_int_equal(stop(pid, 0), 3);
    expect_one_whole_file();
    json_t *doc = TK_JSON("list", rec);
    assert_int_equal(tk_number(doc, "totals.maps"), 23);
    json_decref(doc);
}

/* The process that writes, which is the recorder's child. */
static pid_t scribe_of(pid_t pid) {
    char path[64];
    size_t len;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    char *text = tk_slurp(path, &len);
    pid_t child = text ? (pid_t)atoi(text) : 0;
    free(text);
    return child;
}

/* Every moment is whole: its rows make the totals that stand with it. */
static void expect_whole_moments(uint64_t maps) {
    uint64_t n = moments();
    if (n == 0) fail_msg("no moment: %s", last_line);
    for (uint64_t i = 1; i <= n; i += n > 5 ? n - 1 : 1) { /* all, or the first and the last */
        char when[24];
        snprintf(when, sizeof when, "#%" PRIu64, i);
        json_t *doc = TK_JSON("list", at(when));
        assert_int_equal(tk_number(doc, "totals.maps"), maps);
        assert_int_equal(json_array_size(tk_at(doc, "maps")), maps);
        tk_sums(doc);
        json_decref(doc);
    }
}

static void test_sigkill_leaves_whole_moments(void **state) {
    (void)state;
    enum { MAPS = 700 };
    struct tk_target many;
    char maps[16];
    snprintf(maps, sizeof maps, "%d", MAPS);
    TK_START(&many, tk_target_path("target_maps"), "many", maps);
    for (int round = 0; round < (tk_sanitized() ? 2 : 6); round++) {
        pid_t pid = recorder_of(many.id), scribe;
        until_moments(1);
        scribe = scribe_of(pid);
        if (scribe <= 0) {
            stop(pid, SIGKILL);
            tk_kill(&many);
            TK_SKIP("the kernel does not tell the children of a process");
        }
        assert_int_equal(tk_status_field(scribe, "Seccomp"), 2);
        assert_int_equal(tk_status_field(scribe, "NoNewPrivs"), 1);
        usleep((useconds_t)(tk_now_ns() % 150000)); /* anywhere between two moments, or in one */
        if (round % 2) {
            kill(scribe, SIGKILL);
            assert_int_equal(stop(pid, 0), 6);
        } else {
            assert_int_equal(stop(pid, SIGKILL), 128 + SIGKILL);
        }
        expect_whole_moments(MAPS);
        while (kill(scribe, 0) == 0 && is_there("-wal"))
            usleep(1000); /* whose recorder was killed ends by itself */
    }
    tk_kill(&many);
}

static void test_a_ring_forgets_the_oldest(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "record", t.id, "-o", file, "--count", "9", "-i", "0.1", "--keep", "0.2");
    TK_CODE(&r, 0);
    tk_result_free(&r);
    uint64_t n = moments();
    assert_in_range(n, 1, 8);
    json_t *first = TK_JSON("replay", at("#1")), *last = TK_JSON("replay", rec);
    assert_true(tk_number(last, "target.recording.time_ns") > tk_number(first, "target.recording.time_ns") ||
                n == 1);
    expect_same(first, last, "maps");
    json_decref(first);
    json_decref(last);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_a_recording_shows_what_the_process_showed, start, end),
    cmocka_unit_test_setup_teardown(test_what_was_not_recorded_is_said, start, end),
    cmocka_unit_test_setup_teardown(test_what_is_wrong_is_refused, start, end),
    cmocka_unit_test_setup_teardown(test_names_are_harmless, start, end),
    cmocka_unit_test_setup_teardown(test_known_changes_are_the_differences, start, end),
    cmocka_unit_test_setup_teardown(test_fail_on_finds_what_it_says, start, end),
    cmocka_unit_test_setup_teardown(test_two_processes, start, end),
    cmocka_unit_test_setup_teardown(test_replay_prints_a_moment, start, end),
    cmocka_unit_test_setup_teardown(test_the_target_ends, start, end),
    cmocka_unit_test_setup_teardown(test_sigkill_leaves_whole_moments, start, end),
    cmocka_unit_test_setup_teardown(test_a_ring_forgets_the_oldest, start, end),
};
TK_MAIN("record", tests)
