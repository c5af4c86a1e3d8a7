/* procfile.c - a text file of a process below /proc, by the descriptor that cannot come to mean another process. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int ms_process_text(const struct ms_process *p, const char *name, FILE **out, struct ms_error *err) {
    int fd = openat(p->dir_fd, name, O_RDONLY | O_CLOEXEC);
    *out = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (*out) return MS_OK;
    int error = errno;
    if (fd >= 0) close(fd);
    if (error == EACCES || error == EPERM)
        return ms_fail(err, MS_PERMISSION, "process %d (%s): %s: %s: needs CAP_SYS_PTRACE", p->pid, p->comm, name, strerror(error));
    return ms_fail(err, MS_GONE, "process %d (%s) ended: %s: %s", p->pid, p->comm, name, strerror(error));
}
