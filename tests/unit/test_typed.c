/* tests/unit/test_typed.c - the inlined functions of typed.h against the library's own, on the same maps.
 *
 * What typed code inlines must agree with the library bit for bit: a map filled by one and read by the other
 * tells.  Every width of integer key is taken, every way out of the inlined path (growth under way,
 * full group, displaced entry), and the refusals.
 */
#include "../support.h"

#include <gomap/typed.h>

struct point { /* no padding */
    int32_t x, y, z;
};

GOMAP_DEFINE(u64map, uint64_t, uint64_t);
GOMAP_DEFINE(u32map, uint32_t, uint16_t);
GOMAP_DEFINE(u16map, uint16_t, char);
GOMAP_DEFINE(u8map, uint8_t, double);
GOMAP_DEFINE(ptrmap, const void *, int);
GOMAP_DEFINE_STR(strmap, uint32_t);
GOMAP_DEFINE_KEY(pointmap, struct point, int64_t);

static void test_both_sides_see_the_same(void **st) {
    (void)st;
    const uint64_t n = 30000;
    gomap *m;
    assert_int_equal(u64map_new(&m), GOMAP_OK);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t k = t_mix(i), v = i;
        if (i % 2)
            assert_int_equal(u64map_put(m, k, v), GOMAP_OK);
        else
            assert_int_equal(gomap_put(m, &k, &v), GOMAP_OK);
        uint64_t back = t_mix(t_below(i + 1)), absent = t_mix(n + i);
        assert_ptr_equal(u64map_get(m, back), gomap_get(m, &back)); /* also in the middle of a growth */
        assert_non_null(u64map_get(m, back));
        assert_null(u64map_get(m, absent));
        assert_false(u64map_delete(m, absent));
    }
    assert_int_equal(gomap_len(m), n);
    T_VERIFY(m);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t k = t_mix(i);
        assert_true(i % 2 ? gomap_delete(m, &k) : u64map_delete(m, k));
        assert_false(u64map_has(m, k));
        if (i % 1000 == 0) T_VERIFY(m);
    }
    assert_int_equal(gomap_len(m), 0);
    gomap_free(m);
}

static void test_at_inserts_zeros_once(void **st) {
    (void)st;
    gomap *m;
    bool is_new;
    assert_int_equal(u64map_new(&m), GOMAP_OK);
    for (uint64_t round = 1; round <= 3; round++)
        for (uint64_t k = 0; k < 500; k++) {
            uint64_t *v = u64map_at(m, k, &is_new);
            assert_non_null(v);
            assert_int_equal(is_new, round == 1);
            assert_int_equal(++*v, round);
        }
    for (uint64_t k = 0; k < 500; k++) assert_true(u64map_delete(m, k));
    assert_int_equal(*u64map_at(m, 7, &is_new), 0); /* a deleted value does not come back */
    assert_true(is_new);
    T_VERIFY(m);
    gomap_free(m);
}

static void test_widths(void **st) {
    (void)st;
    gomap *a, *b, *c, *d;
    assert_int_equal(u32map_new(&a), GOMAP_OK);
    assert_int_equal(u16map_new(&b), GOMAP_OK);
    assert_int_equal(u8map_new(&c), GOMAP_OK);
    assert_int_equal(ptrmap_new(&d), GOMAP_OK);
    static int targets[3000];
    for (uint32_t i = 0; i < 3000; i++) {
        assert_int_equal(u32map_put(a, i * 2654435761u, (uint16_t)i), GOMAP_OK);
        assert_int_equal(u16map_put(b, (uint16_t)i, (char)i), GOMAP_OK);
        assert_int_equal(u8map_put(c, (uint8_t)i, i), GOMAP_OK);
        assert_int_equal(ptrmap_put(d, &targets[i], (int)i), GOMAP_OK);
    }
    assert_int_equal(gomap_len(a), 3000);
    assert_int_equal(gomap_len(b), 3000);
    assert_int_equal(gomap_len(c), 256);
    assert_int_equal(gomap_len(d), 3000);
    for (uint32_t i = 0; i < 3000; i++) {
        assert_int_equal(*u32map_get(a, i * 2654435761u), (uint16_t)i);
        assert_int_equal(*u16map_get(b, (uint16_t)i), (char)i);
        assert_int_equal(*ptrmap_get(d, &targets[i]), (int)i);
    }
    assert_true(*u8map_get(c, 255) == 2815); /* the last i with this low byte */
    gomap *all[] = {a, b, c, d};
    for (int i = 0; i < 4; i++) {
        T_VERIFY(all[i]);
        gomap_free(all[i]);
    }
}

