/* lib/internal.h - what the files of the library share, grouped by the file that defines it.
 * Nothing here is visible outside the library. */
#ifndef GOMAP_INTERNAL_H
#define GOMAP_INTERNAL_H

#include "gomap/probe.h"

#include <assert.h>
#include <stdlib.h>

#pragma GCC visibility push(hidden)

#ifndef GOMAP_DEBUG
#define GOMAP_DEBUG 0
#endif
#if GOMAP_DEBUG
#define gomap__assert(x) assert(x)
#else
#define gomap__assert(x) ((void)0)
#endif

/* Limits.  The small ones make rare paths common in tests. */
#ifdef GOMAP_SMALL_LIMITS
enum {
    RANGE_FROM_BYTES = 4096,
    POOL_FROM_GROUPS = 16,
    CHAIN_CAP = 4,
    SYNC_ENTRIES = 30,
    STEP_MAX = 60, /* a quad with a chain goes in parts */
    STEP_GOAL = 1,
    DOUBLE_BELOW_SLOTS = 240,
    SWEEP_MIN_GROUPS = 8
};
#define RANGE_HEADROOM 4u
#else
enum {
    RANGE_FROM_BYTES = 1 << 20,  /* a larger table is a reserved range; its metadata takes too long to zero on one write */
    POOL_FROM_GROUPS = 64,       /* cells of a larger table come from pools (arena.c) */
    CHAIN_CAP = 32,              /* entries of a chain before new ones go to the stash (rule 4) */
    SYNC_ENTRIES = 128,          /* the bound of one write; tables below it move at once */
    STEP_MAX = 128,              /* entries moved by one write (gomap.h) */
    STEP_GOAL = 30,              /* entries after which a write leaves the next quad to the next write */
    DOUBLE_BELOW_SLOTS = 100000, /* below this even the balanced mode grows x2 */
    SWEEP_MIN_GROUPS = 32,
};
static_assert((int)STEP_MAX - (int)STEP_GOAL >= 60 + (int)CHAIN_CAP, "a step has room for what inserts leave in a quad");
#define RANGE_HEADROOM 64u /* address space reserved: this times the table */
#endif
enum {
    MAX_SIZE = 4096, /* of a key or a value */
    MAX_ALIGN = 64,
    INLINE_MAX = 128, /* larger keys and values live out of line by default */
    MAX_SLOT = 2 * MAX_SIZE + 2 * MAX_ALIGN,
    RETURN_PIECE = 64 << 10, /* bytes handed to the OS by one write: 16 pages, about 5 us */
    EMPTY_QUADS_PER_STEP = 32,
    CACHED_BYTES = 256 << 10, /* tables of no more are in a second-level cache once they are in use, or soon */
};

/* ---- table geometry -------------------------------------------------------------------------- */

struct geom {
    uint64_t ng;
    uint8_t *meta, *slots;
    uintptr_t *links;
};

enum key_class { KC_4, KC_8, KC_16, KC_FIXED, KC_STR, KC_CELL, KC_USER };

/* A key as the caller gave it, made uniform. */
struct key {
    const void *api; /* what the user functions see */
    const void *p;   /* its bytes */
    size_t n;
};

/* Where an entry is. */
struct place {
    uint8_t *slot;
    uint8_t *tag;              /* its tophash byte */
    struct geom g;             /* the geometry it lies under */
    uint64_t home;             /* home group */
    struct gomap_node *node;   /* NULL: in a slot of the quad */
    struct gomap_flood *flood; /* not NULL: in the stash's list */
    struct gomap *owner;       /* the map, or its stash */
};

/* ---- memory.c: the door to malloc, mmap and the user's allocator ------------------------------- */

enum {
    GOMAP_FAULT_ALLOC = 1,
    GOMAP_FAULT_MMAP = 2,
    GOMAP_FAULT_PROTECT = 3,
    GOMAP_FAULT_MADVISE = 4,
    GOMAP_FAULT_RANDOM = 5,
    GOMAP_FAULT_MUNMAP = 6,
    GOMAP_FAULT_STRICT = 7 /* nonzero: as under vm.overcommit_memory = 2 */
};
extern int (*gomap__fault)(int what); /* tests: nonzero makes the call fail; only there with GOMAP_FAULTS */
#ifdef GOMAP_FAULTS
#define FAULT(what) (gomap__fault && gomap__fault(what))
extern uint64_t (*gomap__draw)(void); /* tests: all random words come from it, so that a find can be replayed */
#else
#define FAULT(what) 0
#endif

