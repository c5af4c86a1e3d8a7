/* gowalk.c - from the roots to every object, typed where the type is known.
 *
 *   1  globals of packages by their types, to the end   names everything that has one
 *   2  words of frames that are surely pointers
 *   3  globals of the runtime by their types            which lead to much that has a better name
 *   4  what the masks of the data segments hold beside
 *   5  words of frames that may be pointers
 *   6  functions that wait for an object to die
 *
 * After each root all typed work is done before any object's remaining words are looked at, so that an object both a
 * typed and an untyped path lead to is mostly entered by the typed one, and its map has a name.
 *
 *   reach(via, target, type) ---> object marked, put on `reached`    -- later, only words not seen yet -->  word()
 *                             \-> (target, type, count) on `next`    -- scan(): its pointers by kind    -->  reach()
 *
 * Work is found in the order of distance from the roots.  A pointer word is looked at once, so a walk ends; what it
 * costs beside is a type's fields around words seen before, and that has a budget.
 */
#include "goruntime.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64, WORDS = 64, CROWD = 1 << 12 };
#define BUDGET_PER_WORD 64

/* Everything begun is done: words seen are those whose pointers are on their way. */
static inline void between(struct ms_go *go) {
    if (!go->asked) return;
    go->asked = false;
    if (go->meanwhile) go->meanwhile(go->meanwhile_ctx);
}

static void see(struct ms_go *go, uint64_t word) { go->heap.seen[word / 64] |= UINT64_C(1) << (word % 64); }

/* ---- found maps -------------------------------------------------------------------------------- */

/* The word from which what lies at addr was first reached, as via; 0: it is part of a root. */
static uint64_t came_from(const struct ms_go *go, const struct ms_goarea *a, uint64_t addr) {
    return a->kind == MS_GO_HEAP ? go->heap.object[ms_goarea_object(a, addr)].from : 0;
}

void ms_gowalk_found(struct ms_go *go, uint64_t header, uint64_t via, ms_gotid type) {
    MS_ROOM(go->found, go->founds, go->found_room);
    go->found[go->founds++] = (struct ms_gofound){header, via, type};
}

/* By header, each once: the way is that of the first, the type that of the first that has one. */
static void gather_found(struct ms_go *go) {
    size_t n = 0;
    ms_gosort_found(go->found, go->founds);
    for (size_t i = 0; i < go->founds; i++) {
        struct ms_gofound *last = &go->found[n - (n > 0)];
        if (n && last->header == go->found[i].header)
            last->type = last->type ? last->type : go->found[i].type;
        else
            go->found[n++] = go->found[i];
    }
    go->founds = n;
}

/* ---- typed ------------------------------------------------------------------------------------- */

static uint64_t word_at(struct ms_go *go, uint64_t addr) {
    uint64_t v;
    return ms_gomem_word(go, addr, &v) ? v : 0;
}

/* The type of what a value of kind `t`, stored in one word, points to. */
static ms_gotid behind(struct ms_go *go, ms_gotid type, uint64_t value) {
    for (int i = 0; i < DEPTH_MAX; i++) {
        const struct ms_gotype *t = ms_gotype_get(go, type);
        switch (t->kind) {
        case MS_GO_MAP:
        case MS_GO_CHAN: return t->header;
        case MS_GO_POINTER: return t->elem;
        case MS_GO_FUNC: return ms_gotype_closure(go, word_at(go, value));
        case MS_GO_ARRAY: type = t->elem; continue; /* of one word, or it would not be in one */
        case MS_GO_STRUCT:
            type = 0;
            for (uint32_t k = 0; k < t->fields && !type; k++)
                if (ms_gotype_get(go, t->field[k].type)->pointers) type = t->field[k].type;
            continue;
        default: return 0;
        }
    }
    return 0;
}

static void interface(struct ms_go *go, bool empty, uint64_t addr, uint64_t via) {
    uint64_t tag = word_at(go, addr), data = word_at(go, addr + 8);
    if (tag && !empty) tag = word_at(go, tag + 8); /* an itab */
    if (!tag || !data) return;
    ms_gotid dynamic = ms_gotype_at(go, tag);
    if (ms_gotype_get(go, dynamic)->direct) dynamic = behind(go, dynamic, data);
    ms_gowalk_reach(go, via, data, dynamic, 1);
}

/* The word of that area at addr, as what leads from there. */
static uint64_t via(const struct ms_goarea *a, uint64_t addr) { return ms_goarea_word(a, addr) + 1; }

static void swiss_header(struct ms_go *go, const struct ms_goarea *a, ms_gotid id, uint64_t addr) {
    uint64_t table = word_at(go, addr + 16), length = word_at(go, addr + 24);
    ms_gotid group = length ? ms_gotype_made(go, MS_GO_DIRECTORY, id) : ms_gotype_get(go, id)->group;
    ms_gowalk_reach(go, via(a, addr + 16), table, group, length ? length : 1);
}

