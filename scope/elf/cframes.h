/* cframes.h - functions, files and lines of code addresses in a C program or library: its debug information, else its symbols.
 *
 * Parsing happens in a process without rights (confine.h) by ms_cframes; ms_cframes_take checks the table it leaves.
 */
#ifndef MS_CFRAMES_H
#define MS_CFRAMES_H

#include "flat.h"

/* Addresses as the file has them: of the process less the image's bias.  Any order. */
struct ms_caddresses {
    const uint64_t *addr;
    size_t n;
};
/* A ms_parse_fn; wanted: struct ms_caddresses. */
bool ms_cframes(const void *wanted, uint8_t *file, size_t bytes, struct ms_sink out);

/* Called for each address that has a name and each call inlined there, innermost first; file "" and line 0: not known. */
typedef void ms_cframe_fn(void *ctx, size_t address, const char *function, const char *file, unsigned line);
/* false: it is no such table.  *lines: debug information said some of it. */
bool ms_cframes_take(const void *table, size_t bytes, size_t n, ms_cframe_fn *fn, void *ctx, bool *lines);

#endif
