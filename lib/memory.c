/* lib/memory.c - the door to memory: malloc, the user's allocator, and reserved address ranges.
 *
 * A big table is one reservation (PROT_NONE, not charged to commit) with three areas that grow upward
 * in place:
 *
 *   base                off[1]                off[2]                                      base + bytes
 *   | metadata ....... | links ............. | slots ........................................|
 *    committed[0]|      committed[1]|         give[2] -- being returned -- committed[2]|
 *
 * Kernel facts this file rests on (Linux; measured figures in docs/design.md):
 *   - PROT_NONE + mprotect costs up to 6 VMAs a map: ranges stop at a quarter of vm.max_map_count, further tables are
 *     blocks.  Other mappings of the library are anonymous and alike: the kernel joins neighbours.
 *   - Reservations count against RLIMIT_AS in full, hence head_room(); against RLIMIT_MEMLOCK too, hence unlock().
 *   - mprotect takes the mmap lock for writing: once per area and growth, never per step.  Each area grows upward from a
 *     place of its own, so one call cannot do for all three.
 *   - MADV_DONTNEED frees pages but keeps the commit charge; under vm.overcommit_memory=2 only a fresh
 *     PROT_NONE mapping gives it back.  It fails on mlocked pages: nothing here relies on its zeros.
 *   - 0.15..0.4 us a page to return: a write returns at most RETURN_PIECE.
 *   - With overcommit, memory runs out at the first touch (the OOM killer), not as an error here.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef GOMAP_FAULTS
int (*gomap__fault)(int what);
#endif

size_t gomap__page(void) {
    static size_t page; /* every thread that finds it 0 stores the same */
    size_t n = __atomic_load_n(&page, __ATOMIC_RELAXED);
    if (!n) __atomic_store_n(&page, n = (size_t)sysconf(_SC_PAGESIZE), __ATOMIC_RELAXED);
    return n;
}
static uint64_t page_up(uint64_t n) { return gomap_inspect_align(n, gomap__page()); }

/* Memory from malloc, whatever the size, or from the user's allocator, its first `zeroed` bytes zero.  For the tables of
 * middle size: what one gives up the next takes at once, where pages of a fresh mapping cost 0.5..2 us each to fault in. */
void *gomap__heap_alloc(const gomap_alloc *a, size_t size, size_t align, size_t zeroed) {
    void *p;
    if (FAULT(GOMAP_FAULT_ALLOC)) return NULL;
    if (a) {
        p = a->alloc(size, align, a->ctx);
    } else if (align <= _Alignof(max_align_t)) {
        p = malloc(size);
    } else if (posix_memalign(&p, align, size)) {
        p = NULL;
    }
    return p ? memset(p, 0, zeroed) : NULL;
}

void gomap__heap_free(const gomap_alloc *a, void *p, size_t size, size_t align) {
    if (p && a)
        a->free(p, size, align, a->ctx);
    else
        free(p);
}

/* Memory of which at least the first `zeroed` bytes are zero.  Large requests come from mmap, whose zeros cost nothing
 * until touched; a user's allocator promises none, so they are written. */
