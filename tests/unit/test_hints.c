/* tests/unit/test_hints.c - capacity, reserve, shrink_to_fit, and when growth happens. */
#include "../support.h"

static const uint64_t counts[] = {1,  7,  8,  9,   13,  14,  15,   16,   26,   27,   48,   49,
                                  63, 64, 65, 127, 128, 129, 1000, 1023, 1024, 1025, 4000, 10000};
enum { COUNTS = sizeof counts / sizeof *counts };

/* No growth before the promised count, whatever is deleted and put meanwhile. */
static void use_promise(gomap *m, uint64_t n) {
    gomap_stats s = t_stats(m);
    assert_true(s.grow_at >= n);
    uint64_t next = 0, oldest = 0;
    for (uint64_t i = 0; i < n * 3; i++) { /* churn below the promise */
        if (gomap_len(m) >= n / 2 + 1) {
            assert_true(gomap_delete(m, &oldest));
            oldest++;
        }
        t_put(m, next, t_mix(next));
        next++;
    }
    while (gomap_len(m) < n) t_put(m, next, t_mix(next)), next++;
    gomap_stats after = t_stats(m);
    assert_int_equal(after.slots, s.slots);
    assert_int_equal(after.grows, s.grows);
    assert_int_equal(after.shrinks, s.shrinks);
    assert_int_equal(after.walk, 0);
    T_VERIFY(m);
}

static void test_capacity_is_kept(void **st) {
    (void)st;
    for (int mode = GOMAP_BALANCED; mode <= GOMAP_MEMORY; mode++)
        for (size_t i = 0; i < COUNTS; i++) {
            gomap_config c = t_config();
            c.capacity = counts[i], c.mode = (gomap_mode)mode;
            gomap *m = t_new(&c);
            assert_int_equal(gomap_len(m), 0);
            use_promise(m, counts[i]);
            gomap_free(m);
        }
}

static void test_reserve_is_kept(void **st) {
    (void)st;
    for (size_t i = 0; i < COUNTS; i++) {
        gomap *m = t_new(NULL);
        T_OK(gomap_reserve(m, counts[i]));
        use_promise(m, counts[i]);
        T_OK(gomap_reserve(m, 0));
        T_OK(gomap_reserve(m, counts[i] / 2)); /* less than there is: nothing to do */
        bool found;
        assert_int_equal(gomap_len(m), counts[i]);
        T_OK(gomap_reserve(m, counts[i] * 4));
        uint64_t k = 3 * counts[i] - 1;
        assert_int_equal(t_get(m, k, &found), t_mix(k));
        assert_true(found);
        T_VERIFY(m);
        gomap_free(m);
    }
}

/* In the middle of a growth: it is finished. */
static void test_reserve_in_a_walk(void **st) {
    (void)st;
    uint64_t next = 0;
    gomap *m = t_new(NULL);
    assert_true(t_until_walk(m, &next, 0.2, 100000));
    struct t_sum before = t_sum_of(m);
    T_OK(gomap_reserve(m, next * 3));
    assert_int_equal(t_stats(m).walk, 0);
    assert_true(t_stats(m).grow_at >= next * 3);
    struct t_sum after = t_sum_of(m);
    assert_int_equal(before.sum, after.sum);
    T_VERIFY(m);
    gomap_free(m);
}

static void test_hints_that_cannot_be(void **st) {
    (void)st;
    const size_t bad[] = {SIZE_MAX,         SIZE_MAX - 1, SIZE_MAX / 2,
                          SIZE_MAX / 2 + 1, SIZE_MAX / 8, SIZE_MAX / 16 - 1};
    gomap *m = t_new(NULL), *other;
    t_fill(m, 0, 100);
    gomap_stats before = t_stats(m);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gomap_config c = t_config();
        assert_int_equal(gomap_reserve(m, bad[i]), GOMAP_EINVAL);
        c.capacity = bad[i];
        other = (gomap *)&c;
        assert_int_equal(gomap_new(&c, &other), GOMAP_EINVAL);
        c.key_size = c.value_size = 4096; /* the product overflows earlier */
        c.capacity = bad[i] / 4096;
        /* with 32 bits that is a million entries, whose keys and values lie out of line */
        if (sizeof(size_t) == 8) assert_int_equal(gomap_new(&c, &other), GOMAP_EINVAL);
    }
    gomap_stats after = t_stats(m);
    assert_int_equal(before.bytes, after.bytes);
    assert_int_equal(before.slots, after.slots);
    T_VERIFY(m);
    gomap_free(m);
}

