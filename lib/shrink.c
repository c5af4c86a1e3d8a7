/* lib/shrink.c - when a table shrinks, and how memory goes back to the OS.
 *
 * When and how far to shrink is decided by a sweep: a pass over all metadata, some quads per delete, that counts
 * how densely the entries lie.  The average would not do: survivors of deletes in hash order are one dense arc, and
 * few entries may end in a quad that cannot hold them (half a percent).  The sweep also returns the pages of empty
 * runs, so such an arc costs no memory though it cannot shrink.
 */
#include "internal.h"

enum { SWEEP_PER_DELETE = 16, RECHECK = 256 }; /* quads a write looks at: in a sweep; again, before their pages go */
enum {
    PAIR_SLOTS = 2 * GOMAP_QUAD_SLOTS,
    PAIR_FULL = 96, /* no destination above load 0.80 */
};

/* A pass over all quads that measures density and returns empty pages. */
struct sweep {
    uint64_t at, run;              /* next quad; first of the run of empty ones before it */
    uint64_t to;                   /* end of a run that is being returned, 0: none; */
    uint64_t slots, meta;          /* up to these bytes of the areas it went already */
    uint32_t pair;                 /* entries in the first quad of a pair */
    uint32_t hist[PAIR_SLOTS + 1]; /* pairs of quads by entries */
};

/* ---- sweep and shrink ------------------------------------------------------------------------------ */

/* A run of quads has ended.  Less than half a piece is not worth a call. */
static void begin_return(const struct gomap *m, struct sweep *w) {
    uint64_t quad_bytes = (uint64_t)GOMAP_QUAD_SLOTS * m->desc->slot_size;
    if (m->mode != GOMAP_MODE_RANGE || (w->at - w->run) * quad_bytes < RETURN_PIECE / 2) return;
    w->to = w->at, w->slots = w->run * quad_bytes, w->meta = w->run * 64;
}

/* Return a piece of an area of the run, unless an insert came in since; false: none is left. */
static bool return_run(struct gomap *m, enum area area, uint64_t *at, uint64_t quad_bytes) {
    const struct sweep *w = gomap__side(m)->sweep;
    struct geom g = gomap__hi(m);
    uint64_t from = gomap_inspect_align(*at, gomap__page()), to = w->to * quad_bytes / gomap__page() * gomap__page();
    uint64_t most = RECHECK * quad_bytes < RETURN_PIECE ? RECHECK * quad_bytes : RETURN_PIECE;
    if (from >= to) return false;
    if (to - from > most) to = from + most;
    *at = to;
    for (uint64_t q = from / quad_bytes; q * quad_bytes < to; q++)
        if (gomap__quad_count(&g, q) || g.links[q]) return true;
    gomap__range_return(m, gomap__side(m)->range, area, from, to); /* overflow bytes of empty quads may go */
    return true;
}

void gomap__end_sweep(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    if (!s->sweep) return;
    s->pub.loose_bytes -= sizeof *s->sweep;
    gomap__dealloc(gomap__allocator(m), s->sweep, sizeof *s->sweep, 16);
    s->sweep = NULL;
}

static void begin_sweep(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    gomap__end_sweep(m);
    s->sweep = gomap__alloc(gomap__allocator(m), sizeof *s->sweep, 16); /* no memory: another time */
    if (s->sweep) s->pub.loose_bytes += sizeof *s->sweep;
}

/* Entries in a pair of quads that all but half a percent of n entries stay below. */
static uint64_t dense_pair(const uint32_t *hist, uint64_t n) {
    uint64_t above = 0, pair = PAIR_SLOTS;
    for (; pair > 0; pair--) {
        above += pair * hist[pair];
        if (above > n / 200) break;
    }
    return pair;
}

/* The fewest groups that hold the entries as they lie.  O(n): for calls that cost that anyway. */
uint64_t gomap__groups_by_density(const struct gomap *m) {
    uint32_t hist[PAIR_SLOTS + 1] = {0};
    struct geom g = gomap__hi(m);
    for (uint64_t q = 0, quads = gomap__quads(g.ng); q < quads; q += 2)
        hist[gomap__quad_count(&g, q) + (q + 1 < quads ? gomap__quad_count(&g, q + 1) : 0)]++;
    return gomap__round_groups(m->ngroups * dense_pair(hist, gomap__main_count(m)) / PAIR_FULL + 1);
}

/* The sweep is over: shrink as far as the average and the dense places allow. */
static void decide_shrink(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    uint64_t n = gomap__main_count(m);
    uint64_t by_average = n * 100 / (15 * 61) + 1, by_density = m->ngroups * dense_pair(s->sweep->hist, n) / PAIR_FULL + 1;
    uint64_t ng = gomap__round_groups(by_average > by_density ? by_average : by_density);
    gomap__end_sweep(m);
    if (ng < 4) ng = 4;
    /* a large range first shrinks in place: unmapping it at once would take too long */
    uint64_t least = gomap__range_groups(m);
    if (m->mode == GOMAP_MODE_RANGE && ng < least && m->ngroups > 4 * least) ng = least;
    s->quiet = n / 8 + 64;
    s->swept_count = n;
    if (ng <= m->ngroups / 10 * 7) (void)gomap__walk_begin(m, ng);
}

