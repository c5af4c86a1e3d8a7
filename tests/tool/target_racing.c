/* target_racing.c - a process whose maps never hold still, and that checks its own work.
 *
 * Four threads have a map each and fill and drain it between bounds that the map's name tells
 * ("race LOW HIGH"); a fifth makes, fills and frees maps all the time.  "ops" answers how much was
 * done, "stop" ends the threads, verifies every map against what its thread knows it must hold, and
 * answers "ok OPS" or what is wrong.
 */
#include <gomap/gomap.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { WRITERS = 4 };
static const struct {
    uint64_t low, high;
    bool stable;
} bounds[WRITERS] = {{0, 12, false}, {100, 3000, true}, {1000, 60000, false}, {20000, 400000, false}};

struct writer {
    pthread_t thread;
    gomap *map;
    uint64_t low, high, first, next; /* the map holds the keys [first, next) */
    bool wrong;
};
static struct writer writer[WRITERS];
static pthread_t maker;
static atomic_bool stop;
static atomic_ullong ops;
static char failed_to_make;

static void *write_on(void *arg) {
    struct writer *w = arg;
    uint8_t value[160] = {0};
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        while (w->next - w->first < w->high && !atomic_load_explicit(&stop, memory_order_relaxed)) {
            memcpy(value, &w->next, sizeof w->next);
            if (gomap_put(w->map, &w->next, value)) {
                w->wrong = true;
                return NULL;
            }
            w->next++;
            atomic_fetch_add_explicit(&ops, 1, memory_order_relaxed);
        }
        while (w->next - w->first > w->low && !atomic_load_explicit(&stop, memory_order_relaxed)) {
            if (!gomap_delete(w->map, &w->first)) w->wrong = true;
            w->first++;
            atomic_fetch_add_explicit(&ops, 1, memory_order_relaxed);
        }
    }
    return NULL;
}

static void *make_and_free(void *arg) {
    (void)arg;
    gomap *m[16] = {NULL};
    for (uint64_t n = 0; !atomic_load_explicit(&stop, memory_order_relaxed); n++) {
        gomap_config c = GOMAP_CONFIG_STRING(8);
        size_t i = n % 16;
        gomap_free(m[i]);
        if (gomap_new(&c, &m[i]) || gomap_set_name(m[i], "here and gone")) return &failed_to_make;
        for (uint64_t k = 0; k < n % 40; k++) {
            char text[16];
            gomap_str s = {text, (size_t)snprintf(text, sizeof text, "%" PRIu64, k)};
            if (gomap_put(m[i], &s, &k)) return &failed_to_make;
        }
    }
    for (size_t i = 0; i < 16; i++) gomap_free(m[i]);
    return NULL;
}

static int start(void) {
    for (int i = 0; i < WRITERS; i++) {
        struct writer *w = &writer[i];
        gomap_config c = GOMAP_CONFIG(8, bounds[i].stable ? 160 : 8);
        char name[64];
        w->low = bounds[i].low, w->high = bounds[i].high;
        snprintf(name, sizeof name, "race %" PRIu64 " %" PRIu64, w->low, w->high);
        if (gomap_new(&c, &w->map) || gomap_set_name(w->map, name)) return 1;
        uint8_t value[160] = {0};
        for (; w->next < w->low; w->next++) {
            memcpy(value, &w->next, sizeof w->next);
            if (gomap_put(w->map, &w->next, value)) return 1;
        }
    }
    for (int i = 0; i < WRITERS; i++)
        if (pthread_create(&writer[i].thread, NULL, write_on, &writer[i])) return 1;
    return pthread_create(&maker, NULL, make_and_free, NULL);
}

static const char *verify(struct writer *w) {
    static char why[256];
    if (w->wrong) return "a write failed";
    if (gomap_verify(w->map, why, sizeof why)) return why;
    if (gomap_len(w->map) != w->next - w->first) return "the number of entries is wrong";
    for (uint64_t k = w->first; k < w->next; k++) {
        uint64_t v;
        const void *at = gomap_get(w->map, &k);
        if (!at) return "an entry is missing";
        memcpy(&v, at, sizeof v);
        if (v != k) return "a value is wrong";
    }
    return NULL;
}

static void finish(void) {
    void *failed = NULL;
    const char *why = NULL;
    atomic_store(&stop, true);
    pthread_join(maker, &failed);
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(writer[i].thread, NULL);
        if (!why) why = verify(&writer[i]);
    }
    if (!why && failed) why = "a map could not be made";
    if (why)
        printf("%s\n", why);
    else
        printf("ok %llu\n", atomic_load(&ops));
}

int main(void) {
    char line[64];
    if (start()) return 1;
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (strcmp(line, "stop\n") == 0)
            finish();
        else
            printf("%llu\n", atomic_load(&ops));
        fflush(stdout);
    }
    return 0;
}
