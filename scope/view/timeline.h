/* timeline.h - events of maps and of the program on one axis, ends matched with their beginnings.  Pure. */
#ifndef MS_TIMELINE_H
#define MS_TIMELINE_H

#include "../model/model.h"

/* An event, and what the others tell about it. */
struct ms_moment {
    const struct ms_event *event;
    const struct ms_map *map; /* NULL: it is gone, or it was no event of a map */
    char id[64];              /* of the map, as the user types it; "": no event of a map */
    char *text;               /* name of a region or note; NULL: none, or it could not be read */
    uint64_t ns;              /* since its beginning; MS_UNKNOWN: it is no end, or that is not here */
    size_t begin;             /* moment of its beginning; itself if none */
    size_t end;               /* of a beginning: moment of its end; itself if none */
    size_t track;             /* a number for each map, and for each thread of events that are of no map */
};

struct ms_timeline {
    struct ms_moment *moment; /* by time */
    size_t moments, room;
    size_t tracks;
    uint64_t lost; /* events overwritten before they were read */
};

/* The event joins the timeline, which takes `text`. The event must stay where it is. */
void ms_timeline_add(struct ms_timeline *t, const struct ms_event *e, char *text);
/* All have joined: in order of time, with maps of the snapshot, ends with their beginnings. */
void ms_timeline_close(struct ms_timeline *t, const struct ms_snapshot *s);
void ms_timeline_free(struct ms_timeline *t);

/* What begins and ends: the kind of its beginning is one less. */
static inline bool ms_event_ends(const struct ms_event *e) {
    const char *name = ms_event_name(e->kind);
    return !__builtin_strcmp(name, "grow_done") || !__builtin_strcmp(name, "shrink_done") ||
           !__builtin_strcmp(name, "region_end");
}

#endif
