/* tool_serve.c - `serve`: what it answers is what the verbs say; and nobody gets in, reads what is not his, or holds it up.
 *
 * Requests are written by hand, byte by byte where it matters.  Nothing is timed: that slow clients do not hold up others is
 * seen from their connections, which are still open when the others have their answer.
 */
#include "toolkit.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct tk_target t;

struct service {
    pid_t pid;
    int out;
    unsigned port;
};
static struct service s;

static void serve_with(struct service *v, const char *listen, const char *interval, const char *token_file) {
    struct tk_how how = {0};
    char line[256] = "";
    size_t n = 0;
    v->pid = tk_spawn(&how,
                      (const char *const[]){"serve", t.id, "--listen", listen, "-i", interval,
                                            token_file ? "--token-file" : NULL, token_file, NULL},
                      &v->out, NULL);
    while (n < sizeof line - 1 && read(v->out, line + n, 1) == 1 && line[n] != '\n') n++;
    const char *at = strstr(line, " at http://");
    assert_non_null(at);
    v->port = (unsigned)atoi(strrchr(at, ':') + 1);
    assert_true(v->port > 0 && v->port < 65536);
}

static int stop(struct service *v) {
    int status;
    kill(v->pid, SIGTERM);
    assert_int_equal(waitpid(v->pid, &status, 0), v->pid);
    close(v->out);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int start(void **state) {
    (void)state;
    TK_START(&t, tk_target_path("target_maps"), "known");
    serve_with(&s, "0", "0.1", NULL);
    return 0;
}

static int end(void **state) {
    (void)state;
    if (s.pid) assert_int_equal(stop(&s), 0);
    tk_kill(&t);
    return 0;
}

/* ---- a client ------------------------------------------------------------------------------------ */

struct response {
    int status; /* 0: closed without an answer */
    char *head, *body;
    size_t body_len;
    char *all;
};

static int dial(unsigned port) {
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0) return fd;
    close(fd);
    return -1;
}

static void hear(int fd, struct response *r) {
    size_t room = 1 << 16, len = 0;
    *r = (struct response){.all = malloc(room)};
    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        assert_int_equal(poll(&p, 1, 30000), 1); /* an answer, or its end */
        ssize_t n = read(fd, r->all + len, room - len - 1);
        if (n <= 0) break;
        len += (size_t)n;
        if (len + 1 == room) r->all = realloc(r->all, room *= 2);
    }
    close(fd);
    r->all[len] = 0;
    if (sscanf(r->all, "HTTP/1.1 %d ", &r->status) != 1) return;
    char *gap = strstr(r->all, "\r\n\r\n");
    assert_non_null(gap);
    *gap = 0;
    r->head = r->all, r->body = gap + 4;
    r->body_len = len - (size_t)(r->body - r->all);
}

static int ask_bytes(unsigned port, const char *bytes, size_t len, struct response *r) {
    int fd = dial(port);
    assert_true(fd >= 0);
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
    hear(fd, r);
    return r->status;
}

/* Status of a request with these bytes. */
static int raw(const char *bytes, size_t len) {
    struct response r;
    int status = ask_bytes(s.port, bytes, len, &r);
    free(r.all);
    return status;
}

/* "METHOD TARGET" with a right Host and other fields (each with its CRLF). */
static int ask(const struct service *v, const char *what, const char *fields, struct response *r) {
    char text[4096];
    int n = snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\n", what, v->port, fields);
    return ask_bytes(v->port, text, (size_t)n, r);
}

static int status_of(const struct service *v, const char *what, const char *fields) {
    struct response r;
    int status = ask(v, what, fields, &r);
    free(r.all);
    return status;
}

static size_t sockets_of(pid_t pid) {
    char path[64], link[400], to[64];
    size_t n = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        snprintf(link, sizeof link, "%s/%s", path, e->d_name);
        ssize_t len = readlink(link, to, sizeof to - 1);
        n += len > 7 && memcmp(to, "socket:", 7) == 0;
    }
    closedir(d);
    return n;
}

/* ---- what it answers ----------------------------------------------------------------------------- */

