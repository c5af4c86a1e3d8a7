/* cmd_held.c - of each mapping: what is resident, and what of that is in use, as far as somebody knows.
 *
 * A Go program tells which spans its heap has in use: the rest of their mappings is free memory.  Of malloc's mappings
 * nothing is known but what the kernel says.  A gomap's range has no free memory that is resident: what a table gives up
 * loses its rights, and no huge page reaches across that border.
 */
#include "cmd.h"

#include "goruntime/goruntime.h"
#include "reader/smaps.h"

#include <stdlib.h>

#define ARENA_BYTES (UINT64_C(1) << 26) /* of Go's heap, on 64-bit Linux */

struct held {
    struct ms_smap *smap;
    struct ms_held_memory *memory;
    size_t n;
};

/* The first mapping that ends above addr. */
static size_t first_above(const struct held *h, uint64_t addr) {
    size_t lo = 0, hi = h->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (h->smap[mid].end > addr)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

/* An arena is the heap's as a whole: a mapping in one, with nothing in use, is free and not unknown. */
static void add_arena(struct held *h, uint64_t start) {
    for (size_t i = first_above(h, start); i < h->n && h->smap[i].start < start + ARENA_BYTES; i++)
        if (h->memory[i].used == MS_UNKNOWN) h->memory[i].used = 0;
}

static void add_used(struct held *h, uint64_t start, uint64_t end) {
    for (uint64_t arena = start & ~(ARENA_BYTES - 1); arena < end; arena += ARENA_BYTES) add_arena(h, arena);
    for (size_t i = first_above(h, start); i < h->n && h->smap[i].start < end; i++) {
        struct ms_held_memory *m = &h->memory[i];
        uint64_t from = start > h->smap[i].start ? start : h->smap[i].start, to = ms_min(end, h->smap[i].end);
        m->used = ms_add(m->used, to - from);
    }
}

static void add_spans(const struct ms_go *go, struct held *h) {
    for (size_t i = 0; i < go->heap.areas; i++)
        if (go->heap.area[i].kind == MS_GO_HEAP) add_used(h, go->heap.area[i].start, go->heap.area[i].end);
}

int ms_session_held(struct ms_session *s, struct ms_held_memory **out, size_t *n, struct ms_error *err) {
    struct held h = {.smap = NULL};
    *out = NULL;
    *n = 0;
    int status = ms_smaps_load(&s->process, &h.smap, &h.n, err);
    h.memory = ms_alloc((h.n + 1) * sizeof *h.memory);
    for (size_t i = 0; i < h.n; i++)
        h.memory[i] = (struct ms_held_memory){.resident = h.smap[i].resident,
                                              .lazyfree = h.smap[i].lazyfree,
                                              .huge = h.smap[i].huge,
                                              .used = MS_UNKNOWN};
    if (status == MS_OK && s->go) add_spans(s->go, &h);
    free(h.smap);
    *out = h.memory;
    *n = h.n;
    return status;
}
