/* tool_cholders.c - `holders` on C programs: the variable that leads to a map is found, whatever else looks like a pointer.
 *
 * In target_maps a static pointer `map` holds an array on the heap whose words are the maps; in target_classic the
 * static array `map` holds them itself.
 */
#include "toolkit.h"

static struct tk_target t;

/* The first path of that root that ends so; NULL: none. */
static const json_t *path(const json_t *doc, const char *root, const char *end) {
    size_t i;
    json_t *h;
    json_array_foreach(tk_at(doc, "held.shortest"), i, h) {
        const char *text = tk_text(h, "path");
        if (strcmp(tk_text(h, "root"), root) == 0 && strlen(text) >= strlen(end) &&
            strcmp(text + strlen(text) - strlen(end), end) == 0)
            return h;
    }
    return NULL;
}

static void test_a_map_behind_an_array_on_the_heap(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("target_maps"), "known");
    json_t *doc = TK_JSON("holders", t.id, "map22", "--limit", "1000");
    assert_true(json_is_true(tk_at(doc, "held.conservative")));
    assert_true(tk_number(doc, "held.pointers") >= 2); /* the array and the registry */
    assert_true(tk_number(doc, "held.scanned_bytes") > 1 << 20);
    const json_t *h = path(doc, "global", "map->+0xb0"); /* 22 words on */
    assert_non_null(h);
    assert_int_equal(json_array_size(tk_at(h, "words")), 2);
    assert_non_null(path(doc, "registry", "registry of maps"));
    json_decref(doc);
    struct tk_result r;
    TK_RUN(&r, "holders", t.id, "map22");
    TK_CODE(&r, 0);
    assert_non_null(strstr(r.out, "conservative"));
    assert_non_null(strstr(r.out, "map->+0xb0"));
    tk_result_free(&r);
    assert_string_equal(tk_ask(&t, "check"), "ok");
    tk_kill(&t);
}

static void test_a_classic_map_in_a_static_array(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("target_classic"));
    json_t *doc = TK_JSON("holders", t.id, "big");
    const json_t *h = path(doc, "global", "map+0x18");
    assert_non_null(h);
    assert_int_equal(json_array_size(tk_at(h, "words")), 1);
    json_decref(doc);
    tk_kill(&t);
}

static void test_without_symbols_the_file_is_named(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("target_stripped"), "known");
    json_t *doc = TK_JSON("holders", t.id, "map00", "--limit", "1000");
    size_t i;
    bool found = false;
    json_t *h;
    json_array_foreach(tk_at(doc, "held.shortest"), i, h) found =
        found || (strcmp(tk_text(h, "root"), "global") == 0 &&
                  strncmp(tk_text(h, "path"), "target_stripped+0x", 18) == 0);
    assert_true(found);
    json_decref(doc);
    tk_kill(&t);
}

static void test_a_map_that_was_freed_has_no_holders(void **state) {
    (void)state;
    struct tk_result r;
    TK_START(&t, tk_target_path("target_maps"), "known");
    assert_string_equal(tk_ask(&t, "free 22"), "ok");
    TK_RUN(&r, "holders", t.id, "map22");
    TK_REFUSED(&r, 2, "no map 'map22'");
    tk_result_free(&r);
    TK_RUN(&r, "holders", t.id, "map21", "--retained");
    TK_REFUSED(&r, 2, "--retained", "Go");
    tk_result_free(&r);
    tk_kill(&t);
}

static void test_maps_of_one_type_share_a_row_on_request(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("target_maps"), "known");
    json_t *doc = TK_JSON("list", t.id, "--by", "type"), *row;
    uint64_t maps = 0, bytes = 0;
    size_t i;
    json_array_foreach(tk_at(doc, "clusters"), i, row) {
        if (tk_number(row, "depth") != 0) continue;
        maps += tk_number(row, "maps");
        bytes += tk_number(row, "bytes");
    }
    assert_int_equal(maps, 23);
    assert_int_equal(bytes, tk_number(doc, "totals.bytes"));
    json_decref(doc);
    struct tk_result r;
    TK_RUN(&r, "list", t.id, "--by", "weather");
    TK_REFUSED(&r, 2, "--by", "weather", "place");
    tk_result_free(&r);
    tk_kill(&t);
}

/* Keys and values of target_maps: a key's lowest byte fills its value. */
static void test_hex_of_a_group(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("target_maps"), "known");
    json_t *doc = TK_JSON("show", t.id, "map22", "--hex", "3", "--show-data"), *p;
    const json_t *parts = tk_at(json_array_get(tk_at(doc, "maps"), 0), "hex.parts");
    uint64_t live = 0, next = 0;
    size_t i;
    assert_int_equal(json_array_size(parts), 17); /* tophash, overflow, 15 slots */
    json_array_foreach(parts, i, p) {
        if (json_is_null(tk_at(p, "slot"))) continue;
        if (tk_number(p, "slot")) assert_int_equal(tk_number(p, "address"), next);
        next = tk_number(p, "address") + tk_number(p, "size");
        assert_int_equal(tk_number(p, "mod16"), tk_number(p, "address") % 16);
        if (strcmp(tk_text(p, "state"), "live") != 0) continue;
        const json_t *bytes = tk_at(p, "bytes");
        for (size_t k = 8; k < 16; k++)
            assert_int_equal(json_integer_value(json_array_get(bytes, k)),
                             json_integer_value(json_array_get(bytes, 0)));
        live++;
    }
    assert_int_equal(live, tk_number(json_array_get(tk_at(doc, "maps"), 0), "hex.live"));
    assert_true(live > 0);
    json_decref(doc);
    struct tk_result r;
    TK_RUN(&r, "show", t.id, "map22", "--hex", "3");
    TK_CODE(&r, 0);
    assert_non_null(strstr(r.out, "slot 14"));
    assert_non_null(strstr(r.out, "--show-data"));
    TK_CLEAN(r.out, r.out_len, 80);
    tk_result_free(&r);
    TK_RUN(&r, "show", t.id, "map22", "--hex", "x");
    TK_REFUSED(&r, 2, "--hex");
    tk_result_free(&r);
    tk_kill(&t);
}

static void test_hex_of_a_classic_bucket(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("target_classic"));
    json_t *doc = TK_JSON("show", t.id, "bucket", "--hex", "0", "--show-data"), *p;
    const json_t *parts = tk_at(json_array_get(tk_at(doc, "maps"), 0), "hex.parts");
    uint64_t next = 0, live = 0;
    size_t i;
    assert_int_equal(json_array_size(parts), 1 + 8 + 8 + 1);
    json_array_foreach(parts, i, p) { /* one bucket, without a gap */
        if (i) assert_int_equal(tk_number(p, "address"), next);
        next = tk_number(p, "address") + tk_number(p, "size");
        bool key = strcmp(tk_text(p, "what"), "key") == 0;
        live += key && strcmp(tk_text(p, "state"), "live") == 0;
    }
    assert_int_equal(live, 7);
    json_decref(doc);
    tk_kill(&t);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_map_behind_an_array_on_the_heap),
    cmocka_unit_test(test_a_classic_map_in_a_static_array),
    cmocka_unit_test(test_without_symbols_the_file_is_named),
    cmocka_unit_test(test_a_map_that_was_freed_has_no_holders),
    cmocka_unit_test(test_maps_of_one_type_share_a_row_on_request),
    cmocka_unit_test(test_hex_of_a_group),
    cmocka_unit_test(test_hex_of_a_classic_bucket),
};
TK_MAIN("tool_cholders", tests)
