/* go_world.c - lays out the miniature Go program.
 *
 *   main.user ------> USER{tags, next, any, list, ch, fn, at}       every kind of step leads to a map
 *   main.cache -----> map[int]*USER, a table of four groups -----> USER ... --> map[int]string
 *   masks of data     a word that no global names
 *   stacks            a word in each of two goroutines
 *   finalizer         a closure
 *
 * Everything is written through put(), which knows the blocks by address.  What a version does not have (an
 * offset MS_GO_NONE) is not written.
 */
#include "go_world.h"

#include <stdio.h>
#include <string.h>

#define TEXT        (GO_IMAGE_AT + 0x1000)
#define TEXT_END    (GO_IMAGE_AT + 0x2000)
#define FUNCTIONS   (GO_IMAGE_AT + 0x2000)
#define TYPES       (GO_IMAGE_AT + 0x4000)
#define NAMES       (GO_IMAGE_AT + 0x6000)
#define TYPES_END   (GO_IMAGE_AT + 0x7000)
#define LINKS       (GO_IMAGE_AT + 0x7000)
#define MASKS       (GO_IMAGE_AT + 0x7400)
#define MODULE      (GO_DATA_AT + 0x100)
#define DATA        (GO_DATA_AT + 0x1000)
#define BSS         (GO_DATA_AT + 0x2000)
#define SPANS       (BSS + 0x400)
#define ROUTINES    (BSS + 0x480)
#define SPAN_LIST   (GO_RUNTIME_AT + 0x2000)
#define G_LIST      (GO_RUNTIME_AT + 0x2800)
#define G_AT        (GO_RUNTIME_AT + 0x3000)
#define SPECIAL     (GO_RUNTIME_AT + 0x4000)
#define ARENA_AT    (GO_RUNTIME_AT + 0x100000)
#define ENDED_AT    (ARENA_AT + (UINT64_C(1) << 20))
#define ARENAS_LIST UINT64_C(0x7e0000000000)
#define ARENAS_AT   (ARENAS_LIST + 8 * ((GO_HEAP_AT + (UINT64_C(1) << 47)) >> 26))

struct go_place go_world_place(enum go_block block) {
    static const struct go_place place[GO_BLOCKS] = {
        [GO_IMAGE] = {GO_IMAGE_AT, offsetof(struct go_world, image), GO_IMAGE_BYTES},
        [GO_DATA] = {GO_DATA_AT, offsetof(struct go_world, data), GO_DATA_BYTES},
        [GO_HEAP] = {GO_HEAP_AT, offsetof(struct go_world, heap), GO_HEAP_BYTES},
        [GO_RUNTIME] = {GO_RUNTIME_AT, offsetof(struct go_world, runtime), GO_RUNTIME_BYTES},
        [GO_ARENA] = {ARENA_AT, offsetof(struct go_world, arena), GO_ARENA_BYTES},
        [GO_ENDED] = {ENDED_AT, offsetof(struct go_world, ended), GO_ENDED_BYTES},
        [GO_ARENAS] = {ARENAS_AT, offsetof(struct go_world, arenas), MS_GO_PAGE},
        [GO_FILE] = {0, offsetof(struct go_world, file), GO_FILE_BYTES},
    };
    return place[block];
}

static uint8_t *at(struct go_world *w, uint64_t addr) {
    for (int b = 0; b < GO_FILE; b++) {
        struct go_place p = go_world_place((enum go_block)b);
        if (addr - p.addr < p.bytes) return (uint8_t *)w + p.offset + (addr - p.addr);
    }
    __builtin_trap(); /* the world is laid out wrongly */
}

static void put(struct go_world *w, uint64_t addr, uint64_t value, size_t bytes) {
    memcpy(at(w, addr), &value, bytes);
}

static void put_at(struct go_world *w, uint64_t base, uint32_t offset, uint64_t value, size_t bytes) {
    if (offset != MS_GO_NONE) put(w, base + offset, value, bytes);
}

/* ---- types ------------------------------------------------------------------------------------- */

