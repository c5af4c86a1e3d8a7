/* go_dwarf.c - the file of the miniature Go program: an ELF file with one unit of debug information.
 *
 *   ELF header | .debug_abbrev | .debug_info | .shstrtab | .gnu_debugaltlink | section headers
 *
 * The unit has what goruntime/golayout.c asks for, at the offsets of the version; the types of main; its
 * globals; a function, a closure and a method value.  main.User and *main.User have no description of the program's
 * own, so that types are taken from here too.  One global's type is said to lie in another file.
 */
#include "elf/goparse.h"
#include "go_world.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

enum { INFO_MOST = 0x3000, NAMES_MOST = 128, ABBREV_MOST = 512, REF_BYTES = 4, UNIT_HEAD = 11 };
enum { GO_KIND = 0x2900, GO_KEY = 0x2901, GO_ELEM = 0x2902, GO_TYPE = 0x2904, GO_CLOSURE = 0x2907 };

/* One abbreviation for each tag that is written. */
enum entry {
    UNIT = 1,
    BASE,
    STRUCTURE,
    MEMBER,
    VARIABLE,
    POINTER,
    MAP,
    ARRAY,
    RANGE,
    FUNCTION,
    PARAMETER,
    HELD,
    INLINED,
    INTERFACE,
    ELSEWHERE
};
static const struct {
    uint16_t tag;
    bool children;
    struct {
        uint16_t name;
        uint16_t form;
    } attr[8];
} abbrev[] = {
    [UNIT] = {DW_TAG_compile_unit, true, {{DW_AT_name, DW_FORM_string}, {DW_AT_language, DW_FORM_data1}}},
    [BASE] = {DW_TAG_base_type,
              false,
              {{DW_AT_name, DW_FORM_string}, {DW_AT_byte_size, DW_FORM_udata}, {GO_KIND, DW_FORM_data1}}},
    [STRUCTURE] = {DW_TAG_structure_type,
                   true,
                   {{DW_AT_name, DW_FORM_string},
                    {DW_AT_byte_size, DW_FORM_udata},
                    {GO_KIND, DW_FORM_data1}}},
    [MEMBER] = {DW_TAG_member,
                false,
                {{DW_AT_name, DW_FORM_string},
                 {DW_AT_data_member_location, DW_FORM_udata},
                 {DW_AT_type, DW_FORM_ref4}}},
    [VARIABLE] = {DW_TAG_variable,
                  false,
                  {{DW_AT_name, DW_FORM_string},
                   {DW_AT_location, DW_FORM_exprloc},
                   {DW_AT_type, DW_FORM_ref4}}},
    [POINTER] = {DW_TAG_pointer_type,
                 false,
                 {{DW_AT_name, DW_FORM_string}, {GO_KIND, DW_FORM_data1}, {DW_AT_type, DW_FORM_ref4}}},
    [MAP] = {DW_TAG_typedef,
             false,
             {{DW_AT_name, DW_FORM_string},
              {GO_KIND, DW_FORM_data1},
              {GO_TYPE, DW_FORM_udata},
              {GO_KEY, DW_FORM_ref4},
              {GO_ELEM, DW_FORM_ref4}}},
    [ARRAY] = {DW_TAG_array_type,
               true,
               {{DW_AT_name, DW_FORM_string},
                {DW_AT_byte_size, DW_FORM_udata},
                {GO_KIND, DW_FORM_data1},
                {DW_AT_type, DW_FORM_ref4}}},
    [RANGE] = {DW_TAG_subrange_type, false, {{DW_AT_count, DW_FORM_udata}}},
    [FUNCTION] = {DW_TAG_subprogram, true, {{DW_AT_name, DW_FORM_string}, {DW_AT_low_pc, DW_FORM_addr}}},
    [PARAMETER] = {DW_TAG_formal_parameter,
                   false,
                   {{DW_AT_name, DW_FORM_string}, {DW_AT_type, DW_FORM_ref4}}},
    [HELD] = {DW_TAG_variable,
              false,
              {{DW_AT_name, DW_FORM_string}, {GO_CLOSURE, DW_FORM_udata}, {DW_AT_type, DW_FORM_ref4}}},
    [INLINED] = {DW_TAG_inlined_subroutine, false, {{DW_AT_abstract_origin, DW_FORM_ref4}}},
    [INTERFACE] = {DW_TAG_typedef,
                   false,
                   {{DW_AT_name, DW_FORM_string}, {GO_KIND, DW_FORM_data1}, {DW_AT_type, DW_FORM_ref4}}},
    [ELSEWHERE] = {DW_TAG_variable,
                   false,
                   {{DW_AT_name, DW_FORM_string},
                    {DW_AT_location, DW_FORM_exprloc},
                    {DW_AT_type, DW_FORM_GNU_ref_alt}}},
};

