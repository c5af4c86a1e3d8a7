/* scribe.c - the process that writes a recording.
 *
 *   rows --> the transaction of a moment --> its end: is it within bounds? --> COMMIT --> reply
 *                                                 no, or the disk is full --> ROLLBACK --> reply, and nothing more is taken
 *
 * It opens the file, writes the tables and enters its filter: from then on it opens nothing.  The descriptors that SQLite
 * needs are open by then, the log's among them, since the first transaction was written.  At the end the log is folded
 * into the file and unlinked; the header is put back to a rollback journal, kept in memory for that one page, so that the
 * file can be read where nothing can be written.
 *
 * A ring.  Bytes: a moment may take an eighth of the bound, a segment is closed at an eighth (so it has at most two), and
 * before a keyframe the oldest segments go until half of the bound is in use: six eighths for the file, two for the log.
 * Deleted pages are used again, so the file never grows beyond.  Time: a segment goes when the next one began before what
 * is to be kept; a segment lasts an eighth of that, so there is at most a quarter too much.
 */
#include "schema.h"

#include "../beside.h"
#include "../sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- as mapscope sees it ----------------------------------------------------------------------- */

static int hear(struct ms_scribe *s, struct ms_rec_reply *reply, struct ms_error *err) {
    ssize_t n;
    do {
        n = recv(s->fd, reply, sizeof *reply, MSG_WAITALL);
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof *reply)
        return ms_fail(err, MS_INTERNAL, "the process that writes the recording ended");
    reply->line[sizeof reply->line - 1] = 0;
    return reply->status == MS_OK ? MS_OK : ms_fail(err, reply->status, "%s", reply->line);
}

/* A new file, or one that is empty. */
static int make_file(const char *path, struct ms_error *err) {
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST) fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return ms_fail(err, MS_USAGE, "%s: %s", path, strerror(errno));
    bool fit = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0;
    close(fd);
    return fit ? MS_OK
               : ms_fail(err, MS_USAGE, "%s: is there already: a recording begins a file of its own", path);
}

int ms_scribe_start(struct ms_scribe *s, const char *path, const struct ms_rec_bounds *bounds,
                    struct ms_error *err) {
    int status = make_file(path, err);
    struct ms_rec_reply ready;
    *s = (struct ms_scribe){.fd = -1, .bounds = *bounds};
    if (status) return status;
    s->pid = ms_fork_beside(SOCK_STREAM, "writes the recording", &s->fd, err);
    if (s->pid == 0) ms_scribe_serve(s->fd, path, bounds);
    if (s->pid < 0) return MS_INTERNAL;
    return hear(s, &ready, err);
}

int ms_scribe_end(struct ms_scribe *s, struct ms_rec_reply *last, struct ms_error *err) {
    const uint8_t close_order = MS_REC_CLOSE;
    *last = (struct ms_rec_reply){.status = MS_OK};
    if (s->fd < 0) return MS_OK;
    int status = MS_INTERNAL;
    if (send(s->fd, &close_order, 1, MSG_NOSIGNAL) == 1)
        status = hear(s, last, err);
    else
        ms_fail(err, MS_INTERNAL, "the process that writes the recording ended");
    close(s->fd);
    s->fd = -1;
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR) {}
    return status;
}

/* ---- in the scribe: what arrives ---------------------------------------------------------------- */

enum { VALUES_MOST = 64 };

struct scribe {
    int fd;
    const char *path;
    const struct ms_rec_bounds *bounds;
    sqlite3 *db;
    sqlite3_stmt *insert[MS_REC_ROWS];
    struct ms_rec_reply reply;
    uint64_t page, used_before, base; /* used_before: bytes before the moment; base: of the segment */
    uint64_t segment_from;            /* used bytes when it began */
    bool inside;                      /* a transaction is open */
    bool failed;                      /* nothing more is taken; reply says why */
    uint8_t in[1 << 18];
    size_t at, end;
    uint8_t *held; /* texts of the row that is being put together */
    size_t held_room;
};

static bool take(struct scribe *s, void *to, size_t len) {
    while (len) {
        if (s->at == s->end) {
            ssize_t n;
            do {
                n = recv(s->fd, s->in, sizeof s->in, 0);
            } while (n < 0 && errno == EINTR);
            if (n <= 0) return false;
            s->at = 0, s->end = (size_t)n;
        }
        size_t some = s->end - s->at < len ? s->end - s->at : len;
        memcpy(to, s->in + s->at, some);
        s->at += some, len -= some;
        to = (char *)to + some;
    }
    return true;
}

/* Only the first reason is told. */
static bool failed(struct scribe *s, const char *what) {
    if (s->failed) return false;
    snprintf(s->reply.line, sizeof s->reply.line, "%s: %s: %s", s->path, what, sqlite3_errmsg(s->db));
    s->reply.status = MS_INTERNAL;
    s->failed = true;
    return false;
}

static bool run(struct scribe *s, const char *sql) {
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK || failed(s, "cannot be written");
}

