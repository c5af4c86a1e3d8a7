/* gomap_raw.c - one gomap in the target's memory: read it whole, check it, count its bytes.
 *
 * Reading.  The header is read, then what it points to, then the header again.  If `seq` is the same even
 * number both times, nothing but `count` can have changed between its two readings, so the side record
 * and the geometry belong together.  Comparing the other fields as well closes the last gap: a copy of
 * 128 bytes is not atomic, and its own `seq` says nothing about fields copied after it.
 * In a target that is stopped nothing changes: there an odd `seq` is a write that was interrupted, and what fits
 * together is the state before it or after it.
 *
 * Checking.  Sizes are bounded before they are multiplied, pointers are compared with where the mode says
 * they must lie, counts with the room there is.  The name of the first field that does not fit is the
 * reason shown.
 *
 * Counting.  Table bytes follow from mode and geometry by the functions of inspect.h; the pool's from the
 * side record.  Each part is a share of an allocation, so the parts sum to the allocations exactly.
 */
#include "gomap_raw.h"

#include <stdio.h>
#include <string.h>

static bool power_of_two(uint32_t n) { return n && (n & (n - 1)) == 0; }

const char *ms_desc_check(const struct gomap_desc *d, uint32_t size) {
    if (d->size != size) return "desc.size";
    if (d->key_size > MS_DESC_SIZE_MAX) return "desc.key_size";
    if (d->val_size > MS_DESC_SIZE_MAX) return "desc.val_size";
    if (d->slot_size == 0 || d->slot_size > MS_SLOT_SIZE_MAX) return "desc.slot_size";
    if (d->slot_key_size > d->slot_size) return "desc.slot_key_size";
    if (d->slot_val_size > d->slot_size - d->slot_key_size) return "desc.slot_val_size";
    if (d->val_off > d->slot_size || d->slot_val_size > d->slot_size - d->val_off) return "desc.val_off";
    if (!power_of_two(d->slot_align) || d->slot_align > 4096) return "desc.slot_align";
    if (d->node_off < sizeof(struct gomap_node) || d->node_off > 4096) return "desc.node_off";
    if (d->node_size < d->node_off + GOMAP_NODE_SLOTS * d->slot_size || d->node_size > 8 * MS_SLOT_SIZE_MAX)
        return "desc.node_size";
    return NULL;
}

bool ms_raw_two_arrays(const struct ms_raw *raw) {
    return raw->side.walk != GOMAP_WALK_NONE && raw->side.lo_meta && raw->side.lo_meta != raw->m.meta;
}

struct ms_geom ms_raw_geom(const struct ms_raw *raw, bool low) {
    const struct gomap *m = &raw->m;
    struct ms_geom g = {m->ngroups, (uintptr_t)m->meta, (uintptr_t)m->slots, (uintptr_t)m->links,
                        GOMAP_GROUP_SLOTS};
    if (low)
        g = (struct ms_geom){raw->side.lo_ngroups, (uintptr_t)raw->side.lo_meta,
                             (uintptr_t)raw->side.lo_slots, (uintptr_t)raw->side.lo_links, GOMAP_GROUP_SLOTS};
    else if (m->mode == GOMAP_MODE_SMALL)
        g.group_slots = m->cap;
    else if (m->mode == GOMAP_MODE_EMPTY)
        g.group_slots = 0;
    return g;
}

/* Bytes of the array under the larger geometry. */
static uint64_t table_bytes(const struct ms_raw *raw) {
    switch (raw->m.mode) {
    case GOMAP_MODE_SMALL: return gomap_inspect_small_bytes(&raw->desc, raw->m.cap);
    case GOMAP_MODE_BLOCK: return gomap_inspect_block_bytes(&raw->desc, raw->m.ngroups);
    case GOMAP_MODE_RANGE: return raw->side.hi_bytes;
    default: return 0;
    }
}

static uint64_t pool_used(const struct gomap_side *s) {
    return ms_add(ms_add(s->cell_bytes, s->string_bytes), s->node_bytes);
}

uint64_t ms_raw_bytes(const struct ms_raw *raw) {
    uint64_t n = sizeof raw->m + table_bytes(raw);
    if (raw->has_side) n = ms_add(n, raw->side.size);
    if (ms_raw_two_arrays(raw)) n = ms_add(n, raw->side.lo_bytes);
    n = ms_add(n, ms_add(raw->side.arena_bytes, raw->side.loose_bytes));
    return ms_add(n, raw->stash_bytes);
}