static void sweep_step(struct gomap *m) {
    struct sweep *w = gomap__side(m)->sweep;
    struct geom g = gomap__hi(m);
    uint64_t quads = gomap__quads(g.ng), quad_bytes = (uint64_t)GOMAP_QUAD_SLOTS * m->desc->slot_size;
    if (return_run(m, AREA_SLOTS, &w->slots, quad_bytes) || return_run(m, AREA_META, &w->meta, 64))
        return; /* one memory call a write */
    w->to = 0;
    for (int i = 0; i < SWEEP_PER_DELETE && w->at < quads && !w->to; i++, w->at++) {
        unsigned n = gomap__quad_count(&g, w->at);
        w->pair += n;
        if (w->at % 2 == 1 || w->at + 1 == quads) {
            w->hist[w->pair]++;
            w->pair = 0;
        }
        if (n || g.links[w->at]) {
            begin_return(m, w);
            w->run = w->at + 1;
        }
    }
    if (w->at < quads) return;
    begin_return(m, w);
    w->run = w->at;
    if (!w->to) decide_shrink(m);
}

/* The table may be too large: the small ones shrink at once, others are swept first. */
static void look_for_shrink(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    if (gomap__main_count(m) >= s->shrink_below) return;
    if (s->quiet && gomap__main_count(m) > s->swept_count / 2) {
        s->quiet--;
        return;
    }
    if (m->ngroups < SWEEP_MIN_GROUPS) {
        uint64_t ng = gomap__round_groups(gomap__main_count(m) * 100 / (15 * 61) + 1);
        bool ok;
        if (ng < 2) ng = 2;
        bool began = ng < m->ngroups && gomap__main_count(m) <= SYNC_ENTRIES && gomap__walk_begin(m, ng);
        if (began && m->mode != GOMAP_MODE_RANGE) gomap__walk_finish(m, &ok); /* a range goes back piece by piece */
        s->quiet = 16;
        s->swept_count = m->count;
        return;
    }
    begin_sweep(m);
}

/* After an entry went: go on with what runs, or look whether the table should shrink. */
void gomap__after_delete(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    if (!s) return;
    if (s->pub.walk)
        (void)gomap__walk_step(m);
    else if (gomap__return_piece(m))
        ;
    else if (s->sweep)
        sweep_step(m);
    else
        look_for_shrink(m);
    gomap__set_delete_floor(s);
}

/* ---- empty and idle ------------------------------------------------------------------------------------ */

static void wipe_quad(struct gomap *m, const struct geom *g, uint64_t quad);
static void each_quad(struct gomap *m, void (*fn)(struct gomap *, const struct geom *, uint64_t));

/* Give the table up, at once.  O(bytes) in the kernel. */
void gomap__drop_table(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    struct geom hi = gomap__hi(m);
    uint64_t pile = gomap__pile(m);
    gomap__seq_begin(m);
    if (m->mode == GOMAP_MODE_SMALL || m->mode == GOMAP_MODE_BLOCK) each_quad(m, wipe_quad); /* malloc keeps bytes */
    if (s && s->pub.walk && s->w->two_arrays) {
        gomap__free_table(m, &s->w->src, s->w->src_mode, s->w->src.ng);
        gomap__free_table(m, &s->w->dst, s->w->dst_mode, s->w->dst.ng);
    } else {
        gomap__free_table(m, &hi, m->mode, hi.ng);
    }
    m->split = 0, m->ngroups = 1, m->links = NULL;
    m->meta = m->slots = (uint8_t *)(uintptr_t)gomap__empty_line;
    m->mode = GOMAP_MODE_EMPTY, m->cap = 0;
    if (s) {
        s->pub.walk = GOMAP_WALK_NONE;
        s->pub.lo_ngroups = 0, s->pub.lo_meta = NULL, s->pub.lo_slots = NULL, s->pub.lo_links = NULL;
        s->pub.lo_bytes = s->pub.hi_bytes = 0, s->pub.range_base = NULL, s->pub.range_bytes = 0;
        gomap__end_sweep(m);
        s->reserve_floor = 0, s->quiet = 0;
    }
    gomap__seq_end(m);
    m->epoch++;
    if (s) gomap__free_walk(m);
    gomap__set_limits(m);
    gomap__repiled(m, pile);
}

/* A new seed for a map that has become empty, unless it belongs to a family or never held a quad. */
void gomap__reseed(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    uint64_t fresh[4];
    if (!s || !s->used_quad || s->own_seed_family || m->cookie == GOMAP_COOKIE_STASH ||
        !gomap__seed(fresh, 4))
        return;
    fresh[1] |= 1;
    memcpy(m->seed, fresh, sizeof fresh);
    s->used_quad = 0;
    s->pub.counters.reseeds++;
    gomap__event(m, GOMAP_EV_RESEED, 0, 0);
}

