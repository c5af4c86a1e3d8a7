/* tests/misuse/test_misuse.c - what a program must not do, and the line it is told.
 *
 * Each misuse runs in a child with a fatal hook that prints its line and leaves; the parent checks that
 * the hook was called with one line that names the map and the operation.  Then once more with a hook that
 * returns: the call must do nothing.
 */
#include "../support.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define NAME "the-misused-one"

static gomap *named(void) {
    gomap_config c = t_config();
    gomap *m = NULL;
    c.name = NAME;
    T_CHILD(gomap_new(&c, &m) == GOMAP_OK);
    for (uint64_t k = 0; k < 100; k++) T_CHILD(gomap_put(m, &k, &k) == GOMAP_OK);
    return m;
}

/* ---- NULL ------------------------------------------------------------------------------------------ */

static void put_null(void *arg) {
    uint64_t k = 1;
    (void)arg;
    T_CHILD(gomap_put(NULL, &k, &k) == GOMAP_EMISUSE);
}
static void delete_null(void *arg) {
    uint64_t k = 1;
    (void)arg;
    gomap_delete(NULL, &k);
}
static void get_or_insert_null(void *arg) {
    uint64_t k = 1;
    void *v;
    (void)arg;
    T_CHILD(gomap_get_or_insert(NULL, &k, &v, NULL) == GOMAP_EMISUSE);
}
static void put_many_null(void *arg) {
    uint64_t k = 1;
    (void)arg;
    T_CHILD(gomap_put_many(NULL, &k, &k, 1, NULL) == GOMAP_EMISUSE);
}
static void reserve_null(void *arg) {
    (void)arg;
    T_CHILD(gomap_reserve(NULL, 5) == GOMAP_EMISUSE);
}
static void clear_null(void *arg) {
    (void)arg;
    gomap_clear(NULL, GOMAP_KEEP);
}

static void test_writing_null(void **st) {
    (void)st;
    T_FATAL(put_null, NULL, "gomap", "NULL");
    T_FATAL(delete_null, NULL, "NULL");
    T_FATAL(get_or_insert_null, NULL, "NULL");
    T_FATAL(put_many_null, NULL, "NULL");
    T_FATAL(reserve_null, NULL, "NULL");
    T_FATAL(clear_null, NULL, "NULL");
}

/* ---- use after free, free twice ---------------------------------------------------------------------- */

/* A map whose memory is still there after gomap_free: the allocator keeps it. */
static uint8_t grave[1 << 16] __attribute__((aligned(64)));
static size_t grave_used;
static void *grave_alloc(size_t size, size_t align, void *ctx) {
    (void)ctx;
    size_t at = (grave_used + align - 1) / align * align;
    if (at + size > sizeof grave) return NULL;
    grave_used = at + size;
    return memset(grave + at, 0, size);
}
static void grave_free(void *p, size_t size, size_t align, void *ctx) {
    (void)p, (void)size, (void)align, (void)ctx;
}

static gomap *freed(void) {
    static const gomap_alloc alloc = {grave_alloc, grave_free, NULL};
    gomap_config c = t_config();
    gomap *m = NULL;
    c.name = NAME, c.alloc = &alloc;
    T_CHILD(gomap_new(&c, &m) == GOMAP_OK);
    uint64_t k = 1;
    T_CHILD(gomap_put(m, &k, &k) == GOMAP_OK);
    gomap_free(m);
    return m;
}

static void free_twice(void *arg) {
    (void)arg;
    gomap_free(freed());
}
static void put_after_free(void *arg) {
    uint64_t k = 1;
    (void)arg;
    T_CHILD(gomap_put(freed(), &k, &k) == GOMAP_EMISUSE);
}
static void get_after_free(void *arg) {
    uint64_t k = 1;
    (void)arg;
    T_CHILD(!gomap_get(freed(), &k));
}
static void iterate_after_free(void *arg) {
    gomap_iter it;
    (void)arg;
    gomap_iter_init(&it, freed());
    T_CHILD(!gomap_iter_next(&it));
}
static void foreign_pointer(void *arg) {
    static uint64_t junk[64] __attribute__((aligned(64)));
    uint64_t k = 1;
    (void)arg;
    T_CHILD(gomap_put((gomap *)junk, &k, &k) == GOMAP_EMISUSE);
}
static void free_foreign(void *arg) {
    static uint64_t junk[64] __attribute__((aligned(64)));
    (void)arg;
    gomap_free((gomap *)junk);
}

