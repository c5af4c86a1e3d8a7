/* cmd_record.c - `mapscope record TARGET -o FILE`: a look every --interval, until it is enough.
 *
 *   look --> details of chosen maps --> let the target go --> what is new to the scribe (record/) --> wait
 *
 * It ends after --count moments, after --seconds, when the target ends, or by SIGINT, SIGTERM or SIGHUP.  These are blocked
 * and taken while waiting: a moment that was begun is finished, and the file is whole whatever the end.
 */
#include "cmd.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SECOND = 1000000000, DETAILS_MOST = 64 };

struct recorder {
    struct ms_session s;
    struct ms_feed *feed;
    sigset_t ends;
    uint64_t wall_minus_mono; /* wall clock as of the start: moments never go back in time */
    uint64_t moments, uncertain, maps;
    struct ms_rec_reply reply;
};

/* The table of a map, read while the target is held. */
struct looked {
    const struct ms_map *map;
    struct ms_detail detail;
    struct ms_heat heat;
};

/* ---- details ----------------------------------------------------------------------------------- */

/* Numbers of the chosen maps, largest first; *out is allocated. */
static size_t choose(const struct ms_record *o, const struct ms_snapshot *snap, size_t **out) {
    struct ms_error ignored;
    size_t most = o->details ? o->details : o->detail_filter.terms ? DETAILS_MOST : 0, kept = 0;
    *out = ms_alloc((snap->maps + 1) * sizeof **out);
    if (most == 0) return 0;
    ms_view_order(snap->map, snap->maps, "bytes", *out, &ignored);
    for (size_t i = 0; i < snap->maps && kept < most; i++)
        if (ms_filter_match(&o->detail_filter, &snap->map[(*out)[i]])) (*out)[kept++] = (*out)[i];
    return kept;
}

/* A map that is damaged, or goes away meanwhile, has none. */
static int look_into(struct recorder *r, struct ms_snapshot *snap, const struct ms_map *m, struct looked *out,
                     struct ms_error *err) {
    struct ms_error why = {""};
    *out = (struct looked){.map = NULL};
    if (m->certainty == MS_DAMAGED) return MS_OK;
    int status = ms_map_detail(&r->s.process.reader, snap, m, &out->detail, &why);
    if (status == MS_OK)
        status = ms_heat_load(&r->s, snap, &out->detail, 0, UINT32_MAX, MS_SVG_CELLS, &out->heat, &why);
    if (status == MS_OK) out->map = m;
    if (status == MS_GONE) *err = why;
    return status == MS_GONE ? MS_GONE : MS_OK;
}

static void put_detail(struct recorder *r, const struct looked *l) {
    struct ms_rec_detail d = {&l->detail, &l->heat.cells, &l->heat.other, l->heat.moved};
    if (l->map && ms_map_sum(&l->detail.map) == l->detail.map.bytes) ms_feed_detail(r->feed, l->map, &d);
}

/* ---- a moment ---------------------------------------------------------------------------------- */

static int feed(struct recorder *r, const struct ms_snapshot *snap, uint64_t at, const struct looked *l,
                size_t n, struct ms_error *err) {
    ms_feed_begin(r->feed, snap, at + r->wall_minus_mono);
    for (size_t i = 0; i < n; i++) put_detail(r, &l[i]);
    int status = ms_feed_end(r->feed, &r->reply, err);
    r->moments += status == MS_OK;
    r->uncertain += snap->uncertain;
    r->maps = snap->maps;
    return status;
}

