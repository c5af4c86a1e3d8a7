/* panel.c - one bucket a line, its overflow buckets to the right of it:
 *
 *     step
 *     count 27  B 3  noverflow 0  nevacuate 1 of 4
 *     oldbuckets
 *         0  [k|k|k|k|k|k|k|k] -> [k| | | | | | | ]     each box: key, and below it the tophash byte
 *         1  [k|k| | | | | | ]
 *     buckets
 *         0  ...
 *
 * All of it is read from the map: the header by the struct of inspect.h, the buckets by gomap_classic_visit. A key
 * that was deleted but whose bytes are still in the slot is shown struck through.
 */
#include "panel.h"

#include <assert.h>
#include <gomap/inspect.h>
#include <string.h>

enum { LEFT = 12, INDENT = 54, CELL = 36, TALL = 32, ROW = 38, ARROW = 22, TITLE_WIDTH = 330 };
enum { SMALL_CELL = 26, SMALL_TALL = 16, SMALL_ROW = 20 };

struct drawing {
    struct canvas *c;
    const struct look *look;
    const struct gomap_hmap *h;
    int left;
    bool any, old; /* a bucket was drawn, and of which array */
};

static int cell_width(const struct look *look) { return look->small ? SMALL_CELL : CELL; }
static int cell_tall(const struct look *look) { return look->small ? SMALL_TALL : TALL; }

static const struct mark *mark_of(const struct look *look, const void *slot) {
    for (size_t i = 0; i < look->marks_n; i++)
        if (look->marks[i].slot == slot) return &look->marks[i];
    return NULL;
}

/* How the states of a slot look, and what they are called: by tophash byte, then entries in large and small boxes. */
static const struct {
    const char *style, *name;
} states[] = {
    {"rest", "0 emptyRest"},         {"one", "1 emptyOne"},        {"x", "2 evacuatedX"},
    {"y", "3 evacuatedY"},           {"gone", "4 evacuatedEmpty"}, {"full", "key, and below it the tophash"},
    {"full", "tophash of an entry"},
};
enum { FULL = GOMAP_TOP_MIN, FULL_SMALL, STATES };
static_assert(sizeof states / sizeof *states == STATES, "one each");

static void state_word(char *to, size_t len, uint8_t top, const struct mark *mark) {
    if (mark)
        snprintf(to, len, "#%u", mark->number);
    else if (top == GOMAP_TOP_EVACUATED_X || top == GOMAP_TOP_EVACUATED_Y)
        snprintf(to, len, "%u %c", top, top == GOMAP_TOP_EVACUATED_X ? 'X' : 'Y');
    else if (top < GOMAP_TOP_MIN)
        snprintf(to, len, "%u", top);
    else
        snprintf(to, len, "%02x", top);
}

static void draw_slot(const struct drawing *d, const gomap_classic_bucket *b, unsigned i, int x, int y) {
    const struct look *look = d->look;
    const uint8_t *slot = (const uint8_t *)b->keys + i * b->key_slot;
    uint8_t top = b->tophash[i];
    bool empty = top <= GOMAP_TOP_EMPTY_ONE || top == GOMAP_TOP_EVACUATED_EMPTY;
    int width = cell_width(look), tall = cell_tall(look), middle = x + width / 2;
    unsigned state = top < FULL ? top : look->small ? FULL_SMALL : FULL;
    uint64_t key;
    char word[16];

    memcpy(&key, slot, sizeof key);
    d->c->legend |= 1U << state;
    canvas_box(d->c, x + 1, y, width - 2, tall, states[state].style);
    state_word(word, sizeof word, top, mark_of(look, slot));
    canvas_text(d->c, middle, y + tall - 5, empty ? "state" : "top", "%s", word);
    if (!look->small && key)
        canvas_text(d->c, middle, y + 14, empty ? "faded" : "key", "%llu", (unsigned long long)key);
    if (look->focus && key == look->focus && !look->small)
        canvas_box(d->c, x + 1, y, width - 2, tall, "focus");
}

