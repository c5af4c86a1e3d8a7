// gomap through its typed interface; BENCH_GENERIC: through the generic one; BENCH_FOLD: generic, with the
// hash shared by all engines as a user function.
#include "engine_gomap.h"

#if defined(BENCH_FOLD)
using Engine = bench::GomapGeneric<false>;
#elif defined(BENCH_GENERIC)
using Engine = bench::GomapGeneric<true>;
#else
using Engine = bench::GomapTyped;
#endif

int main(int argc, char **argv) { return bench::main<Engine>(argc, argv); }
