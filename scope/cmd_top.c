/* cmd_top.c - `mapscope top TARGET`: the list again and again, on a screen.
 *
 * A look is rendered by the same code as `list`, into memory, and shown line by line: what --once prints is
 * what the screen shows.  ENTRIES/S under the table's head tells how fast the process fills its maps.  When
 * the target ends, the screen is given back first, then the error line says so.
 */
#include "cmd.h"
#include "screen.h"

#include <ncurses.h>
#include <string.h>
#include <unistd.h>

struct view {
    struct ms_cmd *cmd;
    struct ms_session s;
    char sort[16];
    bool reverse, paused, uncertain;
    uint64_t entries, at_ns; /* of the look before */
    struct ms_screen screen;
};

static void put_rate(FILE *f, struct view *v, const struct ms_totals *t) {
    uint64_t now = ms_now_ns();
    char human[16];
    if (v->at_ns && now > v->at_ns) {
        bool less = t->entries < v->entries;
        double rate = (double)(less ? v->entries - t->entries : t->entries - v->entries) * 1e9 /
                      (double)(now - v->at_ns);
        fprintf(f, "entries %c%s/s, ", less ? '-' : '+', ms_text_count((uint64_t)rate, human));
    }
    fprintf(f, "%llu growing, %llu shrinking\n", (unsigned long long)t->growing,
            (unsigned long long)t->shrinking);
    v->entries = t->entries;
    v->at_ns = now;
}

/* Take a look and render it. */
static int look(void *ctx, const struct ms_style *st, FILE *f, int *head, struct ms_error *err) {
    struct view *v = ctx;
    struct ms_cmd *cmd = v->cmd;
    struct ms_snapshot snap;
    struct ms_totals totals;
    size_t n = 0;
    char sort[24];
    snprintf(sort, sizeof sort, "%s%s", v->reverse ? "-" : "", v->sort);
    cmd->sort = sort;
    int status = ms_session_find(&v->s, err);
    if (status) return status;
    status = ms_session_snapshot(&v->s, true, cmd->resident, &snap, err);
    if (status == MS_OK) status = ms_session_select(cmd, &snap, &totals, &n, err);
    if (status == MS_OK) {
        v->uncertain = snap.uncertain;
        if (cmd->json) {
            cmd->documented = true;
            ms_json_list(f, "top", &snap, &totals, snap.map, n, NULL);
        } else {
            *head = ms_table_target(f, st, &snap) + 3; /* totals, rate, the head of the table */
            ms_table_totals(f, st, &totals, n);
            put_rate(f, v, &totals);
            ms_table_list(f, st, snap.map, n);
            if (cmd->once) {
                fflush(f);
                ms_table_notes(stderr, st, &snap);
            } else {
                ms_table_notes(f, st, &snap);
            }
        }
    }
    ms_snapshot_free(&snap);
    return status;
}

/* Handle a key. false: leave. *fresh: look again at once. */
static bool key(struct view *v, int k, bool *fresh) {
    if (ms_screen_scrolls(&v->screen, k)) return true;
    switch (k) {
    case 'q':
    case 'Q':
    case 27: return false;
    case 's':
        snprintf(v->sort, sizeof v->sort, "%s", ms_view_next_sort(v->sort));
        *fresh = true;
        break;
    case 'r':
        v->reverse = !v->reverse;
        *fresh = true;
        break;
    case ' ': v->paused = !v->paused; break;
    case KEY_HOME: v->screen.scroll = 0; break;
    case KEY_RESIZE: *fresh = true; break;
    }
    return true;
}

static int live(struct ms_cmd *cmd, struct view *v, struct ms_error *err) {
    int status = ms_screen_begin(&v->screen, err);
    if (status) return status;
    uint64_t step = (uint64_t)(cmd->interval * 1e9), next = ms_now_ns() + step;
    status = ms_screen_render(&v->screen, &cmd->style, look, v, err);
    while (status == MS_OK) {
        char bottom[128];
        bool fresh = false;
        snprintf(bottom, sizeof bottom, "%ssort %s%s   q quit  s sort  r reverse  space pause  arrows scroll",
                 v->paused ? "PAUSED  " : "", v->reverse ? "-" : "", v->sort);
        ms_screen_draw(&v->screen, bottom);
        int k = ms_screen_key(next);
        if (k != ERR && !key(v, k, &fresh)) break;
        bool due = ms_now_ns() >= next;
        if (fresh || (due && !v->paused)) status = ms_screen_render(&v->screen, &cmd->style, look, v, err);
        if (fresh || due) next = ms_now_ns() + step;
    }
    ms_screen_end(&v->screen);
    return status;
}

int ms_cmd_top(struct ms_cmd *cmd, struct ms_error *err) {
    struct view v = {.cmd = cmd};
    int head;
    const char *sort = cmd->sort ? cmd->sort : "bytes";
    v.reverse = *sort == '-';
    snprintf(v.sort, sizeof v.sort, "%s", sort + v.reverse);
    int status = ms_session_open(&v.s, cmd, err);
    /* Without a terminal there is nobody to press a key. */
    bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (status == MS_OK && (cmd->once || cmd->json || !terminal)) {
        cmd->once = true;
        status = look(&v, &cmd->style, cmd->out, &head, err);
    } else if (status == MS_OK) {
        status = live(cmd, &v, err);
    }
    if (status == MS_OK && v.uncertain) {
        err->line[0] = 0;
        status = MS_UNCERTAIN;
    }
    cmd->sort = NULL;
    ms_session_close(&v.s);
    return status;
}
