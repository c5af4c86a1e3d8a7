/* tests/unit/test_flood.c - keys chosen by somebody who wants the table to be slow.
 *
 * Damage is counted, not timed: how many entries lie in chains or the stash, and how full the fullest quad
 * is.  The attacks are the known ones: strides that beat additive seeds, structured strings that beat
 * cancelling block hashes, and recovering the seed of a one-multiply hash from the order of the table.  The
 * last one is first shown to work on a table with such a hash, so that its failure on gomap means something.
 */
#include "../flavours.h"

#include <stdio.h>

/* Entries of the fullest quad, chain included. */
static uint64_t fullest_quad(const gomap *m) {
    const struct gomap *r = t_raw(m);
    uint64_t most = 0;
    for (uint64_t q = 0; q < gomap_inspect_quads(r->ngroups); q++) {
        uint64_t n = 0;
        for (uint64_t g = q * 4; g < q * 4 + 4 && g < r->ngroups; g++)
            for (int s = 0; s < GOMAP_GROUP_SLOTS; s++) n += r->meta[g * 16 + s] != 0;
        const struct gomap_node *node = r->links ? (struct gomap_node *)(r->links[q] & ~(uintptr_t)1) : NULL;
        for (; node; node = node->next)
            for (int i = 0; i < GOMAP_NODE_SLOTS; i++) n += node->tag[i] != 0;
        if (n > most) most = n;
    }
    return most;
}

static void check_unharmed(const gomap *m, const char *what) {
    gomap_stats s = t_stats(m);
    if (s.chained > s.entries / 100 + 60 || s.alarms || fullest_quad(m) >= 110)
        fail_msg("%s: %lu entries, %lu chained, %lu stashed, fullest quad %lu, alarms %lu", what,
                 (unsigned long)s.entries, (unsigned long)s.chained, (unsigned long)s.stashed,
                 (unsigned long)fullest_quad(m), (unsigned long)s.alarms);
}

/* Strides: powers of two, Fibonacci numbers (which beat k + seed for every seed), pointers, high bits. */
static void test_strides(void **st) {
    (void)st;
    const uint64_t strides[] = {1,
                                2,
                                8,
                                16,
                                4096,
                                65536,
                                UINT64_C(1) << 32,
                                UINT64_C(1) << 40,
                                UINT64_C(1) << 46,
                                102334155,
                                1134903170,
                                UINT64_C(0x9e3779b97f4a7c15),
                                UINT64_C(0x100000001),
                                UINT64_C(0xff51afd7ed558ccd),
                                UINT64_C(6364136223846793005)};
    const int hashings[] = {GOMAP_HASHING_AUTO, GOMAP_HASHING_PORTABLE, GOMAP_HASHING_STRICT};
    uint64_t n = t_scale(40000, 200000);
    for (size_t h = 0; h < 3; h++)
        for (size_t i = 0; i < sizeof strides / sizeof *strides; i++) {
            gomap_config c = t_config();
            char what[64];
            c.hashing = (gomap_hashing)hashings[h];
            gomap *m = t_new(&c);
            for (uint64_t k = 0; k < n; k++) t_put(m, k * strides[i], k);
            snprintf(what, sizeof what, "stride %#llx", (unsigned long long)strides[i]);
            check_unharmed(m, what);
            gomap_free(m);
        }
}

/* Strings of blocks A and B in all orders, at every block size a hash may work in; and near-copies. */
static void test_structured_strings(void **st) {
    (void)st;
    const size_t blocks[] = {4, 8, 16, 32, 64};
    for (int hashing = GOMAP_HASHING_AUTO; hashing <= GOMAP_HASHING_PORTABLE; hashing++)
        for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++) {
            gomap_config c = GOMAP_CONFIG_STRING(0);
            c.hashing = (gomap_hashing)hashing;
            gomap *m = t_new(&c);
            char text[64 * 12];
            for (unsigned bits = 0; bits < 4096; bits++) {
                memset(text, 0, sizeof text);
                for (size_t i = 0; i < 12; i++) text[i * blocks[b]] = (char)(bits >> i & 1);
                gomap_str s = {text, 12 * blocks[b]};
                T_OK(gomap_put(m, &s, NULL));
            }
            for (size_t len = 1; len < 700; len++) {
                memset(text, 0xff, sizeof text);
                gomap_str s = {text, len};
                T_OK(gomap_put(m, &s, NULL));
            }
            check_unharmed(m, "strings of blocks");
            gomap_free(m);
        }
}

