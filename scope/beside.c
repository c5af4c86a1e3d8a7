/* beside.c - see beside.h. */
#include "beside.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

pid_t ms_fork_beside(int type, const char *what, int *fd, struct ms_error *err) {
    int pair[2] = {-1, -1};
    pid_t pid = socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) == 0 ? fork() : -1;
    if (pid < 0) (void)ms_fail(err, MS_INTERNAL, "the process that %s cannot be started: %s", what, strerror(errno));
    if (pair[0] >= 0) close(pair[pid == 0 ? 0 : 1]);
    if (pid < 0 && pair[0] >= 0) close(pair[0]);
    *fd = pid < 0 ? -1 : pair[pid == 0 ? 1 : 0];
    return pid;
}