enum type {
    INT,
    STRING,
    UNSAFE,
    EFACE,
    POINTER,
    USER,
    SLICE,
    CHAN,
    FUNC,
    NOTHING,
    ATOMIC,
    KEYS,
    STRINGS,
    POINTERS,
    SLOT_A,
    SLOT_B,
    SLOTS_A,
    SLOTS_B,
    GROUP_A,
    GROUP_B,
    MAP_A, /* map[int]string */
    MAP_B, /* map[int]*main.User */
    TYPES_COUNT
};

static const struct description {
    const char *name;
    uint8_t kind, fields;
    uint16_t size, pointers;
    uint8_t elem, count; /* of pointers, slices, arrays, channels */
} description[TYPES_COUNT] = {
    [INT] = {"int", 2, 0, 8, 0, 0, 0},
    [STRING] = {"string", MS_GO_STRING, 0, 16, 8, 0, 0},
    [UNSAFE] = {"unsafe.Pointer", MS_GO_UNSAFE_POINTER, 0, 8, 8, 0, 0},
    [EFACE] = {"interface {}", MS_GO_INTERFACE, 0, 16, 16, 0, 0},
    [POINTER] = {"*main.User", MS_GO_POINTER, 0, 8, 8, USER, 0},
    [USER] = {"main.User", MS_GO_STRUCT, 8, 96, 96, 0, 0},
    [SLICE] = {"[]main.User", MS_GO_SLICE, 0, 24, 8, USER, 0},
    [CHAN] = {"chan map[int]string", MS_GO_CHAN, 0, 8, 8, MAP_A, 0},
    [FUNC] = {"func()", MS_GO_FUNC, 0, 8, 8, 0, 0},
    [NOTHING] = {"[0]*main.User", MS_GO_ARRAY, 0, 0, 0, POINTER, 0},
    [ATOMIC] = {"atomic.Pointer[main.User]", MS_GO_STRUCT, 2, 8, 8, 0, 0},
    [KEYS] = {"[8]int", MS_GO_ARRAY, 0, 64, 0, INT, 8},
    [STRINGS] = {"[8]string", MS_GO_ARRAY, 0, 128, 120, STRING, 8},
    [POINTERS] = {"[8]*main.User", MS_GO_ARRAY, 0, 64, 64, POINTER, 8},
    [SLOT_A] = {"struct { key int; elem string }", MS_GO_STRUCT, 2, 24, 16, 0, 0},
    [SLOT_B] = {"struct { key int; elem *main.User }", MS_GO_STRUCT, 2, 16, 16, 0, 0},
    [SLOTS_A] = {"[8]struct { key int; elem string }", MS_GO_ARRAY, 0, 192, 184, SLOT_A, 8},
    [SLOTS_B] = {"[8]struct { key int; elem *main.User }", MS_GO_ARRAY, 0, 128, 128, SLOT_B, 8},
    [GROUP_A] = {"group[int]string", MS_GO_STRUCT, 4, 200, 192, 0, 0},
    [GROUP_B] = {"group[int]*main.User", MS_GO_STRUCT, 4, 136, 136, 0, 0},
    [MAP_A] = {"map[int]string", MS_GO_MAP, 0, 8, 8, STRING, 0},
    [MAP_B] = {"map[int]*main.User", MS_GO_MAP, 0, 8, 8, POINTER, 0},
};

enum {
    NAME_AT = 0,
    TAGS_AT = 16,
    NEXT_AT = 24,
    ANY_AT = 32,
    LIST_AT = 48,
    CHAN_AT = 72,
    FUNC_AT = 80,
    ATOM_AT = 88
};

