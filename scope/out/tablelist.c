/* tablelist.c - lists for people: one row a map, as wide as the terminal and never wider.
 *
 * Numbers have columns of fixed width; what is left goes to the two texts, MAP and TYPE, shared by what they
 * need.  At 80 columns both are cut with an ellipsis; -w lifts the limit.
 */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS_WIDTH = 7 + 4 + 5 + 5 + 5 + 9, GAPS = 8, NAME_LEAST = 10 };

struct widths {
    int id, map, type;
};

static int share(int room, int a, int b) {
    /* a's part of room when a and b do not both fit: at least half, unless it needs less. */
    if (a + b <= room) return a;
    if (a <= room / 2) return a;
    if (b <= room - room / 2) return room - b;
    return room / 2;
}

static struct widths measure(const struct ms_style *st, const struct ms_map *maps, size_t n) {
    struct widths w = {2, 3, 4};
    size_t look = n < 10000 ? n : 10000; /* rows beyond are cut if they need more */
    for (size_t i = 0; i < look; i++) {
        char id[64];
        ms_map_id(&maps[i], id);
        char *raw = ms_map_label(&maps[i]), *label = ms_text_escape(raw, st->utf8);
        char *type = ms_text_escape(maps[i].type ? maps[i].type->name : "?", st->utf8);
        int wi = (int)strlen(id), wm = ms_text_width(label), wt = ms_text_width(type);
        if (wi > w.id) w.id = wi;
        if (wm > w.map) w.map = wm;
        if (wt > w.type) w.type = wt;
        free(raw);
        free(label);
        free(type);
    }
    if (st->width) {
        int room = st->width - NUMBERS_WIDTH - GAPS - w.id;
        if (room < 2 * NAME_LEAST) room = 2 * NAME_LEAST;
        int map = w.map, type = w.type;
        w.map = share(room, map, type);
        w.type = room - w.map < type ? room - w.map : type;
    }
    return w;
}

static void put_state(char *buf, size_t len, const struct ms_map *m) {
    unsigned pct = m->walk_total ? (unsigned)(100 * (double)m->walk_done / (double)m->walk_total) : 0;
    if (m->certainty == MS_DAMAGED)
        snprintf(buf, len, "damaged");
    else if (m->walk == MS_WALK_GROW)
        snprintf(buf, len, "grow %u%%", pct);
    else if (m->walk == MS_WALK_SHRINK)
        snprintf(buf, len, "shrk %u%%", pct);
    else if (m->certainty == MS_CHANGING)
        snprintf(buf, len, "changing");
    else
        snprintf(buf, len, "-");
}

static void put_row(FILE *f, const struct ms_style *st, const struct widths *w, const struct ms_map *m) {
    char id[64], count[16], bytes[16], waste[16], resident[16], load[16], state[16];
    bool ok = m->certainty != MS_DAMAGED;
    ms_map_id(m, id);
    put_state(state, sizeof state, m);
    snprintf(load, sizeof load, "%.2f", m->load);
    char *raw = ms_map_label(m), *label = ms_text_escape(raw, st->utf8);
    char *type = ms_text_escape(m->type ? m->type->name : "?", st->utf8);
    fprintf(f, "%-*s ", w->id, id);
    ms_text_fit(f, label, w->map, !m->name && m->site,
                st->utf8); /* the site tells one type@site from another */
    fputc(' ', f);
    ms_text_fit(f, type, w->type, false, st->utf8);
    fprintf(f, " %7s %4s %5s %5s %5s %s\n", ok ? ms_text_count(m->entries, count) : "?",
            !ok        ? "?"
            : m->slots ? load
                       : "-",
            ok ? ms_text_bytes(m->bytes, bytes) : "?", ok ? ms_text_bytes(m->waste, waste) : "?",
            m->resident == MS_UNKNOWN ? "-" : ms_text_bytes(m->resident, resident), state);
    free(raw);
    free(label);
    free(type);
}

void ms_table_list(FILE *f, const struct ms_style *st, const struct ms_map *maps, size_t n) {
    struct widths w = measure(st, maps, n);
    fprintf(f, "%-*s %-*s %-*s %7s %4s %5s %5s %5s %s\n", w.id, "ID", w.map, "MAP", w.type, "TYPE", "ENTRIES",
            "LOAD", "BYTES", "WASTE", "RESID", "STATE");
    for (size_t i = 0; i < n; i++) put_row(f, st, &w, &maps[i]);
}

void ms_table_totals(FILE *f, const struct ms_style *st, const struct ms_totals *t, size_t shown) {
    char entries[16], bytes[16], waste[16], gain[16], resident[16];
    (void)st;
    fprintf(f, "%" PRIu64 " map%s", t->maps, t->maps == 1 ? "" : "s");
    if (shown < t->maps) fprintf(f, " (%zu shown)", shown);
    fprintf(f, ", %s entries, %s, waste %s, rebuild gain %s", ms_text_count(t->entries, entries),
            ms_text_bytes(t->bytes, bytes), ms_text_bytes(t->waste, waste),
            ms_text_bytes(t->rebuild_gain, gain));
    if (t->resident_known) fprintf(f, ", resident %s", ms_text_bytes(t->resident, resident));
    fputc('\n', f);
}

void ms_table_target(FILE *f, const struct ms_style *st, const struct ms_snapshot *s) {
    char age[32] = "?", rss[16] = "?";
    if (s->target.age_ns) ms_text_duration(s->target.age_ns, age);
    if (s->target.rss_bytes) ms_text_bytes(s->target.rss_bytes, rss);
    char *name = ms_text_escape(s->target.comm ? s->target.comm : "", st->utf8);
    char *line = ms_asprintf("process %d (%s), up %s, RSS %s, %zu cop%s of gomap", s->target.pid, name, age,
                             rss, s->copies, s->copies == 1 ? "y" : "ies");
    ms_text_cut(f, line, st->width, st->utf8);
    fputc('\n', f);
    free(line);
    free(name);
}

void ms_table_notes(FILE *f, const struct ms_style *st, const struct ms_snapshot *s) {
    for (size_t i = 0; i < s->notes; i++) {
        char *line = ms_text_escape(s->note[i], st->utf8);
        fprintf(f, "mapscope: %s\n", line);
        free(line);
    }
}
