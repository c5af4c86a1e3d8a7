/* iteration.c - the order and the cost of visiting all entries.
 *
 *     iteration pass MAP KEYS N LEFT SEEDING    time of a pass, and how far apart entries lie
 *     iteration order N TIMES                   do passes over one map begin at other entries, and what do they share?
 *
 *     MAP      classic, gomap
 *     KEYS     u64, string (every pass reads the strings' bytes, too)
 *     LEFT     percent of the N entries that are left when the pass begins
 *     SEEDING  a number: what classic draws, hash seeds and starts of passes, follows from it; 0: the system's randomness
 *
 * The keys are the same in all runs: only the seed differs.  classic hashes by a function of its own key and seed alone, so
 * that a fixed seed means the same table in every process. */
#include "subject.h"

#include "gomap/classic.h"
#include "gomap/inspect.h"

enum { PASSES = 3 };

static uint64_t hash_number(const void *key, uint32_t hash0, void *ctx) {
    (void)ctx;
    return mix(*(const uint64_t *)key ^ mix(hash0));
}
static uint64_t hash_string(const void *key, uint32_t hash0, void *ctx) {
    (void)ctx;
    return hash_text(key, hash0);
}
/* The same numbers in every process, for the same seed; ctx: the last one's state. */
static uint64_t fixed_random(void *ctx) { return mix((*(uint64_t *)ctx)++); }

struct subject {
    gomap_classic *classic;
    gomap *gomap;
    bool string;
};

/* random: the state of a fixed sequence; NULL: the system's randomness. */
static struct subject make(bool classic, bool string, uint64_t *random) {
    struct subject s = {.string = string};
    if (classic) {
        gomap_classic_config c = string ? GOMAP_CLASSIC_CONFIG_STRING(8) : GOMAP_CLASSIC_CONFIG(8, 8);
        c.hash = string ? hash_string : hash_number;
        if (random) c.random = fixed_random, c.ctx = random;
        must(!gomap_classic_new(&c, &s.classic), "out of memory");
        return s;
    }
    gomap_config c = string ? GOMAP_CONFIG_STRING(8) : GOMAP_CONFIG(8, 8);
    if (random) fail("a gomap always draws a seed of its own");
    if (string) c.keys = GOMAP_KEYS_BORROWED; /* as Go and classic: the map keeps the pointer */
    must(!gomap_new(&c, &s.gomap), "out of memory");
    return s;
}
static void put(struct subject *s, const void *key, uint64_t value) {
    gomap_err err =
        s->classic ? gomap_classic_put(s->classic, key, &value) : gomap_put(s->gomap, key, &value);
    must(!err, "out of memory");
}
static void drop(struct subject *s, const void *key) {
    must(s->classic ? gomap_classic_delete(s->classic, key) : gomap_delete(s->gomap, key),
         "a key is not there");
}
static const void *key_at(const struct subject *s, const struct keys *k, size_t i) {
    return s->string ? (const void *)&k->string[i] : (const void *)&k->number[i];
}

/* ---- a pass -------------------------------------------------------------------------------------------- */

struct sum {
    size_t entries;
    uint64_t values, bytes;
};

INLINED void add(struct sum *s, bool string, const void *key, const void *value) {
    s->entries++;
    s->values += *(const uint64_t *)value;
    if (string) {
        const gomap_str *text = key;
        for (size_t i = 0; i < text->len; i += 8) s->bytes += (unsigned char)text->ptr[i];
    } else {
        s->bytes += *(const uint64_t *)key & 0xff;
    }
}

/* Nothing else is in here: valgrind counts by this name. */
__attribute__((noinline)) static struct sum measured_pass(const struct subject *s) {
    struct sum sum = {0};
    if (s->classic) {
        gomap_classic_iter it;
        for (gomap_classic_iter_init(&it, s->classic); gomap_classic_iter_next(&it);)
            add(&sum, s->string, it.key, it.elem);
    } else {
        gomap_iter it;
        for (gomap_iter_init(&it, s->gomap); gomap_iter_next(&it);) add(&sum, s->string, it.key, it.value);
    }
    return sum;
}

struct steps {
    uint64_t n, near;
    const char *last;
};
static void step(struct steps *s, const void *key) {
    enum { NEAR = 4096 };
    const char *at = key;
    if (s->last) {
        s->n++;
        s->near += (at > s->last ? at - s->last : s->last - at) < NEAR;
    }
    s->last = at;
}
static struct steps count_steps(const gomap_classic *m) {
    struct steps steps = {0};
    gomap_classic_iter it;
    for (gomap_classic_iter_init(&it, m); gomap_classic_iter_next(&it);) step(&steps, it.key);
    return steps;
}

