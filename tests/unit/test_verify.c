/* tests/unit/test_verify.c - gomap_verify() finds what is broken, and says which invariant.
 *
 * A healthy map passes in every state first.  Then each invariant is broken by hand in the structs of
 * inspect.h, the number is checked, and the damage undone, so that the map can be freed.
 */
#include "../flavours.h"

/* The number verify reports; 0 also needs an empty line. */
static int broken(const gomap *m) {
    char why[200] = "untouched";
    int n = gomap_verify(m, why, sizeof why);
    assert_int_equal(n != 0, why[0] != 0);
    assert_int_equal(gomap_verify(m, NULL, 0), n);
    return n;
}

static gomap *filled(uint64_t n) {
    gomap *m = t_new(NULL);
    t_fill(m, 0, n);
    assert_int_equal(broken(m), 0);
    return m;
}

static void test_healthy(void **st) {
    (void)st;
    for (size_t f = 0; f < t_flavour_count; f++) {
        struct t_alloc a;
        t_alloc_init(&a);
        gomap *m = t_flavour_new(&t_flavours[f], &a);
        uint64_t n = t_flavour_clumps(&t_flavours[f]) ? 200 : 1500;
        for (uint64_t k = 0; k < n; k++) {
            T_OK(tf_put(m, &t_flavours[f], k, k));
            if (k < 70 || k % 50 == 0) T_VERIFY(m);
        }
        for (uint64_t k = 0; k < n; k++) {
            assert_true(tf_del(m, &t_flavours[f], k));
            if (k + 70 > n || k % 50 == 0) T_VERIFY(m);
        }
        gomap_free(m);
        t_alloc_check_empty(&a);
    }
}

static void test_i1_count(void **st) {
    (void)st;
    for (uint64_t n = 1; n < 4000; n = n * 6 + 1) {
        gomap *m = filled(n);
        struct gomap *r = t_raw(m);
        r->count--;
        assert_int_equal(broken(m), 1);
        r->count++;
        if (n > 100) { /* one too many in a full small table breaks its limit first (I7) */
            r->count++;
            assert_int_equal(broken(m), 1);
            r->count--;
        }
        assert_int_equal(broken(m), 0);
        gomap_free(m);
    }
}

/* First occupied slot of the table: its group and place. */
static bool first_used(const struct gomap *r, uint64_t *group, unsigned *slot) {
    for (uint64_t g = 0; g < r->ngroups; g++)
        for (unsigned s = 0; s < r->cap; s++)
            if (r->meta[g * 16 + s]) return *group = g, *slot = s, true;
    return false;
}

/* A map at rest (no walk) in mode BLOCK or RANGE. */
static gomap *settled(uint64_t n) {
    gomap *m = filled(n);
    while (t_stats(m).walk) t_fill(m, gomap_len(m), 1);
    assert_true(t_raw(m)->mode >= GOMAP_MODE_BLOCK);
    return m;
}

static void test_i2_tophash(void **st) {
    (void)st;
    const uint64_t sizes[] = {5, 100, 5000};
    for (int i = 0; i < 3; i++) {
        gomap *m = i ? settled(sizes[i]) : filled(sizes[i]);
        struct gomap *r = t_raw(m);
        uint64_t g = 0;
        unsigned s = 0;
        assert_true(first_used(r, &g, &s));
        uint8_t *tag = &r->meta[g * 16 + s], was = *tag;
        *tag = (uint8_t)(was == 255 ? 1 : was + 1);
        assert_int_equal(broken(m), 2);
        *tag = was;
        assert_int_equal(broken(m), 0);
        gomap_free(m);
    }
}

/* Moves an entry by hand to a free slot of another group; returns how to undo it. */
struct moved {
    uint8_t *tag[2], *slot[2];
    size_t size;
};

static void move_entry(struct gomap *r, uint64_t from, unsigned s, uint64_t to, unsigned t,
                       struct moved *mv) {
    size_t size = r->desc->slot_size;
    *mv = (struct moved){{&r->meta[from * 16 + s], &r->meta[to * 16 + t]},
                         {r->slots + (from * 15 + s) * size, r->slots + (to * 15 + t) * size},
                         size};
    assert_int_equal(*mv->tag[1], 0);
    *mv->tag[1] = *mv->tag[0], *mv->tag[0] = 0;
    memcpy(mv->slot[1], mv->slot[0], size);
    memset(mv->slot[0], 0, size);
}

static void undo_move(struct moved *mv) {
    *mv->tag[0] = *mv->tag[1], *mv->tag[1] = 0;
    memcpy(mv->slot[0], mv->slot[1], mv->size);
    memset(mv->slot[1], 0, mv->size);
}

