/* model.c - the map model's own operations: names, sums, lists.
 *
 * Names given here are the JSON names of `mapscope/1`: fields may be added, none renamed.
 */
#include "model.h"

#include "pieces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTES_MAX = 64 };

void ms_snapshot_init(struct ms_snapshot *s) { *s = (struct ms_snapshot){0}; }

static void free_map(struct ms_map *m) {
    free(m->name);
    free(m->holder);
    free(m->place);
    free(m->doubt);
}

void ms_snapshot_free(struct ms_snapshot *s) {
    for (size_t i = 0; i < s->maps; i++) free_map(&s->map[i]);
    for (size_t i = 0; i < s->copies; i++) {
        free(s->copy[i].image);
        free(s->copy[i].version);
    }
    for (size_t i = 0; i < s->notes; i++) free(s->note[i]);
    while (s->types) {
        struct ms_type *next = s->types->next;
        free(s->types->name);
        free(s->types->key);
        free(s->types->site);
        free(s->types->value);
        free(s->types);
        s->types = next;
    }
    free(s->target.comm);
    free(s->target.exe);
    free(s->target.core);
    free(s->target.recording);
    free(s->runtime);
    free(s->map);
    free(s->copy);
    free(s->note);
    ms_snapshot_init(s);
}

/* A hostile target can be wrong in a million places: the first lines say enough. */
void ms_snapshot_note(struct ms_snapshot *s, const char *fmt, ...) {
    char *line = NULL;
    va_list ap;
    if (s->notes >= NOTES_MAX) return;
    va_start(ap, fmt);
    int n = vasprintf(&line, fmt, ap);
    va_end(ap);
    if (n < 0) return;
    MS_ROOM(s->note, s->notes, s->note_room);
    s->note[s->notes++] = line;
}

struct ms_map *ms_snapshot_add(struct ms_snapshot *s) {
    MS_ROOM(s->map, s->maps, s->room);
    struct ms_map *m = &s->map[s->maps++];
    *m = (struct ms_map){.resident = MS_UNKNOWN,
                         .swapped = MS_UNKNOWN,
                         .fresh_bytes = MS_UNKNOWN,
                         .grow_at = MS_UNKNOWN,
                         .grow_likely = MS_UNKNOWN,
                         .growths = MS_UNKNOWN,
                         .grow_bytes = MS_UNKNOWN,
                         .grow_peak = MS_UNKNOWN};
    return m;
}

void ms_detail_free(struct ms_detail *d) {
    free(d->event);
    free_map(&d->map);
    *d = (struct ms_detail){0};
}

void ms_cells_free(struct ms_cells *c) {
    free(c->live);
    free(c->area);
    *c = (struct ms_cells){0};
}

uint64_t ms_map_sum(const struct ms_map *m) {
    uint64_t sum = 0;
    for (int p = 0; p < MS_PARTS; p++) sum = ms_add(sum, m->part[p]);
    return sum;
}

static const char *const part_name[MS_PARTS] = {
    [MS_PART_HEADER] = "header",
    [MS_PART_SLOTS_LIVE] = "slots_live",
    [MS_PART_SLOTS_EMPTY] = "slots_empty",
    [MS_PART_METADATA] = "metadata",
    [MS_PART_PADDING] = "padding",
    [MS_PART_OVERFLOW] = "overflow",
    [MS_PART_MOVING] = "moving",
    [MS_PART_CELLS] = "cells",
    [MS_PART_STRINGS] = "strings",
    [MS_PART_SLACK] = "slack",
    [MS_PART_STASH] = "stash",
};
static const char *const part_title[MS_PARTS] = {
    [MS_PART_HEADER] = "header and side record",
    [MS_PART_SLOTS_LIVE] = "slots, live",
    [MS_PART_SLOTS_EMPTY] = "slots, empty",
    [MS_PART_METADATA] = "metadata and links",
    [MS_PART_PADDING] = "padding",
    [MS_PART_OVERFLOW] = "overflow nodes",
    [MS_PART_MOVING] = "other array of the walk",
    [MS_PART_CELLS] = "cells out of line",
    [MS_PART_STRINGS] = "string copies",
    [MS_PART_SLACK] = "pool slack",
    [MS_PART_STASH] = "stash",
};

