/* test_classic_misuse.c - what a program must not do with a classic map: Go's own words, by Go's own flag.
 *
 * Another thread's write cannot be caught in the act on purpose, so a callback stands in for it: the hash
 * function is called by an evacuation, while the write mark is set, and there uses its own map.  Each misuse
 * once with a hook that leaves, once with one that returns: then the call must do nothing.
 */
#include "../support.h"

#include "gomap/classic.h"

#include <stdio.h>

#define NAME "the-misused-one"

static gomap_classic *victim;
static int (*reenter)(void); /* called once, in the middle of a write */
static int answer;

static uint64_t hash(const void *key, uint32_t seed, void *ctx) {
    uint64_t k;
    int (*fn)(void) = reenter;
    (void)seed, (void)ctx;
    memcpy(&k, key, sizeof k);
    if (fn && ((const struct gomap_classic *)(const void *)victim)->h.flags & GOMAP_HMAP_WRITING) {
        reenter = NULL;
        answer = fn();
    }
    return t_mix(k);
}

static gomap_classic_iter iter;

/* Growing, with an iterator; fn runs inside the next write. */
static void write_and(int (*fn)(void)) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
    gomap_classic_stats s = {.size = sizeof s};
    uint64_t k = 0;
    c.name = NAME;
    c.hash = hash;
    c.flags = GOMAP_CLASSIC_GENERIC_PATH;
    T_CHILD(gomap_classic_new(&c, &victim) == GOMAP_OK);
    do {
        k++;
        T_CHILD(gomap_classic_put(victim, &k, &k) == GOMAP_OK);
        T_CHILD(gomap_classic_get_stats(victim, &s) == GOMAP_OK);
    } while (!s.growing || k < 100);
    gomap_classic_iter_init(&iter, victim);
    T_CHILD(gomap_classic_iter_next(&iter));
    reenter = fn;
    answer = -1;
    for (; reenter; k++) T_CHILD(gomap_classic_put(victim, &k, &k) == GOMAP_OK);
    T_CHILD(answer == 0); /* the call did nothing */
    T_CHILD(gomap_classic_verify(victim, NULL, 0) == 0);
}

static uint64_t one = 1;
static int do_get(void) { return gomap_classic_get(victim, &one) != NULL; }
static int do_put(void) { return gomap_classic_put(victim, &one, &one) != GOMAP_EMISUSE; }
static int do_delete(void) { return gomap_classic_delete(victim, &one); }
static int do_clear(void) {
    size_t n = gomap_classic_len(victim);
    gomap_classic_clear(victim);
    return gomap_classic_len(victim) != n;
}
static int do_iterate(void) { return gomap_classic_iter_next(&iter); }
static int do_clone(void) {
    gomap_classic *copy;
    return gomap_classic_clone(victim, &copy) != GOMAP_EMISUSE;
}
static int do_keys(void) { return gomap_classic_keys_of(victim, NULL, 0) != 0; }
static int do_free(void) {
    gomap_classic_free(victim);
    return gomap_classic_len(victim) == 0;
}

static const struct {
    int (*fn)(void);
    const char *says;
} misuses[] = {{do_get, "concurrent map read and map write"},
               {do_put, "concurrent map writes"},
               {do_delete, "concurrent map writes"},
               {do_clear, "concurrent map writes"},
               {do_iterate, "concurrent map iteration and map write"},
               {do_clone, "concurrent map clone and map write"},
               {do_keys, "concurrent map read and map write"},
               {do_free, "concurrent map writes"}};
enum { MISUSES = sizeof misuses / sizeof *misuses };

static void in_child(void *arg) { write_and(misuses[*(size_t *)arg].fn); }

static void test_use_during_a_write_is_told_in_gos_words(void **st) {
    (void)st;
    for (size_t i = 0; i < MISUSES; i++) T_FATAL(in_child, &i, "gomap: ", misuses[i].says, NAME);
}

static unsigned told;
static char last_line[400];
static void tell(const char *line) {
    told++;
    snprintf(last_line, sizeof last_line, "%s", line);
}

static void returning(void *arg) {
    size_t i = *(size_t *)arg;
    gomap_set_fatal(tell);
    write_and(misuses[i].fn);
    T_CHILD(told == 1);
    T_CHILD(strstr(last_line, misuses[i].says) != NULL);
}

static void test_a_hook_that_returns(void **st) {
    (void)st;
    for (size_t i = 0; i < MISUSES; i++) {
        struct t_child c;
        t_fork(&c, returning, &i);
        if (c.status) fail_msg("%s: %s", misuses[i].says, c.out);
    }
}

/* The mark is gone at the end of a write: somebody else's write ended in between. */
static int clear_the_mark(void) {
    ((struct gomap_classic *)(void *)victim)->h.flags &= (uint8_t)~GOMAP_HMAP_WRITING;
    return 0;
}
static void lose_the_mark(void *arg) {
    (void)arg;
    write_and(clear_the_mark);
}

static void assign_nil(void *arg) {
    void *slot;
    (void)arg;
    T_CHILD(gomap_classic_assign(NULL, &one, &slot, NULL) == GOMAP_EMISUSE);
}

static uint8_t grave[1 << 14] __attribute__((aligned(64)));
static size_t grave_used;
static void *grave_alloc(size_t size, size_t align, void *ctx) {
    (void)ctx;
    size_t at = (grave_used + align - 1) / align * align;
    if (at + size > sizeof grave) return NULL;
    grave_used = at + size;
    return memset(grave + at, 0, size);
}
static void grave_free(void *p, size_t size, size_t align, void *ctx) {
    (void)p, (void)size, (void)align, (void)ctx;
}

static gomap_classic *freed(void) {
    static const gomap_alloc alloc = {grave_alloc, grave_free, NULL};
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
    gomap_classic *m = NULL;
    c.alloc = &alloc;
    T_CHILD(gomap_classic_new(&c, &m) == GOMAP_OK);
    T_CHILD(gomap_classic_put(m, &one, &one) == GOMAP_OK);
    gomap_classic_free(m);
    return m;
}
static void get_after_free(void *arg) {
    (void)arg;
    T_CHILD(!gomap_classic_get(freed(), &one));
}
static void put_after_free(void *arg) {
    (void)arg;
    T_CHILD(gomap_classic_put(freed(), &one, &one) == GOMAP_EMISUSE);
}
static void free_twice(void *arg) {
    (void)arg;
    gomap_classic_free(freed());
}
static void wrong_path(void *arg) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
    gomap_classic *m = NULL;
    (void)arg;
    T_CHILD(gomap_classic_new(&c, &m) == GOMAP_OK);
    T_CHILD(gomap_classic_put(m, &one, &one) == GOMAP_OK);
    T_CHILD(!gomap_classic_get32(m, 1));
}

static void test_other_misuse(void **st) {
    (void)st;
    T_FATAL(lose_the_mark, NULL, "concurrent map writes", NAME);
    T_FATAL(assign_nil, NULL, "assignment to entry in nil map");
    T_FATAL(get_after_free, NULL, "not a live classic map");
    T_FATAL(put_after_free, NULL, "not a live classic map");
    T_FATAL(free_twice, NULL, "not a live classic map", "freed twice");
    T_FATAL(wrong_path, NULL, "fast lookup of another path");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_use_during_a_write_is_told_in_gos_words),
        cmocka_unit_test(test_a_hook_that_returns),
        cmocka_unit_test(test_other_misuse),
    };
    return t_run("classic_misuse", tests, sizeof tests / sizeof *tests);
}
