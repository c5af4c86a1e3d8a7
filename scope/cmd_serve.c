/* cmd_serve.c - `mapscope serve TARGET`: what is known of the maps of a process, over HTTP.
 *
 *   request --> is the last look younger than --interval? --yes--> answered from it
 *                       \--no--> one look, on a thread of its own; all who ask meanwhile wait for it, and share it
 *
 * So a hundred viewers cost the target one look an interval, and none when nobody asks.  The process is fixed at the start.
 * When it ends, /metrics says up 0 from then on, and the exit status is that of a target that is gone.
 */
#include "cmd.h"

#include "http/answers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define LISTEN_USUAL "7071" /* at 127.0.0.1 and ::1 */

/* One look, and what is told from it. */
struct look {
    struct ms_answers a;
    struct ms_profile profile;
    bool has_profile;
    struct ms_error no_profile; /* why it could not be made; "": it was */
};

struct serve {
    struct ms_cmd *cmd;
    struct ms_session s;
    struct look now, next;     /* next: of the thread that looks */
    atomic_bool wants_profile; /* the next look has to make one */
};

/* ---- looking ------------------------------------------------------------------------------------- */

static void free_look(struct look *l) {
    ms_answers_free(&l->a);
    if (l->has_profile) ms_profile_free(&l->profile);
    *l = (struct look){.has_profile = false};
}

static int take_profile(struct serve *v, struct look *l) {
    l->has_profile = true;
    ms_profile_init(&l->profile);
    int status = ms_session_profile(&v->s, &l->a.snap, &l->profile, &l->no_profile);
    if (status == MS_OK) l->no_profile.line[0] = 0;
    if (status == MS_GONE) l->a.err = l->no_profile;
    return status == MS_GONE ? status : MS_OK; /* the rest is known without it */
}

static int take_look(struct serve *v, struct look *l) {
    struct ms_answers *a = &l->a;
    uint64_t from = ms_now_ns();
    struct ms_room room;
    int status = ms_session_find(&v->s, &a->err);
    if (status == MS_OK) status = ms_session_snapshot(&v->s, true, v->cmd->resident, &a->snap, &a->err);
    if (status == MS_OK) {
        ms_session_room(&v->s, &room);
        ms_answers_fill(a, &room, v->cmd->limit);
        a->scraped.look_ns = ms_now_ns() - from;
    }
    if (status == MS_OK && atomic_exchange(&v->wants_profile, false)) status = take_profile(v, l);
    if (status) a->scraped.up = false;
    return status;
}

static web_handler profile;

static void refresh(void *ctx) {
    struct serve *v = ctx;
    struct ms_answers *a = &v->next.a;
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    v->next = (struct look){.a.version = MS_VERSION};
    ms_snapshot_init(&a->snap);
    a->status = v->now.a.status == MS_GONE ? MS_GONE : take_look(v, &v->next);
    if (v->now.a.status == MS_GONE) a->err = v->now.a.err;
    a->scraped.looked_at_ns = (uint64_t)wall.tv_sec * 1000000000u + (uint64_t)wall.tv_nsec;
    a->at_ns = ms_now_ns();
}

static void adopt(void *ctx) {
    struct serve *v = ctx;
    free_look(&v->now);
    v->now = v->next;
    v->next = (struct look){.has_profile = false};
}

static bool is_fresh(void *ctx, const struct web_route *route) {
    struct serve *v = ctx;
    bool recent = v->now.a.at_ns && (double)(ms_now_ns() - v->now.a.at_ns) < v->cmd->interval * 1e9;
    if (route->handler != profile || v->now.a.status != MS_OK || v->now.has_profile) return recent;
    atomic_store(&v->wants_profile, true);
    return false;
}

/* ---- answers ------------------------------------------------------------------------------------- */

static const struct ms_answers *of(void *ctx) { return &((struct serve *)ctx)->now.a; }

static void metrics(void *ctx, const struct web_request *q, struct web_reply *r) {
    ms_answer_metrics(of(ctx), q, r);
}

static void maps(void *ctx, const struct web_request *q, struct web_reply *r) {
    (void)q;
    ms_answer_maps(of(ctx), r);
}

static void table(void *ctx, const struct web_request *q, struct web_reply *r) {
    (void)q;
    ms_answer_table(of(ctx), r);
}

static void forecast(void *ctx, const struct web_request *q, struct web_reply *r) {
    (void)q;
    ms_answer_forecast(of(ctx), r);
}

