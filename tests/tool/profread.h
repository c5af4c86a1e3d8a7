/* profread.h - profile.proto read back by a reader of its own, held against the rules of its format. */
#ifndef TESTS_PROFREAD_H
#define TESTS_PROFREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct profread {
    uint64_t types, samples, mappings, locations, functions, strings, labels;
    int64_t total[8];
    int64_t period;
    char default_type[32];
    char *text; /* all strings, one behind the other, each with its NUL */
    size_t text_bytes;
};

/* Fails the test if the bytes are no valid gzipped profile: numbers that lead nowhere, values that are too few, ids given twice,
 * strings that are not UTF-8 or hold control bytes, bytes behind the end. */
void profread(const void *gz, size_t bytes, struct profread *out);
bool profread_has(const struct profread *p, const char *text);
void profread_free(struct profread *p);

#endif
