/* jsonevents.c - the document of `events`, schema mapscope/1. */
#include "out.h"

#include <stdlib.h>

static void put_moment(struct ms_json *j, const struct ms_snapshot *s, const struct ms_moment *m) {
    const struct ms_event *e = m->event;
    char *label = m->map ? ms_map_label(m->map) : NULL;
    ms_json_object(j, NULL);
    ms_json_text(j, "kind", ms_event_name(e->kind));
    ms_json_number(j, "time_ns", e->time_ns);
    ms_json_known(j, "wall_ns", e->copy < s->copies ? e->time_ns + s->copy[e->copy].wall_minus_mono_ns : MS_UNKNOWN);
    ms_json_known(j, "duration_ns", m->ns);
    ms_json_text(j, "id", m->id[0] ? m->id : NULL);
    ms_json_text(j, "map", label);
    ms_json_text(j, "name", m->text);
    ms_json_known(j, "thread", e->thread ? e->thread : MS_UNKNOWN);
    ms_json_number(j, "a", e->a);
    ms_json_number(j, "b", e->b);
    ms_json_close(j, '}');
    free(label);
}

void ms_json_events(FILE *f, const struct ms_snapshot *s, const struct ms_timeline *t, size_t from) {
    struct ms_json j;
    ms_json_head(&j, f, "events");
    ms_json_target(&j, "target", s);
    ms_json_number(&j, "lost", t->lost);
    ms_json_array(&j, "events");
    for (size_t i = from; i < t->moments; i++) put_moment(&j, s, &t->moment[i]);
    ms_json_close(&j, ']');
    ms_json_notes(&j, s);
    ms_json_close(&j, '}');
    ms_json_end(&j);
}
