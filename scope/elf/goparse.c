/* goparse.c - Go's debug information through libdw.
 *
 * One pass over the top entries of all units, and the children of structs and functions, fills the table:
 *
 *   variables whose location is one address ............. globals
 *   types of a kind Go has, and typedefs ................. types, members, map types
 *   structs of the runtime, by name ...................... structs
 *   functions with children that a closure holds ......... closures
 *   wrappers of method values ("main.(*T).m-fm") ......... closures: they hold the receiver, which is the first
 *                                                          parameter of the method behind them
 *
 * Entries ascend in a file.  One whose sibling lies before it ends its list, and no unit has more entries than bytes, so
 * the pass ends whatever the file says.
 *
 * Two traps of libdw are gone around: its location functions refuse the block form Go uses for globals, which is
 * therefore decoded here; and it opens whatever path .gnu_debugaltlink names unless it has another file already.
 */
#include "goparse.h"

#include "gotable.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

enum {
    AT_GO_KIND = 0x2900,
    AT_GO_KEY = 0x2901,
    AT_GO_ELEM = 0x2902,
    AT_GO_TYPE = 0x2904,
    AT_GO_CLOSURE = 0x2907
};

struct function {
    const char *name;
    Dwarf_Off die;
};

/* A wrapper whose method is sought, by die or by the name without "-fm". */
struct wrapper {
    const char *name;
    size_t len;
    Dwarf_Off method;
    uint32_t closure; /* its row */
};

struct parse {
    Dwarf *dw;
    struct ms_flat flat;
    struct function *function;
    struct wrapper *wrapper;
    size_t functions, function_room, wrappers, wrapper_room;
    uint64_t left; /* entries that may still be looked at */
    bool of_go;    /* it has the runtime */
};

/* Room for one more element; false: no memory. */
static bool room(struct parse *p, void *array, size_t used, size_t *have, size_t size) {
    void **a = array;
    if (used < *have) return true;
    size_t more = *have ? *have * 2 : 256;
    void *grown = reallocarray(*a, more, size);
    if (!grown) return p->flat.full = true, false;
    *a = grown;
    *have = more;
    return true;
}

/* ---- entries ----------------------------------------------------------------------------------- */

/* What is asked of an entry, of any tag, from one look at its attributes. */
struct entry {
    Dwarf_Die die;
    const char *name;
    uint64_t kind, size, count, runtime_type, at, low, place, held;
    uint32_t type, elem, key;
    Dwarf_Off origin;
    bool has_size, has_at, has_low, has_place, is_held;
};

static bool number(Dwarf_Attribute *a, uint64_t *out) {
    Dwarf_Word v;
    Dwarf_Addr addr;
    if (dwarf_formudata(a, &v) == 0) return *out = v, true;
    if (dwarf_formaddr(a, &addr) == 0) return *out = addr, true;
    return false;
}

static Dwarf_Off far_reference(Dwarf_Attribute *a) {
    Dwarf_Die to;
    return dwarf_formref_die(a, &to) ? dwarf_dieoffset(&to) : 0;
}

/* One that the table can name. */
static uint32_t reference(Dwarf_Attribute *a) {
    Dwarf_Off to = far_reference(a);
    return to <= UINT32_MAX ? (uint32_t)to : 0;
}

/* DW_OP_addr alone. */
static bool fixed_place(Dwarf_Attribute *a, uint64_t *out) {
    Dwarf_Block b;
    if (dwarf_formblock(a, &b) != 0 || b.length != 9 || b.data[0] != DW_OP_addr) return false;
    memcpy(out, b.data + 1, sizeof *out);
    return true;
}

static int take(Dwarf_Attribute *a, void *ctx) {
    struct entry *e = ctx;
    switch (dwarf_whatattr(a)) {
    case DW_AT_name: e->name = dwarf_formstring(a); break;
    case DW_AT_type: e->type = reference(a); break;
    case DW_AT_byte_size: e->has_size = number(a, &e->size); break;
    case DW_AT_count: number(a, &e->count); break;
    case DW_AT_data_member_location: e->has_at = number(a, &e->at); break;
    case DW_AT_location: e->has_place = fixed_place(a, &e->place); break;
    case DW_AT_low_pc: e->has_low = dwarf_formaddr(a, &e->low) == 0; break;
    case DW_AT_abstract_origin: e->origin = far_reference(a); break;
    case AT_GO_KIND: number(a, &e->kind); break;
    case AT_GO_KEY: e->key = reference(a); break;
    case AT_GO_ELEM: e->elem = reference(a); break;
    case AT_GO_TYPE: number(a, &e->runtime_type); break;
    case AT_GO_CLOSURE: e->is_held = number(a, &e->held); break;
    }
    return DWARF_CB_OK;
}