struct unit {
    uint8_t info[INFO_MOST];
    size_t len;
    struct named {
        const char *name;
        size_t at;
    } known[NAMES_MOST], wanted[NAMES_MOST];
    size_t knowns, wants;
};

/* ---- entries ----------------------------------------------------------------------------------- */

static void byte(struct unit *u, unsigned v) {
    if (u->len == sizeof u->info) __builtin_trap();
    u->info[u->len++] = (uint8_t)v;
}

static void leb(struct unit *u, uint64_t v) {
    for (; v >= 0x80; v >>= 7) byte(u, (unsigned)(v & 0x7f) | 0x80);
    byte(u, (unsigned)v);
}

static void text(struct unit *u, const char *s) {
    do byte(u, (uint8_t)*s);
    while (*s++);
}

static void address(struct unit *u, uint64_t v) {
    for (unsigned i = 0; i < 8; i++) byte(u, (unsigned)(v >> 8 * i) & 0xff);
}

/* A reference by name, which may be known only later. */
static void refer(struct unit *u, const char *name) {
    if (u->wants == NAMES_MOST) __builtin_trap();
    u->wanted[u->wants++] = (struct named){name, u->len};
    for (int i = 0; i < REF_BYTES; i++) byte(u, 0);
}

static void begin(struct unit *u, enum entry e, const char *name) {
    if (u->knowns == NAMES_MOST) __builtin_trap();
    u->known[u->knowns++] = (struct named){name, u->len};
    leb(u, e);
    text(u, name);
}

static void resolve(struct unit *u) {
    for (size_t i = 0; i < u->wants; i++)
        for (size_t k = 0; k < u->knowns; k++)
            if (strcmp(u->known[k].name, u->wanted[i].name) == 0) {
                uint32_t to = (uint32_t)u->known[k].at;
                memcpy(u->info + u->wanted[i].at, &to, sizeof to);
                break;
            }
}

static void end(struct unit *u) { byte(u, 0); }

static void base(struct unit *u, const char *name, unsigned size, unsigned kind) {
    begin(u, BASE, name), leb(u, size), byte(u, kind);
}
static void structure(struct unit *u, const char *name, uint64_t size) {
    begin(u, STRUCTURE, name), leb(u, size), byte(u, MS_GO_STRUCT);
}
static void member(struct unit *u, const char *name, uint64_t offset, const char *type) {
    if (offset == MS_GO_NONE) return;
    leb(u, MEMBER), text(u, name), leb(u, offset), refer(u, type);
}
static void pointer(struct unit *u, const char *name, const char *to) {
    begin(u, POINTER, name), byte(u, MS_GO_POINTER), refer(u, to);
}
static void map(struct unit *u, const char *name, uint64_t own, const char *key, const char *elem) {
    begin(u, MAP, name), byte(u, MS_GO_MAP), leb(u, own), refer(u, key), refer(u, elem);
}
static void function(struct unit *u, const char *name, uint64_t entry) {
    begin(u, FUNCTION, name), address(u, entry);
}

/* ---- the runtime ------------------------------------------------------------------------------- */

/* A member of the runtime's struct: the field `at` of the layout says its offset. */
#define FIELD(name, at) member(u, name, l->at, "int")

static void moduledata(struct unit *u, const struct ms_golayout *l) {
    structure(u, "runtime.moduledata", 1024);
    FIELD("text", md_text), FIELD("etext", md_etext), FIELD("data", md_data), FIELD("edata", md_edata);
    FIELD("bss", md_bss), FIELD("ebss", md_ebss), FIELD("types", md_types), FIELD("etypes", md_etypes);
    FIELD("rodata", md_types), FIELD("gofunc", md_gofunc), FIELD("typelinks", md_typelinks);
    FIELD("typedesclen", md_typedesclen), FIELD("gcdatamask", md_gcdatamask);
    FIELD("gcbssmask", md_gcbssmask), FIELD("next", md_next);
    end(u);
}

static void heap(struct unit *u, const struct ms_golayout *l) {
    structure(u, "runtime.mheap", 1 << 17);
    FIELD("allspans", mheap_allspans), FIELD("arenas", mheap_arenas);
    end(u);
    structure(u, "runtime.mspan", 256);
    FIELD("startAddr", span_start), FIELD("npages", span_pages), FIELD("freeindex", span_freeindex);
    FIELD("nelems", span_nelems), FIELD("allocBits", span_allocbits), FIELD("spanclass", span_class);
    FIELD("state", span_state), FIELD("elemsize", span_elemsize), FIELD("specials", span_specials);
    FIELD("largeType", span_largetype);
    end(u);
}

