/* offsets.c - where the classic map and gomap put things, as JSON; the same questions as go/main.go asks Go.
 *
 *     offsets           all of it
 *     offsets_lite      the same source under another compile-time profile: only the record differs
 *
 * A hundred types are made as real maps.  Offsets of the classic map are taken from the addresses a walk of its
 * buckets gives, and the overflow word is believed only where it holds the address of the next bucket. */
#include "../measure.h"

#include "gomap/classic.h"
#include "gomap/inspect.h"

#include <assert.h>
#include <stddef.h>

/* ---- structs ------------------------------------------------------------------------------------------- */

struct small {
    uint32_t Key;
    uint16_t Value;
};
struct large {
    uint64_t Key;
    uint8_t Value[3];
};
struct gaps {
    uint8_t a;
    int64_t b;
    bool c;
};
struct sorted {
    int64_t b;
    uint8_t a;
    bool c;
};
struct wide {
    uint64_t a;
    uint8_t b;
};

/* A record that a build can cut down; what both profiles have comes first, so that code for the lite one can read the
 * full one. */
#define LITE_FIELDS(F) F(int64_t, ID) F(gomap_str, Name)
#ifdef LAYOUT_LITE
#define FIELDS LITE_FIELDS
#else
#define FIELDS(F)                                                                                            \
    LITE_FIELDS(F)                                                                                           \
    F(gomap_str, Mail)                                                                                       \
    F(gomap_str, Team)                                                                                       \
    F(gomap_str, Town)                                                                                       \
    F(int64_t, Made)                                                                                         \
    F(int64_t, Seen)                                                                                         \
    F(double, Score)                                                                                         \
    F(double, Rate)                                                                                          \
    F(int64_t, Level)                                                                                        \
    F(int64_t, Flags)                                                                                        \
    F(int64_t, Parent)
#endif
#define DECLARE(type, name) type name;
struct record {
    FIELDS(DECLARE)
};
struct prefix {
    LITE_FIELDS(DECLARE)
};
static_assert(offsetof(struct record, Name) == offsetof(struct prefix, Name),
              "the profiles share their beginning");

static const char *comma = "";
static void field(const char *name, size_t offset, size_t size) {
    printf("%s{\"name\":\"%s\",\"offset\":%zu,\"size\":%zu}", comma, name, offset, size);
    comma = ",";
}
static void record_begin(const char *name, size_t size, size_t align) {
    printf("{\"name\":\"%s\",\"size\":%zu,\"align\":%zu,\"fields\":[", name, size, align);
    comma = "";
}
#define FIELD(s, f)              field(#f, offsetof(struct s, f), sizeof(((struct s *)0)->f))
#define BEGIN(s)                 record_begin(#s, sizeof(struct s), _Alignof(struct s))
#define RECORD_FIELD(type, name) FIELD(record, name);

static void print_structs(void) {
    printf("\"structs\":[");
    BEGIN(small), FIELD(small, Key), FIELD(small, Value), printf("]},");
    BEGIN(large), FIELD(large, Key), FIELD(large, Value), printf("]},");
    BEGIN(gaps), FIELD(gaps, a), FIELD(gaps, b), FIELD(gaps, c), printf("]},");
    BEGIN(sorted), FIELD(sorted, b), FIELD(sorted, a), FIELD(sorted, c), printf("]},");
    BEGIN(record);
    FIELDS(RECORD_FIELD)
    printf("]}],\"header\":");
    BEGIN(gomap_hmap), FIELD(gomap_hmap, count), FIELD(gomap_hmap, flags), FIELD(gomap_hmap, B);
    FIELD(gomap_hmap, noverflow), FIELD(gomap_hmap, hash0), FIELD(gomap_hmap, buckets);
    FIELD(gomap_hmap, oldbuckets), FIELD(gomap_hmap, nevacuate), FIELD(gomap_hmap, extra);
    printf("]},");
}

/* ---- maps ---------------------------------------------------------------------------------------------- */

static const struct type {
    const char *name;
    size_t size, align;
} types[] = {{"none", 0, 1},
             {"u8", 1, 1},
             {"u16", 2, 2},
             {"b3", 3, 1},
             {"u32", 4, 4},
             {"u64", 8, 8},
             {"string", sizeof(gomap_str), 8},
             {"wide", sizeof(struct wide), 8},
             {"b128", 128, 1},
             {"b129", 129, 1}};
enum { TYPES = sizeof types / sizeof *types, SLOTS = 8 };

static uint64_t same_hash(const void *key, uint32_t seed, void *ctx) {
    (void)key, (void)seed, (void)ctx;
    return 0;
}

struct walk {
    gomap_classic_bucket bucket[2];
    size_t n;
};
static bool note(const gomap_classic_bucket *b, void *ctx) {
    struct walk *w = ctx;
    if (w->n < 2) w->bucket[w->n++] = *b;
    return true;
}

