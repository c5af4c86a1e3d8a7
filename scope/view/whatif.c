/* whatif.c - a map after a change that its program could make.
 *
 *   the table   shrink, presize N, slots N      same slots, another number of them: what a new map gets from its runtime
 *                                               or library, and what its entries then make of it
 *   the type    reorder, indirect, inline, key  other slots, the same number of them: the program would have filled the
 *                                               same tables and buckets
 *
 * Where chance has a part (which Swiss table gets more than its share, which bucket overflows) the figure is the expected
 * one, with two standard deviations beside it.  How far a gomap can shrink depends on where its entries lie, so they
 * are counted quad by quad.
 */
#include "whatif.h"

#include "gomap/inspect.h"
#include "view.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GO_SLOTS = 8, RANGE_FROM_BYTES = 1 << 20, DOUBLE_BELOW_SLOTS = 100000, FINE_FROM_GROUPS = 256 };
enum { AT_ONCE = 128, MANY_GROUPS = 2048 }; /* AT_ONCE: entries that are moved at once, wherever they lie */
enum {
    POOL_FROM_GROUPS = 64,
    POOL_BYTES = 17 << 10
}; /* a pool for chain nodes, which a walk makes if it may need one */

static bool is(const char *a, const char *b) { return strcmp(a, b) == 0; }

static bool is_gomap(const struct ms_map *m) {
    return m->kind == MS_KIND_GOMAP || m->kind == MS_KIND_GOMAP_SHARED;
}

static struct ms_state state_of(const struct ms_map *m, const struct ms_type *t) {
    return (struct ms_state){.bytes = m->bytes,
                             .slots = m->slots,
                             .key_size = t->key_size,
                             .value_size = t->value_size,
                             .slot_size = t->slot_size};
}

/* ---- tables of Go ------------------------------------------------------------------------------ */

static uint64_t power_of_two(uint64_t n) {
    uint64_t p = GO_SLOTS;
    while (p < n && p < UINT64_C(1) << 62) p *= 2;
    return p;
}

/* Entries that fit into so many slots. */
static uint64_t swiss_limit(uint64_t slots) { return slots <= GO_SLOTS ? slots : slots / 8 * 7; }
static uint64_t classic_limit(const struct ms_go_shape *s, uint64_t slots) {
    uint64_t halves = s->load_halves ? s->load_halves : 13;
    return slots <= GO_SLOTS ? GO_SLOTS : slots / GO_SLOTS * halves / 2;
}

static void go_table(const struct ms_map *m, const char *change, uint64_t n, struct ms_whatif *w) {
    const struct ms_go_shape *s = &m->type->go;
    bool swiss = m->kind == MS_KIND_GO_SWISS;
    uint64_t hint = is(change, "shrink") ? m->entries : n;
    if (is(change, "slots")) hint = swiss ? swiss_limit(power_of_two(n)) : classic_limit(s, power_of_two(n));
    struct ms_go_made made;
    if (swiss)
        ms_go_swiss_made(s, hint, m->entries, &made);
    else
        ms_go_classic_made(s, hint, m->entries, &made);
    w->then.bytes = ms_add(ms_add(m->part[MS_PART_HEADER], m->part[MS_PART_CELLS]), made.bytes);
    w->then.slots = made.slots;
    w->spread = made.spread;
    w->holds = swiss ? swiss_limit(made.slots) : classic_limit(s, made.slots);
    w->how = is(change, "shrink")
                 ? ms_strdup("fresh := make(map[K]V, len(m)); maps.Copy(fresh, m); m = fresh")
                 : ms_asprintf("make(map[K]V, %llu)", (unsigned long long)hint);
}

/* ---- tables of a gomap ------------------------------------------------------------------------- */

static uint64_t align_up(uint64_t n, uint64_t align) { return (n + align - 1) / align * align; }

/* Entries a group takes before the table grows: its mode is private, but shows in when it grows. */
static uint64_t per_group(const struct ms_map *m) {
    return m->walk == MS_WALK_NONE && m->groups > 2 && m->grow_at == 13 * m->groups ? 13 : 12;
}

static uint64_t round_groups(uint64_t n) { return n <= 2 ? n : align_up(n, GOMAP_QUAD_GROUPS); }

