/* openmetrics.c - maps for a monitoring system; openmetrics.h says what of.
 *
 * Two tables: families of targets, and families of rows of maps.  A family is a name, a type, a unit, a line of help, and a
 * function that tells the value of one row, or that it is not known: then there is no sample, never a made-up 0.  The two
 * forms differ in three points: OpenMetrics names a counter's family without _total, has UNIT lines, and an end.
 *
 * Labels were cut and cleaned when rows were made (view/series.h), so that what is printed is what was told apart; here only
 * quotes and backslashes remain to be escaped.
 */
#include "openmetrics.h"

#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum type { GAUGE, COUNTER };

struct family {
    const char *name; /* without _total */
    enum type type;
    const char *unit; /* its last word, or NULL */
    const char *help;
};

/* ---- targets ------------------------------------------------------------------------------------- */

enum { NS = 1000000000 };

/* As digits of the unit; false: not known. */
typedef bool of_target(const struct ms_scraped *t, double *out);

static bool known(uint64_t n, double *out) {
    *out = (double)n;
    return n != MS_UNKNOWN;
}

static bool t_up(const struct ms_scraped *t, double *out) { return known(t->up, out); }
static bool t_made(const struct ms_scraped *t, double *out) { return known(t->maps_made, out); }
static bool t_freed(const struct ms_scraped *t, double *out) { return known(t->maps_freed, out); }
static bool t_rss(const struct ms_scraped *t, double *out) {
    return known(t->rss_bytes, out) && t->rss_bytes;
}
static bool t_look(const struct ms_scraped *t, double *out) { return *out = (double)t->look_ns / NS, true; }
static bool t_pause(const struct ms_scraped *t, double *out) { return *out = (double)t->pause_ns / NS, true; }
static bool t_at(const struct ms_scraped *t, double *out) {
    return *out = (double)t->looked_at_ns / NS, true;
}
static bool t_room(const struct ms_scraped *t, double *out) { return known(ms_room_left(&t->room), out); }
static bool t_limit(const struct ms_scraped *t, double *out) { return known(t->room.limit, out); }
static bool t_folded(const struct ms_scraped *t, double *out) { return known(t->series.folded, out); }
static bool t_uncertain(const struct ms_scraped *t, double *out) { return known(t->series.uncertain, out); }

static const struct {
    struct family family;
    of_target *value;
} target_families[] = {
    {{"mapscope_up", GAUGE, NULL, "Whether the last look at the process succeeded"}, t_up},
    {{"mapscope_scrape_seconds", GAUGE, "seconds", "How long the last look took"}, t_look},
    {{"mapscope_look_timestamp_seconds", GAUGE, "seconds", "When the last look was taken"}, t_at},
    {{"mapscope_target_pause_seconds", COUNTER, "seconds",
      "For how long the process was stopped to be looked at"},
     t_pause},
    {{"mapscope_folded_rows", GAUGE, NULL, "Rows of maps that are in the row other"}, t_folded},
    {{"mapscope_uncertain_maps", GAUGE, NULL,
      "Maps that changed each time they were read, or contradict themselves"},
     t_uncertain},
    {{"mapscope_process_resident_bytes", GAUGE, "bytes", "Resident set of the process"}, t_rss},
    {{"mapscope_memory_limit_bytes", GAUGE, "bytes", "Tightest memory limit over the process"}, t_limit},
    {{"mapscope_memory_room_bytes", GAUGE, "bytes", "What that limit and the machine leave"}, t_room},
    {{"gomap_maps_made", COUNTER, NULL, "Maps ever made, as the library counts them"}, t_made},
    {{"gomap_maps_freed", COUNTER, NULL, "Maps ever freed, as the library counts them"}, t_freed},
};

/* ---- rows ---------------------------------------------------------------------------------------- */

typedef bool of_row(const struct ms_series_row *r, double *out);

