/* waterfall.h - from the bytes of maps to the memory of the process and its control group, level by level.
 *
 *   maps      parts of all maps                                   = bytes of all maps
 *   heap      maps | what else the program keeps there | other    = memory without a file that is mapped
 *   pages     in memory | lazily freed | swapped | not there      = the same
 *   process   heap | stacks | files | shared                      = resident set size
 *   cgroup    this process | others and what the kernel keeps     = what the group is charged
 *
 * The total of each level is what one read of the kernel's (or, of the first, the maps) said; its steps always add up to it
 * exactly.  What the named ones leave is "other".  Where figures of two reads do not agree, as the program went on in
 * between, a step is cut to what is left and the level says so.
 */
#ifndef MS_WATERFALL_H
#define MS_WATERFALL_H

#include "../model/model.h"

enum { MS_STEPS_MOST = 16, MS_LEVELS_MOST = 8 };

struct ms_step {
    const char *name;  /* JSON */
    const char *title; /* for people */
    uint64_t bytes;
};

struct ms_level {
    const char *name, *title, *source;
    struct ms_step step[MS_STEPS_MOST];
    size_t steps;
    uint64_t total;
    uint64_t cut; /* bytes by which steps claimed more than there is */
};

/* Columns of memory, as the kernel tells it, of one kind of mapping. */
struct ms_memory_row {
    const char *name, *title;
    uint64_t mappings, size, rss, pss, swap, lazyfree, huge;
};
enum { MS_MEMORY_ROWS = 7 };

/* What was read; MS_UNKNOWN where a figure is not known. */
struct ms_memory_facts {
    uint64_t map_bytes, part[MS_PARTS];
    uint64_t map_resident, map_swapped; /* of headers and tables; unknown: not asked for */
    struct ms_memory_row
        row[MS_MEMORY_ROWS]; /* heap, stack, file, shared, special, reserved, and their sum */
    bool go;                 /* a Go program */
    uint64_t go_in_use, go_free, go_released; /* of its runtime */
    int cgroup;                               /* version; 0: none */
    uint64_t cgroup_current, cgroup_limit, cgroup_swap, cgroup_anon, cgroup_file, cgroup_kernel;
};

struct ms_waterfall {
    struct ms_level level[MS_LEVELS_MOST];
    size_t levels;
};
void ms_view_waterfall(const struct ms_memory_facts *f, struct ms_waterfall *out);
/* Sum of its steps; equals the total. */
uint64_t ms_level_sum(const struct ms_level *l);

/* Memory that gomap handed back, and what became of it. */
struct ms_madvise {
    uint64_t maps;         /* that ever did */
    uint64_t calls, bytes; /* by their counters: since they were made */
    uint64_t events;       /* that the flight recorder still has */
    uint64_t event_bytes;
    uint64_t resident, swapped; /* of the memory of those events, counted once; MS_UNKNOWN: not asked for */
    uint64_t covered;           /* bytes of address space those events are about, counted once */
};

/* A run of a map's memory with what is in memory of it. */
struct ms_piece_memory {
    const char *name, *title;
    uint64_t bytes, resident, swapped; /* MS_UNKNOWN: not asked for, or not known */
    uint64_t pieces;
};

/* Everything `mem` shows. */
struct ms_mem_report {
    const struct ms_waterfall *fall;
    const struct ms_memory_facts *facts;
    const char *cgroup_path, *cgroup_why, *cgroup_limited_by; /* bytes of the system; NULL */
    struct ms_madvise madvise;
    const struct ms_map *map;          /* NULL: all */
    const struct ms_piece_memory *run; /* of the map; those without pieces are not there */
    size_t runs;
};

#endif
