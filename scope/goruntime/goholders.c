/* goholders.c - who holds a map of a Go program.
 *
 * First everything is reached that the roots lead to without the map (gograph.c), nearest first; the runtime's own roots come
 * behind all others, and only what nothing else leads to is held by them.  Then the same objects
 * once more, farthest first: a word that points to the map is kept with its object; a word that points to an object
 * kept, and comes from one level nearer, is a step of a shortest way to it:
 *
 *   level   roots       0           1           2
 *           main.a --> [ ] ------> [ ] ------> [x]------+
 *           main.b --> [ ] --------^           [ ]      |     [x]: points to the map, as main.c does
 *           main.c ---------------------------------> (map)
 *
 * What is kept is a net without cycles, in which ways are counted and then written down, one at least for each word
 * that points to the map.
 *
 * The dominator: with one way in hand, walk from the roots without entering its nodes, noting the farthest one seen.  If
 * the walk ends, that node is on every way, since all nodes before it were passed by and were walked too; go on from it.
 */
#include "goholders.h"

#include "gograph.h"

#include <stdlib.h>

enum { LINKS_MAX = 1 << 20, FROM_ROOT = UINT32_MAX, NONE = UINT32_MAX };

/* A step between two kept objects: `word` in `from` points to the one whose list this is in. */
struct link {
    uint64_t word;
    uint32_t from, next;
};
struct node {
    uint32_t object, level, links; /* links: first of the list, or NONE */
    uint64_t ways;
};

struct net {
    struct ms_go *go;
    const struct ms_goreach *reach;
    struct ms_gotarget target;
    struct node *node; /* [0]: the map; then by falling level */
    size_t nodes, node_room;
    struct link *link;
    size_t links, link_room;
    uint32_t *place; /* open addressing by object: node number, 0 free */
    size_t places;
    uint32_t level, object; /* being looked at; level NONE: the roots */
    uint32_t first_level;   /* of what the roots that are looked at point to */
    uint32_t current;       /* its node; 0: it has none yet */
    bool cut;
    struct ms_goholders *out;
    uint64_t *trail; /* of the way being written, the last word first */
    size_t trail_count, trail_room;
    size_t most, quota;
};

/* ---- kept objects ------------------------------------------------------------------------------ */

static size_t place_of(const struct net *n, uint32_t object) {
    size_t at = (size_t)(object * UINT64_C(0x9e3779b97f4a7c15) >> 24) & (n->places - 1);
    while (n->place[at] && n->node[n->place[at]].object != object) at = (at + 1) & (n->places - 1);
    return at;
}

static void grow_places(struct net *n) {
    free(n->place);
    n->places = n->places ? n->places * 2 : 1024;
    n->place = ms_alloc(n->places * sizeof *n->place);
    for (size_t i = 1; i < n->nodes; i++) n->place[place_of(n, n->node[i].object)] = (uint32_t)i;
}

static uint32_t add_node(struct net *n, uint32_t object, uint32_t level) {
    if ((n->nodes + 1) * 2 >= n->places) grow_places(n);
    MS_ROOM(n->node, n->nodes, n->node_room);
    n->node[n->nodes] = (struct node){.object = object, .level = level, .links = NONE};
    if (n->nodes) n->place[place_of(n, object)] = (uint32_t)n->nodes;
    return (uint32_t)n->nodes++;
}

static void add_link(struct net *n, uint32_t to, uint64_t word) {
    if (n->links >= LINKS_MAX) {
        n->cut = true;
        return;
    }
    if (n->level != NONE && n->current == 0) n->current = add_node(n, n->object, n->level);
    uint32_t from = n->level == NONE ? FROM_ROOT : n->current;
    MS_ROOM(n->link, n->links, n->link_room);
    n->link[n->links] = (struct link){word, from, n->node[to].links};
    n->node[to].links = (uint32_t)n->links++;
}

/* Does a way go from what is looked at to an object of that level?  The runtime's objects wait for theirs. */
static bool is_step(const struct net *n, uint32_t to) {
    uint32_t late = (uint32_t)n->reach->first_level[MS_GO_OF_RUNTIME];
    if (n->level == NONE) return to == n->first_level || to == late;
    return to == n->level + 1 || (to == late && n->level < late);
}

/* A word of the object, or of the roots, that is looked at. */
static void look(void *ctx, uint64_t word, uint64_t value) {
    struct net *n = ctx;
    if (ms_gotarget_has(&n->target, value)) {
        add_link(n, 0, word);
        return;
    }
    uint32_t object = ms_gograph_at(n->go, value);
    if (object == MS_GO_NO_OBJECT) return;
    uint32_t to = n->place[place_of(n, object)];
    if (to && is_step(n, n->node[to].level)) add_link(n, to, word);
}