static const char *check_side(const struct ms_raw *raw) {
    const struct gomap_side *s = &raw->side;
    const uint64_t big = UINT64_C(1) << 56;
    if (s->size < sizeof *s || s->size > 65536) return "side.size";
    if (s->walk > GOMAP_WALK_SHRINK) return "side.walk";
    if (s->arena_bytes > big) return "side.arena_bytes";
    if (s->loose_bytes > big) return "side.loose_bytes";
    if (pool_used(s) > s->arena_bytes + s->loose_bytes) return "side.cell_bytes + string_bytes + node_bytes";
    if (s->chained > raw->m.count) return "side.chained";
    if (s->chained > ms_mul(s->nodes, GOMAP_NODE_SLOTS)) return "side.nodes";
    if (s->flood_count > raw->m.count) return "side.flood_count";
    if (s->walk != GOMAP_WALK_NONE) {
        if (s->lo_ngroups == 0 || s->lo_ngroups > MS_GROUPS_MAX) return "side.lo_ngroups";
        if (!s->lo_meta) return "side.lo_meta";
        if (s->lo_bytes > big) return "side.lo_bytes";
        if (s->walk_quads_done > s->walk_quads_total) return "side.walk_quads_done";
    }
    return NULL;
}

static const char *check_range(const struct ms_raw *raw) {
    const struct gomap_side *s = &raw->side;
    uint64_t base = (uintptr_t)s->range_base, end = base + s->range_bytes,
             quads = gomap_inspect_quads(raw->m.ngroups);
    uint64_t meta = (uintptr_t)raw->m.meta, links = (uintptr_t)raw->m.links, slots = (uintptr_t)raw->m.slots;
    if (!raw->has_side) return "side";
    if (s->hi_bytes > UINT64_C(1) << 48) return "side.hi_bytes";
    /* While entries go over from a block, the range is not announced yet. */
    if (base == 0 && ms_raw_two_arrays(raw)) return NULL;
    if (end < base || base == 0 || s->range_bytes > UINT64_C(1) << 48) return "side.range_bytes";
    if (s->hi_bytes > s->range_bytes) return "side.hi_bytes";
    if (meta < base || meta > end || quads * 64 > end - meta) return "meta";
    if (links < base || links > end || quads * 8 > end - links) return "links";
    if (slots < base || slots > end || raw->m.ngroups * GOMAP_GROUP_SLOTS * raw->desc.slot_size > end - slots)
        return "slots";
    return NULL;
}

/* Slots of all arrays. */
static uint64_t all_slots(const struct ms_raw *raw) {
    struct ms_geom hi = ms_raw_geom(raw, false);
    uint64_t n = hi.groups * hi.group_slots;
    if (ms_raw_two_arrays(raw)) n += raw->side.lo_ngroups * GOMAP_GROUP_SLOTS;
    return n;
}

const char *ms_raw_check(const struct ms_raw *raw) {
    const struct gomap *m = &raw->m;
    const struct gomap_desc *d = &raw->desc;
    uint64_t meta = (uintptr_t)m->meta, slots = (uintptr_t)m->slots;
    const char *bad;
    if (m->mode > GOMAP_MODE_RANGE) return "mode";
    if (m->ngroups == 0 || m->ngroups > MS_GROUPS_MAX) return "ngroups";
    if (m->cap > GOMAP_GROUP_SLOTS) return "cap";
    if (m->hash_kind > GOMAP_HASH_USER) return "hash_kind";
    if (meta == 0) return "meta";
    if (raw->has_side && (bad = check_side(raw))) return bad;
    if (m->mode <= GOMAP_MODE_SMALL && m->ngroups != 1) return "ngroups";
    if (m->mode == GOMAP_MODE_SMALL && (m->cap == 0 || slots - meta != gomap_inspect_small_off(d)))
        return "slots";
    if (m->mode == GOMAP_MODE_BLOCK) {
        if (slots - meta != gomap_inspect_block_off(d, m->ngroups)) return "slots";
        if ((uintptr_t)m->links - meta != gomap_inspect_quads(m->ngroups) * 64) return "links";
    }
    if (m->mode == GOMAP_MODE_RANGE && (bad = check_range(raw))) return bad;
    /* The count may be one ahead or behind of what the side record says. */
    uint64_t room =
        ms_add(ms_add(all_slots(raw), raw->side.chained), ms_add(raw->stash_count, raw->side.flood_count));
    if (m->count > ms_add(room, 1)) return "count";
    return NULL;
}

bool ms_raw_same(const struct gomap *a, const struct gomap *b) {
    return a->seq == b->seq && a->id == b->id && a->cookie == b->cookie && a->split == b->split &&
           a->ngroups == b->ngroups && a->meta == b->meta && a->slots == b->slots && a->links == b->links &&
           a->desc == b->desc && a->side == b->side && a->mode == b->mode && a->cap == b->cap &&
           a->hash_kind == b->hash_kind;
}