enum { MMAP_FROM = 128 << 10 }; /* bytes: larger requests are mappings, if the user has no allocator */

/* The three areas of a range: metadata, links, slots. */
struct range {
    uint8_t *base;
    uint64_t bytes, max_groups, max_bytes;
    uint64_t off[3];       /* of each area */
    uint64_t committed[3]; /* bytes readable and writable from the area's start */
    uint64_t give[3];      /* above this, up to committed, an area is being given back to the OS */
    uint8_t huge;
    uint8_t locked; /* what is committed is locked in memory, as mlockall(MCL_FUTURE) asks */
};

struct gomap__side;
void *gomap__alloc(const gomap_alloc *a, size_t size, size_t align);
void *gomap__alloc_part(const gomap_alloc *a, size_t size, size_t align, size_t zeroed);
void gomap__dealloc(const gomap_alloc *a, void *p, size_t size, size_t align);
void *gomap__heap_alloc(const gomap_alloc *a, size_t size, size_t align, size_t zeroed);
void gomap__heap_free(const gomap_alloc *a, void *p, size_t size, size_t align);
struct range *gomap__range_make(const struct gomap_desc *d, uint64_t groups, uint64_t max_bytes, int huge);
bool gomap__range_commit(struct range *r, const struct gomap_desc *d, uint64_t groups);
void gomap__range_free(struct range *r);
void gomap__range_advise(struct range *r, int huge);
bool gomap__range_give(struct gomap *m, struct range *r);
bool gomap__range_pending(const struct range *r);
void gomap__range_keep(struct range *r, const struct gomap_desc *d, uint64_t groups);
uint64_t gomap__range_bytes(const struct range *r);
enum area { AREA_META, AREA_LINKS, AREA_SLOTS };
void gomap__range_return(struct gomap *m, struct range *r, enum area area, uint64_t from, uint64_t to);
struct geom gomap__range_geom(const struct range *r, uint64_t groups);
size_t gomap__page(void);

/* ---- arena.c: cells for strings, out-of-line keys and values, chain nodes ---------------------- */

struct block;
struct chunk;
struct cell_class {
    struct chunk *room; /* chunks with a free cell */
};
enum { CELL_CLASSES = 56 };
struct arena {
    struct block *blocks; /* sorted by address */
    uint32_t nblocks, cap_blocks;
    struct cell_class *classes; /* CELL_CLASSES, on demand */
};
void *gomap__cell_alloc(struct gomap *m, size_t size, size_t align);
void gomap__cell_free(struct gomap *m, void *p, size_t size, size_t align);
void gomap__arena_free(struct gomap *m);

/* ---- the private part of the side record ------------------------------------------------------- */

/* A walk that is under way (walk.c): made when it begins, freed when it ends. */
struct walk {
    struct geom src, dst;
    uint64_t at;      /* grow: quads [0, at) of src are left; shrink: [at, end) */
    uint64_t pos;     /* the split: a border of quad at, or a position inside the quad next to move (0: the start) */
    uint64_t reached; /* of two arrays: quads of dst in use.  grow: [reached, end); shrink: [0, reached) */
    bool two_arrays;
    uint64_t since;   /* when it began; 0: nobody asked */
    uint64_t behind; /* shrink of a range: slot bytes below it went back, or hold what stays */
    uint8_t src_mode, dst_mode;
    uint8_t *scratch;         /* one quad's slots, for quads that overlap their destination */
    struct gomap_node *spare; /* nodes secured for steps */
    uint64_t nspare;
};

