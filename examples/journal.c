/* examples/journal.c - hooks: each change of a map is written to a journal, from which the next run makes the map again.
 *
 *     printf 'apples 3\npears 5\n' | journal FILE        a line is a key and its number, or a key with a minus in front
 *     printf -- '-apples\npears 6\n' | journal FILE      prints: pears 6
 *
 * The code that changes the map knows nothing of the journal.
 */
#include <gomap/observe.h>
#include <gomap/typed.h>
#include <stdio.h>

GOMAP_DEFINE_STR(stock, long);

static void note_put(const gomap *map, const void *key, void *value, bool is_new, void *journal) {
    const gomap_str *k = key;
    (void)map, (void)is_new;
    fprintf(journal, "%.*s %ld\n", (int)k->len, k->ptr, *(const long *)value);
}

static void note_delete(const gomap *map, const void *key, void *value, void *journal) {
    const gomap_str *k = key;
    (void)map, (void)value;
    fprintf(journal, "-%.*s\n", (int)k->len, k->ptr);
}

/* Does what the lines say; false: out of memory. */
static bool follow(gomap *map, FILE *lines) {
    char line[200], word[100];
    long number;
    while (fgets(line, sizeof line, lines)) {
        if (sscanf(line, "-%99s", word) == 1)
            stock_delete_s(map, word);
        else if (sscanf(line, "%99s %ld", word, &number) == 2 && stock_put_s(map, word, number))
            return false;
    }
    return true;
}

int main(int argc, char **argv) {
    gomap *map;
    FILE *journal = argc == 2 ? fopen(argv[1], "a+") : NULL;
    if (!journal) return fprintf(stderr, "usage: journal FILE\n"), 2;
    if (stock_new(&map) || !follow(map, journal)) return 1;

    gomap_hooks hooks = {.size = sizeof hooks, .on_put = note_put, .on_delete = note_delete, .ctx = journal};
    if (gomap_set_hooks(map, &hooks) || !follow(map, stdin)) return 1;

    stock_iter it;
    for (stock_iter_init(&it, map); stock_iter_next(&it);)
        printf("%.*s %ld\n", (int)it.key.len, it.key.ptr, *it.value);
    gomap_free(map);
    return fclose(journal) != 0;
}
