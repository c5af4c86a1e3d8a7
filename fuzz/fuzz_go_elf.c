/* fuzz_go_elf.c - what a Go binary says of itself, in bytes that lie: debug information, build information, function table.
 *
 *   input   version 1 | flags 1 | changes: place 3, where and length 1, bytes
 *
 * The miniature program (go_world.c) is changed at those places, then everything is asked that goruntime/ may ask, with
 * answers as later questions: types of globals, their members, those of members.  A place may be in the program's file, or in
 * its image and data in memory.  Checked beside "does not crash": lists are sorted, texts end, no chain of types is
 * longer than the bytes that tell it, no question is answered twice differently, no file is opened that the program names.
 */
#include "go_world.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 6, ASKED_MOST = 4096, HEAD = 4 };
enum { NO_SWISS = 1, NO_GREEN_TEA = 2, CUT = 4 };

static struct go_world honest, world;
static struct ms_godwarf *dwarf;
static unsigned asked;
static bool dwarf_is_read;

static void require(bool holds) {
    if (!holds) abort();
}

/* In place of libc's, for libdw: nothing of the target says what is opened. */
int open(const char *path, int flags, ...);
int open(const char *path, int flags, ...) {
    require(!dwarf_is_read);
    return openat(AT_FDCWD, path, flags, 0600);
}

static bool get(void *ctx, uint64_t addr, void *buf, size_t len) {
    (void)ctx;
    for (int b = GO_IMAGE; b <= GO_DATA; b++) {
        struct go_place p = go_world_place((enum go_block)b);
        if (addr < p.addr || addr - p.addr > p.bytes || len > p.bytes - (addr - p.addr)) continue;
        memcpy(buf, (const uint8_t *)&world + p.offset + (addr - p.addr), len);
        return true;
    }
    return false;
}

/* ---- the input --------------------------------------------------------------------------------- */

enum { IN_FILE = 0x20, IN_FUNCTIONS = 0x40, IN_DATA = 0x80, FUNCTIONS_AT = 0x2000, FUNCTIONS_BYTES = 0x600 };

/* A byte of the file, the function table, the build information, or anywhere. */
static uint8_t *byte_at(unsigned where, size_t place) {
    if (where & IN_FILE) return world.file + place % world.file_bytes;
    if (where & IN_FUNCTIONS) return world.image + FUNCTIONS_AT + place % FUNCTIONS_BYTES;
    if (where & IN_DATA) return world.data + place % 64;
    place %= world.file_bytes + GO_IMAGE_BYTES + GO_DATA_BYTES;
    if (place < world.file_bytes) return world.file + place;
    place -= world.file_bytes;
    return place < GO_IMAGE_BYTES ? world.image + place : world.data + (place - GO_IMAGE_BYTES);
}

