/* tableevents.c - the time line for people: a line an event. */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TIME = 15, TOOK = 6, KIND = 12, ID = 8 };

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

static void put_what(FILE *f, const struct ms_style *st, const struct ms_moment *m, int used) {
    const struct ms_event *e = m->event;
    const char *kind = ms_event_name(e->kind);
    char buf[160], a[32];
    if (!strncmp(kind, "grow_", 5) || !strncmp(kind, "shrink_", 7))
        snprintf(buf, sizeof buf, "%" PRIu64 " -> %" PRIu64 " groups", e->a, e->b);
    else if (!strcmp(kind, "madvise") || !strcmp(kind, "retire"))
        snprintf(buf, sizeof buf, "%s at 0x%" PRIx64, ms_text_bytes(e->b, a), e->a);
    else if (!strcmp(kind, "free") || !strcmp(kind, "clear"))
        snprintf(buf, sizeof buf, "%" PRIu64 " entries", e->a);
    else if (!strcmp(kind, "note"))
        snprintf(buf, sizeof buf, "= %" PRIu64, e->b);
    else
        buf[0] = 0;
    char *name = m->map ? ms_map_label(m->map) : ms_strdup(m->text ? m->text : "");
    char *text = ms_text_escape(name, st->utf8);
    size_t n = strlen(text) + strlen(buf) + 3;
    char *line = ms_alloc(n);
    snprintf(line, n, "%s%s%s", text, *text && *buf ? "  " : "", buf);
    ms_text_cut(f, line, st->width ? st->width - used : 0, st->utf8);
    free(line);
    free(text);
    free(name);
}

static uint64_t wall_of(const struct ms_snapshot *s, const struct ms_event *e) {
    return e->time_ns + (e->copy < s->copies ? s->copy[e->copy].wall_minus_mono_ns : 0);
}

void ms_table_events(FILE *f, const struct ms_style *st, const struct ms_snapshot *s, const struct ms_timeline *t, size_t from) {
    char when[32], span[32];
    fprintf(f, "%-*s %*s  %-*s %-*s %s\n", TIME, "TIME (UTC)", TOOK, "TOOK", KIND, "EVENT", ID, "ID", "MAP, REGION OR NOTE");
    for (size_t i = from; i < t->moments; i++) {
        const struct ms_moment *m = &t->moment[i];
        const char *wall = ms_text_wall(wall_of(s, m->event), when), *clock = strchr(wall, ' ');
        fprintf(f, "%-*.*s %*s  %-*s %-*s ", TIME, TIME, clock ? clock + 1 : wall, TOOK,
                m->ns == MS_UNKNOWN ? "" : took(m->ns, span), KIND, ms_event_name(m->event->kind), ID, m->id);
        put_what(f, st, m, TIME + 1 + TOOK + 2 + KIND + 1 + ID + 1);
        fputc('\n', f);
    }
    fprintf(f, "%zu event%s", t->moments, t->moments == 1 ? "" : "s");
    if (from) fprintf(f, ", the last %zu shown", t->moments - from);
    if (t->lost) fprintf(f, ", %" PRIu64 " were overwritten before they were read", t->lost);
    fputc('\n', f);
}
