/* lib/walk.c - growing and shrinking in place, a bounded step per write.
 *
 * Growing from ng to a larger number of groups walks the old quads from the top down.  The array is
 * ordered by hash, and an entry's new home is never below its old one, so what leaves quad q lands in
 * space already vacated or above the old end:
 *
 *   old   |0 |1 |2 |3 |4 |5 |6 |7 |                      split: positions below it are still old
 *                         ^walk_at
 *   new   |0 |1 |2 |3 |4 |5 |  |  |  |9 |10|11|          6,7 went to 9..11
 *
 * Shrinking is the same walk from the bottom up with positions below split already new; behind it the
 * vacated pages go back to the OS.  In both, `split` is the border in hash space, the geometry of positions below it is
 * side->lo_*, and a lookup needs one comparison.  Only when source and destination quad are the same (the lowest few)
 * is a quad copied out first.  Small tables, and maps whose allocator is the user's, walk from one array into another
 * by the same steps.
 *
 * A step first hashes every entry of a quad (callbacks) and secures chain nodes (allocation); then it mutates, with
 * neither.  Without memory the step waits.
 *
 * How the entries of one quad move: quad.c.
 */
#include "internal.h"

/* Fetch the lines of the step after this one: what it reads, and about what it will write.  A whole step is the lead they
 * need; fetched at the end of the step, half of them came too late. */
static void prefetch_after(const struct gomap *m, const struct quad_span *sp, bool grow) {
    enum { MOST = 1536 };
    const struct gomap__side *s = gomap__side(m);
    const size_t group = (size_t)GOMAP_GROUP_SLOTS * m->desc->slot_size;
    const uint64_t groups = sp->to_last - sp->to_first + 1, quad = grow ? sp->quad - 1 : sp->quad + 1;
    const uint64_t to = grow ? sp->to_first - groups : sp->to_last + 1;
    if (s->w->dst.ng * group <= CACHED_BYTES) return;
    if (quad >= gomap__quads(s->w->src.ng) || to >= s->w->dst.ng || s->w->dst.ng - to < groups) return; /* below 0 wraps */
    const uint8_t *slots = s->w->src.slots + quad * 4 * group, *to_slots = s->w->dst.slots + to * group;
    __builtin_prefetch(s->w->src.meta + quad * 64);
    for (uint64_t at = to / 4; at <= (to + groups) / 4 && at < to / 4 + 4; at++)
        __builtin_prefetch(s->w->dst.meta + at * 64, 1);
    for (size_t at = 0; at < 4 * group && at < MOST; at += 64) __builtin_prefetch(slots + at);
    for (size_t at = 0; at < groups * group && at < MOST; at += 64) __builtin_prefetch(to_slots + at, 1);
}

/* Before entries go to groups [first, last]: zero the metadata of a new block as far as that.  A piece a step: a user's
 * allocator promises no zeros, and all at once would be a pause that grows with the table. */
static void reach(struct walk *w, uint64_t first, uint64_t last) {
    bool grow = w->dst.ng > w->src.ng;
    uint64_t from = grow ? first / 4 : w->reached, to = grow ? w->reached : last / 4 + 1;
    if (!w->two_arrays || from >= to) return;
    if (w->dst_mode == GOMAP_MODE_BLOCK) {
        memset(w->dst.meta + from * 64, 0, (to - from) * 64);
        memset(w->dst.links + from, 0, (to - from) * sizeof *w->dst.links);
    }
    w->reached = grow ? from : to;
}

/* Move the next quad of the walk, or a part of it; false: no memory, nothing happened.  *moved, at most STEP_GOAL before,
 * grows by its entries. */
static bool walk_quad(struct gomap *m, bool grow, size_t *moved) {
    struct gomap__side *s = gomap__side(m);
    struct quad_span sp = gomap__next_quad(s, grow);
    const uint64_t first = sp.first, last = sp.last;
    size_t n = 0;
    reach(s->w, sp.to_first, sp.to_last);
    prefetch_after(m, &sp, grow);
    if (!gomap__move_quad(m, &sp, STEP_MAX - *moved, &n)) return false;
    s->w->pos = grow ? sp.first : sp.last + 1;
    if (sp.first == first && sp.last == last) s->w->at = grow ? sp.quad : sp.quad + 1;
    s->pub.counters.moved += n;
    __atomic_store_n(&s->pub.moves, s->pub.counters.moved, __ATOMIC_RELAXED);
    if (n) m->epoch++;
    *moved += n;
    return true;
}

