/* gomap/probe.h - what typed maps inline: hashing an integer, finding a group, matching tophash bytes.
 *
 * Everything here is compiled into user binaries and into the library, and must agree in both: it is
 * part of the ABI of layout GOMAP_LAYOUT.  A binary that inlined another layout does not link (it needs the symbol
 * gomap__layout_N of its own N).  Which hash a map uses is stored in the map when it is made and dispatched at run time;
 * nothing here is chosen by compiler flags, except how the same result is computed.
 */
#ifndef GOMAP_PROBE_H
#define GOMAP_PROBE_H

#include "gomap/gomap.h"
#include "gomap/inspect.h"

#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define GOMAP_LAYOUT 1

#ifdef __cplusplus
extern "C" {
#endif

extern GOMAP_API const char gomap__layout_1; /* resolves only against a library of this layout */

#define GOMAP__LIKELY(x)   __builtin_expect(!!(x), 1)
#define GOMAP__UNLIKELY(x) __builtin_expect(!!(x), 0)
#if defined(__SSE2__) || (defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
#else
#error "gomap: little-endian machines only"
#endif

/* high and low half of a 64 x 64 bit product */
static inline uint64_t gomap__mulhi(uint64_t a, uint64_t b, uint64_t *low) {
#ifdef __SIZEOF_INT128__
    __extension__ unsigned __int128 p = (unsigned __int128)a * b;
    *low = (uint64_t)p;
    return (uint64_t)(p >> 64);
#else
    uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
    uint64_t ll = al * bl, lh = al * bh, hl = ah * bl, hh = ah * bh;
    uint64_t mid = (ll >> 32) + (uint32_t)lh + (uint32_t)hl;
    *low = (mid << 32) | (uint32_t)ll;
    return hh + (lh >> 32) + (hl >> 32) + (mid >> 32);
#endif
}

static inline uint64_t gomap__mum(uint64_t a, uint64_t b) {
    uint64_t low, high = gomap__mulhi(a, b, &low);
    return low ^ high;
}

/* Two folded multiplies, both keyed: one leaves the seed recoverable from iteration order (tests/unit/test_flood.c does). */
static inline uint64_t gomap__hash_mum(const uint64_t seed[4], uint64_t key) {
    return gomap__mum(gomap__mum(key ^ seed[0], seed[1]) ^ seed[2], UINT64_C(0x9e3779b97f4a7c15) ^ seed[3]);
}

#if defined(__x86_64__) && defined(__SSE2__)
/* Assembly, not an intrinsic: it needs no compiler flag, and is only reached where the CPU has it. */
static inline __m128i gomap__aesenc(__m128i v, __m128i key) {
    __asm__("aesenc %1, %0" : "+x"(v) : "x"(key));
    return v;
}
/* Three AES rounds.  After two every byte of the result depends on every key byte, but only as a sum of functions of
 * pairs: keys that vary in two such bytes would share few positions, whatever the seed. */
static inline uint64_t gomap__hash_aes(const uint64_t seed[4], uint64_t key) {
    __m128i s0 = _mm_loadu_si128((const __m128i *)(const void *)seed);
    __m128i s1 = _mm_loadu_si128((const __m128i *)(const void *)(seed + 2));
    __m128i v = _mm_xor_si128(_mm_cvtsi64_si128((long long)key), s0);
    v = gomap__aesenc(gomap__aesenc(gomap__aesenc(v, s1), s0), s1);
    return (uint64_t)_mm_cvtsi128_si64(v);
}
#else
static inline uint64_t gomap__hash_aes(const uint64_t seed[4], uint64_t key) {
    return gomap__hash_mum(seed, key);
}
#endif

/* SipHash-1-3 and byte strings are not inlined (lib/hash.c). */
GOMAP_API uint64_t gomap__hash_bytes(const struct gomap *m, const void *p, size_t len) __attribute__((pure));
GOMAP_API uint64_t gomap__hash_user(const struct gomap *m, const void *key);

/* Integers of up to 8 bytes, zero-extended. */
static inline __attribute__((always_inline)) uint64_t gomap__hash_int(const struct gomap *m, uint64_t key) {
    if (GOMAP__LIKELY(m->hash_kind == GOMAP_HASH_AES)) return gomap__hash_aes(m->seed, key);
    if (m->hash_kind == GOMAP_HASH_MUM) return gomap__hash_mum(m->seed, key);
    uint64_t bytes = key; /* the address of the key itself would keep it in memory on every path */
    return gomap__hash_bytes(m, &bytes, sizeof bytes);
}

/* tophash of a hash: its low byte, 0 stands for 1 (0 means empty) */
static inline uint8_t gomap__tag(uint64_t h) {
    uint8_t t = (uint8_t)h;
    return (uint8_t)(t + (t == 0));
}

/* The tophash repeated four times, from a table: one load and one broadcast, where computing it costs
 * four dependent instructions on the critical path of a miss. */
#define GOMAP__T1(t)  ((t)*0x01010101u)
#define GOMAP__T4(t)  GOMAP__T1(t), GOMAP__T1((t) + 1), GOMAP__T1((t) + 2), GOMAP__T1((t) + 3)
#define GOMAP__T16(t) GOMAP__T4(t), GOMAP__T4((t) + 4), GOMAP__T4((t) + 8), GOMAP__T4((t) + 12)
#define GOMAP__T64(t) GOMAP__T16(t), GOMAP__T16((t) + 16), GOMAP__T16((t) + 32), GOMAP__T16((t) + 48)
static const uint32_t gomap__tagword[256] = {
    GOMAP__T1(1u),   GOMAP__T1(1u),    GOMAP__T1(2u),   GOMAP__T1(3u),   GOMAP__T4(4u),
    GOMAP__T4(8u),   GOMAP__T4(12u),   GOMAP__T16(16u), GOMAP__T16(32u), GOMAP__T16(48u),
    GOMAP__T64(64u), GOMAP__T64(128u), GOMAP__T64(192u)};

/* Bit s is set where slot s of the group has this tophash (by the hash's low byte). */
static inline unsigned gomap__match(const uint8_t *group, uint64_t hash) {
#if defined(__SSE2__)
    __m128i t = _mm_set1_epi32((int)gomap__tagword[(uint8_t)hash]);
    __m128i g = _mm_load_si128((const __m128i *)(const void *)group);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(g, t)) & 0x7fffu;
#else
    uint64_t rep = UINT64_C(0x0101010101010101) * gomap__tag(hash), lo, hi;
    const uint64_t m7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
    memcpy(&lo, group, 8), memcpy(&hi, group + 8, 8);
    lo ^= rep, hi ^= rep;
    lo = ~(((lo & m7) + m7) | lo | m7) >> 7, hi = ~(((hi & m7) + m7) | hi | m7) >> 7;
    lo = (lo * UINT64_C(0x0102040810204080)) >> 56, hi = (hi * UINT64_C(0x0102040810204080)) >> 56;
    return (unsigned)(lo | hi << 8) & 0x7fffu;
#endif
}

