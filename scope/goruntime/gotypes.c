/* gotypes.c - the program's types, one number each, decoded when first asked for.
 *
 * A type comes from one of two places.  The program's own description (abi.Type) exists for everything that is
 * allocated or put into an interface; the debug information describes the rest, and says for each of its types
 * where the own description is.  So one type has one number whichever way it was met:
 *
 *   debug entry --runtime_type--> own description --key of the table--> number
 *        \_______ none: the entry itself is the key ______________________/
 *
 * abi.Type, 48 bytes: size 0, bytes with pointers 8, hash 16, flags 20, kind 23, name 40 (from moduledata.types);
 * what belongs to the kind lies behind.  Types refer to each other by number and are decoded one at a time, so
 * a hostile type graph costs no stack; fields must ascend within their struct, so one that holds itself has no room.
 */
#include "goruntime.h"

#include <stdlib.h>
#include <string.h>

enum { TYPES_MAX = 4 << 20, FIELDS_MAX = 1 << 16, NAME_MAX_LEN = 512, RTYPE_BYTES = 136, DEPTH_MAX = 64 };
enum { FLAG_EXTRA_STAR = 2, FLAG_DIRECT = 32, KIND_MASK = 31, KIND_DIRECT = 32 };
#define SIZE_MOST  (UINT64_C(1) << 40)
#define KEY_DIE    (UINT64_C(1) << 63) /* keys of types without an own description */
#define KEY_MADE   (UINT64_C(1) << 62) /* keys of types made here */
#define CLOSURE_OF (UINT64_C(1) << 61)
#define COPY       (UINT64_C(1) << 60)

/* Leaves while they are gathered; steps: fields and elements looked at. */
enum { LEAVES_MAX = 512 };
struct ms_goleaves {
    struct ms_goleaf leaf[LEAVES_MAX];
    uint32_t count, steps;
};

static uint64_t u64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static uint32_t u32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* ---- the table --------------------------------------------------------------------------------- */

static uint64_t key_of(const struct ms_gotype *t) {
    if (t->kind >= MS_GO_MAP_HEADER) return KEY_MADE | (uint64_t)t->kind << 48 | t->elem;
    return t->rtype ? t->rtype : t->die | KEY_DIE;
}

