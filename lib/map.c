/* lib/map.c - the operations on one entry, and on a map as a whole.
 *
 * Order inside a write: hash, look up; for a new entry build its slot image aside (copies, callbacks,
 * allocation: all that can fail), then step a running walk or begin one, then place the image.  So arguments may point
 * into the map, and the slot that is returned is not moved by the same call.  A delete first takes its entry
 * out, then steps.
 */
#include "lookup.h"

/* ---- slot images --------------------------------------------------------------------------------------- */

/* Cells of entries belong to the map, also when the entry is in its stash. */
static struct gomap *root(struct gomap *m) {
    return m->cookie == GOMAP_COOKIE_STASH ? gomap__side(m)->parent : m;
}

/* destroy: call the user's function too */
static void drop_key(struct gomap *m, uint8_t *slot, bool destroy) {
    const struct gomap_desc *d = m->desc;
    struct gomap__side *s = gomap__side(m);
    if (d->flags & GOMAP_F_STR) {
        struct gomap_strkey k;
        memcpy(&k, slot, sizeof k);
        if (d->flags & GOMAP_F_BORROWED) {
            gomap_str view = {k.ptr, k.len};
            if (destroy && d->key_destroy) d->key_destroy(&view, gomap__ctx(m));
            return;
        }
        s->pub.string_bytes -= (uint64_t)k.len + 1;
        gomap__cell_free(m, (void *)(uintptr_t)k.ptr, (size_t)k.len + 1, 1);
    } else if (d->flags & GOMAP_F_KEY_INDIRECT) {
        struct gomap_cellkey k;
        memcpy(&k, slot, sizeof k);
        if (destroy && d->key_destroy) d->key_destroy(k.ptr, gomap__ctx(m));
        s->pub.cell_bytes -= d->key_size;
        gomap__cell_free(m, k.ptr, d->key_size, d->key_align);
    } else if (destroy && d->key_destroy) {
        d->key_destroy(slot, gomap__ctx(m));
    }
}

static void free_value_cell(struct gomap *m, uint8_t *slot) {
    const struct gomap_desc *d = m->desc;
    if (!(d->flags & GOMAP_F_VAL_INDIRECT)) return;
    m->side->cell_bytes -= d->val_size;
    gomap__cell_free(m, gomap__slot_val(d, slot), d->val_size, d->val_align);
}

/* Destroy what a slot owns; its bytes are the caller's to wipe. */
void gomap__drop_entry(struct gomap *m, uint8_t *slot) {
    const struct gomap_desc *d = m->desc;
    m = root(m);
    if (d->val_destroy) d->val_destroy(gomap__slot_val(d, slot), gomap__ctx(m));
    free_value_cell(m, slot);
    drop_key(m, slot, true);
}

static gomap_err image_string(struct gomap *m, uint64_t h, const struct key *k, uint8_t *image) {
    const struct gomap_desc *d = m->desc;
    struct gomap_strkey s = {k->p, (uint32_t)k->n, (uint32_t)(h >> 32)};
    if (d->flags & GOMAP_F_BORROWED) {
        gomap_str view = {k->p, k->n};
        if (d->key_copy && d->key_copy(&view, k->api, gomap__ctx(m))) return GOMAP_ENOMEM;
        s.ptr = view.ptr, s.len = (uint32_t)view.len;
    } else {
        char *copy = gomap__cell_alloc(m, k->n + 1, 1);
        if (!copy) return GOMAP_ENOMEM;
        gomap__copy_text(copy, k->p, k->n);
        m->side->string_bytes += k->n + 1;
        s.ptr = copy;
    }
    memcpy(image, &s, sizeof s);
    return GOMAP_OK;
}

static gomap_err image_key(struct gomap *m, uint64_t h, const struct key *k, uint8_t *image) {
    const struct gomap_desc *d = m->desc;
    if (d->flags & GOMAP_F_STR) return image_string(m, h, k, image);
    if (d->flags & GOMAP_F_KEY_INDIRECT) {
        struct gomap_cellkey c = {.ptr = gomap__cell_alloc(m, d->key_size, d->key_align),
                                  .hash_hi = (uint32_t)(h >> 32)};
        if (!c.ptr) return GOMAP_ENOMEM;
        memcpy(c.ptr, k->p, d->key_size);
        memcpy(image, &c, sizeof c);
        if (d->key_copy && d->key_copy(c.ptr, k->api, gomap__ctx(m))) {
            gomap__cell_free(m, c.ptr, d->key_size, d->key_align);
            return GOMAP_ENOMEM;
        }
        m->side->cell_bytes += d->key_size;
        return GOMAP_OK;
    }
    if (d->key_size) memcpy(image, k->p, d->key_size);
    return d->key_copy && d->key_copy(image, k->api, gomap__ctx(m)) ? GOMAP_ENOMEM : GOMAP_OK;
}

