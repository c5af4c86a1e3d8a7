// absl::flat_hash_map; BENCH_AES: with gomap's hash.
#include "engine_std.h"

#include <absl/container/flat_hash_map.h>
#include <absl/strings/string_view.h>

template <class T> struct Pick;
#ifdef BENCH_AES
#include "hash_aes.h"
template <class T> struct Pick {
    using Map = absl::flat_hash_map<typename T::Key, typename T::Value, bench::AesInt>;
};
template <> struct Pick<bench::Strings> {
    using Map = absl::flat_hash_map<std::string, uint64_t, bench::AesStr<absl::string_view>, std::equal_to<>>;
};
#else
template <class T> struct Pick { using Map = absl::flat_hash_map<typename T::Key, typename T::Value>; };
template <> struct Pick<bench::Strings> { using Map = absl::flat_hash_map<std::string, uint64_t>; };
#endif
template <class T> using Engine = bench::StdLike<T, typename Pick<T>::Map, absl::string_view>;

int main(int argc, char **argv) { return bench::main<Engine>(argc, argv); }
