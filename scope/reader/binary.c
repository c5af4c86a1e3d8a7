/* binary.c - a program's file as its memory at start: segments at their places, zeros behind them, relative relocations
 * applied.
 *
 *   address -> segment -> bytes of the file, or zeros          -> pointers of a position independent program: base + addend
 *
 * A position independent program gets a base of its own, so that no address of it is near 0, where none can be.  Other
 * relocations (to other libraries) are left as the file has them.
 */
#include "binary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DYNAMIC_MAX = 1024, RELOCATIONS_MAX = 4 << 20, BASE = 0x10000000 };

static bool file_bytes(void *ctx, uint64_t at, void *buf, size_t len) {
    const struct ms_binary *b = ctx;
    for (size_t have = 0; have < len;) {
        ssize_t n =
            at > INT64_MAX - len ? -1 : pread(b->fd, (char *)buf + have, len - have, (off_t)(at + have));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        have += (size_t)n;
    }
    return true;
}

/* Bytes of one segment from addr on, at most len; 0: none has it. */
static size_t segment_bytes(struct ms_binary *b, uint64_t addr, uint8_t *buf, size_t len) {
    for (size_t i = 0; i < b->file.phdrs; i++) {
        const Elf64_Phdr *p = &b->file.phdr[i];
        uint64_t in = addr - (p->p_vaddr + b->base);
        if (p->p_type != PT_LOAD || in >= p->p_memsz) continue;
        size_t n = (size_t)ms_min(len, p->p_memsz - in);
        if (in >= p->p_filesz) return memset(buf, 0, n), n;
        n = (size_t)ms_min(n, p->p_filesz - in);
        return file_bytes(b, p->p_offset + in, buf, n) ? n : 0;
    }
    return 0;
}

static size_t first_from(const struct ms_binary *b, uint64_t addr) {
    size_t low = 0, high = b->relocations;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (b->relocation[mid].addr < addr)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void relocate(const struct ms_binary *b, uint64_t addr, uint8_t *buf, size_t len) {
    enum { WORD = sizeof(uint64_t) };
    for (size_t i = first_from(b, addr < WORD ? 0 : addr - (WORD - 1)); i < b->relocations; i++) {
        const struct ms_relocation *r = &b->relocation[i];
        if (r->addr >= addr + len) break;
        uint8_t word[WORD];
        memcpy(word, &r->value, WORD);
        for (unsigned k = 0; k < WORD; k++)
            if (r->addr + k - addr < len) buf[r->addr + k - addr] = word[k];
    }
}

static enum ms_read read_memory(void *ctx, uint64_t addr, void *buf, size_t len) {
    struct ms_binary *b = ctx;
    for (size_t have = 0, n; have < len; have += n)
        if (addr + have < addr || !(n = segment_bytes(b, addr + have, (uint8_t *)buf + have, len - have)))
            return MS_READ_FAULT;
    relocate(b, addr, buf, len);
    return MS_READ_OK;
}

/* ---- opening ----------------------------------------------------------------------------------- */

static bool is_relative(const struct ms_binary *b, const Elf64_Rela *r) {
    uint32_t type = (uint32_t)ELF64_R_TYPE(r->r_info);
    return b->file.ehdr.e_machine == EM_AARCH64 ? type == R_AARCH64_RELATIVE : type == R_X86_64_RELATIVE;
}

static int by_addr(const void *a, const void *b) {
    const struct ms_relocation *x = a, *y = b;
    return (x->addr > y->addr) - (x->addr < y->addr);
}

static void take_relocations(struct ms_binary *b, uint64_t addr, uint64_t bytes) {
    enum { STEP = 1024 };
    Elf64_Rela *r = ms_alloc(STEP * sizeof *r);
    uint64_t n = ms_min(bytes / sizeof *r, RELOCATIONS_MAX);
    size_t room = 0;
    for (uint64_t at = 0, some; at < n; at += some) {
        some = ms_min(n - at, STEP);
        if (read_memory(b, addr + at * sizeof *r, r, (size_t)some * sizeof *r) != MS_READ_OK) break;
        for (uint64_t i = 0; i < some; i++) {
            if (!is_relative(b, &r[i])) continue;
            MS_ROOM(b->relocation, b->relocations, room);
            b->relocation[b->relocations++] =
                (struct ms_relocation){b->base + r[i].r_offset, b->base + (uint64_t)r[i].r_addend};
        }
    }
    free(r);
    if (b->relocations) qsort(b->relocation, b->relocations, sizeof *b->relocation, by_addr);
}

static void find_relocations(struct ms_binary *b) {
    uint64_t addr = 0, bytes = 0;
    for (size_t i = 0; i < b->file.phdrs; i++) {
        const Elf64_Phdr *p = &b->file.phdr[i];
        Elf64_Dyn d;
        for (uint64_t at = 0; p->p_type == PT_DYNAMIC && at < DYNAMIC_MAX; at++) {
            if (read_memory(b, b->base + p->p_vaddr + at * sizeof d, &d, sizeof d) != MS_READ_OK ||
                d.d_tag == DT_NULL)
                break;
            if (d.d_tag == DT_RELA) addr = b->base + d.d_un.d_ptr;
            if (d.d_tag == DT_RELASZ) bytes = d.d_un.d_val;
        }
    }
    if (addr && bytes) take_relocations(b, addr, bytes);
}

int ms_binary_open(struct ms_binary *b, const char *path, struct ms_error *err) {
    struct stat st;
    *b = (struct ms_binary){.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    b->reader = (struct ms_reader){.read = read_memory, .ctx = b, .still = true};
    if (b->fd < 0)
        return ms_fail(err, errno == EACCES ? MS_PERMISSION : MS_USAGE, "%s: %s", path, strerror(errno));
    struct ms_bytes file = {file_bytes, b};
    enum ms_elf_kind kind =
        fstat(b->fd, &st) == 0 && S_ISREG(st.st_mode) ? ms_elf_open(&b->file, file, 0) : MS_ELF_NOT;
    if (kind == MS_ELF_32BIT)
        return ms_fail(err, MS_UNCERTAIN, "%s: a 32-bit program: mapscope reads 64-bit ones only", path);
    if (kind != MS_ELF_OK) return ms_fail(err, MS_USAGE, "%s: not a 64-bit ELF program", path);
    b->base = b->file.ehdr.e_type == ET_DYN ? BASE : 0;
    b->start = b->base - b->file.bias; /* the file was opened as if its header lay at 0 */
    find_relocations(b);
    return MS_OK;
}

void ms_binary_close(struct ms_binary *b) {
    if (b->fd >= 0) close(b->fd);
    free(b->relocation);
    *b = (struct ms_binary){.fd = -1};
}
