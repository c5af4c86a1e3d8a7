/* cmd_rec.c - rec:FILE[@TIME] as a target: a session whose maps come from a recording.
 *
 * A look gives the moment that TIME names; without TIME the last one, each time anew, so that `top` follows a recorder
 * at work.  There is no memory to read: a reader that has nothing carries the recording to the backend of recorded maps, which
 * says of everything else that it was not recorded.
 */
#include "cmd.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static enum ms_read has_nothing(void *ctx, uint64_t addr, void *buf, size_t len) {
    (void)ctx, (void)addr, (void)buf, (void)len;
    return MS_READ_FAULT;
}

int ms_session_rec_open(struct ms_session *s, const char *file, struct ms_error *err) {
    s->rec = ms_alloc(sizeof *s->rec);
    int status = ms_rec_open(s->rec, file, err);
    if (status) return status;
    struct ms_process *p = &s->process;
    p->pid = s->rec->target.pid;
    p->uid = s->rec->target.uid;
    p->exe = ms_strdup(s->rec->target.exe ? s->rec->target.exe : "");
    snprintf(p->comm, sizeof p->comm, "%s", s->rec->target.comm ? s->rec->target.comm : "?");
    p->reader = (struct ms_reader){.read = has_nothing, .ctx = s->rec, .still = true};
    s->rec_follows = s->rec->at == s->rec->moment[s->rec->moments - 1].number;
    return MS_OK;
}

int ms_session_rec_snapshot(struct ms_session *s, bool want_maps, bool resident, struct ms_snapshot *out,
                            struct ms_error *err) {
    struct ms_rec *r = s->rec;
    ms_snapshot_init(out);
    int status = s->rec_follows ? ms_rec_refresh(r, err) : MS_OK;
    uint64_t moment = status == MS_OK && s->rec_follows ? r->moment[r->moments - 1].number : r->at;
    if (status == MS_OK) status = ms_rec_load(r, moment, out, err);
    for (size_t i = 0; status == MS_OK && want_maps && i < out->maps; i++) {
        ms_view_figures(&out->map[i]);
        if (resident) status = ms_map_resident(&s->process.reader, out, &out->map[i], err);
    }
    return status;
}

void ms_session_rec_close(struct ms_session *s) {
    if (s->rec) ms_rec_close(s->rec);
    free(s->rec);
    s->rec = NULL;
}

int ms_session_rec_holders(struct ms_session *s, const struct ms_map *m, struct ms_holders *out,
                           struct ms_error *err) {
    *out = (struct ms_holders){.retained_bytes = MS_UNKNOWN, .retained_objects = MS_UNKNOWN};
    if (!m->holder) return ms_rec_lacks(s->rec, "who holds a map of a C program", NULL, err);
    struct ms_holder *h = ms_holders_add(out);
    h->path = ms_strdup(m->holder);
    if (sscanf(m->holder, "goroutine %" SCNu64, &h->goroutine) == 1) h->root = MS_ROOT_STACK;
    out->paths = out->pointers = 1;
    out->cut = true; /* there may be others: the first is recorded */
    return MS_OK;
}

int ms_session_runs(const struct ms_session *s, const char *option, struct ms_error *err) {
    if (!s->process.core && !s->rec) return MS_OK;
    return ms_fail(err, MS_USAGE, "a %s does not run: %s for processes", s->rec ? "recording" : "core file",
                   option);
}
