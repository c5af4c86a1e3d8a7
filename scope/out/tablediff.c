/* tablediff.c - differences for people: a row a map, or maps that are alike, the largest first.
 *
 *   before  recorded 2026-11-21 20:15:03, moment 1 of 60 in a.rec: process 4039 (goservice)
 *   after   recorded 2026-11-21 20:16:02, moment 60 of 60 in a.rec: process 4039 (goservice)
 *   CHANGE  ID   MAP          ENTRIES        +/- BYTES     +/-
 *   emptier 7.1  byToken        10000    -110000 25.0M       0
 *   grew    22.1 sessions      100003     +50000  3.2M   +1.6M
 *
 * Numbers have columns of fixed width; the name has what is left.  A row that must not be has a mark before it.
 */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CHANGE_WIDTH = 8, NUMBERS_WIDTH = 8 + 11 + 6 + 8, MAP_LEAST = 10 };

/* "+1.6M", "-3", "0". */
static void put_signed(char *buf, uint64_t before, uint64_t after, const char *(*text)(uint64_t, char *)) {
    *buf = 0;
    if (before != after) *buf++ = after > before ? '+' : '-';
    text(after > before ? after - before : before - after, buf);
}

static void put_source(FILE *f, const struct ms_style *st, const char *which, const struct ms_snapshot *s) {
    const struct ms_target *t = &s->target;
    char age[32] = "?", when[32];
    char *name = ms_text_escape(t->comm ? t->comm : "", st->utf8);
    char *file = ms_text_escape(t->recording ? t->recording : t->core ? t->core : "", st->utf8);
    if (t->age_ns) ms_text_duration(t->age_ns, age);
    char *how = t->recording ? ms_asprintf("recorded %s, moment %" PRIu64 " of %" PRIu64 " in %s",
                                           ms_text_moment(t->taken_ns, when), t->moment, t->moments, file)
                : t->core    ? ms_asprintf("core file %s", file)
                             : ms_asprintf("up %s", age);
    char *line = ms_asprintf("%-7s %s: process %d (%s)", which, how, t->pid, name);
    ms_text_cut(f, line, st->width, st->utf8);
    fputc('\n', f);
    free(line);
    free(how);
    free(file);
    free(name);
}

static char *label_of(const struct ms_difference *r, bool utf8) {
    char *raw = r->name ? ms_strdup(r->name) : ms_map_label(r->after ? r->after : r->before);
    char *safe = ms_text_escape(raw, utf8);
    free(raw);
    return safe;
}

/* The id of a map, or how many are alike now. */
static void put_id(const struct ms_difference *r, char buf[64]) {
    if (!r->name)
        ms_map_id(r->after ? r->after : r->before, buf);
    else if (r->maps_before == r->maps_after)
        snprintf(buf, 64, "%" PRIu64, r->maps_after);
    else
        snprintf(buf, 64, "%" PRIu64 "->%" PRIu64, r->maps_before, r->maps_after);
}

struct widths {
    int id, map;
    bool marks;
};

static struct widths measure(const struct ms_style *st, const struct ms_diff *d, size_t n) {
    struct widths w = {2, 3, d->fails > 0};
    for (size_t i = 0; i < n; i++) {
        char id[64];
        char *label = label_of(&d->row[i], st->utf8);
        put_id(&d->row[i], id);
        if ((int)strlen(id) > w.id) w.id = (int)strlen(id);
        if (ms_text_width(label) > w.map) w.map = ms_text_width(label);
        free(label);
    }
    int room = st->width - (w.marks ? 2 : 0) - CHANGE_WIDTH - w.id - 1 - NUMBERS_WIDTH;
    if (room < MAP_LEAST) room = MAP_LEAST;
    if (st->width && w.map > room) w.map = room;
    return w;
}

static void put_row(FILE *f, const struct ms_style *st, const struct widths *w,
                    const struct ms_difference *r) {
    static const struct ms_map none;
    const struct ms_map *a = r->before ? r->before : &none, *b = r->after ? r->after : &none;
    char id[64], entries[16], bytes[16], more_entries[20], more_bytes[20];
    char *label = label_of(r, st->utf8), *cell = ms_text_fitted(label, w->map, (w->map - 1) / 2, st->utf8);
    put_id(r, id);
    put_signed(more_entries, a->entries, b->entries, ms_text_count);
    put_signed(more_bytes, a->bytes, b->bytes, ms_text_bytes);
    if (w->marks) fputs(r->fails ? "! " : "  ", f);
    fprintf(f, "%-7s %-*s %s %7s %10s %5s %7s\n",
            r->change == MS_CHANGE_NONE ? "" : ms_change_name(r->change), w->id, id, cell,
            ms_text_count(b->entries, entries), more_entries, ms_text_bytes(b->bytes, bytes), more_bytes);
    free(cell);
    free(label);
}

static void put_totals(FILE *f, const struct ms_diff *d) {
    char a[16], b[16], more[20];
    fprintf(f, "%" PRIu64 " maps before, %" PRIu64 " after:", d->maps_before, d->maps_after);
    bool some = false;
    for (int c = 0; c < MS_CHANGE_NONE; c++) {
        if (d->changes[c] == 0) continue;
        fprintf(f, "%s %" PRIu64 " %s", some ? "," : "", d->changes[c], ms_change_name((enum ms_change)c));
        some = true;
    }
    fprintf(f, "%s %" PRIu64 " as before\n", some ? "," : "", d->changes[MS_CHANGE_NONE]);
    put_signed(more, d->before.entries, d->after.entries, ms_text_count);
    fprintf(f, "entries %s -> %s (%s)", ms_text_count(d->before.entries, a),
            ms_text_count(d->after.entries, b), more);
    put_signed(more, d->before.bytes, d->after.bytes, ms_text_bytes);
    fprintf(f, "\nbytes %s -> %s (%s)", ms_text_bytes(d->before.bytes, a), ms_text_bytes(d->after.bytes, b),
            more);
    put_signed(more, d->before.waste, d->after.waste, ms_text_bytes);
    fprintf(f, ", waste %s -> %s (%s)\n", ms_text_bytes(d->before.waste, a), ms_text_bytes(d->after.waste, b),
            more);
    if (d->changes[MS_CHANGE_EMPTIER]) fprintf(f, "emptier: fewer entries in the same table\n");
    if (d->other_process) fprintf(f, "two processes: maps are told by name and type\n");
}

void ms_table_diff(FILE *f, const struct ms_style *st, const struct ms_snapshot *a,
                   const struct ms_snapshot *b, const struct ms_diff *d, size_t limit) {
    size_t n = limit && limit < d->rows ? limit : d->rows;
    struct widths w = measure(st, d, n);
    put_source(f, st, "before", a);
    put_source(f, st, "after", b);
    if (n) {
        fprintf(f, "%s%-7s %-*s %-*s %7s %10s %5s %7s\n", w.marks ? "  " : "", "CHANGE", w.id,
                d->row[0].name ? "N" : "ID", w.map, "MAP", "ENTRIES", "+/-", "BYTES", "+/-");
    }
    for (size_t i = 0; i < n; i++) put_row(f, st, &w, &d->row[i]);
    if (n < d->rows) fprintf(f, "%zu more differ\n", d->rows - n);
    put_totals(f, d);
}
