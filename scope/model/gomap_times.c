/* gomap_times.c - how long growths, moves and allocations of a process took, from its gomap_more (gomap/inspect.h).
 *
 * A library that counts none says so with zeros, one that is older has no gomap_more, or a shorter one: all the same here.
 */
#include "gomap/inspect.h"
#include "model.h"

#include <stdlib.h>

static const char *const names[MS_TIMES] = {"grow", "move", "alloc"};
_Static_assert((int)MS_TIMES == (int)GOMAP_TIMES, "a name for each kind");

const char *ms_time_name(unsigned what) { return what < MS_TIMES ? names[what] : "?"; }

/* What `share` of them did not exceed: the end of its bucket, or the longest. */
static uint64_t below(const struct gomap_times *t, double share) {
    double all = 0, n = 0;
    for (unsigned i = 0; i < GOMAP_TIME_BUCKETS; i++) all += (double)t->bucket[i];
    for (unsigned i = 0; i + 1 < GOMAP_TIME_BUCKETS; i++) {
        n += (double)t->bucket[i];
        uint64_t end = gomap_inspect_bucket_ns(i + 1);
        if (n > 0 && n >= share * all) return end < t->max_ns ? end : t->max_ns;
    }
    return t->max_ns;
}

static void add_slow(struct ms_reader *r, const struct gomap_more *more, const struct gomap_slow *s,
                     unsigned what, struct ms_detail *d) {
    struct gomap_callers c;
    if (!s->ns || s->map_id != d->map.id || d->slow_count == MS_SLOW_MAX) return;
    struct ms_slow *to = &d->slow[d->slow_count++];
    *to = (struct ms_slow){
        .what = what, .ns = s->ns, .time_ns = s->time_ns, .entries = s->entries, .thread = s->thread};
    if (!s->stack || s->stack > more->callers_room || s->stack > GOMAP_CALLERS) return;
    if (ms_read(r, (uintptr_t)more->callers + (uintptr_t)(s->stack - 1) * sizeof c, &c, sizeof c) != MS_READ_OK) return;
    to->frames = c.frames < GOMAP_CALLERS_FRAMES ? c.frames : GOMAP_CALLERS_FRAMES;
    for (unsigned i = 0; i < to->frames; i++) to->pc[i] = c.pc[i];
}

static int longest_first(const void *a, const void *b) {
    const struct ms_slow *x = a, *y = b;
    return (x->ns < y->ns) - (x->ns > y->ns);
}

void ms_gomap_times(struct ms_reader *r, const struct ms_copy *copy, struct ms_detail *d) {
    struct gomap_root root;
    struct gomap_more more;
    const size_t wanted =
        offsetof(struct gomap_more, slow) + sizeof more.slow; /* what follows is nothing to us */
    if (ms_read(r, copy->root, &root, sizeof root) != MS_READ_OK || !root.more) return;
    if (ms_read(r, copy->root + (uint64_t)(int64_t)root.more, &more, wanted) != MS_READ_OK ||
        more.size < wanted)
        return;
    for (unsigned what = 0; what < MS_TIMES; what++) {
        const struct gomap_times *t = &more.times[what];
        d->time[what] = (struct ms_time){t->count, t->sum_ns, below(t, 0.5), below(t, 0.99), t->max_ns};
        for (unsigned i = 0; i < GOMAP_SLOWEST; i++) add_slow(r, &more, &more.slow[what][i], what, d);
    }
    qsort(d->slow, d->slow_count, sizeof *d->slow, longest_first);
}