static void test_answers_as_verbs(void **state) {
    (void)state;
    struct response r;
    json_t *list = TK_JSON("list", t.id);
    assert_int_equal(ask(&s, "GET /api/v1/maps", "", &r), 200);
    json_t *doc = json_loads(r.body, 0, NULL);
    assert_non_null(doc);
    assert_string_equal(tk_text(doc, "verb"), "list");
    assert_true(json_equal(tk_at(doc, "totals"), tk_at(list, "totals")));
    assert_true(json_equal(tk_at(doc, "maps"), tk_at(list, "maps")));
    json_decref(doc);
    free(r.all);
    static const char *const docs[][2] = {{"GET /api/v1/metrics", "metrics"},
                                          {"GET /api/v1/forecast", "forecast"}};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(ask(&s, docs[i][0], "", &r), 200);
        doc = json_loads(r.body, 0, NULL);
        assert_non_null(doc);
        assert_string_equal(tk_text(doc, "verb"), docs[i][1]);
        assert_int_equal(tk_number(doc, "target.pid"), t.pid);
        json_decref(doc);
        free(r.all);
    }
    char want[64];
    snprintf(want, sizeof want, "mapscope_up 1\n");
    assert_int_equal(ask(&s, "GET /metrics", "", &r), 200);
    assert_non_null(strstr(r.head, "Content-Type: text/plain; version=0.0.4; charset=utf-8"));
    assert_non_null(strstr(r.body, want));
    assert_null(strstr(r.body, "# EOF"));
    free(r.all);
    assert_int_equal(ask(&s, "GET /metrics",
                         "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n", &r),
                     200);
    assert_non_null(
        strstr(r.head, "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert_string_equal(r.body + r.body_len - 6, "# EOF\n");
    free(r.all);
    assert_int_equal(ask(&s, "GET /debug/pprof/cmdline", "", &r), 200);
    assert_int_equal(r.body_len, strlen(tk_target_path("target_maps")) + sizeof "known");
    assert_memory_equal(r.body + strlen(r.body) + 1, "known", 5);
    free(r.all);
    json_decref(list);
}

/* Statuses, texts and marks of Go's net/http/pprof. */
static void test_errors_of_go(void **state) {
    (void)state;
    static const struct {
        const char *what;
        int status;
        const char *text;
    } row[] = {
        {"GET /debug/pprof/nosuch", 404, "Unknown profile\n"},
        {"GET /debug/pprof/heap?seconds=x", 400,
         "invalid value for \"seconds\" - must be a positive integer\n"},
        {"GET /debug/pprof/heap?seconds=0", 400,
         "invalid value for \"seconds\" - must be a positive integer\n"},
        {"GET /debug/pprof/heap?seconds=1&debug=1", 400, "seconds and debug params are incompatible\n"},
        {"GET /debug/pprof/profile?seconds=1", 500, "Could not enable CPU profiling: "},
        {"GET /debug/pprof/heap?seconds=3", 501, "no difference over time is made here"},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct response r;
        assert_int_equal(ask(&s, row[i].what, "", &r), row[i].status);
        assert_memory_equal(r.body, row[i].text, strlen(row[i].text));
        assert_non_null(strstr(r.head, "X-Go-Pprof: 1"));
        assert_non_null(strstr(r.head, "Content-Type: text/plain; charset=utf-8"));
        assert_null(strstr(r.head, "Content-Disposition"));
        free(r.all);
    }
    static const char *const profiles[] = {"heap", "allocs", "maps", "mutex"};
    for (size_t i = 0; i < 4; i++) {
        struct response r;
        char what[64], want[80];
        snprintf(what, sizeof what, "GET /debug/pprof/%s?gc=1&debug=0", profiles[i]);
        snprintf(want, sizeof want, "Content-Disposition: attachment; filename=\"%s\"", profiles[i]);
        assert_int_equal(ask(&s, what, "", &r), 200);
        assert_non_null(strstr(r.head, "Content-Type: application/octet-stream"));
        assert_non_null(strstr(r.head, want));
        assert_true(r.body_len > 60);
        free(r.all);
    }
    struct response r;
    assert_int_equal(ask(&s, "GET /debug/pprof", "", &r), 301);
    assert_non_null(strstr(r.head, "Location: /debug/pprof/"));
    free(r.all);
}

/* However many ask, the target is looked at once in an interval. */
static void test_viewers_share_a_look(void **state) {
    (void)state;
    enum { VIEWERS = 40 };
    struct service slow;
    int fd[VIEWERS];
    char text[128], first[128] = "";
    serve_with(&slow, "0", "3600", NULL);
    int n = snprintf(text, sizeof text, "GET /metrics HTTP/1.1\r\nHost: localhost:%u\r\n\r\n", slow.port);
    for (int i = 0; i < VIEWERS; i++) assert_true((fd[i] = dial(slow.port)) >= 0);
    for (int i = 0; i < VIEWERS; i++) assert_int_equal(send(fd[i], text, (size_t)n, MSG_NOSIGNAL), n);
    for (int i = 0; i < VIEWERS; i++) {
        struct response r;
        char moment[128];
        hear(fd[i], &r);
        assert_int_equal(r.status, 200);
        assert_int_equal(sscanf(strstr(r.body, "\nmapscope_look_timestamp_seconds "), "%*s %127s", moment),
                         1);
        if (!*first) strcpy(first, moment);
        assert_string_equal(moment, first);
        free(r.all);
    }
    assert_int_equal(stop(&slow), 0);
}

static void test_target_ends(void **state) {
    (void)state;
    struct response r;
    tk_kill(&t);
    usleep(150000); /* older than an interval */
    assert_int_equal(ask(&s, "GET /metrics", "", &r), 200);
    assert_non_null(strstr(r.body, "\nmapscope_up 0\n"));
    assert_null(strstr(r.body, "gomap_entries"));
    free(r.all);
    assert_int_equal(ask(&s, "GET /api/v1/maps", "", &r), 503);
    assert_non_null(strstr(r.body, "\"code\":3"));
    free(r.all);
    assert_int_equal(status_of(&s, "GET /debug/pprof/heap", ""), 503);
    assert_int_equal(status_of(&s, "GET /healthz", ""), 200);
    assert_int_equal(stop(&s), 3);
    s.pid = 0;
}

/* ---- who may ask --------------------------------------------------------------------------------- */

/* Addresses at which a port is listened at, by what the kernel says. */
static size_t listens(const char *table, unsigned port, char address[][40]) {
    size_t n = 0;
    char line[512], *text = tk_slurp(table, &(size_t){0});
    assert_non_null(text);
    for (char *p = strchr(text, '\n'); p && p[1]; p = strchr(p + 1, '\n')) {
        unsigned at, state;
        snprintf(line, sizeof line, "%.*s", (int)strcspn(p + 1, "\n"), p + 1);
        char local[40];
        if (sscanf(line, " %*d: %39[0-9A-F]:%x %*[0-9A-F]:%*x %x", local, &at, &state) == 3 && at == port &&
            state == 10 && n < 4)
            strcpy(address[n++], local);
    }
    free(text);
    return n;
}

static void test_loopback_only(void **state) {
    (void)state;
    char at[4][40];
    assert_int_equal(listens("/proc/net/tcp", s.port, at), 1);
    assert_string_equal(at[0], "0100007F");
    size_t six = listens("/proc/net/tcp6", s.port, at);
    if (six) assert_string_equal(at[0], "00000000000000000000000001000000");
    assert_true(six <= 1);
    static const char *const others[] = {"0.0.0.0:0", "[::]:0", "0:0"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct tk_result r;
        TK_RUN(&r, "serve", t.id, "--listen", others[i]);
        TK_REFUSED(&r, 2, "--listen", "token");
        tk_result_free(&r);
    }
    static const char *const wrong[] = {
        "", "x", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "localhost:1x", "example.com:80", ":-1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct tk_result r;
        TK_RUN(&r, "serve", t.id, "--listen", wrong[i]);
        TK_REFUSED(&r, 2, "--listen");
        tk_result_free(&r);
    }
}

static void test_host_is_literal(void **state) {
    (void)state;
    static const char *const forms[] = {"Host: 127.0.0.1.evil.com:%u\r\n",
                                        "Host: 127.0.0.1.:%u\r\n",
                                        "Host: localhost.:%u\r\n",
                                        "Host: LOCALHOST:%u\r\n",
                                        "Host: Localhost:%u\r\n",
                                        "Host: 127.0.0.1\r\n",
                                        "Host: localhost\r\n",
                                        "Host: evil.com\r\n",
                                        "Host: evil.com:%u\r\n",
                                        "Host: 127.0.0.1:1%u\r\n",
                                        "Host: 127.0.0.1:0%u\r\n",
                                        "Host: 127.1:%u\r\n",
                                        "Host: 2130706433:%u\r\n",
                                        "Host: 0x7f.0.0.1:%u\r\n",
                                        "Host: 0.0.0.0:%u\r\n",
                                        "Host: user@127.0.0.1:%u\r\n",
                                        "Host: 127.0.0.1:%u, evil.com\r\n",
                                        "Host: [::ffff:127.0.0.1]:%u\r\n",
                                        "Host: \r\n",
                                        "",
                                        "Host: 127.0.0.1:%u\r\nHost: evil.com\r\n",
                                        "Host: evil.com\r\nHost: 127.0.0.1:%u\r\n",
                                        "Host: 127.0.0.1:%u#\r\n",
                                        "Host: 127.0.0.1:%u/x\r\n",
                                        "Host: http://127.0.0.1:%u\r\n"};
    char fields[256], text[512];
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" // the forms are the table above
        snprintf(fields, sizeof fields, forms[i], s.port);
#pragma GCC diagnostic pop
        int n = snprintf(text, sizeof text, "GET /metrics HTTP/1.1\r\n%s\r\n", fields);
        int status = raw(text, (size_t)n);
        if (status != 403) print_error("'%s': %d\n", fields, status);
        assert_int_equal(status, 403);
    }
    int n = snprintf(text, sizeof text, "GET http://evil.com/metrics HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n",
                     s.port);
    assert_int_equal(raw(text, (size_t)n), 403);
    n = snprintf(text, sizeof text, "GET /healthz HTTP/1.1\r\nHost: localhost:%u\r\n\r\n", s.port);
    assert_int_equal(raw(text, (size_t)n), 200);
    n = snprintf(text, sizeof text, "GET /healthz HTTP/1.0\r\nhOST:\t 127.0.0.1:%u \r\n\r\n", s.port);
    assert_int_equal(raw(text, (size_t)n), 200);
}