static uint64_t gomap_limit(uint64_t groups, uint64_t per) {
    return groups == 1 ? GOMAP_GROUP_SLOTS : groups == 2 ? 26 : groups * per;
}

static uint64_t groups_for(uint64_t entries, uint64_t per) {
    if (entries <= GOMAP_GROUP_SLOTS) return 1;
    if (entries <= 26) return 2;
    return round_groups((entries + per - 1) / per);
}

static uint64_t next_groups(uint64_t groups, uint64_t per) {
    bool memory = per == 13;
    if (groups < 4) return round_groups(groups * 2);
    if (memory) return round_groups(groups < FINE_FROM_GROUPS ? groups + groups / 2 : groups + groups / 4);
    return round_groups(groups * GOMAP_GROUP_SLOTS < DOUBLE_BELOW_SLOTS ? groups * 2
                                                                        : groups + groups * 9 / 20);
}

static uint64_t gomap_table_bytes(const struct ms_type *t, uint64_t groups) {
    struct gomap_desc d = {.slot_size = t->slot_size, .slot_align = t->slot_align ? t->slot_align : 1};
    uint64_t group = 16 + 2 + (uint64_t)GOMAP_GROUP_SLOTS * t->slot_size,
             range = align_up(RANGE_FROM_BYTES / group + 1, 4);
    if (groups == 1) return gomap_inspect_small_bytes(&d, GOMAP_GROUP_SLOTS);
    return ms_view_table_bytes(t, groups, groups > 2 && groups >= range);
}

static uint64_t table_parts(const struct ms_map *m) {
    return ms_add(ms_add(m->part[MS_PART_SLOTS_LIVE], m->part[MS_PART_SLOTS_EMPTY]),
                  ms_add(ms_add(m->part[MS_PART_METADATA], m->part[MS_PART_PADDING]),
                         ms_add(m->part[MS_PART_OVERFLOW], m->part[MS_PART_MOVING])));
}

/* Entries of each pair of quads in a table of so many groups: entries keep their place in the order of hashes, so those of
 * a quad spread over the quads that the same stretch of hashes has there. */
static void spread(const struct ms_cells *c, uint64_t groups, double *pair) {
    double width = (double)groups / (double)c->groups; /* new quads an old one */
    uint64_t quads = groups / GOMAP_QUAD_GROUPS;
    memset(pair, 0, (quads / 2 + 1) * sizeof *pair);
    for (size_t q = 0; q < c->count; q++) {
        double at = (double)q * width, end = at + width;
        while (at < end - 1e-9) {
            uint64_t to = (uint64_t)(at + 1e-9);
            double next = (double)(to + 1) < end ? (double)(to + 1) : end;
            pair[(to < quads ? to : quads - 1) / 2] += (double)c->live[q] * (next - at) / width;
            at = next;
        }
    }
}

/* The fewest groups by how densely entries lie: as lib/shrink.c counts it, all but half a percent of them. */
static uint64_t by_density(const struct ms_cells *c, uint64_t groups, uint64_t entries, double *pair) {
    enum { MOST = 2 * GOMAP_QUAD_SLOTS, FULL = 96 };
    uint64_t hist[MOST + 1] = {0}, above = 0, dense = MOST;
    spread(c, groups, pair);
    for (uint64_t i = 0; i <= (groups / GOMAP_QUAD_GROUPS - 1) / 2; i++)
        hist[(uint64_t)(pair[i] + 0.5) < MOST ? (uint64_t)(pair[i] + 0.5) : MOST]++;
    for (; dense > 0; dense--) {
        above += dense * hist[dense];
        if (above > entries / 200) break;
    }
    return round_groups(groups * dense / FULL + 1);
}

