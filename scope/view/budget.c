/* budget.c - see budget.h.  A budget remembers the worst it saw, kept or not, so that a report can say how near it was. */
#include "budget.h"

#include <stdlib.h>

int ms_budget_parse(struct ms_budget *b, const char *text, struct ms_error *err) {
    struct ms_filter all = {.terms = 0};
    *b = (struct ms_budget){.text = text};
    int status = ms_filter_parse(&all, text, err);
    for (size_t i = 0; status == MS_OK && i < all.terms; i++) {
        struct ms_filter *to = ms_filter_is_text(&all, i) ? &b->choose : &b->limit;
        to->term[to->terms++] = all.term[i];
    }
    if (status == MS_OK && !b->limit.terms)
        return ms_fail(err, MS_USAGE, "budget '%.200s': no limit in it, like bytes<10M", text);
    return status;
}

/* All maps as one. */
static struct ms_map sum_of(const struct ms_look *look) {
    struct ms_map sum = {.resident = MS_UNKNOWN, .grow_at = MS_UNKNOWN};
    struct ms_totals t;
    ms_view_totals(look->map, look->maps, &t);
    sum.entries = t.entries;
    sum.bytes = t.bytes;
    sum.waste = t.waste;
    sum.rebuild_gain = t.rebuild_gain;
    if (t.resident_known) sum.resident = t.resident;
    for (size_t i = 0; i < look->maps; i++) {
        sum.slots = ms_add(sum.slots, look->map[i].slots);
        if (look->map[i].growths != MS_UNKNOWN) sum.growths = ms_add(sum.growths, look->map[i].growths);
    }
    sum.load = sum.slots ? (double)sum.entries / (double)sum.slots : 0;
    return sum;
}

/* Farther in the direction in which the term fails: what must be below is worse when it is more. */
static bool is_worse(const struct ms_budget *b, double value) {
    struct ms_map below = {.entries = 0}; /* a map of nothing keeps what must be below */
    bool upper = ms_filter_holds(&b->limit, b->term, &below);
    return upper ? value > b->worst : value < b->worst;
}

static void hold(struct ms_budget *b, const struct ms_map *m, bool sum, uint64_t at_ns) {
    size_t broken = b->limit.terms;
    for (size_t i = b->limit.terms; i-- > 0;)
        if (!ms_filter_holds(&b->limit, i, m)) broken = i;
    bool first = b->seen++ == 0, breaks = broken < b->limit.terms;
    if (breaks && b->broken++ == 0) b->first_ns = at_ns, b->term = broken, first = true;
    double value = ms_filter_value(&b->limit, b->term, m);
    if (!first && (!is_worse(b, value) || (b->broken && !breaks))) return;
    b->worst = value;
    b->worst_ns = at_ns;
    free(b->label);
    b->label = sum ? NULL : ms_map_label(m);
}

void ms_budget_check(struct ms_budget *b, const struct ms_look *look) {
    if (!b->choose.terms) {
        struct ms_map sum = sum_of(look);
        hold(b, &sum, true, look->at_ns);
        return;
    }
    for (size_t i = 0; i < look->maps; i++) {
        const struct ms_map *m = &look->map[i];
        if (m->certainty != MS_DAMAGED && ms_filter_match(&b->choose, m)) hold(b, m, false, look->at_ns);
    }
}

void ms_budget_free(struct ms_budget *b) {
    free(b->label);
    b->label = NULL;
}

void ms_view_growths(struct ms_look *before, struct ms_map *maps, size_t n) {
    struct ms_look look[2] = {before ? *before : (struct ms_look){.maps = 0}, {maps, n, 0}};
    struct ms_patient p = {.look = look, .looks = 2};
    struct ms_exam e;
    ms_exam_begin(&e, NULL, &p);
    for (size_t i = 0; i < n; i++) {
        if (maps[i].growths != MS_UNKNOWN) continue;
        const struct ms_map *then = ms_exam_before(&e, 0, &maps[i]);
        maps[i].growths = then ? then->growths + (maps[i].groups > then->groups) : 0;
    }
    ms_exam_end(&e);
}

static uint64_t most(uint64_t a, uint64_t b) { return a > b ? a : b; }

void ms_checked_look(struct ms_checked *c, const struct ms_snapshot *snap, uint64_t at_ns) {
    struct ms_look look = {snap->map, snap->maps, at_ns};
    struct ms_totals t;
    ms_view_totals(snap->map, snap->maps, &t);
    c->looks++;
    c->maps = most(c->maps, t.maps);
    c->entries = most(c->entries, t.entries);
    c->waste = most(c->waste, t.waste);
    if (t.bytes > c->bytes) c->bytes = t.bytes, c->bytes_ns = at_ns;
    c->made = c->freed = snap->copies ? 0 : MS_UNKNOWN;
    for (size_t i = 0; i < snap->copies; i++) {
        c->made = ms_add(c->made, snap->copy[i].maps_made);
        c->freed = ms_add(c->freed, snap->copy[i].maps_freed);
    }
    for (size_t i = 0; i < c->budgets; i++) ms_budget_check(&c->budget[i], &look);
}
