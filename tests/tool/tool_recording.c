/* tool_recording.c - recordings by the parts that write and read them, on made-up maps: what comes back at each moment
 * is what was put in, whatever came between; rings keep their bounds; a scribe that is killed leaves whole moments; bytes and
 * cells that lie are refused.
 */
#include "../support.h"

#include "record/schema.h"
#include "view/view.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAPS = 120, TYPES = 3, FIGURES = MS_REC_FIGURE_COUNT, SECOND = 1000000000 };

static char dir[64], file[96];

static void drop_file(void) {
    char other[128];
    unlink(file);
    snprintf(other, sizeof other, "%s-wal", file), unlink(other);
    snprintf(other, sizeof other, "%s-shm", file), unlink(other);
}

/* ---- a process that does not exist ----------------------------------------------------------------- */

/* What one map is at one moment. */
struct truth {
    bool there;
    struct ms_map map;
    char name[16], place[16];
    int type;
};
struct world {
    struct truth map[MAPS];
    uint64_t generation;
};

static struct ms_type types[TYPES];

static void name_types(void) {
    static char *const names[TYPES] = {(char *)"map[string]int", (char *)"uint64_t->struct \xff\x01wide",
                                       (char *)"a->b"};
    for (int i = 0; i < TYPES; i++)
        types[i] = (struct ms_type){.name = names[i],
                                    .key = (char *)"key",
                                    .site = i ? (char *)"src/site.c:1" : NULL,
                                    .key_size = (uint32_t)i,
                                    .slot_size = 8,
                                    .slot_align = 8,
                                    .addr = UINT64_MAX - 5,
                                    .go = {.group_size = 72, .pointers = i == 1}};
}

/* Any figures whose parts sum to the bytes. */
static void draw_figures(struct ms_map *m) {
    uint64_t f[FIGURES];
    ms_rec_get(ms_rec_figure, FIGURES, m, f);
    for (size_t i = 0; i < FIGURES; i++)
        f[i] = t_below(4) == 0               ? 0
               : ms_rec_figure[i].width == 8 ? t_below(UINT64_C(1) << t_below(40))
                                             : t_below(2);
    assert_true(ms_rec_set(ms_rec_figure, FIGURES, f, m));
    m->certainty = MS_EXACT;
    m->resident = t_below(2) ? MS_UNKNOWN : 4096;
    m->bytes = ms_map_sum(m);
    m->load = m->slots ? (double)m->entries / (double)m->slots : 0;
}

static void birth(struct world *w, int i) {
    struct truth *t = &w->map[i];
    *t = (struct truth){.there = true, .type = (int)t_below(TYPES)};
    t->map = (struct ms_map){.id = ++w->generation << 32 | (uint64_t)(i + 1),
                             .addr = 0x7f0000000000u + (uint64_t)i * 64,
                             .kind = (uint8_t)t_below(MS_KIND_GO_SYNC + 1),
                             .created_ns = t_rand()};
    snprintf(t->name, sizeof t->name, t_below(2) ? "" : "name%d\n\xfe", (int)t_below(5));
    snprintf(t->place, sizeof t->place, t_below(2) ? "" : "main.p%d", (int)t_below(3));
    draw_figures(&t->map);
}

/* One moment on: most maps stay as they are. */
static void live_on(struct world *w, uint64_t change) {
    for (int i = 0; i < MAPS; i++) {
        struct truth *t = &w->map[i];
        if (t_below(change) != 0) continue;
        switch (t_below(6)) {
        case 0: t->there = false; break; /* freed, or missed: it may come back as it was */
        case 1: birth(w, i); break;
        case 2: t->there = t->map.id != 0; break;
        case 3: snprintf(t->name, sizeof t->name, "renamed%d", (int)t_below(9)); break;
        default: draw_figures(&t->map);
        }
    }
}

