/* lib/classic/layout.c - where things lie: buckets, types, and how large an array is.
 *
 *        8          8 * key_slot          8 * elem_slot        a word
 *   | tophash[8] | keys[8] ............ | elems[8] ......... | overflow |
 *
 * Keys together and elems together, so that no slot needs padding; every array of 8 ends on a multiple of 8,
 * so the next part is aligned whatever the sizes.  A key or elem of more than 128 bytes is a pointer to a
 * cell.
 *
 * Arrays from B = 4 on get 2^(B-4) overflow buckets more, and then as many as fit what Go's allocator would
 * have handed out for that size: up to 32 KiB a size class, above a multiple of its 8 KiB page.  This is why
 * arrays of one B differ by type.
 */
#include "classic_internal.h"

#if UINTPTR_MAX > UINT32_MAX
static_assert(sizeof(struct gomap_hmap) == 48, "Go's header");
static_assert(offsetof(struct gomap_hmap, flags) == 8 && offsetof(struct gomap_hmap, B) == 9 &&
                  offsetof(struct gomap_hmap, noverflow) == 10 && offsetof(struct gomap_hmap, hash0) == 12 &&
                  offsetof(struct gomap_hmap, buckets) == 16 &&
                  offsetof(struct gomap_hmap, oldbuckets) == 24 &&
                  offsetof(struct gomap_hmap, nevacuate) == 32 && offsetof(struct gomap_hmap, extra) == 40,
              "Go's header");
static_assert(sizeof(struct gomap_mapextra) == 24, "Go's extra record");
static_assert(sizeof(gomap_classic_iter) == 96, "Go's hiter: 12 words");
static_assert(offsetof(gomap_classic_iter, start_bucket) == 64 &&
                  offsetof(gomap_classic_iter, offset) == 72 &&
                  offsetof(gomap_classic_iter, check_bucket) == 88,
              "Go's hiter");
static_assert(sizeof(gomap_str) == 16, "Go's string");
static_assert(offsetof(struct gomap_classic, id) == offsetof(struct gomap, id) &&
                  offsetof(struct gomap_classic, cookie) == offsetof(struct gomap, cookie),
              "a reader that expects a gomap sees a foreign cookie");
#endif

/* Go's size classes, in bytes (the same from 1.19 to 1.23). */
static const uint16_t size_class[] = {
    8,     16,    24,    32,    48,    64,    80,    96,    112,   128,   144,  160,   176,   192,
    208,   224,   240,   256,   288,   320,   352,   384,   416,   448,   480,  512,   576,   640,
    704,   768,   896,   1024,  1152,  1280,  1408,  1536,  1792,  2048,  2304, 2688,  3072,  3200,
    3456,  4096,  4864,  5376,  6144,  6528,  6784,  6912,  8192,  9472,  9728, 10240, 10880, 12288,
    13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768};
enum { CLASSES = sizeof size_class / sizeof *size_class, GO_PAGE = 8192, GO_SMALL = 32768 - 8 };
enum {
    GO_HEADER_ABOVE = 512,
    GO_HEADER = 8
}; /* objects with pointers carry a header from that size on (Go 1.22) */

static size_t go_size(size_t bytes, bool pointers) {
    size_t head = 0, i = 0;
    if (bytes > GO_SMALL) return (bytes + GO_PAGE - 1) / GO_PAGE * GO_PAGE;
    if (pointers && bytes > GO_HEADER_ABOVE) head = GO_HEADER;
    while (i < CLASSES - 1 && size_class[i] < bytes + head) i++;
    return size_class[i] - head;
}

size_t gomap_classic_array_buckets(unsigned b, size_t bucket_bytes, bool pointers) {
    size_t n = (size_t)1 << b;
    if (b < POOL_FROM_B) return n;
    n += n >> POOL_FROM_B;
    return go_size(n * bucket_bytes, pointers) / bucket_bytes;
}

size_t gomap_classic_bucket_bytes(size_t key_size, size_t elem_size) {
    size_t key = key_size > INDIRECT_ABOVE ? sizeof(void *) : key_size;
    size_t elem = elem_size > INDIRECT_ABOVE ? sizeof(void *) : elem_size;
    return GOMAP_BUCKET_KEYS + SLOTS * (key + elem) + sizeof(void *);
}

