/* tests/concur/test_fork_grow.c - fork while a large table grows: parent and child both go on growing it.
 *
 * A table that grows in place is memory shared by the two until one writes to it.  Both must find what was there
 * before, neither what the other adds; reading copies no page, and growing copies the table once, not twice.
 */
#include "../support.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START = 150000, MORE = 150000 };

static uint64_t start;

/* Bytes of this process alone, written by it. */
static uint64_t private_bytes(void) {
    char line[200];
    unsigned long long kb = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "re");
    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        if (!strncmp(line, "Private_Dirty:", 14)) T_CHILD(sscanf(line + 14, "%llu", &kb) == 1);
    fclose(f);
    return (uint64_t)kb * 1024;
}

/* Keys below start are of both; the others are who's. */
static void check(const gomap *m, uint64_t who, uint64_t n) {
    char why[200];
    T_CHILD(gomap_len(m) == start + n);
    for (uint64_t k = 0; k < start + n; k++) {
        uint64_t key = k < start ? k : k ^ who << 40, *v = gomap_get(m, &key);
        T_CHILD(v && *v == t_mix(key));
    }
    T_CHILD(gomap_verify(m, why, sizeof why) == 0);
}

static void grow(gomap *m, uint64_t who, uint64_t from, uint64_t to) {
    for (uint64_t k = start + from; k < start + to; k++) {
        uint64_t key = k ^ who << 40, v = t_mix(key);
        T_CHILD(gomap_put(m, &key, &v) == GOMAP_OK);
    }
}

/* Each goes a piece, tells the other, and waits until that has done its own. */
static void take_turns(gomap *m, uint64_t who, int tell, int hear) {
    enum { PIECES = 10 };
    char c = 'x';
    for (uint64_t i = 0; i < PIECES; i++) {
        grow(m, who, MORE / PIECES * i, MORE / PIECES * (i + 1));
        T_CHILD(write(tell, &c, 1) == 1);
        T_CHILD(read(hear, &c, 1) == 1);
        check(m, who, MORE / PIECES * (i + 1));
    }
}

struct talk {
    gomap *m;
    int to_child[2], to_parent[2];
};

static void in_child(void *arg) {
    struct talk *t = arg;
    gomap_stats s = {.size = sizeof s};
    uint64_t before = private_bytes();
    check(t->m, 1, 0);
    uint64_t read_only = private_bytes() - before;
    T_CHILD(write(t->to_parent[1], "x", 1) == 1);
    take_turns(t->m, 1, t->to_parent[1], t->to_child[0]);
    while (gomap_work(t->m, UINT64_MAX)) continue;
    T_CHILD(gomap_get_stats(t->m, &s) == GOMAP_OK);
    uint64_t grown = private_bytes() - before;
    printf("private bytes in the child: %llu after reading, %llu after growing a map of %llu\n",
           (unsigned long long)read_only, (unsigned long long)grown, (unsigned long long)s.bytes);
    if (!t_sanitized() && before) T_CHILD(read_only < 300000 && grown < s.bytes + s.bytes / 4);
    gomap_free(t->m);
}

static void test_parent_and_child_grow(void **st) {
    (void)st;
    struct talk t;
    gomap_stats s;
    t.m = t_new(NULL);
    start = START;
    t_fill(t.m, 0, start);
    assert_true(t_until_walk(t.m, &start, 0.3, 4 * START));
    s = t_stats(t.m);
    assert_true(s.reserved > 0 && s.walk_progress < 0.9);
    assert_int_equal(pipe(t.to_child) | pipe(t.to_parent), 0);
    pid_t child = fork();
    if (!child) {
        in_child(&t);
        fflush(NULL);
        _exit(0);
    }
    assert_true(child > 0);
    char measured; /* what the parent writes to becomes the child's alone */
    assert_int_equal(read(t.to_parent[0], &measured, 1), 1);
    take_turns(t.m, 2, t.to_child[1], t.to_parent[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    check(t.m, 2, MORE);
    gomap_free(t.m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parent_and_child_grow)};
    return t_run("fork_grow", tests, sizeof tests / sizeof *tests);
}
