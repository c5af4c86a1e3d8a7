/* go_classic_table.c - bulk looks at the buckets of one Go map: occupancy, chains, marks left by deletes.
 *
 * The array is read in chunks of whole buckets, then the header again: other arrays mean that the look starts over; a
 * changed count is stated as an error bound.  While the map grows there are two arrays:
 *
 *   current   "high": filled from old buckets already evacuated; "gap": nothing there (yet)
 *   old       "low": not evacuated yet; "gap": evacuated, its marks say where the entries went
 *
 * Chains are followed level by level, a batch of reads each, with limits: the links are the target's.
 */
#include "go_classic.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 20, LEVELS_MAX = 4096, NODES_MAX = 1 << 24, RESTARTS = 3, GROUPS_MOST = 4096 };
#define LOOK_MAX (UINT64_C(1) << 36)

struct look {
    struct ms_reader *r;
    struct ms_go_hmap h;
    const struct ms_go_shape *s;
    uint64_t base, buckets; /* of the array being looked at */
    uint64_t moved, nodes;
    bool old, complete;
    enum ms_certainty sure;
    const char *doubt;
};

enum scan { SCAN_OK, SCAN_GONE, SCAN_CHANGED };
typedef enum scan (*chunk_fn)(struct look *k, uint64_t first, uint64_t n, const uint8_t *bucket, void *ctx);

static int begin(struct look *k, struct ms_reader *r, const struct ms_map *m, bool old,
                 struct ms_error *err) {
    static const struct ms_go_shape unknown = {0};
    *k = (struct look){.r = r, .old = old, .complete = true, .s = m->type ? &m->type->go : &unknown};
    if (m->certainty == MS_DAMAGED)
        return ms_fail(err, MS_UNCERTAIN, "the map is damaged: %s", m->doubt ? m->doubt : "?");
    enum ms_read rc = ms_go_hmap_read(r, m->addr, m->header_bytes, k->s, &k->h, &k->sure, &k->doubt);
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while a map was read");
    if (rc != MS_READ_OK || k->sure == MS_DAMAGED)
        return ms_fail(err, MS_UNCERTAIN, "the map was freed or is damaged: %s",
                       rc == MS_READ_OK ? k->doubt : "header");
    k->base = old ? k->h.old : k->h.buckets;
    k->buckets = old ? ms_go_hmap_old_buckets(&k->h) : ms_go_hmap_buckets(&k->h);
    if (ms_mul(k->buckets, k->s->group_size) > LOOK_MAX)
        return ms_fail(err, MS_UNCERTAIN, "the table claims %llu buckets, more than can be looked at",
                       (unsigned long long)k->buckets);
    return MS_OK;
}

static int need_type(const struct ms_map *m, struct ms_error *err) {
    if (m->type && m->type->go.group_size) return MS_OK;
    return ms_fail(err, MS_UNCERTAIN, "the type of the map is not known, so neither is how its buckets lie");
}

static enum scan look_again(struct look *k) {
    struct ms_go_hmap h;
    enum ms_read rc = ms_read(k->r, k->h.addr, h.header, MS_GO_HEADER_BYTES);
    if (rc == MS_READ_GONE) return SCAN_GONE;
    if (rc != MS_READ_OK || memcmp(h.header + 16, k->h.header + 16, 16) != 0 || h.header[9] != k->h.b)
        return SCAN_CHANGED;
    uint64_t count = ms_go_u64(h.header);
    k->moved = count > k->h.count ? count - k->h.count : k->h.count - count;
    return SCAN_OK;
}

static enum scan scan(struct look *k, uint64_t first, uint64_t count, chunk_fn fn, void *ctx) {
    uint64_t size = k->s->group_size, most = CHUNK_BYTES / size;
    uint8_t *buf = ms_alloc((size_t)(ms_min(count, most) * size));
    enum scan rc = SCAN_OK;
    for (uint64_t at = first, end = first + count; at < end && rc == SCAN_OK;) {
        uint64_t n = ms_min(end - at, most);
        enum ms_read got = ms_read(k->r, k->base + at * size, buf, (size_t)(n * size));
        if (got != MS_READ_OK)
            rc = got == MS_READ_GONE ? SCAN_GONE : SCAN_CHANGED;
        else
            rc = look_again(k);
        if (rc == SCAN_OK) rc = fn(k, at, n, buf, ctx);
        at += n;
    }
    free(buf);
    return rc;
}

