/* elffile.c - what only the file of an image tells: section headers and .symtab.
 *
 * Needed when a linker script left the note out of the program headers, or when the library was linked
 * statically and only .symtab names its root.  The file may have been replaced since it was mapped: its
 * ELF header must equal the one in memory.
 */
#include "notes.h"

#include <stdlib.h>
#include <string.h>

enum { SECTIONS_MAX = 4096, STRINGS_MAX = 64 << 20, SYMBOLS_STEP = 4096, SYMBOLS_MAX = 8 << 20 };

bool ms_elf_sections(const struct ms_elf *e, struct ms_bytes file, struct ms_sections *out) {
    Elf64_Ehdr h;
    *out = (struct ms_sections){0};
    if (!file.get(file.ctx, 0, &h, sizeof h) || memcmp(&h, &e->ehdr, sizeof h) != 0) return false;
    if (h.e_shentsize != sizeof(Elf64_Shdr) || h.e_shnum == 0 || h.e_shnum > SECTIONS_MAX) return false;
    out->shdr = malloc(h.e_shnum * sizeof *out->shdr);
    out->count = h.e_shnum;
    if (out->shdr && file.get(file.ctx, h.e_shoff, out->shdr, h.e_shnum * sizeof *out->shdr)) return true;
    free(out->shdr);
    return false;
}

void ms_elf_file_notes(const struct ms_elf *e, struct ms_bytes file, const char *owner, uint32_t type,
                       struct ms_found *out) {
    struct ms_sections s;
    if (!ms_elf_sections(e, file, &s)) return;
    for (size_t i = 0; i < s.count; i++) {
        const Elf64_Shdr *h = &s.shdr[i];
        if (h->sh_type == SHT_NOTE && (h->sh_flags & SHF_ALLOC))
            ms_elf_notes_at(e, e->bias + h->sh_addr, h->sh_size, h->sh_addralign, owner, type, out);
    }
    free(s.shdr);
}

/* Is the string at offset `at` of a string table equal to name? */
static bool name_at(struct ms_bytes file, const Elf64_Shdr *strtab, uint64_t at, const char *name) {
    char text[64];
    size_t len = strlen(name) + 1;
    if (at >= strtab->sh_size || len > strtab->sh_size - at || len > sizeof text) return false;
    return file.get(file.ctx, strtab->sh_offset + at, text, len) && memcmp(text, name, len) == 0;
}

/* Does the string table hold name at all?  One pass over it saves a look at every symbol's name. */
static bool holds(struct ms_bytes file, const Elf64_Shdr *strtab, const char *name) {
    if (strtab->sh_size > STRINGS_MAX || strtab->sh_size == 0) return false;
    char *text = malloc(strtab->sh_size);
    bool yes = text && file.get(file.ctx, strtab->sh_offset, text, strtab->sh_size) &&
               memmem(text, strtab->sh_size, name, strlen(name) + 1) != NULL;
    free(text);
    return yes;
}

static void scan_symtab(const struct ms_elf *e, struct ms_bytes file, const Elf64_Shdr *symtab,
                        const Elf64_Shdr *strtab, const char *name, struct ms_found *out) {
    uint64_t n = symtab->sh_size / sizeof(Elf64_Sym);
    if (symtab->sh_entsize != sizeof(Elf64_Sym) || n > SYMBOLS_MAX || !holds(file, strtab, name)) return;
    Elf64_Sym *sym = malloc(SYMBOLS_STEP * sizeof *sym);
    for (uint64_t at = 0; sym && at < n; at += SYMBOLS_STEP) {
        uint64_t step = n - at < SYMBOLS_STEP ? n - at : SYMBOLS_STEP;
        if (!file.get(file.ctx, symtab->sh_offset + at * sizeof *sym, sym, step * sizeof *sym)) break;
        for (uint64_t i = 0; i < step; i++)
            if (ELF64_ST_TYPE(sym[i].st_info) == STT_OBJECT && sym[i].st_shndx != SHN_UNDEF &&
                name_at(file, strtab, sym[i].st_name, name))
                ms_found_add(out, sym[i].st_value + e->bias);
    }
    free(sym);
}

void ms_elf_file_symbol(const struct ms_elf *e, struct ms_bytes file, const char *name,
                        struct ms_found *out) {
    struct ms_sections s;
    if (!ms_elf_sections(e, file, &s)) return;
    for (size_t i = 0; i < s.count; i++)
        if (s.shdr[i].sh_type == SHT_SYMTAB && s.shdr[i].sh_link < s.count)
            scan_symtab(e, file, &s.shdr[i], &s.shdr[s.shdr[i].sh_link], name, out);
    free(s.shdr);
}

/* ---- names ------------------------------------------------------------------------------------- */

static void covering(struct ms_bytes file, const Elf64_Shdr *symtab, unsigned type, uint64_t addr, Elf64_Sym *best) {
    uint64_t n = symtab->sh_size / sizeof(Elf64_Sym);
    if (symtab->sh_entsize != sizeof(Elf64_Sym) || n > SYMBOLS_MAX) return;
    Elf64_Sym *sym = malloc(SYMBOLS_STEP * sizeof *sym);
    for (uint64_t at = 0; sym && at < n; at += SYMBOLS_STEP) {
        uint64_t step = n - at < SYMBOLS_STEP ? n - at : SYMBOLS_STEP;
        if (!file.get(file.ctx, symtab->sh_offset + at * sizeof *sym, sym, step * sizeof *sym)) break;
        for (uint64_t i = 0; i < step; i++) {
            bool fits = ELF64_ST_TYPE(sym[i].st_info) == type && sym[i].st_shndx != SHN_UNDEF &&
                        addr >= sym[i].st_value && addr - sym[i].st_value < sym[i].st_size;
            if (fits && (best->st_size == 0 || sym[i].st_size < best->st_size)) *best = sym[i];
        }
    }
    free(sym);
}

static bool read_name(struct ms_bytes file, const Elf64_Shdr *strtab, uint64_t at, char *name, size_t room) {
    size_t len = 0;
    while (len + 1 < room && at + len < strtab->sh_size && file.get(file.ctx, strtab->sh_offset + at + len, name + len, 1) &&
           name[len])
        len++;
    name[len] = 0;
    return len > 0;
}

static bool named_at(const struct ms_elf *e, struct ms_bytes file, unsigned type, uint64_t addr, char *name, size_t room,
                     uint64_t *offset) {
    struct ms_sections s;
    bool found = false;
    if (!ms_elf_sections(e, file, &s)) return false;
    for (size_t i = 0; i < s.count && !found; i++) {
        Elf64_Sym sym = {.st_size = 0};
        if ((s.shdr[i].sh_type != SHT_SYMTAB && s.shdr[i].sh_type != SHT_DYNSYM) || s.shdr[i].sh_link >= s.count)
            continue;
        covering(file, &s.shdr[i], type, addr - e->bias, &sym);
        found = sym.st_size && read_name(file, &s.shdr[s.shdr[i].sh_link], sym.st_name, name, room);
        *offset = addr - e->bias - sym.st_value;
    }
    free(s.shdr);
    return found;
}

bool ms_elf_file_object(const struct ms_elf *e, struct ms_bytes file, uint64_t addr, char *name, size_t room,
                        uint64_t *offset) {
    return named_at(e, file, STT_OBJECT, addr, name, room, offset);
}

bool ms_elf_file_function(const struct ms_elf *e, struct ms_bytes file, uint64_t addr, char *name, size_t room,
                          uint64_t *offset) {
    return named_at(e, file, STT_FUNC, addr, name, room, offset);
}
