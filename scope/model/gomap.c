/* gomap.c - the backend for gomap: from a root in the target's memory to map models.
 *
 * The registry is a list of chunks of {map, generation}.  Up to BATCH entries are taken at a time and
 * read in four sweeps, each one batch of coalesced reads: headers; side records, names and stacks of
 * what the headers point to; headers again.  A map whose header held still (inspect.h, "how to read a
 * map exactly") is done; the few that moved, or that have a stash, are read one by one with patience.
 * BATCH is large enough that neighbours are read together, and small enough that few maps move between
 * the two readings of their headers, of which the second finds its memory still in the cache.
 *
 * Nothing here is believed: chunk bases must be distinct multiples of the chunk size (so a list with a
 * cycle ends), an entry's map must carry the id that its place in the registry gives it, types are
 * checked once and cached by address for the time of one snapshot.  A map that fails a check is listed
 * as damaged with the field's name and without figures; a root of another version is refused whole.
 */
#include "gomap_raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(void *) == 8, "mapscope reads LP64 targets and is built as one");

const char ms_gomap_note_owner[] = GOMAP_NOTE_OWNER;
const char ms_gomap_symbol[] = "gomap_inspect_root_1";
const uint32_t ms_gomap_note_type = GOMAP_NOTE_ROOT;

enum { BATCH = 512, CHUNKS_MAX = 1 << 16, TYPES_MAX = 1 << 20, STRING_FIRST = 96, STRING_MAX = 1024 };
enum { CLAIMED = 1 }; /* an entry that a map is just being put into */

struct known_type {
    uint64_t addr;
    struct gomap_desc desc;
    const struct ms_type *type; /* NULL: the description is damaged */
    const char *bad;
};

struct pending {
    uint64_t addr, id;
    struct gomap first, second;
    struct gomap_side side;
    struct known_type *type;
    char name[STRING_FIRST];
    bool has_side;
};

struct load {
    struct ms_reader *r;
    struct ms_snapshot *out;
    uint32_t copy;
    struct known_type **type; /* open addressing by address */
    size_t types, type_room;
    struct pending *pend;
    size_t pending;
    struct ms_batch_item *item;
    uint64_t damaged, strange;
};

/* ---- types ------------------------------------------------------------------------------------- */

static size_t type_slot(struct known_type **table, size_t room, uint64_t addr) {
    size_t i = (size_t)((addr >> 3) * UINT64_C(0x9e3779b97f4a7c15)) & (room - 1);
    while (table[i] && table[i]->addr != addr) i = (i + 1) & (room - 1);
    return i;
}

static void type_insert(struct load *l, struct known_type *t) {
    if (l->types * 2 >= l->type_room) {
        size_t room = l->type_room ? l->type_room * 2 : 64;
        struct known_type **table = ms_alloc(room * sizeof *table);
        for (size_t i = 0; i < l->type_room; i++)
            if (l->type[i]) table[type_slot(table, room, l->type[i]->addr)] = l->type[i];
        free(l->type);
        l->type = table;
        l->type_room = room;
    }
    l->type[type_slot(l->type, l->type_room, t->addr)] = t;
    l->types++;
}

static struct ms_type *make_type(struct load *l, const struct gomap_desc *d) {
    struct ms_type *t = ms_alloc(sizeof *t);
    if (ms_read_string(l->r, (uintptr_t)d->key_name, 256, &t->key) != MS_READ_OK) t->key = ms_strdup("?");
    if (ms_read_string(l->r, (uintptr_t)d->val_name, 256, &t->value) != MS_READ_OK) t->value = ms_strdup("?");
    uint64_t site = (uintptr_t)d->site;
    if (site && ms_read_string(l->r, site, STRING_MAX, &t->site) != MS_READ_OK) t->site = ms_strdup("?");
    t->name = ms_asprintf("%s->%s", t->key, t->value);
    t->key_size = d->key_size;
    t->key_align = d->key_align;
    t->value_size = d->val_size;
    t->value_align = d->val_align;
    t->slot_size = d->slot_size;
    t->slot_payload = d->slot_key_size + d->slot_val_size;
    t->slot_align = d->slot_align;
    t->value_off = d->val_off;
    t->flags = d->flags;
    t->next = l->out->types;
    l->out->types = t;
    return t;
}

