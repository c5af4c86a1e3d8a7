/* readmostly.c - views that are never written again, and the step from one to the next: drawn in readmostly.h. */
#include "readmostly.h"

#include <stdatomic.h>

struct view {
    void *map;          /* key -> address of its cell */
    bool amended;       /* dirty has keys that this one lacks */
    bool owns;          /* an amended view shares the map of the one before it */
    struct view *older; /* all views ever, for freeing */
};

struct cell {
    _Atomic uint64_t value;
    struct cell *older;
};

struct readmostly {
    const struct engine *engine;
    _Atomic(struct view *) read;
    struct lock lock; /* for all below */
    void *dirty;      /* NULL: the same as the view */
    size_t misses, promotions;
    struct cell *cells;
};

static struct cell *find(const struct readmostly *m, void *map, uint64_t key) {
    uint64_t address;
    return m->engine->get(map, &key, &address) ? (struct cell *)(uintptr_t)address : NULL;
}

static void show(struct readmostly *m, void *map, bool amended, bool owns) {
    struct view *v = need(malloc(sizeof *v));
    *v = (struct view){map, amended, owns, atomic_load_explicit(&m->read, memory_order_relaxed)};
    atomic_store_explicit(&m->read, v, memory_order_release);
}

struct readmostly *readmostly_new(const struct engine *engine, const struct lock_limits *limits) {
    struct readmostly *m = need(aligned_alloc(128, (sizeof *m + 127) & ~(size_t)127));
    *m = (struct readmostly){.engine = engine};
    lock_init(&m->lock, limits);
    show(m, engine->make(false, 0), false, true);
    return m;
}

static void copy_one(const void *key, uint64_t value, void *dirty_of) {
    struct readmostly *m = dirty_of;
    m->engine->put(m->dirty, key, value);
}

static struct view *view_of(struct readmostly *m) {
    return atomic_load_explicit(&m->read, memory_order_acquire);
}

/* A lookup that the view could not answer; under the lock. */
static void missed(struct readmostly *m) {
    if (++m->misses < m->engine->len(m->dirty)) return;
    show(m, m->dirty, false, true);
    m->dirty = NULL, m->misses = 0;
    m->promotions++;
}

bool readmostly_get(struct readmostly *m, uint64_t key, uint64_t *value) {
    struct view *v = view_of(m);
    struct cell *c = find(m, v->map, key);
    if (!c && v->amended) {
        lock_acquire(&m->lock);
        v = view_of(m); /* it may have been promoted meanwhile */
        c = find(m, v->map, key);
        if (!c && v->amended) {
            c = find(m, m->dirty, key);
            missed(m);
        }
        lock_release(&m->lock);
    }
    if (!c) return false;
    *value = atomic_load_explicit(&c->value, memory_order_acquire);
    return true;
}

static struct cell *add(struct readmostly *m, struct view *v, uint64_t key) {
    if (!m->dirty) {
        m->dirty = m->engine->make(false, m->engine->len(v->map) + 1);
        m->engine->each(v->map, copy_one, m);
        show(m, v->map, true, false);
    }
    struct cell *c = need(malloc(sizeof *c));
    c->older = m->cells, m->cells = c;
    m->engine->put(m->dirty, &key, (uint64_t)(uintptr_t)c);
    return c;
}

void readmostly_put(struct readmostly *m, uint64_t key, uint64_t value) {
    struct cell *c = find(m, view_of(m)->map, key);
    if (c) {
        atomic_store_explicit(&c->value, value, memory_order_release);
        return;
    }
    lock_acquire(&m->lock);
    struct view *v = view_of(m);
    c = find(m, v->map, key);
    if (!c && m->dirty) c = find(m, m->dirty, key);
    if (!c) c = add(m, v, key);
    atomic_store_explicit(&c->value, value, memory_order_release);
    lock_release(&m->lock);
}

size_t readmostly_len(struct readmostly *m) { return m->engine->len(m->dirty ? m->dirty : view_of(m)->map); }
size_t readmostly_promotions(const struct readmostly *m) { return m->promotions; }
const struct lock *readmostly_lock(const struct readmostly *m) { return &m->lock; }

void readmostly_free(struct readmostly *m) {
    if (m->dirty) m->engine->free(m->dirty);
    for (struct view *v = view_of(m), *older; v; v = older) {
        older = v->older;
        if (v->owns) m->engine->free(v->map);
        free(v);
    }
    for (struct cell *c = m->cells, *older; c; c = older) {
        older = c->older;
        free(c);
    }
    lock_deinit(&m->lock);
    free(m);
}
