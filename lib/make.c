/* lib/make.c - making maps and freeing them: types from configs, headers, side records, names, stashes.
 *
 * Nothing here is done with entries: that is map.c.  A map is registered when all else has worked out, and leaves
 * the registry before anything of it is freed, so that readers from outside see whole maps only.
 */
#include "internal.h"

/* ---- types ------------------------------------------------------------------------------------------ */

static bool power_of_two(size_t n) { return n && !(n & (n - 1)); }
static size_t natural_align(size_t size) {
    return size % 8 == 0 ? 8 : size % 4 == 0 ? 4 : size % 2 == 0 ? 2 : 1;
}

static uint32_t key_class(const struct gomap_desc *d) {
    if (d->flags & GOMAP_F_USER_EQ) return KC_USER;
    if (d->flags & GOMAP_F_STR) return KC_STR;
    if (d->flags & GOMAP_F_KEY_INDIRECT) return KC_CELL;
    return d->key_size == 4 ? KC_4 : d->key_size == 8 ? KC_8 : d->key_size == 16 ? KC_16 : KC_FIXED;
}

static void lay_out(struct gomap_desc *d) {
    size_t ka = d->key_align, va = d->val_align;
    d->slot_key_size = d->key_size, d->slot_val_size = d->val_size;
    if (d->flags & (GOMAP_F_STR | GOMAP_F_KEY_INDIRECT)) d->slot_key_size = 16, ka = 8;
    if (d->flags & GOMAP_F_VAL_INDIRECT) d->slot_val_size = sizeof(void *), va = sizeof(void *);
    if (!d->slot_val_size) va = 1;
    d->val_off = (uint32_t)gomap_inspect_align(d->slot_key_size, va);
    d->slot_align = (uint32_t)(ka > va ? ka : va);
    d->slot_size = (uint32_t)gomap_inspect_align(d->val_off + d->slot_val_size, d->slot_align);
    if (!d->slot_size) d->slot_size = d->slot_align;
    d->node_off = (uint32_t)gomap_inspect_align(sizeof(struct gomap_node), d->slot_align);
    d->node_size = d->node_off + GOMAP_NODE_SLOTS * d->slot_size;
    d->key_class = key_class(d);
}

static gomap_err check_config(const gomap_config *c) {
    if (!c || c->size != sizeof *c) return GOMAP_EINVAL;
    if (c->keys > GOMAP_KEYS_BORROWED || c->values > GOMAP_VALUES_STABLE ||
        c->hashing > GOMAP_HASHING_PORTABLE || c->mode > GOMAP_MEMORY)
        return GOMAP_EINVAL;
    if ((c->keys == GOMAP_KEYS_FIXED && c->key_size > MAX_SIZE) || c->value_size > MAX_SIZE)
        return GOMAP_EINVAL;
    if (c->key_align && (!power_of_two(c->key_align) || c->key_align > MAX_ALIGN)) return GOMAP_EINVAL;
    if (c->value_align && (!power_of_two(c->value_align) || c->value_align > MAX_ALIGN)) return GOMAP_EINVAL;
    if (c->key_align && c->keys == GOMAP_KEYS_FIXED && c->key_size % c->key_align) return GOMAP_EINVAL;
    if (c->value_align && c->value_size % c->value_align) return GOMAP_EINVAL;
    if (c->alloc && (!c->alloc->alloc || !c->alloc->free)) return GOMAP_EINVAL;
    return GOMAP_OK;
}

