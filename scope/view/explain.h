/* explain.h - what an address is: what `explain` shows, whatever kind of program it is of.
 *
 *   address --> a piece of a map (model/pieces.h): group, slot, key or value, offset
 *           --> else memory that a map gave up: the flight recorder remembers
 *           --> else what the program has there: a variable, a stack, an object of Go's heap
 *           --> and the mapping it lies in, or between which two it lies
 */
#ifndef MS_EXPLAIN_H
#define MS_EXPLAIN_H

#include "../model/pieces.h"

/* What of a unit (group, bucket, node) it is. */
enum ms_in { MS_IN_NONE, MS_IN_KEY, MS_IN_VALUE, MS_IN_TAG, MS_IN_LINK, MS_IN_PADDING, MS_INS };

/* An address in a piece of a map. */
struct ms_place {
    const struct ms_map *map; /* NULL: in none */
    struct ms_piece piece;
    uint64_t offset; /* in the piece */
    uint64_t unit;   /* number of the unit in the piece; MS_UNKNOWN: it has none */
    uint64_t group;  /* of the map; MS_UNKNOWN */
    int slot;        /* -1 */
    enum ms_in in;
    uint64_t at, len;  /* byte of the key, value ..., and how many it has */
    uint64_t tag_addr; /* of the slot's tophash or control byte; 0: none */
    const char *state; /* of the slot, once that byte was read; NULL */
    const char *field; /* of a record; NULL */
};

/* What arithmetic tells of an address in a piece. */
void ms_view_place(const struct ms_map *m, const struct ms_piece *p, uint64_t addr, struct ms_place *out);
/* The state of a slot by its tophash or control byte: "live", "empty", "deleted", "evacuated". */
const char *ms_view_slot_state(const struct ms_map *m, uint8_t tag);
/* Is a rather what an address is than b?  What is kept for a table only comes last. */
bool ms_view_place_better(const struct ms_place *a, const struct ms_place *b);
const char *ms_in_name(enum ms_in in);

/* Memory that a map gave up, as the flight recorder says. */
struct ms_retired {
    uint64_t map_id, addr, bytes, time_ns, ticket;
    const struct ms_map *map; /* that still lives; NULL: it was freed, or is not shown */
    uint32_t copy;
    bool header; /* of a map that was freed; else of a table */
    bool freed;  /* the map was */
};

/* A mapping, or the gap between two. */
struct ms_region {
    uint64_t start, end; /* of a gap: end of the one below, start of the one above */
    char perms[5];       /* "": not told */
    char *name;          /* of a mapping; "": anonymous */
    bool mapped;
    char *below, *above; /* names of a gap's neighbours; NULL: none */
};

struct ms_explained {
    const char *label; /* "fault", a register; NULL: the user asked */
    uint64_t addr;
    struct ms_place place;
    struct ms_retired retired; /* ticket 0: no */
    struct ms_region region;
    char *object; /* what the program has there; NULL */
};

/* How the process ended. */
struct ms_crash {
    int signal, code, thread; /* signal 0: not known */
    bool has_addr;
    uint64_t addr;
    uint64_t goroutine; /* of a Go program: whose fault it was first; 0: not known */
    int go_signal;      /* that it got then */
};
const char *ms_signal_name(int signal);            /* "SIGSEGV" */
const char *ms_signal_code(int signal, int code);  /* "SEGV_MAPERR"; NULL: not known */
const char *ms_signal_cause(int signal, int code); /* for people; NULL */
/* Can it be the address of anything in a process of this machine? */
bool ms_is_canonical(uint64_t addr);

#endif
