/* shapes.c - one table of buckets of 8 entries, four ways to lay a bucket out, chosen at compile time.
 *
 *     first   | tophash[8] | keys[8] ........ | elems[8] ... | overflow |              Go's
 *     last    | keys[8] ........ | elems[8] ... | overflow | tophash[8] |
 *     slots   | tophash[8] | key elem | key elem | ... with padding ... | overflow |   as Go's Swiss map
 *     line    | tophash[8] | keys[8] ........ | elems[8] ... | overflow | to a multiple of 64 |
 *
 *     shapes SHAPE ELEM_BYTES BASE ENTRIES LOOKUPS SEED
 *
 * BASE: where the array starts, modulo 64.  Keys are 8 bytes.  Every function takes its shape as a constant and is inlined
 * into one copy per shape, so that no offset is computed at run time.  The table is made at its final size.
 *
 * Prints processor time of hits (each needs the value of the one before) and misses, of a sweep, bytes per entry, and two
 * exact counts over a sample of the hits: cache lines a lookup reads, and accesses that cross a line. */
#include "../measure.h"

#include <assert.h>

enum { SLOTS = 8, LINE = 64, WORD = 8, TOP_LEAST = 5, PAGE = 4096 };
/* A word wherever it lies: BASE may be 4, to show what misplaced words would be like. */
typedef struct __attribute__((packed, may_alias)) {
    uint64_t word;
} eight;
typedef struct __attribute__((packed, may_alias)) {
    uint8_t *bucket;
} next_word;

struct shape {
    uint32_t tops, keys, elems, overflow, key_step, elem_step, bytes;
};

#define UP(n, to)      (((n) + (to)-1) / (to) * (to))
#define ALIGN_OF(e)    ((e) % 8 == 0 ? 8 : (e) % 4 == 0 ? 4 : (e) % 2 == 0 ? 2 : 1)
#define FIRST(e)       ((struct shape){0, 8, 72, 72 + 8 * (e), 8, (e), 80 + 8 * (e)})
#define LAST(e)        ((struct shape){72 + 8 * (e), 0, 64, 64 + 8 * (e), 8, (e), 80 + 8 * (e)})
#define SLOT(e)        UP(8 + (e), 8)
#define INTERLEAVED(e) ((struct shape){0, 8, 16, 8 + 8 * SLOT(e), SLOT(e), SLOT(e), 16 + 8 * SLOT(e)})
#define LINED(e)       ((struct shape){0, 8, 72, 72 + 8 * (e), 8, (e), UP(80 + 8 * (e), LINE)})
static_assert(80 + 8 * 8 == 144, "Go's bucket of 8-byte keys and elems");

struct table {
    uint8_t *buckets, *free; /* 2^b buckets, then those for overflow, of which free is the next */
    uint8_t *end;
    uint64_t mask, n, seed;
};

INLINED uint64_t key_of(const struct table *t, uint64_t i) { return mix(t->seed << 40 ^ i); }
INLINED uint64_t hash_of(uint64_t key) { return mix(key); }
INLINED uint8_t top_of(uint64_t hash) {
    uint8_t top = (uint8_t)(hash >> 56);
    return top < TOP_LEAST ? (uint8_t)(top + TOP_LEAST) : top;
}
INLINED uint8_t *next_of(struct shape s, const uint8_t *b) {
    return ((const next_word *)(const void *)(b + s.overflow))->bucket;
}
INLINED eight *key_at(struct shape s, uint8_t *b, unsigned i) {
    return (eight *)(void *)(b + s.keys + i * s.key_step);
}

/* The elem of a key, or NULL. */
INLINED uint8_t *find(struct shape s, const struct table *t, uint64_t key) {
    uint64_t hash = hash_of(key);
    uint8_t top = top_of(hash), *b = t->buckets + (hash & t->mask) * s.bytes;
    do {
        for (unsigned i = 0; i < SLOTS; i++) {
            if (b[s.tops + i] != top) {
                if (!b[s.tops + i]) return NULL; /* nothing behind an empty slot */
            } else if (key_at(s, b, i)->word == key) {
                return b + s.elems + i * s.elem_step;
            }
        }
    } while ((b = next_of(s, b)));
    return NULL;
}

