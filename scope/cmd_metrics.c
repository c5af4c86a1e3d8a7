/* cmd_metrics.c - `mapscope metrics TARGET`: its maps as a monitoring system reads them, once.
 *
 * For cron and the textfile collector of a node exporter; `serve` and `agent` answer scrapes.
 */
#include "cmd.h"

#include "out/openmetrics.h"

#include <string.h>
#include <time.h>

static uint64_t wall_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A look, as rows; the target is let go. */
static int scrape(struct ms_cmd *cmd, struct ms_session *s, struct ms_snapshot *snap, struct ms_scraped *out,
                  struct ms_error *err) {
    struct ms_room room;
    uint64_t from = ms_now_ns();
    *out = (struct ms_scraped){.up = false};
    int status = ms_session_look(cmd, s, cmd->resident, snap, err);
    if (status == MS_OK) status = ms_session_thaw(cmd, s, snap, err);
    if (status) return status;
    ms_session_room(s, &room);
    ms_scraped_fill(out, snap, &room, cmd->limit ? cmd->limit : MS_SERIES_MOST);
    out->pid = snap->target.pid;
    out->look_ns = ms_now_ns() - from;
    out->looked_at_ns = snap->target.recording ? snap->target.taken_ns : wall_ns();
    return MS_OK;
}

int ms_cmd_metrics(struct ms_cmd *cmd, struct ms_error *err) {
    struct ms_session s;
    struct ms_snapshot snap;
    struct ms_scraped t = {.up = false};
    bool before = cmd->format && strcmp(cmd->format, "prometheus") == 0;
    if (cmd->limit > MS_SERIES_LIMIT)
        return ms_fail(err, MS_USAGE, "--limit: more than %d rows are too many for any store",
                       MS_SERIES_LIMIT);
    ms_snapshot_init(&snap);
    int status = ms_session_open(&s, cmd, err);
    if (status == MS_OK) status = scrape(cmd, &s, &snap, &t, err);
    if (status == MS_OK) {
        cmd->documented = cmd->json;
        if (cmd->json)
            ms_json_metrics(cmd->out, &snap, &t);
        else
            ms_openmetrics(cmd->out, before ? MS_PROMETHEUS_TEXT : MS_OPENMETRICS, MS_VERSION, &t, 1,
                           MS_UNKNOWN);
        status = ms_session_verdict(cmd, &snap, err);
    }
    ms_scraped_free(&t);
    ms_snapshot_free(&snap);
    ms_session_close(&s);
    return status;
}
