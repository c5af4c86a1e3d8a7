/* holders.c - the list of a map's holders: names and memory. */
#include "holders.h"

#include <stdlib.h>

const char *ms_root_name(enum ms_root r) {
    static const char *const name[] = {
        [MS_ROOT_GLOBAL] = "global", [MS_ROOT_STACK] = "stack",       [MS_ROOT_RUNTIME] = "runtime",
        [MS_ROOT_HEAP] = "heap",     [MS_ROOT_REGISTRY] = "registry", [MS_ROOT_DEAD] = "dead_stack"};
    return name[r];
}

struct ms_holder *ms_holders_add(struct ms_holders *h) {
    MS_ROOM(h->holder, h->holders, h->room);
    h->holder[h->holders] = (struct ms_holder){0};
    return &h->holder[h->holders++];
}

void ms_holder_drop(struct ms_holder *h) {
    free(h->path);
    free(h->word);
    free(h->beside);
    free(h->function);
    free(h->file);
}

void ms_holders_free(struct ms_holders *h) {
    for (size_t i = 0; i < h->holders; i++) ms_holder_drop(&h->holder[i]);
    free(h->holder);
    free(h->dominator);
    free(h->dominator_type);
    *h = (struct ms_holders){0};
}
