/* tests/e2e/profiled.c - a program with map memory of two owners; writes its heap profile before and after one of them
 * lets go.
 *
 *     profiled BEFORE.pb.gz AFTER.pb.gz     prints: bytes of the map "sessions", bytes of the map "cache"
 */
#include "gomap/observe.h"

#include <stdlib.h>

static gomap *make(const char *name) {
    gomap_config c = {.size = sizeof c, .key_size = 8, .value_size = 8, .name = name, .key_type = "u64", .value_type = "u64"};
    gomap *m;
    if (gomap_new(&c, &m)) exit(1);
    return m;
}

static void put(gomap *m, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        if (gomap_put(m, &i, &i)) exit(1);
}

__attribute__((noinline)) static void open_sessions(gomap *m) {
    if (!gomap_label_push("tenant", "blue")) exit(1);
    put(m, 200000);
    gomap_label_pop();
}

__attribute__((noinline)) static void fill_cache(gomap *m) {
    put(m, 20000);
    __asm__ volatile("# cache");
}

static void save(const char *path) {
    FILE *f = fopen(path, "wb");
    if (!f || gomap_profile_write(f, GOMAP_PROFILE_HEAP) || fclose(f)) exit(1);
}

static unsigned long long bytes_of(const gomap *m) {
    gomap_stats s = {.size = sizeof s};
    if (gomap_get_stats(m, &s)) exit(1);
    return s.bytes;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    gomap *sessions = make("sessions"), *cache = make("cache");
    open_sessions(sessions);
    fill_cache(cache);
    printf("%llu %llu\n", bytes_of(sessions), bytes_of(cache));
    save(argv[1]);
    gomap_free(sessions);
    save(argv[2]);
    gomap_free(cache);
    return 0;
}
