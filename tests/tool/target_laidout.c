/* target_laidout.c - a process with gomaps of structs whose layout the compiler says: for tests of layout and whatif.
 *
 * It answers lines:
 *   sizes            every struct: name, size, then each field's name, offset and size
 *   fill KIND N R    make the map of that kind anew, reserve for R entries (0: do not), put N: its id is "map KIND"
 *   delete KIND N    delete the first N
 *   shrink KIND      gomap_shrink_to_fit
 *   stats KIND       bytes and slots as the library counts them
 *   old N R          the same with a classic map, named "old": fill, hint R, and its bytes and buckets
 */
#include <gomap/classic.h>
#include <gomap/typed.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct inner {
    char a;
    uint32_t b;
    char c;
};
struct padded {
    bool live;
    int64_t id;
    int16_t small;
    int32_t count;
    struct inner in;
    bool last;
};
struct packed_inner {
    uint32_t b;
    char a, c;
};
struct packed {
    int64_t id;
    struct packed_inner in;
    int32_t count;
    int16_t small;
    bool live, last;
};
struct bits {
    unsigned a : 3, b : 9;
    uint64_t whole;
    unsigned c : 1;
};
typedef struct {
    int32_t x, y;
} point;
enum colour { RED, GREEN };

GOMAP_DEFINE(by_id, uint64_t, struct padded);
GOMAP_DEFINE(by_id_packed, uint64_t, struct packed);
GOMAP_DEFINE(wide, uint64_t, uint32_t);
GOMAP_DEFINE(narrow, uint32_t, uint32_t);
GOMAP_DEFINE(coloured, enum colour, struct bits);
GOMAP_DEFINE_STR(by_name, struct padded);
GOMAP_DEFINE_KEY(spots, point, uint8_t);

enum kind { PADDED, PACKED, WIDE, NARROW, COLOURED, BY_NAME, SPOTS, STABLE, LISTS, SET, CLASSIC, KINDS };
static const char *const names[KINDS] = {"padded",  "packed", "wide",   "narrow", "coloured",
                                         "by_name", "spots",  "stable", "lists",  "set"};
static gomap *map[KINDS];
static gomap_classic *classic;

static void check(gomap_err err) {
    if (!err) return;
    printf("cannot: %d\n", err);
    exit(1);
}

/* Maps of gomap_new: the one whose values do not move, and one of a pointer. */
static void make(enum kind k) {
    gomap_config c = GOMAP_CONFIG(sizeof(uint64_t), sizeof(struct padded));
    c.key_type = "uint64_t", c.value_type = "struct padded";
    if (k == STABLE) c.values = GOMAP_VALUES_STABLE;
    if (k == SET) c.value_size = 0, c.value_type = NULL;
    if (k == LISTS) c.value_size = sizeof(void *), c.value_type = "struct padded *";
    switch (k) {
    case PADDED: check(by_id_new(&map[k])); break;
    case PACKED: check(by_id_packed_new(&map[k])); break;
    case WIDE: check(wide_new(&map[k])); break;
    case NARROW: check(narrow_new(&map[k])); break;
    case COLOURED: check(coloured_new(&map[k])); break;
    case BY_NAME: check(by_name_new(&map[k])); break;
    case SPOTS: check(spots_new(&map[k])); break;
    default: check(gomap_new(&c, &map[k]));
    }
    check(gomap_set_name(map[k], names[k]));
}

static void put(enum kind k, uint64_t n) {
    char text[32];
    struct padded p = {.id = (int64_t)n};
    void *none = NULL;
    snprintf(text, sizeof text, "%08x", (unsigned)n);
    switch (k) {
    case PADDED: check(by_id_put(map[k], n, p)); break;
    case PACKED: check(by_id_packed_put(map[k], n, (struct packed){.id = (int64_t)n})); break;
    case WIDE: check(wide_put(map[k], n, 1)); break;
    case NARROW: check(narrow_put(map[k], (uint32_t)n, 1)); break;
    case COLOURED: check(coloured_put(map[k], (enum colour)n, (struct bits){.a = 1})); break;
    case BY_NAME: check(by_name_put_s(map[k], text, p)); break;
    case SPOTS: check(spots_put(map[k], (point){(int32_t)n, 1}, 1)); break;
    case LISTS: check(gomap_put(map[k], &n, &none)); break;
    default: check(gomap_put(map[k], &n, &p));
    }
}

