/* observation.c - what it costs to watch a map: hooks, probes from outside, samples.
 *
 *     observation hook WHERE HOW N SEED    ns of overwriting a value, N times, under a hook
 *         WHERE  classic   the map's own hook (pointer_store: it is called where Go's write barrier would run, for string
 *                          keys once an overwrite)
 *                pointer   a function pointer in front of a typed gomap, as a wrapper around a map would have it
 *         HOW    off, empty, count, backtrace
 *     observation probe N                  ns of a call of an empty function, with and without a uprobe on it
 *     observation allocs N SEED            a map is filled; who watches bucket_alloc must see as many calls as it counts
 *         with PROBE=1 in the environment both open the probe themselves, through perf_event_open
 *     observation signal HOW N             ns of a SIGPROF and its handler: empty, count, backtrace
 *     observation sample HZ N SEED         the same filling with a profiling timer: time and samples
 *
 * The program's own counter is the truth; a probe that counts anything else is reported, never hidden.
 */
#define _GNU_SOURCE
#include "../measure.h"

#include <errno.h>
#include <execinfo.h>
#include <gomap/classic.h>
#include <gomap/typed.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

enum { FRAMES = 32 };

static void worked(gomap_err err) {
    if (err) fail("observation: %s", gomap_strerror(err));
}

/* ---- hooks ------------------------------------------------------------------------------------------ */

static uint64_t hits, frames_seen;

static __attribute__((noinline)) void take_stack(void) {
    void *stack[FRAMES];
    frames_seen += (uint64_t)backtrace(stack, FRAMES);
}

static void store_empty(const gomap_classic *m, int what, size_t count, void *ctx) {
    (void)m, (void)what, (void)count, (void)ctx;
}
static void store_count(const gomap_classic *m, int what, size_t count, void *ctx) {
    (void)m, (void)what, (void)count;
    ++*(uint64_t *)ctx;
}
static void store_backtrace(const gomap_classic *m, int what, size_t count, void *ctx) {
    store_count(m, what, count, ctx);
    take_stack();
}

GOMAP_DEFINE(numbers, uint64_t, uint64_t);
typedef void (*put_hook)(gomap *m, uint64_t key);
static void put_empty(gomap *m, uint64_t key) { (void)m, (void)key; }
static void put_count(gomap *m, uint64_t key) {
    (void)m, (void)key;
    hits++;
}
static void put_backtrace(gomap *m, uint64_t key) {
    put_count(m, key);
    take_stack();
}
static put_hook volatile on_put; /* volatile: it may be set at any time */

static __attribute__((noinline)) gomap_err hooked_put(gomap *m, uint64_t key, uint64_t value) {
    put_hook hook = on_put;
    if (hook) hook(m, key);
    return numbers_put(m, key, value);
}

enum { ENTRIES = 1000 }; /* stays in the first caches: what is looked for is a few ns */

static double hook_classic(int how, size_t n, uint64_t seed) {
    static char text[ENTRIES][24];
    static gomap_str key[ENTRIES];
    gomap_classic *m;
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG_STRING(sizeof(uint64_t));
    c.hooks.pointer_store = (void (*[])(const gomap_classic *, int, size_t, void *)){
        NULL, store_empty, store_count, store_backtrace}[how];
    c.hooks.ctx = &hits;
    worked(gomap_classic_new(&c, &m));
    for (size_t i = 0; i < ENTRIES; i++) {
        int len = snprintf(text[i], sizeof text[i], "%016llx", (unsigned long long)mix((seed << 32) + i));
        key[i] = (gomap_str){text[i], (size_t)len};
        worked(gomap_classic_put(m, &key[i], &i));
    }
    hits = 0;
    uint64_t start = cpu_ns();
    for (size_t i = 0; i < n; i++) worked(gomap_classic_put(m, &key[mix(i) % ENTRIES], &i));
    double ns = (double)(cpu_ns() - start) / (double)n;
    gomap_classic_free(m);
    return ns;
}

