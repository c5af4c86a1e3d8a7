/* classic_table.c - bulk looks at one classic map: where its arrays lie, whether they are still there, and what surrounds them.
 * buckets.c does the looking.
 */
#include "buckets.h"
#include "classic_raw.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define RESIDENT_MAX (UINT64_C(1) << 40)

struct look {
    struct ms_buckets b;
    struct ms_classic_raw raw;
    uint64_t first_moved, moved, count_least, count_most, in_flight;
    enum ms_certainty sure;
    const char *doubt;
};

/* What the header says of entries that moved, came and went, and that a write just holds in its hands. */
static void note_header(struct look *k, const struct gomap_classic *c) {
    uint64_t count = (uint64_t)c->h.count, holds = c->h.flags & GOMAP_HMAP_WRITING ? 1 : 0;
    if (holds > k->in_flight) k->in_flight = holds;
    if (count < k->count_least) k->count_least = count;
    if (count > k->count_most) k->count_most = count;
    k->moved = c->counters.moved;
    k->b.bound = ms_add(ms_add(k->moved - k->first_moved, k->count_most - k->count_least), k->in_flight);
}

static enum ms_look look_again(void *look, uint64_t first, uint64_t n, bool *reread) {
    struct look *k = look;
    struct gomap_classic c;
    (void)first, (void)n, (void)reread;
    enum ms_read rc = ms_read(k->b.r, k->raw.addr, &c, sizeof c);
    if (rc == MS_READ_OK && !ms_classic_same(&c, &k->raw.c)) return MS_LOOK_CHANGED;
    if (rc == MS_READ_OK) note_header(k, &c);
    return ms_look_read(rc);
}

static int begin(struct ms_buckets *b, struct ms_reader *r, const struct ms_map *m, struct ms_error *err) {
    struct look *k = (struct look *)b;
    *k = (struct look){.b = {.r = r, .again = look_again}};
    if (m->certainty == MS_DAMAGED)
        return ms_fail(err, MS_UNCERTAIN, "the map is damaged: %s", m->doubt ? m->doubt : "?");
    enum ms_read rc = ms_classic_read(r, m->addr, m->id, &k->raw, &k->sure, &k->doubt);
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while a map was read");
    if (rc == MS_READ_FAULT) return ms_fail(err, MS_GONE, "the map was freed while it was read");
    if (k->sure == MS_DAMAGED)
        return ms_fail(err, MS_UNCERTAIN, "the map is damaged: field %s cannot be right", k->doubt);
    b->size = k->raw.d.bucket_size, b->link_at = k->raw.d.overflow_off;
    b->array[0].base = (uintptr_t)k->raw.c.h.buckets, b->array[0].count = ms_classic_buckets(&k->raw);
    b->array[1].base = (uintptr_t)k->raw.c.h.oldbuckets, b->array[1].count = ms_classic_old_buckets(&k->raw);
    k->count_least = k->count_most = m->entries;
    k->first_moved = k->raw.c.counters.moved;
    note_header(k, &k->raw.c);
    return MS_OK;
}
static_assert(offsetof(struct look, b) == 0, "begin and look_again are given the first member");

static int cells(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, bool other, uint64_t first,
                 uint64_t count, size_t max_cells, struct ms_cells *out, uint64_t *bound, struct ms_error *err) {
    struct look k;
    (void)s;
    return ms_buckets_cells(&k.b, begin, r, m, other, first, count, max_cells, out, bound, err);
}

static int groups(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, uint64_t first, uint64_t count,
                  struct ms_group **out, size_t *n, struct ms_error *err) {
    struct look k;
    (void)s;
    return ms_buckets_groups(&k.b, begin, r, m, first, count, out, n, err);
}

/* ---- detail ------------------------------------------------------------------------------------ */

static void take_counters(const struct gomap_classic *c, struct ms_detail *d) {
    const struct ms_counter all[] = {
        {"B", c->h.B},
        {"noverflow", c->h.noverflow},
        {"nevacuate", c->h.nevacuate},
        {"flags", c->h.flags},
        {"grows", c->counters.grows},
        {"same_size_grows", c->counters.same_size_grows},
        {"grow_failed", c->counters.grow_failed},
        {"evacuated", c->counters.evacuated},
        {"moved", c->counters.moved},
        {"overflows", c->counters.overflows},
        {"clears", c->counters.clears},
        {"reseeds", c->counters.reseeds},
        {"held_bytes", c->held_bytes},
    };
    _Static_assert(sizeof all <= sizeof d->counter, "room for all of them");
    d->counters = sizeof all / sizeof *all;
    memcpy(d->counter, all, sizeof all);
}

static int detail_head(struct ms_reader *r, const struct ms_map *m, struct ms_detail *out,
                       struct ms_error *err) {
    struct look k;
    *out = (struct ms_detail){.map = *m};
    out->map.name = m->name ? ms_strdup(m->name) : NULL;
    out->map.doubt = NULL;
    int status = begin(&k.b, r, m, err);
    if (status) return status;
    ms_classic_fill(&k.raw, &out->map);
    out->map.certainty = (uint8_t)k.sure;
    if (k.sure != MS_EXACT) out->map.doubt = ms_strdup(k.doubt);
    out->two_arrays = ms_classic_growing(&k.raw);
    out->lo_groups = ms_classic_old_buckets(&k.raw);
    take_counters(&k.raw.c, out);
    return MS_OK;
}

static int detail(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, struct ms_detail *out,
                  struct ms_error *err) {
    struct look k;
    int status = detail_head(r, m, out, err);
    if (status == MS_OK) status = ms_buckets_histograms(&k.b, begin, r, &out->map, out, err);
    if (status == MS_OK && m->copy < s->copies) status = ms_gomap_events(r, &s->copy[m->copy], m, out, err);
    return status;
}

/* ---- resident pages ---------------------------------------------------------------------------- */

static int resident(struct ms_reader *r, struct ms_snapshot *s, struct ms_map *m, struct ms_error *err) {
    struct ms_classic_raw raw;
    enum ms_certainty sure;
    const char *doubt;
    (void)s;
    if (!r->resident || m->certainty == MS_DAMAGED) return MS_OK;
    enum ms_read rc = ms_classic_read(r, m->addr, m->id, &raw, &sure, &doubt);
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while its pages were looked up");
    if (rc != MS_READ_OK || sure == MS_DAMAGED) return MS_OK;
    const uint64_t area[][2] = {{raw.addr, raw.c.size},
                                {(uintptr_t)raw.c.h.buckets, raw.c.array_bytes},
                                {(uintptr_t)raw.c.h.oldbuckets, raw.c.old_bytes}};
    uint64_t all = 0, swapped = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t in = 0, away = 0;
        if (area[i][1] == 0) continue;
        if (area[i][1] > RESIDENT_MAX) return MS_OK; /* stays unknown */
        rc = r->resident(r->ctx, area[i][0], area[i][1], &in, &away);
        if (rc == MS_READ_GONE)
            return ms_fail(err, MS_GONE, "the process ended while its pages were looked up");
        if (rc != MS_READ_OK) return MS_OK;
        all += in;
        swapped += away;
    }
    m->resident = all;
    m->swapped = swapped;
    return MS_OK;
}

const struct ms_backend ms_classic_backend = {resident, detail, detail_head,
                                              cells,    groups, ms_classic_pieces};
