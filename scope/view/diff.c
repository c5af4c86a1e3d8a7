/* diff.c - two looks, map by map.
 *
 *   before   a  b  c  d        each sorted by what identifies a map, then merged:
 *   after       b' c  d' e     a went, b and d changed, c is as it was, e came
 *
 * Identity within a process is the id: a gomap's has a generation, so it is never used again.  A Go map's is its address, which
 * is: the same address with another type, in another place or born at another time is another map, so one went and one
 * came.  Who holds it may be told by another path the second time and says nothing by itself.
 *
 * Two runs of a program share no ids.  There a map is its label and type, and of several alike the first is the first.
 */
#include "diff.h"

#include <stdlib.h>
#include <string.h>

const char *ms_change_name(enum ms_change c) {
    static const char *const name[MS_CHANGES] = {"came", "went", "grew", "shrank", "emptier", "none"};
    return name[c];
}

/* ---- identity ---------------------------------------------------------------------------------- */

struct key {
    const struct ms_map *map;
    char *text; /* label and type; NULL: by id */
};

static int by_text(const struct key *a, const struct key *b) {
    return a->text && b->text ? strcmp(a->text, b->text) : 0;
}

static int by_id(const struct ms_map *a, const struct ms_map *b) {
    if (a->copy != b->copy) return a->copy < b->copy ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

/* Strict: of several with one text the order is that of their ids. */
static int in_order(const void *pa, const void *pb) {
    const struct key *a = pa, *b = pb;
    int c = by_text(a, b);
    return c ? c : by_id(a->map, b->map);
}

static int same_key(const struct key *a, const struct key *b) {
    return a->text ? by_text(a, b) : by_id(a->map, b->map);
}

static struct key *keys_of(const struct ms_snapshot *s, bool text, const struct ms_filter *f, size_t *n) {
    struct key *k = ms_alloc((s->maps + 1) * sizeof *k);
    *n = 0;
    for (size_t i = 0; i < s->maps; i++) {
        const struct ms_map *m = &s->map[i];
        if (f && !ms_filter_match(f, m)) continue;
        k[*n].map = m;
        if (text) {
            char *label = ms_map_label(m);
            k[*n].text = ms_asprintf("%s\n%s", label, m->type ? m->type->name : "?");
            free(label);
        }
        ++*n;
    }
    qsort(k, *n, sizeof *k, in_order);
    return k;
}

static void free_keys(struct key *k, size_t n) {
    for (size_t i = 0; i < n; i++) free(k[i].text);
    free(k);
}

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

/* Of one id: is it still that map? */
static bool same_map(const struct ms_map *a, const struct ms_map *b) {
    if (a->kind != b->kind || a->created_ns != b->created_ns) return false;
    if (a->type && b->type && !same_text(a->type->name, b->type->name)) return false;
    return !a->place || !b->place || same_text(a->place, b->place);
}

/* When it started tells two processes of one number apart, if both are known. */
static bool same_process(const struct ms_target *a, const struct ms_target *b) {
    const uint64_t slack = 2000000000;
    if (a->pid != b->pid || !same_text(a->comm, b->comm)) return false;
    if (!a->age_ns || !b->age_ns || !a->taken_ns || !b->taken_ns) return true;
    uint64_t born_a = a->taken_ns - a->age_ns, born_b = b->taken_ns - b->age_ns;
    return (born_a > born_b ? born_a - born_b : born_b - born_a) < slack;
}

/* ---- rows -------------------------------------------------------------------------------------- */

static enum ms_change change_of(const struct ms_map *a, const struct ms_map *b) {
    if (!a) return MS_CHANGE_CAME;
    if (!b) return MS_CHANGE_WENT;
    if (b->entries < a->entries && b->slots >= a->slots) return MS_CHANGE_EMPTIER;
    if (b->bytes > a->bytes || (b->bytes == a->bytes && b->entries > a->entries)) return MS_CHANGE_GREW;
    return b->bytes < a->bytes ? MS_CHANGE_SHRANK : MS_CHANGE_NONE;
}

static void add_row(struct ms_diff *d, const struct ms_map *a, const struct ms_map *b) {
    MS_ROOM(d->row, d->rows, d->room);
    struct ms_difference *r = &d->row[d->rows++];
    *r = (struct ms_difference){.before = a, .after = b, .maps_before = a != NULL, .maps_after = b != NULL};
    r->change = (uint8_t)change_of(a, b);
    d->changes[r->change]++;
}

static void merge(struct ms_diff *d, const struct key *a, size_t na, const struct key *b, size_t nb) {
    size_t i = 0, k = 0;
    while (i < na || k < nb) {
        int c = i == na ? 1 : k == nb ? -1 : same_key(&a[i], &b[k]);
        const struct ms_map *before = c <= 0 ? a[i++].map : NULL, *after = c >= 0 ? b[k++].map : NULL;
        if (before && after && !d->other_process && !same_map(before, after)) {
            add_row(d, before, NULL);
            add_row(d, NULL, after);
        } else {
            add_row(d, before, after);
        }
    }
}

/* ---- maps that are alike ------------------------------------------------------------------------ */

static void add_to(struct ms_map *sum, const struct ms_map *m) {
    if (!m) return;
    sum->entries = ms_add(sum->entries, m->entries);
    sum->slots = ms_add(sum->slots, m->slots);
    sum->bytes = ms_add(sum->bytes, m->bytes);
    sum->waste = ms_add(sum->waste, m->waste);
    sum->rebuild_gain = ms_add(sum->rebuild_gain, m->rebuild_gain);
    sum->load = sum->slots ? (double)sum->entries / (double)sum->slots : 0;
}

static int by_name(const void *pa, const void *pb) {
    const struct ms_difference *a = pa, *b = pb;
    return strcmp(a->name, b->name);
}

/* The type is that of all; of others it is not known. */
static void describe(struct ms_map *sum, const struct ms_map *m, bool first) {
    if (!m) return;
    if (first || (sum->type && m->type && strcmp(sum->type->name, m->type->name) == 0))
        sum->type = m->type, sum->site = m->site, sum->place = m->place;
    else
        sum->type = NULL, sum->site = NULL;
}

static void cluster(struct ms_diff *d, enum ms_by by) {
    size_t kept = 0;
    for (size_t i = 0; i < d->rows; i++) {
        struct ms_difference *r = &d->row[i];
        r->name = ms_view_cluster_key(r->after ? r->after : r->before, by);
    }
    qsort(d->row, d->rows, sizeof *d->row, by_name);
    d->sums = ms_alloc((2 * d->rows + 1) * sizeof *d->sums);
    for (size_t i = 0, next; i < d->rows; i = next) {
        struct ms_map *a = &d->sums[2 * kept], *b = a + 1;
        struct ms_difference r = {.name = d->row[i].name};
        for (next = i; next < d->rows && strcmp(d->row[next].name, r.name) == 0; next++) {
            const struct ms_difference *one = &d->row[next];
            add_to(a, one->before), describe(a, one->before, next == i);
            add_to(b, one->after), describe(b, one->after, next == i);
            r.maps_before += one->maps_before, r.maps_after += one->maps_after;
            if (next != i) free(one->name);
        }
        r.name[strcspn(r.name, "\n")] = 0;
        a->name = b->name = r.name;
        r.before = r.maps_before ? a : NULL;
        r.after = r.maps_after ? b : NULL;
        r.change = (uint8_t)change_of(r.before, r.after);
        d->row[kept++] = r;
    }
    d->rows = kept;
}

/* ---- order, and what must not be ---------------------------------------------------------------- */

struct rank {
    double number, entries;
    size_t at;
};

static int larger(const void *pa, const void *pb) {
    const struct rank *a = pa, *b = pb;
    if (a->number != b->number) return a->number > b->number ? -1 : 1;
    if (a->entries != b->entries) return a->entries > b->entries ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at);
}

