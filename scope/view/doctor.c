/* doctor.c - the rules as a table, their limits, and how findings come about.
 *
 * Each rule judges each map of the last look; those it finds are put into rows of alike maps by their cost, which is the
 * same clustering that lists use; a row that costs less than the rule's least is dropped.  Places without names, of which
 * each element of an array has its own, are tried once more, by type.  A map is empty in one way
 * only: of the three rules about that (never-shrunk, near-empty-giant, oversized-hint) one at most finds it.  Otherwise
 * faults of one map are findings of their own, and their costs may overlap: they are never added up.
 */
#include "doctor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BYTES(name, value, what)                                                                             \
    { name, value, true, what }
#define RATIO(name, value, what)                                                                             \
    { name, value, false, what }
enum { K = 1024, M = 1024 * 1024 };
enum { OUTLIERS_MOST = 10 }; /* among maps alike */

static const struct ms_rule rules[MS_RULES] = {
    [MS_RULE_NEVER_SHRUNK] =
        {"never-shrunk",
         "kept the place of entries that are gone",
         "it will soon be as full again: copying it then costs more than its empty slots do.",
         MS_NEEDS_NOTHING,
         {RATIO("load", 0.25, "entries per slot, less than"),
          BYTES("bytes", 64 * K, "that a rebuild would free")}},
    [MS_RULE_NEAR_EMPTY_GIANT] = {"near-empty-giant",
                                  "is large and has next to no entries",
                                  "it is filled in bursts, and the next one comes soon.",
                                  MS_NEEDS_NOTHING,
                                  {RATIO("load", 0.01, "entries per slot, less than"),
                                   BYTES("size", 1 * M, "of the map"),
                                   BYTES("bytes", 64 * K, "that a rebuild would free")}},
    [MS_RULE_OVERSIZED_HINT] = {"oversized-hint",
                                "was made for more entries than it has",
                                "it is still being filled, or it was full once and was emptied in a way that "
                                "leaves no trace (see the page).",
                                MS_NEEDS_NOTHING,
                                {RATIO("load", 0.25, "entries per slot, less than"),
                                 BYTES("bytes", 64 * K, "that a rebuild would free")}},
    [MS_RULE_TOMBSTONE_HEAVY] =
        {"tombstone-heavy",
         "has slots that deletes left unusable",
         "it is not written to any more, and keys that it does not have are seldom asked for.",
         MS_NEEDS_NOTHING,
         {RATIO("share", 0.2, "of the slots"), BYTES("bytes", 16 * K, "of such slots")}},
    [MS_RULE_OVERFLOW_HEAVY] =
        {"overflow-heavy",
         "lives in overflow buckets",
         "the growth to the same size that removes them is under way or comes with the next inserts.",
         MS_NEEDS_NOTHING,
         {RATIO("share", 0.5, "overflow buckets per bucket"), BYTES("bytes", 16 * K, "of overflow buckets")}},
    [MS_RULE_PADDING_HEAVY] = {"padding-heavy",
                               "has slots with holes",
                               "the maps are few and small, or another layout would make the program harder "
                               "to read than it is worth.",
                               MS_NEEDS_NOTHING,
                               {RATIO("share", 0.2, "of a slot"), BYTES("bytes", 64 * K, "of padding")}},
    [MS_RULE_SET_AS_BOOL] = {"set-as-bool",
                             "is a set that stores true with each key",
                             "false will be stored too: then it is no set.",
                             MS_NEEDS_VALUES,
                             {BYTES("bytes", 16 * K, "that values take"),
                              RATIO("values", 8, "looked at, at least")}},
    [MS_RULE_GROWING_UNBOUNDED] =
        {"growing-unbounded",
         "had more entries at each look",
         "it is a cache that is still filling, or follows load that rose meanwhile.",
         MS_NEEDS_LOOKS,
         {RATIO("growth", 0.01, "of its entries, from the first look to the last"),
          RATIO("entries", 100, "more, at least"), BYTES("bytes", 4 * K, "that they take")}},
    [MS_RULE_LIKE_MAPS_OUTLIER] =
        {"like-maps-outlier",
         "is far larger than the others like it",
         "what it belongs to is larger, too: one customer, one host, one room with most of the traffic.",
         MS_NEEDS_NOTHING,
         {RATIO("times", 10, "the bytes of the one in the middle"), RATIO("maps", 20, "alike, at least"),
          BYTES("bytes", 64 * K, "more than that one")}},
    [MS_RULE_HELD_BY_LEAK] = {"held-by-leak",
                              "has no holder that will use it soon",
                              "it is the only one, small, and meant to last as long as the program.",
                              MS_NEEDS_HEAP,
                              {BYTES("bytes", 1 * K, "of the maps"),
                               RATIO("fires", 600, "seconds until a timer fires, at least")}},
    [MS_RULE_HELD_BY_CLOSURE] = {"held-by-closure",
                                 "is held by nothing but a closure",
                                 "the function is meant to last, and its map with it: a handler, a memo.",
                                 MS_NEEDS_HEAP,
                                 {BYTES("bytes", 1 * M, "of the maps")}},
    [MS_RULE_TINY_MAPS] = {"tiny-maps",
                           "are many maps of a few entries each",
                           "many of them will have more than eight entries soon.",
                           MS_NEEDS_NOTHING,
                           {RATIO("entries", 4, "each, at most"), RATIO("maps", 1000, "alike, at least"),
                            BYTES("bytes", 64 * K, "beyond the entries themselves")}},
    [MS_RULE_CHOSEN_KEYS] =
        {"chosen-keys",
         "has keys that crowd together",
         "the keys are few, and the program's own: then its hash function is weak, and nobody's attack.",
         MS_NEEDS_NOTHING,
         {RATIO("alarms", 1, "of the library, at least"), BYTES("bytes", 0, "of chains and stash")}},
    [MS_RULE_LAZYFREE_HIDDEN] = {"lazyfree-hidden",
                                 "memory was given back and still counts",
                                 "nobody reads RSS: the kernel takes these pages as soon as it needs them.",
                                 MS_NEEDS_MEMORY,
                                 {BYTES("bytes", 1 * M, "of such pages")}},
    [MS_RULE_THP_HELD] = {"thp-held",
                          "huge pages keep memory that is free",
                          "the memory is used again soon, or is not short.",
                          MS_NEEDS_MEMORY,
                          {BYTES("bytes", 1 * M, "of free memory in huge pages")}},
};

