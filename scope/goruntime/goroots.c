/* goroots.c - where a walk starts: data segments and goroutine stacks.
 *
 *   data, bss   areas with one mask bit per word, which the linker wrote for the collector
 *   specials    records on single objects, among them the finalizers and cleanups with their closures
 *   stacks      of every goroutine that has one: from its stack pointer, as far as that is known, to its top
 *
 * The stack pointer is kept where a goroutine waits (sched.sp) or is in a system call (syscallsp).  One that runs has
 * none outside its registers, which cannot be read without stopping it: its whole stack is looked at, and what dead
 * frames left there may be taken for alive.
 *
 * Which words of frames are pointers gostack.c tells, where the compiler does; others are taken for pointers if they point to
 * an object that is not free.
 */
#include "goruntime.h"

#include <stdlib.h>
#include <string.h>

enum {
    G_BYTES = 512,
    HEADER = 48, /* of a map */
    BATCH = 1024,
    PROCESSORS_MAX = 1 << 16,
    IDLE = 0,
    RUNNING = 2,
    SYSCALL = 3,
    DEAD = 6,
    DEAD_EXTRA = 10,
    SCAN_BIT = 0x1000
};
#define ROUTINES_MAX (UINT64_C(1) << 26)
#define SPECIALS_MAX (UINT64_C(1) << 24)
#define STACK_MAX    (UINT64_C(1) << 30)
#define SEGMENT_BITS (UINT64_C(1) << 33)

static void add_area(struct ms_go *go, uint64_t start, uint64_t end, unsigned kind, size_t index) {
    struct ms_goheap *h = &go->heap;
    if (end <= start) return;
    MS_ROOM(h->area, h->areas, h->room);
    h->area[h->areas++] = (struct ms_goarea){
        .start = start, .end = end, .elem = end - start, .kind = (uint8_t)kind, .index = (uint32_t)index};
}

/* ---- goroutines -------------------------------------------------------------------------------- */

static uint64_t get(const uint8_t *raw, uint32_t at) {
    uint64_t v = 0;
    if (at <= G_BYTES - sizeof v) memcpy(&v, raw + at, sizeof v);
    return v;
}

/* Where the stack of a running goroutine ends is known of threads that are held. */
static uint64_t held_sp(const struct ms_go *go, uint64_t lo, uint64_t hi) {
    for (size_t i = 0; i < go->held_sps; i++)
        if (go->held_sp[i] >= lo && go->held_sp[i] < hi) return go->held_sp[i] & ~UINT64_C(7);
    return lo;
}

/* A goroutine that has a stack with something on it. */
static bool parse_routine(const struct ms_go *go, uint64_t at, const uint8_t *raw, struct ms_goroutine *r) {
    const struct ms_golayout *l = &go->layout;
    uint32_t status = (uint32_t)get(raw, l->g_status) & ~(uint32_t)SCAN_BIT;
    *r = (struct ms_goroutine){.at = at,
                               .id = get(raw, l->g_goid),
                               .lo = get(raw, l->g_lo),
                               .hi = get(raw, l->g_hi),
                               .sp = get(raw, status == SYSCALL ? l->g_syscallsp : l->g_sp),
                               .pc = get(raw, status == SYSCALL ? l->g_syscallpc : l->g_pc),
                               .status = status};
    if (status == IDLE || status == DEAD || status >= DEAD_EXTRA) return false;
    if (r->lo == 0 || r->lo % 8 || r->hi % 8 || r->hi <= r->lo || r->hi - r->lo > STACK_MAX) return false;
    if (status == RUNNING || r->sp % 8 || r->sp < r->lo || r->sp >= r->hi)
        r->sp = held_sp(go, r->lo, r->hi), r->pc = 0;
    return true;
}

