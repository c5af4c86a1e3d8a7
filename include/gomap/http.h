/* gomap/http.h - a program that shows its own maps over HTTP.  Library gomap-http; link it beside gomap.
 *
 *     gomap_http *http;
 *     char why[256];
 *     if (gomap_http_start(NULL, &http, why)) fprintf(stderr, "%s\n", why);
 *     printf("http://%s/\n", gomap_http_address(http));
 *     ...
 *     gomap_http_stop(http);
 *
 *     go tool pprof http://127.0.0.1:7072/debug/pprof/heap      where the memory of maps comes from (observe.h)
 *     curl http://127.0.0.1:7072/metrics                        for Prometheus
 *
 * Paths: /metrics, /healthz, /api/v1/maps, /api/v1/metrics, /api/v1/forecast and Go's /debug/pprof/, with the documents of
 * mapscope; / lists them.  A thread of the library answers; a program under load is looked at once a second at most, and only
 * when somebody asks.  Maps are read as mapscope reads them from outside: their threads wait for nothing.
 *
 * Only this machine can reach it, and no page of a browser (Host must be literally the address); any other address needs a
 * token.  At most 64 connections at a time, the slowest goes first.
 */
#ifndef GOMAP_HTTP_H
#define GOMAP_HTTP_H

#include "gomap/gomap.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gomap_http gomap_http;

/* listen: "PORT", "ADDRESS:PORT" or "[ADDRESS]:PORT", in digits, port 0 a free one; NULL: 127.0.0.1:7072.
 * token: asked for as bearer token or password, at least 16 characters; NULL: none. */
typedef struct gomap_http_config {
    size_t size; /* sizeof(gomap_http_config) */
    const char *listen;
    const char *token;
} gomap_http_config;

/* Start serving.  config NULL: the defaults.  GOMAP_EINVAL: it cannot listen there, or may not without a token; GOMAP_ENOMEM:
 * no memory, thread or descriptor.  Then *out is NULL and why, if it is not NULL, a line.  Texts are copied. */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_http_start(const gomap_http_config *config, gomap_http **out,
                                                    char why[256]);
/* "127.0.0.1:7072": where it listens.  Lives until gomap_http_stop. */
GOMAP_API const char *gomap_http_address(const gomap_http *http);
/* Stop, when what is being answered is answered; NULL: nothing.  Not needed before the program ends.  A child of fork() has no
 * server, and must not call it. */
GOMAP_API void gomap_http_stop(gomap_http *http);

#ifdef __cplusplus
}
#endif
#endif
