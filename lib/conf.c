/* lib/conf.c - settings by name: GOMAP_CONF and gomap_ctl share one table.
 *
 *   GOMAP_CONF=huge_pages:never,return_after_ms:100,log:1
 *
 * sets the process defaults, from which a map's settings start.  A name it does not know, or a value that
 * setting cannot have, gets one warning line and is ignored.
 */
#define _GNU_SOURCE
#include "internal.h"

#include "gomap/observe.h"

#include <errno.h>

enum where { PROCESS, MAP, STAT, TIME };

struct setting {
    const char *name; /* in the tree; GOMAP_CONF leaves "policy." out */
    enum where where;
    uint64_t max;
    size_t world, side; /* offsets in struct world, struct gomap__side; stats: in gomap_stats */
    uint8_t bytes;
    const char *words[4]; /* names of the values 0.. */
};

/* What of a duration's counts a name stands for. */
enum { COUNT, SUM, P50, P99, MOST };
#define DURATION(name, what)                                                                                 \
    {"times." name ".count", TIME, 0, COUNT, what, 8, {0}}, {"times." name ".sum_ns", TIME, 0, SUM, what, 8, {0}},   \
        {"times." name ".p50_ns", TIME, 0, P50, what, 8, {0}}, {"times." name ".p99_ns", TIME, 0, P99, what, 8, {0}}, \
        {"times." name ".max_ns", TIME, 0, MOST, what, 8, {0}}
#define W(f) offsetof(struct world, f)
#define S(f) offsetof(struct gomap__side, f)
#define STATISTIC(f)                                                                                         \
    {                                                                                                        \
        "stats." #f, STAT, 0, 0, offsetof(gomap_stats, f), 8, { 0 }                                          \
    }
static const struct setting settings[] = {
    {"policy.mode", MAP, 2, W(mode), S(policy_mode), 1, {"balanced", "speed", "memory"}},
    {"policy.huge_pages", MAP, 2, W(huge), S(policy_huge), 1, {"auto", "never", "always"}},
    {"policy.shrink", MAP, 1, W(shrink), S(policy_shrink), 1, {0}},
    {"policy.return_after_ms", MAP, UINT64_MAX, W(return_after_ms), S(policy_return_after_ms), 8, {0}},
    {"policy.reserve_bytes_max", MAP, UINT64_MAX, W(reserve_max), S(policy_reserve_max), 8, {0}},
    {"policy.backtrace_above", MAP, UINT64_MAX, W(backtrace_above), S(policy_backtrace_above), 8, {0}},
    {"policy.range_from_bytes", PROCESS, UINT64_C(1) << 40, W(range_from), 0, 8, {0}},
    {"policy.log", PROCESS, 1, W(log), 0, 1, {0}},
    {"policy.registry", PROCESS, 1, W(registry), 0, 1, {0}},
    {"policy.profile_bytes", PROCESS, UINT64_C(1) << 40, W(profile_bytes), 0, 8, {0}},
    {"policy.times", PROCESS, 1, W(times), 0, 1, {0}},
    {"policy.stacks", PROCESS, 1, W(stacks), 0, 1, {0}},
    {"policy.ranges_max", PROCESS, UINT64_MAX, W(max_ranges), 0, 8, {0}},
    STATISTIC(entries),
    STATISTIC(slots),
    STATISTIC(groups),
    STATISTIC(chained),
    STATISTIC(stashed),
    STATISTIC(bytes),
    STATISTIC(bytes_header),
    STATISTIC(bytes_metadata),
    STATISTIC(bytes_slots_live),
    STATISTIC(bytes_slots_empty),
    STATISTIC(bytes_padding),
    STATISTIC(bytes_overflow),
    STATISTIC(bytes_moving),
    STATISTIC(bytes_cells),
    STATISTIC(bytes_strings),
    STATISTIC(bytes_slack),
    STATISTIC(bytes_stash),
    STATISTIC(reserved),
    STATISTIC(grow_at),
    STATISTIC(grows),
    STATISTIC(shrinks),
    STATISTIC(moved),
    STATISTIC(move_max),
    STATISTIC(grow_failed),
    STATISTIC(stashed_ever),
    STATISTIC(alarms),
    STATISTIC(madvise_calls),
    STATISTIC(madvise_bytes),
    STATISTIC(reseeds),
    STATISTIC(clears),
    STATISTIC(inconsistent),
    DURATION("grow", GOMAP_TIME_GROW),
    DURATION("move", GOMAP_TIME_MOVE),
    DURATION("alloc", GOMAP_TIME_ALLOC),
};
enum { SETTINGS = sizeof settings / sizeof *settings };

static uint64_t load(const void *base, size_t at, uint8_t bytes) {
    uint64_t wide;
    uint8_t narrow;
    if (bytes == 1) return memcpy(&narrow, (const char *)base + at, 1), narrow;
    return memcpy(&wide, (const char *)base + at, 8), wide;
}

