/* server.c - the loop; server.h has the essay.
 *
 *   accept -> HEAD --whole head--> answered? --yes--> SEND --all sent--> closed
 *                \                      \--site is not fresh--> WAIT --refreshed--> SEND
 *                 late, or the oldest when connections run out: closed
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LISTENERS = 2, BACKLOG = 128, DRAIN_MAX = 65536, PAUSE_MS = 100, TOKEN_LEAST = 16 };

enum state { FREE, HEAD, WAIT, SEND };

struct connection {
    int fd;
    enum state state;
    uint64_t since_ms; /* accepted; while it is sent to: the last byte it took */
    char buf[WEB_HEAD_MAX + 1];
    size_t have;
    struct web_request request; /* lies in buf */
    char *answer;
    size_t size, sent;
};

struct web_server {
    struct web_site site;
    char *token;
    int listener[LISTENERS], stop_fd, woken_fd;
    size_t listeners;
    char address[64], host[3][64]; /* what Host may be */
    size_t hosts;                  /* 0: anything, on all addresses; then there is a token */
    struct connection c[WEB_CONNECTIONS];
    uint64_t mute_until_ms; /* no descriptors: not accepting until then */
    pthread_t refresher;
    bool refreshing;
};

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- listening ----------------------------------------------------------------------------------- */

static bool split_address(const char *text, char *host, size_t room, char *port, size_t port_room) {
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    snprintf(port, port_room, "%s", colon ? colon + 1 : text);
    if (n && text[0] == '[' && colon[-1] == ']') text++, n -= 2;
    if (n >= room || !*port || strlen(port) > 5 || port[strspn(port, "0123456789")] || atoi(port) > 65535)
        return false;
    memcpy(host, text, n);
    host[n] = 0;
    return true;
}

static int listen_at(const char *host, const char *port, char *why) {
    struct addrinfo hint = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                            .ai_socktype = SOCK_STREAM},
                    *a;
    int on = 1, bad = getaddrinfo(host, port, &hint, &a);
    if (bad) return snprintf(why, 256, "%s: %s: give an address in digits", host, gai_strerror(bad)), -1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (a->ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    if (fd < 0 || bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        snprintf(why, 256, "cannot listen at %s port %s: %s", host, port, strerror(errno));
        if (fd >= 0) close(fd);
        fd = -1;
    }
    freeaddrinfo(a);
    return fd;
}

