/* cluster.c - maps that are alike, as one row: 48,210 maps in the same field of a type are one finding.
 *
 *   --by place     main.session.attrs x300                  maps by the field that holds them and their type
 *   --by type      map[string]int x1,203                    a tree: types, and below each the places
 *                    main.user.Tags x200
 *   --by holder    main.GUsers x201                         a tree: roots, and below each the places
 *                    main.user.Tags x200
 *
 * The maps come sorted.  Each level puts them into clusters by a text, keeping that order, so the first map of a cluster is
 * its worst; clusters are sorted by their sums.  With `expand` each cluster is followed by its maps.  A cluster of one is
 * shown as the map it is.
 */
#include "view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 2, INDENT = 2 };

/* The text of a map by which it is put into a cluster; allocated. */
typedef char *key_fn(const struct ms_map *m);

struct tree {
    const struct ms_map *maps;
    key_fn *key[LEVELS];
    size_t levels;
    bool expand;
    const char *field;
    size_t most;
    struct ms_clusters *out;
    struct ms_error *err;
};

/* ---- keys -------------------------------------------------------------------------------------- */

static const char *place_of(const struct ms_map *m) {
    return m->place ? m->place : m->name ? m->name : m->site ? m->site : "?";
}

static char *key_place(const struct ms_map *m) {
    return ms_asprintf("%s\n%s", place_of(m), m->type ? m->type->name : "?");
}

static char *key_type(const struct ms_map *m) { return ms_strdup(m->type ? m->type->name : "?"); }

/* The first step of a path: main.GUsers of main.GUsers[*].tags; a frame is all one step.  A package may have dots and
 * slashes: github.com/a/b.Var */
static char *key_root(const struct ms_map *m) {
    const char *path = m->holder ? m->holder : place_of(m), *end;
    if (strncmp(path, "goroutine ", 10) == 0) {
        const char *name = path + 10 + strspn(path + 10, "0123456789");
        for (end = name; *end && !(end[0] == ' ' && end[1] == '+'); end++) {}
        return ms_asprintf("goroutine *%.*s", (int)(end - name), name);
    }
    size_t head = strcspn(path, "[{<( ");
    const char *slash = memrchr(path, '/', head);
    const char *name = slash ? slash : path;
    const char *dot = memchr(name, '.', head - (size_t)(name - path));
    if (dot) head = (size_t)(dot + 1 - path) + strcspn(dot + 1, ".[{<( ");
    return ms_asprintf("%.*s", (int)head, path);
}

char *ms_view_cluster_key(const struct ms_map *m, enum ms_by by) {
    return by == MS_BY_TYPE ? key_type(m) : by == MS_BY_HOLDER ? key_root(m) : key_place(m);
}

/* ---- one level --------------------------------------------------------------------------------- */

struct cluster {
    char *key;
    size_t *member; /* numbers of maps, in their order */
    size_t count, room;
};
struct level {
    struct cluster *cluster;
    size_t count, room;
    size_t *slot; /* open addressing by key: cluster + 1, 0 free */
    size_t slots;
};

static size_t hash_of(const char *s) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    while (*s) h = (h ^ (uint8_t)*s++) * UINT64_C(0x100000001b3);
    return (size_t)(h ^ h >> 29);
}

static size_t place_in(const struct level *l, const char *key) {
    size_t at = hash_of(key) & (l->slots - 1);
    while (l->slot[at] && strcmp(l->cluster[l->slot[at] - 1].key, key) != 0) at = (at + 1) & (l->slots - 1);
    return at;
}

static void grow(struct level *l) {
    free(l->slot);
    l->slots = l->slots ? l->slots * 2 : 256;
    l->slot = ms_alloc(l->slots * sizeof *l->slot);
    for (size_t i = 0; i < l->count; i++) l->slot[place_in(l, l->cluster[i].key)] = i + 1;
}

static void put_member(struct level *l, char *key, size_t map) {
    if (l->count * 2 >= l->slots) grow(l);
    size_t at = place_in(l, key);
    if (!l->slot[at]) {
        MS_ROOM(l->cluster, l->count, l->room);
        l->cluster[l->count++] = (struct cluster){.key = ms_strdup(key)};
        l->slot[at] = l->count;
    }
    struct cluster *c = &l->cluster[l->slot[at] - 1];
    MS_ROOM(c->member, c->count, c->room);
    c->member[c->count++] = map;
    free(key);
}

static void free_level(struct level *l) {
    for (size_t i = 0; i < l->count; i++) {
        free(l->cluster[i].key);
        free(l->cluster[i].member);
    }
    free(l->cluster);
    free(l->slot);
}

/* ---- rows -------------------------------------------------------------------------------------- */

