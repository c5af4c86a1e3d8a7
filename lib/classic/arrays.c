/* lib/classic/arrays.c - bucket arrays, overflow buckets, cells, and how long each of them lives.
 *
 *   buckets                                  pool of overflow buckets (B >= 4)          record
 *   | 0 | 1 | ... | 2^B - 1 | in use ... | next_overflow | ... | last: overflow = buckets | struct array |
 *
 * A pool bucket whose overflow word is NULL has another one behind it; the last holds a word that is not
 * NULL.  When the pool is used up, overflow buckets are allocated one by one.  Nothing of an array is freed
 * before the whole array is: a map gives memory back when it grows, and at its end.
 *
 * Go leaves the end of an array to its collector.  Here an iterator pins the arrays it walks.  When an array
 * has been evacuated the map disowns it; it is freed when nobody pins it, at once or by the last iterator:
 *
 *   map.arrays -> current (owned) -> old (owned while growing) -> held by iterators -> held by iterators ...
 *   newest first
 *
 * An evacuated bucket still holds pointers to the cells of its entries, and an iterator reads keys through
 * them.  So a cell that a delete frees goes to the limbo of the newest array that is pinned and not current:
 * only that one and older ones can point to it.  An array that is freed hands its limbo down to the next
 * older pinned one.  Overflow buckets that clear takes from a pinned current array wait in that array's own
 * limbo.
 *
 * Running out of memory: an evacuation first secures all overflow buckets it may need (evacuate.c), then
 * links them.
 */
#include "classic_internal.h"

/* ---- loose blocks: overflow buckets and cells ---------------------------------------------------------- */

static struct gomap_loose *loose_make(struct classic *m, size_t size) {
    struct gomap_loose *l = gomap__alloc(gomap__classic_alloc(m), sizeof *l + size, 16);
    if (l) l->size = size;
    return l;
}

static void push(struct gomap_loose_list *list, struct gomap_loose *l) {
    l->next = list->first;
    list->first = l;
    list->count++;
    list->bytes += sizeof *l + l->size;
}

static struct gomap_loose *pop(struct gomap_loose_list *list) {
    struct gomap_loose *l = list->first;
    list->first = l->next;
    list->count--;
    list->bytes -= sizeof *l + l->size;
    return l;
}

static void append(struct gomap_loose_list *to, struct gomap_loose_list *from) {
    while (from->first) push(to, pop(from));
}

void gomap__loose_free(struct classic *m, struct gomap_loose_list *list) {
    while (list->first) {
        struct gomap_loose *l = pop(list);
        gomap__dealloc(gomap__classic_alloc(m), l, sizeof *l + l->size, 16);
    }
}

/* ---- arrays -------------------------------------------------------------------------------------------- */

static size_t array_bytes(size_t buckets, const struct gomap_classic_desc *d) {
    return buckets * d->bucket_size + sizeof(struct array);
}

/* An array for B, zeroed, not yet the map's. */
struct array *gomap__array_make(struct classic *m, unsigned b) {
    const struct gomap_classic_desc *d = m->pub.desc;
    if (b > B_MAX || (uint64_t)d->bucket_size << b > SIZE_MAX / 4) return NULL;
    size_t n = gomap_classic_array_buckets(b, d->bucket_size, d->flags & GOMAP_CF_POINTERS);
    size_t bytes = array_bytes(n, d);
    uint8_t *p = gomap__alloc(gomap__classic_alloc(m), bytes, 16);
    if (!p) return NULL;
    struct array *a =
        (struct array *)(void *)(p + n * d->bucket_size); /* behind it: large arrays start on a page */
    a->buckets = p, a->n = n, a->bytes = bytes;
    return a;
}

static void need_extra(struct classic *m) {
    if (m->pub.h.extra) return;
    m->pub.h.extra = &m->pub.extra;
    stored(m, GOMAP_CLASSIC_STORE_BUCKETS, 1);
}

/* The overflow buckets behind the 2^B others, if there are any. */
static void make_pool(struct classic *m, struct array *a, unsigned b) {
    const struct gomap_classic_desc *d = m->pub.desc;
    uint64_t base = UINT64_C(1) << b;
    if (a->n == base) return;
    *overflow_of(d, bucket_at(d, a->buckets, a->n - 1)) = a->buckets;
    need_extra(m);
    m->pub.extra.next_overflow = bucket_at(d, a->buckets, base);
    stored(m, GOMAP_CLASSIC_STORE_OVERFLOW, 2);
}

