/* lib/registry.c - the self-description of this copy of the library (gomap/inspect.h): the root, the
 * registry of maps, the interned types, the flight recorder, and what must be done once per process.
 *
 * The registry is a list of chunks that are only ever added: an outside reader can follow it at any time.  An
 * entry is claimed by compare-and-swap and freed by storing NULL; its generation changes with each map, so
 * a reader who sees the same generation before and after has read one map.  No lock is ever held across a fork.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

/* A claim in progress: neither free nor a map. */
#define CLAIMED ((struct gomap *)(uintptr_t)1)

struct gomap_event gomap__ring[GOMAP_RING_EVENTS];
static struct gomap_chunk first_chunk;
/* Chunk by number, so that freeing a map does not walk the list; untouched pages cost nothing. */
enum { DIRECTORY = 1 << 16 };
static struct gomap_chunk *directory[DIRECTORY] = {&first_chunk};

struct gomap_root gomap_inspect_root_1 = {
    .magic = GOMAP_INSPECT_MAGIC,
    .version = GOMAP_INSPECT_VERSION,
    .size = sizeof(struct gomap_root),
    .pointer_bytes = sizeof(void *),
    .map_size = sizeof(struct gomap),
    .side_size = sizeof(struct gomap_side),
    .desc_size = sizeof(struct gomap_desc),
    .node_size = sizeof(struct gomap_node),
    .chunk_size = sizeof(struct gomap_chunk),
    .event_size = sizeof(struct gomap_event),
    .chunk_entries = GOMAP_CHUNK_ENTRIES,
    .self = (uint64_t)(uintptr_t)0,
    .chunks = &first_chunk,
    .ring = gomap__ring,
    .ring_events = GOMAP_RING_EVENTS,
    .library = "gomap " GOMAP_VERSION,
};

#if UINTPTR_MAX > UINT32_MAX
static_assert(sizeof(struct gomap) == 128, "header: two cache lines");
static_assert(offsetof(struct gomap, count) == 64, "a lookup needs the first line only");
static_assert(sizeof(struct gomap_strkey) == 16 && sizeof(struct gomap_cellkey) == 16, "slot keys");
#endif

/* The ELF note by which readers find the root, also in stripped and static programs. */
#if UINTPTR_MAX > UINT32_MAX && defined(__ELF__)
/* Relative to itself: needs no relocation, so it is read-only and the same in file and memory. */
extern struct gomap_root gomap__root
    __attribute__((alias("gomap_inspect_root_1"), visibility("hidden"), used));
__asm__(".pushsection .note.gomap,\"a\",@note\n"
        ".balign 4\n.long 6, 8, 1\n.asciz \"gomap\"\n.balign 4\n"
        ".quad gomap__root - .\n.popsection");
#endif

static __thread uint32_t thread_id; /* of the kernel; 0: not asked for yet */

/* ---- the process ---------------------------------------------------------------------------------------- */

struct world gomap__world = {
    .shrink = 1, .registry = 1, .return_after_ms = 1000, .range_from = RANGE_FROM_BYTES, .fork_mark = 1};

static void after_fork_in_child(void) {
    gomap__world.fork_mark = (uint8_t)(gomap__world.fork_mark + 4); /* bit 0 stays: being written; bit 1 is for hooks */
    gomap__seed_forget();
    gomap__times_after_fork();
    thread_id = 0;
    __atomic_store_n(&gomap_inspect_root_1.self, (uint64_t)(uintptr_t)&gomap_inspect_root_1,
                     __ATOMIC_RELAXED);
}

static uint64_t read_number(const char *path, uint64_t otherwise) {
    FILE *f = fopen(path, "re");
    unsigned long long n;
    if (!f) return otherwise;
    if (fscanf(f, "%llu", &n) != 1) n = otherwise;
    fclose(f);
    return n;
}

static uint64_t clock_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
uint64_t gomap__now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

static void init_once(void) {
    struct gomap_root *r = &gomap_inspect_root_1;
    gomap__world.cpu_aes = gomap__cpu_has_aes();
    gomap__world.max_ranges = read_number("/proc/sys/vm/max_map_count", 65530) / 4 / 6;
    gomap__world.strict_commit = read_number("/proc/sys/vm/overcommit_memory", 0) == 2;
    gomap__conf_load();
    r->wall_minus_mono_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
    r->self = (uint64_t)(uintptr_t)r;
    __atomic_store_n(&r->pid_started, 1, __ATOMIC_RELEASE);
    pthread_atfork(NULL, NULL, after_fork_in_child);
}

void gomap__world_init(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_once);
}

/* A program that never makes a map still describes itself. */
__attribute__((constructor)) static void set_self(void) {
    gomap_inspect_root_1.self = (uint64_t)(uintptr_t)&gomap_inspect_root_1;
    gomap_inspect_root_1.more = (int32_t)((intptr_t)&gomap__more - (intptr_t)&gomap_inspect_root_1);
}

