/* variant.h - one way to match tophashes, and all that is measured with it; included by match.c once per variant.
 *
 *     NAME    suffix of its functions
 *     ISA     attribute with the instructions it needs
 *     SLOTS   of a bucket
 *     STEP    bytes matched at once
 *     MASK    MASK(p, top): a bit at (i << SHIFT) for each i < STEP with p[i] == top
 *     SHIFT   log2 of the distance of two bits
 */
#define JOIN_(a, b)  a##b
#define JOIN(a, b)   JOIN_(a, b)
#define OF(function) JOIN(function##_, NAME)
#define FIRST(found) ((unsigned)__builtin_ctzll(found) >> SHIFT)

ISA static double OF(time_match)(const struct probes *p) {
    uint64_t start = cpu_ns(), seen = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < ORDER; i++) {
            const uint8_t *tops = p->tops + p->order[i] / 2 * SLOTS, top = p->wanted[p->order[i]];
            for (unsigned from = 0; from < SLOTS; from += STEP) {
                uint64_t found = MASK(tops + from, top);
                if (!found) continue;
                seen += from + FIRST(found) + 1;
                break;
            }
        }
    }
    uint64_t took = cpu_ns() - start;
    must(seen == ROUNDS * p->expected, "a match is not where it should be");
    return (double)took / (ROUNDS * ORDER);
}

/* The elem of a key, or NULL.  Slots fill from the first on, so byte by byte an empty one ends the search. */
ISA static inline const uint64_t *OF(find)(const struct table *t, uint64_t key, uint64_t *candidates) {
    uint64_t hash = mix(key);
    uint8_t top = top_of(hash), *b = t->buckets + (hash & t->mask) * BYTES(SLOTS);
    do {
        for (unsigned from = 0; from < SLOTS; from += STEP) {
            if (STEP == 1 && !b[from]) return NULL;
            for (uint64_t found = MASK(b + from, top); found; found &= found - 1) {
                unsigned i = from + FIRST(found);
                if (candidates) ++*candidates;
                if (*key_at(b, SLOTS, i) == key) return elem_at(b, SLOTS, i);
            }
        }
    } while ((b = *next_at(b, SLOTS)));
    return NULL;
}

ISA static double OF(time_hits)(const struct table *t, uint64_t lookups) {
    uint64_t at = 0, start = cpu_ns();
    for (uint64_t i = 0; i < lookups; i++) {
        const uint64_t *v = OF(find)(t, key_of(t, at), NULL);
        must(v, "a key is lost");
        at += *v; /* always 1, which the processor cannot know */
        if (at == t->n) at = 0;
    }
    return (double)(cpu_ns() - start) / (double)lookups;
}

ISA static double OF(time_misses)(const struct table *t, uint64_t lookups) {
    uint64_t found = 0, start = cpu_ns();
    for (uint64_t i = 0; i < lookups; i++) found += OF(find)(t, key_of(t, t->n + i), NULL) != NULL;
    uint64_t took = cpu_ns() - start;
    must(!found, "an absent key is there");
    return (double)took / (double)lookups;
}

static struct result OF(run)(struct table *t, unsigned slots_log2, uint64_t lookups) {
    struct result r = {0};
    struct probes *probes = make_probes(SLOTS, t->seed);
    uint64_t candidates = 0;
    fill(t, SLOTS, slots_log2);
    for (uint64_t i = 0; i < t->n; i++) must(OF(find)(t, key_of(t, i), &candidates), "a key is lost");
    (void)OF(time_match)(probes);
    r.match_ns = OF(time_match)(probes);
    r.hit_ns = OF(time_hits)(t, lookups);
    r.miss_ns = OF(time_misses)(t, lookups);
    r.candidates = (double)candidates / (double)t->n;
    r.bytes = (double)(t->free - t->buckets) / (double)t->n;
    free(t->buckets);
    free(probes);
    return r;
}

#undef JOIN_
#undef JOIN
#undef OF
#undef FIRST
#undef NAME
#undef ISA
#undef SLOTS
#undef STEP
#undef MASK
#undef SHIFT
