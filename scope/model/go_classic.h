/* go_classic.h - a map of Go up to 1.23 as it lies in the target; private to go_classic.c and go_classic_table.c. */
#ifndef MS_GO_CLASSIC_H
#define MS_GO_CLASSIC_H

#include "go_map.h"

enum { MS_GO_SAME_SIZE = 8, MS_GO_WRITING = 4, MS_GO_EMPTY_ONE = 1, MS_GO_TOP_LEAST = 5 };

struct ms_go_hmap {
    uint64_t addr, count, buckets, old, evacuated, extra;
    unsigned flags, b, noverflow;
    uint64_t next_overflow, list, old_list; /* of extra; lists: only of buckets without pointers */
    uint64_t listed, list_at, list_room, old_listed, old_list_at, old_list_room;
    unsigned header_bytes;
    uint8_t header[MS_GO_HEADER_MOST], again[MS_GO_HEADER_MOST];
    const struct ms_go_shape *shape;
    enum ms_read status; /* of its header */
    const char *bad;     /* the field that cannot be right; NULL: all can */
    bool held;           /* it was the same in the end */
};

/* Read one map until it holds still.  MS_READ_OK: *certainty says how it went, *doubt why it is not exact. */
enum ms_read ms_go_hmap_read(struct ms_reader *r, uint64_t addr, unsigned header_bytes,
                             const struct ms_go_shape *s, struct ms_go_hmap *h, enum ms_certainty *certainty,
                             const char **doubt);
/* Overflow buckets in chains that lie in none of the array's own, [array, array + bytes).  Bounded. */
enum ms_read ms_go_hmap_loose(struct ms_reader *r, const struct ms_go_shape *s, uint64_t array,
                              uint64_t buckets, uint64_t bytes, uint64_t *loose);
void ms_go_hmap_fill(struct ms_reader *r, const struct ms_snapshot *snap, const struct ms_go_hmap *h,
                     struct ms_map *m);

static inline uint64_t ms_go_hmap_buckets(const struct ms_go_hmap *h) {
    return h->buckets ? UINT64_C(1) << h->b : 0;
}
static inline uint64_t ms_go_hmap_old_buckets(const struct ms_go_hmap *h) {
    return h->old ? UINT64_C(1) << (h->b - !(h->flags & MS_GO_SAME_SIZE)) : 0;
}

#endif
