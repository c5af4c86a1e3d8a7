/* out.h - from map models and figures to what people and programs read: one file per format.
 *
 * Nothing here sees a process.  Every byte that came from the target is escaped for the format it goes
 * to: no control byte, no markup, no broken UTF-8 leaves this folder.  Write errors stay in the FILE and
 * are reported once, when it is closed.
 */
#ifndef MS_OUT_H
#define MS_OUT_H

#include "../model/holders.h"
#include "../model/model.h"
#include "../view/budget.h"
#include "../view/doctor.h"
#include "../view/forecast.h"
#include "../view/explain.h"
#include "../view/maptype.h"
#include "../view/profile.h"
#include "../view/diff.h"
#include "../view/timeline.h"
#include "../view/view.h"
#include "../view/waterfall.h"
#include "../view/whatif.h"

#include <stdio.h>

struct ms_style {
    int width; /* columns; 0: no limit */
    bool utf8, colour;
    bool resident; /* was asked for */
    bool steady;   /* the same columns whatever the maps, without ids below 100 columns: rows of a screen */
};

/* ---- text.c ------------------------------------------------------------------------------------ */
/* Safe for a terminal: controls, invisible and direction-changing characters as \xNN or \u{N}. Allocated. */
char *ms_text_escape(const char *s, bool utf8);
/* Columns of an escaped text. */
int ms_text_width(const char *s);
/* s in exactly `width` columns: padded, or cut with an ellipsis before its last `tail` columns (fewer, if
 * they do not fit beside the ellipsis; 0: the end is cut).  Allocated. */
char *ms_text_fitted(const char *s, int width, int tail, bool utf8);
/* Print s in exactly `width` columns, padded or its end cut. */
void ms_text_fit(FILE *f, const char *s, int width, bool utf8);
/* Print s without padding, cut to `width` columns; 0 or less: all of it. */
void ms_text_cut(FILE *f, const char *s, int width, bool utf8);
/* "999", "1.5K" ... "16E": at most 5 characters; powers of 1024. */
const char *ms_text_bytes(uint64_t n, char buf[16]);
/* Up to 7 digits exact, then "12.3M": powers of 1000. */
const char *ms_text_count(uint64_t n, char buf[16]);
const char *ms_text_moment(uint64_t wall_ns, char buf[32]); /* date and time, local */
const char *ms_text_duration(uint64_t ns, char buf[32]);
const char *ms_text_wall(uint64_t ns, char buf[32]); /* since 1970: "2026-02-28 12:00:00.000000Z" */
/* A share, 0 to 1, of a bar of `room` columns. */
void ms_text_bar(FILE *f, const struct ms_style *st, double share, int room);
/* For HTML and SVG: markup escaped, controls and broken UTF-8 replaced. */
void ms_text_xml(FILE *f, const char *s);

/* ---- json.c ------------------------------------------------------------------------------------ */
struct ms_json {
    FILE *f;
    int depth;
    bool one_line;
    bool some[24]; /* an element was written at this depth */
};
void ms_json_begin(struct ms_json *j, FILE *f);
void ms_json_end(struct ms_json *j);
/* key NULL: an array element. */
void ms_json_object(struct ms_json *j, const char *key);
void ms_json_array(struct ms_json *j, const char *key);
void ms_json_close(struct ms_json *j, char bracket);
void ms_json_text(struct ms_json *j, const char *key, const char *s); /* NULL: null */
void ms_json_number(struct ms_json *j, const char *key, uint64_t n);
void ms_json_raw(struct ms_json *j, const char *key, const char *number); /* digits as they are */
void ms_json_known(struct ms_json *j, const char *key, uint64_t n); /* MS_UNKNOWN: null */
void ms_json_ratio(struct ms_json *j, const char *key, double v);
void ms_json_bool(struct ms_json *j, const char *key, bool v);

/* ---- jsondoc.c: the documents of mapscope/1 ---------------------------------------------------- */
void ms_json_head(struct ms_json *j, FILE *f, const char *verb);
void ms_json_target(struct ms_json *j, const char *key, const struct ms_snapshot *s);
void ms_json_totals(struct ms_json *j, const struct ms_totals *t);
void ms_json_map(struct ms_json *j, const struct ms_map *m);
/* clusters NULL: none are told. */
void ms_json_list(FILE *f, const char *verb, const struct ms_snapshot *s, const struct ms_totals *t,
                  const struct ms_map *maps, size_t n, const struct ms_clusters *clusters);