static void look(struct entry *e, const Dwarf_Die *die) {
    *e = (struct entry){.die = *die};
    dwarf_getattrs(&e->die, take, e, 0);
    if (!e->name && e->origin) e->name = dwarf_diename(&e->die);
}

/* The next entry of a list; false: that was the last, or what is called the next does not lie behind. */
static bool next(struct parse *p, Dwarf_Die *die) {
    Dwarf_Off was = dwarf_dieoffset(die);
    if (p->left == 0 || p->flat.full) return false;
    p->left--;
    return dwarf_siblingof(die, die) == 0 && dwarf_dieoffset(die) > was;
}

/* ---- rows -------------------------------------------------------------------------------------- */

static void add_global(struct parse *p, const struct entry *e) {
    if (!e->name || !e->type || !e->has_place) return;
    struct ms_goglobal *g = ms_flat_add(&p->flat, MS_GO_GLOBALS);
    if (g) *g = (struct ms_goglobal){e->place, e->type, ms_flat_name(&p->flat, e->name)};
}

static void add_member(struct parse *p, const char *name, uint64_t offset, uint32_t type) {
    struct ms_gorow_member *m = ms_flat_add(&p->flat, MS_GO_MEMBERS);
    if (m) *m = (struct ms_gorow_member){offset, type, ms_flat_name(&p->flat, name)};
}

static uint32_t add_members(struct parse *p, Dwarf_Die *structure) {
    uint32_t before = ms_flat_count(&p->flat, MS_GO_MEMBERS);
    Dwarf_Die child;
    struct entry e;
    if (dwarf_child(structure, &child) == 0) do {
            if (dwarf_tag(&child) != DW_TAG_member) continue;
            look(&e, &child);
            if (e.has_at) add_member(p, e.name ? e.name : "_", e.at, e.type);
        } while (next(p, &child));
    return ms_flat_count(&p->flat, MS_GO_MEMBERS) - before;
}

/* Number of elements of an array: Go writes one subrange with a count. */
static uint64_t count_of(Dwarf_Die *array) {
    Dwarf_Die child;
    struct entry e = {.count = 0};
    if (dwarf_child(array, &child) == 0 && dwarf_tag(&child) == DW_TAG_subrange_type) look(&e, &child);
    return e.count;
}

static bool of_runtime(const char *name) {
    return strncmp(name, "runtime.", 8) == 0 || strncmp(name, "internal/runtime/", 17) == 0 ||
           strncmp(name, "internal/sync.entry[", 20) == 0;
}

static void add_struct(struct parse *p, uint32_t name, uint32_t die) {
    const char *text = ms_flat_text(&p->flat, name);
    if (!of_runtime(text) || ms_flat_count(&p->flat, MS_GO_STRUCTS) == MS_GO_STRUCTS_MAX) return;
    if (strcmp(text, "runtime.mspan") == 0) p->of_go = true;
    struct ms_gorow_struct *s = ms_flat_add(&p->flat, MS_GO_STRUCTS);
    if (s) *s = (struct ms_gorow_struct){name, die};
}

static void add_map_type(struct parse *p, uint64_t runtime_type) {
    uint64_t *at = runtime_type ? ms_flat_add(&p->flat, MS_GO_MAP_TYPES) : NULL;
    if (at) *at = runtime_type;
}

static unsigned kind_of(const struct entry *e, int tag) {
    if (e->kind) return e->kind <= MS_GO_UNSAFE_POINTER ? (unsigned)e->kind : 0;
    if (tag == DW_TAG_structure_type) return MS_GO_STRUCT;
    if (tag == DW_TAG_pointer_type) return e->type ? MS_GO_POINTER : MS_GO_UNSAFE_POINTER;
    return 0;
}

