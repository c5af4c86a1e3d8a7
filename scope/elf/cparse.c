/* cparse.c - C types through libdw, written as a flat table (ctable.h).
 *
 * A map's description names its key and value types as the source does.  Names made of C's own words need no debug
 * information; others are looked for among the typedefs, structs, unions and enums of all units.  Where several units have
 * a type of that name and size, the one whose file makes the map counts.
 *
 * Typed maps leave no description in a file, only functions, inlined or not:
 *
 *   GOMAP_DEFINE(ages, uint64_t, double)   -->   ages_new(gomap **)   ages_put(gomap *, uint64_t, double)   ages_get ...
 *
 * What has a _new and functions that tell a key and a value is taken for one.
 */
#include "cparse.h"

#include "../error.h"
#include "ctable.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIES_MAX = 16 << 20, MEMBERS_MAX = 4096, WRAPPERS_MAX = 16, MAPS_MAX = 4096, NAME_MAX_LEN = 512 };

struct known {
    uint64_t die;
    uint32_t type;
    bool followed;
};

/* A typed map as far as it has been told. */
struct sketch {
    char *name, *site;
    uint64_t key, value; /* entries in the debug information */
    bool has_key, has_value, made;
};

struct parse {
    Dwarf *dw;
    struct ms_mem mem;
    struct known *known;
    size_t knowns, known_room;
    struct sketch *sketch;
    size_t sketches, sketch_room;
    const struct ms_cwanted *wanted;
    struct answer {
        uint32_t type;
        bool exact; /* found where the map is made */
    } * answer;     /* to each query */
};

/* ---- reading entries ----------------------------------------------------------------------------- */

static bool number(Dwarf_Die *die, unsigned name, uint64_t *out) {
    Dwarf_Attribute a;
    Dwarf_Word v;
    if (!dwarf_attr_integrate(die, name, &a) || dwarf_formudata(&a, &v) != 0) return false;
    *out = v;
    return true;
}

static bool type_of(Dwarf_Die *die, Dwarf_Die *out) {
    Dwarf_Attribute a;
    return dwarf_attr_integrate(die, DW_AT_type, &a) && dwarf_formref_die(&a, out);
}

/* Behind typedefs and qualifiers; *name: of the first that has one.  False: void. */
static bool strip(Dwarf_Die *die, const char **name) {
    for (int i = 0; i < WRAPPERS_MAX; i++) {
        switch (dwarf_tag(die)) {
        case DW_TAG_typedef:
            if (!*name) *name = dwarf_diename(die);
            break;
        case DW_TAG_const_type:
        case DW_TAG_volatile_type:
        case DW_TAG_restrict_type:
        case DW_TAG_atomic_type: break;
        default: return true;
        }
        Dwarf_Die next;
        if (!type_of(die, &next)) return false;
        *die = next;
    }
    return false;
}

static char *name_of(Dwarf_Die *die, const char *typedef_name) {
    const char *own = dwarf_diename(die), *what = "";
    if (typedef_name) return ms_strdup(typedef_name);
    if (dwarf_tag(die) == DW_TAG_structure_type) what = "struct ";
    if (dwarf_tag(die) == DW_TAG_union_type) what = "union ";
    if (dwarf_tag(die) == DW_TAG_enumeration_type) what = "enum ";
    return ms_asprintf("%s%.*s", what, NAME_MAX_LEN, own ? own : "?");
}

/* ---- one type ------------------------------------------------------------------------------------ */

static uint32_t convert(struct parse *p, Dwarf_Die *die, unsigned depth, bool follow);

static enum ms_mem_kind base_kind(Dwarf_Die *die) {
    uint64_t encoding = 0;
    number(die, DW_AT_encoding, &encoding);
    switch (encoding) {
    case DW_ATE_boolean: return MS_MEM_BOOL;
    case DW_ATE_signed:
    case DW_ATE_signed_char: return MS_MEM_INT;
    case DW_ATE_unsigned:
    case DW_ATE_unsigned_char: return MS_MEM_UINT;
    case DW_ATE_float: return MS_MEM_FLOAT;
    default: return MS_MEM_OPAQUE;
    }
}

