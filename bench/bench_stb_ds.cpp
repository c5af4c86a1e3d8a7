// stb_ds.h: hm... for integers, sh... with an arena for strings.  Entries lie in one array in the order of
// insertion; deleting moves the last one into the gap.
#include "harness.h"

#define STB_DS_IMPLEMENTATION
#include <stb/stb_ds.h>

template <class T> class Engine {
  public:
    using Key = typename T::Key;
    using Value = typename T::Value;

    Engine() {
        if constexpr (STRINGS) sh_new_arena(entries_);
    }
    ~Engine() {
        if constexpr (STRINGS)
            shfree(entries_);
        else
            hmfree(entries_);
    }
    Engine(const Engine &) = delete;
    Engine &operator=(const Engine &) = delete;

    void put(const Key &key, const Value &value) {
        if constexpr (STRINGS)
            shput(entries_, const_cast<char *>(key.ptr), value);
        else
            hmput(entries_, key, value);
    }
    const Value *get(const Key &key) const {
        Entry *entry;
        if constexpr (STRINGS)
            entry = shgetp_null(entries_, const_cast<char *>(key.ptr));
        else
            entry = hmgetp_null(entries_, key);
        return entry ? &entry->value : nullptr;
    }
    bool erase(const Key &key) {
        if constexpr (STRINGS)
            return shdel(entries_, const_cast<char *>(key.ptr));
        else
            return hmdel(entries_, key);
    }
    template <class F> void each(F f) const {
        const size_t n = hmlenu(entries_);
        for (size_t i = 0; i < n; i++) {
            if constexpr (STRINGS)
                f(Key{entries_[i].key, 0}, entries_[i].value);
            else
                f(entries_[i].key, entries_[i].value);
        }
    }

  private:
    static constexpr bool STRINGS = std::is_same_v<Key, bench::Str>;
    struct Entry {
        std::conditional_t<STRINGS, char *, Key> key;
        Value value;
    };

    mutable Entry *entries_ = nullptr; // lookups assign to it, and change nothing
};

int main(int argc, char **argv) { return bench::main<Engine>(argc, argv); }
