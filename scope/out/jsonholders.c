/* jsonholders.c - the document of `holders`, schema mapscope/1. */
#include "out.h"

static void put_holder(struct ms_json *j, const struct ms_holder *h) {
    ms_json_object(j, NULL);
    ms_json_text(j, "path", h->path);
    ms_json_text(j, "root", ms_root_name(h->root));
    ms_json_known(j, "goroutine", h->goroutine ? h->goroutine : MS_UNKNOWN);
    ms_json_text(j, "function", h->function);
    ms_json_text(j, "file", h->file);
    ms_json_known(j, "line", h->line ? h->line : MS_UNKNOWN);
    ms_json_array(j, "words");
    for (size_t i = 0; i < h->words; i++) ms_json_number(j, NULL, h->word[i]);
    ms_json_close(j, ']');
    ms_json_array(j, "same_frame");
    for (size_t i = 0; i < h->besides; i++) ms_json_number(j, NULL, h->beside[i]);
    ms_json_close(j, ']');
    ms_json_bool(j, "perhaps_dead", h->perhaps);
    ms_json_close(j, '}');
}

static void put_dominator(struct ms_json *j, const struct ms_holders *h) {
    if (!h->dominator) {
        ms_json_text(j, "dominator", NULL);
        return;
    }
    ms_json_object(j, "dominator");
    ms_json_text(j, "path", h->dominator);
    ms_json_text(j, "type", h->dominator_type);
    ms_json_number(j, "address", h->dominator_addr);
    ms_json_close(j, '}');
}

void ms_json_holders(FILE *f, const struct ms_snapshot *s, const struct ms_map *m,
                     const struct ms_holders *h) {
    struct ms_json j;
    ms_json_head(&j, f, "holders");
    ms_json_target(&j, "target", s);
    ms_json_array(&j, "maps");
    ms_json_map(&j, m);
    ms_json_close(&j, ']');
    ms_json_object(&j, "held");
    ms_json_bool(&j, "conservative", h->conservative);
    ms_json_number(&j, "pointers", h->pointers);
    ms_json_known(&j, "paths", h->cut ? MS_UNKNOWN : h->paths);
    ms_json_array(&j, "shortest");
    for (size_t i = 0; i < h->holders; i++) put_holder(&j, &h->holder[i]);
    ms_json_close(&j, ']');
    put_dominator(&j, h);
    ms_json_known(&j, "retained_bytes", h->retained_bytes);
    ms_json_known(&j, "retained_objects", h->retained_objects);
    ms_json_known(&j, "scanned_bytes", h->conservative ? h->scanned_bytes : MS_UNKNOWN);
    ms_json_known(&j, "skipped_bytes", h->conservative ? h->skipped_bytes : MS_UNKNOWN);
    ms_json_close(&j, '}');
    ms_json_notes(&j, s);
    ms_json_close(&j, '}');
    ms_json_end(&j);
}
