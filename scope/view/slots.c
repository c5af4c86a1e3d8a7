/* slots.c - how each kind of map lays out its slots, and what maps with other slots would take.
 *
 *   swiss     | control 8 | key value | key value | ...          padding within each slot, as in a struct
 *   split     | control 8 | 8 keys | 8 values |                  none between them
 *   classic   | tophash 8 | 8 keys | 8 values | link 8 |         the same
 *   gomap     | key value | key value | ... 15                   16 bytes of metadata a group, and links, elsewhere
 *
 * In Go what is larger than 128 bytes lies in an object of its own and the slot has a pointer; so it is in a gomap.  A Go
 * struct that ends in a field without size has a byte more, so that a pointer to that field points into it.
 *
 * "All else as it is" is what a change of the type gives: keys hash as they did, so tables and buckets fill as they did.
 */
#include "maptype.h"

#include "gomap/inspect.h"
#include "view.h"

#include <assert.h>
#include <string.h>

enum { GO_SLOTS = 8, GO_HEAD = 8, GO_LINK = 8, INLINE_MOST = 128, POINTER = 8, CELL = 16, PAGE = 4096 };
enum { FULL_TABLE = 1024 / GO_SLOTS, NODE_HEAD = 16 };
static_assert(sizeof(struct gomap_node) == NODE_HEAD, "chain nodes of a gomap");

static uint64_t align_up(uint64_t n, uint64_t align) { return align ? (n + align - 1) / align * align : n; }

unsigned ms_slots_in_group(enum ms_kind kind) {
    return kind == MS_KIND_GOMAP || kind == MS_KIND_GOMAP_SHARED ? GOMAP_GROUP_SLOTS : GO_SLOTS;
}

bool ms_slots_together(const struct ms_go_shape *s) {
    return s->key_stride && s->key_stride == s->elem_stride && s->elem_off <= s->key_off + s->key_stride;
}

/* ---- rules ------------------------------------------------------------------------------------- */

/* What of it is in the slot. */
static struct ms_slot_part in_slot(struct ms_slot_part p) {
    if (p.size > INLINE_MOST || p.apart) return (struct ms_slot_part){POINTER, POINTER, true, false};
    return p;
}

static uint32_t cell_of(struct ms_slot_part p, const struct ms_go_shape *like) {
    if (p.size <= INLINE_MOST && !p.apart) return 0;
    return (uint32_t)ms_min(ms_go_allocated(p.size, p.pointers, like->malloc_headers), UINT32_MAX);
}

static void lay_swiss(struct ms_go_shape *s, struct ms_slot_part k, struct ms_slot_part v) {
    uint64_t off = align_up(k.size, v.align), end = off + v.size + (v.size == 0 && off ? 1 : 0);
    uint64_t slot = align_up(end, k.align > v.align ? k.align : v.align), all = slot * GO_SLOTS;
    s->key_off = GO_HEAD, s->elem_off = (uint32_t)(GO_HEAD + off);
    s->key_stride = s->elem_stride = (uint32_t)slot;
    s->group_size = (uint32_t)align_up(GO_HEAD + all + (all == 0), GO_HEAD);
}

static void lay_apart(struct ms_go_shape *s, struct ms_slot_part k, struct ms_slot_part v, bool link) {
    uint64_t keys = GO_SLOTS * k.size, values = GO_SLOTS * v.size;
    s->key_off = GO_HEAD, s->elem_off = (uint32_t)(GO_HEAD + keys);
    s->key_stride = (uint32_t)k.size, s->elem_stride = (uint32_t)v.size;
    s->group_size =
        (uint32_t)align_up(GO_HEAD + keys + values + (!link && values == 0) + (link ? GO_LINK : 0), GO_HEAD);
}

static void lay_go(enum ms_slot_rules rules, struct ms_type *t, struct ms_slot_part key,
                   struct ms_slot_part value) {
    struct ms_go_shape *s = &t->go;
    struct ms_slot_part k = in_slot(key), v = in_slot(value);
    if (rules == MS_SLOTS_SWISS)
        lay_swiss(s, k, v);
    else
        lay_apart(s, k, v, rules != MS_SLOTS_SPLIT);
    s->key_slot = (uint32_t)k.size, s->elem_slot = (uint32_t)v.size;
    s->key_cell = cell_of(key, s), s->elem_cell = cell_of(value, s);
    s->pointers = k.pointers || v.pointers;
    t->slot_payload = s->key_slot + s->elem_slot;
    t->slot_size = rules == MS_SLOTS_SWISS ? s->key_stride : t->slot_payload;
}

