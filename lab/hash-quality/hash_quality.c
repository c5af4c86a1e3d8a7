/* lab/hash-quality/hash_quality.c - how evenly hash functions spread a set of keys.
 *
 *     hash_quality SET sum                         number of keys, bytes, and a checksum of them
 *     hash_quality SET inputs FILE                 the inputs (below) into a file, for a hash this program does not have
 *     hash_quality SET measure SEED FILE BUCKETS.. all figures of all functions; FILE: outputs of one more, or -
 *
 * SET is file:PATH (keys as this program writes inputs), numbers:N (0 .. N-1 as 8 bytes), or orders:N (texts of 40 bytes
 * as programs make them from three counters).  BUCKETS is low:M, the hash modulo M (Go's rule, M a power of two), or
 * high:M, the high half of hash times M (gomap's rule).
 *
 * Inputs are all keys, then for each key of a sample the key once more with each of FLIPS bits turned over, one at a
 * time: those of its first and of its last four bytes.  A file of them has four bytes of length before each.  A function
 * outside this program turns that into a file of as many 64-bit words.
 *
 * "random" is a control: numbers drawn for each key, no function at all.  What it scores is what chance scores.
 */
#include "hashes.h"

#include "gomap/classic.h"
#include "gomap/probe.h"

#include <math.h>

enum { SAMPLE = 4096, FLIPS = 64, MAX_BUCKETS = 8, ORDER_TEXT = 40 };

struct inputs {
    size_t keys, sampled, all; /* all = keys + sampled * FLIPS */
    size_t *sample;            /* numbers of the keys whose bits are turned over */
    const uint8_t **at;
    uint32_t *len;
    size_t same_len; /* all keys have this length; 0: they have not */
};

/* ---- key sets ------------------------------------------------------------------------------------------ */

static uint8_t *read_file(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    must(file, path);
    must(!fseek(file, 0, SEEK_END), path);
    *bytes = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = allocate(*bytes);
    must(fread(data, 1, *bytes, file) == *bytes, path);
    fclose(file);
    return data;
}

static void keys_of_file(struct inputs *in, const char *path) {
    size_t bytes, n = 0;
    uint8_t *data = read_file(path, &bytes);
    for (int pass = 0; pass < 2; pass++) {
        n = 0;
        for (size_t at = 0; at < bytes; n++) {
            uint32_t len;
            must(bytes - at >= 4, "a key file ends within a length");
            memcpy(&len, data + at, 4);
            must(len <= bytes - at - 4, "a key file ends within a key");
            if (pass) in->at[n] = data + at + 4, in->len[n] = len;
            at += 4 + len;
        }
        if (!pass) in->at = allocate(n * sizeof *in->at), in->len = allocate(n * sizeof *in->len);
    }
    in->keys = n;
}

/* A counter of tenants, one of orders and one of lines, as text: what keys of a business look like. */
static void order_text(char *text, size_t i) {
    snprintf(text, ORDER_TEXT + 1, "tenant-%05u/order-%010u/line-%05u", (unsigned)(i % 97), (unsigned)(i / 7),
             (unsigned)(i % 7));
}

static void keys_made(struct inputs *in, size_t n, bool numbers) {
    size_t len = numbers ? 8 : ORDER_TEXT;
    uint8_t *data = allocate(n * (len + 1));
    in->keys = n, in->at = allocate(n * sizeof *in->at), in->len = allocate(n * sizeof *in->len);
    for (size_t i = 0; i < n; i++) {
        uint8_t *key = data + i * (len + 1);
        if (numbers)
            memcpy(key, &i, 8);
        else
            order_text((char *)key, i);
        in->at[i] = key, in->len[i] = (uint32_t)len;
    }
}

/* Copies of sampled keys with one bit turned over.  Keys of fewer than 8 bytes are not sampled. */
static void add_flips(struct inputs *in) {
    size_t long_enough = 0, bytes = 0;
    for (size_t i = 0; i < in->keys; i++) long_enough += in->len[i] >= 8;
    size_t every = long_enough > SAMPLE ? long_enough / SAMPLE : 1, seen = 0;
    in->sample = allocate((long_enough / every + 1) * sizeof *in->sample);
    for (size_t i = 0; i < in->keys; i++)
        if (in->len[i] >= 8 && seen++ % every == 0)
            in->sample[in->sampled++] = i, bytes += in->len[i] * FLIPS;
    in->all = in->keys + in->sampled * FLIPS;
    in->at = realloc(in->at, in->all * sizeof *in->at), in->len = realloc(in->len, in->all * sizeof *in->len);
    must(in->at && in->len, "out of memory");
    uint8_t *copy = allocate(bytes);
    for (size_t s = 0, to = in->keys; s < in->sampled; s++) {
        size_t i = in->sample[s], len = in->len[i];
        for (size_t bit = 0; bit < FLIPS; bit++, to++, copy += len) {
            size_t byte = bit < 32 ? bit / 8 : len - 4 + (bit - 32) / 8;
            memcpy(copy, in->at[i], len);
            copy[byte] ^= (uint8_t)(1u << bit % 8);
            in->at[to] = copy, in->len[to] = (uint32_t)len;
        }
    }
}

