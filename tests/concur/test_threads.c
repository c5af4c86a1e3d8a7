/* tests/concur/test_threads.c - what threads may do: maps of their own, many readers of one map, and the
 * registry under all of them.
 *
 * Under TSan these runs must be free of reports, without a suppression file.  In threads a failed check is
 * counted; cmocka's assertions belong to the main thread.
 */
#include "../support.h"

#include <pthread.h>

enum { THREADS = 8 };
extern struct gomap_root gomap_inspect_root_1;

static uint64_t failures;
#define EXPECT(cond) ((cond) ? (void)0 : (void)__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED))

static void run_threads(int n, void *(*fn)(void *), void *arg) {
    pthread_t thread[THREADS * 4];
    failures = 0;
    for (int i = 0; i < n; i++) assert_int_equal(pthread_create(&thread[i], NULL, fn, arg), 0);
    for (int i = 0; i < n; i++) pthread_join(thread[i], NULL);
    assert_int_equal(failures, 0);
}

/* ---- readers ------------------------------------------------------------------------------------------ */

struct reading {
    gomap *m;
    uint64_t n, rounds;
};

static void *read_all(void *arg) {
    const struct reading *r = arg;
    gomap_stats s = {.size = sizeof s};
    for (uint64_t round = 0; round < r->rounds; round++) {
        uint64_t seen = 0;
        gomap_iter it;
        for (uint64_t k = 0; k < r->n + 50; k++) {
            uint64_t *v = gomap_get(r->m, &k);
            EXPECT(k < r->n ? v && *v == t_mix(k) : !v);
        }
        for (gomap_iter_init(&it, r->m); gomap_iter_next(&it);) seen++;
        EXPECT(seen == r->n);
        EXPECT(gomap_get_stats(r->m, &s) == GOMAP_OK && s.entries == r->n);
        EXPECT(gomap_len(r->m) == r->n);
        const void *key;
        void *value;
        EXPECT(gomap_random(r->m, &key, &value, NULL) == GOMAP_OK);
        EXPECT(gomap_verify(r->m, NULL, 0) == 0);
        EXPECT(gomap_equal(r->m, r->m, NULL, NULL));
        char name[80];
        gomap_describe(r->m, name, sizeof name);
    }
    return NULL;
}

/* 16 readers at several sizes, in the middle of a growth too: reads do not write. */
static void test_many_readers(void **st) {
    (void)st;
    const uint64_t sizes[] = {1, 15, 16, 600};
    for (int i = 0; i < 4; i++) {
        struct reading r = {t_new(NULL), sizes[i], t_scale(3, 50)};
        t_fill(r.m, 0, r.n);
        run_threads(16, read_all, &r);
        gomap_free(r.m);
    }
    struct reading r = {t_new(NULL), 0, t_scale(2, 20)};
    assert_true(t_until_walk(r.m, &r.n, 0.3, 100000));
    struct gomap before = *t_raw(r.m);
    run_threads(16, read_all, &r);
    assert_memory_equal(&before, t_raw(r.m), sizeof before);
    gomap_free(r.m);
}

/* ---- maps of their own, made and freed all the time; the registry --------------------------------------- */

static bool stop;

static void *own_maps(void *arg) {
    uint64_t rounds = *(uint64_t *)arg;
    gomap *kept[16] = {0};
    for (uint64_t round = 0; round < rounds; round++) {
        gomap_config c =
            round % 3 ? t_config() : (gomap_config)GOMAP_CONFIG(8, 24); /* types are interned in parallel */
        gomap **m = &kept[round % 16];
        gomap_free(*m);
        *m = NULL;
        EXPECT(gomap_new(&c, m) == GOMAP_OK);
        if (!*m) continue;
        uint64_t value[3] = {round, 0, 0};
        for (uint64_t k = 0; k < 40 + round % 100; k++) EXPECT(gomap_put(*m, &k, value) == GOMAP_OK);
        for (uint64_t k = 0; k < 40; k++) EXPECT(gomap_delete(*m, &k));
        if (round % 32 == 0) EXPECT(gomap_verify(*m, NULL, 0) == 0);
    }
    for (int i = 0; i < 16; i++) gomap_free(kept[i]);
    return NULL;
}

