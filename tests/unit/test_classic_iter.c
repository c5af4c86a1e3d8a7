/* test_classic_iter.c - iteration over classic maps, and how long arrays live.
 *
 * Go's promise: an entry present from start to end is returned exactly once, a deleted one not after its
 * deletion, an updated one with its newest elem, an added one at most once.  And this library's: an old
 * array, its overflow buckets and the cells it points to live while an iterator needs them and not longer.
 * Under the address sanitizer, which sees what was freed too early, and by counted bytes, which show what was
 * freed too late.
 */
#include "../support.h"

#include "gomap/classic.h"

/* Key = bucket | number << 8 | odd << 32; odd keys equal nothing, like NaN. */
static uint64_t key_in(uint64_t bucket, uint64_t number) { return bucket | number << 8; }
#define ODD (UINT64_C(1) << 32)

static uint64_t nan_hash;
static uint64_t chosen_hash(const void *key, uint32_t seed, void *ctx) {
    uint64_t k;
    (void)seed, (void)ctx;
    memcpy(&k, key, sizeof k);
    if (k & ODD) return t_mix(++nan_hash);
    return (k & 0xff) | ((k >> 8) + 5) << 56;
}
static int eq(const void *a, const void *b, void *ctx) {
    uint64_t x, y;
    (void)ctx;
    memcpy(&x, a, 8), memcpy(&y, b, 8);
    return x == y && !(x & ODD);
}

static uint64_t start_word; /* of the next iteration */
static uint64_t word(void *ctx) {
    (void)ctx;
    return start_word;
}

enum { SIZE_MOST = 200, KEYS = 1 << 16 };

static gomap_classic *make(size_t key_size, unsigned flags, const gomap_alloc *alloc) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(key_size, 8);
    gomap_classic *m;
    c.keys = GOMAP_CLASSIC_CUSTOM;
    c.flags = flags | GOMAP_CLASSIC_NOT_REFLEXIVE;
    c.hash = chosen_hash;
    c.eq = eq;
    c.random = word;
    c.hint = 100; /* 16 buckets */
    c.alloc = alloc;
    T_OK(gomap_classic_new(&c, &m));
    return m;
}

static void put(gomap_classic *m, uint64_t k, uint64_t v) {
    uint8_t key[SIZE_MOST] = {0};
    memcpy(key, &k, sizeof k);
    T_OK(gomap_classic_put(m, key, &v));
}
static bool del(gomap_classic *m, uint64_t k) {
    uint8_t key[SIZE_MOST] = {0};
    memcpy(key, &k, sizeof k);
    return gomap_classic_delete(m, key);
}

static gomap_classic_stats stats(const gomap_classic *m) {
    gomap_classic_stats s = {.size = sizeof s};
    T_OK(gomap_classic_get_stats(m, &s));
    return s;
}

static void verify(const gomap_classic *m) {
    char why[200];
    if (gomap_classic_verify(m, why, sizeof why)) fail_msg("%s", why);
}

static void finish_growth(gomap_classic *m) {
    while (stats(m).growing) del(m, key_in(0, 0xffff)); /* not there: it only evacuates */
}

/* Make chains long and empty again until a growth to the same size begins; keys that are there stay. */
static void same_size_growth(gomap_classic *m) {
    uint64_t before = stats(m).same_size_grows;
    for (uint64_t b = 0; b < 64; b++) {
        for (uint64_t n = 0; n < 24; n++) del(m, key_in(b % 16, 1000 + n));
        for (uint64_t n = 0; n < 24; n++) {
            put(m, key_in(b % 16, 1000 + n), n);
            if (stats(m).same_size_grows > before) return;
        }
        for (uint64_t n = 0; n < 24; n++) del(m, key_in(b % 16, 1000 + n));
    }
    fail_msg("no growth to the same size");
}

static void double_it(gomap_classic *m, uint64_t *next) {
    unsigned b = stats(m).B;
    while (stats(m).B == b) put(m, key_in(*next % 251, 3000 + *next), 0), ++*next;
    finish_growth(m);
}

static uint64_t seen_key(const gomap_classic_iter *it) {
    uint64_t k;
    memcpy(&k, it->key, sizeof k);
    return k;
}

/* ---- exactly once
 * ------------------------------------------------------------------------------------------ */

struct book {
    uint8_t seen[KEYS];
};

static void note(struct book *b, const gomap_classic_iter *it) {
    uint64_t k = seen_key(it) & 0xffff;
    if (b->seen[k]++) fail_msg("key %lu was returned twice", (unsigned long)k);
}

/* Live keys: 3 in each of 16 buckets. */
static void fill(gomap_classic *m) {
    for (uint64_t b = 0; b < 16; b++)
        for (uint64_t n = 0; n < 3; n++) put(m, key_in(b, n), n);
}

