/* tool_claidout.c - `layout` and `whatif` on gomaps of C structs, held against the compiler and the library.
 *
 * The target (target_laidout.c) says sizeof and offsetof of its structs, and what its library counts for a map before and
 * after it did what whatif was asked about.
 */
#include "toolkit.h"

#include <inttypes.h>

static struct tk_target t;

static int start(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("target_laidout"));
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

static json_t *type_in(const json_t *doc, const char *name, const char *kind) {
    size_t i;
    json_t *type;
    json_array_foreach(tk_at(doc, "types"), i,
                       type) if (strcmp(tk_text(type, "type"), name) == 0 &&
                                 strcmp(tk_text(type, "kind"), kind) == 0) return type;
    return NULL;
}

/* The row of a field below a row of that depth. */
static const json_t *row_of(const json_t *type, const char *name, uint64_t depth) {
    size_t i;
    json_t *row;
    json_array_foreach(tk_at(type, "picture"), i,
                       row) if (tk_number(row, "depth") == depth && json_is_string(tk_at(row, "name")) &&
                                strcmp(tk_text(row, "name"), name) == 0) return row;
    print_error("%s: no field %s\n", tk_text(type, "type"), name);
    fail();
    return NULL;
}

/* "NAME SIZE field offset size field offset size ..." of the struct that a part of a type is. */
static void same_struct(const json_t *type, const char *part, char *said) {
    char *save = NULL, *word = strtok_r(said, " ", &save);
    const json_t *whole = row_of(type, part, 1);
    uint64_t base = tk_number(whole, "offset");
    word = strtok_r(NULL, " ", &save);
    assert_int_equal(tk_number(whole, "size"), strtoull(word, NULL, 10));
    while ((word = strtok_r(NULL, " ", &save))) {
        const json_t *row = row_of(type, word, 2);
        assert_int_equal(tk_number(row, "offset") - base, strtoull(strtok_r(NULL, " ", &save), NULL, 10));
        assert_int_equal(tk_number(row, "size"), strtoull(strtok_r(NULL, " ", &save), NULL, 10));
    }
}

static void same_structs(const json_t *doc) {
    static const struct {
        const char *name, *type, *part;
    } of[] = {{"struct_padded", "uint64_t->struct padded", "value"},
              {"struct_packed", "uint64_t->struct packed", "value"},
              {"point", "point->uint8_t", "key"},
              {"struct_bits", "enum colour->struct bits", "value"}};
    char *said = strdup(tk_ask(&t, "sizes")), *save = NULL;
    size_t n = 0;
    for (char *one = strtok_r(said, ";", &save); one; one = strtok_r(NULL, ";", &save), n++) {
        one += strspn(one, " ");
        const json_t *type = type_in(doc, of[n].type, "gomap");
        assert_non_null(type);
        assert_memory_equal(one, of[n].name, strlen(of[n].name));
        same_struct(type, of[n].part, one);
    }
    assert_int_equal(n, sizeof of / sizeof *of);
    free(said);
}

static void test_fields_lie_where_the_compiler_put_them(void **state) {
    (void)state;
    json_t *doc = TK_JSON("layout", t.id);
    same_structs(doc);
    const json_t *type = type_in(doc, "uint64_t->struct padded", "gomap");
    /* 8 and the struct of 40: 15 such slots are a group */
    assert_int_equal(tk_number(type, "slot_size"), 48);
    assert_int_equal(tk_number(type, "group_size"), 15 * 48);
    assert_int_equal(tk_number(type, "value.hole_bytes"), 40 - (1 + 8 + 2 + 4 + 6 + 1));
    assert_non_null(type_in(doc, "uint64_t->struct padded", "classic"));
    assert_int_equal(tk_number(type_in(doc, "uint64_t->struct padded", "classic"), "group_size"),
                     16 + 8 * 48);
    json_decref(doc);
}

/* Of each type, rows without parts of their own are every byte of a group, once. */
static void test_a_picture_has_every_byte_once(void **state) {
    (void)state;
    json_t *doc = TK_JSON("layout", t.id), *type;
    size_t i, k;
    assert_int_equal(tk_number(type_in(doc, "uint64_t->set", "gomap"), "group_size"), 15 * 8);
    json_array_foreach(tk_at(doc, "types"), i, type) {
        const json_t *rows = tk_at(type, "picture"), *row;
        uint64_t at = 0;
        json_array_foreach(rows, k, row) {
            const json_t *next = json_array_get(rows, k + 1);
            if (next && tk_number(next, "depth") > tk_number(row, "depth")) continue;
            assert_int_equal(tk_number(row, "offset"), at);
            at += tk_number(row, "size");
        }
        assert_int_equal(at, tk_number(type, "group_size"));
    }
    json_decref(doc);
}

