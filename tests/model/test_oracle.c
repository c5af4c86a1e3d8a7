/* tests/model/test_oracle.c - the classic map against real Go, slot for slot.
 *
 *   test_oracle FILE              replay the sequences of FILE (- is stdin) and compare every state
 *   test_oracle FILE --dump SEQ OP    the state of one sequence after one operation, as text
 *
 * oracle/oracle.go runs the same sequences on Go 1.23's maps; FILE has, for each operation, six bits of the
 * digest of the state that Go reached, and a digest of all of them.  The state is header, pool position and
 * every bucket of both arrays with its chain: tophash bytes, key and elem slots, place in the pool.  A
 * difference is named by sequence and operation; the dumps of both sides then show which byte.  Exit code: 0
 * all equal, 1 not, 2 the file is not one of ours, 77 a 32-bit machine: buckets have other sizes there.
 */
#include "gomap/classic.h"
#include "gomap/inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITERS = 3, OPS_MAX = 100000 };
#define SEED0 0x5eed0000u

/* ---- what both sides must do alike (oracle/oracle.go) -------------------------------------------------- */

static uint64_t mix(uint64_t z) {
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t next_random(uint64_t *r) { return mix(*r += UINT64_C(0x9e3779b97f4a7c15)); }
static uint64_t below(uint64_t *r, uint64_t n) { return next_random(r) % n; }

static void word(uint64_t *d, uint64_t w) {
    uint64_t x = *d ^ w;
    *d = (x << 23 | x >> 41) * UINT64_C(0x9e3779b97f4a7c15);
}

static void bytes(uint64_t *d, const void *p, size_t n) {
    const uint8_t *b = p;
    for (uint64_t w; n; n -= n < 8 ? n : 8, b += 8) {
        w = 0;
        for (size_t i = 0; i < n && i < 8; i++) w |= (uint64_t)b[i] << (8 * i);
        word(d, w);
    }
}

enum { OP_ASSIGN, OP_DELETE, OP_GET, OP_ITER_BEGIN, OP_ITER_NEXT, OP_ITER_END, OP_CLEAR, OP_CLONE };

static const uint64_t weights[][8] = {{500, 300, 60, 20, 100, 10, 5, 5},
                                      {850, 50, 30, 15, 50, 3, 1, 1},
                                      {350, 500, 30, 20, 90, 5, 3, 2},
                                      {0, 0, 0, 40, 140, 5, 1, 1},
                                      {0, 0, 0, 10, 60, 2, 0, 1}};

struct op {
    int what;
    uint64_t key, v;
};

struct sequence {
    int id, way, hint, universe, profile, ops, stride;
    uint64_t seed;
    char kind[40];
    /* from kind */
    char keys; /* m memory, p pointers, s string, f float */
    size_t key_size, elem_size;
    bool elem_pointers, generic;

    uint64_t r, nan_seen;
    uint64_t draw; /* what the map's next random word is, if it is not a hash0 */
    bool drawing;
    uint32_t reseeds;
    gomap_classic *m;
    gomap_classic_iter it[ITERS];
    gomap_str *text; /* string keys by number, made once */
    FILE *out;       /* not NULL: the state as text */
};

static struct op draw_op(struct sequence *s, int i) {
    struct op o = {.v = next_random(&s->r)};
    uint64_t x = below(&s->r, 1000);
    o.key = below(&s->r, (uint64_t)s->universe);
    for (o.what = 0; o.what < 8; o.what++) {
        uint64_t w = weights[s->profile][o.what];
        if (x < w) return o;
        x -= w;
    }
    if (s->profile == 3) {
        uint64_t wave = (uint64_t)i / 100, at = (uint64_t)i % 100;
        o.what = OP_ASSIGN, o.key = wave * 64 + at;
        if (at >= 50) {
            o.key -= 50;
            o.what = x % 5 == 0 ? OP_GET : OP_DELETE;
        }
    } else {
        int top = s->ops * 6 / 10;
        o.what = OP_ASSIGN, o.key = (uint64_t)i;
        if (i >= top) o.what = OP_DELETE, o.key = (uint64_t)(i - top);
    }
    return o;
}

static uint64_t hash_bytes(int way, const void *p, size_t n, uint32_t seed) {
    uint64_t d = seed, first = 0;
    const uint8_t *b = p;
    bytes(&d, p, n);
    uint64_t good = mix(d ^ n);
    for (size_t i = 0; i < n && i < 8; i++) first |= (uint64_t)b[i] << (8 * i);
    switch (way) {
    case 1: return (good & ~UINT64_C(0xff)) | (good >> 32 & 3);
    case 2: return (good & ~(UINT64_C(0xff) << 56)) | (good >> 8 & 7) << 56;
    case 3: return UINT64_C(0x0700000000000005);
    case 4: return first;
    case 5: return (good & ~UINT64_C(0xffff)) | ((first >> 6) * 0x9e37 & 0xffff);
    default: return good;
    }
}

static uint64_t hash(const void *key, uint32_t seed, void *ctx) {
    struct sequence *s = ctx;
    static const uint8_t zeros[8];
    if (s->keys == 's') {
        const gomap_str *str = key;
        return hash_bytes(s->way, str->ptr, str->len, seed);
    }
    if (s->keys == 'f') {
        double x;
        float f;
        if (s->key_size == 8)
            memcpy(&x, key, 8);
        else
            memcpy(&f, key, 4), x = (double)f;
        if (x != x) return mix(++s->nan_seen);
        if (x == 0) key = zeros;
    }
    return hash_bytes(s->way, key, s->key_size, seed);
}

/* hash0 counts the reseeds; a start of an iteration is what the operation says. */
static uint64_t random_word(void *ctx) {
    struct sequence *s = ctx;
    if (s->drawing) return s->draw;
    return SEED0 + s->reseeds++;
}

static uint8_t byte_of(uint64_t n, size_t i) { return (uint8_t)(n >> (8 * (i % 8))); }

static gomap_str string_key(struct sequence *s, uint64_t n) {
    if (n >= OPS_MAX) abort();
    if (!s->text && !(s->text = calloc(OPS_MAX, sizeof *s->text))) abort();
    if (!s->text[n].ptr) {
        size_t len = 8 + (n * 7) % 50;
        char *b = malloc(len);
        if (!b) abort();
        memset(b, 'x', len);
        for (size_t i = 0; i < 8; i++) b[i] = (char)byte_of(n, i);
        s->text[n] = (gomap_str){b, len};
    }
    return s->text[n];
}

static void fill_float(const struct sequence *s, void *p, uint64_t n) {
    if (s->key_size == 8) {
        double x = n == 1 ? -0.0 : (double)n;
        uint64_t nan = UINT64_C(0x7ff8000000000000) + n;
        memcpy(p, n == 2 || n == 3 ? (const void *)&nan : (const void *)&x, 8);
    } else {
        float x = n == 1 ? -0.0f : (float)n;
        uint32_t nan = 0x7fc00000u + (uint32_t)n;
        memcpy(p, n == 2 || n == 3 ? (const void *)&nan : (const void *)&x, 4);
    }
}

static void fill_key(struct sequence *s, void *p, uint64_t n) {
    if (s->keys == 's') {
        gomap_str k = string_key(s, n);
        memcpy(p, &k, sizeof k);
    } else if (s->keys == 'f') {
        fill_float(s, p, n);
    } else if (s->keys == 'p') {
        n++;
        memcpy(p, &n, 8);
    } else {
        for (size_t i = 0; i < s->key_size; i++) ((uint8_t *)p)[i] = byte_of(n, i);
    }
}

static void fill_elem(const struct sequence *s, void *p, uint64_t v) {
    if (s->elem_pointers) v = v % 4096 + 1;
    for (size_t i = 0; i < s->elem_size; i++) ((uint8_t *)p)[i] = byte_of(v, i);
}

/* ---- state ------------------------------------------------------------------------------------------------ */

static void ends(uint64_t *d, const void *p, size_t size) {
    if (size <= 16) {
        bytes(d, p, size);
    } else {
        bytes(d, p, 8);
        bytes(d, (const uint8_t *)p + size - 8, 8);
    }
}

static void key_words(const struct sequence *s, uint64_t *d, const void *p) {
    if (s->keys != 's') {
        ends(d, p, s->key_size);
        return;
    }
    const gomap_str *k = p;
    word(d, k->len);
    if (k->ptr) bytes(d, k->ptr, k->len);
}

static void elem_words(const struct sequence *s, uint64_t *d, const void *p) { ends(d, p, s->elem_size); }

struct scan {
    struct sequence *s;
    uint64_t *d;
    const struct gomap_hmap *h;
};

static void slot_words(struct scan *c, const void *p, bool key, size_t size, uint8_t top) {
    void (*words)(const struct sequence *, uint64_t *, const void *) = key ? key_words : elem_words;
    if (size <= 128) {
        words(c->s, c->d, p);
        return;
    }
    const void *cell;
    memcpy(&cell, p, sizeof cell);
    word(c->d, !cell ? 0 : top >= 2 && top <= 4 ? 2 : 1);
    if (cell && !(top >= 2 && top <= 4)) words(c->s, c->d, cell);
}

static bool bucket_words(const gomap_classic_bucket *b, void *ctx) {
    struct scan *c = ctx;
    bool same = c->h->flags & GOMAP_HMAP_SAME_SIZE;
    uint64_t base = UINT64_C(1) << (c->h->B - (b->old && !same)), before = *c->d;
    uint64_t place = b->depth == 0 ? b->index : b->pool == SIZE_MAX ? UINT64_MAX : base + b->pool;
    word(c->d, place);
    bytes(c->d, b->tophash, 8);
    for (size_t k = 0; k < 8; k++) {
        slot_words(c, (const uint8_t *)b->keys + k * b->key_slot, true, c->s->key_size, b->tophash[k]);
        slot_words(c, (const uint8_t *)b->elems + k * b->elem_slot, false, c->s->elem_size, b->tophash[k]);
    }
    if (c->s->out) {
        fprintf(c->s->out, "%s %zu.%zu pool %" PRId64 " tophash [", b->old ? "old" : "new", b->index,
                b->depth, (int64_t)place);
        for (int k = 0; k < 8; k++) fprintf(c->s->out, k ? " %u" : "%u", b->tophash[k]);
        fprintf(c->s->out, "] content %016" PRIx64 "\n", *c->d - before);
    }
    if (!b->overflow) word(c->d, b->depth + 1);
    return true;
}

static void state_words(struct sequence *s, uint64_t *d) {
    const struct gomap_classic *raw = (const struct gomap_classic *)s->m;
    const struct gomap_hmap *h = &raw->h;
    uint64_t pool = UINT64_MAX, lists = 0;
    if (h->extra) {
        lists = 1 + 2u * (h->extra->overflow != NULL) + 4u * (h->extra->oldoverflow != NULL);
        if (h->extra->next_overflow)
            pool = (uint64_t)((uint8_t *)h->extra->next_overflow - h->buckets) / raw->desc->bucket_size;
    }
    const uint64_t words[] = {(uint64_t)h->count,    h->flags, h->B, h->noverflow, h->nevacuate, h->hash0,
                              h->oldbuckets != NULL, pool,     lists};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) word(d, words[i]);
    if (s->out)
        fprintf(s->out,
                "count %ld flags %u B %u noverflow %u nevacuate %lu hash0 %x growing %d pool %" PRId64
                " extra %u\n",
                (long)h->count, h->flags, h->B, h->noverflow, (unsigned long)h->nevacuate, h->hash0,
                h->oldbuckets != NULL, (int64_t)pool, (unsigned)lists);
    struct scan c = {s, d, h};
    gomap_classic_visit(s->m, bucket_words, &c);
}

