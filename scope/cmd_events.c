/* cmd_events.c - `mapscope events TARGET`: what happened to its maps, and when, from its flight recorders.
 *
 *   ring of each copy of the library --> new events since the last look --> names --> time line
 *
 * A ring holds the last 4096 rare events, whether somebody looks or not, also in a core file.  With --seconds it is read ten
 * times a second; what was overwritten meanwhile is counted.  Ctrl-C ends that, and shows what there is.
 */
#include "cmd.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SECOND = 1000000000, MOMENTS_MOST = 1 << 20, COPIES_MOST = 64 };

/* Events of one reading of one ring: moments point into it. */
struct reading {
    struct reading *next;
    struct ms_event *event;
};

struct recorder {
    struct ms_cmd *cmd;
    struct ms_session *s;
    struct ms_snapshot *snap;
    struct ms_timeline line;
    struct reading *readings;
    uint64_t seen[COPIES_MOST]; /* last ticket read of each copy */
    bool full;                  /* MOMENTS_MOST */
};

/* The name of a region or note: a text of the target. */
static char *text_of(struct recorder *r, const struct ms_event *e) {
    char *text = NULL;
    if (e->map_id || !e->a) return NULL;
    if (ms_read_string(&r->s->process.reader, e->a, 160, &text) != MS_READ_OK) return NULL;
    return text;
}

static bool is_of_program(const struct ms_event *e) {
    const char *kind = ms_event_name(e->kind);
    return !strncmp(kind, "region_", 7) || !strcmp(kind, "note");
}

static int read_ring(struct recorder *r, uint32_t copy, struct ms_error *err) {
    struct reading *got = ms_alloc(sizeof *got);
    size_t n;
    uint64_t *seen = &r->seen[copy];
    int status = ms_gomap_ring(&r->s->process.reader, &r->snap->copy[copy], copy, 0, &got->event, &n, err);
    *got = (struct reading){r->readings, got->event};
    r->readings = got;
    for (size_t i = 0; i < n && !r->full; i++) {
        const struct ms_event *e = &got->event[i];
        if (e->ticket <= *seen) continue;
        if (*seen && e->ticket > *seen + 1) r->line.lost += e->ticket - *seen - 1;
        *seen = e->ticket;
        ms_timeline_add(&r->line, e, is_of_program(e) ? text_of(r, e) : NULL);
        r->full = r->line.moments >= MOMENTS_MOST;
    }
    return status;
}

static int read_rings(struct recorder *r, struct ms_error *err) {
    int status = MS_OK;
    for (uint32_t copy = 0; copy < r->snap->copies && copy < COPIES_MOST && status == MS_OK; copy++)
        if (r->snap->copy[copy].readable) status = read_ring(r, copy, err);
    return status;
}

/* Read on until the time is over, a signal says so, or the target ends: what was read stays. */
static int follow(struct recorder *r, struct ms_error *err) {
    uint64_t start = ms_now_ns(), end = start + (uint64_t)(r->cmd->seconds * 1e9),
             step = SECOND / 10;
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    int status = ms_session_runs(r->s, "--seconds is", err);
    for (uint64_t at = start + step; status == MS_OK && !r->full && ms_now_ns() < end; at += step)
        if (ms_wait_or_signal(&ends, ms_min(at, end)) || (status = read_rings(r, err)) != MS_OK) break;
    sigprocmask(SIG_UNBLOCK, &ends, NULL);
    if (status == MS_GONE) ms_snapshot_note(r->snap, "the process ended while its events were read");
    return status == MS_GONE ? MS_OK : status;
}

/* ---- the verb ------------------------------------------------------------------------------------ */

static int put_perfetto(FILE *f, void *ctx, struct ms_error *err) {
    struct recorder *r = ctx;
    (void)err;
    ms_perfetto(f, r->snap, &r->line);
    return MS_OK;
}

static int put(struct recorder *r, struct ms_error *err) {
    struct ms_cmd *cmd = r->cmd;
    size_t n = r->line.moments, from = cmd->limit && n > cmd->limit ? n - cmd->limit : 0;
    cmd->documented = cmd->json;
    if (cmd->json) {
        ms_json_events(cmd->out, r->snap, &r->line, from);
    } else {
        ms_table_target(cmd->out, &cmd->style, r->snap);
        ms_table_events(cmd->out, &cmd->style, r->snap, &r->line, from);
    }
    return cmd->perfetto.path ? ms_output_write(&cmd->perfetto, put_perfetto, r, err) : MS_OK;
}

static int read_all(struct recorder *r, struct ms_error *err) {
    int status = ms_session_look(r->cmd, r->s, false, r->snap, err);
    if (status) return status;
    if (r->snap->runtime)
        return ms_fail(err, MS_USAGE, "process %d (%s) is a Go program: its maps keep no record of events",
                       r->snap->target.pid, r->snap->target.comm);
    status = read_rings(r, err);
    if (status == MS_OK) status = ms_session_thaw(r->cmd, r->s, r->snap, err);
    if (status == MS_OK && r->cmd->seconds > 0) status = follow(r, err);
    if (r->full) ms_snapshot_note(r->snap, "more than %d events: the later ones were not read", MOMENTS_MOST);
    ms_timeline_close(&r->line, r->snap);
    return status;
}

int ms_cmd_events(struct ms_cmd *cmd, struct ms_error *err) {
    struct ms_session s;
    struct ms_snapshot snap;
    struct recorder r = {.cmd = cmd, .s = &s, .snap = &snap};
    ms_snapshot_init(&snap);
    int status = ms_session_open(&s, cmd, err);
    if (status == MS_OK && s.rec) status = ms_rec_lacks(s.rec, "events", NULL, err);
    if (status == MS_OK) status = read_all(&r, err);
    if (status == MS_OK) status = put(&r, err);
    if (status == MS_OK) status = ms_session_verdict(cmd, &snap, err);
    if (status == MS_OK) status = ms_session_whole(&s, err);
    for (struct reading *at = r.readings, *next; at; at = next) {
        next = at->next;
        free(at->event);
        free(at);
    }
    ms_timeline_free(&r.line);
    ms_snapshot_free(&snap);
    ms_session_close(&s);
    return status;
}
