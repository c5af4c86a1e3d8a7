/* jsonprof.c - the document of `prof`, schema mapscope/1. */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void put_values(struct ms_json *j, const char *key, const int64_t value[MS_PROF_VALUES]) {
    char text[24];
    ms_json_object(j, key);
    for (int i = 0; i < MS_PROF_VALUES; i++) {
        snprintf(text, sizeof text, "%" PRId64, value[i]);
        ms_json_raw(j, ms_prof_value_name((enum ms_prof_value)i), text);
    }
    ms_json_close(j, '}');
}

static void put_stack(struct ms_json *j, const struct ms_profile *p, const struct ms_prof_sample *s) {
    const struct ms_prof_line *frame[MS_PROF_FRAMES];
    size_t n = ms_profile_frames(p, s, frame, MS_PROF_FRAMES);
    ms_json_array(j, "stack");
    for (size_t i = n; i-- > 0;) {
        const struct ms_prof_function *fn = &p->function[frame[i]->function - 1];
        ms_json_object(j, NULL);
        ms_json_text(j, "function", ms_profile_string(p, fn->name));
        ms_json_text(j, "file", fn->file ? ms_profile_string(p, fn->file) : NULL);
        ms_json_known(j, "line", frame[i]->line ? frame[i]->line : MS_UNKNOWN);
        ms_json_close(j, '}');
    }
    ms_json_close(j, ']');
}

void ms_json_prof(FILE *f, const struct ms_snapshot *s, const struct ms_profile *p, const char *by,
                  enum ms_prof_value v, size_t limit) {
    struct ms_json j;
    struct ms_prof_row *row;
    int64_t total[MS_PROF_VALUES];
    size_t rows = ms_profile_rows(p, by, v, &row), n = limit && limit < rows ? limit : rows;
    bool stack = strcmp(by, "stack") == 0;
    for (int i = 0; i < MS_PROF_VALUES; i++) total[i] = ms_profile_total(p, (enum ms_prof_value)i);
    ms_json_head(&j, f, "prof");
    ms_json_target(&j, "target", s);
    ms_json_known(&j, "period", p->period ? p->period : MS_UNKNOWN);
    ms_json_text(&j, "unsampled", p->sampled);
    ms_json_text(&j, "sample_index", ms_prof_value_name(v));
    ms_json_text(&j, "by", by);
    ms_json_number(&j, "samples", p->samples);
    put_values(&j, "totals", total);
    ms_json_array(&j, "rows");
    for (size_t i = 0; i < n; i++) {
        ms_json_object(&j, NULL);
        ms_json_text(&j, "what", row[i].text ? ms_profile_string(p, row[i].text) : NULL);
        if (stack) put_stack(&j, p, row[i].first);
        ms_json_number(&j, "samples", row[i].samples);
        put_values(&j, "values", row[i].value);
        ms_json_close(&j, '}');
    }
    ms_json_close(&j, ']');
    ms_json_notes(&j, s);
    ms_json_close(&j, '}');
    ms_json_end(&j);
    free(row);
}
