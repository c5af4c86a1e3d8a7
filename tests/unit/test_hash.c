/* tests/unit/test_hash.c - are the hashes as good as the table needs them?
 *
 * The table reads the high bits of a hash (the group) and the low byte (the tophash), of keys that people choose:
 * counters, multiples, few bits set, permutations of few words, texts that differ in their length alone.  For
 * each hash that a map can have (integers: AES rounds, folded multiplies; bytes: AES rounds, SipHash-1-3):
 *
 *   vectors    SipHash-1-3 against the 64 of its reference implementation
 *   avalanche  each bit of the key flips each bit of the hash with probability 1/2; worst bias below 1 %
 *   seeds      one key under many seeds, and many keys under two: as chance has it (single bits of a seed are not
 *              flipped: seeds are drawn whole)
 *   key sets   no two hashes equal; entries a quad, tophashes and pairs of high halves as chance has them
 *   a table    filled until just before it grows: the fullest quad, and the entries in chains, at most as Poisson says.
 *              The bound is the one asked of a bucket chain: expected 3e-7 times per run, so that a failure
 *              means a bad hash
 *
 * Bounds are so many standard deviations (SIGMAS) that chance breaks one in 10^6 runs or less.  Where the program is
 * slowed down by sanitizers or valgrind there are fewer samples, and the bound on the bias widens with them.
 */
#include "../support.h"

#include "gomap/probe.h"

#include <math.h>
#include <stdio.h>

#define SIGMAS 6.5

struct hash {
    const char *name;
    uint8_t kind;
    bool integer; /* eight bytes, inlined; else any bytes */
};
static const struct hash hashes[] = {
    {"integers by AES", GOMAP_HASH_AES, true},
    {"integers by multiplies", GOMAP_HASH_MUM, true},
    {"bytes by AES", GOMAP_HASH_AES, false},
    {"bytes by SipHash", GOMAP_HASH_SIP, false},
};
enum { HASHES = sizeof hashes / sizeof *hashes };

/* Does this program run many times slower than it was compiled to? */
static bool slow(void) {
    const char *preload = getenv("LD_PRELOAD"); /* valgrind loads its helpers by it */
    return t_sanitized() || (preload && strstr(preload, "vgpreload"));
}

/* Without AES in the processor, byte strings of kind AES do not exist. */
static bool exists(const struct hash *f) {
    gomap_config c = GOMAP_CONFIG_STRING(8);
    gomap *m = t_new(&c);
    bool aes = t_raw(m)->hash_kind == GOMAP_HASH_AES;
    gomap_free(m);
    return aes || f->kind != GOMAP_HASH_AES;
}

static void new_seed(const struct hash *f, struct gomap *m) {
    *m = (struct gomap){.hash_kind = f->kind};
    for (int i = 0; i < 4; i++) m->seed[i] = t_rand();
    m->seed[1] |= 1; /* as the library does */
}

static uint64_t hash(const struct hash *f, const struct gomap *m, const void *p, size_t n) {
    uint64_t word;
    if (!f->integer) return gomap__hash_bytes(m, p, n);
    memcpy(&word, p, sizeof word);
    return gomap__hash_int(m, word);
}

/* ---- vectors ----------------------------------------------------------------------------------------- */

