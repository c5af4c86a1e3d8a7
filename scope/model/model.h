/* model.h - the map model: what mapscope knows about a map, whatever kind it is.
 *
 * Everything shown is a function of a list of these.  Backends (gomap.c) fill them from a target's
 * memory; views and outputs see nothing else.  A figure that could not be read with certainty is marked
 * by `certainty`, and the reason stands in `doubt`; it is never made up.
 *
 * Byte accounting, all in bytes of the target's allocations (what it asked for; the overhead of its
 * malloc is not visible from outside):
 *
 *   bytes = sum of part[]           always, exactly; ms_map_sum() is asserted by whoever shows it
 *   waste = bytes - HEADER - slots of entries with their share of METADATA - CELLS - STRINGS    carries no entry
 *   rebuild_gain = bytes - what a fresh map with the same entries would need, from 0 to waste (view/totals.c)
 */
#ifndef MS_MODEL_H
#define MS_MODEL_H

#include "../error.h"
#include "../reader/reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ms_kind { MS_KIND_GOMAP, MS_KIND_GOMAP_SHARED, MS_KIND_CLASSIC, MS_KIND_GO_CLASSIC, MS_KIND_GO_SWISS, MS_KIND_GO_SYNC };

enum ms_certainty {
    MS_EXACT,    /* one consistent state */
    MS_CHANGING, /* it changed each time it was read: figures of different moments */
    MS_DAMAGED,  /* what was read contradicts itself: figures are missing or wrong */
};

/* Parts of a map's allocations. */
enum ms_part {
    MS_PART_HEADER,      /* the handle and the side record */
    MS_PART_SLOTS_LIVE,  /* key and value bytes of slots in use */
    MS_PART_SLOTS_EMPTY, /* the same of free slots */
    MS_PART_METADATA,    /* tophash and overflow bytes, chain links */
    MS_PART_PADDING,     /* alignment within slots, and between and behind the areas of the table */
    MS_PART_OVERFLOW,    /* chain nodes */
    MS_PART_MOVING,      /* the other array while a growth or shrink goes between two */
    MS_PART_CELLS,       /* keys and values out of line */
    MS_PART_STRINGS,     /* string copies */
    MS_PART_SLACK,       /* memory of the map's pool that holds nothing now */
    MS_PART_STASH,       /* the nested map for entries that no chain takes */
    MS_PARTS
};

enum ms_walk { MS_WALK_NONE, MS_WALK_GROW, MS_WALK_SHRINK };

/* How the table lies in memory, as far as forecasts need it. */
enum ms_layout { MS_LAYOUT_EMPTY, MS_LAYOUT_SMALL, MS_LAYOUT_BLOCK, MS_LAYOUT_RANGE, MS_LAYOUT_TREE };

#define MS_UNKNOWN UINT64_MAX
enum { MS_TABLE_SIZES = 8 };

/* What tells that a map once had more entries than now: bits of ms_map.signs. */
enum {
    MS_SIGN_GREW = 1,    /* its library counts growths */
    MS_SIGN_DELETES = 2, /* marks that deletes leave, or overflow buckets that its entries do not need */
    MS_SIGN_CLEARED = 4, /* it was cleared, its table kept */
};

/* How the slots of a Go map lie in its groups (Swiss) or buckets (classic), and what the allocator gives. */
struct ms_go_shape {
    uint32_t group_size; /* bytes; 0: the type of the map is not known */
    uint32_t key_off, key_stride, elem_off, elem_stride;
    uint32_t key_slot, elem_slot;  /* bytes in the slot: a pointer's where key or value lies elsewhere */
    uint32_t key_cell, elem_cell;  /* allocated bytes of one that lies elsewhere; 0: in the slot */
    uint8_t load_halves;           /* a classic map doubles beyond so many entries per two buckets: 13; 12 in Go 1.21 */
    bool pointers;                 /* groups hold any */
    bool malloc_headers;           /* objects with pointers above 512 bytes have 8 more: Go 1.22 and later */
};

