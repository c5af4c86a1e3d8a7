/* cmd_show.c - `mapscope show TARGET MAP`: everything the map model holds about one map. */
#include "cmd.h"

struct report {
    struct ms_snapshot *snap;
    struct ms_detail *detail;
    struct ms_picture picture;
};

static int put_html(FILE *f, void *ctx, struct ms_error *err) {
    struct report *r = ctx;
    (void)err;
    ms_html_show(f, r->snap, r->detail, r->picture.cells->count ? &r->picture : NULL);
    return MS_OK;
}

static int write_html(struct ms_cmd *cmd, struct ms_session *s, struct ms_snapshot *snap, struct ms_detail *d,
                      struct ms_error *err) {
    struct ms_heat h;
    if (!cmd->html.path) return MS_OK;
    int status = ms_heat_load(s, snap, d, 0, UINT32_MAX, MS_SVG_CELLS, &h, err);
    if (status) return status;
    struct report r = {.snap = snap,
                       .detail = d,
                       .picture = {.map = &d->map,
                                   .target = &snap->target,
                                   .cells = &h.cells,
                                   .other = &h.other,
                                   .groups = d->map.groups,
                                   .split = d->split,
                                   .lo_groups = d->lo_groups,
                                   .two_arrays = d->two_arrays}};
    status = ms_output_write(&cmd->html, put_html, &r, err);
    ms_heat_free(&h);
    return status;
}

int ms_cmd_show(struct ms_cmd *cmd, struct ms_error *err) {
    struct ms_session s;
    struct ms_snapshot snap;
    struct ms_detail d = {0};
    const struct ms_map *map = NULL;
    int status = ms_session_map(cmd, &s, &snap, &map, err);
    if (status == MS_OK) status = ms_map_detail(&s.process.reader, &snap, map, &d, err);
    if (status == MS_OK && cmd->resident) status = ms_map_resident(&s.process.reader, &snap, &d.map, err);
    if (s.process.mem_fd >= 0 && (status == MS_OK || status == MS_GONE)) {
        struct ms_error why = *err;
        int check = ms_process_check(&s.process, &why);
        if (check) status = check, *err = why;
    }
    if (status == MS_OK) {
        ms_view_figures(&d.map);
        if (ms_map_sum(&d.map) != d.map.bytes)
            status = ms_fail(err, MS_INTERNAL, "the parts of the map do not sum to its bytes");
    }
    if (status == MS_OK) {
        if (cmd->json) {
            cmd->documented = true;
            ms_json_show(cmd->out, &snap, &d);
        } else {
            ms_table_target(cmd->out, &cmd->style, &snap);
            ms_table_show(cmd->out, &cmd->style, &snap, &d);
        }
        status = write_html(cmd, &s, &snap, &d, err);
    }
    if (status == MS_OK && (d.map.certainty != MS_EXACT || !d.histograms_complete))
        status =
            ms_fail(err, MS_UNCERTAIN, "%s", d.map.doubt ? d.map.doubt : "the histograms are not complete");
    ms_detail_free(&d);
    ms_snapshot_free(&snap);
    ms_session_close(&s);
    return status;
}
