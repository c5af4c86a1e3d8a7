/* lib/observe/label.c - labels of a thread: pairs of texts that its samples carry. */
#include "observe_internal.h"

static __thread struct {
    const char *key[GOMAP_LABELS], *value[GOMAP_LABELS];
    unsigned depth; /* pairs pushed; those above GOMAP_LABELS are only counted */
} mine;

bool gomap_label_push(const char *key, const char *value) {
    unsigned at = mine.depth++;
    if (at >= GOMAP_LABELS) return false;
    mine.key[at] = key ? key : "", mine.value[at] = value ? value : "";
    return true;
}

void gomap_label_pop(void) {
    if (mine.depth) mine.depth--;
}

static bool hidden(unsigned at, unsigned depth) {
    for (unsigned i = at + 1; i < depth; i++)
        if (!strcmp(mine.key[i], mine.key[at])) return true;
    return false;
}

size_t gomap__labels(char text[LABELS_BYTES]) {
    unsigned depth = mine.depth < GOMAP_LABELS ? mine.depth : GOMAP_LABELS;
    size_t at = 0;
    for (unsigned i = depth; i--;) {
        size_t key = strlen(mine.key[i]) + 1, value = strlen(mine.value[i]) + 1;
        if (hidden(i, depth) || key + value > LABELS_BYTES - at) continue;
        memcpy(text + at, mine.key[i], key);
        memcpy(text + at + key, mine.value[i], value);
        at += key + value;
    }
    return at;
}
