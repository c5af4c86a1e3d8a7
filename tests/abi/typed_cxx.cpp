// tests/unit/typed_cxx.cpp - typed.h and gomap.h from C++: what compiles as C compiles here, and works.
#include <gomap/gomap.h>
#include <gomap/inspect.h>
#include <gomap/typed.h>

#include <cstdio>

GOMAP_DEFINE(ages, uint64_t, double);
GOMAP_DEFINE_STR(words, uint32_t);

#define REQUIRE(x) \
    if (!(x)) return std::printf("%s:%d: %s\n", __FILE__, __LINE__, #x), 1

int main() {
    gomap *m = nullptr, *w = nullptr;
    REQUIRE(ages_new(&m) == GOMAP_OK);
    for (uint64_t i = 0; i < 5000; i++) REQUIRE(ages_put(m, i, 0.5 * static_cast<double>(i)) == GOMAP_OK);
    for (uint64_t i = 0; i < 5000; i++) REQUIRE(*ages_get(m, i) == 0.5 * static_cast<double>(i));
    ages_iter it;
    size_t n = 0;
    for (ages_iter_init(&it, m); ages_iter_next(&it); n++) REQUIRE(*it.value == 0.5 * static_cast<double>(it.key));
    REQUIRE(n == 5000);
    REQUIRE(ages_delete(m, 4999) && !ages_has(m, 4999));
    REQUIRE(gomap_verify(m, nullptr, 0) == 0);
    REQUIRE(words_new(&w) == GOMAP_OK);
    REQUIRE(words_put_s(w, "one", 1) == GOMAP_OK && *words_get_s(w, "one") == 1);
    gomap_config c = GOMAP_CONFIG_STRING(4);
    REQUIRE(c.keys == GOMAP_KEYS_STRING && c.site != nullptr);
    gomap_free(w);
    gomap_free(m);
    return 0;
}
