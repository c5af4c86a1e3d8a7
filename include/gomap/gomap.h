/* gomap/gomap.h - a hash map with Go's semantics on a table that grows in place.
 *
 *     gomap *m;
 *     gomap_config c = GOMAP_CONFIG(sizeof(uint64_t), sizeof(double));
 *     if (gomap_new(&c, &m)) ...out of memory...
 *     if (gomap_put(m, &key, &value)) ...out of memory, m is as it was...
 *     double *v = gomap_get(m, &key);          // NULL: absent
 *     gomap_iter it;
 *     for (gomap_iter_init(&it, m); gomap_iter_next(&it);) use(it.key, it.value);
 *     gomap_free(m);
 *
 * For maps of one C type, typed.h gives the same maps with inlined, type-checked functions.
 *
 * Rules that hold for every function:
 *   Pointers   A pointer to a key or a value inside a map is valid until the next write to that map:
 *              put, update, delete, reserve, shrink, clear, work, of whatever key.  Reads and
 *              iteration never end it.  Values of maps with GOMAP_VALUES_STABLE stay where they are
 *              until their entry is deleted.  Arguments may point into the map itself.
 *   Threads    One writer per map, or any number of readers while nobody writes: reads write
 *              nothing.  Different maps are independent; making and freeing maps is thread-safe.
 *              Breaking this is detected as well as it can be cheaply and ends in the fatal hook.
 *   Errors     Every call that can fail returns gomap_err.  When it is not GOMAP_OK the map is
 *              exactly as it was.  Nothing ever aborts for want of memory.
 *   NULL       Other pointers may be NULL only where it says so.  A NULL map reads as an empty one; writing to it is misuse (GOMAP_EMISUSE after the
 *              fatal hook, if that returns).
 *   Cost       get, put and delete are O(1); one write moves at most 128 entries of a growing or
 *              shrinking table, whatever the keys, and hands at most 64 KiB back to the system, by
 *              one memory call; one that begins a growth makes three.  A few times in a map's life
 *              there are more: five when it gets a range of address space, about nine, which move
 *              page tables, each time it has outgrown one 64-fold, one for all that is left of a small
 *              one when it leaves it; under mlockall() twice as many.  What costs O(n) says so.
 */
#ifndef GOMAP_GOMAP_H
#define GOMAP_GOMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GOMAP_VERSION     "0.1.0"
#define GOMAP_VERSION_HEX 0x000100

#if defined(__GNUC__)
#define GOMAP_API      __attribute__((visibility("default")))
#define GOMAP_MUST_USE __attribute__((warn_unused_result))
#else
#define GOMAP_API
#define GOMAP_MUST_USE
#endif

typedef enum gomap_err {
    GOMAP_OK = 0,
    GOMAP_ENOMEM = 1,  /* no memory, or no address space; the map is as it was */
    GOMAP_EINVAL = 2,  /* an argument no map can have: sizes, alignments, hints that overflow, bad names */
    GOMAP_EMISUSE = 3, /* the fatal hook was called and returned; the call did nothing */
    GOMAP_ENOENT = 4,  /* gomap_ctl: no such name; pop_any, random: the map is empty */
} gomap_err;

/* One line, without newline, for an error; never NULL; constant. */
GOMAP_API const char *gomap_strerror(gomap_err err);

typedef struct gomap gomap;

/* A byte string: what maps with string keys take and give as `key`.  Not NUL terminated (copies that a
 * map owns are, behind len).  len is at most UINT32_MAX. */
typedef struct gomap_str {
    const char *ptr;
    size_t len;
} gomap_str;

/* Where memory comes from.  alloc returns `size` bytes aligned to `align` (a power of two) or NULL;
 * free gets the size and alignment back.  Both may be called from any call that writes.  A map with an allocator
 * of its own never reserves address space: its tables grow by moving step by step into a new block. */
typedef struct gomap_alloc {
    void *(*alloc)(size_t size, size_t align, void *ctx);
    void (*free)(void *ptr, size_t size, size_t align, void *ctx);
    void *ctx;
} gomap_alloc;

