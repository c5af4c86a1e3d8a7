// gomap through its typed interface; BENCH_GENERIC: through the generic one.
#include "engine_gomap.h"

#ifdef BENCH_GENERIC
template <class T> using Engine = bench::GomapGeneric<T>;
#else
template <class T> using Engine = bench::GomapTyped<T>;
#endif

int main(int argc, char **argv) { return bench::main<Engine>(argc, argv); }
