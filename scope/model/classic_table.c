/* classic_table.c - bulk looks at the buckets of one classic map: occupancy, chains, marks.
 *
 * The array is read in chunks of whole buckets, and after each chunk the header again.  If the arrays were
 * replaced meanwhile the look starts over, a few times; entries that were moved or came or went are stated as
 * an error bound.  While the map grows there are two arrays:
 *
 *   current   "high": filled from old buckets already evacuated; "gap": nothing there (yet)
 *   old       "low": not evacuated yet; "gap": evacuated, its marks say where the entries went
 *
 * Chains are followed level by level, a batch of reads each, with limits: the links are the target's.
 */
#include "classic_raw.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 20, LEVELS_MAX = 4096, NODES_MAX = 1 << 20, RESTARTS = 3, GROUPS_MOST = 4096 };
#define RESIDENT_MAX (UINT64_C(1) << 40)
#define LOOK_MAX     (UINT64_C(1) << 36) /* bytes of buckets: beyond, what claims so much would only cost time */

struct look {
    struct ms_reader *r;
    struct ms_classic_raw raw;
    uint64_t base, buckets; /* the array being looked at */
    bool old;
    uint64_t first_moved, moved, count_least, count_most, in_flight;
    enum ms_certainty sure;
    const char *doubt;
};

enum scan { SCAN_OK, SCAN_GONE, SCAN_CHANGED };

typedef enum scan (*chunk_fn)(struct look *k, uint64_t first, uint64_t n, const uint8_t *bucket, void *ctx);

static void note_header(struct look *k, const struct gomap_classic *c) {
    uint64_t count = (uint64_t)c->h.count, holds = c->h.flags & GOMAP_HMAP_WRITING ? 1 : 0;
    if (holds > k->in_flight) k->in_flight = holds;
    if (count < k->count_least) k->count_least = count;
    if (count > k->count_most) k->count_most = count;
    k->moved = c->counters.moved;
}

/* Turn to the old or the present array. */
static int aim(struct look *k, bool old, struct ms_error *err) {
    k->old = old;
    k->base = old ? (uintptr_t)k->raw.c.h.oldbuckets : (uintptr_t)k->raw.c.h.buckets;
    k->buckets = old ? ms_classic_old_buckets(&k->raw) : ms_classic_buckets(&k->raw);
    if (ms_mul(k->buckets, k->raw.d.bucket_size) > LOOK_MAX)
        return ms_fail(err, MS_UNCERTAIN, "the table claims %llu buckets, more than can be looked at",
                       (unsigned long long)k->buckets);
    return MS_OK;
}

static int begin(struct look *k, struct ms_reader *r, const struct ms_map *m, bool old,
                 struct ms_error *err) {
    *k = (struct look){.r = r};
    if (m->certainty == MS_DAMAGED)
        return ms_fail(err, MS_UNCERTAIN, "the map is damaged: %s", m->doubt ? m->doubt : "?");
    enum ms_read rc = ms_classic_read(r, m->addr, m->id, &k->raw, &k->sure, &k->doubt);
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while a map was read");
    if (rc == MS_READ_FAULT) return ms_fail(err, MS_GONE, "the map was freed while it was read");
    if (k->sure == MS_DAMAGED)
        return ms_fail(err, MS_UNCERTAIN, "the map is damaged: field %s cannot be right", k->doubt);
    k->count_least = k->count_most = m->entries;
    note_header(k, &k->raw.c);
    k->first_moved = k->moved;
    return aim(k, old, err);
}

static uint64_t error_bound(const struct look *k) {
    return ms_add(ms_add(k->moved - k->first_moved, k->count_most - k->count_least), k->in_flight);
}

static enum scan look_again(struct look *k) {
    struct gomap_classic c;
    enum ms_read rc = ms_read(k->r, k->raw.addr, &c, sizeof c);
    if (rc == MS_READ_GONE) return SCAN_GONE;
    if (rc != MS_READ_OK || !ms_classic_same(&c, &k->raw.c)) return SCAN_CHANGED;
    note_header(k, &c);
    return SCAN_OK;
}

