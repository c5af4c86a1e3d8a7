/* tableforecast.c - the next growth of each map, for people: one row each, soonest first.
 *
 * IN is a range where the rate has bounds: "0.4s..2m"; "5.0s.." if it did not rise all the time.
 */
#include "out.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS_WIDTH = 8 + 9 + 9 + 11 + 6 + 6 + 2, NAME_LEAST = 12 };

/* Seconds in at most 6 columns: "now", "1.4s", "12m", "3h", "2d", "-": not at this rate. */
static const char *put_time(double s, char buf[16]) {
    if (!isfinite(s) || s > 86400.0 * 999) return strcpy(buf, "-");
    if (s < 0.05) return strcpy(buf, "now");
    if (s < 9.95)
        snprintf(buf, 16, "%.1fs", s);
    else if (s < 99.5)
        snprintf(buf, 16, "%.0fs", s);
    else if (s < 60 * 99.5)
        snprintf(buf, 16, "%.0fm", s / 60);
    else if (s < 3600 * 47.5)
        snprintf(buf, 16, "%.0fh", s / 3600);
    else
        snprintf(buf, 16, "%.0fd", s / 86400);
    return buf;
}

static const char *put_rate(double rate, char buf[20]) {
    char n[16];
    double size = fabs(rate) < 1e18 ? fabs(rate) : 1e18;
    if (size < 0.05) return strcpy(buf, "0");
    if (size < 9.95)
        snprintf(buf, 20, "%c%.1f", rate < 0 ? '-' : '+', size);
    else
        snprintf(buf, 20, "%c%s", rate < 0 ? '-' : '+', ms_text_count((uint64_t)(size + 0.5), n));
    return buf;
}

static void put_bytes(FILE *f, uint64_t n) {
    char buf[16];
    fprintf(f, " %5s", n == MS_UNKNOWN ? "-" : ms_text_bytes(n, buf));
}

static void put_row(FILE *f, const struct ms_style *st, const struct ms_map *m, const struct ms_forecast *x,
                    int id_width, int name_width) {
    char id[64], n[16], rate[20], left[20], soon[16], late[16] = "", when[40];
    char *label = ms_map_label(m), *name = ms_text_escape(label, st->utf8);
    ms_map_id(m, id);
    fprintf(f, "%-*s ", id_width, id);
    ms_text_fit(f, name, name_width, st->utf8);
    fprintf(f, " %7s", ms_text_count(m->entries, n));
    fprintf(f, " %8s", put_rate(x->rate, rate));
    snprintf(left, sizeof left, "%s%s", x->about ? "~" : "", ms_text_count(x->entries_left, n));
    fprintf(f, " %8s", left);
    if (isfinite(x->latest)) put_time(x->latest, late);
    if (x->rate > 0 && x->spread)
        snprintf(when, sizeof when, "%s..%s", put_time(x->soonest, soon), late);
    else
        put_time(x->seconds, when);
    fprintf(f, " %10s", when);
    put_bytes(f, x->bytes_after);
    put_bytes(f, x->bytes_peak);
    fputs(x->fits ? "\n" : " !\n", f);
    free(name);
    free(label);
}

static void put_room(FILE *f, const struct ms_room *r) {
    char a[16], b[16];
    if (r->limit != MS_UNKNOWN)
        fprintf(f, "control group: %s of %s used; ", ms_text_bytes(r->used, a), ms_text_bytes(r->limit, b));
    if (r->available != MS_UNKNOWN)
        fprintf(f, "available on this machine: %s\n", ms_text_bytes(r->available, a));
    else if (r->limit != MS_UNKNOWN)
        fputc('\n', f);
}

/* Growths that do not fit, at most a few of them in words. */
static void put_tight(FILE *f, const struct ms_style *st, const struct ms_snapshot *s,
                      const struct ms_room *room, const struct ms_forecast *x, size_t n) {
    char more[16], left[16], id[64];
    for (size_t i = 0, said = 0; i < n && said < 3; i++) {
        if (x[i].fits) continue;
        ms_map_id(&s->map[x[i].map], id);
        char *line = ms_asprintf("! %s needs %s more to grow; %s are left", id,
                                 ms_text_bytes(x[i].more, more), ms_text_bytes(ms_room_left(room), left));
        ms_text_cut(f, line, st->width, st->utf8);
        fputc('\n', f);
        free(line);
        said++;
    }
}

void ms_table_forecast(FILE *f, const struct ms_style *st, const struct ms_snapshot *s, size_t looks,
                       uint64_t ns, const struct ms_room *room, const struct ms_forecast *x, size_t shown,
                       size_t n) {
    int id = 2, name = 3;
    char text[64], time[32];
    for (size_t i = 0; i < shown; i++) {
        char *label = ms_map_label(&s->map[x[i].map]), *escaped = ms_text_escape(label, st->utf8);
        ms_map_id(&s->map[x[i].map], text);
        if ((int)strlen(text) > id) id = (int)strlen(text);
        if (ms_text_width(escaped) > name) name = ms_text_width(escaped);
        free(escaped);
        free(label);
    }
    int room_for = st->width ? st->width - NUMBERS_WIDTH - id - 1 : name;
    if (room_for < NAME_LEAST) room_for = NAME_LEAST;
    if (name > room_for) name = room_for;
    if (shown)
        fprintf(f, "%-*s %-*s %7s %8s %8s %10s %5s %5s\n", id, "ID", name, "MAP", "ENTRIES", "A SECOND",
                "LEFT", "IN", "THEN", "PEAK");
    for (size_t i = 0; i < shown; i++) put_row(f, st, &s->map[x[i].map], &x[i], id, name);
    fprintf(f, "%zu of %zu map%s can grow", n, s->maps, s->maps == 1 ? "" : "s");
    if (shown < n) fprintf(f, ", %zu shown (-n shows more)", shown);
    if (looks > 1)
        fprintf(f, "; %zu looks in %s\n", looks, ms_text_duration(ns, time));
    else
        fprintf(f, "; one look: no rates\n");
    put_room(f, room);
    put_tight(f, st, s, room, x, n);
}
