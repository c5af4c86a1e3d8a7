/* gomap_table.c - bulk looks at one gomap's table: occupancy, chains, groups, resident pages, events.
 *
 * A sequence counter cannot validate a read of megabytes: a busy writer changes it every 100 ns.  So the
 * metadata is read in chunks, and after each chunk the header again.  Only a chunk that the walk went
 * through meanwhile ([split before, split after) under either geometry touches it) is read again, at most
 * twice.  If the arrays themselves were replaced, the look starts over, at most twice.  What remains is
 * stated as an error bound: error_bound().
 *
 *   one array, walking:      groups  0 ........ low edge | gap | high start ........ ngroups
 *                            positions < split, lo_ngroups        positions >= split, ngroups
 */
#include "gomap_raw.h"
#include "look.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS_MAX = 64, NODES_MAX = 1 << 20, RING_MAX = 1 << 16 };
/* 32 GiB of metadata, 10^10 entries: what claims more would only cost time. */
#define GROUPS_LOOK_MAX (UINT64_C(1) << 31)
/* Address space whose pages are looked up per map: half a million reads of pagemap. */
#define RESIDENT_MAX (UINT64_C(1) << 40)

struct look {
    struct ms_reader *r;
    struct ms_raw raw; /* as of the start */
    struct ms_geom g;
    bool low;
    uint64_t split, moves; /* as last seen */
    uint64_t first_moves;
    uint64_t count_least, count_most; /* entries, over all looks at the header */
    uint64_t in_flight;               /* entries that a write under way may just be holding in its hands */
    enum ms_certainty sure;
    const char *doubt;
};

static uint64_t group_of(uint64_t pos, uint64_t groups) {
    return (uint64_t)(((unsigned __int128)pos * groups) >> 64);
}

static enum ms_area area_of(const struct look *k, uint64_t g) {
    if (k->raw.side.walk == GOMAP_WALK_NONE) return MS_AREA_PLAIN;
    uint64_t split = k->raw.m.split;
    /* by quads: entries may lie in any group of their quad */
    bool low = split && g / 4 <= group_of(split - 1, k->raw.side.lo_ngroups) / 4;
    bool high = g / 4 >= group_of(split, k->raw.m.ngroups) / 4;
    if (ms_raw_two_arrays(&k->raw))
        return k->low ? (low ? MS_AREA_LOW : MS_AREA_GAP) : high ? MS_AREA_HIGH : MS_AREA_GAP;
    return low ? MS_AREA_LOW : high ? MS_AREA_HIGH : MS_AREA_GAP;
}

/* A write that is under way has put one entry without counting it yet, or the other way round; one that walks has
 * up to a step's entries neither here nor there. */
static void note_header(struct look *k, const struct gomap *m) {
    enum { STEP_ENTRIES = 128 };
    uint64_t holds = m->seq & 1 ? STEP_ENTRIES : m->writing & 1 ? 1 : 0;
    if (holds > k->in_flight) k->in_flight = holds;
    if (m->count < k->count_least) k->count_least = m->count;
    if (m->count > k->count_most) k->count_most = m->count;
}

/* Turn to one of the two arrays; without a second one the low array has no groups. */
static int aim(struct look *k, bool low, struct ms_error *err) {
    k->low = low;
    k->g = low && !ms_raw_two_arrays(&k->raw) ? (struct ms_geom){0} : ms_raw_geom(&k->raw, low);
    if (k->g.group_slots == 0) k->g.groups = 0;
    if (k->g.groups > GROUPS_LOOK_MAX)
        return ms_fail(err, MS_UNCERTAIN, "the table claims %llu groups, more than can be looked at",
                       (unsigned long long)k->g.groups);
    return MS_OK;
}

