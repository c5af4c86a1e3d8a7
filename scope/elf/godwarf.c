/* godwarf.c - Go's debug information through libdw.
 *
 * One pass over the top entries of all units collects four lists, each sorted for search:
 *
 *   globals    variables whose location is one address      by address
 *   functions  entry address -> entry                       by address
 *   structs    of the runtime, by name                      for layouts
 *   map types  distance of their descriptions               to tell a map by its buckets
 *
 * Types are looked at one by one when they are asked for.  Two traps of libdw are gone around: its location
 * functions refuse the block form Go uses for globals, which is therefore decoded here; and Go writes no
 * .debug_aranges, so functions are found through the list.
 */
#include "godwarf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DIES_MAX = 32 << 20, MEMBERS_MAX = 1 << 16, TYPEDEFS_MAX = 8 };
enum {
    AT_GO_KIND = 0x2900,
    AT_GO_KEY = 0x2901,
    AT_GO_ELEM = 0x2902,
    AT_GO_TYPE = 0x2904,
    AT_GO_CLOSURE = 0x2907
};

struct pair {
    uint64_t addr, die;
};
struct named {
    const char *name;
    uint64_t die;
};

struct ms_godwarf {
    Dwarf *dw;
    struct ms_goglobal *global;
    struct pair *function;
    struct named *structure;
    uint64_t *map_type;
    size_t globals, global_room, functions, function_room, structs, struct_room, map_types, map_type_room;
    bool full; /* memory ran out: the lists are not whole, nothing is believed */
};

/* Room for one more element; false: no memory. */
static bool room(void *array, size_t used, size_t *have, size_t size) {
    void **p = array;
    if (used < *have) return true;
    size_t more = *have ? *have * 2 : 256;
    void *grown = reallocarray(*p, more, size);
    if (!grown) return false;
    *p = grown;
    *have = more;
    return true;
}

static bool number(Dwarf_Die *die, unsigned name, uint64_t *out) {
    Dwarf_Attribute a;
    Dwarf_Word v;
    Dwarf_Addr addr;
    if (!dwarf_attr(die, name, &a)) return false;
    if (dwarf_formudata(&a, &v) == 0) return *out = v, true;
    if (dwarf_formaddr(&a, &addr) == 0) return *out = addr, true;
    return false;
}

static uint64_t reference(Dwarf_Die *die, unsigned name) {
    Dwarf_Attribute a;
    Dwarf_Die to;
    if (!dwarf_attr(die, name, &a) || !dwarf_formref_die(&a, &to)) return 0;
    return dwarf_dieoffset(&to);
}

/* The address of a variable with a fixed place: DW_OP_addr or DW_OP_addrx alone. */
static bool fixed_place(Dwarf_Die *die, uint64_t *out) {
    Dwarf_Attribute a;
    Dwarf_Block b;
    if (!dwarf_attr(die, DW_AT_location, &a) || dwarf_formblock(&a, &b) != 0 || b.length == 0) return false;
    if (b.data[0] == DW_OP_addr && b.length == 9) return memcpy(out, b.data + 1, 8), true;
    return false;
}

/* ---- the pass ---------------------------------------------------------------------------------- */

static void add_variable(struct ms_godwarf *d, Dwarf_Die *die) {
    struct ms_goglobal g = {.name = dwarf_diename(die), .type = reference(die, DW_AT_type)};
    if (!g.name || !g.type || !fixed_place(die, &g.addr)) return;
    if (!room(&d->global, d->globals, &d->global_room, sizeof g)) d->full = true;
    if (!d->full) d->global[d->globals++] = g;
}

static void add_function(struct ms_godwarf *d, Dwarf_Die *die) {
    Dwarf_Addr low;
    if (dwarf_lowpc(die, &low) != 0) return;
    if (!room(&d->function, d->functions, &d->function_room, sizeof *d->function)) d->full = true;
    if (!d->full) d->function[d->functions++] = (struct pair){low, dwarf_dieoffset(die)};
}

static bool of_runtime(const char *name) {
    return strncmp(name, "runtime.", 8) == 0 || strncmp(name, "internal/runtime/", 17) == 0 ||
           strncmp(name, "internal/sync.entry[", 20) == 0;
}

