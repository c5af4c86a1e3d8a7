/* doctor.h - findings: what is wrong with maps, what it costs, what to change.
 *
 *   looks (models, one or more moments) -+
 *   what their values are, on request ---+--> rules --> findings, dearest first --> doctor
 *   what the kernel says of memory ------+
 *
 * A rule is a row of a table: an id that never changes, limits that can be set, what it needs to know, a judge of one
 * map, and what it says.  A judge sees models alone and returns bytes.  Maps that are alike and have the same fault
 * are one finding, which is about the worst of them. docs/doctor.md has a section for each id.
 */
#ifndef MS_DOCTOR_H
#define MS_DOCTOR_H

#include "view.h"

enum ms_rule_number {
    MS_RULE_NEVER_SHRUNK,
    MS_RULE_NEAR_EMPTY_GIANT,
    MS_RULE_OVERSIZED_HINT,
    MS_RULE_TOMBSTONE_HEAVY,
    MS_RULE_OVERFLOW_HEAVY,
    MS_RULE_PADDING_HEAVY,
    MS_RULE_SET_AS_BOOL,
    MS_RULE_GROWING_UNBOUNDED,
    MS_RULE_LIKE_MAPS_OUTLIER,
    MS_RULE_HELD_BY_LEAK,
    MS_RULE_HELD_BY_CLOSURE,
    MS_RULE_TINY_MAPS,
    MS_RULE_CHOSEN_KEYS,
    MS_RULE_LAZYFREE_HIDDEN,
    MS_RULE_THP_HELD,
    MS_RULES
};

/* What a rule must know beside one look at the maps. */
enum ms_rule_needs {
    MS_NEEDS_NOTHING,
    MS_NEEDS_LOOKS,  /* at least two, at different moments */
    MS_NEEDS_VALUES, /* which values of a bool map are false */
    MS_NEEDS_HEAP,   /* who leads to what: Go programs */
    MS_NEEDS_MEMORY, /* what the kernel says of mappings */
};

enum { MS_RULE_LIMITS = 3 };
struct ms_rule {
    const char *id, *title;
    const char *harmless; /* when it is no fault; a sentence */
    enum ms_rule_needs needs;
    struct ms_rule_limit {
        const char *name; /* NULL: none */
        double value;     /* unless it is set */
        bool bytes;
        const char *what;
    } limit[MS_RULE_LIMITS];
};
const struct ms_rule *ms_rule_at(enum ms_rule_number r);

/* Which rules are asked, and their limits. */
struct ms_doctor {
    double limit[MS_RULES][MS_RULE_LIMITS];
    bool off[MS_RULES];
    bool some; /* --rule was given: all others are off */
};
void ms_doctor_init(struct ms_doctor *d);
/* "RULE.LIMIT=NUMBER", with K M G T and % as in filters. MS_USAGE: no such rule, limit, or number. */
int ms_doctor_set(struct ms_doctor *d, const char *text, struct ms_error *err);
/* Only this rule (and others asked for so), or all but it.  MS_USAGE: no such rule. */
int ms_doctor_choose(struct ms_doctor *d, const char *id, bool ignore, struct ms_error *err);

struct ms_look {
    const struct ms_map *map;
    size_t maps;
    uint64_t at_ns; /* on any clock that all looks share */
};

/* Values of a bool map that were looked at: enough of them to tell a set. */
struct ms_bools {
    uint64_t looked, zero;
};

/* What the kernel says of one mapping, and what of it is known to be in use. */
struct ms_held_memory {
    uint64_t resident, lazyfree, huge; /* bytes */
    uint64_t used;                     /* of what the heap of a Go program has in it; MS_UNKNOWN */
};

struct ms_patient {
    const struct ms_look *look; /* the last one is the present */
    size_t looks;
    const struct ms_bools *bools;        /* for each map of the present; NULL: not looked at */
    const struct ms_held_memory *memory; /* NULL: not asked for */
    size_t mappings;
    bool heap; /* ms_map.leaked_by was asked for */
    bool go;   /* a Go program */
};

struct ms_finding {
    enum ms_rule_number rule;
    char *name;     /* of the maps; NULL: none in particular */
    uint64_t maps;  /* alike, with this fault */
    uint64_t worst; /* number of the dearest in the present look; MS_UNKNOWN: none */
    uint64_t cost;  /* bytes, of all of them */
    char *evidence; /* a sentence with the figures */
    struct ms_counter figure[6];
    size_t figures;
    char *fix;   /* code, lines */
    bool fix_go; /* it is Go, not C */
};

struct ms_diagnosis {
    struct ms_finding *finding; /* by falling cost */
    size_t findings, room;
    bool asked[MS_RULES]; /* the rule was on, and known was what it needs */
};
void ms_view_doctor(const struct ms_doctor *d, const struct ms_patient *p, struct ms_diagnosis *out);
void ms_diagnosis_free(struct ms_diagnosis *d);

/* ---- rules.c: one judge and one speaker per rule ------------------------------------------------ */

struct ms_exam {
    const struct ms_doctor *d;
    const struct ms_patient *p;
    const struct ms_look *now;
    size_t **index;  /* of each look but the last: its maps by identity */
    uint64_t *usual; /* bytes usual among maps alike; 0: no outlier */
    uint64_t *alike; /* how many they are */
    enum ms_rule_number rule;
};
/* Bytes that the fault costs; 0: the map has not got it. */
uint64_t ms_rule_judge(const struct ms_exam *e, size_t map);
/* The least bytes that maps alike must cost together to be told. */
uint64_t ms_rule_least(const struct ms_exam *e);
/* And how many they must be. */
uint64_t ms_rule_fewest(const struct ms_exam *e);
/* Name, evidence and figures of the finding, whose rule, worst, maps and cost are known. */
void ms_rule_tell(const struct ms_exam *e, struct ms_finding *f);
/* Of the looks, by map; d NULL: no rules will be asked. */
void ms_exam_begin(struct ms_exam *e, const struct ms_doctor *d, const struct ms_patient *p);
void ms_exam_end(struct ms_exam *e);
/* The same map in an earlier look; NULL: it was not there. */
const struct ms_map *ms_exam_before(const struct ms_exam *e, size_t look, const struct ms_map *m);

/* Are the values of such a map bools of one byte? */
bool ms_type_is_bool(const struct ms_type *t);

/* ---- fixes.c ----------------------------------------------------------------------------------- */
/* Code that mends it, for that map's kind and type; allocated. */
char *ms_rule_fix(enum ms_rule_number rule, const struct ms_map *m, bool go);

#endif