static int begin(struct look *k, struct ms_reader *r, const struct ms_map *m, bool low,
                 struct ms_error *err) {
    *k = (struct look){.r = r};
    if (m->certainty == MS_DAMAGED)
        return ms_fail(err, MS_UNCERTAIN, "the map is damaged: %s", m->doubt ? m->doubt : "?");
    enum ms_read rc = ms_raw_read(r, m->addr, m->id, GOMAP_COOKIE, 0, &k->raw, &k->sure, &k->doubt);
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while a map was read");
    if (rc == MS_READ_FAULT) return ms_fail(err, MS_GONE, "the map was freed while it was read");
    if (k->sure == MS_DAMAGED)
        return ms_fail(err, MS_UNCERTAIN, "the map is damaged: field %s cannot be right", k->doubt);
    k->split = k->raw.m.split;
    k->moves = k->first_moves = k->raw.side.moves;
    k->count_least = k->count_most = m->entries;
    note_header(k, &k->raw.m);
    return aim(k, low, err);
}

/* Entries by which a bulk look may be wrong: those moved meanwhile, and by how much the count wandered,
 * counted from the figure that is shown beside it.  (An insert and a delete between two looks at the header
 * cancel out unseen.) */
static uint64_t error_bound(const struct look *k) {
    return ms_add(ms_add(k->moves - k->first_moves, k->count_most - k->count_least), k->in_flight);
}

/* Did a walk from split a to split b touch groups [first, last] under either geometry? */
static bool walked(const struct look *k, uint64_t a, uint64_t b, uint64_t first, uint64_t last) {
    uint64_t from = a < b ? a : b, to = a < b ? b : a;
    uint64_t ng[2] = {k->raw.m.ngroups, k->raw.side.lo_ngroups};
    for (int i = 0; i < 2; i++)
        if (ng[i] && group_of(from, ng[i]) / 4 <= last / 4 && group_of(to, ng[i]) / 4 >= first / 4) return true;
    return false;
}

static enum ms_look look_again(void *look, uint64_t first, uint64_t n, bool *reread) {
    struct look *k = look;
    struct gomap m;
    struct gomap_side side;
    enum ms_read rc = ms_read(k->r, k->raw.addr, &m, sizeof m);
    if (rc != MS_READ_OK) return ms_look_read(rc);
    if (m.cookie != GOMAP_COOKIE || m.id != k->raw.m.id) return MS_LOOK_CHANGED;
    note_header(k, &m);
    if (m.seq == k->raw.m.seq) return MS_LOOK_OK;
    if (m.side != k->raw.m.side || m.meta != k->raw.m.meta || m.ngroups != k->raw.m.ngroups)
        return MS_LOOK_CHANGED;
    if (m.side) {
        rc = ms_read(k->r, (uintptr_t)m.side, &side, sizeof side);
        if (rc != MS_READ_OK) return ms_look_read(rc);
        if (side.walk != k->raw.side.walk || side.lo_ngroups != k->raw.side.lo_ngroups) return MS_LOOK_CHANGED;
        k->moves = side.moves;
    }
    *reread = m.split != k->split && walked(k, k->split, m.split, first, first + n - 1);
    k->split = m.split;
    return MS_LOOK_OK;
}

/* The last look, when the chains have been read too: what moved meanwhile counts. */
static enum ms_look settle(struct look *k) {
    bool reread;
    return look_again(k, 0, 1, &reread);
}

static enum ms_look look_at(struct look *k, uint64_t first, uint64_t count, ms_units_fn *fn, void *ctx) {
    const struct ms_units u = {k->r, k->g.meta, 16, look_again, k};
    return ms_look_at(&u, first, count, fn, ctx);
}

static unsigned live_in(const uint8_t *group, unsigned slots) {
    unsigned n = 0;
    for (unsigned i = 0; i < slots; i++) n += group[i] != 0;
    return n;
}

/* Entries of group g.  In the gap there are none; of an array that a growth goes into, it is not even zeroed. */
static unsigned live_at(const struct look *k, uint64_t g, const uint8_t *group) {
    return area_of(k, g) == MS_AREA_GAP ? 0 : live_in(group, k->g.group_slots);
}

/* ---- cells ------------------------------------------------------------------------------------- */

static enum ms_look add_cells(void *look, uint64_t first, uint64_t n, const uint8_t *meta, void *ctx) {
    const struct look *k = look;
    struct ms_cells *c = ctx;
    for (uint64_t i = 0; i < n; i++) {
        size_t cell = ms_cell_of(c, first + i);
        c->live[cell] += live_at(k, first + i, meta + 16 * i);
        if ((first + i - c->first) % c->per_cell == 0) c->area[cell] = (uint8_t)area_of(k, first + i);
    }
    return MS_LOOK_OK;
}