/* ---- registry --------------------------------------------------------------------------------------------- */

static bool claim_in(struct gomap_chunk *c, void *m, uint64_t *id, uint32_t kind) {
    static __thread uint32_t hint;
    for (uint32_t i = 0; i < GOMAP_CHUNK_ENTRIES; i++) {
        uint32_t at = (hint + i) % GOMAP_CHUNK_ENTRIES;
        struct gomap_chunk_entry *e = &c->entry[at];
        struct gomap *none = NULL;
        if (__atomic_load_n(&e->map, __ATOMIC_RELAXED) ||
            !__atomic_compare_exchange_n(&e->map, &none, CLAIMED, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            continue;
        hint = at + 1;
        uint32_t gen = __atomic_load_n(&e->gen, __ATOMIC_RELAXED) + 1;
        __atomic_store_n(&e->gen, gen, __ATOMIC_RELAXED);
        __atomic_store_n(&e->kind, kind, __ATOMIC_RELAXED);
        *id = (uint64_t)gen << 32 | (c->base + at + 1);
        __atomic_store_n(&e->map, (struct gomap *)m, __ATOMIC_RELEASE);
        __atomic_fetch_add(&c->used, 1, __ATOMIC_RELAXED);
        return true;
    }
    return false;
}

/* Another chunk behind the last; two threads may race for it, one gives its chunk back. */
static struct gomap_chunk *add_chunk(struct gomap_chunk *last) {
    struct gomap_chunk *c = gomap__alloc(NULL, sizeof *c, 64), *none = NULL;
    if (!c) return NULL;
    c->base = last->base + GOMAP_CHUNK_ENTRIES;
    if (__atomic_compare_exchange_n(&last->next, &none, c, false, __ATOMIC_RELEASE, __ATOMIC_ACQUIRE)) {
        uint32_t number = c->base / GOMAP_CHUNK_ENTRIES;
        if (number < DIRECTORY) __atomic_store_n(&directory[number], c, __ATOMIC_RELEASE);
        return c;
    }
    gomap__dealloc(NULL, c, sizeof *c, 64);
    return none;
}

bool gomap__register_as(void *m, uint64_t *id, uint32_t kind) {
    static __thread struct gomap_chunk *recent;
    __atomic_fetch_add(&gomap_inspect_root_1.maps_made, 1, __ATOMIC_RELAXED);
    if (!gomap__world.registry) {
        static uint64_t serial;
        *id = __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED) << 32;
        return true;
    }
    if (recent && claim_in(recent, m, id, kind)) return true;
    for (struct gomap_chunk *c = &first_chunk, *next; c; c = next) {
        bool full = __atomic_load_n(&c->used, __ATOMIC_RELAXED) >= GOMAP_CHUNK_ENTRIES;
        if (!full && claim_in(c, m, id, kind)) {
            recent = c;
            return true;
        }
        next = __atomic_load_n(&c->next, __ATOMIC_ACQUIRE);
        if (!next) next = add_chunk(c);
    }
    __atomic_fetch_add(&gomap_inspect_root_1.registry_failed, 1, __ATOMIC_RELAXED);
    return false;
}

bool gomap__register(struct gomap *m) { return gomap__register_as(m, &m->id, GOMAP_KIND_GOMAP); }

static struct gomap_chunk_entry *entry_of(uint64_t id, struct gomap_chunk **chunk) {
    uint32_t index = (uint32_t)id - 1;
    if (!(uint32_t)id) return NULL;
    uint32_t number = index / GOMAP_CHUNK_ENTRIES;
    struct gomap_chunk *c = number < DIRECTORY ? __atomic_load_n(&directory[number], __ATOMIC_ACQUIRE) : NULL;
    for (c = c ? c : &first_chunk; c && index - c->base >= GOMAP_CHUNK_ENTRIES;)
        c = __atomic_load_n(&c->next, __ATOMIC_ACQUIRE);
    *chunk = c;
    return c ? &c->entry[index - c->base] : NULL;
}

bool gomap__registered(const struct gomap *m) {
    struct gomap_chunk *c;
    struct gomap_chunk_entry *e = entry_of(m->id, &c);
    return !(uint32_t)m->id || (e && __atomic_load_n(&e->map, __ATOMIC_ACQUIRE) == m &&
                                __atomic_load_n(&e->gen, __ATOMIC_RELAXED) == (uint32_t)(m->id >> 32));
}

void gomap__unregister(uint64_t id) {
    struct gomap_chunk *c;
    struct gomap_chunk_entry *e = entry_of(id, &c);
    __atomic_fetch_add(&gomap_inspect_root_1.maps_freed, 1, __ATOMIC_RELAXED);
    if (!e) return;
    __atomic_store_n(&e->map, NULL, __ATOMIC_RELEASE);
    __atomic_fetch_sub(&c->used, 1, __ATOMIC_RELAXED);
}

void gomap__for_each_map(bool (*fn)(struct gomap *m, void *ctx), void *ctx) {
    for (struct gomap_chunk *c = &first_chunk; c; c = __atomic_load_n(&c->next, __ATOMIC_ACQUIRE)) {
        for (uint32_t i = 0; i < GOMAP_CHUNK_ENTRIES; i++) {
            struct gomap *m = __atomic_load_n(&c->entry[i].map, __ATOMIC_ACQUIRE);
            bool other = __atomic_load_n(&c->entry[i].kind, __ATOMIC_RELAXED) != GOMAP_KIND_GOMAP;
            if (m && m != CLAIMED && !other && !fn(m, ctx)) return;
        }
    }
}

/* ---- types -------------------------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b) { return a == b || (a && b && !strcmp(a, b)); }

static bool same_type(const struct gomap_desc *a, const struct gomap_desc *b) {
    return a->flags == b->flags && a->key_size == b->key_size && a->key_align == b->key_align &&
           a->val_size == b->val_size && a->val_align == b->val_align && a->hash == b->hash &&
           a->eq == b->eq && a->key_copy == b->key_copy && a->key_destroy == b->key_destroy &&
           a->val_copy == b->val_copy && a->val_destroy == b->val_destroy &&
           same_text(a->key_name, b->key_name) && same_text(a->val_name, b->val_name) &&
           same_text(a->site, b->site);
}

static const struct gomap_desc *find_type(const struct gomap_desc *from, const struct gomap_desc *d) {
    while (from && !same_type(from, d)) from = from->next;
    return from;
}

static char *text_after(char *to, const char *s, const char **out) {
    *out = s ? strcpy(to, s) : NULL;
    return s ? to + strlen(s) + 1 : to;
}

/* The one copy of a type, with its texts; never freed.  Types are as many as places that make maps: a list does. */
const struct gomap_desc *gomap__intern(const struct gomap_desc *d) {
    const struct gomap_desc **head = &gomap_inspect_root_1.descs,
                            *seen = __atomic_load_n(head, __ATOMIC_ACQUIRE);
    const struct gomap_desc *known = find_type(seen, d);
    if (known) return known;
    size_t bytes =
        sizeof *d + strlen(d->key_name) + strlen(d->val_name) + (d->site ? strlen(d->site) : 0) + 3;
    struct gomap_desc *n = gomap__alloc(NULL, bytes, 16);
    if (!n) return NULL;
    *n = *d;
    char *text = (char *)(n + 1);
    text = text_after(text, d->key_name, &n->key_name);
    text = text_after(text, d->val_name, &n->val_name);
    text_after(text, d->site, &n->site);
    n->next = seen;
    while (!__atomic_compare_exchange_n(head, &n->next, n, false, __ATOMIC_RELEASE, __ATOMIC_ACQUIRE)) {
        known = find_type(n->next, d); /* somebody was faster, perhaps with the same type */
        if (!known) continue;
        gomap__dealloc(NULL, n, bytes, 16);
        return known;
    }
    return n;
}

/* ---- flight recorder ----------------------------------------------------------------------------------------- */

void gomap__event(const struct gomap *m, int kind, uint64_t a, uint64_t b) {
    if (m && m->cookie == GOMAP_COOKIE_STASH) return; /* a part of its map: its growths are nobody's news */
    gomap__event_of(m ? m->id : 0, kind, a, b);
    if (m && gomap__has_hooks(m)) gomap__hook_event((struct gomap *)(uintptr_t)m, kind, a, b);
}

uint32_t gomap__this_thread(void) {
    if (!thread_id) thread_id = (uint32_t)gettid();
    return thread_id;
}

void gomap__event_of(uint64_t map_id, int kind, uint64_t a, uint64_t b) {
    gomap__probe(map_id, kind, a, b);
    uint64_t t = __atomic_fetch_add(&gomap_inspect_root_1.ring_head, 1, __ATOMIC_RELAXED);
    struct gomap_event *e = &gomap__ring[t % GOMAP_RING_EVENTS];
    __atomic_store_n(&e->ticket, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&e->time_ns, gomap__now_ns(), __ATOMIC_RELAXED);
    __atomic_store_n(&e->map_id, map_id, __ATOMIC_RELAXED);
    __atomic_store_n(&e->kind, (uint32_t)kind, __ATOMIC_RELAXED);
    __atomic_store_n(&e->thread, gomap__this_thread(), __ATOMIC_RELAXED);
    __atomic_store_n(&e->a, a, __ATOMIC_RELAXED);
    __atomic_store_n(&e->b, b, __ATOMIC_RELAXED);
    __atomic_store_n(&gomap__ring_stacks[t % GOMAP_RING_EVENTS], gomap__stack_number(), __ATOMIC_RELAXED);
    __atomic_store_n(&e->ticket, t + 1, __ATOMIC_RELEASE);
}
