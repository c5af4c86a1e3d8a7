/* tool_hostile.c - every field of the self-description, with every value that could hurt.
 *
 * This process makes real maps of all kinds and looks at itself with the tool's own parts (model,
 * view, out) through a reader that lies: what it reads is this process's memory, except that one
 * place is overlaid with another value, from the start or from some read on.  The overlay goes over
 * each 4- and 8-byte place of root, chunk, map, side, desc, node, flood and ring, so no field is
 * left out and new ones are included without being named.
 *
 * For each case: no crash, a bounded number of reads, a verdict; what is not damaged adds up; maps
 * whose memory was not lied about are shown exactly as without the lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gomap/classic.h"
#include "gomap/gomap.h"
#include "gomap/inspect.h"
#include "model/model.h"
#include "out/out.h"
#include "view/explain.h"
#include "view/view.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

extern struct gomap_root gomap_inspect_root_1;

/* A map that changes is looked at again after a pause; nothing changes by itself here. */
int nanosleep(const struct timespec *a, struct timespec *b) {
    (void)a, (void)b;
    return 0;
}

/* ---- the reader that lies ---------------------------------------------------------------------- */

enum { READS_MAX = 1000000 };
static struct lie {
    uint64_t at, value;
    uint32_t width;      /* 0: none */
    uint64_t from_read;  /* in force from this read on */
    uint64_t every;      /* in force at every n-th read only; 0, 1: at all */
    uint64_t gone_after; /* the target ends; 0: never */
} lie;
static uint64_t reads;
static int self_mem;

/* How a map, and its stash, were a moment ago: read instead of what is there now, until read number
 * `until`. */
static struct past {
    uint64_t until; /* 0: none */
    struct {
        uint64_t at;
        size_t size;
        uint8_t bytes[1024];
    } range[4];
    size_t ranges;
} past;

static void remember(const void *at, size_t size) {
    if (!at) return;
    assert_true(size <= sizeof past.range[0].bytes && past.ranges < 4);
    past.range[past.ranges].at = (uintptr_t)at;
    past.range[past.ranges].size = size;
    memcpy(past.range[past.ranges++].bytes, at, size);
}

static void overlay(uint64_t at, const void *bytes, size_t size, uint64_t addr, void *buf, size_t len) {
    for (size_t i = 0; i < size; i++)
        if (at + i >= addr && at + i < addr + len)
            ((uint8_t *)buf)[at + i - addr] = ((const uint8_t *)bytes)[i];
}

static enum ms_read lying_read(void *ctx, uint64_t addr, void *buf, size_t len) {
    (void)ctx;
    reads++;
    if (reads > READS_MAX) {
        print_error("more than %d reads: it runs in circles\n", READS_MAX);
        abort();
    }
    if (lie.gone_after && reads > lie.gone_after) return MS_READ_GONE;
    if (addr > INT64_MAX || pread(self_mem, buf, len, (off_t)addr) != (ssize_t)len) return MS_READ_FAULT;
    for (size_t i = 0; reads < past.until && i < past.ranges; i++)
        overlay(past.range[i].at, past.range[i].bytes, past.range[i].size, addr, buf, len);
    if (reads < lie.from_read || (lie.every > 1 && reads % lie.every)) return MS_READ_OK;
    for (uint32_t i = 0; i < lie.width; i++)
        if (lie.at + i >= addr && lie.at + i < addr + len)
            ((uint8_t *)buf)[lie.at + i - addr] = (uint8_t)(lie.value >> (8 * i));
    return MS_READ_OK;
}

static enum ms_read lying_resident(void *ctx, uint64_t addr, uint64_t len, uint64_t *res, uint64_t *swapped) {
    (void)ctx;
    if (addr + len < addr) return MS_READ_FAULT;
    *res = len, *swapped = 0;
    return MS_READ_OK;
}

/* ---- the world --------------------------------------------------------------------------------- */

