/* text.c - text that is safe to print, and numbers people can read.
 *
 * Names come from the target and may hold anything: escape sequences that repaint the terminal, marks that
 * turn the reading direction, half a UTF-8 sequence.  What is not plainly visible is written as an escape,
 * in every format by that format's own rules.
 */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

/* One UTF-8 character; length 0: not valid at this place. */
static size_t decode(const char *s, uint32_t *out) {
    const uint8_t *p = (const uint8_t *)s;
    if (p[0] < 0x80) return *out = p[0], 1;
    size_t n = p[0] >= 0xf0 && p[0] < 0xf5   ? 4
               : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
               : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                                             : 0;
    uint32_t c = n == 4 ? p[0] & 7u : n == 3 ? p[0] & 15u : p[0] & 31u;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0; /* also ends at the NUL */
        c = c << 6 | (p[i] & 63u);
    }
    if (n == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) return 0;
    if (n == 4 && (c < 0x10000 || c > 0x10ffff)) return 0;
    return *out = c, n;
}

/* Controls, and characters that show nothing or change how others show. */
static bool hidden(uint32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x180e ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
           c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff) ||
           (c >= 0xe000 && c <= 0xf8ff) || (c & 0xfffe) == 0xfffe;
}

/* Bytes at the start of s that every terminal shows as they are: all of nearly every text. */
static size_t plain(const char *s) {
    size_t n = 0;
    while (s[n] >= 0x20 && s[n] < 0x7f) n++;
    return n;
}

