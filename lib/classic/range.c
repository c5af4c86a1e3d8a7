/* lib/classic/range.c - iteration.
 *
 * An iterator remembers the array and B it began with, and walks that array's chains in a circle from a
 * random bucket, each bucket from a random slot.  The map may change under it:
 *
 *   it began before a growth     it walks the old array to its end.  Slots whose entry has been evacuated say
 *                                so; such an entry is looked up in the map as it is now, and passed over if
 *                                it is gone.
 *   it began during a growth     its array is the new one.  A bucket whose old chain is not evacuated yet is
 *                                shown from that old chain, only the entries that will go to this bucket
 *                                (check_bucket).
 *   keys never move in a bucket  and evacuation copies, so what has been shown stays behind the iterator.
 *
 * Two slips are Go's own, and kept:
 *
 *   A key that equals nothing, in an old chain of a growth to the same size, may be passed over if that growth
 *   ends while the iterator stands in the chain: the question which half it goes to is then asked of it.
 *
 *   After a clear the last bucket of the pool has the array itself in its overflow word, as an end mark.  An
 *   iterator that stands in it goes on to bucket 0, and what was put there since may be returned twice.
 *
 * Pins (arrays.c): one on the array it began with, for good; one on the array of the chain it stands in, if
 * that is another. The second is taken when the chain is entered: it may be an old array that did not exist
 * when the iterator began (after several growths to the same size).
 */
#include "classic_internal.h"

void gomap_classic_iter_init(gomap_classic_iter *it, const gomap_classic *map) {
    struct classic *m = classic(map);
    memset(it, 0, sizeof *it);
    if (!m || !gomap__classic_alive(m, "iter_init") || !m->pub.h.count) return;
    it->map = &m->pub;
    it->desc = m->pub.desc;
    it->B = m->pub.h.B;
    it->buckets = m->pub.h.buckets;
    it->pin = m->cur;
    gomap__pin(m, m->cur);
    uint64_t r = gomap__classic_random(m);
    it->start_bucket = it->bucket = (size_t)(r & bucket_mask(it->B));
    it->offset = (uint8_t)(r >> it->B & (SLOTS - 1));
    enum { BOTH = GOMAP_HMAP_ITERATOR | GOMAP_HMAP_OLD_ITERATOR };
    if ((flags_of(m) & BOTH) != BOTH) __atomic_fetch_or(&m->pub.h.flags, BOTH, __ATOMIC_RELAXED);
}

static void leave_chain(struct classic *m, gomap_classic_iter *it) {
    if (it->pin_at) gomap__unpin(m, it->pin_at);
    it->pin_at = NULL;
    it->bucket_at = NULL;
}

void gomap_classic_iter_end(gomap_classic_iter *it) {
    struct classic *m = it->map ? classic(it->map) : NULL;
    if (m) {
        leave_chain(m, it);
        gomap__unpin(m, it->pin);
    }
    it->map = NULL;
    it->pin = NULL;
    it->key = NULL;
    it->elem = NULL;
}

/* The first bucket of the next chain; false: all have been seen. */
static bool next_chain(struct classic *m, gomap_classic_iter *it) {
    const struct gomap_classic_desc *d = m->pub.desc;
    size_t bucket = it->bucket;
    if (it->wrapped && bucket == it->start_bucket) return false;
    it->bucket_at = bucket_at(d, it->buckets, bucket);
    it->check_bucket = NO_CHECK;
    if (is_growing(m) && it->B == m->pub.h.B) {
        uint8_t *old = bucket_at(d, m->pub.h.oldbuckets, bucket & (old_buckets(m) - 1));
        if (!is_evacuated(old)) {
            it->bucket_at = old;
            it->check_bucket = bucket;
            if (m->old != it->pin) {
                gomap__pin(m, m->old);
                it->pin_at = m->old;
            }
        }
    }
    if (++it->bucket == (size_t)1 << it->B) {
        it->bucket = 0;
        it->wrapped = 1;
    }
    it->i = 0;
    return true;
}

/* Will the entry of an old chain that is not evacuated go to the bucket being shown? */
static bool belongs(const struct classic *m, const gomap_classic_iter *it, const uint8_t *key, bool odd,
                    uint8_t top) {
    if (it->check_bucket == NO_CHECK || is_same_size(m)) return true;
    if (odd) return it->check_bucket >> (it->B - 1) == (top & 1u); /* as its evacuation will decide */
    return (gomap__classic_hash(m, key) & bucket_mask(it->B)) == it->check_bucket;
}

