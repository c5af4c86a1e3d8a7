/* usdt.h - the USDT probes of an image (<sys/sdt.h>): where their nops are, and where their arguments lie. */
#ifndef MS_USDT_H
#define MS_USDT_H

#include "elfscan.h"

enum { MS_USDT_NAME = 32, MS_USDT_ARGUMENTS = 128 };
struct ms_usdt {
    uint64_t addr;                                         /* at run time */
    char name[MS_USDT_NAME], arguments[MS_USDT_ARGUMENTS]; /* "8@%rdi -4@-20(%rbp) 8@$0" */
};

/* The probes of a provider in a file whose image is e, at most `room`: their number. */
size_t ms_usdt_find(const struct ms_elf *e, struct ms_bytes file, const char *provider, struct ms_usdt *out,
                    size_t room);

/* An operand, the next of a text of them; false: none is left, or it is of a form that is not known.  reg: number of its word
 * in struct pt_regs. */
enum ms_usdt_how { MS_USDT_CONST, MS_USDT_REG, MS_USDT_MEM };
struct ms_usdt_operand {
    enum ms_usdt_how how;
    unsigned reg, size;
    int32_t offset;
};
bool ms_usdt_operand(const char **text, struct ms_usdt_operand *out);

/* Where in its file the code or data at a run-time address is. */
bool ms_elf_file_offset(const struct ms_elf *e, uint64_t addr, uint64_t *offset);

#endif
