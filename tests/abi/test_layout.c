/* tests/abi/test_layout.c - inspect.h against the DWARF of the built library, and against version 1 as frozen.
 *
 * The header is compiled here and inside the library, perhaps with other options.  The library's debug
 * information says what it really uses: every member of every struct, in name, offset and size, and the
 * size of the whole.  The second table are the numbers that outside readers were built with: when one
 * changes, GOMAP_INSPECT_VERSION must change, and this table with it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dl_iterate_phdr */
#endif
#include "../support.h"

#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <unistd.h>

static const char *library;
/* By name at run time: a direct reference would give the program a copy of the root of its own. */
static const struct gomap_root *root(void) { return dlsym(RTLD_DEFAULT, "gomap_inspect_root_1"); }

struct member {
    const char *of, *name;
    size_t offset, size;
};
#define M(s, f)                                                                                              \
    { #s, #f, offsetof(struct s, f), sizeof(((struct s *)0)->f) }
static const struct member members[] = {
    M(gomap, split),
    M(gomap, ngroups),
    M(gomap, meta),
    M(gomap, slots),
    M(gomap, seed),
    M(gomap, count),
    M(gomap, limit),
    M(gomap, links),
    M(gomap, desc),
    M(gomap, side),
    M(gomap, id),
    M(gomap, seq),
    M(gomap, epoch),
    M(gomap, mode),
    M(gomap, hash_kind),
    M(gomap, cap),
    M(gomap, writing),
    M(gomap, cookie),
    M(gomap_strkey, ptr),
    M(gomap_strkey, len),
    M(gomap_strkey, hash_hi),
    M(gomap_cellkey, ptr),
    M(gomap_cellkey, hash_hi),
    M(gomap_desc, size),
    M(gomap_desc, flags),
    M(gomap_desc, key_size),
    M(gomap_desc, val_size),
    M(gomap_desc, slot_size),
    M(gomap_desc, slot_key_size),
    M(gomap_desc, val_off),
    M(gomap_desc, slot_val_size),
    M(gomap_desc, node_off),
    M(gomap_desc, node_size),
    M(gomap_desc, slot_align),
    M(gomap_desc, key_name),
    M(gomap_desc, val_name),
    M(gomap_desc, hash),
    M(gomap_desc, eq),
    M(gomap_desc, unused),
    M(gomap_desc, next),
    M(gomap_node, next),
    M(gomap_node, tag),
    M(gomap_flood, next),
    M(gomap_flood, serial),
    M(gomap_flood, hash),
    M(gomap_counters, grows),
    M(gomap_counters, shrinks),
    M(gomap_counters, moved),
    M(gomap_counters, move_max),
    M(gomap_counters, grow_failed),
    M(gomap_counters, stashed),
    M(gomap_counters, alarms),
    M(gomap_counters, madvise_calls),
    M(gomap_counters, reseeds),
    M(gomap_counters, inconsistent),
    M(gomap_side, size),
    M(gomap_side, walk),
    M(gomap_side, moves),
    M(gomap_side, lo_ngroups),
    M(gomap_side, lo_meta),
    M(gomap_side, lo_slots),
    M(gomap_side, lo_links),
    M(gomap_side, walk_quads_done),
    M(gomap_side, lo_bytes),
    M(gomap_side, hi_bytes),
    M(gomap_side, grow_at),
    M(gomap_side, grow_groups),
    M(gomap_side, range_base),
    M(gomap_side, range_bytes),
    M(gomap_side, nodes),
    M(gomap_side, chained),
    M(gomap_side, arena_bytes),
    M(gomap_side, cell_bytes),
    M(gomap_side, string_bytes),
    M(gomap_side, node_bytes),
    M(gomap_side, loose_bytes),
    M(gomap_side, stash),
    M(gomap_side, flood),
    M(gomap_side, flood_count),
    M(gomap_side, name),
    M(gomap_side, created_ns),
    M(gomap_side, last_write_ns),
    M(gomap_side, counters),
    M(gomap_chunk_entry, map),
    M(gomap_chunk_entry, gen),
    M(gomap_chunk_entry, kind),
    M(gomap_hmap, count),
    M(gomap_hmap, flags),
    M(gomap_hmap, B),
    M(gomap_hmap, noverflow),
    M(gomap_hmap, hash0),
    M(gomap_hmap, buckets),
    M(gomap_hmap, oldbuckets),
    M(gomap_hmap, nevacuate),
    M(gomap_hmap, extra),
    M(gomap_mapextra, overflow),
    M(gomap_mapextra, oldoverflow),
    M(gomap_mapextra, next_overflow),
    M(gomap_loose, next),
    M(gomap_loose, size),
    M(gomap_loose_list, first),
    M(gomap_loose_list, bytes),
    M(gomap_classic_desc, size),
    M(gomap_classic_desc, flags),
    M(gomap_classic_desc, key_size),
    M(gomap_classic_desc, elem_size),
    M(gomap_classic_desc, key_slot),
    M(gomap_classic_desc, elem_slot),
    M(gomap_classic_desc, elem_off),
    M(gomap_classic_desc, overflow_off),
    M(gomap_classic_desc, bucket_size),
    M(gomap_classic_desc, path),
    M(gomap_classic_desc, key_name),
    M(gomap_classic_desc, elem_name),
    M(gomap_classic_desc, site),
    M(gomap_classic_desc, next),
    M(gomap_classic, h),
    M(gomap_classic, desc),
    M(gomap_classic, name),
    M(gomap_classic, array_buckets),
    M(gomap_classic, old_array_buckets),
    M(gomap_classic, array_bytes),
    M(gomap_classic, old_bytes),
    M(gomap_classic, held_bytes),
    M(gomap_classic, id),
    M(gomap_classic, seq),
    M(gomap_classic, size),
    M(gomap_classic, cookie),
    M(gomap_classic, overflow_count),
    M(gomap_classic, old_overflow_count),
    M(gomap_classic, old_evacuated),
    M(gomap_classic, cell_bytes),
    M(gomap_classic, created_ns),
    M(gomap_classic, extra),
    M(gomap_classic, counters),
    M(gomap_classic_counters, grows),
    M(gomap_classic_counters, reseeds),
    M(gomap_chunk, next),
    M(gomap_chunk, base),
    M(gomap_chunk, used),
    M(gomap_chunk, entry),
    M(gomap_event, ticket),
    M(gomap_event, time_ns),
    M(gomap_event, map_id),
    M(gomap_event, kind),
    M(gomap_event, a),
    M(gomap_event, b),
    M(gomap_root, magic),
    M(gomap_root, version),
    M(gomap_root, size),
    M(gomap_root, pointer_bytes),
    M(gomap_root, map_size),
    M(gomap_root, chunk_entries),
    M(gomap_root, self),
    M(gomap_root, chunks),
    M(gomap_root, descs),
    M(gomap_root, ring),
    M(gomap_root, ring_events),
    M(gomap_root, ring_head),
    M(gomap_root, maps_made),
    M(gomap_root, maps_freed),
    M(gomap_root, registry_failed),
    M(gomap_root, more),
    M(gomap_root, library),
    M(gomap_times, count),
    M(gomap_times, bucket),
    M(gomap_slow, ns),
    M(gomap_slow, map_id),
    M(gomap_slow, entries),
    M(gomap_slow, stack),
    M(gomap_callers, hash),
    M(gomap_callers, frames),
    M(gomap_callers, pc),
    M(gomap_more, size),
    M(gomap_more, callers),
    M(gomap_more, ring_stacks),
    M(gomap_more, times),
    M(gomap_more, slow),
    M(gomap_more, samples),
    M(gomap_samples, seq),
    M(gomap_samples, rate),
    M(gomap_samples, buckets),
    M(gomap_samples, maps),
    M(gomap_samples, map_mask),
    M(gomap_samples, dropped),
    M(gomap_sampled_stack, frames),
    M(gomap_sampled_labels, bytes),
    M(gomap_sampled_bucket, all),
    M(gomap_sampled_bucket, stack),
    M(gomap_sampled_bucket, taken),
    M(gomap_sampled_bucket, held),
    M(gomap_sampled_piece, below),
    M(gomap_sampled_piece, weight),
    M(gomap_sampled_map, id),
    M(gomap_sampled_map, top),
};
enum { MEMBERS = sizeof members / sizeof *members };

/* ---- DWARF ------------------------------------------------------------------------------------------- */

static bool number_of(Dwarf_Die *die, unsigned name, Dwarf_Word *out) {
    Dwarf_Attribute attr;
    return dwarf_attr_integrate(die, name, &attr) && !dwarf_formudata(&attr, out);
}

static bool size_of_type(Dwarf_Die *die, Dwarf_Word *out) {
    Dwarf_Attribute attr;
    Dwarf_Die type;
    return dwarf_attr_integrate(die, DW_AT_type, &attr) && dwarf_formref_die(&attr, &type) &&
           !dwarf_aggregate_size(&type, out);
}

static unsigned compared;

static void compare_struct(Dwarf_Die *die, const char *name) {
    Dwarf_Die child;
    if (dwarf_child(die, &child)) return;
    do {
        const char *field = dwarf_diename(&child);
        Dwarf_Word offset, size;
        if (dwarf_tag(&child) != DW_TAG_member || !field) continue;
        for (size_t i = 0; i < MEMBERS; i++) {
            if (strcmp(members[i].of, name) || strcmp(members[i].name, field)) continue;
            assert_true(number_of(&child, DW_AT_data_member_location, &offset));
            assert_true(size_of_type(&child, &size));
            if (offset != members[i].offset || size != members[i].size)
                fail_msg("%s.%s: %lu bytes at %lu in the library", name, field, (unsigned long)size,
                         (unsigned long)offset);
            compared++;
        }
    } while (!dwarf_siblingof(&child, &child));
}

/* Every struct of every unit; they must all agree. */
static void test_library_agrees(void **st) {
    (void)st;
    int fd = open(library, O_RDONLY);
    assert_true(fd >= 0);
    Dwarf *dwarf = dwarf_begin(fd, DWARF_C_READ);
    assert_non_null(dwarf); /* built without debug information: the build's default has it */
    Dwarf_Off at = 0, next;
    size_t header;
    compared = 0;
    for (; !dwarf_nextcu(dwarf, at, &next, &header, NULL, NULL, NULL); at = next) {
        Dwarf_Die unit, die;
        if (!dwarf_offdie(dwarf, at + header, &unit) || dwarf_child(&unit, &die)) continue;
        do {
            const char *name = dwarf_diename(&die);
            if (dwarf_tag(&die) == DW_TAG_structure_type && name) compare_struct(&die, name);
        } while (!dwarf_siblingof(&die, &die));
    }
    dwarf_end(dwarf);
    close(fd);
    assert_true(compared >= MEMBERS); /* each was seen in one unit at least */
}

/* ---- what was frozen ------------------------------------------------------------------------------------ */

static void test_frozen_numbers(void **st) {
    (void)st;
    assert_int_equal(GOMAP_INSPECT_VERSION, 1);
    if (sizeof(void *) != 8) return; /* the numbers below are those of 64-bit systems */
    const struct {
        size_t is, was;
    } frozen[] = {
        {sizeof(struct gomap), 128},
        {offsetof(struct gomap, seed), 32},
        {offsetof(struct gomap, count), 64},
        {offsetof(struct gomap, desc), 88},
        {offsetof(struct gomap, side), 96},
        {offsetof(struct gomap, id), 104},
        {offsetof(struct gomap, seq), 112},
        {offsetof(struct gomap, mode), 120},
        {offsetof(struct gomap, cookie), 124},
        {sizeof(struct gomap_strkey), 16},
        {sizeof(struct gomap_cellkey), 16},
        {sizeof(struct gomap_node), 16},
        {sizeof(struct gomap_chunk_entry), 16},
        {offsetof(struct gomap_chunk_entry, kind), 12},
        {GOMAP_KIND_GOMAP, 0},
        {GOMAP_KIND_CLASSIC, 1},
        {GOMAP_COOKIE_CLASSIC, 0x434d6f47u},
        {sizeof(struct gomap_hmap), 48},
        {sizeof(struct gomap_mapextra), 24},
        {offsetof(struct gomap_hmap, B), 9},
        {offsetof(struct gomap_hmap, noverflow), 10},
        {offsetof(struct gomap_hmap, hash0), 12},
        {offsetof(struct gomap_hmap, buckets), 16},
        {offsetof(struct gomap_hmap, oldbuckets), 24},
        {offsetof(struct gomap_hmap, nevacuate), 32},
        {offsetof(struct gomap_hmap, extra), 40},
        {offsetof(struct gomap_classic, desc), 48},
        {offsetof(struct gomap_classic, array_buckets), 64},
        {offsetof(struct gomap_classic, id), 104},
        {offsetof(struct gomap_classic, seq), 112},
        {offsetof(struct gomap_classic, cookie), 124},
        {sizeof(struct gomap_classic), 256},
        {sizeof(struct gomap_classic_desc), 104},
        {offsetof(struct gomap_classic_desc, bucket_size), 40},
        {sizeof(struct gomap_loose), 16},
        {sizeof(struct gomap_chunk), 16 + 254 * 16},
        {sizeof(struct gomap_event), 48},
        {offsetof(struct gomap_root, version), 16},
        {offsetof(struct gomap_root, size), 20},
        {offsetof(struct gomap_root, pointer_bytes), 24},
        {offsetof(struct gomap_root, more), 60},
        {sizeof(struct gomap_times), 24 + 64 * 8},
        {sizeof(struct gomap_slow), 40},
        {sizeof(struct gomap_callers), 16 + 30 * 8},
        {offsetof(struct gomap_more, callers), 8},
        {offsetof(struct gomap_more, ring_stacks), 16},
        {offsetof(struct gomap_more, times), 32},
        {offsetof(struct gomap_more, slow), 32 + 3 * (24 + 64 * 8)},
        {offsetof(struct gomap_more, samples), 32 + 3 * (24 + 64 * 8) + 3 * 8 * 40},
        {offsetof(struct gomap_samples, seq), 8},
        {offsetof(struct gomap_samples, rate), 16},
        {offsetof(struct gomap_samples, buckets), 24},
        {offsetof(struct gomap_samples, maps), 32},
        {offsetof(struct gomap_samples, map_mask), 40},
        {offsetof(struct gomap_samples, dropped), 72},
        {offsetof(struct gomap_sampled_stack, pc), 24},
        {offsetof(struct gomap_sampled_labels, text), 12},
        {offsetof(struct gomap_sampled_bucket, stack), 16},
        {offsetof(struct gomap_sampled_bucket, taken), 48},
        {offsetof(struct gomap_sampled_bucket, held), 64},
        {sizeof(struct gomap_sampled_piece), 48},
        {offsetof(struct gomap_sampled_map, top), 24},
        {GOMAP_SAMPLED_FRAMES, 64},
        {GOMAP_SAMPLED_LABELS, 1024},
        {GOMAP_WRITING_HOOKED, 2},
        {GOMAP_TIME_GROW, 0},
        {GOMAP_TIME_MOVE, 1},
        {GOMAP_TIME_ALLOC, 2},
        {GOMAP_SLOWEST, 8},
        {offsetof(struct gomap_side, walk), 4},
        {offsetof(struct gomap_side, lo_ngroups), 16},
        {GOMAP_GROUP_SLOTS, 15},
        {GOMAP_QUAD_GROUPS, 4},
        {GOMAP_QUAD_SLOTS, 60},
        {GOMAP_NODE_SLOTS, 4},
        {GOMAP_CHUNK_ENTRIES, 254},
        {GOMAP_RING_EVENTS, 4096},
        {GOMAP_COOKIE, 0x314d6f47u},
        {GOMAP_MODE_EMPTY, 0},
        {GOMAP_MODE_SMALL, 1},
        {GOMAP_MODE_BLOCK, 2},
        {GOMAP_MODE_RANGE, 3},
        {GOMAP_HASH_MUM, 0},
        {GOMAP_HASH_AES, 1},
        {GOMAP_HASH_SIP, 2},
        {GOMAP_HASH_USER, 3},
        {GOMAP_F_STR, 1},
        {GOMAP_F_BORROWED, 2},
        {GOMAP_F_KEY_INDIRECT, 4},
        {GOMAP_F_VAL_INDIRECT, 8},
        {GOMAP_F_USER_HASH, 16},
        {GOMAP_F_USER_EQ, 32},
        {GOMAP_F_HASH32, 64},
        {GOMAP_WALK_NONE, 0},
        {GOMAP_WALK_GROW, 1},
        {GOMAP_WALK_SHRINK, 2},
        {GOMAP_EV_NEW, 1},
        {GOMAP_EV_FREE, 2},
        {GOMAP_EV_MISUSE, 12},
        {GOMAP_EV_RETIRE, 13},
        {GOMAP_EV_BEGIN, 14},
        {GOMAP_EV_END, 15},
        {GOMAP_EV_NOTE, 16},
    };
    for (size_t i = 0; i < sizeof frozen / sizeof *frozen; i++)
        if (frozen[i].is != frozen[i].was)
            fail_msg("number %lu of the frozen layout is %lu, was %lu", (unsigned long)i,
                     (unsigned long)frozen[i].is, (unsigned long)frozen[i].was);
}

/* ---- the root as a reader finds it -------------------------------------------------------------------------- */

static void test_root_describes_itself(void **st) {
    (void)st;
    const struct gomap_root *r = root();
    gomap *m = t_new(NULL);
    assert_string_equal(r->magic, GOMAP_INSPECT_MAGIC);
    assert_int_equal(r->version, GOMAP_INSPECT_VERSION);
    assert_int_equal(r->size, sizeof *r);
    assert_int_equal(r->pointer_bytes, sizeof(void *));
    assert_int_equal(r->map_size, sizeof(struct gomap));
    assert_int_equal(r->side_size, sizeof(struct gomap_side));
    assert_int_equal(r->desc_size, sizeof(struct gomap_desc));
    assert_int_equal(r->node_size, sizeof(struct gomap_node));
    assert_int_equal(r->chunk_size, sizeof(struct gomap_chunk));
    assert_int_equal(r->event_size, sizeof(struct gomap_event));
    assert_int_equal(r->chunk_entries, GOMAP_CHUNK_ENTRIES);
    assert_int_equal(r->self, (uintptr_t)r);
    assert_int_equal(r->pid_started, 1);
    const struct gomap_more *more = (const void *)((uintptr_t)r + (uintptr_t)(intptr_t)r->more);
    assert_int_equal(more->size, sizeof *more);
    assert_int_equal(more->callers_room, GOMAP_CALLERS);
    assert_non_null(strstr(r->library, GOMAP_VERSION));
    assert_int_equal(t_raw(m)->cookie, GOMAP_COOKIE);
    gomap_free(m);
}

/* The note leads to the root: found in the loaded image of the library. */
struct found {
    bool note;
    uint64_t root;
};

static void read_notes(const uint8_t *p, size_t size, struct found *f) {
    for (const uint8_t *end = p + size; p + 12 <= end;) {
        uint32_t head[3];
        memcpy(head, p, sizeof head);
        const uint8_t *name = p + 12, *desc = name + (head[0] + 3) / 4 * 4;
        if (head[0] == sizeof GOMAP_NOTE_OWNER && !memcmp(name, GOMAP_NOTE_OWNER, head[0]) &&
            head[2] == GOMAP_NOTE_ROOT) {
            uint64_t word;
            assert_int_equal(head[1], 8);
            memcpy(&word, desc, sizeof word);
            f->note = true;
            f->root = word + (uint64_t)(uintptr_t)desc; /* relative to itself */
        }
        p = desc + (head[1] + 3) / 4 * 4;
    }
}

static int each_image(struct dl_phdr_info *info, size_t size, void *arg) {
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_NOTE)
            read_notes((const uint8_t *)(info->dlpi_addr + p->p_vaddr), p->p_memsz, arg);
    }
    return 0;
}

static void test_note_leads_to_root(void **st) {
    (void)st;
    if (sizeof(void *) != 8) return; /* the note is one of 64-bit systems */
    struct found f = {false, 0};
    dl_iterate_phdr(each_image, &f);
    assert_true(f.note);
    assert_int_equal(f.root, (uintptr_t)root());
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    library = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_library_agrees),
        cmocka_unit_test(test_frozen_numbers),
        cmocka_unit_test(test_root_describes_itself),
        cmocka_unit_test(test_note_leads_to_root),
    };
    return t_run("layout", tests, sizeof tests / sizeof *tests);
}
