/* fuzz_rec.c - recordings that lie.
 *
 *   input   0x00 | the file                  what SQLite makes of any bytes
 *           0x01 | rows                      tables that are ours, with anything in them
 *   row     order | its values               enum ms_rec_order, as many values as its table has columns
 *   value   tag | what belongs to it         null; zero; a byte; 8 bytes; length and text; length and blob
 *
 * Then all is done that verbs do with a recording: every moment is loaded and shown as a table and as JSON, neighbours are
 * compared, times are looked up, details of all maps are unpacked.
 *
 * Checked beside "does not crash": a refusal has a line and is one of a file; the maps of a moment that is not refused sum to
 * their bytes, or are marked as damaged.
 */
#include "out/out.h"
#include "record/schema.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { MOMENTS_SHOWN = 8, MAPS_SHOWN = 64, ROWS_MOST = 400 };

static FILE *nowhere;

static void require(bool holds) {
    if (!holds) abort();
}

static void require_refusal(int status, const struct ms_error *err) {
    require(status == MS_USAGE || status == MS_UNCERTAIN);
    require(err->line[0] != 0);
}

/* ---- rows -------------------------------------------------------------------------------------- */

struct input {
    const uint8_t *at;
    size_t left;
};

static uint8_t take(struct input *in) {
    if (in->left == 0) return 0;
    in->left--;
    return *in->at++;
}

static void bind(struct input *in, sqlite3_stmt *q, int n) {
    uint8_t tag = take(in) % 6;
    uint64_t number = 0;
    if (tag == 1) sqlite3_bind_int(q, n, 0);
    if (tag == 2) sqlite3_bind_int(q, n, take(in));
    if (tag == 3) {
        for (int i = 0; i < 8; i++) number = number << 8 | take(in);
        sqlite3_bind_int64(q, n, (int64_t)number);
    }
    if (tag < 4) return;
    size_t len = take(in);
    if (len > in->left) len = in->left;
    if (tag == 4)
        sqlite3_bind_text(q, n, (const char *)in->at, (int)len, SQLITE_TRANSIENT);
    else
        sqlite3_bind_blob(q, n, in->at, (int)len, SQLITE_TRANSIENT);
    in->at += len, in->left -= len;
}

static void put_rows(sqlite3 *db, struct input *in) {
    for (int rows = 0; in->left && rows < ROWS_MOST; rows++) {
        const struct ms_rec_insert *insert = &ms_rec_insert[take(in) % MS_REC_ROWS];
        sqlite3_stmt *q;
        require(sqlite3_prepare_v2(db, insert->sql, -1, &q, NULL) == SQLITE_OK);
        for (int i = 0; i < insert->values; i++) bind(in, q, i + 1);
        sqlite3_step(q); /* two rows of one key are one */
        sqlite3_finalize(q);
    }
}

static unsigned char *file_of_rows(struct input *in, size_t *len) {
    sqlite3 *db;
    sqlite3_int64 size = 0;
    char ids[80];
    require(sqlite3_open(":memory:", &db) == SQLITE_OK);
    snprintf(ids, sizeof ids, "PRAGMA application_id=%d; PRAGMA user_version=%d; BEGIN", MS_REC_APPLICATION,
             MS_REC_VERSION);
    sqlite3_exec(db, ids, NULL, NULL, NULL);
    for (size_t i = 0; i < ms_rec_table_count; i++)
        require(sqlite3_exec(db, ms_rec_tables[i].sql, NULL, NULL, NULL) == SQLITE_OK);
    put_rows(db, in);
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    unsigned char *file = sqlite3_serialize(db, "main", &size, 0);
    sqlite3_close(db);
    *len = (size_t)size;
    return file;
}

/* ---- verbs ------------------------------------------------------------------------------------- */

static void show(struct ms_rec *r, struct ms_snapshot *s) {
    const struct ms_style st = {.width = 80, .utf8 = true};
    struct ms_reader reader = {.ctx = r};
    struct ms_totals totals;
    for (size_t i = 0; i < s->maps; i++) {
        struct ms_map *m = &s->map[i];
        require(ms_map_sum(m) == m->bytes || m->certainty == MS_DAMAGED);
        ms_view_figures(m);
    }
    for (size_t i = 0; i < s->maps && i < MAPS_SHOWN; i++) {
        struct ms_detail d;
        struct ms_cells c;
        struct ms_error err;
        uint64_t moved;
        if (ms_map_detail(&reader, s, &s->map[i], &d, &err) == MS_OK) {
            ms_table_show(nowhere, &st, s, &d);
            ms_json_show(nowhere, s, &d, NULL, NULL, 0);
            ms_detail_free(&d);
        }
        if (ms_map_cells(&reader, s, &s->map[i], false, 0, UINT32_MAX, 64, &c, &moved, &err) == MS_OK) {
            require(c.count <= 64);
            ms_cells_free(&c);
        }
    }
    ms_view_totals(s->map, s->maps, &totals);
    ms_table_target(nowhere, &st, s);
    ms_table_totals(nowhere, &st, &totals, s->maps);
    ms_table_list(nowhere, &st, s->map, s->maps);
    ms_json_list(nowhere, "list", s, &totals, s->map, s->maps, NULL);
}

static void compare(const struct ms_snapshot *a, const struct ms_snapshot *b) {
    const struct ms_style st = {.width = 80};
    for (int by = MS_BY_MAP; by <= MS_BY_HOLDER; by++) {
        struct ms_diff d;
        struct ms_error err;
        struct ms_diff_ask ask = {.by = (enum ms_by)by};
        require(ms_view_diff(a, b, &ask, &d, &err) == MS_OK);
        ms_table_diff(nowhere, &st, a, b, &d, 0);
        ms_json_diff(nowhere, a, b, &d, 0);
        ms_view_diff_free(&d);
    }
}

static void look_through(struct ms_rec *r) {
    static const char *const times[] = {"", "#1", "+0", "-0", "+1h", "00:00", "2026-11-21T20:15:03Z"};
    struct ms_snapshot last;
    struct ms_error err = {""};
    bool some = false;
    uint64_t moment;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (ms_rec_find(r, times[i], &moment, &err)) require(err.line[0] != 0);
    ms_snapshot_init(&last);
    for (size_t i = 0; i < r->moments && i < MOMENTS_SHOWN; i++) {
        struct ms_snapshot s;
        int status = ms_rec_load(r, r->moment[i].number, &s, &err);
        if (status) {
            require_refusal(status, &err);
            ms_snapshot_free(&s);
            continue;
        }
        show(r, &s);
        if (some) compare(&last, &s);
        ms_snapshot_free(&last);
        last = s;
        some = true;
    }
    ms_snapshot_free(&last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    struct input in = {data, len};
    struct ms_rec r;
    struct ms_error err = {""};
    if (!nowhere) nowhere = fopen("/dev/null", "w");
    require(nowhere != NULL);
    bool rows = take(&in) & 1;
    size_t size = in.left;
    unsigned char *file = rows ? file_of_rows(&in, &size) : NULL;
    int status = ms_rec_open_bytes(&r, rows ? file : in.at, size, &err);
    if (status)
        require_refusal(status, &err);
    else
        look_through(&r);
    ms_rec_close(&r);
    sqlite3_free(file);
    return 0;
}
