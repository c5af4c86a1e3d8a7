/* schema.h - the tables of a recording.
 *
 *   recording   one row: whose maps these are, and what recorded them
 *   moment      a row a moment: when, how the target was read, totals
 *   library     copies of the library in the target, at each moment
 *   map         a map: number, id, address, type, name, holder ...      what never changes
 *   look        its figures, at each moment they changed                what does; four of them as columns too, for people
 *   gone        the moment since which it is not there
 *   type, text  what maps share: types, and the texts of places and doubts
 *   detail      histograms, counters, events and cells of chosen maps, packed (recdetail.c); NULL: from here on none
 *
 * Segments.  A moment writes only the maps that changed.  So that looking up a moment stays bounded, now and then all are
 * written anew, a keyframe, and it and the moments until the next one are a segment:
 *
 *   moment   1     2     3     4     5     6     7            look:  (1, a) (1, b) (1, c)  (2, b)  (4, a) (4, b)   (5, ...
 *            K     .     .     .     K     .     .            moment 3 of b: the last row of b in 1..3, which is (2, b)
 *            '-- base 1 --------'    '-- base 5 ...
 *
 *   - A segment ends when its changes are as many rows as its keyframe (or SEGMENT_ROWS, if that is more), or after
 *     SEGMENT_MOMENTS.  So a moment is rebuilt from its keyframe and about as many rows of changes, at most, and keyframes
 *     are at most about half of what is written, or one in SEGMENT_MOMENTS.
 *   - Each segment numbers its own maps, types and texts and refers to no other.  So a ring forgets the oldest by deleting
 *     its rows, and no row is ever counted by others.
 *
 * Indices.  Every table but `detail` is stored in its primary key's order: the rows of a moment lie side by side, inserts go
 * to the end, and no further index has to be kept.  Who asks for the history of a map often will make one.
 *
 * A moment is one transaction, in a write-ahead log: a process that is killed, whichever, leaves the moments before.  While
 * it grows there are FILE-wal and FILE-shm beside it; at the end there is FILE alone.
 *
 * Numbers are stored as they are, 64 bits; SQLite's integers have a sign, so figures beyond 2^63, which no honest target has,
 * look negative in SQL.  NULL is "not known".
 *
 * Versions.  user_version is the number of this layout.  A reader takes its own version only and says so; any change to the
 * lists below is a new version.
 */
#ifndef MS_RECORD_SCHEMA_H
#define MS_RECORD_SCHEMA_H

#include "record.h"

#include <stddef.h>

#define MS_REC_APPLICATION 0x6d617073 /* "maps" */
#define MS_REC_VERSION     2

enum {
    MS_REC_SEGMENT_ROWS = 4096,
    MS_REC_SEGMENT_MOMENTS = 512,
    MS_REC_RING_PARTS = 8, /* a moment may take this part of a ring */
};

/* Figures of a map: name, member, the largest value that can be.  Members of 64 bits may be MS_UNKNOWN.  A look has them in one
 * blob, in this order, packed: as columns they would be most of what recording costs. */
