/* cparse.h - C's debug information as a flat table (ctable.h), by libdw. */
#ifndef MS_CPARSE_H
#define MS_CPARSE_H

#include "cdwarf.h"
#include "flat.h"

struct ms_cwanted {
    const struct ms_cquery *query;
    size_t queries;
    bool maps; /* typed maps too */
};

/* Writes what is wanted (a struct ms_cwanted) of the ELF file in `file`, as ms_goparse does of a Go program (goparse.h). */
bool ms_cparse(const void *wanted, uint8_t *file, size_t bytes, struct ms_sink out);

#endif
