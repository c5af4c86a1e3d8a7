/* regions.c - all mappings of a process: /proc/PID/maps, read once, or the segments of a core file.
 *
 * A core file has a segment for each mapping, also for those it holds nothing of, and names only those of files.
 */
#include "regions.h"

#include "core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAPPINGS_MOST = 1 << 21 };

static void add(struct ms_regions *out, uint64_t start, uint64_t end, const char *perms, const char *name) {
    if (end <= start || out->count >= MAPPINGS_MOST) return;
    if (out->count && start < out->mapped[out->count - 1].end) return;
    MS_ROOM(out->mapped, out->count, out->room);
    struct ms_mapped *m = &out->mapped[out->count++];
    *m = (struct ms_mapped){.start = start, .end = end, .name = ms_strdup(name)};
    snprintf(m->perms, sizeof m->perms, "%.4s", perms);
}

static void take_line(struct ms_regions *out, char *line) {
    unsigned long long start, end;
    char perms[8];
    int name = 0;
    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "%llx-%llx %7s %*x %*x:%*x %*u %n", &start, &end, perms, &name) < 3) return;
    add(out, start, end, perms, name ? line + name : "");
}

static int load_live(struct ms_process *p, struct ms_regions *out, struct ms_error *err) {
    FILE *f;
    int status = ms_process_text(p, "maps", &f, err);
    if (status) return status;
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, f) > 0) take_line(out, line);
    free(line);
    fclose(f);
    return MS_OK;
}

int ms_regions_load(struct ms_process *p, struct ms_regions *out, struct ms_error *err) {
    *out = (struct ms_regions){0};
    if (!p->core) return load_live(p, out, err);
    const struct ms_elfcore *e = &p->core->elf;
    for (size_t i = 0; i < e->segments; i++) {
        const struct ms_core_segment *s = &e->segment[i];
        const struct ms_core_mapping *m = ms_elfcore_mapping(e, s->addr);
        char perms[] = {s->flags & PF_R ? 'r' : '-', s->flags & PF_W ? 'w' : '-', s->flags & PF_X ? 'x' : '-',
                        0};
        add(out, s->addr, s->addr + s->size, perms, m ? m->path : "");
    }
    return MS_OK;
}

size_t ms_regions_until(const struct ms_regions *r, uint64_t addr) {
    size_t lo = 0, hi = r->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (r->mapped[mid].start <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void ms_regions_free(struct ms_regions *r) {
    for (size_t i = 0; i < r->count; i++) free(r->mapped[i].name);
    free(r->mapped);
    *r = (struct ms_regions){0};
}
