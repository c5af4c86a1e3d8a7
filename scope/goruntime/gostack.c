/* gostack.c - which words of a waiting goroutine's stack are pointers that are still needed.
 *
 * A frame holds much that its function no longer needs.  The compiler wrote down, for every call a function may wait in, which
 * words of its frame are pointers to be kept; the collector goes by that, and so does the walk.
 *
 *       sp  | arguments of what it called    that one's map tells |
 *           | spilled registers and the like               none   |
 *           | variables                      a bit a word         |
 *     varp  | saved frame pointer, return address                 |
 *     argp  | its own arguments and results  a bit a word         |  in its caller's frame
 *
 *   pc - 1 --pcdata 1--> number of the map --funcdata 0, 1--> | maps i32 | bits i32 | bits of each, in whole bytes |
 *
 * A variable whose address was taken is not among them: it is an object of its own (funcdata 2), alive if a live word leads to
 * it, perhaps through others.  So are the closures of deferred calls, which the goroutine's list of them leads to.
 *
 * Where that cannot be told every word of a frame may be a pointer: in assembler without maps, in what a signal interrupted and
 * its caller, in the rest of a stack that cannot be followed, in goroutines that run or went on while they were looked at.
 *
 * What a place in the code tells is kept: thousands of goroutines wait in few places.
 */
#include "goruntime.h"

#include <stdlib.h>
#include <string.h>

enum {
    PLACES = 4096,
    FRAMES_MAX = 1 << 16,
    OBJECTS_MAX = 1 << 16,
    FRAME_MOST = 1 << 28, /* bytes */
    DEFERS_MAX = 1 << 16,
    DEFER_FN = 24, /* in runtime._defer */
    NAME = 64,
    WORDS = 64
};
#if defined(__x86_64__) /* whose frames are as drawn; a target is of the machine the tool is built for */
enum { KNOWN_FRAMES = true };
#else
enum { KNOWN_FRAMES = false };
#endif

/* A record of a stack object, as the compiler writes it. */
struct record {
    int32_t offset, size,
        pointers;  /* from varp, from argp if not negative; pointers < 0: the mask is a program */
    uint32_t mask; /* from moduledata.rodata */
};

/* What is known of a code address where a function waits. */
struct ms_goplace {
    uint64_t pc;
    uint64_t locals_at, args_at, objects_at, rodata; /* locals_at, args_at: bits */
    uint32_t frame;                                  /* bytes from the stack pointer to the return address */
    uint32_t locals, args, objects;                  /* words that have bits */
    int32_t args_bytes;                              /* INT32_MIN: not known */
    bool found, told, last;                          /* told: it has maps; last: nothing called it */
    bool interrupted;                                /* its caller can be anywhere in its code */
};

struct object {
    uint64_t start, words, mask; /* mask 0: every word may be a pointer */
    bool alive;
};

/* The stack being told. */
struct stack {
    struct ms_go *go;
    const struct ms_goarea *area;
    uint64_t *mark;
    struct object *object; /* by address, once all are known */
    size_t objects, room;
    size_t *next; /* objects that are alive, whose words are not looked at yet */
    size_t next_count, next_room;
};

/* ---- places ------------------------------------------------------------------------------------- */

static bool take_bits(struct ms_go *go, const struct ms_gomodule *m, const struct ms_gofunc *f,
                      unsigned number, int32_t index, uint64_t most, uint64_t *at, uint32_t *words) {
    uint32_t offset;
    int32_t head[2];
    if (most == 0) return true;
    if (!ms_gopclntab_funcdata(&m->functions, f, number, &offset) || offset == UINT32_MAX) return false;
    if (!ms_gomem_read(go, m->gofunc + offset, head, sizeof head)) return false;
    if (head[0] <= 0 || head[1] < 0 || (uint64_t)head[1] > most) return false;
    *words = (uint32_t)head[1];
    *at = m->gofunc + offset + sizeof head + (uint64_t)index * ((*words + 7) / 8);
    return *words == 0 || index < head[0];
}

