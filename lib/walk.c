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
 * One write moves at most 128 entries, whatever the keys.  Inserts leave 92 in a quad, but walks may merge crowds of chosen
 * keys on both sides of a border.  Of a quad with more than a step may move, a part goes, and split lies inside it:
 *
 *   old   |         quad 6         |                     a part is an arc of positions, and goes to other quads;
 *         | stays         | moves  |                     what stays in this place under both geometries is not
 *         first       split     last                     moved at all, only marked as displaced
 */
#include "internal.h"

struct ent {
    uint64_t pos;
    uint8_t *slot, *from; /* from: its tophash byte in the source */
    uint8_t tag;
};
#define INLINE static inline __attribute__((always_inline))
enum { SPARE_SLACK = 4 };

/* ---- one quad ------------------------------------------------------------------------------------- */

struct step {
    struct ent fixed[STEP_MAX], *ent;
    size_t n, room;
    struct gomap_node *chain;
    bool stash;
};

static bool make_room_for(const struct gomap *m, struct step *st) {
    if (st->n < st->room) return true;
    /* a chain this long was merged by walks under chosen keys */
    const gomap_alloc *al = gomap__allocator(m);
    struct ent *more = gomap__alloc_part(al, 2 * st->room * sizeof *more, 16, 0);
    if (!more) return false;
    memcpy(more, st->ent, st->n * sizeof *more);
    if (st->ent != st->fixed) gomap__dealloc(al, st->ent, st->room * sizeof *more, 16);
    st->ent = more, st->room *= 2;
    return true;
}

static uint64_t slot_pos(const struct gomap *m, const uint8_t *slot) {
    return gomap__pos(m->desc, gomap__hash_slot(m, slot));
}

/* List a quad's entries with their positions; false: no memory. */
static bool collect(const struct gomap *m, const struct geom *g, uint64_t quad, struct step *st) {
    const struct gomap_desc *d = m->desc;
    for (unsigned i = 0; i < gomap__quad_groups(g->ng, quad); i++) {
        uint8_t *meta = g->meta + quad * 64 + i * 16, *slots = g->slots + (quad * 4 + i) * GOMAP_GROUP_SLOTS * d->slot_size;
        for (unsigned full = ~gomap__match_empty(meta) & 0x7fff; full; full &= full - 1) {
            unsigned k = (unsigned)__builtin_ctz(full);
            uint8_t *slot = slots + (size_t)k * d->slot_size;
            st->ent[st->n++] = (struct ent){slot_pos(m, slot), slot, meta + k, meta[k]};
        }
    }
    for (struct gomap_node *n = st->chain; n; n = n->next) {
        for (unsigned i = 0; i < GOMAP_NODE_SLOTS; i++) {
            uint8_t *slot = gomap__node_slot(d, n, i);
            if (!n->tag[i]) continue;
            if (!make_room_for(m, st)) return false;
            st->ent[st->n++] = (struct ent){slot_pos(m, slot), slot, &n->tag[i], n->tag[i]};
        }
    }
    return true;
}
static_assert((int)STEP_MAX >= (int)GOMAP_QUAD_SLOTS, "the slots of a quad need no allocation");

void gomap__free_nodes(struct gomap *m, struct gomap_node *n) {
    for (struct gomap_node *next; n; n = next) {
        next = n->next;
        m->side->node_bytes -= m->desc->node_size;
        gomap__cell_free(m, n, m->desc->node_size, m->desc->slot_align);
    }
}

/* Nodes for the worst case: all entries of the step end in chains. */
static bool secure_nodes(struct gomap *m, size_t entries) {
    struct gomap__side *s = gomap__side(m);
    while (s->w->nspare < (entries + 3) / 4 + SPARE_SLACK) {
        struct gomap_node *n = gomap__cell_alloc(m, m->desc->node_size, m->desc->slot_align);
        if (!n) return false;
        s->pub.node_bytes += m->desc->node_size;
        n->next = s->w->spare;
        s->w->spare = n, s->w->nspare++;
    }
    return true;
}

