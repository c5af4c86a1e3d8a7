/* columns.c - N entries given as two arrays, keys and values: ways to build a map from them.
 *
 *     columns HOW N SEED
 *
 *     gomap-naive        put, one after the other               classic-naive
 *     gomap-presized     the same into a table of that size     classic-presized
 *     gomap-many         put_many, 4096 at a time               classic-partitioned  presized; entries sorted by bucket first
 *     gomap-many-presized                                       classic-direct       the same, written into the buckets
 *                                                                                    without asking the map
 *
 * Partitioning: hash all keys, then a stable radix sort by the number of the bucket, at most 11 bits a pass, so that the
 * places a pass writes to fit the first cache.  Then each bucket is touched once:
 *
 *     keys   [ k k k k ... ]                 tophash | 8 keys | 8 elems | overflow
 *     values [ v v v v ... ]  -> sorted -->  bucket 0, bucket 1, bucket 2, ...   in the order of memory
 *
 * classic-direct is what the articles mean by going past mapassign: it writes tophash, key and elem itself and counts at the end;
 * entries beyond 8 in a bucket are put in the ordinary way.  The map's own check of its invariants must find nothing.
 *
 * An eighth of the keys appear twice; the later one wins.  Prints processor time, and the part of it spent partitioning.
 */
#include "../merges/meter.h"

#include <gomap/classic.h>
#include <gomap/inspect.h>

enum { RADIX_BITS = 11, BUCKET = 8, TOPHASH_MIN = 5, SLICE = 4096 };

struct input {
    uint64_t *keys, *values;
    size_t n;
};

/* A hash that both sides know: what partitions must be what the map uses. */
static uint64_t hash_of(const void *key, uint32_t seed, void *ctx) {
    (void)ctx;
    return mix(*(const uint64_t *)key ^ ((uint64_t)seed << 32));
}

static void ok(gomap_err err) {
    if (err) fail("%s", gomap_strerror(err));
}

static gomap_classic *classic_make(size_t hint) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(sizeof(uint64_t), sizeof(uint64_t));
    c.hash = hash_of, c.hint = (int64_t)hint;
    gomap_classic *m = NULL;
    ok(gomap_classic_new(&c, &m));
    return m;
}

static gomap *gomap_make(size_t capacity) {
    gomap_config c = GOMAP_CONFIG(sizeof(uint64_t), sizeof(uint64_t));
    c.capacity = capacity;
    gomap *m = NULL;
    ok(gomap_new(&c, &m));
    return m;
}

/* ---- partitioning ---------------------------------------------------------------------------------------- */

struct record {
    uint64_t hash, key, value;
};

/* One stable pass by `bits` bits of the hash from `shift` on. */
static void pass(const struct record *from, struct record *to, size_t n, unsigned shift, unsigned bits) {
    size_t at[1 << RADIX_BITS] = {0}, sum = 0;
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
    for (size_t i = 0; i < n; i++) at[from[i].hash >> shift & mask]++;
    for (size_t i = 0; i <= mask; i++) {
        size_t count = at[i];
        at[i] = sum, sum += count;
    }
    for (size_t i = 0; i < n; i++) to[at[from[i].hash >> shift & mask]++] = from[i];
}

/* The entries in the order of the low `b` bits of their hashes; of equal ones in the order they came. */
static struct record *partition(const struct input *in, uint32_t seed, unsigned b) {
    struct record *records = need(malloc(in->n * sizeof *records));
    struct record *other = need(malloc(in->n * sizeof *other));
    for (size_t i = 0; i < in->n; i++)
        records[i] = (struct record){hash_of(&in->keys[i], seed, NULL), in->keys[i], in->values[i]};
    const unsigned passes = (b + RADIX_BITS - 1) / RADIX_BITS;
    for (unsigned done = 0, p = 0; p < passes; p++) {
        unsigned bits = (b - done + passes - p - 1) / (passes - p);
        pass(records, other, in->n, done, bits);
        struct record *swap = records;
        records = other, other = swap;
        done += bits;
    }
    free(other);
    return records;
}

/* ---- past the map's own insert --------------------------------------------------------------------------- */

struct bucket {
    uint8_t tophash[BUCKET];
    uint64_t keys[BUCKET], elems[BUCKET];
    struct bucket *overflow;
};

/* Put one entry into its bucket: true, or false if there is no room.  *count grows if the key is new. */
static bool place(struct bucket *b, const struct record *r, size_t *count) {
    uint8_t top = (uint8_t)(r->hash >> 56);
    if (top < TOPHASH_MIN) top += TOPHASH_MIN;
    for (int i = 0; i < BUCKET; i++) {
        if (!b->tophash[i]) { /* the rest is empty too: nothing was deleted here */
            b->tophash[i] = top, b->keys[i] = r->key, b->elems[i] = r->value;
            ++*count;
            return true;
        }
        if (b->keys[i] == r->key) {
            b->elems[i] = r->value;
            return true;
        }
    }
    return false;
}

