// Keys and values of the benchmarks: what T is in Engine<T>, and the same sequences of keys in every language
// (go/main.go and rust/main.rs repeat them).
//
// Key number i of a run is a bijection of seed and i, so different numbers are different keys and what is put,
// what is missed and what comes later are ranges of numbers.  Value number i can be told from all others.
#ifndef BENCH_TYPES_H
#define BENCH_TYPES_H

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace bench {

// splitmix64: a bijection of 64 bits
inline uint64_t mix(uint64_t i) {
    i += 0x9e3779b97f4a7c15;
    i = (i ^ (i >> 30)) * 0xbf58476d1ce4e5b9;
    i = (i ^ (i >> 27)) * 0x94d049bb133111eb;
    return i ^ (i >> 31);
}

// the finaliser of MurmurHash3: a bijection of 32 bits
inline uint32_t mix32(uint32_t i) {
    i = (i ^ (i >> 16)) * 0x85ebca6b;
    i = (i ^ (i >> 13)) * 0xc2b2ae35;
    return i ^ (i >> 16);
}

inline uint64_t key_number(uint64_t seed, uint64_t i) { return mix((seed << 40) + i); }

// A key that is a string: 16 to 32 bytes and a NUL.  Engines copy the bytes; the harness owns these.
struct Str {
    const char *ptr;
    size_t len;
};

struct Wide {
    uint64_t word[8];
};
static_assert(sizeof(Wide) == 64, "one cache line");

// A list of keys.  Those of strings lie behind each other in memory in the order of the list, so that walking
// it costs the same for all types: the processor prefetches.
template <class Key> class Keys {
  public:
    explicit Keys(size_t n) { list_.reserve(n); }
    size_t size() const { return list_.size(); }
    const Key &operator[](size_t i) const { return list_[i]; }
    const Key *data() const { return list_.data(); }
    const Key *begin() const { return list_.data(); }
    const Key *end() const { return list_.data() + list_.size(); }
    void add(uint64_t seed, uint64_t i) { list_.push_back(make(seed, i, static_cast<Key *>(nullptr))); }

  private:
    static constexpr size_t STR_MAX = 32 + 1;
    static constexpr size_t BLOCK = 1 << 20;

    static uint64_t make(uint64_t seed, uint64_t i, uint64_t *) { return key_number(seed, i); }
    static uint32_t make(uint64_t seed, uint64_t i, uint32_t *) {
        return mix32((uint32_t)(seed * 0x9e3779b1 + i));
    }
    Str make(uint64_t seed, uint64_t i, Str *) {
        if (room_ < STR_MAX) {
            blocks_.push_back(std::make_unique<char[]>(BLOCK));
            next_ = blocks_.back().get(), room_ = BLOCK;
        }
        const uint64_t id = key_number(seed, i), rest = mix(id);
        const size_t len = 16 + rest % 17;
        for (size_t at = 0; at < len; at++)
            next_[at] = "0123456789abcdef"[(at < 16 ? id : rest) >> (60 - at % 16 * 4) & 15];
        next_[len] = 0;
        const Str key = {next_, len};
        next_ += len + 1, room_ -= len + 1;
        return key;
    }

    std::vector<Key> list_;
    std::vector<std::unique_ptr<char[]>> blocks_;
    char *next_ = nullptr;
    size_t room_ = 0;
};

// The types.  glance: what iteration reads of a key; of strings nothing, whose bytes may be elsewhere.
// after: the same key, to be had only when the number is known.  Numbers are below 2^31.
template <class K, class V> struct Types {
    using Key = K;
    using Value = V;

    static Value value(uint64_t i) {
        if constexpr (sizeof(V) == sizeof(Wide))
            return {{i, ~i, i, i, i, i, i, i}};
        else
            return (V)i;
    }
    static uint64_t id(const Value &v) {
        if constexpr (sizeof(V) == sizeof(Wide))
            return v.word[0];
        else
            return v;
    }
    static uint64_t glance(const Key &k) {
        if constexpr (sizeof(K) == sizeof(Str))
            return 0;
        else
            return k;
    }
    static Key after(Key k, uint64_t number) {
        if constexpr (sizeof(K) == sizeof(Str))
            k.len += number >> 31;
        else
            k += (Key)(number >> 31);
        return k;
    }
};
struct U64 : Types<uint64_t, uint64_t> {
    static constexpr char name[] = "u64-u64";
};
struct U32 : Types<uint32_t, uint32_t> {
    static constexpr char name[] = "u32-u32";
};
struct Strings : Types<Str, uint64_t> {
    static constexpr char name[] = "str-u64";
};
struct Big : Types<uint64_t, Wide> {
    static constexpr char name[] = "u64-s64";
};

} // namespace bench

#endif
