/* lib/classic/report.c - a classic map in numbers, bucket by bucket, and checked.
 *
 * Invariants (gomap_classic_verify):
 *   C1 the header agrees with itself: B, flags, arrays, nevacuate within the old buckets
 *   C2 a chain has evacuation marks in all its slots or in none, and only in the old array
 *   C3 behind emptyRest a chain holds nothing but emptyRest
 *   C4 an entry lies in the chain its hash names, under its tophash (but for keys that equal nothing)
 *   C5 looking a key up finds this very slot: no key is there twice
 *   C6 count is the number of entries
 *   C7 noverflow is the number of overflow buckets in use (B < 16)
 *   C8 every old bucket below nevacuate is evacuated
 *   C9 every overflow bucket of a chain is in the pool, below next_overflow, or allocated; no allocation
 *      is without a chain
 */
#include "classic_internal.h"

#include <stdarg.h>

/* ---- walking ------------------------------------------------------------------------------------------- */

/* Place of a bucket in the array's pool; SIZE_MAX: not in the array. */
static size_t pool_place(const struct classic *m, const struct array *a, unsigned b, const uint8_t *bucket) {
    const uint8_t *pool = a->buckets + ((uint64_t)m->pub.desc->bucket_size << b);
    const uint8_t *end = a->buckets + a->n * m->pub.desc->bucket_size;
    return bucket >= pool && bucket < end ? (size_t)(bucket - pool) / m->pub.desc->bucket_size : SIZE_MAX;
}

static unsigned old_b(const struct classic *m) { return m->pub.h.B - !is_same_size(m); }

typedef bool (*visit_fn)(const gomap_classic_bucket *bucket, void *ctx);

static bool visit_array(const struct classic *m, bool old, visit_fn fn, void *ctx) {
    const struct gomap_classic_desc *d = m->pub.desc;
    const struct array *a = old ? m->old : m->cur;
    unsigned b = old ? old_b(m) : m->pub.h.B;
    for (uint64_t i = 0; a && i <= bucket_mask(b); i++) {
        size_t depth = 0;
        for (uint8_t *p = bucket_at(d, a->buckets, i); p; p = *overflow_of(d, p)) {
            gomap_classic_bucket out = {.old = old,
                                        .index = (size_t)i,
                                        .depth = depth,
                                        .pool = pool_place(m, a, b, p),
                                        .tophash = p,
                                        .keys = key_slot(d, p, 0),
                                        .elems = elem_slot(d, p, 0),
                                        .overflow = *overflow_of(d, p),
                                        .key_slot = d->key_slot,
                                        .elem_slot = d->elem_slot};
            if (!fn(&out, ctx)) return false;
            depth++;
        }
    }
    return true;
}

void gomap_classic_visit(const gomap_classic *map, visit_fn fn, void *ctx) {
    const struct classic *m = classic(map);
    if (!m || !gomap__classic_alive(m, "visit")) return;
    if (visit_array(m, true, fn, ctx)) (void)visit_array(m, false, fn, ctx);
}

struct chains {
    uint64_t *length;
    size_t n, longest;
};

static bool add_chain(const gomap_classic_bucket *b, void *ctx) {
    struct chains *c = ctx;
    size_t d = b->depth;
    if (b->overflow || (b->old && is_evacuated(b->tophash))) return true;
    if (d > c->longest) c->longest = d;
    if (c->n) c->length[d < c->n ? d : c->n - 1]++;
    return true;
}

size_t gomap_classic_chains(const gomap_classic *map, uint64_t *length, size_t n) {
    struct chains c = {length, n, 0};
    if (n) memset(length, 0, n * sizeof *length);
    gomap_classic_visit(map, add_chain, &c);
    return c.longest;
}

/* ---- numbers ------------------------------------------------------------------------------------------- */

static void take_bytes(const struct classic *m, gomap_classic_stats *o) {
    const struct gomap_classic_desc *d = m->pub.desc;
    uint64_t n = m->cur ? UINT64_C(1) << m->pub.h.B : 0, payload = d->key_slot + d->elem_slot;
    uint64_t live = o->entries < o->slots ? o->entries : o->slots;
    o->bytes_header = sizeof *m;
    o->bytes_slots_live = live * payload;
    o->bytes_slots_empty = (o->slots - live) * payload;
    o->bytes_metadata = n * (SLOTS + sizeof(void *));
    o->bytes_overflow = (o->pool_used + o->overflow) * d->bucket_size;
    o->bytes_pool = (o->pool - o->pool_used) * d->bucket_size;
    o->bytes_old = m->old ? m->old->bytes + m->old->overflow.bytes : 0;
    o->bytes_cells = m->pub.cell_bytes;
    o->bytes_held = __atomic_load_n(&m->pub.held_bytes, __ATOMIC_RELAXED);
    if (m->cur) o->bytes_overhead = sizeof(struct array) + o->overflow * sizeof(struct gomap_loose);
    o->bytes = o->bytes_header + o->bytes_old + o->bytes_cells + o->bytes_held;
    if (m->cur) o->bytes += m->cur->bytes + m->cur->overflow.bytes;
}

