/* request.c - one HTTP request head, read strictly; request.h says what is let through.
 *
 *   GET /metrics?x=1 HTTP/1.1 CRLF            method SP target SP version
 *   Host: 127.0.0.1:7071 CRLF                 name ":" value, each line of its own
 *   CRLF                                      the end; what follows would be a body, and is refused
 *
 * What one reader takes for the end of a line and another does not is how requests are smuggled: a bare CR or LF, a NUL, a
 * continued line, a space before the colon are refused.
 */
#include "request.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_token(const char *s, size_t n) {
    static const char also[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && !memchr(also, c, sizeof also - 1)) return false;
    }
    return n > 0;
}

/* Printable, and no '#': that never comes to a server. */
static bool is_target(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f || *s == '#') return false;
    return true;
}

static int request_line(char *line, struct web_request *q) {
    char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version) return 400;
    *target++ = 0;
    *version++ = 0;
    if (!is_token(line, strlen(line)) || !is_target(target)) return 400;
    if (strlen(target) > WEB_TARGET_MAX) return 414;
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        return strncmp(version, "HTTP/", 5) == 0 ? 505 : 400;
    q->head = strcmp(line, "HEAD") == 0;
    if (!q->head && strcmp(line, "GET") != 0) return 405;
    if (*target != '/') return strstr(target, "://") ? 403 : 400; /* another host's name beside Host */
    char *query = strchr(target, '?');
    if (query) *query++ = 0;
    q->path = target;
    q->query = query ? query : "";
    return WEB_OK;
}

static int field(char *line, struct web_request *q) {
    char *colon = strchr(line, ':');
    if (!colon || !is_token(line, (size_t)(colon - line))) return 400;
    *colon = 0;
    char *value = colon + 1 + strspn(colon + 1, " \t"), *end = value + strlen(value);
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) *--end = 0;
    for (const char *p = value; *p; p++)
        if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f) return 400;
    if (strcasecmp(line, "Host") == 0) {
        if (q->host) return 403;
        q->host = value;
    } else if (strcasecmp(line, "Transfer-Encoding") == 0) {
        return 413;
    } else if (strcasecmp(line, "Content-Length") == 0) {
        if (strcmp(value, "0") != 0) return 413;
    } else if (strcasecmp(line, "Authorization") == 0) {
        if (q->authorization) return 400;
        q->authorization = value;
    } else if (strcasecmp(line, "Accept") == 0) {
        q->accept = value;
    }
    return WEB_OK;
}

/* The end of a line: replaced by a NUL.  NULL: none, or a bare CR or LF before it. */
static char *cut_line(char *line) {
    char *end = line + strcspn(line, "\r\n");
    if (end[0] != '\r' || end[1] != '\n') return NULL;
    *end = 0;
    return end + 2;
}

int web_request_parse(char *buf, size_t len, struct web_request *out) {
    const char *end = memmem(buf, len, "\r\n\r\n", 4), *line_end = memchr(buf, '\n', len);
    size_t first = line_end ? (size_t)(line_end - buf) : len;
    *out = (struct web_request){.query = "", .accept = ""};
    if (memchr(buf, 0, end ? (size_t)(end - buf) : len)) return 400;
    if (first > WEB_TARGET_MAX + sizeof "HEAD  HTTP/1.1") return 414;
    if (!end) return len < WEB_HEAD_MAX ? WEB_MORE : 431;
    if ((size_t)(end - buf) + 4 > WEB_HEAD_MAX) return 431;
    buf[end - buf + 2] = 0;
    char *next = cut_line(buf);
    int status = next ? request_line(buf, out) : 400;
    for (int fields = 0; status == WEB_OK && *next; fields++) {
        char *line = next;
        next = cut_line(line);
        status = !next ? 400 : fields >= WEB_FIELDS_MAX ? 431 : field(line, out);
    }
    if (status == WEB_OK && (size_t)(end - buf) + 4 < len) status = 413; /* a body, or a second request */
    return status;
}

/* ---- arguments ----------------------------------------------------------------------------------- */

static int hex(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool decode(const char *s, size_t n, char *out, size_t room) {
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i] == '+' ? ' ' : s[i];
        if (c == '%') {
            if (i + 2 >= n || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0) return false;
            c = (char)(hex(s[i + 1]) << 4 | hex(s[i + 2]));
            i += 2;
        }
        if (at + 1 >= room || c == 0) return false;
        out[at++] = c;
    }
    out[at] = 0;
    return true;
}

bool web_query(const struct web_request *q, const char *key, char *out, size_t room) {
    size_t len = strlen(key);
    for (const char *p = q->query; *p; p += strcspn(p, "&"), p += *p == '&') {
        size_t n = strcspn(p, "&");
        if (n > len && memcmp(p, key, len) == 0 && p[len] == '=')
            return decode(p + len + 1, n - len - 1, out, room);
    }
    return false;
}

/* ---- secrets ------------------------------------------------------------------------------------- */

bool web_same_secret(const char *secret, const char *given) {
    size_t have = strlen(secret), n = strlen(given);
    volatile size_t differ = have ^ n;
    for (size_t i = 0; i < n; i++)
        differ |= (unsigned char)given[i] ^ (unsigned char)secret[have ? i % have : 0];
    return differ == 0;
}

static int base64(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = c ? memchr(digits, c, sizeof digits - 1) : NULL;
    return p ? (int)(p - digits) : -1;
}

/* "user:password", of at most room - 1 bytes. */
static bool credentials(const char *s, char *out, size_t room) {
    size_t at = 0;
    unsigned bits = 0, have = 0;
    for (; base64(*s) >= 0; s++) {
        bits = bits << 6 | (unsigned)base64(*s);
        have += 6;
        if (have < 8) continue;
        have -= 8;
        if (at + 1 >= room) return false;
        out[at++] = (char)(bits >> have & 0xff);
    }
    out[at] = 0;
    return s[strspn(s, "=")] == 0 && strlen(out) == at;
}

bool web_authorized(const char *given, const char *token) {
    char pair[512];
    if (!given) return false;
    if (strncasecmp(given, "Bearer ", 7) == 0)
        return web_same_secret(token, given + 7 + strspn(given + 7, " "));
    if (strncasecmp(given, "Basic ", 6) != 0 ||
        !credentials(given + 6 + strspn(given + 6, " "), pair, sizeof pair))
        return false;
    const char *colon = strchr(pair, ':');
    return colon && web_same_secret(token, colon + 1);
}
