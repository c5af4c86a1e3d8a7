/* tests/unit/test_many.c - many maps in one process: what a small one weighs, and that large ones leave the kernel's
 * mappings to the rest of the program.
 *
 * A table with a reserved range costs up to six kernel mappings, of which a process may have vm.max_map_count.  Ranges
 * take at most a quarter of them; tables beyond are blocks, and work the same.  Mappings are counted in
 * /proc/self/maps.  Tables are made large by gomap_reserve, which touches little of them.
 */
#include "../support.h"

#include <stdio.h>

enum { MAPPINGS_A_RANGE = 6, ROOM = 60000 }; /* entries that want a range under any limits */

static uint64_t mappings(void) {
    FILE *f = fopen("/proc/self/maps", "re");
    uint64_t n = 0;
    assert_non_null(f);
    for (int c; (c = getc(f)) != EOF;) n += c == '\n';
    fclose(f);
    return n;
}

static uint64_t resident_bytes(void) {
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long long all, resident;
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%llu %llu", &all, &resident), 2);
    fclose(f);
    return resident * 4096;
}

static gomap **make_maps(uint64_t n) {
    gomap **m = calloc(n, sizeof *m);
    gomap_config c = t_config();
    assert_non_null(m);
    for (uint64_t i = 0; i < n; i++) T_OK(gomap_new(&c, &m[i]));
    return m;
}

static void free_maps(gomap **m, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) gomap_free(m[i]);
    free(m);
}

/* ---- small ones ---------------------------------------------------------------------------------------- */

/* Header, three slots and their metadata: no record of growth, no reservation, nothing by default. */
static void test_small_maps_weigh_little(void **st) {
    (void)st;
    uint64_t n = t_sanitized() ? 20000 : t_scale(100000, 1000000), before = resident_bytes();
    gomap **m = make_maps(n);
    for (uint64_t i = 0; i < n; i++)
        for (uint64_t k = 0; k < 3; k++) t_put(m[i], k, i + k);
    gomap_stats s = t_stats(m[n / 2]);
    assert_int_equal(s.bytes, 128 + 16 + 3 * 16);
    uint64_t each = (resident_bytes() - before) / n;
    print_message("# %llu maps of 3 entries: %llu resident bytes each\n", (unsigned long long)n,
                  (unsigned long long)each);
    if (!t_sanitized())
        assert_true(each < 400); /* with malloc's share, the registry's, and the pointer in m */
    for (uint64_t i = 0; i < n; i++) {
        bool found;
        for (uint64_t k = 0; k < 3; k++) assert_int_equal(t_get(m[i], k, &found), i + k);
    }
    free_maps(m, n);
}

static void test_middle_maps_need_no_mapping(void **st) {
    (void)st;
    uint64_t n = t_sanitized() ? 1000 : t_scale(5000, 100000), before = mappings();
    gomap **m = make_maps(n);
    for (uint64_t i = 0; i < n; i++) t_fill(m[i], i, 30 + i % 8 * 8);
    uint64_t took = mappings() - before;
    print_message("# %llu maps of 30 to 86 entries: %llu mappings\n", (unsigned long long)n,
                  (unsigned long long)took);
    assert_true(took < (t_sanitized() ? 4000 : 100));
    for (uint64_t i = 0; i < n; i += n / 50) T_VERIFY(m[i]);
    free_maps(m, n);
}

/* ---- large ones ---------------------------------------------------------------------------------------- */

static uint64_t with_range(gomap **m, uint64_t n) {
    uint64_t ranges = 0;
    for (uint64_t i = 0; i < n; i++) ranges += t_stats(m[i]).reserved != 0;
    return ranges;
}

static void test_ranges_leave_mappings_to_others(void **st) {
    (void)st;
    uint64_t bound = 0, before = mappings();
    T_OK(gomap_ctl(NULL, "policy.ranges_max", &bound, NULL));
    uint64_t n = bound + 50;
    gomap **m = make_maps(n);
    for (uint64_t i = 0; i < n; i++) T_OK(gomap_reserve(m[i], ROOM));
    uint64_t took = mappings() - before, ranges = with_range(m, n);
    print_message("# %llu maps with room for %d: %llu ranges, %llu mappings\n", (unsigned long long)n, ROOM,
                  (unsigned long long)ranges, (unsigned long long)took);
    assert_int_equal(ranges, bound);
    assert_true(took > bound); /* it was worth counting */
    if (!t_sanitized()) assert_true(took <= bound * MAPPINGS_A_RANGE + 200); /* a sanitizer maps its shadow beside them */
    for (uint64_t i = 0; i < n; i += n / 20) {
        t_fill(m[i], i, 100);
        T_VERIFY(m[i]);
    }
    free_maps(m, n);
    if (!t_sanitized()) assert_true(mappings() < before + 200);
}

/* Past the bound a table goes from block to block, back and forth; a range that is freed can be had again. */
static void test_past_the_bound_tables_are_blocks(void **st) {
    (void)st;
    uint64_t bound, two = 2, n = 4;
    T_OK(gomap_ctl(NULL, "policy.ranges_max", &bound, &two));
    gomap **m = make_maps(n);
    for (uint64_t i = 0; i < n; i++) t_fill(m[i], 0, ROOM);
    assert_in_range(with_range(m, n), 1, two); /* a stash may have taken the other */
    for (uint64_t i = 0; i < n; i++) {
        T_VERIFY(m[i]);
        uint64_t next = ROOM; /* another growth, and deletes in the middle of it */
        assert_true(t_until_walk(m[i], &next, 0.5, 4 * ROOM));
        for (uint64_t k = 0; k < next - 50; k++) assert_true(gomap_delete(m[i], &k));
        while (gomap_work(m[i], UINT64_MAX)) continue;
        T_VERIFY(m[i]);
        assert_true(t_stats(m[i]).slots < ROOM);
        for (uint64_t k = next - 50; k < next; k++) {
            bool found;
            assert_int_equal(t_get(m[i], k, &found), t_mix(k));
        }
    }
    free_maps(m, n);
    m = make_maps(1);
    t_fill(m[0], 0, ROOM);
    assert_int_equal(with_range(m, 1), 1);
    free_maps(m, 1);
    T_OK(gomap_ctl(NULL, "policy.ranges_max", NULL, &bound));
}

/* All head-room together is a quarter of the address space at most: it is there to be reserved, not to be had. */
static void test_reservations_are_bounded(void **st) {
    (void)st;
    uint64_t most = UINT64_C(1) << 45, sum = 0;
    enum { N = 40 };
    gomap **m = make_maps(N);
    for (int i = 0; i < N; i++) {
        T_OK(gomap_reserve(m[i], 1000000));
        sum += t_stats(m[i]).reserved;
    }
    assert_true(sum > 0 && sum < (sizeof(void *) == 4 ? UINT64_C(1) << 31 : most));
    free_maps(m, N);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_maps_weigh_little),
        cmocka_unit_test(test_middle_maps_need_no_mapping),
        cmocka_unit_test(test_ranges_leave_mappings_to_others),
        cmocka_unit_test(test_past_the_bound_tables_are_blocks),
        cmocka_unit_test(test_reservations_are_bounded),
    };
    return t_run("many", tests, sizeof tests / sizeof *tests);
}
