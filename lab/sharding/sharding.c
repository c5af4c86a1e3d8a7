/* sharding KEYS: which of 16 shards do calls get, by the address of the function's parameter and by the key's hash?
 *
 * go/main.go in C.  Every key is looked up from four places: a loop, a function with a larger frame, a recursion, and
 * another thread.  `low` takes the low bits of the key itself, for keys that are multiples of 16: what a shard function
 * without a hash does to addresses and other regular keys.
 */
#include "../merges/meter.h"

#include <pthread.h>

enum { SHARDS = 16, PLACES = 4 };

typedef unsigned (*function)(uint64_t key);

static __attribute__((noinline)) unsigned by_address(uint64_t key) {
    return (unsigned)((uintptr_t)&key % SHARDS);
}
static __attribute__((noinline)) unsigned by_hash(uint64_t key) { return (unsigned)(mix(key) >> 60); }
static __attribute__((noinline)) unsigned by_low_bits(uint64_t key) { return (unsigned)(key % SHARDS); }

static __attribute__((noinline)) unsigned larger_frame(function of, uint64_t key) {
    volatile uint64_t frame[13] = {key};
    return of(frame[0]);
}
static __attribute__((noinline)) unsigned deeper(unsigned depth, function of, uint64_t key) {
    volatile unsigned result = depth ? deeper(depth - 1, of, key) : of(key); /* no tail call */
    return result;
}

struct job {
    function of;
    uint64_t keys;
    unsigned char *got; /* [PLACES] each key */
};
static uint64_t key_of(uint64_t i) { return i * SHARDS; }

static void *elsewhere(void *job_of) {
    struct job *j = job_of;
    for (uint64_t i = 0; i < j->keys; i++) j->got[i * PLACES + 3] = (unsigned char)j->of(key_of(i));
    return NULL;
}

static void measure(const char *name, function of, uint64_t keys) {
    struct job j = {of, keys, need(malloc(keys * PLACES))};
    pthread_t thread;
    must(!pthread_create(&thread, NULL, elsewhere, &j), "a thread could not be made");
    pthread_join(thread, NULL);
    for (uint64_t i = 0; i < keys; i++) {
        j.got[i * PLACES] = (unsigned char)of(key_of(i));
        j.got[i * PLACES + 1] = (unsigned char)larger_frame(of, key_of(i));
        j.got[i * PLACES + 2] = (unsigned char)deeper(i % 7, of, key_of(i));
    }
    uint64_t counts[SHARDS] = {0}, several = 0, most = 0;
    unsigned used = 0;
    for (uint64_t i = 0; i < keys; i++) {
        const unsigned char *four = j.got + i * PLACES;
        for (int p = 0; p < PLACES; p++) {
            must(four[p] < SHARDS, "no such shard");
            counts[four[p]]++;
        }
        several += four[0] != four[1] || four[0] != four[2] || four[0] != four[3];
    }
    printf(",\"%s\":{\"calls\":%llu,\"counts\":[", name, (unsigned long long)(keys * PLACES));
    for (int s = 0; s < SHARDS; s++) {
        printf("%s%llu", s ? "," : "", (unsigned long long)counts[s]);
        used += counts[s] > 0;
        if (counts[s] > most) most = counts[s];
    }
    printf("],\"used\":%u,\"fullest\":%.6f,\"keys_in_several\":%llu}", used,
           (double)most / (double)(keys * PLACES), (unsigned long long)several);
    free(j.got);
}

int main(int argc, char **argv) {
    if (argc != 2) fail("usage: sharding KEYS");
    uint64_t keys = number_arg(argv[1], "KEYS", 1000, UINT32_MAX);
    printf("{\"keys\":%llu", (unsigned long long)keys);
    measure("address", by_address, keys);
    measure("low", by_low_bits, keys);
    measure("hash", by_hash, keys);
    printf("}\n");
    return 0;
}
