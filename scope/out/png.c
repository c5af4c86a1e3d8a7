/* png.c - the heat map as PNG, written with zlib alone.
 *
 *   signature | IHDR | IDAT (deflated rows, filter byte 0 each, palette indexes) | IEND
 *
 * A cell is a square of 1 to 16 pixels.  Colours are a palette: 0..63 fill, 64 background, 65..67 the areas
 * of a running walk, which are shown as a stripe under each cell (cells of 3 pixels and more) or as the row's
 * left edge, and by grey for what lies between the two geometries.
 */
#include "out.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { FILLS = 64, BACKGROUND = 64, LOW = 65, GAP = 66, HIGH = 67, COLOURS = 68, EDGE = 4 };

static void put32(uint8_t *p, uint32_t v) {
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void put_chunk(FILE *f, const char *name, const uint8_t *data, size_t len) {
    uint8_t head[8], crc[4];
    put32(head, (uint32_t)len);
    memcpy(head + 4, name, 4);
    uLong sum = crc32(crc32(0, NULL, 0), head + 4, 4);
    if (len) sum = crc32(sum, data, (uInt)len);
    put32(crc, (uint32_t)sum);
    fwrite(head, 1, 8, f);
    fwrite(data, 1, len, f);
    fwrite(crc, 1, 4, f);
}

static uint8_t colour_of(const struct ms_cells *c, size_t i) {
    if (c->area[i] == MS_AREA_GAP) return GAP;
    return (uint8_t)(ms_heat_fill(c, i) * (FILLS - 1) + 0.5);
}

static const uint8_t area_colour[] = {BACKGROUND, LOW, GAP, HIGH};

/* One panel of cells into rows of pixels; each row starts with its filter byte. */
static void draw(uint8_t *pixels, size_t stride, const struct ms_cells *c, size_t columns, size_t scale) {
    for (size_t i = 0; i < c->count; i++) {
        size_t x0 = 1 + EDGE + i % columns * scale, y0 = i / columns * scale;
        for (size_t y = 0; y < scale; y++) {
            uint8_t *row = pixels + (y0 + y) * stride;
            bool stripe = c->area[i] != MS_AREA_PLAIN && scale >= 3 && y == scale - 1;
            memset(row + x0, stripe ? area_colour[c->area[i]] : colour_of(c, i), scale);
            if (i % columns == 0) memset(row + 1, area_colour[c->area[i]], EDGE - 1);
        }
    }
}

static void palette(uint8_t rgb[3 * COLOURS]) {
    static const struct ms_rgb named[] = {{255, 255, 255}, {232, 113, 10}, {190, 190, 190}, {26, 159, 212}};
    for (int i = 0; i < COLOURS; i++) {
        struct ms_rgb c = i < FILLS ? ms_heat_colour(i / (FILLS - 1.0)) : named[i - FILLS];
        rgb[3 * i] = c.r, rgb[3 * i + 1] = c.g, rgb[3 * i + 2] = c.b;
    }
}

int ms_png_heat(FILE *f, const struct ms_picture *p, struct ms_error *err) {
    size_t count = p->cells->count ? p->cells->count : 1, columns = ms_heat_columns(count, 1024);
    size_t scale = columns >= 512 ? 1 : 512 / columns > 16 ? 16 : 512 / columns;
    size_t rows = (count + columns - 1) / columns, other_rows = 0;
    if (p->other && p->other->count) other_rows = 1 + (p->other->count + columns - 1) / columns;
    size_t width = EDGE + columns * scale, height = (rows + other_rows) * scale, stride = width + 1;
    uint8_t *pixels = ms_alloc(stride * height), header[13] = {0}, rgb[3 * COLOURS];
    for (size_t y = 0; y < height; y++) memset(pixels + y * stride + 1, BACKGROUND, width);
    draw(pixels, stride, p->cells, columns, scale);
    if (other_rows) draw(pixels + (rows + 1) * scale * stride, stride, p->other, columns, scale);
    uLongf packed_len = compressBound(stride * height);
    uint8_t *packed = ms_alloc(packed_len);
    int rc = compress2(packed, &packed_len, pixels, stride * height, 6);
    if (rc == Z_OK) {
        fwrite("\x89PNG\r\n\x1a\n", 1, 8, f);
        put32(header, (uint32_t)width);
        put32(header + 4, (uint32_t)height);
        header[8] = 8, header[9] = 3; /* 8 bits, palette */
        put_chunk(f, "IHDR", header, sizeof header);
        palette(rgb);
        put_chunk(f, "PLTE", rgb, sizeof rgb);
        put_chunk(f, "IDAT", packed, packed_len);
        put_chunk(f, "IEND", rgb, 0);
    }
    free(packed);
    free(pixels);
    return rc == Z_OK ? MS_OK : ms_fail(err, MS_INTERNAL, "PNG: zlib failed (%d)", rc);
}
