/* lib/arena.c - cells: string copies, out-of-line keys and values, chain nodes.
 *
 * A map with a small table takes each cell from malloc (or the user's allocator).  Once the table is large
 * (POOL_FROM_GROUPS), cells come from blocks of the map's own: no header per cell, and memory goes back to
 * the OS in chunks as cells are freed.  A cell costs a quarter of a malloc; the first blocks are small because most maps are.
 *
 *   block (16 KiB, doubling to 16 MiB; from malloc, from 128 KiB on from mmap)
 *   | chunk 16 KiB | chunk | chunk | ... never used ... |
 *     | cell cell cell ... fresh |                    one size class a chunk
 *
 * Where a cell came from is told by its address: blocks are few (their sizes double) and sorted; the chunk is
 * its offset / 16 KiB.  Classes: 16-byte steps to 256, then eight per doubling; cells above 8 KiB are always
 * single allocations.  Freed cells are wiped and reused within their chunk.  A class keeps one empty chunk at most;
 * others go back to their block (MADV_DONTNEED), and a block without used chunks is freed.  Every operation is
 * O(1) but for the search among the blocks.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <sys/mman.h>

enum {
    CHUNK = 16 << 10,
    BLOCK_FIRST = CHUNK,
    BLOCK_LAST = 16 << 20,
    CELL_MAX = 8 << 10,
    BLOCK_ALIGN = MAX_ALIGN
};
enum { NO_CHUNK = UINT32_MAX };

struct chunk {
    void *free;                /* freed cells */
    uint32_t live;             /* cells in use */
    uint32_t bump;             /* bytes ever handed out */
    struct chunk *next, *prev; /* in the class's list of chunks with room; block's free list (next) */
    uint8_t *base;
    uint8_t class, listed;
    uint8_t dirty; /* memory beyond bump is not zero */
};

struct block {
    uint8_t *base;
    uint64_t bytes;
    struct chunk *chunks;
    struct chunk *unused;          /* chunks given back */
    uint32_t nchunks, fresh, used; /* chunks: all, ever used, in use */
    bool mapped;                   /* a mapping of its own: zeros, and pages that can go back */
};

static unsigned class_of(size_t size) {
    if (size <= 256) return (unsigned)((size + 15) / 16) - (size ? 1 : 0);
    unsigned lg = 63 - (unsigned)__builtin_clzll((unsigned long long)size - 1); /* 2^lg < size <= 2^(lg+1) */
    return 16 + (lg - 8) * 8 + (unsigned)((size - 1) >> (lg - 3) & 7);
}
static size_t class_size(unsigned c) {
    if (c < 16) return 16 * (size_t)(c + 1);
    unsigned lg = 8 + (c - 16) / 8;
    return ((size_t)1 << lg) + ((size_t)(c - 16) % 8 + 1) * ((size_t)1 << (lg - 3));
}
static_assert(16 + (13 - 8) * 8 == CELL_CLASSES, "classes end at 8 KiB");

/* Cells are aligned to 16; stricter alignments round the size up so that every cell of a chunk keeps it. */
static size_t cell_size(size_t size, size_t align) {
    return gomap_inspect_align(size ? size : 1, align > 16 ? align : 1);
}
/* A class keeps alignments its cell size is a multiple of (chunks start at multiples of MAX_ALIGN). */
static bool fits(size_t size, size_t align) {
    return size <= CELL_MAX && (align <= 16 || class_size(class_of(size)) % align == 0);
}

static struct block *block_of(const struct arena *a, const void *p) {
    uint32_t lo = 0, hi = a->nblocks;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (a->blocks[mid].base + a->blocks[mid].bytes <= (const uint8_t *)p)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < a->nblocks && a->blocks[lo].base <= (const uint8_t *)p ? &a->blocks[lo] : NULL;
}

