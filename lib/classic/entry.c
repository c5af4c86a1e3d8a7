/* lib/classic/entry.c - one entry: look up, assign, delete.
 *
 * A tophash byte is both a filter and the state of its slot.  Its life:
 *
 *   emptyRest(0) --insert--> 5..255 --delete--> emptyOne(1) --nothing behind it--> emptyRest
 *                               |                   '--insert--> 5..255
 *                               '--evacuation--> evacuatedX(2), evacuatedY(3); an empty
 *                                   slot: evacuatedEmpty(4)
 *
 * emptyRest ends a search early, so a delete turns the run of emptyOne that it completes back into emptyRest,
 * across bucket borders.  Overflow buckets stay linked for the array's life, and an insert takes the first
 * empty slot of the chain.
 *
 * The four paths are Go's: the compiler sends maps of plain 4-byte, 8-byte and string keys to code of their
 * own.  Their lookups differ: integers are compared before tophash is looked at and never stop at emptyRest;
 * in a map of one bucket nothing is hashed, and strings are told apart by length, then by a few bytes.  Where
 * entries come to lie does not differ.
 *
 * Order of a write, as in Go: hash (the user's function may look at the map), then the mark, then evacuation,
 * then the search.  Everything that can fail for want of memory happens before the first byte of the entry is
 * written.
 */
#include "classic_internal.h"

#define INLINE static inline __attribute__((always_inline))

struct spot {
    uint8_t *b; /* NULL: no room in the chain */
    unsigned i;
    uint8_t *last; /* bucket of the chain */
};

INLINE bool same_string(const gomap_str *a, const gomap_str *b) {
    return a->len == b->len && (a->ptr == b->ptr || !a->len || !memcmp(a->ptr, b->ptr, a->len));
}

INLINE bool key_matches(const struct classic *m, unsigned path, const uint8_t *b, unsigned i,
                        const void *key) {
    const struct gomap_classic_desc *d = m->pub.desc;
    if (path == GOMAP_CLASSIC_PATH_FAST32) return !memcmp(key_slot(d, b, i), key, 4);
    if (path == GOMAP_CLASSIC_PATH_FAST64) return !memcmp(key_slot(d, b, i), key, 8);
    if (path == GOMAP_CLASSIC_PATH_FASTSTR)
        return same_string((const gomap_str *)(const void *)key_slot(d, b, i), key);
    return gomap__classic_eq(m, key, key_of(d, b, i));
}

/* Find key in a chain: true, and where; or false, and the first free slot. */
INLINE bool search(const struct classic *m, unsigned path, uint8_t *b, uint8_t top, const void *key,
                   struct spot *at) {
    const struct gomap_classic_desc *d = m->pub.desc;
    bool ints = path == GOMAP_CLASSIC_PATH_FAST32 || path == GOMAP_CLASSIC_PATH_FAST64;
    at->b = NULL, at->i = 0;
    for (;;) {
        for (unsigned i = 0; i < SLOTS; i++) {
            uint8_t have = b[i];
            if (is_empty(have)) {
                if (!at->b) at->b = b, at->i = i;
                if (have == GOMAP_TOP_EMPTY_REST) return false;
            } else if ((ints || have == top) && key_matches(m, path, b, i, key)) {
                at->b = b, at->i = i;
                return true;
            }
        }
        at->last = b;
        b = *overflow_of(d, b);
        if (!b) return false;
    }
}

static bool search_by_path(const struct classic *m, uint8_t *b, uint8_t top, const void *key,
                           struct spot *at) {
    switch (m->pub.desc->path) {
    case GOMAP_CLASSIC_PATH_FAST32: return search(m, GOMAP_CLASSIC_PATH_FAST32, b, top, key, at);
    case GOMAP_CLASSIC_PATH_FAST64: return search(m, GOMAP_CLASSIC_PATH_FAST64, b, top, key, at);
    case GOMAP_CLASSIC_PATH_FASTSTR: return search(m, GOMAP_CLASSIC_PATH_FASTSTR, b, top, key, at);
    default: return search(m, GOMAP_CLASSIC_PATH_GENERIC, b, top, key, at);
    }
}

/* ---- look up ------------------------------------------------------------------------------------------- */

