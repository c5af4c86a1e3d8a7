/* goruntime.h - the maps of a Go program, found by walking its heap from outside, the way its own collector does.
 *
 * The collector knows every pointer; the type of an object it knows only where that is written down.  So a
 * walk goes two ways, the better one first:
 *
 *   typed     from a global, whose type the debug information gives, along fields: at each pointer the type behind
 *             it is known.  This names things: main.registry.sessions[*].attrs
 *   untyped   what no typed path covers (unsafe.Pointer, closures before Go 1.23, values on stacks, a program
 *             without debug information): words that the collector takes for pointers.  An object met this way gets
 *             its type from the header its allocation has (Go 1.22, above 512 bytes), from the type word beside
 *             it in an interface, from the function a closure starts with; a map's header is known by its shape.
 *
 *                 roots                     heap                                found
 *    data, bss ---typed---> object ---typed---> object ---typed---> map header ---> (address, type, path)
 *    (masks)   --untyped--> object (word, word, word)                  |
 *    stacks    --untyped--> object with a type in its header --typed--- buckets or groups ---> keys, values ...
 *
 * All words of all objects that may hold pointers are numbered, area by area (a span of the heap, a data segment, a
 * stack).  Per word one bit says that it was looked at, another that it is a pointer; per object eight bytes say from
 * which word it was first reached, and as what it was looked at.  Beside what waits to be looked at that is all the memory
 * a walk takes: a path is not kept, it is found again by going from a map's header back to a root and naming every step
 * on the way (gopath.c).
 *
 *     area  | start end | elem | first_word | first_object |       seen[word]    object[].from = word + 1
 *
 * Nothing is stopped: words may change while they are read.  A map found is read again by its backend
 * (model/go_swiss.c, model/go_classic.c), which says how sure its figures are.  What the target says is bounded before
 * it is believed: a length by the object that holds it, an object by its span, a type by its module.
 *
 * Files: gomem.c bytes through a cache; golayout.c offsets; gosearch.c, gomodule.c the runtime's variables and modules; gotypes.c; gofields.c; goheap.c areas
 * and objects, goarea.c how they are found; goroots.c; gostack.c words of frames; gowalk.c; goreach.c pointers on their way; gosort.c; goguess.c types of untyped objects; goshape.c
 * types of maps by their tables; gopath.c, gosteps.c.
 */
#ifndef MS_GORUNTIME_H
#define MS_GORUNTIME_H

#include "../elf/elfscan.h"
#include "../elf/gobuildinfo.h"
#include "../elf/godwarf.h"
#include "../elf/gopclntab.h"
#include "../error.h"
#include "../memtype.h"
#include "../reader/reader.h"

#include <assert.h>
#include <string.h>

enum { MS_GO_PTR = 8, MS_GO_PAGE = 8192, MS_GO_OLDEST = 18, MS_GO_NEWEST = 27 };

/* ---- golayout.c: where things are in the runtime's structs ---------------------------------------- */

/* Offsets in bytes.  MS_GO_NONE: this version has no such field. */
enum { MS_GO_NONE = UINT32_MAX };
struct ms_golayout {
    uint32_t md_text, md_etext, md_data, md_edata, md_bss, md_ebss, md_types, md_etypes, md_gofunc,
        md_typelinks, md_gcdatamask, md_gcbssmask, md_next; /* runtime.moduledata */
    uint32_t md_typedesclen; /* 1.27: bytes of descriptors, in place of typelinks */
    uint32_t mheap_allspans, mheap_arenas;
    uint32_t span_start, span_pages, span_freeindex, span_nelems, span_allocbits, span_class, span_state,
        span_elemsize, span_specials, span_largetype;
    uint32_t g_lo, g_hi, g_sp, g_pc, g_status, g_goid, g_syscallsp, g_syscallpc;
    uint32_t chan_count, chan_buf, chan_elemtype;
    uint32_t map_header; /* bytes of a map's header: 48; 56 in the classic maps of 1.24 and 1.25 */
    bool swiss;          /* which kind of map the program has */
    bool narrow_counts;  /* nelems and freeindex are 16 bits wide: 1.22 and later */
    bool scan_bits;      /* a word's pointer bit has a second one with it: up to 1.19 */
    bool heap_bits;      /* pointer bits lie in the span, types before the objects: 1.22 and later */
    bool inline_marks;   /* 128 bytes of mark bits behind the pointer bits: 1.26 and later */
    bool
        direct_in_flags; /* a type says in TFlag that it is stored in an interface directly: 1.26 and later */
    bool wide_map_type;  /* the map type of 1.27, with strides */
};

