/* copied.c - what a map copies when it takes a value, and when two keys are one: yes or no, and the price.
 *
 *     copied facts                   shallow and deep copies, snapshots, equality of keys
 *     copied clone N SEED            time and bytes of a snapshot of N entries, and of walking it
 *     copied fields N THREADS SEED   ways to count in a field of a stored struct of 64 bytes
 *
 * A C map copies the bytes of a value, as Go's does: a pointer in it goes on pointing to the same text.  Whoever wants
 * another copy says so: gomap's value_copy.  Keys are compared as bytes unless a function is given; bytes that no field
 * covers count then, which in Go they never do.
 */
#include "../measure.h"

#include <gomap/classic.h>
#include <gomap/typed.h>
#include <pthread.h>
#include <stdatomic.h>

static void worked(gomap_err err) {
    if (err) fail("copied: %s", gomap_strerror(err));
}

/* ---- facts ------------------------------------------------------------------------------------------ */

struct record {
    uint64_t id;
    char *text;
};

static int copy_text(void *dst, const void *src, void *ctx) {
    (void)ctx;
    struct record *d = dst;
    d->text = strdup(((const struct record *)src)->text);
    return d->text == NULL;
}
static void free_text(void *value, void *ctx) {
    (void)ctx;
    free(((struct record *)value)->text);
}

struct padded {
    uint8_t small; /* seven bytes of padding follow */
    uint64_t large;
};

static uint64_t padded_hash(const void *key, void *ctx) {
    (void)ctx;
    const struct padded *p = key;
    return mix(p->large) + p->small;
}
static int padded_eq(const void *a, const void *b, void *ctx) {
    (void)ctx;
    const struct padded *x = a, *y = b;
    return x->small == y->small && x->large == y->large;
}

/* Entries after two keys with equal fields and different padding were put. */
static size_t entries_of_padded(bool by_fields) {
    gomap *m;
    gomap_config c = GOMAP_CONFIG(sizeof(struct padded), 0);
    if (by_fields) c.hash = padded_hash, c.eq = padded_eq;
    worked(gomap_new(&c, &m));
    struct padded key;
    for (int fill = 0; fill < 2; fill++) {
        memset(&key, fill, sizeof key);
        key.small = 1, key.large = 2;
        worked(gomap_put(m, &key, NULL));
    }
    size_t n = gomap_len(m);
    gomap_free(m);
    return n;
}

/* Entries after two doubles were put, compared as numbers or as bytes. */
static size_t entries_of(gomap_classic_keys keys, double x, double y) {
    gomap_classic *m;
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(sizeof(double), 0);
    c.keys = keys;
    worked(gomap_classic_new(&c, &m));
    worked(gomap_classic_put(m, &x, NULL));
    worked(gomap_classic_put(m, &y, NULL));
    size_t n = gomap_classic_len(m);
    gomap_classic_free(m);
    return n;
}

