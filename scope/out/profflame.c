/* profflame.c - a profile as a flame graph: SVG without script; a frame tells its figures when the pointer rests on it.
 *
 *   | all                                    |     the width of a frame is what it and all it called come to;
 *   | main                     | worker      |     callers above, what they call below
 *   | load       | index       | load |            colours tell names apart and mean nothing else; grey: no code,
 *   | parse | .. |                                 but where a map of which no stack is known is held
 *
 * Frames narrower than half a pixel are left out, so the file is as small as the picture.
 */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDTH = 1160,
    MARGIN = 16,
    TOP = 52,
    ROW = 19,
    FRAME = 18,
    LETTER = 7,
    DEPTH = 128,
    NODES_MOST = 1 << 22
};
#define LEAST 0.5

struct node {
    uint32_t name, child, next; /* text; the last child; the sibling before; 0: none */
    int64_t value;
    bool code;
};
struct tree {
    const struct ms_profile *p;
    struct node *node; /* 0: all of it */
    size_t nodes, room;
    bool held;      /* some node is no code */
    uint32_t *slot; /* of a child by parent and name: node, 0 free */
    size_t slots;
};

/* ---- the tree ----------------------------------------------------------------------------------------- */

static size_t slot_of(const struct tree *t, const uint32_t *parent, uint32_t of, uint32_t name) {
    uint64_t h = ((uint64_t)of << 32 | name) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(h >> 32) & (t->slots - 1);
    while (t->slot[at] && (parent[t->slot[at]] != of || t->node[t->slot[at]].name != name))
        at = (at + 1) & (t->slots - 1);
    return at;
}

static void widen(struct tree *t, const uint32_t *parent) {
    free(t->slot);
    t->slots = t->slots ? 2 * t->slots : 1024;
    t->slot = ms_alloc(t->slots * sizeof *t->slot);
    for (uint32_t i = 1; i < t->nodes; i++) t->slot[slot_of(t, parent, parent[i], t->node[i].name)] = i;
}

static uint32_t add_node(struct tree *t, uint32_t **parent, size_t *parent_room, uint32_t of, uint32_t name,
                         bool code) {
    MS_ROOM(t->node, t->nodes, t->room);
    MS_ROOM(*parent, t->nodes, *parent_room);
    t->node[t->nodes] = (struct node){.name = name, .next = t->node[of].child, .code = code};
    (*parent)[t->nodes] = of;
    return t->node[of].child = (uint32_t)t->nodes++;
}

static void add_stack(struct tree *t, uint32_t **parent, size_t *parent_room, const struct ms_prof_sample *s,
                      int64_t value) {
    const struct ms_prof_line *frame[DEPTH];
    size_t n = ms_profile_frames(t->p, s, frame, DEPTH);
    uint32_t at = 0;
    t->node[0].value += value;
    for (size_t i = 0; i < n && t->nodes < NODES_MOST; i++) {
        uint32_t name = t->p->function[frame[i]->function - 1].name;
        if (2 * t->nodes >= t->slots) widen(t, *parent);
        size_t slot = slot_of(t, *parent, at, name);
        bool code = t->p->place[t->p->stack[s->place] - 1].addr != 0;
        if (!t->slot[slot]) t->slot[slot] = add_node(t, parent, parent_room, at, name, code);
        at = t->slot[slot];
        t->node[at].value += value;
        t->held |= !code;
    }
}

static void make_tree(struct tree *t, const struct ms_profile *p, enum ms_prof_value v) {
    uint32_t *parent = NULL;
    size_t parent_room = 0;
    struct ms_prof_row *row;
    size_t rows = ms_profile_rows(p, "stack", v, &row);
    *t = (struct tree){.p = p};
    MS_ROOM(t->node, t->nodes, t->room);
    MS_ROOM(parent, t->nodes, parent_room);
    t->node[t->nodes] = (struct node){.code = true};
    parent[t->nodes++] = 0;
    for (size_t i = 0; i < rows && row[i].value[v] > 0; i++)
        add_stack(t, &parent, &parent_room, row[i].first, row[i].value[v]);
    free(row);
    free(parent);
    free(t->slot);
}

/* ---- the picture --------------------------------------------------------------------------------------- */

struct drawing {
    FILE *f;
    const struct tree *t;
    bool bytes;
    double scale; /* pixels a unit */
};

static const char *figure(const struct drawing *d, int64_t v, char buf[16]) {
    return d->bytes ? ms_text_bytes((uint64_t)v, buf) : ms_text_count((uint64_t)v, buf);
}

