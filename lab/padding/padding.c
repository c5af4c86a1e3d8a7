/* padding.c - what the size of a value costs a map of strings, in bytes and in time.
 *
 *     padding classic|gomap BYTES ENTRIES SEED
 *
 * Prints bytes per entry, and processor time of a lookup (all keys, in an order of their own) and of a sweep over all
 * entries, each the best of three. */
#include "../measure.h"

#include "gomap/classic.h"

enum { KEY_BYTES = 16, VALUE_MOST = 64, PASSES = 3 };

struct made {
    gomap *map;
    gomap_classic *classic; /* one of the two */
    gomap_str *key;
    size_t n;
};

static gomap_str *make_keys(size_t n, uint64_t seed) {
    gomap_str *key = calloc(n, sizeof *key);
    char *text = malloc(n * (KEY_BYTES + 1));
    must(key && text, "out of memory");
    for (size_t i = 0; i < n; i++, text += KEY_BYTES + 1) {
        snprintf(text, KEY_BYTES + 1, "%016llx", (unsigned long long)mix(seed << 32 | i));
        key[i] = (gomap_str){text, KEY_BYTES};
    }
    return key;
}

static void make(struct made *m, bool classic, size_t bytes) {
    gomap_classic_config cc = GOMAP_CLASSIC_CONFIG_STRING(bytes);
    gomap_config gc = GOMAP_CONFIG_STRING(bytes);
    unsigned char value[VALUE_MOST];
    memset(value, 1, sizeof value);
    gc.keys = GOMAP_KEYS_BORROWED; /* as in Go, the map holds the string header alone */
    must(!(classic ? gomap_classic_new(&cc, &m->classic) : gomap_new(&gc, &m->map)), "no map");
    for (size_t i = 0; i < m->n; i++)
        must(!(classic ? gomap_classic_put(m->classic, &m->key[i], value)
                       : gomap_put(m->map, &m->key[i], value)),
             "out of memory");
}

static uint64_t bytes_of(const struct made *m) {
    gomap_classic_stats cs = {.size = sizeof cs};
    gomap_stats gs = {.size = sizeof gs};
    must(!(m->classic ? gomap_classic_get_stats(m->classic, &cs) : gomap_get_stats(m->map, &gs)), "no stats");
    return m->classic ? cs.bytes : gs.bytes;
}

static uint64_t look_up(const struct made *m) {
    uint64_t sum = 0;
    for (size_t i = 0, at = 0; i < m->n;
         i++) { /* a fixed odd step: every key once, not in the order of insertion */
        at = (at + 7919) % m->n;
        const unsigned char *v =
            m->classic ? gomap_classic_get(m->classic, &m->key[at]) : gomap_get(m->map, &m->key[at]);
        must(v, "a key is lost");
        sum += *v;
    }
    return sum;
}

static uint64_t sweep(const struct made *m) {
    uint64_t sum = 0;
    if (m->classic) {
        gomap_classic_iter it;
        for (gomap_classic_iter_init(&it, m->classic); gomap_classic_iter_next(&it);)
            sum += *(const unsigned char *)it.elem;
    } else {
        gomap_iter it;
        for (gomap_iter_init(&it, m->map); gomap_iter_next(&it);) sum += *(const unsigned char *)it.value;
    }
    return sum;
}

/* Nanoseconds an entry; every entry adds 1 to what the pass returns. */
static double best(const struct made *m, uint64_t (*pass)(const struct made *)) {
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < PASSES; i++) {
        uint64_t start = cpu_ns();
        uint64_t sum = pass(m);
        uint64_t took = cpu_ns() - start;
        must(sum == m->n, "not every entry was seen once");
        if (took < least) least = took;
    }
    return (double)least / (double)m->n;
}

int main(int argc, char **argv) {
    must(argc == 5, "usage: padding classic|gomap BYTES ENTRIES SEED");
    bool classic = !strcmp(argv[1], "classic");
    must(classic || !strcmp(argv[1], "gomap"), "which map?");
    size_t bytes = number_arg(argv[2], "bytes", 1, VALUE_MOST);
    struct made m = {.n = number_arg(argv[3], "entries", 1, 100000000)};
    must(m.n % 7919, "a number of entries that 7919 divides");
    m.key = make_keys(m.n, number_arg(argv[4], "seed", 0, UINT32_MAX));
    make(&m, classic, bytes);
    double hit = best(&m, look_up), pass = best(&m, sweep);
    printf("{\"bytes\":%.3f,\"hit_ns\":%.3f,\"sweep_ns\":%.3f}\n", (double)bytes_of(&m) / (double)m.n, hit,
           pass);
    return 0;
}
