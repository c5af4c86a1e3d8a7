/* goleak.c - goroutines that wait for ever, timers, and closures.
 *
 * Who waits for a channel can be woken only by somebody who has that channel.  So:
 *
 *   reach everything from globals, from what the runtime holds, and from the stacks of goroutines that do not wait for
 *   channels; a channel that was reached wakes its waiters: their stacks count too from then on; until none is woken
 *
 * Those left asleep wait for channels that only sleepers have.  The runtime itself knows every goroutine and, by its sudog,
 * the channel it waits for; that is no way to wake anybody, so a sleeper's g is met and not gone through.  (Go 1.26's
 * profile of leaked goroutines is found by the same argument, in the collector.)
 *
 *   goroutine waits for     mutexes, timers, the network, nothing at all (select {}): counts as awake
 *
 * Then the same once more without the heaps of timers, which the processors (runtime.allp) have; sleepers stay asleep.  What is
 * not reached so, and is when a timer is gone through, that timer alone holds: the closure of time.AfterFunc, as a rule.
 *
 * And once more with the closures closed that the heap has and no stack: what only they lead to, nothing but a call of them can
 * change.  (A closure that a stack has is one that is running, or about to.)
 *
 * A goroutine that runs may have the only pointer to a channel in a register: of a target that is not held still, a
 * sleeper is one only if it waits for the same channels when all is done.
 */
#include "goleak.h"

#include "gograph.h"

#include <stdlib.h>
#include <string.h>

enum { WAITING = 4, CASES_MAX = 65536, PROCESSORS_MAX = 1 << 16, TIMERS_MAX = 1 << 24 };
#define STEPS_MAX (UINT64_C(1) << 28) /* sudogs looked at, all in all: a program's own are far fewer */

struct offsets {
    uint64_t waiting, channel, next; /* in g and sudog */
};

struct search {
    struct ms_go *go;
    struct offsets at;
    struct ms_goreach reach;
    uint64_t *asleep;
    uint64_t *first; /* per goroutine: its sudog */
    const struct ms_goarea **stack;
    size_t done; /* objects gone through */
    uint64_t steps;
};

static bool is_asleep(const struct search *s, size_t i) { return s->asleep[i / 64] >> (i % 64) & 1; }

static bool find_offsets(struct ms_go *go, struct offsets *o) {
    return go->dwarf && ms_godwarf_field(go->dwarf, "runtime.g", "waiting", &o->waiting) &&
           ms_godwarf_field(go->dwarf, "runtime.sudog", "c", &o->channel) &&
           ms_godwarf_field(go->dwarf, "runtime.sudog", "waitlink", &o->next);
}

/* The channel of a sudog; 0: it is for something else.  From 1.26 on there are two words for it, and the first may be 0. */
static uint64_t channel_of(struct search *s, uint64_t sudog) {
    uint64_t c = 0;
    if (!ms_gomem_word(s->go, sudog + s->at.channel, &c)) return 0;
    if (!c && s->go->build.minor >= 26) (void)ms_gomem_word(s->go, sudog + s->at.channel + MS_GO_PTR, &c);
    return c;
}

/* Is each channel that the goroutine waits for one that fn does not mind? */
static bool all_channels(struct search *s, size_t i, bool (*fn)(struct search *s, uint64_t channel)) {
    uint64_t sudog = s->first[i];
    for (int n = 0; sudog && n < CASES_MAX && s->steps < STEPS_MAX; n++, s->steps++) {
        uint64_t c = channel_of(s, sudog);
        if (!c || !fn(s, c) || !ms_gomem_word(s->go, sudog + s->at.next, &sudog)) return false;
    }
    return !sudog;
}

static bool in_heap(struct search *s, uint64_t channel) {
    const struct ms_goarea *a = ms_goheap_find(s->go, channel);
    return a && a->kind == MS_GO_HEAP;
}

static bool out_of_reach(struct search *s, uint64_t channel) { return !ms_goreach_has(&s->reach, channel); }

static void begin(struct search *s, const struct ms_gotarget *none) {
    ms_goreach_init(&s->reach, s->go, none, true);
    s->reach.closed = ms_alloc((size_t)(s->go->heap.objects / 64 + 1) * sizeof *s->reach.closed);
    s->done = 0;
}

