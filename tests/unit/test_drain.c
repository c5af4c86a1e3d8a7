/* tests/unit/test_drain.c - shrinking, in the orders that hurt: the table's own order, forward and backward.
 *
 * Deletes in hash order leave one dense arc of survivors; a shrink sized by the average would pile them
 * into chains.  All ways of emptying a map are run here while the share of chained entries is watched,
 * and the memory that comes back.
 */
#define _DEFAULT_SOURCE /* mincore */
#include "../flavours.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum way { FORWARD, BACKWARD, RANDOM, BY_ITERATOR, BY_POP, BY_RETAIN, WAYS };
static int current_way; /* for messages */

/* All keys in the order of the table, which is the order of hashes: what an insider could know. */
static uint64_t *keys_in_table_order(const gomap *m, uint64_t *n) {
    const struct gomap *r = t_raw(m);
    uint64_t *keys = malloc((gomap_len(m) + 1) * sizeof *keys);
    assert_non_null(keys);
    *n = 0;
    for (uint64_t g = 0; g < r->ngroups; g++)
        for (unsigned s = 0; s < GOMAP_GROUP_SLOTS; s++)
            if (r->meta[g * 16 + s])
                memcpy(&keys[(*n)++], r->slots + (g * GOMAP_GROUP_SLOTS + s) * r->desc->slot_size, 8);
    return keys;
}

/* chained <= 1 %, and at most one quad full besides: the last survivors of an arc may share one */
static void check_chains(const gomap *m) {
    gomap_stats s = t_stats(m);
    if (s.chained > s.entries / 100 + GOMAP_QUAD_SLOTS)
        fail_msg("way %d: %lu of %lu entries are chained, %lu slots, walk %u", current_way,
                 (unsigned long)s.chained, (unsigned long)s.entries, (unsigned long)s.slots, s.walk);
#ifndef GOMAP_SMALL_LIMITS /* chains of 4 spill into the stash without anybody's ill will */
    assert_int_equal(s.alarms, 0);
#endif
}

static gomap *filled_at_rest(uint64_t n) {
    gomap *m = t_new(NULL);
    t_fill(m, 0, n);
    while (gomap_work(m, 10000000) && t_stats(m).walk) continue;
    assert_int_equal(t_stats(m).walk, 0);
    return m;
}

static void drain_keys(gomap *m, enum way how, uint64_t leave) {
    uint64_t n;
    uint64_t *keys = keys_in_table_order(m, &n);
    if (how == RANDOM)
        for (uint64_t i = n; i > 1; i--) {
            uint64_t j = t_below(i), k = keys[i - 1];
            keys[i - 1] = keys[j], keys[j] = k;
        }
    for (uint64_t i = 0; i < n && gomap_len(m) > leave; i++) {
        assert_true(gomap_delete(m, &keys[how == BACKWARD ? n - 1 - i : i]));
        if (i % 256 == 0) check_chains(m);
    }
    for (uint64_t k = 0; gomap_len(m) > leave; k++) gomap_delete(m, &k); /* those in chains */
    free(keys);
}

static bool keep_third(const void *key, void *value, void *ctx) {
    (void)value;
    uint64_t k;
    memcpy(&k, key, sizeof k);
    return k % 3 == *(uint64_t *)ctx % 3;
}

static bool keep_none(const void *key, void *value, void *ctx) {
    (void)key, (void)value;
    return (*(uint64_t *)ctx)-- <= 10; /* the first ones visited go: an arc */
}

static void drain(gomap *m, enum way how, uint64_t leave) {
    gomap_iter it;
    uint64_t i = 0;
    if (how <= RANDOM) {
        drain_keys(m, how, leave);
    } else if (how == BY_ITERATOR) {
        for (gomap_iter_init(&it, m); gomap_len(m) > leave && gomap_iter_next(&it); i++) {
            assert_true(gomap_iter_delete(&it, m));
            if (i % 256 == 0) check_chains(m);
        }
    } else if (how == BY_POP) {
        for (; gomap_len(m) > leave; i++) {
            T_OK(gomap_pop_any(m, NULL, NULL));
            if (i % 256 == 0) check_chains(m);
        }
    } else {
        while (gomap_len(m) > leave * 4) {
            gomap_retain_if(m, keep_third, &i);
            check_chains(m);
            i++;
            if (i > 3) break;
        }
        uint64_t go = gomap_len(m) - leave + 10;
        gomap_retain_if(m, keep_none, &go);
    }
    check_chains(m);
}

