/* states.c - what the classic map holds at the turning points of a growth, read from its header and buckets.
 *
 *     states SEED MOST    MOST: the largest B for which noverflow is counted
 *
 * One JSON object per question, with the names that go/main.go prints for Go's own map, so that one rule judges both:
 *
 *     first_insert   what the first insert into an empty map leaves behind
 *     doublings      [B, number of the insert that doubles the table]
 *     start          which array is old when a growth has just begun, and what the new one holds
 *     finish         nevacuate when the last old bucket is done, beside the number of old buckets
 *     same_size      a growth to the same size, brought about by deletes and inserts
 *     split          which half entries go to, and what foretells it
 *     lost           keys not found after inserts into buckets whose old chain was not moved yet
 *     merge          keys not found after merges of maps with the same and with different seeds
 *     dummy          writes until a growth is done
 *     reads          what iterating and looking up do to a growth under way
 *     pools          overflow buckets that come with a new array
 *     lists          overflow buckets in the list of the extra record
 *     noverflow      the header's count beside the true one
 *     gomap          [slots, entries] of a gomap whenever its table grows */
#include "subject.h"

#include "gomap/classic.h"
#include "gomap/inspect.h"

static uint64_t seed;
static uint64_t hash_calls;
static const gomap_classic *watched; /* whose growth is watched from inside the hash function */
static uint64_t nevacuate_inside;

static uint64_t counted_hash(const void *key, uint32_t hash0, void *ctx) {
    (void)ctx;
    hash_calls++;
    if (watched) nevacuate_inside = watched->h.nevacuate;
    return mix(*(const uint64_t *)key ^ mix(hash0));
}

/* ---- a map, and what its buckets say ------------------------------------------------------------------- */

static gomap_classic_config config(void) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
    c.hash = counted_hash;
    return c;
}
static gomap_classic *make(const gomap_classic_config *c) {
    gomap_classic *m;
    must(!gomap_classic_new(c, &m), "out of memory");
    return m;
}
static gomap_classic *make_hinted(uint64_t hint) {
    gomap_classic_config c = config();
    c.hint = (int64_t)hint;
    return make(&c);
}
static uint64_t key_number(uint64_t i) { return mix(seed * 0x1000003 + i); }
static void put(gomap_classic *m, uint64_t i) {
    uint64_t key = key_number(i);
    must(!gomap_classic_put(m, &key, &i), "out of memory");
}
static bool has(const gomap_classic *m, uint64_t i) {
    uint64_t key = key_number(i), *v = gomap_classic_get(m, &key);
    return v && *v == i;
}
static bool growing(const gomap_classic *m) { return m->h.oldbuckets != NULL; }
static uint64_t old_count(const gomap_classic *m) {
    return UINT64_C(1) << (m->h.B - !(m->h.flags & GOMAP_HMAP_SAME_SIZE));
}
static const uint8_t *bucket(const gomap_classic *m, const uint8_t *array, uint64_t i) {
    return array + i * m->desc->bucket_size;
}
static bool evacuated(const uint8_t *b) { return b[0] > GOMAP_TOP_EMPTY_ONE && b[0] < GOMAP_TOP_MIN; }
static uint64_t evacuated_buckets(const gomap_classic *m) {
    uint64_t n = 0;
    for (uint64_t i = 0; growing(m) && i < old_count(m); i++) n += evacuated(bucket(m, m->h.oldbuckets, i));
    return n;
}

struct found {
    bool old;
    uint64_t entries, overflows;
};
static bool count_entries(const gomap_classic_bucket *b, void *ctx) {
    struct found *f = ctx;
    if (b->old != f->old) return true;
    f->overflows += b->depth > 0;
    for (int i = 0; i < GOMAP_BUCKET_SLOTS; i++) f->entries += b->tophash[i] >= GOMAP_TOP_MIN;
    return true;
}
static struct found contents(const gomap_classic *m, bool old) {
    struct found f = {.old = old};
    gomap_classic_visit(m, count_entries, &f);
    return f;
}

/* A map of 2^b buckets whose doubling has just begun; *next: the number of keys in it. */
static gomap_classic *just_growing(unsigned b, uint64_t *next) {
    gomap_classic *m = make_hinted(gomap_classic_grow_at(b) - 1);
    for (*next = 0; !growing(m); ++*next) {
        must(m->h.B == b, "the map grew before its time");
        put(m, *next);
    }
    return m;
}

/* ---- the questions ------------------------------------------------------------------------------------- */

