/* objects.c - building a value out of parts, and using values again instead of allocating them.
 *
 *     objects build KIND N SEED             ns and allocations of building and dropping one value
 *         KIND    flat      an integer and a short name in a struct on the stack
 *                 pointer   the name in a malloc of its own
 *                 classic   a map of attributes with two entries (classic.h)
 *                 gomap     the same (typed.h)
 *     objects reuse HOW SCENARIO THREADS N  how many of the values that were needed had been used before
 *         HOW     malloc, or pool: a magazine per thread before a depot all threads share
 *         SCENARIO  churn     each thread replaces the values of a map of its own, one after the other
 *                   fill      each thread fills its map and takes nothing out
 *                   hand      threads in pairs: one makes values, the other drops them
 *
 *     thread 1: magazine [o o o .]    put: into the own magazine; full: half of it to the depot
 *     thread 2: magazine [o . . .]    get: from the own magazine; empty: half a magazine from the depot,
 *                     \    /          else malloc
 *                  depot (lock)
 *
 * A value is reset when it is put back, by the thread that used it last.
 */
#include "../measure.h"

#include <gomap/classic.h>
#include <gomap/typed.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static void worked(gomap_err err) {
    if (err) fail("objects: %s", gomap_strerror(err));
}

/* ---- building --------------------------------------------------------------------------------------- */

struct flat {
    uint64_t id;
    char name[24];
};
struct pointing {
    uint64_t id;
    char *name;
};
GOMAP_DEFINE_STR(attributes, uint64_t);
static const char *const ATTRIBUTES[] = {"age", "height"};

static uint64_t build_flat(uint64_t i) {
    struct flat u = {i, "some name"};
    KEEP(&u);
    return u.id;
}

static uint64_t build_pointer(uint64_t i) {
    static const char name[] = "some name";
    struct pointing u = {i, malloc(sizeof name)};
    if (!u.name) fail("objects: out of memory");
    memcpy(u.name, name, sizeof name);
    KEEP(&u);
    free(u.name);
    return u.id;
}

static uint64_t build_gomap(uint64_t i) {
    gomap *m;
    worked(attributes_new(&m));
    for (size_t a = 0; a < 2; a++) worked(attributes_put_s(m, ATTRIBUTES[a], i));
    uint64_t got = *attributes_get_s(m, ATTRIBUTES[0]);
    gomap_free(m);
    return got;
}

static uint64_t build_classic(uint64_t i) {
    gomap_classic *m;
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG_STRING(sizeof i);
    worked(gomap_classic_new(&c, &m));
    for (size_t a = 0; a < 2; a++) {
        gomap_str key = {ATTRIBUTES[a], strlen(ATTRIBUTES[a])};
        worked(gomap_classic_put(m, &key, &i));
    }
    uint64_t got = *(uint64_t *)gomap_classic_get_str(m, ATTRIBUTES[0], strlen(ATTRIBUTES[0]));
    gomap_classic_free(m);
    return got;
}

static int build(const char *kind, uint64_t n, uint64_t seed) {
    static const struct {
        const char *name;
        uint64_t (*build)(uint64_t);
    } kinds[] = {
        {"flat", build_flat}, {"pointer", build_pointer}, {"classic", build_classic}, {"gomap", build_gomap}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        if (strcmp(kind, kinds[k].name) != 0) continue;
        struct allocs before = allocs_now();
        uint64_t sum = 0, want = 0, start = cpu_ns();
        for (uint64_t i = 0; i < n; i++) sum += kinds[k].build(seed + i);
        double ns = (double)(cpu_ns() - start) / (double)n;
        struct allocs took = allocs_since(before);
        for (uint64_t i = 0; i < n; i++) want += seed + i;
        if (sum != want) fail("objects: %s built something else", kind);
        printf("{\"ns\":%.3f,\"allocs\":%.4f,\"bytes\":%.3f}\n", ns, (double)took.calls / (double)n,
               (double)took.bytes / (double)n);
        return 0;
    }
    fail("objects: no kind '%s': flat, pointer, classic, gomap", kind);
}

/* ---- the pool --------------------------------------------------------------------------------------- */

enum { MAGAZINE = 64, DEPOT = 1 << 16, VALUE_WORDS = 32 };

struct value {
    uint64_t words[VALUE_WORDS]; /* word 0: the key it is for, 0 in the pool */
};

static struct {
    pthread_mutex_t lock;
    struct value *free[DEPOT];
    size_t n;
} depot = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct worker {
    pthread_t thread;
    bool pooled;
    int role; /* hand: 0 makes, 1 drops */
    size_t n, free_n;
    uint64_t gets, reused;
    double ns;
    struct value *free[MAGAZINE];
    struct hand *hand;
};

/* A queue of one place between the two threads of a pair. */
struct hand {
    _Atomic(struct value *) value;
};

static void to_depot(struct worker *w, size_t n) {
    pthread_mutex_lock(&depot.lock);
    for (; n && depot.n < DEPOT; n--) depot.free[depot.n++] = w->free[--w->free_n];
    pthread_mutex_unlock(&depot.lock);
    for (; n; n--) free(w->free[--w->free_n]); /* the depot is full */
}

static void from_depot(struct worker *w, size_t n) {
    pthread_mutex_lock(&depot.lock);
    for (; n && depot.n; n--) w->free[w->free_n++] = depot.free[--depot.n];
    pthread_mutex_unlock(&depot.lock);
}

