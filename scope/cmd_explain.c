/* cmd_explain.c - `mapscope explain TARGET [ADDR]`: what an address is; without one, what the fault address and the
 * registers of a process that crashed are.
 *
 *   addresses --> pieces of all maps: headers and arrays first, which costs some reads a map
 *             --> still unknown and mapped: what hangs off the slots, for which tables are read whole
 *             --> no piece: the flight recorder's list of what was given up; the program's variables, stacks, objects
 *
 * Every address is looked for in the same pass.
 */
#include "cmd.h"

#include "goruntime/goruntime.h"
#include "reader/core.h"
#include "reader/regions.h"
#include "view/explain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/user.h>

enum { ADDRESSES_MOST = 40 };

struct search {
    struct ms_cmd *cmd;
    struct ms_session *s;
    struct ms_snapshot *snap;
    struct ms_explained item[ADDRESSES_MOST];
    size_t items;
    struct ms_crash crash;
    struct ms_regions regions;
    struct ms_places *places; /* of C programs */
    const struct ms_map *map; /* whose pieces are being told */
};

/* ---- which addresses --------------------------------------------------------------------------- */

static void want(struct search *f, const char *label, uint64_t addr) {
    if (f->items < ADDRESSES_MOST)
        f->item[f->items++] = (struct ms_explained){.label = label, .addr = addr, .place = {.slot = -1}};
}

#if defined(__x86_64__)
#define REG(name)                                                                                            \
    { #name, offsetof(struct user_regs_struct, name) }
static const struct {
    const char *name;
    size_t offset;
} registers[] = {REG(rip), REG(rsp), REG(rbp), REG(rax), REG(rbx), REG(rcx), REG(rdx), REG(rsi), REG(rdi),
                 REG(r8),  REG(r9),  REG(r10), REG(r11), REG(r12), REG(r13), REG(r14), REG(r15)};
enum { REGISTERS = sizeof registers / sizeof *registers };
static const char *register_name(size_t i) { return registers[i].name; }
static uint64_t register_value(const struct user_regs_struct *r, size_t i) {
    uint64_t v;
    memcpy(&v, (const char *)r + registers[i].offset, sizeof v);
    return v;
}
#else
enum { REGISTERS = 33 };
static const char *register_name(size_t i) {
    static const char *const name[REGISTERS] = {"x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",  "x8",
                                                "x9",  "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",
                                                "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26",
                                                "x27", "x28", "x29", "x30", "sp",  "pc"};
    return name[i];
}
static uint64_t register_value(const struct user_regs_struct *r, size_t i) {
    return i < 31 ? r->regs[i] : i == 31 ? r->sp : r->pc;
}
#endif

/* The signal, and the registers of the thread it ended. */
static int want_crash(struct search *f, struct ms_error *err) {
    const struct ms_core *c = f->s->process.core;
    if (!c)
        return ms_fail(err, MS_USAGE,
                       "explain: a live process has no fault: give an address, as 0x7f12a4021088");
    const siginfo_t *g = &c->elf.signal;
    f->crash.signal = g->si_signo;
    f->crash.code = g->si_code;
    f->crash.thread = c->elf.threads ? c->elf.thread[0].tid : 0;
    if (!f->crash.signal && c->elf.threads) f->crash.signal = c->elf.thread[0].signal;
    bool fault = g->si_signo == SIGSEGV || g->si_signo == SIGBUS;
    f->crash.has_addr = fault && g->si_code > 0 && g->si_code < SI_KERNEL;
    f->crash.addr = (uintptr_t)g->si_addr;
    if (f->crash.has_addr) want(f, "fault", f->crash.addr);
    if (!c->elf.threads) {
        if (f->crash.has_addr) return MS_OK;
        return ms_fail(err, MS_UNCERTAIN, "core file %s tells neither a fault address nor registers",
                       c->path);
    }
    struct user_regs_struct regs;
    _Static_assert(sizeof regs <= sizeof c->elf.thread[0].reg, "the kernel's registers");
    memcpy(&regs, c->elf.thread[0].reg, sizeof regs);
    for (size_t i = 0; i < REGISTERS; i++) want(f, register_name(i), register_value(&regs, i));
    return MS_OK;
}

/* A Go program gets its faults itself, and ends by another signal: the goroutine knows the first one. */
static void want_panic(struct search *f) {
    struct ms_go *go = f->s->go;
    uint64_t sig_at, addr_at, pc_at;
    if (!go || !go->dwarf || f->crash.has_addr || !ms_godwarf_field(go->dwarf, "runtime.g", "sig", &sig_at) ||
        !ms_godwarf_field(go->dwarf, "runtime.g", "sigcode1", &addr_at) ||
        !ms_godwarf_field(go->dwarf, "runtime.g", "sigpc", &pc_at))
        return;
    for (size_t i = 0; i < go->routines && f->items + 2 <= ADDRESSES_MOST; i++) {
        uint64_t g = go->routine[i].at, addr, pc;
        uint32_t sig;
        if (ms_read(go->reader, g + sig_at, &sig, sizeof sig) != MS_READ_OK ||
            (sig != SIGSEGV && sig != SIGBUS) ||
            ms_read(go->reader, g + addr_at, &addr, sizeof addr) != MS_READ_OK ||
            ms_read(go->reader, g + pc_at, &pc, sizeof pc) != MS_READ_OK)
            continue;
        f->crash.goroutine = go->routine[i].id;
        f->crash.go_signal = (int)sig;
        f->crash.addr = addr;
        f->crash.has_addr = true;
        memmove(f->item + 2, f->item, f->items * sizeof *f->item);
        f->item[0] = (struct ms_explained){.label = "fault", .addr = addr, .place = {.slot = -1}};
        f->item[1] = (struct ms_explained){.label = "pc", .addr = pc, .place = {.slot = -1}};
        f->items += 2;
        return;
    }
}

static int parse_address(const char *text, uint64_t *out, struct ms_error *err) {
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 0);
    if (end == text || *end || errno || *text == '-' || *text == '+' || *text == ' ')
        return ms_fail(err, MS_USAGE, "explain: '%s' is not an address, as 0x7f12a4021088", text);
    return MS_OK;
}