static struct ms_map as_map(const struct truth *t) {
    struct ms_map m = t->map;
    m.type = &types[t->type];
    m.site = m.type->site;
    m.name = *t->name ? (char *)(uintptr_t)t->name : NULL;
    m.holder = *t->name ? NULL : (char *)"main.holder[7]";
    m.place = *t->place ? (char *)(uintptr_t)t->place : NULL;
    return m;
}

/* The maps in an order of their own, as a walk may give them. */
static void look_at(const struct world *w, struct ms_snapshot *s) {
    int from = t_below(8) == 0 ? (int)t_below(MAPS) : 0;
    ms_snapshot_init(s);
    s->target =
        (struct ms_target){.pid = 42, .uid = 7, .comm = (char *)"made up", .exe = (char *)"/x", .age_ns = 5};
    for (int i = 0; i < MAPS; i++) {
        const struct truth *t = &w->map[(i + from) % MAPS];
        if (t->there) *ms_snapshot_add(s) = as_map(t);
    }
}

static void forget(struct ms_snapshot *s) {
    free(s->map);
    ms_snapshot_init(s);
}

/* ---- writing and comparing -------------------------------------------------------------------------- */

struct history {
    struct world *at; /* of each moment */
    size_t moments;
    struct ms_scribe scribe;
    struct ms_feed *feed;
    struct ms_rec_reply reply;
};

static void begin(struct history *h, size_t moments, const struct ms_rec_bounds *b) {
    struct ms_error err;
    drop_file();
    name_types();
    *h = (struct history){.at = calloc(moments, sizeof *h->at)};
    assert_non_null(h->at);
    if (ms_scribe_start(&h->scribe, file, b, &err)) fail_msg("%s", err.line);
    h->feed = ms_feed_create(&h->scribe);
}

static int put(struct history *h, const struct world *w, uint64_t wall_ns, struct ms_error *err) {
    struct ms_snapshot s;
    h->at[h->moments++] = *w;
    look_at(w, &s);
    ms_feed_begin(h->feed, &s, wall_ns);
    int status = ms_feed_end(h->feed, &h->reply, err);
    forget(&s);
    return status;
}

static void end(struct history *h) {
    struct ms_error err = {""};
    struct ms_rec_reply last;
    if (ms_scribe_end(&h->scribe, &last, &err)) fail_msg("%s", err.line);
    ms_feed_free(h->feed);
    h->feed = NULL;
}

static void expect_text(const char *what, const char *got, const char *want) {
    if (got == want || (got && want && strcmp(got, want) == 0)) return;
    fail_msg("%s is '%s', not '%s'", what, got ? got : "none", want ? want : "none");
}

static void expect_fields(const struct ms_rec_field *f, size_t n, const void *got, const void *want) {
    uint64_t a[FIGURES], b[FIGURES];
    ms_rec_get(f, n, got, a);
    ms_rec_get(f, n, want, b);
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            fail_msg("%s is %llu, not %llu", f[i].name, (unsigned long long)a[i], (unsigned long long)b[i]);
}

static void expect_map(const struct ms_map *got, const struct truth *t) {
    struct ms_map want = as_map(t);
    expect_fields(ms_rec_identity, MS_REC_IDENTITY_COUNT, got, &want);
    expect_fields(ms_rec_figure, FIGURES, got, &want);
    expect_text("name", got->name, want.name);
    expect_text("holder", got->holder, want.holder);
    expect_text("place", got->place, want.place);
    expect_text("site", got->site, want.site);
    expect_text("type", got->type->name, want.type->name);
    expect_fields(ms_rec_type, MS_REC_TYPE_COUNT, got->type, want.type);
    assert_true(got->load == want.load);
}

static void expect_world(const struct ms_snapshot *s, const struct world *w) {
    size_t there = 0, met = 0;
    for (int i = 0; i < MAPS; i++) there += w->map[i].there;
    assert_int_equal(s->maps, there);
    for (size_t i = 0; i < s->maps; i++)
        for (int k = 0; k < MAPS; k++)
            if (w->map[k].there && w->map[k].map.id == s->map[i].id) {
                expect_map(&s->map[i], &w->map[k]);
                met++;
            }
    assert_int_equal(met, there);
}

