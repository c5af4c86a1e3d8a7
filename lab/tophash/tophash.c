/* tophash.c - what the tophash bytes are worth: key comparisons and time of lookups with and without them.
 *
 *     tophash lookups KEYS B LOAD SEED    KEYS u64 or string; 2^B buckets with LOAD hundredths of an entry each
 *     tophash uses SEED                   how often lookups hash, and which of them find keys under wrong tophash bytes
 *
 * The same loop is compiled twice, over the same table of a real classic map: once it compares a key only where the
 * tophash is the key's (Go's generic lookup), once wherever the slot is not empty.  The hash is computed in both.
 * "library" is the map's own lookup, generic and as Go's compiler would choose it; "one_tophash" the generic one in a
 * map whose hash gives all keys the same tophash, so that the filter is there and lets everything through. */
#include "subject.h"

#include "gomap/classic.h"
#include "gomap/inspect.h"

enum { PASSES = 3 };

static uint64_t hash_calls;
static bool one_top;

static uint64_t finish(uint64_t hash) {
    return one_top ? (hash & (UINT64_MAX >> 8)) | UINT64_C(7) << 56 : hash;
}
static uint64_t hash_number(const void *key, uint32_t hash0, void *ctx) {
    (void)ctx, hash_calls++;
    return finish(mix(*(const uint64_t *)key ^ hash0));
}
static uint64_t hash_string(const void *key, uint32_t hash0, void *ctx) {
    (void)ctx, hash_calls++;
    return finish(hash_text(key, hash0));
}

static gomap_classic *make(bool string, unsigned flags, size_t hint) {
    gomap_classic_config c = string ? GOMAP_CLASSIC_CONFIG_STRING(8) : GOMAP_CLASSIC_CONFIG(8, 8);
    gomap_classic *m;
    c.hash = string ? hash_string : hash_number;
    c.flags = flags;
    c.hint = (int64_t)hint;
    must(!gomap_classic_new(&c, &m), "out of memory");
    return m;
}

/* ---- the loop, with and without the filter -------------------------------------------------------------- */

/* Is key in the map?  filter, string and count are constants wherever this is called. */
INLINED const uint8_t *look_up(const gomap_classic *m, const void *key, bool filter, bool string, bool count,
                               uint64_t *compared) {
    const struct gomap_classic_desc *d = m->desc;
    uint64_t hash = string ? hash_string(key, m->h.hash0, NULL) : hash_number(key, m->h.hash0, NULL);
    uint8_t top = (uint8_t)(hash >> 56);
    if (top < GOMAP_TOP_MIN) top = (uint8_t)(top + GOMAP_TOP_MIN);
    const uint8_t *b = m->h.buckets + (hash & ((UINT64_C(1) << m->h.B) - 1)) * d->bucket_size;
    for (; b; b = *(uint8_t *const *)(const void *)(b + d->overflow_off))
        for (unsigned i = 0; i < GOMAP_BUCKET_SLOTS; i++) {
            if (b[i] == GOMAP_TOP_EMPTY_REST) return NULL;
            if (filter ? b[i] != top : b[i] == GOMAP_TOP_EMPTY_ONE) continue;
            if (count) ++*compared;
            const uint8_t *k = b + GOMAP_BUCKET_KEYS + i * d->key_slot;
            if (string ? !by_string(k, key) : !memcmp(k, key, 8)) return b + d->elem_off + i * d->elem_slot;
        }
    return NULL;
}

struct queries {
    const gomap_classic *m;
    const struct keys *k;
    size_t first, n;
    bool string, present;
};
static const void *query(const struct queries *q, size_t i) {
    return q->string ? (const void *)&q->k->string[q->first + i] : (const void *)&q->k->number[q->first + i];
}

INLINED size_t found_by_loop(const struct queries *q, bool filter, bool string, bool count,
                             uint64_t *compared) {
    size_t found = 0;
    for (size_t i = 0; i < q->n; i++)
        found += look_up(q->m, query(q, i), filter, string, count, compared) != NULL;
    return found;
}
static size_t found_by_library(const struct queries *q) {
    size_t found = 0;
    for (size_t i = 0; i < q->n; i++) found += gomap_classic_get(q->m, query(q, i)) != NULL;
    return found;
}

/* The four loops as functions of their own, so that each is compiled alone. */
#define LOOP(name, filter, string)                                                                           \
    __attribute__((noinline)) static size_t name(const struct queries *q) {                                  \
        return found_by_loop(q, filter, string, false, NULL);                                                \
    }
LOOP(number_filtered, true, false)
LOOP(number_unfiltered, false, false)
LOOP(string_filtered, true, true)
LOOP(string_unfiltered, false, true)

static double compared_by(const struct queries *q, bool filter) {
    uint64_t compared = 0;
    size_t found = q->string ? found_by_loop(q, filter, true, true, &compared)
                             : found_by_loop(q, filter, false, true, &compared);
    must(found == (q->present ? q->n : 0), "a lookup has found too little or too much");
    return (double)compared / (double)q->n;
}

