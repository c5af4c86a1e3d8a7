/* ctable.h - the flat table of C types that were asked for: cparse.c writes it, cdwarf.c takes it over.
 *
 *   answers  one a query --type--.
 *   maps     --key, value--------+--> types --field--> fields, a run for each struct --type--> types above
 *
 * Types are numbered by their rows from 1 on; what a type is made of has a lower number.
 */
#ifndef MS_CTABLE_H
#define MS_CTABLE_H

#include "flat.h"

#include <assert.h>

enum ms_cpart { MS_C_TYPES, MS_C_FIELDS, MS_C_MAPS, MS_C_ANSWERS, MS_C_PARTS };

struct ms_crow_type {
    uint64_t size, count;
    uint32_t align, elem, field, fields, name;
    uint8_t kind, fixed, zero[2];
};
struct ms_crow_field {
    uint64_t offset;
    uint32_t type, name;
};
struct ms_crow_map {
    uint32_t name, site, key, value;
};
static_assert(sizeof(struct ms_crow_type) == 40 && sizeof(struct ms_crow_field) == 16, "rows without holes");

static const struct ms_flat_form ms_cform = {
    .magic = 0x436d7901,
    .parts = MS_C_PARTS,
    .row_bytes = {[MS_C_TYPES] = sizeof(struct ms_crow_type),
                  [MS_C_FIELDS] = sizeof(struct ms_crow_field),
                  [MS_C_MAPS] = sizeof(struct ms_crow_map),
                  [MS_C_ANSWERS] = sizeof(uint32_t)},
};

#endif
