/* tablelist.c - lists for people: one row a map, as wide as the terminal and never wider.
 *
 * Numbers have columns of fixed width, RESID and STATE if some map has one; what is left goes to the two texts, MAP and TYPE, shared by what they
 * need.  At 80 columns both are cut in the middle, so that what tells one row from the next stays: of type@site
 * the file and line, of names and types both ends.  -w lifts the limit.
 *
 *   MAP   uint64_t->uint64_t@src/table/sessions.c:16   ->   u…sessions.c:16
 *   TYPE  uint64_t->struct session                     ->   uint64…session
 *
 * A process has many maps and few types: the cells of a type are made once and kept for the time of one list, at
 * a place given by a hash of the type's address; two types of one place push each other out.
 */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS_WIDTH = 7 + 4 + 5 + 5, GAPS = 6, RESIDENT_WIDTH = 6, STATE_WIDTH = 10, NAME_LEAST = 10, KNOWN_BITS = 8,
       STEADY_MAP = 3, STEADY_TYPE = 2, ID_FROM = 100 };

/* A text of the target, safe to print. */
struct text {
    char *escaped, *cell; /* cell: cut or padded to its column; NULL: not made yet */
    int width, tail;      /* columns; of these the last ones that must stay */
};

/* The texts that all maps of a type share. */
struct known {
    const struct ms_type *type; /* NULL: this place is free */
    struct text label, name;    /* label: of a map without a name */
};

struct list {
    FILE *f;
    const struct ms_style *st;
    int id, map, type; /* widths of the columns */
    bool resident, state; /* these columns are there */
    struct known known[1 << KNOWN_BITS];
};

static void make_text(struct text *t, const char *raw, bool utf8) {
    t->escaped = ms_text_escape(raw, utf8);
    t->cell = NULL;
    t->width = ms_text_width(t->escaped);
    t->tail = 0;
}

static void drop_text(struct text *t) {
    free(t->escaped);
    free(t->cell);
}

static const char *cell_of(struct text *t, int width, bool utf8) {
    int half = (width - 1) / 2;
    if (!t->cell) t->cell = ms_text_fitted(t->escaped, width, t->tail > half ? t->tail : half, utf8);
    return t->cell;
}

static void forget(struct known *k) {
    if (!k->type) return;
    drop_text(&k->label);
    drop_text(&k->name);
    k->type = NULL;
}

/* Columns of the file and line of a site, its folders left out. */
static int site_width(const char *site, bool utf8) {
    const char *slash = strrchr(site, '/');
    char *escaped = ms_text_escape(slash ? slash + 1 : site, utf8);
    int width = ms_text_width(escaped);
    free(escaped);
    return width;
}

static struct known *know(struct list *l, const struct ms_type *type) {
    uint64_t hash = (uintptr_t)type * UINT64_C(0x9e3779b97f4a7c15);
    struct known *k = &l->known[hash >> (64 - KNOWN_BITS)];
    if (k->type == type) return k;
    forget(k);
    k->type = type;
    char *label = ms_map_label(&(struct ms_map){.type = type, .site = type->site});
    make_text(&k->label, label, l->st->utf8);
    make_text(&k->name, type->name, l->st->utf8);
    if (type->site) k->label.tail = site_width(type->site, l->st->utf8);
    free(label);
    return k;
}

/* The texts of a row: those of its type, or *own for the name of the map.  Nothing is known of a damaged map. */
static void texts_of(struct list *l, const struct ms_map *m, struct text *own, struct text **map,
                     struct text **type) {
    static char unknown[] = "?";
    static const struct ms_type nameless = {.name = unknown};
    struct known *k = know(l, m->type ? m->type : &nameless);
    *map = &k->label;
    *type = &k->name;
    const char *name = m->name && *m->name ? m->name : m->holder;
    *own = (struct text){0};
    if (!name || !*name) return;
    make_text(own, name, l->st->utf8);
    *map = own;
}

static int larger(int a, int b) { return a > b ? a : b; }

