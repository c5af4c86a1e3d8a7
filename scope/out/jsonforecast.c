/* jsonforecast.c - the document of `forecast`, schema mapscope/1. */
#include "out.h"

#include <math.h>
#include <stdlib.h>

static void put_seconds(struct ms_json *j, const char *key, double s) {
    if (isfinite(s) && s < 1e9)
        ms_json_number(j, key, (uint64_t)(s * 1e9));
    else
        ms_json_text(j, key, NULL);
}

static void put_forecast(struct ms_json *j, const struct ms_map *m, const struct ms_forecast *x) {
    char id[64];
    char *label = ms_map_label(m);
    ms_map_id(m, id);
    ms_json_object(j, NULL);
    ms_json_text(j, "id", id);
    ms_json_text(j, "name", label);
    ms_json_text(j, "type", m->type ? m->type->name : NULL);
    ms_json_number(j, "entries", m->entries);
    ms_json_number(j, "bytes", m->bytes);
    ms_json_ratio(j, "entries_per_second", x->rate);
    ms_json_object(j, "bounds");
    ms_json_ratio(j, "slowest", x->spread ? x->slowest : NAN);
    ms_json_ratio(j, "fastest", x->spread ? x->fastest : NAN);
    put_seconds(j, "soonest_ns", x->spread ? x->soonest : INFINITY);
    put_seconds(j, "latest_ns", x->spread ? x->latest : INFINITY);
    ms_json_close(j, '}');
    ms_json_number(j, "inserts_left", x->entries_left);
    ms_json_bool(j, "inserts_left_exact", !x->about);
    put_seconds(j, "in_ns", x->seconds);
    ms_json_known(j, "bytes_after", x->bytes_after);
    ms_json_known(j, "bytes_peak", x->bytes_peak);
    ms_json_known(j, "bytes_needed", x->more);
    ms_json_bool(j, "fits", x->fits);
    ms_json_close(j, '}');
    free(label);
}

void ms_json_forecast(FILE *f, const struct ms_snapshot *s, size_t looks, uint64_t ns,
                      const struct ms_room *room, const struct ms_forecast *x, size_t n) {
    struct ms_json j;
    ms_json_head(&j, f, "forecast");
    ms_json_target(&j, "target", s);
    ms_json_number(&j, "looks", looks);
    ms_json_number(&j, "time_ns", ns);
    ms_json_object(&j, "room");
    ms_json_known(&j, "cgroup_limit_bytes", room->limit);
    ms_json_known(&j, "cgroup_used_bytes", room->used);
    ms_json_known(&j, "available_bytes", room->available);
    ms_json_close(&j, '}');
    ms_json_array(&j, "forecasts");
    for (size_t i = 0; i < n; i++) put_forecast(&j, &s->map[x[i].map], &x[i]);
    ms_json_close(&j, ']');
    ms_json_notes(&j, s);
    ms_json_close(&j, '}');
    ms_json_end(&j);
}
