/* lib/typed.c - the slow halves of typed.h: what its inlined code calls when the fast path ends. */
#include "gomap/typed.h"
#include "internal.h"

static struct key int_key(const struct gomap *m, const void *key) {
    return (struct key){key, key, m->desc->key_size};
}

enum found { ABSENT, PRESENT, UNDECIDED };

static inline __attribute__((always_inline)) enum found in_group(const uint8_t *meta, uint8_t *slots,
                                                                 size_t size, uint64_t hash, const void *key,
                                                                 size_t key_size, uint8_t **slot) {
    for (unsigned hits = gomap__match(meta, hash); hits; hits &= hits - 1) {
        *slot = slots + (unsigned)__builtin_ctz(hits) * size;
        if (GOMAP__LIKELY(!memcmp(*slot, key, key_size))) return PRESENT;
    }
    return ABSENT;
}

/* A lookup that inlined code gave up: its home group has overflowed.  Chains are left to gomap__get_slot. */
static inline __attribute__((always_inline)) enum found
in_siblings(const struct gomap *m, uint64_t hash, const void *key, size_t key_size, uint8_t **slot) {
    const size_t size = m->desc->slot_size, group = GOMAP_GROUP_SLOTS * size;
    const struct geom g = gomap__locate(m, hash);
    const uint64_t home = gomap__group_of(hash, g.ng), quad = home / 4;
    for (unsigned i = 1; i < 4; i++) { /* groups that do not exist have no tophash bytes */
        uint64_t at = quad * 4 + ((home + i) & 3);
        if (in_group(g.meta + at * 16, g.slots + at * group, size, hash, key, key_size, slot)) return PRESENT;
    }
    return g.links && g.links[quad] ? UNDECIDED : ABSENT;
}

void *gomap__typed_find(const struct gomap *m, uint64_t hash, const void *key) {
    struct key k = int_key(m, key);
    uint8_t *slot = NULL;
    enum found f = k.n == 8   ? in_siblings(m, hash, key, 8, &slot)
                   : k.n == 4 ? in_siblings(m, hash, key, 4, &slot)
                              : UNDECIDED;
    if (GOMAP__UNLIKELY(f == UNDECIDED)) slot = gomap__get_slot(m, hash, &k);
    if (f == ABSENT) slot = NULL;
    return slot ? slot + m->desc->val_off : NULL;
}

