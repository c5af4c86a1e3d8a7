// The benchmark: one set of operations on a map from uint64_t to uint64_t, run on any engine.
//
// Each engine is a program of its own (bench_*.cpp) that includes this file; one process measures all
// operations at one size and prints one line of JSON.  script/bench runs the programs alternately, so
// that a slow phase of the machine hits every engine alike, and takes medians over the rounds.
//
// An engine is a class with
//     static const char *name();                 as it appears in the report
//     void reserve(size_t n);
//     void put(uint64_t key, uint64_t value);    insert or assign
//     const uint64_t *get(uint64_t key) const;   nullptr: absent
//     bool erase(uint64_t key);
//     template <class F> void each(F f) const;   f(key, value) for every entry
// Constructing one gives an empty map; running out of memory ends the program.
//
// Time is processor time of this process: what others on the machine take is not counted.  The cost of
// reading the clock is measured and taken off.  Lookups are the best of PASSES passes over the same
// queries; everything that changes a table is measured once per process.  Every operation checks its own
// result, so that an engine that loses keys cannot look fast.
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <numeric>
#include <unistd.h>
#include <vector>

namespace bench {

constexpr size_t OPS_MIN = 1000000; // small sizes are repeated up to this many operations
constexpr size_t QUERIES_MAX = 4000000;
constexpr int PASSES = 3;

// splitmix64: a bijection, so different i give different keys.
inline uint64_t mix(uint64_t i) {
    i += 0x9e3779b97f4a7c15;
    i = (i ^ (i >> 30)) * 0xbf58476d1ce4e5b9;
    i = (i ^ (i >> 27)) * 0x94d049bb133111eb;
    return i ^ (i >> 31);
}

// The hash that all engines can be given ("fold" in the report): the key, blinded by a seed drawn when the
// program starts, times a constant; both halves of the product folded together.  One multiply, good in all
// bits.
inline uint64_t fold_seed() {
    static const uint64_t seed = mix((uint64_t)getpid() ^ (uint64_t)time(nullptr) << 32);
    return seed;
}
inline uint64_t fold(uint64_t key, uint64_t seed) {
    const unsigned __int128 product = (unsigned __int128)(key ^ seed) * 0x9e3779b97f4a7c15;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}
struct FoldHash {
    using is_avalanching = void;
    uint64_t seed = fold_seed();
    size_t operator()(uint64_t key) const { return fold(key, seed); }
};

[[noreturn]] inline void fail(const char *what) {
    std::fprintf(stderr, "bench: %s\n", what);
    std::exit(1);
}
inline void check(bool ok, const char *what) {
    if (!ok) fail(what);
}

inline double cpu_ns() {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

// What two readings of the clock cost: the least of many.
inline double clock_cost() {
    double least = 1e9;
    for (int i = 0; i < 1000; i++) {
        const double start = cpu_ns();
        least = std::min(least, cpu_ns() - start);
    }
    return least;
}

class Timer {
  public:
    explicit Timer(double cost) : cost_(cost) {}
    void start() { began_ = cpu_ns(); }
    void stop() { total_ += cpu_ns() - began_ - cost_; }
    double per(size_t operations) const { return total_ / (double)operations; }

  private:
    double cost_, began_ = 0, total_ = 0;
};

inline size_t resident_bytes() {
    std::FILE *file = std::fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    size_t kib = 0;
    while (file && std::fgets(line, sizeof line, file))
        if (std::sscanf(line, "Rss: %zu kB", &kib) == 1) break;
    if (file) std::fclose(file);
    check(kib > 0, "cannot read /proc/self/smaps_rollup");
    return kib * 1024;
}

template <class Engine> class Run {
  public:
    Run(size_t size, uint64_t seed) : n_(size), seed_(seed), cost_(clock_cost()), keys_(size) {
        for (size_t i = 0; i < n_; i++) keys_[i] = mix(seed_ + i);
        const size_t queries = std::clamp(n_, OPS_MIN, QUERIES_MAX);
        for (size_t i = 0; i < queries; i++) {
            hits_.push_back(keys_[random(i) % n_]);
            misses_.push_back(mix(seed_ + n_ + i)); // never put until churn, which comes later
        }
        volatile uint64_t touch = hits_[0] ^ misses_[0];
        (void)touch;
    }

    void all() {
        memory(); // first: the heap is still fresh
        insert("insert_reserved", true);
        insert("insert", false);
        auto map = filled(false);
        lookups(*map);
        dependent(*map);
        iterate(*map);
        churn(*map);
        erase(*map);
    }

    void print() const {
        std::printf("{\"engine\":\"%s\",\"size\":%zu", Engine::name(), n_);
        for (const auto &r : results_) std::printf(",\"%s\":%.3f", r.first, r.second);
        std::printf("}\n");
    }

  private:
    uint64_t random(uint64_t i) const { return mix(i ^ (seed_ << 20) ^ 0x5bd1e995); }
    size_t repeats() const { return std::max<size_t>(1, OPS_MIN / n_); }
    void result(const char *what, double value) { results_.emplace_back(what, value); }

    void fill(Engine &map) const {
        for (size_t i = 0; i < n_; i++) map.put(keys_[i], i);
    }
    std::unique_ptr<Engine> filled(bool reserved) const {
        auto map = std::make_unique<Engine>();
        if (reserved) map->reserve(n_);
        fill(*map);
        return map;
    }

    void memory() {
        std::vector<std::unique_ptr<Engine>> maps(repeats());
        const size_t before = resident_bytes();
        for (auto &map : maps) map = filled(false);
        const size_t after = resident_bytes();
        result("rss_per_entry", (double)(after - before) / (double)(maps.size() * n_));
    }

    void insert(const char *what, bool reserved) {
        Timer timer(cost_);
        for (size_t r = 0; r < repeats(); r++) {
            Engine map;
            timer.start();
            if (reserved) map.reserve(n_);
            fill(map);
            timer.stop();
            check(map.get(keys_[n_ / 2]) && *map.get(keys_[n_ / 2]) == n_ / 2,
                  "a key is missing after insert");
        }
        result(what, timer.per(repeats() * n_));
    }

    void lookups(const Engine &map) {
        double hit = 1e9, miss = 1e9;
        for (int pass = 0; pass < PASSES; pass++) {
            size_t found = 0;
            Timer timer(cost_);
            timer.start();
            for (const uint64_t key : hits_) found += map.get(key) != nullptr;
            timer.stop();
            check(found == hits_.size(), "a key that was put is not found");
            hit = std::min(hit, timer.per(hits_.size()));

            found = 0;
            Timer other(cost_);
            other.start();
            for (const uint64_t key : misses_) found += map.get(key) != nullptr;
            other.stop();
            check(found == 0, "a key that was never put is found");
            miss = std::min(miss, other.per(misses_.size()));
        }
        result("hit", hit);
        result("miss", miss);
    }

    // The key of each lookup needs the value of the one before, so that the processor cannot overlap them.
    void dependent(const Engine &map) {
        double best = 1e9;
        const size_t queries = std::min(hits_.size(), OPS_MIN);
        for (int pass = 0; pass < PASSES; pass++) {
            uint64_t value = 0;
            Timer timer(cost_);
            timer.start();
            for (size_t i = 0; i < queries; i++) {
                const uint64_t *found = map.get(hits_[i] + (value >> 63)); // values are below 2^63: + 0
                value = found ? *found : ~0ull; // a miss makes every key after it wrong too
            }
            timer.stop();
            check(value < n_, "a key that was put is not found");
            best = std::min(best, timer.per(queries));
        }
        result("dependent_hit", best);
    }

    void iterate(const Engine &map) {
        Timer timer(cost_);
        uint64_t sum = 0;
        size_t seen = 0;
        for (size_t r = 0; r < repeats(); r++) {
            timer.start();
            map.each([&](uint64_t key, uint64_t value) { sum += key ^ value, seen++; });
            timer.stop();
        }
        uint64_t want = 0;
        for (size_t i = 0; i < n_; i++) want += keys_[i] ^ i;
        check(seen == n_ * repeats() && sum == want * repeats(), "iteration is not complete");
        result("iterate", timer.per(seen));
    }

    // Erase a random entry, put a new one: the size stays, the table turns over.
    void churn(Engine &map) {
        const size_t pairs = std::max(OPS_MIN, n_);
        std::vector<uint64_t> fresh(pairs), where(pairs);
        for (size_t i = 0; i < pairs; i++) {
            fresh[i] = mix(seed_ + 2 * n_ + QUERIES_MAX + i);
            where[i] = random(i + pairs) % n_;
        }
        size_t gone = 0;
        Timer timer(cost_);
        timer.start();
        for (size_t i = 0; i < pairs; i++) {
            uint64_t &key = keys_[where[i]];
            gone += map.erase(key);
            key = fresh[i];
            map.put(key, i);
        }
        timer.stop();
        check(gone == pairs, "churn did not find what it put");
        result("churn", timer.per(pairs));
    }

    // Everything, in random order.  Tables that are small are filled and emptied again and again.
    void erase(Engine &map) {
        std::vector<uint64_t> order(keys_);
        for (size_t i = n_ - 1; i > 0; i--) std::swap(order[i], order[random(i) % (i + 1)]);
        Timer timer(cost_);
        size_t gone = 0;
        for (size_t r = 0; r < repeats(); r++) {
            if (r) fill(map);
            timer.start();
            for (const uint64_t key : order) gone += map.erase(key);
            timer.stop();
        }
        check(gone == n_ * repeats(), "erase did not find what was put");
        size_t left = 0;
        map.each([&](uint64_t, uint64_t) { left++; });
        check(left == 0, "entries are left after erasing all");
        result("erase", timer.per(gone));
    }

    size_t n_;
    uint64_t seed_;
    double cost_;
    std::vector<uint64_t> keys_, hits_, misses_;
    std::vector<std::pair<const char *, double>> results_;
};

// main of every program: PROGRAM SIZE [SEED]
template <class Engine> int main(int argc, char **argv) {
    char *end = nullptr;
    const unsigned long long size = argc > 1 ? std::strtoull(argv[1], &end, 10) : 0;
    if (argc < 2 || argc > 3 || *end || size < 1 || size > 1000000000ull) {
        std::fprintf(stderr, "usage: %s SIZE [SEED]   (1 .. 10^9 entries)\n", argv[0]);
        return 2;
    }
    Run<Engine> run(size, argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
    run.all();
    run.print();
    return 0;
}

} // namespace bench

#endif