#define MS_REC_FIGURES(F)                                                                                    \
    F(certainty, certainty, MS_DAMAGED)                                                                      \
    F(entries, entries, UINT64_MAX)                                                                          \
    F(slots, slots, UINT64_MAX)                                                                              \
    F(bytes, bytes, UINT64_MAX)                                                                              \
    F(header, part[MS_PART_HEADER], UINT64_MAX)                                                              \
    F(slots_live, part[MS_PART_SLOTS_LIVE], UINT64_MAX)                                                      \
    F(slots_empty, part[MS_PART_SLOTS_EMPTY], UINT64_MAX)                                                    \
    F(metadata, part[MS_PART_METADATA], UINT64_MAX)                                                          \
    F(padding, part[MS_PART_PADDING], UINT64_MAX)                                                            \
    F(overflow, part[MS_PART_OVERFLOW], UINT64_MAX)                                                          \
    F(moving, part[MS_PART_MOVING], UINT64_MAX)                                                              \
    F(cells, part[MS_PART_CELLS], UINT64_MAX)                                                                \
    F(strings, part[MS_PART_STRINGS], UINT64_MAX)                                                            \
    F(slack, part[MS_PART_SLACK], UINT64_MAX)                                                                \
    F(stash, part[MS_PART_STASH], UINT64_MAX)                                                                \
    F(fresh_bytes, fresh_bytes, UINT64_MAX)                                                                  \
    F(reserved, reserved, UINT64_MAX)                                                                        \
    F(resident, resident, UINT64_MAX)                                                                        \
    F(swapped, swapped, UINT64_MAX)                                                                          \
    F(chained, chained, UINT64_MAX)                                                                          \
    F(stashed, stashed, UINT64_MAX)                                                                          \
    F(tombstones, tombstones, UINT64_MAX)                                                                    \
    F(alarms, alarms, UINT64_MAX)                                                                            \
    F(leaked_by, leaked_by, UINT64_MAX)                                                                      \
    F(growths, growths, UINT64_MAX)                                                                          \
    F(signs, signs, UINT8_MAX)                                                                               \
    F(layout, layout, MS_LAYOUT_TREE)                                                                        \
    F(groups, groups, UINT64_MAX)                                                                            \
    F(capacity_small, capacity_small, UINT8_MAX)                                                             \
    F(tables8, tables[0], UINT32_MAX)                                                                        \
    F(tables16, tables[1], UINT32_MAX)                                                                       \
    F(tables32, tables[2], UINT32_MAX)                                                                       \
    F(tables64, tables[3], UINT32_MAX)                                                                       \
    F(tables128, tables[4], UINT32_MAX)                                                                      \
    F(tables256, tables[5], UINT32_MAX)                                                                      \
    F(tables512, tables[6], UINT32_MAX)                                                                      \
    F(tables1024, tables[7], UINT32_MAX)                                                                     \
    F(walk, walk, MS_WALK_SHRINK)                                                                            \
    F(walk_done, walk_done, UINT64_MAX)                                                                      \
    F(walk_total, walk_total, UINT64_MAX)                                                                    \
    F(grow_at, grow_at, UINT64_MAX)                                                                          \
    F(grow_likely, grow_likely, UINT64_MAX)                                                                  \
    F(grow_groups, grow_groups, UINT64_MAX)                                                                  \
    F(grow_bytes, grow_bytes, UINT64_MAX)                                                                    \
    F(grow_peak, grow_peak, UINT64_MAX)                                                                      \
    F(last_write_ns, last_write_ns, UINT64_MAX)

/* What a map is.  It has beside these: type, name, holder, place. */
#define MS_REC_IDENTITY(F)                                                                                   \
    F(id, id, UINT64_MAX)                                                                                    \
    F(addr, addr, UINT64_MAX)                                                                                \
    F(copy, copy, UINT32_MAX)                                                                                \
    F(kind, kind, MS_KIND_GO_SYNC)                                                                           \
    F(hash_kind, hash_kind, UINT8_MAX)                                                                       \
    F(header_bytes, header_bytes, UINT8_MAX)                                                                 \
    F(created_ns, created_ns, UINT64_MAX)

/* Of a type beside its texts. */
#define MS_REC_TYPE(F)                                                                                       \
    F(key_size, key_size, UINT32_MAX)                                                                        \
    F(key_align, key_align, UINT32_MAX)                                                                      \
    F(value_size, value_size, UINT32_MAX)                                                                    \
    F(value_align, value_align, UINT32_MAX)                                                                  \
    F(value_off, value_off, UINT32_MAX)                                                                      \
    F(slot_size, slot_size, UINT32_MAX)                                                                      \
    F(slot_payload, slot_payload, UINT32_MAX)                                                                \
    F(slot_align, slot_align, UINT32_MAX)                                                                    \
    F(flags, flags, UINT32_MAX)                                                                              \
    F(addr, addr, UINT64_MAX)                                                                                \
    F(group_size, go.group_size, UINT32_MAX)                                                                 \
    F(key_off, go.key_off, UINT32_MAX)                                                                       \
    F(key_stride, go.key_stride, UINT32_MAX)                                                                 \
    F(elem_off, go.elem_off, UINT32_MAX)                                                                     \
    F(elem_stride, go.elem_stride, UINT32_MAX)                                                               \
    F(key_slot, go.key_slot, UINT32_MAX)                                                                     \
    F(elem_slot, go.elem_slot, UINT32_MAX)                                                                   \
    F(key_cell, go.key_cell, UINT32_MAX)                                                                     \
    F(elem_cell, go.elem_cell, UINT32_MAX)                                                                   \
    F(load_halves, go.load_halves, UINT8_MAX)                                                                \
    F(pointers, go.pointers, 1)                                                                              \
    F(malloc_headers, go.malloc_headers, 1)

