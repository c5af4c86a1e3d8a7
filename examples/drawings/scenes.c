/* scenes.c - the pictures of docs/go-map.md, one function each.  A canvas gets one panel after another while the map
 * is driven on, so each panel is the state between two operations. */
#include "scenes.h"
#include "panel.h"

#include <gomap/inspect.h>

enum { CROWD = 26 };        /* entries that four buckets take before they double: 6.5 each */
enum { FOUR_BUCKETS = 12 }; /* a hash seed under which those give one overflow bucket */

static const struct gomap_hmap *header(const gomap_classic *map) {
    return &((const struct gomap_classic *)(const void *)map)->h;
}

static void draw_step(struct canvas *c, const gomap_classic *map, uint64_t focus, const char *title) {
    struct look look = {.focus = focus};
    panel_draw(c, map, &look, title);
}

static void drop(gomap_classic *map, uint64_t key) {
    expect(gomap_classic_delete(map, &key), "a key to delete");
}

/* The next key after `key` that belongs to a bucket. */
static uint64_t next_of_bucket(const gomap_classic *map, uint64_t key, uint64_t bucket) {
    uint64_t mask = (UINT64_C(1) << header(map)->B) - 1;
    do key++;
    while ((hash_of(&key, header(map)->hash0, NULL) & mask) != bucket);
    return key;
}

void draw_first(const char *folder) {
    struct chance chance = {1};
    struct canvas c;
    gomap_classic *map = new_map(&chance, 0);
    canvas_begin(&c);
    draw_step(&c, map, 0, "make: a header, no bucket");
    insert(map, 1);
    draw_step(&c, map, 1, "insert 1: the first bucket");
    insert_range(map, 2, 8);
    expect(header(map)->B == 0, "eight entries in one bucket");
    draw_step(&c, map, 0, "insert 2 to 8: the bucket is full");
    insert(map, 9);
    expect(header(map)->B == 1 && !header(map)->oldbuckets, "nine entries in two buckets");
    draw_step(&c, map, 9, "insert 9: doubled, and the one old bucket is evacuated at once");
    panel_legend(&c);
    canvas_save(&c, folder, "first",
                "A map without a bucket, with one entry, with eight, and doubled by the ninth.");
    gomap_classic_free(map);
}

void draw_overflow(const char *folder) {
    struct chance chance = {FOUR_BUCKETS};
    struct canvas c;
    gomap_classic *map = new_map(&chance, CROWD);
    insert_range(map, 1, CROWD);
    expect(header(map)->B == 2 && header(map)->noverflow == 1, "one overflow bucket at load 6.5");
    canvas_begin(&c);
    draw_step(&c, map, 0, "26 entries in 4 buckets: load 6.5");
    panel_legend(&c);
    canvas_save(&c, folder, "overflow", "Four buckets with 26 entries; one of them has an overflow bucket.");
    gomap_classic_free(map);
}

void draw_growing(const char *folder) {
    struct chance chance = {FOUR_BUCKETS};
    struct canvas c;
    gomap_classic *map = new_map(&chance, CROWD);
    insert_range(map, 1, CROWD + 1);
    canvas_begin(&c);
    expect(header(map)->B == 3 && header(map)->oldbuckets, "27 entries, growing");
    expect(stats_of(map).old_evacuated == 2, "two old buckets a write");
    draw_step(&c, map, CROWD + 1, "insert 27: a new array; two old buckets are evacuated");
    insert(map, 1);
    expect(!header(map)->oldbuckets, "the growth is over");
    draw_step(&c, map, 1, "assign to key 1: the other two, and the old array is given up");
    panel_legend(&c);
    canvas_save(&c, folder, "growing",
                "The 27th insert doubles four buckets; the write after it ends the growth.");
    gomap_classic_free(map);
}

