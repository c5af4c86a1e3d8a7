/* fixture_handmade.c - a process with maps made by hand, without the library, that damages them on request.
 *
 * It fills the structs of gomap/inspect.h itself: a root with note and symbol, a registry of two
 * chunks, three maps (small, block with a chain, block with a stash), a flight recorder.  It holds
 * a good state and pokes into it:
 *
 *   stdin    poke STRUCT OFFSET SIZE VALUE   write VALUE (SIZE 1, 2, 4 or 8 bytes) into root, chunk, chunk1,
 *                                            map0..map2, side1, side2, desc, node, stash, stashside, ring,
 *                                            links, meta
 *            reset                           the good state again
 *            size STRUCT                     answers its size and its address
 *   stdout   ready, then ok after each line (no: not understood)
 *
 * So that a test can try every field with every value against a reader.
 */
#include "gomap/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOT = 16, GROUPS = 8, CAP = 4 };

static struct all {
    struct gomap_chunk chunk[2];
    struct gomap map[3], stash;
    struct gomap_side side[3]; /* 0: of the stash */
    struct gomap_desc desc;
    struct gomap_event ring[GOMAP_RING_EVENTS];
    struct gomap_more more;
    _Alignas(64) uint8_t node[256], small[16 + CAP * SLOT], stash_table[16 + CAP * SLOT], block[2][8192];
} now, good;

struct gomap_root gomap_inspect_root_1, good_root;

#ifndef NO_NOTE
__asm__(".pushsection .note.gomap,\"a\",@note\n"
        ".balign 4\n.long 6, 8, 1\n.asciz \"gomap\"\n.balign 4\n"
        ".quad gomap_inspect_root_1 - .\n.popsection");
#endif

static void make_desc(struct gomap_desc *d) {
    *d = (struct gomap_desc){.size = sizeof *d,
                             .key_size = 8,
                             .key_align = 8,
                             .val_size = 8,
                             .val_align = 8,
                             .slot_size = SLOT,
                             .slot_key_size = 8,
                             .val_off = 8,
                             .slot_val_size = 8,
                             .node_off = 16,
                             .node_size = 16 + 4 * SLOT,
                             .slot_align = 8,
                             .key_name = "uint64_t",
                             .val_name = "double",
                             .site = "fixture.c:1"};
}

static void make_small(struct gomap *m, uint8_t *table, uint32_t cookie) {
    *m = (struct gomap){.ngroups = 1,
                        .meta = table,
                        .slots = table + 16,
                        .count = 3,
                        .limit = CAP,
                        .desc = &now.desc,
                        .mode = GOMAP_MODE_SMALL,
                        .cap = CAP,
                        .cookie = cookie};
    table[0] = 1, table[1] = 2, table[2] = 3;
}

/* 8 groups, `fill` slots in each. */
static void make_block(struct gomap *m, uint8_t *table, struct gomap_side *s, unsigned fill) {
    uint64_t quads = gomap_inspect_quads(GROUPS);
    *m = (struct gomap){.ngroups = GROUPS,
                        .meta = table,
                        .links = (uintptr_t *)(void *)(table + quads * 64),
                        .slots = table + gomap_inspect_block_off(&now.desc, GROUPS),
                        .count = GROUPS * fill,
                        .limit = 96,
                        .desc = &now.desc,
                        .side = s,
                        .mode = GOMAP_MODE_BLOCK,
                        .cap = 15,
                        .cookie = GOMAP_COOKIE};
    for (int g = 0; g < GROUPS; g++)
        for (unsigned i = 0; i < fill; i++) table[g * 16 + i] = (uint8_t)(g * 16 + i + 1);
    *s = (struct gomap_side){.size = sizeof *s,
                             .hi_bytes = gomap_inspect_block_bytes(&now.desc, GROUPS),
                             .grow_at = 96,
                             .grow_groups = 16,
                             .name = "handmade",
                             .created_ns = 1};
}

