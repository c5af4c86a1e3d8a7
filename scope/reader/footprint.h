/* footprint.h - what the kernel says of a process's memory: one read of smaps, added up by what it is. */
#ifndef MS_FOOTPRINT_H
#define MS_FOOTPRINT_H

#include "process.h"

#include <stdio.h>

enum ms_memory_class {
    MS_MEMORY_HEAP, /* private and without a file: malloc's heap and mappings, Go's arenas, ranges of gomap */
    MS_MEMORY_STACK,    /* of the first thread; stacks of others look like heap */
    MS_MEMORY_FILE,     /* private, of files: programs, libraries and their data */
    MS_MEMORY_SHARED,   /* shared with others, with or without a file */
    MS_MEMORY_SPECIAL,  /* the kernel's own: vdso and such */
    MS_MEMORY_RESERVED, /* not to be read or written: address space kept for later, guard pages */
    MS_MEMORY_CLASSES
};

/* Bytes. */
struct ms_memory {
    uint64_t mappings, size, rss, pss, swap, lazyfree, huge, anonymous;
};

struct ms_footprint {
    struct ms_memory of[MS_MEMORY_CLASSES], all; /* all: their sum */
};

/* MS_GONE, MS_PERMISSION.  Holds the target's mmap lock for moments, once per buffer of the kernel. */
int ms_footprint_load(struct ms_process *p, struct ms_footprint *out, struct ms_error *err);
/* The same of a stream in the form of smaps. */
void ms_footprint_parse(FILE *f, struct ms_footprint *out);

#endif
