/* cdwarf.h - types of a C program, from its debug information: the keys and values of its maps, and typed maps themselves.
 *
 * Parsing happens elsewhere (cparse.h, in a process of its own); here its table is checked and taken over.
 */
#ifndef MS_CDWARF_H
#define MS_CDWARF_H

#include "../memtype.h"

/* A type sought by the name that a program gives it in its source: "struct point", "uint32_t", "char *". */
struct ms_cquery {
    const char *name,
        *site; /* site: "file:line" where it is used, which tells it from others of its name; NULL: not known */
    uint64_t size; /* only one of that size counts */
    uint32_t type; /* its number in the table of types; 0: not found yet */
};

/* A map made by one of typed.h's macros. */
struct ms_cmap {
    char *name;          /* first argument of the macro */
    char *site;          /* "file:line"; NULL: not known */
    uint32_t key, value; /* types */
};

struct ms_cdwarf {
    struct ms_mem mem;
    struct ms_cmap *map;
    size_t maps, room;
};

/* Answer queries for types that are made of C's own words: these need no debug information. */
void ms_cdwarf_words(struct ms_cdwarf *d, struct ms_cquery *query, size_t n);
/* Take over a table that ms_cparse wrote for these queries, or somebody who says so; what contradicts itself is left out.
 * False: it is none. */
bool ms_cdwarf_take(struct ms_cdwarf *d, const void *table, size_t bytes, struct ms_cquery *query, size_t n);
void ms_cdwarf_free(struct ms_cdwarf *d);

#endif
