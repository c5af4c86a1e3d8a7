/* cmd_agent.c - `mapscope agent [PROCESSES]`: the maps of all processes of a machine, or of those named, for a monitoring system.
 *
 *   /proc --> processes not seen yet --> has maps? --no--> not asked again for a while
 *                                            \--yes--> a member: open from now on, looked at when somebody scrapes
 *
 * One look at all members answers a scrape, at most once an --interval.  Bounded whatever the machine runs: MEMBERS processes,
 * --limit rows of each; what is left out is told.  Of each member only its rows are kept, so the agent's memory is that of the
 * largest snapshot, not of all.
 */
#include "cmd.h"

#include "http/answers.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LISTEN_USUAL "7070" /* at 127.0.0.1 and ::1 */
#define AGAIN_NS     UINT64_C(60000000000) /* a program may load a library with maps at any time */
enum { MEMBERS = 64, ROWS = 100 };

struct member {
    struct ms_session s;
    char process[MS_SERIES_LABEL_BYTES + 1];
    bool ended;
};

/* A process without maps, or one that may not be read. */
struct stranger {
    int pid;
    uint64_t asked_ns; /* CLOCK_MONOTONIC */
    bool here;         /* it was there at the last look */
};

struct agent {
    struct ms_cmd *cmd;
    struct member *member[MEMBERS];
    size_t members;
    struct stranger *stranger;
    size_t strangers, room;
    struct ms_scraped now[MEMBERS], next[MEMBERS]; /* next: of the thread that looks */
    size_t now_count, next_count;
    size_t left_out; /* processes with maps beyond MEMBERS, at the last look */
    uint64_t at_ns;  /* of the last look; 0: none was taken */
};

/* ---- who is there -------------------------------------------------------------------------------- */

static struct stranger *stranger_of(struct agent *g, int pid) {
    for (size_t i = 0; i < g->strangers; i++)
        if (g->stranger[i].pid == pid) return &g->stranger[i];
    return NULL;
}

static bool is_member(const struct agent *g, int pid) {
    for (size_t i = 0; i < g->members; i++)
        if (g->member[i]->s.process.pid == pid && !g->member[i]->ended) return true;
    return false;
}

/* Open it and find its maps; false: it has none, or is not ours to read. */
static bool open_member(struct member *m, int pid, struct ms_error *err) {
    int status = ms_session_open_pid(&m->s, pid, err);
    if (status == MS_OK) status = ms_session_go_open(&m->s, err);
    if (status == MS_OK && (m->s.roots || m->s.go)) {
        ms_view_label(m->s.process.comm, m->process);
        return true;
    }
    ms_session_close(&m->s);
    return false;
}

static void meet(struct agent *g, int pid, uint64_t now) {
    struct stranger *known = stranger_of(g, pid);
    struct ms_error err;
    if (known) known->here = true;
    if (known && now - known->asked_ns < AGAIN_NS) return;
    struct member *m = ms_alloc(sizeof *m);
    bool found = open_member(m, pid, &err);
    if (found && g->members < MEMBERS) {
        g->member[g->members++] = m;
        if (known) known->here = false;
        return;
    }
    if (found) {
        g->left_out++;
        ms_session_close(&m->s);
    }
    free(m);
    if (!known) {
        MS_ROOM(g->stranger, g->strangers, g->room);
        known = &g->stranger[g->strangers++];
    }
    *known = (struct stranger){pid, found ? 0 : now,
                               true}; /* one that is left out is asked each time: a place may be free */
}

/* Forget members that ended, and processes that are gone. */
static void forget(struct agent *g) {
    size_t kept = 0;
    for (size_t i = 0; i < g->members; i++) {
        struct member *m = g->member[i];
        if (!m->ended) {
            g->member[kept++] = m;
            continue;
        }
        ms_session_close(&m->s);
        free(m);
    }
    g->members = kept;
    kept = 0;
    for (size_t i = 0; i < g->strangers; i++)
        if (g->stranger[i].here) g->stranger[kept++] = g->stranger[i];
    g->strangers = kept;
}

/* Those of the user's list, "NAME,PID,...", or all. */
static size_t candidates(const char *list, int **out) {
    if (!list) return ms_process_all(out);
    size_t n = 0;
    *out = NULL;
    for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',') {
        int *more, number;
        char *name = ms_asprintf("%.*s", (int)strcspn(p, ","), p);
        bool digits = *name && name[strspn(name, "0123456789")] == 0 && strlen(name) < 10;
        size_t count = digits ? 1 : ms_process_named(name, &more);
        if (digits) number = atoi(name), more = &number;
        *out = ms_grow(*out, n + count + 1, sizeof **out);
        for (size_t i = 0; i < count; i++) (*out)[n++] = more[i];
        if (!digits) free(more);
        free(name);
    }
    return n;
}

