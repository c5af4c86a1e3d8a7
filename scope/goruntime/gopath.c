/* gopath.c - the way from a root to a map, as text in Go's own words.
 *
 * The walk kept for each object the word it was first reached from.  Those words, from the map's header back to a
 * root, are the path; turned round, each is named by the type of what it lies in:
 *
 *   word in data         main.registry          a global of the debug information, or what one points to; else data+0x1f0
 *   word of a struct     .sessions              at that offset
 *   of a slice, array    [17]
 *   of a map's slots     [*]  or  [key]         keys are data and not shown
 *   of an interface      .(main.session)        its dynamic type
 *   of a closure         {cache}                where the debug information says what it holds
 *   of a channel         <-
 *   word of a frame      goroutine 7 main.run run.go:12 +0x28
 *   not typed            ?+0x18                 offset in the object
 *
 * A step repeated more than thrice is counted: main.list.next(x4711).m (gosteps.c).  Types of steps are found as the walk found them; memory may
 * have changed since, then a step is not typed, never wrong memory read: every word is read with its bounds.
 */
#include "gosteps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_MAX = 64,
    FRAMES_MAX = 1 << 16,
    STATICS_MAX = 16,
    SYNC_KEY = 16 /* of the entry of a sync.Map */
};

static uint64_t word_at(struct ms_go *go, uint64_t addr) {
    uint64_t v;
    return ms_gomem_word(go, addr, &v) ? v : 0;
}

/* ---- naming a place in a value ------------------------------------------------------------------ */

/* The field of t that holds offset `at`; NULL: none. */
static const struct ms_gofield *field_of(const struct ms_gotype *t, uint64_t at) {
    const struct ms_gofield *f = NULL;
    for (uint32_t i = 0; i < t->fields && t->field[i].offset <= at; i++) f = &t->field[i];
    return f;
}

/* A slot of a group or bucket: its key or value, and the offset there. */
static ms_gotid in_group(struct ms_gonaming *p, const struct ms_gotype *map, uint64_t *at) {
    const struct ms_gomaptype *m = &map->map;
    uint64_t elem_end = m->elem_off + 7 * (uint64_t)m->elem_stride + m->elem_slot;
    if (*at >= elem_end) return 0; /* the link to the next bucket */
    bool is_elem =
        *at >= m->elem_off && m->elem_stride && (*at - m->elem_off) % m->elem_stride < m->elem_slot;
    uint64_t off = is_elem ? m->elem_off : m->key_off, stride = is_elem ? m->elem_stride : m->key_stride;
    if (*at < off || !stride) return 0;
    *at = (*at - off) % stride;
    ms_gosteps_add(p, is_elem ? "[*]" : "[key]");
    return is_elem ? map->elem : map->key;
}

/* Name the place at offset `at` in a value of the type, down to the value whose word it is; *at: offset there. */
static ms_gotid name_place(struct ms_gonaming *p, ms_gotid type, uint64_t *at) {
    bool quiet = false; /* within the nodes of a sync.Map */
    for (int depth = 0; depth < DEPTH_MAX; depth++) {
        const struct ms_gotype *t = ms_gotype_get(p->go, type);
        if (t->sync == MS_GO_SYNC_MAP && *at == 0 && p->ends_inside) return type;
        if (t->of_map) {
            const struct ms_gotype *map = ms_gotype_get(p->go, t->of_map);
            ms_gotid slot = in_group(p, map, at);
            bool far = slot == map->elem ? map->map.elem_far : map->map.key_far;
            if (slot == 0 || far) return type; /* continued by next_region */
            type = slot;
        } else if (t->kind == MS_GO_STRUCT) {
            const struct ms_gofield *f = field_of(t, *at);
            if (!f) return 0;
            if (t->sync || quiet) {
                quiet = !(t->sync == MS_GO_SYNC_ENTRY && f->offset >= SYNC_KEY);
                if (!quiet) ms_gosteps_add(p, f->offset == SYNC_KEY ? "[key]" : "[*]");
                *at -= f->offset;
                type = f->type;
                continue;
            }
            ms_gosteps_addf(p, t->die && !t->rtype && t->die >> 61 ? "{%s}" : ".%s", f->name ? f->name : "?");
            bool wrapper = t->name && strncmp(t->name, "atomic.", 7) == 0; /* says nothing of whose it is */
            if (t->name && !wrapper && strncmp(t->name, "struct {", 8) != 0)
                p->owner = t->name, p->owner_depth = ms_gosteps_depth(p);
            *at -= f->offset;
            type = f->type;
        } else if (t->kind == MS_GO_ARRAY) {
            uint64_t size = ms_gotype_get(p->go, t->elem)->size;
            if (!size) return 0;
            if (!quiet) ms_gosteps_add_index(p, *at / size);
            *at %= size;
            type = t->elem;
        } else {
            return type;
        }
    }
    return 0;
}

