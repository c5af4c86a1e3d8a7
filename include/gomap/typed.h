/* gomap/typed.h - maps of one C type, with inlined, type-checked functions.
 *
 *     GOMAP_DEFINE(ages, uint64_t, double);         // integers of up to 8 bytes: hashed and compared inline
 *     GOMAP_DEFINE_STR(words, uint32_t);            // byte strings, copied by the map
 *     GOMAP_DEFINE_KEY(points, struct point, int);  // other keys: compared as bytes (no padding in them!)
 *
 *     gomap *m;
 *     if (ages_new(&m)) ...;
 *     if (ages_put(m, 7, 1.5)) ...;
 *     double *v = ages_get(m, 7);
 *     ages_iter it;
 *     for (ages_iter_init(&it, m); ages_iter_next(&it);) use(it.key, it.value);
 *     gomap_free(m);
 *
 * The maps are ordinary ones: every function of gomap.h works on them, and so does all observation.  Rules on
 * pointers, threads and errors are those of gomap.h.  A map must be used with the type it was made with: the calls do not
 * check that.  With GOMAP_CHECKED defined before including this header, inlined calls check for misuse as gomap.h's do.  Header-only: needs nothing but linking the library.
 * C11, and C++ (no exceptions, no templates).
 *
 * GOMAP_DEFINE(name, K, V) defines, with K an integer, enum or pointer type and V any type of at most 128 bytes:
 *   gomap_err name_new(gomap **out)                       as gomap_new
 *   gomap_err name_new_with(gomap_config c, gomap **out)  sizes and types in c are overwritten; copy and destroy
 *                                                         functions are refused (GOMAP_EINVAL): use gomap.h
 *   V *       name_get(const gomap *, K)                  NULL if absent
 *   bool      name_has(const gomap *, K)
 *   gomap_err name_put(gomap *, K, V)
 *   V *       name_at(gomap *, K, bool *is_new)           get or insert (zeros); NULL: out of memory
 *   bool      name_delete(gomap *, K)
 *   name_iter, name_iter_init, name_iter_next, name_iter_delete
 * The site of such a map is the line of GOMAP_DEFINE; name_new_with(GOMAP_CONFIG(0, 0), &m) gives that of the call.
 * name_iter_delete takes (it, map); an iterator is about 2 KiB, the caller's.
 * GOMAP_DEFINE_STR takes gomap_str keys, and its functions named _s (name_get_s ...) take NUL terminated strings.
 * Cost: get and delete inline about 50 instructions each, put about 65; what is not usual calls the library.
 */
#ifndef GOMAP_TYPED_H
#define GOMAP_TYPED_H

#include "gomap/probe.h"

