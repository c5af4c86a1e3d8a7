/* cmd_events.c - `mapscope events TARGET`: what happened to its maps, and when, from its flight recorders, or by probes.
 *
 *   ring of each copy of the library --> new events since the last look --> names --> time line
 *   --probes: hits as they happen (cmd_trace.c) -------------------------------------> time line
 *
 * A ring holds the last 4096 rare events, whether somebody looks or not, also in a core file.  With --seconds it is read ten
 * times a second; what was overwritten meanwhile is counted.  Ctrl-C ends that, and shows what there is.
 */
#include "cmd_trace.h"

#include "progress.h"

#include <inttypes.h>
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
    struct ms_trace *trace;     /* NULL: the rings are read */
    size_t told;                /* moments already told, one a line */
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
        ms_timeline_add(&r->line, e, NULL, is_of_program(e) ? text_of(r, e) : NULL);
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

/* ---- probes ------------------------------------------------------------------------------------------ */

static bool in_lines(const struct recorder *r) { return r->cmd->format && strcmp(r->cmd->format, "jsonl") == 0; }

static void tell_lines(struct recorder *r) {
    for (; in_lines(r) && r->told < r->line.moments; r->told++) ms_jsonl_event(r->cmd->out, r->snap, &r->line, r->told);
}

static void say_what_is_done(struct recorder *r) {
    char cost[64] = "";
    if (r->line.cost_ns) snprintf(cost, sizeof cost, ", of which a hit takes about %.1f us", (double)r->line.cost_ns / 1e3);
    if (in_lines(r))
        ms_jsonl_begin(r->cmd->out, r->snap, &r->line);
    else if (!r->cmd->json)
        fprintf(stderr, "mapscope: %" PRIu64 " breakpoints are in the text of process %d until this ends%s\n", r->line.probes,
                r->snap->target.pid, cost);
}

/* Until the time is over, a signal says so, or the target ends. */
static int watch(struct recorder *r, struct ms_error *err) {
    uint64_t end = r->cmd->seconds > 0 ? ms_now_ns() + (uint64_t)(r->cmd->seconds * 1e9) : UINT64_MAX;
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    say_what_is_done(r);
    int status = MS_OK;
    for (uint64_t now = ms_now_ns(); status == MS_OK && now < end && !r->full; now = ms_now_ns()) {
        status = ms_trace_read(r->trace, (int)ms_min(100, (end - now) / 1000000 + 1), err);
        tell_lines(r);
        r->full = r->line.moments >= MOMENTS_MOST;
        if (ms_wait_or_signal(&ends, 0)) break;
        if (status == MS_OK) status = ms_process_check(&r->s->process, err);
    }
    bool gone = status == MS_GONE;
    if (status == MS_OK || gone) status = ms_trace_stop(r->trace, err);
    sigprocmask(SIG_UNBLOCK, &ends, NULL);
    tell_lines(r);
    if (gone) ms_snapshot_note(r->snap, "the process ended while its events were read");
    return status;
}

/* Maps that live at the end have their names; a snapshot of the beginning, if there is none of the end. */
static void look_again(struct recorder *r) {
    struct ms_snapshot later;
    struct ms_error ignored = {""};
    ms_snapshot_init(&later);
    int status = ms_session_look(r->cmd, r->s, false, &later, &ignored);
    ms_progress_end();
    if (status == MS_OK) {
        for (size_t i = 0; i < r->snap->notes; i++) ms_snapshot_note(&later, "%s", r->snap->note[i]);
        struct ms_snapshot before = *r->snap;
        *r->snap = later;
        later = before;
    }
    ms_snapshot_free(&later);
}

static int read_probes(struct recorder *r, struct ms_error *err) {
    int status = ms_session_runs(r->s, "--probes is", err);
    if (status == MS_OK && r->cmd->mode != MS_MODE_LIVE)
        status = ms_fail(err, MS_USAGE, "--probes watches a process that runs: not with --stop or --snapshot");
    if (status == MS_OK && r->s->go)
        ms_session_describe(r->s, r->snap);
    else if (status == MS_OK)
        status = ms_session_look(r->cmd, r->s, false, r->snap, err);
    ms_progress_end();
    if (status == MS_OK) status = ms_trace_open(r->cmd, r->s, r->snap, &r->line, &r->trace, err);
    if (status == MS_OK) status = watch(r, err);
    if (status == MS_OK && !r->s->process.gone && !in_lines(r)) look_again(r);
    return status;
}

/* ---- the verb ------------------------------------------------------------------------------------ */

static int put_perfetto(FILE *f, void *ctx, struct ms_error *err) {
    struct recorder *r = ctx;
    (void)err;
    ms_perfetto(f, r->snap, &r->line);
    return MS_OK;
}

/* The first of the last `limit` moments that are shown: a table has no samples, and of a Go program no ends. */
static size_t first_of(const struct ms_timeline *t, size_t limit, bool table) {
    size_t from = t->moments;
    for (size_t left = limit; from && (left || !limit); from--) {
        const struct ms_moment *m = &t->moment[from - 1];
        bool shown = !table || (m->event->kind != MS_EVENT_CPU && !(t->of_go && m->begin != from - 1));
        left -= left && shown;
    }
    return from;
}

static int put(struct recorder *r, struct ms_error *err) {
    struct ms_cmd *cmd = r->cmd;
    size_t from = first_of(&r->line, cmd->limit, !cmd->json && !cmd->format);
    cmd->documented = cmd->json;
    if (in_lines(r)) {
        if (!r->trace) ms_jsonl_begin(cmd->out, r->snap, &r->line);
        if (!r->trace) r->told = from, tell_lines(r);
        ms_jsonl_end(cmd->out, r->snap, &r->line);
    } else if (cmd->format) {
        ms_folded_samples(cmd->out, r->snap, &r->line);
    } else if (cmd->json) {
        ms_json_events(cmd->out, r->snap, &r->line, from);
    } else {
        ms_table_target(cmd->out, &cmd->style, r->snap);
        ms_table_events(cmd->out, &cmd->style, r->snap, &r->line, from);
    }
    return cmd->perfetto.path ? ms_output_write(&cmd->perfetto, put_perfetto, r, err) : MS_OK;
}

static int read_all(struct recorder *r, struct ms_error *err) {
    if (r->cmd->format && strcmp(r->cmd->format, "folded") == 0 && !r->cmd->join)
        return ms_fail(err, MS_USAGE, "-o folded has the stacks of CPU samples, which --join takes");
    int status = r->cmd->probes ? read_probes(r, err) : MS_OK;
    if (status || r->trace) return ms_timeline_close(&r->line, r->snap), status;
    if (r->s->go)
        return ms_fail(err, MS_USAGE,
                       "process %d (%s) is a Go program: its maps keep no record of events; --probes sees them grow",
                       r->s->process.pid, r->s->process.comm);
    status = ms_session_look(r->cmd, r->s, false, r->snap, err);
    if (status) return status;
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
    ms_trace_close(r.trace);
    ms_snapshot_free(&snap);
    ms_session_close(&s);
    return status;
}
