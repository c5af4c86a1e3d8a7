/* tests/tool/toolterm.h - the tool on a terminal that the test sees: a pseudo terminal, and a VT100 that keeps its screen.
 *
 * Nothing here sleeps: a key is sent, and then a text is awaited on the screen.
 */
#ifndef TESTS_TOOLTERM_H
#define TESTS_TOOLTERM_H

#include "toolkit.h"

enum { TT_ROWS_MOST = 60, TT_COLUMNS_MOST = 200, TT_CELL = 8 };

struct tt_terminal {
    pid_t pid;
    int master;
    int rows, columns;
    int row, column, top, bottom; /* the cursor; the region that scrolls */
    bool pending;                 /* the last column was written: the next character wraps */
    bool reverse, marked[TT_ROWS_MOST][TT_COLUMNS_MOST];
    char cell[TT_ROWS_MOST][TT_COLUMNS_MOST][TT_CELL]; /* a character each, in UTF-8 */
    char line[TT_COLUMNS_MOST * TT_CELL];              /* what tt_row returned last */
    char *raw;                                         /* all that was written */
    size_t raw_len;
};

/* Start the tool on a terminal of that size.  false: there are no pseudo terminals.  term NULL: vt100. */
bool tt_start(struct tt_terminal *t, int rows, int columns, const char *term, const char *const *args);
#define TT_START(t, ...) tt_start((t), 24, 80, NULL, (const char *const[]){__VA_ARGS__, NULL})
/* Keys, as bytes; and those a VT100 has sequences for. */
void tt_keys(struct tt_terminal *t, const char *keys);
#define TT_UP    "\033OA"
#define TT_DOWN  "\033OB"
#define TT_RIGHT "\033OC"
#define TT_LEFT  "\033OD"
void tt_resize(struct tt_terminal *t, int rows, int columns);
/* Wait until the text stands in one row of the screen, or does not; a test that waits half a minute has failed.  Returns the row. */
int tt_expect(struct tt_terminal *t, const char *text);
void tt_expect_none(struct tt_terminal *t, const char *text);
/* The same of one row; of the row that is shown in reverse. */
void tt_expect_at(struct tt_terminal *t, int row, const char *text);
void tt_expect_marked(struct tt_terminal *t, const char *text);
/* A row, without blanks at its end. */
const char *tt_row(struct tt_terminal *t, int row);
/* The row that is shown in reverse from its first column on; -1: none. */
int tt_marked(struct tt_terminal *t);
/* Wait until the tool has ended: its exit code, or 128 + signal; and the settings of the terminal are as before. */
int tt_end(struct tt_terminal *t);

#endif