static void add_struct(struct ms_godwarf *d, Dwarf_Die *die) {
    const char *name = dwarf_diename(die);
    if (!name || !of_runtime(name)) return;
    if (!room(&d->structure, d->structs, &d->struct_room, sizeof *d->structure)) d->full = true;
    if (!d->full) d->structure[d->structs++] = (struct named){name, dwarf_dieoffset(die)};
}

static void add_typedef(struct ms_godwarf *d, Dwarf_Die *die) {
    uint64_t kind, at;
    if (!number(die, AT_GO_KIND, &kind) || kind != MS_GO_MAP || !number(die, AT_GO_TYPE, &at) || !at) return;
    if (!room(&d->map_type, d->map_types, &d->map_type_room, sizeof at)) d->full = true;
    if (!d->full) d->map_type[d->map_types++] = at;
}

/* One unit; returns the entries looked at. */
static size_t scan_unit(struct ms_godwarf *d, Dwarf_Die *unit, size_t most) {
    Dwarf_Die die;
    size_t seen = 0;
    if (dwarf_child(unit, &die) != 0) return 0;
    do {
        switch (dwarf_tag(&die)) {
        case DW_TAG_variable: add_variable(d, &die); break;
        case DW_TAG_subprogram: add_function(d, &die); break;
        case DW_TAG_structure_type: add_struct(d, &die); break;
        case DW_TAG_typedef: add_typedef(d, &die); break;
        }
    } while (++seen < most && !d->full && dwarf_siblingof(&die, &die) == 0);
    return seen;
}

