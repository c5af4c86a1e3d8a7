/* go_swiss.c - the backend for the maps of Go 1.24 and later: one map in the target's memory, read, checked, counted.
 *
 *   Map, 48 bytes                 directory               table, 32 bytes            groups
 *   used 0  seed 8  dirPtr 16 --> | table | table | ... --> used capacity growthLeft   | ctrl 8 | 8 slots | ctrl ...
 *   dirLen 24  depth 32 ...                                 index 8, groups 16 ------>
 *
 * A map of up to 8 entries has dirLen 0 and dirPtr is its one group.  The directory names a table 2^(depth - localDepth)
 * times: it counts where its index is its place.  Free slots that deletes left marked (tombstones) are what capacity
 * allows less what is used and what may still come: no control byte has to be read for them.
 *
 * Header, directory and tables are read, then the header again.  They belong together if both readings are the same
 * and the tables' entries add up to the map's; else they are read anew, a few times.  Many maps are read together, step
 * by step, as neighbours in memory cost one call; those that moved meanwhile are then read one by one.
 *
 * Bytes are those of the allocator's objects: asked of the target's heap where that is known, else from Go's size
 * classes.  A group that lies on a stack counts with its own size.
 *
 * A rebuild makes what make(len) would: a directory of tables of one size.  Keys fall on tables by chance, so some of them
 * grow while it is filled; their expected number is part of the figure.
 */
#include "go_map.h"
#include "look.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_MOST = 24, /* 16 million tables, 17 thousand million slots */
    TABLE_BYTES = 32,
    TABLE_SLOTS_MOST = 1024,
    CONTROL_BYTES = 8,
    CLEAR_SEQ = 40, /* in the header: how often it was cleared */
    TRIES = 60,
    TOGETHER_MOST = 64, /* tables of a map that is read together with others */
};
#define USED_MOST UINT64_C(0x0000ffffffffffff)

struct table {
    uint64_t addr, groups_at, groups;
    uint32_t used, capacity, growth_left;
    unsigned depth; /* it gets one key in 2^depth */
};

struct swiss {
    uint64_t addr, used, directory, length, groups, slots, tombstones;
    uint8_t header[MS_GO_HEADER_BYTES], again[MS_GO_HEADER_BYTES];
    struct table *table; /* of a small map one, without an address, or none */
    size_t tables, first; /* first: its tables among those that are read together */
    unsigned depth;
    enum ms_read status; /* of its header */
    const char *bad;     /* the field that cannot be right; NULL: all can */
    bool held;           /* it was the same in the end */
};

static void drop(struct swiss *w) {
    free(w->table);
    w->table = NULL;
    w->tables = 0;
}

/* ---- reading ----------------------------------------------------------------------------------- */

static unsigned limit_of(uint32_t capacity) { return capacity <= 8 ? capacity - 1 : capacity / 8 * 7; }

static const char *take_table(struct swiss *w, uint64_t place, uint64_t addr, const uint8_t *raw,
                              uint64_t *next) {
    struct table t = {.addr = addr,
                      .used = ms_go_u16(raw),
                      .capacity = ms_go_u16(raw + 2),
                      .growth_left = ms_go_u16(raw + 4),
                      .groups_at = ms_go_u64(raw + 16)};
    unsigned depth = t.depth = raw[6];
    if (t.capacity < 8 || t.capacity > TABLE_SLOTS_MOST || t.capacity & (t.capacity - 1))
        return "table.capacity";
    if (depth > w->depth) return "table.localDepth";
    if (ms_go_u64(raw + 8) != place) return "table.index";
    t.groups = t.capacity / MS_GO_GROUP_SLOTS;
    if (ms_go_u64(raw + 24) != t.groups - 1) return "table.groups.lengthMask";
    if (t.used + t.growth_left > limit_of(t.capacity)) return "table.growthLeft";
    w->table[w->tables++] = t;
    w->groups += t.groups;
    w->tombstones += limit_of(t.capacity) - t.used - t.growth_left;
    *next = place + (UINT64_C(1) << (w->depth - depth));
    return NULL;
}

