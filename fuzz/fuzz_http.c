/* fuzz_http.c - request heads, their arguments and secrets: web/request.c and the choice of a route.
 *
 * The head comes in two pieces, cut where the first byte says, as from a network; both ways of reading it must agree.  What
 * is let through keeps what request.h promises.
 */
#include "web/server.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void check(bool holds) {
    if (!holds) abort();
}

static bool within(const char *s, const char *buf, size_t len) {
    return !s || !*s || (s >= buf && s + strlen(s) <= buf + len);
}

static void none(void *ctx, const struct web_request *q, struct web_reply *r) { (void)ctx, (void)q, (void)r; }

static const struct web_route routes[] = {{"/", none, "", false},
                                          {"/metrics", none, "", false},
                                          {"/debug/pprof/*", none, "", false},
                                          {NULL, NULL, NULL, false}};

static int parse(const uint8_t *data, size_t len, char *buf, struct web_request *q) {
    memcpy(buf, data, len);
    buf[len] = 0;
    return web_request_parse(buf, len, q);
}

static void look_at(const struct web_request *q, const char *buf, size_t len) {
    char value[64], token[] = "0123456789abcdef";
    check(q->path[0] == '/' && strlen(q->path) + strlen(q->query) <= WEB_TARGET_MAX);
    check(within(q->path, buf, len) && within(q->query, buf, len) && within(q->host, buf, len) &&
          within(q->accept, buf, len));
    const struct web_route *r = web_route_find(routes, q->path);
    check(!r || r == &routes[2] || strcmp(r->path, q->path) == 0);
    if (web_query(q, "seconds", value, sizeof value))
        check(strlen(value) < sizeof value && strstr(q->query, "seconds="));
    /* who has not said the secret is not let in */
    if (web_authorized(q->authorization, token))
        check(strstr(q->authorization, token) || strncasecmp(q->authorization, "basic", 5) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char whole[WEB_HEAD_MAX + 1], part[WEB_HEAD_MAX + 1];
    struct web_request q, first;
    if (size < 2) return 0;
    size_t cut = (size_t)data[0] << 8 | data[1];
    data += 2, size -= 2;
    if (size > WEB_HEAD_MAX) size = WEB_HEAD_MAX;
    cut %= size + 1;
    int early = parse(data, cut, part, &first), status = parse(data, size, whole, &q);
    check(status == WEB_MORE || status == WEB_OK || (status >= 400 && status <= 505));
    check(!(status == WEB_MORE && size == WEB_HEAD_MAX)); /* a full buffer is decided on */
    /* What was refused stays refused; what was whole can only be spoilt by what follows it. */
    if (early >= 400) check(status >= 400);
    if (early == WEB_OK) check(status == (cut == size ? WEB_OK : 413) || status == 400);
    if (status == WEB_OK) look_at(&q, whole, size);
    return 0;
}