static bool may_read(const struct classic *m, const char *op) {
    if (GOMAP__UNLIKELY(!gomap__classic_alive(m, op))) return false;
    if (GOMAP__UNLIKELY(is_writing(m))) return gomap__classic_misuse(m, "concurrent map read and map write");
    return true;
}

/* The generic lookup, which iteration uses too: no check, key and elem as stored. */
bool gomap__classic_lookup(const struct classic *m, const void *key, uint8_t **stored_key, uint8_t **elem) {
    const struct gomap_classic_desc *d = m->pub.desc;
    struct spot at;
    if (!m->pub.h.count) return false;
    uint64_t hash = gomap__classic_hash(m, key);
    uint8_t *b = chain_of(m, hash);
    if (!search(m, GOMAP_CLASSIC_PATH_GENERIC, b, tophash(hash), key, &at)) return false;
    *stored_key = key_of(d, at.b, at.i);
    *elem = elem_of(d, at.b, at.i);
    return true;
}

/* Go's lookup of 4 and 8 byte keys: key first, then "not empty"; no tophash, no early end. */
INLINE void *get_int(const struct classic *m, const void *key, size_t size) {
    const struct gomap_classic_desc *d = m->pub.desc;
    uint8_t *b = m->pub.h.buckets;
    if (m->pub.h.B) b = chain_of(m, gomap__classic_hash(m, key));
    for (; b; b = *overflow_of(d, b))
        for (unsigned i = 0; i < SLOTS; i++)
            if (!memcmp(key_slot(d, b, i), key, size) && !is_empty(b[i])) return elem_slot(d, b, i);
    return NULL;
}

/* A map of one bucket.  Short keys are compared one by one; of long ones first the ends, and *hash asks for
 * the usual way when two look alike. */
static void *get_str_small(const struct classic *m, const gomap_str *key, bool *hash) {
    enum { SHORT = 32, END = 4 };
    const struct gomap_classic_desc *d = m->pub.desc;
    const uint8_t *b = m->pub.h.buckets;
    unsigned maybe = SLOTS;
    for (unsigned i = 0; i < SLOTS; i++) {
        const gomap_str *k = (const gomap_str *)(const void *)key_slot(d, b, i);
        if (b[i] == GOMAP_TOP_EMPTY_REST) break;
        if (is_empty(b[i]) || k->len != key->len) continue;
        if (k->ptr == key->ptr) return elem_slot(d, b, i);
        if (key->len < SHORT) {
            if (!key->len || !memcmp(k->ptr, key->ptr, key->len)) return elem_slot(d, b, i);
            continue;
        }
        if (memcmp(k->ptr, key->ptr, END) != 0 ||
            memcmp(k->ptr + k->len - END, key->ptr + key->len - END, END) != 0)
            continue;
        if (maybe != SLOTS) {
            *hash = true;
            return NULL;
        }
        maybe = i;
    }
    if (maybe == SLOTS) return NULL;
    const gomap_str *k = (const gomap_str *)(const void *)key_slot(d, b, maybe);
    return memcmp(k->ptr, key->ptr, key->len) != 0 ? NULL : elem_slot(d, b, maybe);
}

static void *get_str(const struct classic *m, const gomap_str *key) {
    const struct gomap_classic_desc *d = m->pub.desc;
    bool by_hash = m->pub.h.B != 0;
    if (!by_hash) {
        void *elem = get_str_small(m, key, &by_hash);
        if (!by_hash) return elem;
    }
    uint64_t hash = gomap__classic_hash(m, key);
    uint8_t top = tophash(hash);
    for (uint8_t *b = chain_of(m, hash); b; b = *overflow_of(d, b))
        for (unsigned i = 0; i < SLOTS; i++) {
            const gomap_str *k = (const gomap_str *)(const void *)key_slot(d, b, i);
            if (k->len == key->len && b[i] == top && same_string(k, key)) return elem_slot(d, b, i);
        }
    return NULL;
}

static void *get(const struct classic *m, const void *key) {
    uint8_t *stored_key, *elem;
    switch (m->pub.desc->path) {
    case GOMAP_CLASSIC_PATH_FAST32: return get_int(m, key, 4);
    case GOMAP_CLASSIC_PATH_FAST64: return get_int(m, key, 8);
    case GOMAP_CLASSIC_PATH_FASTSTR: return get_str(m, key);
    default: return gomap__classic_lookup(m, key, &stored_key, &elem) ? elem : NULL;
    }
}