/* Each table of a directory once. */
static void take_tables(struct swiss *w, const uint64_t *at, uint8_t (*raw)[TABLE_BYTES],
                        const struct ms_batch_item *item) {
    uint64_t next = 0, sum = 0;
    w->table = ms_alloc((size_t)w->length * sizeof *w->table);
    for (uint64_t i = 0; !w->bad && i < w->length; i = next)
        w->bad = item[i].status == MS_READ_OK ? take_table(w, i, at[i], raw[i], &next) : "table";
    for (size_t i = 0; i < w->tables; i++) sum += w->table[i].used;
    if (!w->bad && sum != w->used) w->bad = "used";
}

static bool has_tables(const struct swiss *w) { return w->status == MS_READ_OK && !w->bad && w->length; }

/* What the directories of n maps hold: all directories, then all tables, which are mostly neighbours in memory. */
static enum ms_read read_tables(struct ms_reader *r, struct swiss *w, size_t n) {
    size_t total = 0, directories = 0;
    for (size_t i = 0; i < n; i++)
        if (has_tables(&w[i])) w[i].first = total, total += (size_t)w[i].length;
    if (total == 0) return MS_READ_OK;
    uint64_t *at = ms_alloc(total * sizeof *at);
    uint8_t(*raw)[TABLE_BYTES] = ms_alloc(total * sizeof *raw);
    struct ms_batch_item *item = ms_alloc(total * sizeof *item);
    for (size_t i = 0; i < n; i++)
        if (has_tables(&w[i]))
            item[directories++] = (struct ms_batch_item){
                .addr = w[i].directory, .len = (uint32_t)(8 * w[i].length), .buf = at + w[i].first};
    enum ms_read rc = ms_read_batch(r, item, directories);
    for (size_t i = 0, k = 0; rc == MS_READ_OK && i < n; i++)
        if (has_tables(&w[i]) && item[k++].status != MS_READ_OK) w[i].bad = "dirPtr";
    for (size_t i = 0; i < total; i++)
        item[i] = (struct ms_batch_item){.addr = at[i], .len = TABLE_BYTES, .buf = raw[i]};
    if (rc == MS_READ_OK) rc = ms_read_batch(r, item, total);
    for (size_t i = 0; rc == MS_READ_OK && i < n; i++)
        if (has_tables(&w[i])) take_tables(&w[i], at + w[i].first, raw + w[i].first, item + w[i].first);
    free(at);
    free(raw);
    free(item);
    return rc;
}

static const char *take_small(struct swiss *w) {
    if (w->used > MS_GO_GROUP_SLOTS) return "used";
    if (!w->directory) return w->used ? "dirPtr" : NULL;
    w->table = ms_alloc(sizeof *w->table);
    w->table[w->tables++] = (struct table){.groups_at = w->directory,
                                           .groups = 1,
                                           .capacity = MS_GO_GROUP_SLOTS,
                                           .used = (uint32_t)w->used,
                                           .growth_left = (uint32_t)(MS_GO_GROUP_SLOTS - w->used)};
    w->groups = 1;
    return NULL;
}

static void take_header(struct swiss *w, uint64_t tables_most) {
    w->used = ms_go_u64(w->header);
    w->directory = ms_go_u64(w->header + 16);
    w->length = ms_go_u64(w->header + 24);
    w->depth = w->header[32];
    if (w->used > USED_MOST)
        w->bad = "used";
    else if (w->length == 0)
        w->bad = take_small(w);
    else if (w->depth > DEPTH_MOST || w->length != UINT64_C(1) << w->depth || w->length > tables_most)
        w->bad = "dirLen";
}

/* n maps, of which only the addresses are known, each step for all of them: headers, what they point to, headers again.
 * A directory of more than tables_most tables is taken for a bad one. */
