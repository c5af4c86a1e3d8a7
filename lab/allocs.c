/* allocs.c - what a thread asks of the allocator, counted: the linker (allocs.wrap) sends the calls of the program and
 * of the static libraries in it here first. */
#define _GNU_SOURCE
#include "measure.h"

#include <sys/mman.h>

static __thread struct allocs counts;

struct allocs allocs_now(void) {
    return counts;
}

static void asked(size_t bytes) { counts.calls++, counts.bytes += bytes; }

/* __real_NAME is libc's, __wrap_NAME is what callers get. */
#define WRAPPED(result, name, parameters, ...)                                                               \
    result __real_##name parameters;                                                                         \
    result __wrap_##name parameters;                                                                         \
    result __wrap_##name parameters { __VA_ARGS__; }

WRAPPED(void *, malloc, (size_t n), asked(n); return __real_malloc(n))
WRAPPED(void *, calloc, (size_t n, size_t each), asked(n *each); return __real_calloc(n, each))
WRAPPED(void *, realloc, (void *p, size_t n), asked(n); return __real_realloc(p, n))
WRAPPED(int, posix_memalign, (void **p, size_t align, size_t n), asked(n);
        return __real_posix_memalign(p, align, n))
WRAPPED(void *, aligned_alloc, (size_t align, size_t n), asked(n); return __real_aligned_alloc(align, n))
WRAPPED(void, free, (void *p), counts.frees += p != NULL; __real_free(p))
WRAPPED(void *, mmap, (void *p, size_t n, int prot, int flags, int fd, off_t at), counts.maps++;
        return __real_mmap(p, n, prot, flags, fd, at))
WRAPPED(void *, mmap64, (void *p, size_t n, int prot, int flags, int fd, off_t at), counts.maps++;
        return __real_mmap64(p, n, prot, flags, fd, at))
