/* regions.h - everything a process has mapped, by address. */
#ifndef MS_REGIONS_H
#define MS_REGIONS_H

#include "process.h"

struct ms_mapped {
    uint64_t start, end;
    char perms[5]; /* "rw-p"; of a core file "rw-" */
    char *name;    /* a path, "[heap]", or "" */
};
struct ms_regions {
    struct ms_mapped *mapped; /* ascending, without overlaps */
    size_t count, room;
};

/* MS_GONE, MS_PERMISSION. One read of maps. */
int ms_regions_load(struct ms_process *p, struct ms_regions *out, struct ms_error *err);
void ms_regions_free(struct ms_regions *r);
/* Number of those that start at or below addr. */
size_t ms_regions_until(const struct ms_regions *r, uint64_t addr);

#endif