/* ---- running ---------------------------------------------------------------------------------------------- */

static void fail_op(const struct sequence *s, int i, const char *what) {
    printf("sequence %d (%s), operation %d: %s\n", s->id, s->kind, i, what);
    exit(1);
}

static void start(struct sequence *s) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(s->key_size, s->elem_size);
    c.keys = s->keys == 's'   ? GOMAP_CLASSIC_STRING
             : s->keys == 'f' ? GOMAP_CLASSIC_FLOAT
                              : GOMAP_CLASSIC_MEMORY;
    if (s->keys == 'p') c.flags |= GOMAP_CLASSIC_KEY_POINTERS;
    if (s->elem_pointers) c.flags |= GOMAP_CLASSIC_ELEM_POINTERS;
    if (s->generic) c.flags |= GOMAP_CLASSIC_GENERIC_PATH;
    c.hint = s->hint;
    c.hash = hash;
    c.random = random_word;
    c.ctx = s;
    s->r = s->seed;
    s->nan_seen = s->reseeds = 0;
    s->drawing = false;
    memset(s->it, 0, sizeof s->it);
    if (gomap_classic_new(&c, &s->m)) fail_op(s, -1, "the map cannot be made");
}

static void end_iterations(struct sequence *s) {
    for (int i = 0; i < ITERS; i++) gomap_classic_iter_end(&s->it[i]);
}