static bool r_maps(const struct ms_series_row *r, double *out) { return known(r->maps, out); }
static bool r_entries(const struct ms_series_row *r, double *out) { return known(r->entries, out); }
static bool r_waste(const struct ms_series_row *r, double *out) { return known(r->waste, out); }
static bool r_gain(const struct ms_series_row *r, double *out) { return known(r->rebuild_gain, out); }
static bool r_resident(const struct ms_series_row *r, double *out) { return known(r->resident, out); }
static bool r_growths(const struct ms_series_row *r, double *out) { return known(r->growths, out); }
static bool r_alarms(const struct ms_series_row *r, double *out) { return known(r->alarms, out); }
static bool r_growing(const struct ms_series_row *r, double *out) { return known(r->growing, out); }
static bool r_shrinking(const struct ms_series_row *r, double *out) { return known(r->shrinking, out); }
static bool r_pending(const struct ms_series_row *r, double *out) { return known(r->pending_groups, out); }
static bool r_until(const struct ms_series_row *r, double *out) { return known(r->until_growth, out); }
static bool r_growth(const struct ms_series_row *r, double *out) { return known(r->growth_bytes, out); }
static bool r_load(const struct ms_series_row *r, double *out) {
    *out = r->slots ? (double)r->entries / (double)r->slots : 0;
    return r->slots != 0;
}

static const struct {
    struct family family;
    of_row *value;
} row_families[] = {
    {{"gomap_maps", GAUGE, NULL, "Maps that share these labels"}, r_maps},
    {{"gomap_entries", GAUGE, NULL, "Entries"}, r_entries},
    {{"gomap_load_factor_ratio", GAUGE, "ratio", "Entries per slot"}, r_load},
    {{"gomap_waste_bytes", GAUGE, "bytes", "Bytes that carry no entry"}, r_waste},
    {{"gomap_rebuild_gain_bytes", GAUGE, "bytes", "Bytes that would come back if each map were rebuilt"},
     r_gain},
    {{"gomap_resident_bytes", GAUGE, "bytes", "Bytes that are in memory"}, r_resident},
    {{"gomap_growths", GAUGE, NULL, "Growths so far of the maps that are there now"}, r_growths},
    {{"gomap_chain_alarms", GAUGE, NULL,
      "Chain alarms so far of the maps that are there now: keys that hash alike"},
     r_alarms},
    {{"gomap_growing_maps", GAUGE, NULL, "Maps in the middle of a growth"}, r_growing},
    {{"gomap_shrinking_maps", GAUGE, NULL, "Maps in the middle of a shrink"}, r_shrinking},
    {{"gomap_evacuation_pending_groups", GAUGE, NULL,
      "Groups or buckets that growths and shrinks have still to move"},
     r_pending},
    {{"gomap_until_growth_entries", GAUGE, NULL,
      "Inserts until the next growth of the map that is nearest to it"},
     r_until},
    {{"gomap_growth_peak_bytes", GAUGE, "bytes", "Bytes more at the peak of the largest next growth"},
     r_growth},
};

/* Families whose samples have one label more. */
static const struct family slots_family = {"gomap_slots", GAUGE, NULL, "Slots of tables by state"};
static const struct family memory_family = {"gomap_memory_bytes", GAUGE, "bytes",
                                            "Allocated bytes of maps by part"};

/* ---- text ---------------------------------------------------------------------------------------- */

struct writer {
    FILE *f;
    enum ms_exposition form;
    const struct ms_scraped *target;
    size_t targets;
    const struct family *last; /* whose head is out */
};

static const char *suffix(const struct family *y) { return y->type == COUNTER ? "_total" : ""; }

/* Before each sample: a family without any is not there. */
static void put_head(struct writer *w, const struct family *y) {
    static const char *const type[] = {[GAUGE] = "gauge", [COUNTER] = "counter"};
    bool open = w->form == MS_OPENMETRICS;
    const char *tail = open ? "" : suffix(y);
    if (w->last == y) return;
    w->last = y;
    fprintf(w->f, "# HELP %s%s %s.\n# TYPE %s%s %s\n", y->name, tail, y->help, y->name, tail, type[y->type]);
    if (open && y->unit) fprintf(w->f, "# UNIT %s %s\n", y->name, y->unit);
}

static bool whole(double v) { return v >= 0 && v < 9007199254740992.0 && v == (double)(uint64_t)v; }

static void put_value(FILE *f, double v) {
    if (whole(v))
        fprintf(f, " %" PRIu64 "\n", (uint64_t)v);
    else
        fprintf(f, " %.17g\n", v);
}

static void put_label(FILE *f, char lead, const char *key, const char *value) {
    fprintf(f, "%c%s=\"", lead, key);
    for (size_t n; *value; value += n) {
        n = strcspn(value, "\\\"");
        fwrite(value, 1, n, f);
        if (value[n]) fprintf(f, "\\%c", value[n++]);
    }
    fputc('"', f);
}

