/* test_classic.c - the classic map by its public header: Go's constants, thresholds, tophash life cycle,
 * paths, and what a program sees.  That every slot lies where Go puts it is shown by
 * tests/model/test_oracle.c. */
#include "../support.h"

#include "gomap/classic.h"

#include <math.h>
#include <stdio.h>

/* ---- a map whose buckets the test chooses: key = bucket | number << 8, top byte = number + 5 ------------- */

static uint64_t chosen_hash(const void *key, uint32_t seed, void *ctx) {
    uint64_t k;
    (void)seed, (void)ctx;
    memcpy(&k, key, sizeof k);
    return (k & 0xff) | ((k >> 8) + 5) << 56;
}
static uint64_t key_in(uint64_t bucket, uint64_t number) { return bucket | number << 8; }

static gomap_classic_config config(void) { return GOMAP_CLASSIC_CONFIG(sizeof(uint64_t), sizeof(uint64_t)); }

static gomap_classic *make(const gomap_classic_config *c) {
    gomap_classic *m;
    T_OK(gomap_classic_new(c, &m));
    return m;
}

static gomap_classic *chosen(int64_t hint) {
    gomap_classic_config c = config();
    c.hash = chosen_hash;
    c.hint = hint;
    return make(&c);
}

static void put(gomap_classic *m, uint64_t k, uint64_t v) { T_OK(gomap_classic_put(m, &k, &v)); }
static bool del(gomap_classic *m, uint64_t k) { return gomap_classic_delete(m, &k); }
static uint64_t *get(const gomap_classic *m, uint64_t k) { return gomap_classic_get(m, &k); }

static gomap_classic_stats stats(const gomap_classic *m) {
    gomap_classic_stats s = {.size = sizeof s};
    T_OK(gomap_classic_get_stats(m, &s));
    return s;
}

static void verify(const gomap_classic *m) {
    char why[200];
    if (gomap_classic_verify(m, why, sizeof why)) fail_msg("%s", why);
}

static const struct gomap_hmap *header(const gomap_classic *m) {
    return &((const struct gomap_classic *)(const void *)m)->h;
}

/* ---- Go's figures
 * ------------------------------------------------------------------------------------------ */

static void test_bucket_sizes_are_gos(void **st) {
    static const struct {
        size_t key, elem, bytes;
    } is[] = {{8, 8, 144}, {8, 0, 80},    {16, 8, 208}, {1, 1, 32},       {16, 16, 272},   {16, 1, 152},
              {8, 1, 88},  {8, 200, 144}, {4, 8, 112},  {128, 128, 2064}, {129, 128, 1104}};
    (void)st;
    if (sizeof(void *) != 8) return;
    for (size_t i = 0; i < sizeof is / sizeof *is; i++)
        assert_int_equal(gomap_classic_bucket_bytes(is[i].key, is[i].elem), is[i].bytes);
}

/* Buckets with the pool, from B = 4 on: what Go's allocator hands out, measured on Go. */
static void test_arrays_are_as_large_as_gos(void **st) {
    static const struct {
        size_t bucket;
        bool pointers;
        unsigned buckets[9];
    } is[] = {{88, false, {17, 34, 69, 139, 279, 558, 1117, 2234, 4375}},
              {144, false, {18, 37, 71, 142, 284, 568, 1137, 2218, 4380}},
              {208, true, {19, 39, 68, 137, 275, 551, 1102, 2205, 4371}},
              {272, true, {17, 34, 70, 150, 301, 572, 1114, 2198, 4367}}};
    (void)st;
    for (size_t i = 0; i < sizeof is / sizeof *is; i++)
        for (unsigned b = 4; b <= 12; b++)
            assert_int_equal(gomap_classic_array_buckets(b, is[i].bucket, is[i].pointers),
                             is[i].buckets[b - 4]);
    for (unsigned b = 0; b < 4; b++) assert_int_equal(gomap_classic_array_buckets(b, 144, false), 1u << b);
    /* 34 buckets of 192 bytes fill a size class; with pointers Go's header of 8 bytes asks for the next. */
    assert_int_equal(gomap_classic_array_buckets(5, 192, false), 34);
    assert_int_equal(gomap_classic_array_buckets(5, 192, true), 35);
}

