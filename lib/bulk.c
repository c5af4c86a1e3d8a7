/* lib/bulk.c - operations on many entries, and on entries the caller does not name.
 *
 * A batch is 32 keys.  Over all of them: hash, and fetch the metadata line; then match, and fetch the line of the first
 * slot that may be the key's (and the text a string's slot points to); then look up, with everything in the cache.  A
 * table that is in the cache anyway gets the plain loop: the passes would be work for nothing.
 */
#include "lookup.h"

#include <time.h>

/* 32 keys at a time measured best (docs/design.md): enough misses in flight, few enough to stay in L1. */
enum { BATCH = 32 };

struct batch {
    struct key key[BATCH];
    uint64_t hash[BATCH];
    uint8_t *slot[BATCH]; /* that may be the key's, or NULL */
};

static bool cached(const struct gomap *m) {
    return m->ngroups * (16 + GOMAP_GROUP_SLOTS * (uint64_t)m->desc->slot_size) <= CACHED_BYTES;
}

static size_t key_stride(const struct gomap *m) {
    return m->desc->flags & GOMAP_F_STR ? sizeof(gomap_str) : m->desc->key_size;
}

/* A write takes a free slot where it finds no match: fetch that. */
enum intent { TO_READ, TO_WRITE };

INLINE void fetch_slot(const struct gomap *m, struct batch *b, size_t i, uint32_t kc, enum intent intent) {
    uint64_t pos = gomap__pos_class(m, b->hash[i], kc);
    struct geom g = gomap__locate(m, pos);
    uint64_t group = gomap__group_of(pos, g.ng);
    const uint8_t *meta = g.meta + group * 16;
    unsigned hits = gomap__match(meta, b->hash[i]), at = hits;
    if (!hits && intent == TO_WRITE) at = gomap__match_empty(meta);
    uint8_t *slot = g.slots + (group * GOMAP_GROUP_SLOTS + (unsigned)__builtin_ctz(at | 1u << 14)) * m->desc->slot_size;
    if (at) __builtin_prefetch(slot);
    b->slot[i] = hits ? slot : NULL;
}

static void fetch_text(const struct batch *b, size_t i) {
    struct gomap_strkey s;
    if (!b->slot[i]) return;
    memcpy(&s, b->slot[i], sizeof s);
    if (s.hash_hi == (uint32_t)(b->hash[i] >> 32)) __builtin_prefetch(s.ptr);
}

INLINE void prepare(const struct gomap *m, const uint8_t *keys, size_t n, struct batch *b, uint32_t kc,
                    enum intent intent) {
    const size_t stride = key_stride(m);
    for (size_t i = 0; i < n; i++) {
        b->key[i] = gomap__key_of(m, keys + i * stride, kc);
        b->hash[i] = gomap__too_long(&b->key[i]) ? 0 : gomap__hash_class(m, &b->key[i], kc);
        uint64_t pos = gomap__pos_class(m, b->hash[i], kc);
        struct geom g = gomap__locate(m, pos);
        __builtin_prefetch(g.meta + gomap__group_of(pos, g.ng) * 16);
    }
    for (size_t i = 0; i < n; i++) fetch_slot(m, b, i, kc, intent);
    for (size_t i = 0; kc == KC_STR && i < n; i++) fetch_text(b, i);
}

INLINE size_t get_batch(const struct gomap *m, const uint8_t *keys, size_t n, void **values, uint32_t kc) {
    struct batch b;
    size_t found = 0;
    prepare(m, keys, n, &b, kc, TO_READ);
    for (size_t i = 0; i < n; i++) {
        uint8_t *slot = b.slot[i];
        if (!slot || !gomap__eq_class(m, slot, &b.key[i], b.hash[i], kc))
            slot = gomap__find_class(m, b.hash[i], &b.key[i], kc, NULL);
        values[i] = slot ? gomap__slot_val(m->desc, slot) : NULL;
        found += slot != NULL;
    }
    return found;
}

INLINE size_t get_each(const struct gomap *m, const uint8_t *keys, size_t n, void **values, uint32_t kc) {
    const size_t stride = key_stride(m);
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        struct key k = gomap__key_of(m, keys + i * stride, kc);
        uint64_t h;
        uint8_t *slot = gomap__too_long(&k) ? NULL : gomap__lookup(m, &k, kc, &h);
        values[i] = slot ? gomap__slot_val(m->desc, slot) : NULL;
        found += slot != NULL;
    }
    return found;
}