static void iterate(struct sequence *s, const struct op *o, uint64_t *d) {
    gomap_classic_iter *it = &s->it[o->key % ITERS];
    for (uint64_t i = 0; i <= o->v % 16 && it->map; i++) {
        if (gomap_classic_iter_next(it)) {
            key_words(s, d, it->key);
            elem_words(s, d, it->elem);
        } else {
            word(d, 0);
        }
    }
}

static void iter_begin(struct sequence *s, const struct op *o) {
    gomap_classic_iter *it = &s->it[o->key % ITERS];
    gomap_classic_iter_end(it);
    s->draw = o->v;
    s->drawing = true;
    gomap_classic_iter_init(it, s->m);
    s->drawing = false;
}

static void replace_by_clone(struct sequence *s, int i) {
    gomap_classic *copy;
    end_iterations(s);
    if (gomap_classic_clone(s->m, &copy)) fail_op(s, i, "the clone failed");
    gomap_classic_free(s->m);
    s->m = copy;
}

static void run_op(struct sequence *s, int i, const struct op *o, uint64_t *d) {
    uint8_t key[256], elem[256];
    void *found;
    fill_key(s, key, o->key);
    switch (o->what) {
    case OP_ASSIGN:
        fill_elem(s, elem, o->v);
        if (gomap_classic_put(s->m, key, elem)) fail_op(s, i, "put failed");
        break;
    case OP_DELETE: gomap_classic_delete(s->m, key); break;
    case OP_GET:
        found = gomap_classic_get(s->m, key);
        word(d, found != NULL);
        if (found) elem_words(s, d, found);
        break;
    case OP_ITER_BEGIN: iter_begin(s, o); break;
    case OP_ITER_NEXT: iterate(s, o, d); break;
    case OP_ITER_END: gomap_classic_iter_end(&s->it[o->key % ITERS]); break;
    case OP_CLEAR: gomap_classic_clear(s->m); break;
    case OP_CLONE: replace_by_clone(s, i); break;
    }
}

