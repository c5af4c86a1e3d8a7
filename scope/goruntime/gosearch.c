/* gosearch.c - where the runtime's own variables are: by name, or in a stripped program by what they look like.
 *
 *   module     a word of a writable segment that points to a function table, in a struct with the bounds of code,
 *              data and types in their places
 *   heap       a slice (pointer, length, capacity) in bss whose elements look like spans: on page borders, of a
 *              state there is, with objects that fit.  mheap_ lies at a fixed distance before it
 *   goroutines a slice in bss whose elements have a stack, and a stack pointer within it
 *
 * A sample of elements is looked at; of several such slices the longest counts.  In the versions seen there is one.
 */
#include "goruntime.h"

#include <string.h>

enum { SAMPLE = 16, PC_HEADER = 8, RECORD = 256, PAGES_SANE = 1 << 24, STATES = 3, ROUTINE_STATES = 12 };
#define ITEMS_MAX    (UINT64_C(1) << 27)
#define SEGMENT_MAX  (UINT64_C(1) << 32)
#define STACK_SANE   (UINT64_C(1) << 30)
#define STACK_LEAST  1024
#define ROUTINE_SCAN 0x1000u

/* ---- the module -------------------------------------------------------------------------------- */

static bool in_image(const struct ms_go *go, uint64_t addr) {
    for (size_t i = 0; i < go->elf->phdrs; i++) {
        const Elf64_Phdr *p = &go->elf->phdr[i];
        if (p->p_type == PT_LOAD && addr - (p->p_vaddr + go->bias) < p->p_memsz) return true;
    }
    return false;
}

static bool is_function_table(struct ms_go *go, uint64_t addr) {
    static const uint8_t old[PC_HEADER] = {0xf0, 0xff, 0xff, 0xff, 0, 0, 1, 8},
                         now[PC_HEADER] = {0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8};
    uint8_t head[PC_HEADER];
    if (addr % 8 || !in_image(go, addr) || !ms_gomem_read(go, addr, head, sizeof head)) return false;
    return memcmp(head, now, sizeof head) == 0 || memcmp(head, old, sizeof head) == 0;
}

static bool is_module(struct ms_go *go, uint64_t addr) {
    const struct ms_golayout *l = &go->layout;
    uint64_t text, etext, types, etypes;
    return ms_gomem_word(go, addr + l->md_text, &text) && ms_gomem_word(go, addr + l->md_etext, &etext) &&
           ms_gomem_word(go, addr + l->md_types, &types) && ms_gomem_word(go, addr + l->md_etypes, &etypes) &&
           text < etext && types < etypes && in_image(go, text) && in_image(go, types);
}

static uint64_t find_module(struct ms_go *go) {
    for (size_t i = 0; i < go->elf->phdrs; i++) {
        const Elf64_Phdr *p = &go->elf->phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_W) || p->p_filesz > SEGMENT_MAX) continue;
        uint64_t start = (p->p_vaddr + go->bias + 7) & ~UINT64_C(7),
                 end = p->p_vaddr + go->bias + p->p_filesz;
        for (uint64_t at = start, word; at + 8 <= end && ms_gomem_word(go, at, &word); at += 8)
            if (is_function_table(go, word) && is_module(go, at)) return at;
    }
    return 0;
}

/* ---- slices in bss ----------------------------------------------------------------------------- */

static uint64_t get(const uint8_t *raw, uint32_t at, unsigned bytes) {
    uint64_t v = 0;
    if (at <= RECORD - bytes) memcpy(&v, raw + at, bytes);
    return v;
}

static bool is_span(struct ms_go *go, uint64_t addr) {
    const struct ms_golayout *l = &go->layout;
    uint8_t raw[RECORD];
    if (addr % 8 || !addr || !ms_gomem_read(go, addr, raw, sizeof raw)) return false;
    uint64_t start = get(raw, l->span_start, 8), pages = get(raw, l->span_pages, 8),
             elem = get(raw, l->span_elemsize, 8), count = get(raw, l->span_nelems, l->narrow_counts ? 2 : 8);
    unsigned state = (unsigned)get(raw, l->span_state, 1);
    if (state >= STATES) return false;
    if (state != 1) return start % MS_GO_PAGE == 0;
    return start && start % MS_GO_PAGE == 0 && pages && pages < PAGES_SANE && elem && count &&
           count <= pages * MS_GO_PAGE / elem;
}

static bool is_routine(struct ms_go *go, uint64_t addr) {
    const struct ms_golayout *l = &go->layout;
    uint8_t raw[RECORD];
    if (addr % 8 || !addr || !ms_gomem_read(go, addr, raw, sizeof raw)) return false;
    uint64_t lo = get(raw, l->g_lo, 8), hi = get(raw, l->g_hi, 8), sp = get(raw, l->g_sp, 8);
    uint32_t status = (uint32_t)get(raw, l->g_status, 4) & ~ROUTINE_SCAN;
    if (status >= ROUTINE_STATES) return false;
    if (lo == 0 && hi == 0) return status != 0; /* a dead one gave its stack back */
    return lo % 8 == 0 && hi > lo + STACK_LEAST && hi - lo <= STACK_SANE &&
           (sp == 0 || (sp >= lo && sp <= hi)) && get(raw, l->g_goid, 8) >> 48 == 0;
}

typedef bool (*is_fn)(struct ms_go *go, uint64_t addr);

/* The length of the slice at `at` if its elements are what is sought; else 0. */
static uint64_t slice_of(struct ms_go *go, uint64_t at, is_fn is) {
    uint64_t word[3];
    if (!ms_gomem_read(go, at, word, sizeof word)) return 0;
    if (!word[0] || word[0] % 8 || !word[1] || word[1] > word[2] || word[2] > ITEMS_MAX) return 0;
    for (uint64_t i = 0, n = ms_min(word[1], SAMPLE); i < n; i++) {
        uint64_t item;
        if (!ms_gomem_word(go, word[0] + 8 * (word[1] * i / n), &item) || !is(go, item)) return 0;
    }
    return word[1];
}

static uint64_t find_slice(struct ms_go *go, is_fn is) {
    const struct ms_gomodule *m = &go->module[0];
    uint64_t best = 0, most = 0;
    for (uint64_t at = m->bss; at + 24 <= m->ebss && !go->gone; at += 8) {
        uint64_t n = slice_of(go, at, is);
        if (n > most) most = n, best = at;
    }
    return best;
}

/* ---- asking ------------------------------------------------------------------------------------ */

static uint64_t named(const struct ms_go *go, const char *name) {
    const struct ms_goglobal *g = go->dwarf ? ms_godwarf_global(go->dwarf, name) : NULL;
    return g ? g->addr + go->bias : 0;
}

uint64_t ms_gosearch_module(struct ms_go *go) {
    uint64_t at = named(go, "runtime.firstmoduledata");
    return at ? at : find_module(go);
}

uint64_t ms_gosearch_spans(struct ms_go *go) {
    uint64_t heap = named(go, "runtime.mheap_");
    if (!go->spans_at) go->spans_at = heap ? heap + go->layout.mheap_allspans : find_slice(go, is_span);
    return go->spans_at;
}

uint64_t ms_gosearch_routines(struct ms_go *go) {
    if (!go->routines_at) go->routines_at = named(go, "runtime.allgs");
    if (!go->routines_at) go->routines_at = find_slice(go, is_routine);
    return go->routines_at;
}
