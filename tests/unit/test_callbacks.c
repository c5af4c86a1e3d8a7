/* tests/unit/test_callbacks.c - functions of the user: hash, equality, copy, destroy.
 *
 * Ownership is checked with tokens: a copy takes one from a counter, a destroy gives it back, and each
 * token may be given back once.  At the end none is out.
 */
#include "../support.h"

/* ---- copy and destroy -------------------------------------------------------------------------- */

enum { TOKENS = 200000 };
struct tokens {
    uint32_t used;
    uint64_t out, refuse_at, asked;
    bool broken;
    uint8_t state[TOKENS]; /* 0 fresh, 1 out, 2 given back */
};
/* 16 bytes of key or value: the number, and the token once it is in a map. */
struct owned {
    uint64_t number;
    uint32_t token, magic;
};
enum { MAGIC = 0x70ce1234 };

static int take(void *dst, const void *src, void *ctx) {
    struct tokens *t = ctx;
    struct owned *o = dst;
    if (memcmp(dst, src, sizeof *o)) t->broken = true; /* dst holds the bitwise copy already */
    if (t->refuse_at && ++t->asked >= t->refuse_at) return 1;
    if (++t->used >= TOKENS) return 1;
    o->token = t->used, o->magic = MAGIC;
    t->state[t->used] = 1;
    t->out++;
    return 0;
}

static void give_back(void *p, void *ctx) {
    struct tokens *t = ctx;
    struct owned *o = p;
    if (o->magic != MAGIC || o->token == 0 || o->token >= TOKENS || t->state[o->token] != 1) {
        t->broken = true;
        return;
    }
    t->state[o->token] = 2;
    t->out--;
}

static uint64_t owned_hash(const void *key, void *ctx) {
    (void)ctx;
    return t_mix(((const struct owned *)key)->number);
}

static int owned_eq(const void *a, const void *b, void *ctx) {
    (void)ctx;
    return ((const struct owned *)a)->number == ((const struct owned *)b)->number;
}

static gomap *new_owned(struct tokens *t, gomap_values values) {
    gomap_config c = GOMAP_CONFIG(sizeof(struct owned), sizeof(struct owned));
    memset(t, 0, sizeof *t);
    c.values = values;
    c.hash = owned_hash, c.eq = owned_eq;
    c.key_copy = c.value_copy = take;
    c.key_destroy = c.value_destroy = give_back;
    c.ctx = t;
    return t_new(&c);
}

static struct owned plain(uint64_t n) { return (struct owned){n, 0, 0}; }

static bool keep_odd(const void *key, void *value, void *ctx) {
    (void)value;
    (void)ctx;
    return ((const struct owned *)key)->number % 2;
}

static void check_tokens(const struct tokens *t, const gomap *m) {
    assert_false(t->broken);
    assert_int_equal(t->out, 2 * gomap_len(m));
}

static struct tokens tokens;

static void ownership(gomap_values values) {
    gomap *m = new_owned(&tokens, values);
    for (uint64_t n = 0; n < 4000; n++) {
        struct owned k = plain(n % 2500), v = plain(n);
        T_OK(gomap_put(m, &k, &v)); /* 1500 of them overwrite */
        if (n % 100 == 0) check_tokens(&tokens, m);
    }
    for (uint64_t n = 0; n < 2500; n += 5) {
        struct owned k = plain(n);
        assert_true(gomap_delete(m, &k));
    }
    check_tokens(&tokens, m);
    gomap_iter it;
    uint64_t seen = 0;
    for (gomap_iter_init(&it, m); gomap_iter_next(&it) && seen < 300; seen++)
        if (seen % 3 == 0) assert_true(gomap_iter_delete(&it, m));
    check_tokens(&tokens, m);
    uint64_t before = gomap_len(m);
    size_t gone = gomap_retain_if(m, keep_odd, NULL);
    assert_int_equal(gomap_len(m), before - gone);
    check_tokens(&tokens, m);
    T_OK(gomap_shrink_to_fit(m));
    check_tokens(&tokens, m);
    gomap *other = NULL;
    uint64_t out = tokens.out;
    T_OK(gomap_clone(m, &other));
    assert_int_equal(tokens.out, out * 2);
    gomap_free(other);
    check_tokens(&tokens, m);
    gomap_clear(m, GOMAP_KEEP);
    check_tokens(&tokens, m);
    for (uint64_t n = 0; n < 50; n++) {
        struct owned k = plain(n);
        T_OK(gomap_put(m, &k, &k));
    }
    gomap_clear(m, GOMAP_RELEASE);
    check_tokens(&tokens, m);
    for (uint64_t n = 0; n < 900; n++) {
        struct owned k = plain(n);
        T_OK(gomap_put(m, &k, &k));
    }
    gomap_free(m);
    assert_false(tokens.broken);
    assert_int_equal(tokens.out, 0);
}

