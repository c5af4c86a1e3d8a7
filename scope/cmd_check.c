/* cmd_check.c - `mapscope check --budget ... -- CMD...`: run a program, and fail if its maps take more than they may.
 *
 *   start                                                exit
 *     |-2-4-8-|--16--|---interval---|---interval---|--...--|      looks; times in ms
 *                                                          ^ held there for a last one (runner.h)
 *
 * The first looks come soon, since many programs in tests live for milliseconds; the last one comes when the program is about
 * to end, and sees what it has then.  What comes and goes between two looks is not seen: the report counts maps that the
 * library says were freed.
 *
 * Exit code: the program's own if that is not 0 (128 + signal if one ended it); else 1 if a budget was broken, 4 if one of
 * them was about nothing that was seen.
 */
#include "cmd.h"

#include "view/budget.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_GAP_NS 2000000u

struct watch {
    struct ms_cmd *cmd;
    struct ms_session s;
    struct ms_snapshot before;
    struct ms_checked checked;
    uint64_t start_ns;
    int signals; /* descriptor */
    bool open, seen, held, uncertain;
    struct ms_error why; /* there are no maps */
};

static void close_session(struct watch *w) {
    if (w->open) ms_session_close(&w->s);
    w->open = false;
}

/* What stands in the way of a look now need not at the next one: libraries are mapped, another program is executed. */
static void look(struct watch *w, bool at_exit) {
    struct ms_snapshot snap;
    int status = MS_OK;
    ms_snapshot_init(&snap);
    if (!w->open) {
        status = ms_session_open(&w->s, w->cmd, &w->why);
        w->open = true;
    } else {
        status = ms_session_find(&w->s, &w->why);
    }
    w->s.process.reader.still = at_exit;
    if (status == MS_OK) status = ms_session_snapshot(&w->s, true, w->cmd->resident, &snap, &w->why);
    if (status) {
        ms_snapshot_free(&snap);
        close_session(w);
        return;
    }
    struct ms_look then = {w->before.map, w->before.maps, 0};
    ms_view_growths(w->seen ? &then : NULL, snap.map, snap.maps);
    ms_checked_look(&w->checked, &snap, ms_now_ns() - w->start_ns);
    w->checked.at_exit = at_exit;
    w->uncertain = snap.uncertain;
    ms_snapshot_free(&w->before);
    w->before = snap;
    w->seen = true;
}

/* What the terminal sends, it sends to the program too. */
static int forward(struct watch *w, struct ms_error *err) {
    struct signalfd_siginfo info;
    int status = MS_OK;
    while (status == MS_OK && read(w->signals, &info, sizeof info) == sizeof info)
        if (info.ssi_code <= 0) status = ms_runner_signal(&w->cmd->runner, (int)info.ssi_signo, err);
    return status;
}

static int catch_signals(struct watch *w, struct ms_error *err) {
    static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) sigaddset(&set, caught[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return w->signals < 0 ? ms_fail(err, MS_INTERNAL, "signalfd: %s", strerror(errno)) : MS_OK;
}

static int follow(struct watch *w, int *ended, struct ms_error *err) {
    uint64_t gap = FIRST_GAP_NS, most = (uint64_t)(w->cmd->interval * 1e9);
    enum ms_ran ran = MS_RAN_ON;
    bool exits = false;
    uint64_t next = w->start_ns + gap;
    while (ran != MS_RAN_ENDED) {
        uint64_t now = ms_now_ns();
        int status = ms_runner_wait(&w->cmd->runner, w->signals, next > now ? next - now + 999999 : 0, &ran,
                                    ended, err);
        if (status == MS_OK) status = forward(w, err);
        if (status) return status;
        if (ran == MS_RAN_EXITS) {
            look(w, exits = true);
            status = ms_runner_go_on(&w->cmd->runner, err);
            if (status) return status;
        } else if (ran == MS_RAN_ON && !exits && ms_now_ns() >= next) {
            look(w, false);
            gap = ms_min(2 * gap, most);
            next = ms_now_ns() + gap;
        }
    }
    return MS_OK;
}

static int parse(struct ms_cmd *cmd, struct ms_checked *c, struct ms_error *err) {
    c->budget = ms_alloc((cmd->budgets + 1) * sizeof *c->budget);
    for (size_t i = 0; i < cmd->budgets; i++, c->budgets++) {
        int status = ms_budget_parse(&c->budget[i], cmd->budget[i], err);
        if (status) return status;
    }
    return MS_OK;
}

static int verdict(const struct ms_checked *c, const struct watch *w, struct ms_error *err) {
    size_t broken = 0;
    for (size_t i = 0; i < c->budgets; i++) broken += c->budget[i].broken != 0;
    if (c->signal) return 128 + c->signal;
    if (c->code) return c->code;
    if (broken) return MS_FINDING;
    if (!w->seen)
        return ms_fail(err, MS_UNCERTAIN, "no look saw maps of %s: %s", c->program,
                       w->why.line[0] ? w->why.line : "it ended too soon");
    for (size_t i = 0; i < c->budgets; i++)
        if (!c->budget[i].seen)
            return ms_fail(err, MS_UNCERTAIN, "budget '%.200s': no map that it is about was seen",
                           c->budget[i].text);
    return MS_OK;
}

int ms_cmd_check(struct ms_cmd *cmd, struct ms_error *err) {
    struct watch w = {.cmd = cmd, .signals = -1};
    char target[16];
    int ended = 0;
    if (!cmd->command)
        return ms_fail(err, MS_USAGE, "usage: mapscope check [--budget EXPR]... -- COMMAND...");
    w.checked.program = cmd->command[0];
    ms_snapshot_init(&w.before);
    int status = parse(cmd, &w.checked, err);
    if (status == MS_OK) status = catch_signals(&w, err);
    if (status == MS_OK) status = ms_runner_run(&cmd->runner, NULL, true, &w.checked.pid, &w.held, err);
    w.start_ns = ms_now_ns();
    snprintf(target, sizeof target, "%d", w.checked.pid);
    cmd->target = target;
    if (status == MS_OK) status = follow(&w, &ended, err);
    if (status == MS_OK) {
        w.checked.ns = ms_now_ns() - w.start_ns;
        w.checked.signal = WIFSIGNALED(ended) ? WTERMSIG(ended) : 0;
        w.checked.code = WIFEXITED(ended) ? WEXITSTATUS(ended) : 0;
        w.checked.runtime = w.before.runtime;
        cmd->documented = cmd->json;
        if (cmd->json)
            ms_json_check(cmd->out, &w.checked, &w.before);
        else
            ms_table_check(stderr, &cmd->style, &w.checked);
        status = verdict(&w.checked, &w, err);
    }
    cmd->target = NULL;
    for (size_t i = 0; i < w.checked.budgets; i++) ms_budget_free(&w.checked.budget[i]);
    free(w.checked.budget);
    ms_snapshot_free(&w.before);
    close_session(&w);
    if (w.signals >= 0) close(w.signals);
    return status;
}