/* Entries in the stash keep their quad: all groups the quad's positions can now be at home in say so. */
static void mark_stashed(struct gomap *m, uint64_t first, uint64_t last) {
    struct gomap__side *s = gomap__side(m);
    for (uint64_t g = first; g <= last; g++) {
        s->w->dst.meta[g * 16 + 15] = 0xff;
        s->w->dst.links[g / 4] |= 1;
    }
}

/* The source quad a step is about, its positions that are to move, and the groups they are at home in afterwards. */
struct span {
    uint64_t quad, first, last, to_first, to_last;
};

static void set_span(const struct gomap__side *s, struct span *sp, uint64_t first, uint64_t last) {
    sp->first = first, sp->last = last;
    sp->to_first = gomap__group_of(first, s->w->dst.ng), sp->to_last = gomap__group_of(last, s->w->dst.ng);
}

/* The quad next to move, or what is left of it.  The walk remembers where it has come to: one division a quad. */
static struct span next_quad(const struct gomap__side *s, bool grow) {
    struct span sp = {.quad = grow ? s->w->at - 1 : s->w->at};
    if (grow)
        set_span(s, &sp, gomap__border(sp.quad * 4, s->w->src.ng), s->w->pos - 1); /* 0, the start: wraps */
    else if (sp.quad + 1 < gomap__quads(s->w->src.ng))
        set_span(s, &sp, s->w->pos, gomap__border(sp.quad * 4 + 4, s->w->src.ng) - 1);
    else
        set_span(s, &sp, s->w->pos, UINT64_MAX);
    return sp;
}

/* Does the quad hold positions of its own afterwards, too? */
static bool overlaps(const struct gomap__side *s, const struct span *sp) {
    return !s->w->two_arrays && sp->to_first / 4 <= sp->quad && sp->quad <= sp->to_last / 4;
}

static void lift_out(struct gomap *m, struct step *st, uint64_t quad) {
    struct gomap__side *s = gomap__side(m);
    size_t bytes = (size_t)GOMAP_QUAD_SLOTS * m->desc->slot_size;
    uint8_t *slots = s->w->src.slots + quad * bytes;
    memcpy(s->w->scratch, slots, bytes);
    memset(slots, 0, bytes);
    for (size_t i = 0; i < st->n; i++)
        if (st->ent[i].slot >= slots && st->ent[i].slot < slots + bytes)
            st->ent[i].slot = s->w->scratch + (st->ent[i].slot - slots);
}

/* Free slots of the groups a quad's entries go to, kept in registers and L1: reading a group back that was just
 * written byte by byte would stall on every entry. */
struct target {
    uint64_t first;
    uint32_t n;
    uint16_t empty[16];
};

static void aim(const struct gomap__side *s, const struct span *sp, struct target *t) {
    t->first = sp->to_first;
    t->n = sp->to_last - sp->to_first < 16 ? (uint32_t)(sp->to_last - sp->to_first + 1) : 0;
    for (uint32_t i = 0; i < t->n; i++)
        t->empty[i] = (uint16_t)gomap__match_empty(s->w->dst.meta + (sp->to_first + i) * 16);
}

/* Sizes that are no constants where this is inlined are copied by 16 bytes, the last of which may overlap: a call of
 * memcpy costs more than the few of a slot. */
INLINE void copy_slot(uint8_t *restrict to, const uint8_t *restrict from, size_t size) {
    if (__builtin_constant_p(size) || size < 16) {
        memcpy(to, from, size);
        return;
    }
    for (size_t at = 0; at + 16 < size; at += 16) memcpy(to + at, from + at, 16);
    memcpy(to + size - 16, from + size - 16, 16);
}

/* Place an entry in its home group; false if that is full (or not in sight).  size: of a slot. */
INLINE bool place_home(const struct geom *dst, struct target *t, size_t size, const struct ent *e) {
    uint64_t group = gomap__group_of(e->pos, dst->ng), at = group - t->first;
    if (GOMAP__UNLIKELY(at >= t->n || !t->empty[at])) return false;
    unsigned i = (unsigned)__builtin_ctz(t->empty[at]);
    t->empty[at] &= (uint16_t)(t->empty[at] - 1);
    dst->meta[group * 16 + i] = e->tag;
    copy_slot(dst->slots + (group * GOMAP_GROUP_SLOTS + i) * size, e->slot, size);
    return true;
}

