/* profile.c - a profile put together, and asked. */
#include "profile.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_MOST = 4096, SLOTS_FIRST = 256 };

static const struct {
    const char *name, *unit;
} value_type[MS_PROF_VALUES] = {
    [MS_PROF_ALLOC_OBJECTS] = {"alloc_objects", "count"}, [MS_PROF_ALLOC_SPACE] = {"alloc_space", "bytes"},
    [MS_PROF_INUSE_OBJECTS] = {"inuse_objects", "count"}, [MS_PROF_INUSE_SPACE] = {"inuse_space", "bytes"},
    [MS_PROF_ENTRIES] = {"map_entries", "count"},         [MS_PROF_WASTE] = {"map_waste", "bytes"},
    [MS_PROF_RESIDENT] = {"map_resident", "bytes"},       [MS_PROF_LAZYFREE] = {"map_lazyfree", "bytes"},
};

const char *ms_prof_value_name(enum ms_prof_value v) { return value_type[v].name; }
const char *ms_prof_value_unit(enum ms_prof_value v) { return value_type[v].unit; }

int ms_prof_value_of(const char *name, enum ms_prof_value *out, struct ms_error *err) {
    for (int i = 0; i < MS_PROF_VALUES; i++)
        if (strcmp(value_type[i].name, name) == 0) return *out = (enum ms_prof_value)i, MS_OK;
    return ms_fail(
        err, MS_USAGE,
        "--sample-index: no '%s': alloc_objects, alloc_space, inuse_objects, inuse_space, map_entries, "
        "map_waste, map_resident, map_lazyfree",
        name);
}

/* ---- numbers for what is alike --------------------------------------------------------------------- */

static uint64_t spread(uint64_t x) {
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

static uint64_t hash_text(const char *s, size_t n) {
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) h = (h ^ (uint8_t)s[i]) * UINT64_C(0x100000001b3);
    return spread(h);
}

/* Where the entry is that is_it knows, or would be: its slot. */
typedef bool is_fn(const struct ms_profile *p, uint32_t number, const void *key);
typedef uint64_t hash_fn(const struct ms_profile *p, uint32_t number);

static void widen(const struct ms_profile *p, struct ms_prof_index *x, hash_fn *hash) {
    size_t slots = x->slots ? 2 * x->slots : SLOTS_FIRST;
    uint32_t *slot = ms_alloc(slots * sizeof *slot);
    for (size_t i = 0; i < x->slots; i++) {
        if (!x->slot[i]) continue;
        size_t at = hash(p, x->slot[i]) & (slots - 1);
        while (slot[at]) at = (at + 1) & (slots - 1);
        slot[at] = x->slot[i];
    }
    free(x->slot);
    x->slot = slot, x->slots = slots;
}

static uint32_t *find(const struct ms_profile *p, struct ms_prof_index *x, uint64_t hash, is_fn *is,
                      hash_fn *of, const void *key) {
    if (2 * x->used >= x->slots) widen(p, x, of);
    size_t at = hash & (x->slots - 1);
    while (x->slot[at] && !is(p, x->slot[at], key)) at = (at + 1) & (x->slots - 1);
    return &x->slot[at];
}

/* ---- texts ------------------------------------------------------------------------------------------ */

struct span {
    const char *s;
    size_t n;
};

const char *ms_profile_string(const struct ms_profile *p, uint32_t text) {
    return p->text + p->text_at[text];
}

static bool is_text(const struct ms_profile *p, uint32_t number, const void *key) {
    const struct span *k = key;
    const char *s = ms_profile_string(p, number);
    return strncmp(s, k->s, k->n) == 0 && s[k->n] == 0;
}

static uint64_t text_hash(const struct ms_profile *p, uint32_t number) {
    const char *s = ms_profile_string(p, number);
    return hash_text(s, strlen(s));
}

static void keep_text(struct ms_profile *p, const char *s, size_t n) {
    while (p->text_room - p->text_bytes < n + 1) {
        p->text_room = 2 * p->text_room + 4096;
        p->text = ms_grow(p->text, p->text_room, 1);
    }
    MS_ROOM(p->text_at, p->texts, p->text_at_room);
    p->text_at[p->texts++] = (uint32_t)p->text_bytes;
    memcpy(p->text + p->text_bytes, s, n);
    p->text[p->text_bytes + n] = 0;
    p->text_bytes += n + 1;
}

