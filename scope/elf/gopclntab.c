/* gopclntab.c - read Go's function table.
 *
 *   header   magic u32 (fffffff0: 1.18, 1.19; fffffff1: 1.20 and later), 0, 0, minLC, ptrSize,
 *            nfunc, nfiles, textStart, and the offsets of the parts from the header:
 *   names    NUL terminated, by offset
 *   cutab    u32 each: index of a compilation unit's file + file number -> offset in files
 *   files    NUL terminated, by offset
 *   pcdata   sequences of (value delta zigzag varint, pc delta varint); value delta 0 ends it
 *   functab  nfunc x (entry u32, record u32), one more entry for the end; records lie behind, from functab
 *
 *   record   entry u32, name i32, args i32, deferreturn u32, pcsp u32, pcfile u32, pcln u32, npcdata u32, cu u32,
 *            first line i32 (1.20 and later), id u8, flags u8, 0, nfuncdata u8,
 *            npcdata x u32 (a pcdata sequence each; 0: none), nfuncdata x u32 (from moduledata.gofunc; ~0: none)
 *
 * A pcdata sequence is walked from the function's entry to the pc asked for: it starts at value -1 and each step
 * says which value holds up to which pc.
 */
#include "gopclntab.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER = 72, FUNCTIONS_MAX = 16 << 20, STEPS_MAX = 1 << 16, CHUNK = 64, NAMES_STEP = 1 << 16 };
enum { NAMES_MAX = 1 << 30 };
enum {
    RECORD_NAME = 4,
    RECORD_ARGS = 8,
    RECORD_PCSP = 16,
    RECORD_PCFILE = 20,
    RECORD_PCLN = 24,
    RECORD_NPCDATA = 28,
    RECORD_CU = 32
};
enum { RECORD_BYTES_118 = 40, RECORD_BYTES = 44, TABLES_MAX = 64 };

static bool get(const struct ms_gopclntab *t, uint64_t addr, void *buf, size_t len) {
    return t->mem.get(t->mem.ctx, addr, buf, len);
}