/* Key 00 01 .. 0f, message 00 01 .. n-1, as 64-bit little-endian words. */
static const uint64_t sip13[64] = {
    UINT64_C(0xabac0158050fc4dc), UINT64_C(0xc9f49bf37d57ca93), UINT64_C(0x82cb9b024dc7d44d),
    UINT64_C(0x8bf80ab8e7ddf7fb), UINT64_C(0xcf75576088d38328), UINT64_C(0xdef9d52f49533b67),
    UINT64_C(0xc50d2b50c59f22a7), UINT64_C(0xd3927d989bb11140), UINT64_C(0x369095118d299a8e),
    UINT64_C(0x25a48eb36c063de4), UINT64_C(0x79de85ee92ff097f), UINT64_C(0x70c118c1f94dc352),
    UINT64_C(0x78a384b157b4d9a2), UINT64_C(0x306f760c1229ffa7), UINT64_C(0x605aa111c0f95d34),
    UINT64_C(0xd320d86d2a519956), UINT64_C(0xcc4fdd1a7d908b66), UINT64_C(0x9cf2689063dbd80c),
    UINT64_C(0x8ffc389cb473e63e), UINT64_C(0xf21f9de58d297d1c), UINT64_C(0xc0dc2f46a6cce040),
    UINT64_C(0xb992abfe2b45f844), UINT64_C(0x7ffe7b9ba320872e), UINT64_C(0x525a0e7fdae6c123),
    UINT64_C(0xf464aeb267349c8c), UINT64_C(0x45cd5928705b0979), UINT64_C(0x3a3e35e3ca9913a5),
    UINT64_C(0xa91dc74e4ade3b35), UINT64_C(0xfb0bed02ef6cd00d), UINT64_C(0x88d93cb44ab1e1f4),
    UINT64_C(0x540f11d643c5e663), UINT64_C(0x2370dd1f8c21d1bc), UINT64_C(0x81157b6c16a7b60d),
    UINT64_C(0x4d54b9e57a8ff9bf), UINT64_C(0x759f12781f2a753e), UINT64_C(0xcea1a3bebf186b91),
    UINT64_C(0x2cf508d3ada26206), UINT64_C(0xb6101c2da3c33057), UINT64_C(0xb3f47496ae3a36a1),
    UINT64_C(0x626b57547b108392), UINT64_C(0xc1d2363299e41531), UINT64_C(0x667cc1923f1ad944),
    UINT64_C(0x65704ffec8138825), UINT64_C(0x24f280d1c28949a6), UINT64_C(0xc2ca1cedfaf8876b),
    UINT64_C(0xc2164bfc9f042196), UINT64_C(0xa16e9c9368b1d623), UINT64_C(0x49fb169c8b5114fd),
    UINT64_C(0x9f3143f8df074c46), UINT64_C(0xc6fdaf2412cc86b3), UINT64_C(0x7eaf49d10a52098f),
    UINT64_C(0x1cf313559d292f9a), UINT64_C(0xc44a30dda2f41f12), UINT64_C(0x36fae98943a71ed0),
    UINT64_C(0x318fb34c73f0bce6), UINT64_C(0xa27abf3670a7e980), UINT64_C(0xb4bcc0db243c6d75),
    UINT64_C(0x23f8d852fdb71513), UINT64_C(0x8f035f4da67d8a08), UINT64_C(0xd89cd0e5b7e8f148),
    UINT64_C(0xf6f4e6bcf7a644ee), UINT64_C(0xaec59ad80f1837f2), UINT64_C(0xc3b2f6154b6694e0),
    UINT64_C(0x9d199062b7bbb3a8),
};

static void test_siphash_vectors(void **st) {
    (void)st;
    struct gomap m = {.hash_kind = GOMAP_HASH_SIP,
                      .seed = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};
    uint8_t message[64];
    for (size_t n = 0; n < 64; n++) {
        message[n] = (uint8_t)n;
        if (gomap__hash_bytes(&m, message, n) != sip13[n]) fail_msg("vector %zu", n);
    }
}

/* ---- avalanche ---------------------------------------------------------------------------------------- */

/* Counts set bits of words, column by column: bit i of plane p is bit p of the count of column i. */
enum { PLANES = 24 };
struct columns {
    uint64_t plane[PLANES];
};
static inline void count_bits(struct columns *c, uint64_t word) {
    for (int p = 0; word; p++) {
        uint64_t carry = c->plane[p] & word;
        c->plane[p] ^= word;
        word = carry;
    }
}

static uint64_t column(const struct columns *c, int bit) {
    uint64_t n = 0;
    for (int p = 0; p < PLANES; p++) n |= (c->plane[p] >> bit & 1) << p;
    return n;
}

