/* heat.c - from occupied slots to colours.
 *
 * The ramp interpolates nine stops of a perceptually even scale from dark violet over green to yellow: equal
 * steps of fill look like equal steps, in grey and to the colour blind too.
 */
#include "view.h"

#include <stdlib.h>

double ms_heat_fill(const struct ms_cells *c, size_t cell) {
    uint64_t from = cell * c->per_cell, groups = ms_min(c->per_cell, c->groups - from);
    uint64_t slots = groups * c->group_slots;
    return slots ? (double)c->live[cell] / (double)slots : 0;
}

/* Stops of the scale at 0, 1/8 ... 1. */
static const struct ms_rgb stop[9] = {{68, 1, 84},    {71, 44, 122},  {59, 81, 139},
                                      {44, 113, 142}, {33, 144, 141}, {39, 173, 129},
                                      {92, 200, 99},  {170, 220, 50}, {253, 231, 37}};

static uint8_t between(uint8_t a, uint8_t b, double t) { return (uint8_t)(a + (b - a) * t + 0.5); }

struct ms_rgb ms_heat_colour(double fill) {
    if (!(fill > 0)) fill = 0;
    if (fill > 1) fill = 1;
    int i = (int)(fill * 8);
    if (i > 7) i = 7;
    double t = fill * 8 - i;
    return (struct ms_rgb){between(stop[i].r, stop[i + 1].r, t), between(stop[i].g, stop[i + 1].g, t),
                           between(stop[i].b, stop[i + 1].b, t)};
}

int ms_heat_colour256(struct ms_rgb c) {
    int r = (c.r * 5 + 127) / 255, g = (c.g * 5 + 127) / 255, b = (c.b * 5 + 127) / 255;
    return 16 + 36 * r + 6 * g + b;
}

void ms_heat_coarser(const struct ms_cells *in, size_t factor, struct ms_cells *out) {
    *out = *in;
    if (factor == 0) factor = 1;
    out->per_cell = in->per_cell * factor;
    out->count = (in->count + factor - 1) / factor;
    out->live = ms_alloc(out->count * sizeof *out->live);
    out->area = ms_alloc(out->count);
    for (size_t i = 0; i < in->count; i++) {
        out->live[i / factor] += in->live[i];
        if (i % factor == 0) out->area[i / factor] = in->area[i];
    }
}

size_t ms_heat_columns(size_t cells, size_t max) {
    size_t w = 1;
    while (w * w < 2 * cells && w < max) w++;
    return w;
}