/* An empty map is not hashed for, unless the hash has something to say of its own (Go: a panic). */
static bool nothing_there(const struct classic *m, const void *key) {
    if (m->pub.h.count) return false;
    if (m->pub.desc->flags & GOMAP_CF_HASH_FIRST) (void)gomap__classic_hash(m, key);
    return true;
}

void *gomap_classic_get(const gomap_classic *map, const void *key) {
    const struct classic *m = classic(map);
    if (!m || !gomap__classic_alive(m, "get") || nothing_there(m, key) || !may_read(m, "get")) return NULL;
    return get(m, key);
}

bool gomap_classic_find(const gomap_classic *map, const void *key, const void **stored_key, void **elem) {
    const struct classic *m = classic(map);
    uint8_t *k, *e;
    if (!m || !gomap__classic_alive(m, "find") || nothing_there(m, key) || !may_read(m, "find")) return false;
    if (!gomap__classic_lookup(m, key, &k, &e)) return false;
    if (stored_key) *stored_key = k;
    if (elem) *elem = e;
    return true;
}

static const struct classic *of_path(const gomap_classic *map, unsigned path) {
    const struct classic *m = classic(map);
    if (!m || !gomap__classic_alive(m, "get") || !m->pub.h.count) return NULL;
    if (m->pub.desc->path != path) return gomap__classic_misuse(m, "a fast lookup of another path"), NULL;
    return may_read(m, "get") ? m : NULL;
}

void *gomap_classic_get32(const gomap_classic *map, uint32_t key) {
    const struct classic *m = of_path(map, GOMAP_CLASSIC_PATH_FAST32);
    return m ? get_int(m, &key, 4) : NULL;
}

void *gomap_classic_get64(const gomap_classic *map, uint64_t key) {
    const struct classic *m = of_path(map, GOMAP_CLASSIC_PATH_FAST64);
    return m ? get_int(m, &key, 8) : NULL;
}

void *gomap_classic_get_str(const gomap_classic *map, const char *ptr, size_t len) {
    const struct classic *m = of_path(map, GOMAP_CLASSIC_PATH_FASTSTR);
    gomap_str key = {ptr, len};
    return m ? get_str(m, &key) : NULL;
}

/* ---- assign -------------------------------------------------------------------------------------------- */

static bool may_write(struct classic *m, const char *op) {
    if (GOMAP__UNLIKELY(!gomap__classic_alive(m, op))) return false;
    if (GOMAP__UNLIKELY(is_writing(m))) return gomap__classic_misuse(m, "concurrent map writes");
    return true;
}

static bool must_grow(const struct classic *m) {
    const struct gomap_hmap *h = &m->pub.h;
    return !is_growing(m) &&
           (gomap__overload((uint64_t)h->count + 1, h->B) || gomap__too_many_overflows(h->noverflow, h->B));
}

static void update_key(struct classic *m, const struct spot *at, const void *key) {
    const struct gomap_classic_desc *d = m->pub.desc;
    if (!(d->flags & GOMAP_CF_KEY_UPDATE)) return;
    memcpy(key_of(d, at->b, at->i), key, d->key_size);
    stored_key(m);
}

/* Cells for a key and an elem above 128 bytes. */
static bool make_cells(struct classic *m, uint8_t **key, uint8_t **elem) {
    const struct gomap_classic_desc *d = m->pub.desc;
    *key = *elem = NULL;
    if (d->flags & GOMAP_CF_KEY_INDIRECT && !(*key = gomap__cell_make(m, d->key_size))) return false;
    if (d->flags & GOMAP_CF_ELEM_INDIRECT && !(*elem = gomap__cell_make(m, d->elem_size))) {
        gomap__cell_drop(m, *key);
        return false;
    }
    return true;
}

