/* heapcount.c - malloc and its family, counting.
 *
 * The program's own definitions take the place of libc's for everything it is linked with, shared libraries too, and
 * pass on to libc under the names that it exports for this.  mmap and mprotect are caught by the linker (--wrap),
 * in the program and static libraries alone: that is where gomap asks the system for its tables.  An address range
 * that is only reserved does not count; what is made writable later does.
 */
#define _GNU_SOURCE
#include "heapcount.h"

#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

static uint64_t calls, bytes;

static void count(size_t size) {
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&bytes, size, __ATOMIC_RELAXED);
}

struct heap heap_now(void) {
    return (struct heap){__atomic_load_n(&calls, __ATOMIC_RELAXED),
                         __atomic_load_n(&bytes, __ATOMIC_RELAXED)};
}

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);

void *malloc(size_t size) { return count(size), __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return count(n * size), __libc_calloc(n, size); }
void *realloc(void *p, size_t size) { return count(size), __libc_realloc(p, size); }
void *memalign(size_t align, size_t size) { return count(size), __libc_memalign(align, size); }
void *aligned_alloc(size_t align, size_t size) { return count(size), __libc_memalign(align, size); }
void free(void *p) { __libc_free(p); }
int posix_memalign(void **out, size_t align, size_t size) {
    void *p = (count(size), __libc_memalign(align, size));
    if (!p) return ENOMEM;
    *out = p;
    return 0;
}

void *__real_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at);
void *__wrap_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at);
void *__wrap_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at) {
    if (prot & PROT_WRITE) count(n);
    return __real_mmap(p, n, prot, flags, fd, at);
}
void *__wrap_mmap64(void *p, size_t n, int prot, int flags, int fd, off_t at); /* with 64-bit file offsets */
void *__wrap_mmap64(void *p, size_t n, int prot, int flags, int fd, off_t at) {
    return __wrap_mmap(p, n, prot, flags, fd, at);
}
int __real_mprotect(void *p, size_t n, int prot);
int __wrap_mprotect(void *p, size_t n, int prot);
int __wrap_mprotect(void *p, size_t n, int prot) {
    if (prot & PROT_WRITE) count(n);
    return __real_mprotect(p, n, prot);
}