static int by_global(const void *a, const void *b) {
    const struct ms_goglobal *x = a, *y = b;
    return (x->addr > y->addr) - (x->addr < y->addr);
}
static int by_pair(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    return (x->addr > y->addr) - (x->addr < y->addr);
}
static int by_name(const void *a, const void *b) {
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static void scan_all(struct ms_godwarf *d) {
    Dwarf_CU *cu = NULL;
    Dwarf_Die unit;
    size_t left = DIES_MAX;
    while (left && !d->full && dwarf_get_units(d->dw, cu, &cu, NULL, NULL, &unit, NULL) == 0)
        left -= scan_unit(d, &unit, left);
    if (d->globals) qsort(d->global, d->globals, sizeof *d->global, by_global);
    if (d->functions) qsort(d->function, d->functions, sizeof *d->function, by_pair);
    if (d->structs) qsort(d->structure, d->structs, sizeof *d->structure, by_name);
}

struct ms_godwarf *ms_godwarf_open(int fd) {
    struct ms_godwarf *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->dw = dwarf_begin(fd, DWARF_C_READ);
    if (d->dw) dwarf_setalt(d->dw, d->dw); /* else libdw opens whatever path .gnu_debugaltlink names */
    if (d->dw) scan_all(d);
    if (d->dw && !d->full && ms_godwarf_struct(d, "runtime.mspan", &(uint64_t){0})) return d;
    ms_godwarf_close(d);
    return NULL;
}

void ms_godwarf_close(struct ms_godwarf *d) {
    if (!d) return;
    free(d->global);
    free(d->function);
    free(d->structure);
    free(d->map_type);
    if (d->dw) dwarf_end(d->dw);
    free(d);
}

/* ---- lists ------------------------------------------------------------------------------------- */

const struct ms_goglobal *ms_godwarf_globals(const struct ms_godwarf *d, size_t *count) {
    *count = d->globals;
    return d->global;
}

const struct ms_goglobal *ms_godwarf_global(const struct ms_godwarf *d, const char *name) {
    for (size_t i = 0; i < d->globals; i++)
        if (strcmp(d->global[i].name, name) == 0) return &d->global[i];
    return NULL;
}

const uint64_t *ms_godwarf_map_types(const struct ms_godwarf *d, size_t *count) {
    *count = d->map_types;
    return d->map_type;
}

/* ---- types ------------------------------------------------------------------------------------- */

/* Number of elements of an array: Go writes one subrange with a count. */
static uint64_t count_of(Dwarf_Die *array) {
    Dwarf_Die child;
    uint64_t count = 0;
    if (dwarf_child(array, &child) != 0) return 0;
    if (dwarf_tag(&child) == DW_TAG_subrange_type) number(&child, DW_AT_count, &count);
    return count;
}

/* Behind the typedefs that only name a type; those of maps, channels and interfaces say the kind themselves. */
static bool resolve(const struct ms_godwarf *d, uint64_t type, Dwarf_Die *out, uint64_t *kind) {
    for (int i = 0; type && i < TYPEDEFS_MAX; i++) {
        if (!dwarf_offdie(d->dw, type, out)) return false;
        *kind = MS_GO_UNKNOWN;
        number(out, AT_GO_KIND, kind);
        if (dwarf_tag(out) != DW_TAG_typedef || *kind) return true;
        type = reference(out, DW_AT_type);
    }
    return false;
}

/* An interface is a typedef of runtime.eface or, with methods, of runtime.iface. */
static bool is_empty_interface(const struct ms_godwarf *d, Dwarf_Die *die) {
    Dwarf_Die under;
    uint64_t kind;
    const char *name;
    if (!resolve(d, reference(die, DW_AT_type), &under, &kind)) return false;
    name = dwarf_diename(&under);
    return name && strcmp(name, "runtime.eface") == 0;
}

static uint64_t size_of(unsigned kind, Dwarf_Die *die) {
    uint64_t size = 0;
    if (number(die, DW_AT_byte_size, &size)) return size;
    return kind == MS_GO_INTERFACE ? 16 : 8; /* maps, channels, pointers, functions */
}

bool ms_godwarf_type(const struct ms_godwarf *d, uint64_t type, struct ms_godie *out) {
    Dwarf_Die die;
    uint64_t kind;
    *out = (struct ms_godie){0};
    if (!resolve(d, type, &die, &kind)) return false;
    if (kind == MS_GO_UNKNOWN && dwarf_tag(&die) == DW_TAG_pointer_type)
        kind = dwarf_hasattr(&die, DW_AT_type) ? MS_GO_POINTER : MS_GO_UNSAFE_POINTER;
    if (kind == MS_GO_UNKNOWN && dwarf_tag(&die) == DW_TAG_structure_type) kind = MS_GO_STRUCT;
    if (kind == MS_GO_UNKNOWN || kind > MS_GO_UNSAFE_POINTER) return false;
    out->offset = dwarf_dieoffset(&die);
    out->kind = (uint8_t)kind;
    out->name = dwarf_diename(&die);
    out->size = size_of((unsigned)kind, &die);
    number(&die, AT_GO_TYPE, &out->runtime_type);
    out->key = reference(&die, AT_GO_KEY);
    out->elem = reference(&die, AT_GO_ELEM);
    if (kind == MS_GO_POINTER || kind == MS_GO_ARRAY) out->elem = reference(&die, DW_AT_type);
    if (kind == MS_GO_ARRAY) out->count = count_of(&die);
    if (kind == MS_GO_INTERFACE) out->empty_interface = is_empty_interface(d, &die);
    return true;
}

void ms_godwarf_members(const struct ms_godwarf *d, uint64_t type, ms_gomember_fn fn, void *ctx) {
    Dwarf_Die die, child;
    uint64_t kind, at;
    if (!resolve(d, type, &die, &kind) || dwarf_child(&die, &child) != 0) return;
    for (int i = 0; i < MEMBERS_MAX; i++) {
        const char *name = dwarf_diename(&child);
        if (dwarf_tag(&child) == DW_TAG_member && number(&child, DW_AT_data_member_location, &at) &&
            !fn(ctx, name ? name : "_", at, reference(&child, DW_AT_type)))
            return;
        if (dwarf_siblingof(&child, &child) != 0) return;
    }
}

static const struct pair *function_at(const struct ms_godwarf *d, uint64_t entry) {
    struct pair want = {.addr = entry};
    return d->functions ? bsearch(&want, d->function, d->functions, sizeof want, by_pair) : NULL;
}

/* The method behind a method value's wrapper ("main.(*T).m-fm"): inlined into it, or called by it. */
static bool method_of(const struct ms_godwarf *d, Dwarf_Die *wrapper, const char *name, size_t len,
                      Dwarf_Die *out) {
    Dwarf_Die child;
    Dwarf_Attribute a;
    if (dwarf_child(wrapper, &child) == 0) do {
            if (dwarf_tag(&child) == DW_TAG_inlined_subroutine &&
                dwarf_attr(&child, DW_AT_abstract_origin, &a))
                return dwarf_formref_die(&a, out) != NULL;
        } while (dwarf_siblingof(&child, &child) == 0);
    for (size_t i = 0; i < d->functions; i++) {
        const char *other = dwarf_offdie(d->dw, d->function[i].die, out) ? dwarf_diename(out) : NULL;
        if (other && strlen(other) == len && memcmp(other, name, len) == 0) return true;
    }
    return false;
}

/* A method value holds the receiver, which is the method's first parameter. */
static bool receiver(const struct ms_godwarf *d, Dwarf_Die *wrapper, ms_gomember_fn fn, void *ctx) {
    const char *name = dwarf_diename(wrapper);
    size_t len = name ? strlen(name) : 0;
    Dwarf_Die method, child;
    Dwarf_Attribute a;
    if (len <= 3 || strcmp(name + len - 3, "-fm") != 0 || !method_of(d, wrapper, name, len - 3, &method))
        return false;
    if (dwarf_attr(&method, DW_AT_abstract_origin, &a) && !dwarf_formref_die(&a, &method)) return false;
    if (dwarf_child(&method, &child) != 0 || dwarf_tag(&child) != DW_TAG_formal_parameter) return false;
    name = dwarf_diename(&child);
    fn(ctx, name ? name : "receiver", 8, reference(&child, DW_AT_type));
    return true;
}

bool ms_godwarf_closure(const struct ms_godwarf *d, uint64_t entry, ms_gomember_fn fn, void *ctx) {
    const struct pair *f = function_at(d, entry);
    Dwarf_Die die, child;
    uint64_t at;
    bool any = false;
    if (!f || !dwarf_offdie(d->dw, f->die, &die) || dwarf_child(&die, &child) != 0) return false;
    if (receiver(d, &die, fn, ctx)) return true;
    for (int i = 0; i < MEMBERS_MAX; i++) {
        const char *name = dwarf_diename(&child);
        if (name && dwarf_tag(&child) == DW_TAG_variable && number(&child, AT_GO_CLOSURE, &at)) {
            any = true;
            if (!fn(ctx, name, at, reference(&child, DW_AT_type))) break;
        }
        if (dwarf_siblingof(&child, &child) != 0) break;
    }
    return any;
}

/* ---- structs of the runtime -------------------------------------------------------------------- */

static uint64_t struct_named(const struct ms_godwarf *d, const char *name) {
    struct named want = {.name = name};
    const struct named *s =
        d->structs ? bsearch(&want, d->structure, d->structs, sizeof want, by_name) : NULL;
    return s ? s->die : 0;
}

uint64_t ms_godwarf_named(const struct ms_godwarf *d, const char *name) { return struct_named(d, name); }

bool ms_godwarf_struct(const struct ms_godwarf *d, const char *structure, uint64_t *size) {
    struct ms_godie die;
    uint64_t type = struct_named(d, structure);
    if (!type || !ms_godwarf_type(d, type, &die)) return false;
    *size = die.size;
    return true;
}

struct sought {
    const char *name;
    size_t len;
    uint64_t offset, type;
    bool found;
};

static bool seek_member(void *ctx, const char *name, uint64_t offset, uint64_t type) {
    struct sought *s = ctx;
    if (strlen(name) != s->len || memcmp(name, s->name, s->len) != 0) return true;
    s->offset = offset;
    s->type = type;
    s->found = true;
    return false;
}

bool ms_godwarf_field(const struct ms_godwarf *d, const char *structure, const char *field,
                      uint64_t *offset) {
    uint64_t type = struct_named(d, structure);
    *offset = 0;
    while (type) {
        struct sought s = {.name = field, .len = strcspn(field, ".")};
        ms_godwarf_members(d, type, seek_member, &s);
        if (!s.found) return false;
        *offset += s.offset;
        if (!field[s.len]) return true;
        field += s.len + 1;
        type = s.type;
    }
    return false;
}
