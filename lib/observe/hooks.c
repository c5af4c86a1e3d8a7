/* lib/observe/hooks.c - functions of the program's own that a map calls when something happens to it.
 *
 *   rare      new, free, grow, shrink, clear, no memory, alarm   from gomap__event, where the flight recorder hears of them
 *   entries   put, delete                                        from the slow halves of writes
 *
 * A write that calls no hook executes nothing for them: a map whose entries are watched says so in `writing`, the byte that
 * every write tests anyway, and so each write of it, inlined ones too, takes the path of a map that is not as usual:
 *
 *   typed.h, gomap_put: writing == 0? --yes--> as ever
 *                                |no
 *                                '--> put_hooked, delete_hooked --> GOMAP_WRITING_HOOKED? --no--> misuse
 *                                                                       |yes
 *                                                                       '--> write, hook
 *
 * While a hook runs its map is being written, so a hook that uses it is caught as any misuse of a map is.  Writes of the same
 * thread to other maps call no hooks meanwhile: a hook may keep its books in a map.
 */
#include "observe_internal.h"

static gomap_hooks of_all; /* what gomap__world.hooks points to */
/* A hook runs in this thread.  One byte, so its place may be fixed when the library is loaded: no call finds it. */
static __thread bool inside __attribute__((tls_model("initial-exec")));

static const void *key_of(const struct gomap *m, const uint8_t *slot, gomap_str *view) {
    return m->desc->flags & (GOMAP_F_STR | GOMAP_F_KEY_INDIRECT) ? gomap__slot_key(m->desc, slot, view)
                                                                 : slot;
}

static const gomap_hooks *hooks_of(const struct gomap *m) {
    const gomap_hooks *own = m->side ? gomap__side(m)->hooks : NULL;
    return own ? own : __atomic_load_n(&gomap__world.hooks, __ATOMIC_RELAXED);
}

/* The value of `writing` between writes. */
static uint8_t idle_mark(const struct gomap *m) {
    const gomap_hooks *h = hooks_of(m);
    return h && (h->on_put || h->on_delete) ? GOMAP_WRITING_HOOKED : 0;
}

/* ---- calling ----------------------------------------------------------------------------------------------- */

void gomap__hook_put(struct gomap *m, uint8_t *slot, bool is_new) {
    const gomap_hooks *h = hooks_of(m);
    gomap_str view;
    if (inside || !h || !h->on_put) return;
    inside = true;
    h->on_put(m, key_of(m, slot, &view), gomap__slot_val(m->desc, slot), is_new, h->ctx);
    inside = false;
}

void gomap__hook_delete(struct gomap *m, uint8_t *slot) {
    const gomap_hooks *h = hooks_of(m);
    gomap_str view;
    if (inside || !h || !h->on_delete) return;
    inside = true;
    h->on_delete(m, key_of(m, slot, &view), gomap__slot_val(m->desc, slot), h->ctx);
    inside = false;
}

static void call(const gomap_hooks *h, struct gomap *m, int kind, uint64_t a, uint64_t b) {
    bool grows = kind == GOMAP_EV_GROW_START || kind == GOMAP_EV_GROW_DONE;
    bool done = kind == GOMAP_EV_GROW_DONE || kind == GOMAP_EV_SHRINK_DONE;
    void (*resize)(const gomap *, uint64_t, uint64_t, bool, void *) = grows ? h->on_grow : h->on_shrink;
    switch (kind) {
    case GOMAP_EV_NEW:
        if (h->on_new) h->on_new(m, h->ctx);
        break;
    case GOMAP_EV_FREE:
        if (h->on_free) h->on_free(m, h->ctx);
        break;
    case GOMAP_EV_GROW_START:
    case GOMAP_EV_GROW_DONE:
    case GOMAP_EV_SHRINK_START:
    case GOMAP_EV_SHRINK_DONE:
        if (resize) resize(m, a, b, done, h->ctx);
        break;
    case GOMAP_EV_CLEAR:
        if (h->on_clear) h->on_clear(m, a, (gomap_clear_how)b, h->ctx);
        break;
    case GOMAP_EV_OOM:
        if (h->on_oom) h->on_oom(m, a, b, h->ctx);
        break;
    case GOMAP_EV_ALARM:
        if (h->on_alarm) h->on_alarm(m, a, b, h->ctx);
        break;
    default: break;
    }
}

void gomap__hook_event(struct gomap *m, int kind, uint64_t a, uint64_t b) {
    const gomap_hooks *h = hooks_of(m);
    if (inside || !h) return;
    inside = true;
    call(h, m, kind, a, b);
    inside = false;
}

/* ---- setting ------------------------------------------------------------------------------------------------- */

void gomap__hook_route(struct gomap *m) {
    if (gomap__has_hooks(m)) m->writing = idle_mark(m);
}

void gomap__hooks_free(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    if (!s->hooks) return;
    s->pub.loose_bytes -= sizeof *s->hooks;
    gomap__dealloc(gomap__allocator(m), s->hooks, sizeof *s->hooks, 16);
    s->hooks = NULL;
}

static gomap_err set_own(struct gomap *m, const gomap_hooks *hooks) {
    if (!hooks && !m->side) return GOMAP_OK;
    struct gomap__side *s = gomap__need_side(m);
    if (!s) return GOMAP_ENOMEM;
    if (hooks && !s->hooks) {
        s->hooks = gomap__alloc(gomap__allocator(m), sizeof *s->hooks, 16);
        if (!s->hooks) return GOMAP_ENOMEM;
        s->pub.loose_bytes += sizeof *s->hooks;
    }
    if (hooks)
        *s->hooks = *hooks;
    else
        gomap__hooks_free(m);
    return GOMAP_OK;
}

static bool route_one(struct gomap *m, void *ctx) {
    (void)ctx;
    if (!gomap__write_begin(m, "set_hooks")) return true;
    __atomic_store_n(&m->writing, idle_mark(m), __ATOMIC_RELAXED);
    return true;
}

gomap_err gomap_set_hooks(gomap *m, const gomap_hooks *hooks) {
    gomap_err err = GOMAP_OK;
    if (!GOMAP_OBSERVE) return GOMAP_ENOENT;
    if (hooks && hooks->size != sizeof *hooks) return GOMAP_EINVAL;
    gomap__world_init();
    if (m) {
        if (!gomap__write_begin(m, "set_hooks")) return GOMAP_EMISUSE;
        err = set_own(m, hooks);
        __atomic_store_n(&m->writing, idle_mark(m), __ATOMIC_RELAXED);
        return err;
    }
    if (inside) {
        gomap__fatal("gomap: set_hooks for all maps within a hook");
        return GOMAP_EMISUSE;
    }
    if (hooks) of_all = *hooks;
    __atomic_store_n(&gomap__world.hooks, hooks ? &of_all : NULL, __ATOMIC_RELAXED);
    gomap__for_each_map(route_one, NULL);
    return err;
}
