/* reader.c - what all readers share: batches and strings, and the reader over a buffer.
 *
 * A process with a million maps has a million headers of 128 bytes, most of them neighbours in a few
 * heap pages.  One system call each would cost seconds; a batch puts its items in order of address and
 * joins those less than a page apart into spans of at most 64 KiB.
 *
 *   items    [a]    [b] [c]                     [d]      gap < page: one call
 *   spans    [-------------]  gap >= page       [-]      a call of 128 bytes costs what a page does
 *
 * No unmapped page fits between two items of a span, so a span fails only where an item would; then it
 * is read item by item, and joining never loses an item.
 */
#include "reader.h"

#include "../error.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SPAN_MAX = 64 * 1024, SPAN_GAP = 4095 /* below the smallest page */ };

enum ms_read ms_read(struct ms_reader *r, uint64_t addr, void *buf, size_t len) {
    if (len == 0) return MS_READ_OK;
    if (addr + (len - 1) < addr) return MS_READ_FAULT;
    r->calls++;
    r->bytes += len;
    if (r->watch && r->bytes >= r->watch_at && !r->watch(r->watcher)) return MS_READ_GONE;
    return r->read(r->ctx, addr, buf, len);
}

static int by_addr(const void *a, const void *b) {
    const struct ms_batch_item *x = *(struct ms_batch_item *const *)a, *y = *(struct ms_batch_item *const *)b;
    return (x->addr > y->addr) - (x->addr < y->addr);
}

/* Read items[0..n), which lie within one span, into their buffers; *span is room for one, once there is need of it. */
static enum ms_read read_span(struct ms_reader *r, struct ms_batch_item **items, size_t n, uint8_t **span) {
    uint64_t start = items[0]->addr, end = start;
    for (size_t i = 0; i < n; i++) {
        uint64_t e = items[i]->addr + items[i]->len;
        if (e > end) end = e;
    }
    if (n > 1) {
        if (!*span) *span = ms_alloc(SPAN_MAX);
        enum ms_read rc = ms_read(r, start, *span, (size_t)(end - start));
        if (rc == MS_READ_GONE) return rc;
        if (rc == MS_READ_OK) {
            for (size_t i = 0; i < n; i++) {
                memcpy(items[i]->buf, *span + (items[i]->addr - start), items[i]->len);
                items[i]->status = MS_READ_OK;
            }
            return MS_READ_OK;
        }
    }
    for (size_t i = 0; i < n; i++) {
        items[i]->status = ms_read(r, items[i]->addr, items[i]->buf, items[i]->len);
        if (items[i]->status == MS_READ_GONE) return MS_READ_GONE;
    }
    return MS_READ_OK;
}

enum ms_read ms_read_batch(struct ms_reader *r, struct ms_batch_item *items, size_t n) {
    struct ms_batch_item **order = ms_alloc(n * sizeof *order);
    uint8_t *span = NULL;
    enum ms_read rc = MS_READ_OK;
    bool sorted = true; /* as what was allocated one after the other is */
    for (size_t i = 0; i < n; i++) {
        order[i] = &items[i];
        sorted = sorted && (i == 0 || items[i - 1].addr <= items[i].addr);
    }
    if (!sorted) qsort(order, n, sizeof *order, by_addr);
    for (size_t i = 0; i < n && rc == MS_READ_OK;) {
        size_t j = i + 1;
        uint64_t start = order[i]->addr, end = start + order[i]->len;
        while (j < n && end >= start && order[j]->addr <= end + SPAN_GAP) {
            uint64_t e = order[j]->addr + order[j]->len;
            if (e < order[j]->addr || e - start > SPAN_MAX) break;
            if (e > end) end = e;
            j++;
        }
        rc = read_span(r, order + i, j - i, &span);
        i = j;
    }
    free(order);
    free(span);
    return rc;
}

enum ms_read ms_read_string(struct ms_reader *r, uint64_t addr, size_t max, char **out) {
    char *s = ms_alloc(max + 1);
    size_t have = 0;
    while (have < max) {
        /* Never across a page border in one go: the string may end just before a hole. */
        size_t step = 256 - (size_t)((addr + have) & 255);
        if (step > max - have) step = max - have;
        enum ms_read rc = ms_read(r, addr + have, s + have, step);
        if (rc != MS_READ_OK) {
            free(s);
            return rc;
        }
        if (memchr(s + have, 0, step)) break;
        have += step;
    }
    s[max] = 0;
    *out = ms_grow(s, strlen(s) + 1, 1);
    return MS_READ_OK;
}

/* The patience is for all maps of a snapshot together: a million maps that never hold still must not cost a
 * million waits. */
bool ms_patient(struct ms_reader *r, int i, bool held, bool sane) {
    enum { FEW = 8, AT_ONCE = 4, WAIT_NS = 20000, PATIENCE_NS = 500000000 };
    if (r->still || (held && i >= FEW)) return false;
    if (r->waited_ns > PATIENCE_NS && i >= (sane ? 1 : FEW)) return false;
    if (i < AT_ONCE) return true;
    nanosleep(&(struct timespec){.tv_nsec = (long)WAIT_NS * i}, NULL);
    r->waited_ns += (uint64_t)WAIT_NS * (unsigned)i;
    return true;
}

static enum ms_read buffer_read(void *ctx, uint64_t addr, void *buf, size_t len) {
    struct ms_buffer *b = ctx;
    if (b->gone_after && ++b->reads > b->gone_after) return MS_READ_GONE;
    if (addr < b->base || addr - b->base > b->len || len > b->len - (addr - b->base)) return MS_READ_FAULT;
    memcpy(buf, b->data + (addr - b->base), len);
    return MS_READ_OK;
}

void ms_buffer_reader(struct ms_reader *r, struct ms_buffer *b) {
    *r = (struct ms_reader){.read = buffer_read, .ctx = b};
}