/* gomap_shrink_to_fit goes on while fewer groups will do. */
static uint64_t shrunk_groups(const struct ms_map *m, const struct ms_cells *c, uint64_t per) {
    uint64_t groups = m->groups, even = groups_for(m->entries + m->entries / 8, per), next;
    if (m->layout <= MS_LAYOUT_SMALL) return groups;
    if (even < 2) even = 2;
    bool counted =
        c && c->count && c->per_cell == GOMAP_QUAD_GROUPS && c->groups == groups && m->entries > AT_ONCE;
    double *pair = ms_alloc((groups / 8 + 2) * sizeof *pair);
    while (groups >= GOMAP_QUAD_GROUPS) {
        next = counted ? by_density(c, groups, m->entries, pair) : 0;
        if (next < even) next = even;
        if (next >= groups) break;
        groups = next;
    }
    free(pair);
    return groups;
}

static void gomap_table(const struct ms_map *m, const struct ms_cells *c, const char *change, uint64_t n,
                        struct ms_whatif *w) {
    uint64_t per = per_group(m), groups, most = UINT64_C(1) << 40;
    n = ms_min(n, most);
    if (is(change, "shrink")) {
        groups = shrunk_groups(m, c, per);
        w->how = ms_strdup("gomap_shrink_to_fit(map)");
    } else {
        groups = is(change, "slots") ? round_groups((n + GOMAP_GROUP_SLOTS - 1) / GOMAP_GROUP_SLOTS)
                                     : groups_for(n, per);
        if (groups == 0) groups = 1;
        while (gomap_limit(groups, per) < m->entries && groups < most) groups = next_groups(groups, per);
        w->how = ms_asprintf("gomap_reserve(map, %llu), while the map is new",
                             (unsigned long long)(is(change, "slots") ? gomap_limit(groups, per) : n));
    }
    w->holds = gomap_limit(groups, per);
    if (groups >= POOL_FROM_GROUPS) w->spread = POOL_BYTES;
    bool dense = is(change, "shrink") && m->layout > MS_LAYOUT_SMALL && m->entries > AT_ONCE;
    if (is(change, "shrink") && m->entries == 0) {
        w->then.slots = w->holds = 0;
        w->then.bytes = m->part[MS_PART_HEADER];
    } else if (groups == m->groups && m->walk == MS_WALK_NONE) {
        w->then = w->now;
    } else {
        w->then.bytes =
            ms_add(m->bytes - ms_min(table_parts(m), m->bytes), gomap_table_bytes(m->type, groups));
        w->then.slots = groups * GOMAP_GROUP_SLOTS;
        /* Where exactly in a quad's stretch of hashes its entries lie is not known, so how dense the densest places will be
         * is not either: less so where there are few. */
        if (dense) w->spread += gomap_table_bytes(m->type, groups) / (groups < MANY_GROUPS ? 8 : 20);
    }
}

/* gomap's copy of Go's: buckets with a pool, to a page where that is larger. */
static void classic_table(const struct ms_map *m, const char *change, uint64_t n, struct ms_whatif *w) {
    enum { GO_PAGE = 8192, GO_SMALL = 32760 };
    struct ms_go_shape s = ms_slots_shape(m->type, MS_KIND_CLASSIC);
    uint64_t hint = is(change, "shrink")  ? m->entries
                    : is(change, "slots") ? classic_limit(&s, power_of_two(n))
                                          : n;
    uint64_t slots = GO_SLOTS, bytes, want = ms_min(hint > m->entries ? hint : m->entries, UINT64_C(1) << 48);
    while (classic_limit(&s, slots) < want) slots *= 2;
    bytes = slots / GO_SLOTS;
    if (slots >= 16 * GO_SLOTS) bytes += bytes / 16;
    bytes *= s.group_size;
    if (bytes > GO_SMALL && slots >= 16 * GO_SLOTS)
        bytes = align_up(bytes, GO_PAGE) / s.group_size * s.group_size;
    w->then.slots = slots;
    w->then.bytes = m->part[MS_PART_HEADER] + m->part[MS_PART_CELLS] + m->part[MS_PART_PADDING] + bytes;
    w->spread = m->part[MS_PART_OVERFLOW];
    w->holds = classic_limit(&s, slots);
    w->how = ms_strdup("a new map made for that many, filled from this one");
}