static int cells(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, bool other,
                   uint64_t first, uint64_t count, size_t max_cells, struct ms_cells *out, uint64_t *bound,
                   struct ms_error *err) {
    enum ms_look rc = MS_LOOK_CHANGED;
    (void)s;
    *out = (struct ms_cells){0};
    *bound = 0;
    for (int i = 0; i < MS_LOOK_TRIES && rc == MS_LOOK_CHANGED; i++) {
        struct look k;
        int status = begin(&k, r, m, other, err);
        if (status) return ms_cells_free(out), status;
        if (!ms_cells_room(out, first, count, k.g.groups, k.g.group_slots, max_cells)) return MS_OK;
        rc = look_at(&k, first, out->groups, add_cells, out);
        *bound = error_bound(&k);
    }
    return rc == MS_LOOK_OK ? MS_OK : (ms_cells_free(out), ms_look_error(rc, err));
}

/* ---- groups ------------------------------------------------------------------------------------ */

struct group_sink {
    struct ms_group *group;
    uint64_t first;
};

static enum ms_look add_groups(void *look, uint64_t first, uint64_t n, const uint8_t *meta, void *ctx) {
    const struct look *k = look;
    const struct group_sink *sink = ctx;
    for (uint64_t i = 0; i < n; i++) {
        struct ms_group *g = &sink->group[first + i - sink->first];
        g->index = first + i;
        memcpy(g->tophash, meta + 16 * i, 15);
        g->overflow = meta[16 * i + 15];
        g->slots = (uint8_t)k->g.group_slots;
        g->live = (uint8_t)live_in(g->tophash, k->g.group_slots);
        g->area = (uint8_t)area_of(k, first + i);
        g->addr = k->g.meta + 16 * (first + i);
        g->slots_at = k->g.slots + (first + i) * k->g.group_slots * k->raw.desc.slot_size;
        uintptr_t link = 0;
        if (k->g.links && ms_read(k->r, k->g.links + g->index / 4 * 8, &link, sizeof link) == MS_READ_GONE)
            return MS_LOOK_GONE;
        g->stash_link = link & 1;
        uint64_t node = link & ~(uintptr_t)1;
        g->chain_nodes = g->chain_entries = 0;
        for (int level = 0; node && level < LEVELS_MAX; level++) {
            struct gomap_node nd;
            enum ms_read rc = ms_read(k->r, node, &nd, sizeof nd);
            if (rc == MS_READ_GONE) return MS_LOOK_GONE;
            if (rc != MS_READ_OK) break;
            g->chain_nodes++;
            g->chain_entries += live_in(nd.tag, GOMAP_NODE_SLOTS);
            node = (uintptr_t)nd.next;
        }
    }
    return MS_LOOK_OK;
}

static int groups(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, uint64_t first,
                    uint64_t count, struct ms_group **out, size_t *n, struct ms_error *err) {
    enum ms_look rc = MS_LOOK_CHANGED;
    int status = MS_OK;
    (void)s;
    *out = NULL;
    *n = 0;
    for (int i = 0; i < MS_LOOK_TRIES && rc == MS_LOOK_CHANGED && status == MS_OK; i++) {
        struct look k;
        status = begin(&k, r, m, false, err);
        if (status == MS_OK) status = ms_groups_room(out, n, first, count, k.g.groups, err);
        struct group_sink sink = {*out, first};
        if (status == MS_OK) rc = look_at(&k, first, *n, add_groups, &sink);
    }
    if (status == MS_OK && rc == MS_LOOK_OK) return MS_OK;
    free(*out);
    *out = NULL;
    return status ? status : ms_look_error(rc, err);
}

/* ---- histograms -------------------------------------------------------------------------------- */

struct histo {
    struct ms_detail *d;
    uint64_t nodes;
};