static bool grow_index(struct gomap *m, struct arena *a) {
    if (a->nblocks < a->cap_blocks) return true;
    uint32_t cap = a->cap_blocks ? a->cap_blocks * 2 : 8;
    const gomap_alloc *al = gomap__allocator(m);
    struct block *b = gomap__alloc(al, cap * sizeof *b, 16);
    if (!b) return false;
    if (a->nblocks) memcpy(b, a->blocks, a->nblocks * sizeof *b);
    gomap__dealloc(al, a->blocks, a->cap_blocks * sizeof *b, 16);
    m->side->arena_bytes += (cap - a->cap_blocks) * sizeof *b;
    a->blocks = b, a->cap_blocks = cap;
    return true;
}

static bool add_block(struct gomap *m, struct arena *a) {
    const gomap_alloc *al = gomap__allocator(m);
    uint64_t bytes = BLOCK_FIRST;
    while (bytes < BLOCK_LAST && bytes * 4 <= m->side->arena_bytes) bytes *= 2;
    if (!grow_index(m, a)) return false;
    struct block b = {.bytes = bytes, .nchunks = (uint32_t)(bytes / CHUNK), .mapped = !al && bytes >= MMAP_FROM};
    b.chunks = gomap__alloc(al, b.nchunks * sizeof *b.chunks, 16);
    b.base = b.chunks ? gomap__alloc_part(al, bytes, BLOCK_ALIGN, 0) : NULL;
    if (!b.base) {
        gomap__dealloc(al, b.chunks, b.nchunks * sizeof *b.chunks, 16);
        return false;
    }
    uint32_t at = a->nblocks;
    while (at && a->blocks[at - 1].base > b.base) a->blocks[at] = a->blocks[at - 1], at--;
    a->blocks[at] = b;
    a->nblocks++;
    m->side->arena_bytes += b.nchunks * sizeof *b.chunks + (b.mapped ? 0 : bytes);
    return true;
}

static void drop_block(struct gomap *m, struct arena *a, struct block *b) {
    const gomap_alloc *al = gomap__allocator(m);
    m->side->arena_bytes -= b->nchunks * sizeof *b->chunks + (b->mapped ? 0 : b->bytes);
    gomap__dealloc(al, b->base, b->bytes, BLOCK_ALIGN);
    gomap__dealloc(al, b->chunks, b->nchunks * sizeof *b->chunks, 16);
    memmove(b, b + 1, (size_t)(&a->blocks[a->nblocks] - (b + 1)) * sizeof *b);
    a->nblocks--;
}

static struct chunk *take_chunk(struct gomap *m, struct arena *a) {
    struct block *b = NULL;
    uint64_t pile = gomap__pile(m);
    for (uint32_t i = a->nblocks; i-- && !b;)
        if (a->blocks[i].used < a->blocks[i].nchunks) b = &a->blocks[i];
    if (!b) {
        const uint64_t since = gomap__clock();
        if (!add_block(m, a)) return NULL;
        gomap__took(m, GOMAP_TIME_ALLOC, since);
        for (uint32_t i = 0; i < a->nblocks; i++)
            if (!a->blocks[i].used) b = &a->blocks[i];
    }
    struct chunk *c = b->unused;
    if (c) {
        b->unused = c->next;
    } else {
        c = &b->chunks[b->fresh];
        c->base = b->base + (uint64_t)b->fresh++ * CHUNK;
        c->dirty = !b->mapped;
    }
    b->used++;
    if (b->mapped) m->side->arena_bytes += CHUNK;
    gomap__repiled(m, pile);
    c->next = c->prev = NULL, c->free = NULL, c->live = c->bump = 0;
    return c;
}

static void list_add(struct cell_class *k, struct chunk *c) {
    c->prev = NULL, c->next = k->room, c->listed = 1;
    if (k->room) k->room->prev = c;
    k->room = c;
}
static void list_remove(struct cell_class *k, struct chunk *c) {
    if (c->prev)
        c->prev->next = c->next;
    else
        k->room = c->next;
    if (c->next) c->next->prev = c->prev;
    c->listed = 0;
}

