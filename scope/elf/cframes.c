/* cframes.c - code addresses to functions and lines, through libdw.
 *
 *   unit     whose ranges hold the address: all ranges of all units are sorted once, for compilers need not write .debug_aranges
 *   line     the unit's line table
 *   inlined  the scopes around the address: each inlined call names its function, and the line that called it
 *
 * Without debug information the symbol that covers the address names it.
 */
#include "cframes.h"

#include "../error.h"

#include <assert.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

enum { RANGES_MOST = 1 << 20, SYMBOLS_MOST = 1 << 22, UNITS_MOST = 1 << 18, DEPTH_MOST = 64 };
enum { ADDRESSES, LINES, PARTS };

struct row_address {
    uint32_t line, lines;
};
struct row_line {
    uint32_t function, file, line, zero;
};
static_assert(sizeof(struct row_line) == 16, "a row without a hole");

static const struct ms_flat_form form = {
    .magic = 0x43667201,
    .parts = PARTS,
    .row_bytes = {[ADDRESSES] = sizeof(struct row_address), [LINES] = sizeof(struct row_line)},
};

/* ---- units and symbols by address --------------------------------------------------------------------- */

struct range {
    uint64_t from, to;
    uint64_t what; /* offset of a unit's entry; number of a symbol */
};
struct ranges {
    struct range *range; /* ascending; may overlap */
    size_t n, room;
};

static int by_from(const void *a, const void *b) {
    const struct range *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

static void add_range(struct ranges *r, uint64_t from, uint64_t to, uint64_t what) {
    if (from >= to || r->n >= RANGES_MOST) return;
    MS_ROOM(r->range, r->n, r->room);
    r->range[r->n++] = (struct range){from, to, what};
}

/* The last that begins up to addr, if it holds it. */
static const struct range *range_of(const struct ranges *r, uint64_t addr) {
    size_t low = 0, high = r->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (r->range[mid].from <= addr)
            low = mid + 1;
        else
            high = mid;
    }
    return low && r->range[low - 1].to > addr ? &r->range[low - 1] : NULL;
}

struct parse {
    Dwarf *dw;
    Elf *elf;
    struct ranges units, symbols;
    struct symbol {
        const char *name;
    } * symbol;
    size_t symbol_count, symbol_room;
};

static void load_units(struct parse *p) {
    Dwarf_CU *cu = NULL;
    Dwarf_Die unit;
    for (int i = 0; i < UNITS_MOST && dwarf_get_units(p->dw, cu, &cu, NULL, NULL, &unit, NULL) == 0; i++) {
        Dwarf_Addr base, from, to;
        ptrdiff_t at = 0;
        while ((at = dwarf_ranges(&unit, at, &base, &from, &to)) > 0)
            add_range(&p->units, from, to, dwarf_dieoffset(&unit));
    }
    if (p->units.n) qsort(p->units.range, p->units.n, sizeof *p->units.range, by_from);
}

static void load_table(struct parse *p, Elf_Scn *section, const GElf_Shdr *head) {
    Elf_Data *data = elf_getdata(section, NULL);
    size_t n = data && head->sh_entsize ? (size_t)ms_min(head->sh_size / head->sh_entsize, SYMBOLS_MOST) : 0;
    for (size_t i = 0; i < n; i++) {
        GElf_Sym s;
        const char *name =
            gelf_getsym(data, (int)i, &s) ? elf_strptr(p->elf, head->sh_link, s.st_name) : NULL;
        if (!name || GELF_ST_TYPE(s.st_info) != STT_FUNC || !s.st_value) continue;
        MS_ROOM(p->symbol, p->symbol_count, p->symbol_room);
        add_range(&p->symbols, s.st_value, s.st_value + (s.st_size ? s.st_size : 1), p->symbol_count);
        p->symbol[p->symbol_count++].name = name;
    }
}

/* All functions, or those that others may call. */
static void load_symbols(struct parse *p) {
    for (int dynamic = 0; dynamic < 2 && !p->symbols.n; dynamic++)
        for (Elf_Scn *s = NULL; (s = elf_nextscn(p->elf, s));) {
            GElf_Shdr head;
            if (gelf_getshdr(s, &head) && head.sh_type == (dynamic ? SHT_DYNSYM : SHT_SYMTAB))
                load_table(p, s, &head);
        }
    if (p->symbols.n) qsort(p->symbols.range, p->symbols.n, sizeof *p->symbols.range, by_from);
}

/* ---- one address ------------------------------------------------------------------------------------------ */

static void add_line(struct ms_flat *f, const char *function, const char *file, unsigned line) {
    struct row_line row = {.line = line};
    row.function = ms_flat_name(f, function), row.file = ms_flat_name(f, file);
    struct row_line *to = ms_flat_add(f, LINES);
    if (to) *to = row;
}

static unsigned number(Dwarf_Die *die, unsigned name) {
    Dwarf_Attribute a;
    Dwarf_Word v;
    return dwarf_attr(die, name, &a) && dwarf_formudata(&a, &v) == 0 && v <= INT32_MAX ? (unsigned)v : 0;
}