/* group NULL: no bytes. */
void ms_json_show(FILE *f, const struct ms_snapshot *s, const struct ms_detail *d, const struct ms_group *group,
                  const struct ms_bucket_part *part, size_t parts);
void ms_json_notes(struct ms_json *j, const struct ms_snapshot *s);
void ms_json_error(FILE *f, int status, const char *line);

/* ---- jsonholders.c, tableholders.c --------------------------------------------------------------- */
void ms_json_holders(FILE *f, const struct ms_snapshot *s, const struct ms_map *m, const struct ms_holders *h);
void ms_table_holders(FILE *f, const struct ms_style *st, const struct ms_map *m, const struct ms_holders *h);

/* ---- jsondoctor.c, tabledoctor.c ----------------------------------------------------------------- */
void ms_json_doctor(FILE *f, const struct ms_snapshot *s, const struct ms_doctor *d, const struct ms_diagnosis *x);
void ms_table_doctor(FILE *f, const struct ms_style *st, const struct ms_snapshot *s, const struct ms_doctor *d,
                     const struct ms_diagnosis *x);

/* ---- jsonexplain.c, tableexplain.c --------------------------------------------------------------- */
/* crash NULL: the user asked for an address. */
void ms_json_explain(FILE *f, const struct ms_snapshot *s, const struct ms_crash *crash, const struct ms_explained *e,
                     size_t n);
void ms_table_explain(FILE *f, const struct ms_style *st, const struct ms_snapshot *s, const struct ms_crash *crash,
                      const struct ms_explained *e, size_t n);

/* ---- jsonforecast.c, tableforecast.c ------------------------------------------------------------- */
/* Rows 0 to shown of n; looks in so many ns. */
void ms_json_forecast(FILE *f, const struct ms_snapshot *s, size_t looks, uint64_t ns, const struct ms_room *room,
                      const struct ms_forecast *x, size_t shown);
void ms_table_forecast(FILE *f, const struct ms_style *st, const struct ms_snapshot *s, size_t looks, uint64_t ns,
                       const struct ms_room *room, const struct ms_forecast *x, size_t shown, size_t n);

/* ---- tablelayout.c, jsonlayout.c ----------------------------------------------------------------- */
void ms_table_layouts(FILE *f, const struct ms_style *st, const struct ms_snapshot *s, const struct ms_maptypes *all);
void ms_table_layout(FILE *f, const struct ms_style *st, const struct ms_maptypes *all, const struct ms_maptype *l);
void ms_json_layouts(FILE *f, const struct ms_snapshot *s, const struct ms_maptypes *all);

/* ---- tableevents.c, jsonevents.c, perfetto.c ----------------------------------------------------- */
/* Moments from `from` on. */
void ms_table_events(FILE *f, const struct ms_style *st, const struct ms_snapshot *s, const struct ms_timeline *t,
                     size_t from);
void ms_json_events(FILE *f, const struct ms_snapshot *s, const struct ms_timeline *t, size_t from);
/* The same, a line a document: what is watched, then each event, then what was lost. */
void ms_jsonl_begin(FILE *f, const struct ms_snapshot *s, const struct ms_timeline *t);
void ms_jsonl_event(FILE *f, const struct ms_snapshot *s, const struct ms_timeline *t, size_t i);
void ms_jsonl_end(FILE *f, const struct ms_snapshot *s, const struct ms_timeline *t);
/* Samples of CPU time as folded stacks, root first: what flamegraph.pl and its like read. */
void ms_folded_samples(FILE *f, const struct ms_snapshot *s, const struct ms_timeline *t);
/* Trace events for ui.perfetto.dev and chrome://tracing. */
void ms_perfetto(FILE *f, const struct ms_snapshot *s, const struct ms_timeline *t);

/* ---- profproto.c, proffolded.c, profflame.c, tableprof.c, jsonprof.c ------------------------------ */
/* profile.proto, gzipped: what `go tool pprof` reads.  MS_INTERNAL when zlib refuses. */
int ms_prof_proto(FILE *f, const struct ms_profile *p, struct ms_error *err);
/* Of one type of value; speedscope gets all, this one first. */
void ms_prof_folded(FILE *f, const struct ms_profile *p, enum ms_prof_value v);
void ms_prof_speedscope(FILE *f, const struct ms_snapshot *s, const struct ms_profile *p, enum ms_prof_value v);
void ms_prof_flame(FILE *f, const struct ms_snapshot *s, const struct ms_profile *p, enum ms_prof_value v);
/* Rows by what samples share (ms_profile_rows), at most `limit`, 0: all. */
void ms_table_prof(FILE *f, const struct ms_style *st, const struct ms_snapshot *s, const struct ms_profile *p,
                   const char *by, enum ms_prof_value v, size_t limit);
