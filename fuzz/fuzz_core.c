/* fuzz_core.c - core files that lie: headers, notes, lists of files, and the program beside them.
 *
 *   input   u16 length of the program's file | that file | the core file
 *
 * Both lie in memory files.  Whatever path the core names, its file is the one of the input, so an input can agree
 * with itself and have its constants read.  Then everything is done that a verb does before it knows of maps: images, their
 * notes, symbols and build ids, the Go version, reads at the ends of all segments and mappings.
 *
 * Checked beside "does not crash": statuses come with a line and are those of a core; segments and mappings ascend;
 * what reads as a whole reads byte by byte, and the same again; nothing is had beyond the file's length.
 */
#include "elf/gobuildinfo.h"
#include "reader/core.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LOOKED_AT = 16 };

static int program;

static void require(bool holds) {
    if (!holds) abort();
}

static int memory_file(int *fd, const uint8_t *data, size_t len) {
    if (*fd <= 0) *fd = memfd_create("fuzz_core", MFD_CLOEXEC);
    require(*fd > 0 && ftruncate(*fd, 0) == 0 && pwrite(*fd, data, len, 0) == (ssize_t)len);
    return *fd;
}

static int open_program(const char *path) {
    require(path != NULL);
    return dup(program);
}

static bool bytes_of(void *ctx, uint64_t addr, void *buf, size_t len) {
    return ms_read(ctx, addr, buf, len) == MS_READ_OK;
}

static void read_around(struct ms_reader *r, uint64_t addr) {
    uint8_t whole[64], again[64], byte;
    uint64_t from = addr - sizeof whole / 2;
    if (ms_read(r, from, whole, sizeof whole) != MS_READ_OK) {
        (void)ms_read(r, addr, &byte, 1);
        return;
    }
    require(ms_read(r, from, again, sizeof again) == MS_READ_OK && memcmp(whole, again, sizeof whole) == 0);
    for (size_t i = 0; i < sizeof whole; i++)
        require(ms_read(r, from + i, &byte, 1) == MS_READ_OK && byte == whole[i]);
}

static void look_into(struct ms_process *p, const struct ms_image *im) {
    static struct ms_elf elf;
    uint8_t id[MS_BUILD_ID_MAX];
    struct ms_found found = {.count = 0};
    struct ms_gobuild build;
    bool missing;
    if (ms_elf_open(&elf, (struct ms_bytes){bytes_of, &p->reader}, im->start) == MS_ELF_OK) {
        ms_elf_notes(&elf, "gomap", 1, &found);
        ms_elf_dynsym(&elf, "gomap_inspect_root", &found);
        require(ms_elf_build_id(&elf, id, &missing) <= sizeof id);
        (void)ms_gobuild_find(&elf, &build);
    }
    int fd = ms_image_open(p, im);
    if (fd >= 0) close(fd);
}

static void look(struct ms_process *p) {
    const struct ms_elfcore *c = &p->core->elf;
    struct ms_images images;
    struct ms_error err = {""};
    for (size_t i = 0; i < c->segments; i++) {
        const struct ms_core_segment *s = &c->segment[i];
        require(i == 0 || c->segment[i - 1].addr + c->segment[i - 1].size <= s->addr);
        require(s->have <= s->size && (s->have == 0 || s->offset + s->have <= c->bytes));
        if (i < LOOKED_AT) read_around(&p->reader, s->addr), read_around(&p->reader, s->addr + s->have);
    }
    for (size_t i = 0; i < c->mappings; i++) {
        const struct ms_core_mapping *m = &c->mapping[i];
        require(m->start < m->end && (i == 0 || c->mapping[i - 1].start <= m->start));
        require(strlen(m->path) <= c->bytes);
        if (i < LOOKED_AT) read_around(&p->reader, m->start), read_around(&p->reader, m->end);
    }
    require(ms_images_load(p, &images, &err) == MS_OK && images.count == p->core->images.count);
    for (size_t i = 0; i < images.count && i < LOOKED_AT; i++) look_into(p, &images.image[i]);
    ms_images_free(&images);
    free(ms_core_lacks(p->core));
    free(ms_core_strangers(p->core));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int core;
    if (size < 2) return 0;
    size_t len = (size_t)data[0] | (size_t)data[1] << 8;
    len = len < size - 2 ? len : size - 2;
    memory_file(&program, data + 2, len);
    memory_file(&core, data + 2 + len, size - 2 - len);
    for (int named = 0; named < 2; named++) {
        struct ms_process p;
        struct ms_error err = {""};
        int status = ms_core_open_fd(&p, dup(core), "core", named ? "program" : NULL, open_program, &err);
        require(status == MS_OK || ((status == MS_USAGE || status == MS_UNCERTAIN) && err.line[0]));
        if (status == MS_OK) look(&p);
        ms_core_close(p.core);
        free(p.exe);
    }
    return 0;
}
