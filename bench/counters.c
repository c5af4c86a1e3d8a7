/* bench/counters.c - what single operations do, counted: the bound behind "no pause".
 *
 *     counters N [--json]        N: entries of the large maps (tests: thousands; bench: 10^7)
 *
 * Time can show that no pause was seen; it cannot show that none will come.  So every operation of every way to
 * fill and empty a map is watched here, one by one, and the most that any of them did is held against a bound:
 *
 *   moved      entries moved by growth or shrink, from the map's own counter (inspect.h)            128
 *   calls      mmap munmap mprotect madvise mremap, caught by the linker (counters.wrap)             3
 *   resident   bytes in core in the ranges of those calls, which is what the kernel has to       512 KiB
 *              free or move: an mprotect of untouched gigabytes costs nothing
 *   heap       bytes asked from malloc                                                           256 KiB
 *   chained    share of the entries outside their quad, at any moment                               1 %
 *
 * Few operations are apart, and counted apart: those in which a table gets its range of address space, outgrows it
 * (64 times its first size) and moves to another, or leaves it.  They make up to nine calls, and a move takes the
 * page tables of the whole table along.
 *
 * The last is about entries, not single operations: draining a table in the order of its hashes, forward or
 * backward, leaves one dense arc, and a shrink sized by the average would pile it into chains.  One quad full (60
 * entries) is allowed besides, the last survivors may share one.
 *
 * A table that was churned for ten turnovers is compared with a fresh one in the groups and chain nodes a miss looks
 * at, since overflow bits stay behind when entries go: 1.3 times as many, averaged over the loads a table goes through.
 *
 * Prints a line a scenario; exit code 1 and a line for each bound that is broken.
 */
#define _GNU_SOURCE
#include <gomap/gomap.h>
#include <gomap/inspect.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    MOVED_BOUND = 128, /* gomap.h */
    CALLS_BOUND = 3,   /* gomap.h; an mprotect for each of three areas when a range grows */
    RESIDENT_BOUND = 512 << 10,
    HEAP_BOUND = 1088 << 10, /* a table of one block (policy.range_from_bytes), and its side record */
    RANGE_CALLS_BOUND = 9,   /* mmap, madvise to see whether it is locked, three mremap, munmap, three mprotect */
    RANGE_CHANGES_BOUND = 16,
    AGED_MAX = 1000000,
    SAME_HASH_MAX = 5000, /* entries of maps whose keys all look alike: they cost O(n) each */
};

#ifdef GOMAP_SMALL_LIMITS /* chains of 4 spill into the stash without anybody's ill will, which marks whole quads */
#define AGED_BOUND      3.0
#define AGED_MEAN_BOUND 3.0
#else
#define AGED_BOUND      1.7 /* just before a growth; looks at siblings are in a line that is there already */
#define AGED_MEAN_BOUND 1.3
#endif

/* ---- the meter ---------------------------------------------------------------------------------- */

struct work {
    uint64_t moved, calls, resident, heap;
};
static struct work now; /* since the program began; moved: see begin() */

static uint64_t resident(const void *p, size_t bytes) {
    static unsigned char in_core[1 << 16];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (bytes + page - 1) / page, n = 0;
    for (size_t at = 0; at < pages; at += sizeof in_core) {
        size_t some = pages - at < sizeof in_core ? pages - at : sizeof in_core;
        if (mincore((char *)(uintptr_t)p + at * page, some * page, in_core)) continue; /* not mapped */
        for (size_t i = 0; i < some; i++) n += in_core[i] & 1;
    }
    return n * page;
}
static void call(const void *p, size_t bytes) { now.calls++, now.resident += p ? resident(p, bytes) : 0; }

/* Meson compiles with 64-bit file offsets: mmap may be called mmap64. */
#define WRAPPED(result, name, parameters, ...)                                                               \
    result __real_##name parameters;                                                                         \
    result __wrap_##name parameters;                                                                         \
    result __wrap_##name parameters { __VA_ARGS__; }
#define MMAP_PARAMETERS (void *p, size_t n, int prot, int flags, int fd, off_t at)
WRAPPED(void *, mmap, MMAP_PARAMETERS, call(flags &MAP_FIXED ? p : NULL, n);
        return __real_mmap(p, n, prot, flags, fd, at))
