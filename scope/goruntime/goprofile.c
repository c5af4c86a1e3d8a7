/* goprofile.c - the runtime's records of sampled allocations.
 *
 *   bucket     next, allnext, typ, hash, size, nstk     48 bytes, the same from 1.18 to 1.27
 *              nstk return addresses
 *              active, future[3]                        each: allocs, frees; up to 1.26 their bytes too: size times that
 *
 * What is allocated between two collections is counted apart (future) and joins `active` two collections later, when all of
 * the same age that is garbage has been freed: so a profile shows what a collection left.  A reader of its own profile adds what
 * the runtime is about to add, future[cycle % 3]; and, before the first collection, everything.  So does this.
 *
 * The list is found by name, or in a stripped program by what it looks like: a word of bss that points to a bucket of
 * memory (typ 1) with addresses of code in its stack, the longest such list.
 *
 * Which kind a special record is of differs from version to version; one that points to a bucket that is known is of a
 * sampled object.
 */
#include "goprofile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKET = 48, MEMORY = 1, CYCLE_MOST = 32, FUTURES = 3, STACK_MOST = 1024, STACK_LOOK = 8 };
enum { RECORDS_MOST = 1 << 20, PCS_MOST = 1 << 24, SPECIALS_MOST = 1 << 22, LOOK = 64 };
enum { USUAL_RATE = 512 << 10 };

struct bucket {
    uint64_t next, allnext, typ, hash, size, nstk;
};
static_assert(sizeof(struct bucket) == BUCKET, "as the runtime has it");
struct cycle {
    uint64_t allocs, frees;
};
static size_t cycle_bytes(const struct ms_go *go) { return go->build.minor >= 27 ? 16 : CYCLE_MOST; }

/* ---- where it is ------------------------------------------------------------------------------------ */

static uint64_t named(const struct ms_go *go, const char *name) {
    const struct ms_goglobal *g = go->dwarf ? ms_godwarf_global(go->dwarf, name) : NULL;
    return g ? g->addr + go->bias : 0;
}

/* Is the debug information's struct what this file knows?  A field that is not told is no contradiction: DWARF leaves out what
 * the program does not use. */
static bool fits(const struct ms_go *go, const char *structure, const char *field, uint64_t at) {
    uint64_t offset;
    return !go->dwarf || !ms_godwarf_field(go->dwarf, structure, field, &offset) || offset == at;
}

static bool is_known(const struct ms_go *go) {
    return fits(go, "runtime.bucket", "allnext", 8) && fits(go, "runtime.bucket", "typ", 16) &&
           fits(go, "runtime.bucket", "size", 32) && fits(go, "runtime.bucket", "nstk", 40) &&
           fits(go, "runtime.memRecord", "future", cycle_bytes(go)) &&
           fits(go, "runtime.memRecordCycle", "frees", 8);
}

static bool is_bucket(struct ms_go *go, uint64_t addr, struct bucket *b) {
    uint64_t pc[STACK_LOOK];
    if (!addr || addr % 8 || !ms_gomem_read(go, addr, b, sizeof *b)) return false;
    if (b->typ != MEMORY || b->nstk > STACK_MOST || b->allnext % 8 || b->next % 8) return false;
    size_t n = (size_t)ms_min(b->nstk, STACK_LOOK);
    if (!ms_gomem_read(go, addr + BUCKET, pc, n * sizeof *pc)) return false;
    for (size_t i = 0; i < n; i++)
        if (!ms_gomodule_of_text(go, pc[i] - 1)) return false;
    return n > 0;
}

static size_t length(struct ms_go *go, uint64_t addr) {
    struct bucket b;
    size_t n = 0;
    for (; n < LOOK && is_bucket(go, addr, &b); addr = b.allnext) n++;
    return n && (n == LOOK || !addr) ? n : 0; /* a list that ends in something else is none */
}

/* The word itself: buckets are beyond the heap, so the collector's masks do not tell it; 1.18 has it where nothing is a
 * pointer. */
static uint64_t find_list(struct ms_go *go) {
    const struct ms_gomodule *m = &go->module[0];
    uint64_t best = 0, word;
    size_t most = 0;
    for (uint64_t at = m->data; at + 8 <= m->ebss + (1 << 20) && !go->gone; at += 8) {
        if (!ms_gomem_word(go, at, &word)) {
            if (at >= m->ebss) break;
            continue;
        }
        size_t n = word < m->data ? 0 : length(go, word);
        if (n > most) most = n, best = word;
    }
    return best;
}

