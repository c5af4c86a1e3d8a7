/* tracer.c - see tracer.h.  Both sides speak in packets; the tracer ignores signals, which reach mapscope. */
#include "tracer.h"

#include "../beside.h"
#include "../sandbox.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum saying { ATTACHED, HITS, LAST };
struct packet {
    enum saying what;
    int status; /* of ATTACHED */
    uint32_t count;
    uint64_t lost, cost_ns;
    union {
        struct ms_hit hit[MS_TRACE_BATCH];
        char line[sizeof((struct ms_error *)0)->line];
    };
};

static const char ended[] = "the process that watches the target ended";

#if MS_BPF
#include "hits.skel.h"

#include <dirent.h>
#include <link.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

enum { THREADS_MAX = 4096, DRAIN_MOST = 1 << 16, TRIES = 8, CALLS = 64 };

struct tracer {
    int fd;
    struct ms_hits *bpf;
    struct ring_buffer *ring;
    struct bpf_link **link;
    size_t links, room;
    struct packet out;
    unsigned drained;
    bool deaf; /* nobody listens any more */
};

/* What libbpf said last.  It takes no context. */
static char last_words[256];

static int keep_words(enum libbpf_print_level level, const char *fmt, va_list args) {
    char line[sizeof last_words];
    if (level != LIBBPF_WARN) return 0;
    vsnprintf(line, sizeof line, fmt, args);
    line[strcspn(line, "\n")] = 0;
    if (strncmp(line, "libbpf: ", 8) == 0 && !strstr(line, "-- ")) memcpy(last_words, line, sizeof line);
    return 0;
}

static int refuse(int why, const char *what, struct ms_error *err) {
    if (why == EPERM || why == EACCES)
        return ms_fail(err, MS_PERMISSION,
                       "probes take the right to load programs into the kernel and to watch the process: "
                       "CAP_BPF and CAP_PERFMON, or root (%s: %s)",
                       what, strerror(why));
    return ms_fail(err, MS_INTERNAL, "%s: %s%s%s", what, strerror(why), *last_words ? "; " : "", last_words);
}

static int keep_link(struct tracer *t, struct bpf_link *link, const char *what, struct ms_error *err) {
    if (!link) return refuse(errno, what, err);
    MS_ROOM(t->link, t->links, t->room);
    t->link[t->links++] = link;
    return MS_OK;
}

static int load(struct tracer *t, struct ms_error *err) {
    struct stat st;
    libbpf_set_print(keep_words);
    t->bpf = ms_hits__open();
    if (!t->bpf) return refuse(errno, "the program for the kernel cannot be opened", err);
    if (stat("/proc/self/ns/pid", &st) == 0) {
        t->bpf->rodata->namespace_dev = st.st_dev;
        t->bpf->rodata->namespace_inode = st.st_ino;
    }
    int rc = ms_hits__load(t->bpf);
    return rc ? refuse(-rc, "the kernel does not take the program", err) : MS_OK;
}

/* ---- sites --------------------------------------------------------------------------------------- */

static int attach_at(struct tracer *t, int pid, const char *path, uint64_t offset, uint32_t number,
                     const struct ms_site_values *values, struct ms_error *err) {
    LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = number);
    int rc =
        bpf_map__update_elem(t->bpf->maps.sites, &number, sizeof number, values, sizeof *values, BPF_ANY);
    if (rc) return refuse(-rc, "a site cannot be told to the kernel", err);
    return keep_link(t, bpf_program__attach_uprobe_opts(t->bpf->progs.on_hit, pid, path, offset, &opts),
                     "a probe cannot be set", err);
}

