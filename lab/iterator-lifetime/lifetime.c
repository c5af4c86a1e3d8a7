/* lab/iterator-lifetime/lifetime.c - what happens to the memory an iterator walks when its map grows.  Built with the address
 * sanitizer, the library included: a read of freed memory ends the program.
 *
 *     lifetime classic|gomap N SEED     iterate over N entries while many more are put and some deleted; every entry that
 *                                       stays must be seen once with its value, a deleted one not after its deletion
 *     lifetime bare N SEED              the same on classic, but the iterator lets go of its pins first: what a port without
 *                                       a collector does if it frees the old array when evacuation is done
 */
#include "../measure.h"

#include "gomap/classic.h"

struct test {
    size_t n;
    uint64_t seed;
    uint8_t *state; /* of key i: 0 not seen, 1 seen, 2 deleted */
    size_t steps, put, deleted;
    uint64_t held_most; /* arrays that only iterators hold; bytes of them */
    uint64_t held_bytes;
};

static void *take(size_t size, size_t align, void *ctx) {
    (void)ctx;
    void *p = NULL;
    return posix_memalign(&p, align < sizeof p ? sizeof p : align, size) ? NULL : p;
}
static void give(void *p, size_t size, size_t align, void *ctx) {
    (void)size, (void)align, (void)ctx;
    free(p);
}
/* Large arrays too come from malloc, where the sanitizer sees them. */
static const gomap_alloc from_malloc = {.alloc = take, .free = give};

static uint64_t value_of(uint64_t key) { return mix(key ^ 0x77); }

/* An entry was returned; keys from n on were added meanwhile and may be. */
static void seen(struct test *t, uint64_t key, uint64_t value) {
    must(value == value_of(key), "a value is not its key's");
    if (key >= t->n) return;
    must(t->state[key] != 1, "an entry was returned twice");
    must(t->state[key] != 2, "a deleted entry was returned");
    t->state[key] = 1;
}

/* A key to delete at this step: one not seen yet, or SIZE_MAX. */
static size_t victim(struct test *t) {
    size_t key = mix(t->seed + t->steps) % t->n;
    return t->steps % 4 == 0 && !t->state[key] ? key : SIZE_MAX;
}

static void check_all(const struct test *t) {
    for (size_t i = 0; i < t->n; i++) must(t->state[i] != 0, "an entry was never returned");
}

/* ---- classic ------------------------------------------------------------------------------------------- */

static gomap_classic *new_classic(const struct test *t) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
    gomap_classic *map;
    c.alloc = &from_malloc;
    must(!gomap_classic_new(&c, &map), "no classic map");
    for (uint64_t k = 0; k < t->n; k++) {
        uint64_t v = value_of(k);
        must(!gomap_classic_put(map, &k, &v), "no memory");
    }
    return map;
}

static gomap_classic_stats figures(const gomap_classic *map) {
    gomap_classic_stats s = {.size = sizeof s};
    must(!gomap_classic_get_stats(map, &s), "no figures");
    return s;
}

/* Ten new entries for each that is returned: several growths within one iteration. */
static void disturb_classic(struct test *t, gomap_classic *map) {
    for (int i = 0; i < 10; i++) {
        uint64_t k = t->n + t->put++, v = value_of(k);
        must(!gomap_classic_put(map, &k, &v), "no memory");
    }
    uint64_t gone = victim(t);
    if (gone != SIZE_MAX) {
        must(gomap_classic_delete(map, &gone), "a key was lost");
        t->state[gone] = 2, t->deleted++;
    }
    gomap_classic_stats s = figures(map);
    if (s.held_arrays > t->held_most) t->held_most = s.held_arrays;
    if (s.bytes_held > t->held_bytes) t->held_bytes = s.bytes_held;
}

