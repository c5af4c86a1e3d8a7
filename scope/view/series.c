/* series.c - maps as rows for a monitoring system; series.h has the essay. */
#include "series.h"

#include "forecast.h"

#include "gomap/inspect.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- labels ------------------------------------------------------------------------------------ */

/* Length of a character that every reader shows as itself; 0: it is none. */
static size_t visible(const uint8_t *p) {
    if (p[0] < 0x80) return p[0] >= 0x20 && p[0] < 0x7f;
    size_t n = p[0] >= 0xf0 && p[0] < 0xf5   ? 4
               : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
               : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                                             : 0;
    uint32_t c = n == 4 ? p[0] & 7u : n == 3 ? p[0] & 15u : p[0] & 31u;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0; /* also ends at the NUL */
        c = c << 6 | (p[i] & 63u);
    }
    bool wrong =
        (n == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) || (n == 4 && (c < 0x10000 || c > 0x10ffff));
    bool hidden = c < 0xa0 || c == 0xad || c == 0x61c || c == 0x180e || (c >= 0x200b && c <= 0x200f) ||
                  (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
                  (c >= 0xfff9 && c <= 0xfffb) || c >= 0xe0000;
    return wrong || hidden ? 0 : n;
}

void ms_view_label(const char *text, char *out) {
    size_t at = 0;
    for (const uint8_t *p = (const uint8_t *)text; *p;) {
        size_t n = visible(p), len = n ? n : 1;
        if (at + len >= MS_SERIES_LABEL_BYTES) { /* one byte is left for the mark */
            out[at++] = '~';
            break;
        }
        if (n)
            memcpy(out + at, p, n);
        else
            out[at] = '?';
        at += len;
        p += len;
    }
    out[at] = 0;
}

/* The place, before the name: it is the same for all maps held alike, where a path has the number of a goroutine. */
static void label_of(const struct ms_map *m, char *out) {
    ms_view_label(m->place ? m->place : m->name ? m->name : m->site ? m->site : "?", out);
}

/* ---- rows -------------------------------------------------------------------------------------- */

struct table {
    struct ms_series *out;
    size_t *slot; /* open addressing by both labels: row + 1, 0 free */
    size_t slots;
};