static void store(void *base, size_t at, uint8_t bytes, uint64_t v) {
    uint8_t narrow = (uint8_t)v;
    memcpy((char *)base + at, bytes == 1 ? (void *)&narrow : (void *)&v, bytes);
}

static void set_default(const struct setting *s, uint64_t v) {
    store(&gomap__world, s->world, s->bytes, v);
    if (gomap__world.profile_bytes) gomap__world.observed = 1; /* for good: what is sampled must be seen to go */
}

static const struct setting *find(const char *prefix, const char *name, size_t len) {
    size_t skip = strlen(prefix);
    for (size_t i = 0; i < SETTINGS; i++) {
        const char *known = settings[i].name;
        if (!strncmp(known, prefix, skip) && strlen(known + skip) == len && !strncmp(known + skip, name, len))
            return &settings[i];
    }
    return NULL;
}

const char *gomap_ctl_name(size_t i) { return i < SETTINGS ? settings[i].name : NULL; }

/* Make a changed policy felt by the table there is. */
static void apply(gomap *m) {
    struct gomap__side *side = gomap__side(m);
    if (side->range) gomap__range_advise(side->range, side->policy_huge);
    gomap__set_limits(m);
}

static gomap_err ctl_stat(gomap *m, const struct setting *s, uint64_t *old, const uint64_t *set) {
    gomap_stats st = {.size = sizeof st};
    gomap_err err = gomap_get_stats(m, &st);
    if (set) return GOMAP_EINVAL;
    if (!err && old) *old = load(&st, s->side, 8);
    return err;
}

static gomap_err ctl_time(const gomap *m, const struct setting *s, uint64_t *old, const uint64_t *set) {
    struct gomap_times t;
    if (set) return GOMAP_EINVAL;
    gomap_err err = gomap_get_times(m, (int)s->side, &t);
    if (err || !old) return err;
    switch (s->world) {
    case COUNT: *old = t.count; break;
    case SUM: *old = t.sum_ns; break;
    case P50: *old = gomap_times_below(&t, 0.5); break;
    case P99: *old = gomap_times_below(&t, 0.99); break;
    default: *old = t.max_ns;
    }
    return GOMAP_OK;
}

gomap_err gomap_ctl(gomap *m, const char *name, uint64_t *old, const uint64_t *set) {
    gomap__world_init();
    const struct setting *s = find("", name, strlen(name));
    if (!s || (!m && s->where == STAT)) return GOMAP_ENOENT;
    if (s->where == STAT) return ctl_stat(m, s, old, set);
    if (s->where == TIME) return ctl_time(m, s, old, set);
    if (set && *set > s->max) return GOMAP_EINVAL;
    bool own = m && s->where == MAP;
    if (!own) {
        if (old) *old = load(&gomap__world, s->world, s->bytes);
        if (set) set_default(s, *set);
        return GOMAP_OK;
    }
    struct gomap__side *side = gomap__side(m);
    if (old) *old = side ? load(side, s->side, s->bytes) : load(&gomap__world, s->world, s->bytes);
    if (!set) return GOMAP_OK;
    if (!(side = gomap__need_side(m))) return GOMAP_ENOMEM;
    store(side, s->side, s->bytes, *set);
    apply(m);
    return GOMAP_OK;
}

static bool parse_value(const struct setting *s, const char *text, size_t len, uint64_t *out) {
    char buf[32], *end;
    if (len >= sizeof buf || !len) return false;
    memcpy(buf, text, len), buf[len] = 0;
    for (uint64_t i = 0; i < 4 && s->words[i]; i++)
        if (!strcmp(s->words[i], buf)) return *out = i, true;
    if (buf[0] < '0' || buf[0] > '9') return false; /* strtoull would take blanks and signs */
    errno = 0;
    *out = strtoull(buf, &end, 0);
    return !errno && *end == 0 && *out <= s->max;
}

void gomap__conf_load(void) {
    const char *at = secure_getenv("GOMAP_CONF");
    for (size_t len; at && *at; at += len + (at[len] == ',')) {
        len = strcspn(at, ",");
        size_t name = strcspn(at, ":,");
        const struct setting *s = find("policy.", at, name);
        uint64_t v = 0;
        if (!len) continue;
        if (!s)
            fprintf(stderr, "gomap: GOMAP_CONF: no setting '%.*s'\n", (int)name, at);
        else if (name >= len || !parse_value(s, at + name + 1, len - name - 1, &v))
            fprintf(stderr, "gomap: GOMAP_CONF: not a value for %s: '%.*s'\n", s->name + strlen("policy."),
                    (int)len, at);
        else
            set_default(s, v);
    }
}