static int attach_sites(struct tracer *t, const struct ms_trace_request *q, const int *file, size_t files,
                        struct ms_error *err) {
    int status = MS_OK;
    for (uint32_t i = 0; i < q->sites && i < MS_SITES_MAX && status == MS_OK; i++) {
        const struct ms_trace_site *s = &q->site[i];
        char path[64];
        if (s->file >= files) return ms_fail(err, MS_INTERNAL, "a site of no file");
        snprintf(path, sizeof path, "/proc/self/fd/%d", file[s->file]);
        status = attach_at(t, q->pid, path, s->offset, i, &s->values, err);
    }
    return status;
}

/* ---- events of threads ----------------------------------------------------------------------------- */

static size_t threads_of(int pid, int *out) {
    char path[64];
    size_t n = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && n < THREADS_MAX && (e = readdir(dir));)
        if (e->d_name[0] != '.') out[n++] = atoi(e->d_name);
    if (dir) closedir(dir);
    return n;
}

/* Of one thread, and of those that it makes. */
static int watch_thread(struct tracer *t, int tid, struct bpf_program *prog, uint64_t event, uint64_t rate,
                        bool is_hz, struct ms_error *err) {
    struct perf_event_attr attr = {
        .size = sizeof attr, .type = PERF_TYPE_SOFTWARE, .config = event, .inherit = 1};
    attr.freq = is_hz;
    attr.sample_period = rate; /* or, as it is a union, the frequency */
    int fd = (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0 && errno == ESRCH) return MS_OK; /* it ended meanwhile */
    if (fd < 0) return refuse(errno, "samples of its threads cannot be taken", err);
    return keep_link(t, bpf_program__attach_perf_event(prog, fd), "samples of its threads cannot be taken",
                     err);
}

/* Threads come and go: those that came while others were taken are taken the next time round. */
static int watch_threads(struct tracer *t, const struct ms_trace_request *q, struct ms_error *err) {
    static const struct ms_site_values stack = {.stack = 1};
    int *tid = ms_alloc(THREADS_MAX * sizeof *tid), status = MS_OK;
    uint32_t site[2] = {MS_SITE_CPU, MS_SITE_FAULTS};
    for (int i = 0; i < 2; i++)
        bpf_map__update_elem(t->bpf->maps.sites, &site[i], sizeof site[i], &stack, sizeof stack, BPF_ANY);
    size_t n = q->cpu_hz || q->fault_every ? threads_of(q->pid, tid) : 0;
    for (size_t i = 0; i < n && status == MS_OK; i++) {
        if (q->cpu_hz)
            status =
                watch_thread(t, tid[i], t->bpf->progs.on_cpu, PERF_COUNT_SW_CPU_CLOCK, q->cpu_hz, true, err);
        if (q->fault_every && status == MS_OK)
            status = watch_thread(t, tid[i], t->bpf->progs.on_faults, PERF_COUNT_SW_PAGE_FAULTS,
                                  q->fault_every, false, err);
    }
    free(tid);
    return status;
}

/* ---- what a hit costs -------------------------------------------------------------------------------- */

/* What is probed to measure it: as long as a prologue. */
__attribute__((noinline, noclone)) static void nothing(void) {
    __asm__ volatile("nop; nop; nop; nop" ::: "memory");
}

static int find_offset(struct dl_phdr_info *info, size_t size, void *ctx) {
    uint64_t *at = ctx;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uint64_t start = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD && *at >= start && *at - start < p->p_filesz)
            return *at = *at - start + p->p_offset, 1;
    }
    return 0;
}

static uint64_t cpu_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* The best of some tries; 0: it could not be measured. */
static uint64_t cost_of_hit(struct tracer *t) {
    struct ms_site_values v = {.stack = 1};
    struct ms_error ignored;
    uint64_t at = (uint64_t)(uintptr_t)nothing, best = UINT64_MAX;
    size_t links = t->links;
    for (int i = 0; i < MS_HIT_VALUES; i++)
        v.value[i] = (struct ms_operand){MS_OPERAND_MEM, 19, 8, 0, 0}; /* of the stack */
    if (!dl_iterate_phdr(find_offset, &at) ||
        attach_at(t, getpid(), "/proc/self/exe", at, MS_SITE_ITSELF, &v, &ignored) != MS_OK)
        return 0;
    for (int i = 0; i < TRIES; i++) {
        uint64_t start = cpu_ns();
        for (int k = 0; k < CALLS; k++) nothing();
        best = ms_min(best, (cpu_ns() - start) / CALLS);
    }
    bpf_link__destroy(t->link[--t->links]);
    return t->links == links ? best : 0;
}

