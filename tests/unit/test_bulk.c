/* tests/unit/test_bulk.c - operations on many entries: get_many, put_many, delete_many, retain_if, clone, equal. */
#include "../flavours.h"

/* Keys of a flavour in an array, as the bulk calls take them. */
struct keys {
    uint8_t *bytes;
    struct t_key *room;
    size_t each;
};

static struct keys make_keys(const struct t_flavour *f, const uint64_t *numbers, size_t n) {
    struct keys k = {.each = f->keys == GOMAP_KEYS_FIXED ? f->key_size : sizeof(gomap_str)};
    k.bytes = aligned_alloc(64, (n * k.each + 64) / 64 * 64);
    k.room = aligned_alloc(64, (n + 1) * sizeof *k.room);
    assert_non_null(k.bytes);
    assert_non_null(k.room);
    for (size_t i = 0; i < n; i++) memcpy(k.bytes + i * k.each, t_key(f, numbers[i], &k.room[i]), k.each);
    return k;
}

static void free_keys(struct keys *k) {
    free(k->bytes);
    free(k->room);
}

static void bulk_like_single(const struct t_flavour *f) {
    enum { MOST = 100, UNIVERSE = 1500 };
    struct t_model model;
    struct t_alloc a;
    t_model_init(&model, UNIVERSE);
    t_alloc_init(&a);
    gomap *m = t_flavour_new(f, &a);
    for (int round = 0; round < (t_flavour_clumps(f) ? 40 : 150); round++) {
        uint64_t numbers[MOST], values[MOST];
        void *found[MOST];
        size_t n = t_below(MOST + 1), done = 0, want = 0;
        uint64_t universe = t_flavour_clumps(f) ? 200 : UNIVERSE;
        for (size_t i = 0; i < n; i++) numbers[i] = t_below(universe), values[i] = t_rand();
        struct keys k = make_keys(f, numbers, n);
        switch (t_below(3)) {
        case 0:
            T_OK(gomap_put_many(m, k.bytes, round % 7 ? values : NULL, n, round % 2 ? &done : NULL));
            if (round % 2) assert_int_equal(done, n);
            for (size_t i = 0; i < n; i++) t_model_put(&model, numbers[i], round % 7 ? values[i] : 0);
            break;
        case 1:
            for (size_t i = 0; i < n; i++) want += t_model_del(&model, numbers[i]);
            assert_int_equal(gomap_delete_many(m, k.bytes, n), want);
            break;
        default: break;
        }
        want = 0;
        for (size_t i = 0; i < n; i++) want += model.has[numbers[i]];
        assert_int_equal(gomap_get_many(m, k.bytes, n, found), want);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(found[i] != NULL, model.has[numbers[i]]);
            if (found[i]) assert_int_equal(*(uint64_t *)found[i], model.value[numbers[i]]);
        }
        assert_int_equal(gomap_len(m), model.count);
        free_keys(&k);
    }
    T_VERIFY(m);
    gomap_free(m);
    t_alloc_check_empty(&a);
    t_model_free(&model);
}

static void test_bulk_like_single(void **st) {
    (void)st;
    for (size_t f = 0; f < t_flavour_count; f++) bulk_like_single(&t_flavours[f]);
}

struct keeping {
    const struct t_flavour *f;
    uint64_t modulus, calls;
};

static bool keep_multiples(const void *key, void *value, void *ctx) {
    struct keeping *k = ctx;
    (void)value;
    k->calls++;
    return t_key_number(k->f, key) % k->modulus == 0;
}

static void test_retain_if(void **st) {
    (void)st;
    for (size_t f = 0; f < t_flavour_count; f++) {
        for (uint64_t n = 0; n < 4000; n = n * 3 + 7) {
            if (n > 400 && t_flavour_clumps(&t_flavours[f])) break;
            struct t_alloc a;
            t_alloc_init(&a);
            struct keeping k = {&t_flavours[f], 1 + t_below(20), 0};
            gomap *m = t_flavour_new(&t_flavours[f], &a);
            for (uint64_t i = 0; i < n; i++) T_OK(tf_put(m, k.f, i, i));
            uint64_t left = n ? (n - 1) / k.modulus + 1 : 0;
            assert_int_equal(gomap_retain_if(m, keep_multiples, &k), n - left);
            assert_int_equal(k.calls, n);
            assert_int_equal(gomap_len(m), left);
            for (uint64_t i = 0; i < n; i++) {
                uint64_t v;
                assert_int_equal(tf_get(m, k.f, i, &v), i % k.modulus == 0);
            }
            T_VERIFY(m);
            gomap_free(m);
            t_alloc_check_empty(&a);
        }
    }
}

