/* bench/scope_target.c - a process for mapscope to look at, which can tell what it loses by that.
 *
 *     scope_target MAPS ENTRIES       so many maps with so many entries each, on average
 *
 * When the maps are made it prints "ready".  For each line it reads it does one unit of work (lookups, inserts and
 * deletes in maps drawn at random, always as many and the same mix) and prints the processor time it took in ns.  It
 * ends with its input.
 */
#define _GNU_SOURCE
#include <gomap/typed.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

GOMAP_DEFINE(sessions, uint64_t, uint64_t);

enum { UNIT = 1000000 };

static uint64_t state = 1;
static uint64_t draw(void) { /* splitmix64 */
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static void fail(const char *what) {
    fprintf(stderr, "scope_target: %s\n", what);
    exit(1);
}

static uint64_t cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Half lookups, a quarter inserts and a quarter deletes, of keys from a universe twice as large as a map's entries:
 * sizes stay as they are. */
static uint64_t work(gomap **map, uint64_t maps, uint64_t universe) {
    uint64_t found = 0, began = cpu_ns();
    for (int i = 0; i < UNIT; i++) {
        uint64_t r = draw(), key = (r >> 32) * universe >> 32;
        gomap *m = map[draw() % maps];
        if (r & 1) {
            found += sessions_get(m, key) != NULL;
        } else if (r & 2) {
            if (sessions_put(m, key, r)) fail("out of memory");
        } else {
            found += sessions_delete(m, key);
        }
    }
    if (!found) fail("nothing was ever found");
    return cpu_ns() - began;
}

int main(int argc, char **argv) {
    uint64_t maps = argc == 3 ? strtoull(argv[1], NULL, 10) : 0,
             entries = maps ? strtoull(argv[2], NULL, 10) : 0;
    if (!maps || !entries || maps > 100000000 || entries > 1000000000) {
        fprintf(stderr, "usage: scope_target MAPS ENTRIES\n");
        return 2;
    }
    gomap **map = calloc(maps, sizeof *map);
    if (!map) fail("out of memory");
    for (uint64_t i = 0; i < maps; i++) {
        if (sessions_new(&map[i])) fail("out of memory");
        for (uint64_t e = 0; e < entries; e++)
            if (sessions_put(map[i], draw() % (2 * entries), e)) fail("out of memory");
    }
    if (gomap_set_name(map[0], "first")) fail("out of memory");
    printf("ready\n");
    fflush(stdout);
    for (int c; (c = getchar()) != EOF;) {
        if (c != '\n') continue;
        printf("%llu\n", (unsigned long long)work(map, maps, 2 * entries));
        fflush(stdout);
    }
    return 0;
}
