/* cmd_replay.c - `mapscope replay rec:FILE[@TIME]`: the list of a moment, and keys to move through time.
 *
 *   process 4039 (goservice), up 4.4s, RSS 68.6M, go1.26.8
 *   recorded 2026-11-21 20:15:03, moment 12 of 60 in a.rec
 *   10064 maps, 280561 entries, 40.9M, waste 33.1M, rebuild gain 23.4M
 *   since the moment before: entries +1204, bytes +1.2M
 *   bytes  ▁▁▂▂▃▃▄▅▅▆▇█▅▅▅▅       what all maps took, from the first moment to the last
 *                   ^
 *
 * Playing, moments follow each other as they did when they were recorded, times the speed; a gap is at most two seconds.
 * At the end it waits for more: the recorder may be at work.
 */
#include "cmd.h"
#include "screen.h"

#include <inttypes.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECOND = 1000000000, GAP_MOST = 2, SPEED_MOST = 1024 };

struct view {
    struct ms_cmd *cmd;
    struct ms_session s;
    size_t at; /* index of the moment */
    char sort[16];
    bool reverse, playing, uncertain;
    double speed;
    struct ms_screen screen;
};

static const struct ms_rec_moment *moment(const struct view *v) { return &v->s.rec->moment[v->at]; }

static void put_signed(FILE *f, const char *what, uint64_t before, uint64_t after,
                       const char *(*text)(uint64_t, char *)) {
    char number[16];
    const char *sign = after > before ? "+" : after < before ? "-" : "";
    fprintf(f, "%s %s%s", what, sign, text(after > before ? after - before : before - after, number));
}

static void put_change(FILE *f, const struct view *v) {
    if (v->at == 0) {
        fputs("the first moment\n", f);
        return;
    }
    const struct ms_rec_moment *now = moment(v), *before = now - 1;
    put_signed(f, "since the moment before:", before->maps, now->maps, ms_text_count);
    put_signed(f, " maps, entries", before->entries, now->entries, ms_text_count);
    put_signed(f, ", bytes", before->bytes, now->bytes, ms_text_bytes);
    put_signed(f, ", waste", before->waste, now->waste, ms_text_bytes);
    fputc('\n', f);
}