static void test_hints_give_gos_b(void **st) {
    static const int hint[][2] = {{0, 0},  {8, 0},  {9, 1},   {13, 1},  {14, 2},   {26, 2},      {27, 3},
                                  {52, 3}, {53, 4}, {104, 4}, {105, 5}, {1000, 8}, {100000, 14}, {-1, 0}};
    (void)st;
    for (size_t i = 0; i < sizeof hint / sizeof *hint; i++) {
        gomap_classic *m = chosen(hint[i][0]);
        assert_int_equal(stats(m).B, hint[i][1]);
        assert_int_equal(header(m)->buckets != NULL, hint[i][1] > 0); /* small: made by the first insert */
        gomap_classic_free(m);
    }
    gomap_classic_config c = config();
    c.hint = INT64_MAX; /* absurd: as if it were not there */
    gomap_classic *m = make(&c);
    assert_int_equal(stats(m).B, 0);
    gomap_classic_free(m);
}

static void test_doubling_starts_at_gos_thresholds(void **st) {
    static const uint64_t at[] = {9, 14, 27, 53, 105, 209, 417, 833, 1665};
    gomap_classic_config c = config();
    gomap_classic *m = make(&c);
    unsigned b = 0;
    (void)st;
    for (uint64_t n = 1; n <= 1700; n++) {
        put(m, n, n);
        if (stats(m).B == b) continue;
        assert_int_equal(n, at[b]);
        assert_int_equal(gomap_classic_grow_at(b), at[b]);
        b++;
    }
    assert_int_equal(b, 9);
    verify(m);
    gomap_classic_free(m);
}

/* ---- tophash
 * ----------------------------------------------------------------------------------------------- */

static void check_tops(const gomap_classic *m, const uint8_t want[8]) {
    assert_memory_equal(header(m)->buckets, want, 8);
}

static void test_life_of_a_tophash_byte(void **st) {
    gomap_classic *m = chosen(0);
    (void)st;
    for (uint64_t n = 0; n < 8; n++) put(m, key_in(0, n), n);
    check_tops(m, (const uint8_t[]){5, 6, 7, 8, 9, 10, 11, 12});
    assert_true(del(m, key_in(0, 3)));
    check_tops(m, (const uint8_t[]){5, 6, 7, 1, 9, 10, 11, 12});
    put(m, key_in(0, 20), 20); /* the hole is taken first */
    check_tops(m, (const uint8_t[]){5, 6, 7, 25, 9, 10, 11, 12});
    assert_true(del(m, key_in(0, 7)));
    assert_true(del(m, key_in(0, 5)));
    check_tops(m, (const uint8_t[]){5, 6, 7, 25, 9, 1, 11, 0});
    assert_true(del(m, key_in(0, 6))); /* the run back to 5 collapses */
    check_tops(m, (const uint8_t[]){5, 6, 7, 25, 9, 0, 0, 0});
    for (uint64_t n = 0; n < 5; n++) assert_true(del(m, n == 3 ? key_in(0, 20) : key_in(0, n)));
    check_tops(m, (const uint8_t[]){0, 0, 0, 0, 0, 0, 0, 0});
    assert_int_equal(stats(m).reseeds, 1);
    gomap_classic_free(m);
}

/* Across bucket borders: in a chain of three, deleting from the front leaves marks; the last delete clears
 * them all. */
static void test_empty_rest_spreads_over_a_chain(void **st) {
    gomap_classic *m = chosen(60);
    (void)st;
    for (uint64_t n = 0; n < 24; n++) put(m, key_in(3, n), n);
    assert_int_equal(stats(m).noverflow, 2);
    for (uint64_t n = 1; n < 23; n++) assert_true(del(m, key_in(3, n)));
    const uint8_t *head = header(m)->buckets + 3 * gomap_classic_bucket_bytes(8, 8), *b = head;
    assert_memory_equal(b, ((const uint8_t[]){5, 1, 1, 1, 1, 1, 1, 1}), 8);
    assert_true(del(m, key_in(3, 23)));
    for (int i = 0; i < 3; i++) {
        assert_memory_equal(b, ((const uint8_t[]){i == 0 ? 5 : 0, 0, 0, 0, 0, 0, 0, 0}), 8);
        memcpy(&b, b + 136, sizeof b);
    }
    verify(m);
    gomap_classic_free(m);
}

static void test_deleted_bytes_stay_or_go_as_in_go(void **st) {
    gomap_classic_config c = config();
    uint64_t in_slot;
    (void)st;
    for (int pointers = 0; pointers < 2; pointers++) {
        c.flags = pointers ? GOMAP_CLASSIC_KEY_POINTERS : 0;
        gomap_classic *m = make(&c);
        put(m, 77, 88);
        assert_true(del(m, 77));
        memcpy(&in_slot, header(m)->buckets + 8, 8);
        assert_int_equal(in_slot, pointers ? 0 : 77);
        memcpy(&in_slot, header(m)->buckets + 72, 8);
        assert_int_equal(in_slot, 0); /* elems always: an assign relies on it */
        uint64_t k = 99;
        void *slot;
        bool is_new;
        T_OK(gomap_classic_assign(m, &k, &slot, &is_new));
        assert_true(is_new);
        assert_int_equal(*(uint64_t *)slot, 0);
        gomap_classic_free(m);
    }
}

