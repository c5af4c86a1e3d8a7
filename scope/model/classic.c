/* classic.c - the backend for classic maps (gomap/classic.h): one map in the target's memory, read, checked,
 * counted.
 *
 * They stand in gomap's registry under a kind of their own; gomap.c walks it and comes here.  The header is
 * read, then its type, then the header again.  If seq is the same even number, both belong together.  A map
 * that grows under a busy writer evacuates a bucket every few hundred nanoseconds, and seq with it; but as
 * long as arrays and growth are the same, only counters went on, and each of them is right for a moment in
 * between.
 *
 * Bytes: the parts of the array's allocation are its buckets' slots, their tophash bytes and overflow words,
 * the pool of overflow buckets (used: overflow; not yet: slack) and what the library keeps behind it
 * (padding).  Overflow buckets beside the pool, the old array while growing, and cells come by count.  What
 * only iterators hold is slack.
 */
#include "classic_raw.h"

#include <stdio.h>
#include <string.h>

enum { B_MAX = 40, SIZE_MOST = 65536, TYPES_MOST = 4096, TRIES = 60, INLINE_MOST = 128, PATH_MOST = 3 };
#define BIG         (UINT64_C(1) << 56)

/* ---- types ------------------------------------------------------------------------------------- */

static const char *check_desc(const struct gomap_classic_desc *d) {
    bool key_far = d->flags & GOMAP_CF_KEY_INDIRECT, elem_far = d->flags & GOMAP_CF_ELEM_INDIRECT;
    if (d->size != sizeof *d) return "desc.size";
    if (d->key_size > SIZE_MOST || key_far != (d->key_size > INLINE_MOST)) return "desc.key_size";
    if (d->elem_size > SIZE_MOST || elem_far != (d->elem_size > INLINE_MOST)) return "desc.elem_size";
    if (d->key_slot != (key_far ? sizeof(void *) : d->key_size)) return "desc.key_slot";
    if (d->elem_slot != (elem_far ? sizeof(void *) : d->elem_size)) return "desc.elem_slot";
    if (d->elem_off != GOMAP_BUCKET_KEYS + GOMAP_BUCKET_SLOTS * d->key_slot) return "desc.elem_off";
    if (d->overflow_off != d->elem_off + GOMAP_BUCKET_SLOTS * d->elem_slot) return "desc.overflow_off";
    if (d->bucket_size != d->overflow_off + sizeof(void *)) return "desc.bucket_size";
    return d->path > PATH_MOST ? "desc.path" : NULL;
}

static char *text_at(struct ms_reader *r, uint64_t addr, size_t max) {
    char *s = NULL;
    if (ms_read_string(r, addr, max, &s) != MS_READ_OK) return ms_strdup("?");
    return s;
}

/* One model type per description and snapshot. */
static const struct ms_type *know_type(struct ms_reader *r, const struct ms_classic_raw *raw,
                                       struct ms_snapshot *out) {
    const struct gomap_classic_desc *d = &raw->d;
    uint64_t addr = (uintptr_t)raw->c.desc, seen = 0;
    for (const struct ms_type *t = out->types; t; t = t->next, seen++) {
        if (t->addr == addr) return t;
        if (seen == TYPES_MOST) return NULL; /* more than places that make maps */
    }
    struct ms_type *t = ms_alloc(sizeof *t);
    t->addr = addr;
    t->key = text_at(r, (uintptr_t)d->key_name, 256);
    t->value = text_at(r, (uintptr_t)d->elem_name, 256);
    if (d->site) t->site = text_at(r, (uintptr_t)d->site, 1024);
    t->name = ms_asprintf("%s->%s", t->key, t->value);
    t->key_size = d->key_size, t->key_align = d->key_align;
    t->value_size = d->elem_size, t->value_align = d->elem_align;
    t->slot_size = t->slot_payload = d->key_slot + d->elem_slot;
    t->slot_align = 8;
    t->flags = d->flags;
    t->next = out->types;
    out->types = t;
    return t;
}

/* ---- checks ------------------------------------------------------------------------------------ */

/* Overflow buckets taken from the pool; UINT64_MAX: next_overflow points to no bucket of it. */
static uint64_t pool_used(const struct ms_classic_raw *raw) {
    const struct gomap_classic *c = &raw->c;
    uint64_t n = ms_classic_buckets(raw), pool = c->array_buckets - n,
             next = (uintptr_t)c->extra.next_overflow;
    if (!next) return pool;
    uint64_t at = next - (uintptr_t)c->h.buckets;
    if (at % raw->d.bucket_size || at / raw->d.bucket_size < n || at / raw->d.bucket_size >= c->array_buckets)
        return UINT64_MAX;
    return at / raw->d.bucket_size - n;
}

