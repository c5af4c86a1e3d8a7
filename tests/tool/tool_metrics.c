/* tool_metrics.c - `metrics`: what a monitoring system reads is what `list` says, in few rows, and well-formed whatever the
 * target calls its maps.  A small strict reader of both text formats stands here; promtool.sh asks Prometheus' own.
 */
#include "toolkit.h"

#include <ctype.h>
#include <inttypes.h>

static struct tk_target t;

static int start(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("target_maps"), "known");
    return 0;
}

static int end(void **state) {
    (void)state;
    tk_kill(&t);
    return 0;
}

/* ---- a reader ------------------------------------------------------------------------------------ */

enum { MOST = 40000 };
static struct sample {
    char name[64], labels[1200]; /* labels as they stand between the braces */
    double value;
} sample[MOST];
static size_t samples;

static const char *take_name(const char *p, char *out, size_t room) {
    size_t n = 0;
    assert_true(isalpha((unsigned char)*p) || *p == '_');
    while (isalnum((unsigned char)p[n]) || p[n] == '_') n++;
    assert_true(n < room);
    memcpy(out, p, n);
    out[n] = 0;
    return p + n;
}

/* key="value", with \\ \" and \n as the only escapes */
static const char *take_label(const char *p) {
    char key[64];
    p = take_name(p, key, sizeof key);
    assert_true(p[0] == '=' && p[1] == '"');
    for (p += 2; *p != '"'; p++) {
        assert_true((unsigned char)*p >= 0x20);
        if (*p == '\\') assert_non_null(strchr("\\\"n", *++p));
    }
    return p + 1;
}

static void take_sample(const char *p) {
    struct sample *s = &sample[samples];
    char *end_of;
    assert_true(samples < MOST);
    p = take_name(p, s->name, sizeof s->name);
    s->labels[0] = 0;
    if (*p == '{') {
        const char *from = p + 1;
        do p = take_label(p + 1);
        while (*p == ',');
        assert_true(*p == '}' && (size_t)(p - from) < sizeof s->labels);
        memcpy(s->labels, from, (size_t)(p - from));
        s->labels[p - from] = 0;
        p++;
    }
    assert_true(*p == ' ');
    s->value = strtod(p + 1, &end_of);
    assert_true(*end_of == 0 && end_of > p + 1);
    samples++;
}

static int by_series(const void *a, const void *b) {
    const struct sample *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->labels, y->labels);
}

/* Every line is a sample of the family whose TYPE came last, no series twice, the end where it belongs. */
static void parse(char *text, bool open) {
    char family[64] = "", type[16] = "";
    bool ended = false;
    samples = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        assert_false(ended);
        if (sscanf(line, "# TYPE %63s %15s", family, type) == 2) continue;
        if (strcmp(line, "# EOF") == 0) {
            ended = true;
            continue;
        }
        if (*line == '#') {
            assert_true(strncmp(line, "# HELP ", 7) == 0 || (open && strncmp(line, "# UNIT ", 7) == 0));
            continue;
        }
        take_sample(line);
        size_t n = strlen(family);
        const char *rest = sample[samples - 1].name + n;
        assert_memory_equal(sample[samples - 1].name, family, n);
        assert_string_equal(rest, !open                          ? ""
                                  : strcmp(type, "counter") == 0 ? "_total"
                                  : strcmp(type, "info") == 0    ? "_info"
                                                                 : "");
    }
    assert_int_equal(ended, open);
    assert_true(samples > 0);
    qsort(sample, samples, sizeof *sample, by_series);
    for (size_t i = 1; i < samples; i++) assert_true(by_series(&sample[i - 1], &sample[i]) < 0);
}

/* Sum of the samples of a metric whose labels have this text; how many they are. */
static double sum(const char *name, const char *label, size_t *count) {
    double all = 0;
    size_t n = 0;
    for (size_t i = 0; i < samples; i++)
        if (strcmp(sample[i].name, name) == 0 && (!label || strstr(sample[i].labels, label)))
            all += sample[i].value, n++;
    if (count) *count = n;
    return all;
}

