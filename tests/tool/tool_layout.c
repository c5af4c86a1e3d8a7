/* tool_layout.c - `layout` and `whatif` on a Go program that knows its own types.
 *
 * The program is tests/go/laidout.  It says how large its types are, where their fields lie, how large the compiler made a
 * group or bucket, how many of its slots really lie on two cache lines, and what its heap grew by when it did what
 * whatif was asked about.
 */
#include "toolkit.h"

#include <inttypes.h>

static struct tk_target t;
static json_t *known;

static int start(void **state) {
    (void)state;
    size_t len;
    TK_START(&t, tk_target_path("laidout"));
    char *file = tk_path_in(tk_scratch(), "types.json");
    assert_string_equal(tk_ask(&t, "types %s", file), "written");
    tk_ask(&t, "build bytes64 10 0"); /* what a first build brings along is there from now on */
    char *text = tk_slurp(file, &len);
    assert_non_null(text);
    known = json_loads(text, 0, NULL);
    assert_non_null(known);
    free(text);
    free(file);
    return 0;
}

static int end(void **state) {
    (void)state;
    json_decref(known);
    tk_kill(&t);
    return 0;
}

static bool is_stripped(void) { return getenv("GOMAP_TEST_STRIPPED") != NULL; }

/* The type of that name in a document of layout; NULL: none. */
static json_t *type_in(const json_t *doc, const char *name) {
    size_t i;
    json_t *type;
    json_array_foreach(tk_at(doc, "types"), i, type) {
        const char *own = tk_text(type, "type");
        if (strcmp(own[0] == '~' ? own + 1 : own, name) == 0) return type;
    }
    return NULL;
}

static const json_t *known_type(const char *name) {
    size_t i;
    json_t *type;
    json_array_foreach(known, i, type) if (strcmp(tk_text(type, "Type"), name) == 0) return type;
    return NULL;
}

/* ---- sizes ------------------------------------------------------------------------------------- */

static void same(const char *type, const char *what, uint64_t got, uint64_t want) {
    if (got == want) return;
    print_error("%s: %s is %" PRIu64 ", the program says %" PRIu64 "\n", type, what, got, want);
    fail();
}

/* The field of a key or value in the picture, which stands below the part's own row. */
static void same_fields(const json_t *type, const json_t *want, const char *part) {
    const json_t *row, *field, *rows = tk_at(type, "picture");
    const char *name = tk_text(type, "type");
    size_t at = 0, i;
    if (json_array_size(tk_at(want, "Fields")) == 0) return;
    while (at < json_array_size(rows) && (!json_is_string(tk_at(json_array_get(rows, at), "name")) ||
                                          strcmp(tk_text(json_array_get(rows, at), "name"), part) != 0))
        at++;
    assert_true(at < json_array_size(rows));
    uint64_t base = tk_number(json_array_get(rows, at), "offset"),
             depth = tk_number(json_array_get(rows, at), "depth") + 1;
    if (tk_number(json_array_get(rows, at), "size") != tk_number(want, "Size"))
        return; /* a pointer to it is there */
    json_array_foreach(tk_at(want, "Fields"), i, field) {
        do row = json_array_get(rows, ++at);
        while (row && (json_is_true(tk_at(row, "hole")) || tk_number(row, "depth") != depth));
        assert_non_null(row);
        assert_string_equal(tk_text(row, "name"), tk_text(field, "Name"));
        same(name, "offset of a field", tk_number(row, "offset") - base, tk_number(field, "Offset"));
        same(name, "size of a field", tk_number(row, "size"), tk_number(field, "Size"));
    }
}

/* What holds nothing, counted from the fields that the program has. */
static void same_part(const json_t *type, const json_t *want, const char *part, const char *of) {
    const json_t *got = tk_at(type, part), *is = tk_at(want, of);
    const char *name = tk_text(type, "type");
    same(name, "size", tk_number(got, "size"), tk_number(is, "Size"));
    same(name, "alignment", tk_number(got, "align"), tk_number(is, "Align"));
    same_fields(type, is, part);
}

static void same_types(const json_t *doc, bool live) {
    const json_t *want;
    size_t i, seen = 0;
    json_array_foreach(known, i, want) {
        const char *name = tk_text(want, "Type");
        const json_t *type = type_in(doc, name);
        if (!type && is_stripped() && live) continue; /* several types may look like it */
        if (!type) print_error("no type %s\n", name);
        assert_non_null(type);
        seen++;
        same_part(type, want, "key", "Key");
        same_part(type, want, "value", "Value");
        same(name, "bytes of a group", tk_number(type, "group_size"), tk_number(want, "Group"));
        assert_true(json_is_true(tk_at(type, "choices_known")));
        if (!live || tk_number(type, "maps") != 1) continue;
        same(name, "slots", tk_number(type, "slots"), tk_number(want, "Slots"));
        if (tk_number(want, "Slots") >= 256) /* arrays of 512 bytes and more begin on a line */
            same(name, "slots on two lines", tk_number(type, "slots_on_two_lines"),
                 tk_number(want, "OnTwoLines"));
    }
    assert_true(seen >= (is_stripped() && live ? 4 : json_array_size(known)));
}