static bool parse_kind(struct sequence *s) {
    char pointers = 0, path[16];
    if (sscanf(s->kind, "%c%zu-%zu%15s", &s->keys, &s->key_size, &s->elem_size, path) != 4) return false;
    if (path[0] == 'p') pointers = 'p';
    s->elem_pointers = pointers == 'p';
    s->generic = strstr(path, "generic") != NULL;
    return strchr("mpsf", s->keys) && s->key_size <= 256 && s->elem_size <= 256;
}

static bool parse_header(const char *line, struct sequence *s) {
    return sscanf(line,
                  "seq %d kind %39s hash %d hint %d universe %d profile %d ops %d stride %d seed %" SCNu64,
                  &s->id, s->kind, &s->way, &s->hint, &s->universe, &s->profile, &s->ops, &s->stride,
                  &s->seed) == 9 &&
           parse_kind(s) && s->profile >= 0 && s->profile < 5 && s->ops > 0 && s->ops < OPS_MAX &&
           s->stride > 0 && s->universe > 0 && s->universe < OPS_MAX;
}

struct totals {
    uint64_t sequences, states, operations;
    uint64_t grows, same_size;
};

static void count_grows(struct totals *t, const struct sequence *s) {
    gomap_classic_stats st = {.size = sizeof st};
    if (gomap_classic_get_stats(s->m, &st)) abort();
    t->grows += st.grows;
    t->same_size += st.same_size_grows;
}

