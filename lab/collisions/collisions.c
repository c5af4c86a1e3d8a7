/* lab/collisions/collisions.c - what keys that collide on purpose cost in a map.
 *
 *     collisions MAP ATTACK N OPS SEED
 *
 * fills a map with N keys, looks OPS times for one of them and OPS times for others, and runs OPS finds, erasures and
 * inserts on it.  Comparisons are counted in the equality function; all times are processor time of this thread.
 *
 *     MAP      list tree glib classic classic-fresh gomap gomap-own
 *     ATTACK   none   random keys
 *              low    the lowest 16 bits of all hashes are equal: one bucket of classic
 *              top    the highest 8 bits are equal: one tophash
 *              both   these and those
 *              same   whole hashes are equal: "Aa" and "BB" under the polynomial with 31
 *              leaked the keys all fall into one quad of gomap, whose secret seed the attacker has
 *
 * Keys have 32 bytes.  Under the first four the first eight are a number whose hash is a bijection of it and of a seed:
 * whoever knows the seed turns a wanted hash back into its key.  classic has that seed as its hash0; classic-fresh is
 * attacked with the same keys, but drew a hash0 of its own.  gomap gets the same function as a user's hash;
 * gomap-own hashes by itself, and leaked keys are found by trying.
 */
#include "../measure.h"

#include "gomap/classic.h"
#include "gomap/probe.h"

#include <glib.h>

enum { KEY_BYTES = 32, KNOWN_SEED = 0x5eed, LEAKED_BITS = 12 };

struct key {
    char byte[KEY_BYTES];
};
typedef enum attack { NONE, LOW, TOP, BOTH, SAME, LEAKED } attack;
static const char *const attacks[] = {"none", "low", "top", "both", "same", "leaked", NULL};

static attack under;
static uint64_t compared; /* calls of an equality or order function with two different pointers */

/* ---- keys ---------------------------------------------------------------------------------------------- */

static uint64_t inverse_of(uint64_t odd) {
    uint64_t x = odd;
    for (int i = 0; i < 6; i++) x *= 2 - odd * x; /* doubles the bits that are right */
    return x;
}

/* The number whose mix() is z. */
static uint64_t unmix(uint64_t z) {
    z ^= z >> 31 ^ z >> 62;
    z *= inverse_of(0x94d049bb133111eb);
    z ^= z >> 27 ^ z >> 54;
    z *= inverse_of(0xbf58476d1ce4e5b9);
    z ^= z >> 30 ^ z >> 60;
    return z - 0x9e3779b97f4a7c15;
}

static uint64_t hash_key(const struct key *key, uint64_t seed) {
    uint64_t number, h = 0;
    if (under == SAME) {
        for (int i = 0; i < KEY_BYTES; i++) h = h * 31 + (uint8_t)key->byte[i];
        return h;
    }
    memcpy(&number, key->byte, sizeof number);
    return mix(number ^ seed * 0x9e3779b97f4a7c15);
}

/* Key i of an attack; number is what its first eight bytes shall be, where they are free. */
static struct key make_key(size_t i, uint64_t number) {
    struct key key = {{0}};
    uint64_t secret = KNOWN_SEED * 0x9e3779b97f4a7c15;
    if (under == SAME) {
        for (int pair = 0; pair < KEY_BYTES / 2; pair++)
            memcpy(key.byte + 2 * pair, i >> pair & 1 ? "Aa" : "BB", 2);
        return key;
    }
    if (under == LOW) number = unmix(mix(i) << 16 | 0xbeef) ^ secret;
    if (under == TOP) number = unmix(UINT64_C(0xc0) << 56 | mix(i) >> 8) ^ secret;
    if (under == BOTH) number = unmix((uint64_t)i << 16 | 0xbeef) ^ secret;
    memcpy(key.byte, &number, sizeof number);
    return key;
}

static int equal(const void *a, const void *b, void *ctx) {
    (void)ctx;
    compared += a != b;
    return !memcmp(a, b, KEY_BYTES);
}

/* ---- maps ---------------------------------------------------------------------------------------------- */

static uint64_t hash_classic(const void *key, uint32_t seed, void *ctx) {
    (void)ctx;
    return hash_key(key, seed);
}
static uint64_t hash_gomap(const void *key, void *ctx) {
    (void)ctx;
    return hash_key(key, KNOWN_SEED);
}
static guint hash_glib(gconstpointer key) {
    uint64_t h = hash_key(key, KNOWN_SEED);
    return (guint)(h ^ h >> 32);
}
static gboolean equal_glib(gconstpointer a, gconstpointer b) { return equal(a, b, NULL); }
static gint order_glib(gconstpointer a, gconstpointer b, gpointer ctx) {
    (void)ctx;
    compared++;
    return memcmp(a, b, KEY_BYTES);
}
static uint64_t known(void *ctx) {
    (void)ctx;
    return KNOWN_SEED;
}