static void take_routine(struct ms_go *go, uint64_t at, const uint8_t *raw) {
    struct ms_goroutine r;
    if (!parse_routine(go, at, raw, &r)) return;
    MS_ROOM(go->routine, go->routines, go->routine_room);
    add_area(go, r.sp, r.hi, MS_GO_STACK, go->routines);
    go->routine[go->routines++] = r;
}

static enum ms_read take_batch(struct ms_go *go, const uint64_t *at, size_t n, uint8_t (*raw)[G_BYTES]) {
    struct ms_batch_item item[BATCH];
    for (size_t i = 0; i < n; i++)
        item[i] = (struct ms_batch_item){.addr = at[i], .len = G_BYTES, .buf = raw[i]};
    if (ms_read_batch(go->reader, item, n) == MS_READ_GONE) return MS_READ_GONE;
    for (size_t i = 0; i < n; i++)
        if (item[i].status == MS_READ_OK) take_routine(go, at[i], raw[i]);
    return MS_READ_OK;
}

static int load_routines(struct ms_go *go, struct ms_error *err) {
    uint64_t all = ms_gosearch_routines(go), list = 0, count = 0;
    bool ok = all && ms_gomem_word(go, all, &list) && ms_gomem_word(go, all + 8, &count);
    if (!ok || !list || !count || count > ROUTINES_MAX)
        return ms_fail(err, MS_UNCERTAIN, "built by %s, but its goroutines cannot be found",
                       go->build.version);
    uint64_t *at = ms_alloc(BATCH * sizeof *at);
    uint8_t(*raw)[G_BYTES] = ms_alloc(BATCH * sizeof *raw);
    enum ms_read rc = MS_READ_OK;
    for (uint64_t i = 0; rc == MS_READ_OK && i < count; i += BATCH) {
        size_t n = (size_t)ms_min(BATCH, count - i);
        rc = ms_read(go->reader, list + 8 * i, at, n * sizeof *at);
        if (rc == MS_READ_OK) rc = take_batch(go, at, n, raw);
    }
    free(at);
    free(raw);
    if (rc == MS_READ_GONE) return ms_fail(err, MS_GONE, "the process ended while its goroutines were read");
    if (rc == MS_READ_OK) return MS_OK;
    return ms_fail(err, MS_UNCERTAIN, "built by %s, but its goroutines cannot be read", go->build.version);
}

/* Look at n of them again. */
static void look_again(struct ms_go *go, struct ms_goroutine *routine, size_t n, uint8_t (*raw)[G_BYTES]) {
    struct ms_batch_item item[BATCH];
    struct ms_goroutine now;
    for (size_t i = 0; i < n; i++)
        item[i] = (struct ms_batch_item){.addr = routine[i].at, .len = G_BYTES, .buf = raw[i]};
    if (ms_read_batch(go->reader, item, n) == MS_READ_GONE) go->gone = true;
    for (size_t i = 0; i < n && !go->gone; i++) {
        struct ms_goroutine *r = &routine[i];
        r->waits = item[i].status == MS_READ_OK && parse_routine(go, r->at, raw[i], &now) && r->pc &&
                   now.id == r->id && now.hi == r->hi && now.sp == r->sp && now.pc == r->pc;
    }
}

void ms_goroots_waiting(struct ms_go *go) {
    uint8_t(*raw)[G_BYTES] = ms_alloc(BATCH * sizeof *raw);
    for (size_t i = 0; i < go->routines && !go->gone; i += BATCH)
        look_again(go, go->routine + i, (size_t)ms_min(BATCH, go->routines - i), raw);
    free(raw);
}

int ms_goroots_load(struct ms_go *go, struct ms_error *err) {
    for (size_t i = 0; i < go->modules; i++) {
        add_area(go, go->module[i].data, go->module[i].edata & ~UINT64_C(7), MS_GO_DATA, i);
        add_area(go, go->module[i].bss, go->module[i].ebss & ~UINT64_C(7), MS_GO_DATA, i);
    }
    return load_routines(go, err);
}

/* ---- data segments ----------------------------------------------------------------------------- */

