/* tests/unit/test_profile.c - what a heap profile says is what maps hold.
 *
 * Profiles are written, unpacked and read back here, field by field, as the format has it; with a rate of 1 they must be
 * exact, with larger ones right within the error that such a sample has.
 */
#include "../support.h"

#include "gomap/classic.h"
#include "gomap/observe.h"

#include <pthread.h>
#include <stdio.h>

/* ---- a reader of profile.proto ------------------------------------------------------------------------- */

enum { VALUES = 8, LABELS = 24, FRAMES = 64, STRINGS = 20000, SAMPLES = 60000, PLACES = 4000 };
enum value { ALLOC_OBJECTS, ALLOC_SPACE, INUSE_OBJECTS, INUSE_SPACE, MAP_ENTRIES, MAP_WASTE, MAP_RESIDENT, MAP_LAZYFREE };

struct sample {
    int64_t value[VALUES];
    uint64_t frame[FRAMES];
    const char *label[LABELS], *text[LABELS];
    size_t frames, labels;
};
static struct profile {
    uint8_t *bytes;
    char *string[STRINGS];
    struct sample sample[SAMPLES];
    uint64_t place[PLACES], function_of[PLACES], name_of[PLACES];
    uint64_t type[VALUES], period, default_type;
    size_t strings, samples, places, types, mappings;
} p;

struct in {
    const uint8_t *at, *end;
};

static uint64_t varint(struct in *in) {
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        assert_true(in->at < in->end && shift < 64);
        v |= (uint64_t)(*in->at & 127) << shift;
        if (!(*in->at++ & 128)) return v;
    }
}

/* The next field; *sub: its bytes if it has a length. */
static unsigned field(struct in *in, uint64_t *v, struct in *sub) {
    uint64_t key = varint(in);
    *v = varint(in);
    if ((key & 7) == 0) return (unsigned)(key >> 3);
    assert_int_equal(key & 7, 2);
    assert_true(*v <= (uint64_t)(in->end - in->at));
    *sub = (struct in){in->at, in->at + *v};
    in->at += *v;
    return (unsigned)(key >> 3);
}

static void read_label(struct in in, struct sample *s) {
    uint64_t v;
    struct in sub;
    while (in.at < in.end) {
        unsigned f = field(&in, &v, &sub);
        assert_true(v < p.strings && s->labels < LABELS);
        (f == 1 ? s->label : s->text)[s->labels] = p.string[v];
    }
    s->labels++;
}

static void read_sample(struct in in) {
    uint64_t v, n = 0;
    struct in sub;
    struct sample *s = &p.sample[p.samples++];
    assert_true(p.samples <= SAMPLES);
    memset(s, 0, sizeof *s);
    while (in.at < in.end) {
        unsigned f = field(&in, &v, &sub);
        while (f == 1 && sub.at < sub.end) s->frame[s->frames++] = varint(&sub);
        while (f == 2 && sub.at < sub.end) s->value[n++] = (int64_t)varint(&sub);
        if (f == 3) read_label(sub, s);
    }
    assert_int_equal(n, VALUES);
}

static void read_place(struct in in) {
    uint64_t v, id = 0;
    struct in sub;
    while (in.at < in.end) {
        unsigned f = field(&in, &v, &sub);
        if (f == 1) assert_true((id = v) < PLACES);
        if (f == 4) {
            assert_int_equal(field(&sub, &v, &in), 1);
            p.function_of[id] = v;
            in.at = in.end = sub.end;
        }
    }
    assert_true(id > 0);
    p.places++;
}

static void read_function(struct in in) {
    uint64_t v, id = 0, name = 0;
    struct in sub;
    while (in.at < in.end) {
        unsigned f = field(&in, &v, &sub);
        if (f == 1) id = v;
        if (f == 2) name = v;
    }
    assert_true(id < PLACES && name < p.strings);
    p.name_of[id] = name;
}

static void read_message(struct in all, bool strings) {
    uint64_t v;
    struct in sub;
    for (struct in in = all; in.at < in.end;) {
        unsigned f = field(&in, &v, &sub);
        if (f == 6 && strings) p.string[p.strings++] = strndup((const char *)sub.at, v);
        if (strings) continue;
        if (f == 1) {
            assert_int_equal(field(&sub, &p.type[p.types++], &sub), 1);
        } else if (f == 2) {
            read_sample(sub);
        } else if (f == 3) {
            p.mappings++;
        } else if (f == 4) {
            read_place(sub);
        } else if (f == 5) {
            read_function(sub);
        } else if (f == 12) {
            p.period = v;
        } else if (f == 14) {
            p.default_type = v;
        }
    }
}

