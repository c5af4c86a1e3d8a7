/* cmd.h - the verbs and what they share. */
#ifndef MS_CMD_H
#define MS_CMD_H

#include "confine.h"
#include "error.h"
#include "freeze/freeze.h"
#include "model/holders.h"
#include "model/model.h"
#include "out/out.h"
#include "reader/process.h"
#include "runner.h"
#include "record/record.h"
#include "trace/tracer.h"
#include "view/doctor.h"
#include "view/profile.h"
#include "view/view.h"

#include <signal.h>
#include <stdio.h>

#define MS_VERSION "0.1.0"

/* A file named by the user for output; opened before the sandbox closes. */
struct ms_output {
    const char *path;
    int fd;
};

/* Of `record`. */
struct ms_record {
    const char *file;
    struct ms_rec_bounds bounds;
    uint64_t count;                 /* moments; 0: no end */
    size_t details;                 /* of so many maps, the largest; 0: of those that match */
    struct ms_filter detail_filter; /* no terms and no number: of none */
};

/* Of `prof`. */
struct ms_prof {
    struct ms_output file;
    bool has_value; /* --sample-index was given */
    enum ms_prof_value value;
};

struct ms_cmd {
    const struct ms_verb *verb;
    struct ms_style style;
    bool json;
    const char *listen, *token_file; /* of serve and agent; NULL: not given */
    const char *format; /* another one of -o that the verb has; NULL: none was named */
    FILE *out;
    const char *target, *map;
    const char *sort;
    const char *exe; /* --exe; NULL: the program's own file */
    struct ms_filter filter;
    const char *filter_text; /* as it was given; NULL: it was not */
    size_t limit; /* rows; 0: all */
    enum ms_by by;
    const char *by_text; /* as given; NULL: it was not */
    bool has_by, expand;
    struct ms_prof prof;
    bool has_hex, show_data;
    uint64_t hex; /* number of a group */
    double interval;
    double seconds; /* --seconds; 0: not given */
    struct ms_record record;
    struct ms_scribe scribe; /* writes the recording */
    const char *at;           /* of `replay`: TIME; NULL: not given */
    struct ms_filter fail_on; /* of `diff` */
    const char *fail_on_text;
    struct ms_doctor doctor;
    const char *when;             /* --when, as filter */
    const char *budget[32];       /* --budget */
    size_t budgets;
    char **command;               /* behind --; NULL: none */
    struct ms_runner runner;      /* that runs it */
    bool resident, once, retained;
    bool unused;                 /* --unused */
    const char *change, *operand; /* of whatif */
    bool documented; /* a JSON document was written */
    struct ms_output svg, png, html, perfetto;
    bool probes, join, assign; /* of events */
    struct ms_tracer tracer;   /* that sets probes */
    bool has_range;
    uint64_t first, groups; /* --range, --group */
    enum ms_mode mode;       /* how the target is read */
    struct ms_keeper keeper; /* holds it, unless it is read while it runs */
};

struct ms_verb {
    const char *name;
    const char *arguments; /* for SYNOPSIS */
    int needs, takes;      /* positional arguments at least, at most */
    const char *options;   /* letters of the options it knows (options.c) */
    const char *summary;   /* one line */
    const char *help;      /* the rest */
    int (*run)(struct ms_cmd *cmd, struct ms_error *err);
    const char *formats;   /* that -o takes beside table and json, by spaces; NULL: none */
};
extern const struct ms_verb ms_verbs[];
extern const size_t ms_verb_count;

