/* gomap/inspect.h - the frozen self-description of gomap, for readers outside the process.
 *
 * A program that uses gomap describes its maps to whoever can read its memory: no call into the
 * program, no stop, no symbol table is needed.  This header is the whole contract.  It is plain
 * data: it includes nothing of the library and links against nothing.
 *
 *   ELF note  owner "gomap", type 1, descriptor = { i64: root - address of this descriptor }  (1)
 *   ELF dynamic symbol  gomap_inspect_root_1                                              (2)
 *        |
 *        v
 *   struct gomap_root --- chunks --> struct gomap_chunk --> struct gomap_chunk ... (never freed)
 *     cookie, version,                 entry[i].map --> struct gomap (128 bytes), or by entry[i].kind
 *     sizes, self,                     entry[i].gen       |-- desc --> struct gomap_desc (never freed)
 *     counters, ring                                      |-- side --> struct gomap_side (when present)
 *     more --> struct gomap_more                          |-- meta, slots, links: the table
 *
 * How to find it: take each ELF image of the process (there may be several copies of the library,
 * each has a root of its own), read the note (1; position independent, the same in file and memory) or,
 * failing that, the symbol (2, plus the load bias), and check `cookie`, `self` (must equal the address it was read from), `version` and the
 * sizes.  A reader that does not know `version` must refuse, not guess.
 *
 * How to read a map exactly while it is being written:
 *   1. read the registry entry: map != 0, remember gen;
 *   2. read struct gomap; `cookie` must be GOMAP_COOKIE, `id` must equal (gen << 32 | index + 1);
 *   3. `seq` must be even; read side and desc; read struct gomap again: if `seq`, `id` or `cookie`
 *      differ, start over.  count, ngroups, split, meta, slots, links and the geometry part of the side
 *      record only change while `seq` is odd, except that `count` alone may change at any time
 *      (one aligned 8-byte store).
 *   4. Bulk reads (metadata of a big table) go chunk by chunk; `moves` in the side record tells how
 *      many entries were moved by growth or shrink in between: state it as the error bound.
 *
 * Everything here is little-endian, LP64 (the root says so: `pointer_bytes`).
 * Changing any struct below needs a new GOMAP_INSPECT_VERSION; tests/abi pins all offsets.
 */
#ifndef GOMAP_INSPECT_H
#define GOMAP_INSPECT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GOMAP_INSPECT_VERSION 1u
#define GOMAP_INSPECT_MAGIC   "gomap.inspect" /* 13 characters, NUL padded to 16 in the root */
#define GOMAP_NOTE_OWNER      "gomap"
#define GOMAP_NOTE_ROOT       1u
#define GOMAP_COOKIE          0x314d6f47u /* "GoM1": a live map; any other value: not a live map */
#define GOMAP_COOKIE_STASH    0x534d6f47u /* "GoMS": a stash, owned by another map, not in the registry */

/* Table geometry: 15 slots and 16 metadata bytes a group, 4 groups a quad (see lib/table.c). */
enum { GOMAP_GROUP_SLOTS = 15, GOMAP_QUAD_GROUPS = 4, GOMAP_QUAD_SLOTS = 60, GOMAP_NODE_SLOTS = 4 };

/* gomap.mode: how the table's memory is held. */
enum {
    GOMAP_MODE_EMPTY = 0, /* no table; meta points to a shared line of zeros */
    GOMAP_MODE_SMALL = 1, /* one group: one allocation of `cap` slots behind 16 metadata bytes */
    GOMAP_MODE_BLOCK = 2, /* one allocation: metadata, links, slots */
    GOMAP_MODE_RANGE = 3, /* a reserved address range with three areas, grown in place */
};

/* gomap.hash_kind */
enum {
    GOMAP_HASH_MUM = 0,  /* integers: two keyed folded multiplies */
    GOMAP_HASH_AES = 1,  /* integers: three keyed AES rounds; byte strings: keyed AES rounds */
    GOMAP_HASH_SIP = 2,  /* SipHash-1-3 over the key bytes */
    GOMAP_HASH_USER = 3, /* the user's function, finalised by two keyed folded multiplies */
};