/* ---- beginning and ending a walk ------------------------------------------------------------------- */

/* Quads start on cache lines.  Less than a quad is read by group, and what malloc aligns anyway leaves no holes between
 * many small maps. */
static size_t table_align(const struct gomap_desc *d, uint64_t groups) {
    size_t least = groups < 4 ? 16 : 64;
    return d->slot_align < least ? least : d->slot_align;
}

static void drop_range(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    s->pub.loose_bytes -= sizeof *s->range;
    gomap__event(m, GOMAP_EV_RETIRE, (uintptr_t)s->range->base, s->range->bytes);
    gomap__range_free(s->range);
    s->range = NULL;
}

static void publish_range(struct gomap__side *s) {
    s->pub.range_base = s->range ? s->range->base : NULL;
    s->pub.range_bytes = s->range ? s->range->bytes : 0;
}

/* Its slots are wiped already, by the steps that emptied them or by drop_table. */
void gomap__free_table(struct gomap *m, const struct geom *g, uint8_t mode, uint64_t groups) {
    const gomap_alloc *al = gomap__allocator(m);
    const struct gomap_desc *d = m->desc;
    size_t align = table_align(d, mode == GOMAP_MODE_SMALL ? 1 : groups);
    uint64_t bytes = mode == GOMAP_MODE_SMALL ? gomap_inspect_small_bytes(d, m->cap)
                                              : gomap_inspect_block_bytes(d, groups);
    if (mode == GOMAP_MODE_BLOCK) gomap__event(m, GOMAP_EV_RETIRE, (uintptr_t)g->meta, bytes);
    if (mode == GOMAP_MODE_SMALL || mode == GOMAP_MODE_BLOCK) gomap__heap_free(al, g->meta, bytes, align);
    if (mode == GOMAP_MODE_RANGE) drop_range(m);
}

/* Nothing of it is zeroed: slots need not be, the rest is when the walk comes to it. */
static bool make_block(struct gomap *m, uint64_t ng, struct geom *out) {
    const struct gomap_desc *d = m->desc;
    uint8_t *p =
        gomap__heap_alloc(gomap__allocator(m), gomap_inspect_block_bytes(d, ng), table_align(d, ng), 0);
    if (!p) return false;
    *out = (struct geom){ng, p, p + gomap_inspect_block_off(d, ng),
                         (uintptr_t *)(void *)(p + gomap__quads(ng) * 64)};
    return true;
}

static bool wants_range(const struct gomap *m, uint64_t ng) {
    if (gomap__allocator(m) || ng <= 2) return false;
    return ng >= gomap__range_groups(m);
}

static bool make_walk(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    s->w = gomap__alloc(gomap__allocator(m), sizeof *s->w, 16);
    if (s->w) s->pub.loose_bytes += sizeof *s->w;
    return s->w != NULL;
}

/* Find the destination: s->w->dst, s->w->two_arrays; *mode is the destination's. */
static bool make_destination(struct gomap *m, uint64_t ng, uint8_t *mode) {
    struct gomap__side *s = gomap__side(m);
    if (!s->w && !make_walk(m)) return false;
    s->w->two_arrays = true;
    *mode = GOMAP_MODE_BLOCK;
    if (m->mode == GOMAP_MODE_RANGE && (ng > m->ngroups || wants_range(m, ng))) {
        if (ng > m->ngroups && !gomap__range_commit(s->range, m->desc, ng)) return false;
        size_t quad_bytes = (size_t)GOMAP_QUAD_SLOTS * m->desc->slot_size;
        if (!s->w->scratch) {
            s->w->scratch = gomap__alloc(gomap__allocator(m), quad_bytes, m->desc->slot_align);
            if (!s->w->scratch) return false;
            s->pub.loose_bytes += quad_bytes;
        }
        s->w->two_arrays = false;
        *mode = GOMAP_MODE_RANGE;
        s->w->dst = gomap__range_geom(s->range, ng);
        return true;
    }
    if (m->mode != GOMAP_MODE_RANGE && wants_range(m, ng) &&
        (s->range = gomap__range_make(m->desc, ng, s->policy_reserve_max, s->policy_huge))) {
        s->pub.loose_bytes += sizeof *s->range;
        *mode = GOMAP_MODE_RANGE;
        s->w->dst = gomap__range_geom(s->range, ng);
        return true;
    }
    if (s->policy_reserve_max && gomap_inspect_block_bytes(m->desc, ng) > s->policy_reserve_max) return false;
    return make_block(m, ng, &s->w->dst);
}

