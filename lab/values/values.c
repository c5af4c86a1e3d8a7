/* values.c - what it costs to keep and to change values of 8 to 512 bytes in a map, by where the value lives.
 *
 *     values sizes WHERE SIZE N SEED      time, allocations and bytes of one kind of map
 *     values growth WHERE SIZE SEED       what one growth allocates; do cells move?
 *     values copy SIZE                    time of copying a struct of SIZE bytes
 *
 *     WHERE     the value lies                                        who finds it
 *     typed     in the slot                                           code inlined by typed.h (up to 128 bytes)
 *     inline    in the slot                                           gomap.h: sizes read from the map
 *     stable    in a cell of the map's own pool                       gomap.h, GOMAP_VALUES_STABLE
 *     classic   in the slot up to 128 bytes, beyond in a malloc of    classic.h, Go's map
 *               its own
 *     pointer   in a malloc of its own, its address in the slot       typed.h
 *     pool      in a chunk of a pool of the program's, likewise       typed.h
 *
 * Four ways to write, all with one key in random order:
 *     insert    a new key, the value copied in                  m[k] = v
 *     put       an old key, the whole value copied in           m[k] = v
 *     through   the value copied out, one word changed,         v := m[k]; v.n++; m[k] = v
 *               copied in again: two lookups
 *     field     one word changed where it lies: one lookup      m[k].n++
 * Every word that was added is counted at the end: a lost update ends the program with exit code 1.
 */
#include "../measure.h"

#include <gomap/classic.h>
#include <gomap/typed.h>
#include <malloc.h>

enum { SIZE_MAX_HERE = 512, POOL_CHUNK = 256 /* values */ };

/* ---- where values live: find gives the value or NULL, slot finds or makes it (zeros) ------------------- */

struct place {
    gomap *map;
    gomap_classic *classic;
    size_t size;
    unsigned path;       /* of classic: GOMAP_CLASSIC_PATH_* */
    uint64_t extra;      /* bytes of values outside the map */
    unsigned char *free; /* pool: first free value; each holds the address of the next */
};

static void worked(gomap_err err) {
    if (err) fail("values: %s", gomap_strerror(err));
}