/* Bit s is set where slot s of the group is empty. */
static inline unsigned gomap__match_empty(const uint8_t *group) {
#if defined(__SSE2__)
    __m128i g = _mm_load_si128((const __m128i *)(const void *)group);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(g, _mm_setzero_si128())) & 0x7fffu;
#else
    unsigned mask = 0;
    for (unsigned i = 0; i < 15; i++) mask |= (unsigned)(group[i] == 0) << i;
    return mask;
#endif
}

/* Did an entry of this hash's class, at home in this group, have to go elsewhere?  The class is the top three bits of the
 * tophash; the hash's low byte has the same, since the tophash that stands for 0 is 1. */
static inline bool gomap__overflowed(const uint8_t *group, uint64_t hash) {
    return group[15] >> (hash >> 5 & 7) & 1;
}

/* May a delete from this group's own slots end with wiping the slot?  Not while something runs or may start, and not
 * if the quad has a chain, whose entries would take the free slot.  (Asking the quad's overflow bytes before its link is
 * fetched would save a line rarely and mispredict often.) */
static inline bool gomap__erases_simply(const struct gomap *m, uint64_t group) {
    if (!m->links) return m->count > (m->side ? m->side->delete_floor : 1);
    return m->count > m->side->delete_floor && !m->links[group / 4]; /* no links without a side record */
}

/* The head of an iterator, at gomap_iter.opaque: the entries of one quad that are still to be returned, as long as
 * nothing has been deleted or moved since they were listed (epoch). */
struct gomap__cursor {
    const struct gomap *map;
    uint8_t *slots;          /* of the quad */
    uint8_t *given;          /* slot returned last; NULL: none */
    uint64_t left;           /* bit b: slot (b ^ mix) % 16 of group (b ^ mix) / 16 */
    uint32_t epoch;
    uint32_t mix; /* 0..63, drawn: the order within a quad */
} __attribute__((may_alias));

/* The next entry of the quad; NULL: none is left, or the map changed (gomap_iter_next knows what to do). */
static inline uint8_t *gomap__cursor_next(struct gomap__cursor *c, size_t slot_size) {
    if (!c->left || GOMAP__UNLIKELY(c->map->epoch != c->epoch)) return NULL;
    unsigned b = (unsigned)__builtin_ctzll(c->left) ^ c->mix;
    c->left &= c->left - 1;
    return c->given = c->slots + (b - b / 16) * slot_size; /* a group has 15 slots */
}

/* The value of a slot. */
static inline void *gomap__slot_val(const struct gomap_desc *d, uint8_t *slot) {
    void *v = slot + d->val_off;
    if (d->flags & GOMAP_F_VAL_INDIRECT) memcpy(&v, slot + d->val_off, sizeof v);
    return v;
}

static inline uint64_t gomap__group_of(uint64_t pos, uint64_t ngroups) {
    uint64_t low;
    return gomap__mulhi(pos, ngroups, &low);
}

#ifdef __cplusplus
}
#endif
#endif