/* What only large, or changing, tables need is on demand: most maps are small, and each has one of these. */
struct gomap__side {
    struct gomap_side pub;
    struct range *range; /* NULL: none */
    struct walk *w;      /* NULL: no walk is under way, or being prepared */
    struct arena arena;
    struct sweep *sweep; /* NULL: none is under way (shrink.c) */
    void *ctx;           /* of the user's functions */
    uint8_t own_alloc;   /* the map has an allocator of its own: alloc[0] */
    uint8_t policy_mode, policy_huge, policy_shrink, own_seed_family;
    uint8_t used_quad; /* a quad was in use since the seed was drawn */
    uint8_t alarmed;
    uint8_t backtraced;
    uint64_t policy_return_after_ms, policy_reserve_max, policy_backtrace_above;
    uint64_t reserve_floor; /* groups that reserve() promised; 0: none */
    uint64_t shrink_below;  /* a delete that leaves fewer entries looks for a shrink */
    uint64_t quiet;       /* deletes to wait before the next sweep (hysteresis), */
    uint64_t swept_count; /* unless half of what it found has gone */
    char *limbo;          /* string popped last, kept for the caller until the next pop */
    uint32_t limbo_len;
    uint32_t idle_swept;
    struct gomap *parent; /* of a stash */
    uint64_t flood_serial;
    struct gomap_hooks *hooks; /* the map's own; NULL: none */
    struct gomap_times *times; /* GOMAP_TIMES of them; NULL: nothing was timed, or the table is small */
    gomap_alloc alloc[]; /* one with own_alloc, else none: malloc and mmap */
};
static inline struct gomap__side *gomap__side(const struct gomap *m) { return (struct gomap__side *)m->side; }
static inline void *gomap__ctx(const struct gomap *m) { return m->side ? gomap__side(m)->ctx : NULL; }
static inline const gomap_alloc *gomap__allocator(const struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    return s && s->own_alloc ? s->alloc : NULL;
}

/* ---- the process: one struct, all there is of global state ------------------------------------- */

struct world {
    /* defaults, from GOMAP_CONF */
    uint8_t mode, huge, shrink, log, registry;
    uint64_t return_after_ms, reserve_max, backtrace_above, range_from;
    gomap_fatal_fn fatal;
    uint8_t fork_mark; /* value of gomap.writing in this process image: generation << 2 | 1 */
    uint8_t cpu_aes;
    uint64_t max_ranges, ranges; /* reserved ranges allowed, and alive */
    uint64_t reserved;           /* bytes of address space in them */
    bool strict_commit;          /* vm.overcommit_memory = 2 */
    uint64_t profile_bytes;      /* between two samples, on the average; 0: none are taken */
    uint8_t observed;            /* they were, or are, taken */
    uint8_t times, stacks;       /* are durations, and the stacks of events, kept? */
    const struct gomap_hooks *hooks; /* of all maps without own ones; NULL: none */
};
extern struct world gomap__world;
void gomap__world_init(void); /* registry.c; idempotent, thread-safe */

/* ---- observe/: the bytes of a map, sampled (gomap/observe.h) ------------------------------------------- */

#ifndef GOMAP_OBSERVE
#define GOMAP_OBSERVE 1
#endif
/* A map as a pile of bytes: what is on top was taken last. */
struct gomap__pile {
    uint64_t id, total; /* total: bytes, those just taken included */
    const void *map, *type;
    uint32_t kind; /* GOMAP_KIND_* */
};
void gomap__pile_grew(const struct gomap__pile *of, uint64_t bytes);
void gomap__pile_is(uint64_t id, uint64_t total);
uint64_t gomap__pile_bytes(const struct gomap *m);
uint64_t gomap__classic_pile_bytes(const struct gomap_classic *m);
void gomap__pile_changed(const struct gomap *m, uint64_t before);
void gomap__samples_lock(void); /* holds set_name and profiles apart */
void gomap__samples_unlock(void);
static inline bool gomap__observed(void) { return GOMAP_OBSERVE && GOMAP__UNLIKELY(gomap__world.observed); }
/* Around what changes a map's bytes: before = gomap__pile(m); ...; gomap__repiled(m, before).  A stash is not observed. */
static inline uint64_t gomap__pile(const struct gomap *m) { return gomap__observed() ? gomap__pile_bytes(m) : 0; }
static inline void gomap__repiled(const struct gomap *m, uint64_t before) {
    if (gomap__observed()) gomap__pile_changed(m, before);
}
static inline void gomap__unpiled(uint64_t id) {
    if (gomap__observed()) gomap__pile_is(id, 0);
}

