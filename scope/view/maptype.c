/* maptype.c - a map type in figures, and what could be had instead.
 *
 *   reorder    fields of the key or value by falling alignment: no hole between them
 *   indirect   the value in an object of its own: pays while most slots are empty
 *   inline     the value that every pointer points to, in the slot: one object less an entry
 *   key        integers that fit a narrower type, strings that all have one form: as far as the keys that are there tell
 *   set        bool that is always true as struct{}
 *   split      keys and values apart, as Go 1.27 can be told to lay them out
 *   slots      the same entries in a table made for them
 *
 * All but the last are told with all else as it is: what is saved is what the maps would take with other slots and the
 * tables they have.  Nothing here says that a change is a good idea; what must hold for it is said beside it.  Of keys only
 * that is told: no key, and no number made of one, leaves this file.
 */
#include "maptype.h"

#include "gomap/inspect.h"
#include "view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool of_go(enum ms_kind kind) { return kind == MS_KIND_GO_SWISS || kind == MS_KIND_GO_CLASSIC; }

/* ---- figures ----------------------------------------------------------------------------------- */

static struct ms_slot_part part_of(const struct ms_mem *mem, uint32_t number, uint64_t size, uint32_t align) {
    const struct ms_mem_type *t = ms_mem_get(mem, number);
    if (number == 0) return (struct ms_slot_part){.size = size, .align = align ? align : 1};
    return (struct ms_slot_part){.size = t->size, .align = t->align, .pointers = t->pointers};
}

static void find_parts(struct ms_maptype *l, const struct ms_mem *mem) {
    const struct ms_type *t = l->type;
    bool go = of_go(l->kind);
    l->key_part = part_of(mem, l->key, t->key_size, t->key_align);
    l->value_part = part_of(mem, l->value, t->value_size, t->value_align);
    if (go) return;
    if (l->key_part.size != t->key_size) l->key = 0; /* another type of that name */
    if (l->value_part.size != t->value_size) l->value = 0;
    /* What the library was told counts, whatever the language says. */
    l->key_part = (struct ms_slot_part){.size = t->key_size, .align = t->key_align};
    l->value_part = (struct ms_slot_part){
        .size = t->value_size, .align = t->value_align, .apart = (t->flags & GOMAP_F_VAL_INDIRECT) != 0};
    if (l->kind == MS_KIND_CLASSIC) l->value_part.apart = false;
}

static void measure(struct ms_maptype *l, const struct ms_mem *mem) {
    struct ms_go_shape s = ms_slots_shape(l->type, l->kind);
    unsigned slots = ms_slots_in_group(l->kind);
    uint32_t in_slots = s.key_slot + s.elem_slot;
    bool together = ms_slots_together(&s);
    uint32_t beside = slots == GOMAP_GROUP_SLOTS ? 0 : l->kind == MS_KIND_GO_SWISS ? 8 : 16;
    l->slot_bytes = together ? s.key_stride : in_slots;
    l->slot_padding = l->slot_bytes - (uint32_t)ms_min(in_slots, l->slot_bytes);
    l->group_bytes = s.group_size;
    l->group_padding = s.group_size - (uint32_t)ms_min(slots * in_slots + beside, s.group_size);
    l->key_holes = s.key_slot == l->key_part.size ? ms_mem_get(mem, l->key)->holes : 0;
    l->value_holes = s.elem_slot == l->value_part.size ? ms_mem_get(mem, l->value)->holes : 0;
    l->padding_bytes = ms_mul(l->slots, l->slot_padding + l->key_holes + l->value_holes);
}