unsigned gomap_classic_hint_b(uint64_t hint) {
    unsigned b = 0;
    while (b < B_MAX && gomap__overload(hint, b)) b++;
    return b;
}

uint64_t gomap_classic_grow_at(unsigned b) {
    uint64_t limit = LOAD_NUM * ((UINT64_C(1) << b) / LOAD_DEN);
    return (limit < SLOTS ? SLOTS : limit) + 1;
}

/* ---- types --------------------------------------------------------------------------------------------- */

static size_t fitting_align(size_t size, size_t align) {
    if (align) return align;
    align = sizeof(uint64_t);
    while (size % align) align /= 2;
    return align;
}

static bool good_shape(size_t size, size_t align) {
    enum { SIZE_MOST = 65536 };
    return size <= SIZE_MOST && (align == 1 || align == 2 || align == 4 || align == 8) && size % align == 0;
}

/* Go's own answers about the type of a key. */
static unsigned key_flags(const gomap_classic_config *c) {
    unsigned f = 0, own = c->flags;
    if (c->keys == GOMAP_CLASSIC_CUSTOM) {
        if (!(own & GOMAP_CLASSIC_NOT_REFLEXIVE)) f |= GOMAP_CF_REFLEXIVE;
        if (own & GOMAP_CLASSIC_KEY_UPDATE) f |= GOMAP_CF_KEY_UPDATE;
        if (own & GOMAP_CLASSIC_HASH_FIRST) f |= GOMAP_CF_HASH_FIRST;
    } else if (c->keys == GOMAP_CLASSIC_FLOAT) {
        f |= GOMAP_CF_KEY_UPDATE;
    } else {
        f |= GOMAP_CF_REFLEXIVE | (c->keys == GOMAP_CLASSIC_STRING ? GOMAP_CF_KEY_UPDATE : 0);
    }
    if (own & GOMAP_CLASSIC_KEY_POINTERS || c->keys == GOMAP_CLASSIC_STRING) f |= GOMAP_CF_KEY_POINTERS;
    return f;
}

static uint32_t choose_path(const gomap_classic_config *c, const struct gomap_classic_desc *d) {
    if (c->flags & GOMAP_CLASSIC_GENERIC_PATH || d->elem_size > INDIRECT_ABOVE)
        return GOMAP_CLASSIC_PATH_GENERIC;
    if (c->keys == GOMAP_CLASSIC_STRING) return GOMAP_CLASSIC_PATH_FASTSTR;
    if (c->keys != GOMAP_CLASSIC_MEMORY) return GOMAP_CLASSIC_PATH_GENERIC;
    if (d->key_size == 4 && !(d->flags & GOMAP_CF_KEY_POINTERS)) return GOMAP_CLASSIC_PATH_FAST32;
    return d->key_size == 8 ? GOMAP_CLASSIC_PATH_FAST64 : GOMAP_CLASSIC_PATH_GENERIC;
}