/* ---- in maps ----------------------------------------------------------------------------------- */

static bool take_piece(void *ctx, const struct ms_piece *p) {
    struct search *f = ctx;
    for (size_t i = 0; i < f->items; i++) {
        struct ms_place place;
        if (f->item[i].addr - p->addr >= p->len) continue;
        ms_view_place(f->map, p, f->item[i].addr, &place);
        if (!f->item[i].place.map || ms_view_place_better(&place, &f->item[i].place))
            f->item[i].place = place;
    }
    return true;
}

static int search_maps(struct search *f, bool deep, struct ms_error *err) {
    for (size_t i = 0; i < f->snap->maps; i++) {
        f->map = &f->snap->map[i];
        int status = ms_map_pieces(&f->s->process.reader, f->snap, f->map, deep, take_piece, f, err);
        if (status == MS_GONE) { /* of all, or of this map only? */
            status = ms_process_check(&f->s->process, err);
            if (status) return status;
        }
        if (status && deep) { /* without that, one that was freed, or is damaged, which the list has said */
            char id[64];
            ms_map_id(f->map, id);
            ms_snapshot_note(f->snap, "map %s was not looked at as a whole: %s", id, err->line);
        }
        err->line[0] = 0;
    }
    return MS_OK;
}

/* Could a key or value out of line, a string or a chain node lie there? */
static bool could_hang(const struct search *f, const struct ms_explained *e) {
    if (e->place.map && e->place.piece.kind != MS_PIECE_POOL && e->place.piece.kind != MS_PIECE_SPARE)
        return false;
    if (!e->region.mapped || (*e->region.name && e->region.name[0] != '[')) return false; /* a file's */
    if (!f->places) return true;
    char *name = NULL;
    enum ms_root root = ms_places_name(f->places, e->addr, &name);
    free(name);
    return root == MS_ROOT_HEAP;
}

static void read_states(struct search *f) {
    for (size_t i = 0; i < f->items; i++) {
        struct ms_place *p = &f->item[i].place;
        uint8_t tag;
        if (p->map && p->tag_addr && ms_read(&f->s->process.reader, p->tag_addr, &tag, 1) == MS_READ_OK)
            p->state = ms_view_slot_state(p->map, tag);
    }
}

/* ---- given up ---------------------------------------------------------------------------------- */

