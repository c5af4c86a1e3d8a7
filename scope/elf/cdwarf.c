/* cdwarf.c - a table of C types (ctable.h) becomes types in memory (memtype.h).
 *
 * Row by row: a type whose parts do not have lower numbers, or lie where they cannot, is taken as bytes of which nothing
 * is known, so what is kept ends in itself and holds together whatever wrote the table.
 */
#include "cdwarf.h"

#include "../error.h"
#include "ctable.h"

#include <stdlib.h>
#include <string.h>

/* ---- C's own words ----------------------------------------------------------------------------- */

static uint32_t natural(uint64_t size) {
    uint32_t align = 1;
    while (align < 16 && size % (2 * align) == 0 && size >= 2 * align) align *= 2;
    return align;
}

/* C's own words, in any order: what they mean follows from them and the size. */
static bool of_words(struct ms_mem *mem, struct ms_cquery *q) {
    static const char *const words[] = {"unsigned", "signed", "long",  "int",
                                        "short",    "char",   "const", "volatile"};
    bool is_unsigned = strstr(q->name, "unsigned") != NULL;
    size_t len = strlen(q->name);
    struct ms_mem_type t = {
        .size = q->size, .kind = is_unsigned ? MS_MEM_UINT : MS_MEM_INT, .align = natural(q->size)};
    if (len && q->name[len - 1] == '*' && q->size == 8) {
        t.kind = MS_MEM_POINTER;
    } else if (strcmp(q->name, "bool") == 0 || strcmp(q->name, "_Bool") == 0) {
        t.kind = MS_MEM_BOOL;
    } else if (strcmp(q->name, "float") == 0 || strcmp(q->name, "double") == 0) {
        t.kind = MS_MEM_FLOAT;
    } else {
        for (const char *at = q->name; *at; at += strspn(at, " ")) {
            size_t n = strcspn(at, " "), i = 0;
            while (i < sizeof words / sizeof *words &&
                   (strlen(words[i]) != n || memcmp(words[i], at, n) != 0))
                i++;
            if (i == sizeof words / sizeof *words) return false;
            at += n;
        }
    }
    if (!len || q->size == 0 || q->size > 16) return false;
    q->type = ms_mem_add(mem, t, ms_strdup(q->name), NULL, 0);
    return true;
}

void ms_cdwarf_words(struct ms_cdwarf *d, struct ms_cquery *query, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!query[i].type) of_words(&d->mem, &query[i]);
}

/* ---- a table ----------------------------------------------------------------------------------- */

struct taking {
    struct ms_flat_view view;
    const struct ms_crow_type *type;
    const struct ms_crow_field *field;
    uint32_t *number; /* of each row's type, by the row's own number */
};

static char *text_of(const struct taking *t, uint32_t name) {
    return ms_strdup(ms_flat_is_name(&t->view, name) ? t->view.names + name : "?");
}

static void take_type(struct ms_cdwarf *d, struct taking *t, uint32_t row) {
    const struct ms_crow_type *from = &t->type[row];
    struct ms_mem_type type = {.size = from->size,
                               .count = from->count,
                               .align = from->align ? from->align : 1,
                               .kind = from->kind <= MS_MEM_ARRAY ? from->kind : MS_MEM_OPAQUE,
                               .fixed = from->fixed};
    struct ms_mem_field *field = NULL;
    size_t n = 0;
    if (type.align & (type.align - 1) || type.align > 4096) type.align = 1;
    if (from->elem <= row) type.elem = t->number[from->elem];
    if (type.kind == MS_MEM_STRUCT && ms_flat_has(&t->view, MS_C_FIELDS, from->field, from->fields)) {
        field = ms_alloc(((size_t)from->fields + 1) * sizeof *field);
        for (; n < from->fields; n++) {
            const struct ms_crow_field *f = &t->field[from->field + n];
            if (f->type > row) type.kind = MS_MEM_OPAQUE;
            field[n] = (struct ms_mem_field){.name = text_of(t, f->name),
                                             .offset = f->offset,
                                             .type = f->type <= row ? t->number[f->type] : 0};
        }
    }
    t->number[row + 1] = ms_mem_add(&d->mem, type, text_of(t, from->name), field, n);
}

static void take_map(struct ms_cdwarf *d, const struct taking *t, const struct ms_crow_map *m) {
    uint32_t types = t->view.count[MS_C_TYPES];
    if (m->key == 0 || m->key > types || m->value > types) return;
    MS_ROOM(d->map, d->maps, d->room);
    d->map[d->maps++] = (struct ms_cmap){.name = text_of(t, m->name),
                                         .site = m->site ? text_of(t, m->site) : NULL,
                                         .key = t->number[m->key],
                                         .value = m->value ? t->number[m->value] : 0};
}

bool ms_cdwarf_take(struct ms_cdwarf *d, const void *table, size_t bytes, struct ms_cquery *query, size_t n) {
    struct taking t = {.type = NULL};
    if (!ms_flat_open(&t.view, &ms_cform, table, bytes)) return false;
    uint32_t types = t.view.count[MS_C_TYPES];
    if (t.view.count[MS_C_ANSWERS] != n || types > MS_MEM_TYPES_MAX) return false;
    t.type = t.view.row[MS_C_TYPES];
    t.field = t.view.row[MS_C_FIELDS];
    t.number = ms_alloc(((size_t)types + 1) * sizeof *t.number);
    for (uint32_t i = 0; i < types; i++) take_type(d, &t, i);
    const struct ms_crow_map *map = t.view.row[MS_C_MAPS];
    for (uint32_t i = 0; i < t.view.count[MS_C_MAPS]; i++) take_map(d, &t, &map[i]);
    const uint32_t *answer = t.view.row[MS_C_ANSWERS];
    for (size_t i = 0; i < n; i++) {
        uint32_t type = answer[i] <= types ? t.number[answer[i]] : 0;
        if (!query[i].type && ms_mem_get(&d->mem, type)->size == query[i].size) query[i].type = type;
    }
    free(t.number);
    return true;
}

void ms_cdwarf_free(struct ms_cdwarf *d) {
    for (size_t i = 0; i < d->maps; i++) {
        free(d->map[i].name);
        free(d->map[i].site);
    }
    free(d->map);
    ms_mem_free(&d->mem);
    *d = (struct ms_cdwarf){.map = NULL};
}
