/* gomap/observe.h - profiles of maps, from within the program.
 *
 * Where does the memory of maps come from?  A sample of all bytes that maps take, each with the call stack that made the
 * map or made it grow: how much they hold now, how much they ever took, and what they held when they held most.
 *
 *     GOMAP_CONF=profile_bytes:524288 ./program          on from the start, no change to the program
 *     gomap_ctl(NULL, "policy.profile_bytes", ...)       on, off, finer, at any time
 *     gomap_profile_write(file, GOMAP_PROFILE_HEAP)      in pprof's format
 *     go tool pprof -tagroot=map program file            and -sample_index=map_waste, -diff_base=...
 *
 * Off (the default), it costs a test of one byte where a map takes or gives back memory, and nothing anywhere else.  A
 * library built with -Dobserve=false has none of it: the functions are there, a profile is empty.
 */
#ifndef GOMAP_OBSERVE_H
#define GOMAP_OBSERVE_H

#include "gomap/gomap.h"

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
