/* fuzz_c_table.c - the table of C types that a parser left (elf/ctable.h), changed by somebody who took it over; and the
 * figures and pictures of map types whose keys and values are what it says.
 *
 *   input   changes: place 2, length 1, bytes; the last byte cuts or keeps
 *
 * Whatever the table says, what is taken from it holds together: a type is made of types before it, holes and best size
 * are no more than its size, an order of fields has each of them once.  A picture of a group has every byte once.
 */
#include "elf/cdwarf.h"
#include "elf/ctable.h"
#include "error.h"
#include "view/maptype.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD = 3, QUERIES = 2 };

static struct {
    uint8_t byte[4096];
    size_t len;
} honest;

static void require(bool holds) {
    if (!holds) abort();
}

static bool put(void *ctx, const void *data, size_t len) {
    (void)ctx;
    require(honest.len + len <= sizeof honest.byte);
    memcpy(honest.byte + honest.len, data, len);
    honest.len += len;
    return true;
}

static void add_type(struct ms_flat *f, const char *name, struct ms_crow_type type) {
    type.name = ms_flat_name(f, name);
    struct ms_crow_type *row = ms_flat_add(f, MS_C_TYPES);
    *row = type;
}

static void add_field(struct ms_flat *f, const char *name, uint64_t offset, uint32_t type) {
    uint32_t text = ms_flat_name(f, name);
    struct ms_crow_field *row = ms_flat_add(f, MS_C_FIELDS);
    *row = (struct ms_crow_field){.offset = offset, .type = type, .name = text};
}

/* struct s { char live; long id; short grid[3]; } and a map of it. */
static void make_honest(void) {
    struct ms_flat f;
    ms_flat_init(&f, &ms_cform);
    add_type(&f, "char", (struct ms_crow_type){.size = 1, .align = 1, .kind = MS_MEM_INT});
    add_type(&f, "long", (struct ms_crow_type){.size = 8, .align = 8, .kind = MS_MEM_INT});
    add_type(&f, "short", (struct ms_crow_type){.size = 2, .align = 2, .kind = MS_MEM_INT});
    add_type(&f, "short[3]",
             (struct ms_crow_type){.size = 6, .count = 3, .align = 2, .elem = 3, .kind = MS_MEM_ARRAY});
    add_type(&f, "struct s",
             (struct ms_crow_type){.size = 24, .align = 8, .fields = 3, .kind = MS_MEM_STRUCT});
    add_field(&f, "live", 0, 1);
    add_field(&f, "id", 8, 2);
    add_field(&f, "grid", 16, 4);
    struct ms_crow_map map = {.name = ms_flat_name(&f, "by_id"), .key = 2, .value = 5};
    *(struct ms_crow_map *)ms_flat_add(&f, MS_C_MAPS) = map;
    for (uint32_t i = 0; i < QUERIES; i++) *(uint32_t *)ms_flat_add(&f, MS_C_ANSWERS) = i ? 5 : 2;
    require(ms_flat_write(&f, (struct ms_sink){put, NULL}));
    ms_flat_free(&f);
}

static void check_type(const struct ms_mem *m, uint32_t number) {
    const struct ms_mem_type *t = ms_mem_get(m, number);
    require(t->packed <= t->size && t->holes <= t->size && t->align && t->elem < number);
    if (t->kind != MS_MEM_STRUCT) return;
    uint32_t *order = ms_alloc((t->fields + 1) * sizeof *order);
    uint64_t sum = 0, end = 0;
    ms_mem_order(m, t, order);
    for (uint32_t i = 0; i < t->fields; i++) {
        const struct ms_mem_field *f = &m->field[t->field + i];
        require(f->type < number && order[i] < t->fields && f->offset >= end);
        end = f->offset + ms_mem_get(m, f->type)->size;
        sum += order[i];
        (void)ms_mem_hole(m, t, i);
    }
    require(end <= t->size && sum == (uint64_t)t->fields * (t->fields ? t->fields - 1 : 0) / 2);
    free(order);
}

static void check_picture(const struct ms_maptype *l) {
    struct ms_rows rows;
    uint64_t at = 0;
    ms_picture_group(l, &rows);
    for (size_t i = 0; i < rows.count && rows.count < 512; i++) {
        bool inner = i + 1 < rows.count && rows.row[i + 1].depth > rows.row[i].depth;
        if (inner) continue;
        require(rows.row[i].offset == at);
        at += rows.row[i].size;
    }
    require(rows.count >= 512 || at == rows.bytes);
    ms_rows_free(&rows);
}

/* Maps with such keys and values, of each kind, with a figure for every change that there is. */
static void check_maps(const struct ms_mem *m, uint32_t key, uint32_t value) {
    static const struct {
        enum ms_slot_rules rules;
        enum ms_kind kind;
    } of[] = {{MS_SLOTS_SWISS, MS_KIND_GO_SWISS},
              {MS_SLOTS_SPLIT, MS_KIND_GO_SWISS},
              {MS_SLOTS_GO_CLASSIC, MS_KIND_GO_CLASSIC},
              {MS_SLOTS_GOMAP, MS_KIND_GOMAP},
              {MS_SLOTS_CLASSIC, MS_KIND_CLASSIC}};
    const struct ms_mem_type *k = ms_mem_get(m, key), *v = ms_mem_get(m, value);
    static char name[] = "k->v";
    for (size_t i = 0; i < sizeof of / sizeof *of && k->size <= 4096 && v->size <= 4096; i++) {
        struct ms_type like = {.name = name, .key = name, .value = name};
        struct ms_slot_part kp = {.size = k->size, .align = k->align},
                            vp = {.size = v->size, .align = v->align};
        struct ms_type t = ms_slots_make(of[i].rules, &like, kp, vp);
        struct ms_maptype l;
        ms_layout_of(&l, &t, of[i].kind, m, key, value, NULL, 0, 1000);
        ms_layout_choose(&l, NULL, NULL, 0, 1000, true);
        require(l.crossing.slots <= l.crossing.of);
        if (k->size % k->align == 0 && v->size % v->align == 0) check_picture(&l);
        ms_layout_free(&l);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ms_cquery query[QUERIES] = {{.name = "long", .size = 8}, {.name = "struct s", .size = 24}};
    struct ms_cdwarf d = {.map = NULL};
    if (honest.len == 0) make_honest();
    size_t len = honest.len;
    if (size && data[size - 1] & 1) len -= data[size - 1] % len;
    uint64_t *table = malloc(len + 8); /* aligned, and of just its size but for that */
    memcpy(table, honest.byte, len);
    for (const uint8_t *end = data + size; end - data > HEAD;) {
        size_t place = (size_t)data[0] | (size_t)data[1] << 8, n = data[2] & 15;
        data += HEAD;
        for (size_t i = 0; i < n && data < end; i++, data++) ((uint8_t *)table)[(place + i) % len] = *data;
    }
    bool taken = ms_cdwarf_take(&d, table, len, query, QUERIES);
    if (size == 0) require(taken && d.maps == 1 && ms_mem_get(&d.mem, query[1].type)->holes == 9);
    for (uint32_t i = 1; i < d.mem.types; i++) check_type(&d.mem, i);
    for (size_t i = 0; i < d.maps; i++) check_maps(&d.mem, d.map[i].key, d.map[i].value);
    check_maps(&d.mem, query[0].type, query[1].type);
    ms_cdwarf_free(&d);
    free(table);
    return 0;
}
