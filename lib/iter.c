/* lib/iter.c - iteration by hash arcs, and plain walks over all entries.
 *
 * The cursor is a position in hash space, not a place in memory: growth and shrink keep the order of
 * positions, so nothing below the cursor can come back and nothing above it can get lost.
 *
 *   hash space   |  arc 2  |  arc 0  |  arc 3  |  arc 1  |     arcs are visited in a drawn order
 *                     ^cursor
 *                     [ range: the rest of one quad ]           its entries are gathered at once
 *
 * For a range, iter gathers who is in it.  The usual range is a whole quad without a chain: its full slots are a bit
 * mask, and its keys are copied aside.  While nothing is deleted or moves (map.epoch) the slots of the mask are simply
 * returned, by inlined code.  After a change the copied keys tell who is left to return; they become the list of
 * identities that other ranges have from the start, and each is looked for again: found, it is returned with its newest value;
 * not found, it was deleted.  What was added to the range after gathering is not in the list: "may be skipped".
 * So rules 1-5 hold without pins or copies of the table.
 *
 * Identity: keys of up to 16 slot bytes that are unique as bytes (integers; string and cell pointers) are
 * kept themselves.  Others (user equality, long inline keys) by (hash, keyed fingerprint of the key
 * bytes), gathered in that order, so that a quad with more entries than the list holds is taken in parts.  Keys that
 * do not equal themselves (NaN) are told apart by their values, and equal values of those by ordinal.
 *
 * After the table comes the stash, by the same code under its own hash, then the flood list by serial.  Entries never
 * move between these while they live, so each is seen in exactly one.
 */
#include "internal.h"

enum { ITEMS = 64, KEY_PITCH = 16, PHASE_TABLE = 0, PHASE_STASH, PHASE_FLOOD, PHASE_END };

struct item {
    uint64_t a, b; /* slot key bytes, or hash and fingerprint */
    uint8_t *slot;
};

struct iter {
    struct gomap__cursor c;        /* first: inlined code reads it */
    const struct gomap *map, *cur; /* the map; it or its stash */
    uint64_t id, seed0;
    uint64_t fp_key[2];
    uint64_t arc, arc_mul, arc_add, arc_groups, pos, arc_last, last; /* arc_groups: what arcs were cut by */
    uint64_t from_h, from_fp; /* ordered gathering goes on above these */
    uint64_t before_h;        /* from_h when this list was gathered, if had_part */
    uint64_t serial;          /* flood: last one returned */
    uint8_t *quad_slots, *quad_end, *quad_meta; /* small tables have less than a quad */
    struct gomap_flood *flood;
    uint32_t epoch, seq, from_skip, ret_epoch;
    uint8_t phase, arc_bits, n, at, stride, next, ordered, partial, had_part, in_arc, listed; /* listed: items, not keys */
    struct item given; /* who was returned last, while c.given is set; not in a quad that c walks */
    union {
        struct item items[ITEMS];
        uint8_t keys[GOMAP_QUAD_SLOTS * KEY_PITCH]; /* of the quad that c walks, by slot */
    };
};
static_assert(offsetof(struct iter, c) == 0, "typed.h finds the cursor at gomap_iter.opaque");
static_assert(sizeof(struct iter) <= sizeof((gomap_iter *)0)->opaque, "iterator fits");

/* ---- plain walks -------------------------------------------------------------------------------------- */

bool gomap__quad_live(const struct gomap *m, bool lo, uint64_t quad) {
    const struct gomap__side *s = gomap__side(m);
    if (!s || !s->pub.walk) return !lo;
    if (!s->w->two_arrays) return lo ? quad < s->w->at : quad >= s->w->at;
    if (s->pub.walk == GOMAP_WALK_GROW) return lo ? quad < s->w->at : quad >= s->w->reached;
    return lo ? quad < s->w->reached : quad >= s->w->at;
}

