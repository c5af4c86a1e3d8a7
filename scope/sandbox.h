/* sandbox.h - make the promise "reads and never touches" true for this process. */
#ifndef MS_SANDBOX_H
#define MS_SANDBOX_H

#include "error.h"

enum ms_sandbox {
    MS_SANDBOX_READER, /* mapscope: output files must be open already */
    MS_SANDBOX_KEEPER, /* the process that holds a target for it: may trace and kill, not write to memory */
    MS_SANDBOX_SCRIBE, /* writes a recording: opens nothing any more, and reads no other process */
    MS_SANDBOX_PARSER, /* reads hostile bytes it has already: memory for itself, writing to open files, its end */
};

/* Install the filter.  It cannot be taken off again. */
int ms_sandbox_enter(enum ms_sandbox kind, struct ms_error *err);

#endif
