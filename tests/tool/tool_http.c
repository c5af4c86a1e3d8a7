/* tool_http.c - gomap-http in a program that makes, fills and frees maps all the while: every answer is whole, and stopping
 * leaves nothing behind: no descriptor, no thread, no memory (under a sanitizer).
 */
#include <gomap/gomap.h>
#include <gomap/http.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static size_t entries_of(const char *folder) {
    size_t n = 0;
    DIR *d = opendir(folder);
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}

/* Status; *body allocated, NUL terminated. */
static int fetch(const char *address, const char *path, char **body) {
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1))};
    int fd = socket(AF_INET, SOCK_STREAM, 0), status = 0;
    size_t len = 0, room = 1 << 22;
    char *text = malloc(room);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0) {
        dprintf(fd, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, address);
        for (ssize_t n; len < room - 1 && (n = read(fd, text + len, room - 1 - len)) > 0;) len += (size_t)n;
    }
    close(fd);
    text[len] = 0;
    sscanf(text, "HTTP/1.1 %d ", &status);
    char *gap = strstr(text, "\r\n\r\n");
    *body = strdup(gap ? gap + 4 : "");
    free(text);
    return status;
}

static atomic_bool done;

static void *churn(void *arg) {
    static const char *const names[] = {"one", "two", "three"};
    unsigned turns = 0;
    for (; !atomic_load(&done); turns++) {
        gomap *m;
        gomap_config c = GOMAP_CONFIG(8, 8);
        c.name = names[turns % 3];
        if (gomap_new(&c, &m)) abort();
        for (uint64_t key = 0; key < 3000; key++)
            if (gomap_put(m, &key, &key)) abort();
        for (uint64_t key = 0; key < 2900; key++) gomap_delete(m, &key);
        gomap_free(m);
    }
    *(unsigned *)arg = turns;
    return NULL;
}

static void test_answers_while_maps_come_and_go(void **state) {
    (void)state;
    static const char *const paths[] = {"/metrics",         "/api/v1/maps",      "/api/v1/metrics",
                                        "/api/v1/forecast", "/debug/pprof/heap", "/"};
    pthread_t thread;
    unsigned turns = 0;
    gomap *still;
    gomap_config c = GOMAP_CONFIG(8, 8);
    gomap_http_config config = {.size = sizeof config, .listen = "0"};
    gomap_http *http;
    char why[256], *body;
    c.name = "still";
    assert_int_equal(gomap_new(&c, &still), GOMAP_OK);
    for (uint64_t key = 0; key < 1009; key++) assert_int_equal(gomap_put(still, &key, &key), GOMAP_OK);
    assert_int_equal(gomap_http_start(&config, &http, why), GOMAP_OK);
    atomic_store(&done, false);
    pthread_create(&thread, NULL, churn, &turns);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
            assert_int_equal(fetch(gomap_http_address(http), paths[i], &body), 200);
            if (i == 0)
                assert_non_null(
                    strstr(body, "gomap_entries{map=\"still\",type=\"8 bytes->8 bytes\"} 1009\n"));
            if (i == 1) assert_non_null(strstr(body, "\"name\":\"still\""));
            free(body);
        }
        if (round == 0) usleep(1100000); /* the next look is a new one */
    }
    atomic_store(&done, true);
    pthread_join(thread, NULL);
    printf("# %u maps came and went\n", turns);
    assert_true(turns > 0);
    gomap_http_stop(http);
    gomap_free(still);
}

static void test_stopping_leaves_nothing(void **state) {
    (void)state;
    gomap_http_config config = {.size = sizeof config, .listen = "0"};
    size_t files = entries_of("/proc/self/fd"), threads = entries_of("/proc/self/task");
    for (int i = 0; i < 10; i++) {
        gomap_http *http;
        char *body;
        assert_int_equal(gomap_http_start(&config, &http, NULL), GOMAP_OK);
        assert_int_equal(fetch(gomap_http_address(http), "/healthz", &body), 200);
        assert_string_equal(body, "ok\n");
        free(body);
        assert_true(entries_of("/proc/self/task") > threads);
        gomap_http_stop(http);
    }
    assert_int_equal(entries_of("/proc/self/fd"), files);
    assert_int_equal(entries_of("/proc/self/task"), threads);
    gomap_http_stop(NULL);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *listen, *token, *says;
    } row[] = {{"0.0.0.0:0", NULL, "token"},
               {"0", "short", "16"},
               {"nowhere:0", NULL, "nowhere"},
               {"127.0.0.1:x", NULL, "127.0.0.1:x"},
               {"", NULL, "PORT"}};
    size_t files = entries_of("/proc/self/fd");
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        gomap_http_config config = {.size = sizeof config, .listen = row[i].listen, .token = row[i].token};
        gomap_http *http = (gomap_http *)&config;
        char why[256];
        assert_int_equal(gomap_http_start(&config, &http, why), GOMAP_EINVAL);
        assert_null(http);
        assert_non_null(strstr(why, row[i].says));
    }
    gomap_http *http;
    gomap_http_config older = {.size = 8};
    assert_int_equal(gomap_http_start(&older, &http, NULL), GOMAP_EINVAL);
    assert_int_equal(gomap_http_start(NULL, NULL, NULL), GOMAP_EINVAL);
    assert_int_equal(entries_of("/proc/self/fd"), files);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers_while_maps_come_and_go),
                                       cmocka_unit_test(test_stopping_leaves_nothing),
                                       cmocka_unit_test(test_refused)};
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