static void test_ownership_inline(void **st) {
    (void)st;
    ownership(GOMAP_VALUES_INLINE);
}

static void test_ownership_stable(void **st) {
    (void)st;
    ownership(GOMAP_VALUES_STABLE);
}

/* pop_any passes ownership on: no destroy. */
static void test_pop_passes_ownership(void **st) {
    (void)st;
    gomap *m = new_owned(&tokens, GOMAP_VALUES_AUTO);
    for (uint64_t n = 0; n < 200; n++) {
        struct owned k = plain(n);
        T_OK(gomap_put(m, &k, &k));
    }
    for (uint64_t n = 0; n < 200; n++) {
        struct owned k, v;
        T_OK(gomap_pop_any(m, &k, &v));
        assert_int_equal(tokens.out, 400 - 2 * n);
        give_back(&k, &tokens);
        give_back(&v, &tokens);
        assert_false(tokens.broken);
    }
    gomap_free(m);
    assert_int_equal(tokens.out, 0);
}

/* A copy function that refuses: ENOMEM, nothing changed, nothing lost. */
static void test_refused_copies(void **st) {
    (void)st;
    for (int values = GOMAP_VALUES_INLINE; values <= GOMAP_VALUES_STABLE; values++) {
        gomap *m = new_owned(&tokens, (gomap_values)values);
        uint64_t refused = 0;
        for (uint64_t n = 0; n < 500; n++) {
            for (uint64_t at = 1; at <= 3; at++) {
                struct owned k = plain(n), v = plain(n * 2);
                uint64_t before = gomap_len(m), out = tokens.out;
                tokens.refuse_at = at, tokens.asked = 0;
                gomap_err err = gomap_put(m, &k, &v);
                tokens.refuse_at = 0;
                if (!err) break;
                assert_int_equal(err, GOMAP_ENOMEM);
                refused++;
                assert_int_equal(gomap_len(m), before);
                assert_int_equal(tokens.out, out);
                assert_false(gomap_has(m, &k));
            }
            assert_false(tokens.broken);
            /* and as an update: the old value stays */
            struct owned k = plain(n), v = plain(~n);
            tokens.refuse_at = 1, tokens.asked = 0;
            assert_int_equal(gomap_put(m, &k, &v), GOMAP_ENOMEM);
            tokens.refuse_at = 0;
            struct owned *old = gomap_get(m, &k);
            assert_int_equal(old->number, n * 2);
            check_tokens(&tokens, m);
        }
        assert_int_equal(refused, 1000);
        gomap *other = NULL;
        tokens.refuse_at = 501, tokens.asked = 0;
        assert_int_equal(gomap_clone(m, &other), GOMAP_ENOMEM);
        tokens.refuse_at = 0;
        assert_null(other);
        check_tokens(&tokens, m);
        T_VERIFY(m);
        gomap_free(m);
        assert_int_equal(tokens.out, 0);
        assert_false(tokens.broken);
    }
}

/* ---- equality that is not bytes --------------------------------------------------------------------- */

struct spelled {
    uint64_t value;
    uint64_t spelling;
};

static uint64_t spelled_hash(const void *key, void *ctx) {
    (void)ctx;
    return ((const struct spelled *)key)->value;
}

static int spelled_eq(const void *a, const void *b, void *ctx) {
    (void)ctx;
    return ((const struct spelled *)a)->value == ((const struct spelled *)b)->value;
}

/* Equal keys with different bytes (0.0 and -0.0): the last key put is the one kept. */
static void test_last_spelling_wins(void **st) {
    (void)st;
    gomap_config c = GOMAP_CONFIG(sizeof(struct spelled), sizeof(uint64_t));
    c.hash = spelled_hash, c.eq = spelled_eq;
    gomap *m = t_new(&c);
    for (uint64_t i = 0; i < 3000; i++) {
        struct spelled k = {i % 1000, i};
        T_OK(gomap_put(m, &k, &i));
        assert_int_equal(gomap_len(m), i < 1000 ? i + 1 : 1000);
    }
    gomap_iter it;
    for (gomap_iter_init(&it, m); gomap_iter_next(&it);) {
        const struct spelled *k = it.key;
        assert_int_equal(k->spelling, 2000 + k->value);
        assert_int_equal(*(uint64_t *)it.value, 2000 + k->value);
    }
    T_VERIFY(m);
    gomap_free(m);
}

