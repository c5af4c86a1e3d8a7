/* lib/seed.c - secret words from the OS, in buffered pieces.
 *
 * Every seed comes from getrandom, never from a generator of ours: one leaked seed must tell nothing
 * about another map's.  The buffer saves a system call per map; words are wiped as they are handed out,
 * and a forked child starts with an empty buffer, so that parent and child never share a word.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/random.h>
#include <unistd.h>

enum { POOL_WORDS = 64 };
static struct {
    pthread_mutex_t lock;
    uint64_t word[POOL_WORDS];
    size_t left;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool read_urandom(uint8_t *p, size_t n) {
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    while (n) {
        ssize_t got = read(fd, p, n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        p += got, n -= (size_t)got;
    }
    close(fd);
    return n == 0;
}

/* Reads may be short, interrupted, or (old kernels, seccomp) not there at all. */
static bool fill(void) {
    uint8_t *p = (uint8_t *)pool.word;
    size_t n = sizeof pool.word;
    while (n) {
        ssize_t got = FAULT(GOMAP_FAULT_RANDOM) ? (errno = ENOSYS, -1) : getrandom(p, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            if (FAULT(GOMAP_FAULT_RANDOM) || !read_urandom(p, n)) return false;
            break;
        }
        p += got, n -= (size_t)got;
    }
    pool.left = POOL_WORDS;
    return true;
}

#ifdef GOMAP_FAULTS
uint64_t (*gomap__draw)(void);
#endif

bool gomap__seed(uint64_t *words, size_t n) {
    bool ok = true;
#ifdef GOMAP_FAULTS
    if (gomap__draw) {
        while (n) words[--n] = gomap__draw();
        return true;
    }
#endif
    pthread_mutex_lock(&pool.lock);
    for (size_t i = 0; i < n && ok; i++) {
        if (!pool.left && !fill()) {
            ok = false;
            break;
        }
        words[i] = pool.word[--pool.left];
        pool.word[pool.left] = 0;
    }
    pthread_mutex_unlock(&pool.lock);
    return ok;
}

/* Child after fork: the only thread there is may have inherited a held lock. */
void gomap__seed_forget(void) {
    pthread_mutex_init(&pool.lock, NULL);
    memset(pool.word, 0, sizeof pool.word);
    pool.left = 0;
}

/* Iteration order: a per-thread generator seeded once from the OS (splitmix64).  It hides order from
 * chance, not from an observer: docs/design.md says what order leaks. */
uint64_t gomap__iter_seed(void) {
#ifdef GOMAP_FAULTS
    if (gomap__draw) return gomap__draw();
#endif
    static __thread uint64_t state, mark;
    uint64_t now_mark = (uint64_t)gomap__world.fork_mark;
    if (!state || mark != now_mark) {
        if (!gomap__seed(&state, 1)) state = gomap__now_ns() ^ (uint64_t)(uintptr_t)&state;
        mark = now_mark;
    }
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}