static void test_methods_and_fields(void **state) {
    (void)state;
    static const char *const methods[] = {"POST",  "PUT",     "DELETE", "OPTIONS", "TRACE",
                                          "PATCH", "CONNECT", "get",    "PROPFIND"};
    struct response r;
    char what[64];
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        snprintf(what, sizeof what, "%s /metrics", methods[i]);
        assert_int_equal(ask(&s, what, "", &r), 405);
        assert_non_null(strstr(r.head, "Allow: GET, HEAD"));
        free(r.all);
    }
    assert_int_equal(ask(&s, "GET /", "Origin: http://evil.com\r\n", &r), 200);
    assert_null(strcasestr(r.head, "Access-Control"));
    assert_non_null(strstr(r.head, "Content-Security-Policy: default-src 'none'"));
    assert_non_null(strstr(r.head, "X-Content-Type-Options: nosniff"));
    assert_non_null(strstr(r.head, "Cache-Control: no-store"));
    size_t len = r.body_len;
    free(r.all);
    assert_int_equal(ask(&s, "HEAD /", "", &r), 200);
    assert_int_equal(r.body_len, 0);
    assert_int_equal(atoi(strstr(r.head, "Content-Length: ") + 16), len);
    free(r.all);
    static const char *const paths[] = {"/../etc/passwd",  "/%2e%2e/etc/passwd", "//metrics",
                                        "/metrics/",       "/METRICS",           "/metrics%00",
                                        "/api/v1/maps/..", "/debug/../metrics"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        snprintf(what, sizeof what, "GET %s", paths[i]);
        assert_int_equal(status_of(&s, what, ""), 404);
    }
}

