/* record.h - recordings: the map models of a process at moments, in one SQLite file.
 *
 *   mapscope record                                 the scribe (a process of its own)          FILE
 *     look at the target --> struct ms_snapshot
 *     feed.c: what is new since the last moment --> rows over a socket --> scribe.c: INSERT --> one transaction
 *                                                   <-- kept, or a line why not ------------    a moment
 *
 *   any verb, rec:FILE@TIME
 *     recfile.c: a moment's rows --> struct ms_snapshot      recdetail.c: histograms and cells, where recorded
 *
 * mapscope opens no file for writing once its sandbox has closed, so another process writes: it is started before, opens the
 * file, and then closes a stricter filter behind itself (sandbox.h).  It knows no target and computes nothing.  When
 * mapscope ends, however it ends, the scribe reads an end of file, forgets the moment that is not whole, and closes
 * the recording.
 *
 * The tables, what they cost, and how a moment is rebuilt: schema.h.
 */
#ifndef MS_RECORD_H
#define MS_RECORD_H

#include "../error.h"
#include "../model/model.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- writing ----------------------------------------------------------------------------------- */

/* Bounds of a recording, 0: none.  The oldest moments go when they are passed. */
struct ms_rec_bounds {
    uint64_t most_bytes; /* of the file and its journal together; at least MS_REC_BYTES_LEAST */
    uint64_t keep_ns;    /* at least so much is kept, and at most a quarter more */
};
enum { MS_REC_BYTES_LEAST = 1 << 20 };

/* What the scribe says of a moment. */
struct ms_rec_reply {
    int status;             /* enum ms_status */
    uint64_t moments;       /* in the file */
    uint64_t file_bytes;    /* with the journal */
    uint64_t segment_bytes; /* written since the last keyframe */
    char line[300];         /* why, if status is not MS_OK */
};

/* The scribe, as mapscope sees it. */
struct ms_scribe {
    int fd; /* -1: none */
    pid_t pid;
    struct ms_rec_bounds bounds;
};

/* Create the file and start its scribe; before the sandbox closes, and before there are threads.  MS_USAGE: the file cannot
 * be made, or is there and not empty.  A file without a moment is taken away again at the end. */
int ms_scribe_start(struct ms_scribe *s, const char *path, const struct ms_rec_bounds *bounds,
                    struct ms_error *err);
/* Close the file, wait until it is whole.  Safe to call twice. */
int ms_scribe_end(struct ms_scribe *s, struct ms_rec_reply *last, struct ms_error *err);
/* In the process started: serves until the end; does not return. */
_Noreturn void ms_scribe_serve(int fd, const char *path, const struct ms_rec_bounds *bounds);

/* What the scribe has been told, so that only what is new is said again. */
struct ms_feed;
struct ms_feed *ms_feed_create(struct ms_scribe *s);
void ms_feed_free(struct ms_feed *f);
/* A moment: its maps, then details of some of them, then its end, which waits until it is in the file.
 * Cost: some 0.1 us for a map that is as it was, 2 us for one that changed. */
void ms_feed_begin(struct ms_feed *f, const struct ms_snapshot *s, uint64_t wall_ns);
struct ms_rec_detail {
    const struct ms_detail *detail;
    const struct ms_cells *cells, *other;
    uint64_t moved; /* error bound of the cells, in entries */
};
void ms_feed_detail(struct ms_feed *f, const struct ms_map *m, const struct ms_rec_detail *d);
int ms_feed_end(struct ms_feed *f, struct ms_rec_reply *reply, struct ms_error *err);

/* ---- reading ----------------------------------------------------------------------------------- */

/* A moment as far as lists of moments show it. */
struct ms_rec_moment {
    uint64_t number, wall_ns, maps, entries, bytes, waste;
};

/* A recording that is open for reading.  Nothing of it is believed: its tables must be those of schema.h to the letter,
 * numbers within their bounds, rows in order. */
struct ms_rec {
    struct sqlite3 *db;
    char *path;
    uint64_t bytes;          /* more rows than that cannot be in it */
    struct ms_target target; /* what all moments have in common */
    char *runtime;
    struct ms_rec_moment *moment; /* all there are, by time */
    size_t moments, room;
    uint64_t at, base; /* the moment that is looked at, and its keyframe once it was loaded */
    char **name;       /* of counters, for as long as it is open */
    size_t names, name_room;
};

/* FILE or FILE@TIME (rectime.c); '@' belongs to the name if there is such a file.
 * MS_USAGE: no such file, no recording, no such time; MS_UNCERTAIN: damaged. */
int ms_rec_open(struct ms_rec *r, const char *target, struct ms_error *err);
/* A recording that is these bytes, for tests and fuzzing. */
int ms_rec_open_bytes(struct ms_rec *r, const void *bytes, size_t len, struct ms_error *err);
void ms_rec_close(struct ms_rec *r);
/* Read the list of moments again: a recorder may have added some. */
int ms_rec_refresh(struct ms_rec *r, struct ms_error *err);
/* TIME: the last moment that is not later.  "" is the last. */
int ms_rec_find(const struct ms_rec *r, const char *when, uint64_t *moment, struct ms_error *err);
/* The maps of a moment; figures of view/totals.c are left to the caller.
 * Cost: rows of its keyframe and of the changes since, which are at most as many. */
int ms_rec_load(struct ms_rec *r, uint64_t moment, struct ms_snapshot *out, struct ms_error *err);

/* MS_UNCERTAIN, and the line that this was not recorded; how: what would have, or NULL. */
int ms_rec_lacks(const struct ms_rec *r, const char *what, const char *how, struct ms_error *err);
/* "90", "90s", "1.5h", "2d"; false: none. */
bool ms_rec_duration(const char *text, uint64_t *ns);

#endif
