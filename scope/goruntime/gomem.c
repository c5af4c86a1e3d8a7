/* gomem.c - bytes of the target, by blocks of a page of Go's heap, kept while a walk goes on.
 *
 * A walk reads words all over the heap, most of them near the last one: one system call a block instead of one a word.
 * Blocks have one place each, by their address; a new one pushes out what was there.
 */
#include "goruntime.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = MS_GO_BLOCK, PLACES = MS_GO_KEPT_BYTES / BLOCK };

struct ms_gomem {
    uint64_t addr[PLACES]; /* of the block + 1; 0: none */
    uint8_t *data[PLACES];
};

static const uint8_t *block_at(struct ms_go *go, uint64_t addr) {
    size_t place = (addr / BLOCK) % PLACES;
    if (!go->mem) go->mem = ms_alloc(sizeof *go->mem);
    go->block = NULL;
    if (go->mem->addr[place] == addr + 1) {
        go->block_at = addr;
        return go->block = go->mem->data[place];
    }
    if (!go->mem->data[place]) go->mem->data[place] = ms_alloc(BLOCK);
    go->mem->addr[place] = 0;
    enum ms_read rc = ms_read(go->reader, addr, go->mem->data[place], BLOCK);
    if (rc == MS_READ_GONE) go->gone = true;
    if (rc != MS_READ_OK) return NULL;
    go->mem->addr[place] = addr + 1;
    go->block_at = addr;
    return go->block = go->mem->data[place];
}

bool ms_gomem_read(struct ms_go *go, uint64_t addr, void *buf, size_t len) {
    uint8_t *to = buf;
    if (addr + len < addr) return false;
    while (len) {
        uint64_t in = addr % BLOCK;
        size_t n = BLOCK - in < len ? (size_t)(BLOCK - in) : len;
        const uint8_t *block = go->gone ? NULL : block_at(go, addr - in);
        if (block)
            memcpy(to, block + in, n);
        else if (go->gone ||
                 ms_read(go->reader, addr, to, n) != MS_READ_OK) /* a segment's last, partial block */
            return false;
        to += n;
        addr += n;
        len -= n;
    }
    return true;
}

bool ms_gomem_word_of_block(struct ms_go *go, uint64_t addr, uint64_t *out) {
    uint64_t in = addr % BLOCK;
    const uint8_t *block = in <= BLOCK - sizeof *out && !go->gone ? block_at(go, addr - in) : NULL;
    if (!block) return ms_gomem_read(go, addr, out, sizeof *out);
    memcpy(out, block + in, sizeof *out); /* a load: most of what a walk asks for */
    return true;
}

void ms_gomem_forget(struct ms_go *go) {
    go->block = NULL;
    if (go->mem) memset(go->mem->addr, 0, sizeof go->mem->addr);
}

void ms_gomem_close(struct ms_go *go) {
    for (size_t i = 0; go->mem && i < PLACES; i++) free(go->mem->data[i]);
    free(go->mem);
    go->mem = NULL;
    go->block = NULL;
}