/* Where an inlined call was made. */
static void call_site(Dwarf_Die *unit, Dwarf_Die *call, const char **file, unsigned *line) {
    Dwarf_Files *files;
    size_t n, at = number(call, DW_AT_call_file);
    *line = number(call, DW_AT_call_line);
    *file = dwarf_getsrcfiles(unit, &files, &n) == 0 && at < n ? dwarf_filesrc(files, at, NULL, NULL) : NULL;
}

/* The entries around an address, innermost first; *out malloc'ed, returns how many.  What libdw tells by address goes on, behind an
 * inlined call, with what is around its definition: it is asked again, for what is around the entry. */
static int scopes_of(Dwarf_Die *unit, uint64_t addr, Dwarf_Die **out) {
    Dwarf_Die *inner = NULL;
    *out = NULL;
    int n = dwarf_getscopes(unit, addr, &inner);
    if (n > 0) n = dwarf_getscopes_die(&inner[0], out);
    free(inner);
    return n;
}

/* Lines of an address; returns false if debug information tells no function. */
static bool add_scopes(struct parse *p, struct ms_flat *f, uint64_t addr) {
    const struct range *r = range_of(&p->units, addr);
    Dwarf_Die unit, *scope = NULL;
    if (!r || !dwarf_offdie(p->dw, r->what, &unit)) return false;
    Dwarf_Line *at = dwarf_getsrc_die(&unit, addr);
    const char *file = at ? dwarf_linesrc(at, NULL, NULL) : NULL;
    int number_of_line = 0, n = scopes_of(&unit, addr, &scope);
    if (at) dwarf_lineno(at, &number_of_line);
    unsigned line = number_of_line > 0 ? (unsigned)number_of_line : 0;
    bool named = false;
    for (int i = 0; i < n && i < DEPTH_MOST; i++) {
        int tag = dwarf_tag(&scope[i]);
        if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram) continue;
        const char *name = dwarf_diename(&scope[i]);
        if (name) add_line(f, name, file, line), named = true;
        if (tag == DW_TAG_subprogram) break;
        call_site(&unit, &scope[i], &file, &line);
    }
    free(scope);
    return named;
}

static void add_address(struct parse *p, struct ms_flat *f, uint64_t addr) {
    struct row_address row = {.line = ms_flat_count(f, LINES)};
    if (!p->dw || !add_scopes(p, f, addr)) {
        const struct range *r = range_of(&p->symbols, addr);
        if (r) add_line(f, p->symbol[r->what].name, NULL, 0);
    }
    row.lines = ms_flat_count(f, LINES) - row.line;
    struct row_address *to = ms_flat_add(f, ADDRESSES);
    if (to) *to = row;
}

bool ms_cframes(const void *wanted, uint8_t *file, size_t bytes, struct ms_sink out) {
    const struct ms_caddresses *w = wanted;
    struct parse p = {0};
    struct ms_flat flat;
    elf_version(EV_CURRENT);
    p.elf = elf_memory((char *)file, bytes);
    p.dw = p.elf ? dwarf_begin_elf(p.elf, DWARF_C_READ, NULL) : NULL;
    ms_flat_init(&flat, &form);
    if (p.dw) dwarf_setalt(p.dw, p.dw); /* else libdw opens whatever path .gnu_debugaltlink names */
    if (p.dw) load_units(&p);
    if (p.elf) load_symbols(&p);
    for (size_t i = 0; p.elf && i < w->n; i++) add_address(&p, &flat, w->addr[i]);
    bool ok = !p.elf || (!flat.full && ms_flat_write(&flat, out));
    ms_flat_free(&flat);
    free(p.units.range), free(p.symbols.range), free(p.symbol);
    if (p.dw) dwarf_end(p.dw);
    if (p.elf) elf_end(p.elf);
    return ok;
}

/* ---- the table, taken over ---------------------------------------------------------------------------------- */

bool ms_cframes_take(const void *table, size_t bytes, size_t n, ms_cframe_fn *fn, void *ctx, bool *lines) {
    struct ms_flat_view v;
    *lines = false;
    if (!ms_flat_open(&v, &form, table, bytes) || v.count[ADDRESSES] != n) return false;
    const struct row_address *addr = v.row[ADDRESSES];
    const struct row_line *line = v.row[LINES];
    for (size_t i = 0; i < n; i++) {
        if (addr[i].lines > DEPTH_MOST || !ms_flat_has(&v, LINES, addr[i].line, addr[i].lines)) return false;
        for (uint32_t k = 0; k < addr[i].lines; k++) {
            const struct row_line *at = &line[addr[i].line + k];
            if (!ms_flat_is_name(&v, at->function) || !ms_flat_is_name(&v, at->file)) return false;
            fn(ctx, i, v.names + at->function, v.names + at->file, at->line);
            *lines |= at->line != 0;
        }
    }
    return true;
}
