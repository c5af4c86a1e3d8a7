/* tests/unit/test_times.c - durations are counted once each, the longest are kept, and events know their call stacks. */
#include "../support.h"

#include "gomap/classic.h"
#include "gomap/observe.h"

#include <pthread.h>
#include <stdio.h>

static void set(const char *name, uint64_t value) { T_OK(gomap_ctl(NULL, name, NULL, &value)); }

static uint64_t ctl(gomap *m, const char *name) {
    uint64_t v;
    T_OK(gomap_ctl(m, name, &v, NULL));
    return v;
}

static struct gomap_times times(const gomap *m, int what) {
    struct gomap_times t;
    T_OK(gomap_get_times(m, what, &t));
    uint64_t sum = 0;
    for (int i = 0; i < GOMAP_TIME_BUCKETS; i++) sum += t.bucket[i];
    assert_int_equal(sum, t.count);
    assert_true(t.sum_ns >= t.max_ns && (t.count > 0) == (t.max_ns > 0));
    return t;
}

/* Nothing is counted that nobody asked for; what began before is not. */
static void test_off(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    t_fill(m, 0, 5000);
    uint64_t next = 5000;
    assert_true(t_until_walk(m, &next, 0, 20000));
    for (int what = 0; what < GOMAP_TIMES; what++) {
        struct gomap_slow slow[GOMAP_SLOWEST];
        assert_int_equal(times(NULL, what).count, 0);
        assert_int_equal(gomap_slowest(what, slow), 0);
    }
    set("policy.times", 1);
    while (t_raw(m)->side->walk) t_put(m, next++, 0);
    assert_int_equal(times(NULL, GOMAP_TIME_GROW).count, 0);
    assert_true(times(NULL, GOMAP_TIME_MOVE).count > 0);
    set("policy.times", 0);
    gomap_times_reset();
    assert_int_equal(times(NULL, GOMAP_TIME_MOVE).count, 0);
    gomap_free(m);
}

static void test_each_growth_once(void **st) {
    (void)st;
    enum { N = 100000 };
    set("policy.times", 1);
    gomap *m = t_new(NULL);
    t_fill(m, 0, N);
    for (uint64_t k = N; t_raw(m)->side->walk; k++) t_put(m, k, 0); /* to the end of the last */
    set("policy.times", 0);
    struct gomap_times grow = times(NULL, GOMAP_TIME_GROW), move = times(NULL, GOMAP_TIME_MOVE),
                       alloc = times(NULL, GOMAP_TIME_ALLOC), own = times(m, GOMAP_TIME_GROW);
    uint64_t grows = t_stats(m).grows;
    assert_true(grows > 5);
    assert_int_equal(grow.count, grows);
    assert_true(alloc.count >= grows + 3); /* 3, 7 and 15 slots were no growth */
    assert_true(move.count >= N / 128 && move.max_ns <= grow.sum_ns);
    assert_true(own.count > 0 && own.count < grows); /* since it was large */
    assert_true(own.max_ns <= grow.max_ns);
    assert_int_equal(ctl(NULL, "times.grow.count"), grow.count);
    assert_int_equal(ctl(NULL, "times.grow.max_ns"), grow.max_ns);
    assert_int_equal(ctl(m, "times.grow.count"), own.count);
    assert_int_equal(ctl(NULL, "times.move.sum_ns"), move.sum_ns);
    assert_true(ctl(NULL, "times.alloc.p50_ns") <= ctl(NULL, "times.alloc.p99_ns"));
    assert_true(ctl(NULL, "times.alloc.p99_ns") <= ctl(NULL, "times.alloc.max_ns"));
    uint64_t one = 1;
    assert_int_equal(gomap_ctl(NULL, "times.grow.count", NULL, &one), GOMAP_EINVAL);
    gomap_free(m);
    gomap_times_reset();
}

