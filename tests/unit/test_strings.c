/* tests/unit/test_strings.c - byte-string keys, owned and borrowed. */
#include "../support.h"

#include <stdio.h>

static gomap_str str_of(const char *s) { return (gomap_str){s, strlen(s)}; }

static gomap *new_strings(gomap_keys keys) {
    gomap_config c = GOMAP_CONFIG_STRING(sizeof(uint64_t));
    c.keys = keys;
    return t_new(&c);
}

static void test_owned_copies(void **st) {
    (void)st;
    gomap *m = new_strings(GOMAP_KEYS_STRING);
    char buf[64];
    for (uint64_t i = 0; i < 5000; i++) {
        snprintf(buf, sizeof buf, "key-%llu", (unsigned long long)i);
        gomap_str s = str_of(buf);
        T_OK(gomap_put(m, &s, &i));
        memset(buf, 'x', sizeof buf); /* the map must not look here again */
    }
    T_VERIFY(m);
    for (uint64_t i = 0; i < 5000; i++) {
        snprintf(buf, sizeof buf, "key-%llu", (unsigned long long)i);
        gomap_str s = str_of(buf);
        assert_int_equal(*(uint64_t *)gomap_get(m, &s), i);
        s.len--;
        uint64_t *shorter = gomap_get(m, &s);
        assert_true(!shorter || *shorter == i / 10);
        if (i % 2) continue;
        s.len++;
        assert_true(gomap_delete(m, &s));
    }
    assert_int_equal(gomap_len(m), 2500);
    T_VERIFY(m);
    gomap_iter it;
    uint64_t n = 0;
    for (gomap_iter_init(&it, m); gomap_iter_next(&it); n++) {
        const gomap_str *s = it.key;
        snprintf(buf, sizeof buf, "key-%llu", (unsigned long long)*(uint64_t *)it.value);
        assert_int_equal(s->len, strlen(buf));
        assert_memory_equal(s->ptr, buf, s->len);
        assert_int_equal(s->ptr[s->len], 0); /* copies end in a NUL behind len */
    }
    assert_int_equal(n, 2500);
    gomap_free(m);
}

/* Bytes are bytes: empty, with NULs inside, equal beginnings, every length around the hash's blocks. */
static void test_any_bytes(void **st) {
    (void)st;
    enum { LONGEST = 300 };
    char a[LONGEST + 1], b[LONGEST + 1];
    for (int keys = GOMAP_KEYS_STRING; keys <= GOMAP_KEYS_BORROWED; keys++) {
        gomap *m = new_strings((gomap_keys)keys);
        memset(a, 0, sizeof a);
        memset(b, 0, sizeof b);
        for (uint64_t len = 0; len <= LONGEST; len++) { /* prefixes of one run of zeros */
            gomap_str s = {a, len};
            assert_false(gomap_has(m, &s));
            T_OK(gomap_put(m, &s, &len));
        }
        for (uint64_t len = 0; len <= LONGEST; len++) {
            gomap_str s = {b, len};
            assert_int_equal(*(uint64_t *)gomap_get(m, &s), len);
            if (!len) continue;
            for (int bit = 0; bit < 8; bit++) {
                b[len - 1] = (char)(1 << bit);
                assert_false(gomap_has(m, &s));
            }
            b[len - 1] = 0;
        }
        assert_int_equal(gomap_len(m), LONGEST + 1);
        T_VERIFY(m);
        gomap_str none = {NULL, 0};
        assert_non_null(gomap_get(m, &none)); /* NULL of no bytes is the empty string */
        gomap_free(m);
    }
}

static void test_borrowed_keeps_the_pointer(void **st) {
    (void)st;
    gomap *m = new_strings(GOMAP_KEYS_BORROWED);
    char a[] = "borrowed", b[] = "borrowed";
    gomap_str s = str_of(a);
    uint64_t v = 1;
    T_OK(gomap_put(m, &s, &v));
    gomap_str t = str_of(b);
    v = 2;
    T_OK(gomap_put(m, &t, &v)); /* an update keeps the old key */
    gomap_iter it;
    gomap_iter_init(&it, m);
    assert_true(gomap_iter_next(&it));
    assert_ptr_equal(((const gomap_str *)it.key)->ptr, a);
    assert_int_equal(*(uint64_t *)it.value, 2);
    assert_int_equal(t_stats(m).bytes_strings, 0);
    gomap_free(m);
}

