/* go_classic_table.c - bulk looks at one Go map: where its arrays lie, whether they are still there, and what surrounds them.
 * buckets.c does the looking.
 */
#include "buckets.h"
#include "go_classic.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static_assert((int)MS_GO_GROUP_SLOTS == (int)GOMAP_BUCKET_SLOTS && (int)MS_GO_EMPTY_ONE == (int)GOMAP_TOP_EMPTY_ONE &&
                  (int)MS_GO_TOP_LEAST == (int)GOMAP_TOP_MIN,
              "the library's classic map is Go's, byte for byte");

struct look {
    struct ms_buckets b;
    struct ms_go_hmap h;
    const struct ms_go_shape *s;
    enum ms_certainty sure;
    const char *doubt;
};

static enum ms_look look_again(void *look, uint64_t first, uint64_t n, bool *reread) {
    struct look *k = look;
    struct ms_go_hmap h;
    (void)first, (void)n, (void)reread;
    enum ms_read rc = ms_read(k->b.r, k->h.addr, h.header, MS_GO_HEADER_BYTES);
    if (rc != MS_READ_OK) return ms_look_read(rc);
    if (memcmp(h.header + 16, k->h.header + 16, 16) != 0 || h.header[9] != k->h.b) return MS_LOOK_CHANGED;
    uint64_t count = ms_go_u64(h.header), moved = count > k->h.count ? count - k->h.count : k->h.count - count;
    if (moved > k->b.bound) k->b.bound = moved;
    return MS_LOOK_OK;
}

static int begin(struct ms_buckets *b, struct ms_reader *r, const struct ms_map *m, struct ms_error *err) {
    static const struct ms_go_shape unknown = {0};
    struct look *k = (struct look *)b;
    *k = (struct look){.b = {.r = r, .again = look_again}, .s = m->type ? &m->type->go : &unknown};
    if (m->certainty == MS_DAMAGED)
        return ms_fail(err, MS_UNCERTAIN, "the map is damaged: %s", m->doubt ? m->doubt : "?");
    enum ms_read rc = ms_go_hmap_read(r, m->addr, m->header_bytes, k->s, &k->h, &k->sure, &k->doubt);
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while a map was read");
    if (rc != MS_READ_OK || k->sure == MS_DAMAGED)
        return ms_fail(err, MS_UNCERTAIN, "the map was freed or is damaged: %s",
                       rc == MS_READ_OK ? k->doubt : "header");
    b->size = k->s->group_size, b->link_at = b->size - 8;
    b->array[0].base = k->h.buckets, b->array[0].count = ms_go_hmap_buckets(&k->h);
    b->array[1].base = k->h.old, b->array[1].count = ms_go_hmap_old_buckets(&k->h);
    return MS_OK;
}
static_assert(offsetof(struct look, b) == 0, "begin and look_again are given the first member");

static int need_type(const struct ms_map *m, struct ms_error *err) {
    if (m->type && m->type->go.group_size) return MS_OK;
    return ms_fail(err, MS_UNCERTAIN, "the type of the map is not known, so neither is how its buckets lie");
}

enum ms_read ms_go_hmap_loose(struct ms_reader *r, const struct ms_go_shape *s, uint64_t array,
                              uint64_t buckets, uint64_t bytes, uint64_t *loose) {
    struct ms_buckets b = {.r = r, .size = s->group_size, .link_at = s->group_size - 8};
    b.array[1].base = array, b.array[1].count = buckets; /* evacuated buckets have no chains, whichever array it is */
    return ms_buckets_outside(&b, true, bytes, loose);
}

static int cells(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, bool other, uint64_t first,
                 uint64_t count, size_t max_cells, struct ms_cells *out, uint64_t *bound, struct ms_error *err) {
    struct look k;
    (void)s;
    *out = (struct ms_cells){0};
    int status = need_type(m, err);
    if (status) return status;
    return ms_buckets_cells(&k.b, begin, r, m, other, first, count, max_cells, out, bound, err);
}

static int groups(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, uint64_t first, uint64_t count,
                  struct ms_group **out, size_t *n, struct ms_error *err) {
    struct look k;
    (void)s;
    *out = NULL;
    int status = need_type(m, err);
    return status ? status : ms_buckets_groups(&k.b, begin, r, m, first, count, out, n, err);
}

/* ---- the backend ------------------------------------------------------------------------------- */

static int detail_of(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m,
                     struct ms_detail *out, struct ms_error *err) {
    struct look k;
    *out = (struct ms_detail){0};
    ms_go_copy(m, &out->map);
    int status = begin(&k.b, r, m, err);
    if (status) return status;
    ms_go_hmap_fill(r, s, &k.h, &out->map);
    out->map.certainty = (uint8_t)k.sure;
    if (k.sure != MS_EXACT) out->map.doubt = ms_strdup(k.doubt);
    out->two_arrays = k.h.old != 0;
    out->lo_groups = ms_go_hmap_old_buckets(&k.h);
    const struct ms_counter all[] = {
        {"B", k.h.b}, {"noverflow", k.h.noverflow}, {"nevacuate", k.h.evacuated}, {"flags", k.h.flags}};
    _Static_assert(sizeof all <= sizeof out->counter, "room for all of them");
    out->counters = sizeof all / sizeof *all;
    memcpy(out->counter, all, sizeof all);
    return MS_OK;
}