static uint64_t size_of(Dwarf_Die *die) {
    Dwarf_Word size;
    return dwarf_aggregate_size(die, &size) == 0 ? size : 0;
}

static uint32_t natural(uint64_t size) {
    uint32_t align = 1;
    while (align < 16 && size % (2 * align) == 0 && size >= 2 * align) align *= 2;
    return align;
}

static uint64_t count_of(Dwarf_Die *array) {
    Dwarf_Die child;
    uint64_t count, upper, all = 1;
    if (dwarf_child(array, &child) != 0) return 0;
    do {
        if (dwarf_tag(&child) != DW_TAG_subrange_type) continue;
        if (number(&child, DW_AT_count, &count))
            all = ms_mul(all, count);
        else
            all =
                number(&child, DW_AT_upper_bound, &upper) && upper != UINT64_MAX ? ms_mul(all, upper + 1) : 0;
    } while (dwarf_siblingof(&child, &child) == 0);
    return all;
}

/* Fields of a struct while they are gathered.  Bit-fields that share bytes are one field without a type of its own. */
struct gather {
    struct parse *p;
    struct ms_mem_field *field;
    size_t count, room;
    uint32_t align;
    uint64_t bits_from, bits_to; /* of the bit-fields gathered last, in bits; equal: none */
    char *bits_name;
    bool fixed, lost; /* lost: of some member nothing is known */
};

static void end_bits(struct gather *g) {
    if (g->bits_from == g->bits_to) return;
    struct ms_mem_type t = {.size = (g->bits_to + 7) / 8 - g->bits_from / 8, .align = 1};
    uint32_t type = ms_mem_add(&g->p->mem, t, ms_strdup("bits"), NULL, 0);
    MS_ROOM(g->field, g->count, g->room);
    g->field[g->count++] =
        (struct ms_mem_field){.name = g->bits_name, .offset = g->bits_from / 8, .type = type};
    g->bits_from = g->bits_to = 0;
    g->bits_name = NULL;
}

static void add_bits(struct gather *g, const char *name, uint64_t at, uint64_t bits) {
    g->fixed = true;
    if (g->bits_from != g->bits_to && at / 8 > (g->bits_to - 1) / 8) end_bits(g);
    if (g->bits_from == g->bits_to) g->bits_from = at;
    g->bits_to = at + bits;
    char *all = g->bits_name ? ms_asprintf("%s %s", g->bits_name, name) : ms_strdup(name);
    free(g->bits_name);
    g->bits_name = all;
}

static void add_member(struct gather *g, Dwarf_Die *member, unsigned depth, bool follow) {
    Dwarf_Die type;
    const char *name = dwarf_diename(member);
    uint64_t at = 0, bits, bit_at;
    uint32_t number_of = type_of(member, &type) ? convert(g->p, &type, depth + 1, follow) : 0;
    number(member, DW_AT_data_member_location, &at);
    g->lost = g->lost || number_of == 0;
    const struct ms_mem_type *t = ms_mem_get(&g->p->mem, number_of);
    if (t->align > g->align) g->align = t->align;
    if (number(member, DW_AT_bit_size, &bits)) {
        if (number(member, DW_AT_data_bit_offset, &bit_at) && bits && bits <= 64 && bit_at < UINT32_MAX)
            add_bits(g, name ? name : "_", bit_at, bits);
        return;
    }
    end_bits(g);
    if (at % t->align || (t->kind == MS_MEM_ARRAY && t->count == 0)) g->fixed = true; /* packed; flexible */
    MS_ROOM(g->field, g->count, g->room);
    g->field[g->count++] =
        (struct ms_mem_field){.name = ms_strdup(name ? name : "_"), .offset = at, .type = number_of};
}

/* Fields and alignment of a struct or union. */
static struct gather members_of(struct parse *p, Dwarf_Die *die, unsigned depth, bool follow,
                                struct ms_mem_type *t) {
    struct gather g = {.p = p, .align = 1};
    Dwarf_Die child;
    int left = MEMBERS_MAX;
    uint64_t align;
    if (dwarf_child(die, &child) == 0) do
            if (dwarf_tag(&child) == DW_TAG_member) add_member(&g, &child, depth, follow);
        while (--left && dwarf_siblingof(&child, &child) == 0);
    end_bits(&g);
    t->align = t->size % g.align ? 1 : g.align;
    t->fixed = g.fixed || left == 0 || t->align != g.align;
    if (number(die, DW_AT_alignment, &align) && align && align <= 4096)
        t->align = (uint32_t)align, t->fixed = true;
    if (g.lost) t->kind = MS_MEM_OPAQUE;
    return g;
}

