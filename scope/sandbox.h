/* sandbox.h - make the promise "reads and never touches" true for this process. */
#ifndef MS_SANDBOX_H
#define MS_SANDBOX_H

#include "error.h"

enum ms_sandbox {
    MS_SANDBOX_READER, /* mapscope: output files must be open already */
    MS_SANDBOX_KEEPER, /* the process that holds a target for it: may trace and kill, not write to memory */
};

/* Install the filter.  It cannot be taken off again. */
int ms_sandbox_enter(enum ms_sandbox kind, struct ms_error *err);

#endif