/* Variables by which the runtime keeps its house: they lead to everything, and say little. */
static bool is_internal(const char *name) {
    static const char *const package[] = {"runtime.", "runtime/internal/", "internal/", "sync."};
    for (size_t i = 0; i < sizeof package / sizeof *package; i++)
        if (strncmp(name, package[i], strlen(package[i])) == 0) return true;
    return false;
}

bool ms_goroots_internal(const struct ms_go *go, uint64_t word) {
    size_t n = 0, low = 0;
    const struct ms_goglobal *g = go->dwarf ? ms_godwarf_globals(go->dwarf, &n) : NULL;
    for (size_t high = n; low < high;) { /* the first global behind it */
        size_t mid = low + (high - low) / 2;
        if (g[mid].addr + go->bias <= word)
            low = mid + 1;
        else
            high = mid;
    }
    return low && is_internal(ms_godwarf_name(go->dwarf, g[low - 1].name));
}

static void mark_hub(struct ms_go *go, uint64_t addr) {
    const struct ms_goarea *a = ms_goheap_find(go, addr);
    if (!a || a->kind != MS_GO_HEAP || a->noscan) return;
    uint64_t object = ms_goarea_object(a, addr);
    go->heap.internal[object / 64] |= UINT64_C(1) << (object % 64);
}

/* Goroutines, which all that waits points to, and processors, which timers point to.  Variables of the runtime list both. */
void ms_goroots_hubs(struct ms_go *go) {
    const struct ms_goglobal *all = go->dwarf ? ms_godwarf_global(go->dwarf, "runtime.allp") : NULL;
    uint64_t list, count, p;
    for (size_t i = 0; i < go->routines; i++) mark_hub(go, go->routine[i].at);
    if (!all || !ms_gomem_word(go, all->addr + go->bias, &list) ||
        !ms_gomem_word(go, all->addr + go->bias + MS_GO_PTR, &count))
        return;
    for (uint64_t i = 0; i < count && i < PROCESSORS_MAX && ms_gomem_word(go, list + i * MS_GO_PTR, &p); i++)
        mark_hub(go, p);
}

void ms_goroots_typed(struct ms_go *go, bool internal) {
    size_t n = 0;
    const struct ms_goglobal *g = go->dwarf ? ms_godwarf_globals(go->dwarf, &n) : NULL;
    for (size_t i = 0; i < n && !go->gone; i++) {
        uint64_t addr = g[i].addr + go->bias;
        const struct ms_goarea *a = ms_goheap_find(go, addr);
        if (a && a->kind == MS_GO_DATA && is_internal(ms_godwarf_name(go->dwarf, g[i].name)) == internal)
            ms_gowalk_reach(go, 0, addr, ms_gotype_die(go, g[i].type), 1);
    }
}

static void masked(struct ms_go *go, uint64_t start, uint64_t end, uint64_t mask, uint64_t bits) {
    uint64_t words = (end - start) / MS_GO_PTR;
    const struct ms_goarea *a = ms_goheap_find(go, start);
    if (!a || a->kind != MS_GO_DATA || bits > SEGMENT_BITS) return;
    for (uint64_t i = 0; i < words && i < bits && !go->gone; i++) {
        uint8_t byte;
        if (!ms_gomem_read(go, mask + i / 8, &byte, 1)) return;
        if (byte >> (i % 8) & 1) ms_gowalk_word(go, a, start + i * MS_GO_PTR, true);
    }
}

void ms_goroots_masks(struct ms_go *go) {
    for (size_t i = 0; i < go->modules; i++) {
        const struct ms_gomodule *m = &go->module[i];
        masked(go, m->data, m->edata, m->data_mask, m->data_bits);
        masked(go, m->bss, m->ebss, m->bss_mask, m->bss_bits);
    }
}

/* ---- stacks ------------------------------------------------------------------------------------ */

