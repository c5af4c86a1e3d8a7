/* lib/stats.c - a map in numbers, and as a picture. */
#include "internal.h"

static uint64_t table_bytes(const struct gomap *m) {
    switch (m->mode) {
    case GOMAP_MODE_SMALL: return gomap_inspect_small_bytes(m->desc, m->cap);
    case GOMAP_MODE_EMPTY: return 0;
    default: return m->side->hi_bytes;
    }
}

static uint64_t slots_of(const struct gomap *m) {
    if (m->mode == GOMAP_MODE_EMPTY) return 0;
    return m->mode == GOMAP_MODE_SMALL ? m->cap : m->ngroups * GOMAP_GROUP_SLOTS;
}

/* Bytes allocated for a map and all it owns. */
static uint64_t total_bytes(const struct gomap *m) {
    const struct gomap_side *s = m->side;
    uint64_t n = sizeof *m + table_bytes(m);
    if (!s) return n;
    n += s->size + s->lo_bytes + s->arena_bytes + s->loose_bytes;
    return n + (s->stash ? total_bytes(s->stash) : 0);
}

static void side_parts(const struct gomap *m, gomap_stats *o) {
    const struct gomap_side *s = m->side;
    o->bytes_header += s->size;
    o->bytes_moving = s->lo_bytes;
    o->bytes_overflow = s->node_bytes;
    o->bytes_cells = s->cell_bytes;
    o->bytes_strings = s->string_bytes;
    o->bytes_slack = s->arena_bytes + s->loose_bytes - s->node_bytes - s->cell_bytes - s->string_bytes;
    o->bytes_stash = s->stash ? total_bytes(s->stash) : 0;
    o->chained = s->chained;
    o->stashed = s->stash ? s->stash->count : 0;
    o->reserved = s->range_bytes;
    o->walk = s->walk;
    if (s->walk) o->walk_progress = (double)s->walk_quads_done / (double)s->walk_quads_total;
    const struct gomap_counters *c = &s->counters;
    o->grows = c->grows, o->shrinks = c->shrinks, o->moved = c->moved, o->move_max = c->move_max;
    o->grow_failed = c->grow_failed, o->stashed_ever = c->stashed, o->alarms = c->alarms;
    o->madvise_calls = c->madvise_calls, o->madvise_bytes = c->madvise_bytes;
    o->reseeds = c->reseeds, o->clears = c->clears, o->inconsistent = c->inconsistent;
}

gomap_err gomap_get_stats(const gomap *m, gomap_stats *out) {
    if (!out || out->size != sizeof *out) return GOMAP_EINVAL;
    *out = (gomap_stats){.size = sizeof *out};
    if (!m) return GOMAP_OK;
    if (!gomap__alive(m)) return gomap__read_ok(m, "stats"), GOMAP_EMISUSE;
    gomap_stats *o = out;
    const struct gomap_desc *d = m->desc;
    o->entries = m->count, o->slots = slots_of(m), o->groups = m->mode ? m->ngroups : 0;
    o->load = o->slots ? (double)m->count / (double)o->slots : 0;
    o->bytes_header = sizeof *m;
    if (m->side) side_parts(m, o);
    o->grow_at = m->side ? m->side->grow_at : m->limit;
    uint64_t in_slots = gomap__main_count(m) - o->chained;
    if (in_slots > o->slots) in_slots = o->slots; /* the rest is still in the moving area */
    o->bytes_slots_live = in_slots * d->slot_size;
    o->bytes_slots_empty = (o->slots - in_slots) * d->slot_size;
    if (m->mode == GOMAP_MODE_SMALL) o->bytes_metadata = 16;
    if (m->mode >= GOMAP_MODE_BLOCK) o->bytes_metadata = gomap__quads(m->ngroups) * (64 + sizeof(uintptr_t));
    o->bytes_padding = table_bytes(m) - o->bytes_slots_live - o->bytes_slots_empty - o->bytes_metadata;
    o->bytes = total_bytes(m);
    return GOMAP_OK;
}

/* ---- picture ----------------------------------------------------------------------------------------------------- */

enum { DUMP_ROWS = 64 };

static char digit(unsigned n) { return n == 0 ? '.' : n < 10 ? (char)('0' + n) : (char)('a' + n - 10); }

static unsigned chain_length(const struct geom *g, uint64_t quad) {
    unsigned n = 0;
    if (!g->links) return 0;
    for (struct gomap_node *c = gomap__link_node(g->links[quad]); c; c = c->next)
        for (unsigned i = 0; i < GOMAP_NODE_SLOTS; i++) n += c->tag[i] != 0;
    return n;
}

static void dump_quad(const struct gomap *m, const struct geom *g, bool lo, uint64_t quad, FILE *out) {
    fprintf(out, "%c %8llu  ", lo ? 'o' : ' ', (unsigned long long)quad);
    for (unsigned i = 0; i < gomap__quad_groups(g->ng, quad); i++) {
        const uint8_t *meta = g->meta + quad * 64 + i * 16;
        fputc(digit(15 - gomap__bits15(gomap__match_empty(meta))), out);
        fputc(meta[15] ? '*' : ' ', out);
    }
    unsigned chain = chain_length(g, quad);
    if (chain) fprintf(out, " +%u", chain);
    if (g->links && gomap__link_stash(g->links[quad])) fprintf(out, " stash");
    fputc('\n', out);
    (void)m;
}

void gomap_dump(const gomap *m, FILE *out) {
    static const char *const modes[] = {"empty", "small", "block", "range"}, *const walks[] = {"",
                                                                                               ", growing",
                                                                                               ", shrinking"};
    char name[160];
    gomap_stats st = {.size = sizeof st};
    if (!m || gomap_get_stats(m, &st)) {
        fprintf(out, "gomap (NULL)\n");
        return;
    }
    gomap_describe(m, name, sizeof name);
    fprintf(out,
            "gomap %s: %llu entries, %llu slots, load %.3f, %llu bytes, %s%s, %llu chained, %llu stashed\n",
            name, (unsigned long long)st.entries, (unsigned long long)st.slots, st.load,
            (unsigned long long)st.bytes, modes[m->mode & 3], walks[st.walk < 3 ? st.walk : 0],
            (unsigned long long)st.chained, (unsigned long long)st.stashed);
    if (!m->mode) return;
    fprintf(
        out,
        "      quad  entries per group (. = 0, a..f = 10..15; * = some are displaced), + = in the chain\n");
    struct geom g[2] = {gomap__hi(m), {0}};
    if (m->side && m->side->walk) g[1] = gomap__lo(m);
    for (int lo = 1; lo >= 0; lo--) {
        uint64_t quads = g[lo].meta ? gomap__quads(g[lo].ng) : 0, every = (quads + DUMP_ROWS - 1) / DUMP_ROWS;
        if (every > 1)
            fprintf(out, "      (every %lluth of %llu quads)\n", (unsigned long long)every,
                    (unsigned long long)quads);
        for (uint64_t q = 0; q < quads; q += every)
            if (gomap__quad_live(m, lo, q)) dump_quad(m, &g[lo], lo, q, out);
    }
}