WRAPPED(void *, mmap64, MMAP_PARAMETERS, call(flags &MAP_FIXED ? p : NULL, n);
        return __real_mmap64(p, n, prot, flags, fd, at))
WRAPPED(int, munmap, (void *p, size_t n), call(p, n); return __real_munmap(p, n))
WRAPPED(int, mprotect, (void *p, size_t n, int prot), call(p, n); return __real_mprotect(p, n, prot))
WRAPPED(int, madvise, (void *p, size_t n, int how), call(p, n); return __real_madvise(p, n, how))
WRAPPED(void *, malloc, (size_t n), now.heap += n; return __real_malloc(n))
WRAPPED(int, posix_memalign, (void **p, size_t align, size_t n), now.heap += n;
        return __real_posix_memalign(p, align, n))
void *__real_mremap(void *p, size_t old, size_t n, int flags, void *to);
void *__wrap_mremap(void *p, size_t old, size_t n, int flags, ...);
void *__wrap_mremap(void *p, size_t old, size_t n, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    void *to = va_arg(rest, void *);
    va_end(rest);
    call(p, old);
    return __real_mremap(p, old, n, flags, to);
}

static const struct gomap *raw(const gomap *m) { return (const struct gomap *)m; }
static uint64_t moved(const gomap *m) {
    const struct gomap_side *s = raw(m)->side;
    if (!s) return 0;
    return s->counters.moved + (s->stash && s->stash->side ? s->stash->side->counters.moved : 0);
}

/* One scenario: most work of any operation, and what shows that there was something to see. */
struct scenario {
    const char *name;
    uint64_t n, operations, range_changes;
    struct work most, most_range, before;
    double chained;
    bool clumps; /* keys that no hash can tell apart belong into chains */
};

static void begin(struct scenario *s, const gomap *m) {
    s->before = now;
    s->before.moved = moved(m);
}
static void keep_most(struct work *most, const struct work *one) {
    if (one->moved > most->moved) most->moved = one->moved;
    if (one->calls > most->calls) most->calls = one->calls;
    if (one->resident > most->resident) most->resident = one->resident;
    if (one->heap > most->heap) most->heap = one->heap;
}
static void end(struct scenario *s, const gomap *m) {
    struct work one = {.calls = now.calls - s->before.calls,
                       .resident = now.resident - s->before.resident,
                       .heap = now.heap - s->before.heap};
    uint64_t moved_now = moved(m); /* may be less than before: a stash can go, with its counter */
    one.moved = moved_now > s->before.moved ? moved_now - s->before.moved : 0;
    s->operations++;
    bool range_change = one.calls > CALLS_BOUND;
    s->range_changes += range_change;
    keep_most(range_change ? &s->most_range : &s->most, &one);
    const struct gomap_side *side = raw(m)->side;
    if (!side || side->chained <= GOMAP_QUAD_SLOTS) return;
    double share = (double)(side->chained - GOMAP_QUAD_SLOTS) / (double)(raw(m)->count + 1);
    if (share > s->chained) s->chained = share;
}

/* ---- maps ------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t i) { /* splitmix64 */
    i += 0x9e3779b97f4a7c15;
    i = (i ^ (i >> 30)) * 0xbf58476d1ce4e5b9;
    i = (i ^ (i >> 27)) * 0x94d049bb133111eb;
    return i ^ (i >> 31);
}

static void must(bool ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "counters: %s\n", what);
    exit(2);
}

static gomap *make(uint64_t (*hash)(const void *, void *), int (*eq)(const void *, const void *, void *)) {
    gomap_config c = GOMAP_CONFIG(sizeof(uint64_t), sizeof(uint64_t));
    gomap *m;
    c.hash = hash, c.eq = eq;
    must(gomap_new(&c, &m) == GOMAP_OK, "out of memory");
    return m;
}

static void put(struct scenario *s, gomap *m, uint64_t key) {
    begin(s, m);
    must(gomap_put(m, &key, &key) == GOMAP_OK, "out of memory");
    end(s, m);
}
static void delete (struct scenario *s, gomap *m, uint64_t key) {
    begin(s, m);
    must(gomap_delete(m, &key), "a key that was put is not there");
    end(s, m);
}

