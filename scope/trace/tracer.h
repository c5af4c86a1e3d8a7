/* tracer.h - the process beside mapscope that watches instructions of a target through the kernel (eBPF, uprobes).
 *
 * mapscope's sandbox forbids it bpf() and perf_event_open(), so a second process does that, started before the sandbox closes:
 *
 *   mapscope --sites, open files--> tracer --program, breakpoints--> kernel
 *   mapscope <-------hits----------- tracer <------ring------------- kernel: a thread of the target is at a site
 *
 * For each site the kernel writes a breakpoint into the text of the target, in a page of its own, and takes it out again when
 * the descriptor it belongs to is closed.  The tracer alone has these, and ends when its socket to mapscope does: however either
 * ends, the text is as it was before.  Once all is attached the tracer is confined too: it opens nothing, and loads nothing, any
 * more.  The target's file is never parsed here: a site is an offset in a file that mapscope opened.
 */
#ifndef MS_TRACER_H
#define MS_TRACER_H

#include "../error.h"
#include "hit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ms_tracer {
    int fd; /* -1: none was started */
    pid_t pid;
};

struct ms_trace_site {
    uint64_t offset; /* in the file, of an instruction */
    uint32_t file;   /* number in fds */
    struct ms_site_values values;
};

enum { MS_TRACE_FILES = 16 };
struct ms_trace_request {
    int pid;
    uint32_t sites;
    uint32_t cpu_hz;      /* samples of each thread a second of CPU time; 0: none */
    uint32_t fault_every; /* a hit each so many page faults of a thread; 0: none */
    struct ms_trace_site site[MS_SITES_MAX];
};

/* Hits that came together. */
enum { MS_TRACE_BATCH = 64 };
struct ms_trace_batch {
    size_t count;
    uint64_t lost; /* so far: the ring was full */
    bool last;     /* it has detached: nothing comes any more */
    struct ms_hit hit[MS_TRACE_BATCH];
};

/* Before the sandbox closes.  MS_USAGE: this mapscope was built without eBPF. */
int ms_tracer_start(struct ms_tracer *t, struct ms_error *err);
/* Attach to all sites, of files[0..n).  *cost_ns: CPU time that a hit takes, as measured on the tracer itself.  MS_PERMISSION: the
 * line names the rights that are missing. */
int ms_tracer_attach(struct ms_tracer *t, const struct ms_trace_request *q, const int *files, size_t n,
                     uint64_t *cost_ns, struct ms_error *err);
/* The next batch; wait_ms: at most; count 0: none came. */
int ms_tracer_read(struct ms_tracer *t, int wait_ms, struct ms_trace_batch *out, struct ms_error *err);
/* Detach: what was seen until now still comes, up to the batch that is the last. */
int ms_tracer_stop(struct ms_tracer *t, struct ms_error *err);
void ms_tracer_end(struct ms_tracer *t);

#endif
