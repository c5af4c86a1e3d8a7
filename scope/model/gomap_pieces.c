/* gomap_pieces.c - what the memory of one gomap consists of (pieces.h).
 *
 *   header, side record | metadata | links | slots             in a block one after the other, in a range with room between
 *
 *   one array, walking:   0 ... low | gap: vacated | high ... ngroups       each of the three runs is told in three parts
 *   two arrays, walking:  of one the part that entries left, of the other the part they have not come to is a gap
 *
 * The stash is told by its header alone: what lies in its table is found nowhere here.
 */
#include "gomap_raw.h"

#include "pieces.h"

#include <stdlib.h>

#define QUADS_MOST (UINT64_C(1) << 33) /* what claims more would only cost time */

#define FIELD(s, f)                                                                                          \
    { #f, offsetof(struct s, f) }
static const struct ms_record_field header_field[] = {FIELD(gomap, split),
                                                      FIELD(gomap, ngroups),
                                                      FIELD(gomap, meta),
                                                      FIELD(gomap, slots),
                                                      FIELD(gomap, seed),
                                                      FIELD(gomap, count),
                                                      FIELD(gomap, limit),
                                                      FIELD(gomap, links),
                                                      FIELD(gomap, desc),
                                                      FIELD(gomap, side),
                                                      FIELD(gomap, id),
                                                      FIELD(gomap, seq),
                                                      FIELD(gomap, epoch),
                                                      FIELD(gomap, mode),
                                                      FIELD(gomap, hash_kind),
                                                      FIELD(gomap, cap),
                                                      FIELD(gomap, writing),
                                                      FIELD(gomap, cookie),
                                                      {NULL, 0}};

struct array {
    const struct ms_raw *raw;
    struct ms_geom g;
    bool other;
};

static uint64_t group_of(uint64_t pos, uint64_t groups) {
    return (uint64_t)(((unsigned __int128)pos * groups) >> 64);
}

/* Groups [*low, *high) are a gap; without a walk none are, and all are plain.  By quads: entries lie anywhere in theirs. */
static void gap_of(const struct array *a, uint64_t *low, uint64_t *high) {
    const struct ms_raw *raw = a->raw;
    bool two = ms_raw_two_arrays(raw);
    *low = *high = 0;
    if (raw->side.walk == GOMAP_WALK_NONE) return;
    if (raw->m.split) *low = (group_of(raw->m.split - 1, raw->side.lo_ngroups) / 4 + 1) * 4;
    *high = group_of(raw->m.split, raw->m.ngroups) / 4 * 4;
    if (two && a->other) *high = a->g.groups;
    if (two && !a->other) *low = 0;
    *low = ms_min(*low, a->g.groups);
    *high = ms_min(*high, a->g.groups);
    if (*high < *low) *high = *low;
}

/* A run with one unit for `per` groups, in the parts that a walk makes of it. */
static bool tell_parts(struct ms_telling *t, const struct array *a, struct ms_piece p, uint64_t per,
                       const struct ms_hanging *h) {
    uint64_t low, high, start = p.addr, unit = p.grid.unit, n = (a->g.groups + per - 1) / per;
    bool walking = a->raw->side.walk != GOMAP_WALK_NONE, more = true;
    gap_of(a, &low, &high);
    const struct {
        uint64_t from, to;
        enum ms_area area;
    } part[] = {{0, low / per, MS_AREA_LOW},
                {low / per, high / per, MS_AREA_GAP},
                {high / per, n, walking ? MS_AREA_HIGH : MS_AREA_PLAIN}};
    for (int i = 0; more && i < 3; i++) {
        if (part[i].to <= part[i].from) continue;
        p.area = (uint8_t)part[i].area;
        p.addr = start + part[i].from * unit;
        p.len = (part[i].to - part[i].from) * unit;
        p.group = part[i].from * per;
        p.tags = a->g.meta + p.group * 16;
        if (h)
            ms_tell_hanging(t, &p, h);
        else
            more = ms_tell(t, &p);
        more = more && !t->enough && !t->gone;
    }
    return more;
}

static struct ms_piece slots_of(const struct array *a) {
    const struct gomap_desc *d = &a->raw->desc;
    return (struct ms_piece){.kind = MS_PIECE_SLOTS,
                             .addr = a->g.slots,
                             .other = a->other,
                             .slot = -1,
                             .tag_unit = 16,
                             .grid = {.unit = (uint64_t)a->g.group_slots * d->slot_size,
                                      .slots = a->g.group_slots,
                                      .key_stride = d->slot_size,
                                      .key_len = d->slot_key_size,
                                      .value_off = d->val_off,
                                      .value_stride = d->slot_size,
                                      .value_len = d->slot_val_size,
                                      .tag_off = MS_TAGS_APART,
                                      .link_off = MS_NO_LINK}};
}

static bool tell_array(struct ms_telling *t, const struct array *a) {
    struct ms_piece meta = {.kind = MS_PIECE_METADATA,
                            .addr = a->g.meta,
                            .other = a->other,
                            .slot = -1,
                            .tag_unit = 16,
                            .grid = {.unit = 16, .slots = a->g.group_slots, .link_off = MS_NO_LINK}};
    struct ms_piece links = {.kind = MS_PIECE_LINKS,
                             .addr = a->g.links,
                             .other = a->other,
                             .slot = -1,
                             .grid = {.unit = 8, .tag_off = MS_TAGS_APART, .link_off = MS_NO_LINK}};
    return tell_parts(t, a, meta, 1, NULL) &&
           (!a->g.links || tell_parts(t, a, links, GOMAP_QUAD_GROUPS, NULL)) &&
           tell_parts(t, a, slots_of(a), 1, NULL);
}

/* ---- what hangs off ---------------------------------------------------------------------------- */

static bool is_live(uint8_t tag) { return tag != 0; }

static struct ms_hanging hanging_of(const struct gomap_desc *d) {
    return (struct ms_hanging){.key_bytes = d->flags & GOMAP_F_KEY_INDIRECT ? d->key_size : 0,
                               .value_bytes = d->flags & GOMAP_F_VAL_INDIRECT ? d->val_size : 0,
                               .strings = d->flags & GOMAP_F_STR,
                               .is_live = is_live};
}

static void tell_chains(struct ms_telling *t, const struct array *a, const struct ms_hanging *h) {
    enum { STEP = 8192 };
    const struct gomap_desc *d = &a->raw->desc;
    struct ms_grid node = slots_of(a).grid;
    uint64_t low, high, quads = gomap_inspect_quads(a->g.groups), *link = ms_alloc(STEP * sizeof *link);
    gap_of(a, &low, &high);
    node.unit = d->node_size;
    node.slots = GOMAP_NODE_SLOTS;
    node.key_off = d->node_off, node.value_off += d->node_off;
    node.tag_off = offsetof(struct gomap_node, tag), node.link_off = offsetof(struct gomap_node, next);
    if (quads > QUADS_MOST) quads = QUADS_MOST;
    for (uint64_t at = 0, n; a->g.links && at < quads && !t->enough && !t->gone; at += n) {
        n = ms_min(STEP, quads - at);
        enum ms_read rc = ms_read(t->r, a->g.links + at * 8, link, (size_t)n * 8);
        t->gone = rc == MS_READ_GONE;
        for (uint64_t i = 0; rc == MS_READ_OK && i < n && !t->enough && !t->gone; i++) {
            uint64_t group = (at + i) * GOMAP_QUAD_GROUPS;
            if (link[i] > 1 && (group < low || group >= high))
                ms_tell_chain(t, link[i] & ~UINT64_C(1), &node, group, h);
        }
    }
    free(link);
}

/* ---- the whole --------------------------------------------------------------------------------- */

static bool tell_records(struct ms_telling *t, const struct ms_raw *raw) {
    struct ms_piece head = {.kind = MS_PIECE_HEADER,
                            .addr = raw->addr,
                            .len = sizeof raw->m,
                            .group = MS_UNKNOWN,
                            .slot = -1,
                            .field = header_field};
    return ms_tell(t, &head) &&
           (!raw->has_side || ms_tell_run(t, MS_PIECE_SIDE, (uintptr_t)raw->m.side, raw->side.size)) &&
           (!raw->side.stash ||
            ms_tell_run(t, MS_PIECE_STASH, (uintptr_t)raw->side.stash, sizeof(struct gomap)));
}

/* What is left of the allocations, told after all that lies in them. */
static bool tell_around(struct ms_telling *t, const struct ms_raw *raw, const struct array *a) {
    uint64_t groups = a[0].g.groups;
    if (raw->m.mode == GOMAP_MODE_SMALL)
        ms_tell_run(t, MS_PIECE_SPARE, a[0].g.meta, gomap_inspect_small_bytes(&raw->desc, raw->m.cap));
    if (raw->m.mode == GOMAP_MODE_BLOCK)
        ms_tell_run(t, MS_PIECE_SPARE, a[0].g.meta, gomap_inspect_block_bytes(&raw->desc, groups));
    if (a[1].g.groups) ms_tell_run(t, MS_PIECE_SPARE, a[1].g.meta, raw->side.lo_bytes);
    if (raw->side.range_base)
        ms_tell_run(t, MS_PIECE_RESERVED, (uintptr_t)raw->side.range_base, raw->side.range_bytes);
    return !t->enough && !t->gone;
}

int ms_gomap_pieces(struct ms_telling *t, const struct ms_snapshot *s, const struct ms_map *m, bool deep,
                    struct ms_error *err) {
    struct ms_raw raw;
    enum ms_certainty sure;
    const char *doubt;
    (void)s;
    enum ms_read rc = ms_raw_read(t->r, m->addr, m->id, GOMAP_COOKIE, 0, &raw, &sure, &doubt);
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while a map was read");
    if (rc != MS_READ_OK || sure == MS_DAMAGED)
        return ms_fail(err, MS_UNCERTAIN, "the map was freed or is damaged: %s",
                       rc == MS_READ_OK ? doubt : "header");
    struct array a[2] = {{.raw = &raw, .g = ms_raw_geom(&raw, false)}, {.raw = &raw, .other = true}};
    if (ms_raw_two_arrays(&raw)) a[1].g = ms_raw_geom(&raw, true);
    if (raw.m.mode == GOMAP_MODE_EMPTY) a[0].g.groups = 0; /* its one group is the library's */
    bool more = tell_records(t, &raw);
    for (int i = 0; more && i < 2; i++)
        if (a[i].g.groups) more = tell_array(t, &a[i]);
    if (more) more = tell_around(t, &raw, a);
    struct ms_hanging h = hanging_of(&raw.desc);
    for (int i = 0; more && deep && i < 2; i++) {
        if (!a[i].g.groups) continue;
        more = tell_parts(t, &a[i], slots_of(&a[i]), 1, &h);
        if (more) tell_chains(t, &a[i], &h);
    }
    return t->gone ? ms_fail(err, MS_GONE, "the process ended while a map was read") : MS_OK;
}
