/* lock.c - a mutex that knows how long it was waited for and held: lock.h tells what is counted and when. */
#include "lock.h"

void lock_init(struct lock *l, const struct lock_limits *limits) {
    *l = (struct lock){.limits = limits};
    must(!pthread_mutex_init(&l->mutex, NULL), "pthread_mutex_init failed");
}

void lock_deinit(struct lock *l) { pthread_mutex_destroy(&l->mutex); }

static unsigned step_of(uint64_t ns) { return ns ? 63 - (unsigned)__builtin_clzll(ns) : 0; }

void lock_acquire(struct lock *l) {
    if (pthread_mutex_trylock(&l->mutex)) {
        uint64_t start = wall_ns();
        must(!pthread_mutex_lock(&l->mutex), "pthread_mutex_lock failed");
        uint64_t ns = wall_ns() - start;
        l->waited++, l->wait_ns += ns, l->wait_steps[step_of(ns)]++;
        if (ns > l->wait_max_ns) l->wait_max_ns = ns;
        if (l->limits && ns >= l->limits->wait_alarm_ns)
            l->alarmed++;
        else if (l->limits && ns >= l->limits->wait_mark_ns)
            l->marked++;
    }
    l->acquired++;
    if (l->limits && l->limits->hold) l->since = wall_ns();
}

void lock_release(struct lock *l) {
    if (l->limits && l->limits->hold) {
        uint64_t ns = wall_ns() - l->since;
        l->hold_ns += ns, l->hold_steps[step_of(ns)]++;
        if (ns > l->hold_max_ns) l->hold_max_ns = ns;
        l->long_holds += (double)ns * (double)l->acquired > l->limits->hold_factor * (double)l->hold_ns;
    }
    pthread_mutex_unlock(&l->mutex);
}

void lock_add(struct lock *a, const struct lock *b) {
    a->acquired += b->acquired, a->waited += b->waited;
    a->wait_ns += b->wait_ns, a->hold_ns += b->hold_ns;
    a->marked += b->marked, a->alarmed += b->alarmed, a->long_holds += b->long_holds;
    if (b->wait_max_ns > a->wait_max_ns) a->wait_max_ns = b->wait_max_ns;
    if (b->hold_max_ns > a->hold_max_ns) a->hold_max_ns = b->hold_max_ns;
    for (int i = 0; i < LOCK_STEPS; i++)
        a->wait_steps[i] += b->wait_steps[i], a->hold_steps[i] += b->hold_steps[i];
}

uint64_t lock_quantile(const uint64_t *steps, double share) {
    uint64_t all = 0, seen = 0;
    for (int i = 0; i < LOCK_STEPS; i++) all += steps[i];
    if (!all) return 0;
    for (int i = 0; i < LOCK_STEPS - 1; i++)
        if ((double)(seen += steps[i]) >= share * (double)all) return (uint64_t)2 << i;
    return UINT64_MAX;
}
