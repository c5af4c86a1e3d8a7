/* usdt.c - see usdt.h.
 *
 *   note  owner "stapsdt", type 3:  u64 pc, u64 base, u64 semaphore, provider \0 name \0 arguments \0
 *
 * Notes are not loaded, so they come from the file.  base is where .stapsdt.base was when the note was written: what moved it
 * since (prelink) moved the pc as much.
 */
#include "usdt.h"

#include "notes.h"

#include <stdlib.h>
#include <string.h>

enum { NOTE_BYTES_MAX = 4 << 20, TYPE = 3, SECTION_NAME = 16 };

struct texts {
    const uint8_t *at, *end;
};

/* The next text, cut to the room; NULL: there is none that ends. */
static const char *next_text(struct texts *t, char *out, size_t room) {
    const uint8_t *nul = t->at < t->end ? memchr(t->at, 0, (size_t)(t->end - t->at)) : NULL;
    if (!nul || (size_t)(nul - t->at) >= room) return NULL;
    memcpy(out, t->at, (size_t)(nul - t->at) + 1);
    t->at = nul + 1;
    return out;
}

/* The descriptor of one note; base: of the file, 0: it has none. */
static bool read_probe(const uint8_t *desc, size_t len, const struct ms_elf *e, uint64_t base,
                       const char *provider, struct ms_usdt *out) {
    uint64_t word[3];
    char name[MS_USDT_NAME];
    if (len < sizeof word) return false;
    memcpy(word, desc, sizeof word);
    struct texts t = {desc + sizeof word, desc + len};
    if (!next_text(&t, name, sizeof name) || strcmp(name, provider) != 0) return false;
    if (!next_text(&t, out->name, sizeof out->name) || !next_text(&t, out->arguments, sizeof out->arguments))
        return false;
    out->addr = word[0] + (base && word[1] ? base - word[1] : 0) + e->bias;
    return true;
}

static size_t read_notes(const uint8_t *buf, size_t len, const struct ms_elf *e, uint64_t base,
                         const char *provider, struct ms_usdt *out, size_t room) {
    static const char owner[] = "stapsdt";
    uint32_t head[3];
    size_t n = 0;
    for (size_t at = 0; n < room && len - at >= sizeof head;) {
        memcpy(head, buf + at, sizeof head);
        at += sizeof head;
        size_t owner_bytes = ((size_t)head[0] + 3) & ~(size_t)3, bytes = ((size_t)head[1] + 3) & ~(size_t)3;
        if (owner_bytes > len - at || bytes > len - at - owner_bytes) break;
        bool is_ours =
            head[0] == sizeof owner && memcmp(buf + at, owner, sizeof owner) == 0 && head[2] == TYPE;
        if (is_ours) n += read_probe(buf + at + owner_bytes, head[1], e, base, provider, &out[n]);
        at += owner_bytes + bytes;
    }
    return n;
}

/* The section of that name; NULL: there is none. */
static const Elf64_Shdr *named(const struct ms_elf *e, struct ms_bytes file, const struct ms_sections *s,
                               const char *name) {
    char text[SECTION_NAME];
    size_t len = strlen(name) + 1;
    if (e->ehdr.e_shstrndx >= s->count) return NULL;
    const Elf64_Shdr *names = &s->shdr[e->ehdr.e_shstrndx];
    for (size_t i = 0; i < s->count; i++) {
        uint64_t at = s->shdr[i].sh_name;
        bool fits = at < names->sh_size && len <= names->sh_size - at;
        if (fits && file.get(file.ctx, names->sh_offset + at, text, len) && memcmp(text, name, len) == 0)
            return &s->shdr[i];
    }
    return NULL;
}

