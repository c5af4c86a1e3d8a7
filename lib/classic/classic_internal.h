/* lib/classic/classic_internal.h - what the files of the classic map share, grouped by the file that defines
 * it. */
#ifndef GOMAP_CLASSIC_INTERNAL_H
#define GOMAP_CLASSIC_INTERNAL_H

#include "../internal.h"

#include "gomap/classic.h"

#include <pthread.h>

#pragma GCC visibility push(hidden)

/* Go's constants (go-1.23 runtime and compiler). */
enum {
    SLOTS = GOMAP_BUCKET_SLOTS,
    INDIRECT_ABOVE = 128, /* bytes of a key or elem that still lies in the bucket */
    LOAD_NUM = 13,        /* load factor 13/2 */
    LOAD_DEN = 2,
    POOL_FROM_B = 4,     /* smaller arrays have no preallocated overflow buckets */
    SAMPLED_FROM_B = 16, /* noverflow counts every overflow bucket below */
    MARK_SKIP = 1024,    /* evacuated old buckets that one write may step over */
    B_MAX = 40,          /* beyond lies no machine's memory */
};
#define NO_CHECK SIZE_MAX

/* ---- arrays.c ---------------------------------------------------------------------------------------- */

/* An array of buckets and what lives and dies with it.  All arrays of a map are in one list, newest first:
 * the current one, the old one of a growth, then those that only iterators hold. */
struct array {
    struct array *older;
    uint8_t *buckets;
    uint64_t n;                       /* buckets, the pool of overflow buckets included */
    uint64_t bytes;                   /* of the allocation, this record included */
    uint64_t pins;                    /* iterators that hold it */
    bool owned;                       /* the map's current or old array */
    struct gomap_loose_list overflow; /* overflow buckets beside the pool */
    struct gomap_loose_list limbo;    /* gone from the map; iterators on this array may still look at them */
};

struct classic {
    struct gomap_classic pub; /* first: the handle points here */
    struct array *cur, *old;  /* of h.buckets, h.oldbuckets; NULL: none */
    struct array *arrays;
    struct gomap_loose_list spare; /* overflow buckets secured for an evacuation */
    pthread_mutex_t lock; /* of pins and the list of arrays: iterators of several threads end as they like */
    gomap_classic_hooks hooks;
    uint64_t (*random)(void *ctx);
    void *ctx;
    gomap_alloc alloc; /* alloc NULL: malloc and mmap */
    char *name_own;
    uint64_t pile;  /* bytes when last observed (gomap/observe.h) */
    uint64_t since; /* when the growth under way began; 0: nobody asked */
};

static inline struct classic *classic(const gomap_classic *m) { return (struct classic *)(uintptr_t)m; }
static inline const gomap_alloc *gomap__classic_alloc(const struct classic *m) {
    return m->alloc.alloc ? &m->alloc : NULL;
}

struct array *gomap__array_make(struct classic *m, unsigned b);
void gomap__array_start(struct classic *m, struct array *a, unsigned b);
void gomap__array_disown(struct classic *m, struct array *a);
void gomap__array_empty(struct classic *m, unsigned b);
void gomap__arrays_free(struct classic *m);
void gomap__pin(struct classic *m, struct array *a);
void gomap__unpin(struct classic *m, struct array *a);
uint8_t *gomap__cell_make(struct classic *m, size_t size);
void gomap__cell_drop(struct classic *m, void *cell);
void gomap__loose_free(struct classic *m, struct gomap_loose_list *list);
bool gomap__overflow_secure(struct classic *m, uint64_t n);
uint8_t *gomap__overflow_link(struct classic *m, uint8_t *last);
uint64_t gomap__pool_left(const struct classic *m);
void gomap__publish(struct classic *m);
void gomap__classic_repile(struct classic *m);
/* After what changes a map's bytes. */
static inline void repiled(struct classic *m) {
    if (gomap__observed()) gomap__classic_repile(m);
}