static void *pool_alloc(struct gomap *m, size_t size) {
    struct arena *a = &gomap__side(m)->arena;
    if (!a->classes) {
        uint64_t pile = gomap__pile(m);
        a->classes = gomap__alloc(gomap__allocator(m), CELL_CLASSES * sizeof *a->classes, 16);
        if (!a->classes) return NULL;
        m->side->arena_bytes += CELL_CLASSES * sizeof *a->classes;
        gomap__repiled(m, pile);
    }
    unsigned cl = class_of(size);
    struct cell_class *k = &a->classes[cl];
    size = class_size(cl);
    struct chunk *c = k->room;
    if (!c) {
        c = take_chunk(m, a);
        if (!c) return NULL;
        c->class = (uint8_t)cl;
        list_add(k, c);
    }
    uint8_t *p = c->free;
    if (p) {
        c->free = *(void **)(void *)p;
        *(void **)(void *)p = NULL;
    } else {
        p = c->base + c->bump;
        c->bump += (uint32_t)size;
        if (c->dirty) memset(p, 0, size);
    }
    c->live++;
    if (!c->free && c->bump + size > CHUNK) list_remove(k, c);
    return p;
}

/* An empty chunk goes back to its block, its pages to the OS; an empty block is unmapped. */
static void release_chunk(struct gomap *m, struct arena *a, struct block *b, struct chunk *c) {
    uint64_t pile = gomap__pile(m);
    if (b->mapped) {
        m->side->arena_bytes -= CHUNK;
        c->dirty = FAULT(GOMAP_FAULT_MADVISE) || madvise(c->base, CHUNK, MADV_DONTNEED);
        m->side->counters.madvise_calls++, m->side->counters.madvise_bytes += CHUNK;
    }
    c->next = b->unused;
    b->unused = c;
    if (!--b->used && a->nblocks > 1) drop_block(m, a, b);
    gomap__repiled(m, pile);
}

static void pool_free(struct gomap *m, struct arena *a, struct block *b, uint8_t *p) {
    struct chunk *c = &b->chunks[(uint64_t)(p - b->base) / CHUNK];
    struct cell_class *k = &a->classes[c->class];
    size_t size = class_size(c->class);
    size <= 256 ? gomap__wipe(p, size) : (void)memset(p, 0, size);
    *(void **)(void *)p = c->free;
    c->free = p;
    c->live--;
    if (!c->listed) list_add(k, c);
    if (!c->live && (c->next || c->prev)) { /* not the only one with room */
        list_remove(k, c);
        release_chunk(m, a, b, c);
    }
}

/* Zeroed memory for one cell; NULL: out of memory. */
void *gomap__cell_alloc(struct gomap *m, size_t size, size_t align) {
    struct gomap__side *s = gomap__side(m);
    size = cell_size(size, align);
    if (m->ngroups >= POOL_FROM_GROUPS && fits(size, align)) return pool_alloc(m, size);
    uint64_t pile = gomap__pile(m);
    void *p = gomap__alloc(gomap__allocator(m), size, align < 16 ? 16 : align);
    if (p) s->pub.loose_bytes += size;
    gomap__repiled(m, pile);
    return p;
}

void gomap__cell_free(struct gomap *m, void *p, size_t size, size_t align) {
    struct gomap__side *s = gomap__side(m);
    size = cell_size(size, align);
    struct block *b = block_of(&s->arena, p);
    if (b) {
        pool_free(m, &s->arena, b, p);
        return;
    }
    uint64_t pile = gomap__pile(m);
    s->pub.loose_bytes -= size;
    memset(p, 0, size);
    gomap__dealloc(gomap__allocator(m), p, size, align < 16 ? 16 : align);
    gomap__repiled(m, pile);
}

/* All blocks at once; cells that are allocations of their own must be gone. */
void gomap__arena_free(struct gomap *m) {
    struct arena *a = &gomap__side(m)->arena;
    const gomap_alloc *al = gomap__allocator(m);
    uint64_t pile = gomap__pile(m);
    gomap__free_limbo(m);
    while (a->nblocks) drop_block(m, a, &a->blocks[a->nblocks - 1]);
    gomap__dealloc(al, a->blocks, a->cap_blocks * sizeof *a->blocks, 16);
    gomap__dealloc(al, a->classes, CELL_CLASSES * sizeof *a->classes, 16);
    memset(a, 0, sizeof *a);
    m->side->arena_bytes = 0;
    gomap__repiled(m, pile);
}
