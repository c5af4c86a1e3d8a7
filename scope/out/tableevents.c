/* tableevents.c - the time line for people: a line an event; of a Go program, a line for beginning and end. */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TIME = 15, TOOK = 6, KIND = 12, KIND_GO = 6, ID = 8 };

/* "240us", "3.1ms", "1.2s": at most 6 columns */
static const char *took(uint64_t ns, char buf[32]) {
    if (ns < 1000000)
        snprintf(buf, 32, "%.*fus", ns < 10000, (double)ns / 1e3);
    else if (ns < 1000000000)
        snprintf(buf, 32, "%.*fms", ns < 10000000, (double)ns / 1e6);
    else
        ms_text_duration(ns, buf);
    return buf;
}

/* What a probe saw, where the event's map, region or note would stand: its type, unless it has a better name, and who did
 * it. */
static char *sight_text(const struct ms_moment *m, const char *name) {
    const struct ms_frame *at = ms_sight_site(m->sight);
    bool named = *name && strncmp(name, "goroutine ", 10) != 0;
    const char *what = named ? name : m->sight->type ? m->sight->type : "";
    if (!at) return ms_strdup(what);
    const char *gap = *what ? " " : "";
    return at->line ? ms_asprintf("%s%s%s:%u", what, gap, at->function, at->line)
                    : ms_asprintf("%s%s%s", what, gap, at->function);
}

static void put_what(FILE *f, const struct ms_style *st, const struct ms_timeline *t, const struct ms_moment *m, int used) {
    const struct ms_event *e = m->event;
    const char *kind = ms_event_name(e->kind);
    char buf[160], a[32];
    if (t->of_go && m->event->kind == MS_EVENT_GROW)
        snprintf(buf, sizeof buf, "%" PRIu64 " -> %" PRIu64, e->a, e->b);
    else if (!strncmp(kind, "grow_", 5) || !strncmp(kind, "shrink_", 7))
        snprintf(buf, sizeof buf, "%" PRIu64 " -> %" PRIu64 " groups", e->a, e->b);
    else if (!strcmp(kind, "madvise") || !strcmp(kind, "retire"))
        snprintf(buf, sizeof buf, "%s at 0x%" PRIx64, ms_text_bytes(e->b, a), e->a);
    else if (!strcmp(kind, "free") || !strcmp(kind, "clear"))
        snprintf(buf, sizeof buf, "%" PRIu64 " entries", e->a);
    else if (!strcmp(kind, "alloc"))
        snprintf(buf, sizeof buf, "%s", ms_text_bytes(e->a, a));
    else if (!strcmp(kind, "assign"))
        snprintf(buf, sizeof buf, "%" PRIu64 " entries", e->a);
    else if (!strcmp(kind, "faults"))
        snprintf(buf, sizeof buf, "%" PRIu64 " page faults", e->a);
    else if (!strcmp(kind, "note"))
        snprintf(buf, sizeof buf, "= %" PRIu64, e->b);
    else
        buf[0] = 0;
    char *name = m->map ? ms_map_label(m->map) : ms_strdup(m->text ? m->text : "");
    if (m->sight) {
        char *seen = sight_text(m, name);
        free(name);
        name = seen;
    }
    char *text = ms_text_escape(name, st->utf8);
    size_t n = strlen(text) + strlen(buf) + 3;
    char *line = ms_alloc(n);
    bool first = t->of_go; /* where it was may be cut */
    snprintf(line, n, "%s%s%s", first ? buf : text, *text && *buf ? first ? " " : "  " : "", first ? text : buf);
    ms_text_cut(f, line, st->width ? st->width - used : 0, st->utf8);
    free(line);
    free(text);
    free(name);
}

/* Ids of Go's maps are addresses. */
static int id_width(const struct ms_timeline *t) {
    size_t width = ID;
    for (size_t i = 0; i < t->moments; i++)
        if (strlen(t->moment[i].id) > width) width = strlen(t->moment[i].id);
    return (int)width;
}

/* An end whose beginning is there has no line of its own where both share one. */
static bool has_line(const struct ms_timeline *t, size_t i) {
    const struct ms_moment *m = &t->moment[i];
    return m->event->kind != MS_EVENT_CPU && !(t->of_go && m->begin != i);
}

static void put_totals(FILE *f, const struct ms_timeline *t, size_t from) {
    char span[32];
    size_t n = 0, shown = 0, samples = 0;
    for (size_t i = 0; i < t->moments; i++) {
        n += has_line(t, i);
        shown += i >= from && has_line(t, i);
        samples += t->moment[i].event->kind == MS_EVENT_CPU;
    }
    fprintf(f, "%zu event%s", n, n == 1 ? "" : "s");
    if (shown < n) fprintf(f, ", the last %zu shown", shown);
    if (t->lost) fprintf(f, ", %" PRIu64 " were %s", t->lost, t->traced ? "lost" : "overwritten before they were read");
    if (samples) fprintf(f, ", %zu samples of CPU time (-o folded, --perfetto)", samples);
    if (t->traced) fprintf(f, "\n%" PRIu64 " probes, hit %" PRIu64 " times", t->probes, t->hits);
    if (t->traced && t->cost_ns) fprintf(f, " at about %s each", took(t->cost_ns, span));
    if (t->traced && t->cost_ns) fprintf(f, ": %s of the program's time", took(t->hits * t->cost_ns, span));
    fputc('\n', f);
}

/* "grow_start", or "grow" for both. */
static const char *kind_of(const struct ms_timeline *t, const struct ms_event *e) {
    const char *kind = ms_event_name(e->kind);
    if (!t->of_go) return kind;
    return e->kind == MS_EVENT_GROW || e->kind == MS_EVENT_GROWN     ? "grow"
           : e->kind == MS_EVENT_PAUSE || e->kind == MS_EVENT_PAUSED ? "pause"
                                                                     : kind;
}

void ms_table_events(FILE *f, const struct ms_style *st, const struct ms_snapshot *s, const struct ms_timeline *t, size_t from) {
    char when[32], span[32];
    int id = id_width(t), kind = t->of_go ? KIND_GO : KIND;
    fprintf(f, "%-*s %*s  %-*s %-*s %s\n", TIME, "TIME (UTC)", TOOK, "TOOK", kind, "EVENT", id, "ID",
            t->of_go ? "GROUPS, MAP, WHERE" : "MAP, REGION OR NOTE");
    for (size_t i = from; i < t->moments; i++) {
        const struct ms_moment *m = &t->moment[i];
        if (!has_line(t, i)) continue;
        uint64_t ns = ms_timeline_wall(t, s, m->event), lasted = t->of_go && m->end != i ? t->moment[m->end].ns : m->ns;
        const char *wall = ms_text_wall(ns == MS_UNKNOWN ? m->event->time_ns : ns, when), *clock = strchr(wall, ' ');
        fprintf(f, "%-*.*s %*s  %-*s %-*s ", TIME, TIME, clock ? clock + 1 : wall, TOOK,
                lasted == MS_UNKNOWN ? "" : took(lasted, span), kind, kind_of(t, m->event), id, m->id);
        put_what(f, st, t, m, TIME + 1 + TOOK + 2 + kind + 1 + id + 1);
        fputc('\n', f);
    }
    put_totals(f, t, from);
}
