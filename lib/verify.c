/* lib/verify.c - the invariants of a map, walked.
 *
 *   I1  count = entries found (table, chains, stash, flood)
 *   I2  every tophash byte is that of its entry's hash
 *   I3  every entry lies in the quad of its home under the geometry that applies to its position
 *   I4  an entry outside its home group has its class's bit set in its home's overflow byte
 *   I5  no tophash byte where no slot is (small tables: beyond cap)
 *   I6  chains end, hold no empty node, and the counts of nodes and chained entries are right
 *   I7  limit and count agree: a fast insert always has room by policy
 *   I8  split and geometries are consistent: no walk, no split; a walk has both
 *   I9  every key is found again (those unequal to themselves excepted)
 *   I10 bytes by part add up, and cells and strings equal a recount
 *   I11 the stash's entries are flagged in the links of their quads
 *   I12 the registry entry points back
 */
#include "internal.h"

#include <stdarg.h>

struct check {
    struct gomap *m;
    int broken;
    char *why;
    size_t why_len;
    uint64_t entries, chained, strings, cells;
};

static bool bad(struct check *c, int number, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool bad(struct check *c, int number, const char *format, ...) {
    va_list args;
    if (c->broken) return false;
    c->broken = number;
    va_start(args, format);
    if (c->why_len) {
        int n = snprintf(c->why, c->why_len, "I%d: ", number);
        if (n > 0 && (size_t)n < c->why_len) vsnprintf(c->why + n, c->why_len - (size_t)n, format, args);
    }
    va_end(args);
    return false;
}

static struct key key_of(const struct gomap *m, const uint8_t *slot, gomap_str *view) {
    const void *api = gomap__slot_key(m->desc, slot, view);
    return m->desc->flags & GOMAP_F_STR ? (struct key){api, view->ptr, view->len}
                                        : (struct key){api, api, m->desc->key_size};
}

static void count_owned(struct check *c, const uint8_t *slot) {
    const struct gomap_desc *d = c->m->desc;
    gomap_str view = {0};
    gomap__slot_key(d, slot, &view);
    if ((d->flags & (GOMAP_F_STR | GOMAP_F_BORROWED)) == GOMAP_F_STR) c->strings += view.len + 1;
    if (d->flags & GOMAP_F_KEY_INDIRECT) c->cells += d->key_size;
    if (d->flags & GOMAP_F_VAL_INDIRECT) c->cells += d->val_size;
}

static bool reflexive(const struct gomap *m, const struct key *k) {
    return !(m->desc->flags & GOMAP_F_USER_EQ) || m->desc->eq(k->api, k->api, gomap__ctx(m));
}

/* Entries of the table and its chains: I2, I3, I4, I9. */
static bool check_entry(struct gomap *m, struct place *p, void *ctx) {
    struct check *c = ctx;
    gomap_str view;
    struct key k = key_of(m, p->slot, &view);
    uint64_t h = gomap__hash_key(m, &k), pos = gomap__pos(m->desc, h);
    struct geom g = gomap__locate(m, pos);
    uint64_t home = gomap__group_of(pos, g.ng), quad = (uint64_t)(p->home / 4);
    c->entries++;
    c->chained += p->node != NULL;
    if (*p->tag != gomap__tag(h))
        return bad(c, 2, "tophash %#x of quad %llu should be %#x", *p->tag, (unsigned long long)quad,
                   gomap__tag(h));
    if (gomap__pos(m->desc, gomap__hash_slot(m, p->slot)) != pos)
        return bad(c, 2, "stored hash bits differ in quad %llu", (unsigned long long)quad);
    if (g.meta != p->g.meta || g.ng != p->g.ng || home / 4 != quad)
        return bad(c, 3, "an entry of quad %llu belongs to quad %llu", (unsigned long long)quad,
                   (unsigned long long)(home / 4));
    bool displaced = p->node || p->home != home;
    if (displaced && !gomap__overflowed(g.meta + home * 16, *p->tag))
        return bad(c, 4, "group %llu has lost sight of a displaced entry", (unsigned long long)home);
    if (reflexive(m, &k) && gomap__get_slot(m, h, &k) != p->slot)
        return bad(c, 9, "a key of quad %llu is not found, or twice there", (unsigned long long)quad);
    return true;
}

static bool owned_entry(struct gomap *m, struct place *p, void *ctx) {
    (void)m;
    count_owned(ctx, p->slot);
    return true;
}

static bool check_chain(struct check *c, const struct geom *g, uint64_t quad, uint64_t *nodes) {
    if (!g->links) return true;
    uint64_t limit = c->m->side->nodes;
    for (struct gomap_node *n = gomap__link_node(g->links[quad]); n; n = n->next) {
        uint32_t tags;
        memcpy(&tags, n->tag, sizeof tags);
        if (!tags) return bad(c, 6, "empty chain node in quad %llu", (unsigned long long)quad);
        if (++*nodes > limit)
            return bad(c, 6, "more chain nodes than the count of %llu", (unsigned long long)limit);
    }
    return true;
}

static void check_table(struct check *c) {
    struct gomap *m = c->m;
    struct geom g[2] = {gomap__hi(m), {0}};
    uint64_t nodes = 0;
    if (m->side && m->side->walk) g[1] = gomap__lo(m);
    for (int lo = 0; lo < 2 && !c->broken; lo++) {
        for (uint64_t q = 0; m->mode && g[lo].meta && q < gomap__quads(g[lo].ng) && !c->broken; q++) {
            if (!gomap__quad_live(m, lo, q)) continue;
            if (check_chain(c, &g[lo], q, &nodes)) gomap__each_in_quad(m, &g[lo], q, check_entry, c);
        }
    }
    if (!c->broken && m->side && (nodes != m->side->nodes || c->chained != m->side->chained))
        bad(c, 6, "%llu nodes with %llu entries, counted %llu with %llu", (unsigned long long)nodes,
            (unsigned long long)c->chained, (unsigned long long)m->side->nodes,
            (unsigned long long)m->side->chained);
}

static void check_small(struct check *c) {
    const struct gomap *m = c->m;
    for (unsigned i = m->cap; m->mode == GOMAP_MODE_SMALL && i < 16; i++)
        if (m->meta[i]) bad(c, 5, "tophash or overflow byte %u of a table of %u slots is set", i, m->cap);
}

static void check_walk(struct check *c) {
    const struct gomap *m = c->m;
    const struct gomap__side *s = gomap__side(m);
    bool walk = s && s->pub.walk, grow = walk && s->pub.walk == GOMAP_WALK_GROW;
    if (!m->ngroups || (m->mode <= GOMAP_MODE_SMALL && m->ngroups != 1))
        bad(c, 8, "no table has %llu groups", (unsigned long long)m->ngroups);
    if (!walk && m->split) bad(c, 8, "split without a walk");
    if (!walk && s && (s->pub.lo_meta || s->pub.lo_ngroups)) bad(c, 8, "old geometry without a walk");
    if (walk && (!s->pub.lo_meta || !s->pub.lo_ngroups)) bad(c, 8, "walk without an old geometry");
    if (walk && (m->split != s->w->pos || gomap__group_of(m->split - grow, s->w->src.ng) / 4 != s->w->at - grow))
        bad(c, 8, "split is not where the walk has come to");
    if (m->seq & 1) bad(c, 8, "geometry left in the middle of a change");
    if (walk ? m->limit != 0 : m->limit < gomap__main_count(m) && m->mode == GOMAP_MODE_SMALL)
        bad(c, 7, "limit %llu with %llu entries", (unsigned long long)m->limit, (unsigned long long)m->count);
}

static void check_stash(struct check *c) {
    struct gomap *m = c->m;
    struct gomap_side *s = m->side;
    if (!s) return;
    uint64_t n = 0;
    for (struct gomap_flood *f = s->flood; f && !c->broken; f = f->next, n++)
        if (n >= s->flood_count || (f->next && (f->next->prev != f || f->next->serial >= f->serial)))
            bad(c, 6, "flood list of %llu is not a list", (unsigned long long)s->flood_count);
    if (n != s->flood_count)
        bad(c, 6, "flood list holds %llu, counted %llu", (unsigned long long)n,
            (unsigned long long)s->flood_count);
    c->entries += n;
    if (!s->stash) return;
    struct check in = {.m = s->stash, .why = c->why, .why_len = c->why_len};
    check_walk(&in), check_small(&in), check_table(&in), check_stash(&in);
    if (!in.broken && in.entries != s->stash->count)
        bad(&in, 1, "stash holds %llu, counts %llu", (unsigned long long)in.entries,
            (unsigned long long)s->stash->count);
    if (in.broken) c->broken = in.broken;
    c->entries += in.entries;
}

static bool stash_flagged(struct gomap *t, struct place *p, void *ctx) {
    struct check *c = ctx;
    struct gomap *m = c->m;
    gomap_str view;
    struct key k = key_of(t, p->slot, &view);
    uint64_t h = gomap__hash_key(m, &k), pos = gomap__pos(m->desc, h);
    struct geom g = gomap__locate(m, pos);
    uint64_t home = gomap__group_of(pos, g.ng);
    if (!g.links || !gomap__link_stash(g.links[home / 4]) ||
        !gomap__overflowed(g.meta + home * 16, h))
        return bad(c, 11, "quad %llu does not know of its stash", (unsigned long long)(home / 4));
    return true;
}

static void check_bytes(struct check *c) {
    gomap_stats st = {.size = sizeof st};
    struct gomap_side *s = c->m->side;
    if (gomap_get_stats(c->m, &st)) return;
    uint64_t sum = st.bytes_header + st.bytes_metadata + st.bytes_slots_live + st.bytes_slots_empty +
                   st.bytes_padding + st.bytes_overflow + st.bytes_moving + st.bytes_cells +
                   st.bytes_strings + st.bytes_slack + st.bytes_stash;
    if (sum != st.bytes)
        bad(c, 10, "parts make %llu, the whole is %llu", (unsigned long long)sum,
            (unsigned long long)st.bytes);
    gomap__each(c->m, owned_entry, c);
    if (!s) return;
    uint64_t limbo = gomap__side(c->m)->limbo ? (uint64_t)gomap__side(c->m)->limbo_len + 1 : 0;
    if (c->strings + limbo != s->string_bytes || c->cells != s->cell_bytes)
        bad(c, 10, "strings %llu, cells %llu; counted %llu, %llu", (unsigned long long)(c->strings + limbo),
            (unsigned long long)c->cells, (unsigned long long)s->string_bytes,
            (unsigned long long)s->cell_bytes);
}

int gomap_verify(const gomap *cm, char *why, size_t why_len) {
    struct check c = {.m = (struct gomap *)(uintptr_t)cm, .why = why, .why_len = why ? why_len : 0};
    if (why && why_len) *why = 0;
    if (!cm) return 0;
    if (cm->cookie != GOMAP_COOKIE || !gomap__registered(cm)) bad(&c, 12, "not a registered live map");
    if (!c.broken) check_walk(&c);
    if (!c.broken) check_small(&c);
    if (!c.broken) check_table(&c);
    if (!c.broken) check_stash(&c);
    if (!c.broken && c.entries != cm->count)
        bad(&c, 1, "count %llu, found %llu", (unsigned long long)cm->count, (unsigned long long)c.entries);
    if (!c.broken && cm->side && cm->side->stash) gomap__each(cm->side->stash, stash_flagged, &c);
    if (!c.broken) check_bytes(&c);
    return c.broken;
}

/* ---- doors for tests -------------------------------------------------------------------------------------------------- */

int gomap__verify_each;
#if GOMAP_DEBUG
void gomap__checkpoint(const struct gomap *m) {
    char why[200];
    if (!gomap__verify_each || !m || m->cookie != GOMAP_COOKIE || !gomap_verify(m, why, sizeof why)) return;
    fprintf(stderr, "gomap: %s\n", why);
    gomap_dump(m, stderr);
    abort();
}
#endif

void gomap__set_seed_for_test(gomap *m, const uint64_t seed[4]) {
    if (m && !m->count) memcpy(m->seed, seed, sizeof m->seed);
}
