/* drill.c - see drill.h. */
#include "drill.h"

#include <inttypes.h>
#include <stdlib.h>

enum { PATHS = 20, GROUPS = 4096 /* as many as ms_map_groups reads at once */ };

static int put_show(struct ms_session *s, struct ms_snapshot *snap, const struct ms_map *m,
                    const struct ms_style *st, FILE *f, struct ms_error *err) {
    struct ms_detail d = {0};
    int status = ms_map_detail(&s->process.reader, snap, m, &d, err);
    if (status == MS_OK) {
        ms_view_figures(&d.map);
        ms_table_show(f, st, snap, &d);
    }
    ms_detail_free(&d);
    return status;
}

static int put_heat(struct ms_session *s, struct ms_snapshot *snap, const struct ms_map *m,
                    const struct ms_style *st, FILE *f, struct ms_error *err) {
    struct ms_detail d = {0};
    struct ms_heat h = {.moved = 0};
    int status = ms_map_detail_head(&s->process.reader, m, &d, err);
    if (status == MS_OK) status = ms_heat_load(s, snap, &d, 0, UINT32_MAX, ms_halfblock_cells(st), &h, err);
    if (status == MS_OK) {
        struct ms_picture p = {.map = &d.map,
                               .target = &snap->target,
                               .cells = &h.cells,
                               .other = &h.other,
                               .groups = d.map.groups,
                               .split = d.split,
                               .lo_groups = d.lo_groups,
                               .two_arrays = d.two_arrays};
        ms_view_figures(&d.map);
        ms_halfblock_heat(f, st, &p);
        if (h.moved)
            fprintf(f, "error bound: %" PRIu64 " entries came, went or moved while it was read\n", h.moved);
    }
    ms_heat_free(&h);
    ms_detail_free(&d);
    return status;
}

static int put_holders(struct ms_session *s, const struct ms_map *m, const struct ms_style *st, FILE *f,
                       struct ms_error *err) {
    struct ms_holders held = {0};
    int status = ms_session_holders(s, m, PATHS, false, &held, err);
    if (status == MS_OK) ms_table_holders(f, st, m, &held);
    ms_holders_free(&held);
    return status;
}

static int put_events(struct ms_session *s, struct ms_snapshot *snap, const struct ms_map *m,
                      const struct ms_style *st, FILE *f, struct ms_error *err) {
    struct ms_detail d = {0};
    struct ms_timeline t = {0};
    if (s->rec) return ms_rec_lacks(s->rec, "events", NULL, err);
    if (ms_map_of_go(m)) return ms_fail(err, MS_USAGE, "a map of a Go program keeps no record of events");
    int status = ms_map_detail(&s->process.reader, snap, m, &d, err);
    for (size_t i = 0; status == MS_OK && i < d.events; i++) ms_timeline_add(&t, &d.event[i], NULL, NULL);
    if (status == MS_OK) {
        ms_timeline_close(&t, snap);
        ms_table_events(f, st, snap, &t, 0);
    }
    ms_timeline_free(&t);
    ms_detail_free(&d);
    return status;
}

static int put_groups(struct ms_session *s, struct ms_snapshot *snap, const struct ms_map *m,
                      const struct ms_style *st, FILE *f, struct ms_error *err) {
    struct ms_detail d = {0};
    struct ms_group *g = NULL;
    size_t n = 0;
    int status = ms_map_detail_head(&s->process.reader, m, &d, err);
    uint64_t all = status == MS_OK ? d.map.groups : 0;
    if (all) status = ms_map_groups(&s->process.reader, snap, &d.map, 0, ms_min(all, GROUPS), &g, &n, err);
    if (status == MS_OK && all) ms_halfblock_groups(f, st, g, n);
    if (status == MS_OK && !all) fputs("the map has no table yet\n", f);
    if (all > n) fprintf(f, "the first %zu of %" PRIu64 " groups: heat --range shows others\n", n, all);
    free(g);
    ms_detail_free(&d);
    return status;
}

const char *ms_drill_name(enum ms_drill page) {
    static const char *const name[MS_DRILLS] = {"show", "heat", "holders", "events", "groups"};
    return name[page];
}

int ms_drill_put(struct ms_session *s, struct ms_snapshot *snap, const struct ms_map *m, enum ms_drill page,
                 const struct ms_style *st, FILE *f, struct ms_error *err) {
    switch (page) {
    case MS_DRILL_HEAT: return put_heat(s, snap, m, st, f, err);
    case MS_DRILL_HOLDERS: return put_holders(s, m, st, f, err);
    case MS_DRILL_EVENTS: return put_events(s, snap, m, st, f, err);
    case MS_DRILL_GROUPS: return put_groups(s, snap, m, st, f, err);
    default: return put_show(s, snap, m, st, f, err);
    }
}
