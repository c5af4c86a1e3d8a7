/* lib/observe/probes.c - each event of the flight recorder as a USDT probe (their arguments: gomap/observe.h). */
#include "observe_internal.h"

#if GOMAP_OBSERVE && defined(__has_include)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#endif
#endif

#ifdef DTRACE_PROBE3
#define PROBE(name) DTRACE_PROBE3(gomap, name, map_id, a, b)
#else
#define PROBE(name) ((void)0)
#endif

void gomap__probe(uint64_t map_id, int kind, uint64_t a, uint64_t b) {
    (void)map_id, (void)a, (void)b; /* without probes */
    switch (kind) {
    case GOMAP_EV_NEW: PROBE(new); break;
    case GOMAP_EV_FREE: PROBE(free); break;
    case GOMAP_EV_GROW_START: PROBE(grow_start); break;
    case GOMAP_EV_GROW_DONE: PROBE(grow_done); break;
    case GOMAP_EV_SHRINK_START: PROBE(shrink_start); break;
    case GOMAP_EV_SHRINK_DONE: PROBE(shrink_done); break;
    case GOMAP_EV_MADVISE: PROBE(madvise); break;
    case GOMAP_EV_RESEED: PROBE(reseed); break;
    case GOMAP_EV_CLEAR: PROBE(clear); break;
    case GOMAP_EV_OOM: PROBE(oom); break;
    case GOMAP_EV_ALARM: PROBE(alarm); break;
    case GOMAP_EV_MISUSE: PROBE(misuse); break;
    case GOMAP_EV_RETIRE: PROBE(retire); break;
    case GOMAP_EV_BEGIN: PROBE(region_begin); break;
    case GOMAP_EV_END: PROBE(region_end); break;
    case GOMAP_EV_NOTE: PROBE(note); break;
    default: break;
    }
}
static_assert(GOMAP_EV_MAX == 17, "a probe for each kind of event");