static int scan_error(enum scan rc, struct ms_error *err) {
    if (rc == SCAN_GONE) return ms_fail(err, MS_GONE, "the process ended while a table was read");
    return ms_fail(err, MS_UNCERTAIN, "the table was replaced each time it was read: try again");
}

/* ---- buckets ----------------------------------------------------------------------------------- */

static bool is_evacuated(const uint8_t *b) { return b[0] > MS_GO_EMPTY_ONE && b[0] < MS_GO_TOP_LEAST; }

static unsigned live_in(const uint8_t *b) {
    unsigned n = 0;
    for (int i = 0; i < MS_GO_GROUP_SLOTS; i++) n += b[i] >= MS_GO_TOP_LEAST;
    return n;
}

static unsigned marked_in(const uint8_t *b) {
    unsigned n = 0;
    for (int i = 0; i < MS_GO_GROUP_SLOTS; i++) n += b[i] == MS_GO_EMPTY_ONE;
    return n;
}

static enum ms_area area_of(const struct look *k, const uint8_t *b) {
    if (!k->h.old) return MS_AREA_PLAIN;
    if (k->old) return is_evacuated(b) ? MS_AREA_GAP : MS_AREA_LOW;
    return live_in(b) ? MS_AREA_HIGH : MS_AREA_GAP;
}

/* The link of a bucket.  The last of the pool holds a mark that is none: the array's own start. */
static uint64_t link_of(const struct look *k, const uint8_t *b) {
    uint64_t link = ms_go_u64(b + k->s->group_size - 8);
    return k->old && is_evacuated(b) ? 0 : link == k->base ? 0 : link;
}

/* ---- chains ------------------------------------------------------------------------------------ */

struct chains {
    uint64_t *link;   /* the next node of each chain, 0: ended */
    uint32_t *length; /* live entries beside the head */
    uint64_t n;
    uint64_t from, to, outside; /* nodes that lie outside of [from, to) */
    uint64_t marked;
};

/* Follow n chains to their ends, level by level. */
static enum ms_read follow(struct look *k, struct chains *c) {
    struct node {
        uint8_t top[MS_GO_GROUP_SLOTS];
        uint64_t next;
    } *node = ms_alloc((size_t)c->n * sizeof *node);
    struct ms_batch_item *item = ms_alloc((size_t)c->n * 2 * sizeof *item);
    enum ms_read rc = MS_READ_OK;
    for (int level = 0; rc == MS_READ_OK; level++) {
        size_t items = 0;
        for (uint64_t i = 0; i < c->n; i++) {
            if (!c->link[i]) continue;
            c->outside += c->link[i] - c->from >= c->to - c->from;
            item[items++] =
                (struct ms_batch_item){.addr = c->link[i], .len = sizeof node->top, .buf = node[i].top};
            item[items++] = (struct ms_batch_item){
                .addr = c->link[i] + k->s->group_size - 8, .len = sizeof node->next, .buf = &node[i].next};
        }
        if (items == 0) break;
        k->nodes += items / 2;
        if (level >= LEVELS_MAX || k->nodes > NODES_MAX) {
            k->complete = false;
            break;
        }
        rc = ms_read_batch(k->r, item, items);
        for (uint64_t i = 0, at = 0; rc == MS_READ_OK && i < c->n; i++) {
            if (!c->link[i]) continue;
            bool ok = item[at].status == MS_READ_OK && item[at + 1].status == MS_READ_OK;
            at += 2;
            k->complete = k->complete && ok;
            c->link[i] = ok ? node[i].next : 0;
            if (!ok) continue;
            c->length[i] += live_in(node[i].top);
            c->marked += marked_in(node[i].top);
        }
    }
    free(node);
    free(item);
    return rc;
}

static void chains_init(struct chains *c, uint64_t n) {
    *c = (struct chains){.link = ms_alloc((size_t)n * 8), .length = ms_alloc((size_t)n * sizeof *c->length)};
}

static void chains_deinit(struct chains *c) {
    free(c->link);
    free(c->length);
}

static enum scan count_outside(struct look *k, uint64_t first, uint64_t n, const uint8_t *bucket, void *ctx) {
    struct chains *sum = ctx, c;
    (void)first;
    chains_init(&c, n);
    c.from = sum->from, c.to = sum->to;
    for (uint64_t i = 0; i < n; i++, bucket += k->s->group_size)
        if ((c.link[c.n] = link_of(k, bucket))) c.n++;
    enum ms_read rc = follow(k, &c);
    sum->outside += c.outside;
    chains_deinit(&c);
    return rc == MS_READ_OK ? SCAN_OK : SCAN_GONE;
}

