/* go_classic.c - the backend for the maps of Go up to 1.23 (and of 1.24, 1.25 built without Swiss maps): one map in the
 * target's memory, read, checked, counted.  Looks at whole tables: go_classic_table.c.
 *
 *   hmap, 48 bytes                     bucket
 *   count 0  flags 8  B 9              tophash[8] | 8 keys | 8 values | overflow ----> bucket beside the array
 *   noverflow 10  hash0 12             array: 2^B buckets and, from B 4 on, a pool of overflow buckets behind them
 *   buckets 16  oldbuckets 24
 *   nevacuate 32  extra 40 ----> overflow list, list of the old array, next free bucket of the pool
 *
 * The header has no sequence: it is read, then what it points to, then the header again.  Equal readings belong
 * together.  Many maps are read together, step by step, as neighbours in memory cost one call; those that moved
 * meanwhile are then read one by one.
 *
 * Overflow buckets beside the pool: noverflow counts them exactly up to B 15.  Above it only estimates; then buckets
 * without pointers stand in a list, others are counted along the chains, which takes a look at the whole table.
 *
 * A rebuild fills 2^B' buckets by chance: how many overflow buckets that takes is part of the figure (Poisson).
 */
#include "go_classic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { B_MOST = 40, EXTRA_BYTES = 24, POOL_FROM_B = 4, EXACT_B = 15, CHAIN_MOST = 32, TRIES = 60 };
#define COUNT_MOST UINT64_C(0x0000ffffffffffff)
#define LIST_MOST  (UINT64_C(1) << 32)

/* ---- reading ----------------------------------------------------------------------------------- */

static void take_header(struct ms_go_hmap *h) {
    h->count = ms_go_u64(h->header);
    h->flags = h->header[8], h->b = h->header[9], h->noverflow = ms_go_u16(h->header + 10);
    h->buckets = ms_go_u64(h->header + 16), h->old = ms_go_u64(h->header + 24);
    h->evacuated = ms_go_u64(h->header + 32), h->extra = ms_go_u64(h->header + h->header_bytes - 8);
}

static const char *check(const struct ms_go_hmap *h) {
    const struct ms_go_shape *s = h->shape;
    if (h->count > COUNT_MOST) return "count";
    if (h->flags > 15) return "flags";
    if (h->b > B_MOST) return "B";
    if (!h->buckets && (h->count || h->b || h->old)) return "buckets";
    if (h->old && h->b == 0 && !(h->flags & MS_GO_SAME_SIZE)) return "B";
    if (h->old && h->evacuated > ms_go_hmap_old_buckets(h))
        return "nevacuate"; /* else it is of the last growth */
    if (s->group_size && h->next_overflow) {
        uint64_t at = h->next_overflow - h->buckets;
        if (at % s->group_size || at / s->group_size < ms_go_hmap_buckets(h) ||
            at / s->group_size >= 4 * ms_go_hmap_buckets(h))
            return "extra.nextOverflow";
    }
    return NULL;
}

static bool has_extra(const struct ms_go_hmap *h) { return h->status == MS_READ_OK && !h->bad && h->extra; }

/* A list of overflow buckets: a pointer to a slice.  What is none counts as empty. */
static size_t ask_list(uint64_t at, struct ms_batch_item *item, uint64_t *slice) {
    *item = (struct ms_batch_item){.addr = at, .len = 24, .buf = slice};
    return at != 0;
}

static size_t take_list(uint64_t at, const struct ms_batch_item *item, uint64_t *items, uint64_t *array, uint64_t *cap) {
    const uint64_t *slice = item->buf;
    if (!at) return 0;
    if (item->status == MS_READ_OK && slice[1] <= slice[2] && slice[2] <= LIST_MOST)
        *array = slice[0], *items = slice[1], *cap = slice[2];
    return 1;
}