static void fill(enum kind k, uint64_t n, uint64_t reserve) {
    gomap_free(map[k]);
    make(k);
    if (reserve) check(gomap_reserve(map[k], reserve));
    for (uint64_t i = 0; i < n; i++) put(k, i);
    for (bool more = true; more;) more = gomap_work(map[k], 1000000); /* no growth is under way any more */
}

static void sizes(void) {
#define FIELD(s, f) printf(" %s %zu %zu", #f, offsetof(s, f), sizeof(((s *)0)->f))
    printf("struct_padded %zu", sizeof(struct padded));
    FIELD(struct padded, live), FIELD(struct padded, id), FIELD(struct padded, small),
        FIELD(struct padded, count);
    FIELD(struct padded, in), FIELD(struct padded, last);
    printf(" ; struct_packed %zu", sizeof(struct packed));
    FIELD(struct packed, id), FIELD(struct packed, in), FIELD(struct packed, count),
        FIELD(struct packed, small);
    FIELD(struct packed, live), FIELD(struct packed, last);
    printf(" ; point %zu", sizeof(point));
    FIELD(point, x), FIELD(point, y);
    printf(" ; struct_bits %zu whole %zu %zu\n", sizeof(struct bits), offsetof(struct bits, whole),
           sizeof(uint64_t));
}

static void fill_old(uint64_t n, uint64_t hint) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(sizeof(uint64_t), sizeof(struct padded));
    c.key_type = "uint64_t", c.elem_type = "struct padded", c.name = "old", c.hint = (int64_t)hint;
    gomap_classic_free(classic);
    check(gomap_classic_new(&c, &classic));
    for (uint64_t i = 0; i < n; i++) check(gomap_classic_put(classic, &i, &(struct padded){.id = 1}));
}

static void answer(const char *line) {
    char kind[32] = "";
    uint64_t a = 0, b = 0;
    enum kind k = 0;
    if (strcmp(line, "sizes\n") == 0) {
        sizes();
        return;
    }
    if (sscanf(line, "old %" SCNu64 " %" SCNu64, &a, &b) == 2) {
        gomap_classic_stats s = {.size = sizeof s};
        fill_old(a, b);
        check(gomap_classic_get_stats(classic, &s));
        printf("%" PRIu64 " %" PRIu64 "\n", s.bytes, s.slots);
        return;
    }
    const char *space = strchr(line, ' ');
    if (space) sscanf(space, "%31s %" SCNu64 " %" SCNu64, kind, &a, &b);
    while (k < CLASSIC && strcmp(names[k], kind) != 0) k++;
    if (k == CLASSIC) {
        printf("what?\n");
    } else if (strncmp(line, "fill ", 5) == 0) {
        fill(k, a, b);
        printf("ok\n");
    } else if (strncmp(line, "delete ", 7) == 0) {
        for (uint64_t i = 0; i < a; i++) gomap_delete(map[k], &i);
        printf("ok\n");
    } else if (strncmp(line, "shrink ", 7) == 0) {
        check(gomap_shrink_to_fit(map[k]));
        printf("ok\n");
    } else {
        gomap_stats s = {.size = sizeof s};
        check(gomap_get_stats(map[k], &s));
        printf("%" PRIu64 " %" PRIu64 "\n", s.bytes, s.slots);
    }
}

int main(void) {
    char line[256];
    fill_old(100, 0);
    for (enum kind k = 0; k < CLASSIC; k++) fill(k, k == COLOURED ? 2 : 300, 0);
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        answer(line);
        fflush(stdout);
    }
    return 0;
}