static void test_sizes_offsets_and_lines_are_those_of_the_program(void **state) {
    (void)state;
    json_t *doc = TK_JSON("layout", t.id);
    same_types(doc, true);
    json_decref(doc);
}

static void test_the_file_alone_tells_the_same_sizes(void **state) {
    (void)state;
    char target[4096];
    snprintf(target, sizeof target, "bin:%s", tk_target_path("laidout"));
    json_t *doc = TK_JSON("layout", target);
    same_types(doc, false);
    assert_string_equal(tk_text(doc, "binary.file"), target + 4);
    json_decref(doc);
    /* All of it is used: no type of the file has a map. */
    doc = TK_JSON("layout", t.id, "--unused");
    if (!is_stripped()) same_types(doc, true);
    json_decref(doc);
}

/* Rows without fields of their own below them: they are every byte of a group, once. */
static void test_a_picture_has_every_byte_once(void **state) {
    (void)state;
    json_t *doc = TK_JSON("layout", t.id, "--unused");
    const json_t *type, *row;
    size_t i, k;
    json_array_foreach(tk_at(doc, "types"), i, type) {
        const json_t *rows = tk_at(type, "picture");
        uint64_t at = 0, holes = 0;
        json_array_foreach(rows, k, row) {
            const json_t *next = json_array_get(rows, k + 1);
            bool inner = next && tk_number(next, "depth") > tk_number(row, "depth");
            if (inner) continue;
            same(tk_text(type, "type"), "offset of a row", tk_number(row, "offset"), at);
            at += tk_number(row, "size");
            if (json_is_true(tk_at(row, "hole"))) holes += tk_number(row, "size");
        }
        same(tk_text(type, "type"), "bytes of all rows", at, tk_number(type, "group_size"));
    }
    json_decref(doc);
}

/* ---- choices ----------------------------------------------------------------------------------- */

static const json_t *choice_in(const json_t *type, const char *id) {
    size_t i;
    json_t *choice;
    json_array_foreach(tk_at(type, "choices"), i,
                       choice) if (strcmp(tk_text(choice, "id"), id) == 0) return choice;
    return NULL;
}

static void test_another_order_gives_the_group_of_the_packed_type(void **state) {
    (void)state;
    json_t *doc = TK_JSON("layout", t.id);
    const json_t *padded = type_in(doc, "map[int64]main.padded"),
                 *packed = type_in(doc, "map[int64]main.packed");
    const json_t *reorder = choice_in(padded, "reorder");
    assert_non_null(reorder);
    assert_int_equal(tk_number(reorder, "group_size"),
                     tk_number(known_type("map[int64]main.packed"), "Group"));
    assert_int_equal(tk_number(reorder, "value_size"), tk_number(packed, "value.size"));
    assert_null(choice_in(packed, "reorder"));
    /* Both maps have as many entries in as many slots: what is saved is what lies between them. */
    assert_int_equal(tk_number(padded, "slots"), tk_number(packed, "slots"));
    if (tk_number(padded, "bytes") > tk_number(packed, "bytes"))
        assert_in_range(tk_number(padded, "bytes") -
                            (tk_number(reorder, "now_bytes") - tk_number(reorder, "then_bytes")),
                        tk_number(packed, "bytes") * 92 / 100, tk_number(packed, "bytes") * 108 / 100);
    const json_t *marked = choice_in(type_in(doc, "map[int64]main.marked"), "reorder");
    assert_non_null(marked); /* a field without size at the end costs eight bytes */
    assert_int_equal(tk_number(marked, "group_size"),
                     tk_number(known_type("map[int64]main.unmarked"), "Group"));
    json_decref(doc);
}

static void test_keys_that_fit_a_narrower_type_are_seen(void **state) {
    (void)state;
    json_t *doc = TK_JSON("layout", t.id);
    const json_t *key = choice_in(type_in(doc, "map[string]bool"), "key"),
                 *set = choice_in(type_in(doc, "map[string]bool"), "set");
    assert_non_null(key);
    assert_int_equal(tk_number(key, "key_size"), 8); /* 16 hex digits */
    assert_non_null(strstr(tk_text(key, "if"), "hex"));
    bool classic = strcmp(tk_text(type_in(doc, "map[string]bool"), "kind"), "go_classic") == 0;
    assert_true((set != NULL) == classic); /* a bool costs a byte in a bucket, nothing in a padded slot */
    key = choice_in(type_in(doc, "map[int64]struct {}"), "key");
    assert_non_null(key);
    assert_int_equal(tk_number(key, "key_size"), 2); /* below 3000 */
    json_decref(doc);
}