/* Labels of the target; returns what comes before the next label. */
static char put_target(const struct writer *w, const struct ms_scraped *t) {
    if (!t->process) return '{';
    put_label(w->f, '{', "process", t->process);
    fprintf(w->f, ",pid=\"%d\"", t->pid);
    return ',';
}

static void put_row(struct writer *w, const struct ms_scraped *t, const struct family *y,
                    const struct ms_series_row *r, const char *key, const char *text, double value) {
    put_head(w, y);
    fputs(y->name, w->f);
    put_label(w->f, put_target(w, t), "map", r->map);
    put_label(w->f, ',', "type", r->type);
    if (key) put_label(w->f, ',', key, text);
    fputc('}', w->f);
    put_value(w->f, value);
}

static void put_targets(struct writer *w, const struct family *y, of_target *value) {
    for (size_t i = 0; i < w->targets; i++) {
        const struct ms_scraped *t = &w->target[i];
        double v;
        if ((!t->up && value != t_up) || !value(t, &v)) continue;
        put_head(w, y);
        fprintf(w->f, "%s%s", y->name, suffix(y));
        if (put_target(w, t) == ',') fputc('}', w->f);
        put_value(w->f, v);
    }
}

static void put_rows(struct writer *w, const struct family *y, of_row *value) {
    for (size_t i = 0; i < w->targets; i++) {
        const struct ms_scraped *t = &w->target[i];
        double v;
        for (size_t k = 0; t->up && k < t->series.rows; k++)
            if (value(&t->series.row[k], &v)) put_row(w, t, y, &t->series.row[k], NULL, NULL, v);
    }
}

static void put_slots(struct writer *w) {
    for (size_t i = 0; i < w->targets; i++) {
        const struct ms_scraped *t = &w->target[i];
        for (size_t k = 0; t->up && k < t->series.rows; k++) {
            const struct ms_series_row *r = &t->series.row[k];
            put_row(w, t, &slots_family, r, "state", "live", (double)r->slots_live);
            put_row(w, t, &slots_family, r, "state", "empty",
                    (double)(r->slots - ms_min(r->slots_live, r->slots)));
        }
    }
}

/* A part that no map has is left out. */
static void put_memory(struct writer *w) {
    bool has[MS_PARTS] = {false};
    for (size_t i = 0; i < w->targets; i++)
        for (size_t k = 0; k < w->target[i].series.rows; k++)
            for (int p = 0; p < MS_PARTS; p++) has[p] = has[p] || w->target[i].series.row[k].part[p];
    for (size_t i = 0; i < w->targets; i++) {
        const struct ms_scraped *t = &w->target[i];
        for (size_t k = 0; t->up && k < t->series.rows; k++)
            for (int p = 0; p < MS_PARTS; p++)
                if (has[p])
                    put_row(w, t, &memory_family, &t->series.row[k], "part", ms_part_name((enum ms_part)p),
                            (double)t->series.row[k].part[p]);
    }
}

static void put_info_head(const struct writer *w, const char *name, const char *help) {
    const char *tail = w->form == MS_OPENMETRICS ? "" : "_info";
    fprintf(w->f, "# HELP %s%s %s.\n# TYPE %s%s %s\n", name, tail, help, name, tail,
            *tail ? "gauge" : "info");
}

/* What the tool is, and what makes the maps of each target. */
static void put_infos(const struct writer *w, const char *version) {
    bool some = false;
    put_info_head(w, "mapscope_build", "Version of mapscope");
    fprintf(w->f, "mapscope_build_info{version=\"%s\"} 1\n", version);
    for (size_t i = 0; i < w->targets; i++) {
        if (!w->target[i].up || !w->target[i].version) continue;
        if (!some) put_info_head(w, "gomap_build", "Version of the library that makes the maps, or of Go");
        some = true;
        fputs("gomap_build_info", w->f);
        put_label(w->f, put_target(w, &w->target[i]), "version", w->target[i].version);
        fputs("} 1\n", w->f);
    }
}

static const struct family left_out_family = {"mapscope_left_out_processes", GAUGE, NULL,
                                              "Processes with maps beyond those that are told"};

const char *ms_exposition_type(enum ms_exposition form) {
    return form == MS_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                  : "text/plain; version=0.0.4; charset=utf-8";
}

