/* tests/fault/test_limits.c - maps where memory is rationed: RLIMIT_AS, strict commit accounting, mlockall.
 *
 * Each test runs in a child that sets the limit for itself.  What needs a right, or a setting of the whole
 * system, skips with its reason where that is missing.
 */
#define _GNU_SOURCE /* setresuid */
#include "../support.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern int (*gomap__fault)(int what);
enum { MADVISE = 4, STRICT = 7, SKIPPED = 77, MB = 1 << 20 };

/* A line of /proc/self/status, in bytes. */
static uint64_t status_bytes(const char *name) {
    char line[200];
    unsigned long long kb = 0;
    FILE *f = fopen("/proc/self/status", "re");
    T_CHILD(f);
    while (fgets(line, sizeof line, f))
        if (!strncmp(line, name, strlen(name))) T_CHILD(sscanf(line + strlen(name), ": %llu", &kb) == 1);
    fclose(f);
    return (uint64_t)kb * 1024;
}

static void expect(void (*fn)(void *), void *arg) {
    struct t_child c;
    t_fork(&c, fn, arg);
    if (WIFEXITED(c.status) && WEXITSTATUS(c.status) == SKIPPED) {
        print_message("# SKIP: %s", c.out);
        return;
    }
    if (c.status) fail_msg("child: %s", c.out);
    print_message("# %s", c.out);
}

static void skip_child(const char *why) {
    printf("%s\n", why);
    exit(SKIPPED);
}

static void fill(gomap *m, uint64_t from, uint64_t n) {
    for (uint64_t k = from; k < from + n; k++) T_CHILD(gomap_put(m, &k, &k) == GOMAP_OK);
}

static void check(gomap *m, uint64_t n) {
    char why[200];
    T_CHILD(gomap_len(m) == n && gomap_verify(m, why, sizeof why) == 0);
    for (uint64_t k = 0; k < n; k++) {
        uint64_t *v = gomap_get(m, &k);
        T_CHILD(v && *v == k);
    }
}

static gomap *new_map(void) {
    gomap_config c = t_config();
    gomap *m = NULL;
    T_CHILD(gomap_new(&c, &m) == GOMAP_OK);
    return m;
}

/* ---- RLIMIT_AS -------------------------------------------------------------------------------------------- */

/* A map fills what is left of the address space; it says so and stays whole; and its head-room never was what
 * kept others from memory. */
static void little_address_space(void *arg) {
    (void)arg;
    gomap *m = new_map();
    uint64_t one = 1, left = 64 * MB, n = 1;
    fill(m, 0, 1);
    struct rlimit as = {status_bytes("VmSize") + left, RLIM_INFINITY};
    T_CHILD(setrlimit(RLIMIT_AS, &as) == 0);
    while (n < 400000) fill(m, n++, 1);
    gomap_stats s = {.size = sizeof s};
    T_CHILD(gomap_get_stats(m, &s) == GOMAP_OK);
    T_CHILD(s.reserved > 0 && s.reserved <= as.rlim_cur / 4 + s.bytes);
    void *others = malloc(left / 4);
    T_CHILD(others);
    free(others);
    printf("400000 entries under %d MB: %llu KB, reserved %llu KB, growths put off %llu", (int)(left / MB),
           (unsigned long long)s.bytes / 1024, (unsigned long long)s.reserved / 1024,
           (unsigned long long)s.grow_failed);
    gomap_err err;
    while ((err = gomap_put(m, &n, &n)) == GOMAP_OK) n++;
    T_CHILD(err == GOMAP_ENOMEM);
    check(m, n);
    printf(", full at %llu\n", (unsigned long long)n);
    for (uint64_t k = 0; k < n; k++) T_CHILD(gomap_delete(m, &k));
    T_CHILD(gomap_put(m, &one, &one) == GOMAP_OK);
    gomap_free(m);
}

static void test_little_address_space(void **st) {
    (void)st;
    if (t_sanitized()) {
        print_message("# SKIP: a sanitizer's own memory exceeds any limit\n");
        return;
    }
    expect(little_address_space, NULL);
}

/* ---- strict commit accounting ------------------------------------------------------------------------------- */

static uint64_t strict_calls;
static int strict_kernel(int what) {
    if (what == MADVISE) return 1; /* what it would give back stays charged */
    strict_calls += what == STRICT;
    return what == STRICT;
}

/* Memory that a shrink frees must be given up by a new mapping: then nothing of the old can be there afterwards,
 * and the space can be committed again. */
static void strict_commit(void *arg) {
    (void)arg;
    gomap *m = new_map();
    gomap__fault = strict_kernel;
    for (int round = 0; round < 3; round++) {
        fill(m, 0, 300000);
        gomap_stats full = {.size = sizeof full}, less = {.size = sizeof less};
        T_CHILD(gomap_get_stats(m, &full) == GOMAP_OK);
        uint64_t resident = status_bytes("VmRSS");
        for (uint64_t k = 200; k < 300000; k++) T_CHILD(gomap_delete(m, &k));
        while (gomap_work(m, UINT64_MAX)) continue;
        T_CHILD(gomap_get_stats(m, &less) == GOMAP_OK);
        check(m, 200);
        T_CHILD(less.bytes < full.bytes / 8);
        if (!t_sanitized()) T_CHILD(status_bytes("VmRSS") + (full.bytes - less.bytes) / 2 < resident);
    }
    T_CHILD(strict_calls > 10);
    printf("%llu pieces given up by a new mapping\n", (unsigned long long)strict_calls);
    gomap_free(m);
}