/* ---- growth
 * ------------------------------------------------------------------------------------------------ */

struct log {
    unsigned starts, dones, evacuations, most_in_one_write, in_this_write;
    size_t stores[4], moved;
};
static void on_start(const gomap_classic *m, unsigned before, unsigned after, size_t bytes, void *ctx) {
    struct log *l = ctx;
    l->starts++;
    assert_true(after == before || after == before + 1);
    assert_true(bytes >= gomap_classic_bucket_bytes(8, 8) << after);
    assert_non_null(m);
}
static void on_done(const gomap_classic *m, unsigned b, void *ctx) {
    assert_int_equal(b, header(m)->B);
    ((struct log *)ctx)->dones++;
}
static void on_evacuate(const gomap_classic *m, size_t old, size_t entries, size_t upper, void *ctx) {
    struct log *l = ctx;
    (void)m, (void)old;
    assert_true(upper <= entries);
    assert_int_equal(l->starts, l->dones + 1); /* between a growth's start and its end */
    l->evacuations++, l->moved += entries;
    if (++l->in_this_write > l->most_in_one_write) l->most_in_one_write = l->in_this_write;
}
static void on_store(const gomap_classic *m, int what, size_t n, void *ctx) {
    (void)m;
    ((struct log *)ctx)->stores[what] += n;
}

static void test_a_write_evacuates_two_buckets_at_most(void **st) {
    struct log l = {0};
    gomap_classic_config c = config();
    c.hooks = (gomap_classic_hooks){on_start, on_done, on_evacuate, on_store, &l};
    gomap_classic *m = make(&c);
    (void)st;
    for (uint64_t n = 0; n < 20000; n++) {
        l.in_this_write = 0;
        put(m, n, n);
    }
    gomap_classic_stats s = stats(m);
    assert_int_equal(l.most_in_one_write, 2);
    assert_int_equal(l.starts, s.grows);
    assert_int_equal(s.grows, 12); /* to B = 12: 26624 entries */
    assert_int_equal(l.dones, s.growing ? l.starts - 1 : l.starts);
    assert_int_equal(l.evacuations, s.evacuated);
    assert_int_equal(l.moved, s.moved);
    assert_int_equal(l.stores[GOMAP_CLASSIC_STORE_KEY] + l.stores[GOMAP_CLASSIC_STORE_ELEM],
                     0); /* no pointers in them */
    assert_true(l.stores[GOMAP_CLASSIC_STORE_BUCKETS] >= 2 * s.grows);
    assert_true(l.stores[GOMAP_CLASSIC_STORE_OVERFLOW] >= s.overflows);
    for (uint64_t n = 0; n < 20000; n++) assert_int_equal(*get(m, n), n);
    verify(m);
    gomap_classic_free(m);
}

/* Write barriers: one store per key and elem with pointers that is put, and one each when it is evacuated. */
static void test_pointer_stores_are_counted(void **st) {
    struct log l = {0};
    gomap_classic_config c = config();
    c.flags = GOMAP_CLASSIC_KEY_POINTERS | GOMAP_CLASSIC_ELEM_POINTERS;
    c.hooks = (gomap_classic_hooks){.pointer_store = on_store, .ctx = &l};
    gomap_classic *m = make(&c);
    (void)st;
    for (uint64_t n = 0; n < 1000; n++) put(m, n, n);
    gomap_classic_stats s = stats(m);
    assert_int_equal(l.stores[GOMAP_CLASSIC_STORE_KEY], 1000 + s.moved);
    assert_int_equal(l.stores[GOMAP_CLASSIC_STORE_ELEM], s.moved); /* of a put the caller stores the elem */
    gomap_classic_free(m);
}