struct ms_type {
    char *name; /* "key->value" */
    char *key, *value;
    char *site; /* where maps of this type are made; NULL: not known */
    uint32_t key_size, key_align, value_size, value_align;
    uint32_t slot_size, slot_payload, slot_align;
    uint32_t value_off; /* of the value in a slot of a gomap */
    uint32_t flags;     /* of the backend */
    uint32_t number;    /* of the type in a Go program, as goruntime/ counts them; 0: none */
    uint64_t addr;      /* of its description in the target; 0: not kept */
    struct ms_go_shape go;
    struct ms_type *next;
};

struct ms_map {
    uint64_t id; /* registry generation << 32 | index + 1; of a Go map its address */
    uint64_t addr;
    uint32_t copy; /* which copy of the library, from 0 */
    const struct ms_type *type;
    char *name;       /* NULL: none; bytes of the target, escape before printing */
    char *holder;     /* a path from a root to it, in a Go program; NULL: not known */
    char *place;      /* what it shares with maps held alike: the field of a type; NULL: not known */
    const char *site; /* of the type */
    char *doubt;      /* why certainty is not MS_EXACT; NULL otherwise */
    uint32_t recorded; /* its number in a recording, from 1; 0: of a target itself */
    uint8_t kind, certainty, layout, walk;
    uint8_t hash_kind, capacity_small; /* slots of a SMALL table */
    uint8_t header_bytes; /* of a classic Go map: its last field is where the next buckets of its pool are */
    uint32_t
        tables[MS_TABLE_SIZES]; /* of a Swiss map beyond its first group: tables of 8, 16, ... 1024 slots */

    uint64_t entries, slots, groups; /* groups: buckets of a classic map */
    uint64_t chained, stashed;       /* MS_UNKNOWN: only a look at the whole table tells */
    uint64_t tombstones;             /* the same */
    uint64_t growths;                   /* so far; MS_UNKNOWN: Go counts none */
    uint64_t alarms;                 /* chain alarms so far; 0 where none are counted */
    uint64_t
        leaked_by; /* goroutine that nothing can wake, and alone leads to it; 0: none, or not asked for */
    uint64_t timer_ns;                  /* only a timer leads to it, which fires in so long; 0: none, or not asked for */
    bool captured;                      /* only variables of closures in the heap lead to it; false: or not asked for */
    uint8_t signs; /* MS_SIGN_*; 0: none, or none that is known */
    double load;
    uint64_t bytes, part[MS_PARTS];
    uint64_t reserved;                  /* address space */
    uint64_t waste, rebuild_gain;       /* view/totals.c */
    uint64_t fresh_bytes;               /* a fresh map with the same entries; MS_UNKNOWN: view/totals.c knows */
    uint64_t resident, swapped;         /* MS_UNKNOWN: not asked for */
    uint64_t walk_done, walk_total;     /* quads; old buckets of a classic map */
    uint64_t grow_at;                   /* entries at which it grows next; MS_UNKNOWN */
    uint64_t grow_likely;               /* where grow_at is chance (tables of a Swiss map): about when; MS_UNKNOWN */
    uint64_t grow_groups;               /* groups it will have; 0: not known */
    uint64_t grow_bytes, grow_peak;     /* view/totals.c: table bytes after, and while; MS_UNKNOWN */
    uint64_t created_ns, last_write_ns; /* CLOCK_MONOTONIC; 0: not known */
};

/* One copy of a map library in the target. */
struct ms_copy {
    uint64_t root;
    char *image;   /* path of the ELF image it is part of */
    char *version; /* of the library */
    uint64_t maps_made, maps_freed, unregistered;
    uint64_t wall_minus_mono_ns;
    bool started;
    bool readable; /* false: a layout this tool does not know; its maps are not shown */
};

/* How the bytes of a target were read. */
enum ms_mode {
    MS_MODE_LIVE,     /* while it ran */
    MS_MODE_STOP,     /* while it was stopped */
    MS_MODE_SNAPSHOT, /* from a copy of it */
    MS_MODE_CORE,     /* from a core file */
};

/* The process as far as it is shown. */
struct ms_target {
    int pid;
    unsigned uid;
    char *comm, *exe;           /* bytes of the target */
    uint64_t age_ns, rss_bytes; /* 0: not known */
    size_t images, mappings;
    char *core;     /* path of the core file; NULL: a live process */
    int signal;     /* that ended it; 0: not known */
    size_t threads; /* of a core */
    enum ms_mode mode;
    bool late;         /* it ran again before all was read */
    uint64_t pause_ns; /* for how long it was stopped */
    char *recording;   /* path of the recording; NULL: the target itself */
    uint64_t moment, moments, taken_ns; /* of the recording: which, of how many, when (CLOCK_REALTIME) */
};

