/* churn.c - a map under steady replacement of its entries, and what that does to the memory of the process.
 *
 *     churn STORE ENTRIES OPERATIONS SEED steady|changing
 *
 *               fill           a delete and an insert, again and again             9 of 10 go
 *   steady      mixed keys ->  mixed keys  -----------------------------------> ->  survivors
 *   changing    short keys ->  long keys -> short keys -> long keys -> short keys   ->  survivors
 *
 * Keys are strings of 16..64 (short), 96..384 (long) or 16..384 bytes (mixed), values 8 bytes; which key is replaced is drawn at
 * random.  Holes that old sizes leave do not fit new ones: that is what fragments, and what steady churn lacks.
 * The number of entries stays the same until the last step, where nine of ten are erased at random.
 *
 * One JSON document: `samples` of [operations done, anonymous bytes in core gained, bytes the store uses, bytes of keys and values],
 * ten for each change of size; the same for the last steps (erased; allocator purged), and how many operations a second were done
 * (processor time of the thread; an operation is one delete or one insert). */
#include "../preload.h"
#include "../resident.h"
#include "../stores.h"

#include <sys/mman.h>

enum { PHASES = 4, SAMPLES = 10, LONGEST = 384, PAYLOAD = 8 };
static const struct lengths {
    uint32_t least, most;
} SHORT = {16, 64}, LONG = {96, LONGEST}, MIXED = {16, LONGEST};

struct live {
    uint64_t number;
    uint32_t length;
};
static struct live *live;
static size_t entries;
static uint64_t base, next_number, draws, seed;
static uint64_t payload; /* bytes of the keys and values that are there */

static uint64_t draw(void) { return mix(seed * 0x2545f4914f6cdd1d + draws++); }

static uint64_t gained(void) {
    const uint64_t now = resident_now().anonymous;
    return now > base ? now - base : 0;
}

/* The text of a key: its number, then filling that depends on it. */
static gomap_str text_of(struct live l, char *buffer) {
    for (uint32_t i = 0; i < l.length; i += 8) {
        const uint64_t word = i ? mix(l.number + i) : l.number;
        memcpy(buffer + i, &word, sizeof word);
    }
    return (gomap_str){buffer, l.length};
}

static void put_new(struct store *s, size_t at, struct lengths l) {
    char buffer[LONGEST + 8];
    live[at] = (struct live){next_number++, l.least + (uint32_t)(draw() % (l.most - l.least + 1))};
    const gomap_str key = text_of(live[at], buffer);
    payload += key.len + PAYLOAD;
    s->kind->put(s, &key, &live[at].number);
}
static void erase(struct store *s, size_t at) {
    char buffer[LONGEST + 8];
    const gomap_str key = text_of(live[at], buffer);
    payload -= key.len + PAYLOAD;
    s->kind->erase(s, &key);
}

static void sample(const struct store *s, uint64_t operations, bool first) {
    printf("%s[%llu,%llu,%llu,%llu]", first ? "" : ",", (unsigned long long)operations,
           (unsigned long long)gained(), (unsigned long long)s->kind->bytes(s), (unsigned long long)payload);
}

static uint64_t replace(struct store *s, size_t pairs, struct lengths l) {
    const uint64_t start = cpu_ns();
    for (size_t i = 0; i < pairs; i++) {
        const size_t at = draw() % entries;
        erase(s, at);
        put_new(s, at, l);
    }
    return cpu_ns() - start;
}

/* Entries beyond the first tenth, in random order. */
static void erase_most(struct store *s) {
    for (size_t left = entries; left > entries / 10; left--) {
        const size_t at = draw() % left;
        erase(s, at);
        live[at] = live[left - 1];
    }
    must(s->kind->len(s) == entries / 10, "not as many entries left as there should be");
}

int main(int argc, char **argv) {
    static char out[1 << 14];
    must(argc == 6, "usage: churn STORE ENTRIES OPERATIONS SEED steady|changing");
    const bool steady = !strcmp(argv[5], "steady");
    must(steady || !strcmp(argv[5], "changing"), "steady or changing?");
    entries = number_arg(argv[2], "ENTRIES", 100, 1u << 30);
    const size_t pairs =
        number_arg(argv[3], "OPERATIONS", PHASES * SAMPLES * 2, UINT64_MAX) / 2 / (PHASES * SAMPLES);
    seed = number_arg(argv[4], "SEED", 0, UINT64_MAX);
    live = mmap(NULL, entries * sizeof *live, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    must(live != MAP_FAILED, "mmap failed");
    setvbuf(stdout, out, _IOFBF, sizeof out);
    resident_now(); /* the readers' own pages */
    base = resident_now().anonymous;

    struct store s = make_store(argv[1], true, PAYLOAD);
    printf("{\"store\":\"%s\",\"allocator\":\"%s\",\"entries\":%zu,\"samples\":[", argv[1], allocator(),
           entries);
    for (size_t i = 0; i < entries; i++) put_new(&s, i, steady ? MIXED : SHORT);
    sample(&s, 0, true);
    uint64_t done = 0, took = 0;
    for (int part = 0; part < PHASES * SAMPLES; part++) {
        took += replace(&s, pairs, steady ? MIXED : part / SAMPLES % 2 ? SHORT : LONG);
        done += 2 * pairs;
        sample(&s, done, false);
    }
    must(s.kind->len(&s) == entries, "not as many entries as there should be");
    printf("],\"per_second\":%.0f,\"erased\":", (double)done * 1e9 / (double)(took ? took : 1));
    erase_most(&s);
    sample(&s, done, true);
    purge();
    printf(",\"purged\":");
    sample(&s, done, true);
    s.kind->release(&s);
    purge();
    printf(",\"freed\":%llu}\n", (unsigned long long)gained());
    return 0;
}
