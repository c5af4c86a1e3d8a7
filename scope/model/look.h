/* look.h - the frame of a bulk look at a table that lives on meanwhile; private to the backends.
 *
 * A table is read in chunks of whole units (groups, buckets), and after each chunk what says where the table lies is read
 * again.  Other arrays mean that the look starts over; entries that came, went or moved are the backend's error bound.
 */
#ifndef MS_LOOK_H
#define MS_LOOK_H

#include "model.h"

enum ms_look { MS_LOOK_OK, MS_LOOK_GONE, MS_LOOK_CHANGED };
enum { MS_LOOK_TRIES = 3 }; /* looks that start over, at most */

/* Is the table still the one that units [first, first + n) were read from?  *reread: it is, but read these once more. */
typedef enum ms_look ms_again_fn(void *look, uint64_t first, uint64_t n, bool *reread);
/* Units [first, first + n), in order. */
typedef enum ms_look ms_units_fn(void *look, uint64_t first, uint64_t n, const uint8_t *units, void *ctx);

struct ms_units {
    struct ms_reader *r;
    uint64_t base;
    uint64_t size;      /* bytes of a unit; not 0 */
    ms_again_fn *again; /* NULL: what was read stands */
    void *look;         /* of both functions */
};

/* Units [first, first + count) to fn, at most 1 MiB (or one unit) at a time. */
enum ms_look ms_look_at(const struct ms_units *u, uint64_t first, uint64_t count, ms_units_fn *fn, void *ctx);

/* What a read says about a look that cannot go on without it. */
enum ms_look ms_look_read(enum ms_read rc);

/* The error of a look that did not end well. */
int ms_look_error(enum ms_look rc, struct ms_error *err);

/* Room for what is asked of a table of `has` groups.  Cells: false if there is nothing to look at. */
bool ms_cells_room(struct ms_cells *c, uint64_t first, uint64_t count, uint64_t has, unsigned group_slots, size_t max_cells);
int ms_groups_room(struct ms_group **group, size_t *n, uint64_t first, uint64_t count, uint64_t has, struct ms_error *err);

/* The cell of a group. */
static inline size_t ms_cell_of(const struct ms_cells *c, uint64_t group) {
    return (size_t)((group - c->first) / c->per_cell);
}

#endif