/* Descriptions lie one behind the other, as those of 1.27 must. */
static uint64_t type_at(unsigned type) {
    static const uint8_t own[] = {[MS_GO_ARRAY] = 72,         [MS_GO_CHAN] = 64,
                                  [MS_GO_FUNC] = 56,          [MS_GO_INTERFACE] = 80,
                                  [MS_GO_MAP] = 136,          [MS_GO_POINTER] = 56,
                                  [MS_GO_SLICE] = 56,         [MS_GO_STRUCT] = 80,
                                  [MS_GO_STRING] = 48,        [2] = 48,
                                  [MS_GO_UNSAFE_POINTER] = 48};
    uint64_t addr = TYPES + 8;
    for (unsigned i = 0; i < type; i++) addr += own[description[i].kind] + 24u * description[i].fields;
    return addr;
}

/* A name: flags, length, bytes; each has its place. */
static uint64_t name_of(struct go_world *w, unsigned place, const char *text) {
    uint64_t addr = NAMES + 64 * place;
    put(w, addr + 1, strlen(text), 1);
    memcpy(at(w, addr + 2), text, strlen(text));
    return addr;
}

struct member {
    const char *name;
    uint16_t offset;
    uint8_t type;
};

static void put_members(struct go_world *w, unsigned type, const struct member *m, unsigned n) {
    uint64_t fields = type_at(type) + 80;
    put(w, type_at(type) + 56, fields, 8);
    put(w, type_at(type) + 64, n, 8);
    for (unsigned i = 0; i < n; i++) {
        put(w, fields + 24 * i, name_of(w, TYPES_COUNT + (type * 5 + i) % 38, m[i].name), 8);
        put(w, fields + 24 * i + 8, type_at(m[i].type), 8);
        put(w, fields + 24 * i + 16, m[i].offset, 8);
    }
}

static void put_map(struct go_world *w, unsigned map, unsigned elem, unsigned group) {
    uint64_t t = type_at(map);
    unsigned slot = 8 + description[elem].size;
    put(w, t + 48, type_at(INT), 8);
    put(w, t + 56, type_at(elem), 8);
    put(w, t + 64, type_at(group), 8);
    if (w->layout.wide_map_type) {
        const uint64_t word[] = {8 + 8 * slot, 8, slot, 16, slot, 0};
        for (unsigned i = 0; i < 6; i++) put(w, t + 80 + 8 * i, word[i], 8);
    } else if (w->layout.swiss) {
        put(w, t + 80, 8 + 8 * slot, 8), put(w, t + 88, slot, 8), put(w, t + 96, 8, 8);
    } else {
        put(w, t + 80, 8, 1), put(w, t + 81, slot - 8, 1), put(w, t + 82, 8 + 8 * slot + 8, 2);
    }
}

static unsigned group_size(const struct go_world *w, unsigned group) {
    return description[group].size + (w->layout.swiss ? 0 : 8); /* a classic bucket has a link */
}

static void put_group(struct go_world *w, unsigned group, unsigned elems, unsigned slots) {
    uint16_t size = (uint16_t)group_size(w, group);
    const struct member swiss[] = {{"ctrl", 0, INT}, {"slots", 8, (uint8_t)slots}},
                        classic[] = {{"topbits", 0, INT},
                                     {"keys", 8, KEYS},
                                     {"elems", 72, (uint8_t)elems},
                                     {"overflow", (uint16_t)(size - 8), UNSAFE}};
    put_members(w, group, w->layout.swiss ? swiss : classic, w->layout.swiss ? 2 : 4);
    put(w, type_at(group), size, 8);
    put(w, type_at(group) + 8, size, 8);
}

