/* cmd_whatif.c - `mapscope whatif TARGET MAP CHANGE`: what a map would take after a change of the program. */
#include "cmd_types.h"
#include "view/whatif.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct change {
    const char *name;
    bool table;          /* of the table; else of the type */
    const char *operand; /* NULL: none */
} changes[] = {{"shrink", true, NULL},   {"presize", true, "entries"}, {"slots", true, "slots"},
               {"reorder", false, NULL}, {"indirect", false, NULL},    {"inline", false, NULL},
               {"key", false, "a type"}};

static const struct change *find_change(const struct ms_cmd *cmd, struct ms_error *err) {
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const struct change *c = &changes[i];
        if (strcmp(c->name, cmd->change) != 0) continue;
        if (!c->operand == !cmd->operand) return c;
        if (c->operand)
            ms_fail(err, MS_USAGE, "%s: %s missing", c->name, c->operand);
        else
            ms_fail(err, MS_USAGE, "%s takes no operand", c->name);
        return NULL;
    }
    ms_fail(err, MS_USAGE, "no change '%s': shrink, presize N, slots N, reorder, indirect, inline, key TYPE",
            cmd->change);
    return NULL;
}

static int number(const char *text, const char *what, uint64_t *out, struct ms_error *err) {
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    *out = n;
    if (end == text || *end || errno || *text == '-' || n > UINT64_C(1) << 40)
        return ms_fail(err, MS_USAGE, "'%s' is not a number of %s from 0 to 2^40", text, what);
    return MS_OK;
}

/* A change of the type: what its key and value are made of has to be known first. */
static int change_type(struct ms_cmd *cmd, struct ms_session *s, struct ms_snapshot *snap,
                       const struct ms_map *m, struct ms_whatif *out, struct ms_error *err) {
    struct ms_typing typing = {.go = NULL};
    struct ms_maptype l = {.type = NULL};
    struct ms_contents contents;
    if (!m->type || m->certainty == MS_DAMAGED)
        return ms_fail(err, MS_UNCERTAIN, "the type of the map is not known");
    if (m->kind == MS_KIND_GO_SYNC) return ms_fail(err, MS_USAGE, "a sync.Map has no slots to change");
    int status = ms_typing_learn(&typing, s, snap, err);
    if (status == MS_OK) ms_typing_measure(&typing, m->type, (enum ms_kind)m->kind, m, 1, 0, &l);
    if (status == MS_OK) status = ms_typing_contents(&l, s, snap, m, 1, &contents, err);
    if (status == MS_OK) {
        ms_layout_choose(&l, &contents, m, 1, 0, false);
        status = ms_whatif_type(m, &l, &contents, cmd->change, cmd->operand, out, err);
    }
    ms_layout_free(&l);
    ms_typing_free(&typing);
    return status;
}

/* A change of the table; of a gomap it is counted where its entries lie. */
static int change_table(struct ms_session *s, struct ms_snapshot *snap, const struct ms_map *m,
                        const char *change, uint64_t n, struct ms_whatif *out, struct ms_error *err) {
    enum { QUAD = 4, QUADS_MOST = 1 << 24 };
    struct ms_cells quads = {.count = 0};
    uint64_t bound;
    int status = MS_OK;
    bool gomap = m->kind == MS_KIND_GOMAP || m->kind == MS_KIND_GOMAP_SHARED;
    if (gomap && strcmp(change, "shrink") == 0 && m->certainty != MS_DAMAGED && m->groups >= QUAD &&
        m->groups / QUAD <= QUADS_MOST)
        status = ms_map_cells(&s->process.reader, snap, m, false, 0, m->groups, (size_t)(m->groups / QUAD),
                              &quads, &bound, err);
    if (status == MS_OK) status = ms_whatif_table(m, &quads, change, n, out, err);
    ms_cells_free(&quads);
    return status;
}

int ms_cmd_whatif(struct ms_cmd *cmd, struct ms_error *err) {
    struct ms_session s;
    struct ms_snapshot snap;
    struct ms_whatif w = {.change = NULL};
    const struct ms_map *map = NULL;
    uint64_t n = 0;
    const struct change *change = find_change(cmd, err);
    if (!change) return MS_USAGE;
    int status = change->table && change->operand ? number(cmd->operand, change->operand, &n, err) : MS_OK;
    if (status) return status;
    status = ms_session_map(cmd, &s, &snap, &map, err);
    if (status == MS_OK)
        status = change->table ? change_table(&s, &snap, map, change->name, n, &w, err)
                               : change_type(cmd, &s, &snap, map, &w, err);
    if (status == MS_OK) status = ms_session_thaw(cmd, &s, &snap, err);
    if (status == MS_OK) {
        cmd->documented = cmd->json;
        if (cmd->json) {
            ms_json_whatif(cmd->out, &snap, map, &w);
        } else {
            ms_table_target(cmd->out, &cmd->style, &snap);
            ms_table_whatif(cmd->out, &cmd->style, map, &w);
        }
        if (map->certainty != MS_EXACT)
            status = ms_fail(err, MS_UNCERTAIN, "%s", map->doubt ? map->doubt : "the map changed");
    }
    if (status == MS_OK) status = ms_session_whole(&s, err);
    if (status == MS_OK && w.unfit) err->line[0] = 0, status = MS_FINDING;
    ms_whatif_free(&w);
    ms_snapshot_free(&snap);
    ms_session_close(&s);
    return status;
}
