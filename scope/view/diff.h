/* diff.h - the differences between two looks: which maps came, went, grew, shrank, or lost entries and kept their table. */
#ifndef MS_DIFF_H
#define MS_DIFF_H

#include "view.h"

enum ms_change {
    MS_CHANGE_CAME,
    MS_CHANGE_WENT,
    MS_CHANGE_GREW,    /* more bytes, or as many and more entries */
    MS_CHANGE_SHRANK,  /* less bytes */
    MS_CHANGE_EMPTIER, /* fewer entries in as many slots */
    MS_CHANGE_NONE,
    MS_CHANGES
};
const char *ms_change_name(enum ms_change c); /* in JSON and in expressions */

/* A map, or maps that are alike: then both are sums. */
struct ms_difference {
    const struct ms_map *before, *after; /* NULL: it was not there, is not there */
    char *name;                          /* of maps that are alike; NULL: one map */
    uint64_t maps_before, maps_after;
    uint8_t change; /* enum ms_change */
    bool fails;     /* what must not be is */
};

struct ms_diff {
    struct ms_difference *row; /* largest difference first; those without one are only counted */
    size_t rows, room;
    uint64_t changes[MS_CHANGES]; /* of maps, whatever the rows are */
    struct ms_map before, after;  /* sums of all */
    uint64_t maps_before, maps_after;
    uint64_t fails;      /* rows that do */
    bool other_process;  /* maps were told by their names, as ids say nothing */
    struct ms_map *sums; /* of clusters */
};

/* What is compared, and how it is shown. */
struct ms_diff_ask {
    enum ms_by by;
    const char *sort;                /* NULL: by bytes */
    const struct ms_filter *filter;  /* maps of either look; no terms: all */
    const struct ms_filter *fail_on; /* of differences; no terms: nothing fails */
};

/* Do both looks see the same process?  Then a map is the one with its id that has the same type, place and birth; else the
 * one with its label and type: the n-th of several is the n-th.  Pure; the rows point into the snapshots.
 * Cost: two sorts. */
int ms_view_diff(const struct ms_snapshot *a, const struct ms_snapshot *b, const struct ms_diff_ask *ask,
                 struct ms_diff *out, struct ms_error *err);
void ms_view_diff_free(struct ms_diff *d);

#endif
