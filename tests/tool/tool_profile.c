/* tool_profile.c - profiles without a process: what is put together is what is read back, also of a hundred thousand samples, and
 * shares of a figure come to the figure.  Tables of samples in memory that lies are read to an end.
 */
#include "profread.h"
#include "toolkit.h"

#include "elf/cframes.h"
#include "gomap/inspect.h"
#include "model/samples.h"
#include "out/out.h"

#include <dlfcn.h>
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { SAMPLES = 100000, FUNCTIONS = 5000, DEPTH = 10 };

static char *written(const struct ms_profile *p, size_t *n) {
    struct ms_error err;
    char *gz = NULL;
    FILE *f = open_memstream(&gz, n);
    assert_non_null(f);
    assert_int_equal(ms_prof_proto(f, p, &err), MS_OK);
    assert_int_equal(fclose(f), 0);
    return gz;
}

static uint32_t function_place(struct ms_profile *p, uint64_t i) {
    char name[32];
    bool is_new;
    uint32_t place = ms_profile_place(p, 0x400000 + 16 * i, &is_new);
    snprintf(name, sizeof name, "function%u", (unsigned)(i % FUNCTIONS));
    if (is_new) ms_profile_line(p, place, name, "file.c", (unsigned)i + 1);
    return place;
}

/* Every sample at addresses of its own in part: as many places as samples, and some. */
static void make(struct ms_profile *p, size_t samples) {
    ms_profile_init(p);
    for (size_t i = 0; i < samples; i++) {
        uint32_t place[DEPTH];
        for (size_t k = 0; k < DEPTH; k++)
            place[k] = function_place(p, k ? (i * 31 + k) % FUNCTIONS : FUNCTIONS + i);
        struct ms_prof_sample *s = ms_profile_sample(p, place, DEPTH);
        for (int v = 0; v < MS_PROF_VALUES; v++) s->value[v] = (int64_t)(i + (size_t)v);
        ms_profile_label(p, "map", i % 2 ? "odd" : "even");
        ms_profile_number(p, "bytes", (int64_t)i, "bytes");
    }
}

static void test_round_trip(void **state) {
    (void)state;
    static const size_t counts[] = {0, 1, SAMPLES};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct ms_profile p;
        struct profread r;
        size_t n, samples = counts[i];
        make(&p, samples);
        char *gz = written(&p, &n);
        profread(gz, n, &r);
        assert_int_equal(r.samples, samples);
        assert_int_equal(r.labels, 2 * samples);
        assert_int_equal(r.locations, p.places);
        for (int v = 0; v < MS_PROF_VALUES; v++) {
            assert_int_equal(r.total[v], ms_profile_total(&p, (enum ms_prof_value)v));
            assert_int_equal(r.total[v], samples * (samples ? samples - 1 : 0) / 2 + samples * (size_t)v);
        }
        profread_free(&r);
        free(gz);
        ms_profile_free(&p);
    }
}

static void test_rows(void **state) {
    (void)state;
    struct ms_profile p;
    struct ms_prof_row *row;
    make(&p, 1000);
    assert_int_equal(ms_profile_rows(&p, "map", MS_PROF_ALLOC_OBJECTS, &row), 2);
    assert_string_equal(ms_profile_string(&p, row[0].text), "odd");
    assert_int_equal(row[0].value[0], 250000);
    assert_int_equal(row[1].value[0], 249500);
    free(row);
    assert_int_equal(ms_profile_rows(&p, "stack", MS_PROF_ALLOC_OBJECTS, &row), 1000);
    assert_int_equal(row[0].value[0], 999);
    free(row);
    assert_int_equal(ms_profile_rows(&p, "nobody", MS_PROF_ALLOC_OBJECTS, &row), 1);
    free(row);
    ms_profile_free(&p);
}

/* Whatever the shares, together they are all there is. */
static void test_shares(void **state) {
    (void)state;
    const struct ms_map m = {.entries = 1000003, .waste = 999, .resident = MS_UNKNOWN};
    for (unsigned parts = 1; parts < 50; parts++) {
        int64_t entries = 0, waste = 0;
        double given = 0;
        for (unsigned i = 0; i < parts; i++) {
            int64_t value[MS_PROF_VALUES] = {0};
            ms_profile_values_of(&m, given, 1.0 / parts, value);
            given += 1.0 / parts;
            entries += value[MS_PROF_ENTRIES], waste += value[MS_PROF_WASTE];
            assert_int_equal(value[MS_PROF_RESIDENT], 0);
        }
        assert_int_equal(entries, 1000003);
        assert_int_equal(waste, 999);
    }
}

