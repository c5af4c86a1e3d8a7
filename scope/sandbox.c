/* sandbox.c - a seccomp filter that mapscope puts on itself before it looks at any target.
 *
 * Refused with EPERM from then on: tracing and writing other processes' memory, signals to anybody else,
 * changing another process's limits, memory or schedule, loading BPF, starting programs, and opening any file
 * for writing or creating one.  Files the user named for output are opened before.  openat2 and io_uring
 * could open files with flags a filter cannot see, so they are refused whole; so is every system call of
 * another ABI. Signals to the process itself stay allowed: abort() and job control need them.
 *
 * The process that stops or copies a target for --stop and --snapshot (freeze/) has a filter of its own: it may trace and
 * send signals, but not write to the memory of a target.
 *
 * The process that parses debug information (confine.h) may do next to nothing: have memory of its own, none of it
 * executable or a file's, write to what it has open, and end.  All else fails with EPERM: libraries take no for an answer, and
 * whoever took the process over learns as much.
 *
 * The process that writes a recording (record/) is refused all of this, and every opening of a file: it writes to what it has
 * open.
 *
 * If the kernel has no seccomp the tool does not run: a promise that is not kept is worth nothing.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MS_ARCH AUDIT_ARCH_AARCH64
#else
#error "mapscope runs on x86-64 and aarch64"
#endif

#define LOAD(field)              BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(field))
#define RETURN(what)             BPF_STMT(BPF_RET | BPF_K, (what))
#define IF(test, value, yes, no) BPF_JUMP(BPF_JMP | (test) | BPF_K, (uint32_t)(value), (yes), (no))
#define REFUSE                   RETURN(SECCOMP_RET_ERRNO | EPERM)
/* Low half of argument n: flags and pids fit, both kernels are little endian. */
#define ARG(n) LOAD(offsetof(struct seccomp_data, args) + 8 * (n))

/* Open flags that could change anything. */
#define WRITING (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY))

static const int refused[] = {
    SYS_ptrace,
    SYS_process_vm_writev,
    SYS_pidfd_send_signal,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_process_madvise,
    SYS_pidfd_getfd,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_execve,
    SYS_execveat,
    SYS_openat2,
    SYS_open_by_handle_at,
    SYS_io_uring_setup,
    SYS_truncate,
    SYS_kcmp,
    SYS_userfaultfd,
    SYS_move_pages,
    SYS_migrate_pages,
    SYS_sched_setaffinity,
    SYS_sched_setscheduler,
    SYS_sched_setattr,
    SYS_setpriority,
    SYS_ioprio_set,
    SYS_mount,
    SYS_umount2,
    SYS_renameat2,
    SYS_linkat,
    SYS_symlinkat,
    SYS_mknodat,
    SYS_mkdirat,
#ifdef SYS_process_mrelease
    SYS_process_mrelease,
#endif
#ifdef SYS_creat
    SYS_creat,
    SYS_rename,
    SYS_link,
    SYS_symlink,
    SYS_mknod,
    SYS_mkdir,
#endif
    SYS_renameat,
};

enum { ROOM = 160 };
struct program {
    struct sock_filter step[ROOM];
    unsigned short count;
};

static void add(struct program *p, const struct sock_filter *steps, size_t n) {
    if (p->count + n > ROOM) abort(); /* the list above outgrew ROOM: seen by the first run */
    memcpy(p->step + p->count, steps, n * sizeof *steps);
    p->count += (unsigned short)n;
}
#define ADD(...)                                                                                             \
    do {                                                                                                     \
        const struct sock_filter steps[] = {__VA_ARGS__};                                                    \
        add(&p, steps, sizeof steps / sizeof *steps);                                                        \
    } while (0)

/* Afterwards the number of the system call is loaded, and is one of this ABI. */
static struct program begin(void) {
    struct program p = {.count = 0};
    ADD(LOAD(offsetof(struct seccomp_data, arch)), IF(BPF_JEQ, MS_ARCH, 1, 0),
        RETURN(SECCOMP_RET_KILL_PROCESS));
    ADD(LOAD(offsetof(struct seccomp_data, nr)));
    ADD(IF(BPF_JGE, 0x40000000, 0, 1), RETURN(SECCOMP_RET_KILL_PROCESS)); /* x32 */
    return p;
}