enum { EMPTY, SMALL, STRINGS, WIDE, BLOCK, RANGE, GROWING_BLOCK, GROWING_RANGE, STASHED, MAPS };
static gomap *map[MAPS];
/* Classic maps follow: one bucket; chains; cells and a growth. */
enum { ONE_BUCKET = MAPS, CHAINS, CELLS_GROWING, ALL_MAPS };
static gomap_classic *classic[ALL_MAPS - MAPS];
static uintptr_t address[ALL_MAPS];
static struct ms_snapshot truth;

static struct gomap *raw(const gomap *m) { return (struct gomap *)(uintptr_t)m; }
static uint64_t same_hash(const void *key, void *ctx) {
    (void)ctx;
    return *(const uint64_t *)key / 400; /* long chains, and a stash */
}

static void put_until(gomap *m, uint64_t n, bool growing) {
    for (uint64_t k = gomap_len(m); k < 5000000; k++) {
        if (gomap_len(m) >= n && !growing) return;
        assert_int_equal(gomap_put(m, &k, NULL), GOMAP_OK);
        const struct gomap_side *s = raw(m)->side;
        if (growing && gomap_len(m) >= n && s && s->walk == GOMAP_WALK_GROW &&
            s->walk_quads_done * 3 > s->walk_quads_total)
            return;
    }
    fail();
}

static uint64_t four_buckets(const void *key, uint32_t seed, void *ctx) {
    uint64_t k;
    (void)seed, (void)ctx;
    memcpy(&k, key, sizeof k);
    return k << 40 | (k & 3);
}

static const struct gomap_classic *raw_classic(int i) {
    return (const struct gomap_classic *)(const void *)classic[i - MAPS];
}

static void make_classic_maps(void) {
    static const uint64_t entries[] = {5, 60, 200};
    for (int i = MAPS; i < ALL_MAPS; i++) {
        gomap_classic_config c = GOMAP_CLASSIC_CONFIG(i == CELLS_GROWING ? 200 : 8, 8);
        uint8_t key[200] = {0};
        if (i == CHAINS) c.hash = four_buckets;
        assert_int_equal(gomap_classic_new(&c, &classic[i - MAPS]), GOMAP_OK);
        for (uint64_t k = 0; k < entries[i - MAPS] || (i == CELLS_GROWING && !raw_classic(i)->h.oldbuckets);
             k++) {
            memcpy(key, &k, sizeof k);
            assert_int_equal(gomap_classic_put(classic[i - MAPS], key, NULL), GOMAP_OK);
        }
        address[i] = (uintptr_t)classic[i - MAPS];
    }
    assert_true(raw_classic(CHAINS)->overflow_count > 0);
}

static int make_world(void **state) {
    (void)state;
    static const uint64_t entries[MAPS] = {0, 9, 0, 300, 1000, 60000, 1200, 70000, 1000};
    self_mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    assert_true(self_mem >= 0);
    for (int i = 0; i < MAPS; i++) {
        gomap_config c = i == STRINGS ? GOMAP_CONFIG_STRING(8) : GOMAP_CONFIG(8, i == WIDE ? 200 : 8);
        if (i == STASHED) c.hash = same_hash;
        c.name = i == EMPTY ? NULL : "a map";
        assert_int_equal(gomap_new(&c, &map[i]), GOMAP_OK);
        if (i != STRINGS) put_until(map[i], entries[i], i == GROWING_BLOCK || i == GROWING_RANGE);
        address[i] = (uintptr_t)map[i];
    }
    make_classic_maps();
    for (uint64_t k = 0; k < 200; k++) {
        char text[32];
        gomap_str s = {text, (size_t)snprintf(text, sizeof text, "a string, number %d", (int)k)};
        assert_int_equal(gomap_put(map[STRINGS], &s, &k), GOMAP_OK);
    }
    static const int mode[MAPS] = {GOMAP_MODE_EMPTY, GOMAP_MODE_SMALL, GOMAP_MODE_BLOCK,
                                   GOMAP_MODE_BLOCK, GOMAP_MODE_BLOCK, GOMAP_MODE_RANGE,
                                   GOMAP_MODE_BLOCK, GOMAP_MODE_RANGE, GOMAP_MODE_BLOCK};
    for (int i = 0; i < MAPS; i++)
        if (raw(map[i])->mode != mode[i]) print_message("# map %d has mode %d\n", i, raw(map[i])->mode);
    assert_non_null(raw(map[STASHED])->side->stash);
    return 0;
}

