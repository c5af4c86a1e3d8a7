/* elfcore.h - a core file: what lay where in memory, which files were mapped, the threads, the signal.
 *
 * The bytes come through a callback and may be anything.  Layouts of the notes are those of the kernel for the
 * machine this runs on (<sys/procfs.h>, <signal.h>), so cores of other machines are refused.
 */
#ifndef MS_ELFCORE_H
#define MS_ELFCORE_H

#include "elfscan.h"

#include <signal.h>
#include <sys/procfs.h>

enum ms_core_kind {
    MS_CORE_OK,
    MS_CORE_NOT,        /* no ELF header */
    MS_CORE_COMPRESSED, /* by gzip, xz, zstd or lz4 */
    MS_CORE_NO_CORE,    /* an ELF file of another type */
    MS_CORE_32BIT,
    MS_CORE_FOREIGN, /* another machine's */
    MS_CORE_BROKEN,  /* header fields out of range */
    MS_CORE_CUT,     /* ends before its program headers do */
};

/* Memory [addr, addr + size), of which the file has the first `have` bytes at `offset`. */
struct ms_core_segment {
    uint64_t addr, size, offset, have;
    uint32_t flags; /* PF_R, PF_W, PF_X */
};

/* Where a file was mapped; path lies in the core's own copy of the note. */
struct ms_core_mapping {
    uint64_t start, end, offset;
    const char *path;
};

struct ms_core_thread {
    int tid, signal;
    elf_gregset_t reg;
};

struct ms_elfcore {
    struct ms_bytes file;
    uint64_t bytes, wanted;          /* length of the file, and what it would be if nothing were missing */
    bool notes_cut;                  /* some notes are missing or do not fit */
    bool private;                    /* it holds memory that the process could write to */
    struct ms_core_segment *segment; /* ascending */
    size_t segments;
    struct ms_core_mapping *mapping; /* ascending */
    size_t mappings;
    char *mapping_note;
    struct ms_core_thread *thread; /* the first is the one that ended the process */
    size_t threads, thread_room;
    siginfo_t signal; /* si_signo 0: not known */
    uint64_t phdr;    /* AT_PHDR: lies in the program's own image; 0: not known */
    int pid;
    unsigned uid;
    char comm[16]; /* as the kernel cuts it; gcore writes one byte more */
};

/* Read the headers and notes of a core file of that many bytes.  Close it whatever the result. */
enum ms_core_kind ms_elfcore_open(struct ms_elfcore *c, struct ms_bytes file, uint64_t bytes);
void ms_elfcore_close(struct ms_elfcore *c);

/* Copy what the file holds of memory from addr on, at most len bytes; returns how many, 0 if it has not the first. */
size_t ms_elfcore_copy(const struct ms_elfcore *c, uint64_t addr, void *buf, size_t len);

/* The mapping of a file that holds addr, or NULL. */
const struct ms_core_mapping *ms_elfcore_mapping(const struct ms_elfcore *c, uint64_t addr);

#endif