#ifdef __cplusplus
extern "C" {
#define GOMAP__CAST(type, p) (static_cast<type>(p))
#else
#define GOMAP__CAST(type, p) ((type)(p))
#endif

/* What typed code needs of the library: the slow halves.  Not for direct use. */
/* pure: loops of lookups keep what they read of the map in registers */
GOMAP_API void *gomap__typed_find(const struct gomap *m, uint64_t hash, const void *key) __attribute__((pure));
GOMAP_API void *gomap__typed_insert_checked(struct gomap *m, const void *key, bool *is_new);
GOMAP_API void *gomap__typed_insert(struct gomap *m, uint64_t hash, const void *key, bool *is_new);
GOMAP_API bool gomap__typed_delete(struct gomap *m, uint64_t hash, const void *key);
GOMAP_API gomap_err gomap__typed_new(const gomap_config *c, int layout, size_t slot_size, size_t val_off,
                                     gomap **out);
GOMAP_API bool gomap__typed_misuse(const struct gomap *m, const char *op);

/* Layout symbol: a program that inlined another layout does not link. */
__attribute__((unused)) static const char *const gomap__layout_used = &gomap__layout_1;

#define GOMAP__BODY static inline __attribute__((unused))

/* May typed code read this map now?  Usually it asks only what a lookup needs anyway: NULL.  With GOMAP_CHECKED defined,
 * every inlined call makes the checks of the library's own calls. */
#ifdef GOMAP_CHECKED
#define GOMAP__WRITES_INLINE(m) 0
#define GOMAP__READABLE(m, op)                                                                               \
    ((m) && ((GOMAP__LIKELY((m)->cookie == GOMAP_COOKIE && !(m)->writing)) || gomap__typed_misuse((m), (op))))
#else
/* Two loads on purpose: a compiler that merges them reads eight bytes over a byte that may just have been stored, which
 * no processor forwards: the load would wait for every store before it to reach memory. */
#define GOMAP__WRITES_INLINE(m)                                                                              \
    GOMAP__LIKELY((m) && __atomic_load_n(&(m)->cookie, __ATOMIC_RELAXED) == GOMAP_COOKIE &&                  \
                  !__atomic_load_n(&(m)->writing, __ATOMIC_RELAXED))
#define GOMAP__READABLE(m, op)  ((m) != NULL)
#endif

/* The probe, for a key comparison EQ(slot) that the compiler sees.  While a walk runs, positions below split have the
 * other geometry: a branch, since a select would make every address wait for the hash twice, and inline, since a call for
 * each such lookup would cost as much again as the branch mispredicted (docs/performance.md). */
#define GOMAP__PROBE(m, hash, slot_size, slot_var, EQ, found, missed)                                        \
    do {                                                                                                     \
        uint64_t groups_ = (m)->ngroups;                                                                     \
        const uint8_t *meta_ = (m)->meta;                                                                    \
        uint8_t *slots_ = (m)->slots;                                                                        \
        if (GOMAP__UNLIKELY((hash) < (m)->split))                                                            \
            groups_ = (m)->side->lo_ngroups, meta_ = (m)->side->lo_meta, slots_ = (m)->side->lo_slots;       \
        uint64_t group_ = gomap__group_of((hash), groups_);                                                  \
        meta_ += group_ * 16;                                                                                \
        unsigned hits_ = gomap__match(meta_, (hash));                                                        \
        if (hits_) {                                                                                         \
            slots_ += group_ * (GOMAP_GROUP_SLOTS * (uint64_t)(slot_size));                                  \
            __builtin_prefetch(slots_);                                                                      \
            do {                                                                                             \
                uint8_t *slot_var = slots_ + (size_t)__builtin_ctz(hits_) * (slot_size);                     \
                if (GOMAP__LIKELY(EQ)) found;                                                                \
                hits_ &= hits_ - 1;                                                                          \
            } while (hits_);                                                                                 \
        }                                                                                                    \
        if (GOMAP__LIKELY(!gomap__overflowed(meta_, (hash)))) missed;                                          \
    } while (0)

#define GOMAP_DEFINE(name, K, V)                                                                             \
    struct name##_slot {                                                                                     \
        K key;                                                                                               \
        V value;                                                                                             \
    };                                                                                                       \
    struct name##_key_at { /* alignment inside a struct: less than alignof on some machines */               \
        char c;                                                                                              \
        K key;                                                                                               \
    };                                                                                                       \
    struct name##_value_at {                                                                                 \
        char c;                                                                                              \
        V value;                                                                                             \
    };                                                                                                       \
    typedef struct name##_iter {                                                                             \
        K key;                                                                                               \
        V *value;                                                                                            \
        gomap_iter generic;                                                                                  \
    } name##_iter;                                                                                           \
    GOMAP__BODY uint64_t name##_bits(K key) {                                                                \
        typedef char                                                                                         \
            gomap_key_of_1_2_4_or_8_bytes[sizeof(K) <= 8 && !(sizeof(K) & (sizeof(K) - 1)) ? 1 : -1];        \
        uint64_t bits_ = 0;                                                                                  \
        (void)sizeof(gomap_key_of_1_2_4_or_8_bytes);                                                         \
        memcpy(&bits_, &key, sizeof key);                                                                    \
        return bits_;                                                                                        \
    }                                                                                                        \
    GOMAP__BODY GOMAP_MUST_USE gomap_err name##_new_with(gomap_config c, gomap **out) {                      \
        typedef char gomap_value_of_at_most_128_bytes[sizeof(V) <= 128 ? 1 : -1];                            \
        (void)sizeof(gomap_value_of_at_most_128_bytes);                                                      \
        c.keys = GOMAP_KEYS_FIXED, c.key_size = sizeof(K), c.value_size = sizeof(V);                         \
        c.key_align = offsetof(struct name##_key_at, key),                                                   \
        c.value_align = offsetof(struct name##_value_at, value);                                             \
        c.values = GOMAP_VALUES_INLINE;                                                                      \
        c.hash = NULL, c.eq = NULL;                                                                          \
        if (!c.key_type) c.key_type = #K;                                                                    \
        if (!c.value_type) c.value_type = #V;                                                                \
        return gomap__typed_new(&c, GOMAP_LAYOUT, sizeof(struct name##_slot),                                \
                                offsetof(struct name##_slot, value), out);                                   \
    }                                                                                                        \
    GOMAP__BODY GOMAP_MUST_USE gomap_err name##_new(gomap **out) {                                           \
        gomap_config c = GOMAP_CONFIG(sizeof(K), sizeof(V));                                                 \
        return name##_new_with(c, out);                                                                      \
    }                                                                                                        \
    GOMAP__BODY V *name##_get(const gomap *m, K key) {                                                       \
        if (GOMAP__UNLIKELY(!GOMAP__READABLE(m, "get"))) return NULL;                                        \
        uint64_t h_ = gomap__hash_int(m, name##_bits(key));                                                  \
        GOMAP__PROBE(m, h_, sizeof(struct name##_slot), s_, !memcmp(s_, &key, sizeof key),                   \
                     return GOMAP__CAST(V *, GOMAP__CAST(void *, s_ + offsetof(struct name##_slot, value))), \
                     return NULL);                                                                           \
        K copy_ = key; /* a key whose own address goes out would be in memory on every path */               \
        return GOMAP__CAST(V *, gomap__typed_find(m, h_, &copy_));                                           \
    }                                                                                                        \
    GOMAP__BODY bool name##_has(const gomap *m, K key) { return name##_get(m, key) != NULL; }                \
    /* zeros: a new value is wanted, else it will be stored whole; the map may be written to */              \
    GOMAP__BODY __attribute__((always_inline)) V *name##_claim(gomap *m, K key, bool *is_new, bool zeros) {  \
        uint64_t h_ = gomap__hash_int(m, name##_bits(key));                                                  \
        if (GOMAP__LIKELY(h_ >= m->split)) {                                                                 \
            uint64_t group_ = gomap__group_of(h_, m->ngroups);                                               \
            uint8_t *meta_ = m->meta + group_ * 16;                                                          \
            uint8_t *slots_ =                                                                                \
                m->slots + group_ * (GOMAP_GROUP_SLOTS * (uint64_t)sizeof(struct name##_slot));              \
            unsigned hits_ = gomap__match(meta_, h_);                                                        \
            __builtin_prefetch(slots_, 1);                                                                   \
            for (; hits_; hits_ &= hits_ - 1) {                                                              \
                uint8_t *s_ = slots_ + (size_t)__builtin_ctz(hits_) * sizeof(struct name##_slot);            \
                if (GOMAP__LIKELY(!memcmp(s_, &key, sizeof key))) {                                          \
                    if (is_new) *is_new = false;                                                             \
                    return GOMAP__CAST(V *, GOMAP__CAST(void *, s_ + offsetof(struct name##_slot, value)));  \
                }                                                                                            \
            }                                                                                                \
            unsigned room_ = gomap__match_empty(meta_);                                                      \
            uint64_t count_ = m->count;                                                                      \
            if (GOMAP__LIKELY(count_ < m->limit && room_ && !gomap__overflowed(meta_, h_))) {                \
                unsigned i_ = (unsigned)__builtin_ctz(room_);                                                \
                uint8_t *s_ = slots_ + (size_t)i_ * sizeof(struct name##_slot);                              \
                /* a user's allocator gives no zeros, and padding is seen by who copies slots */             \
                if (zeros || sizeof(struct name##_slot) != sizeof(K) + sizeof(V))                            \
                    memset(s_, 0, sizeof(struct name##_slot));                                               \
                memcpy(s_, &key, sizeof key);                                                                \
                meta_[i_] = gomap__tag(h_);                                                                  \
                __atomic_store_n(&m->count, count_ + 1, __ATOMIC_RELAXED);                                   \
                if (is_new) *is_new = true;                                                                  \
                return GOMAP__CAST(V *, GOMAP__CAST(void *, s_ + offsetof(struct name##_slot, value)));      \
            }                                                                                                \
        }                                                                                                    \
        K copy_ = key;                                                                                       \
        return GOMAP__CAST(V *, gomap__typed_insert(m, h_, &copy_, is_new));                                 \
    }                                                                                                        \
    GOMAP__BODY V *name##_at(gomap *m, K key, bool *is_new) {                                                \
        if (!GOMAP__WRITES_INLINE(m)) {                                                                      \
            K copy_ = key;                                                                                   \
            return GOMAP__CAST(V *, gomap__typed_insert_checked(m, &copy_, is_new));                         \
        }                                                                                                    \
        return name##_claim(m, key, is_new, true);                                                           \
    }                                                                                                        \
    GOMAP__BODY GOMAP_MUST_USE gomap_err name##_put(gomap *m, K key, V value) {                              \
        if (!GOMAP__WRITES_INLINE(m)) { /* a hook sees the value too */                                      \
            K copy_ = key;                                                                                   \
            V value_ = value;                                                                                \
            return gomap_put(m, &copy_, &value_);                                                            \
        }                                                                                                    \
        V *at_ = name##_claim(m, key, NULL, false);                                                          \
        if (GOMAP__UNLIKELY(!at_)) return GOMAP_ENOMEM;                                                      \
        *at_ = value;                                                                                        \
        return GOMAP_OK;                                                                                     \
    }                                                                                                        \
    GOMAP__BODY bool name##_delete(gomap *m, K key) {                                                        \
        if (!GOMAP__WRITES_INLINE(m)) {                                                                      \
            K copy_ = key;                                                                                   \
            return gomap_delete(m, &copy_);                                                                  \
        }                                                                                                    \
        uint64_t h_ = gomap__hash_int(m, name##_bits(key));                                                  \
        if (GOMAP__LIKELY(h_ >= m->split)) {                                                                 \
            uint64_t group_ = gomap__group_of(h_, m->ngroups);                                               \
            uint8_t *meta_ = m->meta + group_ * 16;                                                          \
            unsigned hits_ = gomap__match(meta_, h_);                                                        \
            if (hits_) {                                                                                     \
                uint8_t *slots_ =                                                                            \
                    m->slots + group_ * (GOMAP_GROUP_SLOTS * (uint64_t)sizeof(struct name##_slot));          \
                __builtin_prefetch(slots_, 1);                                                               \
                do {                                                                                         \
                    unsigned i_ = (unsigned)__builtin_ctz(hits_);                                            \
                    uint8_t *s_ = slots_ + (size_t)i_ * sizeof(struct name##_slot);                          \
                    if (GOMAP__LIKELY(!memcmp(s_, &key, sizeof key))) {                                      \
                        if (GOMAP__UNLIKELY(!gomap__erases_simply(m, group_))) break;                        \
                        uint64_t left_ = m->count - 1;                                                       \
                        memset(s_, 0, sizeof(struct name##_slot));                                           \
                        meta_[i_] = 0;                                                                       \
                        m->epoch++;                                                                          \
                        __atomic_store_n(&m->count, left_, __ATOMIC_RELAXED);                                \
                        return true;                                                                         \
                    }                                                                                        \
                    hits_ &= hits_ - 1;                                                                      \
                } while (hits_);                                                                             \
            }                                                                                                \
            if (GOMAP__LIKELY(!hits_ && !gomap__overflowed(meta_, h_))) return false;                        \
        }                                                                                                    \
        K copy_ = key;                                                                                       \
        return gomap__typed_delete(m, h_, &copy_);                                                           \
    }                                                                                                        \
    GOMAP__ITER(name, K, V, it->key = *GOMAP__CAST(K const *, it->generic.key), GOMAP__ITER_INLINE(name, V))

#define GOMAP__ITER(name, K, V, SET_KEY, NEXT)                                                               \
    GOMAP__BODY void name##_iter_init(name##_iter *it, const gomap *m) { gomap_iter_init(&it->generic, m); } \
    GOMAP__BODY bool name##_iter_next(name##_iter *it) {                                                     \
        NEXT                                                                                                 \
        if (!gomap_iter_next(&it->generic)) return false;                                                    \
        SET_KEY;                                                                                             \
        it->value = GOMAP__CAST(V *, it->generic.value);                                                     \
        return true;                                                                                         \
    }                                                                                                        \
    GOMAP__BODY bool name##_iter_delete(name##_iter *it, gomap *m) {                                         \
        return gomap_iter_delete(&it->generic, m);                                                           \
    }                                                                                                        \
    struct name##_iter

/* Within a quad the next entry of an unchanged map is found inline. */
#define GOMAP__ITER_INLINE(name, V)                                                                          \
    uint8_t *s_ = gomap__cursor_next(GOMAP__CAST(struct gomap__cursor *, GOMAP__CAST(void *, it->generic.opaque)), \
                                     sizeof(struct name##_slot));                                            \
    if (GOMAP__LIKELY(s_ != NULL)) {                                                                         \
        memcpy(&it->key, s_, sizeof it->key);                                                                \
        it->value = GOMAP__CAST(V *, GOMAP__CAST(void *, s_ + offsetof(struct name##_slot, value)));         \
        return true;                                                                                         \
    }

/* The same for texts; where a value lies is read from the map, as it may have been made with values out of line. */
#define GOMAP__ITER_TEXT(V)                                                                                  \
    struct gomap__cursor *c_ = GOMAP__CAST(struct gomap__cursor *, GOMAP__CAST(void *, it->generic.opaque)); \
    const struct gomap_desc *d_ = c_->left ? c_->map->desc : NULL;                                           \
    uint8_t *s_ = d_ ? gomap__cursor_next(c_, d_->slot_size) : NULL;                                         \
    if (GOMAP__LIKELY(s_ != NULL)) {                                                                         \
        struct gomap_strkey key_;                                                                            \
        memcpy(&key_, s_, sizeof key_);                                                                      \
        it->key.ptr = key_.ptr, it->key.len = key_.len;                                                      \
        it->value = GOMAP__CAST(V *, gomap__slot_val(d_, s_));                                               \
        return true;                                                                                         \
    }

/* Keys that are compared as bytes; hashed in the library, by the map's keyed byte hash. */
#define GOMAP_DEFINE_KEY(name, K, V)                                                                         \
    typedef struct name##_iter {                                                                             \
        K key;                                                                                               \
        V *value;                                                                                            \
        gomap_iter generic;                                                                                  \
    } name##_iter;                                                                                           \
    GOMAP__CALLS(name, K, V, GOMAP_KEYS_FIXED, sizeof(K), __alignof__(K), #K)                                \
    GOMAP__ITER(name, K, V, it->key = *GOMAP__CAST(K const *, it->generic.key), )

#define GOMAP_DEFINE_STR(name, V)                                                                            \
    typedef struct name##_iter {                                                                             \
        gomap_str key;                                                                                       \
        V *value;                                                                                            \
        gomap_iter generic;                                                                                  \
    } name##_iter;                                                                                           \
    GOMAP__CALLS(name, gomap_str, V, GOMAP_KEYS_STRING, 0, 0, "string")                                      \
    GOMAP__BODY gomap_str name##_key(const char *s) {                                                        \
        gomap_str key_;                                                                                      \
        key_.ptr = s, key_.len = strlen(s);                                                                  \
        return key_;                                                                                         \
    }                                                                                                        \
    GOMAP__BODY V *name##_get_s(const gomap *m, const char *s) { return name##_get(m, name##_key(s)); }      \
    GOMAP__BODY bool name##_has_s(const gomap *m, const char *s) { return name##_has(m, name##_key(s)); }    \
    GOMAP__BODY GOMAP_MUST_USE gomap_err name##_put_s(gomap *m, const char *s, V value) {                    \
        return name##_put(m, name##_key(s), value);                                                          \
    }                                                                                                        \
    GOMAP__BODY V *name##_at_s(gomap *m, const char *s, bool *is_new) {                                      \
        return name##_at(m, name##_key(s), is_new);                                                          \
    }                                                                                                        \
    GOMAP__BODY bool name##_delete_s(gomap *m, const char *s) { return name##_delete(m, name##_key(s)); }    \
    GOMAP__ITER(name, gomap_str, V, it->key = it->generic.str, GOMAP__ITER_TEXT(V))

/* Type-checked calls into the library. */
#define GOMAP__CALLS(name, K, V, KEYS, KEY_SIZE, KEY_ALIGN, KEY_NAME)                                        \
    GOMAP__BODY GOMAP_MUST_USE gomap_err name##_new_with(gomap_config c, gomap **out) {                      \
        c.keys = KEYS, c.key_size = KEY_SIZE, c.key_align = KEY_ALIGN;                                       \
        c.value_size = sizeof(V), c.value_align = __alignof__(V);                                            \
        if (!c.key_type) c.key_type = KEY_NAME;                                                              \
        if (!c.value_type) c.value_type = #V;                                                                \
        return gomap_new(&c, out);                                                                           \
    }                                                                                                        \
    GOMAP__BODY GOMAP_MUST_USE gomap_err name##_new(gomap **out) {                                           \
        gomap_config c = GOMAP_CONFIG(KEY_SIZE, sizeof(V));                                                  \
        return name##_new_with(c, out);                                                                      \
    }                                                                                                        \
    GOMAP__BODY V *name##_get(const gomap *m, K key) { return GOMAP__CAST(V *, gomap_get(m, &key)); }        \
    GOMAP__BODY bool name##_has(const gomap *m, K key) { return gomap_has(m, &key); }                        \
    GOMAP__BODY GOMAP_MUST_USE gomap_err name##_put(gomap *m, K key, V value) {                              \
        return gomap_put(m, &key, &value);                                                                   \
    }                                                                                                        \
    GOMAP__BODY V *name##_at(gomap *m, K key, bool *is_new) {                                                \
        void *v_ = NULL;                                                                                     \
        return gomap_get_or_insert(m, &key, &v_, is_new) ? NULL : GOMAP__CAST(V *, v_);                      \
    }                                                                                                        \
    GOMAP__BODY bool name##_delete(gomap *m, K key) { return gomap_delete(m, &key); }

#ifdef __cplusplus
}
#endif
#endif