static void routine(struct unit *u, const struct ms_golayout *l) {
    structure(u, "runtime.stack", 16);
    member(u, "lo", 0, "int"), member(u, "hi", 8, "int");
    end(u);
    structure(u, "runtime.gobuf", 16);
    member(u, "sp", 0, "int"), member(u, "pc", 8, "int");
    end(u);
    structure(u, "runtime.g", 512);
    member(u, "stack", l->g_lo, "runtime.stack"), member(u, "sched", l->g_sp, "runtime.gobuf");
    FIELD("atomicstatus", g_status), FIELD("goid", g_goid);
    FIELD("syscallsp", g_syscallsp), FIELD("syscallpc", g_syscallpc);
    end(u);
    structure(u, "runtime.hchan", 96);
    FIELD("dataqsiz", chan_count), FIELD("buf", chan_buf), FIELD("elemtype", chan_elemtype);
    end(u);
}

static void maps(struct unit *u, const struct ms_golayout *l) {
    if (l->swiss) {
        structure(u, "internal/runtime/maps.Map", 48);
        member(u, "used", 0, "int"), member(u, "dirPtr", 16, "int"), member(u, "dirLen", 24, "int");
        member(u, "globalDepth", 32, "int");
        end(u);
        structure(u, "internal/runtime/maps.table", 32);
        member(u, "used", 0, "int"), member(u, "capacity", 2, "int"), member(u, "growthLeft", 4, "int");
        member(u, "index", 8, "int"), member(u, "groups", 16, "int");
        end(u);
        return;
    }
    structure(u, "runtime.hmap", l->map_header);
    member(u, "count", 0, "int"), member(u, "flags", 8, "int"), member(u, "B", 9, "int");
    member(u, "noverflow", 10, "int"), member(u, "buckets", 16, "int"), member(u, "oldbuckets", 24, "int");
    member(u, "nevacuate", 32, "int");
    end(u);
}

/* ---- the program ------------------------------------------------------------------------------- */

static void types(struct unit *u, const uint64_t own[GO_MAPS]) {
    base(u, "int", 8, 2);
    structure(u, "string", 16), member(u, "str", 0, "*uint8"), member(u, "len", 8, "int"), end(u);
    pointer(u, "*uint8", "int");
    structure(u, "runtime.eface", 16), member(u, "_type", 0, "int"), member(u, "data", 8, "int"), end(u);
    begin(u, INTERFACE, "interface {}"), byte(u, MS_GO_INTERFACE), refer(u, "runtime.eface");
    pointer(u, "*main.User", "main.User");
    map(u, "map[int]string", own[0], "int", "string");
    map(u, "map[int]*main.User", own[1], "int", "*main.User");
    begin(u, ARRAY, "[2]*main.User"), leb(u, 16), byte(u, MS_GO_ARRAY), refer(u, "*main.User");
    leb(u, RANGE), leb(u, 2), end(u);
    base(u, "func()", 8, MS_GO_FUNC);
    base(u, "chan map[int]string", 8, MS_GO_CHAN);
    structure(u, "main.User", 96);
    member(u, "name", 0, "string"), member(u, "tags", 16, "map[int]string");
    member(u, "next", 24, "*main.User"), member(u, "any", 32, "interface {}");
    member(u, "ch", 72, "chan map[int]string"), member(u, "fn", 80, "func()"),
        member(u, "at", 88, "*main.User");
    end(u);
}

static void functions(struct unit *u, const uint64_t entry[GO_FUNCTIONS]) {
    function(u, "main.main", entry[0]), end(u);
    function(u, "main.main.func1", entry[1]);
    leb(u, HELD), text(u, "cache"), leb(u, 8), refer(u, "map[int]string");
    end(u);
    begin(u, FUNCTION, "main.(*User).m"), address(u, entry[0] + 8);
    leb(u, PARAMETER), text(u, "u"), refer(u, "*main.User"), end(u);
    function(u, "main.(*User).m-fm", entry[2]);
    leb(u, INLINED), refer(u, "main.(*User).m"), end(u);
}

static size_t put_abbrevs(uint8_t *out) {
    struct unit u = {.len = 0};
    for (unsigned i = UNIT; i < sizeof abbrev / sizeof *abbrev; i++) {
        leb(&u, i), leb(&u, abbrev[i].tag), byte(&u, abbrev[i].children);
        for (unsigned k = 0; abbrev[i].attr[k].name; k++)
            leb(&u, abbrev[i].attr[k].name), leb(&u, abbrev[i].attr[k].form);
        byte(&u, 0), byte(&u, 0);
    }
    byte(&u, 0);
    if (u.len > ABBREV_MOST) __builtin_trap();
    memcpy(out, u.info, u.len);
    return u.len;
}