void ms_json_prof(FILE *f, const struct ms_snapshot *s, const struct ms_profile *p, const char *by, enum ms_prof_value v,
                  size_t limit);

/* ---- tablewhatif.c, jsonwhatif.c ----------------------------------------------------------------- */
void ms_table_whatif(FILE *f, const struct ms_style *st, const struct ms_map *m, const struct ms_whatif *w);
void ms_json_whatif(FILE *f, const struct ms_snapshot *s, const struct ms_map *m, const struct ms_whatif *w);

/* ---- jsoncheck.c, tablecheck.c ------------------------------------------------------------------- */
/* What `check` reports; notes of the last look. */
void ms_json_check(FILE *f, const struct ms_checked *c, const struct ms_snapshot *last);
void ms_table_check(FILE *f, const struct ms_style *st, const struct ms_checked *c);
/* A map for which `when` turned true: what `watch` tells. */
void ms_json_event(FILE *f, const struct ms_snapshot *s, const struct ms_map *m, const char *when, uint64_t wall_ns);
void ms_table_event(FILE *f, const struct ms_style *st, const struct ms_map *m, int64_t seconds);

/* ---- jsonmem.c, tablemem.c ----------------------------------------------------------------------- */
void ms_json_mem(FILE *f, const struct ms_snapshot *s, const struct ms_mem_report *r);
void ms_table_mem(FILE *f, const struct ms_style *st, const struct ms_snapshot *s, const struct ms_mem_report *r);

/* ---- jsondiff.c, tablediff.c ------------------------------------------------------------------- */
/* At most `limit` rows, 0: all; what is counted is of all. */
void ms_json_diff(FILE *f, const struct ms_snapshot *a, const struct ms_snapshot *b, const struct ms_diff *d, size_t limit);
void ms_table_diff(FILE *f, const struct ms_style *st, const struct ms_snapshot *a, const struct ms_snapshot *b,
                   const struct ms_diff *d, size_t limit);

/* ---- hex.c ------------------------------------------------------------------------------------- */
void ms_hex_table(FILE *f, const struct ms_group *g, const struct ms_bucket_part *part, size_t n);
void ms_hex_json(struct ms_json *j, const struct ms_group *g, const struct ms_bucket_part *part, size_t n);

/* ---- tablelist.c ----------------------------------------------------------------------------------- */
/* What is looked at, and how it was read; the second of these alone.  Return how many lines that took. */
int ms_table_target(FILE *f, const struct ms_style *st, const struct ms_snapshot *s);
int ms_table_mode(FILE *f, const struct ms_style *st, const struct ms_snapshot *s);
void ms_table_list(FILE *f, const struct ms_style *st, const struct ms_map *maps, size_t n);
void ms_table_totals(FILE *f, const struct ms_style *st, const struct ms_totals *t, size_t shown);
void ms_table_notes(FILE *f, const struct ms_style *st, const struct ms_snapshot *s);
/* ---- tableshow.c ------------------------------------------------------------------------------- */
void ms_table_show(FILE *f, const struct ms_style *st, const struct ms_snapshot *s,
                   const struct ms_detail *d);

/* ---- pictures of occupancy --------------------------------------------------------------------- */
struct ms_picture {
    const struct ms_map *map;
    const struct ms_target *target;
    const struct ms_cells *cells;
    const struct ms_cells *other; /* second array of a walk between two; NULL or count 0: none */
    uint64_t groups;              /* of the whole table */
    uint64_t split, lo_groups;
    bool two_arrays;
};
size_t ms_halfblock_cells(const struct ms_style *st); /* cells that fit a screen of this width */
void ms_halfblock_heat(FILE *f, const struct ms_style *st, const struct ms_picture *p);
void ms_halfblock_groups(FILE *f, const struct ms_style *st, const struct ms_group *g, size_t n);
enum { MS_SVG_CELLS = 4096, MS_PNG_CELLS = 256 * 1024 };
void ms_svg_heat(FILE *f, const struct ms_picture *p);
/* MS_INTERNAL when zlib refuses; write errors as everywhere. */
int ms_png_heat(FILE *f, const struct ms_picture *p, struct ms_error *err);
void ms_html_show(FILE *f, const struct ms_snapshot *s, const struct ms_detail *d,
                  const struct ms_picture *p);
void ms_html_list(FILE *f, const struct ms_snapshot *s, const struct ms_totals *t, const struct ms_map *maps,
                  size_t n);

#endif