/* ---- one look with everything the tool would do ------------------------------------------------ */

static struct ms_reader reader(void) {
    reads = 0;
    return (struct ms_reader){.read = lying_read, .resident = lying_resident};
}

static bool allowed(int status) {
    return status == MS_OK || status == MS_GONE || status == MS_UNCERTAIN || status == MS_USAGE;
}

static void check_figures(struct ms_map *m) {
    if (m->certainty == MS_DAMAGED) assert_non_null(m->doubt);
    ms_view_figures(m);
    assert_true(ms_map_sum(m) == m->bytes);
    assert_true(m->certainty == MS_EXACT || m->doubt);
    if (m->certainty != MS_DAMAGED) assert_true(m->waste <= m->bytes && m->rebuild_gain <= m->bytes);
    assert_true(m->load >= 0 && m->load < 1e18);
}

/* Render it in every format, into memory. */
static void render(struct ms_snapshot *s, struct ms_detail *d, struct ms_cells *c) {
    char *text = NULL;
    size_t len = 0;
    struct ms_error err = {""};
    struct ms_totals totals;
    struct ms_style style = {.width = 80, .utf8 = true, .colour = true};
    FILE *f = open_memstream(&text, &len);
    assert_non_null(f);
    ms_view_totals(s->map, s->maps, &totals);
    assert_int_equal(ms_view_sort(s->map, s->maps, "waste", &err), MS_OK);
    ms_table_list(f, &style, s->map, s->maps);
    ms_json_list(f, "list", s, &totals, s->map, s->maps, NULL);
    ms_html_list(f, s, &totals, s->map, s->maps);
    if (d && c) {
        struct ms_picture p = {.map = &d->map,
                               .target = &s->target,
                               .cells = c,
                               .groups = d->map.groups,
                               .split = d->split,
                               .lo_groups = d->lo_groups,
                               .two_arrays = d->two_arrays};
        ms_table_show(f, &style, s, d);
        ms_json_show(f, s, d, NULL, NULL, 0);
        if (c->count) {
            ms_halfblock_heat(f, &style, &p);
            ms_svg_heat(f, &p);
            ms_png_heat(f, &p, &err);
        }
        ms_html_show(f, s, d, c->count ? &p : NULL);
    }
    fclose(f);
    free(text);
}

/* Every byte of what is told can be explained; a million pieces are enough of any. */
static bool take_piece(void *ctx, const struct ms_piece *p) {
    static unsigned told;
    struct ms_place place;
    ms_view_place(ctx, p, p->addr, &place);
    assert_int_equal(place.offset, 0);
    ms_view_place(ctx, p, p->addr + p->len - 1, &place);
    assert_true(place.slot < (int)p->grid.slots || place.slot == p->slot);
    assert_true(place.len == 0 || place.at < place.len || place.in == MS_IN_TAG);
    return ++told % 1000000 != 0;
}

