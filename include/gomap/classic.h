/* gomap/classic.h - Go's own map, as it was up to Go 1.23, slot for slot in C.
 *
 *     gomap_classic *m;
 *     gomap_classic_config c = GOMAP_CLASSIC_CONFIG(sizeof(uint64_t), sizeof(double));
 *     if (gomap_classic_new(&c, &m)) ...out of memory...
 *     if (gomap_classic_put(m, &key, &value)) ...out of memory, m is as it was...
 *     double *v = gomap_classic_get(m, &key); // NULL: absent
 *     gomap_classic_iter it;
 *     for (gomap_classic_iter_init(&it, m); gomap_classic_iter_next(&it);) use(it.key, it.elem);
 *     gomap_classic_free(m);
 *
 * What this is for: the map whose behaviour so many articles, bug reports and memory profiles describe, to be
 * measured and looked into.  It has Go's header, buckets, constants, growth, evacuation and iteration; a test
 * holds every byte of its tables against real Go.  For a program's own data gomap.h is the better map.
 *
 * What differs from Go, because C has no collector:
 *   Lifetime   An iterator pins the bucket arrays it walks; an old array lives while an iterator needs it and
 *              not longer.  An iteration that is left early needs gomap_classic_iter_end.
 *   Ownership  The map holds keys and elems as bytes.  What they point to (string bytes, too) is the caller's
 *              and must outlive the entry, and every iterator that was running when the entry was deleted.
 *   Memory     Running out of it is an error, never an abort.  A growth that gets no memory waits for a
 *              later insert.
 *
 * Rules that hold for every function:
 *   Pointers   A pointer to a key or an elem is valid until the next write to the map.  Elems of more than
 *              128 bytes live in a cell of their own and stay until their entry is deleted or the map
 *              cleared.
 *   Threads    One writer per map, or any number of readers and iterators while nobody writes.  As in Go,
 *              breaking this is noticed as well as one flag allows, and ends in the fatal hook
 *              (gomap_set_fatal) with Go's own words: "concurrent map writes", "concurrent map read and map
 *              write", "concurrent map iteration and map write", "concurrent map clone and map write".  If
 *              the hook returns, the call does nothing.  One thread may write to a map while it iterates.
 *              A child made by fork must not use maps that another thread was iterating over.
 *   Errors     As in gomap.h: when a call does not return GOMAP_OK the map holds what it held before.
 *   NULL       A NULL map reads as an empty one, like Go's nil map; writing to it is misuse ("assignment to
 *              entry in nil map"), deleting from it and clearing it do nothing.
 *   Cost       get, put and delete are O(1) in the mean and touch a chain of buckets of 8; a write to a
 *              growing map moves at most two old chains beside.  Starting a growth allocates (and zeroes) a
 *              whole array. A map never shrinks.
 */
#ifndef GOMAP_CLASSIC_H
#define GOMAP_CLASSIC_H

#include "gomap/gomap.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gomap_classic
    gomap_classic; /* its first 48 bytes are Go's header: struct gomap_hmap in inspect.h */

/* How keys are hashed and compared, and what Go's compiler would say of their type. */
typedef enum gomap_classic_keys {
    GOMAP_CLASSIC_MEMORY = 0, /* key_size bytes: integers, arrays of them, structs without padding */
    GOMAP_CLASSIC_STRING = 1, /* gomap_str; the bytes stay the caller's; key_size is not looked at */
    GOMAP_CLASSIC_FLOAT =
        2, /* float or double, by key_size: +0 equals -0, a NaN equals nothing, itself included */
    GOMAP_CLASSIC_CUSTOM = 3, /* hash and eq are given; flags say the rest */
} gomap_classic_keys;

