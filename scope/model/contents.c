/* contents.c - reads every entry of a map, whatever kind it is, and keeps only what the entries have in common.
 *
 *   groups [0, 4096) --batch--> slots --live ones--> key, value        ... and so on
 *                                 |
 *                                 '--links--> nodes of chains, level by level
 *
 * The control, tophash or tag bytes that say which slots are live are those read with the slots, where they lie together.
 * Texts of strings are read by the thousand.  A map that is written meanwhile may show an entry twice or not at all:
 * whoever asks compares how many were seen with how many there are.
 */
#include "contents.h"

#include "classic_raw.h"
#include "go_classic.h"
#include "gomap_raw.h"

#include <stdlib.h>
#include <string.h>

enum {
    STEP_MOST = 4096,
    STEP_BYTES = 4 << 20,
    TEXTS = 1024,
    LEVELS_MAX = 4096,
    NODES_MOST = 1 << 20,
    UUID = 36
};
enum {
    SLOT_INLINE = 128,
    BEHIND = 256
}; /* BEHIND: room for a slot that a type puts at the end of its group */

/* Where keys and values lie in a group, a bucket, or a node of a chain. */
struct place {
    uint32_t bytes; /* of all of it */
    uint32_t state; /* where the bytes are that say which slots are live; UINT32_MAX: elsewhere */
    uint32_t slots;
    uint32_t key_off, key_stride, value_off, value_stride;
    uint32_t link; /* where the address of the next one is; UINT32_MAX: none */
};

struct text {
    uint64_t addr, len;
};

struct look {
    struct ms_reader *r;
    const struct ms_map *m;
    struct ms_contents *c;
    struct place group, node;
    uint64_t step; /* groups at a time */
    uint64_t left; /* entries that may still be looked at */
    struct text text[TEXTS];
    size_t texts;
    bool gone;
};

/* ---- one entry --------------------------------------------------------------------------------- */

static bool is_digit(uint8_t b) { return b >= '0' && b <= '9'; }
static bool is_hex(uint8_t b, char first) { return is_digit(b) || (b >= first && b <= first + 5); }

static bool all_hex(const uint8_t *s, uint64_t n, char first) {
    for (uint64_t i = 0; i < n; i++)
        if (!is_hex(s[i], first)) return false;
    return n && n % 2 == 0;
}

static bool is_uuid(const uint8_t *s, uint64_t n) {
    for (uint64_t i = 0; i < n && n == UUID; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : !is_hex(s[i], 'a')) return false;
    }
    return n == UUID;
}

static bool is_decimal(const uint8_t *s, uint64_t n, uint64_t *value) {
    *value = 0;
    if (n == 0 || n > 19 || (s[0] == '0' && n > 1)) return false; /* 19 digits are below 2^64 */
    for (uint64_t i = 0; i < n; i++) {
        if (!is_digit(s[i])) return false;
        *value = *value * 10 + (uint64_t)(s[i] - '0');
    }
    return true;
}

static void take_text(struct ms_contents *c, const uint8_t *s, uint64_t len) {
    uint64_t value;
    c->text_bytes = ms_add(c->text_bytes, len);
    if (len < c->length_least) c->length_least = len;
    if (len > c->length_most) c->length_most = len;
    if (len > MS_TEXT_SEEN) return;
    c->hex += all_hex(s, len, 'a');
    c->hex_upper += all_hex(s, len, 'A');
    c->uuid += is_uuid(s, len);
    if (!is_decimal(s, len, &value)) return;
    c->decimal++;
    if (value > c->decimal_most) c->decimal_most = value;
}

static void flush_texts(struct look *k) {
    uint8_t(*buf)[MS_TEXT_SEEN] = ms_alloc(TEXTS * sizeof *buf);
    struct ms_batch_item *item = ms_alloc(TEXTS * sizeof *item);
    for (size_t i = 0; i < k->texts; i++)
        item[i] = (struct ms_batch_item){
            .addr = k->text[i].addr, .len = (uint32_t)ms_min(k->text[i].len, MS_TEXT_SEEN), .buf = buf[i]};
    k->gone = k->gone || ms_read_batch(k->r, item, k->texts) == MS_READ_GONE;
    for (size_t i = 0; i < k->texts && !k->gone; i++) {
        bool whole = k->text[i].len == 0 || item[i].status == MS_READ_OK;
        if (!whole) continue;
        take_text(k->c, buf[i], k->text[i].len);
        k->c->seen++;
    }
    k->texts = 0;
    free(item);
    free(buf);
}

static void take_integer(struct ms_contents *c, const uint8_t *key) {
    uint64_t v = 0;
    memcpy(&v, key, c->key_bytes);
    int64_t n = v > INT64_MAX ? INT64_MAX : (int64_t)v;
    if (c->key == MS_KEY_INT) {
        unsigned unused = 64 - 8 * c->key_bytes;
        n = (int64_t)(v << unused) >> unused;
    }
    if (n < c->least) c->least = n;
    if (n > c->most) c->most = n;
}

