/* lab/hash-quality/hashes.h - the hash functions that are compared, each as one function of bytes and a seed. */
#ifndef LAB_HASHES_H
#define LAB_HASHES_H

#include "../measure.h"

#include "gomap/gomap.h"

static inline void *allocate(size_t bytes) {
    void *p = calloc(bytes ? bytes : 1, 1);
    must(p, "out of memory");
    return p;
}

/* What a hash may draw on: 128 random bits, and maps that carry gomap's own seeds. */
struct seed {
    uint64_t word[2];
    const gomap *aes, *strict, *integers; /* of strings; of strings under SipHash; of 8-byte keys */
};

struct hash {
    const char *name;
    uint64_t (*of)(const void *key, size_t len, const struct seed *seed);
    size_t only; /* takes keys of this length only; 0: of any */
};

extern const struct hash hashes[]; /* ends with a NULL name */

/* The articles' polynomial: h = h * multiplier + byte, modulo 1 000 000 007. */
enum { MOD_PRIME = 1000000007 };
uint64_t mod_prime(uint64_t multiplier, const void *key, size_t len);

/* Every function against published test vectors; ends the program at the first that differs. */
void check_hashes(const struct seed *seed);

#endif
