/* tests/unit/test_hooks.c - hooks hear of everything that happens to a map, and of nothing else.
 *
 * A book is kept by hooks alone, entry by entry; after any operations it must read as the map does.
 */
#include "../flavours.h"

#include "gomap/classic.h"
#include "gomap/observe.h"
#include "gomap/typed.h"

#include <pthread.h>
#include <stdio.h>

struct book {
    const struct t_flavour *flavour;
    struct t_model entries;
    uint64_t news, frees, grows, grown, shrinks, shrunk, clears, ooms, puts, deletes;
    uint64_t wrong; /* calls that contradict what is in the book */
    const gomap *last;
};

static void note_new(gomap *m, void *ctx) {
    struct book *b = ctx;
    b->news++, b->last = m;
}

static void note_free(const gomap *m, void *ctx) {
    struct book *b = ctx;
    b->frees++, b->last = m;
}

static void note_resize(uint64_t from, uint64_t to, bool more, bool done, uint64_t *began, uint64_t *ended,
                        struct book *b) {
    if (more ? to <= from : to >= from) b->wrong++;
    if (done && ++*ended > *began) b->wrong++;
    if (!done) ++*began;
}

static void note_grow(const gomap *m, uint64_t from, uint64_t to, bool done, void *ctx) {
    struct book *b = ctx;
    (void)m;
    note_resize(from, to, true, done, &b->grows, &b->grown, b);
}

static void note_shrink(const gomap *m, uint64_t from, uint64_t to, bool done, void *ctx) {
    struct book *b = ctx;
    (void)m;
    note_resize(from, to, false, done, &b->shrinks, &b->shrunk, b);
}

static void note_clear(const gomap *m, uint64_t entries, gomap_clear_how how, void *ctx) {
    struct book *b = ctx;
    (void)m, (void)how;
    b->clears++;
    if (entries != b->entries.count) b->wrong++;
    for (uint64_t k = 0; k < b->entries.universe; k++) t_model_del(&b->entries, k);
}

static void note_oom(const gomap *m, uint64_t from, uint64_t to, void *ctx) {
    struct book *b = ctx;
    (void)m, (void)from, (void)to;
    b->ooms++;
}

static void note_put(const gomap *m, const void *key, void *value, bool is_new, void *ctx) {
    struct book *b = ctx;
    uint64_t k = t_key_number(b->flavour, key), v;
    memcpy(&v, value, sizeof v);
    b->puts++;
    if (k >= b->entries.universe || is_new == b->entries.has[k]) {
        b->wrong++;
        return;
    }
    t_model_put(&b->entries, k, v);
    if (gomap_len(m) != b->entries.count) b->wrong++;
}

static void note_delete(const gomap *m, const void *key, void *value, void *ctx) {
    struct book *b = ctx;
    uint64_t k = t_key_number(b->flavour, key), v;
    memcpy(&v, value, sizeof v);
    b->deletes++;
    if (gomap_len(m) != b->entries.count) b->wrong++;
    if (k >= b->entries.universe || b->entries.value[k] != v || !t_model_del(&b->entries, k)) b->wrong++;
}

static gomap_hooks all_of(struct book *b) {
    return (gomap_hooks){.size = sizeof(gomap_hooks),
                         .on_new = note_new,
                         .on_free = note_free,
                         .on_grow = note_grow,
                         .on_shrink = note_shrink,
                         .on_clear = note_clear,
                         .on_oom = note_oom,
                         .on_put = note_put,
                         .on_delete = note_delete,
                         .ctx = b};
}

static void open_book(struct book *b, const struct t_flavour *f, uint64_t universe) {
    *b = (struct book){.flavour = f};
    t_model_init(&b->entries, universe);
}

static void same_as_book(const gomap *m, const struct book *b) {
    struct t_sum s = tf_sum(m, b->flavour), want = {0, 0};
    for (uint64_t k = 0; k < b->entries.universe; k++)
        if (b->entries.has[k]) want.n++, want.sum += t_pair(k, b->entries.value[k]);
    assert_int_equal(b->wrong, 0);
    assert_int_equal(s.n, want.n);
    assert_int_equal(s.sum, want.sum);
    assert_int_equal(gomap_len(m), want.n);
}