static void look_closer(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, bool draw) {
    static unsigned looks;
    struct ms_detail d;
    struct ms_cells c = {.count = 0}, other = {.count = 0};
    struct ms_group *g = NULL;
    struct ms_error err = {""};
    uint64_t bound;
    size_t n;
    int status = ms_map_detail(r, s, m, &d, &err);
    assert_true(allowed(status));
    assert_true(status == MS_OK || err.line[0]);
    if (status == MS_OK) {
        check_figures(&d.map);
        assert_true(allowed(ms_map_cells(r, s, &d.map, false, 0, UINT32_MAX, 500, &c, &bound, &err)));
        assert_true(c.count <= 500);
        assert_true(allowed(ms_map_cells(r, s, &d.map, true, 0, UINT32_MAX, 500, &other, &bound, &err)));
        if (looks++ % 4 == 0) assert_true(allowed(ms_map_pieces(r, s, &d.map, true, take_piece, &d.map, &err)));
        assert_true(allowed(ms_map_groups(r, s, &d.map, 1, 8, &g, &n, &err)));
        struct ms_map copy = d.map;
        assert_true(allowed(ms_map_resident(r, s, &copy, &err)));
        if (draw) render(s, &d, &c);
    }
    free(g);
    ms_cells_free(&c);
    ms_cells_free(&other);
    ms_detail_free(&d);
}

static bool same_map(const struct ms_map *a, const struct ms_map *b) {
    return a->entries == b->entries && a->slots == b->slots && a->groups == b->groups &&
           a->chained == b->chained && a->stashed == b->stashed &&
           memcmp(a->part, b->part, sizeof a->part) == 0 && a->grow_at == b->grow_at &&
           a->certainty == b->certainty && a->walk_done == b->walk_done;
}

static const struct ms_map *map_at(const struct ms_snapshot *s, uintptr_t addr) {
    for (size_t i = 0; i < s->maps; i++)
        if (s->map[i].addr == addr) return &s->map[i];
    return NULL;
}

/* Everything but `victim` (an index, or -1: all may suffer) must be as without the lie. */
static void compare_with_truth(const struct ms_snapshot *s, int victim) {
    assert_int_equal(s->copies, 1);
    for (int i = 0; i < ALL_MAPS; i++) {
        if (i == victim) continue;
        const struct ms_map *m = map_at(s, address[i]);
        assert_non_null(m);
        if (!same_map(m, map_at(&truth, address[i]))) {
            print_error("a lie at %#llx = %#llx (%u bytes) changed what is shown of map %d\n",
                        (unsigned long long)lie.at, (unsigned long long)lie.value, lie.width, i);
            fail();
        }
    }
}

static unsigned long cases, damaged, refused;

/* One case: victim -1: the lie is about the registry; -2: no comparison. */
static void one_case(int victim, bool draw) {
    struct ms_snapshot s;
    struct ms_error err = {""};
    struct ms_reader r = reader();
    bool is_root = false;
    ms_snapshot_init(&s);
    int status = ms_gomap_load(&r, (uintptr_t)&gomap_inspect_root_1, "image", true, &s, &is_root, &err);
    cases++;
    assert_true(allowed(status) && status != MS_USAGE);
    assert_true(status == MS_OK || err.line[0]);
    bool any = false;
    for (size_t i = 0; i < s.maps; i++) {
        any = any || s.map[i].certainty == MS_DAMAGED;
        check_figures(&s.map[i]);
        if (s.map[i].certainty != MS_EXACT) assert_true(s.uncertain);
    }
    damaged += any;
    refused += is_root && s.copies == 1 && !s.copy[0].readable;
    if (status == MS_OK && victim >= 0) compare_with_truth(&s, victim);
    for (size_t i = 0; i < s.maps; i++)
        if (victim < 0 ? i < 3 : s.map[i].addr == address[victim]) look_closer(&r, &s, &s.map[i], draw);
    if (draw) render(&s, NULL, NULL);
    ms_snapshot_free(&s);
}

/* ---- values ------------------------------------------------------------------------------------ */

/* The plain build tries every value; one with a sanitizer, twenty times as slow, every place with
 * some of them, unless it has the time. */
static unsigned share(void) {
    const char *s = getenv("GOMAP_TEST_LONG");
    bool longer = s && *s && strcmp(s, "0") != 0;
#ifdef __SANITIZE_ADDRESS__
    return longer ? 1 : 5;
#else
    (void)longer;
    return 1;
#endif
}

