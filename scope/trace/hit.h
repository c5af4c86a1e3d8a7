/* hit.h - what the program in the kernel (hits.bpf.c) and the process that loads it (tracer.c) share.
 *
 * A site is an instruction of the target, or an event of its threads, and what is to be read there: up to MS_HIT_VALUES
 * operands, in the terms of USDT ("8@%rbx", "1@9(%rbx)").  One program serves all sites: which one was hit it learns from
 * the cookie of the attachment, what to read from the array of sites.  A hit is a record of one size in a ring:
 *
 *     site ----> operand[0..5]            ring: | hit | hit | hit |      lost: hits that found it full
 *                reg, offset, size                time, values, thread, stack
 */
#ifndef MS_HIT_H
#define MS_HIT_H

#include <linux/types.h>

enum { MS_HIT_VALUES = 6, MS_HIT_FRAMES = 32, MS_SITES_MAX = 128, MS_HIT_RING_BYTES = 4 << 20 };

/* Sites that are no instruction: events of the target's threads. */
enum { MS_SITE_CPU = MS_SITES_MAX, MS_SITE_FAULTS, MS_SITE_ITSELF /* measures what a hit costs */ };

enum ms_operand_how { MS_OPERAND_NONE, MS_OPERAND_CONST, MS_OPERAND_REG, MS_OPERAND_MEM };

/* reg: number of its word in struct pt_regs; 1, 2, 4 or 8 bytes are taken, without their sign. */
struct ms_operand {
    __u8 how, reg, size, zero;
    __s32 offset; /* from the register; the constant */
};

struct ms_site_values {
    struct ms_operand value[MS_HIT_VALUES];
    __u32 stack; /* 1: the stack is taken too */
};

struct ms_hit {
    __u64 time_ns; /* CLOCK_MONOTONIC */
    __u64 value[MS_HIT_VALUES];
    __u32 site, thread; /* thread: 0, if its number here is not known */
    __u32 missed;       /* bit i: value i could not be read */
    __u32 frames;
    __u64 frame[MS_HIT_FRAMES]; /* innermost first */
};

#endif
