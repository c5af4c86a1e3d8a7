/* tests/fault/test_sweep.c - every allocation and every call to the operating system fails once, and for ever.
 *
 * For each start state and each call that writes: build the state, make the n-th request of a kind fail
 * (once, or it and all later ones), call, look.  n rises until the call gets through without a failure.
 * After each call: the map is whole (gomap_verify), its contents are either what they were or what the call
 * promises, an error says so, and the call succeeds when tried again.  How often the injector fired is
 * compared with recorded minimums: a sweep that injects nothing proves nothing.
 *
 * Contents are compared as an order-independent sum over all entries.
 */
#include "../flavours.h"

#include "gomap/observe.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

extern int (*gomap__fault)(int what);
enum { ALLOC = 1, MMAP, PROTECT, MADVISE, RANDOM, MUNMAP, KINDS };

/* ---- injector ---------------------------------------------------------------------------------- */

static struct {
    int kind; /* 0: all but ALLOC */
    uint64_t seen, at, fired;
    bool on;
} inject;

static int fault(int what) {
    if (inject.kind ? what != inject.kind : what == ALLOC) return 0;
    inject.seen++;
    bool fail = inject.seen == inject.at || (inject.on && inject.seen > inject.at);
    inject.fired += fail;
    return fail;
}

static void arm(int kind, uint64_t at, bool on) {
    inject.kind = kind, inject.seen = 0, inject.at = at, inject.on = on, inject.fired = 0;
    gomap__fault = fault;
}

static uint64_t disarm(void) {
    gomap__fault = NULL;
    return inject.fired;
}

/* A sweep goes on after a finding, so that one run shows them all. */
static uint64_t findings;
#define FOUND(...) (findings++ < 30 ? print_error(__VA_ARGS__) : (void)0)

/* ---- start states ---------------------------------------------------------------------------------- */

struct state {
    const char *name, *flavour;
    uint64_t entries; /* put, keys 0 .. */
    uint64_t left;    /* then deleted down to so many, if less */
    int until_walk;   /* GOMAP_WALK_*: go on until one runs */
    bool hooked;      /* hooks count its entries */
};
static const struct state states[] = {
    {"empty", "u64", 0, 0, 0},
    {"one entry", "u64", 1, 1, 0},
    {"small table not full", "u64", 5, 5, 0},
    {"full group", "u64", 15, 15, 0},
    {"two groups, full", "u64", 26, 26, 0},
    {"quads", "u64", 700, 700, 0},
    {"growing", "u64", 3000, 3000, GOMAP_WALK_GROW},
    {"shrinking", "u64", 8000, 1700, GOMAP_WALK_SHRINK},
    {"emptied", "u64", 100, 0, 0},
    {"one overflowing quad", "hash-constant", 90, 90, 0},
    {"stash", "hash-constant", 160, 160, 0},
    {"stash of strings", "hash-constant-string", 160, 160, 0},
    {"few hash bits", "hash-6-bits", 1200, 1200, 0},
    {"small strings", "string", 12, 12, 0},
    {"growing strings", "string", 3000, 3000, GOMAP_WALK_GROW},
    {"borrowed strings", "borrowed", 200, 200, 0},
    {"keys out of line", "key200-out-of-line", 200, 200, 0},
    {"stable values", "stable-values", 26, 26, 0},
    {"own allocator", "own-alloc", 26, 26, 0},
    {"own allocator growing", "own-alloc", 1000, 1000, GOMAP_WALK_GROW},
    {"own allocator strings", "own-alloc-string", 300, 300, 0},
    {"memory mode", "memory", 1000, 1000, GOMAP_WALK_GROW},
    {"hooks, growing", "u64", 3000, 3000, GOMAP_WALK_GROW, true},
    {"hooks, strings in a stash", "hash-constant-string", 160, 160, 0, true},
};
enum { STATES = sizeof states / sizeof *states, NEW_KEY = 15000, MANY = 80, MOST_POINTS = 5000 };

