/* process.h - a process: alive, held by descriptors and never again by number, or a core file. */
#ifndef MS_PROCESS_H
#define MS_PROCESS_H

#include "../error.h"
#include "reader.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct ms_core; /* core.h */

struct ms_process {
    struct ms_core *core; /* NULL: it is alive.  Else a core file, which never ends and has no descriptors here */
    int pid;              /* as the user's /proc names it; for messages */
    int dir_fd;           /* /proc/PID, or /proc/PID/task/TID where the leader has exited */
    int mem_fd;           /* mem, O_RDONLY; tied to one program image */
    int pagemap_fd;       /* -1 until asked for */
    int pid_fd;           /* -1 where the kernel or a foreign pid namespace does not allow it */
    uint64_t start_ticks; /* field 22 of stat: tells a process from a later one with its number */
    uid_t uid;
    char comm[64];
    char *exe; /* path of the program, or "" */
    bool gone; /* a read said so */
    bool copied; /* mem_fd is of a copy */
    struct ms_reader reader;
};

/* MS_GONE: no such process. MS_PERMISSION: the line names the missing right. */
int ms_process_open(struct ms_process *p, int pid, struct ms_error *err);
void ms_process_close(struct ms_process *p);

/* Is it still the process, and still the program, that was opened?  MS_OK or MS_GONE. */
int ms_process_check(struct ms_process *p, struct ms_error *err);

/* Read the memory of its copy, process `copy`, from now on.  The copy must be held until it is open. */
int ms_process_use_copy(struct ms_process *p, int copy, struct ms_error *err);

/* Uptime in ns; 0 if it cannot be told.  resident bytes of the whole process from statm, 0 if unknown. */
uint64_t ms_process_age_ns(struct ms_process *p);
uint64_t ms_process_rss(struct ms_process *p);

/* Numbers in /proc.  Kernel threads and zombies are left out.  *out is allocated. */
size_t ms_process_all(int **out);

/* Processes called name: by comm, file name of the program, or of argv[0]. */
size_t ms_process_named(const char *name, int **out);

/* Open a text file of its folder below /proc ("maps", "smaps"); the caller closes it.  MS_PERMISSION; MS_GONE.
 * (procfile.c) */
int ms_process_text(const struct ms_process *p, const char *name, FILE **out, struct ms_error *err);

/* A file, or part of it, mapped in a process. */
struct ms_mapping {
    uint64_t start, end, offset, dev, inode;
    const char *path;
};

/* One ELF image that a process has mapped. */
struct ms_image {
    uint64_t start, first_end; /* of its first mapping (file offset 0) */
    uint64_t end;              /* of its last */
    uint64_t dev, inode;
    char *path; /* as in /proc/PID/maps, escapes undone; may end in " (deleted)" */
};
struct ms_images {
    struct ms_image *image;
    size_t count, room;
    size_t mappings; /* lines of maps seen */
};
int ms_images_load(struct ms_process *p, struct ms_images *out, struct ms_error *err);
void ms_images_free(struct ms_images *im);
/* Add a mapping; in ascending order of addresses. */
void ms_images_add(struct ms_images *out, const struct ms_mapping *m);

/* The file behind an image, opened for reading, or -1: exe, map_files, then the path below the target's
 * root.  Inode numbers must agree; the caller compares the ELF header with the one in memory. */
int ms_image_open(struct ms_process *p, const struct ms_image *im);

#endif
