/* go_sync.c - the backend for sync.Map of Go 1.24 and later: a trie of hashes, read, counted.
 *
 *   HashTrieMap, 48 bytes        indirect, 152                      entry
 *   inited 0  initMu 4           isEntry 0 (0)  dead 4  mu 8        isEntry 0 (1)  overflow 8 --> entry of an equal hash
 *   root 16 -------------------> parent 16  children 24: 16 ------> key 16, value
 *   keyHash 24  valEqual 32  seed 40
 *
 * Each level takes four bits of the hash, so there are at most 16.  The trie is read level by level, many nodes at once.
 * Nothing in it tells that it changed: it is read twice, and the figures are of one state if both readings count the same.
 *
 * In the model's words: groups are the nodes with children, slots their children; what a slot holds is an entry or a node
 * with more slots.  Bytes are those of the allocator's objects.  The header is part of what holds the map, and counted.
 * Keys and values are mostly pointers and interfaces: what these lead to is not in the figures.
 */
#include "go_map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROOT = 16,
    OVERFLOW = 8,
    CHILDREN = 24,
    FANOUT = 16,
    INDIRECT_BYTES = 152,
    ENTRY_HEAD = 16,
    LEVELS_MOST = 16 + 64, /* and a list of equal hashes, of which only so many are followed */
    BATCH = 512,
    READINGS = 4
};
#define NODES_MOST (UINT64_C(1) << 31)
static_assert(CHILDREN + 8 * FANOUT == INDIRECT_BYTES, "children are the last of it");

struct trie {
    uint64_t entries, chained, indirects, used; /* used: children that are there */
    uint64_t entry_bytes, indirect_bytes;       /* allocated */
    uint64_t occupancy[FANOUT + 1];
    bool whole;
    struct ms_telling *tell; /* NULL: nobody listens */
};

static const struct ms_record_field node_field[] = {
    {"isEntry", 0}, {"dead", 4}, {"mu", 8}, {"parent", 16}, {"children", CHILDREN}, {NULL, 0}};
static const struct ms_record_field entry_field[] = {
    {"isEntry", 0}, {"overflow", OVERFLOW}, {"key and value", ENTRY_HEAD}, {NULL, 0}};
static const struct ms_record_field header_field[] = {
    {"inited", 0}, {"initMu", 4}, {"root", ROOT}, {"keyHash", 24}, {"valEqual", 32}, {"seed", 40}, {NULL, 0}};

struct front {
    uint64_t *addr;
    size_t count, room;
};

