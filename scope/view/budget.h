/* budget.h - limits that maps must keep while a program runs. */
#ifndef MS_BUDGET_H
#define MS_BUDGET_H

#include "doctor.h"

/* "name=sessions,waste<10M": terms about texts choose maps, terms about numbers are what each of them must keep.  Without a
 * term about a text it is about all maps together: "bytes<100M". */
struct ms_budget {
    const char *text; /* the caller's */
    struct ms_filter choose, limit;
    uint64_t seen;     /* maps in looks that it was about; of sums, looks */
    uint64_t broken;   /* of them, those that did not keep it */
    uint64_t first_ns; /* the first such look */
    size_t term;       /* of limit: which was broken first */
    double worst;      /* the value farthest beyond that term; while it is kept, nearest to its first */
    uint64_t worst_ns;
    char *label; /* of the map that had it; NULL: all together */
};
/* MS_USAGE: not a filter, or no limit in it. */
int ms_budget_parse(struct ms_budget *b, const char *text, struct ms_error *err);
/* Hold it against the maps of a look. */
void ms_budget_check(struct ms_budget *b, const struct ms_look *look);
void ms_budget_free(struct ms_budget *b);

/* A program that was run, and what its maps came to. */
struct ms_checked {
    const char *program;
    int pid, code, signal;                /* signal: that ended it; else code is its exit code */
    uint64_t ns;                          /* for how long it ran */
    uint64_t looks;                       /* that saw its maps */
    bool at_exit;                         /* the last of them when it was about to end */
    const char *runtime;                  /* of a Go program */
    uint64_t maps, entries, bytes, waste; /* most at one look, each */
    uint64_t bytes_ns;                    /* when bytes were most */
    uint64_t made, freed; /* of the libraries' own counts at the last look; MS_UNKNOWN: Go has none */
    struct ms_budget *budget;
    size_t budgets;
};
void ms_checked_look(struct ms_checked *c, const struct ms_snapshot *snap, uint64_t at_ns);

/* Growths of maps that count none themselves: those that a look sees since the one before (NULL: it is the first). */
void ms_view_growths(struct ms_look *before, struct ms_map *maps, size_t n);

#endif