char *ms_text_escape(const char *s, bool utf8) {
    if (s[plain(s)] == 0) return ms_strdup(s);
    char *out = ms_alloc(strlen(s) * 10 + 1), *w = out;
    while (*s) {
        uint32_t c = 0;
        size_t n = decode(s, &c);
        if (n == 0 || (!utf8 && c >= 0x80 && n > 0)) {
            size_t bytes = n ? n : 1;
            while (bytes--) w += sprintf(w, "\\x%02x", (uint8_t)*s++);
            continue;
        }
        if (c == '\n' || c == '\t' || c == '\r')
            w += sprintf(w, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
        else if (c < 0x80 && hidden(c))
            w += sprintf(w, "\\x%02x", c);
        else if (c >= 0x80 && (hidden(c) || wcwidth((wchar_t)c) <= 0))
            w += sprintf(w, "\\u{%x}", c);
        else
            memcpy(w, s, n), w += n;
        s += n;
    }
    *w = 0;
    return ms_grow(out, strlen(out) + 1, 1);
}

static int char_width(uint32_t c) {
    int w = c < 0x80 ? 1 : wcwidth((wchar_t)c);
    return w < 0 ? 1 : w;
}

int ms_text_width(const char *s) {
    size_t ascii = plain(s);
    int width = (int)ascii;
    s += ascii;
    while (*s) {
        uint32_t c = '?';
        size_t n = decode(s, &c);
        width += char_width(c);
        s += n ? n : 1;
    }
    return width;
}

/* Bytes of the longest beginning of s that fits in `room` columns. */
static size_t fitting(const char *s, int room) {
    size_t at = 0;
    while (s[at]) {
        uint32_t c = '?';
        size_t n = decode(s + at, &c);
        if (char_width(c) > room) break;
        room -= char_width(c);
        at += n ? n : 1;
    }
    return at;
}

/* The longest end of s that takes at most `room` columns; combining marks stay with what they stand on. */
static const char *ending(const char *s, int room) {
    for (int drop = ms_text_width(s) - room; drop > 0; drop = ms_text_width(s) - room) {
        size_t n = fitting(s, drop);
        s += n ? n : fitting(s, drop + 1);
    }
    return s;
}

char *ms_text_fitted(const char *s, int width, int tail, bool utf8) {
    const char *mark = utf8 ? "…" : "~", *end = "";
    int have = ms_text_width(s), used = have;
    size_t head = strlen(s), mark_len = 0;
    if (have > width) {
        tail = width < 1 ? 0 : tail < width - 1 ? tail : width - 1;
        end = ending(s, tail);
        used = ms_text_width(end) + (width > 0);
        head = fitting(s, width - used);
        mark_len = width > 0 ? strlen(mark) : 0;
    }
    size_t end_len = strlen(end), len = head + mark_len + end_len;
    char *out = ms_alloc(len + (size_t)(width > 0 ? width : 0) + 1);
    memcpy(out, s, head);
    memcpy(out + head, mark, mark_len);
    memcpy(out + head + mark_len, end, end_len);
    for (used = ms_text_width(out); used < width; used++) out[len++] = ' ';
    return out;
}

void ms_text_fit(FILE *f, const char *s, int width, bool utf8) {
    char *cell = ms_text_fitted(s, width, 0, utf8);
    fputs(cell, f);
    free(cell);
}

void ms_text_cut(FILE *f, const char *s, int width, bool utf8) {
    int have = ms_text_width(s);
    if (width <= 0 || have <= width)
        fputs(s, f);
    else
        ms_text_fit(f, s, width, utf8);
}

/* Decimal digits of n, ended; returns where they end. */
static char *digits(char *w, uint64_t n) {
    char turned[20];
    int have = 0;
    do turned[have++] = (char)('0' + n % 10);
    while (n /= 10);
    while (have) *w++ = turned[--have];
    *w = 0;
    return w;
}

/* One decimal below 100, none above, rounded to the nearest, ties to even. */
static const char *scaled(uint64_t n, uint64_t unit, char buf[16]) {
    static const char letter[] = "KMGTPE";
    __extension__ typedef unsigned __int128 wide;
    uint64_t one = unit;
    int i = 0;
    /* 999.96 would print as 1000.0 */
    while (i < 5 && (wide)n * 2 >= (wide)one * 1999) one *= unit, i++;
    bool tenths = (wide)n * 100 < (wide)one * 9995;
    wide top = (wide)n * (tenths ? 10 : 1), rest = top % one * 2;
    uint64_t q = (uint64_t)(top / one);
    q += rest > one || (rest == one && (q & 1));
    char *w = digits(buf, tenths ? q / 10 : q);
    if (tenths) *w++ = '.', w = digits(w, q % 10);
    *w++ = letter[i];
    *w = 0;
    return buf;
}

const char *ms_text_bytes(uint64_t n, char buf[16]) {
    if (n < 1000) return digits(buf, n), buf;
    if (n < 1024) return strcpy(buf, "1.0K");
    return scaled(n, 1024, buf);
}

const char *ms_text_count(uint64_t n, char buf[16]) {
    if (n < 10000000) return digits(buf, n), buf;
    return scaled(n, 1000, buf);
}

const char *ms_text_moment(uint64_t wall_ns, char buf[32]) {
    time_t t = (time_t)(wall_ns / 1000000000u);
    struct tm tm;
    if (!localtime_r(&t, &tm) || !strftime(buf, 32, "%Y-%m-%d %H:%M:%S", &tm)) strcpy(buf, "?");
    return buf;
}

const char *ms_text_duration(uint64_t ns, char buf[32]) {
    uint64_t s = ns / 1000000000u;
    if (s < 10)
        snprintf(buf, 32, "%.1fs", (double)ns / 1e9);
    else if (s < 120)
        snprintf(buf, 32, "%" PRIu64 "s", s);
    else if (s < 7200)
        snprintf(buf, 32, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
    else if (s < 172800)
        snprintf(buf, 32, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
    else
        snprintf(buf, 32, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
    return buf;
}

void ms_text_bar(FILE *f, const struct ms_style *st, double share, int room) {
    static const char *const eighth[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int eighths = (int)(share * room * 8 + 0.5);
    for (int i = 0; i < eighths / 8; i++) fputs(st->utf8 ? "█" : "#", f);
    if (st->utf8) fputs(eighth[eighths % 8], f);
}

const char *ms_text_wall(uint64_t ns, char buf[32]) {
    time_t t = (time_t)(ns / 1000000000u);
    struct tm tm;
    char text[24];
    if (gmtime_r(&t, &tm) && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm))
        snprintf(buf, 32, "%s.%06" PRIu64 "Z", text, ns / 1000 % 1000000);
    else
        snprintf(buf, 32, "%" PRIu64 " ns", ns);
    return buf;
}

void ms_text_xml(FILE *f, const char *s) {
    while (*s) {
        uint32_t c = 0;
        size_t n = decode(s, &c);
        if (n == 0)
            fputs("&#xFFFD;", f);
        else if (c == '<')
            fputs("&lt;", f);
        else if (c == '>')
            fputs("&gt;", f);
        else if (c == '&')
            fputs("&amp;", f);
        else if (c == '"')
            fputs("&quot;", f);
        else if (c == '\'')
            fputs("&#39;", f);
        else if (hidden(c))
            c < 0x80 ? fprintf(f, "\\x%02x", c) : fprintf(f, "\\u{%x}", c);
        else
            fwrite(s, 1, n, f);
        s += n ? n : 1;
    }
}