/* The interned type of a config; NULL: out of memory. */
static const struct gomap_desc *describe_type(const gomap_config *c) {
    char key_name[32], val_name[32];
    bool str = c->keys != GOMAP_KEYS_FIXED;
    struct gomap_desc d = {.size = sizeof d};
    d.key_size = str ? sizeof(gomap_str) : (uint32_t)c->key_size;
    d.val_size = (uint32_t)c->value_size;
    d.key_align = (uint32_t)(str ? sizeof(void *) : c->key_align ? c->key_align : natural_align(c->key_size));
    d.val_align = (uint32_t)(c->value_align ? c->value_align : natural_align(c->value_size));
    if (str) d.flags |= GOMAP_F_STR | GOMAP_F_HASH32;
    if (c->keys == GOMAP_KEYS_BORROWED) d.flags |= GOMAP_F_BORROWED;
    if (!str && c->key_size > INLINE_MAX) d.flags |= GOMAP_F_KEY_INDIRECT | GOMAP_F_HASH32;
    if (c->values == GOMAP_VALUES_STABLE || (c->values == GOMAP_VALUES_AUTO && c->value_size > INLINE_MAX))
        d.flags |= GOMAP_F_VAL_INDIRECT;
    if (c->hash) d.flags |= GOMAP_F_USER_HASH;
    if (c->eq) d.flags |= GOMAP_F_USER_EQ;
    bool owned = c->keys == GOMAP_KEYS_STRING || d.flags & (GOMAP_F_KEY_INDIRECT | GOMAP_F_VAL_INDIRECT);
    if (!owned && !c->key_destroy && !c->value_destroy) d.flags |= GOMAP_F_PLAIN;
    snprintf(key_name, sizeof key_name, str ? "string" : "%zu bytes", c->key_size);
    snprintf(val_name, sizeof val_name, c->value_size ? "%zu bytes" : "set", c->value_size);
    d.key_name = c->key_type ? c->key_type : key_name;
    d.val_name = c->value_type ? c->value_type : val_name;
    d.hash = c->hash, d.eq = c->eq;
    d.key_copy = c->key_copy, d.key_destroy = c->key_destroy;
    d.val_copy = c->value_copy, d.val_destroy = c->value_destroy;
    d.site = c->site;
    lay_out(&d);
    return gomap__intern(&d);
}

static uint8_t hash_kind(const gomap_config *c) {
    if (c->hash) return GOMAP_HASH_USER;
    if (c->hashing == GOMAP_HASHING_STRICT) return GOMAP_HASH_SIP;
    if (c->hashing == GOMAP_HASHING_AUTO && gomap__world.cpu_aes) return GOMAP_HASH_AES;
    size_t n = c->key_size;
    bool integer = c->keys == GOMAP_KEYS_FIXED && (n == 1 || n == 2 || n == 4 || n == 8);
    return integer ? GOMAP_HASH_MUM : GOMAP_HASH_SIP;
}

/* ---- life --------------------------------------------------------------------------------------------- */

static char *copy_text(const gomap_alloc *al, const char *s) {
    char *p = s ? gomap__alloc(al, strlen(s) + 1, 1) : NULL;
    return p ? strcpy(p, s) : NULL;
}

static void free_text(const gomap_alloc *al, const char *s) {
    if (s) gomap__dealloc(al, (void *)(uintptr_t)s, strlen(s) + 1, 1);
}

static struct gomap__side *make_side(struct gomap *m, const gomap_alloc *al) {
    size_t size = sizeof(struct gomap__side) + (al ? sizeof *al : 0);
    struct gomap__side *s = gomap__alloc(al, size, 16);
    if (!s) return NULL;
    s->pub.size = (uint32_t)size;
    s->pub.created_ns = s->pub.last_write_ns = gomap__now_ns();
    s->own_alloc = al != NULL;
    if (al) s->alloc[0] = *al;
    s->policy_mode = gomap__world.mode, s->policy_huge = gomap__world.huge,
    s->policy_shrink = gomap__world.shrink;
    s->policy_return_after_ms = gomap__world.return_after_ms;
    s->policy_reserve_max = gomap__world.reserve_max;
    s->policy_backtrace_above = gomap__world.backtrace_above;
    if (m->mode == GOMAP_MODE_SMALL) s->pub.hi_bytes = gomap_inspect_small_bytes(m->desc, m->cap);
    m->side = &s->pub;
    gomap__set_limits(m);
    return s;
}

