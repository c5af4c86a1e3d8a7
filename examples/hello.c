/* The README's first program: count the words of standard input, print each with its count. */
#include <gomap/typed.h>
#include <stdio.h>

GOMAP_DEFINE_STR(counts, long); /* maps of byte strings to long: counts_new, counts_at, ... */

int main(void) {
    gomap *map;
    if (counts_new(&map)) return 1;

    char word[100];
    while (scanf("%99s", word) == 1) {
        long *count = counts_at_s(map, word, NULL); /* absent: made, zero */
        if (!count) return 1;                       /* out of memory; the map is as it was */
        ++*count;
    }

    counts_iter it;
    for (counts_iter_init(&it, map); counts_iter_next(&it);)
        printf("%6ld %.*s\n", *it.value, (int)it.key.len, it.key.ptr);
    gomap_free(map);
    return 0;
}
