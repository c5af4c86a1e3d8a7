/* cmd_layout.c - `mapscope layout TARGET|bin:FILE [TYPE]`: of what the slots of each map type are made.
 *
 *   process, core   types of the maps that are there, with their figures; a look at their keys says which narrower type
 *                   would hold them
 *   bin:FILE        types that a program has, from its file: of Go every map type, debug information or not; of C the maps
 *                   of typed.h's macros; figures are those of a map of 1000 entries
 *
 * What a struct is made of comes from Go's type descriptions, or from the debug information of C.
 */
#include "cmd_types.h"
#include "reader/binary.h"

#include "gomap/inspect.h"

#include <stdlib.h>
#include <string.h>

enum { PER_ENTRIES = 1000, SPLIT_FROM = 27 };

struct job {
    struct ms_cmd *cmd;
    struct ms_session s;
    struct ms_snapshot snap;
    struct ms_binary bin;
    struct ms_typing typing;
    struct ms_maptypes out;
    size_t room;
};

/* ---- layouts ----------------------------------------------------------------------------------- */

static int by_type(const void *a, const void *b) {
    const struct ms_map *x = a, *y = b;
    uintptr_t p = (uintptr_t)x->type, q = (uintptr_t)y->type;
    return p != q ? (p > q) - (p < q) : (x->id > y->id) - (x->id < y->id);
}

/* The kind of the maps of a type, which are the first n from `maps` on. */
static enum ms_kind kind_of(const struct job *j, const struct ms_map *maps, size_t n) {
    const struct ms_go *go = j->typing.go;
    if (n) return (enum ms_kind)maps->kind;
    return !go ? MS_KIND_GOMAP : go->layout.swiss ? MS_KIND_GO_SWISS : MS_KIND_GO_CLASSIC;
}

/* Maps are sorted by type: those of t, and how many. */
static struct ms_map *maps_of(struct job *j, const struct ms_type *t, size_t *n) {
    size_t low = 0, high = j->snap.maps;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if ((uintptr_t)j->snap.map[mid].type < (uintptr_t)t)
            low = mid + 1;
        else
            high = mid;
    }
    for (*n = 0; low + *n < j->snap.maps && j->snap.map[low + *n].type == t; ++*n) continue;
    return j->snap.map + low;
}

static int add_type(struct job *j, const struct ms_type *t, struct ms_error *err) {
    struct ms_contents contents;
    size_t n;
    int status = MS_OK;
    struct ms_map *maps = maps_of(j, t, &n);
    enum ms_kind kind = kind_of(j, maps, n);
    uint64_t per = n ? 0 : PER_ENTRIES;
    if (kind == MS_KIND_GO_SYNC || (ms_kind_of_go(kind) && !t->go.group_size))
        return MS_OK; /* no slots, or not known */
    MS_ROOM(j->out.of, j->out.count, j->room);
    struct ms_maptype *l = &j->out.of[j->out.count++];
    ms_typing_measure(&j->typing, t, kind, maps, n, per, l);
    if (n) status = ms_typing_contents(l, &j->s, &j->snap, maps, n, &contents, err);
    bool may_split = j->typing.go && j->typing.go->build.minor >= SPLIT_FROM;
    if (status == MS_OK) ms_layout_choose(l, n ? &contents : NULL, maps, n, per, may_split);
    if (status == MS_OK) ms_layout_drop_idle(l);
    return status;
}

static int by_bytes(const void *a, const void *b) {
    const struct ms_maptype *x = a, *y = b;
    if (x->bytes != y->bytes) return (y->bytes > x->bytes) - (y->bytes < x->bytes);
    int names = strcmp(x->type->name, y->type->name);
    return names ? names : strcmp(x->type->site ? x->type->site : "", y->type->site ? y->type->site : "");
}

static int make_layouts(struct job *j, struct ms_error *err) {
    int status = MS_OK;
    if (j->snap.maps) qsort(j->snap.map, j->snap.maps, sizeof *j->snap.map, by_type);
    for (const struct ms_type *t = j->snap.types; t && status == MS_OK; t = t->next)
        status = add_type(j, t, err);
    if (j->out.count) qsort(j->out.of, j->out.count, sizeof *j->out.of, by_bytes);
    return status;
}

/* ---- a process --------------------------------------------------------------------------------- */

static int of_process(struct job *j, struct ms_error *err) {
    int status = ms_session_open(&j->s, j->cmd, err);
    if (status == MS_OK) status = ms_session_look(j->cmd, &j->s, false, &j->snap, err);
    if (status) return status;
    if (j->s.go && j->cmd->unused) ms_session_go_types(j->s.go, &j->snap);
    status = ms_typing_learn(&j->typing, &j->s, &j->snap, err);
    if (status == MS_OK) status = make_layouts(j, err);
    if (status == MS_OK) status = ms_session_thaw(j->cmd, &j->s, &j->snap, err);
    return status;
}

/* ---- a file ------------------------------------------------------------------------------------ */

