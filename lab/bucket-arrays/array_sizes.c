/* array_sizes.c - how large bucket arrays are, what a growth makes of them, and how full their buckets get.
 *
 *     array_sizes sizes             buckets and bytes of the arrays of four types, as real maps hold them
 *     array_sizes grow ENTRIES      every growth on the way there: bytes of the array before and after
 *     array_sizes fill              12 keys in one bucket and 3 in the next; and 1 024 buckets just before they double
 */
#include "../measure.h"

#include "gomap/classic.h"
#include "gomap/inspect.h"

enum { B_MOST = 12, SLOTS = 8, CHAINS = 1024 };

static const struct {
    const char *name;
    bool string;
    size_t key, elem;
    unsigned flags;
} types[] = {{"uint64 to uint8", false, 8, 1, 0},
             {"uint64 to uint64", false, 8, 8, 0},
             {"string to uint64", true, 16, 8, 0},
             {"string to string", true, 16, 16, GOMAP_CLASSIC_ELEM_POINTERS}};

static gomap_classic_config config(size_t type) {
    gomap_classic_config c = types[type].string ? GOMAP_CLASSIC_CONFIG_STRING(types[type].elem)
                                                : GOMAP_CLASSIC_CONFIG(types[type].key, types[type].elem);
    c.flags = types[type].flags;
    return c;
}

static void print_sizes(void) {
    const char *comma = "";
    printf("[");
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        for (unsigned b = 1; b <= B_MOST; b++, comma = ",") {
            gomap_classic_config c = config(t);
            gomap_classic *map;
            c.hint = 13 * (1 << b) / 2; /* the most entries that 2^b buckets take */
            must(!gomap_classic_new(&c, &map), "out of memory");
            const struct gomap_classic *m = (const struct gomap_classic *)map;
            must(m->h.B == b, "another B than the hint asks for");
            printf("%s{\"type\":\"%s\",\"B\":%u,\"bytes\":%u,\"buckets\":%llu}", comma, types[t].name, b,
                   m->desc->bucket_size, (unsigned long long)m->array_buckets);
            gomap_classic_free(map);
        }
    }
    printf("]\n");
}

/* ---- growth -------------------------------------------------------------------------------------------- */

static void note_growth(const gomap_classic *map, unsigned before, unsigned after, size_t bytes, void *ctx) {
    const struct gomap_classic *m = (const struct gomap_classic *)map;
    bool *first = ctx;
    (void)before;
    printf("%s[%zu,%u,%llu,%zu]", *first ? "" : ",", gomap_classic_len(map), after,
           (unsigned long long)m->array_buckets * m->desc->bucket_size, bytes);
    *first = false;
}

static void grow_classic(size_t type, uint64_t n) {
    gomap_classic_config c = config(type);
    gomap_classic *map;
    bool first = true;
    c.hooks.grow_start = note_growth, c.hooks.ctx = &first;
    must(!gomap_classic_new(&c, &map), "out of memory");
    for (uint64_t i = 0; i < n; i++) must(!gomap_classic_put(map, &i, &i), "out of memory");
    gomap_classic_free(map);
}

/* Entries at each growth of a gomap, its slots and table bytes before, and its slots when the growth is done. */
static void grow_gomap(uint64_t n) {
    gomap_config c = GOMAP_CONFIG(sizeof(uint64_t), sizeof(uint64_t));
    gomap *map;
    gomap_stats before = {.size = sizeof before}, now = before;
    const char *comma = "";
    must(!gomap_new(&c, &map), "out of memory");
    for (uint64_t i = 0; i < n; i++) {
        must(!gomap_put(map, &i, &i) && !gomap_get_stats(map, &now), "out of memory");
        if (now.walk) continue;
        if (now.slots != before.slots && before.slots) {
            printf("%s[%llu,%llu,%llu,%llu]", comma, (unsigned long long)now.entries,
                   (unsigned long long)before.slots, (unsigned long long)before.bytes,
                   (unsigned long long)now.bytes);
            comma = ",";
        }
        before = now;
    }
    gomap_free(map);
}

/* ---- fill ---------------------------------------------------------------------------------------------- */

/* The key's low byte chooses the bucket. */
static uint64_t chosen_hash(const void *key, uint32_t seed, void *ctx) {
    uint64_t k;
    (void)seed, (void)ctx;
    memcpy(&k, key, sizeof k);
    return mix(k) << 8 | (k & 0xff);
}

struct chains {
    unsigned keys[CHAINS], overflow[CHAINS];
};
static bool count_keys(const gomap_classic_bucket *b, void *ctx) {
    struct chains *c = ctx;
    must(b->index < CHAINS, "more buckets than expected");
    for (int i = 0; i < SLOTS; i++) c->keys[b->index] += b->tophash[i] >= GOMAP_TOP_MIN;
    c->overflow[b->index] += b->depth > 0;
    return true;
}
static void print_chains(const gomap_classic *map, size_t n) {
    struct chains c = {{0}, {0}};
    gomap_classic_visit(map, count_keys, &c);
    for (size_t i = 0; i < n; i++) printf("%s[%u,%u]", i ? "," : "", c.keys[i], c.overflow[i]);
}

static void print_fill(void) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(sizeof(uint64_t), sizeof(uint64_t));
    gomap_classic *map;
    c.hash = chosen_hash, c.hint = 15;
    must(!gomap_classic_new(&c, &map), "out of memory");
    for (uint64_t i = 0; i < 15; i++) {
        uint64_t key = i << 8 | (i >= 12);
        must(!gomap_classic_put(map, &key, &i), "out of memory");
    }
    printf("{\"made\":[");
    print_chains(map, 2);
    gomap_classic_free(map);
    c.hash = NULL, c.hint = CHAINS * 13 / 2;
    must(!gomap_classic_new(&c, &map), "out of memory");
    for (uint64_t i = 0; i < CHAINS * 13 / 2; i++) must(!gomap_classic_put(map, &i, &i), "out of memory");
    printf("],\"full\":[");
    print_chains(map, CHAINS);
    printf("]}\n");
    gomap_classic_free(map);
}

int main(int argc, char **argv) {
    must(argc > 1, "usage: array_sizes sizes | grow ENTRIES | fill");
    if (!strcmp(argv[1], "sizes")) {
        print_sizes();
    } else if (!strcmp(argv[1], "fill")) {
        print_fill();
    } else {
        must(argc == 3, "usage: array_sizes grow ENTRIES");
        uint64_t n = number_arg(argv[2], "entries", 1, 100000000);
        printf("{\"classic uint64 to uint64\":["), grow_classic(1, n);
        printf("],\"classic uint64 to uint8\":["), grow_classic(0, n);
        printf("],\"gomap uint64 to uint64\":["), grow_gomap(n), printf("]}\n");
    }
    return 0;
}