static void change(const uint8_t *data, size_t size) {
    while (size > HEAD) {
        size_t place = (size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16, len = data[3] & 31;
        unsigned where = data[3];
        data += HEAD, size -= HEAD;
        if (len > size) len = size;
        for (size_t i = 0; i < len; i++) *byte_at(where, place + i) = data[i];
        data += len, size -= len;
    }
}

/* ---- debug information -------------------------------------------------------------------------- */

static void ask_type(uint64_t type, unsigned depth);

static bool ask_member(void *ctx, const char *name, uint64_t offset, uint64_t type) {
    unsigned *depth = ctx;
    (void)offset;
    require(name && strlen(name) < GO_FILE_BYTES);
    if (*depth < DEPTH) ask_type(type, *depth + 1);
    return true;
}

static void ask_type(uint64_t type, unsigned depth) {
    struct ms_godie die, again;
    if (++asked > ASKED_MOST || !ms_godwarf_type(dwarf, type, &die)) return;
    require(die.kind && die.kind <= MS_GO_UNSAFE_POINTER);
    require(!die.name || strlen(die.name) < GO_FILE_BYTES);
    require(ms_godwarf_type(dwarf, type, &again) && again.offset == die.offset && again.size == die.size);
    if (die.kind == MS_GO_STRUCT) ms_godwarf_members(dwarf, type, ask_member, &depth);
    if (depth < DEPTH) ask_type(die.elem, depth + 1), ask_type(die.key, depth + 1);
}

static void ask_dwarf(size_t file_bytes, bool changed) {
    static const char *const field[][2] = {{"runtime.mspan", "startAddr"},
                                           {"runtime.g", "stack.lo"},
                                           {"runtime.g", "sched.sp.lo"},
                                           {"runtime.none", "none"}};
    size_t n;
    uint64_t offset;
    unsigned depth = 0;
    dwarf_is_read = true;
    dwarf = go_world_dwarf(world.file, file_bytes);
    dwarf_is_read = false;
    require(dwarf || changed);
    if (!dwarf) return;
    const struct ms_goglobal *g = ms_godwarf_globals(dwarf, &n);
    require(changed || n == 8);
    for (size_t i = 0; i < n; i++) {
        require(i == 0 || g[i - 1].addr <= g[i].addr);
        const char *name = ms_godwarf_name(dwarf, g[i].name);
        require(strlen(name) < GO_FILE_BYTES && ms_godwarf_global(dwarf, name));
        asked = 0;
        ask_type(g[i].type, 0);
    }
    (void)ms_godwarf_map_types(dwarf, &n);
    require(changed || n == GO_MAPS);
    asked = 0;
    for (uint64_t entry = 0; entry < 0x300; entry += 8)
        ms_godwarf_closure(dwarf, GO_IMAGE_AT + 0x1000 + entry, ask_member, &depth);
    for (size_t i = 0; i < sizeof field / sizeof *field; i++)
        (void)ms_godwarf_field(dwarf, field[i][0], field[i][1], &offset);
    ms_godwarf_close(dwarf);
}

/* ---- memory ------------------------------------------------------------------------------------ */

static void ask_functions(struct ms_bytes mem, bool changed) {
    struct ms_gopclntab t;
    struct ms_gofunc f;
    char name[64], file[64];
    uint32_t bytes;
    unsigned line, named = 0;
    if (ms_gopclntab_open(&t, mem, GO_IMAGE_AT + 0x2000, GO_IMAGE_AT + 0x1000))
        for (uint64_t pc = GO_IMAGE_AT + 0xff0; pc < GO_IMAGE_AT + 0x1400; pc += 16) {
            if (!ms_gopclntab_find(&t, pc, &f)) continue;
            require(f.entry <= pc);
            if (ms_gopclntab_name(&t, &f, name, sizeof name)) named++, require(strlen(name) < sizeof name);
            if (ms_gopclntab_line(&t, &f, pc, file, sizeof file, &line)) require(strlen(file) < sizeof file);
            (void)ms_gopclntab_frame(&t, &f, pc, &bytes);
        }
    require(changed || named);
    ms_gopclntab_close(&t);
}

static void ask_memory(bool changed) {
    static struct ms_elf elf;
    struct ms_gobuild build;
    struct ms_bytes mem = {get, NULL};
    if (ms_elf_open(&elf, mem, GO_IMAGE_AT) == MS_ELF_OK && ms_gobuild_find(&elf, &build))
        require(memchr(build.version, 0, sizeof build.version) && build.minor >= -1);
    ask_functions(mem, changed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int laid_out = -1;
    if (size < 2) return 0;
    int minor = MS_GO_OLDEST + data[0] % (MS_GO_NEWEST - MS_GO_OLDEST + 1), like = minor << 2 | (data[1] & 3);
    if (laid_out != like) require(go_world_make(&honest, minor, data[1] & NO_SWISS, data[1] & NO_GREEN_TEA));
    laid_out = like;
    world = honest;
    change(data + 2, size - 2);
    size_t len = data[1] & CUT ? world.file_bytes * (data[1] >> 3) / 32 : world.file_bytes;
    bool changed = size > 2 + HEAD || data[1] & CUT;
    ask_dwarf(len, changed);
    ask_memory(changed);
    return 0;
}