/* Every value for one place: limits, neighbours of what is there, addresses that lead in circles. */
static void try_place(int victim, const void *struct_at, size_t offset, uint32_t width) {
    const uint8_t *at = (const uint8_t *)struct_at + offset;
    uint64_t now = 0, self = (uintptr_t)struct_at;
    memcpy(&now, at, width);
    const uint64_t values[] = {0,
                               1,
                               UINT64_MAX,
                               INT64_MAX,
                               now + 1,
                               now - 1,
                               now ^ 1,
                               now * 2,
                               UINT64_C(1) << 31,
                               UINT64_C(1) << 32,
                               UINT64_C(1) << 40,
                               (UINT64_C(1) << 47) - 8,
                               UINT64_C(1) << 62,
                               self,
                               self + 4,
                               (uintptr_t)raw(map[SMALL]),
                               (uintptr_t)&truth,
                               now + 4096};
    static unsigned serial;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        if (width < 8 && i > 8 && (values[i] & UINT32_MAX) < 2) continue;
        lie = (struct lie){.at = (uintptr_t)at, .value = values[i], .width = width};
        static unsigned turn;
        if (turn++ % share()) continue;
        serial++;
        if (serial % 5 == 0) lie.every = 2 + serial % 3; /* a value that flickers */
        if (serial % 7 == 0) lie.from_read = serial % 11;
        one_case(victim, serial % 48 == 0);
    }
    lie = (struct lie){.width = 0};
}

static void try_struct(int victim, const void *at, size_t size) {
    for (size_t o = 0; o + 8 <= size; o += 8) try_place(victim, at, o, 8);
    for (size_t o = 0; o + 4 <= size; o += 4) try_place(victim, at, o, 4);
}

static void test_truth(void **state) {
    (void)state;
    struct ms_error err;
    bool is_root;
    struct ms_reader r = reader();
    ms_snapshot_init(&truth);
    assert_int_equal(
        ms_gomap_load(&r, (uintptr_t)&gomap_inspect_root_1, "image", true, &truth, &is_root, &err), MS_OK);
    assert_int_equal(truth.maps, ALL_MAPS);
    assert_false(truth.uncertain);
    for (int i = 0; i < MAPS; i++) {
        gomap_stats s = {.size = sizeof s};
        assert_int_equal(gomap_get_stats(map[i], &s), GOMAP_OK);
        assert_int_equal(map_at(&truth, address[i])->entries, s.entries);
        assert_int_equal(map_at(&truth, address[i])->bytes, s.bytes);
        one_case(i, true);
    }
    for (int i = MAPS; i < ALL_MAPS; i++) {
        gomap_classic_stats s = {.size = sizeof s};
        assert_int_equal(gomap_classic_get_stats(classic[i - MAPS], &s), GOMAP_OK);
        assert_int_equal(map_at(&truth, address[i])->entries, s.entries);
        assert_int_equal(map_at(&truth, address[i])->bytes, s.bytes);
        one_case(i, true);
    }
}

static void test_root(void **state) {
    (void)state;
    refused = 0;
    try_struct(-1, &gomap_inspect_root_1, sizeof gomap_inspect_root_1);
    assert_true(refused > 50 / share()); /* version and sizes that are not ours */
}

static void test_chunk(void **state) {
    (void)state;
    const struct gomap_chunk *c = gomap_inspect_root_1.chunks;
    try_struct(-1, c, offsetof(struct gomap_chunk, entry) + (ALL_MAPS + 1) * sizeof c->entry[0]);
    try_place(-1, c, offsetof(struct gomap_chunk, entry) + 253 * sizeof c->entry[0], 8);
}

