/* tests/unit/test_wipe.c - nothing of a deleted entry stays behind.
 *
 * Values carry a secret pattern.  After deletes, growth and shrink, all memory the map holds is searched
 * for it: through an allocator that knows its blocks, and, for tables in a reserved range, slot by slot.
 */
#include "../support.h"

enum { BLOCKS = 4096 };
static const uint64_t SECRET = UINT64_C(0x5ec2e7c0ffee1234);

/* ---- an allocator that can search what it gave out ------------------------------------------------ */

struct searchable {
    gomap_alloc api;
    uint8_t *block[BLOCKS];
    size_t size[BLOCKS];
    uint64_t freed_with_secret;
};

static uint64_t secrets_in(const uint8_t *p, size_t n) {
    uint64_t found = 0;
    for (size_t i = 0; i + 8 <= n; i++) found += !memcmp(p + i, &SECRET, 8);
    return found;
}

static void *search_alloc(size_t size, size_t align, void *ctx) {
    struct searchable *s = ctx;
    for (int i = 0; i < BLOCKS; i++) {
        if (s->block[i]) continue;
        size_t up = (size + align - 1) / align * align;
        uint8_t *p = aligned_alloc(align < 16 ? 16 : align, up ? (up + 15) / 16 * 16 : 16);
        if (!p) return NULL;
        memset(p, 0, size);
        s->block[i] = p, s->size[i] = size;
        return p;
    }
    return NULL;
}

static void search_free(void *p, size_t size, size_t align, void *ctx) {
    struct searchable *s = ctx;
    (void)align;
    for (int i = 0; i < BLOCKS; i++) {
        if (s->block[i] != p) continue;
        s->freed_with_secret += secrets_in(p, size);
        s->block[i] = NULL;
        free(p);
        return;
    }
}

static uint64_t secrets_held(const struct searchable *s) {
    uint64_t n = 0;
    for (int i = 0; i < BLOCKS; i++)
        if (s->block[i]) n += secrets_in(s->block[i], s->size[i]);
    return n;
}

static struct searchable pool;

static gomap *new_searchable(gomap_config c) {
    memset(&pool, 0, sizeof pool);
    pool.api = (gomap_alloc){search_alloc, search_free, &pool};
    c.alloc = &pool.api;
    return t_new(&c);
}

static void put_secret(gomap *m, uint64_t k, size_t value_size) {
    uint8_t value[512];
    for (size_t i = 0; i + 8 <= value_size; i += 8) memcpy(value + i, &SECRET, 8);
    T_OK(gomap_put(m, &k, value));
}

static void deleted_values_are_gone(gomap_config c) {
    size_t each = c.value_size / 8;
    for (uint64_t n = 1; n < 2500; n = n * 3 + 4) {
        gomap *m = new_searchable(c);
        for (uint64_t k = 0; k < n; k++) {
            put_secret(m, k, c.value_size);
            if (n < 200) assert_int_equal(secrets_held(&pool), (k + 1) * each); /* growth leaves no copies */
        }
        for (uint64_t k = 0; k < n; k++) {
            assert_true(gomap_delete(m, &k));
            if (n < 200 || k % 100 == 0) assert_int_equal(secrets_held(&pool), (n - k - 1) * each);
        }
        put_secret(m, 1, c.value_size);
        gomap_clear(m, GOMAP_KEEP);
        assert_int_equal(secrets_held(&pool), 0);
        gomap_free(m);
    }
}

static void test_inline_values(void **st) {
    (void)st;
    deleted_values_are_gone((gomap_config)GOMAP_CONFIG(8, 16));
}

static void test_values_in_cells(void **st) {
    (void)st;
    deleted_values_are_gone((gomap_config)GOMAP_CONFIG(8, 256));
}