/* An array of n buckets: a pool of a sixteenth and what fits a size class, so never twice as many. */
static const char *check_array(uint64_t n, uint64_t all, uint64_t bytes, uint32_t bucket_size) {
    if (all < n || all > 2 * n) return "array_buckets";
    if (bytes < all * bucket_size || bytes - all * bucket_size > 4096) return "array_bytes";
    return NULL;
}

static const char *check(const struct ms_classic_raw *raw) {
    const struct gomap_classic *c = &raw->c;
    const struct gomap_hmap *h = &c->h;
    const char *bad = check_desc(&raw->d);
    if (bad) return bad;
    if (c->size < sizeof *c || c->size > SIZE_MOST) return "size";
    if (h->B > B_MAX) return "B";
    if (h->flags > 15) return "flags";
    if (!h->buckets)
        return h->B || h->count || h->oldbuckets || c->array_bytes || c->overflow_count ? "buckets" : NULL;
    bad = check_array(ms_classic_buckets(raw), c->array_buckets, c->array_bytes, raw->d.bucket_size);
    if (bad) return bad;
    if (pool_used(raw) == UINT64_MAX) return "extra.next_overflow";
    if (c->overflow_count > BIG || c->old_overflow_count > BIG) return "overflow_count";
    if (c->cell_bytes > BIG) return "cell_bytes";
    if (c->held_bytes > BIG) return "held_bytes";
    if (!h->oldbuckets) {
        if (c->old_bytes || c->old_array_buckets || c->old_overflow_count) return "old_bytes";
    } else {
        if (!h->B && !(h->flags & GOMAP_HMAP_SAME_SIZE)) return "B";
        uint64_t n = ms_classic_old_buckets(raw);
        if (check_array(n, c->old_array_buckets, c->old_bytes, raw->d.bucket_size)) return "old_bytes";
        if (h->nevacuate > n) return "nevacuate";
        if (c->old_evacuated > n) return "old_evacuated";
    }
    uint64_t buckets = ms_add(ms_add(c->array_buckets, c->overflow_count),
                              ms_add(c->old_array_buckets, c->old_overflow_count));
    if (h->count < 0 || (uint64_t)h->count > ms_mul(buckets, GOMAP_BUCKET_SLOTS)) return "count";
    return NULL;
}

/* ---- reading ----------------------------------------------------------------------------------- */

bool ms_classic_same(const struct gomap_classic *a, const struct gomap_classic *b) {
    return a->id == b->id && a->cookie == b->cookie && a->desc == b->desc && a->h.B == b->h.B &&
           a->h.buckets == b->h.buckets && a->h.oldbuckets == b->h.oldbuckets &&
           ((a->h.flags ^ b->h.flags) & GOMAP_HMAP_SAME_SIZE) == 0 && a->array_bytes == b->array_bytes &&
           a->old_bytes == b->old_bytes && a->counters.grows == b->counters.grows &&
           a->counters.same_size_grows == b->counters.same_size_grows &&
           a->counters.clears == b->counters.clears;
}

static enum ms_read read_once(struct ms_reader *r, uint64_t addr, struct ms_classic_raw *out, bool *held,
                              const char **bad) {
    struct gomap_classic first;
    *out = (struct ms_classic_raw){.addr = addr};
    *held = false;
    *bad = NULL;
    enum ms_read rc = ms_read(r, addr, &first, sizeof first);
    out->c = first;
    if (rc != MS_READ_OK) return rc;
    if (first.cookie == GOMAP_COOKIE_CLASSIC) {
        rc = ms_read(r, (uintptr_t)first.desc, &out->d, sizeof out->d);
        if (rc == MS_READ_GONE) return rc;
        if (rc != MS_READ_OK) *bad = "desc";
    }
    rc = ms_read(r, addr, &out->c, sizeof out->c);
    if (rc != MS_READ_OK) return rc;
    *held = ms_classic_same(&first, &out->c) && ((first.seq == out->c.seq && (!(first.seq & 1) || r->still)) ||
                                                 (first.seq != out->c.seq && first.h.oldbuckets));
    if (!*bad) *bad = check(out);
    return MS_READ_OK;
}