/* ---- whatif, and doing it ---------------------------------------------------------------------- */

static uint64_t build(const char *kind, unsigned n, unsigned hint, char id[32]) {
    uint64_t bytes;
    const char *said = tk_ask(&t, "build %s %u %u", kind, n, hint);
    if (sscanf(said, "built %31s %" SCNu64, id, &bytes) != 2) print_error("it says '%s'\n", said), fail();
    return bytes;
}

/* Build one map, ask what a change would make of it, make the changed one, and compare bytes and slots. */
static void foretold(const char *kind, unsigned n, unsigned hint, const char *change, const char *operand,
                     const char *done, unsigned n_done, unsigned hint_done, unsigned promille) {
    char id[32];
    uint64_t before = build(kind, n, hint, id), now, then, slots, spread;
    json_t *doc =
        operand ? TK_JSON("whatif", t.id, id, change, operand) : TK_JSON("whatif", t.id, id, change);
    now = tk_number(doc, "whatif.now.bytes"), then = tk_number(doc, "whatif.then.bytes");
    slots = tk_number(doc, "whatif.then.slots"), spread = tk_number(doc, "whatif.spread_bytes");
    json_decref(doc);
    uint64_t after = build(done, n_done, hint_done, id), off = after > then ? after - then : then - after;
    doc = TK_JSON("show", t.id, id);
    uint64_t slots_done = tk_number(json_array_get(tk_at(doc, "maps"), 0), "slots");
    json_decref(doc);
    print_message("# %s of %u, %s %s: %" PRIu64 " bytes (heap %" PRIu64 "), told %" PRIu64 " +- %" PRIu64
                  ", done %" PRIu64 "; slots told %" PRIu64 ", done %" PRIu64 "\n",
                  kind, n, change, operand ? operand : "", now, before, then, spread, after, slots,
                  slots_done);
    assert_in_range(now, before < 1000 ? 0 : before * 98 / 100 - 512, before * 102 / 100 + 512);
    if (off > 2 * spread + then * promille / 1000 + 256) fail();
    if (spread == 0) assert_int_equal(slots, slots_done);
}

static void test_what_a_rebuild_gives_is_foretold(void **state) {
    (void)state;
    foretold("drained", 800, 0, "shrink", NULL, "rebuilt", 40, 40, 5);
    foretold("drained", 20000, 0, "shrink", NULL, "rebuilt", 1000, 1000, 60);
    foretold("drained", 40000, 40000, "shrink", NULL, "rebuilt", 2000, 2000, 60);
    foretold("drained", 35840, 0, "shrink", NULL, "rebuilt", 1792, 1792,
             60); /* a Swiss table splits by chance */
}

static void test_what_a_hint_gives_is_foretold(void **state) {
    (void)state;
    foretold("rebuilt", 300, 0, "presize", "800", "rebuilt", 300, 800, 5);
    foretold("rebuilt", 10, 0, "presize", "10000", "rebuilt", 10, 10000, 5);
    foretold("rebuilt", 3000, 10, "presize", "40000", "rebuilt", 3000, 40000, 20);
    foretold("rebuilt", 100, 0, "slots", "1024", "rebuilt", 100, 800, 5);
}

/* 500 entries: a classic map is done growing, and the overflow buckets that chance makes all come from its pool. */
static void test_what_another_type_gives_is_foretold(void **state) {
    (void)state;
    foretold("padded", 500, 0, "reorder", NULL, "packed", 500, 0, 5);
    foretold("padded", 20000, 20000, "reorder", NULL, "packed", 20000, 20000, 30);
    foretold("padded", 500, 0, "indirect", NULL, "pointer", 500, 0, 5);
    foretold("pointer", 500, 0, "inline", NULL, "padded", 500, 0, 5);
    foretold("bytes64", 500, 0, "key", "int32", "bytes32", 500, 0, 5);
    foretold("hex", 500, 0, "key", "[8]byte", "array", 500, 0, 5);
    foretold("hex", 20000, 20000, "key", "[8]byte", "array", 20000, 20000, 30);
}