static void classic_header(struct ms_go *go, const struct ms_goarea *a, ms_gotid id, uint64_t addr) {
    ms_gotid bucket = ms_gotype_get(go, id)->group;
    ms_gowalk_reach(go, via(a, addr + 16), word_at(go, addr + 16), bucket, UINT64_MAX);
    ms_gowalk_reach(go, via(a, addr + 24), word_at(go, addr + 24), bucket, UINT64_MAX);
    uint64_t extra = addr + go->layout.map_header - MS_GO_PTR;
    ms_gowalk_reach(go, via(a, extra), word_at(go, extra), 0, 0);
}

/* Its first word is no pointer: seen only here, it tells that the header was met before. */
static void map_header(struct ms_go *go, const struct ms_goarea *a, ms_gotid id, uint64_t addr) {
    if (ms_gowalk_seen(go, ms_goarea_word(a, addr))) return;
    for (unsigned i = 0; i < go->layout.map_header; i += MS_GO_PTR) see(go, ms_goarea_word(a, addr + i));
    ms_gowalk_found(go, addr, came_from(go, a, addr), id);
    if (go->layout.swiss)
        swiss_header(go, a, id, addr);
    else
        classic_header(go, a, id, addr);
}

static void chan_header(struct ms_go *go, const struct ms_goarea *a, ms_gotid id, uint64_t addr) {
    const struct ms_golayout *l = &go->layout;
    see(go, ms_goarea_word(a, addr + l->chan_buf));
    ms_gowalk_reach(go, via(a, addr + l->chan_buf), word_at(go, addr + l->chan_buf),
                    ms_gotype_get(go, id)->elem, word_at(go, addr + l->chan_count));
}

static void swiss_table(struct ms_go *go, const struct ms_goarea *a, ms_gotid id, uint64_t addr) {
    see(go, ms_goarea_word(a, addr + 16));
    see(go, ms_goarea_word(a, addr + 24));
    ms_gowalk_reach(go, via(a, addr + 16), word_at(go, addr + 16), ms_gotype_get(go, id)->group,
                    word_at(go, addr + 24) + 1);
}

/* One value with a pointer in it. */
static void value(struct ms_go *go, const struct ms_goarea *a, const struct ms_goleaf *l, uint64_t addr) {
    uint64_t word = ms_goarea_word(a, addr), v;
    if (ms_gowalk_seen(go, word + (l->kind == MS_GO_INTERFACE))) return;
    see(go, word);
    if (l->kind == MS_GO_INTERFACE) see(go, word + 1);
    if (!ms_gomem_word(go, addr, &v) || v == 0) return;
    if (l->kind == MS_GO_INTERFACE)
        interface(go, l->empty_interface, addr, word + 2);
    else if (l->kind == MS_GO_FUNC)
        ms_gowalk_reach(go, word + 1, v, ms_gotype_closure(go, word_at(go, v)), 1);
    else
        ms_gowalk_reach(go, word + 1, v, l->to, l->kind == MS_GO_SLICE ? word_at(go, addr + 16) : 1);
}

/* A value of that type at addr, which lies in a whole. */
static void scan(struct ms_go *go, const struct ms_goarea *a, ms_gotid type, uint64_t addr, unsigned depth) {
    const struct ms_gotype *t = ms_gotype_get(go, type);
    if (t->pointers == 0 || depth == DEPTH_MAX || addr % MS_GO_PTR || go->gone || go->walk.budget == 0)
        return;
    go->walk.budget--;
    if (t->flat || (!t->parted && ms_gotype_leaves(go, type))) {
        go->walk.budget -= ms_min(go->walk.budget, t->leaves);
        for (uint32_t i = 0; i < t->leaves; i++) value(go, a, &t->leaf[i], addr + t->leaf[i].offset);
        return;
    }
    if (t->sync == MS_GO_SYNC_MAP) ms_gowalk_found(go, addr, came_from(go, a, addr), type);
    if (t->kind == MS_GO_STRUCT) {
        for (uint32_t i = 0; i < t->fields; i++)
            if (ms_gotype_get(go, t->field[i].type)->size <= ms_gofield_room(t, i))
                scan(go, a, t->field[i].type, addr + t->field[i].offset, depth + 1);
    } else if (t->kind == MS_GO_ARRAY) {
        uint64_t step = ms_gotype_get(go, t->elem)->size;
        for (uint64_t i = 0; step && i < t->count && (i + 1) * step <= t->size; i++)
            scan(go, a, t->elem, addr + i * step, depth + 1);
    } else if (t->kind == MS_GO_MAP_HEADER) {
        map_header(go, a, t->elem, addr);
    } else if (t->kind == MS_GO_CHAN_HEADER) {
        chan_header(go, a, t->elem, addr);
    } else if (t->kind == MS_GO_TABLE) {
        swiss_table(go, a, t->elem, addr);
    }
}