#define SIZES(X) X(8) X(16) X(24) X(32) X(48) X(64) X(96) X(128)
#define TYPED(bytes)                                                                                         \
    struct value##bytes {                                                                                    \
        uint64_t word[bytes / 8];                                                                            \
    };                                                                                                       \
    GOMAP_DEFINE(map##bytes, uint64_t, struct value##bytes);                                                 \
    INLINED void *find##bytes(struct place *p, uint64_t key) { return map##bytes##_get(p->map, key); }       \
    INLINED void *slot##bytes(struct place *p, uint64_t key) { return map##bytes##_at(p->map, key, NULL); }
SIZES(TYPED)

INLINED void *find_generic(struct place *p, uint64_t key) { return gomap_get(p->map, &key); }
INLINED void *slot_generic(struct place *p, uint64_t key) {
    void *value;
    worked(gomap_get_or_insert(p->map, &key, &value, NULL));
    return value;
}

INLINED void *find_classic(struct place *p, uint64_t key) {
    return p->path == GOMAP_CLASSIC_PATH_FAST64 ? gomap_classic_get64(p->classic, key)
                                                : gomap_classic_get(p->classic, &key);
}
INLINED void *slot_classic(struct place *p, uint64_t key) {
    void *value;
    worked(gomap_classic_assign(p->classic, &key, &value, NULL));
    return value;
}

GOMAP_DEFINE(pointers, uint64_t, void *);
INLINED void *find_pointer(struct place *p, uint64_t key) {
    void **at = pointers_get(p->map, key);
    return at ? *at : NULL;
}
INLINED void *slot_pointer(struct place *p, uint64_t key) {
    bool is_new;
    void **at = pointers_at(p->map, key, &is_new);
    if (at && is_new) {
        *at = malloc(p->size);
        if (*at) p->extra += malloc_usable_size(*at) + sizeof(size_t); /* glibc keeps a word before each */
    }
    return at ? *at : NULL;
}

static void *pool_refill(struct place *p) {
    unsigned char *chunk = malloc(p->size * POOL_CHUNK);
    if (!chunk) fail("values: out of memory");
    for (size_t i = 0; i < POOL_CHUNK; i++) {
        unsigned char *next = i + 1 < POOL_CHUNK ? chunk + (i + 1) * p->size : NULL;
        memcpy(chunk + i * p->size, &next, sizeof next);
    }
    p->extra += malloc_usable_size(chunk) + sizeof(size_t);
    return chunk; /* never given back: the program ends with the run */
}
INLINED void *slot_pool(struct place *p, uint64_t key) {
    bool is_new;
    void **at = pointers_at(p->map, key, &is_new);
    if (at && is_new) {
        if (!p->free) p->free = pool_refill(p);
        *at = p->free;
        memcpy(&p->free, *at, sizeof p->free);
    }
    return at ? *at : NULL;
}

/* ---- the four ways to write ------------------------------------------------------------------------- */

typedef void *(*find_fn)(struct place *, uint64_t key);

struct result {
    double insert, put, through, field;          /* ns an operation */
    double new_allocs, put_allocs, field_allocs; /* calls of the allocator an operation */
    double new_frees;
};

static uint64_t key_of(uint64_t seed, uint64_t i) { return mix((seed << 32) + i); }
/* One of n entries, drawn; without a division, which would take as long as a lookup. */
static uint64_t pick(uint64_t i, size_t n) { return (mix(i) >> 32) * n >> 32; }

/* Inlined once for each kind of map, so that sizes and functions are constants where they are in a program. */
INLINED void write_all(struct place *p, size_t n, uint64_t seed, find_fn find, find_fn slot, size_t size,
                       struct result *r) {
    uint64_t value[SIZE_MAX_HERE / 8];
    for (size_t i = 0; i < size / 8; i++) value[i] = i;

    struct allocs before = allocs_now();
    uint64_t start = cpu_ns();
    for (size_t i = 0; i < n; i++) {
        value[0] = 1;
        void *at = slot(p, key_of(seed, i));
        if (!at) fail("values: out of memory");
        memcpy(at, value, size);
    }
    r->insert = (double)(cpu_ns() - start) / (double)n;
    r->new_allocs = (double)allocs_since(before).calls / (double)n;

    before = allocs_now(), start = cpu_ns();
    for (size_t i = 0; i < n; i++) {
        value[0] = 2;
        memcpy(slot(p, key_of(seed, pick(i, n))), value, size);
    }
    r->put = (double)(cpu_ns() - start) / (double)n;
    r->put_allocs = (double)allocs_since(before).calls / (double)n;

    start = cpu_ns();
    for (size_t i = 0; i < n; i++) {
        uint64_t key = key_of(seed, pick(i + n, n));
        void *at = find(p, key);
        if (!at) fail("values: a key is lost");
        memcpy(value, at, size);
        value[0]++;
        KEEP(value);
        memcpy(slot(p, key), value, size);
    }
    r->through = (double)(cpu_ns() - start) / (double)n;

    before = allocs_now(), start = cpu_ns();
    for (size_t i = 0; i < n; i++) {
        uint64_t *at = find(p, key_of(seed, pick(i + 2 * n, n)));
        if (!at) fail("values: a key is lost");
        ++*at;
    }
    r->field = (double)(cpu_ns() - start) / (double)n;
    r->field_allocs = (double)allocs_since(before).calls / (double)n;
}

/* Inlined whole, wherever the code can be seen: else the compiler's mood at the tenth copy would be measured. */
#define WRITER(name, find, slot, size)                                                                       \
    static __attribute__((noinline, flatten)) void write_##name(struct place *p, size_t n, uint64_t seed,    \
                                                                struct result *r) {                          \
        write_all(p, n, seed, find, slot, size, r);                                                          \
    }
#define TYPED_WRITER(bytes) WRITER(typed##bytes, find##bytes, slot##bytes, bytes)
SIZES(TYPED_WRITER)
WRITER(generic, find_generic, slot_generic, p->size)
WRITER(classic, find_classic, slot_classic, p->size)
WRITER(pointer, find_pointer, slot_pointer, p->size)
WRITER(pool, find_pointer, slot_pool, p->size)

static struct result write_as(const char *where, struct place *p, size_t n, uint64_t seed) {
    struct result r = {0};
    if (!strcmp(where, "typed")) switch (p->size) {
#define CASE(bytes)                                                                                          \
    case bytes: write_typed##bytes(p, n, seed, &r); return r;
            SIZES(CASE)
        default: fail("values: no typed map of %zu bytes", p->size);
        }
    if (!strcmp(where, "classic"))
        write_classic(p, n, seed, &r);
    else if (!strcmp(where, "pointer"))
        write_pointer(p, n, seed, &r);
    else if (!strcmp(where, "pool"))
        write_pool(p, n, seed, &r);
    else
        write_generic(p, n, seed, &r);
    return r;
}