static uint64_t first_bucket(struct ms_go *go) {
    uint64_t at = named(go, "runtime.mbuckets"), first = 0;
    if (!at) return find_list(go);
    return ms_gomem_word(go, at, &first) ? first : 0;
}

/* The collector's cycle, by which the next of the futures to be added is known; UINT32_MAX: it is not told. */
static uint32_t cycle_of(struct ms_go *go) {
    uint64_t at = named(go, "runtime.mProfCycle"), older = named(go, "runtime.mProf");
    uint32_t v;
    if (at && ms_gomem_read(go, at, &v, sizeof v)) return v >> 1;
    if (older && ms_gomem_read(go, older, &v, sizeof v)) return v; /* 1.18 */
    return UINT32_MAX;
}

/* Is it switched off, and by whom? */
static const char *who_switched_off(struct ms_go *go, struct ms_goprofile *p) {
    uint64_t rate_at = named(go, "runtime.MemProfileRate"),
             off_at = named(go, "runtime.disableMemoryProfiling");
    uint8_t off = 0;
    p->rate = USUAL_RATE;
    p->rate_known = rate_at && ms_gomem_word(go, rate_at, &p->rate);
    if (off_at && ms_gomem_read(go, off_at, &off, 1) && off)
        return "the linker switched memory profiling off, for nothing in the program asks for a profile";
    if (p->rate_known && p->rate == 0)
        return "the program switched memory profiling off (MemProfileRate is 0)";
    if (p->rate_known && p->rate > INT64_MAX) p->rate = USUAL_RATE, p->rate_known = false;
    if (!go->dwarf && !ms_gopclntab_has(&go->module[0].functions, "runtime.MemProfile") &&
        !ms_gopclntab_has(&go->module[0].functions, "runtime.memProfileInternal") &&
        !ms_gopclntab_has(&go->module[0].functions, "runtime.pprof_memProfileInternal"))
        return "the linker switched memory profiling off, for nothing in the program asks for a profile";
    return NULL;
}

/* ---- records ------------------------------------------------------------------------------------------- */

/* The cycles of a record, from the first on. */
static bool read_cycles(struct ms_go *go, uint64_t bucket, uint64_t nstk, struct cycle c[1 + FUTURES]) {
    uint8_t raw[(1 + FUTURES) * CYCLE_MOST];
    size_t bytes = cycle_bytes(go);
    if (!ms_gomem_read(go, bucket + BUCKET + nstk * MS_GO_PTR, raw, (1 + FUTURES) * bytes)) return false;
    for (int i = 0; i <= FUTURES; i++) memcpy(&c[i], raw + (size_t)i * bytes, sizeof c[i]);
    return true;
}

static void add(struct ms_gorecord *r, const struct cycle *c) {
    r->allocs += c->allocs, r->frees += c->frees;
}

static bool read_record(struct ms_go *go, struct ms_goprofile *p, uint64_t at, const struct bucket *b,
                        uint32_t cycle) {
    struct cycle c[1 + FUTURES];
    if (!read_cycles(go, at, b->nstk, c)) return false;
    while (p->pc_room - p->pcs < b->nstk)
        p->pc = ms_grow(p->pc, p->pc_room = 2 * p->pc_room + STACK_MOST, sizeof *p->pc);
    if (!ms_gomem_read(go, at + BUCKET, p->pc + p->pcs, (size_t)b->nstk * sizeof *p->pc)) return false;
    MS_ROOM(p->record, p->records, p->room);
    struct ms_gorecord *r = &p->record[p->records++];
    *r = (struct ms_gorecord){.at = at, .size = b->size, .pc = (uint32_t)p->pcs, .pcs = (uint32_t)b->nstk};
    add(r, &c[0]);
    if (cycle != UINT32_MAX) add(r, &c[1 + cycle % FUTURES]);
    p->pcs += (size_t)b->nstk;
    return true;
}

/* No collection has happened yet: all there is counts. */
static void add_futures(struct ms_go *go, struct ms_goprofile *p) {
    struct cycle c[1 + FUTURES];
    for (size_t i = 0; i < p->records; i++) {
        struct ms_gorecord *r = &p->record[i];
        if (r->allocs || r->frees) return;
    }
    for (size_t i = 0; i < p->records; i++) {
        struct ms_gorecord *r = &p->record[i];
        if (!read_cycles(go, r->at, r->pcs, c)) continue;
        for (int k = 1; k <= FUTURES; k++) add(r, &c[k]);
    }
}