/* ---- one step ---------------------------------------------------------------------------------- */

static struct ms_goregion untyped(struct ms_go *go, uint64_t word, uint64_t value) {
    struct ms_goregion r = {.type = ms_goguess_interface(go, word), .start = value};
    const struct ms_gotype *t = ms_gotype_get(go, r.type);
    if (t->direct) r.type = t->kind == MS_GO_POINTER ? t->elem : t->header;
    return r;
}

static struct ms_goregion of_interface(struct ms_gonaming *p, const struct ms_gotype *t, uint64_t word, uint64_t value) {
    uint64_t tag = word_at(p->go, word - 8);
    if (tag && !t->empty_interface) tag = word_at(p->go, tag + 8);
    ms_gotid dynamic = ms_gotype_at(p->go, tag);
    const struct ms_gotype *d = ms_gotype_get(p->go, dynamic);
    if (d->name) ms_gosteps_addf(p, ".(%s)", d->name);
    if (d->direct && d->kind == MS_GO_POINTER) dynamic = d->elem;
    if (d->direct && d->header) dynamic = d->header;
    if (d->direct && d->kind == MS_GO_FUNC) dynamic = ms_gotype_closure(p->go, word_at(p->go, value));
    return (struct ms_goregion){.type = dynamic, .start = value};
}

/* What the word of a value of that type points to. */
static struct ms_goregion next_region(struct ms_gonaming *p, ms_gotid type, uint64_t word, uint64_t at) {
    struct ms_go *go = p->go;
    const struct ms_gotype *t = ms_gotype_get(go, type);
    uint64_t value = word_at(go, word);
    struct ms_goregion r = {.start = value};
    switch (t->kind) {
    case MS_GO_POINTER: r.type = ms_gosync_node(go, t->elem, value); break;
    case MS_GO_SLICE: r.type = t->elem, r.many = true; break;
    case MS_GO_MAP:
    case MS_GO_CHAN: r.type = t->header; break;
    case MS_GO_FUNC: r.type = ms_gotype_closure(go, word_at(go, value)); break;
    case MS_GO_INTERFACE: return at == 8 ? of_interface(p, t, word, value) : r;
    case MS_GO_DIRECTORY: r.type = ms_gotype_made(go, MS_GO_TABLE, t->elem); break;
    case MS_GO_TABLE: r.type = ms_gotype_get(go, t->elem)->group; break;
    case MS_GO_CHAN_HEADER:
        ms_gosteps_add(p, "<-");
        r.type = ms_gotype_get(go, t->elem)->elem;
        r.many = true;
        break;
    case MS_GO_MAP_HEADER:
        r.type = ms_gotype_get(go, t->elem)->group;
        if (go->layout.swiss && word_at(go, word + 8)) r.type = ms_gotype_made(go, MS_GO_DIRECTORY, t->elem);
        break;
    case MS_GO_STRUCT: /* a bucket: the next one, or what lies outside of its slots */
        if (t->of_map) {
            const struct ms_gotype *map = ms_gotype_get(go, t->of_map);
            bool link = at >= map->map.elem_off + 7u * map->map.elem_stride + map->map.elem_slot;
            r.type = link ? type
                     : strcmp(ms_gosteps_last(p), "[key]") == 0 ? map->key
                                                                : map->elem;
        }
        break;
    default: return untyped(go, word, value);
    }
    return r;
}

/* Does the region hold the word?  If it is not known, perhaps its object says. */
static bool holds(struct ms_gonaming *p, struct ms_goregion *r, uint64_t word) {
    struct ms_go *go = p->go;
    struct ms_goarea *a = ms_goheap_find(go, word);
    uint64_t size = ms_gotype_get(go, r->type)->size;
    if (!a || a->kind != MS_GO_HEAP) return false;
    uint64_t base = ms_goarea_base(a, word);
    bool one = r->start >= base && r->start <= word;
    if (size && one && (word - r->start < size || r->many)) return true;
    const struct ms_gotype *t = ms_gotype_get(go, r->type);
    if (size && one && (t->of_map || t->kind == MS_GO_DIRECTORY)) return true;
    r->type = ms_goguess_object(go, a, base, &r->start);
    r->many = true;
    return ms_gotype_get(go, r->type)->size && word >= r->start;
}

