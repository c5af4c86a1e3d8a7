// What maps from uint64_t to uint64_t cost in resident memory, at every size, and what they give back.
//
//     memory ENGINE fill N           one map from nothing to N entries, then 99 % erased at random
//     memory ENGINE many MAPS N      so many maps of N entries each
//
// One line of JSON.  Bytes are what the process' resident anonymous memory (smaps_rollup, exact; pages of program
// files are not the map's doing) grew by since just before the
// first map was made; the peak is the kernel's own high-water mark, which also sees what was there between two
// readings.  The engine's object itself is counted (C++ maps are held by value).  Nothing else is allocated
// meanwhile: keys are computed, the order of erasing was drawn before.
#include "latency_engines.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace bench {

// Readings of a fill: one each half percent of size, of which every fourth is reported.
constexpr size_t FIRST = 100000, STEP = 200, REPORTED = 4;
constexpr size_t WORST_FROM = 200000;

inline size_t proc_kib(const char *path, const char *field) {
    std::FILE *file = std::fopen(path, "r");
    char line[256];
    size_t kib = 0;
    const size_t length = std::strlen(field);
    while (file && std::fgets(line, sizeof line, file))
        if (!std::strncmp(line, field, length)) {
            kib = std::strtoull(line + length, nullptr, 10);
            break;
        }
    if (file) std::fclose(file);
    check(kib > 0, "cannot read the resident set from /proc");
    return kib;
}
inline size_t resident() { return proc_kib("/proc/self/smaps_rollup", "Anonymous:") * 1024; }
inline size_t base_line() {
    resident(); // the first reading gives stdio its buffers
    return resident();
}
inline size_t peak() { return proc_kib("/proc/self/status", "VmHWM:") * 1024; }
inline void reset_peak() {
    std::FILE *file = std::fopen("/proc/self/clear_refs", "w");
    check(file && std::fputs("5", file) >= 0 && !std::fclose(file),
          "cannot reset the peak of the resident set");
}

struct Fill {
    const char *name;
    size_t n;

    template <class Engine> void run() const {
        std::vector<uint32_t> order(n); // in core before the first reading
        std::iota(order.begin(), order.end(), 0u);
        for (size_t i = n; i > 1; i--) std::swap(order[i - 1], order[mix(i) % i]);
        const size_t base = base_line(), kept = n / 100;
        double worst = 0;
        size_t worst_at = 0, readings = 0, next = std::min(FIRST, n);
        std::printf("{\"engine\":\"%s\",\"n\":%zu,\"curve\":[", name, n);
        reset_peak();
        const size_t peak_base = peak();
        Engine map;
        for (size_t i = 0; i < n;) {
            for (; i < next; i++) map.put(mix(i), i);
            const size_t now = resident();
            const double each = now > base ? (double)(now - base) / (double)i : 0;
            if (i >= std::min(WORST_FROM, n) && each > worst) worst = each, worst_at = i;
            if (readings++ % REPORTED == 0 || i == n)
                std::printf("%s[%zu,%.3f]", i == next && readings == 1 ? "" : ",", i, each);
            next = std::min(n, i + i / STEP);
        }
        const size_t most = peak() - peak_base;
        for (size_t i = kept; i < n; i++) check(map.erase(mix(order[i])), "a key that was put is not there");
        check(map.size() == kept, "not as many entries as there should be");
        const size_t after = resident();
        map.tidy();
        const size_t tidied = resident();
        check(map.size() == kept, "entries went while tidying");
        std::printf("],\"worst\":%.3f,\"worst_at\":%zu,\"peak\":%zu,\"erased\":%zu,\"tidied\":%zu}\n", worst,
                    worst_at, most, after > base ? after - base : 0, tidied > base ? tidied - base : 0);
    }
};

struct Many {
    const char *name;
    size_t maps, n;

    template <class Engine> void run() const {
        const size_t base = base_line();
        std::vector<Engine> all(maps);
        for (size_t m = 0; m < maps; m++)
            for (size_t i = 0; i < n; i++) all[m].put(mix(m * n + i), i);
        const size_t now = resident();
        check(all[maps - 1].size() == n, "not as many entries as there should be");
        std::printf("{\"engine\":\"%s\",\"maps\":%zu,\"n\":%zu,\"bytes_per_map\":%.3f}\n", name, maps, n,
                    now > base ? (double)(now - base) / (double)maps : 0);
        std::fflush(stdout);
        std::_Exit(0); // a million destructors would measure nothing
    }
};

} // namespace bench

int main(int argc, char **argv) {
    constexpr char usage[] = "memory ENGINE fill N, or memory ENGINE many MAPS N";
    const bool fill = argc == 4 && !std::strcmp(argv[2], "fill");
    const bool many = argc == 5 && !std::strcmp(argv[2], "many");
    const size_t first = bench::number_argument(fill || many ? argv[3] : "", usage);
    const size_t second = many ? bench::number_argument(argv[4], usage) : 0;
    if (first < 1) return bench::number_argument("", usage) != 0;
    if (fill ? bench::with_engine(argv[1], bench::Fill{argv[1], first})
             : bench::with_engine(argv[1], bench::Many{argv[1], first, second}))
        return 0;
    std::fprintf(stderr, "memory: no engine '%s' in this build\n", argv[1]);
    return 77;
}
