/* golayout.c - offsets in the runtime's structs: from the program's debug information, else from a table by version.
 *
 * The table was read from the debug information of each version and holds for 64-bit little-endian machines.
 * Where the debug information names a struct but not a field that the version should have, the program is not what its
 * version says and nothing is shown: a wrong offset would give wrong numbers.  That offsets fit the memory is
 * seen again by everybody who uses them: spans must lie where arenas can, modules must hold their own tables.
 *
 * Which kind of map a program has is decided by what it contains, not by version: 1.24 and 1.25 can be built either way.
 */
#include "goruntime.h"

#include <stddef.h>
#include <string.h>

struct wanted {
    const char *structure, *field;
    size_t at;        /* in struct ms_golayout */
    int since, until; /* Go 1.N that have it */
};
#define WANT(structure, field, member, since, until)                                                         \
    { structure, field, offsetof(struct ms_golayout, member), since, until }
enum { ALWAYS = 0, STILL = 1000 };

static const struct wanted wanted[] = {
    WANT("runtime.moduledata", "text", md_text, ALWAYS, STILL),
    WANT("runtime.moduledata", "etext", md_etext, ALWAYS, STILL),
    WANT("runtime.moduledata", "data", md_data, ALWAYS, STILL),
    WANT("runtime.moduledata", "edata", md_edata, ALWAYS, STILL),
    WANT("runtime.moduledata", "bss", md_bss, ALWAYS, STILL),
    WANT("runtime.moduledata", "ebss", md_ebss, ALWAYS, STILL),
    WANT("runtime.moduledata", "types", md_types, ALWAYS, STILL),
    WANT("runtime.moduledata", "etypes", md_etypes, ALWAYS, STILL),
    WANT("runtime.moduledata", "gofunc", md_gofunc, ALWAYS, STILL),
    WANT("runtime.moduledata", "typelinks", md_typelinks, ALWAYS, 26),
    WANT("runtime.moduledata", "typedesclen", md_typedesclen, 27, STILL),
    WANT("runtime.moduledata", "gcdatamask", md_gcdatamask, ALWAYS, STILL),
    WANT("runtime.moduledata", "gcbssmask", md_gcbssmask, ALWAYS, STILL),
    WANT("runtime.moduledata", "next", md_next, ALWAYS, STILL),
    WANT("runtime.mheap", "allspans", mheap_allspans, ALWAYS, STILL),
    WANT("runtime.mspan", "startAddr", span_start, ALWAYS, STILL),
    WANT("runtime.mspan", "npages", span_pages, ALWAYS, STILL),
    WANT("runtime.mspan", "freeindex", span_freeindex, ALWAYS, STILL),
    WANT("runtime.mspan", "nelems", span_nelems, ALWAYS, STILL),
    WANT("runtime.mspan", "allocBits", span_allocbits, ALWAYS, STILL),
    WANT("runtime.mspan", "spanclass", span_class, ALWAYS, STILL),
    WANT("runtime.mspan", "state", span_state, ALWAYS, STILL),
    WANT("runtime.mspan", "elemsize", span_elemsize, ALWAYS, STILL),
    WANT("runtime.mspan", "specials", span_specials, ALWAYS, STILL),
    WANT("runtime.mspan", "largeType", span_largetype, 22, STILL),
    WANT("runtime.g", "stack.lo", g_lo, ALWAYS, STILL),
    WANT("runtime.g", "stack.hi", g_hi, ALWAYS, STILL),
    WANT("runtime.g", "sched.sp", g_sp, ALWAYS, STILL),
    WANT("runtime.g", "sched.pc", g_pc, ALWAYS, STILL),
    WANT("runtime.g", "atomicstatus", g_status, ALWAYS, STILL),
    WANT("runtime.g", "goid", g_goid, ALWAYS, STILL),
    WANT("runtime.g", "syscallsp", g_syscallsp, ALWAYS, STILL),
    WANT("runtime.g", "syscallpc", g_syscallpc, ALWAYS, STILL),
    WANT("runtime.hchan", "dataqsiz", chan_count, ALWAYS, STILL),
    WANT("runtime.hchan", "buf", chan_buf, ALWAYS, STILL),
    WANT("runtime.hchan", "elemtype", chan_elemtype, ALWAYS, STILL),
    WANT("runtime.mheap", "arenas", mheap_arenas, ALWAYS, 21),
};
enum { WANTED = sizeof wanted / sizeof *wanted };

