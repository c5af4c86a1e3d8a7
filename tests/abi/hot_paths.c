/* tests/abi/hot_paths.c - the inlined fast paths, each in a function of its own: hot_paths.py disassembles this.
 *
 * With BREAK=N one lookup breaks one rule, so that the analysis can be shown to see it.
 */
#include <gomap/typed.h>

struct triple {
    uint64_t a, b, c;
};
/* One type a use, no two of the same slot size: of several uses, or of functions that come out equal, a compiler
 * may keep one copy and call it. */
GOMAP_DEFINE(u64map, uint64_t, uint64_t);
GOMAP_DEFINE(u32map, uint32_t, uint32_t);
GOMAP_DEFINE(seen, uint64_t, struct triple);

#ifndef BREAK
#define BREAK 0
#endif
extern uint64_t lookups_seen;
extern void (*on_lookup)(void);
uint64_t lookups_seen;
void (*on_lookup)(void);

static inline void observe(gomap *m, uint64_t key) {
    (void)m, (void)key;
#if BREAK == 1 /* a counter in the map */
    m->side->counters.moved++;
#elif BREAK == 2 /* a counter all threads share */
    __atomic_fetch_add(&m->side->counters.moved, 1, __ATOMIC_RELAXED);
#elif BREAK == 3 /* a switch that is off */
    if (__builtin_expect(lookups_seen == key, 0)) m->side = NULL;
#elif BREAK == 4 /* a probe */
    on_lookup();
#elif BREAK == 5 /* a counter of the thread */
    static __thread uint64_t mine;
    mine++;
#elif BREAK == 7 /* a field for others to read */
    __asm__ volatile("" : : "r"(m->epoch));
#endif
}

/* What the analysis takes for a look at two groups. */
static inline unsigned twice(const gomap *m, uint64_t key) {
#if BREAK == 6
    return gomap__match(m->meta, key) == 0x7fff;
#endif
    return (void)m, (void)key, 0;
}

uint64_t *hot_get_u64(gomap *m, uint64_t key);
uint64_t *hot_get_u64(gomap *m, uint64_t key) {
    observe(m, key);
    if (twice(m, key)) return NULL;
    return u64map_get(m, key);
}

uint32_t *hot_get_u32(const gomap *m, uint32_t key);
uint32_t *hot_get_u32(const gomap *m, uint32_t key) { return u32map_get(m, key); }

bool hot_has_u64(const gomap *m, uint64_t key);
bool hot_has_u64(const gomap *m, uint64_t key) { return seen_has(m, key); }

gomap_err hot_put_u64(gomap *m, uint64_t key, uint64_t value);
gomap_err hot_put_u64(gomap *m, uint64_t key, uint64_t value) { return u64map_put(m, key, value); }

bool hot_delete_u64(gomap *m, uint64_t key);
bool hot_delete_u64(gomap *m, uint64_t key) { return u64map_delete(m, key); }