static void test_reads_migrate_nothing(void **st) {
    gomap_classic_config c = config();
    gomap_classic *m = make(&c);
    uint64_t n = 0;
    (void)st;
    while (n < 1000 || !stats(m).growing) n++, put(m, n, n);
    gomap_classic_stats before = stats(m);
    for (uint64_t k = 1; k <= n; k++) assert_int_equal(*get(m, k), k);
    gomap_classic_iter it;
    uint64_t seen = 0;
    for (gomap_classic_iter_init(&it, m); gomap_classic_iter_next(&it);) seen++;
    assert_int_equal(seen, n);
    assert_int_equal(stats(m).nevacuate, before.nevacuate);
    assert_int_equal(stats(m).old_evacuated, before.old_evacuated);
    gomap_classic_free(m);
}

static void test_same_size_growth_packs_chains(void **st) {
    gomap_classic *m = chosen(100); /* 16 buckets */
    (void)st;
    for (uint64_t b = 0; b < 8; b++) { /* 16 overflow buckets */
        uint64_t keys = b < 7 ? 24 : 17;
        for (uint64_t n = 0; n < keys; n++) put(m, key_in(b, n), n);
        for (uint64_t n = 1; n < keys; n++) assert_true(del(m, key_in(b, n)));
    }
    assert_int_equal(stats(m).noverflow, 16);
    assert_false(stats(m).growing);
    put(m, key_in(9, 0), 0); /* a new key finds too many of them */
    assert_int_equal(stats(m).B, 4);
    assert_true(stats(m).same_size);
    while (stats(m).growing) del(m, key_in(15, 200)); /* a delete that finds nothing evacuates too */
    assert_int_equal(stats(m).overflow + stats(m).pool_used, stats(m).noverflow);
    uint64_t chain[4];
    gomap_classic_chains(m, chain, 4);
    assert_true(chain[0] >= 15);
    verify(m);
    gomap_classic_free(m);
}

/* ---- paths
 * ------------------------------------------------------------------------------------------------- */

static void test_paths_are_chosen_as_by_gos_compiler(void **st) {
    static const struct {
        size_t key, elem;
        gomap_classic_keys keys;
        unsigned flags, path;
    } is[] = {{4, 8, 0, 0, GOMAP_CLASSIC_PATH_FAST32},
              {8, 8, 0, 0, GOMAP_CLASSIC_PATH_FAST64},
              {8, 128, 0, 0, GOMAP_CLASSIC_PATH_FAST64},
              {8, 129, 0, 0, GOMAP_CLASSIC_PATH_GENERIC},
              {8, 8, 0, GOMAP_CLASSIC_KEY_POINTERS, GOMAP_CLASSIC_PATH_FAST64},
              {8, 8, 0, GOMAP_CLASSIC_GENERIC_PATH, GOMAP_CLASSIC_PATH_GENERIC},
              {2, 8, 0, 0, GOMAP_CLASSIC_PATH_GENERIC},
              {8, 8, GOMAP_CLASSIC_FLOAT, 0, GOMAP_CLASSIC_PATH_GENERIC},
              {0, 8, GOMAP_CLASSIC_STRING, 0, GOMAP_CLASSIC_PATH_FASTSTR},
              {0, 200, GOMAP_CLASSIC_STRING, 0, GOMAP_CLASSIC_PATH_GENERIC}};
    (void)st;
    for (size_t i = 0; i < sizeof is / sizeof *is; i++) {
        gomap_classic_config c = GOMAP_CLASSIC_CONFIG(is[i].key, is[i].elem);
        c.keys = is[i].keys, c.flags = is[i].flags;
        gomap_classic *m = make(&c);
        assert_int_equal(stats(m).path, is[i].path);
        gomap_classic_free(m);
    }
}

static unsigned hashed;
static uint64_t counting_hash(const void *key, uint32_t seed, void *ctx) {
    hashed++;
    return chosen_hash(key, seed, ctx);
}

static void test_fast_lookups_do_not_hash_in_one_bucket(void **st) {
    gomap_classic_config c = config();
    (void)st;
    for (int generic = 0; generic < 2; generic++) {
        c.hash = counting_hash;
        c.flags = generic ? GOMAP_CLASSIC_GENERIC_PATH : 0;
        gomap_classic *m = make(&c);
        for (uint64_t n = 0; n < 8; n++) put(m, key_in(0, n), n);
        hashed = 0;
        for (uint64_t n = 0; n < 8; n++) assert_int_equal(*get(m, key_in(0, n)), n);
        assert_int_equal(hashed, generic ? 8 : 0);
        assert_null(get(m, key_in(0, 99)));
        if (!generic) assert_int_equal(*(uint64_t *)gomap_classic_get64(m, key_in(0, 7)), 7);
        gomap_classic_free(m);
    }
    gomap_classic_config c4 = GOMAP_CLASSIC_CONFIG(4, 4);
    gomap_classic *m = make(&c4);
    uint32_t k = 5, v = 6;
    T_OK(gomap_classic_put(m, &k, &v));
    assert_int_equal(*(uint32_t *)gomap_classic_get32(m, 5), 6);
    assert_null(gomap_classic_get32(m, 7));
    gomap_classic_free(m);
}

