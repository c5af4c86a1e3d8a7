/* tests/support.h - what all suites share: seeded randomness, an allocator that watches, a model to
 * compare with, and children to die in.
 *
 * Environment: GOMAP_TEST_SEED=N replays a run (every run prints its seed), GOMAP_TEST_LONG=1 turns
 * the loops up to nightly size, GOMAP_TEST_VERBOSE=1 names each flavour of map as it is made.
 */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gomap/gomap.h"
#include "gomap/inspect.h"

/* ---- randomness ------------------------------------------------------------------------------- */

uint64_t t_rand(void);
uint64_t t_below(uint64_t n); /* 0 .. n-1; n > 0 */
uint64_t t_seed(void);        /* of this run */
uint64_t t_mix(uint64_t x);   /* a fixed one-to-one scrambling */
bool t_long(void);
uint64_t t_scale(uint64_t usual, uint64_t in_long_runs);

/* ---- checks ----------------------------------------------------------------------------------- */

#define T_OK(call) assert_int_equal((call), GOMAP_OK)
void t_verify_at(const gomap *map, const char *file, int line);
#define T_VERIFY(map) t_verify_at((map), __FILE__, __LINE__)
gomap_stats t_stats(const gomap *map);
uint64_t t_stats_sum(const gomap_stats *s); /* of the bytes_* parts */
/* The structs of inspect.h, as a reader from outside sees them. */
static inline struct gomap *t_raw(const gomap *map) { return (struct gomap *)(uintptr_t)map; }

/* Order-independent sum over all entries of a map of u64 keys (through iteration). */
struct t_sum {
    uint64_t n, sum;
};
struct t_sum t_sum_of(const gomap *map);
uint64_t t_pair(uint64_t key, uint64_t value); /* what one entry adds to it */

/* ---- maps of u64 to u64, the usual guinea pig --------------------------------------------------- */

gomap_config t_config(void);
gomap *t_new(const gomap_config *config); /* NULL: t_config() */
void t_put(gomap *map, uint64_t key, uint64_t value);
void t_fill(gomap *map, uint64_t from, uint64_t n); /* key i has the value t_mix(i) */
uint64_t t_get(const gomap *map, uint64_t key, bool *found);
/* Inserts keys from *next on until a walk of that kind is at least `progress` done; false: there was none. */
bool t_until_walk(gomap *map, uint64_t *next, double progress, uint64_t most);

/* ---- an allocator that counts, fails on demand and checks what it gets back ---------------------- */

struct t_alloc {
    gomap_alloc api;        /* give &a.api to the config */
    uint64_t blocks, bytes; /* alive now */
    uint64_t calls;         /* allocations asked for */
    uint64_t fail_at;       /* the call with this number fails (1 = the next after arming); 0: none */
    bool fail_on;           /* and all that follow */
    uint64_t failed;        /* how often it fired */
    uint64_t faults;        /* wrong size or alignment on free, broken guards */
};
void t_alloc_init(struct t_alloc *a);
void t_alloc_arm(struct t_alloc *a, uint64_t fail_at, bool fail_on);
void t_alloc_check_empty(const struct t_alloc *a);

/* ---- a model: a table indexed by key ------------------------------------------------------------ */

struct t_model {
    uint64_t universe, count;
    uint64_t *value;
    uint8_t *has;
};
void t_model_init(struct t_model *m, uint64_t universe);
void t_model_free(struct t_model *m);
void t_model_put(struct t_model *m, uint64_t key, uint64_t value);
bool t_model_del(struct t_model *m, uint64_t key);
void t_model_check(const struct t_model *m, const gomap *map); /* every key of the universe, and the count */

/* ---- children ----------------------------------------------------------------------------------- */

struct t_child {
    int status;     /* as waitpid gives it */
    char out[8192]; /* what it wrote to its pipe, stdout and stderr */
    size_t len;
};
/* Run fn(arg) in a forked child whose stdout and stderr are caught.  A child that returns exits with 0. */
void t_fork(struct t_child *c, void (*fn)(void *arg), void *arg);
/* The same with a fatal hook that prints the line and leaves with exit code 86: the line must hold
 * every one of the words (NULL ends). */
enum { T_EXIT_FATAL = 86 };
void t_expect_fatal_at(const char *file, int line, void (*fn)(void *arg), void *arg, ...);
#define T_FATAL(fn, arg, ...) t_expect_fatal_at(__FILE__, __LINE__, (fn), (arg), __VA_ARGS__, NULL)
/* In children and threads, where a cmocka assertion cannot be used. */
void t_die(const char *file, int line, const char *what) __attribute__((noreturn));
#define T_CHILD(cond) ((cond) ? (void)0 : t_die(__FILE__, __LINE__, #cond))

/* ---- the process --------------------------------------------------------------------------------- */

uint64_t t_now_ns(void);
bool t_sanitized(void); /* a sanitizer slows this build down */

/* Runs a suite: nonzero if anything failed or if there was nothing to run. */
int t_run(const char *name, const struct CMUnitTest *tests, size_t n);
#endif
