/* cmd_trace.h - events of a target as they happen, by probes: what cmd_events.c shows, cmd_trace.c and cmd_sites.c find. */
#ifndef MS_CMD_TRACE_H
#define MS_CMD_TRACE_H

#include "cmd.h"
#include "view/timeline.h"

/* What a hit at a site means. */
enum ms_site_kind {
    MS_AT_NONE,
    MS_AT_GROW,   /* values: map, type, entries, B, goroutine */
    MS_AT_REHASH, /* the same with slots of the table instead of B */
    MS_AT_GROWN,  /* goroutine, as value 4 */
    MS_AT_ASSIGN, /* map, type, entries */
    MS_AT_ALLOC,  /* -, -, bytes */
    MS_AT_STOP,   /* -, -, why */
    MS_AT_START,
    MS_AT_USDT, /* map, a, b */
};

struct ms_site {
    enum ms_site_kind kind;
    uint32_t event, copy; /* of MS_AT_USDT */
};

/* Where probes are to stand. */
struct ms_sites {
    struct ms_trace_request request;
    struct ms_site site[MS_SITES_MAX];
    int file[MS_TRACE_FILES]; /* open; the caller closes them */
    size_t files;
    const char *lacking; /* a function that was not found, and why; NULL: all were */
    const char *why;
};

/* In a Go program, or in the copies of the library that snap lists.  MS_USAGE, MS_UNCERTAIN: nothing can be watched. */
int ms_sites_find(struct ms_cmd *cmd, struct ms_session *s, const struct ms_snapshot *snap,
                  struct ms_sites *out, struct ms_error *err);

/* A trace that runs: events join a timeline. */
struct ms_trace;
/* *out is to be closed in any case. */
int ms_trace_open(struct ms_cmd *cmd, struct ms_session *s, struct ms_snapshot *snap,
                  struct ms_timeline *line, struct ms_trace **out, struct ms_error *err);
/* Take what comes within wait_ms. */
int ms_trace_read(struct ms_trace *t, int wait_ms, struct ms_error *err);
/* Take the probes away, and what they saw until then. */
int ms_trace_stop(struct ms_trace *t, struct ms_error *err);
void ms_trace_close(struct ms_trace *t);

#endif