struct gomap__side *gomap__need_side(struct gomap *m) {
    if (m->side) return gomap__side(m);
    uint64_t before = gomap__pile(m);
    struct gomap__side *s = make_side(m, NULL);
    gomap__repiled(m, before);
    return s;
}

static bool needs_side(const gomap_config *c, const struct gomap_desc *d) {
    return c->alloc || c->name || c->ctx || c->seed_of || (c->mode && c->mode != gomap__world.mode) ||
           gomap__world.backtrace_above || (d->flags & (GOMAP_F_KEY_INDIRECT | GOMAP_F_VAL_INDIRECT)) ||
           (d->flags & (GOMAP_F_STR | GOMAP_F_BORROWED)) == GOMAP_F_STR;
}

static gomap_err set_up(struct gomap *m, const gomap_config *c) {
    if (c->seed_of) {
        memcpy(m->seed, c->seed_of->seed, sizeof m->seed);
        m->hash_kind =
            c->seed_of->hash_kind == GOMAP_HASH_USER || c->hash ? hash_kind(c) : c->seed_of->hash_kind;
    } else if (!gomap__seed(m->seed, 4)) {
        return GOMAP_ENOMEM;
    }
    m->seed[1] |= 1; /* a zero multiplier would erase the key */
    if (!needs_side(c, m->desc)) return GOMAP_OK;
    struct gomap__side *s = make_side(m, c->alloc);
    if (!s) return GOMAP_ENOMEM;
    if (c->mode) s->policy_mode = (uint8_t)c->mode;
    s->own_seed_family = c->seed_of != NULL;
    s->ctx = c->ctx;
    return c->name ? gomap_set_name(m, c->name) : GOMAP_OK;
}

static struct gomap *make_header(const gomap_config *c, const struct gomap_desc *d) {
    struct gomap *m = gomap__alloc(c->alloc, sizeof *m, 64);
    if (!m) return NULL;
    m->ngroups = 1;
    m->meta = m->slots =
        (uint8_t *)(uintptr_t)gomap__empty_line; /* slots: never read, but no null arithmetic */
    m->desc = d;
    m->hash_kind = hash_kind(c);
    m->cookie = GOMAP_COOKIE;
    return m;
}

/* Free a map that did not come to be: perhaps not even with the side record that knows its allocator. */
static void discard(struct gomap *m, const gomap_alloc *al) {
    if (m->side)
        gomap__free_map(m);
    else
        gomap__dealloc(al, m, sizeof *m, 64);
}

gomap_err gomap_new(const gomap_config *c, gomap **out) {
    if (!out) return GOMAP_EINVAL;
    gomap__world_init();
    *out = NULL;
    gomap_err err = check_config(c);
    if (err) return err;
    const struct gomap_desc *d = describe_type(c);
    struct gomap *m = d ? make_header(c, d) : NULL;
    if (!m) return GOMAP_ENOMEM;
    err = set_up(m, c);
    if (!err && c->capacity) err = gomap_reserve(m, c->capacity);
    if (!err && !gomap__register(m)) err = GOMAP_ENOMEM;
    if (err) {
        discard(m, c->alloc);
        return err;
    }
    gomap__hook_route(m);
    gomap__event(m, GOMAP_EV_NEW, d->slot_size, c->capacity);
    gomap__repiled(m, 0);
    *out = m;
    return GOMAP_OK;
}

/* The stash: a map of the same type, its own seed, SipHash, no registry entry. */
gomap_err gomap__make_stash(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    gomap_config c = {.size = sizeof c, .alloc = gomap__allocator(m)};
    if (s->pub.stash) return GOMAP_OK;
    struct gomap *t = make_header(&c, m->desc);
    if (!t) return GOMAP_ENOMEM;
    t->cookie = GOMAP_COOKIE_STASH;
    t->hash_kind = m->desc->flags & GOMAP_F_USER_HASH ? GOMAP_HASH_USER : GOMAP_HASH_SIP;
    if (!gomap__seed(t->seed, 4) || !make_side(t, c.alloc)) {
        discard(t, c.alloc);
        return GOMAP_ENOMEM;
    }
    t->seed[1] |= 1;
    t->id = m->id;
    gomap__side(t)->parent = m;
    gomap__side(t)->policy_backtrace_above = 0;
    gomap__side(t)->ctx = s->ctx;
    s->pub.stash = t;
    return GOMAP_OK;
}

