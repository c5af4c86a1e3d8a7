/* godwarf.c - questions about a Go program's debug information, answered from its table (gotable.h).
 *
 * Everything is looked at when the table is opened: lists that are searched ascend, every row that is named is there,
 * every name is one.  Numbers of types are not: one that no row has is an unknown type, as in the file.
 * Typedefs may go round in a circle there; a few of them are followed.
 */
#include "godwarf.h"

#include "gotable.h"

#include <stdlib.h>
#include <string.h>

enum { MEMBERS_MAX = 1 << 16, TYPEDEFS_MAX = 8 };

struct ms_godwarf {
    struct ms_flat_view view;
    const struct ms_goglobal *global;
    const struct ms_gorow_struct *structure;
    const struct ms_gorow_closure *closure;
    const struct ms_gorow_type *type;
    const struct ms_gorow_member *member;
    uint32_t globals, structs, closures, types, members;
};

const char *ms_godwarf_name(const struct ms_godwarf *d, uint32_t name) { return d->view.names + name; }

/* ---- the look at all of it ---------------------------------------------------------------------- */

static bool globals_hold(const struct ms_godwarf *d) {
    for (uint32_t i = 0; i < d->globals; i++) {
        if (!ms_flat_is_name(&d->view, d->global[i].name)) return false;
        if (i && d->global[i - 1].addr > d->global[i].addr) return false;
    }
    return true;
}

static bool structs_hold(const struct ms_godwarf *d) {
    const char *last = "", *name;
    if (d->structs > MS_GO_STRUCTS_MAX) return false;
    for (uint32_t i = 0; i < d->structs; i++, last = name) {
        if (!ms_flat_is_name(&d->view, d->structure[i].name)) return false;
        name = ms_godwarf_name(d, d->structure[i].name);
        if (strcmp(last, name) > 0) return false;
    }
    return true;
}

static bool closures_hold(const struct ms_godwarf *d) {
    for (uint32_t i = 0; i < d->closures; i++) {
        const struct ms_gorow_closure *c = &d->closure[i];
        if (!ms_flat_has(&d->view, MS_GO_MEMBERS, c->member, c->members)) return false;
        if (i && d->closure[i - 1].entry > c->entry) return false;
    }
    return true;
}

static bool types_hold(const struct ms_godwarf *d) {
    for (uint32_t i = 0; i < d->types; i++) {
        const struct ms_gorow_type *t = &d->type[i];
        if (t->kind > MS_GO_UNSAFE_POINTER || !ms_flat_is_name(&d->view, t->name)) return false;
        if (!ms_flat_has(&d->view, MS_GO_MEMBERS, t->member, t->members)) return false;
        if (i && d->type[i - 1].die >= t->die) return false;
    }
    return true;
}

static bool members_hold(const struct ms_godwarf *d) {
    for (uint32_t i = 0; i < d->members; i++)
        if (!ms_flat_is_name(&d->view, d->member[i].name)) return false;
    return true;
}

struct ms_godwarf *ms_godwarf_open(const void *table, size_t bytes) {
    struct ms_flat_view v;
    if (!ms_flat_open(&v, &ms_goform, table, bytes)) return NULL;
    struct ms_godwarf *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    *d = (struct ms_godwarf){.view = v,
                             .global = v.row[MS_GO_GLOBALS],
                             .globals = v.count[MS_GO_GLOBALS],
                             .structure = v.row[MS_GO_STRUCTS],
                             .structs = v.count[MS_GO_STRUCTS],
                             .closure = v.row[MS_GO_CLOSURES],
                             .closures = v.count[MS_GO_CLOSURES],
                             .type = v.row[MS_GO_TYPES],
                             .types = v.count[MS_GO_TYPES],
                             .member = v.row[MS_GO_MEMBERS],
                             .members = v.count[MS_GO_MEMBERS]};
    if (globals_hold(d) && structs_hold(d) && closures_hold(d) && types_hold(d) && members_hold(d)) return d;
    free(d);
    return NULL;
}

void ms_godwarf_close(struct ms_godwarf *d) { free(d); }

/* ---- lists ------------------------------------------------------------------------------------- */

const struct ms_goglobal *ms_godwarf_globals(const struct ms_godwarf *d, size_t *count) {
    *count = d->globals;
    return d->global;
}

const struct ms_goglobal *ms_godwarf_global(const struct ms_godwarf *d, const char *name) {
    for (uint32_t i = 0; i < d->globals; i++)
        if (strcmp(ms_godwarf_name(d, d->global[i].name), name) == 0) return &d->global[i];
    return NULL;
}

const uint64_t *ms_godwarf_map_types(const struct ms_godwarf *d, size_t *count) {
    *count = d->view.count[MS_GO_MAP_TYPES];
    return d->view.row[MS_GO_MAP_TYPES];
}