int ms_whatif_table(const struct ms_map *m, const struct ms_cells *quads, const char *change, uint64_t n,
                    struct ms_whatif *out, struct ms_error *err) {
    *out = (struct ms_whatif){.change = change, .fit_known = true, .holds = MS_UNKNOWN};
    bool go = m->kind == MS_KIND_GO_SWISS || m->kind == MS_KIND_GO_CLASSIC;
    if (m->kind == MS_KIND_GO_SYNC)
        return ms_fail(err, MS_USAGE, "a sync.Map has no table whose size could be chosen");
    if (!m->type || m->certainty == MS_DAMAGED || (go && !m->type->go.group_size))
        return ms_fail(err, MS_UNCERTAIN,
                       "the type of the map is not known, so neither is what a change would make of it");
    out->now = out->then = state_of(m, m->type);
    if (is(change, "shrink"))
        out->what = ms_asprintf("a table for its %llu entries", (unsigned long long)m->entries);
    else if (is(change, "presize"))
        out->what = ms_asprintf("made for %llu entries", (unsigned long long)n);
    else
        out->what = ms_asprintf("made with %llu slots, or what can be had above", (unsigned long long)n);
    if (go)
        go_table(m, change, n, out);
    else if (is_gomap(m))
        gomap_table(m, quads, change, n, out);
    else
        classic_table(m, change, n, out);
    return MS_OK;
}

/* ---- types ------------------------------------------------------------------------------------- */

/* "int32", "uint16_t", "[16]byte", "uint8_t[16]": what a key could be, by name. */
static bool part_named(const char *name, bool go, struct ms_slot_part *out, bool *is_signed,
                       uint64_t *array) {
    static const struct {
        const char *name;
        unsigned size;
        bool is_signed;
    } known[] = {{"int8", 1, true},   {"int16", 2, true},   {"int32", 4, true},    {"int64", 8, true},
                 {"uint8", 1, false}, {"uint16", 2, false}, {"uint32", 4, false},  {"uint64", 8, false},
                 {"byte", 1, false},  {"rune", 4, true},    {"uintptr", 8, false}, {"char", 1, true},
                 {"short", 2, true},  {"long", 8, true}};
    unsigned long long n = 0;
    int end = 0;
    *array = 0;
    size_t len = strlen(name);
    if (go && sscanf(name, "[%llu]%n", &n, &end) == 1 && end &&
        (is(name + end, "byte") || is(name + end, "uint8")))
        *array = n;
    if (!go && sscanf(name, "%*[a-z0-9_][%llu]%n", &n, &end) == 1 && end && !name[end] &&
        (strncmp(name, "char[", 5) == 0 || strncmp(name, "uint8_t[", 8) == 0))
        *array = n;
    if (*array && *array <= 1 << 16)
        return *out = (struct ms_slot_part){.size = *array, .align = 1}, *is_signed = false, true;
    if (is(name, "int") || is(name, "uint") || is(name, "unsigned")) {
        unsigned size = go ? 8 : 4;
        *is_signed = is(name, "int");
        return *out = (struct ms_slot_part){.size = size, .align = size}, true;
    }
    if (len > 2 && is(name + len - 2, "_t")) len -= 2;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i].name) != len || memcmp(known[i].name, name, len) != 0) continue;
        *is_signed = known[i].is_signed;
        return *out = (struct ms_slot_part){.size = known[i].size, .align = known[i].size}, true;
    }
    return false;
}

/* Do the keys that were seen go into it?  NULL: they do, or nothing is known of them. */
static char *integer_unfit(const struct ms_contents *c, unsigned size, bool is_signed) {
    int64_t most = size == 8 ? INT64_MAX : (INT64_C(1) << (8 * size - is_signed)) - 1,
            least = is_signed ? -most - 1 : 0;
    bool beyond =
        c->key == MS_KEY_UINT && is_signed && c->most == INT64_MAX; /* or more: that is all that is known */
    if (c->seen == 0 || (c->least >= least && c->most <= most && !beyond)) return NULL;
    return ms_asprintf("some keys are %s its range", c->least < least ? "below" : "above");
}

