/* gowalk.c - from the roots to every object, typed where the type is known.
 *
 *   1  globals by their types, to the end          names everything that has one
 *   2  what the masks of the data segments hold beside
 *   3  stacks
 *   4  functions that wait for an object to die
 *
 * After each root all typed work is done before any object's remaining words are looked at, so that an object both a
 * typed and an untyped path lead to is mostly entered by the typed one, and its map has a name.
 *
 *   reach(word, target, type) --> object marked, put on `reached`    -- later, only words not seen yet -->  word()
 *                             \-> (target, type, count) on `next`    -- scan(): its pointers by kind    -->  reach()
 *
 * Work is found in the order of distance from the roots.  A pointer word is looked at once, so a walk ends; what it
 * costs beside is a type's fields around words seen before, and that has a budget.
 */
#include "goruntime.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64, WORDS = 64, LINKS_BACK = 16, CROWD = 1 << 16 };
#define BUDGET_PER_WORD 64

/* ---- marks ------------------------------------------------------------------------------------- */

bool ms_gowalk_seen(const struct ms_go *go, uint64_t word) {
    return go->heap.seen[word / 64] >> (word % 64) & 1;
}

static void see(struct ms_go *go, uint64_t word) { go->heap.seen[word / 64] |= UINT64_C(1) << (word % 64); }

/* 1 + number of the word at that address, for the way back; 0: in no area. */
static uint64_t number_of(struct ms_go *go, uint64_t word) {
    const struct ms_goarea *a = word ? ms_goheap_find(go, word) : NULL;
    return a && !a->noscan ? ms_goarea_word(a, word) + 1 : 0;
}

static void mark(struct ms_go *go, const struct ms_goarea *a, uint64_t target, uint64_t word) {
    uint64_t object = ms_goarea_object(a, target);
    struct ms_gowalk *w = &go->walk;
    if (go->heap.from[object]) return;
    go->heap.from[object] = go->path_lost ? UINT32_MAX : (uint32_t)number_of(go, word);
    if (!go->heap.from[object]) go->heap.from[object] = UINT32_MAX;
    MS_ROOM(w->reached, w->reached_count, w->reached_room);
    w->reached[w->reached_count++] = (uint32_t)object;
}

static void note_outside(struct ms_go *go, uint64_t target) {
    struct ms_gowalk *w = &go->walk;
    MS_ROOM(w->outside, w->outside_count, w->outside_room);
    w->outside[w->outside_count++] = target;
}

/* What `var X = &T{...}` points to, the compiler may put into a data segment, without a name. */
static void note_link(struct ms_go *go, uint64_t target, uint64_t bytes, uint64_t word) {
    struct ms_gowalk *w = &go->walk;
    const struct ms_goarea *from = word ? ms_goheap_find(go, word) : NULL;
    if (!from || from->kind != MS_GO_DATA) return;
    MS_ROOM(w->link, w->link_count, w->link_room);
    w->link[w->link_count++] = (struct ms_golink){target, bytes, word};
}