/* ---- entries ------------------------------------------------------------------------------------------------ */

static bool odd_value(const void *key, void *value, void *ctx) {
    uint64_t v;
    (void)key, (void)ctx;
    memcpy(&v, value, sizeof v);
    return v & 1;
}

/* Some write, drawn; puts of many keys give them values that do not matter. */
static void some_write(gomap *m, const struct t_flavour *f, uint64_t universe) {
    struct t_key room;
    uint64_t v = t_rand(), what = t_below(1000);
    const void *key = t_key(f, t_below(universe), &room);
    void *at;
    if (what < 500) {
        T_OK(gomap_put(m, key, &v));
    } else if (what < 560) {
        T_OK(gomap_put_if_absent(m, key, &v, NULL));
    } else if (what < 620) {
        T_OK(gomap_get_or_insert(m, key, &at, NULL));
    } else if (what < 660 && f->keys == GOMAP_KEYS_FIXED) {
        T_OK(gomap_put_many(m, key, &v, 1, NULL));
    } else if (what < 700 && f->keys == GOMAP_KEYS_FIXED) {
        gomap_delete_many(m, key, 1);
    } else if (what < 740) {
        gomap_err err = gomap_pop_any(m, NULL, NULL);
        assert_true(err == GOMAP_OK || err == GOMAP_ENOENT);
    } else if (what < 780) {
        gomap_iter it;
        gomap_iter_init(&it, m);
        if (gomap_iter_next(&it)) assert_true(gomap_iter_delete(&it, m));
    } else if (what < 782) {
        gomap_retain_if(m, odd_value, NULL);
    } else if (what < 783) {
        gomap_clear(m, t_below(2) ? GOMAP_KEEP : GOMAP_RELEASE);
    } else {
        gomap_delete(m, key);
    }
}

static void test_the_book_reads_as_the_map_does(void **st) {
    (void)st;
    for (size_t i = 0; i < t_flavour_count; i++) {
        const struct t_flavour *f = &t_flavours[i];
        uint64_t universe = t_flavour_clumps(f) ? 120 : 700,
                 steps = t_scale(t_sanitized() ? 1500 : 4000, 200000);
        struct t_alloc alloc;
        struct book b;
        t_alloc_init(&alloc);
        open_book(&b, f, universe);
        gomap *m = t_flavour_new(f, &alloc);
        gomap_hooks h = all_of(&b);
        T_OK(gomap_set_hooks(m, &h));
        for (uint64_t n = 0; n < steps; n++) some_write(m, f, universe);
        same_as_book(m, &b);
        T_VERIFY(m);
        assert_true(b.puts > steps / 3 && b.deletes > steps / 40);
        gomap_free(m);
        assert_int_equal(b.frees, 1);
        assert_int_equal(b.news, 0); /* it was there before */
        t_alloc_check_empty(&alloc);
        t_model_free(&b.entries);
    }
}

/* Bulk writes of a table beyond the cache go by another path. */
static void test_many_at_once(void **st) {
    (void)st;
    enum { N = 60000, BATCH = 500 };
    struct book b;
    uint64_t key[BATCH], value[BATCH];
    open_book(&b, t_flavour_named("u64"), N);
    gomap *m = t_flavour_new(b.flavour, NULL);
    gomap_hooks h = all_of(&b);
    T_OK(gomap_set_hooks(m, &h));
    for (uint64_t at = 0; at < N; at += BATCH) {
        for (uint64_t i = 0; i < BATCH; i++) key[i] = at + i, value[i] = t_mix(at + i);
        T_OK(gomap_put_many(m, key, value, BATCH, NULL));
    }
    same_as_book(m, &b);
    assert_int_equal(b.puts, N);
    assert_true(b.grows > 3);
    for (uint64_t at = 0; at < N - BATCH; at += BATCH) {
        for (uint64_t i = 0; i < BATCH; i++) key[i] = at + i;
        assert_int_equal(gomap_delete_many(m, key, BATCH), BATCH);
    }
    same_as_book(m, &b);
    while (gomap_work(m, 1000000)) continue;
    gomap_stats s = t_stats(m);
    assert_int_equal(s.grows, b.grows);
    assert_true(b.shrinks && s.shrinks >= b.shrinks);
    T_OK(gomap_shrink_to_fit(m));
    assert_int_equal(b.grows, b.grown);
    assert_int_equal(b.shrinks, b.shrunk);
    gomap_free(m);
    t_model_free(&b.entries);
}