/* As lib/map.c lays out what it describes in inspect.h. */
static void lay_gomap(struct ms_type *t, struct ms_slot_part key, struct ms_slot_part value) {
    uint64_t ks = key.size, ka = key.align, vs = value.size, va = value.align;
    if (t->flags & GOMAP_F_STR || ks > INLINE_MOST) ks = 16, ka = 8;
    if (value.apart || vs > INLINE_MOST) vs = va = POINTER;
    if (vs == 0) va = 1;
    t->value_off = (uint32_t)align_up(ks, va);
    t->slot_align = (uint32_t)(ka > va ? ka : va);
    t->slot_size = (uint32_t)align_up(t->value_off + vs, t->slot_align);
    if (t->slot_size == 0) t->slot_size = t->slot_align;
    t->slot_payload = (uint32_t)(ks + vs);
    t->flags &= ~(uint32_t)(GOMAP_F_KEY_INDIRECT | GOMAP_F_VAL_INDIRECT);
    if (!(t->flags & GOMAP_F_STR) && key.size > INLINE_MOST) t->flags |= GOMAP_F_KEY_INDIRECT;
    if (value.apart || value.size > INLINE_MOST) t->flags |= GOMAP_F_VAL_INDIRECT;
}

struct ms_type ms_slots_make(enum ms_slot_rules rules, const struct ms_type *like, struct ms_slot_part key,
                             struct ms_slot_part value) {
    struct ms_type t = *like;
    t.key_size = (uint32_t)ms_min(key.size, UINT32_MAX),
    t.value_size = (uint32_t)ms_min(value.size, UINT32_MAX);
    t.key_align = key.align, t.value_align = value.align;
    if (rules == MS_SLOTS_GOMAP)
        lay_gomap(&t, key, value);
    else
        lay_go(rules, &t, key, value);
    return t;
}

static bool same_shape(const struct ms_go_shape *a, const struct ms_go_shape *b) {
    bool strides = a->key_stride == b->key_stride && (a->elem_stride == b->elem_stride || a->elem_slot == 0);
    return a->group_size == b->group_size && strides && a->key_slot == b->key_slot &&
           a->elem_slot == b->elem_slot && (a->elem_off == b->elem_off || a->elem_slot == 0) &&
           a->key_cell == b->key_cell && a->elem_cell == b->elem_cell;
}

static bool gives(enum ms_slot_rules rules, const struct ms_type *t, struct ms_slot_part key,
                  struct ms_slot_part value) {
    struct ms_type made = ms_slots_make(rules, t, key, value);
    if (rules == MS_SLOTS_GOMAP)
        return made.slot_size == t->slot_size && made.slot_align == t->slot_align &&
               made.slot_payload == t->slot_payload;
    if (rules == MS_SLOTS_CLASSIC) return made.slot_size == t->slot_size;
    return same_shape(&made.go, &t->go);
}

enum ms_slot_rules ms_slots_rules(const struct ms_type *t, enum ms_kind kind, struct ms_slot_part key,
                                  struct ms_slot_part value) {
    enum ms_slot_rules rules = MS_SLOTS_UNKNOWN;
    switch (kind) {
    case MS_KIND_GO_SWISS:
        rules = gives(MS_SLOTS_SWISS, t, key, value) ? MS_SLOTS_SWISS : MS_SLOTS_SPLIT;
        break;
    case MS_KIND_GO_CLASSIC: rules = MS_SLOTS_GO_CLASSIC; break;
    case MS_KIND_CLASSIC: rules = MS_SLOTS_CLASSIC; break;
    case MS_KIND_GOMAP:
    case MS_KIND_GOMAP_SHARED: rules = MS_SLOTS_GOMAP; break;
    case MS_KIND_GO_SYNC: break;
    }
    return rules && gives(rules, t, key, value) ? rules : MS_SLOTS_UNKNOWN;
}

