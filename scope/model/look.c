/* look.c - reading a table in chunks while its owner goes on (look.h). */
#include "look.h"

#include <stdlib.h>

enum { CHUNK_BYTES = 1 << 20, GROUPS_MOST = 4096, READS_MOST = 3 };

enum ms_look ms_look_read(enum ms_read rc) {
    return rc == MS_READ_OK ? MS_LOOK_OK : rc == MS_READ_GONE ? MS_LOOK_GONE : MS_LOOK_CHANGED;
}

/* One chunk, until it stands or was read often enough. */
static enum ms_look read_chunk(const struct ms_units *u, uint64_t at, uint64_t n, uint8_t *buf) {
    bool reread = true;
    enum ms_look rc = MS_LOOK_OK;
    for (int i = 0; reread && i < READS_MOST && rc == MS_LOOK_OK; i++) {
        reread = false;
        rc = ms_look_read(ms_read(u->r, u->base + at * u->size, buf, (size_t)(n * u->size)));
        if (rc == MS_LOOK_OK && u->again) rc = u->again(u->look, at, n, &reread);
    }
    return rc;
}

enum ms_look ms_look_at(const struct ms_units *u, uint64_t first, uint64_t count, ms_units_fn *fn, void *ctx) {
    uint64_t most = u->size < CHUNK_BYTES ? CHUNK_BYTES / u->size : 1;
    uint8_t *buf = ms_alloc((size_t)(ms_min(count, most) * u->size));
    enum ms_look rc = MS_LOOK_OK;
    for (uint64_t at = first, end = first + count, n; at < end && rc == MS_LOOK_OK; at += n) {
        n = ms_min(end - at, most);
        rc = read_chunk(u, at, n, buf);
        if (rc == MS_LOOK_OK) rc = fn(u->look, at, n, buf, ctx);
    }
    free(buf);
    return rc;
}

int ms_look_error(enum ms_look rc, struct ms_error *err) {
    if (rc == MS_LOOK_GONE) return ms_fail(err, MS_GONE, "the process ended while a table was read");
    return ms_fail(err, MS_UNCERTAIN, "the table was replaced each time it was read: try again");
}

bool ms_cells_room(struct ms_cells *c, uint64_t first, uint64_t count, uint64_t has, unsigned group_slots, size_t max_cells) {
    ms_cells_free(c);
    if (first >= has) return false;
    *c = (struct ms_cells){.first = first, .groups = ms_min(count, has - first), .group_slots = group_slots};
    c->per_cell = (c->groups + max_cells - 1) / max_cells;
    c->count = (size_t)((c->groups + c->per_cell - 1) / c->per_cell);
    c->live = ms_alloc(c->count * sizeof *c->live);
    c->area = ms_alloc(c->count); /* MS_AREA_PLAIN */
    return true;
}

int ms_groups_room(struct ms_group **group, size_t *n, uint64_t first, uint64_t count, uint64_t has, struct ms_error *err) {
    free(*group);
    *group = NULL;
    *n = 0;
    if (first >= has)
        return ms_fail(err, MS_USAGE, "no group %llu: the table has %llu groups", (unsigned long long)first,
                       (unsigned long long)has);
    *n = (size_t)ms_min(ms_min(count, GROUPS_MOST), has - first);
    *group = ms_alloc(*n * sizeof **group);
    return MS_OK;
}
