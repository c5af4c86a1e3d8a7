/* goshape.c - what type a map can have, by what its table looks like.
 *
 * Nothing in a small map says what it holds: the type stands with who holds it, and in a program without debug
 * information that may be a struct nobody knows.  But the program lists its map types, and a table shows three things:
 *
 *   its allocated bytes     must be those of so many groups of the type
 *   its span                has pointers or has none, as the type's groups do
 *   its pointer bits        lie as pointers lie in the type's group, where the allocator keeps bits (goheap.c)
 *
 *   map[string]int     |control|ptr len  int|ptr len  int| ...    * . .  * . .        one fits: ~map[string]int
 *   map[int]string     |control|int  ptr len|int  ptr len| ...    . * .  . * .
 *
 * As in Go, ~T says: T, or a named type made from it.  Several that fit are named together; if their slots differ,
 * figures would depend on which it is, and slots are not known.  What is found here is shown, never walked by.
 */
#include "../model/model.h"
#include "goruntime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORDS = 64,
    NAMED_MOST = 3,
    LOOKS_MOST = 4096,
    PLACES = 2 * LOOKS_MOST,
    DEPTH_MAX = 32,
    POOL_FROM_B = 4
};

/* The first array of groups or buckets of a map. */
struct table {
    uint64_t at, groups, pool; /* pool: buckets a classic map may have beside */
    const struct ms_goarea *area;
    uint64_t mask; /* pointers of its first words */
    unsigned words;
    bool has_mask;
};

static bool read_swiss(struct ms_go *go, const uint64_t *header, struct table *t) {
    uint64_t table, word[4];
    t->at = header[2];
    t->groups = 1;
    if (header[3] == 0) return true;
    if (!ms_gomem_word(go, header[2], &table) || !ms_gomem_read(go, table, word, sizeof word)) return false;
    t->at = word[2];
    t->groups = word[3] + 1;
    return t->groups && t->groups <= UINT32_MAX;
}

static bool read_classic(const uint64_t *header, struct table *t) {
    unsigned b = header[1] >> 8 & 0xff;
    t->at = header[2];
    if (b > 40) return false;
    t->groups = UINT64_C(1) << b;
    t->pool = b >= POOL_FROM_B ? t->groups >> POOL_FROM_B : 0;
    return true;
}

static bool read_table(struct ms_go *go, uint64_t addr, struct table *t) {
    uint64_t header[6];
    *t = (struct table){0};
    if (!ms_gomem_read(go, addr, header, sizeof header)) return false;
    if (!(go->layout.swiss ? read_swiss(go, header, t) : read_classic(header, t))) return false;
    t->area = t->at ? ms_goheap_find(go, t->at) : NULL;
    if (!t->area || t->area->kind != MS_GO_HEAP) return false;
    uint64_t base = ms_goarea_base(t->area, t->at);
    t->words = (unsigned)ms_min(WORDS, (base + t->area->elem - t->at) / MS_GO_PTR);
    t->has_mask = !t->area->noscan && ms_goheap_pointers(go, t->area, t->at, t->words, &t->mask);
    uint64_t end = ms_goheap_pointers_end(go, t->area, base),
             known = end > t->at ? (end - t->at) / MS_GO_PTR : 0;
    if (t->has_mask && known < t->words) t->mask &= (UINT64_C(1) << known) - 1;
    return true;
}

/* ---- a type ------------------------------------------------------------------------------------ */

static void set(uint64_t at, unsigned words, uint64_t *mask) {
    if (at / MS_GO_PTR < words) *mask |= UINT64_C(1) << at / MS_GO_PTR;
}

/* The pointers of a value of the type at offset `at`, as the collector's bits have them. */
static void pointers_of(struct ms_go *go, ms_gotid type, uint64_t at, unsigned words, unsigned depth,
                        uint64_t *mask) {
    const struct ms_gotype *t = ms_gotype_get(go, type);
    if (t->pointers == 0 || at / MS_GO_PTR >= words || depth == DEPTH_MAX || !ms_go_afford(go)) return;
    if (t->kind == MS_GO_STRUCT) {
        for (uint32_t i = 0; i < t->fields; i++) /* those that do not overlap: they end the descent */
            if (ms_gotype_get(go, t->field[i].type)->size <= ms_gofield_room(t, i))
                pointers_of(go, t->field[i].type, at + t->field[i].offset, words, depth + 1, mask);
    } else if (t->kind == MS_GO_ARRAY) {
        uint64_t size = ms_gotype_get(go, t->elem)->size;
        for (uint64_t i = 0; size && i < t->count && (at + i * size) / MS_GO_PTR < words; i++)
            pointers_of(go, t->elem, at + i * size, words, depth + 1, mask);
    } else if (t->kind == MS_GO_INTERFACE) {
        set(at + MS_GO_PTR, words, mask); /* the type beside it is not the collector's */
    } else {
        set(at, words, mask);
    }
}

/* The pointers of the first words of an array of such groups. */
static uint64_t mask_of(struct ms_go *go, const struct ms_gotype *map, const struct table *t) {
    uint64_t mask = 0, groups = t->groups + t->pool;
    for (uint64_t i = 0; i < groups && i * map->map.group_size / MS_GO_PTR < t->words; i++)
        pointers_of(go, map->group, i * map->map.group_size, t->words, 0, &mask);
    return mask;
}