static void test_deleted_strings(void **st) {
    (void)st;
    gomap *m = new_searchable((gomap_config)GOMAP_CONFIG_STRING(8));
    for (uint64_t len = 8; len <= 400; len += 8) {
        char text[400];
        for (uint64_t i = 0; i < len; i += 8) memcpy(text + i, &SECRET, 8);
        gomap_str s = {text, len};
        T_OK(gomap_put(m, &s, NULL));
        assert_int_equal(secrets_held(&pool), len / 8);
        assert_true(gomap_delete(m, &s));
        assert_int_equal(secrets_held(&pool), 0);
    }
    gomap_free(m);
}

static uint64_t constant(const void *key, void *ctx) {
    (void)key, (void)ctx;
    return 1;
}

/* Entries in chains and in the stash. */
static void test_chained_values(void **st) {
    (void)st;
    gomap_config c = GOMAP_CONFIG(8, 16);
    c.hash = constant;
    gomap *m = new_searchable(c);
    for (uint64_t k = 0; k < 300; k++) put_secret(m, k, 16);
    assert_int_equal(secrets_held(&pool), 600);
    for (uint64_t k = 0; k < 300; k++) {
        assert_true(gomap_delete(m, &k));
        assert_int_equal(secrets_held(&pool), 2 * (299 - k));
    }
    gomap_free(m);
}

/* An overwritten value is gone, and a value that was given as zeros is zeros. */
static void test_overwritten(void **st) {
    (void)st;
    gomap *m = new_searchable((gomap_config)GOMAP_CONFIG(8, 64));
    for (uint64_t k = 0; k < 100; k++) {
        put_secret(m, k, 64);
        T_OK(gomap_put(m, &k, NULL));
    }
    assert_int_equal(secrets_held(&pool), 0);
    gomap_free(m);
}

/* ---- tables in a reserved range: walk in place, up and down ------------------------------------------ */

/* Every slot without an entry is zero bytes; during a walk both geometries share the memory. */
static void check_empty_slots(const gomap *m) {
    const struct gomap *r = t_raw(m);
    size_t size = r->desc->slot_size;
    uint64_t found = 0, bytes = r->ngroups * GOMAP_GROUP_SLOTS * size;
    for (uint64_t at = 0; at + 8 <= bytes; at += 8) found += !memcmp(r->slots + at, &SECRET, 8);
    assert_true(found + t_stats(m).chained + t_stats(m).stashed == gomap_len(m));
    if (r->side && r->side->walk) return;
    for (uint64_t g = 0; g < r->ngroups; g++)
        for (unsigned s = 0; s < GOMAP_GROUP_SLOTS; s++) {
            const uint8_t *slot = r->slots + (g * GOMAP_GROUP_SLOTS + s) * size;
            for (size_t i = 0; !r->meta[g * 16 + s] && i < size; i++) assert_int_equal(slot[i], 0);
        }
}

static void test_range_in_place(void **st) {
    (void)st;
    uint64_t from, low = 64 << 10;
    T_OK(gomap_ctl(NULL, "policy.range_from_bytes", &from, NULL));
    if (from > low) T_OK(gomap_ctl(NULL, "policy.range_from_bytes", NULL, &low));
    gomap *m = t_new(NULL);
    const uint64_t n = t_scale(12000, 100000);
    for (uint64_t k = 0; k < n; k++) {
        t_put(m, k, SECRET);
        if (k % 509 == 0 && t_raw(m)->mode == GOMAP_MODE_RANGE && !t_raw(m)->side->lo_bytes)
            check_empty_slots(m);
    }
    assert_int_equal(t_raw(m)->mode, GOMAP_MODE_RANGE);
    for (uint64_t k = 0; k < n; k++) {
        assert_true(gomap_delete(m, &k));
        if (k % 509 == 0 && t_raw(m)->mode == GOMAP_MODE_RANGE && !t_raw(m)->side->lo_bytes)
            check_empty_slots(m);
    }
    assert_int_equal(gomap_len(m), 0);
    gomap_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inline_values),   cmocka_unit_test(test_values_in_cells),
        cmocka_unit_test(test_deleted_strings), cmocka_unit_test(test_chained_values),
        cmocka_unit_test(test_overwritten),     cmocka_unit_test(test_range_in_place),
    };
    return t_run("wipe", tests, sizeof tests / sizeof *tests);
}