/* Entries whose home is full. */
static void place_others(struct gomap *m, struct step *st, const struct span *sp) {
    struct gomap__side *s = gomap__side(m);
    for (size_t i = 0; i < st->n; i++) {
        struct ent *e = &st->ent[i];
        gomap_err err = GOMAP_OK;
        if (GOMAP__UNLIKELY(e->pos < sp->first || e->pos > sp->last)) {
            e->pos = sp->first; /* the user's hash changed its mind: stay in bounds */
            s->pub.counters.inconsistent++;
        }
        memcpy(gomap__put_in(m, &s->w->dst, e->pos, e->tag, true, &err), e->slot, m->desc->slot_size);
    }
}

static void drop_old_chain(struct gomap *m, struct gomap_node *n) {
    for (struct gomap_node *next; n; n = next) {
        next = n->next;
        for (unsigned i = 0; i < GOMAP_NODE_SLOTS; i++) m->side->chained -= n->tag[i] != 0;
        m->side->nodes--;
        n->next = NULL;
        gomap__free_nodes(m, n);
    }
}

static void wipe_source(struct gomap *m, uint64_t quad) {
    const struct gomap__side *s = gomap__side(m);
    size_t size = m->desc->slot_size, slots = gomap__quad_groups(s->w->src.ng, quad) * (size_t)GOMAP_GROUP_SLOTS;
    if (s->w->src_mode == GOMAP_MODE_SMALL) slots = s->w->small_cap;
    memset(s->w->src.slots + quad * GOMAP_QUAD_SLOTS * size, 0, slots * size);
}

/* The mutating half: no callback, no allocation. */
static void move_entries(struct gomap *m, struct step *st, const struct span *sp) {
    struct gomap__side *s = gomap__side(m);
    struct target target;
    size_t n = st->n, put_off = 0;
    bool overlap = overlaps(s, sp);
    if (overlap) lift_out(m, st, sp->quad);
    memset(s->w->src.meta + sp->quad * 64, 0, gomap__quad_groups(s->w->src.ng, sp->quad) * 16);
    if (s->w->src.links) s->w->src.links[sp->quad] = 0;
    if (st->stash) mark_stashed(m, sp->to_first, sp->to_last);
    aim(s, sp, &target);
    for (size_t i = 0; i < n; i++)
        if (!place_home(&s->w->dst, &target, m->desc->slot_size, &st->ent[i]))
            st->ent[put_off++] = st->ent[i]; /* behind those already placed */
    st->n = put_off;
    place_others(m, st, sp);
    if (overlap)
        memset(s->w->scratch, 0, (size_t)GOMAP_QUAD_SLOTS * m->desc->slot_size);
    else if (n)
        wipe_source(m, sp->quad);
    drop_old_chain(m, st->chain);
}

/* Wipe the slots a quad's entries have left.  Empty ones hold nothing: of a sparse quad their lines are not touched. */
INLINE void wipe_slots(uint8_t *slots, uint64_t full, size_t size) {
    if (__builtin_popcountll(full) > GOMAP_QUAD_SLOTS / 2) {
        unsigned last = 63 - (unsigned)__builtin_clzll(full);
        memset(slots, 0, (last - last / 16 + 1) * size);
        return;
    }
    for (; full; full &= full - 1) {
        unsigned k = (unsigned)__builtin_ctzll(full);
        memset(slots + (k - k / 16) * size, 0, size);
    }
}

/* Both halves in one for a quad whose hashing calls nothing: positions are not listed first.  kc and size are constants
 * where it is inlined. */
