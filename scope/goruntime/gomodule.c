/* gomodule.c - what the runtime knows of itself: modules, and the program as a whole.
 *
 * Each module (the program, and every plugin) has a runtime.moduledata with the bounds of its code, data and
 * types, in a list.  A bound that contradicts another is damage, and the module is not used.
 */
#include "goruntime.h"

#include <stdlib.h>
#include <string.h>

enum { MODULE_BYTES = 1024, MODULES_MAX = 64, FUNCTIONS_MAX = 16 << 20 /* of all modules */ };
#define SEGMENT_MAX (UINT64_C(1) << 36)

static bool memory_get(void *ctx, uint64_t addr, void *buf, size_t len) {
    return ms_gomem_read(ctx, addr, buf, len);
}

static uint64_t field(const uint8_t *raw, uint32_t at) {
    uint64_t v = 0;
    if (at <= MODULE_BYTES - sizeof v) memcpy(&v, raw + at, sizeof v);
    return v;
}

static bool sane(uint64_t from, uint64_t to) {
    return from <= to && to - from <= SEGMENT_MAX && from % 8 == 0;
}

static bool take(struct ms_go *go, const uint8_t *raw, struct ms_gomodule *m) {
    const struct ms_golayout *l = &go->layout;
    *m = (struct ms_gomodule){.text = field(raw, l->md_text),
                              .etext = field(raw, l->md_etext),
                              .data = field(raw, l->md_data),
                              .edata = field(raw, l->md_edata),
                              .bss = field(raw, l->md_bss),
                              .ebss = field(raw, l->md_ebss),
                              .types = field(raw, l->md_types),
                              .etypes = field(raw, l->md_etypes),
                              .data_bits = field(raw, l->md_gcdatamask) & INT32_MAX,
                              .data_mask = field(raw, l->md_gcdatamask + 8),
                              .bss_bits = field(raw, l->md_gcbssmask) & INT32_MAX,
                              .bss_mask = field(raw, l->md_gcbssmask + 8),
                              .gofunc = field(raw, l->md_gofunc),
                              .rodata = field(raw, l->md_gofunc - MS_GO_PTR)}; /* before it in every version */
    if (l->md_typelinks != MS_GO_NONE) {
        m->typelinks = field(raw, l->md_typelinks);
        m->typelink_count = field(raw, l->md_typelinks + 8);
    }
    if (l->md_typedesclen != MS_GO_NONE) m->typedesclen = field(raw, l->md_typedesclen);
    return sane(m->data, m->edata) && sane(m->bss, m->ebss) && m->text < m->etext && m->types < m->etypes &&
           m->etypes - m->types <= SEGMENT_MAX && m->typedesclen <= m->etypes - m->types;
}

int ms_gomodule_load(struct ms_go *go, struct ms_error *err) {
    uint8_t raw[MODULE_BYTES];
    uint64_t addr = ms_gosearch_module(go), functions = 0;
    for (int i = 0; addr && i < MODULES_MAX; i++) {
        struct ms_gomodule m;
        if (!ms_gomem_read(go, addr, raw, sizeof raw)) break;
        if (!take(go, raw, &m) || ms_gomodule_of_text(go, m.text)) break; /* damage, or a ring */
        ms_gopclntab_open(&m.functions, (struct ms_bytes){memory_get, go}, field(raw, 0), m.text);
        functions += m.functions.functions;
        if (functions > FUNCTIONS_MAX) ms_gopclntab_close(&m.functions);
        MS_ROOM(go->module, go->modules, go->module_room);
        go->module[go->modules++] = m;
        addr = field(raw, go->layout.md_next);
    }
    if (go->modules) return MS_OK;
    return ms_fail(err, MS_UNCERTAIN, "built by %s, but its module data cannot be right", go->build.version);
}

const struct ms_gomodule *ms_gomodule_of_text(const struct ms_go *go, uint64_t pc) {
    for (size_t i = 0; i < go->modules; i++)
        if (pc >= go->module[i].text && pc < go->module[i].etext) return &go->module[i];
    return NULL;
}

const struct ms_gomodule *ms_gomodule_of_type(const struct ms_go *go, uint64_t addr) {
    for (size_t i = 0; i < go->modules; i++)
        if (addr >= go->module[i].types && addr < go->module[i].etypes) return &go->module[i];
    return NULL;
}

int ms_go_open(struct ms_go **out, struct ms_reader *r, struct ms_elf *elf, struct ms_godwarf *dwarf,
               struct ms_error *err) {
    struct ms_gobuild build;
    *out = NULL;
    if (!ms_gobuild_find(elf, &build)) return ms_godwarf_close(dwarf), MS_OK;
    struct ms_go *go = ms_alloc(sizeof *go);
    go->reader = r;
    go->elf = elf;
    go->bias = elf->bias;
    go->build = build;
    go->dwarf = dwarf;
    int status = ms_golayout_choose(go, err);
    if (status == MS_OK) status = ms_gomodule_load(go, err);
    if (status == MS_OK) ms_golayout_kind(go);
    if (status == MS_OK) return *out = go, MS_OK;
    ms_go_close(go);
    return status;
}

void ms_go_close(struct ms_go *go) {
    if (!go) return;
    ms_gowalk_close(go);
    ms_goheap_close(go);
    ms_gotypes_close(go);
    for (size_t i = 0; i < go->modules; i++) ms_gopclntab_close(&go->module[i].functions);
    free(go->module);
    ms_gomem_close(go);
    ms_godwarf_close(go->dwarf);
    free(go->held_word);
    free(go->held_sp);
    free(go);
}
