/* A pool of strings that are all freed at once. */
#ifndef PKGINDEX_TEXTPOOL_H
#define PKGINDEX_TEXTPOOL_H

#include <stddef.h>

struct textpool {
    struct textpool_block *blocks; /* newest first */
    size_t bytes;                  /* handed out */
};

/* Copies len bytes and a NUL into the pool; NULL: out of memory. */
char *textpool_copy(struct textpool *pool, const char *text, size_t len);

/* Frees all strings of the pool and leaves it empty. */
void textpool_free(struct textpool *pool);

#endif