static enum ms_read read_once(struct ms_reader *r, struct swiss *w, size_t n, uint64_t tables_most) {
    struct ms_batch_item *item = ms_alloc(n * sizeof *item);
    for (size_t i = 0; i < n; i++)
        item[i] = (struct ms_batch_item){.addr = w[i].addr, .len = sizeof w->header, .buf = w[i].header};
    enum ms_read rc = ms_read_batch(r, item, n);
    for (size_t i = 0; rc == MS_READ_OK && i < n; i++) {
        w[i].status = item[i].status;
        if (w[i].status == MS_READ_OK) take_header(&w[i], tables_most);
        item[i].buf = w[i].again;
    }
    if (rc == MS_READ_OK) rc = read_tables(r, w, n);
    if (rc == MS_READ_OK) rc = ms_read_batch(r, item, n);
    for (size_t i = 0; rc == MS_READ_OK && i < n; i++) {
        if (w[i].status == MS_READ_OK) w[i].status = item[i].status;
        w[i].held = memcmp(w[i].again, w[i].header, sizeof w->header) == 0 && (!(w[i].again[34] & 1) || r->still);
        w[i].slots = w[i].groups * MS_GO_GROUP_SLOTS;
    }
    free(item);
    return rc;
}

static bool is_exact(const struct swiss *w) { return w->status == MS_READ_OK && w->held && !w->bad; }

/* Read one map until it holds still.  MS_READ_OK: *certainty says how it went, *doubt why it is not exact. */
static enum ms_read read_map(struct ms_reader *r, uint64_t addr, struct swiss *w,
                             enum ms_certainty *certainty, const char **doubt) {
    bool sane = false;
    *w = (struct swiss){.addr = addr};
    for (int i = 0; i == 0 || ms_patient(r, i - 1, w->held, sane); i++) {
        drop(w);
        *w = (struct swiss){.addr = addr};
        enum ms_read rc = read_once(r, w, 1, UINT64_MAX);
        if (rc == MS_READ_OK) rc = w->status;
        if (rc != MS_READ_OK) return drop(w), rc;
        if (is_exact(w)) return *certainty = MS_EXACT, *doubt = NULL, MS_READ_OK;
        sane = sane || !w->bad;
        if (i == TRIES) break;
    }
    *certainty = w->bad ? MS_DAMAGED : MS_CHANGING;
    *doubt = w->bad ? w->bad : "it changed each time it was read";
    return MS_READ_OK;
}

/* ---- figures ----------------------------------------------------------------------------------- */

/* Expected share of tables that a rebuild fills beyond their limit: keys fall on `tables` tables by chance. */
static double overfull(double entries, double tables, uint32_t capacity) {
    double mean = entries / tables, spread = sqrt(mean * (1 - 1 / tables));
    if (tables < 2) return 0;
    return 0.5 * erfc((limit_of(capacity) + 0.5 - mean) / (spread * M_SQRT2));
}

/* Tables of one size, all of which their share of the entries fits into.  Keys fall on them by chance: some grow to twice
 * the size, or split. */
static void fill_tables(const struct ms_go_shape *s, uint64_t tables, uint32_t capacity, uint64_t entries,
                        struct ms_go_made *out) {
    uint64_t one = TABLE_BYTES + ms_go_groups_allocated(s, capacity / MS_GO_GROUP_SLOTS);
    uint64_t grown = capacity < TABLE_SLOTS_MOST
                         ? TABLE_BYTES + ms_go_groups_allocated(s, 2 * capacity / MS_GO_GROUP_SLOTS)
                         : 2 * one;
    double share = overfull((double)entries, (double)tables, capacity), more = share * (double)tables;
    out->bytes = ms_add(ms_mul(tables, one), (uint64_t)(more * (double)(grown - one))) +
                 ms_go_allocated(8 * tables, true, s->malloc_headers);
    out->slots = tables * capacity + (uint64_t)(more * capacity);
    out->spread = (uint64_t)(2 * sqrt(more * (1 - share)) * (double)(grown - one));
}

static bool all_outgrown(uint64_t entries, uint64_t tables, uint32_t capacity) {
    if (tables == 1) return entries > limit_of(capacity);
    return overfull((double)entries, (double)tables, capacity) > 0.99;
}

