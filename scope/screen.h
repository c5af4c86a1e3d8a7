/* screen.h - a terminal: lines of text, keys, and the terminal given back in every way of leaving. */
#ifndef MS_SCREEN_H
#define MS_SCREEN_H

#include "error.h"
#include "out/out.h"

#include <stdbool.h>
#include <stdint.h>

struct ms_screen {
    void *terminal, *line; /* as curses knows them; terminal NULL: not taken */
    bool colour;           /* 256 of them can be shown */
};

/* How a line stands out; without colours the same. */
enum ms_line { MS_LINE_PLAIN, MS_LINE_HEAD, MS_LINE_CHOSEN, MS_LINE_HERE, MS_LINE_BAR, MS_LINE_KEYS };

/* Take the terminal.  Ctrl-C, SIGTERM and SIGHUP then only turn ms_screen_ends on.  MS_USAGE: curses does not know it. */
int ms_screen_begin(struct ms_screen *s, const struct ms_style *st, struct ms_error *err);
/* Give it back, also at exit(); again: nothing.  SIGTERM and SIGHUP that came meanwhile are delivered now. */
void ms_screen_end(struct ms_screen *s);
bool ms_screen_ends(void);

int ms_screen_rows(void);
int ms_screen_columns(void);

/* A frame: clear, put its lines, show.  Only what differs from the frame before is sent. */
void ms_screen_clear(void);
/* The first line of `text`, escaped before but for the colours of out/, from `column` on. */
void ms_screen_put(struct ms_screen *s, int row, int column, const char *text, enum ms_line how);
void ms_screen_show(void);

/* A key as curses numbers it, or -1 when none came until then (CLOCK_MONOTONIC; UINT64_MAX: waits). */
int ms_screen_key(uint64_t until_ns);

#endif