static void sleep_on(struct search *s, size_t i) {
    uint32_t object = ms_gograph_at(s->go, s->go->routine[i].at);
    s->asleep[i / 64] |= UINT64_C(1) << (i % 64);
    s->reach.closed[object / 64] |= UINT64_C(1) << (object % 64);
}

static void put_to_sleep(struct search *s) {
    struct ms_go *go = s->go;
    for (size_t i = 0; i < go->routines && !go->gone; i++) {
        const struct ms_goroutine *r = &go->routine[i];
        if (r->status != WAITING || !ms_gomem_word(go, r->at + s->at.waiting, &s->first[i]) || !s->first[i])
            continue;
        if (ms_gograph_at(go, r->at) != MS_GO_NO_OBJECT && all_channels(s, i, in_heap)) sleep_on(s, i);
    }
}

static void drain(struct search *s) {
    ms_goreach_drain(&s->reach, s->done);
    s->done = s->reach.count;
}

/* Its stack and its g lead on. */
static void wake(struct search *s, size_t i) {
    struct ms_go *go = s->go;
    uint32_t object = ms_gograph_at(go, go->routine[i].at);
    s->asleep[i / 64] &= ~(UINT64_C(1) << (i % 64));
    s->reach.closed[object / 64] &= ~(UINT64_C(1) << (object % 64));
    if (s->reach.met[object / 64] >> (object % 64) & 1) ms_goreach_object(&s->reach, object);
    if (s->stack[i]) ms_goreach_words(&s->reach, s->stack[i], s->stack[i]->start, s->stack[i]->end);
    drain(s);
}

static void reach_roots(struct search *s) {
    struct ms_go *go = s->go;
    for (size_t i = 0; i < go->heap.areas && !go->gone; i++) {
        const struct ms_goarea *a = &go->heap.area[i];
        if (a->kind == MS_GO_STACK) s->stack[a->index] = a;
        if (a->kind == MS_GO_HEAP || (a->kind == MS_GO_STACK && is_asleep(s, a->index))) continue;
        ms_goreach_words(&s->reach, a, a->start, a->end);
    }
    for (size_t i = 0; i < go->walk.outside_count; i++) ms_goreach_value(&s->reach, go->walk.outside[i]);
    drain(s);
}

/* False: that did not come to an end, and nothing is known. */
static bool wake_all(struct search *s) {
    bool woken = true;
    while (woken && s->steps < STEPS_MAX) {
        woken = false;
        for (size_t i = 0; i < s->go->routines && !s->go->gone; i++) {
            if (!is_asleep(s, i) || all_channels(s, i, out_of_reach)) continue;
            wake(s, i);
            woken = true;
        }
    }
    return s->steps < STEPS_MAX;
}

/* Does it still wait for the same?  What was read before is not remembered. */
static bool still_waits(struct search *s, size_t i) {
    uint64_t now = 0;
    return ms_read(s->go->reader, s->go->routine[i].at + s->at.waiting, &now, sizeof now) == MS_READ_OK &&
           now == s->first[i];
}

/* What each sleeper leads to, one after the other: who comes first has it. */
static void tell_owners(struct search *s, struct ms_goleak *out) {
    struct ms_go *go = s->go;
    out->owner = ms_alloc((size_t)(go->heap.objects + 1) * sizeof *out->owner);
    out->asleep = ms_alloc((go->routines / 64 + 1) * sizeof *out->asleep);
    for (size_t i = 0; i < go->routines && !go->gone; i++) {
        if (!is_asleep(s, i)) continue;
        size_t from = s->reach.count;
        bool sure = still_waits(s, i);
        wake(s, i);
        if (!sure) continue;
        out->asleep[i / 64] |= UINT64_C(1) << (i % 64);
        out->count++;
        for (size_t k = from; k < s->reach.count; k++) out->owner[s->reach.order[k]] = (uint32_t)i + 1;
    }
}

/* ---- timers ------------------------------------------------------------------------------------ */

/* A slice of timers: since 1.23 each with its time beside it. */
struct timer_heap {
    uint64_t array, count, step, when; /* when: in the timer, if step is 8 */
};

