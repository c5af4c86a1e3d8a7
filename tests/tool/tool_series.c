/* tool_series.c - 100,000 maps become 1000 rows and "other": the largest have rows, sums lose nothing, and what was kept is
 * told quickly.  Over made-up models.
 */
#include "out/openmetrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { MAPS = 100000 };

static double cpu_ms(void) { return (double)clock() * 1000 / CLOCKS_PER_SEC; }

static struct ms_map *made_up(struct ms_type *type) {
    struct ms_map *m = ms_alloc(MAPS * sizeof *m);
    memset(m, 0, MAPS * sizeof *m);
    *type = (struct ms_type){.name = ms_strdup("8 bytes->8 bytes"), .slot_payload = 16, .slot_size = 16};
    for (uint64_t i = 0; i < MAPS; i++) {
        uint64_t mixed = i * 7919 % MAPS; /* a prime: every size once, in no order */
        m[i].type = type;
        m[i].name = ms_asprintf("map %llu", (unsigned long long)i);
        m[i].entries = mixed, m[i].slots = MAPS;
        m[i].bytes = m[i].part[MS_PART_SLOTS_EMPTY] = mixed * 1000;
        m[i].resident = m[i].growths = m[i].grow_at = m[i].grow_likely = m[i].grow_bytes = m[i].grow_peak =
            MS_UNKNOWN;
    }
    return m;
}

static void test_rows(void **state) {
    (void)state;
    struct ms_type type;
    struct ms_map *m = made_up(&type);
    struct ms_series s;
    uint64_t entries = 0, bytes = 0, maps = 0;
    double from = cpu_ms();
    ms_view_series(m, MAPS, 1000, &s);
    printf("# rows of %d maps: %.1f ms of processor time\n", MAPS, cpu_ms() - from);
    assert_int_equal(s.rows, 1001);
    assert_int_equal(s.folded, MAPS - 1000);
    for (size_t i = 0; i < s.rows; i++) {
        entries += s.row[i].entries, bytes += s.row[i].bytes, maps += s.row[i].maps;
        if (i < 1000) assert_int_equal(s.row[i].bytes, (MAPS - 1 - i) * 1000);
    }
    assert_string_equal(s.row[1000].map, "other");
    assert_int_equal(maps, MAPS);
    assert_int_equal(entries, (uint64_t)MAPS * (MAPS - 1) / 2);
    assert_int_equal(bytes, entries * 1000);
    assert_int_equal(s.row[0].resident, MS_UNKNOWN);

    char *text;
    size_t len;
    struct ms_scraped t = {.up = true, .series = s};
    FILE *f = open_memstream(&text, &len);
    from = cpu_ms();
    ms_openmetrics(f, MS_OPENMETRICS, "1", &t, 1, MS_UNKNOWN);
    fclose(f);
    printf("# %zu bytes of text of them: %.1f ms of processor time\n", len, cpu_ms() - from);
    assert_null(strstr(text, "gomap_resident_bytes")); /* not known: not told */
    assert_non_null(strstr(text, "gomap_entries{map=\"map "));
    assert_string_equal(text + len - 6, "# EOF\n");
    free(text);
    ms_view_series_free(&s);
    for (size_t i = 0; i < MAPS; i++) free(m[i].name);
    free(m);
    free(type.name);
}

/* Figures of a hostile target: sums stay at the end of the scale instead of coming round. */
static void test_sums_do_not_wrap(void **state) {
    (void)state;
    struct ms_map m[2] = {
        {.name = (char *)"a", .bytes = UINT64_MAX - 1, .entries = UINT64_MAX - 1, .slots = UINT64_MAX - 1},
        {.name = (char *)"a", .bytes = 7, .entries = 7, .slots = 7}};
    struct ms_series s;
    for (int i = 0; i < 2; i++)
        m[i].grow_at = m[i].grow_likely = m[i].grow_bytes = m[i].grow_peak = MS_UNKNOWN;
    ms_view_series(m, 2, 10, &s);
    assert_int_equal(s.rows, 1);
    assert_int_equal(s.row[0].bytes, UINT64_MAX);
    assert_int_equal(s.row[0].slots, UINT64_MAX);
    assert_string_equal(s.row[0].type, "?");
    ms_view_series_free(&s);
}

static void test_labels(void **state) {
    (void)state;
    char out[MS_SERIES_LABEL_BYTES + 1], longest[400];
    static const char *const pairs[][2] = {{"plain", "plain"},
                                           {"\033[31m", "?[31m"},
                                           {"\xff\xc3\xa4", "?\xc3\xa4"},
                                           {"\xe2\x80\xae", "???"},
                                           {"\xed\xa0\x80", "???"},
                                           {"", ""},
                                           {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
                                           {"a\nb\"c\\", "a?b\"c\\"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        ms_view_label(pairs[i][0], out);
        assert_string_equal(out, pairs[i][1]);
    }
    for (size_t width = 1; width <= 4; width++) { /* a cut falls between characters */
        static const char *const one[] = {"a", "\xc3\xa4", "\xe6\x97\xa5", "\xf0\x9f\x98\x80"};
        longest[0] = 0;
        for (size_t n = 0; n < 98; n++) strcat(longest, one[width - 1]);
        ms_view_label(longest, out);
        size_t len = strlen(out);
        assert_true(len <= MS_SERIES_LABEL_BYTES && out[len - 1] == '~' && (len - 1) % width == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_sums_do_not_wrap),
                                       cmocka_unit_test(test_labels)};
    return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
