/* proffolded.c - a profile as folded stacks, and for speedscope.
 *
 *   folded       main;load;parse 4096       a line a stack, root first, as flamegraph.pl and its like read it
 *   speedscope   one file, a profile for each type of value that is not 0 (https://www.speedscope.app/file-format-schema.json)
 */
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *function_of(const struct ms_profile *p, const struct ms_prof_line *l) {
    return ms_profile_string(p, p->function[l->function - 1].name);
}

/* Names end at a semicolon there. */
static void put_name(FILE *f, const char *name) {
    char *s = ms_text_escape(name, true);
    for (char *at = s; *at; at++)
        if (*at == ';') *at = ':';
    fputs(s, f);
    free(s);
}

void ms_prof_folded(FILE *f, const struct ms_profile *p, enum ms_prof_value v) {
    const struct ms_prof_line *frame[MS_PROF_FRAMES];
    struct ms_prof_row *row;
    size_t rows = ms_profile_rows(p, "stack", v, &row);
    for (size_t i = 0; i < rows && row[i].value[v] > 0; i++) {
        size_t n = ms_profile_frames(p, row[i].first, frame, MS_PROF_FRAMES);
        if (!n) fputs("[no stack]", f);
        for (size_t k = 0; k < n; k++) {
            if (k) fputc(';', f);
            put_name(f, function_of(p, frame[k]));
        }
        fprintf(f, " %" PRId64 "\n", row[i].value[v]);
    }
    free(row);
}

/* ---- speedscope -------------------------------------------------------------------------------------- */

/* A frame is a line of a function: the numbers of the profile's own lines, of which some are alike. */
static void put_frames(struct ms_json *j, const struct ms_profile *p) {
    ms_json_array(j, "frames");
    for (size_t i = 0; i < p->lines; i++) {
        const struct ms_prof_function *fn = &p->function[p->line[i].function - 1];
        ms_json_object(j, NULL);
        ms_json_text(j, "name", ms_profile_string(p, fn->name));
        if (fn->file) ms_json_text(j, "file", ms_profile_string(p, fn->file));
        if (p->line[i].line) ms_json_number(j, "line", p->line[i].line);
        ms_json_close(j, '}');
    }
    ms_json_object(j, NULL);
    ms_json_text(j, "name", "[no stack]");
    ms_json_close(j, '}');
    ms_json_close(j, ']');
}

static void put_stack(struct ms_json *j, const struct ms_profile *p, const struct ms_prof_sample *s) {
    const struct ms_prof_line *frame[MS_PROF_FRAMES];
    size_t n = ms_profile_frames(p, s, frame, MS_PROF_FRAMES);
    ms_json_array(j, NULL);
    if (!n) ms_json_number(j, NULL, p->lines);
    for (size_t k = 0; k < n; k++) ms_json_number(j, NULL, (uint64_t)(frame[k] - p->line));
    ms_json_close(j, ']');
}

static void put_profile(struct ms_json *j, const struct ms_profile *p, enum ms_prof_value v) {
    struct ms_prof_row *row;
    size_t rows = ms_profile_rows(p, "stack", v, &row), n = 0;
    uint64_t sum = 0;
    for (; n < rows && row[n].value[v] > 0; n++) sum += (uint64_t)row[n].value[v];
    if (n) {
        ms_json_object(j, NULL);
        ms_json_text(j, "type", "sampled");
        ms_json_text(j, "name", ms_prof_value_name(v));
        ms_json_text(j, "unit", strcmp(ms_prof_value_unit(v), "bytes") == 0 ? "bytes" : "none");
        ms_json_number(j, "startValue", 0);
        ms_json_number(j, "endValue", sum);
        ms_json_array(j, "samples");
        for (size_t i = 0; i < n; i++) put_stack(j, p, row[i].first);
        ms_json_close(j, ']');
        ms_json_array(j, "weights");
        for (size_t i = 0; i < n; i++) ms_json_number(j, NULL, (uint64_t)row[i].value[v]);
        ms_json_close(j, ']');
        ms_json_close(j, '}');
    }
    free(row);
}

void ms_prof_speedscope(FILE *f, const struct ms_snapshot *s, const struct ms_profile *p,
                        enum ms_prof_value v) {
    struct ms_json j;
    char *name = ms_asprintf("maps of %s (%d)", s->target.comm ? s->target.comm : "?", s->target.pid);
    ms_json_begin(&j, f);
    ms_json_object(&j, NULL);
    ms_json_text(&j, "$schema", "https://www.speedscope.app/file-format-schema.json");
    ms_json_text(&j, "name", name);
    ms_json_text(&j, "exporter", "mapscope");
    ms_json_object(&j, "shared");
    put_frames(&j, p);
    ms_json_close(&j, '}');
    ms_json_array(&j, "profiles");
    put_profile(&j, p, v); /* what is opened first */
    for (int i = 0; i < MS_PROF_VALUES; i++)
        if (i != (int)v) put_profile(&j, p, (enum ms_prof_value)i);
    ms_json_close(&j, ']');
    ms_json_close(&j, '}');
    ms_json_end(&j);
    free(name);
}
