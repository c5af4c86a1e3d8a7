/* fuzz/fuzz_classic.c - a stream of operations, run on a classic map and on a table indexed by key; any
 * difference aborts.
 *
 * The first bytes choose what kind of map it is (key type, cells, hash, allocator), the rest are operations
 * with small operands. Up to three iterators run among them, each with a book of what it must, may and must
 * not return.  With GOMAP_FAULTS allocations fail in the middle of operations; then the map must hold what it
 * held.
 *
 * Also linked into classic_replay (replay_main.c), which needs no libFuzzer.
 */
#include "gomap/classic.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef GOMAP_FAULTS
extern int (*gomap__fault)(int what);
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { UNIVERSE = 700, BYTES_MAX = 256, ITERS = 3, NANS = 2 }; /* float keys 2 and 3 are NaN */
#define REQUIRE(cond) ((cond) ? (void)0 : broken(__LINE__, #cond))

static void broken(int line, const char *what) {
    fprintf(stderr, "fuzz_classic.c:%d: does not hold: %s\n", line, what);
    abort();
}

struct input {
    const uint8_t *p, *end;
};

static unsigned byte(struct input *in) { return in->p < in->end ? *in->p++ : 0; }

/* Small numbers often, large ones sometimes. */
static unsigned number(struct input *in, unsigned below) {
    unsigned b = byte(in), n = b < 192 ? b : (b - 192) << 8 | byte(in);
    return n % below;
}

/* ---- kinds of maps ------------------------------------------------------------------------------------- */

static const struct kind {
    size_t key, elem;
    gomap_classic_keys keys;
    unsigned flags;
} kinds[] = {{8, 8, GOMAP_CLASSIC_MEMORY, 0},
             {8, 8, GOMAP_CLASSIC_MEMORY, GOMAP_CLASSIC_GENERIC_PATH | GOMAP_CLASSIC_KEY_POINTERS},
             {4, 4, GOMAP_CLASSIC_MEMORY, 0},
             {24, 8, GOMAP_CLASSIC_MEMORY, GOMAP_CLASSIC_ELEM_POINTERS},
             {200, 8, GOMAP_CLASSIC_MEMORY, 0},
             {8, 200, GOMAP_CLASSIC_MEMORY, 0},
             {129, 129, GOMAP_CLASSIC_MEMORY, 0},
             {sizeof(gomap_str), 8, GOMAP_CLASSIC_STRING, 0},
             {sizeof(gomap_str), 130, GOMAP_CLASSIC_STRING, 0},
             {8, 8, GOMAP_CLASSIC_FLOAT, 0},
             {8, 200, GOMAP_CLASSIC_FLOAT, 0},
             {200, 200, GOMAP_CLASSIC_CUSTOM, GOMAP_CLASSIC_KEY_UPDATE}};
enum { KINDS = sizeof kinds / sizeof *kinds, HASHES = 4 };

/* What an iterator owes. */
struct book {
    gomap_classic_iter it;
    bool open;
    bool must[UNIVERSE]; /* there since it began, not seen yet */
    bool may[UNIVERSE];  /* not seen since it was last put anew */
    bool cleared;        /* the map was, under it: then Go may return an entry twice (lib/classic/range.c) */
    unsigned nans_must, nans_may;
    uint64_t
        same_size; /* growths to the same size when it began: under them Go may miss a NaN (lib/classic/range.c) */
};

static struct {
    gomap_classic *m;
    const struct kind *kind;
    unsigned hash;
    uint64_t random, blocks;
    gomap_alloc alloc;
    bool has[UNIVERSE];
    uint32_t value[UNIVERSE];
    unsigned count, nans;
    struct book book[ITERS];
} now;

static char texts[UNIVERSE][48];
static uint64_t fail_in; /* allocations until one fails; 0: none does */