/* Lengths of the chains of quads [first, first + n), level by level: one batch of reads a level. */
static enum ms_look add_chains(struct look *k, uint64_t first, uint64_t n, struct histo *h) {
    uintptr_t *link = ms_alloc(n * sizeof *link);
    struct ms_batch_item *item = ms_alloc(n * sizeof *item);
    struct gomap_node *node = ms_alloc(n * sizeof *node);
    uint32_t *length = ms_alloc(n * sizeof *length);
    enum ms_read rc = ms_read(k->r, k->g.links + first * 8, link, n * sizeof *link);
    bool complete = true;
    for (uint64_t i = 0; rc == MS_READ_OK && i < n; i++) {
        if (area_of(k, (first + i) * 4) == MS_AREA_GAP) link[i] = 0;
        h->d->stash_quads += link[i] & 1;
        link[i] &= ~(uintptr_t)1;
    }
    for (int level = 0; rc == MS_READ_OK; level++) {
        size_t items = 0, at = 0;
        for (uint64_t i = 0; i < n; i++)
            if (link[i]) {
                item[items] =
                    (struct ms_batch_item){.addr = link[i], .len = sizeof *node, .buf = &node[items]};
                items++;
            }
        if (items == 0) break;
        h->nodes += items;
        if (level >= LEVELS_MAX || h->nodes > NODES_MAX) {
            complete = false;
            break;
        }
        rc = ms_read_batch(k->r, item, items);
        for (uint64_t i = 0; rc == MS_READ_OK && i < n; i++) {
            if (!link[i]) continue;
            bool ok = item[at].status == MS_READ_OK;
            complete = complete && ok;
            length[i] += ok ? live_in(node[at].tag, GOMAP_NODE_SLOTS) : 0;
            link[i] = ok ? (uintptr_t)node[at].next : 0;
            at++;
        }
    }
    for (uint64_t i = 0; rc == MS_READ_OK && i < n; i++)
        h->d->chain[length[i] < MS_CHAIN_BUCKETS ? length[i] : MS_CHAIN_BUCKETS - 1]++;
    if (!complete) h->d->histograms_complete = false;
    free(link);
    free(item);
    free(node);
    free(length);
    return rc == MS_READ_OK ? MS_LOOK_OK : rc == MS_READ_GONE ? MS_LOOK_GONE : MS_LOOK_CHANGED;
}

static enum ms_look add_histograms(void *look, uint64_t first, uint64_t n, const uint8_t *meta, void *ctx) {
    struct look *k = look;
    struct histo *h = ctx;
    for (uint64_t i = 0; i < n; i++) {
        h->d->occupancy[live_at(k, first + i, meta + 16 * i)]++;
        h->d->overflowed_groups += meta[16 * i + 15] != 0 && area_of(k, first + i) != MS_AREA_GAP;
    }
    uint64_t quads = gomap_inspect_quads(first + n) - first / 4; /* chunks are whole quads but for the last */
    h->d->quads += quads;
    if (!k->g.links) {
        h->d->chain[0] += quads;
        return MS_LOOK_OK;
    }
    return add_chains(k, first / 4, quads, h);
}

static int histograms(struct ms_reader *r, const struct ms_map *m, struct ms_detail *d,
                      struct ms_error *err) {
    enum ms_look rc = MS_LOOK_CHANGED;
    for (int i = 0; i < MS_LOOK_TRIES && rc == MS_LOOK_CHANGED; i++) {
        struct look k;
        struct histo h = {.d = d};
        memset(d->occupancy, 0, sizeof d->occupancy);
        memset(d->chain, 0, sizeof d->chain);
        d->overflowed_groups = d->stash_quads = d->quads = d->error_bound = 0;
        d->histograms_complete = true;
        /* One look at both arrays: what moves from one to the other in between belongs to its bound. */
        int status = begin(&k, r, m, false, err);
        rc = MS_LOOK_OK;
        for (int low = 0; low < 2 && rc == MS_LOOK_OK && status == MS_OK; low++) {
            status = aim(&k, low, err);
            if (status == MS_OK && k.g.groups) rc = look_at(&k, 0, k.g.groups, add_histograms, &h);
        }
        if (status) return status;
        if (rc == MS_LOOK_OK) rc = settle(&k);
        d->error_bound = error_bound(&k);
    }
    if (rc == MS_LOOK_GONE) return ms_look_error(rc, err);
    if (rc == MS_LOOK_CHANGED) d->histograms_complete = false;
    return MS_OK;
}