/* The array becomes the map's current one. */
void gomap__array_start(struct classic *m, struct array *a, unsigned b) {
    pthread_mutex_lock(&m->lock);
    a->owned = true;
    a->older = m->arrays;
    m->arrays = a;
    pthread_mutex_unlock(&m->lock);
    m->cur = a;
    m->pub.h.buckets = a->buckets;
    stored(m, GOMAP_CLASSIC_STORE_BUCKETS, 1);
    make_pool(m, a, b);
}

/* Nobody looks through this array any more: what waited for that goes, or waits for an older one. */
static void leave_limbo(struct classic *m, struct array *a) {
    struct array *heir = a->older;
    while (heir && !heir->pins) heir = heir->older;
    if (heir) append(&heir->limbo, &a->limbo);
    gomap__loose_free(m, &a->limbo);
}

static void array_free(struct classic *m, struct array *a) {
    struct array **at = &m->arrays;
    leave_limbo(m, a);
    while (*at != a) at = &(*at)->older;
    *at = a->older;
    gomap__loose_free(m, &a->overflow);
    if (a->n > 1) gomap__event_of(m->pub.id, GOMAP_EV_RETIRE, (uintptr_t)a->buckets, a->bytes);
    gomap__dealloc(gomap__classic_alloc(m), a->buckets, a->bytes, 16);
}

/* What iterators hold beyond the map itself; the lock is held, or nobody else is there. */
static void count_held(struct classic *m) {
    uint64_t held = m->spare.bytes;
    for (const struct array *a = m->arrays; a; a = a->older)
        held += a->limbo.bytes + (a->owned ? 0 : a->bytes + a->overflow.bytes);
    __atomic_store_n(&m->pub.held_bytes, held, __ATOMIC_RELAXED);
}

/* The old array has been evacuated, or cleared away. */
void gomap__array_disown(struct classic *m, struct array *a) {
    pthread_mutex_lock(&m->lock);
    a->owned = false;
    if (!a->pins) array_free(m, a);
    pthread_mutex_unlock(&m->lock);
}

/* Clear: the current array as it was when new.  Its overflow buckets go; iterators may be standing in them. */
void gomap__array_empty(struct classic *m, unsigned b) {
    struct array *a = m->cur;
    pthread_mutex_lock(&m->lock);
    if (a->pins) append(&a->limbo, &a->overflow);
    gomap__loose_free(m, &a->overflow);
    pthread_mutex_unlock(&m->lock);
    memset(a->buckets, 0, a->n * m->pub.desc->bucket_size);
    make_pool(m, a, b);
}

void gomap__arrays_free(struct classic *m) {
    for (struct array *a = m->arrays; a; a = a->older) a->pins = 0; /* of iterators that were never ended */
    while (m->arrays) array_free(m, m->arrays);
    gomap__loose_free(m, &m->spare);
}

void gomap__pin(struct classic *m, struct array *a) {
    pthread_mutex_lock(&m->lock);
    a->pins++;
    if (a == m->cur && !(m->pub.desc->flags & GOMAP_CF_POINTERS)) { /* Go makes the list now, to share it */
        need_extra(m);
        if (!m->pub.extra.overflow) m->pub.extra.overflow = &a->overflow;
    }
    pthread_mutex_unlock(&m->lock);
}

void gomap__unpin(struct classic *m, struct array *a) {
    pthread_mutex_lock(&m->lock);
    if (!--a->pins) {
        leave_limbo(m, a);
        if (!a->owned) array_free(m, a);
        count_held(m);
    }
    pthread_mutex_unlock(&m->lock);
}

/* ---- cells --------------------------------------------------------------------------------------------- */

uint8_t *gomap__cell_make(struct classic *m, size_t size) {
    struct gomap_loose *l = loose_make(m, size);
    if (!l) return NULL;
    m->pub.cell_bytes += sizeof *l + size;
    repiled(m);
    return (uint8_t *)(l + 1);
}