static unsigned free_slot(const struct gomap *r, uint64_t g) {
    for (unsigned s = 0; s < GOMAP_GROUP_SLOTS; s++)
        if (!r->meta[g * 16 + s]) return s;
    return GOMAP_GROUP_SLOTS;
}

static void test_i3_wrong_quad(void **st) {
    (void)st;
    gomap *m = settled(1000);
    struct gomap *r = t_raw(m);
    uint64_t g = 0, to;
    unsigned s = 0;
    struct moved mv;
    assert_true(first_used(r, &g, &s));
    for (to = g / 4 * 4 + 4; to < r->ngroups && free_slot(r, to) == GOMAP_GROUP_SLOTS;) to++;
    assert_true(to < r->ngroups);
    move_entry(r, g, s, to, free_slot(r, to), &mv);
    assert_int_equal(broken(m), 3);
    undo_move(&mv);
    assert_int_equal(broken(m), 0);
    gomap_free(m);
}

/* An entry beside its home whose class bit is gone. */
static void test_i4_lost_overflow_bit(void **st) {
    (void)st;
    gomap *m = settled(1000);
    struct gomap *r = t_raw(m);
    struct moved mv;
    bool tried = false;
    for (uint64_t g = 0; g + 4 <= r->ngroups && !tried; g += 4) {
        for (unsigned s = 0; s < GOMAP_GROUP_SLOTS && !tried; s++) {
            unsigned to = free_slot(r, g + 1);
            if (!r->meta[g * 16 + s] || to == GOMAP_GROUP_SLOTS || r->meta[g * 16 + 15]) continue;
            move_entry(r, g, s, g + 1, to, &mv); /* group g says nothing has left it */
            assert_int_equal(broken(m), 4);
            undo_move(&mv);
            tried = true;
        }
    }
    assert_true(tried);
    assert_int_equal(broken(m), 0);
    gomap_free(m);
}

static void test_i5_tag_without_slot(void **st) {
    (void)st;
    gomap *m = filled(2);
    struct gomap *r = t_raw(m);
    assert_int_equal(r->mode, GOMAP_MODE_SMALL);
    assert_true(r->cap < GOMAP_GROUP_SLOTS);
    r->meta[r->cap] = 7;
    assert_int_equal(broken(m), 5);
    r->meta[r->cap] = 0;
    assert_int_equal(broken(m), 0);
    gomap_free(m);
}

/* A map with chains: few hash bits. */
static gomap *chained(const char *flavour, uint64_t n) {
    const struct t_flavour *f = t_flavour_named(flavour);
    gomap *m = t_flavour_new(f, NULL);
    for (uint64_t k = 0; k < n; k++) T_OK(tf_put(m, f, k, k));
    assert_int_equal(broken(m), 0);
    return m;
}

/* Enough entries of one hash for a chain. */
static gomap *with_chain(void) {
    const struct t_flavour *f = t_flavour_named("hash-constant");
    gomap *m = t_flavour_new(f, NULL);
    for (uint64_t k = 0; k < 500 && (!t_raw(m)->side || !t_raw(m)->side->chained); k++)
        T_OK(tf_put(m, f, k, k));
    assert_true(t_raw(m)->side->chained > 0);
    assert_int_equal(broken(m), 0);
    return m;
}

static uintptr_t *used_link(struct gomap *r) {
    for (uint64_t q = 0; q < gomap_inspect_quads(r->ngroups); q++)
        if (r->links[q] & ~(uintptr_t)1) return &r->links[q];
    return NULL;
}

static void test_i6_chains(void **st) {
    (void)st;
    gomap *m = with_chain();
    struct gomap *r = t_raw(m);
    r->side->chained++;
    assert_int_equal(broken(m), 6);
    r->side->chained--;
    r->side->nodes++;
    assert_int_equal(broken(m), 6);
    r->side->nodes--;
    uintptr_t *link = used_link(r);
    assert_non_null(link);
    struct gomap_node *n = (struct gomap_node *)(*link & ~(uintptr_t)1);
    while (n->next) n = n->next;
    n->next = (struct gomap_node *)(*link & ~(uintptr_t)1); /* a circle */
    assert_int_equal(broken(m), 6);
    n->next = NULL;
    assert_int_equal(broken(m), 0);
    gomap_free(m);
}

static void test_i7_limit(void **st) {
    (void)st;
    gomap *m = filled(1);
    uint64_t next = 1;
    assert_true(t_until_walk(m, &next, 0, 100000));
    struct gomap *r = t_raw(m);
    if (r->side->walk) { /* a walk runs: the fast path of insert must be closed */
        uint64_t was = r->limit;
        r->limit = r->count + 5;
        assert_int_equal(broken(m), 7);
        r->limit = was;
    }
    assert_int_equal(broken(m), 0);
    gomap_free(m);
}