/* Long strings in one bucket: told apart by length, ends, and, when two look alike, by hash. */
static void test_strings_of_all_lengths(void **st) {
    static char text[64][80];
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG_STRING(8);
    (void)st;
    for (size_t maps = 0; maps < 2; maps++) { /* one bucket, and many */
        gomap_classic *m = make(&c);
        size_t n = maps ? 64 : 8;
        for (uint64_t i = 0; i < n; i++) {
            size_t len = maps ? i : i < 2 ? i : 60;
            memset(text[i], 'a', sizeof text[i]);
            if (len == 60) text[i][30] = (char)('A' + i); /* same ends */
            if (i == 7) text[i][59] = 'z';
            gomap_str s = {text[i], len};
            T_OK(gomap_classic_put(m, &s, &i));
        }
        assert_int_equal(gomap_classic_len(m), n);
        for (uint64_t i = 0; i < n; i++) {
            char copy[80]; /* another address */
            size_t len = maps ? i : i < 2 ? i : 60;
            memcpy(copy, text[i], sizeof copy);
            uint64_t *v = gomap_classic_get_str(m, copy, len);
            assert_non_null(v);
            assert_int_equal(*v, i);
            v = gomap_classic_get_str(m, text[i], len);
            assert_int_equal(*v, i);
        }
        assert_null(gomap_classic_get_str(m, "not there at all, and longer than thirty-two bytes", 50));
        gomap_classic_free(m);
    }
}

/* Overwriting replaces the stored pointer of a string (its old bytes may go), and -0 replaces +0. */
static void test_keys_are_updated(void **st) {
    char a[] = "key", b[] = "key";
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG_STRING(8);
    gomap_classic *m = make(&c);
    gomap_str ka = {a, 3}, kb = {b, 3};
    const void *stored;
    void *elem;
    (void)st;
    T_OK(gomap_classic_put(m, &ka, NULL));
    T_OK(gomap_classic_put(m, &kb, NULL));
    assert_true(gomap_classic_find(m, &ka, &stored, &elem));
    assert_ptr_equal(((const gomap_str *)stored)->ptr, b);
    gomap_classic_free(m);
    gomap_classic_config f = GOMAP_CLASSIC_CONFIG(8, 8);
    f.keys = GOMAP_CLASSIC_FLOAT;
    m = make(&f);
    double plus = 0.0, minus = -0.0;
    T_OK(gomap_classic_put(m, &plus, NULL));
    T_OK(gomap_classic_put(m, &minus, NULL));
    assert_int_equal(gomap_classic_len(m), 1);
    assert_true(gomap_classic_find(m, &plus, &stored, &elem));
    assert_true(signbit(*(const double *)stored));
    gomap_classic_free(m);
}

static void test_nans(void **st) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
    double nan = (double)NAN;
    (void)st;
    c.keys = GOMAP_CLASSIC_FLOAT;
    gomap_classic *m = make(&c);
    for (int i = 0; i < 500; i++) T_OK(gomap_classic_put(m, &nan, NULL));
    assert_int_equal(gomap_classic_len(m), 500);
    assert_null(gomap_classic_get(m, &nan));
    assert_false(gomap_classic_delete(m, &nan));
    verify(m);
    double *all = malloc(500 * sizeof *all);
    assert_int_equal(gomap_classic_keys_of(m, all, 500), 500);
    free(all);
    gomap_classic_clear(m);
    assert_int_equal(gomap_classic_len(m), 0);
    gomap_classic_free(m);
}

/* ---- whole maps
 * -------------------------------------------------------------------------------------------- */

static void test_clear_keeps_the_array(void **st) {
    gomap_classic_config c = config();
    c.hint = 100000;
    gomap_classic *m = make(&c);
    (void)st;
    for (uint64_t n = 0; n < 1000; n++) put(m, n, n);
    const uint8_t *array = header(m)->buckets;
    uint64_t bytes = stats(m).bytes;
    gomap_classic_clear(m);
    assert_int_equal(gomap_classic_len(m), 0);
    assert_ptr_equal(header(m)->buckets, array);
    assert_int_equal(stats(m).bytes, bytes);
    assert_int_equal(stats(m).pool_used, 0);
    for (uint64_t n = 0; n < 1000; n++) assert_null(get(m, n));
    put(m, 5, 6);
    assert_int_equal(*get(m, 5), 6);
    verify(m);
    gomap_classic_free(m);
}