static void step(struct ms_gonaming *p, struct ms_goregion *r, uint64_t word) {
    uint64_t start = 0;
    if (!holds(p, r, word)) {
        ms_goheap_object(p->go, word, &start);
        ms_gosteps_addf(p, "?+0x%" PRIx64, word - start);
        *r = untyped(p->go, word, word_at(p->go, word));
        return;
    }
    const struct ms_gotype *t = ms_gotype_get(p->go, r->type);
    uint64_t at = word - r->start;
    if (r->many && !t->of_map && t->kind < MS_GO_MAP_HEADER) {
        uint64_t base = 0, bytes = ms_goheap_object(p->go, word, &base);
        if (bytes >= 2 * t->size || at >= t->size) ms_gosteps_add_index(p, at / t->size);
    }
    at %= t->size;
    ms_gotid type = name_place(p, r->type, &at);
    *r = next_region(p, type, word, at);
}

/* ---- roots ------------------------------------------------------------------------------------- */

static const struct ms_goglobal *global_at(const struct ms_go *go, uint64_t addr) {
    size_t n = 0, low = 0;
    const struct ms_goglobal *g = go->dwarf ? ms_godwarf_globals(go->dwarf, &n) : NULL;
    for (size_t high = n; low < high;) {
        size_t mid = low + (high - low) / 2;
        if (g[mid].addr <= addr)
            low = mid + 1;
        else
            high = mid;
    }
    return low ? &g[low - 1] : NULL;
}

static bool in_global(struct ms_gonaming *p, uint64_t word, struct ms_goregion *r) {
    const struct ms_goglobal *g = global_at(p->go, word - p->go->bias);
    ms_gotid type = g ? ms_gotype_die(p->go, g->type) : 0;
    uint64_t at = g ? word - p->go->bias - g->addr : 0;
    if (type && at < ms_gotype_get(p->go, type)->size) {
        ms_gosteps_add(p, ms_godwarf_name(p->go->dwarf, g->name));
        type = name_place(p, type, &at);
        *r = next_region(p, type, word, at);
        return true;
    }
    return false;
}

/* In what a global points to within the data segments, perhaps by way of others. */
static bool in_static(struct ms_gonaming *p, uint64_t word, struct ms_goregion *r, unsigned depth) {
    const struct ms_golink *l = ms_gowalk_link(p->go, word);
    if (!l || depth == STATICS_MAX) return false;
    if (!in_global(p, l->word, r) && !in_static(p, l->word, r, depth + 1)) return false;
    uint64_t at = word - r->start, size = ms_gotype_get(p->go, r->type)->size;
    if (word < r->start || !size || (at >= size && !r->many)) {
        ms_gosteps_addf(p, "?+0x%" PRIx64, word - l->target);
        *r = untyped(p->go, word, word_at(p->go, word));
        return true;
    }
    if (r->many) ms_gosteps_add_index(p, at / size);
    at %= size;
    ms_gotid type = name_place(p, r->type, &at);
    *r = next_region(p, type, word, at);
    return true;
}

static void root_of_data(struct ms_gonaming *p, const struct ms_goarea *a, uint64_t word, struct ms_goregion *r) {
    if (in_global(p, word, r) || in_static(p, word, r, 0)) return;
    const struct ms_gomodule *m = &p->go->module[a->index];
    ms_gosteps_addf(p, "%s+0x%" PRIx64, a->start == m->bss ? "bss" : "data", word - a->start);
    *r = untyped(p->go, word, word_at(p->go, word));
}

static bool find_frame(struct ms_go *go, const struct ms_goroutine *g, uint64_t addr, struct ms_goframe *out) {
    uint64_t pc = g->pc, sp = g->sp;
    for (int i = 0; pc && i < FRAMES_MAX; i++) { /* goes up from the stack pointer, frame by frame */
        const struct ms_gomodule *m = ms_gomodule_of_text(go, pc);
        struct ms_gofunc f;
        uint32_t bytes;
        if (!m || !ms_gopclntab_find(&m->functions, pc, &f) ||
            !ms_gopclntab_frame(&m->functions, &f, pc, &bytes))
            break;
        uint64_t top = sp + bytes + 8;
        if (top <= sp || top > g->hi) break;
        if (addr < top) {
            *out = (struct ms_goframe){.sp = sp};
            if (!ms_gopclntab_name(&m->functions, &f, out->function, sizeof out->function)) break;
            if (!ms_gopclntab_line(&m->functions, &f, pc - (i > 0), out->file, sizeof out->file, &out->line))
                out->file[0] = 0;
            return true;
        }
        pc = word_at(go, top - 8);
        sp = top;
    }
    return false;
}

