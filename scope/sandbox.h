/* sandbox.h - make the promise "reads and never touches" true for this process. */
#ifndef MS_SANDBOX_H
#define MS_SANDBOX_H

#include "error.h"

/* Install the filter; output files must be open already.  It cannot be taken off again. */
int ms_sandbox_enter(struct ms_error *err);

#endif
