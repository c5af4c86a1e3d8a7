/* gosort.c - sorting of what a walk has by the hundred thousand, by a number each has.
 *
 * By counting, a digit of 8 bits at a time, the lowest first; digits that all have in common are left out, so addresses of
 * one heap take two or three passes over the items where a sort by comparison would take twenty.  Stable.
 */
#include "goruntime.h"

#include <stdlib.h>
#include <string.h>

enum { DIGIT = 8, DIGITS = 1 << DIGIT };

typedef uint64_t key_fn(const void *item);

/* One pass: from -> to. */
static inline void by_digit(const uint8_t *from, uint8_t *to, size_t n, size_t size, unsigned shift,
                            key_fn *key) {
    size_t at[DIGITS] = {0}, sum = 0;
    for (size_t i = 0; i < n; i++) at[key(from + i * size) >> shift & (DIGITS - 1)]++;
    for (int d = 0; d < DIGITS; d++) {
        size_t here = at[d];
        at[d] = sum;
        sum += here;
    }
    for (size_t i = 0; i < n; i++)
        memcpy(to + at[key(from + i * size) >> shift & (DIGITS - 1)]++ * size, from + i * size, size);
}

/* Inlined into each of the sorts below, with a size and a key that are known there. */
static inline __attribute__((always_inline)) void sort(void *items, size_t n, size_t size, key_fn *key) {
    uint8_t *from = items, *spare = NULL, *to;
    uint64_t differ = 0;
    for (size_t i = 1; i < n; i++) differ |= key(from + i * size) ^ key(from);
    if (!differ) return;
    to = spare = ms_grow(NULL, n, size);
    for (unsigned shift = 0; shift < 64; shift += DIGIT) {
        if (!(differ >> shift & (DIGITS - 1))) continue;
        by_digit(from, to, n, size, shift, key);
        uint8_t *last = from;
        from = to;
        to = last;
    }
    if (from == spare) memcpy(items, from, n * size);
    free(spare);
}

static inline uint64_t page_of(const void *item) {
    return ((const struct ms_gowork *)item)->addr / MS_GO_PAGE;
}
static inline uint64_t object_of(const void *item) { return *(const uint32_t *)item; }
static inline uint64_t header_of(const void *item) { return ((const struct ms_gofound *)item)->header; }

void ms_gosort_work(struct ms_gowork *work, size_t n) { sort(work, n, sizeof *work, page_of); }
void ms_gosort_objects(uint32_t *object, size_t n) { sort(object, n, sizeof *object, object_of); }
void ms_gosort_found(struct ms_gofound *found, size_t n) { sort(found, n, sizeof *found, header_of); }
