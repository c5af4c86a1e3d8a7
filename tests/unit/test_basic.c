/* tests/unit/test_basic.c - every operation on one entry, once through its contract.
 *
 * What is checked here is the letter of gomap.h: what is returned, what is left alone, what NULL means.
 * Sizes, iteration, memory and misuse have suites of their own.
 */
#include "../support.h"

#include <stdio.h>

static void test_empty_map(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    uint64_t k = 1, v;
    assert_int_equal(gomap_len(m), 0);
    assert_null(gomap_get(m, &k));
    assert_false(gomap_has(m, &k));
    assert_false(gomap_delete(m, &k));
    assert_int_equal(gomap_pop_any(m, &k, &v), GOMAP_ENOENT);
    const void *rk;
    void *rv;
    assert_int_equal(gomap_random(m, &rk, &rv, NULL), GOMAP_ENOENT);
    gomap_iter it;
    gomap_iter_init(&it, m);
    assert_false(gomap_iter_next(&it));
    assert_false(gomap_iter_next(&it));
    gomap_clear(m, GOMAP_KEEP);
    gomap_clear(m, GOMAP_RELEASE);
    T_OK(gomap_shrink_to_fit(m));
    T_VERIFY(m);
    gomap_stats s = t_stats(m);
    assert_int_equal(s.slots, 0);
    assert_true(s.bytes_header <= 128);
    gomap_free(m);
}

static void test_null_reads_as_empty(void **st) {
    (void)st;
    uint64_t k = 1;
    void *values[1] = {&k};
    assert_int_equal(gomap_len(NULL), 0);
    assert_null(gomap_get(NULL, &k));
    assert_false(gomap_has(NULL, &k));
    assert_int_equal(gomap_get_many(NULL, &k, 1, values), 0);
    assert_null(values[0]);
    gomap_iter it;
    gomap_iter_init(&it, NULL);
    assert_false(gomap_iter_next(&it));
    const void *rk;
    void *rv;
    assert_int_equal(gomap_random(NULL, &rk, &rv, NULL), GOMAP_ENOENT);
    assert_int_equal(gomap_verify(NULL, NULL, 0), 0);
    gomap *m = t_new(NULL);
    assert_true(gomap_equal(NULL, NULL, NULL, NULL));
    gomap_free(m);
    gomap_free(NULL);
}

static void test_put_get_update_delete(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    for (uint64_t n = 1; n <= 700; n++) {
        bool found;
        t_put(m, n, n * 10);
        assert_int_equal(t_get(m, n, &found), n * 10);
        t_put(m, n, n * 11);
        assert_int_equal(t_get(m, n, &found), n * 11);
        assert_int_equal(gomap_len(m), n);
        t_get(m, n + 1, &found);
        assert_false(found);
    }
    T_VERIFY(m);
    for (uint64_t n = 1; n <= 700; n++) {
        bool found;
        assert_int_equal(t_get(m, n, &found), n * 11);
        assert_true(gomap_delete(m, &n));
        assert_false(gomap_delete(m, &n));
        assert_false(gomap_has(m, &n));
        assert_int_equal(gomap_len(m), 700 - n);
    }
    T_VERIFY(m);
    gomap_free(m);
}

static void test_put_null_value_is_zeros(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    uint64_t k = 5;
    bool found, inserted = false;
    T_OK(gomap_put(m, &k, NULL));
    assert_int_equal(t_get(m, k, &found), 0);
    assert_true(found);
    t_put(m, k, 77);
    T_OK(gomap_put(m, &k, NULL));
    assert_int_equal(t_get(m, k, &found), 0);
    k = 6;
    T_OK(gomap_put_if_absent(m, &k, NULL, &inserted));
    assert_true(inserted);
    assert_int_equal(t_get(m, k, &found), 0);
    gomap_free(m);
}

static void test_put_if_absent(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    for (uint64_t k = 0; k < 300; k++) {
        uint64_t v = k + 1, other = 0;
        bool inserted = false, found;
        T_OK(gomap_put_if_absent(m, &k, &v, &inserted));
        assert_true(inserted);
        T_OK(gomap_put_if_absent(m, &k, &other, &inserted));
        assert_false(inserted);
        T_OK(gomap_put_if_absent(m, &k, &other, NULL));
        assert_int_equal(t_get(m, k, &found), k + 1);
        assert_int_equal(gomap_len(m), k + 1);
    }
    gomap_free(m);
}

