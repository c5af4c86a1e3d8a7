// Any table with the interface of std::unordered_map as an engine of the benchmark.
#ifndef BENCH_ENGINE_STD_H
#define BENCH_ENGINE_STD_H

#include "harness.h"

namespace bench {

template <class Map, const char *Name> class StdLike {
  public:
    static const char *name() { return Name; }

    void reserve(size_t n) { map_.reserve(n); }
    void put(uint64_t key, uint64_t value) { map_.insert_or_assign(key, value); }
    const uint64_t *get(uint64_t key) const {
        const auto found = map_.find(key);
        return found == map_.end() ? nullptr : &found->second;
    }
    bool erase(uint64_t key) { return map_.erase(key) != 0; }
    template <class F> void each(F f) const {
        for (const auto &entry : map_) f(entry.first, entry.second);
    }

  private:
    Map map_;
};

} // namespace bench

#endif