static void test_keys_that_do_not_fit_are_a_finding(void **state) {
    (void)state;
    char id[32];
    struct tk_result r;
    build("bytes64", 800, 0, id);
    TK_RUN(&r, "whatif", t.id, id, "key", "int8");
    TK_CODE(&r, 1);
    assert_non_null(strstr(r.out, "above its range"));
    tk_result_free(&r);
    build("hex", 800, 0, id);
    TK_RUN(&r, "whatif", t.id, id, "key", "[4]byte", "-o", "json");
    TK_CODE(&r, 1);
    assert_non_null(strstr(r.out, "\"unfit\""));
    tk_result_free(&r);
}

/* ---- what people see, and what is refused ------------------------------------------------------ */

static void test_tables_fit_80_columns_and_hostile_names_stay_in(void **state) {
    (void)state;
    struct tk_result r;
    char target[4096];
    TK_RUN(&r, "layout", t.id, "--unused");
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 80);
    assert_non_null(strstr(r.out, "CROSS"));
    tk_result_free(&r);
    snprintf(target, sizeof target, "bin:%s", tk_target_path("laidout"));
    TK_RUN(&r, "layout", target, "map");
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 0);
    assert_non_null(strstr(r.out, "hole of 7 bytes"));
    tk_result_free(&r);
}

static void test_wrong_questions_get_one_line(void **state) {
    (void)state;
    struct tk_result r;
    char id[32];
    build("bytes64", 10, 0, id);
    TK_RUN(&r, "layout", t.id, "no such type");
    TK_REFUSED(&r, 2, "no such type");
    tk_result_free(&r);
    TK_RUN(&r, "layout", "bin:/nowhere");
    TK_REFUSED(&r, 2, "/nowhere");
    tk_result_free(&r);
    TK_RUN(&r, "layout", "bin:/dev/null");
    TK_REFUSED(&r, 2, "not a 64-bit ELF program");
    tk_result_free(&r);
    TK_RUN(&r, "list", "bin:/dev/null");
    TK_REFUSED(&r, 2, "layout");
    tk_result_free(&r);
    TK_RUN(&r, "whatif", t.id, id, "explode");
    TK_REFUSED(&r, 2, "explode", "shrink");
    tk_result_free(&r);
    TK_RUN(&r, "whatif", t.id, id, "presize");
    TK_REFUSED(&r, 2, "presize");
    tk_result_free(&r);
    TK_RUN(&r, "whatif", t.id, id, "presize", "-3");
    TK_REFUSED(&r, 2, "-3");
    tk_result_free(&r);
    TK_RUN(&r, "whatif", t.id, id, "shrink", "3");
    TK_REFUSED(&r, 2, "shrink");
    tk_result_free(&r);
    if (is_stripped()) return;
    TK_RUN(&r, "whatif", t.id, id, "key", "complex[");
    TK_REFUSED(&r, 2, "complex[");
    tk_result_free(&r);
    TK_RUN(&r, "whatif", t.id, id, "inline");
    TK_REFUSED(&r, 2, "no pointer");
    tk_result_free(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_sizes_offsets_and_lines_are_those_of_the_program, start),
    cmocka_unit_test(test_the_file_alone_tells_the_same_sizes),
    cmocka_unit_test(test_a_picture_has_every_byte_once),
    cmocka_unit_test(test_another_order_gives_the_group_of_the_packed_type),
    cmocka_unit_test(test_keys_that_fit_a_narrower_type_are_seen),
    cmocka_unit_test(test_what_a_rebuild_gives_is_foretold),
    cmocka_unit_test(test_what_a_hint_gives_is_foretold),
    cmocka_unit_test(test_what_another_type_gives_is_foretold),
    cmocka_unit_test(test_keys_that_do_not_fit_are_a_finding),
    cmocka_unit_test(test_tables_fit_80_columns_and_hostile_names_stay_in),
    cmocka_unit_test_teardown(test_wrong_questions_get_one_line, end),
};
/* Of a stripped program the types of some maps are not known, and are given no names. */
static const struct CMUnitTest stripped[] = {
    cmocka_unit_test_setup(test_sizes_offsets_and_lines_are_those_of_the_program, start),
    cmocka_unit_test(test_the_file_alone_tells_the_same_sizes),
    cmocka_unit_test(test_a_picture_has_every_byte_once),
    cmocka_unit_test(test_what_a_rebuild_gives_is_foretold),
    cmocka_unit_test(test_what_a_hint_gives_is_foretold),
    cmocka_unit_test(test_tables_fit_80_columns_and_hostile_names_stay_in),
    cmocka_unit_test_teardown(test_wrong_questions_get_one_line, end),
};

int main(int argc, char **argv) {
    if (is_stripped())
        return tk_main(argc, argv, "tool_layout", stripped, sizeof stripped / sizeof *stripped);
    return tk_main(argc, argv, "tool_layout", tests, sizeof tests / sizeof *tests);
}