/* No walk is under way any more. */
void gomap__free_walk(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    if (!s->w) return;
    size_t quad_bytes = (size_t)GOMAP_QUAD_SLOTS * m->desc->slot_size;
    if (s->w->scratch) s->pub.loose_bytes -= quad_bytes;
    gomap__dealloc(gomap__allocator(m), s->w->scratch, quad_bytes, m->desc->slot_align);
    gomap__free_nodes(m, s->w->spare);
    s->pub.loose_bytes -= sizeof *s->w;
    gomap__dealloc(gomap__allocator(m), s->w, sizeof *s->w, 16);
    s->w = NULL;
}

static uint64_t table_bytes(const struct gomap *m, uint8_t mode, uint64_t ng) {
    if (mode == GOMAP_MODE_RANGE) return gomap__range_bytes(gomap__side(m)->range);
    if (mode == GOMAP_MODE_SMALL) return gomap_inspect_small_bytes(m->desc, m->cap);
    return mode == GOMAP_MODE_BLOCK ? gomap_inspect_block_bytes(m->desc, ng) : 0;
}

/* The destination is the whole table now. */
/* opened: the geometry change has begun already */
static void settle(struct gomap *m, bool opened) {
    struct gomap__side *s = gomap__side(m);
    bool grow = s->pub.walk == GOMAP_WALK_GROW;
    struct geom src = s->w->src;
    uint64_t pile = gomap__pile(m);
    if (!opened) gomap__seq_begin(m);
    m->ngroups = s->w->dst.ng, m->meta = s->w->dst.meta, m->slots = s->w->dst.slots, m->links = s->w->dst.links;
    m->split = 0;
    s->pub.walk = GOMAP_WALK_NONE;
    s->pub.lo_ngroups = 0, s->pub.lo_meta = NULL, s->pub.lo_slots = NULL, s->pub.lo_links = NULL;
    if (s->w->two_arrays) gomap__free_table(m, &src, s->w->src_mode, src.ng);
    m->mode = s->w->dst_mode;
    m->cap = GOMAP_GROUP_SLOTS;
    if (!grow && !s->w->two_arrays) gomap__range_keep(s->range, m->desc, m->ngroups);
    s->pub.lo_bytes = 0;
    s->pub.hi_bytes = table_bytes(m, m->mode, m->ngroups);
    publish_range(s);
    gomap__seq_end(m);
    m->epoch++;
    if (grow) gomap__took(m, GOMAP_TIME_GROW, s->w->since);
    gomap__free_walk(m);
    gomap__set_limits(m);
    gomap__repiled(m, pile);
    gomap__event(m, grow ? GOMAP_EV_GROW_DONE : GOMAP_EV_SHRINK_DONE, src.ng, m->ngroups);
    gomap__log(m, grow ? "grow done" : "shrink done", src.ng, m->ngroups);
}

void gomap__walk_settle(struct gomap *m) {
    struct walk *w = gomap__side(m)->w;
    reach(w, 0, w->dst.ng - 1);
    settle(m, false);
}