static void put_types(struct go_world *w) {
    static const struct member user[] = {{"name", NAME_AT, STRING},  {"tags", TAGS_AT, MAP_A},
                                         {"next", NEXT_AT, POINTER}, {"any", ANY_AT, EFACE},
                                         {"list", LIST_AT, SLICE},   {"ch", CHAN_AT, CHAN},
                                         {"fn", FUNC_AT, FUNC},      {"at", ATOM_AT, ATOMIC}},
                               atomic[] = {{"_", 0, NOTHING}, {"v", 0, UNSAFE}},
                               slot_a[] = {{"key", 0, INT}, {"elem", 8, STRING}},
                               slot_b[] = {{"key", 0, INT}, {"elem", 8, POINTER}};
    for (unsigned i = 0; i < TYPES_COUNT; i++) {
        const struct description *d = &description[i];
        uint64_t t = type_at(i);
        bool direct = d->size == 8 && d->pointers == 8 && d->kind != MS_GO_STRUCT;
        put(w, t, d->size, 8);
        put(w, t + 8, d->pointers, 8);
        put(w, t + 20, direct && w->layout.direct_in_flags ? 32 : 0, 1);
        put(w, t + 23, d->kind | (direct && !w->layout.direct_in_flags ? 32 : 0), 1);
        put(w, t + 40, name_of(w, i, d->name) - TYPES, 4);
        if (d->kind == MS_GO_POINTER || d->kind == MS_GO_SLICE || d->kind == MS_GO_ARRAY ||
            d->kind == MS_GO_CHAN)
            put(w, t + 48, type_at(d->elem), 8);
        if (d->kind == MS_GO_ARRAY) put(w, t + 64, d->count, 8);
    }
    put_members(w, USER, user, 8);
    put_members(w, ATOMIC, atomic, 2);
    put_members(w, SLOT_A, slot_a, 2);
    put_members(w, SLOT_B, slot_b, 2);
    put_group(w, GROUP_A, STRINGS, SLOTS_A);
    put_group(w, GROUP_B, POINTERS, SLOTS_B);
    put_map(w, MAP_A, STRING, GROUP_A);
    put_map(w, MAP_B, POINTER, GROUP_B);
    put(w, LINKS, type_at(MAP_A) - TYPES, 4);
    put(w, LINKS + 4, type_at(MAP_B) - TYPES, 4);
}

/* ---- functions and the module ------------------------------------------------------------------- */

enum { MAIN, CLOSURE, METHOD_VALUE, FUNCTIONS_COUNT, FUNCTION_BYTES = 0x100 };

static void put_functions(struct go_world *w, int minor) {
    static const char *const name[] = {"main.main", "main.main.func1", "main.(*User).m-fm"};
    enum { NAME_PART = 0x100, CU_PART = 0x200, FILE_PART = 0x280, PC_PART = 0x300, FUNC_PART = 0x400, TABLES = 0x340 };
    const unsigned tail = minor < 20 ? 36 : 40; /* of a record, the number of data in its last byte */
    const uint64_t word[] = {FUNCTIONS_COUNT, 1, TEXT, NAME_PART, CU_PART, FILE_PART, PC_PART, FUNC_PART};
    put(w, FUNCTIONS, minor < 20 ? 0xfffffff0 : 0xfffffff1, 4);
    put(w, FUNCTIONS + 6, 0x0801, 2);
    for (unsigned i = 0; i < 8; i++) put(w, FUNCTIONS + 8 + 8 * i, word[i], 8);
    memcpy(at(w, FUNCTIONS + FILE_PART), "/go/main.go", 12);
    /* Value 0x20 up to the end of a function: -1 + 0x21, zigzag 0x42; its length as a varint. */
    memcpy(at(w, FUNCTIONS + PC_PART + 1), "\x42\x80\x02", 4);
    memcpy(at(w, FUNCTIONS + PC_PART + 16), "\x02\x80\x02", 4); /* value 0 */
    /* Data from moduledata.gofunc: one map of three words, all pointers; an object of the lower two. */
    put(w, FUNCTIONS + TABLES, 1 | UINT64_C(3) << 32, 8);
    put(w, FUNCTIONS + TABLES + 8, 7, 1);
    put(w, FUNCTIONS + TABLES + 16, 1, 8);
    put(w, FUNCTIONS + TABLES + 24, (uint32_t)-24 | UINT64_C(16) << 32, 8);
    put(w, FUNCTIONS + TABLES + 32, 16 | UINT64_C(8) << 32, 8);
    put_at(w, MODULE, w->layout.md_gofunc, FUNCTIONS + TABLES, 8);
    put_at(w, MODULE, w->layout.md_gofunc - 8, FUNCTIONS + TABLES, 8);
    for (unsigned i = 0; i <= FUNCTIONS_COUNT; i++) {
        uint64_t pair = FUNCTIONS + FUNC_PART + 8 * i, record = 0x40 + 0x40 * i;
        put(w, pair, FUNCTION_BYTES * i, 4);
        put(w, pair + 4, record, 4);
        if (i == FUNCTIONS_COUNT) break;
        memcpy(at(w, FUNCTIONS + NAME_PART + 32 * i), name[i], strlen(name[i]));
        record += FUNCTIONS + FUNC_PART;
        put(w, record, FUNCTION_BYTES * i, 4);
        put(w, record + 4, 32 * i, 4);
        put(w, record + 16, 1, 4);
        put(w, record + 20, 16, 4);
        put(w, record + 24, 1, 4);
        put(w, record + 28, 2, 4); /* values by address: none, and the number of the map */
        put(w, record + tail, UINT64_C(3) << 24, 4);
        put(w, record + tail + 8, 16, 4);
        put(w, record + tail + 12, UINT32_MAX, 4);
        put(w, record + tail + 16, 0, 4);
        put(w, record + tail + 20, 16, 4);
    }
}

