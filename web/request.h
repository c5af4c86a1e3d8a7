/* request.h - one HTTP/1.x request head, read strictly.
 *
 * Only what this server answers is let through: GET and HEAD, a path, no body.  A head is at most WEB_HEAD_MAX bytes and its
 * target at most WEB_TARGET_MAX.  Nothing is decoded that need not be: a path with %2e is another path than any there is.
 */
#ifndef WEB_REQUEST_H
#define WEB_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

enum { WEB_HEAD_MAX = 8192, WEB_TARGET_MAX = 2048, WEB_FIELDS_MAX = 64 };

/* Texts lie in the buffer that was parsed. */
struct web_request {
    bool head; /* HEAD: the answer has no body */
    const char *path;
    const char *query;         /* behind the '?'; "" */
    const char *host;          /* NULL: none */
    const char *authorization; /* NULL: none */
    const char *accept;        /* "" */
};

enum { WEB_MORE = 0, WEB_OK = 200 };
/* WEB_MORE: the head is not all there yet; WEB_OK; else the status to refuse it with.  buf has room for a byte behind len,
 * and is changed.  Time: proportional to len. */
int web_request_parse(char *buf, size_t len, struct web_request *out);

/* Value of an argument of the query, percent-decoded; false: it is not there, or too long for out. */
bool web_query(const struct web_request *q, const char *key, char *out, size_t room);

/* Do they hold the same text?  Takes time by the length of `given` alone. */
bool web_same_secret(const char *secret, const char *given);
/* Does the Authorization field carry this token: "Bearer TOKEN", or "Basic" with it as the password? */
bool web_authorized(const char *field, const char *token);

#endif
