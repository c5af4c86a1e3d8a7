/* memtype.c - a table of types; what their holes come to, and what another order of fields would make of them.
 *
 * Sorted by falling alignment no field leaves a hole behind it, since every size is a multiple of its alignment: what
 * remains is padding at the end, which no order avoids.
 *
 *   live bool | 7 | id int64 | small int32 | 4      24 bytes, 11 of them holes
 *   id int64 | small int32 | live bool | 3          16 bytes
 */
#include "memtype.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>

static const struct ms_mem_type unknown = {.align = 1};

static uint64_t align_up(uint64_t n, uint64_t align) { return (n + align - 1) / align * align; }

const struct ms_mem_type *ms_mem_get(const struct ms_mem *m, uint32_t number) {
    return number && number < m->types ? &m->type[number] : &unknown;
}

static int by_offset(const void *a, const void *b) {
    const struct ms_mem_field *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* In order, within and apart?  A field without a size may share its place with the next: it goes first. */
static bool lie_apart(const struct ms_mem *m, const struct ms_mem_type *t, struct ms_mem_field *field,
                      size_t n) {
    uint64_t end = 0;
    if (n) qsort(field, n, sizeof *field, by_offset);
    for (size_t i = 0; i + 1 < n; i++) {
        struct ms_mem_field f = field[i];
        bool turned = f.offset == field[i + 1].offset && ms_mem_get(m, f.type)->size &&
                      !ms_mem_get(m, field[i + 1].type)->size;
        if (turned) field[i] = field[i + 1], field[i + 1] = f;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t size = ms_mem_get(m, field[i].type)->size;
        if (field[i].type >= m->types || field[i].offset < end || field[i].offset > t->size ||
            size > t->size - field[i].offset)
            return false;
        end = field[i].offset + size;
    }
    return true;
}

/* Holes and best size of a struct, from those of its fields. */
static void sum_fields(const struct ms_mem *m, struct ms_mem_type *t, const struct ms_mem_field *field,
                       size_t n) {
    uint64_t used = 0, inner = 0, packed = 0;
    for (size_t i = 0; i < n; i++) {
        const struct ms_mem_type *f = ms_mem_get(m, field[i].type);
        used += f->size, inner += f->holes,
            packed += f->packed; /* apart, so they sum to no more than the struct */
    }
    t->holes = t->size - used + inner;
    if (!t->fixed && packed) t->packed = ms_min(t->size, align_up(packed, t->align));
}

static void drop_fields(struct ms_mem_field *field, size_t n) {
    for (size_t i = 0; i < n; i++) free(field[i].name);
}

uint32_t ms_mem_add(struct ms_mem *m, struct ms_mem_type type, char *name, struct ms_mem_field *field,
                    size_t n) {
    uint32_t number = 0;
    if (m->types == 0) {
        MS_ROOM(m->type, m->types, m->type_room);
        m->type[m->types++] = unknown;
    }
    type.name = name;
    type.packed = type.size;
    type.holes = type.field = type.fields = 0;
    if (type.align == 0) type.align = 1;
    if (type.elem >= m->types) type.elem = 0;
    const struct ms_mem_type *elem = ms_mem_get(m, type.elem);
    if (type.kind == MS_MEM_ARRAY && ms_mul(type.count, elem->size) != type.size) type.kind = MS_MEM_OPAQUE;
    if (type.kind == MS_MEM_ARRAY)
        type.holes = type.count * elem->holes, type.packed = type.count * elem->packed;
    if (m->types < MS_MEM_TYPES_MAX && m->fields + n <= MS_MEM_FIELDS_MAX) {
        if (type.kind == MS_MEM_STRUCT && !lie_apart(m, &type, field, n)) type.kind = MS_MEM_OPAQUE;
        if (type.kind == MS_MEM_STRUCT) {
            sum_fields(m, &type, field, n);
            type.field = (uint32_t)m->fields;
            type.fields = (uint32_t)n;
        }
        number = (uint32_t)m->types;
        MS_ROOM(m->type, m->types, m->type_room);
        m->type[m->types++] = type;
        for (size_t i = 0; i < type.fields; i++) {
            MS_ROOM(m->field, m->fields, m->field_room);
            m->field[m->fields++] = field[i];
        }
    } else {
        free(name);
    }
    if (!number || !type.fields) drop_fields(field, n);
    free(field);
    return number;
}

uint64_t ms_mem_hole(const struct ms_mem *m, const struct ms_mem_type *t, uint32_t i) {
    const struct ms_mem_field *f = &m->field[t->field + i];
    uint64_t next = i + 1 < t->fields ? f[1].offset : t->size;
    return next - f->offset - ms_mem_get(m, f->type)->size;
}

/* Those without a size first, then by falling alignment; else as they are. */
static bool goes_before(const struct ms_mem *m, const struct ms_mem_field *a, const struct ms_mem_field *b) {
    const struct ms_mem_type *x = ms_mem_get(m, a->type), *y = ms_mem_get(m, b->type);
    if ((x->size == 0) != (y->size == 0)) return x->size == 0;
    return x->align > y->align;
}

void ms_mem_order(const struct ms_mem *m, const struct ms_mem_type *t, uint32_t *order) {
    const struct ms_mem_field *f = t->fields ? m->field + t->field : NULL;
    for (uint32_t i = 0; i < t->fields; i++) {
        uint32_t at = i;
        for (; at && goes_before(m, &f[i], &f[order[at - 1]]); at--) order[at] = order[at - 1];
        order[at] = i;
    }
}

void ms_mem_free(struct ms_mem *m) {
    for (size_t i = 0; i < m->types; i++) free(m->type[i].name);
    drop_fields(m->field, m->fields);
    free(m->type);
    free(m->field);
    *m = (struct ms_mem){.type = NULL};
}
