/* reader.h - where the bytes of a target come from.
 *
 * Everything above sees a target's memory through this struct of callbacks and cannot tell a live
 * process from a buffer in a test.  A reader never writes, never stops the target, keeps no copy of
 * what it read: a second read of the same address is a new look.
 */
#ifndef MS_READER_H
#define MS_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ms_read {
    MS_READ_OK = 0,
    MS_READ_FAULT, /* some byte of the range is not there */
    MS_READ_GONE,  /* the target ended or executed another program */
};

struct ms_reader {
    /* All len bytes at addr, or none: buf is unspecified unless MS_READ_OK. */
    enum ms_read (*read)(void *ctx, uint64_t addr, void *buf, size_t len);
    /* Bytes of [addr, addr+len) that lie on resident and on swapped pages.  NULL: cannot tell. */
    enum ms_read (*resident)(void *ctx, uint64_t addr, uint64_t len, uint64_t *resident, uint64_t *swapped);
    void *ctx;
    bool still;            /* what is read does not change: a copy, or a target that is stopped */
    uint64_t calls, bytes; /* reads done so far */
    uint64_t waited_ns;    /* spent waiting for something in the target to hold still */
    /* Called by the read with which `bytes` reach watch_at, which it then sets anew: who looks for long can do something
     * else meanwhile.  false: nobody wants the rest, which ends all reading as if the target had gone.  NULL: nobody watches. */
    bool (*watch)(void *watcher);
    void *watcher;
    uint64_t watch_at;
};

enum ms_read ms_read(struct ms_reader *r, uint64_t addr, void *buf, size_t len);

/* Many small reads at once.  Neighbours are fetched together; each item says how it went.
 * Returns MS_READ_GONE if the target went, else MS_READ_OK. */
struct ms_batch_item {
    uint64_t addr;
    uint32_t len;
    enum ms_read status; /* out */
    void *buf;
};
enum ms_read ms_read_batch(struct ms_reader *r, struct ms_batch_item *items, size_t n);

/* A NUL terminated string of at most max bytes (longer: cut).  *out is allocated. */
enum ms_read ms_read_string(struct ms_reader *r, uint64_t addr, size_t max, char **out);

/* Something in the target is read again and again until it holds still.  After reading i (0, 1, ...): is
 * another one worth it?  `held`: it held still, but contradicted itself, which a few looks tell from a race;
 * `sane`: some reading had no contradiction.  Waits a little between later readings, within the patience that
 * all readings of one load share. */
bool ms_patient(struct ms_reader *r, int i, bool held, bool sane);

/* A reader over one buffer that pretends to lie at address `base`; for tests and fuzzing. */
struct ms_buffer {
    const uint8_t *data;
    size_t len;
    uint64_t base;
    uint64_t gone_after; /* reads after which the target is "gone"; 0: never */
    uint64_t reads;
};
void ms_buffer_reader(struct ms_reader *r, struct ms_buffer *b);

#endif