static double hook_pointer(int how, size_t n, uint64_t seed) {
    gomap *m;
    worked(numbers_new(&m));
    for (size_t i = 0; i < ENTRIES; i++) worked(hooked_put(m, mix((seed << 32) + i), i));
    on_put = (put_hook[]){NULL, put_empty, put_count, put_backtrace}[how];
    uint64_t start = cpu_ns();
    for (size_t i = 0; i < n; i++) worked(hooked_put(m, mix((seed << 32) + mix(i) % ENTRIES), i));
    double ns = (double)(cpu_ns() - start) / (double)n;
    gomap_free(m);
    return ns;
}

static int how_of(const char *name) {
    static const char *const names[] = {"off", "empty", "count", "backtrace"};
    for (int i = 0; i < 4; i++)
        if (!strcmp(name, names[i])) return i;
    fail("observation: no '%s': off, empty, count, backtrace", name);
}

static int hook(const char *where, int how, size_t n, uint64_t seed) {
    void *warm[1];
    (void)backtrace(warm, 1); /* loads its library the first time */
    double ns = !strcmp(where, "classic") ? hook_classic(how, n, seed) : hook_pointer(how, n, seed);
    if (hits != (how >= 2 ? n : 0)) fail("observation: %llu calls of the hook", (unsigned long long)hits);
    printf("{\"ns\":%.3f,\"frames\":%.2f}\n", ns, how == 3 ? (double)frames_seen / (double)n : 0);
    return 0;
}

/* ---- probes ----------------------------------------------------------------------------------------- */

/* Where a function lies in this program's file. */
static uint64_t file_offset(const void *function) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long from, to, at;
        if (sscanf(line, "%lx-%lx %*s %lx", &from, &to, &at) == 3 && (uintptr_t)function >= from &&
            (uintptr_t)function < to) {
            fclose(maps);
            return (uintptr_t)function - from + at;
        }
    }
    fail("observation: /proc/self/maps does not have its own code");
}

/* Counts calls of a function of this process by a breakpoint in its text; -1: not to be had, errno says why. */
static int open_probe(const void *function) {
    static char path[512];
    int type = -1;
    FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "r");
    if (!file || fscanf(file, "%d", &type) != 1) return errno = ENOENT, -1;
    fclose(file);
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    if (len < 0) return -1;
    struct perf_event_attr attr = {.type = (uint32_t)type, .size = sizeof attr};
    attr.config1 = (uint64_t)(uintptr_t)path; /* uprobe_path */
    attr.config2 = file_offset(function);     /* probe_offset */
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static long long counted(int probe) {
    uint64_t n;
    return read(probe, &n, sizeof n) == sizeof n ? (long long)n : -1;
}

static uint64_t called;
__attribute__((noinline)) void probe_target(void);
void probe_target(void) {
    called++;
    __asm__ volatile("");
}

static double call_ns(size_t n) {
    uint64_t start = cpu_ns();
    for (size_t i = 0; i < n; i++) probe_target();
    return (double)(cpu_ns() - start) / (double)n;
}

static int probe(size_t n) {
    bool own = getenv("PROBE") != NULL;
    double without = call_ns(n);
    called = 0;
    int fd = own ? open_probe((const void *)(uintptr_t)probe_target) : -1;
    if (own && fd < 0) {
        printf("{\"why\":\"%s\"}\n", strerror(errno));
        return 0;
    }
    double with = call_ns(n);
    printf("{\"without\":%.3f,\"ns\":%.3f,\"called\":%llu,\"counted\":%lld}\n", without, with,
           (unsigned long long)called, own ? counted(fd) : -1);
    return 0;
}

/* Every array and overflow bucket of the map comes through here. */
static uint64_t bucket_allocs;
void *bucket_alloc(size_t size, size_t align, void *ctx);
__attribute__((noinline)) void *bucket_alloc(size_t size, size_t align, void *ctx) {
    (void)ctx;
    void *p = NULL;
    bucket_allocs++;
    return posix_memalign(&p, align < sizeof p ? sizeof p : align, size) ? NULL : p;
}
static void bucket_free(void *p, size_t size, size_t align, void *ctx) {
    (void)size, (void)align, (void)ctx;
    free(p);
}

