/* probed.c - a function that a probe is put on, called a known number of times on two paths: probed FIRST SECOND. */
#include "../measure.h"

static volatile uint64_t called;

__attribute__((noipa)) static void probed_function(uint64_t n) { called += n; }

/* Two callers, so that there are two stacks; what follows the call keeps it from being a jump. */
__attribute__((noinline)) static void first_caller(void) {
    probed_function(1);
    KEEP(&called);
}

__attribute__((noinline)) static void second_caller(void) {
    probed_function(1);
    KEEP(&called);
}

int main(int argc, char **argv) {
    must(argc == 3, "usage: probed FIRST SECOND");
    uint64_t first = strtoull(argv[1], NULL, 10), second = strtoull(argv[2], NULL, 10);
    for (uint64_t i = 0; i < first; i++) first_caller();
    for (uint64_t i = 0; i < second; i++) second_caller();
    must(called == first + second, "calls are missing");
    printf("{\"called\": %llu}\n", (unsigned long long)called);
}
