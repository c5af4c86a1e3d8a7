/* whatif.h - one map after a change: bytes and slots, and how sure they are. */
#ifndef MS_WHATIF_H
#define MS_WHATIF_H

#include "maptype.h"

struct ms_state {
    uint64_t bytes, slots;
    uint64_t apart; /* objects beside the map that its values are, or would no longer be; part of bytes */
    uint32_t key_size, value_size, slot_size;
};
struct ms_whatif {
    const char *change; /* "presize" */
    char *what;         /* the change in words */
    char *how;          /* code that does it; NULL: the type's declaration says */
    char *given;        /* what must hold; NULL: nothing */
    char *unfit; /* why the entries that are there do not go into it; NULL: they do, or that is not known */
    bool fit_known; /* their keys were looked at, or need not be */
    struct ms_state now, then;
    uint64_t spread; /* then.bytes may be off by so much, by chance */
    uint64_t holds;  /* entries that fit before the next growth; MS_UNKNOWN */
};

/* What shrink, presize (n: entries) or slots (n: slots) make of a map.  quads: a cell for each four groups of a gomap that
 * is to shrink; NULL or empty: its entries are taken to lie evenly. */
int ms_whatif_table(const struct ms_map *m, const struct ms_cells *quads, const char *change, uint64_t n,
                    struct ms_whatif *out, struct ms_error *err);
/* What reorder, indirect, inline or key (type: its name) make of the only map of a type.  contents: of that map. */
int ms_whatif_type(const struct ms_map *m, struct ms_maptype *l, const struct ms_contents *contents,
                   const char *change, const char *type, struct ms_whatif *out, struct ms_error *err);
void ms_whatif_free(struct ms_whatif *w);

#endif