static void test_the_file_alone_tells_typed_maps(void **state) {
    (void)state;
    char target[4096];
    snprintf(target, sizeof target, "bin:%s", tk_target_path("target_laidout"));
    json_t *doc = TK_JSON("layout", target), *live = TK_JSON("layout", t.id);
    static const char *const typed[] = {
        "uint64_t->struct padded",  "uint64_t->struct packed", "uint64_t->uint32_t", "uint32_t->uint32_t",
        "enum colour->struct bits", "string->struct padded",   "point->uint8_t"};
    for (size_t i = 0; i < sizeof typed / sizeof *typed; i++) {
        const json_t *a = type_in(doc, typed[i], "gomap"), *b = type_in(live, typed[i], "gomap");
        if (!a || !b) print_error("%s is missing\n", typed[i]);
        assert_non_null(a);
        assert_non_null(b);
        assert_int_equal(tk_number(a, "slot_size"), tk_number(b, "slot_size"));
        assert_int_equal(tk_number(a, "slot_padding"), tk_number(b, "slot_padding"));
        assert_non_null(strstr(tk_text(a, "site"), "target_laidout.c:"));
    }
    same_structs(doc);
    json_decref(doc);
    json_decref(live);
}

/* ---- whatif, and doing it ---------------------------------------------------------------------- */

static void stats(const char *kind, uint64_t *bytes, uint64_t *slots) {
    if (sscanf(tk_ask(&t, "stats %s", kind), "%" SCNu64 " %" SCNu64, bytes, slots) != 2) fail();
}

/* What whatif told last. */
static uint64_t bytes, slots, give_or_take;

static void ask(const char *kind, const char *change, const char *operand) {
    json_t *doc =
        operand ? TK_JSON("whatif", t.id, kind, change, operand) : TK_JSON("whatif", t.id, kind, change);
    uint64_t now, now_slots;
    stats(kind, &now, &now_slots);
    assert_int_equal(tk_number(doc, "whatif.now.bytes"), now);
    assert_int_equal(tk_number(doc, "whatif.now.slots"), now_slots);
    bytes = tk_number(doc, "whatif.then.bytes");
    slots = tk_number(doc, "whatif.then.slots");
    give_or_take = tk_number(doc, "whatif.spread_bytes");
    json_decref(doc);
}

/* What was told, and what the library counts after it was done.  How far a table can shrink depends on its densest place,
 * of which whatif knows the quads. */
static void held_against(const char *what, const char *kind, unsigned promille, unsigned slots_promille) {
    uint64_t done, done_slots;
    stats(kind, &done, &done_slots);
    print_message("# %s: told %" PRIu64 " bytes in %" PRIu64 " slots, done %" PRIu64 " in %" PRIu64 "\n",
                  what, bytes, slots, done, done_slots);
    enum {
        POOL_FROM_SLOTS = 960,
        POOL = 17 << 10
    }; /* for chain nodes, which one of two like maps may have by chance */
    uint64_t off = bytes * promille / 1000 + (slots < POOL_FROM_SLOTS || give_or_take ? give_or_take : POOL);
    if (slots_promille == 0) assert_int_equal(slots, done_slots);
    assert_in_range(done_slots, slots - slots * slots_promille / 1000, slots + slots * slots_promille / 1000);
    assert_in_range(done, bytes - off, bytes + off);
}

static void test_what_a_shrink_gives_is_foretold(void **state) {
    (void)state;
    static const unsigned entries[] = {100, 3000, 60000};
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        tk_ask(&t, "fill padded %u %u", entries[i], entries[i] * 3);
        ask("padded", "shrink", NULL);
        tk_ask(&t, "shrink padded");
        held_against("shrink", "padded", 3, entries[i] < 1000 ? 0 : 120);
    }
}

static void test_what_a_reservation_gives_is_foretold(void **state) {
    (void)state;
    tk_ask(&t, "fill wide 10 0");
    ask("wide", "presize", "5000");
    tk_ask(&t, "fill wide 10 5000");
    held_against("presize 5000", "wide", 5, 0);
    tk_ask(&t, "fill wide 1000 0");
    ask("wide", "presize", "300000");
    tk_ask(&t, "fill wide 1000 300000");
    held_against("presize 300000", "wide", 5, 0);
    ask("wide", "slots", "400000");
    assert_int_equal(slots, 400020); /* whole quads of 60 */
}

static void test_what_another_type_gives_is_foretold(void **state) {
    (void)state;
    static const unsigned entries[] = {12, 2000, 50000};
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        tk_ask(&t, "fill padded %u 0", entries[i]);
        tk_ask(&t, "fill packed %u 0", entries[i]);
        ask("padded", "reorder", NULL);
        held_against("reorder", "packed", 10, 0);
        tk_ask(&t, "fill wide %u 0", entries[i]);
        tk_ask(&t, "fill narrow %u 0", entries[i]);
        ask("wide", "key", "uint32_t");
        held_against("key uint32_t", "narrow", 10, 0);
    }
    tk_ask(&t, "fill padded 50000 0");
    tk_ask(&t, "fill stable 50000 0");
    ask("padded", "indirect", NULL);
    held_against("indirect", "stable", 30, 0); /* its pool keeps blocks for cells to come */
}