static void fill(struct scenario *s, gomap *m) {
    for (uint64_t i = 0; i < s->n; i++) put(s, m, mix(i));
}

static gomap *filled(uint64_t n) {
    struct scenario unseen = {.n = n};
    gomap *m = make(NULL, NULL);
    fill(&unseen, m);
    return m;
}

static void shuffle(uint64_t *keys, uint64_t n) {
    for (uint64_t i = n; i > 1; i--) {
        uint64_t j = mix(i) % i, k = keys[i - 1];
        keys[i - 1] = keys[j], keys[j] = k;
    }
}

/* The keys in the order of hashes, which is the order of the table: what only an insider knows.  Those in chains
 * are left out. */
static uint64_t *table_order(const gomap *m, uint64_t *n) {
    const struct gomap *r = raw(m);
    uint64_t *keys = malloc((gomap_len(m) + 1) * sizeof *keys);
    must(keys && r->split == 0, "no memory, or a walk is under way");
    *n = 0;
    for (uint64_t g = 0; g < r->ngroups; g++)
        for (unsigned i = 0; i < GOMAP_GROUP_SLOTS; i++)
            if (r->meta[g * 16 + i])
                memcpy(&keys[(*n)++], r->slots + (g * GOMAP_GROUP_SLOTS + i) * r->desc->slot_size,
                       sizeof *keys);
    return keys;
}

/* ---- scenarios ---------------------------------------------------------------------------------- */

static void rest(gomap *m) {
    while (gomap_work(m, 100000000) && raw(m)->side->walk) continue;
}

static void grow(struct scenario *s) {
    gomap *m = make(NULL, NULL);
    fill(s, m);
    must(raw(m)->side->counters.grows > 3, "the map did not grow");
    gomap_free(m);
}

static void drain_iterator(struct scenario *s) {
    gomap *m = filled(s->n);
    gomap_iter it;
    for (gomap_iter_init(&it, m); gomap_iter_next(&it);) {
        begin(s, m);
        must(gomap_iter_delete(&it, m), "an entry just returned is not there");
        end(s, m);
    }
    must(gomap_len(m) == 0, "the map is not empty");
    gomap_free(m);
}

static void pop_all(struct scenario *s, gomap *m) {
    while (gomap_len(m)) {
        begin(s, m);
        must(gomap_pop_any(m, NULL, NULL) == GOMAP_OK, "nothing to pop though the map has entries");
        end(s, m);
    }
}
static void drain_pop(struct scenario *s) {
    gomap *m = filled(s->n);
    pop_all(s, m);
    gomap_free(m);
}

static void drain_table(struct scenario *s, bool backward) {
    gomap *m = filled(s->n);
    uint64_t n;
    rest(m);
    uint64_t *keys = table_order(m, &n);
    for (uint64_t i = 0; i < n; i++) delete (s, m, keys[backward ? n - 1 - i : i]);
    free(keys);
    pop_all(s, m); /* those in chains */
    gomap_free(m);
}
static void drain_forward(struct scenario *s) { drain_table(s, false); }
static void drain_backward(struct scenario *s) { drain_table(s, true); }

static void drain_inserted(struct scenario *s) {
    gomap *m = filled(s->n);
    for (uint64_t i = 0; i < s->n; i++) delete (s, m, mix(i));
    gomap_free(m);
}

static void drain_random(struct scenario *s) {
    gomap *m = filled(s->n);
    uint64_t *keys = malloc(s->n * sizeof *keys);
    must(keys, "out of memory");
    for (uint64_t i = 0; i < s->n; i++) keys[i] = mix(i);
    shuffle(keys, s->n);
    for (uint64_t i = 0; i < s->n; i++) delete (s, m, keys[i]);
    free(keys);
    gomap_free(m);
}

/* From one call of keep() to the next; what retain_if does when all are visited is O(n) and says so. */
struct retaining {
    struct scenario *s;
    const gomap *m;
    uint64_t seen;
};
static bool keep_first_percent(const void *key, void *value, void *ctx) {
    struct retaining *r = ctx;
    (void)key, (void)value;
    if (r->seen) end(r->s, r->m);
    begin(r->s, r->m);
    return r->seen++ < r->s->n / 100;
}
static void drain_retain(struct scenario *s) {
    gomap *m = filled(s->n);
    struct retaining r = {.s = s, .m = m};
    must(gomap_retain_if(m, keep_first_percent, &r) == s->n - s->n / 100, "retain_if kept others");
    must(r.seen == s->n, "retain_if did not ask for every entry");
    gomap_free(m);
}

