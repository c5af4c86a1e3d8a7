/* lib/size.c - how large a table is, may be, and will be next; when inserts and deletes leave the fast path. */
#include "internal.h"

enum { FINE_FROM_GROUPS = 256 }; /* memory mode grows in finer steps */

uint64_t gomap__main_count(const struct gomap *m) {
    const struct gomap_side *s = m->side;
    return m->count - (s ? (s->stash ? s->stash->count : 0) + s->flood_count : 0);
}

static unsigned mode_of(const struct gomap *m) {
    return m->side ? gomap__side(m)->policy_mode : gomap__world.mode;
}

/* Entries that ng groups hold before they grow. */
uint64_t gomap__limit_of(const struct gomap *m, uint64_t ng) {
    if (ng == 1) return 15;
    if (ng == 2) return 26;
    return ng * (mode_of(m) == GOMAP_MEMORY ? 13 : 12); /* of 15: 0.867 and 0.80 */
}

uint64_t gomap__range_groups(const struct gomap *m) {
    uint64_t group = 16 + sizeof(uintptr_t) / 4 + GOMAP_GROUP_SLOTS * (uint64_t)m->desc->slot_size;
    return gomap_inspect_align(gomap__world.range_from / group + 1, 4);
}

uint64_t gomap__round_groups(uint64_t ng) { return ng <= 2 ? ng : gomap_inspect_align(ng, 4); }

static uint64_t max_groups(const struct gomap *m) {
    uint64_t most = (UINT64_C(1) << 46) / (GOMAP_GROUP_SLOTS * (uint64_t)m->desc->slot_size);
    if (sizeof(void *) == 4) most = (UINT64_C(1) << 30) / (GOMAP_GROUP_SLOTS * (uint64_t)m->desc->slot_size);
    /* 32 position bits spread evenly (to 6 %) over this many groups: 4e9 slots */
    if (m->desc->flags & GOMAP_F_HASH32 && most > UINT64_C(1) << 28) most = UINT64_C(1) << 28;
    return most / 4 * 4;
}

/* Groups for so many entries without growing. */
uint64_t gomap__groups_for(const struct gomap *m, uint64_t entries, bool *overflow) {
    uint64_t per = mode_of(m) == GOMAP_MEMORY ? 13 : 12;
    *overflow = entries / per > max_groups(m);
    if (*overflow) return 0;
    if (entries <= 15) return 1;
    if (entries <= 26) return 2;
    uint64_t ng = gomap__round_groups((entries + per - 1) / per);
    *overflow = ng > max_groups(m);
    return ng;
}

uint64_t gomap__next_groups(const struct gomap *m) {
    uint64_t ng = m->ngroups, slots = ng * GOMAP_GROUP_SLOTS, next;
    if (ng < 4)
        next = ng * 2;
    else if (mode_of(m) == GOMAP_MEMORY)
        next = ng < FINE_FROM_GROUPS ? ng + ng / 2 : ng + ng / 4;
    else if (slots < DOUBLE_BELOW_SLOTS || mode_of(m) == GOMAP_SPEED)
        next = ng * 2;
    else
        next = ng + ng * 9 / 20; /* just after it an entry of 16 bytes takes 31; x1.5 would be 32.3 */
    next = gomap__round_groups(next);
    return next > max_groups(m) ? max_groups(m) : next;
}

bool gomap__returning(const struct gomap__side *s) {
    return s->range && gomap__range_pending(s->range);
}

void gomap__set_delete_floor(struct gomap__side *s) {
    bool busy = s->pub.walk || s->sweep || s->pub.stash || gomap__returning(s);
    s->pub.delete_floor = busy ? UINT64_MAX : s->shrink_below ? s->shrink_below : 1; /* the last one leaves an empty map */
}

/* Recompute when inserts and deletes leave the fast path. */
void gomap__set_limits(struct gomap *m) {
    struct gomap__side *s = gomap__side(m);
    uint64_t at = m->mode == GOMAP_MODE_EMPTY   ? 0
                  : m->mode == GOMAP_MODE_SMALL ? m->cap
                                                : gomap__limit_of(m, m->ngroups);
    if (!s) {
        m->limit = at;
        return;
    }
    s->pub.grow_at = at;
    s->pub.grow_groups = m->mode >= GOMAP_MODE_BLOCK ? gomap__next_groups(m) : 0;
    bool floor = s->reserve_floor && m->ngroups <= s->reserve_floor;
    s->shrink_below =
        m->mode < GOMAP_MODE_BLOCK || m->ngroups <= 2 || floor || !s->policy_shrink ? 0
        : m->mode == GOMAP_MODE_RANGE                                               ? at / 5
                                                                                    : at / 12;
    m->limit = s->pub.walk || gomap__returning(s) ? 0 : at + (m->count - gomap__main_count(m));
    gomap__set_delete_floor(s);
}