static int facts(void) {
    char text[] = "some text";
    uint64_t key = 1;
    struct record v = {7, text}, *seen;
    gomap_classic *classic;
    gomap_classic_config cc = GOMAP_CLASSIC_CONFIG(sizeof key, sizeof v);
    cc.flags = GOMAP_CLASSIC_ELEM_POINTERS;
    worked(gomap_classic_new(&cc, &classic));
    worked(gomap_classic_put(classic, &key, &v));
    gomap *shallow, *deep, *snapshot;
    gomap_config c = GOMAP_CONFIG(sizeof key, sizeof v);
    worked(gomap_new(&c, &shallow));
    c.value_copy = copy_text, c.value_destroy = free_text;
    worked(gomap_new(&c, &deep));
    worked(gomap_put(shallow, &key, &v));
    worked(gomap_put(deep, &key, &v));

    v.id = 8, text[0] = '!'; /* the struct and the text it points to, after they were put */
    seen = gomap_classic_get(classic, &key);
    bool copied = seen->id == 7, classic_shares = seen->text[0] == '!';
    bool shallow_shares = ((struct record *)gomap_get(shallow, &key))->text[0] == '!';
    bool deep_shares = ((struct record *)gomap_get(deep, &key))->text[0] == '!';
    worked(gomap_clone(deep, &snapshot));
    bool clone_shares =
        ((struct record *)gomap_get(snapshot, &key))->text == ((struct record *)gomap_get(deep, &key))->text;
    double nan = __builtin_nan("");
    printf("{\"struct_copied\":%d,\"classic_shares\":%d,\"gomap_shares\":%d,\"value_copy_shares\":%d,"
           "\"value_copy_clone_shares\":%d,\"padded_as_bytes\":%zu,\"padded_by_fields\":%zu,"
           "\"zeros_as_bytes\":%zu,\"zeros_as_numbers\":%zu,\"nans_as_bytes\":%zu,\"nans_as_numbers\":%zu}\n",
           copied, classic_shares, shallow_shares, deep_shares, clone_shares, entries_of_padded(false),
           entries_of_padded(true), entries_of(GOMAP_CLASSIC_MEMORY, 0.0, -0.0),
           entries_of(GOMAP_CLASSIC_FLOAT, 0.0, -0.0), entries_of(GOMAP_CLASSIC_MEMORY, nan, nan),
           entries_of(GOMAP_CLASSIC_FLOAT, nan, nan));
    gomap_free(snapshot), gomap_free(deep), gomap_free(shallow), gomap_classic_free(classic);
    return 0;
}

/* ---- snapshots -------------------------------------------------------------------------------------- */

struct row {
    uint64_t n, rest[3];
};
GOMAP_DEFINE(rows, uint64_t, struct row);

/* A snapshot is taken, the map changes, and the snapshot is walked: it must show what was there. */
static int snapshots(size_t n, uint64_t seed) {
    gomap *m, *copy;
    gomap_classic *classic, *classic_copy;
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(sizeof(uint64_t), sizeof(struct row));
    worked(rows_new(&m));
    worked(gomap_classic_new(&c, &classic));
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = mix((seed << 32) + i);
        struct row row = {1, {0}};
        worked(rows_put(m, key, row));
        worked(gomap_classic_put(classic, &key, &row));
    }
    struct allocs before = allocs_now();
    uint64_t start = cpu_ns();
    worked(gomap_clone(m, &copy));
    uint64_t clone = cpu_ns() - start;
    uint64_t allocated = allocs_since(before).calls;
    before = allocs_now(), start = cpu_ns();
    worked(gomap_classic_clone(classic, &classic_copy));
    uint64_t classic_clone = cpu_ns() - start, classic_allocated = allocs_since(before).calls;

    rows_iter it;
    for (rows_iter_init(&it, m); rows_iter_next(&it);) it.value->n = 1000;
    uint64_t sum = 0, classic_sum = 0;
    start = cpu_ns();
    for (rows_iter_init(&it, copy); rows_iter_next(&it);) sum += it.value->n;
    uint64_t walk = cpu_ns() - start;
    gomap_classic_iter ci;
    start = cpu_ns();
    for (gomap_classic_iter_init(&ci, classic_copy); gomap_classic_iter_next(&ci);)
        classic_sum += ((struct row *)ci.elem)->n;
    uint64_t classic_walk = cpu_ns() - start;
    if (sum != n || classic_sum != n) fail("copied: a snapshot changed");
    printf("{\"gomap_clone\":%.3f,\"gomap_walk\":%.3f,\"gomap_allocs\":%llu,\"classic_clone\":%.3f,"
           "\"classic_walk\":%.3f,\"classic_allocs\":%llu}\n",
           (double)clone / (double)n, (double)walk / (double)n, (unsigned long long)allocated,
           (double)classic_clone / (double)n, (double)classic_walk / (double)n,
           (unsigned long long)classic_allocated);
    gomap_free(m), gomap_free(copy), gomap_classic_free(classic), gomap_classic_free(classic_copy);
    return 0;
}

