/* tests/unit/test_order.c - order is drawn per map and per iteration; gomap_random() is uniform.
 *
 * The statistical checks have a fixed chance of failing a correct library, stated beside each bound.
 */
#include "../flavours.h"

static uint64_t fingerprint(gomap *m) {
    uint64_t h = 0;
    gomap_iter it;
    for (gomap_iter_init(&it, m); gomap_iter_next(&it);) {
        uint64_t k;
        memcpy(&k, it.key, sizeof k);
        h = t_mix(h ^ k);
    }
    return h;
}

/* Two iterations of one map, and the first ones of two maps, differ within 100 tries. */
static void test_order_differs(void **st) {
    (void)st;
    for (uint64_t n = 2; n <= 40; n += n < 15 ? 1 : 5) {
        gomap *m = t_new(NULL);
        t_fill(m, 0, n);
        uint64_t first = fingerprint(m);
        bool per_iteration = false, per_map = false;
        for (int i = 0; i < 100 && !(per_iteration && per_map); i++) {
            gomap *other = t_new(NULL);
            t_fill(other, 0, n);
            per_iteration |= fingerprint(m) != first;
            per_map |= fingerprint(other) != first;
            gomap_free(other);
        }
        assert_true(per_iteration);
        assert_true(per_map);
        gomap_free(m);
    }
}

static void test_order_differs_in_sparse_maps(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    t_fill(m, 0, 4000);
    for (uint64_t k = 5; k < 4000; k++) assert_true(gomap_delete(m, &k));
    assert_int_equal(gomap_len(m), 5);
    uint64_t first = fingerprint(m);
    bool differs = false;
    for (int i = 0; i < 100; i++) differs |= fingerprint(m) != first;
    assert_true(differs);
    gomap_free(m);
}

/* Not only the start is drawn: successors of a key vary too (a rotation would keep them). */
static void test_neighbours_differ(void **st) {
    (void)st;
    enum { N = 3000, RUNS = 20 };
    static uint64_t next_of[2][N];
    gomap *m = t_new(NULL);
    t_fill(m, 0, N);
    uint64_t changed = 0;
    for (int run = 0; run < RUNS; run++) {
        uint64_t before = N, *next = next_of[run % 2];
        gomap_iter it;
        for (gomap_iter_init(&it, m); gomap_iter_next(&it);) {
            uint64_t k;
            memcpy(&k, it.key, sizeof k);
            if (before < N) next[before] = k;
            before = k;
        }
        next[before] = N;
        for (uint64_t k = 0; run && k < N; k++) changed += next_of[0][k] != next_of[1][k];
    }
    assert_true(changed > (RUNS - 1) * 20); /* a rotation would change one a run */
    gomap_free(m);
}

/* Chi-square of gomap_random over n entries; the bound is mean + 6 sigma (p < 1e-8). */
static void check_uniform(gomap *m, const struct t_flavour *f, uint64_t n, uint64_t per_entry) {
    uint64_t *hits = calloc(n, sizeof *hits), draws = n * per_entry;
    assert_non_null(hits);
    for (uint64_t i = 0; i < draws; i++) {
        const void *key;
        void *value;
        gomap_str room;
        T_OK(gomap_random(m, &key, &value, &room));
        uint64_t k = t_key_number(f, key), v;
        memcpy(&v, value, sizeof v);
        assert_true(k < n);
        assert_int_equal(v, k + 1);
        hits[k]++;
    }
    double chi = 0, bound = (double)n - 1;
    for (uint64_t k = 0; k < n; k++) {
        double d = (double)hits[k] - (double)per_entry;
        chi += d * d / (double)per_entry;
    }
    double spread = 6, guess = 2 * ((double)n - 1), root = guess / 2 + 1;
    for (int i = 0; i < 40; i++) root = (root + guess / root) / 2; /* sqrt without libm */
    if (chi > bound + spread * root + 40) {
        print_error("%s: %lu entries, chi-square %f\n", f->name, (unsigned long)n, chi);
        fail();
    }
    free(hits);
}

