/* tests/unit/test_regressions.c - bugs that were, each shown failing before it was fixed.  One test a bug; what the bug
 * was stands above it. */
#include "../support.h"

#include "internal.h"


static int failing;
static int fail_all(int what) { return failing && what != GOMAP_FAULT_MADVISE; }

static uint64_t constant_hash(const void *key, void *ctx) { return (void)key, (void)ctx, 0; }
static uint64_t eighth_hash(const void *key, void *ctx) { return (void)ctx, *(const uint32_t *)key % 8; }

struct id_tag {
    uint32_t id, tag; /* compared and hashed by id only */
};
static uint64_t id_hash(const void *key, void *ctx) { return (void)ctx, ((const struct id_tag *)key)->id; }
static int id_eq(const void *a, const void *b, void *ctx) {
    return (void)ctx, ((const struct id_tag *)a)->id == ((const struct id_tag *)b)->id;
}
static int nan_eq(const void *a, const void *b, void *ctx) { return (void)a, (void)b, (void)ctx, 0; }

/* The sweep returned pages of a run of empty quads although inserts had come into it since it was seen empty. */
static void test_sweep_spares_new_entries(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    uint64_t n = 60000;
    t_fill(m, 0, n);
    for (uint64_t k = 0; k < n - 20; k++) {
        assert_true(gomap_delete(m, &k));
        uint64_t fresh = n + k; /* one comes for every thirty that go */
        if (k % 30 == 0) t_put(m, fresh, t_mix(fresh));
    }
    T_VERIFY(m);
    for (uint64_t k = 0; k < n - 20; k += 30) {
        uint64_t fresh = n + k;
        assert_true(gomap_has(m, &fresh));
    }
    gomap_free(m);
}

/* Strings in the stash stored the bits of the table's hash, not of the stash's: lost at its next growth. */
static void test_strings_in_the_stash(void **st) {
    (void)st;
    gomap_config c = GOMAP_CONFIG_STRING(8);
    c.hash = constant_hash;
    gomap *m = t_new(&c);
    char text[16];
    for (uint64_t i = 0; i < 400; i++) {
        gomap_str k = {text, (size_t)snprintf(text, sizeof text, "s%d", (int)i)};
        assert_int_equal(gomap_put(m, &k, &i), GOMAP_OK);
    }
    T_VERIFY(m);
    assert_true(t_stats(m).stashed > 0);
    for (uint64_t i = 0; i < 400; i++) {
        gomap_str k = {text, (size_t)snprintf(text, sizeof text, "s%d", (int)i)};
        assert_int_equal(*(uint64_t *)gomap_get(m, &k), i);
    }
    gomap_free(m);
}

/* An iterator in the stash was used after a clear had freed the stash. */
static void test_iterator_over_a_cleared_stash(void **st) {
    (void)st;
    gomap_config c = t_config();
    c.hash = constant_hash;
    for (int how = GOMAP_KEEP; how <= GOMAP_RELEASE; how++) {
        gomap *m = t_new(&c);
        gomap_iter it;
        t_fill(m, 0, 150);
        gomap_iter_init(&it, m);
        for (int i = 0; i < 120; i++) assert_true(gomap_iter_next(&it));
        gomap_clear(m, (gomap_clear_how)how);
        assert_false(gomap_iter_delete(&it, m));
        t_fill(m, 1000, 150); /* a new stash, perhaps at the old address */
        for (int i = 0; gomap_iter_next(&it); i++) {
            assert_true(*(const uint64_t *)it.key >= 1000);
            assert_true(i < 150);
        }
        gomap_free(m);
    }
}

static int keys_gone, values_gone;
static void key_gone(void *key, void *ctx) { (void)key, (void)ctx, keys_gone++; }
static void value_gone(void *value, void *ctx) { (void)value, (void)ctx, values_gone++; }

/* A put that failed for want of memory destroyed the caller's key and value. */
static void test_failed_put_destroys_nothing(void **st) {
    (void)st;
    gomap_config c = t_config();
    c.key_destroy = key_gone, c.value_destroy = value_gone;
    gomap *m = t_new(&c);
    uint64_t k = 1, v = 2;
    void *slot;
    keys_gone = values_gone = 0;
    gomap__fault = fail_all, failing = 1;
    assert_int_equal(gomap_put(m, &k, &v), GOMAP_ENOMEM);
    assert_int_equal(gomap_get_or_insert(m, &k, &slot, NULL), GOMAP_ENOMEM);
    failing = 0;
    assert_int_equal(keys_gone + values_gone, 0);
    assert_int_equal(gomap_put(m, &k, &v), GOMAP_OK);
    gomap_free(m);
    assert_int_equal(keys_gone, 1);
    assert_int_equal(values_gone, 1);
}