/* a's part of room when a and b do not both fit: half, unless it needs less, or a_least more. */
static int share(int room, int a, int b, int a_least) {
    int half = room / 2;
    if (a + b <= room || a <= half) return a;
    if (b <= room - half) return room - b;
    return larger(half, a_least < room - NAME_LEAST ? a_least : room - NAME_LEAST);
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
        strcpy(buf, "-");
}

static void measure(struct list *l, const struct ms_map *maps, size_t n) {
    int least = 0;
    char state[16];
    l->id = 2, l->map = 3, l->type = 4;
    l->state = l->st->steady;
    l->resident = l->st->steady && l->st->resident;
    for (size_t i = 0; i < n; i++) {
        struct text own, *map, *type;
        char id[64];
        ms_map_id(&maps[i], id);
        texts_of(l, &maps[i], &own, &map, &type);
        l->id = larger(l->id, (int)strlen(id));
        l->map = larger(l->map, map->width);
        l->type = larger(l->type, type->width);
        least = larger(least, map->tail + 1);
        put_state(state, sizeof state, &maps[i]);
        l->resident = l->resident || maps[i].resident != MS_UNKNOWN;
        l->state = l->state || state[0] != '-';
        drop_text(&own);
    }
    if (!l->st->width) return;
    if (l->st->steady && l->st->width < ID_FROM) l->id = 0; /* what is chosen on a screen needs no id */
    int numbers = NUMBERS_WIDTH + GAPS + (l->resident ? RESIDENT_WIDTH : 0) + (l->state ? STATE_WIDTH : 0);
    int room = larger(l->st->width - numbers - l->id + (l->id == 0), 2 * NAME_LEAST);
    if (l->st->steady) { /* what is shown of them changes, the columns do not */
        l->map = room * STEADY_MAP / (STEADY_MAP + STEADY_TYPE);
        l->type = room - l->map;
        return;
    }
    int map = share(room, l->map, l->type, least);
    l->type = room - map < l->type ? room - map : l->type;
    l->map = map;
}

/* Two decimals, as printf's %.2f but for ties. */
static const char *put_load(double load, char buf[16]) {
    if (!(load >= 0 && load < 10)) return snprintf(buf, 16, "%.2f", load), buf;
    unsigned v = (unsigned)(load * 100 + 0.5);
    if (v >= 1000) return strcpy(buf, "10.00");
    buf[0] = (char)('0' + v / 100);
    buf[1] = '.';
    buf[2] = (char)('0' + v / 10 % 10);
    buf[3] = (char)('0' + v % 10);
    buf[4] = 0;
    return buf;
}

static void put_right(FILE *f, const char *s, size_t width) {
    static const char blanks[] = "        ";
    size_t len = strlen(s);
    fputc(' ', f);
    if (len < width) fwrite(blanks, 1, width - len, f);
    fwrite(s, 1, len, f);
}

static void put_row(struct list *l, const struct ms_map *m) {
    char id[64], number[16], state[16];
    bool ok = m->certainty != MS_DAMAGED;
    struct text own, *map, *type;
    ms_map_id(m, id);
    put_state(state, sizeof state, m);
    texts_of(l, m, &own, &map, &type);
    if (l->id) fprintf(l->f, "%-*s ", l->id, id);
    fputs(cell_of(map, l->map, l->st->utf8), l->f);
    fputc(' ', l->f);
    fputs(cell_of(type, l->type, l->st->utf8), l->f);
    put_right(l->f, ok ? ms_text_count(m->entries, number) : "?", 7);
    put_right(l->f, !ok ? "?" : m->slots ? put_load(m->load, number) : "-", 4);
    put_right(l->f, ok ? ms_text_bytes(m->bytes, number) : "?", 5);
    put_right(l->f, ok ? ms_text_bytes(m->waste, number) : "?", 5);
    if (l->resident) put_right(l->f, m->resident == MS_UNKNOWN ? "-" : ms_text_bytes(m->resident, number), 5);
    if (l->state) fprintf(l->f, " %s", state);
    fputc('\n', l->f);
    drop_text(&own);
}

