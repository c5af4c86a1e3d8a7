/* shim_ptrace.c - a library to preload into mapscope, that kills the process which holds its target.
 *
 *   TK_KILL_PTRACE=N   SIGKILL before the Nth call of ptrace
 *   TK_KILL_SPARE=1    calls made while a thread of the target has foreign registers are not counted: the one span of
 *                      which mapscope does not promise that it is harmless to threads in any system call
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/types.h>

long ptrace(enum __ptrace_request request, ...) {
    static long (*next)(enum __ptrace_request, pid_t, void *, void *);
    static long count;
    static pid_t first;
    static bool foreign; /* registers of the first thread that ever got some */
    va_list args;
    va_start(args, request);
    pid_t tid = va_arg(args, pid_t);
    void *addr = va_arg(args, void *), *data = va_arg(args, void *);
    va_end(args);
    const char *at = getenv("TK_KILL_PTRACE"), *spare = getenv("TK_KILL_SPARE");
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "ptrace");
    if (at && !(spare && foreign) && ++count == atol(at)) raise(SIGKILL);
#if defined(__x86_64__) /* elsewhere no thread is borrowed */
    if (request == PTRACE_SETREGS && !first) first = tid;
    if (request == PTRACE_SETREGS && tid == first) foreign = !foreign;
#endif
    return next(request, tid, addr, data);
}
