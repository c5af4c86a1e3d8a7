/* fuzz_inspect.c - the model, the views and the outputs of mapscope over a target that lies.
 *
 * A small world of gomap structs (all table modes, a stash, chains, walks, classic maps, a flight recorder) lies
 * in one static block.  The input is a list of lies told about it: a place, a value, and when
 * (always, from some read on, at every n-th read), so what is read may differ between two looks.
 * Pointers are given as offsets into the block, so an input means the same wherever the block lies.
 * Everything the verbs do with a snapshot is done with it.
 *
 * Limits, as findings: 10^6 reads an input; libFuzzer's -timeout and -rss_limit_mb do the rest.
 * Checked beside "does not crash": statuses are among those a verb may return, parts sum to bytes,
 * unsure figures are marked.
 */
#include "gomap/inspect.h"
#include "model/model.h"
#include "out/out.h"
#include "view/explain.h"
#include "view/view.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SLOT = 16,
    BUCKET = 144,
    GROUPS = 24,
    MAPS = 7,
    CLASSIC = 2,
    READS_MAX = 1000000,
    LIES_MAX = 24,
    CELLS = 300
};

static struct world {
    struct gomap_root root;
    struct gomap_chunk chunk[2];
    struct gomap map[MAPS], stash;
    struct gomap_side side[MAPS + 1];
    struct gomap_desc desc[2];
    struct gomap_node node[4][8];
    struct gomap_flood flood[2];
    struct gomap_classic classic[CLASSIC];
    struct gomap_classic_desc classic_desc;
    struct gomap_event ring[64];
    char text[64];
    uint8_t chain[3][BUCKET];
    _Alignas(64) uint8_t table[MAPS][16384], other[8192], buckets[CLASSIC + 1][16 * BUCKET];
} w;

static struct lie {
    uint64_t at, value;
    uint8_t width, from_read, every;
} lie[LIES_MAX];
static size_t lies;
static int drawn; /* outputs too: they cost more than all the rest */
static uint64_t reads, gone_after;

/* Nothing changes while a reader waits. */
int nanosleep(const struct timespec *a, struct timespec *b) {
    (void)a, (void)b;
    return 0;
}

static enum ms_read fake_read(void *ctx, uint64_t addr, void *buf, size_t len) {
    (void)ctx;
    uint64_t base = (uintptr_t)&w;
    if (++reads > READS_MAX) abort();
    if (gone_after && reads > gone_after) return MS_READ_GONE;
    if (addr < base || addr - base > sizeof w || len > sizeof w - (addr - base)) return MS_READ_FAULT;
    memcpy(buf, (const uint8_t *)&w + (addr - base), len);
    for (size_t i = 0; i < lies; i++) {
        if (reads < lie[i].from_read || (lie[i].every > 1 && reads % lie[i].every)) continue;
        for (uint64_t k = 0; k < lie[i].width; k++)
            if (lie[i].at + k >= addr && lie[i].at + k < addr + len)
                ((uint8_t *)buf)[lie[i].at + k - addr] = (uint8_t)(lie[i].value >> (8 * k));
    }
    return MS_READ_OK;
}

static enum ms_read fake_resident(void *ctx, uint64_t addr, uint64_t len, uint64_t *res, uint64_t *swapped) {
    (void)ctx, (void)addr;
    *res = len / 2, *swapped = len - len / 2;
    return ++reads > READS_MAX ? MS_READ_GONE : MS_READ_OK;
}

/* ---- the world --------------------------------------------------------------------------------- */

static void fill_groups(uint8_t *meta, unsigned groups, unsigned live) {
    for (unsigned g = 0; g < groups; g++)
        for (unsigned i = 0; i < live; i++) meta[16 * g + i] = (uint8_t)(g * 7 + i + 1) | 1;
}

static void block(struct gomap *m, uint8_t *table, const struct gomap_desc *d, unsigned groups,
                  unsigned live) {
    m->mode = GOMAP_MODE_BLOCK, m->cap = 15, m->ngroups = groups, m->meta = table;
    m->links = (uintptr_t *)(void *)(table + gomap_inspect_quads(groups) * 64);
    m->slots = table + gomap_inspect_block_off(d, groups);
    m->count = (uint64_t)groups * live, m->limit = m->count + 9;
    fill_groups(table, groups, live);
}

static void range(struct gomap *m, struct gomap_side *s, uint8_t *table, unsigned groups, unsigned live) {
    m->mode = GOMAP_MODE_RANGE, m->cap = 15, m->ngroups = groups, m->meta = table;
    m->links = (uintptr_t *)(void *)(table + 1024);
    m->slots = table + 2048;
    m->count = (uint64_t)groups * live;
    s->range_base = table, s->range_bytes = sizeof w.table[0];
    s->hi_bytes = 2048 + (uint64_t)groups * 15 * SLOT;
    fill_groups(table, groups, live);
}