struct node {
    struct node *next;
    const struct key *key;
};
struct list {
    struct node *first;
};

static void *make_list(void) {
    struct list *list = calloc(1, sizeof *list);
    must(list, "out of memory");
    return list;
}
static struct node **in_list(struct list *list, const struct key *key) {
    struct node **at = &list->first;
    while (*at && !equal((*at)->key, key, NULL)) at = &(*at)->next;
    return at;
}
static void list_insert(void *map, const struct key *key) {
    struct node **at = in_list(map, key);
    if (*at) return;
    *at = malloc(sizeof **at);
    must(*at, "out of memory");
    **at = (struct node){NULL, key};
}
static bool list_find(void *map, const struct key *key) { return *in_list(map, key) != NULL; }
static void list_erase(void *map, const struct key *key) {
    struct node **at = in_list(map, key), *gone = *at;
    if (gone) *at = gone->next, free(gone);
}
static void list_free(void *map) {
    struct list *list = map;
    for (struct node *n = list->first, *next; n; n = next) next = n->next, free(n);
    free(list);
}

static void *make_tree(void) { return g_tree_new_full(order_glib, NULL, NULL, NULL); }
static void tree_insert(void *map, const struct key *key) {
    g_tree_insert(map, (gpointer)key, (gpointer)key);
}
static bool tree_find(void *map, const struct key *key) { return g_tree_lookup(map, key) != NULL; }
static void tree_erase(void *map, const struct key *key) { g_tree_remove(map, key); }
static void tree_free(void *map) { g_tree_destroy(map); }

static void *make_glib(void) { return g_hash_table_new(hash_glib, equal_glib); }
static void glib_insert(void *map, const struct key *key) { g_hash_table_add(map, (gpointer)key); }
static bool glib_find(void *map, const struct key *key) { return g_hash_table_contains(map, key); }
static void glib_erase(void *map, const struct key *key) { g_hash_table_remove(map, key); }
static void glib_free(void *map) { g_hash_table_destroy(map); }

static void *new_classic(uint64_t (*random)(void *)) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(KEY_BYTES, 0);
    gomap_classic *map;
    c.keys = GOMAP_CLASSIC_CUSTOM, c.hash = hash_classic, c.eq = equal, c.random = random;
    must(!gomap_classic_new(&c, &map), "no classic map");
    return map;
}
static void *make_classic(void) { return new_classic(known); }
static void *make_classic_fresh(void) { return new_classic(NULL); }
static void classic_insert(void *map, const struct key *key) {
    must(!gomap_classic_put(map, key, NULL), "no memory");
}
static bool classic_find(void *map, const struct key *key) { return gomap_classic_get(map, key) != NULL; }
static void classic_erase(void *map, const struct key *key) { gomap_classic_delete(map, key); }
static void classic_free(void *map) { gomap_classic_free(map); }

static void *new_gomap(bool own_hash) {
    gomap_config c = GOMAP_CONFIG(KEY_BYTES, 0);
    gomap *map;
    c.hash = own_hash ? NULL : hash_gomap, c.eq = equal;
    must(!gomap_new(&c, &map), "no gomap");
    return map;
}
static void *make_gomap(void) { return new_gomap(false); }
static void *make_gomap_own(void) { return new_gomap(true); }
static void gomap_insert(void *map, const struct key *key) { must(!gomap_put(map, key, NULL), "no memory"); }
static bool gomap_find(void *map, const struct key *key) { return gomap_has(map, key); }
static void gomap_erase(void *map, const struct key *key) { gomap_delete(map, key); }
static void free_gomap(void *map) { gomap_free(map); }

static const struct kind {
    const char *name;
    void *(*make)(void);
    void (*insert)(void *, const struct key *);
    bool (*find)(void *, const struct key *);
    void (*erase)(void *, const struct key *);
    void (*free)(void *);
} kinds[] = {
    {"list", make_list, list_insert, list_find, list_erase, list_free},
    {"tree", make_tree, tree_insert, tree_find, tree_erase, tree_free},
    {"glib", make_glib, glib_insert, glib_find, glib_erase, glib_free},
    {"classic", make_classic, classic_insert, classic_find, classic_erase, classic_free},
    {"classic-fresh", make_classic_fresh, classic_insert, classic_find, classic_erase, classic_free},
    {"gomap", make_gomap, gomap_insert, gomap_find, gomap_erase, free_gomap},
    {"gomap-own", make_gomap_own, gomap_insert, gomap_find, gomap_erase, free_gomap},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};

/* ---- measuring ----------------------------------------------------------------------------------------- */

/* 2n keys: the first half goes in, the second never does. */
static struct key *make_keys(void *map, size_t n, uint64_t seed) {
    struct key *keys = calloc(2 * n, sizeof *keys);
    must(keys, "out of memory");
    for (size_t i = 0, tries = 0; i < 2 * n; i++) do
            keys[i] = make_key(i, mix(mix(seed) + tries++));
        while (under == LEAKED && gomap__hash_bytes(map, keys[i].byte, KEY_BYTES) >> (64 - LEAKED_BITS));
    return keys;
}