static int detail_head(struct ms_reader *r, const struct ms_map *m, struct ms_detail *out,
                       struct ms_error *err) {
    return detail_of(r, NULL, m, out, err);
}

static int detail(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, struct ms_detail *out,
                  struct ms_error *err) {
    struct look k;
    int status = detail_of(r, s, m, out, err);
    if (status == MS_OK && out->map.type && out->map.type->go.group_size)
        return ms_buckets_histograms(&k.b, begin, r, &out->map, out, err);
    return status;
}

static int resident(struct ms_reader *r, struct ms_snapshot *s, struct ms_map *m, struct ms_error *err) {
    struct look k;
    struct ms_error why;
    uint64_t in = 0, away = 0;
    if (!r->resident || m->certainty == MS_DAMAGED) return MS_OK;
    int status = begin(&k.b, r, m, &why);
    if (status == MS_GONE) *err = why;
    if (status) return status == MS_GONE ? status : MS_OK;
    status = ms_go_resident(r, m->addr, MS_GO_HEADER_BYTES, &in, &away, err);
    const uint64_t array[] = {k.h.buckets, k.h.old};
    for (int i = 0; i < 2 && status == MS_OK; i++)
        if (array[i])
            status = ms_go_resident(r, array[i], ms_go_object_bytes(s, array[i], 0), &in, &away, err);
    if (status == MS_OK) m->resident = in, m->swapped = away;
    return status;
}

/* ---- pieces ------------------------------------------------------------------------------------ */

static const struct ms_record_field header_field[] = {
    {"count", 0},    {"flags", 8},       {"B", 9},          {"noverflow", 10}, {"hash0", 12},
    {"buckets", 16}, {"oldbuckets", 24}, {"nevacuate", 32}, {"extra", 40},     {NULL, 0}};

static bool is_live(uint8_t tag) { return tag >= MS_GO_TOP_LEAST; }

static struct ms_piece array_of(const struct look *k, const struct ms_map *m, bool old) {
    uint64_t n = old ? ms_go_hmap_old_buckets(&k->h) : ms_go_hmap_buckets(&k->h);
    return (struct ms_piece){.kind = MS_PIECE_GROUPS,
                             .other = old,
                             .addr = old ? k->h.old : k->h.buckets,
                             .len = n * k->s->group_size,
                             .slot = -1,
                             .grid = ms_go_grid(m->type, false)};
}

/* Buckets, the pool behind them, and what the allocator added. */
static bool tell_array(struct ms_telling *t, const struct ms_snapshot *s, const struct look *k,
                       const struct ms_map *m, bool old) {
    struct ms_piece p = array_of(k, m, old);
    uint64_t start = p.addr, buckets = p.len, all = ms_go_object_bytes(s, p.addr, buckets);
    if (!ms_tell(t, &p)) return false;
    p.kind = MS_PIECE_POOL;
    p.group = MS_UNKNOWN;
    p.addr += buckets;
    p.len = k->s->group_size && all > buckets ? (all - buckets) / k->s->group_size * k->s->group_size : 0;
    return ms_tell(t, &p) && ms_tell_run(t, MS_PIECE_SPARE, start, all);
}

static int pieces(struct ms_telling *t, const struct ms_snapshot *s, const struct ms_map *m, bool deep,
                  struct ms_error *err) {
    struct look k;
    int status = begin(&k.b, t->r, m, err);
    if (status) return status;
    struct ms_piece head = {.kind = MS_PIECE_HEADER,
                            .addr = m->addr,
                            .len = m->header_bytes,
                            .group = MS_UNKNOWN,
                            .slot = -1,
                            .field = m->header_bytes == MS_GO_HEADER_BYTES ? header_field : NULL};
    struct ms_hanging h = ms_go_hanging(m->type);
    h.chains = true;
    h.is_live = is_live;
    h.chain_end = k.h.buckets;
    bool more = ms_tell(t, &head) && (!k.h.extra || ms_tell_run(t, MS_PIECE_SIDE, k.h.extra, 24));
    for (int old = 0; old < 2 && more; old++)
        if (array_of(&k, m, old).addr) more = tell_array(t, s, &k, m, old);
    for (int old = 0; old < 2 && more && deep; old++) {
        struct ms_piece p = array_of(&k, m, old);
        if (p.addr) ms_tell_hanging(t, &p, &h);
        more = !t->enough && !t->gone;
    }
    return t->gone ? ms_fail(err, MS_GONE, "the process ended while a map was read") : MS_OK;
}

const struct ms_backend ms_go_classic_backend = {resident, detail, detail_head, cells, groups, pieces};