struct ms_go;
int ms_golayout_choose(struct ms_go *go, struct ms_error *err);
/* Which kind of map a program without debug information has: its functions tell.  Once modules are loaded. */
void ms_golayout_kind(struct ms_go *go);

/* ---- gomem.c: bytes of the target through a cache ------------------------------------------------- */

enum { MS_GO_BLOCK = 8192, MS_GO_KEPT_BYTES = 128 << 20 }; /* at most */

/* All len bytes, or false; go->gone then tells whether the target ended.  What was read once may be seen again as it
 * was then, until ms_gomem_forget. */
bool ms_gomem_read(struct ms_go *go, uint64_t addr, void *buf, size_t len);
static inline bool ms_gomem_word(struct ms_go *go, uint64_t addr, uint64_t *out);
bool ms_gomem_word_of_block(struct ms_go *go, uint64_t addr, uint64_t *out);
void ms_gomem_forget(struct ms_go *go);
void ms_gomem_close(struct ms_go *go);

/* ---- gomodule.c ----------------------------------------------------------------------------------- */

struct ms_gomodule {
    uint64_t text, etext, data, edata, bss, ebss, types, etypes, typelinks, typelink_count, typedesclen;
    uint64_t data_mask, data_bits, bss_mask, bss_bits;
    uint64_t gofunc, rodata; /* what funcdata and masks of stack objects are counted from */
    struct ms_gopclntab functions;
};
/* All modules (one, and one per plugin). */
int ms_gomodule_load(struct ms_go *go, struct ms_error *err);
const struct ms_gomodule *ms_gomodule_of_text(const struct ms_go *go, uint64_t pc);
/* The module whose type descriptions hold addr. */
const struct ms_gomodule *ms_gomodule_of_type(const struct ms_go *go, uint64_t addr);

/* ---- gosearch.c --------------------------------------------------------------------------------- */

/* Addresses of the first module, of the slice of all spans and of that of all goroutines; 0: not found. */
uint64_t ms_gosearch_module(struct ms_go *go);
uint64_t ms_gosearch_spans(struct ms_go *go);
uint64_t ms_gosearch_routines(struct ms_go *go);

/* ---- gotypes.c ------------------------------------------------------------------------------------ */

/* Beside Go's own kinds (enum ms_gokind): what walks need a type for and Go has none. */
enum {
    MS_GO_MAP_HEADER = 32, /* elem: the map type */
    MS_GO_CHAN_HEADER,     /* elem: the channel type */
    MS_GO_DIRECTORY,       /* one entry of a Swiss map's directory; elem: the map type */
    MS_GO_TABLE,           /* one table of a Swiss map; elem: the map type */
};

/* Parts of a sync.Map of 1.24 and later. */
enum ms_gosync { MS_GO_NO_SYNC, MS_GO_SYNC_MAP, MS_GO_SYNC_NODE, MS_GO_SYNC_INDIRECT, MS_GO_SYNC_ENTRY };

typedef uint32_t ms_gotid; /* number of a type; 0: not known */

struct ms_gofield {
    char *name;
    uint64_t offset;
    ms_gotid type;
};

/* How a map's slots lie in its groups (Swiss) or buckets (classic). */
struct ms_gomaptype {
    uint32_t group_size, key_off, key_stride, elem_off, elem_stride;
    uint32_t key_slot, elem_slot; /* bytes in the slot: 8 where the key or value lies elsewhere */
    bool key_far, elem_far;
};

/* A value with a pointer in it, in a struct or array taken apart. */
struct ms_goleaf {
    uint64_t offset;
    ms_gotid to;  /* what it points to; 0: not told */
    uint8_t kind; /* of the value */
    bool empty_interface;
};