gomap_err gomap_classic_get_stats(const gomap_classic *map, gomap_classic_stats *out) {
    const struct classic *m = classic(map);
    if (!out || out->size != sizeof *out) return GOMAP_EINVAL;
    *out = (gomap_classic_stats){.size = sizeof *out};
    if (!m) return GOMAP_OK;
    if (!gomap__classic_alive(m, "stats")) return GOMAP_EMISUSE;
    const struct gomap_hmap *h = &m->pub.h;
    const struct gomap_classic_counters *c = &m->pub.counters;
    uint64_t n = UINT64_C(1) << h->B;
    gomap_classic_stats *o = out;
    o->entries = (uint64_t)h->count;
    o->slots = m->cur ? n * SLOTS : 0;
    o->load = (double)h->count / (double)n;
    o->B = h->B, o->path = m->pub.desc->path, o->hash0 = h->hash0;
    o->noverflow = h->noverflow, o->noverflow_sampled = h->B >= SAMPLED_FROM_B;
    o->growing = is_growing(m), o->same_size = is_same_size(m);
    o->old_evacuated = is_growing(m) ? m->pub.old_evacuated : 0;
    o->nevacuate = h->nevacuate, o->old_buckets = is_growing(m) ? old_buckets(m) : 0;
    o->grow_at = gomap_classic_grow_at(h->B);
    o->pool = m->cur ? m->cur->n - n : 0;
    o->pool_used = o->pool - gomap__pool_left(m);
    o->overflow = m->cur ? m->cur->overflow.count : 0;
    o->old_overflow = m->old ? m->old->overflow.count : 0;
    pthread_mutex_lock(
        (pthread_mutex_t *)(uintptr_t)&m->lock); /* another thread may just end its iteration */
    for (const struct array *a = m->arrays; a; a = a->older) o->held_arrays += !a->owned;
    pthread_mutex_unlock((pthread_mutex_t *)(uintptr_t)&m->lock);
    take_bytes(m, o);
    o->grows = c->grows, o->same_size_grows = c->same_size_grows, o->grow_failed = c->grow_failed;
    o->evacuated = c->evacuated, o->moved = c->moved, o->overflows = c->overflows;
    o->clears = c->clears, o->reseeds = c->reseeds;
    return GOMAP_OK;
}

/* ---- invariants ---------------------------------------------------------------------------------------- */

struct check {
    const struct classic *m;
    int broken;
    char *why;
    size_t why_len;
    uint64_t entries, overflows, pooled, loose; /* overflow buckets of the current array */
    bool rest;                                  /* the chain has seen emptyRest */
    bool evacuated;                             /* its first slot says so */
};