static void build(struct net *n) {
    const struct ms_goreach *r = n->reach;
    add_node(n, n->target.object, 0);
    for (size_t level = r->levels; level-- > 0;) {
        size_t end = level + 1 < r->levels ? r->level[level + 1] : r->count;
        n->level = (uint32_t)level;
        for (size_t i = r->level[level]; i < end && !n->go->gone; i++) {
            n->object = r->order[i];
            n->current = 0;
            ms_gograph_object(n->go, n->object, look, n);
        }
    }
    n->level = NONE;
    for (enum ms_goroot kind = MS_GO_ROOTS; kind-- > 0;) { /* those noted last are written first */
        n->first_level = (uint32_t)r->first_level[kind];
        ms_gograph_roots(n->go, kind, &n->target, look, n);
    }
}

/* ---- ways -------------------------------------------------------------------------------------- */

/* Nodes were made from the farthest level to the nearest, so each one's steps come from later ones. */
static void count_ways(struct net *n) {
    for (size_t i = n->nodes; i-- > 0;) {
        struct node *to = &n->node[i];
        for (uint32_t k = to->links; k != NONE; k = n->link[k].next) {
            uint32_t from = n->link[k].from;
            to->ways = ms_add(to->ways, from == FROM_ROOT ? 1 : n->node[from].ways);
            n->out->pointers += i == 0;
        }
    }
    n->out->all = n->node[0].ways;
}

static void keep_way(struct net *n) {
    struct ms_goholders *h = n->out;
    struct ms_goway w = {.word = ms_alloc(n->trail_count * sizeof *w.word), .words = n->trail_count};
    for (size_t i = 0; i < w.words; i++) w.word[i] = n->trail[w.words - 1 - i];
    w.internal = ms_gograph_root(n->go, w.word[0]) == MS_GO_OF_RUNTIME;
    MS_ROOM(h->way, h->ways, h->way_room);
    h->way[h->ways++] = w;
}

/* Ways that end in the step k, until there are enough.  As deep as the way is long: on a stack of its own. */
static void write_ways(struct net *n, uint32_t last) {
    uint32_t *step = NULL; /* the step taken at each depth */
    size_t depth = 0, room = 0, start = n->out->ways;
    uint32_t k = last;
    for (;;) {
        MS_ROOM(step, depth, room);
        step[depth++] = k;
        MS_ROOM(n->trail, n->trail_count, n->trail_room);
        n->trail[n->trail_count++] = n->link[k].word;
        if (n->link[k].from != FROM_ROOT && n->node[n->link[k].from].links != NONE) {
            k = n->node[n->link[k].from].links;
            continue;
        }
        if (n->link[k].from == FROM_ROOT) keep_way(n);
        k = NONE;
        while (depth && k == NONE) { /* back to where another step is left */
            k = depth > 1 ? n->link[step[depth - 1]].next : NONE;
            depth--;
            n->trail_count--;
        }
        if (k == NONE || n->out->ways >= n->most || n->out->ways - start >= n->quota) break;
    }
    n->trail_count = 0;
    free(step);
}

static int by_length(const void *a, const void *b) {
    const struct ms_goway *x = a, *y = b;
    if (x->internal != y->internal) return x->internal ? 1 : -1;
    if (x->words != y->words) return x->words < y->words ? -1 : 1;
    return (x->word[0] > y->word[0]) - (x->word[0] < y->word[0]);
}

/* The shorter the earlier: steps to the map were noted from the farthest level on, and each new one put in front. */
static void write_all(struct net *n) {
    struct ms_goholders *h = n->out;
    n->quota = h->pointers && n->most > h->pointers ? (size_t)(n->most / h->pointers) : 1;
    for (uint32_t k = n->node[0].links; k != NONE && h->ways < n->most; k = n->link[k].next) write_ways(n, k);
    if (h->ways) qsort(h->way, h->ways, sizeof *h->way, by_length);
}

/* ---- the dominator ------------------------------------------------------------------------------- */

struct common {
    struct ms_go *go;
    uint64_t root;  /* word[0] of the way */
    uint64_t *met;  /* a bit per object */
    uint32_t *waiting; /* objects to go on from */
    size_t waiting_count, waiting_room;
    uint32_t *node; /* object of each node of the way; [0], its root, is none */
    size_t nodes;
    size_t max, now; /* the farthest node met; the last one that the walk went on from */
    uint32_t *place; /* open addressing by object: node number, 0 free */
    size_t places;
};

static size_t common_place(const struct common *c, uint32_t object) {
    size_t at = (size_t)(object * UINT64_C(0x9e3779b97f4a7c15) >> 24) & (c->places - 1);
    while (c->place[at] && c->node[c->place[at]] != object) at = (at + 1) & (c->places - 1);
    return at;
}