static void metrics(const char *format, const char *limit) {
    struct tk_result r;
    TK_RUN(&r, "metrics", t.id, "-o", format, "-n", limit);
    TK_CODE(&r, 0);
    TK_CLEAN(r.out, r.out_len, 0);
    parse(r.out, strcmp(format, "openmetrics") == 0);
    tk_result_free(&r);
}

static void sums_are_totals(const json_t *list) {
    assert_int_equal(sum("gomap_maps", NULL, NULL), tk_number(list, "totals.maps"));
    assert_int_equal(sum("gomap_entries", NULL, NULL), tk_number(list, "totals.entries"));
    assert_int_equal(sum("gomap_memory_bytes", NULL, NULL), tk_number(list, "totals.bytes"));
    assert_int_equal(sum("gomap_waste_bytes", NULL, NULL), tk_number(list, "totals.waste_bytes"));
    assert_int_equal(sum("gomap_rebuild_gain_bytes", NULL, NULL),
                     tk_number(list, "totals.rebuild_gain_bytes"));
}

/* ---- tests --------------------------------------------------------------------------------------- */

static void test_same_as_list(void **state) {
    (void)state;
    json_t *list = TK_JSON("list", t.id), *m;
    size_t i, count;
    for (int form = 0; form < 2; form++) {
        metrics(form ? "prometheus" : "openmetrics", "1000");
        sums_are_totals(list);
        assert_int_equal(sum("mapscope_up", NULL, &count), 1);
        assert_int_equal(count, 1);
        assert_int_equal(sum("mapscope_folded_rows", NULL, NULL), 0);
        json_array_foreach(tk_at(list, "maps"), i, m) {
            const char *name = json_string_value(json_object_get(m, "name"));
            char label[128];
            if (!name || strpbrk(name, "\"\\")) continue;
            snprintf(label, sizeof label, "map=\"%s\"", name);
            assert_int_equal(sum("gomap_entries", label, &count), tk_number(m, "entries"));
            assert_int_equal(count, 1);
            assert_int_equal(sum("gomap_memory_bytes", label, NULL), tk_number(m, "bytes"));
            assert_int_equal(sum("gomap_slots", label, NULL), tk_number(m, "slots"));
        }
    }
    json_decref(list);
}

static void test_cut_is_shown_and_loses_nothing(void **state) {
    (void)state;
    json_t *list = TK_JSON("list", t.id);
    size_t rows;
    metrics("openmetrics", "5");
    sums_are_totals(list);
    sum("gomap_entries", NULL, &rows);
    assert_int_equal(rows, 6);
    assert_true(sum("gomap_maps", "map=\"other\",type=\"\"", NULL) > 1);
    assert_true(sum("mapscope_folded_rows", NULL, NULL) > 1);
    double least = sum("gomap_memory_bytes", NULL, NULL);
    size_t i;
    json_t *m;
    for (size_t k = 0; k < samples; k++) { /* those that have a row are the largest */
        if (strcmp(sample[k].name, "gomap_maps") != 0 || strstr(sample[k].labels, "map=\"other\"")) continue;
        double bytes = sum("gomap_memory_bytes", sample[k].labels, NULL);
        if (bytes < least) least = bytes;
    }
    size_t larger = 0;
    json_array_foreach(tk_at(list, "maps"), i, m) larger += (double)tk_number(m, "bytes") > least;
    assert_true(larger <= 4);
    json_decref(list);
}

static void name_map(size_t i, const char *bytes) {
    char hex[1024] = "";
    for (size_t k = 0; bytes[k]; k++) sprintf(hex + 2 * k, "%02x", (unsigned char)bytes[k]);
    assert_string_equal(tk_ask(&t, "name %zu %s", i, hex), "ok");
}