static uint32_t find_known(const struct parse *p, uint64_t die, bool follow) {
    for (size_t i = 0; i < p->knowns; i++)
        if (p->known[i].die == die && p->known[i].followed >= follow) return p->known[i].type;
    return 0;
}

static uint32_t convert(struct parse *p, Dwarf_Die *die, unsigned depth, bool follow) {
    const char *typedef_name = NULL;
    struct gather g = {.p = p};
    Dwarf_Die to;
    uint64_t named = dwarf_dieoffset(die);
    uint32_t have = find_known(p, named, follow);
    bool full = depth == MS_MEM_DEPTH_MAX || p->mem.types >= MS_MEM_TYPES_MAX;
    if (have || full || !strip(die, &typedef_name)) return have;
    struct ms_mem_type t = {.size = size_of(die), .align = 1};
    switch (dwarf_tag(die)) {
    case DW_TAG_base_type: t.kind = (uint8_t)base_kind(die), t.align = natural(t.size); break;
    case DW_TAG_enumeration_type: t.kind = MS_MEM_UINT, t.align = natural(t.size); break;
    case DW_TAG_pointer_type:
        t = (struct ms_mem_type){.size = 8, .align = 8, .kind = MS_MEM_POINTER};
        if (follow && type_of(die, &to)) t.elem = convert(p, &to, depth + 1, false);
        break;
    case DW_TAG_array_type:
        t.kind = MS_MEM_ARRAY, t.count = count_of(die);
        if (type_of(die, &to)) t.elem = convert(p, &to, depth + 1, follow);
        t.align = ms_mem_get(&p->mem, t.elem)->align;
        break;
    case DW_TAG_structure_type:
        t.kind = MS_MEM_STRUCT;
        g = members_of(p, die, depth, follow, &t);
        break;
    case DW_TAG_union_type: g = members_of(p, die, depth, follow, &t); break;
    default: break;
    }
    uint32_t type = ms_mem_add(&p->mem, t, name_of(die, typedef_name), g.field, g.count);
    MS_ROOM(p->known, p->knowns, p->known_room);
    p->known[p->knowns++] = (struct known){named, type, follow};
    return type;
}

/* ---- types by name ------------------------------------------------------------------------------- */

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool is_site(const char *site, Dwarf_Die *unit) {
    const char *file = dwarf_diename(unit), *colon = site ? strrchr(site, ':') : NULL;
    if (!file || !colon) return false;
    size_t len = (size_t)(colon - base_name(site));
    return strlen(base_name(file)) == len && memcmp(base_name(file), base_name(site), len) == 0;
}

static bool is_named(Dwarf_Die *die, const char *sought) {
    static const struct {
        int tag;
        const char *word;
    } of[] = {{DW_TAG_structure_type, "struct "},
              {DW_TAG_union_type, "union "},
              {DW_TAG_enumeration_type, "enum "}};
    const char *name = dwarf_diename(die);
    for (size_t i = 0; name && i < sizeof of / sizeof *of; i++) {
        size_t len = strlen(of[i].word);
        if (dwarf_tag(die) == of[i].tag && strncmp(sought, of[i].word, len) == 0)
            return strcmp(sought + len, name) == 0;
    }
    return name && strcmp(sought, name) == 0;
}

static void offer_type(struct parse *p, Dwarf_Die *unit, Dwarf_Die *die) {
    for (size_t i = 0; i < p->wanted->queries; i++) {
        const struct ms_cquery *q = &p->wanted->query[i];
        struct answer *a = &p->answer[i];
        Dwarf_Die copy = *die;
        if (q->type || a->exact || !is_named(die, q->name)) continue;
        bool here = is_site(q->site, unit);
        if (a->type && !here) continue;
        uint32_t type = convert(p, &copy, 0, true);
        if (type && ms_mem_get(&p->mem, type)->size == q->size) *a = (struct answer){type, here};
    }
}