static void check_all_seen(const struct book *b) {
    for (uint64_t i = 0; i < 16; i++)
        for (uint64_t n = 0; n < 3; n++)
            if (b->seen[key_in(i, n)] != 1) fail_msg("key %lu was not returned", (unsigned long)key_in(i, n));
}

/* An iterator older than two growths to the same size stands in an array that was neither current nor old
 * when it began.  Where it stands when that array is given up is tried for every place. */
static void test_iterator_across_same_size_growths(void **st) {
    static const unsigned flags[] = {0, GOMAP_CLASSIC_ELEM_POINTERS};
    static const size_t sizes[] = {8, SIZE_MOST};
    (void)st;
    for (unsigned way = 0; way < 4; way++) {
        for (unsigned steps = 0; steps < 48; steps += way ? 5 : 1) {
            struct book *b = calloc(1, sizeof *b);
            gomap_classic *m = make(sizes[way / 2], flags[way % 2], NULL);
            gomap_classic_iter it;
            bool more = true;
            fill(m);
            start_word = steps * 7;
            gomap_classic_iter_init(&it, m);
            same_size_growth(m);
            finish_growth(m);
            same_size_growth(m);
            assert_true(stats(m).growing);
            for (unsigned i = 0; i < steps && more; i++)
                if ((more = gomap_classic_iter_next(&it))) note(b, &it);
            finish_growth(m);
            while (more && (more = gomap_classic_iter_next(&it))) note(b, &it);
            check_all_seen(b);
            assert_int_equal(stats(m).held_arrays, 0);
            assert_int_equal(stats(m).bytes_held, 0);
            verify(m);
            gomap_classic_free(m);
            free(b);
        }
    }
}

/* Begun before, in the middle of, and after a doubling; the rest of the growths happen under it. */
static void test_iterator_across_doublings(void **st) {
    (void)st;
    for (unsigned begin = 0; begin < 40; begin++) {
        struct book *b = calloc(1, sizeof *b);
        gomap_classic *m = make(8, begin % 2 ? GOMAP_CLASSIC_KEY_POINTERS : 0, NULL);
        gomap_classic_iter it;
        uint64_t next = 0;
        fill(m);
        for (; next < 50 + begin; next++) put(m, key_in(next % 251, 3000 + next), 0);
        start_word = t_rand();
        gomap_classic_iter_init(&it, m);
        for (unsigned i = 0; gomap_classic_iter_next(&it); i++) {
            uint64_t k = seen_key(&it);
            if ((k >> 8 & 0xffff) < 3) note(b, &it);
            if (i % 3 == 0) put(m, key_in(next % 251, 3000 + next), 0), next++;
            if (i % 16 == 0) finish_growth(m);
        }
        check_all_seen(b);
        verify(m);
        gomap_classic_free(m);
        free(b);
    }
}

/* Keys that equal nothing cannot be looked up: evacuation and iterator both go by a bit of the tophash.  In a
 * growth to the same size they need not; there Go's rule holds only while that growth lasts
 * (lib/classic/range.c), so it is left running. */
static void test_odd_keys_under_growth(void **st) {
    (void)st;
    for (unsigned round = 0; round < 200; round++) {
        gomap_classic *m = make(8, 0, NULL);
        gomap_classic_iter it;
        uint8_t seen[256] = {0};
        uint64_t odd = 0, filler = 0;
        bool same_size = round % 4 == 3;
        nan_hash = round * 1000;
        for (; odd < (same_size ? 30u : 70u); odd++) put(m, ODD | odd, odd);
        if (same_size)
            same_size_growth(m);
        else
            while (!stats(m).growing) put(m, key_in(filler % 251, 3000 + filler), 0), filler++;
        for (unsigned i = 0; i < round % 9; i++) del(m, key_in(i, 0xffff)); /* evacuate a few */
        uint64_t at_start = odd;
        start_word = t_rand();
        gomap_classic_iter_init(&it, m);
        for (unsigned i = 0; gomap_classic_iter_next(&it); i++) {
            uint64_t k = seen_key(&it);
            if (k & ODD) {
                if (seen[k & 0xff]++) fail_msg("odd key %lu was returned twice", (unsigned long)(k & 0xff));
            }
            if (same_size) continue;
            if (i % 2) del(m, key_in(i % 16, 0xffff));
            if (i == 20) put(m, ODD | odd, odd), odd++;
            if (i == 60) double_it(m, &filler);
        }
        for (uint64_t k = 0; k < at_start; k++)
            if (!seen[k])
                fail_msg("round %u: odd key %lu of %lu was not returned", round, (unsigned long)k,
                         (unsigned long)at_start);
        gomap_classic_free(m);
    }
}

