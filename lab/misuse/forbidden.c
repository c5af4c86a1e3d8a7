/* forbidden.c - the same to classic, and the last to gomap too: what must not be done, and what is said of it.
 *
 *     forbidden words                    each misuse from within a write, which a callback stands in for another thread for
 *     forbidden nil                      all operations on a NULL map
 *     forbidden flags                    the write mark, looked at whenever an evacuation asks for a hash
 *     forbidden threads classic|gomap N  two threads put N keys of their own into one map, without a lock
 */
#include "../measure.h"

#include "gomap/classic.h"
#include "gomap/inspect.h"

#include <pthread.h>
#include <unistd.h>

static char said[200]; /* what the fatal hook was told last, up to the name of the map */

static void listen(const char *line) {
    const char *from = strncmp(line, "gomap: ", 7) ? line : line + 7, *to = strstr(from, ": map");
    snprintf(said, sizeof said, "%.*s", to ? (int)(to - from) : (int)strlen(from), from);
}

/* ---- one thread ---------------------------------------------------------------------------------------- */

static gomap_classic *victim;
static gomap_classic_iter iter;
static uint64_t one = 1;

static void do_get(void) { must(!gomap_classic_get(victim, &one), "a read during a write found something"); }
static void do_put(void) { must(gomap_classic_put(victim, &one, &one) == GOMAP_EMISUSE, "a put was done"); }
static void do_next(void) { must(!gomap_classic_iter_next(&iter), "an iteration went on"); }
static void do_clone(void) {
    gomap_classic *copy;
    must(gomap_classic_clone(victim, &copy) == GOMAP_EMISUSE, "a clone was made");
}
static const struct {
    const char *name;
    void (*run)(void);
} misuses[] = {{"writes", do_put}, {"read", do_get}, {"iterate", do_next}, {"clone", do_clone}};
enum { MISUSES = sizeof misuses / sizeof *misuses };

static void (*meanwhile)(void); /* called once, by the hash function, when a write is under way */
static struct { uint64_t calls, marked, growing, both; } seen;

static uint64_t watching_hash(const void *key, uint32_t seed, void *ctx) {
    uint64_t k;
    (void)ctx;
    memcpy(&k, key, sizeof k);
    if (victim) {
        const struct gomap_hmap *h = (const struct gomap_hmap *)(const void *)victim;
        bool writing = h->flags & GOMAP_HMAP_WRITING, growing = h->oldbuckets != NULL;
        seen.calls++, seen.marked += writing, seen.growing += growing, seen.both += writing && growing;
        if (writing && meanwhile) {
            void (*run)(void) = meanwhile;
            meanwhile = NULL;
            run();
        }
    }
    return mix(k ^ seed);
}

static void put(uint64_t k) { must(!gomap_classic_put(victim, &k, &k), "no memory"); }

static void make_victim(void) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
    gomap_classic *map;
    c.hash = watching_hash, c.flags = GOMAP_CLASSIC_GENERIC_PATH;
    must(!gomap_classic_new(&c, &map), "no classic map");
    victim = map;
}

static void words(void) {
    gomap_set_fatal(listen);
    printf("{");
    for (size_t i = 0; i < MISUSES; i++) {
        uint64_t k = 0;
        make_victim();
        while (k < 100) put(k++);
        gomap_classic_iter_init(&iter, victim);
        must(gomap_classic_iter_next(&iter), "an empty map");
        said[0] = 0;
        for (meanwhile = misuses[i].run; meanwhile; k++) put(k); /* until a growth asks for a hash */
        printf("%s\"%s\":\"%s\"", i ? "," : "", misuses[i].name, said);
        gomap_classic_free(victim);
        victim = NULL;
    }
    printf("}\n");
}

static void nil(void) {
    gomap_classic_iter none;
    gomap_set_fatal(listen);
    gomap_classic_iter_init(&none, NULL);
    bool range = !gomap_classic_iter_next(&none), read = !gomap_classic_get(NULL, &one),
         len = !gomap_classic_len(NULL);
    bool gone = !gomap_classic_delete(NULL, &one);
    gomap_classic_clear(NULL);
    bool quiet = !said[0];
    must(gomap_classic_put(NULL, &one, &one) == GOMAP_EMISUSE, "a write to no map was done");
    printf("{\"read\":%s,\"len\":%s,\"range\":%s,\"delete\":%s,\"clear\":%s,\"write\":\"%s\"}\n",
           read ? "true" : "false", len ? "true" : "false", range ? "true" : "false", gone ? "true" : "false",
           quiet ? "true" : "false", said);
}

static void flags(void) {
    make_victim();
    for (uint64_t k = 0; k < 20000; k++) put(k);
    printf("{\"calls\":%lu,\"marked\":%lu,\"growing\":%lu,\"both\":%lu}\n", (unsigned long)seen.calls,
           (unsigned long)seen.marked, (unsigned long)seen.growing, (unsigned long)seen.both);
    gomap_classic_free(victim);
}

/* ---- two threads --------------------------------------------------------------------------------------- */

static gomap *shared;
static size_t keys_each;
static pthread_barrier_t start;

/* The first who is told ends the program; Go's map cannot be stopped from ending it either. */
static void end(const char *line) {
    static int told;
    if (__atomic_exchange_n(&told, 1, __ATOMIC_RELAXED)) pause();
    listen(line);
    printf("{\"said\":\"%s\"}\n", said);
    fflush(stdout);
    _exit(0);
}

static void *writer(void *which) {
    pthread_barrier_wait(&start);
    for (size_t i = 0; i < keys_each; i++) {
        uint64_t k = 2 * i + (uintptr_t)which;
        gomap_err e = victim ? gomap_classic_put(victim, &k, &k) : gomap_put(shared, &k, &k);
        must(e == GOMAP_OK, "no memory");
    }
    return NULL;
}

static void threads(bool classic, size_t n) {
    gomap_classic_config cc = GOMAP_CLASSIC_CONFIG(8, 8);
    gomap_config gc = GOMAP_CONFIG(8, 8);
    pthread_t other;
    keys_each = n;
    must(!(classic ? gomap_classic_new(&cc, &victim) : gomap_new(&gc, &shared)), "no map");
    must(!pthread_barrier_init(&start, NULL, 2), "no barrier");
    gomap_set_fatal(end);
    alarm(20); /* a race may leave a chain that is a circle */
    must(!pthread_create(&other, NULL, writer, (void *)(uintptr_t)1), "no thread");
    writer((void *)(uintptr_t)0);
    pthread_join(other, NULL);
    printf("{\"said\":\"\",\"len\":%zu,\"put\":%zu}\n",
           classic ? gomap_classic_len(victim) : gomap_len(shared), 2 * n);
    _exit(0); /* who knows what freeing it would do */
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    if (!strcmp(mode, "words") && argc == 2)
        words();
    else if (!strcmp(mode, "nil") && argc == 2)
        nil();
    else if (!strcmp(mode, "flags") && argc == 2)
        flags();
    else if (!strcmp(mode, "threads") && argc == 4)
        threads(!strcmp(argv[2], "classic"), number_arg(argv[3], "keys", 1, 100000000));
    else
        fail("usage: forbidden words | nil | flags | threads classic|gomap N");
    return 0;
}
