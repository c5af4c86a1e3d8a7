/* fuzz_go_table.c - the table that a parser left (elf/flat.h, elf/godwarf.c), changed by somebody who took it over.
 *
 *   input   version 1 | flags 1 | changes: place 3, where and length 1, bytes
 *
 * The table of the miniature program (go_dwarf.c) is changed at those places, or cut, or grown; it lies in memory of just
 * its size.  What the look at it lets pass is asked for all it tells, by every number that stands in it and by some that
 * do not.  Checked beside "reads nothing but the table": what is sorted is, names end and are not too long, questions have
 * one answer, an honest table passes.
 */
#include "elf/gotable.h"
#include "go_world.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEAD = 4,
    CHANGED_HEAD = 0x20,
    CHANGED_END = 0x40,
    HEAD_BYTES = 48,
    CUT = 4,
    GROWN = 8,
    ASKED_MOST = 1 << 16
};

static struct go_world world;
static struct ms_godwarf *dwarf;
static unsigned asked;

static void require(bool holds) {
    if (!holds) abort();
}

/* A byte of the head, of the end, where names are, or anywhere. */
static uint8_t *byte_at(uint8_t *table, size_t len, unsigned where, size_t place) {
    if (where & CHANGED_HEAD) return table + place % HEAD_BYTES % len;
    if (where & CHANGED_END) return table + len - 1 - place % 64 % len;
    return table + place % len;
}

static void change(uint8_t *table, size_t len, const uint8_t *data, size_t size) {
    while (size > HEAD) {
        size_t place = (size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16, n = data[3] & 31;
        unsigned where = data[3];
        data += HEAD, size -= HEAD;
        if (n > size) n = size;
        for (size_t i = 0; i < n; i++) *byte_at(table, len, where, place + i) = data[i];
        data += n, size -= n;
    }
}

static bool ask_member(void *ctx, const char *name, uint64_t offset, uint64_t type) {
    uint64_t *last = ctx;
    struct ms_godie die;
    require(strlen(name) < MS_FLAT_NAME_MOST);
    if (ms_godwarf_type(dwarf, type, &die)) *last += offset + die.size;
    return ++asked < ASKED_MOST;
}

static void ask_type(uint64_t type) {
    struct ms_godie die, again;
    uint64_t sum = 0;
    if (!ms_godwarf_type(dwarf, type, &die)) return;
    require(die.kind && die.kind <= MS_GO_UNSAFE_POINTER);
    require(!die.name || strlen(die.name) < MS_FLAT_NAME_MOST);
    require(ms_godwarf_type(dwarf, die.offset, &again) && again.offset == die.offset &&
            again.name == die.name);
    ms_godwarf_members(dwarf, type, ask_member, &sum);
    (void)ms_godwarf_type(dwarf, die.elem, &again);
    (void)ms_godwarf_type(dwarf, die.key, &again);
}

static void ask_globals(void) {
    size_t n;
    const struct ms_goglobal *g = ms_godwarf_globals(dwarf, &n);
    for (size_t i = 0; i < n; i++) {
        const char *name = ms_godwarf_name(dwarf, g[i].name);
        require(i == 0 || g[i - 1].addr <= g[i].addr);
        const struct ms_goglobal *found = ms_godwarf_global(dwarf, name);
        require(found && strcmp(ms_godwarf_name(dwarf, found->name), name) == 0);
        ask_type(g[i].type);
    }
}

/* By the numbers that stand in the table. */
static void ask_rows(const struct ms_flat_view *v) {
    const struct ms_gorow_struct *s = v->row[MS_GO_STRUCTS];
    const struct ms_gorow_closure *c = v->row[MS_GO_CLOSURES];
    const struct ms_gorow_type *t = v->row[MS_GO_TYPES];
    uint64_t sum = 0, size;
    for (uint32_t i = 0; i < v->count[MS_GO_STRUCTS]; i++) {
        const char *name = ms_godwarf_name(dwarf, s[i].name);
        require(ms_godwarf_named(dwarf, name) || s[i].die == 0);
        (void)ms_godwarf_struct(dwarf, name, &size);
        (void)ms_godwarf_field(dwarf, name, "stack.lo", &size);
    }
    for (uint32_t i = 0; i < v->count[MS_GO_CLOSURES]; i++)
        ms_godwarf_closure(dwarf, c[i].entry, ask_member, &sum);
    for (uint32_t i = 0; i < v->count[MS_GO_TYPES]; i++)
        ask_type(t[i].die), ask_type(t[i].die + 1), ask_type(t[i].under);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct go_table *honest;
    static int laid_out = -1;
    if (size < 2) return 0;
    int minor = MS_GO_OLDEST + data[0] % (MS_GO_NEWEST - MS_GO_OLDEST + 1);
    if (laid_out != minor) {
        require(go_world_make(&world, minor, false, false));
        honest = go_world_table(world.file, world.file_bytes);
        require(honest);
    }
    laid_out = minor;
    bool changed = size > 2 + HEAD || data[1] & (CUT | GROWN);
    size_t len = honest->len;
    if (data[1] & CUT) len = len * (data[1] >> 4) / 16;
    if (data[1] & GROWN) len += data[1] >> 4;
    uint8_t *table = calloc(1, len ? len : 1);
    require(table);
    memcpy(table, honest->bytes, len < honest->len ? len : honest->len);
    if (len) change(table, len, data + 2, size - 2);
    struct ms_flat_view v;
    asked = 0;
    dwarf = ms_godwarf_open(table, len);
    require(dwarf || changed);
    if (dwarf) {
        size_t n;
        require(ms_flat_open(&v, &ms_goform, table, len));
        ask_globals();
        ask_rows(&v);
        (void)ms_godwarf_map_types(dwarf, &n);
        require(changed || n == GO_MAPS);
    }
    ms_godwarf_close(dwarf);
    free(table);
    return 0;
}
