/* pieces.c - what the backends share when they tell the pieces of a map (pieces.h): names, and what hangs off slots.
 *
 * Tables are read in chunks of whole units.  Pointers are the target's: what they lead to is told, not read, except for
 * chains, of which so many nodes are followed that no honest map has more.
 */
#include "pieces.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 20, CHAIN_MOST = 4096, UNIT_MOST = 1 << 20 };
#define LOOK_MOST (UINT64_C(1) << 36) /* bytes of a run: what claims more would only cost time */

static const struct {
    const char *name, *title;
} known[] = {
    [MS_PIECE_HEADER] = {"header", "header"},
    [MS_PIECE_SIDE] = {"side", "side record"},
    [MS_PIECE_METADATA] = {"metadata", "tophash bytes"},
    [MS_PIECE_LINKS] = {"links", "heads of chains"},
    [MS_PIECE_SLOTS] = {"slots", "slots"},
    [MS_PIECE_GROUPS] = {"groups", "groups"},
    [MS_PIECE_POOL] = {"pool", "pool of overflow buckets"},
    [MS_PIECE_OVERFLOW] = {"overflow", "overflow node"},
    [MS_PIECE_DIRECTORY] = {"directory", "directory of tables"},
    [MS_PIECE_TABLE] = {"table", "record of a table"},
    [MS_PIECE_NODE] = {"node", "node of the tree"},
    [MS_PIECE_ENTRY] = {"entry", "entry of the tree"},
    [MS_PIECE_KEY] = {"key", "key out of line"},
    [MS_PIECE_VALUE] = {"value", "value out of line"},
    [MS_PIECE_STRING] = {"string", "bytes of a string key"},
    [MS_PIECE_STASH] = {"stash", "header of the stash"},
    [MS_PIECE_SPARE] = {"spare", "allocated for the table, not used"},
    [MS_PIECE_RESERVED] = {"reserved", "address range reserved for the table"},
};
static_assert(sizeof known / sizeof *known == MS_PIECE_KINDS, "a name for each");

const char *ms_piece_name(enum ms_piece_kind k) { return known[k].name; }
const char *ms_piece_title(enum ms_piece_kind k) { return known[k].title; }

bool ms_tell(struct ms_telling *t, const struct ms_piece *p) {
    if (p->len && !t->enough && !t->fn(t->ctx, p)) t->enough = true;
    return !t->enough && !t->gone;
}

bool ms_tell_run(struct ms_telling *t, enum ms_piece_kind kind, uint64_t addr, uint64_t len) {
    return ms_tell(
        t, &(struct ms_piece){.kind = kind, .addr = addr, .len = len, .group = MS_UNKNOWN, .slot = -1});
}

/* ---- what hangs off slots ---------------------------------------------------------------------- */

