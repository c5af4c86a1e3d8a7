/* cmd_watch.c - `mapscope watch TARGET --when EXPR [-- CMD...]`: a line, and a command, when an expression over a map turns
 * true.
 *
 *   true      +----------+     +-----
 *   false ----+          +-----+            a line at each +, none while it stays true
 *             !                !
 *
 * A map that is there, and for which it is true, at the first look counts as turned.  The command runs with the map in its
 * environment, never on a command line, and the next look waits for its end.
 */
#include "cmd.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

/* Maps for which it was true at the last look. */
struct truth {
    struct identity {
        uint64_t copy, id;
    } * map;
    size_t count, room;
};

struct watch {
    struct ms_cmd *cmd;
    struct ms_session s;
    struct truth was, is;
    uint64_t fired;
};

static int by_identity(const void *a, const void *b) {
    const struct identity *x = a, *y = b;
    if (x->copy != y->copy) return x->copy < y->copy ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static bool held_before(const struct truth *t, const struct identity *i) {
    return t->count && bsearch(i, t->map, t->count, sizeof *t->map, by_identity);
}

static int run_command(struct watch *w, const struct ms_map *m, struct ms_error *err) {
    char id[64], *label = ms_map_label(m), *safe = ms_text_escape(label, true);
    ms_map_id(m, id);
    char *env[] = {ms_asprintf("MAPSCOPE_PID=%d", w->s.process.pid),
                   ms_asprintf("MAPSCOPE_MAP=%s", id),
                   ms_asprintf("MAPSCOPE_NAME=%.4000s", safe),
                   ms_asprintf("MAPSCOPE_ENTRIES=%" PRIu64, m->entries),
                   ms_asprintf("MAPSCOPE_BYTES=%" PRIu64, m->bytes),
                   ms_asprintf("MAPSCOPE_WASTE=%" PRIu64, m->waste),
                   NULL};
    enum ms_ran ran = MS_RAN_ON;
    bool held;
    int pid, ended = 0;
    int status = ms_runner_run(&w->cmd->runner, (const char *const *)env, false, &pid, &held, err);
    while (status == MS_OK && ran != MS_RAN_ENDED)
        status = ms_runner_wait(&w->cmd->runner, -1, UINT64_C(3600000000000), &ran, &ended, err);
    for (size_t i = 0; env[i]; i++) free(env[i]);
    free(label);
    free(safe);
    if (status || (WIFEXITED(ended) && WEXITSTATUS(ended) == 0)) return status;
    fprintf(stderr, "mapscope: the command ended with %s %d\n", WIFSIGNALED(ended) ? "signal" : "exit code",
            WIFSIGNALED(ended) ? WTERMSIG(ended) : WEXITSTATUS(ended));
    return MS_OK;
}

static int fire(struct watch *w, const struct ms_snapshot *snap, const struct ms_map *m,
                struct ms_error *err) {
    struct ms_cmd *cmd = w->cmd;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (cmd->json)
        ms_json_event(cmd->out, snap, m, cmd->when,
                      (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
    else
        ms_table_event(cmd->out, &cmd->style, m, now.tv_sec);
    cmd->documented = cmd->json;
    fflush(cmd->out);
    w->fired++;
    return cmd->command ? run_command(w, m, err) : MS_OK;
}

static int look(struct watch *w, struct ms_error *err) {
    struct ms_snapshot snap;
    ms_snapshot_init(&snap);
    w->is.count = 0;
    int status = ms_session_find(&w->s, err);
    if (status == MS_OK) status = ms_session_snapshot(&w->s, true, w->cmd->resident, &snap, err);
    for (size_t i = 0; status == MS_OK && i < snap.maps; i++) {
        const struct ms_map *m = &snap.map[i];
        const struct identity who = {m->copy, m->id};
        if (m->certainty == MS_DAMAGED || !ms_filter_match(&w->cmd->filter, m)) continue;
        MS_ROOM(w->is.map, w->is.count, w->is.room);
        w->is.map[w->is.count++] = who;
        if (held_before(&w->was, &who)) continue;
        status = fire(w, &snap, m, err);
        if (w->cmd->once) break;
    }
    if (w->is.count) qsort(w->is.map, w->is.count, sizeof *w->is.map, by_identity);
    struct truth last = w->was;
    w->was = w->is;
    w->is = last;
    ms_snapshot_free(&snap);
    return status;
}

int ms_cmd_watch(struct ms_cmd *cmd, struct ms_error *err) {
    struct watch w = {.cmd = cmd};
    if (!cmd->when) return ms_fail(err, MS_USAGE, "watch: --when EXPR is missing, like --when 'bytes>1G'");
    int status = ms_session_open(&w.s, cmd, err);
    if (status == MS_OK) status = ms_session_runs(&w.s, "watch is", err);
    uint64_t next = ms_now_ns();
    while (status == MS_OK) {
        status = look(&w, err);
        if (status || (cmd->once && w.fired)) break;
        next += (uint64_t)(cmd->interval * 1e9);
        if (next < ms_now_ns()) next = ms_now_ns();
        ms_wait_until(next);
    }
    free(w.was.map);
    free(w.is.map);
    ms_session_close(&w.s);
    return status;
}
