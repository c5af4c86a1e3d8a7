/* tests/unit/test_work.c - what one write may do, counted.
 *
 * Time is never measured here: the bound of gomap.h is 128 moved entries a write, and that is what the
 * counters tell after every single operation of long runs, bad hashes and keys that equal nothing
 * included.
 */
#include "../flavours.h"

enum { BOUND = 128 };

struct watch {
    gomap *m;
    uint64_t moved, worst, grows, shrinks;
};

static void look(struct watch *w) {
    gomap_stats s = t_stats(w->m);
    uint64_t now = s.moved - w->moved;
    if (now > w->worst) w->worst = now;
    assert_true(now <= BOUND);
    assert_true(s.move_max <= BOUND);
    w->moved = s.moved, w->grows = s.grows, w->shrinks = s.shrinks;
}

static gomap *watched(struct watch *w, const gomap_config *config) {
    gomap_config c = *config;
    c.name = "watched"; /* a named map has its counters from the start */
    memset(w, 0, sizeof *w);
    return w->m = t_new(&c);
}

/* Fill and drain in random order, over everything one table can be. */
static void long_run(const struct t_flavour *f, uint64_t most) {
    struct t_alloc a;
    struct watch w;
    t_alloc_init(&a);
    gomap_config c = t_flavour_config(f, &a);
    gomap *m = watched(&w, &c);
    for (int round = 0; round < 2; round++) {
        for (uint64_t k = 0; k < most; k++) {
            T_OK(tf_put(m, f, k, k));
            look(&w);
            if (t_below(8)) continue;
            tf_del(m, f, t_below(k + 1));
            look(&w);
        }
        for (uint64_t k = 0; k < most; k++) {
            tf_del(m, f, round ? k : most - 1 - k);
            look(&w);
        }
    }
    T_VERIFY(m);
    if (!t_flavour_clumps(f)) {
        assert_true(w.grows >= 4);
        assert_true(w.shrinks >= 2);
        assert_true(w.worst > 0);
    }
    gomap_free(m);
    t_alloc_check_empty(&a);
}

static void test_long_runs(void **st) {
    (void)st;
    for (size_t f = 0; f < t_flavour_count; f++)
        long_run(&t_flavours[f],
                 t_flavour_clumps(&t_flavours[f]) ? t_scale(1000, 20000) : t_scale(8000, 100000));
}

static int never_equal(const void *a, const void *b, void *ctx) {
    (void)a, (void)b, (void)ctx;
    return 0;
}

static uint64_t constant(const void *key, void *ctx) {
    (void)key, (void)ctx;
    return 42;
}

/* NaNs with equal bytes, NaNs under a constant hash: all in one quad, and each insert is still cheap. */
static void test_keys_that_equal_nothing(void **st) {
    (void)st;
    for (int same = 0; same < 3; same++) {
        struct watch w;
        gomap_config c = t_config();
        c.eq = never_equal;
        if (same == 2) c.hash = constant;
        gomap *m = watched(&w, &c);
        uint64_t n = t_scale(20000, 200000), key = 1;
        for (uint64_t i = 0; i < n; i++) {
            if (same != 1) key = i;
            t_put(m, key, i);
            look(&w);
        }
        assert_int_equal(gomap_len(m), n);
        T_VERIFY(m);
        uint64_t left = n;
        while (left > n / 2) {
            T_OK(gomap_pop_any(m, NULL, NULL));
            left--;
            look(&w);
        }
        assert_int_equal(gomap_len(m), left);
        T_VERIFY(m);
        gomap_free(m);
    }
}

/* A lookup compares its key with few others (counted in calls of eq). */
static uint64_t eq_calls;
static int counting_eq(const void *a, const void *b, void *ctx) {
    (void)ctx;
    eq_calls++;
    return !memcmp(a, b, 8);
}

static void test_distinct_hashes_need_few_comparisons(void **st) {
    (void)st;
    gomap_config c = t_config();
    c.eq = counting_eq;
    gomap *m = t_new(&c);
    t_fill(m, 0, 50000);
    eq_calls = 0;
    for (uint64_t k = 0; k < 50000; k++) assert_true(gomap_has(m, &k));
    assert_true(eq_calls < 50000 + 50000 / 4); /* one each, and few false matches of tophash bytes */
    eq_calls = 0;
    for (uint64_t k = 50000; k < 100000; k++) assert_false(gomap_has(m, &k));
    assert_true(eq_calls < 50000 / 4);
    gomap_free(m);
}

static void test_nan_inserts_compare_only_themselves(void **st) {
    (void)st;
    gomap_config c = t_config();
    c.eq = never_equal, c.hash = constant;
    gomap *m = t_new(&c);
    uint64_t t0 = t_now_ns(), key = 1;
    for (uint64_t i = 0; i < 4000; i++) t_put(m, key, i);
    uint64_t first = t_now_ns() - t0;
    for (uint64_t i = 4000; i < 40000; i++) t_put(m, key, i);
    t0 = t_now_ns();
    for (uint64_t i = 40000; i < 44000; i++) t_put(m, key, i);
    uint64_t last = t_now_ns() - t0;
    /* quadratic would be 40 times slower; 10 leaves room for a machine that does other things */
    assert_true(last < first * 10 + 20000000);
    gomap_free(m);
}

/* gomap_work finishes a growth within calls of a small budget, and says when nothing is left. */
static void test_work_finishes_a_walk(void **st) {
    (void)st;
    uint64_t next = 0;
    gomap *m = t_new(NULL);
    assert_true(t_until_walk(m, &next, 0, 100000));
    struct t_sum before = t_sum_of(m);
    int calls = 0;
    while (gomap_work(m, 1000) && calls < 1000000) calls++;
    assert_true(calls < 1000000);
    assert_int_equal(t_stats(m).walk, 0);
    struct t_sum after = t_sum_of(m);
    assert_int_equal(before.sum, after.sum);
    assert_false(gomap_work(m, 1000));
    T_VERIFY(m);
    gomap *other = t_new(NULL);
    next = 0;
    assert_true(t_until_walk(other, &next, 0, 100000));
    while (gomap_work(NULL, 1000000)) continue; /* all maps */
    assert_int_equal(t_stats(other).walk, 0);
    gomap_free(other);
    gomap_free(m);
}

/* Reads and iteration move nothing, whatever runs. */
static void test_reads_move_nothing(void **st) {
    (void)st;
    uint64_t next = 0;
    gomap *m = t_new(NULL);
    assert_true(t_until_walk(m, &next, 0.2, 100000));
    struct gomap before = *t_raw(m);
    struct gomap_side side = *t_raw(m)->side;
    for (uint64_t k = 0; k < next * 2; k++) gomap_has(m, &k);
    assert_int_equal(t_sum_of(m).n, next);
    T_VERIFY(m);
    assert_memory_equal(&before, t_raw(m), sizeof before);
    assert_memory_equal(&side, t_raw(m)->side, sizeof side);
    gomap_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_runs),
        cmocka_unit_test(test_keys_that_equal_nothing),
        cmocka_unit_test(test_distinct_hashes_need_few_comparisons),
        cmocka_unit_test(test_nan_inserts_compare_only_themselves),
        cmocka_unit_test(test_work_finishes_a_walk),
        cmocka_unit_test(test_reads_move_nothing),
    };
    return t_run("work", tests, sizeof tests / sizeof *tests);
}