void gomap__probe(uint64_t map_id, int kind, uint64_t a, uint64_t b); /* observe/probes.c */

/* times.c: how long growths, moves and allocations take.  since = gomap__clock(); ...; gomap__took(m, GOMAP_TIME_*, since) */
extern struct gomap_more gomap__more;
extern uint32_t gomap__ring_stacks[];
void gomap__took_slow(struct gomap *m, int what, uint64_t since);
void gomap__took_of(uint64_t id, uint64_t entries, struct gomap_times *own, int what, uint64_t since);
void gomap__times_free(struct gomap *m);
void gomap__times_after_fork(void);
uint32_t gomap__stack_number_slow(void);
uint64_t gomap__now_ns(void);
uint32_t gomap__this_thread(void);
static inline uint64_t gomap__clock(void) {
    return GOMAP_OBSERVE && GOMAP__UNLIKELY(gomap__world.times) ? gomap__now_ns() : 0;
}
static inline void gomap__took(struct gomap *m, int what, uint64_t since) {
    if (GOMAP_OBSERVE && GOMAP__UNLIKELY(since)) gomap__took_slow(m, what, since);
}
/* Of the stack we are on; 0: stacks are not kept. */
static inline uint32_t gomap__stack_number(void) {
    return GOMAP_OBSERVE && GOMAP__UNLIKELY(gomap__world.stacks) ? gomap__stack_number_slow() : 0;
}

/* hooks.c.  A map whose puts or deletes call hooks has GOMAP_WRITING_HOOKED in `writing`, also between writes: inlined code
 * and the quick paths see a map that they may not write to, and leave the write to the slow ones, which know about hooks. */
void gomap__hook_route(struct gomap *m); /* a new map: does it have hooks? */
void gomap__hook_event(struct gomap *m, int kind, uint64_t a, uint64_t b);
void gomap__hook_put(struct gomap *m, uint8_t *slot, bool is_new);
void gomap__hook_delete(struct gomap *m, uint8_t *slot);
void gomap__hooks_free(struct gomap *m);
static inline bool gomap__has_hooks(const struct gomap *m) {
    return GOMAP_OBSERVE && (__atomic_load_n(&gomap__world.hooks, __ATOMIC_RELAXED) || (m->side && gomap__side(m)->hooks));
}
/* In a write: an entry is about to go. */
static inline void gomap__going(struct gomap *m, uint8_t *slot) {
    if (GOMAP_OBSERVE && GOMAP__UNLIKELY(m->writing & GOMAP_WRITING_HOOKED)) gomap__hook_delete(m, slot);
}

/* ---- hash.c, seed.c --------------------------------------------------------------------------- */
uint64_t gomap__siphash13(const uint64_t key[2], const void *p, size_t n);
uint64_t gomap__hash_key(const struct gomap *m, const struct key *k);
uint64_t gomap__hash_slot(const struct gomap *m,
                          const uint8_t *slot); /* position exact; low byte may be lost */
bool gomap__cpu_has_aes(void);
bool gomap__seed(uint64_t *words, size_t n); /* fresh secret words; false: the OS gave none */
void gomap__seed_forget(void);               /* after fork */
uint64_t gomap__iter_seed(void);             /* cheap, unpredictable enough for iteration order */

/* ---- table.c ---------------------------------------------------------------------------------- */
extern const uint8_t gomap__empty_line[64];
struct key gomap__key(const struct gomap *m, const void *api);
bool gomap__find(const struct gomap *m, uint64_t h, const struct key *k, struct place *out);
uint8_t *gomap__get_slot(const struct gomap *m, uint64_t h, const struct key *k);
uint8_t *gomap__put_in(struct gomap *m, const struct geom *g, uint64_t pos, uint8_t tag, bool walking,
                       gomap_err *err);
