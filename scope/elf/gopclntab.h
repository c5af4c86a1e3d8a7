/* gopclntab.h - Go's own table of functions: name, frame size, file and line of a code address.
 *
 * Every Go binary has it in memory, stripped or not; the layout has been the same since Go 1.20 and differs in one
 * magic number from 1.18's.  Bytes come through a callback and may be anything: lookups are bounded by what
 * the header states, and the header by limits.
 */
#ifndef MS_GOPCLNTAB_H
#define MS_GOPCLNTAB_H

#include "elfscan.h"

struct ms_gopclntab {
    struct ms_bytes mem;
    uint64_t addr; /* of the header */
    uint64_t text; /* code addresses are stored as distances from here */
    uint32_t record_bytes; /* of a function's record; its tables' places lie behind */
    uint64_t functions;
    uint64_t names, files_of, files, pcdata, functab; /* addresses of the parts */
    uint32_t *entry;                                  /* distance of each function from text, ascending */
    uint32_t *record;                                 /* where its record is, from functab */
};

struct ms_gofunc {
    uint64_t entry; /* address of its first instruction */
    uint64_t record;
};

/* Open the table whose header is at addr; false: there is none. */
bool ms_gopclntab_open(struct ms_gopclntab *t, struct ms_bytes mem, uint64_t addr, uint64_t text);
void ms_gopclntab_close(struct ms_gopclntab *t);
/* The function that holds pc. */
bool ms_gopclntab_find(const struct ms_gopclntab *t, uint64_t pc, struct ms_gofunc *out);
/* The function of that name.  Looks through all names, and all functions. */
bool ms_gopclntab_named(const struct ms_gopclntab *t, const char *name, struct ms_gofunc *out);
/* Is there a function whose name begins so?  Looks through all names. */
bool ms_gopclntab_has(const struct ms_gopclntab *t, const char *beginning);
/* Its name, cut to the room. */
bool ms_gopclntab_name(const struct ms_gopclntab *t, const struct ms_gofunc *f, char *buf, size_t room);
/* Bytes of the frame of f at pc, the return address not counted; false: not told. */
bool ms_gopclntab_frame(const struct ms_gopclntab *t, const struct ms_gofunc *f, uint64_t pc,
                        uint32_t *bytes);
/* Runs of code along which it is the same, from the entry on, as many as there is room for: their number.  Each starts at an
 * instruction. */
struct ms_gorun {
    uint64_t start;
    uint32_t bytes;
};
size_t ms_gopclntab_frames(const struct ms_gopclntab *t, const struct ms_gofunc *f, struct ms_gorun *run, size_t room);
/* Tables that the compiler writes beside a function: values by code address, and data by number. */
enum { MS_GOPCDATA_STACKMAP = 1, MS_GOPCDATA_INLINED = 2 };
enum { MS_GOFUNCDATA_ARGS = 0, MS_GOFUNCDATA_LOCALS = 1, MS_GOFUNCDATA_OBJECTS = 2, MS_GOFUNCDATA_INLINED = 3 };
/* The value of a table at pc; -1: it has no such table.  False: not told. */
bool ms_gopclntab_pcdata(const struct ms_gopclntab *t, const struct ms_gofunc *f, unsigned table, uint64_t pc,
                         int32_t *value);
/* Where data of that number is, from moduledata.gofunc; UINT32_MAX: it has none.  False: not told. */
bool ms_gopclntab_funcdata(const struct ms_gopclntab *t, const struct ms_gofunc *f, unsigned number,
                           uint32_t *offset);
/* Bytes of its arguments and results on the stack; INT32_MIN: they depend on the call. */
bool ms_gopclntab_args(const struct ms_gopclntab *t, const struct ms_gofunc *f, int32_t *bytes);
/* Line of pc and path of its file, cut to the room. */
bool ms_gopclntab_line(const struct ms_gopclntab *t, const struct ms_gofunc *f, uint64_t pc, char *file,
                       size_t room, unsigned *line);

/* Name of the innermost call inlined into f at pc, cut to the room; gofunc: of its module.  False: none is. */
bool ms_gopclntab_inlined(const struct ms_gopclntab *t, const struct ms_gofunc *f, uint64_t pc, uint64_t gofunc, char *name,
                          size_t room);

#endif
