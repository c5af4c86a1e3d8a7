/* forecast.c - when maps grow, at the rate at which they are filled.
 *
 *   entries                       . grows at
 *      |               . latest  /
 *      |          . / .   soonest            rate     first look to last
 *      |     o--o                            bounds   slowest and fastest stretch between two looks
 *      |  o--                                         that follow each other
 *      +------------------> time
 *
 * The table after a growth is exact arithmetic (the backends'); the time is the present rate, and nothing more: a bound
 * says how unsteady the rate was while we looked, not what the program will do.  A stretch that lost entries has no
 * time at which the map grows, so `latest` is infinite then.
 */
#include "forecast.h"

#include <math.h>
#include <stdlib.h>

enum { SWISS_TABLE_GROUPS = 128 }; /* of the tables that split: 1024 slots */

uint64_t ms_room_left(const struct ms_room *r) {
    uint64_t under = r->limit == MS_UNKNOWN || r->used == MS_UNKNOWN ? MS_UNKNOWN
                     : r->limit > r->used                            ? r->limit - r->used
                                                                     : 0;
    return ms_min(under, r->available);
}

static double rate_between(uint64_t from, uint64_t to, uint64_t from_ns, uint64_t to_ns) {
    if (to_ns <= from_ns) return 0;
    return ((double)to - (double)from) * 1e9 / (double)(to_ns - from_ns);
}

/* The rates of a map over the looks at which it was there, which end with the last. */
static void fill_rates(const struct ms_exam *e, const struct ms_map *m, struct ms_forecast *f) {
    const struct ms_look *look = e->p->look;
    const struct ms_map *later = m;
    size_t first = e->p->looks - 1, stretches = 0;
    f->slowest = INFINITY, f->fastest = -INFINITY;
    while (first > 0) {
        const struct ms_map *then = ms_exam_before(e, first - 1, m);
        if (!then) break;
        double r = rate_between(then->entries, later->entries, look[first - 1].at_ns, look[first].at_ns);
        f->slowest = fmin(f->slowest, r);
        f->fastest = fmax(f->fastest, r);
        later = then;
        first--;
        stretches++;
    }
    f->spread = stretches > 1;
    f->rate = rate_between(later->entries, m->entries, look[first].at_ns, e->now->at_ns);
    if (!f->spread) f->slowest = f->fastest = f->rate;
}

static double seconds_at(uint64_t entries, double rate) {
    return rate > 0 ? (double)entries / rate : INFINITY;
}

/* The insert that begins a growth is the one that finds the table full. */
static bool fill_when(const struct ms_map *m, struct ms_forecast *f) {
    uint64_t at = m->grow_at == MS_UNKNOWN ? m->grow_likely : m->grow_at;
    if (m->certainty == MS_DAMAGED || at == MS_UNKNOWN || at == 0 || m->walk == MS_WALK_GROW) return false;
    f->about = m->grow_at == MS_UNKNOWN;
    f->entries_left = at >= m->entries ? at - m->entries + 1 : 1;
    f->seconds = seconds_at(f->entries_left, f->rate);
    f->soonest = seconds_at(f->entries_left, f->fastest);
    f->latest = seconds_at(f->entries_left, f->slowest);
    return true;
}

/* Bytes of the table that the growth replaces. */
static uint64_t old_table(const struct ms_map *m) {
    if (m->grow_peak > m->grow_bytes) return m->grow_peak - m->grow_bytes;
    return m->part[MS_PART_SLOTS_LIVE] + m->part[MS_PART_SLOTS_EMPTY] + m->part[MS_PART_METADATA] +
           m->part[MS_PART_PADDING]; /* in place */
}

static void fill_bytes(const struct ms_map *m, uint64_t left, struct ms_forecast *f) {
    f->bytes_after = f->bytes_peak = f->more = MS_UNKNOWN;
    f->fits = true;
    if (f->about && m->type &&
        m->type->go.group_size) { /* one table becomes two, and is garbage for a while */
        const struct ms_go_shape *s = &m->type->go;
        uint64_t one =
            ms_go_allocated((uint64_t)s->group_size * SWISS_TABLE_GROUPS, s->pointers, s->malloc_headers);
        f->bytes_after = ms_add(m->bytes, one);
        f->bytes_peak = ms_add(m->bytes, 2 * one);
        f->more = 2 * one;
        f->fits = f->more <= left;
        return;
    }
    if (m->grow_bytes == MS_UNKNOWN || m->grow_peak == MS_UNKNOWN) return;
    uint64_t old = old_table(m), rest = m->bytes > old ? m->bytes - old : 0;
    f->bytes_after = ms_add(rest, m->grow_bytes);
    f->bytes_peak = ms_add(rest, m->grow_peak);
    f->more = f->bytes_peak > m->bytes ? f->bytes_peak - m->bytes : 0;
    f->fits = f->more <= left;
}

static int by_time(const void *a, const void *b) {
    const struct ms_forecast *x = a, *y = b;
    if (x->seconds != y->seconds) return x->seconds < y->seconds ? -1 : 1;
    if (x->entries_left != y->entries_left) return x->entries_left < y->entries_left ? -1 : 1;
    return (x->map > y->map) - (x->map < y->map);
}

size_t ms_view_forecast(const struct ms_look *look, size_t looks, const struct ms_room *room,
                        struct ms_forecast **out) {
    struct ms_patient p = {.look = look, .looks = looks};
    struct ms_exam e;
    size_t n = 0;
    ms_exam_begin(&e, NULL, &p);
    struct ms_forecast *f = ms_alloc((e.now->maps + 1) * sizeof *f);
    for (size_t i = 0; i < e.now->maps; i++) {
        const struct ms_map *m = &e.now->map[i];
        f[n] = (struct ms_forecast){.map = i};
        fill_rates(&e, m, &f[n]);
        if (!fill_when(m, &f[n])) continue;
        fill_bytes(m, ms_room_left(room), &f[n]);
        n++;
    }
    ms_exam_end(&e);
    if (n) qsort(f, n, sizeof *f, by_time);
    *out = f;
    return n;
}