/* Texts of a target: long, empty, no UTF-8. */
static void test_texts(void **state) {
    (void)state;
    struct ms_profile p;
    struct profread r;
    size_t n, len = 1 << 20;
    char *giant = malloc(len + 1);
    assert_non_null(giant);
    memset(giant, 'x', len), giant[len] = 0;
    ms_profile_init(&p);
    uint32_t place[3] = {ms_profile_name(&p, giant), ms_profile_name(&p, "\xff\x1b[0m\n"),
                         ms_profile_name(&p, "")};
    assert_int_equal(ms_profile_name(&p, "\xff\x1b[0m\n"), place[1]);
    ms_profile_sample(&p, place, 3);
    ms_profile_label(&p, "\x07", giant);
    ms_profile_label(&p, "none", "");
    char *gz = written(&p, &n);
    profread(gz, n, &r);
    assert_int_equal(r.labels, 1);
    assert_true(r.text_bytes < 3 * 4096); /* bounded, whatever the target says */
    profread_free(&r);
    free(gz);
    free(giant);
    ms_profile_free(&p);
}

/* ---- tables of samples, in a memory of our own ----------------------------------------------------------- */

enum { BUCKETS = 6, MAPS = 4, PIECES = 12, LISTS = 2, LIES = 20000 };
struct stack_of_3 {
    struct gomap_sampled_stack head;
    uint64_t pc[3];
};
static struct memory {
    struct gomap_root root;
    struct gomap_more more;
    struct gomap_samples samples;
    uint64_t rate;
    struct stack_of_3 stack;
    struct {
        struct gomap_sampled_labels head;
        char text[20];
    } labels;
    struct gomap_sampled_bucket bucket[BUCKETS];
    struct gomap_sampled_map map[MAPS], *list[LISTS];
    struct gomap_sampled_piece piece[PIECES];
} truth, lying;

/* A target that never holds still is looked at again after a pause; nothing changes by itself here. */
int nanosleep(const struct timespec *a, struct timespec *b) {
    (void)a, (void)b;
    return 0;
}

static enum ms_read read_memory(void *ctx, uint64_t addr, void *buf, size_t len) {
    (void)ctx;
    uint64_t start = (uintptr_t)&lying;
    if (addr < start || len > sizeof lying || addr - start > sizeof lying - len) return MS_READ_FAULT;
    memcpy(buf, (const char *)&lying + (addr - start), len);
    return MS_READ_OK;
}

static void build(void) {
    struct memory *m = &lying;
    const struct gomap_sampled_labels labels = {.bytes = 12};
    m->root.more = (int32_t)offsetof(struct memory, more);
    m->more.size = sizeof m->more;
    m->more.samples = &m->samples;
    m->rate = 4096;
    m->samples = (struct gomap_samples){.size = sizeof m->samples,
                                        .rate = &m->rate,
                                        .buckets = m->bucket,
                                        .maps = m->list,
                                        .map_mask = LISTS - 1,
                                        .nbuckets = BUCKETS,
                                        .npieces = PIECES,
                                        .nmaps = MAPS};
    m->stack.head.frames = 3;
    for (uint64_t i = 0; i < 3; i++)
        memcpy((char *)&m->stack + offsetof(struct gomap_sampled_stack, pc) + 8 * i,
               &(uint64_t){0x1000 * (i + 1)}, 8);
    memcpy(&m->labels, &labels, offsetof(struct gomap_sampled_labels, text));
    memcpy((char *)&m->labels + offsetof(struct gomap_sampled_labels, text), "tenant\0blue", 12);
    for (int i = 0; i < BUCKETS; i++)
        m->bucket[i] = (struct gomap_sampled_bucket){.all = i + 1 < BUCKETS ? &m->bucket[i + 1] : NULL,
                                                     .stack = &m->stack.head,
                                                     .labels = i % 2 ? &m->labels.head : NULL,
                                                     .taken = {i + 1, 100}};
    for (int i = 0; i < PIECES; i++)
        m->piece[i] = (struct gomap_sampled_piece){.below = i % 3 == 2 ? NULL : &m->piece[i + 1],
                                                   .bucket = &m->bucket[i % BUCKETS],
                                                   .map = &m->map[i / 3],
                                                   .from = 10,
                                                   .to = 30,
                                                   .weight = 2};
    for (int i = 0; i < MAPS; i++)
        m->map[i] = (struct gomap_sampled_map){.next = i + LISTS < MAPS ? &m->map[i + LISTS] : NULL,
                                               .id = 1 + (uint64_t)i,
                                               .top = &m->piece[3 * i]};
    for (int i = 0; i < LISTS; i++) m->list[i] = &m->map[i];
    truth = lying;
}

static void load(struct ms_samples *out) {
    struct ms_reader r = {.read = read_memory};
    struct ms_copy copy = {.root = (uintptr_t)&lying, .readable = true};
    struct ms_snapshot s = {.copy = &copy, .copies = 1};
    struct ms_error err;
    assert_int_equal(ms_samples_load(&r, &s, out, &err), MS_OK);
}

