/* maps.c - what a map keeps of a process' memory while its entries go.
 *
 *     maps STORE VALUE_BYTES ENTRIES erase|clear
 *
 * Fills a map of uint64_t to VALUE_BYTES bytes; then erases all entries in random order, or clears it; then has the map
 * tidy up (shrink_to_fit; where there is such a thing), the allocator (malloc_trim and its kin), frees the map, and asks the
 * allocator again.  One JSON document: anonymous bytes in core gained since the start after each stage, with the bytes that the
 * map itself says it holds; `curve`: the same while erasing, by share of entries that are left.  Times are processor time
 * of the thread per entry. */
#include "../preload.h"
#include "../resident.h"
#include "../stores.h"

#include <sys/mman.h>

enum { STEPS = 20 };

static uint64_t base;

static uint64_t gained(void) {
    const uint64_t now = resident_now().anonymous;
    return now > base ? now - base : 0;
}
static void stage(const char *name, const struct store *s) {
    printf(",\"%s\":[%llu,%llu]", name, (unsigned long long)gained(),
           (unsigned long long)(s->map ? s->kind->bytes(s) : 0));
}

/* Numbers 0..n-1 in random order, from the system, not from the allocator that is watched. */
static uint32_t *shuffled(size_t n) {
    uint32_t *order =
        mmap(NULL, n * sizeof *order, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(order != MAP_FAILED, "mmap failed");
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    for (size_t i = n; i > 1; i--) {
        const size_t j = mix(i) % i;
        const uint32_t swap = order[i - 1];
        order[i - 1] = order[j], order[j] = swap;
    }
    return order;
}

static uint64_t fill(struct store *s, size_t n) {
    static unsigned char value[4096];
    const uint64_t start = cpu_ns();
    for (size_t i = 0; i < n; i++) {
        const uint64_t key = mix(i);
        memcpy(value, &key, sizeof key);
        s->kind->put(s, &key, value);
    }
    must(s->kind->len(s) == n, "not as many entries as were put");
    return cpu_ns() - start;
}

static uint64_t erase_all(struct store *s, const uint32_t *order, size_t n) {
    uint64_t took = 0;
    printf(",\"curve\":[[1,%llu]", (unsigned long long)gained());
    for (size_t part = 0, i = 0; part < STEPS; part++) {
        const uint64_t start = cpu_ns();
        for (; i < n * (part + 1) / STEPS; i++) {
            const uint64_t key = mix(order[i]);
            s->kind->erase(s, &key);
        }
        took += cpu_ns() - start;
        printf(",[%.2f,%llu]", 1 - (double)(part + 1) / STEPS, (unsigned long long)gained());
    }
    printf("]");
    return took;
}

static uint64_t clear_all(struct store *s) {
    const uint64_t start = cpu_ns();
    s->kind->clear(s);
    return cpu_ns() - start;
}

int main(int argc, char **argv) {
    static char out[1 << 14];
    must(argc == 5, "usage: maps STORE VALUE_BYTES ENTRIES erase|clear");
    const size_t value_bytes = number_arg(argv[2], "VALUE_BYTES", 8, 4096),
                 n = number_arg(argv[3], "ENTRIES", 1000, 1u << 30);
    const bool erase = !strcmp(argv[4], "erase");
    must(erase || !strcmp(argv[4], "clear"), "erase or clear?");
    setvbuf(stdout, out, _IOFBF, sizeof out);
    uint32_t *order = shuffled(n);
    resident_now(); /* the readers' own pages */
    base = resident_now().anonymous;

    struct store s = make_store(argv[1], false, value_bytes);
    const double each = (double)n;
    printf("{\"store\":\"%s\",\"allocator\":\"%s\",\"value_bytes\":%zu,\"entries\":%zu", argv[1], allocator(),
           value_bytes, n);
    printf(",\"fill_ns\":%.1f", (double)fill(&s, n) / each);
    stage("filled", &s);
    printf(",\"empty_ns\":%.1f", (double)(erase ? erase_all(&s, order, n) : clear_all(&s)) / each);
    must(s.kind->len(&s) == 0, "entries are left");
    stage("emptied", &s);
    if (s.kind->tidy) s.kind->tidy(&s);
    stage("tidied", &s);
    purge();
    stage("purged", &s);
    s.kind->release(&s);
    s.map = NULL;
    stage("freed", &s);
    purge();
    stage("freed_purged", &s);
    printf("}\n");
    return 0;
}