static void test_clear_of_an_empty_map_leaves_its_chains(void **st) {
    gomap_classic *m = chosen(60);
    (void)st;
    for (uint64_t n = 0; n < 20; n++) put(m, key_in(0, n), n);
    for (uint64_t n = 0; n < 20; n++) assert_true(del(m, key_in(0, n)));
    gomap_classic_clear(m);
    assert_int_equal(stats(m).noverflow, 2);
    assert_int_equal(stats(m).clears, 0);
    gomap_classic_free(m);
}

static void test_clone_in_every_state(void **st) {
    gomap_classic_config c = config();
    c.elem_size = 200;
    gomap_classic *m = make(&c), *copy;
    uint8_t elem[200];
    (void)st;
    for (uint64_t n = 0; n < 400; n++) {
        memset(elem, (int)n, sizeof elem);
        T_OK(gomap_classic_put(m, &n, elem));
        T_OK(gomap_classic_clone(m, &copy));
        assert_int_equal(gomap_classic_len(copy), n + 1);
        assert_int_equal(header(copy)->hash0, header(m)->hash0);
        assert_true(stats(copy).B <= stats(m).B);
        verify(copy);
        memset(gomap_classic_get(copy, &n), 0xff, sizeof elem); /* a cell of its own */
        assert_memory_equal(gomap_classic_get(m, &n), elem, sizeof elem);
        gomap_classic_free(copy);
    }
    gomap_classic_free(m);
}

/* Go copies a map of one bucket as it lies, holes too; so does this, though each map has cells of its own. */
static void test_clone_of_one_bucket_keeps_its_holes(void **st) {
    gomap_classic_config c = config();
    uint8_t key[200] = {0};
    (void)st;
    for (c.key_size = 8; c.key_size <= 200; c.key_size += 192) {
        gomap_classic *m = make(&c), *copy;
        for (uint64_t n = 0; n < 6; n++) {
            key[0] = (uint8_t)n;
            T_OK(gomap_classic_put(m, key, &n));
        }
        for (key[0] = 1; key[0] < 4; key[0]++) assert_true(gomap_classic_delete(m, key));
        T_OK(gomap_classic_clone(m, &copy));
        assert_memory_equal(header(copy)->buckets, header(m)->buckets, 8);
        gomap_classic_free(m);
        key[0] = 5;
        assert_int_equal(*(uint64_t *)gomap_classic_get(copy, key), 5);
        verify(copy);
        gomap_classic_free(copy);
    }
}

/* While a growth to the same size runs there may be more entries than the load allows: the clone's array must
 * not be larger for it. */
static void test_clone_of_an_overloaded_map(void **st) {
    gomap_classic *m = chosen(100), *copy; /* 16 buckets, 104 entries */
    (void)st;
    for (uint64_t b = 0; b < 8; b++) { /* 15 overflow buckets, and no entries */
        for (uint64_t k = 0; k < (b ? 24 : 16); k++) put(m, key_in(b, k), k);
        for (uint64_t k = 0; k < (b ? 24 : 16); k++) assert_true(del(m, key_in(b, k)));
    }
    for (uint64_t n = 0; n < 100; n++) put(m, key_in(n % 16, 30 + n), n);
    for (uint64_t n = 0; n < 3; n++) put(m, key_in(15, 200 + n), n);
    assert_int_equal(stats(m).noverflow, 16);
    for (uint64_t n = 0; n < 6; n++) put(m, key_in(14, 220 + n), n);
    assert_true(stats(m).growing && stats(m).same_size);
    assert_int_equal(gomap_classic_len(m), 109);
    T_OK(gomap_classic_clone(m, &copy));
    assert_int_equal(stats(copy).B, 4);
    assert_int_equal(gomap_classic_len(copy), 109);
    verify(copy);
    verify(m);
    gomap_classic_free(copy);
    gomap_classic_free(m);
}

/* A growth that gets no memory is put off: entries go to overflow buckets, even of a map of one bucket. */
static void *small_only(size_t size, size_t align, void *ctx) {
    void *p = NULL;
    return size > *(size_t *)ctx || posix_memalign(&p, align < sizeof p ? sizeof p : align, size) ? NULL : p;
}
static void free_any(void *p, size_t size, size_t align, void *ctx) {
    (void)size, (void)align, (void)ctx;
    free(p);
}