static int by_address(const void *a, const void *b) {
    const struct ms_gorecord *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static void read_records(struct ms_go *go, struct ms_goprofile *p) {
    uint32_t cycle = cycle_of(go);
    struct bucket b;
    uint64_t at = first_bucket(go);
    for (; at && !go->gone; at = b.allnext) {
        bool room = p->records < RECORDS_MOST && p->pcs < PCS_MOST;
        if (!room || !is_bucket(go, at, &b) || !read_record(go, p, at, &b, cycle)) break;
    }
    p->cut = at != 0;
    add_futures(go, p);
    if (p->records) qsort(p->record, p->records, sizeof *p->record, by_address);
}

/* ---- sampled objects --------------------------------------------------------------------------------------- */

static const struct ms_gorecord *record_at(const struct ms_goprofile *p, uint64_t at) {
    size_t low = 0, high = p->records;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (p->record[mid].at < at)
            low = mid + 1;
        else
            high = mid;
    }
    return low < p->records && p->record[low].at == at ? &p->record[low] : NULL;
}

/* A special record: next, offset in the span, kind; the offset has two bytes up to 1.23, then eight.  Behind it, if it
 * is a profile's, its bucket. */
static void take_special(struct ms_go *go, struct ms_goprofile *p, uint64_t start, const uint64_t word[4]) {
    bool wide = go->build.minor >= 24;
    const struct ms_gorecord *r = record_at(p, word[wide ? 3 : 2]);
    uint64_t addr = start + (wide ? word[1] : word[1] & UINT16_MAX);
    if (!r) return;
    MS_ROOM(p->sampled, p->sampleds, p->sampled_room);
    p->sampled[p->sampleds++] = (struct ms_gosampled){addr, (uint32_t)(r - p->record)};
}

static int by_object(const void *a, const void *b) {
    const struct ms_gosampled *x = a, *y = b;
    return (x->addr > y->addr) - (x->addr < y->addr);
}

static void read_sampled(struct ms_go *go, struct ms_goprofile *p) {
    uint64_t word[4], left = SPECIALS_MOST;
    for (size_t i = 0; i < go->heap.areas && !go->gone; i++) {
        const struct ms_goarea *a = &go->heap.area[i];
        uint64_t at;
        if (a->kind != MS_GO_HEAP || !ms_gomem_word(go, a->span + go->layout.span_specials, &at)) continue;
        for (; at && left; at = word[0], left--) {
            if (!ms_gomem_read(go, at, word, sizeof word)) break;
            take_special(go, p, a->start, word);
        }
    }
    if (p->sampleds) qsort(p->sampled, p->sampleds, sizeof *p->sampled, by_object);
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

int ms_goprofile_read(struct ms_go *go, struct ms_goprofile *out, struct ms_error *err) {
    *out = (struct ms_goprofile){.rate = USUAL_RATE};
    if (!is_known(go)) {
        out->off = "its records of samples do not lie as this version of Go has them";
        return MS_OK;
    }
    out->off = who_switched_off(go, out);
    if (!out->off) read_records(go, out);
    if (!out->off) read_sampled(go, out);
    return go->gone ? ms_fail(err, MS_GONE, "the process ended while its samples were read") : MS_OK;
}

void ms_goprofile_free(struct ms_goprofile *p) {
    free(p->record);
    free(p->pc);
    free(p->sampled);
    *p = (struct ms_goprofile){0};
}

static int64_t whole(double x) { return x < 9e18 ? (int64_t)x : INT64_MAX; }

void ms_goprofile_scale(uint64_t rate, uint64_t objects, uint64_t size, int64_t *all_objects,
                        int64_t *all_bytes) {
    double scale = rate > 1 && size ? 1 / (1 - exp(-(double)size / (double)rate)) : 1;
    *all_objects = size ? whole((double)objects * scale) : 0;
    *all_bytes = whole((double)objects * (double)size * scale);
}

void ms_goprofile_symbol(const struct ms_go *go, uint64_t pc, char name[MS_GO_TEXT], char file[MS_GO_TEXT],
                         unsigned *line) {
    uint64_t call = pc - 1; /* within the call that returns there */
    const struct ms_gomodule *m = ms_gomodule_of_text(go, call);
    struct ms_gofunc f;
    *name = *file = 0;
    *line = 0;
    if (!m || !ms_gopclntab_find(&m->functions, call, &f)) return;
    if (!ms_gopclntab_inlined(&m->functions, &f, call, m->gofunc, name, MS_GO_TEXT))
        ms_gopclntab_name(&m->functions, &f, name, MS_GO_TEXT);
    if (!ms_gopclntab_line(&m->functions, &f, call, file, MS_GO_TEXT, line)) *file = 0;
}
