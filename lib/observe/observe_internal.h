/* lib/observe/observe_internal.h - what the files of this folder share, and what the engine tells them.
 *
 *   engine -- grew, shrank, gone --> sample.c -- stack.c, label.c
 *                                       |  stacks, buckets, pieces
 *                                       v
 *                     gomap_profile_write: heap.c -- pprof.c (format), symbols.c (names)
 *
 * The engine calls at four moments, all of them off every fast path; nobody else knows this folder.
 */
#ifndef GOMAP_OBSERVE_INTERNAL_H
#define GOMAP_OBSERVE_INTERNAL_H

#include "../internal.h"

#include "gomap/observe.h"

#pragma GCC visibility push(hidden)

enum { STACK_MAX = GOMAP_SAMPLED_FRAMES };

/* ---- stack.c ------------------------------------------------------------------------------------ */
/* Call sites above the caller, innermost first: addresses within the call instructions.  Returns how many. */
unsigned gomap__stack(uint64_t pc[STACK_MAX]);
/* Before the first: unwinders load libraries, which is nothing to do amid a write. */
void gomap__stack_prepare(void);
/* unwinder.c, if it is part of this program.  NULL: there is none. */
int (*gomap__find_unwinder(void))(void **, int) __attribute__((weak));

/* ---- label.c ------------------------------------------------------------------------------------ */
/* The pairs of this thread as key NUL value NUL ..., innermost first, keys once; bytes written, 0: none. */
enum { LABELS_BYTES = GOMAP_SAMPLED_LABELS };
size_t gomap__labels(char text[LABELS_BYTES]);

/* ---- sample.c: what was sampled.  All of it is read and written under one lock. ------------------- */

extern struct gomap_samples gomap__samples; /* its structs are frozen: readers outside the process follow them (inspect.h) */
void gomap__samples_lock(void);
void gomap__samples_unlock(void);
/* fn for each piece, map by map. */
void gomap__each_piece(void (*fn)(const struct gomap_sampled_piece *p, void *ctx), void *ctx);
/* What a bucket held at the peak: objects and bytes. */
const double *gomap__at_peak(struct gomap_sampled_bucket *b);

/* ---- pprof.c: profile.proto, gzipped ------------------------------------------------------------- */

enum { VALUES = 8 };
struct pprof;
struct pprof *gomap__pprof_new(void);
void gomap__pprof_free(struct pprof *p);
/* A sample: the stack, its values, and labels as pairs of texts, ended by NULL. */
void gomap__pprof_sample(struct pprof *p, const uint64_t *pc, unsigned frames, const int64_t values[VALUES],
                         const char *const *labels);
/* All of it; GOMAP_ENOMEM. */
gomap_err gomap__pprof_write(struct pprof *p, FILE *out, uint64_t rate);

/* ---- symbols.c -------------------------------------------------------------------------------------- */

/* An ELF file of this process, by its executable segment. */
struct image {
    uint64_t start, end, offset, bias; /* addresses; of the segment in the file */
    char *path;
    char build_id[64 * 2 + 1]; /* hex; "": none */
    bool named;                /* its symbol table was there */
};
struct images {
    struct image *image;
    size_t count, room;
    bool failed; /* no memory */
};
void gomap__images_load(struct images *im);
void gomap__images_free(struct images *im);
/* Names of n addresses, ascending, within one image: name[i] malloc'ed, or NULL. */
void gomap__symbols(const struct image *im, const uint64_t *addr, size_t n, char **name);

#pragma GCC visibility pop
#endif