/* How far from "half of the time" does any bit of the hash flip? 0: exactly half; 1: always or never. */
static double bias_of(const struct columns *c, uint64_t samples) {
    double worst = 0;
    for (int bit = 0; bit < 64; bit++) {
        double b = fabs(2.0 * (double)column(c, bit) / (double)samples - 1);
        if (b > worst) worst = b;
    }
    return worst;
}

static uint64_t samples(void) { return slow() ? 1 << 15 : t_scale(UINT64_C(1) << 19, UINT64_C(1) << 20); }

static void assert_unbiased(const struct hash *f, const char *what, size_t bytes, size_t bit, double bias) {
    double chance = SIGMAS / sqrt((double)samples());
    double bound = chance > 0.01 ? chance : 0.01;
    if (bias > bound)
        fail_msg("%s, %zu bytes: bit %zu of the %s flips some bit of the hash with a bias of %.3f %%, bound "
                 "%.3f %%",
                 f->name, bytes, bit, what, 100 * bias, 100 * bound);
}

static void fill_random(uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i += 8) {
        uint64_t w = t_rand();
        memcpy(p + i, &w, n - i < 8 ? n - i : 8);
    }
}

/* Bits to try: all, or so many drawn ones. */
static size_t draw_bits(size_t *bit, size_t of, size_t most) {
    size_t n = of < most ? of : most;
    for (size_t i = 0; i < n; i++) bit[i] = of <= most ? i : t_below(of);
    return n;
}

static double key_avalanche(const struct hash *f, size_t bytes, size_t most) {
    struct gomap m;
    size_t bit[64], n = draw_bits(bit, bytes * 8, most);
    static struct columns c[64];
    uint8_t key[256];
    double worst = 0;
    memset(c, 0, sizeof c);
    new_seed(f, &m); /* one for all keys: a map has one */
    for (uint64_t s = 0; s < samples(); s++) {
        if (bytes < 3) new_seed(f, &m); /* too few keys to sample them */
        fill_random(key, bytes);
        uint64_t h = hash(f, &m, key, bytes);
        for (size_t i = 0; i < n; i++) {
            key[bit[i] / 8] ^= (uint8_t)(1 << bit[i] % 8);
            count_bits(&c[i], h ^ hash(f, &m, key, bytes));
            key[bit[i] / 8] ^= (uint8_t)(1 << bit[i] % 8);
        }
    }
    for (size_t i = 0; i < n; i++) {
        double b = bias_of(&c[i], samples());
        assert_unbiased(f, "key", bytes, bit[i], b);
        worst = b > worst ? b : worst;
    }
    return worst;
}

static const size_t lengths[] = {1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 64, 65, 100, 200};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

static void test_each_key_bit_flips_half_of_the_hash(void **st) {
    (void)st;
    for (int i = 0; i < HASHES; i++) {
        const struct hash *f = &hashes[i];
        double worst = 0;
        if (!exists(f)) continue;
        for (int l = 0; l < LENGTHS; l++) {
            double b = key_avalanche(f, f->integer ? 8 : lengths[l], f->integer ? 64 : t_scale(2, 32));
            worst = b > worst ? b : worst;
            if (f->integer) break;
        }
        printf("# %s: worst bias of a key bit %.3f %%\n", f->name, 100 * worst);
    }
}

/* The check itself: a hash that drops a bit, and one that keeps one apart, must be seen. */
static void test_bias_is_seen(void **st) {
    (void)st;
    struct columns never = {{0}}, often = {{0}};
    for (uint64_t s = 0; s < 10000; s++) {
        uint64_t flips = t_rand();
        count_bits(&never, flips & ~UINT64_C(1));
        count_bits(&often, flips | (t_below(10) ? 0 : UINT64_C(1) << 63));
    }
    assert_true(bias_of(&never, 10000) > 0.99);
    assert_true(bias_of(&often, 10000) > 0.06 && bias_of(&often, 10000) < 0.14);
}

