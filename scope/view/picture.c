/* picture.c - a group or bucket row by row, holes included, as pahole shows a struct.
 *
 * Rows cover every byte once where they are leaves: a struct's row stands above those of its fields.  Of slots that
 * follow each other the first is taken apart; the others are one row.
 */
#include "maptype.h"

#include "gomap/inspect.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_MOST = 512, DEPTH_MOST = 6 };

static struct ms_row *add(struct ms_rows *r, uint64_t offset, uint64_t size, unsigned depth, char letter) {
    MS_ROOM(r->row, r->count, r->room);
    r->row[r->count] =
        (struct ms_row){.offset = offset, .size = size, .depth = depth, .letter = letter, .repeat = 1};
    return &r->row[r->count++];
}

static void add_hole(struct ms_rows *r, uint64_t offset, uint64_t size, unsigned depth) {
    if (size == 0) return;
    struct ms_row *row = add(r, offset, size, depth, '.');
    row->hole = true;
}

static void add_fields(struct ms_rows *r, const struct ms_mem *mem, const struct ms_mem_type *t,
                       uint64_t offset, unsigned depth, char letter);

static void add_value(struct ms_rows *r, const struct ms_mem *mem, uint32_t number, const char *name,
                      uint64_t offset, uint64_t size, unsigned depth, char letter) {
    const struct ms_mem_type *t = ms_mem_get(mem, number);
    struct ms_row *row = add(r, offset, size, depth, letter);
    row->name = name;
    row->type = t->name;
    if (t->kind == MS_MEM_STRUCT && t->size == size && depth < DEPTH_MOST && r->count < ROWS_MOST)
        add_fields(r, mem, t, offset, depth + 1, letter);
}

static void add_fields(struct ms_rows *r, const struct ms_mem *mem, const struct ms_mem_type *t,
                       uint64_t offset, unsigned depth, char letter) {
    if (t->fields) add_hole(r, offset, mem->field[t->field].offset, depth);
    for (uint32_t i = 0; i < t->fields && r->count < ROWS_MOST; i++) {
        const struct ms_mem_field *f = &mem->field[t->field + i];
        uint64_t size = ms_mem_get(mem, f->type)->size;
        add_value(r, mem, f->type, f->name, offset + f->offset, size, depth, letter);
        add_hole(r, offset + f->offset + size, ms_mem_hole(mem, t, i), depth);
    }
}

/* A key or value in its slot, or the pointer that stands for it there. */
static void add_part(struct ms_rows *r, const struct ms_maptype *l, bool key, uint64_t offset, uint64_t size,
                     unsigned depth) {
    uint32_t number = key ? l->key : l->value;
    const struct ms_slot_part *part = key ? &l->key_part : &l->value_part;
    bool far = size != part->size;
    const char *type = key ? l->type->key : l->type->value;
    if (!number || far) {
        struct ms_row *row = add(r, offset, size, depth, key ? 'k' : 'v');
        row->name = key ? "key" : "value";
        row->type = type;
        row->far = far;
        return;
    }
    size_t at = r->count;
    add_value(r, l->mem, number, key ? "key" : "value", offset, size, depth, key ? 'k' : 'v');
    r->row[at].type = type;
}

static void add_together(struct ms_rows *r, const struct ms_maptype *l, const struct ms_go_shape *s,
                         unsigned slots) {
    uint64_t key_end = s->key_off + s->key_slot, value_end = s->elem_off + s->elem_slot;
    struct ms_row *row = add(r, s->key_off, s->key_stride, 0, 's');
    row->name = "slot";
    add_part(r, l, true, s->key_off, s->key_slot, 1);
    add_hole(r, key_end, s->elem_off - ms_min(key_end, s->elem_off), 1);
    add_part(r, l, false, s->elem_off, s->elem_slot, 1);
    add_hole(r, value_end, s->key_off + s->key_stride - ms_min(value_end, s->key_off + s->key_stride), 1);
    row = add(r, s->key_off + s->key_stride, (uint64_t)s->key_stride * (slots - 1), 0, 's');
    row->name = "slot";
    row->repeat = slots - 1;
}

static void add_row(struct ms_rows *r, const struct ms_maptype *l, bool key, uint64_t offset, uint32_t stride,
                    uint32_t slot) {
    enum { SLOTS = 8 };
    add_part(r, l, key, offset, slot, 0);
    if (!stride) return;
    struct ms_row *row = add(r, offset + stride, (uint64_t)stride * (SLOTS - 1), 0, key ? 'k' : 'v');
    row->name = key ? "key" : "value";
    row->repeat = SLOTS - 1;
}

void ms_picture_group(const struct ms_maptype *l, struct ms_rows *out) {
    struct ms_go_shape s = ms_slots_shape(l->type, l->kind);
    unsigned slots = ms_slots_in_group(l->kind);
    bool together = ms_slots_together(&s);
    uint64_t end = s.group_size, used;
    *out = (struct ms_rows){.bytes = s.group_size};
    if (slots != GOMAP_GROUP_SLOTS)
        add(out, 0, s.key_off, 0, 'c')->name = l->kind == MS_KIND_GO_SWISS ? "control" : "tophash";
    if (together) {
        add_together(out, l, &s, slots);
        used = s.key_off + (uint64_t)slots * s.key_stride;
    } else {
        add_row(out, l, true, s.key_off, s.key_stride, s.key_slot);
        add_row(out, l, false, s.elem_off, s.elem_stride, s.elem_slot);
        used = s.elem_off + (uint64_t)slots * s.elem_stride;
    }
    bool link = l->kind == MS_KIND_GO_CLASSIC || l->kind == MS_KIND_CLASSIC;
    if (link) end -= sizeof(uint64_t);
    add_hole(out, used, end - ms_min(used, end), 0);
    if (link) add(out, end, sizeof(uint64_t), 0, 'p')->name = "link";
}

void ms_picture_packed(const struct ms_mem *mem, uint32_t structure, struct ms_rows *out) {
    const struct ms_mem_type *t = ms_mem_get(mem, structure);
    uint32_t *order = ms_alloc((t->fields + 1) * sizeof *order);
    uint64_t at = 0;
    *out = (struct ms_rows){.bytes = t->packed};
    ms_mem_order(mem, t, order);
    for (uint32_t i = 0; i < t->fields; i++) {
        const struct ms_mem_field *f = &mem->field[t->field + order[i]];
        uint64_t size = ms_mem_get(mem, f->type)->packed;
        struct ms_row *row = add(out, at, size, 0, 'v');
        row->name = f->name;
        row->type = ms_mem_get(mem, f->type)->name;
        at += size;
    }
    add_hole(out, at, out->bytes - ms_min(at, out->bytes), 0);
    free(order);
}

void ms_rows_free(struct ms_rows *r) {
    free(r->row);
    *r = (struct ms_rows){.row = NULL};
}
