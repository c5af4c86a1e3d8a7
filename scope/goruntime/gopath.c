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
 * A step repeated more than thrice is counted: main.list.next(x4711).m.  Types of steps are found as the walk found them; memory may
 * have changed since, then a step is not typed, never wrong memory read: every word is read with its bounds.
 */
#include "goruntime.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEPS_MAX = 1 << 20,
    SHOWN_FIRST = 24,
    SHOWN_LAST = 8,
    DEPTH_MAX = 64,
    FRAMES_MAX = 1 << 16,
    STEP_ROOM = 256,
    SPELLED_OUT = 3,
    STATICS_MAX = 16,
    SYNC_KEY = 16 /* of the entry of a sync.Map */
};

/* Text that grows; at is NULL before the first put. */
struct text {
    char *at;
    size_t len, room;
};

/* Texts of steps, in order, each with its NUL; equal neighbours are counted. */
struct steps {
    struct step {
        size_t at, times;
    } * step;
    size_t count, room;
    struct text text;
};

/* What a word lies in, as far as it is known: elements of a type from a start on. */
struct region {
    ms_gotid type;
    uint64_t start;
    bool many; /* elements of a slice or channel: name the index */
};

struct path {
    struct ms_go *go;
    struct steps steps;
    const char *owner; /* name of the last struct type that had one; NULL: none yet */
    size_t owner_step; /* the step into its field */
    bool ends_inside;  /* the path is to a sync.Map, which is part of something */
};

static void put(struct text *t, const char *s) {
    size_t bytes = strlen(s) + 1;
    if (t->len + bytes > t->room) t->at = ms_grow(t->at, t->room = 2 * (t->len + bytes), 1);
    memcpy(t->at + t->len, s, bytes);
    t->len += bytes - 1;
}

static const char *text_of(const struct path *p, size_t step) { return p->steps.text.at + p->steps.step[step].at; }

static void add(struct path *p, const char *text) {
    struct steps *s = &p->steps;
    if (!*text) return;
    if (s->count && strcmp(text_of(p, s->count - 1), text) == 0) {
        s->step[s->count - 1].times++;
        return;
    }
    MS_ROOM(s->step, s->count, s->room);
    s->step[s->count++] = (struct step){s->text.len, 1};
    put(&s->text, text);
    s->text.len++;
}

static void addf(struct path *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void addf(struct path *p, const char *fmt, ...) {
    char text[STEP_ROOM];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    add(p, text);
}

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
static ms_gotid in_group(struct path *p, const struct ms_gotype *map, uint64_t *at) {
    const struct ms_gomaptype *m = &map->map;
    uint64_t elem_end = m->elem_off + 7 * (uint64_t)m->elem_stride + m->elem_slot;
    if (*at >= elem_end) return 0; /* the link to the next bucket */
    bool is_elem =
        *at >= m->elem_off && m->elem_stride && (*at - m->elem_off) % m->elem_stride < m->elem_slot;
    uint64_t off = is_elem ? m->elem_off : m->key_off, stride = is_elem ? m->elem_stride : m->key_stride;
    if (*at < off || !stride) return 0;
    *at = (*at - off) % stride;
    add(p, is_elem ? "[*]" : "[key]");
    return is_elem ? map->elem : map->key;
}

/* Name the place at offset `at` in a value of the type, down to the value whose word it is; *at: offset there. */
static ms_gotid name_place(struct path *p, ms_gotid type, uint64_t *at) {
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
                if (!quiet) add(p, f->offset == SYNC_KEY ? "[key]" : "[*]");
                *at -= f->offset;
                type = f->type;
                continue;
            }
            addf(p, t->die && !t->rtype && t->die >> 61 ? "{%s}" : ".%s", f->name ? f->name : "?");
            bool wrapper = t->name && strncmp(t->name, "atomic.", 7) == 0; /* says nothing of whose it is */
            if (t->name && !wrapper && strncmp(t->name, "struct {", 8) != 0)
                p->owner = t->name, p->owner_step = p->steps.count - 1;
            *at -= f->offset;
            type = f->type;
        } else if (t->kind == MS_GO_ARRAY) {
            uint64_t size = ms_gotype_get(p->go, t->elem)->size;
            if (!size) return 0;
            if (!quiet) addf(p, "[%" PRIu64 "]", *at / size);
            *at %= size;
            type = t->elem;
        } else {
            return type;
        }
    }
    return 0;
}

/* ---- one step ---------------------------------------------------------------------------------- */

static struct region untyped(struct ms_go *go, uint64_t word, uint64_t value) {
    struct region r = {.type = ms_goguess_interface(go, word), .start = value};
    const struct ms_gotype *t = ms_gotype_get(go, r.type);
    if (t->direct) r.type = t->kind == MS_GO_POINTER ? t->elem : t->header;
    return r;
}

