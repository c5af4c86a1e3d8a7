/* addresses.c - where an allocator puts the buckets of classic maps, how long they stay, and what one left behind costs.
 *
 *     addresses log MAPS SEED         a life of so many maps through an allocator that writes everything down
 *     addresses keep EVERY MAPS       one-bucket maps; all but each EVERY-th are freed: what stays in core?
 *     addresses gomap MAPS            where gomaps of many sizes have their metadata and their slots, modulo 64
 *
 * The log is printed whole, a line of numbers per allocation: address, size, birth, death (in operations of the
 * program), stack; and the stacks as offsets into this program, for addr2line. */
#define _GNU_SOURCE
#include "../measure.h"

#include "gomap/classic.h"
#include "gomap/inspect.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DEPTH = 12, STACKS = 512, ALIVE = 64, LARGE = 128 << 10, ENTRIES_MOST = 4096 };

/* ---- the log ------------------------------------------------------------------------------------------- */

struct block {
    uintptr_t at;
    size_t size;
    uint64_t born, died; /* died 0: at the end */
    unsigned stack;
};
static struct block *blocks;
static size_t count, room;
static uint64_t clock_ops;

static void *stacks[STACKS][DEPTH];
static int depths[STACKS];
static unsigned stack_count;

static unsigned stack_here(void) {
    void *here[DEPTH];
    int depth = backtrace(here, DEPTH);
    for (unsigned i = 0; i < stack_count; i++)
        if (depths[i] == depth && !memcmp(stacks[i], here, (size_t)depth * sizeof *here)) return i;
    must(stack_count < STACKS, "too many different stacks");
    memcpy(stacks[stack_count], here, sizeof here);
    depths[stack_count] = depth;
    return stack_count++;
}

/* What the library does without an allocator of the user's: malloc, and mmap for large tables.  The block's place in the
 * log stands before it, so that its death is found at once. */
struct front {
    size_t index, unused; /* 16 bytes, the alignment malloc gives */
};
static void *logged_alloc(size_t size, size_t align, void *ctx) {
    (void)align, (void)ctx;
    uint8_t *p;
    if (size >= LARGE) { /* the place in the log lies in the page before */
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        p = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) return NULL;
        p += page;
    } else {
        p = malloc(size + sizeof(struct front));
        if (!p) return NULL;
        p += sizeof(struct front);
    }
    if (count == room) {
        room = room ? room * 2 : 4096;
        blocks = realloc(blocks, room * sizeof *blocks);
        must(blocks, "out of memory");
    }
    ((struct front *)(void *)p)[-1].index = count;
    blocks[count++] = (struct block){(uintptr_t)p, size, clock_ops, 0, stack_here()};
    return p;
}
static void logged_free(void *ptr, size_t size, size_t align, void *ctx) {
    (void)align, (void)ctx;
    uint8_t *p = ptr;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    blocks[((struct front *)(void *)p)[-1].index].died = clock_ops;
    if (size < LARGE)
        free(p - sizeof(struct front));
    else
        must(!munmap(p - page, size + page), "munmap failed");
}

static uint64_t state;
static uint64_t below(uint64_t n) { return mix(state++) % n; }

/* A map of one of four types, with a number of entries between 1 and thousands, small ones being usual. */
static gomap_classic *make_map(const gomap_alloc *alloc) {
    static const size_t sizes[4][2] = {
        {8, 1}, {8, 8}, {8, 24}, {16, 16}}; /* buckets of 88, 144, 272, 272 bytes */
    const size_t *type = sizes[below(4)];
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(type[0], type[1]);
    gomap_classic *map;
    uint64_t key[2] = {0, 0}, entries = 1 + below(ENTRIES_MOST >> below(10));
    c.alloc = alloc;
    must(!gomap_classic_new(&c, &map), "out of memory");
    for (uint64_t i = 0; i < entries; i++, clock_ops++) {
        key[0] = mix(state + i);
        must(!gomap_classic_put(map, key, NULL), "out of memory");
    }
    return map;
}

static void print_stacks(void) {
    printf("\"stacks\":[");
    for (unsigned i = 0; i < stack_count; i++) {
        printf("%s[", i ? "," : "");
        for (int d = 2, printed = 0; d < depths[i]; d++) { /* not this file's two functions */
            Dl_info info;
            if (!dladdr(stacks[i][d], &info) || !info.dli_fname) continue;
            if (strstr(info.dli_fname, ".so")) continue; /* libc's start of the program */
            printf("%s%td", printed++ ? "," : "", (char *)stacks[i][d] - 1 - (char *)info.dli_fbase);
        }
        printf("]");
    }
    printf("]");
}

