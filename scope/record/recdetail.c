/* recdetail.c - what a look at a whole table finds, as bytes in a recording, and the backend of recorded maps that reads them.
 *
 *   figures | split, groups below it | histograms | counters | events | cells | cells of the other array
 *
 * All are numbers of 7 bits a byte, low ones first, plus one, so that MS_UNKNOWN is a single 0; texts have their length
 * before them.  A table has up to 4096 cells, each 0 to 15 times what it stands for: mostly a byte.
 *
 * Everything read is checked against the bounds of what it is put into; what goes wrong leaves no detail at all.
 */
#include "schema.h"

#include "../model/pieces.h"
#include "../view/view.h"

#include <stdlib.h>
#include <string.h>

enum { CELLS_MOST = 1 << 16, EVENTS_MOST = 1 << 16 };

/* ---- packing ----------------------------------------------------------------------------------- */

struct packer {
    uint8_t *byte;
    size_t len, room;
};

static void put(struct packer *p, uint64_t n) {
    uint8_t packed[MS_REC_PACKED_MOST];
    size_t len = ms_rec_pack_numbers(&n, 1, packed);
    for (size_t i = 0; i < len; i++) {
        MS_ROOM(p->byte, p->len, p->room);
        p->byte[p->len++] = packed[i];
    }
}

static void put_all(struct packer *p, const uint64_t *n, size_t count) {
    for (size_t i = 0; i < count; i++) put(p, n[i]);
}

static void put_name(struct packer *p, const char *s) {
    put(p, strlen(s));
    while (*s) {
        MS_ROOM(p->byte, p->len, p->room);
        p->byte[p->len++] = (uint8_t)*s++;
    }
}

static void put_cells(struct packer *p, const struct ms_cells *c) {
    static const struct ms_cells none;
    if (!c) c = &none;
    put_all(p, (uint64_t[]){c->count, c->first, c->groups, c->per_cell, c->group_slots}, 5);
    for (size_t i = 0; i < c->count; i++) put(p, c->live[i]);
    for (size_t i = 0; i < c->count; i++) put(p, c->area[i]);
}

size_t ms_rec_pack(const struct ms_rec_detail *d, uint8_t **out) {
    const struct ms_detail *t = d->detail;
    struct packer p = {0};
    uint64_t figure[MS_REC_FIGURE_COUNT];
    ms_rec_get(ms_rec_figure, MS_REC_FIGURE_COUNT, &t->map, figure);
    put_all(&p, figure, MS_REC_FIGURE_COUNT);
    put_all(&p,
            (uint64_t[]){t->split, t->lo_groups, t->two_arrays, t->overflowed_groups, t->stash_quads,
                         t->quads, t->error_bound, t->histograms_complete, d->moved},
            9);
    put_all(&p, t->occupancy, sizeof t->occupancy / sizeof *t->occupancy);
    put_all(&p, t->chain, MS_CHAIN_BUCKETS);
    put(&p, t->counters);
    for (size_t i = 0; i < t->counters; i++) put_name(&p, t->counter[i].name), put(&p, t->counter[i].value);
    put(&p, t->events);
    for (size_t i = 0; i < t->events; i++) {
        const struct ms_event *e = &t->event[i];
        put_all(&p, (uint64_t[]){e->ticket, e->time_ns, e->map_id, e->a, e->b, e->kind, e->copy}, 7);
    }
    put_cells(&p, d->cells);
    put_cells(&p, d->other);
    *out = p.byte;
    return p.len;
}

/* ---- unpacking --------------------------------------------------------------------------------- */

struct unpacker {
    const uint8_t *byte;
    size_t len, at;
    bool bad;
};

static uint64_t get(struct unpacker *u) {
    uint64_t n = 0;
    for (unsigned shift = 0; u->at < u->len && shift < 64; shift += 7) {
        uint8_t b = u->byte[u->at++];
        n |= (uint64_t)(b & 127) << shift;
        if (b < 128) return n - 1;
    }
    u->bad = true;
    return 0;
}

static uint64_t get_most(struct unpacker *u, uint64_t most) {
    uint64_t n = get(u);
    u->bad = u->bad || n > most;
    return u->bad ? 0 : n;
}

static void get_all(struct unpacker *u, uint64_t *n, size_t count) {
    for (size_t i = 0; i < count; i++) n[i] = get(u);
}

