/* tableexplain.c - what an address is, for people.
 *
 *   fault   0x7f12a4021088
 *           slots of map 21.1  map21
 *           group 12, slot 3, byte 8 of the key's 24: the slot is live
 *           byte 1032 of 79360 from 0x7f12a4020c80
 *           rw-p anonymous memory 0x7f12a4000000-0x7f12a4100000
 *
 * Of a crash, what points into maps comes first and in full; the other registers a line each.
 */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { INDENT = 8, SMALL_NUMBER = 4096 };

/* The rest of a line that is `used` columns long already; takes the text. */
static void put_rest(FILE *f, const struct ms_style *st, int used, char *raw) {
    char *text = ms_text_escape(raw, st->utf8);
    ms_text_cut(f, text, st->width ? st->width - used : 0, st->utf8);
    fputc('\n', f);
    free(text);
    free(raw);
}

static void put_line(FILE *f, const struct ms_style *st, int indent, char *raw) {
    fprintf(f, "%*s", indent, "");
    put_rest(f, st, indent, raw);
}

static char *group_word(const struct ms_place *p) {
    const char *unit =
        p->map->kind == MS_KIND_GO_CLASSIC || p->map->kind == MS_KIND_CLASSIC ? "bucket" : "group";
    if (p->piece.kind == MS_PIECE_OVERFLOW)
        return ms_asprintf("in the chain of %s %" PRIu64 ", ",
                           p->map->kind == MS_KIND_GOMAP ? "the quad of group" : unit, p->group);
    if (p->group != MS_UNKNOWN) return ms_asprintf("%s %" PRIu64 ", ", unit, p->group);
    return p->unit != MS_UNKNOWN ? ms_asprintf("%s %" PRIu64 " of the pool, ", unit, p->unit) : ms_strdup("");
}

/* Which slot, and which byte of what. */
static void put_slot(FILE *f, const struct ms_style *st, const struct ms_place *p) {
    static const char *const part[MS_INS] = {"", "key", "value", "tophash byte", "link", "padding"};
    char slot[32] = "", of[64] = "";
    if (p->in == MS_IN_NONE && p->slot < 0 && p->group == MS_UNKNOWN) return;
    char *group = group_word(p);
    if (p->slot >= 0) snprintf(slot, sizeof slot, "slot %d, ", p->slot);
    if (p->len > 1)
        snprintf(of, sizeof of, "byte %" PRIu64 " of the %s's %" PRIu64, p->at, part[p->in], p->len);
    else if (p->in != MS_IN_NONE)
        snprintf(of, sizeof of, "%s", part[p->in]);
    else
        snprintf(of, sizeof of, "overflow byte");
    put_line(f, st, INDENT,
             ms_asprintf("%s%s%s%s%s", group, slot, of, p->state ? ": the slot is " : "",
                         p->state ? p->state : ""));
    free(group);
}

/* What a walk means for the run it lies in. */
static const char *about_area(const struct ms_place *p) {
    bool grow = p->map->walk == MS_WALK_GROW;
    if (p->state && strcmp(p->state, "evacuated") == 0)
        return "moved-from: its entries went to the new array";
    switch ((enum ms_area)p->piece.area) {
    case MS_AREA_GAP:
        if (!p->piece.other && p->map->part[MS_PART_MOVING])
            return grow ? "not moved to yet: nothing there is valid"
                        : "moved-from: entries went to the other array";
        if (p->piece.other)
            return grow ? "moved-from: its entries went to the new array"
                        : "not moved to yet: nothing there is valid";
        return "moved-from: vacated by the walk that goes through the array";
    case MS_AREA_LOW: return grow ? "of the array as it was before it grows" : "of the array as it will be";
    case MS_AREA_HIGH:
        return grow ? "of the array as it will be" : "of the array as it was before it shrinks";
    case MS_AREA_PLAIN: break;
    }
    return p->piece.other ? "of the old array of a growth" : NULL;
}

static void put_place(FILE *f, const struct ms_style *st, const struct ms_place *p) {
    char id[64], *label = ms_map_label(p->map);
    ms_map_id(p->map, id);
    put_line(f, st, INDENT, ms_asprintf("%s of map %s  %s", ms_piece_title(p->piece.kind), id, label));
    free(label);
    put_slot(f, st, p);
    if (p->field) put_line(f, st, INDENT, ms_asprintf("field %s", p->field));
    const char *area = about_area(p);
    if (area) put_line(f, st, INDENT, ms_strdup(area));
    put_line(f, st, INDENT,
             ms_asprintf("byte %" PRIu64 " of %" PRIu64 " from 0x%" PRIx64, p->offset, p->piece.len,
                         p->piece.addr));
}

