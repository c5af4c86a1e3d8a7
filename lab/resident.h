/* lab/resident.h - how much memory of a process is in core, as the kernel says it, for the programs of the lab that
 * give memory back.
 *
 *   rss        everything in core, program text included
 *   anonymous  pages of no file: heap, stacks, anonymous mappings
 *   lazy_free  those of them that MADV_FREE has marked: still counted, and gone as soon as somebody needs memory
 *   huge       those of them in pages of 2 MiB
 *
 * The readers use no stdio and no malloc: what they measure must not change by being measured. */
#ifndef LAB_RESIDENT_H
#define LAB_RESIDENT_H

#include "measure.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

struct resident {
    uint64_t rss, anonymous, lazy_free, huge; /* bytes */
};

/* A whole file of /proc as text; the buffer is the one of the last call. */
__attribute__((unused)) static const char *proc_text(const char *path) {
    static char text[1 << 20]; /* smaps of a process with a few hundred mappings */
    size_t length = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0, path);
    for (ssize_t got; (got = read(fd, text + length, sizeof text - 1 - length)) > 0;) length += (size_t)got;
    must(length + 1 < sizeof text, "a file of /proc is longer than expected");
    close(fd);
    text[length] = 0;
    return text;
}

/* The field `Name:` (with its colon) in text, in bytes; -1: there is none. */
__attribute__((unused)) static int64_t kib_field(const char *text, const char *name) {
    const size_t length = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, name, length)) return (int64_t)strtoull(line + length, NULL, 10) * 1024;
    }
    return -1;
}

__attribute__((unused)) static uint64_t sure_field(const char *text, const char *name) {
    int64_t value = kib_field(text, name);
    must(value >= 0, name);
    return (uint64_t)value;
}

__attribute__((unused)) static struct resident resident_now(void) {
    const char *text = proc_text("/proc/self/smaps_rollup");
    return (struct resident){sure_field(text, "Rss:"), sure_field(text, "Anonymous:"),
                             sure_field(text, "LazyFree:"), sure_field(text, "AnonHugePages:")};
}

/* RssAnon, VmSize, ... in bytes */
__attribute__((unused)) static uint64_t status_field(const char *name) {
    return sure_field(proc_text("/proc/self/status"), name);
}

__attribute__((unused)) static uint64_t minor_faults(void) {
    struct rusage u;
    must(!getrusage(RUSAGE_SELF, &u), "getrusage failed");
    return (uint64_t)u.ru_minflt;
}

__attribute__((unused)) static uint64_t wall_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
#endif