static struct region of_interface(struct path *p, const struct ms_gotype *t, uint64_t word, uint64_t value) {
    uint64_t tag = word_at(p->go, word - 8);
    if (tag && !t->empty_interface) tag = word_at(p->go, tag + 8);
    ms_gotid dynamic = ms_gotype_at(p->go, tag);
    const struct ms_gotype *d = ms_gotype_get(p->go, dynamic);
    if (d->name) addf(p, ".(%s)", d->name);
    if (d->direct && d->kind == MS_GO_POINTER) dynamic = d->elem;
    if (d->direct && d->header) dynamic = d->header;
    if (d->direct && d->kind == MS_GO_FUNC) dynamic = ms_gotype_closure(p->go, word_at(p->go, value));
    return (struct region){.type = dynamic, .start = value};
}

/* What the word of a value of that type points to. */
static struct region next_region(struct path *p, ms_gotid type, uint64_t word, uint64_t at) {
    struct ms_go *go = p->go;
    const struct ms_gotype *t = ms_gotype_get(go, type);
    uint64_t value = word_at(go, word);
    struct region r = {.start = value};
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
        add(p, "<-");
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
                     : p->steps.count && strcmp(text_of(p, p->steps.count - 1), "[key]") == 0
                         ? map->key
                         : map->elem;
        }
        break;
    default: return untyped(go, word, value);
    }
    return r;
}

