/* lib/observe/heap.c - from samples to a heap profile: which rows it has, and their eight values.
 *
 * A row for each piece that is held, with the name of its map; and one for each bucket, of what was taken and is gone.
 * Rows are copied under the lock, into memory that was taken before: a malloc that keeps maps would wait for itself.  Stacks
 * and labels are never freed, so the rest needs no lock.
 *
 * Maps are read while others write them, as a reader outside of the process would: single words, no pointer of theirs
 * is followed but the side record, which lives as long as the map, and the name, which set_name changes under our lock.
 */
#define _GNU_SOURCE
#include "observe_internal.h"

#include <sys/mman.h>

/* ---- a map as a pile of bytes -------------------------------------------------------------------------- */

struct pile {
    uint64_t bytes, table;       /* all; of the table */
    uint64_t entries, waste;     /* waste: what carries no entry, as mapscope has it (scope/view/totals.c) */
    const uint8_t *from[2], *to[2]; /* where tables lie */
};

/* All but the header, the slots of entries with their share of the metadata, and what entries have out of line. */
static uint64_t waste_of(const struct pile *p, uint64_t header, uint64_t slots, uint64_t payload, uint64_t meta, uint64_t cells) {
    uint64_t share = p->entries < slots ? (uint64_t)((double)meta * ((double)p->entries / (double)slots)) : meta;
    uint64_t used = header + p->entries * payload + share + cells;
    return p->bytes > used ? p->bytes - used : 0;
}

/* Words of a map that its thread may be writing: the figures may be of two moments. */
#define READS_WHAT_IS_WRITTEN __attribute__((no_sanitize("thread"))) /* on purpose: see above */

READS_WHAT_IS_WRITTEN static void pile_of_gomap(const struct gomap *m, struct pile *out) {
    const struct gomap_desc *d = m->desc;
    const struct gomap_side *s = m->side;
    uint64_t slots = m->mode == GOMAP_MODE_EMPTY ? 0 : m->mode == GOMAP_MODE_SMALL ? m->cap : m->ngroups * GOMAP_GROUP_SLOTS;
    uint64_t table = s ? s->hi_bytes : slots ? gomap_inspect_small_bytes(d, m->cap) : 0;
    uint64_t meta = m->mode >= GOMAP_MODE_BLOCK ? gomap__quads(m->ngroups) * (64 + sizeof(uintptr_t)) : slots ? 16 : 0;
    *out = (struct pile){.bytes = sizeof *m + table, .table = table, .entries = m->count};
    out->from[0] = m->mode == GOMAP_MODE_RANGE && s ? s->range_base : m->meta;
    out->to[0] = out->from[0] + (m->mode == GOMAP_MODE_RANGE && s ? s->range_bytes : table);
    if (s) out->bytes += s->size + s->lo_bytes + s->arena_bytes + s->loose_bytes;
    out->waste = waste_of(out, sizeof *m + (s ? s->size : 0), slots, d->slot_key_size + d->slot_val_size, meta,
                          s ? s->cell_bytes + s->string_bytes : 0);
}

READS_WHAT_IS_WRITTEN static void pile_of_classic(const struct gomap_classic *m, struct pile *out) {
    const struct gomap_classic_desc *d = m->desc;
    uint64_t n = m->h.buckets ? UINT64_C(1) << m->h.B : 0, slots = n * GOMAP_BUCKET_SLOTS;
    uint64_t chained = (m->overflow_count + m->old_overflow_count) * (d->bucket_size + sizeof(struct gomap_loose));
    *out = (struct pile){.bytes = m->size + m->array_bytes + m->old_bytes + m->held_bytes + chained + m->cell_bytes,
                         .table = m->array_bytes, .entries = (uint64_t)m->h.count};
    out->waste = waste_of(out, m->size, slots, d->key_slot + d->elem_slot, n * (GOMAP_BUCKET_KEYS + sizeof(void *)), m->cell_bytes);
    out->from[0] = m->h.buckets, out->to[0] = m->h.buckets + (m->h.buckets ? m->array_bytes : 0);
    out->from[1] = m->h.oldbuckets, out->to[1] = m->h.oldbuckets + (m->h.oldbuckets ? m->old_bytes : 0);
}

static void pile_of(const struct gomap_sampled_map *t, uint32_t kind, struct pile *out) {
    if (kind == GOMAP_KIND_CLASSIC)
        pile_of_classic(t->map, out);
    else
        pile_of_gomap(t->map, out);
}

uint64_t gomap__pile_bytes(const struct gomap *m) {
    struct pile p;
    pile_of_gomap(m, &p);
    return p.bytes;
}

uint64_t gomap__classic_pile_bytes(const struct gomap_classic *m) {
    struct pile p;
    pile_of_classic(m, &p);
    return p.bytes;
}

/* Bytes in core of the pages between two addresses; of what somebody unmaps meanwhile: 0. */
static uint64_t in_core(const uint8_t *from, const uint8_t *to) {
    enum { PAGES = 4096 };
    unsigned char core[PAGES];
    const uintptr_t page = gomap__page();
    uint64_t n = 0;
    for (uintptr_t at = (uintptr_t)from / page * page; at < (uintptr_t)to; at += PAGES * page) {
        uintptr_t len = (uintptr_t)to - at < PAGES * page ? (uintptr_t)to - at : PAGES * page;
        if (mincore((void *)at, len, core)) continue;
        for (uintptr_t i = 0; i < (len + page - 1) / page; i++) n += core[i] & 1;
    }
    return n * page;
}

