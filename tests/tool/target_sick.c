/* target_sick.c - for each rule of `doctor` a map that has the fault, "ill RULE", and one that looks as if, "well RULE".
 *
 * Of gomap and of classic maps ("ill RULE classic").  Maps that are told apart by the line that made them have no name.
 * Then it answers commands, a line each:
 *   grow N       N entries more into "ill growing-unbounded", and N more and N fewer in "well growing-unbounded"
 *   flow         another thread does so without rest, from now on
 *   room I N     put N entries into the map for forecasts (0: gomap, 1: classic); the answer is its table's bytes
 */
#include <gomap/classic.h>
#include <gomap/gomap.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MANY = 100000, LIKE = 40 };

static gomap *growing[2], *room;
static gomap_classic *classic_room;
static uint64_t grown;

static void die(const char *what) {
    printf("cannot %s\n", what);
    fflush(stdout);
    exit(1);
}

/* ---- gomap --------------------------------------------------------------------------------------- */

static gomap *make(gomap_config c, const char *name) {
    gomap *m;
    c.name = name;
    if (gomap_new(&c, &m)) die("make a map");
    return m;
}

static void fill(gomap *m, uint64_t from, uint64_t to) {
    uint8_t value[64];
    for (uint64_t key = from; key < to; key++) {
        memset(value, 1, sizeof value);
        if (gomap_put(m, &key, value)) die("put");
    }
}

static void drop(gomap *m, uint64_t from, uint64_t to) {
    for (uint64_t key = from; key < to; key++) gomap_delete(m, &key);
}

/* A map that does not shrink, filled, and all but `left` deleted. */
static void emptied(const char *name, bool shrinks, uint64_t left) {
    gomap *m = make(GOMAP_CONFIG(8, 8), name);
    uint64_t no = 0;
    if (!shrinks && gomap_ctl(m, "policy.shrink", NULL, &no)) die("keep it from shrinking");
    fill(m, 0, MANY);
    drop(m, left, MANY);
}

static uint64_t weak(const void *key, void *ctx) {
    (void)key, (void)ctx;
    return 42;
}

static uint64_t good(const void *key, void *ctx) {
    uint64_t k;
    (void)ctx;
    memcpy(&k, key, sizeof k);
    return k * UINT64_C(0x9e3779b97f4a7c15);
}

static void hashed(const char *name, uint64_t (*hash)(const void *, void *)) {
    gomap_config c = GOMAP_CONFIG(8, 8);
    c.hash = hash;
    fill(make(c, name), 0, 2000);
}

static void bools(const char *name, uint8_t odd) {
    gomap_config c = GOMAP_CONFIG(8, 1);
    c.value_type = "bool";
    gomap *m = make(c, name);
    for (uint64_t key = 0; key < MANY / 5; key++) {
        uint8_t value = key % 100 == 7 ? odd : 1;
        if (gomap_put(m, &key, &value)) die("put");
    }
}

/* Alike: made here.  One far larger than the others, or half of them. */
static void alike_with_one(size_t i) { fill(make(GOMAP_CONFIG(8, 8), NULL), 0, i == 7 ? MANY / 5 : 20); }
static void alike_of_two_sizes(size_t i) { fill(make(GOMAP_CONFIG(8, 8), NULL), 0, i % 2 ? MANY / 5 : 20); }

static void make_gomaps(void) {
    emptied("ill never-shrunk", false, MANY / 10);
    emptied("well never-shrunk", true, MANY / 10);
    emptied("ill near-empty-giant", false, 10);
    fill(make(GOMAP_CONFIG(8, 8), "well near-empty-giant"), 0, MANY);
    gomap_config hint = GOMAP_CONFIG(8, 8);
    hint.capacity = MANY;
    fill(make(hint, "ill oversized-hint"), 0, MANY / 100);
    fill(make(hint, "well oversized-hint"), 0, MANY / 2);
    fill(make(GOMAP_CONFIG(8, 1), "ill padding-heavy"), 0, MANY / 5);
    fill(make(GOMAP_CONFIG(8, 1), "well padding-heavy"), 0, 100); /* the same holes, but few */
    bools("ill set-as-bool", 1);
    bools("well set-as-bool", 0);
    hashed("ill chosen-keys", weak);
    hashed("well chosen-keys", good);
    for (size_t i = 0; i < LIKE; i++) alike_with_one(i), alike_of_two_sizes(i);
    growing[0] = make(GOMAP_CONFIG(8, 8), "ill growing-unbounded");
    growing[1] = make(GOMAP_CONFIG(8, 8), "well growing-unbounded");
    room = make(GOMAP_CONFIG(8, 8), "room");
}