bool gomap__each_in_quad(struct gomap *m, const struct geom *g, uint64_t quad, gomap__slot_fn fn, void *ctx) {
    const struct gomap_desc *d = m->desc;
    struct place p = {.g = *g, .home = quad * 4, .owner = m}; /* home: of the chain, if no slot is full */
    for (unsigned i = 0; i < gomap__quad_groups(g->ng, quad); i++) {
        uint64_t group = quad * 4 + i;
        uint8_t *meta = g->meta + group * 16;
        for (unsigned full = ~gomap__match_empty(meta) & 0x7fff; full; full &= full - 1) {
            unsigned s = (unsigned)__builtin_ctz(full);
            p.slot = g->slots + (group * GOMAP_GROUP_SLOTS + s) * d->slot_size;
            p.tag = meta + s;
            p.home = group; /* where it lies; its home if not displaced */
            if (!fn(m, &p, ctx)) return false;
        }
    }
    if (!g->links) return true;
    for (struct gomap_node *n = gomap__link_node(g->links[quad]), *next; n; n = next) {
        next = n->next;
        for (unsigned i = 0; i < GOMAP_NODE_SLOTS; i++) {
            if (!n->tag[i]) continue;
            p.slot = gomap__node_slot(d, n, i), p.tag = &n->tag[i], p.node = n;
            if (!fn(m, &p, ctx)) return false;
        }
    }
    return true;
}

bool gomap__each(struct gomap *m, gomap__slot_fn fn, void *ctx) {
    struct geom g[2] = {gomap__hi(m), {0}};
    const struct gomap_side *s = m->side;
    if (s && s->walk) g[1] = gomap__lo(m);
    for (int lo = 0; lo < 2; lo++)
        for (uint64_t q = 0; g[lo].meta && q < gomap__quads(g[lo].ng) && m->mode; q++)
            if (gomap__quad_live(m, lo, q) && !gomap__each_in_quad(m, &g[lo], q, fn, ctx)) return false;
    if (!s) return true;
    for (struct gomap_flood *f = s->flood, *next; f; f = next) {
        next = f->next;
        struct place p = {.slot = gomap__flood_slot(m->desc, f), .flood = f, .owner = m};
        if (!fn(m, &p, ctx)) return false;
    }
    return !s->stash || gomap__each(s->stash, fn, ctx);
}

/* ---- identities ----------------------------------------------------------------------------------------- */

static bool simple_key(const struct gomap_desc *d) {
    return d->key_class != KC_USER && d->slot_key_size <= 16;
}

/* A NaN: the map may hold many entries with such a key. */
static bool unlike_itself(const struct gomap *m, const void *key) {
    return m->desc->eq && !m->desc->eq(key, key, gomap__ctx(m));
}

static struct item simple_item(const struct gomap_desc *d, const uint8_t *key, uint8_t *slot) {
    struct item i = {0, 0, slot};
    if (d->slot_key_size == 8)
        memcpy(&i.a, key, 8);
    else
        memcpy(&i, key, d->slot_key_size);
    return i;
}

static struct item item_of(const struct iter *it, uint8_t *slot) {
    const struct gomap_desc *d = it->cur->desc;
    struct item i = {0, 0, slot};
    if (!it->ordered) return simple_item(d, slot, slot);
    gomap_str view;
    const void *key = gomap__slot_key(d, slot, &view);
    i.a = gomap__hash_slot(it->cur, slot);
    i.b = d->flags & GOMAP_F_STR ? gomap__siphash13(it->fp_key, view.ptr, view.len)
                                 : gomap__siphash13(it->fp_key, key, d->key_size);
    if (unlike_itself(it->cur, key)) { /* the same bits many times (NaN): their values tell them apart */
        const uint64_t mix[2] = {it->fp_key[0] ^ i.b, it->fp_key[1]};
        i.b = gomap__siphash13(mix, gomap__slot_val(d, slot), d->val_size);
    }
    return i;
}
static_assert(offsetof(struct item, slot) == 16, "a and b hold 16 key bytes");

