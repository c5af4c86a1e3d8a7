/* tests/unit/test_alias.c - arguments that point into the map they are given to.
 *
 * A write may move every entry of the table.  Each call is made with keys and values that lie inside the
 * map, at every size from 1 entry on, so that some of the calls grow, walk or shrink the table; the model
 * says what should have come out.  Under a sanitizer a read of moved memory is found as well.
 */
#include "../flavours.h"

enum { LAST = 700 };

/* The key of entry k as it lies in the map. */
static const void *key_inside(gomap *m, const struct t_flavour *f, uint64_t k, gomap_iter *it) {
    for (gomap_iter_init(it, m); gomap_iter_next(it);)
        if (t_key_number(f, it->key) == k) return it->key;
    return NULL;
}

struct fixture {
    const struct t_flavour *f;
    struct t_alloc alloc;
    struct t_model model;
    gomap *m;
};

static void begin(struct fixture *x, const struct t_flavour *f) {
    x->f = f;
    t_alloc_init(&x->alloc);
    t_model_init(&x->model, LAST * 3);
    x->m = t_flavour_new(f, &x->alloc);
}

static void end(struct fixture *x) {
    assert_int_equal(gomap_len(x->m), x->model.count);
    for (uint64_t k = 0; k < x->model.universe; k++) {
        uint64_t v = 0;
        assert_int_equal(tf_get(x->m, x->f, k, &v), x->model.has[k]);
        if (x->model.has[k]) assert_int_equal(v, x->model.value[k]);
    }
    T_VERIFY(x->m);
    gomap_free(x->m);
    t_alloc_check_empty(&x->alloc);
    t_model_free(&x->model);
}

static void put(struct fixture *x, uint64_t k, uint64_t v) {
    T_OK(tf_put(x->m, x->f, k, v));
    t_model_put(&x->model, k, v);
}

static uint64_t last_of(const struct t_flavour *f) { return t_flavour_clumps(f) ? 150 : LAST; }

/* put(m, new key, get(m, old key)) */
static void value_of_another(const struct t_flavour *f) {
    struct fixture x;
    struct t_key room, room2;
    begin(&x, f);
    put(&x, 0, 4711);
    for (uint64_t k = 1; k < last_of(f); k++) {
        const void *v = gomap_get(x.m, t_key(f, k - 1, &room));
        T_OK(gomap_put(x.m, t_key(f, k, &room2), v));
        t_model_put(&x.model, k, 4711);
    }
    end(&x);
}

/* put(m, key in the map, value in the map): updates of an entry from itself and from others */
static void key_and_value_inside(const struct t_flavour *f) {
    struct fixture x;
    struct t_key room;
    gomap_iter it;
    begin(&x, f);
    for (uint64_t k = 0; k < last_of(f); k++) {
        put(&x, k, k + 1);
        if (k > 100 && k % 8) continue; /* looking for a key by iteration is slow */
        uint64_t other = t_below(k + 1), from = t_below(k + 1);
        const void *key = key_inside(x.m, f, other, &it), *v = gomap_get(x.m, t_key(f, from, &room));
        T_OK(gomap_put(x.m, key, v));
        t_model_put(&x.model, other, x.model.value[from]);
        bool inserted = true;
        T_OK(gomap_put_if_absent(x.m, key_inside(x.m, f, other, &it), gomap_get(x.m, t_key(f, from, &room)),
                                 &inserted));
        assert_false(inserted);
    }
    end(&x);
}

/* delete(m, it.key), and put of a key that lies in the map after its delete moved things */
static void delete_by_inside_key(const struct t_flavour *f) {
    struct fixture x;
    gomap_iter it;
    begin(&x, f);
    for (uint64_t k = 0; k < last_of(f); k++) put(&x, k, k);
    for (gomap_iter_init(&it, x.m); gomap_iter_next(&it);) {
        uint64_t k = t_key_number(f, it.key);
        if (k % 4 == 0) continue;
        assert_true(gomap_delete(x.m, it.key));
        t_model_del(&x.model, k);
    }
    end(&x);
}

/* get_or_insert: the slot that is returned is where the value is after the call, growth or not; and the key lies
 * in another map's entry or in this map's own value. */
static void slot_survives_its_own_call(const struct t_flavour *f) {
    struct fixture x;
    struct t_key room;
    begin(&x, f);
    for (uint64_t k = 0; k < last_of(f) * 2; k++) {
        void *v;
        bool is_new = false;
        T_OK(gomap_get_or_insert(x.m, t_key(f, k, &room), &v, &is_new));
        assert_true(is_new);
        memcpy(v, &k, sizeof k);
        t_model_put(&x.model, k, k);
        T_OK(gomap_get_or_insert(x.m, t_key(f, k / 2, &room), &v, &is_new));
        assert_false(is_new);
        assert_ptr_equal(v, gomap_get(x.m, t_key(f, k / 2, &room)));
    }
    end(&x);
}

#define FOR_ALL_FLAVOURS(name, body)                                                                         \
    static void name(void **st) {                                                                            \
        (void)st;                                                                                            \
        for (size_t i = 0; i < t_flavour_count; i++) body(&t_flavours[i]);                                   \
    }
FOR_ALL_FLAVOURS(test_value_of_another, value_of_another)
FOR_ALL_FLAVOURS(test_key_and_value_inside, key_and_value_inside)
FOR_ALL_FLAVOURS(test_delete_by_inside_key, delete_by_inside_key)
FOR_ALL_FLAVOURS(test_slot_survives_its_own_call, slot_survives_its_own_call)

/* The key is a value of the same map. */
static void test_key_is_a_value(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    t_put(m, 0, 1);
    for (uint64_t k = 0; k < 6000; k++) { /* k -> k + 1: the next key is this value */
        uint64_t next = k + 2;
        T_OK(gomap_put(m, gomap_get(m, &k), &next));
    }
    for (uint64_t k = 0; k < 6000; k++) {
        uint64_t *v = gomap_get(m, &k);
        assert_int_equal(*v, k + 1);
        if (k % 3 == 0) assert_true(gomap_delete(m, gomap_get(m, &k)));
        if (k % 3 == 0) k++;
    }
    T_VERIFY(m);
    gomap_free(m);
}

/* Key and value are the same bytes, inside. */
static void test_value_onto_itself(void **st) {
    (void)st;
    gomap *m = t_new(NULL);
    t_fill(m, 0, 5000);
    for (uint64_t k = 0; k < 5000; k++) {
        bool found;
        T_OK(gomap_put(m, &k, gomap_get(m, &k)));
        assert_int_equal(t_get(m, k, &found), t_mix(k));
    }
    T_VERIFY(m);
    gomap_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value_of_another),     cmocka_unit_test(test_key_and_value_inside),
        cmocka_unit_test(test_delete_by_inside_key), cmocka_unit_test(test_slot_survives_its_own_call),
        cmocka_unit_test(test_key_is_a_value),       cmocka_unit_test(test_value_onto_itself),
    };
    return t_run("alias", tests, sizeof tests / sizeof *tests);
}
