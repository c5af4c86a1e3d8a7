/* confine.h - parse hostile bytes in a process that can do nothing, and take back a table.
 *
 * ELF and DWARF are read by a large library from files that are the target's, and mapscope may be root.  So the
 * library never runs in mapscope:
 *
 *   mapscope                                    child
 *     |-- fork --------------------------------> limits, deadline, maps the file, closes all but the table's file,
 *     |                                          becomes nobody, without capabilities, filter
 *     |                                          parse(file, sink) --> table's file (memory, bounded)
 *     |   waits, at most so long                 _exit
 *     |<- its end ------------------------------ '
 *     |   seals the file, maps it to read
 *     '   the table's own check (elf/flat.h), then questions
 *
 * Anything may go wrong in the child: it crashes, is killed, loops, takes all memory it may have, finds its file cut
 * short under it (SIGBUS), or is taken over by what it parses.  Then it has the bytes of a file that the target gave,
 * memory that mapscope had when it forked, and one descriptor to write to; all it can do with them is to write a table
 * that lies, which is checked like everything that comes from a target.
 *
 * It needs no killer: its deadline, an alarm, is set before it sees a byte, and its filter lets nobody turn that off.
 * mapscope, which may not send signals, waits a little longer and then goes on without it; the child ends with it.
 *
 * To parse another kind of file: a function like ms_goparse (elf/goparse.h) that turns bytes into a flat table, and a
 * reader that checks one (elf/godwarf.c).  It runs with libc's memory and its sink; any other system call fails
 * (sandbox.c).
 */
#ifndef MS_CONFINE_H
#define MS_CONFINE_H

#include "elf/flat.h"
#include "error.h"

#include <sys/types.h>

/* Turns a file into a table; nothing written: there is none to be had.  false: it could not.  `wanted` is the caller's; the
 * child sees it as it was at the fork.  The bytes are a private copy: changes stay in the child. */
typedef bool (*ms_parse_fn)(const void *wanted, uint8_t *file, size_t bytes, struct ms_sink out);

struct ms_confine_limits {
    unsigned cpu_s, wall_s; /* wall_s: of a machine that has little time for it */
    uint64_t memory_bytes;  /* address space beyond what mapscope has, and the file */
    uint64_t table_bytes;
};
extern const struct ms_confine_limits ms_confine_usual;

/* A table as the child left it, which nobody can change any more; bytes NULL: it wrote none. */
struct ms_table {
    void *bytes;
    size_t len;
};

/* Run parse on the file behind fd, which stays the caller's, and wait for its table.  MS_UNCERTAIN: the child failed, and
 * the line tells how, beginning with a verb: "was ended by signal 11 (Segmentation fault)"; MS_INTERNAL: it could not
 * be started.  Costs a fork, and what parsing costs. */
int ms_confine_run(ms_parse_fn parse, const void *wanted, int fd, const struct ms_confine_limits *most,
                   struct ms_table *out, struct ms_error *err);
void ms_table_free(struct ms_table *t);

/* The two halves of ms_confine_run. */
struct ms_confined {
    pid_t pid;
    int table; /* descriptor */
};
int ms_confine_start(struct ms_confined *c, ms_parse_fn parse, const void *wanted, int fd,
                     const struct ms_confine_limits *most, struct ms_error *err);
int ms_confine_finish(struct ms_confined *c, const struct ms_confine_limits *most, struct ms_table *out,
                      struct ms_error *err);

#endif