static int by_target(const void *a, const void *b) {
    const struct ms_golink *x = a, *y = b;
    if (x->target != y->target) return x->target < y->target ? -1 : 1;
    return (x->word > y->word) - (x->word < y->word);
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

static void push(struct ms_go *go, uint64_t addr, ms_gotid type, uint64_t count) {
    struct ms_gowalk *w = &go->walk;
    MS_ROOM(w->next, w->next_count, w->next_room);
    w->next[w->next_count++] = (struct ms_gowork){addr, count, type};
}

void ms_gowalk_reach(struct ms_go *go, uint64_t word, uint64_t target, ms_gotid type, uint64_t count) {
    const struct ms_goarea *a = target ? ms_goheap_find(go, target) : NULL;
    if (!a || a->noscan) return;
    uint64_t base = ms_goarea_base(a, target);
    if (a->kind == MS_GO_HEAP) {
        if (word == 0) note_outside(go, target);
        mark(go, a, target, word);
    }
    const struct ms_gotype *t = ms_gotype_get(go, type = ms_gosync_node(go, type, target));
    if (t->pointers == 0 || t->size == 0 || target % MS_GO_PTR) return;
    uint64_t most = (base + a->elem - target) / t->size;
    if (count > most) count = most;
    if (count == 0) return;
    uint64_t last = ms_goarea_word(a, target + ((t->pointers - 1) & ~UINT64_C(7)));
    if (ms_gowalk_seen(go, last) && ms_gowalk_seen(go, last + (count - 1) * t->size / MS_GO_PTR)) return;
    if (a->kind == MS_GO_DATA) note_link(go, target, count * t->size, word);
    push(go, target, type, count);
}

/* ---- found maps -------------------------------------------------------------------------------- */

static size_t found_place(const struct ms_go *go, uint64_t header) {
    const struct ms_gowalk *w = &go->walk;
    size_t at = (size_t)((header * UINT64_C(0x9e3779b97f4a7c15)) >> 24) & (w->slots - 1);
    while (w->slot[at] && go->found[w->slot[at] - 1].header != header) at = (at + 1) & (w->slots - 1);
    return at;
}

static void grow_found(struct ms_go *go) {
    struct ms_gowalk *w = &go->walk;
    free(w->slot);
    w->slots = w->slots ? w->slots * 2 : 4096;
    w->slot = ms_alloc(w->slots * sizeof *w->slot);
    for (size_t i = 0; i < go->founds; i++) w->slot[found_place(go, go->found[i].header)] = i + 1;
}

void ms_gowalk_found(struct ms_go *go, uint64_t header, uint64_t via, ms_gotid type) {
    struct ms_gowalk *w = &go->walk;
    if (go->founds * 2 >= w->slots) grow_found(go);
    size_t at = found_place(go, header);
    if (w->slot[at]) {
        struct ms_gofound *f = &go->found[w->slot[at] - 1];
        if (!f->type) f->type = type;
        return;
    }
    MS_ROOM(go->found, go->founds, go->found_room);
    go->found[go->founds++] = (struct ms_gofound){header, via, type};
    w->slot[at] = go->founds;
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

static void interface(struct ms_go *go, const struct ms_gotype *t, uint64_t addr) {
    uint64_t tag = word_at(go, addr), data = word_at(go, addr + 8);
    if (tag && !t->empty_interface) tag = word_at(go, tag + 8); /* an itab */
    if (!tag || !data) return;
    ms_gotid dynamic = ms_gotype_at(go, tag);
    if (ms_gotype_get(go, dynamic)->direct) dynamic = behind(go, dynamic, data);
    ms_gowalk_reach(go, addr + 8, data, dynamic, 1);
}

static void swiss_header(struct ms_go *go, const struct ms_gotype *map, ms_gotid id, uint64_t addr) {
    uint64_t table = word_at(go, addr + 16), length = word_at(go, addr + 24);
    if (length == 0)
        ms_gowalk_reach(go, addr + 16, table, map->group, 1);
    else
        ms_gowalk_reach(go, addr + 16, table, ms_gotype_made(go, MS_GO_DIRECTORY, id), length);
}

static void classic_header(struct ms_go *go, const struct ms_gotype *map, uint64_t addr) {
    ms_gowalk_reach(go, addr + 16, word_at(go, addr + 16), map->group, UINT64_MAX);
    ms_gowalk_reach(go, addr + 24, word_at(go, addr + 24), map->group, UINT64_MAX);
    uint64_t extra = addr + go->layout.map_header - MS_GO_PTR;
    ms_gowalk_reach(go, extra, word_at(go, extra), 0, 0);
}

static void map_header(struct ms_go *go, const struct ms_goarea *a, ms_gotid id, uint64_t addr) {
    const struct ms_gotype *map = ms_gotype_get(go, id);
    uint64_t via = 0;
    if (a->kind == MS_GO_HEAP) via = go->heap.from[ms_goarea_object(a, addr)];
    for (unsigned i = 0; i < go->layout.map_header; i += MS_GO_PTR) see(go, ms_goarea_word(a, addr + i));
    ms_gowalk_found(go, addr, via, id);
    if (go->layout.swiss)
        swiss_header(go, map, id, addr);
    else
        classic_header(go, map, addr);
}

static void chan_header(struct ms_go *go, const struct ms_goarea *a, ms_gotid id, uint64_t addr) {
    const struct ms_golayout *l = &go->layout;
    see(go, ms_goarea_word(a, addr + l->chan_buf));
    ms_gowalk_reach(go, addr + l->chan_buf, word_at(go, addr + l->chan_buf), ms_gotype_get(go, id)->elem,
                    word_at(go, addr + l->chan_count));
}

static void swiss_table(struct ms_go *go, const struct ms_goarea *a, ms_gotid id, uint64_t addr) {
    see(go, ms_goarea_word(a, addr + 16));
    see(go, ms_goarea_word(a, addr + 24));
    ms_gowalk_reach(go, addr + 16, word_at(go, addr + 16), ms_gotype_get(go, id)->group,
                    word_at(go, addr + 24) + 1);
}

/* One value with a pointer in its first word. */
static void value(struct ms_go *go, const struct ms_goarea *a, const struct ms_gotype *t, uint64_t addr) {
    uint64_t word = ms_goarea_word(a, addr), key = t->kind == MS_GO_INTERFACE ? word + 1 : word;
    if (ms_gowalk_seen(go, key)) return;
    see(go, word);
    see(go, key);
    uint64_t v = word_at(go, addr);
    if (v == 0) return;
    switch (t->kind) {
    case MS_GO_MAP:
    case MS_GO_CHAN: ms_gowalk_reach(go, addr, v, t->header, 1); break;
    case MS_GO_POINTER: ms_gowalk_reach(go, addr, v, t->elem, 1); break;
    case MS_GO_SLICE: ms_gowalk_reach(go, addr, v, t->elem, word_at(go, addr + 16)); break;
    case MS_GO_FUNC: ms_gowalk_reach(go, addr, v, ms_gotype_closure(go, word_at(go, v)), 1); break;
    case MS_GO_INTERFACE: interface(go, t, addr); break;
    case MS_GO_DIRECTORY: ms_gowalk_reach(go, addr, v, ms_gotype_made(go, MS_GO_TABLE, t->elem), 1); break;
    default: ms_gowalk_reach(go, addr, v, 0, 0);
    }
}

/* A value of that type at addr, which lies in a whole. */
static void scan(struct ms_go *go, const struct ms_goarea *a, ms_gotid type, uint64_t addr, unsigned depth) {
    const struct ms_gotype *t = ms_gotype_get(go, type);
    if (t->pointers == 0 || depth == DEPTH_MAX || addr % MS_GO_PTR || go->gone || go->walk.budget == 0)
        return;
    go->walk.budget--;
    if (t->sync == MS_GO_SYNC_MAP)
        ms_gowalk_found(go, addr, a->kind == MS_GO_HEAP ? go->heap.from[ms_goarea_object(a, addr)] : 0, type);
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
    } else {
        value(go, a, t, addr);
    }
}

static void work_on(struct ms_go *go, const struct ms_gowork *w) {
    const struct ms_goarea *a = ms_goheap_find(go, w->addr);
    uint64_t size = ms_gotype_get(go, w->type)->size;
    for (uint64_t i = 0; a && i < w->count && !go->gone && go->walk.budget; i++)
        scan(go, a, w->type, w->addr + i * size, 0);
}

/* ---- untyped ----------------------------------------------------------------------------------- */

void ms_gowalk_word(struct ms_go *go, const struct ms_goarea *a, uint64_t word, bool surely) {
    uint64_t number = ms_goarea_word(a, word), target;
    if (ms_gowalk_seen(go, number) || !ms_gomem_word(go, word, &target)) return;
    const struct ms_goarea *to = ms_goheap_find(go, target);
    if (!to || to->noscan || to->kind != MS_GO_HEAP) return;
    if (!surely && ms_goheap_is_free(go, to, ms_goarea_base(to, target))) return;
    see(go, number);
    ms_gotid type = 0;
    if (word > ms_goarea_base(a, word)) type = ms_goguess_interface(go, word);
    if (ms_gotype_get(go, type)->direct) type = behind(go, type, target);
    ms_gowalk_reach(go, word, target, type, 1);
}

bool ms_gowalk_may_point(struct ms_go *go, const struct ms_goarea *a, uint64_t word) {
    uint64_t bit;
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
    }
}

