/* footprint.c - see footprint.h.
 *
 * A line of each mapping as in maps, then lines "Name:   123 kB", of which those known here are taken.  A kernel that does
 * not have one of them says nothing, which counts as 0.  The sums are of one read of one file, so they agree with each
 * other; nothing else in /proc is read at the same moment.
 */
#include "footprint.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t offset;
} fields[] = {{"Size:", offsetof(struct ms_memory, size)},
              {"Rss:", offsetof(struct ms_memory, rss)},
              {"Pss:", offsetof(struct ms_memory, pss)},
              {"Swap:", offsetof(struct ms_memory, swap)},
              {"LazyFree:", offsetof(struct ms_memory, lazyfree)},
              {"AnonHugePages:", offsetof(struct ms_memory, huge)},
              {"Anonymous:", offsetof(struct ms_memory, anonymous)}};

/* "7f00-7f10 rw-p 00000000 00:00 0   [heap]" */
static bool is_mapping(const char *line, enum ms_memory_class *class) {
    unsigned long long start, end, inode;
    char perms[8];
    int name = 0;
    if (sscanf(line, "%llx-%llx %7s %*x %*x:%*x %llu %n", &start, &end, perms, &inode, &name) < 4)
        return false;
    const char *path = name ? line + name : "";
    if (strncmp(path, "[v", 2) == 0 || strncmp(path, "[uprobes]", 9) == 0)
        *class = MS_MEMORY_SPECIAL;
    else if (strncmp(perms, "---", 3) == 0)
        *class = MS_MEMORY_RESERVED;
    else if (strlen(perms) > 3 && perms[3] == 's')
        *class = MS_MEMORY_SHARED;
    else if (strncmp(path, "[stack]", 7) == 0)
        *class = MS_MEMORY_STACK;
    else
        *class = inode ? MS_MEMORY_FILE : MS_MEMORY_HEAP;
    return true;
}

static void take_field(struct ms_memory *m, const char *line) {
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        size_t n = strlen(fields[i].name);
        if (strncmp(line, fields[i].name, n) != 0) continue;
        uint64_t *to = (uint64_t *)(void *)((char *)m + fields[i].offset);
        *to = ms_add(*to, ms_mul(strtoull(line + n, NULL, 10), 1024));
        return;
    }
}

static void add(struct ms_memory *sum, const struct ms_memory *m) {
    uint64_t *to = (uint64_t *)(void *)sum;
    const uint64_t *from = (const uint64_t *)(const void *)m;
    static_assert(sizeof *m % sizeof *to == 0, "nothing but numbers");
    for (size_t i = 0; i < sizeof *m / sizeof *to; i++) to[i] = ms_add(to[i], from[i]);
}

void ms_footprint_parse(FILE *f, struct ms_footprint *out) {
    enum ms_memory_class class = MS_MEMORY_SPECIAL;
    char *line = NULL;
    size_t room = 0;
    *out = (struct ms_footprint){0};
    while (getline(&line, &room, f) > 0)
        if (is_mapping(line, &class))
            out->of[class].mappings++;
        else
            take_field(&out->of[class], line);
    free(line);
    for (int i = 0; i < MS_MEMORY_CLASSES; i++) add(&out->all, &out->of[i]);
}

int ms_footprint_load(struct ms_process *p, struct ms_footprint *out, struct ms_error *err) {
    FILE *f;
    int status = ms_process_text(p, "smaps", &f, err);
    *out = (struct ms_footprint){0};
    if (status) return status;
    ms_footprint_parse(f, out);
    fclose(f);
    if (out->all.mappings == 0) return ms_fail(err, MS_GONE, "process %d (%s) has ended", p->pid, p->comm);
    return MS_OK;
}
