/* bench/observing.c - what observation costs the program that is observed; a line of JSON per figure and round.
 *
 *     observing CHURNS SAMPLES
 *
 *   churn_off, churn_sampled, churn_all   a delete and an insert, ns: nothing sampled, a byte in 512 KiB, every piece
 *   grow_off, grow_sampled                an insert while a map grows from nothing, ns
 *   grow_timed, grow_stacks               the same with policy.times, and with policy.stacks too, ns
 *   put_off, put_rare, put_hooked         a put of a key that is there: no hooks, one of growths, an empty one of puts, ns
 *   delete_off, delete_hooked             a delete and a put back: no hooks, empty ones of both, ns
 *   event, region, label                  a note; a region begun and ended; a label pushed and popped, ns
 *   stack_frames, stack_unwound           a stack of 20 frames by frame pointers, and as the library was built, ns
 *   profile                               a profile of so many samples, ms
 */
#define _GNU_SOURCE
#include "gomap/observe.h"

#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

/* lib/observe/stack.c, compiled once more, with frame pointers */
unsigned framed__stack(uint64_t pc[64]);
void framed__stack_prepare(void);
unsigned gomap__stack(uint64_t pc[64]);
void gomap__stack_prepare(void);

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void tell(const char *what, double value) { printf("{\"op\":\"%s\",\"value\":%.6g}\n", what, value); }

static void set(const char *name, uint64_t value) {
    if (gomap_ctl(NULL, name, NULL, &value)) exit(1);
}

static void rate(uint64_t bytes) { set("policy.profile_bytes", bytes); }

static gomap *make(void) {
    gomap_config c = {.size = sizeof c, .key_size = 8, .value_size = 8};
    gomap *m;
    if (gomap_new(&c, &m)) exit(1);
    return m;
}

static uint64_t scattered(uint64_t i) { return i * UINT64_C(0x9e3779b97f4a7c15); }

static void churn(const char *what, uint64_t bytes, uint64_t n) {
    enum { HELD = 100000 };
    rate(bytes);
    gomap *m = make();
    for (uint64_t i = 0; i < HELD; i++) {
        uint64_t k = scattered(i);
        if (gomap_put(m, &k, &i)) exit(1);
    }
    double from = now_ns();
    for (uint64_t i = 0; i < n; i++) {
        uint64_t old = scattered(i), new = scattered(i + HELD);
        (void)gomap_delete(m, &old);
        if (gomap_put(m, &new, &i)) exit(1);
    }
    tell(what, (now_ns() - from) / (double)n);
    gomap_free(m);
}

static void grow(const char *what, uint64_t bytes, uint64_t n) {
    rate(bytes);
    double from = now_ns();
    gomap *m = make();
    for (uint64_t i = 0; i < n; i++)
        if (gomap_put(m, &i, &i)) exit(1);
    tell(what, (now_ns() - from) / (double)n);
    gomap_free(m);
}

static void timed(uint64_t n) {
    set("policy.times", 1);
    grow("grow_timed", 0, n);
    set("policy.stacks", 1);
    grow("grow_stacks", 0, n);
    set("policy.times", 0), set("policy.stacks", 0);
}

static void empty_put(const gomap *m, const void *key, void *value, bool is_new, void *ctx) {
    (void)m, (void)key, (void)value, (void)is_new, (void)ctx;
}
static void empty_delete(const gomap *m, const void *key, void *value, void *ctx) {
    (void)m, (void)key, (void)value, (void)ctx;
}
static void empty_grow(const gomap *m, uint64_t groups, uint64_t to_groups, bool done, void *ctx) {
    (void)m, (void)groups, (void)to_groups, (void)done, (void)ctx;
}

enum { IN_CACHE = 2000 };
static void writes(gomap *m, const char *what, bool deletes, uint64_t n) {
    double from = now_ns();
    for (uint64_t i = 0, k = 0; i < n; i++, k = k + 1 < IN_CACHE ? k + 1 : 0) {
        if (deletes) (void)gomap_delete(m, &k);
        if (gomap_put(m, &k, &i)) exit(1);
    }
    tell(what, (now_ns() - from) / (double)n);
}

static void hooks(uint64_t n) {
    gomap *m = make();
    gomap_hooks rare = {.size = sizeof rare, .on_grow = empty_grow}, all = rare;
    all.on_put = empty_put, all.on_delete = empty_delete;
    for (uint64_t k = 0; k < IN_CACHE; k++)
        if (gomap_put(m, &k, &k)) exit(1);
    writes(m, "put_off", false, n);
    writes(m, "delete_off", true, n);
    if (gomap_set_hooks(m, &rare)) exit(1);
    writes(m, "put_rare", false, n);
    if (gomap_set_hooks(m, &all)) exit(1);
    writes(m, "put_hooked", false, n);
    writes(m, "delete_hooked", true, n);
    gomap_free(m);
}

static void small_things(void) {
    enum { N = 200000 };
    double from = now_ns();
    for (int i = 0; i < N; i++) gomap_event("note", 1);
    tell("event", (now_ns() - from) / N);
    from = now_ns();
    for (int i = 0; i < N; i++) gomap_region_begin("region"), gomap_region_end("region");
    tell("region", (now_ns() - from) / N);
    from = now_ns();
    for (int i = 0; i < N; i++) {
        (void)gomap_label_push("key", "value");
        gomap_label_pop();
    }
    tell("label", (now_ns() - from) / N);
}

__attribute__((noinline)) static unsigned deep(int depth, unsigned (*stack)(uint64_t *), uint64_t *pc) {
    unsigned n = depth ? deep(depth - 1, stack, pc) : stack(pc);
    __asm__ volatile("" ::: "memory"); /* no tail call */
    return n;
}

static void stacks(const char *what, unsigned (*stack)(uint64_t *)) {
    enum { N = 20000, DEPTH = 14 }; /* with main and what starts it, about 20 */
    uint64_t pc[64];
    double from = now_ns();
    for (int i = 0; i < N; i++) (void)deep(DEPTH, stack, pc);
    tell(what, (now_ns() - from) / N);
}

static void profile(uint64_t samples) {
    gomap **m = malloc(samples * sizeof *m);
    if (!m) exit(1);
    rate(1);
    for (uint64_t i = 0; i < samples; i++) m[i] = make();
    FILE *null = fopen("/dev/null", "w");
    double from = now_ns();
    if (!null || gomap_profile_write(null, GOMAP_PROFILE_HEAP)) exit(1);
    tell("profile", (now_ns() - from) / 1e6);
    fclose(null);
    for (uint64_t i = 0; i < samples; i++) gomap_free(m[i]);
    free(m);
    rate(0);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    uint64_t n = strtoull(argv[1], NULL, 10), samples = strtoull(argv[2], NULL, 10);
    churn("churn_off", 0, n);
    churn("churn_sampled", 512 << 10, n);
    churn("churn_all", 1, n);
    grow("grow_off", 0, n);
    grow("grow_sampled", 512 << 10, n);
    rate(0);
    timed(n);
    hooks(n);
    small_things();
    gomap__stack_prepare();
    framed__stack_prepare();
    stacks("stack_frames", framed__stack);
    stacks("stack_unwound", gomap__stack);
    profile(samples);
    return 0;
}