/* ---- classic ------------------------------------------------------------------------------------- */

static gomap_classic *make_classic(gomap_classic_config c, const char *name) {
    gomap_classic *m;
    if (gomap_classic_new(&c, &m) || gomap_classic_set_name(m, name)) die("make a classic map");
    return m;
}

static void fill_classic(gomap_classic *m, uint64_t from, uint64_t to) {
    uint8_t elem[64];
    memset(elem, 1, sizeof elem);
    for (uint64_t key = from; key < to; key++)
        if (gomap_classic_put(m, &key, elem)) die("put");
}

static void emptied_classic(const char *name, uint64_t left) {
    gomap_classic *m = make_classic(GOMAP_CLASSIC_CONFIG(8, 8), name);
    fill_classic(m, 0, MANY);
    for (uint64_t key = left; key < MANY; key++) gomap_classic_delete(m, &key);
}

/* A quarter of the buckets gets all the keys. */
static uint64_t narrow(const void *key, uint32_t seed, void *ctx) {
    uint64_t k;
    (void)seed, (void)ctx;
    memcpy(&k, key, sizeof k);
    return k << 40 | (k << 2 & 0xffff);
}

static void hashed_classic(const char *name, uint64_t (*hash)(const void *, uint32_t, void *),
                           uint64_t entries) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
    c.hash = hash;
    fill_classic(make_classic(c, name), 0, entries);
}

static void bools_classic(const char *name, uint8_t odd) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 1);
    c.elem_type = "bool";
    gomap_classic *m = make_classic(c, name);
    for (uint64_t key = 0; key < MANY / 5; key++) {
        uint8_t value = key % 100 == 7 ? odd : 1;
        if (gomap_classic_put(m, &key, &value)) die("put");
    }
}

static void make_classics(void) {
    emptied_classic("ill never-shrunk classic", MANY / 10);
    emptied_classic("well never-shrunk classic", MANY / 2);
    emptied_classic("ill near-empty-giant classic", 10);
    emptied_classic("well near-empty-giant classic", MANY);
    gomap_classic_config hint = GOMAP_CLASSIC_CONFIG(8, 8);
    hint.hint = MANY;
    fill_classic(make_classic(hint, "ill oversized-hint classic"), 0, MANY / 100);
    fill_classic(make_classic(hint, "well oversized-hint classic"), 0, MANY / 2);
    hashed_classic("ill overflow-heavy classic", narrow, 6400);
    hashed_classic("well overflow-heavy classic", NULL, 6400); /* just as full */
    bools_classic("ill set-as-bool classic", 1);
    bools_classic("well set-as-bool classic", 0);
    classic_room = make_classic(GOMAP_CLASSIC_CONFIG(8, 8), "classic room");
}

/* ---- commands ------------------------------------------------------------------------------------- */

static void grow(uint64_t n) {
    fill(growing[0], grown, grown + n);
    fill(growing[1], grown, grown + n);
    drop(growing[1], grown - (grown >= n ? n : grown), grown);
    grown += n;
}

static void *flow(void *arg) {
    (void)arg;
    for (;; usleep(1000)) grow(20);
    return NULL;
}

static void say_room(int which, uint64_t n) {
    static uint64_t have[2];
    gomap_stats s = {.size = sizeof s};
    gomap_classic_stats c = {.size = sizeof c};
    if (which) {
        fill_classic(classic_room, have[1], have[1] + n);
        if (gomap_classic_get_stats(classic_room, &c)) die("take the figures");
    } else {
        fill(room, have[0], have[0] + n);
        if (gomap_get_stats(room, &s)) die("take the figures");
    }
    have[which] += n;
    printf("%" PRIu64 " %" PRIu64 "\n", which ? c.grows : s.grows, which ? c.bytes : s.bytes);
}

int main(void) {
    char line[64];
    uint64_t n;
    int which;
    make_gomaps();
    make_classics();
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        pthread_t t;
        if (sscanf(line, "grow %" SCNu64, &n) == 1)
            grow(n), printf("ok\n");
        else if (sscanf(line, "room %d %" SCNu64, &which, &n) == 2)
            say_room(which != 0, n);
        else if (strcmp(line, "flow\n") == 0)
            printf(pthread_create(&t, NULL, flow, NULL) ? "cannot start a thread\n" : "ok\n");
        else
            printf("no such command\n");
        fflush(stdout);
    }
    return 0;
}