typedef enum gomap_keys {
    GOMAP_KEYS_FIXED = 0,  /* key_size bytes, compared as bytes unless eq is given */
    GOMAP_KEYS_STRING = 1, /* gomap_str; the map keeps a copy of its own */
    GOMAP_KEYS_BORROWED =
        2, /* gomap_str; the map keeps the pointer: the bytes must outlive the entry unchanged */
} gomap_keys;

typedef enum gomap_values {
    GOMAP_VALUES_AUTO = 0,   /* in the table up to 128 bytes, else stable */
    GOMAP_VALUES_INLINE = 1, /* in the table */
    GOMAP_VALUES_STABLE = 2, /* in a pool of the map's own; never move until deleted */
} gomap_values;

typedef enum gomap_hashing {
    GOMAP_HASHING_AUTO =
        0, /* keyed AES rounds where the CPU has them, else keyed multiplies (integers), SipHash (strings) */
    GOMAP_HASHING_STRICT = 1,   /* SipHash-1-3 for everything that has no hash function of its own */
    GOMAP_HASHING_PORTABLE = 2, /* as AUTO on a CPU without AES */
} gomap_hashing;

/* How a table trades memory for speed: growth limit, growth factor, worst bytes per slot used. */
typedef enum gomap_mode {
    GOMAP_BALANCED = 0, /* or what GOMAP_CONF says: grows x1.45 at load 0.80 (x2 up to 10^5 slots) */
    GOMAP_SPEED = 1,    /* grows x2 at load 0.80 */
    GOMAP_MEMORY = 2,   /* grows x1.25 at load 0.875 */
} gomap_mode;

typedef enum gomap_huge {
    GOMAP_HUGE_AUTO = 0,   /* as the system is set */
    GOMAP_HUGE_NEVER = 1,  /* MADV_NOHUGEPAGE: no 2 MiB zeroing on a write */
    GOMAP_HUGE_ALWAYS = 2, /* MADV_HUGEPAGE: throughput before latency */
} gomap_huge;

/* What a map is.  Start from GOMAP_CONFIG or GOMAP_CONFIG_STRING, set what differs.
 * Strings and the allocator struct are copied; functions and contexts must outlive the map. */
typedef struct gomap_config {
    size_t size; /* sizeof(gomap_config), as the caller was compiled */
    gomap_keys keys;
    size_t key_size,
        key_align; /* FIXED: 0..4096 bytes, power of two 1..64 dividing key_size (0: a fitting one) */
    size_t value_size, value_align; /* 0..4096 bytes; 0: a set */
    gomap_values values;
    gomap_hashing hashing;
    gomap_mode mode;
    size_t capacity;      /* entries to make room for now (0: none) */
    const char *key_type; /* C names for people; NULL: made from the sizes */
    const char *value_type;
    const char *name; /* NULL: shown as type@site */
    const char *site; /* "file:line"; NULL: not known */
    /* Own hash: any deterministic function; it is finalised with the map's seed.  It must not use the map. */
    uint64_t (*hash)(const void *key, void *ctx);
    /* Own equality: nonzero if equal; equal keys must hash equal.  A key that is not equal to itself
     * (NaN) can be put any number of times and never be found; iteration and clear still see it. */
    int (*eq)(const void *a, const void *b, void *ctx);
    /* Called when an entry is made: dst holds a bitwise copy of *src already; nonzero: refuse, the call
     * returns GOMAP_ENOMEM.  NULL: the bitwise copy is all.  Of GOMAP_KEYS_STRING the map makes and frees copies itself:
     * the key functions are not called. */
    int (*key_copy)(void *dst, const void *src, void *ctx);
    int (*value_copy)(void *dst, const void *src, void *ctx);
    /* Called when an entry goes, or (value) when it is overwritten. */
    void (*key_destroy)(void *key, void *ctx);
    void (*value_destroy)(void *value, void *ctx);
    void *ctx;                /* for the six functions above */
    const gomap_alloc *alloc; /* NULL: malloc and mmap */
    const gomap *seed_of; /* use the seed of that map: merges and clones in hash order; NULL: a fresh seed */
} gomap_config;

