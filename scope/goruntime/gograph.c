/* gograph.c - a walked heap as a graph: its edges are the words the walk took for pointers, its nodes the objects.
 *
 * The walk has looked at each word of each live object that is a pointer, by its type or by the collector's bits, and
 * left a mark (seen).  Going through the marks again gives the graph without keeping it.
 *
 * Pointers to objects without pointers are marked only where the word has a type.  Who wants those too (they are bytes
 * that are held) looks at the others as the collector would.
 */
#include "gograph.h"

#include <stdlib.h>

static bool test_and_set(uint64_t *bits, uint64_t i) {
    uint64_t mask = UINT64_C(1) << (i % 64);
    bool was = bits[i / 64] & mask;
    bits[i / 64] |= mask;
    return was;
}

/* The first marked word from n on, or end. */
static uint64_t next_marked(const struct ms_go *go, uint64_t n, uint64_t end) {
    while (n < end) {
        uint64_t rest = go->heap.seen[n / 64] >> (n % 64);
        if (rest) return ms_min(n + (unsigned)__builtin_ctzll(rest), end);
        n = (n / 64 + 1) * 64;
    }
    return end;
}

void ms_gograph_words(struct ms_go *go, const struct ms_goarea *a, uint64_t from, uint64_t to, ms_goedge *fn,
                      void *ctx) {
    if (a->noscan || to <= from) return;
    uint64_t end = ms_goarea_word(a, to - MS_GO_PTR) + 1, value;
    for (uint64_t n = ms_goarea_word(a, from); !go->gone && (n = next_marked(go, n, end)) < end; n++) {
        uint64_t word = a->start + (n - a->first_word) * MS_GO_PTR;
        if (ms_gomem_word(go, word, &value) && value) fn(ctx, word, value);
    }
}

void ms_gograph_object(struct ms_go *go, uint32_t object, ms_goedge *fn, void *ctx) {
    const struct ms_goarea *a = ms_goheap_area_of(go, object);
    if (!a) return;
    uint64_t base = a->start + (object - a->first_object) * a->elem;
    ms_gograph_words(go, a, base, base + a->elem, fn, ctx);
}

/* What of a segment or stack is not the target's own: before it, and behind it. */
static void root_parts(const struct ms_goarea *a, const struct ms_gotarget *t, uint64_t part[2][2]) {
    bool holds = t->start >= a->start && t->start < a->end;
    part[0][0] = a->start;
    part[0][1] = holds ? t->start : a->end;
    part[1][0] = holds ? ms_min(t->end, a->end) : a->end;
    part[1][1] = a->end;
}

enum ms_goroot ms_gograph_root(struct ms_go *go, uint64_t word) {
    const struct ms_goarea *a = word ? ms_goheap_find(go, word) : NULL;
    if (!a) return MS_GO_OF_RUNTIME;
    return a->kind == MS_GO_DATA && ms_goroots_internal(go, word) ? MS_GO_OF_RUNTIME : MS_GO_OF_PROGRAM;
}

struct chosen {
    struct ms_go *go;
    enum ms_goroot kind;
    ms_goedge *fn;
    void *ctx;
};

static void choose(void *ctx, uint64_t word, uint64_t value) {
    struct chosen *c = ctx;
    if (ms_gograph_root(c->go, word) == c->kind) c->fn(c->ctx, word, value);
}

void ms_gograph_roots(struct ms_go *go, enum ms_goroot kind, const struct ms_gotarget *t, ms_goedge *fn,
                      void *ctx) {
    struct chosen chosen = {go, kind, fn, ctx};
    for (size_t i = 0; i < go->heap.areas && !go->gone; i++) {
        const struct ms_goarea *a = &go->heap.area[i];
        uint64_t part[2][2];
        if (a->kind == MS_GO_HEAP || (a->kind == MS_GO_STACK && kind != MS_GO_OF_PROGRAM)) continue;
        root_parts(a, t, part);
        for (int k = 0; k < 2; k++) ms_gograph_words(go, a, part[k][0], part[k][1], choose, &chosen);
    }
    for (size_t i = 0; i < go->walk.outside_count && kind == MS_GO_OF_RUNTIME; i++)
        fn(ctx, 0, go->walk.outside[i]);
}

