/* lib/misuse.c - what a program must not do with a map, and how it is told.
 *
 * Every misuse ends in one line that names the map, through a replaceable hook.  If the hook returns, the call
 * does nothing: reads find nothing, writes return GOMAP_EMISUSE.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <execinfo.h>
#include <stdarg.h>
#include <unistd.h>

static void default_fatal(const char *line) {
    fprintf(stderr, "%s\n", line);
    abort();
}

gomap_fatal_fn gomap_set_fatal(gomap_fatal_fn fn) {
    gomap_fatal_fn old = __atomic_exchange_n(&gomap__world.fatal, fn, __ATOMIC_ACQ_REL);
    return old ? old : default_fatal;
}

void gomap__fatal(const char *format, ...) {
    char line[320];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    gomap_fatal_fn fn = __atomic_load_n(&gomap__world.fatal, __ATOMIC_ACQUIRE);
    (fn ? fn : default_fatal)(line);
}

void gomap__misuse(const struct gomap *m, const char *what) {
    char name[160];
    if (!m) {
        gomap__fatal("gomap: %s a NULL map", what);
        return;
    }
    gomap_describe(m, name, sizeof name);
    gomap__event(m, GOMAP_EV_MISUSE, 0, 0);
    gomap__fatal("gomap: %s map %s", what, name);
}

/* Text of a call that found the map being written. */
static void report_writing(const struct gomap *m, const char *op, uint8_t mark) {
    char what[96];
    if ((mark & ~GOMAP_WRITING_HOOKED) != gomap__world.fork_mark)
        snprintf(what, sizeof what, "%s: was being written by another thread at fork:", op);
    else
        snprintf(what, sizeof what,
                 "%s during a write (another thread, or a callback or hook that uses its own map):", op);
    gomap__misuse(m, what);
}

bool gomap__write_begin_slow(struct gomap *m, const char *op) {
    char what[64];
    if (!m) {
        snprintf(what, sizeof what, "%s on", op);
        gomap__misuse(NULL, what);
        return false;
    }
    if (!gomap__alive(m)) {
        gomap__fatal("gomap: %s: %p is not a live map (used after gomap_free, or freed twice)", op, (void *)m);
        return false;
    }
    if (m->writing == GOMAP_WRITING_HOOKED) {
        __atomic_store_n(&m->writing, gomap__world.fork_mark | GOMAP_WRITING_HOOKED, __ATOMIC_RELAXED);
        return true;
    }
    report_writing(m, op, m->writing);
    return false;
}

bool gomap__read_ok_slow(const struct gomap *m, const char *op) {
    if (!gomap__alive(m)) {
        gomap__fatal("gomap: %s: %p is not a live map (used after gomap_free)", op, (const void *)m);
        return false;
    }
    uint8_t mark = __atomic_load_n(&m->writing, __ATOMIC_RELAXED);
    if (!(mark & 1)) return true; /* gone already: nothing to tell for sure; or it only has hooks */
    report_writing(m, op, mark);
    return false;
}

int gomap_describe(const gomap *m, char *buf, size_t len) {
    if (!m) return snprintf(buf, len, "(NULL)");
    if (m->side && m->side->name) return snprintf(buf, len, "%s", m->side->name);
    const struct gomap_desc *d = m->desc;
    return snprintf(buf, len, "%s->%s%s%s", d->key_name, d->val_name, d->site ? "@" : "",
                    d->site ? d->site : "");
}

/* ---- GOMAP_CONF log:1 and backtrace_above:N ------------------------------------------------------------- */

void gomap__log(const struct gomap *m, const char *what, uint64_t a, uint64_t b) {
    char name[160];
    if (GOMAP__LIKELY(!gomap__world.log) || m->cookie == GOMAP_COOKIE_STASH) return;
    gomap_describe(m, name, sizeof name);
    unsigned long long x = a, y = b, n = m->count;
    if (!strcmp(what, "madvise"))
        fprintf(stderr, "gomap: %s: %s %#llx, %llu bytes, entries %llu\n", name, what, x, y, n);
    else if (!strncmp(what, "alarm", 5))
        fprintf(stderr, "gomap: %s: %s: %llu stashed, %llu alike, entries %llu\n", name, what, x, y, n);
    else
        fprintf(stderr, "gomap: %s: %s: groups %llu -> %llu, entries %llu\n", name, what, x, y, n);
}

void gomap__backtrace(const struct gomap *m) {
    void *frames[64];
    char name[160];
    gomap_describe(m, name, sizeof name);
    fprintf(stderr, "gomap: %s: more than %llu entries, at\n", name,
            (unsigned long long)gomap__side(m)->policy_backtrace_above);
    backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
}

const char *gomap_strerror(gomap_err err) {
    switch (err) {
    case GOMAP_OK: return "ok";
    case GOMAP_ENOMEM: return "out of memory";
    case GOMAP_EINVAL: return "invalid argument";
    case GOMAP_EMISUSE: return "map misused";
    case GOMAP_ENOENT: return "no such entry";
    }
    return "unknown error";
}
