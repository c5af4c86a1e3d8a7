/* cmd_show.c - `mapscope show TARGET MAP`: everything the map model holds about one map. */
#include "cmd.h"

#include <stdlib.h>

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

static int write_html(struct ms_cmd *cmd, struct ms_snapshot *snap, struct ms_detail *d, struct ms_heat *h,
                      struct ms_error *err) {
    if (!cmd->html.path) return MS_OK;
    struct report r = {.snap = snap,
                       .detail = d,
                       .picture = {.map = &d->map,
                                   .target = &snap->target,
                                   .cells = &h->cells,
                                   .other = &h->other,
                                   .groups = d->map.groups,
                                   .split = d->split,
                                   .lo_groups = d->lo_groups,
                                   .two_arrays = d->two_arrays}};
    return ms_output_write(&cmd->html, put_html, &r, err);
}

static int retained(struct ms_session *s, const struct ms_map *m, struct ms_detail *d, struct ms_error *err) {
    struct ms_holders held;
    if (s->rec) return ms_rec_lacks(s->rec, "what entries hold", NULL, err);
    if (!ms_map_of_go(m)) return ms_fail(err, MS_USAGE, "%s", ms_retained_go_only);
    int status = ms_session_go_holders(s, m, 1, true, &held, err);
    d->retained_bytes = held.retained_bytes;
    d->retained_objects = held.retained_objects;
    ms_holders_free(&held);
    return status;
}

/* The bytes of one group, read once: what the program writes meanwhile is as it is. */
struct hex {
    struct ms_group *group;
    struct ms_bucket_part *part;
    size_t parts;
    uint8_t *bytes;
};

static int load_hex(struct ms_cmd *cmd, struct ms_session *s, struct ms_snapshot *snap, const struct ms_map *m,
                    struct hex *h, struct ms_error *err) {
    size_t n = 0, at = 0, all = 0;
    if (!cmd->has_hex) return MS_OK;
    int status = ms_map_groups(&s->process.reader, snap, m, cmd->hex, 1, &h->group, &n, err);
    if (status) return status;
    h->parts = n ? ms_view_bucket(m, h->group, &h->part) : 0;
    for (size_t i = 0; i < h->parts; i++) all += h->part[i].len;
    h->bytes = ms_alloc(all + 1);
    for (size_t i = 0; i < h->parts; i++) {
        struct ms_bucket_part *p = &h->part[i];
        if (p->data && !cmd->show_data) continue;
        enum ms_read rc = ms_read(&s->process.reader, p->addr, h->bytes + at, p->len);
        if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while a group was read");
        if (rc == MS_READ_OK) p->bytes = h->bytes + at;
        at += p->len;
    }
    return MS_OK;
}

static void free_hex(struct hex *h) {
    free(h->group);
    free(h->part);
    free(h->bytes);
}

int ms_cmd_show(struct ms_cmd *cmd, struct ms_error *err) {
    struct ms_session s;
    struct ms_snapshot snap;
    struct ms_detail d = {0};
    struct ms_heat h = {.moved = 0};
    const struct ms_map *map = NULL;
    struct hex hex = {0};
    int status = ms_session_map(cmd, &s, &snap, &map, err);
    if (status == MS_OK) status = ms_map_detail(&s.process.reader, &snap, map, &d, err);
    if (status == MS_OK && cmd->retained) status = retained(&s, map, &d, err);
    if (status == MS_OK && cmd->resident) status = ms_map_resident(&s.process.reader, &snap, &d.map, err);
    if (status == MS_OK && cmd->html.path)
        status = ms_heat_load(&s, &snap, &d, 0, UINT32_MAX, MS_SVG_CELLS, &h, err);
    if (status == MS_OK) status = load_hex(cmd, &s, &snap, map, &hex, err);
    if (status == MS_OK) status = ms_session_thaw(cmd, &s, &snap, err);
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
            ms_json_show(cmd->out, &snap, &d, hex.parts ? hex.group : NULL, hex.part, hex.parts);
        } else {
            ms_table_target(cmd->out, &cmd->style, &snap);
            ms_table_show(cmd->out, &cmd->style, &snap, &d);
            if (hex.parts) ms_hex_table(cmd->out, hex.group, hex.part, hex.parts);
        }
        status = write_html(cmd, &snap, &d, &h, err);
    }
    if (status == MS_OK && d.figures_only)
        status = ms_rec_lacks(s.rec, "histograms and events of this map", "record --details", err);
    if (status == MS_OK && (d.map.certainty != MS_EXACT || !d.histograms_complete))
        status =
            ms_fail(err, MS_UNCERTAIN, "%s", d.map.doubt ? d.map.doubt : "the histograms are not complete");
    if (status == MS_OK) status = ms_session_whole(&s, err);
    ms_heat_free(&h);
    free_hex(&hex);
    ms_detail_free(&d);
    ms_snapshot_free(&snap);
    ms_session_close(&s);
    return status;
}
