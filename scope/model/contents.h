/* contents.h - what the keys and values of maps are like: the facts that say whether a smaller type could hold them. */
#ifndef MS_CONTENTS_H
#define MS_CONTENTS_H

#include "model.h"

enum ms_key_form {
    MS_KEY_OTHER,
    MS_KEY_INT,
    MS_KEY_UINT,
    MS_KEY_GO_STRING, /* pointer, 8 bytes of length */
    MS_KEY_STRING,    /* of a gomap: pointer, 4 bytes of length, hash */
};
enum ms_value_form { MS_VALUE_OTHER, MS_VALUE_BOOL, MS_VALUE_POINTER };

enum { MS_TEXT_SEEN = 128 }; /* bytes of a string that are looked at: of longer ones only the length */

/* Facts about all entries that were seen, of one map or of several. */
struct ms_contents {
    enum ms_key_form key;
    enum ms_value_form value;
    uint32_t key_bytes;   /* of an integer */
    uint64_t there, seen; /* entries the maps say they have; seen: at most that many were looked at */
    int64_t least, most;  /* integers; unsigned ones beyond INT64_MAX as the largest */
    uint64_t length_least, length_most, text_bytes;
    uint64_t hex, hex_upper, uuid,
        decimal; /* strings of that form: hex in lower case, in upper case; 8-4-4-4-12; no leading zero */
    uint64_t decimal_most;
    uint64_t set; /* values that are true, or pointers that are not nil */
};

/* Look at the entries of a map, and add what they are like: up to `most` of them.  Costs a reading of its table and, for
 * strings, of their texts.  What changes meanwhile is seen or not: then seen differs from there.  MS_GONE; a table that
 * cannot be read adds nothing. */
int ms_contents_add(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, uint64_t most,
                    struct ms_contents *c, struct ms_error *err);
/* Were all entries seen? */
static inline bool ms_contents_whole(const struct ms_contents *c) { return c->there && c->seen == c->there; }

#endif