/* Every moment of the file is as it was; returns how many there are. */
static size_t expect_history(const struct history *h) {
    struct ms_rec r;
    struct ms_error err = {""};
    int status = ms_rec_open(&r, file, &err);
    if (status) fail_msg("%s", err.line);
    assert_int_equal(r.target.pid, 42);
    assert_string_equal(r.target.comm, "made up");
    for (size_t i = 0; i < r.moments; i++) {
        struct ms_snapshot s;
        uint64_t number = r.moment[i].number;
        assert_true(number >= 1 && number <= h->moments);
        if (i) assert_int_equal(number, r.moment[i - 1].number + 1);
        if (ms_rec_load(&r, number, &s, &err))
            fail_msg("moment %llu: %s", (unsigned long long)number, err.line);
        expect_world(&s, &h->at[number - 1]);
        assert_int_equal(r.moment[i].maps, s.maps);
        assert_int_equal(s.target.moment, i + 1);
        ms_snapshot_free(&s);
    }
    size_t n = r.moments;
    ms_rec_close(&r);
    return n;
}

/* ---- tests ------------------------------------------------------------------------------------- */

static const struct ms_rec_bounds unbounded;

static void test_every_moment_comes_back(void **state) {
    (void)state;
    enum { MOMENTS = 150 };
    struct history h;
    struct world w = {.generation = 0};
    struct ms_error err;
    begin(&h, MOMENTS, &unbounded);
    for (int i = 0; i < MOMENTS; i++) {
        live_on(&w, i % 20 == 0 ? 2 : 30);
        assert_int_equal(put(&h, &w, (uint64_t)(i + 1) * SECOND, &err), MS_OK);
    }
    end(&h);
    assert_int_equal(expect_history(&h), MOMENTS);
    struct stat st;
    char other[128];
    snprintf(other, sizeof other, "%s-wal", file);
    assert_int_equal(stat(other, &st), -1); /* it is one file now */
    free(h.at);
}

static void test_a_ring_of_bytes_keeps_its_bound(void **state) {
    (void)state;
    enum { MOMENTS = 150 };
    const struct ms_rec_bounds b = {.most_bytes = MS_REC_BYTES_LEAST};
    struct history h;
    struct world w = {.generation = 0};
    struct ms_error err;
    uint64_t most = 0;
    begin(&h, MOMENTS, &b);
    for (int i = 0; i < MOMENTS; i++) {
        live_on(&w, 1);
        assert_int_equal(put(&h, &w, (uint64_t)(i + 1) * SECOND, &err), MS_OK);
        if (h.reply.file_bytes > most) most = h.reply.file_bytes;
    }
    end(&h);
    size_t kept = expect_history(&h);
    print_message("# at most %llu of %llu bytes, %zu of %d moments\n", (unsigned long long)most,
                  (unsigned long long)b.most_bytes, kept, MOMENTS);
    assert_true(most <= b.most_bytes);
    assert_true(kept < MOMENTS && kept >= 4);
    free(h.at);
}

static void test_a_ring_of_time_keeps_its_bound(void **state) {
    (void)state;
    enum { MOMENTS = 120, KEEP = 20 };
    const struct ms_rec_bounds b = {.keep_ns = (uint64_t)KEEP * SECOND};
    struct history h;
    struct world w = {.generation = 0};
    struct ms_error err;
    begin(&h, MOMENTS, &b);
    for (int i = 0; i < MOMENTS; i++) {
        live_on(&w, 10);
        assert_int_equal(put(&h, &w, (uint64_t)(i + 1) * SECOND, &err), MS_OK);
        if (i > 2 * KEEP) assert_in_range(h.reply.moments, KEEP, KEEP + KEEP / 4 + 2);
    }
    end(&h);
    assert_in_range(expect_history(&h), KEEP, KEEP + KEEP / 4 + 2);
    free(h.at);
}

