/* buckets.c - occupancy, chains and marks of arrays of buckets of eight (buckets.h).
 *
 * While a map grows there are two arrays:
 *
 *   present   "high": filled from old buckets already evacuated; "gap": nothing there (yet)
 *   old       "low": not evacuated yet; "gap": evacuated, its marks say where the entries went
 *
 * Chains are followed level by level, a batch of reads each, with limits: the links are the target's.
 */
#include "buckets.h"

#include <stdlib.h>
#include <string.h>

enum { LEVELS_MAX = 4096, NODES_MAX = 1 << 24 };
#define LOOK_MAX (UINT64_C(1) << 36) /* bytes of buckets: beyond, what claims so much would only cost time */

/* ---- buckets ------------------------------------------------------------------------------------ */

static bool is_evacuated(const uint8_t *b) { return b[0] > GOMAP_TOP_EMPTY_ONE && b[0] < GOMAP_TOP_MIN; }

static unsigned live_in(const uint8_t *b) {
    unsigned n = 0;
    for (int i = 0; i < GOMAP_BUCKET_SLOTS; i++) n += b[i] >= GOMAP_TOP_MIN;
    return n;
}

static unsigned marked_in(const uint8_t *b) {
    unsigned n = 0;
    for (int i = 0; i < GOMAP_BUCKET_SLOTS; i++) n += b[i] == GOMAP_TOP_EMPTY_ONE;
    return n;
}

static enum ms_area area_of(const struct ms_buckets *b, const uint8_t *bucket) {
    if (!b->array[1].base) return MS_AREA_PLAIN;
    if (b->old) return is_evacuated(bucket) ? MS_AREA_GAP : MS_AREA_LOW;
    return live_in(bucket) ? MS_AREA_HIGH : MS_AREA_GAP;
}

/* The link of a bucket of the array.  That of an evacuated one may lead to what is gone; the last bucket of a pool has a mark
 * that is no link: the array's own start. */
static uint64_t link_of(const struct ms_buckets *b, const uint8_t *bucket) {
    uintptr_t link;
    memcpy(&link, bucket + b->link_at, sizeof link);
    return (b->old && is_evacuated(bucket)) || link == b->array[b->old].base ? 0 : link;
}

/* Turn to one of the arrays, and look at buckets [first, first + count) of it. */
static enum ms_look look_at(struct ms_buckets *b, bool old, uint64_t first, uint64_t count, ms_units_fn *fn, void *ctx) {
    const struct ms_units u = {b->r, b->array[old].base, b->size, b->again, b};
    b->old = old;
    return ms_look_at(&u, first, count, fn, ctx);
}

static int begin_look(struct ms_buckets *b, ms_buckets_begin *begin, struct ms_reader *r, const struct ms_map *m,
                      struct ms_error *err) {
    int status = begin(b, r, m, err);
    for (int i = 0; i < 2 && status == MS_OK; i++)
        if (ms_mul(b->array[i].count, b->size) > LOOK_MAX)
            status = ms_fail(err, MS_UNCERTAIN, "the table claims %llu buckets, more than can be looked at",
                             (unsigned long long)b->array[i].count);
    return status;
}

/* ---- chains ------------------------------------------------------------------------------------- */

struct chains {
    uint64_t *link;   /* the next node of each chain, 0: ended */
    uint32_t *length; /* live entries beside the head */
    uint64_t n;
    uint64_t from, bytes, outside; /* nodes that do not lie in [from, from + bytes) */
    uint64_t marked;
};

struct node {
    uint8_t top[GOMAP_BUCKET_SLOTS];
    uintptr_t next;
};

static void chains_init(struct chains *c, uint64_t n) {
    *c = (struct chains){.link = ms_alloc((size_t)n * sizeof *c->link), .length = ms_alloc((size_t)n * sizeof *c->length)};
}

static void chains_deinit(struct chains *c) {
    free(c->link);
    free(c->length);
}

/* What is to be read of the next node of each chain; the number of reads. */
static size_t next_level(const struct ms_buckets *b, struct chains *c, struct node *node, struct ms_batch_item *item) {
    size_t items = 0;
    for (uint64_t i = 0; i < c->n; i++) {
        uint64_t at = c->link[i];
        if (!at) continue;
        c->outside += at - c->from >= c->bytes;
        item[items++] = (struct ms_batch_item){.addr = at, .len = sizeof node->top, .buf = node[i].top};
        item[items++] = (struct ms_batch_item){.addr = at + b->link_at, .len = sizeof node->next, .buf = &node[i].next};
    }
    return items;
}

