/* cmd_go.c - from a session to the maps of a Go program: joins the walk (goruntime/) with the map model (model/).
 *
 *   the image that is the program -> its Go version, its debug information -> a walk over the heap
 *   each map found: type -> struct ms_type, path -> holder, header -> the backend of its kind
 *
 * The walk asks nothing of the target but its memory; nothing stops.  Every map is read by its backend after the walk, and
 * what no longer is one then is left out of the list if it had no entries to lose, else shown as damaged.
 */
#include "cmd.h"

#include "elf/goparse.h"
#include "goruntime/goleak.h"
#include "goruntime/goruntime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- opening ----------------------------------------------------------------------------------- */

const struct ms_image *ms_session_program(const struct ms_session *s, const struct ms_images *images) {
    for (size_t i = 0; i < images->count; i++)
        if (strcmp(images->image[i].path, s->process.exe) == 0) return &images->image[i];
    return images->count ? &images->image[0] : NULL;
}

char *ms_session_go_version(struct ms_session *s) {
    struct ms_bytes memory = {ms_bytes_of_memory, &s->process.reader};
    struct ms_gobuild build;
    struct ms_elf *elf = ms_alloc(sizeof *elf);
    bool is_go = s->program && !s->main_is_32bit && ms_elf_open(elf, memory, s->program) == MS_ELF_OK &&
                 ms_gobuild_find(elf, &build);
    free(elf);
    return is_go ? ms_strdup(build.version) : NULL;
}

static bool same_build(const struct ms_elf *a, const struct ms_elf *b) {
    uint8_t id[2][MS_BUILD_ID_MAX];
    bool missing;
    size_t len = ms_elf_build_id(a, id[0], &missing);
    return len && len == ms_elf_build_id(b, id[1], &missing) && memcmp(id[0], id[1], len) == 0;
}

/* The file named by --exe; *fd -1 and MS_OK never go together. */
static int open_named(struct ms_session *s, int *fd, struct ms_error *err) {
    struct stat st;
    *fd = open(s->exe, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0) return ms_fail(err, MS_USAGE, "--exe %s: %s", s->exe, strerror(errno));
    struct ms_elf *elf = ms_alloc(sizeof *elf);
    struct ms_bytes file = {ms_bytes_of_file, fd};
    int status = MS_OK;
    if (fstat(*fd, &st) != 0 || !S_ISREG(st.st_mode) || ms_elf_open(elf, file, 0) != MS_ELF_OK)
        status = ms_fail(err, MS_USAGE, "--exe %s: not a 64-bit ELF program", s->exe);
    else if (!same_build(elf, s->go_elf))
        status =
            ms_fail(err, MS_USAGE, "--exe %s: not the program of process %d (%s): its build id is another",
                    s->exe, s->process.pid, s->process.comm);
    free(elf);
    return status;
}

/* The debug information in a file; NULL: it has none, or s->no_table says what happened to who read it. */
static struct ms_godwarf *read_dwarf(struct ms_session *s, int fd) {
    s->no_table.line[0] = 0;
    if (fd < 0 || ms_confine_run(ms_goparse, NULL, fd, &ms_confine_usual, &s->go_table, &s->no_table)) return NULL;
    struct ms_godwarf *dwarf = ms_godwarf_open(s->go_table.bytes, s->go_table.len);
    if (!dwarf && s->go_table.bytes)
        ms_fail(&s->no_table, MS_UNCERTAIN, "left a table that contradicts itself");
    return dwarf;
}