static uint64_t word_at(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static bool tell_slot(struct ms_telling *t, const struct ms_grid *g, const uint8_t *unit, uint64_t group,
                      int slot, const struct ms_hanging *h) {
    struct ms_piece p = {.group = group, .slot = slot};
    const uint8_t *key = unit + g->key_off + (size_t)slot * g->key_stride;
    const uint8_t *value = unit + g->value_off + (size_t)slot * g->value_stride;
    if (h->strings || h->key_bytes) {
        uint32_t len = h->key_bytes;
        if (h->strings) memcpy(&len, key + 8, sizeof len);
        p.kind = h->strings ? MS_PIECE_STRING : MS_PIECE_KEY;
        p.addr = word_at(key);
        p.len = len;
        if (p.addr && !ms_tell(t, &p)) return false;
    }
    if (h->value_bytes) {
        p.kind = MS_PIECE_VALUE;
        p.addr = word_at(value);
        p.len = h->value_bytes;
        if (p.addr && !ms_tell(t, &p)) return false;
    }
    return true;
}

/* Does everything that is read of a unit lie in it?  Sizes may be the target's. */
static bool is_sound(const struct ms_grid *g, const struct ms_hanging *h) {
    uint64_t last = g->slots ? g->slots - 1 : 0,
             key = h->strings     ? 16
                   : h->key_bytes ? 8
                                  : 0,
             value = h->value_bytes ? 8 : 0;
    return g->unit && g->unit <= UNIT_MOST &&
           (g->tag_off == MS_TAGS_APART || (uint64_t)g->tag_off + g->slots <= g->unit) &&
           (g->link_off == MS_NO_LINK ? !h->chains : (uint64_t)g->link_off + 8 <= g->unit) &&
           (!key || g->key_off + last * g->key_stride + key <= g->unit) &&
           (!value || g->value_off + last * g->value_stride + value <= g->unit);
}

static bool has_far(const struct ms_hanging *h) { return h->strings || h->key_bytes || h->value_bytes; }

/* tags: of the unit's slots. */
static bool tell_unit(struct ms_telling *t, const struct ms_grid *g, const uint8_t *unit, const uint8_t *tags,
                      uint64_t group, const struct ms_hanging *h) {
    for (uint32_t i = 0; has_far(h) && i < g->slots; i++)
        if (h->is_live(tags[i]) && !tell_slot(t, g, unit, group, (int)i, h)) return false;
    return true;
}

void ms_tell_chain(struct ms_telling *t, uint64_t head, const struct ms_grid *grid, uint64_t group,
                   const struct ms_hanging *h) {
    if (!is_sound(grid, h) || grid->link_off == MS_NO_LINK || grid->tag_off == MS_TAGS_APART) return;
    uint8_t *unit = ms_alloc(grid->unit);
    int level = 0;
    for (uint64_t at = head;
         at && at != h->chain_end && level++ < CHAIN_MOST && t->nodes++ < t->nodes_most;) {
        enum ms_read rc = ms_read(t->r, at, unit, grid->unit);
        t->gone = t->gone || rc == MS_READ_GONE;
        if (rc != MS_READ_OK) break;
        struct ms_piece p = {.kind = MS_PIECE_OVERFLOW,
                             .addr = at,
                             .len = grid->unit,
                             .group = group,
                             .slot = -1,
                             .grid = *grid};
        if (!ms_tell(t, &p) || !tell_unit(t, grid, unit, unit + grid->tag_off, group, h)) break;
        at = word_at(unit + grid->link_off);
    }
    free(unit);
}

/* n units of a run, read. */
static bool tell_chunk(struct ms_telling *t, const struct ms_piece *run, uint64_t first, uint64_t n,
                       const uint8_t *units, const uint8_t *tags, const struct ms_hanging *h) {
    const struct ms_grid *g = &run->grid;
    for (uint64_t i = 0; i < n; i++) {
        const uint8_t *unit = units + i * g->unit;
        const uint8_t *tag = tags ? tags + i * run->tag_unit : unit + g->tag_off;
        if (!tell_unit(t, g, unit, tag, run->group + first + i, h)) return false;
        if (h->chains && !tags &&
            !(run->other && tag[0] > 1 && tag[0] < 5)) /* evacuated: its links may be gone */
            ms_tell_chain(t, word_at(unit + g->link_off), g, run->group + first + i, h);
        if (t->enough || t->gone) return false;
    }
    return true;
}

void ms_tell_hanging(struct ms_telling *t, const struct ms_piece *run, const struct ms_hanging *h) {
    const struct ms_grid *g = &run->grid;
    if (!is_sound(g, h) || run->len > LOOK_MOST || run->area == MS_AREA_GAP || !(has_far(h) || h->chains))
        return;
    uint64_t all = run->len / g->unit, most = ms_min(all, CHUNK_BYTES / g->unit + 1);
    bool apart = g->tag_off == MS_TAGS_APART;
    uint8_t *units = ms_alloc((size_t)(most * g->unit) + 1),
            *tags = apart ? ms_alloc((size_t)(most * run->tag_unit) + 1) : NULL;
    for (uint64_t at = 0, n; at < all; at += n) {
        n = ms_min(most, all - at);
        enum ms_read rc = ms_read(t->r, run->addr + at * g->unit, units, (size_t)(n * g->unit));
        if (rc == MS_READ_OK && apart)
            rc = ms_read(t->r, run->tags + at * run->tag_unit, tags, (size_t)(n * run->tag_unit));
        t->gone = t->gone || rc == MS_READ_GONE;
        if (t->gone || (rc == MS_READ_OK && !tell_chunk(t, run, at, n, units, tags, h))) break;
    }
    free(units);
    free(tags);
}
