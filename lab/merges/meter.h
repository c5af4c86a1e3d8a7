/* meter.h - what the programs about merges and locks need beyond measure.h and resident.h. */
#ifndef LAB_METER_H
#define LAB_METER_H

#include "../resident.h"

/* Memory without which there is nothing to measure. */
__attribute__((unused)) static void *need(void *memory) {
    must(memory != NULL, "out of memory");
    return memory;
}

/* Begin anew with the peak of the resident set (VmHWM). */
__attribute__((unused)) static void reset_peak(void) {
    FILE *file = fopen("/proc/self/clear_refs", "w");
    must(file && fputs("5", file) >= 0 && !fclose(file), "cannot reset the peak of the resident set");
}

#endif
