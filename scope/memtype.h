/* memtype.h - types as they lie in memory, of whatever language: sizes, alignment, fields with their offsets.
 *
 * A table of records that name each other by number, so that it can be built by one part (elf/ from C's debug
 * information, goruntime/ from Go's types), handed over, and looked at by another (view/).  Number 0 is the type of which
 * nothing is known.  Names are bytes of the target.
 *
 *   type   0 ?   1 struct session 24   2 long 8   3 char 1 ...
 *   field        id 0 -> 2   live 8 -> 3   seen 16 -> 2
 */
#ifndef MS_MEMTYPE_H
#define MS_MEMTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ms_mem_kind {
    MS_MEM_OPAQUE, /* bytes: a union, an interface, what is not known */
    MS_MEM_BOOL,
    MS_MEM_INT,
    MS_MEM_UINT,
    MS_MEM_FLOAT,
    MS_MEM_POINTER, /* elem: what it points to, 0 not known */
    MS_MEM_STRING,  /* Go: pointer and length */
    MS_MEM_STRUCT,
    MS_MEM_ARRAY,
};

enum { MS_MEM_TYPES_MAX = 1 << 16, MS_MEM_FIELDS_MAX = 1 << 18, MS_MEM_DEPTH_MAX = 32 };

struct ms_mem_field {
    char *name;
    uint64_t offset;
    uint32_t type;
};
struct ms_mem_type {
    char *name;
    uint64_t size, count; /* count: elements of an array */
    uint64_t holes;       /* bytes that hold nothing, in what lies within it too */
    uint64_t packed;      /* its size with fields, and those of structs within it, in the best order */
    uint32_t align;       /* at least 1 */
    uint32_t elem;        /* of an array or a pointer */
    uint32_t field,
        fields;    /* of a struct: its first one, how many; offsets ascend, all lie within and apart */
    uint8_t kind;  /* enum ms_mem_kind */
    bool pointers; /* holds any that Go's collector follows */
    bool fixed;    /* the order of its fields is not free: bit-fields, packed, aligned by hand */
};
struct ms_mem {
    struct ms_mem_type *type;
    struct ms_mem_field *field;
    size_t types, fields, type_room, field_room;
};

/* Add a type whose parts are there already: their numbers are below its own, so that no type is part of itself.  Takes
 * over the name (NULL: none) and, of a struct, n fields in any order, allocated, with their names.  A struct whose fields
 * do not fit into it, or overlap, becomes opaque, and so does an array of another size.  0: the table is full. */
uint32_t ms_mem_add(struct ms_mem *m, struct ms_mem_type type, char *name, struct ms_mem_field *field,
                    size_t n);
/* Never NULL. */
const struct ms_mem_type *ms_mem_get(const struct ms_mem *m, uint32_t number);
/* Bytes behind the i-th field of a struct that hold nothing. */
uint64_t ms_mem_hole(const struct ms_mem *m, const struct ms_mem_type *t, uint32_t i);
/* The best order of a struct's fields: order[i] is the number of the field that comes i-th. */
void ms_mem_order(const struct ms_mem *m, const struct ms_mem_type *t, uint32_t *order);
void ms_mem_free(struct ms_mem *m);

#endif
