/* cmd_doctor.c - `mapscope doctor TARGET`: what is wrong with its maps, and what to change.
 *
 * Gathers what the rules of view/doctor.c want to know, each only if a rule that is on needs it:
 *
 *   --seconds N   several looks in that time
 *   bool maps     some of their values: is any of them false?  Counted, not kept
 *   Go programs   goroutines that nothing can wake, and what they alone lead to
 *   --resident    what the kernel says of the mappings that hold maps
 */
#include "cmd.h"

#include "view/doctor.h"

#include <stdlib.h>
#include <string.h>

enum { GROUPS_SAMPLED = 64, SAMPLES = 8 };

struct visit {
    struct ms_session s;
    struct ms_looks seen;
    struct ms_bools *bools;
    bool heap; /* leaks were looked for */
    struct ms_held_memory *memory;
    size_t mappings;
};

/* ---- values of bool maps -------------------------------------------------------------------------- */

/* Where the byte of the value of a part lies; 0: it is no live value. */
static uint64_t value_at(const struct ms_map *m, const struct ms_bucket_part *p) {
    if (!p->state || strcmp(p->state, "live") != 0) return 0;
    if (strcmp(p->what, "value") == 0) return p->addr;
    return strcmp(p->what, "slot") == 0 ? p->addr + m->type->slot_payload - 1 : 0;
}

static int sample_run(struct visit *v, struct ms_snapshot *snap, const struct ms_map *m, uint64_t first,
                      struct ms_bools *out, struct ms_error *err) {
    struct ms_group *group = NULL;
    size_t n = 0;
    enum ms_read rc = MS_READ_OK;
    int status = ms_map_groups(&v->s.process.reader, snap, m, first, GROUPS_SAMPLED, &group, &n, err);
    for (size_t i = 0; status == MS_OK && rc != MS_READ_GONE && i < n; i++) {
        struct ms_bucket_part *part = NULL;
        size_t parts = ms_view_bucket(m, &group[i], &part);
        for (size_t k = 0; k < parts && rc != MS_READ_GONE; k++) {
            uint64_t at = value_at(m, &part[k]);
            uint8_t byte;
            if (!at) continue;
            rc = ms_read(&v->s.process.reader, at, &byte, 1);
            if (rc == MS_READ_OK) out->looked++, out->zero += byte == 0;
        }
        free(part);
    }
    free(group);
    return rc == MS_READ_GONE ? ms_fail(err, MS_GONE, "the process ended while a map was read") : status;
}

/* Some runs of groups, evenly spread: a map whose table goes away meanwhile is one that is not looked at. */
static int sample_bools(struct visit *v, struct ms_error *err) {
    struct ms_snapshot *snap = ms_looks_last(&v->seen);
    v->bools = ms_alloc((snap->maps + 1) * sizeof *v->bools);
    for (size_t i = 0; i < snap->maps; i++) {
        const struct ms_map *m = &snap->map[i];
        uint64_t step = m->groups / SAMPLES > GROUPS_SAMPLED ? m->groups / SAMPLES : GROUPS_SAMPLED;
        if (!ms_type_is_bool(m->type) || m->kind == MS_KIND_GO_SYNC || m->certainty == MS_DAMAGED) continue;
        for (uint64_t at = 0; at < m->groups; at += step) {
            struct ms_error why;
            int status = sample_run(v, snap, m, at, &v->bools[i], &why);
            if (status == MS_GONE) return *err = why, status;
            if (status) break;
        }
    }
    return MS_OK;
}

/* ---- the verb ---------------------------------------------------------------------------------- */

static bool wants(const struct ms_doctor *d, enum ms_rule_needs needs) {
    for (int r = 0; r < MS_RULES; r++)
        if (!d->off[r] && ms_rule_at((enum ms_rule_number)r)->needs == needs) return true;
    return false;
}

static void put(struct ms_cmd *cmd, const struct ms_snapshot *snap, const struct ms_diagnosis *x) {
    cmd->documented = cmd->json;
    if (cmd->json) {
        ms_json_doctor(cmd->out, snap, &cmd->doctor, x);
    } else {
        ms_table_target(cmd->out, &cmd->style, snap);
        ms_table_doctor(cmd->out, &cmd->style, snap, &cmd->doctor, x);
    }
}

static int examine(struct ms_cmd *cmd, struct visit *v, struct ms_error *err) {
    struct ms_snapshot *snap = ms_looks_last(&v->seen);
    struct ms_diagnosis found;
    int status = MS_OK;
    if (wants(&cmd->doctor, MS_NEEDS_VALUES)) status = sample_bools(v, err);
    if (status == MS_OK && v->s.go && wants(&cmd->doctor, MS_NEEDS_HEAP))
        status = ms_session_go_leaks(&v->s, snap, &v->heap, err);
    if (status == MS_OK && cmd->resident && !v->s.process.core && !v->s.rec && wants(&cmd->doctor, MS_NEEDS_MEMORY))
        status = ms_session_held(&v->s, &v->memory, &v->mappings, err);
    if (status == MS_OK) status = ms_session_thaw(cmd, &v->s, snap, err);
    if (status) return status;
    struct ms_patient p = {.look = v->seen.look,
                           .looks = v->seen.looks,
                           .bools = v->bools,
                           .memory = v->memory,
                           .mappings = v->mappings,
                           .heap = v->heap,
                           .go = snap->runtime != NULL};
    ms_view_doctor(&cmd->doctor, &p, &found);
    put(cmd, snap, &found);
    status = ms_session_verdict(cmd, snap, err);
    if ((status == MS_OK || status == MS_UNCERTAIN) && found.findings) status = MS_FINDING, err->line[0] = 0;
    ms_diagnosis_free(&found);
    return status;
}

int ms_cmd_doctor(struct ms_cmd *cmd, struct ms_error *err) {
    struct visit v = {.heap = false};
    int status = ms_session_open(&v.s, cmd, err);
    if (status == MS_OK) status = ms_looks_take(cmd, &v.s, cmd->seconds, &v.seen, err);
    if (status == MS_OK) status = examine(cmd, &v, err);
    ms_looks_free(&v.seen);
    free(v.bools);
    free(v.memory);
    ms_session_close(&v.s);
    return status;
}