static struct known_type *know_type(struct load *l, uint64_t addr) {
    if (l->type_room) {
        struct known_type *have = l->type[type_slot(l->type, l->type_room, addr)];
        if (have) return have;
    }
    struct known_type *t = ms_alloc(sizeof *t);
    t->addr = addr;
    if (l->types >= TYPES_MAX)
        t->bad = "desc (more types than any program has)";
    else if (ms_read(l->r, addr, &t->desc, sizeof t->desc) != MS_READ_OK)
        t->bad = "desc";
    else
        t->bad = ms_desc_check(&t->desc, sizeof t->desc);
    if (!t->bad) t->type = make_type(l, &t->desc);
    type_insert(l, t);
    return t;
}

/* ---- maps -------------------------------------------------------------------------------------- */

static char *take_string(struct load *l, uint64_t addr, const char *first) {
    char *s = NULL;
    if (!addr) return NULL;
    if (memchr(first, 0, STRING_FIRST)) return ms_strdup(first);
    if (ms_read_string(l->r, addr, STRING_MAX, &s) != MS_READ_OK) return ms_strdup("?");
    return s;
}

static void add_map(struct load *l, const struct ms_raw *raw, uint64_t id, const struct ms_type *type,
                    char *name, enum ms_certainty sure, const char *doubt) {
    struct ms_map *m = ms_snapshot_add(l->out);
    m->copy = l->copy;
    m->addr = raw->addr;
    m->type = type;
    m->name = name;
    m->site = type ? type->site : NULL;
    m->certainty = (uint8_t)sure;
    if (sure != MS_DAMAGED) ms_raw_fill(raw, m);
    m->id = id;
    if (sure == MS_EXACT) return;
    l->out->uncertain = true;
    m->doubt = sure == MS_DAMAGED ? ms_asprintf("field %s cannot be right", doubt) : ms_strdup(doubt);
    if (sure == MS_DAMAGED && l->damaged++ < 8)
        ms_snapshot_note(l->out, "map %u.%u at 0x%llx: field %s cannot be right: its figures are not shown",
                         (unsigned)(id & UINT32_MAX), (unsigned)(id >> 32), (unsigned long long)raw->addr,
                         doubt);
}

/* The registry still names it, but the memory there is no map: freed a moment ago, or damage? */
static void report_no_map(struct load *l, const struct pending *p) {
    uint32_t cookie = p->first.cookie;
    if (cookie == 0) return; /* being freed: the cookie is cleared first */
    struct ms_raw raw = {.addr = p->addr};
    add_map(l, &raw, p->id, NULL, NULL, MS_DAMAGED, cookie == GOMAP_COOKIE ? "id" : "cookie");
}

