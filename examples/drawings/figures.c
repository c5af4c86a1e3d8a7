/* figures.c - the tables of docs/go-map.md, one function each: plain text, so that a change shows in a diff. */
#include "canvas.h"
#include "scenes.h"

#include <gomap/inspect.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 100000, SLOTS = GOMAP_BUCKET_SLOTS };

/* ---- layout -------------------------------------------------------------------------------------------- */

static void header_rows(FILE *out) {
    static const struct {
        const char *name, *what;
        size_t offset;
    } fields[] = {
#define FIELD(name, what) {#name, what, offsetof(struct gomap_hmap, name)}
        FIELD(count, "entries: len(m)"),
        FIELD(flags, "iterator 1, oldIterator 2, hashWriting 4, sameSizeGrow 8"),
        FIELD(B, "there are 2^B buckets"),
        FIELD(noverflow, "overflow buckets"),
        FIELD(hash0, "hash seed"),
        FIELD(buckets, "the array"),
        FIELD(oldbuckets, "the previous one, while growing"),
        FIELD(nevacuate, "old buckets below this are evacuated"),
        FIELD(extra, "overflow bookkeeping, if any"),
#undef FIELD
    };
    fprintf(out, "hmap, %zu bytes\n", sizeof(struct gomap_hmap));
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        fprintf(out, "  %2zu  %-11s %s\n", fields[i].offset, fields[i].name, fields[i].what);
}

static bool bucket_row(const gomap_classic_bucket *b, void *ctx) {
    const uint8_t *start = b->tophash;
    size_t elems = (size_t)((const uint8_t *)b->elems - start), end = elems + SLOTS * b->elem_slot;
    fprintf(ctx, "%8zu %6zu %7zu %10zu %7zu\n", (size_t)0, (size_t)((const uint8_t *)b->keys - start), elems,
            end, end + sizeof(void *));
    return true;
}

/* A map of one entry, for its bucket. */
static void shape_row(FILE *out, const char *type, gomap_classic_config config) {
    static const char zeros[256];
    gomap_str word = {"a", 1};
    gomap_classic *map;
    if (gomap_classic_new(&config, &map) ||
        gomap_classic_put(map, config.keys == GOMAP_CLASSIC_STRING ? (const void *)&word : zeros, zeros))
        die("out of memory");
    fprintf(out, "  %-25s", type);
    gomap_classic_visit(map, bucket_row, out);
    gomap_classic_free(map);
}

void table_layout(const char *folder) {
    FILE *out = file_begin(folder, "layout.txt");
    header_rows(out);
    fprintf(out, "\nbucket, offsets           tophash   keys   elems   overflow   bytes\n");
    shape_row(out, "map[int]int", (gomap_classic_config)GOMAP_CLASSIC_CONFIG(8, 8));
    shape_row(out, "map[string]int", (gomap_classic_config)GOMAP_CLASSIC_CONFIG_STRING(8));
    shape_row(out, "map[string]string", (gomap_classic_config)GOMAP_CLASSIC_CONFIG_STRING(16));
    shape_row(out, "map[int64]int8", (gomap_classic_config)GOMAP_CLASSIC_CONFIG(8, 1));
    shape_row(out, "map[int]struct{}", (gomap_classic_config)GOMAP_CLASSIC_CONFIG(8, 0));
    shape_row(out, "map[string]struct{b byte}", (gomap_classic_config)GOMAP_CLASSIC_CONFIG_STRING(1));
    shape_row(out, "map[int][128]byte", (gomap_classic_config)GOMAP_CLASSIC_CONFIG(8, 128));
    shape_row(out, "map[int][129]byte", (gomap_classic_config)GOMAP_CLASSIC_CONFIG(8, 129));
    file_end(out, "layout.txt");
}

static bool dump_bucket(const gomap_classic_bucket *b, void *ctx) {
    enum { LINE = 16 };
    const uint8_t *at = b->tophash;
    size_t bytes = gomap_classic_bucket_bytes(b->key_slot, b->elem_slot);
    for (size_t i = 0; i < bytes; i += LINE) {
        fprintf(ctx, "%04zx ", i);
        for (size_t j = i; j < i + LINE && j < bytes; j++) fprintf(ctx, "%s%02x", j % 8 ? " " : "  ", at[j]);
        fputc('\n', ctx);
    }
    return true;
}

void table_bytes(const char *folder) {
    struct chance chance = {1};
    FILE *out = file_begin(folder, "bytes.txt");
    gomap_classic *map = new_map(&chance, 0);
    insert_range(map, 1, 3);
    gomap_classic_visit(map, dump_bucket, out);
    gomap_classic_free(map);
    file_end(out, "bytes.txt");
}

/* ---- growth -------------------------------------------------------------------------------------------- */

static void limit_cell(FILE *out, unsigned b, size_t bucket, bool pointers) {
    size_t n = gomap_classic_array_buckets(b, bucket, pointers), main_buckets = (size_t)1 << b;
    fprintf(out, " %8zu %11zu", n - main_buckets, n * bucket);
}