/* gomap_desc.flags */
enum {
    GOMAP_F_STR = 1 << 0,          /* key is a byte string; slot key is struct gomap_strkey */
    GOMAP_F_BORROWED = 1 << 1,     /* string keys are not copied */
    GOMAP_F_KEY_INDIRECT = 1 << 2, /* slot key is struct gomap_cellkey */
    GOMAP_F_VAL_INDIRECT = 1 << 3, /* slot value is a pointer to a cell with a stable address */
    GOMAP_F_USER_HASH = 1 << 4,
    GOMAP_F_USER_EQ = 1 << 5,
    GOMAP_F_PLAIN = 1 << 7,  /* entries own nothing: no copies, cells, or destroy functions */
    GOMAP_F_HASH32 = 1 << 6, /* the slot stores the high 32 hash bits; only they choose the group */
};

/* A growth or shrink in progress (gomap_side.walk). */
enum { GOMAP_WALK_NONE = 0, GOMAP_WALK_GROW = 1, GOMAP_WALK_SHRINK = 2 };

/* gomap.writing: puts and deletes call hooks of the program (observe.h). */
enum { GOMAP_WRITING_HOOKED = 2 };

/* The key part of a slot for byte-string keys. */
struct gomap_strkey {
    const char *ptr;
    uint32_t len;
    uint32_t hash_hi; /* hash >> 32 */
};

/* The key part of a slot for keys that live out of line. */
struct gomap_cellkey {
    void *ptr;
    uint32_t hash_hi; /* hash >> 32 */
    uint32_t unused;
};

/* A type of map, as made at one place: sizes in bytes.  Interned: one per distinct type and site, never
 * freed, never changed. */
struct gomap_desc {
    uint32_t size; /* sizeof(struct gomap_desc) */
    uint32_t flags;
    uint32_t key_size, key_align; /* as the user sees them (strings: 16, 8) */
    uint32_t val_size, val_align;
    uint32_t slot_size;     /* distance of two slots; at least 1 */
    uint32_t slot_key_size; /* bytes of the slot's key part */
    uint32_t val_off;       /* where the value, or the pointer to its cell, starts in the slot */
    uint32_t slot_val_size; /* bytes of the slot's value part */
    uint32_t node_off;      /* where the first slot starts in a chain node */
    uint32_t node_size;     /* bytes of a chain node */
    uint32_t slot_align;    /* alignment of the slot array and of slots in nodes */
    uint32_t key_class;     /* how the library compares keys; private to it */
    const char *key_name;   /* C type names, NUL terminated; never NULL */
    const char *val_name;
    const char *site; /* "file:line" where maps of this type are made; NULL: not known */
    uint64_t (*hash)(const void *key, void *ctx); /* user functions; NULL where built in */
    int (*eq)(const void *a, const void *b, void *ctx);
    int (*key_copy)(void *dst, const void *src, void *ctx);
    void (*key_destroy)(void *key, void *ctx);
    int (*val_copy)(void *dst, const void *src, void *ctx);
    void (*val_destroy)(void *val, void *ctx);
    void *unused;                  /* the functions' context is a map's own, not the type's */
    const struct gomap_desc *next; /* list of all types of this library copy */
};

/* A node of an overflow chain: 4 slots behind this header, at gomap_desc.node_off. */
struct gomap_node {
    struct gomap_node *next;
    uint8_t tag[GOMAP_NODE_SLOTS]; /* tophash of each slot, 0 = empty */
    uint8_t unused[4];
};

/* An entry of the stash's last resort, for keys that no hash can tell apart: a list in order of
 * insertion; one slot follows at gomap_desc.node_off. */
struct gomap_flood {
    struct gomap_flood *next, *prev;
    uint64_t serial;
    uint64_t hash;
};

/* The map.  128 bytes; the first 64 are all a lookup needs.
 *
 * A link word (links[quad]) is a struct gomap_node pointer with bit 0 set when entries of this
 * quad are in the stash.  Metadata of group g: meta + 16 g: 15 tophash bytes (0 = empty) and one
 * overflow byte: bit (tophash >> 5) is set if an entry of that class whose home is g lies elsewhere
 * in the quad, in its chain or in the stash.  Slot s of group g: slots + (15 g + s) * slot_size.
 * Home group: high 64 bits of position * ngroups; position = hash, or, with GOMAP_F_HASH32, the
 * hash with its low 32 bits cleared. */
