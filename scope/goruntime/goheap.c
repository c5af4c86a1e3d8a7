/* goheap.c - the heap as areas: which addresses hold objects, how large they are, which of them may hold pointers.
 *
 *   mheap_.allspans -> mspan: startAddr, npages, elemsize, nelems, spanclass (lowest bit: objects without pointers)
 *
 * Only spans in use for objects count (state 1; stacks have 2).  Areas are sorted once and searched by address; the
 * spans of a heap of many gigabytes are a few hundred thousand.  Objects and words are numbered in the order of
 * areas, so that "which object is this" and "was this word seen" are an array each.
 *
 * Where the pointer bits lie, one a word of the heap:
 *
 *   from 1.22   at the end of a span of small objects
 *               start                                                            start + npages * 8192
 *               | object | object | ...                 | pointer bits 1/64 | mark bits 128 (1.26, 16 bytes and more) |
 *   1.20, 1.21  in the description of the arena, 64 MiB of addresses; behind them one bit for 64 of them that says
 *               "the object that goes on here has no more pointers"; the bits beyond may be old
 *               mheap_.arenas[0][(address + 2^47) / 64 MiB] -> | 2^20 bytes of pointer bits | 2^14 bytes of no more |
 *   up to 1.19  there too, in nibbles: four pointer bits, above them four that say "this word or a later one of the object is"
 */
#include "goruntime.h"

#include <stdlib.h>
#include <string.h>

enum {
    SPAN_BYTES = 256, /* read of an mspan; its fields lie within */
    BATCH = 1024,
    IN_USE = 1,
    SMALL_BITS_MAX = 512, /* objects up to here have their pointer bits in the span */
    INLINE_MARKS = 128,
    INLINE_MARKS_FROM = 16,
    WORDS_MOST = 64, /* asked for at once */
    LARGE = 1 << 20, /* bytes of an area; few spans have so many */
};
#define ARENA_BYTES (UINT64_C(1) << 26)
#define ARENA_WORDS (ARENA_BYTES / MS_GO_PTR)
#define ARENA_BASE  (UINT64_C(1) << 47) /* amd64: the first arena is that of the lowest negative address */
#define NO_MORE_AT  (ARENA_WORDS / 8)
#define SPANS_MAX   (UINT64_C(1) << 27)
#define PAGES_MAX   (UINT64_C(1) << 28) /* 2 TiB in one span */
#define WORDS_MAX   (UINT64_C(1) << 35)
#define OBJECTS_MAX (UINT64_C(1) << 30)

static uint64_t get(const uint8_t *raw, uint32_t at, unsigned bytes) {
    uint64_t v = 0;
    if (at <= SPAN_BYTES - bytes) memcpy(&v, raw + at, bytes);
    return v;
}

static struct ms_goarea *add_area(struct ms_goheap *h) {
    MS_ROOM(h->area, h->areas, h->room);
    h->area[h->areas] = (struct ms_goarea){0};
    return &h->area[h->areas++];
}

static void take_span(struct ms_go *go, uint64_t span, const uint8_t *raw) {
    const struct ms_golayout *l = &go->layout;
    uint64_t start = get(raw, l->span_start, 8), pages = get(raw, l->span_pages, 8),
             elem = get(raw, l->span_elemsize, 8), count = get(raw, l->span_nelems, l->narrow_counts ? 2 : 8);
    unsigned class = (unsigned)get(raw, l->span_class, 1);
    if (get(raw, l->span_state, 1) != IN_USE || start % MS_GO_PAGE || start == 0 || pages == 0 ||
        pages > PAGES_MAX || elem == 0 || elem % 8 || count == 0)
        return;
    uint64_t bytes = pages * MS_GO_PAGE;
    if (start + bytes < start || count > bytes / elem) return;
    struct ms_goarea *a = add_area(&go->heap);
    *a = (struct ms_goarea){.start = start,
                            .end = start + count * elem,
                            .elem = elem,
                            .span = span,
                            .specials = get(raw, l->span_specials, 8),
                            .kind = MS_GO_HEAP,
                            .noscan = class & 1,
                            .large = class >> 1 == 0};
    if (a->large && l->span_largetype != MS_GO_NONE) a->large_type = get(raw, l->span_largetype, 8);
    if (!l->heap_bits || a->noscan || elem > SMALL_BITS_MAX) return;
    a->bits = start + bytes - bytes / 64;
    if (l->inline_marks && elem >= INLINE_MARKS_FROM) a->bits -= INLINE_MARKS;
}

