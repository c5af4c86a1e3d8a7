/* tablelayout.c - map types for people: a row each, or one in full with its picture.
 *
 * The picture has a row a field, as pahole draws a struct, and below it a strip of bytes, a cache line a row:
 *
 *    offset  size
 *         0     8  control
 *         8    24  slot                                  |   0  cccccccc kkkkkkkk v....... KKKKKKKK V.......
 *         8     8    key        int64                    |  64  ...
 *        16    16    value      main.flagged
 *        16     1      live     bool
 *        17     7      ------- hole of 7 bytes
 */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TYPE_LEAST = 12, LINES_MOST = 8, NAME_WIDTH = 26, CHOICE_WIDTH = 38 };

static const char *plural(uint64_t n) { return n == 1 ? "" : "s"; }

static void put_text(FILE *f, const struct ms_style *st, const char *raw, int width) {
    char *text = ms_text_escape(raw, st->utf8);
    ms_text_cut(f, text, width, st->utf8);
    free(text);
}

/* ---- the list ---------------------------------------------------------------------------------- */

static void put_name(FILE *f, const struct ms_style *st, const char *raw, int width) {
    char *text = ms_text_escape(raw, st->utf8);
    char *cell = ms_text_fitted(text, width, width / 2, st->utf8);
    fputs(cell, f);
    free(cell);
    free(text);
}

static int longest(const struct ms_style *st, const struct ms_maptypes *all) {
    int most = TYPE_LEAST;
    for (size_t i = 0; i < all->shown; i++) {
        char *text = ms_text_escape(all->of[i].type->name, st->utf8);
        int width = ms_text_width(text);
        if (width > most) most = width;
        free(text);
    }
    return most;
}

static void put_crossing(FILE *f, const struct ms_maptype *l) {
    if (l->crossing.of)
        fprintf(f, " %4.0f%%", 100.0 * (double)l->crossing.slots / (double)l->crossing.of);
    else
        fprintf(f, "     -");
}

static void put_gain(FILE *f, const struct ms_maptype *l) {
    char gain[16];
    uint64_t n = ms_layout_gain(l);
    if (n)
        fprintf(f, " %6s %s\n", ms_text_bytes(n, gain), l->choice[0].id);
    else
        fprintf(f, "      -\n");
}

static void put_row(FILE *f, const struct ms_style *st, const struct ms_maptypes *all,
                    const struct ms_maptype *l, int width) {
    char entries[16], bytes[16];
    put_name(f, st, l->type->name, width);
    if (all->file) fprintf(f, " %5" PRIu64 " %5" PRIu64, l->key_part.size, l->value_part.size);
    fprintf(f, " %5u %4" PRIu64 " %6u", l->slot_bytes, l->slot_padding + l->key_holes + l->value_holes,
            l->group_bytes);
    put_crossing(f, l);
    if (!all->file)
        fprintf(f, " %6" PRIu64 " %8s %5s", l->maps, ms_text_count(l->entries, entries),
                ms_text_bytes(l->bytes, bytes));
    put_gain(f, l);
}

void ms_table_layouts(FILE *f, const struct ms_style *st, const struct ms_snapshot *s,
                      const struct ms_maptypes *all) {
    int numbers = all->file ? 5 * 6 + 5 + 7 + 17 : 6 + 5 + 7 + 6 + 7 + 9 + 6 + 16, width = longest(st, all);
    if (st->width && width > st->width - numbers)
        width = st->width - numbers < TYPE_LEAST ? TYPE_LEAST : st->width - numbers;
    if (all->file) {
        put_text(f, st, all->file, st->width);
        fprintf(f, "%s%s\nsaved: of a map of %" PRIu64 " entries\n", s->runtime ? ", " : "",
                s->runtime ? s->runtime : "", all->per_entries);
    }
    ms_text_fit(f, "TYPE", width, st->utf8);
    if (all->file) fprintf(f, "   KEY VALUE");
    fprintf(f, "  SLOT  PAD  GROUP CROSS");
    if (!all->file) fprintf(f, "   MAPS  ENTRIES BYTES");
    fprintf(f, "  SAVED BY\n");
    for (size_t i = 0; i < all->shown; i++) put_row(f, st, all, &all->of[i], width);
    fprintf(f, "%zu map type%s%s", all->count, plural(all->count), all->shown < all->count ? ", " : "");
    if (all->shown < all->count) fprintf(f, "%zu shown", all->shown);
    fprintf(f, "\nPAD: bytes of a slot that hold nothing; CROSS: slots on two cache lines\n");
}

/* ---- one type ---------------------------------------------------------------------------------- */

static const char *kind_title(const struct ms_maptype *l) {
    switch (l->kind) {
    case MS_KIND_GO_SWISS: return l->rules == MS_SLOTS_SPLIT ? "Go's map, split groups" : "Go's map (Swiss)";
    case MS_KIND_GO_CLASSIC: return "Go's map (up to 1.23)";
    case MS_KIND_CLASSIC: return "classic map";
    default: return "gomap";
    }
}