static void first_insert(void) {
    gomap_classic *m = make_hinted(0);
    bool before = m->h.buckets != NULL;
    put(m, 0);
    json_open("first_insert", '{');
    json_bool("buckets_before", before);
    json_bool("buckets_after", m->h.buckets != NULL);
    json_int("B", m->h.B);
    json_int("nevacuate", m->h.nevacuate); /* a growth leaves its number of old buckets here */
    json_bool("oldbuckets", growing(m));
    json_close('}');
    gomap_classic_free(m);
}

static void doublings(void) {
    gomap_classic *m = make_hinted(0);
    json_open("doublings", '[');
    for (uint64_t i = 0; i < 110000; i++) {
        unsigned b = m->h.B;
        put(m, i);
        if (m->h.B == b) continue;
        json_open(NULL, '[');
        json_int(NULL, b);
        json_int(NULL, i + 1);
        json_close(']');
    }
    json_close(']');
    gomap_classic_free(m);
}

static void start(void) {
    enum { B = 8 };
    gomap_classic *m = make_hinted(gomap_classic_grow_at(B) - 1);
    uint64_t n = gomap_classic_grow_at(B);
    for (uint64_t i = 0; i < n - 1; i++) put(m, i);
    const uint8_t *former = m->h.buckets;
    put(m, n - 1);
    json_open("start", '{');
    json_bool("old_is_former", m->h.oldbuckets == former);
    json_bool("new_is_former", m->h.buckets == former);
    json_int("entries_old", contents(m, true).entries);
    json_int("entries_new", contents(m, false).entries);
    json_int("evacuated", evacuated_buckets(m));
    json_close('}');
    gomap_classic_free(m);
}

/* Deletes and inserts at a constant number of entries until a growth to the same size begins. */
static gomap_classic *same_size_growing(uint64_t *oldest, uint64_t *next, unsigned *overflows) {
    enum { LIVE = 800, PATIENCE = 10000000 };
    gomap_classic *m = make_hinted(gomap_classic_grow_at(8) - 1);
    for (*next = 0; *next < LIVE; ++*next) put(m, *next);
    for (*oldest = 0; !growing(m); ++*oldest, ++*next) {
        uint64_t key = key_number(*oldest);
        must(gomap_classic_delete(m, &key) && *next < PATIENCE, "no growth to the same size came");
        *overflows = m->h.noverflow;
        put(m, *next);
    }
    return m;
}

static void same_size(void) {
    uint64_t oldest, next;
    unsigned overflows;
    hash_calls = 0;
    gomap_classic *m = same_size_growing(&oldest, &next, &overflows);
    json_open("same_size", '{');
    json_bool("flag", m->h.flags & GOMAP_HMAP_SAME_SIZE);
    json_int("B", m->h.B);
    json_int("entries", (uint64_t)m->h.count);
    json_int("overflows_before", overflows);
    uint64_t calls = hash_calls, writes = 0;
    for (; growing(m); writes++) put(m, oldest + writes); /* entries that are there: nothing new */
    json_int("rehashed", hash_calls - calls - writes);
    json_int("B_after", m->h.B);
    json_int("overflows_after", contents(m, false).overflows);
    json_close('}');
    gomap_classic_free(m);
}

static void finish_one(gomap_classic *m, uint64_t i) {
    uint64_t old = old_count(m);
    bool same = m->h.flags & GOMAP_HMAP_SAME_SIZE;
    watched = m;
    uint64_t inside = 0, outside = 0;
    for (; growing(m); i++) { /* updates: nothing but the growth goes on */
        nevacuate_inside = UINT64_MAX;
        put(m, i);
        if (nevacuate_inside == m->h.nevacuate) continue;
        inside++, outside += nevacuate_inside < m->h.nevacuate;
    }
    watched = NULL;
    json_open(NULL, '{');
    json_bool("same_size", same);
    json_int("B", m->h.B);
    json_int("old_buckets", old);
    json_int("nevacuate", m->h.nevacuate);
    json_int("advances", inside);               /* writes during which the mark moved */
    json_int("advanced_after_moving", outside); /* and the last key was hashed before that */
    json_close('}');
    gomap_classic_free(m);
}
static void finish(void) {
    uint64_t oldest, next;
    unsigned overflows;
    json_open("finish", '[');
    finish_one(just_growing(8, &next), 0);
    gomap_classic *m = same_size_growing(&oldest, &next, &overflows);
    finish_one(m, oldest);
    json_close(']');
}

/* ---- which half? --------------------------------------------------------------------------------------- */

