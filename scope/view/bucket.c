/* bucket.c - one group or bucket of a table, taken apart: what lies at which address.
 *
 *   gomap         metadata: 15 tophash bytes, overflow byte          elsewhere: slots
 *   classic       8 tophash bytes | 8 keys | 8 values | link         Go's up to 1.23, and gomap's copy of it
 *   go_swiss      8 control bytes | 8 slots of key and value         1.27 may have them apart: strides tell
 *
 * Where a key or value lies elsewhere its slot has a pointer, which is data too.
 */
#include "view.h"

#include <stdlib.h>

enum {
    HEAD = 8,
    SLOTS = 8,
    LINK = 8,
    INLINE_MOST = 128,
    GOMAP_TOPHASH = 15,
    CLASSIC_LIVE = 5,
    SWISS_DELETED = 0xfe
};

struct list {
    struct ms_bucket_part *part;
    size_t count, room;
};

static void add(struct list *l, const char *what, int slot, uint64_t addr, uint32_t len, const char *state) {
    if (len == 0) return;
    MS_ROOM(l->part, l->count, l->room);
    l->part[l->count++] = (struct ms_bucket_part){
        .what = what, .slot = slot, .addr = addr, .len = len, .state = state, .data = slot >= 0};
}

static const char *state_of(const struct ms_map *m, uint8_t top) {
    if (m->kind == MS_KIND_GO_SWISS)
        return !(top & 0x80) ? "live" : top == SWISS_DELETED ? "deleted" : "empty";
    if (m->kind == MS_KIND_GOMAP || m->kind == MS_KIND_GOMAP_SHARED) return top ? "live" : "empty";
    return top >= CLASSIC_LIVE ? "live" : top == 1 ? "deleted" : "empty"; /* or evacuated */
}

static void of_gomap(struct list *l, const struct ms_map *m, const struct ms_group *g) {
    add(l, "tophash", -1, g->addr, GOMAP_TOPHASH, NULL);
    add(l, "overflow", -1, g->addr + GOMAP_TOPHASH, 1, NULL);
    for (unsigned i = 0; i < g->slots; i++)
        add(l, "slot", (int)i, g->slots_at + (uint64_t)i * m->type->slot_size, m->type->slot_size,
            state_of(m, g->tophash[i]));
}

static uint32_t in_slot(uint32_t size) { return size > INLINE_MOST ? (uint32_t)sizeof(void *) : size; }

/* gomap's classic maps in the words of Go's. */
static struct ms_go_shape shape_of(const struct ms_map *m) {
    if (m->kind != MS_KIND_CLASSIC) return m->type->go;
    uint32_t key = in_slot(m->type->key_size), elem = in_slot(m->type->value_size);
    return (struct ms_go_shape){.group_size = HEAD + SLOTS * (key + elem) + LINK,
                                .key_off = HEAD,
                                .key_stride = key,
                                .key_slot = key,
                                .elem_off = HEAD + SLOTS * key,
                                .elem_stride = elem,
                                .elem_slot = elem};
}

static int by_address(const void *a, const void *b) {
    const struct ms_bucket_part *x = a, *y = b;
    return (x->addr > y->addr) - (x->addr < y->addr);
}

static void of_go(struct list *l, const struct ms_map *m, const struct ms_group *g) {
    struct ms_go_shape s = shape_of(m);
    bool swiss = m->kind == MS_KIND_GO_SWISS;
    add(l, swiss ? "control" : "tophash", -1, g->addr, HEAD, NULL);
    for (int i = 0; i < SLOTS; i++) {
        const char *state = state_of(m, g->tophash[i]);
        add(l, "key", i, g->addr + s.key_off + (uint64_t)i * s.key_stride, s.key_slot, state);
        add(l, "value", i, g->addr + s.elem_off + (uint64_t)i * s.elem_stride, s.elem_slot, state);
    }
    if (!swiss && s.group_size > LINK) add(l, "link", -1, g->addr + s.group_size - LINK, LINK, NULL);
    if (l->count) qsort(l->part, l->count, sizeof *l->part, by_address);
}

size_t ms_view_bucket(const struct ms_map *m, const struct ms_group *g, struct ms_bucket_part **out) {
    struct list l = {0};
    if (m->type && (m->kind == MS_KIND_GOMAP || m->kind == MS_KIND_GOMAP_SHARED))
        of_gomap(&l, m, g);
    else if (m->type)
        of_go(&l, m, g);
    *out = l.part;
    return l.count;
}