struct ms_gotype {
    uint64_t rtype; /* the program's own description; 0: it has none */
    uint64_t die;   /* entry in the debug information; 0: not looked up there */
    uint64_t size, count;
    uint64_t pointers;                 /* bytes up to the end of the last pointer; 0: none */
    ms_gotid elem, key, group, header; /* group: bucket type of a map; header: of a map or channel */
    ms_gotid of_map;                   /* of a bucket type: the map */
    struct ms_gofield *field;
    struct ms_goleaf *leaf; /* ms_gotype_leaves: all of them, ascending */
    uint32_t fields, leaves;
    struct ms_gomaptype map;
    char *name;
    uint8_t kind, sync; /* sync: enum ms_gosync; of a node: elem is what has children, key what has an entry */
    bool decoded, direct, empty_interface;
    bool flat, parted; /* leaves are known; they were sought */
};

struct ms_gotypes {
    struct ms_gotype **type;
    size_t count, room;
    uint64_t *slot; /* open addressing: type number, 0 free */
    size_t slots;
    uint64_t last_die; /* asked for last, as the root of one path after the other is; and its type */
    ms_gotid last_type;
    unsigned depth;   /* of decoding */
    bool maps_listed; /* every map type of the program has a number */
    ms_gotid guessed_sync[2]; /* of a sync.Map that was known by its looks: [1]; of one with other keys and values: [0] */
};

/* The type described at addr in the target, or by an entry of the debug information; 0: cannot be one. */
ms_gotid ms_gotype_at(struct ms_go *go, uint64_t rtype);
ms_gotid ms_gotype_die(struct ms_go *go, uint64_t die);
/* Decoded, valid until the types are closed; never NULL: an unknown type has kind MS_GO_UNKNOWN and size 0. */
static inline const struct ms_gotype *ms_gotype_get(struct ms_go *go, ms_gotid t);
const struct ms_gotype *ms_gotype_decode(struct ms_go *go, ms_gotid t);
/* Bytes a struct has for its i-th field: offsets ascend and lie within, types may claim more. */
static inline uint64_t ms_gofield_room(const struct ms_gotype *t, uint32_t i) {
    return (i + 1 < t->fields ? t->field[i + 1].offset : t->size) - t->field[i].offset;
}
/* Is a value of the type told by leaves?  Not: it is too large for that, or more than values: a header, a sync.Map. */
bool ms_gotype_leaves(struct ms_go *go, ms_gotid t);
/* The closure of the function at entry, as a struct; 0: not told. */
ms_gotid ms_gotype_closure(struct ms_go *go, uint64_t entry);
/* One of the types Go has none for, of that element. */
ms_gotid ms_gotype_made(struct ms_go *go, unsigned kind, ms_gotid elem);
/* The map type whose groups or buckets are of the type described at rtype; 0: none. */
ms_gotid ms_gotype_map_of_group(struct ms_go *go, uint64_t rtype);
/* Give every map type of the program a number. */
void ms_gotype_list_maps(struct ms_go *go);
/* A map type that stands for one or several of which `map` is one, under a name that it takes over.  Several: keys and
 * values have no names; not the same slots: nothing is known of them. */
ms_gotid ms_gotype_one_of(struct ms_go *go, ms_gotid map, char *name, bool several, bool same_slots);
/* A sync.Map, of interfaces or of what is not known, for programs that do not tell. */
ms_gotid ms_gotype_sync(struct ms_go *go, const char *name, bool interfaces);
void ms_gotypes_close(struct ms_go *go);

/* ---- gofields.c ----------------------------------------------------------------------------------- */

/* Types of the program as types in memory; all zeros: none yet. */
struct ms_gofields {
    struct ms_mem mem;
    uint32_t *known; /* number of a type -> number there */
    size_t count, room;
};
uint32_t ms_gofields_of(struct ms_go *go, struct ms_gofields *f, ms_gotid type);
void ms_gofields_free(struct ms_gofields *f);

/* ---- goheap.c, goarea.c --------------------------------------------------------------------------- */

enum ms_goarea_kind { MS_GO_HEAP, MS_GO_DATA, MS_GO_STACK };
/* One line of the cache: a walk looks at one of many thousands for every pointer. */
struct ms_goarea {
    uint64_t start, end, elem; /* elem: bytes of an object; all of it in a data segment or a stack */
    uint64_t first_word;
    uint64_t span; /* address of its mspan */
    uint64_t bits; /* pointer bits in the span; 0: not there */
    uint32_t first_object, divisor; /* divisor: offset * divisor >> 32 is offset / elem; 0: it must be divided */
    uint32_t index;                 /* module or goroutine */
    uint8_t kind;
    bool noscan, large;
    bool bits_known; /* they are in `points` */
};
static_assert(sizeof(struct ms_goarea) == 64, "an area is one line of the cache");