/* A gzip file of stored blocks: their bytes. */
static struct in unpack(uint8_t *z, size_t n) {
    const uint8_t *at = z + 10, *end = z + n;
    uint8_t *to = z;
    assert_true(n > 18 && z[0] == 0x1f && z[1] == 0x8b && z[2] == 8 && z[3] == 0);
    for (bool last = false; !last;) {
        assert_true(end - at > 5 && at[0] <= 1);
        last = at[0];
        size_t len = at[1] | (size_t)at[2] << 8;
        assert_int_equal(len ^ (at[3] | (size_t)at[4] << 8), 0xffff);
        at += 5;
        assert_true((size_t)(end - at) >= len);
        memmove(to, at, len);
        to += len, at += len;
    }
    assert_int_equal(end - at, 8);
    uint64_t size = 0;
    for (int i = 0; i < 4; i++) size |= (uint64_t)at[4 + i] << 8 * i;
    assert_int_equal(size, to - z);
    return (struct in){z, to};
}

static void forget(void) {
    for (size_t i = 0; i < p.strings; i++) free(p.string[i]);
    free(p.bytes);
    memset(&p, 0, sizeof p);
}

static void take(gomap_profile which) {
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    forget();
    T_OK(gomap_profile_write(f, which));
    fclose(f);
    p.bytes = (uint8_t *)text;
    struct in in = unpack(p.bytes, n);
    read_message(in, true);
    read_message(in, false);
    assert_int_equal(p.types, VALUES);
    assert_string_equal(p.string[p.type[INUSE_SPACE]], "inuse_space");
    assert_string_equal(p.string[p.default_type], "inuse_space");
}

static const char *label(const struct sample *s, const char *key) {
    for (size_t i = 0; i < s->labels; i++)
        if (!strcmp(s->label[i], key)) return s->text[i];
    return "";
}

static bool in_function(const struct sample *s, const char *name) {
    for (size_t i = 0; i < s->frames; i++)
        if (!strcmp(p.string[p.name_of[p.function_of[s->frame[i]]]], name)) return true;
    return false;
}

/* Sum of the samples whose label has this text; NULL: of all. */
static int64_t sum(enum value v, const char *key, const char *text) {
    int64_t n = 0;
    for (size_t i = 0; i < p.samples; i++)
        if (!text || !strcmp(label(&p.sample[i], key), text)) n += p.sample[i].value[v];
    return n;
}

/* ---- tests ------------------------------------------------------------------------------------------------- */

static void rate(uint64_t bytes) { T_OK(gomap_ctl(NULL, "policy.profile_bytes", NULL, &bytes)); }

static gomap *named(const char *name) {
    gomap_config c = t_config();
    c.name = name;
    return t_new(&c);
}

__attribute__((noinline)) static void fill_red(gomap *m, uint64_t n) {
    t_fill(m, 0, n);
    __asm__ volatile("# red"); /* no tail call, no merging of the two: they are looked for in stacks */
}
__attribute__((noinline)) static void fill_green(gomap *m, uint64_t n) {
    t_fill(m, 0, n);
    __asm__ volatile("# green");
}

static void test_exact(void **st) {
    (void)st;
    rate(1);
    gomap *red = named("red"), *green = named("green");
    for (uint64_t n = 1; n < 300000; n *= 3) {
        fill_red(red, n);
        fill_green(green, n / 2);
        take(GOMAP_PROFILE_HEAP);
        gomap_stats r = t_stats(red), g = t_stats(green);
        assert_int_equal(sum(INUSE_SPACE, "map", "red"), r.bytes - r.bytes_stash);
        assert_int_equal(sum(INUSE_SPACE, "map", "green"), g.bytes - g.bytes_stash);
        assert_true(llabs(sum(MAP_ENTRIES, "map", "red") - (int64_t)r.entries) <= 64); /* shares are rounded */
        double used = (double)r.bytes_header + 16.0 * (double)r.entries +
                      (double)r.bytes_metadata * (r.entries < r.slots ? (double)r.entries / (double)r.slots : 1);
        double waste = (double)(r.bytes - r.bytes_stash) - used, told = (double)sum(MAP_WASTE, "map", "red");
        assert_true(told - waste <= 64 && waste - told <= 64);
        assert_true(sum(ALLOC_SPACE, NULL, NULL) >= sum(INUSE_SPACE, NULL, NULL));
        assert_true(sum(MAP_RESIDENT, "map", "red") <= sum(INUSE_SPACE, "map", "red") + 64);
    }
    assert_int_equal(p.period, 1);
    gomap_free(red);
    take(GOMAP_PROFILE_HEAP);
    assert_int_equal(sum(INUSE_SPACE, "map", "red"), 0);
    assert_true(sum(INUSE_SPACE, "map", "green") > 0);
    gomap_free(green);
    take(GOMAP_PROFILE_HEAP);
    assert_int_equal(sum(INUSE_SPACE, NULL, NULL), 0);
    assert_int_equal(sum(INUSE_OBJECTS, NULL, NULL), 0);
    rate(0);
}

