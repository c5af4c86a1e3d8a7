/* images.c - which ELF images a process has mapped, and the files behind them.
 *
 * An image starts where offset 0 of a file is mapped; what belongs to it is told by the ELF headers that
 * the caller reads there.  Anonymous memory is no image.  maps is read once, as a stream: a process with
 * 100,000 mappings costs memory only for its images.
 *
 * The file is needed for what the loader does not map (section headers, .symtab).  Its path may be
 * deleted, replaced, or mean another file in our mount namespace, so descriptors that lead to the very
 * inode come first, and a path is believed only if the inode agrees.
 */
#include "core.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IMAGES_MAX = 65536 };

/* maps writes newline as \012; everything else is literal. */
static char *unescape(const char *s) {
    char *out = ms_alloc(strlen(s) + 1), *w = out;
    while (*s) {
        if (memcmp(s, "\\012", strlen(s) < 4 ? strlen(s) : 4) == 0 && strlen(s) >= 4) {
            *w++ = '\n';
            s += 4;
        } else {
            *w++ = *s++;
        }
    }
    *w = 0;
    return out;
}

void ms_images_add(struct ms_images *out, const struct ms_mapping *m) {
    struct ms_image *last = out->count ? &out->image[out->count - 1] : NULL;
    bool same = last && last->inode == m->inode && last->dev == m->dev;
    /* The first pages of some images are mapped as two neighbours of offset 0: one image. */
    if (m->offset != 0 || (same && last->end == m->start)) {
        if (same) last->end = m->end;
        return;
    }
    if (out->count >= IMAGES_MAX) return;
    MS_ROOM(out->image, out->count, out->room);
    out->image[out->count++] = (struct ms_image){.start = m->start,
                                                 .first_end = m->end,
                                                 .end = m->end,
                                                 .dev = m->dev,
                                                 .inode = m->inode,
                                                 .path = ms_strdup(m->path)};
}

static void take_line(struct ms_images *out, char *line) {
    unsigned long long start, end, offset, inode;
    unsigned major, minor;
    char perms[8];
    int path_at = 0;
    if (sscanf(line, "%llx-%llx %7s %llx %x:%x %llu %n", &start, &end, perms, &offset, &major, &minor, &inode,
               &path_at) < 7)
        return;
    out->mappings++;
    if (inode == 0 || (offset == 0 && perms[0] != 'r')) return;
    line[strcspn(line, "\n")] = 0;
    char *path = unescape(path_at ? line + path_at : "");
    ms_images_add(out, &(struct ms_mapping){start, end, offset, (uint64_t)major << 32 | minor, inode, path});
    free(path);
}

int ms_images_load(struct ms_process *p, struct ms_images *out, struct ms_error *err) {
    *out = (struct ms_images){0};
    if (p->core) return ms_core_images(p->core, out), MS_OK;
    FILE *f;
    int status = ms_process_text(p, "maps", &f, err);
    if (status) return status;
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, f) > 0) take_line(out, line);
    free(line);
    fclose(f);
    if (out->mappings == 0)
        return ms_fail(err, MS_GONE, "process %d (%s) has ended", p->pid, p->comm);
    return MS_OK;
}

void ms_images_free(struct ms_images *im) {
    for (size_t i = 0; i < im->count; i++) free(im->image[i].path);
    free(im->image);
    *im = (struct ms_images){0};
}

/* Open dir_fd/path if it is the regular file `inode`; a FIFO or device of that name is never opened. */
static int open_if_inode(int dir_fd, const char *path, uint64_t inode) {
    struct stat st;
    char self[64];
    int fd = openat(dir_fd, path, O_PATH | O_CLOEXEC);
    if (fd < 0) return -1;
    int out = -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == inode) {
        snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
        out = open(self, O_RDONLY | O_CLOEXEC);
    }
    close(fd);
    return out;
}

int ms_image_open(struct ms_process *p, const struct ms_image *im) {
    char name[96];
    if (p->core) return ms_core_image_open(p->core, im);
    int fd = open_if_inode(p->dir_fd, "exe", im->inode);
    if (fd >= 0) return fd;
    snprintf(name, sizeof name, "map_files/%llx-%llx", (unsigned long long)im->start,
             (unsigned long long)im->first_end);
    if ((fd = open_if_inode(p->dir_fd, name, im->inode)) >= 0) return fd;
    if (im->path[0] != '/') return -1;
    char *path = ms_asprintf("root%s", im->path);
    fd = open_if_inode(p->dir_fd, path, im->inode);
    free(path);
    return fd;
}
