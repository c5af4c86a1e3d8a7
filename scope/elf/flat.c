/* flat.c - flat tables: collected in lists, written in one go, laid over bytes. */
#include "flat.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct head {
    uint32_t magic, parts;
    uint32_t count[MS_FLAT_PARTS];
    uint32_t name_bytes, zero;
};
static_assert(sizeof(struct head) % 8 == 0, "what follows is aligned");

enum { ALIGN = 8 };

/* Bytes of n rows, filled up so that the next part is aligned. */
static uint64_t part_bytes(uint32_t row_bytes, uint64_t n) {
    return (n * row_bytes + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

/* ---- writing ----------------------------------------------------------------------------------- */

/* Room for `more` elements behind those there are, zeroed; NULL: none. */
static void *extend(struct ms_flat *f, struct ms_flat_list *l, size_t size, size_t more) {
    if (f->full || more > UINT32_MAX || l->count + more > UINT32_MAX) return f->full = true, NULL;
    if (l->count + more > l->room) {
        size_t room = l->room ? l->room * 2 : 256;
        while (room < l->count + more) room *= 2;
        uint8_t *grown = reallocarray(l->row, room, size);
        if (!grown) return f->full = true, NULL;
        l->row = grown;
        l->room = room;
    }
    void *at = memset(l->row + l->count * size, 0, more * size);
    l->count += more;
    return at;
}

void ms_flat_init(struct ms_flat *f, const struct ms_flat_form *form) {
    *f = (struct ms_flat){.form = form};
    extend(f, &f->names, 1, 1);
}

void ms_flat_free(struct ms_flat *f) {
    for (unsigned i = 0; i < f->form->parts; i++) free(f->part[i].row);
    free(f->names.row);
    *f = (struct ms_flat){.form = f->form, .full = true};
}

void *ms_flat_add(struct ms_flat *f, unsigned part) {
    return extend(f, &f->part[part], f->form->row_bytes[part], 1);
}

uint32_t ms_flat_name(struct ms_flat *f, const char *name) {
    if (!name || !*name) return 0;
    size_t len = strnlen(name, MS_FLAT_NAME_MOST - 1);
    char *at = extend(f, &f->names, 1, len + 1);
    if (!at) return 0;
    memcpy(at, name, len);
    return (uint32_t)(f->names.count - len - 1);
}

const char *ms_flat_text(const struct ms_flat *f, uint32_t name) {
    return f->full ? "" : (const char *)f->names.row + name;
}

void ms_flat_sort(struct ms_flat *f, unsigned part, int (*compare)(const void *, const void *, void *)) {
    struct ms_flat_list *l = &f->part[part];
    if (!f->full && l->count) qsort_r(l->row, l->count, f->form->row_bytes[part], compare, f);
}

bool ms_flat_write(const struct ms_flat *f, struct ms_sink sink) {
    static const uint8_t fill[ALIGN];
    struct head h = {.magic = f->form->magic, .parts = f->form->parts};
    if (f->full) return false;
    for (unsigned i = 0; i < f->form->parts; i++) h.count[i] = (uint32_t)f->part[i].count;
    h.name_bytes = (uint32_t)f->names.count;
    if (!sink.put(sink.ctx, &h, sizeof h)) return false;
    for (unsigned i = 0; i < f->form->parts; i++) {
        const struct ms_flat_list *l = &f->part[i];
        size_t bytes = l->count * f->form->row_bytes[i];
        if (!bytes) continue;
        if (!sink.put(sink.ctx, l->row, bytes)) return false;
        if (bytes % ALIGN && !sink.put(sink.ctx, fill, ALIGN - bytes % ALIGN)) return false;
    }
    return sink.put(sink.ctx, f->names.row, f->names.count);
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* The first is empty, and each ends before it is too long. */
static bool names_end(const char *names, size_t len) {
    if (len == 0 || names[0]) return false;
    for (size_t at = 0; at < len;) {
        size_t most = len - at < MS_FLAT_NAME_MOST ? len - at : MS_FLAT_NAME_MOST,
               n = strnlen(names + at, most);
        if (n == most) return false;
        at += n + 1;
    }
    return true;
}

bool ms_flat_open(struct ms_flat_view *v, const struct ms_flat_form *form, const void *bytes, size_t len) {
    const struct head *h = bytes;
    *v = (struct ms_flat_view){.names = NULL};
    if (!bytes || (uintptr_t)bytes % ALIGN || len < sizeof *h) return false;
    if (h->magic != form->magic || h->parts != form->parts || form->parts > MS_FLAT_PARTS) return false;
    const uint8_t *at = (const uint8_t *)(h + 1);
    size_t left = len - sizeof *h;
    for (unsigned i = 0; i < form->parts; i++) {
        uint64_t part = part_bytes(form->row_bytes[i], h->count[i]);
        if (part > left) return false;
        v->row[i] = at;
        v->count[i] = h->count[i];
        at += part;
        left -= part;
    }
    v->names = (const char *)at;
    v->name_bytes = h->name_bytes;
    return left == h->name_bytes && names_end(v->names, left);
}
