/* elfcore.c - the parts of an ELF core file, as the kernel and gcore write it.
 *
 *   ELF header | program headers | notes | memory of segment 1 | of segment 2 | ...
 *                 PT_NOTE ----------^        ^
 *                 PT_LOAD: address, size ----'   filesz < memsz: the rest was left out, or is zero pages
 *                                                of a file that is mapped there
 *   notes    NT_PRSTATUS one a thread, the one that died first; NT_PRPSINFO pid, user, name; NT_AUXV; NT_FILE
 *            which files were mapped where; NT_SIGINFO why it died
 *
 * A disk that was full, or a limit, ends a core anywhere: then `wanted` is more than `bytes`, and a segment has
 * what the file still has of it.  65,535 program headers and more: their number stands in the first section
 * header.  Nothing is loaded but the program headers and the notes that are kept, and these are bounded by the
 * length of the file before they are by limits.
 */
#include "elfcore.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEGMENTS_MAX = 1 << 21,   /* above any vm.max_map_count in use */
    FILE_NOTE_MAX = 16 << 20, /* the largest core_file_note_size_limit of the kernel */
    NOTES_COUNT_MAX = 1 << 22,
    THREADS_MAX = 1 << 22, /* the kernel's limit of pids */
    AUXV_MAX = 256,
    PAGE = 4096, /* the smallest: mappings start at a multiple of it */
};

#if defined(__x86_64__)
#define MS_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MS_MACHINE EM_AARCH64
#else
#error "mapscope runs on x86-64 and aarch64"
#endif

static bool get(const struct ms_elfcore *c, uint64_t at, void *buf, size_t len) {
    return len <= c->bytes && at <= c->bytes - len && c->file.get(c->file.ctx, at, buf, len);
}

/* ---- notes ------------------------------------------------------------------------------------- */

static void *take(const struct ms_elfcore *c, uint64_t at, uint64_t len, size_t more) {
    void *copy = len <= c->bytes ? calloc(1, len + more) : NULL;
    if (copy && get(c, at, copy, len)) return copy;
    free(copy);
    return NULL;
}

