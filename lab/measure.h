/* measure.h - what C programs of the lab share: clocks, random numbers, counts of the allocator, and the way they end:
 * one JSON document on stdout and code 0, or one line on stderr and code 1. */
#ifndef LAB_MEASURE_H
#define LAB_MEASURE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

/* What this thread asked of the allocator since it began; needs allocs.c and the link options in allocs.wrap. */
struct allocs {
    uint64_t calls, bytes, frees, maps; /* bytes: as asked for, of the calls; maps: calls of mmap */
};
struct allocs allocs_now(void);
static inline struct allocs allocs_since(struct allocs then) {
    struct allocs now = allocs_now();
    return (struct allocs){now.calls - then.calls, now.bytes - then.bytes, now.frees - then.frees,
                           now.maps - then.maps};
}

/* Code that its caller's constants shall reach: sizes, and the functions a loop is measured with. */
#define INLINED static inline __attribute__((always_inline))
/* The compiler must have x, and must believe that memory changed. */
#define KEEP(x) __asm__ volatile("" : : "r"(x) : "memory")

__attribute__((unused, noreturn, format(printf, 1, 2))) static void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

__attribute__((unused)) static void must(bool ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "%s\n", what);
    exit(1);
}

__attribute__((unused)) static uint64_t clock_ns(clockid_t id) {
    struct timespec t;
    must(!clock_gettime(id, &t), "no such clock");
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
/* Processor time of this thread: what others on the machine take is not in it. */
__attribute__((unused)) static uint64_t cpu_ns(void) { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }

/* splitmix64's finisher: a bijection, so different numbers stay different. */
__attribute__((unused)) static uint64_t mix(uint64_t z) {
    z += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* A number from the command line, within [least, most]; anything else is wrong usage. */
__attribute__((unused)) static uint64_t number_arg(const char *text, const char *what, uint64_t least,
                                                   uint64_t most) {
    char *rest;
    uint64_t n = strtoull(text, &rest, 10);
    if (*text && !*rest && n >= least && n <= most) return n;
    fprintf(stderr, "%s '%s': wants %llu .. %llu\n", what, text, (unsigned long long)least,
            (unsigned long long)most);
    exit(2);
}
#endif