/* Facts about a type that Go's compiler knows and C's does not.  They change what lies in the slots. */
enum {
    GOMAP_CLASSIC_KEY_POINTERS =
        1 << 0, /* the key holds pointers: cleared on delete (strings have it by themselves) */
    GOMAP_CLASSIC_ELEM_POINTERS = 1 << 1, /* the elem holds pointers */
    GOMAP_CLASSIC_NOT_REFLEXIVE = 1 << 2, /* CUSTOM: there are keys that do not equal themselves */
    GOMAP_CLASSIC_KEY_UPDATE =
        1 << 3, /* CUSTOM: equal keys may differ in bytes: overwriting replaces the key */
    GOMAP_CLASSIC_HASH_FIRST =
        1 << 4, /* CUSTOM: hash is called even where the answer is known (Go: it may panic) */
    GOMAP_CLASSIC_GENERIC_PATH = 1 << 5, /* take the generic code even where Go has a fast variant */
};

/* Which code a map runs, chosen when it is made as Go's compiler would: see gomap_classic_stats. */
enum {
    GOMAP_CLASSIC_PATH_GENERIC = 0,
    GOMAP_CLASSIC_PATH_FAST32 = 1,  /* keys of 4 bytes without pointers, elems up to 128 bytes */
    GOMAP_CLASSIC_PATH_FAST64 = 2,  /* keys of 8 bytes */
    GOMAP_CLASSIC_PATH_FASTSTR = 3, /* strings */
};

/* A pointer that the map stores where Go would run its write barrier: `what` of the pointer_store hook. */
enum {
    GOMAP_CLASSIC_STORE_BUCKETS = 0,  /* header: buckets, oldbuckets, extra */
    GOMAP_CLASSIC_STORE_OVERFLOW = 1, /* a bucket's overflow word; the pool and lists of the extra record */
    GOMAP_CLASSIC_STORE_KEY = 2,      /* a key with pointers, or the pointer to a key's cell */
    GOMAP_CLASSIC_STORE_ELEM = 3,     /* the same of an elem, as far as the map writes it */
};

/* Called at the map's turning points; each may be NULL.  They must not use the map. */
typedef struct gomap_classic_hooks {
    /* A growth began: b buckets bits before and after (equal: same-size), bytes of the new array. */
    void (*grow_start)(const gomap_classic *map, unsigned b_before, unsigned b_after, size_t bytes,
                       void *ctx);
    /* The last old bucket went; the old array is free, or held by iterators. */
    void (*grow_done)(const gomap_classic *map, unsigned b, void *ctx);
    /* An old bucket was evacuated: its number, the entries of its chain, how many of them went to the upper
     * half. */
    void (*evacuate)(const gomap_classic *map, size_t old_bucket, size_t entries, size_t upper, void *ctx);
    /* `count` pointers were stored; what: GOMAP_CLASSIC_STORE_*. */
    void (*pointer_store)(const gomap_classic *map, int what, size_t count, void *ctx);
    void *ctx; /* for all of them */
    /* Go's mapassign found the slot of a key, or made it (is_new: zeros); elem as it is before the caller writes it.  Not
     * called by an assign that fails. */
    void (*assign)(const gomap_classic *map, const void *key, void *elem, bool is_new, void *ctx);
    /* Go's mapdelete found an entry, which is about to go. */
    void (*erase)(const gomap_classic *map, const void *key, void *elem, void *ctx);
    /* Go's mapclear took all entries, so many. */
    void (*clear)(const gomap_classic *map, size_t entries, void *ctx);
} gomap_classic_hooks;

/* What a map is.  Start from GOMAP_CLASSIC_CONFIG, set what differs.  Strings, hooks and the allocator struct
 * are copied; functions and contexts must outlive the map. */
