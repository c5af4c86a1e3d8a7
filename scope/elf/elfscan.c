/* elfscan.c - ELF images as found in a process: headers, notes, dynamic symbols.
 *
 * The image in memory is the better witness: it is there when the file was deleted or replaced.  What the
 * loader did not map is left to elffile.c.
 *
 *   note:  u32 namesz, u32 descsz, u32 type, name padded, desc padded      (padding to 4, or to p_align 8)
 *
 * On failure nothing is reported: a malformed table yields no candidates, a false candidate is refused
 * by whoever checks what it points to.
 */
#include "elfscan.h"

#include "notes.h"

#include <stdlib.h>
#include <string.h>

enum { DYNAMIC_MAX = 1024, CHAIN_MAX = 4096, BUCKETS_MAX = 1 << 26, NAME_MAX_LEN = 64 };

static bool get(const struct ms_elf *e, uint64_t addr, void *buf, size_t len) {
    return e->mem.get(e->mem.ctx, addr, buf, len);
}

void ms_found_add(struct ms_found *f, uint64_t addr) {
    for (size_t i = 0; i < f->count; i++)
        if (f->addr[i] == addr) return;
    if (addr && f->count < MS_FOUND_MAX) f->addr[f->count++] = addr;
}

enum ms_elf_kind ms_elf_open(struct ms_elf *e, struct ms_bytes mem, uint64_t start) {
    *e = (struct ms_elf){.mem = mem, .start = start};
    if (!get(e, start, &e->ehdr, sizeof e->ehdr)) return MS_ELF_NOT;
    if (memcmp(e->ehdr.e_ident, ELFMAG, SELFMAG) != 0) return MS_ELF_NOT;
    if (e->ehdr.e_ident[EI_CLASS] == ELFCLASS32) return MS_ELF_32BIT;
    if (e->ehdr.e_ident[EI_CLASS] != ELFCLASS64) return MS_ELF_BROKEN;
    if (e->ehdr.e_ident[EI_DATA] != ELFDATA2LSB) return MS_ELF_FOREIGN;
    if (e->ehdr.e_type != ET_EXEC && e->ehdr.e_type != ET_DYN) return MS_ELF_BROKEN;
    if (e->ehdr.e_phentsize != sizeof(Elf64_Phdr) || e->ehdr.e_phnum == 0 || e->ehdr.e_phnum > MS_ELF_PHDRS)
        return MS_ELF_BROKEN;
    uint64_t at = start + e->ehdr.e_phoff;
    if (at < start || !get(e, at, e->phdr, e->ehdr.e_phnum * sizeof(Elf64_Phdr))) return MS_ELF_BROKEN;
    e->phdrs = e->ehdr.e_phnum;
    for (size_t i = 0; i < e->phdrs; i++)
        if (e->phdr[i].p_type == PT_LOAD) { /* ascending by address; file offset 0 lies at start */
            e->bias = start - (e->phdr[i].p_vaddr - e->phdr[i].p_offset);
            return MS_ELF_OK;
        }
    return MS_ELF_BROKEN;
}

static uint64_t pad(uint64_t n, uint64_t align) { return (n + align - 1) & ~(align - 1); }

/* One note of buf. */
struct note {
    uint32_t type;
    uint64_t owner_len, at, len; /* at, len: of the descriptor */
    const uint8_t *owner;
};

/* The note at *at, which moves behind it; false: there is none that fits. */
static bool next_note(const uint8_t *buf, size_t len, uint64_t align, uint64_t *at, struct note *out) {
    Elf64_Nhdr n;
    if (*at > len || len - *at < sizeof n) return false;
    memcpy(&n, buf + *at, sizeof n);
    uint64_t name = *at + sizeof n, desc = pad(name + n.n_namesz, align);
    *out = (struct note){n.n_type, n.n_namesz, desc, n.n_descsz, buf + name};
    *at = pad(desc + n.n_descsz, align);
    return desc + n.n_descsz <= len;
}

static bool is_note(const struct note *n, const char *owner, size_t owner_len, uint32_t type) {
    return n->type == type && n->owner_len == owner_len && memcmp(n->owner, owner, owner_len) == 0;
}