static void put_module(struct go_world *w) {
    const struct ms_golayout *l = &w->layout;
    put(w, MODULE, FUNCTIONS, 8);
    put_at(w, MODULE, l->md_text, TEXT, 8);
    put_at(w, MODULE, l->md_etext, TEXT_END, 8);
    put_at(w, MODULE, l->md_data, DATA, 8);
    put_at(w, MODULE, l->md_edata, DATA + 0x440, 8);
    put_at(w, MODULE, l->md_bss, BSS, 8);
    put_at(w, MODULE, l->md_ebss, BSS + 0x500, 8);
    put_at(w, MODULE, l->md_types, TYPES, 8);
    put_at(w, MODULE, l->md_etypes, TYPES_END, 8);
    put_at(w, MODULE, l->md_typedesclen, type_at(TYPES_COUNT) - TYPES, 8);
    if (l->md_typelinks != MS_GO_NONE) {
        put(w, MODULE + l->md_typelinks, LINKS, 8);
        put(w, MODULE + l->md_typelinks + 8, 2, 8);
    }
    put_at(w, MODULE, l->md_gcdatamask, 0x88, 4);
    put(w, MODULE + l->md_gcdatamask + 8, MASKS, 8);
    put_at(w, MODULE, l->md_gcbssmask, 0xa0, 4);
    put(w, MODULE + l->md_gcbssmask + 8, MASKS + 0x100, 8);
    memset(at(w, MASKS), 0xff, 0x20); /* all of data may be pointers, nothing of bss is */
}

static void put_elf(struct go_world *w, const char *version) {
    Elf64_Ehdr e = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                    .e_type = ET_EXEC,
                    .e_machine = EM_X86_64,
                    .e_version = EV_CURRENT,
                    .e_phoff = sizeof e,
                    .e_ehsize = sizeof e,
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = 2};
    Elf64_Phdr p[2] = {{.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = GO_IMAGE_AT},
                       {.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = GO_DATA_AT}};
    p[0].p_filesz = p[0].p_memsz = GO_IMAGE_BYTES;
    p[1].p_filesz = p[1].p_memsz = GO_DATA_BYTES;
    memcpy(w->image, &e, sizeof e);
    memcpy(w->image + sizeof e, p, sizeof p);
    memcpy(w->data, "\xff Go buildinf:\x08\x02", 16);
    w->data[32] = (uint8_t)strlen(version);
    memcpy(w->data + 33, version, strlen(version));
}

/* ---- the heap ---------------------------------------------------------------------------------- */

enum span {
    HEADERS,
    USERS,
    GROUPS_A,
    GROUPS_B,
    TABLES,
    WORDS,
    ARRAYS,
    LARGE,
    TEXTS,
    BIG_TABLE,
    CLOSURES,
    CHANS,
    STACK
};