/* A map that moved in the batch, has a stash, or failed a check: alone, with patience. */
static enum ms_read load_one(struct load *l, struct pending *p, uint64_t entry_addr) {
    struct ms_raw raw;
    enum ms_certainty sure;
    const char *doubt;
    enum ms_read rc = ms_raw_read(l->r, p->addr, p->id, GOMAP_COOKIE, 0, &raw, &sure, &doubt);
    if (rc == MS_READ_GONE) return rc;
    if (rc == MS_READ_FAULT) {
        struct gomap_chunk_entry e;
        /* Freed meanwhile?  A map's entry is cleared before its memory is given away: what is no map before
         * the entry is read again, and is still named by it, is damage. */
        for (int i = 0; i < 3; i++) {
            rc = ms_read(l->r, p->addr, &p->first, sizeof p->first);
            if (rc == MS_READ_GONE) return rc;
            if (rc == MS_READ_FAULT) p->first.cookie = UINT32_MAX;
            if (p->first.cookie == 0) return MS_READ_OK;
            rc = ms_read(l->r, entry_addr, &e, sizeof e);
            if (rc == MS_READ_GONE) return rc;
            if (rc != MS_READ_OK || (uintptr_t)e.map != p->addr || e.gen != p->id >> 32) return MS_READ_OK;
        }
        report_no_map(l, p);
        return MS_READ_OK;
    }
    struct known_type *t = know_type(l, (uintptr_t)raw.m.desc);
    char *name = NULL;
    uint64_t name_at = (uintptr_t)raw.side.name;
    if (name_at && ms_read_string(l->r, name_at, STRING_MAX, &name) != MS_READ_OK) name = ms_strdup("?");
    add_map(l, &raw, p->id, t->type, name, t->bad ? MS_DAMAGED : sure, t->bad ? t->bad : doubt);
    return MS_READ_OK;
}

static size_t add_string_item(struct load *l, size_t n, uint64_t addr, char *buf) {
    uint64_t to_page = 4096 - (addr & 4095);
    memset(buf, 'x', STRING_FIRST); /* no NUL: not read */
    if (to_page >= STRING_FIRST)
        l->item[n++] = (struct ms_batch_item){.addr = addr, .len = STRING_FIRST, .buf = buf};
    return n;
}

/* The second sweep: side records, then the strings they name. */
static enum ms_read sweep_sides(struct load *l) {
    size_t n = 0;
    for (size_t i = 0; i < l->pending; i++) {
        struct pending *p = &l->pend[i];
        p->has_side = p->first.side != NULL;
        if (p->has_side)
            l->item[n++] = (struct ms_batch_item){
                .addr = (uintptr_t)p->first.side, .len = sizeof p->side, .buf = &p->side};
    }
    enum ms_read rc = ms_read_batch(l->r, l->item, n);
    if (rc != MS_READ_OK) return rc;
    for (size_t i = 0, k = 0; i < l->pending; i++)
        if (l->pend[i].has_side && l->item[k++].status != MS_READ_OK) l->pend[i].side.size = 0;
    n = 0;
    for (size_t i = 0; i < l->pending; i++) {
        struct pending *p = &l->pend[i];
        if (!p->has_side || p->side.size == 0) continue;
        if (p->side.name) n = add_string_item(l, n, (uintptr_t)p->side.name, p->name);
    }
    return ms_read_batch(l->r, l->item, n);
}

static enum ms_read sweep_headers(struct load *l, bool second) {
    for (size_t i = 0; i < l->pending; i++) {
        struct pending *p = &l->pend[i];
        l->item[i] = (struct ms_batch_item){
            .addr = p->addr, .len = sizeof p->first, .buf = second ? &p->second : &p->first};
    }
    enum ms_read rc = ms_read_batch(l->r, l->item, l->pending);
    for (size_t i = 0; rc == MS_READ_OK && i < l->pending; i++)
        if (l->item[i].status != MS_READ_OK) memset(l->item[i].buf, second ? 0xff : 0, sizeof(struct gomap));
    return rc;
}

/* Was it read whole by the sweeps?  Then add it. */
static bool add_swept(struct load *l, struct pending *p) {
    struct ms_raw raw = {.addr = p->addr, .m = p->second, .side = p->side, .has_side = p->has_side};
    if (p->second.cookie != GOMAP_COOKIE || p->second.id != p->id || (p->second.seq & 1)) return false;
    if (!ms_raw_same(&p->first, &p->second)) return false;
    if (p->has_side && (p->side.size == 0 || p->side.stash)) return false;
    p->type = know_type(l, (uintptr_t)p->second.desc);
    if (p->type->bad) return false;
    raw.desc = p->type->desc;
    if (ms_raw_check(&raw)) return false;
    char *name = p->has_side ? take_string(l, (uintptr_t)p->side.name, p->name) : NULL;
    add_map(l, &raw, p->id, p->type->type, name, MS_EXACT, NULL);
    return true;
}

