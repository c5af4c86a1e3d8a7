/* lib/observe/times.c - how long growths, moves and allocations take: histograms, the longest of them, and call stacks.
 *
 *   grow    from the write that begins a growth to the one that ends it
 *   move    one write's share of a growth or shrink
 *   alloc   one call for memory of a table, or of an arena
 *
 * Nothing of it happens unless policy.times is on: where something begins, the clock is read only then, and a beginning of 0
 * has no end.  Counts are for the process; a map has some of its own as soon as its table is so large that they do not matter
 * beside it.  All of it lies in struct gomap_more, where readers from outside find it.
 *
 * A stack has a number: its place in a table of fixed size, open to the next few places, claimed by its hash (policy.stacks).
 * Nothing of the table ever changes, so nobody waits for anybody.
 */
#include "observe_internal.h"

static struct gomap_callers callers[GOMAP_CALLERS];
uint32_t gomap__ring_stacks[GOMAP_RING_EVENTS];
struct gomap_more gomap__more = {.size = sizeof(struct gomap_more),
                                 .callers_room = GOMAP_CALLERS,
                                 .callers = callers,
                                 .ring_stacks = gomap__ring_stacks,
                                 .samples = GOMAP_OBSERVE ? &gomap__samples : NULL};

/* ---- stacks by number ------------------------------------------------------------------------------------- */

enum { PLACES_TRIED = 8 };
static __thread bool busy; /* an unwinder allocates: perhaps from maps */

static uint32_t number_of(const uint64_t *pc, unsigned frames) {
    uint64_t hash = frames;
    for (unsigned i = 0; i < frames; i++)
        hash = gomap__mum(hash ^ pc[i] ^ UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xa0761d6478bd642f));
    hash += hash == 0;
    for (uint64_t i = 0; i < PLACES_TRIED; i++) {
        uint64_t at = (hash + i) % GOMAP_CALLERS, there = 0;
        struct gomap_callers *c = &callers[at];
        if (__atomic_compare_exchange_n(&c->hash, &there, hash, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            memcpy(c->pc, pc, frames * sizeof *pc);
            __atomic_store_n(&c->frames, frames, __ATOMIC_RELEASE);
            return (uint32_t)at + 1;
        }
        if (there == hash) return (uint32_t)at + 1;
    }
    __atomic_fetch_add(&gomap__more.callers_dropped, 1, __ATOMIC_RELAXED);
    return 0;
}

uint32_t gomap__stack_number_slow(void) {
    uint64_t pc[STACK_MAX];
    uint32_t number = 0;
    if (busy) return 0;
    busy = true;
    gomap__stack_prepare();
    unsigned frames = gomap__stack(pc);
    if (frames) number = number_of(pc, frames < GOMAP_CALLERS_FRAMES ? frames : GOMAP_CALLERS_FRAMES);
    busy = false;
    return number;
}

unsigned gomap_stack(uint32_t number, const uint64_t **pc) {
    if (!number || number > GOMAP_CALLERS) return 0;
    *pc = callers[number - 1].pc;
    return __atomic_load_n(&callers[number - 1].frames, __ATOMIC_ACQUIRE);
}

/* ---- the longest -------------------------------------------------------------------------------------------- */

static uint8_t locked[GOMAP_TIMES]; /* while one of them is replaced */

static struct gomap_slow *least(struct gomap_slow *of) {
    struct gomap_slow *min = of;
    for (int i = 1; i < GOMAP_SLOWEST; i++)
        if (__atomic_load_n(&of[i].ns, __ATOMIC_RELAXED) < __atomic_load_n(&min->ns, __ATOMIC_RELAXED))
            min = &of[i];
    return min;
}

static void note_slow(int what, const struct gomap_slow *new) {
    struct gomap_slow *of = gomap__more.slow[what];
    if (new->ns <= __atomic_load_n(&least(of)->ns, __ATOMIC_RELAXED)) return;
    while (__atomic_test_and_set(&locked[what], __ATOMIC_ACQUIRE)) continue; /* for some stores */
    struct gomap_slow *s = least(of);
    if (new->ns > s->ns) {
        __atomic_store_n(&s->ns, 0, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_RELEASE);
        s->time_ns = new->time_ns, s->map_id = new->map_id, s->entries = new->entries;
        s->stack = new->stack, s->thread = new->thread;
        __atomic_store_n(&s->ns, new->ns, __ATOMIC_RELEASE);
    }
    __atomic_clear(&locked[what], __ATOMIC_RELEASE);
}

void gomap__times_after_fork(void) { memset(locked, 0, sizeof locked); }

static int longest_first(const void *a, const void *b) {
    const struct gomap_slow *x = a, *y = b;
    return (x->ns < y->ns) - (x->ns > y->ns);
}

size_t gomap_slowest(int what, struct gomap_slow out[GOMAP_SLOWEST]) {
    size_t n = 0;
    if (what < 0 || what >= GOMAP_TIMES) return 0;
    while (__atomic_test_and_set(&locked[what], __ATOMIC_ACQUIRE)) continue;
    for (int i = 0; i < GOMAP_SLOWEST; i++)
        if (gomap__more.slow[what][i].ns) out[n++] = gomap__more.slow[what][i];
    __atomic_clear(&locked[what], __ATOMIC_RELEASE);
    qsort(out, n, sizeof *out, longest_first);
    return n;
}

