/* test_classic_verify.c - gomap_classic_verify sees each invariant broken: by hand, one at a time, then
 * mended. */
#include "../support.h"

#include "gomap/classic.h"

static uint64_t chosen_hash(const void *key, uint32_t seed, void *ctx) {
    uint64_t k;
    (void)seed, (void)ctx;
    memcpy(&k, key, sizeof k);
    return (k & 0xff) | ((k >> 8) + 5) << 56;
}
static uint64_t key_in(uint64_t bucket, uint64_t number) { return bucket | number << 8; }

static struct gomap_classic *raw(gomap_classic *m) { return (struct gomap_classic *)(void *)m; }

/* 16 buckets with 3 entries each; bucket 5 has a chain of three, the second of them beside the pool. */
static gomap_classic *make(void) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
    gomap_classic *m;
    c.hash = chosen_hash;
    c.hint = 100;
    T_OK(gomap_classic_new(&c, &m));
    for (uint64_t b = 0; b < 16; b++)
        for (uint64_t n = 0; n < (b == 5 ? 42 : 3); n++) {
            uint64_t k = key_in(b, n);
            T_OK(gomap_classic_put(m, &k, &n));
        }
    return m;
}

static void expect(gomap_classic *m, int broken) {
    char why[200];
    int got = gomap_classic_verify(m, why, sizeof why);
    if (got != broken) fail_msg("C%d is broken, verify says C%d: %s", broken, got, why);
    if (broken) assert_true(why[0]);
}

#define BROKEN(n, place, value)                                                                              \
    do {                                                                                                     \
        __typeof__(place) was = (place);                                                                     \
        (place) = (__typeof__(place))(value);                                                                \
        expect(m, (n));                                                                                      \
        (place) = was;                                                                                       \
        expect(m, 0);                                                                                        \
    } while (0)

static uint8_t *bucket(gomap_classic *m, unsigned i) {
    return raw(m)->h.buckets + (size_t)i * raw(m)->desc->bucket_size;
}
static uint8_t **link_of(gomap_classic *m, uint8_t *b) {
    return (uint8_t **)(void *)(b + raw(m)->desc->overflow_off);
}

static void test_each_invariant_broken(void **st) {
    gomap_classic *m = make();
    struct gomap_hmap *h = &raw(m)->h;
    (void)st;
    expect(m, 0);
    BROKEN(1, h->B, 60);
    BROKEN(1, h->flags, 64);
    BROKEN(1, h->flags, GOMAP_HMAP_SAME_SIZE);
    BROKEN(1, h->oldbuckets, h->buckets);
    BROKEN(2, bucket(m, 3)[0], GOMAP_TOP_EVACUATED_X);
    BROKEN(2, bucket(m, 3)[1], GOMAP_TOP_EVACUATED_EMPTY);
    BROKEN(3, bucket(m, 3)[0], GOMAP_TOP_EMPTY_REST);
    BROKEN(3, bucket(m, 3)[7], GOMAP_TOP_EMPTY_ONE);
    BROKEN(4, bucket(m, 3)[1], 200);
    BROKEN(4, bucket(m, 3)[8], 4); /* first key byte: another bucket */
    BROKEN(6, h->count, h->count + 1);
    BROKEN(6, bucket(m, 3)[1], GOMAP_TOP_EMPTY_ONE);
    BROKEN(7, h->noverflow, 1);
    uint8_t *last = bucket(m, 5);
    while (*link_of(m, *link_of(m, last))) last = *link_of(m, last);
    BROKEN(9, raw(m)->extra.next_overflow, bucket(m, 16));
    static uint8_t nobodys[256];
    BROKEN(9, *link_of(m, last), nobodys);
    gomap_classic_free(m);
}

/* The same key twice: the first is found for both. */
static void test_a_key_twice(void **st) {
    gomap_classic *m = make();
    uint8_t *b = bucket(m, 3);
    (void)st;
    memcpy(b + 8 + 3 * 8, b + 8, 8);
    b[3] = b[0];
    raw(m)->h.count++;
    expect(m, 5);
    raw(m)->h.count--;
    b[3] = 0;
    expect(m, 0);
    gomap_classic_free(m);
}

static void test_a_growth_that_forgot_a_bucket(void **st) {
    gomap_classic *m = make();
    (void)st;
    for (uint64_t n = 100; !raw(m)->h.oldbuckets; n++) {
        uint64_t k = key_in(7, n);
        T_OK(gomap_classic_put(m, &k, &n));
    }
    expect(m, 0);
    BROKEN(8, raw(m)->h.nevacuate, 9);
    BROKEN(1, raw(m)->h.nevacuate, 16);
    gomap_classic_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_invariant_broken),
        cmocka_unit_test(test_a_key_twice),
        cmocka_unit_test(test_a_growth_that_forgot_a_bucket),
    };
    return t_run("classic_verify", tests, sizeof tests / sizeof *tests);
}
