/* forecast.h - the next growth of each map: when, what it takes, and whether there is room for it. */
#ifndef MS_FORECAST_H
#define MS_FORECAST_H

#include "doctor.h"

/* Room for memory, in bytes; MS_UNKNOWN: not known, or no limit. */
struct ms_room {
    uint64_t limit, used; /* of the tightest memory limit over the process */
    uint64_t available;   /* of the machine, without swapping */
};
/* The lesser of what limit and machine leave. */
uint64_t ms_room_left(const struct ms_room *r);

/* What is known of a map is of the last look.  Rates are net entries a second: what is put, less what is deleted. */
struct ms_forecast {
    uint64_t map;                  /* its number in the last look */
    double rate, slowest, fastest; /* over all looks; of the stretches between two that follow each other */
    bool spread;                   /* there were such stretches: slowest and fastest are bounds */
    uint64_t entries_left;         /* until the insert that begins a growth; it is about so many if `about` */
    bool about;                    /* tables of a Swiss map grow one by one, when keys happen to fill one */
    double seconds, soonest, latest;  /* INFINITY: not at that rate */
    uint64_t bytes_after, bytes_peak; /* of the whole map; MS_UNKNOWN */
    uint64_t more;                    /* bytes that the peak takes beyond what there is; MS_UNKNOWN */
    bool fits;                        /* into the room that is left; true where either is not known */
};

/* Of each map that will grow some day, soonest first, then nearest first; those whose entries rise before the others.
 * Allocated; returns how many.  looks: at least one; with one, no rate is known and all are 0. */
size_t ms_view_forecast(const struct ms_look *look, size_t looks, const struct ms_room *room,
                        struct ms_forecast **out);

#endif