/* Bytes of all maps over all moments, the most of those that share a column, and where we are. */
static void put_timeline(FILE *f, const struct ms_style *st, const struct view *v) {
    static const char *const block[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char ascii[] = "_.-=+*%#";
    const struct ms_rec *r = v->s.rec;
    size_t columns = st->width > 20 ? (size_t)st->width - 7 : 73, n = r->moments;
    uint64_t most = 1;
    if (columns > n) columns = n;
    for (size_t i = 0; i < n; i++)
        if (r->moment[i].bytes > most) most = r->moment[i].bytes;
    fputs("bytes  ", f);
    for (size_t c = 0; c < columns; c++) {
        uint64_t here = 0;
        for (size_t i = c * n / columns; i < (c + 1) * n / columns; i++)
            if (r->moment[i].bytes > here) here = r->moment[i].bytes;
        int level = (int)((double)here / (double)most * 7 + 0.5);
        if (st->utf8)
            fputs(block[level], f);
        else
            fputc(ascii[level], f);
    }
    size_t column = 0;
    while ((column + 1) * n / columns <= v->at) column++;
    fprintf(f, "\n%*s^\n", (int)(7 + column), "");
}

static int look(void *ctx, const struct ms_style *st, FILE *f, int *head, struct ms_error *err) {
    struct view *v = ctx;
    struct ms_cmd *cmd = v->cmd;
    struct ms_snapshot snap;
    struct ms_totals totals;
    size_t n = 0;
    char sort[24];
    snprintf(sort, sizeof sort, "%s%s", v->reverse ? "-" : "", v->sort);
    cmd->sort = sort;
    v->s.rec_follows = false;
    v->s.rec->at = moment(v)->number;
    int status = ms_session_snapshot(&v->s, true, false, &snap, err);
    if (status == MS_OK) status = ms_session_select(cmd, &snap, &totals, &n, err);
    if (status == MS_OK) {
        v->uncertain = snap.uncertain;
        cmd->documented = cmd->json;
        if (cmd->json) {
            ms_json_list(f, "replay", &snap, &totals, snap.map, n, NULL);
        } else {
            *head =
                ms_table_target(f, st, &snap) + 5; /* totals, change, two of time, the head of the table */
            ms_table_totals(f, st, &totals, n);
            put_change(f, v);
            put_timeline(f, st, v);
            ms_table_list(f, st, snap.map, n);
            if (cmd->once) fflush(f);
            ms_table_notes(cmd->once ? stderr : f, st, &snap);
        }
    }
    cmd->sort = NULL;
    ms_snapshot_free(&snap);
    return status;
}

/* ---- keys -------------------------------------------------------------------------------------- */

static bool key(struct view *v, int k, bool *fresh) {
    size_t last = v->s.rec->moments - 1;
    if (ms_screen_scrolls(&v->screen, k)) return true;
    *fresh = true;
    switch (k) {
    case 'q':
    case 'Q':
    case 27: return false;
    case KEY_LEFT: v->at -= v->at > 0; break;
    case KEY_RIGHT: v->at += v->at < last; break;
    case KEY_HOME: v->at = 0; break;
    case KEY_END: v->at = last; break;
    case ' ': v->playing = !v->playing; break;
    case '+': v->speed = v->speed < SPEED_MOST ? v->speed * 2 : v->speed; break;
    case '-': v->speed = v->speed > 1.0 / SPEED_MOST ? v->speed / 2 : v->speed; break;
    case 's': snprintf(v->sort, sizeof v->sort, "%s", ms_view_next_sort(v->sort)); break;
    case 'r': v->reverse = !v->reverse; break;
    case KEY_RESIZE: break;
    default: *fresh = false;
    }
    return true;
}

/* How long the present moment stays. */
static uint64_t stay_ns(const struct view *v) {
    const uint64_t most = (uint64_t)GAP_MOST * SECOND;
    if (!v->playing) return 3600 * (uint64_t)SECOND;
    if (v->at + 1 >= v->s.rec->moments) return SECOND;
    double gap = (double)(moment(v)[1].wall_ns - moment(v)->wall_ns) / v->speed;
    return gap < (double)most ? (uint64_t)gap : most;
}

/* The next moment, or what a recorder added.  A ring may have dropped what was before. */
static int step(struct view *v, bool *fresh, struct ms_error *err) {
    uint64_t number = moment(v)->number;
    int status = MS_OK;
    if (v->at + 1 >= v->s.rec->moments) status = ms_rec_refresh(v->s.rec, err);
    if (status) return status;
    for (v->at = 0; v->at + 1 < v->s.rec->moments && moment(v)->number < number;) v->at++;
    *fresh = v->at + 1 < v->s.rec->moments;
    v->at += *fresh;
    return MS_OK;
}

static int live(struct ms_cmd *cmd, struct view *v, struct ms_error *err) {
    int status = ms_screen_begin(&v->screen, err);
    if (status) return status;
    status = ms_screen_render(&v->screen, &cmd->style, look, v, err);
    uint64_t next = ms_now_ns() + stay_ns(v);
    while (status == MS_OK) {
        char bottom[160];
        bool fresh = false;
        snprintf(bottom, sizeof bottom,
                 "%s x%g  sort %s%s   q quit  space play  left right home end time  + - speed  s sort",
                 v->playing ? "PLAYING" : "paused", v->speed, v->reverse ? "-" : "", v->sort);
        ms_screen_draw(&v->screen, bottom);
        int k = ms_screen_key(next);
        if (k != ERR && !key(v, k, &fresh)) break;
        if (k == ERR && v->playing && ms_now_ns() >= next) status = step(v, &fresh, err);
        if (status == MS_OK && fresh) status = ms_screen_render(&v->screen, &cmd->style, look, v, err);
        if (fresh || ms_now_ns() >= next) next = ms_now_ns() + stay_ns(v);
    }
    ms_screen_end(&v->screen);
    return status;
}

int ms_cmd_replay(struct ms_cmd *cmd, struct ms_error *err) {
    struct view v = {.cmd = cmd, .speed = 1};
    const char *sort = cmd->sort ? cmd->sort : "bytes";
    int head;
    v.reverse = *sort == '-';
    snprintf(v.sort, sizeof v.sort, "%s", sort + v.reverse);
    if (strncmp(cmd->target, "rec:", 4) != 0)
        return ms_fail(err, MS_USAGE, "replay is for recordings: rec:FILE, not '%s'", cmd->target);
    int status = ms_session_open(&v.s, cmd, err);
    uint64_t number = status == MS_OK ? v.s.rec->at : 0;
    if (status == MS_OK && cmd->at) status = ms_rec_find(v.s.rec, cmd->at, &number, err);
    while (status == MS_OK && moment(&v)->number < number) v.at++;
    /* Without a terminal there is nobody to press a key. */
    cmd->once = cmd->once || cmd->json || cmd->at || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO);
    if (status == MS_OK)
        status = cmd->once ? look(&v, &cmd->style, cmd->out, &head, err) : live(cmd, &v, err);
    if (status == MS_OK && v.uncertain) {
        err->line[0] = 0;
        status = MS_UNCERTAIN;
    }
    cmd->sort = NULL;
    ms_session_close(&v.s);
    return status;
}
