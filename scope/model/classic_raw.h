/* classic_raw.h - a classic map as it lies in the target; private to the backend (classic.c, classic_table.c). */
#ifndef MS_CLASSIC_RAW_H
#define MS_CLASSIC_RAW_H

#include "gomap/inspect.h"

#include "model.h"

struct ms_classic_raw {
    uint64_t addr;
    struct gomap_classic c;
    struct gomap_classic_desc d;
};

/* Read one map until it holds still.  As ms_raw_read. */
enum ms_read ms_classic_read(struct ms_reader *r, uint64_t addr, uint64_t id, struct ms_classic_raw *out,
                             enum ms_certainty *certainty, const char **doubt);
/* Are two readings of the same arrays? */
bool ms_classic_same(const struct gomap_classic *a, const struct gomap_classic *b);
/* Fill the model's figures (not its names) from a checked reading. */
void ms_classic_fill(const struct ms_classic_raw *raw, struct ms_map *out);

/* classic_pieces.c */
int ms_classic_pieces(struct ms_telling *t, const struct ms_snapshot *s, const struct ms_map *m, bool deep,
                      struct ms_error *err);

static inline bool ms_classic_growing(const struct ms_classic_raw *raw) {
    return raw->c.h.oldbuckets != NULL;
}
/* Buckets of the current array, and of the old one of a growth; pools not counted. */
static inline uint64_t ms_classic_buckets(const struct ms_classic_raw *raw) {
    return raw->c.h.buckets ? UINT64_C(1) << raw->c.h.B : 0;
}
static inline uint64_t ms_classic_old_buckets(const struct ms_classic_raw *raw) {
    if (!ms_classic_growing(raw)) return 0;
    return UINT64_C(1) << (raw->c.h.B - !(raw->c.h.flags & GOMAP_HMAP_SAME_SIZE));
}

#endif
