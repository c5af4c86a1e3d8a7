/* tests/unit/test_crowded.c - chosen keys that walks merge into one quad: still at most 128 entries a write.
 *
 * Who knows a map's seed can choose keys for both sides of a border between two quads, as many on each side as inserts
 * leave in a quad.  A growth by a fraction has its borders elsewhere: both crowds come to lie in one quad, which the
 * next walk must not move by one write.  The tests know the seed from the map itself.
 */
#include "../support.h"

#include "gomap/probe.h"

#include <stdio.h>

enum { BOUND = 128, CROWD = 92, PAIRS = 6 };

struct watch {
    gomap *m;
    uint64_t moved, worst;
};

static void look(struct watch *w) {
    gomap_stats s = t_stats(w->m);
    if (s.moved - w->moved > w->worst) w->worst = s.moved - w->moved;
    w->moved = s.moved;
}

static uint64_t position(const gomap *m, uint64_t key) { return gomap__hash_int(t_raw(m), key); }

/* Keys around the borders of these quads, for a table of `groups` groups; others keep away from there. */
static const uint64_t at_quad[PAIRS] = {1, 2, 3, 5, 9, 13};

static uint64_t put_crowds(struct watch *w, uint64_t groups, uint64_t *key) {
    uint64_t n = 0, below[PAIRS] = {0}, above[PAIRS] = {0};
    double group = 18446744073709551616.0 / (double)groups;
    while (n < (uint64_t)2 * CROWD * PAIRS) {
        double at = (double)position(w->m, ++*key) / group;
        for (int i = 0; i < PAIRS; i++) {
            double off = at - (double)at_quad[i] * 4;
            uint64_t *count = off < 0 ? &below[i] : &above[i];
            if (off < -0.4 || off > 0.4 || *count == CROWD) continue;
            t_put(w->m, *key, *key);
            look(w);
            ++*count, n++;
        }
    }
    return n;
}

static void put_elsewhere(struct watch *w, uint64_t groups, uint64_t *key) {
    uint64_t g;
    do g = gomap__group_of(position(w->m, ++*key), groups);
    while (g < 15 * 4);
    t_put(w->m, *key, *key);
    look(w);
}

static void see_all(const gomap *m) {
    uint64_t n = 0;
    gomap_iter it;
    for (gomap_iter_init(&it, m); gomap_iter_next(&it);) n++;
    assert_int_equal(n, gomap_len(m));
}

static void crowded(uint64_t groups, gomap_mode mode, const gomap_alloc *alloc) {
    struct watch w = {0};
    gomap_config c = t_config();
    c.mode = mode, c.name = "crowded", c.alloc = alloc;
    w.m = t_new(&c);
    T_OK(gomap_reserve(w.m, groups * (mode == GOMAP_MEMORY ? 13 : 12)));
    assert_int_equal(t_stats(w.m).groups, groups);
    uint64_t key = t_rand() >> 8, had = put_crowds(&w, groups, &key), grows = 0, longest = 0;
    const uint64_t most = 3;
    for (uint64_t i = 0; grows < most; i++) { /* some growths, looked into */
        put_elsewhere(&w, groups, &key);
        gomap_stats s = t_stats(w.m);
        if (s.chained > longest) longest = s.chained;
        grows = s.grows - (s.walk != 0);
        if (s.walk && i % (1 + groups / 16) == 0) {
            T_VERIFY(w.m);
            see_all(w.m);
        }
    }
    assert_true(longest >= had / 4); /* the crowds lived in chains */
    T_VERIFY(w.m);
    T_OK(gomap_shrink_to_fit(w.m)); /* O(n): moves what it likes, and merges again */
    w.moved = t_stats(w.m).moved;
    for (uint64_t k = key; gomap_len(w.m) > had; k--) {
        if (gomap_delete(w.m, &k)) look(&w);
        if (k % (1 + groups) == 0) T_VERIFY(w.m);
    }
    while (gomap_work(w.m, UINT64_MAX)) continue;
    T_OK(gomap_shrink_to_fit(w.m));
    w.moved = t_stats(w.m).moved;
    for (grows = t_stats(w.m).grows; t_stats(w.m).grows < grows + most;) put_elsewhere(&w, groups, &key);
    T_VERIFY(w.m);
    see_all(w.m);
    print_message("# %llu groups, mode %d: at most %llu entries moved by a write\n",
                  (unsigned long long)groups, (int)mode, (unsigned long long)w.worst);
    assert_true(w.worst > 30 && w.worst <= BOUND);
    gomap_free(w.m);
}

static void not_sanitized(void) {
    if (!t_sanitized()) return;
    puts("SKIP: thousands of writes into long chains take minutes with a sanitizer");
    skip();
}

static void test_crowds_in_blocks(void **st) {
    (void)st;
    not_sanitized();
    crowded(128, GOMAP_MEMORY, NULL);
    crowded(128, GOMAP_SPEED, NULL);
}

static void test_crowds_in_ranges(void **st) {
    (void)st;
    not_sanitized();
    crowded(4160, GOMAP_MEMORY, NULL);
    crowded(8320, GOMAP_BALANCED, NULL); /* grows by 1.45 */
}

static void test_crowds_in_own_memory(void **st) {
    (void)st;
    not_sanitized();
    struct t_alloc a;
    t_alloc_init(&a);
    crowded(256, GOMAP_MEMORY, &a.api);
    t_alloc_check_empty(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crowds_in_blocks),
        cmocka_unit_test(test_crowds_in_ranges),
        cmocka_unit_test(test_crowds_in_own_memory),
    };
    return t_run("crowded", tests, sizeof tests / sizeof *tests);
}