void ms_layout_of(struct ms_maptype *l, const struct ms_type *type, enum ms_kind kind,
                  const struct ms_mem *mem, uint32_t key, uint32_t value, const struct ms_map *maps, size_t n,
                  uint64_t per_entries) {
    struct ms_map fresh;
    *l = (struct ms_maptype){.type = type, .kind = kind, .mem = mem, .key = key, .value = value};
    find_parts(l, mem);
    if (!of_go(kind) || (key && value)) l->rules = ms_slots_rules(type, kind, l->key_part, l->value_part);
    for (size_t i = 0; i < n; i++) {
        if (maps[i].type != type) continue;
        l->maps++;
        l->entries = ms_add(l->entries, maps[i].entries);
        l->slots = ms_add(l->slots, maps[i].slots);
        l->bytes = ms_add(l->bytes, maps[i].bytes);
        ms_slots_crossing(&maps[i], &l->crossing);
    }
    if (per_entries) {
        ms_slots_fresh(type, kind, per_entries, &fresh);
        l->slots = fresh.slots;
        ms_slots_crossing(&fresh, &l->crossing);
    }
    measure(l, mem);
}

/* ---- choices ----------------------------------------------------------------------------------- */

struct chooser {
    struct ms_maptype *l;
    const struct ms_mem *mem;
    const struct ms_contents *contents;
    const struct ms_map *maps;
    size_t n;
    uint64_t per_entries;
    bool go;
};

/* Bytes of all maps of the type that depend on their slots, if those were of this type. */
static uint64_t all_bytes(const struct chooser *c, const struct ms_type *t) {
    struct ms_map fresh;
    uint64_t sum = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->maps[i].type == c->l->type) sum = ms_add(sum, ms_slots_bytes(&c->maps[i], t));
    if (!c->per_entries) return sum;
    ms_slots_fresh(c->l->type, c->l->kind, c->per_entries, &fresh);
    return ms_slots_bytes(&fresh, t);
}

static struct ms_choice *add(struct ms_maptype *l, const char *id, char *what, char *given) {
    MS_ROOM(l->choice, l->choices, l->room);
    struct ms_choice *choice = &l->choice[l->choices++];
    *choice = (struct ms_choice){.id = id, .what = what, .given = given, .type = *l->type};
    return choice;
}

static struct ms_choice *choose(struct chooser *c, const char *id, struct ms_slot_part key,
                                struct ms_slot_part value, char *what, char *given) {
    struct ms_choice *choice = add(c->l, id, what, given);
    choice->type = ms_slots_make(c->l->rules, c->l->type, key, value);
    choice->now = all_bytes(c, c->l->type);
    choice->then = all_bytes(c, &choice->type);
    return choice;
}

static bool is_in_slot(const struct ms_slot_part *p) { return p->size <= 128 && !p->apart; }

static void reorder(struct chooser *c) {
    struct ms_slot_part key = c->l->key_part, value = c->l->value_part;
    uint64_t key_size = ms_mem_get(c->mem, c->l->key)->packed,
             value_size = ms_mem_get(c->mem, c->l->value)->packed;
    bool of_key = c->l->key && key_size < key.size, of_value = c->l->value && value_size < value.size;
    if (!of_key && !of_value) return;
    if (of_key) key.size = key_size;
    if (of_value) value.size = value_size;
    choose(
        c, "reorder", key, value,
        ms_asprintf("%s's fields in another order", of_key ? of_value ? "key's and value" : "key" : "value"),
        NULL);
}

static void indirect(struct chooser *c) {
    struct ms_slot_part value = c->l->value_part;
    if (!is_in_slot(&value) || value.size <= 8) return;
    value.apart = true;
    choose(c, "indirect", c->l->key_part, value, ms_strdup("a pointer to each value"), NULL);
}

static void in_place(struct chooser *c) {
    const struct ms_mem_type *pointer = ms_mem_get(c->mem, c->l->value),
                             *to = ms_mem_get(c->mem, pointer->elem);
    uint64_t entries = c->per_entries ? c->per_entries : c->l->entries;
    const struct ms_contents *seen = c->contents;
    bool counted = seen && seen->value == MS_VALUE_POINTER && ms_contents_whole(seen);
    if (!c->go || pointer->kind != MS_MEM_POINTER || !pointer->elem || to->size == 0 || to->size > 1 << 16)
        return;
    struct ms_slot_part value = {.size = to->size, .align = to->align, .pointers = to->pointers};
    struct ms_choice *choice =
        choose(c, "inline", c->l->key_part, value, ms_asprintf("the %s itself", to->name ? to->name : "?"),
               ms_strdup("each pointer has its object alone, and no other holds it"));
    choice->apart = ms_mul(counted ? seen->set : entries,
                           ms_go_allocated(to->size, to->pointers, c->l->type->go.malloc_headers));
    choice->now = ms_add(choice->now, choice->apart);
}