static void take_level(struct ms_buckets *b, struct chains *c, const struct node *node, const struct ms_batch_item *item) {
    for (uint64_t i = 0; i < c->n; i++) {
        if (!c->link[i]) continue;
        bool ok = item[0].status == MS_READ_OK && item[1].status == MS_READ_OK;
        item += 2;
        c->link[i] = ok ? node[i].next : 0;
        b->incomplete |= !ok;
        if (!ok) continue;
        c->length[i] += live_in(node[i].top);
        c->marked += marked_in(node[i].top);
    }
}

/* Follow the chains to their ends. */
static enum ms_look follow(struct ms_buckets *b, struct chains *c) {
    struct node *node = ms_alloc((size_t)c->n * sizeof *node);
    struct ms_batch_item *item = ms_alloc((size_t)c->n * 2 * sizeof *item);
    enum ms_read rc = MS_READ_OK;
    for (int level = 0; rc == MS_READ_OK; level++) {
        size_t items = next_level(b, c, node, item);
        b->nodes += items / 2;
        if (level >= LEVELS_MAX || b->nodes > NODES_MAX) b->incomplete = true;
        if (items == 0 || level >= LEVELS_MAX || b->nodes > NODES_MAX) break;
        rc = ms_read_batch(b->r, item, items);
        if (rc == MS_READ_OK) take_level(b, c, node, item);
    }
    free(node);
    free(item);
    return rc == MS_READ_OK ? MS_LOOK_OK : MS_LOOK_GONE;
}

static enum ms_look count_outside(void *look, uint64_t first, uint64_t n, const uint8_t *bucket, void *ctx) {
    struct ms_buckets *b = look;
    struct chains *sum = ctx, c;
    (void)first;
    chains_init(&c, n);
    c.from = sum->from, c.bytes = sum->bytes;
    for (uint64_t i = 0; i < n; i++, bucket += b->size)
        if ((c.link[c.n] = link_of(b, bucket))) c.n++;
    enum ms_look rc = follow(b, &c);
    sum->outside += c.outside;
    chains_deinit(&c);
    return rc;
}

enum ms_read ms_buckets_outside(struct ms_buckets *b, bool old, uint64_t bytes, uint64_t *outside) {
    struct chains sum = {.from = b->array[old].base, .bytes = bytes};
    enum ms_look rc = MS_LOOK_OK;
    if (b->size && ms_mul(b->array[old].count, b->size) <= LOOK_MAX)
        rc = look_at(b, old, 0, b->array[old].count, count_outside, &sum);
    *outside = sum.outside;
    return rc == MS_LOOK_GONE ? MS_READ_GONE : MS_READ_OK;
}

/* ---- cells -------------------------------------------------------------------------------------- */

static enum ms_look add_cells(void *look, uint64_t first, uint64_t n, const uint8_t *bucket, void *ctx) {
    const struct ms_buckets *b = look;
    struct ms_cells *c = ctx;
    for (uint64_t i = 0; i < n; i++, bucket += b->size) {
        size_t cell = ms_cell_of(c, first + i);
        c->live[cell] += live_in(bucket);
        if ((first + i - c->first) % c->per_cell == 0) c->area[cell] = (uint8_t)area_of(b, bucket);
    }
    return MS_LOOK_OK;
}

int ms_buckets_cells(struct ms_buckets *b, ms_buckets_begin *begin, struct ms_reader *r, const struct ms_map *m, bool old,
                     uint64_t first, uint64_t count, size_t max_cells, struct ms_cells *out, uint64_t *bound,
                     struct ms_error *err) {
    enum ms_look rc = MS_LOOK_CHANGED;
    *out = (struct ms_cells){0};
    *bound = 0;
    for (int i = 0; i < MS_LOOK_TRIES && rc == MS_LOOK_CHANGED; i++) {
        int status = begin_look(b, begin, r, m, err);
        if (status) return ms_cells_free(out), status;
        if (!ms_cells_room(out, first, count, b->array[old].count, GOMAP_BUCKET_SLOTS, max_cells)) return MS_OK;
        rc = look_at(b, old, first, out->groups, add_cells, out);
        *bound = b->bound;
    }
    return rc == MS_LOOK_OK ? MS_OK : (ms_cells_free(out), ms_look_error(rc, err));
}

/* ---- groups ------------------------------------------------------------------------------------- */

struct group_sink {
    struct ms_group *group;
    uint64_t first;
};

/* Nodes and entries of one chain. */
static enum ms_read measure(const struct ms_buckets *b, uint64_t link, struct ms_group *g) {
    struct node node;
    for (int level = 0; link && level < LEVELS_MAX; level++) {
        enum ms_read rc = ms_read(b->r, link, node.top, sizeof node.top);
        if (rc == MS_READ_OK) rc = ms_read(b->r, link + b->link_at, &node.next, sizeof node.next);
        if (rc == MS_READ_GONE) return rc;
        if (rc != MS_READ_OK) break;
        g->chain_nodes++;
        g->chain_entries += live_in(node.top);
        link = node.next;
    }
    return MS_READ_OK;
}

