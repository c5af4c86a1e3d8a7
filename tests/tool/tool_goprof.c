/* tool_goprof.c - `prof` on Go programs: what the runtime sampled, held against the program's own profile; which maps it belongs
 * to; a program that the linker made without.
 *
 * The programs are tests/go/profiled, and tests/go/explaining, in which nothing asks for a profile.
 */
#include "profread.h"
#include "toolkit.h"

#include <inttypes.h>

static struct tk_target t;

static int start(void **state) {
    (void)state;
    const char *path = tk_target_path("profiled");
    TK_START(&t, path ? path : tk_target_path("explaining"));
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

static const json_t *row(const json_t *doc, const char *what) {
    size_t i;
    const json_t *r;
    json_array_foreach(tk_at(doc, "rows"), i, r) {
        const char *text = json_string_value(json_object_get(r, "what"));
        if (text && strcmp(text, what) == 0) return r;
    }
    return NULL;
}

/* The same figures, record by record: so the same sums, to the last byte. */
static void test_equals_its_own(void **state) {
    (void)state;
    int64_t want[4];
    assert_int_equal(sscanf(tk_ask(&t, "totals"), "%" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &want[0],
                            &want[1], &want[2], &want[3]),
                     4);
    assert_true(want[1] > 40 << 20 && want[3] > want[1]);
    json_t *doc = TK_JSON("prof", t.id);
    assert_int_equal(tk_number(doc, "totals.inuse_objects"), want[0]);
    assert_int_equal(tk_number(doc, "totals.inuse_space"), want[1]);
    assert_int_equal(tk_number(doc, "totals.alloc_objects"), want[2]);
    assert_int_equal(tk_number(doc, "totals.alloc_space"), want[3]);
    assert_int_equal(tk_number(doc, "period"), 512 << 10);
    json_decref(doc);
    doc = TK_JSON("prof", t.id, "--by", "function");
    const char *const function[] = {"main.fill", "main.others"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *r = row(doc, function[i]);
        assert_non_null(r);
        assert_int_equal(tk_number(r, "values.inuse_space"),
                         strtoull(tk_ask(&t, "of %s", function[i]), NULL, 10));
    }
    json_decref(doc);
}

/* Maps, each figure of which is given out once, whoever allocated it. */
static void test_maps(void **state) {
    (void)state;
    uint64_t big, small;
    tk_ask(&t, "totals");
    assert_int_equal(sscanf(tk_ask(&t, "entries"), "%" SCNu64 " %" SCNu64, &big, &small), 2);
    json_t *list = TK_JSON("list", t.id), *doc = TK_JSON("prof", t.id, "--by", "map");
    assert_int_equal(tk_number(doc, "totals.map_entries"), tk_number(list, "totals.entries"));
    assert_int_equal(tk_number(doc, "totals.map_waste"), tk_number(list, "totals.waste_bytes"));
    if (!getenv("GOMAP_TEST_STRIPPED")) {
        const json_t *b = row(doc, "main.Big"), *s = row(doc, "main.holder.tags");
        assert_non_null(b);
        assert_non_null(s);
        assert_int_equal(tk_number(b, "values.map_entries"), big);
        assert_int_equal(tk_number(s, "values.map_entries"), small);
        assert_true(tk_number(b, "values.inuse_space") > 5 << 20);
        assert_true(tk_number(b, "values.inuse_space") <= tk_number(doc, "totals.inuse_space"));
    }
    json_decref(doc);
    json_decref(list);
}

static bool is_frame(const json_t *frame, const char *function, const char *file) {
    const char *f = json_string_value(json_object_get(frame, "file")), *slash = f ? strrchr(f, '/') : NULL;
    return strcmp(tk_text(frame, "function"), function) == 0 && slash && strcmp(slash + 1, file) == 0 &&
           json_integer_value(json_object_get(frame, "line")) > 0;
}

/* Calls that were inlined have frames, with files and lines; the allocator has none. */
static void test_stacks(void **state) {
    (void)state;
    size_t i, found = 0;
    const json_t *r;
    tk_ask(&t, "totals");
    json_t *doc = TK_JSON("prof", t.id);
    json_array_foreach(tk_at(doc, "rows"), i, r) {
        const json_t *stack = tk_at(r, "stack");
        if (json_array_size(stack) < 4) continue;
        found += is_frame(json_array_get(stack, 0), "main.fill", "main.go") &&
                 is_frame(json_array_get(stack, 1), "main.inlined", "main.go") &&
                 is_frame(json_array_get(stack, 2), "main.main", "main.go");
    }
    assert_true(found > 0);
    json_decref(doc);
}

static void test_proto(void **state) {
    (void)state;
    struct tk_result r;
    struct profread p;
    tk_ask(&t, "totals");
    json_t *doc = TK_JSON("prof", t.id);
    TK_RUN(&r, "prof", t.id, "-o", "pprof");
    profread(r.out, r.out_len, &p);
    assert_int_equal(p.total[3], tk_number(doc, "totals.inuse_space"));
    assert_int_equal(p.total[4], tk_number(doc, "totals.map_entries"));
    assert_int_equal(p.samples, tk_number(doc, "samples"));
    assert_string_equal(p.default_type, "inuse_space");
    assert_true(profread_has(&p, "main.fill") && profread_has(&p, "bytes") && p.mappings == 1);
    profread_free(&p);
    tk_result_free(&r);
    json_decref(doc);
}

/* Nothing asks for a profile: the linker switches sampling off. */
static void test_switched_off(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "prof", t.id, "-o", "json");
    TK_CODE(&r, 4);
    json_t *doc = tk_json_parse(&r);
    assert_non_null(strstr(tk_text(doc, "unsampled"), "linker switched memory profiling off"));
    assert_string_equal(tk_text(doc, "sample_index"), "map_waste");
    assert_int_equal(tk_number(doc, "totals.inuse_space"), 0);
    assert_true(tk_number(doc, "totals.map_entries") > 0);
    json_decref(doc);
    tk_result_free(&r);
}

int main(int argc, char **argv) {
    const struct CMUnitTest sampled[] = {
        cmocka_unit_test_setup_teardown(test_equals_its_own, start, end),
        cmocka_unit_test_setup_teardown(test_maps, start, end),
        cmocka_unit_test_setup_teardown(test_stacks, start, end),
        cmocka_unit_test_setup_teardown(test_proto, start, end),
    };
    const struct CMUnitTest not_sampled[] = {cmocka_unit_test_setup_teardown(test_switched_off, start, end)};
    for (int i = 2; i < argc; i++)
        if (strcmp(basename(argv[i]), "explaining") == 0)
            return tk_main(argc, argv, "goprof", not_sampled, 1);
    return tk_main(argc, argv, "goprof", sampled, sizeof sampled / sizeof *sampled);
}
