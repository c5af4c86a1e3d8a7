/* recfile.c - a recording, read: opened, checked, its moments listed, and the maps of one rebuilt.
 *
 * Rebuilding moment m of a segment with base b:
 *
 *   text, type, map of b      arrays by number
 *   gone in b..m              the last moment at which each map was gone
 *   look in b..m, backwards   the first row met of a map is its last: taken, unless the map was gone later
 *
 * so a row that another one replaces costs one column.  One transaction covers all of it: a recorder may be at work.
 *
 * The file is a stranger's.  SQLite is told so (no schema of the file's is trusted, nothing in it can be run, texts have a
 * limit), and the tables must be ours to the letter: a view or a virtual table of the same name is no recording.  What the
 * tables say is checked row by row: numbers within their fields, rows strictly in order and none left out, no more of them
 * than the file has bytes for.  Order matters most: a tree of pages that leads round in a circle shows by it at once.
 *
 * Nothing is written beside the file, because the sandbox lets nothing be opened for writing.  A log that a recorder left is read;
 * its index, if there is none or it is not live, is built in memory.
 */
#include "schema.h"

#include <ctype.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ROW_LEAST = 4 /* bytes a row takes in a page, at least */, MOMENTS_MOST = 1 << 26 };

/* ---- errors ------------------------------------------------------------------------------------ */

static int damaged(const struct ms_rec *r, const char *what, struct ms_error *err) {
    return ms_fail(err, MS_UNCERTAIN, "%s: damaged: %s", r->path, what);
}

/* What SQLite says: nothing to read, or not what it was. */
static int refused(const struct ms_rec *r, struct ms_error *err) {
    int code = sqlite3_errcode(r->db);
    if (code == SQLITE_NOTADB) return ms_fail(err, MS_USAGE, "%s: is no recording", r->path);
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        return ms_fail(err, MS_UNCERTAIN, "%s: somebody else keeps it locked", r->path);
    if (code == SQLITE_CANTOPEN) return ms_fail(err, MS_USAGE, "%s: cannot be opened", r->path);
    return ms_fail(err, MS_UNCERTAIN, "%s: damaged: %s", r->path, sqlite3_errmsg(r->db));
}

int ms_rec_lacks(const struct ms_rec *r, const char *what, const char *how, struct ms_error *err) {
    return ms_fail(err, MS_UNCERTAIN, "%s: was not recorded: %s%s%s%s", r->path, what, how ? " (" : "",
                   how ? how : "", how ? ")" : "");
}

/* ---- rows -------------------------------------------------------------------------------------- */

/* A query that is read row by row. */
struct rows {
    struct ms_rec *r;
    sqlite3_stmt *q;
    uint64_t left; /* rows that can be in a file of this size */
    struct ms_error *err;
    int status;
};

static struct rows ask(struct ms_rec *r, const char *sql, uint64_t a, uint64_t b, struct ms_error *err) {
    struct rows q = {.r = r, .left = r->bytes / ROW_LEAST, .err = err};
    if (sqlite3_prepare_v2(r->db, sql, -1, &q.q, NULL) != SQLITE_OK) {
        q.status = refused(r, err);
        return q;
    }
    if (sqlite3_bind_parameter_count(q.q) > 0) sqlite3_bind_int64(q.q, 1, (int64_t)a);
    if (sqlite3_bind_parameter_count(q.q) > 1) sqlite3_bind_int64(q.q, 2, (int64_t)b);
    return q;
}

static bool next(struct rows *q) {
    if (q->status) return false;
    int rc = sqlite3_step(q->q);
    if (rc == SQLITE_ROW && q->left--) return true;
    if (rc == SQLITE_ROW)
        q->status = damaged(q->r, "more rows than it has bytes", q->err);
    else if (rc != SQLITE_DONE)
        q->status = refused(q->r, q->err);
    return false;
}

static int done(struct rows *q) {
    sqlite3_finalize(q->q);
    return q->status;
}

static void bad(struct rows *q, const char *what) {
    if (!q->status) q->status = damaged(q->r, what, q->err);
}

/* NULL is MS_UNKNOWN; anything but a number is damage. */
static uint64_t number(struct rows *q, int column) {
    int type = sqlite3_column_type(q->q, column);
    if (type == SQLITE_INTEGER) return (uint64_t)sqlite3_column_int64(q->q, column);
    if (type != SQLITE_NULL) bad(q, "a number is none");
    return MS_UNKNOWN;
}