const struct ms_rule *ms_rule_at(enum ms_rule_number r) { return &rules[r]; }

/* ---- options ----------------------------------------------------------------------------------- */

void ms_doctor_init(struct ms_doctor *d) {
    *d = (struct ms_doctor){.some = false};
    for (int r = 0; r < MS_RULES; r++)
        for (int i = 0; i < MS_RULE_LIMITS; i++) d->limit[r][i] = rules[r].limit[i].value;
}

static int no_rule(const char *id, struct ms_error *err) {
    char list[sizeof err->line] = "";
    for (int r = 0; r < MS_RULES; r++) {
        strcat(list, " ");
        strcat(list, rules[r].id);
    }
    return ms_fail(err, MS_USAGE, "no rule '%.40s':%s", id, list);
}

static int rule_named(const char *id, size_t len) {
    for (int r = 0; r < MS_RULES; r++)
        if (strlen(rules[r].id) == len && memcmp(rules[r].id, id, len) == 0) return r;
    return -1;
}

int ms_doctor_choose(struct ms_doctor *d, const char *id, bool ignore, struct ms_error *err) {
    int r = rule_named(id, strlen(id));
    if (r < 0) return no_rule(id, err);
    if (!ignore && !d->some)
        for (int i = 0; i < MS_RULES; i++) d->off[i] = true;
    if (!ignore) d->some = true;
    d->off[r] = ignore;
    return MS_OK;
}

static int limit_named(int r, const char *name, size_t len) {
    for (int i = 0; i < MS_RULE_LIMITS && rules[r].limit[i].name; i++)
        if (strlen(rules[r].limit[i].name) == len && memcmp(rules[r].limit[i].name, name, len) == 0) return i;
    return -1;
}