static uint64_t word(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The functab, split into two arrays for the search. */
static bool load_functions(struct ms_gopclntab *t) {
    size_t n = (size_t)t->functions;
    uint32_t(*pair)[2] = malloc(n * sizeof *pair);
    t->entry = malloc(n * sizeof *t->entry);
    t->record = malloc(n * sizeof *t->record);
    bool ok = pair && t->entry && t->record && get(t, t->functab, pair, n * sizeof *pair);
    for (size_t i = 0; ok && i < n; i++) {
        t->entry[i] = pair[i][0];
        t->record[i] = pair[i][1];
        ok = i == 0 || t->entry[i] >= t->entry[i - 1];
    }
    free(pair);
    return ok;
}

bool ms_gopclntab_open(struct ms_gopclntab *t, struct ms_bytes mem, uint64_t addr, uint64_t text) {
    uint8_t h[HEADER];
    uint32_t magic;
    *t = (struct ms_gopclntab){.mem = mem, .addr = addr, .text = text};
    if (!get(t, addr, h, sizeof h)) return false;
    memcpy(&magic, h, 4);
    t->record_bytes = magic == 0xfffffff0 ? RECORD_BYTES_118 : RECORD_BYTES;
    if ((magic != 0xfffffff0 && magic != 0xfffffff1) || h[4] || h[5] || h[7] != 8) return false;
    t->functions = word(h + 8);
    if (t->functions == 0 || t->functions > FUNCTIONS_MAX) return false;
    uint64_t part[5];
    for (int i = 0; i < 5; i++) {
        part[i] = addr + word(h + 32 + 8 * i);
        if (part[i] < addr) return false;
    }
    t->names = part[0];
    t->files_of = part[1];
    t->files = part[2];
    t->pcdata = part[3];
    t->functab = part[4];
    if (load_functions(t)) return true;
    ms_gopclntab_close(t);
    return false;
}

void ms_gopclntab_close(struct ms_gopclntab *t) {
    free(t->entry);
    free(t->record);
    *t = (struct ms_gopclntab){0};
}

bool ms_gopclntab_find(const struct ms_gopclntab *t, uint64_t pc, struct ms_gofunc *out) {
    if (!t->functions || pc < t->text || pc - t->text > UINT32_MAX) return false;
    uint32_t at = (uint32_t)(pc - t->text);
    size_t low = 0, high = (size_t)t->functions;
    while (low < high) { /* the first function behind pc */
        size_t mid = low + (high - low) / 2;
        if (t->entry[mid] <= at)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == 0) return false;
    *out = (struct ms_gofunc){t->text + t->entry[low - 1], t->functab + t->record[low - 1]};
    return true;
}

/* A NUL terminated string, cut to the room. */
static bool text_at(const struct ms_gopclntab *t, uint64_t addr, char *buf, size_t room) {
    for (size_t have = 0; have < room;) {
        size_t n = room - have < CHUNK ? room - have : CHUNK;
        if (!get(t, addr + have, buf + have, n)) break;
        if (memchr(buf + have, 0, n)) return true;
        have += n;
    }
    buf[room - 1] = 0;
    return false;
}

/* Address of the first name that begins with these len bytes; 0: there is none. */
static uint64_t find_name(const struct ms_gopclntab *t, const char *beginning, size_t len) {
    size_t n = 0;
    uint64_t end = t->files_of, found = 0; /* names end there */
    if (end < t->names || end - t->names > NAMES_MAX) return 0;
    char *buf = malloc(NAMES_STEP);
    /* Steps overlap by a name's length and the NUL before it. */
    for (uint64_t at = t->names; buf && !found && at < end; at += n - len) {
        n = end - at < NAMES_STEP ? (size_t)(end - at) : NAMES_STEP;
        if (n <= len || !get(t, at, buf, n)) break;
        for (char *p = buf; !found && (p = memmem(p, (size_t)(buf + n - p), beginning, len)); p++)
            if (p > buf ? p[-1] == 0 : at == t->names) found = at + (uint64_t)(p - buf);
        if (at + n == end) break;
    }
    free(buf);
    return found;
}

bool ms_gopclntab_has(const struct ms_gopclntab *t, const char *beginning) {
    return find_name(t, beginning, strlen(beginning)) != 0;
}

bool ms_gopclntab_named(const struct ms_gopclntab *t, const char *name, struct ms_gofunc *out) {
    uint64_t at = find_name(t, name, strlen(name) + 1), have = 0, from = 0;
    uint8_t *buf = at ? malloc(NAMES_STEP) : NULL;
    bool found = false;
    for (size_t i = 0; buf && !found && i < t->functions; i++) { /* records lie one behind the other, a block holds many */
        uint64_t record = t->functab + t->record[i];
        uint32_t of;
        if (record < from || record - from + RECORD_ARGS > have) {
            from = record, have = NAMES_STEP;
            if (!get(t, from, buf, (size_t)have)) have = 0; /* the last block ends before its bytes do */
        }
        if (have)
            memcpy(&of, buf + (record - from) + RECORD_NAME, sizeof of);
        else if (!get(t, record + RECORD_NAME, &of, sizeof of))
            break;
        found = of == at - t->names;
        if (found) *out = (struct ms_gofunc){t->text + t->entry[i], record};
    }
    free(buf);
    return found;
}

static bool field(const struct ms_gopclntab *t, const struct ms_gofunc *f, unsigned at, uint32_t *out) {
    return get(t, f->record + at, out, sizeof *out);
}

bool ms_gopclntab_name(const struct ms_gopclntab *t, const struct ms_gofunc *f, char *buf, size_t room) {
    uint32_t at;
    return field(t, f, RECORD_NAME, &at) && text_at(t, t->names + at, buf, room);
}

struct stream {
    const struct ms_gopclntab *t;
    uint64_t addr;
    uint8_t buf[CHUNK];
    size_t at, len;
};

static bool next_byte(struct stream *s, uint8_t *out) {
    if (s->at == s->len) {
        s->addr += s->len;
        s->at = 0;
        s->len = get(s->t, s->addr, s->buf, sizeof s->buf) ? sizeof s->buf : 0;
        if (!s->len) return false;
    }
    *out = s->buf[s->at++];
    return true;
}

static bool next_varint(struct stream *s, uint32_t *out) {
    uint8_t byte = 0x80;
    *out = 0;
    for (unsigned shift = 0; byte & 0x80; shift += 7) {
        if (shift > 28 || !next_byte(s, &byte)) return false;
        *out |= (uint32_t)(byte & 0x7f) << shift;
    }
    return true;
}

/* The next step of a sequence: its value holds for `length` bytes of code.  false: it has ended. */
static bool next_step(struct stream *s, bool first, uint32_t *value, uint32_t *length) {
    uint32_t delta;
    if (!next_varint(s, &delta) || (delta == 0 && !first) || !next_varint(s, length)) return false;
    *value += (delta & 1 ? UINT32_MAX : 0) ^ (delta >> 1);
    return true;
}

/* The value that the sequence at offset `at` of pcdata has at pc. */
static bool value_at(const struct ms_gopclntab *t, const struct ms_gofunc *f, uint32_t at, uint64_t pc,
                     int32_t *out) {
    struct stream s = {.t = t, .addr = t->pcdata + at};
    uint64_t reached = f->entry;
    uint32_t value = UINT32_MAX, length;
    for (int i = 0; at && i < STEPS_MAX && next_step(&s, i == 0, &value, &length); i++) {
        reached += length;
        if (pc < reached) return *out = (int32_t)value, true;
    }
    return false;
}

bool ms_gopclntab_frame(const struct ms_gopclntab *t, const struct ms_gofunc *f, uint64_t pc,
                        uint32_t *bytes) {
    uint32_t at;
    int32_t value;
    if (!field(t, f, RECORD_PCSP, &at) || !value_at(t, f, at, pc, &value) || value < 0) return false;
    *bytes = (uint32_t)value;
    return true;
}

size_t ms_gopclntab_frames(const struct ms_gopclntab *t, const struct ms_gofunc *f, struct ms_gorun *run, size_t room) {
    uint32_t at, value = UINT32_MAX, length;
    uint64_t reached = f->entry;
    size_t n = 0;
    if (!field(t, f, RECORD_PCSP, &at) || at == 0) return 0;
    struct stream s = {.t = t, .addr = t->pcdata + at};
    while (n < room && next_step(&s, n == 0, &value, &length)) {
        run[n++] = (struct ms_gorun){reached, value};
        reached += length;
    }
    return n;
}

bool ms_gopclntab_pcdata(const struct ms_gopclntab *t, const struct ms_gofunc *f, unsigned table, uint64_t pc,
                         int32_t *value) {
    uint32_t tables, at;
    if (!field(t, f, RECORD_NPCDATA, &tables) || tables > TABLES_MAX) return false;
    *value = -1;
    if (table >= tables) return true;
    if (!field(t, f, t->record_bytes + 4 * table, &at)) return false;
    return at == 0 || value_at(t, f, at, pc, value);
}

bool ms_gopclntab_funcdata(const struct ms_gopclntab *t, const struct ms_gofunc *f, unsigned number,
                           uint32_t *offset) {
    uint32_t tables, last;
    if (!field(t, f, RECORD_NPCDATA, &tables) || tables > TABLES_MAX) return false;
    if (!field(t, f, t->record_bytes - 4, &last)) return false;
    *offset = UINT32_MAX;
    return number >= last >> 24 || field(t, f, t->record_bytes + 4 * (tables + number), offset);
}

bool ms_gopclntab_args(const struct ms_gopclntab *t, const struct ms_gofunc *f, int32_t *bytes) {
    uint32_t raw;
    if (!field(t, f, RECORD_ARGS, &raw)) return false;
    *bytes = (int32_t)raw;
    return true;
}

bool ms_gopclntab_line(const struct ms_gopclntab *t, const struct ms_gofunc *f, uint64_t pc, char *file,
                       size_t room, unsigned *line) {
    uint32_t at, cu, name;
    int32_t number, file_number;
    if (!field(t, f, RECORD_PCLN, &at) || !value_at(t, f, at, pc, &number) || number < 0) return false;
    if (!field(t, f, RECORD_PCFILE, &at) || !value_at(t, f, at, pc, &file_number) || file_number < 0)
        return false;
    if (!field(t, f, RECORD_CU, &cu) ||
        !get(t, t->files_of + 4 * ((uint64_t)cu + (uint32_t)file_number), &name, sizeof name))
        return false;
    *line = (unsigned)number;
    return name != UINT32_MAX && text_at(t, t->files + name, file, room);
}

/* A call: up to 1.19 parent i16, function id u8, 0, file i32, line i32, name i32, parent's pc i32; then id u8, 0, name i32,
 * parent's pc i32, first line i32. */
enum { CALL_BYTES_119 = 20, CALL_NAME_119 = 12, CALL_BYTES = 16, CALL_NAME = 4 };

bool ms_gopclntab_inlined(const struct ms_gopclntab *t, const struct ms_gofunc *f, uint64_t pc, uint64_t gofunc, char *name,
                          size_t room) {
    bool old = t->record_bytes == RECORD_BYTES_118;
    uint32_t tree, at;
    int32_t call;
    if (!ms_gopclntab_pcdata(t, f, MS_GOPCDATA_INLINED, pc, &call) || call < 0) return false;
    if (!ms_gopclntab_funcdata(t, f, MS_GOFUNCDATA_INLINED, &tree) || tree == UINT32_MAX) return false;
    uint64_t record = gofunc + tree + (uint64_t)(uint32_t)call * (old ? CALL_BYTES_119 : CALL_BYTES);
    return get(t, record + (old ? CALL_NAME_119 : CALL_NAME), &at, sizeof at) && text_at(t, t->names + at, name, room);
}