static bool take_objects(struct ms_go *go, const struct ms_gomodule *m, const struct ms_gofunc *f,
                         struct ms_goplace *p) {
    uint32_t offset;
    uint64_t count;
    if (!ms_gopclntab_funcdata(&m->functions, f, MS_GOFUNCDATA_OBJECTS, &offset)) return false;
    if (offset == UINT32_MAX) return true;
    if (!ms_gomem_word(go, m->gofunc + offset, &count) || count > OBJECTS_MAX) return false;
    p->objects = (uint32_t)count;
    p->objects_at = m->gofunc + offset + sizeof count;
    p->rodata = m->rodata;
    return true;
}

static bool take_maps(struct ms_go *go, const struct ms_gomodule *m, const struct ms_gofunc *f,
                      struct ms_goplace *p) {
    int32_t index = 0;
    uint64_t locals =
        p->frame > MS_GO_PTR ? p->frame / MS_GO_PTR - 1 : 0; /* without the saved frame pointer */
    if (p->args_bytes < 0) return false;
    if (p->pc != f->entry && !ms_gopclntab_pcdata(&m->functions, f, MS_GOPCDATA_STACKMAP, p->pc - 1, &index))
        return false;
    if (index < 0) index = 0; /* as at its entry */
    return take_bits(go, m, f, MS_GOFUNCDATA_LOCALS, index, locals, &p->locals_at, &p->locals) &&
           take_bits(go, m, f, MS_GOFUNCDATA_ARGS, index, (uint64_t)p->args_bytes / MS_GO_PTR, &p->args_at,
                     &p->args) &&
           take_objects(go, m, f, p);
}

static bool is_one_of(const char *name, const char *const *names) {
    for (; *names; names++)
        if (strcmp(name, *names) == 0) return true;
    return false;
}

static struct ms_goplace look_up(struct ms_go *go, uint64_t pc) {
    static const char *const interrupting[] = {"runtime.asyncPreempt", "runtime.debugCallV1",
                                               "runtime.debugCallV2", NULL},
                             *const faults[] = {"runtime.sigpanic", "runtime.sigpanic0", NULL},
                             *const stubs[] = {"reflect.makeFuncStub", "reflect.methodValueCall", NULL};
    struct ms_goplace p = {.pc = pc, .args_bytes = INT32_MIN};
    const struct ms_gomodule *m = ms_gomodule_of_text(go, pc);
    struct ms_gofunc f;
    char name[NAME];
    if (!m || !ms_gopclntab_find(&m->functions, pc, &f) ||
        !ms_gopclntab_frame(&m->functions, &f, pc, &p.frame) || p.frame % MS_GO_PTR || p.frame > FRAME_MOST)
        return p;
    if (!ms_gopclntab_name(&m->functions, &f, name, sizeof name) && !memchr(name, 0, sizeof name)) return p;
    if (!ms_gopclntab_args(&m->functions, &f, &p.args_bytes) || p.args_bytes > FRAME_MOST)
        p.args_bytes = INT32_MIN;
    p.found = true;
    p.last = strcmp(name, "runtime.goexit") == 0;
    bool interrupts = is_one_of(name, interrupting);
    p.interrupted = interrupts || is_one_of(name, faults);
    p.told = !interrupts && !is_one_of(name, stubs) && take_maps(go, m, &f, &p);
    return p;
}

static const struct ms_goplace *place_of(struct ms_go *go, uint64_t pc) {
    if (!go->place) go->place = ms_alloc(PLACES * sizeof *go->place);
    struct ms_goplace *p = &go->place[(pc * UINT64_C(0x9e3779b97f4a7c15) >> 32) % PLACES];
    if (p->pc != pc) *p = look_up(go, pc);
    return p;
}

/* ---- marks: two bits a word ---------------------------------------------------------------------- */

enum { MARKS_PER_WORD = 32 };

static void put(struct stack *s, uint64_t addr, enum ms_goword kind) {
    uint64_t i = (addr - s->area->start) / MS_GO_PTR;
    if (addr >= s->area->start && addr < s->area->end)
        s->mark[i / MARKS_PER_WORD] |= (uint64_t)kind << (2 * (i % MARKS_PER_WORD));
}

static enum ms_goword mark_at(const uint64_t *mark, uint64_t i) {
    unsigned bits = mark[i / MARKS_PER_WORD] >> (2 * (i % MARKS_PER_WORD)) & 3;
    return bits & MS_GO_LIVE ? MS_GO_LIVE : (enum ms_goword)bits;
}