/* The target's allocator, where it can be asked. */
struct ms_allocator {
    /* Allocated bytes of the object at addr; 0: not known. */
    uint64_t (*size)(void *ctx, uint64_t addr);
    void *ctx;
};

struct ms_snapshot {
    struct ms_target target;
    struct ms_allocator allocator; /* size NULL: none */
    char *runtime;                 /* "go1.26.8"; NULL: not a Go program */
    struct ms_copy *copy;
    size_t copies, copy_room;
    struct ms_map *map;
    size_t maps, room;
    struct ms_type *types;
    char **note; /* lines for the user about what is not shown or not sure */
    size_t notes, note_room;
    bool uncertain; /* exit code 4 */
};

/* Kinds of events that probes tell of Go programs: two of the library's flight recorder (inspect.h), and own ones. */
enum {
    MS_EVENT_GROW = 3, /* a, b = groups before and after */
    MS_EVENT_GROWN,
    MS_EVENT_ASSIGN = 64, /* a = entries */
    MS_EVENT_ALLOC,       /* a large allocation: a = bytes */
    MS_EVENT_PAUSE,       /* all threads of the program stop: a = why */
    MS_EVENT_PAUSED,      /* and go on */
    MS_EVENT_FAULTS,      /* a = page faults of one thread since its last such event */
    MS_EVENT_CPU,         /* a sample of CPU time */
};

/* A rare event of a map, from the target's flight recorder or from a probe. */
struct ms_event {
    uint64_t ticket, time_ns, map_id, a, b;
    uint32_t kind;
    uint32_t copy;
    uint32_t thread; /* of the kernel; 0: not known */
};

struct ms_counter {
    const char *name;
    uint64_t value;
};

/* Durations that a gomap process has counted (policy.times), ns; of all its maps. */
enum { MS_TIMES = 3, MS_SLOW_MAX = 24, MS_SLOW_FRAMES = 30 };
struct ms_time {
    uint64_t count, sum, half, most_of, longest; /* half, 99 % of them were no longer */
};
/* One of the longest. */
struct ms_slow {
    unsigned what; /* ms_time_name */
    uint64_t ns, time_ns, entries;
    uint32_t thread, frames;
    uint64_t pc[MS_SLOW_FRAMES]; /* innermost first */
};

/* Occupancy of a run of groups. */
struct ms_cells {
    uint64_t first, groups; /* groups looked at: [first, first + groups) */
    uint64_t per_cell;      /* groups a cell stands for */
    size_t count;
    uint64_t *live;       /* live slots per cell */
    unsigned group_slots; /* 15, or what a SMALL table has; 8 in a classic map */
    uint8_t *area;        /* enum ms_area */
};
enum ms_area {
    MS_AREA_PLAIN, /* no growth: all of the table */
    MS_AREA_LOW,   /* positions below the split: under the smaller geometry */
    MS_AREA_GAP,   /* between the two: holds nothing now */
    MS_AREA_HIGH,  /* above the split */
};

/* One group, byte by byte. */
struct ms_group {
    uint64_t index;
    uint8_t tophash[15], overflow;
    uint8_t slots, live, area;
    uint64_t addr;                       /* of its metadata */
    uint64_t slots_at;                   /* of its slots, where they do not follow the metadata; else 0 */
    uint32_t chain_nodes, chain_entries; /* of its quad */
    bool stash_link;
};

enum { MS_CHAIN_BUCKETS = 34 };
struct ms_detail {
    struct ms_map map;
    struct ms_counter counter[16];
    size_t counters;
    uint64_t occupancy[17];           /* groups with 0..16 live slots; 16 only in the nodes of a sync.Map */
    uint64_t chain[MS_CHAIN_BUCKETS]; /* quads with n entries in their chain; last: that many or more */
    uint64_t overflowed_groups;       /* groups whose overflow byte is not 0 */
    uint64_t stash_quads;             /* quads with entries in the stash */
    uint64_t quads;
    uint64_t retained_bytes, retained_objects; /* reached through it only, itself included; 0: not asked for */
    uint64_t error_bound; /* of the histograms, in entries */
    bool histograms_complete;
    bool figures_only; /* of a recording: no histograms, counters and events; not complete then */
    struct ms_event *event;
    size_t events;
    struct ms_time time[MS_TIMES];     /* of the process */
    struct ms_slow slow[MS_SLOW_MAX]; /* of this map, longest first */
    size_t slow_count;
    uint64_t split, lo_groups; /* while a walk runs */
    bool two_arrays;
};