typedef struct gomap_classic_config {
    size_t size; /* sizeof(gomap_classic_config), as the caller was compiled */
    gomap_classic_keys keys;
    unsigned flags;               /* GOMAP_CLASSIC_* facts */
    size_t key_size, elem_size;   /* 0..65536 bytes; above 128 they live in cells of their own */
    size_t key_align, elem_align; /* 1, 2, 4 or 8, dividing the size; 0: a fitting one */
    int64_t hint; /* entries to make room for, as make(map[K]V, hint); negative or absurd: 0 */
    const char *key_type, *elem_type; /* C names for people; NULL: made from the sizes */
    const char *name;                 /* NULL: shown as type@site */
    const char *site;                 /* "file:line"; NULL: not known */
    /* CUSTOM: any function of key and seed; equal keys must hash equal.  The low bits choose the bucket, the
     * highest eight the tophash.  With KEYS other than CUSTOM: replaces the built-in hash (NULL: built in,
     * keyed per process and map). */
    uint64_t (*hash)(const void *key, uint32_t seed, void *ctx);
    int (*eq)(const void *a, const void *b, void *ctx); /* CUSTOM: nonzero if equal */
    /* Where hash seeds, start points of iterations and the sampling of noverflow come from; NULL: the system. */
    uint64_t (*random)(void *ctx);
    void *ctx;                /* for the three functions above */
    const gomap_alloc *alloc; /* NULL: malloc, and mmap for large arrays */
    gomap_classic_hooks hooks;
} gomap_classic_config;

#ifdef __cplusplus
static inline gomap_classic_config gomap_classic_config_make(gomap_classic_keys k, size_t ks, size_t es,
                                                             const char *site) {
    gomap_classic_config c = gomap_classic_config();
    c.size = sizeof c, c.keys = k, c.key_size = ks, c.elem_size = es, c.site = site;
    return c;
}
#define GOMAP_CLASSIC_CONFIG(ks, es)    gomap_classic_config_make(GOMAP_CLASSIC_MEMORY, (ks), (es), GOMAP_SITE)
#define GOMAP_CLASSIC_CONFIG_STRING(es) gomap_classic_config_make(GOMAP_CLASSIC_STRING, 0, (es), GOMAP_SITE)
#else
/* A map of keys and elems of so many bytes, without pointers; remembers the line it was made at. */
#define GOMAP_CLASSIC_CONFIG(ks, es)                                                                         \
    ((gomap_classic_config){                                                                                 \
        .size = sizeof(gomap_classic_config), .key_size = (ks), .elem_size = (es), .site = GOMAP_SITE})
/* A map of gomap_str to elems of so many bytes. */
#define GOMAP_CLASSIC_CONFIG_STRING(es)                                                                      \
    ((gomap_classic_config){.size = sizeof(gomap_classic_config),                                            \
                            .keys = GOMAP_CLASSIC_STRING,                                                    \
                            .elem_size = (es),                                                               \
                            .site = GOMAP_SITE})
#endif

/* Make a map: its header, and, as in Go, no bucket before the first insert unless hint is above 8.
 * GOMAP_EINVAL: sizes or alignments no map can have, CUSTOM without both functions, a config from another
 * version.  Thread-safe. */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_classic_new(const gomap_classic_config *config, gomap_classic **out);

/* Free a map and all it holds, the arrays of iterators that were never ended included; NULL is fine.
 * O(bytes), and O(n) for keys and elems in cells.  Thread-safe against other maps. */
GOMAP_API void gomap_classic_free(gomap_classic *map);

/* Number of entries; 0 for NULL. */
GOMAP_API size_t gomap_classic_len(const gomap_classic *map);

/* The elem of key, or NULL if absent (Go returns a shared zero).  Never moves an entry. */
GOMAP_API void *gomap_classic_get(const gomap_classic *map, const void *key);
/* The same, and the key as it is stored; false if absent.  Takes the generic path. */
GOMAP_API bool gomap_classic_find(const gomap_classic *map, const void *key, const void **stored,
                                  void **elem);
/* Go's fast lookups, for maps of that path only (others: misuse).  Keys of 4 and 8 bytes are compared before
 * tophash is looked at; strings in a map of one bucket are compared without hashing. */
