/* samples.c - from the tables of samples in a target's memory to buckets and pieces.
 *
 *   root + more -> gomap_more.samples -> gomap_samples: all buckets, then the pieces of each map
 *
 * The lists change whenever a sample is taken or goes; a number says so, and all is read again, with patience.  Records lie close
 * together in slabs, so they are read by blocks that are kept for the time of one reading.
 */
#include "samples.h"

#include "gomap/inspect.h"

#include <stdlib.h>
#include <string.h>

enum {
    BUCKETS_MOST = 1 << 18,
    PIECES_MOST = 1 << 21,
    LISTS_MOST = 1 << 22,
    PCS_MOST = 1 << 23,
    TEXT_MOST = 1 << 25
};
enum { BLOCK = 16 << 10, BLOCKS = 64, NAME_MOST = 256 };

/* ---- records, by blocks -------------------------------------------------------------------------------- */

struct loading {
    struct ms_reader *r;
    struct ms_samples *out;
    uint32_t copy;
    bool gone;
    uint64_t pieces_left;      /* that the table says it has */
    uint64_t block_at[BLOCKS]; /* 1 + address; 0: none */
    uint8_t block[BLOCKS][BLOCK];
};

static bool get(struct loading *l, uint64_t addr, void *to, size_t n) {
    uint64_t at = addr / BLOCK * BLOCK;
    size_t place = at / BLOCK % BLOCKS;
    if (addr - at + n <= BLOCK && l->block_at[place] != at + 1) {
        enum ms_read rc = ms_read(l->r, at, l->block[place], BLOCK);
        l->gone = rc == MS_READ_GONE;
        l->block_at[place] = rc == MS_READ_OK ? at + 1 : 0;
    }
    if (addr - at + n <= BLOCK && l->block_at[place] == at + 1)
        return memcpy(to, l->block[place] + (addr - at), n), true;
    enum ms_read rc = l->gone ? MS_READ_GONE : ms_read(l->r, addr, to, n);
    l->gone = rc == MS_READ_GONE;
    return rc == MS_READ_OK;
}

static uint64_t of(const void *pointer) { return (uintptr_t)pointer; }

/* ---- buckets --------------------------------------------------------------------------------------------- */

static bool take_stack(struct loading *l, uint64_t addr, struct ms_sample_bucket *b) {
    struct ms_samples *out = l->out;
    struct gomap_sampled_stack s;
    uint64_t pc[GOMAP_SAMPLED_FRAMES];
    if (!get(l, addr, &s, sizeof s) || s.frames > GOMAP_SAMPLED_FRAMES || out->pcs > PCS_MOST) return false;
    if (!get(l, addr + offsetof(struct gomap_sampled_stack, pc), pc, s.frames * sizeof *pc)) return false;
    b->pc = (uint32_t)out->pcs, b->frames = s.frames;
    for (uint32_t i = 0; i < s.frames; i++) {
        MS_ROOM(out->pc, out->pcs, out->pc_room);
        out->pc[out->pcs++] = pc[i];
    }
    return true;
}

static bool take_labels(struct loading *l, uint64_t addr, struct ms_sample_bucket *b) {
    struct ms_samples *out = l->out;
    struct gomap_sampled_labels head;
    char text[GOMAP_SAMPLED_LABELS];
    const size_t at = offsetof(struct gomap_sampled_labels, text);
    if (!addr) return true;
    if (!get(l, addr, &head, at) || head.bytes > sizeof text || out->text_bytes > TEXT_MOST) return false;
    if (!head.bytes || !get(l, addr + at, text, head.bytes) || text[head.bytes - 1]) return false;
    b->label = (uint32_t)out->text_bytes, b->bytes = head.bytes;
    for (uint32_t i = 0; i < head.bytes; i++) {
        MS_ROOM(out->text, out->text_bytes, out->text_room);
        out->text[out->text_bytes++] = text[i];
    }
    return true;
}

static bool sane(const double v[2]) { return v[0] > -1e18 && v[0] < 1e18 && v[1] > -1e18 && v[1] < 1e18; }