/* The map is empty: so is its stash. */
void gomap__drop_stash(struct gomap *m) {
    if (!m->side || !m->side->stash) return;
    gomap__free_map(m->side->stash);
    m->side->stash = NULL;
}

/* A new map of the same type and policies, empty, with a seed of its own. */
gomap_err gomap__new_like(const struct gomap *m, gomap **out) {
    struct gomap__side *s = gomap__side(m), *t;
    gomap_config c = {.size = sizeof c, .alloc = gomap__allocator(m)};
    *out = NULL;
    struct gomap *n = make_header(&c, m->desc);
    if (!n) return GOMAP_ENOMEM;
    n->hash_kind = m->hash_kind;
    bool ok = gomap__seed(n->seed, 4);
    n->seed[1] |= 1;
    if (ok && s && (ok = (t = make_side(n, c.alloc)) != NULL)) {
        t->ctx = s->ctx;
        t->policy_mode = s->policy_mode, t->policy_huge = s->policy_huge, t->policy_shrink = s->policy_shrink;
        t->policy_return_after_ms = s->policy_return_after_ms, t->policy_reserve_max = s->policy_reserve_max;
    }
    if (!ok || !gomap__register(n)) {
        discard(n, c.alloc);
        return GOMAP_ENOMEM;
    }
    gomap__hook_route(n);
    gomap__event(n, GOMAP_EV_NEW, n->desc->slot_size, m->count);
    gomap__repiled(n, 0);
    *out = n;
    return GOMAP_OK;
}

void gomap__free_map(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    gomap__drop_all(m);
    gomap__drop_table(m);
    gomap_alloc copy = s && s->own_alloc ? s->alloc[0] : (gomap_alloc){0}, *al = copy.alloc ? &copy : NULL;
    if (s) {
        if (s->pub.stash) gomap__free_map(s->pub.stash);
        gomap__free_limbo(m);
        gomap__arena_free(m);
        gomap__hooks_free(m);
        gomap__times_free(m);
        free_text(al, s->pub.name);
        gomap__dealloc(al, s, s->pub.size, 16);
    }
    memset(m, 0, sizeof *m); /* seeds, and the cookie that says it lives */
    gomap__dealloc(al, m, sizeof *m, 64);
}

void gomap_free(gomap *m) {
    if (!m || !gomap__write_begin(m, "free")) return;
    gomap__event(m, GOMAP_EV_FREE, m->count, (uintptr_t)m);
    gomap__unpiled(m->id);
    gomap__unregister(m->id);
    __atomic_store_n(&m->cookie, 0, __ATOMIC_RELEASE);
    m->cookie = 0;
    gomap__free_map(m);
}

size_t gomap_len(const gomap *m) { return m ? (size_t)__atomic_load_n(&m->count, __ATOMIC_RELAXED) : 0; }

gomap_err gomap_set_name(gomap *m, const char *name) {
    if (!m) {
        gomap__misuse(m, "set_name of");
        return GOMAP_EMISUSE;
    }
    struct gomap__side *s = gomap__need_side(m);
    char *copy = s ? copy_text(gomap__allocator(m), name) : NULL;
    if (name && !copy) return GOMAP_ENOMEM;
    if (gomap__observed()) gomap__samples_lock();
    gomap__seq_begin(m);
    const char *old = s->pub.name;
    s->pub.name = copy;
    s->pub.loose_bytes += (copy ? strlen(copy) + 1 : 0) - (old ? strlen(old) + 1 : 0);
    gomap__seq_end(m);
    if (gomap__observed()) gomap__samples_unlock();
    free_text(gomap__allocator(m), old);
    return GOMAP_OK;
}