static void put_part(FILE *f, const struct ms_style *st, const char *what, const char *name,
                     const struct ms_slot_part *p, uint64_t holes, bool far) {
    fprintf(f, "  %-9s ", what);
    put_text(f, st, name, st->width ? st->width - 44 : 0);
    fprintf(f, ", %" PRIu64 " B", p->size);
    if (p->align > 1) fprintf(f, ", align %u", p->align);
    if (holes) fprintf(f, ", %" PRIu64 " in holes", holes);
    if (far) fprintf(f, ", elsewhere");
    fputc('\n', f);
}

static bool is_far(const struct ms_slot_part *p, uint32_t slot) { return p->size != slot; }

static void put_head(FILE *f, const struct ms_style *st, const struct ms_maptypes *all,
                     const struct ms_maptype *l) {
    char entries[16], slots[16], bytes[16];
    struct ms_go_shape s = ms_slots_shape(l->type, l->kind);
    put_text(f, st, l->type->name, st->width ? st->width - 26 : 0);
    fprintf(f, "   %s\n", kind_title(l));
    if (l->type->site) {
        fputs("  made at   ", f);
        put_text(f, st, l->type->site, st->width ? st->width - 12 : 0);
        fputc('\n', f);
    }
    if (l->maps)
        fprintf(f, "  %" PRIu64 " map%s, %s entries in %s slots, %s\n", l->maps, plural(l->maps),
                ms_text_count(l->entries, entries), ms_text_count(l->slots, slots),
                ms_text_bytes(l->bytes, bytes));
    else
        fprintf(f, "  no map of it is there: figures are of one with %" PRIu64 " entries\n",
                all->per_entries);
    put_part(f, st, "key", l->type->key, &l->key_part, l->key_holes, is_far(&l->key_part, s.key_slot));
    put_part(f, st, "value", l->type->value, &l->value_part, l->value_holes,
             is_far(&l->value_part, s.elem_slot));
    uint64_t holes = l->slot_padding + l->key_holes + l->value_holes;
    fprintf(f, "  slot      %u B", l->slot_bytes);
    if (holes)
        fprintf(f, ", %" PRIu64 " of them hold nothing (%.0f%%)", holes,
                l->slot_bytes ? 100.0 * (double)holes / l->slot_bytes : 0);
    fprintf(f, "\n  %-9s %u B, %u slots",
            l->kind == MS_KIND_GO_CLASSIC || l->kind == MS_KIND_CLASSIC ? "bucket" : "group", l->group_bytes,
            ms_slots_in_group(l->kind));
    if (l->group_padding) fprintf(f, ", %u padding", l->group_padding);
    fputc('\n', f);
    if (l->crossing.of)
        fprintf(f, "  lines     %.1f%% of the slots lie on two cache lines of %d\n",
                100.0 * (double)l->crossing.slots / (double)l->crossing.of, MS_LINE);
    if (l->padding_bytes)
        fprintf(f, "  padding   %s in all slots%s\n", ms_text_bytes(l->padding_bytes, bytes),
                l->maps ? "" : " of that map");
}

static const char *colour(const struct ms_style *st, bool hole) {
    return !st->colour ? "" : hole ? "\033[33m" : "\033[0m";
}

static void put_field(FILE *f, const struct ms_style *st, const struct ms_row *r) {
    int indent = (int)(2 * r->depth);
    fprintf(f, "  %6" PRIu64 " %6" PRIu64 "  %*s", r->offset, r->size, indent, "");
    if (r->hole) {
        fprintf(f, "%s%s hole of %" PRIu64 " byte%s%s\n", colour(st, true), st->utf8 ? "╌╌╌╌" : "----",
                r->size, plural(r->size), colour(st, false));
        return;
    }
    char *name = ms_text_escape(r->name ? r->name : "?", st->utf8);
    char *cell = ms_text_fitted(name, NAME_WIDTH - indent < 4 ? 4 : NAME_WIDTH - indent, 0, st->utf8);
    if (r->repeat > 1)
        fprintf(f, "%s x %u\n", name, r->repeat);
    else if (r->type) {
        fprintf(f, "%s %s", cell, r->far ? "-> " : "");
        put_text(f, st, r->type, st->width ? st->width - 17 - NAME_WIDTH - 4 : 0);
        fputc('\n', f);
    } else
        fprintf(f, "%s\n", name);
    free(cell);
    free(name);
}

static void put_rows(FILE *f, const struct ms_style *st, const struct ms_rows *rows) {
    for (size_t i = 0; i < rows->count; i++)
        if (rows->row[i].size || rows->row[i].name) put_field(f, st, &rows->row[i]);
}

/* Capitals show where a slot ends and the next begins. */
static void turn_every_other(char *strip, size_t n, uint32_t off, uint32_t stride, uint32_t size,
                             unsigned slots) {
    for (unsigned i = 1; i < slots; i += 2)
        for (uint64_t k = off + (uint64_t)i * stride, end = k + size; k < end && k < n; k++)
            if (strip[k] >= 'a' && strip[k] <= 'z') strip[k] = (char)(strip[k] - 'a' + 'A');
}

