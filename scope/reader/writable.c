/* writable.c - memory that a process can write to, from /proc/PID/maps and task/TID/syscall, or from a core file.
 *
 *   rw-p mapping     [ dead           | frames of a thread that waits ]
 *                                     sp
 *
 * Device memory and what other processes share is left out: reading it may do more than read.
 */
#include "writable.h"

#include "core.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/user.h>
#include <unistd.h>

#if defined(__x86_64__)
#define STACK_POINTER(regs) ((regs).rsp)
#else
#define STACK_POINTER(regs) ((regs).sp)
#endif

enum { THREADS_MAX = 1 << 20, LINE_BYTES = 256 };

struct sp {
    uint64_t addr;
    int thread;
};
struct sps {
    struct sp *sp; /* ascending */
    size_t count, room;
};

static int by_addr(const void *a, const void *b) {
    const struct sp *x = a, *y = b;
    return (x->addr > y->addr) - (x->addr < y->addr);
}

/* A mapping with one stack pointer in it is a stack.  With several it is memory in which threads were given theirs. */
static void take_mapping(struct ms_writables *w, const struct sps *all, uint64_t start, uint64_t end) {
    struct ms_writable range = {.start = start, .end = end};
    size_t inside = 0;
    if (end <= start) return;
    for (size_t i = 0; i < all->count && all->sp[i].addr < end; i++) {
        if (all->sp[i].addr < start) continue;
        range.sp = all->sp[i].addr, range.thread = all->sp[i].thread;
        inside++;
    }
    if (inside != 1) range.sp = 0, range.thread = 0;
    MS_ROOM(w->range, w->count, w->room);
    w->range[w->count++] = range;
}

/* ---- a live process ---------------------------------------------------------------------------- */

/* "NUMBER ARGS... SP PC" of a thread that waits in the kernel, "-1 SP PC" elsewhere, "running". */
static void take_thread(int task_fd, const char *name, struct sps *out) {
    char path[64], text[LINE_BYTES];
    snprintf(path, sizeof path, "%.20s/syscall", name);
    int fd = openat(task_fd, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0) close(fd);
    if (n <= 0) return;
    text[n] = 0;
    char *pc = strrchr(text, ' ');
    if (!pc) return;
    *pc = 0;
    char *sp = strrchr(text, ' ');
    uint64_t addr = sp ? strtoull(sp + 1, NULL, 16) : 0;
    if (!addr || out->count >= THREADS_MAX) return;
    MS_ROOM(out->sp, out->count, out->room);
    out->sp[out->count++] = (struct sp){addr, atoi(name)};
}

static void take_threads(struct ms_process *p, struct sps *out) {
    int fd = openat(p->dir_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0) close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(d));)
        if (isdigit((unsigned char)e->d_name[0])) take_thread(dirfd(d), e->d_name, out);
    closedir(d);
}

static void take_line(struct ms_writables *w, const struct sps *all, const char *line) {
    unsigned long long start, end, offset, inode;
    unsigned major, minor;
    char perms[8];
    int path = 0;
    if (sscanf(line, "%llx-%llx %7s %llx %x:%x %llu %n", &start, &end, perms, &offset, &major, &minor, &inode,
               &path) < 7)
        return;
    if (memcmp(perms, "rw", 2) != 0 || perms[3] == 's') return;
    if (path && strncmp(line + path, "/dev/", 5) == 0) return;
    take_mapping(w, all, start, end);
}

static int load_live(struct ms_process *p, struct ms_writables *out, const struct sps *all,
                     struct ms_error *err) {
    FILE *f;
    int status = ms_process_text(p, "maps", &f, err);
    if (status) return status;
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, f) > 0) take_line(out, all, line);
    free(line);
    fclose(f);
    return MS_OK;
}

/* ---- a core file ------------------------------------------------------------------------------- */

/* It says of no memory whether it could be written; text that it holds is searched for nothing. */
static void load_core(const struct ms_core *c, struct ms_writables *out, struct sps *all) {
    for (size_t i = 0; i < c->elf.threads; i++) {
        MS_ROOM(all->sp, all->count, all->room);
        struct user_regs_struct regs;
        memcpy(&regs, c->elf.thread[i].reg, sizeof regs);
        all->sp[all->count++] = (struct sp){STACK_POINTER(regs), c->elf.thread[i].tid};
    }
    if (all->count) qsort(all->sp, all->count, sizeof *all->sp, by_addr);
    for (size_t i = 0; i < c->elf.segments; i++) {
        const struct ms_core_segment *s = &c->elf.segment[i];
        if (s->have) take_mapping(out, all, s->addr, s->addr + s->have);
    }
}

int ms_writable_load(struct ms_process *p, struct ms_writables *out, struct ms_error *err) {
    struct sps all = {0};
    int status = MS_OK;
    *out = (struct ms_writables){0};
    if (p->core) {
        load_core(p->core, out, &all);
    } else {
        take_threads(p, &all);
        if (all.count) qsort(all.sp, all.count, sizeof *all.sp, by_addr);
        status = load_live(p, out, &all, err);
    }
    free(all.sp);
    return status;
}

void ms_writable_free(struct ms_writables *w) {
    free(w->range);
    *w = (struct ms_writables){0};
}
