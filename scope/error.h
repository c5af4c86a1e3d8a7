/* error.h - how a part of mapscope says what went wrong, and memory that never returns NULL.
 *
 * A function that can fail returns an enum ms_status: 0, or the exit code the tool should end with.
 * The line for people stands in the caller's struct ms_error.  The codes are the tool's public
 * contract (mapscope(1), EXIT STATUS); the deepest function that knows the cause chooses the code.
 */
#ifndef MS_ERROR_H
#define MS_ERROR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

enum ms_status {
    MS_OK = 0,
    MS_FINDING = 1,    /* a check found something */
    MS_USAGE = 2,      /* the command line, or a target that has nothing to show */
    MS_GONE = 3,       /* the target ended, or became another program */
    MS_UNCERTAIN = 4,  /* the data could not be read with certainty */
    MS_PERMISSION = 5, /* a right is missing; the line names it */
    MS_INTERNAL = 6,   /* the tool itself: memory, output, bugs */
};

struct ms_error {
    char line[512]; /* one line, no newline; may hold bytes of the target: escape before printing */
};

/* Fill err (may be NULL) and return status. */
int ms_fail(struct ms_error *err, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Memory or a line on stderr and exit MS_INTERNAL: the tool holds nothing that would need more care. */
extern void (*ms_no_memory)(void); /* called first, and need not return: of programs that have parts of the tool in them */
void *ms_alloc(size_t size);
void *ms_grow(void *ptr, size_t count, size_t size);
char *ms_strdup(const char *s);
char *ms_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Grow a (pointer, used, room) triple so that one more element fits. */
#define MS_ROOM(ptr, used, room)                                                                             \
    do {                                                                                                     \
        if ((used) >= (room)) {                                                                              \
            (room) = (room) ? (room)*2 : 16;                                                                 \
            (ptr) = ms_grow((ptr), (room), sizeof *(ptr));                                                   \
        }                                                                                                    \
    } while (0)

/* a + b and a * b that stay at UINT64_MAX instead of wrapping: figures of a hostile target. */
static inline uint64_t ms_add(uint64_t a, uint64_t b) { return a + b < a ? UINT64_MAX : a + b; }
static inline uint64_t ms_mul(uint64_t a, uint64_t b) {
    uint64_t r;
    return __builtin_mul_overflow(a, b, &r) ? UINT64_MAX : r;
}
static inline uint64_t ms_min(uint64_t a, uint64_t b) { return a < b ? a : b; }

#endif
