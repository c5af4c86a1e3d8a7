/* tests/abi/count_calls.c - the program whose instructions count_calls.py counts: a map is filled, then looked into.
 *
 * What is counted stands in functions of its own, by whose names callgrind is told when to count.  Random words come
 * from here and not from the system, so that two runs do the same to the last instruction.
 */
#define _GNU_SOURCE
#include <gomap/typed.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

GOMAP_DEFINE(u64map, uint64_t, uint64_t);

enum { ENTRIES = 20000, LOOKUPS = 20000 };

/* In place of the C library's: the library is linked statically. */
ssize_t getrandom(void *to, size_t n, unsigned flags) {
    static uint64_t state;
    (void)flags;
    for (uint8_t *p = to, *end = p + n; p < end; p++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
        *p = (uint8_t)(state >> 56);
    }
    return (ssize_t)n;
}

/* Counted from entry to return. */
#define COUNTED __attribute__((noinline)) uint64_t
COUNTED counted_typed_hits(const gomap *m);
COUNTED counted_typed_misses(const gomap *m);
COUNTED counted_hits(const gomap *m);
COUNTED counted_misses(const gomap *m);
COUNTED counted_inserts(gomap *m);

COUNTED counted_typed_hits(const gomap *m) {
    uint64_t found = 0;
    for (uint64_t k = 0; k < LOOKUPS; k++) found += u64map_get(m, k) != NULL;
    return found;
}

COUNTED counted_typed_misses(const gomap *m) {
    uint64_t found = 0;
    for (uint64_t k = ENTRIES; k < ENTRIES + LOOKUPS; k++) found += u64map_get(m, k) != NULL;
    return found;
}

COUNTED counted_hits(const gomap *m) {
    uint64_t found = 0;
    for (uint64_t k = 0; k < LOOKUPS; k++) found += gomap_get(m, &k) != NULL;
    return found;
}

COUNTED counted_misses(const gomap *m) {
    uint64_t found = 0;
    for (uint64_t k = ENTRIES; k < ENTRIES + LOOKUPS; k++) found += gomap_get(m, &k) != NULL;
    return found;
}

COUNTED counted_inserts(gomap *m) {
    uint64_t failed = 0;
    for (uint64_t k = 0; k < ENTRIES; k++) failed += gomap_put(m, &k, &k) != GOMAP_OK;
    return failed;
}

int main(int argc, char **argv) {
    gomap *m;
    gomap_config c = GOMAP_CONFIG(0, 0);
    c.hashing = argc > 1 && argv[1][0] == 'p' ? GOMAP_HASHING_PORTABLE : GOMAP_HASHING_AUTO;
    if (u64map_new_with(c, &m)) return 1;
    if (counted_inserts(m)) return 1;
    if (counted_typed_hits(m) != LOOKUPS || counted_hits(m) != LOOKUPS) return 1;
    if (counted_typed_misses(m) || counted_misses(m)) return 1;
    gomap_stats s = {.size = sizeof s};
    if (gomap_get_stats(m, &s)) return 1;
    /* what the counts are per, and what observation costs in memory */
    printf("entries=%d lookups=%d bytes=%llu\n", ENTRIES, LOOKUPS, (unsigned long long)s.bytes);
    gomap_free(m);
    return 0;
}
