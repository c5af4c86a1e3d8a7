/* server.h - a small HTTP server for looking at a process: answers GET, trusts nobody, cannot be held up.
 *
 *   loop thread    accepts, reads heads, answers, drops whoever is slow        one poll(2), WEB_CONNECTIONS at most
 *   another one    only while a site makes itself fresh (reads a target)       so that slow looks hold up nobody else
 *
 * One request a connection.  A new connection when all are taken costs the oldest that has not sent its request yet: a
 * thousand that dawdle keep no one else out.  Routes are literal paths.  Host must be literally an address it listens on, so
 * that no page of another site can read it by a name of its own; any address but loopback needs a token too.
 *
 * Needs libc alone.  Memory: WEB_CONNECTIONS heads, and answers while they are sent.
 */
#ifndef WEB_SERVER_H
#define WEB_SERVER_H

#include "request.h"

#include <stdint.h>
#include <stdio.h>

enum {
    WEB_CONNECTIONS = 64,
    WEB_HEAD_MS = 5000,   /* for the whole head */
    WEB_STALL_MS = 10000, /* without a byte of an answer taken */
};

struct web_reply {
    int status;           /* 200 unless it is set */
    const char *type;     /* Content-Type; "text/plain; charset=utf-8" unless it is set */
    const char *filename; /* of an attachment; NULL: none */
    const char *location; /* of a redirect; NULL: none */
    bool go_error;        /* mark it as Go's profile handlers mark errors */
    FILE *out;            /* the body */
};

typedef void web_handler(void *ctx, const struct web_request *q, struct web_reply *r);
struct web_route {
    const char *path; /* may end with '*': all that begin so and stand in no row before */
    web_handler *handler;
    const char *about; /* for lists of routes; NULL: not in them */
    bool fresh;        /* answer only when the site is fresh */
};

/* What is served.  All but refresh run on the loop thread. */
struct web_site {
    void *ctx;
    const struct web_route *route;                              /* the last has path NULL */
    bool (*is_fresh)(void *ctx, const struct web_route *route); /* NULL: always */
    void (*refresh)(void *ctx);                                 /* on a thread of its own, one at a time */
    void (*adopt)(void *ctx); /* what refresh made is from now on what handlers see */
};

struct web_server;
/* Listen at "PORT", ":PORT", "ADDRESS:PORT" or "[ADDRESS]:PORT", numeric or localhost.  Without an address, or localhost: at
 * 127.0.0.1 and ::1.  Port 0: a free one.  token: NULL, or at least 16 characters; other addresses than loopback need one.
 * stop_fd: web_server_run returns when it can be read.  NULL: why holds a line. */
struct web_server *web_server_open(const char *listen, const char *token, const struct web_site *site,
                                   int stop_fd, char why[256]);
/* "127.0.0.1:7071": the first address it listens at. */
const char *web_server_address(const struct web_server *s);
/* Serve until stop_fd can be read.  false: poll failed. */
bool web_server_run(struct web_server *s);
void web_server_close(struct web_server *s);

const struct web_route *web_route_find(const struct web_route *route, const char *path);

#endif