/* Notes in buf; descriptors of eight bytes are reported. */
void ms_notes_parse(const uint8_t *buf, size_t len, uint64_t align, const char *owner, uint32_t type,
                    void (*found)(void *ctx, uint64_t at, uint64_t value), void *ctx) {
    struct note n;
    for (uint64_t at = 0; next_note(buf, len, align, &at, &n);)
        if (is_note(&n, owner, strlen(owner) + 1, type) && n.len == 8) {
            uint64_t value;
            memcpy(&value, buf + n.at, 8);
            found(ctx, n.at, value);
        }
}

/* The linker's, else the one of Go's own linker.  found: what other segments had; *gnu: it was the linker's. */
static size_t find_build_id(const uint8_t *buf, size_t len, uint64_t align, uint8_t id[MS_BUILD_ID_MAX], size_t found,
                            bool *gnu) {
    enum { GO_BUILD_ID = 4 };
    struct note n;
    for (uint64_t at = 0; !*gnu && next_note(buf, len, align, &at, &n);) {
        *gnu = is_note(&n, "GNU", 4, NT_GNU_BUILD_ID);
        if (!*gnu && (found || !is_note(&n, "Go\0", 4, GO_BUILD_ID))) continue;
        found = n.len < MS_BUILD_ID_MAX ? n.len : MS_BUILD_ID_MAX;
        memcpy(id, buf + n.at, found);
    }
    return found;
}

size_t ms_elf_build_id(const struct ms_elf *e, uint8_t id[MS_BUILD_ID_MAX], bool *missing) {
    size_t found = 0;
    bool gnu = false;
    *missing = false;
    for (size_t i = 0; i < e->phdrs && !gnu; i++) {
        const Elf64_Phdr *p = &e->phdr[i];
        if (p->p_type != PT_NOTE || p->p_filesz > MS_NOTES_MAX) continue;
        uint8_t *buf = malloc(p->p_filesz + 1);
        if (buf && get(e, e->start + p->p_offset, buf, p->p_filesz))
            found = find_build_id(buf, p->p_filesz, p->p_align == 8 ? 8 : 4, id, found, &gnu);
        else
            *missing = true;
        free(buf);
    }
    return found;
}

struct note_sink {
    uint64_t base; /* run-time address of the notes */
    struct ms_found *out;
};

static void note_found(void *ctx, uint64_t at, uint64_t value) {
    struct note_sink *s = ctx;
    ms_found_add(s->out, s->base + at + value);
}

void ms_elf_notes_at(const struct ms_elf *e, uint64_t addr, uint64_t size, uint64_t align, const char *owner,
                     uint32_t type, struct ms_found *out) {
    struct note_sink sink = {addr, out};
    if (size < sizeof(Elf64_Nhdr) || size > MS_NOTES_MAX) return;
    uint8_t *buf = malloc(size);
    if (buf && get(e, addr, buf, size)) {
        ms_notes_parse(buf, size, 4, owner, type, note_found, &sink);
        if (align == 8) ms_notes_parse(buf, size, 8, owner, type, note_found, &sink);
    }
    free(buf);
}

void ms_elf_notes(const struct ms_elf *e, const char *owner, uint32_t type, struct ms_found *out) {
    for (size_t i = 0; i < e->phdrs; i++)
        if (e->phdr[i].p_type == PT_NOTE)
            ms_elf_notes_at(e, e->bias + e->phdr[i].p_vaddr, e->phdr[i].p_memsz, e->phdr[i].p_align, owner,
                            type, out);
}

struct dynamic {
    uint64_t symtab, strtab, strsz, gnu_hash, hash;
};

/* The loader adds the bias to these pointers in place, or (musl, static-pie) leaves them. */
static uint64_t dyn_ptr(const struct ms_elf *e, uint64_t value) {
    return value >= e->bias ? value : value + e->bias;
}