/* One bucket, one line a step. */
static void draw_bucket_at(struct canvas *c, const gomap_classic *map, uint64_t focus, const char *title) {
    struct look look = {.focus = focus, .one_line = true};
    panel_draw(c, map, &look, title);
}

static void draw_deleting_chain(struct canvas *c) {
    struct chance chance = {9};
    gomap_classic *map = new_map(&chance, 9);
    uint64_t key = 0, keys[9];
    for (unsigned i = 0; i < 9; i++) insert(map, keys[i] = key = next_of_bucket(map, key, 0));
    expect(header(map)->B == 1 && header(map)->noverflow == 1, "nine entries in one chain");
    c->y += 8;
    draw_step(c, map, 0, "a chain of two buckets");
    drop(map, keys[7]);
    draw_step(c, map, keys[7], "delete 27, in slot 7: an entry follows in the overflow bucket");
    drop(map, keys[8]);
    draw_step(c, map, keys[8], "delete 28: emptyRest, back across the border; the bucket stays");
    gomap_classic_free(map);
}

void draw_deleting(const char *folder) {
    struct chance chance = {1};
    struct canvas c;
    gomap_classic *map = new_map(&chance, 0);
    insert_range(map, 1, 8);
    canvas_begin(&c);
    draw_bucket_at(&c, map, 0, "eight entries");
    drop(map, 4);
    draw_bucket_at(&c, map, 4, "delete 4: entries follow, so emptyOne");
    insert(map, 9);
    draw_bucket_at(&c, map, 9, "insert 9: takes the first empty slot");
    drop(map, 8);
    draw_bucket_at(&c, map, 8, "delete 8: nothing follows, so emptyRest");
    drop(map, 6);
    draw_bucket_at(&c, map, 6, "delete 6: emptyOne");
    drop(map, 7);
    draw_bucket_at(&c, map, 7, "delete 7: emptyRest, and back over emptyOne");
    draw_deleting_chain(&c);
    panel_legend(&c);
    canvas_save(&c, folder, "deleting",
                "How deletes turn slots into emptyOne and runs of them into emptyRest.");
    gomap_classic_free(map);
}

void draw_packing(const char *folder) {
    struct chance chance = {3};
    struct canvas c;
    gomap_classic *map = new_map(&chance, CROWD);
    uint64_t key = 0;
    for (uint64_t bucket = 0; bucket < 4; bucket++) { /* fill a chain, empty it but for its last entry */
        uint64_t keys[9];
        for (unsigned i = 0; i < 9; i++) insert(map, keys[i] = key = next_of_bucket(map, key, bucket));
        for (unsigned i = 0; i < 8; i++) drop(map, keys[i]);
    }
    canvas_begin(&c);
    expect(header(map)->B == 2 && header(map)->noverflow == 4, "as many overflow buckets as buckets");
    draw_step(&c, map, 0, "four entries, and as many overflow buckets as buckets");
    insert(map, ++key);
    expect(header(map)->flags & GOMAP_HMAP_SAME_SIZE && header(map)->B == 2, "growth to the same size");
    draw_step(&c, map, key, "insert a new key: growth to the same size");
    while (header(map)->oldbuckets) insert(map, key);
    expect(!header(map)->noverflow, "packed");
    draw_step(&c, map, 0, "further assigns to that key: all is packed, no overflow bucket");
    panel_legend(&c);
    canvas_save(&c, folder, "packing", "Growth to the same size: long, nearly empty chains are packed.");
    gomap_classic_free(map);
}

/* Iterate on, at most `most` entries; note where each lies now. */
static size_t note_visits(gomap_classic_iter *it, struct mark *marks, size_t n, size_t most) {
    for (; most && gomap_classic_iter_next(it); most--, n++)
        marks[n] = (struct mark){it->key, (unsigned)n + 1};
    return n;
}

static void draw_visits(struct canvas *c, const gomap_classic *map, const struct mark *marks, size_t n,
                        const char *title) {
    struct look look = {.marks = marks, .marks_n = n};
    panel_draw(c, map, &look, title);
}

