/* smaps.h - what the kernel says of each mapping of a process; footprint.h has the sums. */
#ifndef MS_SMAPS_H
#define MS_SMAPS_H

#include "process.h"

struct ms_smap {
    uint64_t start, end;
    uint64_t resident, lazyfree, huge; /* bytes; huge: anonymous, in huge pages */
};

/* In ascending order; *out allocated, also on errors.  MS_GONE, MS_PERMISSION.  The kernel walks the page tables of the
 * whole process, with its mmap lock held for moments, once per buffer. */
int ms_smaps_load(struct ms_process *p, struct ms_smap **out, size_t *n, struct ms_error *err);

#endif