int ms_doctor_set(struct ms_doctor *d, const char *text, struct ms_error *err) {
    size_t id = strcspn(text, ".="), name;
    const char *equals = strchr(text, '=');
    if (text[id] != '.' || !equals)
        return ms_fail(err, MS_USAGE, "--set: '%.100s' is not RULE.LIMIT=NUMBER", text);
    int r = rule_named(text, id);
    if (r < 0) {
        char *named = ms_asprintf("%.*s", (int)id, text);
        no_rule(named, err);
        free(named);
        return MS_USAGE;
    }
    name = (size_t)(equals - text) - id - 1;
    int i = limit_named(r, text + id + 1, name);
    if (i < 0) {
        char list[128] = "";
        for (int k = 0; k < MS_RULE_LIMITS && rules[r].limit[k].name; k++)
            strcat(strcat(list, " "), rules[r].limit[k].name);
        return ms_fail(err, MS_USAGE, "--set: %s has no limit '%.*s':%s", rules[r].id, (int)ms_min(name, 40),
                       text + id + 1, list);
    }
    if (!ms_view_number(equals + 1, rules[r].limit[i].bytes, &d->limit[r][i]) || d->limit[r][i] < 0)
        return ms_fail(err, MS_USAGE, "--set: '%.100s' is no number", equals + 1);
    return MS_OK;
}

/* ---- the same map at another moment ------------------------------------------------------------- */