static void make_maps(void) {
    const struct gomap_desc *d = &w.desc[0];
    struct gomap *m = w.map;
    m[0].ngroups = 1, m[0].meta = w.table[0];                                     /* empty */
    m[1].mode = GOMAP_MODE_SMALL, m[1].cap = 6, m[1].ngroups = 1, m[1].count = 4; /* small */
    m[1].meta = w.table[1], m[1].slots = w.table[1] + gomap_inspect_small_off(d);
    fill_groups(m[1].meta, 1, 4);
    block(&m[2], w.table[2], d, GROUPS, 11); /* chains */
    m[2].links[1] = (uintptr_t)w.node[0], m[2].links[3] = (uintptr_t)w.node[2];
    w.node[0][0].next = w.node[1];
    for (int i = 0; i < 3; i++) memset(w.node[i][0].tag, 9, 2);
    w.side[2].nodes = 3, w.side[2].chained = 6, w.side[2].loose_bytes = 400, w.side[2].node_bytes = 240;
    m[2].count += 6;
    block(&m[3], w.table[3], d, GROUPS, 9); /* a stash with a flood list */
    m[3].links[0] = 1;
    w.stash.mode = GOMAP_MODE_SMALL, w.stash.cap = 4, w.stash.ngroups = 1, w.stash.count = 3;
    w.stash.meta = w.table[3] + 12288, w.stash.slots = w.stash.meta + gomap_inspect_small_off(d);
    w.stash.desc = d, w.stash.cookie = GOMAP_COOKIE_STASH, w.stash.side = &w.side[MAPS];
    w.side[MAPS].size = sizeof w.side[0], w.side[MAPS].flood = w.flood, w.side[MAPS].flood_count = 1;
    w.side[3].stash = &w.stash, m[3].count += 3;
    block(&m[4], w.table[4], d, GROUPS, 3); /* growing between two blocks */
    w.side[4].walk = GOMAP_WALK_GROW, w.side[4].lo_ngroups = 16, w.side[4].lo_meta = w.other;
    w.side[4].lo_links = (uintptr_t *)(void *)(w.other + 256), w.side[4].lo_slots = w.other + 512;
    w.side[4].lo_bytes = 4352, w.side[4].walk_quads_done = 2, w.side[4].walk_quads_total = 4;
    m[4].split = UINT64_C(1) << 63, m[4].count += 60;
    fill_groups(w.other, 8, 7);
    range(&m[5], &w.side[5], w.table[5], 40, 8); /* shrinking in place */
    w.side[5].walk = GOMAP_WALK_SHRINK, w.side[5].lo_ngroups = 20, w.side[5].lo_meta = m[5].meta;
    w.side[5].lo_links = m[5].links, w.side[5].lo_slots = m[5].slots;
    w.side[5].walk_quads_done = 1, w.side[5].walk_quads_total = 10, m[5].split = UINT64_C(1) << 60;
    range(&m[6], &w.side[6], w.table[6], 48, 12);
    m[6].desc = &w.desc[1];
    w.side[6].arena_bytes = 9000, w.side[6].string_bytes = 5000, w.side[6].cell_bytes = 3000;
}

static void fill_buckets(uint8_t *b, unsigned n, unsigned live) {
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < live; k++) b[i * BUCKET + k] = (uint8_t)(GOMAP_TOP_MIN + i + k);
}