/* A letter a byte: what was painted last lies on top, so fields cover the struct they are in. */
static void put_strip(FILE *f, const struct ms_style *st, const struct ms_maptype *l,
                      const struct ms_rows *rows) {
    size_t n = (size_t)ms_min(rows->bytes, LINES_MOST * MS_LINE);
    char *strip = ms_alloc(n + 1);
    struct ms_go_shape s = ms_slots_shape(l->type, l->kind);
    memset(strip, '.', n);
    for (size_t i = 0; i < rows->count; i++) {
        const struct ms_row *r = &rows->row[i];
        for (uint64_t k = r->offset; r->letter != 's' && k < r->offset + r->size && k < n; k++)
            strip[k] = r->letter;
    }
    if (s.key_stride == l->slot_bytes &&
        s.key_stride) /* slots that the picture does not take apart are like the first */
        for (uint64_t k = s.key_off + s.key_stride; k < n; k++)
            if (k < s.key_off + (uint64_t)s.key_stride * ms_slots_in_group(l->kind))
                strip[k] = strip[k - s.key_stride];
    turn_every_other(strip, n, s.key_off, s.key_stride, s.key_slot, ms_slots_in_group(l->kind));
    turn_every_other(strip, n, s.elem_off, s.elem_stride, s.elem_slot, ms_slots_in_group(l->kind));
    fprintf(f, "\n  a row is a cache line: c control, k key, v value (every other slot in capitals),\n"
               "  p link, . nothing\n");
    for (size_t at = 0; at < n; at += MS_LINE) {
        fprintf(f, "%6zu ", at);
        for (size_t k = at; k < n && k < at + MS_LINE; k++) {
            if (k % 8 == 0) fputc(' ', f);
            bool nothing = strip[k] == '.', before = k > at && strip[k - 1] == '.';
            if (nothing != before) fputs(colour(st, nothing), f);
            fputc(strip[k], f);
            if (nothing && (k + 1 == n || k + 1 == at + MS_LINE)) fputs(colour(st, false), f);
        }
        fputc('\n', f);
    }
    if (n < rows->bytes) fprintf(f, "        ... %" PRIu64 " bytes more\n", rows->bytes - n);
    free(strip);
}

static void put_choice(FILE *f, const struct ms_style *st, const struct ms_maptype *l,
                       const struct ms_choice *c) {
    char now[16], then[16];
    struct ms_go_shape s = ms_slots_shape(&c->type, l->kind);
    uint64_t by = c->now > c->then ? c->now - c->then : c->then - c->now;
    fprintf(f, "  %-8s ", c->id);
    char *what = ms_text_escape(c->what, st->utf8);
    ms_text_fit(f, what, CHOICE_WIDTH, st->utf8);
    free(what);
    fprintf(f, " %5u %6u %6s %s%s\n", c->type.slot_size, s.group_size, ms_text_bytes(c->then, then),
            c->now >= c->then ? "saves " : "costs ", ms_text_bytes(by, now));
    if (!c->given) return;
    fputs("             if ", f);
    put_text(f, st, c->given, st->width ? st->width - 16 : 0);
    fputc('\n', f);
}

static void put_choices(FILE *f, const struct ms_style *st, const struct ms_maptype *l) {
    if (l->rules == MS_SLOTS_UNKNOWN)
        fprintf(f, "\n  what else it could be is not told: %s\n",
                l->key && l->value ? "its slots are not laid out by any known rule"
                                   : "its key or value is not known");
    if (l->choices == 0) return;
    fprintf(f, "\n  %-*s  SLOT  GROUP  BYTES\n", CHOICE_WIDTH + 9, "instead");
    for (size_t i = 0; i < l->choices; i++) put_choice(f, st, l, &l->choice[i]);
}

/* The order of fields that saves most, of key and value where it does. */
static void put_packed(FILE *f, const struct ms_style *st, const struct ms_maptype *l) {
    for (int value = 0; value < 2; value++) {
        uint32_t number = value ? l->value : l->key;
        const struct ms_mem_type *t = ms_mem_get(l->mem, number);
        struct ms_rows rows;
        if (t->kind != MS_MEM_STRUCT || t->packed >= t->size) continue;
        ms_picture_packed(l->mem, number, &rows);
        fputs("\n  ", f);
        put_text(f, st, t->name ? t->name : "?", st->width ? st->width - 40 : 0);
        fprintf(f, " in %" PRIu64 " bytes instead of %" PRIu64 "\n", rows.bytes, t->size);
        put_rows(f, st, &rows);
        ms_rows_free(&rows);
    }
}

void ms_table_layout(FILE *f, const struct ms_style *st, const struct ms_maptypes *all,
                     const struct ms_maptype *l) {
    struct ms_rows rows;
    ms_picture_group(l, &rows);
    put_head(f, st, all, l);
    fprintf(f, "\n  offset   size  one %s\n",
            l->kind == MS_KIND_GO_CLASSIC || l->kind == MS_KIND_CLASSIC ? "bucket" : "group");
    put_rows(f, st, &rows);
    put_strip(f, st, l, &rows);
    put_choices(f, st, l);
    put_packed(f, st, l);
    fputc('\n', f);
    ms_rows_free(&rows);
}