/* The value part; value NULL: zeros, and no copy callback. */
static gomap_err image_value(struct gomap *m, const void *value, uint8_t *image) {
    const struct gomap_desc *d = m->desc;
    void *to = image + d->val_off;
    if (d->flags & GOMAP_F_VAL_INDIRECT) {
        to = gomap__cell_alloc(m, d->val_size, d->val_align);
        if (!to) return GOMAP_ENOMEM;
        memcpy(image + d->val_off, &to, sizeof to);
        m->side->cell_bytes += d->val_size;
    }
    if (!value) return GOMAP_OK;
    if (d->val_size) memcpy(to, value, d->val_size);
    if (!d->val_copy || !d->val_copy(to, value, gomap__ctx(m))) return GOMAP_OK;
    free_value_cell(m, image);
    return GOMAP_ENOMEM;
}

static gomap_err make_image(struct gomap *m, uint64_t h, const struct key *k, const void *value,
                            uint8_t *image) {
    const struct gomap_desc *d = m->desc;
    if (!value || d->key_size + d->slot_val_size != d->slot_size) memset(image, 0, d->slot_size);
    gomap_err err = image_key(m, h, k, image);
    if (err) return err;
    err = image_value(m, value, image);
    if (err) drop_key(m, image, m->desc->key_copy != NULL);
    return err;
}

/* An image that came to nothing: undo what the copy functions did; without them the contents are still the caller's. */
static void drop_image(struct gomap *m, uint8_t *image, bool with_value) {
    const struct gomap_desc *d = m->desc;
    m = root(m);
    if (with_value && d->val_copy && d->val_destroy) d->val_destroy(gomap__slot_val(d, image), gomap__ctx(m));
    free_value_cell(m, image);
    drop_key(m, image, d->key_copy != NULL);
}

/* ---- placing ---------------------------------------------------------------------------------------------- */

static uint8_t *place_in_flood(struct gomap *m, uint64_t h, gomap_err *err) {
    struct gomap__side *s = gomap__side(m);
    struct gomap_flood *f = gomap__cell_alloc(m, gomap__flood_bytes(m->desc), m->desc->slot_align);
    if (!f) {
        *err = GOMAP_ENOMEM;
        return NULL;
    }
    f->serial = ++s->flood_serial, f->hash = h;
    f->next = s->pub.flood;
    if (f->next) f->next->prev = f;
    s->pub.flood = f;
    s->pub.flood_count++;
    return gomap__flood_slot(m->desc, f);
}

static void alarm_check(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    if (s->alarmed || s->pub.stash->count <= m->count / 64 + 64) return;
    s->alarmed = 1;
    s->pub.counters.alarms++;
    uint64_t same = s->pub.stash->side->flood_count;
    gomap__event(m, GOMAP_EV_ALARM, s->pub.stash->count, same);
    gomap__log(m,
               same ? "alarm: keys with equal hashes (user hash function?)"
                    : "alarm: many keys in one place (chosen keys?)",
               s->pub.stash->count, same);
}

/* The chain of h's quad is full. */
static uint8_t *place_stashed(struct gomap *m, const struct geom *g, uint64_t *hash, const struct key *k,
                              gomap_err *err) {
    uint64_t h = *hash, home = gomap__group_of(gomap__pos(m->desc, h), g->ng);
    uint8_t *slot;
    if (m->cookie == GOMAP_COOKIE_STASH) {
        slot = place_in_flood(m, h, err);
    } else {
        *err = gomap__make_stash(m);
        if (*err) return NULL;
        struct gomap *t = m->side->stash;
        *hash = gomap__hash_key(t, k);
        slot = gomap__place(t, hash, k, err);
    }
    if (!slot) return NULL;
    g->meta[home * 16 + 15] |= (uint8_t)(1u << (gomap__tag(h) >> 5));
    g->links[home / 4] |= 1;
    m->side->counters.stashed++;
    if (m->cookie != GOMAP_COOKIE_STASH) alarm_check(m);
    return slot;
}