static void test_token(void **state) {
    (void)state;
    static const char token[] = "a-token-of-26-characters-0";
    char *file = tk_path_in(tk_scratch(), "token"), *shorter = tk_path_in(tk_scratch(), "short");
    struct service v;
    struct response r;
    struct tk_result out;
    FILE *f = fopen(file, "w");
    fprintf(f, "%s\n", token);
    fclose(f);
    f = fopen(shorter, "w");
    fputs("short\n", f);
    fclose(f);
    serve_with(&v, "0.0.0.0:0", "1", file);
    assert_int_equal(ask(&v, "GET /metrics", "", &r), 401);
    assert_non_null(strstr(r.head, "WWW-Authenticate: Basic"));
    free(r.all);
    assert_int_equal(status_of(&v, "GET /metrics", "Authorization: Bearer a-token-of-26-characters-0\r\n"),
                     200);
    assert_int_equal(
        status_of(&v, "GET /metrics", "Authorization: Basic eDphLXRva2VuLW9mLTI2LWNoYXJhY3RlcnMtMA==\r\n"),
        200);
    static const char *const wrong[] = {"Bearer a-token-of-26-characters-1",
                                        "Bearer a-token-of-26-characters-00",
                                        "Bearer a-token-of-26-characters-",
                                        "Bearer ",
                                        "Bearer",
                                        "Basic ",
                                        "Basic eDp5",
                                        "Digest a-token-of-26-characters-0",
                                        "a-token-of-26-characters-0",
                                        "Basic a-token-of-26-characters-0"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char field[128];
        snprintf(field, sizeof field, "Authorization: %s\r\n", wrong[i]);
        assert_int_equal(status_of(&v, "GET /healthz", field), 401);
    }
    assert_int_equal(stop(&v), 0);
    TK_RUN(&out, "serve", t.id, "--listen", "0.0.0.0:0", "--token-file", shorter);
    TK_REFUSED(&out, 2, "16");
    tk_result_free(&out);
    TK_RUN(&out, "serve", t.id, "--token-file", "/nonexistent");
    TK_REFUSED(&out, 2, "/nonexistent");
    tk_result_free(&out);
    free(file);
    free(shorter);
}

