/* binary.h - the memory a program will have when it starts, from its file alone. */
#ifndef MS_BINARY_H
#define MS_BINARY_H

#include "../elf/elfscan.h"
#include "../error.h"
#include "reader.h"

struct ms_relocation {
    uint64_t addr, value;
};
struct ms_binary {
    struct ms_reader reader; /* ctx: the binary itself, which must not move */
    struct ms_elf file;      /* headers as the file has them */
    uint64_t base;           /* what is added to the file's addresses */
    uint64_t start;          /* address of the ELF header */
    int fd;
    struct ms_relocation *relocation; /* ascending */
    size_t relocations;
};

/* MS_USAGE: no such file, or none that is a 64-bit ELF program. */
int ms_binary_open(struct ms_binary *b, const char *path, struct ms_error *err);
void ms_binary_close(struct ms_binary *b);

#endif