struct gomap {
    uint64_t split;   /* positions below it are (still, or already) in the geometry side->lo_*; 0: none are */
    uint64_t ngroups; /* at least 1 */
    uint8_t *meta;
    uint8_t *slots;
    uint64_t seed[4];

    uint64_t count;   /* entries, those of the stash included */
    uint64_t limit;   /* an insert at count >= limit takes the slow path (0 while a walk runs) */
    uintptr_t *links; /* one word a quad; NULL in modes EMPTY and SMALL */
    const struct gomap_desc *desc;
    struct gomap_side *side; /* NULL until needed */
    uint64_t id;             /* registry generation << 32 | registry index + 1; unique in the process */
    uint32_t seq;            /* odd while geometry changes */
    uint32_t epoch;          /* bumped when an entry moved or went (iterators look at it) */
    uint8_t mode;
    uint8_t hash_kind;
    uint8_t cap;     /* slots of group 0 in mode SMALL, else 15 */
    uint8_t writing; /* fork generation | 1 while a write is under way, else 0; GOMAP_WRITING_HOOKED beside either */
    uint32_t cookie; /* GOMAP_COOKIE; cleared before the map is freed */
};

/* Counts of rare things since the map was made, or since it first left mode SMALL with default
 * settings (the side record does not exist before). */
struct gomap_counters {
    uint64_t grows, shrinks;               /* begun; a table of at most 128 entries is moved at once */
    uint64_t moved;                        /* entries moved by them */
    uint64_t move_max;                     /* most entries moved by one write */
    uint64_t grow_failed;                  /* growths put off for want of memory */
    uint64_t stashed;                      /* entries that ever went to the stash */
    uint64_t alarms;                       /* chain alarms */
    uint64_t madvise_calls, madvise_bytes; /* memory handed back to the OS */
    uint64_t reseeds, clears;
    uint64_t inconsistent; /* hash functions caught changing their mind */
};

/* What a map needs beyond its header; made on demand, freed with the map. */
struct gomap_side {
    uint32_t size;  /* bytes of this allocation, at least sizeof(struct gomap_side) */
    uint32_t walk;  /* GOMAP_WALK_* */
    uint64_t moves; /* = counters.moved, for bulk readers */
    /* geometry of positions below split while a walk runs (grow: the old one, shrink: the new one).  Where the two are
     * arrays of their own, quads that hold no position of their side of split are not even zeroed. */
    uint64_t lo_ngroups;
    uint8_t *lo_meta;
    uint8_t *lo_slots;
    uintptr_t *lo_links;
    uint64_t walk_quads_done, walk_quads_total;
    uint64_t lo_bytes, hi_bytes; /* allocated table bytes of a block or small table; range: committed */
    uint64_t grow_at;            /* entries at which the next growth starts */
    uint64_t grow_groups;        /* groups it will have (0: not known) */
    uint64_t delete_floor;       /* a delete that leaves at least so many entries has nothing else to do */
    uint8_t *range_base;         /* mode RANGE: start of the reservation */
    uint64_t range_bytes;        /* reserved address space */
    uint64_t nodes, chained;     /* chain nodes and the entries in them */
    uint64_t arena_bytes;        /* memory held for cells, strings and nodes beyond mode SMALL */
    uint64_t cell_bytes;         /* of it (or of single allocations): key and value cells in use */
    uint64_t string_bytes;       /* and string copies in use (with their NUL) */
    uint64_t node_bytes;         /* and chain nodes in use */
    uint64_t loose_bytes;        /* cells, strings, nodes that are allocations of their own */
    struct gomap *stash;         /* NULL: none */
    struct gomap_flood *flood;   /* only in a stash: first of the list */
    uint64_t flood_count;
    const char *name;       /* NUL terminated; NULL: none */
    uint64_t created_ns;    /* CLOCK_MONOTONIC */
    uint64_t last_write_ns; /* coarse; of the last write that took a slow path */
    struct gomap_counters counters;
};