static uint64_t number_most(struct rows *q, int column, uint64_t most) {
    uint64_t n = number(q, column);
    if (n > most) bad(q, "a number is too large");
    return n > most ? 0 : n;
}

/* Allocated; NULL stays NULL. */
static char *text(struct rows *q, int column) {
    if (sqlite3_column_type(q->q, column) != SQLITE_TEXT) {
        if (sqlite3_column_type(q->q, column) != SQLITE_NULL) bad(q, "a text is none");
        return NULL;
    }
    const unsigned char *s = sqlite3_column_text(q->q, column);
    return s ? ms_strdup((const char *)s) : NULL;
}

static void fields(struct rows *q, int column, const struct ms_rec_field *f, size_t n, void *to) {
    uint64_t value[MS_REC_FIGURE_COUNT];
    for (size_t i = 0; i < n; i++) value[i] = number(q, column + (int)i);
    if (!ms_rec_set(f, n, value, to)) bad(q, "a number is too large");
}

static void figures(struct rows *q, int column, struct ms_map *to) {
    uint64_t value[MS_REC_FIGURE_COUNT];
    const void *bytes = sqlite3_column_blob(q->q, column);
    size_t len = (size_t)sqlite3_column_bytes(q->q, column);
    if (sqlite3_column_type(q->q, column) != SQLITE_BLOB || !bytes ||
        !ms_rec_unpack_numbers(bytes, len, value, MS_REC_FIGURE_COUNT))
        bad(q, "figures are none");
    else if (!ms_rec_set(ms_rec_figure, MS_REC_FIGURE_COUNT, value, to))
        bad(q, "a number is too large");
}

/* ---- opening ----------------------------------------------------------------------------------- */

/* A file without a log is read as it is; else with the log's index shared with its recorder, or made here. */
static int open_db(struct ms_rec *r, const char *path, struct ms_error *err) {
    const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI | SQLITE_OPEN_PRIVATECACHE;
    static const char *const how[][2] = {{"mode=ro", NULL}, {"mode=ro", "unix-none"}, {"immutable=1", NULL}};
    char *name = ms_alloc(3 * strlen(path) + 32), *w = name + sprintf(name, "file:");
    for (const char *p = path; *p; p++)
        w += sprintf(w, strchr("%?#", *p) ? "%%%02X" : "%c", (unsigned char)*p);
    enum { BUSY_MS = 5000 }; /* its recorder folds the log into the file */
    int rc = SQLITE_CANTOPEN;
    for (size_t i = 0; i < sizeof how / sizeof *how && rc == SQLITE_CANTOPEN; i++) {
        sqlite3_close(r->db);
        sprintf(w, "?%s", how[i][0]);
        rc = sqlite3_open_v2(name, &r->db, flags, how[i][1]);
        sqlite3_busy_timeout(r->db, BUSY_MS);
        if (rc == SQLITE_OK && how[i][1])
            rc = sqlite3_exec(r->db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL);
        if (rc == SQLITE_OK) rc = sqlite3_exec(r->db, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL);
    }
    free(name);
    return rc == SQLITE_OK ? MS_OK : refused(r, err);
}