static void first_above(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    if (!s || s->backtraced || !s->policy_backtrace_above || m->count <= s->policy_backtrace_above) return;
    s->backtraced = 1;
    gomap__backtrace(m);
}

/* A zeroed slot, counted, for a new entry; k must stay readable whatever moves (the image's key does).  *hash becomes
 * the stash's if the entry went there: slots store bits of the hash they are found by. */
uint8_t *gomap__place(struct gomap *m, uint64_t *hash, const struct key *k, gomap_err *err) {
    uint64_t h = *hash;
    *err = GOMAP_OK;
    if (m->count >= m->limit && (*err = gomap__make_room(m))) return NULL;
    uint64_t pos = gomap__pos(m->desc, h);
    struct geom g = gomap__locate(m, pos);
    uint8_t *slot = gomap__put_in(m, &g, pos, gomap__tag(h), false, err);
    if (!slot && *err == GOMAP_ENOENT) {
        *err = GOMAP_OK;
        slot = place_stashed(m, &g, hash, k, err);
    }
    if (!slot) return NULL;
    gomap__set_count(m, m->count + 1);
    if (m->side && m->limit && m->side->stash) gomap__set_limits(m);
    if (GOMAP__UNLIKELY(m->side && gomap__side(m)->policy_backtrace_above)) first_above(m);
    return slot;
}

/* The slot's own key as a struct key, for what must outlive the caller's argument. */
static struct key key_of_image(const struct gomap_desc *d, const uint8_t *image, gomap_str *view) {
    const void *api = gomap__slot_key(d, image, view);
    return d->flags & GOMAP_F_STR ? (struct key){api, view->ptr, view->len}
                                  : (struct key){api, api, d->key_size};
}

static void set_hash_bits(const struct gomap_desc *d, uint8_t *slot, uint64_t h) {
    uint32_t hi = (uint32_t)(h >> 32);
    if (d->flags & GOMAP_F_STR)
        memcpy(slot + offsetof(struct gomap_strkey, hash_hi), &hi, 4);
    else if (d->flags & GOMAP_F_KEY_INDIRECT)
        memcpy(slot + offsetof(struct gomap_cellkey, hash_hi), &hi, 4);
}

/* The tophash byte of the slot that an entry takes if nothing has to be done or moved first; NULL: something has. */
static uint8_t *free_at_home(const struct gomap *m, uint64_t h, uint8_t **slot) {
    uint64_t pos = gomap__pos(m->desc, h);
    if (m->count >= m->limit || pos < m->split) return NULL;
    if (m->side && (m->side->stash || gomap__side(m)->policy_backtrace_above)) return NULL;
    uint64_t home = gomap__group_of(pos, m->ngroups);
    unsigned empty = gomap__match_empty(m->meta + home * 16);
    if (!empty) return NULL;
    unsigned i = (unsigned)__builtin_ctz(empty);
    *slot = m->slots + (home * GOMAP_GROUP_SLOTS + i) * m->desc->slot_size;
    return m->meta + home * 16 + i;
}

/* The usual add: without callbacks, and with a free slot at home, the image is made where it shall lie. */
static gomap_err add_at(struct gomap *m, uint64_t h, const struct key *k, const void *value, uint8_t *slot,
                        uint8_t *tag) {
    gomap_err err = make_image(m, h, k, value, slot);
    if (err) {
        memset(slot, 0, m->desc->slot_size);
        return err;
    }
    *tag = gomap__tag(h);
    gomap__set_count(m, m->count + 1);
    return GOMAP_OK;
}

static __attribute__((noinline)) gomap_err add_aside(struct gomap *m, uint64_t h, const struct key *k,
                                                     const void *value, uint8_t **slot) {
    uint8_t image[MAX_SLOT] __attribute__((aligned(64)));
    gomap_str view;
    gomap_err err = make_image(m, h, k, value, image);
    if (err) return err;
    struct key own = key_of_image(m->desc, image, &view);
    *slot = gomap__place(m, &h, &own, &err);
    if (*slot) {
        set_hash_bits(m->desc, image, h);
        memcpy(*slot, image, m->desc->slot_size);
    } else {
        drop_image(m, image, value != NULL);
    }
    return err;
}