/* ---- Go's classic map (gomap/classic.h): kind GOMAP_KIND_CLASSIC --------------------------------------------
 *
 * Go's header, bucket and constants, as up to Go 1.23.  A bucket is 8 tophash bytes, 8 keys, 8 elems, the overflow
 * word; its number for a hash is hash & (2^B - 1).  tophash: the hash's highest 8 bits, plus 5 if below 5, or one of
 * the marks below.  Keys and elems above 128 bytes are pointers to cells.
 *
 * Read it as a gomap is read: id and cookie lie where struct gomap has them, seq is odd while the header's geometry, an
 * old bucket, or an overflow chain changes; count alone, tophash bytes and slots may change at any time. */
enum { GOMAP_KIND_GOMAP = 0, GOMAP_KIND_CLASSIC = 1 };
#define GOMAP_COOKIE_CLASSIC 0x434d6f47u /* "GoMC" */

/* tophash values that are no hash */
enum {
    GOMAP_TOP_EMPTY_REST = 0, /* this slot and all behind it, in later overflow buckets too, are empty */
    GOMAP_TOP_EMPTY_ONE = 1,
    GOMAP_TOP_EVACUATED_X = 2, /* the entry went to the lower half of the larger array */
    GOMAP_TOP_EVACUATED_Y = 3, /* to the upper half */
    GOMAP_TOP_EVACUATED_EMPTY = 4,
    GOMAP_TOP_MIN = 5,
};
/* gomap_hmap.flags */
enum {
    GOMAP_HMAP_ITERATOR = 1,     /* there may be an iterator using buckets */
    GOMAP_HMAP_OLD_ITERATOR = 2, /* and oldbuckets */
    GOMAP_HMAP_WRITING = 4,
    GOMAP_HMAP_SAME_SIZE = 8, /* the growth under way is to the same size */
};
/* gomap_classic_desc.flags; the first five are Go's own */
enum {
    GOMAP_CF_KEY_INDIRECT = 1 << 0,
    GOMAP_CF_ELEM_INDIRECT = 1 << 1,
    GOMAP_CF_REFLEXIVE = 1 << 2, /* every key equals itself */
    GOMAP_CF_KEY_UPDATE = 1 << 3,
    GOMAP_CF_HASH_FIRST = 1 << 4,
    GOMAP_CF_KEY_POINTERS = 1 << 5,  /* the key holds pointers */
    GOMAP_CF_ELEM_POINTERS = 1 << 6, /* the elem does */
    GOMAP_CF_POINTERS = 1 << 7,      /* the bucket does, cells counted */
};
enum { GOMAP_BUCKET_SLOTS = 8, GOMAP_BUCKET_KEYS = 8 }; /* slots; where the keys begin */

/* A type of classic map, as made at one place.  Interned, never freed, never changed. */
struct gomap_classic_desc {
    uint32_t size; /* sizeof(struct gomap_classic_desc) */
    uint32_t flags;
    uint32_t key_size, key_align; /* as the user sees them */
    uint32_t elem_size, elem_align;
    uint32_t key_slot, elem_slot;    /* bytes in the bucket: a pointer's where it is indirect */
    uint32_t elem_off, overflow_off; /* in the bucket */
    uint32_t bucket_size;
    uint32_t path; /* GOMAP_CLASSIC_PATH_* of classic.h */
    uint32_t keys; /* enum gomap_classic_keys of classic.h */
    uint32_t unused;
    const char *key_name, *elem_name;                            /* never NULL */
    const char *site;                                            /* NULL: not known */
    uint64_t (*hash)(const void *key, uint32_t seed, void *ctx); /* NULL: built in */
    int (*eq)(const void *a, const void *b, void *ctx);
    const struct gomap_classic_desc *next;
};

/* Blocks of memory with a link in front: overflow buckets and cells; `size` bytes follow. */
struct gomap_loose {
    struct gomap_loose *next;
    uint64_t size;
};
struct gomap_loose_list {
    struct gomap_loose *first;
    uint64_t count, bytes; /* bytes with the links */
};

/* Go's extra record, 24 bytes. */
struct gomap_mapextra {
    struct gomap_loose_list *overflow;    /* of buckets; as in Go only for types without pointers */
    struct gomap_loose_list *oldoverflow; /* of oldbuckets */
    void *next_overflow; /* the next unused overflow bucket of the array's pool; NULL: none left */
};

