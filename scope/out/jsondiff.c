/* jsondiff.c - differences as a document: every row that differs, with what was and what is. */
#include "out.h"

#include <stdlib.h>

static void put_side(struct ms_json *j, const char *key, const struct ms_map *m, uint64_t maps) {
    if (!m) {
        ms_json_text(j, key, NULL);
        return;
    }
    ms_json_object(j, key);
    ms_json_number(j, "maps", maps);
    ms_json_number(j, "entries", m->entries);
    ms_json_number(j, "slots", m->slots);
    ms_json_number(j, "bytes", m->bytes);
    ms_json_number(j, "waste_bytes", m->waste);
    ms_json_number(j, "rebuild_gain_bytes", m->rebuild_gain);
    ms_json_close(j, '}');
}

static void put_row(struct ms_json *j, const struct ms_difference *r) {
    const struct ms_map *m = r->after ? r->after : r->before;
    char id[64];
    ms_map_id(m, id);
    char *label = r->name ? NULL : ms_map_label(m);
    ms_json_object(j, NULL);
    ms_json_text(j, "change", ms_change_name((enum ms_change)r->change));
    ms_json_text(j, "id", r->name ? NULL : id);
    ms_json_text(j, "name", r->name ? r->name : label);
    ms_json_text(j, "type", m->type ? m->type->name : NULL);
    put_side(j, "before", r->before, r->maps_before);
    put_side(j, "after", r->after, r->maps_after);
    ms_json_bool(j, "fails", r->fails);
    ms_json_close(j, '}');
    free(label);
}

void ms_json_diff(FILE *f, const struct ms_snapshot *a, const struct ms_snapshot *b, const struct ms_diff *d,
                  size_t limit) {
    struct ms_json j;
    ms_json_head(&j, f, "diff");
    ms_json_target(&j, "target", a);
    ms_json_target(&j, "target_after", b);
    ms_json_bool(&j, "same_process", !d->other_process);
    ms_json_object(&j, "changes");
    for (int c = 0; c < MS_CHANGES; c++) ms_json_number(&j, ms_change_name((enum ms_change)c), d->changes[c]);
    ms_json_close(&j, '}');
    put_side(&j, "before", &d->before, d->maps_before);
    put_side(&j, "after", &d->after, d->maps_after);
    ms_json_number(&j, "fails", d->fails);
    ms_json_array(&j, "differences");
    for (size_t i = 0; i < d->rows && (!limit || i < limit); i++) put_row(&j, &d->row[i]);
    ms_json_close(&j, ']');
    ms_json_notes(&j, b);
    ms_json_close(&j, '}');
    ms_json_end(&j);
}
