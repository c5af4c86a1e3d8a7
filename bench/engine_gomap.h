// gomap as an engine of the benchmark, in two forms: through the typed interface of typed.h, whose lookup and
// insert are inlined as those of the C++ tables are, and through the generic one of gomap.h, where every
// call goes through a pointer to the key and the sizes stored in the map.
#ifndef BENCH_ENGINE_GOMAP_H
#define BENCH_ENGINE_GOMAP_H

#include "harness.h"

#include <gomap/gomap.h>
#include <gomap/typed.h>

GOMAP_DEFINE(bench_u64, uint64_t, uint64_t);

namespace bench {

class GomapTyped {
  public:
    static const char *name() { return "gomap"; }

    GomapTyped() { check(bench_u64_new(&map_) == GOMAP_OK, "gomap_new failed"); }
    ~GomapTyped() { gomap_free(map_); }
    GomapTyped(const GomapTyped &) = delete;
    GomapTyped &operator=(const GomapTyped &) = delete;

    void reserve(size_t n) { check(gomap_reserve(map_, n) == GOMAP_OK, "gomap_reserve failed"); }
    void put(uint64_t key, uint64_t value) {
        check(bench_u64_put(map_, key, value) == GOMAP_OK, "gomap_put failed");
    }
    const uint64_t *get(uint64_t key) const { return bench_u64_get(map_, key); }
    bool erase(uint64_t key) { return bench_u64_delete(map_, key); }
    template <class F> void each(F f) const {
        bench_u64_iter it;
        for (bench_u64_iter_init(&it, map_); bench_u64_iter_next(&it);) f(it.key, *it.value);
    }

  private:
    gomap *map_ = nullptr;
};

inline uint64_t fold_callback(const void *key, void *seed) {
    uint64_t k;
    std::memcpy(&k, key, sizeof k);
    return fold(k, *static_cast<uint64_t *>(seed));
}

// OwnHash: the hash of the library; otherwise the one shared with the other engines, as a user function.
template <bool OwnHash> class GomapGeneric {
  public:
    static const char *name() { return OwnHash ? "gomap-generic" : "gomap-fold"; }

    GomapGeneric() {
        gomap_config config = GOMAP_CONFIG(sizeof(uint64_t), sizeof(uint64_t));
        if (!OwnHash) {
            config.hash = fold_callback;
            config.ctx = &seed_;
        }
        check(gomap_new(&config, &map_) == GOMAP_OK, "gomap_new failed");
    }
    ~GomapGeneric() { gomap_free(map_); }
    GomapGeneric(const GomapGeneric &) = delete;
    GomapGeneric &operator=(const GomapGeneric &) = delete;

    void reserve(size_t n) { check(gomap_reserve(map_, n) == GOMAP_OK, "gomap_reserve failed"); }
    void put(uint64_t key, uint64_t value) {
        check(gomap_put(map_, &key, &value) == GOMAP_OK, "gomap_put failed");
    }
    const uint64_t *get(uint64_t key) const { return static_cast<const uint64_t *>(gomap_get(map_, &key)); }
    bool erase(uint64_t key) { return gomap_delete(map_, &key); }
    template <class F> void each(F f) const {
        gomap_iter it;
        for (gomap_iter_init(&it, map_); gomap_iter_next(&it);)
            f(*static_cast<const uint64_t *>(it.key), *static_cast<const uint64_t *>(it.value));
    }

  private:
    gomap *map_ = nullptr;
    uint64_t seed_ = fold_seed();
};

} // namespace bench

#endif
