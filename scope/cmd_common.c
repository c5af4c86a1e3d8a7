/* cmd_common.c - what the verbs share: from the TARGET argument to a checked snapshot of its maps.
 *
 * This is the one place that joins the parts: the process (reader/), the ELF images in it (elf/), the map
 * models (model/) and the figures (view/).  Finding the roots:
 *
 *   each image in /proc/PID/maps -> its note in memory -> else its dynamic symbol -> else its file
 *
 * A candidate counts only if a root lies there that names its own address, so images that are mapped but not
 * loaded, and bytes that look like a note, are passed over in silence.
 */
#include "cmd.h"

#include "elf/elfscan.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the TARGET argument ----------------------------------------------------------------------- */

static bool is_number(const char *s) {
    if (!*s) return false;
    while (isdigit((unsigned char)*s)) s++;
    return *s == 0;
}

static int find_pid(const char *target, int *pid, struct ms_error *err) {
    if (is_number(target)) {
        char *end;
        long v = strtol(target, &end, 10);
        if (v <= 0 || v > INT32_MAX || strlen(target) > 10)
            return ms_fail(err, MS_GONE, "no process %s", target);
        *pid = (int)v;
        return MS_OK;
    }
    if (strncmp(target, "core:", 5) == 0 || strncmp(target, "rec:", 4) == 0)
        return ms_fail(err, MS_USAGE, "target '%s': this version reads live processes only", target);
    int *all;
    size_t n = *target ? ms_process_named(target, &all) : (all = NULL, 0);
    int status = MS_OK;
    if (n == 1) {
        *pid = all[0];
    } else if (n == 0) {
        status = ms_fail(err, MS_GONE, "no process named '%s'", target);
    } else {
        char list[128] = "";
        for (size_t i = 0, at = 0; i < n && i < 8; i++) at += (size_t)sprintf(list + at, " %d", all[i]);
        status = ms_fail(err, MS_USAGE, "%zu processes are named '%s': give the PID (%s%s)", n, target,
                         list + 1, n > 8 ? " ..." : "");
    }
    free(all);
    return status;
}

/* ---- images and roots -------------------------------------------------------------------------- */

static bool memory_get(void *ctx, uint64_t addr, void *buf, size_t len) {
    return ms_read(ctx, addr, buf, len) == MS_READ_OK;
}

static bool file_get(void *ctx, uint64_t at, void *buf, size_t len) {
    int fd = *(int *)ctx;
    size_t have = 0;
    if (at > INT64_MAX - len) return false;
    while (have < len) {
        ssize_t n = pread(fd, (char *)buf + have, len - have, (off_t)(at + have));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        have += (size_t)n;
    }
    return true;
}

/* Images whose file was searched in vain, by device and inode: `ls` meets each library many times. */
static struct {
    struct {
        uint64_t dev, inode;
    } * file;
    size_t count, room;
} barren;

static bool is_barren(const struct ms_image *im) {
    for (size_t i = 0; i < barren.count; i++)
        if (barren.file[i].dev == im->dev && barren.file[i].inode == im->inode) return true;
    return false;
}

static void set_barren(const struct ms_image *im) {
    MS_ROOM(barren.file, barren.count, barren.room);
    barren.file[barren.count].dev = im->dev;
    barren.file[barren.count++].inode = im->inode;
}

/* Those of the candidates that are roots join the session's list; returns how many were. */
static int keep_roots(struct ms_session *s, const struct ms_image *im, const struct ms_found *found,
                      size_t *kept, struct ms_error *err) {
    for (size_t i = 0; i < found->count; i++) {
        struct ms_snapshot probe;
        bool is_root = false, known = false;
        for (size_t k = 0; k < s->roots; k++) known = known || s->root[k] == found->addr[i];
        if (known) {
            ++*kept;
            continue;
        }
        ms_snapshot_init(&probe);
        int status =
            ms_gomap_load(&s->process.reader, found->addr[i], im->path, false, &probe, &is_root, err);
        ms_snapshot_free(&probe);
        if (status) return status;
        if (!is_root) continue;
        MS_ROOM(s->root, s->roots, s->room);
        MS_ROOM(s->image, s->roots, s->image_room);
        s->root[s->roots] = found->addr[i];
        s->image[s->roots++] = ms_strdup(im->path);
        ++*kept;
    }
    return MS_OK;
}

static int look_into(struct ms_session *s, const struct ms_image *im, struct ms_error *err) {
    struct ms_bytes memory = {memory_get, &s->process.reader};
    struct ms_found found = {.count = 0};
    struct ms_elf *elf = ms_alloc(sizeof *elf);
    size_t kept = 0;
    int status = MS_OK;
    enum ms_elf_kind kind = ms_elf_open(elf, memory, im->start);
    if (kind == MS_ELF_32BIT) {
        s->elf32++;
        if (s->images == 0 || strcmp(im->path, s->process.exe) == 0) s->main_is_32bit = true;
    }
    if (kind != MS_ELF_OK) {
        free(elf);
        return MS_OK;
    }
    s->images++;
    ms_elf_notes(elf, ms_gomap_note_owner, ms_gomap_note_type, &found);
    if (found.count) status = keep_roots(s, im, &found, &kept, err);
    if (status == MS_OK && kept == 0) {
        ms_elf_dynsym(elf, ms_gomap_symbol, &found);
        status = keep_roots(s, im, &found, &kept, err);
    }
    if (status == MS_OK && kept == 0 && !is_barren(im)) {
        int fd = ms_image_open(&s->process, im);
        if (fd >= 0) {
            struct ms_bytes file = {file_get, &fd};
            ms_elf_file_notes(elf, file, ms_gomap_note_owner, ms_gomap_note_type, &found);
            ms_elf_file_symbol(elf, file, ms_gomap_symbol, &found);
            if (found.count)
                status = keep_roots(s, im, &found, &kept, err);
            else
                set_barren(im);
            close(fd);
        }
    }
    free(elf);
    return status;
}