static void add_type(struct parse *p, struct entry *e, int tag) {
    unsigned kind = kind_of(e, tag);
    Dwarf_Off die = dwarf_dieoffset(&e->die);
    if ((!kind && (tag != DW_TAG_typedef || e->kind)) || die > UINT32_MAX) return;
    struct ms_gorow_type t = {.kind = (uint8_t)kind,
                              .die = (uint32_t)die,
                              .under = e->type,
                              .elem = e->elem,
                              .key = e->key,
                              .runtime_type = e->runtime_type,
                              .size = e->size,
                              .name = ms_flat_name(&p->flat, e->name)};
    if (!e->has_size) t.size = kind == MS_GO_INTERFACE ? 16 : 8; /* maps, channels, pointers, functions */
    if (kind == MS_GO_POINTER || kind == MS_GO_ARRAY) t.elem = e->type;
    if (kind == MS_GO_ARRAY) t.count = count_of(&e->die);
    t.member = ms_flat_count(&p->flat, MS_GO_MEMBERS);
    if (tag == DW_TAG_structure_type) {
        t.members = add_members(p, &e->die);
        add_struct(p, t.name, t.die);
    }
    if (kind == MS_GO_MAP && tag == DW_TAG_typedef) add_map_type(p, t.runtime_type);
    struct ms_gorow_type *row = ms_flat_add(&p->flat, MS_GO_TYPES);
    if (row) *row = t;
}

/* ---- functions --------------------------------------------------------------------------------- */

static bool is_wrapper(const char *name, size_t *len) {
    size_t n = name ? strlen(name) : 0;
    if (n <= 3 || memcmp(name + n - 3, "-fm", 3) != 0) return false;
    *len = n - 3;
    return true;
}

static void add_closure(struct parse *p, uint64_t entry, uint32_t member, uint32_t members) {
    struct ms_gorow_closure *c = ms_flat_add(&p->flat, MS_GO_CLOSURES);
    if (c) *c = (struct ms_gorow_closure){entry, member, members};
}

/* What it holds, if it is a closure.  What is inlined into a wrapper first is the method. */
static void add_function(struct parse *p, struct entry *e) {
    struct wrapper w = {.name = e->name};
    bool wraps = is_wrapper(w.name, &w.len);
    uint32_t member = ms_flat_count(&p->flat, MS_GO_MEMBERS), members;
    Dwarf_Die child;
    if (!e->has_low) return;
    if (room(p, &p->function, p->functions, &p->function_room, sizeof *p->function))
        p->function[p->functions++] = (struct function){e->name, dwarf_dieoffset(&e->die)};
    if (dwarf_child(&e->die, &child) == 0) do {
            int tag = dwarf_tag(&child);
            struct entry c;
            bool held = tag == DW_TAG_variable && dwarf_hasattr(&child, AT_GO_CLOSURE),
                 inlined = wraps && tag == DW_TAG_inlined_subroutine;
            if (!held && !inlined) continue;
            look(&c, &child);
            if (held && c.is_held && c.name) add_member(p, c.name, c.held, c.type);
            if (inlined && !w.method) w.method = c.origin;
        } while (next(p, &child));
    members = ms_flat_count(&p->flat, MS_GO_MEMBERS) - member;
    w.closure = ms_flat_count(&p->flat, MS_GO_CLOSURES);
    if (members || wraps) add_closure(p, e->low, member, members);
    if (wraps && room(p, &p->wrapper, p->wrappers, &p->wrapper_room, sizeof w)) p->wrapper[p->wrappers++] = w;
}