static int last_bit_free_eq(const void *a, const void *b, void *ctx) {
    uint64_t x, y;
    memcpy(&x, a, 8), memcpy(&y, b, 8);
    return (x | *(uint64_t *)ctx) == (y | *(uint64_t *)ctx);
}

static void test_clone_and_equal(void **st) {
    (void)st;
    for (size_t f = 0; f < t_flavour_count; f++) {
        for (uint64_t n = 0; n < 4000; n = n * 4 + 3) {
            if (n > 300 && t_flavour_clumps(&t_flavours[f])) break;
            struct t_alloc a;
            const struct t_flavour *fl = &t_flavours[f];
            t_alloc_init(&a);
            gomap *m = t_flavour_new(fl, &a), *c = NULL;
            for (uint64_t i = 0; i < n; i++) T_OK(tf_put(m, fl, i, i * 2));
            T_OK(gomap_clone(m, &c));
            assert_ptr_not_equal(m, c);
            assert_int_equal(gomap_len(c), n);
            assert_true(gomap_equal(m, c, NULL, NULL));
            assert_true(gomap_equal(c, m, NULL, NULL));
            assert_true(gomap_equal(m, m, NULL, NULL));
            T_VERIFY(c);
            struct t_sum x = tf_sum(m, fl), y = tf_sum(c, fl);
            assert_int_equal(x.sum, y.sum);
            if (n) { /* they are two maps */
                uint64_t one = 1, zero = 0;
                T_OK(tf_put(c, fl, 0, 1));
                assert_false(gomap_equal(m, c, NULL, NULL));
                assert_true(gomap_equal(m, c, last_bit_free_eq, &one));
                assert_false(gomap_equal(m, c, last_bit_free_eq, &zero));
                assert_true(tf_del(c, fl, 0));
                assert_false(gomap_equal(m, c, NULL, NULL));
                assert_false(gomap_equal(c, m, NULL, NULL));
                T_OK(tf_put(c, fl, n, 0)); /* as many, but another key */
                assert_false(gomap_equal(m, c, NULL, NULL));
                uint64_t v;
                assert_true(tf_get(m, fl, 0, &v));
            }
            gomap_free(m);
            T_VERIFY(c);
            gomap_free(c);
            t_alloc_check_empty(&a);
        }
    }
}

static void test_equal_of_unlike_maps(void **st) {
    (void)st;
    gomap_config c = GOMAP_CONFIG(8, 4);
    gomap *a = t_new(NULL), *b = t_new(&c), *d;
    assert_true(gomap_equal(NULL, a, NULL, NULL)); /* NULL reads as empty */
    c = GOMAP_CONFIG(4, 8);
    d = t_new(&c);
    t_put(a, 1, 1);
    uint64_t k = 1;
    T_OK(gomap_put(b, &k, NULL));
    T_OK(gomap_put(d, &k, NULL));
    assert_false(gomap_equal(a, b, NULL, NULL));
    assert_false(gomap_equal(a, d, NULL, NULL));
    assert_false(gomap_equal(NULL, a, NULL, NULL));
    assert_false(gomap_equal(a, NULL, NULL, NULL));
    gomap_free(a);
    gomap_free(b);
    gomap_free(d);
}

/* Cloning in the middle of a growth, and maps of one seed family. */
static void test_clone_in_a_walk(void **st) {
    (void)st;
    uint64_t next = 0;
    gomap *m = t_new(NULL), *c = NULL;
    assert_true(t_until_walk(m, &next, 0.3, 100000));
    T_OK(gomap_clone(m, &c));
    assert_true(gomap_equal(m, c, NULL, NULL));
    gomap_config cfg = t_config();
    cfg.seed_of = m;
    gomap *kin = t_new(&cfg);
    gomap_iter it; /* the trap of ordered tables: one by one in the order of a table of the same seed */
    for (gomap_iter_init(&it, m); gomap_iter_next(&it);) T_OK(gomap_put(kin, it.key, it.value));
    assert_true(gomap_equal(m, kin, NULL, NULL));
    T_VERIFY(kin);
    T_VERIFY(c);
    gomap_free(m);
    gomap_free(c);
    T_VERIFY(kin); /* lives on without its parent */
    gomap_free(kin);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bulk_like_single), cmocka_unit_test(test_retain_if),
        cmocka_unit_test(test_clone_and_equal),  cmocka_unit_test(test_equal_of_unlike_maps),
        cmocka_unit_test(test_clone_in_a_walk),
    };
    return t_run("bulk", tests, sizeof tests / sizeof *tests);
}
