// Any table with the interface of std::unordered_map as an engine.  Strings are looked up without making a
// std::string of the key first, as far as the table can: the caller has a pointer and a length.
#ifndef BENCH_ENGINE_STD_H
#define BENCH_ENGINE_STD_H

#include "harness.h"

#include <string>
#include <string_view>

namespace bench {

// View: what strings are looked up by
template <class T, class Map, class View = std::string_view> class StdLike {
  public:
    using Key = typename T::Key;
    using Value = typename T::Value;

    void reserve(size_t n) { map_.reserve(n); }
    void put(const Key &key, const Value &value) { map_.insert_or_assign(own(key), value); }
    const Value *get(const Key &key) const {
        const auto found = map_.find(view(key));
        return found == map_.end() ? nullptr : &found->second;
    }
    bool erase(const Key &key) {
        if constexpr (std::is_same_v<Key, Str>) {
            const auto found = map_.find(view(key));
            if (found == map_.end()) return false;
            map_.erase(found);
            return true;
        } else {
            return map_.erase(key) != 0;
        }
    }
    template <class F> void each(F f) const {
        for (const auto &entry : map_) {
            if constexpr (std::is_same_v<Key, Str>)
                f(Str{entry.first.data(), entry.first.size()}, entry.second);
            else
                f(entry.first, entry.second);
        }
    }

  private:
    static std::string own(const Str &key) { return std::string(key.ptr, key.len); }
    static View view(const Str &key) { return View(key.ptr, key.len); }
    template <class Int> static Int own(Int key) { return key; }
    template <class Int> static Int view(Int key) { return key; }

    Map map_;
};

} // namespace bench

#endif