void ms_go_swiss_made(const struct ms_go_shape *s, uint64_t hint, uint64_t entries, struct ms_go_made *out) {
    uint64_t tables = 1, capacity = MS_GO_GROUP_SLOTS, target = ms_min(hint, USED_MOST) * 8 / 7;
    *out = (struct ms_go_made){.slots = 0};
    if (hint <= MS_GO_GROUP_SLOTS && entries == 0) return; /* its group comes with the first entry */
    if (hint <= MS_GO_GROUP_SLOTS && entries <= MS_GO_GROUP_SLOTS) {
        *out = (struct ms_go_made){.bytes = ms_go_groups_allocated(s, 1), .slots = MS_GO_GROUP_SLOTS};
        return;
    }
    while (tables * TABLE_SLOTS_MOST < target) tables *= 2;
    while (capacity < target / tables || (tables == 1 && capacity == MS_GO_GROUP_SLOTS)) capacity *= 2;
    while (entries > hint && all_outgrown(ms_min(entries, USED_MOST), tables, (uint32_t)capacity)) {
        if (capacity < TABLE_SLOTS_MOST)
            capacity *= 2;
        else
            tables *= 2;
    }
    fill_tables(s, tables, (uint32_t)capacity, entries, out);
}

/* Bytes of all groups of a table as they are allocated, and of one group. */
static uint64_t groups_bytes(const struct ms_snapshot *snap, const struct ms_go_shape *s,
                             const struct table *t) {
    return ms_go_object_bytes(snap, t->groups_at, ms_go_groups_allocated(s, t->groups));
}

static void fill_parts(const struct ms_snapshot *snap, const struct swiss *w, const struct ms_go_shape *s,
                       struct ms_map *m) {
    uint64_t arrays = 0, cells = (uint64_t)s->key_cell + s->elem_cell, inside = 0;
    uint64_t directory =
        w->length
            ? ms_go_object_bytes(snap, w->directory, ms_go_allocated(8 * w->length, true, s->malloc_headers))
            : 0;
    for (size_t i = 0; i < w->tables; i++) arrays = ms_add(arrays, groups_bytes(snap, s, &w->table[i]));
    memset(m->part, 0, sizeof m->part);
    m->part[MS_PART_HEADER] = MS_GO_HEADER_BYTES;
    m->part[MS_PART_METADATA] =
        w->groups * CONTROL_BYTES + directory + (w->length ? w->tables * TABLE_BYTES : 0);
    /* Of an unknown type the slots are what the control words leave. */
    inside = s->group_size ? w->slots * ms_go_payload(s) : arrays - ms_min(arrays, w->groups * CONTROL_BYTES);
    if (inside > arrays) inside = arrays;
    double share = w->slots ? (double)w->used / (double)w->slots : 0;
    m->part[MS_PART_SLOTS_LIVE] =
        s->group_size ? w->used * ms_go_payload(s) : (uint64_t)(share * (double)inside);
    m->part[MS_PART_SLOTS_EMPTY] = inside - ms_min(inside, m->part[MS_PART_SLOTS_LIVE]);
    uint64_t known = inside + w->groups * CONTROL_BYTES;
    m->part[MS_PART_PADDING] = arrays > known ? arrays - known : 0;
    m->part[MS_PART_CELLS] = ms_mul(w->used, cells);
    m->bytes = ms_map_sum(m);
}

/* About how many inserts fill the first table to its limit.  Keys fall by chance: it comes sooner than the mean, by about
 * its spread. */
static uint64_t until_split(const struct swiss *w) {
    double least = INFINITY;
    for (size_t i = 0; i < w->tables; i++) {
        double left = w->table[i].growth_left, soon = left - sqrt(left);
        least = fmin(least, ldexp(soon, (int)w->table[i].depth));
    }
    return least < 1e18 ? (uint64_t)least : MS_UNKNOWN;
}

static void fill_growth(const struct swiss *w, const struct ms_go_shape *s, struct ms_map *m) {
    m->walk = MS_WALK_NONE;
    m->walk_done = m->walk_total = 0;
    m->grow_at = m->grow_bytes = m->grow_peak = MS_UNKNOWN;
    m->grow_groups = 0;
    struct ms_go_made made = {.bytes = 0};
    if (s->group_size) ms_go_swiss_made(s, w->used, w->used, &made);
    m->fresh_bytes = s->group_size
                         ? ms_add(ms_add(m->part[MS_PART_HEADER], m->part[MS_PART_CELLS]), made.bytes)
                         : m->bytes;
    m->grow_likely = MS_UNKNOWN;
    if (w->tables > 1) m->grow_likely = ms_add(w->used, until_split(w));
    if (w->tables != 1) return; /* each table grows alone: at which entry is chance */
    const struct table *t = &w->table[0];
    m->grow_at = t->used + t->growth_left;
    m->grow_groups = 2 * t->groups;
    if (!s->group_size) return;
    uint64_t each = t->capacity == TABLE_SLOTS_MOST ? t->groups : 2 * t->groups;
    m->grow_bytes = 2 * t->groups / each * ms_go_groups_allocated(s, each);
    m->grow_peak = m->grow_bytes + ms_go_groups_allocated(s, t->groups);
}