struct ms_goobject {
    uint32_t from;  /* 1 + number of the word it was first reached from; 0: not reached */
    ms_gotid whole; /* all of it was, or will be, looked at as elements of that type; 0: of none */
};

struct ms_goheap {
    struct ms_goarea *area; /* ascending, without overlaps */
    size_t areas, room;
    uint64_t *arena;                     /* where the slots of 64 MiB of addresses begin << 8 | shift; 0: it has none */
    uint32_t *slot, *by_word, *by_object; /* areas that start up to the end of a slot; of an address: MS_GO_LEAVES */
    size_t slots, slot_room;
    uint64_t words, objects; /* of areas that may hold pointers */
    uint64_t *seen, *points; /* a bit per word: it was looked at; it is a pointer, where an area's bits are known */
    uint64_t *internal;      /* a bit per object: a hub of the runtime, to be gone through last */
    struct ms_goobject *object;
    uint64_t *special;       /* of each span that has any, the first of its records on single objects */
    size_t specials, special_room;
};

struct ms_goroutine {
    uint64_t id, at, lo, hi, sp, pc; /* at: its g */
    size_t mark;                     /* the first of its marks (gostack.c) */
    uint32_t status;
    bool waits; /* where sp and pc say, and did not go on while it was looked at */
    bool told;  /* it has marks */
};

int ms_goheap_load(struct ms_go *go, struct ms_error *err);
void ms_goheap_close(struct ms_go *go);
/* Sort the areas, drop what overlaps (a span freed and made anew while they were read), number words and objects, and make
 * the tables by which they are found. */
int ms_goarea_order(struct ms_go *go, struct ms_error *err);
/* The area that holds addr; NULL: none. */
struct ms_goarea *ms_goheap_find(struct ms_go *go, uint64_t addr);
/* The same in two steps, for who has something to do while the slot comes from memory.  MS_GO_LEAVES in a slot: all that lies
 * in it has no pointers. */
enum { MS_GO_LEAVES = INT32_MIN };
const uint32_t *ms_goheap_slot(const struct ms_go *go, uint64_t addr);
struct ms_goarea *ms_goheap_in_slot(struct ms_go *go, const uint32_t *slot, uint64_t addr);
/* The type that the span of a large object keeps for it; 0: none. */
uint64_t ms_goheap_large_type(struct ms_go *go, const struct ms_goarea *a);
/* Allocated bytes of the object at or around addr, 0: no object of the heap.  *start: its first byte. */
uint64_t ms_goheap_object(struct ms_go *go, uint64_t addr, uint64_t *start);
/* Has the walk looked at all pointers of that object, as far as their bits are known? */
bool ms_goheap_all_seen(const struct ms_go *go, const struct ms_goarea *a, uint64_t base);
/* Read the pointer bits of a span, if it has them and they are not known. */
bool ms_goheap_know_bits(struct ms_go *go, const struct ms_goarea *a);
/* Which of the words from addr on, at most 64, within one object, are pointers: bit i is word i.  False: it is not told
 * by bits (Go 1.22 and later give objects above 512 bytes a type instead). */
bool ms_goheap_pointers(struct ms_go *go, const struct ms_goarea *a, uint64_t addr, unsigned words,
                        uint64_t *mask);
/* Where the values of the object at base begin: its type may lie before them. */
static inline uint64_t ms_goheap_first(const struct ms_go *go, const struct ms_goarea *a, uint64_t base);
/* From here on the object at base has no pointers, and its bits may say anything. */
uint64_t ms_goheap_pointers_end(struct ms_go *go, const struct ms_goarea *a, uint64_t base);
/* Is the object free, as far as its span tells? */
bool ms_goheap_is_free(struct ms_go *go, const struct ms_goarea *a, uint64_t base);
/* The area of the object with that number; NULL: none. */
struct ms_goarea *ms_goheap_area_of(struct ms_go *go, uint64_t object);
/* Word by number: its address. */
uint64_t ms_goheap_word_at(struct ms_go *go, uint64_t number, struct ms_goarea **area);