static uint64_t minus(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

/* Split the bytes of the table into parts; what none of them names is padding.  While a walk goes between two
 * arrays the other one is a part of its own, and live slots are counted against the larger one. */
static void fill_table(const struct ms_raw *raw, struct ms_map *out) {
    const struct gomap_desc *d = &raw->desc;
    struct ms_geom hi = ms_raw_geom(raw, false);
    uint64_t payload = d->slot_key_size + d->slot_val_size, left = table_bytes(raw),
             slots = hi.groups * hi.group_slots;
    uint64_t elsewhere = ms_add(raw->side.chained, ms_add(raw->stash_count, raw->side.flood_count));
    uint64_t live = ms_min(minus(raw->m.count, elsewhere), slots), quads = gomap_inspect_quads(hi.groups);
    uint64_t meta = raw->m.mode == GOMAP_MODE_EMPTY ? 0 : raw->m.mode == GOMAP_MODE_SMALL ? 16 : quads * 72;
    if (ms_raw_two_arrays(raw)) out->part[MS_PART_MOVING] = raw->side.lo_bytes;
    /* A range that grows commits its areas piece by piece: no part may claim more than there is. */
    out->part[MS_PART_METADATA] = ms_min(meta, left);
    left -= out->part[MS_PART_METADATA];
    out->part[MS_PART_SLOTS_LIVE] = ms_min(live * payload, left);
    left -= out->part[MS_PART_SLOTS_LIVE];
    uint64_t empty = ms_min((slots - live) * payload, minus(left, live * (d->slot_size - payload)));
    out->part[MS_PART_SLOTS_EMPTY] = empty;
    out->part[MS_PART_PADDING] = left - empty;
    out->groups = raw->m.mode == GOMAP_MODE_EMPTY ? 0 : hi.groups;
    out->slots = hi.groups * hi.group_slots;
    out->load = out->slots ? (double)raw->m.count / (double)out->slots : 0;
}

void ms_raw_fill(const struct ms_raw *raw, struct ms_map *out) {
    const struct gomap *m = &raw->m;
    const struct gomap_side *s = &raw->side;
    memset(out->part, 0, sizeof out->part);
    out->id = m->id;
    out->addr = raw->addr;
    out->kind = MS_KIND_GOMAP;
    out->layout = m->mode;
    out->hash_kind = m->hash_kind;
    out->capacity_small = m->cap;
    out->entries = m->count;
    out->chained = s->chained;
    out->stashed = raw->stash_count;
    fill_table(raw, out);
    out->part[MS_PART_HEADER] = sizeof *m + (raw->has_side ? s->size : 0);
    out->part[MS_PART_OVERFLOW] = s->node_bytes;
    out->part[MS_PART_CELLS] = s->cell_bytes;
    out->part[MS_PART_STRINGS] = s->string_bytes;
    out->part[MS_PART_SLACK] = minus(s->arena_bytes + s->loose_bytes, pool_used(s));
    out->part[MS_PART_STASH] = raw->stash_bytes;
    out->bytes = ms_map_sum(out);
    out->reserved = s->range_bytes;
    out->walk = (uint8_t)s->walk;
    out->walk_done = s->walk_quads_done;
    out->walk_total = s->walk_quads_total;
    /* While a walk runs, what is announced may still be the growth that runs. */
    bool next_known = s->walk == GOMAP_WALK_NONE || s->grow_at > m->count;
    out->grow_groups = next_known ? s->grow_groups : 0;
    out->grow_at = MS_UNKNOWN;
    if (raw->has_side && s->grow_at && next_known)
        out->grow_at = s->grow_at;
    else if (s->walk == GOMAP_WALK_NONE && m->mode != GOMAP_MODE_EMPTY)
        out->grow_at = m->limit;
    out->alarms = s->counters.alarms;
    out->growths = s->counters.grows;
    out->signs = (s->counters.grows ? MS_SIGN_GREW : 0) | (s->counters.clears ? MS_SIGN_CLEARED : 0);
    out->created_ns = s->created_ns;
    out->last_write_ns = s->last_write_ns;
}

/* Is the geometry of two side records the same, and did no walk start or end between them? */
static bool same_walk(const struct gomap_side *a, const struct gomap_side *b) {
    return a->walk != GOMAP_WALK_NONE && a->walk == b->walk && a->lo_ngroups == b->lo_ngroups &&
           a->lo_meta == b->lo_meta && a->lo_slots == b->lo_slots && a->lo_links == b->lo_links &&
           a->lo_bytes == b->lo_bytes && a->range_base == b->range_base && a->range_bytes == b->range_bytes &&
           a->counters.grows == b->counters.grows && a->counters.shrinks == b->counters.shrinks;
}

/* The second half of a reading: is what was read one state of the map?
 *
 * A map that grows under a busy writer takes a step, and a new `seq`, every microsecond: it never holds still
 * for as long as three reads take.  But between its start and its end a walk changes nothing but the split
 * position. So a reading also stands if `seq` moved on while the geometry, and the counts of walks begun, did
 * not. */
static enum ms_read confirm(struct ms_reader *r, const struct gomap *first, struct ms_raw *out, bool *held) {
    struct gomap a = *first;
    struct gomap_side side;
    enum ms_read rc = ms_read(r, out->addr, &out->m, sizeof out->m);
    *held = rc == MS_READ_OK && ((first->seq & 1) == 0 || r->still) && ms_raw_same(first, &out->m);
    if (rc != MS_READ_OK || *held || a.seq == out->m.seq || !out->has_side) return rc;
    a.seq = out->m.seq;
    a.split = out->m.split;
    if (!ms_raw_same(&a, &out->m)) return rc;
    rc = ms_read(r, (uintptr_t)first->side, &side, sizeof side);
    *held = rc == MS_READ_OK && same_walk(&out->side, &side);
    if (*held) out->side = side;
    return rc == MS_READ_FAULT ? MS_READ_OK : rc;
}

/* The stash of a map: its bytes and entries.  *bad names the field when it is none. */
static enum ms_read read_stash(struct ms_reader *r, struct ms_raw *out, int depth, bool *exact,
                               const char **bad) {
    struct ms_raw stash;
    enum ms_certainty sure = MS_DAMAGED;
    const char *why;
    *exact = true;
    if (depth >= MS_STASH_DEPTH) {
        *bad = "side.stash";
        return MS_READ_OK;
    }
    enum ms_read rc =
        ms_raw_read(r, (uintptr_t)out->side.stash, 0, GOMAP_COOKIE_STASH, depth + 1, &stash, &sure, &why);
    if (rc == MS_READ_GONE) return rc;
    if (rc == MS_READ_FAULT || sure == MS_DAMAGED) {
        *bad = "side.stash";
        return MS_READ_OK;
    }
    out->stash_bytes = ms_raw_bytes(&stash);
    out->stash_count = stash.m.count;
    *exact = sure == MS_EXACT;
    return MS_READ_OK;
}

/* One reading of everything.  *held: it is one state of the map.  *bad: the first field that cannot be right.
 */
static enum ms_read read_once(struct ms_reader *r, uint64_t addr, int depth, struct ms_raw *out, bool *held,
                              const char **bad) {
    struct gomap first;
    bool stash_exact = true;
    enum ms_read rc = ms_read(r, addr, &first, sizeof first);
    *held = false;
    *bad = NULL;
    *out = (struct ms_raw){.addr = addr, .m = first, .has_side = first.side != NULL};
    if (rc != MS_READ_OK) return rc;
    rc = ms_read(r, (uintptr_t)first.desc, &out->desc, sizeof out->desc);
    if (rc == MS_READ_GONE) return rc;
    *bad = rc == MS_READ_OK ? ms_desc_check(&out->desc, sizeof out->desc) : "desc";
    if (out->has_side) {
        rc = ms_read(r, (uintptr_t)first.side, &out->side, sizeof out->side);
        if (rc == MS_READ_GONE) return rc;
        if (rc != MS_READ_OK) *bad = "side", memset(&out->side, 0, sizeof out->side);
    }
    if (!*bad && out->side.stash) rc = read_stash(r, out, depth, &stash_exact, bad);
    if (rc == MS_READ_GONE) return rc;
    rc = confirm(r, &first, out, held);
    if (rc != MS_READ_OK) return rc;
    *held = *held && stash_exact;
    if (!*bad) *bad = ms_raw_check(out);
    return MS_READ_OK;
}

enum ms_read ms_raw_read(struct ms_reader *r, uint64_t addr, uint64_t id, uint32_t cookie, int depth,
                         struct ms_raw *out, enum ms_certainty *certainty, const char **doubt) {
    struct ms_raw sane;
    bool held = false, has_sane = false;
    const char *bad = NULL;
    int tries = depth ? 4 : MS_TRIES;
    for (int i = 0; i < tries; i++) {
        enum ms_read rc = read_once(r, addr, depth, out, &held, &bad);
        if (rc != MS_READ_OK) return rc;
        if (out->m.cookie != cookie || (id && out->m.id != id)) return MS_READ_FAULT;
        if (held && !bad) {
            *certainty = MS_EXACT;
            *doubt = NULL;
            return MS_READ_OK;
        }
        if (!bad) sane = *out, has_sane = true;
        if (!ms_patient(r, i, held, has_sane)) break;
    }
    /* A torn reading contradicts itself too: it is damage only if it holds still, or if none was ever sane. */
    bool damaged = bad && (held || !has_sane);
    if (bad && !damaged) *out = sane;
    *certainty = damaged ? MS_DAMAGED : MS_CHANGING;
    *doubt = damaged           ? bad
             : out->m.seq & 1 ? "its geometry was being changed each time it was read"
                              : "it changed each time it was read";
    return MS_READ_OK;
}
