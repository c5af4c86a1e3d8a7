/* timeline.h - events of maps and of the program on one axis, ends matched with their beginnings.  Pure. */
#ifndef MS_TIMELINE_H
#define MS_TIMELINE_H

#include "../model/model.h"

/* A place in code. */
struct ms_frame {
    const char *function; /* NULL: not known */
    const char *file;     /* without its folder; NULL: not known */
    unsigned line;
    uint64_t addr;
    bool inner; /* of the runtime, or of the map library */
};

/* What a probe saw beside the event itself.  All of it lives as long as whoever made it says. */
struct ms_sight {
    uint64_t entries;         /* of the map then; MS_UNKNOWN */
    uint64_t goroutine;       /* 0: not known, or none */
    const char *type;         /* of the map; NULL: not known */
    const struct ms_frame **frame; /* innermost first */
    size_t frames;
};
/* The innermost frame that is the program's own; NULL: not known. */
const struct ms_frame *ms_sight_site(const struct ms_sight *sight);

/* An event, and what the others tell about it. */
struct ms_moment {
    const struct ms_event *event;
    const struct ms_sight *sight; /* NULL: no probe saw it */
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
    uint64_t lost; /* events overwritten before they were read, or that no room was left for */
    bool of_go;    /* maps are named by their addresses */
    bool traced;   /* by probes */
    uint64_t probes, hits;       /* how many were set, how often they were hit */
    uint64_t cost_ns;            /* that a hit costs; 0: not known */
    uint64_t wall_minus_mono_ns; /* of probes */
};

/* The event joins the timeline, which takes `text`. Event and sight (NULL: none) must stay where they are. */
void ms_timeline_add(struct ms_timeline *t, const struct ms_event *e, const struct ms_sight *sight, char *text);
/* All have joined: in order of time, with maps of the snapshot, ends with their beginnings. */
void ms_timeline_close(struct ms_timeline *t, const struct ms_snapshot *s);
/* Id of an event's map, as the user types it. buf of 64. */
void ms_timeline_id(const struct ms_timeline *t, const struct ms_event *e, char *buf);
void ms_timeline_free(struct ms_timeline *t);
/* Time of day of an event, in ns; MS_UNKNOWN. */
uint64_t ms_timeline_wall(const struct ms_timeline *t, const struct ms_snapshot *s, const struct ms_event *e);

/* What begins and ends: the kind of its beginning is one less. */
static inline bool ms_event_ends(const struct ms_event *e) {
    const char *name = ms_event_name(e->kind);
    return !__builtin_strcmp(name, "grow_done") || !__builtin_strcmp(name, "shrink_done") ||
           !__builtin_strcmp(name, "region_end") || !__builtin_strcmp(name, "pause_end");
}

#endif