/* The emptiest group of a quad, the first of several; `empty` has a bit for each slot, as gomap__quad_full. */
static inline unsigned emptiest(uint64_t empty) {
    uint64_t n = empty; /* four counts, side by side */
    n -= n >> 1 & UINT64_C(0x5555555555555555);
    n = (n & UINT64_C(0x3333333333333333)) + (n >> 2 & UINT64_C(0x3333333333333333));
    n = (n + (n >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    n = (n + (n >> 8)) & UINT64_C(0x001f001f001f001f);
    unsigned best = 0;
    for (unsigned g = 1; g < 4; g++)
        if ((n >> g * 16 & 0x1f) > (n >> best * 16 & 0x1f)) best = g;
    return best;
}

/* The usual reason why an insert is not done inline: its home group is full, or has been.  Finds the key or a place for
 * it in the quad, as gomap__find and gomap__place would; NULL: it takes them. */
static inline __attribute__((always_inline)) uint8_t *in_quad(struct gomap *m, uint64_t hash, const void *key,
                                                              size_t key_size, bool *is_new) {
    if (hash < m->split || m->count >= m->limit || m->mode < GOMAP_MODE_BLOCK || m->ngroups < 4) return NULL;
    uint64_t home = gomap__group_of(hash, m->ngroups), quad = home / 4;
    uint8_t *line = m->meta + quad * 64, *at_home = m->meta + home * 16, tag = gomap__tag(hash);
    const size_t size = m->desc->slot_size;
    uint8_t *slots = m->slots + quad * GOMAP_QUAD_SLOTS * size;
    if (m->links[quad]) return NULL;
    *is_new = false;
    for (unsigned g = 0; g < 4;
         g++) /* the home group too, although typed.h has seen it: a branch costs more */
        for (unsigned hits = gomap__match(line + g * 16, hash); hits; hits &= hits - 1) {
            uint8_t *slot = slots + (g * GOMAP_GROUP_SLOTS + (unsigned)__builtin_ctz(hits)) * size;
            if (!memcmp(slot, key, key_size)) return slot;
        }
    uint64_t empty = ~gomap__quad_full(line, 4) & UINT64_C(0x7fff7fff7fff7fff);
    if (!empty) return NULL;
    unsigned best = gomap__match_empty(at_home) ? (unsigned)(home & 3) : emptiest(empty);
    unsigned i = (unsigned)__builtin_ctzll(empty >> best * 16);
    if (best != (home & 3)) at_home[15] |= (uint8_t)(1u << (tag >> 5));
    line[best * 16 + i] = tag;
    gomap__set_count(m, m->count + 1);
    *is_new = true;
    return slots + (best * GOMAP_GROUP_SLOTS + i) * size;
}

/* NULL: out of memory, or misuse. */
void *gomap__typed_insert(struct gomap *m, uint64_t hash, const void *key, bool *is_new) {
    if (!gomap__write_quick(m)) return gomap__typed_insert_checked(m, key, is_new);
    struct key k = int_key(m, key);
    bool fresh;
    gomap_err err = GOMAP_OK;
    uint8_t *slot = k.n == 8   ? in_quad(m, hash, key, 8, &fresh)
                    : k.n == 4 ? in_quad(m, hash, key, 4, &fresh)
                               : in_quad(m, hash, key, k.n, &fresh);
    if (!slot) {
        slot = m->count ? gomap__get_slot(m, hash, &k) : NULL;
        fresh = !slot;
        if (fresh) slot = gomap__place(m, &hash, &k, &err);
    }
    if (slot && fresh) {
        gomap__wipe(slot, m->desc->slot_size);
        k.n == 8 ? memcpy(slot, key, 8) : memcpy(slot, key, k.n);
    }
    if (is_new) *is_new = fresh;
    gomap__write_done(m);
    gomap__checkpoint(m);
    return slot ? slot + m->desc->val_off : NULL;
}

bool gomap__typed_delete(struct gomap *m, uint64_t hash, const void *key) {
    if (!gomap__write_quick(m)) return gomap_delete(m, key);
    struct key k = int_key(m, key);
    struct place p;
    bool found = m->count && gomap__find(m, hash, &k, &p);
    if (found) gomap__unplace(m, &p); /* typed maps have nothing to destroy */
    gomap__write_done(m);
    gomap__checkpoint(m);
    return found;
}

/* An insert, hashing inside the checks. */
void *gomap__typed_insert_checked(struct gomap *m, const void *key, bool *is_new) {
    void *value = NULL;
    return gomap_get_or_insert(m, key, &value, is_new) ? NULL : value;
}

/* Refuses a map whose slots typed code would misread: another layout, another size. */
gomap_err gomap__typed_new(const gomap_config *c, int layout, size_t slot_size, size_t val_off, gomap **out) {
    *out = NULL;
    bool callbacks =
        c->key_copy || c->value_copy || c->key_destroy || c->value_destroy; /* inlined code calls none */
    if (layout != GOMAP_LAYOUT || callbacks) return GOMAP_EINVAL;
    gomap_err err = gomap_new(c, out);
    if (err) return err;
    const struct gomap_desc *d = (*out)->desc;
    if (d->slot_size == slot_size && d->val_off == val_off && !(d->flags & GOMAP_F_HASH32)) return GOMAP_OK;
    gomap_free(*out);
    *out = NULL;
    return GOMAP_EINVAL;
}

/* True if the map may be read after all (the writer it seemed to have is gone). */
bool gomap__typed_misuse(const struct gomap *m, const char *op) {
    if (m) return gomap__read_ok_slow(m, op);
    gomap__misuse(m, op);
    return false;
}
