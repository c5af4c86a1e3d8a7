/* cmd_scan.c - who holds a map of a C program: joins the scan (model/scan.c) with the process, whose mappings say where to
 * look, and its images, whose symbols name the variables.
 *
 *   word in                           is
 *   a writable segment of an image    a variable: NAME+0x8, or FILE+0x1f30 where no symbol covers it
 *   a mapping with a thread's sp      the thread's stack; dead, below sp
 *   a chunk of a gomap registry       the library's own list of maps
 *   elsewhere                         allocated memory
 */
#include "cmd.h"

#include "elf/elfscan.h"
#include "gomap/inspect.h"
#include "model/scan.h"
#include "reader/writable.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Below the stack pointer a leaf function of x86-64 may keep so many bytes. */
enum { RED_ZONE = 128 };
enum { CHUNKS_MAX = 1 << 20, NAME_ROOM = 256 };

struct ms_places {
    struct ms_session *s;
    struct ms_images images;
    struct ms_elf **elf; /* of each image; NULL: none */
    struct ms_writables memory;
    uint64_t *chunk; /* addresses of registry chunks */
    size_t chunks, chunk_room;
};

/* ---- what lies where --------------------------------------------------------------------------- */

static void load_elves(struct ms_places *p) {
    struct ms_bytes memory = {ms_bytes_of_memory, &p->s->process.reader};
    p->elf = ms_alloc((p->images.count + 1) * sizeof *p->elf);
    for (size_t i = 0; i < p->images.count; i++) {
        p->elf[i] = ms_alloc(sizeof *p->elf[i]);
        if (ms_elf_open(p->elf[i], memory, p->images.image[i].start) == MS_ELF_OK) continue;
        free(p->elf[i]);
        p->elf[i] = NULL;
    }
}

static void load_chunks(struct ms_places *p, const struct ms_session *s) {
    for (size_t i = 0; i < s->roots; i++) {
        struct gomap_root root;
        struct gomap_chunk chunk;
        if (ms_read(&p->s->process.reader, s->root[i], &root, sizeof root) != MS_READ_OK) continue;
        for (uint64_t at = (uintptr_t)root.chunks; at && p->chunks < CHUNKS_MAX; at = (uintptr_t)chunk.next) {
            if (ms_read(&p->s->process.reader, at, &chunk, sizeof chunk) != MS_READ_OK) break;
            MS_ROOM(p->chunk, p->chunks, p->chunk_room);
            p->chunk[p->chunks++] = at;
        }
    }
}

static bool is_registry(const struct ms_places *p, uint64_t addr) {
    for (size_t i = 0; i < p->chunks; i++)
        if (addr - p->chunk[i] < sizeof(struct gomap_chunk)) return true;
    return false;
}

/* The image with addr in one of its writable segments; images.count: none. */
static size_t image_of(const struct ms_places *p, uint64_t addr) {
    for (size_t i = 0; i < p->images.count; i++) {
        const struct ms_elf *e = p->elf[i];
        for (size_t k = 0; e && k < e->phdrs; k++)
            if (e->phdr[k].p_type == PT_LOAD && e->phdr[k].p_flags & PF_W &&
                addr - (e->bias + e->phdr[k].p_vaddr) < e->phdr[k].p_memsz)
                return i;
    }
    return p->images.count;
}

static char *name_variable(struct ms_places *p, size_t image, uint64_t addr) {
    const struct ms_image *im = &p->images.image[image];
    char symbol[NAME_ROOM];
    uint64_t offset = 0;
    int fd = ms_image_open(&p->s->process, im);
    bool named = fd >= 0 && ms_elf_file_object(p->elf[image], (struct ms_bytes){ms_bytes_of_file, &fd}, addr,
                                               symbol, sizeof symbol, &offset);
    if (fd >= 0) close(fd);
    if (named) return offset ? ms_asprintf("%s+0x%" PRIx64, symbol, offset) : ms_strdup(symbol);
    const char *slash = strrchr(im->path, '/');
    return ms_asprintf("%s+0x%" PRIx64, slash ? slash + 1 : im->path, addr - im->start);
}

enum ms_root ms_places_name(void *ctx, uint64_t addr, char **name) {
    struct ms_places *p = ctx;
    *name = NULL;
    if (is_registry(p, addr)) {
        *name = ms_strdup("registry of maps");
        return MS_ROOT_REGISTRY;
    }
    size_t image = image_of(p, addr);
    if (image < p->images.count) {
        *name = name_variable(p, image, addr);
        return MS_ROOT_GLOBAL;
    }
    for (size_t i = 0; i < p->memory.count; i++) {
        const struct ms_writable *w = &p->memory.range[i];
        if (!w->thread || addr < w->start || addr >= w->end) continue;
        bool dead = addr + RED_ZONE < w->sp;
        *name = dead ? ms_asprintf("thread %d below its stack", w->thread)
                     : ms_asprintf("thread %d stack%+" PRId64, w->thread, (int64_t)(addr - w->sp));
        return dead ? MS_ROOT_DEAD : MS_ROOT_STACK;
    }
    return MS_ROOT_HEAP;
}

/* ---- the whole --------------------------------------------------------------------------------- */

int ms_places_open(struct ms_session *s, struct ms_places **out, struct ms_error *err) {
    struct ms_places *p = *out = ms_alloc(sizeof *p);
    *p = (struct ms_places){.s = s};
    int status = ms_images_load(&s->process, &p->images, err);
    if (status) return status;
    load_elves(p);
    load_chunks(p, s);
    return ms_writable_load(&s->process, &p->memory, err);
}

void ms_places_close(struct ms_places *p) {
    if (!p) return;
    for (size_t i = 0; p->elf && i < p->images.count; i++) free(p->elf[i]);
    free(p->elf);
    free(p->chunk);
    ms_writable_free(&p->memory);
    ms_images_free(&p->images);
    free(p);
}

int ms_session_scan(struct ms_session *s, const struct ms_map *m, size_t most, struct ms_holders *out,
                    struct ms_error *err) {
    struct ms_places *p;
    int status = ms_places_open(s, &p, err);
    if (status == MS_OK) {
        struct ms_scan_range *range = ms_alloc((p->memory.count + 1) * sizeof *range);
        for (size_t i = 0; i < p->memory.count; i++)
            range[i] = (struct ms_scan_range){p->memory.range[i].start, p->memory.range[i].end};
        struct ms_scan scan = {range, p->memory.count, ms_places_name, p};
        status = ms_scan_holders(&s->process.reader, &scan, m->addr, most, out, err);
        free(range);
    }
    ms_places_close(p);
    return status;
}