void ms_table_list(FILE *f, const struct ms_style *st, const struct ms_map *maps, size_t n) {
    struct list *l = ms_alloc(sizeof *l);
    l->f = f;
    l->st = st;
    measure(l, maps, n);
    if (l->id) fprintf(f, "%-*s ", l->id, "ID");
    fprintf(f, "%-*s %-*s %7s %4s %5s %5s", l->map, "MAP", l->type, "TYPE", "ENTRIES", "LOAD", "BYTES", "WASTE");
    fprintf(f, "%s%s\n", l->resident ? " RESID" : "", l->state ? " STATE" : "");
    for (size_t i = 0; i < n; i++) put_row(l, &maps[i]);
    for (size_t i = 0; i < sizeof l->known / sizeof *l->known; i++) forget(&l->known[i]);
    free(l);
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

static void put_recording(FILE *f, const struct ms_style *st, const struct ms_target *t) {
    char when[32];
    char *file = ms_text_escape(t->recording, st->utf8);
    char *line = ms_asprintf("recorded %s, moment %" PRIu64 " of %" PRIu64 " in %s", ms_text_moment(t->taken_ns, when), t->moment,
                             t->moments, file);
    ms_text_cut(f, line, st->width, st->utf8);
    fputc('\n', f);
    free(line);
    free(file);
}

/* How it was read, and what can be missing or of different moments therefore. */
int ms_table_mode(FILE *f, const struct ms_style *st, const struct ms_snapshot *s) {
    const struct ms_target *t = &s->target;
    double pause = (double)t->pause_ns / 1e6;
    char *line = NULL;
    if (t->recording) put_recording(f, st, t);
    if (t->mode == MS_MODE_STOP && t->late)
        line = ms_asprintf("stopped for %.1f ms and let go before the end: the rest was read while it ran", pause);
    else if (t->mode == MS_MODE_STOP)
        line = ms_asprintf("stopped for %.1f ms while it was read: all maps, of one moment", pause);
    else if (t->mode == MS_MODE_SNAPSHOT)
        line = ms_asprintf("read from a copy, stopped for %.1f ms to make it: all maps, of one moment", pause);
    else if (t->mode == MS_MODE_LIVE && s->runtime)
        line = ms_strdup("read while it ran: maps that only moved or in a register then may be missing");
    int lines = (t->recording != NULL) + (line != NULL);
    if (line) {
        ms_text_cut(f, line, st->width, st->utf8);
        fputc('\n', f);
    }
    free(line);
    return lines;
}

int ms_table_target(FILE *f, const struct ms_style *st, const struct ms_snapshot *s) {
    char age[32] = "?", rss[16] = "?";
    if (s->target.age_ns) ms_text_duration(s->target.age_ns, age);
    if (s->target.rss_bytes) ms_text_bytes(s->target.rss_bytes, rss);
    char *name = ms_text_escape(s->target.comm ? s->target.comm : "", st->utf8);
    char *copies = ms_asprintf(", %zu cop%s of gomap", s->copies, s->copies == 1 ? "y" : "ies");
    char *runtime = s->runtime ? ms_text_escape(s->runtime, st->utf8) : NULL;
    char *file = ms_text_escape(s->target.core ? s->target.core : "", st->utf8);
    char signal[24] = "";
    if (s->target.signal) snprintf(signal, sizeof signal, ", signal %d", s->target.signal);
    char *state =
        s->target.core ? ms_asprintf("core file %s%s", file, signal) : ms_asprintf("up %s, RSS %s", age, rss);
    char *line = ms_asprintf("process %d (%s), %s%s%s%s", s->target.pid, name, state, runtime ? ", " : "",
                             runtime ? runtime : "", s->copies || !runtime ? copies : "");
    ms_text_cut(f, line, st->width, st->utf8);
    fputc('\n', f);
    int lines = 1 + ms_table_mode(f, st, s);
    free(line);
    free(state);
    free(file);
    free(runtime);
    free(copies);
    free(name);
    return lines;
}

void ms_table_notes(FILE *f, const struct ms_style *st, const struct ms_snapshot *s) {
    for (size_t i = 0; i < s->notes; i++) {
        char *line = ms_text_escape(s->note[i], st->utf8);
        fprintf(f, "mapscope: %s\n", line);
        free(line);
    }
}
