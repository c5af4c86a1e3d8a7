/* release.c - one way of giving memory back, watched from both sides: what the kernel counts, and what it costs.
 *
 *     release WAY BYTES         BYTES are rounded down to whole huge pages
 *
 *                 make             touch             give back           touch again
 *     counted      |        |        |        |         |         |          |       |
 *                  +--------+        +--------+         +---------+          +-------+
 *                  mapped            touched            released             retouched
 *
 * One JSON document: after each stage the resident, anonymous and LazyFree bytes the process gained since its start, and
 * of the last three steps nanoseconds (CLOCK_MONOTONIC) and minor faults.  Every page is written when touched; what
 * each way promises about the bytes it gives back (zero, or what was there) is checked. */
#define _GNU_SOURCE
#include "../resident.h"

#include <malloc.h>
#include <sys/mman.h>

#ifndef MADV_COLD /* Linux 5.4 */
#define MADV_COLD    20
#define MADV_PAGEOUT 21
#endif

enum { PAGE = 4096, CHUNK = 1000 };

struct memory {
    size_t bytes;
    char *block;          /* of the ways with one block */
    char **chunk;         /* of the others: n chunks of CHUNK bytes */
    size_t n, keep_every; /* chunks that stay: the last of so many; 0: none */
};

static uint64_t page_count(const struct memory *m) { return m->bytes / PAGE; }

/* ---- making, touching ---------------------------------------------------------------------------------- */