static void test_deleted_and_updated_entries(void **st) {
    gomap_classic *m = make(8, 0, NULL);
    gomap_classic_iter it;
    uint64_t next = 0, n = 0;
    (void)st;
    fill(m);
    start_word = 5;
    gomap_classic_iter_init(&it, m);
    assert_true(gomap_classic_iter_next(&it));
    uint64_t first = seen_key(&it);
    for (uint64_t b = 0; b < 16; b++)
        for (uint64_t k = 0; k < 3; k++) {
            if (key_in(b, k) == first) continue;
            if (k == 0) assert_true(del(m, key_in(b, k)));
            if (k == 1) put(m, key_in(b, k), 777);
        }
    double_it(m, &next);
    while (gomap_classic_iter_next(&it)) {
        uint64_t k = seen_key(&it);
        if (k >> 8 >= 3) continue;
        assert_int_not_equal(k, first);
        assert_int_not_equal(k >> 8, 0);
        assert_int_equal(*(uint64_t *)it.elem, k >> 8 == 1 ? 777 : 2);
        n++;
    }
    assert_true(n == 31 || n == 32); /* 16 of each, but perhaps the first */
    gomap_classic_free(m);
}

static void test_clear_ends_iterations(void **st) {
    (void)st;
    for (unsigned steps = 0; steps < 30; steps++) {
        gomap_classic *m = make(SIZE_MOST, 0, NULL);
        gomap_classic_iter it, late;
        uint64_t next = 0;
        fill(m);
        for (uint64_t n = 0; n < 40; n++)
            put(m, key_in(1, 100 + n), n); /* pool used up, and buckets beside it */
        if (steps % 2) double_it(m, &next);
        start_word = 1;
        gomap_classic_iter_init(&it, m);
        for (unsigned i = 0; i < steps; i++) assert_true(gomap_classic_iter_next(&it));
        while (steps % 3 == 0 && !stats(m).growing) put(m, key_in(next % 251, 3000 + next), 0), next++;
        gomap_classic_iter_init(&late, m);
        assert_true(gomap_classic_iter_next(&late));
        gomap_classic_clear(m);
        assert_false(gomap_classic_iter_next(&it));
        assert_false(gomap_classic_iter_next(&late));
        assert_int_equal(stats(m).bytes_held, 0);
        assert_int_equal(stats(m).bytes_cells, 0);
        gomap_classic_free(m);
    }
}

/* The last bucket of the pool marks its end by a pointer to the array.  An iterator that stands in it when the
 * map is cleared follows that into bucket 0, in Go too: what is put there is returned now, and in its turn. */
static void test_clear_under_an_iterator_in_the_pool(void **st) {
    gomap_classic *m = make(8, 0, NULL);
    gomap_classic_iter it;
    unsigned times = 0;
    (void)st;
    uint64_t pool = stats(m).pool;
    for (uint64_t n = 0; n < 8 + 8 * pool; n++) put(m, key_in(1, n), n);
    assert_int_equal(stats(m).pool_used, pool);
    start_word = 1;
    gomap_classic_iter_init(&it, m);
    for (uint64_t i = 0; i < 4 + 8 * pool; i++) assert_true(gomap_classic_iter_next(&it));
    gomap_classic_clear(m);
    put(m, key_in(0, 7), 7);
    while (gomap_classic_iter_next(&it)) times++;
    assert_int_equal(times, 2);
    gomap_classic_free(m);
}

/* ---- how long things live
 * ---------------------------------------------------------------------------------- */

static void test_an_old_array_lives_as_long_as_its_iterators(void **st) {
    struct t_alloc a;
    gomap_classic_iter it[3];
    uint64_t next = 0;
    (void)st;
    t_alloc_init(&a);
    gomap_classic *m = make(8, 0, &a.api);
    fill(m);
    for (int i = 0; i < 3; i++) {
        gomap_classic_iter_init(&it[i], m);
        assert_true(gomap_classic_iter_next(&it[i]));
        double_it(m, &next);
        assert_int_equal(stats(m).held_arrays, i + 1); /* one array each */
    }
    uint64_t held = stats(m).bytes_held;
    gomap_classic_iter_end(&it[1]); /* in any order */
    assert_int_equal(stats(m).held_arrays, 2);
    assert_true(stats(m).bytes_held < held);
    while (gomap_classic_iter_next(&it[0])) {} /* coming to the end lets go too */
    assert_int_equal(stats(m).held_arrays, 1);
    gomap_classic_iter_end(&it[0]);
    gomap_classic_iter_end(&it[2]);
    gomap_classic_iter_end(&it[2]);
    assert_int_equal(stats(m).held_arrays, 0);
    assert_int_equal(stats(m).bytes_held, 0);
    assert_int_equal(a.bytes, stats(m).bytes);
    double_it(m, &next); /* nobody looks: the old array goes with its growth */
    assert_int_equal(a.bytes, stats(m).bytes);
    gomap_classic_iter_init(&it[0], m); /* never ended */
    double_it(m, &next);
    assert_int_equal(a.bytes, stats(m).bytes);
    gomap_classic_free(m);
    t_alloc_check_empty(&a);
}