static void free_chain(struct gomap *m, const struct geom *g, uint64_t quad) {
    if (!g->links) return;
    struct gomap_node *n = gomap__link_node(g->links[quad]);
    for (struct gomap_node *at = n; at; at = at->next) m->side->nodes--;
    gomap__free_nodes(m, n);
    g->links[quad] = 0;
}

/* For both geometries, every quad that holds entries. */
static void each_quad(struct gomap *m, void (*fn)(struct gomap *, const struct geom *, uint64_t)) {
    struct geom g[2] = {gomap__hi(m), {0}};
    if (m->side && m->side->walk) g[1] = gomap__lo(m);
    for (int lo = 0; lo < 2; lo++)
        for (uint64_t q = 0; g[lo].meta && q < gomap__quads(g[lo].ng); q++)
            if (gomap__quad_live(m, lo, q)) fn(m, &g[lo], q);
}

/* Free all chain nodes and the flood list; their entries are dealt with. */
void gomap__drop_chains(struct gomap *m) {
    struct gomap_side *s = m->side;
    if (!s) return;
    if (s->nodes) each_quad(m, free_chain);
    s->chained = 0;
    for (struct gomap_flood *f = s->flood, *next; f; f = next) {
        next = f->next;
        gomap__cell_free(m, f, gomap__flood_bytes(m->desc), m->desc->slot_align);
    }
    s->flood = NULL, s->flood_count = 0;
}

static void wipe_quad(struct gomap *m, const struct geom *g, uint64_t quad) {
    unsigned groups = gomap__quad_groups(g->ng, quad);
    uint8_t *meta = g->meta + quad * 64;
    size_t slots = m->mode == GOMAP_MODE_SMALL ? m->cap : groups * (size_t)GOMAP_GROUP_SLOTS;
    if (g->links) g->links[quad] = 0;
    for (unsigned i = 0; i < groups * 16; i++) {
        if (!meta[i]) continue;
        memset(meta, 0, groups * (size_t)16);
        memset(g->slots + quad * GOMAP_QUAD_SLOTS * m->desc->slot_size, 0, slots * m->desc->slot_size);
        return;
    }
}

/* Empty the table but keep it; entries and chains are dealt with. */
void gomap__wipe_table(struct gomap *m) {
    each_quad(m, wipe_quad);
    m->epoch++;
    if (m->side && m->side->walk) gomap__walk_settle(m);
    gomap__set_limits(m);
}

/* The last entry went: a new seed, and a big range is cut to a small one, its pages returned by later writes. */
void gomap__became_empty(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    if (!s) return;
    if (s->pub.walk) gomap__walk_settle(m);
    s->pub.last_write_ns = gomap__now_ns();
    gomap__drop_stash(m);
    gomap__reseed(m);
    if (m->mode == GOMAP_MODE_RANGE && m->ngroups > gomap__range_groups(m) && !s->reserve_floor &&
        s->policy_shrink) {
        gomap__seq_begin(m);
        m->ngroups = gomap__range_groups(m);
        gomap__range_keep(s->range, m->desc, m->ngroups);
        gomap__seq_end(m);
        gomap__end_sweep(m);
        s->pub.counters.shrinks++;
        gomap__set_limits(m);
    }
}

/* After many deletes in one call: sweep and shrink to what is left.  O(n). */
void gomap__shrink_to_rest(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    bool ok = true;
    if (!s) return;
    gomap__walk_finish(m, &ok);
    if (ok && gomap__main_count(m) < s->shrink_below && m->ngroups >= SWEEP_MIN_GROUPS) begin_sweep(m);
    while (s->sweep) sweep_step(m);
    gomap__walk_finish(m, &ok);
    while (gomap__return_piece(m)) continue;
    gomap__set_delete_floor(s);
}

/* A piece of work that a write would do; false: nothing is left. */
bool gomap__idle_work(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    if (!s) return false;
    if (s->pub.walk) return gomap__walk_step(m);
    if (gomap__return_piece(m)) return true;
    if (s->sweep) {
        sweep_step(m);
        return true;
    }
    bool idle = s->policy_return_after_ms != UINT64_MAX &&
                (gomap__now_ns() - s->pub.last_write_ns) / 1000000 >= s->policy_return_after_ms;
    if (gomap__main_count(m) < s->shrink_below && m->count && s->idle_swept != m->epoch) {
        s->idle_swept = m->epoch; /* once for each state it is found in */
        begin_sweep(m);
        return s->sweep != NULL;
    }
    if (!idle || m->count || s->reserve_floor || m->mode < GOMAP_MODE_BLOCK) return false;
    gomap__drop_table(m);
    gomap__arena_free(m);
    return false;
}
