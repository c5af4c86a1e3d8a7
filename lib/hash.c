/* lib/hash.c - keyed hashes.
 *
 * Integers: three rounds of AES or two folded multiplies (probe.h).  Byte strings: AES rounds, or SipHash-1-3
 * elsewhere and where the user asked for the strict hash.  A user's function is finalised with two keyed multiplies: the
 * table needs good high bits (they choose the group) and a good low byte (the tophash).
 *
 * AES strings: two lanes, each absorbs 16 bytes and then makes two rounds, all under secret round keys.  The last 16 to
 * 32 bytes are two blocks that may overlap, fewer than 16 are one (lookup.h has the end, inlined for short strings).
 * Two rounds, because after one an attacker can cancel a one-byte difference in the next block with probability 2^-6
 * without knowing the key (the S-box's best differential); after two it takes five active S-boxes, 2^-30.
 * The length comes in behind those rounds: beside the key's bytes, other bytes could make up for another length, and
 * two texts would have equal hashes under every seed.
 * This is not claimed to be a PRF: what chosen keys can do is bounded by the chain cap and the
 * stash, whatever the hash (lib/table.c).
 */
#include "lookup.h"

/* SipHash with 1 compression and 3 finalisation rounds (Aumasson, Bernstein 2012). */
static inline uint64_t rotl(uint64_t x, unsigned b) { return x << b | x >> (64 - b); }

#define SIPROUND(v0, v1, v2, v3)                                                                             \
    do {                                                                                                     \
        v0 += v1, v1 = rotl(v1, 13), v1 ^= v0, v0 = rotl(v0, 32);                                            \
        v2 += v3, v3 = rotl(v3, 16), v3 ^= v2;                                                               \
        v0 += v3, v3 = rotl(v3, 21), v3 ^= v0;                                                               \
        v2 += v1, v1 = rotl(v1, 17), v1 ^= v2, v2 = rotl(v2, 32);                                            \
    } while (0)

uint64_t gomap__siphash13(const uint64_t key[2], const void *p, size_t n) {
    const uint8_t *s = p;
    uint64_t v0 = key[0] ^ UINT64_C(0x736f6d6570736575), v1 = key[1] ^ UINT64_C(0x646f72616e646f6d);
    uint64_t v2 = key[0] ^ UINT64_C(0x6c7967656e657261), v3 = key[1] ^ UINT64_C(0x7465646279746573);
    uint64_t word, last = (uint64_t)n << 56;
    for (; n >= 8; n -= 8, s += 8) {
        memcpy(&word, s, 8);
        v3 ^= word;
        SIPROUND(v0, v1, v2, v3);
        v0 ^= word;
    }
    for (size_t i = 0; i < n; i++) last |= (uint64_t)s[i] << (8 * i);
    v3 ^= last;
    SIPROUND(v0, v1, v2, v3);
    v0 ^= last;
    v2 ^= 0xff;
    for (int i = 0; i < 3; i++) SIPROUND(v0, v1, v2, v3);
    return v0 ^ v1 ^ v2 ^ v3;
}

#if defined(__x86_64__)
bool gomap__cpu_has_aes(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("aes");
}

/* Up to 15 bytes without touching what lies behind them: two overlapping words. */
static inline __m128i load_tail(const uint8_t *p, size_t n) {
    uint64_t a = 0, b = 0;
    if (n >= 8) {
        memcpy(&a, p, 8), memcpy(&b, p + n - 8, 8);
    } else if (n >= 4) {
        uint32_t x, y;
        memcpy(&x, p, 4), memcpy(&y, p + n - 4, 4);
        a = x, b = y;
    } else if (n) {
        a = (uint64_t)p[0] | (uint64_t)p[n / 2] << 8 | (uint64_t)p[n - 1] << 16;
    }
    return _mm_set_epi64x((long long)b, (long long)a);
}

static uint64_t hash_aes(const uint64_t seed[4], const uint8_t *p, size_t n) {
    const __m128i k0 = _mm_loadu_si128((const __m128i *)(const void *)seed);
    const __m128i k1 = _mm_loadu_si128((const __m128i *)(const void *)(seed + 2));
    const size_t length = n;
    __m128i a = k0, b = k1;
    while (n > 32) {
        a = _mm_xor_si128(a, _mm_loadu_si128((const __m128i *)(const void *)p));
        b = _mm_xor_si128(b, _mm_loadu_si128((const __m128i *)(const void *)(p + 16)));
        a = gomap__aesenc(gomap__aesenc(a, k1), k0);
        b = gomap__aesenc(gomap__aesenc(b, k0), k1);
        p += 32, n -= 32;
    }
    if (n >= 16) return gomap__aes_last(k0, k1, a, b, p, n, length);
    return gomap__aes_end(k0, k1, _mm_xor_si128(a, load_tail(p, n)), b, length);
}
#else
bool gomap__cpu_has_aes(void) { return false; }
static uint64_t hash_aes(const uint64_t seed[4], const uint8_t *p, size_t n) {
    return gomap__siphash13(seed, p, n);
}
#endif

uint64_t gomap__hash_bytes(const struct gomap *m, const void *p, size_t n) {
    if (GOMAP__LIKELY(m->hash_kind == GOMAP_HASH_AES)) return hash_aes(m->seed, p, n);
    return gomap__siphash13(m->seed, p, n);
}

uint64_t gomap__hash_user(const struct gomap *m, const void *key) {
    return gomap__hash_mum(m->seed, m->desc->hash(key, gomap__ctx(m)));
}

static inline bool small_int(size_t n) { return n == 1 || n == 2 || n == 4 || n == 8; }

uint64_t gomap__hash_key(const struct gomap *m, const struct key *k) {
    const struct gomap_desc *d = m->desc;
    if (d->flags & GOMAP_F_USER_HASH) return gomap__hash_user(m, k->api);
    if (d->flags & GOMAP_F_STR) return gomap__hash_bytes(m, k->p, k->n);
    if (small_int(k->n)) {
        uint64_t v = 0;
        switch (k->n) { /* constant sizes: no call to memcpy */
        case 8: memcpy(&v, k->p, 8); break;
        case 4: memcpy(&v, k->p, 4); break;
        case 2: memcpy(&v, k->p, 2); break;
        default: memcpy(&v, k->p, 1); break;
        }
        return gomap__hash_int(m, v);
    }
    return gomap__hash_bytes(m, k->p, k->n);
}

uint64_t gomap__hash_slot(const struct gomap *m, const uint8_t *slot) {
    const struct gomap_desc *d = m->desc;
    if (d->flags & GOMAP_F_HASH32) { /* strkey and cellkey keep hash_hi at different offsets */
        uint32_t hi;
        memcpy(&hi,
               slot + (d->flags & GOMAP_F_STR ? offsetof(struct gomap_strkey, hash_hi)
                                              : offsetof(struct gomap_cellkey, hash_hi)),
               4);
        return (uint64_t)hi << 32;
    }
    struct key k = {slot, slot, d->key_size};
    return gomap__hash_key(m, &k);
}
