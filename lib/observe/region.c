/* lib/observe/region.c - events of the program's own, in the flight recorder. */
#include "observe_internal.h"

void gomap_region_begin(const char *name) {
    gomap__world_init();
    gomap__event_of(0, GOMAP_EV_BEGIN, (uintptr_t)name, 0);
}

void gomap_region_end(const char *name) { gomap__event_of(0, GOMAP_EV_END, (uintptr_t)name, 0); }

void gomap_event(const char *name, uint64_t value) {
    gomap__world_init();
    gomap__event_of(0, GOMAP_EV_NOTE, (uintptr_t)name, value);
}