/* What the extra pointers of n maps lead to, then the lists that those name. */
static enum ms_read read_extras(struct ms_reader *r, struct ms_go_hmap *h, size_t n) {
    struct ms_batch_item *item = ms_alloc(2 * n * sizeof *item);
    uint64_t(*word)[3] = ms_alloc(2 * n * sizeof *word);
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (has_extra(&h[i])) k += ask_list(h[i].extra, &item[k], word[k]);
    enum ms_read rc = ms_read_batch(r, item, k);
    k = 0;
    for (size_t i = 0; rc == MS_READ_OK && i < n; i++) {
        if (!has_extra(&h[i])) continue;
        h[i].list = word[k][0], h[i].old_list = word[k][1], h[i].next_overflow = word[k][2];
        if (item[k++].status != MS_READ_OK) h[i].bad = "extra";
    }
    k = 0;
    for (size_t i = 0; i < n; i++) {
        if (!has_extra(&h[i])) continue;
        k += ask_list(h[i].list, &item[k], word[k]);
        k += ask_list(h[i].old_list, &item[k], word[k]);
    }
    if (rc == MS_READ_OK) rc = ms_read_batch(r, item, k);
    k = 0;
    for (size_t i = 0; rc == MS_READ_OK && i < n; i++) {
        if (!has_extra(&h[i])) continue;
        k += take_list(h[i].list, &item[k], &h[i].listed, &h[i].list_at, &h[i].list_room);
        k += take_list(h[i].old_list, &item[k], &h[i].old_listed, &h[i].old_list_at, &h[i].old_list_room);
    }
    free(item);
    free(word);
    return rc;
}

/* n maps of which address, header_bytes and shape are known, each step for all of them. */
static enum ms_read read_once(struct ms_reader *r, struct ms_go_hmap *h, size_t n) {
    struct ms_batch_item *item = ms_alloc(n * sizeof *item);
    for (size_t i = 0; i < n; i++)
        item[i] = (struct ms_batch_item){.addr = h[i].addr, .len = h[i].header_bytes, .buf = h[i].header};
    enum ms_read rc = ms_read_batch(r, item, n);
    for (size_t i = 0; rc == MS_READ_OK && i < n; i++) {
        h[i].status = item[i].status;
        if (h[i].status == MS_READ_OK) take_header(&h[i]);
        item[i].buf = h[i].again;
    }
    if (rc == MS_READ_OK) rc = read_extras(r, h, n);
    if (rc == MS_READ_OK) rc = ms_read_batch(r, item, n);
    for (size_t i = 0; rc == MS_READ_OK && i < n; i++) {
        if (h[i].status == MS_READ_OK) h[i].status = item[i].status;
        if (!h[i].bad) h[i].bad = check(&h[i]);
        h[i].held = memcmp(h[i].again, h[i].header, h[i].header_bytes) == 0 &&
                    (!(h[i].flags & MS_GO_WRITING) || r->still);
    }
    free(item);
    return rc;
}

static bool is_exact(const struct ms_go_hmap *h) { return h->status == MS_READ_OK && h->held && !h->bad; }

static const struct ms_go_shape *shape_of(const struct ms_type *type) {
    static const struct ms_go_shape unknown = {0};
    return type ? &type->go : &unknown;
}

enum ms_read ms_go_hmap_read(struct ms_reader *r, uint64_t addr, unsigned header_bytes,
                             const struct ms_go_shape *s, struct ms_go_hmap *h, enum ms_certainty *certainty,
                             const char **doubt) {
    bool sane = false;
    *h = (struct ms_go_hmap){0};
    for (int i = 0; i == 0 || ms_patient(r, i - 1, h->held, sane); i++) {
        *h = (struct ms_go_hmap){.addr = addr, .header_bytes = header_bytes, .shape = s};
        enum ms_read rc = read_once(r, h, 1);
        if (rc == MS_READ_OK) rc = h->status;
        if (rc != MS_READ_OK) return rc;
        if (is_exact(h)) return *certainty = MS_EXACT, *doubt = NULL, MS_READ_OK;
        sane = sane || !h->bad;
        if (i == TRIES) break;
    }
    *certainty = h->bad ? MS_DAMAGED : MS_CHANGING;
    *doubt = h->bad ? h->bad : "it changed each time it was read";
    return MS_READ_OK;
}

/* ---- figures ----------------------------------------------------------------------------------- */

static uint64_t limit_of(const struct ms_go_shape *s, unsigned b) {
    uint64_t n = (s->load_halves ? s->load_halves : 13) * ((UINT64_C(1) << b) / 2);
    return n < MS_GO_GROUP_SLOTS ? MS_GO_GROUP_SLOTS : n;
}

