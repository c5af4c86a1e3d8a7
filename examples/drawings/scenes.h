/* scenes.h - what drawings.c runs; each writes one file per picture or table into folder. */
#ifndef SCENES_H
#define SCENES_H

#include <gomap/classic.h>

void draw_first(const char *folder);
void draw_overflow(const char *folder);
void draw_growing(const char *folder);
void draw_deleting(const char *folder);
void draw_packing(const char *folder);
void draw_iterating(const char *folder); /* two pictures */
void draw_clearing(const char *folder);
void draw_pool(const char *folder);

void table_layout(const char *folder);
void table_bytes(const char *folder);
void table_limits(const char *folder);
void table_growths(const char *folder);
void table_hints(const char *folder);
void table_chains(const char *folder);

/* What scenes share (drawings.c). */

/* Where hash seeds and start points of iterations come from: the same at each run. */
struct chance {
    uint64_t state;
};

/* A map from uint64_t to uint64_t with the hash below. */
gomap_classic_config map_config(struct chance *chance, int64_t hint);
gomap_classic *new_map(struct chance *chance, int64_t hint);
uint64_t hash_of(const void *key, uint32_t seed, void *chance);
void insert(gomap_classic *map, uint64_t key);
/* Insert first, first + 1, ..., last. */
void insert_range(gomap_classic *map, uint64_t first, uint64_t last);
gomap_classic_stats stats_of(const gomap_classic *map);
/* The state a scene says it shows; else the program ends. */
void expect(bool holds, const char *what);

#endif
