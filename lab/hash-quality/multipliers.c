/* lab/hash-quality/multipliers.c - does 31 or 33 make fewer collisions, modulo 1 000 000 007?
 *
 *     multipliers SEED N LENGTH     N different long keys twice: random text, and a long prefix with a counter
 *     multipliers short             all texts of few letters, from alphabets as wide as people use
 *
 * A collision is a key whose hash a key before it has.
 */
#include "hashes.h"

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/.";

static int by_hash(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static size_t same_as_before(uint32_t *hash, size_t n) {
    size_t same = 0;
    qsort(hash, n, sizeof *hash, by_hash);
    for (size_t i = 1; i < n; i++) same += hash[i] == hash[i - 1];
    return same;
}

/* Random text: 64 letters to draw from, so 10 letters already hold the 60 bits that make keys differ. */
static void random_text(char *text, size_t len, uint64_t seed, size_t i) {
    for (size_t at = 0; at < len; at += 10) {
        uint64_t r = mix(mix(seed + at) ^ i);
        for (size_t j = at; j < len && j < at + 10; j++, r >>= 6) text[j] = alphabet[r & 63];
    }
}

static void counted_text(char *text, size_t len, uint64_t seed, size_t i) {
    char digits[24];
    random_text(text, len, seed, 0);
    snprintf(digits, sizeof digits, "%012zu", i * 37);
    memcpy(text + len - 12, digits, 12);
}

static void print_long(const char *name, void (*make)(char *, size_t, uint64_t, size_t), uint64_t seed,
                       size_t n, size_t len) {
    uint32_t *with[2] = {allocate(n * sizeof(uint32_t)), allocate(n * sizeof(uint32_t))};
    char *text = allocate(len);
    for (size_t i = 0; i < n; i++) {
        make(text, len, seed, i);
        with[0][i] = (uint32_t)mod_prime(31, text, len), with[1][i] = (uint32_t)mod_prime(33, text, len);
    }
    printf("\"%s\":{\"31\":%zu,\"33\":%zu}", name, same_as_before(with[0], n), same_as_before(with[1], n));
    free(text), free(with[0]), free(with[1]);
}

/* All texts of `len` letters of an alphabet. */
static void print_short(const char *name, const char *letters, size_t len) {
    size_t kinds = strlen(letters), n = 1;
    for (size_t i = 0; i < len; i++) n *= kinds;
    uint32_t *with[2] = {allocate(n * sizeof(uint32_t)), allocate(n * sizeof(uint32_t))};
    for (size_t i = 0; i < n; i++) {
        char text[16];
        size_t rest = i;
        for (size_t j = 0; j < len; j++, rest /= kinds) text[j] = letters[rest % kinds];
        with[0][i] = (uint32_t)mod_prime(31, text, len), with[1][i] = (uint32_t)mod_prime(33, text, len);
    }
    printf("\"%s, %zu\":{\"texts\":%zu,\"31\":%zu,\"33\":%zu}", name, len, n, same_as_before(with[0], n),
           same_as_before(with[1], n));
    free(with[0]), free(with[1]);
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "short")) {
        const char *small = "abcdefghijklmnopqrstuvwxyz", *digits = "0123456789";
        printf("{");
        for (size_t len = 2; len <= 4; len++) print_short("a-z", small, len), printf(",");
        for (size_t len = 2; len <= 3; len++) print_short("a-z A-Z 0-9 / .", alphabet, len), printf(",");
        print_short("0-9", digits, 6), printf("}\n");
        return 0;
    }
    must(argc == 4, "usage: multipliers SEED N LENGTH | short");
    uint64_t seed = mix(number_arg(argv[1], "seed", 0, UINT32_MAX));
    size_t n = number_arg(argv[2], "keys", 1000, 100000000), len = number_arg(argv[3], "length", 20, 4096);
    printf("{");
    print_long("random text", random_text, seed, n, len), printf(",");
    print_long("prefix and counter", counted_text, seed, n, len), printf("}\n");
    return 0;
}
