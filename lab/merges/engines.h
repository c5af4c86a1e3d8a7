/* engines.h - the maps and trees that merges run on, behind one set of functions.
 *
 * Keys are passed as gomap passes them: a pointer to a uint64_t, or to a gomap_str whose bytes end in NUL and
 * stay the caller's.  Values are uint64_t.  Running out of memory ends the program.  What an engine does not have
 * is NULL.
 */
#ifndef LAB_ENGINES_H
#define LAB_ENGINES_H

#include <gomap/gomap.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*engine_visit)(const void *key, uint64_t value, void *ctx);

struct engine {
    const char *name;
    bool ordered;   /* each() goes in the order of keys */
    bool keys_fade; /* the bytes of a string that each() shows are gone after the visit */
    void *(*make)(bool strings, size_t hint);
    void (*put)(void *self, const void *key, uint64_t value);
    bool (*get)(void *self, const void *key, uint64_t *value);
    size_t (*len)(void *self);
    void (*each)(void *self, engine_visit visit, void *ctx);
    void (*free)(void *self);
    void (*reserve)(void *self, size_t entries);                /* room in a map that is there */
    void *(*make_like)(void *other, bool strings, size_t hint); /* under other's seed */
    void (*put_many)(void *self, const void *keys, const uint64_t *values, size_t n); /* arrays */
    void (*stream)(void *out, void *a, void *b); /* ordered: a and b side by side into an empty out; b wins */
    uint64_t (*grows)(void *self);
};

extern const struct engine engines_c[];   /* ends with a NULL name */
extern const struct engine engines_cpp[]; /* the same; empty without a C++ compiler */

const struct engine *engine_find(const char *name);

#ifdef __cplusplus
}
#endif
#endif