struct split {
    uint64_t chains, both_halves, entries;
    uint64_t old; /* old buckets */
    uint64_t by_hash, by_low_top, by_high_top;
};
static void on_evacuate(const gomap_classic *m, size_t old, size_t entries, size_t upper, void *ctx) {
    struct split *s = ctx;
    (void)m, (void)old;
    s->chains += entries > 1;
    s->both_halves += upper > 0 && upper < entries;
}
/* After the growth: every entry's bucket against the bits that could have foretold it. */
static bool compare_bits(const gomap_classic_bucket *b, void *ctx) {
    struct split *s = ctx;
    for (int i = 0; i < GOMAP_BUCKET_SLOTS; i++) {
        if (b->tophash[i] < GOMAP_TOP_MIN) continue;
        uint64_t hash = mix(((const uint64_t *)b->keys)[i] ^ mix(0));
        bool upper = b->index >= s->old;
        s->entries++;
        s->by_hash += upper == !!(hash & s->old);
        s->by_low_top += upper == (b->tophash[i] & 1);
        s->by_high_top += upper == b->tophash[i] >> 7;
    }
    return true;
}
static uint64_t zero(void *ctx) {
    (void)ctx;
    return 0;
}
static void split(void) {
    enum { B = 8 };
    struct split s = {.old = UINT64_C(1) << B};
    gomap_classic_config c = config();
    uint64_t n = gomap_classic_grow_at(B);
    c.hint = (int64_t)n - 1;
    c.random = zero; /* hash0 0: compare_bits hashes likewise */
    c.hooks.evacuate = on_evacuate;
    c.ctx = NULL;
    c.hooks.ctx = &s;
    gomap_classic *m = make(&c);
    for (uint64_t i = 0; i < n - 1; i++) put(m, i);
    hash_calls = 0;
    uint64_t writes = 1, entries = (uint64_t)m->h.count;
    put(m, n - 1);
    for (; growing(m); writes++) put(m, writes);
    uint64_t rehashed = hash_calls - writes;
    gomap_classic_visit(m, compare_bits, &s);
    must(s.entries == n, "entries were lost");
    json_open("split", '{');
    json_int("moved", entries);
    json_int("rehashed", rehashed);
    json_int("chains", s.chains);
    json_int("both_halves", s.both_halves);
    json_int("entries", s.entries);
    json_int("by_hash", s.by_hash);
    json_int("by_low_top", s.by_low_top);
    json_int("by_high_top", s.by_high_top);
    json_close('}');
    gomap_classic_free(m);
}

/* ---- is anything lost? --------------------------------------------------------------------------------- */

static uint64_t lost_of(const gomap_classic *m, uint64_t first, uint64_t end) {
    uint64_t lost = 0;
    for (uint64_t i = first; i < end; i++) lost += !has(m, i);
    return lost;
}

static void lost(void) {
    uint64_t next, unmoved = 0, checks = 0, missing = 0;
    gomap_classic *m = just_growing(8, &next);
    while (growing(m)) {
        uint64_t key = key_number(next), home = counted_hash(&key, m->h.hash0, NULL) & (old_count(m) - 1);
        unmoved += !evacuated(bucket(m, m->h.oldbuckets, home));
        put(m, next++);
        checks += next;
        missing += lost_of(m, 0, next);
    }
    json_open("lost", '{');
    json_int("into_unmoved", unmoved);
    json_int("checks", checks);
    json_int("lost", missing);
    json_close('}');
    gomap_classic_free(m);
}

/* The entries of one map put into another that is in the middle of a growth. */
static uint64_t merge_one(bool same_seed, bool *growing_then) {
    uint64_t n = 0, from;
    gomap_classic *to = just_growing(8, &n), *source = make_hinted(0);
    if (same_seed) source->h.hash0 = to->h.hash0; /* before its first insert, so nothing is out of place */
    must((source->h.hash0 == to->h.hash0) == same_seed, "two random seeds are equal");
    for (from = n; from < 2 * n; from++) put(source, from);
    gomap_classic_iter it;
    *growing_then = growing(to);
    for (gomap_classic_iter_init(&it, source); gomap_classic_iter_next(&it);)
        must(!gomap_classic_put(to, it.key, it.elem), "out of memory");
    uint64_t missing = lost_of(to, 0, 2 * n);
    must(gomap_classic_verify(to, NULL, 0) == 0, "an invariant is broken");
    gomap_classic_free(source);
    gomap_classic_free(to);
    return missing;
}
static void merge(void) {
    bool growing_same, growing_other;
    uint64_t same = merge_one(true, &growing_same), other = merge_one(false, &growing_other);
    json_open("merge", '{');
    json_bool("growing", growing_same && growing_other);
    json_int("lost_same_seed", same);
    json_int("lost_other_seed", other);
    json_close('}');
}

/* ---- what moves a growth on ---------------------------------------------------------------------------- */

