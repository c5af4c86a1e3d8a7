/* cmd_types.h - the types of maps as `layout` and `whatif` need them: what keys and values are made of, and what the
 * entries that are there are like. */
#ifndef MS_CMD_TYPES_H
#define MS_CMD_TYPES_H

#include "cmd.h"
#include "elf/cdwarf.h"
#include "goruntime/goruntime.h"
#include "view/maptype.h"

/* All zeros: nothing is known yet. */
struct ms_typing {
    struct ms_go *go; /* of the session; NULL: not a Go program */
    struct ms_gofields fields;
    struct ms_cdwarf c;
    struct ms_typing_parts {
        const struct ms_type *type;
        uint32_t key, value; /* in the table of Go's types or of C's, by kind */
    } * parts;
    size_t count, room;
    struct ms_error no_table; /* what happened to the process that read debug information; "": nothing */
};

bool ms_kind_of_go(enum ms_kind kind);
/* Learn the key and value of every type of the snapshot: of Go from the program itself, of C from the debug information of
 * its images. */
int ms_typing_learn(struct ms_typing *t, struct ms_session *s, struct ms_snapshot *snap,
                    struct ms_error *err);
/* Read debug information of C in a process of its own: answers to queries, and typed maps.  False: there is none. */
bool ms_typing_read(struct ms_typing *t, int fd, struct ms_cquery *q, size_t n, bool want_maps);
/* Say what the key and value of a type of C are: numbers in t->c.mem. */
void ms_typing_set(struct ms_typing *t, const struct ms_type *type, uint32_t key, uint32_t value);
/* Figures of a type, of its maps among n or of one of per_entries. */
void ms_typing_measure(const struct ms_typing *t, const struct ms_type *type, enum ms_kind kind,
                       const struct ms_map *maps, size_t n, uint64_t per_entries, struct ms_maptype *out);
/* What the keys and values of n maps of that type are like.  Looks at a million entries at most. */
int ms_typing_contents(const struct ms_maptype *l, struct ms_session *s, struct ms_snapshot *snap,
                       const struct ms_map *maps, size_t n, struct ms_contents *out, struct ms_error *err);
void ms_typing_free(struct ms_typing *t);

#endif
