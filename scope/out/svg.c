/* svg.c - the heat map as SVG: a rectangle a cell, its groups and fill as tooltip, no script.
 *
 * At most MS_SVG_CELLS cells, so the file stays below half a megabyte whatever the table's size.  While a
 * walk runs, each cell has a stripe in the colour of its geometry, and what lies between the two is grey.
 */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>

enum { CELL = 9, STEP = 10, MARGIN = 16, TOP = 62, GAP = 34 };

static const char *area_colour(unsigned area) {
    static const char *const colour[] = {"none", "#e8710a", "#777777", "#1a9fd4"};
    return colour[area & 3];
}

static size_t rows_of(const struct ms_cells *c, size_t columns) {
    return columns ? (c->count + columns - 1) / columns : 0;
}

static void put_panel(FILE *f, const struct ms_cells *c, size_t columns, size_t top) {
    for (size_t i = 0; i < c->count; i++) {
        double fill = ms_heat_fill(c, i);
        struct ms_rgb rgb = ms_heat_colour(fill);
        size_t x = MARGIN + i % columns * STEP, y = top + i / columns * STEP;
        uint64_t from = c->first + i * c->per_cell, to = ms_min(from + c->per_cell, c->first + c->groups) - 1;
        if (c->area[i] == MS_AREA_GAP) rgb = (struct ms_rgb){190, 190, 190};
        fprintf(f, "<rect x=\"%zu\" y=\"%zu\" width=\"%d\" height=\"%d\" fill=\"#%02x%02x%02x\">", x, y, CELL,
                CELL, rgb.r, rgb.g, rgb.b);
        fprintf(f, "<title>groups %" PRIu64 "..%" PRIu64 ": %" PRIu64 " live, %.1f%%%s%s</title></rect>\n",
                from, to, c->live[i], 100 * fill, c->area[i] ? ", " : "",
                c->area[i] ? ms_area_name(c->area[i]) : "");
        if (c->area[i] != MS_AREA_PLAIN)
            fprintf(f, "<rect x=\"%zu\" y=\"%zu\" width=\"%d\" height=\"2\" fill=\"%s\"/>\n", x, y + CELL - 2,
                    CELL, area_colour(c->area[i]));
    }
}

static void put_legend(FILE *f, const struct ms_picture *p) {
    for (int i = 0; i <= 20; i++) {
        struct ms_rgb rgb = ms_heat_colour(i / 20.0);
        fprintf(f, "<rect x=\"%d\" y=\"44\" width=\"8\" height=\"8\" fill=\"#%02x%02x%02x\"/>\n",
                MARGIN + 40 + i * 8, rgb.r, rgb.g, rgb.b);
    }
    fprintf(f, "<text x=\"%d\" y=\"52\">empty</text><text x=\"%d\" y=\"52\">full</text>\n", MARGIN,
            MARGIN + 214);
    if (p->map->walk == MS_WALK_NONE) return;
    static const char *const label[] = {"", "low: below the split", "gap", "high: above the split"};
    for (int a = MS_AREA_LOW; a <= MS_AREA_HIGH; a++)
        fprintf(f,
                "<rect x=\"%d\" y=\"46\" width=\"10\" height=\"4\" fill=\"%s\"/><text x=\"%d\" "
                "y=\"52\">%s</text>\n",
                MARGIN + 120 + a * 150, area_colour((unsigned)a), MARGIN + 134 + a * 150, label[a]);
}

void ms_svg_heat(FILE *f, const struct ms_picture *p) {
    char id[64];
    size_t columns = ms_heat_columns(p->cells->count, 96);
    size_t height = TOP + rows_of(p->cells, columns) * STEP + MARGIN, other_top = 0;
    if (p->other && p->other->count) {
        other_top = height - MARGIN + GAP;
        height = other_top + rows_of(p->other, columns) * STEP + MARGIN;
    }
    size_t width = 2 * MARGIN + columns * STEP;
    if (width < 760) width = 760;
    ms_map_id(p->map, id);
    char *label = ms_map_label(p->map);
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%zu\" viewBox=\"0 0 %zu %zu\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n",
            width, height, width, height);
    fprintf(f,
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n<text x=\"%d\" y=\"18\" "
            "font-size=\"14\">",
            MARGIN);
    ms_text_xml(f, label);
    free(label);
    fprintf(f, "</text>\n<text x=\"%d\" y=\"34\">map %s of process %d (", MARGIN, id, p->target->pid);
    ms_text_xml(f, p->target->comm ? p->target->comm : "");
    fprintf(f,
            "): %" PRIu64 " entries, %" PRIu64 " groups, load %.3f, a cell is %" PRIu64 " group%s</text>\n",
            p->map->entries, p->groups, p->map->load, p->cells->per_cell, p->cells->per_cell == 1 ? "" : "s");
    put_legend(f, p);
    put_panel(f, p->cells, columns, TOP);
    if (other_top) {
        fprintf(f, "<text x=\"%d\" y=\"%zu\">the other array of the walk</text>\n", MARGIN, other_top - 8);
        put_panel(f, p->other, columns, other_top);
    }
    fputs("</svg>\n", f);
}