static void test_classic_maps_are_foretold(void **state) {
    (void)state;
    static const struct {
        unsigned entries, hint;
        const char *change, *operand;
        unsigned hint_then;
    } of[] = {{30, 1000, "shrink", NULL, 30}, {500, 0, "presize", "20000", 20000}, {5, 0, "slots", "64", 52}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        uint64_t done, done_slots;
        tk_ask(&t, "old %u %u", of[i].entries, of[i].hint);
        json_t *doc = of[i].operand ? TK_JSON("whatif", t.id, "old", of[i].change, of[i].operand)
                                    : TK_JSON("whatif", t.id, "old", of[i].change);
        bytes = tk_number(doc, "whatif.then.bytes"), slots = tk_number(doc, "whatif.then.slots");
        json_decref(doc);
        const char *said = tk_ask(&t, "old %u %u", of[i].entries, of[i].hint_then);
        if (sscanf(said, "%" SCNu64 " %" SCNu64, &done, &done_slots) != 2) fail();
        print_message("# classic %s: told %" PRIu64 " bytes in %" PRIu64 " slots, done %" PRIu64
                      " in %" PRIu64 "\n",
                      of[i].change, bytes, slots, done, done_slots);
        assert_int_equal(slots, done_slots);
        assert_in_range(done, bytes - bytes / 10 - 64, bytes + bytes / 10 + 64);
    }
}

/* All keys of the table and of its chains are looked at, and say what would hold them. */
static void test_keys_are_looked_at_to_the_last(void **state) {
    (void)state;
    struct tk_result r;
    tk_ask(&t, "fill wide 50000 0");
    TK_RUN(&r, "whatif", t.id, "wide", "key", "uint16_t");
    TK_CODE(&r, 0);
    assert_null(strstr(r.out, "not looked at"));
    tk_result_free(&r);
    tk_ask(&t, "fill wide 70000 0");
    TK_RUN(&r, "whatif", t.id, "wide", "key", "uint16_t");
    TK_CODE(&r, 1);
    assert_non_null(strstr(r.out, "above its range"));
    tk_result_free(&r);
    TK_RUN(&r, "whatif", t.id, "by_name", "key", "uint8_t[4]"); /* 8 hex digits */
    TK_CODE(&r, 0);
    assert_null(strstr(r.out, "not looked at"));
    tk_result_free(&r);
    TK_RUN(&r, "whatif", t.id, "by_name", "key", "uint8_t[5]");
    TK_CODE(&r, 1);
    tk_result_free(&r);
    TK_RUN(&r, "whatif", t.id, "lists", "inline");
    TK_REFUSED(&r, 2, "struct padded *");
    tk_result_free(&r);
}

/* Cut off, or overwritten in up to hundreds of places: it is read as far as it holds together, or refused in one line. */
static void test_a_damaged_file_does_no_harm(void **state) {
    (void)state;
    enum { FILES = 8 };
    size_t len;
    char *good = tk_slurp(tk_target_path("target_laidout"), &len),
         *file = tk_path_in(tk_scratch(), "damaged"), target[4096];
    uint64_t random = 42;
    unsigned read = 0;
    assert_non_null(good);
    snprintf(target, sizeof target, "bin:%s", file);
    for (unsigned i = 0; i < FILES; i++) {
        struct tk_result r;
        FILE *f = fopen(file, "wb");
        assert_non_null(f);
        size_t kept = i % 2 ? len : len * (i + 1) / (FILES + 1);
        char *bad = malloc(len);
        memcpy(bad, good, len);
        for (unsigned k = 0; i % 2 && k < 4U << i; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            bad[(random >> 20) % (len - 4096) + 4096] = (char)(random >> 56); /* the headers stay */
        }
        assert_int_equal(fwrite(bad, 1, kept, f), kept);
        fclose(f);
        free(bad);
        TK_RUN(&r, "layout", target, "-o", "json");
        if (r.code != 0 && r.code != 2 && r.code != 4) TK_CODE(&r, 2);
        read += r.code == 0;
        tk_result_free(&r);
    }
    print_message("# %u of %d damaged files could be read\n", read, FILES);
    assert_true(read > 0);
    remove(file);
    free(file);
    free(good);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_fields_lie_where_the_compiler_put_them, start),
    cmocka_unit_test(test_a_picture_has_every_byte_once),
    cmocka_unit_test(test_the_file_alone_tells_typed_maps),
    cmocka_unit_test(test_what_a_shrink_gives_is_foretold),
    cmocka_unit_test(test_what_a_reservation_gives_is_foretold),
    cmocka_unit_test(test_what_another_type_gives_is_foretold),
    cmocka_unit_test(test_classic_maps_are_foretold),
    cmocka_unit_test(test_keys_are_looked_at_to_the_last),
    cmocka_unit_test_teardown(test_a_damaged_file_does_no_harm, end),
};
TK_MAIN("tool_claidout", tests)
