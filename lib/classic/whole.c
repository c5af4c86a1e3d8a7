/* lib/classic/whole.c - making, freeing, clearing and cloning maps; names; misuse.
 *
 * Misuse ends in gomap's fatal hook, in Go's words with the map's name behind them.  Go cannot be stopped
 * from dying then; here the hook may return, and the call does nothing.
 */
#include "classic_internal.h"

/* ---- misuse -------------------------------------------------------------------------------------------- */

bool gomap__classic_misuse(const struct classic *m, const char *what) {
    char name[160] = "";
    if (!m) {
        gomap__fatal("gomap: %s", what);
        return false;
    }
    gomap_classic_describe(&m->pub, name, sizeof name);
    gomap__event_of(m->pub.id, GOMAP_EV_MISUSE, 0, 0);
    gomap__fatal("gomap: %s: map %s", what, name);
    return false;
}

bool gomap__classic_dead(const struct classic *m, const char *op) {
    gomap__fatal("gomap: %s: %p is not a live classic map (used after gomap_classic_free, or freed twice)",
                 op, (const void *)m);
    return false;
}

/* ---- making and freeing -------------------------------------------------------------------------------- */

static gomap_err take_name(struct classic *m, const char *name) {
    char *own = NULL;
    if (name) {
        own = gomap__alloc(gomap__classic_alloc(m), strlen(name) + 1, 1);
        if (!own) return GOMAP_ENOMEM;
        strcpy(own, name);
    }
    char *was = m->name_own;
    if (gomap__observed()) gomap__samples_lock();
    __atomic_store_n(&m->pub.name, own, __ATOMIC_RELEASE);
    m->name_own = own;
    if (gomap__observed()) gomap__samples_unlock();
    if (was) gomap__dealloc(gomap__classic_alloc(m), was, strlen(was) + 1, 1);
    return GOMAP_OK;
}

static void discard(struct classic *m) {
    gomap_alloc copy = m->alloc, *alloc = copy.alloc ? &copy : NULL;
    gomap__arrays_free(m);
    if (m->name_own) gomap__dealloc(alloc, m->name_own, strlen(m->name_own) + 1, 1);
    pthread_mutex_destroy(&m->lock);
    memset(m, 0, sizeof *m);
    gomap__dealloc(alloc, m, sizeof *m, 64);
}

/* A header without buckets, of a type; not registered. */
static struct classic *make(const struct gomap_classic_desc *d, const gomap_alloc *alloc) {
    struct classic *m = gomap__alloc(alloc, sizeof *m, 64);
    if (!m) return NULL;
    if (alloc) m->alloc = *alloc;
    pthread_mutex_init(&m->lock, NULL);
    m->pub.desc = d;
    m->pub.size = sizeof *m;
    m->pub.cookie = GOMAP_COOKIE_CLASSIC;
    m->pub.created_ns = gomap__now_ns();
    return m;
}

/* B and array for a hint, as Go's make. */
static bool make_room(struct classic *m, int64_t hint) {
    if (hint < 0 || (uint64_t)hint > (UINT64_C(1) << 48) / m->pub.desc->bucket_size) hint = 0;
    unsigned b = gomap_classic_hint_b((uint64_t)hint);
    if (!b) return true; /* the first insert makes the bucket */
    struct array *a = gomap__array_make(m, b);
    if (!a) return false;
    m->pub.h.B = (uint8_t)b;
    gomap__array_start(m, a, b);
    gomap__publish(m);
    return true;
}

gomap_err gomap_classic_new(const gomap_classic_config *c, gomap_classic **out) {
    const struct gomap_classic_desc *d;
    if (!out) return GOMAP_EINVAL;
    *out = NULL;
    gomap__world_init();
    gomap_err err = gomap__classic_describe(c, &d);
    if (err) return err;
    if (!gomap__classic_hash_init()) return GOMAP_ENOMEM;
    struct classic *m = make(d, c->alloc);
    if (!m) return GOMAP_ENOMEM;
    m->hooks = c->hooks;
    m->random = c->random;
    m->ctx = c->ctx;
    m->pub.h.hash0 = (uint32_t)gomap__classic_random(m);
    if (!make_room(m, c->hint) || take_name(m, c->name) ||
        !gomap__register_as(&m->pub, &m->pub.id, GOMAP_KIND_CLASSIC)) {
        discard(m);
        return GOMAP_ENOMEM;
    }
    gomap__event_of(m->pub.id, GOMAP_EV_NEW, d->bucket_size, (uint64_t)c->hint);
    repiled(m);
    *out = &m->pub;
    return GOMAP_OK;
}