static int open_image(struct ms_session *s, const struct ms_image *im, struct ms_error *err) {
    struct ms_bytes memory = {ms_bytes_of_memory, &s->process.reader};
    struct ms_gobuild build;
    s->go_elf = ms_alloc(sizeof *s->go_elf);
    if (ms_elf_open(s->go_elf, memory, im->start) != MS_ELF_OK || !ms_gobuild_find(s->go_elf, &build))
        return MS_OK;
    int fd = s->exe ? -1 : ms_image_open(&s->process, im), status = MS_OK;
    struct ms_error why = {""};
    if (s->exe) status = open_named(s, &fd, err);
    if (status == MS_OK) status = ms_go_open(&s->go, &s->process.reader, s->go_elf, read_dwarf(s, fd), &why);
    if (fd >= 0) close(fd);
    if (status == MS_UNCERTAIN)
        return ms_fail(err, status, "process %d (%s) is %s", s->process.pid, s->process.comm, why.line);
    if (status == MS_OK && s->exe && s->no_table.line[0])
        return ms_fail(err, MS_UNCERTAIN, "--exe %s: the process that reads its debug information %s", s->exe,
                       s->no_table.line);
    if (status == MS_OK && s->exe && !s->go->dwarf)
        return ms_fail(err, MS_USAGE, "--exe %s: has no debug information of a Go program", s->exe);
    return status;
}

int ms_session_go_open(struct ms_session *s, struct ms_error *err) {
    struct ms_images images;
    if (s->go_elf || s->main_is_32bit) return MS_OK;
    int status = ms_images_load(&s->process, &images, err);
    const struct ms_image *im = status == MS_OK ? ms_session_program(s, &images) : NULL;
    if (im) status = open_image(s, im, err);
    ms_images_free(&images);
    return status;
}

int ms_session_go_file(struct ms_session *s, struct ms_reader *r, uint64_t start, int fd, struct ms_error *err) {
    struct ms_bytes memory = {ms_bytes_of_memory, r};
    struct ms_gobuild build;
    s->go_elf = ms_alloc(sizeof *s->go_elf);
    if (ms_elf_open(s->go_elf, memory, start) != MS_ELF_OK || !ms_gobuild_find(s->go_elf, &build)) return MS_OK;
    return ms_go_open(&s->go, r, s->go_elf, read_dwarf(s, fd), err);
}

static void tell_leak(struct ms_go *go, const struct ms_goleak *l, uint64_t now, struct ms_map *m) {
    uint64_t when = ms_goleak_when(go, l, m->addr);
    m->leaked_by = ms_goleak_owner(go, l, m->addr);
    if (when && now) m->timer_ns = when > now && when < INT64_MAX ? when - now : 1;
    m->captured = ms_goleak_captured(go, l, m->addr);
}

int ms_session_go_leaks(struct ms_session *s, struct ms_snapshot *snap, bool *known, struct ms_error *err) {
    uint64_t now = s->process.core ? 0 : ms_now_ns(); /* of a core file it is not told */
    struct ms_goleak leaks;
    int status = ms_goleak_run(s->go, &leaks, known, err);
    for (size_t i = 0; status == MS_OK && *known && i < snap->maps; i++)
        tell_leak(s->go, &leaks, now, &snap->map[i]);
    ms_goleak_free(&leaks);
    return status;
}

void ms_session_go_close(struct ms_session *s) {
    ms_go_close(s->go);
    ms_table_free(&s->go_table);
    free(s->go_elf);
    s->go = NULL;
    s->go_elf = NULL;
}

/* ---- types ------------------------------------------------------------------------------------- */

static uint32_t cell_of(struct ms_go *go, ms_gotid type, bool far) {
    const struct ms_gotype *t = ms_gotype_get(go, type);
    if (!far || t->size > UINT32_MAX) return 0;
    return (uint32_t)ms_go_allocated(t->size, t->pointers != 0, go->layout.heap_bits);
}