INLINED void insert(struct shape s, struct table *t, uint64_t key, size_t elem) {
    uint64_t hash = hash_of(key);
    uint8_t *b = t->buckets + (hash & t->mask) * s.bytes;
    unsigned i = 0;
    for (;; i = 0) {
        while (i < SLOTS && b[s.tops + i]) i++;
        if (i < SLOTS) break;
        if (!next_of(s, b)) {
            must(t->free < t->end, "no overflow bucket left");
            ((next_word *)(void *)(b + s.overflow))->bucket = t->free;
            t->free += s.bytes;
        }
        b = next_of(s, b);
    }
    b[s.tops + i] = top_of(hash);
    key_at(s, b, i)->word = key;
    memset(b + s.elems + i * s.elem_step, 1, elem);
}

/* The lines a lookup of a present key reads, and how many of its reads lie on two of them. */
struct reads {
    uintptr_t line[64];
    unsigned lines, crossing;
};
static void reads_add(struct reads *r, const void *at, size_t bytes) {
    uintptr_t from = (uintptr_t)at / LINE, to = ((uintptr_t)at + bytes - 1) / LINE;
    r->crossing += from != to;
    for (uintptr_t l = from; l <= to; l++) {
        unsigned i = 0;
        while (i < r->lines && r->line[i] != l) i++;
        must(i < 64, "a lookup of more than 64 lines");
        if (i == r->lines) r->line[r->lines++] = l;
    }
}
static void trace(struct shape s, const struct table *t, uint64_t key, size_t elem, struct reads *r) {
    uint64_t hash = hash_of(key);
    uint8_t top = top_of(hash), *b = t->buckets + (hash & t->mask) * s.bytes;
    for (;; reads_add(r, b + s.overflow, sizeof(void *)), b = next_of(s, b)) {
        must(b, "a key is lost");
        for (unsigned i = 0; i < SLOTS; i++) {
            reads_add(r, b + s.tops + i, 1);
            if (b[s.tops + i] != top) continue;
            reads_add(r, key_at(s, b, i), sizeof(eight));
            if (key_at(s, b, i)->word != key) continue;
            for (size_t at = 0, word = elem < 8 ? elem : 8; at < elem; at += word) /* as its words are read */
                reads_add(r, b + s.elems + i * s.elem_step + at, word);
            return;
        }
    }
}

struct result {
    double hit_ns, miss_ns, sweep_ns, bytes, lines, crossing;
};

INLINED double time_hits(struct shape s, const struct table *t, uint64_t lookups) {
    uint64_t at = 0, start = cpu_ns();
    for (uint64_t i = 0; i < lookups; i++) {
        const uint8_t *v = find(s, t, key_of(t, at));
        must(v, "a key is lost");
        at += *v; /* always 1, which the processor cannot know */
        if (at == t->n) at = 0;
    }
    uint64_t took = cpu_ns() - start;
    must(at == lookups % t->n, "a value is wrong");
    return (double)took / (double)lookups;
}
INLINED double time_misses(struct shape s, const struct table *t, uint64_t lookups) {
    uint64_t found = 0, start = cpu_ns();
    for (uint64_t i = 0; i < lookups; i++) found += find(s, t, key_of(t, t->n + i)) != NULL;
    uint64_t took = cpu_ns() - start;
    must(!found, "an absent key is there");
    return (double)took / (double)lookups;
}
INLINED double time_sweep(struct shape s, const struct table *t) {
    uint64_t sum = 0, start = cpu_ns();
    for (uint8_t *b = t->buckets; b < t->free; b += s.bytes)
        for (unsigned i = 0; i < SLOTS; i++)
            if (b[s.tops + i]) sum += (key_at(s, b, i)->word | 1) * b[s.elems + i * s.elem_step] % 2;
    uint64_t took = cpu_ns() - start;
    must(sum == t->n, "a sweep has not seen every entry once");
    return (double)took / (double)t->n;
}