/* Two maps of one seed, one of them with hooks: not one answer differs. */
static void test_hooks_change_nothing(void **st) {
    (void)st;
    enum { UNIVERSE = 3000, STEPS = 20000 };
    struct book b;
    open_book(&b, t_flavour_named("u64"), UNIVERSE);
    gomap *plain = t_flavour_new(b.flavour, NULL);
    gomap_config c = t_flavour_config(b.flavour, NULL);
    c.seed_of = plain;
    gomap *m = t_new(&c);
    gomap_hooks h = all_of(&b);
    T_OK(gomap_set_hooks(m, &h));
    for (int i = 0; i < STEPS; i++) {
        uint64_t k = t_below(UNIVERSE), v = t_rand(), what = t_below(4);
        bool is_new[2] = {false, false};
        if (what == 0) {
            T_OK(gomap_put(m, &k, &v));
            T_OK(gomap_put(plain, &k, &v));
        } else if (what == 1) {
            T_OK(gomap_put_if_absent(m, &k, &v, &is_new[0]));
            T_OK(gomap_put_if_absent(plain, &k, &v, &is_new[1]));
        } else {
            is_new[0] = gomap_delete(m, &k), is_new[1] = gomap_delete(plain, &k);
        }
        assert_int_equal(is_new[0], is_new[1]);
        assert_int_equal(gomap_has(m, &k), gomap_has(plain, &k));
    }
    assert_true(gomap_equal(m, plain, NULL, NULL));
    gomap_stats s = t_stats(m), t = t_stats(plain);
    assert_int_equal(s.slots, t.slots);
    assert_int_equal(s.chained, t.chained);
    gomap_free(m);
    gomap_free(plain);
    t_model_free(&b.entries);
}

/* ---- typed maps ------------------------------------------------------------------------------------------------ */

GOMAP_DEFINE(typed, uint64_t, uint64_t);

static void test_inlined_writes_call_hooks(void **st) {
    (void)st;
    enum { N = 2000 };
    struct book b;
    gomap *m;
    open_book(&b, t_flavour_named("u64"), N);
    T_OK(typed_new(&m));
    for (uint64_t k = 0; k < 10; k++) { /* nobody listens yet */
        T_OK(typed_put(m, k, k));
        t_model_put(&b.entries, k, k);
    }
    gomap_hooks h = all_of(&b);
    T_OK(gomap_set_hooks(m, &h));
    for (uint64_t k = 0; k < N; k++) T_OK(typed_put(m, k, t_mix(k)));
    same_as_book(m, &b);
    assert_int_equal(b.puts, N);
    bool is_new;
    for (uint64_t k = 0; k < N; k += 2) assert_true(typed_delete(m, k));
    assert_false(typed_delete(m, 0));
    for (uint64_t k = 0; k < N; k++) { /* what is written through the pointer is nobody's news */
        uint64_t *at = typed_at(m, k, &is_new);
        assert_non_null(at);
        assert_int_equal(is_new, k % 2 == 0);
        assert_int_equal(*at, is_new ? 0 : t_mix(k));
    }
    same_as_book(m, &b);
    assert_int_equal(b.deletes, N / 2);
    assert_int_equal(b.puts, N + N / 2);
    typed_iter it;
    for (typed_iter_init(&it, m); typed_iter_next(&it);)
        if (it.key % 3) assert_true(typed_iter_delete(&it, m));
    same_as_book(m, &b);
    uint64_t puts = b.puts;
    T_OK(gomap_set_hooks(m, NULL));
    T_OK(typed_put(m, 1, 2));
    assert_true(typed_delete(m, 1));
    assert_int_equal(b.puts, puts);
    gomap_free(m);
    t_model_free(&b.entries);
}