/* Allocated bytes of an array for 2^b buckets, its pool included. */
static uint64_t array_bytes(const struct ms_go_shape *s, unsigned b) {
    uint64_t n = UINT64_C(1) << b;
    return ms_go_groups_allocated(s, b >= POOL_FROM_B ? n + (n >> 4) : n);
}

/* Buckets that fit into an array of so many allocated bytes: a type's 8 bytes before it are not part of it. */
static uint64_t buckets_in(const struct ms_go_shape *s, uint64_t bytes) {
    bool header = s->malloc_headers && s->pointers && bytes > 512 && bytes <= 32768;
    return s->group_size ? (bytes - (header ? 8 : 0)) / s->group_size : 0;
}

uint64_t ms_go_buckets_allocated(const struct ms_go_shape *s, unsigned b, uint64_t *buckets) {
    uint64_t bytes = array_bytes(s, b);
    *buckets = b >= POOL_FROM_B ? buckets_in(s, bytes) : UINT64_C(1) << b;
    return bytes;
}

/* Buckets of the pool that are in chains. */
static uint64_t pool_used(const struct ms_go_hmap *h, const struct ms_go_shape *s, uint64_t all) {
    uint64_t n = ms_go_hmap_buckets(h), pool = h->b >= POOL_FROM_B && all > n ? all - n : 0;
    if (!pool || !h->extra || !h->next_overflow) return pool;
    return ms_min((h->next_overflow - h->buckets) / s->group_size - n, pool);
}

static uint64_t loose_now(struct ms_reader *r, const struct ms_go_hmap *h, const struct ms_go_shape *s,
                          uint64_t bytes, uint64_t from_pool) {
    uint64_t n = h->noverflow, loose = 0;
    if (h->b > EXACT_B) {
        if (s->pointers)
            return ms_go_hmap_loose(r, s, h->buckets, ms_go_hmap_buckets(h), bytes, &loose), loose;
        n = h->listed;
    }
    return n > from_pool ? n - from_pool : 0;
}

/* Of a list, those that lie outside of the array. */
static uint64_t listed_outside(struct ms_reader *r, uint64_t at, uint64_t items, uint64_t array,
                               uint64_t bytes) {
    enum { STEP = 512 };
    uint64_t word[STEP], outside = 0;
    for (uint64_t i = 0; i < items; i += STEP) {
        uint64_t n = ms_min(STEP, items - i);
        if (ms_read(r, at + 8 * i, word, (size_t)n * 8) != MS_READ_OK) break;
        for (uint64_t k = 0; k < n; k++) outside += word[k] - array >= bytes;
    }
    return outside;
}

static uint64_t moving_bytes(struct ms_reader *r, const struct ms_snapshot *snap, const struct ms_go_hmap *h,
                             const struct ms_go_shape *s) {
    if (!h->old) return 0;
    uint64_t n = ms_go_hmap_old_buckets(h), loose = 0,
             bytes = ms_go_object_bytes(snap, h->old, array_bytes(s, h->b - !(h->flags & MS_GO_SAME_SIZE)));
    if (s->group_size && s->pointers)
        ms_go_hmap_loose(r, s, h->old, n, bytes, &loose);
    else
        loose = listed_outside(r, h->old_list_at, h->old_listed, h->old, bytes);
    return ms_add(bytes, ms_mul(loose, ms_go_groups_allocated(s, 1)));
}

static uint64_t list_bytes(const struct ms_snapshot *snap, uint64_t list, uint64_t at, uint64_t cap,
                           const struct ms_go_shape *s) {
    if (!list) return 0;
    return EXTRA_BYTES +
           (at ? ms_go_object_bytes(snap, at, ms_go_allocated(8 * cap, true, s->malloc_headers)) : 0);
}

