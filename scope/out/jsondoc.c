/* jsondoc.c - the documents of schema mapscope/1 (docs/mapscope-1.schema.json).
 *
 * Sizes are bytes, times nanoseconds, ratios 0..1.  What is not known is null, never 0.  An id is the text
 * that the MAP argument takes.  Fields may be added; none is renamed or taken away.
 */
#include "out.h"

#include <stdlib.h>
#include <string.h>

void ms_json_head(struct ms_json *j, FILE *f, const char *verb) {
    ms_json_begin(j, f);
    ms_json_object(j, NULL);
    ms_json_text(j, "schema", "mapscope/1");
    ms_json_text(j, "verb", verb);
}

void ms_json_target(struct ms_json *j, const char *key, const struct ms_snapshot *s) {
    const struct ms_target *t = &s->target;
    ms_json_object(j, key);
    ms_json_number(j, "pid", (uint64_t)t->pid);
    ms_json_text(j, "name", t->comm);
    ms_json_text(j, "exe", t->exe);
    ms_json_number(j, "uid", t->uid);
    ms_json_known(j, "age_ns", t->age_ns ? t->age_ns : MS_UNKNOWN);
    ms_json_known(j, "rss_bytes", t->rss_bytes ? t->rss_bytes : MS_UNKNOWN);
    if (t->core) {
        ms_json_object(j, "core");
        ms_json_text(j, "file", t->core);
        ms_json_known(j, "signal", t->signal ? (uint64_t)t->signal : MS_UNKNOWN);
        ms_json_number(j, "threads", t->threads);
        ms_json_close(j, '}');
    }
    if (t->recording) {
        ms_json_object(j, "recording");
        ms_json_text(j, "file", t->recording);
        ms_json_number(j, "moment", t->moment);
        ms_json_number(j, "moments", t->moments);
        ms_json_number(j, "time_ns", t->taken_ns);
        ms_json_close(j, '}');
    }
    ms_json_text(j, "mode", ms_mode_name(t->mode));
    ms_json_number(j, "pause_ns", t->pause_ns);
    if (s->runtime) ms_json_text(j, "runtime", s->runtime);
    ms_json_array(j, "libraries");
    for (size_t i = 0; i < s->copies; i++) {
        const struct ms_copy *c = &s->copy[i];
        ms_json_object(j, NULL);
        ms_json_number(j, "copy", i);
        ms_json_text(j, "image", c->image);
        ms_json_text(j, "version", c->version);
        ms_json_bool(j, "readable", c->readable);
        ms_json_known(j, "maps_made", c->readable ? c->maps_made : MS_UNKNOWN);
        ms_json_known(j, "maps_freed", c->readable ? c->maps_freed : MS_UNKNOWN);
        ms_json_known(j, "maps_unregistered", c->readable ? c->unregistered : MS_UNKNOWN);
        ms_json_close(j, '}');
    }
    ms_json_close(j, ']');
    ms_json_close(j, '}');
}

static void put_parts(struct ms_json *j, const uint64_t part[MS_PARTS]) {
    ms_json_object(j, "parts");
    for (int p = 0; p < MS_PARTS; p++) ms_json_number(j, ms_part_name(p), part[p]);
    ms_json_close(j, '}');
}

void ms_json_totals(struct ms_json *j, const struct ms_totals *t) {
    ms_json_object(j, "totals");
    ms_json_number(j, "maps", t->maps);
    ms_json_number(j, "maps_exact", t->exact);
    ms_json_number(j, "entries", t->entries);
    ms_json_number(j, "bytes", t->bytes);
    ms_json_number(j, "waste_bytes", t->waste);
    ms_json_number(j, "rebuild_gain_bytes", t->rebuild_gain);
    ms_json_known(j, "resident_bytes", t->resident_known ? t->resident : MS_UNKNOWN);
    ms_json_known(j, "swapped_bytes", t->resident_known ? t->swapped : MS_UNKNOWN);
    ms_json_number(j, "reserved_bytes", t->reserved);
    ms_json_number(j, "growing", t->growing);
    ms_json_number(j, "shrinking", t->shrinking);
    put_parts(j, t->part);
    ms_json_close(j, '}');
}

