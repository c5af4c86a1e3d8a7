/* select.c - which maps, in which order: sort fields, filter expressions, the MAP argument.
 *
 * One table of fields serves all three, so what can be shown can be sorted by and filtered on.
 */
#include "view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum field {
    F_BYTES,
    F_ENTRIES,
    F_WASTE,
    F_GAIN,
    F_LOAD,
    F_SLOTS,
    F_RESIDENT,
    F_ID,
    F_NAME,
    F_TYPE,
    F_SITE,
    F_KIND,
    F_STATE,
    F_GROWTH,
    F_GROWTHS,
    F_PLACE,
    FIELDS,
    F_CHANGE = FIELDS, /* of differences only */
    F_TOTAL,
    FIELDS_OF_CHANGES
};
enum op { OP_GT, OP_GE, OP_LT, OP_LE, OP_EQ, OP_NE, OP_HAS };

static const struct {
    const char *name;
    bool text, bytes;
} fields[FIELDS_OF_CHANGES] = {
    [F_BYTES] = {"bytes", false, true},       [F_ENTRIES] = {"entries", false, false},
    [F_WASTE] = {"waste", false, true},       [F_GAIN] = {"gain", false, true},
    [F_LOAD] = {"load", false, false},        [F_SLOTS] = {"slots", false, false},
    [F_RESIDENT] = {"resident", false, true}, [F_ID] = {"id", false, false},
    [F_NAME] = {"name", true, false},         [F_TYPE] = {"type", true, false},
    [F_SITE] = {"site", true, false},         [F_KIND] = {"kind", true, false},
    [F_STATE] = {"state", true, false},       [F_GROWTH] = {"growth", false, false},
    [F_PLACE] = {"place", true, false},       [F_GROWTHS] = {"growths", false, false},
    [F_CHANGE] = {"change", true, false},     [F_TOTAL] = {"total", false, true},
};

static int field_among(int among, const char *name, size_t len) {
    for (int f = 0; f < among; f++)
        if (strlen(fields[f].name) == len && memcmp(fields[f].name, name, len) == 0) return f;
    return -1;
}

static int field_named(const char *name, size_t len) { return field_among(FIELDS, name, len); }

/* How near a map is to its next growth: entries of those at which it grows; 1 while it does. */
static double growth(const struct ms_map *m) {
    if (m->walk == MS_WALK_GROW) return 1;
    if (m->grow_at == MS_UNKNOWN || m->grow_at == 0) return -1;
    double share = (double)m->entries / (double)m->grow_at;
    return share < 1 ? share : 1;
}

static double number_of(const struct ms_map *m, int field) {
    switch (field) {
    case F_BYTES: return (double)m->bytes;
    case F_ENTRIES: return (double)m->entries;
    case F_WASTE: return (double)m->waste;
    case F_GAIN: return (double)m->rebuild_gain;
    case F_LOAD: return m->load;
    case F_SLOTS: return (double)m->slots;
    case F_GROWTH: return growth(m);
    case F_GROWTHS: return m->growths == MS_UNKNOWN ? -1 : (double)m->growths;
    case F_RESIDENT: return m->resident == MS_UNKNOWN ? -1 : (double)m->resident;
    default: return (double)(m->id & UINT32_MAX);
    }
}

static const char *text_of(const struct ms_map *m, int field) {
    switch (field) {
    case F_NAME: return m->name ? m->name : m->holder ? m->holder : "";
    case F_TYPE: return m->type ? m->type->name : "";
    case F_PLACE: return m->place ? m->place : "";
    case F_SITE: return m->site ? m->site : "";
    case F_KIND: return ms_kind_name(m->kind);
    default: return ms_walk_name(m->walk);
    }
}

/* What the order of one map hangs on: a fifteenth of a map, so that sorting moves little. */
struct rank {
    double number; /* the smaller, the earlier */
    const char *text;
    uint64_t place; /* copy << 32 | registry index, or the address: no two maps have the same */
    size_t at;
};