static void test_i8_geometry(void **st) {
    (void)st;
    gomap *m = settled(1000);
    struct gomap *r = t_raw(m);
    r->split = 12345;
    assert_int_equal(broken(m), 8);
    r->split = 0;
    r->side->lo_ngroups = 4;
    assert_int_equal(broken(m), 8);
    r->side->lo_ngroups = 0;
    r->seq++;
    assert_int_equal(broken(m), 8);
    r->seq--;
    assert_int_equal(broken(m), 0);
    gomap_free(m);

    uint64_t next = 0;
    m = t_new(NULL);
    assert_true(t_until_walk(m, &next, 0.1, 100000));
    r = t_raw(m);
    assert_int_equal(broken(m), 0);
    uint64_t split = r->split;
    r->split = split / 2 + 1;
    assert_int_equal(broken(m), 8);
    r->split = split;
    assert_int_equal(broken(m), 0);
    gomap_free(m);
}

/* The same key twice: the second is never found. */
static void test_i9_key_not_found(void **st) {
    (void)st;
    gomap *m = settled(1000);
    struct gomap *r = t_raw(m);
    size_t size = r->desc->slot_size;
    uint64_t g = 0;
    unsigned s = 0, t = GOMAP_GROUP_SLOTS;
    for (g = 0; g < r->ngroups; g++) {
        for (s = 0; s < GOMAP_GROUP_SLOTS && !r->meta[g * 16 + s];) s++;
        t = free_slot(r, g);
        if (s < GOMAP_GROUP_SLOTS && t < GOMAP_GROUP_SLOTS) break;
    }
    assert_true(g < r->ngroups);
    r->meta[g * 16 + t] = r->meta[g * 16 + s];
    memcpy(r->slots + (g * 15 + t) * size, r->slots + (g * 15 + s) * size, size);
    r->count++;
    assert_int_equal(broken(m), 9);
    r->count--;
    r->meta[g * 16 + t] = 0;
    memset(r->slots + (g * 15 + t) * size, 0, size);
    assert_int_equal(broken(m), 0);
    gomap_free(m);
}

static void test_i10_bytes(void **st) {
    (void)st;
    gomap *m = chained("string", 300);
    struct gomap *r = t_raw(m);
    r->side->string_bytes++;
    assert_int_equal(broken(m), 10);
    r->side->string_bytes--;
    assert_int_equal(broken(m), 0);
    gomap_free(m);
    m = chained("stable-values", 300);
    r = t_raw(m);
    r->side->cell_bytes -= 8;
    assert_int_equal(broken(m), 10);
    r->side->cell_bytes += 8;
    assert_int_equal(broken(m), 0);
    gomap_free(m);
}

static void test_i11_stash_flag(void **st) {
    (void)st;
    gomap *m = chained("hash-constant", 600);
    struct gomap *r = t_raw(m);
    assert_true(t_stats(m).stashed_ever > 0);
    uintptr_t *link = used_link(r);
    assert_non_null(link);
    assert_true(*link & 1);
    *link &= ~(uintptr_t)1;
    int n = broken(m);
    assert_true(n == 11 || n == 9); /* nothing of the stash is found either */
    *link |= 1;
    assert_int_equal(broken(m), 0);
    gomap_free(m);
}

static void test_i12_registry(void **st) {
    (void)st;
    extern struct gomap_root gomap_inspect_root_1;
    gomap *m = filled(10);
    struct gomap *r = t_raw(m);
    uint32_t index = (uint32_t)r->id - 1;
    struct gomap_chunk *c = gomap_inspect_root_1.chunks;
    while (c && index - c->base >= GOMAP_CHUNK_ENTRIES) c = c->next;
    assert_non_null(c);
    struct gomap_chunk_entry *e = &c->entry[index - c->base];
    e->gen++;
    assert_int_equal(broken(m), 12);
    e->gen--;
    e->map = NULL;
    assert_int_equal(broken(m), 12);
    e->map = r;
    r->cookie ^= 1;
    assert_int_equal(broken(m), 12);
    r->cookie ^= 1;
    assert_int_equal(broken(m), 0);
    gomap_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_healthy),
        cmocka_unit_test(test_i1_count),
        cmocka_unit_test(test_i2_tophash),
        cmocka_unit_test(test_i3_wrong_quad),
        cmocka_unit_test(test_i4_lost_overflow_bit),
        cmocka_unit_test(test_i5_tag_without_slot),
        cmocka_unit_test(test_i6_chains),
        cmocka_unit_test(test_i7_limit),
        cmocka_unit_test(test_i8_geometry),
        cmocka_unit_test(test_i9_key_not_found),
        cmocka_unit_test(test_i10_bytes),
        cmocka_unit_test(test_i11_stash_flag),
        cmocka_unit_test(test_i12_registry),
    };
    return t_run("verify", tests, sizeof tests / sizeof *tests);
}
