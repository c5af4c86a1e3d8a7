/* lib/table.c - the table: a hash-ordered array of groups, searched, filled and emptied.
 *
 * Terms
 *   position   what orders entries: the hash (its high 32 bits where slots store only those)
 *   group      15 slots and 16 metadata bytes: 15 tophash bytes (0 = empty), 1 overflow byte
 *   quad       4 groups: one 64-byte metadata line, 60 slots
 *   home       the group of a position: high 64 bits of position * groups; monotone, so the array
 *              is sorted by position at group grain, for any number of groups
 *   displaced  an entry that is not in its home group
 *   chain      overflow nodes of 4 slots, hanging off a quad's link word
 *   stash      a map of its own, with its own seed and SipHash, for what chains may not hold
 *   flood      the stash's last resort: a list, for keys no hash tells apart
 *
 *   meta   | t0 t1 .. t14 O | t0 .. t14 O | t0 .. t14 O | t0 .. t14 O |   one 64-byte line a quad
 *   slots  | 15 key,value   | 15          | 15          | 15          |
 *   links  | chain node or 0, bit 0: entries of this quad are in the stash |
 *
 * Rules
 *   A new entry goes to its home group; if that is full, the home's overflow byte gets the bit of the
 *   entry's class (tophash >> 5) and the entry goes to the emptiest other group of the quad, else to the chain
 *   (at most CHAIN_CAP entries by insertion), else to the stash.  A lookup that finds the bit clear ends after one
 *   metadata line; one that finds it set compares the three siblings (same line), the chain, the stash.
 *   Only the home's byte is marked, and the emptiest sibling is taken: marking every group passed, as open
 *   addressing does, costs a third of all misses (bench/, figures in docs/design.md).
 *   Erase wipes the slot, pulls one chain entry back into it, and clears the overflow bit if the erased
 *   entry was the last displaced one of its class and home.
 *
 * What chosen keys can do: fill one quad and its chain, 92 entries, then the stash under a secret
 * SipHash; only keys with equal user hashes reach the flood list, whose cost is linear.  No reseeding: a
 * non-empty map never changes its hash, so iterators and inlined code never see it change.
 */
#include "lookup.h"

const uint8_t gomap__empty_line[64] __attribute__((aligned(64)));
const char gomap__layout_1 = 1;

struct key gomap__key(const struct gomap *m, const void *api) {
    const struct gomap_desc *d = m->desc;
    if (!(d->flags & GOMAP_F_STR)) return (struct key){api, api, d->key_size};
    const gomap_str *s = api;
    return (struct key){api, s->ptr, s->len};
}

/* ---- slots --------------------------------------------------------------------------------------- */

/* The key of a slot as user functions see it; view backs it for strings. */
const void *gomap__slot_key(const struct gomap_desc *d, const uint8_t *slot, gomap_str *view) {
    if (d->flags & GOMAP_F_STR) {
        struct gomap_strkey s;
        memcpy(&s, slot, sizeof s);
        *view = (gomap_str){s.ptr, s.len};
        return view;
    }
    if (d->flags & GOMAP_F_KEY_INDIRECT) {
        struct gomap_cellkey c;
        memcpy(&c, slot, sizeof c);
        return c.ptr;
    }
    return slot;
}

bool gomap__slot_eq(const struct gomap *m, const uint8_t *slot, const struct key *k, uint64_t h) {
    return gomap__eq_class(m, slot, k, h, m->desc->key_class);
}

/* ---- lookup -------------------------------------------------------------------------------------- */

struct gomap_flood *gomap__flood_find(const struct gomap *m, uint64_t h, const struct key *k) {
    const struct gomap_desc *d = m->desc;
    for (struct gomap_flood *f = m->side->flood; f; f = f->next)
        if (f->hash == h && gomap__slot_eq(m, gomap__flood_slot(d, f), k, h)) return f;
    return NULL;
}

/* Past the quad and its chain: a map's stash, a stash's flood list. */
static uint8_t *find_stashed(const struct gomap *m, uint64_t h, const struct key *k, struct place *out) {
    if (m->cookie == GOMAP_COOKIE_STASH) {
        struct gomap_flood *f = gomap__flood_find(m, h, k);
        if (f && out)
            out->flood = f, out->slot = gomap__flood_slot(m->desc, f), out->owner = (struct gomap *)m;
        return f ? gomap__flood_slot(m->desc, f) : NULL;
    }
    struct gomap *stash = m->side->stash;
    if (!stash || !stash->count) return NULL;
    uint64_t hs = gomap__hash_key(stash, k);
    if (!out) return gomap__get_slot(stash, hs, k);
    return gomap__find(stash, hs, k, out) ? out->slot : NULL;
}