struct run {
    const struct t_flavour *f;
    struct t_alloc alloc;
    gomap *m, *other; /* other: result of clone and new */
    gomap_iter it;    /* alive during the call */
    struct t_sum before;
    /* set by the call */
    struct t_sum want; /* contents if it succeeds */
    gomap_err err;
    uint64_t heard; /* entries, by what hooks hear */
    bool hooked;
};

static void hear_put(const gomap *m, const void *key, void *value, bool is_new, void *ctx) {
    (void)m, (void)key, (void)value;
    *(uint64_t *)ctx += is_new;
}
static void hear_delete(const gomap *m, const void *key, void *value, void *ctx) {
    (void)m, (void)key, (void)value;
    --*(uint64_t *)ctx;
}
static void hear_clear(const gomap *m, uint64_t entries, gomap_clear_how how, void *ctx) {
    (void)m, (void)how;
    *(uint64_t *)ctx -= entries;
}

static void listen(struct run *r) {
    gomap_hooks h = {.size = sizeof h, .on_put = hear_put, .on_delete = hear_delete, .on_clear = hear_clear, .ctx = &r->heard};
    r->heard = gomap_len(r->m);
    gomap_err err = gomap_set_hooks(r->m, &h);
    assert_true(err == GOMAP_OK || err == GOMAP_ENOENT); /* a library without */
    r->hooked = err == GOMAP_OK;
}

static void build(struct run *r, const struct state *s) {
    memset(r, 0, sizeof *r);
    r->f = t_flavour_named(s->flavour);
    t_alloc_init(&r->alloc);
    r->m = t_flavour_new(r->f, &r->alloc);
    uint64_t k;
    for (k = 0; k < s->entries; k++) T_OK(tf_put(r->m, r->f, k, k + 1));
    if (s->until_walk == GOMAP_WALK_GROW)
        for (; k < 14000 && t_stats(r->m).walk != GOMAP_WALK_GROW; k++) T_OK(tf_put(r->m, r->f, k, k + 1));
    for (; gomap_len(r->m) > s->left && k > s->left && s->left < s->entries;)
        assert_true(tf_del(r->m, r->f, --k));
    if (s->until_walk == GOMAP_WALK_SHRINK)
        while (k > 1 && t_stats(r->m).walk != GOMAP_WALK_SHRINK) assert_true(tf_del(r->m, r->f, --k));
    if (s->hooked) listen(r);
    r->before = tf_sum(r->m, r->f);
    gomap_iter_init(&r->it, r->m);
    gomap_iter_next(&r->it);
}

/* ---- calls ------------------------------------------------------------------------------------------- */

static struct t_sum plus(struct t_sum s, uint64_t k, uint64_t v) {
    return (struct t_sum){s.n + 1, s.sum + t_pair(k, v)};
}

static struct t_sum minus(struct t_sum s, uint64_t k, uint64_t v) {
    return (struct t_sum){s.n - 1, s.sum - t_pair(k, v)};
}

static void call_put_new(struct run *r) {
    r->want = plus(r->before, NEW_KEY, 7);
    r->err = tf_put(r->m, r->f, NEW_KEY, 7);
}

static void call_update(struct run *r) {
    r->want = r->before.n ? plus(minus(r->before, 0, 1), 0, 9) : plus(r->before, 0, 9);
    r->err = tf_put(r->m, r->f, 0, 9);
}

static void call_put_if_absent(struct run *r) {
    struct t_key room;
    uint64_t v = 3;
    r->want = plus(r->before, NEW_KEY, 3);
    r->err = gomap_put_if_absent(r->m, t_key(r->f, NEW_KEY, &room), &v, NULL);
}

static void call_get_or_insert(struct run *r) {
    struct t_key room;
    void *v;
    r->want = plus(r->before, NEW_KEY, 0);
    r->err = gomap_get_or_insert(r->m, t_key(r->f, NEW_KEY, &room), &v, NULL);
}

static void call_delete(struct run *r) {
    r->want = r->before.n ? minus(r->before, 0, 1) : r->before;
    assert_int_equal(tf_del(r->m, r->f, 0), r->before.n != 0); /* never fails */
}