struct ms_go_shape ms_slots_shape(const struct ms_type *t, enum ms_kind kind) {
    struct ms_go_shape s = t->go;
    if (kind == MS_KIND_CLASSIC) {
        struct ms_slot_part k = in_slot((struct ms_slot_part){.size = t->key_size}),
                            v = in_slot((struct ms_slot_part){.size = t->value_size});
        lay_apart(&s, k, v, true);
        s.key_slot = (uint32_t)k.size, s.elem_slot = (uint32_t)v.size;
    } else if (kind == MS_KIND_GOMAP || kind == MS_KIND_GOMAP_SHARED) {
        uint32_t key = t->flags & (GOMAP_F_STR | GOMAP_F_KEY_INDIRECT) ? 16 : t->key_size;
        s = (struct ms_go_shape){.group_size = t->slot_size * GOMAP_GROUP_SLOTS,
                                 .key_stride = t->slot_size,
                                 .elem_stride = t->slot_size,
                                 .key_slot = (uint32_t)ms_min(key, t->slot_payload),
                                 .elem_off = t->value_off};
        s.elem_slot = t->slot_payload - s.key_slot;
    }
    return s;
}

/* ---- bytes ------------------------------------------------------------------------------------- */

static uint64_t swiss_bytes(const struct ms_map *m, const struct ms_go_shape *s) {
    uint64_t bytes = 0;
    for (int i = 0; i < MS_TABLE_SIZES; i++)
        bytes = ms_add(bytes, ms_mul(m->tables[i], ms_go_groups_allocated(s, UINT64_C(1) << i)));
    if (bytes == 0 && m->groups) bytes = ms_go_groups_allocated(s, m->groups);
    return ms_add(bytes, ms_mul(m->entries, (uint64_t)s->key_cell + s->elem_cell));
}

static unsigned log2_of(uint64_t n) { return n ? 63 - (unsigned)__builtin_clzll(n) : 0; }

/* An array of 2^b buckets with its pool, and `loose` overflow buckets of which `used` were taken from the pool that the
 * array has now. */
static uint64_t array_bytes(const struct ms_go_shape *s, uint64_t buckets, uint64_t overflow) {
    uint64_t all, bytes = ms_go_buckets_allocated(s, log2_of(buckets), &all),
                  pool = all - ms_min(all, buckets);
    if (!buckets) return 0;
    return ms_add(bytes, overflow > pool ? ms_mul(overflow - pool, ms_go_groups_allocated(s, 1)) : 0);
}

/* Overflow buckets of a classic map, whether from the pool or not. */
static uint64_t overflow_of(const struct ms_map *m) {
    const struct ms_go_shape *s = &m->type->go;
    uint64_t all, size = s->group_size, one = ms_go_groups_allocated(s, 1);
    if (!size || !m->groups) return 0;
    ms_go_buckets_allocated(s, log2_of(m->groups), &all);
    uint64_t pool = all - ms_min(all, m->groups), used = pool - ms_min(pool, m->part[MS_PART_SLACK] / size);
    uint64_t rest = m->part[MS_PART_OVERFLOW] - ms_min(m->part[MS_PART_OVERFLOW], used * size);
    return used + rest / one;
}

/* The same of the array that is being left. */
static uint64_t old_overflow_of(const struct ms_map *m) {
    uint64_t array = array_bytes(&m->type->go, m->walk_total, 0), moving = m->part[MS_PART_MOVING], all;
    if (!m->walk_total || moving <= array) return 0;
    ms_go_buckets_allocated(&m->type->go, log2_of(m->walk_total), &all);
    return all - ms_min(all, m->walk_total) + (moving - array) / ms_go_groups_allocated(&m->type->go, 1);
}

static uint64_t go_classic_bytes(const struct ms_map *m, const struct ms_go_shape *s) {
    uint64_t bytes = array_bytes(s, m->groups, overflow_of(m));
    if (m->walk) bytes = ms_add(bytes, array_bytes(s, m->walk_total, old_overflow_of(m)));
    return ms_add(bytes, ms_mul(m->entries, (uint64_t)s->key_cell + s->elem_cell));
}

static uint64_t node_bytes(const struct ms_type *t) {
    return align_up(NODE_HEAD, t->slot_align) + (uint64_t)GOMAP_NODE_SLOTS * t->slot_size;
}