/* Bytes of a reserved range that are in core. */
static uint64_t resident_table(const gomap *m) {
    const struct gomap *r = t_raw(m);
    static unsigned char map[1 << 20];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t n = 0, bytes = r->ngroups * GOMAP_GROUP_SLOTS * r->desc->slot_size;
    if (r->mode != GOMAP_MODE_RANGE) return 0;
    uintptr_t from = (uintptr_t)r->slots / page * page;
    size_t pages = ((uintptr_t)r->slots + bytes - from + page - 1) / page;
    assert_true(pages <= sizeof map);
    assert_int_equal(mincore((void *)from, pages * page, map), 0);
    for (size_t i = 0; i < pages; i++) n += map[i] & 1;
    return n * page;
}

static void test_every_way_down(void **st) {
    (void)st;
    const uint64_t sizes[] = {100, 1000, 20000, t_scale(150000, 1000000)};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int how = 0; how < WAYS; how++) {
            uint64_t n = sizes[i], leave = n / 100;
            gomap *m = filled_at_rest(n);
            uint64_t full = t_stats(m).bytes;
            uint64_t in_core = resident_table(m);
            current_way = how;
            drain(m, (enum way)how, leave);
            while (gomap_work(m, 10000000)) continue;
            gomap_stats s = t_stats(m);
            T_VERIFY(m);
            check_chains(m);
            /* A dense arc may keep its slots; the pages of the empty ones go back all the same. */
            if ((how == RANDOM || how == BY_POP) && n >= 20000 && s.bytes >= full / 10)
                fail_msg("way %d: %lu of %lu entries keep %lu of %lu bytes", how, (unsigned long)s.entries, (unsigned long)n, (unsigned long)s.bytes, (unsigned long)full);
            if (n > 100000 && how != BY_RETAIN && !s.stashed_ever && resident_table(m) > in_core / 8 + 65536)
                fail_msg("way %d: %lu entries keep %lu of %lu bytes in core", how, (unsigned long)s.entries,
                         (unsigned long)resident_table(m), (unsigned long)in_core);
            uint64_t left = gomap_len(m);
            assert_int_equal(t_sum_of(m).n, left);
            t_fill(m, n, n / 2); /* and it is a table like any other */
            check_chains(m);
            T_VERIFY(m);
            gomap_free(m);
        }
}

/* Down and up again many times: memory stays within what the load limit and the growth factor of two allow, besides
 * the old array of a table that is on its way into a new one. */
static void test_breathing(void **st) {
    (void)st;
    enum { HIGH = 15000, LOW = 500 };
    gomap *m = t_new(NULL);
    uint64_t low = 0, high = 0, most = 0;
    for (uint64_t round = 0; round < t_scale(60, 600); round++) {
        for (; high < low + HIGH; high++) t_put(m, high, t_mix(high));
        gomap_stats s = t_stats(m);
        if (s.bytes - s.bytes_moving > most) most = s.bytes - s.bytes_moving;
        assert_true(s.slots * 38 / 100 <= s.entries); /* grown by 2 at 0.80, less what quads round up */
        check_chains(m);
        for (; low < high - LOW; low++) assert_true(gomap_delete(m, &low));
        check_chains(m);
    }
    const uint64_t slot = 16 + 2; /* its bytes, and its share of metadata and links */
    if (most > HIGH * 100 / 38 * slot + 65536) fail_msg("%lu bytes", (unsigned long)most);
    T_VERIFY(m);
    gomap_free(m);
}

