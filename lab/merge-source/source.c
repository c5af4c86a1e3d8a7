/* source.c - a merge whose source is in the middle of a growth.
 *
 *     source ENGINE STATE N SEED            ENGINE: classic, gomap
 *
 * The source is filled to at least N entries, and then until a growth begins.  STATE:
 *     settled     one entry less: the growth has not begun
 *     growing     it has just begun
 *     same        begun, and ended by overwriting one and the same key again and again (classic alone: to gomap
 *     random      the same with random keys                                            an overwrite is no reason to move)
 *     insert      begun, and ended by putting a new key and deleting it again
 *     work        begun, and ended by gomap_work (gomap alone)
 * Then its entries are put into a presized map.  Every entry must arrive, and the source must be as far in its growth as
 * before: reading moves nothing.  Prints processor time of the merge, writes and time it took to end the growth, and the
 * progress of the growth before and after the merge.
 */
#include "../merges/meter.h"

#include <gomap/classic.h>

static gomap *map;
static gomap_classic *classic;

static void ok(gomap_err err) {
    if (err) fail("%s", gomap_strerror(err));
}
static void put(uint64_t key, uint64_t value) {
    ok(map ? gomap_put(map, &key, &value) : gomap_classic_put(classic, &key, &value));
}
static size_t len(void) { return map ? gomap_len(map) : gomap_classic_len(classic); }

/* How far a growth is: 0..1, or -1 if there is none; *parts: its buckets (groups). */
static double progress(uint64_t *parts) {
    if (map) {
        gomap_stats s = {.size = sizeof s};
        ok(gomap_get_stats(map, &s));
        *parts = s.groups;
        return s.walk ? s.walk_progress : -1;
    }
    gomap_classic_stats s = {.size = sizeof s};
    ok(gomap_classic_get_stats(classic, &s));
    *parts = s.old_buckets;
    return s.growing ? (double)s.old_evacuated / (double)s.old_buckets : -1;
}

static void *make(bool is_gomap, size_t hint) {
    if (is_gomap) {
        gomap_config c = GOMAP_CONFIG(sizeof(uint64_t), sizeof(uint64_t));
        gomap *m = NULL;
        c.capacity = hint;
        ok(gomap_new(&c, &m));
        return m;
    }
    gomap_classic_config c = GOMAP_CLASSIC_CONFIG(sizeof(uint64_t), sizeof(uint64_t));
    gomap_classic *m = NULL;
    c.hint = (int64_t)hint;
    ok(gomap_classic_new(&c, &m));
    return m;
}

/* Fill until the growth after n entries begins; it is left where that insert left it. */
static void fill(uint64_t n, uint64_t base, bool settled) {
    uint64_t parts, i = 0;
    for (; i < n; i++) put(mix(base + i), i);
    while (progress(&parts) >= 0) put(mix(base + i), i), i++;
    uint64_t grow_at;
    if (map) {
        gomap_stats s = {.size = sizeof s};
        ok(gomap_get_stats(map, &s));
        grow_at = s.grow_at;
    } else {
        gomap_classic_stats s = {.size = sizeof s};
        ok(gomap_classic_get_stats(classic, &s));
        grow_at = s.grow_at;
    }
    for (; i + 1 < grow_at; i++) put(mix(base + i), i);
    must(progress(&parts) < 0, "a growth began early");
    while (!settled && progress(&parts) < 0) put(mix(base + i), i), i++;
}

static void delete (uint64_t key) {
    must(map ? gomap_delete(map, &key) : gomap_classic_delete(classic, &key),
         "a key that was put is not there");
}

/* Write until the growth is over: how many times. */
static uint64_t finish(uint64_t base, const char *how) {
    uint64_t writes = 0, parts = 1;
    const uint64_t entries = len();
    while (progress(&parts) >= 0) {
        uint64_t i = !strcmp(how, "random") ? mix(writes) % entries
                     : !strcmp(how, "same") ? 0
                                            : entries + writes;
        put(mix(base + i), i);
        writes++;
        if (i >= entries) delete (mix(base + i)), writes++;
        if (writes > 100 * (parts + 1)) fail("%s: the growth does not end", how);
    }
    return writes;
}

/* Put the source's entries into out: how many. */
static size_t merge(void *out) {
    size_t n = 0;
    if (map) {
        gomap_iter it;
        for (gomap_iter_init(&it, map); gomap_iter_next(&it); n++) ok(gomap_put(out, it.key, it.value));
        return n;
    }
    gomap_classic_iter it;
    for (gomap_classic_iter_init(&it, classic); gomap_classic_iter_next(&it); n++)
        ok(gomap_classic_put(out, it.key, it.elem));
    return n;
}

int main(int argc, char **argv) {
    static const char *const states[] = {"settled", "growing", "same", "random", "insert", "work"};
    if (argc != 5) fail("usage: source classic|gomap settled|growing|same|random|insert|work N SEED");
    const bool is_gomap = !strcmp(argv[1], "gomap");
    if (!is_gomap && strcmp(argv[1], "classic")) fail("no engine '%s'", argv[1]);
    const char *state = argv[2];
    size_t known = 0;
    while (known < 6 && strcmp(state, states[known])) known++;
    if (known == 6 || (is_gomap ? known == 2 || known == 3 : known == 5))
        fail("%s: no state '%s'", argv[1], state);
    const uint64_t n = number_arg(argv[3], "N", 1000, 1000000000);
    const uint64_t base = number_arg(argv[4], "SEED", 0, UINT32_MAX) << 32;
    if (is_gomap)
        map = make(true, 0);
    else
        classic = make(false, 0);

    fill(n, base, known == 0);
    uint64_t parts, unused, writes = 0, finish_ns = cpu_ns();
    const double begun = progress(&parts);
    must((begun >= 0) == (known != 0), "a growth is under way, or is not, against what was asked for");
    if (known >= 2 && known <= 4) writes = finish(base, state);
    if (known == 5)
        while (gomap_work(map, 1000000)) writes++;
    finish_ns = known > 1 ? cpu_ns() - finish_ns : 0;
    const double before = progress(&unused);
    void *out = make(is_gomap, len());
    uint64_t ns = cpu_ns();
    size_t merged = merge(out);
    ns = cpu_ns() - ns;
    const double after = progress(&unused);
    if (merged != len()) fail("%s %s: %zu of %zu entries came", argv[1], state, merged, len());
    for (uint64_t i = 0; i < merged; i++) {
        uint64_t key = mix(base + i);
        const uint64_t *got = is_gomap ? gomap_get(out, &key) : gomap_classic_get(out, &key);
        must(got && *got == i, "an entry was lost, or has another value");
    }
    printf(
        "{\"entries\":%zu,\"ns\":%llu,\"per_entry\":%.3f,\"parts\":%llu,\"writes\":%llu,\"finish_ns\":%llu,"
        "\"before\":%.6f,\"after\":%.6f}\n",
        merged, (unsigned long long)ns, (double)ns / (double)merged, (unsigned long long)parts,
        (unsigned long long)writes, (unsigned long long)finish_ns, before, after);
    if (is_gomap)
        gomap_free(out), gomap_free(map);
    else
        gomap_classic_free(out), gomap_classic_free(classic);
    return 0;
}
