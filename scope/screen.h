/* screen.h - a text on a terminal, with a head that stays and rows that scroll: what `top` and `replay` share. */
#ifndef MS_SCREEN_H
#define MS_SCREEN_H

#include "error.h"
#include "out/out.h"

#include <stdbool.h>

struct ms_screen {
    void *terminal; /* as curses knows it */
    char *text;
    int head; /* its first lines, of which the last is the head of a table */
    int scroll;
};

/* Take the terminal, and give it back, also at exit().  MS_USAGE: curses does not know it. */
int ms_screen_begin(struct ms_screen *s, struct ms_error *err);
void ms_screen_end(struct ms_screen *s);

/* Let `render` write the text anew, in the width of the screen; it returns how many lines are its head.  On an error the old
 * text stays. */
typedef int ms_render_fn(void *ctx, const struct ms_style *st, FILE *f, int *head, struct ms_error *err);
int ms_screen_render(struct ms_screen *s, const struct ms_style *st, ms_render_fn *render, void *ctx,
                     struct ms_error *err);

/* Draw it, with a line of keys at the bottom. */
void ms_screen_draw(struct ms_screen *s, const char *bottom);
/* A key, or -1 when none came until then (CLOCK_MONOTONIC). */
int ms_screen_key(uint64_t until_ns);
/* Arrows and page keys scroll; false: it is another key. */
bool ms_screen_scrolls(struct ms_screen *s, int key);

#endif
