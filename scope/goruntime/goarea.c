/* goarea.c - which area holds an address, a word, an object.
 *
 * A walk asks this of every pointer it meets.  Go's own collector reads it from a table with one entry a page of the
 * heap; so does this, with a table that is made once the areas are known:
 *
 *   address  | arena, 22 bits | slot        |        |       slot -> the last area that starts up to its end
 *                    |             |
 *   arena[]  .. | where, width | ..|                         an arena without areas has no slots, one with many has
 *                       \          |                         one a page, one within a single area just one
 *   slot[]   ...........| 7 | 7 | 8 | 9 | 9 | ........
 *
 * If the area a slot names starts behind the address (two stacks in a page), the one sought is before it: then it is
 * searched.  Numbers of words and of objects ascend with the areas and have a table of that kind each.
 *
 * Tables are bounded by the number of areas, whatever addresses a target says they have: at most eight slots each.
 */
#include "goruntime.h"

#include <assert.h>
#include <stdlib.h>

enum {
    ARENA_SHIFT = 26, /* as in Go on 64-bit machines */
    ADDRESS_BITS = 48,
    PAGE_SHIFT = 13,
    SLOTS_EACH = 4, /* at least, unless that is more than one a page */
    WORD_SHIFT = 10,
    OBJECT_SHIFT = 6,
    LARGE = 1 << 20, /* bytes of an area; few spans have so many */
    WORD_ALIGN = 64,
};
#define ARENA_BYTES (UINT64_C(1) << ARENA_SHIFT)
#define ARENAS      (UINT64_C(1) << (ADDRESS_BITS - ARENA_SHIFT))
#define WORDS_MAX   (UINT64_C(1) << 35)
#define OBJECTS_MAX (UINT64_C(1) << 30)
static_assert(1 << PAGE_SHIFT == MS_GO_PAGE, "a slot of the narrowest kind is a page");

/* ---- order ------------------------------------------------------------------------------------- */