#define GOMAP_STRINGIFY_(x) #x
#define GOMAP_STRINGIFY(x)  GOMAP_STRINGIFY_(x)
#define GOMAP_SITE          __FILE__ ":" GOMAP_STRINGIFY(__LINE__)
#ifdef __cplusplus
static inline gomap_config gomap_config_make(gomap_keys k, size_t ks, size_t vs, const char *site) {
    gomap_config c = gomap_config();
    c.size = sizeof c, c.keys = k, c.key_size = ks, c.value_size = vs, c.site = site;
    return c;
}
#define GOMAP_CONFIG(ks, vs)    gomap_config_make(GOMAP_KEYS_FIXED, (ks), (vs), GOMAP_SITE)
#define GOMAP_CONFIG_STRING(vs) gomap_config_make(GOMAP_KEYS_STRING, 0, (vs), GOMAP_SITE)
#else
/* A map of fixed-size keys and values, in bytes; remembers the line it was made at. */
#define GOMAP_CONFIG(ks, vs)                                                                                 \
    ((gomap_config){.size = sizeof(gomap_config), .key_size = (ks), .value_size = (vs), .site = GOMAP_SITE})
/* A map of byte strings, copied, to values of vs bytes. */
#define GOMAP_CONFIG_STRING(vs)                                                                              \
    ((gomap_config){                                                                                         \
        .size = sizeof(gomap_config), .keys = GOMAP_KEYS_STRING, .value_size = (vs), .site = GOMAP_SITE})
#endif

/* Make a map.  Allocates its 128-byte header, and no table before the first insert unless capacity is
 * given.  GOMAP_EINVAL: sizes over 4096, alignments that are no power of two or over 64, a capacity whose
 * table would overflow, a config from another version.  Thread-safe. */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_new(const gomap_config *config, gomap **out);

/* Free a map and all it holds; NULL is fine.  O(n) if entries have destroy functions, owned strings, else O(bytes)
 * in the kernel.  Freeing twice is misuse.  Thread-safe against other maps. */
GOMAP_API void gomap_free(gomap *map);

/* Number of entries; 0 for NULL. */
GOMAP_API size_t gomap_len(const gomap *map);

/* The value of key, or NULL if absent.  Sets give a non-NULL pointer to nothing. */
GOMAP_API void *gomap_get(const gomap *map, const void *key);
GOMAP_API bool gomap_has(const gomap *map, const void *key);

/* Make value the value of key.  Updating keeps the old key, unless eq is the user's: then the new key
 * replaces it too, as in Go.  value NULL: zeros. */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_put(gomap *map, const void *key, const void *value);

/* Put only if key is absent; *inserted (may be NULL) tells. */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_put_if_absent(gomap *map, const void *key, const void *value,
                                                       bool *inserted);

/* The value slot of key, made (zeros) if absent; *is_new (may be NULL) tells.  The slot dies like any other pointer. */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_get_or_insert(gomap *map, const void *key, void **value,
                                                       bool *is_new);

/* Delete key; true if it was there.  Vacated bytes are wiped.  Never allocates, never fails: a shrink that cannot get
 * memory waits. */
GOMAP_API bool gomap_delete(gomap *map, const void *key);

/* Take out some entry (not a uniform sample): copies key and value (either may be NULL) and deletes it.
 * For string keys *key is a gomap_str whose bytes, if the map owned them, stay valid until the next write.
 * Destroy functions are not called: ownership passes to the caller.  GOMAP_ENOENT: empty. */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_pop_any(gomap *map, void *key, void *value);

/* Point to a uniformly drawn entry.  *key as in gomap_iter.  Expected O(1) at usual loads, O(n) in a nearly empty table
 * and for keys that no hash tells apart.  GOMAP_ENOENT: empty.
 * `scratch` keeps the key view of string maps; may be NULL for others. */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_random(const gomap *map, const void **key, void **value,
                                                gomap_str *scratch);