/* ---- sets of keys ------------------------------------------------------------------------------------- */

struct set {
    uint64_t *hash, n, room;
};

static void add(struct set *s, uint64_t h) {
    assert_true(s->n < s->room);
    s->hash[s->n++] = h;
}

static int by_value(const void *a, const void *b) {
    uint64_t x, y;
    memcpy(&x, a, 8), memcpy(&y, b, 8);
    return x < y ? -1 : x > y;
}

/* Sum of (counted - expected)^2 / expected over cells, in standard deviations from what chance gives. */
static double chi_square(const uint32_t *cell, uint64_t cells, uint64_t n) {
    double expected = (double)n / (double)cells, sum = 0;
    for (uint64_t i = 0; i < cells; i++) sum += pow(cell[i] - expected, 2) / expected;
    double dof = (double)cells - 1;
    return (sum - dof) / sqrt(2 * dof);
}

static void check_set(const struct hash *f, const char *what, struct set *s) {
    uint64_t quads = s->n / 48 + 1, equal = 0, halves = 0;
    uint32_t tag[256] = {0}, *quad = calloc(quads, sizeof *quad);
    assert_non_null(quad);
    for (uint64_t i = 0; i < s->n; i++) {
        tag[s->hash[i] & 255]++;
        quad[gomap__group_of(s->hash[i], quads)]++;
    }
    double of_quads = chi_square(quad, quads, s->n), of_tags = chi_square(tag, 256, s->n);
    qsort(s->hash, s->n, sizeof *s->hash, by_value);
    for (uint64_t i = 1; i < s->n; i++) {
        equal += s->hash[i] == s->hash[i - 1];
        halves += s->hash[i] >> 32 == s->hash[i - 1] >> 32; /* what slots of string maps keep */
    }
    double pairs = (double)s->n * (double)s->n / 2 / 4294967296.0;
    if (equal || (double)halves > pairs + SIGMAS * sqrt(pairs + 1) + 3 || of_quads > SIGMAS ||
        of_tags > SIGMAS)
        fail_msg("%s, %s: %llu hashes, %llu equal, %llu equal high halves (chance: %.1f), quads %.1f and "
                 "tophashes "
                 "%.1f deviations from even",
                 f->name, what, (unsigned long long)s->n, (unsigned long long)equal,
                 (unsigned long long)halves, pairs, of_quads, of_tags);
    free(quad);
}

static uint64_t set_size(void) { return slow() ? 20000 : t_scale(100000, 2000000); }

typedef void (*keys_fn)(const struct hash *f, const struct gomap *m, struct set *s);

static void add_word(const struct hash *f, const struct gomap *m, struct set *s, uint64_t key) {
    add(s, hash(f, m, &key, sizeof key));
}

static void counters(const struct hash *f, const struct gomap *m, struct set *s) {
    while (s->n < s->room) add_word(f, m, s, s->n);
}
static void high_counters(const struct hash *f, const struct gomap *m, struct set *s) {
    while (s->n < s->room) add_word(f, m, s, s->n << 40);
}
static void byte_counters(const struct hash *f, const struct gomap *m, struct set *s) {
    while (s->n < s->room) add_word(f, m, s, s->n << 24);
}
static void pointers(const struct hash *f, const struct gomap *m, struct set *s) {
    while (s->n < s->room) add_word(f, m, s, UINT64_C(0x7f3a5c000000) + s->n * 64);
}
static void grid(const struct hash *f, const struct gomap *m, struct set *s) {
    while (s->n < s->room) add_word(f, m, s, (s->n % 1000) << 40 | s->n / 1000);
}
/* All keys with up to four bits set. */
static void sparse(const struct hash *f, const struct gomap *m, struct set *s) {
    for (int a = 0; a < 64; a++)
        for (int b = 0; b <= a; b++)
            for (int c = 0; c <= b; c++)
                for (int d = 0; d <= c; d++) {
                    if ((a == b) + (b == c) + (c == d) > (a == b && b == c && c == d ? 3 : 0)) continue;
                    uint64_t key = UINT64_C(1) << a | UINT64_C(1) << b | UINT64_C(1) << c | UINT64_C(1) << d;
                    if (s->n < s->room) add_word(f, m, s, key);
                }
}
/* A byte pattern of two, three, four bytes over and over. */
static void cyclic(const struct hash *f, const struct gomap *m, struct set *s) {
    for (uint64_t i = 0; s->n < s->room; i++) {
        uint32_t pattern = (uint32_t)(i * UINT64_C(0x9e3779b1)); /* one-to-one */
        add_word(f, m, s, (uint64_t)pattern << 32 | pattern);
    }
}
/* Words of four values per half byte, in every arrangement. */
static void arrangements(const struct hash *f, const struct gomap *m, struct set *s) {
    static const uint8_t value[4] = {0, 1, 2, 8};
    for (uint64_t i = 0; s->n < s->room; i++) {
        uint64_t key = 0;
        for (int k = 0; k < 16; k++) key |= (uint64_t)value[i >> (2 * k) & 3] << (4 * k);
        add_word(f, m, s, key);
    }
}

