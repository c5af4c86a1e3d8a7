/* screen.c - see screen.h.  curses keeps the terminal; everything shown was rendered as text before, by out/.
 *
 * Of escape sequences a text has those of out/, which are colours: ESC [ 38;5;N m and 48;5;N m of the 256, 39, 49 and 0, 1
 * for bold and 30 to 37.  They become pairs of curses, made when first met.  Names of the target were escaped before.
 *
 * Signals that end a program only set a flag: whoever loops asks for it, leaves, and gives the terminal back.
 */
#include "screen.h"

#include "cmd.h"

#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COLOURS = 256, LINE_MOST = 1024, WAIT_MOST_MS = 1000, ESCAPE_MS = 50 };

static volatile sig_atomic_t ends; /* the signal that says so; 0: none */

static void end_soon(int signal) { ends = signal; }

bool ms_screen_ends(void) { return ends != 0; }

static void give_back(void) {
    if (!isendwin()) endwin();
}

static void catch_signals(void) {
    struct sigaction on = {.sa_handler = end_soon};
    sigemptyset(&on.sa_mask);
    sigaction(SIGINT, &on, NULL); /* curses has taken it and SIGTERM: ends at once, wherever that is */
    sigaction(SIGTERM, &on, NULL);
    sigaction(SIGHUP, &on, NULL);
}

int ms_screen_begin(struct ms_screen *s, const struct ms_style *st, struct ms_error *err) {
    *s = (struct ms_screen){.terminal = NULL};
    SCREEN *terminal = newterm(NULL, stdout, stdin);
    if (!terminal) return ms_fail(err, MS_USAGE, "the terminal is not known to curses: use --once");
    atexit(give_back);
    s->terminal = terminal;
    set_term(terminal);
    catch_signals();
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    set_escdelay(ESCAPE_MS);
    curs_set(0);
    s->line = newpad(1, LINE_MOST);
    if (!s->line) return ms_screen_end(s), ms_fail(err, MS_INTERNAL, "out of memory");
    s->colour =
        st->colour && has_colors() && start_color() == OK && use_default_colors() == OK && COLORS >= COLOURS;
    return MS_OK;
}

void ms_screen_end(struct ms_screen *s) {
    if (!s->terminal) return;
    give_back();
    if (s->line) delwin(s->line);
    delscreen(s->terminal);
    s->terminal = NULL;
    int signal_met = ends;
    ends = 0;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    if (signal_met && signal_met != SIGINT) raise(signal_met);
}

int ms_screen_rows(void) { return LINES; }
int ms_screen_columns(void) { return COLS; }

void ms_screen_clear(void) { erase(); }
void ms_screen_show(void) { refresh(); }

/* ---- lines ------------------------------------------------------------------------------------- */

struct pen {
    attr_t attributes;
    int ink, paper; /* -1: the terminal's own */
};

static void use(WINDOW *w, const struct pen *p) {
    int pair = p->ink < 0 && p->paper < 0 ? 0 : alloc_pair(p->ink, p->paper);
    wattr_set(w, p->attributes, 0, pair > 0 ? &pair : NULL);
}

/* The numbers of a colour sequence; returns where it ends. */
static const char *turn(const char *s, struct pen *p, attr_t usual) {
    long n[8] = {0};
    size_t count = 0;
    char *end = NULL;
    for (; count < 8; s = end + 1) {
        n[count++] = strtol(s, &end, 10);
        if (*end != ';') break;
    }
    for (size_t i = 0; i < count; i++) {
        bool of_256 = i + 2 < count && n[i + 1] == 5 && n[i + 2] >= 0 && n[i + 2] < COLOURS;
        if (n[i] == 38 && of_256)
            p->ink = (int)n[i + 2], i += 2;
        else if (n[i] == 48 && of_256)
            p->paper = (int)n[i + 2], i += 2;
        else if (n[i] >= 30 && n[i] <= 37)
            p->ink = (int)n[i] - 30;
        else if (n[i] == 39)
            p->ink = -1;
        else if (n[i] == 49)
            p->paper = -1;
        else if (n[i] == 1)
            p->attributes |= A_BOLD;
        else if (n[i] == 0)
            *p = (struct pen){usual, -1, -1};
    }
    return *end == 'm' ? end + 1 : end;
}

static attr_t attributes_of(enum ms_line how) {
    switch (how) {
    case MS_LINE_HEAD: return A_BOLD | A_UNDERLINE;
    case MS_LINE_CHOSEN:
    case MS_LINE_HERE: return A_REVERSE;
    case MS_LINE_BAR: return A_BOLD;
    case MS_LINE_KEYS: return A_DIM;
    default: return A_NORMAL;
    }
}

/* Into a line of its own first, which the screen shows as much of as it is wide. */
void ms_screen_put(struct ms_screen *s, int row, int column, const char *text, enum ms_line how) {
    WINDOW *w = s->line;
    attr_t usual = attributes_of(how);
    struct pen p = {usual, -1, -1};
    const char *end = text + strcspn(text, "\n");
    if (row < 0 || row >= LINES || column >= COLS) return;
    werase(w);
    wmove(w, 0, 0);
    use(w, &p);
    while (text < end) {
        size_t plain = strcspn(text, "\033\n");
        waddnstr(w, text, (int)plain);
        text += plain;
        if (text + 1 >= end || *text != '\033') break;
        text = turn(text + 2, &p, usual);
        if (s->colour) use(w, &p);
    }
    p = (struct pen){usual, -1, -1};
    use(w, &p);
    if (how == MS_LINE_CHOSEN || how == MS_LINE_HEAD) /* to the right edge */
        while (getcurx(w) < COLS - column && waddch(w, ' ') == OK) {}
    int last =
        how == MS_LINE_HERE ? column + getcurx(w) - 1 : COLS - 1; /* a part of its line, or all of it */
    if (last >= column) copywin(w, stdscr, 0, 0, row, column, row, last < COLS ? last : COLS - 1, FALSE);
}

/* A terminal that went away without a signal would be asked for keys without end. */
static bool hung_up(void) {
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&p, 1, 0) == 1 && p.revents & (POLLHUP | POLLERR | POLLNVAL);
}

int ms_screen_key(uint64_t until_ns) {
    for (;;) {
        if (hung_up()) ends = SIGHUP;
        uint64_t now = ms_now_ns(), left = until_ns > now ? (until_ns - now) / 1000000 + 1 : 0;
        timeout(until_ns ? (int)ms_min(left, WAIT_MOST_MS) : 0);
        int key = getch();
        if (key != ERR || ends || ms_now_ns() >= until_ns) return key;
    }
}
