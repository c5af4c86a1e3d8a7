/* heapcount.h - count what a program asks of its allocator: link heapcount.c, and read the two counters. */
#ifndef LAB_HEAPCOUNT_H
#define LAB_HEAPCOUNT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Since the program began, all threads. */
struct heap {
    uint64_t calls,
        bytes; /* malloc, calloc, realloc, aligned ones; mmap and mprotect that make memory writable */
};
struct heap heap_now(void);

#ifdef __cplusplus
}
#endif
#endif