/* The spans whose addresses are in at[]. */
static enum ms_read take_batch(struct ms_go *go, const uint64_t *at, size_t n, uint8_t (*raw)[SPAN_BYTES]) {
    struct ms_batch_item item[BATCH];
    for (size_t i = 0; i < n; i++)
        item[i] = (struct ms_batch_item){.addr = at[i], .len = SPAN_BYTES, .buf = raw[i]};
    if (ms_read_batch(go->reader, item, n) == MS_READ_GONE) return MS_READ_GONE;
    for (size_t i = 0; i < n; i++)
        if (item[i].status == MS_READ_OK) take_span(go, at[i], raw[i]);
    return MS_READ_OK;
}

static int load_spans(struct ms_go *go, struct ms_error *err) {
    uint64_t spans = ms_gosearch_spans(go), list = 0, count = 0;
    bool ok = spans && ms_gomem_word(go, spans, &list) && ms_gomem_word(go, spans + 8, &count);
    if (!ok || !list || !count || count > SPANS_MAX)
        return ms_fail(err, MS_UNCERTAIN, "built by %s, but its heap cannot be found", go->build.version);
    uint64_t *at = ms_alloc(BATCH * sizeof *at);
    uint8_t(*raw)[SPAN_BYTES] = ms_alloc(BATCH * sizeof *raw);
    enum ms_read rc = MS_READ_OK;
    for (uint64_t i = 0; rc == MS_READ_OK && i < count; i += BATCH) {
        size_t n = (size_t)ms_min(BATCH, count - i);
        rc = ms_read(go->reader, list + 8 * i, at, n * sizeof *at);
        if (rc == MS_READ_OK) rc = take_batch(go, at, n, raw);
    }
    free(at);
    free(raw);
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while its heap was read");
    if (rc == MS_READ_OK) return MS_OK;
    return ms_fail(err, MS_UNCERTAIN, "built by %s, but its heap cannot be read", go->build.version);
}

