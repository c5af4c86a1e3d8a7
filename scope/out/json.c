/* json.c - a JSON writer that streams: a million maps need no tree in memory.
 *
 * Strings from the target: valid UTF-8 stays, controls and characters that are not plainly visible become
 * \uXXXX, a byte that is not UTF-8 becomes U+FFFD.  Elements of the two outer levels stand on lines of their
 * own, so that line tools work too.
 */
#include "out.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { OWN_LINES = 2 };

void ms_json_begin(struct ms_json *j, FILE *f) { *j = (struct ms_json){.f = f}; }

void ms_json_end(struct ms_json *j) { fputc('\n', j->f); }

static void put_string(FILE *f, const char *s) {
    fputc('"', f);
    for (const uint8_t *p = (const uint8_t *)s; *p;) {
        size_t n = *p < 0x80                 ? 1
                   : *p >= 0xc2 && *p < 0xe0 ? 2
                   : *p >= 0xe0 && *p < 0xf0 ? 3
                   : *p >= 0xf0 && *p < 0xf5 ? 4
                                             : 0;
        uint32_t c = n == 1 ? *p : n == 2 ? *p & 31u : n == 3 ? *p & 15u : *p & 7u;
        size_t i = 1;
        for (; i < n && (p[i] & 0xc0) == 0x80; i++) c = c << 6 | (p[i] & 63u);
        bool valid = n && i == n && !(n == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) &&
                     !(n == 4 && (c < 0x10000 || c > 0x10ffff));
        if (!valid) {
            fputs("\\ufffd", f);
            p++;
            continue;
        }
        if (c == '"' || c == '\\')
            fprintf(f, "\\%c", (char)c);
        else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
                 (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff)
            fprintf(f, "\\u%04x", c);
        else
            fwrite(p, 1, n, f);
        p += n;
    }
    fputc('"', f);
}

/* Comma, line and key before a value. */
static void lead(struct ms_json *j, const char *key) {
    if (j->depth > 0) {
        if (j->some[j->depth]) fputc(',', j->f);
        j->some[j->depth] = true;
        if (j->depth <= OWN_LINES && !j->one_line) fprintf(j->f, "\n%*s", j->depth, "");
    }
    if (!key) return;
    put_string(j->f, key);
    fputc(':', j->f);
}

static void open_with(struct ms_json *j, const char *key, char bracket) {
    lead(j, key);
    fputc(bracket, j->f);
    if (j->depth + 1 < (int)(sizeof j->some / sizeof *j->some)) j->some[++j->depth] = false;
}

void ms_json_object(struct ms_json *j, const char *key) { open_with(j, key, '{'); }
void ms_json_array(struct ms_json *j, const char *key) { open_with(j, key, '['); }

void ms_json_close(struct ms_json *j, char bracket) {
    bool some = j->some[j->depth], lines = j->depth <= OWN_LINES && !j->one_line;
    j->depth--;
    if (some && lines) fprintf(j->f, "\n%*s", j->depth, "");
    fputc(bracket, j->f);
}

void ms_json_text(struct ms_json *j, const char *key, const char *s) {
    lead(j, key);
    if (s)
        put_string(j->f, s);
    else
        fputs("null", j->f);
}

void ms_json_number(struct ms_json *j, const char *key, uint64_t n) {
    lead(j, key);
    /* Most readers hold 63 bits and refuse the whole document beyond: no true figure is that large. */
    fprintf(j->f, "%" PRIu64, ms_min(n, INT64_MAX));
}

void ms_json_raw(struct ms_json *j, const char *key, const char *number) {
    lead(j, key);
    fputs(number, j->f);
}

void ms_json_known(struct ms_json *j, const char *key, uint64_t n) {
    if (n != MS_UNKNOWN) {
        ms_json_number(j, key, n);
        return;
    }
    ms_json_text(j, key, NULL);
}

void ms_json_ratio(struct ms_json *j, const char *key, double v) {
    lead(j, key);
    if (isfinite(v))
        fprintf(j->f, "%.6g", v);
    else
        fputs("null", j->f);
}

void ms_json_bool(struct ms_json *j, const char *key, bool v) {
    lead(j, key);
    fputs(v ? "true" : "false", j->f);
}