static void fill_direct(gomap_classic *m, const struct record *records, size_t n) {
    must(gomap_classic_bucket_bytes(sizeof(uint64_t), sizeof(uint64_t)) == sizeof(struct bucket),
         "a bucket has another size");
    struct gomap_hmap *h = (struct gomap_hmap *)(void *)m;
    struct bucket *buckets = (struct bucket *)(void *)h->buckets;
    const uint64_t mask = ((uint64_t)1 << h->B) - 1;
    struct record *late = need(malloc((n + 1) * sizeof *late));
    size_t later = 0, count = 0;
    for (size_t i = 0; i < n; i++)
        if (!place(&buckets[records[i].hash & mask], &records[i], &count)) late[later++] = records[i];
    h->count += (intptr_t)count;
    for (size_t i = 0; i < later; i++) ok(gomap_classic_put(m, &late[i].key, &late[i].value));
    free(late);
}

/* ---- the ways -------------------------------------------------------------------------------------------- */

struct built {
    gomap *map;
    gomap_classic *classic;
    uint64_t partition_ns;
};

static bool is(const char *how, const char *what) { return strstr(how, what) != NULL; }

static void build_gomap(const char *how, const struct input *in, size_t distinct, struct built *out) {
    out->map = gomap_make(is(how, "presized") ? distinct : 0);
    if (!is(how, "many")) {
        for (size_t i = 0; i < in->n; i++) ok(gomap_put(out->map, &in->keys[i], &in->values[i]));
        return;
    }
    for (size_t i = 0; i < in->n; i += SLICE) {
        size_t some = in->n - i < SLICE ? in->n - i : SLICE;
        ok(gomap_put_many(out->map, in->keys + i, in->values + i, some, NULL));
    }
}

static void build_classic(const char *how, const struct input *in, size_t distinct, struct built *out) {
    out->classic = classic_make(is(how, "naive") ? 0 : distinct);
    if (!is(how, "partitioned") && !is(how, "direct")) {
        for (size_t i = 0; i < in->n; i++) ok(gomap_classic_put(out->classic, &in->keys[i], &in->values[i]));
        return;
    }
    uint64_t start = cpu_ns();
    const struct gomap_hmap *h = (const struct gomap_hmap *)(const void *)out->classic;
    struct record *records = partition(in, h->hash0, h->B);
    out->partition_ns = cpu_ns() - start;
    if (is(how, "direct"))
        fill_direct(out->classic, records, in->n);
    else
        for (size_t i = 0; i < in->n; i++)
            ok(gomap_classic_put(out->classic, &records[i].key, &records[i].value));
    free(records);
}

/* Not inlined: its name is where counting of instructions and misses begins. */
static __attribute__((noinline)) void measured(const char *how, const struct input *in, size_t distinct,
                                               struct built *out) {
    if (is(how, "gomap"))
        build_gomap(how, in, distinct, out);
    else
        build_classic(how, in, distinct, out);
}

static void check(const char *how, const struct built *b, const struct input *in, size_t distinct) {
    char why[200] = "";
    if (b->map ? gomap_verify(b->map, why, sizeof why) : gomap_classic_verify(b->classic, why, sizeof why))
        fail("%s: %s", how, why);
    size_t len = b->map ? gomap_len(b->map) : gomap_classic_len(b->classic);
    if (len != distinct) fail("%s: %zu entries, not %zu", how, len, distinct);
    for (size_t i = 0; i < in->n; i++) {
        const uint64_t *got =
            b->map ? gomap_get(b->map, &in->keys[i]) : gomap_classic_get(b->classic, &in->keys[i]);
        must(got != NULL, "a key was lost");
        /* values are positions: of two entries of a key the later one is in the map */
        must(*got >= i && in->keys[*got] == in->keys[i], "a value is not the last one put");
    }
}

int main(int argc, char **argv) {
    static const char *const ways[] = {"gomap-naive",         "gomap-presized", "gomap-many",
                                       "gomap-many-presized", "classic-naive",  "classic-presized",
                                       "classic-partitioned", "classic-direct"};
    if (argc != 4) fail("usage: columns HOW N SEED");
    size_t which = 0;
    while (which < sizeof ways / sizeof *ways && strcmp(argv[1], ways[which])) which++;
    if (which == sizeof ways / sizeof *ways) fail("no way to build '%s'", argv[1]);
    struct input in = {.n = number_arg(argv[2], "N", 64, 1000000000)};
    const uint64_t seed = number_arg(argv[3], "SEED", 0, UINT32_MAX) << 32;
    const size_t distinct = in.n - in.n / 8;
    in.keys = need(malloc(in.n * sizeof *in.keys));
    in.values = need(malloc(in.n * sizeof *in.values));
    for (size_t i = 0; i < in.n; i++) {
        in.keys[i] = mix(seed + (i < distinct ? i : (i - distinct) * 7)); /* the last eighth: again */
        in.values[i] = i;
    }
    struct built b = {0};
    uint64_t faults = minor_faults(), start = cpu_ns();
    measured(argv[1], &in, distinct, &b);
    uint64_t ns = cpu_ns() - start;
    faults = minor_faults() - faults;
    check(argv[1], &b, &in, distinct);
    printf("{\"ns\":%llu,\"per_entry\":%.3f,\"partition_share\":%.4f,\"faults\":%llu,\"entries\":%zu}\n",
           (unsigned long long)ns, (double)ns / (double)in.n, (double)b.partition_ns / (double)ns,
           (unsigned long long)faults, distinct);
    gomap_free(b.map);
    gomap_classic_free(b.classic);
    free(in.keys), free(in.values);
    return 0;
}