static int by_start(const void *a, const void *b) {
    const struct ms_goarea *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

/* What is large must be there to its end: the tables below are as large as areas say they are. */
static bool is_there(struct ms_go *go, const struct ms_goarea *a) {
    uint64_t last;
    return a->noscan || a->end - a->start < LARGE || ms_gomem_word(go, a->end - MS_GO_PTR, &last);
}

/* Sort, drop what overlaps (a span freed and made anew while the list was read), number words and objects. */
static int number_all(struct ms_go *go, struct ms_error *err) {
    struct ms_goheap *h = &go->heap;
    size_t kept = 0;
    if (h->areas) qsort(h->area, h->areas, sizeof *h->area, by_start);
    for (size_t i = 0; i < h->areas; i++) {
        struct ms_goarea *a = &h->area[i];
        if ((kept && a->start < h->area[kept - 1].end) || !is_there(go, a)) continue;
        a->first_word = h->words;
        a->first_object = (uint32_t)h->objects;
        if (!a->noscan) {
            h->words += (a->end - a->start) / MS_GO_PTR;
            h->objects += (a->end - a->start) / a->elem;
        }
        if (h->words > WORDS_MAX || h->objects > OBJECTS_MAX)
            return ms_fail(err, MS_UNCERTAIN, "its heap has more objects than can be walked");
        h->area[kept++] = *a;
    }
    h->areas = kept;
    h->start = ms_alloc((kept + 1) * sizeof *h->start);
    for (size_t i = 0; i < kept; i++) h->start[i] = h->area[i].start;
    h->seen = ms_alloc((size_t)(h->words / 64 + 1) * sizeof *h->seen);
    h->from = ms_alloc((size_t)(h->objects + 1) * sizeof *h->from);
    go->path_lost = h->words >= UINT32_MAX;
    return MS_OK;
}

int ms_goheap_load(struct ms_go *go, struct ms_error *err) {
    ms_goheap_close(go);
    ms_gomem_forget(go);
    int status = load_spans(go, err);
    if (status == MS_OK) status = ms_goroots_load(go, err);
    return status ? status : number_all(go, err);
}

void ms_goheap_close(struct ms_go *go) {
    free(go->heap.area);
    free(go->heap.start);
    free(go->heap.seen);
    free(go->heap.from);
    free(go->routine);
    go->heap = (struct ms_goheap){0};
    go->routine = NULL;
    go->routines = go->routine_room = 0;
}

/* ---- asking ------------------------------------------------------------------------------------ */

static bool holds(const struct ms_goarea *a, uint64_t addr) { return addr >= a->start && addr < a->end; }

struct ms_goarea *ms_goheap_find(struct ms_go *go, uint64_t addr) {
    struct ms_goheap *h = &go->heap;
    size_t low = 0, high = h->areas;
    if (h->last < h->areas && holds(&h->area[h->last], addr)) return &h->area[h->last];
    while (low < high) { /* the first area behind addr */
        size_t mid = low + (high - low) / 2;
        if (h->start[mid] <= addr)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == 0 || !holds(&h->area[low - 1], addr)) return NULL;
    h->last = low - 1;
    return &h->area[h->last];
}

uint64_t ms_goheap_object(struct ms_go *go, uint64_t addr, uint64_t *start) {
    const struct ms_goarea *a = ms_goheap_find(go, addr);
    if (!a || a->kind != MS_GO_HEAP) return 0;
    *start = ms_goarea_base(a, addr);
    return a->elem;
}

/* ---- pointer bits ------------------------------------------------------------------------------ */

/* The description of the arena that holds addr; 0: there is none. */
static uint64_t arena_of(struct ms_go *go, uint64_t addr) {
    uint64_t list, arena;
    uint64_t heap = go->spans_at - go->layout.mheap_allspans;
    if (!ms_gomem_word(go, heap + go->layout.mheap_arenas, &list) || !list) return 0;
    return ms_gomem_word(go, list + 8 * ((addr + ARENA_BASE) / ARENA_BYTES), &arena) ? arena : 0;
}

static inline uint64_t arena_word(uint64_t addr) { return addr % ARENA_BYTES / MS_GO_PTR; }

static inline uint64_t low_bits(unsigned n) { return n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX; }

/* Bits [first, first + n) of the bytes at addr; n at most 64. */
static bool bits_at(struct ms_go *go, uint64_t addr, uint64_t first, unsigned n, uint64_t *out) {
    uint8_t raw[9] = {0};
    uint64_t low;
    unsigned shift = first % 8;
    if (!ms_gomem_read(go, addr + first / 8, raw, (shift + n + 7) / 8)) return false;
    memcpy(&low, raw, sizeof low);
    *out = low >> shift;
    if (shift) *out |= (uint64_t)raw[8] << (64 - shift);
    *out &= low_bits(n);
    return true;
}

/* The same of bits that lie in the lower halves of bytes; in the upper ones if high. */
static bool nibbles_at(struct ms_go *go, uint64_t addr, uint64_t first, unsigned n, bool high,
                       uint64_t *out) {
    uint8_t raw[WORDS_MOST / 4 + 1];
    unsigned skip = first % 4;
    if (!ms_gomem_read(go, addr + first / 4, raw, (skip + n + 3) / 4)) return false;
    *out = 0;
    for (unsigned i = 0; i < n; i++)
        *out |= (uint64_t)(raw[(skip + i) / 4] >> ((skip + i) % 4 + (high ? 4 : 0)) & 1) << i;
    return true;
}

static bool arena_bits(struct ms_go *go, uint64_t addr, unsigned words, uint64_t *mask) {
    uint64_t arena = arena_of(go, addr), first = arena_word(addr);
    if (!arena) return false;
    return go->layout.scan_bits ? nibbles_at(go, arena, first, words, false, mask)
                                : bits_at(go, arena, first, words, mask);
}

bool ms_goheap_pointers(struct ms_go *go, const struct ms_goarea *a, uint64_t addr, unsigned words,
                        uint64_t *mask) {
    if (a->bits) return bits_at(go, a->bits, (addr - a->start) / MS_GO_PTR, words, mask);
    if (go->layout.heap_bits || a->kind != MS_GO_HEAP) return false;
    uint64_t here = ms_min(words, ARENA_WORDS - arena_word(addr)), rest = 0;
    if (!arena_bits(go, addr, (unsigned)here, mask)) return false;
    if (here < words && !arena_bits(go, addr + here * MS_GO_PTR, words - (unsigned)here, &rest)) return false;
    if (rest) *mask |= rest << here;
    return true;
}

/* Up to 1.19: the first word whose upper bit says so. */
static uint64_t end_by_scan_bits(struct ms_go *go, uint64_t base, uint64_t end) {
    for (uint64_t at = base, more; at < end;) {
        uint64_t arena = arena_of(go, at), first = arena_word(at);
        unsigned n = (unsigned)ms_min(ms_min(WORDS_MOST, (end - at) / MS_GO_PTR), ARENA_WORDS - first);
        if (!arena || !nibbles_at(go, arena, first, n, true, &more)) return end;
        if (more != low_bits(n)) return at + (uint64_t)__builtin_ctzll(~more) * MS_GO_PTR;
        at += n * MS_GO_PTR;
    }
    return end;
}

/* 1.20, 1.21: the end of the first 64 words that say so. */
static uint64_t end_by_no_more(struct ms_go *go, uint64_t base, uint64_t end) {
    for (uint64_t at = base, stop; at < end; at = stop) {
        uint64_t arena = arena_of(go, at), last = 0;
        stop = (at | (WORDS_MOST * MS_GO_PTR - 1)) + 1;
        if (stop >= end || !arena) return end;
        if (bits_at(go, arena + NO_MORE_AT, arena_word(at) / WORDS_MOST, 1, &last) && last) return stop;
    }
    return end;
}

uint64_t ms_goheap_pointers_end(struct ms_go *go, const struct ms_goarea *a, uint64_t base) {
    uint64_t end = base + a->elem;
    if (go->layout.heap_bits || a->kind != MS_GO_HEAP) return end;
    return go->layout.scan_bits ? end_by_scan_bits(go, base, end) : end_by_no_more(go, base, end);
}

bool ms_goheap_is_free(struct ms_go *go, const struct ms_goarea *a, uint64_t base) {
    const struct ms_golayout *l = &go->layout;
    uint64_t index = (base - a->start) / a->elem, next = 0, bits = 0;
    uint8_t byte = 0xff;
    if (!ms_gomem_read(go, a->span + l->span_freeindex, &next, l->narrow_counts ? 2 : 8) || index < next)
        return false;
    if (!ms_gomem_word(go, a->span + l->span_allocbits, &bits) || !bits) return false;
    return ms_gomem_read(go, bits + index / 8, &byte, 1) && !(byte >> (index % 8) & 1);
}

struct ms_goarea *ms_goheap_area_of(struct ms_go *go, uint64_t object) {
    struct ms_goheap *h = &go->heap;
    size_t low = 0, high = h->areas;
    while (low < high) { /* as for words */
        size_t mid = low + (high - low) / 2;
        if (h->area[mid].first_object <= object)
            low = mid + 1;
        else
            high = mid;
    }
    return low && !h->area[low - 1].noscan ? &h->area[low - 1] : NULL;
}

uint64_t ms_goheap_word_at(struct ms_go *go, uint64_t number, struct ms_goarea **area) {
    struct ms_goheap *h = &go->heap;
    size_t low = 0, high = h->areas;
    *area = NULL;
    while (
        low <
        high) { /* areas without pointers have the number of the next one: the last that fits has the word */
        size_t mid = low + (high - low) / 2;
        if (h->area[mid].first_word <= number)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == 0) return 0;
    struct ms_goarea *a = &h->area[low - 1];
    uint64_t at = a->start + (number - a->first_word) * MS_GO_PTR;
    if (a->noscan || at >= a->end) return 0;
    *area = a;
    return at;
}
