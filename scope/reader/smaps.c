/* smaps.c - see smaps.h.
 *
 *   c000000000-c000400000 rw-p 00000000 00:00 0        a line with a range begins a mapping
 *   Rss:                2048 kB                        lines with a colon say more of it; those not known are passed over
 */
#include "smaps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t kib_of(const char *line, const char *name) {
    size_t len = strlen(name);
    return strncmp(line, name, len) == 0 ? ms_mul(strtoull(line + len, NULL, 10), 1024) : 0;
}

static void take_line(const char *line, struct ms_smap **all, size_t *n, size_t *room) {
    unsigned long long start, end;
    if (sscanf(line, "%llx-%llx ", &start, &end) == 2) {
        MS_ROOM(*all, *n, *room);
        (*all)[(*n)++] = (struct ms_smap){.start = start, .end = end};
        return;
    }
    if (*n == 0) return;
    struct ms_smap *m = &(*all)[*n - 1];
    m->resident = ms_add(m->resident, kib_of(line, "Rss:"));
    m->lazyfree = ms_add(m->lazyfree, kib_of(line, "LazyFree:"));
    m->huge = ms_add(m->huge, kib_of(line, "AnonHugePages:"));
}

int ms_smaps_load(struct ms_process *p, struct ms_smap **out, size_t *n, struct ms_error *err) {
    FILE *f;
    int status = ms_process_text(p, "smaps", &f, err);
    char *line = NULL;
    size_t len = 0, room = 0;
    *out = NULL;
    *n = 0;
    if (status) return status;
    while (getline(&line, &len, f) > 0) take_line(line, out, n, &room);
    free(line);
    fclose(f);
    return *n ? MS_OK : ms_fail(err, MS_GONE, "process %d (%s) has ended", p->pid, p->comm);
}
