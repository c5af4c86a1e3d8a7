/* goguess.c - what an object is that was reached without a type.
 *
 *   its allocation   Go 1.22 and later keep the type of an object that holds pointers: above 512 bytes in the word
 *                    before it, for large ones in its span.  Certain.
 *   a closure        its first word is the entry of a function that is known to have one.  Certain.
 *   an interface     the word before a pointer describes a type, or is an itab that names one.  All but certain.
 *   a map            48 bytes with the shape of a header: all but certain with entries.  Without, there is only a hash
 *                    seed, and pointers where a header has them (Go 1.22 and later).
 *
 * The shape of a Swiss map closes on itself: the entries of its tables add up to its own count, and tables say where
 * in the directory they stand; each table looked at costs of the walk's budget.  A classic map: its buckets are the start of an object, of a size that its B gives.
 */
#include "goruntime.h"

#include <string.h>

enum {
    HEADER = 48,
    TABLES_LOOKED_AT = 4096,
    B_MAX = 40,
    BUCKET_LEAST = 16,
    BUCKET_MOST = 2072,
    TABLE_SLOTS_MOST = 1024
};

static uint64_t word(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* ---- maps -------------------------------------------------------------------------------------- */

static unsigned full_in(uint64_t control) {
    return 8 - (unsigned)__builtin_popcountll(control & UINT64_C(0x8080808080808080));
}

struct table {
    uint16_t used, capacity, growth_left;
    uint8_t depth;
    int64_t index;
    uint64_t groups, mask;
};

static bool read_table(struct ms_go *go, uint64_t addr, struct table *t) {
    uint8_t raw[32];
    if (!ms_gomem_read(go, addr, raw, sizeof raw)) return false;
    memcpy(&t->used, raw, 2);
    memcpy(&t->capacity, raw + 2, 2);
    memcpy(&t->growth_left, raw + 4, 2);
    t->depth = raw[6];
    memcpy(&t->index, raw + 8, 8);
    t->groups = word(raw + 16);
    t->mask = word(raw + 24);
    return t->capacity >= 8 && t->capacity <= TABLE_SLOTS_MOST && !(t->capacity & (t->capacity - 1)) &&
           t->mask == t->capacity / 8u - 1 && t->used + t->growth_left <= t->capacity;
}

/* Without entries only where something else says that it is a map. */
static bool is_swiss(struct ms_go *go, const uint8_t *raw, bool may_be_empty) {
    uint64_t used = word(raw), tables = word(raw + 16), length = word(raw + 24), sum = 0, control;
    unsigned depth = raw[32], shift = raw[33];
    if ((used == 0 && !may_be_empty) || used >> 48 || raw[34] > 1 || raw[35] > 1 || tables % 8 || !tables)
        return false;
    if (length == 0)
        return used <= 8 && depth == 0 && (shift == 0 || shift == 64) &&
               ms_gomem_word(go, tables, &control) && full_in(control) == used;
    if (depth > 40 || length != UINT64_C(1) << depth || shift != 64 - depth) return false;
    for (uint64_t i = 0, looked = 0; i < length; looked++) {
        struct table t;
        uint64_t at;
        if (looked == TABLES_LOOKED_AT) return sum <= used;
        if (!ms_go_afford(go)) return false;
        if (!ms_gomem_word(go, tables + 8 * i, &at) || !read_table(go, at, &t)) return false;
        if (t.depth > depth || t.index != (int64_t)i) return false;
        sum += t.used;
        i += UINT64_C(1) << (depth - t.depth);
    }
    return sum == used;
}

/* The first bucket of a map that does not leave its function lies in the frame too. */
static bool is_stack_bucket(struct ms_go *go, uint64_t addr, uint64_t count) {
    const struct ms_goarea *a = ms_goheap_find(go, addr);
    uint8_t top[8];
    unsigned full = 0;
    if (!a || a->kind != MS_GO_STACK || addr % 8 || count > 8 || !ms_gomem_read(go, addr, top, sizeof top))
        return false;
    for (int i = 0; i < 8; i++) full += top[i] >= 5;
    return full == count;
}

static bool is_classic(struct ms_go *go, const uint8_t *raw, bool may_be_empty) {
    uint64_t count = word(raw), buckets = word(raw + 16), old = word(raw + 24), moved = word(raw + 32),
             start = 0;
    unsigned flags = raw[8], b = raw[9];
    uint64_t bytes = ms_goheap_object(go, buckets, &start);
    if ((count == 0 && !may_be_empty) || count >> 48 || flags > 15 || b > B_MAX) return false;
    if (!bytes) return b == 0 && !old && !moved && is_stack_bucket(go, buckets, count);
    if ((buckets != start && buckets != start + 8)) return false;
    uint64_t per = bytes >> b;
    if (per < BUCKET_LEAST || per > 2 * BUCKET_MOST || count > (bytes / BUCKET_LEAST) * 8 * 4) return false;
    if (moved > UINT64_C(1) << b) return false;
    return !old || (ms_goheap_object(go, old, &start) && (old == start || old == start + 8));
}

uint64_t ms_goguess_header_object(const struct ms_go *go) {
    return go->layout.map_header <= 48 ? 48 : 64; /* size classes */
}

static bool has_shape(struct ms_go *go, uint64_t addr, bool may_be_empty) {
    uint8_t raw[HEADER];
    if (!ms_gomem_read(go, addr, raw, sizeof raw)) return false;
    return go->layout.swiss ? is_swiss(go, raw, may_be_empty) : is_classic(go, raw, may_be_empty);
}

bool ms_goguess_map(struct ms_go *go, uint64_t addr) { return has_shape(go, addr, false); }

/* Which words of a header are pointers: dirPtr; or buckets, oldbuckets and, last, extra. */
static unsigned header_mask(const struct ms_go *go) {
    return go->layout.swiss ? 1u << 2 : 1u << 2 | 1u << 3 | 1u << (go->layout.map_header / 8 - 1);
}

bool ms_goguess_header(struct ms_go *go, const struct ms_goarea *a, uint64_t base) {
    uint64_t word[HEADER / 8], mask;
    if (a->elem != ms_goguess_header_object(go)) return false;
    bool known = ms_goheap_pointers(go, a, base, (unsigned)a->elem / MS_GO_PTR, &mask);
    if (known) { /* pointers where a header has them, and nowhere else */
        uint64_t words = (ms_goheap_pointers_end(go, a, base) - base) / MS_GO_PTR;
        if ((mask & ((UINT64_C(1) << words) - 1)) != header_mask(go)) return false;
    }
    if (has_shape(go, base, known)) return true;
    /* Without entries and table only the hash seed is there. */
    if (!known || !ms_gomem_read(go, base, word, sizeof word)) return false;
    if (word[0] || word[2] || word[3] || word[4] || (!go->layout.swiss && word[5])) return false;
    return go->layout.swiss ? word[1] >> 32 : word[1] >> 32 && !(word[1] & UINT32_MAX);
}

/* The address of the first group or bucket of the map at addr; 0: none. */
static uint64_t first_group(struct ms_go *go, uint64_t addr) {
    uint64_t table, length, group;
    if (!ms_gomem_word(go, addr + 16, &table) || !ms_gomem_word(go, addr + 24, &length)) return 0;
    if (!go->layout.swiss || length == 0) return table;
    if (!ms_gomem_word(go, table, &table) || !ms_gomem_word(go, table + 16, &group)) return 0;
    return group;
}

ms_gotid ms_goguess_map_type(struct ms_go *go, uint64_t addr) {
    uint64_t group = first_group(go, addr), start = 0, rtype = 0;
    const struct ms_goarea *a = group ? ms_goheap_find(go, group) : NULL;
    if (!a || a->kind != MS_GO_HEAP || a->noscan || !go->layout.heap_bits || a->bits) return 0;
    start = ms_goarea_base(a, group);
    if (a->large)
        rtype = ms_goheap_large_type(go, a);
    else if (!ms_gomem_word(go, start, &rtype))
        return 0;
    return ms_gotype_map_of_group(go, rtype);
}

/* ---- other objects ----------------------------------------------------------------------------- */

static bool is_entry(const struct ms_go *go, uint64_t pc) {
    const struct ms_gomodule *m = ms_gomodule_of_text(go, pc);
    struct ms_gofunc f;
    return m && ms_gopclntab_find(&m->functions, pc, &f) && f.entry == pc;
}

ms_gotid ms_goguess_object(struct ms_go *go, const struct ms_goarea *a, uint64_t base, uint64_t *at) {
    uint64_t first;
    *at = base;
    if (go->layout.heap_bits && a->large) {
        uint64_t type = ms_goheap_large_type(go, a);
        return ms_gomodule_of_type(go, type) ? ms_gotype_at(go, type) : 0;
    }
    if (!ms_gomem_word(go, base, &first)) return 0;
    if (go->layout.heap_bits && !a->bits) {
        *at = base + MS_GO_PTR;
        return ms_gomodule_of_type(go, first) ? ms_gotype_at(go, first) : 0;
    }
    return is_entry(go, first) ? ms_gotype_closure(go, first) : 0;
}

/* Can the word be the data of an interface of that type?  Dead words of a frame often stand beside a type. */
static bool fits(struct ms_go *go, const struct ms_gotype *t, uint64_t data) {
    uint64_t start = 0, bytes = ms_goheap_object(go, data, &start), need = t->size;
    if (!bytes) return false;
    if (t->kind == MS_GO_MAP) return bytes == ms_goguess_header_object(go) && data == start;
    if (t->direct) need = t->kind == MS_GO_POINTER ? ms_gotype_get(go, t->elem)->size : 0;
    return need <= start + bytes - data;
}

ms_gotid ms_goguess_interface(struct ms_go *go, uint64_t at) {
    uint64_t tag, behind, data;
    if (!ms_gomem_word(go, at - 8, &tag) || tag % 8 || tag == 0) return 0;
    if (!ms_gomodule_of_type(go, tag)) { /* an itab: the interface's type, then the value's */
        if (ms_goheap_find(go, tag) || !ms_gomem_word(go, tag, &behind) || !ms_gomodule_of_type(go, behind))
            return 0;
        if (!ms_gomem_word(go, tag + 8, &tag) || !ms_gomodule_of_type(go, tag)) return 0;
    }
    ms_gotid t = ms_gotype_at(go, tag);
    const struct ms_gotype *type = ms_gotype_get(go, t);
    return type->kind && type->name && ms_gomem_word(go, at, &data) && fits(go, type, data) ? t : 0;
}
