/* browsedraw.h - what browse.c has browsedraw.c draw, and ask. */
#ifndef MS_BROWSEDRAW_H
#define MS_BROWSEDRAW_H

#include "browse.h"

/* The rows of the list, clusters or maps. */
const struct ms_map *ms_browse_rows(const struct ms_browse *b, size_t *n);

void ms_browse_draw(struct ms_browse *b);
/* The same as text, all rows, without a terminal. */
void ms_browse_print(struct ms_browse *b, FILE *f);
/* Lines that scroll, as of the frame drawn last. */
size_t ms_browse_page(const struct ms_browse *b);
struct ms_style ms_browse_style(const struct ms_browse *b); /* of texts for the screen */
/* Texts of pages; allocated. */
char *ms_browse_help(const struct ms_browse *b);
char *ms_browse_notes(const struct ms_browse *b);

#endif
