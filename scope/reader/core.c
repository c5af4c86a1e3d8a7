/* core.c - a process that is a core file.
 *
 * A core holds what the process had changed; what it had only mapped (code, constants, symbol tables) is left
 * out, and read from the file of that path, if it still is the same file:
 *
 *   address -> segment of the core that has it           -> bytes of the core
 *           -> else image -> its file, the same one?     -> bytes of the file, of segments that are never written
 *                                                  no    -> fault
 *
 * The same: ELF header, program headers and build id, which the first page of every image in a core holds.  Of
 * segments that may be written the file is no witness: that a core lacks them may as well mean that they were
 * filtered out or cut off.  A core without a list of files (NT_FILE) has the images whose ELF headers it holds.
 *
 * Paths in a core are its own claim: only regular files with an absolute path are opened, never with a wait, and
 * nothing of a file is believed that does not equal what the core holds.
 */
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* A regular file with something in it: what /proc and devices show could make a reader wait. */
static int open_regular(const char *path) {
    struct stat st;
    char self[64];
    int fd = open(path, O_PATH | O_CLOEXEC), out = -1;
    if (fd < 0) return -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
        out = open(self, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    } else {
        errno = EINVAL;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return out;
}

static bool file_bytes(void *ctx, uint64_t at, void *buf, size_t len) {
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

/* ---- files ------------------------------------------------------------------------------------- */

/* What the core itself holds, without the files. */
static bool core_bytes(void *ctx, uint64_t addr, void *buf, size_t len) {
    const struct ms_core *c = ctx;
    for (size_t have = 0, n; have < len; have += n)
        if (!(n = ms_elfcore_copy(&c->elf, addr + have, (char *)buf + have, len - have))) return false;
    return true;
}

static void hex(const uint8_t *id, size_t len, char out[41]) {
    out[0] = 0;
    for (size_t i = 0; i < len && i < 20; i++) sprintf(out + 2 * i, "%02x", id[i]);
}

/* Is the file, whose headers are f->elf, the image that starts at `start` in the core? */
static enum ms_core_state compare(struct ms_core *c, struct ms_core_file *f, uint64_t start) {
    struct ms_bytes held = {core_bytes, c};
    uint8_t id[2][MS_BUILD_ID_MAX];
    char text[2][41];
    bool missing, ignored;
    struct ms_elf *mapped = ms_alloc(sizeof *mapped);
    enum ms_core_state state = MS_FILE_UNKNOWN;
    enum ms_elf_kind kind = ms_elf_open(mapped, held, start);
    size_t len[2] = {ms_elf_build_id(mapped, id[0], &missing), ms_elf_build_id(f->elf, id[1], &ignored)};
    snprintf(f->why, sizeof f->why, "the core does not hold the headers to compare it by");
    if (kind == MS_ELF_OK && (len[0] || !missing)) {
        bool same = len[0] == len[1] && memcmp(id[0], id[1], len[0]) == 0;
        if (memcmp(&mapped->ehdr, &f->elf->ehdr, sizeof mapped->ehdr) != 0 ||
            memcmp(mapped->phdr, f->elf->phdr, mapped->phdrs * sizeof *mapped->phdr) != 0)
            same = false;
        state = same ? MS_FILE_SAME : MS_FILE_OTHER;
        hex(id[0], len[0], text[0]);
        hex(id[1], len[1], text[1]);
        if (len[0] && strcmp(text[0], text[1]) != 0)
            snprintf(f->why, sizeof f->why, "its build id is %s, in the core %s",
                     len[1] ? text[1] : "missing", text[0]);
        else
            snprintf(f->why, sizeof f->why, "its headers differ from those in the core");
    }
    free(mapped);
    return state;
}

static bool is_usable(const struct ms_core_file *f) {
    return f->state == MS_FILE_SAME || f->state == MS_FILE_NAMED;
}

static void drop_file(struct ms_core_file *f) {
    if (f->elf) close(f->fd);
    free(f->elf);
    f->elf = NULL;
}

/* The file of an image, opened and compared when it is first needed. */
static struct ms_core_file *file_of(struct ms_core *c, size_t image) {
    struct ms_core_file *f = &c->file[image];
    const struct ms_image *im = &c->images.image[image];
    if (f->state != MS_FILE_UNTRIED) return f;
    bool given = c->exe && image == c->main;
    const char *path = given ? c->exe : im->path;
    f->state = MS_FILE_MISSING;
    errno = ENOENT;
    f->fd = given || *path == '/' ? c->open(path) : -1;
    snprintf(f->why, sizeof f->why, "%s",
             errno == ENOENT   ? "there is no such file"
             : errno == EINVAL ? "it is not a regular file"
                               : strerror(errno));
    if (f->fd < 0) return f;
    f->elf = ms_alloc(sizeof *f->elf);
    if (ms_elf_open(f->elf, (struct ms_bytes){file_bytes, &f->fd}, 0) == MS_ELF_OK) {
        f->state = compare(c, f, im->start);
        if (f->state == MS_FILE_UNKNOWN && given) f->state = MS_FILE_NAMED;
    } else {
        f->state = MS_FILE_OTHER;
        snprintf(f->why, sizeof f->why, "it is not a 64-bit ELF program or library");
    }
    if (!is_usable(f)) drop_file(f); /* a process may have mapped more files than one may open */
    return f;
}

static const struct ms_image *image_at(const struct ms_core *c, uint64_t addr) {
    size_t lo = 0, hi = c->images.count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (c->images.image[mid].start <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo && addr < c->images.image[lo - 1].end ? &c->images.image[lo - 1] : NULL;
}

/* Does the file have at `offset` what its image has at link-time address at, and no program may write there? */
static bool is_constant(const struct ms_elf *e, uint64_t at, uint64_t offset) {
    for (size_t i = 0; i < e->phdrs; i++) {
        const Elf64_Phdr *p = &e->phdr[i];
        uint64_t lead = p->p_vaddr % PAGE, size = (lead + p->p_filesz + PAGE - 1) / PAGE * PAGE;
        if (p->p_type == PT_LOAD && !(p->p_flags & PF_W) && at - (p->p_vaddr - lead) < size &&
            offset - p->p_offset == at - p->p_vaddr)
            return true;
    }
    return false;
}

/* Bytes of the page at addr from the file mapped there; returns how many, at most len. */
static size_t copy_mapped(struct ms_core *c, uint64_t addr, void *buf, size_t len) {
    /* A page is of one kind throughout: segments of the core, mappings and, by their bias, images start at pages. */
    const struct ms_core_mapping *m = ms_elfcore_mapping(&c->elf, addr);
    const struct ms_image *im = m ? image_at(c, addr) : NULL;
    if (!im) return 0;
    struct ms_core_file *f = file_of(c, (size_t)(im - c->images.image));
    uint64_t offset = m->offset + (addr - m->start);
    if (!is_usable(f) || f->elf->bias % PAGE || !is_constant(f->elf, addr - im->start - f->elf->bias, offset))
        return 0;
    len = (size_t)ms_min(ms_min(len, PAGE - addr % PAGE), m->end - addr);
    return file_bytes(&f->fd, offset, buf, len) ? len : 0;
}

static enum ms_read core_read(void *ctx, uint64_t addr, void *buf, size_t len) {
    struct ms_core *c = ctx;
    for (size_t have = 0, n; have < len; have += n) {
        n = ms_elfcore_copy(&c->elf, addr + have, (char *)buf + have, len - have);
        if (n == 0) n = copy_mapped(c, addr + have, (char *)buf + have, len - have);
        if (n == 0) return MS_READ_FAULT;
    }
    return MS_READ_OK;
}

/* ---- images ------------------------------------------------------------------------------------ */

void ms_core_images(const struct ms_core *c, struct ms_images *out) {
    const struct ms_elfcore *e = &c->elf;
    const char *path = "";
    uint64_t file = 0;
    *out = (struct ms_images){.mappings = 0};
    for (size_t i = 0; i < e->mappings; i++) {
        const struct ms_core_mapping *m = &e->mapping[i];
        if (file == 0 || strcmp(m->path, path) != 0) file++;
        path = m->path;
        ms_images_add(out, &(struct ms_mapping){m->start, m->end, m->offset, 0, file, path});
    }
    for (size_t i = 0; e->mappings == 0 && i < e->segments; i++) {
        const struct ms_core_segment *s = &e->segment[i];
        char magic[SELFMAG];
        if (s->have < sizeof(Elf64_Ehdr) || !core_bytes((void *)(uintptr_t)c, s->addr, magic, sizeof magic))
            continue;
        if (memcmp(magic, ELFMAG, SELFMAG) == 0)
            ms_images_add(out, &(struct ms_mapping){s->addr, s->addr + s->size, 0, 0, i + 1, ""});
    }
    out->mappings = e->segments;
}

int ms_core_image_open(struct ms_core *c, const struct ms_image *im) {
    const struct ms_image *own = image_at(c, im->start);
    struct ms_core_file *f = own ? file_of(c, (size_t)(own - c->images.image)) : NULL;
    return f && is_usable(f) ? fcntl(f->fd, F_DUPFD_CLOEXEC, 0) : -1;
}

/* ---- opening ----------------------------------------------------------------------------------- */

static int refuse(enum ms_core_kind kind, const struct ms_elfcore *e, const char *file,
                  struct ms_error *err) {
    switch (kind) {
    case MS_CORE_OK: return MS_OK;
    case MS_CORE_NOT: return ms_fail(err, MS_USAGE, "%s is not a core file", file);
    case MS_CORE_COMPRESSED: return ms_fail(err, MS_USAGE, "%s is compressed: unpack it first", file);
    case MS_CORE_NO_CORE: return ms_fail(err, MS_USAGE, "%s is an ELF file, but not a core file", file);
    case MS_CORE_32BIT:
        return ms_fail(err, MS_USAGE, "%s is the core of a 32-bit program: mapscope reads 64-bit ones only",
                       file);
    case MS_CORE_FOREIGN:
        return ms_fail(err, MS_USAGE, "%s is a core of another kind of machine than this one", file);
    case MS_CORE_BROKEN:
        return ms_fail(err, MS_USAGE, "%s is no sound core file: its headers are damaged", file);
    case MS_CORE_CUT: break;
    }
    return ms_fail(err, MS_UNCERTAIN,
                   "core file %s is cut short: it has %" PRIu64 " bytes, its headers end at %" PRIu64
                   " or later",
                   file, e->bytes, e->wanted);
}

/* The user named the program's file: is it that? */
static int check_exe(struct ms_core *c, struct ms_error *err) {
    if (!c->exe) return MS_OK;
    if (c->main >= c->images.count)
        return ms_fail(err, MS_UNCERTAIN,
                       "core file %s does not tell where its program was: %s cannot be used", c->path,
                       c->exe);
    struct ms_core_file *f = file_of(c, c->main);
    if (is_usable(f)) return MS_OK;
    return ms_fail(err, MS_USAGE, "%s is not the program of core file %s: %s", c->exe, c->path, f->why);
}

int ms_core_open_fd(struct ms_process *p, int fd, const char *file, const char *exe,
                    int (*open_file)(const char *path), struct ms_error *err) {
    struct stat st;
    struct ms_core *c = ms_alloc(sizeof *c);
    *c = (struct ms_core){.fd = fd, .path = ms_strdup(file), .exe = exe, .open = open_file};
    *p = (struct ms_process){
        .core = c, .dir_fd = -1, .mem_fd = -1, .pagemap_fd = -1, .pid_fd = -1, .exe = ms_strdup("")};
    p->reader = (struct ms_reader){.read = core_read, .ctx = c, .still = true};
    if (fstat(fd, &st) != 0) return ms_fail(err, MS_INTERNAL, "%s: %s", file, strerror(errno));
    enum ms_core_kind kind =
        ms_elfcore_open(&c->elf, (struct ms_bytes){file_bytes, &c->fd}, (uint64_t)st.st_size);
    if (kind != MS_CORE_OK) return refuse(kind, &c->elf, file, err);
    ms_core_images(c, &c->images);
    c->file = ms_alloc(c->images.count * sizeof *c->file);
    const struct ms_image *main = c->elf.phdr ? image_at(c, c->elf.phdr) : c->images.image;
    c->main = main ? (size_t)(main - c->images.image) : c->images.count;
    p->pid = c->elf.pid;
    p->uid = c->elf.uid;
    snprintf(p->comm, sizeof p->comm, "%s", c->elf.comm);
    if (main) {
        free(p->exe);
        p->exe = ms_strdup(main->path);
    }
    return check_exe(c, err);
}

int ms_core_open(struct ms_process *p, const char *file, const char *exe, struct ms_error *err) {
    int fd = open_regular(file);
    if (fd >= 0) return ms_core_open_fd(p, fd, file, exe, open_regular, err);
    if (errno == EACCES || errno == EPERM)
        return ms_fail(err, MS_PERMISSION, "core file %s: %s", file, strerror(errno));
    if (errno == EINVAL) return ms_fail(err, MS_USAGE, "%s is not a core file", file);
    return ms_fail(err, MS_USAGE, "core file %s: %s", file, strerror(errno));
}

void ms_core_close(struct ms_core *c) {
    for (size_t i = 0; c->file && i < c->images.count; i++) drop_file(&c->file[i]);
    free(c->file);
    ms_images_free(&c->images);
    ms_elfcore_close(&c->elf);
    close(c->fd);
    free(c->path);
    free(c);
}

/* ---- what is missing --------------------------------------------------------------------------- */

char *ms_core_lacks(const struct ms_core *c) {
    if (c->elf.wanted > c->elf.bytes)
        return ms_asprintf("core file %s is cut short: it has %" PRIu64 " of %" PRIu64
                           " bytes, what the others held is missing",
                           c->path, c->elf.bytes, c->elf.wanted);
    if (!c->elf.private)
        return ms_asprintf("core file %s holds no memory that the process could write to (coredump_filter)",
                           c->path);
    if (c->elf.notes_cut)
        return ms_asprintf("core file %s has damaged notes: files and threads may be missing", c->path);
    return NULL;
}

/* Was the file needed, and is something to be said about it?  What is no ELF file in the core is data. */
static bool is_strange(const struct ms_core *c, size_t image) {
    enum ms_core_state state = c->file[image].state;
    char magic[SELFMAG];
    if (state == MS_FILE_UNTRIED || state == MS_FILE_SAME) return false;
    return image == c->main ||
           (core_bytes((void *)(uintptr_t)c, c->images.image[image].start, magic, sizeof magic) &&
            memcmp(magic, ELFMAG, SELFMAG) == 0);
}

char *ms_core_strangers(const struct ms_core *c) {
    size_t count = 0, first = 0;
    for (size_t i = c->images.count; i-- > 0;)
        if (is_strange(c, i)) first = i, count++;
    if (count == 0) return NULL;
    if (c->file[first].state == MS_FILE_NAMED)
        return ms_asprintf("%s is taken for the program: %s", c->exe, c->file[first].why);
    const char *path = c->images.image[first].path;
    return ms_asprintf("%zu file%s that the process had mapped cannot be used%s%s: %s%s", count,
                       count == 1 ? "" : "s", *path ? "; " : "", path,
                       *path ? c->file[first].why : "its name is missing",
                       first == c->main ? "; name the program's file: core:FILE,EXE" : "");
}
