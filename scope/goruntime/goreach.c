/* goreach.c - from a pointer that was met to the work behind it.
 *
 * What a pointer leads to is known by three looks, each at a place that the one before tells: the slot of its address, the
 * area the slot names (goarea.c), the marks of its object.  In a large heap no cache holds any of them, and a processor
 * that waited for each would do nothing else.  So pointers go a way of three stations, some behind the other; at each
 * what the next one needs is asked of memory, and is there when the pointer comes to it:
 *
 *    met ---> [p p p p p p p p] ---> [p p p p p p p p] ---> [p p p p p p p p] ---> marked, work pushed
 *             slot is fetched        area is fetched        marks are fetched
 *
 * The order stays as it was.  A pointer into the page that is being looked at goes no way: all of that is near.
 */
#include "goruntime.h"

#include <stdlib.h>

enum { AHEAD = sizeof((struct ms_gowalk *)0)->way / sizeof(struct ms_gopointer) / 4, LINKS_BACK = 16 };

/* ---- marks ------------------------------------------------------------------------------------- */

static void note_outside(struct ms_go *go, uint64_t target) {
    struct ms_gowalk *w = &go->walk;
    MS_ROOM(w->outside, w->outside_count, w->outside_room);
    w->outside[w->outside_count++] = target;
}

/* Is it one of those that wait for the roots of the runtime? */
static bool is_early(const struct ms_go *go, size_t object) {
    return !go->walk.internal && go->heap.internal[object / 64] >> (object % 64) & 1;
}

static void mark(struct ms_go *go, size_t object, const struct ms_gopointer *p) {
    struct ms_gowalk *w = &go->walk;
    if (p->via == 0) note_outside(go, p->target);
    if (go->heap.object[object].from) return;
    go->heap.object[object].from = go->path_lost || !p->via ? UINT32_MAX : (uint32_t)p->via;
    MS_ROOM(w->reached, w->reached_count, w->reached_room);
    w->reached[w->reached_count++] = (uint32_t)object;
}

/* What `var X = &T{...}` points to, the compiler may put into a data segment, without a name. */
static void note_link(struct ms_go *go, const struct ms_gopointer *p, uint64_t bytes) {
    struct ms_gowalk *w = &go->walk;
    struct ms_goarea *from = NULL;
    uint64_t word = p->via ? ms_goheap_word_at(go, p->via - 1, &from) : 0;
    if (!from || from->kind != MS_GO_DATA) return;
    MS_ROOM(w->link, w->link_count, w->link_room);
    w->link[w->link_count++] = (struct ms_golink){p->target, bytes, word};
}

static int by_target(const void *a, const void *b) {
    const struct ms_golink *x = a, *y = b;
    if (x->target != y->target) return x->target < y->target ? -1 : 1;
    return (x->word > y->word) - (x->word < y->word);
}

void ms_goreach_links(struct ms_go *go) {
    if (go->walk.link_count) qsort(go->walk.link, go->walk.link_count, sizeof *go->walk.link, by_target);
}

const struct ms_golink *ms_gowalk_link(const struct ms_go *go, uint64_t addr) {
    const struct ms_gowalk *w = &go->walk;
    size_t low = 0;
    for (size_t high = w->link_count; low < high;) {
        size_t mid = low + (high - low) / 2;
        if (w->link[mid].target <= addr)
            low = mid + 1;
        else
            high = mid;
    }
    /* Pointers into the same thing stand behind the one to it. */
    for (size_t left = LINKS_BACK; low && left; low--, left--)
        if (addr - w->link[low - 1].target < w->link[low - 1].bytes) return &w->link[low - 1];
    return NULL;
}

/* ---- the way ----------------------------------------------------------------------------------- */