/* Offset in the first bucket of the word that points to the second one; 0 if there is none or more than one. */
static size_t overflow_word(const struct walk *w, size_t bytes) {
    size_t found = 0, count = 0;
    for (size_t at = 0; w->n == 2 && at + sizeof(void *) <= bytes; at += sizeof(void *))
        if (!memcmp(w->bucket[0].tophash + at, &w->bucket[1].tophash, sizeof(void *))) found = at, count++;
    return count == 1 ? found : 0;
}

static void print_classic(const struct type *k, const struct type *e) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(k->size, e->size);
    gomap_classic *map;
    struct walk w = {.n = 0};
    unsigned char key[129] = {0};
    size_t entries = k->size ? SLOTS + 1 : 1;
    c.key_align = k->align, c.elem_align = e->align, c.hash = same_hash;
    must(!gomap_classic_new(&c, &map), "no classic map");
    for (size_t i = 0; i < entries; i++) { /* one hash for all: the ninth goes to an overflow bucket */
        key[0] = (unsigned char)i;
        must(!gomap_classic_put(map, key, NULL), "out of memory");
    }
    gomap_classic_visit(map, note, &w);
    const struct gomap_classic_desc *d = ((const struct gomap_classic *)map)->desc;
    const uint8_t *first = w.bucket[0].tophash;
    size_t keys = (size_t)((const uint8_t *)w.bucket[0].keys - first),
           elems = (size_t)((const uint8_t *)w.bucket[0].elems - first),
           link = k->size ? overflow_word(&w, d->bucket_size) : d->overflow_off;
    must(link == d->overflow_off, "the overflow word is not where the type says");
    printf("\"bytes\":%u,\"key_in\":%zu,\"elem_in\":%zu,\"parts\":[", d->bucket_size, w.bucket[0].key_slot,
           w.bucket[0].elem_slot);
    comma = "";
    field("topbits", 0, SLOTS), field("keys", keys, SLOTS * w.bucket[0].key_slot);
    field("elems", elems, SLOTS * w.bucket[0].elem_slot), field("overflow", link, sizeof(void *));
    printf("]");
    gomap_classic_free(map);
}

static void print_gomap(const struct type *k, const struct type *e) {
    gomap_config c = GOMAP_CONFIG(k->size, e->size);
    gomap *map;
    c.key_align = k->align, c.value_align = e->align;
    must(!gomap_new(&c, &map), "no gomap");
    const struct gomap_desc *d = ((const struct gomap *)map)->desc;
    printf(",\"gomap\":{\"slot\":%u,\"key_in\":%u,\"value_at\":%u,\"value_in\":%u}", d->slot_size,
           d->slot_key_size, d->val_off, d->slot_val_size);
    gomap_free(map);
}

/* Does the table of n entries have exactly 2^B buckets in use at most, and does every index occur at load 6? */
struct census {
    uint8_t *seen;
    size_t most, used;
};
static bool count_bucket(const gomap_classic_bucket *b, void *ctx) {
    struct census *c = ctx;
    if (b->index > c->most) c->most = b->index;
    c->used += !c->seen[b->index];
    c->seen[b->index] = 1;
    return true;
}

static void print_placing(size_t n) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(sizeof(uint64_t), sizeof(uint64_t));
    gomap_classic *map;
    gomap_classic_stats s = {.size = sizeof s};
    struct census census = {calloc(n + 1, 1), 0, 0};
    must(census.seen, "out of memory");
    c.hint = (int64_t)n;
    must(!gomap_classic_new(&c, &map), "no classic map");
    for (uint64_t i = 0; i < n; i++) must(!gomap_classic_put(map, &i, &i), "out of memory");
    must(!gomap_classic_get_stats(map, &s), "no stats");
    gomap_classic_visit(map, count_bucket, &census);
    printf("{\"entries\":%zu,\"B\":%u,\"buckets\":%zu,\"slots\":%llu}", n, s.B, census.used,
           (unsigned long long)s.slots);
    gomap_classic_free(map);
    free(census.seen);
}

int main(void) {
    printf("{");
    print_structs();
    printf("\"maps\":[");
    for (size_t k = 0; k < TYPES; k++) {
        for (size_t e = 0; e < TYPES; e++) {
            printf("%s{\"key\":\"%s\",\"elem\":\"%s\",", k + e ? "," : "", types[k].name, types[e].name);
            print_classic(&types[k], &types[e]);
            print_gomap(&types[k], &types[e]);
            printf("}");
        }
    }
    printf("],\"placing\":[");
    print_placing(8), printf(","), print_placing(1000), printf(","), print_placing(100000);
    printf("]}\n");
    return 0;
}