/* ---- hits ---------------------------------------------------------------------------------------------- */

static void say(struct tracer *t, enum saying what) {
    size_t n = offsetof(struct packet, hit) +
               (what == ATTACHED ? sizeof t->out.line : t->out.count * sizeof t->out.hit[0]);
    t->out.what = what;
    t->out.lost = t->bpf ? __atomic_load_n(&t->bpf->bss->lost, __ATOMIC_RELAXED) : 0;
    if (!t->deaf) t->deaf = send(t->fd, &t->out, n, MSG_NOSIGNAL) != (ssize_t)n;
    t->out.count = 0;
}

static int take_hit(void *ctx, void *data, size_t size) {
    struct tracer *t = ctx;
    const struct ms_hit *hit = data;
    if (size < sizeof *hit || hit->site == MS_SITE_ITSELF) return 0;
    t->out.hit[t->out.count++] = *hit;
    if (t->out.count == MS_TRACE_BATCH) say(t, HITS);
    return t->deaf || ++t->drained >= DRAIN_MOST ? -1 : 0;
}

/* What is in the ring; not all of it, if it fills as fast: requests are heard between. */
static void drain(struct tracer *t) {
    t->drained = 0;
    ring_buffer__consume(t->ring);
    if (t->out.count) say(t, HITS);
}

static void detach(struct tracer *t) {
    while (t->links) bpf_link__destroy(t->link[--t->links]);
}

/* Until mapscope says stop, or ends. */
static void watch(struct tracer *t) {
    struct pollfd p[2] = {{.fd = t->fd, .events = POLLIN},
                          {.fd = ring_buffer__epoll_fd(t->ring), .events = POLLIN}};
    while (!t->deaf && !p[0].revents) {
        if (poll(p, 2, -1) < 0) continue;
        if (p[1].revents) drain(t);
    }
    char stop;
    (void)!recv(t->fd, &stop, sizeof stop,
                MSG_DONTWAIT); /* what is not read when we end would take away what we said */
    detach(t);
    do drain(t);
    while (!t->deaf && t->drained >= DRAIN_MOST);
    say(t, LAST);
}

static int attach(struct tracer *t, const struct ms_trace_request *q, const int *file, size_t files,
                  struct ms_error *err) {
    int status = load(t, err);
    if (status) return status;
    t->ring = ring_buffer__new(bpf_map__fd(t->bpf->maps.ring), take_hit, t, NULL);
    if (!t->ring) return refuse(errno, "the ring of hits cannot be mapped", err);
    t->out.cost_ns = cost_of_hit(t);
    status = attach_sites(t, q, file, files, err);
    if (status == MS_OK) status = watch_threads(t, q, err);
    if (status == MS_OK) status = ms_sandbox_enter(MS_SANDBOX_SCRIBE, err);
    return status;
}

/* The request, and the files it is about. */
static bool hear_request(int fd, struct ms_trace_request *q, int *file, size_t *files) {
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(MS_TRACE_FILES * sizeof(int))];
    } control;
    struct iovec io = {q, sizeof *q};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n;
    do n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof *q) return false;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *files = c && c->cmsg_type == SCM_RIGHTS ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
    if (*files) memcpy(file, CMSG_DATA(c), *files * sizeof(int));
    return true;
}

