/* merges.c - ways to merge, on maps and trees.
 *
 *     merges pair ENGINE HOW KEYS N SEED         two of N entries each; half of the second's keys are in the first
 *     merges batches ENGINE HOW KEYS N SEED      1000 batches of N/1000 entries each, one after the other, into one
 *     merges list                                the engines of this build
 *
 * KEYS: u64, or str: 16 digits of text, of which the engines keep pointers.  HOW, of a pair a and b:
 *     into       b's entries are put into a as it is: the loop everybody writes
 *     reserved   a gets room for both first
 *     fresh      a third one, without a hint: a's entries, then b's
 *     presized   the same with a hint of len a + len b
 *     presized15 and 15 % more
 *     sorted     presized15; all entries are collected and sorted by key first.  A second figure leaves that out.
 *     seeded     presized, with the hash seed of a: entries come in the order of their new places
 *     batch      presized; entries are collected into arrays and put many at a time
 *     stream     trees: both walked side by side, every entry put at the end
 * and of batches, shuffled or (-sorted) each sorted by key when it comes; they are made before the clock starts:
 *     growing, growing-sorted, presized, presized-sorted
 *
 * The later entry of a key wins.  What comes out is checked entry by entry.  Prints processor time of the merge, what
 * was asked of the allocator meanwhile, page faults, and how far the resident set rose at most.
 */
#include "engines.h"
#include "heapcount.h"
#include "meter.h"

enum { BATCHES = 1000, TEXT = 16, SLICE = 4096 /* entries put at a time */ };

/* One entry of an input; both kinds of keys in the form engines take them. */
struct entry {
    uint64_t number;
    gomap_str text;
    uint64_t value;
};

struct run {
    const struct engine *engine;
    const char *how;
    bool strings;
    size_t n;
    struct entry *entries; /* all inputs, one after the other */
    size_t count;
    char *text;
    uint64_t sort_ns; /* of the measured time, what went into collecting and sorting */
};

static const void *key_of(const struct run *r, const struct entry *e) {
    return r->strings ? (const void *)&e->text : &e->number;
}

/* Entry i has the key of number `key`, different for different numbers. */
static void make_entry(struct run *r, size_t i, uint64_t key, uint64_t value) {
    struct entry *e = &r->entries[i];
    char *text = r->text + i * (TEXT + 1);
    *e = (struct entry){mix(key), {text, TEXT}, value};
    snprintf(text, TEXT + 1, "%016llx", (unsigned long long)e->number);
}

static void make_entries(struct run *r, size_t count) {
    r->count = count; /* and one beyond, for looking up */
    r->entries = need(malloc((count + 1) * sizeof *r->entries));
    r->text = need(malloc((count + 1) * (TEXT + 1)));
}

static int by_number(const void *x, const void *y) {
    const struct entry *a = x, *b = y;
    return (a->number > b->number) - (a->number < b->number);
}
static int by_text(const void *x, const void *y) {
    return memcmp(((const struct entry *)x)->text.ptr, ((const struct entry *)y)->text.ptr, TEXT);
}
static void sort(const struct run *r, struct entry *entries, size_t count) {
    qsort(entries, count, sizeof *entries, r->strings ? by_text : by_number);
}

/* ---- a pair ---------------------------------------------------------------------------------------------- */

struct sink {
    const struct run *run;
    void *out;
    struct entry *at;           /* collect: where the next goes */
    uint64_t *numbers, *values; /* batch: keys and values of a slice */
    gomap_str *texts;
    size_t held;
};

static void put_one(const void *key, uint64_t value, void *ctx) {
    struct sink *s = ctx;
    s->run->engine->put(s->out, key, value);
}

static void collect_one(const void *key, uint64_t value, void *ctx) {
    struct sink *s = ctx;
    struct entry *e = s->at++;
    e->value = value;
    if (s->run->strings)
        e->text = *(const gomap_str *)key;
    else
        e->number = *(const uint64_t *)key;
}

static void flush(struct sink *s) {
    const struct run *r = s->run;
    r->engine->put_many(s->out, r->strings ? (const void *)s->texts : s->numbers, s->values, s->held);
    s->held = 0;
}
static void batch_one(const void *key, uint64_t value, void *ctx) {
    struct sink *s = ctx;
    if (s->run->strings)
        s->texts[s->held] = *(const gomap_str *)key;
    else
        s->numbers[s->held] = *(const uint64_t *)key;
    s->values[s->held++] = value;
    if (s->held == SLICE) flush(s);
}

