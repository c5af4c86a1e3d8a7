/* tests/unit/test_values.c - values that stay where they are until their entry is deleted. */
#include "../support.h"

#include <pthread.h>

enum { N = 6000 };

static void pointers_hold(gomap_config c) {
    static void *where[N];
    size_t size = c.value_size;
    gomap *m = t_new(&c);
    for (uint64_t k = 0; k < N; k++) {
        void *v;
        T_OK(gomap_get_or_insert(m, &k, &v, NULL));
        memset(v, (int)(k & 0xff), size);
        where[k] = v;
    }
    for (uint64_t k = 0; k < N; k++) {
        assert_ptr_equal(gomap_get(m, &k), where[k]);
        if (k % 10) assert_true(gomap_delete(m, &k));
    }
    while (gomap_work(m, 10000000)) continue;
    T_OK(gomap_shrink_to_fit(m));
    T_OK(gomap_reserve(m, N * 3));
    for (uint64_t k = N; k < 2 * N; k++) T_OK(gomap_put(m, &k, NULL));
    for (uint64_t k = 0; k < N; k += 10) {
        uint8_t *v = gomap_get(m, &k);
        assert_ptr_equal(v, where[k]);
        for (size_t i = 0; i < size; i++) assert_int_equal(v[i], k & 0xff);
    }
    gomap_iter it;
    uint64_t old = 0;
    for (gomap_iter_init(&it, m); gomap_iter_next(&it);) {
        uint64_t k = *(const uint64_t *)it.key;
        if (k >= N) continue;
        assert_ptr_equal(it.value, where[k]);
        old++;
    }
    assert_int_equal(old, N / 10);
    T_VERIFY(m);
    gomap_free(m);
}

static void test_stable_mode(void **st) {
    (void)st;
    for (size_t size = 1; size <= 300; size = size * 3 + 1) {
        gomap_config c = GOMAP_CONFIG(8, size);
        c.values = GOMAP_VALUES_STABLE;
        pointers_hold(c);
    }
}

/* Values over 128 bytes are stable by default. */
static void test_large_values_are_stable(void **st) {
    (void)st;
    gomap_config c = GOMAP_CONFIG(8, 129);
    pointers_hold(c);
}

/* Up to 128 they are in the table, and INLINE keeps any size there. */
static void test_where_values_lie(void **st) {
    (void)st;
    const size_t sizes[] = {8, 128, 129, 1000};
    for (size_t i = 0; i < 4; i++)
        for (int how = GOMAP_VALUES_AUTO; how <= GOMAP_VALUES_STABLE; how++) {
            gomap_config c = GOMAP_CONFIG(8, sizes[i]);
            c.values = (gomap_values)how;
            gomap *m = t_new(&c);
            bool cells = how == GOMAP_VALUES_STABLE || (how == GOMAP_VALUES_AUTO && sizes[i] > 128);
            for (uint64_t k = 0; k < 100; k++) T_OK(gomap_put(m, &k, NULL));
            assert_int_equal(t_stats(m).bytes_cells, cells ? 100 * sizes[i] : 0);
            assert_int_equal(t_raw(m)->desc->flags & GOMAP_F_VAL_INDIRECT, cells ? GOMAP_F_VAL_INDIRECT : 0);
            gomap_free(m);
        }
}

/* A thread updates a field in place, atomically, while this one grows the map. */
struct field {
    uint64_t *value;
    bool stop;
    uint64_t done;
};

static void *update(void *arg) {
    struct field *f = arg;
    while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE)) {
        __atomic_fetch_add(f->value, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&f->done, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void test_atomic_update_in_place(void **st) {
    (void)st;
    gomap_config c = t_config();
    c.values = GOMAP_VALUES_STABLE;
    gomap *m = t_new(&c);
    uint64_t k = 0;
    void *v;
    T_OK(gomap_get_or_insert(m, &k, &v, NULL));
    struct field f = {v, false, 0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, update, &f), 0);
    for (k = 1; k < 8000; k++) t_put(m, k, k);
    for (k = 1; k < 8000; k++) assert_true(gomap_delete(m, &k));
    while (__atomic_load_n(&f.done, __ATOMIC_RELAXED) < 1000) continue;
    __atomic_store_n(&f.stop, true, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    k = 0;
    assert_ptr_equal(gomap_get(m, &k), v);
    assert_int_equal(*(uint64_t *)v, f.done);
    gomap_free(m);
}

/* Cells of deleted values are used again. */
static void test_cells_are_reused(void **st) {
    (void)st;
    gomap_config c = GOMAP_CONFIG(8, 200);
    gomap *m = t_new(&c);
    uint64_t settled = 0;
    for (uint64_t k = 0; k < 20000; k++) {
        T_OK(gomap_put(m, &k, NULL));
        uint64_t old = k - 500;
        if (k >= 500) assert_true(gomap_delete(m, &old));
        if (k == 3000) settled = t_stats(m).bytes;
    }
    assert_true(t_stats(m).bytes <= settled * 3 / 2);
    T_VERIFY(m);
    gomap_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stable_mode),      cmocka_unit_test(test_large_values_are_stable),
        cmocka_unit_test(test_where_values_lie), cmocka_unit_test(test_atomic_update_in_place),
        cmocka_unit_test(test_cells_are_reused),
    };
    return t_run("values", tests, sizeof tests / sizeof *tests);
}
