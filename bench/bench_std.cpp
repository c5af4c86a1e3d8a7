// std::unordered_map; BENCH_AES: with gomap's hash.
#include "engine_std.h"

#include <functional>
#include <unordered_map>

#ifdef BENCH_AES
#include "hash_aes.h"
using Int = bench::AesInt;
using Text = bench::AesStr<std::string_view>;
#else
using Int = std::hash<uint64_t>;
struct Text : std::hash<std::string_view> { // that of std::string, for views too
    using is_transparent = void;
};
#endif

template <class T> struct Pick { using Map = std::unordered_map<typename T::Key, typename T::Value, Int>; };
template <> struct Pick<bench::Strings> {
    using Map = std::unordered_map<std::string, uint64_t, Text, std::equal_to<>>;
};
template <class T> using Engine = bench::StdLike<T, typename Pick<T>::Map>;

int main(int argc, char **argv) { return bench::main<Engine>(argc, argv); }