/* ---- histograms ------------------------------------------------------------------------------------------------ */

static unsigned bucket_of(uint64_t ns) {
    if (ns < 2) return 0;
    unsigned octave = 63 - (unsigned)__builtin_clzll(ns);
    unsigned i = 2 * octave + (unsigned)(ns >> (octave - 1) & 1);
    return i < GOMAP_TIME_BUCKETS ? i : GOMAP_TIME_BUCKETS - 1;
}

static void count(struct gomap_times *t, uint64_t ns) {
    __atomic_fetch_add(&t->bucket[bucket_of(ns)], 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&t->sum_ns, ns, __ATOMIC_RELAXED);
    __atomic_fetch_add(&t->count, 1, __ATOMIC_RELAXED);
    uint64_t most = __atomic_load_n(&t->max_ns, __ATOMIC_RELAXED);
    while (ns > most &&
           !__atomic_compare_exchange_n(&t->max_ns, &most, ns, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        continue;
}

enum { OWN_FROM_BYTES = 64 << 10 }; /* of a table whose map has counts of its own: 2.5 % of it at most */
static_assert(GOMAP_TIMES * sizeof(struct gomap_times) * 40 <= OWN_FROM_BYTES,
              "they do not matter beside it");

static struct gomap_times *own_times(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    const size_t bytes = GOMAP_TIMES * sizeof *s->times;
    if (!s || s->times || s->pub.hi_bytes < OWN_FROM_BYTES) return s ? s->times : NULL;
    s->times = gomap__alloc(gomap__allocator(m), bytes, 16);
    if (s->times) s->pub.loose_bytes += bytes;
    return s->times;
}

void gomap__times_free(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    if (!s->times) return;
    s->pub.loose_bytes -= GOMAP_TIMES * sizeof *s->times;
    gomap__dealloc(gomap__allocator(m), s->times, GOMAP_TIMES * sizeof *s->times, 16);
    s->times = NULL;
}

/* own: counts of the map's own; NULL: none */
void gomap__took_of(uint64_t id, uint64_t entries, struct gomap_times *own, int what, uint64_t since) {
    uint64_t now = gomap__now_ns(), ns = now > since ? now - since : 1;
    count(&gomap__more.times[what], ns);
    if (own) count(&own[what], ns);
    if (ns <= __atomic_load_n(&least(gomap__more.slow[what])->ns, __ATOMIC_RELAXED)) return;
    note_slow(what, &(struct gomap_slow){.ns = ns,
                                         .time_ns = now,
                                         .map_id = id,
                                         .entries = entries,
                                         .stack = gomap__stack_number(),
                                         .thread = gomap__this_thread()});
}

void gomap__took_slow(struct gomap *m, int what, uint64_t since) {
    if (m->cookie == GOMAP_COOKIE_STASH) return; /* a part of its map, as in the flight recorder */
    gomap__took_of(m->id, m->count, own_times(m), what, since);
}

gomap_err gomap_get_times(const gomap *m, int what, struct gomap_times *out) {
    if (!out || what < 0 || what >= GOMAP_TIMES) return GOMAP_EINVAL;
    if (m && !gomap__alive(m)) return gomap__read_ok_slow(m, "times"), GOMAP_EMISUSE;
    const struct gomap_times *own = m && m->side ? gomap__side(m)->times : NULL;
    const struct gomap_times *t = m ? own ? &own[what] : NULL : &gomap__more.times[what];
    *out = (struct gomap_times){0};
    if (!t) return GOMAP_OK;
    out->count = __atomic_load_n(&t->count, __ATOMIC_RELAXED);
    out->sum_ns = __atomic_load_n(&t->sum_ns, __ATOMIC_RELAXED);
    out->max_ns = __atomic_load_n(&t->max_ns, __ATOMIC_RELAXED);
    for (int i = 0; i < GOMAP_TIME_BUCKETS; i++)
        out->bucket[i] = __atomic_load_n(&t->bucket[i], __ATOMIC_RELAXED);
    return GOMAP_OK;
}

uint64_t gomap_times_below(const struct gomap_times *t, double share) {
    uint64_t all = 0, below = 0;
    for (int i = 0; i < GOMAP_TIME_BUCKETS; i++) all += t->bucket[i];
    for (unsigned i = 0; i + 1 < GOMAP_TIME_BUCKETS; i++) {
        below += t->bucket[i];
        uint64_t end = gomap_inspect_bucket_ns(i + 1);
        if (all && (double)below >= share * (double)all) return end < t->max_ns ? end : t->max_ns;
    }
    return t->max_ns;
}

void gomap_times_reset(void) {
    for (int what = 0; what < GOMAP_TIMES; what++) {
        struct gomap_times *t = &gomap__more.times[what];
        while (__atomic_test_and_set(&locked[what], __ATOMIC_ACQUIRE)) continue;
        for (int i = 0; i < GOMAP_SLOWEST; i++)
            __atomic_store_n(&gomap__more.slow[what][i].ns, 0, __ATOMIC_RELAXED);
        __atomic_clear(&locked[what], __ATOMIC_RELEASE);
        for (int i = 0; i < GOMAP_TIME_BUCKETS; i++) __atomic_store_n(&t->bucket[i], 0, __ATOMIC_RELAXED);
        __atomic_store_n(&t->count, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&t->sum_ns, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&t->max_ns, 0, __ATOMIC_RELAXED);
    }
}