static void test_strings_and_structs(void **st) {
    (void)st;
    gomap *m, *p;
    char s[32];
    assert_int_equal(strmap_new(&m), GOMAP_OK);
    assert_int_equal(pointmap_new(&p), GOMAP_OK);
    for (uint32_t i = 0; i < 2000; i++) {
        snprintf(s, sizeof s, "key %u", i);
        assert_int_equal(strmap_put_s(m, s, i), GOMAP_OK);
        struct point at = {(int32_t)i, -(int32_t)i, 7};
        assert_int_equal(pointmap_put(p, at, i), GOMAP_OK);
    }
    assert_int_equal(*strmap_get_s(m, "key 77"), 77);
    assert_false(strmap_has_s(m, "key 2000"));
    strmap_iter it;
    uint64_t seen = 0, sum = 0;
    for (strmap_iter_init(&it, m); strmap_iter_next(&it); seen++) {
        snprintf(s, sizeof s, "key %u", *it.value);
        assert_int_equal(it.key.len, strlen(s));
        assert_memory_equal(it.key.ptr, s, it.key.len);
        sum += *it.value;
    }
    assert_int_equal(seen, 2000);
    assert_int_equal(sum, 1999 * 2000 / 2);
    pointmap_iter pi;
    for (pointmap_iter_init(&pi, p); pointmap_iter_next(&pi);) {
        assert_int_equal(pi.key.x, *pi.value);
        if (pi.key.x % 2) assert_true(pointmap_iter_delete(&pi, p));
    }
    assert_int_equal(gomap_len(p), 1000);
    T_VERIFY(m);
    T_VERIFY(p);
    gomap_free(m);
    gomap_free(p);
}

/* Inlined iteration of texts, with values in slots and out of line, while entries go: each once, deleted ones never. */
static void test_strings_iterated_while_deleting(void **st) {
    (void)st;
    enum { N = 3000 };
    char s[32];
    for (int stable = 0; stable < 2; stable++) {
        gomap *m;
        gomap_config c = GOMAP_CONFIG(0, 0);
        c.values = stable ? GOMAP_VALUES_STABLE : GOMAP_VALUES_INLINE;
        assert_int_equal(strmap_new_with(c, &m), GOMAP_OK);
        for (uint32_t i = 0; i < N; i++) {
            snprintf(s, sizeof s, "a longer key %u", i);
            assert_int_equal(strmap_put_s(m, s, i), GOMAP_OK);
        }
        bool gone[N] = {false}, seen[N] = {false};
        uint64_t left = N;
        strmap_iter it;
        for (strmap_iter_init(&it, m); strmap_iter_next(&it);) {
            uint32_t v = *it.value, other = (uint32_t)t_below(N);
            snprintf(s, sizeof s, "a longer key %u", v);
            assert_int_equal(it.key.len, strlen(s));
            assert_memory_equal(it.key.ptr, s, it.key.len);
            assert_false(seen[v] || gone[v]);
            seen[v] = true;
            if (v % 3 == 0) {
                assert_true(strmap_iter_delete(&it, m));
                gone[v] = true, left--;
            } else if (v % 3 == 1 && !gone[other]) {
                snprintf(s, sizeof s, "a longer key %u", other);
                assert_true(strmap_delete_s(m, s));
                gone[other] = true, left--;
            }
        }
        for (uint32_t i = 0; i < N; i++) assert_true(seen[i] || gone[i]);
        assert_int_equal(gomap_len(m), left);
        T_VERIFY(m);
        gomap_free(m);
    }
}

/* Texts about the lengths that have a lookup of their own, 16 to 32: found, and told from all that differ in one byte. */
static void test_strings_of_all_lengths(void **st) {
    (void)st;
    enum { MOST = 40, SAME = 60 }; /* texts a length: groups overflow */
    for (int hashing = GOMAP_HASHING_AUTO; hashing <= GOMAP_HASHING_PORTABLE; hashing++) {
        gomap *m;
        gomap_config c = GOMAP_CONFIG(0, 0);
        c.hashing = hashing;
        assert_int_equal(strmap_new_with(c, &m), GOMAP_OK);
        char text[MOST];
        for (uint32_t n = 1; n <= MOST; n++)
            for (uint32_t i = 0; i < SAME; i++) {
                memset(text, 'a', sizeof text);
                text[i % n] = (char)('b' + i / n);
                gomap_str key = {text, n};
                assert_int_equal(strmap_put(m, key, n), GOMAP_OK);
                assert_int_equal(*strmap_get(m, key), n);
                for (uint32_t at = 0; at < n; at++) {
                    text[at] ^= 0x40;
                    assert_null(strmap_get(m, key));
                    assert_false(strmap_delete(m, key));
                    text[at] ^= 0x40;
                }
            }
        assert_int_equal(gomap_len(m), MOST * SAME);
        T_VERIFY(m);
        gomap_free(m);
    }
}

static void test_names_and_refusals(void **st) {
    (void)st;
    gomap *m;
    char text[120];
    assert_int_equal(u64map_new(&m), GOMAP_OK);
    gomap_describe(m, text, sizeof text);
    assert_non_null(strstr(text, "uint64_t->uint64_t@"));
    assert_non_null(strstr(text, "test_typed.c:"));
    gomap_free(m);
    gomap_config c = GOMAP_CONFIG(8, 8);
    m = (gomap *)&c;
    assert_int_equal(gomap__typed_new(&c, GOMAP_LAYOUT + 1, 16, 8, &m), GOMAP_EINVAL); /* another layout */
    assert_null(m);
    assert_int_equal(gomap__typed_new(&c, GOMAP_LAYOUT, 24, 8, &m), GOMAP_EINVAL); /* another slot */
    assert_null(m);
    assert_null(u64map_get(NULL, 1));
    assert_false(u64map_has(NULL, 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_sides_see_the_same),
        cmocka_unit_test(test_at_inserts_zeros_once),
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_strings_and_structs),
        cmocka_unit_test(test_strings_iterated_while_deleting),
        cmocka_unit_test(test_strings_of_all_lengths),
        cmocka_unit_test(test_names_and_refusals),
    };
    return t_run("typed", tests, sizeof tests / sizeof *tests);
}