static void take_value(struct ms_contents *c, const uint8_t *value) {
    uint64_t word = 0;
    if (c->value == MS_VALUE_OTHER) return;
    memcpy(&word, value, c->value == MS_VALUE_BOOL ? 1 : sizeof word);
    c->set += word != 0;
}

static void take_entry(struct look *k, const uint8_t *key, const uint8_t *value) {
    struct ms_contents *c = k->c;
    if (k->left == 0) return;
    k->left--;
    take_value(c, value);
    if (c->key == MS_KEY_INT || c->key == MS_KEY_UINT) take_integer(c, key);
    if (c->key == MS_KEY_GO_STRING || c->key == MS_KEY_STRING) {
        struct text *t = &k->text[k->texts++];
        memcpy(&t->addr, key, sizeof t->addr);
        t->len = 0;
        memcpy(&t->len, key + sizeof t->addr, c->key == MS_KEY_STRING ? 4 : 8);
        if (k->texts == TEXTS) flush_texts(k);
    } else {
        c->seen++;
    }
}

/* ---- groups and nodes -------------------------------------------------------------------------- */

static bool is_live(const struct look *k, uint8_t state) {
    switch ((enum ms_kind)k->m->kind) {
    case MS_KIND_GO_SWISS: return !(state & 0x80);
    case MS_KIND_GO_CLASSIC:
    case MS_KIND_CLASSIC: return state >= MS_GO_TOP_LEAST;
    default: return state != 0;
    }
}

static void take_slots(struct look *k, const struct place *p, const uint8_t *bytes, const uint8_t *state) {
    for (uint32_t i = 0; i < p->slots; i++)
        if (is_live(k, state[i]))
            take_entry(k, bytes + p->key_off + i * p->key_stride, bytes + p->value_off + i * p->value_stride);
}

/* Of chains that begin at these addresses: all nodes. */
static void take_chains(struct look *k, uint64_t *next, size_t n) {
    uint8_t *bytes = ms_alloc(n * k->node.bytes + BEHIND);
    struct ms_batch_item *item = ms_alloc(n * sizeof *item);
    uint64_t nodes = 0;
    for (int level = 0; n && level < LEVELS_MAX && nodes < NODES_MOST && !k->gone; level++) {
        size_t kept = 0;
        for (size_t i = 0; i < n; i++)
            item[i] = (struct ms_batch_item){
                .addr = next[i], .len = k->node.bytes, .buf = bytes + i * k->node.bytes};
        k->gone = ms_read_batch(k->r, item, n) == MS_READ_GONE;
        for (size_t i = 0; i < n && !k->gone; i++) {
            const uint8_t *b = bytes + i * k->node.bytes;
            if (item[i].status != MS_READ_OK) continue;
            take_slots(k, &k->node, b, b + k->node.state);
            uint64_t link = ms_go_u64(b + k->node.link);
            if (link) next[kept++] = link;
        }
        nodes += n;
        n = kept;
    }
    free(item);
    free(bytes);
}

/* Slots of these groups, and where their chains begin: returns how many do. */
static size_t take_groups(struct look *k, const struct ms_group *g, size_t n, uint64_t *link) {
    const struct place *p = &k->group;
    uint8_t *bytes = ms_alloc(n * p->bytes + BEHIND);
    struct ms_batch_item *item = ms_alloc(n * sizeof *item);
    size_t links = 0;
    for (size_t i = 0; i < n; i++)
        item[i] = (struct ms_batch_item){
            .addr = g[i].slots_at ? g[i].slots_at : g[i].addr, .len = p->bytes, .buf = bytes + i * p->bytes};
    k->gone = ms_read_batch(k->r, item, n) == MS_READ_GONE;
    for (size_t i = 0; i < n && !k->gone; i++) {
        const uint8_t *b = bytes + i * p->bytes;
        if (item[i].status != MS_READ_OK || g[i].area == MS_AREA_GAP) continue;
        take_slots(k, p, b, p->state == UINT32_MAX ? g[i].tophash : b + p->state);
        if (p->link != UINT32_MAX && g[i].chain_nodes) link[links++] = ms_go_u64(b + p->link);
    }
    free(item);
    free(bytes);
    return links;
}

/* Where the chains of quads begin, of a gomap. */
static size_t links_of(struct look *k, uint64_t links_at, const struct ms_group *g, size_t n,
                       uint64_t *link) {
    size_t links = 0;
    for (size_t i = 0; i < n && !k->gone; i++) {
        uint64_t word = 0;
        if (g[i].index % GOMAP_QUAD_GROUPS || !g[i].chain_nodes) continue;
        enum ms_read rc =
            ms_read(k->r, links_at + g[i].index / GOMAP_QUAD_GROUPS * sizeof word, &word, sizeof word);
        k->gone = rc == MS_READ_GONE;
        if (rc == MS_READ_OK && (word &= ~UINT64_C(1))) link[links++] = word;
    }
    return links;
}

/* ---- places ------------------------------------------------------------------------------------ */

