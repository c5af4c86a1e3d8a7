/* cmd_top.c - `mapscope top TARGET`: the list again and again, on a screen (browse.h).
 *
 * What --once prints is what the screen shows.  The line above the table tells how fast the process fills its maps.  A first
 * look at a large Go heap shows what it has found after 0.5 s, marked as a part, and again each time it has looked twice
 * as long.
 */
#include "browse.h"

#include <assert.h>
#include <ncurses.h>
#include <string.h>

enum { FASTEST_MS = 100, SLOWEST_MS = 3600000 };

struct top {
    struct ms_browse b;
    bool paused;
    double interval;
    uint64_t entries, at_ns; /* of the look before */
    char rate[32];
};

static struct top *top_of(const struct ms_browse *b) { return (struct top *)(uintptr_t)b; }
static_assert(offsetof(struct top, b) == 0, "a browser of top is its first member");

static void take_rate(struct top *v, const struct ms_snapshot *snap) {
    uint64_t now = ms_now_ns(), entries = 0;
    char human[16];
    for (size_t i = 0; i < snap->maps; i++) entries += snap->map[i].entries;
    v->rate[0] = 0;
    if (v->at_ns && now > v->at_ns) {
        bool less = entries < v->entries;
        double rate =
            (double)(less ? v->entries - entries : entries - v->entries) * 1e9 / (double)(now - v->at_ns);
        snprintf(v->rate, sizeof v->rate, "entries %c%s/s, ", less ? '-' : '+',
                 ms_text_count((uint64_t)rate, human));
    }
    v->entries = entries;
    v->at_ns = now;
}

static int look(struct ms_browse *b, struct ms_snapshot *out, struct ms_error *err) {
    ms_snapshot_init(out);
    int status = ms_session_find(b->session, err);
    if (status == MS_OK) status = ms_session_snapshot(b->session, true, b->cmd->resident, out, err);
    if (status == MS_OK) take_rate(top_of(b), out);
    return status;
}

static int head(struct ms_browse *b, const struct ms_style *st, FILE *f) {
    (void)st;
    fprintf(f, "%s%llu growing, %llu shrinking\n", top_of(b)->rate, (unsigned long long)b->totals.growing,
            (unsigned long long)b->totals.shrinking);
    return 1;
}

static uint64_t stay_ns(const struct ms_browse *b) { return (uint64_t)(top_of(b)->interval * 1e9); }

static int due(struct ms_browse *b, bool *fresh, struct ms_error *err) {
    (void)err;
    *fresh = !top_of(b)->paused;
    return MS_OK;
}

static enum ms_took key(struct ms_browse *b, int k) {
    struct top *v = top_of(b);
    switch (k) {
    case ' ': v->paused = !v->paused; return v->paused ? MS_TOOK_KEY : MS_TOOK_LOOK;
    case '+':
        v->interval = v->interval * 2 < SLOWEST_MS / 1e3 ? v->interval * 2 : SLOWEST_MS / 1e3;
        return MS_TOOK_KEY;
    case '-':
        v->interval = v->interval / 2 > FASTEST_MS / 1e3 ? v->interval / 2 : FASTEST_MS / 1e3;
        return MS_TOOK_KEY;
    }
    return MS_TOOK_NOTHING;
}

static void state(const struct ms_browse *b, FILE *f) {
    if (top_of(b)->paused)
        fputs("PAUSED  ", f);
    else
        fprintf(f, "every %gs  ", top_of(b)->interval);
}

static const struct ms_browse_verb verb = {
    .name = "top",
    .keys = "q quit  ? help  Enter open  / filter  s sort  r reverse  t tree  space pause",
    .help = "  space              pause: no more looks, the last one stays\n"
            "  +  -               twice, half the time between two looks\n"
            "  Home End           the first row, the last\n",
    .reads = true,
    .look = look,
    .head = head,
    .stay_ns = stay_ns,
    .due = due,
    .key = key,
    .state = state,
};

int ms_cmd_top(struct ms_cmd *cmd, struct ms_error *err) {
    struct ms_session s;
    struct top v = {.interval = cmd->interval};
    ms_browse_init(&v.b, &verb, cmd, &s);
    int status = ms_session_open(&s, cmd, err);
    if (status == MS_OK) status = ms_browse_run(&v.b, err);
    ms_browse_free(&v.b);
    ms_session_close(&s);
    return status;
}
