/* Strings with one common end of life.
 *
 * The catalog keeps about a quarter of a million short strings.  One malloc each would cost more than
 * the strings; a pool hands them out of 256 KiB blocks and frees them together.  Strings never move, so
 * a map can borrow them as keys (GOMAP_KEYS_BORROWED).  On failure nothing changes. */
#include "textpool.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 256 * 1024 };

struct textpool_block {
    struct textpool_block *next;
    size_t used, size;
    char text[];
};

char *textpool_copy(struct textpool *pool, const char *text, size_t len) {
    struct textpool_block *block = pool->blocks;
    if (!block || block->size - block->used < len + 1) {
        const size_t room = BLOCK_BYTES - sizeof *block;
        const size_t size = len < room ? room : len + 1;
        block = malloc(sizeof *block + size);
        if (!block) return NULL;
        block->used = 0;
        block->size = size;
        block->next = pool->blocks;
        pool->blocks = block;
    }
    char *copy = block->text + block->used;
    memcpy(copy, text, len);
    copy[len] = '\0';
    block->used += len + 1;
    pool->bytes += len + 1;
    return copy;
}

void textpool_free(struct textpool *pool) {
    while (pool->blocks) {
        struct textpool_block *block = pool->blocks;
        pool->blocks = block->next;
        free(block);
    }
    pool->bytes = 0;
}
