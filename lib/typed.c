/* lib/typed.c - the slow halves of typed.h: what its inlined code calls when the fast path ends. */
#include "gomap/typed.h"
#include "internal.h"

static struct key int_key(const struct gomap *m, const void *key) {
    return (struct key){key, key, m->desc->key_size};
}

void *gomap__typed_find(const struct gomap *m, uint64_t hash, const void *key) {
    struct key k = int_key(m, key);
    uint8_t *slot = gomap__get_slot(m, hash, &k);
    return slot ? slot + m->desc->val_off : NULL;
}

/* NULL: out of memory, or misuse. */
void *gomap__typed_insert(struct gomap *m, uint64_t hash, const void *key, bool *is_new) {
    if (!gomap__write_begin(m, "put")) return NULL;
    struct key k = int_key(m, key);
    uint8_t *slot = m->count ? gomap__get_slot(m, hash, &k) : NULL;
    gomap_err err = GOMAP_OK;
    if (is_new) *is_new = !slot;
    if (!slot && (slot = gomap__place(m, &hash, &k, &err))) {
        memset(slot, 0, m->desc->slot_size);
        memcpy(slot, key, k.n);
    }
    gomap__write_end(m);
    gomap__checkpoint(m);
    return slot ? slot + m->desc->val_off : NULL;
}

/* The same, hashing inside the checks. */
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
