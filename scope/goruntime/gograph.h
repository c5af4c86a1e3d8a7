/* gograph.h - the objects of a walked heap as a graph; private to goholders.c and goleak.c. */
#ifndef MS_GOGRAPH_H
#define MS_GOGRAPH_H

#include "goruntime.h"

enum { MS_GO_NO_OBJECT = UINT32_MAX };

/* Whose a root is. */
enum ms_goroot { MS_GO_OF_PROGRAM, MS_GO_OF_RUNTIME, MS_GO_ROOTS };

/* What is asked about: the header of a map.  In the heap it is an object, or part of one (a sync.Map in a struct); else some
 * words of a root. */
struct ms_gotarget {
    uint64_t header, header_end;
    bool part;           /* of an object that holds more */
    uint64_t start, end; /* its words */
    uint32_t object;     /* MS_GO_NO_OBJECT: it lies in a data segment or on a stack */
};

/* Objects in the order of their distance from the roots, the target left out: first all that the program's roots lead to
 * without the runtime's own objects, then those, and what they and the runtime's roots lead to beside. */
struct ms_goreach {
    struct ms_go *go;
    struct ms_gotarget target;
    bool open;           /* go on through the target */
    uint64_t *closed;    /* a bit per object that is met and not gone through; NULL: none */
    uint64_t *met;       /* a bit per object */
    uint64_t *leaf;      /* a bit per object without pointers, by leaf_base; NULL: not wanted */
    uint64_t *leaf_base; /* per area */
    uint32_t *order;     /* with pointers */
    size_t count, *level, levels, level_room; /* level i: order[level[i]] up to order[level[i + 1]] */
    size_t first_level[MS_GO_ROOTS]; /* of what the roots of each kind point to */
    uint32_t *late;                  /* objects of the runtime that were met, until their time comes */
    size_t late_count, late_room;
    bool waits; /* it has not come yet */
    uint64_t bytes, objects;                  /* met since they were set to 0 */
};

typedef void ms_goedge(void *ctx, uint64_t word, uint64_t value);

struct ms_gotarget ms_gotarget_of(struct ms_go *go, uint64_t header);
static inline bool ms_gotarget_has(const struct ms_gotarget *t, uint64_t addr) {
    return addr >= t->start && addr < t->end;
}

/* fn for each pointer in [from, to) of the area. */
void ms_gograph_words(struct ms_go *go, const struct ms_goarea *a, uint64_t from, uint64_t to, ms_goedge *fn,
                      void *ctx);
/* fn for each pointer of an object with pointers. */
void ms_gograph_object(struct ms_go *go, uint32_t object, ms_goedge *fn, void *ctx);
/* fn for each pointer of the roots of that kind but the target's own; word 0: of the runtime, for a finalizer. */
void ms_gograph_roots(struct ms_go *go, enum ms_goroot kind, const struct ms_gotarget *t, ms_goedge *fn, void *ctx);
/* What a root word is: variables of packages and frames are the program's. */
enum ms_goroot ms_gograph_root(struct ms_go *go, uint64_t word);
/* The object with pointers at addr; MS_GO_NO_OBJECT: none. */
uint32_t ms_gograph_at(struct ms_go *go, uint64_t addr);

/* Everything that can be reached without the target. */
void ms_goreach_run(struct ms_goreach *r, struct ms_go *go, const struct ms_gotarget *t, bool want_leaves);
/* And then what it alone leads to, itself included: bytes and objects. */
void ms_goreach_through(struct ms_goreach *r);
/* The same in steps: nothing is reached yet; all that words of an area lead to, or what is behind an object that was closed. */
void ms_goreach_init(struct ms_goreach *r, struct ms_go *go, const struct ms_gotarget *t, bool want_leaves);
void ms_goreach_words(struct ms_goreach *r, const struct ms_goarea *a, uint64_t from, uint64_t to);
void ms_goreach_value(struct ms_goreach *r, uint64_t value); /* a pointer that lies nowhere */
void ms_goreach_object(struct ms_goreach *r, uint32_t object);
void ms_goreach_drain(struct ms_goreach *r, size_t done); /* done: objects that were gone through */
/* Was the object around addr met?  Of one without pointers it is known with leaves only. */
bool ms_goreach_has(const struct ms_goreach *r, uint64_t addr);
void ms_goreach_free(struct ms_goreach *r);

#endif