static uint64_t ask(struct scribe *s, const char *sql) {
    sqlite3_stmt *q;
    uint64_t value = 0;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
        value = (uint64_t)sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return value;
}

/* Bytes of the text or blob that is behind its tag; kept until the row is written. */
static bool take_bytes(struct scribe *s, size_t *held, size_t *from, uint32_t *len) {
    if (!take(s, len, sizeof *len) || *len > MS_REC_VALUE_MOST) return false;
    if (*held + *len > s->held_room) s->held = ms_grow(s->held, s->held_room = 2 * (*held + *len), 1);
    *from = *held;
    *held += *len;
    return take(s, s->held + *from, *len);
}

/* A row.  false: the other end is gone, or says what makes no sense. */
static bool take_row(struct scribe *s, enum ms_rec_order order) {
    sqlite3_stmt *q = s->insert[order];
    struct {
        uint8_t tag;
        uint32_t len;
        size_t from;
    } bytes[VALUES_MOST];
    int n = ms_rec_insert[order].values;
    size_t held = 0;
    int64_t number;
    for (int i = 0; i < n; i++) {
        if (!take(s, &bytes[i].tag, 1)) return false;
        switch (bytes[i].tag) {
        case MS_REC_NULL: sqlite3_bind_null(q, i + 1); break;
        case MS_REC_ZERO: sqlite3_bind_int(q, i + 1, 0); break;
        case MS_REC_NUMBER:
            if (!take(s, &number, sizeof number)) return false;
            sqlite3_bind_int64(q, i + 1, number);
            break;
        case MS_REC_STRING:
        case MS_REC_BLOB:
            if (!take_bytes(s, &held, &bytes[i].from, &bytes[i].len)) return false;
            break;
        default: return false;
        }
    }
    for (int i = 0; i < n; i++) { /* now that what holds them moves no more */
        if (bytes[i].tag < MS_REC_STRING) continue;
        const void *at = s->held + bytes[i].from;
        if (bytes[i].tag == MS_REC_STRING) sqlite3_bind_text(q, i + 1, at, (int)bytes[i].len, SQLITE_STATIC);
        if (bytes[i].tag == MS_REC_BLOB) sqlite3_bind_blob(q, i + 1, at, (int)bytes[i].len, SQLITE_STATIC);
    }
    if (!s->failed && sqlite3_step(q) != SQLITE_DONE) failed(s, "cannot be written");
    sqlite3_reset(q);
    return true;
}

/* ---- moments ----------------------------------------------------------------------------------- */

/* Bytes of pages in use, those of the open transaction included. */
static uint64_t used(struct scribe *s) {
    return (ask(s, "PRAGMA page_count") - ask(s, "PRAGMA freelist_count")) * s->page;
}

static bool drop_oldest(struct scribe *s, uint64_t base, uint64_t next) {
    static const char *const from[][2] = {{"look", "moment"},    {"gone", "moment"},  {"detail", "moment"},
                                          {"library", "moment"}, {"text", "base"},    {"type", "base"},
                                          {"map", "base"},       {"moment", "moment"}};
    char sql[128];
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        snprintf(sql, sizeof sql, "DELETE FROM %s WHERE %s >= %llu AND %s < %llu", from[i][0], from[i][1],
                 (unsigned long long)base, from[i][1], (unsigned long long)next);
        if (!run(s, sql)) return false;
    }
    return true;
}

/* Before a keyframe: the oldest segments that the bounds leave no place for; the last one always stays. */
static bool make_place(struct scribe *s) {
    for (;;) {
        uint64_t base = ask(s, "SELECT base FROM moment ORDER BY moment LIMIT 1");
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT moment FROM moment WHERE moment > %llu AND base = moment LIMIT 1",
                 (unsigned long long)base);
        uint64_t next = base ? ask(s, sql) : 0;
        if (next == 0) return true;
        snprintf(sql, sizeof sql, "SELECT wall_ns FROM moment WHERE moment = %llu", (unsigned long long)next);
        uint64_t next_ns = ask(s, sql),
                 last_ns = ask(s, "SELECT wall_ns FROM moment ORDER BY moment DESC LIMIT 1");
        bool old = s->bounds->keep_ns && last_ns > next_ns && last_ns - next_ns > s->bounds->keep_ns;
        bool large = s->bounds->most_bytes && used(s) > s->bounds->most_bytes / 2;
        if (!old && !large) return true;
        if (!drop_oldest(s, base, next)) return false;
    }
}

static uint64_t file_bytes(const struct scribe *s) {
    struct stat st;
    uint64_t sum = stat(s->path, &st) == 0 ? (uint64_t)st.st_size : 0;
    char *log = ms_asprintf("%s-wal", s->path);
    if (stat(log, &st) == 0) sum += (uint64_t)st.st_size;
    free(log);
    return sum;
}

static void begin(struct scribe *s, bool segment) {
    if (s->failed) return;
    s->inside = run(s, "BEGIN IMMEDIATE");
    if (s->inside && segment && make_place(s)) s->segment_from = used(s);
    s->used_before = used(s);
}

