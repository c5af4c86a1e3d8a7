/* writable.h - memory that a process can write to: where its data and its pointers are. */
#ifndef MS_WRITABLE_H
#define MS_WRITABLE_H

#include "process.h"

/* A mapping, or what of one a core file has.  thread: whose stack it is; 0: no stack, or not known to be one. */
struct ms_writable {
    uint64_t start, end;
    uint64_t sp; /* of the thread: what lies below is dead, as far as it is its stack at all */
    int thread;
};
struct ms_writables {
    struct ms_writable *range; /* ascending, without overlaps */
    size_t count, room;
};

/* A thread that runs does not tell its stack pointer: its stack is memory like other memory.  MS_GONE, MS_PERMISSION. */
int ms_writable_load(struct ms_process *p, struct ms_writables *out, struct ms_error *err);
void ms_writable_free(struct ms_writables *w);

#endif