static size_t place_of(const struct ms_gotypes *ts, uint64_t key) {
    size_t at = (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (ts->slots - 1);
    while (ts->slot[at] && key_of(ts->type[ts->slot[at]]) != key) at = (at + 1) & (ts->slots - 1);
    return at;
}

static void grow_table(struct ms_gotypes *ts) {
    free(ts->slot);
    ts->slots = ts->slots ? ts->slots * 2 : 1024;
    ts->slot = ms_alloc(ts->slots * sizeof *ts->slot);
    for (size_t i = 1; i < ts->count; i++) ts->slot[place_of(ts, key_of(ts->type[i]))] = i;
}

static struct ms_gotype *make(struct ms_gotypes *ts) {
    struct ms_gotype *t = ms_alloc(sizeof *t);
    MS_ROOM(ts->type, ts->count, ts->room);
    ts->type[ts->count++] = t;
    return t;
}

/* The number of the type like `want`, which is added if it is new. */
static ms_gotid intern(struct ms_go *go, const struct ms_gotype *want) {
    struct ms_gotypes *ts = &go->types;
    if (ts->count == 0) make(ts)->decoded = true; /* number 0: the unknown type */
    if (ts->count * 2 >= ts->slots) grow_table(ts);
    size_t at = place_of(ts, key_of(want));
    if (ts->slot[at]) return (ms_gotid)ts->slot[at];
    if (ts->count >= TYPES_MAX) return 0;
    *make(ts) = *want;
    ts->slot[at] = ts->count - 1;
    return (ms_gotid)(ts->count - 1);
}

ms_gotid ms_gotype_at(struct ms_go *go, uint64_t rtype) {
    if (rtype % 8 || rtype == 0 || rtype >> 56) return 0;
    return intern(go, &(struct ms_gotype){.rtype = rtype});
}

static ms_gotid find_die(struct ms_go *go, uint64_t die) {
    struct ms_godie d;
    if (!die || !go->dwarf || !ms_godwarf_type(go->dwarf, die, &d)) return 0;
    const struct ms_gomodule *m = &go->module[0];
    if (d.runtime_type && d.runtime_type < m->etypes - m->types)
        return ms_gotype_at(go, m->types + d.runtime_type);
    return intern(go, &(struct ms_gotype){.die = d.offset});
}

ms_gotid ms_gotype_die(struct ms_go *go, uint64_t die) {
    struct ms_gotypes *ts = &go->types;
    if (die != ts->last_die) ts->last_type = find_die(go, die), ts->last_die = die;
    return ts->last_type;
}

ms_gotid ms_gotype_made(struct ms_go *go, unsigned kind, ms_gotid elem) {
    /* of a channel: up to its buffer's address, which is all that has a type of its own */
    static const uint8_t sizes[] = {48, 24, 8, 32};
    uint64_t size = kind == MS_GO_MAP_HEADER ? go->layout.map_header : sizes[kind - MS_GO_MAP_HEADER];
    return intern(go,
                  &(struct ms_gotype){
                      .kind = (uint8_t)kind, .elem = elem, .size = size, .pointers = size, .decoded = true});
}

/* ---- the program's own descriptions ------------------------------------------------------------- */

/* A name: flags, length as a varint, bytes. */
static char *name_at(struct ms_go *go, uint64_t addr, bool drop_star) {
    uint8_t head[3];
    char text[NAME_MAX_LEN + 1];
    if (!ms_gomem_read(go, addr, head, sizeof head)) return NULL;
    size_t len = head[1] & 0x7f, skip = 2;
    if (head[1] & 0x80) len |= (size_t)(head[2] & 0x7f) << 7, skip = 3;
    if (len > NAME_MAX_LEN) len = NAME_MAX_LEN;
    if (!ms_gomem_read(go, addr + skip, text, len)) return NULL;
    text[len] = 0;
    return ms_strdup(drop_star && text[0] == '*' ? text + 1 : text);
}

static void take_fields(struct ms_go *go, struct ms_gotype *t, uint64_t addr, uint64_t count) {
    if (count > FIELDS_MAX) return;
    uint8_t *raw = ms_alloc((size_t)count * 24);
    uint64_t end = 0;
    if (!ms_gomem_read(go, addr, raw, (size_t)count * 24)) count = 0;
    t->field = ms_alloc((size_t)count * sizeof *t->field);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t offset = u64(raw + i * 24 + 16);
        if (go->build.minor < 19) offset >>= 1; /* the lowest bit said "embedded" */
        if (offset < end || offset > t->size) break;
        end = offset;
        t->field[t->fields++] = (struct ms_gofield){.name = name_at(go, u64(raw + i * 24), false),
                                                    .offset = offset,
                                                    .type = ms_gotype_at(go, u64(raw + i * 24 + 8))};
    }
    free(raw);
}

/* Size of a type that is not decoded for it; what is too large for a slot need not be told. */
static uint32_t size_at(struct ms_go *go, uint64_t rtype) {
    uint64_t size;
    return ms_gomem_word(go, rtype, &size) && size <= UINT32_MAX ? (uint32_t)size : UINT32_MAX;
}

/* The slots of a map.  Classic: 8 tophash bytes, 8 keys, 8 values, a link.  Swiss: 8 control bytes, 8 slots. */
static void take_map(struct ms_go *go, struct ms_gotype *t, const uint8_t *raw) {
    struct ms_gomaptype *m = &t->map;
    const struct ms_golayout *l = &go->layout;
    t->key = ms_gotype_at(go, u64(raw + 48));
    t->elem = ms_gotype_at(go, u64(raw + 56));
    t->group = ms_gotype_at(go, u64(raw + 64));
    uint32_t key_size = size_at(go, u64(raw + 48)), elem_size = size_at(go, u64(raw + 56));
    if (l->swiss) {
        uint32_t flags = u32(raw + (l->wide_map_type ? 128 : 104));
        m->key_far = flags & 4, m->elem_far = flags & 8;
        m->group_size = u32(raw + 80);
        m->key_off = 8;
        m->key_stride = m->elem_stride = u32(raw + 88);
        m->elem_off = 8 + u32(raw + 96);
        if (l->wide_map_type) {
            m->key_off = u32(raw + 88), m->key_stride = u32(raw + 96);
            m->elem_off = u32(raw + 104), m->elem_stride = u32(raw + 112);
        }
    } else {
        uint32_t flags = u32(raw + 84);
        m->key_far = flags & 1, m->elem_far = flags & 2;
        m->group_size = raw[82] | (uint32_t)raw[83] << 8;
        m->key_off = 8;
        m->key_stride = raw[80];
        m->elem_off = 8 + 8 * m->key_stride;
        m->elem_stride = raw[81];
    }
    m->key_slot = m->key_far ? MS_GO_PTR : key_size;
    m->elem_slot = m->elem_far ? MS_GO_PTR : elem_size;
    bool fits = m->group_size <= 1 << 16 && m->key_slot <= 128 && m->elem_slot <= 128 &&
                m->key_stride <= 512 && m->elem_stride <= 512 && m->key_off <= m->group_size &&
                m->elem_off <= m->group_size &&
                m->key_off + 8 * m->key_stride <= m->group_size + m->key_stride &&
                m->elem_off + 7 * m->elem_stride + m->elem_slot <= m->group_size &&
                m->group_size >= 8 + 8 * (m->key_slot + m->elem_slot);
    if (!fits) {
        t->group = 0;
        *m = (struct ms_gomaptype){0};
    }
}

