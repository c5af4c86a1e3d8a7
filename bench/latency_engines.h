// Maps from uint64_t to uint64_t as `latency` and `memory` drive them: by name, at run time, since here the
// figures are pauses and bytes, beside which an indirect call is nothing.
//
// Every engine is a class that is made empty, with
//     void put(uint64_t key, uint64_t value);
//     bool erase(uint64_t key);
//     size_t size() const;
//     void tidy();                     what the interface offers to give unused memory back
// Running out of memory ends the program.
#ifndef BENCH_LATENCY_ENGINES_H
#define BENCH_LATENCY_ENGINES_H

#include <gomap/typed.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unordered_map>
#ifdef HAVE_BOOST
#include <boost/unordered/unordered_flat_map.hpp>
#endif
#ifdef HAVE_ABSL
#include <absl/container/flat_hash_map.h>
#endif
#ifdef HAVE_GLIB
#include <glib.h>
#endif
#ifdef HAVE_JUDY
#include <Judy.h>
#endif

GOMAP_DEFINE(latency_map, uint64_t, uint64_t);

namespace bench {

[[noreturn]] inline void fail(const char *what) {
    std::fprintf(stderr, "bench: %s\n", what);
    std::exit(1);
}
inline void check(bool ok, const char *what) {
    if (!ok) fail(what);
}

// splitmix64: a bijection, so different i give different keys.
inline uint64_t mix(uint64_t i) {
    i += 0x9e3779b97f4a7c15;
    i = (i ^ (i >> 30)) * 0xbf58476d1ce4e5b9;
    i = (i ^ (i >> 27)) * 0x94d049bb133111eb;
    return i ^ (i >> 31);
}

template <gomap_mode Mode> class Gomap {
  public:
    Gomap() {
        gomap_config config = GOMAP_CONFIG(sizeof(uint64_t), sizeof(uint64_t));
        config.mode = Mode;
        check(latency_map_new_with(config, &map_) == GOMAP_OK, "gomap_new failed");
    }
    ~Gomap() { gomap_free(map_); }
    Gomap(const Gomap &) = delete;
    void put(uint64_t key, uint64_t value) {
        check(latency_map_put(map_, key, value) == GOMAP_OK, "gomap_put failed");
    }
    bool erase(uint64_t key) { return latency_map_delete(map_, key); }
    size_t size() const { return gomap_len(map_); }
    void tidy() {
        while (gomap_work(map_, 1000000000)) continue;
    }

  private:
    gomap *map_ = nullptr;
};

template <class Map> class StdLike {
  public:
    void put(uint64_t key, uint64_t value) { map_.insert_or_assign(key, value); }
    bool erase(uint64_t key) { return map_.erase(key) != 0; }
    size_t size() const { return map_.size(); }
    void tidy() { map_.rehash(0); }

  private:
    Map map_;
};

#ifdef HAVE_GLIB
static_assert(sizeof(gpointer) == sizeof(uint64_t), "keys and values are put into pointers");
class Glib {
  public:
    Glib() : map_(g_hash_table_new(g_direct_hash, g_direct_equal)) {}
    ~Glib() { g_hash_table_destroy(map_); }
    Glib(const Glib &) = delete;
    void put(uint64_t key, uint64_t value) { g_hash_table_insert(map_, (gpointer)key, (gpointer)value); }
    bool erase(uint64_t key) { return g_hash_table_remove(map_, (gpointer)key); }
    size_t size() const { return g_hash_table_size(map_); }
    void tidy() {}

  private:
    GHashTable *map_;
};
#endif

#ifdef HAVE_JUDY
class Judy {
  public:
    Judy() = default;
    ~Judy() { JudyLFreeArray(&map_, PJE0); }
    Judy(const Judy &) = delete;
    void put(uint64_t key, uint64_t value) {
        PPvoid_t slot = JudyLIns(&map_, key, PJE0);
        check(slot != PPJERR, "JudyLIns failed");
        std::memcpy(slot, &value, sizeof value);
    }
    bool erase(uint64_t key) { return JudyLDel(&map_, key, PJE0) == 1; }
    size_t size() const { return JudyLCount(map_, 0, ~(Word_t)0, PJE0); }
    void tidy() {}

  private:
    Pvoid_t map_ = nullptr;
};
#endif

// Calls f.template run<Engine>() for the engine of that name; false: there is none.
template <class F> bool with_engine(const char *name, F f) {
    const auto is = [name](const char *known) { return std::strcmp(name, known) == 0; };
    if (is("gomap")) return f.template run<Gomap<GOMAP_BALANCED>>(), true;
    if (is("gomap-memory")) return f.template run<Gomap<GOMAP_MEMORY>>(), true;
    if (is("gomap-speed")) return f.template run<Gomap<GOMAP_SPEED>>(), true;
    if (is("std")) return f.template run<StdLike<std::unordered_map<uint64_t, uint64_t>>>(), true;
#ifdef HAVE_BOOST
    if (is("boost")) return f.template run<StdLike<boost::unordered_flat_map<uint64_t, uint64_t>>>(), true;
#endif
#ifdef HAVE_ABSL
    if (is("absl")) return f.template run<StdLike<absl::flat_hash_map<uint64_t, uint64_t>>>(), true;
#endif
#ifdef HAVE_GLIB
    if (is("glib")) return f.template run<Glib>(), true;
#endif
#ifdef HAVE_JUDY
    if (is("judy")) return f.template run<Judy>(), true;
#endif
    return false;
}

// A positive number on the command line, or the usage and exit code 2.
inline size_t number_argument(const char *text, const char *usage) {
    char *end = nullptr;
    const unsigned long long n = std::strtoull(text, &end, 10);
    if (end != text && !*end && *text != '-' && n <= 1000000000ull) return n;
    std::fprintf(stderr, "usage: %s\n", usage);
    std::exit(2);
}

} // namespace bench

#endif
