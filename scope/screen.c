/* screen.c - see screen.h.  curses keeps the terminal; everything shown was rendered as text before. */
#include "screen.h"

#include "cmd.h"

#include <ncurses.h>
#include <stdlib.h>
#include <string.h>

static void give_back(void) {
    if (!isendwin()) endwin();
}

int ms_screen_begin(struct ms_screen *s, struct ms_error *err) {
    *s = (struct ms_screen){.text = NULL};
    SCREEN *terminal = newterm(NULL, stdout, stdin);
    if (!terminal) return ms_fail(err, MS_USAGE, "the terminal is not known to curses: use --once");
    atexit(give_back);
    s->terminal = terminal;
    set_term(terminal);
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    curs_set(0);
    return MS_OK;
}

void ms_screen_end(struct ms_screen *s) {
    give_back();
    delscreen(s->terminal);
    free(s->text);
    s->text = NULL;
}

int ms_screen_render(struct ms_screen *s, const struct ms_style *st, ms_render_fn *render, void *ctx,
                     struct ms_error *err) {
    struct ms_style wide = *st;
    char *text = NULL;
    size_t length = 0;
    int head = 0;
    FILE *f = open_memstream(&text, &length);
    if (!f) return ms_fail(err, MS_INTERNAL, "out of memory");
    wide.width = COLS;
    wide.steady = true;
    int status = render(ctx, &wide, f, &head, err);
    fclose(f);
    if (status) {
        free(text);
        return status;
    }
    free(s->text);
    s->text = text;
    s->head = head;
    return MS_OK;
}

void ms_screen_draw(struct ms_screen *s, const char *bottom) {
    char *copy = ms_strdup(s->text ? s->text : ""), *rest = copy;
    int line = 0, row = 0;
    erase();
    for (char *l; rest && *rest; line++) {
        l = strsep(&rest, "\n");
        if (line >= s->head && line - s->head < s->scroll) continue;
        if (row >= LINES - 1) continue;
        if (line == s->head - 1) attron(A_REVERSE);
        mvaddnstr(row++, 0, l, -1);
        attroff(A_REVERSE);
    }
    int rows = line - s->head;
    if (s->scroll >= rows) s->scroll = rows > 0 ? rows - 1 : 0;
    attron(A_BOLD);
    mvaddnstr(LINES - 1, 0, bottom, COLS);
    attroff(A_BOLD);
    clrtoeol();
    refresh();
    free(copy);
}

int ms_screen_key(uint64_t until_ns) {
    uint64_t now = ms_now_ns();
    timeout(until_ns > now ? (int)((until_ns - now) / 1000000 + 1) : 0);
    return getch();
}

bool ms_screen_scrolls(struct ms_screen *s, int key) {
    int page = LINES - s->head - 1;
    switch (key) {
    case KEY_UP: s->scroll -= s->scroll > 0; return true;
    case KEY_DOWN: s->scroll++; return true;
    case KEY_PPAGE: s->scroll = s->scroll > page ? s->scroll - page : 0; return true;
    case KEY_NPAGE: s->scroll += page; return true;
    }
    return false;
}