static int before(const void *pa, const void *pb) {
    const struct rank *a = pa, *b = pb;
    if (a->number != b->number) return a->number < b->number ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

static int before_text(const void *pa, const void *pb) {
    const struct rank *a = pa, *b = pb;
    int c = strcmp(a->text, b->text);
    if (c) return a->number < 0 ? -c : c; /* turned */
    return (a->place > b->place) - (a->place < b->place);
}

/* Put the map that belongs at each place there: along each cycle of the permutation, one move a map. */
static void permute(struct ms_map *maps, struct rank *rank, size_t n) {
    for (size_t start = 0; start < n; start++) {
        if (rank[start].at == start) continue;
        struct ms_map first = maps[start];
        size_t to = start;
        for (size_t from = rank[to].at; from != start; from = rank[to].at) {
            maps[to] = maps[from];
            rank[to].at = to;
            to = from;
        }
        maps[to] = first;
        rank[to].at = to;
    }
}

static int ranked(const struct ms_map *maps, size_t n, const char *field, struct rank **out, struct ms_error *err) {
    bool turned = field[0] == '-';
    const char *name = field + turned;
    int f = field_named(name, strlen(name));
    if (f < 0)
        return ms_fail(err, MS_USAGE,
                       "no field '%s' to sort by: bytes entries waste gain load slots resident id name "
                       "type site kind state growth growths place",
                       name);
    bool text = fields[f].text, ascending = (text || f == F_ID) != turned;
    struct rank *rank = ms_alloc(n * sizeof *rank);
    for (size_t i = 0; i < n; i++) {
        const struct ms_map *m = &maps[i];
        double number = text ? 1 : number_of(m, f);
        rank[i] = (struct rank){.number = ascending ? number : -number,
                                .text = text ? text_of(m, f) : NULL,
                                .place = ms_map_of_go(m) ? m->addr : (uint64_t)m->copy << 32 | (uint32_t)m->id,
                                .at = i};
    }
    qsort(rank, n, sizeof *rank, text ? before_text : before);
    *out = rank;
    return MS_OK;
}

int ms_view_sort(struct ms_map *maps, size_t n, const char *field, struct ms_error *err) {
    struct rank *rank;
    int status = ranked(maps, n, field, &rank, err);
    if (status) return status;
    permute(maps, rank, n);
    free(rank);
    return MS_OK;
}

int ms_view_order(const struct ms_map *maps, size_t n, const char *field, size_t *order, struct ms_error *err) {
    struct rank *rank;
    int status = ranked(maps, n, field, &rank, err);
    if (status) return status;
    for (size_t i = 0; i < n; i++) order[i] = rank[i].at;
    free(rank);
    return MS_OK;
}

const char *ms_view_next_sort(const char *field) {
    int f = field_named(field, strlen(field));
    static const int cycle[] = {F_BYTES, F_ENTRIES, F_WASTE, F_GAIN, F_LOAD, F_NAME};
    for (size_t i = 0; i + 1 < sizeof cycle / sizeof *cycle; i++)
        if (cycle[i] == f) return fields[cycle[i + 1]].name;
    return fields[F_BYTES].name;
}

/* ---- filter ------------------------------------------------------------------------------------ */

bool ms_view_number(const char *s, bool bytes, double *out) {
    char *end;
    errno = 0;
    double v = strtod(s, &end), k = bytes ? 1024 : 1000;
    if (end == s || errno || !(v == v)) return false;
    switch (*end) {
    case '%': v /= 100, end++; break;
    case 'k':
    case 'K': v *= k, end++; break;
    case 'm':
    case 'M': v *= k * k, end++; break;
    case 'g':
    case 'G': v *= k * k * k, end++; break;
    case 't':
    case 'T': v *= k * k * k * k, end++; break;
    }
    if (bytes && *end == 'i') end++;
    if (bytes && *end == 'B') end++;
    *out = v;
    return *end == 0;
}

static int parse_term(struct ms_filter *f, char *term, struct ms_error *err) {
    static const struct {
        const char *text;
        enum op op;
    } ops[] = {{">=", OP_GE}, {"<=", OP_LE}, {"!=", OP_NE}, {"==", OP_EQ},
               {">", OP_GT},  {"<", OP_LT},  {"=", OP_EQ},  {"~", OP_HAS}};
    if (f->terms >= MS_FILTER_TERMS)
        return ms_fail(err, MS_USAGE, "a filter has at most %d terms", MS_FILTER_TERMS);
    char *at = strpbrk(term, "<>=!~");
    if (!at) return ms_fail(err, MS_USAGE, "filter '%s': no comparison (>, >=, <, <=, =, !=, ~)", term);
    size_t o = 0, count = sizeof ops / sizeof *ops;
    while (o < count && strncmp(at, ops[o].text, strlen(ops[o].text)) != 0) o++;
    if (o == count)
        return ms_fail(err, MS_USAGE, "filter '%s': no comparison (>, >=, <, <=, =, !=, ~)", term);
    int field = field_among(f->of_changes ? FIELDS_OF_CHANGES : FIELDS, term, (size_t)(at - term));
    if (field < 0) return ms_fail(err, MS_USAGE, "filter '%s': no such field", term);
    const char *value = at + strlen(ops[o].text);
    enum op op = ops[o].op;
    bool textual = op == OP_EQ || op == OP_NE || op == OP_HAS;
    if (fields[field].text != (op == OP_HAS) && fields[field].text && !textual)
        return ms_fail(err, MS_USAGE, "filter '%s': texts are compared by =, != or ~", term);
    if (!fields[field].text && op == OP_HAS)
        return ms_fail(err, MS_USAGE, "filter '%s': ~ is for texts", term);
    f->term[f->terms].field = field;
    f->term[f->terms].op = op;
    if (!fields[field].text && !ms_view_number(value, fields[field].bytes, &f->term[f->terms].number))
        return ms_fail(err, MS_USAGE, "filter '%s': '%s' is no number", term, value);
    if (strlen(value) >= sizeof f->term[0].text)
        return ms_fail(err, MS_USAGE, "filter '%s' is too long", term);
    strcpy(f->term[f->terms].text, value);
    f->terms++;
    return MS_OK;
}

int ms_filter_parse(struct ms_filter *f, const char *expr, struct ms_error *err) {
    char *copy = ms_strdup(expr), *save = NULL;
    int status = MS_OK;
    f->terms = 0;
    for (char *t = strtok_r(copy, ",&", &save); t && status == MS_OK; t = strtok_r(NULL, ",&", &save)) {
        while (*t == ' ') t++;
        size_t len = strlen(t);
        while (len && t[len - 1] == ' ') t[--len] = 0;
        status = parse_term(f, t, err);
    }
    free(copy);
    if (status == MS_OK && f->terms == 0) return ms_fail(err, MS_USAGE, "the filter is empty");
    return status;
}

bool ms_filter_is_text(const struct ms_filter *f, size_t i) { return fields[f->term[i].field].text; }

bool ms_filter_is_bytes(const struct ms_filter *f, size_t i) { return fields[f->term[i].field].bytes; }

const char *ms_filter_field(const struct ms_filter *f, size_t i) { return fields[f->term[i].field].name; }

double ms_filter_value(const struct ms_filter *f, size_t i, const struct ms_map *m) {
    return number_of(m, f->term[i].field);
}

static bool text_holds(const char *t, int op, const char *want) {
    return op == OP_HAS ? strstr(t, want) != NULL : (strcmp(t, want) == 0) == (op == OP_EQ);
}

static bool number_holds(double v, int op, double want) {
    return op == OP_GT   ? v > want
           : op == OP_GE ? v >= want
           : op == OP_LT ? v < want
           : op == OP_LE ? v <= want
           : op == OP_EQ ? v == want
                         : v != want;
}

bool ms_filter_holds(const struct ms_filter *f, size_t i, const struct ms_map *m) {
    int field = f->term[i].field, op = f->term[i].op;
    return fields[field].text ? text_holds(text_of(m, field), op, f->term[i].text)
                              : number_holds(number_of(m, field), op, f->term[i].number);
}

bool ms_filter_match(const struct ms_filter *f, const struct ms_map *m) {
    for (size_t i = 0; i < f->terms; i++)
        if (!ms_filter_holds(f, i, m)) return false;
    return true;
}

static double difference_of(const struct ms_map *before, const struct ms_map *after, int field) {
    if (field == F_ID) return number_of(after ? after : before, field);
    return (after ? number_of(after, field) : 0) - (before ? number_of(before, field) : 0);
}

int ms_filter_parse_changes(struct ms_filter *f, const char *expr, struct ms_error *err) {
    f->of_changes = true;
    return ms_filter_parse(f, expr, err);
}

bool ms_filter_match_change(const struct ms_filter *f, const struct ms_map *before, const struct ms_map *after,
                            const char *change, double total) {
    for (size_t i = 0; i < f->terms; i++) {
        int field = f->term[i].field, op = f->term[i].op;
        const char *t = field == F_CHANGE ? change : fields[field].text ? text_of(after ? after : before, field) : NULL;
        double v = field == F_TOTAL ? total : t ? 0 : difference_of(before, after, field);
        if (t ? !text_holds(t, op, f->term[i].text) : !number_holds(v, op, f->term[i].number)) return false;
    }
    return true;
}

int ms_view_difference(const struct ms_map *before, const struct ms_map *after, const char *field, double *out,
                       struct ms_error *err) {
    bool turned = field[0] == '-';
    int f = field_named(field + turned, strlen(field + turned));
    if (f < 0 || fields[f].text || f == F_ID)
        return ms_fail(err, MS_USAGE, "no field '%s' that differences can be sorted by: bytes entries waste gain load slots "
                       "resident growths", field);
    *out = difference_of(before, after, f);
    if (*out < 0) *out = -*out;
    if (turned) *out = -*out;
    return MS_OK;
}

/* ---- the MAP argument -------------------------------------------------------------------------- */

enum match { NO_MATCH, PREFIX, WHOLE };

static enum match match_map(const struct ms_map *m, const char *what) {
    char id[64], whole[32], index[16];
    size_t len = strlen(what);
    ms_map_id(m, id);
    snprintf(whole, sizeof whole, "%llu", (unsigned long long)m->id);
    snprintf(index, sizeof index, "%u", (unsigned)(m->id & UINT32_MAX)); /* alone: one live map has it */
    if (ms_map_of_go(m)) index[0] = 0;                                   /* which have addresses instead */
    if (strcmp(id, what) == 0 || strcmp(whole, what) == 0 || strcmp(index, what) == 0) return WHOLE;
    if (m->name && strcmp(m->name, what) == 0) return WHOLE;
    char *label = ms_map_label(m);
    enum match rc = strcmp(label, what) == 0 ? WHOLE : strncmp(label, what, len) == 0 ? PREFIX : NO_MATCH;
    if (rc == NO_MATCH && m->type && m->site) { /* named maps are found by type@site too */
        char *long_label = ms_asprintf("%s@%s", m->type->name, m->site);
        rc = strncmp(long_label, what, len) == 0 ? (strlen(long_label) == len ? WHOLE : PREFIX) : NO_MATCH;
        free(long_label);
    }
    free(label);
    return rc;
}

int ms_view_find(const struct ms_snapshot *s, const char *what, const struct ms_map **out,
                 struct ms_error *err) {
    const struct ms_map *best[4];
    size_t whole = 0, prefix = 0;
    if (*what == 0) return ms_fail(err, MS_USAGE, "the name of the map is empty");
    const struct ms_map *first_whole[4];
    for (size_t i = 0; i < s->maps; i++) {
        enum match rc = match_map(&s->map[i], what);
        if (rc == WHOLE && whole++ < 4) first_whole[whole - 1] = &s->map[i];
        if (rc == PREFIX && prefix++ < 4) best[prefix - 1] = &s->map[i];
    }
    if (whole == 1 || (whole == 0 && prefix == 1)) {
        *out = whole ? first_whole[0] : best[0];
        return MS_OK;
    }
    if (whole == 0 && prefix == 0) return ms_fail(err, MS_USAGE, "no map '%s' in the process", what);
    size_t n = whole ? whole : prefix;
    const struct ms_map **list = whole ? first_whole : best;
    char ids[4 * 66] = "";
    for (size_t i = 0; i < n && i < 4; i++) {
        char id[64];
        ms_map_id(list[i], id);
        if (i) strcat(ids, " ");
        strcat(ids, id);
    }
    return ms_fail(err, MS_USAGE, "%zu maps match '%s': name one by its id (%s%s)", n, what, ids,
                   n > 4 ? " ..." : "");
}