uint32_t ms_gograph_at(struct ms_go *go, uint64_t addr) {
    const struct ms_goarea *a = ms_goheap_find(go, addr);
    if (!a || a->kind != MS_GO_HEAP || a->noscan) return MS_GO_NO_OBJECT;
    return (uint32_t)ms_goarea_object(a, addr);
}

struct ms_gotarget ms_gotarget_of(struct ms_go *go, uint64_t header) {
    const struct ms_goarea *a = ms_goheap_find(go, header);
    struct ms_gotarget t = {.header = header,
                            .header_end = header + go->layout.map_header,
                            .start = header,
                            .end = header + go->layout.map_header,
                            .object = ms_gograph_at(go, header)};
    if (t.object == MS_GO_NO_OBJECT) return t;
    t.part = a->elem != ms_goguess_header_object(go);
    t.header_end = ms_min(t.header_end, ms_goarea_base(a, header) + a->elem);
    t.start = ms_goarea_base(a, header);
    t.end = t.start + a->elem;
    return t;
}

/* ---- reaching ---------------------------------------------------------------------------------- */

static void meet_leaf(struct ms_goreach *r, const struct ms_goarea *a, uint64_t value) {
    if (!r->leaf) return;
    uint64_t number = r->leaf_base[a - r->go->heap.area] + (value - a->start) / a->elem;
    if (test_and_set(r->leaf, number)) return;
    r->bytes += a->elem;
    r->objects++;
}

static void meet_object(struct ms_goreach *r, const struct ms_goarea *a, uint32_t object) {
    if (test_and_set(r->met, object)) return;
    r->order[r->count++] = object;
    r->bytes += a->elem;
    r->objects++;
}

static void meet(void *ctx, uint64_t word, uint64_t value) {
    struct ms_goreach *r = ctx;
    const struct ms_goarea *a = ms_goheap_find(r->go, value);
    (void)word;
    if (!a || a->kind != MS_GO_HEAP) return;
    if (a->noscan) {
        meet_leaf(r, a, value);
        return;
    }
    uint32_t object = (uint32_t)ms_goarea_object(a, value);
    if (object == r->target.object && !r->open && !r->target.part) return;
    if (r->waits && r->go->heap.internal[object / 64] >> (object % 64) & 1) {
        MS_ROOM(r->late, r->late_count, r->late_room);
        r->late[r->late_count++] = object;
        return;
    }
    meet_object(r, a, object);
}

/* Did the walk mark every pointer there, those to leaves too?  So it did where a segment's mask or the type that an allocation
 * has tells each of them; a number that looks like one, as the write barrier's buffer in a runtime.p is full of, is none. */
static bool is_told(struct ms_go *go, const struct ms_goarea *a, uint64_t addr) {
    uint64_t at;
    if (a->kind == MS_GO_DATA) return true;
    return a->kind == MS_GO_HEAP && go->layout.heap_bits && !a->bits &&
           ms_goguess_object(go, a, ms_goarea_base(a, addr), &at);
}

/* Pointers to leaves in words the walk had no reason to mark. */
static void meet_leaves(struct ms_goreach *r, const struct ms_goarea *a, uint64_t from, uint64_t to) {
    uint64_t value;
    if (!r->leaf || to <= from || is_told(r->go, a, from)) return;
    for (uint64_t word = from; word < to && !r->go->gone; word += MS_GO_PTR) {
        if (ms_gowalk_seen(r->go, ms_goarea_word(a, word)) || !ms_gowalk_may_point(r->go, a, word)) continue;
        if (!ms_gomem_word(r->go, word, &value)) continue;
        const struct ms_goarea *to_area = ms_goheap_find(r->go, value);
        if (!to_area || !to_area->noscan) continue;
        if (a->kind != MS_GO_HEAP && ms_goheap_is_free(r->go, to_area, ms_goarea_base(to_area, value)))
            continue;
        meet_leaf(r, to_area, value);
    }
}

void ms_goreach_words(struct ms_goreach *r, const struct ms_goarea *a, uint64_t from, uint64_t to) {
    ms_gograph_words(r->go, a, from, to, meet, r);
    meet_leaves(r, a, from, to);
}

static void go_through(struct ms_goreach *r, uint32_t object) {
    const struct ms_goarea *a = ms_goheap_area_of(r->go, object);
    const struct ms_gotarget *t = &r->target;
    if (!a || (r->closed && r->closed[object / 64] >> (object % 64) & 1)) return;
    uint64_t base = a->start + (object - a->first_object) * a->elem, end = base + a->elem;
    bool around = object == t->object && t->part;
    ms_goreach_words(r, a, base, around ? t->header : end);
    ms_goreach_words(r, a, around ? t->header_end : end, end);
}