/* ---- layout.c ---------------------------------------------------------------------------------------- */

gomap_err gomap__classic_describe(const gomap_classic_config *c, const struct gomap_classic_desc **out);

static inline bool gomap__overload(uint64_t n, unsigned b) {
    return n > SLOTS && n > LOAD_NUM * ((UINT64_C(1) << b) / LOAD_DEN);
}
static inline bool gomap__too_many_overflows(uint16_t noverflow, unsigned b) {
    return noverflow >= 1u << (b < 15 ? b : 15);
}

/* ---- keys.c ------------------------------------------------------------------------------------------ */

bool gomap__classic_hash_init(void);
uint64_t gomap__classic_hash(const struct classic *m, const void *key);
bool gomap__classic_eq(const struct classic *m, const void *a, const void *b);

static inline uint64_t gomap__classic_random(const struct classic *m) {
    return m->random ? m->random(m->ctx) : gomap__iter_seed();
}

/* ---- buckets ----------------------------------------------------------------------------------------- */

static inline uint8_t *bucket_at(const struct gomap_classic_desc *d, uint8_t *buckets, uint64_t i) {
    return buckets + i * d->bucket_size;
}
static inline uint8_t **overflow_of(const struct gomap_classic_desc *d, const uint8_t *b) {
    return (uint8_t **)(void *)((uintptr_t)b + d->overflow_off);
}
static inline uint8_t *key_slot(const struct gomap_classic_desc *d, const uint8_t *b, unsigned i) {
    return (uint8_t *)(uintptr_t)b + GOMAP_BUCKET_KEYS + (size_t)i * d->key_slot;
}
static inline uint8_t *elem_slot(const struct gomap_classic_desc *d, const uint8_t *b, unsigned i) {
    return (uint8_t *)(uintptr_t)b + d->elem_off + (size_t)i * d->elem_slot;
}
static inline uint8_t *through(bool indirect, uint8_t *slot) {
    return indirect ? *(uint8_t **)(void *)slot : slot;
}
static inline uint8_t *key_of(const struct gomap_classic_desc *d, const uint8_t *b, unsigned i) {
    return through(d->flags & GOMAP_CF_KEY_INDIRECT, key_slot(d, b, i));
}
static inline uint8_t *elem_of(const struct gomap_classic_desc *d, const uint8_t *b, unsigned i) {
    return through(d->flags & GOMAP_CF_ELEM_INDIRECT, elem_slot(d, b, i));
}
static inline bool is_empty(uint8_t top) { return top <= GOMAP_TOP_EMPTY_ONE; }
static inline bool is_evacuated(const uint8_t *b) {
    return b[0] > GOMAP_TOP_EMPTY_ONE && b[0] < GOMAP_TOP_MIN;
}
static inline uint8_t tophash(uint64_t hash) {
    uint8_t top = (uint8_t)(hash >> 56);
    return (uint8_t)(top < GOMAP_TOP_MIN ? top + GOMAP_TOP_MIN : top);
}
static inline uint64_t bucket_mask(unsigned b) { return (UINT64_C(1) << b) - 1; }

/* ---- evacuate.c -------------------------------------------------------------------------------------- */

bool gomap__hash_grow(struct classic *m);
bool gomap__grow_work(struct classic *m, uint64_t bucket);

static inline bool is_growing(const struct classic *m) { return m->pub.h.oldbuckets != NULL; }
static inline bool is_same_size(const struct classic *m) {
    return __atomic_load_n(&m->pub.h.flags, __ATOMIC_RELAXED) & GOMAP_HMAP_SAME_SIZE;
}
static inline uint64_t old_buckets(const struct classic *m) {
    return UINT64_C(1) << (m->pub.h.B - !is_same_size(m));
}
/* The chain that holds, or would hold, entries of this hash, as a reader sees it. */
static inline uint8_t *chain_of(const struct classic *m, uint64_t hash) {
    const struct gomap_classic_desc *d = m->pub.desc;
    if (GOMAP__UNLIKELY(is_growing(m))) {
        uint8_t *b = bucket_at(d, m->pub.h.oldbuckets, hash & (old_buckets(m) - 1));
        if (!is_evacuated(b)) return b;
    }
    return bucket_at(d, m->pub.h.buckets, hash & bucket_mask(m->pub.h.B));
}

