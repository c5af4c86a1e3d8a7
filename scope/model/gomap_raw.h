/* gomap_raw.h - a gomap as it lies in the target, read by the protocol of inspect.h; private to the
 * backend (gomap.c, gomap_raw.c, gomap_table.c). */
#ifndef MS_GOMAP_RAW_H
#define MS_GOMAP_RAW_H

#include "gomap/inspect.h"

#include "model.h"

/* Limits no gomap exceeds: what lies beyond is not a gomap. */
enum {
    MS_DESC_SIZE_MAX = 4096, /* of a key or a value */
    MS_SLOT_SIZE_MAX = 4 * 4096,
    MS_STASH_DEPTH = 3, /* a map, its stash, and one more to be sure */
    MS_TRIES = 60,      /* readings of one map before it is called changing */
};
#define MS_GROUPS_MAX (UINT64_C(1) << 40)

struct ms_raw {
    uint64_t addr;
    struct gomap m;
    struct gomap_side side; /* zeros when there is none */
    bool has_side;
    struct gomap_desc desc;
    uint64_t stash_bytes, stash_count;
};

/* The geometry of one array of a table. */
struct ms_geom {
    uint64_t groups, meta, slots, links;
    uint32_t group_slots; /* 15, or the slots of a SMALL table */
};

/* Is this a description of a type?  NULL, or the field that cannot be. */
const char *ms_desc_check(const struct gomap_desc *d, uint32_t size);

/* Does the header agree with itself, its type and its side record?  NULL, or the field that does not. */
const char *ms_raw_check(const struct ms_raw *raw);

/* Did nothing but the count change between two readings of a header? */
bool ms_raw_same(const struct gomap *a, const struct gomap *b);

/* Fill the model's figures (not its names) from a checked reading. */
void ms_raw_fill(const struct ms_raw *raw, struct ms_map *out);

/* All bytes the map has allocated, its stash included. */
uint64_t ms_raw_bytes(const struct ms_raw *raw);

/* Are the entries split over two arrays? */
bool ms_raw_two_arrays(const struct ms_raw *raw);
struct ms_geom ms_raw_geom(const struct ms_raw *raw, bool low);

/* Read one map, again and again until it holds still.  *certainty says how well that went, *doubt (a
 * constant) why not; fields are meaningful unless MS_DAMAGED.  MS_READ_FAULT: it is not there (any more). */
enum ms_read ms_raw_read(struct ms_reader *r, uint64_t addr, uint64_t id, uint32_t cookie, int depth,
                         struct ms_raw *out, enum ms_certainty *certainty, const char **doubt);

/* gomap_pieces.c */
int ms_gomap_pieces(struct ms_telling *t, const struct ms_snapshot *s, const struct ms_map *m, bool deep,
                    struct ms_error *err);

#endif
