/* flat.h - a table that one process writes and another believes only after a look.
 *
 * Debug information is parsed where a mistake does no harm (confine.h), and what it says comes back as bytes.  Those
 * bytes are as hostile as the file: whoever took over the parser wrote them.  So they are of a form that is checked
 * by a few comparisons, and holds nothing to follow but numbers of rows and places of names:
 *
 *      +------------+------------+------------+-----+---------------+
 *      | head       | rows of    | rows of    | ... | names, each   |
 *      | counts     | part 0     | part 1     |     | with its NUL  |
 *      +------------+------------+------------+-----+---------------+
 *
 * Where a part lies follows from the counts before it, so no offset can lie.  How large a row is both sides
 * know: it is no part of the bytes.  The first name is the empty one, at 0, and stands for none.
 *
 * Writer:   ms_flat_init -> ms_flat_add, ms_flat_name ... -> ms_flat_write -> ms_flat_free
 * Reader:   ms_flat_open, once; then its own look at every row: what must ascend does, and every number of a row in
 *           another part is within it.  After that no question needs a check.
 */
#ifndef MS_FLAT_H
#define MS_FLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MS_FLAT_PARTS = 8,
    MS_FLAT_NAME_MOST =
        4096, /* bytes of a name with its NUL: what is longer is cut, so that no name costs much */
};

/* The parts of one kind of table. */
struct ms_flat_form {
    uint32_t magic; /* one a form, and another when a row changes */
    uint32_t parts;
    uint32_t row_bytes[MS_FLAT_PARTS];
};

/* Takes the table's bytes, in order; false: it cannot. */
struct ms_sink {
    bool (*put)(void *ctx, const void *data, size_t len);
    void *ctx;
};

/* ---- writing ----------------------------------------------------------------------------------- */

struct ms_flat {
    const struct ms_flat_form *form;
    struct ms_flat_list {
        uint8_t *row;
        size_t count, room;
    } part[MS_FLAT_PARTS], names;
    bool full; /* memory ran out or a count outgrew 32 bits: nothing of it may be used */
};

void ms_flat_init(struct ms_flat *f, const struct ms_flat_form *form);
void ms_flat_free(struct ms_flat *f);
/* A new row of zeros, the last of its part; NULL: f is full.  Rows move when others are added. */
void *ms_flat_add(struct ms_flat *f, unsigned part);
static inline uint32_t ms_flat_count(const struct ms_flat *f, unsigned part) {
    return (uint32_t)f->part[part].count;
}
/* Where the name lies from now on, perhaps cut; NULL, "" and a full table: 0. */
uint32_t ms_flat_name(struct ms_flat *f, const char *name);
/* A name that was added; valid until the next one is. */
const char *ms_flat_text(const struct ms_flat *f, uint32_t name);
/* compare: two rows, and f. */
void ms_flat_sort(struct ms_flat *f, unsigned part, int (*compare)(const void *, const void *, void *));
/* false: it is full, or the sink failed. */
bool ms_flat_write(const struct ms_flat *f, struct ms_sink sink);

/* ---- reading ----------------------------------------------------------------------------------- */

struct ms_flat_view {
    const void *row[MS_FLAT_PARTS];
    uint32_t count[MS_FLAT_PARTS];
    const char *names;
    uint32_t name_bytes;
};

/* Lay the form over bytes, which must be aligned to 8 and outlive the view; false: they do not fit it.  Costs one pass
 * over the names, none of which is longer than they may be. */
bool ms_flat_open(struct ms_flat_view *v, const struct ms_flat_form *form, const void *bytes, size_t len);
/* Is it the place of a name, or 0?  Every place within the names is: they end with a NUL. */
static inline bool ms_flat_is_name(const struct ms_flat_view *v, uint32_t name) {
    return name < v->name_bytes;
}
/* Are rows first .. first + n - 1 of that part there? */
static inline bool ms_flat_has(const struct ms_flat_view *v, unsigned part, uint32_t first, uint32_t n) {
    return first <= v->count[part] && n <= v->count[part] - first;
}

#endif