static void classic(struct test *t) {
    gomap_classic *map = new_classic(t);
    gomap_classic_iter it;
    uint64_t grows = figures(map).grows;
    for (gomap_classic_iter_init(&it, map); t->steps < t->n && gomap_classic_iter_next(&it); t->steps++) {
        seen(t, *(const uint64_t *)it.key, *(const uint64_t *)it.elem);
        disturb_classic(t, map);
    }
    while (gomap_classic_iter_next(&it)) seen(t, *(const uint64_t *)it.key, *(const uint64_t *)it.elem);
    check_all(t);
    gomap_classic_stats s = figures(map);
    printf(
        "{\"entries\":%zu,\"put\":%zu,\"deleted\":%zu,\"growths\":%lu,\"held_arrays\":%lu,\"held_bytes\":%lu,"
        "\"held_after\":%lu}\n",
        t->n, t->put, t->deleted, (unsigned long)(s.grows - grows), (unsigned long)t->held_most,
        (unsigned long)t->held_bytes, (unsigned long)s.held_arrays);
    gomap_classic_free(map);
}

/* The iterator's struct is copied, and the original ended: nothing holds the array that the copy goes on to read. */
static void bare(struct test *t) {
    gomap_classic *map = new_classic(t);
    gomap_classic_iter it, copy;
    gomap_classic_iter_init(&it, map);
    must(gomap_classic_iter_next(&it), "an empty map");
    copy = it;
    gomap_classic_iter_end(&it);
    uint64_t grows = figures(map).grows;
    while (figures(map).grows == grows || figures(map).growing) {
        uint64_t k = t->n + t->put++, v = value_of(k);
        must(!gomap_classic_put(map, &k, &v), "no memory");
    }
    while (gomap_classic_iter_next(&copy)) seen(t, *(const uint64_t *)copy.key, *(const uint64_t *)copy.elem);
    printf("{\"put\":%zu}\n", t->put); /* not reached: the sanitizer ends the program */
}

/* ---- gomap --------------------------------------------------------------------------------------------- */

static void own(struct test *t) {
    gomap_config c = GOMAP_CONFIG(8, 8);
    gomap *map;
    gomap_iter it;
    gomap_stats s = {.size = sizeof s};
    c.alloc = &from_malloc;
    must(!gomap_new(&c, &map), "no gomap");
    for (uint64_t k = 0, v; k < t->n; k++) v = value_of(k), must(!gomap_put(map, &k, &v), "no memory");
    must(!gomap_get_stats(map, &s), "no figures");
    uint64_t grows = s.grows;
    for (gomap_iter_init(&it, map); gomap_iter_next(&it); t->steps++) {
        seen(t, *(const uint64_t *)it.key, *(const uint64_t *)it.value);
        for (int i = 0; i < 10 && t->steps < t->n; i++) {
            uint64_t k = t->n + t->put++, v = value_of(k);
            must(!gomap_put(map, &k, &v), "no memory");
        }
        uint64_t gone = victim(t);
        if (gone == SIZE_MAX) continue;
        must(gomap_delete(map, &gone), "a key was lost");
        t->state[gone] = 2, t->deleted++;
    }
    check_all(t);
    must(!gomap_get_stats(map, &s), "no figures");
    printf("{\"entries\":%zu,\"put\":%zu,\"deleted\":%zu,\"growths\":%lu,\"held_arrays\":0,\"held_bytes\":0,"
           "\"held_after\":0}\n",
           t->n, t->put, t->deleted, (unsigned long)(s.grows - grows));
    gomap_free(map);
}

int main(int argc, char **argv) {
    must(argc == 4, "usage: lifetime classic|bare|gomap N SEED");
    struct test t = {.n = number_arg(argv[2], "N", 100, 10000000),
                     .seed = number_arg(argv[3], "seed", 0, UINT32_MAX)};
    t.state = calloc(t.n, 1);
    must(t.state, "out of memory");
    if (!strcmp(argv[1], "classic"))
        classic(&t);
    else if (!strcmp(argv[1], "bare"))
        bare(&t);
    else if (!strcmp(argv[1], "gomap"))
        own(&t);
    else
        fail("no such map: %s", argv[1]);
    free(t.state);
    return 0;
}