static const struct {
    uint16_t elem, count;
    bool noscan;
} span_of[] = {[HEADERS] = {48, 16, false},   [USERS] = {96, 16, false},   [GROUPS_A] = {208, 16, false},
               [GROUPS_B] = {144, 8, false},  [TABLES] = {32, 8, false},   [WORDS] = {8, 64, false},
               [ARRAYS] = {1024, 4, false},   [LARGE] = {8192, 1, false},  [TEXTS] = {32, 16, true},
               [BIG_TABLE] = {704, 4, false}, [CLOSURES] = {16, 8, false}, [CHANS] = {96, 8, false},
               [STACK] = {0, 0, false}};

static uint64_t elem_of(const struct go_world *w, unsigned span) {
    return span == HEADERS && w->layout.map_header > 48 ? 64 : span_of[span].elem;
}

static uint64_t object(const struct go_world *w, unsigned span, unsigned i) {
    return GO_HEAP_AT + (uint64_t)span * MS_GO_PAGE + i * elem_of(w, span);
}

static void put_spans(struct go_world *w) {
    const struct ms_golayout *l = &w->layout;
    for (unsigned i = 0; i <= STACK; i++) {
        uint64_t span = GO_RUNTIME_AT + 256 * i;
        unsigned counted = l->narrow_counts ? 2 : 8;
        put(w, SPAN_LIST + 8 * i, span, 8);
        put_at(w, span, l->span_start, GO_HEAP_AT + (uint64_t)i * MS_GO_PAGE, 8);
        put_at(w, span, l->span_pages, 1, 8);
        put_at(w, span, l->span_nelems, span_of[i].count, counted);
        put_at(w, span, l->span_freeindex, span_of[i].count, counted);
        put_at(w, span, l->span_class, (i == LARGE ? 0u : 4u) | span_of[i].noscan, 1);
        put_at(w, span, l->span_state, i == STACK ? 2 : 1, 1);
        put_at(w, span, l->span_elemsize, elem_of(w, i), 8);
        if (i == LARGE) put_at(w, span, l->span_largetype, type_at(USER), 8);
        if (i == USERS) put_at(w, span, l->span_specials, SPECIAL, 8);
    }
    put(w, SPANS, SPAN_LIST, 8);
    put(w, SPANS + 8, STACK + 1, 8);
    put(w, SPANS + 16, STACK + 1, 8);
    put_at(w, SPANS - l->mheap_allspans, l->mheap_arenas, ARENAS_LIST, 8);
    put(w, ARENAS_AT, ARENA_AT, 8);
    if (l->scan_bits) memset(w->arena, 0xf0, sizeof w->arena); /* "more follow" for every word */
}

/* A pointer in the heap: its value, and its bit where the collector has one. */
static void point(struct go_world *w, uint64_t addr, uint64_t to) {
    unsigned span = (unsigned)((addr - GO_HEAP_AT) / MS_GO_PAGE);
    uint64_t word = addr % MS_GO_PAGE / MS_GO_PTR, all = (addr - GO_HEAP_AT) / MS_GO_PTR,
             elem = elem_of(w, span);
    put(w, addr, to, 8);
    if (w->layout.scan_bits) {
        w->arena[all / 4] |= (uint8_t)(1 << all % 4);
    } else if (!w->layout.heap_bits) {
        w->arena[all / 8] |= (uint8_t)(1 << all % 8);
    } else if (elem <= 512) {
        uint64_t bits = GO_HEAP_AT + (span + 1) * (uint64_t)MS_GO_PAGE - MS_GO_PAGE / 64;
        if (w->layout.inline_marks && elem >= 16) bits -= 128;
        *at(w, bits + word / 8) |= (uint8_t)(1 << word % 8);
    }
}