INLINE size_t get_class(const struct gomap *m, const uint8_t *keys, size_t n, void **values, uint32_t kc) {
    const size_t stride = key_stride(m);
    size_t found = 0;
    if (cached(m)) return get_each(m, keys, n, values, kc);
    for (size_t at = 0; at < n; at += BATCH)
        found += get_batch(m, keys + at * stride, n - at < BATCH ? n - at : BATCH, values + at, kc);
    return found;
}

size_t gomap_get_many(const gomap *m, const void *keys, size_t n, void **values) {
    if (!m || !gomap__read_ok(m, "get_many")) {
        for (size_t i = 0; i < n; i++) values[i] = NULL;
        return 0;
    }
    switch (m->desc->key_class) {
    case KC_4: return get_class(m, keys, n, values, KC_4);
    case KC_8: return get_class(m, keys, n, values, KC_8);
    case KC_STR: return get_class(m, keys, n, values, KC_STR);
    default: return get_class(m, keys, n, values, m->desc->key_class);
    }
}

static void prepare_write(const struct gomap *m, const uint8_t *keys, size_t n, struct batch *b) {
    switch (m->desc->key_class) {
    case KC_4: prepare(m, keys, n, b, KC_4, TO_WRITE); break;
    case KC_8: prepare(m, keys, n, b, KC_8, TO_WRITE); break;
    case KC_STR: prepare(m, keys, n, b, KC_STR, TO_WRITE); break;
    default: prepare(m, keys, n, b, m->desc->key_class, TO_WRITE);
    }
}

/* One batch; returns the entries put. */
static size_t put_batch(struct gomap *m, const uint8_t *keys, const uint8_t *values, size_t n, gomap_err *err) {
    const size_t size = m->desc->val_size, stride = key_stride(m);
    struct batch b;
    bool plain = cached(m);
    if (!plain) prepare_write(m, keys, n, &b);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *v = values ? values + i * size : NULL;
        *err = plain                          ? gomap_put(m, keys + i * stride, v)
               : gomap__too_long(&b.key[i]) ? GOMAP_EINVAL
                                              : gomap__put_hashed(m, b.hash[i], &b.key[i], v);
        if (*err) return i;
    }
    return n;
}

gomap_err gomap_put_many(gomap *m, const void *keys, const void *values, size_t n, size_t *done) {
    gomap_err err = GOMAP_OK;
    size_t at = 0;
    if (!m) {
        gomap__misuse(m, "put_many to");
        return GOMAP_EMISUSE;
    }
    while (at < n && !err) {
        const uint8_t *v = values ? (const uint8_t *)values + at * m->desc->val_size : NULL;
        at += put_batch(m, (const uint8_t *)keys + at * key_stride(m), v, n - at < BATCH ? n - at : BATCH, &err);
    }
    if (done) *done = at;
    return err;
}

/* One batch.  A map that becomes empty on the way takes a new seed; the hashes that are left then find nothing in it. */
static size_t delete_batch(struct gomap *m, const uint8_t *keys, size_t n) {
    const size_t stride = key_stride(m);
    struct batch b;
    size_t gone = 0;
    bool plain = cached(m);
    if (!plain) prepare_write(m, keys, n, &b);
    for (size_t i = 0; i < n; i++)
        gone += plain ? gomap_delete(m, keys + i * stride)
                      : !gomap__too_long(&b.key[i]) && gomap__delete_hashed(m, b.hash[i], &b.key[i]);
    return gone;
}

size_t gomap_delete_many(gomap *m, const void *keys, size_t n) {
    size_t gone = 0;
    if (!m) {
        gomap__misuse(m, "delete_many from");
        return 0;
    }
    for (size_t at = 0; at < n; at += BATCH)
        gone += delete_batch(m, (const uint8_t *)keys + at * key_stride(m), n - at < BATCH ? n - at : BATCH);
    return gone;
}

/* ---- entries the caller does not name --------------------------------------------------------------------- */

static bool take_first(struct gomap *m, struct place *p, void *ctx) {
    (void)m;
    *(struct place *)ctx = *p;
    return false;
}

struct nth {
    uint64_t want, at;
    struct place found;
};

static bool is_nth(struct gomap *m, struct place *p, void *ctx) {
    struct nth *n = ctx;
    (void)m;
    if (n->at++ != n->want) return true;
    n->found = *p;
    return false;
}

static uint64_t below(uint64_t n) { return gomap__group_of(gomap__iter_seed(), n); }

/* A uniform entry of the table by rejection: a drawn place in a drawn quad, until one is occupied.  A quad has as many
 * places as any quad could need (60 and a chain), so every entry is equally likely. */