void *gomap__alloc_part(const gomap_alloc *a, size_t size, size_t align, size_t zeroed) {
    if (a || size < MMAP_FROM) return gomap__heap_alloc(a, size, align, zeroed);
    if (FAULT(GOMAP_FAULT_ALLOC)) return NULL;
    void *p = mmap(NULL, page_up(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* Zeroed memory. */
void *gomap__alloc(const gomap_alloc *a, size_t size, size_t align) { return gomap__alloc_part(a, size, align, size); }

static void unmap(void *p, uint64_t bytes) {
    if (munmap(p, bytes))
        (void)madvise(p, bytes, MADV_DONTNEED); /* no mapping left to split one: keep the addresses */
}

void gomap__dealloc(const gomap_alloc *a, void *p, size_t size, size_t align) {
    if (p && !a && size >= MMAP_FROM)
        unmap(p, page_up(size));
    else
        gomap__heap_free(a, p, size, align);
}

static void area_sizes(const struct gomap_desc *d, uint64_t groups, uint64_t out[3]) {
    uint64_t quads = gomap__quads(groups);
    out[0] = page_up(quads * 64);
    out[1] = page_up(quads * sizeof(uintptr_t));
    out[2] = page_up(groups * GOMAP_GROUP_SLOTS * d->slot_size);
}

/* Address space that head-room may still take: a quarter of what the process may have, for all ranges together. */
static uint64_t head_room(void) {
    struct rlimit as;
    uint64_t all = sizeof(void *) == 4 ? UINT64_C(1) << 31 : UINT64_C(1) << 47;
    if (!getrlimit(RLIMIT_AS, &as) && as.rlim_cur < all) all = as.rlim_cur;
    uint64_t taken = __atomic_load_n(&gomap__world.reserved, __ATOMIC_RELAXED);
    return all / 4 > taken ? all / 4 - taken : 0;
}

/* After mlockall(MCL_FUTURE) new mappings are locked, and count as such in full.  Head-room shall not: only what is
 * committed is locked.  Pages of a locked mapping cannot be dropped, by which it is told. */
static bool unlock(uint8_t *p, uint64_t bytes) {
    return madvise(p, gomap__page(), MADV_DONTNEED) && errno == EINVAL && !munlock(p, bytes);
}

/* Reserve room for `need` groups, `room` times if the address space allows; max_bytes 0: no limit. */
static bool reserve(struct range *r, const struct gomap_desc *d, uint64_t need, uint64_t room,
                    uint64_t max_bytes) {
    enum { ALIGN = 2 << 20 }; /* so that moving it later moves page tables, not pages */
    uint64_t groups = gomap_inspect_align(need * room, 4);
    uint64_t size[3], off[3], bytes = 0;
    area_sizes(d, groups, size);
    for (int i = 0; i < 3; i++) {
        off[i] = bytes;
        bytes += size[i];
        if (bytes > (UINT64_C(1) << 24)) bytes = gomap_inspect_align(bytes, ALIGN);
    }
    const uint64_t slack = bytes >= ALIGN && room > 1 ? ALIGN : 0; /* where space is short, its least use counts */
    bytes += slack;
    if (bytes > SIZE_MAX / 2 || (max_bytes && bytes > max_bytes) || (room > 1 && bytes > head_room()))
        return false;
    if (FAULT(GOMAP_FAULT_MMAP)) return false;
    uint8_t *base = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return false;
    for (int i = 0; i < 3; i++) /* trimming the base instead would be two more calls */
        r->off[i] = off[i] + (slack ? -(uintptr_t)base % ALIGN : 0);
    r->base = base, r->bytes = bytes, r->max_groups = groups, r->max_bytes = max_bytes;
    r->locked = unlock(base, bytes);
    __atomic_add_fetch(&gomap__world.reserved, bytes, __ATOMIC_RELAXED);
    return true;
}

static void unreserve(const struct range *r) {
    unmap(r->base, r->bytes);
    __atomic_sub_fetch(&gomap__world.reserved, r->bytes, __ATOMIC_RELAXED);
}

void gomap__range_advise(struct range *r, int huge) {
    r->huge = (uint8_t)huge;
    if (huge == GOMAP_HUGE_AUTO || FAULT(GOMAP_FAULT_MADVISE)) return;
    (void)madvise(r->base, r->bytes, huge == GOMAP_HUGE_ALWAYS ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

/* A range counts against the mappings that the kernel allows a process. */
static bool count_range(void) {
    if (__atomic_add_fetch(&gomap__world.ranges, 1, __ATOMIC_RELAXED) <= gomap__world.max_ranges) return true;
    __atomic_sub_fetch(&gomap__world.ranges, 1, __ATOMIC_RELAXED);
    return false;
}

/* A range usable for `groups` groups, with as much head-room as the address space allows.  max_bytes 0: no limit. */
struct range *gomap__range_make(const struct gomap_desc *d, uint64_t groups, uint64_t max_bytes, int huge) {
    if (!count_range()) return NULL;
    struct range *r = gomap__alloc(NULL, sizeof *r, 16);
    for (uint64_t room = RANGE_HEADROOM; r && !r->base && room; room /= 4)
        (void)reserve(r, d, groups, room, max_bytes);
    if (r && r->base) {
        gomap__range_advise(r, huge);
        if (gomap__range_commit(r, d, groups)) return r;
        unreserve(r);
    }
    gomap__dealloc(NULL, r, sizeof *r, 16);
    __atomic_sub_fetch(&gomap__world.ranges, 1, __ATOMIC_RELAXED);
    return NULL;
}

void gomap__range_free(struct range *r) {
    unreserve(r);
    gomap__dealloc(NULL, r, sizeof *r, 16);
    __atomic_sub_fetch(&gomap__world.ranges, 1, __ATOMIC_RELAXED);
}

uint64_t gomap__range_bytes(const struct range *r) {
    return r->committed[0] + r->committed[1] + r->committed[2];
}

/* Move page tables from one place to another, leaving the old place ours (mapped, empty): if it were unmapped, another
 * thread's mapping could come to lie there before we are done with it.  Pages committed after an earlier move lie in
 * a VMA of their own, and before Linux 6.17 a call must not span two: halve until it fits.  Returns the bytes moved,
 * from the start.  MREMAP_DONTUNMAP needs Linux 5.7; without it tables stay within their first reservation. */
static uint64_t move_pages(uint8_t *from, uint8_t *to, uint64_t bytes) {
    const int how = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
    uint64_t at = 0, step = bytes;
    while (at < bytes) {
        if (!FAULT(GOMAP_FAULT_MMAP) && mremap(from + at, step, step, how, to + at) != MAP_FAILED)
            at += step, step = bytes - at;
        else if (errno == EFAULT && step > gomap__page())
            step = page_up(step / 2);
        else
            break;
    }
    return at;
}

/* Move to a larger reservation: page tables move, not bytes. */
static bool move_range(struct range *r, const struct gomap_desc *d, uint64_t groups) {
    struct range to = *r;
    uint64_t room = RANGE_HEADROOM, moved[3] = {0, 0, 0};
    bool ok = true;
    while (room && !reserve(&to, d, groups, room, r->max_bytes)) room /= 4;
    if (!room) return false;
    memcpy(to.committed, r->committed, sizeof r->committed);
    memcpy(to.give, r->give, sizeof r->give);
    for (int i = 0; i < 3 && ok; i++) {
        moved[i] = move_pages(r->base + r->off[i], to.base + to.off[i], r->committed[i]);
        ok = moved[i] == r->committed[i];
    }
    /* back: both places are ours and mapped, so what cannot move is copied */
    for (int i = 0; i < 3 && !ok; i++) {
        uint8_t *from = to.base + to.off[i], *home = r->base + r->off[i];
        uint64_t back = move_pages(from, home, moved[i]);
        memcpy(home + back, from + back, moved[i] - back);
    }
    unreserve(ok ? r : &to);
    if (!ok) return false;
    *r = to;
    gomap__range_advise(r, r->huge);
    return true;
}

/* Make the areas usable for `groups` groups; may move the range.  On failure everything usable stays usable. */
bool gomap__range_commit(struct range *r, const struct gomap_desc *d, uint64_t groups) {
    uint64_t size[3];
    if (groups > r->max_groups && !move_range(r, d, groups)) return false;
    area_sizes(d, groups, size);
    for (int i = 0; i < 3; i++) {
        if (size[i] > r->committed[i]) {
            uint8_t *from = r->base + r->off[i] + r->committed[i];
            if (FAULT(GOMAP_FAULT_PROTECT) ||
                mprotect(from, size[i] - r->committed[i], PROT_READ | PROT_WRITE) ||
                (r->locked && mlock(from, size[i] - r->committed[i])))
                return false;
            r->committed[i] = size[i];
        }
        if (r->give[i] < size[i]) r->give[i] = size[i];
    }
    return true;
}

struct geom gomap__range_geom(const struct range *r, uint64_t groups) {
    return (struct geom){groups, r->base + r->off[0], r->base + r->off[2],
                         (uintptr_t *)(void *)(r->base + r->off[1])};
}

static void give_pages(struct gomap *m, uint8_t *p, uint64_t bytes) {
    if (FAULT(GOMAP_FAULT_MADVISE) || madvise(p, bytes, MADV_DONTNEED)) return;
    struct gomap_counters *c = &m->side->counters;
    c->madvise_calls++, c->madvise_bytes += bytes;
    gomap__event(m, GOMAP_EV_MADVISE, (uint64_t)(uintptr_t)p, bytes);
    gomap__log(m, "madvise", (uint64_t)(uintptr_t)p, bytes);
}

/* Whole pages of an area between two byte offsets: what they hold means empty. */
void gomap__range_return(struct gomap *m, struct range *r, enum area area, uint64_t from, uint64_t to) {
    from = page_up(from);
    to = to / gomap__page() * gomap__page();
    if (from < to && !r->locked) give_pages(m, r->base + r->off[area] + from, to - from);
}

/* After a shrink to `groups` groups: what lies above is to be returned. */
void gomap__range_keep(struct range *r, const struct gomap_desc *d, uint64_t groups) {
    uint64_t size[3];
    area_sizes(d, groups, size);
    for (int i = 0; i < 3; i++) r->give[i] = size[i];
}

bool gomap__range_pending(const struct range *r) {
    return r->committed[0] > r->give[0] || r->committed[1] > r->give[1] || r->committed[2] > r->give[2];
}

/* Return one piece of what range_keep marked, from the top; true if more is left. */
bool gomap__range_give(struct gomap *m, struct range *r) {
    for (int i = 2; i >= 0; i--) {
        if (r->committed[i] <= r->give[i]) continue;
        uint64_t piece = r->committed[i] - r->give[i], pile = gomap__pile(m);
        if (piece > RETURN_PIECE) piece = RETURN_PIECE;
        uint8_t *p = r->base + r->off[i] + r->committed[i] - piece;
        bool strict = gomap__world.strict_commit || FAULT(GOMAP_FAULT_STRICT);
        if (strict && !r->locked && !FAULT(GOMAP_FAULT_MUNMAP))
            (void)mmap(p, piece, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
        else if (!r->locked || !munlock(p, piece))
            give_pages(m, p, piece);
        r->committed[i] -= piece;
        m->side->hi_bytes = gomap__range_bytes(r);
        gomap__repiled(m, pile);
        return true;
    }
    return false;
}