static uint32_t in_slot(uint32_t size) { return size > SLOT_INLINE ? (uint32_t)sizeof(void *) : size; }

static struct place bucket_of(const struct ms_map *m) {
    const struct ms_go_shape *s = &m->type->go;
    struct place p = {.bytes = s->group_size,
                      .slots = MS_GO_GROUP_SLOTS,
                      .link = s->group_size - 8,
                      .key_off = s->key_off,
                      .key_stride = s->key_stride,
                      .value_off = s->elem_off,
                      .value_stride = s->elem_stride};
    if (m->kind == MS_KIND_GO_SWISS) p.link = UINT32_MAX;
    if (m->kind != MS_KIND_CLASSIC) return p;
    p.key_stride = in_slot(m->type->key_size), p.value_stride = in_slot(m->type->value_size);
    p.key_off = GOMAP_BUCKET_KEYS, p.value_off = p.key_off + MS_GO_GROUP_SLOTS * p.key_stride;
    p.bytes = p.value_off + MS_GO_GROUP_SLOTS * p.value_stride + 8;
    p.link = p.bytes - 8;
    return p;
}

static void places_of_gomap(struct look *k) {
    const struct ms_type *t = k->m->type;
    uint32_t slots = k->m->layout == MS_LAYOUT_SMALL ? k->m->capacity_small : GOMAP_GROUP_SLOTS;
    k->group = (struct place){.bytes = slots * t->slot_size,
                              .state = UINT32_MAX,
                              .slots = slots,
                              .key_stride = t->slot_size,
                              .value_off = t->value_off,
                              .value_stride = t->slot_size,
                              .link = UINT32_MAX};
    k->node = k->group;
    k->node.slots = GOMAP_NODE_SLOTS;
    k->node.state = offsetof(struct gomap_node, tag);
    k->node.link = offsetof(struct gomap_node, next);
    k->node.key_off =
        (uint32_t)gomap_inspect_align(sizeof(struct gomap_node), t->slot_align ? t->slot_align : 1);
    k->node.value_off += k->node.key_off;
    k->node.bytes = k->node.key_off + GOMAP_NODE_SLOTS * t->slot_size;
}

/* ---- the map ----------------------------------------------------------------------------------- */

static bool is_gomap(const struct ms_map *m) {
    return m->kind == MS_KIND_GOMAP || m->kind == MS_KIND_GOMAP_SHARED;
}

static bool can_look(const struct ms_map *m) {
    if (m->certainty == MS_DAMAGED || !m->type || m->kind == MS_KIND_GO_SYNC || !m->groups) return false;
    return is_gomap(m) || m->kind == MS_KIND_CLASSIC || m->type->go.group_size >= 16;
}

static void step(struct look *k, struct ms_snapshot *s, uint64_t first, uint64_t links_at, size_t *n) {
    struct ms_group *g = NULL;
    struct ms_error ignored;
    uint64_t *link = ms_alloc(k->step * sizeof *link);
    int status = ms_map_groups(k->r, s, k->m, first, k->step, &g, n, &ignored);
    k->gone = k->gone || status == MS_GONE;
    if (status) *n = 0;
    if (*n && !k->gone) {
        size_t links = take_groups(k, g, *n, link);
        if (links_at) links = links_of(k, links_at, g, *n, link);
        if (links && !k->gone) take_chains(k, link, links);
    }
    free(link);
    free(g);
}

int ms_contents_add(struct ms_reader *r, struct ms_snapshot *s, const struct ms_map *m, uint64_t most,
                    struct ms_contents *c, struct ms_error *err) {
    if (c->there == 0) c->least = INT64_MAX, c->most = INT64_MIN, c->length_least = UINT64_MAX;
    c->there = ms_add(c->there, m->entries);
    if (!can_look(m) || m->entries == 0) return MS_OK;
    struct look *k = ms_alloc(sizeof *k);
    uint64_t links_at = 0;
    k->r = r, k->m = m, k->c = c, k->left = most;
    if (is_gomap(m)) {
        struct ms_raw raw;
        enum ms_certainty sure;
        const char *doubt;
        places_of_gomap(k);
        if (m->chained && ms_raw_read(r, m->addr, m->id, GOMAP_COOKIE, 0, &raw, &sure, &doubt) == MS_READ_OK)
            links_at = (uintptr_t)raw.m.links;
    } else {
        k->group = k->node = bucket_of(m);
    }
    k->step = ms_min(STEP_MOST, STEP_BYTES / k->group.bytes + 1) & ~(uint64_t)(GOMAP_QUAD_GROUPS - 1);
    if (k->step == 0) k->step = GOMAP_QUAD_GROUPS;
    for (uint64_t first = 0; first < m->groups && k->left && !k->gone; first += k->step) {
        size_t n;
        step(k, s, first, links_at, &n);
        if (n == 0) break;
    }
    if (k->texts) flush_texts(k);
    bool gone = k->gone;
    free(k);
    return gone ? ms_fail(err, MS_GONE, "the process ended while the entries of a map were read") : MS_OK;
}
