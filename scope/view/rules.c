/* rules.c - what each rule judges a map by, and what it says of one it found.
 *
 * A judge answers in bytes: what would come back, or is held for nothing.  Where a rule is about time (chains, tombstones)
 * these are the bytes of what makes the map slow; the page says what it costs in time.
 *
 * Emptiness, by what the table itself tells:
 *
 *   load   1/100        1/4                      1
 *     |-----|------------|-----------------------|
 *      giant  never shrunk                            there is a sign that it was fuller (ms_map.signs)
 *      oversized hint                                 there is none
 */
#include "doctor.h"

#include <stdlib.h>
#include <string.h>

static const double *limits(const struct ms_exam *e) { return e->d->limit[e->rule]; }

static double limit_of(const struct ms_exam *e, enum ms_rule_number rule, int i) {
    return e->d->limit[rule][i];
}

static uint64_t whole(double v) { return v < 1e18 ? (uint64_t)v : UINT64_MAX; }

uint64_t ms_rule_least(const struct ms_exam *e) {
    const struct ms_rule *r = ms_rule_at(e->rule);
    for (int i = 0; i < MS_RULE_LIMITS && r->limit[i].name; i++)
        if (strcmp(r->limit[i].name, "bytes") == 0) {
            double v = limits(e)[i];
            return v < 1 ? 1 : whole(v);
        }
    return 1;
}

uint64_t ms_rule_fewest(const struct ms_exam *e) {
    return e->rule == MS_RULE_TINY_MAPS ? whole(limits(e)[1]) : 1;
}

/* ---- emptiness --------------------------------------------------------------------------------- */

/* Entries came between the first look and the last. */
static bool is_filling(const struct ms_exam *e, const struct ms_map *m) {
    const struct ms_map *then = e->p->looks > 1 ? ms_exam_before(e, 0, m) : NULL;
    return then && m->entries > then->entries;
}

/* A gomap shrinks by itself, when it is a good deal emptier than would be worth doing by hand. */
static double rest_of(const struct ms_map *m) {
    return m->kind == MS_KIND_GOMAP || m->kind == MS_KIND_GOMAP_SHARED ? 0.4 : 1;
}

/* The rule that a map empty in such a way falls under; MS_RULES: it is not empty enough. */
static enum ms_rule_number emptiness(const struct ms_exam *e, const struct ms_map *m) {
    bool giant = m->load < limit_of(e, MS_RULE_NEAR_EMPTY_GIANT, 0) &&
                 (double)m->bytes >= limit_of(e, MS_RULE_NEAR_EMPTY_GIANT, 1);
    if (m->slots <= m->capacity_small || m->rebuild_gain < m->bytes / 2 || m->walk != MS_WALK_NONE)
        return MS_RULES;
    if (!m->signs) {
        bool hint = m->load < limit_of(e, MS_RULE_OVERSIZED_HINT, 0) && !is_filling(e, m);
        return hint ? MS_RULE_OVERSIZED_HINT : MS_RULES;
    }
    if (giant) return MS_RULE_NEAR_EMPTY_GIANT;
    return m->load < rest_of(m) * limit_of(e, MS_RULE_NEVER_SHRUNK, 0) ? MS_RULE_NEVER_SHRUNK : MS_RULES;
}

static uint64_t judge_empty(const struct ms_exam *e, const struct ms_map *m) {
    return emptiness(e, m) == e->rule ? m->rebuild_gain : 0;
}

/* Entries that a table must exceed to grow to so many slots. */
static uint64_t once_had(const struct ms_map *m) {
    switch ((enum ms_kind)m->kind) {
    case MS_KIND_GO_SWISS: return m->slots / 16 * 7;
    case MS_KIND_CLASSIC:
    case MS_KIND_GO_CLASSIC: return m->slots / 16 * 13 / 2;
    default: return m->slots / 5 * 2; /* load 0.80, twice the groups at most */
    }
}

static void figure(struct ms_finding *f, const char *name, uint64_t value) {
    if (f->figures < sizeof f->figure / sizeof *f->figure)
        f->figure[f->figures++] = (struct ms_counter){name, value};
}