static const struct {
    const char *name;
    keys_fn make;
} words[] = {
    {"counters", counters},
    {"counters shifted by 40", high_counters},
    {"counters shifted by 24", byte_counters},
    {"addresses", pointers},
    {"x and y", grid},
    {"up to four bits", sparse},
    {"cycles", cyclic},
    {"arrangements", arrangements},
};

/* Texts: nothing but zeros of each length; a number at the end, or at the start, of a long text; repeated cycles. */
static void zeros(const struct hash *f, const struct gomap *m, struct set *s) {
    static const uint8_t zero[8192];
    for (size_t n = 0; n < sizeof zero && s->n < s->room; n++) add(s, hash(f, m, zero, n));
}
static void zeros_after_a_key(const struct hash *f, const struct gomap *m, struct set *s) {
    for (uint64_t i = 0; s->n + 32 < s->room; i++) {
        uint8_t text[40] = {0};
        uint64_t key = i + 1; /* its last byte is not zero for long: no two texts are equal but in length */
        memcpy(text, &key, sizeof key);
        for (size_t n = 8; n < 40; n++) add(s, hash(f, m, text, n));
    }
}
static void number_behind(const struct hash *f, const struct gomap *m, struct set *s) {
    char text[128] = "a prefix that many keys have in common, longer than a block: ";
    size_t at = strlen(text);
    while (s->n < s->room)
        add(s, hash(f, m, text,
                    at + (size_t)snprintf(text + at, sizeof text - at, "%llu", (unsigned long long)s->n)));
}
static void number_before(const struct hash *f, const struct gomap *m, struct set *s) {
    char text[128];
    while (s->n < s->room) {
        int n = snprintf(text, sizeof text, "%llu: and a common end", (unsigned long long)s->n);
        add(s, hash(f, m, text, (size_t)n));
    }
}
static void blocks_swapped(const struct hash *f, const struct gomap *m, struct set *s) {
    uint8_t text[64];
    for (uint64_t i = 0; s->n < s->room; i++) {
        for (int k = 0; k < 4; k++) { /* four blocks of 16 bytes, each one of 32 */
            memset(text + 16 * k, 0, 16);
            text[16 * k + (i >> 5 * k & 15)] = (uint8_t)(1 + (i >> (5 * k + 4) & 1));
        }
        if (i >> 20) break;
        add(s, hash(f, m, text, sizeof text));
    }
}
static const struct {
    const char *name;
    keys_fn make;
} texts[] = {
    {"zeros of each length", zeros},          {"zeros after a key", zeros_after_a_key},
    {"a number behind", number_behind},       {"a number in front", number_before},
    {"blocks in each order", blocks_swapped},
};