static void meet_all(struct agent *g) {
    int *pid;
    size_t n = candidates(g->cmd->target, &pid);
    uint64_t now = ms_now_ns();
    g->left_out = 0;
    for (size_t i = 0; i < g->strangers; i++) g->stranger[i].here = false;
    for (size_t i = 0; i < n; i++)
        if (pid[i] != getpid() && !is_member(g, pid[i])) meet(g, pid[i], now);
    free(pid);
    forget(g);
}

/* ---- looking ------------------------------------------------------------------------------------- */

static void look_at(struct agent *g, struct member *m, struct ms_scraped *out) {
    struct ms_snapshot snap;
    struct ms_error err;
    struct ms_room room;
    struct timespec wall;
    uint64_t from = ms_now_ns();
    *out = (struct ms_scraped){.process = m->process, .pid = m->s.process.pid};
    clock_gettime(CLOCK_REALTIME, &wall);
    ms_snapshot_init(&snap);
    int status = ms_session_find(&m->s, &err);
    if (status == MS_OK) status = ms_session_snapshot(&m->s, true, false, &snap, &err);
    if (status == MS_OK) {
        ms_session_room(&m->s, &room);
        ms_scraped_fill(out, &snap, &room, g->cmd->limit);
        out->look_ns = ms_now_ns() - from;
        out->looked_at_ns = (uint64_t)wall.tv_sec * 1000000000u + (uint64_t)wall.tv_nsec;
    }
    m->ended = status == MS_GONE;
    ms_snapshot_free(&snap);
}

static void refresh(void *ctx) {
    struct agent *g = ctx;
    meet_all(g);
    g->next_count = 0;
    for (size_t i = 0; i < g->members; i++) {
        look_at(g, g->member[i], &g->next[g->next_count]);
        if (!g->member[i]->ended) g->next_count++; /* its end is no fault of the machine's */
    }
    malloc_trim(0); /* snapshots are large, and the next ones are a scrape away */
}

static void free_all(struct ms_scraped *all, size_t n) {
    for (size_t i = 0; i < n; i++) ms_scraped_free(&all[i]);
}

/* Labels are of members, which only the thread that looks frees: at its next look, after which these rows are replaced. */
static void adopt(void *ctx) {
    struct agent *g = ctx;
    free_all(g->now, g->now_count);
    memcpy(g->now, g->next, sizeof g->now);
    g->now_count = g->next_count;
    g->next_count = 0;
    g->at_ns = ms_now_ns();
}

static bool is_fresh(void *ctx, const struct web_route *route) {
    const struct agent *g = ctx;
    (void)route;
    return g->at_ns && (double)(ms_now_ns() - g->at_ns) < g->cmd->interval * 1e9;
}

/* ---- answers ------------------------------------------------------------------------------------- */

static void metrics(void *ctx, const struct web_request *q, struct web_reply *r) {
    const struct agent *g = ctx;
    bool open = strstr(q->accept, "application/openmetrics-text") != NULL;
    enum ms_exposition form = open ? MS_OPENMETRICS : MS_PROMETHEUS_TEXT;
    r->type = ms_exposition_type(form);
    ms_openmetrics(r->out, form, MS_VERSION, g->now, g->now_count, g->left_out);
}

static void front(void *ctx, const struct web_request *q, struct web_reply *r);

static const struct web_route routes[] = {
    {"/", front, NULL, false},
    {"/metrics", metrics, "for Prometheus: OpenMetrics, or its text format, of all processes with maps",
     true},
    {"/healthz", web_healthy, "ok, while this serves", false},
    {NULL, NULL, NULL, false},
};

static void front(void *ctx, const struct web_request *q, struct web_reply *r) {
    (void)ctx, (void)q;
    web_index(r, "maps of all processes", routes, "/");
}

/* ---- the verb ------------------------------------------------------------------------------------ */

int ms_cmd_agent(struct ms_cmd *cmd, struct ms_error *err) {
    struct agent *g = ms_alloc(sizeof *g);
    const struct web_site site = {g, routes, is_fresh, refresh, adopt};
    g->cmd = cmd;
    if (!cmd->limit) cmd->limit = ROWS;
    int status = MS_OK;
    if (cmd->limit > MS_SERIES_MOST)
        status =
            ms_fail(err, MS_USAGE, "--limit: more than %d rows of each process are too many", MS_SERIES_MOST);
    if (status == MS_OK) status = ms_web_serve(cmd, LISTEN_USUAL, &site, "maps of all processes", err);
    free_all(g->now, g->now_count);
    free_all(g->next, g->next_count);
    for (size_t i = 0; i < g->members; i++) {
        ms_session_close(&g->member[i]->s);
        free(g->member[i]);
    }
    free(g->stranger);
    free(g);
    return status;
}