static uint64_t bytes_of(const struct subject *s) {
    gomap_classic_stats c = {.size = sizeof c};
    gomap_stats g = {.size = sizeof g};
    must(!(s->classic ? gomap_classic_get_stats(s->classic, &c) : gomap_get_stats(s->gomap, &g)),
         "no figures");
    return s->classic ? c.bytes : g.bytes;
}

static void pass(bool classic, bool string, size_t n, size_t left, uint64_t seeding) {
    struct keys k = make_keys(n, 1);
    uint64_t state = mix(seeding);
    struct subject s = make(classic, string, seeding ? &state : NULL);
    uint64_t best = UINT64_MAX, values = 0;
    for (size_t i = 0; i < n; i++) put(&s, key_at(&s, &k, i), i);
    for (size_t i = left; i < n; i++) drop(&s, key_at(&s, &k, i));
    while (s.classic && s.classic->h.oldbuckets) put(&s, key_at(&s, &k, 0), 0);
    while (s.gomap && gomap_work(s.gomap, 1000000)) continue;
    for (size_t i = 0; i < left; i++) values += i;
    for (int i = 0; i < PASSES; i++) {
        uint64_t start = cpu_ns();
        struct sum sum = measured_pass(&s);
        uint64_t took = cpu_ns() - start;
        must(sum.entries == left && sum.values == values, "a pass has missed entries, or seen some twice");
        if (took < best) best = took;
    }
    json_open(NULL, '{');
    json_real("ns", (double)best / (double)left);
    json_int("bytes", bytes_of(&s));
    if (s.classic) { /* gomap's iterator hands out strings from its own struct */
        struct steps steps = count_steps(s.classic);
        json_real("near", (double)steps.near / (double)steps.n);
    }
    json_close('}');
    gomap_classic_free(s.classic);
    gomap_free(s.gomap);
    free_keys(&k);
}

/* ---- order --------------------------------------------------------------------------------------------- */

/* Is each bucket the one after the bucket before, round the whole table and not further? */
static bool in_a_circle(const gomap_classic *m) {
    gomap_classic_iter it;
    uint64_t buckets = UINT64_C(1) << m->h.B, walked = 0, last = 0;
    bool first = true;
    for (gomap_classic_iter_init(&it, m); gomap_classic_iter_next(&it); first = false) {
        uint64_t at = (it.bucket + buckets - 1) % buckets;
        if (!first) walked += (at + buckets - last) % buckets;
        last = at;
    }
    return walked < buckets;
}

static size_t distinct(uint64_t *firsts, size_t n) {
    size_t different = n > 0;
    qsort(firsts, n, sizeof *firsts, by_number);
    for (size_t i = 1; i < n; i++) different += firsts[i] != firsts[i - 1];
    return different;
}

static void order(size_t n, size_t times) {
    struct keys k = make_keys(n, 1);
    struct subject c = make(true, false, NULL), g = make(false, false, NULL);
    uint64_t *firsts = allocate(times, sizeof *firsts), circles = 0;
    for (size_t i = 0; i < n; i++) put(&c, &k.number[i], i), put(&g, &k.number[i], i);
    while (c.classic->h.oldbuckets) put(&c, &k.number[0], 0);
    json_open(NULL, '{');
    json_int("times", times);
    for (size_t i = 0; i < times; i++) {
        gomap_classic_iter it;
        gomap_classic_iter_init(&it, c.classic);
        must(gomap_classic_iter_next(&it), "there is nothing to visit");
        firsts[i] = *(const uint64_t *)it.key;
        gomap_classic_iter_end(&it);
        circles += in_a_circle(c.classic);
    }
    json_int("different_firsts", distinct(firsts, times));
    json_int("in_a_circle", circles);
    for (size_t i = 0; i < times; i++) {
        gomap_iter it;
        gomap_iter_init(&it, g.gomap);
        must(gomap_iter_next(&it), "there is nothing to visit");
        firsts[i] = *(const uint64_t *)it.key;
    }
    json_int("gomap_different_firsts", distinct(firsts, times));
    json_close('}');
    gomap_classic_free(c.classic);
    gomap_free(g.gomap);
    free(firsts);
    free_keys(&k);
}

int main(int argc, char **argv) {
    if (argc == 4 && is(argv[1], "order")) {
        order(number_arg(argv[2], "N", 10, 1000000), number_arg(argv[3], "TIMES", 1, 100000));
    } else if (argc == 7 && is(argv[1], "pass")) {
        size_t n = number_arg(argv[4], "N", 100, 100000000);
        pass(either(argv[2], "classic", "gomap"), either(argv[3], "string", "u64"), n,
             n * number_arg(argv[5], "LEFT", 1, 100) / 100, number_arg(argv[6], "SEEDING", 0, UINT32_MAX));
    } else {
        fail("usage: iteration pass classic|gomap u64|string N LEFT SEEDING, iteration order N TIMES");
    }
    putchar('\n');
    return 0;
}