enum ms_read ms_go_hmap_loose(struct ms_reader *r, const struct ms_go_shape *s, uint64_t array,
                              uint64_t buckets, uint64_t bytes, uint64_t *loose) {
    struct look k = {.r = r, .s = s, .base = array, .buckets = buckets, .old = true};
    struct chains sum = {.from = array, .to = array + bytes};
    uint64_t size = s->group_size, most = size ? CHUNK_BYTES / size : 0;
    enum scan rc = SCAN_OK;
    if (!size || ms_mul(buckets, size) > LOOK_MAX || sum.to < array) return MS_READ_OK;
    uint8_t *buf = ms_alloc((size_t)(ms_min(buckets, most) * size));
    for (uint64_t at = 0; at < buckets && rc == SCAN_OK; at += most) {
        uint64_t n = ms_min(buckets - at, most);
        if (ms_read(r, array + at * size, buf, (size_t)(n * size)) != MS_READ_OK) break;
        rc = count_outside(&k, at, n, buf, &sum);
    }
    free(buf);
    *loose = sum.outside;
    return rc == SCAN_OK ? MS_READ_OK : MS_READ_GONE;
}

/* ---- cells ------------------------------------------------------------------------------------- */

static enum scan add_cells(struct look *k, uint64_t first, uint64_t n, const uint8_t *bucket, void *ctx) {
    struct ms_cells *c = ctx;
    for (uint64_t i = 0; i < n; i++, bucket += k->s->group_size) {
        size_t cell = (size_t)((first + i - c->first) / c->per_cell);
        c->live[cell] += live_in(bucket);
        if ((first + i - c->first) % c->per_cell == 0) c->area[cell] = (uint8_t)area_of(k, bucket);
    }
    return SCAN_OK;
}

static int cells(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, bool other,
                 uint64_t first, uint64_t count, size_t max_cells, struct ms_cells *out, uint64_t *bound,
                 struct ms_error *err) {
    enum scan rc = SCAN_CHANGED;
    (void)s;
    *out = (struct ms_cells){0};
    *bound = 0;
    int status = need_type(m, err);
    if (status) return status;
    for (int i = 0; i < RESTARTS && rc == SCAN_CHANGED; i++) {
        struct look k;
        ms_cells_free(out);
        status = begin(&k, r, m, other, err);
        if (status) return status;
        if (first >= k.buckets) return MS_OK;
        out->first = first;
        out->group_slots = MS_GO_GROUP_SLOTS;
        out->groups = ms_min(count, k.buckets - first);
        out->per_cell = (out->groups + max_cells - 1) / max_cells;
        out->count = (size_t)((out->groups + out->per_cell - 1) / out->per_cell);
        out->live = ms_alloc(out->count * sizeof *out->live);
        out->area = ms_alloc(out->count);
        rc = scan(&k, first, out->groups, add_cells, out);
        *bound = k.moved;
    }
    return rc == SCAN_OK ? MS_OK : (ms_cells_free(out), scan_error(rc, err));
}

/* ---- groups ------------------------------------------------------------------------------------ */

struct group_sink {
    struct ms_group *group;
    uint64_t first;
};

/* Nodes and entries of one chain. */
static enum ms_read measure(struct look *k, uint64_t link, struct ms_group *g) {
    uint8_t top[MS_GO_GROUP_SLOTS];
    for (int level = 0; link && level < LEVELS_MAX; level++) {
        uint64_t next;
        enum ms_read rc = ms_read(k->r, link, top, sizeof top);
        if (rc == MS_READ_OK) rc = ms_read(k->r, link + k->s->group_size - 8, &next, sizeof next);
        if (rc == MS_READ_GONE) return rc;
        if (rc != MS_READ_OK) break;
        g->chain_nodes++;
        g->chain_entries += live_in(top);
        link = next;
    }
    return MS_READ_OK;
}

static enum scan add_groups(struct look *k, uint64_t first, uint64_t n, const uint8_t *bucket, void *ctx) {
    struct group_sink *sink = ctx;
    for (uint64_t i = 0; i < n; i++, bucket += k->s->group_size) {
        struct ms_group *g = &sink->group[first + i - sink->first];
        *g = (struct ms_group){
            .index = first + i, .slots = MS_GO_GROUP_SLOTS, .live = (uint8_t)live_in(bucket)};
        memcpy(g->tophash, bucket, MS_GO_GROUP_SLOTS);
        g->area = (uint8_t)area_of(k, bucket);
        g->addr = k->base + g->index * k->s->group_size;
        if (measure(k, link_of(k, bucket), g) == MS_READ_GONE) return SCAN_GONE;
    }
    return SCAN_OK;
}

