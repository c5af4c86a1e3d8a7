/* canvas.h - an SVG picture under construction: boxes and words from the top down.
 *
 * Sizes are pixels.  Colours are of middle lightness and words beside boxes are grey, so that a picture can be read
 * on white and on black.  A function that gets no memory ends the program: a drawing is whole or not there. */
#ifndef CANVAS_H
#define CANVAS_H

#include <stdint.h>
#include <stdio.h>

struct canvas {
    FILE *out; /* into body */
    char *body;
    size_t body_len;
    int y; /* the first free line */
    int width;
    unsigned legend; /* what panel_legend explains; a bit each */
};

void canvas_begin(struct canvas *c);
/* A word at (x, y: its base line), of a class of the style sheet in canvas.c. */
__attribute__((format(printf, 5, 6))) void canvas_text(struct canvas *c, int x, int y, const char *style,
                                                       const char *format, ...);
void canvas_box(struct canvas *c, int x, int y, int width, int height, const char *style);
/* From (x, y) to the right, with a head. */
void canvas_arrow(struct canvas *c, int x, int y, int length);
/* Write FOLDER/NAME.svg and let go of the picture.  what: one sentence for readers who do not see it. */
void canvas_save(struct canvas *c, const char *folder, const char *name, const char *what);

/* Open FOLDER/NAME for writing; close it and make sure that all was written. */
FILE *file_begin(const char *folder, const char *name);
void file_end(FILE *file, const char *name);
/* End the program with one line. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

#endif