static int by_start(const void *a, const void *b) {
    const struct ms_core_mapping *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

/* count, page size, count times (start, end, offset in pages), then count paths.  False: it does not fit. */
static bool take_files(struct ms_elfcore *c, uint64_t at, uint64_t len) {
    if (c->mapping_note || len < 16 || len > FILE_NOTE_MAX) return false;
    uint64_t *word = take(c, at, len, 8); /* zeros behind it end the last path */
    if (!word) return false;
    uint64_t count = word[0], page = word[1], room = (len - 16) / 24;
    bool whole = count <= room && page > 0 && page <= 1 << 20;
    if (!whole) count = 0;
    const char *path = (const char *)(word + 2 + count * 3), *end = (const char *)word + len;
    c->mapping = calloc(count + 1, sizeof *c->mapping);
    for (uint64_t i = 0; c->mapping && i < count && path < end; i++) {
        const uint64_t *m = word + 2 + i * 3;
        if (m[0] < m[1] && m[0] % PAGE == 0 && m[2] < UINT64_MAX / page)
            c->mapping[c->mappings++] = (struct ms_core_mapping){m[0], m[1], m[2] * page, path};
        path += strlen(path) + 1;
    }
    c->mapping_note = (char *)word;
    if (c->mapping) qsort(c->mapping, c->mappings, sizeof *c->mapping, by_start);
    return whole && c->mappings == count;
}

static bool take_auxv(struct ms_elfcore *c, uint64_t at, uint64_t len) {
    Elf64_auxv_t a;
    for (unsigned i = 0; i < AUXV_MAX && (i + 1) * sizeof a <= len; i++) {
        if (!get(c, at + i * sizeof a, &a, sizeof a) || a.a_type == AT_NULL) break;
        if (a.a_type == AT_PHDR) c->phdr = a.a_un.a_val;
    }
    return true;
}

static bool take_thread(struct ms_elfcore *c, uint64_t at, uint64_t len) {
    prstatus_t s;
    if (len != sizeof s || c->threads >= THREADS_MAX || !get(c, at, &s, sizeof s)) return false;
    if (c->threads == c->thread_room) {
        size_t room = c->thread_room ? c->thread_room * 2 : 16;
        void *more = realloc(c->thread, room * sizeof *c->thread);
        if (!more) return false;
        c->thread = more;
        c->thread_room = room;
    }
    struct ms_core_thread *t = &c->thread[c->threads++];
    t->tid = s.pr_pid;
    t->signal = s.pr_cursig;
    memcpy(&t->reg, &s.pr_reg, sizeof t->reg);
    return true;
}

static bool take_process(struct ms_elfcore *c, uint64_t at, uint64_t len) {
    prpsinfo_t p;
    if (len != sizeof p || !get(c, at, &p, sizeof p)) return false;
    c->pid = p.pr_pid;
    c->uid = p.pr_uid;
    memcpy(c->comm, p.pr_fname, sizeof c->comm - 1);
    return true;
}

static bool take_note(struct ms_elfcore *c, uint32_t type, uint64_t at, uint64_t len) {
    switch (type) {
    case NT_PRSTATUS: return take_thread(c, at, len);
    case NT_PRPSINFO: return take_process(c, at, len);
    case NT_AUXV: return take_auxv(c, at, len);
    case NT_FILE: return take_files(c, at, len);
    case NT_SIGINFO: return len == sizeof c->signal && get(c, at, &c->signal, sizeof c->signal);
    default: return true;
    }
}

static uint64_t pad4(uint64_t n) { return (n + 3) & ~UINT64_C(3); }

static void take_notes(struct ms_elfcore *c, uint64_t at, uint64_t size) {
    uint64_t end = at + size < at ? UINT64_MAX : at + size;
    if (end > c->bytes) {
        c->notes_cut = true;
        if (end > c->wanted) c->wanted = end;
        end = c->bytes;
    }
    for (unsigned n = 0; at < end && n < NOTES_COUNT_MAX; n++) {
        struct {
            Elf64_Nhdr head;
            char owner[8];
        } note = {.owner = ""};
        uint64_t len = end - at < sizeof note ? end - at : sizeof note;
        if (len < sizeof note.head || !get(c, at, &note, len)) {
            c->notes_cut = true;
            return;
        }
        uint64_t desc = at + sizeof note.head + pad4(note.head.n_namesz);
        uint64_t next = desc + pad4(note.head.n_descsz);
        bool ours = note.head.n_namesz == 5 && memcmp(note.owner, "CORE", 5) == 0;
        if (next > end || (ours && !take_note(c, note.head.n_type, desc, note.head.n_descsz)))
            c->notes_cut = true;
        at = next;
    }
}

/* ---- segments ---------------------------------------------------------------------------------- */

static int by_addr(const void *a, const void *b) {
    const struct ms_core_segment *x = a, *y = b;
    return (x->addr > y->addr) - (x->addr < y->addr);
}

/* In order; where two say what lies at an address, the later one does. */
static void settle_segments(struct ms_elfcore *c) {
    bool sorted = true;
    for (size_t i = 1; i < c->segments; i++) sorted = sorted && c->segment[i - 1].addr <= c->segment[i].addr;
    if (!sorted) qsort(c->segment, c->segments, sizeof *c->segment, by_addr);
    for (size_t i = 1; i < c->segments; i++) {
        struct ms_core_segment *s = &c->segment[i - 1];
        uint64_t room = c->segment[i].addr - s->addr;
        if (s->size > room) s->size = room;
        if (s->have > room) s->have = room;
    }
}

static void take_segment(struct ms_elfcore *c, const Elf64_Phdr *p) {
    uint64_t size = p->p_memsz, have = p->p_filesz < size ? p->p_filesz : size;
    if (size == 0 || p->p_vaddr + size < p->p_vaddr || p->p_vaddr % PAGE) return;
    uint64_t there = p->p_offset < c->bytes ? c->bytes - p->p_offset : 0;
    if (have > there) {
        uint64_t end = p->p_offset + have;
        if (end < have) end = UINT64_MAX;
        if (end > c->wanted) c->wanted = end;
        have = there;
    }
    if (have && (p->p_flags & PF_W)) c->private = true;
    c->segment[c->segments++] = (struct ms_core_segment){p->p_vaddr, size, p->p_offset, have, p->p_flags};
}

static enum ms_core_kind take_headers(struct ms_elfcore *c, const Elf64_Ehdr *h) {
    uint64_t count = h->e_phnum, table;
    if (count == PN_XNUM) {
        Elf64_Shdr first;
        if (h->e_shoff == 0) return MS_CORE_BROKEN;
        if (!get(c, h->e_shoff, &first, sizeof first)) return MS_CORE_CUT;
        count = first.sh_info;
    }
    if (h->e_phentsize != sizeof(Elf64_Phdr) || count == 0 || count > SEGMENTS_MAX) return MS_CORE_BROKEN;
    table = count * sizeof(Elf64_Phdr);
    if (h->e_phoff + table < table) return MS_CORE_BROKEN;
    if (h->e_phoff + table > c->bytes) return c->wanted = h->e_phoff + table, MS_CORE_CUT;
    Elf64_Phdr *p = take(c, h->e_phoff, table, 0);
    c->segment = calloc(count, sizeof *c->segment);
    for (uint64_t i = 0; p && c->segment && i < count; i++) {
        if (p[i].p_type == PT_LOAD) take_segment(c, &p[i]);
        if (p[i].p_type == PT_NOTE) take_notes(c, p[i].p_offset, p[i].p_filesz);
    }
    settle_segments(c);
    enum ms_core_kind kind = p && c->segment ? MS_CORE_OK : MS_CORE_BROKEN;
    free(p);
    return kind;
}

static bool is_compressed(const uint8_t *magic) {
    static const uint8_t known[][4] = {
        {0x1f, 0x8b}, {0xfd, '7', 'z', 'X'}, {0x28, 0xb5, 0x2f, 0xfd}, {0x04, 0x22, 0x4d, 0x18}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (memcmp(magic, known[i], i ? 4 : 2) == 0) return true;
    return false;
}

enum ms_core_kind ms_elfcore_open(struct ms_elfcore *c, struct ms_bytes file, uint64_t bytes) {
    Elf64_Ehdr h;
    *c = (struct ms_elfcore){.file = file, .bytes = bytes, .wanted = bytes};
    if (!get(c, 0, h.e_ident, SELFMAG)) return MS_CORE_NOT;
    if (is_compressed(h.e_ident)) return MS_CORE_COMPRESSED;
    if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0) return MS_CORE_NOT;
    if (!get(c, 0, &h, sizeof h)) return c->wanted = sizeof h, MS_CORE_CUT;
    if (h.e_ident[EI_DATA] != ELFDATA2LSB) return MS_CORE_FOREIGN;
    if (h.e_type != ET_CORE) return MS_CORE_NO_CORE;
    if (h.e_ident[EI_CLASS] == ELFCLASS32) return MS_CORE_32BIT;
    if (h.e_machine != MS_MACHINE) return MS_CORE_FOREIGN;
    enum ms_core_kind kind = take_headers(c, &h);
    if (c->threads && c->pid == 0) c->pid = c->thread[0].tid;
    return kind;
}

void ms_elfcore_close(struct ms_elfcore *c) {
    free(c->segment);
    free(c->mapping);
    free(c->mapping_note);
    free(c->thread);
    *c = (struct ms_elfcore){0};
}

/* ---- memory ------------------------------------------------------------------------------------ */

/* Number of elements, each `size` bytes and starting with its address, that start at or before addr. */
static size_t until(const void *first, size_t count, size_t size, uint64_t addr) {
    size_t lo = 0;
    while (lo < count) {
        size_t mid = lo + (count - lo) / 2;
        uint64_t start;
        memcpy(&start, (const char *)first + mid * size, sizeof start);
        if (start <= addr)
            lo = mid + 1;
        else
            count = mid;
    }
    return lo;
}
static_assert(offsetof(struct ms_core_segment, addr) == 0, "until() reads the address there");
static_assert(offsetof(struct ms_core_mapping, start) == 0, "until() reads the address there");

size_t ms_elfcore_copy(const struct ms_elfcore *c, uint64_t addr, void *buf, size_t len) {
    size_t i = until(c->segment, c->segments, sizeof *c->segment, addr);
    if (i == 0) return 0;
    const struct ms_core_segment *s = &c->segment[i - 1];
    uint64_t in = addr - s->addr;
    if (in >= s->have) return 0;
    if (len > s->have - in) len = (size_t)(s->have - in);
    return get(c, s->offset + in, buf, len) ? len : 0;
}

const struct ms_core_mapping *ms_elfcore_mapping(const struct ms_elfcore *c, uint64_t addr) {
    size_t i = until(c->mapping, c->mappings, sizeof *c->mapping, addr);
    return i && addr < c->mapping[i - 1].end ? &c->mapping[i - 1] : NULL;
}
