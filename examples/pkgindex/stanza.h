/* Reader of Debian control files: stanzas of "Name: value" lines, separated by empty lines. */
#ifndef PKGINDEX_STANZA_H
#define PKGINDEX_STANZA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* The fields the catalog uses; all others are skipped while reading. */
enum field {
    FIELD_PACKAGE,
    FIELD_VERSION,
    FIELD_STATUS,
    FIELD_PROVIDES,
    FIELD_PRE_DEPENDS,
    FIELD_DEPENDS,
    FIELD_TAG,
    FIELD_DESCRIPTION,
    FIELD_DESCRIPTION_EN,
    FIELD_DESCRIPTION_MD5,
    FIELD_COUNT
};

struct stanza_reader {
    FILE *file;
    const char *path;
    pid_t decompressor; /* 0: the file is read directly */
    bool broken;        /* stanza_next said so: what the decompressor then says is no news */
    size_t line_number;
    char *line; /* getline's buffer */
    size_t line_size;
    char *text; /* values of the present stanza, each NUL terminated */
    size_t text_len, text_size;
    size_t start[FIELD_COUNT]; /* where in text a value starts, plus 1; 0: not in this stanza */
};

/* Opens a control file; .lz4, .xz, .gz, .bz2 and .zst are decompressed by apt's helper or the tool of
 * that name.  false: a line naming the file and the reason was printed. */
bool stanza_open(struct stanza_reader *reader, const char *path);

/* Reads the next stanza: 1 there is one, 0 end of file, -1 the file is broken (a line was printed). */
int stanza_next(struct stanza_reader *reader);

/* The value of a field of the present stanza, lines joined by '\n'; "" if absent.  Valid until the next
 * stanza_next. */
const char *stanza_get(const struct stanza_reader *reader, enum field field);

/* Closes; false: the decompressor failed, so what was read may be short (a line was printed). */
bool stanza_close(struct stanza_reader *reader);

#endif