/* What of an object no typed path has looked at. */
static void look_over(struct ms_go *go, uint64_t object) {
    struct ms_goarea *a = ms_goheap_area_of(go, object);
    if (!a) return;
    uint64_t base = a->start + (object - a->first_object) * a->elem, end = base + a->elem, at = base;
    ms_gotid type = ms_goguess_object(go, a, base, &at);
    uint64_t size = ms_gotype_get(go, type)->size;
    if (size && at + size <= end) work_on(go, &(struct ms_gowork){at, (end - at) / size, type});
    if (!type && base + 16 < end && !ms_gowalk_seen(go, ms_goarea_word(a, base + 16)) &&
        ms_goguess_header(go, a, base)) {
        ms_gotid map = ms_goguess_map_type(go, base);
        ms_gowalk_found(go, base, go->heap.from[object], map);
        if (map) map_header(go, a, map, base);
    }
    if (type && (a->large || !a->bits) && go->layout.heap_bits)
        return; /* the allocation's own type: nothing is left */
    look_at_words(go, a, base);
}

/* What it leads to in the same page comes at once where the heap is larger than what is kept of it: else a thousand long
 * lists, followed side by side, would each need their page again for every step.  Ways may then not be the shortest. */
static void work_near(struct ms_go *go, struct ms_gowork w) {
    struct ms_gowalk *walk = &go->walk;
    size_t before = walk->next_count;
    uint64_t page = w.addr / MS_GO_PAGE;
    work_on(go, &w);
    if (go->heap.words < MS_GO_KEPT_BYTES / MS_GO_PTR) return;
    while (walk->next_count > before && walk->next[walk->next_count - 1].addr / MS_GO_PAGE == page) {
        w = walk->next[--walk->next_count];
        work_on(go, &w);
    }
}

