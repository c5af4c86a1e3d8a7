/* halfblock.c - heat maps for the terminal: two cells a character, one above the other.
 *
 * With colour a character is the upper half block, its foreground the upper cell, its background the lower
 * one.  Without colour (NO_COLOR, a pipe) the blocks are dithered: the share of filled halves shows the fill.
 * Without UTF-8 a ramp of ASCII characters shows one row of cells a line.  Groups run from left to right,
 * rows from top to bottom, so the picture is the table in the order of its hashes.
 */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>

enum { LEFT = 12, RIGHT = 6, ROWS = 32 };

static int columns_of(const struct ms_style *st) {
    int w = (st->width ? st->width : 80) - LEFT - RIGHT;
    return w < 8 ? 8 : w;
}

size_t ms_halfblock_cells(const struct ms_style *st) { return (size_t)columns_of(st) * ROWS; }

static const uint8_t bayer[4][4] = {{0, 8, 2, 10}, {12, 4, 14, 6}, {3, 11, 1, 9}, {15, 7, 13, 5}};

static bool dithered(double fill, size_t x, size_t y) { return fill * 16 > bayer[y & 3][x & 3] + 0.5; }

static void put_colour(FILE *f, double up, double down, bool has_down) {
    fprintf(f, "\033[38;5;%dm", ms_heat_colour256(ms_heat_colour(up)));
    if (has_down)
        fprintf(f, "\033[48;5;%dm", ms_heat_colour256(ms_heat_colour(down)));
    else
        fputs("\033[49m", f);
    fputs("▀", f);
}

static void put_plain(FILE *f, double up, double down, size_t x, size_t y) {
    bool u = dithered(up, x, y), d = dithered(down, x, y + 1);
    fputs(u && d ? "█" : u ? "▀" : d ? "▄" : " ", f);
}

/* Fill of cell i; *there is false past the end. */
static double fill_at(const struct ms_cells *c, size_t i, bool *there) {
    *there = i < c->count;
    return *there ? ms_heat_fill(c, i) : 0;
}

/* One line: `rows` (1 or 2) rows of cells from cell `at`. */
static void put_line(FILE *f, const struct ms_style *st, const struct ms_cells *c, size_t at, size_t width,
                     size_t line) {
    static const char ramp[] = " .:-=+*#%@";
    size_t rows = st->utf8 ? 2 : 1, cells = 0;
    double sum = 0;
    fprintf(f, "%10" PRIu64 "  ", c->first + at * c->per_cell);
    for (size_t x = 0; x < width; x++) {
        bool up_there, down_there;
        double up = fill_at(c, at + x, &up_there), down = fill_at(c, at + width + x, &down_there);
        if (!up_there) break;
        sum += up + (rows == 2 && down_there ? down : 0);
        cells += 1 + (rows == 2 && down_there);
        if (!st->utf8)
            fputc(ramp[(int)(up * 9 + 0.5)], f);
        else if (st->colour)
            put_colour(f, up, down, down_there);
        else
            put_plain(f, up, down_there ? down : 0, x, 2 * line);
    }
    if (st->utf8 && st->colour) fputs("\033[0m", f);
    fprintf(f, " %3.0f%%\n", cells ? 100 * sum / (double)cells : 0.0);
}

/* A line under the picture that names the geometries while a walk runs. */
static void put_areas(FILE *f, const struct ms_cells *c) {
    for (size_t i = 0; i < c->count;) {
        size_t k = i;
        while (k < c->count && c->area[k] == c->area[i]) k++;
        uint64_t from = c->first + i * c->per_cell,
                 to = ms_min(c->first + k * c->per_cell, c->first + c->groups);
        static const char *const what[] = {"", "positions below the split: smaller geometry",
                                           "between: holds nothing",
                                           "positions above the split: larger geometry"};
        fprintf(f, "  %-5s groups %" PRIu64 "..%" PRIu64 "  %s\n", ms_area_name(c->area[i]), from, to - 1,
                what[c->area[i]]);
        i = k;
    }
}