/* Add an entry whose key is known to be absent. */
gomap_err gomap__add(struct gomap *m, uint64_t h, const struct key *k, const void *value, uint8_t **slot) {
    bool callbacks = m->desc->key_copy || m->desc->val_copy;
    uint8_t *tag = callbacks ? NULL : free_at_home(m, h, slot);
    return tag ? add_at(m, h, k, value, *slot, tag) : add_aside(m, h, k, value, slot);
}

/* Erase an entry whose contents are dealt with. */
void gomap__unplace(struct gomap *m, struct place *p) {
    if (p->owner != m) {
        struct gomap *stash = p->owner;
        gomap__unplace(stash, p);
        gomap__set_count(m, m->count - 1);
        m->epoch++;
        gomap__set_limits(m);
    } else {
        gomap__erase(m, p);
        gomap__set_count(m, m->count - 1);
    }
    if (m->count == 0)
        gomap__became_empty(m);
    else
        gomap__after_delete(m);
}

/* ---- operations ------------------------------------------------------------------------------------------- */

INLINE void *get(const struct gomap *m, const void *api, uint32_t kc) {
    struct key k = gomap__key_of(m, api, kc);
    uint64_t h;
    uint8_t *slot = gomap__too_long(&k) ? NULL : gomap__lookup(m, &k, kc, &h);
    return slot ? gomap__slot_val(m->desc, slot) : NULL;
}

/* A function for each class, entered by a jump: none saves registers that only another needs. */
#define GETTER(name, kc)                                                                                     \
    static __attribute__((noinline)) void *name(const struct gomap *m, const void *api) { return get(m, api, kc); }
GETTER(get_4, KC_4)
GETTER(get_8, KC_8)
GETTER(get_text, KC_STR)
GETTER(get_other, m->desc->key_class)
#undef GETTER

static __attribute__((noinline)) void *get_displaced(const struct gomap *m, const gomap_str *s, uint64_t h) {
    const struct key k = {s, s->ptr, s->len};
    uint8_t *slot = gomap__get_slot(m, h, &k);
    return slot ? gomap__slot_val(m->desc, slot) : NULL;
}

/* Candidates of a text of 16 to 32 bytes, and, if there may be any, entries that are not at home. */
static __attribute__((noinline)) void *get_candidate(const struct gomap *m, const gomap_str *s, uint64_t h, unsigned hits,
                                                     uint8_t *slots, bool displaced) {
    const size_t size = m->desc->slot_size;
    const struct key k = {s, s->ptr, s->len};
    if (k.n - 16 > 16) __builtin_unreachable(); /* compared without a call */
    for (; hits; hits &= hits - 1) {
        uint8_t *slot = slots + (unsigned)__builtin_ctz(hits) * size;
        if (GOMAP__LIKELY(gomap__eq_class(m, slot, &k, h, KC_STR))) return gomap__slot_val(m->desc, slot);
    }
    return displaced ? get_displaced(m, s, h) : NULL;
}

/* A text of usual length, hashed as usual, has no call before its candidates: most that are absent have none. */
static __attribute__((noinline)) void *get_short_text(const struct gomap *m, const gomap_str *s) {
    const struct key k = {s, s->ptr, s->len};
    if (GOMAP__UNLIKELY(k.n - 16 > 16 || m->hash_kind != GOMAP_HASH_AES)) return get_text(m, s);
    uint64_t h = gomap__hash_class(m, &k, KC_STR), pos = gomap__pos_class(m, h, KC_STR);
    struct geom g = gomap__locate(m, pos);
    uint64_t home = gomap__group_of(pos, g.ng);
    const uint8_t *meta = g.meta + home * 16;
    unsigned hits = gomap__match(meta, h);
    bool displaced = gomap__overflowed(meta, h);
    if (!hits && !displaced) return NULL;
    return get_candidate(m, s, h, hits, g.slots + home * GOMAP_GROUP_SLOTS * m->desc->slot_size, displaced);
}

static inline void *get_by_class(const struct gomap *m, const void *api) {
    switch (m->desc->key_class) {
    case KC_4: return get_4(m, api);
    case KC_8: return get_8(m, api);
    case KC_STR: return get_short_text(m, api);
    default: return get_other(m, api);
    }
}

static __attribute__((noinline)) void *get_checked(const struct gomap *m, const void *api) {
    return gomap__read_ok(m, "get") ? get_by_class(m, api) : NULL;
}