/* ---- who holds it up ----------------------------------------------------------------------------- */

static void test_slow_clients(void **state) {
    (void)state;
    enum { MOST = 1000 };
    static int slow[MOST];
    size_t n = getenv("GOMAP_TEST_LONG") ? MOST : 150;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < MOST + 100)
        files.rlim_cur = files.rlim_max < MOST + 100 ? files.rlim_max : MOST + 100;
    setrlimit(RLIMIT_NOFILE, &files);
    for (size_t i = 0; i < n; i++) {
        slow[i] = dial(s.port);
        assert_true(slow[i] >= 0);
        assert_int_equal(send(slow[i], "G", 1, MSG_NOSIGNAL), 1);
    }
    assert_int_equal(status_of(&s, "GET /metrics", ""), 200);
    assert_true(sockets_of(s.pid) <= 64 + 2);
    size_t open = 0;
    for (size_t i = 0; i < n; i++) {
        char byte;
        ssize_t got = recv(slow[i], &byte, 1, MSG_DONTWAIT);
        open += got < 0 && errno == EAGAIN;
        if (i == 0) assert_int_not_equal(got < 0 && errno == EAGAIN, 1); /* the oldest went */
    }
    printf("# %zu slow clients, %zu of them still connected when another has its answer\n", n, open);
    assert_true(open > 0 && open <= 64); /* it was not their timeout that let the other in */
    for (size_t i = 0; i < n; i++) close(slow[i]);
}