static void test_shares(void **st) {
    (void)st;
    struct gomap_times t = {.count = 100, .max_ns = 5000};
    assert_int_equal(gomap_times_below(&(struct gomap_times){0}, 0.5), 0);
    t.bucket[12] = 90; /* 64 to 95 ns */
    t.bucket[24] = 10; /* 4096 to 6143 */
    assert_int_equal(gomap_inspect_bucket_ns(12), 64);
    assert_int_equal(gomap_inspect_bucket_ns(13), 96);
    assert_int_equal(gomap_inspect_bucket_ns(24), 4096);
    assert_int_equal(gomap_times_below(&t, 0.5), 96);
    assert_int_equal(gomap_times_below(&t, 0.9), 96);
    assert_int_equal(gomap_times_below(&t, 0.91), 5000);
    assert_int_equal(gomap_times_below(&t, 1), 5000);
    for (unsigned i = 2; i + 1 < GOMAP_TIME_BUCKETS; i++)
        assert_true(gomap_inspect_bucket_ns(i) < gomap_inspect_bucket_ns(i + 1));
}

/* Classic maps count too: growths, the evacuations of a write, and arrays. */
static void test_classic(void **st) {
    (void)st;
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
    gomap_classic_stats s = {.size = sizeof s};
    struct gomap_slow slow[GOMAP_SLOWEST];
    gomap_classic *m;
    set("policy.times", 1);
    T_OK(gomap_classic_new(&c, &m));
    uint64_t k = 0;
    do {
        T_OK(gomap_classic_put(m, &k, &k));
        T_OK(gomap_classic_get_stats(m, &s));
    } while (++k < 5000 || s.growing);
    set("policy.times", 0);
    assert_true(s.grows > 5);
    assert_int_equal(times(NULL, GOMAP_TIME_GROW).count, s.grows + s.same_size_grows);
    assert_int_equal(times(NULL, GOMAP_TIME_ALLOC).count, s.grows + s.same_size_grows);
    assert_true(times(NULL, GOMAP_TIME_MOVE).count > s.evacuated / 3);
    assert_true(gomap_slowest(GOMAP_TIME_GROW, slow) > 5);
    assert_int_equal(slow[0].map_id, ((const struct gomap_classic *)(const void *)m)->id);
    gomap_classic_free(m);
    gomap_times_reset();
}

static void test_bad_arguments(void **st) {
    (void)st;
    struct gomap_times t;
    struct gomap_slow slow[GOMAP_SLOWEST];
    const uint64_t *pc;
    assert_int_equal(gomap_get_times(NULL, GOMAP_TIMES, &t), GOMAP_EINVAL);
    assert_int_equal(gomap_get_times(NULL, -1, &t), GOMAP_EINVAL);
    assert_int_equal(gomap_get_times(NULL, 0, NULL), GOMAP_EINVAL);
    assert_int_equal(gomap_slowest(GOMAP_TIMES, slow), 0);
    assert_int_equal(gomap_stack(0, &pc), 0);
    assert_int_equal(gomap_stack(GOMAP_CALLERS + 1, &pc), 0);
}

/* ---- where ----------------------------------------------------------------------------------------------- */

extern const char __executable_start, etext;

static bool leads_here(uint32_t stack) {
    const uint64_t *pc = NULL;
    unsigned n = gomap_stack(stack, &pc);
    for (unsigned i = 0; i < n; i++)
        if (pc[i] >= (uintptr_t)&__executable_start && pc[i] < (uintptr_t)&etext) return true;
    return false;
}

static void test_the_longest(void **st) {
    (void)st;
    struct gomap_slow slow[GOMAP_SLOWEST];
    set("policy.times", 1);
    set("policy.stacks", 1);
    uint64_t from = t_now_ns();
    gomap *m = t_new(NULL);
    t_fill(m, 0, 50000);
    set("policy.times", 0);
    set("policy.stacks", 0);
    for (int what = 0; what < GOMAP_TIMES; what++) {
        struct gomap_times all = times(NULL, what);
        size_t n = gomap_slowest(what, slow);
        assert_int_equal(n, all.count < GOMAP_SLOWEST ? all.count : GOMAP_SLOWEST);
        assert_int_equal(slow[0].ns, all.max_ns);
        for (size_t i = 0; i < n; i++) {
            assert_true(!i || slow[i].ns <= slow[i - 1].ns);
            assert_int_equal(slow[i].map_id, t_raw(m)->id);
            assert_true(slow[i].entries <= 50000 && slow[i].thread);
            assert_true(slow[i].time_ns >= from && slow[i].time_ns <= t_now_ns());
            assert_true(leads_here(slow[i].stack));
        }
    }
    gomap_free(m);
    gomap_times_reset();
    assert_int_equal(gomap_slowest(GOMAP_TIME_MOVE, slow), 0);
}