static void fill(const struct ms_snapshot *snap, const struct swiss *w, struct ms_map *m) {
    static const struct ms_go_shape unknown = {0};
    const struct ms_go_shape *s = m->type ? &m->type->go : &unknown;
    m->id = m->addr = w->addr;
    m->kind = MS_KIND_GO_SWISS;
    m->layout = !w->tables ? MS_LAYOUT_EMPTY : w->length ? MS_LAYOUT_BLOCK : MS_LAYOUT_SMALL;
    m->capacity_small = MS_GO_GROUP_SLOTS;
    m->entries = w->used;
    m->slots = w->slots;
    m->groups = w->groups;
    m->tombstones = w->tombstones;
    m->signs =
        (w->tombstones ? MS_SIGN_DELETES : 0) | (ms_go_u64(w->header + CLEAR_SEQ) ? MS_SIGN_CLEARED : 0);
    m->chained = m->stashed = 0;
    m->load = w->slots ? (double)w->used / (double)w->slots : 0;
    m->reserved = 0;
    memset(m->tables, 0, sizeof m->tables);
    for (size_t i = 0; i < w->tables && w->length; i++)
        m->tables[__builtin_ctz(w->table[i].capacity / MS_GO_GROUP_SLOTS)]++;
    fill_parts(snap, w, s, m);
    fill_growth(w, s, m);
}

/* A map that was read together with others; if that went wrong it is read alone, with patience. */
static enum ms_read add_map(struct ms_reader *r, struct swiss *w, struct ms_go_header *at,
                            struct ms_snapshot *out) {
    enum ms_certainty sure = MS_EXACT;
    const char *doubt = NULL;
    enum ms_read rc = MS_READ_OK;
    if (!is_exact(w)) {
        drop(w);
        rc = read_map(r, at->addr, w, &sure, &doubt);
    }
    if (rc == MS_READ_GONE) return rc;
    if (rc != MS_READ_OK || sure == MS_DAMAGED) {
        ms_go_add_damaged(out, MS_KIND_GO_SWISS, at, rc == MS_READ_OK ? doubt : "header");
        return MS_READ_OK;
    }
    struct ms_map *m = ms_go_add(out, at);
    m->certainty = (uint8_t)sure;
    fill(out, w, m);
    if (sure == MS_EXACT) return MS_READ_OK;
    out->uncertain = true;
    m->doubt = ms_strdup(doubt);
    return MS_READ_OK;
}

enum ms_read ms_go_swiss_load(struct ms_reader *r, struct ms_go_header *at, size_t n, struct ms_snapshot *out) {
    struct swiss *w = ms_alloc(n * sizeof *w);
    for (size_t i = 0; i < n; i++) w[i].addr = at[i].addr;
    enum ms_read rc = read_once(r, w, n, TOGETHER_MOST);
    for (size_t i = 0; i < n; i++) {
        if (rc == MS_READ_OK) rc = add_map(r, &w[i], &at[i], out);
        drop(&w[i]);
    }
    free(w);
    return rc;
}

/* ---- looking at groups -------------------------------------------------------------------------- */

typedef void (*group_fn)(void *ctx, uint64_t index, uint64_t addr, const uint8_t *control);

struct look {
    struct ms_reader *r;
    struct swiss w;
    const struct ms_go_shape *s;
    uint64_t moved; /* entries that came or went in tables while they were looked at */
    enum ms_certainty sure;
    const char *doubt;
};