static void churn(struct scenario *s) {
    gomap *m = filled(s->n);
    for (uint64_t i = 0; i < 2 * s->n; i++) {
        delete (s, m, mix(i));
        put(s, m, mix(s->n + i));
    }
    gomap_free(m);
}

static void up_and_down(struct scenario *s) {
    gomap *m = make(NULL, NULL);
    uint64_t low = 0, high = 0;
    for (uint64_t top = s->n / 64; top <= s->n / 2; top *= 2) {
        while (high < low + top) put(s, m, mix(high++));
        while (low < high - top / 16) delete (s, m, mix(low++));
    }
    must(raw(m)->side->counters.shrinks > 1, "the map did not shrink");
    gomap_free(m);
}

static uint64_t same_hash(const void *key, void *ctx) {
    (void)key, (void)ctx;
    return 42;
}
static int never_equal(const void *a, const void *b, void *ctx) {
    (void)a, (void)b, (void)ctx;
    return 0;
}
static void constant_hash(struct scenario *s) {
    gomap *m = make(same_hash, NULL);
    fill(s, m);
    for (uint64_t i = 0; i < s->n; i++) delete (s, m, mix(i));
    gomap_free(m);
}
static void nan_keys(struct scenario *s) {
    gomap *m = make(same_hash, never_equal);
    gomap_iter it;
    for (uint64_t i = 0; i < s->n; i++) put(s, m, 7);
    must(gomap_len(m) == s->n, "keys that equal nothing are entries of their own");
    for (gomap_iter_init(&it, m); gomap_iter_next(&it);) {
        begin(s, m);
        must(gomap_iter_delete(&it, m), "an entry just returned is not there");
        end(s, m);
    }
    must(gomap_len(m) == 0, "the map is not empty");
    gomap_free(m);
}

/* ---- ageing --------------------------------------------------------------------------------------- */

/* Groups and chain nodes that a miss looks at, averaged over all home groups and classes: one, and where the
 * overflow bit of its class is set its three siblings and the quad's chain. */
static double miss_looks(const gomap *m) {
    const struct gomap *r = raw(m);
    double looks = 0;
    for (uint64_t g = 0; g < r->ngroups; g++) {
        unsigned on = (unsigned)__builtin_popcount(r->meta[g * 16 + GOMAP_GROUP_SLOTS]), behind = 3;
        const struct gomap_node *node = (const struct gomap_node *)(r->links[g / 4] & ~(uintptr_t)1);
        for (; node; node = node->next) behind++;
        looks += 1 + on / 8.0 * behind;
    }
    return looks / (double)r->ngroups;
}

/* Ratio after ten turnovers, in tables of the same size, at the same load. */
static double ageing(uint64_t groups, uint64_t n) {
    enum { TURNOVERS = 10 };
    gomap *old = make(NULL, NULL), *fresh = make(NULL, NULL);
    struct scenario unseen = {.n = n};
    must(gomap_reserve(old, groups * 12) == GOMAP_OK && gomap_reserve(fresh, groups * 12) == GOMAP_OK,
         "out of memory");
    fill(&unseen, old);
    fill(&unseen, fresh);
    for (uint64_t i = 0; i < TURNOVERS * n; i++) {
        delete (&unseen, old, mix(i));
        put(&unseen, old, mix(n + i));
    }
    must(raw(fresh)->ngroups == groups && raw(old)->ngroups == groups,
         "tables of another size than reserved");
    double ratio = miss_looks(old) / miss_looks(fresh);
    gomap_free(old);
    gomap_free(fresh);
    return ratio;
}

/* ---- report --------------------------------------------------------------------------------------- */

static int broken;
static void bound(const char *scenario, const char *what, double got, double most) {
    if (got <= most) return;
    fprintf(stderr, "counters: %s: %s: %g, bound %g\n", scenario, what, got, most);
    broken = 1;
}

