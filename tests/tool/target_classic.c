/* target_classic.c - a process with classic maps of which everything is known, for tests of mapscope.
 *
 * Maps, in order: empty; one bucket; words; growing tables; keys and elems in cells; long chains; deleted
 * from. One gomap stands among them.  Then it answers commands, a line each:
 *   stat I       the library's own figures of map I
 *   walk I       put until map I is in the middle of a growth
 *   hold I       begin an iteration of map I and leave it open
 *   clear I      clear it
 *   busy         another thread writes to map 3 (growths, clears) without rest; it is not to be named any
 *   more free I       free it
 *   check        verify all maps: "ok" or what is broken
 */
#include <gomap/classic.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAPS = 8, WORDS = 3000 };
static gomap_classic *map[MAPS];
static gomap *other;
static gomap_classic_iter held[MAPS];
static char word[WORDS][16];

static void die(const char *what) {
    printf("cannot %s\n", what);
    fflush(stdout);
    exit(1);
}

static uint64_t same_bucket(const void *key, uint32_t seed, void *ctx) {
    uint64_t k;
    (void)seed, (void)ctx;
    memcpy(&k, key, sizeof k);
    return k << 40 | (k & 3);
}

static void put(size_t i, uint64_t n) {
    uint8_t key[200] = {0}, elem[200];
    memset(elem, (int)n, sizeof elem);
    memcpy(key, &n, sizeof n);
    if (i == 2) {
        int len = snprintf(word[n % WORDS], sizeof word[0], "word %" PRIu64, n % WORDS);
        gomap_str s = {word[n % WORDS], (size_t)len};
        memcpy(key, &s, sizeof s);
    }
    if (gomap_classic_put(map[i], key, elem)) die("put");
}

static void make(void) {
    static const struct {
        size_t key, elem, entries;
        const char *name;
    } plan[MAPS] = {{8, 8, 0, "empty"},    {8, 8, 7, "bucket"},      {0, 8, 1000, "words"},
                    {8, 8, 100003, "big"}, {200, 200, 500, "cells"}, {8, 1, 60, "chains"},
                    {8, 8, 700, "holes"},  {4, 0, 300, NULL}};
    for (size_t i = 0; i < MAPS; i++) {
        gomap_classic_config c = GOMAP_CLASSIC_CONFIG(plan[i].key, plan[i].elem);
        if (i == 2) c.keys = GOMAP_CLASSIC_STRING;
        if (i == 3) c.key_type = "uint64_t", c.elem_type = "double";
        if (i == 5) c.hash = same_bucket;
        c.name = plan[i].name;
        if (gomap_classic_new(&c, &map[i])) die("make a map");
        for (uint64_t n = 0; n < plan[i].entries; n++) put(i, n);
        if (i == 3) { /* a gomap between them */
            gomap_config g = GOMAP_CONFIG(8, 8);
            uint64_t one = 1;
            if (gomap_new(&g, &other) || gomap_put(other, &one, &one)) die("make a gomap");
        }
    }
    for (uint64_t n = 0; n < 700; n += 3) gomap_classic_delete(map[6], &n);
}

static void say_stat(const gomap_classic *m) {
    gomap_classic_stats s = {.size = sizeof s};
    uint64_t chain[64];
    if (gomap_classic_get_stats(m, &s)) die("take the figures");
    size_t longest = gomap_classic_chains(m, chain, 64);
    printf("stat %" PRIu64 " %" PRIu64 " %u %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
           " %" PRIu64 " %" PRIu64 " %" PRIu64 " %d %" PRIu64 " %" PRIu64 " %" PRIu64 " %zu\n",
           s.entries, s.slots, s.B, s.noverflow, s.bytes, s.bytes_header, s.bytes_metadata, s.bytes_overflow,
           s.bytes_pool, s.bytes_old, s.bytes_cells, s.bytes_held, s.growing, s.old_evacuated, s.old_buckets,
           s.grow_at, longest);
}

static void walk(size_t i) {
    gomap_classic_stats s = {.size = sizeof s};
    bool rested = false; /* a growth that runs already does not count */
    for (uint64_t n = gomap_classic_len(map[i]); n < 10000000; n++) {
        put(i, n);
        if (gomap_classic_get_stats(map[i], &s)) die("take the figures");
        rested = rested || !s.growing;
        if (rested && s.growing && s.old_evacuated * 3 > s.old_buckets) return;
    }
    die("bring it to grow");
}

/* Up to some ten thousand entries through eight doublings, deletes among them, then from the start in a new
 * map. */
static void *write_without_rest(void *arg) {
    (void)arg;
    for (uint64_t n = 0;; n++) {
        put(3, n % 60000);
        if (n % 3 == 0) gomap_classic_delete(map[3], &(uint64_t){(n / 2) % 60000});
        if (n % 60000 == 59999) gomap_classic_clear(map[3]);
        if (n % 120000 == 119999) { /* so that it grows anew; the registry's entry is another one then */
            gomap_classic_free(map[3]);
            gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
            c.name = "big";
            if (gomap_classic_new(&c, &map[3])) die("make a map");
        }
    }
    return NULL;
}

static void check(void) {
    char why[256];
    for (size_t i = 0; i < MAPS; i++)
        if (map[i] && gomap_classic_verify(map[i], why, sizeof why)) {
            printf("map %zu: %s\n", i, why);
            return;
        }
    printf("ok\n");
}

int main(void) {
    char line[256];
    make();
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        size_t i = 0;
        bool known = true;
        if (sscanf(line, "stat %zu", &i) == 1 && i < MAPS) {
            say_stat(map[i]);
        } else if (strcmp(line, "check\n") == 0) {
            check();
        } else {
            if (sscanf(line, "walk %zu", &i) == 1 && i < MAPS)
                walk(i);
            else if (sscanf(line, "hold %zu", &i) == 1 && i < MAPS)
                gomap_classic_iter_init(&held[i], map[i]), gomap_classic_iter_next(&held[i]);
            else if (sscanf(line, "clear %zu", &i) == 1 && i < MAPS)
                gomap_classic_clear(map[i]);
            else if (sscanf(line, "free %zu", &i) == 1 && i < MAPS)
                gomap_classic_free(map[i]), map[i] = NULL;
            else if (strcmp(line, "busy\n") == 0) {
                pthread_t t;
                if (pthread_create(&t, NULL, write_without_rest, NULL)) die("start a thread");
            } else
                known = false;
            printf(known ? "ok\n" : "no such command\n");
        }
        fflush(stdout);
    }
    return 0;
}