static struct inputs make_inputs(const char *set) {
    struct inputs in = {0};
    const char *rest = strchr(set, ':');
    must(rest++, "a set is file:PATH, numbers:N or orders:N");
    must(!strncmp(set, "file:", 5) || !strncmp(set, "numbers:", 8) || !strncmp(set, "orders:", 7), set);
    if (!strncmp(set, "file:", 5))
        keys_of_file(&in, rest);
    else
        keys_made(&in, number_arg(rest, "keys", 1000, 10000000), !strncmp(set, "numbers:", 8));
    must(in.keys >= 1000, "fewer than 1000 keys say nothing about a hash");
    in.same_len = in.len[0];
    for (size_t i = 0; i < in.keys; i++)
        if (in.len[i] != in.same_len) in.same_len = 0;
    add_flips(&in);
    return in;
}

static uint64_t checksum(const struct inputs *in, uint64_t *bytes) {
    uint64_t sum = 14695981039346656037u; /* FNV-1a over lengths and bytes */
    *bytes = 0;
    for (size_t i = 0; i < in->keys; i++) {
        for (int b = 0; b < 4; b++) sum = (sum ^ (in->len[i] >> 8 * b & 0xff)) * 1099511628211u;
        for (size_t b = 0; b < in->len[i]; b++) sum = (sum ^ in->at[i][b]) * 1099511628211u;
        *bytes += in->len[i];
    }
    return sum;
}

static void write_inputs(const struct inputs *in, const char *path) {
    FILE *file = fopen(path, "wb");
    must(file, path);
    for (size_t i = 0; i < in->all; i++) {
        must(fwrite(&in->len[i], 4, 1, file) == 1, path);
        must(fwrite(in->at[i], 1, in->len[i], file) == in->len[i], path);
    }
    must(!fclose(file), path);
}

/* ---- figures ------------------------------------------------------------------------------------------- */

/* Sorts words by their low `bits` bits, eight at a time. */
static void sort_words(uint64_t *words, size_t n, unsigned bits) {
    uint64_t *from = words, *to = allocate(n * sizeof *to), *spare = to;
    for (unsigned shift = 0; shift < bits; shift += 8) {
        size_t count[257] = {0};
        for (size_t i = 0; i < n; i++) count[(from[i] >> shift & 0xff) + 1]++;
        for (int b = 0; b < 256; b++) count[b + 1] += count[b];
        for (size_t i = 0; i < n; i++) to[count[from[i] >> shift & 0xff]++] = from[i];
        uint64_t *swap = from;
        from = to, to = swap;
    }
    must(from == words, "bits must be a multiple of 16");
    free(spare);
}

/* Keys whose hash another key before them has, looking at its low bits only. */
static size_t collisions(const uint64_t *hash, size_t n, unsigned bits) {
    uint64_t *sorted = allocate(n * sizeof *sorted);
    size_t same = 0;
    for (size_t i = 0; i < n; i++) sorted[i] = bits == 64 ? hash[i] : hash[i] & ((UINT64_C(1) << bits) - 1);
    sort_words(sorted, n, bits);
    for (size_t i = 1; i < n; i++) same += sorted[i] == sorted[i - 1];
    free(sorted);
    return same;
}

static void print_buckets(const uint64_t *hash, size_t n, const char *rule) {
    bool high = !strncmp(rule, "high:", 5);
    must(high || !strncmp(rule, "low:", 4), "buckets are low:M or high:M");
    uint64_t low_half, m = number_arg(rule + (high ? 5 : 4), rule, 2, UINT32_MAX), fullest = 0;
    uint32_t *load = allocate(m * sizeof *load);
    for (size_t i = 0; i < n; i++) load[high ? gomap__mulhi(hash[i], m, &low_half) : hash[i] % m]++;
    double mean = (double)n / (double)m, squares = 0, entropy = 0;
    for (size_t b = 0; b < m; b++) {
        double p = load[b] / (double)n;
        squares += (load[b] - mean) * (load[b] - mean);
        if (load[b]) entropy -= p * log2(p);
        if (load[b] > fullest) fullest = load[b];
    }
    printf("\"%s\":{\"over_mean\":%.6g,\"entropy\":%.6f,\"deficit\":%.6f,\"fullest\":%lu}", rule,
           squares / (double)m / mean, entropy, log2((double)m) - entropy, (unsigned long)fullest);
    free(load);
}