void ms_openmetrics(FILE *f, enum ms_exposition form, const char *version, const struct ms_scraped *target,
                    size_t targets, uint64_t left_out) {
    struct writer w = {f, form, target, targets, NULL};
    if (left_out != MS_UNKNOWN) {
        put_head(&w, &left_out_family);
        fputs(left_out_family.name, f);
        put_value(f, (double)left_out);
    }
    put_infos(&w, version);
    for (size_t i = 0; i < sizeof target_families / sizeof *target_families; i++)
        put_targets(&w, &target_families[i].family, target_families[i].value);
    for (size_t i = 0; i < sizeof row_families / sizeof *row_families; i++)
        put_rows(&w, &row_families[i].family, row_families[i].value);
    put_slots(&w);
    put_memory(&w);
    if (form == MS_OPENMETRICS) fputs("# EOF\n", f);
}

/* ---- a document ---------------------------------------------------------------------------------- */

static void put_number(struct ms_json *j, const char *key, bool is_known, double v) {
    if (!is_known)
        ms_json_text(j, key, NULL);
    else if (whole(v))
        ms_json_number(j, key, (uint64_t)v);
    else {
        char digits[32];
        snprintf(digits, sizeof digits, "%.17g", v);
        ms_json_raw(j, key, digits);
    }
}

static void put_json_row(struct ms_json *j, const struct ms_series_row *r) {
    double v = 0;
    ms_json_object(j, NULL);
    ms_json_text(j, "map", r->map);
    ms_json_text(j, "type", r->type);
    for (size_t i = 0; i < sizeof row_families / sizeof *row_families; i++) {
        bool is_known = row_families[i].value(r, &v);
        put_number(j, row_families[i].family.name, is_known, v);
    }
    ms_json_object(j, slots_family.name);
    ms_json_number(j, "live", r->slots_live);
    ms_json_number(j, "empty", r->slots - ms_min(r->slots_live, r->slots));
    ms_json_close(j, '}');
    ms_json_object(j, memory_family.name);
    for (int p = 0; p < MS_PARTS; p++) ms_json_number(j, ms_part_name((enum ms_part)p), r->part[p]);
    ms_json_close(j, '}');
    ms_json_close(j, '}');
}

void ms_json_metrics(FILE *f, const struct ms_snapshot *snap, const struct ms_scraped *t) {
    struct ms_json j;
    ms_json_head(&j, f, "metrics");
    ms_json_target(&j, "target", snap);
    ms_json_object(&j, "process");
    for (size_t i = 0; i < sizeof target_families / sizeof *target_families; i++) {
        double v = 0;
        bool is_known = target_families[i].value(t, &v);
        char name[64];
        snprintf(name, sizeof name, "%s%s", target_families[i].family.name,
                 suffix(&target_families[i].family));
        put_number(&j, name, is_known, v);
    }
    ms_json_close(&j, '}');
    ms_json_array(&j, "rows");
    for (size_t i = 0; i < t->series.rows; i++) put_json_row(&j, &t->series.row[i]);
    ms_json_close(&j, ']');
    ms_json_notes(&j, snap);
    ms_json_close(&j, '}');
    ms_json_end(&j);
}

/* ---- from a snapshot ----------------------------------------------------------------------------- */

void ms_scraped_fill(struct ms_scraped *s, const struct ms_snapshot *snap, const struct ms_room *room,
                     size_t most) {
    char version[MS_SERIES_LABEL_BYTES + 1];
    const char *made_by = snap->runtime ? snap->runtime : snap->copies ? snap->copy[0].version : NULL;
    s->up = true;
    s->maps_made = s->maps_freed = snap->copies ? 0 : MS_UNKNOWN;
    for (size_t i = 0; i < snap->copies; i++) {
        s->maps_made = ms_add(s->maps_made, snap->copy[i].maps_made);
        s->maps_freed = ms_add(s->maps_freed, snap->copy[i].maps_freed);
    }
    s->rss_bytes = snap->target.rss_bytes;
    s->pause_ns = snap->target.pause_ns;
    s->room = *room;
    if (made_by) ms_view_label(made_by, version);
    s->version = made_by ? ms_strdup(version) : NULL;
    ms_view_series(snap->map, snap->maps, most, &s->series);
}

void ms_scraped_free(struct ms_scraped *s) {
    ms_view_series_free(&s->series);
    free(s->version);
    s->version = NULL;
}
