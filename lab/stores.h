/* lab/stores.h - the maps whose memory is watched, under one interface: keys are uint64_t or byte strings that the store
 * copies, values so many bytes.
 *
 *   gomap    gomap.h with its defaults: entries in one array, strings in an arena of the map's own
 *   classic  Go's map: buckets of 8; elems above 128 bytes, and here the bytes of strings, in cells from malloc
 *   chained  a table of lists as in many C programs: entry, key and value of each in a malloc of its own; doubles when
 *            full, never shrinks */
#ifndef LAB_STORES_H
#define LAB_STORES_H

#include "measure.h"

#include <gomap/classic.h>
#include <gomap/gomap.h>

struct store {
    const struct store_kind *kind;
    bool strings;
    size_t value_bytes;
    void *map;
    uint64_t own; /* bytes that the store, and not its map, has from malloc */
};

struct store_kind {
    const char *name;
    void (*make)(struct store *);
    void (*put)(struct store *, const void *key, const void *value); /* key: uint64_t * or gomap_str * */
    void (*erase)(struct store *, const void *key);                  /* it must be there */
    size_t (*len)(const struct store *);
    void (*clear)(struct store *);
    void (*tidy)(struct store *); /* NULL: it has nothing to tidy */
    uint64_t (*bytes)(
        const struct store *); /* in use: free room in gomap's arena is the arena's holes, and not in it */
    void (*release)(struct store *);
};

static void *cell(struct store *s, size_t bytes) {
    void *p = malloc(bytes ? bytes : 1);
    must(p != NULL, "out of memory");
    s->own += bytes;
    return p;
}
static void drop(struct store *s, void *p, size_t bytes) {
    s->own -= bytes;
    free(p);
}
static size_t key_bytes(const struct store *s, const void *key) {
    return s->strings ? ((const gomap_str *)key)->len : sizeof(uint64_t);
}
static const void *key_data(const struct store *s, const void *key) {
    return s->strings ? (const void *)((const gomap_str *)key)->ptr : key;
}

/* ---- gomap --------------------------------------------------------------------------------------------- */

static void gomap_make(struct store *s) {
    gomap_config c = GOMAP_CONFIG(sizeof(uint64_t), s->value_bytes);
    if (s->strings) c = GOMAP_CONFIG_STRING(s->value_bytes);
    gomap *map;
    must(!gomap_new(&c, &map), "no map");
    s->map = map;
}
static void gomap_put_(struct store *s, const void *key, const void *value) {
    must(!gomap_put(s->map, key, value), "put failed");
}
static void gomap_erase(struct store *s, const void *key) {
    must(gomap_delete(s->map, key), "a key is lost");
}
static size_t gomap_len_(const struct store *s) { return gomap_len(s->map); }
static void gomap_clear_(struct store *s) { gomap_clear(s->map, GOMAP_KEEP); }
static void gomap_tidy(struct store *s) { must(!gomap_shrink_to_fit(s->map), "shrink_to_fit failed"); }
static uint64_t gomap_bytes(const struct store *s) {
    gomap_stats stats = {.size = sizeof stats};
    must(!gomap_get_stats(s->map, &stats), "no stats");
    return stats.bytes - stats.bytes_slack;
}
static void gomap_release(struct store *s) { gomap_free(s->map); }

/* ---- classic ------------------------------------------------------------------------------------------- */

static void classic_make(struct store *s) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(sizeof(uint64_t), s->value_bytes);
    if (s->strings) c = GOMAP_CLASSIC_CONFIG_STRING(s->value_bytes);
    gomap_classic *map;
    must(!gomap_classic_new(&c, &map), "no map");
    s->map = map;
}
static void classic_put(struct store *s, const void *key, const void *value) {
    gomap_str copy;
    if (s->strings) {
        copy = *(const gomap_str *)key;
        must(!gomap_classic_get(s->map, &copy), "keys are put once here");
        copy.ptr = memcpy(cell(s, copy.len), copy.ptr, copy.len);
        key = &copy;
    }
    must(!gomap_classic_put(s->map, key, value), "put failed");
}
static void classic_erase(struct store *s, const void *key) {
    const void *stored;
    void *elem;
    must(gomap_classic_find(s->map, key, &stored, &elem), "a key is lost");
    const gomap_str text = s->strings ? *(const gomap_str *)stored : (gomap_str){0};
    must(gomap_classic_delete(s->map, key), "a key is lost");
    if (s->strings) drop(s, (void *)(uintptr_t)text.ptr, text.len);
}
static size_t classic_len(const struct store *s) { return gomap_classic_len(s->map); }
static void classic_drop_keys(struct store *s) {
    gomap_classic_iter it;
    for (gomap_classic_iter_init(&it, s->map); s->strings && gomap_classic_iter_next(&it);) {
        const gomap_str *text = it.key;
        drop(s, (void *)(uintptr_t)text->ptr, text->len);
    }
    gomap_classic_iter_end(&it);
}
static void classic_clear(struct store *s) {
    classic_drop_keys(s);
    gomap_classic_clear(s->map);
}
static uint64_t classic_bytes(const struct store *s) {
    gomap_classic_stats stats = {.size = sizeof stats};
    must(!gomap_classic_get_stats(s->map, &stats), "no stats");
    return stats.bytes + s->own;
}
static void classic_release(struct store *s) {
    classic_drop_keys(s);
    gomap_classic_free(s->map);
}