static uint32_t *field_at(struct ms_golayout *l, const struct wanted *w) {
    return (uint32_t *)((char *)l + w->at);
}

static bool has(const struct wanted *w, int minor) { return minor >= w->since && minor <= w->until; }

static int from_dwarf(struct ms_go *go, struct ms_error *err) {
    struct ms_golayout *l = &go->layout;
    for (size_t i = 0; i < WANTED; i++) {
        const struct wanted *w = &wanted[i];
        uint64_t offset;
        if (!has(w, go->build.minor)) continue;
        if (!ms_godwarf_field(go->dwarf, w->structure, w->field, &offset) || offset >= MS_GO_NONE)
            return ms_fail(err, MS_UNCERTAIN,
                           "built by %s, but its %s has no field %s: not a Go this version knows",
                           go->build.version, w->structure, w->field);
        *field_at(l, w) = (uint32_t)offset;
    }
    return MS_OK;
}

/* The classic header of 1.24 and 1.25 has one field more before its last. */
static uint32_t classic_header(int minor) { return minor >= 24 ? 56 : 48; }

/* What the debug information of each version says, in the order of `wanted`. */
enum { NO = -1 };
static const struct {
    int minor;
    int32_t offset[WANTED];
} table[] = {
    {18, {176, 184, 208, 216, 224, 232, 280, 288, 304, 336, NO,  496, 512, 544, 65848, 24, 32, 48,   56,
          72,  98,  99,  104, 128, NO,  0,   8,   56,  64,  144, 152, 112, 120, 8,     16, 32, 65936}},
    {19, {176, 184, 208, 216, 224, 232, 280, 288, 304, 336, NO,  496, 512, 544, 65856, 24, 32, 48,   56,
          72,  98,  99,  104, 128, NO,  0,   8,   56,  64,  144, 152, 112, 120, 8,     16, 32, 65936}},
    {20, {176, 184, 208, 216, 224, 232, 296, 304, 320, 352, NO,  512, 528, 560, 65824, 24, 32, 48,   56,
          72,  98,  99,  104, 128, NO,  0,   8,   56,  64,  144, 152, 112, 120, 8,     16, 32, 65904}},
    {21, {176, 184, 208, 216, 224, 232, 296, 304, 320, 352, NO,  536, 552, 584, 65864, 24, 32, 48,   56,
          72,  106, 107, 112, 136, NO,  0,   8,   56,  64,  144, 152, 112, 120, 8,     16, 32, 65944}},
    {22, {176, 184, 208, 216, 224, 232, 296, 304, 320, 352, NO,  536, 552, 584, 65864, 24, 32, 48, 50,
          64,  98,  99,  104, 128, 152, 0,   8,   56,  64,  144, 152, 112, 120, 8,     16, 32, NO}},
    {23, {176, 184, 208, 216, 224, 232, 296, 304, 320, 352, NO,  536, 552, 576, 65864, 24, 32, 48, 50,
          64,  98,  99,  104, 128, 152, 0,   8,   56,  64,  152, 160, 112, 120, 8,     16, 40, NO}},
    {24, {176, 184, 208, 216, 224, 232, 296, 304, 320, 352, NO,  536, 552, 576, 65864, 24, 32, 48, 50,
          64,  98,  99,  104, 128, 152, 0,   8,   56,  64,  152, 160, 112, 120, 8,     16, 40, NO}},
    {25, {176, 184, 208, 216, 224, 232, 296, 304, 320, 352, NO,  536, 552, 576, 65864, 24, 32, 48, 50,
          64,  98,  99,  104, 128, 152, 0,   8,   56,  64,  144, 152, 104, 112, 8,     16, 40, NO}},
    {26, {176, 184, 208, 216, 224, 232, 296, 304, 320, 360, NO,  544, 560, 584, 65864, 24, 32, 48, 50,
          64,  98,  99,  104, 128, 152, 0,   8,   56,  64,  144, 152, 104, 112, 8,     16, 40, NO}},
    {27, {176, 184, 208, 216, 224, 232, 296, 312, 344, NO, 304, 520, 536, 560, 65864, 24, 32, 48, 50,
          64,  98,  99,  104, 128, 152, 0,   8,   56,  64, 144, 152, 104, 112, 8,     16, 40, NO}},
};