static void end(struct scribe *s) {
    uint64_t now = used(s), share = s->bounds->most_bytes / MS_REC_RING_PARTS;
    uint64_t took = now > s->used_before ? now - s->used_before : 0;
    if (!s->failed && share && took > share) {
        snprintf(s->reply.line, sizeof s->reply.line,
                 "--max-bytes: one moment of this process takes %llu bytes and may take an eighth: give at "
                 "least %llu",
                 (unsigned long long)took, (unsigned long long)took * MS_REC_RING_PARTS);
        s->reply.status = MS_USAGE;
        s->failed = true;
    }
    if (s->inside && !s->failed) run(s, "COMMIT");
    if (s->inside && s->failed) sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    s->inside = false;
    s->reply.segment_bytes = now > s->segment_from ? now - s->segment_from : 0;
    s->reply.moments = ask(s, "SELECT count(*) FROM moment");
    s->reply.file_bytes = file_bytes(s);
}

/* ---- the file ---------------------------------------------------------------------------------- */

static bool write_tables(struct scribe *s) {
    char sql[96];
    if (!run(s, "BEGIN IMMEDIATE")) return false;
    for (size_t i = 0; i < ms_rec_table_count; i++)
        if (!run(s, ms_rec_tables[i].sql)) return false;
    snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT", MS_REC_APPLICATION,
             MS_REC_VERSION);
    return run(s, sql);
}

/* The log is folded into the file before it has an eighth of the bound, or 4 MiB. */
static bool open_file(struct scribe *s) {
    enum { LOG_PAGES = 1000, BUSY_MS = 1000 };
    char sql[128];
    if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return failed(s, "cannot be opened");
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    if (!run(s, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY; PRAGMA "
                "cache_size=-16384"))
        return false;
    s->page = ask(s, "PRAGMA page_size");
    uint64_t share = s->bounds->most_bytes / MS_REC_RING_PARTS,
             pages = share ? ms_min(share / s->page, LOG_PAGES) : LOG_PAGES;
    snprintf(sql, sizeof sql, "PRAGMA wal_autocheckpoint=%llu; PRAGMA journal_size_limit=%llu",
             (unsigned long long)pages, (unsigned long long)(pages * s->page));
    if (!run(s, sql) || !write_tables(s)) return false;
    for (int i = 0; i < MS_REC_ROWS; i++)
        if (sqlite3_prepare_v3(s->db, ms_rec_insert[i].sql, -1, SQLITE_PREPARE_PERSISTENT, &s->insert[i],
                               NULL) != SQLITE_OK)
            return failed(s, "cannot be written");
    return true;
}

/* A recording without a moment is none. */
static void close_file(struct scribe *s) {
    if (s->inside) sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    for (int i = 0; i < MS_REC_ROWS; i++) sqlite3_finalize(s->insert[i]);
    bool empty = s->db && ask(s, "SELECT count(*) FROM moment") == 0;
    /* Somebody may be reading it: then the log stays beside it, and is as good. */
    if (!empty) sqlite3_exec(s->db, "PRAGMA journal_mode=MEMORY", NULL, NULL, NULL);
    sqlite3_close(s->db);
    if (empty) unlink(s->path);
    s->reply.file_bytes = file_bytes(s);
}

static void become_quiet(struct scribe *s) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, 0);
    dup2(null, 1); /* stderr stays: it tells who waits for its end when the file is whole */
    if (s->fd != 3) dup2(s->fd, 3);
    s->fd = 3;
    syscall(SYS_close_range, 4, ~0U, 0);
}

static bool answer(struct scribe *s) {
    return send(s->fd, &s->reply, sizeof s->reply, MSG_NOSIGNAL) == (ssize_t)sizeof s->reply;
}

void ms_scribe_serve(int fd, const char *path, const struct ms_rec_bounds *bounds) {
    struct scribe *s = ms_alloc(sizeof *s);
    struct ms_error why;
    uint8_t order = MS_REC_CLOSE;
    *s = (struct scribe){.fd = fd, .path = path, .bounds = bounds};
    s->held = ms_alloc(s->held_room = 4096);
    become_quiet(s);
    if (open_file(s) && ms_sandbox_enter(MS_SANDBOX_SCRIBE, &why)) {
        snprintf(s->reply.line, sizeof s->reply.line, "%.299s", why.line);
        s->reply.status = MS_INTERNAL;
        s->failed = true;
    }
    bool more = answer(s);
    while (more && take(s, &order, 1) && order <= MS_REC_END) {
        if (order < MS_REC_ROWS) {
            more = take_row(s, order);
        } else if (order == MS_REC_END) {
            end(s);
            more = answer(s);
        } else {
            begin(s, order == MS_REC_BEGIN_SEGMENT);
        }
    }
    close_file(s);
    if (order == MS_REC_CLOSE) answer(s);
    _exit(0);
}