/* ---- keys that equal nothing --------------------------------------------------------------------------- */

static int nan_eq(const void *a, const void *b, void *ctx) {
    (void)ctx;
    uint64_t x, y;
    memcpy(&x, a, 8), memcpy(&y, b, 8);
    return x == y && x < UINT64_C(1) << 63; /* the upper half are NaNs */
}

static gomap *new_nan(void) {
    gomap_config c = t_config();
    c.eq = nan_eq;
    return t_new(&c);
}

static void test_nan_keys(void **st) {
    (void)st;
    gomap *m = new_nan();
    const uint64_t nan = UINT64_MAX, n = 3000;
    for (uint64_t i = 0; i < n; i++) {
        t_put(m, nan, i);
        t_put(m, i, i);
        assert_int_equal(gomap_len(m), 2 * (i + 1));
        assert_false(gomap_has(m, &nan));
    }
    T_VERIFY(m);
    assert_false(gomap_delete(m, &nan));
    static uint8_t seen[3000];
    memset(seen, 0, sizeof seen);
    gomap_iter it;
    uint64_t nans = 0, others = 0, deleted = 0;
    for (gomap_iter_init(&it, m); gomap_iter_next(&it);) {
        uint64_t k = *(const uint64_t *)it.key, v = *(uint64_t *)it.value;
        if (k != nan) {
            others++;
            continue;
        }
        assert_false(seen[v]); /* each exactly once, though bit for bit the same key */
        seen[v] = 1;
        nans++;
        if (v % 2 == 0) {
            assert_true(gomap_iter_delete(&it, m));
            assert_false(gomap_iter_delete(&it, m));
            deleted++;
        }
    }
    assert_int_equal(nans, n);
    assert_int_equal(others, n);
    assert_int_equal(deleted, n / 2);
    assert_int_equal(gomap_len(m), 2 * n - deleted);
    T_VERIFY(m);
    gomap_clear(m, GOMAP_KEEP);
    assert_int_equal(gomap_len(m), 0);
    gomap_free(m);
}

/* Growth under an iterator over NaNs: none twice, none lost. */
static void test_nan_iteration_while_growing(void **st) {
    (void)st;
    for (uint64_t n = 1; n < 3000; n = n * 2 + 3) {
        gomap *m = new_nan();
        uint8_t *seen = calloc(n * 4 + 1, 1);
        assert_non_null(seen);
        uint64_t next = n;
        for (uint64_t i = 0; i < n; i++) t_put(m, UINT64_MAX - i % 3, i);
        gomap_iter it;
        for (gomap_iter_init(&it, m); gomap_iter_next(&it);) {
            uint64_t v = *(uint64_t *)it.value;
            assert_true(v < n * 4);
            assert_false(seen[v]);
            seen[v] = 1;
            if (next < n * 4) t_put(m, UINT64_MAX - next % 3, next), next++;
        }
        for (uint64_t i = 0; i < n; i++) assert_true(seen[i]);
        T_VERIFY(m);
        uint64_t left = gomap_len(m);
        while (left) {
            T_OK(gomap_pop_any(m, NULL, NULL)); /* the only other way out for them */
            assert_int_equal(gomap_len(m), --left);
        }
        gomap_free(m);
        free(seen);
    }
}

/* ---- a hash that changes its mind must not harm memory ---------------------------------------------------- */

static uint64_t fickle(const void *key, void *ctx) {
    uint64_t *calls = ctx, k;
    memcpy(&k, key, sizeof k);
    return t_mix(k + (++*calls % 7 == 0));
}

static void test_fickle_hash_is_survived(void **st) {
    (void)st;
    uint64_t calls = 0;
    gomap_config c = t_config();
    c.hash = fickle, c.ctx = &calls;
    gomap *m = t_new(&c);
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t k = t_below(3000);
        if (t_below(3))
            t_put(m, k, i);
        else
            gomap_delete(m, &k);
    }
    gomap_iter it;
    uint64_t n = 0;
    for (gomap_iter_init(&it, m); gomap_iter_next(&it) && n < 100000;) n++;
    assert_true(n < 100000); /* it ended by itself */
    gomap_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ownership_inline),
        cmocka_unit_test(test_ownership_stable),
        cmocka_unit_test(test_pop_passes_ownership),
        cmocka_unit_test(test_refused_copies),
        cmocka_unit_test(test_last_spelling_wins),
        cmocka_unit_test(test_nan_keys),
        cmocka_unit_test(test_nan_iteration_while_growing),
        cmocka_unit_test(test_fickle_hash_is_survived),
    };
    return t_run("callbacks", tests, sizeof tests / sizeof *tests);
}
