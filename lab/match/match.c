/* match.c - finding a byte among the tophashes of a bucket: byte by byte, by words, and by vectors of 16, 32, 64 bytes.
 *
 *     match list                                 the variants this processor has
 *     match VARIANT SLOTS_LOG2 LOOKUPS SEED
 *
 *     name       slots a bucket   bytes a step
 *     scalar8         8               1          Go's classic map
 *     swar8           8               8          words; exact, no false candidates
 *     sse8            8               8 of 16
 *     scalar16, swar16, sse16, avx512-16         16 slots; avx512: compare into a mask register
 *     sse32, avx2-32, avx512-32                  32 slots
 *     avx2-64, avx512-64                         64 slots
 *
 * One source, a copy per variant, each compiled for the instruction set it needs; which of them may run is asked of the
 * processor.  The table is chained buckets of 8-byte keys and elems, 7 of 10 slots full whatever the width of a bucket.
 * Prints processor time of a match alone (tophashes in the first cache), of hits that depend on each other, and of misses;
 * candidates (equal tophashes) a hit looks at; and the table's bytes an entry. */
#include "../measure.h"

#include <immintrin.h>

enum { TOP_LEAST = 5, BUCKETS = 64, ORDER = 1 << 14, ROUNDS = 16, WIDEST = 64 };
#define EVERY_BYTE UINT64_C(0x0101010101010101)
#define LOW_7      (0x7f * EVERY_BYTE)

struct table {
    uint8_t *buckets, *free, *end;
    uint64_t mask, n, seed;
};
struct result {
    double match_ns, hit_ns, miss_ns, candidates, bytes;
};

/* A bit for every byte that equals top, at (its place << SHIFT). */
#define SCALAR(p, top) ((uint64_t)(*(p) == (top)))
#define SSE8(p, top)   (SSE16(p, top) & 0xff)
#define SSE16(p, top)                                                                                        \
    ((uint64_t)(uint32_t)_mm_movemask_epi8(                                                                  \
        _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p)), _mm_set1_epi8((char)(top)))))
#define AVX2(p, top)                                                                                         \
    ((uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(                                             \
        _mm256_loadu_si256((const __m256i *)(const void *)(p)), _mm256_set1_epi8((char)(top)))))
#define MASK16(p, top)                                                                                       \
    ((uint64_t)_mm_cmpeq_epi8_mask(_mm_loadu_si128((const __m128i *)(const void *)(p)),                      \
                                   _mm_set1_epi8((char)(top))))
#define MASK32(p, top)                                                                                       \
    ((uint64_t)_mm256_cmpeq_epi8_mask(_mm256_loadu_si256((const __m256i *)(const void *)(p)),                \
                                      _mm256_set1_epi8((char)(top))))
#define MASK64(p, top)                                                                                       \
    ((uint64_t)_mm512_cmpeq_epi8_mask(_mm512_loadu_si512((const void *)(p)), _mm512_set1_epi8((char)(top))))
/* The low bit of every byte that is equal; carries do not cross bytes, so nothing else is set. */
INLINED uint64_t swar(const uint8_t *p, uint8_t top) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    word ^= top * EVERY_BYTE;
    return ~(((word & LOW_7) + LOW_7) | word | LOW_7) >> 7;
}

INLINED uint64_t key_of(const struct table *t, uint64_t i) { return mix(t->seed << 40 ^ i); }
INLINED uint8_t top_of(uint64_t hash) {
    uint8_t top = (uint8_t)(hash >> 56);
    return top < TOP_LEAST ? (uint8_t)(top + TOP_LEAST) : top;
}

/* A bucket: tophashes, keys, elems, pointer to the next. */
#define BYTES(slots) ((slots)*17 + 8)
INLINED uint64_t *key_at(uint8_t *b, unsigned slots, unsigned i) {
    return (uint64_t *)(void *)(b + slots + i * 8);
}
INLINED uint64_t *elem_at(uint8_t *b, unsigned slots, unsigned i) { return key_at(b, slots, slots + i); }
INLINED uint8_t **next_at(uint8_t *b, unsigned slots) { return (uint8_t **)(void *)(b + slots * 17); }

static void insert(struct table *t, unsigned slots, uint64_t key) {
    uint64_t hash = mix(key);
    uint8_t *b = t->buckets + (hash & t->mask) * BYTES(slots);
    unsigned i = 0;
    for (;; i = 0) {
        while (i < slots && b[i]) i++;
        if (i < slots) break;
        if (!*next_at(b, slots)) {
            must(t->free < t->end, "no overflow bucket left");
            *next_at(b, slots) = t->free;
            t->free += BYTES(slots);
        }
        b = *next_at(b, slots);
    }
    b[i] = top_of(hash);
    *key_at(b, slots, i) = key;
    *elem_at(b, slots, i) = 1;
}

static void fill(struct table *t, unsigned slots, unsigned slots_log2) {
    uint64_t buckets = (UINT64_C(1) << slots_log2) / slots, room = buckets + buckets / 2 + 8;
    t->n = (UINT64_C(7) << slots_log2) / 10, t->mask = buckets - 1;
    t->buckets = calloc(room, BYTES(slots));
    must(t->buckets, "out of memory");
    t->free = t->buckets + buckets * BYTES(slots), t->end = t->buckets + room * BYTES(slots);
    for (uint64_t i = 0; i < t->n; i++) insert(t, slots, key_of(t, i));
}

/* Full buckets in the first cache, and the order in which they are searched: long and random, so that no branch is
 * learnt.  The low bit says whether the byte looked for is there. */
struct probes {
    uint8_t tops[(BUCKETS + 1) * WIDEST] __attribute__((aligned(WIDEST)));
    uint8_t wanted[2 * BUCKETS];
    uint8_t order[ORDER];
    uint64_t expected; /* sum of 1 + the places found, by the simplest of loops */
};