static bool fill_desc(const gomap_classic_config *c, struct gomap_classic_desc *d) {
    bool string = c->keys == GOMAP_CLASSIC_STRING;
    size_t ks = string ? sizeof(gomap_str) : c->key_size, es = c->elem_size;
    size_t ka = string ? sizeof(void *) : fitting_align(ks, c->key_align),
           ea = fitting_align(es, c->elem_align);
    if (c->size != sizeof *c || c->keys > GOMAP_CLASSIC_CUSTOM ||
        c->flags > 2 * GOMAP_CLASSIC_GENERIC_PATH - 1)
        return false;
    if (!good_shape(ks, ka) || !good_shape(es, ea)) return false;
    if (c->keys == GOMAP_CLASSIC_CUSTOM ? !c->hash || !c->eq : c->eq != NULL) return false;
    if (c->keys == GOMAP_CLASSIC_FLOAT && ks != sizeof(float) && ks != sizeof(double)) return false;
    if (c->alloc && (!c->alloc->alloc || !c->alloc->free)) return false;
    d->size = sizeof *d;
    d->flags = key_flags(c) | (c->flags & GOMAP_CLASSIC_ELEM_POINTERS ? GOMAP_CF_ELEM_POINTERS : 0);
    if (ks > INDIRECT_ABOVE) d->flags |= GOMAP_CF_KEY_INDIRECT;
    if (es > INDIRECT_ABOVE) d->flags |= GOMAP_CF_ELEM_INDIRECT;
    if (d->flags &
        (GOMAP_CF_KEY_POINTERS | GOMAP_CF_ELEM_POINTERS | GOMAP_CF_KEY_INDIRECT | GOMAP_CF_ELEM_INDIRECT))
        d->flags |= GOMAP_CF_POINTERS;
    d->key_size = (uint32_t)ks, d->key_align = (uint32_t)ka;
    d->elem_size = (uint32_t)es, d->elem_align = (uint32_t)ea;
    d->key_slot = ks > INDIRECT_ABOVE ? sizeof(void *) : (uint32_t)ks;
    d->elem_slot = es > INDIRECT_ABOVE ? sizeof(void *) : (uint32_t)es;
    d->bucket_size = (uint32_t)gomap_classic_bucket_bytes(ks, es);
    d->elem_off = GOMAP_BUCKET_KEYS + SLOTS * d->key_slot;
    d->overflow_off = d->bucket_size - (uint32_t)sizeof(void *);
    d->path = choose_path(c, d);
    d->keys = (uint32_t)c->keys;
    d->hash = c->hash, d->eq = c->eq;
    return true;
}

static bool same_text(const char *a, const char *b) { return a == b || (a && b && !strcmp(a, b)); }

static bool same_desc(const struct gomap_classic_desc *a, const struct gomap_classic_desc *b) {
    return a->flags == b->flags && a->key_size == b->key_size && a->key_align == b->key_align &&
           a->elem_size == b->elem_size && a->elem_align == b->elem_align && a->path == b->path &&
           a->keys == b->keys && a->hash == b->hash && a->eq == b->eq &&
           same_text(a->key_name, b->key_name) && same_text(a->elem_name, b->elem_name) &&
           same_text(a->site, b->site);
}

static const struct gomap_classic_desc *types;

static char *text_after(char *to, const char *s, const char **out) {
    *out = s ? strcpy(to, s) : NULL;
    return s ? to + strlen(s) + 1 : to;
}

/* The one copy of a type, with its texts; never freed. */
static const struct gomap_classic_desc *intern(const struct gomap_classic_desc *d) {
    const struct gomap_classic_desc *seen = __atomic_load_n(&types, __ATOMIC_ACQUIRE), *t;
    for (t = seen; t; t = t->next)
        if (same_desc(t, d)) return t;
    size_t bytes =
        sizeof *d + strlen(d->key_name) + strlen(d->elem_name) + (d->site ? strlen(d->site) : 0) + 3;
    struct gomap_classic_desc *n = gomap__alloc(NULL, bytes, 16);
    if (!n) return NULL;
    *n = *d;
    char *text = text_after((char *)(n + 1), d->key_name, &n->key_name);
    text = text_after(text, d->elem_name, &n->elem_name);
    text_after(text, d->site, &n->site);
    /* Two threads may both add a type they both miss: then there are two of it, which is harmless. */
    for (n->next = seen;
         !__atomic_compare_exchange_n(&types, &n->next, n, false, __ATOMIC_RELEASE, __ATOMIC_ACQUIRE);) {}
    return n;
}

gomap_err gomap__classic_describe(const gomap_classic_config *c, const struct gomap_classic_desc **out) {
    struct gomap_classic_desc d = {0};
    char key[24], elem[24];
    if (!c || !fill_desc(c, &d)) return GOMAP_EINVAL;
    snprintf(key, sizeof key, "%u bytes", d.key_size);
    snprintf(elem, sizeof elem, "%u bytes", d.elem_size);
    d.key_name = c->key_type ? c->key_type : c->keys == GOMAP_CLASSIC_STRING ? "string" : key;
    d.elem_name = c->elem_type ? c->elem_type : elem;
    d.site = c->site;
    *out = intern(&d);
    return *out ? GOMAP_OK : GOMAP_ENOMEM;
}
