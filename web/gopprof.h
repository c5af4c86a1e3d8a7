/* gopprof.h - what Go's net/http/pprof answers besides profiles: its index, its arguments, its errors. */
#ifndef WEB_GOPPROF_H
#define WEB_GOPPROF_H

#include "server.h"

/* An error as Go writes it: a line of text, marked. */
void web_go_error(struct web_reply *r, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The arguments of heap, allocs and the like.  false: answered with an error.  gc and debug are taken and change nothing: the
 * memory of C is not collected, and a profile is always a binary one. */
bool web_go_arguments(const struct web_request *q, struct web_reply *r, const char *name);
/* The index without its slash leads to it. */
void web_go_elsewhere(void *ctx, const struct web_request *q, struct web_reply *r);
/* /healthz: who answers is well. */
void web_healthy(void *ctx, const struct web_request *q, struct web_reply *r);
/* Handlers for names that have no profile. */
void web_go_unknown(void *ctx, const struct web_request *q, struct web_reply *r);
void web_go_cpu(void *ctx, const struct web_request *q, struct web_reply *r);
/* A profile of contention without a sample: for what has no locks to wait for. */
void web_go_no_contention(void *ctx, const struct web_request *q, struct web_reply *r);
/* A page of the routes with a text `about` that begin with prefix. */
void web_index(struct web_reply *r, const char *title, const struct web_route *route, const char *prefix);

#endif