static const struct ms_map *living(const struct ms_snapshot *s, const struct ms_event *e) {
    for (size_t i = 0; i < s->maps; i++)
        if (s->map[i].id == e->map_id && s->map[i].copy == e->copy && !ms_map_of_go(&s->map[i]))
            return &s->map[i];
    return NULL;
}

static bool was_freed(const struct ms_event *event, size_t n, uint64_t map_id) {
    for (size_t i = 0; i < n; i++)
        if (event[i].map_id == map_id && ms_event_freed(&event[i])) return true;
    return false;
}

static int search_retired(struct search *f, struct ms_error *err) {
    for (uint32_t copy = 0; copy < f->snap->copies; copy++) {
        struct ms_event *event;
        size_t n;
        int status = ms_gomap_ring(&f->s->process.reader, &f->snap->copy[copy], copy, 0, &event, &n, err);
        for (size_t i = 0; i < n; i++) {
            uint64_t addr, bytes;
            bool header;
            if (!ms_event_gave_up(&event[i], &addr, &bytes, &header)) continue;
            for (size_t k = 0; k < f->items; k++)
                if (f->item[k].addr - addr < bytes && !f->item[k].place.map)
                    f->item[k].retired = (struct ms_retired){.map_id = event[i].map_id,
                                                             .addr = addr,
                                                             .bytes = bytes,
                                                             .time_ns = event[i].time_ns,
                                                             .ticket = event[i].ticket,
                                                             .map = living(f->snap, &event[i]),
                                                             .copy = copy,
                                                             .header = header,
                                                             .freed = was_freed(event, n, event[i].map_id)};
        }
        free(event);
        if (status) return status;
    }
    return MS_OK;
}

/* ---- mappings and what the program has there --------------------------------------------------- */

static void find_region(const struct ms_regions *all, uint64_t addr, struct ms_region *out) {
    size_t i = ms_regions_until(all, addr);
    const struct ms_mapped *below = i ? &all->mapped[i - 1] : NULL,
                           *above = i < all->count ? &all->mapped[i] : NULL;
    *out = (struct ms_region){.mapped = below && addr < below->end};
    if (out->mapped) {
        out->start = below->start, out->end = below->end, out->name = ms_strdup(below->name);
        memcpy(out->perms, below->perms, sizeof out->perms);
        return;
    }
    out->start = below ? below->end : 0, out->end = above ? above->start : UINT64_MAX;
    out->below = below ? ms_strdup(below->name) : NULL, out->above = above ? ms_strdup(above->name) : NULL;
}

static char *name_function(struct ms_go *go, uint64_t pc) {
    const struct ms_gomodule *m = ms_gomodule_of_text(go, pc);
    struct ms_gofunc fn;
    char name[256], file[1024];
    unsigned line = 0;
    if (!m || !ms_gopclntab_find(&m->functions, pc, &fn) ||
        !ms_gopclntab_name(&m->functions, &fn, name, sizeof name))
        return NULL;
    if (!ms_gopclntab_line(&m->functions, &fn, pc, file, sizeof file, &line))
        return ms_asprintf("code of %s", name);
    return ms_asprintf("code of %s, %s:%u", name, file, line);
}

static char *name_object(struct ms_go *go, const struct ms_goarea *a, uint64_t addr) {
    uint64_t base = ms_goarea_base(a, addr), at = 0;
    ms_gotid type = a->noscan || ms_goheap_is_free(go, a, base) ? 0 : ms_goguess_object(go, a, base, &at);
    const struct ms_gotype *t = ms_gotype_get(go, type);
    return ms_asprintf("%s of %" PRIu64 " bytes in Go's heap%s%s, byte %" PRIu64 " of it",
                       ms_goheap_is_free(go, a, base) ? "free object"
                       : a->noscan                    ? "object without pointers"
                                                      : "object",
                       a->elem, type && t->name ? ", a " : "", type && t->name ? t->name : "", addr - base);
}

static char *name_go(struct ms_go *go, uint64_t addr) {
    const struct ms_goarea *a = ms_goheap_find(go, addr);
    struct ms_goframe frame;
    if (!a) return name_function(go, addr);
    if (a->kind == MS_GO_HEAP) return name_object(go, a, addr);
    if (a->kind == MS_GO_DATA) return ms_strdup("data of the Go program");
    const struct ms_goroutine *g = &go->routine[a->index];
    if (!ms_gopath_frame(go, g, addr, &frame) || !*frame.function)
        return ms_asprintf("stack of goroutine %" PRIu64 "%s", g->id,
                           addr < g->sp ? ", below its pointer" : "");
    return ms_asprintf("stack of goroutine %" PRIu64 ", frame of %s", g->id, frame.function);
}