static void serve(int fd) {
    struct tracer t = {.fd = fd};
    struct ms_trace_request *q = ms_alloc(sizeof *q);
    struct ms_error err = {""};
    int file[MS_TRACE_FILES];
    size_t files;
    sigset_t quiet;
    close_range(3, (unsigned)fd - 1,
                0); /* sockets of other processes beside mapscope must close when it ends */
    close_range((unsigned)fd + 1, ~0u, 0);
    sigfillset(&quiet);
    sigprocmask(SIG_SETMASK, &quiet, NULL);
    if (!hear_request(fd, q, file, &files)) _exit(0);
    t.out.status = attach(&t, q, file, files, &err);
    memcpy(t.out.line, err.line, sizeof err.line);
    say(&t, ATTACHED);
    if (!err.line[0]) watch(&t);
    _exit(0);
}

int ms_tracer_start(struct ms_tracer *t, struct ms_error *err) {
    t->pid = ms_fork_beside(SOCK_SEQPACKET, "watches the target", &t->fd, err);
    if (t->pid == 0) serve(t->fd);
    return t->pid < 0 ? MS_INTERNAL : MS_OK;
}

#else

int ms_tracer_start(struct ms_tracer *t, struct ms_error *err) {
    t->fd = -1;
    return ms_fail(err, MS_USAGE,
                   "this mapscope was built without probes: libbpf, clang or bpftool was not there");
}

#endif

/* ---- mapscope ------------------------------------------------------------------------------------------ */

static int hear(struct ms_tracer *t, struct packet *p, struct ms_error *err) {
    ssize_t n;
    do n = recv(t->fd, p, sizeof *p, 0);
    while (n < 0 && errno == EINTR);
    bool whole = n >= (ssize_t)offsetof(struct packet, hit) && p->count <= MS_TRACE_BATCH;
    return whole ? MS_OK : ms_fail(err, MS_INTERNAL, "%s", ended);
}

int ms_tracer_attach(struct ms_tracer *t, const struct ms_trace_request *q, const int *files, size_t n,
                     uint64_t *cost_ns, struct ms_error *err) {
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(MS_TRACE_FILES * sizeof(int))];
    } control = {.room = {0}};
    struct iovec io = {(void *)(uintptr_t)q, sizeof *q};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    if (n > MS_TRACE_FILES) n = MS_TRACE_FILES;
    if (n) {
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(n * sizeof(int));
        control.head = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(n * sizeof(int))};
        memcpy(CMSG_DATA(&control.head), files, n * sizeof(int));
    }
    if (sendmsg(t->fd, &m, MSG_NOSIGNAL) != (ssize_t)sizeof *q) return ms_fail(err, MS_INTERNAL, "%s", ended);
    struct packet *p = ms_alloc(sizeof *p);
    int status = hear(t, p, err);
    if (status == MS_OK && p->status) status = ms_fail(err, p->status, "%s", p->line);
    *cost_ns = p->cost_ns;
    free(p);
    return status;
}

int ms_tracer_read(struct ms_tracer *t, int wait_ms, struct ms_trace_batch *out, struct ms_error *err) {
    struct pollfd p = {.fd = t->fd, .events = POLLIN};
    out->count = 0;
    if (poll(&p, 1, wait_ms) <= 0) return MS_OK;
    struct packet *got = ms_alloc(sizeof *got);
    int status = hear(t, got, err);
    if (status == MS_OK) {
        out->count = got->count;
        out->lost = got->lost;
        out->last = got->what == LAST;
        memcpy(out->hit, got->hit, got->count * sizeof got->hit[0]);
    }
    free(got);
    return status;
}

int ms_tracer_stop(struct ms_tracer *t, struct ms_error *err) {
    char stop = 1;
    return send(t->fd, &stop, sizeof stop, MSG_NOSIGNAL) == sizeof stop
               ? MS_OK
               : ms_fail(err, MS_INTERNAL, "%s", ended);
}

void ms_tracer_end(struct ms_tracer *t) {
    if (t->fd < 0) return;
    close(t->fd);
    t->fd = -1;
    while (waitpid(t->pid, NULL, 0) < 0 && errno == EINTR) {}
}