static bool same(const struct item *x, const struct item *y) { return x->a == y->a && x->b == y->b; }
static bool below(const struct item *x, const struct item *y) {
    return x->a < y->a || (x->a == y->a && x->b < y->b);
}

/* ---- gathering --------------------------------------------------------------------------------------------- */

struct gather {
    struct iter *it;
    bool whole, full;
    uint32_t skip;
};

static bool in_range(const struct iter *it, const uint8_t *slot) {
    uint64_t pos = gomap__pos(it->cur->desc, gomap__hash_slot(it->cur, slot));
    return pos >= it->pos && pos <= it->last;
}

static bool gather_simple(struct gomap *m, struct place *p, void *ctx) {
    struct gather *ga = ctx;
    struct iter *it = ga->it;
    (void)m;
    if (!ga->whole && !in_range(it, p->slot)) return true;
    ga->full = it->n == ITEMS;
    if (!ga->full) it->items[it->n++] = item_of(it, p->slot);
    return !ga->full;
}

/* Keep the lowest ITEMS identities above the point reached. */
static bool gather_ordered(struct gomap *m, struct place *p, void *ctx) {
    struct gather *ga = ctx;
    struct iter *it = ga->it;
    (void)m;
    if (!ga->whole && !in_range(it, p->slot)) return true;
    struct item x = item_of(it, p->slot), from = {it->from_h, it->from_fp, NULL};
    if (it->partial && (below(&x, &from) || (same(&x, &from) && ga->skip && ga->skip--))) return true;
    unsigned at = it->n;
    while (at && below(&x, &it->items[at - 1])) at--;
    ga->full |= it->n == ITEMS;
    if (at == ITEMS) return true;
    unsigned tail = (it->n < ITEMS ? it->n : ITEMS - 1) - at;
    memmove(&it->items[at + 1], &it->items[at], tail * sizeof x);
    it->items[at] = x;
    if (it->n < ITEMS) it->n++;
    return true;
}

/* The order inside a range: a drawn start and a drawn stride (primes above ITEMS: every one visits all); small tables,
 * whose whole order this is, are shuffled. */
static void shuffle(struct iter *it, bool small) {
    static const uint8_t primes[] = {67, 71, 73, 79, 83, 89, 97, 101};
    uint64_t r = gomap__iter_seed();
    if (!it->n) return;
    it->next = (uint8_t)(r % it->n);
    it->stride = (uint8_t)(primes[r >> 61] % it->n);
    if (!small || it->ordered) return;
    for (unsigned i = it->n; i > 1; i--) {
        unsigned j = (unsigned)(gomap__iter_seed() % i);
        struct item t = it->items[i - 1];
        it->items[i - 1] = it->items[j], it->items[j] = t;
    }
}

static unsigned after(const struct iter *it, unsigned k) {
    k += it->stride;
    return k >= it->n ? k - it->n : k;
}

struct span {
    struct geom g;
    uint64_t quad, last; /* last position of the quad under this geometry */
};

/* The quad that position `pos` lives in now. */
static struct span span_of(const struct iter *it, uint64_t pos) {
    const struct gomap *m = it->cur;
    struct span sp = {.g = gomap__locate(m, pos), .last = UINT64_MAX};
    sp.quad = gomap__group_of(pos, sp.g.ng) / 4;
    if (sp.quad + 1 < gomap__quads(sp.g.ng)) sp.last = gomap__border(sp.quad * 4 + 4, sp.g.ng) - 1;
    if (pos < m->split && sp.last >= m->split) sp.last = m->split - 1;
    return sp;
}

/* Is pos the first position of its quad (in its geometry)? */
static bool starts_quad(const struct iter *it, uint64_t pos, const struct span *sp) {
    return pos == 0 || pos == it->cur->split || gomap__group_of(pos - 1, sp->g.ng) / 4 != sp->quad;
}

static bool quad_is_empty(const struct span *sp) {
    uint64_t word = 0, part;
    for (unsigned i = 0; i < gomap__quad_groups(sp->g.ng, sp->quad) * 16; i += 8)
        memcpy(&part, sp->g.meta + sp->quad * 64 + i, 8), word |= part;
    return !word;
}

