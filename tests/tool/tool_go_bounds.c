/* tool_go_bounds.c - what guesses about a Go heap may cost, when the heap is made to make them cost.
 *
 * A reader that invents memory as it is asked for it: headers of Swiss maps all of whose directories have thousands of tables,
 * no two of them in one block of the tool's cache.  The walk has a budget; guesses are paid from it.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "goruntime/goruntime.h"
#include "model/model.h"

enum { TABLES = 4096, TABLE_USED = 7, BUDGET = 20000, HEADER = 48 };
#define DIRECTORY UINT64_C(0x100000000)
#define HEADERS   UINT64_C(0x200000000)
#define TABLES_AT UINT64_C(0x10000000000)
#define APART     UINT64_C(0x8000000) /* tables: the blocks of all of them have one place in the cache */

/* The word at an address of the invented memory. */
static uint64_t word_at(uint64_t addr) {
    if (addr >= DIRECTORY && addr < DIRECTORY + 8 * TABLES) return TABLES_AT + (addr - DIRECTORY) / 8 * APART;
    if (addr >= HEADERS && addr < HEADERS + (1 << 30)) {
        static const uint64_t header[HEADER / 8] = {(uint64_t)TABLES * TABLE_USED, 0x1234567800000000,
                                                    DIRECTORY, TABLES, 12 | (64 - 12) << 8};
        return header[(addr - HEADERS) / 8 % (HEADER / 8)];
    }
    if (addr < TABLES_AT) return 0;
    uint64_t table = (addr - TABLES_AT) / APART, at = (addr - TABLES_AT) % APART;
    return at == 0 ? TABLE_USED | 8 << 16 | UINT64_C(12) << 48 : at == 8 ? table : 0;
}

#define SPANS UINT64_C(0x300000000)
#define SPAN  UINT64_C(0x100000)
enum { GROUP = 136 };

/* Map number i has i + 1 groups: no two look alike.  All of it lies in one object, its groups over its header. */
static uint64_t shapes_word_at(uint64_t addr) {
    uint64_t start = addr & ~(SPAN - 1), at = addr - start;
    const uint64_t directory = start + 48, table = start + 64;
    return at == 16             ? directory
           : at == 24           ? 1
           : addr == directory  ? table
           : addr == table + 16 ? start
           : addr == table + 24 ? (start - SPANS) / SPAN
                                : 0;
}

static enum ms_read invent(void *ctx, uint64_t addr, void *buf, size_t len) {
    uint8_t *to = buf;
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        uint64_t at = (addr + i) & ~UINT64_C(7),
                 w = at >= SPANS && at < TABLES_AT ? shapes_word_at(at) : word_at(at);
        to[i] = (uint8_t)(w >> (addr + i) % 8 * 8);
    }
    return MS_READ_OK;
}

static struct ms_reader reader = {.read = invent};

static struct ms_go *new_go(void) {
    struct ms_go *go = ms_alloc(sizeof *go);
    go->reader = &reader;
    go->layout = (struct ms_golayout){.swiss = true, .heap_bits = true, .map_header = HEADER};
    go->walk.budget = BUDGET;
    reader.calls = 0;
    return go;
}

static void free_go(struct ms_go *go) {
    ms_gotypes_close(go);
    ms_goheap_close(go);
    ms_gomem_close(go);
    free(go->found);
    free(go);
}

static void test_a_real_header_is_one_while_there_is_budget(void **state) {
    (void)state;
    struct ms_go *go = new_go();
    assert_true(ms_goguess_map(go, HEADERS));
    assert_in_range(go->walk.budget, BUDGET - 2 * TABLES, BUDGET - TABLES);
    free_go(go);
}

static void test_headers_without_end_cost_no_more_than_the_budget(void **state) {
    (void)state;
    struct ms_go *go = new_go();
    unsigned maps = 0;
    for (uint64_t i = 0; i < 40; i++) maps += ms_goguess_map(go, HEADERS + i * HEADER);
    print_message("%u maps, %" PRIu64 " reads\n", maps, reader.calls);
    assert_in_range(maps, BUDGET / TABLES - 1, BUDGET / TABLES);
    assert_in_range(reader.calls, BUDGET / 2, 2 * BUDGET);
    assert_int_equal(go->walk.budget, 0);
    free_go(go);
}

/* ---- shapes of tables ------------------------------------------------------------------------- */

static void add_found(struct ms_go *go, uint64_t i) {
    struct ms_goheap *h = &go->heap;
    uint64_t start = SPANS + i * SPAN, bytes = ms_go_allocated((i + 1) * GROUP, false, false);
    MS_ROOM(h->area, h->areas, h->room);
    h->area[h->areas++] =
        (struct ms_goarea){.start = start, .end = start + bytes, .elem = bytes, .noscan = true};
    MS_ROOM(go->found, go->founds, go->found_room);
    go->found[go->founds++] = (struct ms_gofound){.header = start};
}

static void look_at_shapes(struct ms_go *go, unsigned founds, bool pointers, unsigned types) {
    for (uint64_t i = 0; i < founds; i++) add_found(go, i);
    struct ms_error err;
    assert_int_equal(ms_goarea_order(go, &err), MS_OK);
    go->types.maps_listed = true;
    ms_gotid group = ms_gotype_at(go, 0x1000);
    *go->types.type[group] = (struct ms_gotype){
        .rtype = 0x1000, .kind = MS_GO_ARRAY, .size = GROUP, .pointers = pointers ? 8 : 0, .decoded = true};
    for (unsigned i = 0; i < types; i++) {
        uint64_t rtype = 0x2000 + i * 8;
        ms_gotid id = ms_gotype_at(go, rtype);
        *go->types.type[id] =
            (struct ms_gotype){.rtype = rtype, .kind = MS_GO_MAP, .group = group, .decoded = true};
        go->types.type[id]->map = (struct ms_gomaptype){.group_size = GROUP};
    }
    ms_goshape_types(go);
}

static void test_types_that_never_fit_are_paid_for(void **state) {
    (void)state;
    struct ms_go *go = new_go();
    look_at_shapes(go, 1000, true, 1000); /* a million questions */
    assert_int_equal(go->walk.budget, 0);
    free_go(go);
}

static void test_tables_of_which_each_looks_new_take_bounded_memory(void **state) {
    (void)state;
    struct ms_go *go = new_go();
    go->walk.budget = UINT64_MAX;
    go->layout.heap_bits = false;
    look_at_shapes(go, 6000, false, 1);
    size_t typed = 0;
    for (size_t i = 0; i < go->founds; i++) typed += go->found[i].type != 0;
    print_message("%zu maps got a type, there are %zu types\n", typed, go->types.count);
    assert_true(typed > 0 && go->types.count < 6000);
    free_go(go);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_real_header_is_one_while_there_is_budget),
    cmocka_unit_test(test_headers_without_end_cost_no_more_than_the_budget),
    cmocka_unit_test(test_types_that_never_fit_are_paid_for),
    cmocka_unit_test(test_tables_of_which_each_looks_new_take_bounded_memory),
};

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("tool_go_bounds", tests, NULL, NULL);
}