static int begin(struct look *k, struct ms_reader *r, const struct ms_map *m, struct ms_error *err) {
    *k = (struct look){.r = r, .s = m->type ? &m->type->go : NULL};
    if (m->certainty == MS_DAMAGED)
        return ms_fail(err, MS_UNCERTAIN, "the map is damaged: %s", m->doubt ? m->doubt : "?");
    enum ms_read rc = read_map(r, m->addr, &k->w, &k->sure, &k->doubt);
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while a map was read");
    if (rc == MS_READ_OK && k->sure != MS_DAMAGED) return MS_OK;
    drop(&k->w);
    return ms_fail(err, MS_UNCERTAIN, "the map was freed or is damaged: %s",
                   rc == MS_READ_OK ? k->doubt : "header");
}

/* A run of groups of one table, whose first is number `index` of the map's. */
struct run {
    struct look *k;
    const struct table *t;
    uint64_t index;
    group_fn fn;
    void *ctx;
};

/* Is the table still the one that was read?  Counts entries that came or went. */
static enum ms_look table_again(struct look *k, const struct table *t) {
    uint8_t raw[TABLE_BYTES];
    if (!t->addr) return MS_LOOK_OK;
    enum ms_read rc = ms_read(k->r, t->addr, raw, sizeof raw);
    if (rc != MS_READ_OK) return ms_look_read(rc);
    if (ms_go_u64(raw + 16) != t->groups_at || ms_go_u64(raw + 8) == UINT64_MAX) return MS_LOOK_CHANGED;
    k->moved += (uint64_t)labs((long)ms_go_u16(raw) - (long)t->used);
    return MS_LOOK_OK;
}

static enum ms_look add_units(void *look, uint64_t first, uint64_t n, const uint8_t *units, void *ctx) {
    const struct run *run = look;
    uint64_t size = run->k->s->group_size;
    (void)ctx;
    for (uint64_t i = 0; i < n; i++, units += size)
        run->fn(run->ctx, run->index + first + i, run->t->groups_at + (first + i) * size, units);
    return MS_LOOK_OK;
}

static enum ms_look look_at(struct look *k, uint64_t first, uint64_t count, group_fn fn, void *ctx) {
    uint64_t base = 0, end = first + count;
    enum ms_look rc = MS_LOOK_OK;
    for (size_t i = 0; i < k->w.tables && rc == MS_LOOK_OK && base < end; base += k->w.table[i++].groups) {
        const struct table *t = &k->w.table[i];
        if (base + t->groups <= first) continue;
        struct run run = {k, t, base, fn, ctx};
        const struct ms_units u = {k->r, t->groups_at, k->s->group_size, NULL, &run};
        uint64_t from = first > base ? first - base : 0, to = ms_min(t->groups, end - base);
        rc = ms_look_at(&u, from, to - from, add_units, NULL);
        if (rc == MS_LOOK_OK) rc = table_again(k, t);
    }
    return rc;
}

static int need_type(const struct ms_map *m, struct ms_error *err) {
    if (m->type && m->type->go.group_size) return MS_OK;
    return ms_fail(err, MS_UNCERTAIN, "the type of the map is not known, so neither is how its groups lie");
}

static unsigned live_in(const uint8_t *control) {
    return MS_GO_GROUP_SLOTS -
           (unsigned)__builtin_popcountll(ms_go_u64(control) & UINT64_C(0x8080808080808080));
}

/* ---- cells, groups, histograms ------------------------------------------------------------------ */

static void add_cell(void *ctx, uint64_t index, uint64_t addr, const uint8_t *control) {
    struct ms_cells *c = ctx;
    (void)addr;
    c->live[ms_cell_of(c, index)] += live_in(control);
}

static int cells(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, bool other,
                 uint64_t first, uint64_t count, size_t max_cells, struct ms_cells *out, uint64_t *bound,
                 struct ms_error *err) {
    enum ms_look rc = MS_LOOK_CHANGED;
    (void)s;
    *out = (struct ms_cells){0};
    *bound = 0;
    int status = other ? MS_OK : need_type(m, err);
    if (status || other) return status; /* tables grow whole: there is no second array */
    for (int i = 0; i < MS_LOOK_TRIES && rc == MS_LOOK_CHANGED; i++) {
        struct look k;
        status = begin(&k, r, m, err);
        if (status) return ms_cells_free(out), status;
        bool any = ms_cells_room(out, first, count, k.w.groups, MS_GO_GROUP_SLOTS, max_cells);
        rc = any ? look_at(&k, first, out->groups, add_cell, out) : MS_LOOK_OK;
        *bound = k.moved;
        drop(&k.w);
    }
    return rc == MS_LOOK_OK ? MS_OK : (ms_cells_free(out), ms_look_error(rc, err));
}