static void put_all(struct stack *s, uint64_t from, uint64_t to) {
    to = ms_min(to, s->area->end);
    for (uint64_t at = from; at < to; at += MS_GO_PTR) put(s, at, MS_GO_MAYBE);
}

/* Words from `from` on whose bits are set; if those cannot be read, all of them. */
static void put_bits(struct stack *s, uint64_t from, uint64_t words, uint64_t bits) {
    for (uint64_t i = 0; i < words; i += WORDS) {
        uint64_t mask = 0, n = ms_min(WORDS, words - i);
        if (!ms_gomem_read(s->go, bits + i / 8, &mask, (size_t)(n + 7) / 8)) {
            put_all(s, from + i * MS_GO_PTR, from + words * MS_GO_PTR);
            return;
        }
        for (; mask; mask &= mask - 1) {
            uint64_t k = i + (unsigned)__builtin_ctzll(mask);
            if (k < words) put(s, from + k * MS_GO_PTR, MS_GO_LIVE);
        }
    }
}

/* ---- frames -------------------------------------------------------------------------------------- */

static void add_objects(struct stack *s, const struct ms_goplace *p, uint64_t sp, uint64_t varp,
                        uint64_t argp) {
    struct record r;
    for (uint32_t i = 0; i < p->objects && s->objects < OBJECTS_MAX && ms_go_afford(s->go); i++) {
        if (!ms_gomem_read(s->go, p->objects_at + i * sizeof r, &r, sizeof r)) break;
        uint64_t start = (r.offset < 0 ? varp : argp) + (uint64_t)(int64_t)r.offset;
        uint64_t bytes = (uint64_t)(r.pointers < 0 ? -(int64_t)r.pointers : r.pointers);
        if (start < sp || start % MS_GO_PTR || start >= s->area->end || bytes > s->area->end - start)
            continue;
        MS_ROOM(s->object, s->objects, s->room);
        s->object[s->objects++] = (struct object){
            .start = start, .words = bytes / MS_GO_PTR, .mask = r.pointers > 0 ? p->rodata + r.mask : 0};
    }
}

/* One frame; told: by maps.  below: it called something whose arguments, in this frame, nobody tells of. */
static void take_frame(struct stack *s, const struct ms_goplace *p, uint64_t sp, bool told, bool below) {
    uint64_t end = sp + p->frame, argp = end + MS_GO_PTR, varp = p->frame ? end - MS_GO_PTR : end;
    if (!told) {
        put_all(s, sp, end);
        if (p->args_bytes > 0) put_all(s, argp, argp + (uint32_t)p->args_bytes);
        return;
    }
    uint64_t locals = varp - (uint64_t)p->locals * MS_GO_PTR;
    if (below) put_all(s, sp, locals);
    put_bits(s, locals, p->locals, p->locals_at);
    put_bits(s, argp, p->args, p->args_at);
    add_objects(s, p, sp, varp, argp);
}

static void follow(struct stack *s, uint64_t pc, uint64_t sp) {
    bool told = true, below = false;
    for (int i = 0; i < FRAMES_MAX; i++) {
        const struct ms_goplace *p = place_of(s->go, pc);
        uint64_t next = sp + p->frame + MS_GO_PTR;
        if (p->last) return;
        if (!p->found || next > s->area->end) break;
        told = told && p->told;
        take_frame(s, p, sp, told, below);
        below = p->args_bytes < 0;
        told = !p->interrupted;
        if (!ms_gomem_word(s->go, next - MS_GO_PTR, &pc)) break;
        sp = next;
    }
    put_all(s, sp, s->area->end);
}

/* ---- stack objects ------------------------------------------------------------------------------- */