void table_limits(const char *folder) {
    static const unsigned shown[] = {0, 1, 2, 3, 4, 5, 6, 8, 10, 14, 18};
    FILE *out = file_begin(folder, "limits.txt");
    size_t ints = gomap_classic_bucket_bytes(8, 8), strings = gomap_classic_bucket_bytes(16, 8);
    fprintf(out, "                doubles at      map[int]int           map[string]int\n"
                 " B   buckets     insert of      pool       bytes      pool       bytes\n");
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        unsigned b = shown[i];
        fprintf(out, "%2u %9zu %10llu    ", b, (size_t)1 << b, (unsigned long long)gomap_classic_grow_at(b));
        limit_cell(out, b, ints, false);
        limit_cell(out, b, strings, true);
        fputc('\n', out);
    }
    file_end(out, "limits.txt");
}

/* What the hooks of a map see of its growths. */
struct watch {
    FILE *out;
    uint64_t inserts, begun_at, moved;
    unsigned growths, most_moved;
};

static void on_start(const gomap_classic *map, unsigned before, unsigned after, size_t bytes, void *ctx) {
    struct watch *w = ctx;
    (void)map;
    w->growths++;
    w->begun_at = w->inserts;
    w->moved = 0;
    w->most_moved = 0;
    fprintf(w->out, "%8llu  %2u -> %2u %10zu", (unsigned long long)w->inserts, before, after, bytes);
}

static void on_evacuate(const gomap_classic *map, size_t bucket, size_t entries, size_t upper, void *ctx) {
    struct watch *w = ctx;
    (void)map, (void)bucket, (void)upper;
    w->moved += entries;
    if (entries > w->most_moved) w->most_moved = (unsigned)entries;
}

static void on_done(const gomap_classic *map, unsigned b, void *ctx) {
    const struct watch *w = ctx;
    (void)map, (void)b;
    fprintf(w->out, " %9llu %14u %9llu\n", (unsigned long long)w->moved, w->most_moved,
            (unsigned long long)(w->inserts - w->begun_at + 1));
}

void table_growths(const char *folder) {
    struct chance chance = {1};
    FILE *out = file_begin(folder, "growths.txt");
    struct watch watch = {.out = out};
    gomap_classic_config config = map_config(&chance, 0);
    gomap_classic *map;
    config.hooks = (gomap_classic_hooks){
        .grow_start = on_start, .grow_done = on_done, .evacuate = on_evacuate, .ctx = &watch};
    fprintf(out, "  insert     B      array bytes   moved  of one bucket   writes\n");
    if (gomap_classic_new(&config, &map)) die("out of memory");
    while (watch.inserts < MANY) insert(map, ++watch.inserts);
    expect(!stats_of(map).growing, "the last growth is over");
    fprintf(out, "%u growths, %llu entries moved\n", watch.growths, (unsigned long long)stats_of(map).moved);
    gomap_classic_free(map);
    file_end(out, "growths.txt");
}

/* ---- hints and chains ---------------------------------------------------------------------------------- */

static void hint_row(FILE *out, const char *name, int64_t hint) {
    struct chance chance = {1};
    gomap_classic *map = new_map(&chance, hint);
    insert_range(map, 1, MANY);
    gomap_classic_stats s = stats_of(map);
    size_t bucket = gomap_classic_bucket_bytes(8, 8);
    fprintf(out, "  %-12s %2u %8llu %9llu %8llu %9llu %11llu\n", name, s.B, (unsigned long long)s.grows,
            (unsigned long long)s.pool, (unsigned long long)s.pool_used, (unsigned long long)s.overflow,
            (unsigned long long)((((size_t)1 << s.B) + s.pool + s.overflow) * bucket));
    gomap_classic_free(map);
}

void table_hints(const char *folder) {
    FILE *out = file_begin(folder, "hints.txt");
    fprintf(out, "  hint          B  growths      pool     used  allocated     bytes\n");
    hint_row(out, "none", 0);
    hint_row(out, "100 000", MANY);
    hint_row(out, "115 000", MANY + MANY * 15 / 100);
    file_end(out, "hints.txt");
}

static void chain_row(FILE *out, unsigned b, uint64_t entries) {
    enum { KINDS = 4 };
    struct chance chance = {1};
    uint64_t chains[KINDS];
    gomap_classic *map = new_map(&chance, (int64_t)entries);
    insert_range(map, 1, entries);
    expect(stats_of(map).B == b, "a table of that size");
    gomap_classic_chains(map, chains, KINDS);
    uint64_t n = UINT64_C(1) << b;
    fprintf(out, "  %8llu %8llu %6.2f", (unsigned long long)entries, (unsigned long long)n,
            (double)entries / (double)n);
    for (unsigned i = 0; i < 3; i++) fprintf(out, " %8llu", (unsigned long long)chains[i]);
    fprintf(out, " %9.1f %%\n", 100.0 * (double)(n - chains[0]) / (double)n);
    gomap_classic_free(map);
}

void table_chains(const char *folder) {
    const unsigned b = 14;
    uint64_t most = gomap_classic_grow_at(b) - 1, least = gomap_classic_grow_at(b - 1);
    FILE *out = file_begin(folder, "chains.txt");
    fprintf(out, "   entries  buckets   load     none      one      two   overflow\n");
    chain_row(out, b, least);
    chain_row(out, b, (least + most) / 2);
    chain_row(out, b, most);
    file_end(out, "chains.txt");
}