static void begin_array(struct drawing *d, const gomap_classic_bucket *b) {
    if (d->any && d->old == b->old) return;
    if (d->h->oldbuckets) {
        d->c->y += 14;
        canvas_text(d->c, LEFT, d->c->y, "mono", "%s", b->old ? "oldbuckets" : "buckets");
        d->c->y += 6;
    }
    d->any = true;
    d->old = b->old;
}

static bool draw_bucket(const gomap_classic_bucket *b, void *ctx) {
    struct drawing *d = ctx;
    int width = cell_width(d->look), tall = cell_tall(d->look);
    int x = d->left + (int)b->depth * (GOMAP_BUCKET_SLOTS * width + ARROW), y;
    if (!b->depth) {
        begin_array(d, b);
        if (!d->look->one_line)
            canvas_text(d->c, d->left - 8, d->c->y + tall / 2 + 4, "index", "%zu", b->index);
        d->c->y += d->look->small ? SMALL_ROW : ROW;
    }
    y = d->c->y - (d->look->small ? SMALL_ROW : ROW);
    if (b->depth) canvas_arrow(d->c, x - ARROW + 2, y + tall / 2, ARROW - 4);
    for (unsigned i = 0; i < GOMAP_BUCKET_SLOTS; i++) draw_slot(d, b, i, x + (int)i * width, y);
    if (b->depth && b->pool != SIZE_MAX && d->look->small)
        canvas_text(d->c, x + GOMAP_BUCKET_SLOTS * width + 6, y + tall - 4, "mono", "pool %zu", b->pool);
    return true;
}

static void draw_header(const struct drawing *d) {
    const struct gomap_hmap *h = d->h;
    char more[160] = "";
    size_t n = 0;
    if (h->oldbuckets) {
        unsigned same = h->flags & GOMAP_HMAP_SAME_SIZE;
        n += (size_t)snprintf(more + n, sizeof more - n, " \u00b7 nevacuate %zu of %zu", (size_t)h->nevacuate,
                              (size_t)1 << (same ? h->B : h->B - 1));
    }
    static const struct {
        uint8_t bit;
        const char *name;
    } flags[] = {{GOMAP_HMAP_ITERATOR, "iterator"},
                 {GOMAP_HMAP_OLD_ITERATOR, "oldIterator"},
                 {GOMAP_HMAP_SAME_SIZE, "sameSizeGrow"}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (h->flags & flags[i].bit)
            n += (size_t)snprintf(more + n, sizeof more - n, " \u00b7 %s", flags[i].name);
    canvas_text(d->c, LEFT, d->c->y, "mono", "count %zd \u00b7 B %u \u00b7 hash0 %08x \u00b7 noverflow %u%s",
                (ssize_t)h->count, h->B, h->hash0, h->noverflow, more);
}

void panel_draw(struct canvas *c, const gomap_classic *map, const struct look *look, const char *title) {
    const struct gomap_classic *m = (const void *)map;
    struct drawing d = {
        .c = c, .look = look, .h = &m->h, .left = look->one_line ? LEFT + TITLE_WIDTH : INDENT};
    if (look->one_line) {
        canvas_text(c, LEFT, c->y + TALL / 2 + 4, "", "%s", title);
    } else {
        c->y += 14;
        canvas_text(c, LEFT, c->y, "step", "%s", title);
        c->y += 18;
        draw_header(&d);
        c->y += 8;
        if (!d.h->buckets) {
            c->y += 16;
            canvas_text(c, INDENT, c->y, "", "buckets is nil");
            c->y += 6;
        }
    }
    gomap_classic_visit(map, draw_bucket, &d);
    if (!look->one_line) c->y += 10;
}

void panel_legend(struct canvas *c) {
    enum { BOX = 14, LETTER = 7, APART = 42 };
    int x = LEFT;
    c->y += 4;
    for (unsigned i = 0; i < STATES; i++) {
        unsigned state = (i + FULL) % STATES; /* entries first */
        if (!(c->legend & 1U << state)) continue;
        canvas_box(c, x, c->y, BOX, BOX, states[state].style);
        canvas_text(c, x + BOX + 6, c->y + 12, "", "%s", states[state].name);
        x += (int)strlen(states[state].name) * LETTER + APART - 8;
    }
    c->y += BOX + 2;
}