/* Names of counters live as long as the recording is open. */
static const char *get_name(struct unpacker *u, struct ms_rec *r) {
    char name[64];
    size_t len = (size_t)get_most(u, ms_min(sizeof name - 1, u->len - u->at));
    if (u->bad || len > u->len - u->at) len = 0, u->bad = true;
    memcpy(name, u->byte + u->at, len);
    u->at += len;
    name[len] = 0;
    for (size_t i = 0; i < r->names; i++)
        if (strcmp(r->name[i], name) == 0) return r->name[i];
    MS_ROOM(r->name, r->names, r->name_room);
    return r->name[r->names++] = ms_strdup(name);
}

static void get_cells(struct unpacker *u, struct ms_cells *c) {
    *c = (struct ms_cells){.count = (size_t)get_most(u, CELLS_MOST)};
    c->first = get_most(u, UINT32_MAX);
    c->groups = get_most(u, UINT32_MAX);
    c->per_cell = get_most(u, UINT32_MAX);
    c->group_slots = (unsigned)get_most(u, 16);
    /* every cell stands for groups, and they for them all */
    u->bad =
        u->bad || (c->count && (c->per_cell == 0 || (c->groups + c->per_cell - 1) / c->per_cell != c->count));
    if (u->bad) c->count = 0;
    c->live = ms_alloc((c->count + 1) * sizeof *c->live);
    c->area = ms_alloc(c->count + 1);
    for (size_t i = 0; i < c->count; i++) c->live[i] = get_most(u, ms_mul(c->per_cell, c->group_slots));
    for (size_t i = 0; i < c->count; i++) c->area[i] = (uint8_t)get_most(u, MS_AREA_HIGH);
}

static void get_events(struct unpacker *u, struct ms_detail *d) {
    d->events = (size_t)get_most(u, EVENTS_MOST);
    if (d->events > u->len) u->bad = true; /* each is some bytes */
    if (u->bad) d->events = 0;
    d->event = ms_alloc((d->events + 1) * sizeof *d->event);
    for (size_t i = 0; i < d->events; i++) {
        struct ms_event *e = &d->event[i];
        e->ticket = get(u), e->time_ns = get(u), e->map_id = get(u), e->a = get(u), e->b = get(u);
        e->kind = (uint32_t)get_most(u, UINT32_MAX), e->copy = (uint32_t)get_most(u, UINT32_MAX);
    }
}

struct unpacked {
    struct ms_detail detail;
    struct ms_cells cells, other;
    uint64_t moved;
};

static void free_unpacked(struct unpacked *p) {
    ms_detail_free(&p->detail);
    ms_cells_free(&p->cells);
    ms_cells_free(&p->other);
}

static char *copy_of(const char *s) { return s ? ms_strdup(s) : NULL; }

static void copy_map(const struct ms_map *m, struct ms_map *out) {
    *out = *m;
    out->name = copy_of(m->name), out->holder = copy_of(m->holder);
    out->place = copy_of(m->place), out->doubt = copy_of(m->doubt);
}

static bool unpack(struct ms_rec *r, const struct ms_map *m, const uint8_t *bytes, size_t len,
                   struct unpacked *out) {
    struct unpacker u = {bytes, len, 0, false};
    struct ms_detail *d = &out->detail;
    uint64_t figure[MS_REC_FIGURE_COUNT];
    *out = (struct unpacked){.moved = 0};
    copy_map(m, &d->map);
    get_all(&u, figure, MS_REC_FIGURE_COUNT);
    bool fits = ms_rec_set(ms_rec_figure, MS_REC_FIGURE_COUNT, figure, &d->map);
    d->map.load = d->map.slots ? (double)d->map.entries / (double)d->map.slots : 0;
    d->split = get(&u), d->lo_groups = get(&u), d->two_arrays = get_most(&u, 1),
    d->overflowed_groups = get(&u);
    d->stash_quads = get(&u), d->quads = get(&u), d->error_bound = get(&u),
    d->histograms_complete = get_most(&u, 1);
    out->moved = get(&u);
    get_all(&u, d->occupancy, sizeof d->occupancy / sizeof *d->occupancy);
    get_all(&u, d->chain, MS_CHAIN_BUCKETS);
    d->counters = (size_t)get_most(&u, sizeof d->counter / sizeof *d->counter);
    for (size_t i = 0; i < d->counters; i++)
        d->counter[i].name = get_name(&u, r), d->counter[i].value = get(&u);
    get_events(&u, d);
    get_cells(&u, &out->cells);
    get_cells(&u, &out->other);
    return fits && !u.bad && u.at == u.len && ms_map_sum(&d->map) == d->map.bytes;
}