static void report(const struct scenario *s, bool json) {
    const struct work *usual = &s->most, *range = &s->most_range;
    uint64_t moved_most = usual->moved > range->moved ? usual->moved : range->moved;
    must(s->operations + 1 >= s->n, "fewer operations than entries");
    bound(s->name, "entries moved by one operation", (double)moved_most, MOVED_BOUND);
    bound(s->name, "resident bytes in memory calls of one operation", (double)usual->resident,
          RESIDENT_BOUND);
    bound(s->name, "bytes from malloc in one operation", (double)usual->heap, HEAP_BOUND);
    bound(s->name, "operations with more than three memory calls", (double)s->range_changes,
          RANGE_CHANGES_BOUND);
    bound(s->name, "memory calls of one operation", (double)range->calls, RANGE_CALLS_BOUND);
    if (!s->clumps) bound(s->name, "share of chained entries", s->chained, 0.01);
    printf(
        json
            ? "{\"scenario\":\"%s\",\"n\":%llu,\"operations\":%llu,\"moved_max\":%llu,\"memory_calls_max\":%"
              "llu,"
              "\"resident_max\":%llu,\"heap_max\":%llu,\"range_changes\":%llu,\"range_calls_max\":%llu,"
              "\"range_resident_max\":%llu,\"chained_max\":%.5f}\n"
            : "%-14s %8llu entries %9llu operations, at most: %3llu moved, %llu calls, %6llu resident, %6llu "
              "heap; range changes: %llu, %2llu calls, %8llu resident; chained %.5f\n",
        s->name, (unsigned long long)s->n, (unsigned long long)s->operations, (unsigned long long)moved_most,
        (unsigned long long)usual->calls, (unsigned long long)usual->resident,
        (unsigned long long)usual->heap, (unsigned long long)s->range_changes,
        (unsigned long long)range->calls, (unsigned long long)range->resident, s->chained);
    fflush(stdout);
}

/* At three loads: after a growth by half, in between, and just before the next. */
static void report_ageing(uint64_t n, bool json) {
    static const unsigned percent[] = {54, 67, 79};
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t groups = n * 100 / percent[i] / GOMAP_GROUP_SLOTS / 4 * 4;
        double ratio = ageing(groups, n);
        sum += ratio;
        bound("ageing", "groups a miss looks at after ten turnovers, to a fresh table's", ratio, AGED_BOUND);
        printf(json ? "{\"scenario\":\"ageing_%u\",\"n\":%llu,\"miss_looks_ratio\":%.4f}\n"
                    : "ageing_%u      %8llu entries, after ten turnovers: a miss looks at %.4f times the "
                      "groups\n",
               percent[i], (unsigned long long)n, ratio);
    }
    bound("ageing", "the same, mean of three loads", sum / 3, AGED_MEAN_BOUND);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(struct scenario *);
        bool clumps;
    } all[] = {
        {"grow", grow, false},
        {"churn", churn, false},
        {"up_and_down", up_and_down, false},
        {"drain_random", drain_random, false},
        {"drain_inserted", drain_inserted, false},
        {"drain_iterator", drain_iterator, false},
        {"drain_forward", drain_forward, false},
        {"drain_backward", drain_backward, false},
        {"drain_retain", drain_retain, false},
        {"drain_pop", drain_pop, false},
        {"constant_hash", constant_hash, true},
        {"nan_keys", nan_keys, true},
    };
    char *rest_of = NULL;
    bool json = argc == 3 && !strcmp(argv[2], "--json");
    uint64_t n = argc > 1 ? strtoull(argv[1], &rest_of, 10) : 0;
    if (argc < 2 || argc > 3 || (argc == 3 && !json) || *rest_of || n < 1000 || n > 1000000000) {
        fprintf(stderr, "usage: counters N [--json]   (1000 .. 10^9 entries)\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct scenario s = {.name = all[i].name, .n = n, .clumps = all[i].clumps};
        if (s.clumps && n > SAME_HASH_MAX) s.n = SAME_HASH_MAX;
        all[i].run(&s);
        report(&s, json);
    }
    report_ageing(n > AGED_MAX ? AGED_MAX : n, json);
    return broken;
}