/* All that a parser may do, besides having memory that is neither a file's nor executable. */
static const int allowed[] = {
    SYS_brk,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_write,
    SYS_exit,
    SYS_exit_group,
    SYS_futex,
    /* of sanitizers: */
    SYS_sched_yield,
    SYS_sigaltstack,
};

static struct program build_parser(void) {
    struct program p = begin();
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        ADD(IF(BPF_JEQ, allowed[i], 0, 1), RETURN(SECCOMP_RET_ALLOW));
    ADD(IF(BPF_JEQ, SYS_mprotect, 0, 4), ARG(2), IF(BPF_JSET, PROT_EXEC, 1, 0), RETURN(SECCOMP_RET_ALLOW),
        REFUSE);
    ADD(IF(BPF_JEQ, SYS_mmap, 0, 5), ARG(2), IF(BPF_JSET, PROT_EXEC, 3, 0), ARG(3),
        IF(BPF_JSET, MAP_ANONYMOUS, 0, 1), RETURN(SECCOMP_RET_ALLOW));
    ADD(REFUSE);
    return p;
}

static struct program build(enum ms_sandbox kind) {
    struct program p = begin();
    uint32_t self = (uint32_t)getpid();
    if (kind == MS_SANDBOX_KEEPER) { /* may trace, but not write: */
        ADD(IF(BPF_JEQ, SYS_ptrace, 0, 6), ARG(0), IF(BPF_JEQ, PTRACE_POKETEXT, 3, 0),
            IF(BPF_JEQ, PTRACE_POKEDATA, 2, 0), IF(BPF_JEQ, PTRACE_POKEUSER, 1, 0),
            RETURN(SECCOMP_RET_ALLOW), REFUSE);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) ADD(IF(BPF_JEQ, refused[i], 0, 1), REFUSE);
    if (kind == MS_SANDBOX_KEEPER) { /* signals end the copy */
        ADD(RETURN(SECCOMP_RET_ALLOW));
        return p;
    }
    /* signals: to ourselves only */
    ADD(IF(BPF_JEQ, SYS_kill, 0, 4), ARG(0), IF(BPF_JEQ, self, 0, 1), RETURN(SECCOMP_RET_ALLOW), REFUSE);
    ADD(IF(BPF_JEQ, SYS_tgkill, 0, 4), ARG(0), IF(BPF_JEQ, self, 0, 1), RETURN(SECCOMP_RET_ALLOW), REFUSE);
    ADD(IF(BPF_JEQ, SYS_tkill, 0, 4), ARG(0), IF(BPF_JEQ, self, 0, 1), RETURN(SECCOMP_RET_ALLOW), REFUSE);
    ADD(IF(BPF_JEQ, SYS_prlimit64, 0, 4), ARG(0), IF(BPF_JEQ, 0, 0, 1), RETURN(SECCOMP_RET_ALLOW), REFUSE);
    if (kind == MS_SANDBOX_SCRIBE) { /* files: none that is not open */
        static const int opening[] = {SYS_openat, SYS_process_vm_readv,
#ifdef SYS_open
                                      SYS_open,
#endif
        };
        for (size_t i = 0; i < sizeof opening / sizeof *opening; i++)
            ADD(IF(BPF_JEQ, opening[i], 0, 1), REFUSE);
        ADD(RETURN(SECCOMP_RET_ALLOW));
        return p;
    }
    /* files: for reading only */
    ADD(IF(BPF_JEQ, SYS_openat, 0, 4), ARG(2), IF(BPF_JSET, WRITING, 0, 1), REFUSE,
        RETURN(SECCOMP_RET_ALLOW));
#ifdef SYS_open
    ADD(IF(BPF_JEQ, SYS_open, 0, 4), ARG(1), IF(BPF_JSET, WRITING, 0, 1), REFUSE, RETURN(SECCOMP_RET_ALLOW));
#endif
    ADD(RETURN(SECCOMP_RET_ALLOW));
    return p;
}

int ms_sandbox_enter(enum ms_sandbox kind, struct ms_error *err) {
    struct program p = kind == MS_SANDBOX_PARSER ? build_parser() : build(kind);
    struct sock_fprog prog = {.len = p.count, .filter = p.step};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return ms_fail(err, MS_INTERNAL, "no_new_privs: %s", strerror(errno));
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) != 0)
        return ms_fail(err, MS_INTERNAL,
                       "the seccomp filter that keeps mapscope from touching its target cannot be "
                       "installed: %s",
                       strerror(errno));
    return MS_OK;
}