/* Exchange the bits of v so that bit b holds what bit b ^ mix held. */
static uint64_t mixed(uint64_t v, unsigned mix) {
    static const uint64_t low[6] = {UINT64_C(0x5555555555555555), UINT64_C(0x3333333333333333),
                                    UINT64_C(0x0f0f0f0f0f0f0f0f), UINT64_C(0x00ff00ff00ff00ff),
                                    UINT64_C(0x0000ffff0000ffff), UINT64_C(0x00000000ffffffff)};
    for (unsigned i = 0; i < 6; i++)
        if (mix >> i & 1) v = (v >> (1u << i) & low[i]) | (v & low[i]) << (1u << i);
    return v;
}

/* The keys of a quad's slots, also of empty ones: to ask each would cost more.  key is a constant where it is inlined. */
static inline __attribute__((always_inline)) void copy_keys(uint8_t *to, const uint8_t *slots, size_t size, size_t key,
                                                            unsigned groups) {
    for (unsigned g = 0; g < groups; g++)
        for (unsigned i = 0; i < GOMAP_GROUP_SLOTS; i++, to += KEY_PITCH, slots += size) memcpy(to, slots, key);
}

/* The usual case: a whole quad without a chain, of keys that are their own identity. */
static bool gather_whole(struct iter *it, const struct span *sp) {
    const struct gomap_desc *d = it->cur->desc;
    size_t size = d->slot_size, key = d->slot_key_size;
    if (sp->g.links && gomap__link_node(sp->g.links[sp->quad])) return false;
    unsigned groups = gomap__quad_groups(sp->g.ng, sp->quad);
    const uint8_t *slots = it->quad_slots;
    if (size == KEY_PITCH)
        memcpy(it->keys, slots, groups * (size_t)GOMAP_GROUP_SLOTS * KEY_PITCH);
    else if (key == 16)
        copy_keys(it->keys, slots, size, 16, groups);
    else if (key == 8)
        copy_keys(it->keys, slots, size, 8, groups);
    else if (key == 4)
        copy_keys(it->keys, slots, size, 4, groups);
    else
        copy_keys(it->keys, slots, size, key, groups);
    it->c.map = it->cur, it->c.slots = it->quad_slots, it->c.epoch = it->epoch;
    it->c.left = mixed(gomap__quad_full(it->quad_meta, groups), it->c.mix);
    return true;
}

static unsigned slot_index(unsigned bit, unsigned mix) { return (bit ^ mix) - (bit ^ mix) / 16; }

/* The map changed: who is left of the quad becomes a list. */
static void leave_cursor(struct iter *it) {
    const struct gomap_desc *d = it->cur->desc;
    uint8_t keys[sizeof it->keys];
    memcpy(keys, it->keys, sizeof keys); /* the list comes to lie over them */
    if (it->c.given) {
        size_t i = (size_t)(it->c.given - it->c.slots) / d->slot_size;
        it->given = simple_item(d, keys + i * KEY_PITCH, it->c.given);
    }
    it->n = it->at = it->next = 0, it->stride = 1;
    for (uint64_t left = it->c.left; left; left &= left - 1) {
        unsigned i = slot_index((unsigned)__builtin_ctzll(left), it->c.mix);
        it->items[it->n++] = simple_item(d, keys + i * KEY_PITCH, it->c.slots + i * d->slot_size);
    }
    it->c.left = 0, it->listed = 1;
}
static_assert((int)ITEMS >= (int)GOMAP_QUAD_SLOTS, "a quad without a chain fits");

