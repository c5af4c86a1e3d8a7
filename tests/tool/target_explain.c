/* target_explain.c - a process that knows where its entries lie, and crashes on request in ways that are known.
 *
 * It answers commands, a line each:
 *   value NAME KEY    "ADDRESS GROUP SLOT" of the value of an entry, by the map's own structs; GROUP -1: it is not in the table
 *   key NAME KEY      the same of the key
 *   header NAME       address of the map's handle
 *   grow NAME         put until the map is in the middle of a growth: "ok"
 *   moved NAME        an address in its array that entries have been moved from, and one that still holds some
 *   variable          address of a global, of a word on the stack, of code
 *   lazy BYTES        memory of so many bytes, written and then given back by MADV_FREE: "ok"
 *   shrink NAME N     delete until N entries are left, then idle until nothing more is given back: "ok"
 *   fill NAME N       put until there are N: "ok"
 *   crash null        write through NULL while a register holds the address of a value (numbers 77)
 *   crash freed       write through a pointer to a value of a map that was freed
 *   crash old         write through a pointer to a value into the array that a map had before it grew
 *   crash wild        write through what no machine has an address like
 */
#include <gomap/classic.h>
#include <gomap/gomap.h>
#include <gomap/inspect.h>

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static gomap *numbers, *names, *crowd, *wide, *blocks, *victim;
static gomap_classic *buckets, *cells, *chains;
uint64_t a_global = 1;

static void die(const char *what) {
    printf("cannot %s\n", what);
    fflush(stdout);
    exit(1);
}

static gomap *make(gomap_config c, const char *name) {
    gomap *m;
    c.name = name;
    if (gomap_new(&c, &m)) die("make a map");
    return m;
}

static gomap_classic *make_classic(size_t key, size_t elem, const char *name) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(key, elem);
    gomap_classic *m;
    c.name = name;
    if (gomap_classic_new(&c, &m)) die("make a map");
    return m;
}

static void put(gomap *m, uint64_t key) {
    uint8_t value[200] = {0};
    memcpy(value, &key, sizeof key);
    if (gomap_put(m, &key, value)) die("put");
}

static void put_name(uint64_t n) {
    char text[32];
    gomap_str s = {text, (size_t)snprintf(text, sizeof text, "a name of some length %" PRIu64, n)};
    if (gomap_put(names, &s, &n)) die("put");
}

static void put_classic(gomap_classic *m, uint64_t n) {
    uint8_t key[200] = {0}, elem[200] = {0};
    memcpy(key, &n, sizeof n);
    if (gomap_classic_put(m, key, elem)) die("put");
}

/* Few homes: quads overflow into chains. */
static uint64_t few_homes(const void *key, void *ctx) {
    (void)ctx;
    return *(const uint64_t *)key % 2;
}

static uint64_t same_bucket(const void *key, uint32_t seed, void *ctx) {
    (void)seed, (void)ctx;
    return *(const uint64_t *)key << 40;
}

static void make_all(void) {
    gomap_config c = GOMAP_CONFIG(8, 8);
    numbers = make(c, "numbers");
    blocks = make(c, "blocks");
    victim = make(c, "victim");
    c.hash = few_homes;
    crowd = make(c, "crowd");
    c = GOMAP_CONFIG(8, 200);
    c.values = GOMAP_VALUES_STABLE;
    wide = make(c, "wide");
    names = make(GOMAP_CONFIG_STRING(8), "names");
    buckets = make_classic(8, 8, "buckets");
    cells = make_classic(200, 200, "cells");
    gomap_classic_config k = GOMAP_CLASSIC_CONFIG(8, 8);
    k.name = "chains", k.hash = same_bucket;
    if (gomap_classic_new(&k, &chains)) die("make a map");
    for (uint64_t i = 0; i < 150000; i++) put(numbers, i), put(victim, i);
    for (uint64_t i = 0; i < 5000; i++) put(blocks, i);
    for (uint64_t i = 0; i < 150; i++) put(crowd, i), put(wide, i), put_name(i);
    for (uint64_t i = 0; i < 3000; i++) put_classic(buckets, i);
    for (uint64_t i = 0; i < 60; i++) put_classic(cells, i), put_classic(chains, i);
}