/* Possible in principle, but more than there is: an error or address space, never real memory. */
static void test_hints_that_are_too_much(void **st) {
    (void)st;
    for (int shift = 33; shift <= 44; shift += 3) {
        if (sizeof(size_t) < 8) break;
        gomap *m = t_new(NULL);
        t_fill(m, 0, 50);
        uint64_t t0 = t_now_ns();
        gomap_err err = gomap_reserve(m, (size_t)1 << shift);
        assert_true(t_now_ns() - t0 < 2000000000); /* O(entries), not O(address space) */
        assert_true(err == GOMAP_OK || err == GOMAP_ENOMEM || err == GOMAP_EINVAL);
        for (uint64_t k = 0; k < 50; k++) assert_true(gomap_has(m, &k)); /* no walk over all of it */
        assert_int_equal(gomap_len(m), 50);
        if (err == GOMAP_OK) assert_true(t_stats(m).slots > (uint64_t)1 << shift);
        gomap_free(m);
    }
}

/* grow_at is where growth happens, to the entry. */
static void test_growth_happens_where_it_says(void **st) {
    (void)st;
    for (int mode = GOMAP_BALANCED; mode <= GOMAP_MEMORY; mode++) {
        gomap_config c = t_config();
        c.mode = (gomap_mode)mode;
        gomap *m = t_new(&c);
        uint64_t growths = 0;
        for (uint64_t k = 0; k < 20000; k++) {
            gomap_stats s = t_stats(m);
            t_put(m, k, k);
            gomap_stats t = t_stats(m);
            if (s.walk) continue; /* what it says then is about the table to come */
            bool grew = t.slots > s.slots || t.walk == GOMAP_WALK_GROW;
            if (s.slots) assert_int_equal(grew, k - s.stashed >= s.grow_at); /* the stash is beside the table */
            growths += grew;
        }
        assert_true(growths > 5);
        gomap_stats s = t_stats(m);
        assert_true(s.load <= (mode == GOMAP_MEMORY ? 0.876 : 0.801) || s.walk);
        gomap_free(m);
    }
}

/* Growth factors and limits as gomap.h states them. */
static void test_growth_table(void **st) {
    (void)st;
    for (int mode = GOMAP_BALANCED; mode <= GOMAP_MEMORY; mode++) {
        gomap_config c = t_config();
        c.mode = (gomap_mode)mode;
        gomap *m = t_new(&c);
        uint64_t before = 0;
        for (uint64_t k = 0; k < t_scale(220000, 1000000); k++) {
            t_put(m, k, k);
            uint64_t slots = t_raw(m)->ngroups * GOMAP_GROUP_SLOTS;
            if (before >= 2000 && slots != before) {
                double factor = (double)slots / (double)before;
                assert_true(factor > 1.2 && factor < 2.1);
                if (mode == GOMAP_SPEED) assert_true(factor > 1.9);
                if (mode == GOMAP_MEMORY && before > 20000) assert_true(factor < 1.35);
                if (mode == GOMAP_BALANCED && before > 110000) assert_true(factor > 1.4 && factor < 1.6);
            }
            before = slots;
        }
        gomap_free(m);
    }
}

static void test_shrink_to_fit(void **st) {
    (void)st;
    for (size_t i = 0; i < COUNTS; i++) {
        for (uint64_t keep = 0; keep <= counts[i]; keep = keep * 4 + 1) {
            gomap *m = t_new(NULL);
            T_OK(gomap_reserve(m, counts[i] * 10));
            t_fill(m, 0, counts[i]);
            for (uint64_t k = keep; k < counts[i]; k++) assert_true(gomap_delete(m, &k));
            struct t_sum before = t_sum_of(m);
            T_OK(gomap_shrink_to_fit(m));
            struct t_sum after = t_sum_of(m);
            assert_int_equal(before.n, after.n);
            assert_int_equal(before.sum, after.sum);
            gomap_stats s = t_stats(m);
            assert_true(s.slots <= keep * 5 / 2 + 120); /* sparse places look denser than they are */
            assert_int_equal(s.walk, 0);
            T_VERIFY(m);
            T_OK(gomap_shrink_to_fit(m)); /* once more changes nothing */
            assert_int_equal(t_stats(m).slots, s.slots);
            t_fill(m, keep, 50);
            assert_int_equal(gomap_len(m), keep + 50);
            T_VERIFY(m);
            gomap_free(m);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capacity_is_kept),
        cmocka_unit_test(test_reserve_is_kept),
        cmocka_unit_test(test_reserve_in_a_walk),
        cmocka_unit_test(test_hints_that_cannot_be),
        cmocka_unit_test(test_hints_that_are_too_much),
        cmocka_unit_test(test_growth_happens_where_it_says),
        cmocka_unit_test(test_growth_table),
        cmocka_unit_test(test_shrink_to_fit),
    };
    return t_run("hints", tests, sizeof tests / sizeof *tests);
}
