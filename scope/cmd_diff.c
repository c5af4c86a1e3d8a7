/* cmd_diff.c - `mapscope diff A [B]`: two looks, compared (view/diff.c).
 *
 *   diff A B                     two targets of any kind: processes, core files, moments of recordings
 *   diff rec:FILE[@TIME]         the first moment of a recording and that one
 *   diff TARGET --seconds N      a process now and then
 *
 * With --fail-on, exit code 1 when a difference is what it says: for tests of programs.
 */
#include "cmd.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

struct sides {
    struct ms_session a, b;
    struct ms_snapshot before, after;
};

static int look(struct ms_cmd *cmd, struct ms_session *s, struct ms_snapshot *out, struct ms_error *err) {
    struct timespec wall;
    s->paused_ns = 0;
    int status = ms_session_look(cmd, s, cmd->resident, out, err);
    if (status == MS_OK) status = ms_session_thaw(cmd, s, out, err);
    clock_gettime(CLOCK_REALTIME, &wall);
    if (!out->target.recording)
        out->target.taken_ns = (uint64_t)wall.tv_sec * 1000000000u + (uint64_t)wall.tv_nsec;
    return status;
}

static int look_at_both(struct ms_cmd *cmd, struct sides *s, struct ms_error *err) {
    int status = look(cmd, &s->a, &s->before, err);
    cmd->target = cmd->map;
    if (status == MS_OK) status = ms_session_open(&s->b, cmd, err);
    return status == MS_OK ? look(cmd, &s->b, &s->after, err) : status;
}

static int look_twice(struct ms_cmd *cmd, struct sides *s, struct ms_error *err) {
    uint64_t start = ms_now_ns();
    int status = ms_session_runs(&s->a, "--seconds is", err);
    if (status == MS_OK) status = look(cmd, &s->a, &s->before, err);
    if (status) return status;
    ms_wait_until(start + (uint64_t)(cmd->seconds * 1e9));
    status = ms_session_find(&s->a, err); /* libraries may have come */
    return status == MS_OK ? look(cmd, &s->a, &s->after, err) : status;
}

/* The order matters: rec:FILE stands for its last moment, the one that is loaded last. */
static int look_at_recording(struct ms_cmd *cmd, struct sides *s, struct ms_error *err) {
    struct ms_rec *r = s->a.rec;
    uint64_t last = r->at;
    bool follows = s->a.rec_follows;
    s->a.rec_follows = false;
    r->at = r->moment[0].number;
    int status = look(cmd, &s->a, &s->before, err);
    s->a.rec_follows = follows;
    r->at = last;
    return status == MS_OK ? look(cmd, &s->a, &s->after, err) : status;
}

static int look_at_sides(struct ms_cmd *cmd, struct sides *s, struct ms_error *err) {
    if (cmd->map && cmd->seconds > 0)
        return ms_fail(err, MS_USAGE, "diff: two targets, or one and --seconds N");
    int status = ms_session_open(&s->a, cmd, err);
    if (status) return status;
    if (cmd->map) return look_at_both(cmd, s, err);
    if (cmd->seconds > 0) return look_twice(cmd, s, err);
    if (s->a.rec) return look_at_recording(cmd, s, err);
    return ms_fail(err, MS_USAGE, "diff: with what?  Name a second target, or give --seconds N");
}

/* The line that says what must not be, with the first that is. */
static int say_finding(const struct ms_cmd *cmd, const struct ms_diff *d, struct ms_error *err) {
    const struct ms_difference *first = NULL;
    for (size_t i = d->rows; i-- > 0;)
        if (d->row[i].fails) first = &d->row[i];
    const struct ms_map *m = first->after ? first->after : first->before;
    char *label = first->name ? ms_strdup(first->name) : ms_map_label(m);
    int status =
        ms_fail(err, MS_FINDING, "%" PRIu64 " difference%s %s what --fail-on says (%s): %s", d->fails,
                d->fails == 1 ? "" : "s", d->fails == 1 ? "is" : "are", cmd->fail_on_text, label);
    free(label);
    return status;
}

static int put(struct ms_cmd *cmd, struct sides *s, struct ms_error *err) {
    struct ms_diff d;
    struct ms_diff_ask ask = {.by = cmd->has_by ? cmd->by : MS_BY_MAP,
                              .sort = cmd->sort,
                              .filter = cmd->filter.terms ? &cmd->filter : NULL,
                              .fail_on = &cmd->fail_on};
    int status = ms_view_diff(&s->before, &s->after, &ask, &d, err);
    if (status == MS_OK) {
        cmd->documented = cmd->json;
        if (cmd->json)
            ms_json_diff(cmd->out, &s->before, &s->after, &d, cmd->limit);
        else
            ms_table_diff(cmd->out, &cmd->style, &s->before, &s->after, &d, cmd->limit);
        if (d.fails) status = say_finding(cmd, &d, err);
    }
    ms_view_diff_free(&d);
    return status;
}

int ms_cmd_diff(struct ms_cmd *cmd, struct ms_error *err) {
    const struct ms_process none = {.dir_fd = -1, .mem_fd = -1, .pagemap_fd = -1, .pid_fd = -1};
    struct sides s = {.a.process = none, .b.process = none};
    int status = look_at_sides(cmd, &s, err);
    if (status == MS_OK) status = put(cmd, &s, err);
    if (status == MS_OK) status = ms_session_verdict(cmd, &s.before, err);
    if (status == MS_OK) status = ms_session_verdict(cmd, &s.after, err);
    ms_snapshot_free(&s.before);
    ms_snapshot_free(&s.after);
    ms_session_close(&s.a);
    ms_session_close(&s.b);
    return status;
}
