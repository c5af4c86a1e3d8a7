/* gomemstats.c - the figures by which the runtime's own MemStats are made: counters in gcController (1.19 and later), in
 * memstats before.  Each is exact when it is read; they are not read at one moment.
 */
#include "gomemstats.h"

/* A counter of a struct of the runtime that is a global. */
static bool counter(struct ms_go *go, const char *global, const char *structure, const char *field,
                    uint64_t *out) {
    const struct ms_goglobal *g = ms_godwarf_global(go->dwarf, global);
    uint64_t offset;
    return g && ms_godwarf_field(go->dwarf, structure, field, &offset) &&
           ms_read(go->reader, g->addr + go->bias + offset, out, sizeof *out) == MS_READ_OK;
}

static bool is_sane(const struct ms_gomemstats *m) {
    const uint64_t most = UINT64_C(1) << 48;
    return m->in_use < most && m->free < most && m->released < most;
}

static bool read_controller(struct ms_go *go, struct ms_gomemstats *m) {
    static const char global[] = "runtime.gcController", structure[] = "runtime.gcControllerState";
    return counter(go, global, structure, "heapInUse", &m->in_use) &&
           counter(go, global, structure, "heapFree", &m->free) &&
           counter(go, global, structure, "heapReleased", &m->released) && is_sane(m);
}

/* heap_sys has stacks in it, so what is free is not told by subtraction: it is what idle spans kept. */
static bool read_memstats(struct ms_go *go, struct ms_gomemstats *m) {
    static const char global[] = "runtime.memstats", structure[] = "runtime.mstats";
    uint64_t all;
    if (!counter(go, global, structure, "heap_sys", &all) ||
        !counter(go, global, structure, "heap_inuse", &m->in_use) ||
        !counter(go, global, structure, "heap_released", &m->released) || m->in_use + m->released > all)
        return false;
    m->free = all - m->in_use - m->released;
    return is_sane(m);
}

void ms_gomemstats_read(struct ms_go *go, struct ms_gomemstats *out) {
    *out = (struct ms_gomemstats){0};
    out->known = go->dwarf && (read_controller(go, out) || read_memstats(go, out));
    if (out->known) return;
    *out = (struct ms_gomemstats){0};
    for (size_t i = 0; i < go->heap.areas; i++) {
        const struct ms_goarea *a = &go->heap.area[i];
        if (a->kind == MS_GO_HEAP)
            out->in_use += (a->end - a->start + MS_GO_PAGE - 1) / MS_GO_PAGE * MS_GO_PAGE;
    }
}
