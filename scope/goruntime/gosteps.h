/* gosteps.h - paths as texts, step by step; private to gopath.c. */
#ifndef MS_GOSTEPS_H
#define MS_GOSTEPS_H

#include "goruntime.h"

/* What a word lies in, as far as it is known: elements of a type from a start on. */
struct ms_goregion {
    ms_gotid type;
    uint64_t start;
    bool many; /* elements of a slice or channel: name the index */
};

/* A path being named, up to some object. */
struct ms_gonaming {
    struct ms_go *go;
    struct ms_goregion region; /* what the next word lies in */
    uint32_t last;             /* number of its last step; 0: none yet */
    uint32_t owner_depth; /* of the step into a field of the struct type that is the last to have a name */
    const char *owner;    /* that name; NULL: none yet */
    bool ends_inside;     /* the path is to a sync.Map, which is part of something */
};

void ms_gosteps_add(struct ms_gonaming *p, const char *text);
void ms_gosteps_addf(struct ms_gonaming *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ms_gosteps_add_index(struct ms_gonaming *p, uint64_t index);
/* The text of the last step; "": there is none. */
const char *ms_gosteps_last(const struct ms_gonaming *p);
/* How many steps there are; one repeated is one. */
uint32_t ms_gosteps_depth(const struct ms_gonaming *p);

/* The whole path, allocated. */
char *ms_gosteps_joined(const struct ms_gonaming *p);
/* What kind of place it leads to, allocated: the field of the last named struct, or the whole path where there is none. */
char *ms_gosteps_place(const struct ms_gonaming *p);
/* The path is done with: its steps go, but those of ways that are kept. */
void ms_gosteps_drop(struct ms_go *go);

/* The words from a found map back to its root, or to an object the way to which is kept, newest first; *p is then that way.
 * Valid until the next call. */
size_t ms_gosteps_back(struct ms_gonaming *p, uint64_t via, const uint64_t **word, bool *kept);
/* The way to the object of word[i] has been named: keep it if others may need it. */
void ms_gosteps_named(const struct ms_gonaming *p, size_t i);

#endif