/* Group of `live` entries; values of a B map are users from the first on. */
static void fill_group(struct go_world *w, uint64_t g, bool b, unsigned live) {
    for (unsigned i = 0; i < 8; i++) {
        uint64_t elem = w->layout.swiss ? g + 16 + i * (b ? 16u : 24u) : g + 72 + i * (b ? 8u : 16u);
        uint64_t control = w->layout.swiss ? (i < live ? i : 0x80) : (i < live ? 5 + i : 0);
        put(w, g + i, control, 1);
        if (i < live) point(w, elem, b ? object(w, USERS, 4 + i) : object(w, TEXTS, i));
        if (i < live && !b) put(w, elem + 8, 5, 8);
    }
}

/* The header of a map with up to 8 entries. */
static uint64_t small_map(struct go_world *w, unsigned i, unsigned live) {
    uint64_t h = object(w, HEADERS, i);
    put(w, h, live, 8);
    put(w, h + (w->layout.swiss ? 8u : 12u), UINT64_C(0x9e3779b97f4a7c15), w->layout.swiss ? 8 : 4);
    point(w, h + 16, object(w, GROUPS_A, i));
    if (!w->layout.swiss) point(w, h + 24, 0), point(w, h + w->layout.map_header - 8, 0);
    fill_group(w, object(w, GROUPS_A, i), false, live);
    w->maps++;
    return h;
}

/* Four groups with three users each, in an object that says its type where Go does that. */
static uint64_t big_map(struct go_world *w, unsigned i) {
    uint64_t h = object(w, HEADERS, i), groups = object(w, BIG_TABLE, 0);
    if (w->layout.heap_bits) put(w, groups, type_at(GROUP_B), 8), groups += 8;
    for (unsigned g = 0; g < 4; g++) fill_group(w, groups + g * group_size(w, GROUP_B), true, 3);
    put(w, h, 12, 8);
    if (w->layout.swiss) {
        uint64_t table = object(w, TABLES, 0);
        point(w, h + 16, object(w, WORDS, 0));
        put(w, h + 24, 1, 8);
        put(w, h + 33, 64, 1);
        point(w, object(w, WORDS, 0), table);
        put(w, table, 12, 2), put(w, table + 2, 32, 2), put(w, table + 4, 16, 2);
        point(w, table + 16, groups);
        put(w, table + 24, 3, 8);
    } else {
        put(w, h + 9, 2, 1);
        point(w, h + 16, groups);
        point(w, h + 24, 0), point(w, h + w->layout.map_header - 8, 0);
    }
    w->maps++;
    return h;
}

static void put_user(struct go_world *w, uint64_t user, unsigned i) {
    point(w, user + NAME_AT, object(w, TEXTS, i));
    put(w, user + NAME_AT + 8, 5, 8);
    point(w, user + TAGS_AT, small_map(w, i, i % 9));
}

/* One way to a map of each kind; spans and types are there. */
static void put_objects(struct go_world *w) {
    uint64_t user = object(w, USERS, 0), chan = object(w, CHANS, 0), closure = object(w, CLOSURES, 0),
             array = object(w, ARRAYS, 0) + (w->layout.heap_bits ? 8 : 0), large = object(w, LARGE, 0);
    for (unsigned i = 0; i < 7; i++) put_user(w, object(w, USERS, i), i + 1);
    point(w, user + NEXT_AT, object(w, USERS, 1));
    put(w, user + ANY_AT, type_at(POINTER), 8);
    point(w, user + ANY_AT + 8, object(w, USERS, 2));
    point(w, user + LIST_AT, array);
    put(w, user + LIST_AT + 8, 10, 8), put(w, user + LIST_AT + 16, 10, 8);
    point(w, user + CHAN_AT, chan);
    point(w, user + FUNC_AT, closure);
    point(w, user + ATOM_AT, object(w, USERS, 3));
    if (w->layout.heap_bits) put(w, object(w, ARRAYS, 0), type_at(USER), 8);
    put_user(w, array + 96, 8);
    put_user(w, large + 96, 9);
    put(w, chan, 1, 8);
    put_at(w, chan, w->layout.chan_count, 2, 8);
    put_at(w, chan, w->layout.chan_elemtype, type_at(MAP_A), 8);
    point(w, chan + w->layout.chan_buf, object(w, WORDS, 8));
    point(w, object(w, WORDS, 8), small_map(w, 10, 2));
    point(w, closure, TEXT + CLOSURE * FUNCTION_BYTES);
    point(w, closure + 8, small_map(w, 11, 8));
    closure = object(w, CLOSURES, 1); /* a finalizer's */
    point(w, closure, TEXT + METHOD_VALUE * FUNCTION_BYTES);
    point(w, closure + 8, object(w, USERS, 0));
    put(w, SPECIAL + 16, closure, 8);
    put(w, DATA, user, 8);
    put(w, DATA + 8, big_map(w, 12), 8);
    put(w, DATA + 16, type_at(MAP_A), 8), put(w, DATA + 24, small_map(w, 13, 3), 8);
    put(w, DATA + 32, object(w, USERS, 5), 8), put(w, DATA + 40, object(w, USERS, 6), 8);
    put(w, DATA + 0x400, large, 8);
}