void ms_goreach_value(struct ms_goreach *r, uint64_t value) { meet(r, 0, value); }

void ms_goreach_object(struct ms_goreach *r, uint32_t object) { go_through(r, object); }

/* All that the objects from `done` on lead to, level by level. */
void ms_goreach_drain(struct ms_goreach *r, size_t done) {
    while (done < r->count && !r->go->gone) {
        MS_ROOM(r->level, r->levels, r->level_room);
        r->level[r->levels++] = done;
        for (size_t end = r->count; done < end; done++) go_through(r, r->order[done]);
    }
}

static void number_leaves(struct ms_goreach *r) {
    const struct ms_goheap *h = &r->go->heap;
    uint64_t n = 0;
    r->leaf_base = ms_alloc((h->areas + 1) * sizeof *r->leaf_base);
    for (size_t i = 0; i < h->areas; i++) {
        r->leaf_base[i] = n;
        if (h->area[i].noscan) n += (h->area[i].end - h->area[i].start) / h->area[i].elem;
    }
    r->leaf = ms_alloc((size_t)(n / 64 + 1) * sizeof *r->leaf);
}

void ms_goreach_init(struct ms_goreach *r, struct ms_go *go, const struct ms_gotarget *t, bool want_leaves) {
    *r = (struct ms_goreach){.go = go, .target = *t};
    r->met = ms_alloc((size_t)(go->heap.objects / 64 + 1) * sizeof *r->met);
    r->order = ms_alloc((size_t)(go->heap.objects + 1) * sizeof *r->order);
    if (want_leaves) number_leaves(r);
}

bool ms_goreach_has(const struct ms_goreach *r, uint64_t addr) {
    const struct ms_goarea *a = ms_goheap_find(r->go, addr);
    if (!a || a->kind != MS_GO_HEAP) return false;
    uint64_t n = a->noscan ? r->leaf_base[a - r->go->heap.area] + (addr - a->start) / a->elem
                           : ms_goarea_object(a, addr);
    const uint64_t *bits = a->noscan ? r->leaf : r->met;
    return bits && bits[n / 64] >> (n % 64) & 1;
}

void ms_goreach_run(struct ms_goreach *r, struct ms_go *go, const struct ms_gotarget *t, bool want_leaves) {
    ms_goreach_init(r, go, t, want_leaves);
    for (size_t i = 0; want_leaves && i < go->heap.areas; i++) {
        const struct ms_goarea *a = &go->heap.area[i];
        uint64_t part[2][2];
        if (a->kind == MS_GO_HEAP) continue;
        root_parts(a, t, part);
        for (int k = 0; k < 2; k++) meet_leaves(r, a, part[k][0], part[k][1]);
    }
    for (enum ms_goroot kind = 0; kind < MS_GO_ROOTS; kind++) {
        size_t done = r->count;
        r->first_level[kind] = r->levels;
        r->waits = kind == MS_GO_OF_PROGRAM;
        for (size_t i = 0; i < r->late_count && !r->waits; i++)
            meet_object(r, ms_goheap_area_of(go, r->late[i]), r->late[i]);
        ms_gograph_roots(go, kind, t, meet, r);
        ms_goreach_drain(r, done);
    }
}

void ms_goreach_through(struct ms_goreach *r) {
    struct ms_go *go = r->go;
    size_t done = r->count;
    const struct ms_goarea *a = ms_goheap_find(go, r->target.start);
    r->open = true;
    r->bytes = r->objects = 0;
    const struct ms_gotarget *t = &r->target;
    if (t->object != MS_GO_NO_OBJECT && !t->part) {
        meet(r, 0, t->start);
    } else if (a) { /* the header is part of a frame, a segment or an object: not its own */
        ms_gograph_words(go, a, t->header, ms_min(t->header_end, a->end), meet, r);
        meet_leaves(r, a, t->header, ms_min(t->header_end, a->end));
    }
    ms_goreach_drain(r, done);
}

void ms_goreach_free(struct ms_goreach *r) {
    free(r->met);
    free(r->leaf);
    free(r->closed);
    free(r->late);
    free(r->leaf_base);
    free(r->order);
    free(r->level);
    *r = (struct ms_goreach){0};
}
