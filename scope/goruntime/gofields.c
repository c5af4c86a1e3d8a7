/* gofields.c - Go's types as types in memory (memtype.h), whether they come from the program's own descriptions or from
 * its debug information.
 *
 * The alignment follows from the kind: on 64-bit machines all of Go's basic types are aligned to their size, complex
 * numbers and what is made of words to their parts.  What a pointer points to is told too, one pointer deep: that is what
 * a map of pointers could hold instead.
 */
#include "goruntime.h"

#include <stdlib.h>

enum {
    KIND_INT_FIRST = 2,
    KIND_INT_LAST = 6,
    KIND_FLOAT32 = 13,
    KIND_FLOAT64 = 14,
    KIND_COMPLEX64 = 15,
    KIND_BOOL = 1,
    FIELDS_MOST = 4096
};

static uint32_t of_type(struct ms_go *go, struct ms_gofields *f, ms_gotid id, unsigned depth, bool follow);

static enum ms_mem_kind kind_of(unsigned kind) {
    switch (kind) {
    case KIND_BOOL: return MS_MEM_BOOL;
    case KIND_FLOAT32:
    case KIND_FLOAT64: return MS_MEM_FLOAT;
    case MS_GO_ARRAY: return MS_MEM_ARRAY;
    case MS_GO_POINTER: return MS_MEM_POINTER;
    case MS_GO_STRING: return MS_MEM_STRING;
    case MS_GO_STRUCT: return MS_MEM_STRUCT;
    default: break;
    }
    if (kind >= KIND_INT_FIRST && kind <= KIND_INT_LAST) return MS_MEM_INT;
    return kind > KIND_INT_LAST && kind <= MS_GO_UINTPTR ? MS_MEM_UINT : MS_MEM_OPAQUE;
}

static uint32_t align_of(const struct ms_gotype *t) {
    if (t->kind == KIND_COMPLEX64) return 4;
    if (t->kind > MS_GO_COMPLEX128)
        return MS_GO_PTR; /* of words; arrays and structs are told by their parts */
    return t->size < MS_GO_PTR ? (uint32_t)t->size : MS_GO_PTR;
}

/* The fields of a struct, whose alignment they give; what has more than any real one is opaque. */
static struct ms_mem_field *fields_of(struct ms_go *go, struct ms_gofields *f, const struct ms_gotype *t,
                                      unsigned depth, bool follow, struct ms_mem_type *m, size_t *n) {
    *n = t->fields <= FIELDS_MOST ? t->fields : 0;
    struct ms_mem_field *field = ms_alloc((*n + 1) * sizeof *field);
    if (*n < t->fields) m->kind = MS_MEM_OPAQUE;
    m->align = 1;
    for (size_t i = 0; i < *n; i++) {
        const struct ms_gofield *from = &t->field[i];
        field[i] = (struct ms_mem_field){.name = ms_strdup(from->name ? from->name : "_"),
                                         .offset = from->offset,
                                         .type = of_type(go, f, from->type, depth + 1, follow)};
        if (!field[i].type) { /* bytes all the same, and no hole */
            struct ms_mem_type opaque = {.size = ms_gofield_room(t, (uint32_t)i)};
            field[i].type = ms_mem_add(&f->mem, opaque, ms_strdup("?"), NULL, 0);
            m->fixed = true;
        }
        uint32_t own = ms_mem_get(&f->mem, field[i].type)->align;
        if (own > m->align) m->align = own;
    }
    return field;
}

static void remember(struct ms_gofields *f, ms_gotid id, uint32_t number) {
    while (f->count <= id) {
        MS_ROOM(f->known, f->count, f->room);
        f->known[f->count++] = 0;
    }
    f->known[id] = number;
}

/* The budget is that of the table: once it is full nothing is looked into any more. */
static uint32_t of_type(struct ms_go *go, struct ms_gofields *f, ms_gotid id, unsigned depth, bool follow) {
    const struct ms_gotype *t = ms_gotype_get(go, id);
    struct ms_mem_field *field = NULL;
    size_t n = 0;
    if (!id || t->kind == MS_GO_UNKNOWN || depth == MS_MEM_DEPTH_MAX || f->mem.types >= MS_MEM_TYPES_MAX)
        return 0;
    if (id < f->count && f->known[id]) return f->known[id];
    struct ms_mem_type m = {
        .size = t->size, .count = t->count, .kind = (uint8_t)kind_of(t->kind), .align = align_of(t)};
    m.pointers = t->pointers != 0;
    if (m.kind == MS_MEM_ARRAY || (m.kind == MS_MEM_POINTER && follow))
        m.elem = of_type(go, f, t->elem, depth + 1, follow && m.kind != MS_MEM_POINTER);
    if (m.kind == MS_MEM_ARRAY) m.align = ms_mem_get(&f->mem, m.elem)->align;
    if (m.kind == MS_MEM_STRUCT) field = fields_of(go, f, t, depth, follow, &m, &n);
    uint32_t number = ms_mem_add(&f->mem, m, ms_strdup(t->name ? t->name : "?"), field, n);
    /* A pointer that was not followed, or what holds one, would be the wrong answer to a later question. */
    if (follow) remember(f, id, number);
    return number;
}

uint32_t ms_gofields_of(struct ms_go *go, struct ms_gofields *f, ms_gotid type) {
    return of_type(go, f, type, 0, true);
}

void ms_gofields_free(struct ms_gofields *f) {
    free(f->known);
    ms_mem_free(&f->mem);
    *f = (struct ms_gofields){.known = NULL};
}