/* Does the region hold the word?  If it is not known, perhaps its object says. */
static bool holds(struct path *p, struct region *r, uint64_t word) {
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

static void step(struct path *p, struct region *r, uint64_t word) {
    uint64_t start = 0;
    if (!holds(p, r, word)) {
        ms_goheap_object(p->go, word, &start);
        addf(p, "?+0x%" PRIx64, word - start);
        *r = untyped(p->go, word, word_at(p->go, word));
        return;
    }
    const struct ms_gotype *t = ms_gotype_get(p->go, r->type);
    uint64_t at = word - r->start;
    if (r->many && !t->of_map && t->kind < MS_GO_MAP_HEADER) {
        uint64_t base = 0, bytes = ms_goheap_object(p->go, word, &base);
        if (bytes >= 2 * t->size || at >= t->size) addf(p, "[%" PRIu64 "]", at / t->size);
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

static bool in_global(struct path *p, uint64_t word, struct region *r) {
    const struct ms_goglobal *g = global_at(p->go, word - p->go->bias);
    ms_gotid type = g ? ms_gotype_die(p->go, g->type) : 0;
    uint64_t at = g ? word - p->go->bias - g->addr : 0;
    if (type && at < ms_gotype_get(p->go, type)->size) {
        add(p, g->name);
        type = name_place(p, type, &at);
        *r = next_region(p, type, word, at);
        return true;
    }
    return false;
}

/* In what a global points to within the data segments, perhaps by way of others. */
static bool in_static(struct path *p, uint64_t word, struct region *r, unsigned depth) {
    const struct ms_golink *l = ms_gowalk_link(p->go, word);
    if (!l || depth == STATICS_MAX) return false;
    if (!in_global(p, l->word, r) && !in_static(p, l->word, r, depth + 1)) return false;
    uint64_t at = word - r->start, size = ms_gotype_get(p->go, r->type)->size;
    if (word < r->start || !size || (at >= size && !r->many)) {
        addf(p, "?+0x%" PRIx64, word - l->target);
        *r = untyped(p->go, word, word_at(p->go, word));
        return true;
    }
    if (r->many) addf(p, "[%" PRIu64 "]", at / size);
    at %= size;
    ms_gotid type = name_place(p, r->type, &at);
    *r = next_region(p, type, word, at);
    return true;
}

static void root_of_data(struct path *p, const struct ms_goarea *a, uint64_t word, struct region *r) {
    if (in_global(p, word, r) || in_static(p, word, r, 0)) return;
    const struct ms_gomodule *m = &p->go->module[a->index];
    addf(p, "%s+0x%" PRIx64, a->start == m->bss ? "bss" : "data", word - a->start);
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

static void name_frame(struct path *p, const struct ms_goroutine *g, uint64_t addr) {
    struct ms_goframe f;
    if (!ms_gopath_frame(p->go, g, addr, &f)) {
        addf(p, "goroutine %" PRIu64 " stack-0x%" PRIx64, g->id, g->hi - addr);
        return;
    }
    const char *slash = strrchr(f.file, '/');
    addf(p, "goroutine %" PRIu64 " %s %s:%u +0x%" PRIx64, g->id, f.function, slash ? slash + 1 : f.file,
         f.line, addr - f.sp);
}

static void root(struct path *p, const struct ms_goarea *a, uint64_t word, struct region *r) {
    if (a->kind == MS_GO_DATA) {
        root_of_data(p, a, word, r);
        return;
    }
    name_frame(p, &p->go->routine[a->index], word);
    *r = untyped(p->go, word, word_at(p->go, word));
}

/* ---- the whole --------------------------------------------------------------------------------- */

/* The words from the map back to its root; returns how many, newest first. */
static size_t way_back(struct ms_go *go, uint64_t via, uint64_t **out) {
    uint64_t *word = NULL;
    size_t n = 0, room = 0;
    while (via && via != UINT32_MAX && n < STEPS_MAX) {
        struct ms_goarea *a;
        uint64_t addr = ms_goheap_word_at(go, via - 1, &a);
        if (!a) break;
        MS_ROOM(word, n, room);
        word[n++] = addr;
        via = a->kind == MS_GO_HEAP ? go->heap.from[ms_goarea_object(a, addr)] : 0;
    }
    *out = word;
    return n;
}

/* A step as all maps of its kind of place have it: without the number of an element or goroutine. */
static void put_alike(struct text *t, const char *step) {
    static const char routine[] = "goroutine ";
    if (step[0] == '[' && step[1] >= '0' && step[1] <= '9') {
        put(t, "[*]");
    } else if (strncmp(step, routine, sizeof routine - 1) == 0) {
        const char *rest = step + sizeof routine - 1;
        put(t, "goroutine *");
        put(t, rest + strspn(rest, "0123456789"));
    } else {
        put(t, step);
    }
}

/* What kind of place holds it: the field of the last named struct, or the whole path where there is none. */
static char *place_of(const struct path *p) {
    struct text t = {0};
    put(&t, p->owner ? p->owner : "");
    for (size_t i = p->owner ? p->owner_step : 0; i < p->steps.count; i++) put_alike(&t, text_of(p, i));
    return ms_grow(t.at, t.len + 1, 1);
}

static char *joined(const struct path *p) {
    const struct steps *s = &p->steps;
    struct text t = {0};
    char times[32];
    put(&t, "");
    for (size_t i = 0; i < s->count; i++) {
        if (s->count > SHOWN_FIRST + SHOWN_LAST && i == SHOWN_FIRST) {
            put(&t, "...");
            i = s->count - SHOWN_LAST;
        }
        const struct step *one = &s->step[i];
        for (size_t k = 0; k < one->times && (k == 0 || one->times <= SPELLED_OUT); k++) put(&t, text_of(p, i));
        if (one->times <= SPELLED_OUT) continue;
        snprintf(times, sizeof times, "(x%zu)", one->times);
        put(&t, times);
    }
    return ms_grow(t.at, t.len + 1, 1);
}

/* A sync.Map is part of what the last word points to. */
static void name_end(struct path *p, struct region *r, uint64_t end) {
    const struct ms_gotype *t = ms_gotype_get(p->go, r->type);
    uint64_t at = end - r->start;
    if ((t->kind != MS_GO_STRUCT && t->kind != MS_GO_ARRAY) || end < r->start || !t->size) return;
    if (t->of_map || t->sync) return;
    if (r->many && (at >= t->size)) addf(p, "[%" PRIu64 "]", at / t->size);
    at %= t->size;
    p->ends_inside = true;
    r->type = name_place(p, r->type, &at);
}

static char *along(struct ms_go *go, const uint64_t *word, size_t n, uint64_t end, ms_gotid *type, char **place) {
    struct path p = {.go = go};
    struct region r = {0};
    struct ms_goarea *a = ms_goheap_find(go, n ? word[n - 1] : end);
    if (n == 0 && a && a->kind == MS_GO_STACK)
        name_frame(&p, &go->routine[a->index], end);
    else if (n == 0 && a && a->kind == MS_GO_DATA) {
        p.ends_inside = true;
        root(&p, a, end, &r);
    } else if (n == 0 || !a)
        add(&p, "?");
    else if (a->kind == MS_GO_HEAP) { /* reached from outside of all areas */
        add(&p, go->held_words ? "register, finalizer or cleanup " : "finalizer or cleanup ");
        r = (struct region){.start = ms_goarea_base(a, word[n - 1])};
        step(&p, &r, word[n - 1]);
    } else
        root(&p, a, word[n - 1], &r);
    for (size_t i = n; i-- > 1;) step(&p, &r, word[i - 1]);
    if (end && n && r.type) name_end(&p, &r, end);
    *type = r.type;
    if (place) *place = place_of(&p);
    char *text = joined(&p);
    free(p.steps.step);
    free(p.steps.text.at);
    return text;
}

char *ms_gopath_along(struct ms_go *go, const uint64_t *word, size_t n, uint64_t end, ms_gotid *type) {
    return along(go, word, n, end, type, NULL);
}

char *ms_gopath(struct ms_go *go, const struct ms_gofound *f, char **place) {
    uint64_t *word;
    ms_gotid type;
    size_t n = way_back(go, f->via, &word);
    char *text = along(go, word, n, f->header, &type, place);
    free(word);
    return text;
}