static void drop(struct sequence *s) {
    end_iterations(s);
    gomap_classic_free(s->m);
    for (size_t i = 0; s->text && i < OPS_MAX; i++) free((void *)(uintptr_t)s->text[i].ptr);
    free(s->text);
    s->text = NULL;
}

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";

/* Replay a sequence against its line of digests and its last line.  dump_at: print that state instead. */
static void run(struct sequence *s, const char *digests, const char *end, int dump_at, struct totals *t) {
    uint64_t all = 0;
    char why[200], want[160];
    start(s);
    for (int i = 0; i < s->ops; i++) {
        struct op o = draw_op(s, i);
        uint64_t d = 0;
        run_op(s, i, &o, &d);
        t->operations++;
        s->out = i == dump_at ? stdout : NULL;
        if (s->out) printf("op %d what %d key %" PRIu64 " v %" PRIu64 "\n", i, o.what, o.key, o.v);
        if (i % s->stride && i != s->ops - 1 && i != dump_at) continue;
        state_words(s, &d);
        word(&all, d);
        if (i == dump_at) {
            printf("digest %016" PRIx64 "\n", d);
            return;
        }
        if (t->states++ % 16 == 0 && gomap_classic_verify(s->m, why, sizeof why)) fail_op(s, i, why);
        if (dump_at < 0 && *digests++ != letters[d >> 58]) {
            snprintf(why, sizeof why,
                     "not the state that Go reached\n  compare: test_oracle FILE --dump %d %d\n"
                     "  with:    oracle -seed N -dump %d -op %d",
                     s->id, i, s->id, i);
            fail_op(s, i, why);
        }
    }
    const struct gomap_hmap *h = &((const struct gomap_classic *)s->m)->h;
    snprintf(want, sizeof want, "end %016" PRIx64 " count %ld B %u noverflow %u nevacuate %lu flags %u\n",
             all, (long)h->count, h->B, h->noverflow, (unsigned long)h->nevacuate, h->flags);
    if (strcmp(want, end)) {
        printf("Go: %shere: %s", end, want);
        fail_op(s, s->ops - 1, "the digests of all states differ");
    }
    t->sequences++;
    count_grows(t, s);
    drop(s);
}

int main(int argc, char **argv) {
    static char head[OPS_MAX], digests[OPS_MAX], end[256];
    struct totals t = {0};
    int dump = argc == 5 && !strcmp(argv[2], "--dump") ? atoi(argv[3]) : -1;
    if (argc != 2 && dump < 0) return fprintf(stderr, "usage: test_oracle FILE [--dump SEQ OP]\n"), 2;
    if (sizeof(void *) != 8) return printf("SKIP: Go's buckets of a 64-bit machine\n"), 77;
    FILE *f = strcmp(argv[1], "-") ? fopen(argv[1], "re") : stdin;
    if (!f) return perror(argv[1]), 2;
    while (fgets(head, sizeof head, f)) {
        static struct sequence s;
        s = (struct sequence){0};
        if (*head == '#') continue;
        if (!parse_header(head, &s) || !fgets(digests, sizeof digests, f) || !fgets(end, sizeof end, f))
            return fprintf(stderr, "%s: not a file of sequences: %.60s\n", argv[1], head), 2;
        if (dump >= 0 && s.id != dump) continue;
        run(&s, digests, end, dump < 0 ? -1 : atoi(argv[4]), &t);
        if (dump >= 0) return 0;
    }
    if (f != stdin) fclose(f);
    if (t.states < 1000)
        return fprintf(stderr, "%s: only %llu states\n", argv[1], (unsigned long long)t.states), 2;
    printf("%" PRIu64 " sequences, %" PRIu64 " operations, %" PRIu64 " states equal to Go's, %" PRIu64
           " doublings, %" PRIu64 " same-size growths at their ends\n",
           t.sequences, t.operations, t.states, t.grows, t.same_size);
    return 0;
}
