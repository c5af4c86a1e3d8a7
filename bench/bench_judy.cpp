// Judy: no hash table but a digital tree, the rival where keys are integers or share beginnings.  JudyL for
// integers, JudySL for strings; 64-byte values lie in memory of their own.
#include "harness.h"

#include <Judy.h>

template <class T> class Engine {
  public:
    using Key = typename T::Key;
    using Value = typename T::Value;

    Engine() = default;
    ~Engine() {
        if constexpr (WIDE)
            each_word([](const Key &, Word_t *word) { delete reinterpret_cast<Value *>(*word); });
        if constexpr (STRINGS)
            JudySLFreeArray(&tree_, PJE0);
        else
            JudyLFreeArray(&tree_, PJE0);
    }
    Engine(const Engine &) = delete;
    Engine &operator=(const Engine &) = delete;

    void put(const Key &key, const Value &value) {
        void *at;
        if constexpr (STRINGS)
            at = JudySLIns(&tree_, text(key), PJE0);
        else
            at = JudyLIns(&tree_, key, PJE0);
        bench::check(at != PJERR, "Judy has no memory");
        Word_t *word = static_cast<Word_t *>(at);
        if constexpr (!WIDE)
            *word = value;
        else if (*word)
            *reinterpret_cast<Value *>(*word) = value;
        else
            *word = reinterpret_cast<Word_t>(new Value(value));
    }
    const Value *get(const Key &key) const {
        Word_t *word = find(key);
        return word ? value_of(word) : nullptr;
    }
    bool erase(const Key &key) {
        if constexpr (WIDE) {
            Word_t *word = find(key);
            if (!word) return false;
            delete reinterpret_cast<Value *>(*word);
        }
        if constexpr (STRINGS)
            return JudySLDel(&tree_, text(key), PJE0) == 1;
        else
            return JudyLDel(&tree_, key, PJE0) == 1;
    }
    template <class F> void each(F f) const {
        each_word([&](const Key &key, Word_t *word) { f(key, *value_of(word)); });
    }

  private:
    static constexpr bool STRINGS = std::is_same_v<Key, bench::Str>, WIDE = sizeof(Value) > sizeof(Word_t);

    static const uint8_t *text(const bench::Str &key) { return reinterpret_cast<const uint8_t *>(key.ptr); }
    static const Value *value_of(Word_t *word) { // little endian: the low half of a word is its first
        if constexpr (WIDE)
            return reinterpret_cast<const Value *>(*word);
        else
            return reinterpret_cast<const Value *>(word);
    }
    Word_t *find(const Key &key) const {
        if constexpr (STRINGS)
            return reinterpret_cast<Word_t *>(JudySLGet(tree_, text(key), PJE0));
        else
            return reinterpret_cast<Word_t *>(JudyLGet(tree_, key, PJE0));
    }
    template <class F> void each_word(F f) const {
        if constexpr (STRINGS) {
            uint8_t key[64] = "";
            for (PPvoid_t at = JudySLFirst(tree_, key, PJE0); at; at = JudySLNext(tree_, key, PJE0))
                f(Key{reinterpret_cast<const char *>(key), 0}, reinterpret_cast<Word_t *>(at));
        } else {
            Word_t key = 0;
            for (PPvoid_t at = JudyLFirst(tree_, &key, PJE0); at; at = JudyLNext(tree_, &key, PJE0))
                f((Key)key, reinterpret_cast<Word_t *>(at));
        }
    }

    Pvoid_t tree_ = nullptr;
};

int main(int argc, char **argv) { return bench::main<Engine>(argc, argv); }