typedef void timer_fn(struct search *s, struct ms_goleak *out, const struct timer_heap *h);

static void each_heap(struct search *s, struct ms_goleak *out, timer_fn *fn) {
    struct ms_go *go = s->go;
    const struct ms_goglobal *all = ms_godwarf_global(go->dwarf, "runtime.allp");
    uint64_t list = 0, n = 0, at, in_p, in_timers = 0, p;
    struct timer_heap h = {.step = 16};
    if (!all || !ms_godwarf_field(go->dwarf, "runtime.p", "timers", &in_p)) return;
    if (!ms_godwarf_field(go->dwarf, "runtime.timers", "heap", &in_timers)) {
        if (!ms_godwarf_field(go->dwarf, "runtime.timer", "when", &h.when)) return;
        h.step = 8;
    }
    if (!ms_gomem_word(go, all->addr + go->bias, &list) || !ms_gomem_word(go, all->addr + go->bias + 8, &n))
        return;
    for (uint64_t i = 0; i < n && i < PROCESSORS_MAX; i++) {
        if (!ms_gomem_word(go, list + 8 * i, &p) || !p) continue;
        at = p + in_p + in_timers;
        if (ms_gomem_word(go, at, &h.array) && ms_gomem_word(go, at + 8, &h.count) && h.array &&
            h.count < TIMERS_MAX)
            fn(s, out, &h);
    }
}

static void close_heap(struct search *s, struct ms_goleak *out, const struct timer_heap *h) {
    uint32_t object = ms_gograph_at(s->go, h->array);
    (void)out;
    if (object != MS_GO_NO_OBJECT) s->reach.closed[object / 64] |= UINT64_C(1) << (object % 64);
}

/* What each timer leads to, that nothing before it does. */
static void go_through_heap(struct search *s, struct ms_goleak *out, const struct timer_heap *h) {
    for (uint64_t i = 0; i < h->count && !s->go->gone; i++) {
        uint64_t timer, when, at = h->array + i * h->step;
        size_t from = s->reach.count;
        if (!ms_gomem_word(s->go, at, &timer) || !timer) return;
        if (!ms_gomem_word(s->go, h->step == 8 ? timer + h->when : at + 8, &when)) return;
        MS_ROOM(out->when, out->timers, out->timer_room);
        out->when[out->timers++] = when;
        ms_goreach_value(&s->reach, timer);
        drain(s);
        for (size_t k = from; k < s->reach.count; k++) out->timed[s->reach.order[k]] = (uint32_t)out->timers;
    }
}

static void find_timed(struct search *s, struct ms_goleak *out) {
    const struct ms_gotarget none = {.object = MS_GO_NO_OBJECT};
    ms_goreach_free(&s->reach);
    begin(s, &none);
    for (size_t i = 0; i < s->go->routines; i++)
        if (out->asleep[i / 64] >> (i % 64) & 1) sleep_on(s, i);
    out->timed = ms_alloc((size_t)(s->go->heap.objects + 1) * sizeof *out->timed);
    each_heap(s, out, close_heap);
    reach_roots(s);
    each_heap(s, out, go_through_heap);
}

/* ---- closures ---------------------------------------------------------------------------------- */

static bool is_closure(struct ms_go *go, const struct ms_goarea *a, uint64_t base) {
    uint64_t entry;
    struct ms_gofunc f;
    if (!ms_gomem_word(go, base, &entry)) return false;
    const struct ms_gomodule *m = ms_gomodule_of_text(go, entry);
    return m && a->elem > MS_GO_PTR && ms_gopclntab_find(&m->functions, entry, &f) && f.entry == entry;
}

static void close_closures(struct search *s) {
    struct ms_go *go = s->go;
    for (size_t i = 0; i < go->walk.reached_count && !go->gone; i++) {
        uint32_t object = go->walk.reached[i];
        const struct ms_goarea *a = ms_goheap_area_of(go, object);
        if (a && is_closure(go, a, a->start + (object - a->first_object) * a->elem))
            s->reach.closed[object / 64] |= UINT64_C(1) << (object % 64);
    }
}