static double time_of(const struct queries *q, size_t (*loop)(const struct queries *)) {
    uint64_t best = UINT64_MAX;
    for (int pass = 0; pass < PASSES; pass++) {
        uint64_t start = cpu_ns();
        size_t found = loop(q);
        uint64_t took = cpu_ns() - start;
        must(found == (q->present ? q->n : 0), "a lookup has found too little or too much");
        if (took < best) best = took;
    }
    return (double)best / (double)q->n;
}

/* ---- lookups ------------------------------------------------------------------------------------------- */

struct maps {
    gomap_classic *generic, *fast, *same_top;
};

static void fill(gomap_classic *m, const struct keys *k, size_t n, unsigned b, bool string) {
    for (size_t i = 0; i < n; i++)
        must(!gomap_classic_put(m, string ? (const void *)&k->string[i] : &k->number[i], &i),
             "out of memory");
    must(m->h.B == b && !m->h.oldbuckets, "not the table that was asked for");
}

static void put_lookups(const char *name, const struct maps *maps, struct queries q) {
    q.m = maps->generic;
    json_open(name, '{');
    json_real("compared_filtered", compared_by(&q, true));
    json_real("compared_unfiltered", compared_by(&q, false));
    json_real("filtered", time_of(&q, q.string ? string_filtered : number_filtered));
    json_real("unfiltered", time_of(&q, q.string ? string_unfiltered : number_unfiltered));
    json_real("library", time_of(&q, found_by_library));
    q.m = maps->fast;
    json_real("library_fast", time_of(&q, found_by_library));
    q.m = maps->same_top;
    one_top = true;
    json_real("one_tophash", time_of(&q, found_by_library));
    one_top = false;
    json_close('}');
}

static void lookups(bool string, unsigned b, uint64_t load, uint64_t seed) {
    size_t n = (size_t)((load << b) / 100), room = (size_t)gomap_classic_grow_at(b) - 1;
    if (n > room || n == 0) fail("%llu entries do not go into a table of %zu", (unsigned long long)n, room);
    struct keys k = make_keys(2 * n, seed);
    struct maps maps = {make(string, GOMAP_CLASSIC_GENERIC_PATH, room), make(string, 0, room), NULL};
    fill(maps.generic, &k, n, b, string);
    fill(maps.fast, &k, n, b, string);
    one_top = true;
    maps.same_top = make(string, GOMAP_CLASSIC_GENERIC_PATH, room);
    fill(maps.same_top, &k, n, b, string);
    one_top = false;
    json_open(NULL, '{');
    json_int("entries", n);
    put_lookups("hit", &maps,
                (struct queries){.k = &k, .first = 0, .n = n, .string = string, .present = true});
    put_lookups("miss", &maps,
                (struct queries){.k = &k, .first = n, .n = n, .string = string, .present = false});
    json_close('}');
    gomap_classic_free(maps.generic);
    gomap_classic_free(maps.fast);
    gomap_classic_free(maps.same_top);
    free_keys(&k);
}

/* ---- what lookups use ---------------------------------------------------------------------------------- */

static bool spoil(const gomap_classic_bucket *b, void *ctx) {
    uint8_t *tops = (uint8_t *)(uintptr_t)b->tophash;
    (void)ctx;
    for (int i = 0; i < GOMAP_BUCKET_SLOTS; i++)
        if (tops[i] >= GOMAP_TOP_MIN) tops[i] = tops[i] == UINT8_MAX ? GOMAP_TOP_MIN : (uint8_t)(tops[i] + 1);
    return true;
}

/* Every tophash byte of an entry becomes that of another hash: who compares it finds nothing any more. */
static void uses_of(const char *name, bool string, unsigned flags, uint64_t seed) {
    enum { N = 5000 };
    struct keys k = make_keys(2 * N, seed);
    gomap_classic *m = make(string, flags, N);
    fill(m, &k, N, gomap_classic_hint_b(N), string);
    struct queries q = {.m = m, .k = &k, .n = N, .string = string, .present = true};
    json_open(name, '{');
    hash_calls = 0;
    must(found_by_library(&q) == N, "entries were lost");
    json_real("hashes_per_hit", (double)hash_calls / N);
    q.first = N;
    hash_calls = 0;
    must(found_by_library(&q) == 0, "absent keys were found");
    json_real("hashes_per_miss", (double)hash_calls / N);
    q.first = 0;
    gomap_classic_visit(m, spoil, NULL);
    json_real("found_under_wrong_tophash", (double)found_by_library(&q) / N);
    json_close('}');
    gomap_classic_free(m);
    free_keys(&k);
}

static void uses(uint64_t seed) {
    json_open(NULL, '{');
    uses_of("int", false, 0, seed);
    uses_of("string", true, 0, seed);
    uses_of("generic", false, GOMAP_CLASSIC_GENERIC_PATH, seed);
    json_close('}');
}

int main(int argc, char **argv) {
    if (argc == 3 && is(argv[1], "uses"))
        uses(number_arg(argv[2], "SEED", 0, UINT32_MAX));
    else if (argc == 6 && is(argv[1], "lookups"))
        lookups(either(argv[2], "string", "u64"), (unsigned)number_arg(argv[3], "B", 4, 24),
                number_arg(argv[4], "LOAD", 1, 650), number_arg(argv[5], "SEED", 0, UINT32_MAX));
    else
        fail("usage: tophash lookups u64|string B LOAD SEED, tophash uses SEED");
    putchar('\n');
    return 0;
}