struct group_sink {
    struct ms_group *group;
    uint64_t first;
};

static void add_group(void *ctx, uint64_t index, uint64_t addr, const uint8_t *control) {
    struct group_sink *sink = ctx;
    struct ms_group *g = &sink->group[index - sink->first];
    *g = (struct ms_group){
        .index = index, .slots = MS_GO_GROUP_SLOTS, .addr = addr, .live = (uint8_t)live_in(control)};
    memcpy(g->tophash, control, MS_GO_GROUP_SLOTS);
}

static int groups(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, uint64_t first,
                  uint64_t count, struct ms_group **out, size_t *n, struct ms_error *err) {
    enum ms_look rc = MS_LOOK_CHANGED;
    (void)s;
    *out = NULL;
    *n = 0;
    int status = need_type(m, err);
    for (int i = 0; status == MS_OK && i < MS_LOOK_TRIES && rc == MS_LOOK_CHANGED; i++) {
        struct look k;
        status = begin(&k, r, m, err);
        if (status) break;
        status = ms_groups_room(out, n, first, count, k.w.groups, err);
        struct group_sink sink = {*out, first};
        if (status == MS_OK) rc = look_at(&k, first, *n, add_group, &sink);
        drop(&k.w);
    }
    if (status == MS_OK && rc == MS_LOOK_OK) return MS_OK;
    free(*out);
    *out = NULL;
    return status ? status : ms_look_error(rc, err);
}

static void add_histogram(void *ctx, uint64_t index, uint64_t addr, const uint8_t *control) {
    struct ms_detail *d = ctx;
    (void)index, (void)addr;
    d->occupancy[live_in(control)]++;
    d->quads++;
}

static int detail_of(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, struct look *k,
                     struct ms_detail *out, struct ms_error *err) {
    *out = (struct ms_detail){0};
    ms_go_copy(m, &out->map);
    int status = begin(k, r, m, err);
    if (status) return status;
    fill(s, &k->w, &out->map);
    out->map.certainty = (uint8_t)k->sure;
    if (k->sure != MS_EXACT) out->map.doubt = ms_strdup(k->doubt);
    const struct ms_counter all[] = {
        {"tables", k->w.length ? k->w.tables : 0},
        {"globalDepth", k->w.depth},
        {"dirLen", k->w.length},
        {"clearSeq", ms_go_u64(k->w.header + CLEAR_SEQ)},
        {"writing", k->w.header[34]},
    };
    _Static_assert(sizeof all <= sizeof out->counter, "room for all of them");
    out->counters = sizeof all / sizeof *all;
    memcpy(out->counter, all, sizeof all);
    return MS_OK;
}

static int detail_head(struct ms_reader *r, const struct ms_map *m, struct ms_detail *out,
                       struct ms_error *err) {
    struct look k;
    int status = detail_of(r, NULL, m, &k, out, err);
    if (status == MS_OK) drop(&k.w);
    return status;
}

static int detail(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, struct ms_detail *out,
                  struct ms_error *err) {
    enum ms_look rc = MS_LOOK_CHANGED;
    for (int i = 0; i < MS_LOOK_TRIES && rc == MS_LOOK_CHANGED; i++) {
        struct look k;
        if (i) ms_detail_free(out);
        int status = detail_of(r, s, m, &k, out, err);
        if (status) return status;
        bool known = k.s && k.s->group_size;
        rc = known ? look_at(&k, 0, k.w.groups, add_histogram, out) : MS_LOOK_OK;
        out->histograms_complete = known && rc == MS_LOOK_OK;
        out->error_bound = k.moved;
        drop(&k.w);
    }
    return rc == MS_LOOK_GONE ? ms_look_error(rc, err) : MS_OK;
}