static enum scan scan(struct look *k, uint64_t first, uint64_t count, chunk_fn fn, void *ctx) {
    uint64_t size = k->raw.d.bucket_size, most = CHUNK_BYTES / size;
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

static bool is_evacuated(const uint8_t *b) { return b[0] > GOMAP_TOP_EMPTY_ONE && b[0] < GOMAP_TOP_MIN; }

static unsigned live_in(const uint8_t *b) {
    unsigned n = 0;
    for (int i = 0; i < GOMAP_BUCKET_SLOTS; i++) n += b[i] >= GOMAP_TOP_MIN;
    return n;
}

static enum ms_area area_of(const struct look *k, const uint8_t *b) {
    if (!ms_classic_growing(&k->raw)) return MS_AREA_PLAIN;
    if (k->old) return is_evacuated(b) ? MS_AREA_GAP : MS_AREA_LOW;
    return live_in(b) ? MS_AREA_HIGH : MS_AREA_GAP;
}

static uint64_t link_of(const struct look *k, const uint8_t *b) {
    uintptr_t link;
    memcpy(&link, b + k->raw.d.overflow_off, sizeof link);
    return k->old && is_evacuated(b) ? 0 : link; /* the links of an evacuated chain may be gone */
}

/* ---- cells ------------------------------------------------------------------------------------- */

static enum scan add_cells(struct look *k, uint64_t first, uint64_t n, const uint8_t *bucket, void *ctx) {
    struct ms_cells *c = ctx;
    for (uint64_t i = 0; i < n; i++, bucket += k->raw.d.bucket_size) {
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
    for (int i = 0; i < RESTARTS && rc == SCAN_CHANGED; i++) {
        struct look k;
        ms_cells_free(out);
        int status = begin(&k, r, m, other, err);
        if (status) return status;
        if (first >= k.buckets) return MS_OK;
        out->first = first;
        out->group_slots = GOMAP_BUCKET_SLOTS;
        out->groups = ms_min(count, k.buckets - first);
        out->per_cell = (out->groups + max_cells - 1) / max_cells;
        out->count = (size_t)((out->groups + out->per_cell - 1) / out->per_cell);
        out->live = ms_alloc(out->count * sizeof *out->live);
        out->area = ms_alloc(out->count);
        rc = scan(&k, first, out->groups, add_cells, out);
        *bound = error_bound(&k);
    }
    return rc == SCAN_OK ? MS_OK : (ms_cells_free(out), scan_error(rc, err));
}

/* ---- groups ------------------------------------------------------------------------------------ */

struct group_sink {
    struct ms_group *group;
    uint64_t first;
};

/* Follow one chain; the entries and buckets it has beside the head. */
static enum ms_read follow(struct look *k, uint64_t link, struct ms_group *g) {
    uint8_t top[GOMAP_BUCKET_SLOTS];
    for (int level = 0; link && level < LEVELS_MAX; level++) {
        uintptr_t next;
        enum ms_read rc = ms_read(k->r, link, top, sizeof top);
        if (rc == MS_READ_OK) rc = ms_read(k->r, link + k->raw.d.overflow_off, &next, sizeof next);
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
    for (uint64_t i = 0; i < n; i++, bucket += k->raw.d.bucket_size) {
        struct ms_group *g = &sink->group[first + i - sink->first];
        *g = (struct ms_group){
            .index = first + i, .slots = GOMAP_BUCKET_SLOTS, .live = (uint8_t)live_in(bucket)};
        memcpy(g->tophash, bucket, GOMAP_BUCKET_SLOTS);
        g->area = (uint8_t)area_of(k, bucket);
        g->addr = k->base + g->index * k->raw.d.bucket_size;
        if (follow(k, link_of(k, bucket), g) == MS_READ_GONE) return SCAN_GONE;
    }
    return SCAN_OK;
}

static int groups(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, uint64_t first,
                  uint64_t count, struct ms_group **out, size_t *n, struct ms_error *err) {
    enum scan rc = SCAN_CHANGED;
    (void)s;
    *out = NULL;
    *n = 0;
    for (int i = 0; i < RESTARTS && rc == SCAN_CHANGED; i++) {
        struct look k;
        free(*out);
        *out = NULL;
        int status = begin(&k, r, m, false, err);
        if (status) return status;
        if (first >= k.buckets)
            return ms_fail(err, MS_USAGE, "no group %llu: the table has %llu groups",
                           (unsigned long long)first, (unsigned long long)k.buckets);
        *n = (size_t)ms_min(ms_min(count, GROUPS_MOST), k.buckets - first);
        struct group_sink sink = {ms_alloc(*n * sizeof **out), first};
        *out = sink.group;
        rc = scan(&k, first, *n, add_groups, &sink);
    }
    if (rc == SCAN_OK) return MS_OK;
    free(*out);
    *out = NULL;
    return scan_error(rc, err);
}

/* ---- histograms -------------------------------------------------------------------------------- */

struct histo {
    struct ms_detail *d;
    uint64_t nodes;
};

static void add_marks(struct ms_detail *d, const uint8_t *b) {
    for (int i = 0; i < GOMAP_BUCKET_SLOTS; i++) d->map.tombstones += b[i] == GOMAP_TOP_EMPTY_ONE;
}

/* The chains behind the heads of a chunk, level by level: one batch of reads a level. */
static enum scan add_chains(struct look *k, uint64_t *link, uint64_t n, struct histo *h) {
    struct node {
        uint8_t top[GOMAP_BUCKET_SLOTS];
        uintptr_t next;
    } *node = ms_alloc(n * sizeof *node);
    struct ms_batch_item *item = ms_alloc(2 * n * sizeof *item);
    uint32_t *length = ms_alloc(n * sizeof *length);
    enum ms_read rc = MS_READ_OK;
    bool complete = true;
    for (int level = 0; rc == MS_READ_OK; level++) {
        size_t items = 0;
        for (uint64_t i = 0; i < n; i++) {
            if (!link[i]) continue;
            item[items++] =
                (struct ms_batch_item){.addr = link[i], .len = sizeof node->top, .buf = node[i].top};
            item[items++] = (struct ms_batch_item){
                .addr = link[i] + k->raw.d.overflow_off, .len = sizeof node->next, .buf = &node[i].next};
        }
        if (items == 0) break;
        h->nodes += items / 2;
        if (level >= LEVELS_MAX || h->nodes > NODES_MAX) {
            complete = false;
            break;
        }
        rc = ms_read_batch(k->r, item, items);
        for (uint64_t i = 0, at = 0; rc == MS_READ_OK && i < n; i++) {
            if (!link[i]) continue;
            bool ok = item[at].status == MS_READ_OK && item[at + 1].status == MS_READ_OK;
            at += 2;
            complete = complete && ok;
            link[i] = ok ? node[i].next : 0;
            if (!ok) continue;
            length[i] += live_in(node[i].top);
            add_marks(h->d, node[i].top);
        }
    }
    for (uint64_t i = 0; rc == MS_READ_OK && i < n; i++) {
        h->d->chain[length[i] < MS_CHAIN_BUCKETS ? length[i] : MS_CHAIN_BUCKETS - 1]++;
        h->d->map.chained += length[i];
    }
    if (!complete) h->d->histograms_complete = false;
    free(node);
    free(item);
    free(length);
    return rc == MS_READ_OK ? SCAN_OK : SCAN_GONE;
}

static enum scan add_histograms(struct look *k, uint64_t first, uint64_t n, const uint8_t *bucket,
                                void *ctx) {
    struct histo *h = ctx;
    uint64_t *link = ms_alloc(n * sizeof *link), heads = 0;
    (void)first;
    for (uint64_t i = 0; i < n; i++, bucket += k->raw.d.bucket_size) {
        if (k->old && is_evacuated(bucket)) continue; /* its entries count where they went */
        h->d->occupancy[live_in(bucket)]++;
        add_marks(h->d, bucket);
        link[heads] = link_of(k, bucket);
        h->d->overflowed_groups += link[heads++] != 0;
    }
    h->d->quads += heads;
    enum scan rc = add_chains(k, link, heads, h);
    free(link);
    return rc;
}

static int histograms(struct ms_reader *r, const struct ms_map *m, struct ms_detail *d,
                      struct ms_error *err) {
    enum scan rc = SCAN_CHANGED;
    for (int i = 0; i < RESTARTS && rc == SCAN_CHANGED; i++) {
        struct look k;
        struct histo h = {.d = d};
        memset(d->occupancy, 0, sizeof d->occupancy);
        memset(d->chain, 0, sizeof d->chain);
        d->overflowed_groups = d->quads = d->error_bound = d->map.chained = d->map.tombstones = 0;
        d->histograms_complete = true;
        /* One look at both arrays: what is evacuated in between belongs to its bound. */
        int status = begin(&k, r, m, true, err);
        rc = SCAN_OK;
        for (int old = 1; old >= 0 && rc == SCAN_OK && status == MS_OK; old--) {
            status = aim(&k, old, err);
            if (status == MS_OK && k.buckets) rc = scan(&k, 0, k.buckets, add_histograms, &h);
        }
        if (status) return status;
        if (rc == SCAN_OK) rc = look_again(&k); /* chains are read after the last look of the scan */
        d->error_bound = error_bound(&k);
    }
    if (rc == SCAN_GONE) return scan_error(rc, err);
    if (rc == SCAN_CHANGED) d->histograms_complete = false;
    return MS_OK;
}

static void take_counters(const struct gomap_classic *c, struct ms_detail *d) {
    const struct ms_counter all[] = {
        {"B", c->h.B},
        {"noverflow", c->h.noverflow},
        {"nevacuate", c->h.nevacuate},
        {"flags", c->h.flags},
        {"grows", c->counters.grows},
        {"same_size_grows", c->counters.same_size_grows},
        {"grow_failed", c->counters.grow_failed},
        {"evacuated", c->counters.evacuated},
        {"moved", c->counters.moved},
        {"overflows", c->counters.overflows},
        {"clears", c->counters.clears},
        {"reseeds", c->counters.reseeds},
        {"held_bytes", c->held_bytes},
    };
    _Static_assert(sizeof all <= sizeof d->counter, "room for all of them");
    d->counters = sizeof all / sizeof *all;
    memcpy(d->counter, all, sizeof all);
}

static int detail_head(struct ms_reader *r, const struct ms_map *m, struct ms_detail *out,
                       struct ms_error *err) {
    struct look k;
    *out = (struct ms_detail){.map = *m};
    out->map.name = m->name ? ms_strdup(m->name) : NULL;
    out->map.doubt = NULL;
    int status = begin(&k, r, m, false, err);
    if (status) return status;
    ms_classic_fill(&k.raw, &out->map);
    out->map.certainty = (uint8_t)k.sure;
    if (k.sure != MS_EXACT) out->map.doubt = ms_strdup(k.doubt);
    out->two_arrays = ms_classic_growing(&k.raw);
    out->lo_groups = ms_classic_old_buckets(&k.raw);
    take_counters(&k.raw.c, out);
    return MS_OK;
}

static int detail(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, struct ms_detail *out,
                  struct ms_error *err) {
    int status = detail_head(r, m, out, err);
    if (status == MS_OK) status = histograms(r, &out->map, out, err);
    if (status == MS_OK && m->copy < s->copies) status = ms_gomap_events(r, &s->copy[m->copy], m, out, err);
    return status;
}

/* ---- resident pages ---------------------------------------------------------------------------- */

static int resident(struct ms_reader *r, struct ms_snapshot *s, struct ms_map *m, struct ms_error *err) {
    struct ms_classic_raw raw;
    enum ms_certainty sure;
    const char *doubt;
    (void)s;
    if (!r->resident || m->certainty == MS_DAMAGED) return MS_OK;
    enum ms_read rc = ms_classic_read(r, m->addr, m->id, &raw, &sure, &doubt);
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while its pages were looked up");
    if (rc != MS_READ_OK || sure == MS_DAMAGED) return MS_OK;
    const uint64_t area[][2] = {{raw.addr, raw.c.size},
                                {(uintptr_t)raw.c.h.buckets, raw.c.array_bytes},
                                {(uintptr_t)raw.c.h.oldbuckets, raw.c.old_bytes}};
    uint64_t all = 0, swapped = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t in = 0, away = 0;
        if (area[i][1] == 0) continue;
        if (area[i][1] > RESIDENT_MAX) return MS_OK; /* stays unknown */
        rc = r->resident(r->ctx, area[i][0], area[i][1], &in, &away);
        if (rc == MS_READ_GONE)
            return ms_fail(err, MS_GONE, "the process ended while its pages were looked up");
        if (rc != MS_READ_OK) return MS_OK;
        all += in;
        swapped += away;
    }
    m->resident = all;
    m->swapped = swapped;
    return MS_OK;
}

const struct ms_backend ms_classic_backend = {resident, detail, detail_head,
                                              cells,    groups, ms_classic_pieces};
