/* lib/observe/unwinder.c - libunwind, where the machine has it.
 *
 * By dlopen: linking it would replace backtrace() for the whole program.  Only a weak reference leads here, which takes
 * nothing out of an archive: a program that links the library statically does without, and is not warned of dlopen.
 */
#include "observe_internal.h"

#include <dlfcn.h>

int (*gomap__find_unwinder(void))(void **, int) {
#ifdef __SANITIZE_THREAD__
    return NULL; /* its threads end with a lock, when ThreadSanitizer has left them already */
#else
    static void *lib; /* asked for under pthread_once */
    int (*found)(void **, int) = NULL;
    if (!lib) lib = dlopen("libunwind.so.8", RTLD_LAZY | RTLD_LOCAL);
    if (lib) *(void **)&found = dlsym(lib, "unw_backtrace");
    return found;
#endif
}
