/* gosite.c - see gosite.h. */
#include "gosite.h"

#include <string.h>

enum { CODE = 64, RUNS = 512 };

/* Instructions of a prologue: bytes that must be so, then bytes of an immediate. */
struct form {
    uint8_t len, byte[5], immediate;
};

static const struct form guard[] = {
    {4, {0x49, 0x3b, 0x66, 0x10}, 0}, /* cmp rsp, 16(r14) */
    {4, {0x49, 0x3b, 0x66, 0x18}, 0}, /* the same of what runs on the system's stack */
    {4, {0x4d, 0x3b, 0x66, 0x10}, 0}, /* cmp r12, 16(r14) */
    {4, {0x4d, 0x3b, 0x66, 0x18}, 0}};
static const struct form large[] = {{4, {0x4c, 0x8d, 0x64, 0x24}, 1}, /* lea r12, -n(rsp) */
                                    {4, {0x4c, 0x8d, 0xa4, 0x24}, 4}};
static const struct form huge[] = {{3, {0x49, 0x89, 0xe4}, 0},  /* mov r12, rsp */
                                   {3, {0x49, 0x81, 0xec}, 4}}; /* sub r12, n */
static const struct form jump[] = {
    {1, {0x76}, 1}, {2, {0x0f, 0x86}, 4}, {1, {0x72}, 1}, {2, {0x0f, 0x82}, 4}};            /* jbe, jb */
static const struct form push[] = {{1, {0x55}, 0}};                                         /* push rbp */
static const struct form link[] = {{3, {0x48, 0x89, 0xe5}, 0}};                             /* mov rbp, rsp */
static const struct form room[] = {{3, {0x48, 0x83, 0xec}, 1}, {3, {0x48, 0x81, 0xec}, 4}}; /* sub rsp, n */
/* Up to Go 1.20: mov n(rsp), rbp; lea rbp, n(rsp) */
static const struct form save[] = {{4, {0x48, 0x89, 0x6c, 0x24}, 1}, {4, {0x48, 0x89, 0xac, 0x24}, 4}};
static const struct form chain[] = {{4, {0x48, 0x8d, 0x6c, 0x24}, 1}, {4, {0x48, 0x8d, 0xac, 0x24}, 4}};
static const struct form ret[] = {{1, {0xc3}, 0}};
static const struct form nop[] = {{1, {0x90}, 0},
                                  {2, {0x66, 0x90}, 0},
                                  {3, {0x0f, 0x1f, 0x00}, 0},
                                  {4, {0x0f, 0x1f, 0x40, 0x00}, 0},
                                  {5, {0x0f, 0x1f, 0x44, 0x00, 0x00}, 0}};

struct code {
    const uint8_t *byte;
    size_t len, at;
    uint32_t immediate; /* of the instruction taken last */
};

/* Go on over an instruction of one of these forms. */
static bool take(struct code *c, const struct form *f, size_t n) {
    for (; n; n--, f++) {
        size_t len = f->len + (size_t)f->immediate;
        if (c->len - c->at < len || memcmp(c->byte + c->at, f->byte, f->len) != 0) continue;
        c->immediate = f->immediate == 1 ? c->byte[c->at + f->len] : 0;
        if (f->immediate == 4) memcpy(&c->immediate, c->byte + c->at + f->len, 4);
        c->at += len;
        return true;
    }
    return false;
}
#define TAKE(c, forms) take((c), (forms), sizeof(forms) / sizeof(forms)[0])

size_t ms_gosite_prologue(const uint8_t *code, size_t len, size_t *checks, size_t *made, uint32_t *frame) {
    struct code c = {.byte = code, .len = len};
    bool by_r12 = TAKE(&c, large);
    if (!by_r12 && take(&c, &huge[0], 1)) {
        if (!take(&c, &huge[1], 1) || !take(&c, &jump[2], 2)) return 0;
        by_r12 = true;
    }
    if (!take(&c, guard + (by_r12 ? 2 : 0), 2) || !take(&c, jump, 2)) return 0;
    *checks = c.at;
    if (TAKE(&c, push)) {
        *made = c.at;
        *frame = 8;
        return TAKE(&c, link) ? c.at : 0;
    }
    if (!TAKE(&c, room)) return 0;
    *made = c.at;
    *frame = c.immediate;
    return TAKE(&c, save) && TAKE(&c, chain) ? c.at : 0;
}

/* A return, which compilers may move along by instructions that do nothing. */
static bool returns(struct ms_bytes code, uint64_t addr) {
    uint8_t byte[16];
    struct code c = {.byte = byte, .len = sizeof byte};
    if (!code.get(code.ctx, addr, byte, sizeof byte)) return false;
    while (TAKE(&c, nop)) {}
    return TAKE(&c, ret);
}

/* Every later run without a frame begins behind its last instruction: there stands a return, or what grows the stack. */
static void find_returns(const struct ms_gorun *run, size_t runs, struct ms_bytes code, struct ms_gosite *out) {
    for (size_t i = 1; i < runs; i++) {
        if (run[i].bytes != 0 || !returns(code, run[i].start)) continue;
        if (out->leaves == MS_GOSITE_LEAVES) {
            out->leaves = 0; /* half of them would be worse than none */
            return;
        }
        out->leave[out->leaves++] = run[i].start;
    }
}

const char *ms_gosite_find(const struct ms_gopclntab *t, struct ms_bytes code, const char *name,
                           struct ms_gosite *out) {
    struct ms_gofunc f;
    struct ms_gorun run[RUNS];
    uint8_t byte[CODE];
    size_t checks, made;
    uint32_t frame;
    *out = (struct ms_gosite){.leaves = 0};
    if (!ms_gopclntab_named(t, name, &f)) return "the program has no such function";
    if (!code.get(code.ctx, f.entry, byte, sizeof byte)) return "its code could not be read";
    size_t prologue = ms_gosite_prologue(byte, sizeof byte, &checks, &made, &frame);
    if (!prologue) return "it begins as no function that is known";
    size_t runs = ms_gopclntab_frames(t, &f, run, RUNS);
    bool agree = runs >= 2 && run[0].bytes == 0 && run[1].start == f.entry + made && run[1].bytes == frame;
    if (!agree) return "its code and the table of its stack frames contradict each other";
    out->enter = f.entry + prologue;
    if (runs < RUNS) find_returns(run, runs, code, out);
    return NULL;
}