static void cmdline(void *ctx, const struct web_request *q, struct web_reply *r) {
    struct serve *v = ctx;
    char bytes[65536];
    (void)q;
    int fd = openat(v->s.process.dir_fd, "cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, bytes, sizeof bytes) : -1;
    if (fd >= 0) close(fd);
    if (n < 0)
        web_go_error(r, 500, "its command line cannot be read: %s", strerror(errno));
    else
        fwrite(bytes, 1, (size_t)(n && bytes[n - 1] == 0 ? n - 1 : n), r->out); /* Go joins, and ends none */
}

/* Profiles carry their names: nobody needs to ask. */
static void symbol(void *ctx, const struct web_request *q, struct web_reply *r) {
    (void)ctx, (void)q;
    fputs("num_symbols: 0\n", r->out);
}

static void mutex(void *ctx, const struct web_request *q, struct web_reply *r) {
    struct serve *v = ctx;
    if (v->s.go)
        web_go_error(r, 501, "contention of a Go program is not read from outside");
    else
        web_go_no_contention(ctx, q, r);
}

/* heap, allocs, maps: one profile, of which each shows another value first. */
static void profile(void *ctx, const struct web_request *q, struct web_reply *r) {
    struct serve *v = ctx;
    struct look *l = &v->now;
    const char *name = strrchr(q->path, '/') + 1;
    struct ms_error err = {""};
    if (!web_go_arguments(q, r, name)) return;
    if (l->a.status != MS_OK || l->no_profile.line[0]) {
        char *line = ms_text_escape(l->a.status != MS_OK ? l->a.err.line : l->no_profile.line, true);
        web_go_error(r, 503, "%s", line);
        free(line);
        return;
    }
    l->profile.shows = *name == 'a' ? MS_PROF_ALLOC_SPACE : *name == 'm' ? MS_PROF_WASTE : MS_PROF_VALUES;
    if (ms_prof_proto(r->out, &l->profile, &err) != MS_OK) web_go_error(r, 500, "%s", err.line);
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
    {"/debug/pprof/heap", profile, "what maps hold, by stack", true},
    {"/debug/pprof/allocs", profile, "the same; all they ever took first", true},
    {"/debug/pprof/maps", profile, "the same; what they waste first", true},
    {"/debug/pprof/cmdline", cmdline, "its command line", false},
    {"/debug/pprof/symbol", symbol, "names of addresses: profiles carry theirs", false},
    {"/debug/pprof/mutex", mutex, "contention", false},
    {"/debug/pprof/profile", web_go_cpu, NULL, false},
    {"/debug/pprof/*", web_go_unknown, NULL, false},
    {NULL, NULL, NULL, false},
};

static void front(void *ctx, const struct web_request *q, struct web_reply *r) {
    struct serve *v = ctx;
    (void)q;
    char *title = ms_asprintf("maps of process %d (%s)", v->s.process.pid, v->s.process.comm);
    web_index(r, title, routes, "/");
    free(title);
}

static void pprof_index(void *ctx, const struct web_request *q, struct web_reply *r) {
    (void)ctx, (void)q;
    web_index(r, "/debug/pprof/", routes, "/debug/pprof/");
}

/* ---- the verb ------------------------------------------------------------------------------------ */

/* A file for the token, not an argument: those anybody can read. */
static char *token_of(const char *path, int *status, struct ms_error *err) {
    char bytes[512];
    *status = MS_OK;
    if (!path) return NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, bytes, sizeof bytes - 1) : -1;
    if (n < 0) *status = ms_fail(err, MS_USAGE, "--token-file %s: %s", path, strerror(errno));
    if (fd >= 0) close(fd);
    if (n < 0) return NULL;
    bytes[n] = 0;
    bytes[strcspn(bytes, "\r\n")] = 0;
    return ms_strdup(bytes);
}

int ms_web_serve(struct ms_cmd *cmd, const char *usual, const struct web_site *site, const char *what,
                 struct ms_error *err) {
    char why[256];
    int status;
    char *token = token_of(cmd->token_file, &status, err);
    if (status) return status;
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    int stop = signalfd(-1, &ends, SFD_CLOEXEC);
    struct web_server *server = web_server_open(cmd->listen ? cmd->listen : usual, token, site, stop, why);
    free(token);
    if (!server) return ms_fail(err, MS_USAGE, "--listen: %s", why);
    fprintf(cmd->out, "%s at http://%s/\n", what, web_server_address(server));
    fflush(cmd->out);
    bool served = web_server_run(server);
    web_server_close(server);
    close(stop);
    return served ? MS_OK : ms_fail(err, MS_INTERNAL, "waiting for requests: %s", strerror(errno));
}

int ms_cmd_serve(struct ms_cmd *cmd, struct ms_error *err) {
    struct serve v = {.cmd = cmd};
    const struct web_site site = {&v, routes, is_fresh, refresh, adopt};
    if (!cmd->limit) cmd->limit = MS_SERIES_MOST;
    int status = ms_session_open(&v.s, cmd, err);
    if (status == MS_OK) status = ms_session_runs(&v.s, "serve is", err);
    if (status == MS_OK) {
        char *comm = ms_text_escape(v.s.process.comm, cmd->style.utf8);
        char *what = ms_asprintf("maps of process %d (%s)", v.s.process.pid, comm);
        status = ms_web_serve(cmd, LISTEN_USUAL, &site, what, err);
        free(what);
        free(comm);
    }
    if (status == MS_OK && v.now.a.status == MS_GONE) {
        *err = v.now.a.err;
        status = MS_GONE;
    }
    free_look(&v.now);
    free_look(&v.next);
    ms_session_close(&v.s);
    return status;
}
