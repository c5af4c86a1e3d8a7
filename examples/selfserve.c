/* selfserve.c - a program that shows its own maps over HTTP: counts the words of its input.
 *
 *     GOMAP_CONF=profile_bytes:65536 ./selfserve < words.txt &
 *     curl http://127.0.0.1:7072/metrics
 *     go tool pprof -tagroot=map http://127.0.0.1:7072/debug/pprof/heap
 */
#include <gomap/http.h>
#include <gomap/typed.h>
#include <stdio.h>
#include <unistd.h>

GOMAP_DEFINE_STR(counts, long);

static int count_words(gomap *map) {
    char word[100];
    while (scanf("%99s", word) == 1) {
        long *count = counts_at_s(map, word, NULL);
        if (!count) return 1;
        ++*count;
    }
    return 0;
}

int main(int argc, char **argv) {
    gomap *map;
    gomap_http *http;
    gomap_http_config config = {.size = sizeof config, .listen = argc > 1 ? argv[1] : NULL};
    char why[256];
    if (counts_new(&map) || gomap_set_name(map, "words")) return 1;
    if (gomap_http_start(&config, &http, why)) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    printf("http://%s/\n", gomap_http_address(http));
    fflush(stdout);
    if (count_words(map)) return 1;
    printf("%zu words; Ctrl-C ends\n", gomap_len(map));
    fflush(stdout);
    pause();
    gomap_http_stop(http);
    gomap_free(map);
    return 0;
}
