/* maptype.h - of what the slots of a map type are made, and what other slots would cost.
 *
 *   slots.c     the rules by which each kind of map lays out its slots, applied to keys and values that are not there
 *   maptype.c    a type in figures: padding, holes, slots that cross a line; and what could be had instead
 *   picture.c   the same, row by row
 *   whatif.c    one map after a change
 *
 * Nothing is guessed: if the rules, applied to the key and value a map has, do not give the slots it has, nothing else is
 * said about what other ones would give.
 */
#ifndef MS_MAPTYPE_H
#define MS_MAPTYPE_H

#include "../memtype.h"
#include "../model/contents.h"
#include "../model/model.h"

enum { MS_LINE = 64 };

/* ---- slots.c ----------------------------------------------------------------------------------- */

enum ms_slot_rules {
    MS_SLOTS_UNKNOWN,
    MS_SLOTS_SWISS,      /* 8 control bytes, 8 times key and value */
    MS_SLOTS_SPLIT,      /* 8 control bytes, 8 keys, 8 values: GOEXPERIMENT=mapsplitgroup */
    MS_SLOTS_GO_CLASSIC, /* 8 tophash bytes, 8 keys, 8 values, a link */
    MS_SLOTS_GOMAP,      /* 15 times key and value; metadata elsewhere */
    MS_SLOTS_CLASSIC,    /* gomap's copy of Go's */
};
/* A key or value, as far as a slot is concerned. */
struct ms_slot_part {
    uint64_t size;
    uint32_t align;
    bool pointers; /* that Go's collector follows */
    bool apart;    /* a value: in an object of its own, the slot holds a pointer to it */
};

/* By which rules a type is laid out: those that give its own slots. */
enum ms_slot_rules ms_slots_rules(const struct ms_type *t, enum ms_kind kind, struct ms_slot_part key,
                                  struct ms_slot_part value);
/* A type like this one with another key and value.  Texts are those of `like`. */
struct ms_type ms_slots_make(enum ms_slot_rules rules, const struct ms_type *like, struct ms_slot_part key,
                             struct ms_slot_part value);
/* How the slots of a type lie in a group or bucket, in Go's words, whatever kind it is. */
struct ms_go_shape ms_slots_shape(const struct ms_type *t, enum ms_kind kind);
/* Does each value lie beside its key?  Else all keys come first. */
bool ms_slots_together(const struct ms_go_shape *s);
/* Slots of a group: 8, or 15 of a gomap. */
unsigned ms_slots_in_group(enum ms_kind kind);
/* Bytes of a map that depend on its slots (arrays, overflow, keys and values elsewhere), if they were those of `t` and all
 * else, the groups it has included, as it is. */
uint64_t ms_slots_bytes(const struct ms_map *m, const struct ms_type *t);
/* A map of so many entries as it comes out of a program that knew their number, with as few tables or buckets as can be. */
void ms_slots_fresh(const struct ms_type *t, enum ms_kind kind, uint64_t entries, struct ms_map *out);
/* Slots that cross a border of 64 bytes, of all slots of a map. */
struct ms_crossing {
    uint64_t slots, of;
};
void ms_slots_crossing(const struct ms_map *m, struct ms_crossing *sum);

/* ---- maptype.c --------------------------------------------------------------------------------- */

/* What a map type could be instead. */
struct ms_choice {
    const char *id;      /* reorder, indirect, inline, key, set, split, slots */
    char *what;          /* "value's fields in another order" */
    char *given;         /* what must hold for it to be possible; NULL: nothing */
    struct ms_type type; /* sizes; its texts are those of the type that is */
    uint64_t now, then;  /* bytes that depend on it, of all maps of the type */
    uint64_t apart;      /* of them objects beside the maps */
};

struct ms_maptype {
    const struct ms_type *type;
    enum ms_kind kind;
    enum ms_slot_rules rules;
    struct ms_slot_part key_part, value_part;
    const struct ms_mem *mem; /* types */
    uint32_t key, value;      /* of them; 0: only the size is known */
    uint64_t maps, entries, slots, bytes;
    uint32_t slot_bytes;             /* from slot to slot; key and value together where they lie apart */
    uint32_t slot_padding;           /* of that, beside key and value */
    uint32_t group_bytes;            /* group or bucket with all in it; of a gomap its slots */
    uint32_t group_padding;          /* of that, padding of all slots included */
    uint64_t key_holes, value_holes; /* within one */
    uint64_t padding_bytes;          /* of all slots of all maps, holes included */
    struct ms_crossing crossing;
    struct ms_choice *choice;
    size_t choices, room;
};
/* All map types of a process or file, the largest first. */
struct ms_maptypes {
    struct ms_maptype *of;
    size_t count, shown;  /* shown: the first of them, which were asked for */
    const char *file;     /* NULL: a process */
    uint64_t per_entries; /* types without maps: figures are of a map of that many entries */
};
/* Figures of a type and of its maps among n; one that has none is told for a map of per_entries (0: none). */
void ms_layout_of(struct ms_maptype *l, const struct ms_type *type, enum ms_kind kind,
                  const struct ms_mem *mem, uint32_t key, uint32_t value, const struct ms_map *maps, size_t n,
                  uint64_t per_entries);
/* What it could be instead.  contents NULL: not looked at.  may_split: Go knows MS_SLOTS_SPLIT. */
void ms_layout_choose(struct ms_maptype *l, const struct ms_contents *contents, const struct ms_map *maps,
                      size_t n, uint64_t per_entries, bool may_split);
/* Take out choices that make no difference. */
void ms_layout_drop_idle(struct ms_maptype *l);
/* What can be saved at best; 0: nothing. */
uint64_t ms_layout_gain(const struct ms_maptype *l);
void ms_layout_free(struct ms_maptype *l);

/* Keys of another type that can hold those that were seen. */
struct ms_narrow {
    char name[32]; /* "uint32", "[16]byte" */
    char given[96];
    struct ms_slot_part part;
};
enum { MS_NARROW_MOST = 4 };
size_t ms_layout_narrow(const struct ms_contents *c, const struct ms_slot_part *key, bool go,
                        struct ms_narrow out[MS_NARROW_MOST]);

/* ---- picture.c --------------------------------------------------------------------------------- */

/* A row of a picture: a run of bytes and what it is. */
struct ms_row {
    uint64_t offset, size;
    unsigned depth;
    bool hole, far;   /* far: the slot has a pointer to it */
    char letter;      /* in the strip of bytes: c control, k key, v value, p link; '.' a hole */
    const char *name; /* of the field, or what it is; bytes of the target */
    const char *type; /* NULL: none */
    uint32_t repeat;  /* above 1: so many of them follow each other, only the first is taken apart */
};
struct ms_rows {
    struct ms_row *row;
    size_t count, room;
    uint64_t bytes;
};
/* A group or bucket of the type: its first slot taken apart. */
void ms_picture_group(const struct ms_maptype *l, struct ms_rows *out);
/* A struct of the table with its fields in the best order, and how large it is then. */
void ms_picture_packed(const struct ms_mem *mem, uint32_t structure, struct ms_rows *out);
void ms_rows_free(struct ms_rows *r);

#endif
