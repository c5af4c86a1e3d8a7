/* openmetrics.h - what a monitoring system scrapes: OpenMetrics 1.0, or the text format Prometheus had before.
 *
 * docs/metrics.md has every family with its meaning; the two tables in openmetrics.c are what it is about.
 */
#ifndef MS_OPENMETRICS_H
#define MS_OPENMETRICS_H

#include "../view/forecast.h"
#include "../view/series.h"

#include <stdio.h>

/* A process, or why there are no figures of it. */
struct ms_scraped {
    const char *process; /* label; NULL: only one target is told, and its samples have no such label */
    int pid;
    bool up;                        /* else only that is told */
    uint64_t maps_made, maps_freed; /* MS_UNKNOWN: nobody counts them */
    uint64_t rss_bytes;             /* 0: not known */
    uint64_t look_ns,
        pause_ns;          /* of the last look: how long it took, how long the target was stopped for it */
    uint64_t looked_at_ns; /* CLOCK_REALTIME */
    struct ms_room room;
    struct ms_series series;
    char *version; /* of the library, or of Go; NULL: not known.  Cleaned (ms_view_label). */
};
/* Take over what a snapshot says; texts are copied. */
void ms_scraped_fill(struct ms_scraped *s, const struct ms_snapshot *snap, const struct ms_room *room,
                     size_t most);
void ms_scraped_free(struct ms_scraped *s);

enum ms_exposition {
    MS_OPENMETRICS,    /* 1.0.0 */
    MS_PROMETHEUS_TEXT /* 0.0.4 */
};
const char *ms_exposition_type(enum ms_exposition form); /* Content-Type */
/* version: of the tool; left_out: processes that are not told for want of room, MS_UNKNOWN: there is but one.  Each family once,
 * with the samples of all targets; time and size proportional to the rows. */
void ms_openmetrics(FILE *f, enum ms_exposition form, const char *version, const struct ms_scraped *target,
                    size_t targets, uint64_t left_out);
/* The same figures as a document of mapscope/1; snap: of the one target. */
void ms_json_metrics(FILE *f, const struct ms_snapshot *snap, const struct ms_scraped *target);

#endif