/* Show slot i of the bucket; false: there is nothing to show. */
static bool show(const struct classic *m, gomap_classic_iter *it, const uint8_t *b, unsigned i) {
    const struct gomap_classic_desc *d = m->pub.desc;
    uint8_t top = b[i], *key, *elem;
    if (is_empty(top) || top == GOMAP_TOP_EVACUATED_EMPTY) return false;
    key = key_of(d, b, i);
    bool odd = !(d->flags & GOMAP_CF_REFLEXIVE) && !gomap__classic_eq(m, key, key);
    if (!belongs(m, it, key, odd, top)) return false;
    bool moved = top == GOMAP_TOP_EVACUATED_X || top == GOMAP_TOP_EVACUATED_Y;
    if (moved && !odd) {
        if (!gomap__classic_lookup(m, key, &key, &elem)) return false;
    } else {
        elem = elem_of(d, b, i); /* a key that equals nothing cannot have been changed or deleted */
    }
    it->key = key;
    it->elem = elem;
    return true;
}

bool gomap_classic_iter_next(gomap_classic_iter *it) {
    struct classic *m = it->map ? classic(it->map) : NULL;
    if (!m) return false;
    const struct gomap_classic_desc *d = m->pub.desc;
    if (GOMAP__UNLIKELY(!gomap__classic_alive(m, "iter_next"))) return it->map = NULL, false;
    if (GOMAP__UNLIKELY(is_writing(m)))
        return gomap__classic_misuse(m, "concurrent map iteration and map write"), it->key = NULL, false;
    for (;;) {
        if (!it->bucket_at && !next_chain(m, it)) {
            gomap_classic_iter_end(it);
            return false;
        }
        uint8_t *b = it->bucket_at;
        while (it->i < SLOTS)
            if (show(m, it, b, (it->i++ + it->offset) & (SLOTS - 1u))) return true;
        b = *overflow_of(d, b);
        if (b) {
            it->bucket_at = b;
            it->i = 0;
        } else {
            leave_chain(m, it);
        }
    }
}

/* ---- all keys, all elems ------------------------------------------------------------------------------- */

struct sink {
    const struct classic *m;
    uint8_t *to;
    size_t room, n;
    unsigned offset;
    bool keys;
};

static void take_chain(struct sink *s, const uint8_t *b) {
    const struct gomap_classic_desc *d = s->m->pub.desc;
    size_t size = s->keys ? d->key_size : d->elem_size;
    for (; b; b = *overflow_of(d, b))
        for (unsigned k = 0; k < SLOTS; k++) {
            unsigned i = (k + s->offset) & (SLOTS - 1);
            if (is_empty(b[i]) || s->n == s->room) continue;
            if (size) memcpy(s->to + s->n * size, s->keys ? key_of(d, b, i) : elem_of(d, b, i), size);
            s->n++;
        }
}

static size_t take_all(const gomap_classic *map, void *to, size_t room, bool keys) {
    const struct classic *m = classic(map);
    if (!m || !gomap__classic_alive(m, "keys_of") || !m->pub.h.count) return 0;
    if (is_writing(m)) return gomap__classic_misuse(m, "concurrent map read and map write"), 0;
    const struct gomap_classic_desc *d = m->pub.desc;
    uint64_t r = gomap__classic_random(m), n = UINT64_C(1) << m->pub.h.B;
    struct sink s = {m, to, room, 0, r >> m->pub.h.B & (SLOTS - 1), keys};
    for (uint64_t i = 0; i < n; i++) take_chain(&s, bucket_at(d, m->pub.h.buckets, (i + r) & (n - 1)));
    if (!is_growing(m)) return s.n;
    n = old_buckets(m);
    for (uint64_t i = 0; i < n; i++) {
        const uint8_t *b = bucket_at(d, m->pub.h.oldbuckets, (i + r) & (n - 1));
        if (!is_evacuated(b)) take_chain(&s, b);
    }
    return s.n;
}

size_t gomap_classic_keys_of(const gomap_classic *map, void *keys, size_t room) {
    return take_all(map, keys, room, true);
}

size_t gomap_classic_elems_of(const gomap_classic *map, void *elems, size_t room) {
    return take_all(map, elems, room, false);
}