/* ---- a field counted in place ----------------------------------------------------------------------- */

struct counted {
    _Atomic uint64_t n;
    uint64_t rest[7];
};

struct worker {
    pthread_t thread;
    gomap *map;
    size_t n, entries;
    uint64_t seed;
    double ns;
};

/* Several threads may do this at once: nobody writes to the map, and its values never move. */
static void *count_atomically(void *arg) {
    struct worker *w = arg;
    uint64_t start = cpu_ns();
    for (size_t i = 0; i < w->n; i++) {
        uint64_t key = mix((w->seed << 32) + mix(i) % w->entries);
        struct counted *at = gomap_get(w->map, &key);
        atomic_fetch_add_explicit(&at->n, 1, memory_order_relaxed);
    }
    w->ns = (double)(cpu_ns() - start) / (double)w->n;
    return NULL;
}

static int fields(size_t n, size_t threads, uint64_t seed) {
    gomap *m;
    gomap_config c = GOMAP_CONFIG(sizeof(uint64_t), sizeof(struct counted));
    c.values = GOMAP_VALUES_STABLE;
    worked(gomap_new(&c, &m));
    struct counted **held = calloc(n, sizeof(held[0])); /* NOLINT(bugprone-sizeof-expression): pointers */
    struct counted whole;
    struct worker *workers = calloc(threads, sizeof *workers);
    if (!held || !workers) fail("copied: out of memory");
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = mix((seed << 32) + i);
        void *value;
        worked(gomap_get_or_insert(m, &key, &value, NULL));
        held[i] = value; /* valid until its entry is deleted, whatever the map grows to */
    }

    uint64_t start = cpu_ns();
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = mix((seed << 32) + mix(i) % n);
        memcpy(&whole, gomap_get(m, &key), sizeof whole);
        whole.n++;
        worked(gomap_put(m, &key, &whole));
    }
    double through = (double)(cpu_ns() - start) / (double)n;
    start = cpu_ns();
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = mix((seed << 32) + mix(i) % n);
        uint64_t *at = gomap_get(m, &key);
        ++*at;
    }
    double plain = (double)(cpu_ns() - start) / (double)n;
    start = cpu_ns();
    for (uint64_t i = 0; i < n; i++) atomic_fetch_add_explicit(&held[mix(i) % n]->n, 1, memory_order_relaxed);
    double pointer = (double)(cpu_ns() - start) / (double)n;

    double atomic = 0;
    for (size_t t = 0; t < threads; t++) {
        workers[t] = (struct worker){.map = m, .n = n, .entries = n, .seed = seed};
        if (pthread_create(&workers[t].thread, NULL, count_atomically, &workers[t]))
            fail("copied: no thread");
    }
    for (size_t t = 0; t < threads; t++) {
        pthread_join(workers[t].thread, NULL);
        atomic += workers[t].ns / (double)threads;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += held[i]->n;
    if (sum != (3 + threads) * n)
        fail("copied: %llu counted, not %zu", (unsigned long long)sum, (3 + threads) * n);
    printf("{\"through\":%.3f,\"field\":%.3f,\"atomic\":%.3f,\"held\":%.3f}\n", through, plain, atomic,
           pointer);
    free(held), free(workers), gomap_free(m);
    return 0;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "facts") && argc == 2) return facts();
    if (!strcmp(what, "clone") && argc == 4)
        return snapshots(number_arg(argv[2], "N", 1, 100000000), number_arg(argv[3], "SEED", 0, UINT32_MAX));
    if (!strcmp(what, "fields") && argc == 5)
        return fields(number_arg(argv[2], "N", 1, 100000000), number_arg(argv[3], "THREADS", 1, 64),
                      number_arg(argv[4], "SEED", 0, UINT32_MAX));
    fprintf(stderr, "usage: copied facts | clone N SEED | fields N THREADS SEED\n");
    return 2;
}