static void work_on(struct ms_go *go, const struct ms_gowork *w) {
    const struct ms_goarea *a = ms_goheap_find(go, w->addr);
    ms_gotid type = ms_gosync_node(go, w->type, w->addr);
    uint64_t size = ms_gotype_get(go, type)->size;
    if (!a || (type != w->type && size > ms_goarea_base(a, w->addr) + a->elem - w->addr)) return;
    if (a->bits) ms_goheap_know_bits(go, a); /* while their block is at hand */
    for (uint32_t i = 0; i < w->count && !go->gone && go->walk.budget; i++) {
        scan(go, a, type, w->addr + i * size, 0);
        between(go);
    }
}

/* ---- untyped ----------------------------------------------------------------------------------- */

/* The header of a sync.Map, whose root the word is, in a program that does not tell. */
static void found_around(struct ms_go *go, const struct ms_goarea *a, uint64_t word, uint64_t target) {
    const struct ms_goarea *to = ms_goheap_find(go, target);
    uint64_t header = word - 2 * MS_GO_PTR;
    if (!to || to->noscan || to->kind != MS_GO_HEAP || to->elem != MS_GO_SYNC_NODE_OBJECT) return;
    ms_gotid type = ms_gosync_guess(go, a, word, target);
    if (!type || header < ms_goarea_base(a, word)) return;
    ms_gowalk_found(go, header, came_from(go, a, word), type);
}

/* Not surely a pointer: one to an object that is not free is taken for one. */
static bool points(struct ms_go *go, uint64_t target) {
    const struct ms_goarea *a = ms_goheap_find(go, target);
    return a && !a->noscan && a->kind == MS_GO_HEAP && !ms_goheap_is_free(go, a, ms_goarea_base(a, target));
}

void ms_gowalk_word(struct ms_go *go, const struct ms_goarea *a, uint64_t word, bool surely) {
    uint64_t number = ms_goarea_word(a, word), target;
    if (ms_gowalk_seen(go, number) || !ms_gomem_word(go, word, &target) || !target) return;
    if (!surely && !points(go, target)) return;
    see(go, number);
    if (!go->dwarf) found_around(go, a, word, target);
    ms_gotid type = 0;
    if (word > ms_goarea_base(a, word)) type = ms_goguess_interface(go, word);
    if (ms_gotype_get(go, type)->direct) type = behind(go, type, target);
    ms_gowalk_reach(go, number + 1, target, type, 1);
}

bool ms_gowalk_may_point(struct ms_go *go, const struct ms_goarea *a, uint64_t word) {
    uint64_t bit;
    if (a->kind == MS_GO_STACK) return ms_gostack_word(go, a, word) != MS_GO_DEAD;
    return !ms_goheap_pointers(go, a, word, 1, &bit) || bit;
}

/* The pointers of an object as its bits tell them, all of its words where there are none. */
static void look_at_words(struct ms_go *go, const struct ms_goarea *a, uint64_t base) {
    uint64_t end = ms_goheap_pointers_end(go, a, base), mask;
    for (uint64_t at = base; at < end && !go->gone; at += WORDS * MS_GO_PTR) {
        unsigned n = (unsigned)ms_min(WORDS, (end - at) / MS_GO_PTR);
        if (!ms_goheap_pointers(go, a, at, n, &mask)) mask = UINT64_MAX;
        for (unsigned i = 0; i < n; i++)
            if (mask >> i & 1 && !ms_gowalk_seen(go, ms_goarea_word(a, at + i * MS_GO_PTR)))
                ms_gowalk_word(go, a, at + i * MS_GO_PTR, true);
        between(go);
    }
}

/* What of an object no typed path has looked at. */
static void look_over(struct ms_go *go, uint64_t object) {
    struct ms_goarea *a = ms_goheap_area_of(go, object);
    if (!a) return;
    uint64_t base = a->start + (object - a->first_object) * a->elem, end = base + a->elem, at = base;
    if (ms_goheap_all_seen(go, a, base)) return;
    ms_gotid type = ms_goguess_object(go, a, base, &at);
    uint64_t size = ms_gotype_get(go, type)->size;
    if (size && at + size <= end && type != go->heap.object[object].whole)
        work_on(go, &(struct ms_gowork){at, (uint32_t)ms_min((end - at) / size, UINT32_MAX), type});
    if (!type && base + 16 < end && !ms_gowalk_seen(go, ms_goarea_word(a, base + 16)) &&
        ms_goguess_header(go, a, base)) {
        ms_gotid map = ms_goguess_map_type(go, base);
        ms_gowalk_found(go, base, go->heap.object[object].from, map);
        if (map) map_header(go, a, map, base);
    }
    if (type && (a->large || !a->bits) && go->layout.heap_bits)
        return; /* the allocation's own type: nothing is left */
    look_at_words(go, a, base);
}