/* Delete all entries.  GOMAP_KEEP keeps the table for refilling (O(table)); GOMAP_RELEASE gives all memory back. */
typedef enum gomap_clear_how { GOMAP_KEEP = 0, GOMAP_RELEASE = 1 } gomap_clear_how;
GOMAP_API void gomap_clear(gomap *map, gomap_clear_how how);

/* Make room: no growth happens before `entries` entries are in the map, whatever is deleted and put meanwhile.
 * The promise, and with it the memory, holds until that count was reached, shrink_to_fit, or clear(RELEASE).
 * O(n): moves the whole table at once. GOMAP_EINVAL: overflows. */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_reserve(gomap *map, size_t entries);

/* Shrink the table to what its entries need now.  O(n). */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_shrink_to_fit(gomap *map);

/* Iteration, in an order that differs per map and per iteration.  An entry present from start to end is
 * returned exactly once, a deleted one not after its deletion, an updated one with its newest value, one added
 * meanwhile at most once.  The same thread may write to the map while it iterates; an iterator needs no
 * end call and must not be used after gomap_free.  Allocates nothing.  The struct is the caller's; about 2 KiB. */
typedef struct gomap_iter {
    const void *key; /* string keys: const gomap_str * into this struct */
    void *value;
    gomap_str str;
    uint64_t opaque[248];
} gomap_iter;
GOMAP_API void gomap_iter_init(gomap_iter *it, const gomap *map);
GOMAP_API bool gomap_iter_next(gomap_iter *it);
/* Delete the entry that iter_next returned last; false if it is gone already. Works for keys that equal nothing (NaN). */
GOMAP_API bool gomap_iter_delete(gomap_iter *it, gomap *map);

/* Keep the entries for which keep() is true, delete the others; returns the number deleted.  keep()
 * may use the map as the body of an iteration may; leaving it by longjmp or cancellation leaves a map that is whole.
 * Ends with a shrink to what is left.  O(n). */
GOMAP_API size_t gomap_retain_if(gomap *map, bool (*keep)(const void *key, void *value, void *ctx),
                                 void *ctx);

/* A copy with the same type, policies and seed family rules (a fresh seed).  Copies keys and values with the copy functions.  O(n). */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_clone(const gomap *map, gomap **out);

/* Same entries?  value_eq NULL: values compared as bytes.  Maps of different key or value size are not equal.  O(n). */
GOMAP_API bool gomap_equal(const gomap *a, const gomap *b,
                           int (*value_eq)(const void *, const void *, void *), void *ctx);

/* Many at once: hashes and memory fetches of 32 keys overlap.  keys: n keys in an array (strings: gomap_str).
 * get_many: values[i] = pointer or NULL; returns how many were found.
 * put_many: values: n values in an array, or NULL for zeros; stops at the first failure, *done (may be NULL) = entries put.
 * delete_many: returns how many were there.
 * The arrays themselves must not lie inside the map (a value of it): entries move between two keys of a batch. */
GOMAP_API size_t gomap_get_many(const gomap *map, const void *keys, size_t n, void **values);
GOMAP_API GOMAP_MUST_USE gomap_err gomap_put_many(gomap *map, const void *keys, const void *values, size_t n,
                                                  size_t *done);
GOMAP_API size_t gomap_delete_many(gomap *map, const void *keys, size_t n);

/* Do waiting work of a map for about budget_ns: finish a growth or shrink, return memory of an idle map.
 * Counts as a write to it.  map NULL: all maps of the process; then no other thread may use any map meanwhile.
 * Returns true if work is left. */
GOMAP_API bool gomap_work(gomap *map, uint64_t budget_ns);