/* ---- types ------------------------------------------------------------------------------------- */

static int by_die(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = ((const struct ms_gorow_type *)b)->die;
    return (x > y) - (x < y);
}

/* Behind the typedefs that only name a type; those of maps, channels and interfaces say the kind themselves. */
static const struct ms_gorow_type *resolve(const struct ms_godwarf *d, uint64_t type) {
    for (int i = 0; type && i < TYPEDEFS_MAX; i++) {
        const struct ms_gorow_type *t = bsearch(&type, d->type, d->types, sizeof *t, by_die);
        if (!t || t->kind) return t;
        type = t->under;
    }
    return NULL;
}

/* An interface is a typedef of runtime.eface or, with methods, of runtime.iface. */
static bool is_empty_interface(const struct ms_godwarf *d, const struct ms_gorow_type *t) {
    const struct ms_gorow_type *under = resolve(d, t->under);
    return under && strcmp(ms_godwarf_name(d, under->name), "runtime.eface") == 0;
}

bool ms_godwarf_type(const struct ms_godwarf *d, uint64_t type, struct ms_godie *out) {
    const struct ms_gorow_type *t = resolve(d, type);
    *out = (struct ms_godie){0};
    if (!t) return false;
    *out = (struct ms_godie){.offset = t->die,
                             .name = t->name ? ms_godwarf_name(d, t->name) : NULL,
                             .size = t->size,
                             .count = t->count,
                             .elem = t->elem,
                             .key = t->key,
                             .runtime_type = t->runtime_type,
                             .kind = t->kind};
    if (t->kind == MS_GO_INTERFACE) out->empty_interface = is_empty_interface(d, t);
    return true;
}

static void tell_members(const struct ms_godwarf *d, uint32_t first, uint32_t n, ms_gomember_fn fn,
                         void *ctx) {
    for (uint32_t i = first; i < first + n && i < first + MEMBERS_MAX; i++) {
        const struct ms_gorow_member *m = &d->member[i];
        if (!fn(ctx, ms_godwarf_name(d, m->name), m->offset, m->type)) return;
    }
}

void ms_godwarf_members(const struct ms_godwarf *d, uint64_t type, ms_gomember_fn fn, void *ctx) {
    const struct ms_gorow_type *t = resolve(d, type);
    if (t) tell_members(d, t->member, t->members, fn, ctx);
}

static int by_entry(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = ((const struct ms_gorow_closure *)b)->entry;
    return (x > y) - (x < y);
}

bool ms_godwarf_closure(const struct ms_godwarf *d, uint64_t entry, ms_gomember_fn fn, void *ctx) {
    const struct ms_gorow_closure *c = bsearch(&entry, d->closure, d->closures, sizeof *c, by_entry);
    if (c) tell_members(d, c->member, c->members, fn, ctx);
    return c && c->members;
}

/* ---- structs of the runtime -------------------------------------------------------------------- */

uint64_t ms_godwarf_named(const struct ms_godwarf *d, const char *name) {
    uint32_t low = 0;
    for (uint32_t high = d->structs; low < high;) { /* the first of that name */
        uint32_t mid = low + (high - low) / 2;
        if (strcmp(ms_godwarf_name(d, d->structure[mid].name), name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    bool found = low < d->structs && strcmp(ms_godwarf_name(d, d->structure[low].name), name) == 0;
    return found ? d->structure[low].die : 0;
}

bool ms_godwarf_struct(const struct ms_godwarf *d, const char *structure, uint64_t *size) {
    struct ms_godie die;
    uint64_t type = ms_godwarf_named(d, structure);
    if (!type || !ms_godwarf_type(d, type, &die)) return false;
    *size = die.size;
    return true;
}

struct sought {
    const char *name;
    size_t len;
    uint64_t offset, type;
    bool found;
};

static bool seek_member(void *ctx, const char *name, uint64_t offset, uint64_t type) {
    struct sought *s = ctx;
    if (strlen(name) != s->len || memcmp(name, s->name, s->len) != 0) return true;
    s->offset = offset;
    s->type = type;
    s->found = true;
    return false;
}

bool ms_godwarf_field(const struct ms_godwarf *d, const char *structure, const char *field,
                      uint64_t *offset) {
    uint64_t type = ms_godwarf_named(d, structure);
    *offset = 0;
    while (type) {
        struct sought s = {.name = field, .len = strcspn(field, ".")};
        ms_godwarf_members(d, type, seek_member, &s);
        if (!s.found) return false;
        *offset += s.offset;
        if (!field[s.len]) return true;
        field += s.len + 1;
        type = s.type;
    }
    return false;
}