/* A value in a cell costs what its library's pool gives for it. */
static uint64_t gomap_cells(const struct ms_map *m, const struct ms_type *t) {
    uint64_t key = t->flags & GOMAP_F_KEY_INDIRECT ? align_up(t->key_size, CELL) : 0,
             value = t->flags & GOMAP_F_VAL_INDIRECT ? align_up(t->value_size, CELL) : 0;
    return ms_mul(m->entries, key + value);
}

static uint64_t gomap_bytes(const struct ms_map *m, const struct ms_type *t) {
    struct gomap_desc d = {.slot_size = t->slot_size, .slot_align = t->slot_align ? t->slot_align : 1};
    uint64_t bytes = 0;
    if (m->layout == MS_LAYOUT_SMALL)
        bytes = gomap_inspect_small_bytes(&d, m->capacity_small);
    else if (m->layout != MS_LAYOUT_EMPTY)
        bytes = ms_view_table_bytes(t, m->groups, m->layout == MS_LAYOUT_RANGE);
    bytes = ms_add(bytes, m->part[MS_PART_OVERFLOW] / node_bytes(m->type) * node_bytes(t));
    if (m->type->slot_size)
        bytes = ms_add(bytes, m->part[MS_PART_MOVING] / m->type->slot_size * t->slot_size);
    return ms_add(bytes, gomap_cells(m, t));
}

/* gomap's classic map: buckets, wherever they are, become as much larger or smaller as one does. */
static uint64_t classic_bytes(const struct ms_map *m, const struct ms_type *t) {
    uint64_t now = ms_slots_shape(m->type, MS_KIND_CLASSIC).group_size,
             then = ms_slots_shape(t, MS_KIND_CLASSIC).group_size;
    uint64_t elsewhere =
        ms_add(m->part[MS_PART_OVERFLOW], ms_add(m->part[MS_PART_SLACK], m->part[MS_PART_MOVING]));
    return ms_add(ms_mul(m->groups, then), elsewhere / now * then);
}

uint64_t ms_slots_bytes(const struct ms_map *m, const struct ms_type *t) {
    switch ((enum ms_kind)m->kind) {
    case MS_KIND_GO_SWISS: return swiss_bytes(m, &t->go);
    case MS_KIND_GO_CLASSIC: return go_classic_bytes(m, &t->go);
    case MS_KIND_CLASSIC: return classic_bytes(m, t);
    case MS_KIND_GOMAP:
    case MS_KIND_GOMAP_SHARED: return gomap_bytes(m, t);
    case MS_KIND_GO_SYNC: break;
    }
    return 0;
}

/* ---- maps that are not there ------------------------------------------------------------------- */

static void fresh_swiss(uint64_t entries, struct ms_map *m) {
    uint64_t groups = 1, tables = 1;
    m->groups = entries != 0;
    if (entries <= GO_SLOTS) return;
    while (groups < FULL_TABLE && groups * 7 < entries) groups *= 2; /* 7 of 8 slots are used */
    while (tables * groups * 7 < entries) tables *= 2;
    if (groups == 1) groups = 2;
    m->tables[log2_of(groups)] = (uint32_t)ms_min(tables, UINT32_MAX);
    m->groups = groups * tables;
}

static void fresh_buckets(const struct ms_go_shape *s, uint64_t entries, struct ms_map *m) {
    uint64_t halves = s->load_halves ? s->load_halves : 13, all;
    m->groups = entries != 0;
    while (entries > GO_SLOTS && halves * (m->groups / 2) < entries) m->groups *= 2;
    if (!s->group_size) return;
    ms_go_buckets_allocated(s, log2_of(m->groups), &all);
    m->part[MS_PART_SLACK] = (all - ms_min(all, m->groups)) * s->group_size;
}

