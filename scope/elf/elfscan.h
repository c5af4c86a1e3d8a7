/* elfscan.h - find a note or a symbol in the bytes of an ELF image.
 *
 * The bytes come through a callback and may be anything: every offset, size and count is checked against
 * a limit before it is used, and no loop runs longer than its limit.  This file knows no process.
 */
#ifndef MS_ELFSCAN_H
#define MS_ELFSCAN_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All len bytes at addr, or false.  For an image in memory addr is an address, for a file an offset. */
struct ms_bytes {
    bool (*get)(void *ctx, uint64_t addr, void *buf, size_t len);
    void *ctx;
};

enum ms_elf_kind {
    MS_ELF_OK,
    MS_ELF_NOT,     /* no ELF header */
    MS_ELF_32BIT,   /* an ELF of class 32 */
    MS_ELF_FOREIGN, /* big endian */
    MS_ELF_BROKEN,  /* header fields out of range */
};

enum { MS_ELF_PHDRS = 256 };
struct ms_elf {
    struct ms_bytes mem;
    uint64_t start; /* address of the ELF header */
    uint64_t bias;  /* run-time address - link-time address */
    Elf64_Ehdr ehdr;
    Elf64_Phdr phdr[MS_ELF_PHDRS];
    size_t phdrs;
};

/* Addresses found; each is only a candidate until what lies there was checked. */
enum { MS_FOUND_MAX = 64 };
struct ms_found {
    uint64_t addr[MS_FOUND_MAX];
    size_t count;
};

/* An image in memory, its header at start. */
enum ms_elf_kind ms_elf_open(struct ms_elf *e, struct ms_bytes mem, uint64_t start);

/* Notes (owner, type) in the PT_NOTE segments whose 8-byte descriptor is the distance from itself to what it
 * names: the addresses named.  Position independent, so the same in file and memory. */
void ms_elf_notes(const struct ms_elf *e, const char *owner, uint32_t type, struct ms_found *out);

/* The build id of an image: its length, 0 if there is none; *missing: some note could not be read.  Notes lie in the
 * first mapping or in a file that is read as it lies on disk, so their offset in the file counts from start. */
enum { MS_BUILD_ID_MAX = 128 };
size_t ms_elf_build_id(const struct ms_elf *e, uint8_t id[MS_BUILD_ID_MAX], bool *missing);

/* A defined symbol of the dynamic symbol table, as a run-time address. */
void ms_elf_dynsym(const struct ms_elf *e, const char *name, struct ms_found *out);

/* The same from the file's section headers: loaded note sections (their bytes read in memory) and .symtab.
 * The file's header must equal the one in memory, else nothing is believed. */
void ms_elf_file_notes(const struct ms_elf *e, struct ms_bytes file, const char *owner, uint32_t type,
                       struct ms_found *out);
void ms_elf_file_symbol(const struct ms_elf *e, struct ms_bytes file, const char *name, struct ms_found *out);

/* The variable of .symtab or the dynamic symbols that covers a run-time address: its name, cut to room, and how far into
 * it addr is. */
bool ms_elf_file_object(const struct ms_elf *e, struct ms_bytes file, uint64_t addr, char *name, size_t room,
                        uint64_t *offset);

/* The same of a function and a code address. */
bool ms_elf_file_function(const struct ms_elf *e, struct ms_bytes file, uint64_t addr, char *name, size_t room,
                          uint64_t *offset);

#endif