static int resident(struct ms_reader *r, struct ms_snapshot *s, struct ms_map *m, struct ms_error *err) {
    struct look k;
    struct ms_error ignored;
    uint64_t in = 0, away = 0;
    if (!r->resident || m->certainty == MS_DAMAGED || !m->type) return MS_OK;
    int status = begin(&k, r, m, &ignored);
    if (status == MS_GONE) *err = ignored;
    if (status) return status == MS_GONE ? status : MS_OK;
    status = ms_go_resident(r, m->addr, MS_GO_HEADER_BYTES, &in, &away, err);
    for (size_t i = 0; i < k.w.tables && status == MS_OK; i++)
        status =
            ms_go_resident(r, k.w.table[i].groups_at, groups_bytes(s, k.s, &k.w.table[i]), &in, &away, err);
    drop(&k.w);
    if (status == MS_OK) m->resident = in, m->swapped = away;
    return status;
}

/* ---- pieces ------------------------------------------------------------------------------------ */

static const struct ms_record_field header_field[] = {
    {"used", 0},         {"seed", 8},     {"dirPtr", 16}, {"dirLen", 24},   {"globalDepth", 32},
    {"globalShift", 33}, {"writing", 34}, {"flags", 35},  {"clearSeq", 40}, {NULL, 0}};
static const struct ms_record_field table_field[] = {
    {"used", 0},  {"capacity", 2},     {"growthLeft", 4},         {"localDepth", 6},
    {"index", 8}, {"groups.data", 16}, {"groups.lengthMask", 24}, {NULL, 0}};

static bool is_live(uint8_t tag) { return !(tag & 0x80); }

static struct ms_piece groups_of(const struct table *t, const struct ms_map *m, uint64_t first) {
    struct ms_piece p = {.kind = MS_PIECE_GROUPS,
                         .addr = t->groups_at,
                         .group = first,
                         .slot = -1,
                         .grid = ms_go_grid(m->type, true)};
    p.len = t->groups * p.grid.unit;
    return p;
}

static bool tell_table(struct ms_telling *t, const struct ms_snapshot *s, const struct look *k,
                       const struct ms_map *m, const struct table *tb, uint64_t first) {
    struct ms_piece record = {.kind = MS_PIECE_TABLE,
                              .addr = tb->addr,
                              .len = tb->addr ? TABLE_BYTES : 0,
                              .group = MS_UNKNOWN,
                              .slot = -1,
                              .field = table_field};
    struct ms_piece p = groups_of(tb, m, first);
    return ms_tell(t, &record) && ms_tell(t, &p) &&
           ms_tell_run(t, MS_PIECE_SPARE, tb->groups_at, k->s ? groups_bytes(s, k->s, tb) : 0);
}

static int pieces(struct ms_telling *t, const struct ms_snapshot *s, const struct ms_map *m, bool deep,
                  struct ms_error *err) {
    struct look k;
    int status = begin(&k, t->r, m, err);
    if (status) return status;
    struct ms_piece head = {.kind = MS_PIECE_HEADER,
                            .addr = m->addr,
                            .len = MS_GO_HEADER_BYTES,
                            .group = MS_UNKNOWN,
                            .slot = -1,
                            .field = header_field};
    struct ms_hanging h = ms_go_hanging(m->type);
    h.is_live = is_live;
    bool more = ms_tell(t, &head) && ms_tell_run(t, MS_PIECE_DIRECTORY, k.w.directory, 8 * k.w.length);
    for (uint64_t i = 0, first = 0; more && i < k.w.tables; first += k.w.table[i++].groups)
        more = tell_table(t, s, &k, m, &k.w.table[i], first);
    for (uint64_t i = 0, first = 0; more && deep && i < k.w.tables; first += k.w.table[i++].groups) {
        struct ms_piece p = groups_of(&k.w.table[i], m, first);
        ms_tell_hanging(t, &p, &h);
        more = !t->enough && !t->gone;
    }
    drop(&k.w);
    return t->gone ? ms_fail(err, MS_GONE, "the process ended while a map was read") : MS_OK;
}

const struct ms_backend ms_go_swiss_backend = {resident, detail, detail_head, cells, groups, pieces};