static bool take_bucket(struct loading *l, uint64_t at, uint64_t *next) {
    struct gomap_sampled_bucket raw;
    if (!get(l, at, &raw, sizeof raw) || !sane(raw.taken) || !sane(raw.held)) return false;
    struct ms_sample_bucket b = {.at = at, .type = of(raw.type), .copy = l->copy, .kind = raw.kind};
    if (!take_stack(l, of(raw.stack), &b) || !take_labels(l, of(raw.labels), &b)) return false;
    memcpy(b.taken, raw.taken, sizeof b.taken);
    memcpy(b.held, raw.held, sizeof b.held);
    MS_ROOM(l->out->bucket, l->out->buckets, l->out->bucket_room);
    l->out->bucket[l->out->buckets++] = b;
    *next = of(raw.all);
    return true;
}

static int by_place(const void *a, const void *b) {
    const struct ms_sample_bucket *x = a, *y = b;
    if (x->copy != y->copy) return x->copy < y->copy ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static const struct ms_sample_bucket *bucket_at(const struct loading *l, uint64_t at) {
    const struct ms_sample_bucket key = {.at = at, .copy = l->copy};
    if (!l->out->buckets) return NULL;
    return bsearch(&key, l->out->bucket, l->out->buckets, sizeof key, by_place);
}

/* ---- pieces ------------------------------------------------------------------------------------------------ */

static bool take_pieces(struct loading *l, uint64_t map, uint64_t at) {
    struct gomap_sampled_piece raw;
    for (; at; at = of(raw.below)) {
        if (!l->pieces_left-- || !get(l, at, &raw, sizeof raw)) return false;
        const struct ms_sample_bucket *b = bucket_at(l, of(raw.bucket));
        if (!b || raw.to <= raw.from || !(raw.weight >= 1 && raw.weight < 1e15)) return false;
        MS_ROOM(l->out->piece, l->out->pieces, l->out->piece_room);
        l->out->piece[l->out->pieces++] = (struct ms_sample_piece){.map = map,
                                                                   .copy = l->copy,
                                                                   .bucket = (uint32_t)(b - l->out->bucket),
                                                                   .bytes = raw.to - raw.from,
                                                                   .weight = raw.weight};
    }
    return true;
}

static bool take_maps(struct loading *l, const struct gomap_samples *s) {
    struct gomap_sampled_map m;
    uint64_t at, left = s->nmaps;
    if (!s->maps) return true;
    if (s->map_mask >= LISTS_MOST || left > PIECES_MOST || s->npieces > PIECES_MOST - l->out->pieces)
        return false;
    l->pieces_left = s->npieces;
    for (uint64_t i = 0; i <= s->map_mask; i++) {
        if (!get(l, of(s->maps) + i * sizeof at, &at, sizeof at)) return false;
        for (; at; at = of(m.next))
            if (!left-- || !get(l, at, &m, sizeof m) || !take_pieces(l, m.id, of(m.top))) return false;
    }
    return true;
}

/* ---- all of a copy ------------------------------------------------------------------------------------------- */

static bool take_all(struct loading *l, const struct gomap_samples *s) {
    uint64_t at = of(s->buckets), left = s->nbuckets, rate = 0;
    struct ms_samples *out = l->out;
    memset(l->block_at, 0, sizeof l->block_at);
    if (left > BUCKETS_MOST) return false;
    while (at)
        if (!left-- || !take_bucket(l, at, &at)) return false;
    if (out->buckets) qsort(out->bucket, out->buckets, sizeof *out->bucket, by_place);
    if (s->rate && get(l, of(s->rate), &rate, sizeof rate) && rate) out->rate = rate;
    return take_maps(l, s);
}

/* Where the table of a copy is; 0: it has none. */
static uint64_t table_of(struct ms_reader *r, const struct ms_copy *c) {
    struct gomap_root root;
    uint32_t size;
    uint64_t table, more, at = offsetof(struct gomap_more, samples);
    if (!c->readable || ms_read(r, c->root, &root, sizeof root) != MS_READ_OK || !root.more) return 0;
    more = c->root + (uint64_t)(int64_t)root.more;
    if (ms_read(r, more, &size, sizeof size) != MS_READ_OK || size < at + sizeof table) return 0;
    return ms_read(r, more + at, &table, sizeof table) == MS_READ_OK ? table : 0;
}

static void load_copy(struct loading *l, uint64_t table) {
    struct ms_samples *out = l->out;
    struct ms_samples before = *out;
    struct gomap_samples s, again;
    bool whole, same;
    int i = 0;
    do {
        out->buckets = before.buckets, out->pieces = before.pieces, out->pcs = before.pcs,
        out->text_bytes = before.text_bytes;
        if (ms_read(l->r, table, &s, sizeof s) != MS_READ_OK || s.size < sizeof s) return;
        whole = take_all(l, &s);
        same = ms_read(l->r, table, &again, sizeof again) == MS_READ_OK && s.seq == again.seq && !(s.seq & 1);
    } while (!same && !l->gone && ms_patient(l->r, i++, false, true));
    out->tables++;
    out->dropped += s.dropped;
    out->changing |= !same;
    out->damaged |= same && !whole;
}

/* ---- types: read once their addresses are known, since they never change ---------------------------------------- */

static char *text_of(struct ms_reader *r, const char *at) {
    char *text;
    return ms_read_string(r, of(at), NAME_MOST, &text) == MS_READ_OK ? text : ms_strdup("?");
}

static void name_type(struct ms_reader *r, struct ms_sample_bucket *b) {
    const char *key = NULL, *value = NULL, *site = NULL;
    struct gomap_desc d;
    struct gomap_classic_desc c;
    if (b->kind == GOMAP_KIND_CLASSIC && ms_read(r, b->type, &c, sizeof c) == MS_READ_OK)
        key = c.key_name, value = c.elem_name, site = c.site;
    if (b->kind == GOMAP_KIND_GOMAP && ms_read(r, b->type, &d, sizeof d) == MS_READ_OK)
        key = d.key_name, value = d.val_name, site = d.site;
    char *from = text_of(r, key), *to = text_of(r, value);
    b->type_name = ms_asprintf("%s->%s", from, to);
    b->site = site ? text_of(r, site) : NULL;
    free(from);
    free(to);
}

/* Buckets of one type have it from each other. */
static void name_types(struct ms_reader *r, struct ms_samples *out) {
    enum { KNOWN = 256 };
    const struct ms_sample_bucket *known[KNOWN] = {NULL};
    for (size_t i = 0; i < out->buckets; i++) {
        struct ms_sample_bucket *b = &out->bucket[i];
        const struct ms_sample_bucket **like = &known[b->type / 16 % KNOWN];
        if (*like && (*like)->type == b->type && (*like)->kind == b->kind)
            b->type_name = ms_strdup((*like)->type_name),
            b->site = (*like)->site ? ms_strdup((*like)->site) : NULL;
        else
            name_type(r, b);
        *like = b;
    }
}

int ms_samples_load(struct ms_reader *r, const struct ms_snapshot *s, struct ms_samples *out,
                    struct ms_error *err) {
    struct loading *l = ms_alloc(sizeof *l);
    *out = (struct ms_samples){0};
    l->r = r, l->out = out;
    for (l->copy = 0; l->copy < s->copies && !l->gone; l->copy++) {
        uint64_t table = table_of(r, &s->copy[l->copy]);
        if (table) load_copy(l, table);
    }
    bool gone = l->gone;
    if (!gone) name_types(r, out);
    free(l);
    return gone ? ms_fail(err, MS_GONE, "the process ended while its samples were read") : MS_OK;
}

void ms_samples_free(struct ms_samples *s) {
    for (size_t i = 0; i < s->buckets; i++) free(s->bucket[i].type_name), free(s->bucket[i].site);
    free(s->bucket);
    free(s->piece);
    free(s->pc);
    free(s->text);
    *s = (struct ms_samples){0};
}