/* ---- where entries lie ------------------------------------------------------------------------- */

static gomap *named(const char *name) {
    gomap *const all[] = {numbers, names, crowd, wide, blocks, victim};
    static const char *const called[] = {"numbers", "names", "crowd", "wide", "blocks", "victim"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(called[i], name) == 0) return all[i];
    return NULL;
}

static gomap_classic *named_classic(const char *name) {
    return strcmp(name, "buckets") == 0  ? buckets
           : strcmp(name, "cells") == 0  ? cells
           : strcmp(name, "chains") == 0 ? chains
                                         : NULL;
}

/* The entry of a number: pointers into the table or to what hangs off it. */
static void find(const gomap *m, uint64_t n, const void **key, void **value) {
    gomap_iter it;
    for (gomap_iter_init(&it, m); gomap_iter_next(&it);) {
        uint64_t v;
        memcpy(&v, it.value, sizeof v);
        if (v != n) continue;
        *key = m == names ? it.str.ptr : it.key, *value = it.value;
        return;
    }
    die("find an entry");
}

/* By the array that has it: while a map grows into a second one there are two. */
static void say(const gomap *m, const void *addr) {
    const struct gomap *h = (const void *)m;
    const uint8_t *const array[2] = {h->slots, h->side && h->side->walk ? h->side->lo_slots : NULL};
    uint64_t n[2] = {h->ngroups, h->side ? h->side->lo_ngroups : 0};
    for (int i = 0; i < 2; i++) {
        uint64_t at = (uintptr_t)addr - (uintptr_t)array[i], slot = at / h->desc->slot_size;
        if (!array[i] || slot >= n[i] * GOMAP_GROUP_SLOTS) continue;
        printf("%p %" PRIu64 " %" PRIu64 "\n", addr, slot / GOMAP_GROUP_SLOTS, slot % GOMAP_GROUP_SLOTS);
        return;
    }
    printf("%p -1 -1\n", addr);
}

static void say_classic(const gomap_classic *m, const void *addr) {
    const struct gomap_classic *c = (const void *)m;
    uint64_t at = (uintptr_t)addr - (uintptr_t)c->h.buckets, size = c->desc->bucket_size, in = at % size;
    if (at >= (UINT64_C(1) << c->h.B) * size) {
        printf("%p -1 -1\n", addr);
        return;
    }
    uint64_t slot = in < c->desc->elem_off ? (in - GOMAP_BUCKET_KEYS) / c->desc->key_slot
                                           : (in - c->desc->elem_off) / c->desc->elem_slot;
    printf("%p %" PRIu64 " %" PRIu64 "\n", addr, at / size, slot);
}

static void answer_where(const char *what, const char *name, uint64_t n) {
    const void *key;
    void *value;
    bool of_key = strcmp(what, "key") == 0;
    if (named(name)) {
        find(named(name), n, &key, &value);
        say(named(name), of_key ? key : value);
        return;
    }
    uint8_t wanted[200] = {0};
    memcpy(wanted, &n, sizeof n);
    if (!named_classic(name) || !gomap_classic_find(named_classic(name), wanted, &key, &value))
        die("find an entry");
    say_classic(named_classic(name), of_key ? key : value);
}

static void grow(gomap *m) {
    for (uint64_t n = gomap_len(m);; n++) {
        gomap_stats s = {.size = sizeof s};
        put(m, n);
        if (gomap_get_stats(m, &s)) die("take the figures");
        if (s.walk == 1 && s.walk_progress > 0.4 && s.walk_progress < 0.6) return;
    }
}