/* How often output bit o turns over with input bit i: all 64 x 64 shares, and what is worst in them. */
static void print_avalanche(const struct inputs *in, const uint64_t *hash) {
    static uint32_t turned[FLIPS][64];
    memset(turned, 0, sizeof turned);
    for (size_t s = 0; s < in->sampled; s++)
        for (size_t i = 0; i < FLIPS; i++) {
            uint64_t changed = hash[in->keys + s * FLIPS + i] ^ hash[in->sample[s]];
            for (unsigned o = 0; o < 64; o++) turned[i][o] += changed >> o & 1;
        }
    double sum = 0, worst = 0;
    unsigned dead = 0, alive = 0;
    for (unsigned o = 0; o < 64; o++) {
        uint64_t any = 0;
        for (size_t i = 0; i < FLIPS; i++) any += turned[i][o];
        if (!any) {
            dead++;
            continue;
        }
        alive++;
        for (size_t i = 0; i < FLIPS; i++) {
            double share = turned[i][o] / (double)in->sampled;
            sum += share;
            if (fabs(share - 0.5) > worst) worst = fabs(share - 0.5);
        }
    }
    printf("\"avalanche\":{\"samples\":%zu,\"mean\":%.5f,\"worst\":%.5f,\"dead_bits\":%u}", in->sampled,
           alive ? sum / (alive * (double)FLIPS) : 0.0, worst, dead);
}

static void print_hash(const char *name, const struct inputs *in, const uint64_t *hash, double ns, int rules,
                       char **rule) {
    printf("\"%s\":{\"ns\":%.3f,\"collisions_64\":%zu,\"collisions_32\":%zu,\"buckets\":{", name, ns,
           collisions(hash, in->keys, 64), collisions(hash, in->keys, 32));
    for (int r = 0; r < rules; r++) {
        if (r) printf(",");
        print_buckets(hash, in->keys, rule[r]);
    }
    printf("},");
    if (in->sampled)
        print_avalanche(in, hash);
    else
        printf("\"avalanche\":null");
    printf("}");
}

/* ---- gomap's and the classic map's own tables ------------------------------------------------------------- */

static bool count_chain(const gomap_classic_bucket *bucket, void *ctx) {
    uint32_t *load = ctx;
    for (int i = 0; i < 8; i++) load[bucket->index] += bucket->tophash[i] >= 5;
    return true;
}

static void print_load(const uint32_t *load, size_t m, size_t n) {
    double mean = (double)n / (double)m, squares = 0;
    uint64_t fullest = 0;
    for (size_t b = 0; b < m; b++) {
        squares += (load[b] - mean) * (load[b] - mean);
        if (load[b] > fullest) fullest = load[b];
    }
    double chi = squares / mean, free_degrees = (double)m - 1;
    printf("{\"buckets\":%zu,\"mean\":%.4g,\"over_mean\":%.5g,\"chi_z\":%.4g,\"fullest\":%lu}", m, mean,
           squares / (double)m / mean, (chi - free_degrees) / sqrt(2 * free_degrees), (unsigned long)fullest);
}

/* The chains of a classic map that holds the keys, as its table has them. */
static void print_classic(const struct inputs *in) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG_STRING(0);
    gomap_classic *map;
    gomap_classic_stats stats = {.size = sizeof stats};
    c.hint = (int64_t)in->keys;
    must(!gomap_classic_new(&c, &map), "no classic map");
    for (size_t i = 0; i < in->keys; i++) {
        gomap_str key = {(const char *)in->at[i], in->len[i]};
        must(!gomap_classic_put(map, &key, NULL), "a put failed");
    }
    must(gomap_classic_len(map) == in->keys, "keys of a set are not all different");
    must(!gomap_classic_get_stats(map, &stats) && !stats.growing,
         "the classic map grows in spite of its hint");
    uint32_t *load = allocate(sizeof *load << stats.B);
    gomap_classic_visit(map, count_chain, load);
    print_load(load, (size_t)1 << stats.B, in->keys);
    free(load);
    gomap_classic_free(map);
}