enum ms_read ms_classic_read(struct ms_reader *r, uint64_t addr, uint64_t id, struct ms_classic_raw *out,
                             enum ms_certainty *certainty, const char **doubt) {
    struct ms_classic_raw sane;
    bool held = false, has_sane = false;
    const char *bad = NULL;
    for (int i = 0; i < TRIES; i++) {
        enum ms_read rc = read_once(r, addr, out, &held, &bad);
        if (rc != MS_READ_OK) return rc;
        if (out->c.cookie != GOMAP_COOKIE_CLASSIC || out->c.id != id) return MS_READ_FAULT;
        if (held && !bad) {
            *certainty = MS_EXACT;
            *doubt = NULL;
            return MS_READ_OK;
        }
        if (!bad) sane = *out, has_sane = true;
        if (!ms_patient(r, i, held, has_sane)) break;
    }
    bool damaged = bad && (held || !has_sane); /* a torn reading contradicts itself too */
    if (bad && !damaged) *out = sane;
    *certainty = damaged ? MS_DAMAGED : MS_CHANGING;
    *doubt = damaged ? bad : "it changed each time it was read";
    return MS_READ_OK;
}

/* ---- figures ----------------------------------------------------------------------------------- */

static uint64_t limit_of(unsigned b) { /* entries a table of 2^b buckets holds before it doubles */
    uint64_t n = 13 * ((UINT64_C(1) << b) / 2);
    return n < GOMAP_BUCKET_SLOTS ? GOMAP_BUCKET_SLOTS : n;
}

/* Bytes of a new array, to a size class of Go's allocator below 32 KiB, to its page above. */
static uint64_t array_estimate(const struct ms_classic_raw *raw, unsigned b) {
    enum { GO_PAGE = 8192, GO_SMALL = 32760 };
    uint64_t n = UINT64_C(1) << b;
    if (b >= 4) n += n >> 4;
    n *= raw->d.bucket_size;
    if (n > GO_SMALL && b >= 4)
        n = (n + GO_PAGE - 1) / GO_PAGE * GO_PAGE / raw->d.bucket_size * raw->d.bucket_size;
    return n + (raw->c.array_bytes - raw->c.array_buckets * raw->d.bucket_size);
}

static void fill_parts(const struct ms_classic_raw *raw, struct ms_map *out) {
    const struct gomap_classic *c = &raw->c;
    const uint64_t size = raw->d.bucket_size, loose = size + sizeof(struct gomap_loose);
    uint64_t n = ms_classic_buckets(raw), payload = raw->d.key_slot + raw->d.elem_slot,
             used = n ? pool_used(raw) : 0;
    uint64_t live = ms_min(out->entries, out->slots);
    memset(out->part, 0, sizeof out->part);
    out->part[MS_PART_HEADER] = c->size;
    out->part[MS_PART_SLOTS_LIVE] = live * payload;
    out->part[MS_PART_SLOTS_EMPTY] = (out->slots - live) * payload;
    out->part[MS_PART_METADATA] = n * (GOMAP_BUCKET_SLOTS + sizeof(void *));
    out->part[MS_PART_PADDING] = c->array_bytes - c->array_buckets * size;
    out->part[MS_PART_OVERFLOW] = ms_add(used * size, ms_mul(c->overflow_count, loose));
    out->part[MS_PART_SLACK] = (n ? c->array_buckets - n - used : 0) * size + c->held_bytes;
    out->part[MS_PART_MOVING] = ms_add(c->old_bytes, ms_mul(c->old_overflow_count, loose));
    out->part[MS_PART_CELLS] = c->cell_bytes;
    out->bytes = ms_map_sum(out);
}

static void fill_growth(const struct ms_classic_raw *raw, struct ms_map *out) {
    const struct gomap_classic *c = &raw->c;
    unsigned fresh = 0, b = c->h.B;
    out->walk = ms_classic_growing(raw) ? MS_WALK_GROW : MS_WALK_NONE;
    out->walk_done = out->walk ? c->old_evacuated : 0;
    out->walk_total = ms_classic_old_buckets(raw);
    while (limit_of(fresh) < out->entries) fresh++;
    out->fresh_bytes = c->size + c->cell_bytes + (out->entries ? array_estimate(raw, fresh) : 0);
    out->grow_at = MS_UNKNOWN;
    out->grow_groups = 0;
    out->grow_bytes = out->grow_peak = MS_UNKNOWN;
    if (!c->h.buckets) return;
    out->grow_at = limit_of(b);
    out->grow_groups = UINT64_C(1) << (b + 1);
    out->grow_bytes = array_estimate(raw, b + 1);
    out->grow_peak = ms_add(out->grow_bytes, c->array_bytes);
}