static void put_growth(struct ms_json *j, const struct ms_map *m) {
    ms_json_object(j, "growth");
    ms_json_text(j, "state", ms_walk_name(m->walk));
    if (m->walk != MS_WALK_NONE && m->walk_total)
        ms_json_ratio(j, "progress", (double)m->walk_done / (double)m->walk_total);
    else
        ms_json_text(j, "progress", NULL);
    ms_json_known(j, "next_at_entries", m->grow_at);
    ms_json_known(j, "next_groups", m->grow_groups ? m->grow_groups : MS_UNKNOWN);
    ms_json_known(j, "next_table_bytes", m->grow_bytes);
    ms_json_known(j, "next_peak_table_bytes", m->grow_peak);
    ms_json_close(j, '}');
}

static void put_type(struct ms_json *j, const struct ms_map *m) {
    const struct ms_type *t = m->type;
    char *made_from = ms_map_underlying(m);
    ms_json_text(j, "type", t ? t->name : NULL);
    ms_json_text(j, "underlying", made_from);
    free(made_from);
    if (!t) return;
    ms_json_object(j, "key");
    ms_json_text(j, "type", t->key);
    ms_json_number(j, "size", t->key_size);
    ms_json_number(j, "align", t->key_align);
    ms_json_close(j, '}');
    ms_json_object(j, "value");
    ms_json_text(j, "type", t->value);
    ms_json_number(j, "size", t->value_size);
    ms_json_number(j, "align", t->value_align);
    ms_json_close(j, '}');
    ms_json_number(j, "slot_size", t->slot_size);
    ms_json_number(j, "slot_payload_size", t->slot_payload);
}

/* The fields of a map; the object is opened and closed by the caller. */
static void put_map(struct ms_json *j, const struct ms_map *m) {
    bool ok = m->certainty != MS_DAMAGED;
    char id[64];
    ms_map_id(m, id);
    ms_json_text(j, "id", id);
    ms_json_text(j, "kind", ms_kind_name(m->kind));
    ms_json_text(j, "name", m->name);
    put_type(j, m);
    ms_json_text(j, "site", m->site);
    ms_json_number(j, "copy", m->copy);
    ms_json_text(j, "layout", ok ? ms_layout_name(m->layout) : NULL);
    ms_json_known(j, "entries", ok ? m->entries : MS_UNKNOWN);
    ms_json_known(j, "slots", ok ? m->slots : MS_UNKNOWN);
    ms_json_known(j, "groups", ok ? m->groups : MS_UNKNOWN);
    ms_json_known(j, "tombstones", ok ? m->tombstones : MS_UNKNOWN); /* a gomap has none: deleting empties the slot */
    ms_json_known(j, "chained_entries", ok ? m->chained : MS_UNKNOWN);
    ms_json_known(j, "stashed_entries", ok ? m->stashed : MS_UNKNOWN);
    if (ok)
        ms_json_ratio(j, "load", m->load);
    else
        ms_json_text(j, "load", NULL);
    ms_json_known(j, "bytes", ok ? m->bytes : MS_UNKNOWN);
    ms_json_known(j, "waste_bytes", ok ? m->waste : MS_UNKNOWN);
    ms_json_known(j, "rebuild_gain_bytes", ok ? m->rebuild_gain : MS_UNKNOWN);
    ms_json_known(j, "resident_bytes", m->resident);
    ms_json_known(j, "swapped_bytes", m->swapped);
    ms_json_known(j, "reserved_bytes", ok ? m->reserved : MS_UNKNOWN);
    put_parts(j, m->part);
    put_growth(j, m);
    ms_json_array(j, "holders"); /* who points to the map; known of Go programs */
    if (m->holder) ms_json_text(j, NULL, m->holder);
    ms_json_close(j, ']');
    if (m->place) ms_json_text(j, "place", m->place);
    ms_json_text(j, "certainty", ms_certainty_name(m->certainty));
    if (m->doubt) ms_json_text(j, "doubt", m->doubt);
}

