/* tests/flavours.c - see flavours.h.
 *
 * Every byte of a key follows from its number, and reading a key back checks all of them: a key that was
 * damaged, truncated or mixed with another comes back as ~0 and fails whatever test asked.
 */
#include "flavours.h"

#include <pthread.h>
#include <stdio.h>

/* name, bytes of a key, bits of the hash (64: the library's own), the rest */
#define FLAVOUR(n, size, bits, ...)                                                                          \
    { .name = (n), .key_size = (size), .hash_bits = (bits), __VA_ARGS__ }
const struct t_flavour t_flavours[] = {
    FLAVOUR("u64", 8, 64, .key_align = 8),
    FLAVOUR("u32", 4, 64, .key_align = 0),
    FLAVOUR("key24", 24, 64, .key_align = 0),
    FLAVOUR("key16-aligned", 16, 64, .key_align = 16),
    FLAVOUR("key200-out-of-line", 200, 64, .key_align = 0),
    FLAVOUR("string", 8, 64, .keys = GOMAP_KEYS_STRING),
    FLAVOUR("string-strict", 8, 64, .keys = GOMAP_KEYS_STRING, .hashing = GOMAP_HASHING_STRICT),
    FLAVOUR("borrowed", 8, 64, .keys = GOMAP_KEYS_BORROWED),
    FLAVOUR("stable-values", 8, 64, .values = GOMAP_VALUES_STABLE),
    FLAVOUR("portable-hash", 8, 64, .hashing = GOMAP_HASHING_PORTABLE),
    FLAVOUR("speed", 8, 64, .mode = GOMAP_SPEED),
    FLAVOUR("memory", 8, 64, .mode = GOMAP_MEMORY),
    FLAVOUR("own-alloc", 8, 64, .own_alloc = true),
    FLAVOUR("own-alloc-string", 8, 64, .own_alloc = true, .keys = GOMAP_KEYS_STRING),
    FLAVOUR("user-eq", 8, 63, .user_eq = true),
    FLAVOUR("hash-6-bits", 8, 6, .key_align = 0),
    FLAVOUR("hash-1-bit", 8, 1, .user_eq = true),
    FLAVOUR("hash-constant", 8, 0, .key_align = 0),
    FLAVOUR("hash-constant-string", 8, 0, .keys = GOMAP_KEYS_STRING),
};
const size_t t_flavour_count = sizeof t_flavours / sizeof *t_flavours;

const struct t_flavour *t_flavour_named(const char *name) {
    for (size_t i = 0; i < t_flavour_count; i++)
        if (!strcmp(t_flavours[i].name, name)) return &t_flavours[i];
    return NULL;
}

bool t_flavour_clumps(const struct t_flavour *f) { return f->hash_bits < 32; }

static char borrowed[T_BORROWED_KEYS][40];

static void make_borrowed(void) {
    for (unsigned i = 0; i < T_BORROWED_KEYS; i++) snprintf(borrowed[i], sizeof borrowed[i], "%u", i);
}

/* String keys: the number, then 0 to 45 letters that follow from it. */
static size_t make_string(uint64_t number, char *out) {
    size_t n = (size_t)sprintf(out, "%llu", (unsigned long long)number);
    for (size_t extra = t_mix(number) % 46; extra; extra--, n++) out[n] = (char)('a' + (number + extra) % 26);
    return n;
}

const void *t_key(const struct t_flavour *f, uint64_t number, struct t_key *room) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (f->keys == GOMAP_KEYS_BORROWED) {
        pthread_once(&once, make_borrowed);
        if (number >= T_BORROWED_KEYS) abort();
        room->str = (gomap_str){borrowed[number], strlen(borrowed[number])};
        return &room->str;
    }
    if (f->keys == GOMAP_KEYS_STRING) {
        size_t n = make_string(number, (char *)room->bytes);
        room->str = (gomap_str){(char *)room->bytes, n};
        return &room->str;
    }
    for (size_t at = 0; at < f->key_size; at += 8) {
        uint64_t word = at ? t_mix(number + at) : number;
        memcpy(room->bytes + at, &word, f->key_size - at < 8 ? f->key_size - at : 8);
    }
    return room->bytes;
}

uint64_t t_key_number(const struct t_flavour *f, const void *key) {
    struct t_key again;
    uint64_t number = 0;
    if (f->keys == GOMAP_KEYS_FIXED) {
        memcpy(&number, key, f->key_size < 8 ? f->key_size : 8);
        return memcmp(t_key(f, number, &again), key, f->key_size) == 0 ? number : ~UINT64_C(0);
    }
    gomap_str s;
    memcpy(&s, key, sizeof s);
    for (size_t i = 0; i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9'; i++)
        number = number * 10 + (uint64_t)(s.ptr[i] - '0');
    if (f->keys == GOMAP_KEYS_BORROWED && number >= T_BORROWED_KEYS) return ~UINT64_C(0);
    const gomap_str *want = t_key(f, number, &again);
    return want->len == s.len && !memcmp(want->ptr, s.ptr, s.len) ? number : ~UINT64_C(0);
}

static uint64_t hash_of_bits(const void *key, const struct t_flavour *f) {
    uint64_t h = t_mix(t_key_number(f, key));
    return f->hash_bits >= 63 ? h : h & ((UINT64_C(1) << f->hash_bits) - 1);
}

static uint64_t user_hash(const void *key, void *ctx) { return hash_of_bits(key, ctx); }

static int user_eq(const void *a, const void *b, void *ctx) {
    return t_key_number(ctx, a) == t_key_number(ctx, b);
}

gomap_config t_flavour_config(const struct t_flavour *f, struct t_alloc *alloc) {
    gomap_config c = GOMAP_CONFIG(f->key_size, sizeof(uint64_t));
    c.keys = f->keys, c.key_align = f->key_align, c.values = f->values;
    c.hashing = f->hashing, c.mode = f->mode;
    if (f->keys != GOMAP_KEYS_FIXED) c.key_size = 0;
    if (f->hash_bits != 64) c.hash = user_hash;
    if (f->user_eq) c.eq = user_eq;
    c.ctx = (void *)(uintptr_t)f;
    if (f->own_alloc && alloc) c.alloc = &alloc->api;
    return c;
}

gomap *t_flavour_new(const struct t_flavour *f, struct t_alloc *alloc) {
    gomap_config c = t_flavour_config(f, alloc);
    if (getenv("GOMAP_TEST_VERBOSE")) fprintf(stderr, "# flavour %s\n", f->name);
    return t_new(&c);
}

gomap_err tf_put(gomap *m, const struct t_flavour *f, uint64_t number, uint64_t value) {
    struct t_key room;
    return gomap_put(m, t_key(f, number, &room), &value);
}

bool tf_get(const gomap *m, const struct t_flavour *f, uint64_t number, uint64_t *value) {
    struct t_key room;
    const void *p = gomap_get(m, t_key(f, number, &room));
    if (p) memcpy(value, p, sizeof *value);
    return p != NULL;
}

bool tf_del(gomap *m, const struct t_flavour *f, uint64_t number) {
    struct t_key room;
    return gomap_delete(m, t_key(f, number, &room));
}

struct t_sum tf_sum(const gomap *m, const struct t_flavour *f) {
    struct t_sum s = {0, 0};
    gomap_iter it;
    for (gomap_iter_init(&it, m); gomap_iter_next(&it);) {
        uint64_t v;
        memcpy(&v, it.value, sizeof v);
        s.n++;
        s.sum += t_pair(t_key_number(f, it.key), v);
    }
    return s;
}