uint32_t ms_profile_text(struct ms_profile *p, const char *s) {
    struct span key = {s, s ? strnlen(s, TEXT_MOST) : 0};
    if (!key.n || p->text_bytes > UINT32_MAX - 2 * TEXT_MOST) return 0;
    uint32_t *slot = find(p, &p->by_text, hash_text(s, key.n), is_text, text_hash, &key);
    if (*slot) return *slot;
    *slot = (uint32_t)p->texts;
    p->by_text.used++;
    keep_text(p, s, key.n);
    return (uint32_t)p->texts - 1;
}

void ms_profile_init(struct ms_profile *p) {
    *p = (struct ms_profile){.shows = MS_PROF_VALUES};
    keep_text(p, "", 0);
}

void ms_profile_free(struct ms_profile *p) {
    free(p->text), free(p->text_at), free(p->mapping), free(p->function), free(p->place), free(p->line);
    free(p->stack), free(p->label), free(p->sample);
    free(p->by_text.slot), free(p->by_function.slot), free(p->by_addr.slot);
    *p = (struct ms_profile){0};
}

/* ---- functions and places ------------------------------------------------------------------------------ */

static bool is_function(const struct ms_profile *p, uint32_t number, const void *key) {
    const struct ms_prof_function *f = &p->function[number - 1], *k = key;
    return f->name == k->name && f->file == k->file;
}

static uint64_t hash_function(const struct ms_prof_function *f) {
    return spread((uint64_t)f->name << 32 | f->file);
}

static uint64_t function_hash(const struct ms_profile *p, uint32_t number) {
    return hash_function(&p->function[number - 1]);
}

static uint32_t function(struct ms_profile *p, const char *name, const char *file) {
    struct ms_prof_function f = {ms_profile_text(p, name), ms_profile_text(p, file)};
    uint32_t *slot = find(p, &p->by_function, hash_function(&f), is_function, function_hash, &f);
    if (*slot) return *slot;
    MS_ROOM(p->function, p->functions, p->function_room);
    p->function[p->functions++] = f;
    p->by_function.used++;
    return *slot = (uint32_t)p->functions;
}

uint32_t ms_profile_mapping(struct ms_profile *p, const struct ms_prof_mapping *m) {
    MS_ROOM(p->mapping, p->mappings, p->mapping_room);
    p->mapping[p->mappings++] = *m;
    return (uint32_t)p->mappings;
}

static uint32_t add_place(struct ms_profile *p, uint64_t addr) {
    MS_ROOM(p->place, p->places, p->place_room);
    p->place[p->places++] = (struct ms_prof_place){.addr = addr, .line = (uint32_t)p->lines};
    return (uint32_t)p->places;
}

/* By what a place is found: its address, or the function that it is the name of. */
static uint64_t name_key(uint32_t function) { return UINT64_C(1) << 63 | function; }

static uint64_t place_key(const struct ms_profile *p, uint32_t number) {
    const struct ms_prof_place *at = &p->place[number - 1];
    return at->addr ? at->addr : name_key(p->line[at->line].function);
}

static bool is_place(const struct ms_profile *p, uint32_t number, const void *key) {
    return place_key(p, number) == *(const uint64_t *)key;
}

static uint64_t place_hash(const struct ms_profile *p, uint32_t number) {
    return spread(place_key(p, number));
}

uint32_t ms_profile_place(struct ms_profile *p, uint64_t addr, bool *is_new) {
    uint32_t *slot = find(p, &p->by_addr, spread(addr), is_place, place_hash, &addr);
    *is_new = !*slot;
    if (*slot) return *slot;
    p->by_addr.used++;
    return *slot = add_place(p, addr);
}

uint32_t ms_profile_name(struct ms_profile *p, const char *name) {
    uint64_t key = name_key(function(p, name, ""));
    uint32_t *slot = find(p, &p->by_addr, spread(key), is_place, place_hash, &key);
    if (*slot) return *slot;
    p->by_addr.used++;
    *slot = add_place(p, 0);
    ms_profile_line(p, *slot, name, "", 0);
    return (uint32_t)p->places;
}

void ms_profile_line(struct ms_profile *p, uint32_t place, const char *name, const char *file,
                     uint32_t line) {
    struct ms_prof_place *at = &p->place[place - 1];
    if (!at->lines) at->line = (uint32_t)p->lines;
    MS_ROOM(p->line, p->lines, p->line_room);
    p->line[p->lines++] = (struct ms_prof_line){function(p, name, file), line};
    at->lines++;
}