static void test_dead_maps(void **st) {
    (void)st;
    T_FATAL(free_twice, NULL, "gomap", "free");
    T_FATAL(put_after_free, NULL, "put", "not a live map");
    T_FATAL(get_after_free, NULL, "get", "not a live map");
    T_FATAL(iterate_after_free, NULL, "not a live map");
    T_FATAL(foreign_pointer, NULL, "not a live map");
    T_FATAL(free_foreign, NULL, "not a live map");
}

/* ---- a callback that uses its own map -------------------------------------------------------------------- */

static gomap *own;
static int action;
static bool armed;
enum { DO_GET, DO_PUT, DO_DELETE, DO_CLEAR, DO_ITERATE, DO_FREE, ACTIONS };

static void reenter(void) {
    uint64_t k = 5, v = 6;
    gomap_iter it;
    if (!armed) return;
    armed = false;
    switch (action) {
    case DO_GET: T_CHILD(!gomap_get(own, &k)); break;
    case DO_PUT: T_CHILD(gomap_put(own, &k, &v) == GOMAP_EMISUSE); break;
    case DO_DELETE: T_CHILD(!gomap_delete(own, &k)); break;
    case DO_CLEAR: gomap_clear(own, GOMAP_RELEASE); break;
    case DO_ITERATE:
        gomap_iter_init(&it, own);
        T_CHILD(!gomap_iter_next(&it));
        break;
    default: gomap_free(own); break;
    }
}

static uint64_t bad_hash(const void *key, void *ctx) {
    uint64_t k;
    (void)ctx;
    memcpy(&k, key, 8);
    reenter();
    return t_mix(k);
}
static int bad_eq(const void *a, const void *b, void *ctx) {
    (void)ctx;
    reenter();
    return !memcmp(a, b, 8);
}
static int bad_copy(void *dst, const void *src, void *ctx) {
    (void)dst, (void)src, (void)ctx;
    reenter();
    return 0;
}
static void bad_destroy(void *p, void *ctx) {
    (void)p, (void)ctx;
    reenter();
}
static void *bad_alloc(size_t size, size_t align, void *ctx) {
    (void)ctx;
    reenter();
    return aligned_alloc(align < 8 ? 8 : align, (size + 63) / 64 * 64);
}
static void plain_free(void *p, size_t size, size_t align, void *ctx) {
    (void)size, (void)align, (void)ctx;
    free(p);
}

/* keep() of retain_if is not among them: the map stays whole when it is left by longjmp (tests/concur), so no write
 * is marked while it runs. */
enum { IN_HASH, IN_EQ, IN_COPY, IN_DESTROY, IN_ALLOC, PLACES };

static void reentrant(void *arg) {
    int place = *(int *)arg;
    static const gomap_alloc alloc = {bad_alloc, plain_free, NULL};
    gomap_config c = t_config();
    c.name = NAME;
    if (place == IN_HASH) c.hash = bad_hash;
    if (place == IN_EQ) c.eq = bad_eq;
    if (place == IN_COPY) c.value_copy = bad_copy;
    if (place == IN_DESTROY) c.value_destroy = bad_destroy;
    if (place == IN_ALLOC) c.alloc = &alloc;
    T_CHILD(gomap_new(&c, &own) == GOMAP_OK);
    for (uint64_t k = 0; k < 15; k++) T_CHILD(gomap_put(own, &k, &k) == GOMAP_OK);
    armed = true;
    uint64_t k = 3, v = 9, fresh = 100;
    if (place == IN_DESTROY)
        gomap_delete(own, &k);
    else
        T_CHILD(gomap_put(own, place == IN_EQ ? &k : &fresh, &v) == GOMAP_OK);
    T_CHILD(!armed); /* the callback did run */
}

static void test_reentrance(void **st) {
    (void)st;
    for (int place = 0; place < PLACES; place++)
        for (action = 0; action < ACTIONS; action++) T_FATAL(reentrant, &place, NAME, "during a write");
}

/* ---- two writers, deterministic: the second comes while the first is in its hash -------------------------- */

static pthread_barrier_t both_in, done;

static uint64_t waiting_hash(const void *key, void *ctx) {
    uint64_t k;
    (void)ctx;
    memcpy(&k, key, 8);
    if (k == 77) {
        pthread_barrier_wait(&both_in);
        pthread_barrier_wait(&done);
    }
    return t_mix(k);
}

static void *first_writer(void *arg) {
    uint64_t k = 77;
    (void)arg;
    (void)!gomap_put(own, &k, &k);
    return NULL;
}

