/* profile.h - a profile of maps: samples, each with a stack, eight values and labels.
 *
 * For whoever serves profiles:
 *     ms_session_profile(session, snapshot, &profile, err)      cmd.h: a target's maps -> profile
 *     ms_prof_proto(FILE *, &profile, err)                      out/out.h: profile.proto, gzipped
 *     ms_prof_folded(FILE *, &profile, value)                   the other formats
 *     ms_prof_speedscope, ms_prof_flame(FILE *, &snapshot, &profile, value)
 * All but the first are pure; a FILE of open_memstream() makes a buffer of them.
 *
 * All parts refer to each other by number, so that the samples of a large program are some arrays:
 *
 *     sample --places--> [place place ...]  leaf first       place --lines--> [line line ...]  inlined calls first
 *            --labels--> [key text, key number ...]          line  --function--> name, file
 *     texts, functions and addresses are stored once; text 0 is "", place, mapping and function 0 are none
 *
 * Values that no sample of the target's allocations tells are those of its maps: the last four types.  They are exact, and each
 * map's are given out once: along the stacks that made it, if any are known, else to one sample whose only frame says where
 * the map is held.  So the sums of these types are those of `list`.  The first four are what the target sampled.
 */
#ifndef MS_PROFILE_H
#define MS_PROFILE_H

#include "../model/model.h"

enum ms_prof_value {
    MS_PROF_ALLOC_OBJECTS,
    MS_PROF_ALLOC_SPACE,
    MS_PROF_INUSE_OBJECTS,
    MS_PROF_INUSE_SPACE,
    MS_PROF_ENTRIES,
    MS_PROF_WASTE,
    MS_PROF_RESIDENT,
    MS_PROF_LAZYFREE,
    MS_PROF_VALUES
};

struct ms_prof_mapping {
    uint64_t start, end, offset;
    uint32_t file, build_id; /* texts */
    bool functions, lines;   /* its places have names; and files with lines */
};
struct ms_prof_function {
    uint32_t name, file; /* texts */
};
struct ms_prof_line {
    uint32_t function, line;
};
struct ms_prof_place {
    uint64_t addr; /* 0: it is no code, only a name in a stack */
    uint32_t mapping;
    uint32_t line, lines; /* the first of its lines */
};
struct ms_prof_label {
    uint32_t key, text; /* text 0: a number */
    int64_t number;
    uint32_t unit;
};
struct ms_prof_sample {
    uint32_t place, places; /* the first of its places in the list of stacks */
    uint32_t label, labels;
    int64_t value[MS_PROF_VALUES];
};

struct ms_prof_index { /* open addressing: number of an entry, 0 free */
    uint32_t *slot;
    size_t slots, used;
};

struct ms_profile {
    char *text; /* one behind the other, each with its NUL */
    size_t text_bytes, text_room;
    uint32_t *text_at;
    size_t texts, text_at_room;
    struct ms_prof_mapping *mapping; /* number - 1, as all that follow */
    size_t mappings, mapping_room;
    struct ms_prof_function *function;
    size_t functions, function_room;
    struct ms_prof_place *place;
    size_t places, place_room;
    struct ms_prof_line *line;
    size_t lines, line_room;
    uint32_t *stack; /* places of all samples */
    size_t stacks, stack_room;
    struct ms_prof_label *label;
    size_t labels, label_room;
    struct ms_prof_sample *sample;
    size_t samples, sample_room;
    struct ms_prof_index by_text, by_function, by_addr;
    uint64_t period;  /* bytes from one sample to the next, on the average; 0: no samples were taken */
    uint64_t time_ns; /* CLOCK_REALTIME */
    enum ms_prof_value shows; /* first, of all types; MS_PROF_VALUES: what ms_profile_default says */
    const char *sampled;      /* NULL: the first four values are known; else why not */
};

void ms_profile_init(struct ms_profile *p);
void ms_profile_free(struct ms_profile *p);

/* ---- making one ---------------------------------------------------------------------------------- */

/* Number of a text. */
uint32_t ms_profile_text(struct ms_profile *p, const char *s);
uint32_t ms_profile_mapping(struct ms_profile *p, const struct ms_prof_mapping *m);
/* The place at an address, a new one if there is none; *is_new: it has no lines yet. */
uint32_t ms_profile_place(struct ms_profile *p, uint64_t addr, bool *is_new);
/* A place that is a name alone. */
uint32_t ms_profile_name(struct ms_profile *p, const char *name);
/* The next line of a place, inlined calls first.  All lines of a place come one after the other. */
void ms_profile_line(struct ms_profile *p, uint32_t place, const char *function, const char *file,
                     uint32_t line);
/* A sample without values; valid until the next one. */
struct ms_prof_sample *ms_profile_sample(struct ms_profile *p, const uint32_t *place, size_t n);
/* A label of the last sample; text NULL or "": none. */
void ms_profile_label(struct ms_profile *p, const char *key, const char *text);
void ms_profile_number(struct ms_profile *p, const char *key, int64_t number, const char *unit);
/* Labels of the last sample by which maps are told: map (what alike maps share), type, holder or site. */
void ms_profile_labels_of(struct ms_profile *p, const struct ms_map *m);
/* The values of a map that a share of it has, 0 to 1, when shares up to `given` were given out before, so that all shares
 * together are the map's figures to the last unit. */
void ms_profile_values_of(const struct ms_map *m, double given, double share, int64_t value[MS_PROF_VALUES]);
/* The sample of a map of which no stack is known. */
void ms_profile_held(struct ms_profile *p, const struct ms_map *m);

/* ---- asking ---------------------------------------------------------------------------------------- */

const char *ms_profile_string(const struct ms_profile *p, uint32_t text);
/* "inuse_space"; "bytes" or "count". */
const char *ms_prof_value_name(enum ms_prof_value v);
const char *ms_prof_value_unit(enum ms_prof_value v);
/* The value type of that name; MS_USAGE. */
int ms_prof_value_of(const char *name, enum ms_prof_value *out, struct ms_error *err);
/* What to show: what `shows` says, else bytes in use; of a target that sampled nothing, what its maps waste. */
enum ms_prof_value ms_profile_default(const struct ms_profile *p);
int64_t ms_profile_total(const struct ms_profile *p, enum ms_prof_value v);
/* The texts of a sample's frames, root first; frames inlined into others too.  At most `most` (the innermost are left out);
 * returns how many there are. */
size_t ms_profile_frames(const struct ms_profile *p, const struct ms_prof_sample *s,
                         const struct ms_prof_line **frame, size_t most);
enum { MS_PROF_FRAMES = 1024 };

/* Samples that are alike in one respect: their stack, a label (map, type, holder, site or one of the program's own), or the
 * function that allocated. */
struct ms_prof_row {
    uint32_t text;                      /* of what they share; of a stack: 0 */
    const struct ms_prof_sample *first; /* one of them */
    uint64_t samples;
    int64_t value[MS_PROF_VALUES];
};
/* Rows by a value, the largest first; *out allocated.  `by`: stack, function, or the key of a label. */
size_t ms_profile_rows(const struct ms_profile *p, const char *by, enum ms_prof_value v,
                       struct ms_prof_row **out);

#endif