void *gomap_get(const gomap *m, const void *api) {
    if (!m) return NULL;
    return GOMAP__LIKELY(gomap__readable(m)) ? get_by_class(m, api) : get_checked(m, api);
}

bool gomap_has(const gomap *m, const void *api) { return gomap_get(m, api) != NULL; }

/* The new value, complete, aside. */
static gomap_err fresh_value(struct gomap *m, const void *value, uint8_t *fresh) {
    const struct gomap_desc *d = m->desc;
    if (!value || !d->val_size) {
        memset(fresh, 0, d->val_size);
        return GOMAP_OK;
    }
    memcpy(fresh, value, d->val_size);
    return d->val_copy && d->val_copy(fresh, value, gomap__ctx(m)) ? GOMAP_ENOMEM : GOMAP_OK;
}

/* Update an entry whose key is compared by the user: equal keys may differ in their bytes (+0, -0), the last one put
 * stays, as in Go.  Both parts are complete before the old ones go. */
static gomap_err update_both(struct gomap *m, uint64_t h, const struct key *k, uint8_t *slot, const void *value) {
    const struct gomap_desc *d = m->desc;
    uint8_t key[INLINE_MAX] __attribute__((aligned(64))), fresh[MAX_SIZE] __attribute__((aligned(64)));
    void *old = gomap__slot_val(d, slot);
    bool set_value = value != old;
    gomap_err err = image_key(m, h, k, key);
    if (err) return err;
    if (set_value && (err = fresh_value(m, value, fresh))) {
        drop_key(m, key, d->key_copy != NULL);
        return err;
    }
    drop_key(m, slot, true);
    memcpy(slot, key, d->slot_key_size);
    if (!set_value) return GOMAP_OK;
    if (d->val_destroy) d->val_destroy(old, gomap__ctx(m));
    memcpy(old, fresh, d->val_size);
    return GOMAP_OK;
}

static gomap_err update(struct gomap *m, uint8_t *slot, const void *value) {
    const struct gomap_desc *d = m->desc;
    uint8_t fresh[MAX_SIZE] __attribute__((aligned(64)));
    void *old = gomap__slot_val(d, slot);
    if (value == old || !d->val_size) return GOMAP_OK;
    if (!d->val_copy && !d->val_destroy) {
        if (value)
            memmove(old, value, d->val_size);
        else
            memset(old, 0, d->val_size);
        return GOMAP_OK;
    }
    gomap_err err = fresh_value(m, value, fresh);
    if (err) return err;
    if (d->val_destroy) d->val_destroy(old, gomap__ctx(m));
    memcpy(old, fresh, d->val_size);
    return GOMAP_OK;
}

/* Keys unequal to themselves are never found: do not scan for them (a constant hash would make that quadratic). */
static bool findable(const struct gomap *m, const struct key *k) {
    return !(m->desc->flags & GOMAP_F_USER_EQ) || m->desc->eq(k->api, k->api, gomap__ctx(m));
}

/* The entry of a key that the user compares; *owner: the map, or its stash. */
static uint8_t *find_like(struct gomap *m, uint64_t h, const struct key *k, struct gomap **owner) {
    struct place p;
    if (!findable(m, k) || !gomap__find(m, h, k, &p)) return NULL;
    *owner = p.owner;
    return p.slot;
}

enum put_how { PUT_REPLACE, PUT_KEEP };

INLINE gomap_err put_in(struct gomap *m, uint64_t h, const struct key *k, const void *value, enum put_how how,
                        uint8_t **at, bool *is_new, uint32_t kc) {
    struct gomap *owner = m;
    uint8_t *slot = kc == KC_USER ? find_like(m, h, k, &owner) : gomap__find_class(m, h, k, kc, NULL);
    bool found = slot;
    gomap_err err = GOMAP_OK;
    if (!found)
        err = gomap__add(m, h, k, value, &slot);
    else if (how == PUT_REPLACE && kc == KC_USER)
        err = update_both(m, owner == m ? h : gomap__hash_key(owner, k), k, slot, value);
    else if (how == PUT_REPLACE)
        err = update(m, slot, value);
    if (!err && at) *at = slot;
    if (!err && is_new) *is_new = !found;
    return err;
}

INLINE gomap_err put_key(struct gomap *m, const void *api, const void *value, enum put_how how, uint8_t **at,
                         bool *is_new, uint32_t kc) {
    struct key k = gomap__key_of(m, api, kc);
    return gomap__too_long(&k) ? GOMAP_EINVAL
                               : put_in(m, gomap__hash_class(m, &k, kc), &k, value, how, at, is_new, kc);
}

