/* drawings FOLDER - the pictures and tables of docs/go-map.md, from the memory of classic maps.
 *
 * Each scene drives a map to a state by the public functions of gomap/classic.h and draws what is there then: nothing
 * in a picture is put in by hand but its titles, and a scene that does not reach the state its title speaks of ends
 * the program.  Hash, hash seeds and start points of iterations are given, so each run writes the same bytes.
 *
 *   scenes.c   states, step by step: FOLDER/NAME.svg      panel.c    a map's state as a picture
 *   figures.c  tables of numbers:    FOLDER/NAME.txt      canvas.c   SVG
 *
 * `script/drawings` puts the pictures and tables into docs/; a test compares them. */
#include "canvas.h"
#include "scenes.h"

enum { KEY_BYTES = sizeof(uint64_t) };

/* The finalizer of splitmix64: every bit of x changes half of the bits of the result. */
static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t hash_of(const void *key, uint32_t seed, void *chance) {
    (void)chance;
    return mix(*(const uint64_t *)key + mix(seed));
}

static uint64_t random_of(void *chance) {
    struct chance *c = chance;
    return mix(c->state += UINT64_C(0x9e3779b97f4a7c15));
}

gomap_classic_config map_config(struct chance *chance, int64_t hint) {
    gomap_classic_config config = GOMAP_CLASSIC_CONFIG(KEY_BYTES, sizeof(uint64_t));
    config.hint = hint;
    config.hash = hash_of;
    config.random = random_of;
    config.ctx = chance;
    return config;
}

gomap_classic *new_map(struct chance *chance, int64_t hint) {
    gomap_classic_config config = map_config(chance, hint);
    gomap_classic *map;
    if (gomap_classic_new(&config, &map)) die("out of memory");
    return map;
}

void insert(gomap_classic *map, uint64_t key) {
    uint64_t elem = key * 10;
    if (gomap_classic_put(map, &key, &elem)) die("out of memory");
}

void insert_range(gomap_classic *map, uint64_t first, uint64_t last) {
    for (uint64_t key = first; key <= last; key++) insert(map, key);
}

gomap_classic_stats stats_of(const gomap_classic *map) {
    gomap_classic_stats stats = {.size = sizeof stats};
    expect(gomap_classic_get_stats(map, &stats) == GOMAP_OK, "numbers of a map");
    return stats;
}

void expect(bool holds, const char *what) {
    if (!holds) die("a scene did not come to its state: %s", what);
}

int main(int argc, char **argv) {
    static void (*const scenes[])(const char *folder) = {
        draw_first, draw_overflow, draw_growing, draw_deleting, draw_packing,  draw_iterating, draw_clearing,
        draw_pool,  table_layout,  table_bytes,  table_limits,  table_growths, table_hints,    table_chains,
    };
    if (argc != 2) return fputs("usage: drawings FOLDER\n", stderr), 2;
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) scenes[i](argv[1]);
    return 0;
}