static void add(struct front *f, uint64_t addr) {
    MS_ROOM(f->addr, f->count, f->room);
    f->addr[f->count++] = addr;
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* Children of n nodes that have some. */
static enum ms_read take_children(struct ms_reader *r, const struct ms_snapshot *s, const uint64_t *at,
                                  size_t n, struct trie *t, struct front *next) {
    struct ms_batch_item item[BATCH];
    uint64_t(*child)[FANOUT] = ms_alloc(n * sizeof *child);
    for (size_t i = 0; i < n; i++)
        item[i] = (struct ms_batch_item){.addr = at[i] + CHILDREN, .len = sizeof *child, .buf = child[i]};
    enum ms_read rc = ms_read_batch(r, item, n);
    for (size_t i = 0; i < n && rc == MS_READ_OK; i++) {
        unsigned here = 0;
        t->indirects++;
        if (t->tell)
            ms_tell(t->tell, &(struct ms_piece){.kind = MS_PIECE_NODE,
                                                .addr = at[i],
                                                .len = INDIRECT_BYTES,
                                                .group = MS_UNKNOWN,
                                                .slot = -1,
                                                .field = node_field});
        t->indirect_bytes += ms_go_object_bytes(s, at[i], ms_go_allocated(INDIRECT_BYTES, true, true));
        if (item[i].status != MS_READ_OK) t->whole = false;
        for (int k = 0; k < FANOUT && item[i].status == MS_READ_OK; k++)
            if (child[i][k]) here++, add(next, child[i][k]);
        t->used += here;
        t->occupancy[here]++;
    }
    free(child);
    return rc;
}

/* n nodes: entries are counted, the others' children are the next front. */
static enum ms_read take_nodes(struct ms_reader *r, const struct ms_snapshot *s, const uint64_t *at, size_t n,
                               uint64_t entry_size, struct trie *t, struct front *next) {
    struct ms_batch_item item[BATCH];
    uint64_t head[BATCH][ENTRY_HEAD / 8], indirect[BATCH];
    size_t indirects = 0;
    for (size_t i = 0; i < n; i++)
        item[i] = (struct ms_batch_item){.addr = at[i], .len = ENTRY_HEAD, .buf = head[i]};
    enum ms_read rc = ms_read_batch(r, item, n);
    for (size_t i = 0; i < n && rc == MS_READ_OK; i++) {
        if (item[i].status != MS_READ_OK) {
            t->whole = false;
        } else if ((head[i][0] & 0xff) == 0) {
            indirect[indirects++] = at[i];
        } else {
            t->entries++;
            if (t->tell)
                ms_tell(t->tell, &(struct ms_piece){.kind = MS_PIECE_ENTRY,
                                                    .addr = at[i],
                                                    .len = entry_size,
                                                    .group = MS_UNKNOWN,
                                                    .slot = -1,
                                                    .field = entry_field});
            t->entry_bytes += ms_go_object_bytes(s, at[i], ms_go_allocated(entry_size, true, true));
            if (head[i][OVERFLOW / 8]) t->chained++, add(next, head[i][OVERFLOW / 8]);
        }
    }
    if (rc == MS_READ_GONE || indirects == 0) return rc;
    return take_children(r, s, indirect, indirects, t, next);
}

static int by_address(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static enum ms_read read_trie(struct ms_reader *r, const struct ms_snapshot *s, uint64_t addr,
                              uint64_t entry_size, struct trie *t) {
    struct front now = {0}, next = {0};
    uint64_t root = 0, seen = 0;
    *t = (struct trie){.whole = true, .tell = t->tell};
    enum ms_read rc = ms_read(r, addr + ROOT, &root, sizeof root);
    if (rc == MS_READ_OK && root) add(&now, root);
    for (int level = 0; rc == MS_READ_OK && now.count; level++) {
        seen += now.count;
        if (level > LEVELS_MOST || seen > NODES_MOST) {
            t->whole = false; /* a circle, or no trie at all */
            break;
        }
        /* Nodes of a level lie in the order of their hashes; neighbours in memory are read together. */
        qsort(now.addr, now.count, sizeof *now.addr, by_address);
        for (size_t i = 0; i < now.count && rc == MS_READ_OK; i += BATCH)
            rc = take_nodes(r, s, now.addr + i, ms_min(BATCH, now.count - i), entry_size, t, &next);
        struct front done = now;
        now = next;
        next = done;
        next.count = 0;
    }
    free(now.addr);
    free(next.addr);
    return rc;
}

static bool same(const struct trie *a, const struct trie *b) {
    return a->whole && b->whole && a->entries == b->entries && a->indirects == b->indirects &&
           a->used == b->used && a->chained == b->chained;
}

/* Until two readings agree. */
static enum ms_read read_still(struct ms_reader *r, const struct ms_snapshot *s, uint64_t addr,
                               uint64_t entry_size, struct trie *t, enum ms_certainty *certainty) {
    struct trie before;
    t->tell = NULL;
    enum ms_read rc = read_trie(r, s, addr, entry_size, t);
    *certainty = MS_CHANGING;
    for (int i = 1; i < READINGS && rc == MS_READ_OK; i++) {
        before = *t;
        rc = read_trie(r, s, addr, entry_size, t);
        if (!same(&before, t)) continue;
        *certainty = MS_EXACT;
        break;
    }
    return rc;
}

/* ---- the model --------------------------------------------------------------------------------- */

static uint64_t entry_size(const struct ms_type *type) {
    return type ? ENTRY_HEAD + (uint64_t)type->key_size + type->value_size : ENTRY_HEAD;
}

static void fill(const struct trie *t, struct ms_map *m) {
    uint64_t slots = FANOUT * t->indirects, live = (entry_size(m->type) - ENTRY_HEAD) * t->entries;
    uint64_t heads = ENTRY_HEAD * t->entries, nodes = CHILDREN * t->indirects + 8 * t->used,
             empty = 8 * (slots - t->used);
    uint64_t all = t->entry_bytes + t->indirect_bytes;
    m->kind = MS_KIND_GO_SYNC;
    m->layout = t->indirects ? MS_LAYOUT_TREE : MS_LAYOUT_EMPTY;
    m->entries = t->entries;
    m->slots = slots;
    m->groups = t->indirects;
    m->load = slots ? (double)t->used / (double)slots : 0;
    m->chained = t->chained;
    m->stashed = m->tombstones = 0;
    memset(m->part, 0, sizeof m->part);
    m->part[MS_PART_HEADER] = MS_GO_HEADER_BYTES;
    m->part[MS_PART_SLOTS_LIVE] = ms_min(live, all);
    m->part[MS_PART_METADATA] = ms_min(heads + nodes, all - m->part[MS_PART_SLOTS_LIVE]);
    m->part[MS_PART_SLOTS_EMPTY] =
        ms_min(empty, all - m->part[MS_PART_SLOTS_LIVE] - m->part[MS_PART_METADATA]);
    m->part[MS_PART_PADDING] =
        all - m->part[MS_PART_SLOTS_LIVE] - m->part[MS_PART_METADATA] - m->part[MS_PART_SLOTS_EMPTY];
    m->bytes = m->fresh_bytes = ms_map_sum(m); /* the same entries make the same trie */
    m->grow_at = m->grow_bytes = m->grow_peak = MS_UNKNOWN;
    m->resident = MS_UNKNOWN;
}

static const char changed[] = "it changed each time it was read";

enum ms_read ms_go_sync_load(struct ms_reader *r, struct ms_go_header *at, struct ms_snapshot *out) {
    struct trie t;
    enum ms_certainty certainty;
    enum ms_read rc = read_still(r, out, at->addr, entry_size(at->type), &t, &certainty);
    if (rc == MS_READ_GONE) return rc;
    if (rc == MS_READ_FAULT) {
        ms_go_add_damaged(out, MS_KIND_GO_SYNC, at, "root");
        return MS_READ_OK;
    }
    struct ms_map *m = ms_go_add(out, at);
    fill(&t, m);
    m->certainty = (uint8_t)certainty;
    if (certainty == MS_EXACT) return MS_READ_OK;
    m->doubt = ms_strdup(changed);
    out->uncertain = true;
    return MS_READ_OK;
}

/* ---- looks at one map -------------------------------------------------------------------------- */

static int resident(struct ms_reader *r, struct ms_snapshot *s, struct ms_map *m, struct ms_error *err) {
    (void)r, (void)s, (void)m, (void)err; /* its nodes lie all over the heap, beside others: not known */
    return MS_OK;
}

static int look(struct ms_reader *r, const struct ms_snapshot *s, const struct ms_map *m,
                struct ms_detail *out, struct ms_error *err) {
    struct trie t;
    enum ms_certainty certainty;
    *out = (struct ms_detail){0};
    ms_go_copy(m, &out->map);
    enum ms_read rc = read_still(r, s, m->addr, entry_size(m->type), &t, &certainty);
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while the map was read");
    if (rc == MS_READ_FAULT) return ms_fail(err, MS_GONE, "the map is gone: its memory cannot be read");
    fill(&t, &out->map);
    out->map.certainty = (uint8_t)certainty;
    if (certainty != MS_EXACT) out->map.doubt = ms_strdup(changed);
    static_assert(sizeof out->occupancy == sizeof t.occupancy, "a node has up to 16 children");
    memcpy(out->occupancy, t.occupancy, sizeof t.occupancy);
    out->histograms_complete = t.whole;
    return MS_OK;
}

static int detail(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, struct ms_detail *out,
                  struct ms_error *err) {
    return look(r, s, m, out, err);
}

static int detail_head(struct ms_reader *r, const struct ms_map *m, struct ms_detail *out,
                       struct ms_error *err) {
    return look(r, NULL, m, out, err);
}

static int no_table(struct ms_error *err) {
    return ms_fail(err, MS_USAGE, "a sync.Map has no table to draw: it is a tree of nodes all over the heap");
}

static int cells(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, bool other,
                 uint64_t first, uint64_t count, size_t max_cells, struct ms_cells *out,
                 uint64_t *error_bound, struct ms_error *err) {
    (void)r, (void)s, (void)m, (void)first, (void)count, (void)max_cells;
    *out = (struct ms_cells){0};
    *error_bound = 0;
    return other ? MS_OK : no_table(err);
}

static int groups(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, uint64_t first,
                  uint64_t count, struct ms_group **out, size_t *n, struct ms_error *err) {
    (void)r, (void)s, (void)m, (void)first, (void)count;
    *out = NULL;
    *n = 0;
    return no_table(err);
}

static int pieces(struct ms_telling *tell, const struct ms_snapshot *s, const struct ms_map *m, bool deep,
                  struct ms_error *err) {
    struct trie t = {.tell = tell};
    struct ms_piece head = {.kind = MS_PIECE_HEADER,
                            .addr = m->addr,
                            .len = MS_GO_HEADER_BYTES,
                            .group = MS_UNKNOWN,
                            .slot = -1,
                            .field = header_field};
    enum ms_read rc = MS_READ_OK;
    if (ms_tell(tell, &head) && deep) rc = read_trie(tell->r, s, m->addr, entry_size(m->type), &t);
    return rc == MS_READ_GONE ? ms_fail(err, MS_GONE, "the process ended while the map was read") : MS_OK;
}

const struct ms_backend ms_go_sync_backend = {resident, detail, detail_head, cells, groups, pieces};
