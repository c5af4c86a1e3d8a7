/* canvas.c - SVG as text.  The picture's size is known only at its end, so the body is kept in memory until then. */
#include "canvas.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MARGIN = 12, LETTER = 7, STEP_LETTER = 8 }; /* letters are at most so wide, nearly always */

static const char style_sheet[] = "text{font:12px sans-serif;fill:#808080}"
                                  ".step{font-weight:bold;font-size:14px}"
                                  ".key,.top,.faded,.state{text-anchor:middle;font-family:monospace}"
                                  ".key{font-weight:bold;fill:#fff}"
                                  ".top{font-size:10px;fill:#fff}"
                                  ".state{font-size:10px}"
                                  ".faded{text-decoration:line-through}"
                                  ".index{text-anchor:end;font-family:monospace}"
                                  ".mono{font-family:monospace}"
                                  "rect{stroke:#808080;stroke-width:1;fill:none}"
                                  ".full{fill:#1c6fc4;stroke:#1c6fc4}"
                                  ".one{stroke-dasharray:3 2}"
                                  ".x{fill:#2b8a3e;stroke:#2b8a3e}"
                                  ".y{fill:#c2410c;stroke:#c2410c}"
                                  ".gone{fill:#808080;fill-opacity:.35}"
                                  ".focus{stroke:#e64980;stroke-width:3}"
                                  "path{stroke:#808080;fill:none}";

void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("drawings: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

FILE *file_begin(const char *folder, const char *name) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        die("%s: name too long", folder);
    FILE *file = fopen(path, "w");
    if (!file) die("cannot write %s", path);
    return file;
}

void file_end(FILE *file, const char *name) {
    int failed = ferror(file);
    if (fclose(file) || failed) die("cannot write %s", name);
}

void canvas_begin(struct canvas *c) {
    *c = (struct canvas){.y = MARGIN};
    c->out = open_memstream(&c->body, &c->body_len);
    if (!c->out) die("out of memory");
}

static void reach(struct canvas *c, int x) {
    if (x > c->width) c->width = x;
}

void canvas_text(struct canvas *c, int x, int y, const char *style, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(c->out, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, style);
    int letters = vfprintf(c->out, format, args);
    fputs("</text>\n", c->out);
    va_end(args);
    reach(c, x + letters * (strcmp(style, "step") != 0 ? LETTER : STEP_LETTER));
}

void canvas_box(struct canvas *c, int x, int y, int width, int height, const char *style) {
    fprintf(c->out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"2\" class=\"%s\"/>\n", x, y,
            width, height, style);
    reach(c, x + width);
}

void canvas_arrow(struct canvas *c, int x, int y, int length) {
    fprintf(c->out, "<path d=\"M%d %dh%dm-5 -4l5 4l-5 4\"/>\n", x, y, length);
}

void canvas_save(struct canvas *c, const char *folder, const char *name, const char *what) {
    char path[64];
    if (fclose(c->out)) die("out of memory");
    snprintf(path, sizeof path, "%s.svg", name);
    FILE *file = file_begin(folder, path);
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
            "role=\"img\">\n<title>%s</title>\n<style>%s</style>\n%s</svg>\n",
            c->width + MARGIN, c->y + MARGIN, c->width + MARGIN, c->y + MARGIN, what, style_sheet, c->body);
    file_end(file, path);
    free(c->body);
}