static void test_a_moment_too_large_for_the_ring_is_refused(void **state) {
    (void)state;
    const struct ms_rec_bounds b = {.most_bytes = MS_REC_BYTES_LEAST};
    struct history h;
    struct ms_snapshot s;
    struct ms_error err;
    struct truth t = {.there = true};
    begin(&h, 1, &b);
    ms_snapshot_init(&s);
    s.target.comm = (char *)"large";
    for (uint64_t i = 0; i < 3000; i++) {
        t.map = (struct ms_map){.id = i + 1, .addr = i + 1};
        draw_figures(&t.map);
        *ms_snapshot_add(&s) = as_map(&t);
    }
    ms_feed_begin(h.feed, &s, SECOND);
    assert_int_equal(ms_feed_end(h.feed, &h.reply, &err), MS_USAGE);
    assert_non_null(strstr(err.line, "--max-bytes"));
    forget(&s);
    ms_scribe_end(&h.scribe, &h.reply, &err);
    ms_feed_free(h.feed);
    assert_int_equal(access(file, F_OK), -1); /* a recording without a moment is none */
    free(h.at);
}

/* Killed while rows are on their way, or while it commits: what is there is whole, and nothing that was confirmed is lost. */
static void test_a_killed_scribe_leaves_whole_moments(void **state) {
    (void)state;
    enum { MOMENTS = 30 };
    size_t rounds = t_scale(t_sanitized() ? 4 : 8, 200), partial = 0;
    for (size_t round = 0; round < rounds; round++) {
        struct history h;
        struct world w = {.generation = 0};
        struct ms_error err;
        struct ms_rec_reply last;
        size_t kept = 0;
        begin(&h, MOMENTS, &unbounded);
        pid_t killer = fork();
        if (killer == 0) {
            usleep((useconds_t)(t_mix(round + t_seed()) % 20000));
            kill(h.scribe.pid, SIGKILL);
            _exit(0);
        }
        for (int i = 0; i < MOMENTS; i++) {
            live_on(&w, 2);
            if (put(&h, &w, (uint64_t)(i + 1) * SECOND, &err)) break;
            kept++;
        }
        assert_int_equal(waitpid(killer, NULL, 0), killer);
        ms_scribe_end(&h.scribe, &last, &err);
        ms_feed_free(h.feed);
        if (kept) {
            size_t have = expect_history(&h);
            assert_in_range(have, kept, kept + 1);
            partial += kept < MOMENTS;
        }
        free(h.at);
    }
    print_message("# %zu of %zu recordings were cut short\n", partial, rounds);
}

/* A disk without room: the moment that does not fit is refused, those before stay. */
static void test_what_fits_a_full_disk_stays(void **state) {
    (void)state;
    enum { MOMENTS = 60 };
    struct history h;
    struct world w = {.generation = 0};
    struct ms_error err = {""};
    struct rlimit usual, small;
    int status = MS_OK;
    getrlimit(RLIMIT_FSIZE, &usual);
    small = usual;
    small.rlim_cur = 300 * 1024;
    setrlimit(RLIMIT_FSIZE, &small); /* the scribe inherits it */
    begin(&h, MOMENTS, &unbounded);
    setrlimit(RLIMIT_FSIZE, &usual);
    while (status == MS_OK && h.moments < MOMENTS) {
        live_on(&w, 1);
        status = put(&h, &w, (uint64_t)(h.moments + 1) * SECOND, &err);
    }
    assert_int_equal(status, MS_INTERNAL);
    assert_non_null(strstr(err.line, "cannot be written"));
    struct ms_rec_reply last;
    ms_scribe_end(&h.scribe, &last, &err);
    ms_feed_free(h.feed);
    assert_true(h.moments > 2);
    assert_int_equal(expect_history(&h), h.moments - 1);
    free(h.at);
}

/* ---- hostile files ------------------------------------------------------------------------------- */