static bool bad(struct check *c, int n, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool bad(struct check *c, int n, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (c->why) vsnprintf(c->why, c->why_len, format, args);
    va_end(args);
    c->broken = n;
    return false;
}

static bool check_entry(struct check *c, const gomap_classic_bucket *b, unsigned i) {
    const struct classic *m = c->m;
    const struct gomap_classic_desc *d = m->pub.desc;
    uint8_t *key = key_of(d, b->tophash, i), *found, *elem;
    c->entries++;
    if (!(d->flags & GOMAP_CF_REFLEXIVE) && !gomap__classic_eq(m, key, key)) return true;
    uint64_t hash = gomap__classic_hash(m, key), mask = b->old ? old_buckets(m) - 1 : bucket_mask(m->pub.h.B);
    if ((hash & mask) != b->index || tophash(hash) != b->tophash[i])
        return bad(c, 4, "bucket %zu slot %u: hash %#llx does not belong here", b->index, i,
                   (unsigned long long)hash);
    if (!gomap__classic_lookup(m, key, &found, &elem) || found != key)
        return bad(c, 5, "bucket %zu slot %u: looking its key up finds another slot, or none", b->index, i);
    return true;
}

static bool check_slots(struct check *c, const gomap_classic_bucket *b) {
    for (unsigned i = 0; i < SLOTS; i++) {
        uint8_t top = b->tophash[i];
        bool mark = top > GOMAP_TOP_EMPTY_ONE && top < GOMAP_TOP_MIN;
        if (mark != c->evacuated)
            return bad(c, 2, "%s bucket %zu slot %u: mark %u in a chain that is%s evacuated",
                       b->old ? "old" : "new", b->index, i, top, c->evacuated ? "" : " not");
        if (c->rest && top != GOMAP_TOP_EMPTY_REST)
            return bad(c, 3, "bucket %zu slot %u: %u behind emptyRest", b->index, i, top);
        c->rest = top == GOMAP_TOP_EMPTY_REST;
        if (top >= GOMAP_TOP_MIN && !check_entry(c, b, i)) return false;
    }
    return true;
}

static bool is_loose(const struct array *a, const void *bucket) {
    for (const struct gomap_loose *l = a->overflow.first; l; l = l->next)
        if (l + 1 == bucket) return true;
    return false;
}

static bool check_bucket(const gomap_classic_bucket *b, void *ctx) {
    struct check *c = ctx;
    const struct classic *m = c->m;
    if (b->depth == 0) {
        c->rest = false;
        c->evacuated = is_evacuated(b->tophash);
        if (c->evacuated && !b->old)
            return bad(c, 2, "bucket %zu of the current array is evacuated", b->index);
        if (b->old && b->index < m->pub.h.nevacuate && !c->evacuated)
            return bad(c, 8, "old bucket %zu is below nevacuate and not evacuated", b->index);
    } else if (!b->old) {
        c->overflows++;
        if (b->pool != SIZE_MAX)
            c->pooled++;
        else if (is_loose(m->cur, b->tophash))
            c->loose++;
        else
            return bad(c, 9, "bucket %zu: overflow bucket %zu is nobody's", b->index, b->depth);
    }
    return check_slots(c, b);
}

static bool check_header(struct check *c) {
    const struct classic *m = c->m;
    const struct gomap_hmap *h = &m->pub.h;
    if (h->B > B_MAX || h->flags & ~15u) return bad(c, 1, "B %u, flags %u", h->B, h->flags);
    if ((h->buckets != NULL) != (m->cur != NULL) || (h->oldbuckets != NULL) != (m->old != NULL))
        return bad(c, 1, "the header's arrays are not the map's");
    if (!h->buckets && (h->count || h->B))
        return bad(c, 1, "no buckets, but count %ld, B %u", (long)h->count, h->B);
    if (m->old && (h->nevacuate >= old_buckets(m) || (!h->B && !is_same_size(m))))
        return bad(c, 1, "nevacuate %zu", (size_t)h->nevacuate);
    return m->old || !is_same_size(m) || bad(c, 1, "same-size growth, but no old array");
}

static bool check_totals(struct check *c) {
    const struct classic *m = c->m;
    const struct gomap_hmap *h = &m->pub.h;
    uint64_t used = m->cur ? m->cur->n - (UINT64_C(1) << h->B) - gomap__pool_left(m) : 0;
    if (c->entries != (uint64_t)h->count)
        return bad(c, 6, "count %ld, but %llu entries", (long)h->count, (unsigned long long)c->entries);
    if (h->B < SAMPLED_FROM_B && h->noverflow != (uint16_t)c->overflows)
        return bad(c, 7, "noverflow %u, but %llu overflow buckets", h->noverflow,
                   (unsigned long long)c->overflows);
    if (c->pooled != used || (m->cur && c->loose != m->cur->overflow.count))
        return bad(c, 9, "chains hold %llu of the pool and %llu others, but %llu and %llu are in use",
                   (unsigned long long)c->pooled, (unsigned long long)c->loose, (unsigned long long)used,
                   m->cur ? (unsigned long long)m->cur->overflow.count : 0);
    return true;
}

int gomap_classic_verify(const gomap_classic *map, char *why, size_t why_len) {
    struct check c = {.m = classic(map), .why = why, .why_len = why_len};
    if (why && why_len) *why = 0;
    if (!c.m) return 0;
    if (!gomap__classic_alive(c.m, "verify")) return 1;
    if (!check_header(&c)) return c.broken;
    gomap_classic_visit(map, check_bucket, &c);
    if (!c.broken) (void)check_totals(&c);
    return c.broken;
}
