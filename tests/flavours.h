/* tests/flavours.h - kinds of maps that a test about behaviour runs over.
 *
 * A flavour maps key numbers to keys and back, so that one test body serves integers, strings, keys out
 * of line, bad hashes and own allocators alike.  Values are u64 in all of them.
 */
#ifndef TESTS_FLAVOURS_H
#define TESTS_FLAVOURS_H

#include "support.h"

enum { T_KEY_MAX = 512, T_BORROWED_KEYS = 20000 };

struct t_flavour {
    const char *name;
    gomap_keys keys;
    size_t key_size, key_align;
    gomap_values values;
    gomap_hashing hashing;
    gomap_mode mode;
    unsigned hash_bits; /* 64: the library's own; else a user's function with so few bits (0: constant) */
    bool user_eq;       /* compares the key numbers */
    bool own_alloc;
};
extern const struct t_flavour t_flavours[];
extern const size_t t_flavour_count;
const struct t_flavour *t_flavour_named(const char *name);
bool t_flavour_clumps(const struct t_flavour *f); /* a bad hash: chains and stash are to be expected */

/* A map of that flavour.  alloc: used if the flavour has its own; may be NULL otherwise. */
gomap *t_flavour_new(const struct t_flavour *f, struct t_alloc *alloc);
gomap_config t_flavour_config(const struct t_flavour *f, struct t_alloc *alloc);

struct t_key {
    _Alignas(64) uint8_t bytes[T_KEY_MAX];
    gomap_str str;
};
const void *t_key(const struct t_flavour *f, uint64_t number, struct t_key *room);
uint64_t t_key_number(const struct t_flavour *f, const void *key); /* ~0: damaged */

/* Operations by key number. */
gomap_err tf_put(gomap *m, const struct t_flavour *f, uint64_t number, uint64_t value);
bool tf_get(const gomap *m, const struct t_flavour *f, uint64_t number, uint64_t *value);
bool tf_del(gomap *m, const struct t_flavour *f, uint64_t number);
struct t_sum tf_sum(const gomap *m, const struct t_flavour *f);

#endif
