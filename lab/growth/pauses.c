/* pauses.c - how long single steps of a growth take.
 *
 *     pauses N SEED
 *
 *     writes   N inserts into an empty map, each timed.  Of classic by what it did: "plain"; "evacuating", one or two old
 *              chains; "starting", a new array, and the first chains.  gomap's are all together.
 *     arrays   making a map with room for 13/2 * 2^B entries: what an array of that size costs to get
 *     chains   evacuations of one long chain, all entries of one bucket, by its length
 *
 * Processor time of the thread, reading the clock taken off: a pause that another process makes is not one of the map. */
#include "subject.h"

#include "gomap/classic.h"

enum { KINDS = 3, CHAIN_MOST = 12000, REPEAT = 31 };
static const char *const kind_name[KINDS] = {"plain", "evacuating", "starting"};

static uint64_t clock_cost;

static uint64_t since(uint64_t start) {
    uint64_t took = cpu_ns() - start;
    return took > clock_cost ? took - clock_cost : 0;
}

static void learn_clock_cost(void) {
    clock_cost = UINT64_MAX;
    for (int i = 0; i < 1000; i++) {
        uint64_t start = cpu_ns(), took = cpu_ns() - start;
        if (took < clock_cost) clock_cost = took;
    }
}

/* ---- samples ------------------------------------------------------------------------------------------- */

struct samples {
    uint64_t *ns;
    size_t n;
};

static uint64_t at_share(const struct samples *s, double share) {
    return s->ns[(size_t)(share * (double)(s->n - 1) + 0.5)];
}

static void put_samples(const char *name, struct samples *s) {
    qsort(s->ns, s->n, sizeof *s->ns, by_number);
    json_open(name, '{');
    json_int("n", s->n);
    if (s->n) {
        json_int("p50", at_share(s, 0.5));
        json_int("p99", at_share(s, 0.99));
        json_int("max", at_share(s, 1));
    }
    json_close('}');
}

/* ---- writes -------------------------------------------------------------------------------------------- */

static unsigned what; /* index of kind_name: what the write under way did */
static uint64_t chains_moved, entries_moved;

static void on_start(const gomap_classic *m, unsigned before, unsigned after, size_t bytes, void *ctx) {
    (void)m, (void)before, (void)after, (void)bytes, (void)ctx;
    what = 2;
}
static void on_evacuate(const gomap_classic *m, size_t old, size_t entries, size_t upper, void *ctx) {
    (void)m, (void)old, (void)upper, (void)ctx;
    if (what < 1) what = 1;
    chains_moved++, entries_moved += entries;
}

static void classic_writes(const struct keys *k, bool string) {
    struct samples s[KINDS];
    gomap_classic_config c = string ? GOMAP_CLASSIC_CONFIG_STRING(8) : GOMAP_CLASSIC_CONFIG(8, 8);
    gomap_classic *m;
    for (int i = 0; i < KINDS; i++) s[i] = (struct samples){allocate(k->n, sizeof(uint64_t)), 0};
    c.hooks.grow_start = on_start, c.hooks.evacuate = on_evacuate;
    must(!gomap_classic_new(&c, &m), "out of memory");
    chains_moved = entries_moved = 0;
    for (size_t i = 0; i < k->n; i++) {
        what = 0;
        uint64_t start = cpu_ns();
        gomap_err err = gomap_classic_put(m, string ? (const void *)&k->string[i] : &k->number[i], &i);
        uint64_t took = since(start);
        must(!err, "out of memory");
        s[what].ns[s[what].n++] = took;
    }
    must(gomap_classic_verify(m, NULL, 0) == 0 && gomap_classic_len(m) == k->n, "an invariant is broken");
    json_open(string ? "classic_string" : "classic_u64", '{');
    for (int i = 0; i < KINDS; i++) {
        put_samples(kind_name[i], &s[i]);
        free(s[i].ns);
    }
    json_int("chains_moved", chains_moved);
    json_int("entries_moved", entries_moved);
    json_close('}');
    gomap_classic_free(m);
}