static void test_maps(void **state) {
    (void)state;
    damaged = 0;
    for (int i = 0; i < MAPS; i++) {
        try_struct(i, map[i], sizeof(struct gomap));
        for (size_t o = offsetof(struct gomap, mode); o < sizeof(struct gomap); o++)
            try_place(i, map[i], o, 1);
    }
    assert_true(damaged > 500 / share());
}

static void test_sides(void **state) {
    (void)state;
    damaged = 0;
    static const int with_side[] = {STRINGS, RANGE, GROWING_BLOCK, GROWING_RANGE, STASHED};
    for (size_t i = 0; i < sizeof with_side / sizeof *with_side; i++) {
        const struct gomap_side *s = raw(map[with_side[i]])->side;
        assert_non_null(s);
        for (size_t o = 0; o < sizeof *s; o += 8) try_place(with_side[i], s, o, 8);
        try_place(with_side[i], s, offsetof(struct gomap_side, walk), 4);
    }
    assert_true(damaged > 100 / share());
}

static void test_descs(void **state) {
    (void)state;
    try_struct(-1, raw(map[STRINGS])->desc, sizeof(struct gomap_desc));
    try_struct(-1, raw(map[STASHED])->desc, sizeof(struct gomap_desc));
}

static void test_stash(void **state) {
    (void)state;
    const struct gomap *stash = raw(map[STASHED])->side->stash;
    try_struct(STASHED, stash, sizeof *stash);
    if (stash->side)
        for (size_t o = 0; o < sizeof *stash->side; o += 8) try_place(STASHED, stash->side, o, 8);
    if (stash->side && stash->side->flood)
        try_struct(STASHED, stash->side->flood, sizeof(struct gomap_flood));
}

static void test_links_and_nodes(void **state) {
    (void)state;
    const struct gomap *m = raw(map[STASHED]);
    unsigned nodes = 0;
    assert_non_null(m->links);
    for (uint64_t q = 0; q < gomap_inspect_quads(m->ngroups) && nodes < 3; q++) {
        const struct gomap_node *n = (const struct gomap_node *)(m->links[q] & ~(uintptr_t)1);
        if (!n) continue;
        nodes++;
        try_place(STASHED, &m->links[q], 0, 8);
        try_struct(STASHED, n, sizeof *n);
    }
    assert_true(nodes > 0);
}

static void test_classic_maps(void **state) {
    (void)state;
    damaged = 0;
    for (int i = MAPS; i < ALL_MAPS; i++) {
        const struct gomap_classic *c = raw_classic(i);
        try_struct(i, c, sizeof *c);
        for (size_t o = offsetof(struct gomap_hmap, flags); o < 12; o++) try_place(i, c, o, 1);
        try_struct(-1, c->desc, sizeof *c->desc);
    }
    assert_true(damaged > 300 / share());
    /* overflow words of a chain: circles and nowhere */
    const struct gomap_classic *c = raw_classic(CHAINS);
    for (const uint8_t *b = c->h.buckets, *next; b; b = next) {
        memcpy(&next, b + c->desc->overflow_off, sizeof next);
        try_place(CHAINS, b, c->desc->overflow_off, 8);
        try_place(CHAINS, b, 0, 8);
    }
}

static void test_ring(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) try_struct(-2, &gomap_inspect_root_1.ring[i], sizeof(struct gomap_event));
}

/* The target ends after read number n, for every n: MS_GONE, or done already. */
static void test_gone_at_every_read(void **state) {
    (void)state;
    lie = (struct lie){.width = 0};
    one_case(STASHED, true);
    uint64_t all = reads;
    for (uint64_t n = 1; n < all; n++) {
        lie = (struct lie){.gone_after = n};
        one_case(-2, false);
        lie = (struct lie){.gone_after = n};
        one_case(STASHED, false);
    }
    lie = (struct lie){.width = 0};
}

static void load_all(struct ms_snapshot *s) {
    struct ms_error err;
    struct ms_reader r = reader();
    bool is_root;
    ms_snapshot_init(s);
    assert_int_equal(ms_gomap_load(&r, (uintptr_t)&gomap_inspect_root_1, "image", true, s, &is_root, &err),
                     MS_OK);
}

