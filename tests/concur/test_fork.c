/* tests/concur/test_fork.c - fork at the worst moments; leaving callbacks by longjmp and cancellation.
 *
 * A child inherits maps in the middle of a growth, maps that another thread was writing at that moment, and a
 * registry in use.  It must be able to go on with whole maps, is told the truth about the others, and
 * draws seeds of its own.
 */
#include "../support.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static gomap *shared_map;
static uint64_t shared_next;

/* ---- growth in progress -------------------------------------------------------------------------------- */

static void go_on_in_child(void *arg) {
    gomap *m = arg;
    char why[200];
    T_CHILD(gomap_verify(m, why, sizeof why) == 0);
    for (uint64_t k = 0; k < shared_next; k++) {
        uint64_t *v = gomap_get(m, &k);
        T_CHILD(v && *v == t_mix(k));
    }
    for (uint64_t k = shared_next; k < shared_next * 2; k++) T_CHILD(gomap_put(m, &k, &k) == GOMAP_OK);
    for (uint64_t k = 0; k < shared_next * 2; k++) T_CHILD(gomap_delete(m, &k));
    T_CHILD(gomap_verify(m, why, sizeof why) == 0);
    gomap_free(m);
}

static void test_growth_in_progress(void **st) {
    (void)st;
    for (int i = 0; i < 5; i++) {
        struct t_child c;
        shared_next = 0;
        gomap *m = t_new(NULL);
        assert_true(t_until_walk(m, &shared_next, i * 0.2, 100000));
        struct t_sum before = t_sum_of(m);
        t_fork(&c, go_on_in_child, m);
        if (c.status) fail_msg("child: %s", c.out);
        struct t_sum after = t_sum_of(m); /* the parent's map is the parent's */
        assert_int_equal(before.sum, after.sum);
        T_VERIFY(m);
        gomap_free(m);
    }
}

/* ---- forked while another thread writes ------------------------------------------------------------------- */

static pthread_barrier_t inside, leave;

static bool waits;

static uint64_t waiting_hash(const void *key, void *ctx) {
    uint64_t k;
    (void)ctx;
    memcpy(&k, key, 8);
    if (k == 77 && waits) {
        waits = false;
        pthread_barrier_wait(&inside);
        pthread_barrier_wait(&leave);
    }
    return t_mix(k);
}

static void *write_slowly(void *arg) {
    uint64_t k = 77;
    (void)!gomap_put(arg, &k, &k);
    return NULL;
}

static void use_stale_map(void *arg) {
    uint64_t k = 1;
    (void)arg;
    (void)!gomap_put(shared_map, &k, &k);
}

static void use_own_map(void *arg) {
    gomap_config c = t_config();
    gomap *m;
    (void)arg;
    T_CHILD(gomap_new(&c, &m) == GOMAP_OK);
    for (uint64_t k = 0; k < 5000; k++) T_CHILD(gomap_put(m, &k, &k) == GOMAP_OK);
    T_CHILD(gomap_verify(m, NULL, 0) == 0);
    gomap_free(m);
}

/* The mark of a write that will never end is recognised as old: the line says so. */
static void test_forked_in_the_middle_of_a_write(void **st) {
    (void)st;
    gomap_config c = t_config();
    pthread_t writer;
    struct t_child child;
    c.hash = waiting_hash, c.name = "half-written";
    shared_map = t_new(&c);
    waits = true;
    pthread_barrier_init(&inside, NULL, 2);
    pthread_barrier_init(&leave, NULL, 2);
    assert_int_equal(pthread_create(&writer, NULL, write_slowly, shared_map), 0);
    pthread_barrier_wait(&inside);
    T_FATAL(use_stale_map, NULL, "half-written", "fork");
    t_fork(&child, use_own_map, NULL); /* nothing else is stuck */
    assert_int_equal(child.status, 0);
    pthread_barrier_wait(&leave);
    pthread_join(writer, NULL);
    uint64_t k = 77;
    assert_true(gomap_has(shared_map, &k));
    T_VERIFY(shared_map);
    gomap_free(shared_map);
}

/* ---- registry and seeds across forks while threads make maps ------------------------------------------------ */

static bool stop;

/* The maps of these threads live in memory of their own: malloc's lock, which some sanitizers leave locked
 * in the child, is not what is tested. */
struct pool {
    _Alignas(64) uint8_t bytes[1 << 16];
    size_t used;
};
static struct pool pools[3];

static void *pool_alloc(size_t size, size_t align, void *ctx) {
    struct pool *p = ctx;
    size_t at = (p->used + align - 1) / align * align;
    if (at + size > sizeof p->bytes) return NULL;
    p->used = at + size;
    return p->bytes + at;
}

static void pool_free(void *p, size_t size, size_t align, void *ctx) {
    (void)p, (void)size, (void)align, (void)ctx;
}

