/* retire.c - do bucket arrays that a growth retires piece by piece go back like those freed with their map?
 *
 *     retire ENTRIES
 *
 *   at once      fill to the middle of a growth, free the map: both arrays, overflow buckets, cells
 *   by growth    fill through every growth: each write evacuates two old chains, the last one frees the old array
 *   pinned       the same, and before each growth an iterator is begun, which keeps the array it walks; all end before the map
 *
 * The map's allocator counts. One JSON document, for each way, for pointer-free and pointer-holding buckets, and for elems
 * in cells: bytes allocated in all, bytes handed back before the map was freed, bytes left after it (exit code 1 unless
 * 0), growths. */
#include "../measure.h"

#include <gomap/classic.h>

enum { ITERATORS = 64, LARGE = 200 };

struct counted {
    uint64_t made, freed, growths;
};

static void *counted_alloc(size_t size, size_t align, void *ctx) {
    void *p = NULL;
    if (posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size)) return NULL;
    ((struct counted *)ctx)->made += size;
    return p;
}
static void counted_free(void *p, size_t size, size_t align, void *ctx) {
    (void)align;
    ((struct counted *)ctx)->freed += size;
    free(p);
}
static void grow_done(const gomap_classic *map, unsigned b, void *ctx) {
    (void)map, (void)b;
    ((struct counted *)ctx)->growths++;
}

static bool growing(const gomap_classic *map) {
    gomap_classic_stats s = {.size = sizeof s};
    must(!gomap_classic_get_stats(map, &s), "no stats");
    return s.growing;
}

static void put(gomap_classic *map, uint64_t i) {
    static unsigned char elem[LARGE];
    const uint64_t key = mix(i);
    must(!gomap_classic_put(map, &key, elem), "put failed");
}

static void fill(gomap_classic *map, uint64_t n, bool stop_growing, gomap_classic_iter *pins,
                 size_t *pinned) {
    bool was = false;
    for (uint64_t i = 0; i < n || (stop_growing && !growing(map)); i++) {
        put(map, i);
        if (!pins || *pinned == ITERATORS) continue;
        const bool now = growing(map);
        if (was && !now) { /* an array that will be old one day */
            gomap_classic_iter_init(&pins[*pinned], map);
            must(gomap_classic_iter_next(&pins[*pinned]), "an empty map");
            ++*pinned;
        }
        was = now;
    }
}

static void measure(const char *way, unsigned flags, size_t elem, uint64_t n, bool first) {
    struct counted counted = {0};
    const gomap_alloc alloc = {.alloc = counted_alloc, .free = counted_free, .ctx = &counted};
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(sizeof(uint64_t), elem);
    c.flags = flags, c.alloc = &alloc, c.hooks.grow_done = grow_done, c.hooks.ctx = &counted;
    gomap_classic *map;
    gomap_classic_iter pins[ITERATORS];
    size_t pinned = 0;
    must(!gomap_classic_new(&c, &map), "no map");
    fill(map, n, !strcmp(way, "at once"), strcmp(way, "pinned") ? NULL : pins, &pinned);
    const uint64_t held = counted.freed;
    for (size_t i = 0; i < pinned; i++) gomap_classic_iter_end(&pins[i]);
    const uint64_t before = counted.freed;
    gomap_classic_free(map);
    printf("%s{\"way\":\"%s\",\"elem_bytes\":%zu,\"pointers\":%s,\"made\":%llu,\"back_while_pinned\":%llu,"
           "\"back_before_free\":%llu,\"left\":%lld,\"growths\":%llu}",
           first ? "" : ",", way, elem, flags ? "true" : "false", (unsigned long long)counted.made,
           (unsigned long long)held, (unsigned long long)before, (long long)(counted.made - counted.freed),
           (unsigned long long)counted.growths);
    if (counted.made != counted.freed)
        fail("%s: %llu bytes made, %llu freed", way, (unsigned long long)counted.made,
             (unsigned long long)counted.freed);
}

int main(int argc, char **argv) {
    static const char *const ways[] = {"at once", "by growth", "pinned"};
    must(argc == 2, "usage: retire ENTRIES");
    const uint64_t n = number_arg(argv[1], "ENTRIES", 1000, 1u << 30);
    printf("{\"entries\":%llu,\"ways\":[", (unsigned long long)n);
    for (int i = 0; i < 3; i++) {
        measure(ways[i], 0, sizeof(uint64_t), n, i == 0);
        measure(ways[i], GOMAP_CLASSIC_ELEM_POINTERS, sizeof(void *), n, false);
        measure(ways[i], 0, LARGE, n, false);
    }
    printf("]}\n");
    return 0;
}