static void test_get_or_insert(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    for (uint64_t round = 1; round <= 3; round++) {
        for (uint64_t k = 0; k < 900; k++) {
            void *v = NULL;
            bool is_new = round != 1;
            T_OK(gomap_get_or_insert(m, &k, &v, &is_new));
            assert_non_null(v);
            assert_int_equal(is_new, round == 1);
            assert_int_equal(*(uint64_t *)v, round == 1 ? 0 : (round - 1) * k);
            assert_ptr_equal(v, gomap_get(m, &k)); /* it is the place where the value stays for now */
            *(uint64_t *)v = round * k;
        }
    }
    uint64_t k = 5000;
    void *v;
    T_OK(gomap_get_or_insert(m, &k, &v, NULL));
    gomap_free(m);
}

/* A deleted key that comes back starts at zero (a fault old Go had). */
static void test_value_starts_at_zero_after_delete(void **st) {
    (void)st;
    for (uint64_t n = 1; n < 2000; n = n * 3 + 1) {
        gomap *m = t_new(NULL);
        t_fill(m, 0, n);
        for (uint64_t i = 0; i < 300; i++) {
            uint64_t k = t_below(n);
            void *v;
            bool is_new = false;
            assert_true(gomap_delete(m, &k));
            T_OK(gomap_get_or_insert(m, &k, &v, &is_new));
            assert_true(is_new);
            assert_int_equal(*(uint64_t *)v, 0);
            *(uint64_t *)v = ~k;
        }
        T_VERIFY(m);
        gomap_free(m);
    }
}

static void test_pop_any(void **st) {
    (void)st;
    enum { N = 1500 };
    gomap *m = t_new(NULL);
    static uint8_t seen[N];
    memset(seen, 0, sizeof seen);
    t_fill(m, 0, N);
    for (uint64_t left = N; left; left--) {
        uint64_t k = N, v = 0;
        if (left % 3 == 0)
            T_OK(gomap_pop_any(m, &k, &v));
        else
            T_OK(gomap_pop_any(m, &k, NULL));
        assert_true(k < N);
        assert_false(seen[k]);
        if (left % 3 == 0) assert_int_equal(v, t_mix(k));
        seen[k] = 1;
        assert_false(gomap_has(m, &k));
        assert_int_equal(gomap_len(m), left - 1);
    }
    T_VERIFY(m);
    assert_int_equal(gomap_pop_any(m, NULL, NULL), GOMAP_ENOENT);
    t_fill(m, 0, 2);
    T_OK(gomap_pop_any(m, NULL, NULL));
    assert_int_equal(gomap_len(m), 1);
    gomap_free(m);
}

static void test_clear(void **st) {
    (void)st;
    const uint64_t sizes[] = {1, 7, 15, 16, 100, 3000, 9000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int how = GOMAP_KEEP; how <= GOMAP_RELEASE; how++) {
            gomap *m = t_new(NULL);
            t_fill(m, 0, sizes[i]);
            uint64_t slots = t_stats(m).slots, header = t_stats(m).bytes_header;
            gomap_clear(m, (gomap_clear_how)how);
            assert_int_equal(gomap_len(m), 0);
            for (uint64_t k = 0; k < sizes[i]; k++) assert_false(gomap_has(m, &k));
            gomap_stats s = t_stats(m);
            if (how == GOMAP_KEEP) assert_true(s.slots >= slots); /* a walk in progress may have ended */
            if (how == GOMAP_RELEASE) assert_int_equal(s.slots, 0);
            if (how == GOMAP_RELEASE) assert_true(s.bytes <= header + s.bytes_slack);
            T_VERIFY(m);
            t_fill(m, 0, sizes[i]);
            if (how == GOMAP_KEEP) assert_int_equal(t_stats(m).slots, s.slots);
            assert_int_equal(t_sum_of(m).n, sizes[i]);
            T_VERIFY(m);
            gomap_free(m);
        }
    }
}

static void test_zero_value_sets(void **st) {
    (void)st;
    gomap_config c = GOMAP_CONFIG(sizeof(uint32_t), 0);
    gomap *m = t_new(&c);
    for (uint32_t k = 0; k < 1000; k += 2) T_OK(gomap_put(m, &k, NULL));
    for (uint32_t k = 0; k < 1000; k++) {
        assert_int_equal(gomap_has(m, &k), k % 2 == 0);
        assert_int_equal(gomap_get(m, &k) != NULL, k % 2 == 0);
    }
    uint32_t odd = 1;
    void *v = NULL;
    bool is_new;
    T_OK(gomap_get_or_insert(m, &odd, &v, &is_new));
    assert_true(is_new);
    assert_non_null(v);
    T_VERIFY(m);
    gomap_free(m);
}

/* A key of no bytes: there is one such key. */
static void test_zero_size_key(void **st) {
    (void)st;
    gomap_config c = GOMAP_CONFIG(0, sizeof(uint64_t));
    gomap *m = t_new(&c);
    uint64_t v = 9;
    T_OK(gomap_put(m, "", &v));
    v = 10;
    T_OK(gomap_put(m, "", &v));
    assert_int_equal(gomap_len(m), 1);
    assert_int_equal(*(uint64_t *)gomap_get(m, ""), 10);
    assert_true(gomap_delete(m, ""));
    assert_int_equal(gomap_len(m), 0);
    gomap_free(m);
}