static void call_pop(struct run *r) {
    struct t_key room;
    gomap_str str;
    uint64_t v;
    bool text = r->f->keys != GOMAP_KEYS_FIXED;
    r->want = r->before;
    gomap_err err = gomap_pop_any(r->m, text ? (void *)&str : (void *)room.bytes, &v);
    assert_int_equal(err, r->before.n ? GOMAP_OK : GOMAP_ENOENT);
    if (r->before.n)
        r->want = minus(r->before, t_key_number(r->f, text ? (void *)&str : (void *)room.bytes), v);
}

static void call_clear_keep(struct run *r) { gomap_clear(r->m, GOMAP_KEEP); }
static void call_clear_release(struct run *r) { gomap_clear(r->m, GOMAP_RELEASE); }

static void call_reserve(struct run *r) {
    r->want = r->before;
    r->err = gomap_reserve(r->m, gomap_len(r->m) * 3 + 100);
}

static void call_shrink_to_fit(struct run *r) {
    r->want = r->before;
    r->err = gomap_shrink_to_fit(r->m);
}

static void call_clone(struct run *r) {
    r->want = r->before;
    r->err = gomap_clone(r->m, &r->other);
    if (r->err) {
        assert_null(r->other);
        return;
    }
    struct t_sum got = tf_sum(r->other, r->f);
    assert_int_equal(got.n, r->before.n);
    assert_int_equal(got.sum, r->before.sum);
    T_VERIFY(r->other);
    gomap_free(r->other);
    r->other = NULL;
}

/* Stops at the first failure and says how far it came: the rest is put after. */
static void call_put_many(struct run *r) {
    static struct t_key room[MANY];
    static uint8_t keys[MANY * 256];
    uint64_t values[MANY];
    size_t each = r->f->keys == GOMAP_KEYS_FIXED ? r->f->key_size : sizeof(gomap_str), done = 0;
    for (uint64_t i = 0; i < MANY; i++) {
        memcpy(keys + i * each, t_key(r->f, NEW_KEY + i, &room[i]), each);
        values[i] = i;
    }
    r->err = gomap_put_many(r->m, keys, values, MANY, &done);
    r->want = r->before;
    for (uint64_t i = 0; i < done; i++) r->want = plus(r->want, NEW_KEY + i, i);
    assert_int_equal(done == MANY, r->err == GOMAP_OK);
    r->before = r->want; /* what a failed call leaves is exactly the entries done */
}

static bool keep_even(const void *key, void *value, void *ctx) {
    (void)key, (void)ctx;
    uint64_t v;
    memcpy(&v, value, sizeof v);
    return v % 2 == 0;
}

static void call_retain_if(struct run *r) {
    struct t_sum want = {0, 0};
    gomap_retain_if(r->m, keep_even, NULL);
    for (uint64_t n = r->before.n, k = 0; k < n; k++)
        if ((k + 1) % 2 == 0) want = plus(want, k, k + 1);
    r->want = want;
}

static void call_iter_delete(struct run *r) {
    r->want = r->before;
    if (!r->before.n) {
        assert_false(gomap_iter_delete(&r->it, r->m));
        return;
    }
    uint64_t k = t_key_number(r->f, r->it.key);
    assert_true(gomap_iter_delete(&r->it, r->m));
    r->want = minus(r->before, k, k + 1);
}

static void call_work(struct run *r) {
    r->want = r->before;
    for (int i = 0; i < 200 && gomap_work(r->m, 100000); i++) continue;
}

static void call_set_name(struct run *r) {
    r->want = r->before;
    r->err = gomap_set_name(r->m, "a name");
}

static void call_new(struct run *r) {
    gomap_config c = t_flavour_config(r->f, &r->alloc);
    c.capacity = 5000, c.name = "made under faults";
    r->want = r->before;
    r->err = gomap_new(&c, &r->other);
    if (r->err) {
        assert_null(r->other);
        return;
    }
    T_VERIFY(r->other);
    gomap_free(r->other);
    r->other = NULL;
}