/* All keys into one quad, or into few: correct, bounded, and an alarm. */
static void test_constant_hash(void **st) {
    (void)st;
    const char *flavours[] = {"hash-constant", "hash-1-bit", "hash-constant-string"};
    for (int i = 0; i < 3; i++) {
        const struct t_flavour *f = t_flavour_named(flavours[i]);
        uint64_t n = t_scale(1500, 20000);
        gomap *m = t_flavour_new(f, NULL);
        for (uint64_t k = 0; k < n; k++) T_OK(tf_put(m, f, k, k));
        gomap_stats s = t_stats(m);
        assert_int_equal(s.entries, n);
        assert_true(s.stashed > n / 2);
        assert_true(s.stashed_ever >= s.stashed);
        assert_true(s.alarms >= 1);
        assert_true(s.move_max <= 128);
        T_VERIFY(m);
        for (uint64_t k = 0; k < n; k++) {
            uint64_t v = 0;
            assert_true(tf_get(m, f, k, &v));
            assert_int_equal(v, k);
        }
        struct t_sum sum = tf_sum(m, f);
        assert_int_equal(sum.n, n);
        for (uint64_t k = 0; k < n; k += 2) assert_true(tf_del(m, f, k));
        for (uint64_t k = 0; k < n; k++) {
            uint64_t v;
            assert_int_equal(tf_get(m, f, k, &v), k % 2);
        }
        T_VERIFY(m);
        gomap_free(m);
    }
}

/* Innocent keys raise no alarm. */
static void test_no_false_alarm(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    for (uint64_t k = 0; k < t_scale(200000, 2000000); k++) t_put(m, t_rand(), k);
    gomap_stats s = t_stats(m);
    assert_int_equal(s.alarms, 0);
    assert_true(s.chained <= s.entries / 100);
    gomap_free(m);
}

/* Keys put again in the order another map returns them. */
static void test_reinsert_in_iteration_order(void **st) {
    (void)st;
    gomap *m = t_new(NULL), *other = t_new(NULL);
    t_fill(m, 0, t_scale(60000, 1000000));
    gomap_iter it;
    uint64_t i = 0;
    for (gomap_iter_init(&it, m); gomap_iter_next(&it);) {
        T_OK(gomap_put(other, it.key, it.value));
        if (++i % 5000 == 0) check_unharmed(other, "iteration order");
    }
    assert_true(gomap_equal(m, other, NULL, NULL));
    gomap_free(m);
    gomap_free(other);
}

/* ---- the seed from the order ------------------------------------------------------------------------------- */

/* A victim tells, for a key it holds, where in the table it lies: the hash's high bits, to the accuracy of a
 * group.  An attacker who guesses that the hash is (k ^ seed) * C asks for pairs of keys that differ in one bit
 * i: the hashes differ by +C * 2^i or -C * 2^i, and the sign is bit i of k ^ seed. */
enum { PAIRS = 40 };
static const uint64_t C = UINT64_C(0x9e3779b97f4a7c15);

struct victim {
    const gomap *m; /* NULL: the toy */
    uint64_t toy_seed;
    gomap *where; /* key -> high bits of its position */
};

static uint64_t position(const struct victim *v, uint64_t key) {
    if (!v->m) return ((key ^ v->toy_seed) * C) >> 48 << 48;
    bool found;
    uint64_t at = t_get(v->where, key, &found);
    assert_true(found);
    return at;
}

static uint64_t question(uint64_t pair, int bit, int side) {
    return t_mix(pair * 64 + (uint64_t)bit) ^ (uint64_t)side << bit;
}

static uint64_t distance(uint64_t a, uint64_t b) { return a - b < b - a ? a - b : b - a; }

/* Recovers what it can of the seed's low 62 bits; *agree: share of answers in accord with the guess, in 1/1000. */
static uint64_t recover(const struct victim *v, unsigned *agree) {
    uint64_t seed = 0, right = 0, asked = 0;
    for (int bit = 0; bit < 62; bit++) {
        uint64_t step = C << bit, ones = 0;
        for (uint64_t p = 0; p < PAIRS; p++) {
            uint64_t k = question(p, bit, 0), moved = position(v, k ^ UINT64_C(1) << bit) - position(v, k);
            bool up = distance(moved, step) < distance(moved, 0 - step); /* bit i of k ^ seed is 0 */
            ones += (k >> bit & 1) ^ !up;
        }
        seed |= (uint64_t)(ones > PAIRS / 2) << bit;
        right += ones > PAIRS / 2 ? ones : PAIRS - ones;
        asked += PAIRS;
    }
    *agree = (unsigned)(right * 1000 / asked);
    return seed;
}