/* Those that differ, in order. */
static int sort(struct ms_diff *d, const char *field, struct ms_error *err) {
    struct rank *rank = ms_alloc((d->rows + 1) * sizeof *rank);
    struct ms_difference *row = ms_alloc((d->rows + 1) * sizeof *row);
    size_t n = 0;
    int status = MS_OK;
    for (size_t i = 0; status == MS_OK && i < d->rows; i++) {
        const struct ms_difference *r = &d->row[i];
        if (r->change == MS_CHANGE_NONE && r->maps_before == r->maps_after) continue;
        rank[n].at = i;
        status = ms_view_difference(r->before, r->after, field, &rank[n].number, err);
        if (status == MS_OK)
            status = ms_view_difference(r->before, r->after, "entries", &rank[n].entries, err);
        n++;
    }
    qsort(rank, n, sizeof *rank, larger);
    for (size_t i = 0; i < n; i++) {
        row[i] = d->row[rank[i].at];
        d->row[rank[i].at].name = NULL;
    }
    for (size_t i = 0; i < d->rows; i++) free(d->row[i].name);
    free(d->row);
    free(rank);
    d->row = row;
    d->rows = d->room = n;
    return status;
}

static void judge(struct ms_diff *d, const struct ms_filter *f) {
    double total = (double)d->after.bytes - (double)d->before.bytes;
    for (size_t i = 0; f && f->terms && i < d->rows; i++) {
        struct ms_difference *r = &d->row[i];
        r->fails =
            ms_filter_match_change(f, r->before, r->after, ms_change_name((enum ms_change)r->change), total);
        d->fails += r->fails;
    }
}

int ms_view_diff(const struct ms_snapshot *a, const struct ms_snapshot *b, const struct ms_diff_ask *ask,
                 struct ms_diff *out, struct ms_error *err) {
    size_t na, nb;
    double ignored;
    const char *field = ask->sort ? ask->sort : "bytes";
    *out = (struct ms_diff){.other_process = !same_process(&a->target, &b->target)};
    if (ms_view_difference(NULL, NULL, field, &ignored, err)) return MS_USAGE;
    struct key *ka = keys_of(a, out->other_process, ask->filter, &na),
               *kb = keys_of(b, out->other_process, ask->filter, &nb);
    merge(out, ka, na, kb, nb);
    free_keys(ka, na);
    free_keys(kb, nb);
    for (size_t i = 0; i < out->rows; i++) {
        const struct ms_difference *r = &out->row[i];
        add_to(&out->before, r->before), out->maps_before += r->maps_before;
        add_to(&out->after, r->after), out->maps_after += r->maps_after;
    }
    if (ask->by != MS_BY_MAP) cluster(out, ask->by);
    int status = sort(out, field, err);
    if (status == MS_OK) judge(out, ask->fail_on);
    return status;
}

void ms_view_diff_free(struct ms_diff *d) {
    for (size_t i = 0; i < d->rows; i++) free(d->row[i].name);
    free(d->row);
    free(d->sums);
    *d = (struct ms_diff){0};
}
