/* gosite.h - where in a function of a Go program a probe can stand.
 *
 * A probe at the entry counts too much: a function that finds its stack too small starts again from there, on a larger one.
 * A probe on the return address, as uretprobes set it, breaks a program that moves its stacks.  So probes stand here:
 *
 *     entry   cmp  rsp, 16(r14)         is there room on the stack?   (or by r12, for large frames)
 *             jbe  more ------------.
 *             push rbp              |
 *             mov  rbp, rsp         |
 *     enter   sub  rsp, 32          |   once for each call; arguments still in their registers, the frame linked
 *             ...                   |
 *             pop  rbp              |
 *     leave   ret                   |   an ordinary instruction; or one before it that does nothing
 *     more    call runtime.morestack; jmp entry
 *
 * Two sources must agree before a byte of text is replaced: the instructions themselves, which must be exactly one of the
 * forms compilers since 1.18 write, and the table by which Go unwinds stacks, which says after which instruction the stack
 * pointer has changed, and so where instructions start.
 */
#ifndef MS_GOSITE_H
#define MS_GOSITE_H

#include "gopclntab.h"

enum { MS_GOSITE_LEAVES = 16 };
struct ms_gosite {
    uint64_t enter;
    uint64_t leave[MS_GOSITE_LEAVES]; /* every return; none: not all were found */
    size_t leaves;
};

/* Of the function of that name.  code: its program, by address, without breakpoints that others have set.
 * NULL, or why there is no such place. */
const char *ms_gosite_find(const struct ms_gopclntab *t, struct ms_bytes code, const char *name,
                           struct ms_gosite *out);

/* Bytes of the prologue: of what comes before `enter`; 0: in no form that is known.  *checks: bytes before the frame is made;
 * *made: where the first instruction of the frame ends; *frame: bytes of stack that it took. */
size_t ms_gosite_prologue(const uint8_t *code, size_t len, size_t *checks, size_t *made, uint32_t *frame);

#endif
