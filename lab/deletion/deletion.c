/* deletion.c - what a delete and a clear leave behind, in slots and in memory.
 *
 *     deletion N
 *
 * Of the classic map, read from its buckets, with the names that go/main.go prints for Go's own:
 *
 *     marks    the tophash bytes of one bucket through deletes and inserts
 *     moved    all tophash bytes of old buckets that have been evacuated
 *     residue  what stays in the slots of a deleted entry
 *     clear    the array, before and after
 *     memory   bytes allocated: N entries, none after N deletes, 1 % of them put again
 *     release  bytes allocated: while a growth runs and after it; with overflow buckets and after a clear
 *     gomap    memory, the same of a gomap */
#include "subject.h"

#include "gomap/classic.h"
#include "gomap/inspect.h"

static struct counted held; /* by the map under test */
static gomap_alloc counting = {counted_alloc, counted_free, &held};

static gomap_classic *make(gomap_classic_config c) {
    gomap_classic *m;
    held = (struct counted){0};
    c.alloc = &counting;
    must(!gomap_classic_new(&c, &m), "out of memory");
    return m;
}
static gomap_classic *make_numbers(uint64_t hint) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(8, 8);
    c.hint = (int64_t)hint;
    return make(c);
}
static void put(gomap_classic *m, uint64_t key) { must(!gomap_classic_put(m, &key, &key), "out of memory"); }
static void drop(gomap_classic *m, uint64_t key) {
    must(gomap_classic_delete(m, &key), "a key is not there");
}
static void done(gomap_classic *m) {
    must(gomap_classic_verify(m, NULL, 0) == 0, "an invariant is broken");
    gomap_classic_free(m);
    must(held.now == 0, "memory was not given back");
}

/* ---- one bucket ---------------------------------------------------------------------------------------- */

static unsigned slot_of(const gomap_classic *m, uint64_t key) {
    for (unsigned i = 0; i < GOMAP_BUCKET_SLOTS; i++)
        if (m->h.buckets[i] >= GOMAP_TOP_MIN &&
            ((uint64_t *)(void *)(m->h.buckets + GOMAP_BUCKET_KEYS))[i] == key)
            return i;
    fail("a key is in no slot");
}

static void marks(void) {
    gomap_classic *m = make_numbers(0);
    put(m, 0);
    const uint8_t *tops = m->h.buckets;
    json_open("marks", '{');
    json_int("never_used", tops[7]);
    for (uint64_t key = 1; key < 8; key++) put(m, key);
    drop(m, 3);
    json_int("deleted_before_others", tops[3]);
    put(m, 100);
    json_int("freed_slot", 3);
    json_int("next_insert_slot", slot_of(m, 100));
    json_bool("grew", m->h.buckets != tops || m->h.B || m->h.noverflow);
    drop(m, 7);
    json_int("deleted_last", tops[7]);
    drop(m, 5);
    json_int("deleted_between", tops[5]);
    drop(m, 6);
    json_int("last_two_then", tops[5] + tops[6]);
    json_close('}');
    done(m);
}

struct seen {
    bool byte[256];
};
static bool see(const gomap_classic_bucket *b, void *ctx) {
    struct seen *s = ctx;
    bool evacuated = b->tophash[0] > GOMAP_TOP_EMPTY_ONE && b->tophash[0] < GOMAP_TOP_MIN;
    for (int i = 0; b->old && evacuated && i < GOMAP_BUCKET_SLOTS; i++) s->byte[b->tophash[i]] = true;
    return true;
}
static void moved(void) {
    gomap_classic *m = make_numbers(0);
    struct seen s = {0};
    uint64_t n = 0;
    while (m->h.B < 12) put(m, n++);
    for (uint64_t i = 0; i < 500 && m->h.oldbuckets; i++) put(m, n++);
    must(m->h.oldbuckets, "the growth is over too soon");
    gomap_classic_visit(m, see, &s);
    json_open("moved", '[');
    for (unsigned i = 0; i < 256; i++)
        if (s.byte[i]) json_int(NULL, i);
    json_close(']');
    done(m);
}