static void narrow_key(struct chooser *c) {
    struct ms_narrow narrow[MS_NARROW_MOST];
    size_t n = c->contents ? ms_layout_narrow(c->contents, &c->l->key_part, c->go, narrow) : 0;
    bool keyed = c->l->rules == MS_SLOTS_GOMAP && c->l->type->flags & GOMAP_F_STR;
    for (size_t i = 0; i < n; i++) {
        struct ms_maptype as = *c->l;
        struct ms_type like = *c->l->type;
        like.flags &= ~(uint32_t)(keyed ? GOMAP_F_STR : 0);
        struct ms_choice *choice =
            choose(c, "key", as.key_part, as.value_part, ms_asprintf("keys of type %s", narrow[i].name),
                   ms_strdup(narrow[i].given));
        choice->type = ms_slots_make(as.rules, &like, narrow[i].part, as.value_part);
        choice->then = all_bytes(c, &choice->type);
    }
}

static void as_set(struct chooser *c) {
    const struct ms_contents *seen = c->contents;
    struct ms_slot_part none = {.align = 1};
    if (!seen || seen->value != MS_VALUE_BOOL || !ms_contents_whole(seen) || seen->set != seen->seen) return;
    choose(c, "set", c->l->key_part, none, ms_strdup(c->go ? "value struct{}" : "no value"),
           ms_strdup("no value is ever false: all are true now"));
}

static void split(struct chooser *c) {
    struct ms_maptype *l = c->l;
    if (l->rules != MS_SLOTS_SWISS) return;
    struct ms_choice *choice =
        add(l, "split", ms_strdup("keys and values apart"),
            ms_strdup("built with GOEXPERIMENT=mapsplitgroup, which changes all maps"));
    choice->type = ms_slots_make(MS_SLOTS_SPLIT, l->type, l->key_part, l->value_part);
    choice->now = all_bytes(c, l->type);
    choice->then = all_bytes(c, &choice->type);
}

static void other_slots(struct chooser *c) {
    uint64_t gain = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->maps[i].type == c->l->type) gain = ms_add(gain, c->maps[i].rebuild_gain);
    if (gain == 0) return;
    struct ms_choice *choice = add(c->l, "slots", ms_strdup("tables made for the entries they have"),
                                   ms_strdup("the entries that went do not come back"));
    choice->now = c->l->bytes;
    choice->then = c->l->bytes - ms_min(gain, c->l->bytes);
}

static int by_gain(const void *a, const void *b) {
    const struct ms_choice *x = a, *y = b;
    int64_t p = (int64_t)(x->now - x->then), q = (int64_t)(y->now - y->then);
    return (q > p) - (q < p);
}

void ms_layout_choose(struct ms_maptype *l, const struct ms_contents *contents, const struct ms_map *maps,
                      size_t n, uint64_t per_entries, bool may_split) {
    struct chooser c = {l, l->mem, contents, maps, n, per_entries, of_go(l->kind)};
    other_slots(&c);
    if (l->rules != MS_SLOTS_UNKNOWN) {
        reorder(&c);
        indirect(&c);
        in_place(&c);
        narrow_key(&c);
        as_set(&c);
        if (may_split) split(&c);
    }
    if (l->choices) qsort(l->choice, l->choices, sizeof *l->choice, by_gain);
}

void ms_layout_drop_idle(struct ms_maptype *l) {
    size_t kept = 0;
    for (size_t i = 0; i < l->choices; i++) {
        struct ms_choice *c = &l->choice[i];
        if (c->now != c->then)
            l->choice[kept++] = *c;
        else
            free(c->what), free(c->given);
    }
    l->choices = kept;
}