typedef unsigned long long ull;

static void tell_empty(const struct ms_exam *e, const struct ms_map *m, struct ms_finding *f) {
    const char *why = e->rule == MS_RULE_OVERSIZED_HINT ? "nothing tells that it ever had more"
                      : m->signs & MS_SIGN_CLEARED      ? "it was cleared, and kept its table"
                      : m->signs & MS_SIGN_GREW         ? "its library counted growths"
                                                        : "deletes left their marks";
    figure(f, "entries", m->entries);
    figure(f, "slots", m->slots);
    figure(f, "rebuild_gain_bytes", m->rebuild_gain);
    if (e->rule == MS_RULE_OVERSIZED_HINT) {
        f->evidence = ms_asprintf("%llu entries in %llu slots; %s", (ull)m->entries, (ull)m->slots, why);
        return;
    }
    figure(f, "once_had_entries", once_had(m));
    f->evidence = ms_asprintf("%llu entries in %llu slots, a size that maps reach with %llu; %s",
                              (ull)m->entries, (ull)m->slots, (ull)once_had(m), why);
}

/* ---- tombstones, overflow ------------------------------------------------------------------------ */

static uint64_t slot_bytes(const struct ms_map *m) {
    if (m->type && m->type->slot_size) return m->type->slot_size;
    return m->slots ? (m->part[MS_PART_SLOTS_LIVE] + m->part[MS_PART_SLOTS_EMPTY]) / m->slots : 0;
}

static uint64_t judge_tombstones(const struct ms_exam *e, const struct ms_map *m) {
    if (m->tombstones == MS_UNKNOWN || !m->slots || emptiness(e, m) != MS_RULES) return 0;
    if ((double)m->tombstones < limits(e)[0] * (double)m->slots) return 0;
    return ms_mul(m->tombstones, slot_bytes(m));
}

static void tell_tombstones(const struct ms_map *m, struct ms_finding *f) {
    figure(f, "tombstones", m->tombstones);
    figure(f, "slots", m->slots);
    figure(f, "entries", m->entries);
    f->evidence = ms_asprintf("%llu of %llu slots hold neither an entry nor room for one; %llu entries",
                              (ull)m->tombstones, (ull)m->slots, (ull)m->entries);
}

/* 8 tophash bytes, 8 keys, 8 values, the link. */
static uint64_t overflow_buckets(const struct ms_map *m) {
    uint64_t bucket =
        m->type->go.group_size ? m->type->go.group_size : 16 + 8 * (uint64_t)m->type->slot_payload;
    return m->part[MS_PART_OVERFLOW] / bucket;
}

static bool has_buckets(const struct ms_map *m) {
    return m->type && m->groups && (m->kind == MS_KIND_CLASSIC || m->kind == MS_KIND_GO_CLASSIC);
}

static uint64_t judge_overflow(const struct ms_exam *e, const struct ms_map *m) {
    if (!has_buckets(m) || m->walk != MS_WALK_NONE || emptiness(e, m) != MS_RULES) return 0;
    bool heavy = (double)overflow_buckets(m) >= limits(e)[0] * (double)m->groups;
    return heavy ? m->part[MS_PART_OVERFLOW] : 0;
}

static void tell_overflow(const struct ms_map *m, struct ms_finding *f) {
    uint64_t at = ms_min(m->groups, 1 << 15);
    figure(f, "overflow_buckets", overflow_buckets(m));
    figure(f, "buckets", m->groups);
    figure(f, "same_size_growth_at", at);
    f->evidence =
        ms_asprintf("%llu overflow buckets beside %llu buckets; at %llu the next insert begins to rewrite "
                    "the table at the same size",
                    (ull)overflow_buckets(m), (ull)m->groups, (ull)at);
}

/* ---- types ------------------------------------------------------------------------------------- */

static uint32_t round_up(uint32_t n, uint32_t to) { return (n + to - 1) / to * to; }

/* Bytes that each slot would lose with its bool.  Where key and value are one struct, up to Go 1.26, nothing: a value
 * without bytes at its end is given one, and the padding that the bool had. */