static void test_growth_without_memory_waits(void **st) {
    size_t most = SIZE_MAX;
    gomap_alloc alloc = {small_only, free_any, &most};
    gomap_classic_config c = config();
    c.alloc = &alloc;
    gomap_classic *m = make(&c), *copy;
    (void)st;
    put(m, 0, 0);
    most = 300; /* room for an overflow bucket, not for two buckets */
    for (uint64_t n = 1; n < 30; n++) put(m, n, n);
    assert_int_equal(stats(m).B, 0);
    assert_true(stats(m).grow_failed > 0);
    assert_int_equal(stats(m).overflow, 3);
    most = SIZE_MAX;
    T_OK(gomap_classic_clone(m, &copy));
    verify(m);
    verify(copy);
    assert_int_equal(gomap_classic_len(copy), 30);
    put(m, 100, 100); /* now it grows */
    assert_int_equal(stats(m).grows, 1);
    for (uint64_t n = 0; n < 30; n++) assert_int_equal(*get(copy, n), *get(m, n));
    gomap_classic_free(copy);
    gomap_classic_free(m);
}

static uint64_t from_counter(void *ctx) { return ++*(uint64_t *)ctx; }

static void test_random_words_come_from_the_hook(void **st) {
    uint64_t counter = 41;
    gomap_classic_config c = config();
    c.random = from_counter;
    c.ctx = &counter;
    gomap_classic *m = make(&c);
    (void)st;
    assert_int_equal(header(m)->hash0, 42);
    put(m, 1, 1);
    assert_true(del(m, 1));
    assert_int_equal(header(m)->hash0, 43); /* became empty */
    for (uint64_t n = 0; n < 8; n++) put(m, n, n);
    gomap_classic_iter it;
    gomap_classic_iter_init(&it, m);
    assert_int_equal(it.offset, 44 & 7);
    gomap_classic_iter_end(&it);
    gomap_classic_clear(m);
    assert_int_equal(header(m)->hash0, 45);
    gomap_classic_free(m);
}

static void test_bad_configs_are_refused(void **st) {
    gomap_classic *m = NULL;
    gomap_classic_config good = config();
    (void)st;
    for (int i = 0; i < 8; i++) {
        gomap_classic_config c = good;
        if (i == 0) c.size--;
        if (i == 1) c.key_size = 70000;
        if (i == 2) c.elem_align = 3;
        if (i == 3) c.key_align = 16;
        if (i == 4) c.keys = GOMAP_CLASSIC_CUSTOM, c.hash = chosen_hash; /* no eq */
        if (i == 5) c.keys = GOMAP_CLASSIC_FLOAT, c.key_size = 2;
        if (i == 6) c.flags = 1 << 20;
        if (i == 7) c.keys = (gomap_classic_keys)9;
        assert_int_equal(gomap_classic_new(&c, &m), GOMAP_EINVAL);
        assert_null(m);
    }
    assert_int_equal(gomap_classic_new(&good, NULL), GOMAP_EINVAL);
    gomap_classic_stats s = {.size = 1};
    assert_int_equal(gomap_classic_get_stats(NULL, &s), GOMAP_EINVAL);
}

static void test_a_null_map_reads_as_empty(void **st) {
    gomap_classic_iter it;
    uint64_t k = 1;
    char text[32];
    (void)st;
    assert_int_equal(gomap_classic_len(NULL), 0);
    assert_null(gomap_classic_get(NULL, &k));
    assert_null(gomap_classic_get64(NULL, k));
    assert_false(gomap_classic_delete(NULL, &k));
    gomap_classic_clear(NULL);
    gomap_classic_iter_init(&it, NULL);
    assert_false(gomap_classic_iter_next(&it));
    gomap_classic_iter_end(&it);
    assert_int_equal(gomap_classic_keys_of(NULL, &k, 1), 0);
    assert_int_equal(gomap_classic_verify(NULL, NULL, 0), 0);
    assert_true(gomap_classic_describe(NULL, text, sizeof text) > 0);
    gomap_classic_free(NULL);
}

/* The elem of one key as the new elem of another, while both move. */
static void test_arguments_may_point_into_the_map(void **st) {
    gomap_classic_config c = config();
    c.key_size = 24;
    gomap_classic *m = make(&c);
    uint64_t key[3] = {0, 1, 2};
    (void)st;
    T_OK(gomap_classic_put(m, key, &key[1]));
    for (uint64_t n = 1; n < 3000; n++) {
        const void *stored;
        void *elem;
        uint64_t last[3] = {n - 1, 1, 2}, next[3] = {n, 1, 2};
        assert_true(gomap_classic_find(m, last, &stored, &elem));
        T_OK(gomap_classic_put(m, stored, elem));
        T_OK(gomap_classic_put(m, next, gomap_classic_get(m, last)));
        assert_int_equal(*(uint64_t *)gomap_classic_get(m, next), 1);
    }
    verify(m);
    gomap_classic_free(m);
}