/* The home group's overflow bit is set: siblings, chain, stash. */
__attribute__((noinline)) uint8_t *gomap__find_displaced(const struct gomap *m, uint64_t home, const struct key *k,
                                                        uint64_t h, struct place *out) {
    const struct gomap_desc *d = m->desc;
    const struct geom g = gomap__locate(m, gomap__pos(d, h));
    uint64_t quad = home / 4;
    uint8_t *slot, tag = gomap__tag(h);
    for (unsigned i = 1; i < 4; i++) /* groups that do not exist have no tophash bytes */
        if ((slot = gomap__in_group(m, &g, quad * 4 + ((home + i) & 3), k, h, d->key_class, out))) return slot;
    uintptr_t link = g.links[quad];
    for (struct gomap_node *n = gomap__link_node(link); n; n = n->next) {
        for (unsigned i = 0; i < GOMAP_NODE_SLOTS; i++) {
            slot = gomap__node_slot(d, n, i);
            if (n->tag[i] != tag || !gomap__slot_eq(m, slot, k, h)) continue;
            if (out) out->slot = slot, out->tag = &n->tag[i], out->node = n;
            return slot;
        }
    }
    return gomap__link_stash(link) ? find_stashed(m, h, k, out) : NULL;
}

uint8_t *gomap__get_slot(const struct gomap *m, uint64_t h, const struct key *k) {
    switch (m->desc->key_class) { /* one probe loop per class: no call and no memcmp for integers */
    case KC_4: return gomap__find_class(m, h, k, KC_4, NULL);
    case KC_8: return gomap__find_class(m, h, k, KC_8, NULL);
    case KC_STR: return gomap__find_class(m, h, k, KC_STR, NULL);
    default: return gomap__find_class(m, h, k, m->desc->key_class, NULL);
    }
}

bool gomap__find(const struct gomap *m, uint64_t h, const struct key *k, struct place *out) {
    switch (m->desc->key_class) {
    case KC_4: return gomap__find_class(m, h, k, KC_4, out);
    case KC_8: return gomap__find_class(m, h, k, KC_8, out);
    default: return gomap__find_class(m, h, k, m->desc->key_class, out);
    }
}

/* ---- placing ------------------------------------------------------------------------------------- */

/* Slots of a group that may be filled: all 15, or the first cap of a small table. */
static inline unsigned room(const struct gomap *m, const struct geom *g, uint64_t group) {
    unsigned empty = gomap__match_empty(g->meta + group * 16);
    return m->mode == GOMAP_MODE_SMALL && g->ng == 1 ? empty & ((1u << m->cap) - 1) : empty;
}

static uint8_t *fill(const struct gomap *m, const struct geom *g, uint64_t group, unsigned empty,
                     uint8_t tag) {
    unsigned i = (unsigned)__builtin_ctz(empty);
    g->meta[group * 16 + i] = tag;
    return g->slots + (group * GOMAP_GROUP_SLOTS + i) * m->desc->slot_size;
}

static struct gomap_node *new_node(struct gomap *m, bool walking) {
    struct gomap__side *s = gomap__side(m);
    struct gomap_node *n;
    if (walking) { /* secured before the step began */
        n = s->w->spare;
        s->w->spare = n->next, s->w->nspare--;
        memset(n, 0, sizeof *n);
    } else {
        n = gomap__cell_alloc(m, m->desc->node_size, m->desc->slot_align);
        if (!n) return NULL;
        s->pub.node_bytes += m->desc->node_size;
    }
    s->pub.nodes++;
    return n;
}

