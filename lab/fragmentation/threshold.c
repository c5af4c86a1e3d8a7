/* threshold.c - from what size on does an allocator give a block back to the system the moment it is freed?
 *
 *     threshold
 *
 * For sizes of 4 KiB to 64 MiB, a process of its own each, so that no size teaches the allocator for the next: warm up with a
 * small block, allocate one of the size, write every page, free it; then the same again.  One JSON document: `sizes` of
 * [bytes, share gone from core after the first free, after the second, minor faults of the second touch by pages]. */
#include "../preload.h"
#include "../resident.h"

#include <sys/wait.h>

enum { PAGE = 4096 };

static uint64_t touch(volatile char *p, size_t bytes) {
    const uint64_t faults = minor_faults();
    for (size_t at = 0; at < bytes; at += PAGE) p[at] = 1;
    return minor_faults() - faults;
}

static void one(size_t bytes, double gone[3]) {
    void *volatile guard = malloc(64); /* the allocator's own pages, and something below that stays */
    must(guard != NULL, "out of memory");
    for (int turn = 0; turn < 2; turn++) {
        void *p = malloc(bytes);
        must(p != NULL, "out of memory");
        gone[2] = (double)touch(p, bytes) * PAGE / (double)bytes;
        const uint64_t full = resident_now().anonymous;
        free(p);
        const uint64_t after = resident_now().anonymous;
        gone[turn] = full > after ? (double)(full - after) / (double)bytes : 0;
    }
    free(guard);
}

int main(void) {
    printf("{\"allocator\":\"%s\",\"sizes\":[", allocator());
    for (size_t bytes = PAGE; bytes <= 64u << 20; bytes *= 2) {
        int ends[2], status;
        double gone[3];
        fflush(stdout);
        must(!pipe(ends), "pipe failed");
        pid_t child = fork();
        must(child >= 0, "fork failed");
        if (!child) {
            resident_now();
            one(bytes, gone);
            _exit(write(ends[1], gone, sizeof gone) != sizeof gone);
        }
        must(waitpid(child, &status, 0) == child && !status &&
                 read(ends[0], gone, sizeof gone) == sizeof gone,
             "a size could not be measured");
        close(ends[0]), close(ends[1]);
        printf("%s[%zu,%.3f,%.3f,%.3f]", bytes > PAGE ? "," : "", bytes, gone[0], gone[1], gone[2]);
    }
    printf("]}\n");
    return 0;
}