static void test_stacks(void **st) {
    (void)st;
    rate(1);
    gomap *red = named("red"), *green = named("green");
    fill_red(red, 5000);
    fill_green(green, 5000);
    take(GOMAP_PROFILE_HEAP);
    bool seen = false;
    for (size_t i = 0; i < p.samples; i++) {
        const struct sample *s = &p.sample[i];
        bool is_red = in_function(s, "fill_red"), is_green = in_function(s, "fill_green");
        if (!s->value[INUSE_SPACE]) continue;
        assert_true(s->frames > 2);
        if (is_red) assert_string_equal(label(s, "map"), "red");
        if (is_green) assert_string_equal(label(s, "map"), "green");
        if (is_red || is_green) assert_true(in_function(s, "test_stacks"));
        seen = seen || is_red;
    }
    if (!seen) puts("# no symbol table here");
    assert_true(p.mappings > 0);
    gomap_free(red), gomap_free(green);
    rate(0);
}

static void test_labels(void **st) {
    (void)st;
    rate(1);
    assert_true(gomap_label_push("tenant", "a"));
    assert_true(gomap_label_push("request", "1"));
    gomap *one = named("one");
    t_fill(one, 0, 100);
    assert_true(gomap_label_push("tenant", "b")); /* the inner one counts */
    gomap *two = named("two");
    t_fill(two, 0, 100);
    gomap_label_pop();
    gomap_label_pop();
    gomap *three = named("three");
    gomap_label_pop();
    gomap_label_pop(); /* one too many: harmless */
    take(GOMAP_PROFILE_HEAP);
    int64_t all = sum(INUSE_SPACE, NULL, NULL);
    assert_int_equal(sum(INUSE_SPACE, "tenant", "a"), t_stats(one).bytes + t_stats(three).bytes);
    assert_int_equal(sum(INUSE_SPACE, "tenant", "b"), t_stats(two).bytes);
    assert_int_equal(sum(INUSE_SPACE, "request", "1"), t_stats(one).bytes + t_stats(two).bytes);
    assert_int_equal(all, t_stats(one).bytes + t_stats(two).bytes + t_stats(three).bytes);
    gomap_free(one), gomap_free(two), gomap_free(three);
    for (int i = 0; i < GOMAP_LABELS; i++) assert_true(gomap_label_push("deep", "x"));
    assert_false(gomap_label_push("deeper", "y"));
    for (int i = 0; i <= GOMAP_LABELS; i++) gomap_label_pop();
    rate(0);
}

static void test_peak(void **st) {
    (void)st;
    rate(1);
    gomap *m = named("wave");
    gomap_profile_reset();
    uint64_t most = 0;
    for (uint64_t n = 1000; n <= 64000; n *= 2) {
        t_fill(m, 0, n);
        for (bool more = true; more;) more = gomap_work(m, 1000000000);
    }
    take(GOMAP_PROFILE_HEAP);
    most = (uint64_t)sum(INUSE_SPACE, NULL, NULL);
    gomap_clear(m, GOMAP_RELEASE);
    t_fill(m, 0, 10);
    take(GOMAP_PROFILE_PEAK);
    assert_true((uint64_t)sum(INUSE_SPACE, NULL, NULL) >= most);
    assert_int_equal(sum(ALLOC_SPACE, NULL, NULL), 0);
    gomap_profile_reset();
    take(GOMAP_PROFILE_PEAK);
    assert_int_equal(sum(INUSE_SPACE, NULL, NULL), t_stats(m).bytes);
    take(GOMAP_PROFILE_HEAP);
    assert_int_equal(sum(ALLOC_SPACE, NULL, NULL), t_stats(m).bytes);
    gomap_free(m);
    rate(0);
}

/* Estimates from one byte in 8 KiB: the sum of n maps of b bytes has a deviation of about sqrt(n b 8192) bytes. */
static void test_sampled(void **st) {
    (void)st;
    enum { MAPS = 3000 };
    static gomap *m[MAPS];
    rate(8192);
    gomap_profile_reset();
    double bytes = 0;
    for (int i = 0; i < MAPS; i++) {
        m[i] = named("many");
        t_fill(m[i], 0, 1 + t_below(200));
        bytes += (double)t_stats(m[i]).bytes;
    }
    take(GOMAP_PROFILE_HEAP);
    double seen = (double)sum(INUSE_SPACE, NULL, NULL), off = seen - bytes;
    double square = bytes * 8192 * 2; /* growths of up to 8 KiB are few, and weigh more */
    printf("# %.0f bytes, estimated %.0f from %zu samples\n", bytes, seen, p.samples);
    assert_true(off * off <= 36 * square);
    for (int i = 0; i < MAPS; i++) gomap_free(m[i]);
    take(GOMAP_PROFILE_HEAP);
    assert_int_equal(sum(INUSE_SPACE, NULL, NULL), 0);
    rate(0);
}