/* ---- samples ----------------------------------------------------------------------------------------------- */

struct ms_prof_sample *ms_profile_sample(struct ms_profile *p, const uint32_t *place, size_t n) {
    MS_ROOM(p->sample, p->samples, p->sample_room);
    struct ms_prof_sample *s = &p->sample[p->samples++];
    *s = (struct ms_prof_sample){
        .place = (uint32_t)p->stacks, .places = (uint32_t)n, .label = (uint32_t)p->labels};
    for (size_t i = 0; i < n; i++) {
        MS_ROOM(p->stack, p->stacks, p->stack_room);
        p->stack[p->stacks++] = place[i];
    }
    return s;
}

static void add_label(struct ms_profile *p, struct ms_prof_label l) {
    MS_ROOM(p->label, p->labels, p->label_room);
    p->label[p->labels++] = l;
    p->sample[p->samples - 1].labels++;
}

void ms_profile_label(struct ms_profile *p, const char *key, const char *text) {
    if (text && *text)
        add_label(p,
                  (struct ms_prof_label){.key = ms_profile_text(p, key), .text = ms_profile_text(p, text)});
}

void ms_profile_number(struct ms_profile *p, const char *key, int64_t number, const char *unit) {
    add_label(p, (struct ms_prof_label){
                     .key = ms_profile_text(p, key), .number = number, .unit = ms_profile_text(p, unit)});
}

/* What maps are called that are alike: never an address. */
static char *common_name(const struct ms_map *m) {
    if (m->name) return ms_strdup(m->name);
    if (m->place) return ms_strdup(m->place);
    if (m->holder) return ms_strdup(m->holder);
    if (ms_map_of_go(m)) return ms_asprintf("%s", m->type ? m->type->name : "?");
    return ms_map_label(m);
}

void ms_profile_labels_of(struct ms_profile *p, const struct ms_map *m) {
    char *name = common_name(m);
    ms_profile_label(p, "map", name);
    ms_profile_label(p, "type", m->type ? m->type->name : NULL);
    ms_profile_label(p, "holder", m->holder);
    ms_profile_label(p, "site", m->site);
    free(name);
}

static uint64_t known(uint64_t v) { return v == MS_UNKNOWN ? 0 : v; }

/* The part of a figure from one share to the next: what is rounded away here is in the next part. */
static int64_t part_of(uint64_t figure, double from, double to) {
    if (figure > INT64_MAX) figure = INT64_MAX;
    double f = (double)figure;
    int64_t begin = from <= 0 ? 0 : (int64_t)(f * from), end = to >= 1 ? (int64_t)figure : (int64_t)(f * to);
    return end - begin;
}

void ms_profile_values_of(const struct ms_map *m, double given, double share, int64_t value[MS_PROF_VALUES]) {
    double to = given + share > 1 - 1e-9 ? 1 : given + share;
    value[MS_PROF_ENTRIES] = part_of(m->entries, given, to);
    value[MS_PROF_WASTE] = part_of(known(m->waste), given, to);
    value[MS_PROF_RESIDENT] = part_of(known(m->resident), given, to);
}

void ms_profile_held(struct ms_profile *p, const struct ms_map *m) {
    char *name = common_name(m), *frame = ms_asprintf("[map %s]", name);
    uint32_t place = ms_profile_name(p, frame);
    struct ms_prof_sample *s = ms_profile_sample(p, &place, 1);
    ms_profile_values_of(m, 0, 1, s->value);
    ms_profile_labels_of(p, m);
    free(frame);
    free(name);
}

/* ---- asking ------------------------------------------------------------------------------------------------ */

enum ms_prof_value ms_profile_default(const struct ms_profile *p) {
    if (p->shows < MS_PROF_VALUES) return p->shows;
    return p->sampled ? MS_PROF_WASTE : MS_PROF_INUSE_SPACE;
}

int64_t ms_profile_total(const struct ms_profile *p, enum ms_prof_value v) {
    int64_t sum = 0;
    for (size_t i = 0; i < p->samples; i++)
        if (__builtin_add_overflow(sum, p->sample[i].value[v], &sum)) return INT64_MAX;
    return sum;
}