/* The maps of a cluster as one: sums, the mean load, the growth that is nearest. */
static struct ms_map sum_of(const struct tree *t, const struct cluster *c) {
    struct ms_map sum = t->maps[c->member[0]];
    bool resident = sum.resident != MS_UNKNOWN, same_type = true;
    for (size_t i = 1; i < c->count; i++) {
        const struct ms_map *m = &t->maps[c->member[i]];
        sum.entries = ms_add(sum.entries, m->entries);
        sum.slots = ms_add(sum.slots, m->slots);
        sum.bytes = ms_add(sum.bytes, m->bytes);
        sum.waste = ms_add(sum.waste, m->waste);
        sum.rebuild_gain = ms_add(sum.rebuild_gain, m->rebuild_gain);
        for (int p = 0; p < MS_PARTS; p++) sum.part[p] = ms_add(sum.part[p], m->part[p]);
        resident = resident && m->resident != MS_UNKNOWN;
        if (resident) sum.resident = ms_add(sum.resident, m->resident);
        same_type = same_type && m->type == sum.type;
        if (m->certainty > sum.certainty) sum.certainty = m->certainty;
    }
    if (c->count > 1) {
        sum.load = sum.slots ? (double)sum.entries / (double)sum.slots : 0;
        sum.walk = MS_WALK_NONE;
        sum.grow_at = MS_UNKNOWN;
        if (sum.certainty == MS_DAMAGED) sum.certainty = MS_CHANGING; /* the sums are of the others */
    }
    if (!resident) sum.resident = MS_UNKNOWN;
    if (!same_type) sum.type = NULL;
    return sum;
}

static char *grouped(size_t n) {
    char digits[32], *text = ms_alloc(48), *w = text;
    int len = snprintf(digits, sizeof digits, "%zu", n);
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0) *w++ = ',';
        *w++ = digits[i];
    }
    *w = 0;
    return text;
}

static void add_row(struct tree *t, const struct ms_map *m, const char *name, uint64_t of, size_t depth) {
    struct ms_clusters *c = t->out;
    MS_ROOM(c->row, c->rows, c->room);
    MS_ROOM(c->cluster, c->rows, c->cluster_room);
    struct ms_map *row = &c->row[c->rows];
    *row = *m;
    if (of > 1) {
        char *count = grouped(of);
        row->name = ms_asprintf("%*s%s x%s", (int)(INDENT * depth), "", name, count);
        free(count);
    } else {
        row->name = ms_asprintf("%*s%s", (int)(INDENT * depth), "", name);
    }
    c->cluster[c->rows++] = (struct ms_cluster){ms_strdup(name), of, (unsigned)depth};
}

static void add_map(struct tree *t, size_t map, size_t depth) {
    char *label = ms_map_label(&t->maps[map]);
    add_row(t, &t->maps[map], label, 1, depth);
    free(label);
}

static int add_level(struct tree *t, const size_t *member, size_t n, size_t depth);

static int add_cluster(struct tree *t, const struct cluster *c, const struct ms_map *sum, size_t depth) {
    int status = MS_OK;
    if (c->count == 1) {
        add_map(t, c->member[0], depth);
        return MS_OK;
    }
    int name = (int)strcspn(c->key, "\n"); /* a place has its type behind it */
    char *text = ms_asprintf("%.*s", name, c->key);
    add_row(t, sum, text, c->count, depth);
    free(text);
    if (depth + 1 < t->levels)
        status = add_level(t, c->member, c->count, depth + 1);
    else
        for (size_t i = 0; t->expand && i < c->count; i++) add_map(t, c->member[i], depth + 1);
    return status;
}

static int add_level(struct tree *t, const size_t *member, size_t n, size_t depth) {
    struct level l = {0};
    for (size_t i = 0; i < n; i++) put_member(&l, t->key[depth](&t->maps[member[i]]), member[i]);
    struct ms_map *sum = ms_alloc((l.count + 1) * sizeof *sum);
    size_t *order = ms_alloc((l.count + 1) * sizeof *order);
    for (size_t i = 0; i < l.count; i++) sum[i] = sum_of(t, &l.cluster[i]);
    int status = ms_view_order(sum, l.count, t->field, order, t->err);
    size_t shown = depth == 0 && t->most && t->most < l.count ? t->most : l.count;
    for (size_t i = 0; status == MS_OK && i < shown; i++)
        status = add_cluster(t, &l.cluster[order[i]], &sum[order[i]], depth);
    free(sum);
    free(order);
    free_level(&l);
    return status;
}

int ms_view_clusters(const struct ms_map *maps, size_t n, enum ms_by by, bool expand, const char *field,
                     size_t most, struct ms_clusters *out, struct ms_error *err) {
    struct tree t = {.maps = maps, .expand = expand, .field = field, .most = most, .out = out, .err = err};
    *out = (struct ms_clusters){0};
    if (by == MS_BY_TYPE) t.key[t.levels++] = key_type;
    if (by == MS_BY_HOLDER) t.key[t.levels++] = key_root;
    if (by != MS_BY_MAP) t.key[t.levels++] = key_place;
    size_t *all = ms_alloc((n + 1) * sizeof *all);
    for (size_t i = 0; i < n; i++) all[i] = i;
    int status = MS_OK;
    if (t.levels) status = add_level(&t, all, n, 0);
    free(all);
    return status;
}

void ms_view_clusters_free(struct ms_clusters *c) {
    for (size_t i = 0; i < c->rows; i++) {
        free(c->row[i].name);
        free(c->cluster[i].name);
    }
    free(c->row);
    free(c->cluster);
    *c = (struct ms_clusters){0};
}