/* A reader of the registry as inspect.h tells it to read, in the same process. */
static void *watch_registry(void *arg) {
    uint64_t *seen = arg;
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
        const struct gomap_chunk *c = gomap_inspect_root_1.chunks;
        for (; c; c = __atomic_load_n(&c->next, __ATOMIC_ACQUIRE))
            for (int i = 0; i < GOMAP_CHUNK_ENTRIES; i++) {
                uint32_t gen = __atomic_load_n(&c->entry[i].gen, __ATOMIC_ACQUIRE);
                const struct gomap *m = __atomic_load_n(&c->entry[i].map, __ATOMIC_ACQUIRE);
                if (m && gen)
                    __atomic_fetch_add(
                        seen, 1,
                        __ATOMIC_RELAXED); /* it may be freed at any time: only another process may look inside */
            }
    }
    return NULL;
}

static void test_own_maps_and_registry(void **st) {
    (void)st;
    uint64_t rounds = t_scale(300, 20000), seen = 0;
    gomap *always = t_new(NULL); /* there is one to see at any time */
    uint64_t made = gomap_inspect_root_1.maps_made, freed = gomap_inspect_root_1.maps_freed;
    pthread_t watcher;
    stop = false;
    assert_int_equal(pthread_create(&watcher, NULL, watch_registry, &seen), 0);
    run_threads(THREADS, own_maps, &rounds);
    while (!__atomic_load_n(&seen, __ATOMIC_RELAXED)) continue;
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    pthread_join(watcher, NULL);
    assert_int_equal(gomap_inspect_root_1.maps_made - made, THREADS * rounds);
    assert_int_equal(gomap_inspect_root_1.maps_freed - freed, THREADS * rounds);
    gomap_free(always);
    uint64_t alive = 0;
    for (const struct gomap_chunk *c = gomap_inspect_root_1.chunks; c; c = c->next)
        for (int i = 0; i < GOMAP_CHUNK_ENTRIES; i++) alive += c->entry[i].map != NULL;
    assert_int_equal(alive, 0);
}

/* Ids are never given twice at the same time, and each entry points to the map that carries its id. */
static gomap *crowd[THREADS][200];
static int crowd_next;

static void *make_crowd(void *arg) {
    int me = __atomic_fetch_add(&crowd_next, 1, __ATOMIC_RELAXED);
    (void)arg;
    for (int i = 0; i < 200; i++) {
        gomap_config c = t_config();
        EXPECT(gomap_new(&c, &crowd[me][i]) == GOMAP_OK);
        if (i % 3 == 0) {
            gomap_free(crowd[me][i]);
            EXPECT(gomap_new(&c, &crowd[me][i]) == GOMAP_OK);
        }
    }
    return NULL;
}

static void test_ids_are_unique(void **st) {
    (void)st;
    crowd_next = 0;
    run_threads(THREADS, make_crowd, NULL);
    gomap *ids = t_new(NULL);
    for (int t = 0; t < THREADS; t++)
        for (int i = 0; i < 200; i++) {
            bool inserted;
            T_OK(gomap_put_if_absent(ids, &t_raw(crowd[t][i])->id, NULL, &inserted));
            assert_true(inserted);
            T_VERIFY(crowd[t][i]); /* I12 */
        }
    for (int t = 0; t < THREADS; t++)
        for (int i = 0; i < 200; i++) gomap_free(crowd[t][i]);
    gomap_free(ids);
}

/* ---- seeds ----------------------------------------------------------------------------------------------- */

static void test_seeds_are_fresh(void **st) {
    (void)st;
    gomap *seeds = t_new(NULL);
    for (int i = 0; i < 500; i++) {
        gomap *m = t_new(NULL);
        for (int w = 0; w < 4; w += 2) {
            bool inserted;
            T_OK(gomap_put_if_absent(seeds, &t_raw(m)->seed[w], NULL, &inserted));
            assert_true(inserted);
        }
        gomap_free(m);
    }
    gomap_free(seeds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_readers),
        cmocka_unit_test(test_own_maps_and_registry),
        cmocka_unit_test(test_ids_are_unique),
        cmocka_unit_test(test_seeds_are_fresh),
    };
    return t_run("threads", tests, sizeof tests / sizeof *tests);
}