static int from_table(struct ms_go *go, struct ms_error *err) {
    struct ms_golayout *l = &go->layout;
    int minor = go->build.minor;
    l->swiss = minor >= 26 || (minor >= 24 && !go->build.noswissmap);
    if (!l->swiss) l->map_header = classic_header(minor);
    for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
        if (table[k].minor != minor) continue;
        for (size_t i = 0; i < WANTED; i++) *field_at(l, &wanted[i]) = (uint32_t)table[k].offset[i];
        return MS_OK;
    }
    return ms_fail(err, MS_UNCERTAIN,
                   "built by %s without debug information, and this version's layout is not known",
                   go->build.version);
}

/* The map structs have had the same offsets in every version; a program where they differ is not read. */
static int check_maps(struct ms_go *go, struct ms_error *err) {
    static const struct {
        const char *structure, *field;
        unsigned offset;
    } swiss[] = {{"internal/runtime/maps.Map", "used", 0},
                 {"internal/runtime/maps.Map", "dirPtr", 16},
                 {"internal/runtime/maps.Map", "dirLen", 24},
                 {"internal/runtime/maps.Map", "globalDepth", 32},
                 {"internal/runtime/maps.table", "used", 0},
                 {"internal/runtime/maps.table", "capacity", 2},
                 {"internal/runtime/maps.table", "growthLeft", 4},
                 {"internal/runtime/maps.table", "index", 8},
                 {"internal/runtime/maps.table", "groups", 16}},
      classic[] = {{"runtime.hmap", "count", 0},     {"runtime.hmap", "flags", 8},
                   {"runtime.hmap", "B", 9},         {"runtime.hmap", "noverflow", 10},
                   {"runtime.hmap", "buckets", 16},  {"runtime.hmap", "oldbuckets", 24},
                   {"runtime.hmap", "nevacuate", 32}};
    size_t n = go->layout.swiss ? sizeof swiss / sizeof *swiss : sizeof classic / sizeof *classic;
    for (size_t i = 0; i < n; i++) {
        const char *structure = go->layout.swiss ? swiss[i].structure : classic[i].structure,
                   *field = go->layout.swiss ? swiss[i].field : classic[i].field;
        uint64_t offset, want = go->layout.swiss ? swiss[i].offset : classic[i].offset;
        if (!ms_godwarf_field(go->dwarf, structure, field, &offset) || offset != want)
            return ms_fail(err, MS_UNCERTAIN,
                           "built by %s, but field %s of %s is not where this version knows it",
                           go->build.version, field, structure);
    }
    return MS_OK;
}

int ms_golayout_choose(struct ms_go *go, struct ms_error *err) {
    struct ms_golayout *l = &go->layout;
    int minor = go->build.minor;
    if (minor < MS_GO_OLDEST || minor > MS_GO_NEWEST)
        return ms_fail(
            err, MS_UNCERTAIN,
            "built by %s, which this version of mapscope does not know (it knows go1.%d to go1.%d)",
            go->build.version, MS_GO_OLDEST, MS_GO_NEWEST);
    memset(l, 0xff, sizeof *l);
    l->narrow_counts = l->heap_bits = minor >= 22;
    l->scan_bits = minor < 20;
    l->inline_marks = minor >= 26 && !go->build.nogreentea;
    l->direct_in_flags = minor >= 26;
    l->wide_map_type = minor >= 27;
    l->map_header = 48;
    if (!go->dwarf) return from_table(go, err);
    l->swiss = ms_godwarf_struct(go->dwarf, "internal/runtime/maps.Map", &(uint64_t){0});
    if (!l->swiss) l->map_header = classic_header(minor);
    int status = from_dwarf(go, err);
    return status ? status : check_maps(go, err);
}

void ms_golayout_kind(struct ms_go *go) {
    struct ms_golayout *l = &go->layout;
    const struct ms_gopclntab *functions = &go->module[0].functions;
    if (go->dwarf) return;
    bool swiss = ms_gopclntab_has(functions, "internal/runtime/maps.(*Map)."),
         classic = ms_gopclntab_has(functions, "runtime.hashGrow");
    if (swiss == classic) return; /* it stays as the version says */
    l->swiss = swiss;
    l->map_header = swiss ? 48 : classic_header(go->build.minor);
}