static void double_it(const gomap *m, const void *key, void *value, bool is_new, void *ctx) {
    (void)m, (void)key, (void)is_new, (void)ctx;
    *(uint64_t *)value *= 2;
}

static void test_a_hook_may_change_the_value(void **st) {
    (void)st;
    gomap *m;
    T_OK(typed_new(&m));
    gomap_hooks h = {.size = sizeof h, .on_put = double_it};
    T_OK(gomap_set_hooks(m, &h));
    T_OK(typed_put(m, 1, 21));
    assert_int_equal(*typed_get(m, 1), 42);
    T_OK(typed_put(m, 1, 5));
    assert_int_equal(*typed_get(m, 1), 10);
    gomap_free(m);
}

/* ---- all maps ----------------------------------------------------------------------------------------------------- */

static void test_hooks_of_all_maps(void **st) {
    (void)st;
    struct book all, own;
    open_book(&all, t_flavour_named("u64"), 2000), open_book(&own, all.flavour, 100);
    gomap *before = t_new(NULL), *m, *copy;
    gomap_hooks h = all_of(&all), g = all_of(&own);
    T_OK(gomap_set_hooks(NULL, &h));
    t_put(before, 1, 1);
    assert_int_equal(all.puts, 1);
    T_OK(typed_new(&m));
    assert_int_equal(all.news, 1);
    assert_ptr_equal(all.last, m);
    T_OK(typed_put(m, 2, 2));
    assert_int_equal(all.puts, 2);
    T_OK(gomap_set_hooks(m, &g)); /* own ones take their place */
    T_OK(typed_put(m, 3, 3));
    assert_int_equal(all.puts, 2);
    assert_int_equal(own.puts, 1);
    T_OK(gomap_clone(m, &copy));
    assert_int_equal(all.news, 2);
    t_put(copy, 4, 4);
    assert_int_equal(all.puts, 3);
    assert_int_equal(own.puts, 1);
    T_OK(gomap_set_hooks(m, NULL)); /* those of all again */
    T_OK(typed_put(m, 5, 5));
    assert_int_equal(all.puts, 4);
    gomap_free(copy);
    assert_int_equal(all.frees, 1);
    T_OK(gomap_set_hooks(NULL, NULL));
    t_put(before, 6, 6);
    T_OK(typed_put(m, 6, 6));
    gomap_free(m);
    gomap_free(before);
    assert_int_equal(all.puts, 4);
    assert_int_equal(all.frees, 1);
    t_model_free(&all.entries);
    t_model_free(&own.entries);
}

/* A map that the registry hides can not be reached when the hooks of all go: it finds out by itself. */
static void test_maps_without_registry(void **st) {
    (void)st;
    struct book b;
    uint64_t no = 0, yes = 1;
    open_book(&b, t_flavour_named("u64"), 100);
    gomap_hooks h = all_of(&b);
    T_OK(gomap_ctl(NULL, "policy.registry", NULL, &no));
    T_OK(gomap_set_hooks(NULL, &h));
    gomap *m = t_new(NULL);
    t_put(m, 1, 1);
    assert_int_equal(b.puts, 1);
    T_OK(gomap_set_hooks(NULL, NULL));
    T_OK(gomap_ctl(NULL, "policy.registry", NULL, &yes));
    t_put(m, 2, 2);
    assert_true(gomap_delete(m, &(uint64_t){1}));
    assert_int_equal(b.puts, 1);
    assert_int_equal(b.deletes, 0);
    gomap_free(m);
    t_model_free(&b.entries);
}

/* ---- what a hook may do --------------------------------------------------------------------------------------------- */

static gomap *journal;
static void write_down(const gomap *m, const void *key, void *value, bool is_new, void *ctx) {
    uint64_t *calls = ctx;
    (void)m, (void)is_new;
    ++*calls;
    T_CHILD(gomap_put(journal, key, value) == GOMAP_OK); /* which calls no hook */
    free(malloc(100));
}