static void run_set(const struct hash *f, const char *name, keys_fn make) {
    struct gomap m;
    struct set s = {.room = set_size()};
    s.hash = malloc(s.room * sizeof *s.hash);
    assert_non_null(s.hash);
    for (uint64_t seeds = 0; seeds < t_scale(1, 4); seeds++) {
        s.n = 0;
        new_seed(f, &m);
        make(f, &m, &s);
        assert_true(s.n > 1000);
        check_set(f, name, &s);
    }
    free(s.hash);
}

static void test_key_sets_spread_as_chance_does(void **st) {
    (void)st;
    for (int i = 0; i < HASHES; i++) {
        if (!exists(&hashes[i])) continue;
        for (size_t k = 0; k < sizeof words / sizeof *words; k++)
            run_set(&hashes[i], words[k].name, words[k].make);
        for (size_t k = 0; !hashes[i].integer && k < sizeof texts / sizeof *texts; k++)
            run_set(&hashes[i], texts[k].name, texts[k].make);
    }
}

static void test_seeds_make_other_hashes(void **st) {
    (void)st;
    for (int i = 0; i < HASHES; i++) {
        const struct hash *f = &hashes[i];
        struct set s = {.room = set_size()};
        struct gomap m, other;
        if (!exists(f)) continue;
        s.hash = malloc(s.room * sizeof *s.hash);
        assert_non_null(s.hash);
        uint64_t key = t_rand();
        while (s.n < s.room) {
            new_seed(f, &m);
            add_word(f, &m, &s, key);
        }
        check_set(f, "a key under many seeds", &s);
        s.n = 0;
        new_seed(f, &m), new_seed(f, &other);
        while (s.n < s.room) {
            key = s.n;
            add(&s, hash(f, &m, &key, sizeof key) ^ hash(f, &other, &key, sizeof key));
        }
        check_set(f, "counters under two seeds, the difference", &s);
        free(s.hash);
    }
}

/* Other bytes cannot make up for another length. Once the length was added to the first block, and these texts had
 * equal hashes under every seed. */
static void test_length_is_no_part_of_a_block(void **st) {
    (void)st;
    for (int i = 0; i < HASHES; i++) {
        struct gomap m;
        const uint8_t nine[9] = {1, 3}, ten[10] = {1 ^ 9 ^ 10, 3};
        uint8_t longer[32] = {0}, shorter[31] = {0};
        if (hashes[i].integer || !exists(&hashes[i])) continue;
        new_seed(&hashes[i], &m);
        assert_true(gomap__hash_bytes(&m, nine, sizeof nine) != gomap__hash_bytes(&m, ten, sizeof ten));
        shorter[0] = shorter[8] = 31 ^ 32;
        assert_true(gomap__hash_bytes(&m, longer, sizeof longer) !=
                    gomap__hash_bytes(&m, shorter, sizeof shorter));
    }
}

/* ---- a table ------------------------------------------------------------------------------------------ */

/* Poisson: log of the chance of exactly k where mean is expected. */
static double log_poisson(double mean, unsigned k) { return k * log(mean) - mean - lgamma(k + 1.0); }

/* The least fill that quads expected to hold mean each reach less often than `often` times in all. */
static unsigned too_full(double mean, double quads, double often) {
    unsigned k = 400;
    double tail = 0;
    for (; k; k--) {
        tail += exp(log_poisson(mean, k));
        if (tail * quads > often) break;
    }
    return k + 1;
}

/* Entries expected beyond the slots of a quad, and their variance, summed over all quads. */
static double expected_beyond(double mean, double quads, double *variance) {
    double first = 0, second = 0;
    for (unsigned k = GOMAP_QUAD_SLOTS + 1; k < 400; k++) {
        double p = exp(log_poisson(mean, k)), over = k - GOMAP_QUAD_SLOTS;
        first += p * over, second += p * over * over;
    }
    *variance = quads * (second - first * first);
    return quads * first;
}

