/* widths.c - bytes an entry in the C maps, for the types that retain.go measures in Go.
 *
 *     widths ENTRIES
 *
 * One JSON document: for each type the bytes of a bucket of the classic map, of one key and value,
 * and, for both maps, bytes an entry when made for so many and filled.  Strings are borrowed: a pointer and
 * a length, as in Go. */
#include "../measure.h"

#include <gomap/classic.h>
#include <gomap/gomap.h>

enum { TEXT = 24 };
static const struct type {
    const char *name;
    size_t key, value, align; /* key 0: a string; align: of the value */
} types[] = {
    {"map[uint64]uint64", 8, 8, 8},     {"map[uint64]uint32", 8, 4, 4}, {"map[uint64]bool", 8, 1, 1},
    {"map[uint64]struct{}", 8, 0, 1},   {"map[uint32]uint32", 4, 4, 4}, {"map[uint32]bool", 4, 1, 1},
    {"map[string]uint64", 0, 8, 8},     {"map[string]bool", 0, 1, 1},   {"map[string]struct{}", 0, 0, 1},
    {"map[uint64][3]uint32", 8, 12, 4},
};

struct keys {
    uint64_t n;
    char (*text)[TEXT];
    uint64_t number; /* storage of the key last asked for */
    uint32_t small;
    gomap_str string;
};
static const void *key_of(struct keys *k, const struct type *t, uint64_t i) {
    k->number = i, k->small = (uint32_t)i;
    k->string = (gomap_str){k->text[i], strlen(k->text[i])};
    return t->key == 8   ? (const void *)&k->number
           : t->key == 4 ? (const void *)&k->small
                         : (const void *)&k->string;
}

static double classic_each(const struct type *t, struct keys *k) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(t->key, t->value);
    if (!t->key) c = GOMAP_CLASSIC_CONFIG_STRING(t->value);
    c.elem_align = t->align, c.hint = (int64_t)k->n;
    gomap_classic *map;
    must(!gomap_classic_new(&c, &map), "no map");
    for (uint64_t i = 0; i < k->n; i++) must(!gomap_classic_put(map, key_of(k, t, i), NULL), "put failed");
    gomap_classic_stats s = {.size = sizeof s};
    must(!gomap_classic_get_stats(map, &s) && s.entries == k->n, "entries are lost");
    gomap_classic_free(map);
    return (double)s.bytes / (double)k->n;
}

static double gomap_each(const struct type *t, struct keys *k) {
    gomap_config c = GOMAP_CONFIG(t->key, t->value);
    if (!t->key) c.keys = GOMAP_KEYS_BORROWED;
    c.value_align = t->value ? t->align : 0, c.capacity = k->n;
    gomap *map;
    must(!gomap_new(&c, &map), "no map");
    for (uint64_t i = 0; i < k->n; i++) must(!gomap_put(map, key_of(k, t, i), NULL), "put failed");
    gomap_stats s = {.size = sizeof s};
    must(!gomap_get_stats(map, &s) && s.entries == k->n, "entries are lost");
    gomap_free(map);
    return (double)s.bytes / (double)k->n;
}

int main(int argc, char **argv) {
    must(argc == 2, "usage: widths ENTRIES");
    struct keys k = {.n = number_arg(argv[1], "ENTRIES", 100, 100000000)};
    k.text = calloc(k.n, sizeof *k.text);
    must(k.text != NULL, "out of memory");
    for (uint64_t i = 0; i < k.n; i++) snprintf(k.text[i], TEXT, "%llu", (unsigned long long)i);
    printf("{\"entries\":%llu,\"types\":{", (unsigned long long)k.n);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const struct type *t = &types[i];
        const size_t key = t->key ? t->key : sizeof(gomap_str);
        printf("%s\"%s\":{\"payload_bytes\":%zu,\"unit_bytes\":%zu,\"classic\":%.3f,\"gomap\":%.3f}",
               i ? "," : "", t->name, key + t->value, gomap_classic_bucket_bytes(key, t->value),
               classic_each(t, &k), gomap_each(t, &k));
    }
    printf("}}\n");
    free(k.text);
    return 0;
}