void ms_slots_fresh(const struct ms_type *t, enum ms_kind kind, uint64_t entries, struct ms_map *out) {
    enum { RANGE_FROM_GROUPS = 260 };
    *out = (struct ms_map){.type = t, .kind = (uint8_t)kind, .entries = entries, .layout = MS_LAYOUT_BLOCK};
    entries = ms_min(entries, UINT64_C(1) << 48);
    if (kind == MS_KIND_GO_SWISS) {
        fresh_swiss(entries, out);
    } else if (kind == MS_KIND_GO_CLASSIC || kind == MS_KIND_CLASSIC) {
        fresh_buckets(&t->go, entries, out);
    } else {
        out->groups = entries <= GOMAP_GROUP_SLOTS ? 1 : align_up((entries + 11) / 12, GOMAP_QUAD_GROUPS);
        out->capacity_small = GOMAP_GROUP_SLOTS;
        if (entries <= GOMAP_GROUP_SLOTS) out->layout = MS_LAYOUT_SMALL;
        if (out->groups >= RANGE_FROM_GROUPS) out->layout = MS_LAYOUT_RANGE;
    }
    out->slots = out->groups * ms_slots_in_group(kind);
}

/* ---- lines ------------------------------------------------------------------------------------- */

static bool crosses(uint64_t at, uint64_t size) { return size && at / MS_LINE != (at + size - 1) / MS_LINE; }

/* Slots of one group at `at` that cross a line: where key and value lie apart, one of the two. */
static unsigned in_group(const struct ms_go_shape *s, uint64_t at, unsigned slots) {
    bool together = ms_slots_together(s);
    unsigned n = 0;
    for (unsigned i = 0; i < slots; i++) {
        uint64_t key = at + s->key_off + (uint64_t)i * s->key_stride,
                 value = at + s->elem_off + (uint64_t)i * s->elem_stride;
        n += together ? crosses(key, s->elem_slot ? value + s->elem_slot - key : s->key_slot)
                      : crosses(key, s->key_slot) || crosses(value, s->elem_slot);
    }
    return n;
}

/* Of an array of groups at `at`: after at most 64 groups it is as at the start. */
static uint64_t in_array(const struct ms_go_shape *s, uint64_t at, uint64_t groups, unsigned slots) {
    uint64_t sum[MS_LINE + 1] = {0}, period = MS_LINE;
    for (uint64_t i = 0; i < period && i < groups; i++)
        sum[i + 1] = sum[i] + in_group(s, at + i * s->group_size, slots);
    if (groups <= period) return sum[groups];
    return ms_add(ms_mul(groups / period, sum[period]), sum[groups % period]);
}

/* The same on the average of all places that Go's allocator may give it: objects follow each other from a page on. */
static uint64_t in_go_array(const struct ms_go_shape *s, uint64_t groups, uint64_t bytes) {
    uint64_t header = s->malloc_headers && s->pointers && bytes > 512 && bytes <= 32768 ? 8 : 0, sum = 0,
             places = 1;
    while (bytes * places % MS_LINE) places++;
    for (uint64_t i = 0; i < places; i++)
        sum = ms_add(sum, in_array(s, i * bytes + header, groups, GO_SLOTS));
    return sum / places;
}

void ms_slots_crossing(const struct ms_map *m, struct ms_crossing *sum) {
    struct ms_go_shape s = ms_slots_shape(m->type, m->kind);
    uint64_t slots = 0;
    if (!s.group_size) return;
    if (m->kind == MS_KIND_GO_SWISS) {
        bool tables = false;
        for (int i = 0; i < MS_TABLE_SIZES; i++) {
            uint64_t groups = UINT64_C(1) << i;
            tables = tables || m->tables[i];
            if (m->tables[i])
                slots = ms_add(
                    slots, ms_mul(m->tables[i], in_go_array(&s, groups, ms_go_groups_allocated(&s, groups))));
        }
        if (!tables && m->groups) slots = in_go_array(&s, m->groups, ms_go_groups_allocated(&s, m->groups));
    } else if (m->kind == MS_KIND_GO_CLASSIC) {
        uint64_t all;
        if (m->groups)
            slots = in_go_array(&s, m->groups, ms_go_buckets_allocated(&s, log2_of(m->groups), &all));
    } else {
        unsigned each = m->layout == MS_LAYOUT_SMALL && m->kind != MS_KIND_CLASSIC
                            ? m->capacity_small
                            : ms_slots_in_group(m->kind);
        slots = in_array(&s, 0, m->groups, each);
    }
    sum->slots = ms_add(sum->slots, slots);
    sum->of = ms_add(sum->of, m->slots);
}