/* ---- the file ---------------------------------------------------------------------------------- */

static void put_unit_head(struct unit *u) {
    uint32_t length = (uint32_t)u->len - 4, abbrevs = 0;
    uint16_t version = 4;
    memcpy(u->info, &length, 4);
    memcpy(u->info + 4, &version, 2);
    memcpy(u->info + 6, &abbrevs, 4);
    u->info[10] = 8; /* bytes of an address */
}

static size_t section(struct go_world *w, size_t at, Elf64_Shdr *s, unsigned name, unsigned type,
                      const void *data, size_t len) {
    if (at + len > GO_FILE_BYTES) __builtin_trap();
    memcpy(w->file + at, data, len);
    *s = (Elf64_Shdr){.sh_name = name, .sh_type = type, .sh_offset = at, .sh_size = len, .sh_addralign = 1};
    return at + len;
}

void go_world_file(struct go_world *w, const struct go_global *global, size_t globals,
                   const uint64_t entry[GO_FUNCTIONS], const uint64_t own[GO_MAPS]) {
    static const char names[] = "\0.debug_abbrev\0.debug_info\0.shstrtab\0.gnu_debugaltlink",
                      elsewhere[] = "/nowhere\0an id of 20 bytes. ";
    struct unit u = {.len = UNIT_HEAD};
    uint8_t abbrevs[ABBREV_MOST];
    Elf64_Shdr sh[5] = {{.sh_type = SHT_NULL}};
    leb(&u, UNIT), text(&u, "main"), byte(&u, 0x16 /* DW_LANG_Go */);
    moduledata(&u, &w->layout);
    heap(&u, &w->layout);
    routine(&u, &w->layout);
    maps(&u, &w->layout);
    types(&u, own);
    functions(&u, entry);
    for (size_t i = 0; i < globals; i++) {
        leb(&u, VARIABLE), text(&u, global[i].name), leb(&u, 9), byte(&u, DW_OP_addr);
        address(&u, global[i].addr), refer(&u, global[i].type);
    }
    leb(&u, ELSEWHERE), text(&u, "main.elsewhere"), leb(&u, 9), byte(&u, DW_OP_addr);
    address(&u, global[0].addr), refer(&u, "int");
    end(&u);
    resolve(&u);
    put_unit_head(&u);
    size_t at = sizeof(Elf64_Ehdr);
    at = section(w, at, &sh[1], 1, SHT_PROGBITS, abbrevs, put_abbrevs(abbrevs));
    at = section(w, at, &sh[2], 15, SHT_PROGBITS, u.info, u.len);
    at = section(w, at, &sh[3], 27, SHT_STRTAB, names, sizeof names);
    at = section(w, at, &sh[4], 37, SHT_PROGBITS, elsewhere, sizeof elsewhere - 1);
    at = (at + 7) & ~(size_t)7;
    Elf64_Ehdr e;
    memcpy(&e, w->image, sizeof e);
    e.e_phoff = e.e_phnum = e.e_phentsize = 0;
    e.e_shoff = at, e.e_shnum = 5, e.e_shentsize = sizeof *sh, e.e_shstrndx = 3;
    memcpy(w->file, &e, sizeof e);
    if (at + sizeof sh > GO_FILE_BYTES) __builtin_trap();
    memcpy(w->file + at, sh, sizeof sh);
    w->file_bytes = at + sizeof sh;
}

/* ---- its table --------------------------------------------------------------------------------- */

static bool put(void *ctx, const void *data, size_t len) {
    struct go_table *t = ctx;
    while (t->room - t->len < len) {
        t->room = t->room ? t->room * 2 : 1 << 16;
        t->bytes = realloc(t->bytes, t->room);
        if (!t->bytes) abort();
    }
    memcpy(t->bytes + t->len, data, len);
    t->len += len;
    return true;
}

const struct go_table *go_world_table(uint8_t *file, size_t bytes) {
    static struct go_table t;
    t.len = 0;
    return ms_goparse(NULL, file, bytes, (struct ms_sink){put, &t}) && t.len ? &t : NULL;
}

struct ms_godwarf *go_world_dwarf(uint8_t *file, size_t bytes) {
    const struct go_table *t = go_world_table(file, bytes);
    struct ms_godwarf *d = t ? ms_godwarf_open(t->bytes, t->len) : NULL;
    if (t && !d) abort(); /* what is parsed is sound, whatever was parsed */
    return d;
}