static void second_comes(void *arg) {
    int what = *(int *)arg;
    gomap_config c = t_config();
    pthread_t thread;
    uint64_t k = 5;
    c.hash = waiting_hash, c.name = NAME;
    T_CHILD(gomap_new(&c, &own) == GOMAP_OK);
    T_CHILD(gomap_put(own, &k, &k) == GOMAP_OK);
    pthread_barrier_init(&both_in, NULL, 2);
    pthread_barrier_init(&done, NULL, 2);
    T_CHILD(!pthread_create(&thread, NULL, first_writer, NULL));
    pthread_barrier_wait(&both_in); /* it is inside its write now */
    action = what, armed = true;
    reenter();
    pthread_barrier_wait(&done);
    pthread_join(thread, NULL);
}

static void test_two_at_once(void **st) {
    (void)st;
    for (int what = 0; what < ACTIONS; what++) T_FATAL(second_comes, &what, NAME, "during a write");
}

/* ---- the hook --------------------------------------------------------------------------------------------- */

static int lines;
static void counting_hook(const char *line) {
    (void)line;
    lines++;
}

/* If the hook returns, the call does nothing. */
static void test_a_hook_that_returns(void **st) {
    (void)st;
    uint64_t k = 3;
    void *v = &k;
    gomap_fatal_fn old = gomap_set_fatal(counting_hook);
    lines = 0;
    assert_int_equal(gomap_put(NULL, &k, &k), GOMAP_EMISUSE);
    assert_int_equal(lines, 1);
    assert_int_equal(gomap_put_if_absent(NULL, &k, &k, NULL), GOMAP_EMISUSE);
    assert_int_equal(gomap_get_or_insert(NULL, &k, &v, NULL), GOMAP_EMISUSE);
    assert_int_equal(gomap_shrink_to_fit(NULL), GOMAP_EMISUSE);
    assert_int_equal(gomap_set_name(NULL, "x"), GOMAP_EMISUSE);
    assert_false(gomap_delete(NULL, &k));
    assert_int_equal(gomap_delete_many(NULL, &k, 1), 0);
    assert_int_equal(lines, 7);
    gomap *m = named();
    t_raw(m)->writing = 1; /* as if another thread were in the middle of a write */
    struct t_sum none = t_sum_of(m);
    assert_int_equal(none.n, 0);
    assert_int_equal(gomap_put(m, &k, &none), GOMAP_EMISUSE);
    assert_false(gomap_delete(m, &k));
    assert_null(gomap_get(m, &k));
    gomap_clear(m, GOMAP_RELEASE);
    gomap_free(m);
    t_raw(m)->writing = 0;
    assert_int_equal(gomap_len(m), 100);
    T_VERIFY(m);
    gomap_free(m);
    assert_ptr_equal(gomap_set_fatal(NULL), counting_hook);
    assert_ptr_equal(gomap_set_fatal(old), old); /* NULL brought the default back */
    gomap_set_fatal(NULL);
}

static void default_hook(void *arg) {
    uint64_t k = 1;
    (void)arg;
    (void)!gomap_put(NULL, &k, &k);
}

/* The default: one line on stderr, abort. */
static void test_default_hook(void **st) {
    (void)st;
    struct t_child c;
    t_fork(&c, default_hook, NULL);
    assert_true(WIFSIGNALED(c.status));
    assert_int_equal(WTERMSIG(c.status), SIGABRT);
    assert_non_null(strstr(c.out, "gomap: "));
    char *end = strchr(c.out, '\n');
    assert_non_null(end);
    assert_int_equal(end[1], 0); /* one line, and the end */
}

/* A long name does not overflow the line. */
static void long_name(void *arg) {
    char name[5000];
    gomap *m = named();
    (void)arg;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    gomap_err err = gomap_set_name(m, name);
    T_CHILD(err == GOMAP_OK || err == GOMAP_EINVAL);
    t_raw(m)->writing = 1;
    uint64_t k = 1;
    (void)!gomap_put(m, &k, &k);
}

static void test_long_name(void **st) {
    (void)st;
    T_FATAL(long_name, NULL, "put", "nnnnnnnn");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writing_null),        cmocka_unit_test(test_dead_maps),
        cmocka_unit_test(test_reentrance),          cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_a_hook_that_returns), cmocka_unit_test(test_default_hook),
        cmocka_unit_test(test_long_name),
    };
    return t_run("misuse", tests, sizeof tests / sizeof *tests);
}
