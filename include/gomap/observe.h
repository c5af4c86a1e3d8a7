/* gomap/observe.h - what maps do, from within the program: profiles, labels, events, durations, hooks, probes.
 *
 * Where does the memory of maps come from?  A sample of all bytes that maps take, each with the call stack that made the
 * map or made it grow: how much they hold now, how much they ever took, and what they held when they held most.
 *
 *     GOMAP_CONF=profile_bytes:524288 ./program          on from the start, no change to the program
 *     gomap_ctl(NULL, "policy.profile_bytes", ...)       on, off, finer, at any time
 *     gomap_profile_write(file, GOMAP_PROFILE_HEAP)      in pprof's format
 *     go tool pprof -tagroot=map program file            and -sample_index=map_waste, -diff_base=...
 *     mapscope prof PID -o pprof --file FILE             the same from outside, or of a core file, with lines and inlined calls
 *
 * Off (the default), it costs a test of one byte where a map takes or gives back memory, and nothing anywhere else.  A
 * library built with -Dobserve=false has none of it: the functions are there, a profile is empty.
 */
#ifndef GOMAP_OBSERVE_H
#define GOMAP_OBSERVE_H

#include "gomap/gomap.h"
#include "gomap/inspect.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- sampling ---------------------------------------------------------------------------------------------
 *
 * The setting policy.profile_bytes: on the average one sample in so many bytes that maps take.  0: off.  1: each and every
 * piece.  524288, the rate Go and tcmalloc are near to, is recommended.
 *
 * Estimates are unbiased: of b bytes taken at once, sampled with the probability 1 - exp(-b / rate), each sample stands
 * for 1 / probability of its kind.  What a map holds is seen as a pile of pieces: who made it grow from 1 to 2 MiB owns
 * that second MiB until the map is below it again, wherever in memory it lies meanwhile. */

typedef enum gomap_profile {
    GOMAP_PROFILE_HEAP = 0, /* what maps hold now, and all they ever took */
    GOMAP_PROFILE_PEAK = 1, /* what they held when they held most */
} gomap_profile;

/* Write a profile: gzipped profile.proto, as `go tool pprof`, Pyroscope, Parca and speedscope read it.  Sample types
 *
 *     alloc_objects/count  alloc_space/bytes      pieces and bytes ever taken (0 in PEAK)
 *     inuse_objects/count  inuse_space/bytes      held; the default
 *     map_entries/count    map_waste/bytes        the share of these bytes in their map's entries, and in what it wastes
 *     map_resident/bytes   map_lazyfree/bytes     ... in what is in core, and in what waits for MADV_FREE (gomap: 0)
 *
 * (0 in PEAK for the last four, and for maps that are gone), labels `map` (name, or type@site), `type` and those of
 * gomap_label_push.  Functions are named from the symbol tables of the program's own files; mappings carry build ids, so
 * that pprof finds lines.
 *
 * Any thread may call it at any time; maps in use meanwhile are read as they are.  Cost: 1 us a distinct stack and sample
 * (bench/observe), memory for a copy of all samples.  GOMAP_ENOMEM: no memory, or `out` cannot be written to; GOMAP_EINVAL:
 * no such profile. */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_profile_write(FILE *out, gomap_profile which);

/* Forget all counts of what was ever taken, and the peak; what is held stays known. */
GOMAP_API void gomap_profile_reset(void);

/* ---- labels ---------------------------------------------------------------------------------------------------
 *
 * Pairs of texts that belong to what a thread is doing; all that is sampled meanwhile carries them.  They nest: pop takes
 * the last pair.  Both texts must live, unchanged, until then.  A key given twice: the inner one counts.  Cost: some ns,
 * no memory, no lock. */

/* false: more than GOMAP_LABELS pairs; it must be popped all the same. */
enum { GOMAP_LABELS = 16 };
GOMAP_API bool gomap_label_push(const char *key, const char *value);
GOMAP_API void gomap_label_pop(void);

/* ---- the program's own events -----------------------------------------------------------------------------------
 *
 * They join those of maps in the flight recorder, from where `mapscope events` shows both on one time line, also of a core
 * file.  Names must live as long as the process: string literals.  Regions nest, by thread; an end without a beginning is
 * ignored by readers.  Cost: that of an event, about 50 ns; no lock, no memory. */
GOMAP_API void gomap_region_begin(const char *name);
GOMAP_API void gomap_region_end(const char *name);
GOMAP_API void gomap_event(const char *name, uint64_t value);

/* ---- how long things take ---------------------------------------------------------------------------------------
 *
 * With the setting policy.times on (GOMAP_CONF=times:1), histograms of the durations of growths (GOMAP_TIME_GROW: from the
 * write that begins one to the write that ends it), of moves (_MOVE: a write's share of a growth or shrink) and of
 * allocations (_ALLOC: of tables, and of memory for strings and cells), and the GOMAP_SLOWEST longest of each: when, which
 * map, how many entries, which thread, and, with policy.stacks on, where.  inspect.h has the structs, from where mapscope
 * reads them too.  policy.stacks also gives every event of the flight recorder the number of its call stack.
 *
 * Any thread may call these at any time.  Cost: two readings of the clock each; off, a test of a byte where one of these
 * begins (bench/observe).  A stack costs what stack.c says, for each event. */

