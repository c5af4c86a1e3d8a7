/* contention.c - several threads put into, and look up in, one map: which lock, or which cut of it, costs how much?
 *
 *     contention ENGINE SCHEME THREADS READS KEYS OPS SEED
 *
 * SCHEME     one      one mutex
 *            rw       one readers-writer lock
 *            16, 64   so many maps, each with a mutex of its own, chosen by the high bits of a hash of the key
 *            address  16 of them, chosen by the address of the function's parameter: the articles' function
 *            mostly   readers without a lock (readmostly.h)
 * READS      percent of the operations that look up; the others put.  Keys are drawn from KEYS, every one of which is
 *            there from the beginning, except with READS = 0: then the map is empty at first.
 *
 * THREADS times OPS operations, by wall time from the first one's start to the last one's end.  The value of a
 * key is a function of it: a lookup that gives another one, or in the end a wrong number of entries, ends the program.
 * With `address` the same key may be put into several maps, and lookups miss it: those are counted.
 */
#include "readmostly.h"

#include <stdatomic.h>

enum { SHARDS_MAX = 64, THREADS_MAX = 64 };

struct shard {
    struct lock lock;
    void *map;
    uint64_t uses;
};

struct table {
    const struct engine *engine;
    enum { LOCKED, RW, MOSTLY } kind;
    bool by_address;
    unsigned bits; /* of the number of shards */
    struct shard shards[SHARDS_MAX];
    pthread_rwlock_t rw;
    struct readmostly *mostly;
};

struct worker {
    struct table *table;
    pthread_t thread;
    uint64_t seed, ops, keys, reads;
    uint64_t start_ns, end_ns;
    uint64_t found, absent, waited, wait_ns; /* rw: waits, measured as in lock.c */
    unsigned char pad[128];                  /* nobody else's line */
};

static pthread_barrier_t ready;

static uint64_t value_of(uint64_t key) { return key * 3 + 1; }

/* ---- the schemes ----------------------------------------------------------------------------------------- */

static unsigned count_of(const struct table *t) { return 1u << t->bits; }

/* The articles' shard function: the address of the parameter, which has nothing to do with the key.  Not inlined, so
 * that there is a parameter. */
static __attribute__((noinline)) unsigned by_address(const struct table *t, uint64_t key) {
    return (unsigned)((uintptr_t)&key % count_of(t));
}

static struct shard *shard_of(struct table *t, uint64_t key) {
    if (!t->bits) return &t->shards[0];
    return &t->shards[t->by_address ? by_address(t, key) : (unsigned)(mix(key) >> (64 - t->bits))];
}

static void rw_acquire(struct worker *w, bool write) {
    pthread_rwlock_t *lock = &w->table->rw;
    if (!(write ? pthread_rwlock_trywrlock(lock) : pthread_rwlock_tryrdlock(lock))) return;
    uint64_t start = wall_ns();
    must(!(write ? pthread_rwlock_wrlock(lock) : pthread_rwlock_rdlock(lock)), "no readers-writer lock");
    w->waited++, w->wait_ns += wall_ns() - start;
}

static void put(struct worker *w, uint64_t key) {
    struct table *t = w->table;
    if (t->kind == MOSTLY) {
        readmostly_put(t->mostly, key, value_of(key));
        return;
    }
    struct shard *s = shard_of(t, key);
    if (t->kind == RW)
        rw_acquire(w, true);
    else
        lock_acquire(&s->lock);
    s->uses++;
    t->engine->put(s->map, &key, value_of(key));
    if (t->kind == RW)
        pthread_rwlock_unlock(&t->rw);
    else
        lock_release(&s->lock);
}

static bool get(struct worker *w, uint64_t key, uint64_t *value) {
    struct table *t = w->table;
    if (t->kind == MOSTLY) return readmostly_get(t->mostly, key, value);
    struct shard *s = shard_of(t, key);
    if (t->kind == RW)
        rw_acquire(w, false);
    else
        lock_acquire(&s->lock);
    bool found = t->engine->get(s->map, &key, value);
    if (t->kind == RW)
        pthread_rwlock_unlock(&t->rw);
    else
        lock_release(&s->lock);
    return found;
}

static void table_init(struct table *t, const struct engine *engine, const char *scheme) {
    static const char *const names[] = {"one", "rw", "16", "64", "address", "mostly"};
    int which = 0;
    while (which < 6 && strcmp(scheme, names[which])) which++;
    if (which == 6) fail("no scheme '%s'", scheme);
    t->engine = engine;
    t->kind = which == 1 ? RW : which == 5 ? MOSTLY : LOCKED;
    t->by_address = which == 4;
    t->bits = which == 3 ? 6 : which == 2 || which == 4 ? 4 : 0;
    must(!pthread_rwlock_init(&t->rw, NULL), "no readers-writer lock");
    if (t->kind == MOSTLY) t->mostly = readmostly_new(engine, NULL);
    for (unsigned i = 0; i < count_of(t); i++) {
        lock_init(&t->shards[i].lock, NULL);
        t->shards[i].map = engine->make(false, 0);
    }
}

static size_t table_len(struct table *t) {
    if (t->kind == MOSTLY) return readmostly_len(t->mostly);
    size_t n = 0;
    for (unsigned i = 0; i < count_of(t); i++) n += t->engine->len(t->shards[i].map);
    return n;
}