/* The colours of heat maps, lightened so that text on them can be read. */
static struct ms_rgb colour(const char *name) {
    uint32_t h = 2166136261u;
    for (const char *s = name; *s; s++) h = (h ^ (uint8_t)*s) * 16777619u;
    struct ms_rgb c = ms_heat_colour(0.35 + 0.65 * (double)(h >> 8 & 255) / 255);
    c.r = (uint8_t)(140 + c.r * 115 / 255), c.g = (uint8_t)(140 + c.g * 115 / 255),
    c.b = (uint8_t)(140 + c.b * 115 / 255);
    return c;
}

static void put_text(FILE *f, const char *name, size_t letters) {
    char *s = ms_text_escape(name, true);
    char *fitted = ms_text_fitted(s, (int)(ms_min((uint64_t)ms_text_width(s), letters)), 0, true);
    ms_text_xml(f, fitted);
    free(fitted);
    free(s);
}

static void put_frame(const struct drawing *d, const struct node *n, double x, double width, unsigned depth) {
    const char *name = n == d->t->node ? "all" : ms_profile_string(d->t->p, n->name);
    char value[16];
    int64_t all = d->t->node[0].value;
    unsigned y = TOP + depth * ROW;
    struct ms_rgb c = n->code ? colour(name) : (struct ms_rgb){214, 214, 214};
    fprintf(d->f, "<g><title>");
    ms_text_xml(d->f, name);
    fprintf(
        d->f,
        ": %s, %.1f%%</title><rect x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"%d\" fill=\"#%02x%02x%02x\"/>",
        figure(d, n->value, value), 100 * (double)n->value / (double)all, x, y,
        width > 1 ? width - 0.5 : width, FRAME, c.r, c.g, c.b);
    if (width > 4 * LETTER) {
        fprintf(d->f, "<text x=\"%.1f\" y=\"%u\">", x + 4, y + 13);
        put_text(d->f, name, (size_t)((width - 8) / LETTER));
        fprintf(d->f, "</text>");
    }
    fprintf(d->f, "</g>\n");
}

/* Rows of what is wide enough to be seen. */
static unsigned rows_of(const struct drawing *d, uint32_t number) {
    unsigned most = 0;
    if ((double)d->t->node[number].value * d->scale < LEAST) return 0;
    for (uint32_t c = d->t->node[number].child; c; c = d->t->node[c].next) {
        unsigned rows = rows_of(d, c);
        if (rows > most) most = rows;
    }
    return most + 1;
}

/* Children from left to right as they came, the largest stack's first: they were linked the other way round. */
static void put_node(const struct drawing *d, uint32_t number, double x, unsigned depth) {
    const struct node *n = &d->t->node[number];
    double width = (double)n->value * d->scale;
    if (width < LEAST) return;
    put_frame(d, n, x, width, depth);
    double right = x;
    for (uint32_t c = n->child; c; c = d->t->node[c].next) right += (double)d->t->node[c].value * d->scale;
    for (uint32_t c = n->child; c; c = d->t->node[c].next)
        put_node(d, c, right -= (double)d->t->node[c].value * d->scale, depth + 1);
}

static void put_head(FILE *f, const struct ms_snapshot *s, const struct drawing *d, enum ms_prof_value v,
                     unsigned height) {
    char value[16];
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%u\" viewBox=\"0 0 %d %u\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n"
            "<style>g:hover rect{stroke:#000;stroke-width:1}text{pointer-events:none}</style>\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n<text x=\"%d\" y=\"20\" "
            "font-size=\"14\">",
            WIDTH + 2 * MARGIN, height, WIDTH + 2 * MARGIN, height, MARGIN);
    fprintf(f, "%s of ", ms_prof_value_name(v));
    ms_text_xml(f, s->target.comm ? s->target.comm : "?");
    fprintf(f, ", process %d</text>\n<text x=\"%d\" y=\"38\">%s in all, callers above%s</text>\n",
            s->target.pid, MARGIN, figure(d, d->t->node[0].value, value),
            d->t->held ? "; grey: maps of which no stack is known" : "");
}

void ms_prof_flame(FILE *f, const struct ms_snapshot *s, const struct ms_profile *p, enum ms_prof_value v) {
    struct tree t;
    make_tree(&t, p, v);
    struct drawing d = {.f = f, .t = &t, .bytes = strcmp(ms_prof_value_unit(v), "bytes") == 0};
    d.scale = t.node[0].value > 0 ? WIDTH / (double)t.node[0].value : 0;
    unsigned rows = rows_of(&d, 0);
    put_head(f, s, &d, v, TOP + (rows ? rows : 1) * ROW + MARGIN);
    if (t.node[0].value > 0)
        put_node(&d, 0, MARGIN, 0);
    else
        fprintf(f, "<text x=\"%d\" y=\"%d\">no samples</text>\n", MARGIN, TOP + 13);
    fputs("</svg>\n", f);
    free(t.node);
}
