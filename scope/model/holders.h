/* holders.h - who holds a map: what `holders` shows, whatever kind of program it is of.
 *
 *   root ----> object ----> object ----> map         a path; its words are the places that were followed
 *
 * In a Go program types tell what is a pointer.  In a C program nothing does: every aligned word that has the map's
 * address, in memory the program can write to, is taken for one, and the result is marked `conservative`.
 */
#ifndef MS_HOLDERS_H
#define MS_HOLDERS_H

#include "model.h"

enum ms_root {
    MS_ROOT_GLOBAL,   /* a variable of the program or a library */
    MS_ROOT_STACK,    /* a frame of a goroutine; the stack of a thread */
    MS_ROOT_RUNTIME,  /* kept by Go's runtime, to be called when an object dies */
    MS_ROOT_HEAP,     /* allocated memory that no root was found for */
    MS_ROOT_REGISTRY, /* the library's own list of its maps */
    MS_ROOT_DEAD,     /* below a thread's stack pointer: most likely left there by a call that returned */
};

struct ms_holder {
    char *path;
    uint64_t *word; /* addresses, from the root on */
    size_t words;
    uint64_t *beside; /* more words of the same frame from which it goes on alike */
    size_t besides, beside_room;
    bool perhaps; /* nothing tells that the word of the frame is still needed */
    uint8_t root;          /* enum ms_root */
    uint64_t goroutine;    /* 0: none */
    char *function, *file; /* of the frame; NULL: not known */
    unsigned line;
};

struct ms_holders {
    struct ms_holder *holder; /* shorter paths first */
    size_t holders, room;
    uint64_t paths;    /* there are; UINT64_MAX: more than can be counted */
    uint64_t pointers; /* words that point to the map */
    bool conservative;
    bool cut; /* more than is kept: paths is too low */
    char *
        dominator; /* path of what all paths have in common last before the map; NULL: nothing, or not looked for */
    char *dominator_type;                      /* NULL: not known */
    uint64_t dominator_addr;                   /* of the object, or of the root's word */
    uint64_t retained_bytes, retained_objects; /* MS_UNKNOWN: not asked for */
    uint64_t scanned_bytes;                    /* of a conservative scan */
    uint64_t skipped_bytes; /* of mappings that are too large to be scanned */
};

const char *ms_root_name(enum ms_root r); /* JSON names */
struct ms_holder *ms_holders_add(struct ms_holders *h);
void ms_holder_drop(struct ms_holder *h); /* what it owns */
void ms_holders_free(struct ms_holders *h);

#endif