static uint8_t *slurp(size_t *len) {
    struct stat st;
    int fd = open(file, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    uint8_t *bytes = malloc((size_t)st.st_size + 1);
    assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
    close(fd);
    *len = (size_t)st.st_size;
    return bytes;
}

static struct ms_detail made_up_detail(const struct ms_map *m) {
    struct ms_detail d = {.map = *m, .quads = 3, .histograms_complete = true, .counters = 2, .events = 1};
    d.counter[0] = (struct ms_counter){"grows", 7};
    d.counter[1] = (struct ms_counter){"erases", MS_UNKNOWN};
    d.occupancy[15] = 9;
    d.chain[0] = 4;
    d.event = calloc(1, sizeof *d.event);
    d.event[0] = (struct ms_event){.ticket = 1, .time_ns = 2, .kind = 3, .a = 4, .b = 5};
    return d;
}

/* A small recording with everything in it. */
static void record_small(struct history *h) {
    struct world w = {.generation = 0};
    struct ms_error err;
    struct ms_snapshot s;
    uint64_t live[3] = {1, 2, 3};
    uint8_t area[3] = {0};
    struct ms_cells cells = {
        .groups = 3, .per_cell = 1, .count = 3, .live = live, .area = area, .group_slots = 15};
    begin(h, 6, &unbounded);
    for (int i = 0; i < 5; i++) birth(&w, i);
    for (int i = 0; i < 6; i++) {
        if (i) live_on(&w, 20);
        w.map[0].there = true;
        h->at[h->moments++] = w;
        look_at(&w, &s);
        s.uncertain = i == 3;
        if (i == 3) ms_snapshot_note(&s, "a note\nof two lines");
        MS_ROOM(s.copy, s.copies, s.copy_room);
        s.copy[s.copies++] =
            (struct ms_copy){.root = 1, .image = (char *)"/lib", .version = (char *)"v", .readable = true};
        ms_feed_begin(h->feed, &s, (uint64_t)(i + 1) * SECOND);
        for (size_t k = 0; k < s.maps; k++) {
            if (s.map[k].id != w.map[0].map.id) continue;
            struct ms_detail d = made_up_detail(&s.map[k]);
            ms_feed_detail(h->feed, &s.map[k], &(struct ms_rec_detail){&d, &cells, NULL, 1});
            free(d.event);
        }
        assert_int_equal(ms_feed_end(h->feed, &h->reply, &err), MS_OK);
        for (size_t k = 0; k < s.notes; k++) free(s.note[k]);
        free(s.note);
        free(s.copy);
        forget(&s);
    }
    end(h);
}

/* Open it and look at everything; MS_OK or what was said of it. */
static int look_through(const uint8_t *bytes, size_t len, struct ms_error *err) {
    struct ms_rec r;
    int status = ms_rec_open_bytes(&r, bytes, len, err), worst = status;
    for (size_t i = 0; status == MS_OK && i < r.moments; i++) {
        struct ms_snapshot s;
        int rc = ms_rec_load(&r, r.moment[i].number, &s, err);
        struct ms_reader reader = {.ctx = &r};
        for (size_t k = 0; rc == MS_OK && k < s.maps; k++) {
            struct ms_detail d;
            struct ms_cells c;
            struct ms_error ignored;
            uint64_t moved;
            ms_view_figures(&s.map[k]);
            if (ms_map_detail(&reader, &s, &s.map[k], &d, &ignored) == MS_OK) ms_detail_free(&d);
            if (ms_map_cells(&reader, &s, &s.map[k], false, 0, UINT32_MAX, 2, &c, &moved, &ignored) == MS_OK)
                ms_cells_free(&c);
        }
        if (rc) worst = rc;
        ms_snapshot_free(&s);
    }
    ms_rec_close(&r);
    return worst;
}

static void expect_refusal(int status, const struct ms_error *err) {
    if (status != MS_OK && status != MS_USAGE && status != MS_UNCERTAIN)
        fail_msg("status %d: %s", status, err->line);
    if (status) assert_true(err->line[0] != 0);
}

static void test_details_come_back(void **state) {
    (void)state;
    struct history h;
    struct ms_rec r;
    struct ms_error err;
    struct ms_snapshot s;
    record_small(&h);
    assert_int_equal(ms_rec_open(&r, file, &err), MS_OK);
    assert_int_equal(ms_rec_load(&r, 4, &s, &err), MS_OK);
    assert_true(s.uncertain && s.notes == 2 && strcmp(s.note[1], "of two lines") == 0);
    assert_true(s.copies == 1 && strcmp(s.copy[0].image, "/lib") == 0);
    struct ms_reader reader = {.ctx = &r};
    size_t with = 0;
    for (size_t i = 0; i < s.maps; i++) {
        struct ms_detail d;
        struct ms_cells c;
        uint64_t moved;
        bool chosen = s.map[i].id == h.at[3].map[0].map.id;
        assert_int_equal(ms_map_detail(&reader, &s, &s.map[i], &d, &err), MS_OK);
        assert_int_equal(d.figures_only, !chosen);
        if (!chosen) {
            ms_detail_free(&d);
            assert_int_equal(
                ms_map_cells(&reader, &s, &s.map[i], false, 0, UINT32_MAX, 100, &c, &moved, &err),
                MS_UNCERTAIN);
            assert_non_null(strstr(err.line, "was not recorded"));
            continue;
        }
        with++;
        expect_map(&d.map, &h.at[3].map[0]);
        assert_true(d.counters == 2 && strcmp(d.counter[0].name, "grows") == 0 &&
                    d.counter[1].value == MS_UNKNOWN);
        assert_true(d.events == 1 && d.event[0].b == 5 && d.occupancy[15] == 9 && d.chain[0] == 4 &&
                    d.histograms_complete);
        ms_detail_free(&d);
        assert_int_equal(ms_map_cells(&reader, &s, &s.map[i], false, 0, UINT32_MAX, 100, &c, &moved, &err),
                         MS_OK);
        assert_true(c.count == 3 && c.live[2] == 3 && moved == 1);
        ms_cells_free(&c);
        assert_int_equal(ms_map_cells(&reader, &s, &s.map[i], false, 1, 1, 100, &c, &moved, &err), MS_OK);
        assert_true(c.count == 1 && c.first == 1 && c.live[0] == 2);
        ms_cells_free(&c);
    }
    assert_int_equal(with, 1);
    ms_snapshot_free(&s);
    ms_rec_close(&r);
    free(h.at);
}

static void test_changed_bytes_are_refused_or_harmless(void **state) {
    (void)state;
    struct history h;
    struct ms_error err = {""};
    size_t len, refused = 0, rounds = t_scale(t_sanitized() ? 150 : 300, 100000);
    record_small(&h);
    uint8_t *good = slurp(&len), *bytes = malloc(len);
    assert_int_equal(look_through(good, len, &err), MS_OK);
    for (size_t i = 0; i < rounds; i++) {
        memcpy(bytes, good, len);
        for (uint64_t k = t_below(6); k < 6; k++) bytes[t_below(t_below(2) ? 4096 : len)] = (uint8_t)t_rand();
        size_t cut = t_below(8) == 0 ? t_below(len) : len;
        int status = look_through(bytes, cut, &err);
        expect_refusal(status, &err);
        refused += status != MS_OK;
    }
    print_message("# %zu of %zu refused\n", refused, rounds);
    assert_true(refused > rounds / 20 && refused < rounds);
    free(bytes);
    free(good);
    free(h.at);
}

/* The small recording after some SQL; what looking through it says. */
static int after(const uint8_t *good, size_t len, const char *sql, struct ms_error *err) {
    sqlite3 *db;
    sqlite3_int64 size;
    unsigned char *copy = sqlite3_malloc64(len + 1);
    memcpy(copy, good, len);
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_deserialize(db, "main", copy, (sqlite3_int64)len, (sqlite3_int64)len,
                                         SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE),
                     SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) { /* two rows of one key */
        sqlite3_close(db);
        return MS_USAGE;
    }
    unsigned char *bytes = sqlite3_serialize(db, "main", &size, 0);
    int status = look_through(bytes, (size_t)size, err);
    sqlite3_free(bytes);
    sqlite3_close(db);
    return status;
}