static bool draw(struct gomap *m, int tries, struct place *out) {
    struct geom g[2] = {gomap__hi(m), {0}};
    if (m->side && m->side->walk) g[1] = gomap__lo(m);
    uint64_t quads = gomap__quads(g[0].ng), lo_quads = g[1].meta ? gomap__quads(g[1].ng) : 0;
    uint64_t places =
        GOMAP_QUAD_SLOTS + (m->side && m->side->nodes ? m->side->chained < 128 ? m->side->chained : 128 : 0);
    for (int i = 0; m->mode && i < tries; i++) {
        uint64_t q = below(quads + lo_quads);
        bool lo = q >= quads;
        struct nth n = {.want = below(places)};
        if (lo) q -= quads;
        if (!gomap__quad_live(m, lo, q) || gomap__each_in_quad(m, &g[lo], q, is_nth, &n)) continue;
        *out = n.found;
        return true;
    }
    return false;
}

/* A user's hash that changed its mind names another quad: stay with the one the entry lies in. */
static void find_home(const struct gomap *m, struct place *p) {
    uint64_t home = gomap__group_of(gomap__pos(m->desc, gomap__hash_slot(m, p->slot)), p->g.ng);
    if (home / 4 == p->home / 4) p->home = home;
}

/* Any entry.  First by drawing, so that a map that is popped empty thins out evenly and can shrink; then the first at
 * or after a drawn position, round the table. */
static bool some_entry(struct gomap *m, struct place *p) {
    if (draw(m, 32, p)) {
        find_home(m, p);
        return true;
    }
    uint64_t pos = gomap__iter_seed(), seen = 0,
             quads = gomap__quads(m->ngroups) + (m->side ? gomap__quads(m->side->lo_ngroups) : 0);
    for (; m->mode && gomap__main_count(m) && seen <= quads + 2; seen++) {
        struct geom g = gomap__locate(m, pos);
        uint64_t q = gomap__group_of(pos, g.ng) / 4;
        uint64_t next = q + 1 < gomap__quads(g.ng) ? gomap__border(q * 4 + 4, g.ng) : 0;
        if (!gomap__each_in_quad(m, &g, q, take_first, p)) {
            find_home(m, p);
            return true;
        }
        if (pos < m->split && (next == 0 || next > m->split)) next = m->split;
        pos = next;
    }
    if (m->side && m->side->flood) {
        struct gomap_flood *f = m->side->flood;
        *p = (struct place){.slot = gomap__flood_slot(m->desc, f), .flood = f, .owner = m};
        return true;
    }
    return m->side && m->side->stash && some_entry(m->side->stash, p);
}

static void free_limbo(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    if (!s->limbo) return;
    s->pub.string_bytes -= (uint64_t)s->limbo_len + 1;
    gomap__cell_free(m, s->limbo, (size_t)s->limbo_len + 1, 1);
    s->limbo = NULL;
}

void gomap__free_limbo(struct gomap *m) {
    if (m->side) free_limbo(m);
}

/* Move a slot's contents to the caller. */
static void hand_over(struct gomap *m, struct place *p, void *key, void *value) {
    const struct gomap_desc *d = m->desc;
    struct gomap__side *s = gomap__side(m);
    gomap_str view;
    const void *k = gomap__slot_key(d, p->slot, &view);
    if (value && d->val_size) memcpy(value, gomap__slot_val(d, p->slot), d->val_size);
    if (key && d->key_size) memcpy(key, k, d->key_size);
    if ((d->flags & (GOMAP_F_STR | GOMAP_F_BORROWED)) == GOMAP_F_STR) {
        free_limbo(m);
        s->limbo = (char *)(uintptr_t)view.ptr, s->limbo_len = (uint32_t)view.len;
    } else if (d->flags & GOMAP_F_KEY_INDIRECT) {
        s->pub.cell_bytes -= d->key_size;
        gomap__cell_free(m, (void *)(uintptr_t)k, d->key_size, d->key_align);
    }
    if (d->flags & GOMAP_F_VAL_INDIRECT) {
        s->pub.cell_bytes -= d->val_size;
        gomap__cell_free(m, gomap__slot_val(d, p->slot), d->val_size, d->val_align);
    }
}

gomap_err gomap_pop_any(gomap *m, void *key, void *value) {
    struct place p;
    if (!gomap__write_begin(m, "pop_any")) return GOMAP_EMISUSE;
    bool found = m->count && some_entry(m, &p);
    if (found) {
        gomap__going(m, p.slot);
        hand_over(m, &p, key, value);
        gomap__unplace(m, &p);
    }
    gomap__write_end(m);
    gomap__checkpoint(m);
    return found ? GOMAP_OK : GOMAP_ENOENT;
}