static void dummy(void) {
    static const unsigned sizes[] = {4, 8, 12, 14};
    json_open("dummy", '[');
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint64_t next, writes = 0;
        gomap_classic *m = just_growing(sizes[i], &next);
        put(m, next++);
        bool after_one = growing(m);
        for (writes = 1; growing(m); writes++) put(m, next++);
        json_open(NULL, '{');
        json_int("old_buckets", UINT64_C(1) << sizes[i]);
        json_bool("growing_after_one", after_one);
        json_int("writes", writes);
        json_close('}');
        gomap_classic_free(m);
    }
    json_close(']');
}

static void reads(void) {
    uint64_t next, seen = 0;
    gomap_classic *m = just_growing(8, &next);
    uint64_t nevacuate = m->h.nevacuate, moved = evacuated_buckets(m);
    gomap_classic_iter it;
    for (gomap_classic_iter_init(&it, m); gomap_classic_iter_next(&it);) seen++;
    must(seen == next && lost_of(m, 0, next) == 0, "entries were lost");
    json_open("reads", '{');
    json_int("reads", 2 * next);
    json_int("old_buckets", old_count(m));
    json_int("nevacuate_before", nevacuate);
    json_int("nevacuate_after", m->h.nevacuate);
    json_int("evacuated_before", moved);
    json_int("evacuated_after", evacuated_buckets(m));
    json_close('}');
    gomap_classic_free(m);
}

/* ---- overflow buckets ---------------------------------------------------------------------------------- */

static void pools(void) {
    json_open("pools", '[');
    for (unsigned b = 0; b <= 12; b++) {
        gomap_classic_stats s = {.size = sizeof s};
        gomap_classic *m = make_hinted(b ? gomap_classic_grow_at(b) - 1 : 0);
        put(m, 0);
        must(!gomap_classic_get_stats(m, &s) && s.B == b, "not the B that was asked for");
        json_open(NULL, '[');
        json_int(NULL, b);
        json_int(NULL, s.pool);
        json_close(']');
        gomap_classic_free(m);
    }
    json_close(']');
}

static void lists_of(const char *name, unsigned flags) {
    gomap_classic_config c = config();
    c.flags = flags;
    c.hint = (int64_t)gomap_classic_grow_at(10) - 1;
    gomap_classic *m = make(&c);
    for (uint64_t i = 0; i + 1 < gomap_classic_grow_at(10); i++) put(m, i);
    json_open(name, '{');
    json_bool("list", m->h.extra && m->h.extra->overflow);
    json_int("overflows", contents(m, false).overflows);
    json_close('}');
    gomap_classic_free(m);
}
static void lists(void) {
    json_open("lists", '{');
    lists_of("pointer_free", 0);
    lists_of("pointers", GOMAP_CLASSIC_ELEM_POINTERS);
    json_close('}');
}

static void noverflow(unsigned most) {
    json_open("noverflow", '[');
    for (unsigned b = 13; b <= most; b++) {
        gomap_classic *m = make_hinted(gomap_classic_grow_at(b) - 1);
        for (uint64_t i = 0; i + 1 < gomap_classic_grow_at(b); i++) put(m, i);
        must(m->h.B == b, "not the B that was asked for");
        json_open(NULL, '{');
        json_int("B", b);
        json_int("header", m->h.noverflow);
        json_int("true", contents(m, false).overflows);
        json_close('}');
        gomap_classic_free(m);
    }
    json_close(']');
}

static void gomap_loads(void) {
    gomap_config c = GOMAP_CONFIG(8, 8);
    gomap_stats s = {.size = sizeof s};
    gomap *m;
    uint64_t grows = 0, slots = 0;
    must(!gomap_new(&c, &m), "out of memory");
    json_open("gomap", '[');
    for (uint64_t i = 0; i < 100000; i++) {
        uint64_t key = key_number(i);
        must(!gomap_put(m, &key, &i) && !gomap_get_stats(m, &s), "out of memory");
        if (s.grows != grows && slots) {
            json_open(NULL, '[');
            json_int(NULL, slots);
            json_int(NULL, i + 1);
            json_close(']');
        }
        grows = s.grows, slots = s.slots;
    }
    json_close(']');
    gomap_free(m);
}

int main(int argc, char **argv) {
    if (argc != 3) fail("usage: states SEED MOST");
    seed = number_arg(argv[1], "SEED", 0, UINT32_MAX);
    json_open(NULL, '{');
    first_insert();
    doublings();
    start();
    finish();
    same_size();
    split();
    lost();
    merge();
    dummy();
    reads();
    pools();
    lists();
    noverflow((unsigned)number_arg(argv[2], "MOST", 13, 24));
    gomap_loads();
    json_close('}');
    putchar('\n');
    return 0;
}
