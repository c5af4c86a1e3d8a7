/* go_world.h - a Go program in miniature: what mapscope reads of one, in a few blocks at fixed addresses.
 *
 *   image     ELF headers, function table, type descriptions, masks
 *   data      build information, moduledata, globals, the heads of the heap's and goroutines' lists
 *   heap      sixteen spans: headers, tables, groups, chains of structs, a closure, a large object, a stack
 *   runtime   mspans, goroutines, their lists, finalizer records
 *   arena     pointer bits where Go 1.18 to 1.21 keep them; `ended` behind it, `arenas` the list of arenas
 *   file      the program's file, with its debug information
 *
 * It is laid out for any version that mapscope knows: offsets come from goruntime/golayout.c.  All blocks together are
 * one space of offsets, so that an input can name any byte.
 */
#ifndef GO_WORLD_H
#define GO_WORLD_H

#include "goruntime/goruntime.h"

enum go_block { GO_IMAGE, GO_DATA, GO_HEAP, GO_RUNTIME, GO_ARENA, GO_ENDED, GO_ARENAS, GO_FILE, GO_BLOCKS };

enum {
    GO_IMAGE_BYTES = 0x8000,
    GO_DATA_BYTES = 0x4000,
    GO_HEAP_BYTES = 16 * MS_GO_PAGE,
    GO_RUNTIME_BYTES = 0x8000,
    GO_ARENA_BYTES = GO_HEAP_BYTES / MS_GO_PTR / 4,
    GO_ENDED_BYTES = GO_HEAP_BYTES / MS_GO_PTR / 64 / 8,
    GO_FILE_BYTES = 0x4000,
};

#define GO_IMAGE_AT   UINT64_C(0x400000)
#define GO_DATA_AT    UINT64_C(0x500000)
#define GO_HEAP_AT    UINT64_C(0xc000000000)
#define GO_RUNTIME_AT UINT64_C(0x7f0000000000)

struct go_world {
    uint8_t image[GO_IMAGE_BYTES], data[GO_DATA_BYTES], heap[GO_HEAP_BYTES], runtime[GO_RUNTIME_BYTES],
        arena[GO_ARENA_BYTES], ended[GO_ENDED_BYTES], arenas[MS_GO_PAGE], file[GO_FILE_BYTES];
    size_t file_bytes;
    size_t maps; /* that lie in it */
    struct ms_golayout layout;
};

/* Where a block lies in the program's addresses and in the world; the file has no address. */
struct go_place {
    uint64_t addr;
    size_t offset, bytes;
};
struct go_place go_world_place(enum go_block block);

/* Lay it out for Go 1.minor; false: not a version mapscope knows. */
bool go_world_make(struct go_world *w, int minor, bool noswissmap, bool nogreentea);

/* go_dwarf.c: the program's file.  Functions are main.main, main.main.func1 and main.(*User).m-fm; maps map[int]string and
 * map[int]*main.User, by the distance of their descriptions from moduledata.types. */
struct go_global {
    const char *name, *type;
    uint64_t addr;
};
enum { GO_FUNCTIONS = 3, GO_MAPS = 2 };
void go_world_file(struct go_world *w, const struct go_global *global, size_t globals,
                   const uint64_t entry[GO_FUNCTIONS], const uint64_t map[GO_MAPS]);

/* The table of a file that may be damaged, and it opened; both last until the next call. The file is written to.  NULL: there
 * is none. */
struct go_table {
    uint8_t *bytes; /* aligned to 8 */
    size_t len, room;
};
const struct go_table *go_world_table(uint8_t *file, size_t bytes);
struct ms_godwarf *go_world_dwarf(uint8_t *file, size_t bytes);

#endif