/* What a map is and holds now; bytes unless said otherwise.  bytes = the sum of all bytes_* = what was allocated. */
typedef struct gomap_stats {
    size_t size; /* in: sizeof(gomap_stats) */
    uint64_t entries, slots, groups;
    double load;               /* entries / slots, 0..1 */
    uint64_t chained, stashed; /* entries outside their quad, and in the stash */
    uint64_t bytes;
    uint64_t bytes_header, bytes_metadata, bytes_slots_live, bytes_slots_empty, bytes_padding, bytes_overflow,
        bytes_moving, bytes_cells, bytes_strings, bytes_slack, bytes_stash;
    uint64_t reserved;    /* address space */
    uint64_t grow_at;     /* entries at which the next growth starts */
    uint32_t walk;        /* 0 none, 1 growing, 2 shrinking */
    double walk_progress; /* 0..1 */
    uint64_t grows, shrinks, moved, move_max, grow_failed, stashed_ever, alarms, madvise_calls, madvise_bytes,
        reseeds, clears, inconsistent;
} gomap_stats;
GOMAP_API GOMAP_MUST_USE gomap_err gomap_get_stats(const gomap *map, gomap_stats *out);

/* The control tree: numbers by name.  map NULL: the process default.  old, set may be NULL.
 * Names: policy.mode policy.huge_pages policy.return_after_ms policy.reserve_bytes_max policy.shrink
 *        policy.backtrace_above policy.range_from_bytes (process) policy.ranges_max (process) policy.log (process)
 *        policy.registry (process) policy.profile_bytes policy.times policy.stacks (process; observe.h)
 * Values: mode 0 balanced, 1 speed, 2 memory; huge_pages 0 auto, 1 never, 2 always; shrink 0, 1; return_after_ms (1000):
 *        idle time after which gomap_work drops the table of an empty map; reserve_bytes_max of address space, 0: no limit;
 *        range_from_bytes (1 MiB): larger tables are address ranges that grow in place, smaller ones come from malloc;
 *        backtrace_above: a backtrace to stderr when a map first exceeds so many entries, 0: off; log 0, 1: a line to stderr for
 *        each growth, shrink, madvise, alarm; registry 0: maps are not shown to outside readers;
 *        ranges_max (vm.max_map_count / 24): tables with a reserved range alive at once, each up to 6 kernel mappings; tables beyond
 *        them are blocks.
 * Environment: GOMAP_CONF=mode:memory,huge_pages:never,log:1 sets the process defaults when the first map is made; names
 *        without "policy.", values by word or number; what it does not know gets one warning line.
 *        stats.entries stats.bytes stats.grows ... (every number of gomap_stats, read-only)
 *        times.grow.p99_ns ... (observe.h, read-only; map NULL: of the process)
 * GOMAP_ENOENT: no such name, GOMAP_EINVAL: not a value it can have, or read-only. */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_ctl(gomap *map, const char *name, uint64_t *old,
                                             const uint64_t *set);
/* Name number i of the tree, or NULL past the end. */
GOMAP_API const char *gomap_ctl_name(size_t i);

/* Name a map for people and tools (copied; NULL: none). */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_set_name(gomap *map, const char *name);
/* "name", or "key_type->value_type@site"; snprintf rules. */
GOMAP_API int gomap_describe(const gomap *map, char *buf, size_t len);

/* Walk the whole table and check every invariant (I1..I12, lib/verify.c).  0: all hold; else the number of the
 * first broken one, with a line in why (may be NULL).  Costs a rehash of all keys. */
GOMAP_API int gomap_verify(const gomap *map, char *why, size_t why_len);

/* Draw the table: header line, then a row a quad (long tables: a row per several), a digit per group. */
GOMAP_API void gomap_dump(const gomap *map, FILE *out);

/* Misuse ends here: one line naming the map.  The default prints it to stderr and aborts.  Returns the old hook;
 * NULL restores the default.  If the hook returns, the offending call does nothing. */
typedef void (*gomap_fatal_fn)(const char *line);
GOMAP_API gomap_fatal_fn gomap_set_fatal(gomap_fatal_fn fn);

#ifdef __cplusplus
}
#endif
#endif