static void gomap_writes(const struct keys *k) {
    struct samples s = {allocate(k->n, sizeof(uint64_t)), 0};
    gomap_config c = GOMAP_CONFIG(8, 8);
    gomap *m;
    must(!gomap_new(&c, &m), "out of memory");
    for (size_t i = 0; i < k->n; i++) {
        uint64_t start = cpu_ns();
        gomap_err err = gomap_put(m, &k->number[i], &i);
        s.ns[s.n++] = since(start);
        must(!err, "out of memory");
    }
    must(gomap_len(m) == k->n, "entries were lost");
    json_open("gomap_u64", '{');
    put_samples("all", &s);
    json_close('}');
    gomap_free(m);
    free(s.ns);
}

/* ---- arrays -------------------------------------------------------------------------------------------- */

static void put_arrays(unsigned most) {
    json_open("arrays", '[');
    for (unsigned b = 1; b <= most; b++) {
        uint64_t ns[REPEAT];
        struct samples s = {ns, REPEAT};
        gomap_classic_stats stats = {.size = sizeof stats};
        for (int i = 0; i < REPEAT; i++) {
            gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
            gomap_classic *m;
            c.hint = (int64_t)gomap_classic_grow_at(b) - 1;
            uint64_t start = cpu_ns();
            gomap_err err = gomap_classic_new(&c, &m);
            ns[i] = since(start);
            must(!err && !gomap_classic_get_stats(m, &stats) && stats.B == b, "not the B that was asked for");
            gomap_classic_free(m);
        }
        json_open(NULL, '{');
        json_int("B", b);
        json_int("bytes", stats.bytes);
        put_samples("ns", &s);
        json_close('}');
    }
    json_close(']');
}

/* ---- long chains --------------------------------------------------------------------------------------- */

/* All keys in bucket 0, whatever the size of the table; tophash as good as ever. */
static uint64_t one_bucket(const void *key, uint32_t seed, void *ctx) {
    (void)seed, (void)ctx;
    return mix(*(const uint64_t *)key) << 48;
}

static size_t chain_entries;
static void on_long_chain(const gomap_classic *m, size_t old, size_t entries, size_t upper, void *ctx) {
    (void)m, (void)old, (void)upper, (void)ctx;
    if (entries > chain_entries) chain_entries = entries;
}

/* As many overflow buckets as buckets start a growth again and again, so the chain moves at many lengths. */
static void put_chains(const struct keys *k) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
    gomap_classic *m;
    size_t next = 64;
    c.hash = one_bucket;
    c.hooks.evacuate = on_long_chain;
    must(!gomap_classic_new(&c, &m), "out of memory");
    json_open("chains", '[');
    for (size_t i = 0; i < k->n && i < CHAIN_MOST; i++) {
        chain_entries = 0;
        uint64_t start = cpu_ns();
        gomap_err err = gomap_classic_put(m, &k->number[i], &i);
        uint64_t took = since(start);
        must(!err, "out of memory");
        if (chain_entries < next) continue;
        next = chain_entries + chain_entries / 4;
        json_open(NULL, '{');
        json_int("entries", chain_entries);
        json_int("ns", took);
        json_close('}');
    }
    json_close(']');
    json_int("chain_broken", (uint64_t)gomap_classic_verify(m, NULL, 0));
    gomap_classic_free(m);
}

int main(int argc, char **argv) {
    if (argc != 3) fail("usage: pauses N SEED");
    struct keys k =
        make_keys(number_arg(argv[1], "N", 1000, 100000000), number_arg(argv[2], "SEED", 0, UINT32_MAX));
    unsigned most = 1;
    while (gomap_classic_grow_at(most) <= k.n) most++;
    learn_clock_cost();
    json_open(NULL, '{');
    classic_writes(&k, false);
    classic_writes(&k, true);
    gomap_writes(&k);
    put_arrays(most);
    put_chains(&k);
    json_close('}');
    putchar('\n');
    free_keys(&k);
    return 0;
}
