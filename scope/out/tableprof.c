/* tableprof.c - a profile for people: a row for what samples share, the largest first. */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 7 + 1 + 6 + 1 + 7 + 2, WHAT_LEAST = 20, FRAMES_SHOWN = 12 };

/* "parse < load < main": who allocated first. */
static char *stack_text(const struct ms_profile *p, const struct ms_prof_sample *s) {
    const struct ms_prof_line *frame[MS_PROF_FRAMES];
    size_t n = ms_profile_frames(p, s, frame, MS_PROF_FRAMES), len = 0;
    char *text = NULL;
    FILE *to = open_memstream(&text, &len);
    if (!to) return ms_strdup("?");
    if (!n) fputs("[no stack]", to);
    for (size_t i = 0; i < n && i < FRAMES_SHOWN; i++)
        fprintf(to, "%s%s", i ? " < " : "",
                ms_profile_string(p, p->function[frame[n - 1 - i]->function - 1].name));
    if (n > FRAMES_SHOWN) fputs(" < ...", to);
    fclose(to);
    return text;
}

static const char *figure(int64_t v, bool bytes, char buf[16]) {
    if (v < 0) v = 0; /* freed more than was seen: a cycle of the sampler lies between */
    return bytes ? ms_text_bytes((uint64_t)v, buf) : ms_text_count((uint64_t)v, buf);
}

static void put_row(FILE *f, const struct ms_style *st, const struct ms_profile *p,
                    const struct ms_prof_row *r, bool stack, enum ms_prof_value v, int64_t total) {
    char value[16], count[16];
    bool bytes = strcmp(ms_prof_value_unit(v), "bytes") == 0;
    char *what = stack ? stack_text(p, r->first) : ms_strdup(r->text ? ms_profile_string(p, r->text) : "-");
    char *text = ms_text_escape(what, st->utf8);
    fprintf(f, "%7s %5.1f%% %7s  ", figure(r->value[v], bytes, value),
            total > 0 ? 100 * (double)r->value[v] / (double)total : 0, ms_text_count(r->samples, count));
    int room = st->width ? st->width - COLUMNS : 0;
    ms_text_cut(f, text, st->width && room < WHAT_LEAST ? WHAT_LEAST : room, st->utf8);
    fputc('\n', f);
    free(text);
    free(what);
}

static void put_title(FILE *f, const char *by) {
    fprintf(f, "%7s %6s %7s  ", "VALUE", "SHARE", "SAMPLES");
    for (; *by; by++) fputc(*by >= 'a' && *by <= 'z' ? *by - 'a' + 'A' : *by, f);
    fputc('\n', f);
}

void ms_table_prof(FILE *f, const struct ms_style *st, const struct ms_snapshot *s,
                   const struct ms_profile *p, const char *by, enum ms_prof_value v, size_t limit) {
    struct ms_prof_row *row;
    size_t rows = ms_profile_rows(p, by, v, &row), n = limit && limit < rows ? limit : rows;
    bool bytes = strcmp(ms_prof_value_unit(v), "bytes") == 0;
    int64_t total = ms_profile_total(p, v);
    char sum[16], period[16], *title = ms_text_escape(by, st->utf8);
    ms_table_target(f, st, s);
    while (n && row[n - 1].value[v] <= 0) n--;
    if (n) put_title(f, title);
    for (size_t i = 0; i < n; i++) put_row(f, st, p, &row[i], strcmp(by, "stack") == 0, v, total);
    fprintf(f, "%s: %s in %zu sample%s", ms_prof_value_name(v), figure(total, bytes, sum), p->samples,
            p->samples == 1 ? "" : "s");
    if (p->period > 1) fprintf(f, "; one in %s was sampled", ms_text_bytes(p->period, period));
    if (n < rows) fprintf(f, "; %zu of %zu rows", n, rows);
    fputc('\n', f);
    free(title);
    free(row);
}
