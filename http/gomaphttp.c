/* gomaphttp.c - gomap-http: a program serves its own maps (gomap/http.h).
 *
 *   server (web/)  <-- documents (answers.c) <-- map model <-- reader of /proc/self/mem
 *                  <-- gomap_profile_write()
 *
 * Maps may be written and freed by other threads while they are read.  So they are read as from outside of the process, by
 * mapscope's own parts: through the kernel, which says "not there" where a load would crash, and by the sequence counters of
 * inspect.h.  Their writers wait for nothing, and both sides tell the same figures.
 *
 * Those parts end a process that has no memory left, which is not ours to do in somebody's program: here it ends the look, or
 * the answer, and loses what that had taken.
 */
#include "answers.h"

#include "gomap/http.h"
#include "gomap/inspect.h"
#include "gomap/observe.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define LISTEN_USUAL "7072" /* at 127.0.0.1 and ::1 */
#define VERSION      "0.1.0"
enum { ROWS = 1000 };
#define LOOK_NS UINT64_C(1000000000)

extern struct gomap_root gomap_inspect_root_1;

struct gomap_http {
    struct web_server *server;
    pthread_t thread;
    int stop_fd, mem_fd;
    struct ms_answers now, next; /* next: of the thread that looks */
};

/* ---- without memory -------------------------------------------------------------------------------- */

static __thread sigjmp_buf *rescue; /* of what this thread is doing for us; NULL: nothing */

static void no_memory(void) {
    if (rescue) siglongjmp(*rescue, 1);
}

/* ---- looking at itself ------------------------------------------------------------------------------- */

static uint64_t clock_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static enum ms_read read_self(void *ctx, uint64_t addr, void *buf, size_t len) {
    const struct gomap_http *h = ctx;
    if (addr > INT64_MAX) return MS_READ_FAULT;
    for (size_t have = 0; have < len;) {
        ssize_t n = pread(h->mem_fd, (char *)buf + have, len - have, (off_t)(addr + have));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return MS_READ_FAULT;
        have += (size_t)n;
    }
    return MS_READ_OK;
}

static uint64_t resident_set(void) {
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%*u %llu", &pages) != 1) pages = 0;
    if (f) fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void describe(struct ms_target *t) {
    char text[4096];
    ssize_t n = readlink("/proc/self/exe", text, sizeof text - 1);
    t->exe = ms_asprintf("%.*s", n > 0 ? (int)n : 0, text);
    t->comm = ms_strdup(program_invocation_short_name);
    t->pid = getpid(), t->uid = getuid();
    t->rss_bytes = resident_set();
}

static void take_look(struct gomap_http *h, struct ms_answers *a) {
    struct ms_reader r = {.read = read_self, .ctx = h};
    const struct ms_room room = {MS_UNKNOWN, MS_UNKNOWN, MS_UNKNOWN};
    uint64_t from = clock_ns(CLOCK_MONOTONIC);
    bool is_root;
    describe(&a->snap.target);
    a->status = ms_gomap_load(&r, (uint64_t)(uintptr_t)&gomap_inspect_root_1, a->snap.target.exe, true,
                              &a->snap, &is_root, &a->err);
    if (a->status) return;
    for (size_t i = 0; i < a->snap.maps; i++) ms_view_figures(&a->snap.map[i]);
    ms_answers_fill(a, &room, ROWS);
    a->scraped.look_ns = clock_ns(CLOCK_MONOTONIC) - from;
}

static void refresh(void *ctx) {
    struct gomap_http *h = ctx;
    sigjmp_buf here;
    h->next = (struct ms_answers){.version = VERSION};
    ms_snapshot_init(&h->next.snap);
    rescue = &here;
    if (sigsetjmp(here, 0) == 0) {
        take_look(h, &h->next);
    } else {
        h->next = (struct ms_answers){.version = VERSION};
        h->next.status = ms_fail(&h->next.err, MS_INTERNAL, "no memory for a look");
        ms_snapshot_init(&h->next.snap);
    }
    rescue = NULL;
    h->next.scraped.looked_at_ns = clock_ns(CLOCK_REALTIME);
    h->next.at_ns = clock_ns(CLOCK_MONOTONIC);
}

static void adopt(void *ctx) {
    struct gomap_http *h = ctx;
    ms_answers_free(&h->now);
    h->now = h->next;
    h->next = (struct ms_answers){.at_ns = 0};
}

static bool is_fresh(void *ctx, const struct web_route *route) {
    const struct gomap_http *h = ctx;
    (void)route;
    return h->now.at_ns && clock_ns(CLOCK_MONOTONIC) - h->now.at_ns < LOOK_NS;
}

/* ---- answers ----------------------------------------------------------------------------------------- */

static void metrics(void *ctx, const struct web_request *q, struct web_reply *r) {
    ms_answer_metrics(&((struct gomap_http *)ctx)->now, q, r);
}
static void maps(void *ctx, const struct web_request *q, struct web_reply *r) {
    (void)q;
    ms_answer_maps(&((struct gomap_http *)ctx)->now, r);
}
static void table(void *ctx, const struct web_request *q, struct web_reply *r) {
    (void)q;
    ms_answer_table(&((struct gomap_http *)ctx)->now, r);
}
static void forecast(void *ctx, const struct web_request *q, struct web_reply *r) {
    (void)q;
    ms_answer_forecast(&((struct gomap_http *)ctx)->now, r);
}

static void profile(void *ctx, const struct web_request *q, struct web_reply *r) {
    (void)ctx;
    if (!web_go_arguments(q, r, strrchr(q->path, '/') + 1)) return;
    gomap_err err = gomap_profile_write(r->out, GOMAP_PROFILE_HEAP);
    if (err) web_go_error(r, 500, "%s", gomap_strerror(err));
}

static void cmdline(void *ctx, const struct web_request *q, struct web_reply *r) {
    char bytes[65536];
    (void)ctx, (void)q;
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, bytes, sizeof bytes) : -1;
    if (fd >= 0) close(fd);
    if (n > 0)
        fwrite(bytes, 1, (size_t)(bytes[n - 1] == 0 ? n - 1 : n), r->out); /* Go joins, and ends none */
}