static void put_retired(FILE *f, const struct ms_style *st, const struct ms_snapshot *s,
                        const struct ms_explained *e) {
    const struct ms_retired *r = &e->retired;
    struct ms_map gone = {.id = r->map_id, .copy = r->copy};
    char id[64], when[32];
    ms_map_id(&gone, id);
    char *label = r->map ? ms_map_label(r->map) : ms_strdup(r->freed ? "(freed)" : "");
    put_line(f, st, INDENT,
             ms_asprintf("retired: was %s of map %s  %s", r->header ? "the header" : "a table", id, label));
    free(label);
    put_line(
        f, st, INDENT,
        ms_asprintf("byte %" PRIu64 " of %" PRIu64 " from 0x%" PRIx64, e->addr - r->addr, r->bytes, r->addr));
    uint64_t wall = r->copy < s->copies ? s->copy[r->copy].wall_minus_mono_ns : 0;
    put_line(f, st, INDENT,
             ms_asprintf("given up %s%s", ms_text_wall(r->time_ns + wall, when),
                         e->region.mapped ? "; something else may lie there since" : ""));
}

static char *region_text(const struct ms_region *r) {
    if (r->mapped)
        return ms_asprintf("%s%s%s 0x%" PRIx64 "-0x%" PRIx64, r->perms, *r->perms ? " " : "",
                           *r->name ? r->name : "anonymous memory", r->start, r->end);
    if (r->below && r->above)
        return ms_asprintf("nothing is mapped from 0x%" PRIx64 " to 0x%" PRIx64, r->start, r->end);
    return ms_asprintf("nothing is mapped %s 0x%" PRIx64, r->below ? "above" : "below",
                       r->below ? r->start : r->end);
}

static bool is_fault(const struct ms_explained *e) { return e->label && strcmp(e->label, "fault") == 0; }
static bool is_news(const struct ms_explained *e) { return e->place.map || e->retired.ticket; }

static void put_full(FILE *f, const struct ms_style *st, const struct ms_snapshot *s,
                     const struct ms_explained *e) {
    fprintf(f, "%-*s0x%" PRIx64 "\n", INDENT, e->label ? e->label : "address", e->addr);
    if (e->place.map) put_place(f, st, &e->place);
    if (e->retired.ticket) put_retired(f, st, s, e);
    if (e->object) put_line(f, st, INDENT, ms_strdup(e->object));
    if (!ms_is_canonical(e->addr))
        put_line(f, st, INDENT, ms_strdup("no address: this machine has none like it"));
    else
        put_line(f, st, INDENT, region_text(&e->region));
    if (e->addr < SMALL_NUMBER) put_line(f, st, INDENT, ms_strdup("a null pointer, or a field behind one"));
}

/* One line of a register that points into no map. */
static void put_short(FILE *f, const struct ms_style *st, const struct ms_explained *e) {
    enum { VALUE = 20 };
    fprintf(f, "  %-*s0x%-*" PRIx64, INDENT - 2, e->label, VALUE - 2, e->addr);
    char *text = e->object ? ms_strdup(e->object) : NULL;
    const char *slash = e->region.mapped ? strrchr(e->region.name, '/') : NULL,
               *name = slash ? slash + 1 : e->region.name;
    if (!text && e->region.mapped)
        text = ms_asprintf("%s+0x%" PRIx64 " %s", *name ? name : "anonymous memory",
                           e->addr - e->region.start, e->region.perms);
    if (!text)
        text = ms_strdup(e->addr < SMALL_NUMBER     ? "a small number"
                         : ms_is_canonical(e->addr) ? "not mapped"
                                                    : "no address");
    put_rest(f, st, INDENT + VALUE, text);
}

static void put_crash(FILE *f, const struct ms_style *st, const struct ms_crash *c) {
    if (!c->signal) {
        fputs("the core file names no signal\n", f);
        return;
    }
    const char *code = ms_signal_code(c->signal, c->code), *cause = ms_signal_cause(c->signal, c->code);
    char number[16];
    snprintf(number, sizeof number, "code %d", c->code);
    put_line(f, st, 0,
             ms_asprintf("ended by %s (%d), %s%s%s, thread %d", ms_signal_name(c->signal), c->signal,
                         code ? code : number, cause ? ": " : "", cause ? cause : "", c->thread));
    if (c->goroutine)
        put_line(f, st, 0,
                 ms_asprintf("before that goroutine %" PRIu64 " got %s (%d)", c->goroutine,
                             ms_signal_name(c->go_signal), c->go_signal));
}

void ms_table_explain(FILE *f, const struct ms_style *st, const struct ms_snapshot *s,
                      const struct ms_crash *crash, const struct ms_explained *e, size_t n) {
    size_t others = 0;
    if (crash) put_crash(f, st, crash);
    for (size_t i = 0; i < n; i++) {
        bool full = !crash || is_news(&e[i]) || is_fault(&e[i]);
        if (full) fputs(i || crash ? "\n" : "", f), put_full(f, st, s, &e[i]);
        others += !full;
    }
    if (!others) return;
    fprintf(f, "\n%s\n", others == n ? "no register points into a map" : "other registers");
    for (size_t i = 0; i < n; i++)
        if (!is_news(&e[i]) && !is_fault(&e[i])) put_short(f, st, &e[i]);
}