int ms_cmd_ls(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_list(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_top(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_show(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_heat(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_holders(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_explain(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_layout(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_whatif(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_doctor(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_forecast(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_check(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_watch(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_mem(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_events(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_completion(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_diff(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_replay(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_record(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_version(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_metrics(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_serve(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_agent(struct ms_cmd *cmd, struct ms_error *err);
int ms_cmd_prof(struct ms_cmd *cmd, struct ms_error *err);

/* ---- options.c --------------------------------------------------------------------------------- */
/* MS_OK with cmd->verb NULL: help was printed. */
int ms_options_parse(struct ms_cmd *cmd, int argc, char **argv, struct ms_error *err);
void ms_help(FILE *f, const struct ms_verb *verb);
/* An option as its help tells it. */
struct ms_option_row {
    char name[16];
    int letter;      /* in ms_verb.options */
    char short_form; /* 0: none */
    char takes[16];  /* "FILE", "N" ...; "": nothing */
    char help[80];   /* the beginning of it */
};
bool ms_options_row(size_t i, struct ms_option_row *out); /* false: there is no i-th */

/* ---- cmd_common.c ------------------------------------------------------------------------------ */
/* A target that is open: its process and where its roots are. */
struct ms_session {
    struct ms_process process;
    uint64_t *root; /* addresses that were roots at the last look */
    char **image;
    size_t roots, room, image_room;
    size_t images, mappings, elf32;
    uint64_t program; /* where the image of the program itself starts; 0: there is none */
    bool main_is_32bit;
    const char *exe;  /* whose debug information is used; NULL: the program's own */
    struct ms_go *go; /* NULL: not a Go program, or not looked at as one */
    struct ms_elf *go_elf;
    struct ms_table go_table; /* its debug information */
    struct ms_error no_table; /* why there is none, though there may be debug information; "": there is none */
    struct ms_registers *registers; /* of its threads, when it was held */
    size_t threads;
    bool late;          /* it ran again before all was read */
    uint64_t paused_ns; /* all pauses together */
    struct ms_rec *rec; /* the recording it is; NULL: a process or a core file */
    bool rec_follows;   /* its last moment is meant, whichever that is */
    /* Of a Go program, when go->asked was set while its heap is walked: takes what was found so far, the share of the heap's
     * objects that were met, and how many maps that were, of which the snapshot has those nearest to the roots. */
    void (*so_far)(void *ctx, struct ms_snapshot *snap, double share, size_t found);
    void *so_far_ctx;
    size_t found; /* that number */
};
/* Of a PID, a name, core:FILE[,EXE] or rec:FILE[@TIME]. Refuses targets without maps. */
int ms_session_open(struct ms_session *s, const struct ms_cmd *cmd, struct ms_error *err);
/* Of one pid; a target without maps is MS_OK with roots 0. */
int ms_session_open_pid(struct ms_session *s, int pid, struct ms_error *err);
void ms_session_close(struct ms_session *s);
/* Look for roots again (libraries may have been loaded). */
int ms_session_find(struct ms_session *s, struct ms_error *err);
int ms_session_snapshot(struct ms_session *s, bool want_maps, bool resident, struct ms_snapshot *out,
                        struct ms_error *err);
/* A snapshot that says what the target is, and has no maps yet. */
void ms_session_describe(struct ms_session *s, struct ms_snapshot *out);
/* A snapshot of all maps, of the target held as --stop or --snapshot say: reads that follow see it as it was then. */
int ms_session_look(struct ms_cmd *cmd, struct ms_session *s, bool resident, struct ms_snapshot *out,
                    struct ms_error *err);
/* All is read: let a stopped target go, and say in snap for how long it was held. */
int ms_session_thaw(struct ms_cmd *cmd, struct ms_session *s, struct ms_snapshot *snap, struct ms_error *err);
/* MS_UNCERTAIN, with a line, if the target is a core file that was cut, or ran again too early; else MS_OK. */
int ms_session_whole(const struct ms_session *s, struct ms_error *err);
/* Open the target, take a snapshot, find cmd->map in it. */
int ms_session_map(struct ms_cmd *cmd, struct ms_session *s, struct ms_snapshot *snap,
                   const struct ms_map **map, struct ms_error *err);
/* Filter, sort and cut to cmd->limit: moves the chosen maps to the front, returns their number. */
int ms_session_select(struct ms_cmd *cmd, struct ms_snapshot *snap, struct ms_totals *totals, size_t *n,
                      struct ms_error *err);
/* MS_UNCERTAIN if anything in it is, else MS_OK; prints notes to stderr when the output is a table. */
int ms_session_verdict(struct ms_cmd *cmd, const struct ms_snapshot *snap, struct ms_error *err);

/* ---- cmd_rec.c: recordings ---------------------------------------------------------------------- */
int ms_session_rec_open(struct ms_session *s, const char *file, struct ms_error *err);
int ms_session_rec_snapshot(struct ms_session *s, bool want_maps, bool resident, struct ms_snapshot *out,
                            struct ms_error *err);
/* The path that was recorded; MS_UNCERTAIN: none was. */
int ms_session_rec_holders(struct ms_session *s, const struct ms_map *m, struct ms_holders *out, struct ms_error *err);
void ms_session_rec_close(struct ms_session *s);
/* MS_USAGE, if the target is no process: what `option` does ("--seconds is") takes one. */
int ms_session_runs(const struct ms_session *s, const char *option, struct ms_error *err);

/* ---- cmd_go.c: Go programs ---------------------------------------------------------------------- */
/* The image that is the program; NULL: none is mapped. */
const struct ms_image *ms_session_program(const struct ms_session *s, const struct ms_images *images);
/* Open the target as a Go program if it is one.  MS_UNCERTAIN: a Go this version does not know. */
int ms_session_go_open(struct ms_session *s, struct ms_error *err);
/* The version of Go a program was built by, as its image in memory says; NULL: none, or older than Go 1.18.  Allocated.
 * Reads at most a megabyte of each of its writable segments, and nothing of its heap. */
char *ms_session_go_version(struct ms_session *s);
/* The same of a file in which no process runs, whose memory at start r shows (reader/binary.h); fd: the file.  s->go stays
 * NULL if it is no Go program. */
int ms_session_go_file(struct ms_session *s, struct ms_reader *r, uint64_t start, int fd, struct ms_error *err);
/* Add every map type of the program that its snapshot does not have yet. */
struct ms_go;
void ms_session_go_types(struct ms_go *go, struct ms_snapshot *out);
/* Walk its heap and add its maps. */
int ms_session_go_maps(struct ms_session *s, struct ms_snapshot *out, struct ms_error *err);
/* Say of each map of a snapshot which goroutine that nothing can wake, or which timer, alone leads to it.  *known false: the program
 * has no debug information.  A pass over all objects that hold pointers. */
int ms_session_go_leaks(struct ms_session *s, struct ms_snapshot *snap, bool *known, struct ms_error *err);
void ms_session_go_close(struct ms_session *s);
bool ms_bytes_of_memory(void *ctx, uint64_t addr, void *buf, size_t len); /* ctx: a reader */
bool ms_bytes_of_file(void *ctx, uint64_t at, void *buf, size_t len);     /* ctx: a descriptor */

/* ---- cmd_holders.c ------------------------------------------------------------------------------ */
/* Who holds a map of a Go program, after a snapshot: at most `most` paths, and on request what it retains. */
int ms_session_go_holders(struct ms_session *s, const struct ms_map *m, size_t most, bool retained,
                          struct ms_holders *out, struct ms_error *err);

/* The same of a map of any target, recordings included. */
int ms_session_holders(struct ms_session *s, const struct ms_map *m, size_t most, bool retained,
                       struct ms_holders *out, struct ms_error *err);

extern const char ms_retained_go_only[]; /* the line for other programs */

/* ---- cmd_scan.c ---------------------------------------------------------------------------------- */
/* The same of a C program, by a conservative scan of its writable memory. */
int ms_session_scan(struct ms_session *s, const struct ms_map *m, size_t most, struct ms_holders *out,
                    struct ms_error *err);

/* What a C program has at an address of memory it can write to.  Close it whatever the result of opening. */
struct ms_places;
int ms_places_open(struct ms_session *s, struct ms_places **out, struct ms_error *err);
void ms_places_close(struct ms_places *p);
enum ms_root ms_places_name(void *places, uint64_t addr, char **name); /* *name allocated; NULL: it has none */

/* ---- cmd_held.c ---------------------------------------------------------------------------------- */
/* What the kernel says of each mapping of a process, and what in it is known to be in use.  *out allocated, also on errors. */
int ms_session_held(struct ms_session *s, struct ms_held_memory **out, size_t *n, struct ms_error *err);

/* ---- cmd_forecast.c ------------------------------------------------------------------------------ */
/* What limits and machine leave a target that runs; of others nothing is known. */
struct ms_room;
void ms_session_room(struct ms_session *s, struct ms_room *out);

/* ---- cmd_prof.c ---------------------------------------------------------------------------------- */
/* The profile of a target, of a snapshot of all its maps, whose notes it may add to.  *out is initialised; free it in any case.
 * Samples are read from the target: it must still be open, and held if it was. */
int ms_session_profile(struct ms_session *s, struct ms_snapshot *snap, struct ms_profile *out, struct ms_error *err);

/* ---- cmd_serve.c --------------------------------------------------------------------------------- */
/* Serve a site until SIGINT or SIGTERM, at --listen or `usual`, after a line "WHAT at http://ADDRESS/". */
struct web_site;
int ms_web_serve(struct ms_cmd *cmd, const char *usual, const struct web_site *site, const char *what, struct ms_error *err);

/* ---- cmd_looks.c --------------------------------------------------------------------------------- */
enum { MS_LOOKS_MOST = 5 };
struct ms_looks {
    struct ms_snapshot snap[MS_LOOKS_MOST];
    struct ms_look look[MS_LOOKS_MOST]; /* of them */
    size_t looks;
};
/* One look, or, if seconds is above 0, MS_LOOKS_MOST over so many.  The last is not thawed.  Free it in any case. */
int ms_looks_take(struct ms_cmd *cmd, struct ms_session *s, double seconds, struct ms_looks *l, struct ms_error *err);
struct ms_snapshot *ms_looks_last(struct ms_looks *l);
void ms_looks_free(struct ms_looks *l);
uint64_t ms_now_ns(void); /* CLOCK_MONOTONIC */
void ms_wait_until(uint64_t ns);
/* Wait until then.  true: one of these signals, which are blocked, came before. */
bool ms_wait_or_signal(const sigset_t *ends, uint64_t ns);

/* ---- output.c ---------------------------------------------------------------------------------- */
int ms_output_open(struct ms_output *o, struct ms_error *err);
/* Write to an output file by fn; whole or an error. */
int ms_output_write(struct ms_output *o, int (*fn)(FILE *f, void *ctx, struct ms_error *err), void *ctx,
                    struct ms_error *err);
/* Take the file away if this run created it and never wrote it whole. */
void ms_output_end(struct ms_output *o);

/* ---- cmd_heat.c, used by show --html ------------------------------------------------------------ */
struct ms_heat {
    struct ms_cells cells, other;
    uint64_t moved;
};
int ms_heat_load(struct ms_session *s, struct ms_snapshot *snap, const struct ms_detail *d, uint64_t first,
                 uint64_t groups, size_t max_cells, struct ms_heat *out, struct ms_error *err);
void ms_heat_free(struct ms_heat *h);

#endif
