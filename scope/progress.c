/* progress.c - see progress.h.
 *
 * A walk over a heap or a scan of memory has many loops, in parts that know no terminal.  All of them read through one
 * struct ms_reader, which counts; so a timer looks at that count, and no loop has to say how far it is:
 *
 *   mapscope: reading process 4711 (server): 1.2G in 3 s
 *
 * The handler writes with write(2) alone.  System calls it interrupts go on (SA_RESTART).  What it looks at is static, as
 * a handler gets no argument.
 */
#include "progress.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum { FIRST_MS = 1000, EACH_MS = 250, LINE = 128, NAME_MOST = 48 };

static const struct ms_reader *volatile counted;
static const char *volatile called;
static volatile sig_atomic_t ticks, shown;

static char *put_text(char *w, const char *s, size_t most) {
    while (*s && most--) {
        *w++ = *s >= ' ' && *s < 0x7f ? *s : '?';
        s++;
    }
    return w;
}

static char *put_number(char *w, uint64_t n) {
    char digit[20];
    int have = 0;
    do digit[have++] = (char)('0' + n % 10);
    while (n /= 10);
    while (have) *w++ = digit[--have];
    return w;
}

/* At most four digits and a unit. */
static char *put_bytes(char *w, uint64_t n) {
    static const char unit[] = "BKMGTPE";
    uint64_t tenths = n * 10;
    int i = 0;
    for (; n >= 1024; n /= 1024, i++) tenths = n * 10 / 1024;
    w = put_number(w, i && tenths < 100 ? tenths / 10 : n);
    if (i && tenths < 100) *w++ = '.', *w++ = (char)('0' + tenths % 10);
    *w++ = unit[i];
    return w;
}

static void show(int signal) {
    char line[LINE], *w = line;
    const struct ms_reader *r = counted;
    (void)signal;
    if (!r) return;
    *w++ = '\r';
    w = put_text(w, "mapscope: reading ", LINE);
    w = put_text(w, called, NAME_MOST);
    w = put_text(w, ": ", 2);
    w = put_bytes(w, r->bytes);
    w = put_text(w, " in ", 4);
    w = put_number(w, (uint64_t)(FIRST_MS + ticks * EACH_MS) / 1000);
    w = put_text(w, " s", 2);
    memcpy(w, "\033[K", 3);
    ticks++;
    shown = 1;
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)(w + 3 - line));
    (void)ignored;
}

void ms_progress_begin(const char *name, const struct ms_reader *r) {
    const char *term = getenv("TERM");
    struct sigaction on = {.sa_handler = show, .sa_flags = SA_RESTART};
    struct itimerval t = {.it_value = {.tv_sec = FIRST_MS / 1000},
                          .it_interval = {.tv_usec = EACH_MS * 1000}};
    if (!isatty(STDERR_FILENO) || !term || strcmp(term, "dumb") == 0) return;
    called = name;
    counted = r;
    ticks = 0;
    sigemptyset(&on.sa_mask);
    if (sigaction(SIGALRM, &on, NULL) == 0) setitimer(ITIMER_REAL, &t, NULL);
}

void ms_progress_end(void) {
    if (!counted) return;
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {0}}, NULL);
    counted = NULL;
    ssize_t ignored = shown ? write(STDERR_FILENO, "\r\033[K", 4) : 0;
    (void)ignored;
    shown = 0;
}
