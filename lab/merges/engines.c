/* engines.c - gomap, the classic map, GLib's balanced tree (AVL), Judy. */
#include "engines.h"

#include "meter.h"

#include <gomap/classic.h>
#ifdef HAVE_GLIB
#include <glib.h>
#endif
#ifdef HAVE_JUDY
#include <Judy.h>
#endif

static void ok(gomap_err err) {
    if (err) fail("%s", gomap_strerror(err));
}

/* ---- gomap ----------------------------------------------------------------------------------------------- */

static void *go_make_seeded(const gomap *seed_of, bool strings, size_t hint) {
    gomap_config c = GOMAP_CONFIG(sizeof(uint64_t), sizeof(uint64_t));
    if (strings) c.keys = GOMAP_KEYS_BORROWED, c.key_size = 0;
    c.capacity = hint, c.seed_of = seed_of;
    gomap *m = NULL;
    ok(gomap_new(&c, &m));
    return m;
}
static void *go_make(bool strings, size_t hint) { return go_make_seeded(NULL, strings, hint); }
static void *go_make_like(void *other, bool strings, size_t hint) {
    return go_make_seeded(other, strings, hint);
}
static void go_put(void *self, const void *key, uint64_t value) { ok(gomap_put(self, key, &value)); }
static bool go_get(void *self, const void *key, uint64_t *value) {
    const uint64_t *at = gomap_get(self, key);
    return at ? *value = *at, true : false;
}
static size_t go_len(void *self) { return gomap_len(self); }
static void go_each(void *self, engine_visit visit, void *ctx) {
    gomap_iter it;
    for (gomap_iter_init(&it, self); gomap_iter_next(&it);) visit(it.key, *(uint64_t *)it.value, ctx);
}
static void go_free(void *self) { gomap_free(self); }
static void go_reserve(void *self, size_t entries) { ok(gomap_reserve(self, entries)); }
static void go_put_many(void *self, const void *keys, const uint64_t *values, size_t n) {
    ok(gomap_put_many(self, keys, values, n, NULL));
}
static uint64_t go_grows(void *self) {
    gomap_stats s = {.size = sizeof s};
    ok(gomap_get_stats(self, &s));
    return s.grows;
}

/* ---- classic --------------------------------------------------------------------------------------------- */

static void *classic_make(bool strings, size_t hint) {
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(sizeof(uint64_t), sizeof(uint64_t));
    if (strings) c.keys = GOMAP_CLASSIC_STRING;
    c.hint = (int64_t)hint;
    gomap_classic *m = NULL;
    ok(gomap_classic_new(&c, &m));
    return m;
}
static void classic_put(void *self, const void *key, uint64_t value) {
    ok(gomap_classic_put(self, key, &value));
}
static bool classic_get(void *self, const void *key, uint64_t *value) {
    const uint64_t *at = gomap_classic_get(self, key);
    return at ? *value = *at, true : false;
}
static size_t classic_len(void *self) { return gomap_classic_len(self); }
static void classic_each(void *self, engine_visit visit, void *ctx) {
    gomap_classic_iter it;
    for (gomap_classic_iter_init(&it, self); gomap_classic_iter_next(&it);)
        visit(it.key, *(uint64_t *)it.elem, ctx);
}
static void classic_free(void *self) { gomap_classic_free(self); }
static uint64_t classic_grows(void *self) {
    gomap_classic_stats s = {.size = sizeof s};
    ok(gomap_classic_get_stats(self, &s));
    return s.grows + s.same_size_grows;
}

/* ---- GLib's GTree ---------------------------------------------------------------------------------------- */

#ifdef HAVE_GLIB
struct glib_tree {
    GTree *tree;
    bool strings;
};
/* GLib asks for an int: the difference of two keys of 64 bits does not fit one. */
static gint by_number(gconstpointer a, gconstpointer b) {
    return ((uintptr_t)a > (uintptr_t)b) - ((uintptr_t)a < (uintptr_t)b);
}
static gint by_text(gconstpointer a, gconstpointer b) { return strcmp(a, b); }
static gpointer glib_key(const struct glib_tree *t, const void *key) {
    if (t->strings) return (gpointer)(uintptr_t)((const gomap_str *)key)->ptr;
    return (gpointer)(uintptr_t) * (const uint64_t *)key;
}
static void *glib_make(bool strings, size_t hint) {
    (void)hint;
    struct glib_tree *t = need(malloc(sizeof *t));
    *t = (struct glib_tree){g_tree_new(strings ? by_text : by_number), strings};
    return t;
}
static void glib_put(void *self, const void *key, uint64_t value) {
    struct glib_tree *t = self;
    g_tree_insert(t->tree, glib_key(t, key), (gpointer)(uintptr_t)value);
}
static bool glib_get(void *self, const void *key, uint64_t *value) {
    struct glib_tree *t = self;
    gpointer at;
    if (!g_tree_lookup_extended(t->tree, glib_key(t, key), NULL, &at)) return false;
    *value = (uint64_t)(uintptr_t)at;
    return true;
}
static size_t glib_len(void *self) { return (size_t)g_tree_nnodes(((struct glib_tree *)self)->tree); }
static void glib_each(void *self, engine_visit visit, void *ctx) {
    struct glib_tree *t = self;
    for (GTreeNode *n = g_tree_node_first(t->tree); n; n = g_tree_node_next(n)) {
        uint64_t number = (uint64_t)(uintptr_t)g_tree_node_key(n),
                 value = (uint64_t)(uintptr_t)g_tree_node_value(n);
        gomap_str text = {t->strings ? (const char *)(uintptr_t)number : NULL, 0};
        if (t->strings) text.len = strlen(text.ptr);
        visit(t->strings ? (const void *)&text : &number, value, ctx);
    }
}
static void glib_free(void *self) {
    g_tree_destroy(((struct glib_tree *)self)->tree);
    free(self);
}
#endif