static void make(void) {
    static char name[] = "handmade with a stash";
    make_desc(&now.desc);
    make_small(&now.map[0], now.small, GOMAP_COOKIE);
    make_block(&now.map[1], now.block[0], &now.side[1], 12);
    make_block(&now.map[2], now.block[1], &now.side[2], 9);
    struct gomap_node *n = (struct gomap_node *)(void *)now.node;
    n->tag[0] = 7, n->tag[2] = 9;
    now.map[1].links[1] = (uintptr_t)n;
    now.map[1].count += 2;
    now.side[1].nodes = 1, now.side[1].chained = 2;
    now.side[1].node_bytes = now.desc.node_size, now.side[1].loose_bytes = now.desc.node_size + 100;
    make_small(&now.stash, now.stash_table, GOMAP_COOKIE_STASH);
    now.stash.side = &now.side[0];
    now.side[0] = (struct gomap_side){.size = sizeof now.side[0]};
    now.side[2].stash = &now.stash;
    now.side[2].name = name;
    now.map[2].count += 3;
    for (uint32_t i = 0; i < 3; i++) {
        struct gomap_chunk *c = &now.chunk[i == 2];
        uint32_t at = i == 2 ? 5 : i;
        c->entry[at] = (struct gomap_chunk_entry){.map = &now.map[i], .gen = 1};
        now.map[i].id = UINT64_C(1) << 32 | ((i == 2 ? GOMAP_CHUNK_ENTRIES : 0) + at + 1);
    }
    now.chunk[0].next = &now.chunk[1];
    now.chunk[1].base = GOMAP_CHUNK_ENTRIES;
    now.ring[0] =
        (struct gomap_event){.ticket = 1, .time_ns = 1, .map_id = now.map[1].id, .kind = GOMAP_EV_NEW};
    now.more.size = sizeof now.more;
    gomap_inspect_root_1 = (struct gomap_root){.magic = GOMAP_INSPECT_MAGIC,
                                               .version = GOMAP_INSPECT_VERSION,
                                               .size = sizeof(struct gomap_root),
                                               .pointer_bytes = sizeof(void *),
                                               .map_size = sizeof(struct gomap),
                                               .side_size = sizeof(struct gomap_side),
                                               .desc_size = sizeof(struct gomap_desc),
                                               .node_size = sizeof(struct gomap_node),
                                               .chunk_size = sizeof(struct gomap_chunk),
                                               .event_size = sizeof(struct gomap_event),
                                               .chunk_entries = GOMAP_CHUNK_ENTRIES,
                                               .pid_started = 1,
                                               .more = (int32_t)((intptr_t)&now.more - (intptr_t)&gomap_inspect_root_1),
                                               .self = (uintptr_t)&gomap_inspect_root_1,
                                               .chunks = now.chunk,
                                               .descs = &now.desc,
                                               .ring = now.ring,
                                               .ring_events = GOMAP_RING_EVENTS,
                                               .ring_head = 1,
                                               .maps_made = 3,
                                               .library = "by hand"};
}

static void *part(const char *name, size_t *size) {
    const struct {
        const char *name;
        void *at;
        size_t size;
    } parts[] = {{"root", &gomap_inspect_root_1, sizeof gomap_inspect_root_1},
                 {"chunk", &now.chunk[0], 64},
                 {"chunk1", &now.chunk[1], 16},
                 {"map0", &now.map[0], sizeof(struct gomap)},
                 {"map1", &now.map[1], sizeof(struct gomap)},
                 {"map2", &now.map[2], sizeof(struct gomap)},
                 {"side1", &now.side[1], sizeof(struct gomap_side)},
                 {"side2", &now.side[2], sizeof(struct gomap_side)},
                 {"desc", &now.desc, sizeof now.desc},
                 {"node", now.node, 16},
                 {"stash", &now.stash, sizeof(struct gomap)},
                 {"stashside", &now.side[0], sizeof(struct gomap_side)},
                 {"ring", now.ring, sizeof now.ring[0]},
                 {"more", &now.more, sizeof now.more},
                 {"links", now.map[1].links, 16},
                 {"meta", now.block[0], 64}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(parts[i].name, name) == 0) return *size = parts[i].size, parts[i].at;
    return NULL;
}

int main(void) {
    char line[256], name[32];
    unsigned long long offset, value;
    unsigned width;
    size_t size;
    make();
    good = now;
    good_root = gomap_inspect_root_1;
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        uint8_t *at;
        if (sscanf(line, "poke %31s %llu %u %llu", name, &offset, &width, &value) == 4 &&
            (at = part(name, &size)) && width <= 8 && offset + width <= size) {
            memcpy(at + offset, &value, width);
            printf("ok\n");
        } else if (sscanf(line, "size %31s", name) == 1 && (at = part(name, &size))) {
            printf("ok %zu %llu\n", size, (unsigned long long)(uintptr_t)at);
        } else if (strcmp(line, "reset\n") == 0) {
            now = good;
            gomap_inspect_root_1 = good_root;
            printf("ok\n");
        } else {
            printf("no\n");
        }
        fflush(stdout);
    }
    return 0;
}