static char *name_c(struct ms_places *p, uint64_t addr) {
    char *name = NULL, *text = NULL;
    switch (ms_places_name(p, addr, &name)) {
    case MS_ROOT_GLOBAL: text = ms_asprintf("variable %s", name); break;
    case MS_ROOT_REGISTRY: text = ms_strdup("gomap's registry of maps"); break;
    case MS_ROOT_STACK:
    case MS_ROOT_DEAD: text = name, name = NULL; break;
    default: break;
    }
    free(name);
    return text;
}

static void name_objects(struct search *f) {
    for (size_t i = 0; i < f->items; i++) {
        struct ms_explained *e = &f->item[i];
        if (!e->region.mapped) continue;
        bool on_stack = e->place.map && e->place.piece.kind == MS_PIECE_HEADER;
        if (e->place.map && !on_stack) continue;
        char *text = f->s->go ? name_go(f->s->go, e->addr) : f->places ? name_c(f->places, e->addr) : NULL;
        if (text && on_stack && !strstr(text, "stack"))
            free(text), text = NULL; /* what else a header lies in is no news */
        e->object = text;
    }
}

/* ---- the whole --------------------------------------------------------------------------------- */

static int search(struct search *f, struct ms_error *err) {
    bool deep = false;
    int status = ms_regions_load(&f->s->process, &f->regions, err);
    if (status == MS_OK && !f->s->go) status = ms_places_open(f->s, &f->places, err);
    for (size_t i = 0; i < f->items; i++) find_region(&f->regions, f->item[i].addr, &f->item[i].region);
    if (status == MS_OK) status = search_maps(f, false, err);
    for (size_t i = 0; i < f->items && status == MS_OK; i++) deep = deep || could_hang(f, &f->item[i]);
    if (status == MS_OK && deep) status = search_maps(f, true, err);
    if (status == MS_OK) status = search_retired(f, err);
    if (status == MS_OK) {
        read_states(f);
        name_objects(f);
    }
    return status;
}

static void end(struct search *f) {
    for (size_t i = 0; i < f->items; i++) {
        free(f->item[i].region.name);
        free(f->item[i].region.below);
        free(f->item[i].region.above);
        free(f->item[i].object);
    }
    ms_places_close(f->places);
    ms_regions_free(&f->regions);
}

int ms_cmd_explain(struct ms_cmd *cmd, struct ms_error *err) {
    struct ms_session s;
    struct ms_snapshot snap;
    uint64_t addr = 0;
    struct search f = {.cmd = cmd, .s = &s, .snap = &snap};
    ms_snapshot_init(&snap);
    int status = cmd->map ? parse_address(cmd->map, &addr, err) : MS_OK;
    if (status) return status;
    status = ms_session_open(&s, cmd, err);
    if (status == MS_OK && s.rec) status = ms_rec_lacks(s.rec, "the memory of the process", NULL, err);
    if (status == MS_OK && cmd->map) want(&f, NULL, addr);
    if (status == MS_OK && !cmd->map) status = want_crash(&f, err);
    if (status == MS_OK) status = ms_session_look(cmd, &s, false, &snap, err);
    if (status == MS_OK && !cmd->map) want_panic(&f);
    if (status == MS_OK) status = search(&f, err);
    if (status == MS_OK) status = ms_session_thaw(cmd, &s, &snap, err);
    if (status == MS_OK) status = ms_process_check(&s.process, err);
    if (status == MS_OK) {
        cmd->documented = cmd->json;
        if (cmd->json) {
            ms_json_explain(cmd->out, &snap, cmd->map ? NULL : &f.crash, f.item, f.items);
        } else {
            ms_table_target(cmd->out, &cmd->style, &snap);
            ms_table_explain(cmd->out, &cmd->style, &snap, cmd->map ? NULL : &f.crash, f.item, f.items);
        }
        status = ms_session_verdict(cmd, &snap, err);
    }
    end(&f);
    ms_snapshot_free(&snap);
    ms_session_close(&s);
    return status;
}