static int by_addr(const void *a, const void *b) {
    const struct ms_gowork *x = a, *y = b;
    return (x->addr > y->addr) - (x->addr < y->addr);
}

static int by_number(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* A crowd of equal distance is taken in the order of addresses: neighbours share a block of memory read. */
static void drain(struct ms_go *go) {
    struct ms_gowalk *w = &go->walk;
    while (!go->gone) {
        while (w->next_count && !go->gone) {
            struct ms_gowork *now = w->next;
            size_t n = w->next_count, room = w->next_room;
            w->next = w->now;
            w->next_room = w->now_room;
            w->next_count = 0;
            w->now = now;
            w->now_room = room;
            if (n >= CROWD) qsort(now, n, sizeof *now, by_addr);
            for (size_t i = 0; i < n; i++) work_near(go, now[i]);
        }
        if (w->reached_done == w->reached_count) return;
        if (w->reached_done >= w->reached_sorted) {
            size_t n = w->reached_count - w->reached_done;
            if (n >= CROWD) qsort(w->reached + w->reached_done, n, sizeof *w->reached, by_number);
            w->reached_sorted = w->reached_count;
        }
        look_over(go, w->reached[w->reached_done++]);
    }
}

/* ---- the whole --------------------------------------------------------------------------------- */

int ms_gowalk_run(struct ms_go *go, struct ms_error *err) {
    ms_gowalk_close(go);
    go->frame_at = 0;
    int status = ms_goheap_load(go, err);
    if (status) return status;
    go->walk.budget = ms_add(ms_mul(go->heap.words, BUDGET_PER_WORD), 1 << 20);
    ms_goroots_typed(go);
    drain(go);
    ms_goroots_masks(go);
    drain(go);
    ms_goroots_stacks(go);
    drain(go);
    ms_goroots_registers(go);
    drain(go);
    ms_goroots_specials(go);
    drain(go);
    if (go->walk.link_count) qsort(go->walk.link, go->walk.link_count, sizeof *go->walk.link, by_target);
    ms_goshape_types(go);
    return go->gone ? ms_fail(err, MS_GONE, "the process ended while its heap was walked") : MS_OK;
}

void ms_gowalk_close(struct ms_go *go) {
    free(go->walk.now);
    free(go->walk.next);
    free(go->walk.reached);
    free(go->walk.slot);
    free(go->walk.outside);
    free(go->walk.link);
    free(go->found);
    go->walk = (struct ms_gowalk){0};
    go->found = NULL;
    go->founds = go->found_room = 0;
}
