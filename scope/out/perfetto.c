/* perfetto.c - the time line as trace events ("JSON Object Format"), for ui.perfetto.dev and chrome://tracing.
 *
 *   process PID             a track a thread: regions and pauses as slices; notes, allocations, samples as instants
 *   process "maps of NAME"  a track a map: growths and shrinks as slices, the rest as instants; a counter of its groups
 *
 * Flows lead from a growth or shrink to each piece of memory that its map then gave up.  Times are of CLOCK_MONOTONIC.
 * Slices of a track nest: a map grows once at a time, regions of a thread are matched by name, innermost first; one that
 * would overlap all the same is told as two instants.
 */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NONE = -1 };

struct trace {
    struct ms_json j;
    const struct ms_timeline *t;
    uint64_t pid, maps_pid;
    struct track {
        bool named;
        ptrdiff_t innermost; /* slice that lasts */
        ptrdiff_t cause;     /* last growth or shrink */
    } * track;
    ptrdiff_t *outer; /* of each slice, the one around it */
    bool *sliced;     /* a beginning: it and its end are told as a slice */
};

static void microseconds(struct ms_json *j, const char *key, uint64_t ns) {
    char text[40];
    snprintf(text, sizeof text, "%" PRIu64 ".%03u", ns / 1000, (unsigned)(ns % 1000));
    ms_json_raw(j, key, text);
}

static void begin(struct trace *x, const char *phase, const char *name, uint64_t pid, uint64_t tid) {
    ms_json_object(&x->j, NULL);
    ms_json_text(&x->j, "ph", phase);
    ms_json_text(&x->j, "name", name);
    ms_json_number(&x->j, "pid", pid);
    ms_json_number(&x->j, "tid", tid);
}

static void metadata(struct trace *x, const char *what, uint64_t pid, uint64_t tid, const char *name) {
    begin(x, "M", what, pid, tid);
    ms_json_object(&x->j, "args");
    ms_json_text(&x->j, "name", name);
    ms_json_close(&x->j, '}');
    ms_json_close(&x->j, '}');
}

/* The track of a map, which has a name from its first event on. */
static uint64_t track_of(struct trace *x, const struct ms_moment *m) {
    struct track *to = &x->track[m->track];
    uint64_t tid = m->track + 1;
    if (to->named) return tid;
    const char *type = m->sight ? m->sight->type : NULL;
    char *label = m->map ? ms_map_label(m->map) : ms_strdup(type ? type : "freed");
    size_t n = strlen(label) + strlen(m->id) + 2;
    char *name = ms_alloc(n);
    snprintf(name, n, "%s %s", label, m->id);
    metadata(x, "thread_name", x->maps_pid, tid, name);
    to->named = true;
    free(name);
    free(label);
    return tid;
}

static void figures(struct trace *x, const struct ms_moment *m) {
    const struct ms_frame *at = ms_sight_site(m->sight);
    ms_json_object(&x->j, "args");
    ms_json_number(&x->j, "a", m->event->a);
    ms_json_number(&x->j, "b", m->event->b);
    if (m->sight && m->sight->entries != MS_UNKNOWN) ms_json_number(&x->j, "entries", m->sight->entries);
    if (at) ms_json_text(&x->j, "in", at->function);
    if (at && at->file) ms_json_text(&x->j, "file", at->file);
    if (at && at->file) ms_json_number(&x->j, "line", at->line);
    ms_json_close(&x->j, '}');
    ms_json_close(&x->j, '}');
}

static void counter(struct trace *x, const struct ms_moment *m, uint64_t tid) {
    char name[96];
    snprintf(name, sizeof name, "groups of %s", m->id);
    begin(x, "C", name, x->maps_pid, tid);
    microseconds(&x->j, "ts", m->event->time_ns);
    ms_json_object(&x->j, "args");
    ms_json_number(&x->j, "groups", m->event->b);
    ms_json_close(&x->j, '}');
    ms_json_close(&x->j, '}');
}

/* Can what begins at moment i be a slice, within those that last? */
static bool nests(struct trace *x, size_t i) {
    const struct ms_moment *m = &x->t->moment[i];
    struct track *on = &x->track[m->track];
    while (on->innermost != NONE && x->t->moment[on->innermost].end < i) on->innermost = x->outer[on->innermost];
    if (on->innermost != NONE && x->t->moment[on->innermost].end < m->end) return false;
    x->outer[i] = on->innermost;
    on->innermost = (ptrdiff_t)i;
    return true;
}