/* Record that the walk has come so far, or that it is done. */
static void publish(struct gomap *m, bool opened) {
    struct gomap__side *s = gomap__side(m);
    uint64_t total = gomap__quads(s->w->src.ng);
    bool grow = s->pub.walk == GOMAP_WALK_GROW;
    s->pub.walk_quads_done = grow ? total - s->w->at : s->w->at;
    if (grow ? s->w->at == 0 : s->w->at == total) {
        settle(m, opened);
        return;
    }
    if (!opened) gomap__seq_begin(m);
    struct geom hi = grow ? s->w->dst : s->w->src, lo = grow ? s->w->src : s->w->dst;
    m->ngroups = hi.ng, m->meta = hi.meta, m->slots = hi.slots, m->links = hi.links;
    s->pub.lo_ngroups = lo.ng, s->pub.lo_meta = lo.meta, s->pub.lo_slots = lo.slots,
    s->pub.lo_links = lo.links;
    m->split = s->w->pos;
    m->mode = grow ? s->w->dst_mode : s->w->src_mode;
    m->cap = GOMAP_GROUP_SLOTS;
    publish_range(s);
    gomap__seq_end(m);
}

/* No memory for a walk: what was committed for it goes back. */
static bool give_up(struct gomap *m, uint8_t mode) {
    struct gomap__side *s = gomap__side(m);
    if (mode == GOMAP_MODE_RANGE && s->w->two_arrays) drop_range(m);
    if (mode == GOMAP_MODE_BLOCK && s->w->two_arrays) gomap__free_table(m, &s->w->dst, mode, s->w->dst.ng);
    gomap__free_walk(m);
    if (m->mode == GOMAP_MODE_RANGE) {
        gomap__range_keep(s->range, m->desc, m->ngroups);
        s->pub.hi_bytes = gomap__range_bytes(s->range);
    }
    return false;
}

/* The range of a table that grows in place was moved to a larger reservation. */
static void follow_range(struct gomap *m, const struct geom *to) {
    struct gomap__side *s = gomap__side(m);
    gomap__seq_begin(m);
    m->meta = to->meta, m->slots = to->slots, m->links = to->links;
    publish_range(s);
    m->epoch++;
    gomap__seq_end(m);
}

/* Start to grow or shrink to ng groups; false: no memory, the map is as it was. */
bool gomap__walk_begin(struct gomap *m, uint64_t ng) {
    struct gomap__side *s = gomap__need_side(m);
    uint8_t mode = GOMAP_MODE_EMPTY;
    if (!s) return false;
    bool grow = ng > m->ngroups;
    uint64_t pile = gomap__pile(m);
    struct geom before = gomap__hi(m);
    const uint64_t since = gomap__clock();
    bool ok = make_destination(m, ng, &mode);
    gomap__took(m, GOMAP_TIME_ALLOC, since);
    if (m->mode == GOMAP_MODE_RANGE && s->range->base + s->range->off[AREA_META] != m->meta) {
        struct geom moved = gomap__range_geom(s->range, m->ngroups);
        gomap__event(m, GOMAP_EV_RETIRE, (uintptr_t)s->pub.range_base, s->pub.range_bytes);
        follow_range(m, &moved);
        before = moved;
    }
    if (!ok) return give_up(m, GOMAP_MODE_EMPTY);
    size_t moved = 0;
    uint64_t quads = gomap__quads(before.ng), old_bytes = table_bytes(m, m->mode, before.ng);
    s->w->src = before;
    s->w->src_mode = m->mode, s->w->dst_mode = mode;
    s->w->since = since;
    s->w->reached = grow ? gomap__quads(ng) : 0;
    s->w->at = grow ? quads : 0;
    if (grow && !walk_quad(m, grow, &moved)) return give_up(m, mode);
    gomap__end_sweep(m);
    gomap__seq_begin(m);
    s->pub.walk = grow ? GOMAP_WALK_GROW : GOMAP_WALK_SHRINK;
    s->pub.walk_quads_total = quads;
    s->pub.lo_bytes = s->w->two_arrays ? (grow ? old_bytes : table_bytes(m, mode, ng)) : 0;
    s->pub.hi_bytes = s->w->two_arrays && !grow ? old_bytes : table_bytes(m, mode, ng);
    if (mode >= GOMAP_MODE_BLOCK && ng >= 4) s->used_quad = 1;
    *(grow ? &s->pub.counters.grows : &s->pub.counters.shrinks) += 1;
    if (moved > s->pub.counters.move_max) s->pub.counters.move_max = moved;
    gomap__event(m, grow ? GOMAP_EV_GROW_START : GOMAP_EV_SHRINK_START, before.ng, ng);
    gomap__log(m, grow ? "grow" : "shrink", before.ng, ng);
    gomap__repiled(m, pile);
    publish(m, true);
    if (s->pub.walk) m->limit = 0;
    gomap__set_delete_floor(s);
    return true;
}