static double fill(size_t n, uint64_t seed) {
    gomap_classic *m;
    gomap_alloc alloc = {bucket_alloc, bucket_free, NULL};
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(sizeof(uint64_t), sizeof(uint64_t));
    c.alloc = &alloc;
    uint64_t start = cpu_ns();
    worked(gomap_classic_new(&c, &m));
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = mix((seed << 32) + i);
        worked(gomap_classic_put(m, &key, &i));
    }
    double ns = (double)(cpu_ns() - start) / (double)n;
    if (gomap_classic_len(m) != n) fail("observation: entries are lost");
    gomap_classic_free(m);
    return ns;
}

static int allocations(size_t n, uint64_t seed) {
    bool own = getenv("PROBE") != NULL;
    int fd = own ? open_probe((const void *)(uintptr_t)bucket_alloc) : -1;
    if (own && fd < 0) {
        printf("{\"why\":\"%s\"}\n", strerror(errno));
        return 0;
    }
    double ns = fill(n, seed);
    printf("{\"ns\":%.3f,\"called\":%llu,\"counted\":%lld}\n", ns, (unsigned long long)bucket_allocs,
           own ? counted(fd) : -1);
    return 0;
}

/* ---- samples ---------------------------------------------------------------------------------------- */

static void on_empty(int sig) { (void)sig; }
static void on_count(int sig) {
    (void)sig;
    hits++;
}
static void on_backtrace(int sig) {
    on_count(sig);
    take_stack();
}

static void handle(void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    void *warm[1];
    (void)backtrace(warm, 1);
    if (sigaction(SIGPROF, &action, NULL)) fail("observation: no SIGPROF");
}

static int signals(int how, size_t n) {
    if (!how) fail("observation: signal wants empty, count or backtrace");
    handle((void (*[])(int)){NULL, on_empty, on_count, on_backtrace}[how]);
    uint64_t start = cpu_ns();
    for (size_t i = 0; i < n; i++) raise(SIGPROF);
    double ns = (double)(cpu_ns() - start) / (double)n;
    if (hits != (how >= 2 ? n : 0)) fail("observation: %llu signals", (unsigned long long)hits);
    printf("{\"ns\":%.3f,\"frames\":%.2f}\n", ns, how == 3 ? (double)frames_seen / (double)n : 0);
    return 0;
}

static int sample(unsigned hz, size_t n, uint64_t seed) {
    handle(on_backtrace);
    struct itimerval every = {.it_interval = {0, 1000000 / (hz ? hz : 1)}};
    every.it_value = every.it_interval;
    if (hz && setitimer(ITIMER_PROF, &every, NULL)) fail("observation: no timer");
    double ns = fill(n, seed);
    memset(&every, 0, sizeof every);
    if (setitimer(ITIMER_PROF, &every, NULL)) fail("observation: no timer");
    printf("{\"ns\":%.3f,\"samples\":%llu,\"frames\":%.2f}\n", ns, (unsigned long long)hits,
           hits ? (double)frames_seen / (double)hits : 0);
    return 0;
}

int main(int argc, char **argv) {
    enum { MOST = 1000000000 };
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "hook") && argc == 6 && (!strcmp(argv[2], "classic") || !strcmp(argv[2], "pointer")))
        return hook(argv[2], how_of(argv[3]), number_arg(argv[4], "N", 1, MOST),
                    number_arg(argv[5], "SEED", 0, UINT32_MAX));
    if (!strcmp(what, "probe") && argc == 3) return probe(number_arg(argv[2], "N", 1, MOST));
    if (!strcmp(what, "allocs") && argc == 4)
        return allocations(number_arg(argv[2], "N", 1, MOST), number_arg(argv[3], "SEED", 0, UINT32_MAX));
    if (!strcmp(what, "signal") && argc == 4)
        return signals(how_of(argv[2]), number_arg(argv[3], "N", 1, MOST));
    if (!strcmp(what, "sample") && argc == 5)
        return sample((unsigned)number_arg(argv[2], "HZ", 0, 1000), number_arg(argv[3], "N", 1, MOST),
                      number_arg(argv[4], "SEED", 0, UINT32_MAX));
    fprintf(stderr,
            "usage: observation hook classic|pointer HOW N SEED | probe N | allocs N SEED | signal HOW N | "
            "sample HZ N SEED\n");
    return 2;
}
