// uthash: entries are structs of the program's own, linked into the table by a handle inside them.
#include "harness.h"

#include <uthash.h>

template <class T> class Engine {
  public:
    using Key = typename T::Key;
    using Value = typename T::Value;

    Engine() = default;
    ~Engine() {
        Entry *entry, *next;
        HASH_ITER(hh, first_, entry, next) {
            HASH_DEL(first_, entry);
            std::free(entry);
        }
    }
    Engine(const Engine &) = delete;
    Engine &operator=(const Engine &) = delete;

    void put(const Key &key, const Value &value) {
        Entry *entry = find(key);
        if (!entry) {
            entry = static_cast<Entry *>(std::malloc(sizeof(Entry) + text_bytes(key)));
            bench::check(entry, "out of memory");
            own(entry, key);
            HASH_ADD_KEYPTR(hh, first_, bytes(entry), length(key), entry);
        }
        entry->value = value;
    }
    const Value *get(const Key &key) const {
        const Entry *entry = find(key);
        return entry ? &entry->value : nullptr;
    }
    bool erase(const Key &key) {
        Entry *entry = find(key);
        if (!entry) return false;
        HASH_DEL(first_, entry);
        std::free(entry);
        return true;
    }
    template <class F> void each(F f) const {
        for (const Entry *entry = first_; entry; entry = static_cast<Entry *>(entry->hh.next))
            f(entry->key, entry->value);
    }

  private:
    static constexpr bool STRINGS = std::is_same_v<Key, bench::Str>;
    struct Entry {
        UT_hash_handle hh;
        Value value;
        Key key; // of a string: pointer to the bytes behind this struct
    };

    static size_t text_bytes(const Key &key) {
        if constexpr (STRINGS) return key.len + 1;
        return 0;
    }
    static void own(Entry *entry, const Key &key) {
        entry->key = key;
        if constexpr (STRINGS) {
            char *text = reinterpret_cast<char *>(entry + 1);
            std::memcpy(text, key.ptr, key.len + 1);
            entry->key.ptr = text;
        }
    }
    static const void *bytes(const Entry *entry) { return bytes(entry->key); }
    static const void *bytes(const Key &key) {
        if constexpr (STRINGS)
            return key.ptr;
        else
            return &key;
    }
    static unsigned length(const Key &key) {
        if constexpr (STRINGS)
            return (unsigned)key.len;
        else
            return sizeof key;
    }
    Entry *find(const Key &key) const {
        Entry *entry;
        HASH_FIND(hh, first_, bytes(key), length(key), entry);
        return entry;
    }

    Entry *first_ = nullptr;
};

int main(int argc, char **argv) { return bench::main<Engine>(argc, argv); }