/* A hundred puts in a row: growth must be benign until the table is truly full. */
static void call_puts(struct run *r) {
    r->want = r->before;
    for (uint64_t i = 0; i < 120 && !r->err; i++) {
        r->err = tf_put(r->m, r->f, NEW_KEY + i, i);
        if (r->err) break;
        r->want = plus(r->want, NEW_KEY + i, i);
    }
    r->before = r->want;
}

static const struct call {
    const char *name;
    void (*fn)(struct run *r);
    bool again; /* a second call gives the same result */
} calls[] = {
    {"put", call_put_new, true},
    {"update", call_update, true},
    {"put_if_absent", call_put_if_absent, true},
    {"get_or_insert", call_get_or_insert, true},
    {"delete", call_delete, false},
    {"pop_any", call_pop, false},
    {"clear keep", call_clear_keep, false},
    {"clear release", call_clear_release, false},
    {"reserve", call_reserve, true},
    {"shrink_to_fit", call_shrink_to_fit, true},
    {"clone", call_clone, true},
    {"put_many", call_put_many, false},
    {"retain_if", call_retain_if, false},
    {"iter_delete", call_iter_delete, false},
    {"work", call_work, true},
    {"set_name", call_set_name, true},
    {"new", call_new, true},
    {"puts", call_puts, false},
};
enum { CALLS = sizeof calls / sizeof *calls };

/* ---- one point of the sweep --------------------------------------------------------------------------- */

static void check(struct run *r, const struct state *s, const struct call *c, uint64_t at) {
    char why[200] = "";
    int broken = gomap_verify(r->m, why, sizeof why);
    struct t_sum got = tf_sum(r->m, r->f), *want = r->err ? &r->before : &r->want;
    bool heard = !r->hooked || r->heard == got.n;
    if (!broken && heard && got.n == want->n && got.sum == want->sum && (!r->err || r->err == GOMAP_ENOMEM)) return;
    FOUND("%s / %s, request %lu: error %d, %s, %lu entries instead of %lu%s\n", s->name, c->name,
          (unsigned long)at, r->err, why, (unsigned long)got.n, (unsigned long)want->n,
          !heard ? ", hooks heard otherwise" : got.n == want->n ? ", contents differ" : "");
}

/* Returns how often the injector fired: 0 means that the call made fewer than `at` requests. */
static uint64_t point(const struct state *s, const struct call *c, int kind, uint64_t at, bool on) {
    struct run r;
    build(&r, s);
    arm(kind, at, on);
    c->fn(&r);
    uint64_t fired = disarm();
    check(&r, s, c, at);
    if (!fired && r.err) FOUND("%s / %s: error %d without a failure\n", s->name, c->name, r.err);
    while (gomap_iter_next(&r.it)) continue; /* the old iterator is still good */
    if (r.err && c->again) {
        r.err = GOMAP_OK;
        c->fn(&r);
        if (r.err) FOUND("%s / %s: tried again, error %d\n", s->name, c->name, r.err);
        check(&r, s, c, 0);
    }
    for (uint64_t k = 0; k < 40; k++) /* it works on */
        if (tf_put(r.m, r.f, NEW_KEY + 1000 + k, k)) {
            FOUND("%s / %s, request %lu: a later put fails\n", s->name, c->name, (unsigned long)at);
            break;
        }
    T_VERIFY(r.m);
    gomap_free(r.m);
    t_alloc_check_empty(&r.alloc);
    return fired;
}

static uint64_t sweep(int kind, bool on, uint64_t most) {
    uint64_t points = 0;
    for (size_t s = 0; s < STATES; s++)
        for (size_t c = 0; c < CALLS; c++)
            for (uint64_t at = 1; at <= most; at++) {
                if (!point(&states[s], &calls[c], kind, at, on)) break;
                points++;
                if (at == most && most > 1)
                    FOUND("%s / %s: more than %lu points\n", states[s].name, calls[c].name,
                          (unsigned long)most);
            }
    return points;
}

/* ---- leaks: what the heap and the address space hold does not grow with the sweep ----------------------- */

struct held {
    uint64_t heap, pages;
};