static int take_moment(struct ms_cmd *cmd, struct recorder *r, struct ms_error *err) {
    struct ms_snapshot snap;
    size_t *chosen = NULL, n = 0, have = 0;
    ms_snapshot_init(&snap);
    r->s.paused_ns = 0;
    uint64_t before = ms_now_ns();
    int status = r->moments ? ms_session_find(&r->s, err) : MS_OK; /* libraries may have come */
    if (status == MS_OK) status = ms_session_look(cmd, &r->s, cmd->resident, &snap, err);
    uint64_t at = before + (ms_now_ns() - before) / 2;
    if (status == MS_OK) n = choose(&cmd->record, &snap, &chosen);
    struct looked *l = ms_alloc((n + 1) * sizeof *l);
    while (status == MS_OK && have < n) {
        status = look_into(r, &snap, &snap.map[chosen[have]], &l[have], err);
        have++;
    }
    if (status == MS_OK) status = ms_session_thaw(cmd, &r->s, &snap, err);
    r->s.late = false; /* the next moment is another try */
    if (status == MS_OK) status = feed(r, &snap, at, l, have, err);
    for (size_t i = 0; i < have; i++) {
        ms_detail_free(&l[i].detail);
        ms_heat_free(&l[i].heat);
    }
    free(l);
    free(chosen);
    ms_snapshot_free(&snap);
    return status;
}

static void put_progress(const struct recorder *r, bool tty) {
    char bytes[16];
    if (tty)
        fprintf(stderr, "\rmapscope: moment %" PRIu64 ", %" PRIu64 " maps, %s\033[K", r->moments, r->maps,
                ms_text_bytes(r->reply.file_bytes, bytes));
}

static int record(struct ms_cmd *cmd, struct recorder *r, struct ms_error *err) {
    uint64_t start = ms_now_ns(), step = (uint64_t)(cmd->interval * SECOND), next = start;
    uint64_t last = cmd->seconds > 0 ? start + (uint64_t)(cmd->seconds * SECOND) : UINT64_MAX;
    bool tty = isatty(STDERR_FILENO);
    int status;
    for (;;) {
        status = take_moment(cmd, r, err);
        if (status) break;
        put_progress(r, tty);
        if (cmd->record.count && r->moments >= cmd->record.count) break;
        while (next <= ms_now_ns()) next += step; /* looks that take too long leave moments out */
        if (next > last || ms_wait_or_signal(&r->ends, next)) break;
    }
    if (tty) fprintf(stderr, "\r\033[K");
    return status;
}

/* Each look takes as much memory as the one before and gives it back: with 10^5 maps a third of its time would go to pages
 * that come and go. */
static void keep_memory(void) {
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, INT32_MAX);
}

/* ---- the verb ---------------------------------------------------------------------------------- */

static void put_summary(const struct ms_cmd *cmd, const struct recorder *r) {
    char bytes[16];
    const struct ms_rec_reply *last = &r->reply;
    char *file = ms_text_escape(cmd->record.file, cmd->style.utf8),
         *name = ms_text_escape(r->s.process.comm, cmd->style.utf8);
    fprintf(cmd->out, "%s: %" PRIu64 " moment%s of process %d (%s), %s\n", file, last->moments,
            last->moments == 1 ? "" : "s", r->s.process.pid, name, ms_text_bytes(last->file_bytes, bytes));
    if (r->uncertain)
        fprintf(cmd->out, "at %" PRIu64 " of them something could not be read with certainty\n",
                r->uncertain);
    free(file);
    free(name);
}

int ms_cmd_record(struct ms_cmd *cmd, struct ms_error *err) {
    struct recorder r = {.feed = ms_feed_create(&cmd->scribe)};
    struct timespec wall;
    sigset_t before;
    sigemptyset(&r.ends);
    sigaddset(&r.ends, SIGINT);
    sigaddset(&r.ends, SIGTERM);
    sigaddset(&r.ends, SIGHUP);
    clock_gettime(CLOCK_REALTIME, &wall);
    r.wall_minus_mono = (uint64_t)wall.tv_sec * SECOND + (uint64_t)wall.tv_nsec - ms_now_ns();
    keep_memory();
    int status = ms_session_open(&r.s, cmd, err);
    if (status == MS_OK) status = ms_session_runs(&r.s, "record is", err);
    sigprocmask(SIG_BLOCK, &r.ends, &before);
    if (status == MS_OK) status = record(cmd, &r, err);
    uint64_t kept = r.reply.moments;
    struct ms_error why;
    int closed = ms_scribe_end(&cmd->scribe, &r.reply, &why);
    if (closed && status == MS_OK) status = closed, *err = why;
    if (kept) {
        r.reply.moments = kept;
        put_summary(cmd, &r);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    ms_feed_free(r.feed);
    ms_session_close(&r.s);
    return status;
}