static struct value *get(struct worker *w) {
    w->gets++;
    if (w->pooled && !w->free_n) from_depot(w, MAGAZINE / 2);
    if (w->pooled && w->free_n) {
        struct value *v = w->free[--w->free_n];
        if (v->words[0] || v->words[VALUE_WORDS - 1]) fail("objects: a value was not reset");
        w->reused++;
        return v;
    }
    struct value *v = calloc(1, sizeof *v);
    if (!v) fail("objects: out of memory");
    return v;
}

static void put(struct worker *w, struct value *v) {
    if (!w->pooled) {
        free(v);
        return;
    }
    memset(v, 0, sizeof *v);
    if (w->free_n == MAGAZINE) to_depot(w, MAGAZINE / 2);
    w->free[w->free_n++] = v;
}

/* ---- reuse ------------------------------------------------------------------------------------------ */

GOMAP_DEFINE(values, uint64_t, struct value *);
enum { LIVE = 1000 }; /* values a thread's map holds while it replaces them */

static void insert(struct worker *w, gomap *m, uint64_t key) {
    struct value *v = get(w);
    v->words[0] = key, v->words[VALUE_WORDS - 1] = key;
    worked(values_put(m, key, v)); /* NOLINT(clang-analyzer-unix.Malloc): the map has it now */
}

static void churn(struct worker *w, bool takes_out) {
    gomap *m;
    worked(values_new(&m));
    for (uint64_t key = 1; key <= w->n; key++) {
        if (takes_out && key > LIVE) {
            struct value **old = values_get(m, key - LIVE);
            if (!old || (*old)->words[0] != key - LIVE) fail("objects: a value is lost");
            struct value *gone = *old;
            (void)values_delete(m, key - LIVE);
            put(w, gone);
        }
        insert(w, m, key);
    }
    values_iter it;
    for (values_iter_init(&it, m); values_iter_next(&it);) free(*it.value);
    gomap_free(m);
}

static void hand_over(struct worker *w) {
    for (uint64_t key = 1; key <= w->n; key++) {
        if (w->role == 0) {
            struct value *v = get(w);
            v->words[0] = key;
            while (atomic_load_explicit(&w->hand->value, memory_order_acquire)) sched_yield();
            atomic_store_explicit(&w->hand->value, v, memory_order_release);
        } else {
            struct value *v;
            while (!(v = atomic_load_explicit(&w->hand->value, memory_order_acquire))) sched_yield();
            atomic_store_explicit(&w->hand->value, NULL, memory_order_release);
            if (v->words[0] != key) fail("objects: a value came out of turn");
            put(w, v);
        }
    }
}

static const char *scenario;
static void *work(void *arg) {
    struct worker *w = arg;
    uint64_t start = cpu_ns();
    if (!strcmp(scenario, "churn"))
        churn(w, true);
    else if (!strcmp(scenario, "fill"))
        churn(w, false);
    else
        hand_over(w);
    w->ns = (double)(cpu_ns() - start) / (double)w->n;
    while (w->free_n) free(w->free[--w->free_n]);
    return NULL;
}

static int reuse(const char *how, size_t threads, size_t n) {
    bool hand = !strcmp(scenario, "hand");
    if (strcmp(how, "malloc") != 0 && strcmp(how, "pool") != 0) fail("objects: '%s': malloc, pool", how);
    if (!hand && strcmp(scenario, "churn") != 0 && strcmp(scenario, "fill") != 0)
        fail("objects: no scenario '%s': churn, fill, hand", scenario);
    if (hand && threads % 2) fail("objects: hand wants threads in pairs");
    struct worker *all = calloc(threads, sizeof *all);
    struct hand *hands = calloc(threads, sizeof *hands);
    if (!all || !hands) fail("objects: out of memory");
    for (size_t t = 0; t < threads; t++) {
        all[t].pooled = !strcmp(how, "pool"), all[t].n = n;
        all[t].role = (int)(t % 2), all[t].hand = &hands[t / 2];
        if (pthread_create(&all[t].thread, NULL, work, &all[t])) fail("objects: no thread");
    }
    uint64_t gets = 0, reused = 0;
    double ns = 0;
    for (size_t t = 0; t < threads; t++) {
        pthread_join(all[t].thread, NULL);
        gets += all[t].gets, reused += all[t].reused, ns += all[t].ns / (double)threads;
    }
    while (depot.n) free(depot.free[--depot.n]);
    printf("{\"gets\":%llu,\"reused\":%.6f,\"ns\":%.3f,\"passed\":%zu}\n", (unsigned long long)gets,
           (double)reused / (double)gets, ns, sizeof(struct value *));
    free(all), free(hands);
    return 0;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "build") && argc == 5)
        return build(argv[2], number_arg(argv[3], "N", 1, 1000000000),
                     number_arg(argv[4], "SEED", 0, UINT32_MAX));
    if (!strcmp(what, "reuse") && argc == 6) {
        scenario = argv[3];
        return reuse(argv[2], number_arg(argv[4], "THREADS", 1, 64), number_arg(argv[5], "N", 1, 1000000000));
    }
    fprintf(stderr, "usage: objects build KIND N SEED | reuse HOW SCENARIO THREADS N\n");
    return 2;
}