static void *make_and_free(void *arg) {
    struct pool *pool = arg;
    const gomap_alloc alloc = {pool_alloc, pool_free, pool};
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
        gomap_config c = t_config();
        gomap *m = NULL;
        pool->used = 0;
        c.alloc = &alloc;
        if (gomap_new(&c, &m)) continue;
        uint64_t k = 1;
        (void)!gomap_put(m, &k, &k);
        gomap_free(m);
    }
    return NULL;
}

static void make_many(void *arg) {
    gomap *maps[600];
    gomap_config c = t_config();
    (void)arg;
    alarm(20); /* a lock held at fork would be a deadlock */
    for (int i = 0; i < 600; i++) T_CHILD(gomap_new(&c, &maps[i]) == GOMAP_OK);
    for (int i = 0; i < 600; i++) T_CHILD(gomap_verify(maps[i], NULL, 0) == 0);
    for (int i = 0; i < 600; i++) gomap_free(maps[i]);
}

static void test_fork_while_threads_register(void **st) {
    (void)st;
    pthread_t thread[3];
    stop = false;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, make_and_free, &pools[i]), 0);
    for (uint64_t i = 0; i < t_scale(30, 1000); i++) {
        struct t_child c;
        t_fork(&c, make_many, NULL);
        if (c.status) fail_msg("child %lu: status %x %s", (unsigned long)i, (unsigned)c.status, c.out);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    for (int i = 0; i < 3; i++) pthread_join(thread[i], NULL);
}

static void print_seed(void *arg) {
    gomap_config c = t_config();
    gomap *m;
    (void)arg;
    T_CHILD(gomap_new(&c, &m) == GOMAP_OK);
    printf("%llx %llx", (unsigned long long)t_raw(m)->seed[0], (unsigned long long)t_raw(m)->seed[2]);
    gomap_free(m);
}

/* Children of one parent, and the parent itself, never draw the same seed. */
static void test_seeds_differ_across_forks(void **st) {
    (void)st;
    gomap *warm = t_new(NULL); /* words are waiting in the buffer */
    struct t_child a, b;
    char mine[64];
    t_fork(&a, print_seed, NULL);
    t_fork(&b, print_seed, NULL);
    gomap *m = t_new(NULL);
    snprintf(mine, sizeof mine, "%llx %llx", (unsigned long long)t_raw(m)->seed[0],
             (unsigned long long)t_raw(m)->seed[2]);
    assert_true(a.len > 3);
    assert_string_not_equal(a.out, b.out);
    assert_string_not_equal(a.out, mine);
    assert_string_not_equal(b.out, mine);
    gomap_free(m);
    gomap_free(warm);
}

/* ---- leaving retain_if's visitor ------------------------------------------------------------------------------- */

static jmp_buf out;
static int visits;

static bool jump_out(const void *key, void *value, void *ctx) {
    (void)key, (void)value;
    if (++visits == *(int *)ctx) longjmp(out, 1);
    return visits % 2;
}

/* gomap.h: leaving by longjmp leaves a map that is whole. */
static void test_longjmp_out_of_retain_if(void **st) {
    (void)st;
    for (int at = 1; at <= 4000; at = at * 3 + 1) {
        gomap *m = t_new(NULL);
        t_fill(m, 0, 5000);
        visits = 0;
        if (!setjmp(out)) {
            gomap_retain_if(m, jump_out, &at);
            fail();
        }
        T_VERIFY(m);
        uint64_t left = gomap_len(m);
        assert_true(left >= 5000 - (uint64_t)at && left <= 5000);
        assert_int_equal(t_sum_of(m).n, left);
        t_fill(m, 10000, 3000); /* and it can be written */
        T_VERIFY(m);
        gomap_free(m);
    }
}

static bool cancel_here(const void *key, void *value, void *ctx) {
    (void)key, (void)value, (void)ctx;
    if (++visits == 1000) {
        pthread_cancel(pthread_self());
        pthread_testcancel();
    }
    return visits % 2;
}

static void *retain_until_cancelled(void *arg) {
    gomap_retain_if(arg, cancel_here, NULL);
    return NULL;
}

static void test_cancelled_in_retain_if(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    pthread_t thread;
    void *result;
    t_fill(m, 0, 5000);
    visits = 0;
    assert_int_equal(pthread_create(&thread, NULL, retain_until_cancelled, m), 0);
    pthread_join(thread, &result);
    assert_ptr_equal(result, PTHREAD_CANCELED);
    T_VERIFY(m);
    t_fill(m, 10000, 3000);
    T_VERIFY(m);
    gomap_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth_in_progress),
        cmocka_unit_test(test_forked_in_the_middle_of_a_write),
        cmocka_unit_test(test_fork_while_threads_register),
        cmocka_unit_test(test_seeds_differ_across_forks),
        cmocka_unit_test(test_longjmp_out_of_retain_if),
        cmocka_unit_test(test_cancelled_in_retain_if),
    };
    return t_run("fork", tests, sizeof tests / sizeof *tests);
}