static void test_samples_read(void **state) {
    (void)state;
    struct ms_samples in;
    build();
    load(&in);
    assert_int_equal(in.buckets, BUCKETS);
    assert_int_equal(in.pieces, PIECES);
    assert_int_equal(in.rate, 4096);
    assert_false(in.changing || in.damaged);
    const struct ms_sample_bucket *b = &in.bucket[in.piece[1].bucket];
    assert_int_equal(b->frames, 3);
    assert_int_equal(in.pc[b->pc + 2], 0x3000);
    assert_string_equal(in.text + b->label, "tenant");
    assert_int_equal(in.piece[1].bytes, 20);
    ms_samples_free(&in);
    lying.samples.seq = 1; /* as if caught in a change, for ever */
    load(&in);
    assert_true(in.changing);
    ms_samples_free(&in);
    lying.samples.seq = 0;
    lying.piece[2].below = &lying.piece[0]; /* a ring */
    load(&in);
    assert_true(in.damaged);
    ms_samples_free(&in);
}

/* One to three words at random are something else: addresses within, small numbers, anything. */
static void test_samples_lie(void **state) {
    (void)state;
    uint64_t x = 88172645463325252u, damaged = 0;
    build();
    for (int i = 0; i < LIES; i++) {
        struct ms_samples in;
        lying = truth;
        for (int k = 0; k <= i % 3; k++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            size_t at = offsetof(struct memory, more.samples) / 8 +
                        x % ((sizeof lying - offsetof(struct memory, more.samples)) / 8);
            uint64_t kinds[4] = {(uintptr_t)&lying + (x >> 20) % sizeof lying / 8 * 8, x >> 8 & 255, x, 0};
            memcpy((char *)&lying + 8 * at, &kinds[x >> 4 & 3], 8);
        }
        load(&in);
        assert_true(in.buckets <= 256 && in.pieces <= 1 << 21);
        damaged += in.damaged;
        ms_samples_free(&in);
    }
    print_message("# %u lies, %u of them seen to be damage\n", (unsigned)LIES, (unsigned)damaged);
    assert_true(damaged > LIES / 20);
}

/* ---- functions and lines: of this very program ------------------------------------------------------------- */

struct taken {
    char *at;
    size_t n;
};

static bool keep_bytes(void *ctx, const void *data, size_t len) {
    struct taken *t = ctx;
    t->at = realloc(t->at, t->n + len);
    if (t->at) memcpy(t->at + t->n, data, len);
    t->n += len;
    return t->at != NULL;
}

struct frames {
    char function[2][64];
    unsigned n, line;
};

static void keep_frame(void *ctx, size_t address, const char *function, const char *file, unsigned line) {
    struct frames *f = ctx;
    assert_true(address < 2);
    assert_non_null(file);
    if (f->n < 2) snprintf(f->function[f->n], sizeof f->function[0], "%s", function);
    if (line) f->line = line;
    f->n++;
}

__attribute__((noinline)) static void *a_known_function(void) {
    __asm__ volatile("# an address of its own");
    return __builtin_return_address(0);
}

/* A table that says what is true, and then lies: nothing but lies comes of it. */
static void test_frames(void **state) {
    (void)state;
    Dl_info at;
    assert_int_not_equal(dladdr((void *)(uintptr_t)a_known_function, &at), 0);
    const Elf64_Ehdr *head = at.dli_fbase;
    uint64_t bias = head->e_type == ET_DYN ? (uintptr_t)head : 0;
    const uint64_t addr[2] = {(uintptr_t)a_known_function + 1 - bias, 1};
    size_t n;
    char *file = tk_slurp("/proc/self/exe", &n);
    struct taken table = {NULL, 0};
    assert_true(ms_cframes(&(struct ms_caddresses){addr, 2}, (uint8_t *)file, n,
                           (struct ms_sink){keep_bytes, &table}));
    struct frames f = {.n = 0};
    bool lines;
    assert_true(ms_cframes_take(table.at, table.n, 2, keep_frame, &f, &lines));
    assert_int_equal(f.n, 1); /* nothing is known of address 1 */
    assert_string_equal(f.function[0], "a_known_function");
    assert_true(lines && f.line > 100);
    assert_false(ms_cframes_take(table.at, table.n, 3, keep_frame, &f, &lines));
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < LIES; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        size_t byte = x % table.n;
        char was = table.at[byte];
        table.at[byte] = (char)(x >> 32);
        (void)ms_cframes_take(table.at, table.n, 2, keep_frame, &f, &lines);
        table.at[byte] = was;
    }
    free(table.at);
    free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_read), cmocka_unit_test(test_samples_lie),
        cmocka_unit_test(test_frames),       cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_rows),         cmocka_unit_test(test_shares),
        cmocka_unit_test(test_texts)};
    return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
