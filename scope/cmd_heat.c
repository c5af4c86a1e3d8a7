/* cmd_heat.c - `mapscope heat TARGET MAP`: occupancy from the whole table down to one group.
 *
 * The table is read once at the finest level any output asks for, and made coarser for the others.  A range
 * of at most GROUPS_LISTED groups is listed group by group with its tophash bytes instead of drawn.
 */
#include "cmd.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { GROUPS_LISTED = 64 };

int ms_heat_load(struct ms_session *s, struct ms_snapshot *snap, const struct ms_detail *d, uint64_t first,
                 uint64_t groups, size_t max_cells, struct ms_heat *out, struct ms_error *err) {
    struct ms_reader *r = &s->process.reader;
    uint64_t moved = 0;
    *out = (struct ms_heat){.moved = 0};
    int status =
        ms_map_cells(r, snap, &d->map, false, first, groups, max_cells, &out->cells, &out->moved, err);
    if (status == MS_OK && d->two_arrays)
        status = ms_map_cells(r, snap, &d->map, true, first, groups, max_cells, &out->other, &moved, err);
    out->moved += moved;
    return status;
}

void ms_heat_free(struct ms_heat *h) {
    ms_cells_free(&h->cells);
    ms_cells_free(&h->other);
}

struct picture {
    struct ms_picture p;
    struct ms_cells cells, other;
};

/* The picture of h with at most max_cells cells. */
static void coarsen(const struct ms_heat *h, size_t max_cells, const struct ms_picture *whole,
                    struct picture *out) {
    size_t factor = (h->cells.count + max_cells - 1) / max_cells;
    size_t other = (h->other.count + max_cells - 1) / max_cells;
    *out = (struct picture){.p = *whole};
    ms_heat_coarser(&h->cells, factor, &out->cells);
    if (h->other.count) ms_heat_coarser(&h->other, other, &out->other);
    out->p.cells = &out->cells;
    out->p.other = &out->other;
}

static void drop_picture(struct picture *p) {
    ms_cells_free(&p->cells);
    ms_cells_free(&p->other);
}

static int put_svg(FILE *f, void *ctx, struct ms_error *err) {
    (void)err;
    ms_svg_heat(f, ctx);
    return MS_OK;
}

static int put_png(FILE *f, void *ctx, struct ms_error *err) { return ms_png_heat(f, ctx, err); }

static void json_cells(struct ms_json *j, const char *key, const struct ms_cells *c) {
    ms_json_object(j, key);
    ms_json_number(j, "first_group", c->first);
    ms_json_number(j, "groups", c->groups);
    ms_json_number(j, "groups_per_cell", c->per_cell);
    ms_json_number(j, "slots_per_group", c->group_slots);
    ms_json_array(j, "live");
    for (size_t i = 0; i < c->count; i++) ms_json_number(j, NULL, c->live[i]);
    ms_json_close(j, ']');
    ms_json_array(j, "areas"); /* runs of cells under one geometry */
    for (size_t i = 0, k; i < c->count; i = k) {
        for (k = i; k < c->count && c->area[k] == c->area[i];) k++;
        ms_json_object(j, NULL);
        ms_json_text(j, "area", ms_area_name(c->area[i]));
        ms_json_number(j, "first_cell", i);
        ms_json_number(j, "cells", k - i);
        ms_json_close(j, '}');
    }
    ms_json_close(j, ']');
    ms_json_close(j, '}');
}

static void json_groups(struct ms_json *j, const struct ms_group *g, size_t n) {
    ms_json_array(j, "groups");
    for (size_t i = 0; i < n; i++) {
        ms_json_object(j, NULL);
        ms_json_number(j, "group", g[i].index);
        ms_json_array(j, "tophash");
        for (unsigned k = 0; k < g[i].slots; k++) ms_json_number(j, NULL, g[i].tophash[k]);
        ms_json_close(j, ']');
        ms_json_number(j, "overflow", g[i].overflow);
        ms_json_text(j, "area", ms_area_name(g[i].area));
        ms_json_number(j, "metadata_address", g[i].addr);
        ms_json_number(j, "chain_nodes", g[i].chain_nodes);
        ms_json_number(j, "chain_entries", g[i].chain_entries);
        ms_json_bool(j, "stash", g[i].stash_link);
        ms_json_close(j, '}');
    }
    ms_json_close(j, ']');
}

