/* panel.h - the state of a classic map, as it is in memory at the moment of the call, drawn on a canvas. */
#ifndef PANEL_H
#define PANEL_H

#include "canvas.h"

#include <gomap/classic.h>

/* A slot, by the address of its key, and what to write in it instead of its tophash. */
struct mark {
    const void *slot;
    unsigned number;
};

/* How to draw; all zero: plainly. */
struct look {
    uint64_t focus; /* the key whose slots get a frame; 0: none */
    const struct mark *marks;
    size_t marks_n;
    bool small;    /* states only, no key */
    bool one_line; /* the title beside the only bucket; no header */
};

/* Header and every bucket of a map from uint64_t to anything, below what is on the canvas. */
void panel_draw(struct canvas *c, const gomap_classic *map, const struct look *look, const char *title);
/* What the colours mean, at the end of a picture. */
void panel_legend(struct canvas *c);

#endif
