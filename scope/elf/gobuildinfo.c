/* gobuildinfo.c - find and read Go's build information.
 *
 *   +0   ff " Go buildinf:"   14 bytes, 16-byte aligned, at the start of a writable segment or section
 *   +14  pointer size
 *   +15  flags: bit 1 set = strings inline (Go 1.18 and later)
 *   +32  uvarint length, version ("go1.26.8 X:..."), uvarint length, module information
 *
 * The linker puts it first in its segment, but an external linker may not: the first megabyte of each writable
 * segment is searched.
 */
#include "gobuildinfo.h"

#include <stdlib.h>
#include <string.h>

enum { SEARCH_MAX = 1 << 20, STEP = 1 << 16, MAGIC = 14, HEADER = 32 };

static const char magic[MAGIC + 1] = "\xff Go buildinf:";

static bool read_at(const struct ms_elf *e, uint64_t addr, struct ms_gobuild *out) {
    uint8_t head[HEADER + 2 + MS_GOVERSION_MAX];
    size_t len = 0, at = HEADER;
    if (!e->mem.get(e->mem.ctx, addr, head, sizeof head) || memcmp(head, magic, MAGIC) != 0) return false;
    if (head[14] != 8 || !(head[15] & 2)) return false;
    for (unsigned shift = 0; shift < 14; shift += 7) {
        len |= (size_t)(head[at] & 0x7f) << shift;
        if (!(head[at++] & 0x80)) break;
    }
    if (len == 0 || len >= sizeof out->version) return false;
    memcpy(out->version, head + at, len);
    out->version[len] = 0;
    ms_gobuild_parse(out);
    return true;
}

void ms_gobuild_parse(struct ms_gobuild *b) {
    const char *at = strstr(b->version, "go1.");
    b->minor = -1;
    if (at && at[4] >= '0' && at[4] <= '9') {
        long minor = strtol(at + 4, NULL, 10);
        b->minor = minor < 1000 ? (int)minor : -1;
    }
    b->nogreentea = strstr(b->version, "nogreenteagc") != NULL;
    b->noswissmap = strstr(b->version, "noswissmap") != NULL;
}

static bool search(const struct ms_elf *e, uint64_t start, uint64_t size, struct ms_gobuild *out) {
    uint8_t *buf = malloc(STEP);
    bool found = false;
    uint64_t end = start + (size < SEARCH_MAX ? size : SEARCH_MAX);
    for (uint64_t at = (start + 15) & ~UINT64_C(15); buf && !found && at < end; at += STEP) {
        size_t n = end - at < STEP ? (size_t)(end - at) : STEP;
        if (!e->mem.get(e->mem.ctx, at, buf, n)) break;
        for (size_t i = 0; i + MAGIC <= n && !found; i += 16)
            if (buf[i] == 0xff && memcmp(buf + i, magic, MAGIC) == 0) found = read_at(e, at + i, out);
    }
    free(buf);
    return found;
}

bool ms_gobuild_find(const struct ms_elf *e, struct ms_gobuild *out) {
    *out = (struct ms_gobuild){.minor = -1};
    for (size_t i = 0; i < e->phdrs; i++) {
        const Elf64_Phdr *p = &e->phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_W) || p->p_filesz < HEADER) continue;
        if (search(e, e->bias + p->p_vaddr, p->p_filesz, out)) return true;
    }
    return false;
}