/* ---- making them ------------------------------------------------------------------------------------ */

static struct place make(const char *where, size_t size) {
    struct place p = {.size = size};
    if (!strcmp(where, "classic")) {
        gomap_classic_config c = GOMAP_CLASSIC_CONFIG(sizeof(uint64_t), size);
        gomap_classic_stats s = {.size = sizeof s};
        worked(gomap_classic_new(&c, &p.classic));
        worked(gomap_classic_get_stats(p.classic, &s));
        p.path = s.path;
        return p;
    }
    gomap_config c = GOMAP_CONFIG(sizeof(uint64_t), size);
    if (!strcmp(where, "typed") || !strcmp(where, "inline"))
        c.values = GOMAP_VALUES_INLINE;
    else if (!strcmp(where, "stable"))
        c.values = GOMAP_VALUES_STABLE;
    else if (!strcmp(where, "pointer") || !strcmp(where, "pool"))
        c.value_size = sizeof(void *);
    else
        fail("values: no place '%s': typed, inline, stable, classic, pointer, pool", where);
    worked(gomap_new(&c, &p.map));
    return p;
}

static uint64_t map_bytes(const struct place *p) {
    if (p->classic) {
        gomap_classic_stats s = {.size = sizeof s};
        worked(gomap_classic_get_stats(p->classic, &s));
        return s.bytes;
    }
    gomap_stats s = {.size = sizeof s};
    worked(gomap_get_stats(p->map, &s));
    return s.bytes;
}

/* Every entry is there and took what was added to it: puts set 2, the two passes after it added one each. */
static void check(const struct place *p, const char *where, size_t n, uint64_t seed) {
    struct place q = *p;
    uint64_t sum = 0, want = 0;
    uint8_t *was_put = calloc(n, 1);
    if (!was_put) fail("values: out of memory");
    for (size_t i = 0; i < n; i++) was_put[pick(i, n)] = 1;
    for (size_t i = 0; i < n; i++) {
        uint64_t key = key_of(seed, i), *at;
        if (p->classic)
            at = find_classic(&q, key);
        else if (!strcmp(where, "pointer") || !strcmp(where, "pool"))
            at = find_pointer(&q, key);
        else
            at = find_generic(&q, key);
        if (!at || (p->size > 8 && at[p->size / 8 - 1] != p->size / 8 - 1))
            fail("values: entry %zu is wrong", i);
        sum += *at, want += 1u + was_put[i];
    }
    free(was_put);
    if (sum != want + 2 * n) fail("values: %s lost updates", where);
}

static int sizes(const char *where, size_t size, size_t n, uint64_t seed) {
    struct place p = make(where, size);
    struct result r = write_as(where, &p, n, seed);
    check(&p, where, n, seed);
    printf(
        "{\"where\":\"%s\",\"bytes\":%zu,\"n\":%zu,\"path\":%u,\"insert\":%.3f,\"put\":%.3f,\"through\":%.3f,"
        "\"field\":%.3f,\"new_allocs\":%.4f,\"put_allocs\":%.4f,\"field_allocs\":%.4f,\"held\":%.3f}\n",
        where, size, n, p.path, r.insert, r.put, r.through, r.field, r.new_allocs, r.put_allocs,
        r.field_allocs, (double)(map_bytes(&p) + p.extra) / (double)n);
    return 0;
}

/* ---- one growth ------------------------------------------------------------------------------------- */

static bool growing(const struct place *p) {
    if (p->classic) {
        gomap_classic_stats s = {.size = sizeof s};
        worked(gomap_classic_get_stats(p->classic, &s));
        return s.growing;
    }
    gomap_stats s = {.size = sizeof s};
    worked(gomap_get_stats(p->map, &s));
    return s.walk != 0;
}

/* Moves some of a growth: by a write to an old key, as in Go; gomap's writes to old keys move nothing. */
static void go_on(struct place *p, uint64_t key, size_t size) {
    memset(p->classic ? slot_classic(p, key) : slot_generic(p, key), 2, size);
    if (p->map) (void)gomap_work(p->map, 1000);
}