void ms_classic_fill(const struct ms_classic_raw *raw, struct ms_map *out) {
    const struct gomap_classic *c = &raw->c;
    out->id = c->id;
    out->addr = raw->addr;
    out->kind = MS_KIND_CLASSIC;
    out->layout = !c->h.buckets ? MS_LAYOUT_EMPTY : c->h.B ? MS_LAYOUT_BLOCK : MS_LAYOUT_SMALL;
    out->capacity_small = GOMAP_BUCKET_SLOTS;
    out->entries = (uint64_t)c->h.count;
    out->groups = ms_classic_buckets(raw);
    out->slots = out->groups * GOMAP_BUCKET_SLOTS;
    out->load = out->slots ? (double)out->entries / (double)out->slots : 0;
    out->chained = out->tombstones = MS_UNKNOWN;
    if (!ms_classic_growing(raw) && c->overflow_count == 0 && (!out->groups || pool_used(raw) == 0))
        out->chained = 0;
    out->stashed = 0;
    out->reserved = 0;
    fill_parts(raw, out);
    fill_growth(raw, out);
    out->growths = c->counters.grows + c->counters.same_size_grows;
    out->signs = (c->counters.grows ? MS_SIGN_GREW : 0) | (c->counters.clears ? MS_SIGN_CLEARED : 0);
    out->created_ns = c->created_ns;
}

/* ---- registry ---------------------------------------------------------------------------------- */

static void add_damaged(struct ms_snapshot *out, uint64_t addr, uint64_t id, uint32_t copy,
                        const char *field) {
    struct ms_map *m = ms_snapshot_add(out);
    m->kind = MS_KIND_CLASSIC;
    m->copy = copy;
    m->addr = addr;
    m->id = id;
    m->certainty = MS_DAMAGED;
    m->doubt = ms_asprintf("field %s cannot be right", field);
    out->uncertain = true;
    ms_snapshot_note(out, "map %u.%u at 0x%llx: field %s cannot be right: its figures are not shown",
                     (unsigned)(id & UINT32_MAX), (unsigned)(id >> 32), (unsigned long long)addr, field);
}

/* No map there: freed a moment ago, which the registry soon says, or damage? */
static enum ms_read report_no_map(struct ms_reader *r, uint64_t addr, uint64_t id, uint64_t entry,
                                  uint32_t copy, struct ms_snapshot *out) {
    struct gomap_chunk_entry e;
    uint32_t cookie = UINT32_MAX;
    for (int i = 0; i < 3; i++) { /* an entry is cleared before its map's memory is given away */
        enum ms_read rc = ms_read(r, addr + offsetof(struct gomap_classic, cookie), &cookie, sizeof cookie);
        if (rc == MS_READ_GONE) return rc;
        if (rc == MS_READ_OK && cookie == 0) return MS_READ_OK;
        rc = ms_read(r, entry, &e, sizeof e);
        if (rc == MS_READ_GONE) return rc;
        if (rc != MS_READ_OK || (uintptr_t)e.map != addr || e.gen != id >> 32) return MS_READ_OK;
    }
    add_damaged(out, addr, id, copy, cookie == GOMAP_COOKIE_CLASSIC ? "id" : "cookie");
    return MS_READ_OK;
}

enum ms_read ms_classic_load(struct ms_reader *r, uint64_t addr, uint64_t id, uint64_t entry, uint32_t copy,
                             struct ms_snapshot *out) {
    struct ms_classic_raw raw;
    enum ms_certainty sure = MS_DAMAGED;
    const char *doubt = NULL;
    enum ms_read rc = ms_classic_read(r, addr, id, &raw, &sure, &doubt);
    if (rc == MS_READ_GONE) return rc;
    if (rc == MS_READ_FAULT) return report_no_map(r, addr, id, entry, copy, out);
    const struct ms_type *type = sure == MS_DAMAGED ? NULL : know_type(r, &raw, out);
    if (!type) {
        add_damaged(out, addr, id, copy,
                    sure == MS_DAMAGED ? doubt : "desc (more types than any program has)");
        return MS_READ_OK;
    }
    char *name = raw.c.name ? text_at(r, (uintptr_t)raw.c.name, 1024) : NULL;
    struct ms_map *m = ms_snapshot_add(out);
    m->copy = copy;
    m->type = type;
    m->site = type->site;
    m->name = name;
    m->certainty = (uint8_t)sure;
    ms_classic_fill(&raw, m);
    if (sure == MS_EXACT) return MS_READ_OK;
    out->uncertain = true;
    m->doubt = ms_strdup(doubt);
    return MS_READ_OK;
}
