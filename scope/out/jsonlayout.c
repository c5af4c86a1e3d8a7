/* jsonlayout.c - the document of `layout`, schema mapscope/1. */
#include "out.h"

static void put_part(struct ms_json *j, const char *key, const char *type, const struct ms_slot_part *p,
                     uint64_t holes, uint32_t slot) {
    ms_json_object(j, key);
    ms_json_text(j, "type", type);
    ms_json_number(j, "size", p->size);
    ms_json_number(j, "align", p->align);
    ms_json_number(j, "hole_bytes", holes);
    ms_json_number(j, "slot_bytes", slot);
    ms_json_close(j, '}');
}

static void put_rows(struct ms_json *j, const char *key, const struct ms_rows *rows) {
    ms_json_array(j, key);
    for (size_t i = 0; i < rows->count; i++) {
        const struct ms_row *r = &rows->row[i];
        ms_json_object(j, NULL);
        ms_json_number(j, "offset", r->offset);
        ms_json_number(j, "size", r->size);
        ms_json_number(j, "depth", r->depth);
        ms_json_bool(j, "hole", r->hole);
        ms_json_text(j, "name", r->name);
        ms_json_text(j, "type", r->type);
        ms_json_number(j, "repeat", r->repeat);
        ms_json_close(j, '}');
    }
    ms_json_close(j, ']');
}

static void put_choice(struct ms_json *j, const struct ms_maptype *l, const struct ms_choice *c) {
    ms_json_object(j, NULL);
    ms_json_text(j, "id", c->id);
    ms_json_text(j, "what", c->what);
    ms_json_text(j, "if", c->given);
    ms_json_number(j, "key_size", c->type.key_size);
    ms_json_number(j, "value_size", c->type.value_size);
    ms_json_number(j, "slot_size", c->type.slot_size);
    ms_json_number(j, "group_size", ms_slots_shape(&c->type, l->kind).group_size);
    ms_json_number(j, "now_bytes", c->now);
    ms_json_number(j, "then_bytes", c->then);
    ms_json_number(j, "beside_bytes", c->apart);
    ms_json_close(j, '}');
}

static void put_layout(struct ms_json *j, const struct ms_maptype *l) {
    struct ms_go_shape s = ms_slots_shape(l->type, l->kind);
    struct ms_rows rows;
    ms_picture_group(l, &rows);
    ms_json_object(j, NULL);
    ms_json_text(j, "type", l->type->name);
    ms_json_text(j, "site", l->type->site);
    ms_json_text(j, "kind", ms_kind_name(l->kind));
    put_part(j, "key", l->type->key, &l->key_part, l->key_holes, s.key_slot);
    put_part(j, "value", l->type->value, &l->value_part, l->value_holes, s.elem_slot);
    ms_json_number(j, "slot_size", l->slot_bytes);
    ms_json_number(j, "slot_padding", l->slot_padding);
    ms_json_number(j, "group_size", l->group_bytes);
    ms_json_number(j, "group_slots", ms_slots_in_group(l->kind));
    ms_json_number(j, "group_padding", l->group_padding);
    ms_json_number(j, "maps", l->maps);
    ms_json_number(j, "entries", l->entries);
    ms_json_number(j, "slots", l->slots);
    ms_json_number(j, "bytes", l->bytes);
    ms_json_number(j, "padding_bytes", l->padding_bytes);
    ms_json_number(j, "slots_on_two_lines", l->crossing.slots);
    put_rows(j, "picture", &rows);
    ms_json_bool(j, "choices_known", l->rules != MS_SLOTS_UNKNOWN);
    ms_json_array(j, "choices");
    for (size_t i = 0; i < l->choices; i++) put_choice(j, l, &l->choice[i]);
    ms_json_close(j, ']');
    ms_json_close(j, '}');
    ms_rows_free(&rows);
}

void ms_json_layouts(FILE *f, const struct ms_snapshot *s, const struct ms_maptypes *all) {
    struct ms_json j;
    ms_json_head(&j, f, "layout");
    if (all->file) {
        ms_json_object(&j, "binary");
        ms_json_text(&j, "file", all->file);
        ms_json_text(&j, "runtime", s->runtime);
        ms_json_number(&j, "entries", all->per_entries);
        ms_json_close(&j, '}');
    } else {
        ms_json_target(&j, "target", s);
    }
    ms_json_array(&j, "types");
    for (size_t i = 0; i < all->shown; i++) put_layout(&j, &all->of[i]);
    ms_json_close(&j, ']');
    ms_json_notes(&j, s);
    ms_json_close(&j, '}');
    ms_json_end(&j);
}