/* The map changes before read number k, for every k: what is called exact is the old state or the
 * new one, never a bit of each. */
static void tear(gomap *m) {
    struct ms_snapshot before, after, now;
    unsigned exact = 0, old = 0;
    load_all(&before);
    past = (struct past){.until = 0};
    const struct gomap *stash = raw(m)->side ? raw(m)->side->stash : NULL;
    remember(raw(m), sizeof *raw(m));
    remember(raw(m)->side, sizeof *raw(m)->side);
    remember(stash, sizeof *stash);
    remember(stash ? stash->side : NULL, sizeof *stash->side);
    uint64_t grows = raw(m)->side ? raw(m)->side->counters.grows : 0, key = UINT64_C(1) << 40;
    uint32_t seq = raw(m)->seq;
    assert_int_equal(seq & 1, 0);
    while (raw(m)->seq == seq || !raw(m)->side || raw(m)->side->counters.grows == grows) {
        assert_int_equal(gomap_put(m, &key, NULL), GOMAP_OK);
        key += m == map[STASHED] ? 400 : 1; /* its hash is of 400 keys the same */
    }
    load_all(&after);
    uint64_t all = reads;
    const struct ms_map *a = map_at(&before, (uintptr_t)m), *b = map_at(&after, (uintptr_t)m);
    assert_false(same_map(a, b));
    for (uint64_t k = 1; k <= all + 2; k++) {
        past.until = k;
        load_all(&now);
        const struct ms_map *x = map_at(&now, (uintptr_t)m);
        assert_non_null(x);
        if (x->certainty == MS_DAMAGED || (x->certainty == MS_EXACT && !same_map(x, a) && !same_map(x, b))) {
            print_error("torn before read %llu: %llu entries, %llu bytes\n", (unsigned long long)k,
                        (unsigned long long)x->entries, (unsigned long long)x->bytes);
            fail();
        }
        exact += x->certainty == MS_EXACT;
        old += same_map(x, a);
        ms_snapshot_free(&now);
    }
    assert_true(exact >= all && old > 0 && old <= all); /* a tear is mended by reading again */
    past = (struct past){.until = 0};
    ms_snapshot_free(&before);
    ms_snapshot_free(&after);
}

static void test_tears(void **state) {
    (void)state;
    static const int torn[] = {EMPTY, SMALL, BLOCK, RANGE, GROWING_BLOCK, GROWING_RANGE, WIDE, STASHED};
    for (size_t i = 0; i < sizeof torn / sizeof *torn; i++)
        for (int again = 0; again < 3; again++) tear(map[torn[i]]);
}

/* Bytes at random, many at once, in structs chosen at random; replayed by the seed. */
static void test_random_lies(void **state) {
    (void)state;
    const char *replay = getenv("GOMAP_TEST_SEED");
    uint64_t x = replay ? strtoull(replay, NULL, 0) : (uint64_t)time(NULL);
    print_message("# seed %llu\n", (unsigned long long)x);
    for (int i = 0; i < (int)(3000 / share()); i++) {
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        int victim = (int)((x >> 33) % MAPS);
        const struct gomap *m = raw(map[victim]);
        bool side = m->side && (x >> 40 & 1);
        uint64_t base = side ? (uintptr_t)m->side : (uintptr_t)m, size = side ? sizeof *m->side : sizeof *m;
        lie = (struct lie){.at = base + (x >> 20) % size / 2,
                           .value = x ^ x >> 7,
                           .width = 1 + (x >> 50) % 8,
                           .every = (x >> 55) % 4};
        one_case(victim, false);
    }
    lie = (struct lie){.width = 0};
    print_message("# %lu cases in all\n", cases);
}

/* ---- batches of reads -------------------------------------------------------------------------- */