static struct held held_now(void) {
    struct held h = {0, 0};
    unsigned long size = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%lu", &size) != 1) size = 0;
    if (f) fclose(f);
    h.pages = size;
#if defined(__GLIBC__)
    if (!t_sanitized())
        h.heap = mallinfo2().uordblks; /* a sanitizer's own leak check does the same at exit */
#endif
    return h;
}

static void checked_sweep(const char *what, int kind, bool on, uint64_t most, uint64_t minimum) {
    sweep(kind, on, 1); /* warm: types are interned for good, and so are chunks of the registry */
    struct held before = held_now();
    findings = 0;
    uint64_t points = sweep(kind, on, most);
    struct held after = held_now();
    print_message("# %s, %s: %lu points\n", what, on ? "for ever" : "once", (unsigned long)points);
    assert_int_equal(findings, 0);
    if (points < minimum)
        fail_msg("only %lu points; at least %lu are known", (unsigned long)points, (unsigned long)minimum);
    if (!t_sanitized()) {
        print_message("# heap %+ld bytes, address space %+ld pages\n", (long)(after.heap - before.heap),
                      (long)(after.pages - before.pages));
        /* What malloc caches for the thread counts as used: a few KiB.  A leak at every tenth point is more. */
        assert_true(after.heap <= before.heap + 32768);
        assert_true(after.pages <= before.pages + 512);
    }
}

static void test_allocation_fails_once(void **st) {
    (void)st;
    checked_sweep("allocation", ALLOC, false, MOST_POINTS, 380);
}

static void test_allocation_fails_for_ever(void **st) {
    (void)st;
    checked_sweep("allocation", ALLOC, true, MOST_POINTS, 380);
}

static void test_system_fails_once(void **st) {
    (void)st;
    checked_sweep("operating system", 0, false, MOST_POINTS, 80);
}

static void test_system_fails_for_ever(void **st) {
    (void)st;
    checked_sweep("operating system", 0, true, MOST_POINTS, 80);
}

static void test_each_kind_fires(void **st) {
    (void)st;
    findings = 0;
    const int kinds[] = {MMAP, PROTECT, MADVISE};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        uint64_t fired = 0;
        for (size_t s = 0; s < STATES; s++)
            for (size_t c = 0; c < CALLS; c++) fired += point(&states[s], &calls[c], kinds[i], 1, true) != 0;
        assert_int_equal(findings, 0);
        if (!fired) fail_msg("kind %d never fired", kinds[i]);
    }
}

/* No randomness: no new map, or one from another source; never a weak seed in silence, never a crash. */
static void test_no_randomness(void **st) {
    (void)st;
    uint64_t failed = 0;
    for (int i = 0; i < 200; i++) {
        gomap_config c = t_config();
        gomap *m = NULL;
        arm(RANDOM, 1, true);
        gomap_err err = gomap_new(&c, &m);
        disarm();
        failed += err != GOMAP_OK;
        assert_int_equal(err == GOMAP_OK, m != NULL);
        assert_true(err == GOMAP_OK || err == GOMAP_ENOMEM);
        if (m) { /* seeds still in the buffer */
            struct gomap *r = t_raw(m);
            assert_true(r->seed[0] | r->seed[2] | r->seed[3]);
        }
        gomap_free(m);
    }
    assert_true(failed > 0);
    gomap *m = t_new(NULL); /* and it recovers */
    gomap_free(m);
}

int main(void) {
    uint64_t from, low = 64 << 10; /* ranges in tables of a few thousand entries: each point builds its map anew */
    if (gomap_ctl(NULL, "policy.range_from_bytes", &from, NULL)) return 1;
    if (from > low && gomap_ctl(NULL, "policy.range_from_bytes", NULL, &low)) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocation_fails_once), cmocka_unit_test(test_allocation_fails_for_ever),
        cmocka_unit_test(test_system_fails_once),     cmocka_unit_test(test_system_fails_for_ever),
        cmocka_unit_test(test_each_kind_fires),       cmocka_unit_test(test_no_randomness),
    };
    return t_run("sweep", tests, sizeof tests / sizeof *tests);
}
