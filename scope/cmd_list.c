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

/* A row a map, or clusters of them; -n limits what is at the left margin. */
static int put_list(struct ms_cmd *cmd, struct report *r, size_t limit, struct ms_error *err) {
    struct ms_snapshot *snap = r->snap;
    struct ms_clusters c;
    enum ms_by by = cmd->has_by ? cmd->by : snap->runtime && !cmd->json ? MS_BY_PLACE : MS_BY_MAP;
    int status = ms_view_clusters(snap->map, r->n, by, cmd->expand, cmd->sort ? cmd->sort : "bytes", limit, &c, err);
    if (limit && limit < r->n) r->n = limit;
    if (status == MS_OK && cmd->json) {
        cmd->documented = true;
        ms_json_list(cmd->out, "list", snap, &r->totals, snap->map, r->n, by == MS_BY_MAP ? NULL : &c);
    } else if (status == MS_OK) {
        ms_table_target(cmd->out, &cmd->style, snap);
        if (by == MS_BY_MAP)
            ms_table_list(cmd->out, &cmd->style, snap->map, r->n);
        else
            ms_table_list(cmd->out, &cmd->style, c.row, c.rows);
        ms_table_totals(cmd->out, &cmd->style, &r->totals, by == MS_BY_MAP ? r->n : r->totals.maps);
        if (by != MS_BY_MAP && !cmd->expand && c.rows < r->totals.maps)
            fprintf(cmd->out, "maps that are alike share a row, with the id of the worst: --expand shows each\n");
    }
    ms_view_clusters_free(&c);
    return status;
}

int ms_cmd_list(struct ms_cmd *cmd, struct ms_error *err) {
    struct ms_session s;
    struct ms_snapshot snap;
    struct report r = {.snap = &snap};
    size_t limit = cmd->limit;
    cmd->limit = 0;
    ms_snapshot_init(&snap);
    int status = ms_session_open(&s, cmd, err);
    if (status == MS_OK) status = ms_session_look(cmd, &s, cmd->resident, &snap, err);
    if (status == MS_OK) status = ms_session_thaw(cmd, &s, &snap, err);
    if (status == MS_OK) status = ms_session_select(cmd, &snap, &r.totals, &r.n, err);
    if (status == MS_OK) {
        status = put_list(cmd, &r, limit, err);
        if (status == MS_OK) status = ms_output_write(&cmd->html, put_html, &r, err);
    }
    if (status == MS_OK) status = ms_session_verdict(cmd, &snap, err);
    ms_snapshot_free(&snap);
    ms_session_close(&s);
    return status;
}