/* Old arrays still point to the cells of keys that are deleted now; the cell goes when the last of those that
 * may follow the pointer is gone. */
static void test_a_deleted_cell_waits_for_the_oldest_iterator(void **st) {
    struct t_alloc a;
    gomap_classic_iter old, newer;
    uint64_t next = 0, cell;
    (void)st;
    t_alloc_init(&a);
    gomap_classic *m = make(SIZE_MOST, 0, &a.api);
    fill(m);
    start_word = 3;
    gomap_classic_iter_init(&old, m);
    assert_true(gomap_classic_iter_next(&old));
    uint64_t first = seen_key(&old);
    double_it(m, &next);
    gomap_classic_iter_init(&newer, m);
    assert_true(gomap_classic_iter_next(&newer));
    double_it(m, &next);
    cell = SIZE_MOST + sizeof(struct gomap_loose);
    uint64_t arrays = stats(m).bytes_held, cells = stats(m).bytes_cells, gone = 0;
    for (uint64_t b = 0; b < 16; b++)
        if (key_in(b, 0) != first) gone += del(m, key_in(b, 0));
    assert_int_equal(stats(m).bytes_held, arrays + gone * cell);
    assert_int_equal(stats(m).bytes_cells, cells - gone * cell);
    gomap_classic_iter_end(&newer);
    assert_true(stats(m).bytes_held > gone * cell); /* the oldest array may still be read through */
    uint64_t n = 1;
    while (gomap_classic_iter_next(&old)) n += seen_key(&old) >> 8 < 3;
    assert_int_equal(n, 48 - gone);
    assert_int_equal(stats(m).bytes_held, 0);
    assert_int_equal(a.bytes, stats(m).bytes);
    assert_true(del(m, key_in(5, 1))); /* nobody looks: at once */
    assert_int_equal(a.bytes, stats(m).bytes);
    gomap_classic_free(m);
    t_alloc_check_empty(&a);
}

/* ---- order
 * ------------------------------------------------------------------------------------------------- */

static void test_order_is_a_circle_from_the_drawn_place(void **st) {
    gomap_classic *m = make(8, 0, NULL);
    gomap_classic_iter it;
    (void)st;
    fill(m);
    for (uint64_t r = 0; r < 128; r++) {
        start_word = r; /* low bits: bucket; the next three: slot */
        gomap_classic_iter_init(&it, m);
        for (unsigned i = 0; i < 16; i++) {
            unsigned last = 0;
            for (unsigned k = 0; k < 3; k++) {
                assert_true(gomap_classic_iter_next(&it));
                assert_int_equal(seen_key(&it) & 0xff, (r + i) & 15);
                unsigned slot = (unsigned)((seen_key(&it) >> 8) - (r >> 4)) & 7;
                assert_true(k == 0 || slot > last);
                last = slot;
            }
        }
        assert_false(gomap_classic_iter_next(&it));
        assert_false(gomap_classic_iter_next(&it)); /* and stays at its end */
    }
    gomap_classic_free(m);
}

static void test_keys_of_and_elems_of_agree(void **st) {
    gomap_classic *m = make(8, 0, NULL);
    uint64_t keys[64], elems[64], next = 0;
    (void)st;
    fill(m);
    for (int growing = 0; growing < 2; growing++) {
        while (growing && !stats(m).growing) put(m, key_in(next % 251, 3000 + next), 3000 + next), next++;
        size_t n = gomap_classic_keys_of(m, keys, 64);
        assert_int_equal(n, growing ? 64 : 48);
        assert_int_equal(gomap_classic_elems_of(m, elems, 64), n);
        for (size_t i = 0; i < n; i++) assert_int_equal(keys[i] >> 8, elems[i]);
    }
    assert_int_equal(gomap_classic_keys_of(m, keys, 5), 5);
    gomap_classic_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_iterator_across_same_size_growths),
        cmocka_unit_test(test_iterator_across_doublings),
        cmocka_unit_test(test_odd_keys_under_growth),
        cmocka_unit_test(test_deleted_and_updated_entries),
        cmocka_unit_test(test_clear_ends_iterations),
        cmocka_unit_test(test_clear_under_an_iterator_in_the_pool),
        cmocka_unit_test(test_an_old_array_lives_as_long_as_its_iterators),
        cmocka_unit_test(test_a_deleted_cell_waits_for_the_oldest_iterator),
        cmocka_unit_test(test_order_is_a_circle_from_the_drawn_place),
        cmocka_unit_test(test_keys_of_and_elems_of_agree),
    };
    return t_run("classic_iter", tests, sizeof tests / sizeof *tests);
}
