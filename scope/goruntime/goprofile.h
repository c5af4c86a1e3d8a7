/* goprofile.h - the memory profile that the runtime of a Go program keeps of itself, read from outside.
 *
 *   runtime.mbuckets -> bucket -> bucket ...            each: a stack and a size; how many such objects were allocated and
 *                        ^                              freed, by cycles of the collector
 *   mspan.specials -> profile special (an object) --'   which sampled objects are alive
 */
#ifndef MS_GOPROFILE_H
#define MS_GOPROFILE_H

#include "goruntime.h"

struct ms_gorecord {
    uint64_t at, size;      /* address of the bucket; bytes of an object */
    uint64_t allocs, frees; /* objects, sampled, as of the collection before the last */
    uint32_t pc, pcs;       /* its stack in ms_goprofile.pc: return addresses, innermost first */
};

/* An object that was sampled and is alive. */
struct ms_gosampled {
    uint64_t addr;
    uint32_t record;
};

struct ms_goprofile {
    struct ms_gorecord *record; /* by address */
    size_t records, room;
    uint64_t *pc;
    size_t pcs, pc_room;
    struct ms_gosampled *sampled; /* by address */
    size_t sampleds, sampled_room;
    uint64_t rate;   /* bytes from one sample to the next, on the average */
    bool rate_known; /* false: no debug information says it; the usual one is taken */
    const char *off; /* there is none, and why: "the linker ..."; NULL: there is one */
    bool cut;        /* there were more than are read, or a record contradicts itself */
};

/* Read it, after a walk (which finds the specials).  A core file and a running program are alike: while it runs, records may be
 * of two cycles.  MS_GONE. */
int ms_goprofile_read(struct ms_go *go, struct ms_goprofile *out, struct ms_error *err);
void ms_goprofile_free(struct ms_goprofile *p);

/* What so many sampled objects of a size stand for, as Go's own profile has it. */
void ms_goprofile_scale(uint64_t rate, uint64_t objects, uint64_t size, int64_t *all_objects,
                        int64_t *all_bytes);

/* The function, file and line of a return address of a record, of the innermost call that was inlined there.  Texts of
 * 1024 bytes each, "" where they are not known. */
enum { MS_GO_TEXT = 1024 };
void ms_goprofile_symbol(const struct ms_go *go, uint64_t pc, char name[MS_GO_TEXT], char file[MS_GO_TEXT],
                         unsigned *line);

#endif