const char *ms_part_name(enum ms_part p) { return part_name[p]; }
const char *ms_part_title(enum ms_part p) { return part_title[p]; }

const char *ms_kind_name(enum ms_kind k) {
    static const char *const name[] = {"gomap", "gomap_shared", "classic", "go_classic", "go_swiss", "go_sync_map"};
    return name[k];
}

const char *ms_certainty_name(enum ms_certainty c) {
    static const char *const name[] = {"exact", "changing", "damaged"};
    return name[c];
}

const char *ms_layout_name(enum ms_layout l) {
    static const char *const name[] = {"empty", "small", "block", "range", "tree"};
    return name[l];
}

const char *ms_walk_name(enum ms_walk w) {
    static const char *const name[] = {"none", "grow", "shrink"};
    return name[w];
}

const char *ms_mode_name(enum ms_mode m) {
    static const char *const name[] = {"live", "stop", "snapshot", "core"};
    return name[m];
}

const char *ms_area_name(enum ms_area a) {
    static const char *const name[] = {"table", "low", "gap", "high"};
    return name[a];
}

const char *ms_event_name(uint32_t kind) {
    static const char *const name[] = {"none",         "new",         "free",    "grow_start", "grow_done",
                                       "shrink_start", "shrink_done", "madvise", "reseed",     "clear",
                                       "oom",          "alarm",       "misuse",  "retire",
                                       "region_begin", "region_end",  "note"};
    static const char *const traced[] = {"assign", "alloc", "pause_begin", "pause_end", "faults", "cpu"};
    uint32_t more = kind - MS_EVENT_ASSIGN;
    if (more < sizeof traced / sizeof *traced) return traced[more];
    return kind < sizeof name / sizeof *name ? name[kind] : "unknown";
}

static char *put_digits(char *w, uint32_t n) {
    char turned[10];
    int have = 0;
    do turned[have++] = (char)('0' + n % 10);
    while (n /= 10);
    while (have) *w++ = turned[--have];
    return w;
}

static void put_address(char *w, uint64_t addr) {
    static const char digit[] = "0123456789abcdef";
    int nibbles = 1;
    while (nibbles < 16 && addr >> 4 * nibbles) nibbles++;
    *w++ = '0', *w++ = 'x';
    while (nibbles--) *w++ = digit[addr >> 4 * nibbles & 15];
    *w = 0;
}

void ms_map_id(const struct ms_map *m, char *buf) {
    if (ms_map_of_go(m)) {
        put_address(buf, m->addr);
        return;
    }
    char *w = put_digits(buf, (uint32_t)m->id);
    *w++ = '.';
    w = put_digits(w, (uint32_t)(m->id >> 32));
    if (m->copy) *w++ = '@', w = put_digits(w, m->copy);
    *w = 0;
}

char *ms_map_label(const struct ms_map *m) {
    if (m->name && *m->name) return ms_strdup(m->name);
    if (m->holder && *m->holder) return ms_strdup(m->holder);
    const char *type = m->type ? m->type->name : "?";
    return m->site && *m->site ? ms_asprintf("%s@%s", type, m->site) : ms_strdup(type);
}

char *ms_map_underlying(const struct ms_map *m) {
    const struct ms_type *t = m->type;
    bool plain = m->kind == MS_KIND_GO_CLASSIC || m->kind == MS_KIND_GO_SWISS;
    if (!plain || !t || !t->name || strncmp(t->name, "map[", 4) == 0 || strpbrk(t->name, "~?")) return NULL;
    return ms_asprintf("map[%s]%s", t->key, t->value);
}