static enum ms_read flush(struct load *l, const uint64_t *entry_addr) {
    enum ms_read rc = sweep_headers(l, false);
    if (rc == MS_READ_OK) rc = sweep_sides(l);
    if (rc == MS_READ_OK) rc = sweep_headers(l, true);
    for (size_t i = 0; rc == MS_READ_OK && i < l->pending; i++)
        if (!add_swept(l, &l->pend[i])) rc = load_one(l, &l->pend[i], entry_addr[i]);
    l->pending = 0;
    return rc;
}

/* ---- registry ---------------------------------------------------------------------------------- */

static void registry_doubt(struct load *l, uint64_t at, const char *what) {
    l->out->uncertain = true;
    ms_snapshot_note(l->out, "registry chunk at 0x%llx: %s: maps behind it are not shown",
                     (unsigned long long)at, what);
}

static enum ms_read load_other(struct load *l, uint32_t kind, uint64_t map, uint64_t id, uint64_t entry) {
    if (kind == GOMAP_KIND_CLASSIC) return ms_classic_load(l->r, map, id, entry, l->copy, l->out);
    l->out->uncertain = true;
    if (l->strange++ == 0)
        ms_snapshot_note(l->out, "maps of kind %u, which this mapscope does not know, are not shown", kind);
    return MS_READ_OK;
}

static enum ms_read walk_chunks(struct load *l, uint64_t at) {
    uint8_t *seen = ms_alloc(CHUNKS_MAX / 8);
    uint64_t *entry_addr = ms_alloc(BATCH * sizeof *entry_addr);
    struct gomap_chunk *c = ms_alloc(sizeof *c);
    enum ms_read rc = MS_READ_OK;
    while (at && rc == MS_READ_OK) {
        rc = ms_read(l->r, at, c, sizeof *c);
        if (rc == MS_READ_FAULT) registry_doubt(l, at, "cannot be read");
        if (rc != MS_READ_OK) break;
        uint64_t number = c->base / GOMAP_CHUNK_ENTRIES;
        if (c->base % GOMAP_CHUNK_ENTRIES || number >= CHUNKS_MAX || (seen[number / 8] >> (number & 7) & 1)) {
            registry_doubt(l, at, "field base cannot be right");
            break;
        }
        seen[number / 8] |= (uint8_t)(1 << (number & 7));
        for (uint32_t i = 0; i < GOMAP_CHUNK_ENTRIES && rc == MS_READ_OK; i++) {
            uint64_t map = (uintptr_t)c->entry[i].map;
            uint64_t id = (uint64_t)c->entry[i].gen << 32 | (c->base + i + 1);
            uint64_t entry = at + offsetof(struct gomap_chunk, entry) + i * sizeof c->entry[0];
            if (map == 0 || map == CLAIMED) continue;
            if (c->entry[i].kind != GOMAP_KIND_GOMAP) {
                rc = load_other(l, c->entry[i].kind, map, id, entry);
                continue;
            }
            entry_addr[l->pending] = entry;
            l->pend[l->pending++] = (struct pending){.addr = map, .id = id};
            if (l->pending == BATCH) rc = flush(l, entry_addr);
        }
        at = (uintptr_t)c->next;
    }
    if (rc != MS_READ_GONE && l->pending) rc = flush(l, entry_addr);
    free(c);
    free(entry_addr);
    free(seen);
    return rc == MS_READ_GONE ? rc : MS_READ_OK;
}

