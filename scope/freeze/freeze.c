/* freeze.c - the keeper as mapscope sees it: started, asked, ended. */
#include "freeze.h"

#include "../beside.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int ms_keeper_start(struct ms_keeper *k, struct ms_error *err) {
    k->pid = ms_fork_beside(SOCK_SEQPACKET, "holds the target", &k->fd, err);
    if (k->pid == 0) ms_keeper_serve(k->fd);
    return k->pid < 0 ? MS_INTERNAL : MS_OK;
}

static int take(struct ms_keeper *k, void *out, size_t len, struct ms_error *err) {
    ssize_t n;
    do {
        n = recv(k->fd, out, len, 0);
    } while (n < 0 && errno == EINTR);
    if (n == (ssize_t)len) return MS_OK;
    return ms_fail(err, MS_INTERNAL, "the process that holds the target ended: the target runs");
}

int ms_keeper_ask(struct ms_keeper *k, const struct ms_freeze_request *q, struct ms_freeze_reply *out,
                  struct ms_error *err) {
    if (send(k->fd, q, sizeof *q, MSG_NOSIGNAL) < 0) errno = 0; /* it has ended, which the next line finds */
    int status = take(k, out, sizeof *out, err);
    if (status) return status;
    out->line[sizeof out->line - 1] = 0;
    return out->status == MS_OK ? MS_OK : ms_fail(err, out->status, "%s", out->line);
}

int ms_keeper_registers(struct ms_keeper *k, const struct ms_freeze_reply *reply, struct ms_registers **out,
                        struct ms_error *err) {
    size_t n = (size_t)reply->thread_count;
    struct ms_registers *r = *out = ms_alloc((n + 1) * sizeof *r);
    int status = MS_OK;
    for (size_t i = 0; status == MS_OK && i < n; i += MS_FREEZE_TOGETHER)
        status = take(k, &r[i], ms_min(n - i, MS_FREEZE_TOGETHER) * sizeof *r, err);
    return status;
}

void ms_keeper_end(struct ms_keeper *k) {
    if (k->fd < 0) return;
    close(k->fd);
    k->fd = -1;
    while (waitpid(k->pid, NULL, 0) < 0 && errno == EINTR) {}
}
