/* beside.h - a second process beside the tool, for what its sandbox will not allow: holding a target, running commands,
 * writing a recording. */
#ifndef MS_BESIDE_H
#define MS_BESIDE_H

#include "error.h"

#include <sys/types.h>

/* Before the sandbox closes.  As fork(2): 0 in the second process, its pid in this one; *fd is the end, of whoever asks, of a
 * socket of that type between the two.  -1: *err says that the process that does `what` cannot be started; *fd is -1. */
pid_t ms_fork_beside(int type, const char *what, int *fd, struct ms_error *err);

#endif