static void test_strict_commit_gives_memory_up(void **st) {
    (void)st;
    expect(strict_commit, NULL);
}

static void under_strict_kernel(void *arg) {
    (void)arg;
    FILE *f = fopen("/proc/sys/vm/overcommit_memory", "re");
    int mode = 0;
    if (!f || fscanf(f, "%d", &mode) != 1 || mode != 2)
        skip_child("vm.overcommit_memory is not 2 here, and is everybody's");
    fclose(f);
    gomap *m = new_map();
    fill(m, 0, 300000);
    check(m, 300000);
    gomap_free(m);
}

static void test_under_a_strict_kernel(void **st) {
    (void)st;
    expect(under_strict_kernel, NULL);
}

/* ---- mlockall --------------------------------------------------------------------------------------------------- */

/* What is committed is locked; what is only reserved, twice the map at least, is neither locked nor filled with
 * pages; growth and shrink go on, and memory comes back. */
static void locked(gomap *m) {
    uint64_t lock = status_bytes("VmLck"), resident = status_bytes("VmRSS"), n = 1;
    gomap_stats s = {.size = sizeof s};
    while (n < 300000 || s.reserved < 2 * s.bytes || s.walk) {
        T_CHILD(n < 1000000);
        fill(m, n++, 1);
        T_CHILD(gomap_get_stats(m, &s) == GOMAP_OK);
    }
    uint64_t locked = status_bytes("VmLck") - lock, filled = status_bytes("VmRSS") - resident;
    printf("%llu KB in the map, %llu KB reserved, %llu KB locked, %llu KB resident\n",
           (unsigned long long)s.bytes / 1024, (unsigned long long)s.reserved / 1024,
           (unsigned long long)locked / 1024, (unsigned long long)filled / 1024);
    T_CHILD(locked >= s.bytes / 10 * 9 && locked < s.bytes + s.bytes / 2 + MB / 4);
    if (!t_sanitized()) T_CHILD(filled < s.bytes + s.bytes / 2 + MB / 4);
    check(m, n);
    for (uint64_t k = 100; k < n; k++) T_CHILD(gomap_delete(m, &k));
    while (gomap_work(m, UINT64_MAX)) continue;
    check(m, 100);
    T_CHILD(status_bytes("VmLck") - lock < locked / 4);
    fill(m, 100, n - 100);
    check(m, n);
}

/* A map may have a good part of what a user may lock; then it says that there is no more, and stays whole. */
static void full(gomap *m) {
    uint64_t n = 1;
    gomap_err err;
    gomap_stats s = {.size = sizeof s};
    while ((err = gomap_put(m, &n, &n)) == GOMAP_OK) n++;
    T_CHILD(err == GOMAP_ENOMEM);
    T_CHILD(gomap_get_stats(m, &s) == GOMAP_OK);
    printf("full at %llu entries, %llu KB, %llu KB reserved, %llu KB locked\n", (unsigned long long)n,
           (unsigned long long)s.bytes / 1024, (unsigned long long)s.reserved / 1024,
           (unsigned long long)status_bytes("VmLck") / 1024);
    T_CHILD(n > 50000);
    check(m, n);
    for (uint64_t k = n / 2; k < n; k++) T_CHILD(gomap_delete(m, &k));
    fill(m, n / 2, n / 4);
    check(m, n / 2 + n / 4);
}

static void mlock_all(void *arg) {
    uint64_t limit = *(uint64_t *)arg;
    gomap *m = new_map();
    fill(m, 0, 1);
    if (mlockall(limit ? MCL_FUTURE : MCL_CURRENT | MCL_FUTURE)) skip_child("mlockall is not allowed here");
    struct rlimit most;
    if (limit) {
        T_CHILD(getrlimit(RLIMIT_MEMLOCK, &most) == 0);
        if (most.rlim_max < limit) skip_child("RLIMIT_MEMLOCK is lower already");
        most.rlim_cur = most.rlim_max = limit;
        T_CHILD(setrlimit(RLIMIT_MEMLOCK, &most) == 0);
        if (getuid() == 0 && setresuid(65534, 65534, 65534))
            skip_child("cannot become a user without rights");
    }
    (limit ? full : locked)(m);
    gomap_free(m);
}

static void test_locked_memory(void **st) {
    (void)st;
    uint64_t none = 0;
    if (t_sanitized()) {
        print_message("# SKIP: sanitizers turn mlock into nothing\n");
        return;
    }
    expect(mlock_all, &none);
}

/* The limit is a fraction of what would be reserved. */
static void test_locked_memory_within_a_limit(void **st) {
    (void)st;
    uint64_t limit = 8 * MB;
    if (t_sanitized()) {
        print_message("# SKIP: a sanitizer's own memory exceeds any limit\n");
        return;
    }
    expect(mlock_all, &limit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_little_address_space),
        cmocka_unit_test(test_strict_commit_gives_memory_up),
        cmocka_unit_test(test_under_a_strict_kernel),
        cmocka_unit_test(test_locked_memory),
        cmocka_unit_test(test_locked_memory_within_a_limit),
    };
    return t_run("limits", tests, sizeof tests / sizeof *tests);
}