/* Names that break out, that look alike once they are cleaned or cut, and that pose as the row of all others. */
static void test_hostile_names(void **state) {
    (void)state;
    static const char *const names[] = {"\"} 1\ngomap_entries{map=\"forged\",type=\"t\"",
                                        "back\\slash\\",
                                        "other",
                                        "\033[31mred",
                                        "\001[31mred",
                                        "\\x1b[31mred",
                                        "\xff\xfe",
                                        "\xe2\x80\xae"
                                        "turned",
                                        "a\nb",
                                        "a?b",
                                        "01234567890123456789012345678901234567890123456789012345678901234567"
                                        "89012345678901234567890123456789a",
                                        "01234567890123456789012345678901234567890123456789012345678901234567"
                                        "89012345678901234567890123456789b"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) name_map(i, names[i]);
    json_t *list = TK_JSON("list", t.id);
    for (int form = 0; form < 2; form++) {
        metrics(form ? "prometheus" : "openmetrics", "1000");
        sums_are_totals(list);
        assert_int_equal(sum("gomap_maps", "map=\"forged\"", NULL), 0);
        assert_int_equal(sum("gomap_maps", "map=\"?[31mred\"", NULL), 2);
        assert_int_equal(sum("gomap_maps", "map=\"back\\\\slash\\\\\"", NULL), 1);
        assert_true(sum("gomap_maps", "map=\"01234567890", NULL) >= 1);
        assert_int_equal(sum("gomap_maps", "map=\"other\",type=\"\"", NULL), 0);
        for (size_t k = 0; k < samples; k++) assert_true(strlen(sample[k].labels) < 512);
    }
    metrics("openmetrics", "1"); /* the map that calls itself so beside the row of that name */
    sums_are_totals(list);
    json_decref(list);
}

static void test_many_maps_few_series(void **state) {
    (void)state;
    struct tk_target many;
    struct tk_result r;
    TK_START(&many, tk_target_path("target_maps"), "many", "20000");
    TK_RUN(&r, "metrics", many.id);
    TK_CODE(&r, 0);
    printf("# %zu bytes of metrics for 20000 maps\n", r.out_len);
    parse(r.out, true);
    assert_int_equal(sum("gomap_maps", NULL, NULL), 20000);
    assert_true(samples < 1001 * 30 + 20);
    tk_result_free(&r);
    tk_kill(&many);
}

static void test_document(void **state) {
    (void)state;
    json_t *doc = TK_JSON("metrics", t.id, "-n", "3"), *list = TK_JSON("list", t.id), *row;
    size_t i;
    uint64_t entries = 0;
    assert_int_equal(json_array_size(tk_at(doc, "rows")), 4);
    json_array_foreach(tk_at(doc, "rows"), i, row) entries += tk_number(row, "gomap_entries");
    assert_int_equal(entries, tk_number(list, "totals.entries"));
    assert_int_equal(tk_number(doc, "process.mapscope_up"), 1);
    json_decref(doc);
    json_decref(list);
}

static void test_refused(void **state) {
    (void)state;
    struct tk_result r;
    TK_RUN(&r, "metrics", t.id, "-o", "csv");
    TK_REFUSED(&r, 2, "csv", "openmetrics", "prometheus");
    tk_result_free(&r);
    TK_RUN(&r, "metrics", t.id, "-n", "100001");
    TK_REFUSED(&r, 2, "--limit");
    tk_result_free(&r);
    TK_RUN(&r, "list", t.id, "-o", "prometheus"); /* of this verb alone */
    TK_REFUSED(&r, 2, "prometheus");
    tk_result_free(&r);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_as_list, start, end),
        cmocka_unit_test_setup_teardown(test_cut_is_shown_and_loses_nothing, start, end),
        cmocka_unit_test_setup_teardown(test_hostile_names, start, end),
        cmocka_unit_test(test_many_maps_few_series),
        cmocka_unit_test_setup_teardown(test_document, start, end),
        cmocka_unit_test_setup_teardown(test_refused, start, end),
    };
    return tk_main(argc, argv, "metrics", tests, sizeof tests / sizeof *tests);
}
