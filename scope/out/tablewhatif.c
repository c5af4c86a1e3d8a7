/* tablewhatif.c - a map before and after a change, side by side. */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>

static void put_text(FILE *f, const struct ms_style *st, const char *lead, const char *raw) {
    char *text = ms_text_escape(raw, st->utf8);
    fputs(lead, f);
    ms_text_cut(f, text, st->width ? st->width - ms_text_width(lead) : 0, st->utf8);
    fputc('\n', f);
    free(text);
}

static void put_pair(FILE *f, const char *what, uint64_t now, uint64_t then) {
    fprintf(f, "  %-10s %16" PRIu64 " %16" PRIu64 "\n", what, now, then);
}

static void put_difference(FILE *f, const struct ms_whatif *w) {
    char by[16], spread[16];
    uint64_t now = w->now.bytes, then = w->then.bytes, most = now > then ? now - then : then - now;
    if (most == 0) {
        fprintf(f, "  no difference");
    } else {
        fprintf(f, "  %-10s %16" PRIu64 "  %s", now > then ? "saves" : "costs", most,
                ms_text_bytes(most, by));
        if (now) fprintf(f, ", %.0f%% of what it takes", 100.0 * (double)most / (double)now);
    }
    if (w->spread) fprintf(f, ", give or take %s", ms_text_bytes(w->spread, spread));
    fputc('\n', f);
}

void ms_table_whatif(FILE *f, const struct ms_style *st, const struct ms_map *m, const struct ms_whatif *w) {
    char id[64], lead[80];
    char *label = ms_map_label(m);
    ms_map_id(m, id);
    snprintf(lead, sizeof lead, "map %s  ", id);
    put_text(f, st, lead, label);
    free(label);
    put_text(f, st, "  ", w->what);
    fprintf(f, "\n  %-10s %16s %16s\n", "", "now", "then");
    put_pair(f, "entries", m->entries, m->entries);
    put_pair(f, "slots", w->now.slots, w->then.slots);
    if (w->now.key_size != w->then.key_size) put_pair(f, "key", w->now.key_size, w->then.key_size);
    if (w->now.value_size != w->then.value_size) put_pair(f, "value", w->now.value_size, w->then.value_size);
    if (w->now.slot_size != w->then.slot_size) put_pair(f, "slot", w->now.slot_size, w->then.slot_size);
    if (w->now.apart) put_pair(f, "beside it", w->now.apart, w->then.apart);
    put_pair(f, "bytes", w->now.bytes, w->then.bytes);
    put_difference(f, w);
    if (w->holds != MS_UNKNOWN && w->then.slots)
        fprintf(f, "  grows      %16s %16s %" PRIu64 " entries\n", "", "beyond", w->holds);
    if (w->how) put_text(f, st, "\n  by   ", w->how);
    if (w->given) put_text(f, st, "  if   ", w->given);
    if (w->unfit)
        put_text(f, st, "  not possible as it is: ", w->unfit);
    else if (!w->fit_known)
        fprintf(f, "  whether the keys that are there fit was not looked at, or not at all of them\n");
}