/* ---- stepping ---------------------------------------------------------------------------------------- */

/* Behind a shrink, pages that no destination will need go back, a piece a write; false: the walk may go on. */
static bool return_behind(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    uint64_t quad_bytes = (uint64_t)GOMAP_QUAD_SLOTS * m->desc->slot_size,
             keep = s->w->two_arrays ? 0 : gomap_inspect_align(gomap__quads(s->w->dst.ng) * quad_bytes, gomap__page());
    if (s->w->behind < keep) s->w->behind = keep;
    if (m->mode != GOMAP_MODE_RANGE || s->w->at * quad_bytes < s->w->behind + RETURN_PIECE) return false;
    gomap__range_return(m, s->range, AREA_SLOTS, s->w->behind, s->w->behind + RETURN_PIECE);
    s->w->behind += RETURN_PIECE;
    return true;
}

/* Continue the running walk; false: a step had to wait for memory. */
bool gomap__walk_step(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    bool grow = s->pub.walk == GOMAP_WALK_GROW, ok = true;
    uint64_t total = gomap__quads(s->w->src.ng);
    const uint64_t since = gomap__clock();
    size_t moved = 0;
    int parts = 0;
    if (!grow && return_behind(m)) return true;
    while (parts < EMPTY_QUADS_PER_STEP && moved < STEP_GOAL) {
        if (grow ? s->w->at == 0 : s->w->at == total) break;
        ok = walk_quad(m, grow, &moved);
        if (!ok) break;
        parts++;
    }
    if (moved > s->pub.counters.move_max) s->pub.counters.move_max = moved;
    if (parts) publish(m, false);
    if (parts) gomap__took(m, GOMAP_TIME_MOVE, since);
    return ok;
}

/* Return a piece of what a shrink left above the table. */
bool gomap__return_piece(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    if (!s->range || !gomap__range_give(m, s->range)) return false;
    if (!gomap__returning(s)) gomap__set_limits(m);
    return true;
}

void gomap__walk_finish(struct gomap *m, bool *ok) {
    struct gomap__side *s = gomap__side(m);
    *ok = true;
    while (*ok && s && s->pub.walk) *ok = gomap__walk_step(m);
}

/* A small table is one group: another capacity is a copy. */
static gomap_err resize_small(struct gomap *m, unsigned cap) {
    const struct gomap_desc *d = m->desc;
    size_t bytes = gomap_inspect_small_bytes(d, cap);
    uint64_t pile = gomap__pile(m);
    const uint64_t since = gomap__clock();
    uint8_t *p = gomap__heap_alloc(gomap__allocator(m), bytes, table_align(d, 1), bytes);
    gomap__took(m, GOMAP_TIME_ALLOC, since);
    if (!p) return GOMAP_ENOMEM;
    uint8_t *slots = p + gomap_inspect_small_off(d);
    struct geom old = gomap__hi(m);
    if (m->mode == GOMAP_MODE_SMALL) {
        unsigned n = 0;
        for (unsigned i = 0; i < m->cap; i++) {
            if (!old.meta[i]) continue;
            p[n] = old.meta[i];
            memcpy(slots + (size_t)n++ * d->slot_size, old.slots + (size_t)i * d->slot_size, d->slot_size);
        }
        memset(old.slots, 0, (size_t)m->cap * d->slot_size);
    }
    gomap__seq_begin(m);
    if (m->mode == GOMAP_MODE_SMALL) gomap__free_table(m, &old, GOMAP_MODE_SMALL, 1);
    m->ngroups = 1, m->meta = p, m->slots = slots, m->links = NULL;
    m->mode = GOMAP_MODE_SMALL, m->cap = (uint8_t)cap;
    if (m->side) m->side->hi_bytes = gomap_inspect_small_bytes(d, cap);
    gomap__seq_end(m);
    m->epoch++;
    gomap__set_limits(m);
    gomap__repiled(m, pile);
    return GOMAP_OK;
}