static inline uint64_t ms_goarea_word(const struct ms_goarea *a, uint64_t addr) {
    return a->first_word + (addr - a->start) / MS_GO_PTR;
}
static inline uint64_t ms_goarea_nth(const struct ms_goarea *a, uint64_t addr) {
    return a->divisor ? (addr - a->start) * a->divisor >> 32 : (addr - a->start) / a->elem;
}
static inline uint64_t ms_goarea_base(const struct ms_goarea *a, uint64_t addr) {
    return a->start + ms_goarea_nth(a, addr) * a->elem;
}
static inline uint64_t ms_goarea_object(const struct ms_goarea *a, uint64_t addr) {
    return a->first_object + ms_goarea_nth(a, addr);
}

/* ---- gostack.c ------------------------------------------------------------------------------------ */

enum ms_goword { MS_GO_DEAD, MS_GO_MAYBE, MS_GO_LIVE };

/* Tell the words of stacks apart, of all goroutines that wait, once ms_goroots_waiting has said which do. */
void ms_gostack_load(struct ms_go *go);
/* Is the word of a stack a pointer that is needed?  MS_GO_MAYBE: nothing tells. */
enum ms_goword ms_gostack_word(const struct ms_go *go, const struct ms_goarea *a, uint64_t word);
void ms_gostack_close(struct ms_go *go);

/* ---- gowalk.c, goguess.c, goroots.c -------------------------------------------------------------------- */

struct ms_gofound {
    uint64_t header;
    uint64_t via;  /* 1 + number of the word that led to it; 0: it lies on a stack */
    ms_gotid type; /* 0: not known */
};

/* Part of a walk: elements of a type at an address. */
struct ms_gowork {
    uint64_t addr;
    uint32_t count;
    ms_gotid type;
};

/* A typed pointer from a data segment into one: what it points to has no global's name of its own. */
struct ms_golink {
    uint64_t target, bytes, word;
};

/* A pointer on its way to what it points to. */
struct ms_gopointer {
    uint64_t target, count;
    uint64_t via;         /* 1 + number of the word it was met in; 0: in none */
    const uint32_t *slot; /* of its address; NULL: no area is there */
    const struct ms_goarea *area;
    ms_gotid type;
};

struct ms_gowalk {
    struct ms_gopointer way[64]; /* in a ring: [arrived, met), and how far they are */
    size_t met, asked, found, arrived;
    struct ms_gowork *now, *next, *near; /* near: in the page being looked at */
    size_t now_room, next_count, next_room, near_count, near_room;
    uint64_t page;     /* that one; UINT64_MAX: nothing is near */
    uint32_t *reached; /* objects whose remaining words wait for a look */
    size_t reached_count, reached_room, reached_done, reached_sorted; /* sorted: up to there */
    uint64_t *outside; /* objects that the runtime holds from outside of all areas */
    size_t outside_count, outside_room;
    struct ms_golink *link; /* after the walk by target, ascending */
    size_t link_count, link_room;
    bool internal;   /* the runtime's own objects may be reached now */
    uint64_t budget; /* fields and elements that may still be looked at */
};

/* Find every map; go->found is the answer, by ascending address. */
int ms_gowalk_run(struct ms_go *go, struct ms_error *err);
/* While a walk runs (meanwhile): let `use` have the `most` maps that were found first, those near the roots, as if they were all. */
void ms_gowalk_so_far(struct ms_go *go, size_t most, void (*use)(void *ctx), void *ctx);
/* Objects met so far, of all that may hold pointers; those that are garbage are never met.  0 to 1. */
double ms_gowalk_share(const struct ms_go *go);
void ms_gowalk_close(struct ms_go *go);
void ms_gowalk_found(struct ms_go *go, uint64_t header, uint64_t via, ms_gotid type);
/* The pointer bits of a word in a span that has them; true where there are none. */
bool ms_gowalk_may_point(struct ms_go *go, const struct ms_goarea *a, uint64_t word);
/* A word of which only is known that it may be a pointer. */
void ms_gowalk_word(struct ms_go *go, const struct ms_goarea *a, uint64_t word, bool surely);
static inline bool ms_gowalk_seen(const struct ms_go *go, uint64_t word_number);

/* ---- goreach.c ------------------------------------------------------------------------------------ */

/* A pointer to `count` elements of static type t (0: unknown) was met in word number via - 1 (via 0: in none): reach what it
 * points to, soon. */