INLINED struct result measure(struct shape s, struct table *t, size_t elem, size_t base, uint64_t lookups) {
    struct result r = {0};
    uint64_t buckets = 1, sample = t->n < 20000 ? t->n : 20000;
    struct reads all = {.lines = 0};
    while (buckets * 13 / 2 < t->n) buckets *= 2; /* Go's load limit */
    t->mask = buckets - 1;
    uint64_t room = buckets + buckets / 2 + 8;
    uint8_t *memory = aligned_alloc(PAGE, UP(room * s.bytes + LINE, PAGE));
    must(memory, "out of memory");
    memset(memory, 0, UP(room * s.bytes + LINE, PAGE));
    t->buckets = memory + base, t->free = t->buckets + buckets * s.bytes,
    t->end = t->buckets + room * s.bytes;
    for (uint64_t i = 0; i < t->n; i++) insert(s, t, key_of(t, i), elem);
    for (uint64_t i = 0; i < sample; i++) {
        struct reads one = {.lines = 0};
        trace(s, t, key_of(t, i), elem, &one);
        all.lines += one.lines, all.crossing += one.crossing;
    }
    r.lines = (double)all.lines / (double)sample, r.crossing = all.crossing;
    r.bytes = (double)(t->free - t->buckets) / (double)t->n;
    (void)time_hits(s, t, t->n); /* into the cache, as far as it fits */
    r.hit_ns = time_hits(s, t, lookups), r.miss_ns = time_misses(s, t, lookups),
    r.sweep_ns = time_sweep(s, t);
    free(memory);
    return r;
}

typedef struct result (*measurer)(struct table *, size_t, uint64_t);
#define COPY(shape, e)                                                                                       \
    static struct result run_##shape##_##e(struct table *t, size_t base, uint64_t lookups) {                 \
        return measure(shape(e), t, e, base, lookups);                                                       \
    }
#define COPIES(e) COPY(FIRST, e) COPY(LAST, e) COPY(INTERLEAVED, e) COPY(LINED, e)
COPIES(1)
COPIES(8)
COPIES(40)

static const struct {
    const char *shape;
    uint64_t elem;
    measurer run;
} copies[] = {
    {"first", 1, run_FIRST_1},       {"last", 1, run_LAST_1},           {"slots", 1, run_INTERLEAVED_1},
    {"line", 1, run_LINED_1},        {"first", 8, run_FIRST_8},         {"last", 8, run_LAST_8},
    {"slots", 8, run_INTERLEAVED_8}, {"line", 8, run_LINED_8},          {"first", 40, run_FIRST_40},
    {"last", 40, run_LAST_40},       {"slots", 40, run_INTERLEAVED_40}, {"line", 40, run_LINED_40},
};

int main(int argc, char **argv) {
    must(argc == 7, "usage: shapes SHAPE ELEM_BYTES BASE ENTRIES LOOKUPS SEED");
    uint64_t elem = number_arg(argv[2], "elem bytes", 1, 40), base = number_arg(argv[3], "base", 0, LINE - 4),
             lookups = number_arg(argv[5], "lookups", 1, UINT32_MAX);
    struct table t = {.n = number_arg(argv[4], "entries", 1, UINT32_MAX),
                      .seed = number_arg(argv[6], "seed", 0, 1 << 20)};
    must(base % 4 == 0, "base: a multiple of 4");
    for (size_t i = 0; i < sizeof copies / sizeof *copies; i++) {
        if (strcmp(copies[i].shape, argv[1]) != 0 || copies[i].elem != elem) continue;
        struct result r = copies[i].run(&t, base, lookups);
        printf("{\"hit_ns\":%.3f,\"miss_ns\":%.3f,\"sweep_ns\":%.3f,\"bytes\":%.3f,\"lines\":%.4f,"
               "\"crossing\":%.0f}\n",
               r.hit_ns, r.miss_ns, r.sweep_ns, r.bytes, r.lines, r.crossing);
        return 0;
    }
    fprintf(stderr, "no shape '%s' with elems of %s bytes\n", argv[1], argv[2]);
    return 2;
}