/* Gather the range that starts at it->pos, in quad sp. */
static void gather(struct iter *it, const struct span *sp) {
    struct gomap *m = (struct gomap *)(uintptr_t)it->cur;
    it->n = it->at = 0, it->c.left = 0, it->listed = 1;
    it->epoch = m->epoch, it->seq = m->seq, it->seed0 = m->seed[0];
    it->quad_slots = sp->g.slots + sp->quad * GOMAP_QUAD_SLOTS * m->desc->slot_size;
    it->quad_end = it->quad_slots + gomap__quad_groups(sp->g.ng, sp->quad) * (size_t)GOMAP_GROUP_SLOTS * m->desc->slot_size;
    it->quad_meta = sp->g.meta + sp->quad * 64;
    it->had_part = it->partial, it->before_h = it->from_h;
    bool whole = it->last == sp->last && starts_quad(it, it->pos, sp);
    struct gather ga = {it, whole, false, it->from_skip};
    it->ordered = it->partial || !simple_key(m->desc);
    /* the only quad of a table is listed and shuffled; a stash may change or go without a sign that inlined code sees */
    bool walks = whole && gomap__quads(sp->g.ng) > 1 && it->cur == it->map;
    if (!it->ordered && walks && gather_whole(it, sp)) {
        it->listed = 0;
        return;
    }
    if (!it->ordered) {
        gomap__each_in_quad(m, &sp->g, sp->quad, gather_simple, &ga);
        if (ga.full) it->ordered = 1, it->n = 0, ga.full = false; /* take it in parts */
    }
    if (it->ordered) gomap__each_in_quad(m, &sp->g, sp->quad, gather_ordered, &ga);
    if (ga.full) {
        const struct item *top = &it->items[ITEMS - 1];
        uint32_t equal = it->partial && it->from_h == top->a && it->from_fp == top->b ? it->from_skip : 0;
        for (unsigned i = 0; i < ITEMS; i++) equal += same(&it->items[i], top);
        it->from_h = top->a, it->from_fp = top->b, it->from_skip = equal, it->partial = 1;
        it->pos = gomap__pos(m->desc, top->a); /* what is below it has been gathered, wherever it moves */
    } else {
        it->partial = 0, it->from_skip = 0;
    }
    shuffle(it, gomap__quads(sp->g.ng) == 1);
}

static void open_arc(struct iter *it) {
    uint64_t mask = (UINT64_C(1) << it->arc_bits) - 1;
    uint64_t arc = (it->arc * it->arc_mul + it->arc_add) & mask, quads = gomap__quads(it->arc_groups);
    it->pos = arc ? gomap__border((arc * quads >> it->arc_bits) * 4, it->arc_groups) : 0;
    uint64_t end = (arc + 1) * quads >> it->arc_bits; /* arcs end where quads do, unless the table has grown meanwhile */
    it->arc_last = end < quads ? gomap__border(end * 4, it->arc_groups) - 1 : UINT64_MAX;
    it->in_arc = 1, it->partial = 0;
}

/* Start over table m: draw the arcs. */
static void open_table(struct iter *it, const struct gomap *m) {
    uint64_t quads = gomap__quads(m->ngroups);
    unsigned lg = 0;
    while ((UINT64_C(2) << lg) <= quads) lg++; /* no more arcs than quads */
    it->arc_bits = (uint8_t)(lg < 6 ? lg : lg - 3 > 10 ? 10 : lg - 3 < 5 ? 5 : lg - 3);
    it->arc_mul = gomap__iter_seed() | 1, it->arc_add = gomap__iter_seed();
    it->c.mix = (uint32_t)(it->arc_add >> 58), it->arc_groups = m->ngroups;
    it->arc = 0, it->in_arc = 0, it->partial = 0, it->n = it->at = 0;
    it->cur = m;
}

/* The next range of the table with entries; false: the table is through. */
static bool next_range(struct iter *it) {
    for (; it->cur->mode != GOMAP_MODE_EMPTY;) {
        if (!it->in_arc) {
            if (it->arc >> it->arc_bits) return false;
            open_arc(it);
        } else if (!it->partial) {
            if (it->last >= it->arc_last) {
                it->in_arc = 0, it->arc++;
                continue;
            }
            it->pos = it->last + 1;
        }
        struct span sp = span_of(it, it->pos);
        it->last = sp.last < it->arc_last ? sp.last : it->arc_last;
        if (quad_is_empty(&sp) && !it->partial) continue;
        gather(it, &sp);
        if (it->n || it->c.left) return true;
    }
    return false;
}

