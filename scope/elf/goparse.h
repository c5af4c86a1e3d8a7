/* goparse.h - Go's debug information as a flat table (gotable.h), by libdw. */
#ifndef MS_GOPARSE_H
#define MS_GOPARSE_H

#include "flat.h"

/* A parser for confine.h: the file may be anything, and this may crash and run for long.  Writes the table of the ELF file to
 * out; nothing if it has no debug information of Go's.  false: memory ran out, or out failed, and what was written
 * counts for nothing.  wanted: not looked at, the table has all.  The file's bytes are written to: libelf marks the
 * sections that it has decompressed. */
bool ms_goparse(const void *wanted, uint8_t *file, size_t bytes, struct ms_sink out);

#endif
