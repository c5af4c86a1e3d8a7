/* tests/unit/test_zeroing.c - a user's allocator: what one write clears of the next table is bounded.
 *
 * The memory of such an allocator is not zero.  All metadata of a large table cleared when its growth begins would be a
 * pause that grows with the map; each step clears what it comes to.  The allocator marks its memory; after every
 * write the marks that are gone from the new table's metadata are counted.
 */
#include "../support.h"

enum { MARK = 0xa5, ENTRIES = 40000, BOUND = 16 << 10 };

static struct {
    uint8_t *p;
    size_t size;
} largest;

static void *marked_alloc(size_t size, size_t align, void *ctx) {
    void *p = NULL;
    (void)ctx;
    if (posix_memalign(&p, align < sizeof p ? sizeof p : align, size)) return NULL;
    memset(p, MARK, size);
    if (size > largest.size) largest.p = p, largest.size = size;
    return p;
}

static void plain_free(void *p, size_t size, size_t align, void *ctx) {
    (void)size, (void)align, (void)ctx;
    free(p);
}

static uint64_t cleared(size_t metadata) {
    uint64_t n = 0;
    for (size_t i = 0; i < metadata; i++) n += largest.p[i] != MARK;
    return n;
}

/* Watch growths until one of a large table went from start to end. */
static void watch_growth(gomap *m, uint64_t *key) {
    gomap_stats s = t_stats(m);
    while (s.entries < ENTRIES || s.walk != GOMAP_WALK_NONE) {
        t_put(m, ++*key, 1);
        s = t_stats(m);
    }
    while (s.walk == GOMAP_WALK_NONE) {
        t_put(m, ++*key, 1);
        s = t_stats(m);
    }
    size_t metadata = gomap_inspect_quads(t_raw(m)->ngroups) * (64 + sizeof(uintptr_t));
    assert_ptr_equal(largest.p, t_raw(m)->meta);
    assert_true(metadata > 3 * BOUND); /* or nothing would be shown */
    uint64_t worst = 0, before = 0, steps = 0;
    for (; s.walk == GOMAP_WALK_GROW; s = t_stats(m), steps++) {
        uint64_t now = cleared(metadata);
        if (now > before + worst) worst = now - before;
        before = now;
        if (steps % 64 == 0) T_VERIFY(m);
        t_put(m, ++*key, 1);
    }
    print_message("# %llu of %llu bytes cleared by a write\n", (unsigned long long)worst,
                  (unsigned long long)metadata);
    assert_true(worst > 0 && worst <= BOUND);
    T_VERIFY(m);
}

static void test_growth_clears_piece_by_piece(void **st) {
    (void)st;
    gomap_alloc alloc = {marked_alloc, plain_free, NULL};
    gomap_config c = t_config();
    uint64_t key = 0;
    c.alloc = &alloc;
    memset(&largest, 0, sizeof largest);
    gomap *m = t_new(&c);
    watch_growth(m, &key);
    gomap_free(m);
}

/* Whatever ends a walk early must not leave a table that was never cleared. */
static void test_clear_in_the_middle_of_a_growth(void **st) {
    (void)st;
    gomap_alloc alloc = {marked_alloc, plain_free, NULL};
    gomap_config c = t_config();
    c.alloc = &alloc;
    for (int how = 0; how < 2; how++) {
        uint64_t next = 0;
        memset(&largest, 0, sizeof largest);
        gomap *m = t_new(&c);
        t_fill(m, 0, next = 3000);
        assert_true(t_until_walk(m, &next, 0.3, 100000));
        gomap_clear(m, how ? GOMAP_KEEP : GOMAP_RELEASE);
        T_VERIFY(m);
        assert_int_equal(gomap_len(m), 0);
        t_fill(m, 0, 5000);
        T_VERIFY(m);
        gomap_free(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth_clears_piece_by_piece),
        cmocka_unit_test(test_clear_in_the_middle_of_a_growth),
    };
    return t_run("zeroing", tests, sizeof tests / sizeof *tests);
}