static void test_random_is_uniform(void **st) {
    (void)st;
    const uint64_t sizes[] = {1, 2, 9, 16, 60, 700, 5000};
    for (size_t f = 0; f < t_flavour_count; f++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            if (sizes[i] > 700 && f) continue;
            if (sizes[i] > 60 && t_flavour_clumps(&t_flavours[f])) continue;
            struct t_alloc a;
            t_alloc_init(&a);
            gomap *m = t_flavour_new(&t_flavours[f], &a);
            for (uint64_t k = 0; k < sizes[i]; k++) T_OK(tf_put(m, &t_flavours[f], k, k + 1));
            check_uniform(m, &t_flavours[f], sizes[i], t_scale(sizes[i] > 300 ? 12 : 60, 600));
            gomap_free(m);
            t_alloc_check_empty(&a);
        }
    }
}

/* Also where the density differs: half a table emptied in hash order, and in the middle of a walk. */
static void test_random_is_uniform_in_uneven_tables(void **st) {
    (void)st;
    const struct t_flavour *f = t_flavour_named("u64");
    gomap *m = t_new(NULL);
    uint64_t n = 0;
    while (n < 3000) {
        T_OK(tf_put(m, f, n, n + 1));
        n++;
    }
    for (uint64_t i = 0; i < 3000 && t_stats(m).walk != GOMAP_WALK_GROW; i++) {
        T_OK(tf_put(m, f, n, n + 1));
        n++;
    }
    check_uniform(m, f, n, 12);
    gomap_free(m);
}

/* And where most entries, or all but a table's worth, are in the stash or in its list: each part by its share. */
static void test_random_is_uniform_with_a_stash(void **st) {
    (void)st;
    const char *names[] = {"hash-constant", "hash-6-bits", "hash-constant-string"};
    const uint64_t sizes[] = {100, 400, 3000};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct t_flavour *f = t_flavour_named(names[i]);
        uint64_t stashed = 0;
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            struct t_alloc a;
            t_alloc_init(&a);
            gomap *m = t_flavour_new(f, &a);
            if (sizes[j] > 400 && f->hash_bits == 0) break; /* a list of thousands: every put walks it */
            for (uint64_t k = 0; k < sizes[j]; k++) T_OK(tf_put(m, f, k, k + 1));
            stashed += t_stats(m).stashed;
            check_uniform(m, f, sizes[j], t_scale(40, 400));
            gomap_free(m);
        }
        assert_true(stashed > 0);
    }
}

/* The first key of an iteration is not always the same few. */
static void test_first_keys_spread(void **st) {
    (void)st;
    enum { N = 64, RUNS = 2000 };
    uint64_t firsts[N] = {0}, distinct = 0;
    gomap *m = t_new(NULL);
    t_fill(m, 0, N);
    for (int i = 0; i < RUNS; i++) {
        gomap_iter it;
        uint64_t k;
        gomap_iter_init(&it, m);
        assert_true(gomap_iter_next(&it));
        memcpy(&k, it.key, sizeof k);
        firsts[k]++;
    }
    for (int k = 0; k < N; k++) {
        distinct += firsts[k] > 0;
        assert_true(firsts[k] < RUNS / 2);
    }
    assert_true(distinct > N / 4);
    gomap_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_differs),
        cmocka_unit_test(test_order_differs_in_sparse_maps),
        cmocka_unit_test(test_neighbours_differ),
        cmocka_unit_test(test_random_is_uniform),
        cmocka_unit_test(test_random_is_uniform_with_a_stash),
        cmocka_unit_test(test_random_is_uniform_in_uneven_tables),
        cmocka_unit_test(test_first_keys_spread),
    };
    return t_run("order", tests, sizeof tests / sizeof *tests);
}