static void test_names_and_registry(void **st) {
    gomap_classic_config c = config();
    char text[64];
    c.key_type = "int", c.elem_type = "long";
    c.name = "first";
    gomap_classic *m = make(&c);
    const struct gomap_classic *raw = (const struct gomap_classic *)(const void *)m;
    (void)st;
    assert_int_equal(raw->cookie, GOMAP_COOKIE_CLASSIC);
    assert_string_equal(raw->name, "first");
    assert_string_equal(raw->desc->key_name, "int");
    T_OK(gomap_classic_set_name(m, "second"));
    gomap_classic_describe(m, text, sizeof text);
    assert_string_equal(text, "second");
    T_OK(gomap_classic_set_name(m, NULL));
    gomap_classic_describe(m, text, sizeof text);
    assert_non_null(strstr(text, "int->long@"));
    assert_false(gomap_work(NULL, 1000)); /* gomap's own work passes over it */
    gomap_classic_free(m);
}

static bool count_buckets(const gomap_classic_bucket *b, void *ctx) {
    uint64_t *n = ctx;
    n[0]++;
    for (int i = 0; i < 8; i++) n[1] += b->tophash[i] >= 5;
    return true;
}

static void test_figures_add_up(void **st) {
    gomap_classic_config c = config();
    c.elem_size = 150;
    gomap_classic *m = make(&c);
    uint8_t elem[150] = {0};
    (void)st;
    for (uint64_t k = 0; k < 3000; k++) {
        T_OK(gomap_classic_put(m, &k, elem));
        gomap_classic_stats s = stats(m);
        assert_int_equal(s.bytes, s.bytes_header + s.bytes_slots_live + s.bytes_slots_empty +
                                      s.bytes_metadata + s.bytes_overflow + s.bytes_pool + s.bytes_old +
                                      s.bytes_cells + s.bytes_held + s.bytes_overhead);
        assert_int_equal(s.entries, k + 1);
        if (k % 500) continue;
        uint64_t n[2] = {0, 0};
        gomap_classic_visit(m, count_buckets, n);
        assert_int_equal(n[1], s.entries);
    }
    gomap_classic_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bucket_sizes_are_gos),
        cmocka_unit_test(test_arrays_are_as_large_as_gos),
        cmocka_unit_test(test_hints_give_gos_b),
        cmocka_unit_test(test_doubling_starts_at_gos_thresholds),
        cmocka_unit_test(test_life_of_a_tophash_byte),
        cmocka_unit_test(test_empty_rest_spreads_over_a_chain),
        cmocka_unit_test(test_deleted_bytes_stay_or_go_as_in_go),
        cmocka_unit_test(test_a_write_evacuates_two_buckets_at_most),
        cmocka_unit_test(test_pointer_stores_are_counted),
        cmocka_unit_test(test_reads_migrate_nothing),
        cmocka_unit_test(test_same_size_growth_packs_chains),
        cmocka_unit_test(test_paths_are_chosen_as_by_gos_compiler),
        cmocka_unit_test(test_fast_lookups_do_not_hash_in_one_bucket),
        cmocka_unit_test(test_strings_of_all_lengths),
        cmocka_unit_test(test_keys_are_updated),
        cmocka_unit_test(test_nans),
        cmocka_unit_test(test_clear_keeps_the_array),
        cmocka_unit_test(test_clear_of_an_empty_map_leaves_its_chains),
        cmocka_unit_test(test_clone_in_every_state),
        cmocka_unit_test(test_clone_of_one_bucket_keeps_its_holes),
        cmocka_unit_test(test_clone_of_an_overloaded_map),
        cmocka_unit_test(test_growth_without_memory_waits),
        cmocka_unit_test(test_random_words_come_from_the_hook),
        cmocka_unit_test(test_bad_configs_are_refused),
        cmocka_unit_test(test_a_null_map_reads_as_empty),
        cmocka_unit_test(test_arguments_may_point_into_the_map),
        cmocka_unit_test(test_names_and_registry),
        cmocka_unit_test(test_figures_add_up),
    };
    return t_run("classic", tests, sizeof tests / sizeof *tests);
}