/* ---- counters and events ----------------------------------------------------------------------- */

static void take_counters(const struct ms_raw *raw, struct ms_detail *d) {
    const struct gomap_counters *c = &raw->side.counters;
    const struct ms_counter all[] = {
        {"grows", c->grows},
        {"shrinks", c->shrinks},
        {"moved", c->moved},
        {"move_max", c->move_max},
        {"grow_failed", c->grow_failed},
        {"stashed", c->stashed},
        {"alarms", c->alarms},
        {"madvise_calls", c->madvise_calls},
        {"madvise_bytes", c->madvise_bytes},
        {"reseeds", c->reseeds},
        {"clears", c->clears},
        {"inconsistent", c->inconsistent},
    };
    d->counters = raw->has_side ? sizeof all / sizeof *all : 0;
    memcpy(d->counter, all, d->counters * sizeof *all);
}

static int by_ticket(const void *a, const void *b) {
    const struct ms_event *x = a, *y = b;
    return (x->ticket > y->ticket) - (x->ticket < y->ticket);
}

/* An event is whole if its ticket names its place in the ring, before and after it was copied. */
static_assert((int)MS_EVENT_GROW == GOMAP_EV_GROW_START && (int)MS_EVENT_GROWN == GOMAP_EV_GROW_DONE &&
                  (int)MS_EVENT_ASSIGN > GOMAP_EV_MAX,
              "events of probes are told like those of the library");

int ms_gomap_ring(struct ms_reader *r, const struct ms_copy *copy, uint32_t number, uint64_t map_id,
                  struct ms_event **out, size_t *count, struct ms_error *err) {
    struct gomap_root root;
    *out = NULL;
    *count = 0;
    enum ms_read rc = ms_read(r, copy->root, &root, sizeof root);
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while its events were read");
    if (rc != MS_READ_OK || !root.ring || root.ring_events == 0 || root.ring_events > RING_MAX) return MS_OK;
    size_t n = (size_t)root.ring_events;
    struct gomap_event *first = ms_alloc(n * sizeof *first), *second = ms_alloc(n * sizeof *second);
    rc = ms_read(r, (uintptr_t)root.ring, first, n * sizeof *first);
    if (rc == MS_READ_OK) rc = ms_read(r, (uintptr_t)root.ring, second, n * sizeof *second);
    for (size_t i = 0, room = 0; rc == MS_READ_OK && i < n; i++) {
        const struct gomap_event *e = &first[i];
        if ((map_id && e->map_id != map_id) || e->ticket == 0 || (e->ticket - 1) % n != i || e->kind >= GOMAP_EV_MAX)
            continue;
        if (memcmp(e, &second[i], sizeof *e) != 0) continue;
        MS_ROOM(*out, *count, room);
        (*out)[(*count)++] = (struct ms_event){.ticket = e->ticket,
                                               .time_ns = e->time_ns,
                                               .map_id = e->map_id,
                                               .a = e->a,
                                               .b = e->b,
                                               .kind = e->kind,
                                               .copy = number,
                                               .thread = e->thread};
    }
    free(first);
    free(second);
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while its events were read");
    if (*count) qsort(*out, *count, sizeof **out, by_ticket);
    return MS_OK;
}

int ms_gomap_events(struct ms_reader *r, const struct ms_copy *copy, const struct ms_map *m,
                    struct ms_detail *d, struct ms_error *err) {
    ms_gomap_times(r, copy, d);
    return ms_gomap_ring(r, copy, m->copy, m->id, &d->event, &d->events, err);
}

/* ---- memory that was given up ------------------------------------------------------------------ */

bool ms_event_gave_up(const struct ms_event *e, uint64_t *addr, uint64_t *bytes, bool *header) {
    *header = e->kind == GOMAP_EV_FREE;
    *addr = *header ? e->b : e->a;
    *bytes = *header ? sizeof(struct gomap) : e->b;
    return (*header && e->b) || e->kind == GOMAP_EV_RETIRE;
}

bool ms_event_freed(const struct ms_event *e) { return e->kind == GOMAP_EV_FREE; }