static void residue(void) {
    gomap_classic *m = make_numbers(0);
    put(m, 0x1111111111111111);
    put(m, 0x2222222222222222);
    const uint64_t *keys = (const uint64_t *)(const void *)(m->h.buckets + GOMAP_BUCKET_KEYS),
                   *elems = keys + 8;
    drop(m, 0x1111111111111111);
    json_open("residue", '{');
    json_bool("number_stays", keys[0] == 0x1111111111111111);
    json_bool("elem_zero", elems[0] == 0);
    done(m);
    m = make((gomap_classic_config)GOMAP_CLASSIC_CONFIG_STRING(8));
    gomap_str a = {"first", 5}, b = {"second", 6};
    uint64_t value = 7;
    must(!gomap_classic_put(m, &a, &value) && !gomap_classic_put(m, &b, &value), "out of memory");
    const gomap_str *strings = (const gomap_str *)(const void *)(m->h.buckets + GOMAP_BUCKET_KEYS);
    must(gomap_classic_delete(m, &a), "a key is not there");
    json_bool("string_pointer_zero", strings[0].ptr == NULL);
    json_bool("string_length_stays", strings[0].len == a.len);
    json_close('}');
    done(m);
}

/* ---- clear --------------------------------------------------------------------------------------------- */

static void clear(void) {
    gomap_classic *m = make_numbers(0);
    for (uint64_t i = 0; i < 10000; i++) put(m, i);
    while (m->h.oldbuckets) put(m, 0);
    const uint8_t *array = m->h.buckets;
    json_open("clear", '{');
    json_int("B_before", m->h.B);
    gomap_classic_clear(m);
    json_int("B_after", m->h.B);
    json_bool("same_array", m->h.buckets == array);
    json_int("entries", gomap_classic_len(m));
    json_close('}');
    done(m);
}

/* ---- memory -------------------------------------------------------------------------------------------- */

static void put_state(const char *name, uint64_t bytes, uint64_t slots) {
    json_open(name, '{');
    json_int("bytes", bytes);
    json_int("slots", slots);
    json_close('}');
}

static void memory(uint64_t n) {
    gomap_classic *m = make_numbers(0);
    for (uint64_t i = 0; i < n; i++) put(m, mix(i));
    while (m->h.oldbuckets) put(m, mix(0));
    json_open("memory", '{');
    put_state("full", held.now, UINT64_C(8) << m->h.B);
    for (uint64_t i = 0; i < n; i++) drop(m, mix(i));
    put_state("deleted", held.now, UINT64_C(8) << m->h.B);
    for (uint64_t i = 0; i < n / 100; i++) put(m, mix(n + i));
    put_state("refilled", held.now, UINT64_C(8) << m->h.B);
    json_close('}');
    done(m);
}

static void release(uint64_t n) {
    gomap_classic *m = make_numbers(0);
    uint64_t i = 0, during;
    while (i < n || !m->h.oldbuckets) put(m, mix(i++));
    during = held.now;
    json_open("release", '{');
    json_int("old_array", m->old_bytes);
    while (m->h.oldbuckets) put(m, mix(0));
    json_int("growing", during);
    json_int("grown", held.now);
    gomap_classic_clear(m);
    for (i = 0; i + 1 < gomap_classic_grow_at(m->h.B); i++)
        put(m, mix(i)); /* as full as it gets: overflow buckets */
    json_int("overflows", m->overflow_count);
    json_int("full", held.now);
    gomap_classic_clear(m);
    json_int("cleared", held.now);
    json_close('}');
    done(m);
}

static void put_gomap_state(const char *name, const gomap *m) {
    gomap_stats s = {.size = sizeof s};
    must(!gomap_get_stats(m, &s), "no figures");
    put_state(name, s.bytes, s.slots);
}
static void gomap_memory(uint64_t n) {
    gomap_config c = GOMAP_CONFIG(8, 8);
    gomap *m;
    must(!gomap_new(&c, &m), "out of memory");
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = mix(i);
        must(!gomap_put(m, &key, &key), "out of memory");
    }
    json_open("gomap", '{');
    put_gomap_state("full", m);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = mix(i);
        must(gomap_delete(m, &key), "a key is not there");
    }
    put_gomap_state("deleted", m);
    for (uint64_t i = 0; i < n / 100; i++) {
        uint64_t key = mix(n + i);
        must(!gomap_put(m, &key, &key), "out of memory");
    }
    put_gomap_state("refilled", m);
    json_close('}');
    gomap_free(m);
}

int main(int argc, char **argv) {
    if (argc != 2) fail("usage: deletion N");
    uint64_t n = number_arg(argv[1], "N", 1000, 100000000);
    json_open(NULL, '{');
    marks();
    moved();
    residue();
    clear();
    memory(n);
    release(n);
    gomap_memory(n);
    json_close('}');
    putchar('\n');
    return 0;
}