/* One with a chain of three, one growing from 4 buckets to 8. */
static void make_classic_maps(void) {
    struct gomap_classic *c = w.classic;
    w.classic_desc = (struct gomap_classic_desc){.size = sizeof w.classic_desc,
                                                 .flags = GOMAP_CF_REFLEXIVE,
                                                 .key_size = 8,
                                                 .key_align = 8,
                                                 .elem_size = 8,
                                                 .elem_align = 8,
                                                 .key_slot = 8,
                                                 .elem_slot = 8,
                                                 .elem_off = 72,
                                                 .overflow_off = 136,
                                                 .bucket_size = BUCKET,
                                                 .key_name = w.text + 17,
                                                 .elem_name = w.text + 26,
                                                 .site = w.text + 7};
    for (int i = 0; i < CLASSIC; i++) {
        uint32_t at = MAPS + (uint32_t)i;
        w.chunk[1].entry[at] = (struct gomap_chunk_entry){
            .map = (struct gomap *)(void *)&c[i], .gen = 1, .kind = GOMAP_KIND_CLASSIC};
        c[i].id = UINT64_C(1) << 32 | (GOMAP_CHUNK_ENTRIES + at + 1);
        c[i].cookie = GOMAP_COOKIE_CLASSIC, c[i].size = sizeof c[i], c[i].desc = &w.classic_desc;
        c[i].h.B = (uint8_t)(2 + i), c[i].h.buckets = w.buckets[i], c[i].array_buckets = 4u << i;
        c[i].array_bytes = c[i].array_buckets * BUCKET + 96, c[i].name = w.text;
    }
    fill_buckets(w.buckets[0], 4, 8);
    fill_buckets(w.chain[0], 3, 8);
    for (int i = 0; i < 3; i++) {
        uint8_t *to = w.chain[i], *from = i ? w.chain[i - 1] : w.buckets[0] + BUCKET;
        memcpy(from + w.classic_desc.overflow_off, &to, sizeof to);
    }
    c[0].h.count = 56, c[0].overflow_count = 3, c[0].h.noverflow = 3;
    fill_buckets(w.buckets[1], 2, 5); /* old bucket 0 is evacuated, 1 .. 3 are not */
    fill_buckets(w.buckets[CLASSIC], 4, 7);
    memset(w.buckets[CLASSIC], GOMAP_TOP_EVACUATED_X, 8);
    c[1].h.oldbuckets = w.buckets[CLASSIC], c[1].old_array_buckets = 4, c[1].old_bytes = 4 * BUCKET + 96;
    c[1].h.count = 31, c[1].h.nevacuate = c[1].old_evacuated = 1, c[1].cell_bytes = 300,
    c[1].held_bytes = 700;
}

static void make_world(void) {
    memset(&w, 0, sizeof w);
    memcpy(w.text, "a name\0site.c:12\0uint64_t\0double", 33);
    for (int i = 0; i < 2; i++)
        w.desc[i] = (struct gomap_desc){.size = sizeof w.desc[0],
                                        .flags = i ? GOMAP_F_STR : 0,
                                        .key_size = 8,
                                        .key_align = 8,
                                        .val_size = 8,
                                        .val_align = 8,
                                        .slot_size = SLOT,
                                        .slot_key_size = 8,
                                        .val_off = 8,
                                        .slot_val_size = 8,
                                        .node_off = 16,
                                        .node_size = 80,
                                        .slot_align = 8,
                                        .key_name = w.text + 17,
                                        .val_name = w.text + 26,
                                        .site = w.text + 7,
                                        .next = i ? NULL : &w.desc[1]};
    for (uint32_t i = 0; i < MAPS; i++) {
        struct gomap_chunk *c = &w.chunk[i > 4];
        uint32_t at = i > 4 ? i - 5 : i;
        w.map[i].desc = &w.desc[0], w.map[i].cookie = GOMAP_COOKIE;
        w.map[i].id = UINT64_C(1) << 32 | ((i > 4 ? GOMAP_CHUNK_ENTRIES : 0) + at + 1);
        c->entry[at] = (struct gomap_chunk_entry){.map = &w.map[i], .gen = 1};
        if (i < 2) continue;
        w.map[i].side = &w.side[i];
        w.side[i].size = sizeof w.side[i], w.side[i].name = w.text, w.side[i].grow_at = 400;
    }
    w.chunk[0].next = &w.chunk[1], w.chunk[1].base = GOMAP_CHUNK_ENTRIES;
    make_maps();
    make_classic_maps();
    for (uint64_t i = 0; i < 5; i++)
        w.ring[i] = (struct gomap_event){.ticket = i + 1, .map_id = w.map[2].id, .kind = (uint32_t)(1 + i)};
    w.root = (struct gomap_root){.magic = GOMAP_INSPECT_MAGIC,
                                 .version = GOMAP_INSPECT_VERSION,
                                 .size = sizeof w.root,
                                 .pointer_bytes = sizeof(void *),
                                 .map_size = sizeof w.map[0],
                                 .side_size = sizeof w.side[0],
                                 .desc_size = sizeof w.desc[0],
                                 .node_size = sizeof w.node[0][0],
                                 .chunk_size = sizeof w.chunk[0],
                                 .event_size = sizeof w.ring[0],
                                 .chunk_entries = GOMAP_CHUNK_ENTRIES,
                                 .pid_started = 1,
                                 .self = (uintptr_t)&w.root,
                                 .chunks = w.chunk,
                                 .descs = w.desc,
                                 .ring = w.ring,
                                 .ring_events = 64,
                                 .ring_head = 5,
                                 .maps_made = MAPS,
                                 .library = "fuzz"};
}

/* ---- the input --------------------------------------------------------------------------------- */

