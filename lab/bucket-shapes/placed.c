/* placed.c - a real classic map whose arrays and overflow buckets begin at a chosen place modulo 64.
 *
 *     placed BASE ENTRIES LOOKUPS SEED
 *
 * Prints processor time of hits that depend on each other, of misses and of an iteration. */
#include "../measure.h"

#include "gomap/classic.h"
#include "gomap/inspect.h"

enum { LINE = 64 };

static size_t base;

static void *placed_alloc(size_t size, size_t align, void *ctx) {
    (void)align, (void)ctx;
    uint8_t *p = aligned_alloc(LINE, (size + base + LINE - 1) / LINE * LINE);
    return p ? p + base : NULL;
}
static void placed_free(void *ptr, size_t size, size_t align, void *ctx) {
    (void)size, (void)align, (void)ctx;
    free((uint8_t *)ptr - base);
}

static double time_hits(const gomap_classic *map, uint64_t n, uint64_t seed, uint64_t lookups) {
    uint64_t at = 0, start = cpu_ns();
    for (uint64_t i = 0; i < lookups; i++) {
        const uint64_t *v = gomap_classic_get64(map, mix(seed ^ at));
        must(v, "a key is lost");
        at += *v; /* always 1, which the processor cannot know */
        if (at == n) at = 0;
    }
    return (double)(cpu_ns() - start) / (double)lookups;
}

static double time_misses(const gomap_classic *map, uint64_t n, uint64_t seed, uint64_t lookups) {
    uint64_t found = 0, start = cpu_ns();
    for (uint64_t i = 0; i < lookups; i++) found += gomap_classic_get64(map, mix(seed ^ (n + i))) != NULL;
    uint64_t took = cpu_ns() - start;
    must(!found, "an absent key is there");
    return (double)took / (double)lookups;
}

static double time_iteration(const gomap_classic *map, uint64_t n) {
    uint64_t seen = 0, start = cpu_ns();
    gomap_classic_iter it;
    for (gomap_classic_iter_init(&it, map); gomap_classic_iter_next(&it);) seen += *(const uint64_t *)it.elem;
    uint64_t took = cpu_ns() - start;
    must(seen == n, "an iteration has not seen every entry once");
    return (double)took / (double)n;
}

int main(int argc, char **argv) {
    const gomap_alloc alloc = {placed_alloc, placed_free, NULL};
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(sizeof(uint64_t), sizeof(uint64_t));
    gomap_classic *map;
    must(argc == 5, "usage: placed BASE ENTRIES LOOKUPS SEED");
    base = number_arg(argv[1], "base", 0, LINE - 16);
    must(base % 16 == 0, "base: a multiple of 16, the alignment a map asks for");
    uint64_t n = number_arg(argv[2], "entries", 1, UINT32_MAX);
    uint64_t lookups = number_arg(argv[3], "lookups", 1, UINT32_MAX);
    uint64_t seed = number_arg(argv[4], "seed", 0, 1 << 20) << 40, one = 1;
    c.alloc = &alloc;
    must(!gomap_classic_new(&c, &map), "out of memory");
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = mix(seed ^ i);
        must(!gomap_classic_put(map, &key, &one), "out of memory");
    }
    must((uintptr_t)((const struct gomap_classic *)map)->h.buckets % LINE == base,
         "the array begins elsewhere");
    (void)time_hits(map, n, seed, n); /* into the cache, as far as it fits */
    double hit = time_hits(map, n, seed, lookups), miss = time_misses(map, n, seed, lookups);
    printf("{\"hit_ns\":%.3f,\"miss_ns\":%.3f,\"sweep_ns\":%.3f}\n", hit, miss, time_iteration(map, n));
    gomap_classic_free(map);
    return 0;
}
