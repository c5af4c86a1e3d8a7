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

char *ms_text_escape(const char *s, bool utf8) {
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
    int width = 0;
    while (*s) {
        uint32_t c = '?';
        size_t n = decode(s, &c);
        width += char_width(c);
        s += n ? n : 1;
    }
    return width;
}

/* Print s[0..n) and count its columns. */
static int put_some(FILE *f, const char *s, size_t n) {
    int used = 0;
    for (size_t at = 0; at < n;) {
        uint32_t c = '?';
        size_t len = decode(s + at, &c);
        if (len == 0) len = 1;
        fwrite(s + at, 1, len, f);
        used += char_width(c);
        at += len;
    }
    return used;
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

void ms_text_fit(FILE *f, const char *s, int width, bool keep_end, bool utf8) {
    int have = ms_text_width(s), used = 0;
    if (have <= width) {
        used = put_some(f, s, strlen(s));
    } else if (width > 0 && !keep_end) {
        used = put_some(f, s, fitting(s, width - 1)) + 1;
        fputs(utf8 ? "…" : "~", f);
    } else if (width > 0) {
        fputs(utf8 ? "…" : "~", f);
        const char *end = s + fitting(s, have - (width - 1));
        while (ms_text_width(end) > width - 1) end += fitting(end, 1) ? fitting(end, 1) : fitting(end, 2);
        used = 1 + put_some(f, end, strlen(end));
    }
    for (; used < width; used++) fputc(' ', f);
}

void ms_text_cut(FILE *f, const char *s, int width, bool utf8) {
    int have = ms_text_width(s);
    if (width <= 0 || have <= width)
        fputs(s, f);
    else
        ms_text_fit(f, s, width, false, utf8);
}

static const char *scaled(uint64_t n, double unit, char buf[16]) {
    static const char letter[] = "KMGTPE";
    double v = (double)n;
    int i = -1;
    while (v >= unit && i < 5) v /= unit, i++;
    /* 999.96 would print as 1000.0 */
    if (i < 5 && v >= 999.5) v /= unit, i++;
    snprintf(buf, 16, v < 99.95 ? "%.1f%c" : "%.0f%c", v, letter[i < 0 ? 0 : i]);
    return buf;
}

const char *ms_text_bytes(uint64_t n, char buf[16]) {
    if (n < 1000) return snprintf(buf, 16, "%" PRIu64, n), buf;
    if (n < 1024) return snprintf(buf, 16, "1.0K"), buf;
    return scaled(n, 1024, buf);
}

const char *ms_text_count(uint64_t n, char buf[16]) {
    if (n < 10000000) return snprintf(buf, 16, "%" PRIu64, n), buf;
    return scaled(n, 1000, buf);
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