/* An iteration that nothing disturbs; and one that began before a growth. */
static void draw_before(struct canvas *c, gomap_classic *map) {
    enum { FIRST = 10 };
    struct mark marks[CROWD + 1];
    gomap_classic_iter it;
    char title[100];

    gomap_classic_iter_init(&it, map);
    snprintf(title, sizeof title, "an iteration that starts at bucket %zu, slot %u", it.start_bucket,
             it.offset);
    size_t n = note_visits(&it, marks, 0, SIZE_MAX);
    expect(n == CROWD, "all seen");
    draw_visits(c, map, marks, n, title);

    gomap_classic_iter_init(&it, map);
    snprintf(title, sizeof title, "from bucket %zu, slot %u; after #%u the map grows", it.start_bucket,
             it.offset, (unsigned)FIRST);
    n = note_visits(&it, marks, 0, FIRST);
    insert(map, CROWD + 1);
    expect(header(map)->oldbuckets, "growing under an iterator");
    n = note_visits(&it, marks, n, SIZE_MAX);
    expect(n == CROWD || n == CROWD + 1, "all seen once");
    draw_visits(c, map, marks, n, title);
}

void draw_iterating(const char *folder) {
    struct mark marks[CROWD + 1];
    struct chance chance = {FOUR_BUCKETS};
    struct canvas c;
    gomap_classic_iter it;
    char title[100];
    gomap_classic *map = new_map(&chance, CROWD);
    insert_range(map, 1, CROWD);
    canvas_begin(&c);
    draw_before(&c, map);
    panel_legend(&c);
    canvas_save(&c, folder, "iterating",
                "In which order two iterations see the entries; the map grows under the second.");

    canvas_begin(&c);
    gomap_classic_iter_init(&it, map);
    snprintf(title, sizeof title, "begun in mid-growth, at bucket %zu, slot %u", it.start_bucket, it.offset);
    size_t n = note_visits(&it, marks, 0, SIZE_MAX);
    expect(n == CROWD + 1 && header(map)->oldbuckets, "all seen in mid-growth");
    draw_visits(&c, map, marks, n, title);
    panel_legend(&c);
    canvas_save(&c, folder, "midgrowth",
                "In which order an iteration that began in mid-growth sees the entries.");
    gomap_classic_free(map);
}

void draw_clearing(const char *folder) {
    struct chance chance = {FOUR_BUCKETS};
    struct canvas c;
    gomap_classic *map = new_map(&chance, CROWD);
    insert_range(map, 1, CROWD);
    uint32_t seed = header(map)->hash0;
    const void *array = header(map)->buckets;
    canvas_begin(&c);
    draw_step(&c, map, 0, "26 entries");
    gomap_classic_clear(map);
    expect(header(map)->buckets == array && header(map)->hash0 != seed, "the same array, another hash seed");
    draw_step(&c, map, 0, "clear: the same array, zeroed; no overflow bucket; another hash0");
    panel_legend(&c);
    canvas_save(&c, folder, "clearing", "A cleared map keeps its array.");
    gomap_classic_free(map);
}

void draw_pool(const char *folder) {
    enum { B4_MOST = 104 };
    struct chance chance = {2};
    struct canvas c;
    struct look look = {.small = true};
    gomap_classic *map = new_map(&chance, B4_MOST);
    insert_range(map, 1, B4_MOST);
    gomap_classic_stats stats = stats_of(map);
    expect(stats.B == 4 && stats.pool == 2 && stats.overflow > 0, "a pool of two, and more");
    canvas_begin(&c);
    panel_draw(&c, map, &look, "104 entries in 16 buckets; the pool has two overflow buckets");
    panel_legend(&c);
    canvas_save(&c, folder, "pool",
                "Sixteen buckets; the first two overflow buckets come from the array's own tail.");
    gomap_classic_free(map);
}