static gomap *victim_positions(const gomap *m) {
    const struct gomap *r = t_raw(m);
    gomap *where = t_new(NULL);
    for (uint64_t g = 0; g < r->ngroups; g++)
        for (unsigned s = 0; s < GOMAP_GROUP_SLOTS; s++) {
            uint64_t key, at = UINT64_MAX / r->ngroups * g;
            if (!r->meta[g * 16 + s]) continue;
            memcpy(&key, r->slots + (g * GOMAP_GROUP_SLOTS + s) * r->desc->slot_size, 8);
            t_put(where, key, at);
        }
    return where;
}

static void test_seed_recovery_from_order(void **st) {
    (void)st;
    unsigned agree;
    struct victim toy = {NULL, t_rand(), NULL};
    uint64_t low = (UINT64_C(1) << 62) - 1;
    assert_int_equal(recover(&toy, &agree) & low, toy.toy_seed & low); /* the attack works */
    assert_true(agree > 950);
    for (int hashing = GOMAP_HASHING_AUTO; hashing <= GOMAP_HASHING_PORTABLE; hashing++) {
        gomap_config c = t_config();
        c.hashing = (gomap_hashing)hashing, c.capacity = 2 * 64 * PAIRS * 2;
        gomap *m = t_new(&c);
        for (int bit = 0; bit < 62; bit++)
            for (uint64_t p = 0; p < PAIRS; p++)
                for (int side = 0; side < 2; side++) t_put(m, question(p, bit, side), 1);
        struct victim v = {m, 0, victim_positions(m)};
        for (int bit = 0; bit < 62;
             bit++) /* the few in chains lie where their quad is: leave them out by design */
            for (uint64_t p = 0; p < PAIRS; p++)
                for (int side = 0; side < 2; side++) {
                    uint64_t k = question(p, bit, side);
                    if (!gomap_has(v.where, &k)) t_put(v.where, k, t_rand());
                }
        uint64_t guess = recover(&v, &agree);
        /* 40 coin flips a bit agree with their majority in 562 of 1000 cases */
        assert_true(agree < 620);
        for (int w = 0; w < 4; w++) {
            uint64_t wrong = (guess ^ t_raw(m)->seed[w]) & low;
            assert_in_range(__builtin_popcountll(wrong), 8, 54); /* of 62: as good as guessing, 5.8 sigma */
        }
        gomap_free(v.where);
        gomap_free(m);
    }
}

/* What any such recovery needs: that a difference of keys shows in the difference of positions. */
static void test_no_differential_in_positions(void **st) {
    (void)st;
    for (int hashing = GOMAP_HASHING_AUTO; hashing <= GOMAP_HASHING_PORTABLE; hashing++) {
        gomap_config c = t_config();
        c.hashing = (gomap_hashing)hashing;
        gomap *m = t_new(&c), *where;
        enum { BASES = 1500, BINS = 16 };
        static const uint64_t diffs[] = {1,
                                         2,
                                         256,
                                         UINT64_C(1) << 20,
                                         UINT64_C(1) << 40,
                                         UINT64_C(1) << 62,
                                         UINT64_C(1) << 63,
                                         UINT64_C(0x8000000080000000),
                                         0xffff};
        for (uint64_t b = 0; b < BASES; b++) {
            t_put(m, t_mix(b), 1);
            for (size_t d = 0; d < sizeof diffs / sizeof *diffs; d++) t_put(m, t_mix(b) ^ diffs[d], 1);
        }
        while (t_stats(m).walk) gomap_work(m, 10000000);
        where = victim_positions(m);
        for (size_t d = 0; d < sizeof diffs / sizeof *diffs; d++) {
            uint64_t bin[BINS] = {0}, n = 0;
            for (uint64_t b = 0; b < BASES; b++) {
                bool one, two;
                uint64_t x = t_get(where, t_mix(b), &one), y = t_get(where, t_mix(b) ^ diffs[d], &two);
                if (!one || !two) continue;
                bin[(y - x) >> 60]++, n++;
            }
            double chi = 0, expect = (double)n / BINS;
            for (int i = 0; i < BINS; i++)
                chi += ((double)bin[i] - expect) * ((double)bin[i] - expect) / expect;
            assert_true(chi < 75); /* 15 degrees of freedom: p < 1e-9 */
        }
        gomap_free(where);
        gomap_free(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strides),
        cmocka_unit_test(test_structured_strings),
        cmocka_unit_test(test_constant_hash),
        cmocka_unit_test(test_no_false_alarm),
        cmocka_unit_test(test_reinsert_in_iteration_order),
        cmocka_unit_test(test_seed_recovery_from_order),
        cmocka_unit_test(test_no_differential_in_positions),
    };
    return t_run("flood", tests, sizeof tests / sizeof *tests);
}