INLINE gomap_err put_by_class(struct gomap *m, const void *api, const void *value, enum put_how how, uint8_t **at,
                              bool *is_new) {
    switch (m->desc->key_class) {
    case KC_4: return put_key(m, api, value, how, at, is_new, KC_4);
    case KC_8: return put_key(m, api, value, how, at, is_new, KC_8);
    case KC_STR: return put_key(m, api, value, how, at, is_new, KC_STR);
    default: return put_key(m, api, value, how, at, is_new, m->desc->key_class);
    }
}

/* A put that calls hooks, or finds out what is wrong with the map. */
static __attribute__((noinline)) gomap_err put_hooked(struct gomap *m, const void *api, const void *value,
                                                      enum put_how how, uint8_t **at, bool *is_new) {
    uint8_t *slot;
    bool fresh;
    if (!gomap__write_hooked(m, "put")) return GOMAP_EMISUSE;
    gomap_err err = put_by_class(m, api, value, how, &slot, &fresh);
    if (!err && (fresh || how == PUT_REPLACE)) gomap__hook_put(m, slot, fresh);
    if (!err && at) *at = slot;
    if (!err && is_new) *is_new = fresh;
    gomap__write_end(m);
    gomap__checkpoint(m);
    return err;
}

static gomap_err put(struct gomap *m, const void *api, const void *value, enum put_how how, uint8_t **at,
                     bool *is_new) {
    if (!gomap__write_quick(m)) return put_hooked(m, api, value, how, at, is_new);
    gomap_err err = put_by_class(m, api, value, how, at, is_new);
    gomap__write_done(m);
    gomap__checkpoint(m);
    return err;
}

/* A put whose hash is known (bulk.c). */
gomap_err gomap__put_hashed(struct gomap *m, uint64_t h, const struct key *k, const void *value) {
    if (!gomap__write_quick(m)) return put_hooked(m, k->api, value, PUT_REPLACE, NULL, NULL);
    gomap_err err = put_in(m, h, k, value, PUT_REPLACE, NULL, NULL, m->desc->key_class);
    gomap__write_done(m);
    gomap__checkpoint(m);
    return err;
}

gomap_err gomap_put(gomap *m, const void *key, const void *value) {
    return put(m, key, value, PUT_REPLACE, NULL, NULL);
}
gomap_err gomap_put_if_absent(gomap *m, const void *key, const void *value, bool *inserted) {
    return put(m, key, value, PUT_KEEP, NULL, inserted);
}
gomap_err gomap_get_or_insert(gomap *m, const void *key, void **value, bool *is_new) {
    uint8_t *slot;
    gomap_err err = put(m, key, NULL, PUT_KEEP, &slot, is_new);
    if (!err) *value = gomap__slot_val(m->desc, slot);
    return err;
}

static bool delete(struct gomap *m, uint64_t h, const struct key *k) {
    struct place p;
    int found = gomap__erase_simple(m, h, k);
    if (found < 0 && (found = m->count && gomap__find(m, h, k, &p))) {
        gomap__drop_entry(m, p.slot);
        gomap__unplace(m, &p);
    }
    return found;
}

static uint64_t hash_of(const struct gomap *m, const struct key *k) {
    switch (m->desc->key_class) {
    case KC_8: return gomap__hash_class(m, k, KC_8);
    case KC_STR: return gomap__hash_class(m, k, KC_STR);
    default: return gomap__hash_key(m, k);
    }
}

/* A delete that calls hooks, or finds out what is wrong with the map. */
static __attribute__((noinline)) bool delete_hooked(struct gomap *m, const void *api) {
    uint8_t *slot = NULL;
    if (!gomap__write_hooked(m, "delete")) return false;
    struct key k = gomap__key_of(m, api, m->desc->key_class);
    uint64_t h = gomap__too_long(&k) ? 0 : hash_of(m, &k);
    if (!gomap__too_long(&k)) slot = gomap__get_slot(m, h, &k);
    if (slot) {
        gomap__going(m, slot);
        (void)delete(m, h, &k);
    }
    gomap__write_end(m);
    gomap__checkpoint(m);
    return slot != NULL;
}