static int refusing;
static int refuse(void *dst, const void *src, void *ctx) { return (void)dst, (void)src, (void)ctx, refusing; }

/* An update whose value was refused had replaced the key already; a value argument that was the old key was read
 * after the key had been replaced. */
static void test_update_is_all_or_nothing(void **st) {
    (void)st;
    gomap_config c = t_config();
    c.hash = id_hash, c.eq = id_eq, c.value_copy = refuse;
    gomap *m = t_new(&c);
    struct id_tag old = {1, 100}, fresh = {1, 200};
    uint64_t v = 5, w = 6;
    gomap_iter it;
    assert_int_equal(gomap_put(m, &old, &v), GOMAP_OK);
    refusing = 1;
    assert_int_equal(gomap_put(m, &fresh, &w), GOMAP_ENOMEM);
    refusing = 0;
    gomap_iter_init(&it, m);
    assert_true(gomap_iter_next(&it));
    assert_int_equal(((const struct id_tag *)it.key)->tag, 100);
    assert_int_equal(*(uint64_t *)it.value, 5);
    assert_int_equal(gomap_put(m, &fresh, it.key), GOMAP_OK);
    assert_memory_equal(gomap_get(m, &fresh), &old, sizeof old);
    gomap_free(m);
}

/* Keys replaced by equal ones with other bytes were not found again by an iterator. */
static void test_replaced_keys_stay_in_an_iteration(void **st) {
    (void)st;
    gomap_config c = t_config();
    c.hash = id_hash, c.eq = id_eq;
    gomap *m = t_new(&c);
    uint64_t v = 0;
    uint8_t seen[41] = {0};
    for (uint32_t i = 0; i < 40; i++) assert_int_equal(gomap_put(m, &(struct id_tag){i, 0}, &v), GOMAP_OK);
    gomap_iter it;
    int step = 0;
    for (gomap_iter_init(&it, m); gomap_iter_next(&it); step++) {
        seen[((const struct id_tag *)it.key)->id]++;
        if (step) continue;
        for (uint32_t i = 0; i < 40; i++) assert_int_equal(gomap_put(m, &(struct id_tag){i, 7}, &v), GOMAP_OK);
        assert_int_equal(gomap_put(m, &(struct id_tag){40, 0}, &v), GOMAP_OK); /* something moves, something goes */
        assert_true(gomap_delete(m, &(struct id_tag){40, 0}));
    }
    for (int i = 0; i < 40; i++) assert_int_equal(seen[i], 1);
    gomap_free(m);
}

static bool keep_none(const void *key, void *value, void *ctx) { return (void)key, (void)value, (void)ctx, false; }

/* More than 64 bit-identical entries in a quad: those behind the cut were skipped as often as others were deleted; and
 * values changed through the iterator made copies untellable. */
static void test_identical_nans(void **st) {
    (void)st;
    gomap_config c = t_config();
    c.eq = nan_eq;
    for (uint64_t n = 60; n < 100; n += 3) {
        gomap *m = t_new(&c);
        for (uint64_t i = 0; i < n; i++) t_put(m, 1, 1);
        assert_int_equal(gomap_retain_if(m, keep_none, NULL), n);
        assert_int_equal(gomap_len(m), 0);
        gomap_free(m);
    }
    gomap *m = t_new(&c);
    gomap_iter it;
    uint64_t other = 2, seen = 0;
    for (int i = 0; i < 10; i++) t_put(m, 1, 0);
    for (gomap_iter_init(&it, m); gomap_iter_next(&it); seen++) {
        assert_int_equal(*(uint64_t *)it.value, 0);
        *(uint64_t *)it.value = 1;
        gomap_iter second; /* a delete by somebody else */
        t_put(m, other, 9);
        for (gomap_iter_init(&second, m); gomap_iter_next(&second);)
            if (*(const uint64_t *)second.key == other) assert_true(gomap_iter_delete(&second, m));
    }
    assert_int_equal(seen, 10);
    gomap_free(m);
}

