/* tests/support.c - see support.h.
 *
 * Failures inside the allocator are counted, not asserted: it runs inside the library, and a longjmp out
 * of there would hide the real finding behind a wrecked map.  The suites look at the count.
 */
#include "support.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- randomness ------------------------------------------------------------------------------- */

static uint64_t run_seed, state;

uint64_t t_mix(uint64_t z) {
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t t_rand(void) {
    state += UINT64_C(0x9e3779b97f4a7c15);
    return t_mix(state);
}

uint64_t t_below(uint64_t n) { return (t_rand() >> 1) % n; } /* the bias does not matter to any test */
uint64_t t_seed(void) { return run_seed; }

bool t_long(void) {
    const char *s = getenv("GOMAP_TEST_LONG");
    return s && *s && strcmp(s, "0") != 0;
}

uint64_t t_scale(uint64_t usual, uint64_t in_long_runs) { return t_long() ? in_long_runs : usual; }

/* ---- checks ----------------------------------------------------------------------------------- */

void t_verify_at(const gomap *map, const char *file, int line) {
    char why[256] = "";
    int broken = gomap_verify(map, why, sizeof why);
    if (!broken) return;
    print_error("%s:%d: invariant I%d: %s\n", file, line, broken, why);
    _fail(file, line);
}

gomap_stats t_stats(const gomap *map) {
    gomap_stats s = {.size = sizeof s};
    T_OK(gomap_get_stats(map, &s));
    return s;
}

uint64_t t_stats_sum(const gomap_stats *s) {
    return s->bytes_header + s->bytes_metadata + s->bytes_slots_live + s->bytes_slots_empty +
           s->bytes_padding + s->bytes_overflow + s->bytes_moving + s->bytes_cells + s->bytes_strings +
           s->bytes_slack + s->bytes_stash;
}

uint64_t t_pair(uint64_t key, uint64_t value) { return t_mix(t_mix(key) ^ value * 3); }

struct t_sum t_sum_of(const gomap *map) {
    struct t_sum s = {0, 0};
    gomap_iter it;
    for (gomap_iter_init(&it, map); gomap_iter_next(&it);) {
        uint64_t k, v;
        memcpy(&k, it.key, sizeof k);
        memcpy(&v, it.value, sizeof v);
        s.n++;
        s.sum += t_pair(k, v);
    }
    return s;
}

/* ---- u64 maps ---------------------------------------------------------------------------------- */

gomap_config t_config(void) { return GOMAP_CONFIG(sizeof(uint64_t), sizeof(uint64_t)); }

gomap *t_new(const gomap_config *config) {
    gomap_config usual = t_config();
    gomap *map = NULL;
    T_OK(gomap_new(config ? config : &usual, &map));
    assert_non_null(map);
    return map;
}

void t_put(gomap *map, uint64_t key, uint64_t value) { T_OK(gomap_put(map, &key, &value)); }

void t_fill(gomap *map, uint64_t from, uint64_t n) {
    for (uint64_t i = from; i < from + n; i++) t_put(map, i, t_mix(i));
}

uint64_t t_get(const gomap *map, uint64_t key, bool *found) {
    uint64_t v = 0;
    const void *p = gomap_get(map, &key);
    *found = p != NULL;
    if (p) memcpy(&v, p, sizeof v);
    return v;
}

bool t_until_walk(gomap *map, uint64_t *next, double progress, uint64_t most) {
    for (uint64_t i = 0; i < most; i++) {
        gomap_stats s = t_stats(map);
        if (s.walk == GOMAP_WALK_GROW && s.walk_progress >= progress) return true;
        t_put(map, *next, t_mix(*next));
        ++*next;
    }
    return false;
}

/* ---- allocator --------------------------------------------------------------------------------- */

enum { GUARD = 16, MAGIC = 0x5eedb10c };
struct block_head {
    uint64_t magic, size, align;
    void *raw;
};

static void *watch_alloc(size_t size, size_t align, void *ctx) {
    struct t_alloc *a = ctx;
    a->calls++;
    if (a->fail_at && (a->calls == a->fail_at || (a->fail_on && a->calls > a->fail_at))) {
        a->failed++;
        return NULL;
    }
    if (!align || (align & (align - 1))) {
        a->faults++;
        return NULL;
    }
    size_t up = align > sizeof(struct block_head) ? align : sizeof(struct block_head);
    uint8_t *raw = malloc(up + align + size + GUARD);
    if (!raw) return NULL;
    uint8_t *p = (uint8_t *)(((uintptr_t)raw + up + align - 1) & ~(uintptr_t)(align - 1));
    struct block_head h = {MAGIC, size, align, raw};
    memcpy(p - sizeof h, &h, sizeof h);
    memset(p, 0xa5, size); /* fresh memory is not zero: whoever needs zeros must write them */
    memset(p + size, 0x6b, GUARD);
    a->blocks++, a->bytes += size;
    return p;
}

static void watch_free(void *ptr, size_t size, size_t align, void *ctx) {
    struct t_alloc *a = ctx;
    struct block_head h;
    if (!ptr) {
        a->faults++;
        return;
    }
    uint8_t *p = ptr;
    memcpy(&h, p - sizeof h, sizeof h);
    if (h.magic != MAGIC || h.size != size || h.align != align) {
        fprintf(stderr, "# freed with size %zu align %zu, made with %" PRIu64 " %" PRIu64 "\n", size, align,
                h.size, h.align);
        a->faults++;
        if (h.magic != MAGIC) return;
    }
    for (int i = 0; i < GUARD; i++)
        if (p[h.size + (size_t)i] != 0x6b) a->faults++;
    memset(p - sizeof h, 0xdd, sizeof h + h.size);
    a->blocks--, a->bytes -= h.size;
    free(h.raw);
}

void t_alloc_init(struct t_alloc *a) {
    memset(a, 0, sizeof *a);
    a->api = (gomap_alloc){watch_alloc, watch_free, a};
}

void t_alloc_arm(struct t_alloc *a, uint64_t fail_at, bool fail_on) {
    a->fail_at = fail_at ? a->calls + fail_at : 0;
    a->fail_on = fail_on;
    a->failed = 0;
}

void t_alloc_check_empty(const struct t_alloc *a) {
    assert_int_equal(a->faults, 0);
    assert_int_equal(a->blocks, 0);
    assert_int_equal(a->bytes, 0);
}

/* ---- model ------------------------------------------------------------------------------------- */

void t_model_init(struct t_model *m, uint64_t universe) {
    m->universe = universe, m->count = 0;
    m->value = calloc(universe, sizeof *m->value);
    m->has = calloc(universe, 1);
    assert_non_null(m->value);
    assert_non_null(m->has);
}

void t_model_free(struct t_model *m) {
    free(m->value);
    free(m->has);
}

void t_model_put(struct t_model *m, uint64_t key, uint64_t value) {
    m->count += !m->has[key];
    m->has[key] = 1, m->value[key] = value;
}

bool t_model_del(struct t_model *m, uint64_t key) {
    bool was = m->has[key];
    m->has[key] = 0;
    m->count -= was;
    return was;
}

void t_model_check(const struct t_model *m, const gomap *map) {
    struct t_sum want = {0, 0};
    assert_int_equal(gomap_len(map), m->count);
    for (uint64_t k = 0; k < m->universe; k++) {
        bool found;
        uint64_t v = t_get(map, k, &found);
        assert_int_equal(found, m->has[k]);
        if (!found) continue;
        assert_int_equal(v, m->value[k]);
        want.n++, want.sum += t_pair(k, v);
    }
    struct t_sum got = t_sum_of(map);
    assert_int_equal(got.n, want.n);
    assert_int_equal(got.sum, want.sum);
}

/* ---- children ---------------------------------------------------------------------------------- */

void t_fork(struct t_child *c, void (*fn)(void *arg), void *arg) {
    int fd[2];
    memset(c, 0, sizeof *c);
    assert_int_equal(pipe(fd), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fd[0]);
        dup2(fd[1], 1);
        dup2(fd[1], 2);
        fn(arg);
        fflush(NULL);
        _exit(0);
    }
    close(fd[1]);
    for (;;) {
        char rest[512];
        size_t room = sizeof c->out - 1 - c->len;
        ssize_t n = room ? read(fd[0], c->out + c->len, room) : read(fd[0], rest, sizeof rest);
        if (n <= 0) break;
        if (room) c->len += (size_t)n;
    }
    close(fd[0]);
    assert_int_equal(waitpid(pid, &c->status, 0), pid);
}