/* Items of 128 bytes, `step` bytes apart, from the first or from the last: read whole, in how many calls? */
static uint64_t batch_calls(uint64_t step, bool backwards) {
    enum { N = 1000, LEN = 128 };
    static uint8_t memory[N * 5000];
    static uint8_t got[N][LEN];
    struct ms_batch_item item[N];
    struct ms_buffer b = {.data = memory, .len = (N - 1) * step + LEN, .base = 0x10000};
    struct ms_reader r;
    assert_true(b.len <= sizeof memory);
    for (size_t i = 0; i < b.len; i++) memory[i] = (uint8_t)(i * 2654435761u >> 13);
    memset(got, 0, sizeof got);
    for (size_t i = 0; i < N; i++) {
        uint64_t place = backwards ? N - 1 - i : i;
        item[i] = (struct ms_batch_item){.addr = b.base + place * step, .len = LEN, .buf = got[place]};
    }
    ms_buffer_reader(&r, &b);
    assert_int_equal(ms_read_batch(&r, item, N), MS_READ_OK);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(item[i].status, MS_READ_OK);
        assert_memory_equal(got[i], memory + i * step, LEN);
    }
    return r.calls;
}

static void test_neighbours_are_read_together(void **state) {
    (void)state;
    assert_true(batch_calls(128, false) <= 128000 / 65536 + 1);
    assert_true(batch_calls(1000, false) <= 1000000 / (65536 - 1000) + 1);
    assert_true(batch_calls(1000, true) == batch_calls(1000, false)); /* the order given does not matter */
    assert_true(batch_calls(4000, false) <= 4000000 / (65536 - 4000) + 1);
    assert_int_equal(batch_calls(4096 + 128, false), 1000); /* a page that may be missing lies between */
}

static void test_a_hole_costs_only_its_items(void **state) {
    (void)state;
    uint8_t memory[3000], got[4][100];
    for (size_t i = 0; i < sizeof memory; i++) memory[i] = (uint8_t)(i * 7);
    struct ms_buffer b = {.data = memory, .len = sizeof memory, .base = 0x10000};
    struct ms_reader r;
    ms_buffer_reader(&r, &b);
    /* the last two lie partly, and wholly, behind the end; one wraps round the address space */
    uint64_t at[4] = {0x10000 + 2800, 0x10000 + 2950, 0x10000 + 4000, UINT64_MAX - 50};
    struct ms_batch_item item[4];
    for (int i = 0; i < 4; i++) item[i] = (struct ms_batch_item){.addr = at[i], .len = 100, .buf = got[i]};
    assert_int_equal(ms_read_batch(&r, item, 4), MS_READ_OK);
    assert_int_equal(item[0].status, MS_READ_OK);
    assert_memory_equal(got[0], memory + 2800, 100);
    for (int i = 1; i < 4; i++) assert_int_equal(item[i].status, MS_READ_FAULT);
}

static int end_world(void **state) {
    (void)state;
    for (int i = 0; i < MAPS; i++) gomap_free(map[i]);
    for (int i = MAPS; i < ALL_MAPS; i++) gomap_classic_free(classic[i - MAPS]);
    ms_snapshot_free(&truth);
    close(self_mem);
    return 0;
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truth),
        cmocka_unit_test(test_root),
        cmocka_unit_test(test_chunk),
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_sides),
        cmocka_unit_test(test_descs),
        cmocka_unit_test(test_stash),
        cmocka_unit_test(test_links_and_nodes),
        cmocka_unit_test(test_classic_maps),
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_gone_at_every_read),
        cmocka_unit_test(test_random_lies),
        cmocka_unit_test(test_tears),
        cmocka_unit_test(test_neighbours_are_read_together),
        cmocka_unit_test(test_a_hole_costs_only_its_items),
    };
    return cmocka_run_group_tests_name("hostile", tests, make_world, end_world) == 0 ? 0 : 1;
}