static int groups(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, uint64_t first,
                  uint64_t count, struct ms_group **out, size_t *n, struct ms_error *err) {
    enum scan rc = SCAN_CHANGED;
    (void)s;
    *out = NULL;
    *n = 0;
    int status = need_type(m, err);
    for (int i = 0; status == MS_OK && i < RESTARTS && rc == SCAN_CHANGED; i++) {
        struct look k;
        free(*out);
        *out = NULL;
        status = begin(&k, r, m, false, err);
        if (status) return status;
        if (first >= k.buckets)
            return ms_fail(err, MS_USAGE, "no group %llu: the table has %llu groups",
                           (unsigned long long)first, (unsigned long long)k.buckets);
        *n = (size_t)ms_min(ms_min(count, GROUPS_MOST), k.buckets - first);
        struct group_sink sink = {ms_alloc(*n * sizeof **out), first};
        *out = sink.group;
        rc = scan(&k, first, *n, add_groups, &sink);
    }
    if (status || rc == SCAN_OK) return status;
    free(*out);
    *out = NULL;
    return scan_error(rc, err);
}

/* ---- histograms -------------------------------------------------------------------------------- */

static enum scan add_histograms(struct look *k, uint64_t first, uint64_t n, const uint8_t *bucket,
                                void *ctx) {
    struct ms_detail *d = ctx;
    struct chains c;
    (void)first;
    chains_init(&c, n);
    for (uint64_t i = 0; i < n; i++, bucket += k->s->group_size) {
        if (k->old && is_evacuated(bucket)) continue; /* its entries count where they went */
        d->occupancy[live_in(bucket)]++;
        d->map.tombstones += marked_in(bucket);
        c.link[c.n] = link_of(k, bucket);
        d->overflowed_groups += c.link[c.n++] != 0;
    }
    d->quads += c.n;
    enum ms_read rc = follow(k, &c);
    d->map.tombstones += c.marked;
    for (uint64_t i = 0; rc == MS_READ_OK && i < c.n; i++) {
        d->chain[ms_min(c.length[i], MS_CHAIN_BUCKETS - 1)]++;
        d->map.chained += c.length[i];
    }
    chains_deinit(&c);
    return rc == MS_READ_OK ? SCAN_OK : SCAN_GONE;
}

static int histograms(struct ms_reader *r, const struct ms_map *m, struct ms_detail *d,
                      struct ms_error *err) {
    enum scan rc = SCAN_CHANGED;
    for (int i = 0; i < RESTARTS && rc == SCAN_CHANGED; i++) {
        memset(d->occupancy, 0, sizeof d->occupancy);
        memset(d->chain, 0, sizeof d->chain);
        d->overflowed_groups = d->quads = d->error_bound = d->map.chained = d->map.tombstones = 0;
        d->histograms_complete = true;
        rc = SCAN_OK;
        for (int old = 1; old >= 0 && rc == SCAN_OK; old--) {
            struct look k;
            int status = begin(&k, r, m, old, err);
            if (status) return status;
            if (k.buckets) rc = scan(&k, 0, k.buckets, add_histograms, d);
            d->error_bound = ms_add(d->error_bound, k.moved);
            d->histograms_complete = d->histograms_complete && k.complete;
        }
    }
    if (rc == SCAN_GONE) return scan_error(rc, err);
    if (rc == SCAN_CHANGED) d->histograms_complete = false;
    return MS_OK;
}

/* ---- the backend ------------------------------------------------------------------------------- */

static int detail_of(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m,
                     struct ms_detail *out, struct ms_error *err) {
    struct look k;
    *out = (struct ms_detail){0};
    ms_go_copy(m, &out->map);
    int status = begin(&k, r, m, false, err);
    if (status) return status;
    ms_go_hmap_fill(r, s, &k.h, &out->map);
    out->map.certainty = (uint8_t)k.sure;
    if (k.sure != MS_EXACT) out->map.doubt = ms_strdup(k.doubt);
    out->two_arrays = k.h.old != 0;
    out->lo_groups = ms_go_hmap_old_buckets(&k.h);
    const struct ms_counter all[] = {
        {"B", k.h.b}, {"noverflow", k.h.noverflow}, {"nevacuate", k.h.evacuated}, {"flags", k.h.flags}};
    _Static_assert(sizeof all <= sizeof out->counter, "room for all of them");
    out->counters = sizeof all / sizeof *all;
    memcpy(out->counter, all, sizeof all);
    return MS_OK;
}