/* What was counted so far; map NULL: of the process.  A map has counts of its own since its table is larger than 64 KiB,
 * else they are 0.  GOMAP_EINVAL: `what` is no GOMAP_TIME_*. */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_get_times(const gomap *map, int what, struct gomap_times *out);
/* The duration, ns, that `share` (0.5: the median, 0.99) of those counted did not exceed; rounded up to the end of its bucket. */
GOMAP_API uint64_t gomap_times_below(const struct gomap_times *times, double share);
/* The longest, longest first; how many. */
GOMAP_API size_t gomap_slowest(int what, struct gomap_slow out[GOMAP_SLOWEST]);
/* The frames of stack `number`, innermost first: how many, and *pc, which stays valid; 0: none. */
GOMAP_API unsigned gomap_stack(uint32_t number, const uint64_t **pc);
/* Forget the counts of the process, and the longest. */
GOMAP_API void gomap_times_reset(void);

/* ---- hooks ------------------------------------------------------------------------------------------------------
 *
 * Functions of the program's own, called by the thread to which it happens, amid the call that makes it happen.  Each may be
 * NULL.
 *
 *     gomap_hooks h = {.size = sizeof h, .on_grow = note_growth, .ctx = log};
 *     if (gomap_set_hooks(map, &h)) ...
 *
 * A hook may allocate, take locks, and use other maps; while it runs, what its thread does to other maps calls no hook.  It
 * must return, and it must not use its own map, but for gomap_len and gomap_describe: reads and writes end in the fatal hook
 * (lookups that typed.h inlines check that only with GOMAP_CHECKED).  on_new alone may name its map and give it hooks.
 *
 * A call that fails calls neither on_put nor on_delete; a growth that it began before it failed has been told.  The hooks
 * fail nothing and allocate nothing.  Not called: on_put for what a program writes through a pointer it got, and for what a
 * clone is filled with; on_delete for what clear and free take, which have hooks of their own.
 *
 * Cost: nothing on a lookup by typed.h.  A map without on_put and on_delete writes as ever.  With them its writes are not
 * inlined, an empty hook adds a few ns (bench/observe), and gomap_get has a call more.  `mapscope` shows a map as it is, with
 * hooks or without. */
typedef struct gomap_hooks {
    size_t size; /* sizeof(gomap_hooks), as the caller was compiled */
    /* A map was made; the hooks of all maps, of course. */
    void (*on_new)(gomap *map, void *ctx);
    /* It is about to be freed, with its entries. */
    void (*on_free)(const gomap *map, void *ctx);
    /* A growth (shrink) began, or is done; groups of 15 slots before and after.  Tables of one group grow without. */
    void (*on_grow)(const gomap *map, uint64_t groups, uint64_t to_groups, bool done, void *ctx);
    void (*on_shrink)(const gomap *map, uint64_t groups, uint64_t to_groups, bool done, void *ctx);
    /* All entries went, so many. */
    void (*on_clear)(const gomap *map, uint64_t entries, gomap_clear_how how, void *ctx);
    /* A growth was put off for want of memory. */
    void (*on_oom)(const gomap *map, uint64_t groups, uint64_t to_groups, void *ctx);
    /* So many keys in one place that somebody may have chosen them; `alike` of them have equal hashes. */
    void (*on_alarm)(const gomap *map, uint64_t stashed, uint64_t alike, void *ctx);
    /* An entry was added (is_new; its value is zero where the call gives a pointer to write it), or got a new value.  key as
     * in gomap_iter; the value may be written to.  Both are valid until the hook returns. */
    void (*on_put)(const gomap *map, const void *key, void *value, bool is_new, void *ctx);
    /* An entry is about to go. */
    void (*on_delete)(const gomap *map, const void *key, void *value, void *ctx);
    void *ctx; /* for all of them */
} gomap_hooks;

/* Give a map hooks (copied), or take them away (NULL).  map NULL: those of all maps of the process that have no own ones, of
 * those to come too; then no other thread may use any map meanwhile, and maps that the registry does not have (policy.registry
 * 0) tell only what is rare.  A clone has none of its own.  Classic maps have hooks of their own kind (classic.h).
 * GOMAP_ENOMEM: the map is as it was; GOMAP_EINVAL: hooks of another version; GOMAP_ENOENT: the library was built without. */
GOMAP_API GOMAP_MUST_USE gomap_err gomap_set_hooks(gomap *map, const gomap_hooks *hooks);

/* ---- probes ------------------------------------------------------------------------------------------------------
 *
 * USDT probes of the provider gomap, if the library was built where <sys/sdt.h> is: one nop each until somebody attaches
 * (`bpftrace -l 'usdt:PROGRAM:gomap:*'`).  The arguments of a probe never change: one that would gets a new name.
 *
 *     new           map, slot bytes, entries made for
 *     free          map, entries, address
 *     clear         map, entries, how (gomap_clear_how)
 *     grow_start    map, groups before, after
 *     grow_done     map, groups before, after
 *     shrink_start  map, groups before, after
 *     shrink_done   map, groups before, after
 *     madvise       map, address, bytes
 *     retire        map, address, bytes of a table given up
 *     reseed        map, 0, 0
 *     oom           map, groups, groups wanted
 *     alarm         map, entries in the stash, most of them alike
 *     misuse        map, 0, 0
 *     region_begin  0, address of the name, 0
 *     region_end    0, address of the name, 0
 *     note          0, address of the name, value
 *
 * map: its id (inspect.h), of a classic map too. */

#ifdef __cplusplus
}
#endif
#endif