/* ---- entry.c ----------------------------------------------------------------------------------------- */

bool gomap__classic_lookup(const struct classic *m, const void *key, uint8_t **stored, uint8_t **elem);
gomap_err gomap__classic_assign(struct classic *m, const void *key, uint8_t **elem, bool *is_new);

/* ---- whole.c: making, freeing, misuse ---------------------------------------------------------------- */

bool gomap__classic_misuse(const struct classic *m, const char *what); /* returns false */
bool gomap__classic_dead(const struct classic *m, const char *op);     /* returns false */
static inline bool gomap__classic_alive(const struct classic *m, const char *op) {
    if (GOMAP__LIKELY(__atomic_load_n(&m->pub.cookie, __ATOMIC_RELAXED) == GOMAP_COOKIE_CLASSIC)) return true;
    return gomap__classic_dead(m, op);
}

/* The one flag by which concurrent use is noticed.  Plain loads and stores, as Go's: a read-modify-write
 * would cost every write a bus lock. */
static inline uint8_t flags_of(const struct classic *m) {
    return __atomic_load_n(&m->pub.h.flags, __ATOMIC_RELAXED);
}
static inline void set_flags(struct classic *m, unsigned flags) {
    __atomic_store_n(&m->pub.h.flags, (uint8_t)flags, __ATOMIC_RELAXED);
}
static inline bool is_writing(const struct classic *m) { return flags_of(m) & GOMAP_HMAP_WRITING; }
static inline void write_mark(struct classic *m) { set_flags(m, flags_of(m) ^ GOMAP_HMAP_WRITING); }
static inline bool write_done(struct classic *m) {
    if (GOMAP__UNLIKELY(!is_writing(m))) return gomap__classic_misuse(m, "concurrent map writes");
    set_flags(m, flags_of(m) & ~(unsigned)GOMAP_HMAP_WRITING);
    return true;
}
static inline void set_count(struct classic *m, intptr_t n) {
    __atomic_store_n(&m->pub.h.count, n, __ATOMIC_RELAXED);
}
/* Something that began at `since` has ended (observe.h: policy.times). */
static inline void took(const struct classic *m, int what, uint64_t since) {
    if (GOMAP_OBSERVE && GOMAP__UNLIKELY(since)) gomap__took_of(m->pub.id, (uint64_t)m->pub.h.count, NULL, what, since);
}
/* Geometry changes happen between these two (inspect.h). */
static inline void seq_begin(struct classic *m) {
    __atomic_store_n(&m->pub.seq, m->pub.seq + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}
static inline void seq_end(struct classic *m) {
    __atomic_store_n(&m->pub.seq, m->pub.seq + 1, __ATOMIC_RELEASE);
}
/* Where Go would run its write barrier. */
static inline void stored(const struct classic *m, int what, size_t n) {
    if (GOMAP__UNLIKELY(m->hooks.pointer_store != NULL))
        m->hooks.pointer_store(&m->pub, what, n, m->hooks.ctx);
}
static inline void stored_key(const struct classic *m) {
    if (m->pub.desc->flags & (GOMAP_CF_KEY_INDIRECT | GOMAP_CF_KEY_POINTERS))
        stored(m, GOMAP_CLASSIC_STORE_KEY, 1);
}
static inline void stored_elem(const struct classic *m) {
    if (m->pub.desc->flags & (GOMAP_CF_ELEM_INDIRECT | GOMAP_CF_ELEM_POINTERS))
        stored(m, GOMAP_CLASSIC_STORE_ELEM, 1);
}

#pragma GCC visibility pop
#endif