/* Table, stash and flood list each by the share of the entries they hold. */
static uint8_t *random_slot(struct gomap *m) {
    uint64_t rank = below(m->count), in_table = gomap__main_count(m);
    struct place p;
    if (rank >= in_table) {
        struct gomap_flood *f = m->side->flood;
        if (!f) return random_slot(m->side->stash);
        while (rank-- > in_table) f = f->next;
        return gomap__flood_slot(m->desc, f);
    }
    if (draw(m, 4096, &p)) return p.slot;
    struct nth n = {.want = rank}; /* a nearly empty table, with which gomap__each begins */
    gomap__each(m, is_nth, &n);
    return n.found.slot;
}

gomap_err gomap_random(const gomap *cm, const void **key, void **value, gomap_str *scratch) {
    struct gomap *m = (struct gomap *)(uintptr_t)cm;
    if (!m || !gomap__read_ok(m, "random") || !m->count) return GOMAP_ENOENT;
    gomap_str local;
    uint8_t *slot = random_slot(m);
    if (m->desc->flags & GOMAP_F_STR && key && !scratch) return GOMAP_EINVAL;
    if (key) *key = gomap__slot_key(m->desc, slot, scratch ? scratch : &local);
    if (value) *value = gomap__slot_val(m->desc, slot);
    return GOMAP_OK;
}

/* ---- whole maps -------------------------------------------------------------------------------------------------- */

struct copying {
    struct gomap *to;
    gomap_err err;
};

static bool copy_one(struct gomap *m, struct place *p, void *ctx) {
    struct copying *c = ctx;
    const struct gomap_desc *d = m->desc;
    gomap_str view;
    const void *api = gomap__slot_key(d, p->slot, &view);
    struct key k =
        d->flags & GOMAP_F_STR ? (struct key){api, view.ptr, view.len} : (struct key){api, api, d->key_size};
    uint8_t *slot;
    c->err = gomap__add(c->to, gomap__hash_key(c->to, &k), &k, gomap__slot_val(d, p->slot), &slot);
    return c->err == GOMAP_OK;
}

gomap_err gomap_clone(const gomap *cm, gomap **out) {
    struct gomap *m = (struct gomap *)(uintptr_t)cm;
    *out = NULL;
    if (!m) {
        gomap__misuse(m, "clone of");
        return GOMAP_EMISUSE;
    }
    if (!gomap__read_ok(m, "clone")) return GOMAP_EMISUSE;
    struct copying c = {NULL, gomap__new_like(m, &c.to)};
    if (c.err) return c.err;
    if (m->count) c.err = gomap_reserve(c.to, m->count);
    if (!c.err) gomap__each(m, copy_one, &c);
    if (c.err) {
        gomap_free(c.to);
        return c.err;
    }
    if (c.to->side) gomap__side(c.to)->reserve_floor = 0;
    gomap__set_limits(c.to);
    *out = c.to;
    return GOMAP_OK;
}

bool gomap_equal(const gomap *a, const gomap *b, int (*value_eq)(const void *, const void *, void *),
                 void *ctx) {
    if (gomap_len(a) != gomap_len(b)) return false;
    if (!a || !b || a == b || !a->count) return true;
    const struct gomap_desc *x = a->desc, *y = b->desc;
    if (x->key_size != y->key_size || x->val_size != y->val_size || (x->flags ^ y->flags) & GOMAP_F_STR)
        return false;
    gomap_iter it;
    for (gomap_iter_init(&it, a); gomap_iter_next(&it);) {
        void *v = gomap_get(b, it.key);
        if (!v || (value_eq ? !value_eq(it.value, v, ctx) : x->val_size && memcmp(it.value, v, x->val_size)))
            return false;
    }
    return true;
}

/* ---- idle work --------------------------------------------------------------------------------------------------- */

struct budget {
    uint64_t until;
    bool left;
};

static bool work_on(struct gomap *m, void *ctx) {
    struct budget *b = ctx;
    if (!gomap__write_begin(m, "work")) return true;
    bool more;
    do
        more = gomap__idle_work(m);
    while (more && gomap__now_ns() < b->until);
    b->left |= more;
    gomap__write_end(m);
    return gomap__now_ns() < b->until;
}

bool gomap_work(gomap *m, uint64_t budget_ns) {
    struct budget b = {gomap__now_ns() + budget_ns, false};
    if (b.until < budget_ns) b.until = UINT64_MAX;
    if (m)
        work_on(m, &b);
    else
        gomap__for_each_map(work_on, &b);
    return b.left;
}
