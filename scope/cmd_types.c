/* cmd_types.c - joins what knows types (goruntime/, elf/cdwarf.c) with the map types of a snapshot.
 *
 * Go      the number of a map's type -> its key and element -> fields, from the program's own descriptions
 * C       the names that a map's description has -> debug information of the program, then of its libraries
 */
#include "cmd_types.h"

#include "confine.h"
#include "elf/cparse.h"

#include "gomap/inspect.h"

#include <stdlib.h>
#include <unistd.h>

enum { CONTENTS_MOST = 1 << 20, IMAGES_MOST = 32 };

bool ms_kind_of_go(enum ms_kind kind) {
    return kind == MS_KIND_GO_SWISS || kind == MS_KIND_GO_CLASSIC || kind == MS_KIND_GO_SYNC;
}

/* ---- C ----------------------------------------------------------------------------------------- */

static bool all_found(const struct ms_cquery *q, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!q[i].type) return false;
    return true;
}

bool ms_typing_read(struct ms_typing *t, int fd, struct ms_cquery *q, size_t n, bool want_maps) {
    const struct ms_cwanted wanted = {.query = q, .queries = n, .maps = want_maps};
    struct ms_table table;
    if (ms_confine_run(ms_cparse, &wanted, fd, &ms_confine_usual, &table, &t->no_table)) return false;
    bool any = table.bytes && ms_cdwarf_take(&t->c, table.bytes, table.len, q, n);
    ms_table_free(&table);
    return any;
}

/* In the program first, then in its libraries. */
static int search_images(struct ms_typing *t, struct ms_session *s, struct ms_cquery *q, size_t n,
                         struct ms_error *err) {
    struct ms_images images;
    int status = ms_images_load(&s->process, &images, err), looked = 0;
    const struct ms_image *program = status == MS_OK ? ms_session_program(s, &images) : NULL;
    for (size_t i = 0; program && i <= images.count && looked < IMAGES_MOST && !all_found(q, n); i++) {
        const struct ms_image *im = i ? &images.image[i - 1] : program;
        if (i && im == program) continue;
        int fd = ms_image_open(&s->process, im);
        if (fd < 0) continue;
        looked += ms_typing_read(t, fd, q, n, false);
        close(fd);
    }
    ms_images_free(&images);
    return status;
}

/* Two queries a type: its key and its value. */
static int learn_c(struct ms_typing *t, struct ms_session *s, const struct ms_snapshot *snap,
                   struct ms_error *err) {
    struct ms_cquery *q = NULL;
    size_t n = 0, room = 0;
    for (const struct ms_type *type = snap->types; type; type = type->next) {
        const struct ms_cquery key = {.name = type->key, .site = type->site, .size = type->key_size},
                               value = {.name = type->value, .site = type->site, .size = type->value_size};
        if (type->number) continue;
        MS_ROOM(q, n, room);
        q[n++] = key;
        MS_ROOM(q, n, room);
        q[n++] = value;
    }
    ms_cdwarf_words(&t->c, q, n);
    int status = n && !all_found(q, n) ? search_images(t, s, q, n, err) : MS_OK;
    n = 0;
    for (const struct ms_type *type = snap->types; type && q; type = type->next) {
        if (type->number) continue;
        ms_typing_set(t, type, q[n].type, q[n + 1].type);
        n += 2;
    }
    free(q);
    return status;
}

void ms_typing_set(struct ms_typing *t, const struct ms_type *type, uint32_t key, uint32_t value) {
    MS_ROOM(t->parts, t->count, t->room);
    t->parts[t->count++] = (struct ms_typing_parts){type, key, value};
}

/* ---- both -------------------------------------------------------------------------------------- */

static int by_type(const void *a, const void *b) {
    const struct ms_typing_parts *x = a, *y = b;
    uintptr_t p = (uintptr_t)x->type, q = (uintptr_t)y->type;
    return (p > q) - (p < q);
}

int ms_typing_learn(struct ms_typing *t, struct ms_session *s, struct ms_snapshot *snap,
                    struct ms_error *err) {
    t->go = s->go;
    for (const struct ms_type *type = snap->types; t->go && type; type = type->next) {
        const struct ms_gotype *map = ms_gotype_get(t->go, type->number);
        if (!type->number) continue;
        uint32_t key = ms_gofields_of(t->go, &t->fields, map->key),
                 value = ms_gofields_of(t->go, &t->fields, map->elem);
        ms_typing_set(t, type, key, value);
    }
    int status = s->roots ? learn_c(t, s, snap, err) : MS_OK;
    if (*t->no_table.line)
        ms_snapshot_note(
            snap, "the process that reads debug information of C %s: what structs are made of is not told",
            t->no_table.line);
    if (t->count) qsort(t->parts, t->count, sizeof *t->parts, by_type);
    return status;
}

void ms_typing_measure(const struct ms_typing *t, const struct ms_type *type, enum ms_kind kind,
                       const struct ms_map *maps, size_t n, uint64_t per_entries, struct ms_maptype *out) {
    const struct ms_typing_parts want = {.type = type}, none = {.type = type};
    const struct ms_typing_parts *p =
        t->count ? bsearch(&want, t->parts, t->count, sizeof want, by_type) : NULL;
    const struct ms_mem *mem = ms_kind_of_go(kind) ? &t->fields.mem : &t->c.mem;
    if (!p) p = &none;
    ms_layout_of(out, type, kind, mem, p->key, p->value, maps, n, per_entries);
}

/* What can be told of keys and values from what they are. */
static struct ms_contents forms_of(const struct ms_maptype *l) {
    const struct ms_mem_type *key = ms_mem_get(l->mem, l->key), *value = ms_mem_get(l->mem, l->value);
    bool go = ms_kind_of_go(l->kind), gomap = l->kind == MS_KIND_GOMAP || l->kind == MS_KIND_GOMAP_SHARED;
    struct ms_contents c = {.key_bytes = (uint32_t)ms_min(key->size, 8)};
    if (key->kind == MS_MEM_INT && key->size <= 8) c.key = MS_KEY_INT;
    if (key->kind == MS_MEM_UINT && key->size <= 8) c.key = MS_KEY_UINT;
    if (go && key->kind == MS_MEM_STRING && key->size == 16) c.key = MS_KEY_GO_STRING;
    if (gomap && l->type->flags & GOMAP_F_STR) c.key = MS_KEY_STRING;
    if (value->kind == MS_MEM_BOOL && value->size == 1) c.value = MS_VALUE_BOOL;
    if (go && value->kind == MS_MEM_POINTER && value->size == 8) c.value = MS_VALUE_POINTER;
    return c;
}

int ms_typing_contents(const struct ms_maptype *l, struct ms_session *s, struct ms_snapshot *snap,
                       const struct ms_map *maps, size_t n, struct ms_contents *out, struct ms_error *err) {
    uint64_t left = CONTENTS_MOST;
    int status = MS_OK;
    *out = forms_of(l);
    if (out->key == MS_KEY_OTHER && out->value == MS_VALUE_OTHER) return MS_OK;
    for (size_t i = 0; i < n && status == MS_OK; i++) {
        uint64_t before = out->seen;
        status = ms_contents_add(&s->process.reader, snap, &maps[i], left, out, err);
        left -= ms_min(left, out->seen - before);
    }
    return status;
}

void ms_typing_free(struct ms_typing *t) {
    ms_gofields_free(&t->fields);
    ms_cdwarf_free(&t->c);
    free(t->parts);
    *t = (struct ms_typing){.go = NULL};
}
