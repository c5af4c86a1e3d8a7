/* pieces.h - what the memory of a map consists of: runs of bytes, each with its meaning.
 *
 *   map --> header, side record         |  [ metadata ][ links ][ slots ]     gomap: three runs
 *       --> arrays, whole ------------->|  [ tophash | keys | values | link ][ ... ]   classic maps, Go: one of groups
 *       --> what hangs off their slots  |  chain nodes, overflow buckets, keys and values out of line, strings
 *
 * A backend tells the runs of one map one after the other, so that none of them is kept: a string map may have ten
 * million.  The first two rows take some reads of headers; the last one a read of the whole table, which is done only on
 * request.  What a byte within a run means follows from its grid, by arithmetic (view/explain.c).
 *
 * Tables change while they are told.  Runs of the first two rows belong to one state of the map; of the last row each
 * was true when its slot was read.
 */
#ifndef MS_PIECES_H
#define MS_PIECES_H

#include "model.h"

enum ms_piece_kind {
    MS_PIECE_HEADER,
    MS_PIECE_SIDE,      /* gomap's second record */
    MS_PIECE_METADATA,  /* tophash bytes of groups whose slots lie elsewhere */
    MS_PIECE_LINKS,     /* heads of chains, a word a quad */
    MS_PIECE_SLOTS,     /* keys and values of groups whose tophash bytes lie elsewhere */
    MS_PIECE_GROUPS,    /* groups or buckets with everything in them */
    MS_PIECE_POOL,      /* overflow buckets behind the array, in chains or still free */
    MS_PIECE_OVERFLOW,  /* a chain node, or an overflow bucket */
    MS_PIECE_DIRECTORY, /* of tables: Go's Swiss maps */
    MS_PIECE_TABLE,     /* the record of one of them */
    MS_PIECE_NODE,      /* of a tree: sync.Map */
    MS_PIECE_ENTRY,     /* of a tree */
    MS_PIECE_KEY,       /* a key out of line */
    MS_PIECE_VALUE,     /* a value out of line */
    MS_PIECE_STRING,    /* bytes of a key that is a string */
    MS_PIECE_STASH,     /* header of the nested map */
    MS_PIECE_SPARE,     /* of an allocation, what holds nothing of the map */
    MS_PIECE_RESERVED,  /* address space kept for the table: around its areas */
    MS_PIECE_KINDS
};

/* How slots lie in the units (groups, buckets, nodes) of a run.  unit 0: it has none.  A length of 0: no such part. */
struct ms_grid {
    uint64_t unit; /* bytes from one to the next */
    uint32_t slots;
    uint32_t key_off, key_stride, key_len;
    uint32_t value_off, value_stride, value_len;
    uint32_t tag_off;  /* of the first tophash or control byte; MS_TAGS_APART */
    uint32_t link_off; /* of the pointer to the next of a chain; MS_NO_LINK */
};
#define MS_TAGS_APART UINT32_MAX
#define MS_NO_LINK    UINT32_MAX

/* A field of a record. */
struct ms_record_field {
    const char *name; /* NULL ends a list */
    uint32_t offset;
};

struct ms_piece {
    enum ms_piece_kind kind;
    uint8_t area; /* enum ms_area: in the middle of a walk */
    bool other;   /* of the second array of a walk between two */
    uint64_t addr, len;
    uint64_t group; /* of the first unit; of whose chain, key or value it is; MS_UNKNOWN: of none */
    int slot;       /* whose key or value it is; -1: none */
    struct ms_grid grid;
    uint64_t tags,
        tag_unit; /* where tophash bytes lie that lie elsewhere: of the first group, bytes to the next */
    const struct ms_record_field *field; /* of a record; NULL: not told */
};

/* Called for each; false: no more. */
typedef bool (*ms_piece_fn)(void *ctx, const struct ms_piece *p);

/* Tell the pieces of a map.  deep: those that hang off its slots too, for which its tables are read.  MS_GONE: the target
 * ended.  MS_UNCERTAIN: the map is damaged, or was freed meanwhile, and nothing was told; or it has more chain nodes than are
 * followed. */
int ms_map_pieces(struct ms_reader *r, const struct ms_snapshot *s, const struct ms_map *m, bool deep,
                  ms_piece_fn fn, void *ctx, struct ms_error *err);
const char *ms_piece_name(enum ms_piece_kind k);  /* JSON names */
const char *ms_piece_title(enum ms_piece_kind k); /* for people */

/* ---- for backends ------------------------------------------------------------------------------ */

/* What is told, and how it went. */
struct ms_telling {
    struct ms_reader *r;
    ms_piece_fn fn;
    void *ctx;
    bool enough;                /* the listener said so */
    bool gone;                  /* the target ended */
    uint64_t nodes, nodes_most; /* of chains: each costs a read */
};
/* False: stop. */
bool ms_tell(struct ms_telling *t, const struct ms_piece *p);
bool ms_tell_run(struct ms_telling *t, enum ms_piece_kind kind, uint64_t addr, uint64_t len);

/* What hangs off the slots of a run that has a grid: out of line keys and values of so many bytes (0: they lie in the
 * slot), strings (key is a pointer and a length), and chains of buckets like its own. is_live tells tophash bytes. */
struct ms_hanging {
    uint32_t key_bytes, value_bytes;
    bool strings, chains;
    bool (*is_live)(uint8_t tag);
    uint64_t chain_end; /* a link with this address ends a chain */
};
/* The units of a chain from `head` on, all of the given grid, and what hangs off them. */
void ms_tell_chain(struct ms_telling *t, uint64_t head, const struct ms_grid *grid, uint64_t group,
                   const struct ms_hanging *h);
void ms_tell_hanging(struct ms_telling *t, const struct ms_piece *run, const struct ms_hanging *h);

#endif
