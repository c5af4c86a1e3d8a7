/* go_map.h - what the two backends of Go maps share; private to them. */
#ifndef MS_GO_MAP_H
#define MS_GO_MAP_H

#include "model.h"
#include "pieces.h"

enum {
    MS_GO_GROUP_SLOTS = 8,
    MS_GO_HEADER_BYTES = 48,
    MS_GO_HEADER_MOST = 56, /* classic maps of 1.24 and 1.25 */
};

/* ---- go_sizes.c: Go's allocator ----------------------------------------------------------------- */

/* Allocated bytes of the object at addr as the target says, else `otherwise`. */
uint64_t ms_go_object_bytes(const struct ms_snapshot *s, uint64_t addr, uint64_t otherwise);

/* ---- shared by the backends --------------------------------------------------------------------- */

/* A new map of the snapshot, which has these texts now; its figures are still to come. */
struct ms_map *ms_go_add(struct ms_snapshot *out, struct ms_go_header *at);
/* A map that could not be read: of it only the place is known, unless it may be none. */
void ms_go_add_damaged(struct ms_snapshot *out, enum ms_kind kind, struct ms_go_header *at, const char *field);
/* A copy of the map for a detail, its texts its own. */
void ms_go_copy(const struct ms_map *m, struct ms_map *out);
int ms_go_resident(struct ms_reader *r, uint64_t addr, uint64_t bytes, uint64_t *resident, uint64_t *swapped,
                   struct ms_error *err);

/* How the slots of a group or bucket lie, in the words of pieces.h. */
struct ms_grid ms_go_grid(const struct ms_type *type, bool swiss);
struct ms_hanging ms_go_hanging(const struct ms_type *type);

static inline uint64_t ms_go_u64(const uint8_t *p) {
    uint64_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
static inline uint16_t ms_go_u16(const uint8_t *p) {
    uint16_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
/* Bytes of a slot that hold key and value, alignment not counted. */
static inline uint64_t ms_go_payload(const struct ms_go_shape *s) {
    return (uint64_t)s->key_slot + s->elem_slot;
}

#endif