void gomap__erase(struct gomap *m, struct place *p);
int gomap__erase_simple(struct gomap *m, uint64_t h, const struct key *k);
bool gomap__slot_eq(const struct gomap *m, const uint8_t *slot, const struct key *k, uint64_t h);
uint8_t *gomap__find_displaced(const struct gomap *m, uint64_t home, const struct key *k, uint64_t h,
                               struct place *out);
const void *gomap__slot_key(const struct gomap_desc *d, const uint8_t *slot, gomap_str *view);
struct gomap_flood *gomap__flood_find(const struct gomap *m, uint64_t h, const struct key *k);

static inline struct geom gomap__hi(const struct gomap *m) {
    return (struct geom){m->ngroups, m->meta, m->slots, m->links};
}
static inline struct geom gomap__lo(const struct gomap *m) {
    const struct gomap_side *s = m->side;
    return (struct geom){s->lo_ngroups, s->lo_meta, s->lo_slots, s->lo_links};
}
static inline uint64_t gomap__pos(const struct gomap_desc *d, uint64_t h) {
    return d->flags & GOMAP_F_HASH32 ? h & UINT64_C(0xffffffff00000000) : h;
}
static inline struct geom gomap__locate(const struct gomap *m, uint64_t pos) {
    return GOMAP__UNLIKELY(pos < m->split) ? gomap__lo(m) : gomap__hi(m);
}
static inline struct gomap_node *gomap__link_node(uintptr_t w) {
    return (struct gomap_node *)(w & ~(uintptr_t)1);
}
static inline bool gomap__link_stash(uintptr_t w) { return w & 1; }
static inline uint8_t *gomap__node_slot(const struct gomap_desc *d, struct gomap_node *n, unsigned i) {
    return (uint8_t *)n + d->node_off + (size_t)i * d->slot_size;
}
static inline uint8_t *gomap__flood_slot(const struct gomap_desc *d, struct gomap_flood *f) {
    return (uint8_t *)f + gomap_inspect_align(sizeof *f, d->slot_align);
}
static inline size_t gomap__flood_bytes(const struct gomap_desc *d) {
    return gomap_inspect_align(sizeof(struct gomap_flood), d->slot_align) + d->slot_size;
}
/* Bits of a 15-bit mask, and of any; without the popcnt instruction the builtin is a call. */
static inline unsigned gomap__bits15(unsigned m) {
    m -= m >> 1 & 0x5555;
    m = (m & 0x3333) + (m >> 2 & 0x3333);
    m = (m + (m >> 4)) & 0x0f0f;
    return (m + (m >> 8)) & 0x1f;
}
static inline unsigned gomap__bits64(uint64_t m) {
    m -= m >> 1 & UINT64_C(0x5555555555555555);
    m = (m & UINT64_C(0x3333333333333333)) + (m >> 2 & UINT64_C(0x3333333333333333));
    m = (m + (m >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)(m * UINT64_C(0x0101010101010101) >> 56);
}
/* Bit s is set where slot s of the group has a tophash of this class (its top three bits). */
static inline unsigned gomap__match_class(const uint8_t *group, unsigned class) {
#if defined(__SSE2__)
    const __m128i top = _mm_set1_epi8((char)0xe0), want = _mm_set1_epi8((char)(class << 5)), zero = _mm_setzero_si128();
    __m128i g = _mm_load_si128((const __m128i *)(const void *)group);
    __m128i hit = _mm_andnot_si128(_mm_cmpeq_epi8(g, zero), _mm_cmpeq_epi8(_mm_and_si128(g, top), want));
    return (unsigned)_mm_movemask_epi8(hit) & 0x7fffu;
#else
    unsigned mask = 0;
    for (unsigned i = 0; i < GOMAP_GROUP_SLOTS; i++) mask |= (unsigned)(group[i] && group[i] >> 5 == class) << i;
    return mask;
#endif
}
/* Bit 16 g + s is set where slot s of group g of a quad is full: one loop over it mispredicts once, four loops four times. */
static inline uint64_t gomap__quad_full(const uint8_t *meta, unsigned groups) {
    uint64_t empty = 0, all = UINT64_C(0x7fff7fff7fff7fff);
    if (GOMAP__LIKELY(groups == 4)) { /* unrolled */
        for (unsigned g = 0; g < 4; g++) empty |= (uint64_t)gomap__match_empty(meta + g * 16) << g * 16;
        return ~empty & all;
    }
    for (unsigned g = 0; g < groups; g++) empty |= (uint64_t)gomap__match_empty(meta + g * 16) << g * 16;
    return ~empty & all & ((UINT64_C(1) << groups * 16) - 1);
}
static inline uint64_t gomap__quads(uint64_t ng) { return (ng + 3) / 4; }
/* The lowest position whose home group is >= g; g < ng.  Every step of a walk and every quad of an iteration asks, so on
 * x86-64 it is the one instruction it can be: a compiler's 128-bit division is a call. */
static inline uint64_t gomap__border(uint64_t g, uint64_t ng) {
#if defined(__x86_64__)
    uint64_t q, r;
    __asm__("divq %4" : "=a"(q), "=d"(r) : "a"(ng - 1), "d"(g), "r"(ng) : "cc");
    return q;
#elif defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 u128;
    return (uint64_t)((((u128)g << 64) + ng - 1) / ng);
#else
    uint64_t q = 0, r = g; /* long division of g * 2^64, a bit at a time */
    for (int i = 0; i < 64; i++) {
        uint64_t carry = r >> 63;
        r <<= 1, q <<= 1;
        if (carry || r >= ng) r -= ng, q |= 1;
    }
    return q + (r != 0);
#endif
}
/* Groups that exist in a quad: 4, fewer only in tables of 1 or 2 groups. */
static inline unsigned gomap__quad_groups(uint64_t ng, uint64_t quad) {
    uint64_t left = ng - quad * 4;
    return left < 4 ? (unsigned)left : 4;
}
/* Entries in the slots of a quad. */
static inline unsigned gomap__quad_count(const struct geom *g, uint64_t quad) {
    const uint8_t *meta = g->meta + quad * 64;
    unsigned groups = gomap__quad_groups(g->ng, quad);
#if defined(__SSE2__)
    if (GOMAP__LIKELY(groups == 4)) {
        const __m128i zero = _mm_setzero_si128(), slots = _mm_srli_si128(_mm_set1_epi8(-1), 1);
        __m128i n = zero; /* of each slot, in how many groups it is empty */
        for (unsigned i = 0; i < 4; i++)
            n = _mm_sub_epi8(n, _mm_cmpeq_epi8(_mm_load_si128((const __m128i *)(const void *)(meta + i * 16)), zero));
        n = _mm_sad_epu8(_mm_and_si128(n, slots), zero);
        return GOMAP_QUAD_SLOTS - (unsigned)(_mm_cvtsi128_si32(n) + _mm_extract_epi16(n, 4));
    }
#endif
    return gomap__bits64(gomap__quad_full(meta, groups));
}
/* Zero a slot or a small cell.  Sizes that are no constants go by 16 bytes, the last of which may overlap: a call of memset
 * costs more than the few stores. */
static inline __attribute__((always_inline)) void gomap__wipe(void *slot, size_t size) {
    uint8_t *p = slot;
    if (__builtin_constant_p(size) || size < 16) {
        memset(p, 0, size);
        return;
    }
    for (size_t at = 0; at + 16 < size; at += 16) memset(p + at, 0, 16);
    memset(p + size - 16, 0, 16);
}
static inline void gomap__clear_quad(uint8_t *meta, unsigned groups) {
    if (GOMAP__LIKELY(groups == 4))
        memset(meta, 0, 64); /* a constant: four stores */
    else
        memset(meta, 0, groups * (size_t)16);
}

/* ---- size.c: how large ---------------------------------------------------------------------------- */
uint64_t gomap__main_count(const struct gomap *m); /* entries outside the stash */
uint64_t gomap__limit_of(const struct gomap *m, uint64_t ng);
uint64_t gomap__next_groups(const struct gomap *m);
uint64_t gomap__groups_for(const struct gomap *m, uint64_t entries, bool *overflow);
uint64_t gomap__round_groups(uint64_t ng);
uint64_t gomap__range_groups(const struct gomap *m); /* tables of fewer groups are blocks */
void gomap__set_limits(struct gomap *m);
void gomap__set_delete_floor(struct gomap__side *s);
bool gomap__returning(const struct gomap__side *s);

/* ---- quad.c: one quad of a walk ------------------------------------------------------------------- */

/* The source quad a step is about, its positions that are to move, and the groups they are at home in afterwards. */
struct quad_span {
    uint64_t quad, first, last, to_first, to_last;
};
struct quad_span gomap__next_quad(const struct gomap__side *s, bool grow);
bool gomap__move_quad(struct gomap *m, struct quad_span *sp, size_t most, size_t *moved);
void gomap__free_nodes(struct gomap *m, struct gomap_node *n);

/* ---- walk.c: growth and shrink, step by step -------------------------------------------------------- */
bool gomap__walk_begin(struct gomap *m, uint64_t ng);
bool gomap__walk_step(struct gomap *m);
void gomap__walk_settle(struct gomap *m);
void gomap__walk_finish(struct gomap *m, bool *ok);
gomap_err gomap__make_room(struct gomap *m); /* before an insert that found count >= limit */
gomap_err gomap__resize_now(struct gomap *m, uint64_t groups);
bool gomap__return_piece(struct gomap *m);
void gomap__free_table(struct gomap *m, const struct geom *g, uint8_t mode, uint64_t groups);
void gomap__free_walk(struct gomap *m);

/* ---- shrink.c: when to shrink; empty and idle maps --------------------------------------------------- */
void gomap__after_delete(struct gomap *m);
void gomap__end_sweep(struct gomap *m);
uint64_t gomap__groups_by_density(const struct gomap *m);
void gomap__shrink_to_rest(struct gomap *m);
void gomap__became_empty(struct gomap *m);
void gomap__reseed(struct gomap *m);
bool gomap__idle_work(struct gomap *m);
void gomap__drop_table(struct gomap *m);
void gomap__wipe_table(struct gomap *m);
void gomap__drop_chains(struct gomap *m);

/* ---- map.c ------------------------------------------------------------------------------------- */
struct gomap__side *gomap__need_side(struct gomap *m);
gomap_err gomap__make_stash(struct gomap *m);
void gomap__drop_stash(struct gomap *m);
void gomap__free_map(struct gomap *m);
void gomap__drop_entry(struct gomap *m, uint8_t *slot); /* destroy callbacks, cells */
void gomap__drop_all(struct gomap *m);                  /* the same for all entries */
uint8_t *gomap__place(struct gomap *m, uint64_t *hash, const struct key *k, gomap_err *err);
void gomap__unplace(struct gomap *m, struct place *p); /* erase + count + follow-up */
gomap_err gomap__new_like(const struct gomap *m, gomap **out);
gomap_err gomap__add(struct gomap *m, uint64_t h, const struct key *k, const void *value, uint8_t **slot);
gomap_err gomap__put_hashed(struct gomap *m, uint64_t h, const struct key *k, const void *value);
bool gomap__delete_hashed(struct gomap *m, uint64_t h, const struct key *k);

/* ---- iter.c: every occupied slot of a quad, for those that walk whole tables -------------------- */
typedef bool (*gomap__slot_fn)(struct gomap *m, struct place *p, void *ctx); /* false: stop */
bool gomap__each_in_quad(struct gomap *m, const struct geom *g, uint64_t quad, gomap__slot_fn fn, void *ctx);
bool gomap__each(struct gomap *m, gomap__slot_fn fn,
                 void *ctx); /* all entries, those of the stash included */
bool gomap__quad_live(const struct gomap *m, bool lo, uint64_t quad);

/* ---- bulk.c, stats.c ------------------------------------------------------------------------------ */
void gomap__free_limbo(struct gomap *m);

/* ---- registry.c -------------------------------------------------------------------------------- */
/* Protected: a program that names it must not get a copy of its own. */
extern __attribute__((visibility("protected"))) struct gomap_root gomap_inspect_root_1;
bool gomap__register(struct gomap *m);
bool gomap__register_as(void *map, uint64_t *id, uint32_t kind); /* kind: GOMAP_KIND_* */
void gomap__unregister(uint64_t id);
bool gomap__registered(const struct gomap *m);
const struct gomap_desc *gomap__intern(const struct gomap_desc *d);
void gomap__event(const struct gomap *m, int kind, uint64_t a, uint64_t b);
void gomap__event_of(uint64_t map_id, int kind, uint64_t a, uint64_t b);
void gomap__for_each_map(bool (*fn)(struct gomap *m, void *ctx), void *ctx);

/* ---- conf.c, misuse.c, log ---------------------------------------------------------------------- */
void gomap__conf_load(void);
void gomap__log(const struct gomap *m, const char *what, uint64_t a, uint64_t b);
void gomap__backtrace(const struct gomap *m);
void gomap__misuse(const struct gomap *m, const char *what);
void gomap__fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool gomap__write_begin_slow(struct gomap *m, const char *op);

static inline bool gomap__alive(const struct gomap *m) {
    return __atomic_load_n(&m->cookie, __ATOMIC_RELAXED) == GOMAP_COOKIE || m->cookie == GOMAP_COOKIE_STASH;
}
/* Begin a write to a map without hooks; false: it is none, or misused, and gomap__write_begin knows which.  Ended by
 * gomap__write_done. */
static inline bool gomap__write_quick(struct gomap *m) {
    if (GOMAP__UNLIKELY(!m || !gomap__alive(m) || __atomic_load_n(&m->writing, __ATOMIC_RELAXED))) return false;
    __atomic_store_n(&m->writing, gomap__world.fork_mark, __ATOMIC_RELAXED);
    return true;
}
static inline void gomap__write_done(struct gomap *m) { __atomic_store_n(&m->writing, 0, __ATOMIC_RELAXED); }
/* Begin a write: false after misuse was reported. */
static inline bool gomap__write_begin(struct gomap *m, const char *op) {
    return gomap__write_quick(m) || gomap__write_begin_slow(m, op);
}
/* The same for a write that gomap__write_quick refused. */
static inline bool gomap__write_hooked(struct gomap *m, const char *op) {
    if (GOMAP__UNLIKELY(!m || !gomap__alive(m) || __atomic_load_n(&m->writing, __ATOMIC_RELAXED) != GOMAP_WRITING_HOOKED))
        return gomap__write_begin(m, op);
    __atomic_store_n(&m->writing, gomap__world.fork_mark | GOMAP_WRITING_HOOKED, __ATOMIC_RELAXED);
    return true;
}
static inline void gomap__write_end(struct gomap *m) {
    __atomic_store_n(&m->writing, m->writing & GOMAP_WRITING_HOOKED, __ATOMIC_RELAXED);
}
bool gomap__read_ok_slow(const struct gomap *m, const char *op);
static inline bool gomap__readable(const struct gomap *m) {
    return gomap__alive(m) && !__atomic_load_n(&m->writing, __ATOMIC_RELAXED);
}
/* Check a read: true if it may go on. */
static inline bool gomap__read_ok(const struct gomap *m, const char *op) {
    return GOMAP__LIKELY(gomap__readable(m)) || gomap__read_ok_slow(m, op);
}
/* Geometry changes happen between these two (inspect.h: seq). */
static inline void gomap__seq_begin(struct gomap *m) {
    __atomic_store_n(&m->seq, m->seq + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}
static inline void gomap__seq_end(struct gomap *m) {
    __atomic_store_n(&m->seq, m->seq + 1, __ATOMIC_RELEASE);
}
static inline void gomap__set_count(struct gomap *m, uint64_t n) {
    __atomic_store_n(&m->count, n, __ATOMIC_RELAXED);
}

/* ---- verify.c, tests ---------------------------------------------------------------------------- */
extern int gomap__verify_each; /* debug builds: verify after each mutation */
#if GOMAP_DEBUG
void gomap__checkpoint(const struct gomap *m);
#else
#define gomap__checkpoint(m) ((void)0)
#endif
void gomap__set_seed_for_test(gomap *m, const uint64_t seed[4]);

#pragma GCC visibility pop
#endif