static uint32_t bool_saves(const struct ms_map *m) {
    const struct ms_type *t = m->type;
    const struct ms_go_shape *s = &t->go;
    if (m->kind == MS_KIND_CLASSIC || m->kind == MS_KIND_GO_CLASSIC) return 1;
    if (m->kind == MS_KIND_GO_SWISS) {
        bool apart = s->key_stride != s->elem_stride;
        return s->group_size && apart ? s->elem_stride : 0;
    }
    uint32_t key = t->slot_payload - t->value_size,
             without = round_up(key, t->slot_align ? t->slot_align : 1);
    return t->slot_size > without ? t->slot_size - without : 0;
}

bool ms_type_is_bool(const struct ms_type *t) {
    return t && t->value_size == 1 && t->value &&
           (strcmp(t->value, "bool") == 0 || strcmp(t->value, "_Bool") == 0);
}

static uint64_t judge_bool(const struct ms_exam *e, size_t i) {
    const struct ms_map *m = &e->now->map[i];
    const struct ms_bools *b = e->p->bools ? &e->p->bools[i] : NULL;
    if (!b || !ms_type_is_bool(m->type) || m->kind == MS_KIND_GO_SYNC) return 0;
    if (b->zero || (double)b->looked < limit_of(e, MS_RULE_SET_AS_BOOL, 1)) return 0;
    return ms_mul(m->slots, bool_saves(m));
}

/* Bytes of each slot between key, value and the next slot. */
static uint32_t padding_of(const struct ms_map *m) {
    const struct ms_type *t = m->type;
    const struct ms_go_shape *s = &t->go;
    if (m->kind == MS_KIND_GOMAP || m->kind == MS_KIND_GOMAP_SHARED)
        return t->slot_size > t->slot_payload ? t->slot_size - t->slot_payload : 0;
    if (m->kind != MS_KIND_GO_SWISS || !s->group_size || s->key_stride != s->elem_stride) return 0;
    uint32_t used = s->key_slot + s->elem_slot;
    return s->key_stride > used ? s->key_stride - used : 0;
}

static uint64_t judge_padding(const struct ms_exam *e, size_t i) {
    const struct ms_map *m = &e->now->map[i];
    if (!m->type || !m->type->slot_size || !m->slots || judge_bool(e, i))
        return 0; /* a set has another cure */
    uint32_t padding = padding_of(m);
    if ((double)padding < limits(e)[0] * (double)m->type->slot_size) return 0;
    return ms_mul(m->slots, padding);
}

static void tell_padding(const struct ms_map *m, struct ms_finding *f) {
    const struct ms_type *t = m->type;
    figure(f, "padding_bytes", padding_of(m));
    figure(f, "slot_bytes", padding_of(m) + t->slot_payload);
    figure(f, "slots", m->slots);
    f->evidence =
        ms_asprintf("%u of the %u bytes of each of %llu slots: a key takes %u, a value %u", padding_of(m),
                    padding_of(m) + t->slot_payload, (ull)m->slots, t->key_size, t->value_size);
}

static void tell_bool(const struct ms_exam *e, const struct ms_map *m, struct ms_finding *f) {
    const struct ms_bools *b = &e->p->bools[f->worst];
    figure(f, "values_looked_at", b->looked);
    figure(f, "values_false", b->zero);
    figure(f, "bytes_per_slot", bool_saves(m));
    f->evidence = ms_asprintf("all of %llu values looked at are true; %u byte%s in each of %llu slots",
                              (ull)b->looked, bool_saves(m), bool_saves(m) == 1 ? "" : "s", (ull)m->slots);
}

/* ---- several looks, several maps ------------------------------------------------------------------ */

/* Entries that came from the first look to the last, if each look saw more than the one before. */
static uint64_t risen(const struct ms_exam *e, const struct ms_map *m) {
    uint64_t first = 0, last = 0;
    for (size_t i = 0; i + 1 < e->p->looks; i++) {
        const struct ms_map *then = ms_exam_before(e, i, m);
        if (!then || (i && then->entries <= last)) return 0;
        last = then->entries;
        if (i == 0) first = last;
    }
    return m->entries > last ? m->entries - first : 0;
}

