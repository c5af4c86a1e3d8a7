/* cmd_forecast.c - `mapscope forecast TARGET`: the next growth of each map, and whether there is room for it. */
#include "cmd.h"

#include "reader/cgroup.h"

#include <math.h>
#include <stdlib.h>

#define SECONDS_USUAL 2.0

struct report {
    struct ms_session s;
    struct ms_looks seen;
    struct ms_room room;
    struct ms_forecast *forecast;
    size_t n;
};

/* Those of maps that the filter takes, at most --limit. Returns how many growths do not fit. */
static size_t choose(const struct ms_cmd *cmd, struct report *r) {
    const struct ms_snapshot *snap = ms_looks_last(&r->seen);
    size_t kept = 0, tight = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (!ms_filter_match(&cmd->filter, &snap->map[r->forecast[i].map])) continue;
        tight += !r->forecast[i].fits;
        r->forecast[kept++] = r->forecast[i];
    }
    r->n = kept;
    return tight;
}

static void put(struct ms_cmd *cmd, const struct report *r) {
    const struct ms_snapshot *snap = &r->seen.snap[r->seen.looks - 1];
    size_t shown = cmd->limit && cmd->limit < r->n ? cmd->limit : r->n;
    if (!cmd->json && !cmd->limit) /* those whose entries rise */
        for (shown = 0; shown < r->n && isfinite(r->forecast[shown].seconds);) shown++;
    uint64_t ns = r->seen.look[r->seen.looks - 1].at_ns - r->seen.look[0].at_ns;
    cmd->documented = cmd->json;
    if (cmd->json) {
        ms_json_forecast(cmd->out, snap, r->seen.looks, ns, &r->room, r->forecast, shown);
    } else {
        ms_table_target(cmd->out, &cmd->style, snap);
        ms_table_forecast(cmd->out, &cmd->style, snap, r->seen.looks, ns, &r->room, r->forecast, shown, r->n);
    }
}

static bool lives(const struct ms_session *s) { return !s->process.core && !s->rec; }

void ms_session_room(struct ms_session *s, struct ms_room *out) {
    struct ms_cgroup group;
    *out = (struct ms_room){MS_UNKNOWN, MS_UNKNOWN, MS_UNKNOWN};
    if (!lives(s)) return;
    ms_cgroup_load(&s->process, &group);
    *out = (struct ms_room){group.tight_limit, group.tight_used, ms_memory_available()};
    ms_cgroup_free(&group);
}

int ms_cmd_forecast(struct ms_cmd *cmd, struct ms_error *err) {
    struct report r = {.room = {MS_UNKNOWN, MS_UNKNOWN, MS_UNKNOWN}};
    int status = ms_session_open(&r.s, cmd, err);
    double seconds = cmd->seconds > 0 ? cmd->seconds : lives(&r.s) ? SECONDS_USUAL : 0;
    if (status == MS_OK) status = ms_looks_take(cmd, &r.s, seconds, &r.seen, err);
    if (status == MS_OK) status = ms_session_thaw(cmd, &r.s, ms_looks_last(&r.seen), err);
    if (status == MS_OK) {
        ms_session_room(&r.s, &r.room);
        r.n = ms_view_forecast(r.seen.look, r.seen.looks, &r.room, &r.forecast);
        size_t tight = choose(cmd, &r);
        put(cmd, &r);
        status = ms_session_verdict(cmd, ms_looks_last(&r.seen), err);
        if ((status == MS_OK || status == MS_UNCERTAIN) && tight) status = MS_FINDING, err->line[0] = 0;
    }
    free(r.forecast);
    ms_looks_free(&r.seen);
    ms_session_close(&r.s);
    return status;
}
