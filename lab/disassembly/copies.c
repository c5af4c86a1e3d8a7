/* copies.c - the same stores in C, one function per size of value, for their machine code to be read: gomap by its typed
 * functions, classic by the slot that assign gives.  Running it shows that what is read does work. */
#include "../measure.h"
#include "gomap/classic.h"
#include "gomap/typed.h"

#define SIZES(X) X(8) X(16) X(24) X(32) X(64) X(128)

#define DEFINE(size)                                                                                         \
    struct elem##size {                                                                                      \
        uint64_t words[size / 8];                                                                            \
    };                                                                                                       \
    GOMAP_DEFINE(map##size, uint64_t, struct elem##size);                                                    \
    __attribute__((noinline)) static void gomap_store##size(gomap *m, uint64_t key,                          \
                                                            const struct elem##size *value) {                \
        bool is_new;                                                                                         \
        struct elem##size *slot = map##size##_at(m, key, &is_new);                                           \
        if (slot) *slot = *value;                                                                            \
    }                                                                                                        \
    __attribute__((noinline)) static uint64_t gomap_load##size(const gomap *m, uint64_t key) {               \
        const struct elem##size *slot = map##size##_get(m, key);                                             \
        return slot ? slot->words[size / 8 - 1] : 0;                                                         \
    }                                                                                                        \
    __attribute__((noinline)) static void classic_store##size(gomap_classic *m, uint64_t key,                \
                                                              const struct elem##size *value) {              \
        void *slot;                                                                                          \
        if (!gomap_classic_assign(m, &key, &slot, NULL)) *(struct elem##size *)slot = *value;                \
    }                                                                                                        \
    static void check##size(void) {                                                                          \
        gomap *m;                                                                                            \
        gomap_classic *c;                                                                                    \
        gomap_classic_config config = GOMAP_CLASSIC_CONFIG(8, size);                                         \
        must(!map##size##_new(&m) && !gomap_classic_new(&config, &c), "no memory");                          \
        for (uint64_t i = 1; i <= 1000; i++) {                                                               \
            struct elem##size value = {{0}};                                                                 \
            value.words[size / 8 - 1] = mix(i);                                                              \
            gomap_store##size(m, i, &value);                                                                 \
            classic_store##size(c, i, &value);                                                               \
        }                                                                                                    \
        for (uint64_t i = 1; i <= 1000; i++) {                                                               \
            const struct elem##size *slot = gomap_classic_get64(c, i);                                       \
            must(gomap_load##size(m, i) == mix(i) && slot && slot->words[size / 8 - 1] == mix(i),            \
                 "a value is lost");                                                                         \
        }                                                                                                    \
        gomap_free(m);                                                                                       \
        gomap_classic_free(c);                                                                               \
    }

SIZES(DEFINE)

#define CHECK(size) check##size();
int main(void) {
    SIZES(CHECK)
    puts("{\"checked\": true}");
}