/* ---- finding an item again ------------------------------------------------------------------------------------ */

struct again {
    const struct iter *it;
    const struct item *want;
    uint32_t skip;
    struct place found;
    bool hit, by_hash;
};

static bool is_it(struct gomap *m, struct place *p, void *ctx) {
    struct again *ag = ctx;
    struct item x = item_of(ag->it, p->slot);
    (void)m;
    if (ag->by_hash ? x.a != ag->want->a : !same(&x, ag->want) || ag->skip-- != 0) return true;
    ag->found = *p, ag->hit = true;
    return false;
}

static uint64_t item_pos(const struct iter *it, const struct item *i) {
    const struct gomap_desc *d = it->cur->desc;
    if (it->ordered) return gomap__pos(d, i->a);
    return gomap__pos(d, gomap__hash_slot(it->cur, (const uint8_t *)i));
}

/* Is its hash that of no other item, nor of entries in the lists before and after this one? */
static bool alone_with_hash(const struct iter *it, const struct item *i) {
    unsigned n = 0;
    for (unsigned k = 0; k < it->n; k++) n += it->items[k].a == i->a;
    return n == 1 && !(it->partial && i->a == it->from_h) && !(it->had_part && i->a == it->before_h);
}

/* Which of the entries like this one (NaN: there may be many) it is, in the order of the quad: those still to be
 * returned come last, of `present` ones, or of all up to the point the list was cut at. */
static uint32_t copy_index(const struct iter *it, const struct item *i, uint32_t present) {
    uint32_t left = 0, of = present;
    unsigned k = it->next;
    for (unsigned j = it->at; j < it->n; k = after(it, k), j++) left += same(&it->items[k], i);
    left++; /* i itself, taken from the list already */
    if (it->partial && i->a == it->from_h && i->b == it->from_fp) of = it->from_skip;
    return of > left ? of - left : 0;
}

/* The copy returned last, in `slot`, is no longer like the others: about to be deleted, or its value was changed.
 * (A key that equals itself has no others: deleted and put again at the cut, it is still to be skipped.) */
static void forget_copy(struct iter *it, uint8_t *slot) {
    const struct item *i = &it->given;
    gomap_str view;
    if (!unlike_itself(it->cur, gomap__slot_key(it->cur->desc, slot, &view))) return;
    if (it->partial && it->from_skip && i->a == it->from_h && i->b == it->from_fp) it->from_skip--;
}

static bool find_again(const struct iter *it, const struct item *i, struct place *out) {
    struct gomap *m = (struct gomap *)(uintptr_t)it->cur;
    uint64_t pos = item_pos(it, i);
    struct geom g = gomap__locate(m, pos);
    uint64_t home = gomap__group_of(pos, g.ng);
    struct again ag = {.it = it, .want = i};
    if (m->mode == GOMAP_MODE_EMPTY) return false;
    if (m->desc->flags & GOMAP_F_USER_EQ) { /* count them first */
        ag.skip = UINT32_MAX;
        gomap__each_in_quad(m, &g, home / 4, is_it, &ag);
        ag.skip = copy_index(it, i, UINT32_MAX - ag.skip);
    }
    gomap__each_in_quad(m, &g, home / 4, is_it, &ag);
    if (!ag.hit && it->ordered && m->desc->flags & GOMAP_F_USER_EQ && alone_with_hash(it, i)) {
        ag.by_hash = true; /* a put may have replaced the key by an equal one with other bytes */
        gomap__each_in_quad(m, &g, home / 4, is_it, &ag);
    }
    if (ag.hit) *out = ag.found, out->home = home;
    return ag.hit;
}

