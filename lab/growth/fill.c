/* fill.c - fill a map, and say what it cost.
 *
 *     fill WHAT MAP KEYS N HINT ORDER SEED
 *
 *     WHAT   time     time and page faults of the fill, nothing else attached
 *            count    allocations, growths, entries moved, pointer stores; key comparisons
 *     MAP    classic, gomap
 *     KEYS   u64, string
 *     HINT   none, exact, plus15 (15 % more room than there are entries)
 *     ORDER  shuffled, sorted, sorting (shuffled keys are sorted first, and that is timed too)
 *
 * Comparisons are calls of an equality function: of classic those that tophash let through, on the generic path, the one
 * that asks tophash for every kind of key; of gomap with one more an insert, since it asks of a new key whether it equals
 * itself. With an allocator of its own gomap takes blocks instead of growing in place. */
#include "subject.h"

#include "gomap/classic.h"
#include "gomap/inspect.h"

struct job {
    bool classic, string, sorting;
    size_t n, hint;
    struct keys keys;
    gomap_alloc *alloc;         /* NULL: the library's own way, mmap for large arrays */
    gomap_classic_hooks *hooks; /* NULL: none */
    bool compare;               /* count comparisons */
    gomap_classic *of_classic;
    gomap *of_gomap;
};

static uint64_t compared;
static struct counted memory;
static uint64_t stores;

static int same_number(const void *a, const void *b, void *ctx) {
    (void)ctx, compared++;
    return *(const uint64_t *)a == *(const uint64_t *)b;
}
static int same_string(const void *a, const void *b, void *ctx) {
    (void)ctx, compared++;
    return !by_string(a, b);
}
static uint64_t hash_number(const void *key, uint32_t seed, void *ctx) {
    (void)ctx;
    return mix(*(const uint64_t *)key ^ mix(seed));
}
static uint64_t hash_string(const void *key, uint32_t seed, void *ctx) {
    (void)ctx;
    return hash_text(key, seed);
}
static uint64_t hash_number_unseeded(const void *key, void *ctx) { return hash_number(key, 0, ctx); }
static uint64_t hash_string_unseeded(const void *key, void *ctx) { return hash_string(key, 0, ctx); }

static void count_store(const gomap_classic *m, int what, size_t n, void *ctx) {
    (void)m, (void)what, (void)ctx;
    stores += n;
}

static void make_classic(struct job *j) {
    gomap_classic_config c = j->string ? GOMAP_CLASSIC_CONFIG_STRING(8) : GOMAP_CLASSIC_CONFIG(8, 8);
    c.hint = (int64_t)j->hint;
    c.alloc = j->alloc;
    if (j->hooks) c.hooks = *j->hooks;
    if (j->compare) {
        c.keys = GOMAP_CLASSIC_CUSTOM;
        c.key_size = j->string ? sizeof(gomap_str) : 8;
        c.hash = j->string ? hash_string : hash_number;
        c.eq = j->string ? same_string : same_number;
    }
    must(!gomap_classic_new(&c, &j->of_classic), "out of memory");
}

static void make_gomap(struct job *j) {
    gomap_config c = j->string ? GOMAP_CONFIG_STRING(8) : GOMAP_CONFIG(8, 8);
    if (j->string) c.keys = GOMAP_KEYS_BORROWED; /* as Go and classic: the map keeps the pointer */
    c.capacity = j->hint;
    c.alloc = j->alloc;
    if (j->compare) {
        c.keys = GOMAP_KEYS_FIXED;
        c.key_size = j->string ? sizeof(gomap_str) : 8;
        c.hash = j->string ? hash_string_unseeded : hash_number_unseeded;
        c.eq = j->string ? same_string : same_number;
    }
    must(!gomap_new(&c, &j->of_gomap), "out of memory");
}

static const void *key_at(const struct job *j, size_t i) {
    return j->string ? (const void *)&j->keys.string[i] : (const void *)&j->keys.number[i];
}

/* Making the map and all inserts.  Nothing else is in here: valgrind counts by this name. */
__attribute__((noinline)) static void measured_fill(struct job *j) {
    if (j->classic) {
        make_classic(j);
        for (uint64_t i = 0; i < j->n; i++)
            if (gomap_classic_put(j->of_classic, key_at(j, i), &i)) must(false, "out of memory");
    } else {
        make_gomap(j);
        for (uint64_t i = 0; i < j->n; i++)
            if (gomap_put(j->of_gomap, key_at(j, i), &i)) must(false, "out of memory");
    }
}