static void push(struct ms_go *go, const struct ms_gopointer *p) {
    struct ms_gowalk *w = &go->walk;
    struct ms_gowork work = {p->target, (uint32_t)ms_min(p->count, UINT32_MAX), p->type};
    if (p->target / MS_GO_PAGE == w->page) {
        MS_ROOM(w->near, w->near_count, w->near_room);
        w->near[w->near_count++] = work;
    } else {
        MS_ROOM(w->next, w->next_count, w->next_room);
        w->next[w->next_count++] = work;
    }
}

static bool all_seen(const struct ms_go *go, const struct ms_goarea *a, const struct ms_gopointer *p,
                     const struct ms_gotype *t) {
    uint64_t last = ms_goarea_word(a, p->target + ((t->pointers - 1) & ~UINT64_C(7)));
    return ms_gowalk_seen(go, last) && ms_gowalk_seen(go, last + (p->count - 1) * t->size / MS_GO_PTR);
}

/* Most objects are pointed to as what they were made for, which the second pointer need not be told by their words. */
static void arrive(struct ms_go *go, struct ms_gopointer *p, const struct ms_goarea *a) {
    if (!a || a->noscan) return;
    uint64_t nth = ms_goarea_nth(a, p->target), base = a->start + nth * a->elem,
             first = ms_goheap_first(go, a, base);
    struct ms_goobject *o = &go->heap.object[a->first_object + nth];
    if (a->kind == MS_GO_HEAP) {
        if (is_early(go, a->first_object + nth)) return;
        mark(go, a->first_object + nth, p);
    }
    const struct ms_gotype *t = ms_gotype_get(go, p->type);
    if (t->pointers == 0 || t->size == 0 || p->target % MS_GO_PTR || p->target < first) return;
    if (o->whole == p->type && (p->target - first) % t->size == 0) return;
    uint64_t most = (base + a->elem - p->target) / t->size;
    p->count = ms_min(p->count, most);
    if (p->count == 0 || all_seen(go, a, p, t)) return;
    if (p->count == most && p->target == first) o->whole = p->type;
    if (a->kind == MS_GO_DATA) note_link(go, p, p->count * t->size);
    push(go, p);
}

static void ask_area(struct ms_go *go, struct ms_gopointer *p) {
    if (*p->slot & (uint32_t)MS_GO_LEAVES || !*p->slot)
        p->slot = NULL;
    else
        __builtin_prefetch(&go->heap.area[*p->slot - 1]);
}

static void ask_marks(struct ms_go *go, struct ms_gopointer *p) {
    p->area = p->slot ? ms_goheap_in_slot(go, p->slot, p->target) : NULL;
    if (!p->area || p->area->noscan) return;
    __builtin_prefetch(&go->heap.object[ms_goarea_object(p->area, p->target)]);
}

/* Let pointers go on until only so many wait at each station. */
static void advance(struct ms_go *go, size_t waiting) {
    struct ms_gowalk *w = &go->walk;
    size_t places = sizeof w->way / sizeof *w->way;
    while (w->met - w->asked > waiting) ask_area(go, &w->way[w->asked++ % places]);
    while (w->asked - w->found > waiting) ask_marks(go, &w->way[w->found++ % places]);
    while (w->found - w->arrived > waiting) {
        struct ms_gopointer *p = &w->way[w->arrived++ % places];
        arrive(go, p, p->area);
    }
}

void ms_gowalk_reach(struct ms_go *go, uint64_t via, uint64_t target, ms_gotid type, uint64_t count) {
    struct ms_gowalk *w = &go->walk;
    struct ms_gopointer p = {.target = target, .via = via, .count = count, .type = type};
    if (target / MS_GO_PAGE == w->page) {
        arrive(go, &p, ms_goheap_find(go, target));
        return;
    }
    p.slot = ms_goheap_slot(go, target);
    if (!p.slot) return;
    __builtin_prefetch(p.slot);
    w->way[w->met++ % (sizeof w->way / sizeof *w->way)] = p;
    advance(go, AHEAD);
}

void ms_goreach_all(struct ms_go *go) { advance(go, 0); }