static void go_on_from(struct common *c, size_t object) {
    MS_ROOM(c->waiting, c->waiting_count, c->waiting_room);
    c->waiting[c->waiting_count++] = (uint32_t)object;
}

/* Only the farthest node is waited at: those before it were passed by. */
static void meet_node(struct common *c, size_t i) {
    if (i < c->max) go_on_from(c, c->node[i]);
    if (i > c->max && c->max > c->now) go_on_from(c, c->node[c->max]);
    if (i > c->max) c->max = i;
}

static void enter(void *ctx, uint64_t word, uint64_t value) {
    struct common *c = ctx;
    (void)word;
    uint32_t object = ms_gograph_at(c->go, value);
    if (object == MS_GO_NO_OBJECT || c->met[object / 64] >> (object % 64) & 1) return;
    c->met[object / 64] |= UINT64_C(1) << (object % 64);
    uint32_t i = c->place[common_place(c, object)];
    if (i)
        meet_node(c, i);
    else
        go_on_from(c, object);
}

/* All roots but that of the way. */
static void enter_root(void *ctx, uint64_t word, uint64_t value) {
    struct common *c = ctx;
    if (word != c->root || (!word && ms_gograph_at(c->go, value) != c->node[1])) enter(ctx, word, value);
}

static void run_dry(struct common *c) {
    while (c->waiting_count && !c->go->gone) ms_gograph_object(c->go, c->waiting[--c->waiting_count], enter, c);
}

static size_t last_common(struct common *c) {
    const struct ms_goarea *first = ms_goheap_area_of(c->go, c->node[1]);
    size_t last = SIZE_MAX;
    run_dry(c);
    if (c->max == 0) last = 0; /* the root itself */
    if (first) enter(c, 0, first->start + (c->node[1] - first->first_object) * first->elem);
    for (run_dry(c); c->max > c->now && c->max + 1 < c->nodes && !c->go->gone; run_dry(c)) {
        last = c->now = c->max;
        go_on_from(c, c->node[c->now]);
    }
    return last;
}

/* The last node before the map that every way has; SIZE_MAX: none. */
static size_t dominator_of(struct ms_go *go, const struct ms_goway *way, const struct ms_gotarget *t) {
    struct common c = {.go = go, .nodes = way->words + 1, .root = way->word[0], .places = 64};
    c.met = ms_alloc((size_t)(go->heap.objects / 64 + 1) * sizeof *c.met);
    c.node = ms_alloc(c.nodes * sizeof *c.node);
    while (c.places < 4 * c.nodes) c.places *= 2;
    c.place = ms_alloc(c.places * sizeof *c.place);
    for (size_t i = 1; i < c.nodes; i++) {
        c.node[i] = i < way->words ? ms_gograph_at(go, way->word[i]) : t->object;
        c.place[common_place(&c, c.node[i])] = (uint32_t)i;
    }
    for (enum ms_goroot kind = 0; kind < MS_GO_ROOTS; kind++) ms_gograph_roots(go, kind, t, enter_root, &c);
    size_t last = last_common(&c);
    free(c.met);
    free(c.waiting);
    free(c.node);
    free(c.place);
    return last;
}

/* ---- the whole --------------------------------------------------------------------------------- */

int ms_goholders_find(struct ms_go *go, uint64_t header, size_t most, bool retained, struct ms_goholders *out,
                      struct ms_error *err) {
    struct ms_goreach reach;
    struct net n = {
        .go = go, .reach = &reach, .target = ms_gotarget_of(go, header), .out = out, .most = most};
    *out = (struct ms_goholders){.dominator = SIZE_MAX};
    ms_goreach_run(&reach, go, &n.target, retained);
    if (n.target.object == MS_GO_NO_OBJECT) {
        out->all = 1;
        out->way = ms_alloc(sizeof *out->way);
        out->ways = 1;
    } else {
        build(&n);
        count_ways(&n);
        write_all(&n);
        out->cut = n.cut;
        if (out->ways) out->dominator = dominator_of(go, &out->way[0], &n.target);
    }
    if (retained) {
        ms_goreach_through(&reach);
        out->retained_bytes = reach.bytes;
        out->retained_objects = reach.objects;
    }
    ms_goreach_free(&reach);
    free(n.node);
    free(n.link);
    free(n.place);
    free(n.trail);
    if (!go->gone) return MS_OK;
    ms_goholders_free(out);
    return ms_fail(err, MS_GONE, "the process ended while its heap was walked");
}

void ms_goholders_free(struct ms_goholders *h) {
    for (size_t i = 0; i < h->ways; i++) free(h->way[i].word);
    free(h->way);
    *h = (struct ms_goholders){0};
}
