/* tests/abi/count_calls.c - the program whose instructions count_calls.py counts: a map is filled, then looked into.
 *
 * What is counted stands in functions of its own, by whose names callgrind is told when to count.  Random words come
 * from here and not from the system, so that two runs do the same to the last instruction.
 */
#define _GNU_SOURCE
#include <gomap/observe.h>
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
COUNTED counted_typed_puts(gomap *m);
COUNTED counted_typed_puts_rare(gomap *m);
COUNTED counted_typed_puts_hooked(gomap *m);
COUNTED counted_typed_hits_hooked(const gomap *m);
COUNTED counted_puts(gomap *m);
COUNTED counted_puts_hooked(gomap *m);

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

/* The same loops with hooks and without; what the comment says keeps compilers from making one function of them. */
#define OVER_ALL(name, map, what)                                                                            \
    COUNTED name(map m) {                                                                                    \
        uint64_t n = 0;                                                                                      \
        __asm__ volatile("# " #name);                                                                        \
        for (uint64_t k = 0; k < ENTRIES; k++) n += (what);                                                  \
        return n;                                                                                            \
    }
OVER_ALL(counted_typed_puts, gomap *, u64map_put(m, k, k) == GOMAP_OK)
OVER_ALL(counted_typed_puts_rare, gomap *, u64map_put(m, k, k) == GOMAP_OK)
OVER_ALL(counted_typed_puts_hooked, gomap *, u64map_put(m, k, k) == GOMAP_OK)
OVER_ALL(counted_typed_hits_hooked, const gomap *, u64map_get(m, k) != NULL)
OVER_ALL(counted_puts, gomap *, gomap_put(m, &k, &k) == GOMAP_OK)
OVER_ALL(counted_puts_hooked, gomap *, gomap_put(m, &k, &k) == GOMAP_OK)

static void empty_put(const gomap *m, const void *key, void *value, bool is_new, void *ctx) {
    (void)m, (void)key, (void)value, (void)is_new, (void)ctx;
}
static void empty_grow(const gomap *m, uint64_t from, uint64_t to, bool done, void *ctx) {
    (void)m, (void)from, (void)to, (void)done, (void)ctx;
}

/* Hooks of what is rare, then of every put. */
static bool with_hooks(gomap *m) {
    gomap_hooks h = {.size = sizeof h, .on_grow = empty_grow};
    uint64_t n = counted_typed_puts(m) + counted_puts(m);
    gomap_err err = gomap_set_hooks(m, &h);
    if (err) return err == GOMAP_ENOENT; /* a library without */
    n += counted_typed_puts_rare(m);
    h.on_put = empty_put;
    if (gomap_set_hooks(m, &h)) return false;
    n += counted_typed_puts_hooked(m) + counted_puts_hooked(m) + counted_typed_hits_hooked(m);
    return n == 6 * ENTRIES;
}

int main(int argc, char **argv) {
    gomap *m;
    gomap_config c = GOMAP_CONFIG(0, 0);
    c.hashing = argc > 1 && argv[1][0] == 'p' ? GOMAP_HASHING_PORTABLE : GOMAP_HASHING_AUTO;
    if (u64map_new_with(c, &m)) return 1;
    if (counted_inserts(m)) return 1;
    if (counted_typed_hits(m) != LOOKUPS || counted_hits(m) != LOOKUPS) return 1;
    if (counted_typed_misses(m) || counted_misses(m)) return 1;
    if (!with_hooks(m)) return 1;
    gomap_stats s = {.size = sizeof s};
    if (gomap_get_stats(m, &s)) return 1;
    /* what the counts are per, and what observation costs in memory */
    printf("entries=%d lookups=%d bytes=%llu\n", ENTRIES, LOOKUPS, (unsigned long long)s.bytes);
    gomap_free(m);
    return 0;
}