/* NULL: no memory (*err), or (ENOENT) the chain is at its cap. */
static uint8_t *put_in_chain(struct gomap *m, uintptr_t *link, uint8_t tag, bool walking, gomap_err *err) {
    const struct gomap_desc *d = m->desc;
    unsigned held = 0;
    for (struct gomap_node *n = gomap__link_node(*link); n; n = n->next) {
        for (unsigned i = 0; i < GOMAP_NODE_SLOTS; i++, held++) {
            if (n->tag[i]) continue;
            n->tag[i] = tag;
            m->side->chained++;
            return gomap__node_slot(d, n, i);
        }
    }
    if (!walking && held >= CHAIN_CAP) {
        *err = GOMAP_ENOENT;
        return NULL;
    }
    struct gomap_node *n = new_node(m, walking);
    if (!n) {
        *err = GOMAP_ENOMEM;
        return NULL;
    }
    n->tag[0] = tag;
    n->next = gomap__link_node(*link);
    *link = (uintptr_t)n | (*link & 1);
    m->side->chained++;
    return gomap__node_slot(d, n, 0);
}

/* Mark a free slot of geometry g for an entry and return it.  walking: nodes come from the secured ones and the
 * cap does not apply (entries never go to the stash by a walk: iteration would see them twice). */
uint8_t *gomap__put_in(struct gomap *m, const struct geom *g, uint64_t pos, uint8_t tag, bool walking,
                       gomap_err *err) {
    uint64_t home = gomap__group_of(pos, g->ng), quad = home / 4, best = home;
    unsigned empty = room(m, g, home), most = 0, mask = 0;
    if (GOMAP__LIKELY(empty)) return fill(m, g, home, empty, tag);
    for (unsigned i = 0; i < gomap__quad_groups(g->ng, quad); i++) {
        unsigned e = room(m, g, quad * 4 + i), n = gomap__bits15(e);
        if (n > most) most = n, mask = e, best = quad * 4 + i;
    }
    uint8_t *overflow = &g->meta[home * 16 + 15];
    uint8_t bit = (uint8_t)(1u << (tag >> 5));
    if (most) {
        *overflow |= bit;
        return fill(m, g, best, mask, tag);
    }
    if (m->mode == GOMAP_MODE_SMALL && g->ng == 1) {
        *err = GOMAP_ENOMEM;
        return NULL;
    }
    uint8_t *slot = put_in_chain(m, &g->links[quad], tag, walking, err);
    if (slot) *overflow |= bit;
    return slot;
}

/* ---- erasing ------------------------------------------------------------------------------------- */

static void free_node(struct gomap *m, struct gomap_node *n) {
    m->side->nodes--;
    m->side->node_bytes -= m->desc->node_size;
    gomap__cell_free(m, n, m->desc->node_size, m->desc->slot_align);
}

static void drop_if_empty(struct gomap *m, uintptr_t *link, struct gomap_node *n) {
    uint32_t tags;
    memcpy(&tags, n->tag, sizeof tags);
    if (tags) return;
    struct gomap_node *head = gomap__link_node(*link);
    if (head == n) {
        *link = (uintptr_t)n->next | (*link & 1);
    } else {
        while (head->next != n) head = head->next;
        head->next = n->next;
    }
    free_node(m, n);
}

INLINE int erase_class(struct gomap *m, uint64_t h, const struct key *k, uint32_t kc) {
    const struct gomap_desc *d = m->desc;
    uint64_t pos = gomap__pos_class(m, h, kc);
    if (pos < m->split) return -1;
    uint64_t home = gomap__group_of(pos, m->ngroups);
    uint8_t *meta = m->meta + home * 16, *slots = m->slots + home * GOMAP_GROUP_SLOTS * d->slot_size;
    unsigned hits = gomap__match(meta, h);
    if (hits) __builtin_prefetch(slots, 1);
    for (; hits; hits &= hits - 1) {
        unsigned i = (unsigned)__builtin_ctz(hits);
        uint8_t *slot = slots + (size_t)i * d->slot_size;
        if (!gomap__eq_class(m, slot, k, h, kc)) continue;
        if (!gomap__erases_simply(m, home)) return -1;
        if (!(d->flags & GOMAP_F_PLAIN)) gomap__drop_entry(m, slot);
        gomap__wipe(slot, d->slot_size);
        meta[i] = 0;
        m->epoch++;
        gomap__set_count(m, m->count - 1);
        return 1;
    }
    return gomap__overflowed(meta, h) ? -1 : 0;
}

/* The usual delete: an entry in its home group, no chain behind, nothing else to do.  1: deleted, 0: absent,
 * -1: not that simple, nothing happened. */
int gomap__erase_simple(struct gomap *m, uint64_t h, const struct key *k) {
    switch (m->desc->key_class) {
    case KC_4: return erase_class(m, h, k, KC_4);
    case KC_8: return erase_class(m, h, k, KC_8);
    case KC_STR: return erase_class(m, h, k, KC_STR);
    default: return erase_class(m, h, k, m->desc->key_class);
    }
}

