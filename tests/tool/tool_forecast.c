/* tool_forecast.c - `forecast` beside what then really happens: a map is filled entry by entry up to the insert that was
 * said to begin the growth, and one further.  Entries are counted, not time.
 *
 * Of C programs (gomap, classic) or, if the driver gets tests/go/sick, of Go.
 */
#include "toolkit.h"

#include <inttypes.h>

static struct tk_target t;
static bool go;

static int start(void **state) {
    (void)state;
    go = tk_target_path("sick") != NULL;
    TK_START(&t, tk_target_path(go ? "sick" : "target_sick"));
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

static json_t *forecast_of(const char *name, json_t **doc) {
    *doc = TK_JSON("forecast", t.id, "--seconds", "0.1");
    size_t i;
    json_t *f;
    json_array_foreach(tk_at(*doc, "forecasts"), i, f) if (strcmp(tk_text(f, "name"), name) == 0) return f;
    return NULL;
}

/* Growths so far, after n entries more; *bytes as the library says. */
static uint64_t put(int which, uint64_t n, uint64_t *bytes) {
    uint64_t grows;
    *bytes = 0;
    if (go)
        assert_int_equal(sscanf(tk_ask(&t, "room %" PRIu64, n), "%" SCNu64, &grows), 1);
    else
        assert_int_equal(
            sscanf(tk_ask(&t, "room %d %" PRIu64, which, n), "%" SCNu64 " %" SCNu64, &grows, bytes), 2);
    return grows;
}

/* A growth that goes on takes some writes; until its end nothing is foretold. */
static json_t *next(int which, const char *name, json_t **doc) {
    uint64_t bytes;
    for (int i = 0; i < 100000; i++) {
        json_t *f = forecast_of(name, doc);
        if (f) return f;
        json_decref(*doc);
        put(which, 200u << (i < 8 ? i : 8), &bytes);
    }
    return NULL;
}

static void grow_as_foretold(int which, const char *name, int growths) {
    uint64_t bytes, before = put(which, 3, &bytes);
    for (int i = 0; i < growths; i++) {
        json_t *doc, *f = next(which, name, &doc);
        assert_non_null(f);
        if (!json_is_true(
                tk_at(f, "inserts_left_exact"))) { /* tables that split by chance: see the next test */
            json_decref(doc);
            return;
        }
        uint64_t left = tk_number(f, "inserts_left"), grows;
        const json_t *after = tk_at(f, "bytes_after"), *peak = tk_at(f, "bytes_peak");
        before = put(which, left - 1, &bytes);
        uint64_t now = put(which, 1, &bytes);
        grows = now - before;
        if (grows != 1)
            print_error("%s: growth %d after %" PRIu64 " inserts: %" PRIu64 " began\n", name, i, left, grows);
        assert_int_equal(grows, 1);
        assert_true(json_is_null(after) || json_is_null(peak) ||
                    json_integer_value(after) <= json_integer_value(peak));
        json_decref(doc);
    }
}

static void test_the_insert_that_was_foretold_begins_the_growth(void **state) {
    (void)state;
    if (go) {
        grow_as_foretold(0, "main.Room", 3);
        return;
    }
    grow_as_foretold(0, "room", 5);
    grow_as_foretold(1, "classic room", 4);
}

/* Bytes when the growth is over.  A gomap rounds its areas to pages, and its pool has other sizes then. */
static void bytes_as_foretold(int which, const char *name, const char *list_name) {
    json_t *doc, *f = next(which, name, &doc);
    assert_non_null(f);
    uint64_t left = tk_number(f, "inserts_left"), after = tk_number(f, "bytes_after"), bytes, walks = 1;
    json_decref(doc);
    put(which, left, &bytes);
    while (walks) { /* until it has ended */
        json_t *list = TK_JSON("list", t.id);
        const json_t *m = tk_map(list, list_name);
        walks = strcmp(tk_text(m, "growth.state"), "none") != 0;
        bytes = tk_number(m, "bytes");
        json_decref(list);
        if (walks) put(which, 20, &(uint64_t){0});
    }
    print_message("# %s: foretold %" PRIu64 " bytes, are %" PRIu64 "\n", name, after, bytes);
    assert_in_range(bytes, after - after / 20, after + after / 20);
}

static void test_bytes_after_the_growth_are_as_foretold(void **state) {
    (void)state;
    if (go)
        return; /* its map has no name in the list; the arithmetic is that of the growth that list shows */
    bytes_as_foretold(0, "room", "room");
    bytes_as_foretold(1, "classic room", "classic room");
}

/* Tables of a Swiss map fill by chance: no split long before the inserts that were foretold, one soon after. */
static void test_tables_split_about_when_foretold(void **state) {
    (void)state;
    uint64_t bytes, splits = 0, inserts = 0;
    if (!go) return;
    put(0, 20000, &bytes);
    json_t *doc, *f = next(0, "main.Room", &doc);
    if (json_is_true(tk_at(f, "inserts_left_exact"))) { /* a classic map */
        json_decref(doc);
        return;
    }
    uint64_t about = tk_number(f, "inserts_left"), more = tk_number(f, "bytes_after") - tk_number(f, "bytes");
    uint64_t has = tk_number(f, "bytes");
    json_decref(doc);
    assert_true(more > 0);
    while (!splits && inserts < 20 * about + 2000) {
        uint64_t step = about / 8 + 1;
        put(0, step, &bytes);
        inserts += step;
        f = forecast_of("main.Room", &doc);
        if (f && tk_number(f, "bytes") > has) splits++;
        json_decref(doc);
    }
    print_message("# foretold about %" PRIu64 " inserts, was at most %" PRIu64 "\n", about, inserts);
    assert_int_equal(splits, 1);
    assert_in_range(inserts, about / 8, 4 * about + 1000);
}

static void test_a_map_that_nobody_fills_does_not_grow(void **state) {
    (void)state;
    json_t *doc, *f = next(0, go ? "main.Room" : "room", &doc);
    assert_int_equal(json_number_value(tk_at(f, "entries_per_second")), 0);
    assert_true(json_is_null(tk_at(f, "in_ns")));
    assert_true(json_is_true(tk_at(f, "fits")));
    assert_int_equal(tk_number(doc, "looks"), 5);
    json_decref(doc);
}

static void test_a_rate_has_bounds(void **state) {
    (void)state;
    assert_string_equal(tk_ask(&t, "flow"), "ok");
    const char *name = go ? "main.IllGrowing" : "ill growing-unbounded";
    bool met = false;
    for (int i = 0; !met && i < 20; i++) {
        json_t *doc = TK_JSON("forecast", t.id, "--seconds", "0.2"), *f;
        size_t k;
        json_array_foreach(tk_at(doc, "forecasts"), k, f) {
            double rate = json_number_value(tk_at(f, "entries_per_second"));
            if (strcmp(tk_text(f, "name"), name) != 0 || rate <= 0) continue;
            met = true;
            assert_true(json_number_value(tk_at(f, "bounds.slowest")) <= rate * 1.001);
            assert_true(json_number_value(tk_at(f, "bounds.fastest")) >= rate * 0.999);
            assert_true(tk_number(f, "bounds.soonest_ns") <= tk_number(f, "in_ns") + 1000000);
        }
        json_decref(doc);
    }
    assert_true(met);
}

static void test_the_table(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "forecast", t.id, "--seconds", "0.1", "-n", "5");
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 80);
    assert_non_null(strstr(r.out, "A SECOND"));
    assert_non_null(strstr(r.out, "5 looks"));
    tk_result_free(&r);
    TK_RUN(&r, "forecast", t.id, "--seconds", "0.1", "-f", "name=no-such");
    TK_CODE(&r, 0);
    assert_non_null(strstr(r.out, "0 of "));
    tk_result_free(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_a_map_that_nobody_fills_does_not_grow, start),
    cmocka_unit_test(test_the_insert_that_was_foretold_begins_the_growth),
    cmocka_unit_test(test_bytes_after_the_growth_are_as_foretold),
    cmocka_unit_test(test_tables_split_about_when_foretold),
    cmocka_unit_test(test_a_rate_has_bounds),
    cmocka_unit_test_teardown(test_the_table, end),
};
TK_MAIN("tool_forecast", tests)