INLINE void move_plain(struct gomap *m, const struct span *sp, struct gomap_node *chain, uint32_t kc, size_t size) {
    struct gomap__side *s = gomap__side(m);
    const struct geom src = s->w->src, dst = s->w->dst;
    const unsigned groups = gomap__quad_groups(src.ng, sp->quad);
    const bool aes = m->hash_kind == GOMAP_HASH_AES; /* copies: for all the compiler knows, the stores below change *m */
    uint64_t seed[4];
    memcpy(seed, m->seed, sizeof seed);
    struct target target;
    struct step st;
    st.ent = st.fixed, st.n = 0;
    aim(s, sp, &target);
    uint8_t *slots = src.slots + sp->quad * GOMAP_QUAD_SLOTS * size, *meta = src.meta + sp->quad * 64;
    const uint64_t all = gomap__quad_full(meta, groups);
    for (uint64_t full = all; full; full &= full - 1) {
        unsigned k = (unsigned)__builtin_ctzll(full);
        struct ent e = {.slot = slots + (k - k / 16) * size, .tag = meta[k]}; /* a group has 15 slots */
        uint64_t key = 0;
        if (kc == KC_8 || kc == KC_4) {
            memcpy(&key, e.slot, kc == KC_8 ? 8 : 4);
            e.pos = GOMAP__LIKELY(aes) ? gomap__hash_aes(seed, key) : gomap__hash_int(m, key);
        } else {
            e.pos = slot_pos(m, e.slot);
        }
        if (!place_home(&dst, &target, size, &e)) st.ent[st.n++] = e;
    }
    for (struct gomap_node *n = chain; n; n = n->next)
        for (unsigned i = 0; i < GOMAP_NODE_SLOTS; i++) {
            struct ent e = {.slot = gomap__node_slot(m->desc, n, i), .tag = n->tag[i]};
            if (!e.tag) continue;
            e.pos = slot_pos(m, e.slot);
            if (!place_home(&dst, &target, size, &e)) st.ent[st.n++] = e;
        }
    if (src.links) src.links[sp->quad] = 0;
    if (GOMAP__UNLIKELY(st.n)) place_others(m, &st, sp);
    if (GOMAP__UNLIKELY(chain != NULL)) drop_old_chain(m, chain);
    memset(src.meta + sp->quad * 64, 0, groups * (size_t)16);
    if (GOMAP__LIKELY(all != 0)) wipe_slots(slots, all, size);
}

/* Could n entries overflow a destination quad? */
static bool may_chain(const struct gomap *m, size_t n, const struct span *sp) {
    const struct gomap__side *s = gomap__side(m);
    uint64_t from = sp->to_first / 4, to = sp->to_last / 4;
    if (to - from > 8) return true; /* not worth a look at each (a huge reserve) */
    for (uint64_t q = from; q <= to; q++) {
        unsigned held = !s->w->two_arrays && q == sp->quad ? 0 : gomap__quad_count(&s->w->dst, q);
        if (held + n > gomap__quad_groups(s->w->dst.ng, q) * GOMAP_GROUP_SLOTS) return true;
    }
    return false;
}

/* ---- a quad in parts ------------------------------------------------------------------------------- */

/* Entries at most `width` positions away from the end of the span that moves first. */
static size_t count_within(const struct step *st, const struct span *sp, bool grow, uint64_t width) {
    size_t n = 0;
    for (size_t i = 0; i < st->n; i++) n += (grow ? sp->last - st->ent[i].pos : st->ent[i].pos - sp->first) <= width;
    return n;
}

/* Narrow the span to a part of at most `most` entries that leaves its quad; false: nothing in the span leaves it.  A single
 * position is never divided: its entries came by inserts, and are fewer. */
static bool choose_part(const struct gomap__side *s, const struct step *st, struct span *sp, bool grow, size_t most) {
    uint64_t width = 0, first = sp->first, last = sp->last;
    for (uint64_t bit = UINT64_C(1) << 63; bit; bit >>= 1)
        if (count_within(st, sp, grow, width | bit) <= most) width |= bit;
    grow ? (first = last - width) : (last = first + width);
    if (overlaps(s, sp)) {
        uint64_t border = gomap__border(sp->quad * 4 + (grow ? 4 : 0), s->w->dst.ng); /* of what stays */
        if (sp->to_first / 4 == sp->to_last / 4) return false;
        if (grow && first < border) first = border;
        if (!grow && last >= border) last = border - 1;
    }
    set_span(s, sp, first, last);
    return true;
}

static void drop_empty_nodes(struct gomap *m, uintptr_t *link) {
    struct gomap_node *kept = NULL;
    for (struct gomap_node *n = gomap__link_node(*link), *next; n; n = next) {
        static const uint8_t none[GOMAP_NODE_SLOTS];
        next = n->next;
        n->next = NULL;
        if (memcmp(n->tag, none, sizeof none))
            n->next = kept, kept = n;
        else
            m->side->nodes--, gomap__free_nodes(m, n);
    }
    *link = (uintptr_t)kept | (*link & 1);
}

