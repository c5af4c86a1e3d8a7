/* tests/abi/debuggee.c - a program to debug: docs/debugging.md looks into it, and a test repeats that.
 *
 * Its maps are the same in each run and on each machine: random words come from here, hashes from plain arithmetic.
 */
#define _GNU_SOURCE
#include <gomap/typed.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

struct city {
    int people, founded;
};
GOMAP_DEFINE(squares, uint64_t, uint64_t);
GOMAP_DEFINE_STR(cities, struct city);

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

__attribute__((noinline)) static void add_squares(gomap *m, uint64_t from, uint64_t to) {
    for (uint64_t k = from; k < to; k++)
        if (squares_put(m, k, k * k)) abort();
}

/* All keys in one quad: they fill it, its chain, the stash, and the list behind that. */
static uint64_t constant(const void *key, void *ctx) {
    (void)key, (void)ctx;
    return 42;
}

static bool half_done(const gomap *m) {
    return m->side->walk == GOMAP_WALK_GROW && m->side->walk_quads_done * 2 >= m->side->walk_quads_total;
}

/* Maps in states that are harder to read: a growth in place and one between two blocks, both half done; a clump. */
static void add_hard_ones(gomap **in_place, gomap **two_blocks, gomap **clump) {
    gomap_config c = GOMAP_CONFIG(8, 8);
    gomap **made[] = {in_place, two_blocks, clump};
    const char *const name[] = {"in place", "two blocks", "clump"};
    for (int i = 0; i < 3; i++) {
        c.name = name[i];
        c.hash = i == 2 ? constant : NULL;
        if (gomap_new(&c, made[i])) abort();
        const uint64_t least[] = {20000, 200, 500};
        for (uint64_t k = 0; k < least[i] || (i < 2 && !half_done(*made[i])); k++)
            if (gomap_put(*made[i], &k, &k)) abort();
    }
}

__attribute__((noinline)) static void report(const gomap *city, const gomap *square) {
    __asm__ volatile("" : : "r"(city), "r"(square)); /* a place to stop at */
}

int main(void) {
    gomap *city, *square;
    gomap_config c = GOMAP_CONFIG_STRING(0), s = GOMAP_CONFIG(0, 0);
    c.hashing = s.hashing = GOMAP_HASHING_PORTABLE;
    s.name = "squares";
    if (cities_new_with(c, &city) || squares_new_with(s, &square)) return 1;
    if (cities_put_s(city, "Oslo", (struct city){717710, 1040})) return 1;
    if (cities_put_s(city, "Turku", (struct city){202250, 1229})) return 1;
    if (cities_put_s(city, "Riga", (struct city){605273, 1201})) return 1;
    add_squares(square, 0, 25);
    report(city, square);
    add_squares(square, 25, 100);
    gomap *hard[3];
    add_hard_ones(&hard[0], &hard[1], &hard[2]);
    report(city, square);
    for (int i = 0; i < 3; i++) gomap_free(hard[i]);
    gomap_free(city);
    gomap_free(square);
    return 0;
}