/* "0x401136+0x401140": a line for each that has a name. */
static void symbol(void *ctx, const struct web_request *q, struct web_reply *r) {
    (void)ctx;
    fputs("num_symbols: 1\n", r->out);
    for (const char *p = q->query; *p; p += strcspn(p, "+"), p += *p == '+') {
        unsigned long long pc = strtoull(p, NULL, 0);
        Dl_info found;
        if (pc && dladdr((void *)(uintptr_t)pc, &found) && found.dli_sname)
            fprintf(r->out, "%#llx %s\n", pc, found.dli_sname);
    }
}

static void front(void *ctx, const struct web_request *q, struct web_reply *r);
static void pprof_index(void *ctx, const struct web_request *q, struct web_reply *r);

static const struct web_route routes[] = {
    {"/", front, NULL, false},
    {"/metrics", metrics, "for Prometheus: OpenMetrics, or its text format", true},
    {"/healthz", web_healthy, "ok, while this serves", false},
    {"/api/v1/maps", maps, "the document of mapscope list -o json", true},
    {"/api/v1/metrics", table, "the same figures as /metrics, as a document", true},
    {"/api/v1/forecast", forecast, "the document of mapscope forecast -o json, of one look", true},
    {"/debug/pprof", web_go_elsewhere, NULL, false},
    {"/debug/pprof/", pprof_index, "for go tool pprof", false},
    {"/debug/pprof/heap", profile, "what maps hold, and all they ever took, by stack", false},
    {"/debug/pprof/allocs", profile, "the same", false},
    {"/debug/pprof/maps", profile, "the same", false},
    {"/debug/pprof/cmdline", cmdline, "the command line", false},
    {"/debug/pprof/symbol", symbol, "names of addresses", false},
    {"/debug/pprof/mutex", web_go_no_contention, "contention: maps have no locks", false},
    {"/debug/pprof/profile", web_go_cpu, NULL, false},
    {"/debug/pprof/*", web_go_unknown, NULL, false},
    {NULL, NULL, NULL, false},
};

static void front(void *ctx, const struct web_request *q, struct web_reply *r) {
    char title[128];
    (void)ctx, (void)q;
    snprintf(title, sizeof title, "maps of process %d (%s)", getpid(), program_invocation_short_name);
    web_index(r, title, routes, "/");
}

static void pprof_index(void *ctx, const struct web_request *q, struct web_reply *r) {
    (void)ctx, (void)q;
    web_index(r, "/debug/pprof/", routes, "/debug/pprof/");
}

/* ---- starting and stopping ----------------------------------------------------------------------------- */

static void *run(void *arg) {
    struct gomap_http *h = arg;
    sigjmp_buf here;
    pthread_setname_np(pthread_self(), "gomap-http");
    sigsetjmp(here, 0); /* an answer without memory is given up, and the next one begun */
    rescue = &here;
    web_server_run(h->server);
    rescue = NULL;
    return NULL;
}

static void release(struct gomap_http *h) {
    if (h->server) web_server_close(h->server);
    ms_answers_free(&h->now);
    ms_answers_free(&h->next);
    if (h->stop_fd >= 0) close(h->stop_fd);
    if (h->mem_fd >= 0) close(h->mem_fd);
    free(h);
}

/* Signals are for the program's own threads. */
static bool start_thread(struct gomap_http *h) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&h->thread, NULL, run, h) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

gomap_err gomap_http_start(const gomap_http_config *config, gomap_http **out, char why[256]) {
    static const struct gomap_http_config usual = {.size = sizeof usual};
    char ignored[256];
    if (!why) why = ignored;
    snprintf(why, 256, "no memory, thread or descriptor");
    if (!out) return GOMAP_EINVAL;
    *out = NULL;
    if (!config) config = &usual;
    if (config->size != sizeof *config)
        return snprintf(why, 256, "config.size is not that of this library"), GOMAP_EINVAL;
    struct gomap_http *h = calloc(1, sizeof *h);
    if (!h) return GOMAP_ENOMEM;
    ms_no_memory = no_memory;
    const struct web_site site = {h, routes, is_fresh, refresh, adopt};
    h->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    h->mem_fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    if (h->stop_fd >= 0 && h->mem_fd >= 0)
        h->server = web_server_open(config->listen ? config->listen : LISTEN_USUAL, config->token, &site,
                                    h->stop_fd, why);
    if (h->server && start_thread(h)) {
        *why = 0;
        *out = h;
        return GOMAP_OK;
    }
    gomap_err err = h->server || h->stop_fd < 0 || h->mem_fd < 0 ? GOMAP_ENOMEM : GOMAP_EINVAL;
    release(h);
    return err;
}

const char *gomap_http_address(const gomap_http *h) { return h ? web_server_address(h->server) : ""; }

void gomap_http_stop(gomap_http *h) {
    uint64_t one = 1;
    if (!h) return;
    while (write(h->stop_fd, &one, sizeof one) < 0 && errno == EINTR) {}
    pthread_join(h->thread, NULL);
    release(h);
}
