/* explain.c - from an address and a piece of a map to group, slot and byte; what signals say. */
#include "explain.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char *const in_name[] = {"piece", "key", "value", "tophash", "link", "padding"};
static_assert(sizeof in_name / sizeof *in_name == MS_INS, "a name for each");
const char *ms_in_name(enum ms_in in) { return in_name[in]; }

/* Does a run of `slots` parts, each so long and so far from the last, hold byte `at` of the unit? */
static bool find_slot(const struct ms_grid *g, uint64_t at, uint32_t off, uint32_t stride, uint32_t len,
                      struct ms_place *out) {
    if (at < off || !stride) return false;
    uint64_t slot = (at - off) / stride, in = (at - off) % stride;
    if (slot >= g->slots || in >= len) return false;
    out->slot = (int)slot;
    out->at = in;
    out->len = len;
    return true;
}

static void find_in_unit(const struct ms_piece *p, uint64_t at, struct ms_place *out) {
    const struct ms_grid *g = &p->grid;
    bool tags = g->tag_off != MS_TAGS_APART;
    if (p->kind == MS_PIECE_LINKS)
        out->in = MS_IN_LINK, out->at = at, out->len = g->unit;
    else if (tags && at - g->tag_off < g->slots)
        out->in = MS_IN_TAG, out->slot = (int)(at - g->tag_off), out->len = 1;
    else if (g->link_off != MS_NO_LINK && at - g->link_off < sizeof(uint64_t))
        out->in = MS_IN_LINK, out->at = at - g->link_off, out->len = sizeof(uint64_t);
    else if (find_slot(g, at, g->key_off, g->key_stride, g->key_len, out))
        out->in = MS_IN_KEY;
    else if (find_slot(g, at, g->value_off, g->value_stride, g->value_len, out))
        out->in = MS_IN_VALUE;
    else
        out->in = p->kind == MS_PIECE_METADATA ? MS_IN_NONE
                                               : MS_IN_PADDING; /* a group's 16th byte is its overflow byte */
    if (out->slot < 0) return;
    out->tag_addr = tags      ? p->addr + out->unit * g->unit + g->tag_off + (uint64_t)out->slot
                    : p->tags ? p->tags + out->unit * p->tag_unit + (uint64_t)out->slot
                              : 0;
}

void ms_view_place(const struct ms_map *m, const struct ms_piece *p, uint64_t addr, struct ms_place *out) {
    *out = (struct ms_place){.map = m,
                             .piece = *p,
                             .offset = addr - p->addr,
                             .unit = MS_UNKNOWN,
                             .group = p->group,
                             .slot = p->slot};
    if (p->kind == MS_PIECE_KEY || p->kind == MS_PIECE_VALUE || p->kind == MS_PIECE_STRING) {
        out->in = p->kind == MS_PIECE_VALUE ? MS_IN_VALUE : MS_IN_KEY;
        out->at = out->offset, out->len = p->len;
    }
    for (const struct ms_record_field *f = p->field; f && f->name && f->offset <= out->offset; f++)
        out->field = f->name;
    if (!p->grid.unit) return;
    out->unit = out->offset / p->grid.unit;
    if (p->group != MS_UNKNOWN && p->kind != MS_PIECE_OVERFLOW)
        out->group = p->group + out->unit * (p->kind == MS_PIECE_LINKS ? 4 : 1);
    find_in_unit(p, out->offset % p->grid.unit, out);
}

const char *ms_view_slot_state(const struct ms_map *m, uint8_t tag) {
    if (m->kind == MS_KIND_GO_SWISS) return !(tag & 0x80) ? "live" : tag == 0xfe ? "deleted" : "empty";
    if (m->kind == MS_KIND_GOMAP || m->kind == MS_KIND_GOMAP_SHARED) return tag ? "live" : "empty";
    return tag >= 5 ? "live" : tag >= 2 ? "evacuated" : tag ? "deleted" : "empty";
}

static int rank(const struct ms_place *p) {
    if (!p->map) return 0;
    if (p->piece.kind == MS_PIECE_RESERVED) return 1;
    if (p->piece.kind == MS_PIECE_SPARE) return 2;
    return p->piece.kind == MS_PIECE_POOL ? 3 : 4; /* a bucket of the pool is rather one of a chain */
}
bool ms_view_place_better(const struct ms_place *a, const struct ms_place *b) { return rank(a) > rank(b); }

bool ms_is_canonical(uint64_t addr) {
#if defined(__x86_64__)
    return addr >> 47 == 0 || addr >> 47 == 0x1ffff;
#else
    return addr >> 56 == 0 || addr >> 52 == 0xfff; /* its top byte may be a tag */
#endif
}

/* ---- signals ----------------------------------------------------------------------------------- */

static const struct {
    int signal, code;
    const char *name, *cause;
} codes[] = {
    {SIGSEGV, 1, "SEGV_MAPERR", "nothing is mapped there"},
    {SIGSEGV, 2, "SEGV_ACCERR", "what is mapped there does not allow it"},
    {SIGSEGV, 3, "SEGV_BNDERR", "failed bound check"},
    {SIGSEGV, 4, "SEGV_PKUERR", "denied by a protection key"},
    {SIGBUS, 1, "BUS_ADRALN", "not aligned"},
    {SIGBUS, 2, "BUS_ADRERR", "mapped beyond the end of its file"},
    {SIGBUS, 3, "BUS_OBJERR", "error of the hardware"},
    {SIGBUS, 4, "BUS_MCEERR_AR", "memory is damaged"},
    {SIGILL, 1, "ILL_ILLOPC", "no such instruction"},
    {SIGILL, 2, "ILL_ILLOPN", "no such operand"},
    {SIGFPE, 1, "FPE_INTDIV", "integer divided by zero"},
    {SIGFPE, 2, "FPE_INTOVF", "integer overflow"},
    {SIGFPE, 3, "FPE_FLTDIV", "divided by zero"},
    {SIGTRAP, 1, "TRAP_BRKPT", "breakpoint"},
    {0, 0, "SI_USER", "sent by a process"},
    {0, -6, "SI_TKILL", "sent by a thread, as abort does"},
    {0, -1, "SI_QUEUE", "sent by a process"},
    {0, 0x80, "SI_KERNEL", "no address is told"},
};

static size_t find_code(int signal, int code) {
    size_t n = sizeof codes / sizeof *codes, i = 0;
    while (i < n && !((codes[i].signal == signal || codes[i].signal == 0) && codes[i].code == code)) i++;
    return i;
}

const char *ms_signal_code(int signal, int code) {
    size_t i = find_code(signal, code);
    return i < sizeof codes / sizeof *codes ? codes[i].name : NULL;
}

const char *ms_signal_cause(int signal, int code) {
    size_t i = find_code(signal, code);
    return i < sizeof codes / sizeof *codes ? codes[i].cause : NULL;
}

const char *ms_signal_name(int signal) {
    static const struct {
        int number;
        const char *name;
    } name[] = {{SIGSEGV, "SIGSEGV"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},   {SIGILL, "SIGILL"},
                {SIGFPE, "SIGFPE"},   {SIGTRAP, "SIGTRAP"}, {SIGQUIT, "SIGQUIT"}, {SIGSYS, "SIGSYS"},
                {SIGSTOP, "SIGSTOP"}, {SIGTERM, "SIGTERM"}, {SIGINT, "SIGINT"},   {SIGXCPU, "SIGXCPU"},
                {SIGXFSZ, "SIGXFSZ"}};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (name[i].number == signal) return name[i].name;
    return "signal";
}