static void run_log(uint64_t maps, uint64_t seed) {
    const gomap_alloc alloc = {logged_alloc, logged_free, NULL};
    gomap_classic *alive[ALIVE] = {NULL};
    void *warm[2];
    (void)backtrace(warm, 2); /* loads what it needs */
    state = mix(seed);
    for (uint64_t i = 0; i < maps; i++) {
        gomap_classic **at = &alive[below(ALIVE)];
        gomap_classic_free(*at);
        *at = make_map(&alloc);
    }
    for (int i = 0; i < ALIVE; i++) gomap_classic_free(alive[i]);
    printf("{\"operations\":%llu,", (unsigned long long)clock_ops);
    print_stacks();
    printf(",\"blocks\":[");
    for (size_t i = 0; i < count; i++)
        printf("%s[%zu,%zu,%llu,%llu,%u]", i ? "," : "", (size_t)blocks[i].at, blocks[i].size,
               (unsigned long long)blocks[i].born, (unsigned long long)blocks[i].died, blocks[i].stack);
    printf("]}\n");
    free(blocks);
}

/* ---- what one bucket keeps ------------------------------------------------------------------------------- */

static uint64_t resident(void) {
    unsigned long long pages[2];
    FILE *f = fopen("/proc/self/statm", "r");
    must(f && fscanf(f, "%llu %llu", &pages[0], &pages[1]) == 2, "no /proc/self/statm");
    fclose(f);
    return pages[1] * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void fill(gomap_classic **map, uint64_t n) {
    const gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
    for (uint64_t i = 0; i < n; i++) {
        if (map[i]) continue;
        must(!gomap_classic_new(&c, &map[i]) && !gomap_classic_put(map[i], &i, &i), "out of memory");
    }
}

static void run_keep(uint64_t every, uint64_t n) {
    gomap_classic **map = malloc(n * sizeof *map);
    must(map, "out of memory");
    memset(map, 1, n * sizeof *map); /* touched before it counts */
    memset(map, 0, n * sizeof *map);
    uint64_t before = resident();
    fill(map, n);
    uint64_t full = resident() - before;
    size_t used = mallinfo2().uordblks;
    for (uint64_t i = 0; i < n; i++)
        if (i % every) gomap_classic_free(map[i]), map[i] = NULL;
    malloc_trim(0); /* gives back every page that is free as a whole */
    uint64_t kept = resident() - before;
    size_t used_kept = mallinfo2().uordblks;
    fill(map, n);
    uint64_t again = resident() - before;
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t *v = gomap_classic_get(map[i], &i);
        must(v && *v == i, "an entry is lost");
        gomap_classic_free(map[i]);
    }
    printf("{\"full\":%llu,\"kept\":%llu,\"again\":%llu,\"used\":%zu,\"used_kept\":%zu}\n",
           (unsigned long long)full, (unsigned long long)kept, (unsigned long long)again, used, used_kept);
    free(map);
}

/* ---- gomap ----------------------------------------------------------------------------------------------- */

static void print_places(const char *name, const uint64_t *places) {
    const char *comma = "";
    printf("\"%s\":{", name);
    for (int i = 0; i < 64; i++)
        if (places[i]) printf("%s\"%d\":%llu", comma, i, (unsigned long long)places[i]), comma = ",";
    printf("}");
}

/* Maps of 1 to 2^13 entries, kept until the end, as a program would. */
static void run_gomap(uint64_t n) {
    uint64_t metadata[64] = {0}, slots[64] = {0};
    gomap **map = calloc(n, sizeof *map);
    must(map, "out of memory");
    for (uint64_t i = 0; i < n; i++) {
        gomap_config c = GOMAP_CONFIG(8, 8);
        must(!gomap_new(&c, &map[i]), "out of memory");
        for (uint64_t k = 0; k < UINT64_C(1) << i % 14; k++)
            must(!gomap_put(map[i], &k, &k), "out of memory");
        metadata[(uintptr_t)((const struct gomap *)map[i])->meta % 64]++;
        slots[(uintptr_t)((const struct gomap *)map[i])->slots % 64]++;
    }
    printf("{"), print_places("metadata", metadata), printf(","), print_places("slots", slots), printf("}\n");
    for (uint64_t i = 0; i < n; i++) gomap_free(map[i]);
    free(map);
}

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "gomap")) {
        run_gomap(number_arg(argv[2], "maps", 1, 1000000));
        return 0;
    }
    must(argc == 4, "usage: addresses log MAPS SEED | keep EVERY MAPS | gomap MAPS");
    if (!strcmp(argv[1], "log"))
        run_log(number_arg(argv[2], "maps", 1, 1000000), number_arg(argv[3], "seed", 0, UINT32_MAX));
    else
        run_keep(number_arg(argv[2], "every", 1, 1 << 20), number_arg(argv[3], "maps", 1, 10000000));
    return 0;
}