/* A member of a struct as a number. */
struct ms_rec_field {
    const char *name;
    uint16_t at;
    uint8_t width;
    uint64_t most;
};
extern const struct ms_rec_field ms_rec_figure[], ms_rec_identity[], ms_rec_type[];

#define MS_REC_ONE(column, member, most) +1
enum {
    MS_REC_FIGURE_COUNT = 0 MS_REC_FIGURES(MS_REC_ONE),
    MS_REC_IDENTITY_COUNT = 0 MS_REC_IDENTITY(MS_REC_ONE),
    MS_REC_TYPE_COUNT = 0 MS_REC_TYPE(MS_REC_ONE),
};

/* Members to numbers, and back; false: a number is larger than its field can be. */
void ms_rec_get(const struct ms_rec_field *f, size_t n, const void *from, uint64_t *value);
bool ms_rec_set(const struct ms_rec_field *f, size_t n, const uint64_t *value, void *to);

/* Numbers of 7 bits a byte, low ones first, plus one, so that MS_UNKNOWN is a single 0.  out has room for MS_REC_PACKED_MOST bytes
 * each; returns bytes.  Back: false if they are not just so many. */
enum { MS_REC_PACKED_MOST = 10 };
size_t ms_rec_pack_numbers(const uint64_t *n, size_t count, uint8_t *out);
bool ms_rec_unpack_numbers(const uint8_t *bytes, size_t len, uint64_t *n, size_t count);

/* CREATE TABLE and so on, one a line of sqlite_schema, in this order. */
struct ms_rec_table {
    const char *name, *sql;
};
extern const struct ms_rec_table ms_rec_tables[];
extern const size_t ms_rec_table_count;

/* What mapscope tells the scribe: an order, and for rows their values. */
enum ms_rec_order {
    MS_REC_RECORDING,
    MS_REC_MOMENT,
    MS_REC_LIBRARY,
    MS_REC_TEXT,
    MS_REC_TYPE_ROW,
    MS_REC_MAP,
    MS_REC_LOOK,
    MS_REC_GONE,
    MS_REC_DETAIL,
    MS_REC_ROWS,
    MS_REC_BEGIN = MS_REC_ROWS, /* a moment */
    MS_REC_BEGIN_SEGMENT,       /* a moment that is a keyframe */
    MS_REC_END,                 /* is answered by a struct ms_rec_reply */
    MS_REC_CLOSE,               /* the same */
};
/* INSERT of a row order, and how many values it has. */
extern const struct ms_rec_insert {
    const char *sql;
    int values;
} ms_rec_insert[MS_REC_ROWS];

/* A value on its way: a tag, then 8 bytes of a number, or 4 of a length and the bytes. */
enum ms_rec_tag { MS_REC_NULL, MS_REC_ZERO, MS_REC_NUMBER, MS_REC_STRING, MS_REC_BLOB };
enum { MS_REC_VALUE_MOST = 1 << 20 }; /* bytes of a text or blob; longer ones are cut */

/* recdetail.c: the detail of a map as bytes; *out is allocated. */
size_t ms_rec_pack(const struct ms_rec_detail *d, uint8_t **out);
/* recfile.c: those of a map of the moment that was loaded last; *out is allocated, NULL: there are none. */
int ms_rec_packed(struct ms_rec *r, const struct ms_map *m, uint8_t **out, size_t *len, struct ms_error *err);

#endif