static int detail_head(struct ms_reader *r, const struct ms_map *m, struct ms_detail *out,
                       struct ms_error *err) {
    return detail_of(r, NULL, m, out, err);
}

static int detail(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, struct ms_detail *out,
                  struct ms_error *err) {
    int status = detail_of(r, s, m, out, err);
    if (status == MS_OK && out->map.type && out->map.type->go.group_size)
        return histograms(r, &out->map, out, err);
    return status;
}

static int resident(struct ms_reader *r, struct ms_snapshot *s, struct ms_map *m, struct ms_error *err) {
    struct look k;
    struct ms_error why;
    uint64_t in = 0, away = 0;
    if (!r->resident || m->certainty == MS_DAMAGED) return MS_OK;
    int status = begin(&k, r, m, false, &why);
    if (status == MS_GONE) *err = why;
    if (status) return status == MS_GONE ? status : MS_OK;
    status = ms_go_resident(r, m->addr, MS_GO_HEADER_BYTES, &in, &away, err);
    const uint64_t array[] = {k.h.buckets, k.h.old};
    for (int i = 0; i < 2 && status == MS_OK; i++)
        if (array[i])
            status = ms_go_resident(r, array[i], ms_go_object_bytes(s, array[i], 0), &in, &away, err);
    if (status == MS_OK) m->resident = in, m->swapped = away;
    return status;
}

/* ---- pieces ------------------------------------------------------------------------------------ */

static const struct ms_record_field header_field[] = {
    {"count", 0},    {"flags", 8},       {"B", 9},          {"noverflow", 10}, {"hash0", 12},
    {"buckets", 16}, {"oldbuckets", 24}, {"nevacuate", 32}, {"extra", 40},     {NULL, 0}};

static bool is_live(uint8_t tag) { return tag >= MS_GO_TOP_LEAST; }

static struct ms_piece array_of(const struct look *k, const struct ms_map *m, bool old) {
    uint64_t n = old ? ms_go_hmap_old_buckets(&k->h) : ms_go_hmap_buckets(&k->h);
    return (struct ms_piece){.kind = MS_PIECE_GROUPS,
                             .other = old,
                             .addr = old ? k->h.old : k->h.buckets,
                             .len = n * k->s->group_size,
                             .slot = -1,
                             .grid = ms_go_grid(m->type, false)};
}

/* Buckets, the pool behind them, and what the allocator added. */
static bool tell_array(struct ms_telling *t, const struct ms_snapshot *s, const struct look *k,
                       const struct ms_map *m, bool old) {
    struct ms_piece p = array_of(k, m, old);
    uint64_t start = p.addr, buckets = p.len, all = ms_go_object_bytes(s, p.addr, buckets);
    if (!ms_tell(t, &p)) return false;
    p.kind = MS_PIECE_POOL;
    p.group = MS_UNKNOWN;
    p.addr += buckets;
    p.len = k->s->group_size && all > buckets ? (all - buckets) / k->s->group_size * k->s->group_size : 0;
    return ms_tell(t, &p) && ms_tell_run(t, MS_PIECE_SPARE, start, all);
}

static int pieces(struct ms_telling *t, const struct ms_snapshot *s, const struct ms_map *m, bool deep,
                  struct ms_error *err) {
    struct look k;
    int status = begin(&k, t->r, m, false, err);
    if (status) return status;
    struct ms_piece head = {.kind = MS_PIECE_HEADER,
                            .addr = m->addr,
                            .len = m->header_bytes,
                            .group = MS_UNKNOWN,
                            .slot = -1,
                            .field = m->header_bytes == MS_GO_HEADER_BYTES ? header_field : NULL};
    struct ms_hanging h = ms_go_hanging(m->type);
    h.chains = true;
    h.is_live = is_live;
    h.chain_end = k.h.buckets;
    bool more = ms_tell(t, &head) && (!k.h.extra || ms_tell_run(t, MS_PIECE_SIDE, k.h.extra, 24));
    for (int old = 0; old < 2 && more; old++)
        if (array_of(&k, m, old).addr) more = tell_array(t, s, &k, m, old);
    for (int old = 0; old < 2 && more && deep; old++) {
        struct ms_piece p = array_of(&k, m, old);
        if (p.addr) ms_tell_hanging(t, &p, &h);
        more = !t->enough && !t->gone;
    }
    return t->gone ? ms_fail(err, MS_GONE, "the process ended while a map was read") : MS_OK;
}

const struct ms_backend ms_go_classic_backend = {resident, detail, detail_head, cells, groups, pieces};
