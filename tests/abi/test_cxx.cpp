/* tests/abi/test_cxx.cpp - the headers from C++: they compile, link, and make the same maps. */
#include "gomap/classic.h"
#include "gomap/gomap.h"
#include "gomap/inspect.h"

#include <cstdio>

#define REQUIRE(cond)                                                                                        \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            std::fprintf(stderr, "line %d: does not hold: %s\n", __LINE__, #cond);                           \
            return 1;                                                                                        \
        }                                                                                                    \
    } while (0)

int main() {
    gomap_config c = GOMAP_CONFIG(sizeof(long), sizeof(double));
    gomap *m = nullptr;
    c.name = "made in C++";
    REQUIRE(gomap_new(&c, &m) == GOMAP_OK);
    for (long k = 0; k < 1000; k++) {
        double v = static_cast<double>(k) / 2;
        REQUIRE(gomap_put(m, &k, &v) == GOMAP_OK);
    }
    gomap_iter it;
    long n = 0;
    for (gomap_iter_init(&it, m); gomap_iter_next(&it); n++)
        REQUIRE(*static_cast<const double *>(it.value) * 2 ==
                static_cast<double>(*static_cast<const long *>(it.key)));
    REQUIRE(n == 1000);
    gomap_free(m);
    gomap_config s = GOMAP_CONFIG_STRING(0);
    REQUIRE(gomap_new(&s, &m) == GOMAP_OK);
    gomap_str key = {"key", 3};
    REQUIRE(gomap_put(m, &key, nullptr) == GOMAP_OK);
    REQUIRE(gomap_has(m, &key));
    gomap_free(m);
    gomap_classic_config cc = GOMAP_CLASSIC_CONFIG(sizeof(long), sizeof(long));
    gomap_classic *classic = nullptr;
    REQUIRE(gomap_classic_new(&cc, &classic) == GOMAP_OK);
    for (long k = 0; k < 100; k++) REQUIRE(gomap_classic_put(classic, &k, &k) == GOMAP_OK);
    gomap_classic_iter ci;
    n = 0;
    for (gomap_classic_iter_init(&ci, classic); gomap_classic_iter_next(&ci);) n++;
    REQUIRE(n == 100);
    gomap_classic_free(classic);
    REQUIRE(sizeof(struct gomap) == 128 || sizeof(void *) != 8);
    return 0;
}