static struct probes *make_probes(unsigned slots, uint64_t seed) {
    struct probes *p = aligned_alloc(WIDEST, sizeof *p);
    must(p, "out of memory");
    p->expected = 0;
    for (size_t i = 0; i < sizeof p->tops; i++) p->tops[i] = top_of(mix(seed + i));
    for (size_t i = 0; i < BUCKETS; i++) {
        p->wanted[2 * i] = (uint8_t)(mix(seed + ~i) % TOP_LEAST); /* a full slot never holds that */
        p->wanted[2 * i + 1] = p->tops[i * slots + mix(seed ^ i) % slots];
    }
    for (size_t i = 0; i < ORDER; i++) {
        p->order[i] = (uint8_t)(mix(seed * ORDER + i) % (2 * BUCKETS));
        const uint8_t *tops = p->tops + p->order[i] / 2 * slots, top = p->wanted[p->order[i]];
        const uint8_t *at = memchr(tops, top, slots);
        if (at) p->expected += (uint64_t)(at - tops) + 1;
    }
    return p;
}

#define NEED_AVX2   __attribute__((target("avx2,bmi")))
#define NEED_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,bmi")))

#define NAME scalar8
#define ISA
#define MASK  SCALAR
#define SLOTS 8
#define STEP  1
#define SHIFT 0
#include "variant.h"

#define NAME swar8
#define ISA
#define MASK  swar
#define SLOTS 8
#define STEP  8
#define SHIFT 3
#include "variant.h"

#define NAME sse8
#define ISA
#define MASK  SSE8
#define SLOTS 8
#define STEP  8
#define SHIFT 0
#include "variant.h"

#define NAME scalar16
#define ISA
#define MASK  SCALAR
#define SLOTS 16
#define STEP  1
#define SHIFT 0
#include "variant.h"

#define NAME swar16
#define ISA
#define MASK  swar
#define SLOTS 16
#define STEP  8
#define SHIFT 3
#include "variant.h"

#define NAME sse16
#define ISA
#define MASK  SSE16
#define SLOTS 16
#define STEP  16
#define SHIFT 0
#include "variant.h"

#define NAME  avx512_16
#define ISA   NEED_AVX512
#define MASK  MASK16
#define SLOTS 16
#define STEP  16
#define SHIFT 0
#include "variant.h"

#define NAME sse32
#define ISA
#define MASK  SSE16
#define SLOTS 32
#define STEP  16
#define SHIFT 0
#include "variant.h"

#define NAME  avx2_32
#define ISA   NEED_AVX2
#define MASK  AVX2
#define SLOTS 32
#define STEP  32
#define SHIFT 0
#include "variant.h"

#define NAME  avx512_32
#define ISA   NEED_AVX512
#define MASK  MASK32
#define SLOTS 32
#define STEP  32
#define SHIFT 0
#include "variant.h"

#define NAME  avx2_64
#define ISA   NEED_AVX2
#define MASK  AVX2
#define SLOTS 64
#define STEP  32
#define SHIFT 0
#include "variant.h"

#define NAME  avx512_64
#define ISA   NEED_AVX512
#define MASK  MASK64
#define SLOTS 64
#define STEP  64
#define SHIFT 0
#include "variant.h"

enum need { ANY, AVX2_BMI, AVX512 };
static const struct {
    const char *name;
    enum need need;
    struct result (*run)(struct table *, unsigned, uint64_t);
} variants[] = {
    {"scalar8", ANY, run_scalar8},
    {"swar8", ANY, run_swar8},
    {"sse8", ANY, run_sse8},
    {"scalar16", ANY, run_scalar16},
    {"swar16", ANY, run_swar16},
    {"sse16", ANY, run_sse16},
    {"avx512-16", AVX512, run_avx512_16},
    {"sse32", ANY, run_sse32},
    {"avx2-32", AVX2_BMI, run_avx2_32},
    {"avx512-32", AVX512, run_avx512_32},
    {"avx2-64", AVX2_BMI, run_avx2_64},
    {"avx512-64", AVX512, run_avx512_64},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

static bool have(enum need need) {
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
    if (need == ANY) return true;
    if (need == AVX2_BMI) return avx2;
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
}

static int list(void) {
    const char *comma = "";
    printf("{");
    for (int i = 0; i < VARIANTS; i++, comma = ",")
        printf("%s\"%s\":%d", comma, variants[i].name, have(variants[i].need));
    printf("}\n");
    return 0;
}

int main(int argc, char **argv) {
    __builtin_cpu_init();
    if (argc == 2 && !strcmp(argv[1], "list")) return list();
    must(argc == 5, "usage: match list | VARIANT SLOTS_LOG2 LOOKUPS SEED");
    unsigned slots_log2 = (unsigned)number_arg(argv[2], "slots (log2)", 8, 30);
    uint64_t lookups = number_arg(argv[3], "lookups", 1, UINT32_MAX);
    struct table t = {.seed = number_arg(argv[4], "seed", 0, 1 << 20)};
    for (int i = 0; i < VARIANTS; i++) {
        if (strcmp(variants[i].name, argv[1]) != 0) continue;
        must(have(variants[i].need), "this processor lacks the instructions");
        struct result r = variants[i].run(&t, slots_log2, lookups);
        printf("{\"match_ns\":%.4f,\"hit_ns\":%.3f,\"miss_ns\":%.3f,\"candidates\":%.4f,\"bytes\":%.3f}\n",
               r.match_ns, r.hit_ns, r.miss_ns, r.candidates, r.bytes);
        return 0;
    }
    fprintf(stderr, "no variant '%s' (see match list)\n", argv[1]);
    return 2;
}