bool gomap_delete(gomap *m, const void *api) {
    if (!gomap__write_quick(m)) return delete_hooked(m, api);
    struct key k = gomap__key_of(m, api, m->desc->key_class);
    bool found = !gomap__too_long(&k) && delete(m, hash_of(m, &k), &k);
    gomap__write_done(m);
    gomap__checkpoint(m);
    return found;
}

/* A delete whose hash is known (bulk.c). */
bool gomap__delete_hashed(struct gomap *m, uint64_t h, const struct key *k) {
    if (!gomap__write_quick(m)) return delete_hooked(m, k->api);
    bool found = delete(m, h, k);
    gomap__write_done(m);
    gomap__checkpoint(m);
    return found;
}

static bool drop_one(struct gomap *m, struct place *p, void *ctx) {
    (void)ctx, (void)m;
    gomap__drop_entry(p->owner, p->slot);
    return true;
}

/* Destroy the contents of all entries (and free their cells); the slots are left to be wiped. */
void gomap__drop_all(struct gomap *m) {
    const struct gomap_desc *d = m->desc;
    if (!(d->flags & GOMAP_F_PLAIN) && m->count && m->cookie != GOMAP_COOKIE_STASH)
        gomap__each(m, drop_one, NULL);
    gomap__drop_chains(m);
    gomap__set_count(m, 0);
}

void gomap_clear(gomap *m, gomap_clear_how how) {
    if (!gomap__write_begin(m, "clear")) return;
    uint64_t had = m->count;
    bool keep = how == GOMAP_KEEP && m->mode >= GOMAP_MODE_SMALL;
    gomap__drop_all(m);
    gomap__free_limbo(m);
    gomap__drop_stash(m);
    if (keep)
        gomap__wipe_table(m);
    else
        gomap__drop_table(m);
    if (m->side && !keep) gomap__arena_free(m);
    if (m->side) m->side->counters.clears++;
    gomap__reseed(m);
    gomap__event(m, GOMAP_EV_CLEAR, had, how);
    gomap__write_end(m);
    gomap__checkpoint(m);
}

gomap_err gomap_reserve(gomap *m, size_t entries) {
    if (!gomap__write_begin(m, "reserve")) return GOMAP_EMISUSE;
    bool overflow;
    uint64_t ng = gomap__groups_for(m, entries, &overflow);
    gomap_err err = overflow ? GOMAP_EINVAL : GOMAP_OK;
    if (!err && entries > m->count) {
        bool ok;
        gomap__walk_finish(m, &ok);
        err = ok ? GOMAP_OK : GOMAP_ENOMEM;
        if (!err && (ng > m->ngroups || m->mode <= GOMAP_MODE_SMALL)) err = gomap__resize_now(m, ng);
        if (!err && m->mode >= GOMAP_MODE_BLOCK) {
            gomap__side(m)->reserve_floor = m->ngroups;
            gomap__set_limits(m);
        }
    }
    gomap__write_end(m);
    gomap__checkpoint(m);
    return err;
}

/* Groups to shrink to now; sparse tables look denser in places than they will be once shrunk, hence several rounds. */
static uint64_t fitting_groups(const struct gomap *m) {
    bool overflow;
    uint64_t n = gomap__main_count(m), ng = gomap__groups_for(m, n + n / 8, &overflow);
    uint64_t dense = n <= SYNC_ENTRIES ? 0 : gomap__groups_by_density(m);
    if (ng < dense) ng = dense;
    return ng < 2 ? 2 : ng;
}

static gomap_err fit_table(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    bool ok;
    gomap__walk_finish(m, &ok);
    gomap_err err = ok ? GOMAP_OK : GOMAP_ENOMEM;
    for (uint64_t ng; !err && (ng = fitting_groups(m)) < m->ngroups;) err = gomap__resize_now(m, ng);
    while (!err && s->range && gomap__range_give(m, s->range)) continue;
    return err;
}

gomap_err gomap_shrink_to_fit(gomap *m) {
    if (!gomap__write_begin(m, "shrink_to_fit")) return GOMAP_EMISUSE;
    gomap_err err = GOMAP_OK;
    if (m->side) gomap__side(m)->reserve_floor = 0;
    if (!m->count) {
        gomap__drop_table(m);
        if (m->side) gomap__arena_free(m);
    } else if (m->mode >= GOMAP_MODE_BLOCK) {
        err = fit_table(m);
    }
    gomap__set_limits(m);
    gomap__write_end(m);
    gomap__checkpoint(m);
    return err;
}
