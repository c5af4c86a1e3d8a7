/* jsoncheck.c - the documents of `check` and `watch`, schema mapscope/1. */
#include "out.h"

static void put_budget(struct ms_json *j, const struct ms_budget *b) {
    ms_json_object(j, NULL);
    ms_json_text(j, "budget", b->text);
    ms_json_text(j, "result", !b->seen ? "unseen" : b->broken ? "broken" : "kept");
    ms_json_text(j, "field", ms_filter_field(&b->limit, b->term));
    if (b->seen)
        ms_json_ratio(j, "worst", b->worst);
    else
        ms_json_text(j, "worst", NULL);
    ms_json_text(j, "name", b->label);
    ms_json_known(j, "worst_at_ns", b->seen ? b->worst_ns : MS_UNKNOWN);
    ms_json_known(j, "first_broken_ns", b->broken ? b->first_ns : MS_UNKNOWN);
    ms_json_close(j, '}');
}

void ms_json_check(FILE *f, const struct ms_checked *c, const struct ms_snapshot *last) {
    struct ms_json j;
    ms_json_head(&j, f, "check");
    ms_json_object(&j, "program");
    ms_json_text(&j, "command", c->program);
    ms_json_number(&j, "pid", (uint64_t)c->pid);
    ms_json_text(&j, "runtime", c->runtime);
    ms_json_known(&j, "exit_code", c->signal ? MS_UNKNOWN : (uint64_t)c->code);
    ms_json_known(&j, "signal", c->signal ? (uint64_t)c->signal : MS_UNKNOWN);
    ms_json_number(&j, "time_ns", c->ns);
    ms_json_close(&j, '}');
    ms_json_number(&j, "looks", c->looks);
    ms_json_bool(&j, "last_look_at_exit", c->at_exit);
    ms_json_object(&j, "peak");
    ms_json_number(&j, "maps", c->maps);
    ms_json_number(&j, "entries", c->entries);
    ms_json_number(&j, "bytes", c->bytes);
    ms_json_number(&j, "bytes_at_ns", c->bytes_ns);
    ms_json_number(&j, "waste_bytes", c->waste);
    ms_json_close(&j, '}');
    ms_json_known(&j, "maps_made", c->looks ? c->made : MS_UNKNOWN);
    ms_json_known(&j, "maps_freed", c->looks ? c->freed : MS_UNKNOWN);
    ms_json_array(&j, "budgets");
    for (size_t i = 0; i < c->budgets; i++) put_budget(&j, &c->budget[i]);
    ms_json_close(&j, ']');
    ms_json_notes(&j, last);
    ms_json_close(&j, '}');
    ms_json_end(&j);
}

void ms_json_event(FILE *f, const struct ms_snapshot *s, const struct ms_map *m, const char *when,
                   uint64_t wall_ns) {
    struct ms_json j;
    ms_json_head(&j, f, "watch");
    ms_json_target(&j, "target", s);
    ms_json_text(&j, "when", when);
    ms_json_number(&j, "wall_ns", wall_ns);
    ms_json_array(&j, "maps");
    ms_json_map(&j, m);
    ms_json_close(&j, ']');
    ms_json_notes(&j, s);
    ms_json_close(&j, '}');
    ms_json_end(&j);
}