/* A put while pages were being returned forgot the promise of reserve. */
static void test_reserve_outlives_the_return_of_pages(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    t_fill(m, 0, 60000);
    for (uint64_t k = 100; k < 60000; k++) assert_true(gomap_delete(m, &k));
    assert_int_equal(gomap_reserve(m, 20000), GOMAP_OK);
    gomap_stats s = t_stats(m);
    t_fill(m, 100000, 50);
    for (uint64_t k = 100000; k < 100050; k++) assert_true(gomap_delete(m, &k));
    for (uint64_t k = 200000; gomap_len(m) < 20000; k++) t_put(m, k, k);
    assert_int_equal(t_stats(m).grows, s.grows);
    assert_int_equal(t_stats(m).shrinks, s.shrinks);
    gomap_free(m);
}

static uint64_t mood;
static uint64_t moody_hash(const void *key, void *ctx) { return (void)ctx, t_mix(*(const uint64_t *)key + mood); }

/* A hash that changes its mind made pop_any look for a chain node in the wrong quad. */
static void test_pop_with_a_changing_hash(void **st) {
    (void)st;
    gomap_config c = t_config();
    c.hash = moody_hash;
    gomap *m = t_new(&c);
    mood = 0;
    t_fill(m, 0, 3000);
    for (int i = 0; i < 3000; i++) {
        mood = (uint64_t)i / 10;
        assert_int_equal(gomap_pop_any(m, NULL, NULL), GOMAP_OK);
    }
    assert_int_equal(gomap_len(m), 0);
    gomap_free(m);
}

/* With no time to spend, work said for ever that some was left. */
static void test_work_without_time_ends(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    assert_false(gomap_work(m, 0));
    t_fill(m, 0, 50000);
    for (uint64_t k = 0; k < 50000; k++) gomap_delete(m, &k);
    int rounds = 0;
    while (gomap_work(m, 0)) assert_true(++rounds < 100000);
    gomap_free(m);
}

/* Grids: after two AES rounds keys that vary in two bytes only shared few positions. */
static void test_grids(void **st) {
    (void)st;
    const int at[][2] = {{0, 40}, {8, 48}, {16, 56}, {24, 32}, {0, 32}, {16, 40}, {24, 24}};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        gomap *m = t_new(NULL);
        for (uint64_t x = 0; x < 200; x++)
            for (uint64_t y = 0; y < 200; y++) t_put(m, (x << at[i][0]) + (y << at[i][1]), 0);
        gomap_stats s = t_stats(m);
        assert_true(s.stashed <= s.entries / 50 * (CHAIN_CAP < 32)); /* small limits: chains of 4 spill sooner */
        assert_true(s.chained <= s.entries / 100 + 60);
        gomap_free(m);
    }
}

/* The entry at which a crowded quad's list was cut, deleted through the iterator and put again, was returned again. */
static void test_cut_entry_put_again(void **st) {
    (void)st;
    for (int round = 0; round < 40; round++) {
        gomap_config c = GOMAP_CONFIG(4, 8);
        c.hash = eighth_hash;
        gomap *m = t_new(&c);
        uint8_t seen[160] = {0};
        for (uint32_t k = 0; k < 150; k++) t_put(m, k, k);
        gomap_iter it;
        for (gomap_iter_init(&it, m); gomap_iter_next(&it);) {
            uint32_t k;
            memcpy(&k, it.key, sizeof k);
            if (!t_stats(m).stashed_ever) assert_int_equal(seen[k], 0); /* what comes to the stash comes again */
            seen[k] = 1;
            assert_true(gomap_iter_delete(&it, m));
            t_put(m, k, k);
        }
        for (uint32_t k = 0; k < 150; k++) assert_int_equal(seen[k], 1);
        gomap_free(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sweep_spares_new_entries),
        cmocka_unit_test(test_strings_in_the_stash),
        cmocka_unit_test(test_iterator_over_a_cleared_stash),
        cmocka_unit_test(test_failed_put_destroys_nothing),
        cmocka_unit_test(test_update_is_all_or_nothing),
        cmocka_unit_test(test_replaced_keys_stay_in_an_iteration),
        cmocka_unit_test(test_identical_nans),
        cmocka_unit_test(test_reserve_outlives_the_return_of_pages),
        cmocka_unit_test(test_pop_with_a_changing_hash),
        cmocka_unit_test(test_work_without_time_ends),
        cmocka_unit_test(test_grids),
        cmocka_unit_test(test_cut_entry_put_again),
    };
    return t_run("regressions", tests, sizeof tests / sizeof *tests);
}