/* A pointer to elem, for words that Go types as less than that. */
static ms_gotid pointer_to(struct ms_go *go, ms_gotid elem) {
    struct ms_gotype t = {
        .die = KEY_MADE | elem, .kind = MS_GO_POINTER, .elem = elem, .size = 8, .pointers = 8};
    t.decoded = true;
    return intern(go, &t);
}

static void forget_leaves(struct ms_gotype *t) {
    free(t->leaf);
    t->leaf = NULL;
    t->leaves = 0;
    t->flat = t->parted = false;
}

/* The bucket of a classic map links to more of its kind; the type says only "a pointer". */
static void tell_group(struct ms_go *go, ms_gotid map) {
    struct ms_gotype *t = go->types.type[map];
    ms_gotid group = t->group;
    if (!group) return;
    ms_gotype_get(go, group);
    struct ms_gotype *g = go->types.type[group];
    g->of_map = map;
    if (go->layout.swiss || g->fields == 0) return;
    struct ms_gofield *link = &g->field[g->fields - 1];
    if (g->pointers && ms_gotype_get(go, link->type)->kind == MS_GO_UNSAFE_POINTER)
        link->type = pointer_to(go, group), forget_leaves(g);
}

/* sync/atomic.Pointer[T] holds an unsafe.Pointer, and says what it points to in a field without size: _ [0]*T. */
static void tell_atomic(struct ms_go *go, struct ms_gotype *t) {
    if (t->size != MS_GO_PTR || t->fields < 2 || t->fields > 3) return;
    const struct ms_gotype *none = ms_gotype_get(go, t->field[0].type);
    struct ms_gofield *last = &t->field[t->fields - 1];
    if (none->kind != MS_GO_ARRAY || none->size || !last->name || strcmp(last->name, "v") != 0) return;
    const struct ms_gotype *to = ms_gotype_get(go, none->elem);
    if (to->kind != MS_GO_POINTER || ms_gotype_get(go, last->type)->kind != MS_GO_UNSAFE_POINTER) return;
    last->type = pointer_to(go, to->elem);
}

static void decode_own(struct ms_go *go, ms_gotid id) {
    struct ms_gotype *t = go->types.type[id];
    uint8_t raw[RTYPE_BYTES];
    if (!ms_gomem_read(go, t->rtype, raw, sizeof raw)) return;
    unsigned kind = raw[23] & KIND_MASK;
    t->size = u64(raw);
    t->pointers = u64(raw + 8);
    if (kind == 0 || kind > MS_GO_UNSAFE_POINTER || t->size > SIZE_MOST || t->pointers > t->size) {
        t->size = t->pointers = 0;
        return;
    }
    t->kind = (uint8_t)kind;
    t->direct = go->layout.direct_in_flags ? raw[20] & FLAG_DIRECT : raw[23] & KIND_DIRECT;
    const struct ms_gomodule *m = ms_gomodule_of_type(go, t->rtype);
    uint32_t name = u32(raw + 40);
    if (m && name < m->etypes - m->types) t->name = name_at(go, m->types + name, raw[20] & FLAG_EXTRA_STAR);
    switch (kind) {
    case MS_GO_ARRAY:
        t->elem = ms_gotype_at(go, u64(raw + 48));
        t->count = u64(raw + 64);
        break;
    case MS_GO_CHAN:
    case MS_GO_POINTER:
    case MS_GO_SLICE: t->elem = ms_gotype_at(go, u64(raw + 48)); break;
    case MS_GO_INTERFACE: t->empty_interface = u64(raw + 64) == 0; break; /* no methods */
    case MS_GO_MAP: take_map(go, t, raw); break;
    case MS_GO_STRUCT: take_fields(go, t, u64(raw + 56), u64(raw + 64)); break;
    }
}

