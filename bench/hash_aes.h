// gomap's own hash for the other C++ tables ("+aes" in the reports), so that what is compared is the table.
//
// Integers: the function that typed.h inlines into gomap's lookups, inlined here too, with a random seed that
// lies in the map object as it does in gomap's.  Strings: the function the library exports, called through
// the same entry as gomap's own lookups reach it.  It is good in all bits, and marked so: boost and abseil
// do not mix it again.
#ifndef BENCH_HASH_AES_H
#define BENCH_HASH_AES_H

#include "harness.h"

#include <gomap/probe.h>
#include <gomap/typed.h>

GOMAP_DEFINE_STR(bench_hash, uint64_t);

namespace bench {

// A map that is never filled: the library seeds it and chooses its hash, and here both are used.
inline const gomap *seeded() {
    static const gomap *const map = [] {
        gomap *made = nullptr;
        check(bench_hash_new(&made) == GOMAP_OK, "gomap_new failed");
        check(made->hash_kind == GOMAP_HASH_AES, "this processor has no AES: the +aes programs need it");
        return made;
    }();
    return map;
}

struct AesInt {
    using is_avalanching = void;
    uint64_t seed[4];
    AesInt() { std::memcpy(seed, seeded()->seed, sizeof seed); }
    size_t operator()(uint64_t key) const noexcept { return gomap__hash_aes(seed, key); }
};

template <class View> struct AesStr {
    using is_avalanching = void;
    using is_transparent = void;
    const gomap *map = seeded();
    size_t operator()(View s) const noexcept { return gomap__hash_bytes(map, s.data(), s.size()); }
};

} // namespace bench

#endif