static void open_one(void *ctx, uint64_t word, uint64_t value) {
    struct search *s = ctx;
    uint32_t object = ms_gograph_at(s->go, value);
    (void)word;
    if (object != MS_GO_NO_OBJECT) s->reach.closed[object / 64] &= ~(UINT64_C(1) << (object % 64));
}

static void open_running(struct search *s) {
    for (size_t i = 0; i < s->go->heap.areas && !s->go->gone; i++) {
        const struct ms_goarea *a = &s->go->heap.area[i];
        if (a->kind == MS_GO_STACK) ms_gograph_words(s->go, a, a->start, a->end, open_one, s);
    }
}

/* Found by the walk, and not reached now. */
static void find_captured(struct search *s, struct ms_goleak *out) {
    struct ms_go *go = s->go;
    const struct ms_gotarget none = {.object = MS_GO_NO_OBJECT};
    ms_goreach_free(&s->reach);
    begin(s, &none);
    memset(s->asleep, 0, (go->routines / 64 + 1) * sizeof *s->asleep);
    close_closures(s);
    open_running(s);
    reach_roots(s);
    out->captured = ms_alloc((size_t)(go->heap.objects / 64 + 1) * sizeof *out->captured);
    for (size_t i = 0; i < go->walk.reached_count; i++) {
        uint32_t object = go->walk.reached[i];
        out->captured[object / 64] |= (s->reach.met[object / 64] ^ UINT64_MAX) & UINT64_C(1) << (object % 64);
    }
}

/* ---- the whole --------------------------------------------------------------------------------- */

int ms_goleak_run(struct ms_go *go, struct ms_goleak *out, bool *known, struct ms_error *err) {
    struct search s = {.go = go};
    const struct ms_gotarget none = {.object = MS_GO_NO_OBJECT};
    *out = (struct ms_goleak){.count = 0};
    *known = find_offsets(go, &s.at);
    if (!*known) return MS_OK;
    begin(&s, &none);
    s.asleep = ms_alloc((go->routines / 64 + 1) * sizeof *s.asleep);
    s.first = ms_alloc((go->routines + 1) * sizeof *s.first);
    s.stack = ms_alloc((go->routines + 1) * sizeof *s.stack);
    put_to_sleep(&s);
    reach_roots(&s);
    *known = wake_all(&s);
    if (*known) tell_owners(&s, out);
    if (*known) find_timed(&s, out);
    if (*known) find_captured(&s, out);
    ms_goreach_free(&s.reach);
    free(s.asleep);
    free(s.first);
    free(s.stack);
    return go->gone ? ms_fail(err, MS_GONE, "the process ended while its heap was walked") : MS_OK;
}

uint64_t ms_goleak_owner(struct ms_go *go, const struct ms_goleak *l, uint64_t addr) {
    const struct ms_goarea *a = l->owner ? ms_goheap_find(go, addr) : NULL;
    if (!a) return 0;
    if (a->kind == MS_GO_STACK)
        return l->asleep[a->index / 64] >> (a->index % 64) & 1 ? go->routine[a->index].id : 0;
    uint32_t object = ms_gograph_at(go, addr);
    if (object == MS_GO_NO_OBJECT || !l->owner[object]) return 0;
    return go->routine[l->owner[object] - 1].id;
}

uint64_t ms_goleak_when(struct ms_go *go, const struct ms_goleak *l, uint64_t addr) {
    uint32_t object = l->timed ? ms_gograph_at(go, addr) : MS_GO_NO_OBJECT;
    return object == MS_GO_NO_OBJECT || !l->timed[object] ? 0 : l->when[l->timed[object] - 1];
}

bool ms_goleak_captured(struct ms_go *go, const struct ms_goleak *l, uint64_t addr) {
    uint32_t object = l->captured ? ms_gograph_at(go, addr) : MS_GO_NO_OBJECT;
    return object != MS_GO_NO_OBJECT && l->captured[object / 64] >> (object % 64) & 1;
}

void ms_goleak_free(struct ms_goleak *l) {
    free(l->captured);
    free(l->timed);
    free(l->when);
    free(l->owner);
    free(l->asleep);
    *l = (struct ms_goleak){0};
}