/* The quads of a gomap that holds the keys: entries in its slots and in its chain. */
static void print_gomap(const struct inputs *in) {
    gomap_config c = GOMAP_CONFIG_STRING(0);
    gomap *map;
    c.capacity = in->keys;
    must(!gomap_new(&c, &map), "no gomap");
    for (size_t i = 0; i < in->keys; i++) {
        gomap_str key = {(const char *)in->at[i], in->len[i]};
        must(!gomap_put(map, &key, NULL), "a put failed");
    }
    must(gomap_len(map) == in->keys, "keys of a set are not all different");
    gomap_stats stats = {.size = sizeof stats};
    must(!gomap_get_stats(map, &stats) && !stats.walk && !stats.stashed, "gomap moves, or has a stash");
    size_t quads = map->ngroups / 4, entries = 0; /* whole quads only: the last may be smaller */
    uint32_t *load = allocate((quads + 1) * sizeof *load);
    for (size_t q = 0; q < quads; q++) {
        for (size_t g = q * 4; g < q * 4 + 4; g++)
            for (int s = 0; s < GOMAP_GROUP_SLOTS; s++) load[q] += map->meta[g * 16 + (size_t)s] != 0;
        const struct gomap_node *node =
            map->links ? (const struct gomap_node *)(map->links[q] & ~(uintptr_t)1) : NULL;
        for (; node; node = node->next)
            for (int i = 0; i < GOMAP_NODE_SLOTS; i++) load[q] += node->tag[i] != 0;
        entries += load[q];
    }
    print_load(load, quads, entries);
    free(load);
    gomap_free(map);
}

/* ---- main ---------------------------------------------------------------------------------------------- */

static void measure(const struct inputs *in, int argc, char **argv) {
    uint64_t seed = number_arg(argv[0], "seed", 0, UINT32_MAX);
    gomap *maps[3];
    gomap_config text = GOMAP_CONFIG_STRING(0), number = GOMAP_CONFIG(8, 0);
    must(!gomap_new(&text, &maps[0]) && !gomap_new(&number, &maps[2]), "no gomap");
    text.hashing = GOMAP_HASHING_STRICT;
    must(!gomap_new(&text, &maps[1]), "no gomap");
    struct seed words = {{mix(seed), mix(seed + 1000003)}, maps[0], maps[1], maps[2]};
    check_hashes(&words);

    uint64_t *out = allocate(in->all * sizeof *out);
    printf("{\"hashes\":{");
    for (const struct hash *h = hashes; h->name; h++) {
        if (h->only && h->only != in->same_len) continue;
        uint64_t start = cpu_ns();
        for (size_t i = 0; i < in->keys; i++) out[i] = h->of(in->at[i], in->len[i], &words);
        double ns = (double)(cpu_ns() - start) / (double)in->keys;
        for (size_t i = in->keys; i < in->all; i++) out[i] = h->of(in->at[i], in->len[i], &words);
        print_hash(h->name, in, out, ns, argc - 2, argv + 2);
        printf(",");
    }
    if (strcmp(argv[1], "-") != 0) {
        size_t bytes;
        uint8_t *data = read_file(argv[1], &bytes);
        must(bytes == in->all * 8, "the file of outputs has another number of them");
        memcpy(out, data, bytes);
        free(data);
        print_hash("Go", in, out, 0, argc - 2, argv + 2);
        printf(",");
    }
    for (size_t i = 0; i < in->all; i++) out[i] = mix(mix(seed ^ 0x5bd1e995) + i);
    print_hash("random", in, out, 0, argc - 2, argv + 2);
    printf("},\"tables\":{\"classic\":");
    print_classic(in);
    printf(",\"gomap\":");
    print_gomap(in);
    printf("}}\n");
    free(out);
    for (int i = 0; i < 3; i++) gomap_free(maps[i]);
}

int main(int argc, char **argv) {
    must(argc >= 3, "usage: hash_quality SET sum | inputs FILE | measure SEED FILE BUCKETS...");
    const char *verb = argv[2];
    struct inputs in = make_inputs(argv[1]);
    if (!strcmp(verb, "sum") && argc == 3) {
        uint64_t bytes, sum = checksum(&in, &bytes);
        printf("{\"keys\":%zu,\"bytes\":%lu,\"fnv1a\":\"%016lx\",\"go_b\":%u}\n", in.keys,
               (unsigned long)bytes, (unsigned long)sum, gomap_classic_hint_b(in.keys));
    } else if (!strcmp(verb, "inputs") && argc == 4) {
        write_inputs(&in, argv[3]);
        printf("{\"inputs\":%zu}\n", in.all);
    } else {
        must(!strcmp(verb, "measure") && argc >= 6 && argc <= 5 + MAX_BUCKETS,
             "measure SEED FILE BUCKETS...");
        measure(&in, argc - 3, argv + 3);
    }
    return 0;
}
