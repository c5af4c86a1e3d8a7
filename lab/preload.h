/* lab/preload.h - which allocator a program really runs with (LD_PRELOAD decides), and how to ask it for what it keeps.
 *
 * Every allocator keeps freed memory for a while, and every one has a call of its own that gives it back. The calls
 * are looked up by name: none of the allocators is linked. */
#ifndef LAB_PRELOAD_H
#define LAB_PRELOAD_H

#include <dlfcn.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>

typedef int mallctl_fn(const char *name, void *old, size_t *old_len, void *set, size_t set_len);
typedef void release_fn(void);
typedef void collect_fn(bool force);

static void *looked_up(const char *name) { return dlsym(RTLD_DEFAULT, name); }

/* glibc, jemalloc, tcmalloc or mimalloc */
__attribute__((unused)) static const char *allocator(void) {
    if (looked_up("mallctl")) return "jemalloc";
    if (looked_up("MallocExtension_ReleaseFreeMemory")) return "tcmalloc";
    if (looked_up("mi_collect")) return "mimalloc";
    return "glibc";
}

/* Have the allocator give back all it can. */
__attribute__((unused)) static void purge(void) {
    void *f;
    if ((f = looked_up("mallctl")) != NULL) {
        (void)(*(mallctl_fn **)&f)("thread.tcache.flush", NULL, NULL, NULL, 0);
        (void)(*(mallctl_fn **)&f)("arena.4096.purge", NULL, NULL, NULL, 0); /* 4096: all of them */
    } else if ((f = looked_up("MallocExtension_ReleaseFreeMemory")) != NULL) {
        (*(release_fn **)&f)();
    } else if ((f = looked_up("mi_collect")) != NULL) {
        (*(collect_fn **)&f)(true);
    } else {
        (void)malloc_trim(0);
    }
}
#endif
