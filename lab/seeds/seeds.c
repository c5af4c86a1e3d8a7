/* lab/seeds/seeds.c - what classic and gomap do with hash and seed; prints what go/main.go prints of real Go.
 *
 *     seeds MAPS KEYS
 *
 * classic runs twice: with the hash it has, of which only the tophash can be seen, and with one of ours, against which the
 * place of every entry is checked.
 */
#include "../measure.h"

#include "gomap/classic.h"
#include "gomap/probe.h"

enum { TOPS = 256 };

static double chi(const uint64_t *count, size_t from, size_t to) {
    double n = 0, sum = 0;
    for (size_t i = from; i < to; i++) n += (double)count[i];
    double mean = n / (double)(to - from);
    for (size_t i = from; i < to; i++) sum += ((double)count[i] - mean) * ((double)count[i] - mean) / mean;
    return sum;
}

static uint64_t own_hash(const void *key, uint32_t seed, void *ctx) {
    uint64_t k;
    (void)ctx;
    memcpy(&k, key, sizeof k);
    return mix(k ^ (uint64_t)seed << 17);
}

static gomap_classic *new_classic(bool own) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
    gomap_classic *map;
    if (own) c.hash = own_hash;
    must(!gomap_classic_new(&c, &map), "no classic map");
    return map;
}
static void put(gomap_classic *map, uint64_t key) { must(!gomap_classic_put(map, &key, &key), "no memory"); }
static uint32_t hash0(const gomap_classic *map) {
    return ((const struct gomap_hmap *)(const void *)map)->hash0;
}

struct places {
    uint64_t entries, low_bits, high_bits, moved, top[TOPS];
    uint64_t mask;
    uint32_t seed;
};

static bool note(const gomap_classic_bucket *b, void *ctx) {
    struct places *p = ctx;
    for (size_t i = 0; i < 8; i++) {
        if (b->tophash[i] < 5) continue;
        uint64_t h = own_hash((const char *)b->keys + 8 * i, p->seed, NULL), top = h >> 56;
        p->entries++, p->top[b->tophash[i]]++;
        p->low_bits += (h & p->mask) == b->index;
        p->high_bits += (top < 5 ? top + 5 : top) == b->tophash[i];
        p->moved += top < 5;
    }
    return true;
}

/* Keys 0, 1, 2, ... in one map; no growth is under way at the end. */
static gomap_classic *filled(bool own, size_t keys) {
    gomap_classic *map = new_classic(own);
    gomap_classic_stats s = {.size = sizeof s};
    for (uint64_t k = 0;; k++) {
        must(!gomap_classic_get_stats(map, &s), "no figures");
        if (k >= keys && !s.growing) return map;
        put(map, k);
    }
}

static void look(gomap_classic *map, struct places *p) {
    gomap_classic_stats s = {.size = sizeof s};
    must(!gomap_classic_get_stats(map, &s), "no figures");
    *p = (struct places){.mask = ((uint64_t)1 << s.B) - 1, .seed = s.hash0};
    gomap_classic_visit(map, note, p);
    must(p->entries == gomap_classic_len(map), "entries are missing in the table");
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}
static size_t different(uint64_t *value, size_t n) {
    size_t count = n != 0;
    qsort(value, n, sizeof *value, by_value);
    for (size_t i = 1; i < n; i++) count += value[i] != value[i - 1];
    return count;
}

static void classic(size_t maps, size_t keys) {
    uint64_t *seed = calloc(maps, sizeof *seed), zero[TOPS] = {0};
    must(seed, "out of memory");
    for (size_t i = 0; i < maps; i++) { /* key 0 in many maps, under the built-in hash */
        struct places p;
        gomap_classic *map = new_classic(false);
        put(map, 0);
        look(map, &p);
        for (int t = 0; t < TOPS; t++) zero[t] += p.top[t];
        seed[i] = hash0(map);
        gomap_classic_free(map);
    }
    struct places run, place;
    gomap_classic *map = filled(false, keys), *own = filled(true, keys), *one = new_classic(false);
    look(map, &run);
    look(own, &place);
    uint32_t before = hash0(map), one_before;
    uint64_t key = 1;
    gomap_classic_clear(map);
    put(one, key);
    one_before = hash0(one);
    must(gomap_classic_delete(one, &key), "a key was lost");
    /* tophashes 5 to 9 are twice as frequent: hashes of 0 to 4 go there */
    printf("\"classic\":{\"maps\":%zu,\"seeds\":%zu,\"zero\":{\"chi\":%.1f},\"run\":{\"chi\":%.1f},", maps,
           different(seed, maps), chi(zero, 10, TOPS), chi(run.top, 10, TOPS));
    printf("\"places\":{\"entries\":%lu,\"low_bits\":%lu,\"high_bits\":%lu,\"moved\":%lu},\"cleared\":%s,"
           "\"emptied\":%s}",
           (unsigned long)place.entries, (unsigned long)place.low_bits, (unsigned long)place.high_bits,
           (unsigned long)place.moved, hash0(map) != before ? "true" : "false",
           hash0(one) != one_before ? "true" : "false");
    gomap_classic_free(map);
    gomap_classic_free(own);
    gomap_classic_free(one);
    free(seed);
}

static gomap *new_gomap(void) {
    gomap_config c = GOMAP_CONFIG(8, 8);
    gomap *map;
    must(!gomap_new(&c, &map), "no gomap");
    return map;
}

/* The high byte chooses the group, the low byte is the tophash: both of key 0, and of keys 0, 1, 2, ... */
static void own(size_t maps, size_t keys) {
    uint64_t *seed = calloc(maps, sizeof *seed), zero[TOPS] = {0}, run[TOPS] = {0}, low[TOPS] = {0};
    size_t xored = 0, constant = 0;
    must(seed, "out of memory");
    for (size_t i = 0; i < maps; i++) {
        gomap *map = new_gomap();
        zero[gomap__hash_int(map, 0) >> 56]++;
        seed[i] = map->seed[0];
        gomap_free(map);
    }
    gomap *a = new_gomap(), *b = new_gomap();
    for (uint64_t k = 0, before = 0, d; k < keys; k++, before = d) {
        d = gomap__hash_int(a, k) ^ gomap__hash_int(b, k);
        xored += d == (a->seed[0] ^ b->seed[0]);
        constant += k && d == before;
        run[gomap__hash_int(a, k) >> 56]++, low[gomap__hash_int(a, k) & 0xff]++;
    }
    printf("\"gomap\":{\"maps\":%zu,\"seeds\":%zu,\"zero\":{\"chi\":%.1f},\"run\":{\"chi\":%.1f},\"tags\":{"
           "\"chi\":%.1f},"
           "\"integers\":{\"keys\":%zu,\"xored\":%zu,\"constant\":%zu}}",
           maps, different(seed, maps), chi(zero, 0, TOPS), chi(run, 0, TOPS), chi(low, 0, TOPS), keys, xored,
           constant);
    gomap_free(a);
    gomap_free(b);
    free(seed);
}

int main(int argc, char **argv) {
    must(argc == 3, "usage: seeds MAPS KEYS");
    size_t maps = number_arg(argv[1], "maps", 1, 1000000), keys = number_arg(argv[2], "keys", 1000, 10000000);
    printf("{");
    classic(maps, keys);
    printf(",");
    own(maps, keys);
    printf("}\n");
    return 0;
}