/* An empty map gets a table of ng >= 2 groups. */
static gomap_err first_table(struct gomap *m, uint64_t ng) {
    struct gomap__side *s = gomap__need_side(m);
    uint8_t mode;
    if (!s) return GOMAP_ENOMEM;
    uint64_t pile = gomap__pile(m);
    const uint64_t since = gomap__clock();
    bool ok = make_destination(m, ng, &mode);
    gomap__took(m, GOMAP_TIME_ALLOC, since);
    struct geom made = ok ? s->w->dst : (struct geom){0};
    gomap__free_walk(m);
    if (!ok) return GOMAP_ENOMEM;
    if (mode == GOMAP_MODE_BLOCK) memset(made.meta, 0, gomap_inspect_block_off(m->desc, ng));
    gomap__seq_begin(m);
    m->ngroups = ng, m->meta = made.meta, m->slots = made.slots, m->links = made.links;
    m->mode = mode, m->cap = GOMAP_GROUP_SLOTS;
    s->pub.hi_bytes = table_bytes(m, mode, ng);
    publish_range(s);
    if (ng >= 4) s->used_quad = 1;
    gomap__seq_end(m);
    gomap__set_limits(m);
    gomap__repiled(m, pile);
    return GOMAP_OK;
}

/* Have exactly this many groups (1: the smallest small table that fits), at once.  O(n). */
gomap_err gomap__resize_now(struct gomap *m, uint64_t ng) {
    bool ok;
    gomap__walk_finish(m, &ok);
    if (!ok) return GOMAP_ENOMEM;
    if (m->mode == GOMAP_MODE_EMPTY) return ng == 1 ? resize_small(m, GOMAP_GROUP_SLOTS) : first_table(m, ng);
    if (ng == 1 && m->mode == GOMAP_MODE_SMALL) return resize_small(m, GOMAP_GROUP_SLOTS);
    if (ng == m->ngroups || ng == 1) return GOMAP_OK;
    if (!gomap__walk_begin(m, ng)) return GOMAP_ENOMEM;
    gomap__walk_finish(m, &ok);
    return ok ? GOMAP_OK : GOMAP_ENOMEM;
}

/* ---- growth ------------------------------------------------------------------------------------------ */

static void grow_put_off(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    if (!s) return;
    s->pub.counters.grow_failed++;
    gomap__event(m, GOMAP_EV_OOM, m->ngroups, gomap__next_groups(m));
    gomap__log(m, "growth put off, no memory", m->ngroups, gomap__next_groups(m));
    if (m->mode == GOMAP_MODE_SMALL) return; /* full: the next insert must try again */
    s->pub.grow_at = gomap__main_count(m) + gomap__main_count(m) / 64 + 1;
    m->limit = s->pub.grow_at + (m->count - gomap__main_count(m));
}

/* An insert found count >= limit: step, or begin to grow.  Failing to grow is benign until the table is full. */
gomap_err gomap__make_room(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    if (m->mode == GOMAP_MODE_EMPTY) return resize_small(m, 3);
    if (m->mode == GOMAP_MODE_SMALL && m->cap < 15) return resize_small(m, m->cap < 7 ? 7u : 15u);
    if (s && s->pub.walk) {
        (void)gomap__walk_step(m);
        return GOMAP_OK;
    }
    if (s) (void)gomap__return_piece(m);
    uint64_t next = gomap__next_groups(m), have = gomap__main_count(m);
    if (have < gomap__limit_of(m, m->ngroups) && s && have < s->pub.grow_at) {
        gomap__set_limits(m);
        return GOMAP_OK;
    }
    if (s) s->reserve_floor = 0, s->pub.last_write_ns = gomap__now_ns(); /* the reserved count was reached */
    if (next <= m->ngroups || !gomap__walk_begin(m, next)) {
        grow_put_off(m);
        return have >= m->ngroups * GOMAP_GROUP_SLOTS ? GOMAP_ENOMEM : GOMAP_OK;
    }
    bool ok;
    if (have <= SYNC_ENTRIES) gomap__walk_finish(m, &ok);
    s = gomap__side(m);
    if (have <= SYNC_ENTRIES && have > s->pub.counters.move_max) s->pub.counters.move_max = have;
    return GOMAP_OK;
}
