/* samples.h - what the libraries in a C program sampled of the memory that maps take (inspect.h). */
#ifndef MS_SAMPLES_H
#define MS_SAMPLES_H

#include "model.h"

/* A place in the program that took memory for maps of a type, with the same labels. */
struct ms_sample_bucket {
    uint64_t at, type;      /* addresses: of itself, of the type's description */
    uint32_t copy, kind;    /* of the library; of the maps, as the registry has it */
    char *type_name, *site; /* of the maps; site NULL: not known */
    uint32_t pc, frames;    /* in ms_samples.pc: addresses within calls, innermost first */
    uint32_t label, bytes;  /* in ms_samples.text: key NUL value NUL ... */
    double taken[2];        /* objects and bytes, ever: estimates */
    double held[2];
};

/* Bytes that a map holds, `weight` of whose kind there are. */
struct ms_sample_piece {
    uint64_t map; /* its id */
    uint32_t copy, bucket;
    uint64_t bytes;
    double weight;
};

struct ms_samples {
    struct ms_sample_bucket *bucket; /* by copy and address */
    size_t buckets, bucket_room;
    struct ms_sample_piece *piece; /* map by map */
    size_t pieces, piece_room;
    uint64_t *pc;
    size_t pcs, pc_room;
    char *text;
    size_t text_bytes, text_room;
    uint64_t rate;    /* bytes from one sample to the next now; 0: none are taken */
    uint64_t dropped; /* for which the program had no memory */
    size_t tables;    /* copies of the library that can sample */
    bool changing;    /* no state of them was seen twice: what was read is of different moments */
    bool damaged;     /* a list went where none can be: what lay behind is missing */
};

/* Of all readable copies of a snapshot.  MS_GONE. */
int ms_samples_load(struct ms_reader *r, const struct ms_snapshot *s, struct ms_samples *out,
                    struct ms_error *err);
void ms_samples_free(struct ms_samples *s);

#endif