static uint64_t mix(uint64_t z) {
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t draw(void *ctx) {
    (void)ctx;
    return mix(now.random += UINT64_C(0x9e3779b97f4a7c15));
}

static bool is_nan(unsigned k) { return now.kind->keys == GOMAP_CLASSIC_FLOAT && (k == 2 || k == 3); }

static void make_key(uint8_t *out, unsigned k) {
    memset(out, 0, BYTES_MAX);
    if (now.kind->keys == GOMAP_CLASSIC_STRING) {
        int len = snprintf(texts[k], sizeof texts[k], "%u%s", k,
                           k % 3 ? "" : " with a tail that makes it a long key");
        gomap_str s = {texts[k], (size_t)len};
        memcpy(out, &s, sizeof s);
    } else if (now.kind->keys == GOMAP_CLASSIC_FLOAT) {
        double x = is_nan(k) ? (double)NAN : k == 0 ? 0.0 : (double)k;
        memcpy(out, &x, sizeof x);
    } else {
        memcpy(out, &k, sizeof k);
        memset(out + now.kind->key / 2, (int)(k & 0xff), now.kind->key > 8 ? 4 : 0);
    }
}

static unsigned key_number(const void *key) {
    unsigned k;
    if (now.kind->keys == GOMAP_CLASSIC_STRING) {
        const gomap_str *s = key;
        return (unsigned)strtoul(s->ptr, NULL, 10); /* the space, or the NUL behind it, ends it */
    }
    if (now.kind->keys == GOMAP_CLASSIC_FLOAT) {
        double x;
        memcpy(&x, key, sizeof x);
        return x != x ? 2 : (unsigned)x;
    }
    memcpy(&k, key, sizeof k);
    return k;
}

static uint64_t hash(const void *key, uint32_t seed, void *ctx) {
    unsigned k = key_number(key);
    (void)ctx;
    if (is_nan(k)) return draw(NULL);
    uint64_t good = mix(k + ((uint64_t)seed << 32));
    switch (now.hash) {
    case 1: return good & ~UINT64_C(0xff);
    case 2: return 5;
    case 3: return (good & ~(UINT64_C(0xff) << 56)) | (good & 7) << 56;
    default: return good;
    }
}

static int equal(const void *a, const void *b, void *ctx) {
    (void)ctx;
    return key_number(a) == key_number(b);
}

static void make_elem(uint8_t *out, uint32_t v) {
    for (size_t i = 0; i < now.kind->elem; i++) out[i] = (uint8_t)(v >> (8 * (i % 4)));
}

static void check_elem(const void *elem, uint32_t v) {
    uint8_t want[BYTES_MAX];
    make_elem(want, v);
    REQUIRE(!memcmp(elem, want, now.kind->elem));
}

/* ---- memory -------------------------------------------------------------------------------------------- */

static void *own_alloc(size_t size, size_t align, void *ctx) {
    void *p = NULL;
    (void)ctx;
    if (posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size)) return NULL;
    now.blocks++;
    return p;
}

static void own_free(void *p, size_t size, size_t align, void *ctx) {
    (void)size, (void)align, (void)ctx;
    now.blocks--;
    free(p);
}

#ifdef GOMAP_FAULTS
static int fault(int what) {
    if (what != 1 || !fail_in) return 0;
    return --fail_in == 0;
}
#endif

/* ---- books --------------------------------------------------------------------------------------------- */

static void note_put(unsigned k, bool is_new) {
    for (int i = 0; i < ITERS; i++) {
        if (is_nan(k))
            now.book[i].nans_may++;
        else if (is_new)
            now.book[i].may[k] = true;
    }
}

static void note_gone(unsigned k) {
    for (int i = 0; i < ITERS; i++) now.book[i].must[k] = false;
}

static uint64_t same_size_growths(void) {
    gomap_classic_stats s = {.size = sizeof s};
    REQUIRE(gomap_classic_get_stats(now.m, &s) == GOMAP_OK);
    return s.same_size_grows - s.same_size; /* one under way counts as still to come */
}

static void iter_begin(struct book *b) {
    gomap_classic_iter_end(&b->it);
    gomap_classic_iter_init(&b->it, now.m);
    b->open = true;
    b->cleared = false;
    memcpy(b->must, now.has, sizeof b->must);
    memcpy(b->may, now.has, sizeof b->may);
    b->nans_must = b->nans_may = now.nans;
    b->same_size = same_size_growths();
}

