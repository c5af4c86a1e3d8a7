// The benchmark: one set of operations, run on any engine and any of the types in types.h.
//
// Each engine is a program of its own (bench_*.cpp) that includes this file and ends with
// bench::main<Engine>(argc, argv); runner.py says how such a program is called and what it prints.
// An engine is a class template whose argument T is one of the types, with
//     void put(const Key &, const Value &);      insert or assign
//     const Value *get(const Key &) const;       nullptr: absent
//     bool erase(const Key &);
//     template <class F> void each(F f) const;   f(key, value) for every entry
// and, where it can,
//     void reserve(size_t n);
//     void get_many(const Key *keys, size_t n, const void **values) const;
//     bool growing() const;                      is about half of a step by step growth done?
// Constructing one gives an empty map; it owns copies of its keys; running out of memory ends the program.
//
// Time is processor time of this process: what others on the machine take is not counted.  The cost of
// reading the clock is measured and taken off.  Lookups are the best of PASSES passes over the same
// queries; everything that changes a table is measured once per process.  Every operation checks its own
// result, so that an engine that loses keys cannot look fast.
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include "types.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <utility>

namespace bench {

constexpr size_t WORK = 1000000; // small sizes are repeated up to this many operations
constexpr size_t QUERIES_PER_WORK = 4;
constexpr size_t BATCH = 256;   // keys a call of hit_batched
constexpr size_t TURNOVER = 10; // times the entries are replaced before miss_churned
constexpr int PASSES = 3;

[[noreturn]] inline void fail(const char *what) {
    std::fprintf(stderr, "%s\n", what);
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

// The code whose time is taken, and nothing else: callgrind counts instructions inside functions of these names.
// Lookups are inlined whole wherever their code can be seen, as in a program whose only loop this is; the
// same source compiled five times into one program would be left to the compiler's mood.
template <class F> __attribute__((noinline)) void measured(F &f) { f(); }
template <class F> __attribute__((noinline, flatten)) void measured_lookups(F &f) { f(); }

class Timer {
  public:
    explicit Timer(double cost) : cost_(cost) {}
    // f returns what it found, kept in registers until then.
    template <class F> auto time(size_t operations, F f) {
        return run(operations, f, [](auto &body) { measured(body); });
    }
    template <class F> auto time_lookups(size_t operations, F f) {
        return run(operations, f, [](auto &body) { measured_lookups(body); });
    }
    double best() const { return best_; }
    double mean() const { return total_ / (double)operations_; }
    size_t operations() const { return operations_; }

  private:
    template <class F, class Call> auto run(size_t operations, F &f, Call call) {
        decltype(f()) result;
        auto body = [&] { result = f(); };
        const double start = cpu_ns();
        call(body);
        const double took = cpu_ns() - start - cost_;
        total_ += took, operations_ += operations;
        best_ = std::min(best_, took / (double)operations);
        return result;
    }

    double cost_, total_ = 0, best_ = 1e18;
    size_t operations_ = 0;
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

struct Options {
    size_t n = 0, work = WORK;
    uint64_t seed = 1;
    std::string ops; // ",a,b," or empty: all
    bool wants(const char *op) const {
        return ops.empty() || ops.find(std::string(",") + op + ",") != std::string::npos;
    }
};

template <class T, class Engine> class Run {
  public:
    using Key = typename T::Key;
    using Value = typename T::Value;

    explicit Run(const Options &options)
        : o_(options), n_(options.n),
          queries_(std::clamp(options.n, options.work, QUERIES_PER_WORK * options.work)), cost_(clock_cost()),
          keys_(n_) {
        for (size_t i = 0; i < n_; i++) keys_.add(o_.seed, i);
    }

    void all() {
        if (o_.wants("rss")) rss(); // first: the heap is still fresh
        if constexpr (requires(Engine & e) { e.reserve(1); })
            if (o_.wants("insert_reserved")) insert("insert_reserved", [&](Engine &map) { map.reserve(n_); });
        if (o_.wants("insert")) insert("insert", [](Engine &) {});
        if (o_.wants("erase")) erase();
        if (o_.wants("hit_growing")) hit_growing();
        if (o_.wants("hit") || o_.wants("hit_dependent") || o_.wants("hit_batched") || o_.wants("miss") ||
            o_.wants("iterate") || o_.wants("churn") || o_.wants("miss_churned")) {
            auto map = filled();
            if (o_.wants("hit")) hit(*map, "hit", n_);
            if (o_.wants("hit_dependent")) hit_dependent(*map);
            if (o_.wants("hit_batched")) hit_batched(*map);
            if (o_.wants("miss")) miss(*map, "miss");
            if (o_.wants("iterate")) iterate(*map);
            if (o_.wants("churn") || o_.wants("miss_churned")) churn(*map); // changes the map: last
        }
    }

    void print() const {
        std::printf("{\"type\":\"%s\",\"n\":%zu,\"results\":{%s}}\n", T::name, n_, results_.c_str());
    }

  private:
    // Key numbers: [0, n) are put first, then queries_ are never put, then come new keys.
    size_t first_miss() const { return n_ + n_; } // hit_growing puts up to n more
    size_t first_fresh() const { return first_miss() + queries_; }

    uint64_t random(uint64_t i) const { return mix(i ^ (o_.seed << 20) ^ 0x5bd1e995); }
    size_t repeats() const { return std::max<size_t>(1, o_.work / n_); }

    void result(const char *what, double value, size_t operations) {
        char text[100];
        std::snprintf(text, sizeof text, "%s\"%s\":[%.3f,%zu]", results_.empty() ? "" : ",", what, value,
                      operations);
        results_ += text;
    }

    void fill(Engine &map) const {
        for (size_t i = 0; i < n_; i++) map.put(keys_[i], T::value(i));
    }
    std::unique_ptr<Engine> filled() const {
        auto map = std::make_unique<Engine>();
        fill(*map);
        return map;
    }

    void rss() {
        std::vector<std::unique_ptr<Engine>> maps(repeats());
        const size_t before = resident_bytes();
        for (auto &map : maps) map = filled();
        const size_t after = resident_bytes(), entries = maps.size() * n_;
        result("rss", after > before ? (double)(after - before) / (double)entries : 0, entries);
    }

    template <class Prepare> void insert(const char *what, Prepare prepare) {
        Timer timer(cost_);
        for (size_t r = 0; r < repeats(); r++) {
            Engine map;
            timer.time(n_, [&] {
                prepare(map);
                fill(map);
                return 0;
            });
            const Value *found = map.get(keys_[n_ / 2]);
            check(found && T::id(*found) == n_ / 2, "a key is missing after insert");
        }
        result(what, timer.mean(), timer.operations());
    }

    // Everything, in random order, from a map that was just filled.
    void erase() {
        std::vector<size_t> at(n_);
        for (size_t i = 0; i < n_; i++) at[i] = i;
        for (size_t i = n_ - 1; i > 0; i--) std::swap(at[i], at[random(i) % (i + 1)]);
        Keys<Key> order(n_);
        for (const size_t i : at) order.add(o_.seed, i);
        Timer timer(cost_);
        for (size_t r = 0; r < repeats(); r++) {
            auto map = filled();
            const size_t all = timer.time(n_, [&, &to = *map] {
                size_t gone = 0;
                for (const Key &key : order) gone += to.erase(key);
                return gone;
            });
            size_t left = 0;
            map->each([&](const Key &, const Value &) { left++; });
            check(all == n_, "erase did not find what was put");
            check(left == 0, "entries are left after erasing all");
        }
        result("erase", timer.mean(), timer.operations());
    }

    // Queries for hits among the first n keys, and the sum of their values.
    Keys<Key> hits(size_t n, uint64_t *sum) const {
        Keys<Key> keys(queries_);
        *sum = 0;
        for (size_t i = 0; i < queries_; i++) {
            const size_t at = random(i) % n;
            keys.add(o_.seed, at);
            *sum += at;
        }
        return keys;
    }

    void hit(const Engine &map, const char *what, size_t n) {
        uint64_t want;
        const Keys<Key> keys = hits(n, &want);
        Timer timer(cost_);
        for (int pass = 0; pass < PASSES; pass++) {
            const uint64_t all = timer.time_lookups(keys.size(), [&] {
                uint64_t sum = 0;
                for (const Key &key : keys) {
                    const Value *found = map.get(key);
                    if (found) sum += T::id(*found);
                }
                return sum;
            });
            check(all == want, "a key that was put is not found");
        }
        result(what, timer.best(), timer.operations());
    }

    // A hit while the table grows.  An engine that grows all at once has no such state: its usual hit.
    void hit_growing() {
        auto map = std::make_unique<Engine>();
        size_t n = n_;
        if constexpr (requires(const Engine &e) { e.growing(); }) {
            map->reserve(n_); // makes the next growth start at about n
            fill(*map);
            Keys<Key> more(n_);
            for (; !map->growing() && more.size() < n_; n++) {
                more.add(o_.seed, n);
                map->put(more[more.size() - 1], T::value(n));
            }
            if (!map->growing() && n_ < 1000) return; // small tables grow at once
            check(map->growing(), "no growth began");
        } else {
            fill(*map);
        }
        hit(*map, "hit_growing", n);
    }

    // The key of each lookup needs the value of the one before, so that the processor cannot overlap them.
    void hit_dependent(const Engine &map) {
        uint64_t want;
        const Keys<Key> keys = hits(n_, &want);
        const size_t queries = std::min(queries_, o_.work);
        Timer timer(cost_);
        for (int pass = 0; pass < PASSES; pass++) {
            const uint64_t last = timer.time_lookups(queries, [&] {
                uint64_t value = 0;
                for (size_t i = 0; i < queries; i++) {
                    const Value *found = map.get(T::after(keys[i], value));
                    if (!found) fail("a key that was put is not found");
                    value = T::id(*found);
                }
                return value;
            });
            check(last == random(queries - 1) % n_, "a key has the value of another");
        }
        result("hit_dependent", timer.best(), timer.operations());
    }

    // Many keys a call where the engine has such a call, else the plain loop that does the same.
    void hit_batched(const Engine &map) {
        uint64_t want;
        const Keys<Key> keys = hits(n_, &want);
        const void *found[BATCH]; // of Value
        Timer timer(cost_);
        for (int pass = 0; pass < PASSES; pass++) {
            const uint64_t all = timer.time_lookups(keys.size(), [&] {
                uint64_t sum = 0;
                for (size_t at = 0; at < keys.size(); at += BATCH) {
                    const size_t batch = std::min(BATCH, keys.size() - at);
                    if constexpr (requires { map.get_many(keys.data(), batch, found); })
                        map.get_many(keys.data() + at, batch, found);
                    else
                        for (size_t i = 0; i < batch; i++) found[i] = map.get(keys[at + i]);
                    for (size_t i = 0; i < batch; i++)
                        if (found[i]) sum += T::id(*static_cast<const Value *>(found[i]));
                }
                return sum;
            });
            check(all == want, "a key that was put is not found in a batch");
        }
        result("hit_batched", timer.best(), timer.operations());
    }

    void miss(const Engine &map, const char *what) {
        Keys<Key> keys(queries_);
        for (size_t i = 0; i < queries_; i++) keys.add(o_.seed, first_miss() + i);
        Timer timer(cost_);
        for (int pass = 0; pass < PASSES; pass++) {
            const size_t all = timer.time_lookups(keys.size(), [&] {
                size_t found = 0;
                for (const Key &key : keys) found += map.get(key) != nullptr;
                return found;
            });
            check(all == 0, "a key that was never put is found");
        }
        result(what, timer.best(), timer.operations());
    }

    void iterate(const Engine &map) {
        uint64_t want = 0;
        for (size_t i = 0; i < n_; i++) want += T::glance(keys_[i]) ^ i;
        Timer timer(cost_);
        for (size_t r = 0; r < repeats(); r++) {
            const auto [sum, seen] = timer.time(n_, [&] {
                uint64_t sum = 0;
                size_t seen = 0;
                map.each([&](const Key &key, const Value &value) {
                    sum += T::glance(key) ^ T::id(value), seen++;
                });
                return std::pair(sum, seen);
            });
            check(seen == n_ && sum == want, "iteration is not complete");
        }
        result("iterate", timer.mean(), timer.operations());
    }

    // Erase a random entry, put a new one: the size stays, the table turns over.
    void churn(Engine &map) {
        std::vector<size_t> live(n_); // numbers of the keys that are in the map
        for (size_t i = 0; i < n_; i++) live[i] = i;
        const size_t timed = std::max(n_, o_.work), all = std::max(timed, TURNOVER * n_);
        size_t fresh = first_fresh();
        Timer timer(cost_);
        for (size_t done = 0; done < (o_.wants("miss_churned") ? all : timed);) {
            const size_t pairs = std::min(o_.work, all - done);
            Keys<Key> out(pairs), in(pairs);
            for (size_t i = 0; i < pairs; i++, fresh++) {
                size_t &place = live[random(fresh) % n_];
                out.add(o_.seed, place);
                in.add(o_.seed, fresh);
                place = fresh;
            }
            const auto turn = [&] {
                size_t gone = 0;
                for (size_t i = 0; i < pairs; i++) {
                    gone += map.erase(out[i]);
                    map.put(in[i], T::value(i));
                }
                return gone;
            };
            const size_t all_gone = done < timed ? timer.time(pairs, turn) : turn();
            check(all_gone == pairs, "churn did not find what it put");
            done += pairs;
        }
        if (o_.wants("churn")) result("churn", timer.mean(), timer.operations());
        if (o_.wants("miss_churned")) miss(map, "miss_churned");
    }

    const Options o_;
    const size_t n_, queries_;
    const double cost_;
    Keys<Key> keys_;
    std::string results_;
};

template <class T, template <class> class Engine> bool run_if(const char *type, const Options &options) {
    if (std::strcmp(type, T::name) != 0) return false;
    Run<T, Engine<T>> run(options);
    run.all();
    run.print();
    return true;
}

// main of every program; the options as runner.py gives them
template <template <class> class Engine> int main(int argc, char **argv) {
    Options o;
    bool ok = argc >= 3 && argc % 2 == 1;
    const auto number = [&](const char *text) {
        char *end = nullptr;
        const unsigned long long value = std::strtoull(text, &end, 10);
        ok = ok && *text && !*end && value >= 1 && value <= 1000000000ull;
        return value;
    };
    if (ok) o.n = number(argv[2]);
    for (int i = 3; ok && i < argc; i += 2) {
        const std::string name = argv[i];
        if (name == "--seed")
            o.seed = number(argv[i + 1]);
        else if (name == "--work")
            o.work = number(argv[i + 1]);
        else if (name == "--ops")
            o.ops = std::string(",") + argv[i + 1] + ",";
        else
            ok = false;
    }
    if (!ok || !(run_if<U64, Engine>(argv[1], o) || run_if<U32, Engine>(argv[1], o) ||
                 run_if<Strings, Engine>(argv[1], o) || run_if<Big, Engine>(argv[1], o))) {
        std::fprintf(stderr, "usage: %s TYPE N [--seed S] [--ops A,B] [--work W]   (N: 1 .. 10^9)\n",
                     argv[0]);
        return 2;
    }
    return 0;
}

} // namespace bench

#endif