/* A slot of the quad became free: one chain entry takes it. */
static void pull_back(struct gomap *m, struct place *p, uintptr_t *link) {
    const struct gomap_desc *d = m->desc;
    struct gomap_node *n = gomap__link_node(*link);
    unsigned i = 0;
    while (!n->tag[i]) i++; /* a node in a chain has at least one entry */
    uint8_t *from = gomap__node_slot(d, n, i);
    memcpy(p->slot, from, d->slot_size);
    gomap__wipe(from, d->slot_size);
    *p->tag = n->tag[i];
    n->tag[i] = 0;
    m->side->chained--;
    drop_if_empty(m, link, n);
}

struct wanted {
    uint64_t home;
    unsigned class;
    bool found;
};

static bool still_displaced(struct gomap *m, struct place *p, void *ctx) {
    struct wanted *w = ctx;
    if ((unsigned)(*p->tag >> 5) != w->class) return true;
    if (!p->node && (uint64_t)(p->tag - p->g.meta) / 16 == w->home) return true; /* at home */
    uint64_t pos = gomap__pos(m->desc, gomap__hash_slot(m, p->slot));
    w->found = gomap__group_of(pos, p->g.ng) == w->home;
    return !w->found;
}

/* The same for keys whose hash is inlined: a delete of a displaced entry is not rare, and rehashes an eighth of a quad. */
static bool int_displaced(const struct gomap *m, const struct place *p, unsigned class) {
    uint64_t quad = p->home / 4, first = quad * 4;
    for (unsigned g = 0; g < gomap__quad_groups(p->g.ng, quad); g++) {
        const uint8_t *meta = p->g.meta + (first + g) * 16;
        if (first + g == p->home) continue;
        for (unsigned hits = gomap__match_class(meta, class); hits; hits &= hits - 1) {
            size_t at = (first + g) * GOMAP_GROUP_SLOTS + (unsigned)__builtin_ctz(hits);
            uint64_t key = 0;
            memcpy(&key, p->g.slots + at * m->desc->slot_size, m->desc->key_class == KC_8 ? 8 : 4);
            if (gomap__group_of(gomap__hash_int(m, key), p->g.ng) == p->home) return true;
        }
    }
    return false;
}

/* A displaced entry went: clear its home's overflow bit if no other one needs it. */
static void tidy_overflow(struct gomap *m, const struct place *p, unsigned class) {
    const struct gomap_desc *d = m->desc;
    uint64_t quad = p->home / 4;
    uintptr_t link = p->g.links ? p->g.links[quad] : 0;
    if (gomap__link_stash(link)) return;
    struct wanted w = {p->home, class, false};
    if (!link && d->key_class <= KC_8 && !(d->flags & GOMAP_F_USER_HASH))
        w.found = int_displaced(m, p, class);
    else
        gomap__each_in_quad(m, &p->g, quad, still_displaced, &w);
    if (!w.found) p->g.meta[p->home * 16 + 15] &= (uint8_t) ~(1u << class);
}

static void flood_remove(struct gomap *m, struct gomap_flood *f) {
    struct gomap_side *s = m->side;
    if (f->prev)
        f->prev->next = f->next;
    else
        s->flood = f->next;
    if (f->next) f->next->prev = f->prev;
    s->flood_count--;
    gomap__cell_free(m, f, gomap__flood_bytes(m->desc), m->desc->slot_align);
}

/* Take an entry out of its table: wipes its slot and whatever must follow.  Count and contents are the caller's. */
void gomap__erase(struct gomap *m, struct place *p) {
    m->epoch++;
    if (p->flood) {
        flood_remove(m, p->flood);
        return;
    }
    const struct gomap_desc *d = m->desc;
    unsigned class = *p->tag >> 5;
    bool displaced = p->node || (uint64_t)(p->tag - p->g.meta) / 16 != p->home;
    gomap__wipe(p->slot, d->slot_size);
    *p->tag = 0;
    uintptr_t *link = p->g.links ? &p->g.links[p->home / 4] : NULL;
    if (p->node) {
        m->side->chained--;
        drop_if_empty(m, link, p->node);
    } else if (link && gomap__link_node(*link)) {
        pull_back(m, p, link);
    }
    if (displaced) tidy_overflow(m, p, class);
}
