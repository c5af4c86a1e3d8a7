/* lib/classic/evacuate.c - growth: a new array, and the old one's chains moved into it, two at most a write.
 *
 *   old array, 2^(B-1) buckets          new array, 2^B buckets
 *   | 0 | 1 | 2 | 3 |        ---->      | 0 | 1 | 2 | 3 | 0+4 | 1+4 | 2+4 | 3+4 |
 *     i: X stays at i ------------------> i               ^
 *        Y, if the hash has the new bit ------------------' i + 4
 *
 * Doubling starts when an insert would bring the load above 13/2 entries a bucket.  When instead there are as
 * many overflow buckets as buckets, chains have grown long by deletes and inserts, and a growth to the same
 * size packs them. Entries keep their order, and holes vanish.  The tophash byte of an old slot tells where
 * its entry went; one of the first slot of a chain tells that the whole chain is done.
 *
 * A key that does not equal itself hashes differently each time.  If an iterator began during this growth, it
 * has already decided by bit 0 of the old tophash which half shows the entry, so the evacuation must decide
 * likewise.
 *
 * Keys and elems of an evacuated bucket are wiped if no iterator can be looking.  Go goes by oldIterator
 * alone, which forgets an iterator that is older than the growth before this one; here a pin keeps them too.
 *
 * Memory: n entries need at most ceil(n / 8) - 1 overflow buckets beside the heads, however they split.  So
 * many are secured before the first slot is touched; without them the chain stays where it is.
 */
#include "classic_internal.h"

/* Begin to grow.  False: no memory; nothing changed. */
bool gomap__hash_grow(struct classic *m) {
    struct gomap_hmap *h = &m->pub.h;
    unsigned before = h->B, bigger = gomap__overload((uint64_t)h->count + 1, h->B);
    const uint64_t since = gomap__clock();
    struct array *a = gomap__array_make(m, before + bigger);
    took(m, GOMAP_TIME_ALLOC, since);
    if (!a) {
        m->pub.counters.grow_failed++;
        gomap__event_of(m->pub.id, GOMAP_EV_OOM, 0, 0);
        return false;
    }
    seq_begin(m);
    unsigned flags = flags_of(m) & ~(unsigned)(GOMAP_HMAP_ITERATOR | GOMAP_HMAP_OLD_ITERATOR);
    if (flags_of(m) & GOMAP_HMAP_ITERATOR) flags |= GOMAP_HMAP_OLD_ITERATOR;
    set_flags(m, bigger ? flags : flags | GOMAP_HMAP_SAME_SIZE);
    h->B = (uint8_t)(before + bigger);
    h->oldbuckets = h->buckets;
    m->old = m->cur;
    m->since = since;
    h->nevacuate = 0;
    h->noverflow = 0;
    m->pub.old_evacuated = 0;
    stored(m, GOMAP_CLASSIC_STORE_BUCKETS, 1);
    if (m->pub.extra.overflow) {
        m->pub.extra.oldoverflow = m->pub.extra.overflow;
        m->pub.extra.overflow = NULL;
        stored(m, GOMAP_CLASSIC_STORE_OVERFLOW, 2);
    }
    m->pub.extra.next_overflow = NULL; /* what is left of the old pool is abandoned */
    gomap__array_start(m, a, h->B);
    if (bigger)
        m->pub.counters.grows++;
    else
        m->pub.counters.same_size_grows++;
    gomap__publish(m);
    seq_end(m);
    gomap__event_of(m->pub.id, GOMAP_EV_GROW_START, UINT64_C(1) << before, UINT64_C(1) << h->B);
    if (m->hooks.grow_start)
        m->hooks.grow_start(&m->pub, before, h->B, a->n * m->pub.desc->bucket_size, m->hooks.ctx);
    return true;
}

static void finish(struct classic *m) {
    struct gomap_hmap *h = &m->pub.h;
    struct array *old = m->old;
    h->oldbuckets = NULL;
    m->old = NULL;
    m->pub.extra.oldoverflow = NULL;
    set_flags(m, flags_of(m) & ~(unsigned)GOMAP_HMAP_SAME_SIZE);
    gomap__array_disown(m, old);
    gomap__loose_free(m, &m->spare);
    stored(m, GOMAP_CLASSIC_STORE_BUCKETS, 1);
    took(m, GOMAP_TIME_GROW, m->since);
    gomap__event_of(m->pub.id, GOMAP_EV_GROW_DONE, UINT64_C(1) << h->B, UINT64_C(1) << h->B);
    if (m->hooks.grow_done) m->hooks.grow_done(&m->pub, h->B, m->hooks.ctx);
}

/* Bucket nevacuate is done: step over it, and over those behind it that are done too. */
static void advance(struct classic *m, uint64_t total) {
    struct gomap_hmap *h = &m->pub.h;
    uint64_t stop = h->nevacuate + 1 + MARK_SKIP;
    if (stop > total) stop = total;
    h->nevacuate++;
    while (h->nevacuate != stop && is_evacuated(bucket_at(m->pub.desc, h->oldbuckets, h->nevacuate)))
        h->nevacuate++;
    if (h->nevacuate == total) finish(m);
}

