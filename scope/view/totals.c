/* totals.c - what a map costs beyond its entries, and what its next growth will cost.
 *
 *   waste         bytes held that carry no entry: all but the header, the slots of entries, wherever they lie, with
 *                 the metadata of so many slots, and what entries have out of line.  So empty slots with their metadata,
 *                 padding, slack, overflow nodes that the table's own slots had room for, the other array of a walk.
 *                 Some of it is the price of a hash table: at its growth limit of 0.80 a fifth of a table is empty.
 *   rebuild gain  bytes now - bytes of a fresh map with the same entries, never below 0: what would come back if the
 *                 map were rebuilt.  Fresh means: a table for its entries at load 0.80, no overflow nodes, no slack, no
 *                 stash; header, cells and strings as they are.  Never more than the waste: what carries entries stays.
 *   next growth   at how many entries, the table's bytes then, and the most it holds on the way: a range grows in
 *                 place (peak = new size), a block into a second block (peak = old + new).
 */
#include "view.h"

#include "gomap/inspect.h"

#include <string.h>

enum {
    PAGE = 4096,
    RANGE_FROM_GROUPS = 260
}; /* above 64 quads tables lie in ranges (DESIGN: two arrays below) */

/* Metadata that the slots of entries need: their share of it; of a tree every node. */
static uint64_t metadata_of_entries(const struct ms_map *m) {
    uint64_t all = m->part[MS_PART_METADATA];
    if (m->layout == MS_LAYOUT_TREE || m->entries >= m->slots) return all;
    return (uint64_t)((double)all * ((double)m->entries / (double)m->slots));
}

uint64_t ms_view_waste(const struct ms_map *m) {
    uint64_t slots = m->type ? ms_mul(m->entries, m->type->slot_payload) : 0;
    if (slots < m->part[MS_PART_SLOTS_LIVE]) slots = m->part[MS_PART_SLOTS_LIVE]; /* the type is not known */
    uint64_t used = ms_add(slots, metadata_of_entries(m));
    used = ms_add(used, m->part[MS_PART_HEADER] + m->part[MS_PART_CELLS] + m->part[MS_PART_STRINGS]);
    return m->bytes > used ? m->bytes - used : 0;
}

static struct gomap_desc desc_of(const struct ms_type *t) {
    return (struct gomap_desc){.slot_size = t->slot_size, .slot_align = t->slot_align};
}

uint64_t ms_view_table_bytes(const struct ms_type *t, uint64_t groups, bool range) {
    struct gomap_desc d = desc_of(t);
    if (groups > UINT64_C(1) << 40) return MS_UNKNOWN;
    if (!range) return gomap_inspect_block_bytes(&d, groups);
    uint64_t quads = gomap_inspect_quads(groups);
    return gomap_inspect_align(quads * 64, PAGE) + gomap_inspect_align(quads * 8, PAGE) +
           gomap_inspect_align(groups * GOMAP_GROUP_SLOTS * t->slot_size, PAGE);
}

uint64_t ms_view_rebuild_table(const struct ms_type *t, uint64_t entries) {
    struct gomap_desc d = desc_of(t);
    if (entries == 0) return 0;
    if (entries <= GOMAP_GROUP_SLOTS) return gomap_inspect_small_bytes(&d, (uint32_t)entries);
    uint64_t groups = (uint64_t)((double)entries / (GOMAP_GROUP_SLOTS * MS_REBUILD_LOAD)) + 1;
    return ms_view_table_bytes(t, groups, groups >= RANGE_FROM_GROUPS);
}

static void forecast(struct ms_map *m) {
    m->grow_bytes = m->grow_peak = MS_UNKNOWN;
    if (!m->type || m->grow_groups == 0) return;
    bool range = m->layout == MS_LAYOUT_RANGE || m->grow_groups >= RANGE_FROM_GROUPS;
    m->grow_bytes = ms_view_table_bytes(m->type, m->grow_groups, range);
    if (m->grow_bytes == MS_UNKNOWN) return;
    uint64_t table = m->part[MS_PART_SLOTS_LIVE] + m->part[MS_PART_SLOTS_EMPTY] + m->part[MS_PART_METADATA] +
                     m->part[MS_PART_PADDING];
    m->grow_peak = m->layout == MS_LAYOUT_RANGE ? m->grow_bytes : ms_add(m->grow_bytes, table);
}

void ms_view_figures(struct ms_map *m) {
    m->waste = m->rebuild_gain = 0;
    if (m->certainty == MS_DAMAGED || !m->type) return;
    m->waste = ms_view_waste(m);
    uint64_t fresh = m->fresh_bytes;
    if (fresh == MS_UNKNOWN) { /* a gomap; backends of other tables know their own arithmetic */
        fresh = m->part[MS_PART_HEADER] + m->part[MS_PART_CELLS] + m->part[MS_PART_STRINGS];
        fresh = ms_add(fresh, ms_view_rebuild_table(m->type, m->entries));
        forecast(m);
    }
    m->rebuild_gain = m->bytes > fresh ? m->bytes - fresh : 0;
    if (m->waste < m->rebuild_gain) m->waste = m->rebuild_gain; /* what a rebuild does without was not needed */
}

void ms_view_totals(const struct ms_map *maps, size_t n, struct ms_totals *out) {
    *out = (struct ms_totals){.resident_known = n > 0};
    for (size_t i = 0; i < n; i++) {
        const struct ms_map *m = &maps[i];
        out->maps++;
        out->exact += m->certainty == MS_EXACT;
        out->entries = ms_add(out->entries, m->entries);
        out->bytes = ms_add(out->bytes, m->bytes);
        out->waste = ms_add(out->waste, m->waste);
        out->rebuild_gain = ms_add(out->rebuild_gain, m->rebuild_gain);
        out->reserved = ms_add(out->reserved, m->reserved);
        for (int p = 0; p < MS_PARTS; p++) out->part[p] = ms_add(out->part[p], m->part[p]);
        out->growing += m->walk == MS_WALK_GROW;
        out->shrinking += m->walk == MS_WALK_SHRINK;
        if (m->resident == MS_UNKNOWN) {
            out->resident_known = false;
        } else {
            out->resident = ms_add(out->resident, m->resident);
            out->swapped = ms_add(out->swapped, m->swapped);
        }
    }
}