size_t ms_usdt_find(const struct ms_elf *e, struct ms_bytes file, const char *provider, struct ms_usdt *out,
                    size_t room) {
    struct ms_sections s;
    size_t n = 0;
    if (!ms_elf_sections(e, file, &s)) return 0;
    const Elf64_Shdr *notes = named(e, file, &s, ".note.stapsdt"),
                     *base = named(e, file, &s, ".stapsdt.base");
    if (notes && notes->sh_size <= NOTE_BYTES_MAX) {
        uint8_t *buf = malloc(notes->sh_size + 1);
        if (buf && file.get(file.ctx, notes->sh_offset, buf, notes->sh_size))
            n = read_notes(buf, notes->sh_size, e, base ? base->sh_addr : 0, provider, out, room);
        free(buf);
    }
    free(s.shdr);
    return n;
}

/* ---- operands ------------------------------------------------------------------------------------ */

/* By their place in struct pt_regs, each in its sizes. */
static const char *const registers[][4] = {{"r15", "r15d", "r15w", "r15b"},
                                           {"r14", "r14d", "r14w", "r14b"},
                                           {"r13", "r13d", "r13w", "r13b"},
                                           {"r12", "r12d", "r12w", "r12b"},
                                           {"rbp", "ebp", "bp", "bpl"},
                                           {"rbx", "ebx", "bx", "bl"},
                                           {"r11", "r11d", "r11w", "r11b"},
                                           {"r10", "r10d", "r10w", "r10b"},
                                           {"r9", "r9d", "r9w", "r9b"},
                                           {"r8", "r8d", "r8w", "r8b"},
                                           {"rax", "eax", "ax", "al"},
                                           {"rcx", "ecx", "cx", "cl"},
                                           {"rdx", "edx", "dx", "dl"},
                                           {"rsi", "esi", "si", "sil"},
                                           {"rdi", "edi", "di", "dil"},
                                           {""},
                                           {"rip"},
                                           {""},
                                           {""},
                                           {"rsp", "esp", "sp", "spl"}};

static bool take_register(const char **p, unsigned *out) {
    size_t n = strspn(*p + 1, "abcdefghijklmnopqrstuvwxyz0123456789");
    if (**p != '%' || n == 0) return false;
    for (unsigned i = 0; i < sizeof registers / sizeof *registers; i++)
        for (unsigned k = 0; k < 4; k++) {
            const char *name = registers[i][k];
            if (!name || strlen(name) != n || memcmp(name, *p + 1, n) != 0) continue;
            *out = i;
            *p += n + 1;
            return true;
        }
    return false;
}

static bool take_number(const char **p, int32_t *out) {
    char *end;
    long v = strtol(*p, &end, 10);
    if (end == *p || v < INT32_MIN || v > INT32_MAX) return false;
    *out = (int32_t)v;
    *p = end;
    return true;
}

bool ms_usdt_operand(const char **text, struct ms_usdt_operand *out) {
    const char *p = *text + strspn(*text, " ");
    int32_t size;
    *out = (struct ms_usdt_operand){.how = MS_USDT_CONST};
    if (!take_number(&p, &size) || *p++ != '@') return false;
    out->size = (unsigned)(size < 0 ? -size : size); /* negative: signed */
    if (out->size == 0 || out->size > 8 || (out->size & (out->size - 1))) return false;
    if (*p == '%') {
        out->how = MS_USDT_REG;
        if (!take_register(&p, &out->reg)) return false;
    } else if (*p == '$') {
        p++;
        if (!take_number(&p, &out->offset)) return false;
    } else {
        out->how = MS_USDT_MEM;
        if (*p != '(' && !take_number(&p, &out->offset)) return false;
        if (*p++ != '(' || !take_register(&p, &out->reg) || *p++ != ')') return false;
    }
    if (*p && *p != ' ') return false;
    *text = p;
    return true;
}

bool ms_elf_file_offset(const struct ms_elf *e, uint64_t addr, uint64_t *offset) {
    for (size_t i = 0; i < e->phdrs; i++) {
        const Elf64_Phdr *p = &e->phdr[i];
        uint64_t into = addr - e->bias - p->p_vaddr;
        if (p->p_type != PT_LOAD || into >= p->p_filesz) continue;
        *offset = p->p_offset + into;
        return true;
    }
    return false;
}
