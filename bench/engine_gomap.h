// gomap as an engine, in two forms: through the typed interface of typed.h, whose lookup and insert are
// inlined as those of the C++ tables are, and through the generic one of gomap.h, where every call goes through
// a pointer to the key and the sizes stored in the map.
#ifndef BENCH_ENGINE_GOMAP_H
#define BENCH_ENGINE_GOMAP_H

#include "harness.h"

#include <gomap/gomap.h>
#include <gomap/typed.h>

GOMAP_DEFINE(bench_u64, uint64_t, uint64_t);
GOMAP_DEFINE(bench_u32, uint32_t, uint32_t);
GOMAP_DEFINE(bench_big, uint64_t, bench::Wide);
GOMAP_DEFINE_STR(bench_str, uint64_t);

namespace bench {

static_assert(sizeof(Str) == sizeof(gomap_str) && offsetof(Str, len) == offsetof(gomap_str, len),
              "arrays of one are arrays of the other");
inline gomap_str to_gomap(const Str &key) { return {key.ptr, key.len}; }
template <class Int> Int to_gomap(Int key) { return key; }
inline Str from_gomap(const gomap_str &key) { return {key.ptr, key.len}; }
template <class Int> Int from_gomap(Int key) { return key; }

// What does not depend on the interface
template <class T> class Gomap {
  public:
    using Key = typename T::Key;
    using Value = typename T::Value;

    Gomap() = default;
    ~Gomap() { gomap_free(map_); }
    Gomap(const Gomap &) = delete;
    Gomap &operator=(const Gomap &) = delete;

    void reserve(size_t n) { check(gomap_reserve(map_, n) == GOMAP_OK, "gomap_reserve failed"); }
    void get_many(const Key *keys, size_t n, const void **values) const {
        gomap_get_many(map_, keys, n, const_cast<void **>(values));
    }
    // The split goes down through all hashes as the walk goes on: the middle half.
    bool growing() const {
        return map_->side && map_->side->walk == GOMAP_WALK_GROW && map_->split > UINT64_C(1) << 62 &&
               map_->split < UINT64_C(3) << 62;
    }

  protected:
    gomap *map_ = nullptr;
};

template <class T> class GomapTyped;
#define BENCH_TYPED(T, type)                                                                                 \
    template <> class GomapTyped<T> : public Gomap<T> {                                                      \
      public:                                                                                                \
        GomapTyped() { check(type##_new(&map_) == GOMAP_OK, "gomap_new failed"); }                           \
        void put(const Key &key, const Value &value) {                                                       \
            check(type##_put(map_, to_gomap(key), value) == GOMAP_OK, "gomap_put failed");                   \
        }                                                                                                    \
        const Value *get(const Key &key) const { return type##_get(map_, to_gomap(key)); }                   \
        bool erase(const Key &key) { return type##_delete(map_, to_gomap(key)); }                            \
        template <class F> void each(F f) const {                                                            \
            type##_iter it;                                                                                  \
            for (type##_iter_init(&it, map_); type##_iter_next(&it);) f(from_gomap(it.key), *it.value);      \
        }                                                                                                    \
    }
BENCH_TYPED(U64, bench_u64);
BENCH_TYPED(U32, bench_u32);
BENCH_TYPED(Big, bench_big);
BENCH_TYPED(Strings, bench_str);

template <class T> class GomapGeneric : public Gomap<T> {
  public:
    using typename Gomap<T>::Key;
    using typename Gomap<T>::Value;

    GomapGeneric() {
        gomap_config config = GOMAP_CONFIG(sizeof(Key), sizeof(Value));
        if (std::is_same_v<Key, Str>) config = GOMAP_CONFIG_STRING(sizeof(Value));
        check(gomap_new(&config, &this->map_) == GOMAP_OK, "gomap_new failed");
    }
    void put(const Key &key, const Value &value) {
        check(gomap_put(this->map_, &key, &value) == GOMAP_OK, "gomap_put failed");
    }
    const Value *get(const Key &key) const { return static_cast<const Value *>(gomap_get(this->map_, &key)); }
    bool erase(const Key &key) { return gomap_delete(this->map_, &key); }
    template <class F> void each(F f) const {
        gomap_iter it;
        for (gomap_iter_init(&it, this->map_); gomap_iter_next(&it);)
            f(*static_cast<const Key *>(it.key), *static_cast<const Value *>(it.value));
    }
};

} // namespace bench

#endif
