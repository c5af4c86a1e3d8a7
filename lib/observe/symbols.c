/* lib/observe/symbols.c - the ELF files of this process, and the names of its functions.
 *
 * Names come from the file's .symtab, else .dynsym: one pass over the table, a binary search among the addresses asked
 * for.  The files are those this process runs, yet sizes and offsets are checked: a file may have been replaced.
 */
#define _GNU_SOURCE
#include "observe_internal.h"

#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- which files --------------------------------------------------------------------------------------- */

static void read_build_id(const struct dl_phdr_info *info, char *hex) {
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        if (ph->p_type != PT_NOTE) continue;
        const uint8_t *at = (const uint8_t *)(info->dlpi_addr + ph->p_vaddr), *end = at + ph->p_memsz;
        while (end - at >= (ptrdiff_t)sizeof(ElfW(Nhdr))) {
            ElfW(Nhdr) n;
            memcpy(&n, at, sizeof n);
            const uint8_t *name = at + sizeof n, *desc = name + gomap_inspect_align(n.n_namesz, 4);
            at = desc + gomap_inspect_align(n.n_descsz, 4);
            if (at > end || at < desc) break;
            if (n.n_type != NT_GNU_BUILD_ID || n.n_namesz != 4 || memcmp(name, "GNU", 4) || n.n_descsz > 64) continue;
            for (unsigned k = 0; k < n.n_descsz; k++) sprintf(hex + 2 * k, "%02x", desc[k]);
            return;
        }
    }
}

static int add_image(struct dl_phdr_info *info, size_t size, void *ctx) {
    struct images *im = ctx;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X)) continue;
        if (im->count == im->room) {
            struct image *more = realloc(im->image, (im->room = 2 * im->room + 16) * sizeof *more);
            if (!more) return im->failed = true;
            im->image = more;
        }
        struct image *to = &im->image[im->count++];
        *to = (struct image){.bias = info->dlpi_addr, .start = info->dlpi_addr + ph->p_vaddr, .offset = ph->p_offset};
        to->end = to->start + ph->p_memsz;
        to->path = strdup(info->dlpi_name && *info->dlpi_name ? info->dlpi_name : "/proc/self/exe");
        if (!to->path) return im->failed = true;
        read_build_id(info, to->build_id);
    }
    return 0;
}

/* The program's own path, for readers elsewhere. */
static void name_program(struct images *im) {
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) return;
    path[n] = 0;
    for (size_t i = 0; i < im->count; i++) {
        if (strcmp(im->image[i].path, "/proc/self/exe") != 0) continue;
        char *own = strdup(path);
        if (!own) continue;
        free(im->image[i].path);
        im->image[i].path = own;
    }
}

static int by_start(const void *a, const void *b) {
    uint64_t x = ((const struct image *)a)->start, y = ((const struct image *)b)->start;
    return (x > y) - (x < y);
}

void gomap__images_load(struct images *im) {
    *im = (struct images){0};
    dl_iterate_phdr(add_image, im);
    name_program(im);
    if (im->count) qsort(im->image, im->count, sizeof *im->image, by_start);
}

void gomap__images_free(struct images *im) {
    for (size_t i = 0; i < im->count; i++) free(im->image[i].path);
    free(im->image);
}

/* ---- names -------------------------------------------------------------------------------------------------- */

struct file {
    const uint8_t *at;
    uint64_t bytes;
};

static bool within(const struct file *f, uint64_t at, uint64_t n) { return at <= f->bytes && n <= f->bytes - at; }

static struct file map_file(const char *path) {
    struct file f = {0};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return f;
    if (!fstat(fd, &st) && st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p != MAP_FAILED) f = (struct file){p, (uint64_t)st.st_size};
    }
    close(fd);
    return f;
}

static bool section(const struct file *f, uint32_t type, ElfW(Shdr) *table, ElfW(Shdr) *strings) {
    ElfW(Ehdr) eh;
    if (!within(f, 0, sizeof eh)) return false;
    memcpy(&eh, f->at, sizeof eh);
    if (memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_shentsize != sizeof *table) return false;
    if (!within(f, eh.e_shoff, (uint64_t)eh.e_shnum * sizeof *table)) return false;
    for (unsigned i = 0; i < eh.e_shnum; i++) {
        memcpy(table, f->at + eh.e_shoff + i * sizeof *table, sizeof *table);
        if (table->sh_type != type || table->sh_link >= eh.e_shnum) continue;
        memcpy(strings, f->at + eh.e_shoff + table->sh_link * sizeof *table, sizeof *table);
        return within(f, table->sh_offset, table->sh_size) && within(f, strings->sh_offset, strings->sh_size) &&
               strings->sh_size && !f->at[strings->sh_offset + strings->sh_size - 1];
    }
    return false;
}

/* First of the ascending addresses that is >= a. */
static size_t lower_bound(const uint64_t *addr, size_t n, uint64_t a) {
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (addr[mid] < a)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void gomap__symbols(const struct image *im, const uint64_t *addr, size_t n, char **name) {
    struct file f = map_file(im->path);
    ElfW(Shdr) table, strings;
    memset(name, 0, n * sizeof *name);
    bool found = f.at && (section(&f, SHT_SYMTAB, &table, &strings) || section(&f, SHT_DYNSYM, &table, &strings));
    for (uint64_t i = 0; found && i < table.sh_size / sizeof(ElfW(Sym)); i++) {
        ElfW(Sym) s;
        memcpy(&s, f.at + table.sh_offset + i * sizeof s, sizeof s);
        if ((s.st_info & 15) != STT_FUNC || !s.st_shndx || s.st_name >= strings.sh_size) continue;
        const uint64_t from = im->bias + s.st_value, to = from + (s.st_size ? s.st_size : 1);
        const char *text = (const char *)f.at + strings.sh_offset + s.st_name;
        for (size_t at = lower_bound(addr, n, from); at < n && addr[at] < to; at++)
            if (!name[at]) name[at] = strdup(text);
    }
    if (f.at) munmap((void *)(uintptr_t)f.at, f.bytes);
}
