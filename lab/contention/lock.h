/* lock.h - a mutex that knows how long it was waited for and held.
 *
 *     lock_acquire(&l) ... lock_release(&l)
 *
 * Waiting is measured only where there is any: a lock that is free is taken by one trylock, without reading a clock.
 * Holding is measured if the lock's limits ask for it: two readings of the clock for each acquisition.  All figures are
 * written by whoever holds the lock, so they need no atomics.
 *
 * A profile marks what is above its limits, as a picture of a trace would colour it:
 *     wait_mark_ns <= wait < wait_alarm_ns    marked
 *     wait_alarm_ns <= wait                   alarmed
 *     hold > hold_factor times the mean hold so far    long
 */
#ifndef LAB_LOCK_H
#define LAB_LOCK_H

#include "../merges/meter.h"

#include <pthread.h>

enum { LOCK_STEPS = 64 }; /* histogram: step i counts times of 2^i .. 2^(i+1) - 1 ns */

struct lock_limits {
    bool hold; /* measure how long it is held */
    uint64_t wait_mark_ns, wait_alarm_ns;
    double hold_factor;
};

struct lock {
    pthread_mutex_t mutex;
    const struct lock_limits *limits; /* NULL: measure waiting alone */
    uint64_t since;                   /* holding began */
    uint64_t acquired, waited;        /* times; times that the lock was not free */
    uint64_t wait_ns, wait_max_ns, hold_ns, hold_max_ns;
    uint64_t marked, alarmed, long_holds;
    uint64_t wait_steps[LOCK_STEPS], hold_steps[LOCK_STEPS];
} __attribute__((
    aligned(128))); /* neighbours in an array share no line, nor the pair that is fetched together */

void lock_init(struct lock *l, const struct lock_limits *limits);
void lock_deinit(struct lock *l);
void lock_acquire(struct lock *l);
void lock_release(struct lock *l);
/* Add the figures of b to a. */
void lock_add(struct lock *a, const struct lock *b);
/* The time that a share (0..1) of the counted ones stays below, to a factor of two; 0: none counted. */
uint64_t lock_quantile(const uint64_t *steps, double share);

#endif