static void iter_step(struct book *b) {
    if (!b->open) return;
    if (!gomap_classic_iter_next(&b->it)) {
        for (unsigned k = 0; k < UNIVERSE; k++) REQUIRE(!b->must[k]);
        REQUIRE(b->nans_must == 0 || b->same_size != same_size_growths());
        b->open = false;
        return;
    }
    unsigned k = key_number(b->it.key);
    REQUIRE(k < UNIVERSE);
    if (is_nan(k)) {
        REQUIRE(b->nans_may > 0 || b->cleared);
        b->nans_may -= b->nans_may > 0;
        if (b->nans_must) b->nans_must--;
        return;
    }
    REQUIRE(now.has[k]);
    REQUIRE(b->may[k] || b->cleared);
    check_elem(b->it.elem, now.value[k]);
    b->may[k] = b->must[k] = false;
}

static void iter_close(struct book *b) {
    gomap_classic_iter_end(&b->it);
    b->open = false;
}

/* ---- operations ---------------------------------------------------------------------------------------- */

static void op_put(unsigned k, uint32_t v, bool by_assign) {
    uint8_t key[BYTES_MAX], elem[BYTES_MAX];
    void *slot = NULL;
    bool is_new = false;
    make_key(key, k);
    make_elem(elem, v);
    gomap_err err =
        by_assign ? gomap_classic_assign(now.m, key, &slot, &is_new) : gomap_classic_put(now.m, key, elem);
    REQUIRE(err == GOMAP_OK || err == GOMAP_ENOMEM);
    if (err) return;
    if (by_assign) {
        REQUIRE(is_new == (is_nan(k) || !now.has[k]));
        memcpy(slot, elem, now.kind->elem);
    }
    note_put(k, is_nan(k) || !now.has[k]);
    now.count += is_nan(k) || !now.has[k];
    now.nans += is_nan(k);
    now.has[k] = !is_nan(k);
    now.value[k] = v;
}

static void op_delete(unsigned k) {
    uint8_t key[BYTES_MAX];
    make_key(key, k);
    REQUIRE(gomap_classic_delete(now.m, key) == now.has[k]);
    now.count -= now.has[k];
    if (now.has[k]) note_gone(k);
    now.has[k] = false;
}

static void op_get(unsigned k) {
    uint8_t key[BYTES_MAX];
    const void *stored;
    void *elem;
    make_key(key, k);
    void *found = gomap_classic_get(now.m, key);
    REQUIRE((found != NULL) == now.has[k]);
    REQUIRE(gomap_classic_find(now.m, key, &stored, &elem) == now.has[k]);
    if (!found) return;
    check_elem(found, now.value[k]);
    check_elem(elem, now.value[k]);
    REQUIRE(key_number(stored) == k);
}

static void op_clear(void) {
    gomap_classic_clear(now.m);
    for (unsigned k = 0; k < UNIVERSE; k++) note_gone(k);
    for (int i = 0; i < ITERS; i++) now.book[i].nans_must = 0, now.book[i].cleared = true;
    memset(now.has, 0, sizeof now.has);
    now.count = now.nans = 0;
}

static void op_clone(bool go_on_with_it) {
    gomap_classic *copy = NULL;
    gomap_err err = gomap_classic_clone(now.m, &copy);
    if (err) {
        REQUIRE(err == GOMAP_ENOMEM);
        return;
    }
    REQUIRE(gomap_classic_len(copy) == now.count);
    if (!go_on_with_it) {
        gomap_classic_free(copy);
        return;
    }
    for (int i = 0; i < ITERS; i++) iter_close(&now.book[i]);
    gomap_classic_free(now.m);
    now.m = copy;
}

