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
#include "browse.h"

#include <assert.h>
#include <inttypes.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>

enum { SECOND = 1000000000, GAP_MOST = 2, SPEED_MOST = 1024 };

struct replay {
    struct ms_browse b;
    size_t at; /* index of the moment */
    bool playing;
    double speed;
};

static struct replay *replay_of(const struct ms_browse *b) { return (struct replay *)(uintptr_t)b; }
static_assert(offsetof(struct replay, b) == 0, "a browser of replay is its first member");

static const struct ms_rec_moment *moment(const struct replay *v) {
    return &v->b.session->rec->moment[v->at];
}

static void put_signed(FILE *f, const char *what, uint64_t before, uint64_t after,
                       const char *(*text)(uint64_t, char *)) {
    char number[16];
    const char *sign = after > before ? "+" : after < before ? "-" : "";
    fprintf(f, "%s %s%s", what, sign, text(after > before ? after - before : before - after, number));
}

static void put_change(FILE *f, const struct replay *v) {
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
static void put_timeline(FILE *f, const struct ms_style *st, const struct replay *v) {
    static const char *const block[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char ascii[] = "_.-=+*%#";
    const struct ms_rec *r = v->b.session->rec;
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

static int look(struct ms_browse *b, struct ms_snapshot *out, struct ms_error *err) {
    b->session->rec_follows = false;
    b->session->rec->at = moment(replay_of(b))->number;
    return ms_session_snapshot(b->session, true, false, out, err);
}

static int head(struct ms_browse *b, const struct ms_style *st, FILE *f) {
    put_change(f, replay_of(b));
    put_timeline(f, st, replay_of(b));
    return 3;
}

static void state(const struct ms_browse *b, FILE *f) {
    const struct replay *v = replay_of(b);
    fprintf(f, "%s x%g  ", v->playing ? "PLAYING" : "paused", v->speed);
}

static enum ms_took key(struct ms_browse *b, int k) {
    struct replay *v = replay_of(b);
    size_t last = b->session->rec->moments - 1;
    switch (k) {
    case KEY_LEFT: v->at -= v->at > 0; break;
    case KEY_RIGHT: v->at += v->at < last; break;
    case KEY_HOME: v->at = 0; break;
    case KEY_END: v->at = last; break;
    case ' ': v->playing = !v->playing; break;
    case '+': v->speed = v->speed < SPEED_MOST ? v->speed * 2 : v->speed; break;
    case '-': v->speed = v->speed > 1.0 / SPEED_MOST ? v->speed / 2 : v->speed; break;
    default: return MS_TOOK_NOTHING;
    }
    return MS_TOOK_LOOK;
}

/* How long the present moment stays. */
static uint64_t stay_ns(const struct ms_browse *b) {
    const uint64_t most = (uint64_t)GAP_MOST * SECOND;
    const struct replay *v = replay_of(b);
    if (!v->playing) return UINT64_MAX;
    if (v->at + 1 >= b->session->rec->moments) return SECOND;
    double gap = (double)(moment(v)[1].wall_ns - moment(v)->wall_ns) / v->speed;
    return gap < (double)most ? (uint64_t)gap : most;
}

/* The next moment, or what a recorder added.  A ring may have dropped what was before. */
static int due(struct ms_browse *b, bool *fresh, struct ms_error *err) {
    struct replay *v = replay_of(b);
    struct ms_rec *rec = b->session->rec;
    uint64_t number = moment(v)->number;
    int status = v->at + 1 >= rec->moments ? ms_rec_refresh(rec, err) : MS_OK;
    if (status) return status;
    for (v->at = 0; v->at + 1 < rec->moments && moment(v)->number < number;) v->at++;
    *fresh = v->at + 1 < rec->moments;
    v->at += *fresh;
    return MS_OK;
}

static const struct ms_browse_verb verb = {
    .name = "replay",
    .keys = "q quit  ? help  left right time  space play  Enter open  / filter  s sort",
    .help = "  left right         the moment before, the moment after; Home End: first, last\n"
            "  space              play, pause\n"
            "  +  -               twice as fast, half as fast\n",
    .look = look,
    .head = head,
    .stay_ns = stay_ns,
    .due = due,
    .key = key,
    .state = state,
};

int ms_cmd_replay(struct ms_cmd *cmd, struct ms_error *err) {
    struct ms_session s;
    struct replay v = {.speed = 1};
    if (strncmp(cmd->target, "rec:", 4) != 0)
        return ms_fail(err, MS_USAGE, "replay is for recordings: rec:FILE, not '%s'", cmd->target);
    ms_browse_init(&v.b, &verb, cmd, &s);
    int status = ms_session_open(&s, cmd, err);
    uint64_t number = status == MS_OK ? s.rec->at : 0;
    if (status == MS_OK && cmd->at) status = ms_rec_find(s.rec, cmd->at, &number, err);
    while (status == MS_OK && moment(&v)->number < number) v.at++;
    cmd->once = cmd->once || cmd->at;
    if (status == MS_OK) status = ms_browse_run(&v.b, err);
    ms_browse_free(&v.b);
    ms_session_close(&s);
    return status;
}
