/* tool_go_explain.c - `explain` and `mem` on Go programs: slots, keys and values out of line, headers on the heap and on a
 * stack, the end of a program that wrote through nil; the runtime's own figures, and what MADV_FREE hides.
 *
 * The program is tests/go/explaining, built by tests/go/on_go.sh; it knows where its entries lie.
 */
#include "toolkit.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct tk_target t;

static int start(void **state) {
    (void)state;
    const char *path = tk_target_path("explaining");
    assert_non_null(path);
    TK_START(&t, path);
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

static json_t *explain(const char *addr, json_t **doc) {
    *doc = TK_JSON("explain", t.id, addr);
    return json_array_get(tk_at(*doc, "addresses"), 0);
}

/* The slot that the tool finds. */
static uint64_t check(const char *addr, const char *what, const char *piece, unsigned group,
                      const char *map) {
    json_t *doc, *e = explain(addr, &doc);
    assert_string_equal(tk_text(e, "place.map"), map);
    assert_string_equal(tk_text(e, "place.piece"), piece);
    assert_string_equal(tk_text(e, "place.part"), what);
    assert_int_equal(tk_number(e, "place.part_offset"), 0);
    assert_int_equal(tk_number(e, "place.group"), group);
    if (strcmp(piece, "groups") == 0) assert_string_equal(tk_text(e, "place.slot_state"), "live");
    uint64_t slot = tk_number(e, "place.slot");
    assert_true(slot < 8);
    json_decref(doc);
    return slot;
}

/* An overflow bucket of a classic map lies outside of the array, where the program does not look. */
static bool ask(const char *kind, unsigned n, char key[32], char value[32], unsigned *group,
                char header[32]) {
    assert_int_equal(
        sscanf(tk_ask(&t, "where %s %u", kind, n), "%31s %31s %u %31s", key, value, group, header), 4);
    return strcmp(key, "0x0") != 0;
}

static void test_slots(void **state) {
    (void)state;
    char key[32], value[32], header[32];
    unsigned group, seen = 0;
    for (unsigned n = 0; n < 5000 && seen < 5; n += 700) {
        if (!ask("near", n, key, value, &group, header)) continue;
        seen++;
        assert_int_equal(check(key, "key", "groups", group, header),
                         check(value, "value", "groups", group, header));
    }
    assert_int_equal(seen, 5);
}

static void test_cells(void **state) {
    (void)state;
    char key[32], value[32], header[32];
    unsigned group, seen = 0;
    for (unsigned n = 0; n < 50 && seen < 2; n++) {
        if (!ask("far", n, key, value, &group, header)) continue;
        seen++;
        assert_int_equal(check(key, "key", "key", group, header),
                         check(value, "value", "value", group, header));
    }
    assert_int_equal(seen, 2);
}

static void test_headers(void **state) {
    (void)state;
    char key[32], value[32], header[32];
    unsigned group;
    json_t *doc;
    ask("near", 1, key, value, &group, header);
    json_t *e = explain(header, &doc);
    assert_string_equal(tk_text(e, "place.piece"), "header");
    assert_string_equal(tk_text(e, "place.label"), "main.Near");
    assert_true(json_is_null(tk_at(e, "object")));
    json_decref(doc);
    e = explain(tk_ask(&t, "stack"), &doc);
    assert_string_equal(tk_text(e, "place.piece"), "header");
    assert_non_null(strstr(tk_text(e, "object"), "stack of goroutine"));
    json_decref(doc);
}

static void test_object(void **state) {
    (void)state;
    char addr[32], words[128], inner[32];
    unsigned bytes;
    json_t *doc;
    assert_int_equal(sscanf(tk_ask(&t, "object"), "%31s %u", addr, &bytes), 2);
    snprintf(inner, sizeof inner, "0x%" PRIx64, (uint64_t)strtoull(addr, NULL, 16) + 24);
    json_t *e = explain(inner, &doc);
    assert_true(json_is_null(tk_at(e, "place")));
    snprintf(words, sizeof words, "of 896 bytes in Go's heap, byte 24"); /* the class of 800 */
    assert_int_equal(bytes, 800);
    assert_non_null(strstr(tk_text(e, "object"), words));
    json_decref(doc);
}

static void test_crash(void **state) {
    (void)state;
    struct tk_core c;
    int status;
    if (!tk_core_written()) TK_SKIP("no core file can be made here");
    setenv("GOTRACEBACK", "crash", 1);
    tk_core_start(&c, &t, "0x33", (const char *const[]){tk_target_path("explaining"), NULL});
    dprintf(t.in, "crash\n");
    assert_int_equal(waitpid(t.pid, &status, 0), t.pid);
    assert_true(WIFSIGNALED(status));
    tk_core_found(&c, &t);
    char *target = tk_core_target(&c, NULL);
    json_t *doc = TK_JSON("explain", target);
    assert_int_equal(tk_number(doc, "crash.signal"), WTERMSIG(status));
    size_t i, code = 0;
    json_t *e;
    json_array_foreach(tk_at(doc, "addresses"), i, e) {
        const char *object = json_string_value(tk_at(e, "object"));
        code += object && strncmp(object, "code of runtime.", 16) == 0;
    }
    assert_true(code > 0); /* where the runtime ends itself */
    assert_int_equal(tk_number(doc, "crash.go_signal"), SIGSEGV);
    assert_int_equal(tk_number(doc, "crash.address"), 0);
    assert_int_equal(tk_number(doc, "crash.goroutine"), 1);
    assert_string_equal(tk_text(doc, "addresses.0.label"), "fault");
    assert_string_equal(tk_text(doc, "addresses.1.label"), "pc");
    assert_int_equal(strncmp(tk_text(doc, "addresses.1.object"), "code of main.main, ", 19), 0);
    json_decref(doc);
    free(target);
    tk_core_free(&c);
}

/* ---- mem --------------------------------------------------------------------------------------- */

static uint64_t lazy_of(const json_t *doc) {
    size_t i;
    json_t *row;
    json_array_foreach(tk_at(doc, "memory"), i, row) if (strcmp(tk_text(row, "name"), "heap") ==
                                                         0) return tk_number(row, "lazyfree_bytes");
    fail();
    return 0;
}

/* Steps add up; the runtime's counters are those it tells its program.  To ask for them takes a little memory itself. */
static void check_heap(json_t **out) {
    enum { TALK = 256 << 10 };
    uint64_t own[3], seen[3];
    size_t i, k;
    json_t *l, *s;
    assert_int_equal(
        sscanf(tk_ask(&t, "heap"), "%" SCNu64 " %" SCNu64 " %" SCNu64, &own[0], &own[1], &own[2]), 3);
    json_t *doc = *out = TK_JSON("mem", t.id);
    seen[0] = tk_number(doc, "go_heap.in_use_bytes"), seen[1] = tk_number(doc, "go_heap.free_bytes");
    seen[2] = tk_number(doc, "go_heap.released_bytes");
    for (int n = 0; n < 3; n++)
        if (seen[n] + TALK < own[n] || own[n] + TALK < seen[n]) {
            print_error("heap figure %d is %" PRIu64 ", the program says %" PRIu64 "\n", n, seen[n], own[n]);
            fail();
        }
    json_array_foreach(tk_at(doc, "levels"), i, l) {
        uint64_t sum = 0;
        json_array_foreach(tk_at(l, "steps"), k, s) sum += tk_number(s, "bytes");
        assert_int_equal(sum, tk_number(l, "total_bytes"));
    }
}

enum { BURNT = 64 << 20 };

static void burn(const char *debug, json_t **doc) {
    setenv("GODEBUG", debug, 1);
    start(NULL);
    unsetenv("GODEBUG");
    assert_string_equal(tk_ask(&t, "burn %d", BURNT), "ok");
    check_heap(doc);
    assert_true(tk_number(*doc, "go_heap.released_bytes") >= BURNT);
}

static void test_given_back(void **state) {
    (void)state;
    json_t *doc;
    burn("madvdontneed=1", &doc);
    assert_int_equal(lazy_of(doc), 0);
    json_decref(doc);
}

static void test_hidden_by_madv_free(void **state) {
    (void)state;
    struct tk_result r;
    json_t *doc;
    burn("madvdontneed=0", &doc);
    uint64_t lazy = lazy_of(doc);
    json_decref(doc);
    if (lazy == 0) TK_SKIP("this kernel frees it at once");
    assert_true(lazy > BURNT / 2 && lazy < BURNT + (BURNT / 2));
    TK_RUN(&r, "mem", t.id);
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 80);
    assert_non_null(strstr(r.out, "MADV_FREE hides"));
    tk_result_free(&r);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_slots, start, end),
        cmocka_unit_test_setup_teardown(test_cells, start, end),
        cmocka_unit_test_setup_teardown(test_headers, start, end),
        cmocka_unit_test_setup_teardown(test_object, start, end),
        cmocka_unit_test_teardown(test_crash, end),
        cmocka_unit_test_teardown(test_given_back, end),
        cmocka_unit_test_teardown(test_hidden_by_madv_free, end),
    };
    return tk_main(argc, argv, "tool_go_explain", tests, sizeof tests / sizeof *tests);
}