static void free_cells(struct classic *m, uint8_t *b) {
    const struct gomap_classic_desc *d = m->pub.desc;
    for (; b; b = *overflow_of(d, b))
        for (unsigned i = 0; i < SLOTS; i++) {
            if (b[i] < GOMAP_TOP_MIN) continue; /* empty; or evacuated: the cell belongs to the new slot */
            if (d->flags & GOMAP_CF_KEY_INDIRECT) gomap__cell_drop(m, *(uint8_t **)(void *)key_slot(d, b, i));
            if (d->flags & GOMAP_CF_ELEM_INDIRECT)
                gomap__cell_drop(m, *(uint8_t **)(void *)elem_slot(d, b, i));
        }
}

static void free_all_cells(struct classic *m) {
    const struct gomap_classic_desc *d = m->pub.desc;
    if (!(d->flags & (GOMAP_CF_KEY_INDIRECT | GOMAP_CF_ELEM_INDIRECT)) || !m->cur) return;
    for (uint64_t i = 0; i <= bucket_mask(m->pub.h.B); i++) free_cells(m, bucket_at(d, m->cur->buckets, i));
    for (uint64_t i = 0; m->old && i < old_buckets(m); i++) {
        uint8_t *b = bucket_at(d, m->old->buckets, i);
        if (!is_evacuated(b)) free_cells(m, b);
    }
}

void gomap_classic_free(gomap_classic *map) {
    struct classic *m = classic(map);
    if (!m || !gomap__classic_alive(m, "free")) return;
    if (is_writing(m)) {
        gomap__classic_misuse(m, "concurrent map writes");
        return;
    }
    gomap__event_of(m->pub.id, GOMAP_EV_FREE, (uint64_t)m->pub.h.count, (uintptr_t)m);
    gomap__unpiled(m->pub.id);
    gomap__unregister(m->pub.id);
    __atomic_store_n(&m->pub.cookie, 0, __ATOMIC_RELEASE);
    free_all_cells(m);
    discard(m);
}

size_t gomap_classic_len(const gomap_classic *map) {
    return map ? (size_t)__atomic_load_n(&map->h.count, __ATOMIC_RELAXED) : 0;
}

gomap_err gomap_classic_set_name(gomap_classic *map, const char *name) {
    struct classic *m = classic(map);
    if (!m || !gomap__classic_alive(m, "set_name")) return GOMAP_EMISUSE;
    return take_name(m, name);
}

int gomap_classic_describe(const gomap_classic *map, char *buf, size_t len) {
    if (!map) return snprintf(buf, len, "(NULL)");
    if (map->name) return snprintf(buf, len, "%s", map->name);
    const struct gomap_classic_desc *d = map->desc;
    return snprintf(buf, len, "%s->%s%s%s", d->key_name, d->elem_name, d->site ? "@" : "",
                    d->site ? d->site : "");
}

/* ---- clear --------------------------------------------------------------------------------------------- */

/* Iterators that stand in these chains must find nothing more. */
static void mark_empty(struct classic *m, uint8_t *buckets, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        for (uint8_t *b = bucket_at(m->pub.desc, buckets, i); b; b = *overflow_of(m->pub.desc, b))
            memset(b, GOMAP_TOP_EMPTY_REST, SLOTS);
}

