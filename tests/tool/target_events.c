/* target_events.c - a process whose maps have a known history: what it did, in the order of its commands.
 *
 *   grow N      put keys until the map "busy" has N: "GROWS" that it began
 *   shrink      delete 99 of 100, and let it settle: "SHRINKS" that it began
 *   brief       a map that is made and freed: "ok"
 *   regions     two nested regions with a note of 42 in the inner one: its thread
 *   crossed     a region that ends after the one it began in: "ok"
 *   flood N     N notes: "ok"
 *   hostile     a region whose name is not fit for a terminal: "ok"
 */
#include <gomap/gomap.h>
#include <gomap/observe.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static gomap *busy;

static gomap *make(const char *name) {
    gomap_config c = {.size = sizeof c, .key_size = 8, .value_size = 8, .name = name};
    gomap *m;
    if (gomap_new(&c, &m)) exit(1);
    return m;
}

static uint64_t counted(const char *name) {
    uint64_t n = 0;
    if (gomap_ctl(busy, name, &n, NULL)) exit(1);
    return n;
}

static void settle(void) {
    while (gomap_work(busy, 1000000000)) {}
}

static void regions(void) {
    gomap_region_begin("load");
    gomap_region_begin("parse");
    gomap_event("batch", 42);
    gomap_region_end("parse");
    gomap_region_end("load");
}

static void answer(const char *line) {
    uint64_t n;
    if (sscanf(line, "grow %" SCNu64, &n) == 1) {
        for (uint64_t i = 0; i < n; i++)
            if (gomap_put(busy, &i, &i)) exit(1);
        settle();
        printf("%" PRIu64 "\n", counted("stats.grows"));
    } else if (!strncmp(line, "shrink", 6)) {
        for (uint64_t i = 0, all = gomap_len(busy); i < all; i++)
            if (i % 100) (void)gomap_delete(busy, &i);
        settle();
        printf("%" PRIu64 "\n", counted("stats.shrinks"));
    } else if (!strncmp(line, "brief", 5)) {
        gomap_free(make("brief"));
        puts("ok");
    } else if (!strncmp(line, "regions", 7)) {
        regions();
        printf("%d\n", (int)gettid());
    } else if (!strncmp(line, "crossed", 7)) {
        gomap_region_begin("first");
        gomap_region_begin("second");
        gomap_region_end("first");
        gomap_region_end("second");
        gomap_region_end("never begun");
        puts("ok");
    } else if (sscanf(line, "flood %" SCNu64, &n) == 1) {
        for (uint64_t i = 0; i < n; i++) gomap_event("drop", i);
        puts("ok");
    } else if (!strncmp(line, "hostile", 7)) {
        gomap_region_begin("\x1b[31mred\x1b[0m\n\"quoted\" \xff");
        gomap_region_end("\x1b[31mred\x1b[0m\n\"quoted\" \xff");
        puts("ok");
    } else {
        puts("?");
    }
    fflush(stdout);
}

int main(void) {
    char line[256];
    busy = make("busy");
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) answer(line);
    return 0;
}