static void fill_shape(struct ms_go *go, const struct ms_gotype *map, struct ms_go_shape *out) {
    const struct ms_gomaptype *m = &map->map;
    *out = (struct ms_go_shape){.group_size = m->group_size,
                                .key_off = m->key_off,
                                .key_stride = m->key_stride,
                                .elem_off = m->elem_off,
                                .elem_stride = m->elem_stride,
                                .key_slot = m->key_slot,
                                .elem_slot = m->elem_slot,
                                .key_cell = cell_of(go, map->key, m->key_far),
                                .elem_cell = cell_of(go, map->elem, m->elem_far),
                                .load_halves = go->build.minor == 21 ? 12 : 13,
                                .pointers = ms_gotype_get(go, map->group)->pointers != 0,
                                .malloc_headers = go->layout.heap_bits};
}

static char *name_of(const struct ms_gotype *t) { return ms_strdup(t->name ? t->name : "?"); }

static const struct ms_type *type_of(struct ms_go *go, ms_gotid id, const struct ms_type **known,
                                     struct ms_snapshot *out) {
    if (id == 0) return NULL;
    if (known[id]) return known[id];
    const struct ms_gotype *map = ms_gotype_get(go, id), *key = ms_gotype_get(go, map->key),
                           *elem = ms_gotype_get(go, map->elem);
    struct ms_type *t = ms_alloc(sizeof *t);
    t->name = name_of(map);
    t->key = name_of(key);
    t->value = name_of(elem);
    t->key_size = (uint32_t)ms_min(key->size, UINT32_MAX);
    t->value_size = (uint32_t)ms_min(elem->size, UINT32_MAX);
    t->key_align = t->value_align = 0;
    t->slot_payload = map->map.key_slot + map->map.elem_slot;
    uint32_t beside = go->layout.swiss ? 8 : 16; /* control or tophash bytes, and a link */
    t->slot_size = map->map.group_size > beside ? (map->map.group_size - beside) / 8 : 0;
    t->addr = map->rtype;
    t->number = id;
    fill_shape(go, map, &t->go);
    t->next = out->types;
    out->types = t;
    return known[id] = t;
}

void ms_session_go_types(struct ms_go *go, struct ms_snapshot *out) {
    ms_gotype_list_maps(go);
    size_t types = go->types.count;
    const struct ms_type **known = ms_alloc((types + 1) * sizeof *known);
    for (const struct ms_type *t = out->types; t; t = t->next)
        if (t->number < types) known[t->number] = t;
    for (ms_gotid i = 1; i < types; i++) {
        const struct ms_gotype *map = ms_gotype_get(go, i);
        bool generic = map->name && strstr(map->name, "go.shape."); /* what code is shared for: no value has it */
        if (map->kind == MS_GO_MAP && map->rtype && map->map.group_size && !generic) type_of(go, i, known, out);
    }
    free(known);
}

/* ---- maps -------------------------------------------------------------------------------------- */

/* Bytes of the object that starts at addr, or 8 before it, where its type is. */
static uint64_t object_size(void *ctx, uint64_t addr) {
    uint64_t start, bytes = ms_goheap_object(ctx, addr, &start);
    return bytes && addr - start <= MS_GO_PTR ? bytes : 0;
}

/* Few enough that few of them change between the readings of their headers. */
enum { TOGETHER = 1024 };

static enum ms_read load(struct ms_go *go, bool sync, struct ms_go_header *at, size_t n,
                         struct ms_snapshot *out) {
    enum ms_read rc = sync ? ms_go_sync_load(go->reader, at, out)
                      : go->layout.swiss
                          ? ms_go_swiss_load(go->reader, at, n, out)
                          : ms_go_classic_load(go->reader, at, n, (uint8_t)go->layout.map_header, out);
    for (size_t i = 0; i < n; i++) free(at[i].holder), free(at[i].place); /* of what was no map, or not reached */
    return rc;
}

/* Stacks hold words of frames long gone, and words of which nothing tells that they are needed. */
static bool only_on_stack(struct ms_go *go, const struct ms_gofound *f) {
    struct ms_goarea *a = f->via ? NULL : ms_goheap_find(go, f->header);
    uint64_t word = f->via ? ms_goheap_word_at(go, f->via - 1, &a) : f->header;
    return a && a->kind == MS_GO_STACK && (!f->via || ms_gostack_word(go, a, word) != MS_GO_LIVE);
}