static bool fits(struct ms_go *go, const struct ms_gotype *map, const struct table *t) {
    bool pointers = ms_gotype_get(go, map->group)->pointers != 0;
    uint64_t bytes = (t->groups + t->pool) * map->map.group_size, told = bytes / MS_GO_PTR;
    if (!map->map.group_size || pointers == t->area->noscan) return false;
    if (ms_go_allocated(bytes, pointers, go->layout.heap_bits) != t->area->elem) return false;
    if (!t->has_mask) return true;
    /* A pool takes what its size class leaves: behind `told` lie the bits of more buckets than were asked for. */
    uint64_t asked = told < t->words ? (UINT64_C(1) << told) - 1 : UINT64_MAX;
    return mask_of(go, map, t) == (t->mask & asked);
}

static bool same_slots(struct ms_go *go, const struct ms_gotype *a, const struct ms_gotype *b) {
    const struct ms_gomaptype *x = &a->map, *y = &b->map;
    return x->group_size == y->group_size && x->key_off == y->key_off && x->key_stride == y->key_stride &&
           x->elem_off == y->elem_off && x->elem_stride == y->elem_stride && x->key_slot == y->key_slot &&
           x->elem_slot == y->elem_slot && x->key_far == y->key_far && x->elem_far == y->elem_far &&
           ms_gotype_get(go, a->key)->size == ms_gotype_get(go, b->key)->size &&
           ms_gotype_get(go, a->elem)->size == ms_gotype_get(go, b->elem)->size;
}

/* ---- all that fit ------------------------------------------------------------------------------ */

struct types {
    ms_gotid *type;
    size_t count, room;
};

static void add(struct types *l, ms_gotid type) {
    MS_ROOM(l->type, l->count, l->room);
    l->type[l->count++] = type;
}

static char *name_of(struct ms_go *go, const struct types *l) {
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    for (size_t i = 0; out && i < l->count && i < NAMED_MOST; i++) {
        const char *name = ms_gotype_get(go, l->type[i])->name;
        fprintf(out, "%s~%s", i ? " | " : "", name ? name : "?");
    }
    if (out && l->count > NAMED_MOST) fprintf(out, " | %zu more", l->count - NAMED_MOST);
    return out && fclose(out) == 0 ? text : ms_strdup("?");
}

/* One type for all that fit; 0: none does. */
static ms_gotid common(struct ms_go *go, const struct types *all, const struct table *t) {
    struct types fit = {0};
    bool same = true;
    for (size_t i = 0; i < all->count && ms_go_afford(go); i++)
        if (fits(go, ms_gotype_get(go, all->type[i]), t)) add(&fit, all->type[i]);
    for (size_t i = 1; i < fit.count; i++)
        same = same && same_slots(go, ms_gotype_get(go, fit.type[0]), ms_gotype_get(go, fit.type[i]));
    ms_gotid made = fit.count ? ms_gotype_one_of(go, fit.type[0], name_of(go, &fit), fit.count > 1, same) : 0;
    free(fit.type);
    return made;
}

/* Tables that were looked at, which were not: maps that look the same come in thousands. */
struct looks {
    struct {
        struct table like; /* area NULL: free */
        ms_gotid type;
    } * one; /* open addressing */
    size_t count;
};

static bool alike(const struct table *a, const struct table *b) {
    return a->groups == b->groups && a->mask == b->mask && a->words == b->words &&
           a->has_mask == b->has_mask && a->area->elem == b->area->elem && a->area->noscan == b->area->noscan;
}

static uint64_t mixed(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static size_t place_of(const struct looks *l, const struct table *t) {
    size_t at = (size_t)mixed(mixed(mixed(t->words, t->groups), t->mask), t->area->elem) % PLACES;
    while (l->one[at].like.area && !alike(&l->one[at].like, t)) at = (at + 1) % PLACES;
    return at;
}

/* Each look that is new may make a type: there is an end to them. */
static ms_gotid once(struct ms_go *go, struct looks *l, const struct types *all, const struct table *t) {
    size_t at = place_of(l, t);
    if (l->one[at].like.area) return l->one[at].type;
    if (l->count == LOOKS_MOST) return 0;
    l->count++;
    l->one[at].like = *t;
    return l->one[at].type = common(go, all, t);
}

void ms_goshape_types(struct ms_go *go) {
    struct types all = {0};
    struct looks looks = {.one = ms_alloc(PLACES * sizeof *looks.one)};
    ms_gotype_list_maps(go);
    for (ms_gotid i = 1; i < go->types.count; i++) {
        const struct ms_gotype *map = ms_gotype_get(go, i);
        bool generic =
            map->name && strstr(map->name, "go.shape."); /* what code is shared for: no value has it */
        if (map->kind == MS_GO_MAP && map->rtype && map->group && !generic) add(&all, i);
    }
    for (size_t i = 0; i < go->founds && !go->gone; i++) {
        struct table t;
        if (!go->found[i].type && read_table(go, go->found[i].header, &t))
            go->found[i].type = once(go, &looks, &all, &t);
    }
    free(all.type);
    free(looks.one);
}