static void slice(struct trace *x, size_t i, const char *name, uint64_t pid, uint64_t tid) {
    const struct ms_moment *m = &x->t->moment[i];
    begin(x, "X", name, pid, tid);
    microseconds(&x->j, "ts", m->event->time_ns);
    microseconds(&x->j, "dur", x->t->moment[m->end].ns);
    figures(x, m);
}

static void instant(struct trace *x, const struct ms_moment *m, const char *name, uint64_t pid, uint64_t tid) {
    begin(x, "i", name, pid, tid);
    ms_json_text(&x->j, "s", "t");
    microseconds(&x->j, "ts", m->event->time_ns);
    figures(x, m);
}

static void flow(struct trace *x, const char *phase, size_t id, uint64_t ns, uint64_t tid) {
    begin(x, phase, "gives up", x->maps_pid, tid);
    ms_json_text(&x->j, "cat", "memory");
    ms_json_number(&x->j, "id", id);
    if (*phase == 'f') ms_json_text(&x->j, "bp", "e");
    microseconds(&x->j, "ts", ns);
    ms_json_close(&x->j, '}');
}

/* Memory given up: a slice without duration, since flows end in slices. */
static void given_up(struct trace *x, size_t i, const char *name, uint64_t tid) {
    const struct ms_moment *m = &x->t->moment[i];
    ptrdiff_t cause = x->track[m->track].cause;
    begin(x, "X", name, x->maps_pid, tid);
    microseconds(&x->j, "ts", m->event->time_ns);
    ms_json_number(&x->j, "dur", 0);
    figures(x, m);
    if (cause == NONE) return;
    flow(x, "s", i, x->t->moment[cause].event->time_ns, tid);
    flow(x, "f", i, m->event->time_ns, tid);
}

static void put(struct trace *x, size_t i) {
    const struct ms_moment *m = &x->t->moment[i];
    const char *kind = ms_event_name(m->event->kind), *name = m->text ? m->text : kind;
    bool sample = m->event->kind == MS_EVENT_CPU && m->sight && m->sight->frames && m->sight->frame[0]->function;
    if (sample) name = m->sight->frame[0]->function;
    bool of_map = m->id[0] != 0;
    uint64_t pid = of_map ? x->maps_pid : x->pid, tid = of_map ? track_of(x, m) : m->event->thread;
    if (of_map && (!strncmp(kind, "grow_", 5) || !strncmp(kind, "shrink_", 7))) counter(x, m, tid);
    if (m->end != i && of_map) x->track[m->track].cause = (ptrdiff_t)i;
    x->sliced[i] = m->end != i && nests(x, i);
    if (x->sliced[i])
        slice(x, i, of_map ? (*kind == 'g' ? "grow" : "shrink") : name, pid, tid);
    else if (m->begin != i && x->sliced[m->begin])
        return; /* the slice has it */
    else if (!strcmp(kind, "madvise") || !strcmp(kind, "retire"))
        given_up(x, i, kind, tid);
    else
        instant(x, m, name, pid, tid);
}

static void put_all(struct trace *x, const struct ms_snapshot *s) {
    size_t n = strlen(s->target.comm) + 9;
    char *maps = ms_alloc(n);
    snprintf(maps, n, "maps of %s", s->target.comm);
    metadata(x, "process_name", x->pid, 0, s->target.comm);
    metadata(x, "process_name", x->maps_pid, 0, maps);
    free(maps);
    for (size_t i = 0; i < x->t->tracks; i++) x->track[i] = (struct track){false, NONE, NONE};
    for (size_t i = 0; i < x->t->moments; i++) put(x, i);
}

void ms_perfetto(FILE *f, const struct ms_snapshot *s, const struct ms_timeline *t) {
    struct trace x = {.t = t, .pid = (uint64_t)s->target.pid, .maps_pid = (uint64_t)s->target.pid | UINT64_C(1) << 30};
    x.track = ms_alloc((t->tracks + 1) * sizeof *x.track);
    x.outer = ms_alloc((t->moments + 1) * sizeof *x.outer);
    x.sliced = ms_alloc((t->moments + 1) * sizeof *x.sliced);
    ms_json_begin(&x.j, f);
    ms_json_object(&x.j, NULL);
    ms_json_text(&x.j, "displayTimeUnit", "ns");
    ms_json_array(&x.j, "traceEvents");
    put_all(&x, s);
    ms_json_close(&x.j, ']');
    ms_json_close(&x.j, '}');
    ms_json_end(&x.j);
    free(x.track);
    free(x.outer);
    free(x.sliced);
}
