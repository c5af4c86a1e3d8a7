/* godwarf.h - what the debug information of a Go program says: globals with their types, the fields of structs, what
 * closures hold.
 *
 * Parsing happens elsewhere (goparse.h, in a process of its own); here its table is checked once and then asked.
 *
 * All addresses are those of the file; the caller adds the bias of a position independent program.  Types are named
 * by the offset of their entry.  Names point into the table and live as long as it.  What is damaged is left out,
 * never reported: every address found here is checked against memory by its user.
 */
#ifndef MS_GODWARF_H
#define MS_GODWARF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ms_godwarf;

struct ms_goglobal {
    uint64_t addr;
    uint32_t type, name; /* name: "main.users", for ms_godwarf_name */
};

/* Go's kinds of types, as reflect numbers them. */
enum ms_gokind {
    MS_GO_UNKNOWN = 0,
    MS_GO_UINTPTR = 12,
    MS_GO_COMPLEX128 = 16, /* all up to here hold no pointer */
    MS_GO_ARRAY = 17,
    MS_GO_CHAN = 18,
    MS_GO_FUNC = 19,
    MS_GO_INTERFACE = 20,
    MS_GO_MAP = 21,
    MS_GO_POINTER = 22,
    MS_GO_SLICE = 23,
    MS_GO_STRING = 24,
    MS_GO_STRUCT = 25,
    MS_GO_UNSAFE_POINTER = 26,
};

struct ms_godie {
    uint64_t offset; /* of the entry behind typedefs */
    const char *name;
    uint64_t size, count; /* count: elements of an array */
    uint64_t elem, key;   /* types, 0: none */
    uint64_t
        runtime_type; /* distance of the program's own description from moduledata.types; 0: it has none */
    uint8_t kind;     /* enum ms_gokind */
    bool empty_interface; /* interface{}: the first word is a type, not an itab */
};

typedef bool (*ms_gomember_fn)(void *ctx, const char *name, uint64_t offset, uint64_t type);

/* Over a table that ms_goparse wrote, or somebody who says so: it is looked through once.  NULL: it is none, or not
 * sound.  The bytes stay the caller's, aligned to 8, and must not change until it is closed. */
struct ms_godwarf *ms_godwarf_open(const void *table, size_t bytes);
void ms_godwarf_close(struct ms_godwarf *d);
const char *ms_godwarf_name(const struct ms_godwarf *d, uint32_t name);

/* Globals that lie at an address, ascending. */
const struct ms_goglobal *ms_godwarf_globals(const struct ms_godwarf *d, size_t *count);
/* The global of that name; NULL: none. */
const struct ms_goglobal *ms_godwarf_global(const struct ms_godwarf *d, const char *name);
/* Where a map type's own descriptions are, as ms_godie.runtime_type. */
const uint64_t *ms_godwarf_map_types(const struct ms_godwarf *d, size_t *count);

bool ms_godwarf_type(const struct ms_godwarf *d, uint64_t type, struct ms_godie *out);
/* Members of a struct in order; stops when fn returns false. */
void ms_godwarf_members(const struct ms_godwarf *d, uint64_t type, ms_gomember_fn fn, void *ctx);
/* What a closure of the function at `entry` holds, by offset in the closure; Go 1.23 and later say it. */
bool ms_godwarf_closure(const struct ms_godwarf *d, uint64_t entry, ms_gomember_fn fn, void *ctx);

/* Offset of a field of a struct of the runtime, "sched.sp" for one within a field; false: no such. */
bool ms_godwarf_field(const struct ms_godwarf *d, const char *structure, const char *field, uint64_t *offset);
/* A struct by its name, for ms_godwarf_type; 0: none. */
uint64_t ms_godwarf_named(const struct ms_godwarf *d, const char *name);
/* Does the runtime have that struct, and how large is it? */
bool ms_godwarf_struct(const struct ms_godwarf *d, const char *structure, uint64_t *size);

#endif
