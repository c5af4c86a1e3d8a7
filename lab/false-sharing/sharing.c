/* sharing.c - two threads, each with data of its own, and what it costs them when these lie on one cache line.
 *
 *     sharing headers PAD BASE OPS      Go's 48-byte map headers, PAD bytes between them, the first at BASE modulo 64
 *     sharing buckets BYTES BASE OPS    the last word of a bucket of so many bytes, and the first one of the next
 *     sharing maps classic|gomap GAP OPS    two real maps made one after the other, GAP bytes allocated between
 *     sharing handover - - OPS          one line handed to and fro: what a transfer costs on this machine
 *
 *        | count flags ... header 0 ... | pad | count flags ... header 1 ... |
 *        |<------------- 64 ------------->|<------------- 64 ------------->|
 *
 * An operation on a header does what an update of a map does there.  Threads are pinned to the first two processors
 * allowed.  They start each of ROUNDS rounds together; the time of one is the median of the rounds of both, wall
 * clock, since waiting for a line is no rest. */
#define _GNU_SOURCE
#include "../measure.h"

#include "gomap/classic.h"
#include "gomap/inspect.h"

#include <pthread.h>
#include <sched.h>

enum { ROUNDS = 41, LINE = 64, THREADS = 2 };

struct job {
    void (*work)(struct job *, uint64_t ops);
    void *data;
    uint64_t ops, took[ROUNDS];
    int cpu, number;
};

/* Both threads arrive before one goes on. */
static _Alignas(4 * LINE) unsigned arrived;
static _Alignas(4 * LINE) unsigned ball; /* of handover: whose turn it is */
static void meet(unsigned round) {
    __atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < (round + 1) * THREADS) {}
}

static void *run_job(void *arg) {
    struct job *j = arg;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)j->cpu, &one);
    must(!pthread_setaffinity_np(pthread_self(), sizeof one, &one), "cannot pin a thread");
    j->work(j, j->ops); /* warm */
    for (unsigned r = 0; r < ROUNDS; r++) {
        meet(r);
        uint64_t start = clock_ns(CLOCK_MONOTONIC);
        j->work(j, j->ops);
        j->took[r] = clock_ns(CLOCK_MONOTONIC) - start;
    }
    return NULL;
}