static bool is_loopback(const struct sockaddr_storage *a) {
    if (a->ss_family == AF_INET) return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static bool is_any(const struct sockaddr_storage *a) {
    if (a->ss_family == AF_INET) return ((const struct sockaddr_in *)a)->sin_addr.s_addr == 0;
    return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

/* Where it listens, and what Host may say then. */
static bool note_address(struct web_server *s, int fd, char *why) {
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    char host[48], port[8];
    getsockname(fd, (struct sockaddr *)&a, &len);
    getnameinfo((struct sockaddr *)&a, len, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    bool six = a.ss_family == AF_INET6;
    snprintf(s->address, sizeof s->address, six ? "[%s]:%s" : "%s:%s", host, port);
    if (!is_loopback(&a) && !s->token) {
        snprintf(why, 256, "%s is no loopback address: others can reach it, which needs a token", host);
        return false;
    }
    if (is_any(&a)) return true;
    snprintf(s->host[s->hosts++], sizeof *s->host, "%s", s->address);
    if (is_loopback(&a)) snprintf(s->host[s->hosts++], sizeof *s->host, "localhost:%s", port);
    return true;
}

static bool listen_all(struct web_server *s, const char *text, char *why) {
    char host[64], port[8], ignored[256];
    if (!split_address(text, host, sizeof host, port, sizeof port)) {
        snprintf(why, 256, "'%.100s' is no PORT, :PORT or ADDRESS:PORT", text);
        return false;
    }
    bool both = !*host || strcmp(host, "localhost") == 0;
    int fd = listen_at(both ? "127.0.0.1" : host, port, why);
    if (fd < 0) return false;
    s->listener[s->listeners++] = fd;
    if (!note_address(s, fd, why)) return false;
    if (!both) return true;
    int six = listen_at("::1", strrchr(s->address, ':') + 1, ignored); /* a machine without it has one less */
    if (six < 0) return true;
    s->listener[s->listeners++] = six;
    snprintf(s->host[s->hosts++], sizeof *s->host, "[::1]:%s", strrchr(s->address, ':') + 1);
    return true;
}

struct web_server *web_server_open(const char *listen, const char *token, const struct web_site *site,
                                   int stop_fd, char why[256]) {
    struct web_server *s = calloc(1, sizeof *s);
    snprintf(why, 256, "no memory");
    if (!s) return NULL;
    s->site = *site, s->stop_fd = stop_fd, s->woken_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (size_t i = 0; i < WEB_CONNECTIONS; i++) s->c[i].fd = -1;
    if (token && strlen(token) < TOKEN_LEAST) {
        snprintf(why, 256, "the token has less than %d characters", TOKEN_LEAST);
        web_server_close(s);
        return NULL;
    }
    s->token = token ? strdup(token) : NULL;
    if ((token && !s->token) || s->woken_fd < 0 || !listen_all(s, listen, why)) {
        web_server_close(s);
        return NULL;
    }
    return s;
}

const char *web_server_address(const struct web_server *s) { return s->address; }

/* ---- connections --------------------------------------------------------------------------------- */

static void drop(struct connection *c) {
    if (c->fd >= 0) close(c->fd);
    free(c->answer);
    c->answer = NULL;
    c->fd = -1;
    c->state = FREE;
}

/* A free place, or that of the oldest that has not sent its request. */
static struct connection *place(struct web_server *s) {
    struct connection *oldest = NULL;
    for (size_t i = 0; i < WEB_CONNECTIONS; i++) {
        struct connection *c = &s->c[i];
        if (c->state == FREE) return c;
        if (c->state == HEAD && (!oldest || c->since_ms < oldest->since_ms)) oldest = c;
    }
    if (oldest) drop(oldest);
    return oldest;
}

static const char *reason(int status) {
    switch (status) {
    case 200: return "OK";
    case 301: return "Moved Permanently";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    }
    return "Internal Server Error";
}

static void put_head(FILE *f, const struct web_reply *r, size_t size) {
    fprintf(f,
            "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: "
            "close\r\nCache-Control: no-store\r\n"
            "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'\r\n",
            r->status, reason(r->status), r->type, size);
    if (r->filename) fprintf(f, "Content-Disposition: attachment; filename=\"%s\"\r\n", r->filename);
    if (r->location) fprintf(f, "Location: %s\r\n", r->location);
    if (r->go_error) fprintf(f, "X-Go-Pprof: 1\r\n");
    if (r->status == 405) fprintf(f, "Allow: GET, HEAD\r\n");
    if (r->status == 401) fprintf(f, "WWW-Authenticate: Basic realm=\"gomap\"\r\n");
    if (r->status == 503) fprintf(f, "Retry-After: 1\r\n");
    fprintf(f, "\r\n");
}

/* The body is written first: its length stands in the head. */
static void answer(struct connection *c, const struct web_route *route, void *ctx, int status) {
    struct web_reply r = {.status = status, .type = "text/plain; charset=utf-8"};
    char *body = NULL;
    size_t size = 0;
    r.out = open_memstream(&body, &size);
    if (r.out && route)
        route->handler(ctx, &c->request, &r);
    else if (r.out)
        fprintf(r.out, "%d %s\n", status, reason(status));
    bool whole = r.out && !ferror(r.out);
    if (r.out && fclose(r.out) != 0) whole = false;
    FILE *f = whole ? open_memstream(&c->answer, &c->size) : NULL;
    if (f) {
        put_head(f, &r, size);
        if (!c->request.head) fwrite(body, 1, size, f);
        whole = !ferror(f);
        if (fclose(f) != 0) whole = false;
    }
    free(body);
    c->state = SEND;
    c->sent = 0;
    c->since_ms = now_ms();
    if (!f || !whole) drop(c); /* no memory: nothing is better than half of it */
}

static bool is_for_us(const struct web_server *s, const char *host) {
    if (!host) return false;
    for (size_t i = 0; i < s->hosts; i++)
        if (strcmp(host, s->host[i]) == 0) return true;
    return s->hosts == 0;
}

const struct web_route *web_route_find(const struct web_route *route, const char *path) {
    for (; route->path; route++) {
        size_t n = strcspn(route->path, "*");
        if (route->path[n] ? strncmp(route->path, path, n) == 0 : strcmp(route->path, path) == 0)
            return route;
    }
    return NULL;
}

static void *refresh(void *arg) {
    struct web_server *s = arg;
    uint64_t one = 1;
    s->site.refresh(s->site.ctx);
    while (write(s->woken_fd, &one, sizeof one) < 0 && errno == EINTR) {}
    return NULL;
}

static void wait_for_fresh(struct web_server *s, struct connection *c) {
    c->state = WAIT;
    if (s->refreshing) return;
    s->refreshing = pthread_create(&s->refresher, NULL, refresh, s) == 0;
    if (!s->refreshing) answer(c, NULL, NULL, 503);
}

static void answer_or_wait(struct web_server *s, struct connection *c, const struct web_route *route) {
    if (route->fresh && s->site.is_fresh && !s->site.is_fresh(s->site.ctx, route))
        wait_for_fresh(s, c);
    else
        answer(c, route, s->site.ctx, 200);
}

static void decide(struct web_server *s, struct connection *c, int status) {
    const struct web_site *site = &s->site;
    if (status == WEB_OK && !is_for_us(s, c->request.host)) status = 403;
    if (status == WEB_OK && s->token && !web_authorized(c->request.authorization, s->token)) status = 401;
    const struct web_route *route = status == WEB_OK ? web_route_find(site->route, c->request.path) : NULL;
    if (route)
        answer_or_wait(s, c, route);
    else
        answer(c, NULL, NULL, status == WEB_OK ? 404 : status);
}

static void refreshed(struct web_server *s) {
    uint64_t n;
    if (read(s->woken_fd, &n, sizeof n) != sizeof n) return;
    pthread_join(s->refresher, NULL);
    s->refreshing = false;
    s->site.adopt(s->site.ctx);
    for (size_t i = 0; i < WEB_CONNECTIONS; i++)
        if (s->c[i].state == WAIT)
            answer_or_wait(s, &s->c[i], web_route_find(s->site.route, s->c[i].request.path));
}

/* ---- the loop ------------------------------------------------------------------------------------ */

static void take_head(struct web_server *s, struct connection *c) {
    ssize_t n = recv(c->fd, c->buf + c->have, WEB_HEAD_MAX - c->have, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        drop(c);
        return;
    }
    c->have += (size_t)n;
    int status = web_request_parse(c->buf, c->have, &c->request);
    if (status != WEB_MORE) decide(s, c, status);
}

/* Closing with bytes of the peer unread would make it lose the answer: they are read, up to a bound. */
static void finish(struct connection *c) {
    char sink[4096];
    shutdown(c->fd, SHUT_WR);
    for (size_t all = 0; all < DRAIN_MAX;) {
        ssize_t n = recv(c->fd, sink, sizeof sink, 0);
        if (n <= 0) break;
        all += (size_t)n;
    }
    drop(c);
}

static void give(struct connection *c) {
    ssize_t n = send(c->fd, c->answer + c->sent, c->size - c->sent, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) {
        drop(c);
        return;
    }
    c->sent += (size_t)n;
    c->since_ms = now_ms();
    if (c->sent == c->size) finish(c);
}

/* One connection a turn: those that came before are looked at in between. */
static void take_in(struct web_server *s, int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        bool out_of_them = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        if (!out_of_them) return;
        struct connection *c = NULL;
        for (size_t i = 0; i < WEB_CONNECTIONS; i++)
            if (s->c[i].state == HEAD && (!c || s->c[i].since_ms < c->since_ms)) c = &s->c[i];
        if (c) drop(c); /* its descriptor is for the next */
        if (!c) s->mute_until_ms = now_ms() + PAUSE_MS;
        return;
    }
    struct connection *c = place(s);
    if (!c) { /* all are being answered */
        static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: "
                                   "1\r\nConnection: close\r\n\r\n";
        (void)!send(fd, busy, sizeof busy - 1, MSG_NOSIGNAL);
        close(fd);
        return;
    }
    c->fd = fd, c->state = HEAD, c->have = 0, c->since_ms = now_ms();
}

static void drop_late(struct web_server *s, uint64_t now) {
    for (size_t i = 0; i < WEB_CONNECTIONS; i++) {
        struct connection *c = &s->c[i];
        if (c->state == HEAD && now - c->since_ms >= WEB_HEAD_MS) drop(c);
        if (c->state == SEND && now - c->since_ms >= WEB_STALL_MS) drop(c);
    }
}

/* What is waited for.  Only descriptors that are: poll refuses more entries than the process may have files. */
struct waits {
    struct pollfd p[2 + LISTENERS + WEB_CONNECTIONS];
    struct connection *c[2 + LISTENERS + WEB_CONNECTIONS]; /* NULL: a listener */
    size_t n;
};

static void wait_for(struct waits *w, int fd, short events, struct connection *c) {
    w->p[w->n] = (struct pollfd){fd, events, 0};
    w->c[w->n++] = c;
}

static bool watch(struct web_server *s, struct waits *w, uint64_t now) {
    bool muted = now < s->mute_until_ms, timed = muted;
    w->n = 0;
    wait_for(w, s->stop_fd, POLLIN, NULL);
    wait_for(w, s->woken_fd, POLLIN, NULL);
    for (size_t i = 0; i < WEB_CONNECTIONS; i++) {
        struct connection *c = &s->c[i];
        if (c->state == HEAD) wait_for(w, c->fd, POLLIN, c);
        if (c->state == SEND) wait_for(w, c->fd, POLLOUT, c);
        timed = timed || c->state == HEAD || c->state == SEND;
    }
    for (size_t i = 0; i < s->listeners && !muted; i++) wait_for(w, s->listener[i], POLLIN, NULL);
    return timed;
}

bool web_server_run(struct web_server *s) {
    for (;;) {
        struct waits w;
        uint64_t now = now_ms();
        drop_late(s, now);
        bool timed = watch(s, &w, now);
        if (poll(w.p, (nfds_t)w.n, timed ? PAUSE_MS : -1) < 0) {
            if (errno == EINTR) continue;
            return false;
        }
        if (w.p[0].revents) return true;
        if (w.p[1].revents) refreshed(s);
        for (size_t i = 2; i < w.n; i++) {
            if (!w.p[i].revents) continue;
            if (!w.c[i]) {
                take_in(s, w.p[i].fd);
                continue;
            }
            if (w.c[i]->state == HEAD) take_head(s, w.c[i]);
            if (w.c[i]->state == SEND) give(w.c[i]);
        }
    }
}

void web_server_close(struct web_server *s) {
    if (s->refreshing) pthread_join(s->refresher, NULL);
    for (size_t i = 0; i < WEB_CONNECTIONS; i++) drop(&s->c[i]);
    for (size_t i = 0; i < s->listeners; i++) close(s->listener[i]);
    if (s->woken_fd >= 0) close(s->woken_fd);
    free(s->token);
    free(s);
}
