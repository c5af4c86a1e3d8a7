/* tests/unit/test_sizes.c - every pair of key size, value size and alignment that anybody might use.
 *
 * Around 200 operations each, enough to leave the small table and grow twice; each byte of every key and
 * value is checked, and each pointer's alignment.
 */
#include "../support.h"

static const size_t sizes[] = {0,  1,  2,  3,  4,  5,  7,   8,   9,   12,  15,  16,  17,
                               31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 4096};
enum { SIZES = sizeof sizes / sizeof *sizes, BIGGEST = 4096 };

/* The largest alignment up to `most` that a type of this size can have. */
static size_t fitting(size_t size, size_t most) {
    while (most > 1 && size % most) most /= 2;
    return most;
}

static void make_bytes(uint8_t *to, size_t size, uint64_t number) {
    for (size_t i = 0; i < size; i++) to[i] = i < 2 ? (uint8_t)(number >> 8 * i) : (uint8_t)(number * 31 + i);
}

static bool has_bytes(const void *p, size_t size, uint64_t number) {
    uint8_t want[BIGGEST];
    make_bytes(want, size, number);
    return !memcmp(p, want, size);
}

static bool aligned(const void *p, size_t size, size_t align) { return !size || (uintptr_t)p % align == 0; }

struct pair {
    size_t ks, ka, vs, va;
};

static void put_and_check(gomap *m, const struct pair *p, uint64_t n) {
    uint8_t key[BIGGEST], value[BIGGEST];
    for (uint64_t i = 0; i < n; i++) {
        make_bytes(key, p->ks, i);
        make_bytes(value, p->vs, i + 1000);
        T_OK(gomap_put(m, key, value));
    }
    assert_int_equal(gomap_len(m), n);
    for (uint64_t i = 0; i < n; i++) {
        make_bytes(key, p->ks, i);
        void *v = gomap_get(m, key);
        assert_non_null(v);
        assert_true(aligned(v, p->vs, p->va));
        assert_true(has_bytes(v, p->vs, i + 1000));
    }
}

static void check_pair(const struct pair *p) {
    uint8_t key[BIGGEST];
    gomap_config c = GOMAP_CONFIG(p->ks, p->vs);
    c.key_align = p->ka, c.value_align = p->va;
    gomap *m = t_new(&c);
    uint64_t n = p->ks == 0 ? 1 : 70;
    put_and_check(m, p, n);
    for (uint64_t i = 0; i < n; i += 2) {
        make_bytes(key, p->ks, i);
        assert_true(gomap_delete(m, key));
        assert_false(gomap_has(m, key));
    }
    gomap_iter it;
    uint64_t seen = 0;
    for (gomap_iter_init(&it, m); gomap_iter_next(&it); seen++) {
        uint64_t number = 0;
        memcpy(&number, it.key, p->ks < 2 ? p->ks : 2);
        assert_true(number % 2 == 1);
        assert_true(aligned(it.key, p->ks, p->ka));
        assert_true(aligned(it.value, p->vs, p->va));
        assert_true(has_bytes(it.key, p->ks, number));
        assert_true(has_bytes(it.value, p->vs, number + 1000));
    }
    assert_int_equal(seen, n / 2);
    T_VERIFY(m);
    gomap_free(m);
}

static void test_matrix(void **st) {
    (void)st;
    unsigned pairs = 0;
    for (size_t k = 0; k < SIZES; k++)
        for (size_t v = 0; v < SIZES; v++) {
            size_t last_ka = 0, last_va = 0;
            for (size_t align = 1; align <= 64; align *= 2) {
                struct pair p = {sizes[k], fitting(sizes[k], align), sizes[v], fitting(sizes[v], align)};
                if (p.ka == last_ka && p.va == last_va) continue;
                last_ka = p.ka, last_va = p.va;
                check_pair(&p);
                pairs++;
            }
        }
    assert_true(pairs > 2000);
}

/* Key and value alignments that differ, all 49 combinations. */
static void test_mixed_alignments(void **st) {
    (void)st;
    for (size_t ka = 1; ka <= 64; ka *= 2)
        for (size_t va = 1; va <= 64; va *= 2) {
            struct pair p = {64, ka, 64, va};
            check_pair(&p);
        }
}

/* One-byte keys: all of them, and no more. */
static void test_all_byte_keys(void **st) {
    (void)st;
    gomap_config c = GOMAP_CONFIG(1, 1);
    gomap *m = t_new(&c);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 256; i++) {
            uint8_t k = (uint8_t)i, v = (uint8_t)(i * 3);
            T_OK(gomap_put(m, &k, &v));
        }
    assert_int_equal(gomap_len(m), 256);
    for (int i = 0; i < 256; i++) {
        uint8_t k = (uint8_t)i;
        assert_int_equal(*(uint8_t *)gomap_get(m, &k), (uint8_t)(i * 3));
    }
    T_VERIFY(m);
    gomap_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_mixed_alignments),
        cmocka_unit_test(test_all_byte_keys),
    };
    return t_run("sizes", tests, sizeof tests / sizeof *tests);
}
