/* scan.c - who holds a map of a C program.
 *
 * Nothing in a C program says what is a pointer.  So every aligned word of writable memory that has the map's address
 * counts as one.  A word in a variable or on a stack is a root.  A word in allocated memory lies in an object, whose
 * start is not known either: it is where some pointer leads to, a little below.  That is looked for in one more pass over
 * all memory, a few times at most.
 *
 *   pass 1     [variable] ----------------------------------------------> map
 *              [heap  .......x] ----------------------------------------> map
 *   pass 2     [variable] ---> ^ start of the object                 the nearest pointer below x; if malloc's
 *              [heap ...y] --> ^                                     size before it reaches x, it is certain
 *   pass 3     [variable] ---> ...
 *
 * Memory is read in pieces of 256 KiB.  Where the reader can tell what is resident it is asked first, in pieces of 2 MiB,
 * and pages that were never used are left alone: reading them would make the kernel give the target page tables.  A
 * mapping above 256 GiB is address space that was reserved (shadow memory of a sanitizer): left out, and said so.
 */
#include "scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORD = 8,
    PAGE = 4096,
    PIECE = 2 << 20,
    READ_MOST = 256 << 10,
    WINDOW = 4096,
    HITS_MOST = 64,
    MALLOC_ALIGN = 16
};

#define RANGE_MOST (UINT64_C(256) << 30)

/* A word that points to the map or to an object kept before. */
struct hit {
    uint64_t addr, value;
    uint32_t to; /* hit in whose object it leads to; the map itself: NONE */
    bool root;
    char *name;
    enum ms_root kind;
    uint64_t start; /* of the object it lies in; 0: not found */
    bool sure;      /* malloc's size says so */
};
enum { NONE = UINT32_MAX };

struct search {
    struct ms_reader *r;
    const struct ms_scan *scan;
    struct hit *hit;
    size_t hits, room;
    size_t from, to;    /* hits whose objects are looked for now; from == to: the map itself is */
    uint64_t low, high; /* values of interest are in [low, high) */
    uint64_t scanned, skipped;
    bool cut;
    uint8_t *buf;
};

/* ---- words ------------------------------------------------------------------------------------- */

static void add_hit(struct search *s, uint64_t addr, uint64_t value, uint32_t to) {
    for (size_t i = 0; i < s->hits; i++)
        if (s->hit[i].addr == addr) return; /* it was met before: a way round in a circle */
    if (s->hits - s->to >= HITS_MOST) {
        s->cut = true;
        return;
    }
    MS_ROOM(s->hit, s->hits, s->room);
    s->hit[s->hits] = (struct hit){.addr = addr, .value = value, .to = to};
    struct hit *h = &s->hit[s->hits++];
    h->kind = s->scan->name(s->scan->ctx, addr, &h->name);
    h->root = h->kind != MS_ROOT_HEAP;
}

/* Does malloc's chunk at `start` reach beyond addr?  Its size lies in the word before. */
static bool chunk_holds(struct search *s, uint64_t start, uint64_t addr) {
    uint64_t size;
    if (ms_read(s->r, start - WORD, &size, sizeof size) != MS_READ_OK) return false;
    size &= ~UINT64_C(7);
    return size >= 32 && size % MALLOC_ALIGN == 0 && size <= UINT64_C(1) << 40 &&
           addr - (start - 2 * WORD) < size;
}

/* A pointer to somewhere below a word in the heap: perhaps to the start of its object. */
static void consider(struct search *s, uint64_t addr, uint64_t value) {
    for (size_t i = s->from; i < s->to; i++) {
        struct hit *h = &s->hit[i];
        if (h->root || value > h->addr || h->addr - value >= WINDOW || value % WORD) continue;
        if (addr >= value && addr <= h->addr) continue; /* from within */
        bool sure = value % MALLOC_ALIGN == 0 && chunk_holds(s, value, h->addr);
        if (h->start && (h->sure > sure || (h->sure == sure && value < h->start))) continue;
        h->start = value;
        h->sure = sure;
    }
}

static void collect(struct search *s, uint64_t addr, uint64_t value) {
    for (size_t i = s->from; i < s->to; i++)
        if (!s->hit[i].root && s->hit[i].start == value && !(addr >= value && addr <= s->hit[i].addr))
            add_hit(s, addr, value, (uint32_t)i);
}

typedef void on_word(struct search *s, uint64_t addr, uint64_t value);

static void map_word(struct search *s, uint64_t addr, uint64_t value) { add_hit(s, addr, value, NONE); }

/* ---- memory ------------------------------------------------------------------------------------ */

static enum ms_read read_piece(struct search *s, uint64_t at, uint64_t len, on_word *fn) {
    enum ms_read rc = ms_read(s->r, at, s->buf, (size_t)len);
    if (rc != MS_READ_OK) return rc;
    s->scanned += len;
    for (uint64_t i = 0; i + WORD <= len; i += WORD) {
        uint64_t value;
        memcpy(&value, s->buf + i, sizeof value);
        if (value - s->low < s->high - s->low) fn(s, at + i, value);
    }
    return MS_READ_OK;
}

