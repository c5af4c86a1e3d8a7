/* go_sizes.c - what Go's allocator gives for a size, and what the backends of Go maps share.
 *
 * Objects up to 32 KiB come in 67 classes, larger ones in pages of 8 KiB.  The classes have been the same since Go 1.16
 * (runtime/sizeclasses.go, internal/runtime/gc/sizeclasses.go).  From 1.22 on an object that holds pointers and is
 * larger than 512 bytes has its type in 8 bytes before it, which count for its class.
 */
#include "go_map.h"

#include <assert.h>
#include <stdlib.h>

enum { PAGE = 8192, SMALL_MOST = 32768, HEADER = 8, HEADERS_ABOVE = 512 };

static const uint16_t class_bytes[] = {
    8,     16,    24,    32,    48,    64,    80,    96,    112,   128,   144,       160,   176,   192,
    208,   224,   240,   256,   288,   320,   352,   384,   416,   448,   480,       512,   576,   640,
    704,   768,   896,   1024,  1152,  1280,  1408,  1536,  1792,  2048,  2304,      2688,  3072,  3200,
    3456,  4096,  4864,  5376,  6144,  6528,  6784,  6912,  8192,  9472,  9728,      10240, 10880, 12288,
    13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, SMALL_MOST};
enum { CLASSES = sizeof class_bytes / sizeof *class_bytes };
static_assert(CLASSES == 67, "Go's size classes without class 0");

uint64_t ms_go_allocated(uint64_t size, bool pointers, bool headers) {
    if (size == 0) return 0;
    if (headers && pointers && size > HEADERS_ABOVE && size <= SMALL_MOST - HEADER) size += HEADER;
    if (size > SMALL_MOST) return size > UINT64_MAX - PAGE ? UINT64_MAX : (size + PAGE - 1) / PAGE * PAGE;
    unsigned low = 0, high = CLASSES - 1;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (class_bytes[mid] < size)
            low = mid + 1;
        else
            high = mid;
    }
    return class_bytes[low];
}

uint64_t ms_go_groups_allocated(const struct ms_go_shape *s, uint64_t groups) {
    return ms_go_allocated(ms_mul(groups, s->group_size), s->pointers, s->malloc_headers);
}

uint64_t ms_go_object_bytes(const struct ms_snapshot *s, uint64_t addr, uint64_t otherwise) {
    uint64_t bytes = s && s->allocator.size ? s->allocator.size(s->allocator.ctx, addr) : 0;
    return bytes ? bytes : otherwise;
}

struct ms_map *ms_go_add(struct ms_snapshot *out, struct ms_go_header *at) {
    struct ms_map *m = ms_snapshot_add(out);
    m->id = m->addr = at->addr;
    m->type = at->type;
    m->holder = at->holder;
    m->place = at->place;
    at->holder = at->place = NULL;
    return m;
}

void ms_go_add_damaged(struct ms_snapshot *out, enum ms_kind kind, struct ms_go_header *at, const char *field) {
    if (at->maybe) return;
    struct ms_map *m = ms_go_add(out, at);
    m->kind = (uint8_t)kind;
    m->certainty = MS_DAMAGED;
    m->doubt = ms_asprintf("field %s cannot be right", field);
    out->uncertain = true;
    ms_snapshot_note(out, "map at 0x%llx: field %s cannot be right: its figures are not shown",
                     (unsigned long long)at->addr, field);
}

void ms_go_copy(const struct ms_map *m, struct ms_map *out) {
    *out = *m;
    out->name = m->name ? ms_strdup(m->name) : NULL;
    out->holder = m->holder ? ms_strdup(m->holder) : NULL;
    out->place = m->place ? ms_strdup(m->place) : NULL;
    out->doubt = NULL;
}

int ms_go_resident(struct ms_reader *r, uint64_t addr, uint64_t bytes, uint64_t *resident, uint64_t *swapped,
                   struct ms_error *err) {
    uint64_t in = 0, out = 0;
    enum ms_read rc = r->resident ? r->resident(r->ctx, addr, bytes, &in, &out) : MS_READ_FAULT;
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while its pages were looked at");
    if (rc == MS_READ_OK) *resident = ms_add(*resident, in), *swapped = ms_add(*swapped, out);
    return MS_OK;
}

/* ---- pieces ------------------------------------------------------------------------------------ */

struct ms_grid ms_go_grid(const struct ms_type *type, bool swiss) {
    if (!type || !type->go.group_size) return (struct ms_grid){.unit = 0};
    const struct ms_go_shape *g = &type->go;
    return (struct ms_grid){.unit = g->group_size,
                            .slots = MS_GO_GROUP_SLOTS,
                            .key_off = g->key_off,
                            .key_stride = g->key_stride,
                            .key_len = g->key_slot,
                            .value_off = g->elem_off,
                            .value_stride = g->elem_stride,
                            .value_len = g->elem_slot,
                            .link_off = swiss ? MS_NO_LINK : g->group_size - 8};
}

struct ms_hanging ms_go_hanging(const struct ms_type *type) {
    if (!type) return (struct ms_hanging){.key_bytes = 0};
    return (struct ms_hanging){.key_bytes = type->go.key_cell, .value_bytes = type->go.elem_cell};
}