/* ---- typed maps ---------------------------------------------------------------------------------- */

static struct sketch *sketch_of(struct parse *p, const char *name, size_t len) {
    for (size_t i = 0; i < p->sketches; i++)
        if (strlen(p->sketch[i].name) == len && memcmp(p->sketch[i].name, name, len) == 0)
            return &p->sketch[i];
    if (p->sketches == MAPS_MAX) return NULL;
    MS_ROOM(p->sketch, p->sketches, p->sketch_room);
    p->sketch[p->sketches] = (struct sketch){.name = ms_asprintf("%.*s", (int)len, name)};
    return &p->sketch[p->sketches++];
}

static bool points_to_gomap(Dwarf_Die *param, unsigned depth) {
    Dwarf_Die die, to;
    const char *name = NULL;
    if (!type_of(param, &die) || !strip(&die, &name)) return false;
    for (; depth && dwarf_tag(&die) == DW_TAG_pointer_type && type_of(&die, &to); depth--) {
        die = to;
        name = NULL;
        if (!strip(&die, &name)) return false;
    }
    const char *own = dwarf_diename(&die);
    return depth == 0 && dwarf_tag(&die) == DW_TAG_structure_type && own && strcmp(own, "gomap") == 0;
}

/* The first three parameters; returns how many there are. */
static int parameters(Dwarf_Die *function, Dwarf_Die out[3]) {
    Dwarf_Die child;
    int n = 0;
    if (dwarf_child(function, &child) != 0) return 0;
    do
        if (dwarf_tag(&child) == DW_TAG_formal_parameter) out[n++] = child;
    while (n < 3 && dwarf_siblingof(&child, &child) == 0);
    return n;
}

static void set_type(Dwarf_Die *of, bool behind_pointer, uint64_t *die, bool *has) {
    Dwarf_Die type, to;
    if (*has || !type_of(of, &type)) return;
    if (behind_pointer) {
        const char *name = NULL;
        if (!strip(&type, &name) || dwarf_tag(&type) != DW_TAG_pointer_type || !type_of(&type, &to)) return;
        type = to;
    }
    *die = dwarf_dieoffset(&type);
    *has = true;
}

static void set_site(struct sketch *s, Dwarf_Die *function) {
    const char *file = dwarf_decl_file(function);
    int line = 0;
    if (!s->site && file && dwarf_decl_line(function, &line) == 0) s->site = ms_asprintf("%s:%d", file, line);
}

static void offer_function(struct parse *p, Dwarf_Die *die) {
    static const struct {
        const char *end;
        int params, value; /* value: the parameter that is one; -1: what is returned points to one; 0: none */
    } of[] = {{"_put", 3, 2}, {"_get", 2, -1}, {"_at", 3, -1}, {"_has", 2, 0}, {"_delete", 2, 0}};
    const char *name = dwarf_diename(die);
    Dwarf_Die param[3];
    size_t len = name ? strlen(name) : 0;
    if (len < 4 || strncmp(name, "gomap", 5) == 0) return;
    int n = parameters(die, param);
    if (len > 4 && strcmp(name + len - 4, "_new") == 0 && n == 1 && points_to_gomap(&param[0], 2)) {
        struct sketch *s = sketch_of(p, name, len - 4);
        if (s) s->made = true, set_site(s, die);
        return;
    }
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        size_t end = strlen(of[i].end);
        if (len <= end || strcmp(name + len - end, of[i].end) != 0 || n != of[i].params) continue;
        struct sketch *s = points_to_gomap(&param[0], 1) ? sketch_of(p, name, len - end) : NULL;
        if (!s) return;
        set_type(&param[1], false, &s->key, &s->has_key);
        if (of[i].value)
            set_type(of[i].value > 0 ? &param[of[i].value] : die, of[i].value < 0, &s->value, &s->has_value);
    }
}

/* ---- the table ----------------------------------------------------------------------------------- */