static void test_pop_hands_out_bytes(void **st) {
    (void)st;
    gomap *m = new_strings(GOMAP_KEYS_STRING);
    char buf[200];
    for (uint64_t i = 0; i < 300; i++) {
        memset(buf, 'a' + (char)(i % 26), sizeof buf);
        int n = snprintf(buf, sizeof buf, "%llu", (unsigned long long)i);
        buf[n] = '-';
        gomap_str s = {buf, (size_t)n + i % 150};
        T_OK(gomap_put(m, &s, &i));
    }
    for (uint64_t left = 300; left; left--) {
        gomap_str s;
        uint64_t v;
        T_OK(gomap_pop_any(m, &s, &v));
        int n = snprintf(buf, sizeof buf, "%llu", (unsigned long long)v);
        assert_int_equal(s.len, (size_t)n + v % 150);
        assert_memory_equal(s.ptr, buf, (size_t)n);
        assert_int_equal(gomap_len(m), left - 1);
    }
    T_VERIFY(m);
    gomap_free(m);
}

/* Keys given with a view into the map's own copy. */
static void test_string_arguments_inside_the_map(void **st) {
    (void)st;
    gomap *m = new_strings(GOMAP_KEYS_STRING);
    char buf[64];
    for (uint64_t i = 0; i < 2000; i++) {
        snprintf(buf, sizeof buf, "a-longer-key-so-that-it-has-a-cell-%llu", (unsigned long long)i);
        gomap_str s = str_of(buf);
        T_OK(gomap_put(m, &s, &i));
    }
    uint64_t gone = 0;
    gomap_iter it;
    for (gomap_iter_init(&it, m); gomap_iter_next(&it);) {
        const gomap_str *s = it.key;
        gomap_str tail = {s->ptr + 2, s->len - 2}; /* a new key made of a piece of an old one */
        uint64_t v = *(uint64_t *)it.value;
        if (v >= 1000000) continue;
        if (v % 2) {
            assert_true(gomap_delete(m, s));
            gone++;
        } else {
            v += 1000000;
            T_OK(gomap_put(m, &tail, &v));
        }
    }
    assert_int_equal(gone, 1000);
    assert_int_equal(gomap_len(m), 2000);
    for (uint64_t i = 0; i < 2000; i += 2) {
        snprintf(buf, sizeof buf, "a-longer-key-so-that-it-has-a-cell-%llu", (unsigned long long)i);
        gomap_str s = str_of(buf);
        assert_int_equal(*(uint64_t *)gomap_get(m, &s), i);
        s.ptr += 2, s.len -= 2;
        assert_int_equal(*(uint64_t *)gomap_get(m, &s), i + 1000000);
    }
    T_VERIFY(m);
    gomap_free(m);
}

/* Memory of deleted strings is used again: churn does not pile up. */
static void test_churn_is_bounded(void **st) {
    (void)st;
    gomap *m = new_strings(GOMAP_KEYS_STRING);
    char buf[64];
    uint64_t settled = 0;
    for (uint64_t i = 0; i < 30000; i++) {
        snprintf(buf, sizeof buf, "churn-key-%020llu", (unsigned long long)i);
        gomap_str s = str_of(buf);
        T_OK(gomap_put(m, &s, &i));
        if (i < 1000) continue;
        snprintf(buf, sizeof buf, "churn-key-%020llu", (unsigned long long)(i - 1000));
        assert_true(gomap_delete(m, &s));
        if (i == 5000) settled = t_stats(m).bytes;
    }
    gomap_stats s = t_stats(m);
    assert_int_equal(s.entries, 1000);
    assert_true(s.bytes <= settled * 2);
    T_VERIFY(m);
    gomap_free(m);
}

static void test_too_long_is_refused(void **st) {
    (void)st;
#if SIZE_MAX > UINT32_MAX
    gomap *m = new_strings(GOMAP_KEYS_BORROWED);
    gomap_str s = {"x", (size_t)UINT32_MAX + 1};
    uint64_t v = 1;
    assert_int_equal(gomap_put(m, &s, &v), GOMAP_EINVAL);
    assert_int_equal(gomap_len(m), 0);
    gomap_free(m);
#endif /* on 32-bit systems there is no such length */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_owned_copies),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_borrowed_keeps_the_pointer),
        cmocka_unit_test(test_pop_hands_out_bytes),
        cmocka_unit_test(test_string_arguments_inside_the_map),
        cmocka_unit_test(test_churn_is_bounded),
        cmocka_unit_test(test_too_long_is_refused),
    };
    return t_run("strings", tests, sizeof tests / sizeof *tests);
}