static uint64_t judge_growing(const struct ms_exam *e, const struct ms_map *m) {
    uint64_t came = risen(e, m);
    if (!came || (double)came < limits(e)[1] || (double)came < limits(e)[0] * (double)m->entries) return 0;
    double each = m->entries ? (double)m->bytes / (double)m->entries : 0;
    return (uint64_t)((double)came * each);
}

static void tell_growing(const struct ms_exam *e, const struct ms_map *m, struct ms_finding *f) {
    uint64_t ns = e->now->at_ns - e->p->look[0].at_ns, came = risen(e, m);
    double seconds = (double)ns / 1e9, rate = seconds > 0 ? (double)came / seconds : 0;
    figure(f, "entries_more", came);
    figure(f, "entries", m->entries);
    figure(f, "looks", e->p->looks);
    figure(f, "time_ns", ns);
    f->evidence =
        ms_asprintf("%llu entries more in %.1f s (%.0f a second), rising at each of %zu looks, now %llu",
                    (ull)came, seconds, rate, e->p->looks, (ull)m->entries);
}

static uint64_t judge_outlier(const struct ms_exam *e, size_t i) {
    return e->usual[i] ? e->now->map[i].bytes - e->usual[i] : 0;
}

static void tell_outlier(const struct ms_exam *e, const struct ms_map *m, struct ms_finding *f) {
    uint64_t usual = e->usual[f->worst], n = e->alike[f->worst];
    figure(f, "bytes", m->bytes);
    figure(f, "usual_bytes", usual);
    figure(f, "alike", n);
    figure(f, "entries", m->entries);
    f->evidence = ms_asprintf("%llu bytes where the one in the middle of %llu alike has %llu; %llu entries",
                              (ull)m->bytes, (ull)n, (ull)usual, (ull)m->entries);
}

/* ---- holders, keys ------------------------------------------------------------------------------- */

static uint64_t judge_leak(const struct ms_exam *e, const struct ms_map *m) {
    bool late = m->timer_ns && (double)m->timer_ns / 1e9 >= limits(e)[1];
    return m->leaked_by || late ? m->bytes : 0;
}

static void tell_leak(const struct ms_map *m, struct ms_finding *f) {
    figure(f, "entries", m->entries);
    if (!m->leaked_by) {
        figure(f, "timer_ns", m->timer_ns);
        f->evidence = ms_asprintf("nothing but a timer leads to the map, which fires in %llu s; %llu entries",
                                  (ull)(m->timer_ns / 1000000000u), (ull)m->entries);
        return;
    }
    figure(f, "goroutine", m->leaked_by);
    f->evidence =
        ms_asprintf("goroutine %llu waits for a channel that only goroutines like it know, and nothing else "
                    "leads to the map; %llu entries",
                    (ull)m->leaked_by, (ull)m->entries);
}

static uint64_t judge_closure(const struct ms_map *m) {
    return m->captured && !m->leaked_by && !m->timer_ns ? m->bytes : 0;
}

static void tell_closure(const struct ms_map *m, struct ms_finding *f) {
    figure(f, "entries", m->entries);
    f->evidence = ms_asprintf(
        "no variable, field or frame leads to the map, only what functions in the heap have captured; "
        "%llu entries",
        (ull)m->entries);
}

/* ---- many that are small ------------------------------------------------------------------------- */

/* Beyond what a list of the same entries takes. */
static uint64_t judge_tiny(const struct ms_exam *e, const struct ms_map *m) {
    if (!m->type || (double)m->entries > limits(e)[0] || emptiness(e, m) != MS_RULES) return 0;
    uint64_t list = ms_mul(m->entries, m->type->slot_payload);
    return m->bytes > list ? m->bytes - list : 0;
}

static void tell_tiny(const struct ms_exam *e, const struct ms_map *m, struct ms_finding *f) {
    uint64_t most = whole(limits(e)[0]);
    figure(f, "maps", f->maps);
    figure(f, "entries_most", most);
    figure(f, "bytes", m->bytes);
    figure(f, "entry_bytes", m->type->slot_payload);
    f->evidence =
        ms_asprintf("%llu maps with %llu entr%s at most, of %u bytes each; a map of them takes %llu bytes",
                    (ull)f->maps, (ull)most, most == 1 ? "y" : "ies", m->type->slot_payload, (ull)m->bytes);
}

