// absl::flat_hash_map; BENCH_FOLD: with the hash shared by all engines.
#include "engine_std.h"

#include <absl/container/flat_hash_map.h>

#ifdef BENCH_FOLD
constexpr char name[] = "absl-fold";
using Map = absl::flat_hash_map<uint64_t, uint64_t, bench::FoldHash>;
#else
constexpr char name[] = "absl";
using Map = absl::flat_hash_map<uint64_t, uint64_t>;
#endif

int main(int argc, char **argv) { return bench::main<bench::StdLike<Map, name>>(argc, argv); }