void ms_json_map(struct ms_json *j, const struct ms_map *m) {
    ms_json_object(j, NULL);
    put_map(j, m);
    ms_json_close(j, '}');
}

void ms_json_notes(struct ms_json *j, const struct ms_snapshot *s) {
    ms_json_array(j, "notes");
    for (size_t i = 0; i < s->notes; i++) ms_json_text(j, NULL, s->note[i]);
    ms_json_close(j, ']');
}

/* Rows of a list of maps that are alike; a row of one map is that map. */
static void put_clusters(struct ms_json *j, const struct ms_clusters *c) {
    ms_json_array(j, "clusters");
    for (size_t i = 0; i < c->rows; i++) {
        const struct ms_map *m = &c->row[i];
        char id[64];
        ms_map_id(m, id);
        ms_json_object(j, NULL);
        ms_json_text(j, "name", c->cluster[i].name);
        ms_json_text(j, "type", m->type ? m->type->name : NULL);
        ms_json_number(j, "depth", c->cluster[i].depth);
        ms_json_number(j, "maps", c->cluster[i].maps);
        ms_json_number(j, "entries", m->entries);
        ms_json_number(j, "bytes", m->bytes);
        ms_json_number(j, "waste_bytes", m->waste);
        ms_json_number(j, "rebuild_gain_bytes", m->rebuild_gain);
        ms_json_text(j, "worst", id);
        ms_json_close(j, '}');
    }
    ms_json_close(j, ']');
}

void ms_json_list(FILE *f, const char *verb, const struct ms_snapshot *s, const struct ms_totals *t,
                  const struct ms_map *maps, size_t n, const struct ms_clusters *clusters) {
    struct ms_json j;
    ms_json_head(&j, f, verb);
    ms_json_target(&j, "target", s);
    ms_json_totals(&j, t);
    ms_json_array(&j, "maps");
    for (size_t i = 0; i < n; i++) ms_json_map(&j, &maps[i]);
    ms_json_close(&j, ']');
    if (clusters) put_clusters(&j, clusters);
    ms_json_notes(&j, s);
    ms_json_close(&j, '}');
    ms_json_end(&j);
}

static void put_histogram(struct ms_json *j, const char *key, const uint64_t *count, size_t n) {
    while (n > 1 && count[n - 1] == 0) n--;
    ms_json_array(j, key);
    for (size_t i = 0; i < n; i++) ms_json_number(j, NULL, count[i]);
    ms_json_close(j, ']');
}

static void put_events(struct ms_json *j, const struct ms_snapshot *s, const struct ms_detail *d) {
    ms_json_array(j, "events");
    for (size_t i = 0; i < d->events; i++) {
        const struct ms_event *e = &d->event[i];
        ms_json_object(j, NULL);
        ms_json_number(j, "ticket", e->ticket);
        ms_json_text(j, "kind", ms_event_name(e->kind));
        ms_json_number(j, "time_ns", e->time_ns);
        ms_json_number(j, "wall_ns",
                       e->time_ns + (e->copy < s->copies ? s->copy[e->copy].wall_minus_mono_ns : 0));
        ms_json_number(j, "a", e->a);
        ms_json_number(j, "b", e->b);
        ms_json_close(j, '}');
    }
    ms_json_close(j, ']');
}

