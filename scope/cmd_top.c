/* cmd_top.c - `mapscope top TARGET`: the list again and again, on a screen.
 *
 * A look is rendered by the same code as `list`, into memory, and shown line by line: what --once prints is
 * what the screen shows.  ENTRIES/S under the table's head tells how fast the process fills its maps.  When
 * the target ends, the screen is given back first, then the error line says so.
 */
#include "cmd.h"

#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct view {
    struct ms_session s;
    char sort[16];
    bool reverse, paused, uncertain;
    char *text; /* the last look */
    size_t length;
    uint64_t entries, at_ns; /* of the look before */
    int scroll;
};

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void put_rate(FILE *f, struct view *v, const struct ms_totals *t) {
    uint64_t now = now_ns();
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
static int look(struct ms_cmd *cmd, struct view *v, const struct ms_style *st, FILE *f,
                struct ms_error *err) {
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
            ms_table_target(f, st, &snap);
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

static void screen_end(void) {
    if (!isendwin()) endwin();
}

static int render(struct ms_cmd *cmd, struct view *v, struct ms_error *err) {
    struct ms_style st = cmd->style;
    char *text = NULL;
    size_t length = 0;
    FILE *f = open_memstream(&text, &length);
    if (!f) return ms_fail(err, MS_INTERNAL, "out of memory");
    st.width = COLS;
    st.steady = true;
    int status = look(cmd, v, &st, f, err);
    fclose(f);
    if (status == MS_OK) {
        free(v->text);
        v->text = text;
        v->length = length;
    } else {
        free(text);
    }
    return status;
}

enum { HEAD_LINES = 4 };

static void draw(struct view *v) {
    char *copy = ms_strdup(v->text ? v->text : ""), *save = NULL;
    int line = 0, row = 0;
    erase();
    for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save), line++) {
        if (line >= HEAD_LINES && line - HEAD_LINES < v->scroll) continue;
        if (row >= LINES - 1) continue;
        if (line == HEAD_LINES - 1) attron(A_REVERSE);
        mvaddnstr(row++, 0, l, -1);
        attroff(A_REVERSE);
    }
    int rows = line - HEAD_LINES;
    if (v->scroll >= rows) v->scroll = rows > 0 ? rows - 1 : 0;
    attron(A_BOLD);
    mvprintw(LINES - 1, 0, "%ssort %s%s   q quit  s sort  r reverse  space pause  arrows scroll",
             v->paused ? "PAUSED  " : "", v->reverse ? "-" : "", v->sort);
    attroff(A_BOLD);
    clrtoeol();
    refresh();
    free(copy);
}

/* Handle a key. false: leave. *fresh: look again at once. */
static bool key(struct view *v, int k, bool *fresh) {
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
    case KEY_UP:
        if (v->scroll > 0) v->scroll--;
        break;
    case KEY_DOWN: v->scroll++; break;
    case KEY_PPAGE: v->scroll = v->scroll > LINES ? v->scroll - LINES + HEAD_LINES + 1 : 0; break;
    case KEY_NPAGE: v->scroll += LINES - HEAD_LINES - 1; break;
    case KEY_HOME: v->scroll = 0; break;
    case KEY_RESIZE: *fresh = true; break;
    }
    return true;
}

static int live(struct ms_cmd *cmd, struct view *v, struct ms_error *err) {
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (!screen) return ms_fail(err, MS_USAGE, "the terminal is not known to curses: use --once");
    atexit(screen_end);
    set_term(screen);
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    curs_set(0);
    int status = render(cmd, v, err);
    uint64_t next = now_ns() + (uint64_t)(cmd->interval * 1e9);
    while (status == MS_OK) {
        bool fresh = false;
        draw(v);
        uint64_t now = now_ns();
        timeout(next > now ? (int)((next - now) / 1000000 + 1) : 0);
        int k = getch();
        if (k != ERR && !key(v, k, &fresh)) break;
        if (fresh || (now_ns() >= next && !v->paused)) {
            status = render(cmd, v, err);
            next = now_ns() + (uint64_t)(cmd->interval * 1e9);
        } else if (now_ns() >= next) {
            next = now_ns() + (uint64_t)(cmd->interval * 1e9);
        }
    }
    screen_end();
    delscreen(screen);
    return status;
}

int ms_cmd_top(struct ms_cmd *cmd, struct ms_error *err) {
    struct view v = {.text = NULL};
    const char *sort = cmd->sort ? cmd->sort : "bytes";
    v.reverse = *sort == '-';
    snprintf(v.sort, sizeof v.sort, "%s", sort + v.reverse);
    int status = ms_session_open(&v.s, cmd, err);
    /* Without a terminal there is nobody to press a key. */
    bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (status == MS_OK && (cmd->once || cmd->json || !terminal)) {
        cmd->once = true;
        status = look(cmd, &v, &cmd->style, cmd->out, err);
    } else if (status == MS_OK) {
        status = live(cmd, &v, err);
    }
    if (status == MS_OK && v.uncertain) {
        err->line[0] = 0;
        status = MS_UNCERTAIN;
    }
    cmd->sort = NULL;
    free(v.text);
    ms_session_close(&v.s);
    return status;
}