bool ms_event_madvise(const struct ms_event *e) { return e->kind == GOMAP_EV_MADVISE; }

static int detail_head(struct ms_reader *r, const struct ms_map *m, struct ms_detail *out,
                         struct ms_error *err) {
    struct look k;
    *out = (struct ms_detail){.map = *m};
    out->map.name = m->name ? ms_strdup(m->name) : NULL;
    out->map.doubt = NULL;
    int status = begin(&k, r, m, false, err);
    if (status) return status;
    ms_raw_fill(&k.raw, &out->map);
    out->map.copy = m->copy;
    out->map.certainty = (uint8_t)k.sure;
    if (k.sure != MS_EXACT) out->map.doubt = ms_strdup(k.doubt);
    out->split = k.raw.m.split;
    out->lo_groups = k.raw.side.walk ? k.raw.side.lo_ngroups : 0;
    out->two_arrays = ms_raw_two_arrays(&k.raw);
    take_counters(&k.raw, out);
    return MS_OK;
}

static int detail(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, struct ms_detail *out,
                    struct ms_error *err) {
    int status = detail_head(r, m, out, err);
    if (status == MS_OK) status = histograms(r, &out->map, out, err);
    if (status == MS_OK && m->copy < s->copies) status = ms_gomap_events(r, &s->copy[m->copy], m, out, err);
    return status;
}

/* ---- resident pages ---------------------------------------------------------------------------- */

struct area {
    uint64_t addr, len;
};

static size_t areas_of(const struct ms_raw *raw, struct area *out) {
    size_t n = 0;
    struct ms_geom g = ms_raw_geom(raw, false);
    uint64_t quads = gomap_inspect_quads(g.groups);
    out[n++] = (struct area){raw->addr, sizeof raw->m};
    if (raw->has_side) out[n++] = (struct area){(uintptr_t)raw->m.side, raw->side.size};
    if (raw->m.mode == GOMAP_MODE_SMALL)
        out[n++] = (struct area){g.meta, gomap_inspect_small_bytes(&raw->desc, raw->m.cap)};
    if (raw->m.mode == GOMAP_MODE_BLOCK)
        out[n++] = (struct area){g.meta, gomap_inspect_block_bytes(&raw->desc, g.groups)};
    if (raw->m.mode == GOMAP_MODE_RANGE) {
        out[n++] = (struct area){g.meta, quads * 64};
        out[n++] = (struct area){g.links, quads * 8};
        out[n++] = (struct area){g.slots, g.groups * GOMAP_GROUP_SLOTS * raw->desc.slot_size};
    }
    if (ms_raw_two_arrays(raw)) out[n++] = (struct area){(uintptr_t)raw->side.lo_meta, raw->side.lo_bytes};
    return n;
}

static int resident(struct ms_reader *r, struct ms_snapshot *s, struct ms_map *m, struct ms_error *err) {
    struct ms_raw raw;
    enum ms_certainty sure;
    const char *doubt;
    struct area area[8];
    (void)s;
    if (!r->resident || m->certainty == MS_DAMAGED) return MS_OK;
    enum ms_read rc = ms_raw_read(r, m->addr, m->id, GOMAP_COOKIE, 0, &raw, &sure, &doubt);
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while its pages were looked up");
    if (rc != MS_READ_OK || sure == MS_DAMAGED) return MS_OK;
    uint64_t resident = 0, swapped = 0;
    for (size_t i = 0, n = areas_of(&raw, area); i < n; i++) {
        uint64_t in = 0, away = 0;
        if (area[i].len > RESIDENT_MAX) return MS_OK; /* stays unknown */
        rc = r->resident(r->ctx, area[i].addr, area[i].len, &in, &away);
        if (rc == MS_READ_GONE)
            return ms_fail(err, MS_GONE, "the process ended while its pages were looked up");
        if (rc != MS_READ_OK) return MS_OK; /* stays unknown */
        resident += in;
        swapped += away;
    }
    m->resident = resident;
    m->swapped = swapped;
    return MS_OK;
}

const struct ms_backend ms_gomap_backend = {resident, detail, detail_head, cells, groups, ms_gomap_pieces};
