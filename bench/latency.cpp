// How long single inserts take while a map grows from nothing, and why the longest ones do.
//
//     latency ENGINE N        one line of JSON
//
// The clock is read once between any two inserts.  After every CHUNK inserts a control loop that does nothing
// but read the clock runs for as long as they took: its gaps are what the machine itself does to a program here
// and now.  Every insert, and every gap, longer than SLOW_NS is given a cause:
//
//     preempted     at least half of it the thread had no processor: its CPU clock stood (other tasks, interrupts,
//                   the hypervisor where the kernel accounts for it)
//     faulted       the kernel recorded a page fault within it (a software event of perf, with its time)
//     unexplained   neither
//
//     inserts   |--||--||--||----------------- slow ------------------||--|
//     kernel              :        fault      fault                         ring of records, read after a slow one
//     CPU clock  read here ^ (every CHUNK)                              ^ and here
//
// Of those, the time without a processor is taken off: what remains is what the thread itself did, or had the kernel
// do for it, and does not depend on who else is running.  Both clocks and both loops are the same code for all engines.  Keys are the same in every run: an insert that is
// slow and unexplained in all runs would be the map's doing, one that is so once is the machine's.
#include "latency_engines.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace bench {

constexpr size_t CHUNK = 1024;
constexpr uint64_t SLOW_NS = 100000;
constexpr size_t KEPT = 1000; // slow and unexplained inserts that are named

