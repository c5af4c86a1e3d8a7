/* tests/tool/toolterm.c - see toolterm.h.
 *
 * Of a VT100 there is what curses uses: cursor movements, erasing, a scrolling region, reverse video.  A sequence that is not
 * known fails the test, so a screen is never judged by a terminal that misunderstood it.
 */
#include "toolterm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { PATIENCE_MS = 30000 };

static struct termios usual; /* of the terminal, before the tool had it */
static int slave = -1;

/* ---- the screen ---------------------------------------------------------------------------------- */

static void blank(struct tt_terminal *t, int row, int from, int to) {
    for (int c = from; c < to; c++) strcpy(t->cell[row][c], " "), t->marked[row][c] = false;
}

static void scroll_up(struct tt_terminal *t) {
    for (int r = t->top; r < t->bottom; r++) {
        memcpy(t->cell[r], t->cell[r + 1], sizeof t->cell[r]);
        memcpy(t->marked[r], t->marked[r + 1], sizeof t->marked[r]);
    }
    blank(t, t->bottom, 0, t->columns);
}

static void scroll_down(struct tt_terminal *t) {
    for (int r = t->bottom; r > t->top; r--) {
        memcpy(t->cell[r], t->cell[r - 1], sizeof t->cell[r]);
        memcpy(t->marked[r], t->marked[r - 1], sizeof t->marked[r]);
    }
    blank(t, t->top, 0, t->columns);
}

static void line_feed(struct tt_terminal *t) {
    if (t->row == t->bottom)
        scroll_up(t);
    else if (t->row + 1 < t->rows)
        t->row++;
}

static void put(struct tt_terminal *t, const char *c, size_t len) {
    if (t->pending) t->column = 0, line_feed(t), t->pending = false;
    memcpy(t->cell[t->row][t->column], c, len);
    t->cell[t->row][t->column][len] = 0;
    t->marked[t->row][t->column] = t->reverse;
    if (t->column + 1 < t->columns)
        t->column++;
    else
        t->pending = true;
}

static void go_to(struct tt_terminal *t, int row, int column) {
    t->row = row < 0 ? 0 : row >= t->rows ? t->rows - 1 : row;
    t->column = column < 0 ? 0 : column >= t->columns ? t->columns - 1 : column;
    t->pending = false;
}

static void erase_line(struct tt_terminal *t, int how) {
    blank(t, t->row, how == 0 ? t->column : 0, how == 1 ? t->column + 1 : t->columns);
}

static void erase_screen(struct tt_terminal *t, int how) {
    erase_line(t, how);
    for (int r = 0; r < t->rows; r++)
        if ((how == 0 && r > t->row) || (how == 1 && r < t->row) || how == 2) blank(t, r, 0, t->columns);
}

static void set_region(struct tt_terminal *t, int top, int bottom) {
    t->top = top ? top - 1 : 0;
    t->bottom = bottom ? bottom - 1 : t->rows - 1;
    go_to(t, 0, 0);
}

static void turn(struct tt_terminal *t, const int *n, int count) {
    for (int i = 0; i < count; i++) {
        if (n[i] == 0 || n[i] == 27) t->reverse = false;
        if (n[i] == 7) t->reverse = true;
        if ((n[i] == 38 || n[i] == 48) && i + 2 < count) i += 2; /* a colour of 256 */
    }
}

/* ESC [ numbers letter; returns where it ends, NULL: not all of it is here yet. */
static const char *sequence(struct tt_terminal *t, const char *p, const char *end) {
    int n[16] = {0}, count = 0;
    bool private = p < end && (*p == '?' || *p == '>');
    for (p += private; p < end && (*p == ';' || (*p >= '0' && *p <= '9')); p++) {
        if (*p == ';')
            count += count < 15;
        else
            n[count] = n[count] * 10 + (*p - '0');
    }
    if (p == end) return NULL;
    int by = n[0] ? n[0] : 1;
    if (private) return p + 1; /* modes: cursor, keypad, wrapping */
    switch (*p) {
    case 'H': go_to(t, n[0] - (n[0] > 0), n[1] - (n[1] > 0)); break;
    case 'A': go_to(t, t->row - by, t->column); break;
    case 'B': go_to(t, t->row + by, t->column); break;
    case 'C': go_to(t, t->row, t->column + by); break;
    case 'D': go_to(t, t->row, t->column - by); break;
    case 'G': go_to(t, t->row, by - 1); break;
    case 'd': go_to(t, by - 1, t->column); break;
    case 'X': blank(t, t->row, t->column, t->column + by < t->columns ? t->column + by : t->columns); break;
    case 'K': erase_line(t, n[0]); break;
    case 'J': erase_screen(t, n[0]); break;
    case 'm': turn(t, n, count + 1); break;
    case 'r': set_region(t, n[0], n[1]); break;
    case 'l':
    case 'h':
    case 't': break; /* modes, the window's title */
    default: fail_msg("a VT100 of these tests does not know ESC [ ... %c", *p);
    }
    return p + 1;
}