/* The item's slot now, or NULL if it was deleted. */
static uint8_t *current_slot(struct iter *it, struct item *i) {
    const struct gomap *m = it->cur;
    const struct gomap_desc *d = m->desc;
    if (m->seed[0] != it->seed0) return NULL; /* emptied meanwhile, or another stash at the same address */
    if (GOMAP__LIKELY(m->epoch == it->epoch)) return i->slot;
    if (!it->ordered && m->seq == it->seq && i->slot >= it->quad_slots && i->slot < it->quad_end) {
        size_t k =
            (size_t)(i->slot - it->quad_slots) / d->slot_size; /* slots of a quad do not move without seq */
        struct item now = item_of(it, i->slot);
        return it->quad_meta[k / 15 * 16 + k % 15] && same(&now, i) ? i->slot : NULL;
    }
    struct place p;
    return find_again(it, i, &p) ? p.slot : NULL;
}

/* ---- the iterator ------------------------------------------------------------------------------------------------ */

void gomap_iter_init(gomap_iter *o, const gomap *m) {
    struct iter *it = (struct iter *)(void *)o->opaque;
    memset(it, 0, offsetof(struct iter, items));
    it->listed = 1;
    o->key = o->value = NULL;
    it->phase = PHASE_END;
    if (!m || !gomap__read_ok(m, "iterate")) return;
    it->map = m, it->id = m->id;
    it->fp_key[0] = gomap__iter_seed(), it->fp_key[1] = gomap__iter_seed();
    it->phase = PHASE_TABLE;
    open_table(it, m);
}

static bool give(gomap_iter *o, struct iter *it, uint8_t *slot) {
    const struct gomap_desc *d = it->cur->desc;
    it->c.given = slot;
    it->ret_epoch = it->cur->epoch;
    o->key = d->flags & (GOMAP_F_STR | GOMAP_F_KEY_INDIRECT) ? gomap__slot_key(d, slot, &o->str) : slot;
    o->value = d->flags & GOMAP_F_VAL_INDIRECT ? gomap__slot_val(d, slot) : slot + d->val_off;
    return true;
}

/* it->flood: the entry to return next, as long as none was removed by others. */
static bool next_flood(gomap_iter *o, struct iter *it) {
    struct gomap_flood *f = it->flood;
    if (it->cur->epoch != it->epoch)
        for (f = it->cur->side->flood; f && f->serial >= it->serial;) f = f->next;
    it->epoch = it->cur->epoch;
    if (!f) return false;
    it->serial = f->serial, it->flood = f->next;
    return give(o, it, gomap__flood_slot(it->cur->desc, f));
}

/* From the table to the stash to its list; false: nothing follows. */
static bool next_phase(struct iter *it) {
    struct gomap *stash = it->map->side ? it->map->side->stash : NULL;
    it->phase = (uint8_t)(stash ? it->phase + 1 : PHASE_END);
    if (it->phase == PHASE_STASH) open_table(it, stash), it->seed0 = stash->seed[0];
    if (it->phase == PHASE_FLOOD)
        it->serial = UINT64_MAX, it->flood = it->cur->side->flood, it->epoch = it->cur->epoch;
    return it->phase < PHASE_END;
}

/* The stash this iterator has come to may have gone with a clear, and another have come to its place. */
static bool still_there(const struct iter *it) {
    if (it->phase == PHASE_TABLE) return true;
    return it->map->side && it->map->side->stash == it->cur && it->cur->seed[0] == it->seed0;
}

/* Entries with keys that equal nothing are told apart by their values; the caller may have written to the last one's. */
static void note_changed_value(struct iter *it) {
    if (!it->ordered || it->phase == PHASE_FLOOD || it->cur->epoch != it->ret_epoch) return;
    struct item now = item_of(it, it->c.given);
    if (!same(&now, &it->given)) forget_copy(it, it->c.given);
}