/* Tables by their pages; headers, cells and strings count as in core. */
static uint64_t resident(const struct pile *p) {
    uint64_t n = in_core(p->from[0], p->to[0]);
    if (n > p->table) n = p->table;
    return n + (p->bytes - p->table);
}

/* ---- rows ------------------------------------------------------------------------------------------------- */

enum { NAME = 160 };
struct row {
    const struct gomap_sampled_bucket *bucket;
    int64_t value[VALUES];
    char map[NAME]; /* "": one that is gone */
};
struct rows {
    struct row *row;
    size_t count, room;
    const struct gomap_sampled_map *last; /* whose pile and share these are */
    struct pile pile;
    uint64_t resident;
};

static int64_t whole(double x) { return (int64_t)(x + 0.5); }

static void type_of(const struct gomap_sampled_bucket *b, char *out, bool site) {
    const struct gomap_desc *d = b->type;
    const struct gomap_classic_desc *c = b->type;
    bool classic = b->kind == GOMAP_KIND_CLASSIC;
    const char *at = classic ? c->site : d->site;
    snprintf(out, NAME, "%s->%s%s%s", classic ? c->key_name : d->key_name, classic ? c->elem_name : d->val_name,
             site && at ? "@" : "", site && at ? at : "");
}

static void map_name(const struct gomap_sampled_piece *p, char *out) {
    const struct gomap *m = p->map->map;
    const struct gomap_classic *c = p->map->map;
    const char *name = p->bucket->kind == GOMAP_KIND_CLASSIC ? c->name : m->side ? m->side->name : NULL;
    if (name)
        snprintf(out, NAME, "%s", name);
    else
        type_of(p->bucket, out, true);
}

static void piece_row(const struct gomap_sampled_piece *p, void *ctx) {
    struct rows *to = ctx;
    if (to->count++ >= to->room) return;
    if (to->last != p->map) {
        to->last = p->map;
        pile_of(p->map, p->bucket->kind, &to->pile);
        to->resident = resident(&to->pile);
    }
    struct row *r = &to->row[to->count - 1];
    double bytes = p->weight * (double)(p->to - p->from);
    double share = to->pile.bytes ? bytes / (double)to->pile.bytes : 0;
    *r = (struct row){.bucket = p->bucket};
    r->value[0] = r->value[2] = whole(p->weight);
    r->value[1] = r->value[3] = whole(bytes);
    r->value[4] = whole(share * (double)to->pile.entries);
    r->value[5] = whole(share * (double)to->pile.waste);
    r->value[6] = whole(share * (double)to->resident);
    map_name(p, r->map);
}

static void bucket_row(struct gomap_sampled_bucket *b, gomap_profile which, struct rows *to) {
    if (to->count++ >= to->room) return;
    struct row *r = &to->row[to->count - 1];
    *r = (struct row){.bucket = b};
    if (which == GOMAP_PROFILE_PEAK) {
        const double *at = gomap__at_peak(b);
        r->value[2] = whole(at[0]), r->value[3] = whole(at[1]);
    } else {
        r->value[0] = whole(b->taken[0] - b->held[0]), r->value[1] = whole(b->taken[1] - b->held[1]);
    }
}

/* Copy all rows; count above room: there was not enough. */
static void copy_rows(gomap_profile which, struct rows *to) {
    to->count = 0, to->last = NULL;
    gomap__samples_lock();
    if (which == GOMAP_PROFILE_HEAP) gomap__each_piece(piece_row, to);
    for (struct gomap_sampled_bucket *b = gomap__samples.buckets; b; b = b->all) bucket_row(b, which, to);
    gomap__samples_unlock();
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

enum { PAIRS = GOMAP_LABELS + 2 };

static void add_row(struct pprof *p, const struct row *r) {
    const char *label[2 * PAIRS + 1];
    char type[NAME], gone[NAME];
    size_t n = 0;
    bool some = false;
    for (int i = 0; i < VALUES; i++) some = some || r->value[i];
    if (!some) return;
    type_of(r->bucket, type, false);
    type_of(r->bucket, gone, true);
    label[n++] = "map", label[n++] = r->map[0] ? r->map : gone;
    label[n++] = "type", label[n++] = type;
    const struct gomap_sampled_labels *l = r->bucket->labels;
    for (const char *at = l ? l->text : NULL; at && at < l->text + l->bytes; at += strlen(at) + 1) label[n++] = at;
    label[n] = NULL;
    gomap__pprof_sample(p, r->bucket->stack->pc, r->bucket->stack->frames, r->value, label);
}

gomap_err gomap_profile_write(FILE *out, gomap_profile which) {
    if (!out || which > GOMAP_PROFILE_PEAK) return GOMAP_EINVAL;
    gomap__world_init();
    struct rows rows = {0};
    do {
        rows.room = rows.count + rows.count / 8 + 64;
        free(rows.row);
        rows.row = malloc(rows.room * sizeof *rows.row);
        if (!rows.row) return GOMAP_ENOMEM;
        copy_rows(which, &rows);
    } while (rows.count > rows.room);
    struct pprof *p = gomap__pprof_new();
    for (size_t i = 0; p && i < rows.count; i++) add_row(p, &rows.row[i]);
    gomap_err err = p ? gomap__pprof_write(p, out, gomap__world.profile_bytes) : GOMAP_ENOMEM;
    gomap__pprof_free(p);
    free(rows.row);
    return err;
}
