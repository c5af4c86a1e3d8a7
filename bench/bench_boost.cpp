// boost::unordered_flat_map; BENCH_AES: with gomap's hash.
#include "engine_std.h"

#include <boost/container_hash/hash.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#ifdef BENCH_AES
#include "hash_aes.h"
template <class Int> using Number = bench::AesInt;
using Text = bench::AesStr<std::string_view>;
#else
template <class Int> using Number = boost::hash<Int>;
struct Text : boost::hash<std::string_view> { // that of std::string, for views too
    using is_transparent = void;
};
// Whether the table mixes the hash once more is asked of its type, not inherited.
template <>
struct boost::unordered::hash_is_avalanching<Text> : hash_is_avalanching<boost::hash<std::string>> {};
#endif

template <class T> struct Pick {
    using Map = boost::unordered_flat_map<typename T::Key, typename T::Value, Number<typename T::Key>>;
};
template <> struct Pick<bench::Strings> {
    using Map = boost::unordered_flat_map<std::string, uint64_t, Text, std::equal_to<>>;
};
template <class T> using Engine = bench::StdLike<T, typename Pick<T>::Map>;

int main(int argc, char **argv) { return bench::main<Engine>(argc, argv); }