static int by_identity(const struct ms_map *a, const struct ms_map *b) {
    if (a->copy != b->copy) return a->copy < b->copy ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static int by_index(const void *a, const void *b, void *maps) {
    const struct ms_map *m = maps;
    return by_identity(&m[*(const size_t *)a], &m[*(const size_t *)b]);
}

static size_t *index_of(const struct ms_look *look) {
    size_t *index = ms_alloc((look->maps + 1) * sizeof *index);
    for (size_t i = 0; i < look->maps; i++) index[i] = i;
    qsort_r(index, look->maps, sizeof *index, by_index, (void *)(uintptr_t)look->map);
    return index;
}

void ms_exam_begin(struct ms_exam *e, const struct ms_doctor *d, const struct ms_patient *p) {
    *e = (struct ms_exam){.d = d, .p = p, .now = &p->look[p->looks - 1]};
    e->index = ms_alloc(p->looks * sizeof *e->index);
    for (size_t i = 0; i + 1 < p->looks; i++) e->index[i] = index_of(&p->look[i]);
}

void ms_exam_end(struct ms_exam *e) {
    for (size_t i = 0; i + 1 < e->p->looks; i++) free(e->index[i]);
    free(e->index);
    free(e->usual);
    free(e->alike);
}

/* A Go map's address may have become another map's: its type tells. */
static bool is_same(const struct ms_map *a, const struct ms_map *b) {
    if (a->kind != b->kind) return false;
    return !ms_map_of_go(a) || !a->type || !b->type || strcmp(a->type->name, b->type->name) == 0;
}

const struct ms_map *ms_exam_before(const struct ms_exam *e, size_t look, const struct ms_map *m) {
    const struct ms_look *l = &e->p->look[look];
    size_t lo = 0, hi = l->maps;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct ms_map *at = &l->map[e->index[look][mid]];
        int c = by_identity(at, m);
        if (c == 0) return is_same(at, m) ? at : NULL;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* ---- maps that are alike ------------------------------------------------------------------------- */

struct like {
    char *key;
    uint64_t bytes;
    size_t map;
};

static int by_key(const void *a, const void *b) {
    const struct like *x = a, *y = b;
    int c = strcmp(x->key, y->key);
    return c ? c : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Names set them apart; the field that holds them, or the line that made them, does not. */
static char *like_key(const struct ms_map *m) {
    const char *place = m->place ? m->place : m->site ? m->site : m->name ? m->name : "?";
    return ms_asprintf("%s\n%s", place, m->type ? m->type->name : "?");
}

/* Of n alike maps by rising bytes: those far above the one in the middle, if they are few. */
static void mark_outliers(struct ms_exam *e, const struct like *l, size_t n) {
    const double *limit = e->d->limit[MS_RULE_LIKE_MAPS_OUTLIER];
    uint64_t usual = l[n / 2].bytes;
    size_t from = n;
    if ((double)n < limit[1]) return;
    while (from > 0 && (double)l[from - 1].bytes > limit[0] * (double)usual) from--;
    if (n - from > n / 20 + 1 || n - from > OUTLIERS_MOST)
        return; /* so many that they are a kind of their own */
    for (size_t i = from; i < n; i++) e->usual[l[i].map] = usual ? usual : 1, e->alike[l[i].map] = n;
}

static void find_outliers(struct ms_exam *e) {
    size_t n = e->now->maps;
    struct like *l = ms_alloc((n + 1) * sizeof *l);
    e->usual = ms_alloc((n + 1) * sizeof *e->usual);
    e->alike = ms_alloc((n + 1) * sizeof *e->alike);
    for (size_t i = 0; i < n; i++) l[i] = (struct like){like_key(&e->now->map[i]), e->now->map[i].bytes, i};
    qsort(l, n, sizeof *l, by_key);
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i + 1; k < n && strcmp(l[k].key, l[i].key) == 0;) k++;
        mark_outliers(e, l + i, k - i);
    }
    for (size_t i = 0; i < n; i++) free(l[i].key);
    free(l);
}

/* ---- findings ---------------------------------------------------------------------------------- */

static struct ms_finding *add(struct ms_diagnosis *out) {
    MS_ROOM(out->finding, out->findings, out->room);
    struct ms_finding *f = &out->finding[out->findings++];
    *f = (struct ms_finding){.worst = MS_UNKNOWN};
    return f;
}

static uint64_t number_of(const struct ms_look *look, const struct ms_map *m) {
    for (size_t i = 0; i < look->maps; i++)
        if (by_identity(&look->map[i], m) == 0) return i;
    return MS_UNKNOWN;
}

/* Sick maps, sorted, whose waste is what the fault costs: those alike by `by` that cost enough together are findings.  The others
 * go to rest, if it is not NULL; returns how many. */
static size_t add_alike(struct ms_exam *e, const struct ms_map *sick, size_t n, enum ms_by by,
                        struct ms_map *rest, struct ms_diagnosis *out) {
    struct ms_clusters c;
    struct ms_error ignored;
    size_t left = 0;
    bool told = false;
    if (ms_view_clusters(sick, n, by, rest != NULL, "waste", 0, &c, &ignored)) return 0;
    for (size_t i = 0; i < c.rows; i++) {
        if (c.cluster[i].depth == 0)
            told = c.row[i].waste >= ms_rule_least(e) && c.cluster[i].maps >= ms_rule_fewest(e);
        if (!told && rest && c.cluster[i].maps == 1) rest[left++] = c.row[i], rest[left - 1].name = NULL;
        if (!told || c.cluster[i].depth) continue;
        struct ms_finding *f = add(out);
        f->rule = e->rule;
        f->maps = c.cluster[i].maps;
        f->cost = c.row[i].waste;
        f->worst = number_of(e->now, &c.row[i]);
        f->name = ms_strdup(c.cluster[i].name);
        ms_rule_tell(e, f);
        const struct ms_map *m = &e->now->map[f->worst];
        f->fix_go = ms_map_of_go(m);
        f->fix = ms_rule_fix(f->rule, m, f->fix_go);
    }
    ms_view_clusters_free(&c);
    return left;
}

/* A path of offsets names no field: each element of an array has a path of its own. */
static bool is_unnamed(const struct ms_map *m) { return m->place && strstr(m->place, "?+0x"); }

/* By place; those whose places have no names, by type. */
static void add_findings(struct ms_exam *e, struct ms_map *sick, size_t n, struct ms_diagnosis *out) {
    struct ms_error ignored;
    struct ms_map *rest = ms_alloc((n + 1) * sizeof *rest);
    if (ms_view_sort(sick, n, "waste", &ignored) == MS_OK) {
        size_t left = add_alike(e, sick, n, MS_BY_PLACE, rest, out), typed = 0;
        for (size_t i = 0; i < left; i++)
            if (rest[i].type && is_unnamed(&rest[i])) rest[typed++] = rest[i];
        if (typed && ms_view_sort(rest, typed, "waste", &ignored) == MS_OK)
            add_alike(e, rest, typed, MS_BY_TYPE, NULL, out);
    }
    free(rest);
}

static void examine_maps(struct ms_exam *e, struct ms_diagnosis *out) {
    struct ms_map *sick = NULL;
    size_t n = 0, room = 0;
    for (size_t i = 0; i < e->now->maps; i++) {
        if (e->now->map[i].certainty == MS_DAMAGED) continue;
        uint64_t cost = ms_rule_judge(e, i);
        if (!cost) continue;
        MS_ROOM(sick, n, room);
        sick[n] = e->now->map[i];
        sick[n++].waste = cost;
    }
    if (n) add_findings(e, sick, n, out);
    free(sick);
}

/* ---- memory: what no map alone is to blame for ---------------------------------------------------- */

static uint64_t held(const struct ms_exam *e, const struct ms_held_memory *m) {
    if (e->rule == MS_RULE_LAZYFREE_HIDDEN) return m->lazyfree;
    if (m->used == MS_UNKNOWN || m->resident <= m->used) return 0;
    return ms_min(m->huge, m->resident - m->used);
}

static void examine_memory(struct ms_exam *e, struct ms_diagnosis *out) {
    uint64_t cost = 0, mappings = 0, resident = 0;
    for (size_t i = 0; i < e->p->mappings; i++) {
        const struct ms_held_memory *m = &e->p->memory[i];
        uint64_t bytes = held(e, m);
        cost = ms_add(cost, bytes);
        resident = ms_add(resident, m->resident);
        mappings += bytes != 0;
    }
    if (!cost || cost < ms_rule_least(e)) return;
    struct ms_finding *f = add(out);
    *f = (struct ms_finding){.rule = e->rule, .cost = cost, .worst = MS_UNKNOWN};
    f->evidence =
        ms_asprintf("%llu bytes in %llu mapping%s, of %llu resident", (unsigned long long)cost,
                    (unsigned long long)mappings, mappings == 1 ? "" : "s", (unsigned long long)resident);
    f->figure[f->figures++] = (struct ms_counter){"resident_bytes", resident};
    f->figure[f->figures++] = (struct ms_counter){"mappings", mappings};
    f->fix_go = e->p->go;
    f->fix = ms_rule_fix(f->rule, NULL, f->fix_go);
}

/* ---- the whole --------------------------------------------------------------------------------- */

static bool is_known(const struct ms_patient *p, enum ms_rule_needs needs) {
    switch (needs) {
    case MS_NEEDS_NOTHING: return true;
    case MS_NEEDS_LOOKS: return p->looks > 1;
    case MS_NEEDS_VALUES: return p->bools != NULL;
    case MS_NEEDS_HEAP: return p->heap;
    case MS_NEEDS_MEMORY: return p->memory != NULL;
    }
    return false;
}

static int by_cost(const void *a, const void *b) {
    const struct ms_finding *x = a, *y = b;
    if (x->cost != y->cost) return x->cost < y->cost ? 1 : -1;
    if (x->rule != y->rule) return x->rule < y->rule ? -1 : 1;
    return x->name && y->name ? strcmp(x->name, y->name) : 0;
}

void ms_view_doctor(const struct ms_doctor *d, const struct ms_patient *p, struct ms_diagnosis *out) {
    struct ms_exam e;
    *out = (struct ms_diagnosis){.finding = NULL};
    ms_exam_begin(&e, d, p);
    if (!d->off[MS_RULE_LIKE_MAPS_OUTLIER]) find_outliers(&e);
    for (e.rule = 0; e.rule < MS_RULES; e.rule++) {
        out->asked[e.rule] = !d->off[e.rule] && is_known(p, rules[e.rule].needs);
        if (!out->asked[e.rule]) continue;
        if (rules[e.rule].needs == MS_NEEDS_MEMORY)
            examine_memory(&e, out);
        else
            examine_maps(&e, out);
    }
    if (out->findings) qsort(out->finding, out->findings, sizeof *out->finding, by_cost);
    ms_exam_end(&e);
}

void ms_diagnosis_free(struct ms_diagnosis *d) {
    for (size_t i = 0; i < d->findings; i++) {
        free(d->finding[i].name);
        free(d->finding[i].evidence);
        free(d->finding[i].fix);
    }
    free(d->finding);
    *d = (struct ms_diagnosis){0};
}