static void test_a_hook_may_keep_its_book_in_a_map(void **st) {
    (void)st;
    uint64_t calls = 0;
    journal = t_new(NULL);
    gomap *m = t_new(NULL);
    gomap_hooks h = {.size = sizeof h, .on_put = write_down, .ctx = &calls};
    T_OK(gomap_set_hooks(NULL, &h));
    t_fill(m, 0, 5000);
    T_OK(gomap_set_hooks(NULL, NULL));
    assert_int_equal(calls, 5000);
    assert_true(gomap_equal(m, journal, NULL, NULL));
    gomap_free(m);
    gomap_free(journal);
}

static void name_it(gomap *m, void *ctx) { *(gomap_err *)ctx = gomap_set_name(m, "named by a hook"); }

static void test_on_new_may_name_the_map(void **st) {
    (void)st;
    char text[100];
    gomap_err err = GOMAP_EINVAL;
    gomap_hooks h = {.size = sizeof h, .on_new = name_it, .ctx = &err};
    T_OK(gomap_set_hooks(NULL, &h));
    gomap *m = t_new(NULL);
    T_OK(gomap_set_hooks(NULL, NULL));
    T_OK(err);
    gomap_describe(m, text, sizeof text);
    assert_string_equal(text, "named by a hook");
    gomap_free(m);
}

enum deed { PUT, GET, DELETE, CLEAR, ITERATE, SET, FREE, WORK };
static enum deed deed;
static void misdeed(gomap *m) {
    uint64_t k = 1;
    gomap_iter it;
    switch (deed) {
    case PUT: (void)!gomap_put(m, &k, &k); break;
    case GET: gomap_get(m, &k); break;
    case DELETE: gomap_delete(m, &k); break;
    case CLEAR: gomap_clear(m, GOMAP_KEEP); break;
    case ITERATE: gomap_iter_init(&it, m); break;
    case SET: (void)!gomap_set_hooks(m, NULL); break;
    case FREE: gomap_free(m); break;
    case WORK: gomap_work(m, 0); break;
    }
}
static void bad_put(const gomap *m, const void *key, void *value, bool is_new, void *ctx) {
    (void)key, (void)value, (void)is_new, (void)ctx;
    misdeed((gomap *)(uintptr_t)m);
}
static void bad_delete(const gomap *m, const void *key, void *value, void *ctx) {
    (void)key, (void)value, (void)ctx;
    misdeed((gomap *)(uintptr_t)m);
}
static void bad_grow(const gomap *m, uint64_t from, uint64_t to, bool done, void *ctx) {
    (void)from, (void)to, (void)done, (void)ctx;
    misdeed((gomap *)(uintptr_t)m);
}
static void bad_clear(const gomap *m, uint64_t n, gomap_clear_how how, void *ctx) {
    (void)n, (void)how, (void)ctx;
    misdeed((gomap *)(uintptr_t)m);
}

static void misuse(void *arg) {
    gomap_hooks h = {.size = sizeof h};
    gomap_config c = t_config();
    c.name = "watched";
    gomap *m = t_new(&c);
    uint64_t k = 77;
    T_CHILD(!gomap_put(m, &k, &k));
    switch (*(int *)arg) {
    case 0: h.on_put = bad_put; break;
    case 1: h.on_delete = bad_delete; break;
    case 2: h.on_grow = bad_grow; break;
    default: h.on_clear = bad_clear; break;
    }
    T_CHILD(!gomap_set_hooks(m, &h));
    if (h.on_delete) gomap_delete(m, &k);
    if (h.on_clear) gomap_clear(m, GOMAP_KEEP);
    for (k = 100; (h.on_put || h.on_grow) && k < 200; k++) T_CHILD(!gomap_put(m, &k, &k));
}

/* Whatever a hook does to its own map, it is told so, by name. */
static void test_a_hook_that_uses_its_map(void **st) {
    (void)st;
    for (deed = PUT; deed <= WORK; deed++)
        for (int which = 0; which < 4; which++) T_FATAL(misuse, &which, "watched", "hook");
}

static uint64_t lines;
static void count_line(const char *line) {
    (void)line;
    lines++;
}

