/* jsonwhatif.c - the document of `whatif`, schema mapscope/1. */
#include "out.h"

static void put_state(struct ms_json *j, const char *key, const struct ms_state *s) {
    ms_json_object(j, key);
    ms_json_number(j, "bytes", s->bytes);
    ms_json_number(j, "slots", s->slots);
    ms_json_number(j, "beside_bytes", s->apart);
    ms_json_number(j, "key_size", s->key_size);
    ms_json_number(j, "value_size", s->value_size);
    ms_json_number(j, "slot_size", s->slot_size);
    ms_json_close(j, '}');
}

void ms_json_whatif(FILE *f, const struct ms_snapshot *s, const struct ms_map *m, const struct ms_whatif *w) {
    struct ms_json j;
    ms_json_head(&j, f, "whatif");
    ms_json_target(&j, "target", s);
    ms_json_array(&j, "maps");
    ms_json_map(&j, m);
    ms_json_close(&j, ']');
    ms_json_object(&j, "whatif");
    ms_json_text(&j, "change", w->change);
    ms_json_text(&j, "what", w->what);
    ms_json_text(&j, "how", w->how);
    ms_json_text(&j, "if", w->given);
    ms_json_bool(&j, "looked", w->fit_known);
    ms_json_text(&j, "unfit", w->unfit);
    put_state(&j, "now", &w->now);
    put_state(&j, "then", &w->then);
    ms_json_number(&j, "spread_bytes", w->spread);
    ms_json_known(&j, "grows_at", w->holds);
    ms_json_close(&j, '}');
    ms_json_notes(&j, s);
    ms_json_close(&j, '}');
    ms_json_end(&j);
}