static void test_off(void **st) {
    (void)st;
    rate(0);
    gomap_profile_reset();
    gomap *m = named("quiet");
    t_fill(m, 0, 10000);
    take(GOMAP_PROFILE_HEAP);
    assert_int_equal(sum(INUSE_SPACE, NULL, NULL), 0);
    gomap_free(m);
    assert_int_equal(gomap_profile_write(NULL, GOMAP_PROFILE_HEAP), GOMAP_EINVAL);
    assert_int_equal(gomap_profile_write(stdout, (gomap_profile)7), GOMAP_EINVAL);
}

static void test_string_maps(void **st) {
    (void)st;
    rate(1);
    gomap_config c = {.size = sizeof c, .keys = GOMAP_KEYS_STRING, .value_size = 200, .name = "text"};
    gomap *m = t_new(&c);
    char key[32], value[200] = "";
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5000; i++) {
            gomap_str k = {key, (size_t)snprintf(key, sizeof key, "key %d", i)};
            T_OK(gomap_put(m, &k, value));
        }
        take(GOMAP_PROFILE_HEAP);
        assert_int_equal(sum(INUSE_SPACE, NULL, NULL), t_stats(m).bytes - t_stats(m).bytes_stash);
        for (int i = round; i < 5000; i += 2) {
            gomap_str k = {key, (size_t)snprintf(key, sizeof key, "key %d", i)};
            (void)gomap_delete(m, &k);
        }
        take(GOMAP_PROFILE_HEAP);
        assert_true((uint64_t)sum(INUSE_SPACE, NULL, NULL) <= t_stats(m).bytes);
    }
    gomap_free(m);
    take(GOMAP_PROFILE_HEAP);
    assert_int_equal(sum(INUSE_SPACE, NULL, NULL), 0);
    rate(0);
}

static void test_classic(void **st) {
    (void)st;
    rate(1);
    gomap_classic_config c = {.size = sizeof c, .key_size = 8, .elem_size = 8, .name = "old"};
    gomap_classic *m;
    T_OK(gomap_classic_new(&c, &m));
    for (uint64_t i = 0; i < 30000; i++) {
        T_OK(gomap_classic_put(m, &i, &i));
        if (i % 997) continue;
        gomap_classic_stats s = {.size = sizeof s};
        T_OK(gomap_classic_get_stats(m, &s));
        take(GOMAP_PROFILE_HEAP);
        /* overflow buckets join the count when buckets next change */
        assert_true((uint64_t)sum(INUSE_SPACE, "map", "old") <= s.bytes);
        assert_true((uint64_t)sum(INUSE_SPACE, "map", "old") >= s.bytes - s.bytes / 10);
    }
    gomap_classic_free(m);
    take(GOMAP_PROFILE_HEAP);
    assert_int_equal(sum(INUSE_SPACE, NULL, NULL), 0);
    rate(0);
}

/* Profiles are written while other threads make, fill, name and free maps. */
static void *churn(void *stop) {
    for (uint64_t n = 1; !__atomic_load_n((int *)stop, __ATOMIC_RELAXED); n++) {
        gomap *m = named("first");
        t_fill(m, 0, t_mix(n) % 2000);
        T_OK(gomap_set_name(m, n % 2 ? "second" : NULL));
        for (uint64_t i = 0; i < 1000; i++) (void)gomap_delete(m, &i);
        gomap_free(m);
    }
    return NULL;
}

static void test_threads(void **st) {
    (void)st;
    pthread_t thread[2];
    int stop = 0;
    rate(512);
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&thread[i], NULL, churn, &stop), 0);
    for (int i = 0; i < 30; i++) {
        take(i % 3 ? GOMAP_PROFILE_HEAP : GOMAP_PROFILE_PEAK);
        if (i % 10 == 9) gomap_profile_reset();
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
    take(GOMAP_PROFILE_HEAP);
    assert_int_equal(sum(INUSE_SPACE, NULL, NULL), 0);
    rate(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),   cmocka_unit_test(test_stacks),      cmocka_unit_test(test_labels), cmocka_unit_test(test_peak),
        cmocka_unit_test(test_sampled), cmocka_unit_test(test_string_maps), cmocka_unit_test(test_off),
        cmocka_unit_test(test_classic), cmocka_unit_test(test_threads),
    };
    int failed = cmocka_run_group_tests_name("profile", tests, NULL, NULL);
    forget();
    return failed;
}