/* A map that does not leave its function lies in the frame, header and all: it is known by its shape. */
static void look_for_header(struct ms_go *go, const struct ms_goarea *a, uint64_t at) {
    if (at % MS_GO_PTR || at < a->start || at >= a->end || a->end - at < HEADER || !ms_goguess_map(go, at))
        return;
    ms_gotid map = ms_goguess_map_type(go, at);
    ms_gowalk_found(go, at, 0, map);
    if (map) ms_gowalk_reach(go, 0, at, ms_gotype_get(go, map)->header, 1);
}

static void scan_stack(struct ms_go *go, const struct ms_goarea *a, enum ms_goword kind) {
    uint64_t value;
    /* From the oldest frame on: the one that holds a map names it, not what it has called. */
    for (uint64_t at = a->end; at > a->start && !go->gone; at -= MS_GO_PTR)
        if (ms_gostack_word(go, a, at - MS_GO_PTR) == kind) ms_gowalk_word(go, a, at - MS_GO_PTR, false);
    for (uint64_t at = a->start; at < a->end && !go->gone; at += MS_GO_PTR) {
        if (ms_gostack_word(go, a, at) != kind) continue;
        if (kind == MS_GO_MAYBE) look_for_header(go, a, at);
        if (ms_gomem_word(go, at, &value)) look_for_header(go, a, value);
    }
}

void ms_goroots_stacks(struct ms_go *go, enum ms_goword kind) {
    for (size_t i = 0; i < go->heap.areas; i++)
        if (go->heap.area[i].kind == MS_GO_STACK) scan_stack(go, &go->heap.area[i], kind);
}

/* ---- registers --------------------------------------------------------------------------------- */

void ms_goroots_held(struct ms_go *go, const uint64_t *word, size_t words, uint64_t sp) {
    MS_ROOM(go->held_sp, go->held_sps, go->held_sp_room);
    go->held_sp[go->held_sps++] = sp;
    for (size_t i = 0; i < words; i++) {
        MS_ROOM(go->held_word, go->held_words, go->held_word_room);
        go->held_word[go->held_words++] = word[i];
    }
}

void ms_goroots_let_go(struct ms_go *go) { go->held_words = go->held_sps = 0; }

void ms_goroots_registers(struct ms_go *go) {
    for (size_t i = 0; i < go->held_words && !go->gone; i++) {
        uint64_t target = go->held_word[i];
        const struct ms_goarea *a = ms_goheap_find(go, target);
        if (a && a->kind == MS_GO_HEAP && !a->noscan && !ms_goheap_is_free(go, a, ms_goarea_base(a, target)))
            ms_gowalk_reach(go, 0, target, 0, 1);
    }
}

/* ---- specials ---------------------------------------------------------------------------------- */

/* Kinds of records are numbered differently in every version; what tells one with a function is the function: a
 * pointer, behind the record's head, to an object that starts with the entry of one. */
static void scan_special(struct ms_go *go, const uint64_t *record, size_t words) {
    for (size_t i = 2; i < words; i++) {
        const struct ms_goarea *a = ms_goheap_find(go, record[i]);
        uint64_t entry;
        struct ms_gofunc f;
        if (!a || a->kind != MS_GO_HEAP || a->noscan || !ms_gomem_word(go, record[i], &entry)) continue;
        const struct ms_gomodule *m = ms_gomodule_of_text(go, entry);
        if (m && ms_gopclntab_find(&m->functions, entry, &f) && f.entry == entry)
            ms_gowalk_reach(go, 0, record[i], ms_gotype_closure(go, entry), 1);
    }
}

void ms_goroots_specials(struct ms_go *go) {
    uint64_t record[5], left = SPECIALS_MAX;
    for (size_t i = 0; i < go->heap.specials && !go->gone; i++)
        for (uint64_t at = go->heap.special[i]; at && left; at = record[0], left--) {
            if (!ms_gomem_read(go, at, record, sizeof record)) break;
            scan_special(go, record, sizeof record / sizeof *record);
        }
}