size_t ms_profile_frames(const struct ms_profile *p, const struct ms_prof_sample *s,
                         const struct ms_prof_line **frame, size_t most) {
    size_t n = 0;
    for (size_t i = s->places; i-- > 0;) {
        const struct ms_prof_place *at = &p->place[p->stack[s->place + i] - 1];
        for (size_t k = at->lines; k-- > 0; n++)
            if (n < most) frame[n] = &p->line[at->line + k];
    }
    return n < most ? n : most;
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

struct grouping {
    const struct ms_profile *p;
    uint32_t key;
    bool by_stack, by_function;
    struct ms_prof_row *row;
    size_t rows, room;
    struct ms_prof_index index;
};

static uint32_t text_of_label(const struct grouping *g, const struct ms_prof_sample *s) {
    for (uint32_t i = 0; i < s->labels; i++)
        if (g->p->label[s->label + i].key == g->key) return g->p->label[s->label + i].text;
    return 0;
}

/* The function that allocated: the innermost line of the leaf. */
static uint32_t text_of_leaf(const struct ms_profile *p, const struct ms_prof_sample *s) {
    const struct ms_prof_place *at = s->places ? &p->place[p->stack[s->place] - 1] : NULL;
    return at && at->lines ? p->function[p->line[at->line].function - 1].name : 0;
}

static uint32_t text_of(const struct grouping *g, const struct ms_prof_sample *s) {
    return g->by_stack ? 0 : g->by_function ? text_of_leaf(g->p, s) : text_of_label(g, s);
}

static uint64_t hash_sample(const struct grouping *g, const struct ms_prof_sample *s) {
    uint64_t h = spread(text_of(g, s) + 1);
    for (uint32_t i = 0; g->by_stack && i < s->places; i++) h = spread(h ^ g->p->stack[s->place + i]);
    return h;
}

static bool alike(const struct grouping *g, const struct ms_prof_sample *a, const struct ms_prof_sample *b) {
    if (!g->by_stack) return text_of(g, a) == text_of(g, b);
    return a->places == b->places &&
           memcmp(&g->p->stack[a->place], &g->p->stack[b->place], a->places * sizeof *g->p->stack) == 0;
}

static struct ms_prof_row *row_of(struct grouping *g, const struct ms_prof_sample *s) {
    struct ms_prof_index *x = &g->index;
    size_t at = hash_sample(g, s) & (x->slots - 1);
    while (x->slot[at] && !alike(g, g->row[x->slot[at] - 1].first, s)) at = (at + 1) & (x->slots - 1);
    if (x->slot[at]) return &g->row[x->slot[at] - 1];
    MS_ROOM(g->row, g->rows, g->room);
    g->row[g->rows] = (struct ms_prof_row){.text = text_of(g, s), .first = s};
    x->slot[at] = (uint32_t)++g->rows;
    return &g->row[g->rows - 1];
}

static int by_value(const void *a, const void *b, void *ctx) {
    const struct ms_prof_row *x = a, *y = b;
    enum ms_prof_value v = *(const enum ms_prof_value *)ctx;
    if (x->value[v] != y->value[v]) return x->value[v] < y->value[v] ? 1 : -1;
    return (x->first > y->first) - (x->first < y->first);
}

size_t ms_profile_rows(const struct ms_profile *p, const char *by, enum ms_prof_value v,
                       struct ms_prof_row **out) {
    struct grouping g = {
        .p = p, .by_stack = strcmp(by, "stack") == 0, .by_function = strcmp(by, "function") == 0};
    g.index.slots = SLOTS_FIRST;
    while (g.index.slots < 2 * p->samples) g.index.slots *= 2;
    g.index.slot = ms_alloc(g.index.slots * sizeof *g.index.slot);
    for (uint32_t i = 1; i < p->texts && !g.by_stack && !g.by_function; i++)
        if (strcmp(ms_profile_string(p, i), by) == 0) g.key = i;
    for (size_t i = 0; i < p->samples; i++) {
        struct ms_prof_row *r = row_of(&g, &p->sample[i]);
        r->samples++;
        for (int k = 0; k < MS_PROF_VALUES; k++)
            if (__builtin_add_overflow(r->value[k], p->sample[i].value[k], &r->value[k]))
                r->value[k] = INT64_MAX;
    }
    free(g.index.slot);
    if (g.rows) qsort_r(g.row, g.rows, sizeof *g.row, by_value, &v);
    *out = g.row;
    return g.rows;
}
