/* timeline.c - see timeline.h.
 *
 * A growth or shrink ends what its map began last; a region, what its thread began last under that name.  A beginning that
 * the ring has forgotten leaves its end alone, which then has no duration.
 */
#include "timeline.h"

#include <stdlib.h>
#include <string.h>

void ms_timeline_add(struct ms_timeline *t, const struct ms_event *e, const struct ms_sight *sight, char *text) {
    MS_ROOM(t->moment, t->moments, t->room);
    t->moment[t->moments++] = (struct ms_moment){.event = e, .sight = sight, .text = text, .ns = MS_UNKNOWN};
}

void ms_timeline_free(struct ms_timeline *t) {
    for (size_t i = 0; i < t->moments; i++) free(t->moment[i].text);
    free(t->moment);
    *t = (struct ms_timeline){.moments = 0};
}

const struct ms_frame *ms_sight_site(const struct ms_sight *sight) {
    for (size_t i = 0; sight && i < sight->frames; i++)
        if (!sight->frame[i]->inner && sight->frame[i]->function) return sight->frame[i];
    return NULL;
}

uint64_t ms_timeline_wall(const struct ms_timeline *t, const struct ms_snapshot *s, const struct ms_event *e) {
    if (t->traced) return e->time_ns + t->wall_minus_mono_ns;
    return e->copy < s->copies ? e->time_ns + s->copy[e->copy].wall_minus_mono_ns : MS_UNKNOWN;
}

static int by_time(const void *a, const void *b) {
    const struct ms_event *x = ((const struct ms_moment *)a)->event, *y = ((const struct ms_moment *)b)->event;
    if (x->time_ns != y->time_ns) return x->time_ns < y->time_ns ? -1 : 1;
    if (x->copy != y->copy) return x->copy < y->copy ? -1 : 1;
    return (x->ticket > y->ticket) - (x->ticket < y->ticket);
}

/* ---- maps -------------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b) {
    const struct ms_map *x = *(const struct ms_map *const *)a, *y = *(const struct ms_map *const *)b;
    if (x->copy != y->copy) return x->copy < y->copy ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

void ms_timeline_id(const struct ms_timeline *t, const struct ms_event *e, char *buf) {
    struct ms_map key = {.id = e->map_id, .addr = e->map_id, .copy = e->copy};
    if (t->of_go) key.kind = MS_KIND_GO_SWISS; /* of whatever kind: its id is its address */
    ms_map_id(&key, buf);
}

static void name_maps(struct ms_timeline *t, const struct ms_snapshot *s) {
    const struct ms_map **all = ms_alloc((s->maps + 1) * sizeof *all);
    for (size_t i = 0; i < s->maps; i++) all[i] = &s->map[i];
    if (s->maps) qsort(all, s->maps, sizeof *all, by_id);
    for (size_t i = 0; i < t->moments; i++) {
        struct ms_moment *m = &t->moment[i];
        struct ms_map key = {.id = m->event->map_id, .copy = m->event->copy}, *at = &key;
        if (!m->event->map_id) continue;
        const struct ms_map *const *found = s->maps ? bsearch(&at, all, s->maps, sizeof *all, by_id) : NULL;
        if (found) m->map = *found;
        ms_timeline_id(t, m->event, m->id);
    }
    free(all);
}

/* Maps by copy and id, threads by number. */
static int by_track(const void *a, const void *b) {
    const struct ms_event *x = (*(struct ms_moment *const *)a)->event, *y = (*(struct ms_moment *const *)b)->event;
    if (x->map_id != y->map_id) return x->map_id < y->map_id ? -1 : 1;
    if (!x->map_id) return (x->thread > y->thread) - (x->thread < y->thread);
    return (x->copy > y->copy) - (x->copy < y->copy);
}

static void number_tracks(struct ms_timeline *t) {
    struct ms_moment **all = ms_alloc((t->moments + 1) * sizeof *all);
    for (size_t i = 0; i < t->moments; i++) all[i] = &t->moment[i];
    if (t->moments) qsort(all, t->moments, sizeof *all, by_track);
    t->tracks = 0;
    for (size_t i = 0; i < t->moments; i++) {
        t->tracks += i == 0 || by_track(&all[i - 1], &all[i]) != 0;
        all[i]->track = t->tracks - 1;
    }
    free(all);
}

/* ---- ends and beginnings ----------------------------------------------------------------------- */

/* Does a begin what b, of the same track, ends? */
static bool belong(const struct ms_moment *a, const struct ms_moment *b) {
    const struct ms_event *x = a->event, *y = b->event;
    return x->kind + 1 == y->kind && (y->map_id || (x->copy == y->copy && x->a == y->a));
}

/* The last beginning of each track without an end so far, and the one before it. */
enum { NONE = -1 };

static void match(struct ms_timeline *t, size_t i, ptrdiff_t *last, ptrdiff_t *before) {
    struct ms_moment *m = &t->moment[i];
    for (ptrdiff_t *at = &last[m->track]; *at != NONE; at = &before[*at]) {
        struct ms_moment *from = &t->moment[*at];
        if (!belong(from, m)) continue;
        m->begin = (size_t)*at;
        m->ns = m->event->time_ns - from->event->time_ns;
        from->end = i;
        *at = before[*at];
        return;
    }
}

static bool begins(const struct ms_event *e) {
    struct ms_event next = {.kind = e->kind + 1};
    return ms_event_ends(&next);
}

void ms_timeline_close(struct ms_timeline *t, const struct ms_snapshot *s) {
    if (t->moments) qsort(t->moment, t->moments, sizeof *t->moment, by_time);
    name_maps(t, s);
    number_tracks(t);
    ptrdiff_t *last = ms_alloc((t->tracks + 1) * sizeof *last), *before = ms_alloc((t->moments + 1) * sizeof *before);
    for (size_t i = 0; i < t->tracks; i++) last[i] = NONE;
    for (size_t i = 0; i < t->moments; i++) {
        struct ms_moment *m = &t->moment[i];
        m->begin = m->end = i;
        if (ms_event_ends(m->event)) match(t, i, last, before);
        if (!begins(m->event)) continue;
        before[i] = last[m->track];
        last[m->track] = (ptrdiff_t)i;
    }
    free(last);
    free(before);
}
