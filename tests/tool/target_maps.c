/* target_maps.c - a process with maps of which everything is known, for tests of mapscope.
 *
 *   target_maps known        23 maps of all kinds, with prime numbers of entries (see known[])
 *   target_maps many N       N small maps
 *   target_maps empty        the library, and no map
 *
 * Then it answers commands, a line each:
 *   stat I            the library's own figures of map I (STAT_LINE)
 *   fill I N          put keys until map I has N entries (u64 maps)
 *   walk I            put until map I is in the middle of a growth
 *   drop I N          delete entries until N are left
 *   name I HEX        name map I by bytes
 *   free I            free map I
 *   check             verify all maps: "ok" or what is broken
 *   exec              become the same program anew (says ready again)
 *   exec-plain PROG   become another program
 *   fork              answers the pid of a child that waits with the same maps
 *   undumpable        prctl(PR_SET_DUMPABLE, 0)
 *   threads N         start N threads that wait
 *   leave             let the main thread end; another one answers from then on
 */
#include <gomap/gomap.h>

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum kind { U64, BYTE, SET, STRING, WIDE, TRIPLE, BORROWED };
struct triple {
    uint64_t a, b, c;
};

static const struct {
    enum kind kind;
    uint32_t entries;
    bool named;
} known[] = {{U64, 0, true},       {U64, 1, false},      {BYTE, 2, true},    {SET, 3, false},
             {STRING, 5, true},    {WIDE, 7, false},     {TRIPLE, 11, true}, {U64, 13, false},
             {BORROWED, 17, true}, {SET, 19, false},     {STRING, 23, true}, {WIDE, 29, false},
             {U64, 31, true},      {BYTE, 37, false},    {SET, 41, true},    {STRING, 43, false},
             {TRIPLE, 47, true},   {U64, 53, false},     {WIDE, 101, true},  {U64, 101, true},
             {STRING, 1009, true}, {TRIPLE, 4999, true}, {U64, 100003, true}};
enum { KNOWN = sizeof known / sizeof *known };

static gomap **map;
static enum kind *kind;
static size_t maps;
static char **program;
static char words[128][16];

static void die(const char *what) {
    printf("cannot %s\n", what);
    fflush(stdout);
    exit(1);
}

static gomap *make(enum kind k) {
    gomap_config c = GOMAP_CONFIG(8, 8);
    gomap *m;
    if (k == U64) c.key_type = "uint64_t", c.value_type = "uint64_t";
    if (k == BYTE) c = GOMAP_CONFIG(4, 1);
    if (k == SET) c = GOMAP_CONFIG(8, 0);
    if (k == STRING) c = GOMAP_CONFIG_STRING(4);
    if (k == BORROWED) c = GOMAP_CONFIG_STRING(8), c.keys = GOMAP_KEYS_BORROWED;
    if (k == WIDE) c = GOMAP_CONFIG(8, 200), c.value_type = "struct wide";
    if (k == TRIPLE) c = GOMAP_CONFIG(sizeof(struct triple), 8), c.key_type = "struct triple";
    if (gomap_new(&c, &m)) die("make a map");
    return m;
}

static gomap_err put(gomap *m, enum kind k, uint64_t key) {
    uint8_t value[200];
    char text[32];
    memset(value, (int)key, sizeof value);
    struct triple t = {key, ~key, key * 3};
    uint32_t small = (uint32_t)key;
    int n = snprintf(text, sizeof text, "word number %" PRIu64, key);
    gomap_str s = {text, (size_t)n};
    if (k == BORROWED)
        s = (gomap_str){words[key % 128], (size_t)snprintf(words[key % 128], 16, "w%" PRIu64, key)};
    if (k == STRING || k == BORROWED) return gomap_put(m, &s, value);
    if (k == TRIPLE) return gomap_put(m, &t, value);
    if (k == BYTE) return gomap_put(m, &small, value);
    return gomap_put(m, &key, value);
}

static void make_maps(const char *what, size_t n) {
    maps = strcmp(what, "known") == 0 ? KNOWN : n;
    map = calloc(maps + 1, sizeof *map);
    kind = calloc(maps + 1, sizeof *kind);
    if (!map || !kind) die("allocate");
    for (size_t i = 0; i < maps; i++) {
        bool is_known = strcmp(what, "known") == 0;
        size_t entries = is_known ? known[i].entries : i % 3;
        kind[i] = is_known ? known[i].kind : U64;
        map[i] = make(kind[i]);
        for (uint64_t key = 0; gomap_len(map[i]) < entries; key++)
            if (put(map[i], kind[i], key)) die("put");
        char name[32];
        snprintf(name, sizeof name, "map%02zu", i);
        if (is_known && known[i].named && gomap_set_name(map[i], name)) die("name a map");
    }
}

static void say_stat(const gomap *m) {
    gomap_stats s = {.size = sizeof s};
    if (gomap_get_stats(m, &s)) die("take the figures");
    printf("stat %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
           " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
           " %u %.6f %" PRIu64 "\n",
           s.entries, s.slots, s.groups, s.chained, s.stashed, s.bytes, s.bytes_header, s.bytes_metadata,
           s.bytes_overflow, s.bytes_moving, s.bytes_cells, s.bytes_strings, s.bytes_slack, s.bytes_stash,
           s.reserved, s.walk, s.walk_progress, s.grow_at);
}

