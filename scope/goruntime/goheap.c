/* goheap.c - the heap as areas: which addresses hold objects, how large they are, which of them may hold pointers.
 *
 *   mheap_.allspans -> mspan: startAddr, npages, elemsize, nelems, spanclass (lowest bit: objects without pointers)
 *
 * Only spans in use for objects count (state 1; stacks have 2).  Each becomes an area; goarea.c sorts them, numbers
 * their objects and words, so that "which object is this" and "was this word seen" are an array each, and finds them.
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
#include <sys/mman.h>
#include <unistd.h>

enum {
    SPAN_BYTES = 256, /* read of an mspan; its fields lie within */
    BATCH = 1024,
    IN_USE = 1,
    SMALL_BITS_MAX = 512, /* objects up to here, of 64 words, have their pointer bits in the span */
    INLINE_MARKS = 128,
    INLINE_MARKS_FROM = 16,
    WORDS_MOST = 64, /* asked for at once */
    LARGE_TABLE = 4 << 20,
};
#define ARENA_BYTES (UINT64_C(1) << 26)
#define ARENA_WORDS (ARENA_BYTES / MS_GO_PTR)
#define ARENA_BASE  (UINT64_C(1) << 47) /* amd64: the first arena is that of the lowest negative address */
#define NO_MORE_AT  (ARENA_WORDS / 8)
#define SPANS_MAX   (UINT64_C(1) << 27)
#define PAGES_MAX   (UINT64_C(1) << 28) /* 2 TiB in one span */

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

static void note_special(struct ms_goheap *h, uint64_t first) {
    if (!first) return;
    MS_ROOM(h->special, h->specials, h->special_room);
    h->special[h->specials++] = first;
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
                            .kind = MS_GO_HEAP,
                            .noscan = class & 1,
                            .large = class >> 1 == 0};
    note_special(&go->heap, get(raw, l->span_specials, 8));
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

/* A table that is looked into all over: in large pages, where the kernel has some to spare, an entry is found without a walk
 * through the page table first.  It is a hint, and memory stays as untouched as it was. */
static void *make_table(uint64_t count, size_t size) {
    size_t bytes = (size_t)count * size, page = (size_t)sysconf(_SC_PAGESIZE);
    char *table = ms_alloc(bytes);
    size_t skip = (page - (uintptr_t)table % page) % page;
    if (bytes >= LARGE_TABLE) (void)madvise(table + skip, (bytes - skip) / page * page, MADV_HUGEPAGE);
    return table;
}

int ms_goheap_load(struct ms_go *go, struct ms_error *err) {
    ms_goheap_close(go);
    ms_gomem_forget(go);
    int status = load_spans(go, err);
    if (status == MS_OK) status = ms_goroots_load(go, err);
    if (status == MS_OK) status = ms_goarea_order(go, err);
    if (status) return status;
    struct ms_goheap *h = &go->heap;
    h->seen = make_table(h->words / 64 + 1, sizeof *h->seen);
    h->points = make_table(h->words / 64 + 1, sizeof *h->points);
    h->internal = ms_alloc((size_t)(h->objects / 64 + 1) * sizeof *h->internal);
    h->object = make_table(h->objects + 1, sizeof *h->object);
    go->path_lost = h->words >= UINT32_MAX;
    return MS_OK;
}

void ms_goheap_close(struct ms_go *go) {
    free(go->heap.area);
    free(go->heap.arena);
    free(go->heap.slot);
    free(go->heap.by_word);
    free(go->heap.by_object);
    free(go->heap.seen);
    free(go->heap.points);
    free(go->heap.special);
    free(go->heap.object);
    free(go->heap.internal);
    free(go->routine);
    ms_gostack_close(go);
    go->heap = (struct ms_goheap){0};
    go->routine = NULL;
    go->routines = go->routine_room = 0;
}

/* ---- asking ------------------------------------------------------------------------------------ */

uint64_t ms_goheap_large_type(struct ms_go *go, const struct ms_goarea *a) {
    uint64_t type = 0, at = go->layout.span_largetype;
    return a->large && at != MS_GO_NONE && ms_gomem_word(go, a->span + at, &type) ? type : 0;
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

/* They are asked for object by object: kept by the numbers of the words. */
bool ms_goheap_know_bits(struct ms_go *go, const struct ms_goarea *a) {
    uint64_t words = (a->end - a->start) / MS_GO_PTR;
    if (!a->bits || a->bits_known) return a->bits_known;
    return go->heap.area[a - go->heap.area].bits_known =
               ms_gomem_read(go, a->bits, go->heap.points + a->first_word / 64, (size_t)(words + 7) / 8);
}

/* n bits of words, at most 64, from the word of that number on. */
static uint64_t bits_of(const uint64_t *bits, uint64_t first, unsigned n) {
    uint64_t low = bits[first / 64] >> first % 64;
    if (first % 64 + n > 64) low |= bits[first / 64 + 1] << (64 - first % 64);
    return low & low_bits(n);
}

bool ms_goheap_all_seen(const struct ms_go *go, const struct ms_goarea *a, uint64_t base) {
    uint64_t first = ms_goarea_word(a, base);
    unsigned n = (unsigned)(a->elem / MS_GO_PTR);
    return a->bits_known && !(bits_of(go->heap.points, first, n) & ~bits_of(go->heap.seen, first, n));
}

bool ms_goheap_pointers(struct ms_go *go, const struct ms_goarea *a, uint64_t addr, unsigned words,
                        uint64_t *mask) {
    if (a->bits) {
        if (!ms_goheap_know_bits(go, a)) return false;
        *mask = bits_of(go->heap.points, ms_goarea_word(a, addr), words);
        return true;
    }
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
