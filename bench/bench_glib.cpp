// GLib's GHashTable, used the way its manual shows: integers of a word and their values live in the pointers
// themselves, strings and 64-byte values in memory of their own.
#include "harness.h"

#include <glib.h>

template <class T> class Engine {
  public:
    using Key = typename T::Key;
    using Value = typename T::Value;

    Engine() {
        if constexpr (STRINGS)
            table_ = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, nullptr);
        else
            table_ = g_hash_table_new_full(g_direct_hash, g_direct_equal, nullptr, WIDE ? g_free : nullptr);
    }
    ~Engine() { g_hash_table_unref(table_); }
    Engine(const Engine &) = delete;
    Engine &operator=(const Engine &) = delete;

    void put(const Key &key, const Value &value) { g_hash_table_insert(table_, own(key), pack(value)); }
    const Value *get(const Key &key) const {
        gpointer value;
        if (!g_hash_table_lookup_extended(table_, look(key), nullptr, &value)) return nullptr;
        return unpack(value);
    }
    bool erase(const Key &key) { return g_hash_table_remove(table_, look(key)); }
    template <class F> void each(F f) const {
        GHashTableIter it;
        gpointer key, value;
        for (g_hash_table_iter_init(&it, table_); g_hash_table_iter_next(&it, &key, &value);)
            f(as_key(key), *unpack(value));
    }

  private:
    static constexpr bool STRINGS = std::is_same_v<Key, bench::Str>, WIDE = sizeof(Value) > sizeof(gpointer);

    static gpointer look(const Key &key) {
        if constexpr (STRINGS)
            return const_cast<char *>(key.ptr);
        else
            return reinterpret_cast<gpointer>((uintptr_t)key);
    }
    static gpointer own(const Key &key) {
        if constexpr (STRINGS)
            return g_strndup(key.ptr, key.len);
        else
            return look(key);
    }
    static Key as_key(gpointer key) {
        if constexpr (STRINGS)
            return {static_cast<const char *>(key), 0};
        else
            return (Key) reinterpret_cast<uintptr_t>(key);
    }
    static gpointer pack(const Value &value) {
        if constexpr (WIDE)
            return g_memdup2(&value, sizeof value);
        else
            return reinterpret_cast<gpointer>((uintptr_t)value);
    }
    // A value that lies in the pointer is laid where it can be pointed to, for as long as a batch is read.
    const Value *unpack(gpointer value) const {
        if constexpr (WIDE) {
            return static_cast<const Value *>(value);
        } else {
            Value &place = seen_[next_++ % bench::BATCH];
            place = (Value) reinterpret_cast<uintptr_t>(value);
            return &place;
        }
    }

    GHashTable *table_;
    mutable Value seen_[WIDE ? 1 : bench::BATCH];
    mutable size_t next_ = 0;
};

int main(int argc, char **argv) { return bench::main<Engine>(argc, argv); }
