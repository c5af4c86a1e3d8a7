/* view.h - pure functions from map models to numbers; they see no process and print nothing. */
#ifndef MS_VIEW_H
#define MS_VIEW_H

#include "../model/model.h"

/* ---- totals.c ---------------------------------------------------------------------------------- */

/* The load a fresh table is built for: the growth limit of gomap's balanced mode. */
#define MS_REBUILD_LOAD 0.80

struct ms_totals {
    uint64_t maps, exact, entries, bytes, waste, rebuild_gain, resident, swapped, reserved, part[MS_PARTS];
    bool resident_known; /* for every map */
    uint64_t growing, shrinking;
};

/* Fill waste, rebuild_gain, grow_bytes and grow_peak of a map. */
void ms_view_figures(struct ms_map *m);
uint64_t ms_view_waste(const struct ms_map *m);
/* Table bytes that `entries` entries need in a table built for them at MS_REBUILD_LOAD. */
uint64_t ms_view_rebuild_table(const struct ms_type *t, uint64_t entries);
/* Table bytes of so many groups, in one block or in three page-rounded areas of a range. */
uint64_t ms_view_table_bytes(const struct ms_type *t, uint64_t groups, bool range);
void ms_view_totals(const struct ms_map *maps, size_t n, struct ms_totals *out);

/* ---- select.c ---------------------------------------------------------------------------------- */

/* Sort by a field: numbers descending, texts ascending; a leading '-' turns it round. Stable: ties by
 * copy and id. MS_USAGE: no such field. */
int ms_view_sort(struct ms_map *maps, size_t n, const char *field, struct ms_error *err);
/* The same order, as numbers of maps. */
int ms_view_order(const struct ms_map *maps, size_t n, const char *field, size_t *order, struct ms_error *err);
/* Next sort field after `field`, for `top`. */
const char *ms_view_next_sort(const char *field);

enum { MS_FILTER_TERMS = 8 };
struct ms_filter {
    struct {
        int field, op;
        double number;
        char text[256];
    } term[MS_FILTER_TERMS];
    size_t terms;
    bool of_changes; /* its numbers are differences */
};
/* "bytes>1M", "load<0.5,entries>=1000", "name~user".  Terms joined by ',' or '&&' must all hold. */
int ms_filter_parse(struct ms_filter *f, const char *expr, struct ms_error *err);
/* A number with %, or with K M G T: powers of 1024 for bytes, of 1000 for counts.  False: it is none. */
bool ms_view_number(const char *s, bool bytes, double *out);
bool ms_filter_match(const struct ms_filter *f, const struct ms_map *m);
/* Of differences: numbers are those after less those before, a map that is not there (NULL) counting as 0; `change` is a
 * text (came, went, grew ...), `total` the difference of all bytes together. */
int ms_filter_parse_changes(struct ms_filter *f, const char *expr, struct ms_error *err);
bool ms_filter_match_change(const struct ms_filter *f, const struct ms_map *before, const struct ms_map *after,
                            const char *change, double total);
/* How large the difference in a numeric field is; -FIELD: negated, so that the least comes first.  MS_USAGE: no such field. */
int ms_view_difference(const struct ms_map *before, const struct ms_map *after, const char *field, double *out,
                       struct ms_error *err);

/* Is term i about a text?  Its field's name; what a map has there; does the term hold? */
bool ms_filter_is_text(const struct ms_filter *f, size_t i);
bool ms_filter_is_bytes(const struct ms_filter *f, size_t i);
const char *ms_filter_field(const struct ms_filter *f, size_t i);
double ms_filter_value(const struct ms_filter *f, size_t i, const struct ms_map *m);
bool ms_filter_holds(const struct ms_filter *f, size_t i, const struct ms_map *m);

/* MAP argument: id, whole name, whole label, or a unique prefix of name or label. */
int ms_view_find(const struct ms_snapshot *s, const char *what, const struct ms_map **out,
                 struct ms_error *err);

/* ---- cluster.c --------------------------------------------------------------------------------- */

/* What maps of one row have in common.  A tree: of types or of roots first, of places below. */
enum ms_by {
    MS_BY_MAP,    /* nothing: a row a map */
    MS_BY_PLACE,  /* the place that holds them, and the type */
    MS_BY_TYPE,   /* the type, then the place */
    MS_BY_HOLDER, /* the variable or frame at the root, then the place */
};

/* Rows of sums and of maps, in the order they are shown.  As a map, a row has the sums, id, kind and address of the worst
 * of its maps, which is the first by the order, and a name that tells depth and number: "  main.user.tags x200". */
struct ms_clusters {
    struct ms_map *row;
    struct ms_cluster {
        char *name;    /* alone */
        uint64_t maps; /* 1: the row is a map itself */
        unsigned depth;
    } * cluster; /* of each row */
    size_t rows, room, cluster_room;
};
/* Of maps sorted by `field`; at most `most` rows of depth 0 (0: all).  expand: the maps too. */
int ms_view_clusters(const struct ms_map *maps, size_t n, enum ms_by by, bool expand, const char *field, size_t most,
                     struct ms_clusters *out, struct ms_error *err);
void ms_view_clusters_free(struct ms_clusters *c);
/* The text by which a map is put into a cluster of the upper level; of a place the type is its second line.  Allocated. */
char *ms_view_cluster_key(const struct ms_map *m, enum ms_by by);

/* ---- bucket.c ---------------------------------------------------------------------------------- */

struct ms_bucket_part {
    const char *what;  /* tophash, control, overflow, link, slot, key, value */
    const char *state; /* of a slot: live, deleted, empty; else NULL */
    uint64_t addr;
    uint32_t len;
    int slot;             /* -1: none */
    bool data;            /* a key or value, or a pointer to one */
    const uint8_t *bytes; /* NULL: not read */
};
/* The parts of a group or bucket by address; *out allocated.  0: nothing is known of how it lies. */
size_t ms_view_bucket(const struct ms_map *m, const struct ms_group *g, struct ms_bucket_part **out);

/* ---- heat.c ------------------------------------------------------------------------------------ */

struct ms_rgb {
    uint8_t r, g, b;
};
/* Fill of a cell, 0..1. The last cell may stand for fewer groups. */
double ms_heat_fill(const struct ms_cells *c, size_t cell);
/* Colour of a fill, dark violet (empty) to yellow (full), even to the eye and to the colour blind. */
struct ms_rgb ms_heat_colour(double fill);
/* Nearest colour of the terminal's 256. */
int ms_heat_colour256(struct ms_rgb c);
/* A coarser level: each cell the sum of `factor` neighbours. */
void ms_heat_coarser(const struct ms_cells *in, size_t factor, struct ms_cells *out);
/* Columns of a picture of `cells` cells that is about twice as wide as high, at most `max`. */
size_t ms_heat_columns(size_t cells, size_t max);

#endif