static void fill_parts(struct ms_reader *r, const struct ms_snapshot *snap, const struct ms_go_hmap *h,
                       const struct ms_go_shape *s, struct ms_map *m) {
    uint64_t n = ms_go_hmap_buckets(h), size = s->group_size, payload = ms_go_payload(s);
    uint64_t bytes = n ? ms_go_object_bytes(snap, h->buckets, array_bytes(s, h->b)) : 0;
    uint64_t all = n ? buckets_in(s, bytes) : 0, used = size ? pool_used(h, s, all) : 0;
    uint64_t pool = h->b >= POOL_FROM_B && all > n ? all - n : 0, live = ms_min(m->entries, m->slots);
    memset(m->part, 0, sizeof m->part);
    m->part[MS_PART_HEADER] = ms_go_allocated(h->header_bytes, true, s->malloc_headers);
    m->part[MS_PART_METADATA] = n * 16 + (h->extra ? EXTRA_BYTES : 0) +
                                list_bytes(snap, h->list, h->list_at, h->list_room, s) +
                                list_bytes(snap, h->old_list, h->old_list_at, h->old_list_room, s);
    if (!size) payload = bytes > n * 16 && n ? (bytes - n * 16) / (8 * n) : 0; /* of an unknown type */
    m->part[MS_PART_SLOTS_LIVE] = live * payload;
    m->part[MS_PART_SLOTS_EMPTY] = (m->slots - live) * payload;
    m->part[MS_PART_OVERFLOW] =
        used * size + (size ? ms_mul(loose_now(r, h, s, bytes, used), ms_go_groups_allocated(s, 1)) : 0);
    m->part[MS_PART_SLACK] = (pool - used) * size;
    uint64_t known = n * 16 + m->slots * payload + pool * size;
    m->part[MS_PART_PADDING] = bytes > known ? bytes - known : 0;
    m->part[MS_PART_MOVING] = moving_bytes(r, snap, h, s);
    m->part[MS_PART_CELLS] = ms_mul(m->entries, (uint64_t)s->key_cell + s->elem_cell);
    m->bytes = ms_map_sum(m);
}

/* Expected overflow buckets when entries fall on buckets by chance. */
static double chance_overflow(double entries, double buckets) {
    double mean = entries / buckets, p = exp(-mean), below = p, expected = 0;
    for (int k = 1; k <= CHAIN_MOST * MS_GO_GROUP_SLOTS; k++) {
        if ((k - 1) % MS_GO_GROUP_SLOTS == 0 && k > 1)
            expected += 1 - below; /* more than k - 1 entries in one */
        p *= mean / k;
        below += p;
    }
    return expected < 0 ? 0 : expected * buckets;
}

/* Bytes of a slice of pointers that append has filled one by one (runtime.growslice). */
static uint64_t appended_bytes(const struct ms_go_shape *s, uint64_t items) {
    enum { DOUBLES_BELOW = 256 };
    uint64_t room = 0, bytes = 0;
    while (room < items) {
        room = room == 0 ? 1 : room < DOUBLES_BELOW ? 2 * room : room + (room + 3 * DOUBLES_BELOW) / 4;
        bytes = ms_go_allocated(8 * room, true, s->malloc_headers);
        bool header = s->malloc_headers && 8 * room > 512 && bytes <= 32768;
        room = (bytes - (header ? 8 : 0)) / 8;
    }
    return bytes;
}

void ms_go_classic_made(const struct ms_go_shape *s, uint64_t hint, uint64_t entries,
                        struct ms_go_made *out) {
    unsigned b = 0;
    uint64_t want = hint > entries ? hint : entries, all;
    *out = (struct ms_go_made){.slots = 0};
    if (entries == 0 && hint <= MS_GO_GROUP_SLOTS) return; /* its bucket comes with the first entry */
    while (b < B_MOST && limit_of(s, b) < want) b++;
    out->bytes = ms_go_buckets_allocated(s, b, &all);
    uint64_t n = UINT64_C(1) << b, pool = all > n ? all - n : 0, one = ms_go_groups_allocated(s, 1);
    double overflow = b && entries ? chance_overflow((double)entries, (double)n) : 0;
    out->slots = n * MS_GO_GROUP_SLOTS;
    if (pool) out->bytes += EXTRA_BYTES;
    if (overflow > (double)pool) out->bytes += (uint64_t)(overflow - (double)pool) * one;
    if (overflow >= 1 && !s->pointers) out->bytes += EXTRA_BYTES + appended_bytes(s, (uint64_t)overflow);
    if (overflow + 2 * sqrt(overflow) > (double)pool)
        out->spread = (uint64_t)(2 * sqrt(overflow) * (double)one);
}