/* A lie is 14 bytes: place 3, how 1, from read 1, every 1, value 8 (or an offset into the world). */
static void take_lies(const uint8_t *data, size_t size) {
    lies = 0;
    gone_after = 0;
    drawn = size && (data[0] & 3) == 0;
    if (size && data[0] & 0x80) gone_after = 1u + (data[0] & 0x7f) * 3u;
    for (size_t at = 1; at + 14 <= size && lies < LIES_MAX; at += 14) {
        const uint8_t *d = data + at;
        struct lie *l = &lie[lies++];
        uint32_t place = (uint32_t)d[0] | (uint32_t)d[1] << 8 | (uint32_t)d[2] << 16;
        /* mostly the structs, seldom the tables behind them */
        uint64_t span = d[3] & 0x40 ? sizeof w : offsetof(struct world, table);
        l->width = (uint8_t)(1u << (d[3] & 3));
        l->at = (uintptr_t)&w + place % span / l->width * l->width;
        memcpy(&l->value, d + 6, 8);
        if (d[3] & 4) l->value = (uintptr_t)&w + l->value % sizeof w;
        if (d[3] & 8) l->value = -(l->value & 0xff);
        l->from_read = d[4], l->every = d[5] & 7;
    }
}

static void require(int holds) {
    if (!holds) abort();
}

static int verb_status(int s) { return s == MS_OK || s == MS_GONE || s == MS_UNCERTAIN || s == MS_USAGE; }

static void check_map(struct ms_map *m) {
    ms_view_figures(m);
    require(ms_map_sum(m) == m->bytes);
    require(m->certainty == MS_EXACT || m->doubt);
}

static void draw(FILE *f, struct ms_snapshot *s, struct ms_detail *d, struct ms_cells *c) {
    struct ms_style style = {.width = 80, .utf8 = true, .colour = true};
    struct ms_error err;
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

static bool take_piece(void *ctx, const struct ms_piece *p) {
    static unsigned told;
    struct ms_place place;
    ms_view_place(ctx, p, p->addr, &place);
    ms_view_place(ctx, p, p->addr + p->len - 1, &place);
    require(place.slot < (int)p->grid.slots || place.slot == p->slot);
    return ++told % 100000 != 0;
}

static void look_closer(struct ms_reader *r, struct ms_snapshot *s, struct ms_map *m, FILE *f) {
    struct ms_detail d;
    struct ms_cells c = {.count = 0}, other = {.count = 0};
    struct ms_group *g = NULL;
    struct ms_error err = {""};
    uint64_t bound;
    size_t n;
    int status = ms_map_detail(r, s, m, &d, &err);
    require(verb_status(status) && (status == MS_OK || err.line[0]));
    if (status == MS_OK) {
        check_map(&d.map);
        require(verb_status(ms_map_cells(r, s, &d.map, false, 0, UINT32_MAX, CELLS, &c, &bound, &err)));
        require(verb_status(ms_map_cells(r, s, &d.map, true, 0, UINT32_MAX, CELLS, &other, &bound, &err)));
        require(c.count <= CELLS && other.count <= CELLS);
        require(verb_status(ms_map_groups(r, s, &d.map, 2, 7, &g, &n, &err)));
        require(verb_status(ms_map_pieces(r, s, &d.map, true, take_piece, &d.map, &err)));
        struct ms_map copy = d.map;
        require(verb_status(ms_map_resident(r, s, &copy, &err)));
        if (drawn) draw(f, s, &d, &c);
    }
    free(g);
    ms_cells_free(&c);
    ms_cells_free(&other);
    ms_detail_free(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static FILE *sink;
    struct ms_reader r = {.read = fake_read, .resident = fake_resident};
    struct ms_snapshot s;
    struct ms_totals totals;
    struct ms_error err = {""};
    bool is_root;
    if (!sink) {
        sink = fopen("/dev/null", "w");
        require(sink != NULL);
        make_world();
    }
    take_lies(data, size);
    reads = 0;
    ms_snapshot_init(&s);
    int status = ms_gomap_load(&r, (uintptr_t)&w.root, "image", true, &s, &is_root, &err);
    require(status == MS_OK || (status == MS_GONE && err.line[0]));
    require(size >= 15 || gone_after ||
            (s.maps == MAPS + CLASSIC && !s.uncertain)); /* the world itself is sound */
    for (size_t i = 0; i < s.maps; i++) {
        check_map(&s.map[i]);
        require(s.map[i].certainty == MS_EXACT || s.uncertain);
    }
    for (size_t i = 0; i < s.maps && i < 12; i++) look_closer(&r, &s, &s.map[i], sink);
    ms_view_totals(s.map, s.maps, &totals);
    if (drawn) {
        ms_json_list(sink, "list", &s, &totals, s.map, s.maps, NULL);
        ms_table_list(sink, &(struct ms_style){.width = 80}, s.map, s.maps);
        ms_html_list(sink, &s, &totals, s.map, s.maps);
    }
    ms_snapshot_free(&s);
    return 0;
}