static void put_json(struct ms_cmd *cmd, struct ms_snapshot *snap, const struct ms_detail *d,
                     const struct ms_heat *h, const struct picture *p, const struct ms_group *g, size_t n) {
    struct ms_json j;
    ms_json_head(&j, cmd->out, "heat");
    ms_json_target(&j, "target", snap);
    ms_json_array(&j, "maps");
    ms_json_map(&j, &d->map);
    ms_json_close(&j, ']');
    ms_json_object(&j, "heat");
    ms_json_text(&j, "state", ms_walk_name(d->map.walk));
    ms_json_known(&j, "low_groups", d->map.walk ? d->lo_groups : MS_UNKNOWN);
    if (d->map.walk) /* as a share of all positions: the position itself is a 64-bit number few readers hold */
        ms_json_ratio(&j, "split", (double)d->split / 0x1p64);
    else
        ms_json_text(&j, "split", NULL);
    ms_json_bool(&j, "two_arrays", d->two_arrays);
    ms_json_number(&j, "error_bound_entries", h->moved);
    json_cells(&j, "table", &p->cells);
    if (p->other.count) json_cells(&j, "other", &p->other);
    if (g) json_groups(&j, g, n);
    ms_json_close(&j, '}');
    ms_json_notes(&j, snap);
    ms_json_close(&j, '}');
    ms_json_end(&j);
}

/* g: the groups one by one; NULL: a picture. */
static void put_screen(struct ms_cmd *cmd, struct ms_snapshot *snap, const struct ms_detail *d,
                       const struct ms_heat *h, const struct ms_picture *whole, const struct ms_group *g,
                       size_t n) {
    struct picture p;
    coarsen(h, ms_halfblock_cells(&cmd->style), whole, &p);
    cmd->documented = cmd->json;
    if (cmd->json)
        put_json(cmd, snap, d, h, &p, g, n);
    else if (g)
        ms_halfblock_groups(cmd->out, &cmd->style, g, n);
    else
        ms_halfblock_heat(cmd->out, &cmd->style, &p.p);
    if (!cmd->json && h->moved)
        fprintf(cmd->out, "error bound: %" PRIu64 " entries came, went or moved while it was read\n",
                h->moved);
    if (!cmd->json) ms_table_mode(cmd->out, &cmd->style, snap);
    drop_picture(&p);
}

static int put_files(struct ms_cmd *cmd, const struct ms_heat *h, const struct ms_picture *whole,
                     struct ms_error *err) {
    struct picture p;
    coarsen(h, MS_SVG_CELLS, whole, &p);
    int status = ms_output_write(&cmd->svg, put_svg, &p.p, err);
    drop_picture(&p);
    if (status) return status;
    coarsen(h, MS_PNG_CELLS, whole, &p);
    status = ms_output_write(&cmd->png, put_png, &p.p, err);
    drop_picture(&p);
    if (status == MS_OK && !cmd->json) {
        if (cmd->svg.path) fprintf(cmd->out, "wrote %s\n", cmd->svg.path);
        if (cmd->png.path) fprintf(cmd->out, "wrote %s\n", cmd->png.path);
    }
    return status;
}

int ms_cmd_heat(struct ms_cmd *cmd, struct ms_error *err) {
    struct ms_session s;
    struct ms_snapshot snap;
    struct ms_detail d = {0};
    struct ms_heat h = {.moved = 0};
    const struct ms_map *map = NULL;
    struct ms_group *g = NULL;
    size_t n = 0;
    uint64_t first = cmd->has_range ? cmd->first : 0, groups = cmd->has_range ? cmd->groups : UINT32_MAX;
    int status = ms_session_map(cmd, &s, &snap, &map, err);
    if (status == MS_OK) status = ms_map_detail_head(&s.process.reader, map, &d, err);
    if (status == MS_OK && cmd->has_range && first >= d.map.groups)
        status = ms_fail(err, MS_USAGE, "no group %" PRIu64 ": the table has %" PRIu64 " groups", first,
                         d.map.groups);
    size_t finest = cmd->png.path ? MS_PNG_CELLS : MS_SVG_CELLS;
    if (status == MS_OK) status = ms_heat_load(&s, &snap, &d, first, groups, finest, &h, err);
    if (status == MS_OK && cmd->has_range && groups <= GROUPS_LISTED)
        status = ms_map_groups(&s.process.reader, &snap, &d.map, first, groups, &g, &n, err);
    if (status == MS_OK) status = ms_session_thaw(cmd, &s, &snap, err);
    if (s.process.mem_fd >= 0 && (status == MS_OK || status == MS_GONE)) {
        struct ms_error why = *err;
        if (ms_process_check(&s.process, &why)) status = MS_GONE, *err = why;
    }
    if (status == MS_OK) {
        ms_view_figures(&d.map);
        struct ms_picture whole = {.map = &d.map,
                                   .target = &snap.target,
                                   .groups = d.map.groups,
                                   .split = d.split,
                                   .lo_groups = d.lo_groups,
                                   .two_arrays = d.two_arrays};
        put_screen(cmd, &snap, &d, &h, &whole, g, n);
        status = put_files(cmd, &h, &whole, err);
    }
    if (status == MS_OK && d.map.certainty != MS_EXACT)
        status = ms_fail(err, MS_UNCERTAIN, "%s", d.map.doubt ? d.map.doubt : "the map was changing");
    if (status == MS_OK) status = ms_session_whole(&s, err);
    free(g);
    ms_heat_free(&h);
    ms_detail_free(&d);
    ms_snapshot_free(&snap);
    ms_session_close(&s);
    return status;
}