static void fill_growth(const struct ms_go_hmap *h, const struct ms_go_shape *s, struct ms_map *m) {
    m->walk = h->old ? MS_WALK_GROW : MS_WALK_NONE;
    m->walk_done = h->old ? h->evacuated : 0;
    m->walk_total = ms_go_hmap_old_buckets(h);
    m->grow_at = m->grow_bytes = m->grow_peak = MS_UNKNOWN;
    m->grow_groups = 0;
    struct ms_go_made made = {.bytes = 0};
    if (s->group_size) ms_go_classic_made(s, m->entries, m->entries, &made);
    m->fresh_bytes =
        s->group_size ? ms_add(m->part[MS_PART_HEADER] + m->part[MS_PART_CELLS], made.bytes) : m->bytes;
    if (!h->buckets) return;
    m->grow_at = limit_of(s, h->b);
    m->grow_groups = UINT64_C(1) << (h->b + 1);
    if (!s->group_size) return;
    m->grow_bytes = array_bytes(s, h->b + 1);
    m->grow_peak = ms_add(m->grow_bytes, array_bytes(s, h->b));
}

/* Overflow buckets that the entries there are do not explain were made for others.  Chance makes some: more than twice
 * as many as it should have made is no chance. */
static bool had_more(const struct ms_go_shape *s, const struct ms_map *m) {
    if (!s->group_size || !m->groups) return false;
    double have = (double)m->part[MS_PART_OVERFLOW] / (double)ms_go_groups_allocated(s, 1);
    return have > 4 + 2 * chance_overflow((double)m->entries, (double)m->groups);
}

void ms_go_hmap_fill(struct ms_reader *r, const struct ms_snapshot *snap, const struct ms_go_hmap *h,
                     struct ms_map *m) {
    const struct ms_go_shape *s = shape_of(m->type);
    m->id = m->addr = h->addr;
    m->kind = MS_KIND_GO_CLASSIC;
    m->header_bytes = (uint8_t)h->header_bytes;
    m->layout = !h->buckets ? MS_LAYOUT_EMPTY : h->b ? MS_LAYOUT_BLOCK : MS_LAYOUT_SMALL;
    m->capacity_small = MS_GO_GROUP_SLOTS;
    m->entries = h->count;
    m->groups = ms_go_hmap_buckets(h);
    m->slots = m->groups * MS_GO_GROUP_SLOTS;
    m->load = m->slots ? (double)m->entries / (double)m->slots : 0;
    m->chained = m->tombstones = MS_UNKNOWN;
    if (!h->old && h->noverflow == 0) m->chained = 0;
    if (!h->buckets) m->tombstones = 0;
    m->stashed = 0;
    m->reserved = 0;
    fill_parts(r, snap, h, s, m);
    fill_growth(h, s, m);
    m->signs = had_more(s, m) ? MS_SIGN_DELETES : 0;
}

/* A map that was read together with others; if that went wrong it is read alone, with patience. */
static enum ms_read add_map(struct ms_reader *r, struct ms_go_hmap *h, struct ms_go_header *at,
                            struct ms_snapshot *out) {
    enum ms_certainty sure = MS_EXACT;
    const char *doubt = NULL;
    enum ms_read rc = MS_READ_OK;
    if (!is_exact(h)) rc = ms_go_hmap_read(r, at->addr, h->header_bytes, shape_of(at->type), h, &sure, &doubt);
    if (rc == MS_READ_GONE) return rc;
    if (rc != MS_READ_OK || sure == MS_DAMAGED) {
        ms_go_add_damaged(out, MS_KIND_GO_CLASSIC, at, rc == MS_READ_OK ? doubt : "header");
        return MS_READ_OK;
    }
    struct ms_map *m = ms_go_add(out, at);
    m->certainty = (uint8_t)sure;
    ms_go_hmap_fill(r, out, h, m);
    if (sure == MS_EXACT) return MS_READ_OK;
    out->uncertain = true;
    m->doubt = ms_strdup(doubt);
    return MS_READ_OK;
}

enum ms_read ms_go_classic_load(struct ms_reader *r, struct ms_go_header *at, size_t n, uint8_t header_bytes,
                                struct ms_snapshot *out) {
    struct ms_go_hmap *h = ms_alloc(n * sizeof *h);
    for (size_t i = 0; i < n; i++)
        h[i] = (struct ms_go_hmap){.addr = at[i].addr, .header_bytes = header_bytes, .shape = shape_of(at[i].type)};
    enum ms_read rc = read_once(r, h, n);
    for (size_t i = 0; rc == MS_READ_OK && i < n; i++) rc = add_map(r, &h[i], &at[i], out);
    free(h);
    return rc;
}