bool gomap_iter_next(gomap_iter *o) {
    struct iter *it = (struct iter *)(void *)o->opaque;
    while (it->phase < PHASE_END) {
        if (!gomap__read_ok(it->map, "iterate") || !still_there(it)) break;
        uint8_t *next = gomap__cursor_next(&it->c, it->cur->desc->slot_size);
        if (GOMAP__LIKELY(next != NULL)) return give(o, it, next);
        if (it->c.left) leave_cursor(it);
        if (it->c.given) note_changed_value(it);
        it->c.given = NULL;
        if (it->phase == PHASE_FLOOD) {
            if (next_flood(o, it)) return true;
            break;
        }
        while (it->at < it->n) {
            struct item *i = &it->items[it->next];
            it->at++;
            it->next = (uint8_t)after(it, it->next);
            uint8_t *slot = current_slot(it, i);
            if (slot) return it->given = *i, give(o, it, slot);
        }
        if (!next_range(it) && !next_phase(it)) break;
    }
    it->phase = PHASE_END;
    it->c.given = NULL;
    o->key = o->value = NULL;
    return false;
}

static bool flood_again(const struct iter *it, struct place *out) {
    struct gomap_flood *f = it->cur->side->flood;
    if (it->cur->epoch == it->epoch && it->flood)
        f = it->flood->prev;
    else
        while (f && f->serial > it->serial) f = f->next;
    if (!f || f->serial != it->serial) return false;
    out->flood = f, out->slot = gomap__flood_slot(it->cur->desc, f);
    return true;
}

struct at_slot {
    const uint8_t *slot;
    struct place found;
};

static bool is_at(struct gomap *m, struct place *p, void *ctx) {
    struct at_slot *at = ctx;
    (void)m;
    if (p->slot != at->slot) return true;
    at->found = *p;
    return false;
}

/* Nothing moved since the item was returned: its slot tells where it is. */
static bool slot_again(const struct iter *it, struct place *out) {
    struct gomap *m = (struct gomap *)(uintptr_t)it->cur;
    uint64_t pos = gomap__pos(m->desc, gomap__hash_slot(m, it->c.given));
    struct geom g = gomap__locate(m, pos);
    uint64_t home = gomap__group_of(pos, g.ng);
    struct at_slot at = {.slot = it->c.given};
    if (gomap__each_in_quad(m, &g, home / 4, is_at, &at)) return false;
    *out = at.found;
    out->home = home;
    return true;
}

bool gomap_iter_delete(gomap_iter *o, gomap *m) {
    struct iter *it = (struct iter *)(void *)o->opaque;
    if (!it->c.given || it->map != m || !still_there(it) || !gomap__write_begin(m, "iter_delete")) return false;
    struct place p = {.owner = (struct gomap *)(uintptr_t)it->cur};
    bool ok;
    if (!it->listed && it->cur->epoch != it->c.epoch) leave_cursor(it);
    if (it->phase == PHASE_FLOOD)
        ok = flood_again(it, &p);
    else if (it->cur->epoch == (it->listed ? it->ret_epoch : it->c.epoch))
        ok = slot_again(it, &p);
    else
        ok = it->cur->seed[0] == it->seed0 && find_again(it, &it->given, &p);
    if (ok) {
        if (it->phase != PHASE_FLOOD) forget_copy(it, p.slot);
        gomap__going(m, p.slot);
        gomap__drop_entry(m, p.slot);
        bool knows_next = it->phase == PHASE_FLOOD && it->cur->epoch == it->epoch;
        gomap__unplace(m, &p);
        if (knows_next && still_there(it)) it->epoch = it->cur->epoch;
    }
    it->c.given = NULL;
    gomap__write_end(m);
    gomap__checkpoint(m);
    return ok;
}

size_t gomap_retain_if(gomap *m, bool (*keep)(const void *, void *, void *), void *ctx) {
    size_t deleted = 0;
    gomap_iter it;
    if (!m) {
        gomap__misuse(m, "retain_if on");
        return 0;
    }
    for (gomap_iter_init(&it, m); gomap_iter_next(&it);)
        if (!keep(it.key, it.value, ctx)) deleted += gomap_iter_delete(&it, m);
    if (deleted && gomap__write_begin(m, "retain_if")) {
        gomap__shrink_to_rest(m);
        gomap__write_end(m);
    }
    return deleted;
}