GOMAP_API void *gomap_classic_get32(const gomap_classic *map, uint32_t key);
GOMAP_API void *gomap_classic_get64(const gomap_classic *map, uint64_t key);
GOMAP_API void *gomap_classic_get_str(const gomap_classic *map, const char *ptr, size_t len);

/* Go's assign: the slot of key's elem, made (zeros) if absent; *is_new (may be NULL) tells.  Write the elem
 * there at once. */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_classic_assign(gomap_classic *map, const void *key, void **elem,
                                                        bool *is_new);
/* Make elem the elem of key: assign and copy.  elem NULL: zeros.  Arguments may point into the map. */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_classic_put(gomap_classic *map, const void *key, const void *elem);

/* Delete key; true if it was there.  Frees no bucket; never fails: if the evacuation due has no memory, it
 * waits. */
GOMAP_API bool gomap_classic_delete(gomap_classic *map, const void *key);

/* Delete all entries, keep the array; a new hash seed.  Does nothing to an empty map, as in Go: chains stay.
 * O(table). */
GOMAP_API void gomap_classic_clear(gomap_classic *map);

/* A copy as maps.Clone makes it: same type and hash seed, bucket by bucket, cells copied.  No name, and no
 * hooks. */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_classic_clone(const gomap_classic *map, gomap_classic **out);

/* Copy all keys (elems) into an array of `room` of them, in the order of Go's maps.Keys (maps.Values) up to
 * 1.22: returns how many there were room for.  O(table). */
GOMAP_API size_t gomap_classic_keys_of(const gomap_classic *map, void *keys, size_t room);
GOMAP_API size_t gomap_classic_elems_of(const gomap_classic *map, void *elems, size_t room);

/* Iteration: Go's, from a random bucket and a random slot.  An entry present from start to end is returned
 * exactly once, a deleted one not after its deletion, an updated one with its newest elem, an added one at most
 * once (but for two rare slips of Go's own: lib/classic/range.c).  The first 96 bytes are Go's hiter; the two
 * words that keep overflow buckets alive for Go's collector hold the pins here.  Several iterators, of several
 * threads, may run at once.  iter_next allocates nothing. */
typedef struct gomap_classic_iter {
    const void *key; /* NULL: at the end */
    void *elem;
    const void *desc;
    gomap_classic *map;
    void *buckets;   /* the array at the start */
    void *bucket_at; /* the bucket it is in */
    void *pin;       /* holds `buckets` */
    void *pin_at;    /* holds the array of bucket_at, if that is another one */
    size_t start_bucket;
    uint8_t offset, wrapped, B, i;
    size_t bucket, check_bucket;
} gomap_classic_iter;
GOMAP_API void gomap_classic_iter_init(gomap_classic_iter *it, const gomap_classic *map);
/* The next entry in it->key and it->elem; false at the end, which also ends the iterator. */
GOMAP_API bool gomap_classic_iter_next(gomap_classic_iter *it);
/* Let go of what the iterator holds.  Twice, or after the end, is fine; not after gomap_classic_free. */
GOMAP_API void gomap_classic_iter_end(gomap_classic_iter *it);

