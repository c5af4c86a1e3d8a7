/* jsonexplain.c - the document of `explain`, schema mapscope/1. */
#include "out.h"

#include <stdlib.h>

static void put_map_id(struct ms_json *j, const struct ms_map *m) {
    char id[64], *label = ms_map_label(m);
    ms_map_id(m, id);
    ms_json_text(j, "map", id);
    ms_json_text(j, "label", label);
    free(label);
}

static void put_place(struct ms_json *j, const struct ms_place *p) {
    if (!p->map) {
        ms_json_text(j, "place", NULL);
        return;
    }
    ms_json_object(j, "place");
    put_map_id(j, p->map);
    ms_json_text(j, "kind", ms_kind_name(p->map->kind));
    ms_json_text(j, "piece", ms_piece_name(p->piece.kind));
    ms_json_number(j, "start", p->piece.addr);
    ms_json_number(j, "bytes", p->piece.len);
    ms_json_number(j, "offset", p->offset);
    ms_json_text(j, "area", ms_area_name(p->piece.area));
    ms_json_bool(j, "other_array", p->piece.other);
    ms_json_known(j, "group", p->group);
    ms_json_known(j, "slot", p->slot < 0 ? MS_UNKNOWN : (uint64_t)p->slot);
    ms_json_text(j, "part", p->in == MS_IN_NONE ? NULL : ms_in_name(p->in));
    ms_json_known(j, "part_offset", p->len ? p->at : MS_UNKNOWN);
    ms_json_known(j, "part_bytes", p->len ? p->len : MS_UNKNOWN);
    ms_json_text(j, "slot_state", p->state);
    ms_json_text(j, "field", p->field);
    ms_json_close(j, '}');
}

static void put_retired(struct ms_json *j, const struct ms_snapshot *s, const struct ms_retired *r) {
    if (!r->ticket) {
        ms_json_text(j, "retired", NULL);
        return;
    }
    struct ms_map gone = {.id = r->map_id, .copy = r->copy};
    char id[64];
    ms_map_id(&gone, id);
    char *label = r->map ? ms_map_label(r->map) : NULL;
    ms_json_object(j, "retired");
    ms_json_text(j, "map", id);
    ms_json_text(j, "label", label);
    ms_json_text(j, "piece", r->header ? "header" : "table");
    ms_json_bool(j, "freed", r->freed);
    ms_json_number(j, "start", r->addr);
    ms_json_number(j, "bytes", r->bytes);
    ms_json_number(j, "wall_ns",
                   r->time_ns + (r->copy < s->copies ? s->copy[r->copy].wall_minus_mono_ns : 0));
    ms_json_close(j, '}');
    free(label);
}

static void put_region(struct ms_json *j, const struct ms_region *r) {
    ms_json_object(j, "mapping");
    ms_json_bool(j, "mapped", r->mapped);
    ms_json_number(j, "start", r->start);
    ms_json_known(j, "end", r->end);
    ms_json_text(j, "permissions", r->mapped && *r->perms ? r->perms : NULL);
    ms_json_text(j, "name", r->mapped && *r->name ? r->name : NULL);
    ms_json_close(j, '}');
}

static void put_crash(struct ms_json *j, const struct ms_crash *c) {
    if (!c) {
        ms_json_text(j, "crash", NULL);
        return;
    }
    ms_json_object(j, "crash");
    ms_json_known(j, "signal", c->signal ? (uint64_t)c->signal : MS_UNKNOWN);
    ms_json_text(j, "name", c->signal ? ms_signal_name(c->signal) : NULL);
    ms_json_text(j, "code", ms_signal_code(c->signal, c->code));
    ms_json_text(j, "cause", ms_signal_cause(c->signal, c->code));
    ms_json_known(j, "address", c->has_addr ? c->addr : MS_UNKNOWN);
    ms_json_number(j, "thread", (uint64_t)c->thread);
    ms_json_known(j, "goroutine", c->goroutine ? c->goroutine : MS_UNKNOWN);
    ms_json_known(j, "go_signal", c->goroutine ? (uint64_t)c->go_signal : MS_UNKNOWN);
    ms_json_close(j, '}');
}

/* As text: registers may hold any number, and readers of JSON take 63 bits. */
static void put_address(struct ms_json *j, uint64_t addr) {
    char text[32];
    snprintf(text, sizeof text, "0x%llx", (unsigned long long)addr);
    ms_json_text(j, "address", text);
}

void ms_json_explain(FILE *f, const struct ms_snapshot *s, const struct ms_crash *crash,
                     const struct ms_explained *e, size_t n) {
    struct ms_json j;
    ms_json_head(&j, f, "explain");
    ms_json_target(&j, "target", s);
    put_crash(&j, crash);
    ms_json_array(&j, "addresses");
    for (size_t i = 0; i < n; i++) {
        ms_json_object(&j, NULL);
        ms_json_text(&j, "label", e[i].label);
        put_address(&j, e[i].addr);
        put_place(&j, &e[i].place);
        put_retired(&j, s, &e[i].retired);
        ms_json_text(&j, "object", e[i].object);
        put_region(&j, &e[i].region);
        ms_json_close(&j, '}');
    }
    ms_json_close(&j, ']');
    ms_json_notes(&j, s);
    ms_json_close(&j, '}');
    ms_json_end(&j);
}