static void write_types(const struct ms_mem *m, struct ms_flat *f) {
    for (size_t i = 1; i < m->types; i++) {
        const struct ms_mem_type *t = &m->type[i];
        uint32_t name = ms_flat_name(f, t->name);
        struct ms_crow_type *row = ms_flat_add(f, MS_C_TYPES);
        if (!row) return;
        *row = (struct ms_crow_type){.size = t->size,
                                     .count = t->count,
                                     .align = t->align,
                                     .elem = t->elem,
                                     .field = t->field,
                                     .fields = t->fields,
                                     .name = name,
                                     .kind = t->kind,
                                     .fixed = t->fixed};
    }
    for (size_t i = 0; i < m->fields; i++) {
        uint32_t name = ms_flat_name(f, m->field[i].name);
        struct ms_crow_field *row = ms_flat_add(f, MS_C_FIELDS);
        if (row)
            *row =
                (struct ms_crow_field){.offset = m->field[i].offset, .type = m->field[i].type, .name = name};
    }
}

/* Rows of what has a _new and tells its key and value. */
static void finish_maps(struct parse *p, struct ms_flat *f) {
    for (size_t i = 0; i < p->sketches; i++) {
        struct sketch *s = &p->sketch[i];
        Dwarf_Die key, value;
        if (s->made && s->has_key && s->has_value && dwarf_offdie(p->dw, s->key, &key) &&
            dwarf_offdie(p->dw, s->value, &value)) {
            struct ms_crow_map m = {.key = convert(p, &key, 0, true), .value = convert(p, &value, 0, true)};
            m.name = ms_flat_name(f, s->name), m.site = ms_flat_name(f, s->site);
            struct ms_crow_map *row = ms_flat_add(f, MS_C_MAPS);
            if (row) *row = m;
        }
        free(s->name);
        free(s->site);
    }
}

/* ---- the pass ------------------------------------------------------------------------------------ */

static size_t scan_unit(struct parse *p, Dwarf_Die *unit, bool want_maps, size_t most) {
    Dwarf_Die die;
    size_t seen = 0;
    if (dwarf_child(unit, &die) != 0) return 0;
    do {
        switch (dwarf_tag(&die)) {
        case DW_TAG_typedef:
        case DW_TAG_structure_type:
        case DW_TAG_union_type:
        case DW_TAG_enumeration_type: offer_type(p, unit, &die); break;
        case DW_TAG_subprogram:
            if (want_maps) offer_function(p, &die);
            break;
        }
    } while (++seen < most && dwarf_siblingof(&die, &die) == 0);
    return seen;
}

static void scan_all(struct parse *p, struct ms_flat *f) {
    Dwarf_CU *cu = NULL;
    Dwarf_Die unit;
    size_t left = DIES_MAX;
    while (left && dwarf_get_units(p->dw, cu, &cu, NULL, NULL, &unit, NULL) == 0)
        left -= scan_unit(p, &unit, p->wanted->maps, left);
    finish_maps(p, f);
    write_types(&p->mem, f);
    for (size_t i = 0; i < p->wanted->queries; i++) {
        uint32_t *row = ms_flat_add(f, MS_C_ANSWERS);
        if (row) *row = p->answer[i].type;
    }
}

bool ms_cparse(const void *wanted, uint8_t *file, size_t bytes, struct ms_sink out) {
    struct parse p = {.wanted = wanted};
    struct ms_flat flat;
    elf_version(EV_CURRENT);
    Elf *elf = elf_memory((char *)file, bytes);
    p.dw = elf ? dwarf_begin_elf(elf, DWARF_C_READ, NULL) : NULL;
    p.answer = ms_alloc((p.wanted->queries + 1) * sizeof *p.answer);
    ms_flat_init(&flat, &ms_cform);
    if (p.dw) dwarf_setalt(p.dw, p.dw); /* else libdw opens whatever path .gnu_debugaltlink names */
    if (p.dw) scan_all(&p, &flat);
    bool ok = !p.dw || (!flat.full && ms_flat_write(&flat, out));
    ms_flat_free(&flat);
    ms_mem_free(&p.mem);
    free(p.answer);
    free(p.known);
    free(p.sketch);
    if (p.dw) dwarf_end(p.dw);
    if (elf) elf_end(elf);
    return ok;
}