/* Go's header, 48 bytes. */
struct gomap_hmap {
    intptr_t count;
    uint8_t flags;
    uint8_t B;          /* 2^B buckets */
    uint16_t noverflow; /* overflow buckets, exact below B = 16, then a sample */
    uint32_t hash0;
    uint8_t *buckets;    /* NULL: none yet (B is 0) */
    uint8_t *oldbuckets; /* NULL: no growth under way */
    uintptr_t nevacuate; /* old buckets below it are evacuated */
    struct gomap_mapextra *extra;
};

struct gomap_classic_counters {
    uint64_t grows, same_size_grows; /* begun */
    uint64_t grow_failed;            /* put off for want of memory */
    uint64_t evacuated, moved;       /* old buckets, and the entries in them */
    uint64_t overflows;              /* overflow buckets linked, ever */
    uint64_t clears, reseeds;
};

/* A classic map: Go's header first, then what Go's runtime knows by other ways. */
struct gomap_classic {
    struct gomap_hmap h;
    const struct gomap_classic_desc *desc;
    const char *name;                /* NULL: none */
    uint64_t array_buckets;          /* of buckets, the pool of overflow buckets included */
    uint64_t old_array_buckets;      /* of oldbuckets */
    uint64_t array_bytes, old_bytes; /* allocated for them, with what the library adds */
    uint64_t held_bytes;             /* for iterators only, or set aside for an evacuation */
    uint64_t id;                     /* as in struct gomap */
    uint32_t seq;                    /* odd while geometry changes */
    uint32_t size;                   /* bytes of this allocation */
    uint32_t unused;
    uint32_t cookie;                             /* GOMAP_COOKIE_CLASSIC; cleared before the map is freed */
    uint64_t overflow_count, old_overflow_count; /* overflow buckets beside the pool, each a loose block */
    uint64_t old_evacuated;                      /* of the growth under way: old buckets that are done */
    uint64_t cell_bytes;                         /* keys and elems above 128 bytes, with their links */
    uint64_t created_ns;                         /* CLOCK_MONOTONIC */
    struct gomap_mapextra extra;                 /* what h.extra points to, once Go would have made it */
    struct gomap_classic_counters counters;
};

/* The registry: a list of chunks that are never freed; a map holds one entry. */
enum { GOMAP_CHUNK_ENTRIES = 254 };
struct gomap_chunk_entry {
    struct gomap *map; /* NULL: free; with another kind the struct of that kind */
    uint32_t gen;      /* of the present, or the last, map in this entry */
    uint32_t kind;     /* GOMAP_KIND_*; a reader passes over kinds it does not know, and says so */
};
struct gomap_chunk {
    struct gomap_chunk *next;
    uint32_t base; /* registry index of entry[0] */
    uint32_t used; /* entries in use (a hint) */
    struct gomap_chunk_entry entry[GOMAP_CHUNK_ENTRIES];
};

/* Flight recorder: the last GOMAP_RING_EVENTS rare events, oldest overwritten. */
enum {
    GOMAP_EV_NONE,
    GOMAP_EV_NEW,
    GOMAP_EV_FREE,
    GOMAP_EV_GROW_START,
    GOMAP_EV_GROW_DONE,
    GOMAP_EV_SHRINK_START,
    GOMAP_EV_SHRINK_DONE,
    GOMAP_EV_MADVISE,
    GOMAP_EV_RESEED,
    GOMAP_EV_CLEAR,
    GOMAP_EV_OOM,
    GOMAP_EV_ALARM,
    GOMAP_EV_MISUSE,
    GOMAP_EV_RETIRE, /* memory of a table, above one group, was given up: address and bytes */
    GOMAP_EV_BEGIN,  /* a region of the program's own (observe.h): address of its name; map_id 0 */
    GOMAP_EV_END,    /* of the innermost region of the thread: the same address */
    GOMAP_EV_NOTE,   /* an event of the program's own: address of its name, value; map_id 0 */
    GOMAP_EV_MAX     /* kinds are only ever added: a reader passes over those it does not know */
};
enum { GOMAP_RING_EVENTS = 4096 };
struct gomap_event {
    uint64_t ticket;  /* 1 + position in the ring's history; 0 or a mismatch: being written */
    uint64_t time_ns; /* CLOCK_MONOTONIC */
    uint64_t map_id;
    uint32_t kind; /* GOMAP_EV_* */
    uint32_t thread; /* of the kernel, that recorded it */
    /* grow, shrink: groups before and after; madvise, retire: address and bytes; free: entries, address of the
     * map; else 0 or named in docs */
    uint64_t a, b;
};