/* ---- the backend ------------------------------------------------------------------------------- */

static int load(struct ms_reader *reader, const struct ms_map *m, struct unpacked *out, bool *recorded,
                struct ms_error *err) {
    struct ms_rec *r = reader->ctx;
    uint8_t *packed;
    size_t len;
    *out = (struct unpacked){.moved = 0};
    int status = ms_rec_packed(r, m, &packed, &len, err);
    *recorded = packed != NULL;
    bool good = !packed || unpack(r, m, packed, len, out);
    free(packed);
    if (good) return status;
    free_unpacked(out);
    return ms_fail(err, MS_UNCERTAIN, "%s: damaged: the detail of a map is none", r->path);
}

static int rec_resident(struct ms_reader *r, struct ms_snapshot *s, struct ms_map *m, struct ms_error *err) {
    (void)s;
    return m->resident != MS_UNKNOWN
               ? MS_OK
               : ms_rec_lacks(r->ctx, "which pages are in memory", "record --resident", err);
}

static int rec_detail(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m,
                      struct ms_detail *out, struct ms_error *err) {
    struct unpacked p;
    bool recorded;
    (void)s;
    int status = load(r, m, &p, &recorded, err);
    if (status == MS_OK && !recorded) {
        copy_map(m, &p.detail.map);
        p.detail.figures_only = true;
    }
    *out = p.detail;
    p.detail = (struct ms_detail){0};
    free_unpacked(&p);
    return status;
}

static int rec_detail_head(struct ms_reader *r, const struct ms_map *m, struct ms_detail *out,
                           struct ms_error *err) {
    return rec_detail(r, NULL, m, out, err);
}

/* The cells that lie in [first, first + count), which are all of a cell or of none. */
static bool crop(struct ms_cells *c, uint64_t first, uint64_t count) {
    uint64_t last = ms_min(ms_add(first, count), c->first + c->groups);
    if (c->count == 0 || (first <= c->first && last == c->first + c->groups)) return true;
    if (c->per_cell != 1 || first < c->first || first >= last) return false;
    size_t from = (size_t)(first - c->first), n = (size_t)(last - first);
    memmove(c->live, c->live + from, n * sizeof *c->live);
    memmove(c->area, c->area + from, n);
    c->first = first, c->groups = c->count = n;
    return true;
}

static int rec_cells(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, bool other,
                     uint64_t first, uint64_t count, size_t max_cells, struct ms_cells *out,
                     uint64_t *error_bound, struct ms_error *err) {
    struct unpacked p;
    bool recorded;
    (void)s;
    *out = (struct ms_cells){0};
    int status = load(r, m, &p, &recorded, err);
    if (status == MS_OK && !recorded)
        status = ms_rec_lacks(r->ctx, "the table of this map", "record --details", err);
    if (status) return status;
    struct ms_cells *c = other ? &p.other : &p.cells;
    *error_bound = p.moved;
    if (!crop(c, first, count))
        status = ms_rec_lacks(r->ctx, "groups one by one of a table so large", NULL, err);
    if (status == MS_OK && c->count > max_cells)
        ms_heat_coarser(c, (c->count + max_cells - 1) / max_cells, out);
    else if (status == MS_OK)
        *out = *c, *c = (struct ms_cells){0};
    free_unpacked(&p);
    return status;
}

static int rec_groups(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, uint64_t first,
                      uint64_t count, struct ms_group **out, size_t *n, struct ms_error *err) {
    (void)s, (void)m, (void)first, (void)count;
    *out = NULL, *n = 0;
    return ms_rec_lacks(r->ctx, "the bytes of groups", NULL, err);
}

static int rec_pieces(struct ms_telling *t, const struct ms_snapshot *s, const struct ms_map *m, bool deep,
                      struct ms_error *err) {
    (void)s, (void)m, (void)deep;
    return ms_rec_lacks(t->r->ctx, "where the pieces of a map lie", NULL, err);
}

const struct ms_backend ms_rec_backend = {rec_resident, rec_detail, rec_detail_head,
                                          rec_cells,    rec_groups, rec_pieces};
