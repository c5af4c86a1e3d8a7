/* cmd_list.c - `mapscope list TARGET`: every map of a process, one row each. */
#include "cmd.h"

struct report {
    struct ms_snapshot *snap;
    struct ms_totals totals;
    size_t n;
};

static int put_html(FILE *f, void *ctx, struct ms_error *err) {
    struct report *r = ctx;
    (void)err;
    ms_html_list(f, r->snap, &r->totals, r->snap->map, r->n);
    return MS_OK;
}

int ms_cmd_list(struct ms_cmd *cmd, struct ms_error *err) {
    struct ms_session s;
    struct ms_snapshot snap;
    struct report r = {.snap = &snap};
    ms_snapshot_init(&snap);
    int status = ms_session_open(&s, cmd->target, err);
    if (status == MS_OK) status = ms_session_snapshot(&s, true, cmd->resident, &snap, err);
    if (status == MS_OK) status = ms_session_select(cmd, &snap, &r.totals, &r.n, err);
    if (status == MS_OK) {
        if (cmd->json) {
            cmd->documented = true;
            ms_json_list(cmd->out, "list", &snap, &r.totals, snap.map, r.n);
        } else {
            ms_table_target(cmd->out, &cmd->style, &snap);
            ms_table_list(cmd->out, &cmd->style, snap.map, r.n);
            ms_table_totals(cmd->out, &cmd->style, &r.totals, r.n);
        }
        status = ms_output_write(&cmd->html, put_html, &r, err);
    }
    if (status == MS_OK) status = ms_session_verdict(cmd, &snap, err);
    ms_snapshot_free(&snap);
    ms_session_close(&s);
    return status;
}
