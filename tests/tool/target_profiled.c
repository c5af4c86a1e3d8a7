/* target_profiled.c - a process whose maps were filled by functions that are known, under labels; GOMAP_CONF says how it samples.
 *
 *   fill N     put keys until the map "sessions" has N, by open_sessions, under the label tenant=blue; until "cache" has N / 10,
 *              by fill_cache; make and free a map; make five without a name, of 100 entries: "ok"
 *   hostile    a map whose name and label are not fit for a terminal, markup or a folded stack: "ok"
 *   own FILE   its own profile: "ok"
 *   churn      from now on, fill and empty a map for ever: "ok" first
 */
#include <gomap/gomap.h>
#include <gomap/observe.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static gomap *make(const char *name) {
    gomap_config c = {.size = sizeof c,
                      .key_size = 8,
                      .value_size = 8,
                      .name = name,
                      .key_type = "u64",
                      .value_type = "u64"};
    gomap *m;
    if (gomap_new(&c, &m)) exit(1);
    return m;
}

static void put(gomap *m, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        if (gomap_put(m, &i, &i)) exit(1);
    while (gomap_work(m, 1000000000)) {}
}

__attribute__((noinline)) static void open_sessions(gomap *m, uint64_t n) {
    if (!gomap_label_push("tenant", "blue")) exit(1);
    put(m, n);
    gomap_label_pop();
}

static inline __attribute__((always_inline)) void inlined(gomap *m, uint64_t n) {
    put(m, n);
    __asm__ volatile("# a frame of its own");
}

__attribute__((noinline)) static void fill_cache(gomap *m, uint64_t n) {
    inlined(m, n);
    __asm__ volatile("# no jump instead of the call");
}

static void own(const char *path) {
    FILE *f = fopen(path, "wb");
    if (!f || gomap_profile_write(f, GOMAP_PROFILE_HEAP) || fclose(f)) exit(1);
}

static void churn(void) {
    gomap *m = make("churn");
    puts("ok");
    fflush(stdout);
    for (;;) {
        put(m, 20000);
        gomap_clear(m, GOMAP_RELEASE);
    }
}

static void answer(char *line) {
    uint64_t n;
    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "fill %" SCNu64, &n) == 1) {
        gomap *gone = make("gone");
        open_sessions(make("sessions"), n);
        fill_cache(make("cache"), n / 10);
        fill_cache(gone, n / 10);
        gomap_free(gone);
        for (int i = 0; i < 5; i++) put(make(NULL), 100);
    } else if (!strcmp(line, "hostile")) {
        if (!gomap_label_push("\x1b[31m;key", "a;b <script>\n\x07\xff")) exit(1);
        put(make("\x1b]0;title\x07<b>&\"';\n\xc3\x28"), 1000);
        gomap_label_pop();
    } else if (!strncmp(line, "own ", 4)) {
        own(line + 4);
    } else if (!strcmp(line, "churn")) {
        churn();
    }
    puts("ok");
}

int main(void) {
    char line[4096];
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        answer(line);
        fflush(stdout);
    }
    return 0;
}