static bool read_dynamic(const struct ms_elf *e, struct dynamic *out) {
    *out = (struct dynamic){0};
    for (size_t i = 0; i < e->phdrs; i++) {
        const Elf64_Phdr *p = &e->phdr[i];
        if (p->p_type != PT_DYNAMIC) continue;
        size_t n = p->p_memsz / sizeof(Elf64_Dyn);
        if (n > DYNAMIC_MAX) n = DYNAMIC_MAX;
        for (size_t k = 0; k < n; k++) {
            Elf64_Dyn d;
            if (!get(e, e->bias + p->p_vaddr + k * sizeof d, &d, sizeof d) || d.d_tag == DT_NULL) break;
            if (d.d_tag == DT_SYMTAB) out->symtab = dyn_ptr(e, d.d_un.d_ptr);
            if (d.d_tag == DT_STRTAB) out->strtab = dyn_ptr(e, d.d_un.d_ptr);
            if (d.d_tag == DT_GNU_HASH) out->gnu_hash = dyn_ptr(e, d.d_un.d_ptr);
            if (d.d_tag == DT_HASH) out->hash = dyn_ptr(e, d.d_un.d_ptr);
            if (d.d_tag == DT_STRSZ) out->strsz = d.d_un.d_val;
        }
        return out->symtab && out->strtab;
    }
    return false;
}

/* Is symbol number i called name, and defined? */
static bool symbol_is(const struct ms_elf *e, const struct dynamic *d, uint64_t i, const char *name,
                      uint64_t *addr) {
    Elf64_Sym sym;
    char text[NAME_MAX_LEN];
    size_t len = strlen(name) + 1;
    if (!get(e, d->symtab + i * sizeof sym, &sym, sizeof sym)) return false;
    if (sym.st_shndx == SHN_UNDEF || sym.st_name >= d->strsz || len > d->strsz - sym.st_name ||
        len > sizeof text)
        return false;
    if (!get(e, d->strtab + sym.st_name, text, len) || memcmp(text, name, len) != 0) return false;
    *addr = sym.st_value + e->bias;
    return true;
}

static bool gnu_lookup(const struct ms_elf *e, const struct dynamic *d, const char *name, uint64_t *addr) {
    uint32_t head[4], h = 5381, i;
    for (const char *c = name; *c; c++) h = h * 33 + (uint8_t)*c;
    if (!get(e, d->gnu_hash, head, sizeof head) || head[0] == 0 || head[0] > BUCKETS_MAX ||
        head[2] > BUCKETS_MAX)
        return false;
    uint64_t buckets = d->gnu_hash + sizeof head + (uint64_t)head[2] * 8,
             chains = buckets + (uint64_t)head[0] * 4;
    if (!get(e, buckets + (uint64_t)(h % head[0]) * 4, &i, 4) || i < head[1]) return false;
    for (unsigned step = 0; step < CHAIN_MAX; step++, i++) {
        uint32_t word;
        if (!get(e, chains + (uint64_t)(i - head[1]) * 4, &word, 4)) return false;
        if ((word | 1) == (h | 1) && symbol_is(e, d, i, name, addr)) return true;
        if (word & 1) return false;
    }
    return false;
}

static bool sysv_lookup(const struct ms_elf *e, const struct dynamic *d, const char *name, uint64_t *addr) {
    uint32_t head[2], h = 0, i;
    for (const char *c = name; *c; c++) {
        h = (h << 4) + (uint8_t)*c;
        h ^= (h >> 24) & 0xf0;
        h &= 0x0fffffff;
    }
    if (!get(e, d->hash, head, sizeof head) || head[0] == 0 || head[0] > BUCKETS_MAX) return false;
    if (!get(e, d->hash + 8 + (uint64_t)(h % head[0]) * 4, &i, 4)) return false;
    for (unsigned step = 0; i && step < CHAIN_MAX; step++) {
        if (symbol_is(e, d, i, name, addr)) return true;
        if (!get(e, d->hash + 8 + ((uint64_t)head[0] + i) * 4, &i, 4)) return false;
    }
    return false;
}

void ms_elf_dynsym(const struct ms_elf *e, const char *name, struct ms_found *out) {
    struct dynamic d;
    uint64_t addr;
    if (!read_dynamic(e, &d)) return;
    if ((d.gnu_hash && gnu_lookup(e, &d, name, &addr)) || (d.hash && sysv_lookup(e, &d, name, &addr)))
        ms_found_add(out, addr);
}
