/* conflicts.c - a merge that must settle what both sides have: who decides, and how often the key is looked up.
 *
 *     conflicts ENGINE HOW N PERCENT SEED      ENGINE: gomap, classic
 *
 * N entries are merged into N others, PERCENT of which have keys that are there already.  HOW:
 *     replace     the later one wins: put
 *     keep        the first one wins: put if absent
 *     sum         both values are added in the slot: one lookup
 *     sum-twice   get, then put of the sum: two lookups
 *     callback    a function of the caller's decides in the slot, through a pointer
 * Prints processor time and the number of conflicts that were settled.
 */
#include "../merges/meter.h"

#include <gomap/classic.h>

enum { STRIDE = 7919 }; /* a prime: with n that it does not divide, i * STRIDE % n takes every value once */

static void ok(gomap_err err) {
    if (err) fail("%s", gomap_strerror(err));
}

struct map {
    gomap *go;
    gomap_classic *classic;
};

/* The slot of a key, made if absent. */
static uint64_t *slot(const struct map *m, const uint64_t *key, bool *is_new) {
    void *value;
    ok(m->go ? gomap_get_or_insert(m->go, key, &value, is_new)
             : gomap_classic_assign(m->classic, key, &value, is_new));
    return value;
}
static void put(const struct map *m, const uint64_t *key, const uint64_t *value) {
    ok(m->go ? gomap_put(m->go, key, value) : gomap_classic_put(m->classic, key, value));
}
static uint64_t *get(const struct map *m, const uint64_t *key) {
    return m->go ? gomap_get(m->go, key) : gomap_classic_get(m->classic, key);
}

typedef uint64_t (*resolver)(uint64_t old, uint64_t new);
static uint64_t larger(uint64_t old, uint64_t new) { return old > new ? old : new; }

/* Merge n entries; how many were there already. */
static uint64_t merge(const struct map *m, const char *how, const uint64_t *keys, const uint64_t *values,
                      size_t n) {
    uint64_t conflicts = 0;
    resolver volatile decide = larger; /* volatile: called, whatever the compiler knows */
    bool is_new;
    if (!strcmp(how, "replace")) {
        for (size_t i = 0; i < n; i++) put(m, &keys[i], &values[i]);
    } else if (!strcmp(how, "keep")) {
        for (size_t i = 0; i < n; i++) {
            uint64_t *v = slot(m, &keys[i], &is_new);
            if (is_new) *v = values[i];
            conflicts += !is_new;
        }
    } else if (!strcmp(how, "sum")) {
        for (size_t i = 0; i < n; i++) {
            *slot(m, &keys[i], &is_new) += values[i];
            conflicts += !is_new;
        }
    } else if (!strcmp(how, "sum-twice")) {
        for (size_t i = 0; i < n; i++) {
            const uint64_t *old = get(m, &keys[i]);
            uint64_t sum = (old ? *old : 0) + values[i];
            conflicts += old != NULL;
            put(m, &keys[i], &sum);
        }
    } else if (!strcmp(how, "callback")) {
        for (size_t i = 0; i < n; i++) {
            uint64_t *v = slot(m, &keys[i], &is_new);
            *v = is_new ? values[i] : decide(*v, values[i]);
            conflicts += !is_new;
        }
    } else {
        fail("no way to settle '%s'", how);
    }
    return conflicts;
}

static uint64_t expected(const char *how, uint64_t old, uint64_t new) {
    return !strcmp(how, "replace")   ? new
           : !strcmp(how, "keep")    ? old
           : !strncmp(how, "sum", 3) ? old + new
                                     : larger(old, new);
}

/* The i-th entry's key by number: below n it is there already.  Those lie scattered among the new ones. */
static uint64_t number(size_t i, size_t n, size_t shared) { return i * STRIDE % n + n - shared; }

int main(int argc, char **argv) {
    if (argc != 6) fail("usage: conflicts gomap|classic replace|keep|sum|sum-twice|callback N PERCENT SEED");
    const size_t n = number_arg(argv[3], "N", 100, 1000000000),
                 percent = number_arg(argv[4], "PERCENT", 0, 100);
    const uint64_t base = number_arg(argv[5], "SEED", 0, UINT32_MAX) << 32;
    if (n % STRIDE == 0) fail("N: no multiples of %d", STRIDE);
    const size_t shared = n / 100 * percent, all = 2 * n - shared;
    struct map m = {0};
    if (!strcmp(argv[1], "gomap")) {
        gomap_config c = GOMAP_CONFIG(sizeof(uint64_t), sizeof(uint64_t));
        c.capacity = all;
        ok(gomap_new(&c, &m.go));
    } else if (!strcmp(argv[1], "classic")) {
        gomap_classic_config c = GOMAP_CLASSIC_CONFIG(sizeof(uint64_t), sizeof(uint64_t));
        c.hint = (int64_t)all;
        ok(gomap_classic_new(&c, &m.classic));
    } else {
        fail("no engine '%s'", argv[1]);
    }
    uint64_t *keys = need(malloc(n * sizeof *keys)), *values = need(malloc(n * sizeof *values));
    for (size_t i = 0; i < n; i++) put(&m, &(uint64_t){mix(base + i)}, &(uint64_t){mix(i) >> 8});
    for (size_t i = 0; i < n; i++) keys[i] = mix(base + number(i, n, shared)), values[i] = mix(~i) >> 8;
    uint64_t start = cpu_ns();
    uint64_t conflicts = merge(&m, argv[2], keys, values, n);
    uint64_t ns = cpu_ns() - start;
    size_t len = m.go ? gomap_len(m.go) : gomap_classic_len(m.classic);
    if (len != all) fail("%s: %zu entries, not %zu", argv[2], len, all);
    if (strcmp(argv[2], "replace") && conflicts != shared)
        fail("%llu conflicts, not %zu", (unsigned long long)conflicts, shared);
    for (size_t i = 0; i < n; i++) {
        uint64_t key = number(i, n, shared);
        uint64_t want = key < n ? expected(argv[2], mix(key) >> 8, values[i]) : values[i];
        const uint64_t *got = get(&m, &keys[i]);
        must(got && *got == want, "a conflict was settled wrongly");
    }
    printf("{\"ns\":%llu,\"per_entry\":%.3f,\"conflicts\":%zu}\n", (unsigned long long)ns,
           (double)ns / (double)n, shared);
    gomap_free(m.go);
    gomap_classic_free(m.classic);
    free(keys), free(values);
    return 0;
}
