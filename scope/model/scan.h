/* scan.h - who holds a map of a C program: a conservative scan of its writable memory. */
#ifndef MS_SCAN_H
#define MS_SCAN_H

#include "holders.h"

struct ms_scan {
    const struct ms_scan_range { uint64_t start, end; } * range; /* memory to look through; ascending */
    size_t ranges;
    /* What the place is, and its name (allocated, or NULL); MS_ROOT_HEAP: no root, but memory that others hold. */
    enum ms_root (*name)(void *ctx, uint64_t addr, char **name);
    void *ctx;
};

/* Words that point to the map, and in up to MS_SCAN_DEPTH steps from what holds those.  At most `most` paths. */
enum { MS_SCAN_DEPTH = 4 };
int ms_scan_holders(struct ms_reader *r, const struct ms_scan *scan, uint64_t map, size_t most,
                    struct ms_holders *out, struct ms_error *err);

#endif
