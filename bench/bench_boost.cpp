// boost::unordered_flat_map; BENCH_FOLD: with the hash shared by all engines, marked avalanching, so that
// the table does not mix it once more.
#include "engine_std.h"

#include <boost/unordered/unordered_flat_map.hpp>

#ifdef BENCH_FOLD
constexpr char name[] = "boost-fold";
using Map = boost::unordered_flat_map<uint64_t, uint64_t, bench::FoldHash>;
#else
constexpr char name[] = "boost";
using Map = boost::unordered_flat_map<uint64_t, uint64_t>;
#endif

int main(int argc, char **argv) { return bench::main<bench::StdLike<Map, name>>(argc, argv); }