/* Where the next entry of one half goes. */
struct dest {
    uint8_t *b;
    unsigned i;
    size_t entries;
};

static void move_to(struct classic *m, struct dest *to, uint8_t top, const uint8_t *from, unsigned i) {
    const struct gomap_classic_desc *d = m->pub.desc;
    if (to->i == SLOTS) {
        to->b = gomap__overflow_link(m, to->b);
        to->i = 0;
    }
    to->b[to->i] = top;
    memcpy(key_slot(d, to->b, to->i), key_slot(d, from, i), d->key_slot);
    memcpy(elem_slot(d, to->b, to->i), elem_slot(d, from, i), d->elem_slot);
    stored_key(m);
    stored_elem(m);
    to->i++, to->entries++;
}

/* Which half an entry goes to: 0 or 1; *top may change. */
static unsigned half_of(const struct classic *m, const uint8_t *key, uint64_t newbit, uint8_t *top) {
    uint64_t hash = gomap__classic_hash(m, key);
    bool odd = !(m->pub.desc->flags & GOMAP_CF_REFLEXIVE) && flags_of(m) & GOMAP_HMAP_ITERATOR;
    if (odd && !gomap__classic_eq(m, key, key)) {
        unsigned half = *top & 1;
        *top = tophash(hash);
        return half;
    }
    return (hash & newbit) != 0;
}

static uint64_t live_in_chain(const struct gomap_classic_desc *d, const uint8_t *b) {
    uint64_t n = 0;
    for (; b; b = *overflow_of(d, b))
        for (unsigned i = 0; i < SLOTS; i++) n += !is_empty(b[i]);
    return n;
}

static void move_chain(struct classic *m, uint8_t *b, uint64_t newbit, struct dest half[2]) {
    const struct gomap_classic_desc *d = m->pub.desc;
    bool same = is_same_size(m);
    for (; b; b = *overflow_of(d, b)) {
        for (unsigned i = 0; i < SLOTS; i++) {
            uint8_t top = b[i];
            if (is_empty(top)) {
                b[i] = GOMAP_TOP_EVACUATED_EMPTY;
                continue;
            }
            unsigned y = same ? 0 : half_of(m, key_of(d, b, i), newbit, &top);
            b[i] = (uint8_t)(GOMAP_TOP_EVACUATED_X + y);
            move_to(m, &half[y], top, b, i);
        }
    }
}

/* Move one old chain; done already is fine.  False: no memory; nothing changed. */
static bool evacuate(struct classic *m, uint64_t index) {
    const struct gomap_classic_desc *d = m->pub.desc;
    uint64_t total = old_buckets(m);
    uint8_t *b = bucket_at(d, m->pub.h.oldbuckets, index);
    bool moves = !is_evacuated(b);
    struct dest half[2] = {{.i = 0}};
    if (moves) {
        uint64_t live = live_in_chain(d, b);
        if (live > SLOTS && !gomap__overflow_secure(m, (live + SLOTS - 1) / SLOTS - 1)) return false;
    }
    seq_begin(m);
    if (moves) {
        half[0].b = bucket_at(d, m->pub.h.buckets, index);
        half[1].b = is_same_size(m) ? NULL : bucket_at(d, m->pub.h.buckets, index + total);
        move_chain(m, b, total, half);
        if (!(flags_of(m) & GOMAP_HMAP_OLD_ITERATOR) && !m->old->pins && d->flags & GOMAP_CF_POINTERS) {
            memset(b + GOMAP_BUCKET_KEYS, 0, d->bucket_size - GOMAP_BUCKET_KEYS); /* Go: for its collector */
            stored(m, GOMAP_CLASSIC_STORE_OVERFLOW, 1);
        }
        m->pub.counters.evacuated++;
        m->pub.old_evacuated++;
        m->pub.counters.moved += half[0].entries + half[1].entries;
    }
    if (moves && m->hooks.evacuate)
        m->hooks.evacuate(&m->pub, index, half[0].entries + half[1].entries, half[1].entries, m->hooks.ctx);
    if (index == m->pub.h.nevacuate) advance(m, total); /* may end in the hook grow_done */
    gomap__publish(m);
    seq_end(m);
    return true;
}

/* Before a write to a bucket of the new array: its old chain must be there, and one more for progress.
 * False: no memory, and entries of this bucket are still in the old chain. */
bool gomap__grow_work(struct classic *m, uint64_t bucket) {
    const uint64_t since = gomap__clock();
    if (!evacuate(m, bucket & (old_buckets(m) - 1))) return false;
    if (is_growing(m)) (void)evacuate(m, m->pub.h.nevacuate); /* this one may wait */
    took(m, GOMAP_TIME_MOVE, since);
    return true;
}
