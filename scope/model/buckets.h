/* buckets.h - looks at arrays of buckets of eight, as Go's map up to 1.23 and the library's classic map have them; private to
 * their backends, which say where the arrays lie (begin) and whether they are still there (again). */
#ifndef MS_BUCKETS_H
#define MS_BUCKETS_H

#include "gomap/inspect.h"

#include "look.h"

/* A look at one map: the first member of a backend's own. */
struct ms_buckets {
    struct ms_reader *r;
    struct {
        uint64_t base, count; /* count: of buckets, without the pool behind them; 0: no such array */
    } array[2];               /* the present one; the old one of a growth */
    size_t size, link_at;     /* bytes of a bucket; where the link to the next is.  0: not known */
    ms_again_fn *again;
    uint64_t bound; /* entries by which the look may be wrong: begin and again keep it */
    /* of the look itself */
    uint64_t nodes;
    bool old, incomplete;
};

typedef int ms_buckets_begin(struct ms_buckets *b, struct ms_reader *r, const struct ms_map *m, struct ms_error *err);

/* As the functions of struct ms_backend.  b: room for the look, which begin fills. */
int ms_buckets_cells(struct ms_buckets *b, ms_buckets_begin *begin, struct ms_reader *r, const struct ms_map *m, bool old,
                     uint64_t first, uint64_t count, size_t max_cells, struct ms_cells *out, uint64_t *bound,
                     struct ms_error *err);
int ms_buckets_groups(struct ms_buckets *b, ms_buckets_begin *begin, struct ms_reader *r, const struct ms_map *m,
                      uint64_t first, uint64_t count, struct ms_group **out, size_t *n, struct ms_error *err);
/* Occupancy, chains and marks left by deletes, of both arrays. */
int ms_buckets_histograms(struct ms_buckets *b, ms_buckets_begin *begin, struct ms_reader *r, const struct ms_map *m,
                          struct ms_detail *d, struct ms_error *err);

/* Overflow buckets in the chains of an array that lie outside of the `bytes` from its start on.  Bounded. */
enum ms_read ms_buckets_outside(struct ms_buckets *b, bool old, uint64_t bytes, uint64_t *outside);

#endif
