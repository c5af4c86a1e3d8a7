/* fuzz/fuzz_model.c - a stream of operations, run on a gomap and on a sorted array; any difference aborts.
 *
 * The first bytes choose what kind of map it is (key type, hash, mode, allocator), the rest are operations
 * with small operands, so that an input of some hundred bytes walks a map through growth, shrink, chains,
 * the stash and failed allocations.  The array is the simplest thing that can be right: binary search,
 * memmove.  Keys are numbers 0 .. UNIVERSE-1 turned into bytes by the kind.  Inputs of odd length run with hooks, which
 * count the entries by what they hear.
 *
 * Also linked into fuzz_model_replay (replay_main.c), which needs no libFuzzer.
 */
#include "gomap/observe.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef GOMAP_FAULTS
extern int (*gomap__fault)(int what);
extern int gomap__verify_each;
extern uint64_t (*gomap__draw)(void);
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { UNIVERSE = 6000, KEY_MAX = 160 };
#define REQUIRE(cond) ((cond) ? (void)0 : broken(__LINE__, #cond))

static void broken(int line, const char *what) {
    fprintf(stderr, "fuzz_model.c:%d: does not hold: %s\n", line, what);
    abort();
}

/* ---- input ------------------------------------------------------------------------------------- */

struct input {
    const uint8_t *p, *end;
};

static unsigned byte(struct input *in) { return in->p < in->end ? *in->p++ : 0; }

/* Small numbers often, large ones sometimes. */
static unsigned number(struct input *in, unsigned below) {
    unsigned b = byte(in), n = b < 192 ? b : (b - 192) << 8 | byte(in);
    return below ? n % below : 0;
}

/* ---- kinds of maps --------------------------------------------------------------------------------- */

enum { K_U64, K_U32, K_BYTES24, K_CELL, K_STRING, K_BORROWED, K_NAN, KINDS };
enum { H_OWN, H_CONSTANT, H_FEW_BITS, H_TOP_BITS, HASHES };

struct map {
    gomap *m;
    unsigned kind, hash;
    uint64_t handed_out; /* bytes at the own allocator */
    uint64_t heard;      /* entries, by the hooks */
    bool hooked;
    gomap_alloc alloc;
    /* the model: sorted keys and their values */
    uint32_t n;
    uint16_t key[UNIVERSE];
    uint64_t value[UNIVERSE];
    uint64_t nans; /* entries that equal nothing */
    uint64_t writes;
    unsigned epoch_empty; /* how often the map became empty */
    bool slow;            /* all invariants are walked after every write: do fewer */
};
static struct map now; /* one at a time; static for the sake of the stack */

struct key {
    _Alignas(8) uint8_t bytes[KEY_MAX];
    gomap_str str;
};
static char texts[UNIVERSE][24];