static void test_errors_have_lines(void **st) {
    (void)st;
    const char *lines[5];
    for (int e = GOMAP_OK; e <= GOMAP_ENOENT; e++) {
        lines[e] = gomap_strerror((gomap_err)e);
        assert_non_null(lines[e]);
        assert_true(strlen(lines[e]) > 1);
        assert_null(strchr(lines[e], '\n'));
        for (int f = 0; f < e; f++) assert_string_not_equal(lines[e], lines[f]);
    }
    assert_non_null(gomap_strerror((gomap_err)12345));
}

static void test_config_refusals(void **st) {
    (void)st;
    gomap *m = (gomap *)&m;
    gomap_config c = t_config();
#define REFUSED(change)                                                                                      \
    do {                                                                                                     \
        c = t_config();                                                                                      \
        change;                                                                                              \
        assert_int_equal(gomap_new(&c, &m), GOMAP_EINVAL);                                                   \
    } while (0)
    REFUSED(c.size = 0);
    REFUSED(c.size = sizeof c + 8);
    REFUSED(c.key_size = 4097);
    REFUSED(c.value_size = 4097);
    REFUSED(c.key_size = SIZE_MAX);
    REFUSED(c.value_size = SIZE_MAX);
    REFUSED(c.key_align = 3);
    REFUSED(c.key_align = 128);
    REFUSED(c.value_align = 6);
    REFUSED(c.value_align = 128);
    REFUSED((c.key_size = 8, c.key_align = 16)); /* does not divide the size */
    REFUSED(c.keys = (gomap_keys)9);
    REFUSED(c.values = (gomap_values)9);
    REFUSED(c.hashing = (gomap_hashing)9);
    REFUSED(c.mode = (gomap_mode)9);
#undef REFUSED
    c = t_config();
    c.key_size = c.value_size = 4096, c.key_align = c.value_align = 64;
    T_OK(gomap_new(&c, &m));
    gomap_free(m);
}

static void test_name_and_description(void **st) {
    (void)st;
    char buf[256];
    gomap_config c = GOMAP_CONFIG(8, 8); /* here, so that the site is this line */
    c.key_type = "user_id", c.value_type = "session";
    gomap *m = t_new(&c);
    int n = gomap_describe(m, buf, sizeof buf);
    assert_int_equal(n, strlen(buf));
    assert_non_null(strstr(buf, "user_id->session@"));
    assert_non_null(strstr(buf, "test_basic.c:"));
    char little[6];
    assert_int_equal(gomap_describe(m, little, sizeof little), n);
    assert_int_equal(strlen(little), 5);
    assert_memory_equal(little, buf, 5);
    assert_int_equal(gomap_describe(m, NULL, 0), n);
    char name[] = "sessions";
    T_OK(gomap_set_name(m, name));
    name[0] = 'X'; /* it was copied */
    gomap_describe(m, buf, sizeof buf);
    assert_non_null(strstr(buf, "sessions"));
    T_OK(gomap_set_name(m, NULL));
    gomap_describe(m, buf, sizeof buf);
    assert_null(strstr(buf, "sessions"));
    gomap_free(m);
}

static void test_dump_draws(void **st) {
    (void)st;
    const uint64_t sizes[] = {0, 1, 15, 16, 200, 5000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        gomap *m = t_new(NULL);
        char *text = NULL;
        size_t len = 0;
        t_fill(m, 0, sizes[i]);
        T_OK(gomap_set_name(m, "pictured"));
        FILE *f = open_memstream(&text, &len);
        gomap_dump(m, f);
        fclose(f);
        assert_non_null(strstr(text, "pictured"));
        assert_true(len < 100000);
        free(text);
        gomap_free(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_map),
        cmocka_unit_test(test_null_reads_as_empty),
        cmocka_unit_test(test_put_get_update_delete),
        cmocka_unit_test(test_put_null_value_is_zeros),
        cmocka_unit_test(test_put_if_absent),
        cmocka_unit_test(test_get_or_insert),
        cmocka_unit_test(test_value_starts_at_zero_after_delete),
        cmocka_unit_test(test_pop_any),
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_zero_value_sets),
        cmocka_unit_test(test_zero_size_key),
        cmocka_unit_test(test_errors_have_lines),
        cmocka_unit_test(test_config_refusals),
        cmocka_unit_test(test_name_and_description),
        cmocka_unit_test(test_dump_draws),
    };
    return t_run("basic", tests, sizeof tests / sizeof *tests);
}