/* What it leads to in the same page comes at once where the heap is larger than what is kept of it: else a thousand long
 * lists, followed side by side, would each need their page again for every step.  Ways may then not be the shortest. */
static void work_near(struct ms_go *go, const struct ms_gowork *work) {
    struct ms_gowalk *w = &go->walk;
    if (go->heap.words >= MS_GO_KEPT_BYTES / MS_GO_PTR) w->page = work->addr / MS_GO_PAGE;
    work_on(go, work);
    while (w->near_count) {
        struct ms_gowork near = w->near[--w->near_count];
        work_on(go, &near);
    }
    w->page = UINT64_MAX;
}

/* All there is to do, and what that leads to, at equal distance from the roots together.  A crowd is taken in the order of
 * addresses: neighbours share a block of memory read. */
static void drain_typed(struct ms_go *go) {
    struct ms_gowalk *w = &go->walk;
    for (ms_goreach_all(go); w->next_count && !go->gone; ms_goreach_all(go)) {
        struct ms_gowork *now = w->next;
        size_t n = w->next_count, room = w->next_room;
        w->next = w->now;
        w->next_room = w->now_room;
        w->next_count = 0;
        w->now = now;
        w->now_room = room;
        if (n >= CROWD) ms_gosort_work(now, n);
        for (size_t i = 0; i < n && !go->gone; i++) work_near(go, &now[i]);
    }
}

static void drain(struct ms_go *go) {
    struct ms_gowalk *w = &go->walk;
    for (drain_typed(go); w->reached_done < w->reached_count && !go->gone; drain_typed(go)) {
        if (w->reached_done == w->reached_sorted) {
            size_t n = w->reached_count - w->reached_done;
            if (n >= CROWD) ms_gosort_objects(w->reached + w->reached_done, n);
            w->reached_sorted = w->reached_count;
        }
        while (w->reached_done < w->reached_sorted && !w->next_count && !go->gone)
            look_over(go, w->reached[w->reached_done++]);
    }
}

/* ---- the whole --------------------------------------------------------------------------------- */

int ms_gowalk_run(struct ms_go *go, struct ms_error *err) {
    ms_gowalk_close(go);
    go->frame_at = 0;
    go->walk.page = UINT64_MAX;
    int status = ms_goheap_load(go, err);
    if (status) return status;
    go->walk.budget = ms_add(ms_mul(go->heap.words, BUDGET_PER_WORD), 1 << 20);
    ms_goroots_hubs(go);
    ms_goroots_typed(go, false);
    drain(go);
    ms_goroots_waiting(go);
    ms_gostack_load(go);
    ms_goroots_stacks(go, MS_GO_LIVE);
    drain(go);
    go->walk.internal = true;
    ms_goroots_typed(go, true);
    drain(go);
    ms_goroots_masks(go);
    drain(go);
    ms_goroots_stacks(go, MS_GO_MAYBE);
    drain(go);
    ms_goroots_registers(go);
    drain(go);
    ms_goroots_specials(go);
    drain(go);
    ms_goreach_links(go);
    gather_found(go);
    ms_goshape_types(go);
    return go->gone ? ms_fail(err, MS_GONE, "the process ended while its heap was walked") : MS_OK;
}

void ms_gowalk_so_far(struct ms_go *go, size_t most, void (*use)(void *ctx), void *ctx) {
    struct ms_gofound *all = go->found;
    size_t n = go->founds, room = go->found_room;
    go->founds = go->found_room = n < most ? n : most;
    go->found = ms_alloc((go->founds + 1) * sizeof *go->found);
    if (go->founds) memcpy(go->found, all, go->founds * sizeof *all);
    ms_goreach_links(go);
    gather_found(go);
    use(ctx);
    ms_gosteps_close(go); /* there will be more links */
    free(go->found);
    go->found = all;
    go->founds = n;
    go->found_room = room;
}

double ms_gowalk_share(const struct ms_go *go) {
    return go->heap.objects ? (double)go->walk.reached_count / (double)go->heap.objects : 0;
}

void ms_gowalk_close(struct ms_go *go) {
    ms_gosteps_close(go);
    free(go->walk.now);
    free(go->walk.next);
    free(go->walk.reached);
    free(go->walk.near);
    free(go->walk.outside);
    free(go->walk.link);
    free(go->found);
    go->walk = (struct ms_gowalk){0};
    go->found = NULL;
    go->founds = go->found_room = 0;
}