/* What of a piece is there; halves of it where only some is. */
static enum ms_read look_at(struct search *s, uint64_t at, uint64_t len, on_word *fn) {
    uint64_t resident = len, swapped = 0;
    enum ms_read told =
        s->r->resident ? s->r->resident(s->r->ctx, at, len, &resident, &swapped) : MS_READ_FAULT;
    if (told == MS_READ_GONE) return told;
    if (told == MS_READ_FAULT) resident = len, swapped = 0;
    if (resident + swapped == 0) return MS_READ_OK;
    if (resident + swapped >= len && len <= READ_MOST) {
        enum ms_read rc = read_piece(s, at, len, fn);
        if (rc != MS_READ_FAULT) return rc;
    }
    if (len <= PAGE) return MS_READ_OK;
    uint64_t half = (len / 2 + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    enum ms_read rc = look_at(s, at, half, fn);
    return rc == MS_READ_GONE || half >= len ? rc : look_at(s, at + half, len - half, fn);
}

static enum ms_read pass(struct search *s, on_word *fn) {
    enum ms_read rc = MS_READ_OK;
    for (size_t i = 0; i < s->scan->ranges && rc != MS_READ_GONE; i++) {
        const struct ms_scan_range *g = &s->scan->range[i];
        if (g->end - g->start > RANGE_MOST) {
            s->skipped = ms_add(s->skipped, g->end - g->start);
            continue;
        }
        for (uint64_t at = g->start; at < g->end && rc != MS_READ_GONE;) {
            uint64_t len = ms_min(g->end - at, PIECE - at % PIECE);
            rc = look_at(s, at, len, fn);
            at += len;
        }
    }
    return rc;
}

/* ---- steps ------------------------------------------------------------------------------------- */

/* Values that lead to the objects of the hits from..to. */
static bool set_window(struct search *s) {
    s->low = UINT64_MAX, s->high = 0;
    for (size_t i = s->from; i < s->to; i++) {
        const struct hit *h = &s->hit[i];
        if (h->root) continue;
        uint64_t low = h->addr > WINDOW ? h->addr - WINDOW : WORD;
        s->low = ms_min(s->low, low);
        if (h->addr + 1 > s->high) s->high = h->addr + 1;
    }
    return s->high > s->low;
}

static enum ms_read step_back(struct search *s) {
    uint64_t before = s->scanned;
    enum ms_read rc = pass(s, consider);
    s->scanned = before;
    if (rc != MS_READ_GONE) rc = pass(s, collect);
    s->scanned = before;
    return rc;
}

/* ---- paths ------------------------------------------------------------------------------------- */

static void put_path(struct search *s, size_t at, struct ms_holders *out) {
    struct ms_holder *h = ms_holders_add(out);
    size_t len = 0, i = at, room = 0;
    FILE *f = open_memstream(&h->path, &len);
    if (s->hit[at].name)
        fputs(s->hit[at].name, f);
    else
        fprintf(f, "0x%" PRIx64, s->hit[at].addr);
    h->root = (uint8_t)s->hit[at].kind;
    for (;;) {
        MS_ROOM(h->word, h->words, room);
        h->word[h->words++] = s->hit[i].addr;
        if ((i = s->hit[i].to) == NONE) break;
        fprintf(f, "->+0x%" PRIx64, s->hit[i].addr - s->hit[i].start);
    }
    fclose(f);
}

/* Does any hit lead to the object of this one? */
static bool has_holder(const struct search *s, size_t at) {
    for (size_t i = 0; i < s->hits; i++)
        if (s->hit[i].to == at) return true;
    return false;
}

/* What holds nothing alive comes last. */
static int by_root(const void *a, const void *b) {
    const struct ms_holder *x = a, *y = b;
    int late_x = x->root < MS_ROOT_REGISTRY ? 0 : x->root, late_y = y->root < MS_ROOT_REGISTRY ? 0 : y->root;
    if (late_x != late_y) return late_x < late_y ? -1 : 1;
    if (x->words != y->words) return x->words < y->words ? -1 : 1;
    return (x->word[0] > y->word[0]) - (x->word[0] < y->word[0]);
}

static void put_paths(struct search *s, size_t most, struct ms_holders *out) {
    for (size_t i = 0; i < s->hits; i++) {
        out->pointers += s->hit[i].to == NONE;
        if (s->hit[i].root || !has_holder(s, i)) put_path(s, i, out);
    }
    out->paths = out->holders;
    if (out->holders) qsort(out->holder, out->holders, sizeof *out->holder, by_root);
    while (out->holders > most) ms_holder_drop(&out->holder[--out->holders]);
}

int ms_scan_holders(struct ms_reader *r, const struct ms_scan *scan, uint64_t map, size_t most,
                    struct ms_holders *out, struct ms_error *err) {
    struct search s = {.r = r, .scan = scan, .low = map, .high = map + 1, .buf = ms_alloc(READ_MOST)};
    enum ms_read rc = pass(&s, map_word);
    out->scanned_bytes = s.scanned;
    out->skipped_bytes = s.skipped;
    for (int depth = 1; depth < MS_SCAN_DEPTH && rc != MS_READ_GONE; depth++) {
        s.from = s.to;
        s.to = s.hits;
        if (!set_window(&s)) break;
        rc = step_back(&s);
    }
    out->conservative = true;
    out->cut = s.cut;
    put_paths(&s, most, out);
    for (size_t i = 0; i < s.hits; i++) free(s.hit[i].name);
    free(s.hit);
    free(s.buf);
    return rc == MS_READ_GONE ? ms_fail(err, MS_GONE, "the process ended while its memory was scanned")
                              : MS_OK;
}
