/* lockprofile.c - one map under one lock, with a profile of the lock: what do limits on waiting and holding mark?
 *
 *     lockprofile ENGINE THREADS BATCH OPS MARK_US ALARM_US FACTOR SEED
 *
 * Each thread puts OPS entries, BATCH of them (a merge) each time it holds the lock.  Limits as in lock.h: waits of
 * MARK_US and more are marked, of ALARM_US and more alarmed, holds above FACTOR times the mean counted.
 */
#include "../contention/lock.h"
#include "../merges/engines.h"

enum { THREADS_MAX = 64 };

static struct lock lock;
static void *map;
static const struct engine *engine;
static uint64_t ops, batch;
static pthread_barrier_t ready;

static void *work(void *number) {
    uint64_t base = (uint64_t)(uintptr_t)number * ops;
    pthread_barrier_wait(&ready);
    for (uint64_t i = 0; i < ops; i += batch) {
        lock_acquire(&lock);
        for (uint64_t j = i; j < i + batch && j < ops; j++) {
            uint64_t key = mix(base + j);
            engine->put(map, &key, j);
        }
        lock_release(&lock);
    }
    return NULL;
}

static void print(const char *name, const uint64_t *steps, uint64_t sum, uint64_t most) {
    uint64_t count = 0;
    for (int i = 0; i < LOCK_STEPS; i++) count += steps[i];
    printf("\"%s\":{\"count\":%llu,\"mean_ns\":%.1f,\"p50_ns\":%llu,\"p99_ns\":%llu,\"max_ns\":%llu,\"sum_"
           "ns\":%llu,\"steps\":[",
           name, (unsigned long long)count, count ? (double)sum / (double)count : 0,
           (unsigned long long)lock_quantile(steps, 0.5), (unsigned long long)lock_quantile(steps, 0.99),
           (unsigned long long)most, (unsigned long long)sum);
    for (int i = 0; i < 40; i++) printf("%s%llu", i ? "," : "", (unsigned long long)steps[i]);
    printf("]},");
}

int main(int argc, char **argv) {
    if (argc != 9) fail("usage: lockprofile ENGINE THREADS BATCH OPS MARK_US ALARM_US FACTOR SEED");
    engine = engine_find(argv[1]);
    if (!engine) fail("no engine '%s' in this build", argv[1]);
    uint64_t threads = number_arg(argv[2], "THREADS", 1, THREADS_MAX),
             seed = number_arg(argv[8], "SEED", 0, UINT32_MAX);
    batch = number_arg(argv[3], "BATCH", 1, UINT32_MAX), ops = number_arg(argv[4], "OPS", 1, UINT32_MAX);
    struct lock_limits limits = {.hold = true};
    limits.wait_mark_ns = number_arg(argv[5], "MARK_US", 0, UINT32_MAX) * 1000;
    limits.wait_alarm_ns = number_arg(argv[6], "ALARM_US", 0, UINT32_MAX) * 1000;
    limits.hold_factor = (double)number_arg(argv[7], "FACTOR", 1, UINT32_MAX);
    lock_init(&lock, &limits);
    map = engine->make(false, 0);
    must(!pthread_barrier_init(&ready, NULL, (unsigned)threads), "no barrier");
    pthread_t thread[THREADS_MAX];
    uint64_t start = wall_ns();
    for (uint64_t i = 0; i < threads; i++)
        must(!pthread_create(&thread[i], NULL, work, (void *)(uintptr_t)(seed * THREADS_MAX + i)),
             "a thread could not be made");
    for (uint64_t i = 0; i < threads; i++) pthread_join(thread[i], NULL);
    uint64_t ns = wall_ns() - start;
    if (engine->len(map) != threads * ops)
        fail("%zu entries, not %llu", engine->len(map), (unsigned long long)(threads * ops));
    printf("{\"ns\":%llu,\"acquired\":%llu,", (unsigned long long)ns, (unsigned long long)lock.acquired);
    print("wait", lock.wait_steps, lock.wait_ns, lock.wait_max_ns);
    print("hold", lock.hold_steps, lock.hold_ns, lock.hold_max_ns);
    printf("\"marked\":%llu,\"alarmed\":%llu,\"long_holds\":%llu}\n", (unsigned long long)lock.marked,
           (unsigned long long)lock.alarmed, (unsigned long long)lock.long_holds);
    engine->free(map);
    lock_deinit(&lock);
    return 0;
}