static int by_name(const void *a, const void *b) {
    const struct wrapper *x = a, *y = b;
    int order = memcmp(x->name, y->name, x->len < y->len ? x->len : y->len);
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* Methods that are not inlined into their wrapper are called by it: those of that name. */
static void find_methods(struct parse *p) {
    qsort(p->wrapper, p->wrappers, sizeof *p->wrapper, by_name);
    for (size_t i = 0; i < p->functions; i++) {
        struct wrapper want = {.name = p->function[i].name}, *w;
        if (!want.name) continue;
        want.len = strlen(want.name);
        w = bsearch(&want, p->wrapper, p->wrappers, sizeof want, by_name);
        if (w && !w->method) w->method = p->function[i].die;
    }
}

static void add_receiver(struct parse *p, const struct wrapper *w) {
    Dwarf_Die method, child;
    struct entry e;
    if (!w->method || !dwarf_offdie(p->dw, w->method, &method)) return;
    look(&e, &method);
    if (e.origin && !dwarf_offdie(p->dw, e.origin, &method)) return;
    if (dwarf_child(&method, &child) != 0 || dwarf_tag(&child) != DW_TAG_formal_parameter) return;
    look(&e, &child);
    uint32_t member = ms_flat_count(&p->flat, MS_GO_MEMBERS);
    add_member(p, e.name ? e.name : "receiver", 8, e.type);
    if (p->flat.full) return;
    struct ms_gorow_closure *row = (struct ms_gorow_closure *)p->flat.part[MS_GO_CLOSURES].row + w->closure;
    row->member = member;
    row->members = 1;
}

/* ---- the pass ---------------------------------------------------------------------------------- */

static void scan_unit(struct parse *p, Dwarf_Die *unit) {
    Dwarf_Die die;
    struct entry e;
    if (dwarf_child(unit, &die) != 0) return;
    do {
        int tag = dwarf_tag(&die);
        look(&e, &die);
        if (tag == DW_TAG_variable)
            add_global(p, &e);
        else if (tag == DW_TAG_subprogram)
            add_function(p, &e);
        else
            add_type(p, &e, tag);
    } while (next(p, &die));
}

static int by_addr(const void *a, const void *b, void *flat) {
    (void)flat;
    const struct ms_goglobal *x = a, *y = b;
    if (x->addr != y->addr) return x->addr < y->addr ? -1 : 1;
    return (x->type > y->type) - (x->type < y->type);
}
static int by_entry(const void *a, const void *b, void *flat) {
    (void)flat;
    const struct ms_gorow_closure *x = a, *y = b;
    return (x->entry > y->entry) - (x->entry < y->entry);
}
static int by_text(const void *a, const void *b, void *flat) {
    const struct ms_gorow_struct *x = a, *y = b;
    int order = strcmp(ms_flat_text(flat, x->name), ms_flat_text(flat, y->name));
    return order ? order : (x->die > y->die) - (x->die < y->die);
}

static void scan_all(struct parse *p) {
    Dwarf_Off at = 0, next_at;
    size_t head;
    Dwarf_Die unit;
    while (dwarf_next_unit(p->dw, at, &next_at, &head, NULL, NULL, NULL, NULL, NULL, NULL) == 0) {
        if (next_at <= at) break;
        p->left = next_at - at;
        if (dwarf_offdie(p->dw, at + head, &unit)) scan_unit(p, &unit);
        at = next_at;
    }
    if (p->wrappers) find_methods(p);
    for (size_t i = 0; i < p->wrappers; i++) add_receiver(p, &p->wrapper[i]);
    ms_flat_sort(&p->flat, MS_GO_GLOBALS, by_addr);
    ms_flat_sort(&p->flat, MS_GO_CLOSURES, by_entry);
    ms_flat_sort(&p->flat, MS_GO_STRUCTS, by_text);
}

/* libdw decompresses every section of debug information when it begins, and most of the bytes are line tables and
 * places of locals, which nobody asks for: those are declared empty. */
static void hide_the_rest(Elf *elf) {
    static const char *const asked[] = {"info", "abbrev", "str", "line_str", "addr", "str_offsets"};
    size_t names;
    if (elf_getshdrstrndx(elf, &names) != 0) return;
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
        GElf_Shdr header;
        const char *name = gelf_getshdr(scn, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;
        size_t prefix = !name                               ? 0
                        : strncmp(name, ".debug_", 7) == 0  ? 7
                        : strncmp(name, ".zdebug_", 8) == 0 ? 8
                                                            : 0;
        bool keep = prefix == 0;
        for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
            keep = keep || strcmp(name + prefix, asked[i]) == 0;
        header.sh_type = SHT_NOBITS;
        if (!keep) gelf_update_shdr(scn, &header);
    }
}

bool ms_goparse(const void *wanted, uint8_t *file, size_t bytes, struct ms_sink out) {
    struct parse p = {.dw = NULL};
    (void)wanted; /* all of it */
    bool ok = true;
    elf_version(EV_CURRENT);
    Elf *elf = elf_memory((char *)file, bytes);
    if (elf) hide_the_rest(elf);
    p.dw = elf ? dwarf_begin_elf(elf, DWARF_C_READ, NULL) : NULL;
    ms_flat_init(&p.flat, &ms_goform);
    if (p.dw) {
        dwarf_setalt(p.dw, p.dw);
        scan_all(&p);
        ok = !p.flat.full;
    }
    if (ok && p.of_go) ok = ms_flat_write(&p.flat, out);
    ms_flat_free(&p.flat);
    free(p.function);
    free(p.wrapper);
    if (p.dw) dwarf_end(p.dw);
    if (elf) elf_end(elf);
    return ok;
}
