/* goleak.h - goroutines that nothing can wake, timers, closures, and what is reached through one of them alone. */
#ifndef MS_GOLEAK_H
#define MS_GOLEAK_H

#include "goruntime.h"

struct ms_goleak {
    uint32_t
        *owner; /* per object with pointers: 1 + number of the goroutine; 0: the living reach it, or nobody */
    uint64_t *asleep; /* a bit per goroutine that nothing can wake */
    size_t count;     /* of them */
    uint32_t *timed;  /* per object with pointers: 1 + number of the timer; 0: not through a timer alone */
    uint64_t *when;   /* of each timer: when it fires, by the program's monotonic clock */
    size_t timers, timer_room;
    uint64_t *captured; /* a bit per object with pointers that only closures lead to */
};

/* After ms_gowalk_run.  *known false: the program does not tell what its goroutines wait for (no debug information). */
int ms_goleak_run(struct ms_go *go, struct ms_goleak *out, bool *known, struct ms_error *err);
/* Id of the goroutine through which alone what lies at addr is reached; 0: none. */
uint64_t ms_goleak_owner(struct ms_go *go, const struct ms_goleak *l, uint64_t addr);
/* When the timer fires through which alone what lies at addr is reached; 0: none. */
uint64_t ms_goleak_when(struct ms_go *go, const struct ms_goleak *l, uint64_t addr);
/* Do only variables of closures in the heap lead to it, and of none that a function on a stack runs with? */
bool ms_goleak_captured(struct ms_go *go, const struct ms_goleak *l, uint64_t addr);
void ms_goleak_free(struct ms_goleak *l);

#endif