/* A new entry, at the free slot or in a new overflow bucket. */
static bool insert(struct classic *m, struct spot *at, uint8_t top, const void *key) {
    const struct gomap_classic_desc *d = m->pub.desc;
    uint8_t *key_cell, *elem_cell;
    if (!make_cells(m, &key_cell, &elem_cell)) return false;
    if (!at->b) {
        if (!gomap__overflow_secure(m, 1)) {
            gomap__cell_drop(m, key_cell);
            gomap__cell_drop(m, elem_cell);
            return false;
        }
        seq_begin(m);
        at->b = gomap__overflow_link(m, at->last);
        at->i = 0;
        gomap__publish(m);
        seq_end(m);
    }
    uint8_t *slot = key_slot(d, at->b, at->i);
    if (key_cell) *(uint8_t **)(void *)slot = key_cell;
    if (elem_cell) *(uint8_t **)(void *)elem_slot(d, at->b, at->i) = elem_cell;
    if (elem_cell) stored_elem(m);
    memcpy(key_cell ? key_cell : slot, key, d->key_size);
    stored_key(m);
    at->b[at->i] = top;
    set_count(m, m->pub.h.count + 1);
    return true;
}

static bool first_bucket(struct classic *m) {
    struct array *a = gomap__array_make(m, 0);
    if (!a) return false;
    seq_begin(m);
    gomap__array_start(m, a, 0);
    gomap__publish(m);
    seq_end(m);
    return true;
}

/* Find key or make it; the write mark is set. */
static gomap_err find_or_insert(struct classic *m, uint64_t hash, const void *key, struct spot *at,
                                bool *is_new) {
    uint8_t inline_key[INDIRECT_ABOVE], top = tophash(hash);
    bool grown = false;
    if (!m->pub.h.buckets && !first_bucket(m)) return GOMAP_ENOMEM;
    if ((is_growing(m) || must_grow(m)) &&
        m->pub.desc->key_size <= INDIRECT_ABOVE) /* it may lie in what moves */
        key = m->pub.desc->key_size ? memcpy(inline_key, key, m->pub.desc->key_size) : inline_key;
    for (;;) {
        bool moved = !is_growing(m) || gomap__grow_work(m, hash & bucket_mask(m->pub.h.B));
        *is_new = !search_by_path(m, chain_of(m, hash), top, key, at);
        if (!*is_new) {
            update_key(m, at, key);
            return GOMAP_OK;
        }
        if (!moved) return GOMAP_ENOMEM;
        if (grown || !must_grow(m)) break;
        grown = true;
        if (!gomap__hash_grow(m)) break; /* no memory for it: there may be room as it is */
    }
    return insert(m, at, top, key) ? GOMAP_OK : GOMAP_ENOMEM;
}

gomap_err gomap__classic_assign(struct classic *m, const void *key, uint8_t **elem, bool *is_new) {
    struct spot at;
    uint64_t hash = gomap__classic_hash(m, key);
    write_mark(m);
    gomap_err err = find_or_insert(m, hash, key, &at, is_new);
    if (!err) *elem = elem_of(m->pub.desc, at.b, at.i);
    if (GOMAP__UNLIKELY(m->hooks.assign != NULL) && !err)
        m->hooks.assign(&m->pub, key_of(m->pub.desc, at.b, at.i), *elem, *is_new, m->hooks.ctx);
    return write_done(m) ? err : GOMAP_EMISUSE;
}

gomap_err gomap_classic_assign(gomap_classic *map, const void *key, void **elem, bool *is_new) {
    struct classic *m = classic(map);
    uint8_t *e = NULL;
    bool made = false;
    if (!m) return gomap__classic_misuse(NULL, "assignment to entry in nil map"), GOMAP_EMISUSE;
    if (!may_write(m, "assign")) return GOMAP_EMISUSE;
    gomap_err err = gomap__classic_assign(m, key, &e, &made);
    if (!err) *elem = e;
    if (is_new) *is_new = !err && made;
    return err;
}

gomap_err gomap_classic_put(gomap_classic *map, const void *key, const void *elem) {
    struct classic *m = classic(map);
    uint8_t copy[INDIRECT_ABOVE];
    void *slot;
    if (m && !gomap__classic_alive(m, "put")) return GOMAP_EMISUSE;
    size_t size = m ? m->pub.desc->elem_size : 0;
    if (elem && size && size <= INDIRECT_ABOVE)
        elem = memcpy(copy, elem, size); /* it may lie in what moves */
    gomap_err err = gomap_classic_assign(map, key, &slot, NULL);
    if (err || !size) return err;
    if (elem)
        memmove(slot, elem, size);
    else
        memset(slot, 0, size);
    return GOMAP_OK;
}