static void fill(gomap *m, enum kind k, size_t n) {
    for (uint64_t key = gomap_len(m); gomap_len(m) < n; key++)
        if (put(m, k, key)) die("put");
}

static void walk(gomap *m, enum kind k) {
    for (uint64_t key = gomap_len(m), n = 0; n < 10000000; key++, n++) {
        gomap_stats s = {.size = sizeof s};
        if (put(m, k, key)) die("put");
        if (gomap_get_stats(m, &s)) die("take the figures");
        if (s.walk == 1 && s.walk_progress > 0.3) return;
    }
    die("bring it to grow");
}

static void drop(gomap *m, enum kind k, size_t left) {
    gomap_iter it;
    for (uint64_t key = 0; k == U64 && gomap_len(m) > left && key < 10000000; key++) gomap_delete(m, &key);
    gomap_iter_init(&it, m);
    while (gomap_len(m) > left && gomap_iter_next(&it)) gomap_iter_delete(&it, m);
}

static void check(void) {
    char why[256];
    for (size_t i = 0; i < maps; i++)
        if (map[i] && gomap_verify(map[i], why, sizeof why)) {
            printf("map %zu: %s\n", i, why);
            return;
        }
    printf("ok\n");
}

static void name(gomap *m, const char *hex) {
    char text[512];
    size_t n = 0;
    for (unsigned byte; n < sizeof text - 1 && sscanf(hex, "%2x", &byte) == 1; hex += 2)
        text[n++] = (char)byte;
    text[n] = 0;
    if (gomap_set_name(m, text)) die("name a map");
}

static void *wait_for_ever(void *arg) {
    (void)arg;
    for (;;) pause();
    return NULL;
}

static void start_threads(size_t n) {
    pthread_attr_t a;
    pthread_t t;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 128 * 1024);
    for (size_t i = 0; i < n; i++)
        if (pthread_create(&t, &a, wait_for_ever, NULL)) die("start a thread");
}

static void fork_child(void) {
    int done[2];
    if (pipe(done)) die("make a pipe");
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        put(map[0], kind[0], 77); /* it differs from its parent's */
        if (write(done[1], "x", 1) != 1) _exit(1);
        wait_for_ever(NULL);
    }
    char c;
    if (pid < 0 || read(done[0], &c, 1) != 1) die("fork");
    printf("%d\n", (int)pid);
}

static void *serve(void *arg);

/* Answers one line; false: leave this thread. */
static bool answer(char *line) {
    char text[1024];
    size_t i = 0, n = 0;
    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "stat %zu", &i) == 1 && i < maps) return say_stat(map[i]), true;
    if (strcmp(line, "check") == 0) return check(), true;
    if (strcmp(line, "fork") == 0) return fork_child(), true;
    if (strcmp(line, "exec") == 0) execv("/proc/self/exe", program);
    if (sscanf(line, "exec-plain %1023s", text) == 1) execl(text, text, (char *)NULL);
    if (sscanf(line, "fill %zu %zu", &i, &n) == 2 && i < maps)
        fill(map[i], kind[i], n);
    else if (sscanf(line, "walk %zu", &i) == 1 && i < maps)
        walk(map[i], kind[i]);
    else if (sscanf(line, "drop %zu %zu", &i, &n) == 2 && i < maps)
        drop(map[i], kind[i], n);
    else if (sscanf(line, "name %zu %1023s", &i, text) == 2 && i < maps)
        name(map[i], text);
    else if (sscanf(line, "free %zu", &i) == 1 && i < maps)
        gomap_free(map[i]), map[i] = NULL;
    else if (strcmp(line, "undumpable") == 0)
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    else if (sscanf(line, "threads %zu", &n) == 1)
        start_threads(n);
    else if (strcmp(line, "leave") == 0) {
        pthread_t t;
        if (pthread_create(&t, NULL, serve, (void *)(uintptr_t)pthread_self())) die("start a thread");
        return false;
    } else {
        printf("no such command\n");
        return true;
    }
    printf("ok\n");
    return true;
}

static void *serve(void *leader) {
    char line[2048];
    if (leader) {
        pthread_join((pthread_t)(uintptr_t)leader, NULL);
        printf("left\n");
        fflush(stdout);
    }
    while (fgets(line, sizeof line, stdin)) {
        if (!answer(line)) pthread_exit(NULL);
        fflush(stdout);
    }
    exit(0);
    return NULL;
}

int main(int argc, char **argv) {
    program = argv;
    setvbuf(stdin, NULL, _IONBF, 0); /* what is not read yet belongs to the program we become */
    if (argc < 2) {
        fprintf(stderr, "usage: %s known|many N|empty\n", argv[0]);
        return 2;
    }
    make_maps(argv[1], argc > 2 ? strtoul(argv[2], NULL, 10) : 0);
    printf("ready\n");
    fflush(stdout);
    serve(NULL);
}