/* If the fatal hook returns, the misdeed did nothing and the map is whole. */
static void test_a_misdeed_that_is_forgiven(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    gomap_hooks h = {.size = sizeof h, .on_put = bad_put, .on_delete = bad_delete};
    t_fill(m, 0, 50);
    T_OK(gomap_set_hooks(m, &h));
    gomap_fatal_fn old = gomap_set_fatal(count_line);
    lines = 0;
    for (deed = PUT; deed <= WORK; deed++) {
        uint64_t k = 1000 + deed;
        assert_int_equal(gomap_put(m, &k, &k), GOMAP_OK);
        assert_true(gomap_delete(m, &k));
    }
    gomap_set_fatal(old);
    assert_int_equal(lines, 2 * (WORK + 1));
    assert_int_equal(gomap_len(m), 50);
    T_VERIFY(m);
    gomap_free(m);
}

static void set_all(gomap *m, void *ctx) {
    (void)m, (void)ctx;
    (void)!gomap_set_hooks(NULL, NULL);
}
static void all_within(void *arg) {
    gomap_hooks h = {.size = sizeof h, .on_new = set_all};
    (void)arg;
    T_CHILD(!gomap_set_hooks(NULL, &h));
    t_new(NULL);
}

static void test_hooks_of_all_within_a_hook(void **st) {
    (void)st;
    T_FATAL(all_within, NULL, "within a hook");
}

static void test_bad_arguments(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    gomap_hooks h = {.size = sizeof h - 1};
    assert_int_equal(gomap_set_hooks(m, &h), GOMAP_EINVAL);
    assert_int_equal(gomap_set_hooks(NULL, &h), GOMAP_EINVAL);
    T_OK(gomap_set_hooks(m, NULL)); /* there were none */
    gomap_free(m);
}

/* ---- classic maps ------------------------------------------------------------------------------------------------------- */

static struct t_model classic_book;
static uint64_t classic_calls, classic_wrong;

static void classic_assign(const gomap_classic *m, const void *key, void *elem, bool is_new, void *ctx) {
    uint64_t k = *(const uint64_t *)key, was = *(uint64_t *)elem;
    (void)m;
    classic_calls += ctx == &classic_book;
    if (is_new == classic_book.has[k] || was != (is_new ? 0 : t_mix(k))) classic_wrong++;
    t_model_put(&classic_book, k, t_mix(k));
}
static void classic_erase(const gomap_classic *m, const void *key, void *elem, void *ctx) {
    (void)m, (void)ctx;
    if (*(uint64_t *)elem != t_mix(*(const uint64_t *)key)) classic_wrong++;
    if (!t_model_del(&classic_book, *(const uint64_t *)key)) classic_wrong++;
}
static void classic_clear(const gomap_classic *m, size_t entries, void *ctx) {
    (void)m, (void)ctx;
    if (entries != classic_book.count) classic_wrong++;
    for (uint64_t k = 0; k < classic_book.universe; k++) t_model_del(&classic_book, k);
}

static void test_classic(void **st) {
    (void)st;
    enum { UNIVERSE = 600 };
    t_model_init(&classic_book, UNIVERSE);
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
    c.hooks.assign = classic_assign, c.hooks.erase = classic_erase, c.hooks.clear = classic_clear,
    c.hooks.ctx = &classic_book;
    gomap_classic *m, *copy;
    T_OK(gomap_classic_new(&c, &m));
    for (int i = 0; i < 20000; i++) {
        uint64_t k = t_below(UNIVERSE), v = t_mix(k);
        if (t_below(3))
            T_OK(gomap_classic_put(m, &k, &v));
        else
            gomap_classic_delete(m, &k);
        if (!t_below(4000)) gomap_classic_clear(m);
        assert_int_equal(gomap_classic_len(m), classic_book.count);
    }
    for (uint64_t k = 0; k < UNIVERSE; k++) {
        const uint64_t *v = gomap_classic_get(m, &k);
        assert_int_equal(v != NULL, classic_book.has[k]);
    }
    uint64_t calls = classic_calls;
    T_OK(gomap_classic_clone(m, &copy)); /* which has none */
    assert_int_equal(classic_calls, calls);
    assert_true(calls > 10000);
    assert_int_equal(classic_wrong, 0);
    gomap_classic_free(copy);
    gomap_classic_free(m);
    t_model_free(&classic_book);
}

