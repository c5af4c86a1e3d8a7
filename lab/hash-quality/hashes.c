/* lab/hash-quality/hashes.c - hash functions from their Debian packages, gomap's own, and the articles' polynomial.
 *
 * Nothing is copied: wyhash, xxHash, MurmurHash3 and SipHash come from libwyhash-dev, libxxhash-dev, libmurmurhash-dev
 * and libhighwayhash-dev; what is not installed is left out, and the experiment says so.  Each is held against vectors
 * that its authors (SipHash-1-3: the Rust library) publish, so that a package of another version cannot pass as it.
 */
#include "hashes.h"

#include "gomap/probe.h"

#ifdef HAVE_WYHASH
#include <wyhash/wyhash.h>
static uint64_t wy(const void *key, size_t len, const struct seed *seed) {
    return wyhash(key, len, seed->word[0], _wyp);
}
#endif

#ifdef HAVE_XXHASH
#include <xxhash.h>
static uint64_t xxh64(const void *key, size_t len, const struct seed *seed) {
    return XXH64(key, len, seed->word[0]);
}
static uint64_t xxh3(const void *key, size_t len, const struct seed *seed) {
    return XXH3_64bits_withSeed(key, len, seed->word[0]);
}
#endif

#ifdef HAVE_MURMURHASH
#include <murmurhash.h>
static uint64_t murmur3(const void *key, size_t len, const struct seed *seed) {
    uint64_t out[2];
    lmmh_x64_128(key, (unsigned)len, (uint32_t)seed->word[0], out);
    return out[0];
}
#endif

#ifdef HAVE_HIGHWAYHASH
#include <highwayhash/c_bindings.h>
static uint64_t sip24(const void *key, size_t len, const struct seed *seed) {
    return SipHashC(seed->word, key, len);
}
static uint64_t sip13(const void *key, size_t len, const struct seed *seed) {
    return SipHash13C(seed->word, key, len);
}
#endif

uint64_t mod_prime(uint64_t multiplier, const void *key, size_t len) {
    const uint8_t *p = key;
    uint64_t h = 0;
    for (size_t i = 0; i < len; i++) h = (h * multiplier + p[i]) % MOD_PRIME;
    return h;
}
static uint64_t prime31(const void *key, size_t len, const struct seed *seed) {
    (void)seed;
    return mod_prime(31, key, len);
}
static uint64_t prime33(const void *key, size_t len, const struct seed *seed) {
    (void)seed;
    return mod_prime(33, key, len);
}
/* What gomap makes of such a hash when a user brings it: two keyed multiplies on top. */
static uint64_t prime31_finished(const void *key, size_t len, const struct seed *seed) {
    return gomap__hash_mum(seed->aes->seed, mod_prime(31, key, len));
}

static uint64_t own_aes(const void *key, size_t len, const struct seed *seed) {
    return gomap__hash_bytes(seed->aes, key, len);
}
static uint64_t own_strict(const void *key, size_t len, const struct seed *seed) {
    return gomap__hash_bytes(seed->strict, key, len);
}
static uint64_t own_integer(const void *key, size_t len, const struct seed *seed) {
    uint64_t k;
    memcpy(&k, key, sizeof k);
    (void)len;
    return gomap__hash_int(seed->integers, k);
}

const struct hash hashes[] = {
#ifdef HAVE_WYHASH
    {"wyhash", wy, 0},
#endif
#ifdef HAVE_XXHASH
    {"XXH3-64", xxh3, 0},
    {"XXH64", xxh64, 0},
#endif
#ifdef HAVE_MURMURHASH
    {"Murmur3-128", murmur3, 0},
#endif
#ifdef HAVE_HIGHWAYHASH
    {"SipHash-1-3", sip13, 0},
    {"SipHash-2-4", sip24, 0},
#endif
    {"gomap strings", own_aes, 0},
    {"gomap strict", own_strict, 0},
    {"gomap integers", own_integer, 8},
    {"mod-prime 31", prime31, 0},
    {"mod-prime 33", prime33, 0},
    {"mod-prime 31 in gomap", prime31_finished, 0},
    {NULL, NULL, 0},
};

void check_hashes(const struct seed *seed) {
    static const char text[] = "the quick brown fox jumps over the lazy dog, twice";
    must(mod_prime(31, "ab", 2) == 97 * 31 + 98 && mod_prime(33, "ab", 2) == 97 * 33 + 98,
         "mod-prime is wrong");
    must(mod_prime(31, "Aa", 2) == mod_prime(31, "BB", 2), "mod-prime 31 does not collide where it must");
#ifdef HAVE_WYHASH
    must(wyhash("a", 1, 1, _wyp) == 0x84508dc903c31551 && wyhash("abc", 3, 2, _wyp) == 0x0bc54887cfc9ecb1,
         "libwyhash is not wyhash");
#endif
#ifdef HAVE_XXHASH
    must(XXH64("", 0, 0) == 0xef46db3751d8e999 && XXH3_64bits("", 0) == 0x2d06800538d394c2,
         "libxxhash is not xxHash");
#endif
#ifdef HAVE_MURMURHASH
    uint64_t out[2];
    lmmh_x64_128("hello", 5, 0, out);
    must(out[0] == 0xcbd8a7b341bd9b02 && out[1] == 0x5b1e906a48ae1d19, "libmurmurhash is not MurmurHash3");
#endif
#ifdef HAVE_HIGHWAYHASH
    const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    const char bytes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
    must(SipHashC(key, bytes, sizeof bytes) == 0xa129ca6149be45e5 &&
             SipHash13C(key, bytes, 0) == 0xabac0158050fc4dc,
         "libhighwayhash's SipHash is not SipHash");
    /* gomap's strict hash is SipHash-1-3 under the first two words of the map's seed */
    for (size_t len = 0; len < sizeof text; len++)
        must(gomap__hash_bytes(seed->strict, text, len) == SipHash13C(seed->strict->seed, text, len),
             "gomap's strict hash is not SipHash-1-3");
#endif
    for (size_t len = 1; len < sizeof text; len++)
        must(own_aes(text, len, seed) != own_aes(text, len - 1, seed), "gomap's hash ignores the last byte");
}