void gomap_classic_clear(gomap_classic *map) {
    struct classic *m = classic(map);
    if (!m || !gomap__classic_alive(m, "clear") || !m->pub.h.count) return;
    if (is_writing(m)) {
        gomap__classic_misuse(m, "concurrent map writes");
        return;
    }
    struct gomap_hmap *h = &m->pub.h;
    const size_t had = (size_t)h->count;
    write_mark(m);
    seq_begin(m);
    free_all_cells(m);
    mark_empty(m, h->buckets, UINT64_C(1) << h->B);
    if (m->old) mark_empty(m, h->oldbuckets, old_buckets(m));
    set_flags(m, flags_of(m) & ~(unsigned)GOMAP_HMAP_SAME_SIZE);
    h->oldbuckets = NULL;
    h->nevacuate = 0;
    h->noverflow = 0;
    set_count(m, 0);
    h->hash0 = (uint32_t)gomap__classic_random(m);
    memset(&m->pub.extra, 0, sizeof m->pub.extra);
    struct array *old = m->old;
    m->old = NULL;
    if (old) gomap__array_disown(m, old);
    gomap__loose_free(m, &m->spare);
    gomap__array_empty(m, h->B);
    m->pub.counters.clears++;
    m->pub.counters.reseeds++;
    gomap__publish(m);
    seq_end(m);
    gomap__event_of(m->pub.id, GOMAP_EV_CLEAR, 0, 0);
    if (m->hooks.clear) m->hooks.clear(&m->pub, had, m->hooks.ctx);
    (void)write_done(m);
}

/* ---- clone --------------------------------------------------------------------------------------------- */

/* Where the next entry of a chain of the clone goes. */
struct tail {
    uint8_t *b;
    unsigned i;
};

static void *copy_cell(struct classic *m, const void *from, size_t size) {
    uint8_t *cell = gomap__cell_make(m, size);
    return cell ? memcpy(cell, from, size) : NULL;
}

/* Append one entry; every key gets a cell of its own (Go shares those that never change). */
static bool append_entry(struct classic *to, struct tail *at, const uint8_t *b, unsigned i) {
    const struct gomap_classic_desc *d = to->pub.desc;
    uint8_t *key = key_slot(d, b, i), *elem = elem_slot(d, b, i), *key_cell = NULL, *elem_cell = NULL;
    while (at->i < SLOTS && !is_empty(at->b[at->i])) at->i++;
    if (at->i == SLOTS && !gomap__overflow_secure(to, 1)) return false;
    if (d->flags & GOMAP_CF_KEY_INDIRECT && !(key_cell = copy_cell(to, key_of(d, b, i), d->key_size)))
        return false;
    if (d->flags & GOMAP_CF_ELEM_INDIRECT && !(elem_cell = copy_cell(to, elem_of(d, b, i), d->elem_size))) {
        gomap__cell_drop(to, key_cell);
        return false;
    }
    if (at->i == SLOTS) at->b = gomap__overflow_link(to, at->b), at->i = 0;
    if (key_cell) key = (uint8_t *)&key_cell;
    if (elem_cell) elem = (uint8_t *)&elem_cell;
    memcpy(key_slot(d, at->b, at->i), key, d->key_slot);
    memcpy(elem_slot(d, at->b, at->i), elem, d->elem_slot);
    at->b[at->i++] = b[i];
    to->pub.h.count++;
    return true;
}

static bool append_chain(struct classic *to, struct tail *at, const uint8_t *b) {
    for (; b; b = *overflow_of(to->pub.desc, b))
        for (unsigned i = 0; i < SLOTS; i++)
            if (!is_empty(b[i]) && !append_entry(to, at, b, i)) return false;
    return true;
}

/* One entry at a time: the chain's entries belong to several chains of the clone. */
static bool assign_chain(struct classic *to, const uint8_t *b) {
    const struct gomap_classic_desc *d = to->pub.desc;
    for (; b; b = *overflow_of(d, b))
        for (unsigned i = 0; i < SLOTS; i++) {
            uint8_t *elem;
            bool is_new;
            if (is_empty(b[i])) continue;
            if (gomap__classic_assign(to, key_of(d, b, i), &elem, &is_new)) return false;
            if (d->elem_size) memcpy(elem, elem_of(d, b, i), d->elem_size);
        }
    return true;
}