static enum ms_read load_maps(struct ms_reader *r, const struct gomap_root *root, uint32_t copy,
                              struct ms_snapshot *out) {
    r->waited_ns = 0;
    struct load l = {.r = r, .out = out, .copy = copy};
    l.pend = ms_alloc(BATCH * sizeof *l.pend);
    l.item = ms_alloc(2 * BATCH * sizeof *l.item);
    enum ms_read rc = walk_chunks(&l, (uintptr_t)root->chunks);
    for (size_t i = 0; i < l.type_room; i++) free(l.type[i]);
    free(l.type);
    free(l.pend);
    free(l.item);
    if (l.damaged > 8)
        ms_snapshot_note(out, "%llu more maps are damaged", (unsigned long long)(l.damaged - 8));
    return rc;
}

/* ---- root -------------------------------------------------------------------------------------- */

/* The first size that is not ours: a layout this tool was not built for. */
static const char *foreign_size(const struct gomap_root *root) {
    if (root->size != sizeof *root) return "size";
    if (root->pointer_bytes != sizeof(void *)) return "pointer_bytes";
    if (root->map_size != sizeof(struct gomap)) return "map_size";
    if (root->side_size != sizeof(struct gomap_side)) return "side_size";
    if (root->desc_size != sizeof(struct gomap_desc)) return "desc_size";
    if (root->node_size != sizeof(struct gomap_node)) return "node_size";
    if (root->chunk_size != sizeof(struct gomap_chunk)) return "chunk_size";
    if (root->event_size != sizeof(struct gomap_event)) return "event_size";
    if (root->chunk_entries != GOMAP_CHUNK_ENTRIES) return "chunk_entries";
    return NULL;
}

int ms_gomap_load(struct ms_reader *r, uint64_t at, const char *image, bool want_maps,
                  struct ms_snapshot *out, bool *is_root, struct ms_error *err) {
    struct gomap_root root;
    char magic[sizeof root.magic] = GOMAP_INSPECT_MAGIC;
    *is_root = false;
    enum ms_read rc = ms_read(r, at, &root, sizeof root);
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while it was read");
    if (rc != MS_READ_OK || memcmp(root.magic, magic, sizeof magic) != 0) return MS_OK;
    if (root.version == GOMAP_INSPECT_VERSION && root.self != at)
        return MS_OK; /* mapped, never initialised */
    for (size_t i = 0; i < out->copies; i++)
        if (out->copy[i].root == at) return MS_OK;
    *is_root = true;
    MS_ROOM(out->copy, out->copies, out->copy_room);
    struct ms_copy *c = &out->copy[out->copies++];
    *c = (struct ms_copy){.root = at, .image = ms_strdup(image)};
    const char *bad = root.version == GOMAP_INSPECT_VERSION ? foreign_size(&root) : NULL;
    if (root.version != GOMAP_INSPECT_VERSION || bad) {
        c->version = ms_strdup("?");
        out->uncertain = true;
        if (bad)
            ms_snapshot_note(out,
                             "%s: field %s of gomap's self-description is not what version %u has: its maps "
                             "are not shown",
                             image, bad, GOMAP_INSPECT_VERSION);
        else
            ms_snapshot_note(
                out,
                "%s: gomap describes itself in version %u, this mapscope knows version %u: its maps "
                "are not shown",
                image, root.version, GOMAP_INSPECT_VERSION);
        return MS_OK;
    }
    root.library[sizeof root.library - 1] = 0;
    c->version = ms_strdup(root.library);
    c->readable = true;
    c->started = root.pid_started != 0;
    c->maps_made = root.maps_made;
    c->maps_freed = root.maps_freed;
    c->unregistered = root.registry_failed;
    c->wall_minus_mono_ns = root.wall_minus_mono_ns;
    if (root.registry_failed)
        ms_snapshot_note(out, "%s: %llu maps could not be registered for want of memory and are not shown",
                         image, (unsigned long long)root.registry_failed);
    if (want_maps && load_maps(r, &root, (uint32_t)(out->copies - 1), out) == MS_READ_GONE)
        return ms_fail(err, MS_GONE, "the process ended while its maps were read");
    return MS_OK;
}