static void test_large_and_broken(void **state) {
    (void)state;
    static char big[20000];
    int n;
#define SHAPE(status, ...)                                                                                   \
    do {                                                                                                     \
        n = snprintf(big, sizeof big, __VA_ARGS__);                                                          \
        assert_int_equal(raw(big, (size_t)n), status);                                                       \
    } while (0)
    SHAPE(431, "GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nX: %09000d\r\n\r\n", s.port, 1);
    SHAPE(414, "GET /%03000d HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", 1, s.port);
    SHAPE(414, "GET /%018000d", 1);
    SHAPE(413, "GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Length: 1\r\n\r\nx", s.port);
    SHAPE(413, "GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Length: 99999999999999999999\r\n\r\n",
          s.port);
    SHAPE(413, "GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", s.port);
    SHAPE(413, "GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\nGET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n",
          s.port, s.port);
    SHAPE(400, "GET / HTTP/1.1\nHost: 127.0.0.1:%u\r\n\r\n", s.port);
    SHAPE(400, "GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n folded\r\n\r\n", s.port);
    SHAPE(400, "GET / HTTP/1.1\r\nHost : 127.0.0.1:%u\r\n\r\n", s.port);
    SHAPE(400, "GET  / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", s.port);
    SHAPE(400, "GET /\x01 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", s.port);
    SHAPE(505, "GET / HTTP/2.0\r\nHost: 127.0.0.1:%u\r\n\r\n", s.port);
    SHAPE(400, "\r\n\r\n");
    SHAPE(400, "%s", "\x16\x03\x01\x02\r\n\r\n"); /* TLS */
    n = snprintf(big, sizeof big, "GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nX: a_b\r\n\r\n", s.port);
    *strchr(big, '_') = 0;
    assert_int_equal(raw(big, (size_t)n), 400);
    size_t at = (size_t)snprintf(big, sizeof big, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 100; i++) at += (size_t)snprintf(big + at, sizeof big - at, "X-%d: y\r\n", i);
    at += (size_t)snprintf(big + at, sizeof big - at, "\r\n");
    assert_int_equal(raw(big, at), 431);
    /* and it keeps nothing of them */
    long before = tk_status_field(s.pid, "VmRSS");
    for (int i = 0; i < 100; i++) {
        memset(big, 'A', 10000);
        assert_int_equal(raw(big, 10000), 414);
    }
    long after = tk_status_field(s.pid, "VmRSS");
    if (!tk_sanitized()) assert_true(after - before < 1024);
    assert_int_equal(status_of(&s, "GET /healthz", ""), 200);
}

static uint64_t cpu_ticks(pid_t pid) {
    char path[64], *text;
    unsigned long user, kernel;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    text = tk_slurp(path, &(size_t){0});
    assert_int_equal(
        sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel),
        2);
    free(text);
    return user + kernel;
}

/* Without descriptors it waits for some, and does not spin. */
static void test_out_of_descriptors(void **state) {
    (void)state;
    struct rlimit few;
    int fd[30];
    assert_int_equal(prlimit(s.pid, RLIMIT_NOFILE, NULL, &few), 0);
    struct rlimit now = {24, few.rlim_max};
    assert_int_equal(prlimit(s.pid, RLIMIT_NOFILE, &now, NULL), 0);
    for (int i = 0; i < 30; i++) assert_true((fd[i] = dial(s.port)) >= 0);
    assert_int_equal(status_of(&s, "GET /healthz", ""), 200);
    uint64_t before = cpu_ticks(s.pid);
    usleep(500000);
    assert_true(cpu_ticks(s.pid) - before <= 5); /* of 50 */
    for (int i = 0; i < 30; i++) close(fd[i]);
    assert_int_equal(status_of(&s, "GET /metrics", ""), 200);
}

int main(int argc, char **argv) {
#define EACH(test) cmocka_unit_test_setup_teardown(test, start, end)
    const struct CMUnitTest tests[] = {
        EACH(test_answers_as_verbs),     EACH(test_errors_of_go),
        EACH(test_viewers_share_a_look), EACH(test_target_ends),
        EACH(test_loopback_only),        EACH(test_host_is_literal),
        EACH(test_methods_and_fields),   EACH(test_token),
        EACH(test_slow_clients),         EACH(test_large_and_broken),
        EACH(test_out_of_descriptors),
    };
    return tk_main(argc, argv, "serve", tests, sizeof tests / sizeof *tests);
}