struct gomap_root {
    char magic[16];
    uint32_t version;       /* GOMAP_INSPECT_VERSION */
    uint32_t size;          /* sizeof(struct gomap_root) */
    uint32_t pointer_bytes; /* sizeof(void *) */
    uint32_t map_size, side_size, desc_size, node_size, chunk_size, event_size, chunk_entries;
    uint32_t pid_started; /* 1 once the library has made a map in this process */
    int32_t more;         /* bytes from here to struct gomap_more; 0: this library has none */
    uint64_t self; /* address of this root at run time, set at load */
    struct gomap_chunk *chunks;
    const struct gomap_desc *descs;
    struct gomap_event *ring;
    uint64_t ring_events; /* GOMAP_RING_EVENTS */
    uint64_t ring_head;   /* events ever recorded */
    uint64_t maps_made, maps_freed;
    uint64_t registry_failed;    /* maps that could not be registered (out of memory) */
    uint64_t wall_minus_mono_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC at load */
    char library[32];            /* version of the library */
};

/* ---- what came after version 1 was frozen -------------------------------------------------------------------
 *
 * struct gomap_more lies at the address of the root + root.more.  It only ever grows, at its end: `size` tells what of it
 * there is.
 *
 * How long things took (observe.h: policy.times).  Bucket i counts durations from gomap_inspect_bucket_ns(i) on, up to that
 * of i + 1: two to an octave; the last has all above 3.2 s.  All of it is counted by many threads: sums may be a moment
 * ahead of each other. */
enum { GOMAP_TIME_GROW = 0, GOMAP_TIME_MOVE = 1, GOMAP_TIME_ALLOC = 2, GOMAP_TIMES = 3 };
enum { GOMAP_TIME_BUCKETS = 64, GOMAP_SLOWEST = 8 };
struct gomap_times {
    uint64_t count, sum_ns, max_ns;
    uint64_t bucket[GOMAP_TIME_BUCKETS];
};
/* One of the longest. */
struct gomap_slow {
    uint64_t ns;      /* 0: none, or being written */
    uint64_t time_ns; /* when it ended: CLOCK_MONOTONIC */
    uint64_t map_id, entries;
    uint32_t stack; /* see below; 0: not known */
    uint32_t thread;
};
/* Call stacks by number, if policy.stacks is on: stack n is callers[n - 1].  Never changed, never removed. */
enum { GOMAP_CALLERS = 1024, GOMAP_CALLERS_FRAMES = 30 };
struct gomap_callers {
    uint64_t hash;   /* 0: free */
    uint32_t frames; /* 0: being written */
    uint32_t unused;
    uint64_t pc[GOMAP_CALLERS_FRAMES]; /* innermost first: addresses within the call instructions */
};
/* What maps take, sampled (observe.h: policy.profile_bytes), by those who took it:
 *
 *   gomap_samples --- buckets --> gomap_sampled_bucket --all--> ...      a stack with labels, for maps of a type: sums
 *        |                          ^          '-- stack, labels         (never freed)
 *        '-- maps[0 .. map_mask] -> |  gomap_sampled_map --next--> ...   a map of which something is held
 *                                   '--- gomap_sampled_piece --below--> gomap_sampled_piece ...   its bytes, from the top
 *
 * A piece holds the bytes [from, to) of the pile that its map is, and stands for `weight` of its kind.  `seq` is odd while
 * any of it changes: read it, all that is wanted, and it again; if it differs, start over.  Bound what is followed: lists that
 * change while they are read may seem endless. */