static void op_keys(void) {
    static uint8_t keys[4096 * BYTES_MAX];
    bool seen[UNIVERSE] = {false};
    size_t n = gomap_classic_keys_of(now.m, keys, 4096);
    if (now.count > 4096) return;
    REQUIRE(n == now.count);
    for (size_t i = 0; i < n; i++) {
        unsigned k = key_number(keys + i * now.kind->key);
        REQUIRE(k < UNIVERSE && (is_nan(k) || (now.has[k] && !seen[k])));
        seen[k] = true;
    }
    REQUIRE(gomap_classic_elems_of(now.m, keys, 4096) == n);
}

static void check_map(bool deep) {
    char why[200];
    gomap_classic_stats s = {.size = sizeof s};
    REQUIRE(gomap_classic_len(now.m) == now.count);
    REQUIRE(gomap_classic_get_stats(now.m, &s) == GOMAP_OK);
    REQUIRE(s.bytes == s.bytes_header + s.bytes_slots_live + s.bytes_slots_empty + s.bytes_metadata +
                           s.bytes_overflow + s.bytes_pool + s.bytes_old + s.bytes_cells + s.bytes_held +
                           s.bytes_overhead);
    if (!deep || !gomap_classic_verify(now.m, why, sizeof why)) return;
    fprintf(stderr, "%s\n", why);
    REQUIRE(!"verified");
}

static void operate(struct input *in) {
    unsigned op = byte(in), k = number(in, UNIVERSE), which = op / 16 % ITERS;
    uint32_t v = (uint32_t)mix(op * 1000 + k + now.count);
    switch (op % 16) {
    case 0:
    case 1:
    case 2:
    case 3: op_put(k, v, false); break;
    case 4: op_put(k, v, true); break;
    case 5:
        for (unsigned i = 0, n = byte(in); i < n; i++) op_put((k + i) % UNIVERSE, v + i, false);
        break;
    case 6:
    case 7: op_delete(k); break;
    case 8:
        for (unsigned i = 0, n = byte(in); i < n; i++) op_delete((k + i) % UNIVERSE);
        break;
    case 9: op_get(k); break;
    case 10: iter_begin(&now.book[which]); break;
    case 11:
        for (unsigned i = 0; i <= k % 64; i++) iter_step(&now.book[which]);
        break;
    case 12: iter_close(&now.book[which]); break;
    case 13:
        if (k % 4 == 0) op_clear();
        break;
    case 14: k % 4 ? op_keys() : op_clone(k % 8 == 0); break;
    case 15: fail_in = 1 + k % 4; return; /* stays for the next operation */
    }
    fail_in = 0;
}

static void begin(struct input *in) {
    memset(&now, 0, sizeof now);
    now.kind = &kinds[byte(in) % KINDS];
    unsigned ways = byte(in), hint = number(in, 1000);
    now.hash = ways % HASHES;
    now.random = byte(in);
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(now.kind->key, now.kind->elem);
    c.keys = now.kind->keys;
    c.flags = now.kind->flags;
    c.hash = hash;
    c.random = draw;
    if (c.keys == GOMAP_CLASSIC_CUSTOM) c.eq = equal;
    if (ways & 0x80) {
        now.alloc = (gomap_alloc){own_alloc, own_free, NULL};
        c.alloc = &now.alloc;
    }
    if (ways & 0x40) c.hint = hint;
    REQUIRE(gomap_classic_new(&c, &now.m) == GOMAP_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, data + size};
#ifdef GOMAP_FAULTS
    gomap__fault = fault;
#endif
    fail_in = 0;
    begin(&in);
    for (unsigned n = 0; in.p < in.end && n < 4000; n++) {
        operate(&in);
        check_map(now.count < 40 || n % 16 == 0);
    }
    fail_in = 0;
    for (int i = 0; i < ITERS; i++)
        while (now.book[i].open && byte(&in) == 0 && now.book[i].it.map) iter_step(&now.book[i]);
    /* Every other input leaves an iterator open: freeing the map takes what it holds. */
    if (size % 2)
        for (int i = 0; i < ITERS; i++) iter_close(&now.book[i]);
    check_map(true);
    gomap_classic_free(now.m);
    REQUIRE(now.blocks == 0);
    return 0;
}