static int by_start(const void *a, const void *b) {
    const struct ms_goarea *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

/* What is large must be there to its end: the tables below are as large as areas say they are. */
static bool is_there(struct ms_go *go, const struct ms_goarea *a) {
    uint64_t last;
    return a->noscan || a->end - a->start < LARGE || ms_gomem_word(go, a->end - MS_GO_PTR, &last);
}

/* ceil(2^32 / elem) divides each offset in the area exactly if the excess, taken offset times, stays below 2^32. */
static uint32_t divisor_of(const struct ms_goarea *a) {
    uint64_t bytes = a->end - a->start, m = ((UINT64_C(1) << 32) + a->elem - 1) / a->elem;
    if (bytes >> 32 || m >> 32 || bytes * (m * a->elem - (UINT64_C(1) << 32)) >> 32) return 0;
    return (uint32_t)m;
}

/* Words of an area start at a multiple of 64, so that bits of words can be looked at by the 64. */
static bool number(struct ms_goheap *h, struct ms_goarea *a) {
    a->first_word = h->words;
    a->first_object = (uint32_t)h->objects;
    a->divisor = divisor_of(a);
    if (a->noscan) return true;
    uint64_t words = (a->end - a->start) / MS_GO_PTR;
    h->words += (words + WORD_ALIGN - 1) / WORD_ALIGN * WORD_ALIGN;
    h->objects += (a->end - a->start) / a->elem;
    return h->words <= WORDS_MAX && h->objects <= OBJECTS_MAX;
}

/* ---- tables ------------------------------------------------------------------------------------ */

typedef uint64_t first_fn(const struct ms_goarea *a);
static inline uint64_t first_address(const struct ms_goarea *a) { return a->start; }
static inline uint64_t first_word(const struct ms_goarea *a) { return a->first_word; }
static inline uint64_t first_object(const struct ms_goarea *a) { return a->first_object; }

/* Slots for the numbers from `from` on, each as wide as a shift says: areas that start up to the end of the slot. */
static void fill(const struct ms_goheap *h, uint32_t *slot, uint64_t slots, uint64_t from, unsigned shift,
                 size_t area, first_fn *first) {
    for (uint64_t i = 0; i < slots; i++) {
        uint64_t next = from + ((i + 1) << shift);
        while (area < h->areas && first(&h->area[area]) < next) area++;
        slot[i] = (uint32_t)area;
    }
}

/* The last of the first n areas that starts at or before x; NULL: none. */
static inline struct ms_goarea *last_upto(struct ms_goheap *h, size_t n, uint64_t x, first_fn *first) {
    if (n && first(&h->area[n - 1]) <= x) return &h->area[n - 1];
    size_t low = 0;
    for (size_t high = n; low < high;) {
        size_t mid = low + (high - low) / 2;
        if (first(&h->area[mid]) <= x)
            low = mid + 1;
        else
            high = mid;
    }
    return low ? &h->area[low - 1] : NULL;
}

static uint32_t *index_numbers(const struct ms_goheap *h, uint64_t numbers, unsigned shift, first_fn *first) {
    uint64_t slots = (numbers >> shift) + 1;
    uint32_t *slot = ms_alloc((size_t)slots * sizeof *slot);
    fill(h, slot, slots, 0, shift, 0, first);
    return slot;
}

/* Slots in which nothing but objects without pointers lies say so: then that is all that is asked of a pointer to one. */
static void tell_leaves(const struct ms_goheap *h, uint32_t *slot, uint64_t slots, uint64_t from,
                        unsigned shift) {
    for (uint64_t i = 0; i < slots; i++) {
        size_t k = slot[i];
        while (k && h->area[k - 1].noscan && h->area[k - 1].start > from + (i << shift)) k--;
        if (k && (h->area[k - 1].noscan || h->area[k - 1].end <= from + (i << shift)))
            slot[i] |= (uint32_t)MS_GO_LEAVES;
    }
}

/* Slots of an arena in which n areas start. */
static unsigned shift_for(size_t n) {
    unsigned shift = ARENA_SHIFT;
    while (shift > PAGE_SHIFT && (UINT64_C(1) << (ARENA_SHIFT - shift)) < SLOTS_EACH * (uint64_t)n) shift--;
    return shift;
}

/* `area`: the first that ends in the arena or behind it. */
static void index_arena(struct ms_goheap *h, uint64_t arena, size_t area) {
    uint64_t from = arena << ARENA_SHIFT;
    size_t n = area;
    while (n < h->areas && h->area[n].start >> ARENA_SHIFT <= arena) n++;
    unsigned shift = shift_for(n - area);
    uint64_t slots = UINT64_C(1) << (ARENA_SHIFT - shift);
    while (h->slots + slots > h->slot_room) {
        h->slot_room = h->slot_room ? 2 * h->slot_room : 4096;
        h->slot = ms_grow(h->slot, h->slot_room, sizeof *h->slot);
    }
    fill(h, h->slot + h->slots, slots, from, shift, area, first_address);
    tell_leaves(h, h->slot + h->slots, slots, from, shift);
    h->arena[arena] = h->slots << 8 | shift;
    h->slots += slots;
}

static void index_addresses(struct ms_goheap *h) {
    h->arena = ms_alloc(ARENAS * sizeof *h->arena);
    for (size_t i = 0; i < h->areas; i++) {
        uint64_t last = (h->area[i].end - 1) >> ARENA_SHIFT;
        for (uint64_t arena = h->area[i].start >> ARENA_SHIFT; arena <= last; arena++)
            if (!h->arena[arena]) index_arena(h, arena, i);
    }
}

int ms_goarea_order(struct ms_go *go, struct ms_error *err) {
    struct ms_goheap *h = &go->heap;
    size_t kept = 0;
    if (h->areas) qsort(h->area, h->areas, sizeof *h->area, by_start);
    for (size_t i = 0; i < h->areas; i++) {
        struct ms_goarea *a = &h->area[i];
        if ((kept && a->start < h->area[kept - 1].end) || (a->end - 1) >> ADDRESS_BITS || !is_there(go, a))
            continue;
        if (!number(h, a)) return ms_fail(err, MS_UNCERTAIN, "its heap has more objects than can be walked");
        h->area[kept++] = *a;
    }
    h->areas = kept;
    index_addresses(h);
    h->by_word = index_numbers(h, h->words, WORD_SHIFT, first_word);
    h->by_object = index_numbers(h, h->objects, OBJECT_SHIFT, first_object);
    return MS_OK;
}

/* ---- asking ------------------------------------------------------------------------------------ */

const uint32_t *ms_goheap_slot(const struct ms_go *go, uint64_t addr) {
    const struct ms_goheap *h = &go->heap;
    uint64_t arena = addr >> ARENA_SHIFT, where = arena < ARENAS && h->arena ? h->arena[arena] : 0;
    return where ? &h->slot[(where >> 8) + (addr % ARENA_BYTES >> (where & 0xff))] : NULL;
}

struct ms_goarea *ms_goheap_in_slot(struct ms_go *go, const uint32_t *slot, uint64_t addr) {
    struct ms_goarea *a = last_upto(&go->heap, *slot & ~(uint32_t)MS_GO_LEAVES, addr, first_address);
    return a && addr < a->end ? a : NULL;
}

struct ms_goarea *ms_goheap_find(struct ms_go *go, uint64_t addr) {
    const uint32_t *slot = ms_goheap_slot(go, addr);
    return slot ? ms_goheap_in_slot(go, slot, addr) : NULL;
}

/* Areas without pointers have the numbers of the next one: the last that fits is the one. */
struct ms_goarea *ms_goheap_area_of(struct ms_go *go, uint64_t object) {
    struct ms_goheap *h = &go->heap;
    if (object >= h->objects) return NULL;
    struct ms_goarea *a = last_upto(h, h->by_object[object >> OBJECT_SHIFT], object, first_object);
    return a && !a->noscan ? a : NULL;
}

uint64_t ms_goheap_word_at(struct ms_go *go, uint64_t number, struct ms_goarea **area) {
    struct ms_goheap *h = &go->heap;
    *area = NULL;
    if (number >= h->words) return 0;
    struct ms_goarea *a = last_upto(h, h->by_word[number >> WORD_SHIFT], number, first_word);
    uint64_t at = a ? a->start + (number - a->first_word) * MS_GO_PTR : 0;
    if (!a || a->noscan || at >= a->end) return 0;
    *area = a;
    return at;
}