void ms_snapshot_init(struct ms_snapshot *s);
void ms_snapshot_free(struct ms_snapshot *s);
void ms_snapshot_note(struct ms_snapshot *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct ms_map *ms_snapshot_add(struct ms_snapshot *s);

static inline bool ms_map_of_go(const struct ms_map *m) {
    return m->kind == MS_KIND_GO_CLASSIC || m->kind == MS_KIND_GO_SWISS || m->kind == MS_KIND_GO_SYNC;
}

/* Sum of part[]: equals bytes. */
uint64_t ms_map_sum(const struct ms_map *m);
const char *ms_part_name(enum ms_part part);  /* JSON names */
const char *ms_part_title(enum ms_part part); /* for people */
const char *ms_kind_name(enum ms_kind kind);
const char *ms_certainty_name(enum ms_certainty c);
const char *ms_layout_name(enum ms_layout l);
const char *ms_walk_name(enum ms_walk w);
const char *ms_mode_name(enum ms_mode m);
const char *ms_event_name(uint32_t kind);
const char *ms_time_name(unsigned what);
const char *ms_area_name(enum ms_area a);

/* "index.generation", with "@copy" from the second copy on; of a Go map its address: what the user types. buf of 64. */
void ms_map_id(const struct ms_map *m, char *buf);
/* name, or type@site; allocated. */
char *ms_map_label(const struct ms_map *m);
/* "map[string]int", of a Go map whose type has a name of its own; NULL: it has none, or of others.  Allocated. */
char *ms_map_underlying(const struct ms_map *m);

/* ---- looking at one map, of whatever kind ------------------------------------------------------- */

/* Resident and swapped bytes of the map's header and table. */
int ms_map_resident(struct ms_reader *r, struct ms_snapshot *s, struct ms_map *m, struct ms_error *err);
/* Everything about one map, histograms over its whole table and its events included. */
int ms_map_detail(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, struct ms_detail *out,
                  struct ms_error *err);
/* The same without histograms and events: one small look. */
int ms_map_detail_head(struct ms_reader *r, const struct ms_map *m, struct ms_detail *out,
                       struct ms_error *err);
void ms_detail_free(struct ms_detail *d);
/* Occupancy of groups [first, first + count) in at most max_cells cells; `other`: of the second array of
 * a walk between two.  out->count 0: there is no such array. */
int ms_map_cells(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, bool other,
                 uint64_t first, uint64_t count, size_t max_cells, struct ms_cells *out,
                 uint64_t *error_bound, struct ms_error *err);
void ms_cells_free(struct ms_cells *c);
/* Groups [first, first + count), at most 4096, byte by byte. *out allocated. */
int ms_map_groups(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, uint64_t first,
                  uint64_t count, struct ms_group **out, size_t *n, struct ms_error *err);

/* ---- backends: one file each ------------------------------------------------------------------- */

/* The functions above, for maps of one kind. */
struct ms_telling;
struct ms_backend {
    int (*resident)(struct ms_reader *r, struct ms_snapshot *s, struct ms_map *m, struct ms_error *err);
    int (*detail)(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, struct ms_detail *out,
                  struct ms_error *err);
    int (*detail_head)(struct ms_reader *r, const struct ms_map *m, struct ms_detail *out,
                       struct ms_error *err);
    int (*cells)(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, bool other,
                 uint64_t first, uint64_t count, size_t max_cells, struct ms_cells *out,
                 uint64_t *error_bound, struct ms_error *err);
    int (*groups)(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, uint64_t first,
                  uint64_t count, struct ms_group **out, size_t *n, struct ms_error *err);
    int (*pieces)(struct ms_telling *t, const struct ms_snapshot *s, const struct ms_map *m, bool deep,
                  struct ms_error *err); /* pieces.h */
};
extern const struct ms_backend ms_gomap_backend, ms_classic_backend, ms_go_classic_backend,
    ms_go_swiss_backend, ms_go_sync_backend;
extern const struct ms_backend ms_rec_backend; /* recorded maps, of whatever kind: record/ */

/* Look at a possible root; if it is one of this backend's, add the copy and, if want_maps, its maps.
 * `image` is the path of the ELF file it lies in.  Returns MS_OK (also: not a root; *is_root tells),
 * MS_GONE. */
int ms_gomap_load(struct ms_reader *r, uint64_t root, const char *image, bool want_maps,
                  struct ms_snapshot *out, bool *is_root, struct ms_error *err);
/* A registry entry of kind GOMAP_KIND_CLASSIC: add the map to the snapshot. */
enum ms_read ms_classic_load(struct ms_reader *r, uint64_t addr, uint64_t id, uint64_t entry, uint32_t copy,
                             struct ms_snapshot *out);
/* Allocated bytes of an object of that size in a Go program; headers: those with pointers have 8 bytes more above
 * 512 (Go 1.22 and later). */
uint64_t ms_go_allocated(uint64_t size, bool pointers, bool headers);
/* Allocated bytes of an array of so many groups of a Swiss map, or of the array of a classic one with 2^b buckets and its
 * pool; *buckets: all that fit, the pool's included. */
uint64_t ms_go_groups_allocated(const struct ms_go_shape *s, uint64_t groups);
uint64_t ms_go_buckets_allocated(const struct ms_go_shape *s, unsigned b, uint64_t *buckets);
/* What make(hint) gives, once `entries` are in it: expected figures, for which tables or buckets get more than their share
 * is chance; spread: two standard deviations of the bytes.  Header, keys and values elsewhere are not part of it. */
struct ms_go_made {
    uint64_t bytes, slots, spread;
};
void ms_go_swiss_made(const struct ms_go_shape *s, uint64_t hint, uint64_t entries, struct ms_go_made *out);
void ms_go_classic_made(const struct ms_go_shape *s, uint64_t hint, uint64_t entries, struct ms_go_made *out);
/* The header of a map of a Go program, and what is known of the map without reading it. */
struct ms_go_header {
    uint64_t addr;
    const struct ms_type *type; /* NULL: not known */
    char *holder, *place;       /* as in struct ms_map; NULL once a map of the snapshot has them */
    bool maybe; /* only a word of a stack, which may be dead, says so: what does not look like a map is none */
};
/* Add them to the snapshot, in this order.  The first two read all n together, and those that change meanwhile once
 * more, alone. */
enum ms_read ms_go_classic_load(struct ms_reader *r, struct ms_go_header *at, size_t n, uint8_t header_bytes,
                                struct ms_snapshot *out);
enum ms_read ms_go_swiss_load(struct ms_reader *r, struct ms_go_header *at, size_t n, struct ms_snapshot *out);
enum ms_read ms_go_sync_load(struct ms_reader *r, struct ms_go_header *at, struct ms_snapshot *out);
/* All events of a copy of the library, or (map_id not 0) of one map, oldest first; *out allocated. */
int ms_gomap_ring(struct ms_reader *r, const struct ms_copy *copy, uint32_t number, uint64_t map_id,
                  struct ms_event **out, size_t *count, struct ms_error *err);
/* Does it say that memory of a map was given up, and which?  header: of the map itself, which was freed. */
bool ms_event_gave_up(const struct ms_event *e, uint64_t *addr, uint64_t *bytes, bool *header);
bool ms_event_freed(const struct ms_event *e);
bool ms_event_madvise(const struct ms_event *e);
/* d->time and d->slow, if the process has any. */
void ms_gomap_times(struct ms_reader *r, const struct ms_copy *copy, struct ms_detail *d);
/* Events of a map, from the flight recorder of its copy of the library, and durations. */
int ms_gomap_events(struct ms_reader *r, const struct ms_copy *copy, const struct ms_map *m,
                    struct ms_detail *d, struct ms_error *err);
extern const char ms_gomap_note_owner[], ms_gomap_symbol[];
extern const uint32_t ms_gomap_note_type;

#endif