void ms_gowalk_reach(struct ms_go *go, uint64_t via, uint64_t target, ms_gotid t, uint64_t count);
/* All pointers that are on their way arrive. */
void ms_goreach_all(struct ms_go *go);
/* Once no pointer comes any more. */
void ms_goreach_links(struct ms_go *go);
/* The pointer by which a walk came to what lies around addr in a data segment; NULL: none. */
const struct ms_golink *ms_gowalk_link(const struct ms_go *go, uint64_t addr);

/* ---- gosort.c ------------------------------------------------------------------------------------- */

void ms_gosort_work(struct ms_gowork *work, size_t n);          /* by page */
void ms_gosort_objects(uint32_t *object, size_t n);
void ms_gosort_found(struct ms_gofound *found, size_t n);       /* by header */

int ms_goroots_load(struct ms_go *go, struct ms_error *err); /* areas of data segments and stacks */
/* Mark the objects by which the runtime leads to everything. */
void ms_goroots_hubs(struct ms_go *go);
/* The globals of the debug information: those of the runtime, or all others. */
void ms_goroots_typed(struct ms_go *go, bool internal);
/* Is the word part of a variable of the runtime, or of what it is made of? */
bool ms_goroots_internal(const struct ms_go *go, uint64_t word);
void ms_goroots_masks(struct ms_go *go);                     /* all pointers of data segments */
void ms_goroots_waiting(struct ms_go *go);                   /* which goroutines still wait where they did */
void ms_goroots_stacks(struct ms_go *go, enum ms_goword kind); /* words of frames that are of that kind */
/* A thread of the target that is held: roots of the walks to come, and where its stack ends. */
void ms_goroots_held(struct ms_go *go, const uint64_t *word, size_t words, uint64_t sp);
void ms_goroots_let_go(struct ms_go *go);
void ms_goroots_registers(struct ms_go *go);
void ms_goroots_specials(struct ms_go *go);                  /* functions to be called when an object dies */

/* Does a map's header lie at addr?  Sure of a map with entries; one without has no shape. */
bool ms_goguess_map(struct ms_go *go, uint64_t addr);
/* The same of an object, by its pointer bits too, which tell one without entries. */
bool ms_goguess_header(struct ms_go *go, const struct ms_goarea *a, uint64_t base);
/* Allocated bytes of a map's header. */
uint64_t ms_goguess_header_object(const struct ms_go *go);
/* The map type of the header at addr, from its table's own type; 0: not told. */
ms_gotid ms_goguess_map_type(struct ms_go *go, uint64_t addr);
/* The type of the object of that area at base, from its allocation or its first word; *at: where it starts. */
ms_gotid ms_goguess_object(struct ms_go *go, const struct ms_goarea *a, uint64_t base, uint64_t *at);
/* Does the word before `word` say which type it points to?  (an interface) */
ms_gotid ms_goguess_interface(struct ms_go *go, uint64_t word);

/* ---- goshape.c -------------------------------------------------------------------------------------- */

/* For each found map without a type: the types of the program whose tables look like its own, as one type named
 * "~map[string]int | ~map[string]uint64"; shown, never walked by.  Left at 0 if there is none; slots are known if all
 * have the same. */
void ms_goshape_types(struct ms_go *go);

/* ---- gosync.c -------------------------------------------------------------------------------------- */

/* Is the struct a sync.Map, or what is in one?  Sets t->sync. */
void ms_gosync_tell(struct ms_go *go, struct ms_gotype *t);
enum { MS_GO_SYNC_NODE_OBJECT = 160 }; /* allocated bytes of a node with children */
/* Is the word of the area, which points to such a node, in the header of a sync.Map?  Its type, else 0.  Only where there
 * is no debug information to tell. */
ms_gotid ms_gosync_guess(struct ms_go *go, const struct ms_goarea *a, uint64_t word, uint64_t node);
/* The type of what lies at addr: of a node of a sync.Map, what it is part of; else `type`. */
ms_gotid ms_gosync_node(struct ms_go *go, ms_gotid type, uint64_t addr);

/* ---- gopath.c -------------------------------------------------------------------------------------- */

/* "main.GUsers[17].tags": from a root to the map; and, if place is not NULL, what it shares with maps held alike:
 * "main.user.tags".  Both allocated. */
