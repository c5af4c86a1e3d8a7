/* core.h - a process that is a core file: its memory, and the files that were mapped in it. */
#ifndef MS_CORE_H
#define MS_CORE_H

#include "../elf/elfcore.h"
#include "process.h"

/* What became of a file that was mapped. */
enum ms_core_state {
    MS_FILE_UNTRIED,
    MS_FILE_SAME,
    MS_FILE_NAMED,   /* by the user, and the core does not hold what it could be compared by: used */
    MS_FILE_UNKNOWN, /* the core does not hold what it could be compared by */
    MS_FILE_OTHER,   /* not the one that was mapped */
    MS_FILE_MISSING, /* or not readable */
};

struct ms_core {
    struct ms_elfcore elf;
    int fd;
    char *path;
    const char *exe; /* the user's: of the program, instead of the path in the core; NULL: none */
    int (*open)(const char *path); /* a regular file, for reading; -1: not to be had */
    struct ms_images images;       /* ascending */
    struct ms_core_file {
        enum ms_core_state state;
        int fd;
        struct ms_elf *elf; /* its headers; NULL: the file is not open */
        char why[200];      /* it is not used */
    } * file;               /* of image i */
    size_t main;            /* image of the program; images.count: not known */
};

/* Open `file` as the process p; exe: the program's file, NULL: as the core names it.  MS_USAGE: not a core file of
 * this machine, or exe is another program. MS_UNCERTAIN: cut before its headers end. */
int ms_core_open(struct ms_process *p, const char *file, const char *exe, struct ms_error *err);
/* The same of an open descriptor, which is then the core's. */
int ms_core_open_fd(struct ms_process *p, int fd, const char *file, const char *exe,
                    int (*open_file)(const char *path), struct ms_error *err);
void ms_core_close(struct ms_core *c);

/* A copy of its list of images. */
void ms_core_images(const struct ms_core *c, struct ms_images *out);
/* The file of an image if it is the one that was mapped, else -1; the descriptor is the caller's. */
int ms_core_image_open(struct ms_core *c, const struct ms_image *im);

/* A line that says what the file lacks, or NULL: it is whole. Allocated. */
char *ms_core_lacks(const struct ms_core *c);
/* A line about files that were needed and are missing, others, or not compared, or NULL. Allocated. */
char *ms_core_strangers(const struct ms_core *c);

#endif
