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
#include "progress.h"
#include "reader/core.h"

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

bool ms_bytes_of_memory(void *ctx, uint64_t addr, void *buf, size_t len) {
    return ms_read(ctx, addr, buf, len) == MS_READ_OK;
}

bool ms_bytes_of_file(void *ctx, uint64_t at, void *buf, size_t len) {
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
    struct ms_bytes memory = {ms_bytes_of_memory, &s->process.reader};
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
            struct ms_bytes file = {ms_bytes_of_file, &fd};
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
    if (s->rec) return MS_OK;
    s->images = s->elf32 = 0;
    int status = ms_images_load(&s->process, &images, err);
    for (size_t i = 0; status == MS_OK && i < images.count; i++) status = look_into(s, &images.image[i], err);
    const struct ms_image *program = ms_session_program(s, &images);
    s->program = program ? program->start : 0;
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

/* FILE[,EXE]; a comma in FILE is part of its name if there is such a file. */
static int open_core(struct ms_session *s, const char *files, struct ms_error *err) {
    const char *comma = access(files, F_OK) == 0 ? NULL : strrchr(files, ',');
    char *file = ms_strdup(files);
    if (comma) file[comma - files] = 0;
    int status = ms_core_open(&s->process, file, comma ? comma + 1 : NULL, err);
    free(file);
    if (status == MS_OK) status = ms_session_find(s, err);
    return status;
}

/* No maps, or none that can be read: if the reason is what the core lacks, say that.  Else `status`, and the line stays. */
static int core_without_maps(struct ms_session *s, int status, struct ms_error *err) {
    if (!s->process.core) return status;
    char *lacks = ms_core_lacks(s->process.core), *strangers = ms_core_strangers(s->process.core);
    if (lacks || strangers)
        status = ms_fail(err, MS_UNCERTAIN, "no maps can be seen: %s%s%s", lacks ? lacks : "",
                         lacks && strangers ? "; " : "", strangers ? strangers : "");
    free(lacks);
    free(strangers);
    return status;
}

int ms_session_open(struct ms_session *s, const struct ms_cmd *cmd, struct ms_error *err) {
    const char *target = cmd->target;
    int pid = 0, status = MS_OK;
    *s = (struct ms_session){0};
    s->process = (struct ms_process){.dir_fd = -1, .mem_fd = -1, .pagemap_fd = -1, .pid_fd = -1};
    if (strncmp(target, "rec:", 4) == 0) return ms_session_rec_open(s, target + 4, err);
    if (strncmp(target, "bin:", 4) == 0)
        return ms_fail(err, MS_USAGE, "target '%s': a file has types and no maps: only layout reads it", target);
    if (strncmp(target, "core:", 5) == 0) {
        status = open_core(s, target + 5, err);
    } else {
        status = find_pid(target, &pid, err);
        if (status == MS_OK) status = ms_session_open_pid(s, pid, err);
    }
    s->exe = cmd->exe;
    if (status) return status;
    status = ms_session_go_open(s, err);
    if (status == MS_UNCERTAIN) status = core_without_maps(s, status, err);
    if (status) return status;
    if (s->exe && !s->go)
        return ms_fail(err, MS_USAGE, "--exe is for Go programs: process %d (%s) is none", s->process.pid,
                       s->process.comm);
    if (s->roots || s->go) return MS_OK;
    status = ms_process_check(&s->process, err);
    if (status == MS_OK) status = core_without_maps(s, MS_OK, err);
    if (status) return status;
    if (s->main_is_32bit || (s->images == 0 && s->elf32))
        return ms_fail(err, MS_UNCERTAIN,
                       "process %d (%s) is a 32-bit program: mapscope reads 64-bit ones only", s->process.pid,
                       s->process.comm);
    return ms_fail(err, MS_USAGE,
                   "process %d (%s) does not use gomap and is no Go program: none of its %zu ELF images describes maps",
                   s->process.pid, s->process.comm, s->images);
}

void ms_session_close(struct ms_session *s) {
    for (size_t i = 0; i < s->roots; i++) free(s->image[i]);
    free(s->image);
    free(s->root);
    ms_session_go_close(s);
    ms_session_rec_close(s);
    free(s->registers);
    ms_process_close(&s->process);
    *s = (struct ms_session){0};
}

/* ---- snapshots --------------------------------------------------------------------------------- */

/* What a core file is, and what it lacks. */
static void describe_core(const struct ms_core *c, struct ms_snapshot *out) {
    char *lacks = ms_core_lacks(c);
    out->target.core = ms_strdup(c->path);
    out->target.signal = c->elf.signal.si_signo;
    out->target.threads = c->elf.threads;
    out->uncertain = lacks != NULL;
    if (lacks) ms_snapshot_note(out, "%s", lacks);
    free(lacks);
}

/* Files that were missed while it was read. */
static void note_strangers(const struct ms_core *c, struct ms_snapshot *out) {
    char *strangers = ms_core_strangers(c);
    if (strangers) ms_snapshot_note(out, "%s", strangers);
    free(strangers);
}

void ms_session_describe(struct ms_session *s, struct ms_snapshot *out) {
    struct ms_process *p = &s->process;
    ms_snapshot_init(out);
    out->target = (struct ms_target){.pid = p->pid,
                                     .uid = (unsigned)p->uid,
                                     .comm = ms_strdup(p->comm),
                                     .exe = ms_strdup(p->exe),
                                     .age_ns = ms_process_age_ns(p),
                                     .rss_bytes = ms_process_rss(p),
                                     .images = s->images,
                                     .mappings = s->mappings,
                                     .mode = p->core ? MS_MODE_CORE : MS_MODE_LIVE};
    if (p->core) describe_core(p->core, out);
}

int ms_session_snapshot(struct ms_session *s, bool want_maps, bool resident, struct ms_snapshot *out,
                        struct ms_error *err) {
    struct ms_process *p = &s->process;
    int status = MS_OK;
    if (s->rec) return ms_session_rec_snapshot(s, want_maps, resident, out, err);
    ms_session_describe(s, out);
    for (size_t i = 0; status == MS_OK && i < s->roots; i++) {
        bool is_root;
        status = ms_gomap_load(&p->reader, s->root[i], s->image[i], want_maps, out, &is_root, err);
    }
    if (status == MS_OK && s->go && want_maps) status = ms_session_go_maps(s, out, err);
    if (status == MS_UNCERTAIN) status = core_without_maps(s, status, err);
    if (p->core) note_strangers(p->core, out);
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

/* ---- targets held still ------------------------------------------------------------------------- */

static const char ran_again[] = "the target was let go before all was read: what was read then is of other moments";

static int freeze(struct ms_cmd *cmd, struct ms_session *s, struct ms_freeze_reply *got, struct ms_error *err) {
    struct ms_process *p = &s->process;
    struct ms_freeze_request q = {.order = cmd->mode == MS_MODE_STOP ? MS_FREEZE : MS_COPY,
                                  .pid = p->pid,
                                  .start_ticks = p->start_ticks};
    int status = ms_keeper_ask(&cmd->keeper, &q, got, err);
    if (status == MS_OK) {
        free(s->registers);
        s->registers = NULL;
        status = ms_keeper_registers(&cmd->keeper, got, &s->registers, err);
        s->threads = status == MS_OK ? (size_t)got->thread_count : 0;
    }
    if (status == MS_OK && got->copy) status = ms_process_use_copy(p, got->copy, err);
    p->reader.still = status == MS_OK;
    return status;
}

/* A map stopped between two stores that belong together contradicts itself.  That is rare, and another moment will do. */
int ms_session_look(struct ms_cmd *cmd, struct ms_session *s, bool resident, struct ms_snapshot *out,
                    struct ms_error *err) {
    enum { MOMENTS = 5 };
    if (cmd->mode == MS_MODE_LIVE) {
        ms_progress_begin(s->process.comm, &s->process.reader);
        return ms_session_snapshot(s, true, resident, out, err);
    }
    int status = ms_session_runs(s, "--stop and --snapshot are", err);
    if (status) return status;
    for (int i = 0; i < MOMENTS; i++) {
        ms_progress_end(); /* its timer would disturb the talk with the keeper */
        struct ms_freeze_reply got = {.pause_ns = 0};
        status = freeze(cmd, s, &got, err);
        ms_snapshot_free(out);
        ms_progress_begin(s->process.comm, &s->process.reader);
        if (status == MS_OK) status = ms_session_snapshot(s, true, resident, out, err);
        out->target.mode = cmd->mode;
        out->target.pause_ns = s->paused_ns += got.pause_ns;
        if (status || !out->uncertain || i + 1 == MOMENTS) return status;
        status = ms_session_thaw(cmd, s, out, err);
        if (status || s->late) return status;
    }
    return MS_OK;
}

int ms_session_thaw(struct ms_cmd *cmd, struct ms_session *s, struct ms_snapshot *snap, struct ms_error *err) {
    struct ms_freeze_reply got;
    ms_progress_end();
    if (cmd->mode != MS_MODE_STOP || s->late) return MS_OK;
    int status = ms_keeper_ask(&cmd->keeper, &(struct ms_freeze_request){.order = MS_THAW}, &got, err);
    if (status) return status;
    s->process.reader.still = false;
    snap->target.pause_ns = s->paused_ns += got.pause_ns;
    snap->target.late = s->late = got.late;
    if (!got.late) return MS_OK;
    snap->uncertain = true;
    ms_snapshot_note(snap, "%s", ran_again);
    return MS_OK;
}

int ms_session_whole(const struct ms_session *s, struct ms_error *err) {
    char *why = s->process.core ? ms_core_lacks(s->process.core) : NULL;
    if (s->late) return ms_fail(err, MS_UNCERTAIN, "%s", ran_again);
    if (!why) return MS_OK;
    ms_fail(err, MS_UNCERTAIN, "%s", why);
    free(why);
    return MS_UNCERTAIN;
}

int ms_session_map(struct ms_cmd *cmd, struct ms_session *s, struct ms_snapshot *snap,
                   const struct ms_map **map, struct ms_error *err) {
    ms_snapshot_init(snap);
    int status = ms_session_open(s, cmd, err);
    if (status == MS_OK) status = ms_session_look(cmd, s, false, snap, err);
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