static void test_wrong_cells_are_refused_or_harmless(void **state) {
    (void)state;
    static const char *const values[] = {"-1",      "9223372036854775807", "NULL", "'text'",
                                         "x'00ff'", "4294967296",          "77"};
    struct history h;
    struct ms_error err = {""};
    sqlite3 *db;
    sqlite3_stmt *q;
    size_t len, refused = 0, tries = 0;
    record_small(&h);
    uint8_t *good = slurp(&len);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db,
                           "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE "
                           "m.type = 'table'",
                           -1, &q, NULL),
        SQLITE_OK);
    while (sqlite3_step(q) == SQLITE_ROW)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            char sql[256];
            if (!t_long() && t_below(t_sanitized() ? 4 : 2)) continue;
            snprintf(sql, sizeof sql, "UPDATE OR REPLACE \"%s\" SET \"%s\" = %s",
                     (const char *)sqlite3_column_text(q, 0), (const char *)sqlite3_column_text(q, 1),
                     values[v]);
            int status = after(good, len, sql, &err);
            expect_refusal(status, &err);
            refused += status != MS_OK;
            tries++;
        }
    sqlite3_finalize(q);
    sqlite3_close(db);
    print_message("# %zu of %zu refused\n", refused, tries);
    assert_true(refused > tries / 4 && refused < tries);
    free(good);
    free(h.at);
}