static const char *escape(struct tt_terminal *t, const char *p, const char *end) {
    if (p == end) return NULL;
    switch (*p) {
    case '[': return sequence(t, p + 1, end);
    case '(':
    case ')': return p + 1 < end ? p + 2 : NULL; /* character sets */
    case 'M':
        if (t->row == t->top)
            scroll_down(t);
        else
            go_to(t, t->row - 1, t->column);
        return p + 1;
    case '=':
    case '>':
    case '7':
    case '8': return p + 1;
    default: fail_msg("a VT100 of these tests does not know ESC %c", *p);
    }
    return p + 1;
}

/* What was written; returns how much of it is done, as the end may be cut. */
static size_t show(struct tt_terminal *t, const char *text, size_t len) {
    const char *p = text, *end = text + len;
    while (p < end) {
        unsigned char c = (unsigned char)*p;
        size_t wide = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        if ((size_t)(end - p) < wide) break;
        if (c == 27) {
            const char *next = escape(t, p + 1, end);
            if (!next) break;
            p = next;
            continue;
        }
        if (c == '\r')
            go_to(t, t->row, 0);
        else if (c == '\n')
            line_feed(t), t->pending = false;
        else if (c == '\b')
            go_to(t, t->row, t->column - 1);
        else if (c == '\t')
            go_to(t, t->row, (t->column | 7) + 1);
        else if (c >= ' ')
            put(t, p, wide);
        p += wide;
    }
    return (size_t)(p - text);
}

/* ---- the tool ------------------------------------------------------------------------------------- */

static void take_size(struct tt_terminal *t, int rows, int columns) {
    struct winsize ws = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    assert_true(rows <= TT_ROWS_MOST && columns <= TT_COLUMNS_MOST);
    t->rows = rows;
    t->columns = columns;
    t->top = 0;
    t->bottom = rows - 1;
    assert_int_equal(ioctl(t->master, TIOCSWINSZ, &ws), 0);
}

bool tt_start(struct tt_terminal *t, int rows, int columns, const char *term, const char *const *args) {
    *t = (struct tt_terminal){.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), .raw = calloc(1, 1)};
    if (t->master < 0 || grantpt(t->master) || unlockpt(t->master)) return false;
    const char *name = ptsname(t->master);
    slave =
        open(name, O_RDWR | O_NOCTTY | O_CLOEXEC); /* kept: the settings are read when the tool has ended */
    if (slave < 0) return false;
    assert_int_equal(tcgetattr(slave, &usual), 0);
    take_size(t, rows, columns);
    for (int r = 0; r < TT_ROWS_MOST; r++) blank(t, r, 0, TT_COLUMNS_MOST);
    fflush(NULL);
    t->pid = fork();
    assert_true(t->pid >= 0);
    if (t->pid == 0) {
        char *argv[24] = {(char *)(uintptr_t)tk_tool};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setsid();
        ioctl(slave, TIOCSCTTY, 0);
        for (int i = 0; i < 3; i++) dup2(slave, i);
        setenv("TERM", term ? term : "vt100", 1);
        setenv("LC_ALL", "C.UTF-8", 1);
        for (size_t n = 1; *args && n < 23; args++) argv[n++] = (char *)(uintptr_t)*args;
        execv(tk_tool, argv);
        _exit(126);
    }
    return true;
}

void tt_keys(struct tt_terminal *t, const char *keys) {
    assert_int_equal(write(t->master, keys, strlen(keys)), (ssize_t)strlen(keys));
}

void tt_resize(struct tt_terminal *t, int rows, int columns) { take_size(t, rows, columns); }