/* ---- Judy ------------------------------------------------------------------------------------------------ */

#ifdef HAVE_JUDY
enum { TEXT_MAX = 64 };
struct judy {
    void *root;
    size_t entries;
    bool strings;
};
static void *judy_make(bool strings, size_t hint) {
    (void)hint;
    struct judy *j = need(malloc(sizeof *j));
    *j = (struct judy){.strings = strings};
    return j;
}
static void judy_put(void *self, const void *key, uint64_t value) {
    struct judy *j = self;
    /* A new entry's word is 0: values are stored plus one, so that entries can be counted. */
    Word_t *at = j->strings
                     ? (Word_t *)JudySLIns(&j->root, (const uint8_t *)((const gomap_str *)key)->ptr, NULL)
                     : (Word_t *)JudyLIns(&j->root, *(const uint64_t *)key, NULL);
    if (!at || at == (Word_t *)PPJERR) fail("judy: out of memory");
    j->entries += *at == 0;
    *at = value + 1;
}
static bool judy_get(void *self, const void *key, uint64_t *value) {
    struct judy *j = self;
    Word_t *at = j->strings
                     ? (Word_t *)JudySLGet(j->root, (const uint8_t *)((const gomap_str *)key)->ptr, NULL)
                     : (Word_t *)JudyLGet(j->root, *(const uint64_t *)key, NULL);
    return at ? *value = *at - 1, true : false;
}
static size_t judy_len(void *self) { return ((struct judy *)self)->entries; }
static void judy_each(void *self, engine_visit visit, void *ctx) {
    struct judy *j = self;
    if (j->strings) {
        uint8_t text[TEXT_MAX] = "";
        for (Word_t *at = (Word_t *)JudySLFirst(j->root, text, NULL); at;
             at = (Word_t *)JudySLNext(j->root, text, NULL))
            visit(&(gomap_str){(char *)text, strlen((char *)text)}, *at - 1, ctx);
        return;
    }
    Word_t number = 0;
    for (Word_t *at = (Word_t *)JudyLFirst(j->root, &number, NULL); at;
         at = (Word_t *)JudyLNext(j->root, &number, NULL)) {
        uint64_t key = number;
        visit(&key, *at - 1, ctx);
    }
}
static void judy_free(void *self) {
    struct judy *j = self;
    if (j->strings)
        JudySLFreeArray(&j->root, NULL);
    else
        JudyLFreeArray(&j->root, NULL);
    free(j);
}
#endif

const struct engine engines_c[] = {
    {.name = "gomap",
     .make = go_make,
     .put = go_put,
     .get = go_get,
     .len = go_len,
     .each = go_each,
     .free = go_free,
     .reserve = go_reserve,
     .make_like = go_make_like,
     .put_many = go_put_many,
     .grows = go_grows},
    {.name = "classic",
     .make = classic_make,
     .put = classic_put,
     .get = classic_get,
     .len = classic_len,
     .each = classic_each,
     .free = classic_free,
     .grows = classic_grows},
#ifdef HAVE_GLIB
    {.name = "gtree",
     .ordered = true,
     .make = glib_make,
     .put = glib_put,
     .get = glib_get,
     .len = glib_len,
     .each = glib_each,
     .free = glib_free},
#endif
#ifdef HAVE_JUDY
    {.name = "judy",
     .ordered = true,
     .make = judy_make,
     .put = judy_put,
     .get = judy_get,
     .len = judy_len,
     .each = judy_each,
     .free = judy_free,
     .keys_fade = true},
#endif
    {.name = NULL},
};

const struct engine *engine_find(const char *name) {
    for (const struct engine *e = engines_c; e->name; e++)
        if (!strcmp(e->name, name)) return e;
#ifdef HAVE_CPP
    for (const struct engine *e = engines_cpp; e->name; e++)
        if (!strcmp(e->name, name)) return e;
#endif
    return NULL;
}