/* Fills a map with 10^5 entries and on until a growth begins, then takes that growth to its end: what was asked
 * of the allocator and of mmap meanwhile, and how many values kept their address. */
static int growth(const char *where, size_t size, uint64_t seed) {
    enum { LEAST = 100000 };
    struct place p = make(where, size);
    if (strcmp(where, "inline") != 0 && strcmp(where, "stable") != 0 && !p.classic)
        fail("values: no growth of '%s'", where);
    void *(*slot)(struct place *, uint64_t) = p.classic ? slot_classic : slot_generic;
    void *(*find)(struct place *, uint64_t) = p.classic ? find_classic : find_generic;
    size_t n = 0, room = 4 * LEAST;
    for (; n < LEAST || growing(&p); n++) memset(slot(&p, key_of(seed, n)), 1, size);
    void **was = malloc(room * sizeof *was);
    if (!was) fail("values: out of memory");
    for (size_t i = 0; i < n; i++) was[i] = find(&p, key_of(seed, i));

    struct allocs before = allocs_now();
    for (; !growing(&p) && n < room; n++) {
        void *at = slot(&p, key_of(seed, n));
        memset(at, 1, size);
        was[n] = at;
        if (!growing(&p)) before = allocs_now(); /* the insert that begins the growth counts */
    }
    if (n == room) fail("values: %s does not grow", where);
    size_t writes = 0;
    for (; growing(&p); writes++) go_on(&p, key_of(seed, writes % n), size);
    struct allocs took = allocs_since(before);

    size_t stayed = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char *at = find(&p, key_of(seed, i));
        if (!at || at[size - 1] != (i < writes ? 2 : 1)) fail("values: entry %zu is wrong", i);
        stayed += at == was[i];
    }
    printf(
        "{\"where\":\"%s\",\"bytes\":%zu,\"entries\":%zu,\"writes\":%zu,\"allocs\":%llu,\"allocated\":%llu,"
        "\"stayed\":%zu}\n",
        where, size, n, writes, (unsigned long long)took.calls + took.maps, (unsigned long long)took.bytes,
        stayed);
    free(was);
    return 0;
}

/* ---- copying alone ---------------------------------------------------------------------------------- */

INLINED double copies(size_t size) {
    enum { SLOTS = 32, ROUNDS = 400000 };
    static _Alignas(64) unsigned char from[SLOTS][SIZE_MAX_HERE], to[SLOTS][SIZE_MAX_HERE];
    for (size_t i = 0; i < sizeof from; i++)
        from[i / SIZE_MAX_HERE][i % SIZE_MAX_HERE] = (unsigned char)mix(i);
    uint64_t start = cpu_ns();
    for (size_t i = 0; i < ROUNDS; i++) {
        memcpy(to[i % SLOTS], from[(i * 7) % SLOTS], size);
        KEEP(to);
    }
    double took = (double)(cpu_ns() - start);
    if (memcmp(to[7], from[7 * 7 % SLOTS], size) != 0) fail("values: a copy is wrong");
    return took / ROUNDS;
}

static int copy(size_t size) {
    double ns;
    switch (size) {
#define COPY(bytes)                                                                                          \
    case bytes: ns = copies(bytes); break;
        SIZES(COPY)
        COPY(256) COPY(512) default : fail("values: no copies of %zu bytes", size);
    }
    printf("{\"bytes\":%zu,\"copy\":%.4f}\n", size, ns);
    return 0;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "sizes") && argc == 6) {
        size_t size = number_arg(argv[3], "SIZE", 8, SIZE_MAX_HERE);
        if (size % 8) fail("values: SIZE %zu is no multiple of 8", size);
        return sizes(argv[2], size, number_arg(argv[4], "N", 1, 100000000),
                     number_arg(argv[5], "SEED", 0, UINT32_MAX));
    }
    if (!strcmp(what, "growth") && argc == 5)
        return growth(argv[2], number_arg(argv[3], "SIZE", 8, SIZE_MAX_HERE),
                      number_arg(argv[4], "SEED", 0, UINT32_MAX));
    if (!strcmp(what, "copy") && argc == 3) return copy(number_arg(argv[2], "SIZE", 8, SIZE_MAX_HERE));
    fprintf(stderr, "usage: values sizes WHERE SIZE N SEED | growth WHERE SIZE SEED | copy SIZE\n");
    return 2;
}