/* As a reader from outside finds them. */
static const struct gomap_more *more(void) {
    extern struct gomap_root gomap_inspect_root_1;
    assert_true(gomap_inspect_root_1.more != 0);
    const struct gomap_more *found =
        (const void *)((uintptr_t)&gomap_inspect_root_1 + (uintptr_t)(intptr_t)gomap_inspect_root_1.more);
    assert_int_equal(found->size, sizeof *found);
    return found;
}

static uint32_t stack_of_last_event(void) {
    extern struct gomap_root gomap_inspect_root_1;
    return more()->ring_stacks[(gomap_inspect_root_1.ring_head - 1) % GOMAP_RING_EVENTS];
}

static void test_events_have_stacks(void **st) {
    (void)st;
    gomap_event("without", 1);
    assert_int_equal(stack_of_last_event(), 0);
    set("policy.stacks", 1);
    uint32_t stack[2];
    for (volatile int i = 0; i < 2; i++) { /* one place, one number; not unrolled into two */
        gomap_event("with", 2);
        stack[i] = stack_of_last_event();
    }
    set("policy.stacks", 0);
    assert_true(leads_here(stack[0]));
    assert_int_equal(stack[0], stack[1]);
    gomap_event("without again", 3);
    assert_int_equal(stack_of_last_event(), 0);
    assert_int_equal(more()->callers_dropped, 0);
}

/* ---- memory ------------------------------------------------------------------------------------------------- */

static void test_counts_of_a_map_are_its_memory(void **st) {
    (void)st;
    for (uint64_t fail = 0; fail < 2; fail++) {
        struct t_alloc alloc;
        t_alloc_init(&alloc);
        gomap_config c = t_config();
        c.alloc = &alloc.api;
        gomap *m = t_new(&c);
        t_fill(m, 0, 20000);
        set("policy.times", 1);
        uint64_t next = 20000;
        assert_true(t_until_walk(m, &next, 0, 40000));
        t_alloc_arm(&alloc, 1, fail); /* there is none for counts, or at once */
        if (!fail) t_alloc_arm(&alloc, 0, false);
        for (int i = 0; i < 50; i++) t_put(m, next++, 0);
        t_alloc_arm(&alloc, 0, false);
        set("policy.times", 0);
        gomap_stats s = t_stats(m);
        assert_int_equal(s.bytes, t_stats_sum(&s));
        assert_int_equal(s.bytes, alloc.bytes);
        T_VERIFY(m);
        gomap_free(m);
        t_alloc_check_empty(&alloc);
        gomap_times_reset();
    }
}

/* ---- threads -------------------------------------------------------------------------------------------------- */

enum { THREADS = 4, EACH = 20000 };
static void *grow_one(void *grows) {
    gomap *m;
    gomap_config c = t_config();
    T_CHILD(gomap_new(&c, &m) == GOMAP_OK);
    for (uint64_t k = 0; k < EACH || t_raw(m)->side->walk; k++) T_CHILD(gomap_put(m, &k, &k) == GOMAP_OK);
    gomap_stats s = {.size = sizeof s};
    T_CHILD(gomap_get_stats(m, &s) == GOMAP_OK);
    *(uint64_t *)grows = s.grows;
    gomap_free(m);
    return NULL;
}

static void test_threads(void **st) {
    (void)st;
    pthread_t thread[THREADS];
    uint64_t grows[THREADS], sum = 0;
    set("policy.times", 1);
    set("policy.stacks", 1);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, grow_one, &grows[i]), 0);
    for (int i = 0; i < 200; i++) {
        struct gomap_slow slow[GOMAP_SLOWEST];
        gomap_slowest(i % GOMAP_TIMES, slow);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        sum += grows[i];
    }
    set("policy.times", 0);
    set("policy.stacks", 0);
    assert_int_equal(times(NULL, GOMAP_TIME_GROW).count, sum);
    gomap_times_reset();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_each_growth_once),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_classic),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_the_longest),
        cmocka_unit_test(test_events_have_stacks),
        cmocka_unit_test(test_counts_of_a_map_are_its_memory),
        cmocka_unit_test(test_threads),
    };
    return t_run("times", tests, sizeof tests / sizeof *tests);
}