/* Move the entries of a part, one by one: the rest of the quad stays as it is, chain and overflow bytes included. */
static size_t move_part(struct gomap *m, const struct step *st, const struct span *sp) {
    struct gomap__side *s = gomap__side(m);
    const uint8_t *meta = s->w->src.meta + sp->quad * 64;
    size_t moved = 0;
    if (st->stash) mark_stashed(m, sp->to_first, sp->to_last);
    for (size_t i = 0; i < st->n; i++) {
        const struct ent *e = &st->ent[i];
        gomap_err err = GOMAP_OK;
        if (e->pos < sp->first || e->pos > sp->last) continue;
        memcpy(gomap__put_in(m, &s->w->dst, e->pos, e->tag, true, &err), e->slot, m->desc->slot_size);
        memset(e->slot, 0, m->desc->slot_size);
        if (e->from < meta || e->from >= meta + 64) s->pub.chained--;
        *e->from = 0;
        moved++;
    }
    drop_empty_nodes(m, &s->w->src.links[sp->quad]); /* more than a step: not a small table */
    return moved;
}

/* All that is left stays in the quad: its entries keep their slots, which may lie beside their new home groups. */
static void stay(struct gomap *m, const struct step *st, const struct span *sp) {
    const struct geom *dst = &gomap__side(m)->w->dst;
    if (st->stash) mark_stashed(m, sp->to_first, sp->to_last);
    for (size_t i = 0; i < st->n; i++)
        dst->meta[gomap__group_of(st->ent[i].pos, dst->ng) * 16 + 15] |= (uint8_t)(1u << (st->ent[i].tag >> 5));
}

/* More entries than a step may move.  Returns those that moved; *sp becomes what they were. */
static size_t move_some(struct gomap *m, struct step *st, struct span *sp, size_t most) {
    struct gomap__side *s = gomap__side(m);
    for (size_t i = 0; i < st->n; i++) {
        uint64_t *pos = &st->ent[i].pos;
        if (*pos < sp->first || *pos > sp->last) *pos = sp->first, s->pub.counters.inconsistent++;
    }
    if (choose_part(s, st, sp, s->w->dst.ng > s->w->src.ng, most)) return move_part(m, st, sp);
    stay(m, st, sp);
    return 0;
}

/* ---- a step ---------------------------------------------------------------------------------------- */

/* Move a quad over itself, or a crowded one, or with entries in the stash, or one whose keys the user hashes. */
static bool move_any(struct gomap *m, struct span *sp, size_t most, size_t *moved) {
    struct gomap__side *s = gomap__side(m);
    struct step st;
    st.ent = st.fixed, st.n = 0, st.room = STEP_MAX;
    st.chain = s->w->src.links ? gomap__link_node(s->w->src.links[sp->quad]) : NULL;
    st.stash = s->w->src.links && gomap__link_stash(s->w->src.links[sp->quad]) && (s->pub.stash || s->pub.flood);
    bool ok = collect(m, &s->w->src, sp->quad, &st) && (!may_chain(m, st.n, sp) || secure_nodes(m, st.n));
    *moved = st.n;
    if (ok && st.n > most)
        *moved = move_some(m, &st, sp, most);
    else if (ok)
        move_entries(m, &st, sp);
    if (st.ent != st.fixed) gomap__dealloc(gomap__allocator(m), st.ent, st.room * sizeof *st.ent, 16);
    return ok;
}

/* Entries of a quad that may be moved in one go, -1: none may. */
static int plain_entries(const struct gomap *m, const struct span *sp, size_t most, struct gomap_node **chain) {
    const struct gomap__side *s = gomap__side(m);
    uintptr_t link = s->w->src.links ? s->w->src.links[sp->quad] : 0;
    if (m->desc->flags & GOMAP_F_USER_HASH || gomap__link_stash(link)) return -1;
    if (overlaps(s, sp)) return -1;
    unsigned n = gomap__quad_count(&s->w->src, sp->quad);
    *chain = gomap__link_node(link);
    for (const struct gomap_node *at = *chain; at && n <= most; at = at->next)
        for (unsigned i = 0; i < GOMAP_NODE_SLOTS; i++) n += at->tag[i] != 0;
    return n <= most ? (int)n : -1;
}