struct gomap_sampled_stack {
    struct gomap_sampled_stack *next; /* of its hash */
    uint64_t hash;
    uint32_t frames; /* at most GOMAP_SAMPLED_FRAMES */
    uint64_t pc[];   /* innermost first: addresses within the call instructions */
};
struct gomap_sampled_labels {
    struct gomap_sampled_labels *next;
    uint32_t bytes; /* at most GOMAP_SAMPLED_LABELS */
    char text[];    /* key NUL value NUL ..., innermost first, keys once */
};
enum { GOMAP_SAMPLED_FRAMES = 64, GOMAP_SAMPLED_LABELS = 1024 };
struct gomap_sampled_bucket {
    struct gomap_sampled_bucket *next, *all; /* of its hash; of all */
    const struct gomap_sampled_stack *stack;
    const struct gomap_sampled_labels *labels; /* NULL: none */
    const void *type;                          /* struct gomap_desc, or gomap_classic_desc */
    uint32_t kind;                             /* GOMAP_KIND_* of the maps */
    double taken[2];                           /* estimates: objects and bytes, ever */
    double held[2];
    double peak[2]; /* of the peak that had the number `seen` */
    uint64_t seen;
};
struct gomap_sampled_piece {
    struct gomap_sampled_piece *below;
    struct gomap_sampled_bucket *bucket;
    struct gomap_sampled_map *map;
    uint64_t from, to;
    double weight;
};
struct gomap_sampled_map {
    struct gomap_sampled_map *next; /* of its hash */
    uint64_t id;                    /* gomap.id */
    const void *map;
    struct gomap_sampled_piece *top;
};
struct gomap_samples {
    uint32_t size; /* sizeof(struct gomap_samples), which only grows, at its end */
    uint32_t unused;
    uint64_t seq;
    const uint64_t *rate; /* bytes from one sample to the next, on the average; 0: none are taken now */
    struct gomap_sampled_bucket *buckets;
    struct gomap_sampled_map **maps; /* lists by hash; NULL: none */
    uint64_t map_mask;               /* lists - 1 */
    uint64_t nbuckets, npieces, nmaps, dropped; /* dropped: samples for which there was no memory */
    double held, peak;                          /* bytes */
    uint64_t peaks;                             /* a number for each new peak */
};
struct gomap_more {
    uint32_t size; /* sizeof(struct gomap_more) */
    uint32_t callers_room;         /* GOMAP_CALLERS */
    struct gomap_callers *callers;
    uint32_t *ring_stacks;         /* for each place of the ring the stack of its event; 0: not known */
    uint64_t callers_dropped;      /* stacks that found no room */
    struct gomap_times times[GOMAP_TIMES];
    struct gomap_slow slow[GOMAP_TIMES][GOMAP_SLOWEST]; /* in no order */
    const struct gomap_samples *samples; /* NULL: built without them */
};
static inline uint64_t gomap_inspect_bucket_ns(unsigned i) { return ((uint64_t)(2 + i % 2) << i / 2) / 2; }

/* Bytes of a table's one allocation (modes SMALL and BLOCK), and of the three areas. */
static inline uint64_t gomap_inspect_quads(uint64_t ngroups) { return (ngroups + 3) / 4; }
static inline uint64_t gomap_inspect_align(uint64_t n, uint64_t a) { return (n + a - 1) / a * a; }
/* mode SMALL: offset of the slots, and size */
static inline uint64_t gomap_inspect_small_off(const struct gomap_desc *d) {
    return gomap_inspect_align(16, d->slot_align);
}
static inline uint64_t gomap_inspect_small_bytes(const struct gomap_desc *d, uint32_t cap) {
    return gomap_inspect_small_off(d) + (uint64_t)cap * d->slot_size;
}
/* mode BLOCK: metadata first, then links, then slots */
static inline uint64_t gomap_inspect_block_off(const struct gomap_desc *d, uint64_t ngroups) {
    return gomap_inspect_align(gomap_inspect_quads(ngroups) * (64 + sizeof(uintptr_t)), d->slot_align);
}
static inline uint64_t gomap_inspect_block_bytes(const struct gomap_desc *d, uint64_t ngroups) {
    return gomap_inspect_block_off(d, ngroups) + ngroups * GOMAP_GROUP_SLOTS * d->slot_size;
}

#ifdef __cplusplus
}
#endif
#endif