/* Take what comes within `ms`; false: nothing did. */
static bool hear(struct tt_terminal *t, int ms) {
    static char rest[64];
    static size_t rests;
    char buf[sizeof rest + 4096];
    struct pollfd p = {.fd = t->master, .events = POLLIN};
    if (poll(&p, 1, ms) <= 0) return false;
    if (t->raw_len == 0) rests = 0;
    memcpy(buf, rest, rests);
    ssize_t n = read(t->master, buf + rests, 4096);
    if (n <= 0) return false;
    t->raw = realloc(t->raw, t->raw_len + (size_t)n + 1);
    assert_non_null(t->raw);
    memcpy(t->raw + t->raw_len, buf + rests, (size_t)n);
    t->raw_len += (size_t)n;
    t->raw[t->raw_len] = 0;
    size_t all = rests + (size_t)n, done = show(t, buf, all);
    rests = all - done;
    assert_true(rests < sizeof rest);
    memcpy(rest, buf + done, rests);
    return true;
}

const char *tt_row(struct tt_terminal *t, int row) {
    char *w = t->line;
    for (int c = 0; c < t->columns; c++) w = stpcpy(w, t->cell[row][c]);
    while (w > t->line && w[-1] == ' ') w--;
    *w = 0;
    return t->line;
}

static int find(struct tt_terminal *t, const char *text) {
    for (int r = 0; r < t->rows; r++)
        if (strstr(tt_row(t, r), text)) return r;
    return -1;
}

static void show_failure(struct tt_terminal *t, const char *what, const char *text) {
    print_error("%s '%s' for %d s; the screen:\n", what, text, PATIENCE_MS / 1000);
    for (int r = 0; r < t->rows; r++) print_error("|%s\n", tt_row(t, r));
    kill(t->pid, SIGKILL);
    waitpid(t->pid, NULL, 0);
    fail();
}

enum found { SOMEWHERE, NOWHERE, AT_ROW, MARKED };

static bool holds(struct tt_terminal *t, const char *text, enum found how, int row) {
    int marked = tt_marked(t);
    switch (how) {
    case SOMEWHERE: return find(t, text) >= 0;
    case NOWHERE: return find(t, text) < 0;
    case AT_ROW: return strstr(tt_row(t, row), text) != NULL;
    default: return marked >= 0 && strstr(tt_row(t, marked), text);
    }
}

static void await(struct tt_terminal *t, const char *text, enum found how, int row) {
    uint64_t until = tk_now_ns() + (uint64_t)PATIENCE_MS * 1000000;
    while (!holds(t, text, how, row))
        if (!hear(t, 1000) && tk_now_ns() > until)
            show_failure(t, how == NOWHERE ? "waited for the end of" : "waited for", text);
}

int tt_expect(struct tt_terminal *t, const char *text) {
    await(t, text, SOMEWHERE, 0);
    return find(t, text);
}

void tt_expect_none(struct tt_terminal *t, const char *text) { await(t, text, NOWHERE, 0); }
void tt_expect_at(struct tt_terminal *t, int row, const char *text) { await(t, text, AT_ROW, row); }
void tt_expect_marked(struct tt_terminal *t, const char *text) { await(t, text, MARKED, 0); }

int tt_marked(struct tt_terminal *t) {
    for (int r = 0; r < t->rows; r++)
        if (t->marked[r][0]) return r;
    return -1;
}

int tt_end(struct tt_terminal *t) {
    int status = 0;
    struct termios now;
    uint64_t until = tk_now_ns() + (uint64_t)PATIENCE_MS * 1000000;
    pid_t ended;
    while ((ended = waitpid(t->pid, &status, WNOHANG)) == 0) {
        (void)hear(t, 20);
        if (tk_now_ns() > until) show_failure(t, "waited for the end of", "the tool");
    }
    assert_int_equal(ended, t->pid);
    while (hear(t, 0)) {}
    assert_int_equal(tcgetattr(slave, &now), 0);
    assert_int_equal(now.c_lflag & (ICANON | ECHO | ISIG), usual.c_lflag & (ICANON | ECHO | ISIG));
    if (strstr(t->raw, "Sanitizer") || strstr(t->raw, "runtime error:")) {
        print_error("%s\n", t->raw);
        fail();
    }
    close(slave);
    close(t->master);
    free(t->raw);
    t->raw = NULL;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