/* ---- types only the debug information has ------------------------------------------------------- */

struct collect {
    struct ms_go *go;
    struct ms_gotype *t;
    size_t room;
    uint64_t size; /* members lie within */
};

static bool add_member(void *ctx, const char *name, uint64_t offset, uint64_t type) {
    struct collect *c = ctx;
    if (c->t->fields >= FIELDS_MAX) return false;
    if (offset > c->size) return true;
    MS_ROOM(c->t->field, c->t->fields, c->room);
    c->t->field[c->t->fields++] =
        (struct ms_gofield){.name = ms_strdup(name), .offset = offset, .type = ms_gotype_die(c->go, type)};
    return true;
}

static int by_offset(const void *a, const void *b) {
    const struct ms_gofield *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static void order_fields(struct ms_gotype *t) {
    if (t->fields) qsort(t->field, t->fields, sizeof *t->field, by_offset);
}

static void decode_die(struct ms_go *go, ms_gotid id) {
    struct ms_gotype *t = go->types.type[id];
    struct ms_godie d;
    if (!ms_godwarf_type(go->dwarf, t->die, &d) || d.size > SIZE_MOST) return;
    t->kind = d.kind;
    t->size = d.size;
    t->pointers = d.kind <= MS_GO_COMPLEX128 ? 0 : d.size;
    t->count = d.count;
    t->empty_interface = d.empty_interface;
    t->name = d.name ? ms_strdup(d.name) : NULL;
    if (d.kind == MS_GO_STRUCT) {
        struct collect c = {.go = go, .t = t, .size = t->size};
        ms_godwarf_members(go->dwarf, t->die, add_member, &c);
        order_fields(t);
        return;
    }
    t->elem = ms_gotype_die(go, d.elem);
    t->key = ms_gotype_die(go, d.key);
    if (d.kind == MS_GO_ARRAY && ms_gotype_get(go, t->elem)->pointers == 0) t->pointers = 0;
}

/* ---- asking ------------------------------------------------------------------------------------ */

const struct ms_gotype *ms_gotype_decode(struct ms_go *go, ms_gotid id) {
    static const struct ms_gotype unknown = {.decoded = true};
    if (id == 0 || id >= go->types.count) return &unknown;
    struct ms_gotype *t = go->types.type[id];
    if (t->decoded) return t;
    if (go->types.depth == DEPTH_MAX) return &unknown;
    go->types.depth++;
    t->decoded = true; /* before: a type may lead to itself */
    if (t->rtype)
        decode_own(go, id);
    else
        decode_die(go, id);
    if (t->kind == MS_GO_MAP) t->header = ms_gotype_made(go, MS_GO_MAP_HEADER, id);
    if (t->kind == MS_GO_CHAN) t->header = ms_gotype_made(go, MS_GO_CHAN_HEADER, id);
    if (t->kind == MS_GO_MAP) tell_group(go, id);
    if (t->kind == MS_GO_STRUCT) tell_atomic(go, t);
    if (t->kind == MS_GO_STRUCT) ms_gosync_tell(go, t);
    go->types.depth--;
    return t;
}

/* ---- values ------------------------------------------------------------------------------------ */

/* What a pointer in a value of that type leads to. */
static ms_gotid led_to(struct ms_go *go, const struct ms_gotype *t) {
    switch (t->kind) {
    case MS_GO_MAP:
    case MS_GO_CHAN: return t->header;
    case MS_GO_POINTER:
    case MS_GO_SLICE: return t->elem;
    case MS_GO_DIRECTORY: return ms_gotype_made(go, MS_GO_TABLE, t->elem);
    default: return 0;
    }
}

/* Adds the leaves of a value of type t at offset `at`; false: they are too many, or it is not made of leaves alone. */
static bool part(struct ms_go *go, struct ms_goleaves *l, ms_gotid id, uint64_t at, unsigned depth) {
    const struct ms_gotype *t = ms_gotype_get(go, id);
    if (t->pointers == 0 || at % MS_GO_PTR) return true;
    if (depth == DEPTH_MAX || t->sync == MS_GO_SYNC_MAP || l->steps++ == LEAVES_MAX) return false;
    switch (t->kind) {
    case MS_GO_MAP_HEADER:
    case MS_GO_CHAN_HEADER:
    case MS_GO_TABLE: return false;
    case MS_GO_STRUCT:
        for (uint32_t i = 0; i < t->fields; i++)
            if (ms_gotype_get(go, t->field[i].type)->size <= ms_gofield_room(t, i) &&
                !part(go, l, t->field[i].type, at + t->field[i].offset, depth + 1))
                return false;
        return true;
    case MS_GO_ARRAY: {
        uint64_t step = ms_gotype_get(go, t->elem)->size;
        for (uint64_t i = 0; step && i < t->count && (i + 1) * step <= t->size; i++)
            if (!part(go, l, t->elem, at + i * step, depth + 1)) return false;
        return true;
    }
    default:
        l->leaf[l->count++] = (struct ms_goleaf){.offset = at, .to = led_to(go, t), .kind = t->kind, .empty_interface = t->empty_interface};
        return true;
    }
}

bool ms_gotype_leaves(struct ms_go *go, ms_gotid id) {
    if (ms_gotype_get(go, id)->parted || id == 0 || id >= go->types.count) return ms_gotype_get(go, id)->flat;
    struct ms_goleaves l = {0};
    bool flat = part(go, &l, id, 0, 0);
    struct ms_gotype *t = go->types.type[id];
    t->parted = true;
    t->flat = flat;
    t->leaf = ms_alloc(l.count * sizeof *t->leaf);
    memcpy(t->leaf, l.leaf, l.count * sizeof *t->leaf);
    t->leaves = l.count;
    return flat;
}

ms_gotid ms_gotype_closure(struct ms_go *go, uint64_t entry) {
    struct ms_gotype want = {.die = CLOSURE_OF | entry}, *t;
    if (!go->dwarf || entry < go->bias) return 0;
    ms_gotid id = intern(go, &want);
    if (id == 0) return 0;
    t = go->types.type[id];
    if (!t->decoded) {
        struct collect c = {.go = go, .t = t, .size = SIZE_MOST};
        t->decoded = true;
        if (ms_godwarf_closure(go->dwarf, entry - go->bias, add_member, &c) && t->fields) {
            order_fields(t);
            const struct ms_gofield *last = &t->field[t->fields - 1];
            t->kind = MS_GO_STRUCT;
            t->size = t->pointers = last->offset + ms_gotype_get(go, last->type)->size;
        }
    }
    return t->fields ? id : 0;
}

/* Bytes of a description of 1.27, where they lie one behind the other; 0: it cannot be one. */
static uint64_t description_bytes(struct ms_go *go, uint64_t addr) {
    static const uint8_t base[] = {[MS_GO_ARRAY] = 72,     [MS_GO_CHAN] = 64,   [MS_GO_FUNC] = 56,
                                   [MS_GO_INTERFACE] = 80, [MS_GO_MAP] = 136,   [MS_GO_POINTER] = 56,
                                   [MS_GO_SLICE] = 56,     [MS_GO_STRUCT] = 80, [MS_GO_UNSAFE_POINTER] = 48};
    enum { UNCOMMON = 16, METHOD = 16, IMETHOD = 8, FIELD = 24, FLAG_UNCOMMON = 1 };
    uint8_t raw[80 + UNCOMMON], more[UNCOMMON] = {0};
    if (!ms_gomem_read(go, addr, raw, sizeof raw)) return 0;
    unsigned kind = raw[23] & KIND_MASK;
    if (kind == 0 || kind > MS_GO_UNSAFE_POINTER) return 0;
    uint64_t own = base[kind] ? base[kind] : 48, bytes = own;
    if (kind == MS_GO_FUNC) bytes += 8u * ((raw[48] | raw[49] << 8) + ((raw[50] | raw[51] << 8) & 0x7fff));
    if (kind == MS_GO_INTERFACE) bytes += IMETHOD * ms_min(u64(raw + 64), FIELDS_MAX);
    if (kind == MS_GO_STRUCT) bytes += FIELD * ms_min(u64(raw + 64), FIELDS_MAX);
    if (!(raw[20] & FLAG_UNCOMMON)) return bytes;
    if (!ms_gomem_read(go, addr + own, more, sizeof more)) return 0;
    return bytes + UNCOMMON + METHOD * (uint64_t)(more[4] | more[5] << 8);
}

static void list_if_map(struct ms_go *go, uint64_t addr) {
    uint8_t kind;
    if (ms_gomem_read(go, addr + 23, &kind, 1) && (kind & KIND_MASK) == MS_GO_MAP)
        ms_gotype_get(go, ms_gotype_at(go, addr));
}

static void list_of_module(struct ms_go *go, const struct ms_gomodule *m) {
    uint64_t bytes = m->etypes - m->types;
    for (uint64_t i = 0; i < m->typelink_count && i < TYPES_MAX; i++) {
        uint32_t offset;
        if (!ms_gomem_read(go, m->typelinks + 4 * i, &offset, sizeof offset)) break;
        if (offset < bytes) list_if_map(go, m->types + offset);
    }
    for (uint64_t at = m->types + 8, end = m->types + m->typedesclen, one; at < end;
         at = (at + one + 7) & ~UINT64_C(7)) {
        list_if_map(go, at);
        if (!(one = description_bytes(go, at))) break;
    }
}

/* All map types the program has get numbers: the debug information lists them, and the modules those without a
 * name of their own. */
static void list_map_types(struct ms_go *go) {
    size_t n = 0;
    const uint64_t *at = go->dwarf ? ms_godwarf_map_types(go->dwarf, &n) : NULL;
    const struct ms_gomodule *m = &go->module[0];
    for (size_t i = 0; i < n; i++)
        if (at[i] < m->etypes - m->types) ms_gotype_get(go, ms_gotype_at(go, m->types + at[i]));
    for (size_t i = 0; i < go->modules; i++) list_of_module(go, &go->module[i]);
}

void ms_gotype_list_maps(struct ms_go *go) {
    if (go->types.maps_listed) return;
    go->types.maps_listed = true;
    list_map_types(go);
}

/* A copy of a type under a name of its own. */
static ms_gotid copy_of(struct ms_go *go, const struct ms_gotype *t, char *name) {
    struct ms_gotype like = *t;
    like.rtype = 0;
    like.die = COPY | go->types.count; /* no two are the same */
    like.name = name;
    like.field = NULL;
    like.leaf = NULL;
    like.fields = like.leaves = 0;
    like.flat = like.parted = false;
    ms_gotid made = intern(go, &like);
    if (!made) free(name);
    return made;
}

ms_gotid ms_gotype_one_of(struct ms_go *go, ms_gotid map, char *name, bool several, bool same_slots) {
    struct ms_gotype like = *ms_gotype_get(go, map);
    if (several) {
        like.key = same_slots ? copy_of(go, ms_gotype_get(go, like.key), NULL) : 0;
        like.elem = same_slots ? copy_of(go, ms_gotype_get(go, like.elem), NULL) : 0;
    }
    if (!same_slots) like.map = (struct ms_gomaptype){0};
    return copy_of(go, &like, name);
}

ms_gotid ms_gotype_sync(struct ms_go *go, const char *name, bool interfaces) {
    struct ms_gotype any = {.kind = MS_GO_INTERFACE, .size = 16, .pointers = 16, .empty_interface = true, .decoded = true},
                     map = {.kind = MS_GO_STRUCT, .sync = MS_GO_SYNC_MAP, .decoded = true};
    if (interfaces) map.key = map.elem = copy_of(go, &any, ms_strdup("interface {}"));
    return copy_of(go, &map, ms_strdup(name));
}

ms_gotid ms_gotype_map_of_group(struct ms_go *go, uint64_t rtype) {
    if (!ms_gomodule_of_type(go, rtype)) return 0;
    const struct ms_gotype *g = ms_gotype_get(go, ms_gotype_at(go, rtype));
    if (!g->of_map) ms_gotype_list_maps(go);
    return g->of_map;
}

void ms_gotypes_close(struct ms_go *go) {
    struct ms_gotypes *ts = &go->types;
    for (size_t i = 0; i < ts->count; i++) {
        for (uint32_t k = 0; k < ts->type[i]->fields; k++) free(ts->type[i]->field[k].name);
        free(ts->type[i]->field);
        free(ts->type[i]->leaf);
        free(ts->type[i]->name);
        free(ts->type[i]);
    }
    free(ts->type);
    free(ts->slot);
    *ts = (struct ms_gotypes){0};
}