/* A typed map of C as its library would describe it. */
static void add_cmap(struct job *j, const struct ms_cmap *m) {
    const struct ms_mem *mem = &j->typing.c.mem;
    const struct ms_mem_type *key = ms_mem_get(mem, m->key), *value = ms_mem_get(mem, m->value);
    struct ms_slot_part k = {.size = key->size, .align = key->align},
                        v = {.size = value->size, .align = value->align};
    bool strings = key->name && strcmp(key->name, "gomap_str") == 0;
    struct ms_type *t = ms_alloc(sizeof *t), like = {.flags = strings ? GOMAP_F_STR : 0};
    *t = ms_slots_make(MS_SLOTS_GOMAP, &like, k, v);
    t->key = ms_strdup(strings ? "string" : key->name ? key->name : "?");
    t->value = ms_strdup(value->name ? value->name : "?");
    t->name = ms_asprintf("%s->%s", t->key, t->value);
    t->site = m->site ? ms_strdup(m->site) : NULL;
    t->next = j->snap.types;
    j->snap.types = t;
    ms_typing_set(&j->typing, t, strings ? 0 : m->key, m->value);
}

static int of_c_binary(struct job *j, struct ms_error *err) {
    const char *file = j->cmd->target + 4;
    struct ms_cdwarf *c = &j->typing.c;
    bool any = ms_typing_read(&j->typing, j->bin.fd, NULL, 0, true);
    if (*j->typing.no_table.line)
        return ms_fail(err, MS_UNCERTAIN, "%s: the process that reads its debug information %s", file,
                       j->typing.no_table.line);
    if (!any) return ms_fail(err, MS_USAGE, "%s: not a Go program, and without debug information of C", file);
    if (c->maps == 0)
        return ms_fail(err, MS_USAGE,
                       "%s: no typed map of gomap in its debug information: maps of gomap_new are known only "
                       "while it runs",
                       file);
    for (size_t i = 0; i < c->maps; i++) add_cmap(j, &c->map[i]);
    int status = ms_typing_learn(&j->typing, &j->s, &j->snap, err);
    return status ? status : make_layouts(j, err);
}

static int of_binary(struct job *j, struct ms_error *err) {
    const char *file = j->cmd->target + 4;
    struct ms_error why = {""};
    if (j->cmd->mode != MS_MODE_LIVE || j->cmd->exe)
        return ms_fail(err, MS_USAGE, "a file does not run: --stop, --snapshot and --exe are for processes");
    int status = ms_binary_open(&j->bin, file, err);
    if (status) return status;
    j->out.file = file;
    j->out.per_entries = PER_ENTRIES;
    status = ms_session_go_file(&j->s, &j->bin.reader, j->bin.start, j->bin.fd, &why);
    if (status) return ms_fail(err, status, "%s: %s", file, why.line);
    if (!j->s.go) return of_c_binary(j, err);
    j->snap.runtime = ms_strdup(j->s.go->build.version);
    ms_session_go_types(j->s.go, &j->snap);
    status = ms_typing_learn(&j->typing, &j->s, &j->snap, err);
    return status ? status : make_layouts(j, err);
}

/* ---- the verb ---------------------------------------------------------------------------------- */

/* Those whose name is TYPE, else those whose name has it, to the front. */
static int select_types(struct job *j, struct ms_error *err) {
    const char *what = j->cmd->map;
    size_t kept = 0;
    for (int exact = 1; exact >= 0 && kept == 0; exact--)
        for (size_t i = 0; i < j->out.count; i++) {
            const char *name = j->out.of[i].type->name;
            if (exact ? strcmp(name, what) != 0 : !strstr(name, what)) continue;
            struct ms_maptype l = j->out.of[i];
            memmove(&j->out.of[kept + 1], &j->out.of[kept], (i - kept) * sizeof l);
            j->out.of[kept++] = l;
        }
    if (kept == 0) return ms_fail(err, MS_USAGE, "no map type has '%s' in its name", what);
    j->out.shown = kept;
    return MS_OK;
}

static void write_out(struct job *j) {
    struct ms_cmd *cmd = j->cmd;
    struct ms_maptypes *all = &j->out;
    if (cmd->limit && cmd->limit < all->shown) all->shown = cmd->limit;
    if (cmd->json) {
        cmd->documented = true;
        ms_json_layouts(cmd->out, &j->snap, all);
        return;
    }
    if (!all->file) ms_table_target(cmd->out, &cmd->style, &j->snap);
    if (cmd->map)
        for (size_t i = 0; i < all->shown; i++) ms_table_layout(cmd->out, &cmd->style, all, &all->of[i]);
    else
        ms_table_layouts(cmd->out, &cmd->style, &j->snap, all);
}

int ms_cmd_layout(struct ms_cmd *cmd, struct ms_error *err) {
    struct job *j = ms_alloc(sizeof *j);
    j->cmd = cmd;
    j->out.per_entries = PER_ENTRIES;
    j->bin.fd = -1;
    j->s.process = (struct ms_process){.dir_fd = -1, .mem_fd = -1, .pagemap_fd = -1, .pid_fd = -1};
    ms_snapshot_init(&j->snap);
    bool is_file = strncmp(cmd->target, "bin:", 4) == 0;
    int status = is_file ? of_binary(j, err) : of_process(j, err);
    j->out.shown = j->out.count;
    if (status == MS_OK && cmd->map) status = select_types(j, err);
    if (status == MS_OK) write_out(j);
    if (status == MS_OK && !is_file) status = ms_session_verdict(cmd, &j->snap, err);
    if (status == MS_OK && !is_file) status = ms_session_whole(&j->s, err);
    for (size_t i = 0; i < j->out.count; i++) ms_layout_free(&j->out.of[i]);
    free(j->out.of);
    ms_typing_free(&j->typing);
    ms_session_close(&j->s);
    ms_binary_close(&j->bin);
    ms_snapshot_free(&j->snap);
    free(j);
    return status;
}