static void make_mapping(struct memory *m) {
    m->block = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(m->block != MAP_FAILED, "mmap failed");
}
static void make_huge(struct memory *m) {
    enum { ALIGN = 2 << 20 };
    char *p = mmap(NULL, m->bytes + ALIGN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(p != MAP_FAILED, "mmap failed");
    m->block = p + (ALIGN - (uintptr_t)p % ALIGN) % ALIGN;
    must(!madvise(m->block, m->bytes, MADV_HUGEPAGE), "no huge pages in this kernel");
}
static void make_malloc(struct memory *m) { must((m->block = malloc(m->bytes)) != NULL, "out of memory"); }
static void make_chunks(struct memory *m) {
    for (size_t i = 0; i < m->n; i++) must(m->chunk[i] || (m->chunk[i] = malloc(CHUNK)), "out of memory");
}

static void touch(struct memory *m) {
    for (size_t at = 0; m->block && at < m->bytes; at += PAGE) m->block[at] = 1;
    for (size_t i = 0; !m->block && i < m->n; i++) memset(m->chunk[i], 1, CHUNK);
}

/* ---- giving back --------------------------------------------------------------------------------------- */

static void advise(struct memory *m, int advice) {
    must(!madvise(m->block, m->bytes, advice), "madvise failed");
}
static void dontneed(struct memory *m) { advise(m, MADV_DONTNEED); }
static void lazyfree(struct memory *m) { advise(m, MADV_FREE); }
static void cold(struct memory *m) { advise(m, MADV_COLD); }
static void pageout(struct memory *m) { advise(m, MADV_PAGEOUT); }
static void clear(struct memory *m) { memset(m->block, 0, m->bytes); }
static void unmap(struct memory *m) { must(!munmap(m->block, m->bytes), "munmap failed"); }
static void remap(struct memory *m) {
    void *p =
        mmap(m->block, m->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    must(p == m->block, "mmap over a mapping failed");
}
/* Every other page: huge pages are taken apart for it. */
static void dontneed_half(struct memory *m) {
    for (size_t at = 0; at < m->bytes; at += 2 * PAGE)
        must(!madvise(m->block + at, PAGE, MADV_DONTNEED), "madvise failed");
}
static void free_block(struct memory *m) { free(m->block); }
static void free_chunks(struct memory *m) {
    for (size_t i = 0; i < m->n; i++)
        if (!m->keep_every || (i + 1) % m->keep_every) free(m->chunk[i]), m->chunk[i] = NULL;
}
static void free_and_trim(struct memory *m) {
    free_chunks(m);
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

/* ---- the ways ------------------------------------------------------------------------------------------ */

enum reads { ANYTHING, ZEROS, ZEROS_OR_OLD };
static const struct way {
    const char *name;
    void (*make)(struct memory *), (*give)(struct memory *);
    size_t keep_every;  /* chunks; SIZE_MAX: the last one of all */
    bool chunks, again; /* again: it must be made anew before it is touched again */
    enum reads reads;
} ways[] = {
    {"clear", make_mapping, clear, 0, false, false, ZEROS},
    {"munmap", make_mapping, unmap, 0, false, true, ANYTHING},
    {"mmap-over", make_mapping, remap, 0, false, false, ZEROS},
    {"dontneed", make_mapping, dontneed, 0, false, false, ZEROS},
    {"madv-free", make_mapping, lazyfree, 0, false, false, ZEROS_OR_OLD},
    {"cold", make_mapping, cold, 0, false, false, ANYTHING},
    {"pageout", make_mapping, pageout, 0, false, false, ANYTHING},
    {"huge-dontneed", make_huge, dontneed, 0, false, false, ZEROS},
    {"huge-dontneed-half", make_huge, dontneed_half, 0, false, false, ANYTHING},
    {"free-block", make_malloc, free_block, 0, false, true, ANYTHING},
    {"free-chunks", make_chunks, free_chunks, 0, true, true, ANYTHING},
    {"free-chunks-but-last", make_chunks, free_chunks, SIZE_MAX, true, true, ANYTHING},
    {"trim-but-last", make_chunks, free_and_trim, SIZE_MAX, true, true, ANYTHING},
    {"free-chunks-but-64th", make_chunks, free_chunks, 64, true, true, ANYTHING},
    {"trim-but-64th", make_chunks, free_and_trim, 64, true, true, ANYTHING},
};

static const struct way *way_of(const char *name) {
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (!strcmp(name, ways[i].name)) return &ways[i];
    fprintf(stderr, "release: no way '%s'\n", name);
    exit(2);
}

static void check_bytes(const struct memory *m, enum reads reads) {
    for (size_t at = 0; reads != ANYTHING && at < m->bytes; at += PAGE)
        must(!m->block[at] || (reads == ZEROS_OR_OLD && m->block[at] == 1),
             "given back, and neither zero nor as it was");
}

/* ---- readings ------------------------------------------------------------------------------------------ */

static struct resident base;
static uint64_t base_rss_anon;

static uint64_t gain(uint64_t now, uint64_t then) { return now > then ? now - then : 0; }
static void report(const char *stage) {
    const struct resident now = resident_now();
    printf("\"%s\":{\"rss\":%llu,\"anonymous\":%llu,\"lazy_free\":%llu,\"huge\":%llu,\"rss_anon\":%llu},",
           stage, (unsigned long long)gain(now.rss, base.rss),
           (unsigned long long)gain(now.anonymous, base.anonymous), (unsigned long long)now.lazy_free,
           (unsigned long long)now.huge, (unsigned long long)gain(status_field("RssAnon:"), base_rss_anon));
}

static void step(const char *name, void (*work)(struct memory *), struct memory *m) {
    const uint64_t faults = minor_faults(), start = wall_ns();
    work(m);
    const uint64_t took = wall_ns() - start;
    printf("\"%s_ns\":%llu,\"%s_faults\":%llu,", name, (unsigned long long)took, name,
           (unsigned long long)(minor_faults() - faults));
}

int main(int argc, char **argv) {
    static char out[1 << 14];
    must(argc == 3, "usage: release WAY BYTES");
    const struct way *way = way_of(argv[1]);
    struct memory m = {.bytes =
                           number_arg(argv[2], "BYTES", 2 << 20, SIZE_MAX / 2) & ~(size_t)((2 << 20) - 1)};
    if (way->chunks) {
        m.n = m.bytes / CHUNK, m.keep_every = way->keep_every == SIZE_MAX ? m.n : way->keep_every;
        m.chunk = mmap(NULL, m.n * sizeof *m.chunk, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        must(m.chunk != MAP_FAILED, "mmap failed");
    }
    setvbuf(stdout, out, _IOFBF, sizeof out);
    printf("{\"way\":\"%s\",\"bytes\":%zu,\"pages\":%llu,", way->name, m.bytes,
           (unsigned long long)page_count(&m));
    (void)status_field("RssAnon:"); /* the readers' own pages */
    base = resident_now(), base_rss_anon = status_field("RssAnon:");

    step("make", way->make, &m);
    report("mapped");
    step("touch", touch, &m);
    report("touched");
    step("give", way->give, &m);
    report("released");
    check_bytes(&m, way->reads);
    if (way->again) step("remake", way->make, &m);
    step("retouch", touch, &m);
    report("retouched");
    printf("\"ok\":true}\n");
    return 0;
}