static enum ms_read load_found(struct ms_go *go, struct ms_snapshot *out) {
    size_t types = go->types.count, n = 0;
    const struct ms_type **known = ms_alloc((types + 1) * sizeof *known);
    struct ms_go_header at[TOGETHER];
    enum ms_read rc = MS_READ_OK;
    for (size_t i = 0; i < go->founds && rc != MS_READ_GONE; i++) {
        const struct ms_gofound *f = &go->found[i];
        at[n] = (struct ms_go_header){f->header, f->type < types ? type_of(go, f->type, known, out) : NULL};
        at[n].holder = ms_gopath(go, f, &at[n].place);
        at[n].maybe = only_on_stack(go, f);
        if (ms_gotype_get(go, f->type)->sync)
            rc = load(go, true, &at[n], 1, out);
        else if (++n == TOGETHER)
            rc = load(go, false, at, n, out), n = 0;
    }
    if (n) rc = load(go, false, at, n, out);
    free(known);
    return rc;
}

/* What kind of program it is, and what of it is not known. */
static void describe(struct ms_session *s, struct ms_snapshot *out) {
    struct ms_go *go = s->go;
    out->runtime = ms_strdup(go->build.version);
    out->allocator = (struct ms_allocator){object_size, go};
    if (s->no_table.line[0]) {
        out->uncertain = true;
        ms_snapshot_note(out,
                         "the process that reads the program's debug information %s: names of fields are missing, "
                         "and types are known where allocations tell them, else by what tables look like (~)",
                         s->no_table.line);
    } else if (!go->dwarf) {
        ms_snapshot_note(
            out,
            "the program has no debug information: its maps are named by places in its data, types are known "
            "where allocations tell them, else by what tables look like (~), and a sync.Map of Go 1.24 and "
            "later that was never written to is not seen; --exe FILE takes all that from its copy before it was "
            "stripped");
    }
}

/* As many as are loaded and named in a tenth of a second. */
enum { SO_FAR_MOST = 1 << 15 };

static void tell_so_far(void *ctx) {
    struct ms_session *s = ctx;
    struct ms_snapshot part;
    ms_session_describe(s, &part);
    describe(s, &part);
    (void)load_found(s->go, &part); /* should it have ended, the walk comes to know */
    for (size_t i = 0; i < part.maps; i++) ms_view_figures(&part.map[i]);
    s->so_far(s->so_far_ctx, &part, ms_gowalk_share(s->go), s->found > SO_FAR_MOST ? s->found : part.maps);
}

static void interrupted(void *ctx) {
    struct ms_session *s = ctx;
    s->found = s->go->founds;
    if (s->so_far) ms_gowalk_so_far(s->go, SO_FAR_MOST, tell_so_far, s);
}

int ms_session_go_maps(struct ms_session *s, struct ms_snapshot *out, struct ms_error *err) {
    struct ms_go *go = s->go;
    ms_goroots_let_go(go);
    for (size_t i = 0; s->process.reader.still && i < s->threads; i++) {
        const struct ms_registers *r = &s->registers[i];
        if (r->words && r->words <= sizeof r->word / sizeof *r->word && r->sp < r->words)
            ms_goroots_held(go, r->word, r->words, r->word[r->sp]);
    }
    go->meanwhile = interrupted;
    go->meanwhile_ctx = s;
    int status = ms_gowalk_run(go, err);
    go->asked = false;
    if (status) return status;
    describe(s, out);
    enum ms_read rc = load_found(go, out);
    if (go->walk.budget == 0) {
        out->uncertain = true;
        ms_snapshot_note(out, "the heap has more places to look at than the walk takes: maps may be missing");
    }
    return rc == MS_READ_GONE ? ms_fail(err, MS_GONE, "the process ended while a map was read") : MS_OK;
}