static void check(const struct job *j) {
    size_t len = j->classic ? gomap_classic_len(j->of_classic) : gomap_len(j->of_gomap);
    must(len == j->n, "entries were lost or invented");
    for (uint64_t i = 0; i < j->n; i++) {
        const uint64_t *v = j->classic ? gomap_classic_get(j->of_classic, key_at(j, i))
                                       : gomap_get(j->of_gomap, key_at(j, i));
        must(v && *v == i, "an entry is not what was put");
    }
    char why[200];
    must(!(j->classic ? gomap_classic_verify(j->of_classic, why, sizeof why)
                      : gomap_verify(j->of_gomap, why, sizeof why)),
         "an invariant is broken");
}

static void discard(struct job *j) {
    gomap_classic_free(j->of_classic);
    gomap_free(j->of_gomap);
    j->of_classic = NULL, j->of_gomap = NULL;
}

static void time_it(struct job *j) {
    uint64_t faults = minor_faults(), start = cpu_ns();
    if (j->sorting) sort_keys(&j->keys, j->string);
    uint64_t sorted = cpu_ns();
    measured_fill(j);
    uint64_t end = cpu_ns();
    faults = minor_faults() - faults;
    check(j);
    json_open(NULL, '{');
    json_int("ns", end - sorted);
    json_int("sort_ns", sorted - start);
    json_int("faults", faults);
    json_close('}');
    discard(j);
}

static void put_classic_figures(const struct job *j) {
    gomap_classic_stats s = {.size = sizeof s};
    must(!gomap_classic_get_stats(j->of_classic, &s), "no figures");
    json_int("grows", s.grows + s.same_size_grows);
    json_int("evacuated", s.evacuated);
    json_int("moved", s.moved);
    json_int("overflows", s.overflows);
    json_int("B", s.B);
    json_int("slots", s.slots);
}

static void put_gomap_figures(const struct job *j) {
    gomap_stats s = {.size = sizeof s};
    must(!gomap_get_stats(j->of_gomap, &s), "no figures");
    json_int("grows", s.grows);
    json_int("moved", s.moved);
    json_int("slots", s.slots);
}

static void put_memory(void) {
    json_int("allocs", memory.calls);
    json_int("bytes", memory.bytes);
    json_int("held", memory.now);
    json_int("peak", memory.peak);
    json_int("stores", stores);
}

static void count_it(struct job *j) {
    gomap_alloc alloc = {counted_alloc, counted_free, &memory};
    gomap_classic_hooks hooks = {.pointer_store = count_store};
    json_open(NULL, '{');
    if (j->sorting) sort_keys(&j->keys, j->string);
    j->alloc = &alloc, j->hooks = &hooks;
    measured_fill(j);
    put_memory();
    if (j->classic)
        put_classic_figures(j);
    else
        put_gomap_figures(j);
    check(j);
    discard(j);
    must(memory.now == 0, "memory was not given back");
    j->alloc = NULL, j->hooks = NULL, j->compare = true;
    compared = 0;
    measured_fill(j);
    json_real("compared_per_insert", (double)compared / (double)j->n);
    check(j);
    discard(j);
    json_close('}');
}

static size_t hint_of(const char *word, size_t n) {
    if (is(word, "none")) return 0;
    return either(word, "exact", "plus15") ? n : n + n * 15 / 100;
}

int main(int argc, char **argv) {
    if (argc != 8)
        fail("usage: fill time|count classic|gomap u64|string N none|exact|plus15 shuffled|sorted|sorting "
             "SEED");
    bool timed = either(argv[1], "time", "count");
    struct job j = {.classic = either(argv[2], "classic", "gomap"),
                    .string = either(argv[3], "string", "u64"),
                    .n = number_arg(argv[4], "N", 1, 100000000),
                    .sorting = is(argv[6], "sorting")};
    j.hint = hint_of(argv[5], j.n);
    j.keys = make_keys(j.n, number_arg(argv[7], "SEED", 0, UINT32_MAX));
    if (!j.sorting && either(argv[6], "sorted", "shuffled")) sort_keys(&j.keys, j.string);
    if (timed)
        time_it(&j);
    else
        count_it(&j);
    putchar('\n');
    free_keys(&j.keys);
    return 0;
}
