/* lib/classic/keys.c - hash and equality of keys.
 *
 * Go hashes with AES rounds, or with folded multiplies where the processor has none: always under random
 * words of the process, and always with the map's hash0 going into the start, never on top of a finished
 * hash.  Here it is folded multiplies. Whatever the hash, a map takes its low bits for the bucket and its
 * high eight for the tophash.
 */
#include "classic_internal.h"

static uint64_t words[4];

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool ready;
static void draw_words(void) {
    ready = gomap__seed(words, 4);
    for (int i = 0; i < 4; i++) words[i] |= 1; /* a zero factor would erase the key */
}

bool gomap__classic_hash_init(void) {
    pthread_once(&once, draw_words);
    return ready;
}

static inline uint64_t load(const uint8_t *p, size_t n) { /* n <= 8 */
    uint64_t v = 0;
    if (n) memcpy(&v, p, n);
    return v;
}

static inline uint64_t hash_word(uint64_t v, uint64_t seed) {
    return gomap__mum(gomap__mum(v ^ words[0], seed ^ words[1]) ^ words[2], words[3] ^ seed << 32);
}

static uint64_t hash_bytes(const uint8_t *p, size_t n, uint64_t seed) {
    uint64_t a = seed ^ words[0], b = 0, left = n;
    for (; left > 16; left -= 16, p += 16) a = gomap__mum(load(p, 8) ^ words[1], load(p + 8, 8) ^ a);
    b = load(p, left < 8 ? left : 8);
    if (left > 8) a ^= load(p + 8, left - 8) * words[2];
    return gomap__mum(words[3] ^ n, gomap__mum(b ^ words[1], a ^ words[2]));
}

static double float_of(const void *key, size_t size) {
    float f;
    double x;
    if (size == sizeof x) return memcpy(&x, key, sizeof x), x;
    return memcpy(&f, key, sizeof f), (double)f;
}

/* Both zeros alike; a NaN anew each time, so that many of them spread. */
static uint64_t hash_float(const struct classic *m, const void *key, uint64_t seed) {
    double x = float_of(key, m->pub.desc->key_size);
    if (x == 0) return hash_word(0, seed);
    if (x != x) return hash_word(gomap__classic_random(m), seed);
    return hash_word(load(key, m->pub.desc->key_size), seed);
}

uint64_t gomap__classic_hash(const struct classic *m, const void *key) {
    const struct gomap_classic_desc *d = m->pub.desc;
    uint32_t seed = m->pub.h.hash0;
    if (d->hash) return d->hash(key, seed, m->ctx);
    if (d->keys == GOMAP_CLASSIC_STRING) {
        const gomap_str *s = key;
        return hash_bytes((const uint8_t *)s->ptr, s->len, seed);
    }
    if (d->keys == GOMAP_CLASSIC_FLOAT) return hash_float(m, key, seed);
    if (d->key_size == 8) return hash_word(load(key, 8), seed);
    if (d->key_size == 4) return hash_word(load(key, 4), seed);
    return hash_bytes(key, d->key_size, seed);
}

bool gomap__classic_eq(const struct classic *m, const void *a, const void *b) {
    const struct gomap_classic_desc *d = m->pub.desc;
    if (d->eq) return d->eq(a, b, m->ctx) != 0;
    if (d->keys == GOMAP_CLASSIC_STRING) {
        const gomap_str *x = a, *y = b;
        return x->len == y->len && (x->ptr == y->ptr || !x->len || !memcmp(x->ptr, y->ptr, x->len));
    }
    if (d->keys == GOMAP_CLASSIC_FLOAT) return float_of(a, d->key_size) == float_of(b, d->key_size);
    return !memcmp(a, b, d->key_size);
}
