/* gomemstats.h - what the runtime of a Go program says of its own heap. */
#ifndef MS_GOMEMSTATS_H
#define MS_GOMEMSTATS_H

#include "goruntime.h"

/* Bytes.  known false: only in_use is told, by the spans of the last walk. */
struct ms_gomemstats {
    bool known;
    uint64_t in_use;   /* spans with objects */
    uint64_t free;     /* pages in no span, kept */
    uint64_t released; /* given back to the system, or never used */
};

/* Of Go 1.18 and later, with debug information; after a walk.  A few reads. */
void ms_gomemstats_read(struct ms_go *go, struct ms_gomemstats *out);

#endif