static bool copy_old(const struct classic *m, struct classic *to) {
    const struct gomap_classic_desc *d = m->pub.desc;
    uint64_t n = old_buckets(m);
    for (uint64_t i = 0; i < n; i++) {
        const uint8_t *b = bucket_at(d, m->pub.h.oldbuckets, i);
        if (is_evacuated(b)) continue;
        if (n < UINT64_C(1) << to->pub.h.B) {
            if (!assign_chain(to, b)) return false;
            continue;
        }
        struct tail at = {bucket_at(d, to->pub.h.buckets, i & bucket_mask(to->pub.h.B)), 0};
        while (*overflow_of(d, at.b)) at.b = *overflow_of(d, at.b);
        if (!append_chain(to, &at, b)) return false;
    }
    return true;
}

/* The one bucket of a map, byte for byte, but for the cells of its keys. */
static bool copy_bucket(const struct classic *m, struct classic *to) {
    const struct gomap_classic_desc *d = m->pub.desc;
    const uint8_t *from = m->pub.h.buckets;
    uint8_t *b = to->pub.h.buckets;
    memcpy(b, from, d->bucket_size);
    if (d->flags & GOMAP_CF_KEY_INDIRECT) {
        memset(key_slot(d, b, 0), 0, (size_t)SLOTS * d->key_slot);
        for (unsigned i = 0; i < SLOTS; i++) {
            if (is_empty(b[i])) continue;
            uint8_t *cell = copy_cell(to, key_of(d, from, i), d->key_size);
            if (!cell) return false;
            *(uint8_t **)(void *)key_slot(d, b, i) = cell;
        }
    }
    to->pub.h.count = m->pub.h.count;
    return true;
}

static bool copy_entries(const struct classic *m, struct classic *to) {
    const struct gomap_classic_desc *d = m->pub.desc;
    if (!m->pub.h.count) return true;
    if (!to->pub.h.buckets) {
        struct array *a = gomap__array_make(to, 0);
        if (!a) return false;
        gomap__array_start(to, a, 0);
    }
    unsigned far = d->flags & (GOMAP_CF_KEY_INDIRECT | GOMAP_CF_ELEM_INDIRECT | GOMAP_CF_KEY_UPDATE);
    bool by_entry = far & GOMAP_CF_ELEM_INDIRECT || far == (GOMAP_CF_KEY_INDIRECT | GOMAP_CF_KEY_UPDATE);
    if (!m->pub.h.B && !by_entry && !*overflow_of(d, m->pub.h.buckets)) return copy_bucket(m, to);
    uint64_t n = UINT64_C(1) << to->pub.h.B, from = UINT64_C(1) << m->pub.h.B;
    for (uint64_t i = 0; i < n; i++) {
        struct tail at = {bucket_at(d, to->pub.h.buckets, i), 0};
        for (uint64_t k = 0; k < from; k += n)
            if (!append_chain(to, &at, bucket_at(d, m->pub.h.buckets, i + k))) return false;
    }
    return !is_growing(m) || copy_old(m, to);
}

gomap_err gomap_classic_clone(const gomap_classic *map, gomap_classic **out) {
    const struct classic *m = classic(map);
    if (!m || !out) return GOMAP_EINVAL;
    *out = NULL;
    if (!gomap__classic_alive(m, "clone")) return GOMAP_EMISUSE;
    if (is_writing(m)) return gomap__classic_misuse(m, "concurrent map clone and map write"), GOMAP_EMISUSE;
    struct classic *to = make(m->pub.desc, gomap__classic_alloc(m));
    if (!to) return GOMAP_ENOMEM;
    uint64_t hint = (uint64_t)m->pub.h.count; /* an overloaded source must not get a larger clone */
    if (gomap__overload(hint, m->pub.h.B)) hint = LOAD_NUM * ((UINT64_C(1) << m->pub.h.B) / LOAD_DEN);
    to->random = m->random;
    to->ctx = m->ctx;
    to->pub.h.hash0 = m->pub.h.hash0;
    bool ok = make_room(to, (int64_t)hint) && copy_entries(m, to);
    gomap__loose_free(to, &to->spare);
    gomap__publish(to);
    if (!ok || !gomap__register_as(&to->pub, &to->pub.id, GOMAP_KIND_CLASSIC)) {
        free_all_cells(to);
        discard(to);
        return GOMAP_ENOMEM;
    }
    gomap__event_of(to->pub.id, GOMAP_EV_NEW, to->pub.desc->bucket_size, hint);
    *out = &to->pub;
    return GOMAP_OK;
}