static gomap *full_table(const struct hash *f, uint64_t least, bool text) {
    gomap_config c = text ? GOMAP_CONFIG_STRING(0) : GOMAP_CONFIG(8, 0);
    c.hashing = f->kind == GOMAP_HASH_AES   ? GOMAP_HASHING_AUTO
                : f->kind == GOMAP_HASH_SIP ? GOMAP_HASHING_STRICT
                                            : GOMAP_HASHING_PORTABLE;
    gomap *m = t_new(&c);
    const struct gomap *raw = t_raw(m);
    assert_int_equal(raw->hash_kind, f->kind);
    for (uint64_t k = 0; k < least || raw->count < raw->limit || (raw->side && raw->side->walk); k++) {
        char name[32];
        gomap_str s = {name,
                       text ? (size_t)snprintf(name, sizeof name, "key %llu", (unsigned long long)k) : 0};
        T_OK(gomap_put(m, text ? (const void *)&s : &k, NULL));
    }
    return m;
}

static void test_fullest_quad_of_a_full_table(void **st) {
    (void)st;
#ifdef GOMAP_SMALL_LIMITS
    puts("SKIP: small limits make tables that are full in another way");
    skip();
#endif
    for (int i = 0; i < HASHES; i++) {
        const struct hash *f = &hashes[i];
        bool text = !f->integer;
        if (!exists(f)) continue;
        gomap *m = full_table(f, slow() ? 5000 : t_scale(200000, 10000000), text);
        const struct gomap *raw = t_raw(m);
        uint64_t quads = raw->ngroups / 4, n = raw->count, worst = 0; /* of whole quads */
        uint32_t *quad = calloc(quads + 1, sizeof *quad);
        gomap_iter it;
        for (gomap_iter_init(&it, m); gomap_iter_next(&it);) {
            uint64_t h = text ? gomap__hash_bytes(raw, it.str.ptr, it.str.len) : hash(f, raw, it.key, 8);
            quad[gomap__group_of(text ? h & ~UINT64_C(0xffffffff) : h, raw->ngroups) / 4]++;
        }
        uint64_t over = 0, last_slots = (raw->ngroups - quads * 4) * GOMAP_GROUP_SLOTS;
        for (uint64_t q = 0; q < quads; q++) {
            worst = quad[q] > worst ? quad[q] : worst;
            over += quad[q] > GOMAP_QUAD_SLOTS ? quad[q] - GOMAP_QUAD_SLOTS : 0;
        }
        over += quad[quads] > last_slots ? quad[quads] - last_slots : 0;
        double mean = 4.0 * (double)n / (double)raw->ngroups, variance;
        unsigned bound = too_full(mean, (double)quads, 3e-7);
        double beyond = expected_beyond(mean, (double)quads, &variance);
        uint64_t chained = t_stats(m).chained;
        printf("# %s: %llu quads expecting %.1f entries, fullest %llu (bound %u); %llu in chains, expected "
               "%.0f\n",
               f->name, (unsigned long long)quads, mean, (unsigned long long)worst, bound,
               (unsigned long long)chained, beyond);
        if (worst >= bound) fail_msg("%s: a quad has %llu entries", f->name, (unsigned long long)worst);
        assert_int_equal(chained, over); /* the table is filled as these quads say */
        if ((double)chained > beyond + SIGMAS * sqrt(variance) + 3)
            fail_msg("%s: %llu entries in chains, expected %.1f", f->name, (unsigned long long)chained,
                     beyond);
        assert_int_equal(t_stats(m).stashed, 0);
        free(quad);
        gomap_free(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_siphash_vectors),
        cmocka_unit_test(test_bias_is_seen),
        cmocka_unit_test(test_each_key_bit_flips_half_of_the_hash),
        cmocka_unit_test(test_seeds_make_other_hashes),
        cmocka_unit_test(test_key_sets_spread_as_chance_does),
        cmocka_unit_test(test_length_is_no_part_of_a_block),
        cmocka_unit_test(test_fullest_quad_of_a_full_table),
    };
    return t_run("hash", tests, sizeof tests / sizeof *tests);
}