static uint64_t judge_keys(const struct ms_exam *e, const struct ms_map *m) {
    if (m->stashed == MS_UNKNOWN || (double)m->alarms < limits(e)[0]) return 0;
    uint64_t bytes = ms_add(m->part[MS_PART_OVERFLOW], m->part[MS_PART_STASH]);
    return bytes ? bytes : 1;
}

static void tell_keys(const struct ms_map *m, struct ms_finding *f) {
    uint64_t chained = m->chained == MS_UNKNOWN ? 0 : m->chained;
    figure(f, "alarms", m->alarms);
    figure(f, "chained_entries", chained);
    figure(f, "stashed_entries", m->stashed);
    f->evidence =
        ms_asprintf("%llu alarm%s; %llu of %llu entries in chains, %llu in the stash", (ull)m->alarms,
                    m->alarms == 1 ? "" : "s", (ull)chained, (ull)m->entries, (ull)m->stashed);
}

/* ---- by number ----------------------------------------------------------------------------------- */

uint64_t ms_rule_judge(const struct ms_exam *e, size_t i) {
    const struct ms_map *m = &e->now->map[i];
    switch (e->rule) {
    case MS_RULE_NEVER_SHRUNK:
    case MS_RULE_NEAR_EMPTY_GIANT:
    case MS_RULE_OVERSIZED_HINT: return judge_empty(e, m);
    case MS_RULE_TOMBSTONE_HEAVY: return judge_tombstones(e, m);
    case MS_RULE_OVERFLOW_HEAVY: return judge_overflow(e, m);
    case MS_RULE_PADDING_HEAVY: return judge_padding(e, i);
    case MS_RULE_SET_AS_BOOL: return judge_bool(e, i);
    case MS_RULE_GROWING_UNBOUNDED: return judge_growing(e, m);
    case MS_RULE_LIKE_MAPS_OUTLIER: return judge_outlier(e, i);
    case MS_RULE_HELD_BY_LEAK: return judge_leak(e, m);
    case MS_RULE_HELD_BY_CLOSURE: return judge_closure(m);
    case MS_RULE_TINY_MAPS: return judge_tiny(e, m);
    case MS_RULE_CHOSEN_KEYS: return judge_keys(e, m);
    case MS_RULE_LAZYFREE_HIDDEN:
    case MS_RULE_THP_HELD:
    case MS_RULES: break;
    }
    return 0;
}

void ms_rule_tell(const struct ms_exam *e, struct ms_finding *f) {
    const struct ms_map *m = &e->now->map[f->worst];
    switch (f->rule) {
    case MS_RULE_NEVER_SHRUNK:
    case MS_RULE_NEAR_EMPTY_GIANT:
    case MS_RULE_OVERSIZED_HINT: tell_empty(e, m, f); break;
    case MS_RULE_TOMBSTONE_HEAVY: tell_tombstones(m, f); break;
    case MS_RULE_OVERFLOW_HEAVY: tell_overflow(m, f); break;
    case MS_RULE_PADDING_HEAVY: tell_padding(m, f); break;
    case MS_RULE_SET_AS_BOOL: tell_bool(e, m, f); break;
    case MS_RULE_GROWING_UNBOUNDED: tell_growing(e, m, f); break;
    case MS_RULE_LIKE_MAPS_OUTLIER: tell_outlier(e, m, f); break;
    case MS_RULE_HELD_BY_LEAK: tell_leak(m, f); break;
    case MS_RULE_HELD_BY_CLOSURE: tell_closure(m, f); break;
    case MS_RULE_TINY_MAPS: tell_tiny(e, m, f); break;
    case MS_RULE_CHOSEN_KEYS: tell_keys(m, f); break;
    case MS_RULE_LAZYFREE_HIDDEN:
    case MS_RULE_THP_HELD:
    case MS_RULES: break;
    }
}