uint64_t ms_layout_gain(const struct ms_maptype *l) {
    return l->choices && l->choice[0].then < l->choice[0].now ? l->choice[0].now - l->choice[0].then : 0;
}

void ms_layout_free(struct ms_maptype *l) {
    for (size_t i = 0; i < l->choices; i++) {
        free(l->choice[i].what);
        free(l->choice[i].given);
    }
    free(l->choice);
    *l = (struct ms_maptype){.type = NULL};
}

/* ---- narrower keys ----------------------------------------------------------------------------- */

static bool fits_signed(const struct ms_contents *c, unsigned bytes) {
    int64_t most = (INT64_C(1) << (8 * bytes - 1)) - 1;
    return c->least >= -most - 1 && c->most <= most;
}

static bool fits_unsigned(const struct ms_contents *c, unsigned bytes) {
    return c->least >= 0 && c->most <= (INT64_C(1) << (8 * bytes)) - 1;
}

/* The narrowest integer that holds all of them, of the same sign if one does. */
static size_t narrow_integer(const struct ms_contents *c, const struct ms_slot_part *key, bool go,
                             struct ms_narrow *out) {
    for (unsigned bytes = 1; bytes < key->size; bytes *= 2) {
        bool same = c->key == MS_KEY_INT ? fits_signed(c, bytes) : fits_unsigned(c, bytes);
        if (!same && !fits_unsigned(c, bytes)) continue;
        bool is_signed = c->key == MS_KEY_INT && same;
        snprintf(out->name, sizeof out->name, "%sint%u%s", is_signed ? "" : "u", 8 * bytes, go ? "" : "_t");
        snprintf(out->given, sizeof out->given, "keys stay within its range, as all %llu are now",
                 (unsigned long long)c->seen);
        out->part = (struct ms_slot_part){.size = bytes, .align = bytes};
        return 1;
    }
    return 0;
}

static size_t add_bytes(struct ms_narrow *out, uint64_t bytes, const char *form, uint64_t seen, bool go) {
    snprintf(out->name, sizeof out->name, go ? "[%llu]byte" : "uint8_t[%llu]", (unsigned long long)bytes);
    snprintf(out->given, sizeof out->given, "keys stay %s, as all %llu are now", form,
             (unsigned long long)seen);
    out->part = (struct ms_slot_part){.size = bytes, .align = 1};
    return 1;
}

static size_t narrow_string(const struct ms_contents *c, bool go, struct ms_narrow *out) {
    char form[64];
    size_t n = 0;
    uint64_t length = c->length_least;
    if (c->decimal == c->seen) {
        unsigned bytes = c->decimal_most <= UINT32_MAX ? 4 : 8;
        snprintf(out->name, sizeof out->name, "uint%u%s", 8 * bytes, go ? "" : "_t");
        snprintf(out->given, sizeof out->given, "keys stay decimal numbers, as all %llu are now",
                 (unsigned long long)c->seen);
        out->part = (struct ms_slot_part){.size = bytes, .align = bytes};
        n++;
    }
    if (length != c->length_most || length == 0) return n;
    if (c->uuid == c->seen) return n + add_bytes(&out[n], 16, "UUIDs in lower case", c->seen, go);
    if (c->hex == c->seen || c->hex_upper == c->seen) {
        snprintf(form, sizeof form, "%llu hex digits in one case", (unsigned long long)length);
        return n + add_bytes(&out[n], length / 2, form, c->seen, go);
    }
    snprintf(form, sizeof form, "%llu bytes long", (unsigned long long)length);
    return length <= 64 ? n + add_bytes(&out[n], length, form, c->seen, go) : n;
}

size_t ms_layout_narrow(const struct ms_contents *c, const struct ms_slot_part *key, bool go,
                        struct ms_narrow out[MS_NARROW_MOST]) {
    if (!ms_contents_whole(c)) return 0;
    if (c->key == MS_KEY_INT || c->key == MS_KEY_UINT) return narrow_integer(c, key, go, out);
    return c->key == MS_KEY_OTHER ? 0 : narrow_string(c, go, out);
}
