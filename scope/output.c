/* output.c - the files a user names for output: opened early, written whole, or not there.
 *
 * They are opened before the sandbox closes, which is long before there is anything to write.  So a
 * file that this run created and never wrote is taken away again, whatever the end: an error, or
 * Ctrl-C (SIGINT, SIGTERM, SIGHUP). While one is being written these signals wait: what was begun
 * is finished.  Files that were there before keep what they held until that moment.
 */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
enum { ENDS = sizeof ends / sizeof *ends };

/* Files created and not written yet; changed with the signals blocked only. */
static const char *unwritten[3];
enum { UNWRITTEN = sizeof unwritten / sizeof *unwritten };

static void interrupted(int sig) {
    for (int i = 0; i < UNWRITTEN; i++)
        if (unwritten[i]) unlink(unwritten[i]);
    signal(sig, SIG_DFL);
    raise(sig); /* delivered when this handler returns */
}

static void hold_signals(sigset_t *before) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < ENDS; i++) sigaddset(&set, ends[i]);
    sigprocmask(SIG_BLOCK, &set, before);
}

static void release_signals(const sigset_t *before) { sigprocmask(SIG_SETMASK, before, NULL); }

static void remember(const char *path) {
    for (int i = 0; i < UNWRITTEN; i++)
        if (!unwritten[i]) {
            unwritten[i] = path;
            break;
        }
    for (int i = 0; i < ENDS; i++) {
        struct sigaction old, act = {.sa_handler = interrupted};
        if (sigaction(ends[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL) sigaction(ends[i], &act, NULL);
    }
}

static void forget(const char *path) {
    for (int i = 0; i < UNWRITTEN; i++)
        if (unwritten[i] == path) unwritten[i] = NULL;
}

int ms_output_open(struct ms_output *o, struct ms_error *err) {
    sigset_t before;
    if (!o->path) return MS_OK;
    hold_signals(&before);
    o->fd = open(o->path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (o->fd < 0 && errno == ENOENT) {
        o->fd = open(o->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (o->fd >= 0) remember(o->path);
    }
    int error = errno;
    release_signals(&before);
    if (o->fd < 0) return ms_fail(err, MS_USAGE, "%s: %s", o->path, strerror(error));
    fcntl(o->fd, F_SETFL, 0);
    return MS_OK;
}

static int write_whole(const struct ms_output *o, int (*fn)(FILE *f, void *ctx, struct ms_error *err),
                       void *ctx, struct ms_error *err) {
    int fd = dup(o->fd); /* o->fd stays for ms_output_end() */
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!f) return ms_fail(err, MS_INTERNAL, "%s: %s", o->path, strerror(errno));
    if (ftruncate(fd, 0) != 0 && errno != EINVAL) { /* EINVAL: a pipe or a device */
        fclose(f);
        return ms_fail(err, MS_INTERNAL, "%s: %s", o->path, strerror(errno));
    }
    int status = fn(f, ctx, err);
    errno = 0;
    bool bad = fflush(f) != 0 || ferror(f);
    int error = errno;
    errno = 0;
    if ((fclose(f) != 0 || bad) && status == MS_OK) {
        if (!error) error = errno;
        status = ms_fail(err, MS_INTERNAL, "%s: %s", o->path, error ? strerror(error) : "write error");
    }
    return status;
}

int ms_output_write(struct ms_output *o, int (*fn)(FILE *f, void *ctx, struct ms_error *err), void *ctx,
                    struct ms_error *err) {
    sigset_t before;
    if (!o->path) return MS_OK;
    hold_signals(&before);
    int status = write_whole(o, fn, ctx, err);
    if (status == MS_OK) forget(o->path);
    release_signals(&before);
    return status;
}

void ms_output_end(struct ms_output *o) {
    sigset_t before;
    hold_signals(&before);
    for (int i = 0; i < UNWRITTEN; i++)
        if (o->path && unwritten[i] == o->path) unlink(o->path);
    forget(o->path);
    release_signals(&before);
}
