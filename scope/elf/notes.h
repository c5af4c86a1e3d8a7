/* notes.h - what elfscan.c, elffile.c and usdt.c share. */
#ifndef MS_NOTES_H
#define MS_NOTES_H

#include "elfscan.h"

enum { MS_NOTES_MAX = 1 << 20 };

/* Section headers of a file, if its header is the one in memory; the caller frees shdr. */
struct ms_sections {
    Elf64_Shdr *shdr;
    size_t count;
};
bool ms_elf_sections(const struct ms_elf *e, struct ms_bytes file, struct ms_sections *out);

/* Add an address once; 0 and what goes beyond the limit are dropped. */
void ms_found_add(struct ms_found *f, uint64_t addr);

/* Call found() for each 8-byte descriptor of a note (owner, type) in buf: its offset and its value. */
void ms_notes_parse(const uint8_t *buf, size_t len, uint64_t align, const char *owner, uint32_t type,
                    void (*found)(void *ctx, uint64_t at, uint64_t value), void *ctx);

/* Notes at a run-time address of the image. */
void ms_elf_notes_at(const struct ms_elf *e, uint64_t addr, uint64_t size, uint64_t align, const char *owner,
                     uint32_t type, struct ms_found *out);

#endif