/* What a map holds now; bytes unless said otherwise.  bytes = the sum of all bytes_* = what was allocated. */
typedef struct gomap_classic_stats {
    size_t size;             /* in: sizeof(gomap_classic_stats) */
    uint64_t entries, slots; /* slots of the main buckets: 8 << B */
    double load;             /* entries per bucket: Go's load factor, growth at 6.5 */
    unsigned B, path;        /* path: GOMAP_CLASSIC_PATH_* */
    uint32_t hash0;
    uint16_t noverflow;     /* as in the header */
    bool noverflow_sampled; /* from B = 16 on it is a sample */
    bool growing, same_size;
    uint64_t old_evacuated;          /* growth: old buckets that are done */
    uint64_t nevacuate, old_buckets; /* growth: old buckets below nevacuate are done, of how many */
    uint64_t grow_at;                /* the insert that leaves so many entries doubles the table */
    uint64_t pool, pool_used;        /* preallocated overflow buckets of the array, and those taken */
    uint64_t overflow, old_overflow; /* overflow buckets allocated one by one: of the array, of the old one */
    uint64_t held_arrays;            /* arrays that only iterators hold */
    uint64_t bytes;
    uint64_t bytes_header; /* this map's record; Go's header is 48 bytes of it, its extra record 24 */
    uint64_t bytes_slots_live, bytes_slots_empty; /* of the main buckets */
    uint64_t bytes_metadata;                      /* their tophash bytes and overflow words */
    uint64_t bytes_overflow;                      /* overflow buckets in use, of the pool and allocated */
    uint64_t bytes_pool;                          /* overflow buckets of the pool not yet used */
    uint64_t bytes_old;                           /* the old array while growing, with its overflow buckets */
    uint64_t bytes_cells;                         /* keys and elems above 128 bytes */
    uint64_t bytes_held;     /* held for iterators only, or set aside for an evacuation */
    uint64_t bytes_overhead; /* what this library adds to an array and to single blocks */
    uint64_t grows, same_size_grows, grow_failed, evacuated, moved, overflows, clears, reseeds;
} gomap_classic_stats;
GOMAP_API GOMAP_MUST_USE gomap_err gomap_classic_get_stats(const gomap_classic *map,
                                                           gomap_classic_stats *out);

/* One bucket, as it lies in memory. */
typedef struct gomap_classic_bucket {
    bool old;     /* of the old array of a growth */
    size_t index; /* of its chain */
    size_t depth; /* 0: in the array; n: the n-th overflow bucket */
    size_t pool;  /* its place in the array's pool; SIZE_MAX: none */
    const uint8_t *tophash;
    const void *keys, *elems; /* 8 slots each; key_slot and elem_slot bytes apart; cells: pointers */
    const void *overflow;
    size_t key_slot, elem_slot;
} gomap_classic_bucket;
/* Call fn for every bucket in use, chain by chain, the old array first; fn returns false to stop.  O(table). */
GOMAP_API void gomap_classic_visit(const gomap_classic *map,
                                   bool (*fn)(const gomap_classic_bucket *bucket, void *ctx), void *ctx);

/* How many chains have 0, 1, 2, ... overflow buckets: length[i], the last also counting longer ones; chains
 * of old buckets that are evacuated do not count.  Returns the longest. */
GOMAP_API size_t gomap_classic_chains(const gomap_classic *map, uint64_t *length, size_t n);

/* Name a map for people and tools (copied; NULL: none). */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_classic_set_name(gomap_classic *map, const char *name);
/* "name", or "key_type->elem_type@site"; snprintf rules. */
GOMAP_API int gomap_classic_describe(const gomap_classic *map, char *buf, size_t len);

/* Walk the whole table and check every invariant (C1..C9, lib/classic/report.c).  0: all hold; else the
 * number of the first broken one, with a line in why (may be NULL). */
GOMAP_API int gomap_classic_verify(const gomap_classic *map, char *why, size_t why_len);

/* ---- Go's constants, as functions, for programs that compute with them ----------------------------------- */

/* Bytes of a bucket of so large keys and elems; beyond 128 bytes each counts as a pointer. */
GOMAP_API size_t gomap_classic_bucket_bytes(size_t key_size, size_t elem_size);
/* The B that a hint gets; the entries whose insert makes a table of 1 << B buckets double. */
GOMAP_API unsigned gomap_classic_hint_b(uint64_t hint);
GOMAP_API uint64_t gomap_classic_grow_at(unsigned b);
/* Buckets of an array for B, preallocated overflow buckets included: what Go's allocator would have given
 * anyway. */
GOMAP_API size_t gomap_classic_array_buckets(unsigned b, size_t bucket_bytes, bool pointers);

#ifdef __cplusplus
}
#endif
#endif