/* Move a quad, of more than `most` entries a part: *sp becomes that.  false: no memory, nothing happened. */
static bool move_quad(struct gomap *m, struct span *sp, size_t most, size_t *moved) {
    const struct gomap_desc *d = m->desc;
    struct gomap__side *s = gomap__side(m);
    struct gomap_node *chain;
    int plain = plain_entries(m, sp, most, &chain);
    size_t n = (size_t)plain;
    if (plain < 0) return move_any(m, sp, most, moved);
    *moved = n;
    if (!n) {
        memset(s->w->src.meta + sp->quad * 64, 0, gomap__quad_groups(s->w->src.ng, sp->quad) * 16);
        return true;
    }
    if (may_chain(m, n, sp) && !secure_nodes(m, n)) return false;
    if (d->key_class == KC_8 && d->slot_size == 16)
        move_plain(m, sp, chain, KC_8, 16);
    else if (d->key_class == KC_8)
        move_plain(m, sp, chain, KC_8, d->slot_size);
    else if (d->key_class == KC_4 && d->slot_size == 8)
        move_plain(m, sp, chain, KC_4, 8);
    else
        move_plain(m, sp, chain, d->key_class == KC_4 ? KC_FIXED : d->key_class, d->slot_size);
    return true;
}

/* Fetch the lines of the step after this one: what it reads, and about what it will write.  A whole step is the lead they
 * need; fetched at the end of the step, half of them came too late. */
static void prefetch_after(const struct gomap *m, const struct span *sp, bool grow) {
    enum { MOST = 1536 };
    const struct gomap__side *s = gomap__side(m);
    const size_t group = (size_t)GOMAP_GROUP_SLOTS * m->desc->slot_size;
    const uint64_t groups = sp->to_last - sp->to_first + 1, quad = grow ? sp->quad - 1 : sp->quad + 1;
    const uint64_t to = grow ? sp->to_first - groups : sp->to_last + 1;
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
    struct span sp = next_quad(s, grow);
    const uint64_t first = sp.first, last = sp.last;
    size_t n = 0;
    reach(s->w, sp.to_first, sp.to_last);
    prefetch_after(m, &sp, grow);
    if (!move_quad(m, &sp, STEP_MAX - *moved, &n)) return false;
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
    gomap__free_walk(m);
    gomap__set_limits(m);
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
    struct geom before = gomap__hi(m);
    bool ok = make_destination(m, ng, &mode);
    if (m->mode == GOMAP_MODE_RANGE && s->range->base + s->range->off[AREA_META] != m->meta) {
        struct geom moved = gomap__range_geom(s->range, m->ngroups);
        follow_range(m, &moved);
        before = moved;
    }
    if (!ok) return give_up(m, GOMAP_MODE_EMPTY);
    size_t moved = 0;
    uint64_t quads = gomap__quads(before.ng), old_bytes = table_bytes(m, m->mode, before.ng);
    s->w->src = before;
    s->w->src_mode = m->mode, s->w->dst_mode = mode, s->w->small_cap = m->cap;
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
    size_t moved = 0;
    int parts = 0;
    if (!grow && return_behind(m)) return true;
    while (parts < EMPTY_QUADS_PER_STEP && moved < (grow ? STEP_GOAL : 1)) {
        if (grow ? s->w->at == 0 : s->w->at == total) break;
        ok = walk_quad(m, grow, &moved);
        if (!ok) break;
        parts++;
    }
    if (moved > s->pub.counters.move_max) s->pub.counters.move_max = moved;
    if (parts) publish(m, false);
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
    uint8_t *p = gomap__heap_alloc(gomap__allocator(m), bytes, table_align(d, 1), bytes);
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
    return GOMAP_OK;
}

/* An empty map gets a table of ng >= 2 groups. */
static gomap_err first_table(struct gomap *m, uint64_t ng) {
    struct gomap__side *s = gomap__need_side(m);
    uint8_t mode;
    if (!s) return GOMAP_ENOMEM;
    bool ok = make_destination(m, ng, &mode);
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