inline uint64_t clock_ns(clockid_t clock) {
    timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
inline uint64_t wall_ns() { return clock_ns(CLOCK_MONOTONIC_RAW); }

// What two readings of the clock are apart: the least of many.
inline uint64_t clock_cost() {
    uint64_t least = ~0ull;
    for (int i = 0; i < 10000; i++) {
        const uint64_t start = wall_ns();
        least = std::min(least, wall_ns() - start);
    }
    return least;
}

// Counts of durations, exact up to 128 ns and to 1/64 of themselves above.
class Histogram {
  public:
    void add(uint64_t ns) { counts_[bucket(ns)]++, total_++, max_ = std::max(max_, ns); }
    uint64_t max() const { return max_; }
    uint64_t total() const { return total_; }
    uint64_t above(uint64_t ns) const {
        uint64_t n = 0;
        for (size_t i = bucket(ns) + 1; i < BUCKETS; i++) n += counts_[i];
        return n;
    }
    uint64_t percentile(double share) const {
        uint64_t left = (uint64_t)((1 - share) * (double)total_);
        for (size_t i = BUCKETS; i-- > 0;) {
            if (counts_[i] > left) return std::min(least(i), max_);
            left -= counts_[i];
        }
        return 0;
    }

  private:
    static constexpr size_t SUB = 64, BUCKETS = SUB * 40;
    static size_t bucket(uint64_t ns) {
        if (ns < 2 * SUB) return ns;
        const unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - 6;
        return std::min(BUCKETS - 1, SUB * shift + (ns >> shift));
    }
    static uint64_t least(size_t bucket) {
        if (bucket < 2 * SUB) return bucket;
        const size_t shift = bucket / SUB - 1;
        return (bucket - SUB * shift) << shift;
    }
    std::vector<uint64_t> counts_ = std::vector<uint64_t>(BUCKETS);
    uint64_t total_ = 0, max_ = 0;
};

// The kernel's records of this thread's page faults, with times of CLOCK_MONOTONIC_RAW.  Where it keeps none
// (perf_event_paranoid above 2, a sandbox), works() is false and faults are not told from other causes.
class FaultRecords {
  public:
    FaultRecords() {
        perf_event_attr attr = {};
        attr.size = sizeof attr;
        attr.type = PERF_TYPE_SOFTWARE, attr.config = PERF_COUNT_SW_PAGE_FAULTS;
        attr.sample_period = 1, attr.sample_type = PERF_SAMPLE_TIME;
        attr.use_clockid = 1, attr.clockid = CLOCK_MONOTONIC_RAW;
        attr.exclude_kernel = 1, attr.exclude_hv = 1;
        const int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
        if (fd < 0) return;
        void *p = mmap(nullptr, page() + RING, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        if (p == MAP_FAILED) return;
        head_ = static_cast<perf_event_mmap_page *>(p);
        ring_ = static_cast<const char *>(p) + page();
    }
    FaultRecords(const FaultRecords &) = delete;
    bool works() const { return head_ != nullptr; }

    // Forget all records; the number of those between two times.
    size_t take(uint64_t from, uint64_t to) {
        size_t n = 0;
        if (!head_) return 0;
        const uint64_t head = __atomic_load_n(&head_->data_head, __ATOMIC_ACQUIRE);
        for (uint64_t at = head_->data_tail; at < head;) {
            const auto *record = reinterpret_cast<const perf_event_header *>(ring_ + at % RING);
            uint64_t
                time; // records are of 16 bytes, or 24: none of what is read here lies across the ring's end
            std::memcpy(&time, ring_ + (at + sizeof *record) % RING, sizeof time);
            n += record->type == PERF_RECORD_SAMPLE && time >= from && time <= to;
            at += record->size;
        }
        __atomic_store_n(&head_->data_tail, head, __ATOMIC_RELEASE);
        return n;
    }

  private:
    static constexpr size_t RING = 256 << 10;
    static size_t page() { return (size_t)sysconf(_SC_PAGESIZE); }
    perf_event_mmap_page *head_ = nullptr;
    const char *ring_ = nullptr;
};

// Durations of one kind, with the causes of the long ones.
class Watch {
  public:
    Watch(FaultRecords &faults, uint64_t cost) : faults_(faults), cost_(cost) { mark(); }

    // The CPU clock is compared with the wall clock from here on.
    void mark() { wall_ = wall_ns(), cpu_ = clock_ns(CLOCK_THREAD_CPUTIME_ID), last_ = wall_ns(); }
    void note(uint64_t operation) {
        const uint64_t now = wall_ns(), took = now - last_;
        const uint64_t lost = took > SLOW_NS ? explain(operation, now, took) : 0;
        all_.add(took > cost_ + lost ? took - cost_ - lost : 0);
        busy_ += took - lost;
        if (took <= SLOW_NS) last_ = now;
    }
    uint64_t busy_ns() const { return busy_; }

    void print(const char *name) const {
        static constexpr struct {
            const char *name;
            double share;
        } percentiles[] = {{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p99.9", .999}, {"p99.99", .9999}};
        std::printf("\"%s\":{\"total\":%llu,\"busy_ns\":%llu,\"max\":%llu", name,
                    (unsigned long long)all_.total(), (unsigned long long)busy_,
                    (unsigned long long)all_.max());
        for (const auto &p : percentiles)
            std::printf(",\"%s\":%llu", p.name, (unsigned long long)all_.percentile(p.share));
        std::printf(",\"preempted\":%zu,\"faulted\":%zu,\"unexplained\":%zu,\"operations\":[", preempted_,
                    faulted_, unexplained_);
        for (size_t i = 0; i < kept_.size(); i++)
            std::printf("%s[%llu,%llu]", i ? "," : "", (unsigned long long)kept_[i].operation,
                        (unsigned long long)kept_[i].ns);
        std::printf("],\"above\":{");
        for (uint64_t ns = 8; ns <= 1ull << 32; ns = next(ns))
            std::printf("%s\"%llu\":%llu", ns == 8 ? "" : ",", (unsigned long long)ns,
                        (unsigned long long)all_.above(ns));
        std::printf("}}");
    }

  private:
    struct Slow {
        uint64_t operation, ns;
    };
    // 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100, ...: ten to a decade
    static uint64_t next(uint64_t ns) {
        static constexpr uint64_t steps[] = {10, 13, 16, 20, 25, 32, 40, 50, 64, 80};
        uint64_t scale = 1, first = ns;
        while (first >= 100) first /= 10, scale *= 10;
        if (first < 10) return 10;
        for (const uint64_t step : steps)
            if (step > first) return step * scale;
        return 100 * scale;
    }
    // Counts the cause; returns for how long the thread had no processor.
    uint64_t explain(uint64_t operation, uint64_t now, uint64_t took) {
        const uint64_t wall = wall_ns() - wall_, cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_;
        const uint64_t lost = std::min(took, wall > cpu ? wall - cpu : 0);
        const size_t faults = faults_.take(now - took, now);
        if (lost >= took / 2) {
            preempted_++;
        } else if (faults) {
            faulted_++;
        } else {
            unexplained_++;
            if (kept_.size() < KEPT) kept_.push_back({operation, took});
        }
        mark();
        return lost;
    }

    FaultRecords &faults_;
    uint64_t cost_, wall_ = 0, cpu_ = 0, last_ = 0, busy_ = 0;
    Histogram all_;
    size_t preempted_ = 0, faulted_ = 0, unexplained_ = 0;
    std::vector<Slow> kept_;
};

struct Measure {
    const char *name;
    size_t n;

    template <class Engine> void run() const {
        const uint64_t cost = clock_cost();
        FaultRecords faults;
        Watch inserts(faults, cost), control(faults, cost);
        Engine map;
        for (size_t i = 0; i < n;) {
            const uint64_t before = inserts.busy_ns();
            inserts.mark();
            for (const size_t end = std::min(n, i + CHUNK); i < end; i++) {
                map.put(mix(i), i);
                inserts.note(i);
            }
            faults.take(0, 0);
            const uint64_t until = control.busy_ns() + inserts.busy_ns() - before;
            control.mark();
            while (control.busy_ns() < until) control.note(i);
            faults.take(0, 0);
        }
        check(map.size() == n, "a key is missing after insert");
        std::printf("{\"engine\":\"%s\",\"n\":%zu,\"faults_recorded\":%s,", name, n,
                    faults.works() ? "true" : "false");
        inserts.print("inserts");
        std::printf(",");
        control.print("clock");
        std::printf("}\n");
    }
};

} // namespace bench

int main(int argc, char **argv) {
    constexpr char usage[] = "latency ENGINE N   (up to 10^9 entries)";
    const size_t n = bench::number_argument(argc == 3 ? argv[2] : "", usage);
    if (bench::with_engine(argv[1], bench::Measure{argv[1], n})) return 0;
    std::fprintf(stderr, "latency: no engine '%s' in this build\n", argv[1]);
    return 77;
}
