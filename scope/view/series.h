/* series.h - maps as rows for a monitoring system: few, with labels that stay, and sums that lose nothing.
 *
 * A time series costs its store memory for as long as it is kept, so how many there are must not be the target's choice:
 *
 *   maps (any number) --> rows by (map, type), texts cut and cleaned --> the largest by bytes ... one row "other"
 *
 * Maps that share both labels are one row of sums.  No label holds an address, or the number of a goroutine.  Sums over all
 * rows are the totals of all maps, whatever is cut.  Rows own their texts: they outlive the snapshot.
 */
#ifndef MS_SERIES_H
#define MS_SERIES_H

#include "view.h"

enum {
    MS_SERIES_MOST = 1000,      /* rows, unless another limit is asked for */
    MS_SERIES_LIMIT = 100000,   /* more are refused */
    MS_SERIES_LABEL_BYTES = 96, /* of a label; what is longer is cut */
};

struct ms_series_row {
    char *map;  /* name, or place, or the line that makes it; "other": all that have no row of their own */
    char *type; /* "": of "other" */
    uint64_t hash;
    uint64_t maps, entries, slots, slots_live, bytes, part[MS_PARTS], waste, rebuild_gain;
    uint64_t resident; /* MS_UNKNOWN: not asked for */
    uint64_t growths;  /* of maps that count them; MS_UNKNOWN: none does */
    uint64_t alarms, growing, shrinking;
    uint64_t pending_groups; /* that growths and shrinks under way have still to move */
    uint64_t until_growth;   /* entries, of the map nearest to it; MS_UNKNOWN */
    uint64_t growth_bytes;   /* more, at the peak of the largest next growth; MS_UNKNOWN */
};

struct ms_series {
    struct ms_series_row *row; /* the largest first, "other" last */
    size_t rows, room;
    uint64_t folded;    /* rows in "other" */
    uint64_t uncertain; /* maps that were not read in one consistent state; damaged ones have no figures */
};

/* At most `most` rows and "other".  Time: maps x log(rows); memory: rows. */
void ms_view_series(const struct ms_map *maps, size_t n, size_t most, struct ms_series *out);
void ms_view_series_free(struct ms_series *s);
/* A text as a label: valid UTF-8, no control and no invisible character, at most MS_SERIES_LABEL_BYTES bytes; out of one
 * more. What is replaced or cut is a '?' or "~".  Different texts may become one. */
void ms_view_label(const char *text, char *out);

#endif