static char *text_unfit(const struct ms_contents *c, uint64_t array, unsigned bits) {
    bool same = c->length_least == c->length_most;
    if (c->seen == 0) return NULL;
    if (!array && c->decimal != c->seen)
        return ms_asprintf("%llu of %llu keys are no decimal numbers",
                           (unsigned long long)(c->seen - c->decimal), (unsigned long long)c->seen);
    if (!array && bits < 64 && c->decimal_most >> bits) return ms_strdup("some keys are above its range");
    if (!array || (same && c->length_least == array) || (array == 16 && c->uuid == c->seen)) return NULL;
    if (same && c->length_least == 2 * array && (c->hex == c->seen || c->hex_upper == c->seen)) return NULL;
    return ms_asprintf("keys are %llu to %llu bytes long, and not all hex digits of that many",
                       (unsigned long long)c->length_least, (unsigned long long)c->length_most);
}

static int as_key(const struct ms_map *m, struct ms_maptype *l, const struct ms_contents *c, const char *name,
                  struct ms_whatif *w, struct ms_type *then, struct ms_error *err) {
    bool go = !is_gomap(m) && m->kind != MS_KIND_CLASSIC, is_signed = false, text;
    struct ms_slot_part part;
    struct ms_type like = *m->type;
    uint64_t array;
    if (!part_named(name, go, &part, &is_signed, &array))
        return ms_fail(err, MS_USAGE, "key type '%s' is not known: integers like %s, or %s", name,
                       go ? "int32" : "uint32_t", go ? "[16]byte" : "uint8_t[16]");
    like.flags &= ~(uint32_t)GOMAP_F_STR;
    *then = ms_slots_make(l->rules, is_gomap(m) ? &like : m->type, part, l->value_part);
    text = c->key == MS_KEY_GO_STRING || c->key == MS_KEY_STRING;
    w->fit_known =
        ms_contents_whole(c) && (text || ((c->key == MS_KEY_INT || c->key == MS_KEY_UINT) && !array));
    if (text)
        w->unfit = text_unfit(c, array, (unsigned)(8 * ms_min(part.size, 8) - is_signed));
    else if (c->key != MS_KEY_OTHER && !array)
        w->unfit = integer_unfit(c, (unsigned)part.size, is_signed);
    w->what = ms_asprintf("keys of type %s", name);
    if (text && array)
        w->given = ms_strdup("hex digits and UUIDs are decoded, others are as long as the array");
    return MS_OK;
}

static const struct ms_choice *choice_of(const struct ms_maptype *l, const char *id) {
    for (size_t i = 0; i < l->choices; i++)
        if (is(l->choice[i].id, id)) return &l->choice[i];
    return NULL;
}

int ms_whatif_type(const struct ms_map *m, struct ms_maptype *l, const struct ms_contents *contents,
                   const char *change, const char *type, struct ms_whatif *out, struct ms_error *err) {
    struct ms_type then;
    *out = (struct ms_whatif){.change = change, .holds = m->grow_at};
    if (l->rules == MS_SLOTS_UNKNOWN)
        return ms_fail(
            err, MS_UNCERTAIN,
            "the key and value types of the map are not known, so neither is what others would be");
    out->now = out->then = state_of(m, m->type);
    if (is(change, "key")) {
        int status = as_key(m, l, contents, type, out, &then, err);
        if (status) return status;
    } else {
        const struct ms_choice *c = choice_of(l, change);
        if (!c && is(change, "reorder"))
            return ms_fail(err, MS_USAGE, "no other order of fields makes its key or value smaller");
        if (!c)
            return ms_fail(err, MS_USAGE, "its value (%s) %s", m->type->value,
                           is(change, "inline") ? "is no pointer to a type that is known"
                                                : "is no larger than a pointer, or elsewhere already");
        then = c->type;
        out->fit_known = true;
        out->what = ms_strdup(c->what);
        out->given = c->given ? ms_strdup(c->given) : NULL;
        out->now.apart = c->apart;
        out->now.bytes = ms_add(out->now.bytes, c->apart);
    }
    uint64_t have = ms_slots_bytes(m, m->type), will = ms_slots_bytes(m, &then);
    out->then = state_of(m, &then);
    out->then.bytes = ms_add(m->bytes - ms_min(have, m->bytes), will);
    return MS_OK;
}

void ms_whatif_free(struct ms_whatif *w) {
    free(w->what);
    free(w->how);
    free(w->given);
    free(w->unfit);
    *w = (struct ms_whatif){.change = NULL};
}