static uint64_t hash_of(const char *map, const char *type) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (const char *s = map; *s; s++) h = (h ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
    h = (h ^ 0xff) * UINT64_C(0x100000001b3); /* no byte of a text */
    for (const char *s = type; *s; s++) h = (h ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
    return h ^ h >> 29;
}

static size_t place_in(const struct table *t, uint64_t hash, const char *map, const char *type) {
    size_t at = hash & (t->slots - 1);
    for (; t->slot[at]; at = (at + 1) & (t->slots - 1)) {
        const struct ms_series_row *r = &t->out->row[t->slot[at] - 1];
        if (r->hash == hash && strcmp(r->map, map) == 0 && strcmp(r->type, type) == 0) break;
    }
    return at;
}

static void grow(struct table *t) {
    free(t->slot);
    t->slots = t->slots ? t->slots * 2 : 256;
    t->slot = ms_alloc(t->slots * sizeof *t->slot);
    for (size_t i = 0; i < t->out->rows; i++) {
        const struct ms_series_row *r = &t->out->row[i];
        t->slot[place_in(t, r->hash, r->map, r->type)] = i + 1;
    }
}

static const struct ms_series_row nothing = {
    .resident = MS_UNKNOWN, .growths = MS_UNKNOWN, .until_growth = MS_UNKNOWN, .growth_bytes = MS_UNKNOWN};

/* Number of the row. */
static size_t row_of(struct table *t, const struct ms_map *m) {
    char map[MS_SERIES_LABEL_BYTES + 1], type[MS_SERIES_LABEL_BYTES + 1];
    label_of(m, map);
    ms_view_label(m->type ? m->type->name : "?", type);
    uint64_t hash = hash_of(map, type);
    if (t->out->rows * 2 >= t->slots) grow(t);
    size_t at = place_in(t, hash, map, type);
    if (!t->slot[at]) {
        struct ms_series *s = t->out;
        MS_ROOM(s->row, s->rows, s->room);
        s->row[s->rows] = nothing;
        s->row[s->rows].map = ms_strdup(map), s->row[s->rows].type = ms_strdup(type);
        s->row[s->rows].hash = hash;
        t->slot[at] = ++s->rows;
    }
    return t->slot[at] - 1;
}

/* Sums and extremes of figures that may not be known. */
static uint64_t sum(uint64_t a, uint64_t b) {
    return a == MS_UNKNOWN ? b : b == MS_UNKNOWN ? a : ms_add(a, b);
}
static uint64_t most(uint64_t a, uint64_t b) { return a == MS_UNKNOWN || (b != MS_UNKNOWN && b > a) ? b : a; }

static void merge(struct ms_series_row *r, const struct ms_series_row *x) {
    r->maps += x->maps;
    r->entries = ms_add(r->entries, x->entries);
    r->slots = ms_add(r->slots, x->slots);
    r->slots_live = ms_add(r->slots_live, x->slots_live);
    r->bytes = ms_add(r->bytes, x->bytes);
    for (int p = 0; p < MS_PARTS; p++) r->part[p] = ms_add(r->part[p], x->part[p]);
    r->waste = ms_add(r->waste, x->waste);
    r->rebuild_gain = ms_add(r->rebuild_gain, x->rebuild_gain);
    r->resident = sum(r->resident, x->resident);
    r->growths = sum(r->growths, x->growths);
    r->alarms = ms_add(r->alarms, x->alarms);
    r->growing += x->growing;
    r->shrinking += x->shrinking;
    r->pending_groups = ms_add(r->pending_groups, x->pending_groups);
    r->until_growth = ms_min(r->until_growth, x->until_growth);
    r->growth_bytes = most(r->growth_bytes, x->growth_bytes);
}

/* Slots of the table with an entry: what is in chains and stashes has none. */
static uint64_t live_slots(const struct ms_map *m) {
    uint64_t payload = m->type ? m->type->slot_payload : 0;
    if (payload && !ms_map_of_go(m)) return ms_min(m->part[MS_PART_SLOTS_LIVE] / payload, m->slots);
    return ms_min(m->entries, m->slots);
}

static struct ms_series_row figures(const struct ms_map *m) {
    static_assert(GOMAP_QUAD_GROUPS == 4, "walk_done and walk_total of a gomap are quads");
    struct ms_series_row r = nothing;
    uint64_t left = m->walk && m->walk_total > m->walk_done ? m->walk_total - m->walk_done : 0;
    r.maps = 1, r.entries = m->entries, r.slots = m->slots, r.slots_live = live_slots(m);
    r.bytes = m->bytes, r.waste = m->waste, r.rebuild_gain = m->rebuild_gain;
    memcpy(r.part, m->part, sizeof r.part);
    r.resident = m->resident, r.growths = m->growths, r.alarms = m->alarms;
    r.growing = m->walk == MS_WALK_GROW, r.shrinking = m->walk == MS_WALK_SHRINK;
    r.pending_groups = m->kind == MS_KIND_GOMAP || m->kind == MS_KIND_GOMAP_SHARED ? ms_mul(left, 4) : left;
    return r;
}

static int by_bytes(const void *a, const void *b) {
    const struct ms_series_row *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    int order = strcmp(x->map, y->map);
    return order ? order : strcmp(x->type, y->type);
}

static void fold(struct ms_series *s, size_t from) {
    struct ms_series_row other = nothing;
    if (from >= s->rows) return;
    for (size_t i = from; i < s->rows; i++) {
        merge(&other, &s->row[i]);
        free(s->row[i].map);
        free(s->row[i].type);
    }
    other.map = ms_strdup("other"), other.type = ms_strdup("");
    s->folded = s->rows - from;
    s->row[from] = other;
    s->rows = from + 1;
    s->row = ms_grow(s->row, s->rows, sizeof *s->row);
    s->room = s->rows;
}

/* The next growths, as `forecast` tells them. */
static void put_growths(const struct ms_map *maps, size_t n, const size_t *row, struct ms_series *out) {
    struct ms_look look = {.map = maps, .maps = n};
    struct ms_forecast *next;
    size_t count = ms_view_forecast(&look, 1, &(struct ms_room){MS_UNKNOWN, MS_UNKNOWN, MS_UNKNOWN}, &next);
    for (size_t i = 0; i < count; i++) {
        struct ms_series_row *r = &out->row[row[next[i].map]];
        r->until_growth = ms_min(r->until_growth, next[i].entries_left);
        r->growth_bytes = most(r->growth_bytes, next[i].more);
    }
    free(next);
}

void ms_view_series(const struct ms_map *maps, size_t n, size_t most_rows, struct ms_series *out) {
    struct table t = {.out = out};
    size_t *row = ms_alloc((n + 1) * sizeof *row);
    *out = (struct ms_series){0};
    for (size_t i = 0; i < n; i++) {
        out->uncertain += maps[i].certainty != MS_EXACT;
        if (maps[i].certainty == MS_DAMAGED) continue;
        struct ms_series_row x = figures(&maps[i]);
        row[i] = row_of(&t, &maps[i]);
        merge(&out->row[row[i]], &x);
    }
    if (n) put_growths(maps, n, row, out);
    free(row);
    free(t.slot);
    if (out->rows) qsort(out->row, out->rows, sizeof *out->row, by_bytes);
    fold(out, most_rows);
}

void ms_view_series_free(struct ms_series *s) {
    for (size_t i = 0; i < s->rows; i++) {
        free(s->row[i].map);
        free(s->row[i].type);
    }
    free(s->row);
    *s = (struct ms_series){0};
}