static uint64_t mix(uint64_t z) {
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Seeds of maps and iterators follow from the input's first bytes: every find replays. */
static uint64_t drawn;
static inline uint64_t draw(void) { return mix(drawn += UINT64_C(0x9e3779b97f4a7c15)); }

static size_t key_bytes(unsigned kind) {
    static const size_t size[KINDS] = {8, 4, 24, KEY_MAX, 0, 0, 8};
    return size[kind];
}

static bool is_text(unsigned kind) { return kind == K_STRING || kind == K_BORROWED; }

static const void *make_key(uint32_t n, struct key *k) {
    if (is_text(now.kind)) {
        if (!texts[n][0]) snprintf(texts[n], sizeof texts[n], "%u%.*s", n, (int)(n % 13), "-and-a-tail..");
        if (now.kind == K_BORROWED) {
            k->str = (gomap_str){texts[n], strlen(texts[n])};
        } else {
            strcpy((char *)k->bytes, texts[n]);
            k->str = (gomap_str){(char *)k->bytes, strlen(texts[n])};
        }
        return &k->str;
    }
    for (size_t i = 0; i < key_bytes(now.kind); i += 4) memcpy(k->bytes + i, &n, 4);
    return k->bytes;
}

static uint32_t read_key(const void *p) {
    uint32_t n = 0;
    if (is_text(now.kind)) {
        gomap_str s;
        memcpy(&s, p, sizeof s);
        for (size_t i = 0; i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9'; i++)
            n = n * 10 + (uint32_t)(s.ptr[i] - '0');
        REQUIRE(n < UNIVERSE && strlen(texts[n]) == s.len && !memcmp(texts[n], s.ptr, s.len));
        return n;
    }
    memcpy(&n, p, 4);
    for (size_t i = 0; i < key_bytes(now.kind); i += 4) REQUIRE(!memcmp((const uint8_t *)p + i, &n, 4));
    return n;
}

/* A NaN of kind K_NAN: a number from the upper half. */
static bool is_nan(uint32_t n) { return now.kind == K_NAN && n >= UNIVERSE; }

static uint64_t user_hash(const void *key, void *ctx) {
    uint32_t n = read_key(key);
    (void)ctx;
    switch (now.hash) {
    case H_CONSTANT: return 7;
    case H_FEW_BITS: return n % 8;
    case H_TOP_BITS: return (uint64_t)n << 52;
    default: return mix(n);
    }
}

static int nan_eq(const void *a, const void *b, void *ctx) {
    uint32_t x = read_key(a), y = read_key(b);
    (void)ctx;
    return x == y && !is_nan(x);
}

static void *own_alloc(size_t size, size_t align, void *ctx) {
    uint64_t *bytes = ctx;
    void *p = aligned_alloc(align < 16 ? 16 : align, (size + 63) / 64 * 64 + (size == 0) * 64);
    if (p) *bytes += size, memset(p, 0xa5, size);
    return p;
}

static void own_free(void *p, size_t size, size_t align, void *ctx) {
    uint64_t *bytes = ctx;
    (void)align;
    REQUIRE(*bytes >= size);
    *bytes -= size;
    free(p);
}

static gomap_config choose(struct input *in) {
    gomap_config c = GOMAP_CONFIG(8, 8);
    unsigned flags = byte(in);
    now.kind = byte(in) % KINDS, now.hash = byte(in) % HASHES;
    c.keys = now.kind == K_STRING     ? GOMAP_KEYS_STRING
             : now.kind == K_BORROWED ? GOMAP_KEYS_BORROWED
                                      : GOMAP_KEYS_FIXED;
    c.key_size = key_bytes(now.kind);
    if (now.hash != H_OWN) c.hash = user_hash;
    if (now.kind == K_NAN) c.eq = nan_eq;
    c.mode = (gomap_mode)(flags % 3);
    c.hashing = (gomap_hashing)(flags / 4 % 3);
    c.values = flags & 16 ? GOMAP_VALUES_STABLE : GOMAP_VALUES_AUTO;
    now.alloc = (gomap_alloc){own_alloc, own_free, &now.handed_out};
    if (flags & 32) c.alloc = &now.alloc;
    if (flags & 64) c.capacity = number(in, 500);
    now.slow = flags & 128;
    drawn = (uint64_t)byte(in) << 8 | byte(in);
#ifdef GOMAP_FAULTS
    gomap__draw = draw;
    gomap__verify_each = now.slow;
#endif
    return c;
}

/* ---- the model ------------------------------------------------------------------------------------------ */

static uint32_t place(uint32_t key) {
    uint32_t lo = 0, hi = now.n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (now.key[mid] < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static uint64_t *model_get(uint32_t key) {
    uint32_t at = place(key);
    return at < now.n && now.key[at] == key ? &now.value[at] : NULL;
}

static void model_put(uint32_t key, uint64_t value) {
    uint32_t at = place(key);
    if (at == now.n || now.key[at] != key) {
        memmove(&now.key[at + 1], &now.key[at], (now.n - at) * sizeof now.key[0]);
        memmove(&now.value[at + 1], &now.value[at], (now.n - at) * sizeof now.value[0]);
        now.n++;
        now.key[at] = (uint16_t)key;
    }
    now.value[at] = value;
}

static bool model_del(uint32_t key) {
    uint32_t at = place(key);
    if (at == now.n || now.key[at] != key) return false;
    now.n--;
    memmove(&now.key[at], &now.key[at + 1], (now.n - at) * sizeof now.key[0]);
    memmove(&now.value[at], &now.value[at + 1], (now.n - at) * sizeof now.value[0]);
    return true;
}

static void model_clear(void) { now.n = 0, now.nans = 0, now.epoch_empty++; }

/* ---- failures on purpose ----------------------------------------------------------------------------------- */

#ifdef GOMAP_FAULTS
static unsigned fault_in, fault_len, faults_fired;
static int fail_some(int what) {
    (void)what;
    if (fault_in && --fault_in) return 0;
    if (!fault_len) return 0;
    fault_len--, faults_fired++;
    return 1;
}
static void arm(struct input *in) {
    fault_in = 1 + number(in, 16), fault_len = 1 + number(in, 8), faults_fired = 0;
    gomap__fault = fail_some;
}
static bool disarm(void) {
    gomap__fault = NULL;
    return faults_fired;
}
#else
static void arm(struct input *in) { (void)number(in, 16), (void)number(in, 8); }
static bool disarm(void) { return false; }
#endif

/* ---- operations ---------------------------------------------------------------------------------------------- */

static void check_key(uint32_t k) {
    struct key room;
    uint64_t *want = model_get(k), *got = gomap_get(now.m, make_key(k, &room));
    REQUIRE(!want == !got);
    if (want) REQUIRE(*want == *got);
}

static void put(uint32_t k, uint64_t v) {
    struct key room;
    gomap_err err = gomap_put(now.m, make_key(k, &room), &v);
    REQUIRE(err == GOMAP_OK);
    if (is_nan(k))
        now.nans++;
    else
        model_put(k, v);
}

static void del(uint32_t k) {
    struct key room;
    bool was = gomap_delete(now.m, make_key(k, &room));
    REQUIRE(was == (!is_nan(k) && model_del(k)));
    if (!now.n && !now.nans) now.epoch_empty++;
}

static void put_absent(uint32_t k) {
    struct key room;
    uint64_t v = ++now.writes;
    bool inserted = false;
    REQUIRE(gomap_put_if_absent(now.m, make_key(k, &room), &v, &inserted) == GOMAP_OK);
    REQUIRE(inserted == !model_get(k));
    if (inserted) model_put(k, v);
}

static void upsert(uint32_t k) {
    struct key room;
    void *v;
    bool is_new;
    REQUIRE(gomap_get_or_insert(now.m, make_key(k, &room), &v, &is_new) == GOMAP_OK);
    REQUIRE(is_new == !model_get(k));
    uint64_t *count = v;
    if (is_new) REQUIRE(*count == 0);
    ++*count;
    model_put(k, *count);
}

static void pop(void) {
    struct key room;
    uint64_t v;
    void *to = is_text(now.kind) ? (void *)&room.str : (void *)room.bytes;
    gomap_err err = gomap_pop_any(now.m, to, &v);
    if (!now.n && !now.nans) {
        REQUIRE(err == GOMAP_ENOENT);
        return;
    }
    REQUIRE(err == GOMAP_OK);
    uint32_t k = read_key(to);
    if (is_nan(k)) {
        now.nans--;
    } else {
        REQUIRE(model_get(k) && *model_get(k) == v);
        model_del(k);
    }
    if (!now.n && !now.nans) now.epoch_empty++;
}

static void check_all(void) {
    gomap_iter it;
    uint64_t seen = 0, nans = 0;
    static uint8_t marked[UNIVERSE];
    memset(marked, 0, sizeof marked);
    REQUIRE(gomap_len(now.m) == now.n + now.nans);
    for (gomap_iter_init(&it, now.m); gomap_iter_next(&it);) {
        uint32_t k = read_key(it.key);
        if (is_nan(k)) {
            nans++;
            continue;
        }
        uint64_t *want = model_get(k), got;
        memcpy(&got, it.value, 8);
        REQUIRE(want && *want == got && !marked[k]);
        marked[k] = 1;
        seen++;
    }
    REQUIRE(seen == now.n && nans == now.nans);
    for (uint32_t i = 0; i < now.n; i++) check_key(now.key[i]);
}

static void verify(void) {
    char why[200] = "";
    if (!gomap_verify(now.m, why, sizeof why)) return;
    fprintf(stderr, "%s\n", why);
    broken(__LINE__, "gomap_verify(now.m)");
}

/* One step of change during an iteration. */
static void disturb(struct input *in) {
    unsigned op = byte(in) % 16, k = number(in, UNIVERSE);
    switch (op) {
    case 0:
    case 1:
    case 2: put(k, ++now.writes); break;
    case 3:
    case 4: del(k); break;
    case 5:
        for (unsigned i = number(in, 300); i; i--) put((k + i) % UNIVERSE, ++now.writes);
        break;
    case 6:
        for (unsigned i = number(in, 300); i; i--) del((k + i) % UNIVERSE);
        break;
    case 7: pop(); break;
    case 8: (void)gomap_work(now.m, 50000); break;
    case 9: REQUIRE(gomap_shrink_to_fit(now.m) == GOMAP_OK); break;
    case 10: REQUIRE(gomap_reserve(now.m, number(in, 3000)) == GOMAP_OK); break;
    case 11:
        if (byte(in) % 8) break;
        gomap_clear(now.m, byte(in) & 1 ? GOMAP_KEEP : GOMAP_RELEASE);
        model_clear();
        break;
    default: break;
    }
}

/* Iterate, change things meanwhile, check exactly-once by what was there all the time. */
static void iterate(struct input *in) {
    static uint8_t from_start[UNIVERSE], marked[UNIVERSE], again[UNIVERSE];
    gomap_iter it;
    gomap_stats st = {.size = sizeof st};
    unsigned epoch = now.epoch_empty, calm = byte(in) % 32;
    memset(from_start, 0, sizeof from_start);
    memset(marked, 0, sizeof marked);
    memset(again, 0, sizeof again);
    for (uint32_t i = 0; i < now.n; i++) from_start[now.key[i]] = 1;
    for (gomap_iter_init(&it, now.m); gomap_iter_next(&it);) {
        uint32_t k = read_key(it.key);
        if (!is_nan(k)) {
            uint64_t got;
            memcpy(&got, it.value, 8);
            REQUIRE(model_get(k) && *model_get(k) == got);
            REQUIRE(gomap_get_stats(now.m, &st) == GOMAP_OK);
            /* twice only if it was deleted and came back, to a new seed or into the stash */
            if (marked[k]) REQUIRE(again[k] && (epoch != now.epoch_empty || st.stashed_ever));
            marked[k] = 1, again[k] = 0;
        }
        if (in->p >= in->end || (calm && byte(in) % calm)) continue;
        if (byte(in) % 4 == 0) {
            REQUIRE(gomap_iter_delete(&it, now.m));
            if (is_nan(k))
                now.nans--;
            else
                model_del(k);
            if (!now.n && !now.nans) now.epoch_empty++;
            REQUIRE(!gomap_iter_delete(&it, now.m));
        } else {
            disturb(in);
        }
        for (uint32_t i = 0; i < UNIVERSE; i++) {
            if (model_get(i)) continue;
            from_start[i] = 0;
            if (marked[i]) again[i] = 1;
        }
    }
    for (uint32_t i = 0; i < UNIVERSE; i++)
        if (from_start[i]) REQUIRE(marked[i]);
}

/* ---- hooks ------------------------------------------------------------------------------------------ */

static void hear_put(const gomap *m, const void *key, void *value, bool is_new, void *ctx) {
    (void)key, (void)value;
    *(uint64_t *)ctx += is_new;
    REQUIRE(gomap_len(m) == *(uint64_t *)ctx);
}
static void hear_delete(const gomap *m, const void *key, void *value, void *ctx) {
    (void)key, (void)value;
    REQUIRE(gomap_len(m) == *(uint64_t *)ctx);
    --*(uint64_t *)ctx;
}
static void hear_clear(const gomap *m, uint64_t entries, gomap_clear_how how, void *ctx) {
    (void)m, (void)how;
    REQUIRE(entries == *(uint64_t *)ctx);
    *(uint64_t *)ctx = 0;
}

static void listen(void) {
    gomap_hooks h = {.size = sizeof h, .on_put = hear_put, .on_delete = hear_delete, .on_clear = hear_clear, .ctx = &now.heard};
    gomap_err err = gomap_set_hooks(now.m, &h);
    REQUIRE(err == GOMAP_OK || err == GOMAP_ENOENT); /* a library without */
    now.hooked = err == GOMAP_OK;
    now.heard = gomap_len(now.m);
}

static void clone_and_compare(void) {
    gomap *other = NULL;
    struct key room;
    REQUIRE(gomap_clone(now.m, &other) == GOMAP_OK);
    REQUIRE(gomap_len(other) == now.n + now.nans);
    REQUIRE(now.nans || gomap_equal(now.m, other, NULL, NULL));
    if (now.n) {
        REQUIRE(gomap_delete(other, make_key(now.key[0], &room)));
        REQUIRE(!gomap_equal(now.m, other, NULL, NULL));
    }
    gomap_free(now.m); /* go on with the copy */
    now.m = other;
    if (now.hooked) listen();
    if (now.n) put(now.key[0], now.value[0]);
}

static bool keep_some(const void *key, void *value, void *ctx) {
    uint32_t k = read_key(key);
    (void)value;
    return k % *(unsigned *)ctx != 0;
}

static void retain(unsigned modulus) {
    uint64_t gone = 0, nans_gone = is_nan(UNIVERSE + 1) ? now.nans : 0;
    for (uint32_t i = 0; i < now.n;) {
        if (now.key[i] % modulus) {
            i++;
            continue;
        }
        model_del(now.key[i]);
        gone++;
    }
    size_t before = gomap_len(now.m), got = gomap_retain_if(now.m, keep_some, &modulus);
    REQUIRE(before - got == gomap_len(now.m));
    REQUIRE(got >= gone && got <= gone + nans_gone);
    now.nans -= got - gone;
    if (!now.n && !now.nans) now.epoch_empty++;
}

static void bulk(struct input *in, unsigned what) {
    enum { MOST = 40 };
    static struct key room[MOST];
    static _Alignas(8) uint8_t keys[MOST * KEY_MAX];
    uint64_t values[MOST];
    void *found[MOST];
    size_t n = number(in, MOST + 1), each = is_text(now.kind) ? sizeof(gomap_str) : key_bytes(now.kind),
           want = 0, done = 0;
    uint32_t first = number(in, UNIVERSE - MOST);
    for (size_t i = 0; i < n; i++) {
        memcpy(keys + i * each, make_key(first + (uint32_t)i, &room[i]), each);
        values[i] = ++now.writes;
    }
    if (what == 0) {
        REQUIRE(gomap_put_many(now.m, keys, values, n, &done) == GOMAP_OK && done == n);
        for (size_t i = 0; i < n; i++) model_put(first + (uint32_t)i, values[i]);
    } else if (what == 1) {
        size_t got = gomap_delete_many(now.m, keys, n);
        for (size_t i = 0; i < n; i++) want += model_del(first + (uint32_t)i);
        REQUIRE(got == want);
        if (!now.n && !now.nans) now.epoch_empty++;
    } else {
        for (size_t i = 0; i < n; i++) want += model_get(first + (uint32_t)i) != NULL;
        REQUIRE(gomap_get_many(now.m, keys, n, found) == want);
    }
}

/* A write under failing allocations: done, or nothing happened. */
static void put_under_faults(struct input *in) {
    for (unsigned i = 1 + number(in, 40); i; i--) {
        struct key room;
        uint32_t k = number(in, UNIVERSE);
        uint64_t v = ++now.writes;
        const void *key = make_key(k, &room);
        arm(in);
        gomap_err err = gomap_put(now.m, key, &v);
        bool fired = disarm();
        REQUIRE(err == GOMAP_OK || (err == GOMAP_ENOMEM && fired));
        if (!err) model_put(k, v);
        check_key(k);
        REQUIRE(gomap_len(now.m) == now.n + now.nans);
    }
    verify();
}

static void others_under_faults(struct input *in) {
    unsigned op = byte(in) % 6;
    uint32_t k = number(in, UNIVERSE);
    gomap *other = NULL;
    gomap_err err = GOMAP_OK;
    arm(in);
    switch (op) {
    case 0: err = gomap_reserve(now.m, now.n + k); break;
    case 1: err = gomap_shrink_to_fit(now.m); break;
    case 2: err = gomap_clone(now.m, &other); break;
    case 3: (void)gomap_work(now.m, 1000000); break;
    case 4: del(k); break;
    default: pop(); break;
    }
    bool fired = disarm();
    REQUIRE(err == GOMAP_OK || (err == GOMAP_ENOMEM && fired));
    REQUIRE((op == 2 && !err) == (other != NULL));
    gomap_free(other);
    verify();
}

static void step(struct input *in) {
    unsigned op = byte(in) % 32;
    uint32_t k = number(in, UNIVERSE);
    switch (op) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: put(k, ++now.writes); break;
    case 5:
    case 6:
    case 7: del(k); break;
    case 8: check_key(k); break;
    case 9: put_absent(k); break;
    case 10:
    case 11: upsert(k); break;
    case 12: pop(); break;
    case 13:
    case 14:
        for (unsigned i = number(in, now.slow ? 150 : 1500); i; i--) put((k + i) % UNIVERSE, ++now.writes);
        break;
    case 15:
        for (unsigned i = number(in, now.slow ? 150 : 1500); i; i--) del((k + i) % UNIVERSE);
        break;
    case 16:
    case 17:
    case 18: iterate(in); break;
    case 19: bulk(in, 0); break;
    case 20: bulk(in, 1); break;
    case 21: bulk(in, 2); break;
    case 22: clone_and_compare(); break;
    case 23: retain(2 + byte(in) % 9); break;
    case 24: put_under_faults(in); break;
    case 25: others_under_faults(in); break;
    case 26:
        if (now.kind == K_NAN)
            for (unsigned i = number(in, 200); i; i--) put(UNIVERSE + i % 3, ++now.writes);
        break;
    case 27: (void)gomap_work(now.m, 200000); break;
    case 28: check_all(); break;
    case 29: verify(); break;
    default: disturb(in); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, data + size};
    memset(&now, 0, sizeof now);
    gomap_config c = choose(&in);
    REQUIRE(gomap_new(&c, &now.m) == GOMAP_OK);
    if (size & 1) listen();
    for (int steps = 0; in.p < in.end && steps < (now.slow ? 300 : 3000); steps++) step(&in);
    verify();
    check_all();
    REQUIRE(!now.hooked || now.heard == gomap_len(now.m));
    gomap_free(now.m);
    REQUIRE(now.handed_out == 0);
    return 0;
}
