/* goholders.h - who holds an object of a Go program: every word that points to it, how the roots come there, what all
 * ways have in common, and what would go with it.
 *
 * The walk (gowalk.c) left one bit for each word that is a pointer.  Those words are the edges of a graph, its nodes the
 * objects; roots are words of data segments and of stacks, and what the runtime keeps for finalizers.
 *
 *   way       words from a root to the object:   root word -> word in object 1 -> ... -> word that points to the object
 *             node          0                        1                              n - 1            n
 *   shortest  of the ways to the object that holds the last word, all of the least length; of the program's variables and
 *             frames, of the runtime's only if those do not lead there
 *   dominator the last node before the object that every way has
 *   retained  what can be reached through the object only
 *
 * Costs: three passes over all objects that hold pointers; for each of them 4 bytes and a bit.
 */
#ifndef MS_GOHOLDERS_H
#define MS_GOHOLDERS_H

#include "goruntime.h"

/* Words from the root on.  The first is 0 where the runtime holds the object of the second for a finalizer. */
struct ms_goway {
    uint64_t *word;
    size_t words;  /* 0: the map itself lies in a root */
    bool internal; /* from a root of the runtime */
};

struct ms_goholders {
    struct ms_goway *way; /* from the program's roots before those from the runtime's; shorter ones first */
    size_t ways, way_room;
    uint64_t all;      /* ways there are, at least; UINT64_MAX: more than can be counted */
    uint64_t pointers; /* words that point to it */
    bool cut;          /* more words lead to it than are kept: `all` is too low */
    size_t
        dominator; /* node of way[0]; SIZE_MAX: roots hold it without anything in common, or it lies in one */
    uint64_t retained_bytes, retained_objects; /* reached through it only, itself included */
};

/* Of the map whose header is at `header`, after ms_gowalk_run; at most `most` ways.  retained: count what it alone holds
 * too, which takes a bit more for each object without pointers. */
int ms_goholders_find(struct ms_go *go, uint64_t header, size_t most, bool retained, struct ms_goholders *out,
                      struct ms_error *err);
void ms_goholders_free(struct ms_goholders *h);

#endif
