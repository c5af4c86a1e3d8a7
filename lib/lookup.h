/* lib/lookup.h - hashing and finding a key, compiled once for each class of keys into what is hot.
 *
 * A function that takes kc is inlined everywhere, and kc is a constant where it matters: what is left of a lookup of an
 * eight-byte key is three AES rounds, one vector compare and one compare of words, without a call.  What is not usual
 * (other hashes, displaced entries, long texts) is called: hash.c, table.c.
 *
 * Texts of up to 32 bytes are hashed, compared and copied by words that overlap: 16 to 32 bytes are the first and
 * the last 16, whatever the length, where libc would be called to branch on it.
 */
#ifndef GOMAP_LOOKUP_H
#define GOMAP_LOOKUP_H

#include "internal.h"

#define INLINE static inline __attribute__((always_inline))

/* ---- keys ------------------------------------------------------------------------------------------ */

INLINE struct key gomap__key_of(const struct gomap *m, const void *api, uint32_t kc) {
    const struct gomap_desc *d = m->desc;
    if (kc == KC_4 || kc == KC_8) return (struct key){api, api, kc == KC_4 ? 4 : 8};
    if (kc != KC_STR && !(d->flags & GOMAP_F_STR)) return (struct key){api, api, d->key_size};
    const gomap_str *s = api;
    return (struct key){api, s->ptr, s->len};
}

/* Strings longer than a slot can say are in no map. */
INLINE bool gomap__too_long(const struct key *k) {
    return sizeof(size_t) > 4 && (uint64_t)k->n > UINT32_MAX;
}

/* ---- short texts ------------------------------------------------------------------------------------ */

struct gomap__words {
    uint64_t w[4];
};

/* The first and the last 16 bytes of 16 or more. */
INLINE struct gomap__words gomap__ends(const void *p, size_t n) {
    struct gomap__words e;
    memcpy(e.w, p, 16);
    memcpy(e.w + 2, (const uint8_t *)p + n - 16, 16);
    return e;
}

INLINE bool gomap__same_text(const void *a, const void *b, size_t n) {
    if (GOMAP__LIKELY(n - 16 <= 16)) {
#if defined(__SSE2__)
        const __m128i *p = a, *q = b, *p_end = (const void *)((const uint8_t *)a + n - 16),
                      *q_end = (const void *)((const uint8_t *)b + n - 16);
        __m128i x = _mm_cmpeq_epi8(_mm_loadu_si128(p), _mm_loadu_si128(q));
        __m128i y = _mm_cmpeq_epi8(_mm_loadu_si128(p_end), _mm_loadu_si128(q_end));
        return _mm_movemask_epi8(_mm_and_si128(x, y)) == 0xffff;
#else
        struct gomap__words x = gomap__ends(a, n), y = gomap__ends(b, n);
        return !((x.w[0] ^ y.w[0]) | (x.w[1] ^ y.w[1]) | (x.w[2] ^ y.w[2]) | (x.w[3] ^ y.w[3]));
#endif
    }
    return !n || !memcmp(a, b, n);
}

INLINE void gomap__copy_text(void *to, const void *from, size_t n) {
    if (GOMAP__LIKELY(n - 16 <= 16)) {
        struct gomap__words e = gomap__ends(from, n);
        memcpy(to, e.w, 16);
        memcpy((uint8_t *)to + n - 16, e.w + 2, 16);
    } else if (n) {
        memcpy(to, from, n);
    }
}

/* ---- hashes ----------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
/* The end of every AES hash of bytes: lane b meets lane a, then the length (hash.c says why there). */
INLINE uint64_t gomap__aes_end(__m128i k0, __m128i k1, __m128i a, __m128i b, size_t length) {
    a = gomap__aesenc(gomap__aesenc(a, k1), k0);
    a = gomap__aesenc(_mm_xor_si128(a, _mm_xor_si128(b, _mm_set1_epi64x((long long)length))), k1);
    return (uint64_t)_mm_cvtsi128_si64(gomap__aesenc(a, k0));
}

/* The last 16 to 32 bytes of `length`, on lanes that have absorbed what came before. */
INLINE uint64_t gomap__aes_last(__m128i k0, __m128i k1, __m128i a, __m128i b, const uint8_t *p, size_t n, size_t length) {
    a = _mm_xor_si128(a, _mm_loadu_si128((const __m128i *)(const void *)p));
    b = _mm_xor_si128(b, _mm_loadu_si128((const __m128i *)(const void *)(p + n - 16)));
    return gomap__aes_end(k0, k1, a, gomap__aesenc(gomap__aesenc(b, k0), k1), length);
}
#endif