/* A queue at constant size for ten turnovers: sticky overflow bits and chains do not pile up. */
static void test_churn(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    uint64_t low = 0, high = 20000, turnover = t_scale(10, 100);
    t_fill(m, 0, high);
    gomap_stats before = t_stats(m);
    for (uint64_t i = 0; i < turnover * 20000; i++) {
        assert_true(gomap_delete(m, &low));
        low++;
        t_put(m, high, t_mix(high));
        high++;
        if (i % 4096 == 0) check_chains(m);
    }
    gomap_stats after = t_stats(m);
    assert_true(after.bytes <= before.bytes * 2);
    assert_int_equal(gomap_len(m), 20000);
    const struct gomap *r = t_raw(m);
    uint64_t bits = 0;
    for (uint64_t g = 0; g < r->ngroups; g++) bits += (uint64_t)__builtin_popcount(r->meta[g * 16 + 15]);
    T_VERIFY(m);
    gomap_free(m);
    /* Of 8: most misses end at their first group.  A quad with entries in the stash has all of them set, and with small
     * limits many have. */
    if (!after.stashed_ever) assert_true(bits <= after.groups * 2);
}

static uint64_t resident_bytes(void) {
    unsigned long size, resident;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &size, &resident), 2);
    fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* What the map says it gave back, the process has less. */
static void test_resident_memory_follows(void **st) {
    (void)st;
    gomap *m = filled_at_rest(400000);
    uint64_t full = resident_bytes(), bytes = t_stats(m).bytes;
    drain(m, RANDOM, 4000);
    while (gomap_work(m, 10000000)) continue;
    uint64_t gone = full - resident_bytes();
    assert_true(full > resident_bytes());
    assert_true(gone > bytes - bytes / 4);
    assert_true(t_stats(m).madvise_bytes + 65536 >= gone / 2);
    gomap_free(m);
}

/* clear(RELEASE) and free give all back; clear(KEEP) keeps. */
static void test_clear_gives_back(void **st) {
    (void)st;
    gomap *m = filled_at_rest(100000);
    gomap_stats full = t_stats(m);
    gomap_clear(m, GOMAP_KEEP);
    assert_int_equal(t_stats(m).slots, full.slots);
    t_fill(m, 0, 100000);
    assert_int_equal(t_stats(m).grows, full.grows); /* kept for refilling */
    gomap_clear(m, GOMAP_RELEASE);
    gomap_stats s = t_stats(m);
    assert_int_equal(s.slots, 0);
    assert_int_equal(s.reserved, 0);
    assert_true(s.bytes < 16384);
    gomap_free(m);
}

/* However large the slots: one delete hands back at most 64 KiB, by one call. */
static void returned_in_pieces(size_t value_size, bool in_order) {
    gomap_config c = GOMAP_CONFIG(sizeof(uint64_t), value_size);
    c.values = GOMAP_VALUES_INLINE;
    gomap *m = t_new(&c);
    unsigned char value[4096] = {1};
    uint64_t n = (4 << 20) / value_size, left = 0;
    for (uint64_t k = 0; k < n; k++) T_OK(gomap_put(m, &k, value));
    while (gomap_work(m, 10000000)) continue;
    uint64_t *keys = keys_in_table_order(m, &left);
    gomap_stats was = t_stats(m), begin = was;
    for (uint64_t i = 0; i < left; i++) {
        assert_true(gomap_delete(m, in_order ? &keys[i] : &keys[(i * 7919 + 5) % left]) || !in_order);
        gomap_stats is = t_stats(m);
        assert_true(is.madvise_bytes - was.madvise_bytes <= 64 << 10);
        assert_true(is.madvise_calls - was.madvise_calls <= 1);
        was = is;
    }
    assert_true(was.madvise_bytes - begin.madvise_bytes >= 1 << 20); /* it does come back */
    free(keys);
    T_VERIFY(m);
    gomap_free(m);
}

static void test_returns_in_pieces(void **st) {
    (void)st;
    static const size_t sizes[] = {8, 56, 1000, 4096};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        returned_in_pieces(sizes[i], true);
        returned_in_pieces(sizes[i], false);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_way_down),
        cmocka_unit_test(test_breathing),
        cmocka_unit_test(test_churn),
        cmocka_unit_test(test_clear_gives_back),
        cmocka_unit_test(test_returns_in_pieces),
        cmocka_unit_test(
            test_resident_memory_follows), /* last: a sanitizer's shadow and quarantine hide it */
    };
    return t_run("drain", tests, sizeof tests / sizeof *tests - t_sanitized());
}