static enum ms_look add_groups(void *look, uint64_t first, uint64_t n, const uint8_t *bucket, void *ctx) {
    const struct ms_buckets *b = look;
    const struct group_sink *sink = ctx;
    for (uint64_t i = first; i < first + n; i++, bucket += b->size) {
        struct ms_group *g = &sink->group[i - sink->first];
        *g = (struct ms_group){.index = i,
                               .slots = GOMAP_BUCKET_SLOTS,
                               .live = (uint8_t)live_in(bucket),
                               .area = (uint8_t)area_of(b, bucket),
                               .addr = b->array[b->old].base + i * b->size};
        memcpy(g->tophash, bucket, GOMAP_BUCKET_SLOTS);
        if (measure(b, link_of(b, bucket), g) == MS_READ_GONE) return MS_LOOK_GONE;
    }
    return MS_LOOK_OK;
}

int ms_buckets_groups(struct ms_buckets *b, ms_buckets_begin *begin, struct ms_reader *r, const struct ms_map *m,
                      uint64_t first, uint64_t count, struct ms_group **out, size_t *n, struct ms_error *err) {
    enum ms_look rc = MS_LOOK_CHANGED;
    int status = MS_OK;
    *out = NULL;
    *n = 0;
    for (int i = 0; i < MS_LOOK_TRIES && rc == MS_LOOK_CHANGED && status == MS_OK; i++) {
        status = begin_look(b, begin, r, m, err);
        if (status == MS_OK) status = ms_groups_room(out, n, first, count, b->array[0].count, err);
        struct group_sink sink = {*out, first};
        if (status == MS_OK) rc = look_at(b, false, first, *n, add_groups, &sink);
    }
    if (status == MS_OK && rc == MS_LOOK_OK) return MS_OK;
    free(*out);
    *out = NULL;
    return status ? status : ms_look_error(rc, err);
}

/* ---- histograms --------------------------------------------------------------------------------- */

static enum ms_look add_histograms(void *look, uint64_t first, uint64_t n, const uint8_t *bucket, void *ctx) {
    struct ms_buckets *b = look;
    struct ms_detail *d = ctx;
    struct chains c;
    (void)first;
    chains_init(&c, n);
    for (uint64_t i = 0; i < n; i++, bucket += b->size) {
        if (b->old && is_evacuated(bucket)) continue; /* its entries count where they went */
        d->occupancy[live_in(bucket)]++;
        d->map.tombstones += marked_in(bucket);
        c.link[c.n] = link_of(b, bucket);
        d->overflowed_groups += c.link[c.n++] != 0;
    }
    d->quads += c.n;
    enum ms_look rc = follow(b, &c);
    d->map.tombstones += c.marked;
    for (uint64_t i = 0; rc == MS_LOOK_OK && i < c.n; i++) {
        d->chain[ms_min(c.length[i], MS_CHAIN_BUCKETS - 1)]++;
        d->map.chained += c.length[i];
    }
    chains_deinit(&c);
    return rc;
}

static void wipe(struct ms_detail *d) {
    memset(d->occupancy, 0, sizeof d->occupancy);
    memset(d->chain, 0, sizeof d->chain);
    d->overflowed_groups = d->quads = d->map.chained = d->map.tombstones = 0;
}

/* One look at both arrays: what is evacuated in between belongs to its bound. */
static enum ms_look both(struct ms_buckets *b, struct ms_detail *d) {
    enum ms_look rc = MS_LOOK_OK;
    bool reread;
    for (int old = 1; old >= 0 && rc == MS_LOOK_OK; old--)
        if (b->array[old].count) rc = look_at(b, old, 0, b->array[old].count, add_histograms, d);
    return rc == MS_LOOK_OK ? b->again(b, 0, 0, &reread) : rc; /* chains were read after the last look of the scan */
}

int ms_buckets_histograms(struct ms_buckets *b, ms_buckets_begin *begin, struct ms_reader *r, const struct ms_map *m,
                          struct ms_detail *d, struct ms_error *err) {
    enum ms_look rc = MS_LOOK_CHANGED;
    for (int i = 0; i < MS_LOOK_TRIES && rc == MS_LOOK_CHANGED; i++) {
        int status = begin_look(b, begin, r, m, err);
        if (status) return status;
        wipe(d);
        rc = both(b, d);
        d->error_bound = b->bound;
    }
    if (rc == MS_LOOK_GONE) return ms_look_error(rc, err);
    d->histograms_complete = rc == MS_LOOK_OK && !b->incomplete;
    return MS_OK;
}