static int by_start(const void *a, const void *b) {
    const struct object *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

/* A word with that value is alive: so is the object it points to. */
static void point(struct stack *s, uint64_t value) {
    size_t low = 0, high = s->objects;
    if (value < s->area->start || value >= s->area->end) return;
    while (low < high) { /* the first object behind value */
        size_t mid = low + (high - low) / 2;
        if (s->object[mid].start <= value)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == 0 || s->object[low - 1].alive) return;
    s->object[low - 1].alive = true;
    MS_ROOM(s->next, s->next_count, s->next_room);
    s->next[s->next_count++] = low - 1;
}

static void point_from(struct stack *s, uint64_t word) {
    uint64_t value;
    if (ms_gomem_word(s->go, word, &value)) point(s, value);
}

static void drain(struct stack *s, enum ms_goword kind) {
    while (s->next_count) {
        const struct object *o = &s->object[s->next[--s->next_count]];
        for (uint64_t i = 0; i < o->words && ms_go_afford(s->go); i++) {
            uint8_t byte = 0xff;
            if (o->mask && !ms_gomem_read(s->go, o->mask + i / 8, &byte, 1)) byte = 0xff;
            if (!(byte >> (i % 8) & 1)) continue;
            put(s, o->start + i * MS_GO_PTR, kind);
            point_from(s, o->start + i * MS_GO_PTR);
        }
    }
}

/* Records of deferred calls lie in frames or in the heap; a panic in the frame of who raised it. */
static void point_from_routine(struct stack *s, const struct ms_goroutine *r) {
    struct ms_go *go = s->go;
    uint64_t defer, link = DEFER_FN + (go->build.minor >= 22 ? 8 : 16);
    point_from(s,
               r->at + go->layout.g_sp - 3 * MS_GO_PTR); /* g._panic, _defer, m, sched.sp in every version */
    if (!ms_gomem_word(go, r->at + go->layout.g_sp - 2 * MS_GO_PTR, &defer)) return;
    for (int i = 0; defer && defer % MS_GO_PTR == 0 && i < DEFERS_MAX && ms_go_afford(go); i++) {
        put(s, defer + DEFER_FN, MS_GO_LIVE);
        point_from(s, defer + DEFER_FN);
        if (!ms_gomem_word(go, defer + link, &defer)) return;
    }
}

static void take_objects_alive(struct stack *s, const struct ms_goroutine *r) {
    static const enum ms_goword kinds[] = {MS_GO_LIVE, MS_GO_MAYBE};
    uint64_t words = (s->area->end - s->area->start) / MS_GO_PTR;
    if (s->objects) qsort(s->object, s->objects, sizeof *s->object, by_start);
    point_from_routine(s, r);
    for (size_t k = 0; k < 2 && s->objects; k++) {
        for (uint64_t i = 0; i < words; i++)
            if (mark_at(s->mark, i) == kinds[k]) point_from(s, s->area->start + i * MS_GO_PTR);
        drain(s, kinds[k]);
    }
}

/* ---- the whole ----------------------------------------------------------------------------------- */

void ms_gostack_load(struct ms_go *go) {
    struct stack s = {.go = go};
    go->marks = 0;
    for (size_t i = 0; i < go->heap.areas && !go->gone; i++) {
        const struct ms_goarea *a = s.area = &go->heap.area[i];
        struct ms_goroutine *r = a->kind == MS_GO_STACK ? &go->routine[a->index] : NULL;
        if (!r || !r->waits || !KNOWN_FRAMES) continue;
        size_t need = (size_t)((a->end - a->start) / MS_GO_PTR / MARKS_PER_WORD + 1);
        while (go->mark_room < go->marks + need) {
            go->mark_room = go->mark_room ? 2 * go->mark_room : 1024;
            go->mark = ms_grow(go->mark, go->mark_room, sizeof *go->mark);
        }
        s.mark = go->mark + go->marks;
        memset(s.mark, 0, need * sizeof *s.mark);
        s.objects = s.next_count = 0;
        follow(&s, r->pc, r->sp);
        take_objects_alive(&s, r);
        r->mark = go->marks;
        go->marks += need;
        r->told = true;
    }
    free(s.object);
    free(s.next);
}

enum ms_goword ms_gostack_word(const struct ms_go *go, const struct ms_goarea *a, uint64_t word) {
    const struct ms_goroutine *r = &go->routine[a->index];
    return r->told ? mark_at(go->mark + r->mark, (word - a->start) / MS_GO_PTR) : MS_GO_MAYBE;
}

void ms_gostack_close(struct ms_go *go) {
    free(go->place);
    free(go->mark);
    go->place = NULL;
    go->mark = NULL;
    go->marks = go->mark_room = 0;
}