struct cost {
    uint64_t ns, compared;
};
static struct cost now(void) { return (struct cost){cpu_ns(), compared}; }
static void print_cost(const char *what, struct cost before, size_t n) {
    struct cost after = now();
    printf("\"%s_ns\":%.2f,\"%s_compares\":%.4f,", what, (double)(after.ns - before.ns) / (double)n, what,
           (double)(after.compared - before.compared) / (double)n);
}

/* The same fill once more, each insert by itself: the slowest, and the one with most comparisons. */
static void print_worst(const struct kind *k, void *map, const struct key *keys, size_t n) {
    uint64_t slowest = 0, most = 0;
    for (size_t i = 0; i < n; i++) k->erase(map, &keys[i]);
    for (size_t i = 0; i < n; i++) {
        uint64_t before = compared, start = cpu_ns(), took;
        k->insert(map, &keys[i]);
        took = cpu_ns() - start;
        if (took > slowest) slowest = took;
        if (compared - before > most) most = compared - before;
    }
    printf("\"worst_insert_ns\":%lu,\"worst_insert_compares\":%lu,", (unsigned long)slowest,
           (unsigned long)most);
}

/* Half finds, a quarter erasures, each followed by the insert of the same key. */
static void mixed(const struct kind *k, void *map, const struct key *keys, size_t n, size_t ops,
                  uint64_t seed) {
    uint64_t r = 0;
    for (size_t i = 0; i < ops; i++) {
        if (i % 4 != 3) r = mix(seed + i) % n;
        if (i % 4 < 2)
            must(k->find(map, &keys[r]), "a key was lost");
        else if (i % 4 == 2)
            k->erase(map, &keys[r]);
        else
            k->insert(map, &keys[r]);
    }
}

static void print_shape(const struct kind *k, void *map) {
    if (k->make == make_classic || k->make == make_classic_fresh) {
        gomap_classic_stats s = {.size = sizeof s};
        uint64_t length[1];
        must(!gomap_classic_get_stats(map, &s), "no figures");
        printf("\"B\":%u,\"longest_chain\":%zu,", s.B, gomap_classic_chains(map, length, 1));
    }
    if (k->make == make_gomap || k->make == make_gomap_own) {
        gomap_stats s = {.size = sizeof s};
        must(!gomap_get_stats(map, &s), "no figures");
        printf("\"chained\":%lu,\"stashed\":%lu,\"alarms\":%lu,\"reseeds\":%lu,", (unsigned long)s.chained,
               (unsigned long)s.stashed, (unsigned long)s.alarms, (unsigned long)s.reseeds);
    }
}

static void measure(const struct kind *k, size_t n, size_t ops, uint64_t seed) {
    void *map = k->make();
    struct key *keys = make_keys(map, n, seed);
    struct cost start = now();
    size_t found = 0;
    printf("{");
    for (size_t i = 0; i < n; i++) k->insert(map, &keys[i]);
    print_cost("insert", start, n);
    start = now();
    for (size_t i = 0; i < ops; i++) found += k->find(map, &keys[mix(seed + i) % n]);
    print_cost("hit", start, ops);
    must(found == ops, "a key was lost");
    start = now();
    for (size_t i = 0; i < ops; i++) found += k->find(map, &keys[n + i % n]);
    print_cost("miss", start, ops);
    must(found == ops, "a key was found that was never put");
    start = now();
    mixed(k, map, keys, n, ops, seed);
    print_cost("mixed", start, ops);
    print_shape(k, map);
    print_worst(k, map, keys, n);
    printf("\"n\":%zu}\n", n);
    k->free(map);
    free(keys);
}

int main(int argc, char **argv) {
    must(argc == 6, "usage: collisions MAP ATTACK N OPS SEED");
    const struct kind *k = kinds;
    while (k->name && strcmp(k->name, argv[1]) != 0) k++;
    must(k->name, "no such map");
    int a = 0;
    while (attacks[a] && strcmp(attacks[a], argv[2]) != 0) a++;
    must(attacks[a], "no such attack");
    under = (attack)a;
    must(under != LEAKED || k->make == make_gomap_own, "leaked keys are for gomap-own");
    must(under == NONE || under == LEAKED || k->make != make_gomap_own, "gomap-own has a hash of its own");
    /* two to the sixteenth texts of Aa and BB */
    size_t n = number_arg(argv[3], "N", 1, under == SAME ? 1 << 15 : 10000000);
    must(unmix(mix(12345)) == 12345, "unmix does not undo mix");
    measure(k, n, number_arg(argv[4], "OPS", 1, 1000000000), number_arg(argv[5], "SEED", 0, UINT32_MAX));
    return 0;
}
