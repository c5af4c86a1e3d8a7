// engines_cpp.cpp - trees of C++: absl's B-tree, and the red-black tree of std::map, each also with a pool of nodes.
//
// A pool cuts nodes from slabs of 64 KiB and keeps freed ones in a list per size, as a B-tree in Go is given a free
// list: it belongs to its tree, and all its memory goes at once with it.
#include "engines.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string_view>
#include <vector>
#ifdef HAVE_ABSL
#include <absl/container/btree_map.h>
#endif

namespace {

class Pool {
  public:
    Pool() = default;
    Pool(const Pool &) = delete;
    ~Pool() {
        for (void *slab : slabs) std::free(slab);
    }
    void *take(std::size_t bytes) {
        bytes = (bytes + 15) & ~std::size_t{15};
        Free *&list = list_of(bytes);
        if (Free *node = list) return list = node->next, node;
        if (bytes > left) {
            left = bytes > SLAB ? bytes : SLAB;
            at = static_cast<char *>(std::malloc(left));
            if (!at) std::abort();
            slabs.push_back(at);
        }
        left -= bytes, at += bytes;
        return at - bytes;
    }
    void give(void *memory, std::size_t bytes) {
        bytes = (bytes + 15) & ~std::size_t{15};
        Free *&list = list_of(bytes);
        list = new (memory) Free{list};
    }

  private:
    struct Free {
        Free *next;
    };
    static constexpr std::size_t SLAB = 64 << 10;
    Free *&list_of(std::size_t bytes) {
        if (lists.size() <= bytes / 16) lists.resize(bytes / 16 + 1);
        return lists[bytes / 16];
    }
    std::vector<Free *> lists;
    std::vector<void *> slabs;
    char *at = nullptr;
    std::size_t left = 0;
};

template <class T> struct Pooled {
    using value_type = T;
    Pool *pool;
    explicit Pooled(Pool *p) : pool(p) {}
    template <class U> Pooled(const Pooled<U> &other) : pool(other.pool) {}
    T *allocate(std::size_t n) {
        static_assert(alignof(T) <= 16, "slabs are cut in pieces of 16 bytes");
        return static_cast<T *>(pool->take(n * sizeof(T)));
    }
    void deallocate(T *p, std::size_t n) { pool->give(p, n * sizeof(T)); }
    template <class U> bool operator==(const Pooled<U> &other) const { return pool == other.pool; }
    template <class U> bool operator!=(const Pooled<U> &other) const { return pool != other.pool; }
};

// One tree, either of numbers or of texts.
template <class Numbers, class Texts, bool POOLED> struct Tree {
    Pool pool;
    bool strings;
    Numbers numbers;
    Texts texts;

    template <class Map> static Map make_map(Pool *pool) {
        if constexpr (POOLED)
            return Map(typename Map::allocator_type(pool));
        else
            return Map();
    }
    explicit Tree(bool s) : strings(s), numbers(make_map<Numbers>(&pool)), texts(make_map<Texts>(&pool)) {}

    static Tree *of(void *self) { return static_cast<Tree *>(self); }
    static uint64_t number(const void *key) { return *static_cast<const uint64_t *>(key); }
    static std::string_view text(const void *key) {
        auto *s = static_cast<const gomap_str *>(key);
        return {s->ptr, s->len};
    }

    static void *make(bool strings, std::size_t) { return new Tree(strings); }
    static void put(void *self, const void *key, uint64_t value) {
        if (of(self)->strings)
            of(self)->texts[text(key)] = value;
        else
            of(self)->numbers[number(key)] = value;
    }
    template <class Map, class Key> static bool find(Map &map, const Key &key, uint64_t *value) {
        auto at = map.find(key);
        return at == map.end() ? false : (*value = at->second, true);
    }
    static bool get(void *self, const void *key, uint64_t *value) {
        return of(self)->strings ? find(of(self)->texts, text(key), value)
                                 : find(of(self)->numbers, number(key), value);
    }
    static std::size_t len(void *self) { return of(self)->numbers.size() + of(self)->texts.size(); }
    static void each(void *self, engine_visit visit, void *ctx) {
        for (auto &e : of(self)->numbers) visit(&e.first, e.second, ctx);
        for (auto &e : of(self)->texts) {
            gomap_str s{e.first.data(), e.first.size()};
            visit(&s, e.second, ctx);
        }
    }
    // Both in order, side by side; every insert is at the end of out, where the hint makes it O(1).
    template <class Map> static void merge(Map &out, const Map &a, const Map &b) {
        auto x = a.begin(), y = b.begin();
        while (x != a.end() || y != b.end()) {
            if (y == b.end() || (x != a.end() && x->first < y->first)) {
                out.emplace_hint(out.end(), *x++);
            } else {
                if (x != a.end() && !(y->first < x->first)) ++x; // the same key
                out.emplace_hint(out.end(), *y++);
            }
        }
    }
    static void stream(void *out, void *a, void *b) {
        merge(of(out)->numbers, of(a)->numbers, of(b)->numbers);
        merge(of(out)->texts, of(a)->texts, of(b)->texts);
    }
    static void free(void *self) { delete of(self); }
    static constexpr engine about(const char *name) {
        engine e{};
        e.name = name, e.ordered = true;
        e.make = make, e.put = put, e.get = get, e.len = len, e.each = each, e.free = free, e.stream = stream;
        return e;
    }
};

using Less = std::less<>;
template <class K> using Pair = std::pair<const K, uint64_t>;
using RedBlack = Tree<std::map<uint64_t, uint64_t>, std::map<std::string_view, uint64_t>, false>;
using RedBlackPool = Tree<std::map<uint64_t, uint64_t, Less, Pooled<Pair<uint64_t>>>,
                          std::map<std::string_view, uint64_t, Less, Pooled<Pair<std::string_view>>>, true>;
#ifdef HAVE_ABSL
using Btree = Tree<absl::btree_map<uint64_t, uint64_t>, absl::btree_map<std::string_view, uint64_t>, false>;
using BtreePool =
    Tree<absl::btree_map<uint64_t, uint64_t, Less, Pooled<Pair<uint64_t>>>,
         absl::btree_map<std::string_view, uint64_t, Less, Pooled<Pair<std::string_view>>>, true>;
#endif

} // namespace

extern "C" const engine engines_cpp[] = {
    RedBlack::about("redblack"),
    RedBlackPool::about("redblack-pool"),
#ifdef HAVE_ABSL
    Btree::about("btree"),
    BtreePool::about("btree-pool"),
#endif
    {},
};