INLINE uint64_t gomap__hash_class(const struct gomap *m, const struct key *k, uint32_t kc) {
    uint64_t v8;
    uint32_t v4;
    if (GOMAP__UNLIKELY(m->hash_kind != GOMAP_HASH_AES)) return gomap__hash_key(m, k);
    switch (kc) { /* a map of kind AES has no hash function of the user's */
    case KC_4: memcpy(&v4, k->p, 4); return gomap__hash_aes(m->seed, v4);
    case KC_8: memcpy(&v8, k->p, 8); return gomap__hash_aes(m->seed, v8);
#if defined(__x86_64__)
    case KC_STR:
        if (GOMAP__LIKELY(k->n - 16 <= 16)) {
            const __m128i k0 = _mm_loadu_si128((const __m128i *)(const void *)m->seed);
            const __m128i k1 = _mm_loadu_si128((const __m128i *)(const void *)(m->seed + 2));
            return gomap__aes_last(k0, k1, k0, k1, k->p, k->n, k->n);
        }
        return gomap__hash_bytes(m, k->p, k->n);
#endif
    default: return gomap__hash_key(m, k);
    }
}

/* ---- finding ---------------------------------------------------------------------------------------- */

INLINE bool gomap__eq_class(const struct gomap *m, const uint8_t *slot, const struct key *k, uint64_t h, uint32_t kc) {
    const struct gomap_desc *d = m->desc;
    struct gomap_strkey s;
    struct gomap_cellkey c;
    gomap_str view;
    switch (kc) {
    case KC_4: return !memcmp(slot, k->p, 4);
    case KC_8: return !memcmp(slot, k->p, 8);
    case KC_16: return !memcmp(slot, k->p, 16);
    case KC_FIXED: return !memcmp(slot, k->p, d->key_size);
    case KC_STR:
        memcpy(&s, slot, sizeof s);
        return s.hash_hi == (uint32_t)(h >> 32) && s.len == k->n && gomap__same_text(s.ptr, k->p, k->n);
    case KC_CELL:
        memcpy(&c, slot, sizeof c);
        return c.hash_hi == (uint32_t)(h >> 32) && !memcmp(c.ptr, k->p, d->key_size);
    default: return d->eq(gomap__slot_key(d, slot, &view), k->api, gomap__ctx(m)) != 0;
    }
}

/* The position of a hash, as gomap__pos, with less to ask. */
INLINE uint64_t gomap__pos_class(const struct gomap *m, uint64_t h, uint32_t kc) {
    if (kc == KC_STR) return h & UINT64_C(0xffffffff00000000);
    return kc <= KC_FIXED ? h : gomap__pos(m->desc, h);
}

INLINE uint8_t *gomap__in_group(const struct gomap *m, const struct geom *g, uint64_t group, const struct key *k,
                                uint64_t h, uint32_t kc, struct place *out) {
    const struct gomap_desc *d = m->desc;
    uint8_t *meta = g->meta + group * 16;
    unsigned hits = gomap__match(meta, h);
    if (!hits) return NULL;
    uint8_t *slots = g->slots + group * GOMAP_GROUP_SLOTS * d->slot_size;
    __builtin_prefetch(slots);
    do {
        unsigned i = (unsigned)__builtin_ctz(hits);
        uint8_t *slot = slots + (size_t)i * d->slot_size;
        if (GOMAP__LIKELY(gomap__eq_class(m, slot, k, h, kc))) {
            if (out) out->slot = slot, out->tag = meta + i, out->node = NULL;
            return slot;
        }
        hits &= hits - 1;
    } while (hits);
    return NULL;
}

INLINE uint8_t *gomap__find_class(const struct gomap *m, uint64_t h, const struct key *k, uint32_t kc,
                                  struct place *out) {
    uint64_t pos = gomap__pos_class(m, h, kc);
    struct geom g = gomap__locate(m, pos);
    uint64_t home = gomap__group_of(pos, g.ng);
    if (out) *out = (struct place){.g = g, .home = home, .owner = (struct gomap *)m};
    uint8_t *slot = gomap__in_group(m, &g, home, k, h, kc, out);
    if (slot || GOMAP__LIKELY(!gomap__overflowed(g.meta + home * 16, h))) return slot;
    return gomap__find_displaced(m, home, k, h, out);
}

/* Hash, and find.  NULL: absent; *hash is what an insert needs then. */
INLINE uint8_t *gomap__lookup(const struct gomap *m, const struct key *k, uint32_t kc, uint64_t *hash) {
    *hash = gomap__hash_class(m, k, kc);
    return gomap__find_class(m, *hash, k, kc, NULL);
}

#endif