static void put_sorted(struct run *r, void *out, void *a, void *b) {
    uint64_t start = cpu_ns();
    size_t count = r->engine->len(a) + r->engine->len(b);
    struct entry *all = need(malloc(count * sizeof *all));
    struct sink s = {.run = r, .at = all};
    r->engine->each(a, collect_one, &s);
    struct entry *middle = s.at;
    r->engine->each(b, collect_one, &s);
    /* qsort keeps no order between equal keys, and b's must come last: sort them apart, then merge. */
    sort(r, all, (size_t)(middle - all));
    sort(r, middle, (size_t)(s.at - middle));
    r->sort_ns = cpu_ns() - start;
    int (*compare)(const void *, const void *) = r->strings ? by_text : by_number;
    for (struct entry *x = all, *y = middle; x < middle || y < s.at;) {
        struct entry *next = y == s.at || (x < middle && compare(x, y) <= 0) ? x++ : y++;
        r->engine->put(out, key_of(r, next), next->value);
    }
    free(all);
}

static void put_batches(struct run *r, void *out, void *a, void *b) {
    struct sink s = {.run = r, .out = out};
    s.values = need(malloc(SLICE * sizeof *s.values));
    s.numbers = need(malloc(SLICE * sizeof *s.numbers));
    s.texts = need(malloc(SLICE * sizeof *s.texts));
    r->engine->each(a, batch_one, &s);
    r->engine->each(b, batch_one, &s);
    if (s.held) flush(&s);
    free(s.values), free(s.numbers), free(s.texts);
}

static bool is(const struct run *r, const char *how) { return !strcmp(r->how, how); }

/* Merge a and b; what holds the result, which is a itself or a new one. */
static void *merge(struct run *r, void *a, void *b) {
    const struct engine *e = r->engine;
    size_t both = e->len(a) + e->len(b), more = both + both * 15 / 100;
    void *out = a;
    if (is(r, "into") || is(r, "reserved")) {
        if (is(r, "reserved")) e->reserve(a, both);
        struct sink s = {.run = r, .out = a};
        e->each(b, put_one, &s);
        return a;
    }
    if (is(r, "seeded"))
        out = e->make_like(a, r->strings, both);
    else
        out = e->make(r->strings, is(r, "fresh") ? 0 : is(r, "sorted") || is(r, "presized15") ? more : both);
    if (is(r, "sorted")) {
        put_sorted(r, out, a, b);
    } else if (is(r, "batch")) {
        put_batches(r, out, a, b);
    } else if (is(r, "stream")) {
        e->stream(out, a, b);
    } else {
        struct sink s = {.run = r, .out = out};
        e->each(a, put_one, &s);
        e->each(b, put_one, &s);
    }
    return out;
}

/* ---- measuring ------------------------------------------------------------------------------------------- */

struct before {
    uint64_t ns, faults, resident, grows;
    struct heap heap;
};
static uint64_t grows(const struct run *r, void *map) {
    return map && r->engine->grows ? r->engine->grows(map) : 0;
}
/* map: what there is already of the one that will hold the result. */
static struct before begin(const struct run *r, void *map) {
    reset_peak();
    struct before b = {.faults = minor_faults(), .resident = status_field("VmRSS:"), .grows = grows(r, map)};
    b.heap = heap_now();
    b.ns = cpu_ns();
    return b;
}
static void end(const struct run *r, struct before b, size_t merged, void *result) {
    uint64_t ns = cpu_ns() - b.ns;
    struct heap heap = heap_now();
    uint64_t faults = minor_faults() - b.faults, peak = status_field("VmHWM:");
    printf("{\"ns\":%llu,\"per_entry\":%.3f,\"sort_ns\":%llu,\"merged\":%zu,\"entries\":%zu,\"calls\":%llu,"
           "\"bytes\":%llu,\"faults\":%llu,\"peak\":%llu,\"grows\":%llu}\n",
           (unsigned long long)ns, (double)ns / (double)merged, (unsigned long long)r->sort_ns, merged,
           r->engine->len(result), (unsigned long long)(heap.calls - b.heap.calls),
           (unsigned long long)(heap.bytes - b.heap.bytes), (unsigned long long)faults,
           (unsigned long long)(peak > b.resident ? peak - b.resident : 0),
           (unsigned long long)(grows(r, result) - b.grows));
}

static void check(const struct run *r, void *result, const struct entry *e, uint64_t want) {
    uint64_t got;
    if (!r->engine->get(result, key_of(r, e), &got)) fail("%s %s lost a key", r->engine->name, r->how);
    if (got != want) fail("%s %s: a value is not the last one put", r->engine->name, r->how);
}

static void pair(struct run *r, uint64_t seed) {
    const struct engine *e = r->engine;
    const uint64_t base = seed << 32;
    make_entries(r, 2 * r->n); /* keys 0..n-1 in a; n/2..n/2+n-1 in b */
    void *a = e->make(r->strings, 0), *b = e->make(r->strings, 0);
    for (size_t i = 0; i < r->n; i++) {
        make_entry(r, i, base + i, i);
        make_entry(r, r->n + i, base + r->n / 2 + i, r->n + i);
    }
    for (size_t i = 0; i < r->n; i++) e->put(a, key_of(r, &r->entries[i]), r->entries[i].value);
    for (size_t i = r->n; i < r->count; i++) e->put(b, key_of(r, &r->entries[i]), r->entries[i].value);
    const bool in_place = is(r, "into") || is(r, "reserved");
    struct before before = begin(r, in_place ? a : NULL);
    void *result = merge(r, a, b);
    end(r, before, in_place ? r->n : r->count, result);
    if (e->len(result) != r->n + r->n / 2)
        fail("%s %s: %zu entries, not %zu", e->name, r->how, e->len(result), r->n + r->n / 2);
    for (size_t i = 0; i < r->n / 2; i++) check(r, result, &r->entries[i], i);
    for (size_t i = r->n; i < r->count; i++) check(r, result, &r->entries[i], i);
    if (result != a) e->free(result);
    e->free(a), e->free(b);
}

