/* lib/quad.c - one quad of a walk: its entries move to the groups that are their home afterwards.
 *
 * All of a quad goes in one pass where hashing calls nothing (move_plain).  Otherwise its entries are listed with their
 * hashes (callbacks), nodes for chains are secured (allocation), and only then the table changes, with neither. Only
 * when source and destination are the same quad (the lowest few of a range) is it copied out first.
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
#if defined(__x86_64__)
enum { USUAL_HASH = GOMAP_HASH_AES };
#else
enum { USUAL_HASH = GOMAP_HASH_MUM }; /* which is what gomap__hash_aes computes there (probe.h) */
#endif

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

/* The same, without a call for the usual classes. */
INLINE uint64_t class_pos(const struct gomap *m, const uint8_t *slot, uint32_t kc) {
    uint64_t key;
    uint32_t hi;
    switch (kc) {
    case KC_8: memcpy(&key, slot, 8); return gomap__hash_int(m, key);
    case KC_STR: memcpy(&hi, slot + offsetof(struct gomap_strkey, hash_hi), 4); return (uint64_t)hi << 32;
    default: return slot_pos(m, slot);
    }
}

/* Of an integer, under the usual hash of integers. */
INLINE uint64_t usual_pos(const uint64_t seed[4], const uint8_t *slot, uint32_t kc) {
    uint64_t key = 0;
    memcpy(&key, slot, kc == KC_8 ? 8 : 4);
    return gomap__hash_aes(seed, key);
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
static bool have_nodes(const struct gomap__side *s, size_t entries) {
    return s->w->nspare >= (entries + GOMAP_NODE_SLOTS - 1) / GOMAP_NODE_SLOTS + SPARE_SLACK;
}

static bool secure_nodes(struct gomap *m, size_t entries) {
    struct gomap__side *s = gomap__side(m);
    while (!have_nodes(s, entries)) {
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

static void set_span(const struct gomap__side *s, struct quad_span *sp, uint64_t first, uint64_t last) {
    sp->first = first, sp->last = last;
    sp->to_first = gomap__group_of(first, s->w->dst.ng), sp->to_last = gomap__group_of(last, s->w->dst.ng);
}

/* The quad next to move, or what is left of it.  The walk remembers where it has come to: one division a quad. */
struct quad_span gomap__next_quad(const struct gomap__side *s, bool grow) {
    struct quad_span sp = {.quad = grow ? s->w->at - 1 : s->w->at};
    if (grow)
        set_span(s, &sp, gomap__border(sp.quad * 4, s->w->src.ng), s->w->pos - 1); /* 0, the start: wraps */
    else if (sp.quad + 1 < gomap__quads(s->w->src.ng))
        set_span(s, &sp, s->w->pos, gomap__border(sp.quad * 4 + 4, s->w->src.ng) - 1);
    else
        set_span(s, &sp, s->w->pos, UINT64_MAX);
    return sp;
}

/* Does the quad hold positions of its own afterwards, too? */
static bool overlaps(const struct gomap__side *s, const struct quad_span *sp) {
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

/* The groups a quad's entries go to, and how far each is full, kept in registers and L1: reading a group back that was
 * just written byte by byte would stall on every entry.  Holes that deletes left below are for gomap__put_in. */
struct target {
    uint32_t next[16];  /* of each: the metadata byte behind its last full slot, from meta on */
    uint64_t ng, first; /* groups of the table; the first of them */
    uint8_t *meta, *slots;
    uint32_t n;
};

static void aim(const struct gomap__side *s, const struct quad_span *sp, size_t size, struct target *t) {
    const struct geom *dst = &s->w->dst;
    t->ng = dst->ng, t->first = sp->to_first;
    t->n = sp->to_last - sp->to_first < 16 ? (uint32_t)(sp->to_last - sp->to_first + 1) : 0;
    t->meta = dst->meta + t->first * 16, t->slots = dst->slots + t->first * GOMAP_GROUP_SLOTS * size;
    for (uint32_t i = 0; i < t->n; i++) {
        unsigned full = ~gomap__match_empty(t->meta + i * 16) & 0x7fff;
        t->next[i] = i * 16 + 31 - (uint32_t)__builtin_clz(2 * full + 1);
    }
}

/* Move a slot and wipe where it was.  Sizes that are no constants go by 16 bytes, as in gomap__wipe. */
INLINE void move_slot(uint8_t *restrict to, uint8_t *restrict from, size_t size) {
    uint8_t tail[16];
    if (__builtin_constant_p(size) || size < 16) {
        memcpy(to, from, size);
        memset(from, 0, size);
        return;
    }
    memcpy(tail, from + size - 16, 16); /* before the loop wipes a part of it */
    for (size_t at = 0; at + 16 < size; at += 16) {
        memcpy(to + at, from + at, 16);
        memset(from + at, 0, 16);
    }
    memcpy(to + size - 16, tail, 16);
    memset(from + size - 16, 0, 16);
}

/* Move an entry to its home group; false if that is full (or not in sight).  size: of a slot. */
INLINE bool place_home(struct target *t, size_t size, const struct ent *e) {
    uint64_t at = gomap__group_of(e->pos, t->ng) - t->first;
    if (GOMAP__UNLIKELY(at >= t->n)) return false;
    uint32_t next = t->next[at], behind = next + 1;
    if (GOMAP__UNLIKELY(behind % 16 == 0)) return false; /* the next byte is the overflow byte */
    t->next[at] = behind;
    t->meta[next] = e->tag;
    move_slot(t->slots + (next - at) * size, e->slot, size);
    return true;
}

/* Entries whose home is full. */
static void place_others(struct gomap *m, struct step *st, const struct quad_span *sp) {
    struct gomap__side *s = gomap__side(m);
    for (size_t i = 0; i < st->n; i++) {
        struct ent *e = &st->ent[i];
        gomap_err err = GOMAP_OK;
        if (GOMAP__UNLIKELY(e->pos < sp->first || e->pos > sp->last)) {
            e->pos = sp->first; /* the user's hash changed its mind: stay in bounds */
            s->pub.counters.inconsistent++;
        }
        move_slot(gomap__put_in(m, &s->w->dst, e->pos, e->tag, true, &err), e->slot, m->desc->slot_size);
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

/* The mutating half: no callback, no allocation. */
static void move_entries(struct gomap *m, struct step *st, const struct quad_span *sp) {
    struct gomap__side *s = gomap__side(m);
    struct target target;
    size_t n = st->n, put_off = 0;
    bool overlap = overlaps(s, sp);
    if (overlap) lift_out(m, st, sp->quad);
    memset(s->w->src.meta + sp->quad * 64, 0, gomap__quad_groups(s->w->src.ng, sp->quad) * 16);
    if (s->w->src.links) s->w->src.links[sp->quad] = 0;
    if (st->stash) mark_stashed(m, sp->to_first, sp->to_last);
    aim(s, sp, m->desc->slot_size, &target);
    for (size_t i = 0; i < n; i++)
        if (!place_home(&target, m->desc->slot_size, &st->ent[i]))
            st->ent[put_off++] = st->ent[i]; /* behind those already placed */
    st->n = put_off;
    place_others(m, st, sp);
    drop_old_chain(m, st->chain);
}

/* A quad whose hashing calls nothing: the full slots of it, and its chain. */
struct plain_quad {
    uint64_t full; /* as gomap__quad_full */
    struct gomap_node *chain;
};

/* Both halves in one: positions are not listed first.  kc, size and usual are constants where this is inlined;
 * usual: keys have the usual hash of integers, and the loop has no call for which registers would be saved. */
INLINE void move_plain(struct gomap *m, const struct quad_span *sp, const struct plain_quad *q, uint32_t kc, size_t size,
                       bool usual) {
    struct gomap__side *s = gomap__side(m);
    const struct geom src = s->w->src;
    uint64_t seed[4]; /* copies: for all the compiler knows, the stores below change *m */
    memcpy(seed, m->seed, sizeof seed);
    struct target target;
    struct step st;
    st.ent = st.fixed, st.n = 0;
    aim(s, sp, size, &target);
    uint8_t *slots = src.slots + sp->quad * GOMAP_QUAD_SLOTS * size, *meta = src.meta + sp->quad * 64;
    for (uint64_t full = q->full; full; full &= full - 1) {
        unsigned k = (unsigned)__builtin_ctzll(full);
        struct ent e = {.slot = slots + (k - k / 16) * size, .tag = meta[k]}; /* a group has 15 slots */
        e.pos = usual ? usual_pos(seed, e.slot, kc) : class_pos(m, e.slot, kc);
        if (GOMAP__UNLIKELY(!place_home(&target, size, &e))) st.ent[st.n++] = e;
    }
    for (struct gomap_node *n = q->chain; n; n = n->next)
        for (unsigned i = 0; i < GOMAP_NODE_SLOTS; i++) {
            struct ent e = {.slot = gomap__node_slot(m->desc, n, i), .tag = n->tag[i]};
            if (!e.tag) continue;
            e.pos = slot_pos(m, e.slot);
            if (!place_home(&target, size, &e)) st.ent[st.n++] = e;
        }
    if (src.links) src.links[sp->quad] = 0;
    if (GOMAP__UNLIKELY(st.n)) place_others(m, &st, sp);
    if (GOMAP__UNLIKELY(q->chain != NULL)) drop_old_chain(m, q->chain);
    gomap__clear_quad(meta, gomap__quad_groups(src.ng, sp->quad));
}

/* Could n entries overflow a destination quad? */
static bool may_chain(const struct gomap *m, size_t n, const struct quad_span *sp) {
    const struct gomap__side *s = gomap__side(m);
    uint64_t from = sp->to_first / 4, to = sp->to_last / 4;
    if (to - from > 8) return true; /* not worth a look at each (a huge reserve) */
    for (uint64_t q = from; q <= to; q++) {
        unsigned held = !s->w->two_arrays && q == sp->quad ? 0 : gomap__quad_count(&s->w->dst, q);
        if (held + n > gomap__quad_groups(s->w->dst.ng, q) * GOMAP_GROUP_SLOTS) return true;
    }
    return false;
}

/* Nodes for whatever chains n entries may need where they go. */
static bool prepare_chains(struct gomap *m, size_t n, const struct quad_span *sp) {
    return have_nodes(gomap__side(m), n) || !may_chain(m, n, sp) || secure_nodes(m, n);
}

/* ---- a quad in parts ------------------------------------------------------------------------------- */

/* Entries at most `width` positions away from the end of the span that moves first. */
static size_t count_within(const struct step *st, const struct quad_span *sp, bool grow, uint64_t width) {
    size_t n = 0;
    for (size_t i = 0; i < st->n; i++) n += (grow ? sp->last - st->ent[i].pos : st->ent[i].pos - sp->first) <= width;
    return n;
}

/* Narrow the span to a part of at most `most` entries that leaves its quad; false: nothing in the span leaves it.  A single
 * position is never divided: its entries came by inserts, and are fewer. */
static bool choose_part(const struct gomap__side *s, const struct step *st, struct quad_span *sp, bool grow, size_t most) {
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
static size_t move_part(struct gomap *m, const struct step *st, const struct quad_span *sp) {
    struct gomap__side *s = gomap__side(m);
    const uint8_t *meta = s->w->src.meta + sp->quad * 64;
    size_t moved = 0;
    if (st->stash) mark_stashed(m, sp->to_first, sp->to_last);
    for (size_t i = 0; i < st->n; i++) {
        const struct ent *e = &st->ent[i];
        gomap_err err = GOMAP_OK;
        if (e->pos < sp->first || e->pos > sp->last) continue;
        move_slot(gomap__put_in(m, &s->w->dst, e->pos, e->tag, true, &err), e->slot, m->desc->slot_size);
        if (e->from < meta || e->from >= meta + 64) s->pub.chained--;
        *e->from = 0;
        moved++;
    }
    drop_empty_nodes(m, &s->w->src.links[sp->quad]); /* more than a step: not a small table */
    return moved;
}

/* All that is left stays in the quad: its entries keep their slots, which may lie beside their new home groups. */
static void stay(struct gomap *m, const struct step *st, const struct quad_span *sp) {
    const struct geom *dst = &gomap__side(m)->w->dst;
    if (st->stash) mark_stashed(m, sp->to_first, sp->to_last);
    for (size_t i = 0; i < st->n; i++)
        dst->meta[gomap__group_of(st->ent[i].pos, dst->ng) * 16 + 15] |= (uint8_t)(1u << (st->ent[i].tag >> 5));
}

/* More entries than a step may move.  Returns those that moved; *sp becomes what they were. */
static size_t move_some(struct gomap *m, struct step *st, struct quad_span *sp, size_t most) {
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
static bool move_any(struct gomap *m, struct quad_span *sp, size_t most, size_t *moved) {
    struct gomap__side *s = gomap__side(m);
    struct step st;
    st.ent = st.fixed, st.n = 0, st.room = STEP_MAX;
    st.chain = s->w->src.links ? gomap__link_node(s->w->src.links[sp->quad]) : NULL;
    st.stash = s->w->src.links && gomap__link_stash(s->w->src.links[sp->quad]) && (s->pub.stash || s->pub.flood);
    bool ok = collect(m, &s->w->src, sp->quad, &st) && prepare_chains(m, st.n, sp);
    *moved = st.n;
    if (ok && st.n > most)
        *moved = move_some(m, &st, sp, most);
    else if (ok)
        move_entries(m, &st, sp);
    if (st.ent != st.fixed) gomap__dealloc(gomap__allocator(m), st.ent, st.room * sizeof *st.ent, 16);
    return ok;
}

/* May this quad's entries, *n of them, be moved in one pass? */
static bool is_plain(const struct gomap *m, const struct quad_span *sp, size_t most, struct plain_quad *q, size_t *n) {
    const struct gomap__side *s = gomap__side(m);
    const struct geom *src = &s->w->src;
    uintptr_t link = src->links ? src->links[sp->quad] : 0;
    if (m->desc->flags & GOMAP_F_USER_HASH || gomap__link_stash(link) || overlaps(s, sp)) return false;
    q->full = gomap__quad_full(src->meta + sp->quad * 64, gomap__quad_groups(src->ng, sp->quad));
    q->chain = gomap__link_node(link);
    *n = gomap__bits64(q->full);
    for (const struct gomap_node *at = q->chain; at && *n <= most; at = at->next)
        for (unsigned i = 0; i < GOMAP_NODE_SLOTS; i++) *n += at->tag[i] != 0;
    return *n <= most;
}

/* Move a quad, of more than `most` entries a part: *sp becomes that.  false: no memory, nothing happened. */
bool gomap__move_quad(struct gomap *m, struct quad_span *sp, size_t most, size_t *moved) {
    const struct gomap_desc *d = m->desc;
    const struct geom *src = &gomap__side(m)->w->src;
    const bool usual = m->hash_kind == USUAL_HASH;
    struct plain_quad q;
    if (!is_plain(m, sp, most, &q, moved)) return move_any(m, sp, most, moved);
    if (!*moved) {
        gomap__clear_quad(src->meta + sp->quad * 64, gomap__quad_groups(src->ng, sp->quad));
        return true;
    }
    if (!prepare_chains(m, *moved, sp)) return false;
    if (usual && d->key_class == KC_8 && d->slot_size == 16)
        move_plain(m, sp, &q, KC_8, 16, true);
    else if (usual && d->key_class == KC_8)
        move_plain(m, sp, &q, KC_8, d->slot_size, true);
    else if (usual && d->key_class == KC_4 && d->slot_size == 8)
        move_plain(m, sp, &q, KC_4, 8, true);
    else if (d->key_class == KC_8)
        move_plain(m, sp, &q, KC_8, d->slot_size, false);
    else if (d->key_class == KC_STR && d->slot_size == 24)
        move_plain(m, sp, &q, KC_STR, 24, false);
    else if (d->key_class == KC_STR)
        move_plain(m, sp, &q, KC_STR, d->slot_size, false);
    else
        move_plain(m, sp, &q, KC_FIXED, d->slot_size, false);
    return true;
}