/* One word of a stack may hold a million maps: the last answer is kept. */
bool ms_gopath_frame(struct ms_go *go, const struct ms_goroutine *g, uint64_t addr, struct ms_goframe *out) {
    if (!go->frame_at || go->frame_at != addr) {
        go->frame_at = 0;
        if (!find_frame(go, g, addr, &go->frame)) return false;
        go->frame_at = addr;
    }
    *out = go->frame;
    return true;
}

static void name_frame(struct ms_gonaming *p, const struct ms_goroutine *g, uint64_t addr) {
    struct ms_goframe f;
    if (!ms_gopath_frame(p->go, g, addr, &f)) {
        ms_gosteps_addf(p, "goroutine %" PRIu64 " stack-0x%" PRIx64, g->id, g->hi - addr);
        return;
    }
    const char *slash = strrchr(f.file, '/');
    ms_gosteps_addf(p, "goroutine %" PRIu64 " %s %s:%u +0x%" PRIx64, g->id, f.function, slash ? slash + 1 : f.file,
         f.line, addr - f.sp);
}

static void root(struct ms_gonaming *p, const struct ms_goarea *a, uint64_t word, struct ms_goregion *r) {
    if (a->kind == MS_GO_DATA) {
        root_of_data(p, a, word, r);
        return;
    }
    name_frame(p, &p->go->routine[a->index], word);
    *r = untyped(p->go, word, word_at(p->go, word));
}

/* ---- the whole --------------------------------------------------------------------------------- */

/* A sync.Map is part of what the last word points to. */
static void name_end(struct ms_gonaming *p, struct ms_goregion *r, uint64_t end) {
    const struct ms_gotype *t = ms_gotype_get(p->go, r->type);
    uint64_t at = end - r->start;
    if ((t->kind != MS_GO_STRUCT && t->kind != MS_GO_ARRAY) || end < r->start || !t->size) return;
    if (t->of_map || t->sync) return;
    if (r->many && (at >= t->size)) ms_gosteps_add_index(p, at / t->size);
    at %= t->size;
    p->ends_inside = true;
    r->type = name_place(p, r->type, &at);
}

/* The first step: of word, in a root or in an object that the runtime holds; of the map itself where no word leads to it. */
static void name_root(struct ms_gonaming *p, const struct ms_goarea *a, uint64_t word, bool is_map) {
    if (!a || (is_map && a->kind == MS_GO_HEAP)) {
        ms_gosteps_add(p, "?");
    } else if (is_map && a->kind == MS_GO_STACK) {
        name_frame(p, &p->go->routine[a->index], word);
    } else if (a->kind == MS_GO_HEAP) { /* reached from outside of all areas */
        ms_gosteps_add(p, p->go->held_words ? "register, finalizer or cleanup " : "finalizer or cleanup ");
        p->region = (struct ms_goregion){.start = ms_goarea_base(a, word)};
        step(p, &p->region, word);
    } else {
        p->ends_inside = is_map;
        root(p, a, word, &p->region);
    }
}

char *ms_gopath_along(struct ms_go *go, const uint64_t *word, size_t n, uint64_t end, ms_gotid *type) {
    struct ms_gonaming p = {.go = go};
    uint64_t first = n ? word[n - 1] : end;
    ms_gosteps_drop(go);
    name_root(&p, ms_goheap_find(go, first), first, n == 0);
    for (size_t i = n; i-- > 1;) step(&p, &p.region, word[i - 1]);
    if (end && n && p.region.type) name_end(&p, &p.region, end);
    *type = p.region.type;
    return ms_gosteps_joined(&p);
}

char *ms_gopath(struct ms_go *go, const struct ms_gofound *f, char **place) {
    struct ms_gonaming p = {.go = go};
    const uint64_t *word;
    bool kept;
    ms_gosteps_drop(go);
    size_t n = ms_gosteps_back(&p, f->via, &word, &kept), i = n;
    uint64_t first = n ? word[n - 1] : f->header;
    if (kept)
        step(&p, &p.region, word[--i]);
    else
        name_root(&p, ms_goheap_find(go, first), first, n == 0), i -= n > 0;
    while (i-- > 0) {
        ms_gosteps_named(&p, i);
        step(&p, &p.region, word[i]);
    }
    if (n && p.region.type) name_end(&p, &p.region, f->header);
    if (place) *place = ms_gosteps_place(&p);
    return ms_gosteps_joined(&p);
}