static void put_routines(struct go_world *w) {
    const struct ms_golayout *l = &w->layout;
    static const uint8_t status[] = {4 /* waiting */, 3 /* in a system call */, 6 /* dead */,
                                     2 /* running */};
    for (unsigned i = 0; i < sizeof status; i++) {
        uint64_t g = G_AT + 512 * i, lo = GO_HEAP_AT + STACK * MS_GO_PAGE + 0x800 * i, sp = lo + 0x700;
        put(w, G_LIST + 8 * i, g, 8);
        put_at(w, g, l->g_status, status[i], 4);
        put_at(w, g, l->g_goid, i + 1, 8);
        if (i == 2) continue;
        put_at(w, g, l->g_lo, lo, 8);
        put_at(w, g, l->g_hi, lo + 0x800, 8);
        put_at(w, g, i == 1 ? l->g_syscallsp : l->g_sp, sp, 8);
        put_at(w, g, i == 1 ? l->g_syscallpc : l->g_pc, TEXT + 0x10, 8);
        put(w, sp + 0x20, TEXT + 0x20, 8); /* where the frame of 0x20 bytes returns to */
        put(w, sp + 0x30, object(w, HEADERS, 14), 8);
    }
    put(w, ROUTINES, G_LIST, 8);
    put(w, ROUTINES + 8, sizeof status, 8);
    put(w, ROUTINES + 16, sizeof status, 8);
    small_map(w, 14, 4);
}

/* ---- the whole --------------------------------------------------------------------------------- */

bool go_world_make(struct go_world *w, int minor, bool noswissmap, bool nogreentea) {
    struct ms_go go = {.build = {.minor = minor, .noswissmap = noswissmap, .nogreentea = nogreentea}};
    *w = (struct go_world){.maps = 0};
    if (ms_golayout_choose(&go, NULL) != MS_OK) return false;
    w->layout = go.layout;
    snprintf(go.build.version, sizeof go.build.version, "go1.%d.1%s%s", minor,
             noswissmap ? " X:noswissmap" : "", nogreentea ? " X:nogreenteagc" : "");
    put_elf(w, go.build.version);
    put_functions(w, minor);
    put_module(w);
    put_types(w);
    put_spans(w);
    put_objects(w);
    put_routines(w);
    const struct go_global global[] = {
        {"runtime.firstmoduledata", "int", MODULE},
        {"runtime.mheap_", "int", SPANS - w->layout.mheap_allspans},
        {"runtime.allgs", "int", ROUTINES},
        {"main.user", "*main.User", DATA},
        {"main.cache", "map[int]*main.User", DATA + 8},
        {"main.any", "interface {}", DATA + 16},
        {"main.pair", "[2]*main.User", DATA + 32},
    };
    const uint64_t entry[] = {TEXT, TEXT + CLOSURE * FUNCTION_BYTES, TEXT + METHOD_VALUE * FUNCTION_BYTES},
                   map[] = {type_at(MAP_A) - TYPES, type_at(MAP_B) - TYPES};
    go_world_file(w, global, sizeof global / sizeof *global, entry, map);
    return true;
}