/* A walk in two arrays takes the old one from its top down; in one array what it vacates lies just below where it goes on. */
static void say_moved(const gomap *m) {
    const struct gomap *h = (const void *)m;
    const struct gomap_side *s = h->side;
    uint64_t low = (uint64_t)(((unsigned __int128)(h->split - 1) * s->lo_ngroups) >> 64) / 4 * 4 + 4;
    uint64_t per = (uint64_t)GOMAP_GROUP_SLOTS * h->desc->slot_size;
    printf("%p %p\n", (void *)(s->lo_slots + low * per + 8), (void *)(s->lo_slots + 8));
}

/* ---- memory ------------------------------------------------------------------------------------ */

static void lazy(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) die("map memory");
    memset(p, 1, bytes);
    if (madvise(p, bytes, MADV_FREE)) die("give memory back");
}

static void shrink(gomap *m, uint64_t left) {
    for (uint64_t n = 0; gomap_len(m) > left; n++) gomap_delete(m, &n);
    while (gomap_work(m, 1000000)) {}
}

/* ---- ends -------------------------------------------------------------------------------------- */

static void fault(void *bad, void *witness) {
#if defined(__x86_64__)
    __asm__ volatile("mov %1, %%r12\n\tmovq $1, (%0)" : : "r"(bad), "r"(witness) : "r12", "memory");
#else
    *(volatile uint64_t *)bad = (uintptr_t)witness;
#endif
}

/* The address of a value that lies in the table, not in a chain. */
static void *in_table(const gomap *m) {
    const struct gomap *h = (const void *)m;
    gomap_iter it;
    for (gomap_iter_init(&it, m); gomap_iter_next(&it);)
        if ((uintptr_t)it.value - (uintptr_t)h->slots < h->ngroups * GOMAP_GROUP_SLOTS * h->desc->slot_size)
            return it.value;
    die("find an entry in the table");
    return NULL;
}

static void crash(const char *how) {
    const void *key;
    void *value, *witness;
    find(numbers, 77, &key, &witness);
    if (strcmp(how, "null") == 0) fault(NULL, witness);
    if (strcmp(how, "wild") == 0) fault((void *)(uintptr_t)UINT64_C(0x5a5a5a5a5a5a5a5a), witness);
    if (strcmp(how, "freed") == 0) {
        value = in_table(victim);
        gomap_free(victim);
        fault(value, witness);
    }
    if (strcmp(how, "old") == 0) {
        const struct gomap *h = (const void *)blocks;
        value = in_table(blocks);
        for (uint64_t n = gomap_len(blocks), groups = h->ngroups; h->ngroups == groups || h->split; n++)
            put(blocks, n);
        fault(value, witness);
    }
    die("crash");
}

int main(void) {
    char line[256], what[32], name[32];
    uint64_t n;
    mallopt(M_MMAP_THRESHOLD, 64 * 1024); /* and what malloc gives back of that size is unmapped at once */
    make_all();
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "crash %31s", what) == 1) crash(what);
        if (sscanf(line, "header %31s", name) == 1)
            printf("%p\n", named(name) ? (void *)named(name) : (void *)named_classic(name));
        else if (sscanf(line, "grow %31s", name) == 1)
            grow(named(name)), printf("ok\n");
        else if (sscanf(line, "lazy %" SCNu64, &n) == 1)
            lazy(n), printf("ok\n");
        else if (sscanf(line, "shrink %31s %" SCNu64, name, &n) == 2)
            shrink(named(name), n), printf("ok\n");
        else if (sscanf(line, "fill %31s %" SCNu64, name, &n) == 2) {
            for (uint64_t key = 0; gomap_len(named(name)) < n; key++) put(named(name), key);
            printf("ok\n");
        } else if (sscanf(line, "moved %31s", name) == 1)
            say_moved(named(name));
        else if (strcmp(line, "variable\n") == 0)
            printf("%p %p %p\n", (void *)&a_global, (void *)&n, (void *)(uintptr_t)&make_all);
        else if (sscanf(line, "%31s %31s %" SCNu64, what, name, &n) == 3)
            answer_where(what, name, n);
        else
            printf("no such command\n");
        fflush(stdout);
    }
}