/* ---- delete -------------------------------------------------------------------------------------------- */

static void wipe_key(struct classic *m, const struct spot *at) {
    const struct gomap_classic_desc *d = m->pub.desc;
    uint8_t *slot = key_slot(d, at->b, at->i);
    if (d->flags & GOMAP_CF_KEY_INDIRECT) {
        gomap__cell_drop(m, *(uint8_t **)(void *)slot);
        *(uint8_t **)(void *)slot = NULL;
    } else if (d->path == GOMAP_CLASSIC_PATH_FASTSTR) {
        ((gomap_str *)(void *)slot)->ptr = NULL; /* its length stays, as in Go */
    } else if (d->flags & GOMAP_CF_KEY_POINTERS) {
        memset(slot, 0, d->key_slot);
    } else {
        return; /* without pointers the bytes stay */
    }
    stored_key(m);
}

static void wipe_elem(struct classic *m, const struct spot *at) {
    const struct gomap_classic_desc *d = m->pub.desc;
    uint8_t *slot = elem_slot(d, at->b, at->i);
    if (d->flags & GOMAP_CF_ELEM_INDIRECT) gomap__cell_drop(m, *(uint8_t **)(void *)slot);
    memset(slot, 0, d->elem_slot); /* always: an assign may rely on zeros */
    stored_elem(m);
}

/* The slot behind this one is empty to the end, or there is none. */
static bool nothing_behind(const struct gomap_classic_desc *d, const uint8_t *b, unsigned i) {
    if (i < SLOTS - 1) return b[i + 1] == GOMAP_TOP_EMPTY_REST;
    const uint8_t *next = *overflow_of(d, b);
    return !next || next[0] == GOMAP_TOP_EMPTY_REST;
}

/* Turn the run of emptyOne that ends here into emptyRest, from the back. */
static void spread_rest(const struct gomap_classic_desc *d, uint8_t *head, uint8_t *b, unsigned i) {
    do {
        b[i] = GOMAP_TOP_EMPTY_REST;
        if (i) {
            i--;
            continue;
        }
        if (b == head) return;
        uint8_t *before = head;
        while (*overflow_of(d, before) != b) before = *overflow_of(d, before);
        b = before;
        i = SLOTS - 1;
    } while (b[i] == GOMAP_TOP_EMPTY_ONE);
}

static bool delete_at(struct classic *m, uint64_t hash, const void *key) {
    const struct gomap_classic_desc *d = m->pub.desc;
    struct spot at;
    uint8_t inline_key[INDIRECT_ABOVE];
    if (is_growing(m)) {
        if (d->key_size && d->key_size <= INDIRECT_ABOVE) key = memcpy(inline_key, key, d->key_size);
        (void)gomap__grow_work(
            m, hash & bucket_mask(m->pub.h.B)); /* without memory the entry goes from the old chain */
    }
    uint8_t *head = chain_of(m, hash);
    if (!search_by_path(m, head, tophash(hash), key, &at)) return false;
    if (GOMAP__UNLIKELY(m->hooks.erase != NULL))
        m->hooks.erase(&m->pub, key_of(d, at.b, at.i), elem_of(d, at.b, at.i), m->hooks.ctx);
    wipe_key(m, &at);
    wipe_elem(m, &at);
    at.b[at.i] = GOMAP_TOP_EMPTY_ONE;
    if (nothing_behind(d, at.b, at.i)) spread_rest(d, head, at.b, at.i);
    set_count(m, m->pub.h.count - 1);
    if (!m->pub.h.count) { /* who learnt which keys collide learnt it in vain */
        m->pub.h.hash0 = (uint32_t)gomap__classic_random(m);
        m->pub.counters.reseeds++;
    }
    return true;
}

bool gomap_classic_delete(gomap_classic *map, const void *key) {
    struct classic *m = classic(map);
    if (!m || !gomap__classic_alive(m, "delete") || nothing_there(m, key) || !may_write(m, "delete"))
        return false;
    uint64_t hash = gomap__classic_hash(m, key);
    write_mark(m);
    bool deleted = delete_at(m, hash, key);
    return write_done(m) && deleted;
}