static void put_times(struct ms_json *j, const struct ms_snapshot *s, const struct ms_detail *d) {
    uint64_t wall = d->map.copy < s->copies ? s->copy[d->map.copy].wall_minus_mono_ns : 0;
    ms_json_object(j, "durations");
    for (unsigned i = 0; i < MS_TIMES; i++) {
        ms_json_object(j, ms_time_name(i));
        ms_json_number(j, "count", d->time[i].count);
        ms_json_number(j, "sum_ns", d->time[i].sum);
        ms_json_number(j, "p50_ns", d->time[i].half);
        ms_json_number(j, "p99_ns", d->time[i].most_of);
        ms_json_number(j, "max_ns", d->time[i].longest);
        ms_json_close(j, '}');
    }
    ms_json_array(j, "longest");
    for (size_t i = 0; i < d->slow_count; i++) {
        const struct ms_slow *slow = &d->slow[i];
        ms_json_object(j, NULL);
        ms_json_text(j, "kind", ms_time_name(slow->what));
        ms_json_number(j, "ns", slow->ns);
        ms_json_number(j, "wall_ns", slow->time_ns + wall);
        ms_json_number(j, "entries", slow->entries);
        ms_json_number(j, "thread", slow->thread);
        ms_json_array(j, "stack");
        for (uint32_t k = 0; k < slow->frames; k++) ms_json_number(j, NULL, slow->pc[k]);
        ms_json_close(j, ']');
        ms_json_close(j, '}');
    }
    ms_json_close(j, ']');
    ms_json_close(j, '}');
}

/* What takes a look at the whole table; null in a recording without. */
static void put_tables(struct ms_json *j, const struct ms_snapshot *s, const struct ms_detail *d) {
    if (d->figures_only) {
        ms_json_text(j, "histograms", NULL);
        ms_json_text(j, "counters", NULL);
        ms_json_text(j, "events", NULL);
        return;
    }
    ms_json_object(j, "histograms");
    put_histogram(j, "group_occupancy", d->occupancy, 17);
    put_histogram(j, "chain_entries", d->chain, MS_CHAIN_BUCKETS);
    ms_json_number(j, "overflowed_groups", d->overflowed_groups);
    ms_json_number(j, "stash_quads", d->stash_quads);
    ms_json_number(j, "quads", d->quads);
    ms_json_bool(j, "complete", d->histograms_complete);
    ms_json_number(j, "error_bound_entries", d->error_bound);
    ms_json_close(j, '}');
    ms_json_object(j, "counters");
    for (size_t i = 0; i < d->counters; i++) ms_json_number(j, d->counter[i].name, d->counter[i].value);
    ms_json_close(j, '}');
    put_events(j, s, d);
    if (!ms_map_of_go(&d->map)) put_times(j, s, d);
}

void ms_json_show(FILE *f, const struct ms_snapshot *s, const struct ms_detail *d, const struct ms_group *group,
                  const struct ms_bucket_part *part, size_t parts) {
    struct ms_json j;
    struct ms_totals t;
    ms_view_totals(&d->map, 1, &t);
    ms_json_head(&j, f, "show");
    ms_json_target(&j, "target", s);
    ms_json_totals(&j, &t);
    ms_json_array(&j, "maps");
    ms_json_object(&j, NULL);
    put_map(&j, &d->map);
    ms_json_bool(&j, "parts_sum_to_bytes", ms_map_sum(&d->map) == d->map.bytes);
    ms_json_known(&j, "retained_bytes", d->retained_bytes ? d->retained_bytes : MS_UNKNOWN);
    ms_json_known(&j, "retained_objects", d->retained_bytes ? d->retained_objects : MS_UNKNOWN);
    ms_json_known(&j, "created_ns", d->map.created_ns ? d->map.created_ns : MS_UNKNOWN);
    ms_json_known(&j, "last_write_ns", d->map.last_write_ns ? d->map.last_write_ns : MS_UNKNOWN);
    put_tables(&j, s, d);
    if (group) ms_hex_json(&j, group, part, parts);
    ms_json_close(&j, '}');
    ms_json_close(&j, ']');
    ms_json_notes(&j, s);
    ms_json_close(&j, '}');
    ms_json_end(&j);
}

void ms_json_error(FILE *f, int status, const char *line) {
    struct ms_json j;
    ms_json_begin(&j, f);
    ms_json_object(&j, NULL);
    ms_json_text(&j, "schema", "mapscope/1");
    ms_json_object(&j, "error");
    ms_json_number(&j, "code", (uint64_t)status);
    ms_json_text(&j, "message", line);
    ms_json_close(&j, '}');
    ms_json_close(&j, '}');
    ms_json_end(&j);
}