static int by_time(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Nanoseconds an operation, while both threads are at it. */
static double run_both(struct job *jobs, uint64_t ops) {
    pthread_t other;
    cpu_set_t allowed;
    uint64_t all[THREADS * ROUNDS];
    must(!sched_getaffinity(0, sizeof allowed, &allowed), "sched_getaffinity failed");
    must(CPU_COUNT(&allowed) >= THREADS, "two processors are needed");
    for (int cpu = 0, t = 0; t < THREADS; cpu++)
        if (CPU_ISSET((size_t)cpu, &allowed)) jobs[t].cpu = cpu, jobs[t].ops = ops, jobs[t].number = t, t++;
    must(!pthread_create(&other, NULL, run_job, &jobs[1]), "no second thread");
    run_job(&jobs[0]);
    must(!pthread_join(other, NULL), "the second thread did not end");
    for (int t = 0; t < THREADS; t++) memcpy(all + (ptrdiff_t)t * ROUNDS, jobs[t].took, sizeof jobs[t].took);
    qsort(all, THREADS * ROUNDS, sizeof *all, by_time);
    return (double)all[THREADS * ROUNDS / 2] / (double)ops;
}

/* ---- what is done -------------------------------------------------------------------------------------- */

#define READ(field)         __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define WRITE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

/* An insert and a delete as a header sees them: the flag twice, what chooses the bucket, the count. */
static void on_header(struct job *j, uint64_t ops) {
    struct gomap_hmap *h = j->data;
    for (uint64_t i = 0; i < ops; i++) {
        WRITE(h->flags, READ(h->flags) ^ GOMAP_HMAP_WRITING);
        KEEP(READ(h->B) + READ(h->hash0));
        KEEP(READ(h->buckets));
        KEEP(READ(h->oldbuckets));
        WRITE(h->count, READ(h->count) + (i & 1 ? 1 : -1));
        WRITE(h->flags, READ(h->flags) & ~GOMAP_HMAP_WRITING);
    }
}

static void on_word(struct job *j, uint64_t ops) {
    uint64_t *word = j->data;
    for (uint64_t i = 0; i < ops; i++) WRITE(*word, READ(*word) + 1);
}

static void on_classic(struct job *j, uint64_t ops) {
    for (uint64_t i = 0; i < ops; i++) {
        uint64_t key = i & 7;
        must(!gomap_classic_put(j->data, &key, &i), "out of memory");
    }
}
static void on_gomap(struct job *j, uint64_t ops) {
    for (uint64_t i = 0; i < ops; i++) {
        uint64_t key = i & 7;
        must(!gomap_put(j->data, &key, &i), "out of memory");
    }
}

static void on_ball(struct job *j, uint64_t ops) {
    unsigned mine = (unsigned)j->number;
    for (uint64_t i = 0; i < ops; i++) {
        while (__atomic_load_n(&ball, __ATOMIC_ACQUIRE) != mine) {}
        __atomic_store_n(&ball, 1 - mine, __ATOMIC_RELEASE);
    }
}

/* ---- where it lies ------------------------------------------------------------------------------------- */

static size_t distance(const void *a, const void *b) {
    return (uintptr_t)a < (uintptr_t)b ? (uintptr_t)b - (uintptr_t)a : (uintptr_t)a - (uintptr_t)b;
}
static bool one_line(uintptr_t a, size_t a_bytes, uintptr_t b, size_t b_bytes) {
    return a / LINE <= (b + b_bytes - 1) / LINE && b / LINE <= (a + a_bytes - 1) / LINE;
}

static void print(double ns, size_t apart, bool shared) {
    printf("{\"ns\":%.4f,\"apart\":%zu,\"shared\":%d}\n", ns, apart, shared);
}

/* Two things, the second `stride` bytes behind the first; `a_at`, `b_at`: what is used of each. */
static void run_pair(void (*work)(struct job *, uint64_t), size_t base, size_t stride, size_t a_at,
                     size_t b_at, size_t used, uint64_t ops) {
    uint8_t *memory = aligned_alloc(4096, (size_t)4096 * 4);
    must(memory, "out of memory");
    memset(memory, 0, (size_t)4096 * 4);
    uint8_t *a = memory + base + a_at, *b = memory + base + stride + b_at;
    struct job jobs[THREADS] = {{.work = work, .data = a}, {.work = work, .data = b}};
    print(run_both(jobs, ops), distance(a, b), one_line((uintptr_t)a, used, (uintptr_t)b, used));
    free(memory);
}

static void run_maps(bool classic, size_t gap, uint64_t ops) {
    gomap_classic_config cc = GOMAP_CLASSIC_CONFIG(8, 8);
    gomap_config gc = GOMAP_CONFIG(8, 8);
    struct job jobs[THREADS];
    void *spare = NULL;
    for (int t = 0; t < THREADS; t++) {
        gomap *map;
        gomap_classic *other;
        must(!(classic ? gomap_classic_new(&cc, &other) : gomap_new(&gc, &map)), "out of memory");
        jobs[t] = (struct job){.work = classic ? on_classic : on_gomap,
                               .data = classic ? (void *)other : (void *)map};
        jobs[t].work(&jobs[t], 8); /* its table too, before the other map is made */
        if (!t && gap) must((spare = calloc(1, gap)) != NULL, "out of memory");
    }
    uintptr_t a = (uintptr_t)jobs[0].data, b = (uintptr_t)jobs[1].data;
    size_t header = classic ? sizeof(struct gomap_hmap) : sizeof(struct gomap);
    print(run_both(jobs, ops), distance(jobs[0].data, jobs[1].data), one_line(a, header, b, header));
    for (int t = 0; t < THREADS; t++) {
        if (classic)
            gomap_classic_free(jobs[t].data);
        else
            gomap_free(jobs[t].data);
    }
    free(spare);
}

int main(int argc, char **argv) {
    must(argc == 5, "usage: sharing headers PAD BASE OPS | buckets BYTES BASE OPS | maps KIND GAP OPS | "
                    "handover - - OPS");
    uint64_t ops = number_arg(argv[4], "operations", 1, UINT32_MAX);
    size_t last = sizeof(uint64_t);
    if (!strcmp(argv[1], "headers")) {
        size_t stride = sizeof(struct gomap_hmap) + number_arg(argv[2], "pad", 0, 1024);
        run_pair(on_header, number_arg(argv[3], "base", 0, LINE - 1), stride, 0, 0, sizeof(struct gomap_hmap),
                 ops);
    } else if (!strcmp(argv[1], "buckets")) {
        size_t bytes = number_arg(argv[2], "bytes", 16, 4096),
               used = bytes < 144 ? bytes : 144; /* the rest is padding */
        run_pair(on_word, number_arg(argv[3], "base", 0, LINE - 1), bytes, (used == 64 ? 40 : used) - last, 0,
                 last, ops);
    } else if (!strcmp(argv[1], "handover")) {
        struct job jobs[THREADS] = {{.work = on_ball}, {.work = on_ball}};
        print(run_both(jobs, ops) / 2, 0, true); /* two transfers to and fro */
    } else {
        bool classic = !strcmp(argv[2], "classic");
        must(classic || !strcmp(argv[2], "gomap"), "which map?");
        run_maps(classic, number_arg(argv[3], "gap", 0, 1 << 20), ops);
    }
    return 0;
}
