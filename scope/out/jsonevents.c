/* jsonevents.c - the document of `events`, schema mapscope/1; and its lines, a document each. */
#include "out.h"

#include <stdlib.h>

static void put_stack(struct ms_json *j, const struct ms_sight *s) {
    ms_json_array(j, "stack");
    for (size_t i = 0; i < s->frames; i++) {
        const struct ms_frame *f = s->frame[i];
        char unnamed[32], *text;
        snprintf(unnamed, sizeof unnamed, "0x%llx", (unsigned long long)f->addr);
        text = f->file ? ms_asprintf("%s %s:%u", f->function, f->file, f->line) : ms_strdup(f->function ? f->function : unnamed);
        ms_json_text(j, NULL, text);
        free(text);
    }
    ms_json_close(j, ']');
}

static void put_moment(struct ms_json *j, const struct ms_snapshot *s, const struct ms_timeline *t, const struct ms_moment *m) {
    const struct ms_event *e = m->event;
    char *label = m->map ? ms_map_label(m->map) : NULL;
    ms_json_text(j, "kind", ms_event_name(e->kind));
    ms_json_number(j, "time_ns", e->time_ns);
    ms_json_known(j, "wall_ns", ms_timeline_wall(t, s, e));
    ms_json_known(j, "duration_ns", m->ns);
    ms_json_text(j, "id", m->id[0] ? m->id : NULL);
    ms_json_text(j, "map", label);
    ms_json_text(j, "name", m->text);
    ms_json_known(j, "thread", e->thread ? e->thread : MS_UNKNOWN);
    ms_json_number(j, "a", e->a);
    ms_json_number(j, "b", e->b);
    if (m->sight) {
        ms_json_known(j, "entries", m->sight->entries);
        ms_json_text(j, "type", m->sight->type);
        ms_json_known(j, "goroutine", m->sight->goroutine ? m->sight->goroutine : MS_UNKNOWN);
        put_stack(j, m->sight);
    }
    free(label);
}

/* What the probes were, and cost. */
static void put_probes(struct ms_json *j, const struct ms_timeline *t) {
    if (!t->traced) return;
    ms_json_number(j, "probes", t->probes);
    ms_json_number(j, "hits", t->hits);
    ms_json_known(j, "hit_ns", t->cost_ns ? t->cost_ns : MS_UNKNOWN);
}

void ms_json_events(FILE *f, const struct ms_snapshot *s, const struct ms_timeline *t, size_t from) {
    struct ms_json j;
    ms_json_head(&j, f, "events");
    ms_json_target(&j, "target", s);
    ms_json_number(&j, "lost", t->lost);
    put_probes(&j, t);
    ms_json_array(&j, "events");
    for (size_t i = from; i < t->moments; i++) {
        ms_json_object(&j, NULL);
        put_moment(&j, s, t, &t->moment[i]);
        ms_json_close(&j, '}');
    }
    ms_json_close(&j, ']');
    ms_json_notes(&j, s);
    ms_json_close(&j, '}');
    ms_json_end(&j);
}

/* ---- lines ---------------------------------------------------------------------------------------- */

static void begin_line(struct ms_json *j, FILE *f, const char *line) {
    ms_json_begin(j, f);
    j->one_line = true;
    ms_json_object(j, NULL);
    ms_json_text(j, "schema", "mapscope/1");
    ms_json_text(j, "verb", "events");
    ms_json_text(j, "line", line);
}

static void end_line(struct ms_json *j) {
    ms_json_close(j, '}');
    ms_json_end(j);
    fflush(j->f);
}

void ms_jsonl_begin(FILE *f, const struct ms_snapshot *s, const struct ms_timeline *t) {
    struct ms_json j;
    begin_line(&j, f, "begin");
    ms_json_target(&j, "target", s);
    put_probes(&j, t);
    end_line(&j);
}

void ms_jsonl_event(FILE *f, const struct ms_snapshot *s, const struct ms_timeline *t, size_t i) {
    struct ms_json j;
    begin_line(&j, f, "event");
    put_moment(&j, s, t, &t->moment[i]);
    end_line(&j);
}

void ms_jsonl_end(FILE *f, const struct ms_snapshot *s, const struct ms_timeline *t) {
    struct ms_json j;
    begin_line(&j, f, "end");
    ms_json_number(&j, "events", t->moments);
    ms_json_number(&j, "lost", t->lost);
    put_probes(&j, t);
    ms_json_notes(&j, s);
    end_line(&j);
}
