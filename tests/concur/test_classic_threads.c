/* test_classic_threads.c - what threads may do with classic maps: many readers and iterators of one map, at
 * rest and in the middle of a growth; maps of their own.  Under the thread sanitizer without a report. */
#include "../support.h"

#include "gomap/classic.h"

#include <pthread.h>

enum { THREADS = 8 };
static uint64_t failures;
#define EXPECT(cond) ((cond) ? (void)0 : (void)__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED))

static void run_threads(void *(*fn)(void *), void *arg) {
    pthread_t thread[THREADS];
    failures = 0;
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&thread[i], NULL, fn, arg), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    assert_int_equal(failures, 0);
}

static gomap_classic_stats stats(const gomap_classic *m) {
    gomap_classic_stats s = {.size = sizeof s};
    T_OK(gomap_classic_get_stats(m, &s));
    return s;
}

struct reading {
    gomap_classic *m;
    uint64_t n;
    gomap_classic_iter *older; /* begun before the threads, one each; ended by them */
    unsigned next;
};

static void *read_all(void *arg) {
    struct reading *r = arg;
    unsigned mine = __atomic_fetch_add(&r->next, 1, __ATOMIC_RELAXED);
    for (int round = 0; round < 4; round++) {
        gomap_classic_iter it;
        gomap_classic_stats s = {.size = sizeof s};
        uint64_t seen = 0;
        for (uint64_t k = 0; k < r->n + 20; k++) {
            uint64_t *v = gomap_classic_get64(r->m, k);
            EXPECT(k < r->n ? v && *v == t_mix(k) : !v);
        }
        for (gomap_classic_iter_init(&it, r->m); gomap_classic_iter_next(&it);) seen++;
        EXPECT(seen == r->n);
        gomap_classic_iter_init(&it, r->m);
        EXPECT(gomap_classic_iter_next(&it));
        gomap_classic_iter_end(&it);
        EXPECT(gomap_classic_get_stats(r->m, &s) == GOMAP_OK && s.entries == r->n);
        EXPECT(gomap_classic_verify(r->m, NULL, 0) == 0);
    }
    gomap_classic_iter_end(&r->older[mine]); /* the last of them frees the old array */
    return NULL;
}

static void test_many_readers_and_iterators(void **st) {
    static const uint64_t sizes[] = {8, 100, 500};
    (void)st;
    for (int i = 0; i < 4; i++) {
        gomap_classic_iter older[THREADS];
        gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
        struct reading r = {.older = older};
        T_OK(gomap_classic_new(&c, &r.m));
        for (; r.n < sizes[i % 3] || (i == 3 && !stats(r.m).growing); r.n++) {
            uint64_t v = t_mix(r.n);
            T_OK(gomap_classic_put(r.m, &r.n, &v));
            if (r.n == 4)
                for (int k = 0; k < THREADS; k++) gomap_classic_iter_init(&older[k], r.m);
        }
        assert_int_equal(stats(r.m).held_arrays, r.n > 10 ? 1 : 0);
        run_threads(read_all, &r);
        assert_int_equal(stats(r.m).held_arrays, 0);
        if (!stats(r.m).growing)
            assert_int_equal(stats(r.m).bytes_held, 0); /* else blocks set aside for it */
        gomap_classic_free(r.m);
    }
}

static void *own_maps(void *arg) {
    (void)arg;
    for (uint64_t round = 0; round < 60; round++) {
        gomap_classic_config c = round % 2 ? (gomap_classic_config)GOMAP_CLASSIC_CONFIG(8, 8)
                                           : (gomap_classic_config)GOMAP_CLASSIC_CONFIG(4, 1);
        gomap_classic *m = NULL, *copy = NULL;
        EXPECT(gomap_classic_new(&c, &m) == GOMAP_OK); /* types are interned in parallel */
        for (uint64_t k = 0; k < 30; k++) EXPECT(gomap_classic_put(m, &k, &k) == GOMAP_OK);
        EXPECT(gomap_classic_clone(m, &copy) == GOMAP_OK);
        EXPECT(gomap_classic_len(copy) == 30);
        gomap_classic_free(m);
        gomap_classic_free(copy);
    }
    return NULL;
}

static void test_maps_of_their_own(void **st) {
    (void)st;
    run_threads(own_maps, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_readers_and_iterators),
        cmocka_unit_test(test_maps_of_their_own),
    };
    return t_run("classic_threads", tests, sizeof tests / sizeof *tests);
}