/* Keys are drawn with replacement from as many as there are entries: about 37 % of the puts overwrite. */
static void batches(struct run *r, uint64_t seed) {
    const struct engine *e = r->engine;
    const bool sorted = is(r, "growing-sorted") || is(r, "presized-sorted");
    const bool presized = is(r, "presized") || is(r, "presized-sorted");
    const size_t each = r->n / BATCHES;
    make_entries(r, each * BATCHES);
    uint64_t *last = need(malloc(r->count * sizeof *last));
    for (size_t i = 0; i < r->count; i++) last[i] = UINT64_MAX;
    for (size_t i = 0; i < r->count; i++) {
        uint64_t draw = mix((seed << 32) ^ ~i) % r->count;
        /* sorting must not decide which of two equal keys of a batch is the last one: one value for both */
        last[draw] = i / each;
        make_entry(r, i, (seed << 32) + draw, i / each);
    }
    for (size_t i = 0; sorted && i < r->count; i += each) sort(r, r->entries + i, each);
    struct before before = begin(r, NULL);
    void *out = e->make(r->strings, presized ? r->count : 0);
    for (size_t i = 0; i < r->count; i++) e->put(out, key_of(r, &r->entries[i]), r->entries[i].value);
    end(r, before, r->count, out);
    size_t distinct = 0;
    for (size_t draw = 0; draw < r->count; draw++) {
        if (last[draw] == UINT64_MAX) continue;
        make_entry(r, r->count, (seed << 32) + draw, 0);
        check(r, out, &r->entries[r->count], last[draw]);
        distinct++;
    }
    if (e->len(out) != distinct) fail("%s: %zu entries, not %zu", e->name, e->len(out), distinct);
    free(last);
    e->free(out);
}

/* ---- command line ---------------------------------------------------------------------------------------- */

static void list(const struct engine *e, const char **comma) {
    for (; e->name; e++) {
        printf("%s{\"name\":\"%s\",\"reserve\":%d,\"seeded\":%d,\"batch\":%d,\"stream\":%d,\"hint\":%d,"
               "\"keys_fade\":%d}",
               *comma, e->name, e->reserve != NULL, e->make_like != NULL, e->put_many != NULL,
               e->stream != NULL, !e->ordered, e->keys_fade);
        *comma = ",";
    }
}

static void refuse(const struct run *r, bool is_pair) {
    static const char *const pairs[] = {"into",   "reserved", "fresh", "presized", "presized15",
                                        "sorted", "seeded",   "batch", "stream"};
    static const char *const all[] = {"growing", "growing-sorted", "presized", "presized-sorted"};
    const char *const *known = is_pair ? pairs : all;
    size_t count = is_pair ? sizeof pairs / sizeof *pairs : sizeof all / sizeof *all, i = 0;
    while (i < count && strcmp(r->how, known[i])) i++;
    if (i == count) fail("no way to merge '%s'", r->how);
    const struct engine *e = r->engine;
    if ((is(r, "reserved") && !e->reserve) || (is(r, "seeded") && !e->make_like) ||
        (is(r, "batch") && !e->put_many) || (is(r, "stream") && !e->stream) ||
        (is(r, "sorted") && r->strings && e->keys_fade))
        fail("%s cannot merge '%s'", e->name, r->how);
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "list")) {
        const char *comma = "";
        printf("[");
        list(engines_c, &comma);
#ifdef HAVE_CPP
        list(engines_cpp, &comma);
#endif
        printf("]\n");
        return 0;
    }
    if (argc != 7) fail("usage: merges pair|batches ENGINE HOW u64|str N SEED, or merges list");
    struct run r = {.engine = engine_find(argv[2]), .how = argv[3], .strings = !strcmp(argv[4], "str")};
    if (!r.engine) fail("no engine '%s' in this build", argv[2]);
    if (!r.strings && strcmp(argv[4], "u64")) fail("keys are u64 or str, not '%s'", argv[4]);
    r.n = number_arg(argv[5], "N", BATCHES, 1000000000);
    const bool is_pair = !strcmp(argv[1], "pair");
    if (!is_pair && strcmp(argv[1], "batches")) fail("pair or batches, not '%s'", argv[1]);
    refuse(&r, is_pair);
    (is_pair ? pair : batches)(&r, number_arg(argv[6], "SEED", 0, UINT32_MAX));
    free(r.entries), free(r.text);
    return 0;
}