static void put_cells(FILE *f, const struct ms_style *st, const struct ms_cells *c, bool walking) {
    size_t width = (size_t)columns_of(st), rows = st->utf8 ? 2 : 1, line = 0;
    fprintf(f, "%10s  each cell %" PRIu64 " group%s, fill 0..1", "group", c->per_cell,
            c->per_cell == 1 ? "" : "s");
    if (st->colour && st->utf8) {
        fputs("  0 ", f);
        for (int i = 0; i < 16; i++)
            fprintf(f, "\033[38;5;%dm█", ms_heat_colour256(ms_heat_colour(i / 15.0)));
        fputs("\033[0m 1", f);
    }
    fputc('\n', f);
    for (size_t at = 0; at < c->count; at += width * rows) put_line(f, st, c, at, width, line++);
    if (walking) put_areas(f, c);
}

void ms_halfblock_heat(FILE *f, const struct ms_style *st, const struct ms_picture *p) {
    char id[64];
    bool walking = p->map->walk != MS_WALK_NONE, classic = p->map->kind == MS_KIND_CLASSIC;
    ms_map_id(p->map, id);
    char *raw = ms_map_label(p->map), *label = ms_text_escape(raw, st->utf8);
    char *line = ms_asprintf("map %s  %s", id, label);
    ms_text_cut(f, line, st->width, st->utf8);
    fprintf(f, "\n%" PRIu64 " entries, %" PRIu64 " groups, load %.3f\n", p->map->entries, p->groups,
            p->map->load);
    free(line);
    free(raw);
    free(label);
    if (p->cells->count == 0) {
        fprintf(f, "the map has no table yet\n");
        return;
    }
    if (walking && classic)
        fprintf(f, "growing: %" PRIu64 " of %" PRIu64 " old groups evacuated\n", p->map->walk_done,
                p->map->walk_total);
    else if (walking)
        fprintf(f, "%s: %" PRIu64 " groups below the split, %" PRIu64 " above, in %s\n",
                p->map->walk == MS_WALK_GROW ? "growing" : "shrinking", p->lo_groups, p->groups,
                p->two_arrays ? "two arrays" : "one array");
    put_cells(f, st, p->cells, walking && !classic); /* evacuated buckets lie anywhere */
    if (p->other && p->other->count) {
        fprintf(f, classic ? "the old array\n" : "the other array\n");
        put_cells(f, st, p->other, walking && !classic);
    }
}

/* The row of a group, at most 80 columns for any table of less than 10^7 groups. */
static void put_group(FILE *f, const struct ms_style *st, const struct ms_group *g) {
    char line[128];
    int at = sprintf(line, "%7" PRIu64 " %2u/%-2u ", g->index, g->live, g->slots);
    for (int k = 0; k < 15; k++) {
        if (k >= g->slots)
            at += sprintf(line + at, "   ");
        else if (g->tophash[k])
            at += sprintf(line + at, " %02x", g->tophash[k]);
        else
            at += sprintf(line + at, " ..");
    }
    at += sprintf(line + at, "  %02x  ", g->overflow);
    if (g->chain_nodes)
        at += sprintf(line + at, "%u/%u", g->chain_entries, g->chain_nodes);
    else
        at += sprintf(line + at, "-");
    sprintf(line + at, "%s%s%s", g->stash_link ? " +st" : "", g->area == MS_AREA_PLAIN ? "" : " ",
            g->area == MS_AREA_PLAIN ? "" : ms_area_name(g->area));
    ms_text_cut(f, line, st->width, st->utf8);
    fputc('\n', f);
}

void ms_halfblock_groups(FILE *f, const struct ms_style *st, const struct ms_group *g, size_t n) {
    fprintf(f, "%7s %5s  %-44s  %-2s  %s\n", "group", "live", "tophash bytes (.. empty)", "ov",
            "chain/nodes");
    for (size_t i = 0; i < n; i++) put_group(f, st, &g[i]);
    if (n != 1) return;
    fprintf(f, "metadata at 0x%" PRIx64 "\n", g[0].addr);
    fprintf(f, g[0].overflow ? "spilled from here, by tophash:" : "nothing spilled from here");
    for (unsigned b = 0; b < 8; b++)
        if (g[0].overflow >> b & 1) fprintf(f, " %02x-%02x", b * 32, b * 32 + 31);
    fputc('\n', f);
}