static void fatal_hook(const char *line) {
    /* One line, and only one. */
    bool one = line && *line && !strchr(line, '\n');
    fprintf(stderr, "FATAL%s: %s\n", one ? "" : " (not one line)", line ? line : "(null)");
    fflush(NULL);
    _exit(one ? T_EXIT_FATAL : 87);
}

struct fatal_call {
    void (*fn)(void *);
    void *arg;
};

static void fatal_child(void *arg) {
    struct fatal_call *call = arg;
    gomap_set_fatal(fatal_hook);
    call->fn(call->arg);
}

void t_expect_fatal_at(const char *file, int line, void (*fn)(void *arg), void *arg, ...) {
    struct t_child c;
    struct fatal_call call = {fn, arg};
    t_fork(&c, fatal_child, &call);
    if (!WIFEXITED(c.status) || WEXITSTATUS(c.status) != T_EXIT_FATAL) {
        print_error("%s:%d: no call of the fatal hook; status 0x%x, output: %s\n", file, line,
                    (unsigned)c.status, c.out);
        _fail(file, line);
    }
    va_list words;
    va_start(words, arg);
    for (const char *w; (w = va_arg(words, const char *));) {
        if (strstr(c.out, w)) continue;
        va_end(words);
        print_error("%s:%d: '%s' is not in: %s\n", file, line, w, c.out);
        _fail(file, line);
    }
    va_end(words);
}

void t_die(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    fflush(NULL);
    _exit(1);
}

/* ---- the process ------------------------------------------------------------------------------- */

uint64_t t_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool t_sanitized(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
    return true;
#endif
#endif
    return false;
}

int t_run(const char *name, const struct CMUnitTest *tests, size_t n) {
    const char *s = getenv("GOMAP_TEST_SEED");
    run_seed = s && *s ? strtoull(s, NULL, 0) : t_now_ns() ^ (uint64_t)getpid() << 32;
    state = t_mix(run_seed);
    fprintf(stderr, "# %s: replay with GOMAP_TEST_SEED=%" PRIu64 "\n", name, run_seed);
    if (!n) {
        fprintf(stderr, "# %s: nothing to run\n", name);
        return 1;
    }
    int failed = _cmocka_run_group_tests(name, tests, n, NULL, NULL);
    return failed != 0;
}