static void table_deinit(struct table *t) {
    if (t->mostly) readmostly_free(t->mostly);
    for (unsigned i = 0; i < count_of(t); i++) {
        t->engine->free(t->shards[i].map);
        lock_deinit(&t->shards[i].lock);
    }
    pthread_rwlock_destroy(&t->rw);
}

/* ---- the work -------------------------------------------------------------------------------------------- */

static void *work(void *self) {
    struct worker *w = self;
    pthread_barrier_wait(&ready);
    w->start_ns = wall_ns();
    for (uint64_t i = 0; i < w->ops; i++) {
        uint64_t draw = mix(w->seed + i), key = (draw >> 8) % w->keys, value;
        if ((draw & 0xff) * 100 >= w->reads * 256) {
            put(w, key);
        } else if (!get(w, key, &value)) {
            w->absent++;
        } else {
            if (value != value_of(key)) fail("a key has the value of another one");
            w->found++;
        }
    }
    w->end_ns = wall_ns();
    return NULL;
}

/* Keys that the puts of all workers draw, when nothing was there before. */
static size_t distinct(const struct worker *workers, unsigned threads, uint64_t keys) {
    unsigned char *seen = need(calloc(keys, 1));
    size_t n = 0;
    for (unsigned t = 0; t < threads; t++)
        for (uint64_t i = 0; i < workers[t].ops; i++) {
            uint64_t key = (mix(workers[t].seed + i) >> 8) % keys;
            n += !seen[key], seen[key] = 1;
        }
    free(seen);
    return n;
}

static void report(struct table *t, const struct worker *workers, unsigned threads, uint64_t ns,
                   uint64_t operations) {
    struct lock all = {0};
    unsigned used = 0;
    uint64_t found = 0, absent = 0, most = 0, uses = 0;
    for (unsigned i = 0; i < count_of(t); i++) {
        lock_add(&all, &t->shards[i].lock);
        used += t->shards[i].uses > 0, uses += t->shards[i].uses;
        if (t->shards[i].uses > most) most = t->shards[i].uses;
    }
    if (t->mostly) lock_add(&all, readmostly_lock(t->mostly));
    for (unsigned i = 0; i < threads; i++) {
        found += workers[i].found, absent += workers[i].absent;
        all.waited += workers[i].waited, all.wait_ns += workers[i].wait_ns;
    }
    printf("{\"ns\":%llu,\"per_op\":%.3f,\"ops\":%llu,\"waited\":%llu,\"wait_ns\":%llu,\"wait_max_ns\":%llu,"
           "\"found\":%llu,\"absent\":%llu,\"shards\":%u,\"shards_used\":%u,\"fullest\":%.4f,\"entries\":%zu,"
           "\"promotions\":%zu}\n",
           (unsigned long long)ns, (double)ns / (double)operations, (unsigned long long)operations,
           (unsigned long long)all.waited, (unsigned long long)all.wait_ns,
           (unsigned long long)all.wait_max_ns, (unsigned long long)found, (unsigned long long)absent,
           count_of(t), used, uses ? (double)most / (double)uses : 0, table_len(t),
           t->mostly ? readmostly_promotions(t->mostly) : 0);
}

int main(int argc, char **argv) {
    if (argc != 8) fail("usage: contention ENGINE one|rw|16|64|address|mostly THREADS READS KEYS OPS SEED");
    const struct engine *engine = engine_find(argv[1]);
    if (!engine) fail("no engine '%s' in this build", argv[1]);
    unsigned threads = (unsigned)number_arg(argv[3], "THREADS", 1, THREADS_MAX);
    uint64_t reads = number_arg(argv[4], "READS", 0, 100), keys = number_arg(argv[5], "KEYS", 1, UINT32_MAX);
    uint64_t ops = number_arg(argv[6], "OPS", 1, UINT32_MAX),
             seed = number_arg(argv[7], "SEED", 0, UINT32_MAX);

    static struct table t;
    static struct worker workers[THREADS_MAX];
    table_init(&t, engine, argv[2]);
    struct worker filler = {.table = &t};
    for (uint64_t key = 0; reads && key < keys; key++) put(&filler, key);
    for (uint64_t key = 0, value; t.mostly && reads && key < 2 * keys; key++) /* promote what was put */
        must(readmostly_get(t.mostly, key % keys, &value), "a key that was put is not there");
    for (unsigned i = 0; i < count_of(&t); i++) { /* the report is on the workers */
        struct shard *s = &t.shards[i];
        s->uses = 0;
        lock_deinit(&s->lock);
        lock_init(&s->lock, NULL);
    }
    must(!pthread_barrier_init(&ready, NULL, threads), "no barrier");
    for (unsigned i = 0; i < threads; i++) {
        workers[i] = (struct worker){
            .table = &t, .seed = mix(seed * 1000 + i), .ops = ops, .keys = keys, .reads = reads};
        must(!pthread_create(&workers[i].thread, NULL, work, &workers[i]), "a thread could not be made");
    }
    uint64_t start = UINT64_MAX, end = 0;
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        if (workers[i].start_ns < start) start = workers[i].start_ns;
        if (workers[i].end_ns > end) end = workers[i].end_ns;
    }
    report(&t, workers, threads, end - start, ops * threads);
    size_t want = reads ? keys : distinct(workers, threads, keys);
    if (!t.by_address && table_len(&t) != want)
        fail("%s: %zu entries, not %zu", argv[2], table_len(&t), want);
    for (unsigned i = 0; !t.by_address && i < threads; i++)
        must(!workers[i].absent, "a key that was put is not there");
    table_deinit(&t);
    pthread_barrier_destroy(&ready);
    return 0;
}
