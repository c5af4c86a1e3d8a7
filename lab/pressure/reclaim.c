/* reclaim.c - memory that is given back, or not, and what the next who needs memory pays for it under a limit.
 *
 *     reclaim HOW BYTES PROCS FILE
 *
 *   PROCS: cgroup.procs of a control group with a limit between BYTES and twice that, which this process enters; "-": none
 *
 *     fill                 give back                 need as much again
 *     BYTES of memory  ->  HOW, timed by the MiB ->  BYTES touched, timed by 256 KiB
 *
 *   dontneed   madvise(MADV_DONTNEED): the pages are free before anybody asks
 *   madv-free  madvise(MADV_FREE): they stay until reclaim takes them, inside somebody's page fault
 *   file       nothing was anonymous: the pages are a file's in the page cache (FILE is written, synced and read)
 *   keep       nothing is given back: without swap the kernel has only its OOM killer
 *
 * One JSON document: nanoseconds a page of giving back (processor time of the thread: it waits for nobody) and of needing
 * again (the clock), the longest piece of each, what was resident and LazyFree in between, and by how much the system's
 * counters of reclaim and memory pressure (PSI, microseconds) rose. */
#define _GNU_SOURCE
#include "../resident.h"

#include <sys/mman.h>

enum { PAGE = 4096, GIVE = 1 << 20, NEED = 256 << 10 };

struct pieces {
    uint64_t sum, longest;
};
static void took(struct pieces *p, uint64_t ns) {
    p->sum += ns;
    if (ns > p->longest) p->longest = ns;
}

static void enter(const char *procs) {
    if (!strcmp(procs, "-")) return;
    int fd = open(procs, O_WRONLY | O_CLOEXEC);
    must(fd >= 0 && write(fd, "0", 1) == 1 && !close(fd), "the control group cannot be entered");
}

static char *mapping(size_t bytes) {
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(p != MAP_FAILED, "mmap failed");
    return p;
}
static void touch(char *p, size_t bytes) {
    for (size_t at = 0; at < bytes; at += PAGE) p[at] = 1;
}

static void fill_page_cache(const char *path, size_t bytes) {
    static char piece[1 << 16];
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0, "FILE cannot be written");
    for (size_t at = 0; at < bytes; at += sizeof piece)
        must(write(fd, piece, sizeof piece) == (ssize_t)sizeof piece, "FILE cannot be written");
    must(!fsync(fd) && !lseek(fd, 0, SEEK_SET), "FILE cannot be synced");
    for (size_t at = 0; at < bytes; at += sizeof piece)
        must(read(fd, piece, sizeof piece) == (ssize_t)sizeof piece, "FILE cannot be read");
    close(fd);
}

static uint64_t vm_event(const char *name) {
    const char *text = proc_text("/proc/vmstat"), *at = strstr(text, name);
    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}
/* Pages taken back from anybody; pgsteal_direct leaves out what a control group's limit takes. */
static uint64_t stolen(void) { return vm_event("pgsteal_anon ") + vm_event("pgsteal_file "); }
/* Microseconds in which all tasks waited for memory, since the system started. */
static uint64_t stalled(void) {
    if (access("/proc/pressure/memory", R_OK)) return 0;
    const char *full = strstr(proc_text("/proc/pressure/memory"), "full"),
               *total = full ? strstr(full, "total=") : NULL;
    return total ? strtoull(total + strlen("total="), NULL, 10) : 0;
}

int main(int argc, char **argv) {
    must(argc == 5, "usage: reclaim HOW BYTES PROCS FILE");
    const char *how = argv[1];
    const size_t bytes = number_arg(argv[2], "BYTES", GIVE, SIZE_MAX / 4) / GIVE * GIVE;
    const int advice = !strcmp(how, "dontneed") ? MADV_DONTNEED : !strcmp(how, "madv-free") ? MADV_FREE : 0;
    const bool file = !strcmp(how, "file");
    must(advice || file || !strcmp(how, "keep"), "HOW: dontneed, madv-free, file or keep");
    enter(argv[3]);

    char *first = NULL;
    if (file)
        fill_page_cache(argv[4], bytes);
    else
        touch(first = mapping(bytes), bytes);

    struct pieces give = {0}, need = {0};
    for (size_t at = 0; advice && at < bytes; at += GIVE) {
        const uint64_t start = cpu_ns();
        must(!madvise(first + at, GIVE, advice), "madvise failed");
        took(&give, cpu_ns() - start);
    }
    const struct resident between = resident_now();
    const uint64_t lazy = vm_event("pglazyfreed "), steal = stolen(), waited = stalled();
    char *second = mapping(bytes);
    for (size_t at = 0; at < bytes; at += NEED) {
        const uint64_t start = wall_ns();
        touch(second + at, NEED);
        took(&need, wall_ns() - start);
    }
    const struct resident after = resident_now();
    const double pages = (double)bytes / PAGE;
    printf(
        "{\"how\":\"%s\",\"give_ns\":%.2f,\"give_longest_us\":%.2f,\"need_ns\":%.2f,\"need_longest_us\":%.2f,"
        "\"anonymous\":%llu,\"lazy_free\":%llu,\"lazy_free_after\":%llu,\"lazy_freed_pages\":%llu,"
        "\"reclaimed_pages\":%llu,"
        "\"stalled_us\":%llu}\n",
        how, (double)give.sum / pages, (double)give.longest / 1e3, (double)need.sum / pages,
        (double)need.longest / 1e3, (unsigned long long)between.anonymous,
        (unsigned long long)between.lazy_free, (unsigned long long)after.lazy_free,
        (unsigned long long)(vm_event("pglazyfreed ") - lazy), (unsigned long long)(stolen() - steal),
        (unsigned long long)(stalled() - waited));
    return 0;
}