void gomap__cell_drop(struct classic *m, void *cell) {
    if (!cell) return;
    struct gomap_loose *l = (struct gomap_loose *)cell - 1;
    struct array *a;
    m->pub.cell_bytes -= sizeof *l + l->size;
    pthread_mutex_lock(&m->lock);
    for (a = m->arrays; a && (a == m->cur || !a->pins); a = a->older) {}
    if (a) {
        push(&a->limbo, l);
        count_held(m);
    } else {
        gomap__dealloc(gomap__classic_alloc(m), l, sizeof *l + l->size, 16);
    }
    pthread_mutex_unlock(&m->lock);
    repiled(m);
}

/* ---- overflow buckets ---------------------------------------------------------------------------------- */

uint64_t gomap__pool_left(const struct classic *m) {
    const uint8_t *next = m->pub.extra.next_overflow;
    if (!next) return 0;
    return m->cur->n - (uint64_t)(next - m->cur->buckets) / m->pub.desc->bucket_size;
}

/* Make sure that n overflow buckets can be linked. */
bool gomap__overflow_secure(struct classic *m, uint64_t n) {
    for (uint64_t have = gomap__pool_left(m) + m->spare.count; have < n; have++) {
        struct gomap_loose *l = loose_make(m, m->pub.desc->bucket_size);
        if (!l) return false;
        push(&m->spare, l);
    }
    return true;
}

static uint8_t *from_pool(struct classic *m) {
    const struct gomap_classic_desc *d = m->pub.desc;
    uint8_t *b = m->pub.extra.next_overflow;
    if (!*overflow_of(d, b)) {
        m->pub.extra.next_overflow = b + d->bucket_size;
    } else {
        *overflow_of(d, b) = NULL;
        m->pub.extra.next_overflow = NULL;
    }
    stored(m, GOMAP_CLASSIC_STORE_OVERFLOW, 1);
    return b;
}

/* Exact in small maps; from 2^16 buckets on a sample that again ends near 2^15 when there are as many
 * overflow buckets as buckets, so that 16 bits do. */
static void count_overflow(struct classic *m) {
    unsigned b = m->pub.h.B;
    m->pub.counters.overflows++;
    if (b >= SAMPLED_FROM_B && (uint32_t)gomap__classic_random(m) & ((UINT64_C(1) << (b - 15)) - 1)) return;
    m->pub.h.noverflow++;
}

/* Link an overflow bucket behind the last bucket of a chain of the current array; it was secured before. */
uint8_t *gomap__overflow_link(struct classic *m, uint8_t *last) {
    const struct gomap_classic_desc *d = m->pub.desc;
    bool pooled = m->pub.extra.next_overflow != NULL;
    uint8_t *b;
    if (pooled) {
        b = from_pool(m);
    } else {
        struct gomap_loose *l = pop(&m->spare);
        push(&m->cur->overflow, l);
        b = (uint8_t *)(l + 1);
    }
    count_overflow(m);
    if (!(d->flags & GOMAP_CF_POINTERS)) { /* Go's collector would not find it through the chain */
        need_extra(m);
        m->pub.extra.overflow = &m->cur->overflow;
        stored(m, GOMAP_CLASSIC_STORE_OVERFLOW, 1);
    }
    *overflow_of(d, last) = b;
    stored(m, GOMAP_CLASSIC_STORE_OVERFLOW, 1);
    return b;
}

/* What outside readers see of all this. */
void gomap__publish(struct classic *m) {
    struct gomap_classic *p = &m->pub;
    p->array_buckets = m->cur ? m->cur->n : 0;
    p->array_bytes = m->cur ? m->cur->bytes : 0;
    p->overflow_count = m->cur ? m->cur->overflow.count : 0;
    p->old_array_buckets = m->old ? m->old->n : 0;
    p->old_bytes = m->old ? m->old->bytes : 0;
    p->old_overflow_count = m->old ? m->old->overflow.count : 0;
    count_held(m);
    repiled(m);
}

void gomap__classic_repile(struct classic *m) {
    uint64_t was = m->pile, now = gomap__classic_pile_bytes(&m->pub);
    if (!m->pub.id) return; /* not yet a map anybody knows */
    m->pile = now;
    if (now > was)
        gomap__pile_grew(&(struct gomap__pile){m->pub.id, now, &m->pub, m->pub.desc, GOMAP_KIND_CLASSIC}, now - was);
    else if (now < was)
        gomap__pile_is(m->pub.id, now);
}