char *ms_gopath(struct ms_go *go, const struct ms_gofound *f, char **place);
/* The same along given words, the last one first, which lead to `end`; the first may lie in an object that the runtime
 * holds.  *type: of what the way ends in, 0: not known. */
char *ms_gopath_along(struct ms_go *go, const uint64_t *word, size_t n, uint64_t end, ms_gotid *type);

/* Forget all paths: another walk begins. */
void ms_gosteps_close(struct ms_go *go);

/* A frame on the stack of a goroutine. */
struct ms_goframe {
    char function[128], file[1024]; /* "": not known */
    unsigned line;
    uint64_t sp;
};
/* The frame that holds addr; false: not found, as in a goroutine that runs. */
bool ms_gopath_frame(struct ms_go *go, const struct ms_goroutine *g, uint64_t addr, struct ms_goframe *out);

/* ---- the program --------------------------------------------------------------------------------- */

struct ms_go {
    struct ms_reader *reader;
    bool gone;
    struct ms_gobuild build;
    struct ms_godwarf *dwarf; /* NULL: stripped */
    uint64_t bias;
    struct ms_elf *elf;
    struct ms_golayout layout;
    struct ms_gomodule *module;
    size_t modules, module_room;
    struct ms_gotypes types;
    struct ms_goheap heap;
    struct ms_goroutine *routine;
    size_t routines, routine_room;
    struct ms_goplace *place; /* code addresses where goroutines wait */
    uint64_t *mark;           /* of words of stacks */
    size_t marks, mark_room;
    struct ms_gowalk walk;
    struct ms_gofound *found;
    size_t founds, found_room;
    struct ms_gomem *mem;
    const uint8_t *block; /* the one read last, and its address */
    uint64_t block_at;
    uint64_t spans_at, routines_at; /* of the slices; 0: not sought yet */
    uint64_t *held_word, *held_sp; /* of threads that are held: all registers, stack pointers */
    size_t held_words, held_word_room, held_sps, held_sp_room;
    struct ms_gosteps *steps; /* of paths (gosteps.c) */
    struct ms_goframe frame; /* the last one named: of the word at frame_at, if that is not 0 */
    uint64_t frame_at;
    bool path_lost; /* more words than paths are kept for */
    /* Called between two looks of a walk once `asked` was set: what was found so far can be used as after a walk. */
    void (*meanwhile)(void *ctx);
    void *meanwhile_ctx;
    bool asked;
};

static inline const struct ms_gotype *ms_gotype_get(struct ms_go *go, ms_gotid t) {
    return t < go->types.count && go->types.type[t]->decoded ? go->types.type[t] : ms_gotype_decode(go, t);
}

/* Most words lie in the block of the one before. */
static inline bool ms_gomem_word(struct ms_go *go, uint64_t addr, uint64_t *out) {
    if (!go->block || addr - go->block_at > MS_GO_BLOCK - sizeof *out) return ms_gomem_word_of_block(go, addr, out);
    memcpy(out, go->block + (addr - go->block_at), sizeof *out);
    return true;
}

static inline uint64_t ms_goheap_first(const struct ms_go *go, const struct ms_goarea *a, uint64_t base) {
    bool type_before = go->layout.heap_bits && a->kind == MS_GO_HEAP && !a->bits && !a->large && !a->noscan;
    return base + (type_before ? MS_GO_PTR : 0);
}

static inline bool ms_gowalk_seen(const struct ms_go *go, uint64_t word_number) {
    return go->heap.seen[word_number / 64] >> (word_number % 64) & 1;
}

/* What a walk looks at, beside each word once, costs of its budget: the target may be made to be looked at without end. */
static inline bool ms_go_afford(struct ms_go *go) { return go->walk.budget && go->walk.budget--; }

/* Open the Go program in an image of a target; dwarf: its debug information, which becomes the program's whatever comes
 * of it, NULL: none (names are then missing).  *out NULL with MS_OK: it is not a Go program.  MS_UNCERTAIN: a version
 * this tool does not know.  elf and reader must outlive it. */
int ms_go_open(struct ms_go **out, struct ms_reader *r, struct ms_elf *elf, struct ms_godwarf *dwarf,
               struct ms_error *err);
void ms_go_close(struct ms_go *go);

#endif
