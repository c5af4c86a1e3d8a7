/* classic_pieces.c - what the memory of one classic map consists of (pieces.h).
 *
 *   header with its extra record | buckets | pool of overflow buckets | the library's own record of the array
 *
 * While it grows there is an old array too.  Which of its buckets are evacuated their first tophash byte says.
 */
#include "classic_raw.h"

#include "pieces.h"

#define FIELD(f)                                                                                             \
    { #f, offsetof(struct gomap_classic, f) }
static const struct ms_record_field header_field[] = {
    {"count", offsetof(struct gomap_classic, h.count)},
    {"flags", offsetof(struct gomap_classic, h.flags)},
    {"B", offsetof(struct gomap_classic, h.B)},
    {"noverflow", offsetof(struct gomap_classic, h.noverflow)},
    {"hash0", offsetof(struct gomap_classic, h.hash0)},
    {"buckets", offsetof(struct gomap_classic, h.buckets)},
    {"oldbuckets", offsetof(struct gomap_classic, h.oldbuckets)},
    {"nevacuate", offsetof(struct gomap_classic, h.nevacuate)},
    {"extra", offsetof(struct gomap_classic, h.extra)},
    FIELD(desc),
    FIELD(name),
    FIELD(array_buckets),
    FIELD(old_array_buckets),
    FIELD(array_bytes),
    FIELD(old_bytes),
    FIELD(held_bytes),
    FIELD(id),
    FIELD(seq),
    FIELD(size),
    FIELD(unused),
    FIELD(cookie),
    FIELD(overflow_count),
    FIELD(old_overflow_count),
    FIELD(old_evacuated),
    FIELD(cell_bytes),
    FIELD(created_ns),
    {"what extra points to", offsetof(struct gomap_classic, extra)},
    FIELD(counters),
    {NULL, 0}};

static bool is_live(uint8_t tag) { return tag >= GOMAP_TOP_MIN; }

static struct ms_piece array_of(const struct ms_classic_raw *raw, bool old) {
    const struct gomap_classic_desc *d = &raw->d;
    return (struct ms_piece){.kind = MS_PIECE_GROUPS,
                             .other = old,
                             .addr = old ? (uintptr_t)raw->c.h.oldbuckets : (uintptr_t)raw->c.h.buckets,
                             .len = (old ? ms_classic_old_buckets(raw) : ms_classic_buckets(raw)) *
                                    d->bucket_size,
                             .slot = -1,
                             .grid = {.unit = d->bucket_size,
                                      .slots = GOMAP_BUCKET_SLOTS,
                                      .key_off = GOMAP_BUCKET_KEYS,
                                      .key_stride = d->key_slot,
                                      .key_len = d->key_slot,
                                      .value_off = d->elem_off,
                                      .value_stride = d->elem_slot,
                                      .value_len = d->elem_slot,
                                      .link_off = d->overflow_off}};
}

static bool tell_array(struct ms_telling *t, const struct ms_classic_raw *raw, bool old) {
    struct ms_piece p = array_of(raw, old);
    uint64_t start = p.addr, buckets = p.len, all = old ? raw->c.old_array_buckets : raw->c.array_buckets;
    if (!ms_tell(t, &p)) return false;
    p.kind = MS_PIECE_POOL;
    p.group = MS_UNKNOWN;
    p.addr += buckets;
    p.len = all * raw->d.bucket_size - buckets;
    return ms_tell(t, &p) &&
           ms_tell_run(t, MS_PIECE_SPARE, start, old ? raw->c.old_bytes : raw->c.array_bytes);
}

int ms_classic_pieces(struct ms_telling *t, const struct ms_snapshot *s, const struct ms_map *m, bool deep,
                      struct ms_error *err) {
    struct ms_classic_raw raw;
    enum ms_certainty sure;
    const char *doubt;
    (void)s;
    enum ms_read rc = ms_classic_read(t->r, m->addr, m->id, &raw, &sure, &doubt);
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while a map was read");
    if (rc != MS_READ_OK || sure == MS_DAMAGED)
        return ms_fail(err, MS_UNCERTAIN, "the map was freed or is damaged: %s",
                       rc == MS_READ_OK ? doubt : "header");
    struct ms_piece head = {.kind = MS_PIECE_HEADER,
                            .addr = raw.addr,
                            .len = raw.c.size,
                            .group = MS_UNKNOWN,
                            .slot = -1,
                            .field = header_field};
    struct ms_hanging h = {.key_bytes = raw.d.flags & GOMAP_CF_KEY_INDIRECT ? raw.d.key_size : 0,
                           .value_bytes = raw.d.flags & GOMAP_CF_ELEM_INDIRECT ? raw.d.elem_size : 0,
                           .chains = true,
                           .is_live = is_live};
    bool more = ms_tell(t, &head);
    for (int old = 0; old < 2 && more; old++)
        if (array_of(&raw, old).addr) more = tell_array(t, &raw, old);
    for (int old = 0; old < 2 && more && deep; old++) {
        struct ms_piece p = array_of(&raw, old);
        if (p.addr) ms_tell_hanging(t, &p, &h);
        more = !t->enough && !t->gone;
    }
    return t->gone ? ms_fail(err, MS_GONE, "the process ended while a map was read") : MS_OK;
}