static void test_foreign_tables_are_refused(void **state) {
    (void)state;
    static const char *const sql[] = {"DROP TABLE look; CREATE VIEW look AS WITH RECURSIVE n(i) AS (SELECT 1 "
                                      "UNION ALL SELECT i + 1 FROM n) SELECT * FROM n",
                                      "DROP TABLE map",
                                      "ALTER TABLE look ADD COLUMN more",
                                      "PRAGMA user_version = 3",
                                      "PRAGMA application_id = 0",
                                      "DELETE FROM moment"};
    static const char *const says[] = {"tables",    "tables",       "tables",
                                       "version 3", "no recording", "no moment"};
    struct history h;
    struct ms_error err = {""};
    size_t len;
    record_small(&h);
    uint8_t *good = slurp(&len);
    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++) {
        int status = after(good, len, sql[i], &err);
        assert_true(status == MS_USAGE || status == MS_UNCERTAIN);
        if (!strstr(err.line, says[i])) fail_msg("'%s' does not say '%s'", err.line, says[i]);
    }
    free(good);
    free(h.at);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_every_moment_comes_back),
    cmocka_unit_test(test_a_ring_of_bytes_keeps_its_bound),
    cmocka_unit_test(test_a_ring_of_time_keeps_its_bound),
    cmocka_unit_test(test_a_moment_too_large_for_the_ring_is_refused),
    cmocka_unit_test(test_a_killed_scribe_leaves_whole_moments),
    cmocka_unit_test(test_what_fits_a_full_disk_stays),
    cmocka_unit_test(test_details_come_back),
    cmocka_unit_test(test_changed_bytes_are_refused_or_harmless),
    cmocka_unit_test(test_wrong_cells_are_refused_or_harmless),
    cmocka_unit_test(test_foreign_tables_are_refused),
};

int main(void) {
    strcpy(dir, "/tmp/mapscope-rec-XXXXXX");
    if (!mkdtemp(dir)) return 1;
    snprintf(file, sizeof file, "%s/a.rec", dir);
    int failed = t_run("recording", tests, sizeof tests / sizeof *tests);
    drop_file();
    rmdir(dir);
    return failed;
}