int ms_session_find(struct ms_session *s, struct ms_error *err) {
    struct ms_images images;
    s->images = s->elf32 = 0;
    int status = ms_images_load(&s->process, &images, err);
    for (size_t i = 0; status == MS_OK && i < images.count; i++) status = look_into(s, &images.image[i], err);
    s->mappings = images.mappings;
    ms_images_free(&images);
    return status;
}

int ms_session_open_pid(struct ms_session *s, int pid, struct ms_error *err) {
    *s = (struct ms_session){0};
    int status = ms_process_open(&s->process, pid, err);
    if (status) return status;
    status = ms_session_find(s, err);
    if (status == MS_GONE) ms_process_check(&s->process, err); /* this line knows best what happened */
    return status;
}

int ms_session_open(struct ms_session *s, const char *target, struct ms_error *err) {
    int pid = 0, status = find_pid(target, &pid, err);
    *s = (struct ms_session){0};
    s->process = (struct ms_process){.dir_fd = -1, .mem_fd = -1, .pagemap_fd = -1, .pid_fd = -1};
    if (status == MS_OK) status = ms_session_open_pid(s, pid, err);
    if (status) return status;
    if (s->roots) return MS_OK;
    status = ms_process_check(&s->process, err);
    if (status) return status;
    if (s->main_is_32bit || (s->images == 0 && s->elf32))
        return ms_fail(err, MS_UNCERTAIN,
                       "process %d (%s) is a 32-bit program: mapscope reads 64-bit ones only", pid,
                       s->process.comm);
    return ms_fail(err, MS_USAGE,
                   "process %d (%s) does not use gomap: none of its %zu ELF images describes maps", pid,
                   s->process.comm, s->images);
}

void ms_session_close(struct ms_session *s) {
    for (size_t i = 0; i < s->roots; i++) free(s->image[i]);
    free(s->image);
    free(s->root);
    ms_process_close(&s->process);
    *s = (struct ms_session){0};
}

/* ---- snapshots --------------------------------------------------------------------------------- */

int ms_session_snapshot(struct ms_session *s, bool want_maps, bool resident, struct ms_snapshot *out,
                        struct ms_error *err) {
    struct ms_process *p = &s->process;
    int status = MS_OK;
    ms_snapshot_init(out);
    out->target = (struct ms_target){.pid = p->pid,
                                     .uid = (unsigned)p->uid,
                                     .comm = ms_strdup(p->comm),
                                     .exe = ms_strdup(p->exe),
                                     .age_ns = ms_process_age_ns(p),
                                     .rss_bytes = ms_process_rss(p),
                                     .images = s->images,
                                     .mappings = s->mappings};
    for (size_t i = 0; status == MS_OK && i < s->roots; i++) {
        bool is_root;
        status = ms_gomap_load(&p->reader, s->root[i], s->image[i], want_maps, out, &is_root, err);
    }
    for (size_t i = 0; status == MS_OK && i < out->maps; i++) {
        ms_view_figures(&out->map[i]);
        if (resident) status = ms_map_resident(&p->reader, out, &out->map[i], err);
    }
    /* Was it the same process, and the same program, to the end?  This line knows best what happened. */
    if (status == MS_OK || status == MS_GONE) {
        int check = ms_process_check(p, err);
        if (check) status = check;
    }
    return status;
}

int ms_session_map(struct ms_cmd *cmd, struct ms_session *s, struct ms_snapshot *snap,
                   const struct ms_map **map, struct ms_error *err) {
    ms_snapshot_init(snap);
    int status = ms_session_open(s, cmd->target, err);
    if (status == MS_OK) status = ms_session_snapshot(s, true, false, snap, err);
    if (status) return status;
    status = ms_view_find(snap, cmd->map, map, err);
    if (status && !cmd->json)
        ms_table_notes(stderr, &cmd->style, snap); /* perhaps it is among what is not shown */
    return status;
}

int ms_session_select(struct ms_cmd *cmd, struct ms_snapshot *snap, struct ms_totals *totals, size_t *n,
                      struct ms_error *err) {
    size_t kept = 0;
    ms_view_totals(snap->map, snap->maps, totals);
    for (size_t i = 0; i < snap->maps; i++) {
        if (!ms_filter_match(&cmd->filter, &snap->map[i])) continue;
        if (kept != i) {
            struct ms_map m = snap->map[kept];
            snap->map[kept] = snap->map[i];
            snap->map[i] = m;
        }
        kept++;
    }
    int status = ms_view_sort(snap->map, kept, cmd->sort ? cmd->sort : "bytes", err);
    *n = cmd->limit && cmd->limit < kept ? cmd->limit : kept;
    return status;
}

int ms_session_verdict(struct ms_cmd *cmd, const struct ms_snapshot *snap, struct ms_error *err) {
    if (!cmd->json) {
        fflush(cmd->out);
        ms_table_notes(stderr, &cmd->style, snap);
    }
    if (!snap->uncertain) return MS_OK;
    if (snap->notes == 0) return ms_fail(err, MS_UNCERTAIN, "some maps changed each time they were read");
    err->line[0] = 0; /* the notes said it */
    return MS_UNCERTAIN;
}
