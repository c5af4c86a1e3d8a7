/* gopprof.c - the parts of Go's /debug/pprof/ that are the same for every program: gopprof.h. */
#include "gopprof.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void web_go_error(struct web_reply *r, int status, const char *fmt, ...) {
    va_list args;
    r->status = status;
    r->go_error = true;
    r->filename = NULL;
    r->type = "text/plain; charset=utf-8";
    va_start(args, fmt);
    vfprintf(r->out, fmt, args);
    va_end(args);
    fputc('\n', r->out);
}

bool web_go_arguments(const struct web_request *q, struct web_reply *r, const char *name) {
    char seconds[32] = "", debug[32] = "", *end;
    bool asked = strstr(q->query, "seconds=") != NULL;
    web_query(q, "debug", debug, sizeof debug);
    if (asked && web_query(q, "seconds", seconds, sizeof seconds) && *seconds) {
        long long n = strtoll(seconds, &end, 10);
        if (*end || n <= 0)
            web_go_error(r, 400, "invalid value for \"seconds\" - must be a positive integer");
        else if (atoi(debug) != 0)
            web_go_error(r, 400, "seconds and debug params are incompatible");
        else
            web_go_error(
                r, 501,
                "no difference over time is made here: take two profiles, and go tool pprof -diff_base");
        return false;
    }
    r->type = "application/octet-stream";
    r->filename = name;
    return true;
}

void web_go_elsewhere(void *ctx, const struct web_request *q, struct web_reply *r) {
    (void)ctx, (void)q;
    r->status = 301;
    r->location = "/debug/pprof/";
}

void web_healthy(void *ctx, const struct web_request *q, struct web_reply *r) {
    (void)ctx, (void)q;
    fputs("ok\n", r->out);
}

void web_go_unknown(void *ctx, const struct web_request *q, struct web_reply *r) {
    (void)ctx, (void)q;
    web_go_error(r, 404, "Unknown profile");
}

void web_go_cpu(void *ctx, const struct web_request *q, struct web_reply *r) {
    (void)ctx, (void)q;
    web_go_error(r, 500,
                 "Could not enable CPU profiling: this is about maps; perf record sees the same process");
}

/* A message of profile.proto: sample_type contentions/count and delay/nanoseconds, their texts, period_type and period as Go
 * has them. */
void web_go_no_contention(void *ctx, const struct web_request *q, struct web_reply *r) {
    static const char message[] = "\x0a\x04\x08\x01\x10\x02"
                                  "\x0a\x04\x08\x03\x10\x04"
                                  "\x32\x00"
                                  "\x32\x0b"
                                  "contentions"
                                  "\x32\x05"
                                  "count"
                                  "\x32\x05"
                                  "delay"
                                  "\x32\x0b"
                                  "nanoseconds"
                                  "\x5a\x04\x08\x01\x10\x02"
                                  "\x60\x01";
    (void)ctx;
    if (web_go_arguments(q, r, "mutex")) fwrite(message, 1, sizeof message - 1, r->out);
}

static void put_text(FILE *f, const char *s) {
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\'')
            fprintf(f, "&#%d;", c);
        else
            fputc(c < ' ' || c == 0x7f ? '?' : c, f);
    }
}

void web_index(struct web_reply *r, const char *title, const struct web_route *route, const char *prefix) {
    FILE *f = r->out;
    r->type = "text/html; charset=utf-8";
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>", f);
    put_text(f, title);
    fputs("</title>\n</head>\n<body>\n<h1>", f);
    put_text(f, title);
    fputs("</h1>\n<table>\n", f);
    for (; route->path; route++) {
        if (!route->about || strncmp(route->path, prefix, strlen(prefix)) != 0) continue;
        fprintf(f, "<tr><td><a href=\"%s\">%s</a></td><td>%s</td></tr>\n", route->path, route->path,
                route->about);
    }
    fputs("</table>\n</body>\n</html>\n", f);
}
