/* gotable.h - the flat table of a Go program's debug information: goparse.c writes it, godwarf.c asks it.
 *
 *   globals    by address --type--.      .--under, elem, key: types by the offset of their entry
 *   structs    by name -----die---+--> types, by die --member--> members, a run for each struct
 *   closures   by entry ------------------------------member--> members, a run for each function
 *   map types  distances of their descriptions
 *
 * Types are named by the offset of their entry, as in the file: 0 is none, and one that no row describes is unknown.
 */
#ifndef MS_GOTABLE_H
#define MS_GOTABLE_H

#include "flat.h"
#include "godwarf.h"

#include <assert.h>

enum ms_gopart {
    MS_GO_GLOBALS,
    MS_GO_STRUCTS,
    MS_GO_CLOSURES,
    MS_GO_TYPES,
    MS_GO_MEMBERS,
    MS_GO_MAP_TYPES,
    MS_GO_PARTS
};

/* A global's row is struct ms_goglobal. */
struct ms_gorow_struct {
    uint32_t name, die;
};
struct ms_gorow_closure {
    uint64_t entry;
    uint32_t member, members;
};
/* kind 0: a typedef that only names another type, `under`. */
struct ms_gorow_type {
    uint64_t size, count, runtime_type;
    uint32_t die, under, elem, key, name, member, members;
    uint8_t kind, zero[3];
};
struct ms_gorow_member {
    uint64_t offset;
    uint32_t type, name;
};
static_assert(sizeof(struct ms_gorow_type) == 56, "a row without a hole");

enum { MS_GO_STRUCTS_MAX = 1 << 16 }; /* names are compared: few enough that it takes no time */

static const struct ms_flat_form ms_goform = {
    .magic = 0x6f476d01,
    .parts = MS_GO_PARTS,
    .row_bytes = {[MS_GO_GLOBALS] = sizeof(struct ms_goglobal),
                  [MS_GO_STRUCTS] = sizeof(struct ms_gorow_struct),
                  [MS_GO_CLOSURES] = sizeof(struct ms_gorow_closure),
                  [MS_GO_TYPES] = sizeof(struct ms_gorow_type),
                  [MS_GO_MEMBERS] = sizeof(struct ms_gorow_member),
                  [MS_GO_MAP_TYPES] = sizeof(uint64_t)},
};

#endif