/* ---- chained ------------------------------------------------------------------------------------------- */

struct chained_entry {
    struct chained_entry *next;
    uint64_t hash;
    void *key, *value;
    size_t key_bytes;
};
struct chained {
    struct chained_entry **heads;
    size_t mask, count;
};

static uint64_t chained_hash(const void *data, size_t bytes) {
    uint64_t h = bytes;
    for (const unsigned char *p = data; bytes; bytes--) h = (h ^ *p++) * 0x100000001b3;
    return mix(h);
}
static struct chained_entry **chained_heads(struct store *s, size_t n) {
    struct chained_entry **heads = calloc(n, sizeof(void *));
    must(heads != NULL, "out of memory");
    s->own += n * sizeof(void *);
    return heads;
}
static void chained_make(struct store *s) {
    struct chained *c = s->map = cell(s, sizeof *c);
    *c = (struct chained){chained_heads(s, 8), 7, 0};
}
static void chained_grow(struct store *s) {
    struct chained *c = s->map;
    const size_t n = c->mask + 1;
    struct chained_entry **wide = chained_heads(s, 2 * n), *next;
    for (size_t i = 0; i < n; i++)
        for (struct chained_entry *e = c->heads[i]; e; e = next) {
            struct chained_entry **head = &wide[e->hash & (2 * n - 1)];
            next = e->next, e->next = *head, *head = e;
        }
    drop(s, c->heads, n * sizeof(void *));
    c->heads = wide, c->mask = 2 * n - 1;
}
static void chained_put(struct store *s, const void *key, const void *value) {
    struct chained *c = s->map;
    if (c->count > c->mask) chained_grow(s);
    const size_t bytes = key_bytes(s, key);
    struct chained_entry *e = cell(s, sizeof *e);
    e->hash = chained_hash(key_data(s, key), bytes), e->key_bytes = bytes;
    e->key = memcpy(cell(s, bytes), key_data(s, key), bytes);
    e->value = memcpy(cell(s, s->value_bytes), value, s->value_bytes);
    e->next = c->heads[e->hash & c->mask], c->heads[e->hash & c->mask] = e;
    c->count++;
}
static void chained_drop(struct store *s, struct chained_entry *e) {
    drop(s, e->key, e->key_bytes);
    drop(s, e->value, s->value_bytes);
    drop(s, e, sizeof *e);
}
static void chained_erase(struct store *s, const void *key) {
    struct chained *c = s->map;
    const size_t bytes = key_bytes(s, key);
    const uint64_t hash = chained_hash(key_data(s, key), bytes);
    for (struct chained_entry **at = &c->heads[hash & c->mask], *e; (e = *at) != NULL; at = &e->next)
        if (e->hash == hash && e->key_bytes == bytes && !memcmp(e->key, key_data(s, key), bytes)) {
            *at = e->next, c->count--;
            chained_drop(s, e);
            return;
        }
    fail("a key is lost");
}
static size_t chained_len(const struct store *s) { return ((const struct chained *)s->map)->count; }
static void chained_clear(struct store *s) {
    struct chained *c = s->map;
    struct chained_entry *next;
    for (size_t i = 0; i <= c->mask; c->heads[i++] = NULL)
        for (struct chained_entry *e = c->heads[i]; e; e = next) next = e->next, chained_drop(s, e);
    c->count = 0;
}
static uint64_t chained_bytes(const struct store *s) { return s->own; }
static void chained_release(struct store *s) {
    struct chained *c = s->map;
    chained_clear(s);
    drop(s, c->heads, (c->mask + 1) * sizeof(void *));
    drop(s, c, sizeof *c);
}

/* ---- all of them --------------------------------------------------------------------------------------- */

static const struct store_kind store_kinds[] = {
    {"gomap", gomap_make, gomap_put_, gomap_erase, gomap_len_, gomap_clear_, gomap_tidy, gomap_bytes,
     gomap_release},
    {"classic", classic_make, classic_put, classic_erase, classic_len, classic_clear, NULL, classic_bytes,
     classic_release},
    {"chained", chained_make, chained_put, chained_erase, chained_len, chained_clear, NULL, chained_bytes,
     chained_release},
};

static struct store make_store(const char *name, bool strings, size_t value_bytes) {
    struct store s = {.strings = strings, .value_bytes = value_bytes};
    for (size_t i = 0; i < sizeof store_kinds / sizeof *store_kinds; i++)
        if (!strcmp(name, store_kinds[i].name)) s.kind = &store_kinds[i];
    if (!s.kind) fail("no store '%s'", name);
    s.kind->make(&s);
    return s;
}
#endif
