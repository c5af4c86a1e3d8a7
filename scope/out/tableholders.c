/* tableholders.c - who holds a map, for people: each path on lines of its own, uncut, since its end is what matters. */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>

static void put_text(FILE *f, const struct ms_style *st, const char *raw) {
    char *text = ms_text_escape(raw, st->utf8);
    fputs(text, f);
    free(text);
}

static void put_holder(FILE *f, const struct ms_style *st, size_t number, const struct ms_holder *h) {
    fprintf(f, "%3zu  ", number);
    put_text(f, st, h->path);
    fprintf(f, "\n     %s", ms_root_name(h->root));
    if (h->words && h->word[0]) fprintf(f, " 0x%" PRIx64, h->word[0]);
    if (h->words > 1) fprintf(f, ", %zu step%s", h->words - 1, h->words == 2 ? "" : "s");
    if (h->goroutine) fprintf(f, ", goroutine %" PRIu64, h->goroutine);
    if (h->function) {
        fputs(", in ", f);
        put_text(f, st, h->function);
    }
    if (h->file) {
        fputs(" at ", f);
        put_text(f, st, h->file);
        fprintf(f, ":%u", h->line);
    }
    for (size_t i = 0; i < h->besides; i++)
        fprintf(f, "%s0x%" PRIx64, i ? " " : "\n     and from the same frame ", h->beside[i]);
    if (h->perhaps) fprintf(f, "\n     nothing tells whether the function still needs it");
    fputc('\n', f);
}

static void put_dominator(FILE *f, const struct ms_style *st, const struct ms_holders *h) {
    if (h->conservative) return;
    if (!h->dominator) {
        fprintf(f, "dominator  none: its holders have nothing in common\n");
        return;
    }
    fputs("dominator  ", f);
    put_text(f, st, h->dominator);
    fprintf(f, "\n           ");
    if (h->dominator_type) {
        put_text(f, st, h->dominator_type);
        fputc(' ', f);
    }
    fprintf(f, "at 0x%" PRIx64 ": every path goes through it\n", h->dominator_addr);
}

void ms_table_holders(FILE *f, const struct ms_style *st, const struct ms_map *m,
                      const struct ms_holders *h) {
    char id[64], bytes[16];
    char *label = ms_map_label(m);
    ms_map_id(m, id);
    fprintf(f, "map %s  ", id);
    put_text(f, st, label);
    free(label);
    fprintf(f, "\n%" PRIu64 " pointer%s to it", h->pointers, h->pointers == 1 ? "" : "s");
    if (!h->conservative)
        fprintf(f, ", %s%" PRIu64 " shortest path%s", h->cut ? "at least " : "", h->paths,
                h->paths == 1 ? "" : "s");
    if (h->holders < h->paths) fprintf(f, ", %zu shown (-n shows more)", h->holders);
    fputc('\n', f);
    if (h->conservative)
        fprintf(f, "conservative: words of %s of memory that have its address; some may be no pointers\n",
                ms_text_bytes(h->scanned_bytes, bytes));
    if (h->skipped_bytes)
        fprintf(f, "not scanned: %s of address space in mappings above 256G\n",
                ms_text_bytes(h->skipped_bytes, bytes));
    for (size_t i = 0; i < h->holders; i++) put_holder(f, st, i + 1, &h->holder[i]);
    put_dominator(f, st, h);
    if (h->retained_bytes == MS_UNKNOWN) return;
    fprintf(f, "retained   %s in %" PRIu64 " object%s only it leads to",
            ms_text_bytes(h->retained_bytes, bytes), h->retained_objects,
            h->retained_objects == 1 ? "" : "s");
    fprintf(f, ", %s of them its own\n", ms_text_bytes(m->bytes, bytes));
}