/* ---- no memory ------------------------------------------------------------------------------------------------------------ */

/* Every allocation of every put fails once: a put that fails calls no on_put, and the book still reads as the map does. */
static void test_a_failing_put_calls_nothing(void **st) {
    (void)st;
    enum { N = 900 };
    struct t_alloc alloc;
    struct book b;
    uint64_t failed = 0;
    t_alloc_init(&alloc);
    open_book(&b, t_flavour_named("own-alloc-string"), N);
    gomap *m = t_flavour_new(b.flavour, &alloc);
    gomap_hooks h = all_of(&b);
    t_alloc_arm(&alloc, 1, true);
    assert_int_equal(gomap_set_hooks(m, &h), GOMAP_ENOMEM);
    t_alloc_arm(&alloc, 0, false);
    T_OK(gomap_set_hooks(m, &h));
    for (uint64_t k = 0; k < N; k++) {
        for (uint64_t at = 1;; at++) {
            uint64_t puts = b.puts;
            t_alloc_arm(&alloc, at, false);
            gomap_err err = tf_put(m, b.flavour, k, k);
            bool fired = alloc.failed;
            t_alloc_arm(&alloc, 0, false);
            assert_int_equal(b.puts, puts + (err == GOMAP_OK));
            if (err) failed++;
            if (!fired) break;
            same_as_book(m, &b);
        }
    }
    assert_true(failed > 10 && b.ooms > 0);
    same_as_book(m, &b);
    T_VERIFY(m);
    gomap_free(m);
    t_alloc_check_empty(&alloc);
    t_model_free(&b.entries);
}

/* ---- threads -------------------------------------------------------------------------------------------------------------- */

enum { THREADS = 4, EACH = 3000 };
static _Atomic uint64_t heard;
static void count_put(const gomap *m, const void *key, void *value, bool is_new, void *ctx) {
    (void)m, (void)key, (void)value, (void)is_new, (void)ctx;
    heard++;
}
static void *fill_own(void *arg) {
    gomap *m;
    (void)arg;
    T_CHILD(typed_new(&m) == GOMAP_OK);
    for (uint64_t k = 0; k < EACH; k++) T_CHILD(typed_put(m, k, k) == GOMAP_OK);
    gomap_free(m);
    return NULL;
}
static void *read_shared(void *arg) {
    for (uint64_t k = 0; k < EACH; k++) T_CHILD(gomap_get(arg, &k) && typed_get(arg, k));
    return NULL;
}

/* Hooks run in the threads that write, each in its own; readers of a map with hooks need no more than of any other. */
static void test_threads(void **st) {
    (void)st;
    pthread_t thread[THREADS];
    gomap_hooks h = {.size = sizeof h, .on_put = count_put};
    heard = 0;
    T_OK(gomap_set_hooks(NULL, &h));
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&thread[i], NULL, fill_own, NULL), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    assert_int_equal(heard, THREADS * EACH);
    gomap *m;
    T_OK(typed_new(&m));
    t_fill(m, 0, EACH);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&thread[i], NULL, read_shared, m), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    T_OK(gomap_set_hooks(NULL, NULL));
    gomap_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_book_reads_as_the_map_does),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_hooks_change_nothing),
        cmocka_unit_test(test_inlined_writes_call_hooks),
        cmocka_unit_test(test_a_hook_may_change_the_value),
        cmocka_unit_test(test_hooks_of_all_maps),
        cmocka_unit_test(test_maps_without_registry),
        cmocka_unit_test(test_a_hook_may_keep_its_book_in_a_map),
        cmocka_unit_test(test_on_new_may_name_the_map),
        cmocka_unit_test(test_a_hook_that_uses_its_map),
        cmocka_unit_test(test_a_misdeed_that_is_forgiven),
        cmocka_unit_test(test_hooks_of_all_within_a_hook),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_classic),
        cmocka_unit_test(test_a_failing_put_calls_nothing),
        cmocka_unit_test(test_threads),
    };
    return t_run("hooks", tests, sizeof tests / sizeof *tests);
}
