/* tool_go_core.c - core files of Go programs: every map that was seen alive, with the same figures and holders.
 *
 * The program is tests/go, built by tests/go/on_go.sh.  With GOTRACEBACK=crash a Go program that gets SIGABRT says where
 * its goroutines are and lets the kernel write a core.
 */
#include "toolkit.h"

#include <assert.h>

#include <sys/stat.h>
#include <unistd.h>

static struct tk_target t;
static struct tk_core core;
static json_t *live, *live_show, *live_heat, *live_held[3];
static const char *const held[] = {"main.GTwice", "main.GDiamond[0].attrs", "main.GFramed"};
enum { HELD = sizeof held / sizeof *held };
static_assert(HELD == sizeof live_held / sizeof *live_held, "an answer for each");
static char *largest; /* its address */
static char *program; /* a copy that can be taken away */

/* One map may be too large to be sure of all: the exit code belongs to the answer. */
static json_t *look(const char *verb, const char *target) {
    struct tk_result r;
    TK_RUN(&r, verb, target, largest, "-o", "json");
    json_t *doc = tk_json_parse(&r);
    assert_int_equal(json_object_set_new(doc, "code", json_integer(r.code)), 0);
    tk_result_free(&r);
    return doc;
}

static int start(void **state) {
    (void)state;
    const char *path = tk_target_path("holders");
    assert_non_null(path);
    setenv("GOTRACEBACK", "crash", 1);
    program = tk_path_in(tk_scratch(), "program");
    tk_copy_file(path, program);
    assert_int_equal(chmod(program, 0755), 0);
    tk_core_start(&core, &t, "0x33", (const char *const[]){program, NULL});
    live = TK_JSON("list", t.id);
    largest = strdup(tk_text(live, "maps.0.id"));
    live_show = look("show", t.id);
    live_heat = look("heat", t.id);
    for (int i = 0; i < HELD; i++) live_held[i] = TK_JSON("holders", t.id, held[i], "--retained");
    return 0;
}

static int end(void **state) {
    (void)state;
    json_decref(live);
    json_decref(live_show);
    json_decref(live_heat);
    for (int i = 0; i < HELD; i++) json_decref(live_held[i]);
    free(largest);
    unlink(program);
    free(program);
    tk_kill(&t);
    return 0;
}

static void same(const json_t *a, const json_t *b, const char *path) {
    if (json_equal(tk_at(a, path), tk_at(b, path))) return;
    size_t i;
    json_t *m;
    json_array_foreach(tk_at(a, path), i, m) {
        const json_t *other = json_array_get(tk_at(b, path), i);
        if (json_equal(m, other)) continue;
        char *one = json_dumps(m, JSON_COMPACT), *two = other ? json_dumps(other, JSON_COMPACT) : NULL;
        print_error("%s.%zu differs.\nalive: %.1500s\ncore:  %.1500s\n", path, i, one, two ? two : "nothing");
        free(one);
        free(two);
        break;
    }
    fail();
}

static void compare(const char *exe) {
    char *target = tk_core_target(&core, exe);
    json_t *doc = TK_JSON("list", target);
    assert_true(json_array_size(tk_at(doc, "maps")) > 4000);
    assert_int_equal(json_array_size(tk_at(doc, "notes")), 0);
    assert_string_equal(tk_text(doc, "target.runtime"), tk_text(live, "target.runtime"));
    same(live, doc, "maps");
    same(live, doc, "totals");
    json_decref(doc);
    doc = look("show", target);
    same(live_show, doc, "maps");
    same(live_show, doc, "code");
    json_decref(doc);
    doc = look("heat", target);
    same(live_heat, doc, "heat");
    same(live_heat, doc, "code");
    json_decref(doc);
    for (int i = 0; i < HELD; i++) {
        doc = TK_JSON("holders", target, held[i], "--retained");
        assert_true(json_array_size(tk_at(doc, "held.shortest")) >= 2);
        same(live_held[i], doc, "held");
        json_decref(doc);
    }
    free(target);
}

static void test_gcore_as_alive(void **state) {
    (void)state;
    if (!tk_core_gcore(&core, &t)) TK_SKIP("gcore writes no core file here");
    compare(NULL);
    tk_core_free(&core);
}

static void refused(const char *word, const char *other) {
    struct tk_result r;
    char *target = tk_core_target(&core, NULL);
    TK_RUN(&r, "list", target);
    TK_REFUSED(&r, 4, word, other);
    tk_result_free(&r);
    free(target);
}

/* The last: it ends the program. */
static void test_kernel_core_as_alive(void **state) {
    (void)state;
    if (!tk_core_kernel(&core, &t)) TK_SKIP("the kernel writes no core file here");
    compare(NULL);
    assert_int_equal(unlink(program), 0); /* the types of all maps are in it */
    refused("core:FILE,EXE", program);
    compare(tk_target_path("holders"));
    assert_int_equal(truncate(core.file, 1000000), 0);
    refused("cut short", program);
    tk_core_free(&core);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_gcore_as_alive, start),
    cmocka_unit_test_teardown(test_kernel_core_as_alive, end),
};
TK_MAIN("go_core", tests)