static void distrust(struct ms_rec *r) {
    sqlite3_db_config(r->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(r->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(r->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(r->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_limit(r->db, SQLITE_LIMIT_LENGTH, 2 * MS_REC_VALUE_MOST);
    sqlite3_limit(r->db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(r->db, SQLITE_LIMIT_WORKER_THREADS, 0);
    sqlite3_exec(r->db, "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY", NULL, NULL,
                 NULL);
}

static int check_tables(struct ms_rec *r, struct ms_error *err) {
    struct rows q = ask(
        r, "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version", 0, 0, err);
    uint64_t id = 0, version = 0;
    if (next(&q)) id = number(&q, 0), version = number(&q, 1);
    int status = done(&q);
    if (status) return status;
    if (id != MS_REC_APPLICATION) return ms_fail(err, MS_USAGE, "%s: is no recording", r->path);
    if (version != MS_REC_VERSION)
        return ms_fail(err, MS_USAGE, "%s: is a recording of version %lld: this mapscope reads version %d",
                       r->path, (long long)version, MS_REC_VERSION);
    for (size_t i = 0; status == MS_OK && i < ms_rec_table_count; i++) {
        sqlite3_stmt *s;
        if (sqlite3_prepare_v2(r->db, "SELECT sql FROM sqlite_schema WHERE name = ?", -1, &s, NULL) !=
            SQLITE_OK)
            return refused(r, err);
        sqlite3_bind_text(s, 1, ms_rec_tables[i].name, -1, SQLITE_STATIC);
        const char *sql = sqlite3_step(s) == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
        if (!sql || strcmp(sql, ms_rec_tables[i].sql) != 0)
            status = damaged(r, "its tables are not those of a recording", err);
        sqlite3_finalize(s);
    }
    return status;
}

static int load_recording(struct ms_rec *r, struct ms_error *err) {
    struct rows q =
        ask(r, "SELECT pid, uid, comm, exe, runtime, core, signal, threads FROM recording", 0, 0, err);
    if (next(&q)) {
        struct ms_target *t = &r->target;
        t->pid = (int)number_most(&q, 0, INT32_MAX);
        t->uid = (unsigned)number_most(&q, 1, UINT32_MAX);
        t->comm = text(&q, 2);
        t->exe = text(&q, 3);
        r->runtime = text(&q, 4);
        t->core = text(&q, 5);
        t->signal = (int)number_most(&q, 6, 64);
        t->threads = (size_t)number_most(&q, 7, UINT32_MAX);
        if (!t->comm) t->comm = ms_strdup("?");
        if (!t->exe) t->exe = ms_strdup("");
    }
    return done(&q);
}

/* How large it is now: a recorder may be at work. */
static void measure(struct ms_rec *r) {
    sqlite3_stmt *q;
    r->bytes = 0;
    if (sqlite3_prepare_v2(r->db, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
                           -1, &q, NULL) == SQLITE_OK &&
        sqlite3_step(q) == SQLITE_ROW)
        r->bytes = (uint64_t)sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
}

int ms_rec_refresh(struct ms_rec *r, struct ms_error *err) {
    measure(r);
    struct rows q =
        ask(r, "SELECT moment, wall_ns, maps, entries, bytes, waste, base FROM moment ORDER BY moment", 0, 0,
            err);
    r->moments = 0;
    while (next(&q)) {
        struct ms_rec_moment m = {number(&q, 0), number(&q, 1), number(&q, 2),
                                  number(&q, 3), number(&q, 4), number(&q, 5)};
        uint64_t base = number(&q, 6);
        if (m.number == 0 || m.number > INT64_MAX || base == 0 || base > m.number ||
            (r->moments && r->moment[r->moments - 1].number >= m.number))
            bad(&q, "its moments are not in order");
        if (r->moments >= MOMENTS_MOST) bad(&q, "more moments than can be");
        if (q.status) break;
        MS_ROOM(r->moment, r->moments, r->room);
        r->moment[r->moments++] = m;
    }
    int status = done(&q);
    if (status == MS_OK && r->moments == 0)
        return ms_fail(err, MS_UNCERTAIN, "%s: holds no moment: its recorder was killed before the first",
                       r->path);
    return status;
}

static int check_all(struct ms_rec *r, struct ms_error *err) {
    distrust(r);
    measure(r);
    int status = check_tables(r, err);
    if (status == MS_OK) status = load_recording(r, err);
    if (status == MS_OK) status = ms_rec_refresh(r, err);
    if (status == MS_OK) r->at = r->moment[r->moments - 1].number;
    return status;
}

int ms_rec_open(struct ms_rec *r, const char *target, struct ms_error *err) {
    struct stat st;
    const char *at = access(target, F_OK) == 0 ? NULL : strrchr(target, '@');
    *r = (struct ms_rec){.path = ms_strdup(target)};
    if (at) r->path[at - target] = 0;
    if (stat(r->path, &st) != 0) return ms_fail(err, MS_USAGE, "%s: no such recording", r->path);
    if (!S_ISREG(st.st_mode)) return ms_fail(err, MS_USAGE, "%s: is no recording", r->path);
    if (access(r->path, R_OK) != 0) return ms_fail(err, MS_PERMISSION, "%s: may not be read", r->path);
    int status = open_db(r, r->path, err);
    if (status == MS_OK) status = check_all(r, err);
    if (status == MS_OK && at) status = ms_rec_find(r, at + 1, &r->at, err);
    return status;
}

int ms_rec_open_bytes(struct ms_rec *r, const void *bytes, size_t len, struct ms_error *err) {
    *r = (struct ms_rec){.path = ms_strdup("recording")};
    unsigned char *copy = sqlite3_malloc64(len + 1);
    int rc = copy ? sqlite3_open_v2(":memory:", &r->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)
                  : SQLITE_NOMEM;
    if (copy) memcpy(copy, bytes, len);
    if (rc == SQLITE_OK)
        rc = sqlite3_deserialize(r->db, "main", copy, (sqlite3_int64)len, (sqlite3_int64)len,
                                 SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_READONLY);
    if (rc != SQLITE_OK) return ms_fail(err, MS_INTERNAL, "out of memory");
    return check_all(r, err);
}

void ms_rec_close(struct ms_rec *r) {
    for (size_t i = 0; i < r->names; i++) free(r->name[i]);
    free(r->name);
    free(r->moment);
    free(r->target.comm);
    free(r->target.exe);
    free(r->target.core);
    free(r->runtime);
    free(r->path);
    sqlite3_close(r->db);
    *r = (struct ms_rec){0};
}

/* ---- a moment ---------------------------------------------------------------------------------- */

struct loading {
    struct ms_rec *r;
    struct ms_snapshot *out;
    uint64_t base, moment;
    char **text;
    size_t texts, text_room;
    const struct ms_type **type;
    size_t types, type_room;
    struct ms_map *map; /* all of the segment, by number */
    uint64_t *gone;     /* the last moment each was gone; UINT64_MAX: its figures are taken */
    size_t maps, map_room;
    struct ms_error *err;
};

static int load_moment(struct loading *l) {
    struct ms_rec *r = l->r;
    struct rows q = ask(
        r,
        "SELECT base, age_ns, rss_bytes, mode, pause_ns, late, images, mappings, uncertain, notes, wall_ns "
        "FROM moment WHERE moment = ?",
        l->moment, 0, l->err);
    if (next(&q)) {
        struct ms_target *t = &l->out->target;
        l->base = number_most(&q, 0, l->moment);
        t->age_ns = number_most(&q, 1, INT64_MAX);
        t->rss_bytes = number_most(&q, 2, INT64_MAX);
        t->mode = (enum ms_mode)number_most(&q, 3, MS_MODE_CORE);
        t->pause_ns = number_most(&q, 4, INT64_MAX);
        t->late = number_most(&q, 5, 1);
        t->images = (size_t)number_most(&q, 6, UINT32_MAX);
        t->mappings = (size_t)number_most(&q, 7, UINT32_MAX);
        l->out->uncertain = number_most(&q, 8, 1);
        char *notes = text(&q, 9), *save = NULL;
        for (char *n = notes ? strtok_r(notes, "\n", &save) : NULL; n; n = strtok_r(NULL, "\n", &save))
            ms_snapshot_note(l->out, "%s", n);
        free(notes);
        t->taken_ns = number_most(&q, 10, INT64_MAX);
    } else {
        bad(&q, "a moment is not there any more");
    }
    return done(&q);
}

static int load_libraries(struct loading *l) {
    struct rows q =
        ask(l->r,
            "SELECT root, image, version, maps_made, maps_freed, unregistered, wall_minus_mono_ns, started, "
            "readable, copy FROM library WHERE moment = ? ORDER BY copy",
            l->moment, 0, l->err);
    struct ms_snapshot *s = l->out;
    while (next(&q)) {
        MS_ROOM(s->copy, s->copies, s->copy_room);
        struct ms_copy *c = &s->copy[s->copies++];
        *c = (struct ms_copy){.root = number(&q, 0), .image = text(&q, 1), .version = text(&q, 2)};
        c->maps_made = number(&q, 3), c->maps_freed = number(&q, 4), c->unregistered = number(&q, 5);
        c->wall_minus_mono_ns = number(&q, 6);
        c->started = number_most(&q, 7, 1), c->readable = number_most(&q, 8, 1);
        if (number(&q, 9) != s->copies - 1) bad(&q, "libraries are not in order");
    }
    return done(&q);
}

static int load_texts(struct loading *l) {
    struct rows q =
        ask(l->r, "SELECT text, value FROM text WHERE base = ? ORDER BY text", l->base, 0, l->err);
    while (next(&q)) {
        if (number(&q, 0) != l->texts) bad(&q, "texts are not in order");
        if (q.status) break;
        MS_ROOM(l->text, l->texts, l->text_room);
        char *s = text(&q, 1);
        l->text[l->texts++] = s ? s : ms_strdup("?");
    }
    return done(&q);
}

static bool power_of_two(uint64_t n) { return n && (n & (n - 1)) == 0; }

/* What arithmetic on types takes for granted: slots lie within groups, nothing is absurdly large. */
static bool sane_type(const struct ms_type *t) {
    enum { SIZE_MOST = 1 << 24 };
    const struct ms_go_shape *g = &t->go;
    const uint32_t within[] = {g->key_off,     g->key_stride, g->elem_off,
                               g->elem_stride, g->key_slot,   g->elem_slot};
    if (t->slot_size > SIZE_MOST || t->slot_payload > SIZE_MOST || t->value_off > SIZE_MOST ||
        g->group_size > SIZE_MOST)
        return false;
    if (t->slot_align && (!power_of_two(t->slot_align) || t->slot_align > SIZE_MOST)) return false;
    for (size_t i = 0; i < sizeof within / sizeof *within; i++)
        if (within[i] > g->group_size) return false;
    return true;
}

static int load_types(struct loading *l) {
    struct rows q = ask(l->r, "SELECT * FROM type WHERE base = ? ORDER BY type", l->base, 0, l->err);
    while (next(&q)) {
        struct ms_type *t = ms_alloc(sizeof *t);
        t->next = l->out->types;
        l->out->types = t;
        t->name = text(&q, 2), t->key = text(&q, 3), t->value = text(&q, 4), t->site = text(&q, 5);
        if (!t->name) t->name = ms_strdup("?");
        fields(&q, 6, ms_rec_type, MS_REC_TYPE_COUNT, t);
        if (number(&q, 1) != l->types) bad(&q, "types are not in order");
        if (!sane_type(t)) bad(&q, "a type contradicts itself");
        if (q.status) break;
        MS_ROOM(l->type, l->types, l->type_room);
        l->type[l->types++] = t;
    }
    return done(&q);
}

static char *text_at(struct rows *q, struct loading *l, int column) {
    uint64_t n = number(q, column);
    if (n == MS_UNKNOWN) return NULL;
    if (n >= l->texts) bad(q, "a text is not there");
    return n < l->texts ? ms_strdup(l->text[n]) : NULL;
}

static int load_maps(struct loading *l) {
    struct rows q = ask(l->r, "SELECT * FROM map WHERE base = ? ORDER BY map", l->base, 0, l->err);
    while (next(&q)) {
        MS_ROOM(l->map, l->maps, l->map_room);
        struct ms_map *m = &l->map[l->maps++];
        *m = (struct ms_map){.recorded = (uint32_t)l->maps, .name = text(&q, 3), .holder = text(&q, 4)};
        m->place = text_at(&q, l, 5);
        fields(&q, 6, ms_rec_identity, MS_REC_IDENTITY_COUNT, m);
        uint64_t type = number(&q, 2);
        if (number(&q, 1) != l->maps - 1 || l->maps > INT32_MAX) bad(&q, "maps are not in order");
        if (type != MS_UNKNOWN && type >= l->types) bad(&q, "a type is not there");
        if (q.status) break;
        m->type = type < l->types ? l->type[type] : NULL;
        m->site = m->type ? m->type->site : NULL;
    }
    l->gone = ms_alloc((l->maps + 1) * sizeof *l->gone);
    return done(&q);
}

/* Rows of (moment, map) in the segment up to the moment, strictly in order; returns the map. */
struct order {
    uint64_t moment, map;
    bool some;
};

static uint64_t in_order(struct rows *q, const struct loading *l, struct order *last, bool down) {
    uint64_t moment = number(q, 0), map = number(q, 1);
    bool after = moment != last->moment ? moment > last->moment : map > last->map;
    bool before = moment != last->moment ? moment < last->moment : map < last->map;
    if (last->some && !(down ? before : after)) bad(q, "rows are not in order");
    if (map >= l->maps) bad(q, "a map is not there");
    *last = (struct order){moment, map, true};
    return map;
}

static int load_gone(struct loading *l) {
    struct order last = {0};
    struct rows q =
        ask(l->r, "SELECT moment, map FROM gone WHERE moment >= ? AND moment <= ? ORDER BY moment, map",
            l->base, l->moment, l->err);
    while (next(&q)) {
        uint64_t map = in_order(&q, l, &last, false);
        if (q.status) break;
        l->gone[map] = last.moment;
    }
    return done(&q);
}

/* What contradicts itself is shown as that. */
static void check_map(struct ms_map *m) {
    m->load = m->slots ? (double)m->entries / (double)m->slots : 0;
    bool gomap = m->fresh_bytes == MS_UNKNOWN; /* whose figures are worked out from its type */
    const char *why = ms_map_sum(m) != m->bytes ? "its parts do not sum to its bytes"
                      : gomap && m->type && (!m->type->slot_align || !m->type->slot_size)
                          ? "its type has no slots"
                          : NULL;
    if (m->certainty == MS_DAMAGED || !why) return;
    m->certainty = MS_DAMAGED;
    free(m->doubt);
    m->doubt = ms_strdup(why);
}

static int load_looks(struct loading *l) {
    struct order last = {0};
    struct rows q =
        ask(l->r,
            "SELECT moment, map, doubt, figures FROM look WHERE moment >= ? AND moment <= ? ORDER BY moment "
            "DESC, map DESC",
            l->base, l->moment, l->err);
    while (next(&q)) {
        uint64_t map = in_order(&q, l, &last, true);
        if (q.status) break;
        if (l->gone[map] >= last.moment) continue;
        l->gone[map] = UINT64_MAX;
        l->map[map].doubt = text_at(&q, l, 2);
        figures(&q, 3, &l->map[map]);
        check_map(&l->map[map]);
    }
    return done(&q);
}

/* Those that are there go to the snapshot, the others with what they own. */
static void keep_maps(struct loading *l, bool good) {
    size_t kept = 0;
    for (size_t i = 0; i < l->maps; i++) {
        struct ms_map *m = &l->map[i];
        if (good && l->gone[i] == UINT64_MAX) {
            if (m->certainty == MS_DAMAGED) l->out->uncertain = true;
            l->map[kept++] = *m;
            continue;
        }
        free(m->name), free(m->holder), free(m->place), free(m->doubt);
    }
    l->out->map = l->map;
    l->out->maps = kept;
    l->out->room = l->map_room;
}

static int load_all(struct loading *l) {
    int status = load_moment(l);
    if (status == MS_OK) status = load_libraries(l);
    if (status == MS_OK) status = load_texts(l);
    if (status == MS_OK) status = load_types(l);
    if (status == MS_OK) status = load_maps(l);
    if (status == MS_OK) status = load_gone(l);
    if (status == MS_OK) status = load_looks(l);
    keep_maps(l, status == MS_OK);
    return status;
}

static void describe(const struct ms_rec *r, uint64_t moment, struct ms_snapshot *out) {
    const struct ms_target *t = &r->target;
    out->target =
        (struct ms_target){.pid = t->pid, .uid = t->uid, .signal = t->signal, .threads = t->threads};
    out->target.comm = t->comm ? ms_strdup(t->comm) : NULL;
    out->target.exe = t->exe ? ms_strdup(t->exe) : NULL;
    out->target.core = t->core ? ms_strdup(t->core) : NULL;
    out->target.recording = ms_strdup(r->path);
    out->runtime = r->runtime ? ms_strdup(r->runtime) : NULL;
    out->target.moments = r->moments;
    for (size_t i = 0; i < r->moments; i++)
        if (r->moment[i].number == moment) out->target.moment = i + 1;
}

int ms_rec_load(struct ms_rec *r, uint64_t moment, struct ms_snapshot *out, struct ms_error *err) {
    struct loading l = {.r = r, .out = out, .moment = moment, .err = err};
    ms_snapshot_init(out);
    describe(r, moment, out);
    if (sqlite3_exec(r->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK) return refused(r, err);
    measure(r);
    int status = load_all(&l);
    sqlite3_exec(r->db, "COMMIT", NULL, NULL, NULL);
    for (size_t i = 0; i < l.texts; i++) free(l.text[i]);
    free(l.text);
    free(l.type);
    free(l.gone);
    r->base = l.base;
    r->at = moment;
    return status;
}

int ms_rec_packed(struct ms_rec *r, const struct ms_map *m, uint8_t **out, size_t *len,
                  struct ms_error *err) {
    char *sql = sqlite3_mprintf(
        "SELECT packed FROM detail WHERE moment >= ? AND moment <= ? AND map = %u ORDER BY moment "
        "DESC LIMIT 1",
        m->recorded - 1);
    struct rows q = ask(r, sql ? sql : "", r->base, r->at, err);
    *out = NULL, *len = 0;
    if (next(&q) && sqlite3_column_type(q.q, 0) == SQLITE_BLOB) {
        const void *bytes = sqlite3_column_blob(q.q, 0);
        *len = (size_t)sqlite3_column_bytes(q.q, 0);
        *out = ms_alloc(*len);
        if (bytes) memcpy(*out, bytes, *len);
    }
    sqlite3_free(sql);
    return done(&q);
}
