/* tests/misuse/harness.c - tests that fail on purpose, one a run; its exit code must be nonzero.
 *
 * Built into a suite that cannot fail, a mistake of the harness would hide every other: so each way to
 * notice something is tried with something to notice.
 */
#include "../support.h"

#include <stdio.h>

static void fails(void **st) {
    (void)st;
    assert_int_equal(1, 2);
}

static void crashes(void **st) {
    (void)st;
    abort();
}

static void dies(void *arg) {
    (void)arg;
    T_CHILD(1 == 2);
}

/* A child that did not call the fatal hook is a failure. */
static void child(void **st) {
    (void)st;
    T_FATAL(dies, NULL, "gomap");
}

/* A block written over its end is noticed when it is freed. */
static void guard(void **st) {
    struct t_alloc a;
    (void)st;
    t_alloc_init(&a);
    uint8_t *p = a.api.alloc(24, 8, a.api.ctx);
    assert_non_null(p);
    p[24] ^= 1;
    a.api.free(p, 24, 8, a.api.ctx);
    t_alloc_check_empty(&a);
}

/* A map that differs from its model is a failure. */
static void model(void **st) {
    struct t_model m;
    (void)st;
    t_model_init(&m, 10);
    gomap *map = t_new(NULL);
    t_put(map, 3, 4);
    t_model_put(&m, 3, 5);
    t_model_check(&m, map);
}

static void passes(void **st) {
    struct t_alloc a;
    (void)st;
    t_alloc_init(&a);
    t_alloc_arm(&a, 1, false);
    assert_null(a.api.alloc(8, 8, a.api.ctx)); /* the injector fires, and once only */
    assert_int_equal(a.failed, 1);
    void *p = a.api.alloc(8, 8, a.api.ctx);
    assert_non_null(p);
    a.api.free(p, 8, 8, a.api.ctx);
    t_alloc_check_empty(&a);
}

int main(int argc, char **argv) {
    static const struct {
        const char *way;
        void (*fn)(void **st);
    } ways[] = {{"assertion", fails}, {"crash", crashes}, {"child", child},
                {"guard", guard},     {"model", model},   {"passes", passes}};
    const char *way = argc > 1 ? argv[1] : "";
    if (!strcmp(way, "nothing")) return t_run("nothing", NULL, 0);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const struct CMUnitTest test[] = {cmocka_unit_test(ways[i].fn)};
        if (!strcmp(ways[i].way, way)) return t_run(way, test, 1);
    }
    fprintf(stderr, "no way '%s' to fail\n", way);
    return 0; /* so that a misspelt name is noticed: it was expected to fail */
}
