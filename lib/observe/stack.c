/* lib/observe/stack.c - the call stack of this thread.
 *
 * Three ways, the first that works (times of 20 frames; script/bench observe):
 *
 *   frame pointers     0.05 us   if the library was built with them (-Dframe_pointers=true) and its callers were too
 *   libunwind           0.2 us   if the machine has it and the library is the shared one (unwinder.c)
 *   backtrace of glibc   10 us   always there
 *
 * A frame pointer is believed if it lies further up in this thread's stack and its return address in code.
 */
#define _GNU_SOURCE
#include "observe_internal.h"

#include <execinfo.h>
#include <link.h>
#include <pthread.h>

static int (*unwind)(void **, int) = backtrace;

#ifdef GOMAP_FRAME_POINTERS
static uintptr_t code[2] = {UINTPTR_MAX, 0}; /* all executable segments lie between */

static int span_code(struct dl_phdr_info *info, size_t size, void *ctx) {
    (void)size, (void)ctx;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X)) continue;
        uintptr_t start = info->dlpi_addr + ph->p_vaddr;
        if (start < code[0]) code[0] = start;
        if (start + ph->p_memsz > code[1]) code[1] = start + ph->p_memsz;
    }
    return 0;
}

static uintptr_t end_of_stack(void) {
    static __thread uintptr_t known;
    pthread_attr_t attr;
    void *base;
    size_t size;
    if (known || pthread_getattr_np(pthread_self(), &attr)) return known;
    if (!pthread_attr_getstack(&attr, &base, &size)) known = (uintptr_t)base + size;
    pthread_attr_destroy(&attr);
    return known;
}

/* Frames that the chain of frame pointers leads to; *whole: it ended as chains do, in a zero, or is long enough to be none
 * by chance. */
static unsigned walk_frames(uint64_t *pc, bool *whole) {
    enum { BELIEVED = 8 };
    uintptr_t end = end_of_stack(), *fp = __builtin_frame_address(0), next = 1;
    unsigned n = 0;
    while (n < STACK_MAX && (uintptr_t)(fp + 2) <= end && fp[1] >= code[0] && fp[1] < code[1]) {
        pc[n++] = fp[1] - 1;
        next = fp[0];
        if (next <= (uintptr_t)fp || next % sizeof(void *)) break;
        fp = (uintptr_t *)next;
    }
    *whole = n && (!next || n >= BELIEVED);
    return n;
}
#endif

static void find_way(void) {
    void *frames[4];
    if (gomap__find_unwinder && gomap__find_unwinder()) unwind = gomap__find_unwinder();
    (void)unwind(frames, 4); /* what it allocates at first use */
#ifdef GOMAP_FRAME_POINTERS
    dl_iterate_phdr(span_code, NULL);
#endif
}

void gomap__stack_prepare(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_way);
}

unsigned gomap__stack(uint64_t pc[STACK_MAX]) {
    void *frames[STACK_MAX + 1];
    unsigned out = 0;
#ifdef GOMAP_FRAME_POINTERS
    bool whole;
    out = walk_frames(pc, &whole);
    if (whole) return out;
    out = 0;
#endif
    int n = unwind(frames, STACK_MAX + 1);
    for (int i = 1; i < n; i++) /* 0: this function */
        pc[out++] = (uint64_t)(uintptr_t)frames[i] - 1;
    return out;
}
